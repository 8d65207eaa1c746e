//! Files of a store that are flipped, cut, blotted out, another store's, or an earlier day's: who asks for a key gets the
//! right one, or is told which file is to blame. Never another key, a deleted one, a crash, a wait without end, or
//! silence.

use crate::fire::{Fire, play_under_fire};
use crate::image::{self, Image, bytes};
use crate::rig::World;
use crate::rig::process::{agent_of, kill_9};
use crate::rig::token::{Token, USER_PIN, aes_material, expected_block, pin};
use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::UserType;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

mod flaws;

/// The size of the parts of a file of which each is damaged somewhere.
const REGION: usize = 64;

/// The longest that all the calls may take together that look at the keys.
const LONGEST: Duration = Duration::from_secs(30);

/// The files that are given up or made anew without a loss.
const WITHOUT_CONTENT: [&str; 3] = ["ballast", "lock", "starting"];

#[test]
fn a_damaged_file_costs_no_more_than_an_error_that_names_it() {
    play_under_fire(|world, mut fire| match world.role() {
        "" => {
            let stores = Stores::new(world);
            let fates = stores.fates(&mut fire);
            println!("{} damages", fates.len());
            let mut judged = BTreeMap::<&str, usize>::new();
            let mut wrong = Vec::new();
            for (count, fate) in fates.iter().enumerate() {
                match stores.suffer(world, &stores.case(count, fate)) {
                    Ok(outcome) => *judged.entry(outcome).or_default() += 1,
                    Err(why) => wrong.push(format!("{}: {why}", fate.named())),
                }
            }
            println!("{judged:?}");
            assert!(wrong.is_empty(), "{} damages:\n{}", wrong.len(), wrong.join("\n"));
            assert!(judged.len() > 1, "nothing was damaged");
        }
        _ => take_part(world),
    });
}

/// Plays another process than the first.
fn take_part(world: &World) {
    match world.role() {
        "maker" => make(world),
        "changer" => change(world),
        _ => {
            let looked = look(world).map_err(|error| error.to_string());
            world.tell(&serde_json::to_string(&looked).unwrap());
        }
    }
}

/// The labels of the keys: brought in before the earlier copy, and after it; made by the token; deleted after it.
const EARLY: &str = "early";
const LATE: &str = "late";
const MADE: &str = "made";
const DELETED: &str = "deleted";
const LABELS: [&str; 4] = [EARLY, LATE, MADE, DELETED];

/// The block that each key encrypts, or the reason for which it does not.
type Looked = BTreeMap<String, Result<Vec<u8>, String>>;

fn make(world: &World) {
    let token = world.token();
    let mut blocks = Looked::new();
    for label in [EARLY, DELETED] {
        blocks.insert(label.into(), Ok(import(&token, label, &random())));
    }
    let made = token.generate_aes(&[Attribute::Token(true), Attribute::Label(MADE.into())]);
    blocks.insert(MADE.into(), Ok(token.encrypt_block(made).unwrap()));
    world.tell(&serde_json::to_string(&blocks).unwrap());
}

fn change(world: &World) {
    let token = world.same_token();
    let value: Vec<u8> = serde_json::from_str(&world.hear()).unwrap();
    let block = import(&token, LATE, &value);
    delete(&token, DELETED);
    let blocks = Looked::from([(LATE.into(), Ok(block))]);
    world.tell(&serde_json::to_string(&blocks).unwrap());
}

fn delete(token: &Token, label: &str) {
    for deleted in found(token, label).unwrap() {
        token.destroy_object(deleted).unwrap();
    }
}

fn random() -> Vec<u8> {
    keystead::internal::lc::random::secret(32).unwrap().expose().to_vec()
}

/// Brings a key in, and returns the block that it encrypts.
fn import(token: &Token, label: &str, value: &[u8]) -> Vec<u8> {
    let what = [Attribute::Value(value.to_vec()), Attribute::Label(label.into())];
    token.create_object(&[&aes_material()[..], &what].concat()).unwrap();
    expected_block(value)
}

fn found(token: &Token, label: &str) -> cryptoki::error::Result<Vec<ObjectHandle>> {
    token.find_objects(&[&aes_material()[..], &[Attribute::Label(label.into())]].concat())
}

