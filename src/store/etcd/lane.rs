//! The transactions of one opening, one after the other, and the settling of those that no answer came to.
//!
//! Each opening has one row, its lane. Every transaction compares the lane's revision and writes its own request there.
//! So a request takes place once at the most, however often it is sent, and what the lane says is what became of it: a
//! request that the lane does not name can still come for as long as the lane was not written since. A transaction
//! without an answer is sent again; where that does not help, a *fence* is: a request that writes nothing but
//! the lane. Either the lane names the request, or the fence has come before it, for good.

use super::call_failure::{CallFailure, FailureKind};
use super::connection::Connection;
use super::layout::{decode_identity, encode_identity};
use crate::error::{Error, Reason, Result};
use crate::store::{CommitNumber, StoreIdentity};
use etcd_client::{
    Compare, CompareOp, GetResponse, KeyValue, Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use std::time::{Duration, Instant};

/// The time that a member has for one answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(1500);

/// The time for which a transaction is sent again.
const RETRY_TIME: Duration = Duration::from_secs(3);

/// The time for which a transaction without an answer is settled, before the caller hears that this is still to be
/// done.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// Names one transaction.
type Request = [u8; 16];

/// The lane of an opening.
pub(super) struct Lane {
    /// The lane's key.
    key: Vec<u8>,
    /// The revision at which it was written last.
    revision: i64,
    /// The identity of the store, and the revision at which that was written.
    identity: (StoreIdentity, i64),
    /// The transaction whose outcome is not known yet.
    doubt: Option<Doubt>,
}

struct Doubt {
    request: Request,
    fence: Request,
    /// Set where a transaction may still be under way to etcd.
    under_way: bool,
}

/// The outcome of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It took place at this revision.
    Done(i64),
    /// A row that it compares is not as it was; the commits up to this number are the reason.
    Conflict(CommitNumber),
}

/// The answer to a transaction.
enum Answer {
    /// The transaction took place at this revision.
    Done(i64),
    /// The lane was written before, at that revision, by that request.
    Before(i64, Vec<u8>),
    /// Another row is not as it was.
    Conflict(CommitNumber),
}

impl Lane {
    /// Takes the lane of an opening. From here on nothing arrives any more that an earlier process has sent.
    pub(super) fn open(
        connection: &Connection,
        opening: [u8; 16],
        identity: (StoreIdentity, i64),
    ) -> Result<Self> {
        let key = connection.layout.lane(&opening);
        let mut lane = Self { key, revision: 0, identity, doubt: None };
        let written = lane.look(connection).map_err(|failure| failure.error())?;
        lane.revision = written.map_or(0, |(revision, _)| revision);
        let request = new_request();
        let txn = lane.transaction(connection, request, Vec::new(), Vec::new());
        let response = lane.ask(connection, &txn).map_err(|failure| failure.error())?;
        lane.revision = match lane.read(connection, &response)? {
            Answer::Done(revision) => revision,
            Answer::Before(revision, by) if by == request => revision,
            Answer::Before(..) | Answer::Conflict(_) => return Err(lane.taken()),
        };
        Ok(lane)
    }

