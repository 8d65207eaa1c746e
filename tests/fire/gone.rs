//! A thief with the PIN and every file: what has ended cannot be had, from the store, a later backup, the snapshot,
//! or the memory of the processes; what has not ended can, and so could all of it before.

use crate::fire::play_under_fire;
use crate::rig::World;
use crate::rig::memory::Needle;
use crate::rig::process::{Other, PATIENCE, agent_of, ends_within};
use crate::rig::secrets::{Secret, found_in};
use crate::rig::skip::skip;
use crate::rig::token::{SO_PIN, USER_PIN, aes_material};
use crate::rig::world::{now, until};
use crate::rig::{expires_at, without_custody};
use crate::theft::{Stolen, Theft};
use cryptoki::object::Attribute;
use keystead::internal::lc;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The ways in which a key ends, and one that stays.
const DELETED: &str = "deleted";
const EXPIRED: &str = "expired";
const DESTROYED: &str = "destroyed";
const KEPT: &str = "kept";
/// The seconds until the one ends.
const LIFE: u64 = 12;

const ENDED: [&str; 3] = [DELETED, EXPIRED, DESTROYED];

#[test]
fn what_has_ended_cannot_be_had_with_the_pin_and_every_file() {
    play_under_fire(|world, _| match world.role() {
        "maker" => make_all(world),
        "owner" => own(world),
        _ => {
            let mut maker = world.start("maker");
            let (values, ends): (Vec<(String, Vec<u8>)>, u64) =
                serde_json::from_str(&maker.hear()).expect("the values");
            maker.ends_well();
            let before = copy(world, "before");
            let secrets = everything_can_be_had_before(&before, &values);
            let mut owner = world.start("owner");
            owner.tell(&ends.to_string());
            owner.says("ended");
            nothing_is_in_memory(world, &owner, &values, &secrets);
            let backup = backed_up(world);
            let after = copy(world, "after");
            nothing_is_in(&after, &values, &secrets);
            nothing_is_in_the_files_of(&backup, &values, &secrets);
            only_kept(&Theft::new(&before, USER_PIN), &after, &values);
            only_kept(&Theft::new(&after, USER_PIN), &after, &values);
            let restored = restored(world, &backup.join("backup"));
            only_kept(&Theft::new(&restored, USER_PIN), &restored, &values);
            let carried = Theft::new(&before, USER_PIN).with_cells_of(&restored);
            for (name, value) in values.iter().filter(|(name, _)| name != KEPT) {
                assert!(!has(&carried, value), "{name}: the backup has carried its secret");
            }
            owner.tell("end");
            owner.ends_well();
            the_end_of_the_token_ends_all(world, &before);
        }
    });
}

/// Makes the keys, of which this process alone has the values.
fn make_all(world: &World) {
    let token = world.token();
    let ends = now() + LIFE;
    let make = |name: &'static str, more: &[Attribute]| {
        let value = lc::random::secret(32).unwrap().expose().to_vec();
        let what = [Attribute::Value(value.clone()), Attribute::Label(name.into())];
        token.create_object(&[&aes_material()[..], &what, more].concat()).unwrap();
        (name, value)
    };
    let values = [
        make(DELETED, &[]),
        make(EXPIRED, &[expires_at(ends)]),
        make(DESTROYED, &[without_custody()]),
        make(KEPT, &[]),
    ];
    world.tell(&serde_json::to_string(&(values, ends)).unwrap());
}

/// Uses the keys, and ends all but one.
fn own(world: &World) {
    let token = world.same_token();
    let ends: u64 = world.hear().parse().unwrap();
    let of = |name: &str| {
        let label = Attribute::Label(name.into());
        let found = token.find_objects(&[&aes_material()[..], &[label]].concat()).unwrap();
        assert_eq!(found.len(), 1, "{name}");
        found[0]
    };
    let keys = [DELETED, EXPIRED, DESTROYED, KEPT].map(of);
    keys.iter().for_each(|key| drop(token.encrypt_block(*key).unwrap()));
    token.destroy_object(keys[0]).unwrap();
    token.destroy_object(keys[2]).unwrap();
    until(ends + 1);
    token.encrypt_block(keys[1]).unwrap_err();
    token.encrypt_block(keys[3]).unwrap();
    assert!(world.keystead(&["sweep"]).status.success());
    world.tell("ended");
    assert_eq!(world.hear(), "end");
}

/// The control: with files and PIN of before, all of it can be had. Returns the secrets of what is to end.
fn everything_can_be_had_before(before: &Path, values: &[(String, Vec<u8>)]) -> Vec<Secret> {
    let stolen = Theft::new(before, USER_PIN).with_cells_of(before);
    for (name, value) in values {
        assert!(has(&stolen, value), "{name} cannot be had before it ends: the thief is no good");
    }
    let of_ended = |stolen: &&Stolen| {
        let ended = values.iter().filter(|(name, _)| name != KEPT);
        ended.clone().any(|(_, value)| holds(&stolen.body, value))
    };
    let secrets: Vec<Secret> = stolen.iter().filter(of_ended).map(|stolen| stolen.secret).collect();
    assert_eq!(secrets.len(), ENDED.len());
    assert!(!found_in(before, &secrets).is_empty());
    secrets
}

