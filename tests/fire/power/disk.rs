//! A disk that loses what was not synced, played from what the recorder has written down.

use crate::image::{Image, read};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The bytes that a disk writes wholly or not at all.
const SECTOR: u64 = 512;

/// One thing that the recorder has seen.
#[derive(Debug, Clone)]
pub struct Event {
    kind: u8,
    number: u64,
    at: u64,
    bytes: Vec<u8>,
    /// The length of the log with it.
    pub end: u64,
}

/// Reads the recorder's log, or a part of it from that place on: as far as it has whole records.
pub fn events(mut log: &[u8], mut end: u64) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((head, rest)) = log.split_first_chunk::<25>() {
        let number = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().unwrap());
        let Some((bytes, rest)) = rest.split_at_checked(number(17) as usize) else { break };
        end += 25 + bytes.len() as u64;
        let (kind, bytes) = (head[0], bytes.to_vec());
        events.push(Event { kind, number: number(1), at: number(9), bytes, end });
        log = rest;
    }
    events
}

impl Event {
    /// Returns true for an answer of the agent.
    pub fn is_answer(&self) -> bool {
        self.kind == b'a'
    }

    /// Returns the number of a file that was opened or made by this name.
    pub fn opened(&self, name: &str) -> Option<u64> {
        let opens = matches!(self.kind, b'o' | b'c') && self.bytes == name.as_bytes();
        opens.then_some(self.number)
    }

    /// Returns the place and the bytes of a write to a file.
    pub fn written(&self, file: u64) -> Option<(usize, &[u8])> {
        let writes = self.kind == b'w' && self.number == file;
        writes.then_some((self.at as usize, &self.bytes))
    }
}

/// The syncs that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    All,
    /// None of this file or folder, for a control.
    AllBut(&'static str),
    /// All, but those of this file come behind the next answer, for a control.
    Late(&'static str),
    None,
}

impl Syncs {
    fn are_late(self, path: &[u8]) -> bool {
        matches!(self, Self::Late(late) if late.as_bytes() == path)
    }
}

/// The fate of all that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    Lost,
    Kept,
    /// Each write is kept, lost or torn, and of the names in each folder the last ones are lost.
    Torn,
}

/// The place of a name: a folder, or a file by its number here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

type Names = BTreeMap<String, Node>;

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug, Clone)]
enum Naming {
    Make(String, Node),
    Rename(String, String),
    Link(String, String),
    Remove(String),
}

#[derive(Debug, Clone, Default)]
struct Content {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// The disk at one moment.
#[derive(Debug, Clone)]
pub struct Disk {
    syncs: Syncs,
    files: Vec<Content>,
    numbers: HashMap<u64, usize>,
    live: Names,
    durable: Names,
    pending: Vec<Naming>,
    /// Syncs that wait for an answer, and those for which it has come.
    late: Vec<(u64, String)>,
    due: Vec<(u64, String)>,
}

impl Disk {
    /// A disk on which the files of a folder are durable.
    pub fn of(folder: &Path, syncs: Syncs) -> Self {
        let (mut files, mut names) = (Vec::new(), Names::new());
        for (name, bytes) in read(folder) {
            let node = match bytes {
                None => Node::Folder,
                Some(durable) => {
                    files.push(Content { durable, pending: Vec::new() });
                    Node::File(files.len() - 1)
                }
            };
            names.insert(name, node);
        }
        let (numbers, pending) = (HashMap::new(), Vec::new());
        let (live, late, due) = (names.clone(), Vec::new(), Vec::new());
        Self { syncs, files, numbers, live, durable: names, pending, late, due }
    }

    /// Does what was recorded.
    pub fn play(&mut self, event: &Event) {
        for (number, path) in std::mem::take(&mut self.due) {
            self.sync(number, &path);
        }
        let text = || String::from_utf8(event.bytes.clone()).unwrap();
        let two = || {
            let (from, to) = std::str::from_utf8(&event.bytes).unwrap().split_once('\0').unwrap();
            (from.to_owned(), to.to_owned())
        };
        match event.kind {
            b'c' if event.at == 1 => self.rename(Naming::Make(text(), Node::Folder)),
            b'c' => {
                self.files.push(Content::default());
                let node = Node::File(self.files.len() - 1);
                self.rename(Naming::Make(text(), node));
                self.numbers.insert(event.number, self.files.len() - 1);
            }
            b'o' => self.bind(event.number, &text()),
            b'w' => self.change(event.number, Change::Write(event.at, event.bytes.clone())),
            b't' => self.change(event.number, Change::Length(event.at)),
            b's' if self.syncs.are_late(&event.bytes) => self.late.push((event.number, text())),
            b's' => self.sync(event.number, &text()),
            b'a' => self.due.append(&mut self.late),
            b'd' => self.sync_folder(&text()),
            b'r' => self.rename(Naming::Rename(two().0, two().1)),
            b'l' => self.rename(Naming::Link(two().0, two().1)),
            b'u' => self.rename(Naming::Remove(text())),
            other => panic!("an event of kind {other}"),
        }
    }

