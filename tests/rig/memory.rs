//! Looking for bytes in the memory of another process: in everything that it can write to.

use regex::bytes::Regex;
use rustix::process::Pid;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// A secret to be found: whole or in part, with its first byte first or last.
#[derive(Debug)]
pub struct Needle(Regex);

/// The number of bytes in a row that tell a secret.
const PART: usize = 16;

/// The most bytes that are read at once.
const STRIDE: usize = 1 << 20;

impl Needle {
    /// A secret of at least 16 bytes.
    pub fn new(secret: &[u8]) -> Self {
        let mirrored: Vec<u8> = secret.iter().rev().copied().collect();
        let parts = secret.chunks_exact(PART).chain(mirrored.chunks_exact(PART));
        let escaped = |part: &[u8]| part.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let all: Vec<String> = parts.map(escaped).collect();
        Self(Regex::new(&format!("(?s-u){}", all.join("|"))).unwrap())
    }

    /// Returns the places where the process has it: each address, and what is mapped there.
    pub fn places_in(&self, pid: Pid) -> Vec<(u64, String)> {
        let pid = pid.as_raw_nonzero();
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let writable = maps.lines().filter(|line| line.contains(" rw"));
        writable.flat_map(|line| self.places_at(&memory, line)).collect()
    }

    fn places_at(&self, memory: &File, line: &str) -> Vec<(u64, String)> {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut found = Vec::new();
        let mut bytes = vec![0; STRIDE + PART];
        for at in (start..end).step_by(STRIDE) {
            let size = bytes.len().min((end - at) as usize);
            // What a device has mapped cannot be read.
            let Ok(read) = memory.read_at(&mut bytes[..size], at) else { break };
            let matches = self.0.find_iter(&bytes[..read]);
            found.extend(matches.map(|one| (at + one.start() as u64, rest.to_owned())));
        }
        found
    }
}

/// The parts of a process's memory that a fork wipes and a dump leaves out, as addresses.
pub fn advised(pid: Pid) -> Vec<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{}/smaps", pid.as_raw_nonzero())).unwrap();
    let (mut range, mut advised) = (0..0, Vec::new());
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some((start, end)) = first.split_once('-') {
            let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16));
            range = start.unwrap_or(0)..end.unwrap_or(0);
        }
        let flags: Vec<&str> = words.collect();
        if first == "VmFlags:" && flags.contains(&"wf") && flags.contains(&"dd") {
            advised.push(range.clone());
        }
    }
    advised
}
