//! The opening of a fleet's store: etcd must be reachable, new enough, and have this fleet's records, none of which
//! may be lost.

use super::connection::Connection;
use super::etcd_store::Etcd;
use super::following::follow;
use super::lane::{ANSWER_TIMEOUT, Lane, make_identity};
use super::layout::decode_identity;
use super::mirror::Mirror;
use super::opened::Opened;
use crate::config::FleetLocation;
use crate::error::{Error, Reason, Result};
use crate::file_names::MIRROR;
use crate::store::{Acknowledged, StoreIdentity, files};
use etcd_client::{Client, GetOptions, GetResponse};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The oldest etcd that sends a large revision in pieces.
const OLDEST: (u32, u32) = (3, 4);

/// The time in which etcd must answer an opening.
const PATIENCE: Duration = Duration::from_secs(5);

/// The number of watches in turn that an opening waits for: everything may have to be read.
const OPENING_WATCHES: usize = 20;

/// The head of the fleet's rows.
struct Head {
    identity: Option<(StoreIdentity, i64)>,
    cluster: u64,
    /// The latest revision of etcd.
    revision: i64,
    /// Set where there is any row.
    has_rows: bool,
}

/// Opens the store, with a mirror in the own directory of the host's agent. It must be the one that is
/// [`Acknowledged`], with everything that is; where nothing ever was, and nothing is there, it is made.
pub(crate) fn open(fleet: &FleetLocation, acknowledged: &Acknowledged) -> Result<Etcd> {
    let connection = Connection::new(fleet)?;
    check_version(&connection)?;
    let mirror = open_mirror(&fleet.directory().join(MIRROR))?;
    let (state, mut head) = (mirror.state(), read_head(&connection)?);
    let is_known = state.revision > 0;
    if is_known && (state.cluster != head.cluster || state.revision > head.revision) {
        return Err(set_back(&connection));
    }
    if !is_known && !head.has_rows && acknowledged.is_new {
        make_identity(&connection, acknowledged.identity)?;
        head = read_head(&connection)?;
    }
    let Some(identity) = head.identity else {
        return Err(connection.absent("there are no records of a fleet"));
    };
    check_identity(&connection, identity.0, acknowledged.identity)?;
    let lane = Lane::open(&connection, state.opening, identity)?;
    let taken = lane.revision();
    let opened = Arc::new(Opened::new(connection, lane, mirror));
    let etcd = Etcd::following(opened, follow)?;
    etcd.opened().wait_until(OPENING_WATCHES, |revision, _| revision >= taken)?;
    match etcd.opened().seen() {
        (_, number) if number < acknowledged.number => Err(set_back(&etcd.opened().connection)),
        _ => Ok(etcd),
    }
}

/// Returns the identity of the fleet; none where there is none.
pub(crate) fn identity(fleet: &FleetLocation) -> Result<Option<StoreIdentity>> {
    let connection = Connection::new(fleet)?;
    check_version(&connection)?;
    Ok(read_head(&connection)?.identity.map(|(identity, _)| identity))
}

/// Returns true where anything lies below the fleet's prefix.
pub(crate) fn has_rows(fleet: &FleetLocation) -> Result<bool> {
    let connection = Connection::new(fleet)?;
    check_version(&connection)?;
    Ok(read_head(&connection)?.has_rows)
}

fn check_version(connection: &Connection) -> Result<()> {
    let status = ask(connection, async |client| client.maintenance_client().status().await)?;
    match is_new_enough(status.version()) {
        true => Ok(()),
        false => Err(Reason::StoreUnavailable.detail(format_args!(
            "etcd {} is too old: {}.{} is the oldest that serves a fleet",
            status.version(),
            OLDEST.0,
            OLDEST.1
        ))),
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let major_minor = (parts.next().flatten(), parts.next().flatten());
    matches!(major_minor, (Some(major), Some(minor)) if (major, minor) >= OLDEST)
}

fn read_head(connection: &Connection) -> Result<Head> {
    let layout = &connection.layout;
    let identity = get(connection, layout.identity(), GetOptions::new())?;
    let all = GetOptions::new().with_range(layout.end()).with_count_only();
    let rows = get(connection, layout.prefix().to_vec(), all)?;
    let header = rows.header().ok_or_else(|| connection.error("an answer has no header"))?;
    let row = identity.kvs().first();
    let identity = row.map(|row| {
        let identity = decode_identity(row.value());
        let identity = identity.ok_or_else(|| connection.error("its identity does not parse"));
        identity.map(|identity| (identity, row.mod_revision()))
    });
    Ok(Head {
        identity: identity.transpose()?,
        cluster: header.cluster_id(),
        revision: header.revision(),
        has_rows: rows.count() > 0,
    })
}

fn get(connection: &Connection, key: Vec<u8>, options: GetOptions) -> Result<GetResponse> {
    ask(connection, async |client| client.kv_client().get(key.clone(), Some(options.clone())).await)
}

fn ask<T>(
    connection: &Connection,
    call: impl AsyncFnMut(Client) -> Result<T, etcd_client::Error>,
) -> Result<T> {
    let answer = connection.members.ask(PATIENCE, ANSWER_TIMEOUT, call);
    answer.map_err(|failure| failure.error())
}

fn check_identity(connection: &Connection, found: StoreIdentity, own: StoreIdentity) -> Result<()> {
    if found == own {
        return Ok(());
    }
    Err(connection.absent(match found.store == own.store {
        true => "the fleet has gone on without this host",
        false => "the records are those of another fleet; correct the prefix",
    }))
}

/// Opens the mirror, or makes it anew where it is damaged: everything in it comes from etcd.
fn open_mirror(folder: &Path) -> Result<Mirror> {
    match Mirror::open(folder) {
        Err(error) if error.reason() == Reason::StoreDamaged => {
            log::warn!("the mirror is made anew: {error}");
            files::remove_folder(folder)?;
            Mirror::open(folder)
        }
        mirror => mirror,
    }
}

fn set_back(connection: &Connection) -> Error {
    connection
        .error("etcd has been set back, or is another: it lacks commits that this host has seen")
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn an_etcd_that_is_too_old_is_told_by_its_version() {
        for version in ["3.4.0", "3.4.23", "3.5.16", "3.10.0", "4.0.0-rc.1"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["3.3.27", "2.3.8", "", "3", "x.y"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