/// Looks at every key, as a program does that takes every error for an answer.
fn look(world: &World) -> cryptoki::error::Result<Looked> {
    let module = world.loaded();
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let slots = module.get_slots_with_initialized_token()?;
    let Some(slot) = slots.first() else { return Ok(Looked::new()) };
    let session = module.open_rw_session(*slot)?;
    session.login(UserType::User, Some(&pin(USER_PIN)))?;
    let encrypted = |label: &str| {
        let by = [&aes_material()[..], &[Attribute::Label(label.into())]].concat();
        match session.find_objects(&by)?.first() {
            Some(key) => session.encrypt(&Mechanism::AesEcb, *key, b"sixteen bytes ok").map(Some),
            None => Ok(None),
        }
    };
    let answer = |label: &str| match encrypted(label) {
        Ok(block) => block.ok_or_else(|| "it is not found".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    Ok(LABELS.map(|label| (label.to_owned(), answer(label))).into())
}

/// The fate of one file or several.
#[derive(Debug)]
enum Fate {
    Flip { file: String, at: usize, bit: u8 },
    Cut { file: String, to: usize },
    Blot { file: String, at: usize },
    OtherStore(Vec<String>),
    Earlier(Vec<String>),
}

impl Fate {
    fn files(&self) -> Vec<&str> {
        match self {
            Self::Flip { file, .. } | Self::Cut { file, .. } | Self::Blot { file, .. } => {
                vec![file]
            }
            Self::OtherStore(files) | Self::Earlier(files) => {
                files.iter().map(String::as_str).collect()
            }
        }
    }

    fn named(&self) -> String {
        format!("{self:?}")
    }
}

/// The files of a store, of the same on an earlier day, and of another store.
struct Stores {
    whole: Image,
    earlier: Image,
    other: Image,
    blocks: Looked,
    /// The material of the key that came late.
    value: Vec<u8>,
}

/// A directory with something wrong in it, which a program looks at.
struct Case {
    image: Image,
    /// The files that are to blame.
    files: Vec<String>,
    /// The program's role.
    user: String,
    longest: Duration,
}

impl Stores {
    fn new(world: &World) -> Self {
        world.configure(&format!("log = {:?}", world.path("log")));
        let value = random();
        played(world, "maker", &value);
        let (other, _) = played(world, "changer", &random());
        image::write(&world.store(), &Image::new());
        let (earlier, mut blocks) = played(world, "maker", &value);
        let (whole, late) = played(world, "changer", &value);
        blocks.extend(late);
        let mut stores = Self { whole, earlier, other, blocks, value };
        for image in [&mut stores.whole, &mut stores.earlier, &mut stores.other] {
            image.retain(|name, _| !WITHOUT_CONTENT.contains(&name.as_str()));
        }
        stores
    }

    /// Chooses what is to happen: something to some part of each file, and whole files that are exchanged.
    fn fates(&self, fire: &mut Fire) -> Vec<Fate> {
        let (flips, others) = (fire.either(8, 2_000), fire.either(2, 100));
        let mut fates = Vec::new();
        for (file, bytes) in self.whole.iter().filter_map(|(file, it)| Some((file, it.as_ref()?))) {
            let mut regions: Vec<usize> = (0..bytes.len().div_ceil(REGION)).collect();
            let is_used =
                |region: &usize| bytes[region * REGION..].iter().take(REGION).any(|it| *it != 0);
            // Of what was never written a little is enough.
            let unused = regions.iter().position(|region| !is_used(region));
            regions.retain(|region| is_used(region) || Some(*region) == unused);
            fire.rng.shuffle(&mut regions);
            for region in regions.iter().take(flips) {
                let at =
                    region * REGION + fire.rng.usize(..REGION.min(bytes.len() - region * REGION));
                fates.push(Fate::Flip { file: file.clone(), at, bit: fire.rng.u8(..8) });
            }
            for region in regions.iter().rev().take(others) {
                fates.push(Fate::Cut { file: file.clone(), to: region * REGION });
                fates.push(Fate::Blot { file: file.clone(), at: region * REGION / 512 * 512 });
            }
            fates.push(Fate::OtherStore(vec![file.clone()]));
            fates.push(Fate::Earlier(vec![file.clone()]));
        }
        let all_but = |but: &[&str]| {
            let files = self.whole.keys().filter(|file| !but.contains(&part(file)));
            files.cloned().collect::<Vec<_>>()
        };
        fates.push(Fate::Earlier(all_but(&["slots", "snapshot", "audit", "generations"])));
        fates.push(Fate::Earlier(all_but(&["slots", "audit", "generations"])));
        fates.push(Fate::Earlier(all_but(&["slots"])));
        fates.push(Fate::OtherStore(all_but(&["slots", "snapshot", "audit", "generations"])));
        fates.push(Fate::OtherStore(all_but(&["slots"])));
        fire.keep_share(&mut fates);
        fates
    }

    fn case(&self, count: usize, fate: &Fate) -> Case {
        let files = fate.files().into_iter().map(str::to_owned).collect();
        Case { image: self.after(fate), files, user: format!("user {count}"), longest: LONGEST }
    }

    /// Lets it happen, and judges what a program and an operator are told then.
    fn suffer(&self, world: &World, case: &Case) -> Result<&'static str, String> {
        agent_of(&world.store()).into_iter().for_each(kill_9);
        let _none_yet = fs::remove_file(world.path("log"));
        image::write(&world.store(), &case.image);
        let began = Instant::now();
        let mut user = world.start(&case.user);
        let line = user.hear();
        let Ok(looked) = serde_json::from_str::<Result<Looked, String>>(&line) else {
            return Err(format!("the client ended: {line:?}"));
        };
        user.ends_well();
        if began.elapsed() > case.longest {
            return Err(format!("it took {:?}", began.elapsed()));
        }
        let told = told(world);
        if told.contains("panicked") {
            return Err(told);
        }
        let parts: Vec<&str> = case.files.iter().map(|file| part(file)).collect();
        let is_named = parts.iter().any(|part| names(&told, part));
        let keys = self.judge(looked, is_named).map_err(|why| format!("{why}\n{told}"))?;
        if parts != ["audit"] {
            return Ok(keys);
        }
        self.judge_audit(world, keys)
    }

    fn after(&self, fate: &Fate) -> Image {
        let mut image = self.whole.clone();
        match fate {
            Fate::Flip { file, at, bit } => bytes(&mut image, file)[*at] ^= 1 << bit,
            Fate::Cut { file, to } => bytes(&mut image, file).truncate(*to),
            Fate::Blot { file, at } => {
                bytes(&mut image, file)[*at..].iter_mut().take(512).for_each(|byte| *byte = 0);
            }
            Fate::OtherStore(files) => exchange(&mut image, files, &self.other),
            Fate::Earlier(files) => exchange(&mut image, files, &self.earlier),
        }
        image
    }

    /// Each key is right, or missing and the file named.
    fn judge(
        &self,
        looked: Result<Looked, String>,
        is_named: bool,
    ) -> Result<&'static str, String> {
        let keys = match looked {
            Ok(keys) => keys,
            Err(_) if is_named => return Ok("refused, and named"),
            Err(error) => return Err(format!("{error}, and nothing names the file")),
        };
        if let Some(Ok(_)) = keys.get(DELETED) {
            return Err("a deleted key is back".into());
        }
        let mut all = true;
        for label in [EARLY, LATE, MADE] {
            match keys.get(label) {
                Some(Ok(block)) if Ok(block) != self.blocks[label].as_ref() => {
                    return Err(format!("{label}: another key"));
                }
                Some(Ok(_)) => {}
                _ => all = false,
            }
        }
        match (all, is_named) {
            (true, _) => Ok("right"),
            (false, true) => Ok("missing, and named"),
            (false, false) => Err(format!("nothing names the file: {keys:?}")),
        }
    }

    /// The log is whole, with every line that it had, or that it is not is said.
    fn judge_audit(&self, world: &World, keys: &'static str) -> Result<&'static str, String> {
        let verified = world.keystead(&["audit", "--verify"]);
        let told = format!("{verified:?}");
        match verified.status.success() {
            false if told.contains("audit") => return Ok("the log refused, and named"),
            false => return Err(told),
            true => {}
        }
        let file = "audit/audit.jsonl";
        let now = image::read(&world.store());
        let lines = |image: &Image| image.get(file).cloned().flatten().unwrap_or_default();
        match lines(&now).starts_with(&lines(&self.whole)) {
            true => Ok(keys),
            false => Err(format!("another log passes for this one: {told}")),
        }
    }
}

/// Plays a process that changes the store, to which late material is given. Returns the files then, and what it says.
fn played(world: &World, role: &str, value: &[u8]) -> (Image, Looked) {
    let mut other = world.start(role);
    other.tell(&serde_json::to_string(value).unwrap());
    let blocks: Looked = serde_json::from_str(&other.hear()).unwrap();
    other.ends_well();
    world.end_agent();
    (image::read(&world.store()), blocks)
}

/// Returns all that an operator is told, but for what is said of a store that is well: that names its parts too.
fn told(world: &World) -> String {
    let log = fs::read_to_string(world.path("log")).unwrap_or_default();
    let doctor = world.keystead(&["doctor"]);
    let said = [&doctor.stdout[..], &doctor.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let of_damage = said.lines().filter(|line| !line.starts_with("ok "));
    of_damage.fold(log, |told, line| told + line + "\n")
}

/// Returns whether a text names a file: as a word, for a short name can be part of a number.
fn names(told: &str, file: &str) -> bool {
    regex::Regex::new(&format!(r"\b{}\b", regex::escape(file))).unwrap().is_match(told)
}

/// Returns the file or the folder of a store that a file belongs to: folders are named as a whole.
fn part(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

/// Files as another store has them; they are not there where it has none.
fn exchange(image: &mut Image, files: &[String], from: &Image) {
    for file in files {
        match from.get(file) {
            Some(theirs) => drop(image.insert(file.clone(), theirs.clone())),
            None => drop(image.remove(file)),
        }
    }
}
