//! The answers of an agent on their way to a peer, which may take them as slowly as it likes, but for no longer
//! than a limit in all.

use super::answer_size::too_long;
use super::budget::Portion;
use crate::wire::handing::Handing;
use crate::wire::{Response, frame};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The part of an answer that is sent at once, in bytes: within one call the kernel takes the time anew for each
/// part that waits, so that a peer which takes little by little would never run out of it.
const PIECE: usize = 16 << 10;

/// Sends an answer, with the page where that is handed over, in no longer than `patience` in all. Nothing
/// but its frame is left in memory meanwhile.
pub(crate) fn send(
    stream: &UnixStream,
    page: Option<BorrowedFd<'_>>,
    response: Response,
    mut portion: Portion<'_>,
    patience: Duration,
) -> io::Result<()> {
    let frame = match frame::encode(&response) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            frame::encode(&Response::Refused(too_long()))
        }
        done => done,
    }?;
    drop(response);
    portion.keep(frame.len());
    deliver(stream, page, &frame, patience)
}

/// Sends a frame, in no longer than that in all.
fn deliver(
    stream: &UnixStream,
    page: Option<BorrowedFd<'_>>,
    frame: &[u8],
    patience: Duration,
) -> io::Result<()> {
    let (mut to, end) = (Handing::new(stream, page), Instant::now() + patience);
    frame.chunks(PIECE).try_for_each(|piece| {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        to.write_all(piece)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Duration, Instant, UnixStream, deliver};
    use std::io::Read;

    #[test]
    fn a_peer_that_takes_its_answer_little_by_little_runs_out_of_time() {
        const TRANSFER_TIMEOUT: Duration = Duration::from_millis(200);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let dribble = std::thread::spawn(move || {
            // Each wait of the sender's is shorter than its patience, and all of them are longer.
            while theirs.read(&mut [0; 16 << 10]).is_ok_and(|read| read > 0) {
                std::thread::sleep(TRANSFER_TIMEOUT / 4);
            }
        });
        let began = Instant::now();
        assert!(deliver(&ours, None, &vec![0; 4 << 20], TRANSFER_TIMEOUT).is_err());
        assert!(began.elapsed() < 10 * TRANSFER_TIMEOUT, "{:?}", began.elapsed());
        ours.shutdown(std::net::Shutdown::Both).unwrap();
        dribble.join().unwrap();
    }
}