fn only_kept(theft: &Theft, cells: &Path, values: &[(String, Vec<u8>)]) {
    let stolen = theft.with_cells_of(cells);
    for (name, value) in values {
        assert_eq!(has(&stolen, value), name == KEPT, "{name}, by what is in {}", cells.display());
    }
}

fn has(stolen: &[Stolen], value: &[u8]) -> bool {
    stolen.iter().any(|stolen| holds(&stolen.body, value))
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn nothing_is_in(folder: &Path, values: &[(String, Vec<u8>)], secrets: &[Secret]) {
    let plain: Vec<Secret> =
        values.iter().map(|(_, value)| value.as_slice().try_into().unwrap()).collect();
    assert!(found_in(folder, &plain).is_empty(), "a key in plain text");
    assert_eq!(found_in(folder, secrets), [] as [PathBuf; 0], "erased secrets");
}

fn nothing_is_in_the_files_of(folder: &Path, values: &[(String, Vec<u8>)], secrets: &[Secret]) {
    assert!(fs::read_dir(folder).unwrap().next().is_some());
    nothing_is_in(folder, values, secrets);
}

/// Neither the agent nor the owner's process has what has ended; the owner's has what it may use.
fn nothing_is_in_memory(
    world: &World,
    owner: &Other,
    values: &[(String, Vec<u8>)],
    secrets: &[Secret],
) {
    let agent = world.agent().expect("an agent");
    if !rustix::process::geteuid().is_root() {
        skip(world.scenario(), "only root looks through the memory of the agent and its clients");
        return;
    }
    let found = |pid: Pid, secret: &[u8]| Needle::new(secret).places_in(pid);
    let store = &fs::read(world.store().join("slots")).unwrap()[64 + 16..64 + 32];
    assert_ne!(
        found(agent, store),
        [],
        "what the agent does have is not found: the search is no good"
    );
    for secret in secrets {
        assert_eq!(found(agent, secret), [], "an erased secret, in the agent's memory");
    }
    for (name, value) in values {
        assert_eq!(found(agent, value), [], "{name}, in the agent's memory");
        let there = found(owner.pid(), value);
        assert_eq!(!there.is_empty(), name == KEPT, "{name}, in the owner's memory: {there:?}");
    }
}

/// A copy of the whole directory as the documentation has it: while no agent has it open.
fn copy(world: &World, name: &str) -> PathBuf {
    world.end_agent();
    let to = world.path(name);
    let copied = Command::new("cp").arg("-a").arg(world.store()).arg(&to).status().unwrap();
    assert!(copied.success());
    to
}

/// A folder with a backup that is made now.
fn backed_up(world: &World) -> PathBuf {
    let folder = world.path("backups");
    fs::create_dir(&folder).unwrap();
    private(world, "passphrase", "correct horse battery");
    let file = folder.join("backup");
    let said = world.keystead(&[
        "backup",
        text(&file),
        "--passphrase-file",
        text(&world.path("passphrase")),
    ]);
    assert!(said.status.success(), "{said:?}");
    folder
}

/// The directory of a store that is restored from it and was served once.
fn restored(world: &World, backup: &Path) -> PathBuf {
    let store = world.path("restored");
    let passphrase = world.path("passphrase");
    let options = ["--store", text(&store), "--passphrase-file", text(&passphrase)];
    let said = world.keystead(&[&["restore", text(backup)][..], &options].concat());
    assert!(said.status.success(), "{said:?}");
    let said = world.keystead(&["sweep", "--store", text(&store)]);
    assert!(said.status.success(), "{said:?}");
    // At its end an agent makes the snapshot.
    if let Some(agent) = agent_of(&store) {
        kill_process(agent, Signal::TERM).unwrap();
        assert!(ends_within(agent, PATIENCE), "the agent stays");
    }
    store
}

fn the_end_of_the_token_ends_all(world: &World, before: &Path) {
    private(world, "so-pin", SO_PIN);
    let so_pin = world.path("so-pin");
    let options = ["--yes", "--so-pin-file", text(&so_pin)];
    let said = world.keystead(&[&["destroy-token", "a token"][..], &options].concat());
    assert!(said.status.success(), "{said:?}");
    let ended = copy(world, "ended");
    assert!(
        Theft::new(before, USER_PIN).with_cells_of(&ended).is_empty(),
        "a key outlives its token"
    );
}

fn private(world: &World, name: &str, text: &str) {
    fs::write(world.path(name), text).unwrap();
    fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
