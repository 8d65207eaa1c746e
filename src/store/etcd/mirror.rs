//! The mirror: the rows of the fleet in a sled of this host, as of one revision, which is kept in the batch that
//! brings the rows to it. What a power loss takes back comes again from etcd.
//!
//! | key in sled | value |
//! |---|---|
//! | a row's key | the revision at which it was written (i64), the row |
//! | none: no row has the empty key | the mirror's [`State`] |
//!
//! Integers are big endian.

use crate::error::{Reason, Result};
use crate::store::changes::ChangeLog;
use crate::store::sled::database::Sled;
use crate::store::{Batch, Changes, CommitNumber, Need, Pair, SCAN_PAGE, Store};
use std::ops::Bound;
use std::path::Path;

/// The key of the state.
const STATE: &[u8] = &[];

/// The least key of a row.
const FIRST: &[u8] = &[0];

/// A row: the revision at which it was written, and its value.
pub(super) type Row = (i64, Vec<u8>);

/// The point that the mirror has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// Names the lane of this host, for as long as the mirror stands.
    pub(super) opening: [u8; 16],
    /// The cluster whose rows these are.
    pub(super) cluster: u64,
    /// The revision up to which everything has been applied; 0 where all is to be read.
    pub(super) revision: i64,
    /// The number of the last commit up to there.
    pub(super) number: CommitNumber,
}

/// One revision of etcd: what a transaction has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) revision: i64,
    /// The number of the commit.
    pub(super) number: CommitNumber,
    /// The rows as it leaves them; none for one that it removed.
    pub(super) rows: Vec<(Vec<u8>, Option<Row>)>,
    /// The openings whose lanes it wrote.
    pub(super) openings: Vec<Vec<u8>>,
}

/// The rows, and the commits that were seen.
pub(super) struct Mirror {
    rows: Sled,
    state: State,
    commits: ChangeLog,
    /// The last revision of this host's own lane, with its number.
    own: Option<(i64, CommitNumber)>,
}