    /// Returns the revision at which the lane was written last.
    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    /// Has a transaction take place, with these comparisons and writes beside those of the lane, unless one of the rows is
    /// not as it was.
    pub(super) fn commit(
        &mut self,
        connection: &Connection,
        compares: Vec<Compare>,
        writes: Vec<TxnOp>,
    ) -> Result<Outcome> {
        self.settle(connection).map_err(Unsettled::error)?;
        let request = new_request();
        let txn = self.transaction(connection, request, compares, writes);
        let (began, mut under_way) = (Instant::now(), false);
        let failure = loop {
            let answer = connection
                .members
                .call(ANSWER_TIMEOUT, async |client| client.kv_client().txn(txn.clone()).await);
            match answer {
                Ok(response) => match self.read(connection, &response)? {
                    Answer::Done(revision) => return Ok(self.done(revision)),
                    Answer::Before(revision, by) if by == request => return Ok(self.done(revision)),
                    Answer::Before(..) => return Err(self.taken()),
                    Answer::Conflict(number) if !under_way => return Ok(Outcome::Conflict(number)),
                    // One that was sent before may come when the rows are as they were again.
                    Answer::Conflict(number) => break Ok(Outcome::Conflict(number)),
                },
                Err(failure) if failure.kind == FailureKind::Silent => {
                    under_way = true;
                    if began.elapsed() > RETRY_TIME {
                        break Err(failure);
                    }
                    connection.members.pause();
                }
                Err(failure) if failure.kind == FailureKind::Full || under_way => {
                    break Err(failure);
                }
                Err(failure) => return Err(failure.error()),
            }
        };
        self.doubt = Some(Doubt { request, fence: new_request(), under_way });
        match self.settle(connection) {
            Ok(Some(revision)) => Ok(Outcome::Done(revision)),
            Ok(None) => failure.map_err(|failure| failure.error()),
            Err(Unsettled::Silent(failure)) if self.doubt.is_some() => {
                Err(failure.error_of("it is not known yet whether the change was made; "))
            }
            Err(unsettled) => Err(unsettled.error()),
        }
    }

    /// Settles the transaction whose outcome is not known: returns the revision at which it took place, or none where
    /// it never will.
    fn settle(&mut self, connection: &Connection) -> Result<Option<i64>, Unsettled> {
        let Some(Doubt { request, fence, under_way }) = self.doubt else { return Ok(None) };
        let txn = self.transaction(connection, fence, Vec::new(), Vec::new());
        let answer = self.ask(connection, &txn);
        let (revision, by) = match answer {
            Ok(response) => match self.read(connection, &response).map_err(Unsettled::Failed)? {
                Answer::Done(revision) => (revision, fence.to_vec()),
                Answer::Before(revision, by) => (revision, by),
                Answer::Conflict(_) => return Err(Unsettled::Failed(self.taken())),
            },
            // It says so of a transaction that it has carried out, too; but nothing new is carried out.
            Err(failure) if failure.kind == FailureKind::Full => {
                let written = self.look(connection).map_err(Unsettled::Silent)?;
                let (revision, by) = written.unwrap_or_default();
                if by != request && by != fence {
                    self.doubt = self.doubt.take().filter(|_| under_way);
                    return Err(Unsettled::Silent(failure));
                }
                (revision, by)
            }
            Err(failure) => return Err(Unsettled::Silent(failure)),
        };
        if by != request && by != fence {
            return Err(Unsettled::Failed(self.taken()));
        }
        self.doubt = None;
        self.revision = revision;
        Ok((by == request).then_some(revision))
    }

    fn done(&mut self, revision: i64) -> Outcome {
        self.revision = revision;
        Outcome::Done(revision)
    }

    /// Reads the lane: the revision at which it was written last, and by which request.
    fn look(&self, connection: &Connection) -> Result<Option<(i64, Vec<u8>)>, CallFailure> {
        let response = connection.members.ask(SETTLE_TIME, ANSWER_TIMEOUT, async |client| {
            client.kv_client().get(self.key.clone(), None).await
        })?;
        Ok(response.kvs().first().map(written))
    }

    /// Sends a transaction until an answer comes. It takes place once, as it writes the lane that it compares.
    fn ask(&self, connection: &Connection, txn: &Txn) -> Result<TxnResponse, CallFailure> {
        connection.members.ask(SETTLE_TIME, ANSWER_TIMEOUT, async |client| {
            client.kv_client().txn(txn.clone()).await
        })
    }

    fn transaction(
        &self,
        connection: &Connection,
        request: Request,
        mut compares: Vec<Compare>,
        mut writes: Vec<TxnOp>,
    ) -> Txn {
        compares.push(Compare::mod_revision(self.key.clone(), CompareOp::Equal, self.revision));
        compares.push(self.same_identity(connection));
        writes.extend(self.written_by(connection, request));
        Txn::new().when(compares).and_then(writes).or_else(self.questions(connection))
    }

    fn same_identity(&self, connection: &Connection) -> Compare {
        Compare::mod_revision(connection.layout.identity(), CompareOp::Equal, self.identity.1)
    }

