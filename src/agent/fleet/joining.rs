//! A fleet is founded by one host; others join it. A host that joins is listed first, with its envelope key, and is sent
//! the fleet key: from there on it is sent every new batch, and counts for every erasure. Then another host sends it all
//! secrets that it has itself, those that are not claimed yet too, and says so. Once that is taken, it is enrolled.

use super::batch::{FIRST_BATCH, batch_of};
use super::envelope::{EnvelopeRow, Way};
use super::fleet_key::{FleetKey, random_secret};
use super::host_row::HostRow;
use super::host_store::HostStore;
use super::hosts::{HostsRow, Member, MemberState};
use super::keys;
use super::making::Address;
use super::state::{Fleet, Work, again, key_of};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::lc::{hpke, random};
use crate::store::cells::{CellNumber, CellSecret, EraseCell};
use crate::store::{Batch, BatchLimits, Cells, Condition, Pair, StoreIdentity};
use std::path::Path;

/// The format of records that this build reads and writes.
const RECORDS_FORMAT: u32 = 2;

/// The size of an envelope, in bytes, and more.
const ENVELOPE_SIZE: usize = 11 << 10;

/// A host that is to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joiner {
    /// Its identity.
    pub(crate) host: Id,
    /// Its name, for people.
    pub(crate) name: String,
    /// The public half of its first envelope key.
    pub(crate) public_key: Vec<u8>,
}

impl Joiner {
    /// Returns this host, as another one has to know it.
    pub(crate) fn of(host: &dyn HostStore, name: &str) -> Result<Self> {
        let cells = host.fleet_cells()?;
        let key = cells.envelope_keys().first().and_then(|number| cells.envelope_key(*number));
        let Some(key) = key else { return Err(Reason::General.into()) };
        let (host, name) = (cells.host(), name.to_owned());
        Ok(Self { host, name, public_key: hpke::public_key(&**key)? })
    }

    fn member(&self, state: MemberState) -> Member {
        Member { host: self.host, name: self.name.clone(), state }
    }

    fn row(&self, key_number: u64, erased_through: u64) -> HostRow {
        let (public_key, formats) = (self.public_key.clone(), (RECORDS_FORMAT, RECORDS_FORMAT));
        HostRow { key_number, public_key, erased_through, formats, extras: Vec::new() }
    }
}

/// Makes the cell file of a host that founds a fleet, or joins the one with that identity, in a directory that has none.
pub(crate) fn make_host(directory: &Path, identity: Option<StoreIdentity>) -> Result<()> {
    let random = || random::bytes().map(Id::from_random);
    let identity = match identity {
        Some(identity) => identity,
        None => StoreIdentity { store: random()?, incarnation: 1 },
    };
    Cells::make_for_fleet(directory, identity, random()?, (1, random_secret()?))
}

/// Founds a fleet in an empty store, with this host as its first.
pub(crate) fn found(host: &dyn HostStore, name: &str) -> Result<()> {
    let key = FleetKey::first(host.slots().identity.store)?;
    let me = Joiner::of(host, name)?;
    let list = HostsRow {
        incarnation: 1,
        format: RECORDS_FORMAT,
        first_batch: FIRST_BATCH,
        members: vec![me.member(MemberState::Enrolled)],
        ..HostsRow::default()
    };
    // Before the list: a host whose list is under a key that it lost could not go on.
    host.fleet_cells()?.keep_fleet_key(key.number(), key.secret())?;
    let writes = vec![
        (keys::HOSTS.to_vec(), Some(key.sign(keys::HOSTS, &list)?)),
        (keys::BATCH_COUNT.to_vec(), Some(FIRST_BATCH.to_be_bytes().to_vec())),
        me.row(1, 0).write(&key, me.host)?,
    ];
    let conditions = vec![Condition::Absent(keys::HOSTS.to_vec())];
    host.commit(&Batch { conditions, writes }).map(drop)
}