impl Mirror {
    /// Opens the mirror in `folder`, or makes an empty one.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let rows = Sled::open(folder)?;
        let state = match rows.get(STATE)? {
            Some(bytes) => decode(&bytes).ok_or_else(|| damaged(folder))?,
            None => {
                let opening = uuid::Uuid::new_v4().into_bytes();
                State { opening, cluster: 0, revision: 0, number: 0 }
            }
        };
        let commits = ChangeLog::after(state.number);
        Ok(Self { rows, state, commits, own: None })
    }

    /// Returns the point that it has come to.
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Returns the number of the commit that this host made at `revision`, or else of the last one that is applied.
    pub(super) fn number_at(&self, revision: i64) -> CommitNumber {
        self.own.filter(|(own, _)| *own == revision).map_or(self.state.number, |(_, number)| number)
    }

    /// Returns the row at `key`, with the revision at which it was written.
    pub(super) fn row(&self, key: &[u8]) -> Result<Option<Row>> {
        self.check_whole()?;
        self.stored(key)
    }

    /// Returns up to `limit` pairs whose keys start with `prefix` and are not less than `from`, ascending.
    pub(super) fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        self.check_whole()?;
        let rows = self.rows.scan(prefix, from.max(FIRST), limit)?.into_iter();
        rows.map(|(key, row)| Ok((key, split(row)?.1))).collect()
    }

    /// Returns the commits after `since`.
    pub(super) fn changes(&self, since: CommitNumber) -> Result<Changes> {
        self.check_whole()?;
        Ok(self.commits.since(since))
    }

    /// Fails where this machine has no room for what `need` says.
    pub(super) fn room(&self, need: Need) -> Result<()> {
        self.rows.room(need)
    }

    /// Makes durable what has been applied, so that it need not come again.
    pub(super) fn sync(&self) -> Result<()> {
        self.rows.sync()
    }

    /// Applies the next revision whole.
    pub(super) fn apply(&mut self, revision: Revision) -> Result<()> {
        let mut replaced = Vec::new();
        let mut writes = Vec::new();
        for (key, row) in revision.rows {
            replaced.push((key.clone(), self.stored(&key)?.map(|(_, value)| value)));
            writes.push((key, row.map(joined)));
        }
        let State { opening, cluster, .. } = self.state;
        let state =
            State { opening, cluster, revision: revision.revision, number: revision.number };
        self.write(writes, state)?;
        self.commits.push(replaced);
        if revision.openings.iter().any(|it| it[..] == opening) {
            self.own = Some((revision.revision, revision.number));
        }
        Ok(())
    }

    /// Begins to read everything anew: nothing is answered before [`Self::read_all`].
    pub(super) fn begin_anew(&mut self) -> Result<()> {
        let state = State { revision: 0, ..self.state };
        self.write(Vec::new(), state)
    }

    /// Puts rows in the place of all whose keys lie in a range.
    pub(super) fn replace(
        &mut self,
        (after, last): (Bound<&[u8]>, Bound<&[u8]>),
        rows: Vec<(Vec<u8>, Row)>,
    ) -> Result<()> {
        let mut from = match after {
            Bound::Excluded(key) => [key, &[0]].concat(),
            Bound::Included(key) => key.to_vec(),
            Bound::Unbounded => FIRST.to_vec(),
        };
        let is_within = |key: &[u8]| match last {
            Bound::Included(last) => key <= last,
            Bound::Excluded(last) => key < last,
            Bound::Unbounded => true,
        };
        let mut rows = rows.into_iter().peekable();
        let mut writes = Vec::new();
        'pages: loop {
            let page = self.rows.scan(&[], &from, SCAN_PAGE)?;
            let Some((end, _)) = page.last() else { break };
            from = [&end[..], &[0]].concat();
            for (key, stored) in page {
                if !is_within(&key) {
                    break 'pages;
                }
                while let Some((new, row)) = rows.next_if(|(new, _)| *new < key) {
                    writes.push((new, Some(joined(row))));
                }
                match rows.next_if(|(new, _)| *new == key).map(|(_, row)| joined(row)) {
                    Some(row) if row == stored => {}
                    row => writes.push((key, row)),
                }
            }
        }
        writes.extend(rows.map(|(key, row)| (key, Some(joined(row)))));
        self.write(writes, self.state)
    }

    /// Ends what [`Self::begin_anew`] has begun: the mirror has everything, as of that state.
    pub(super) fn read_all(
        &mut self,
        cluster: u64,
        revision: i64,
        number: CommitNumber,
    ) -> Result<()> {
        self.write(Vec::new(), State { cluster, revision, number, ..self.state })?;
        self.rows.sync()?;
        self.commits = ChangeLog::after(number);
        Ok(())
    }

    fn write(&mut self, rows: Vec<(Vec<u8>, Option<Vec<u8>>)>, state: State) -> Result<()> {
        let mut batch = Batch { conditions: Vec::new(), writes: rows };
        batch.writes.push((STATE.to_vec(), Some(encode(state))));
        self.rows.apply_unchecked(&batch)?;
        self.state = state;
        Ok(())
    }

    fn stored(&self, key: &[u8]) -> Result<Option<Row>> {
        self.rows.get(key)?.map(split).transpose()
    }

    fn check_whole(&self) -> Result<()> {
        match self.state.revision {
            0 => Err(Reason::StoreUnavailable.detail("all rows are being read anew from etcd")),
            _ => Ok(()),
        }
    }
}

fn joined((revision, value): Row) -> Vec<u8> {
    [&revision.to_be_bytes()[..], &value].concat()
}

fn split(stored: Vec<u8>) -> Result<Row> {
    match stored.split_first_chunk::<8>() {
        Some((revision, value)) => Ok((i64::from_be_bytes(*revision), value.to_vec())),
        None => Err(Reason::StoreDamaged.detail("a row of the mirror is too short")),
    }
}

/// The format of a state's bytes.
const STATE_FORMAT: u8 = 1;

fn encode(state: State) -> Vec<u8> {
    let State { opening, cluster, revision, number } = state;
    let numbers = [cluster.to_be_bytes(), revision.to_be_bytes(), number.to_be_bytes()].concat();
    [&[STATE_FORMAT][..], &opening, &numbers].concat()
}

