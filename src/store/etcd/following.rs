//! The thread that follows etcd: one watch over everything below the prefix brings one revision after the other into
//! the mirror. Where something was lost or compacted, everything is read at one revision instead.

use super::call_failure::CallFailure;
use super::ended::Ended;
use super::lane::ANSWER_TIMEOUT;
use super::opened::Opened;
use super::reading::read_all;
use super::revisions::{Change, Revisions};
use etcd_client::{WatchOptions, WatchResponse, WatchStream};
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of one message; etcd sends in pieces what is larger than a request may be.
const MAX_MESSAGE: usize = 64 << 20;

/// The pause after a failure, which grows up to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Follows etcd until the opening ends or fails.
pub(super) fn follow(opened: &Arc<Opened>) {
    let mut pause = PAUSES.0;
    while !opened.is_over() {
        let before = opened.seen();
        let revision = opened.mirror().state().revision;
        let ended = match revision {
            0 => read_all(opened),
            _ => watch(opened),
        };
        let handled = match ended {
            Ok(()) | Err(Ended::Stopped) => Ok(()),
            Err(Ended::Gap(why)) => {
                log::warn!("everything is read anew from etcd: {why}");
                opened.mirror_mut().begin_anew()
            }
            Err(Ended::Silent(failure)) => {
                log::warn!("etcd's changes are not seen at the moment: {}", failure.error());
                if opened.seen() > before {
                    pause = PAUSES.0;
                }
                opened.wait_for_wake(pause);
                pause = (pause * 2).min(PAUSES.1);
                Ok(())
            }
            Err(Ended::Failed(error)) => Err(error),
        };
        if let Err(error) = handled {
            log::error!("etcd is followed no longer: {error}");
            opened.fail(error);
        }
    }
}

/// Applies one revision after the other, as a watch brings them.
fn watch(opened: &Opened) -> Result<(), Ended> {
    let (connection, state) = (&opened.connection, opened.mirror().state());
    let layout = &connection.layout;
    let mut revisions = Revisions::after(layout.clone(), (state.revision, state.number));
    let options = WatchOptions::new()
        .with_range(layout.end())
        .with_start_revision(state.revision + 1)
        .with_fragment();
    let member = connection.members.current();
    let mut stream = connection.members.call(ANSWER_TIMEOUT, async |client| {
        let mut watches = client.watch_client().max_decoding_message_size(MAX_MESSAGE);
        watches.watch(layout.prefix(), Some(options)).await
    })?;
    loop {
        let applied = next(opened, &mut stream)
            .and_then(|response| apply(opened, &mut revisions, &response, state.cluster));
        if let Err(ended) = applied {
            connection.members.leave(member);
            return Err(ended);
        }
    }
}

/// Applies the revisions that a message makes whole.
fn apply(
    opened: &Opened,
    revisions: &mut Revisions,
    response: &WatchResponse,
    cluster: u64,
) -> Result<(), Ended> {
    check(response, cluster)?;
    for event in response.events() {
        let change = Change::of(event)
            .ok_or_else(|| CallFailure::silent("an event of etcd's has no row"))?;
        if let Some(revision) = revisions.add(&change)? {
            opened.apply(revision)?;
        }
    }
    Ok(())
}

/// Waits for the next message of the watch.
fn next(opened: &Opened, stream: &mut WatchStream) -> Result<WatchResponse, Ended> {
    let message = opened.connection.members.wait(async {
        tokio::select! {
            message = stream.message() => Some(message),
            () = opened.wake.notified() => None,
        }
    });
    match message {
        None if opened.is_over() => Err(Ended::Stopped),
        None => Err(CallFailure::silent("the watch hangs").into()),
        Some(Ok(Some(response))) => Ok(response),
        Some(Ok(None)) => Err(CallFailure::silent("etcd has ended the watch").into()),
        Some(Err(error)) => Err(CallFailure::of("the watch", &error).into()),
    }
}

/// Fails where a message says that the watch has ended, or comes from elsewhere.
fn check(response: &WatchResponse, cluster: u64) -> Result<(), Ended> {
    if response.compact_revision() > 0 {
        return Err(Ended::Gap("revisions have been compacted".to_owned()));
    }
    if response.canceled() {
        let why = format!("etcd has cancelled the watch: {}", response.cancel_reason());
        return Err(CallFailure::silent(why).into());
    }
    match response.header() {
        Some(header) if header.cluster_id() != cluster => {
            Err(CallFailure::silent("the watch is of another cluster").into())
        }
        _ => Ok(()),
    }
}
