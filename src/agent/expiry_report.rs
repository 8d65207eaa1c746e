//! The report of expiries ahead: a Prometheus text file with every key's expiry, and a line
//! in the log 30, 7 and 1 days before it.

use super::figures::{self, EarlierEvents, Form, MetricsText, token_labels};
use super::open_store::OpenStore;
use super::outlets::Outlets;
use crate::clock::{Seconds, TOLERANCE, timestamp};
use crate::error::Result;
use crate::file_names::is_of_any_store;
use crate::id::Id;
use crate::key::pin::TokenEntry;
use crate::key::state::DAY;
use crate::key::{KeyState, Origin, Role, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// The numbers of days before an expiry at which the log speaks of it.
const NOTICES: [u64; 3] = [30, 7, 1];

/// The interval of its looks, and so the greatest age of the figures while the agent runs.
const INTERVAL: Duration = Duration::from_secs(60);

/// The state of what has been reported.
pub(crate) struct ExpiryReport {
    metrics: Option<PathBuf>,
    /// The time up to which the log has spoken of what lies ahead.
    reported: Seconds,
    looked: Option<Instant>,
    /// True if it has told that the clock is behind.
    behind: bool,
    outlets: Arc<Outlets>,
    /// The events before the agent began that the audit log told, once it has been read.
    earlier: Option<EarlierEvents>,
}

/// One custom key, as far as the agent can see it.
struct VisibleKey {
    /// The labels of its token.
    token: String,
    key: Id,
    state: KeyState,
}

impl ExpiryReport {
    /// `reported` is the latest time at which an agent of this store has looked.
    pub(crate) fn new(metrics: Option<PathBuf>, reported: Seconds) -> Self {
        let outlets = Arc::default();
        Self { metrics, reported, looked: None, behind: false, outlets, earlier: None }
    }

    /// Reports what these places were not told, too.
    pub(crate) fn with_outlets(self, outlets: Arc<Outlets>) -> Self {
        Self { outlets, ..self }
    }

    /// Looks whether the file can be written, before there is anything to write.
    pub(crate) fn look_at_place(&self, store: &OpenStore) {
        if let Some(file) = &self.metrics {
            note(store, file, begin(file).map(drop));
        }
    }

    /// Looks ahead if it is time to; how long until the next look.
    pub(crate) fn report_if_due(&mut self, store: &OpenStore) -> Duration {
        let since = self.looked.map_or(INTERVAL, |looked| looked.elapsed());
        if let Some(left) = INTERVAL.checked_sub(since).filter(|left| !left.is_zero()) {
            return left;
        }
        self.looked = Some(Instant::now());
        if let Err(error) = self.tell(store) {
            log::error!("what expires is not told: {error}");
        }
        INTERVAL
    }

    /// Tells when the clock has fallen behind the store's time, and what that means.
    pub(crate) fn watch_clock(&mut self, store: &OpenStore) {
        let (now, clock) = (store.now(), store.clock());
        let behind = now.saturating_sub(clock) > TOLERANCE;
        if behind && !self.behind {
            log::warn!(
                "the clock shows {}, behind the latest time that the store has seen, {}, by which keys \
                 expire; set the clock, or, if it is right, `keystead clock --accept`",
                timestamp(clock),
                timestamp(now)
            );
        }
        self.behind = behind;
    }

    /// Looks once more before the agent ends, so that the figures it leaves are the last ones.
    pub(crate) fn report_once_more(&mut self, store: &OpenStore) {
        if self.metrics.is_some() {
            self.looked = None;
            self.report_if_due(store);
        }
    }

    fn tell(&mut self, store: &OpenStore) -> Result<()> {
        let now = store.now();
        for (at, token, key) in expiring(store, now.saturating_add(NOTICES[0] * DAY))? {
            if let Some(days) = due_notice(at, self.reported, now) {
                log::warn!(
                    "custom key {key} of token {token:?} expires within {days} days, at second {at}"
                );
            }
        }
        self.reported = now;
        match &self.metrics {
            Some(file) => {
                let file = file.clone();
                let (tokens, keys) = custom_keys(store)?;
                let mut text = metrics(&tokens, &keys, now);
                let earlier = self.earlier.get_or_insert_with(|| EarlierEvents::read(store));
                earlier.versions.extend(self.outlets.take_versions());
                versions(&mut text, &keys, &earlier.versions);
                figures::write(&mut text, store, &self.outlets, earlier.backup)?;
                note(store, &file, write(&file, &text.text()));
                Ok(())
            }
            None => {
                // They would be kept for a file that there is not.
                self.outlets.take_versions();
                Ok(())
            }
        }
    }
}

/// Returns when material expires by `until`, with its token's label and its custom key. Nothing else is looked
/// at: a large store has many keys and few of these.
fn expiring(store: &OpenStore, until: Seconds) -> Result<Vec<(Seconds, String, Id)>> {
    let index = store.index()?;
    let ahead = index.due(until).chain(index.narrowing(store.now(), until));
    let entries: Vec<_> = ahead.collect();
    drop(index);
    let mut labels = BTreeMap::new();
    for (token, row) in store.tokens()? {
        labels.insert(token, TokenEntry::decode(&row.entry)?.label);
    }
    let mut found = Vec::new();
    for (at, token, id) in entries {
        let role = store.find_readable(token, id)?.map(|found| found.known.header.role);
        if let (Some(Role::Material { key, .. }), Some(label)) = (role, labels.get(&token)) {
            found.push((at, label.clone(), key));
        }
    }
    Ok(found)
}

/// The notice that fell due after `reported` and by `now`, the most urgent one.
fn due_notice(expiry: Seconds, reported: Seconds, now: Seconds) -> Option<u64> {
    let due = |days: &u64| {
        let at = expiry.saturating_sub(days * DAY);
        reported < at && at <= now
    };
    NOTICES.into_iter().rfind(due).filter(|_| now < expiry)
}

/// Returns the labels of each token, and the custom keys on them.
fn custom_keys(store: &OpenStore) -> Result<(BTreeSet<String>, Vec<VisibleKey>)> {
    let (mut tokens, mut keys) = (BTreeSet::new(), Vec::new());
    for (token, row) in store.tokens()? {
        let labels = token_labels(token, &TokenEntry::decode(&row.entry)?.label);
        tokens.insert(labels.clone());
        store.each_readable_record(token, |found| {
            let id = found.known.id;
            if let Role::CustomKey(state) = &found.known.header.role {
                let erasure = store.newest_outcome(token, id, state, &found.row)?;
                let state = state.clone().expire(erasure, store.now());
                keys.push(VisibleKey { token: labels.clone(), key: id, state });
            }
            Ok(())
        })?;
    }
    Ok((tokens, keys))
}

const STATUSES: [(Status, &str); 4] = [
    (Status::Enabled, "enabled"),
    (Status::Disabled, "disabled"),
    (Status::PendingDeletion, "pending deletion"),
    (Status::PendingImport, "pending import"),
];

/// Writes when the newest version of each generated key was made, which tells what is due to be rotated: the schedule
/// itself is sealed.
fn versions(text: &mut MetricsText, keys: &[VisibleKey], made: &BTreeMap<String, Seconds>) {
    let name = "keystead_newest_version_timestamp_seconds";
    text.head(
        name,
        "When the newest version of a generated key was made, in seconds since 1970 UTC; 0 where that is not known.",
        Form::Gauge,
    );
    for seen in keys.iter().filter(|seen| seen.state.origin == Origin::Generated) {
        let key = seen.key.to_string();
        let at = made.get(&key).copied().unwrap_or(0);
        text.line(name, &format!("{},key_id=\"{key}\"", seen.token), at);
    }
}

/// Returns the figures of custom keys.
fn metrics(tokens: &BTreeSet<String>, keys: &[VisibleKey], now: Seconds) -> MetricsText {
    let mut text = MetricsText::default();
    text.head("keystead_custom_keys", "Custom keys by status.", Form::Gauge);
    for token in tokens {
        for (status, name) in STATUSES {
            let fits = |seen: &&VisibleKey| seen.token == *token && seen.state.status() == status;
            let count = keys.iter().filter(fits).count();
            let labels = format!("{token},status=\"{name}\"");
            text.line("keystead_custom_keys", &labels, count as u64);
        }
    }
    let name = "keystead_material_versions";
    text.head(name, "Versions of material that custom keys have had, by token.", Form::Gauge);
    for token in tokens {
        let versions = keys.iter().filter(|seen| seen.token == *token);
        let sum = versions.map(|seen| u64::from(seen.state.version)).sum();
        text.line(name, token, sum);
    }
    let expiring: Vec<(String, Seconds)> = keys
        .iter()
        .filter(|seen| seen.state.has_material())
        .filter_map(|seen| {
            let expiry = seen.state.expiry?;
            Some((format!("{},key_id=\"{}\"", seen.token, seen.key), expiry.at))
        })
        .collect();
    let name = "keystead_key_seconds_until_expiry";
    text.head(
        name,
        "Seconds until the material of a custom key expires, when written.",
        Form::Gauge,
    );
    for (labels, at) in &expiring {
        text.line(name, labels, at.saturating_sub(now));
    }
    let name = "keystead_key_expiry_timestamp_seconds";
    text.head(
        name,
        "When the material of a custom key expires, in seconds since 1970 UTC.",
        Form::Gauge,
    );
    for (labels, at) in &expiring {
        text.line(name, labels, *at);
    }
    text
}

/// Notes whether the file can be written, for those who ask the agent, and logs where it cannot any more.
fn note(store: &OpenStore, file: &Path, written: io::Result<()>) {
    let failure = written.err().map(|error| format!("{}: {error}", file.display()));
    if let Some(why) = store.troubles.note("metrics", failure) {
        log::error!("metrics: {why}");
    }
}

/// Replaces the file in one piece: a collector never sees a part of it.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut fresh = begin(file)?;
    fresh.write_all(text.as_bytes())?;
    fresh.as_file().set_permissions(Permissions::from_mode(0o644))?;
    fresh.persist(file).map(drop).map_err(|error| error.error)
}