fn decode(bytes: &[u8]) -> Option<State> {
    let (opening, numbers) = bytes.strip_prefix(&[STATE_FORMAT])?.split_first_chunk::<16>()?;
    let (cluster, numbers) = numbers.split_first_chunk::<8>()?;
    let (revision, number) = numbers.split_first_chunk::<8>()?;
    Some(State {
        opening: *opening,
        cluster: u64::from_be_bytes(*cluster),
        revision: i64::from_be_bytes(*revision),
        number: u64::from_be_bytes(number.try_into().ok()?),
    })
}

fn damaged(folder: &Path) -> crate::error::Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: its state does not parse; remove the folder, and everything is read from etcd again",
        folder.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(mirror: &mut Mirror, number: u64) {
        mirror.read_all(5, 10, number).unwrap();
    }

    fn revision(number: u64, rows: Vec<(Vec<u8>, Option<Row>)>) -> Revision {
        Revision { revision: number as i64 + 100, number, rows, openings: Vec::new() }
    }

    fn row(key: &str, revision: i64, value: &str) -> (Vec<u8>, Row) {
        (key.into(), (revision, value.into()))
    }

    fn values(mirror: &Mirror) -> Vec<(String, String)> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let pairs = mirror.scan(b"", b"", 100).unwrap().into_iter();
        pairs.map(|(key, value)| (text(key), text(value))).collect()
    }

    #[test]
    fn a_revision_and_its_rows_are_kept_together() {
        let directory = tempfile::tempdir().unwrap();
        let mut mirror = Mirror::open(directory.path()).unwrap();
        let opening = mirror.state().opening;
        read(&mut mirror, 3);
        mirror.apply(revision(4, vec![(b"k".into(), Some((104, b"v".into())))])).unwrap();
        assert_eq!(mirror.row(b"k").unwrap(), Some((104, b"v".to_vec())));
        mirror.sync().unwrap();
        drop(mirror);
        let mirror = Mirror::open(directory.path()).unwrap();
        let state = State { opening, cluster: 5, revision: 104, number: 4 };
        assert_eq!(mirror.state(), state);
        assert_eq!(values(&mirror), [("k".to_owned(), "v".to_owned())]);
    }

    #[test]
    fn nothing_is_answered_while_all_is_read_anew() {
        let directory = tempfile::tempdir().unwrap();
        let mut mirror = Mirror::open(directory.path()).unwrap();
        assert_eq!(mirror.row(b"k").unwrap_err().reason(), Reason::StoreUnavailable);
        read(&mut mirror, 3);
        assert_eq!(mirror.row(b"k").unwrap(), None);
        mirror.begin_anew().unwrap();
        assert_eq!(mirror.scan(b"", b"", 1).unwrap_err().reason(), Reason::StoreUnavailable);
        assert_eq!(mirror.changes(3).unwrap_err().reason(), Reason::StoreUnavailable);
        mirror.sync().unwrap();
        drop(mirror);
        let mirror = Mirror::open(directory.path()).unwrap();
        assert_eq!(mirror.row(b"k").unwrap_err().reason(), Reason::StoreUnavailable);
    }

    #[test]
    fn what_is_not_among_the_rows_of_a_range_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut mirror = Mirror::open(directory.path()).unwrap();
        let all = (Bound::Unbounded, Bound::Unbounded);
        let rows = ["a", "b", "d", "e", "f"].map(|key| row(key, 1, "old"));
        mirror.replace(all, rows.to_vec()).unwrap();
        let range = (Bound::Excluded(&b"a"[..]), Bound::Included(&b"e"[..]));
        mirror.replace(range, vec![row("b", 1, "old"), row("c", 2, "new")]).unwrap();
        read(&mut mirror, 3);
        let expected = [("a", "old"), ("b", "old"), ("c", "new"), ("f", "old")];
        assert_eq!(
            values(&mirror),
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert_eq!(mirror.changes(2).unwrap(), Changes::Unknown);
    }
}