/// Lists a host that joins, and sends it the fleet key under the MAC of what a person has introduced the two by; as long as
/// the rows in `used` stand, which are removed.
pub(super) fn list_by(
    host: &dyn HostStore,
    joiner: &Joiner,
    introduction: &FleetKey,
    used: &[Pair],
) -> Result<()> {
    again(|| {
        let key = key_of(host)?;
        let (list, same_list) = HostsRow::read(host.rows(), &key)?;
        let me = host.fleet_cells()?.host();
        list.check_enrolled(me)?;
        if list.member(joiner.host).is_some() || list.belonging().any(|it| it.name == joiner.name) {
            return Err(Reason::ArgumentsBad.detail(format_args!(
                "a host {} or of the name {} is in the fleet's list already",
                joiner.host, joiner.name
            )));
        }
        let way = Way { fleet: key.fleet(), sender: me, receiver: joiner.host, key_number: 1 };
        let new_key = keys::new_key(joiner.host, key.number());
        let sealed = way.seal_key(&key, &joiner.public_key)?;
        let list = list.changed(|list| list.members.push(joiner.member(MemberState::Listed)));
        let mut writes = vec![
            (keys::HOSTS.to_vec(), Some(key.sign(keys::HOSTS, &list)?)),
            joiner.row(1, host.followed()?).write(&key, joiner.host)?,
            (new_key.clone(), Some(introduction.sign(&new_key, &sealed)?)),
        ];
        let mut conditions = vec![same_list, Condition::Absent(keys::host(joiner.host))];
        let rows = used.iter().cloned();
        conditions.extend(rows.map(|(key, row)| Condition::Equals(key, row)));
        writes.extend(used.iter().map(|(key, _)| (key.clone(), None)));
        host.commit(&Batch { conditions, writes }).map(drop)
    })
}

/// Returns true where this host has been sent a fleet key.
pub(super) fn is_sent_key(host: &dyn HostStore) -> Result<bool> {
    Ok(!host.rows().scan(&keys::new_keys(host.fleet_cells()?.host()), &[], 1)?.is_empty())
}

/// Takes the first fleet key that this host has been sent, under the MAC of what a person has introduced it by.
pub(crate) fn take_first_key(host: &dyn HostStore, introduction: &FleetKey) -> Result<()> {
    let cells = host.fleet_cells()?;
    if cells.fleet_key().is_some() {
        return Ok(());
    }
    let sent = host.rows().scan(&keys::new_keys(cells.host()), &[], 1)?;
    let Some((at, row)) = sent.into_iter().next() else { return Err(not_sent()) };
    keep_fleet_key(host, introduction, &at, &row)
}

/// Takes the fleet key that has taken the place of this host's, which counts only from a host that has the one before.
pub(super) fn take_next_key(host: &dyn HostStore) -> Result<()> {
    let present = key_of(host)?;
    let at = keys::new_key(host.fleet_cells()?.host(), present.number() + 1);
    let row = host.rows().get(&at)?.ok_or_else(not_sent)?;
    keep_fleet_key(host, &present, &at, &row)
}

/// Keeps the fleet key that has been sent under a MAC.
fn keep_fleet_key(host: &dyn HostStore, under: &FleetKey, at: &[u8], row: &[u8]) -> Result<()> {
    let (cells, what) = (host.fleet_cells()?, "the fleet key that this host was sent");
    let envelope: EnvelopeRow = under.verify(at, row, what)?;
    let Some(private) = cells.envelope_key(envelope.key_number) else {
        return Err(Reason::StoreDamaged
            .detail(format_args!("{what} is sealed for an envelope key that it has not")));
    };
    let way = envelope.way(host.slots().identity.store, cells.host());
    let key = envelope.open_key(&way, &private)?;
    cells.keep_fleet_key(key.number(), key.secret())
}

fn not_sent() -> Error {
    Reason::StoreUnavailable.detail(
        "this host has not been sent the fleet's key: it was expelled, or is not listed yet",
    )
}

