//! The events of a watch, put together to whole revisions. etcd may send one revision in pieces; its last event is that
//! of `tick`, whose version shows whether anything between was lost.

use super::layout::{KeyKind, Layout};
use super::mirror::Revision;
use etcd_client::{Event, EventType};

/// The revision that is being put together.
pub(super) struct Revisions {
    layout: Layout,
    /// The last revision that was whole, and its number.
    last: (i64, u64),
    begun: Option<Revision>,
}

/// The sign that something was lost, or was written by others: everything must be read anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gap(pub(super) String);

/// One event, as far as it matters.
pub(super) struct Change<'a> {
    pub(super) key: &'a [u8],
    pub(super) revision: i64,
    /// The version of a row that was put, and its value; none for one that was deleted.
    pub(super) put: Option<(i64, &'a [u8])>,
}

impl<'a> Change<'a> {
    /// Reads an event; none where it is not whole.
    pub(super) fn of(event: &'a Event) -> Option<Self> {
        let row = event.kv()?;
        let put = match event.event_type() {
            EventType::Put => Some((row.version(), row.value())),
            EventType::Delete => None,
        };
        Some(Self { key: row.key(), revision: row.mod_revision(), put })
    }
}

impl Revisions {
    /// Begins after a revision and the number of its commit.
    pub(super) fn after(layout: Layout, last: (i64, u64)) -> Self {
        Self { layout, last, begun: None }
    }

    /// Adds an event, and returns the revision that it makes whole.
    pub(super) fn add(&mut self, change: &Change<'_>) -> Result<Option<Revision>, Gap> {
        let number = self.last.1 + 1;
        let begun = self.begun.get_or_insert_with(|| Revision {
            revision: change.revision,
            number,
            rows: Vec::new(),
            openings: Vec::new(),
        });
        if change.revision != begun.revision || change.revision <= self.last.0 {
            let (expected, found) = (begun.revision, change.revision);
            return Err(Gap(format!("revision {expected} is not whole, and {found} has come")));
        }
        match (self.layout.kind(change.key), change.put) {
            (KeyKind::Row(key), put) => {
                let row = put.map(|(_, value)| (change.revision, value.to_vec()));
                begun.rows.push((key.to_vec(), row));
            }
            (KeyKind::Lane(opening), _) => begun.openings.push(opening.to_vec()),
            (KeyKind::Identity | KeyKind::Unknown, _) => {}
            (KeyKind::Tick, Some((version, _))) if version.unsigned_abs() == number => {
                self.last = (change.revision, number);
                return Ok(self.begun.take());
            }
            (KeyKind::Tick, put) => {
                let found = put.map_or(0, |(version, _)| version);
                return Err(Gap(format!("commit {number} is missing, and {found} has come")));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Events(Revisions, Layout);

    impl Events {
        fn after(last: (i64, u64)) -> Self {
            let layout = Layout::new("/k");
            Self(Revisions::after(layout.clone(), last), layout)
        }

        fn row(&mut self, revision: i64, value: Option<&str>) -> Result<Option<Revision>, Gap> {
            let put = value.map(|value| (1, value.as_bytes()));
            self.0.add(&Change { key: &self.1.row(b"a"), revision, put })
        }

        fn tick(&mut self, revision: i64, version: i64) -> Result<Option<Revision>, Gap> {
            self.0.add(&Change { key: &self.1.tick(), revision, put: Some((version, b"")) })
        }
    }

    #[test]
    fn a_revision_is_whole_with_its_tick() {
        let mut events = Events::after((10, 3));
        assert_eq!(events.row(12, Some("1")).unwrap(), None);
        assert_eq!(events.row(12, None).unwrap(), None);
        let rows = vec![(b"a".to_vec(), Some((12, b"1".to_vec()))), (b"a".to_vec(), None)];
        let whole = Revision { revision: 12, number: 4, rows, openings: Vec::new() };
        assert_eq!(events.tick(12, 4).unwrap(), Some(whole));
        let empty = Revision { revision: 20, number: 5, rows: Vec::new(), openings: Vec::new() };
        assert_eq!(events.tick(20, 5).unwrap(), Some(empty));
    }

    #[test]
    fn a_lost_event_is_noticed() {
        let mut events = Events::after((10, 3));
        events.row(12, Some("1")).unwrap();
        assert!(events.tick(14, 5).unwrap_err().0.contains("revision 12 is not whole"));
        let mut events = Events::after((10, 3));
        assert_eq!(events.tick(14, 5).unwrap_err().0, "commit 4 is missing, and 5 has come");
    }

    #[test]
    fn what_comes_again_or_from_others_is_noticed() {
        assert!(Events::after((10, 3)).tick(10, 4).is_err(), "a revision that was applied");
        let mut events = Events::after((10, 3));
        events.row(11, Some("written by another program, which knows no tick")).unwrap();
        assert!(events.row(12, Some("1")).is_err());
        let mut events = Events::after((10, 3));
        let deleted = Change { key: &events.1.tick(), revision: 11, put: None };
        assert!(events.0.add(&deleted).is_err());
    }
}
