//! The reading of everything at one revision, in pages, into the mirror: what is missing there is removed from it.

use super::call_failure::CallFailure;
use super::ended::Ended;
use super::layout::KeyKind;
use super::mirror::Mirror;
use super::opened::Opened;
use etcd_client::{GetOptions, GetResponse};
use std::ops::Bound;
use std::time::Duration;

/// The number of rows of a page.
const PAGE: i64 = 128;

/// The most bytes of a page: as many rows of the largest size.
const MAX_PAGE: usize = PAGE as usize * (2 << 20);

/// The time that one page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for which a page is asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads everything into the mirror, which is locked meanwhile: it is of no one revision before the end.
pub(super) fn read_all(opened: &Opened) -> Result<(), Ended> {
    let layout = &opened.connection.layout;
    let mut mirror = opened.mirror_mut();
    let (mut from, mut revision, mut number) = (layout.prefix().to_vec(), 0, 0);
    let mut after: Option<Vec<u8>> = None;
    loop {
        let mut page = read_page(opened, from, revision)?;
        let header = page.header().ok_or_else(|| CallFailure::silent("a page has no header"))?;
        let cluster = header.cluster_id();
        if revision == 0 {
            revision = header.revision();
        }
        let more = page.more();
        let (mut last, mut rows) = (None, Vec::new());
        for row in page.take_kvs() {
            match layout.kind(row.key()) {
                KeyKind::Row(key) => {
                    rows.push((key.to_vec(), (row.mod_revision(), row.value().to_vec())));
                }
                KeyKind::Tick => number = row.version().unsigned_abs(),
                KeyKind::Identity | KeyKind::Lane(_) | KeyKind::Unknown => {}
            }
            last = Some(row);
        }
        let begin = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let Some(last) = last.filter(|_| more) else {
            mirror.replace((begin, Bound::Unbounded), rows)?;
            break finish(opened, &mut mirror, (cluster, revision, number));
        };
        if let Some(end) = rows.last().map(|(key, _)| key.clone()) {
            mirror.replace((begin, Bound::Included(&end)), rows)?;
            after = Some(end);
        }
        from = [last.key(), &[0]].concat();
    }
}

fn finish(
    opened: &Opened,
    mirror: &mut Mirror,
    (cluster, revision, number): (u64, i64, u64),
) -> Result<(), Ended> {
    if number == 0 {
        return Err(opened.connection.error("the fleet's records are gone").into());
    }
    mirror.read_all(cluster, revision, number)?;
    opened.show(mirror.state());
    Ok(())
}

fn read_page(opened: &Opened, from: Vec<u8>, revision: i64) -> Result<GetResponse, CallFailure> {
    let end = opened.connection.layout.end();
    let options = GetOptions::new().with_range(end).with_limit(PAGE).with_revision(revision);
    opened.connection.members.ask(PATIENCE, PAGE_TIMEOUT, async |client| {
        let mut rows = client.kv_client().max_decoding_message_size(MAX_PAGE);
        rows.get(from.clone(), Some(options.clone())).await
    })
}