    /// Returns the writes of every transaction, of which `tick` is the last.
    fn written_by(&self, connection: &Connection, request: Request) -> [TxnOp; 2] {
        [
            TxnOp::put(self.key.clone(), request, None),
            TxnOp::put(connection.layout.tick(), Vec::new(), None),
        ]
    }

    /// Returns the reads of a transaction that does not take place.
    fn questions(&self, connection: &Connection) -> [TxnOp; 3] {
        let layout = &connection.layout;
        [self.key.clone(), layout.identity(), layout.tick()].map(|key| TxnOp::get(key, None))
    }

    fn read(&self, connection: &Connection, response: &TxnResponse) -> Result<Answer> {
        if response.succeeded() {
            return Ok(Answer::Done(revision_of(response)?));
        }
        let [lane, identity, tick] = rows_of(response)?;
        match (lane.as_ref().map(written), identity, tick) {
            (Some((revision, by)), _, _) if revision != self.revision => {
                Ok(Answer::Before(revision, by))
            }
            (None, _, _) if self.revision != 0 => Err(self.taken()),
            (_, Some(identity), Some(tick)) if identity.mod_revision() == self.identity.1 => {
                Ok(Answer::Conflict(tick.version().unsigned_abs()))
            }
            (_, identity, _) => Err(self.identity_changed(connection, identity.as_ref())),
        }
    }

    fn identity_changed(&self, connection: &Connection, row: Option<&KeyValue>) -> Error {
        let is_next = row
            .and_then(|row| decode_identity(row.value()))
            .is_some_and(|identity| identity.store == self.identity.0.store);
        match is_next {
            true => connection.error("the fleet has gone on without this host's agent"),
            false => connection
                .error("the fleet's records are gone, or another fleet's are in their place"),
        }
    }

    fn taken(&self) -> Error {
        Reason::StoreDamaged.detail(
            "another agent writes to etcd as this host: end it, and let no two hosts have the same directory",
        )
    }
}

/// The reason for which a transaction could not be settled.
enum Unsettled {
    /// No answer has said what became of it.
    Silent(CallFailure),
    /// This opening has failed.
    Failed(Error),
}

impl Unsettled {
    fn error(self) -> Error {
        match self {
            Self::Silent(failure) => failure.error(),
            Self::Failed(error) => error,
        }
    }
}

/// Makes the row of a new store's identity, unless there is one.
pub(super) fn make_identity(connection: &Connection, identity: StoreIdentity) -> Result<()> {
    let key = connection.layout.identity();
    let txn =
        Txn::new().when([Compare::create_revision(key.clone(), CompareOp::Equal, 0)]).and_then([
            TxnOp::put(key, encode_identity(identity), None),
            TxnOp::put(connection.layout.tick(), Vec::new(), None),
        ]);
    // Whatever comes of it is read afterwards.
    let answer = connection
        .members
        .ask(RETRY_TIME, ANSWER_TIMEOUT, async |client| client.kv_client().txn(txn.clone()).await);
    answer.map(drop).map_err(|failure| failure.error())
}

fn new_request() -> Request {
    uuid::Uuid::new_v4().into_bytes()
}

fn written(row: &KeyValue) -> (i64, Vec<u8>) {
    (row.mod_revision(), row.value().to_vec())
}

fn revision_of(response: &TxnResponse) -> Result<i64> {
    let header = response.header().ok_or_else(malformed)?;
    Ok(header.revision())
}

/// Returns the rows that a transaction read which did not take place.
fn rows_of<const N: usize>(response: &TxnResponse) -> Result<[Option<KeyValue>; N]> {
    let row = |mut response: GetResponse| response.take_kvs().into_iter().next();
    let rows = response.op_responses().into_iter().map(|response| match response {
        TxnOpResponse::Get(response) => Ok(row(response)),
        _ => Err(malformed()),
    });
    rows.collect::<Result<Vec<_>>>()?.try_into().map_err(|_| malformed())
}

fn malformed() -> Error {
    Reason::StoreDamaged.detail("etcd's answer does not fit the transaction")
}
