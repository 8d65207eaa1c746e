//! The control: a store that is not what it says, clients that crash or wait, a program that keeps silent. The judge of
//! the damages finds each.

use super::*;
use crate::fire::is_found;

#[test]
fn a_program_that_takes_damage_for_health_is_found() {
    play_under_fire(|world, _| match world.role() {
        "" => {
            let stores = Stores::new(world);
            let finds = |flaw: &str, words: &str, case: Case| {
                is_found(flaw, words, stores.suffer(world, &case).err());
            };
            // What no program can know from the files alone takes the part of one that does not look.
            finds("another key is taken for the right one", "another key", case(&stores.other));
            finds("a deleted key is back", "a deleted key is back", case(&stores.earlier));
            let less = played_on(world, &stores.whole, "thief", &stores.value);
            for file in stores.whole.keys() {
                let silence = Case { files: vec![file.clone()], ..case(&less) };
                let flaw = format!("a key is missing in silence, and {file} to blame");
                finds(&flaw, "nothing names the file", silence);
            }
            let log = played_on(world, &stores.earlier, "changer", &stores.value);
            let log = Case { files: vec!["audit/audit.jsonl".into()], ..case(&log) };
            finds("another audit log passes", "another log passes", log);
            let crash = Case { user: "who crashes".into(), ..case(&stores.whole) };
            finds("a client crashes", "the client ended", crash);
            let hang = Case { longest: Duration::ZERO, ..case(&stores.whole) };
            finds("a client waits", "it took", hang);
            assert_eq!(stores.suffer(world, &case(&stores.whole)), Ok("right"), "nothing is wrong");
        }
        "thief" => {
            delete(&world.same_token(), EARLY);
            world.tell("{}");
        }
        "who crashes" => std::process::abort(),
        _ => take_part(world),
    });
}

/// A directory that nothing is to blame for but the file with the keys.
fn case(image: &Image) -> Case {
    let (files, user) = (vec!["db".into()], "user".into());
    Case { image: image.clone(), files, user, longest: LONGEST }
}

/// Goes on with files as they were.
fn played_on(world: &World, files: &Image, role: &str, value: &[u8]) -> Image {
    agent_of(&world.store()).into_iter().for_each(kill_9);
    image::write(&world.store(), files);
    played(world, role, value).0
}
