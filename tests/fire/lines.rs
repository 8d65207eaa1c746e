//! The audit log beside what clients know of their keys: each change that was made has its line, and has it once.

use crate::key::Key;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
struct Line {
    event: String,
    key: Option<String>,
}

/// Fails unless the log of a store has the lines of what was made of each key.
pub fn check_lines(store: &Path, keys: &[Key]) {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let files = fs::read_dir(store.join("audit")).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.extension().is_some_and(|it| it == "jsonl")) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let Line { event, key } = serde_json::from_str(line).unwrap();
            *counts.entry((key.unwrap_or_default(), event)).or_default() += 1;
        }
    }
    for key in keys {
        let Some(id) = &key.id else { continue };
        for (event, (least, most)) in &key.made {
            let count = counts.get(&(id.clone(), event.clone())).copied().unwrap_or_default();
            assert!(
                (*least..=*most).contains(&count),
                "{}: {count} lines of the audit log say {event:?}, and {least} to {most} should",
                key.name
            );
        }
    }
}