/// Begins a file that is to take that one's place. What is no file of figures is not replaced.
fn begin(file: &Path) -> io::Result<NamedTempFile> {
    let refused = |why: &str| Err(io::Error::other(why));
    if is_of_any_store(file) {
        return refused("it is a store's own");
    }
    match file.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(found) if !found.is_file() => return refused("it is there and no regular file"),
        Ok(_) => {
            let mut begins = Vec::new();
            File::open(file)?.take(FIRST.len() as u64).read_to_end(&mut begins)?;
            if !begins.is_empty() && begins != FIRST.as_bytes() {
                return refused("something else stands in it than metrics of keystead");
            }
        }
    }
    NamedTempFile::new_in(file.parent().ok_or(ErrorKind::IsADirectory)?)
}

/// The beginning of every file of figures.
const FIRST: &str = "# HELP keystead_";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::{Expiry, ExpiryAction, Fingerprint};

    const NOW: Seconds = 1_700_000_000;

    #[test]
    fn figures_replace_figures_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("figures");
        let figures = format!("{FIRST}custom_keys The keys.\n");
        write(&file, &figures).unwrap();
        write(&file, &figures).unwrap();
        std::fs::write(&file, "").unwrap();
        write(&file, &figures).unwrap();
        std::fs::write(&file, "root:x:0:0\n").unwrap();
        let refused = write(&file, &figures).unwrap_err().to_string();
        assert!(refused.contains("something else stands in it"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "root:x:0:0\n");
        let (pipe, link) = (place.path().join("pipe"), place.path().join("link"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for other in [place.path(), &pipe, &link] {
            let refused = write(other, &figures).unwrap_err().to_string();
            assert!(refused.contains("no regular file"), "{refused}");
        }
    }

    #[test]
    fn each_notice_is_given_once_and_the_most_urgent_where_several_fell_due() {
        let expiry = NOW + 40 * DAY;
        let at = |days| expiry - days * DAY;
        assert_eq!(due_notice(expiry, NOW, at(31)), None);
        assert_eq!(due_notice(expiry, NOW, at(30)), Some(30));
        assert_eq!(due_notice(expiry, at(30), at(29)), None);
        assert_eq!(due_notice(expiry, at(29), at(7)), Some(7));
        assert_eq!(due_notice(expiry, at(29), at(1)), Some(1));
        assert_eq!(due_notice(expiry, at(1), expiry), None, "it has expired: that is another line");
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut state = KeyState::awaiting_import();
        let waiting = VisibleKey {
            token: token_labels(Id::new([9; 16]), "a \"token\"\\"),
            key: Id::new([1; 16]),
            state: state.clone(),
        };
        state.material = crate::key::MaterialState::Present;
        state.fingerprint = Some(Fingerprint([1; 32]));
        state.expiry = Some(Expiry { at: NOW + 90, action: ExpiryAction::Erase });
        let expiring = VisibleKey { token: waiting.token.clone(), key: Id::new([2; 16]), state };
        let id = expiring.key;
        let empty = [8, 7].map(|byte| token_labels(Id::new([byte; 16]), "empty"));
        let tokens = BTreeSet::from([waiting.token.clone()]).into_iter().chain(empty).collect();
        let text = metrics(&tokens, &[waiting, expiring], NOW).text();
        let token = r#"token="a \"token\"\\",serial="0909090909090909""#;
        for line in [
            "# TYPE keystead_custom_keys gauge\n".to_owned(),
            format!("keystead_custom_keys{{{token},status=\"enabled\"}} 1\n"),
            "keystead_custom_keys{token=\"empty\",serial=\"0808080808080808\",status=\"enabled\"} 0\n".to_owned(),
            "keystead_material_versions{token=\"empty\",serial=\"0707070707070707\"} 0\n".to_owned(),
            format!("keystead_custom_keys{{{token},status=\"pending import\"}} 1\n"),
            format!("keystead_key_seconds_until_expiry{{{token},key_id=\"{id}\"}} 90\n"),
        ] {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with(&format!("}} {}\n", NOW + 90)), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.contains("} ")));
    }
}