    fn bind(&mut self, number: u64, path: &str) {
        if let Some(Node::File(file)) = self.live.get(path) {
            self.numbers.insert(number, *file);
        }
    }

    fn change(&mut self, number: u64, change: Change) {
        let file = self.numbers.get(&number).expect("a file that was opened");
        self.files[*file].pending.push(change);
    }

    fn rename(&mut self, naming: Naming) {
        name(&mut self.live, &naming);
        self.pending.push(naming);
    }

    fn counts(&self, path: &str) -> bool {
        match self.syncs {
            Syncs::All | Syncs::Late(_) => true,
            Syncs::AllBut(but) => but != path,
            Syncs::None => false,
        }
    }

    fn sync(&mut self, number: u64, path: &str) {
        if !self.numbers.contains_key(&number) {
            self.bind(number, path);
        }
        let Some(file) = self.numbers.get(&number).filter(|_| self.counts(path)) else { return };
        let content = &mut self.files[*file];
        for change in std::mem::take(&mut content.pending) {
            apply(&mut content.durable, &change);
        }
    }

    fn sync_folder(&mut self, folder: &str) {
        if !self.counts(folder) {
            return;
        }
        let is_in = |naming: &Naming| folder_of(naming) == folder;
        let all = std::mem::take(&mut self.pending);
        let (synced, pending): (Vec<Naming>, Vec<Naming>) = all.into_iter().partition(is_in);
        self.pending = pending;
        synced.iter().for_each(|naming| name(&mut self.durable, naming));
    }

    /// Returns the files as they may be after the power has gone now.
    pub fn cut_off(&self, unsynced: Unsynced, rng: &mut fastrand::Rng) -> Image {
        let mut names = self.durable.clone();
        let mut kept: HashMap<&str, usize> = HashMap::new();
        for naming in &self.pending {
            let folder = folder_of(naming);
            let all = self.pending.iter().filter(|it| folder_of(it) == folder).count();
            let left = kept.entry(folder).or_insert_with(|| match unsynced {
                Unsynced::Lost => 0,
                Unsynced::Kept => all,
                Unsynced::Torn => rng.usize(..=all),
            });
            if *left > 0 {
                *left -= 1;
                name(&mut names, naming);
            }
        }
        let there = |path: &str| {
            path.rsplit_once('/').is_none_or(|(folder, _)| names.get(folder) == Some(&Node::Folder))
        };
        let mut bytes = |node: &Node| match node {
            Node::Folder => None,
            Node::File(file) => Some(content(&self.files[*file], unsynced, rng)),
        };
        let there = names.iter().filter(|(path, _)| there(path));
        there.map(|(path, node)| (path.clone(), bytes(node))).collect()
    }
}

fn content(content: &Content, unsynced: Unsynced, rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = content.durable.clone();
    for change in &content.pending {
        match (unsynced, rng.u8(..3)) {
            (Unsynced::Kept, _) | (Unsynced::Torn, 0) => apply(&mut bytes, change),
            (Unsynced::Torn, 1) => tear(&mut bytes, change, rng),
            _ => {}
        }
    }
    bytes
}

/// Applies some sectors of a change.
fn tear(bytes: &mut Vec<u8>, change: &Change, rng: &mut fastrand::Rng) {
    let Change::Write(at, written) = change else { return };
    let mut from = *at;
    let end = at + written.len() as u64;
    while from < end {
        let to = ((from / SECTOR + 1) * SECTOR).min(end);
        if rng.bool() {
            let part = written[(from - at) as usize..(to - at) as usize].to_vec();
            apply(bytes, &Change::Write(from, part));
        }
        from = to;
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(*length as usize, 0),
        Change::Write(at, written) => {
            let (from, to) = (*at as usize, *at as usize + written.len());
            if bytes.len() < to {
                bytes.resize(to, 0);
            }
            bytes[from..to].copy_from_slice(written);
        }
    }
}

fn name(names: &mut Names, naming: &Naming) {
    match naming {
        Naming::Make(path, node) => drop(names.insert(path.clone(), *node)),
        Naming::Remove(path) => drop(names.remove(path)),
        Naming::Link(from, to) => {
            if let Some(node) = names.get(from).copied() {
                names.insert(to.clone(), node);
            }
        }
        Naming::Rename(from, to) => {
            let Some(node) = names.remove(from) else { return };
            names.insert(to.clone(), node);
            let inner = format!("{from}/");
            let moved: Vec<String> =
                names.keys().filter(|path| path.starts_with(&inner)).cloned().collect();
            for path in moved {
                let node = names.remove(&path).unwrap();
                names.insert(format!("{to}/{}", &path[inner.len()..]), node);
            }
        }
    }
}

/// Returns the folder whose sync makes it durable.
fn folder_of(naming: &Naming) -> &str {
    let (Naming::Make(path, _)
    | Naming::Remove(path)
    | Naming::Rename(_, path)
    | Naming::Link(_, path)) = naming;
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