impl Fleet {
    /// Sends everything to the hosts that are listed, if this is the first host that serves.
    pub(super) fn serve_joiners(
        &self,
        host: &dyn HostStore,
        work: &mut Work,
        list: &HostsRow,
    ) -> Result<()> {
        let enrolled = |member: &&Member| member.state == MemberState::Enrolled;
        let first = list.members.iter().find(enrolled).map(|member| member.host);
        if first != Some(host.fleet_cells()?.host()) {
            return Ok(());
        }
        let listed = list.members.iter().filter(|member| member.state == MemberState::Listed);
        for joiner in listed.map(|member| member.host) {
            if work.sent.insert(joiner)
                && let Err(error) = self.send_everything(host, work, joiner)
            {
                work.sent.remove(&joiner);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends all secrets that are here to a host that is listed, and says so.
    pub(super) fn send_everything(
        &self,
        host: &dyn HostStore,
        work: &mut Work,
        joiner: Id,
    ) -> Result<()> {
        // Those of the batches before its listing, which this host has followed.
        self.take_envelopes(host)?;
        self.erase_ended(host, work)?;
        let numbers = host.slots().erase.numbers();
        let batches: Vec<&[CellNumber]> =
            numbers.chunk_by(|one, other| batch_of(*one) == batch_of(*other)).collect();
        let BatchLimits { writes, bytes, .. } = host.rows().limits();
        let at_once = (writes - 1).min(bytes / ENVELOPE_SIZE).max(1);
        for some in batches.chunks(at_once) {
            again(|| send(host, work, joiner, some))?;
        }
        again(|| {
            let (list, same_list) = HostsRow::read(host.rows(), &key_of(host)?)?;
            if !is_listed(&list, joiner) {
                return Ok(());
            }
            let me = host.fleet_cells()?.host().bytes().to_vec();
            let writes = vec![(keys::sent(joiner), Some(me))];
            host.commit(&Batch { conditions: vec![same_list], writes }).map(drop)
        })
    }

    /// Enrols this host once everything that it was sent is taken.
    pub(super) fn enrol(&self, host: &dyn HostStore) -> Result<()> {
        let me = host.fleet_cells()?.host();
        again(|| {
            let sent = keys::sent(me);
            let Some(row) = host.rows().get(&sent)? else { return Ok(()) };
            // What was sent before the word of it.
            self.take_envelopes(host)?;
            let key = key_of(host)?;
            let (list, same_list) = HostsRow::read(host.rows(), &key)?;
            let list = list.changed(|list| {
                let own = list.members.iter_mut().filter(|member| member.host == me);
                own.for_each(|member| member.state = MemberState::Enrolled);
            });
            let conditions = vec![same_list, Condition::Equals(sent.clone(), row)];
            let writes =
                vec![(keys::HOSTS.to_vec(), Some(key.sign(keys::HOSTS, &list)?)), (sent, None)];
            host.commit(&Batch { conditions, writes }).map(drop)
        })
    }
}

fn is_listed(list: &HostsRow, host: Id) -> bool {
    list.member(host).is_some_and(|member| member.state == MemberState::Listed)
}

/// Sends some batches to a host.
fn send(
    host: &dyn HostStore,
    work: &mut Work,
    joiner: Id,
    batches: &[&[CellNumber]],
) -> Result<()> {
    let key = key_of(host)?;
    let (list, same_list) = HostsRow::read(host.rows(), &key)?;
    if !is_listed(&list, joiner) {
        return Ok(());
    }
    let (address, same_host) = Address::read(host, &key, work, joiner)?;
    let mut writes = Vec::new();
    for cells in batches {
        let Some(batch) = cells.first().map(|cell| batch_of(*cell)) else { continue };
        let secrets = secrets(host, cells)?;
        let at = keys::envelope(joiner, batch);
        let row = address.way.seal_secrets(batch, &secrets, &address.public)?;
        writes.push((at.clone(), Some(key.sign(&at, &row)?)));
    }
    host.commit(&Batch { conditions: vec![same_list, same_host], writes }).map(drop)
}

/// Returns those of these secrets that are here, and have not ended.
fn secrets(host: &dyn HostStore, cells: &[CellNumber]) -> Result<Vec<(CellNumber, CellSecret)>> {
    let mut secrets = Vec::new();
    for cell in cells {
        if !host.slots().erase.has(*cell) || host.rows().get(&keys::erasure(*cell))?.is_some() {
            continue;
        }
        if let EraseCell::Secret(secret) = host.slots().erase.read_cell(*cell)? {
            secrets.push((*cell, secret));
        }
    }
    Ok(secrets)
}
