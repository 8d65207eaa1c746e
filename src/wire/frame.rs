//! One message, one frame: its length (four bytes, little endian), then postcard. A frame that is too
//! long, cut short, malformed or followed by more than its message is an error, and the connection
//! that carried it is of no further use.

use super::message::MAX_FRAME;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, ErrorKind, Read, Write};
use zeroize::Zeroizing;

const PREFIX: usize = size_of::<u32>();

/// Writes one message with a single write. The buffer is wiped: a message can carry an authenticator.
///
/// Fails with [`ErrorKind::InvalidInput`] before anything is written when the message is longer than
/// [`MAX_FRAME`].
pub fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

/// Reads one message of at most `most` bytes; `None` when the other side closed the connection between
/// two frames. The buffer is wiped.
///
/// Fails with [`ErrorKind::InvalidData`] when the frame is longer or malformed, and with
/// [`ErrorKind::UnexpectedEof`] when it was cut short.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read, most: u32) -> io::Result<Option<T>> {
    Ok(receive_as_admitted(from, most, |_| Ok(()))?.map(|(message, ())| message))
}

/// The same; a frame of that many bytes is read once `admit` lets it, whose answer comes with the message.
pub(crate) fn receive_as_admitted<T: DeserializeOwned, A>(
    from: &mut impl Read,
    most: u32,
    admit: impl FnOnce(usize) -> io::Result<A>,
) -> io::Result<Option<(T, A)>> {
    let Some(length) = receive_length(from, most)? else { return Ok(None) };
    let admitted = admit(length)?;
    let mut body = Zeroizing::new(vec![0; length]);
    from.read_exact(&mut body)?;
    Ok(Some((decode(&body)?, admitted)))
}

/// Makes the frame of one message, as [`send`] does.
///
/// The length is known before the buffer is made, so the buffer never moves and leaves no copy.
pub fn encode(message: &impl Serialize) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = postcard::experimental::serialized_size(message).map_err(invalid_input)?;
    let prefix = u32::try_from(length).ok().filter(|length| *length <= MAX_FRAME);
    let prefix = prefix.ok_or_else(|| invalid_input("the message is too long for a frame"))?;
    let mut frame = Zeroizing::new(vec![0; PREFIX + length]);
    let (head, body) = frame.split_at_mut(PREFIX);
    head.copy_from_slice(&prefix.to_le_bytes());
    postcard::to_slice(message, body).map_err(invalid_input)?;
    Ok(frame)
}

fn receive_length(from: &mut impl Read, most: u32) -> io::Result<Option<usize>> {
    let mut prefix = [0; PREFIX];
    let first = read_some(from, &mut prefix)?;
    if first == 0 {
        return Ok(None);
    }
    from.read_exact(prefix.get_mut(first..).unwrap_or_default())?;
    let length = u32::from_le_bytes(prefix);
    if length > most {
        return Err(invalid_data("a frame is longer than the protocol allows"));
    }
    usize::try_from(length).map(Some).map_err(invalid_data)
}

fn read_some(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(invalid_data("a frame is longer than its message")),
        Err(error) => Err(invalid_data(error)),
    }
}

fn invalid_input(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, error)
}

fn invalid_data(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::{ErrorKind, MAX_FRAME, PREFIX, receive, send};
    use crate::id::Id;
    use crate::wire::Request;

    fn frame() -> Vec<u8> {
        let mut bytes = Vec::new();
        let request = Request::Associated { token: Id::new([1; 16]), fingerprint: [2; 32] };
        send(&mut bytes, &request).unwrap();
        bytes
    }

    fn kind(mut bytes: &[u8]) -> ErrorKind {
        receive::<Request>(&mut bytes, MAX_FRAME).unwrap_err().kind()
    }

    #[test]
    fn frames_follow_each_other_and_end_cleanly() {
        let bytes = [frame(), frame()].concat();
        let mut rest = bytes.as_slice();
        for _ in 0..2 {
            let received = receive(&mut rest, MAX_FRAME).unwrap();
            let Some(Request::Associated { token, fingerprint }) = received else {
                panic!("not what was sent");
            };
            assert_eq!((token, fingerprint), (Id::new([1; 16]), [2; 32]));
        }
        assert!(receive::<Request>(&mut rest, MAX_FRAME).unwrap().is_none());
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error() {
        let frame = frame();
        for end in 1..frame.len() {
            assert_eq!(kind(&frame[..end]), ErrorKind::UnexpectedEof, "cut at {end}");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_by_its_length_alone() {
        assert_eq!(kind(&(MAX_FRAME + 1).to_le_bytes()), ErrorKind::InvalidData);
        assert_eq!(kind(&u32::MAX.to_le_bytes()), ErrorKind::InvalidData);
        let mut rest = &frame()[..];
        let error = receive::<Request>(&mut rest, 48).unwrap_err();
        assert_eq!((error.kind(), rest.len()), (ErrorKind::InvalidData, 49), "nothing is read");
    }

    #[test]
    fn a_message_that_is_too_long_is_not_sent() {
        let mut bytes = Vec::new();
        let error = send(&mut bytes, &vec![0_u8; MAX_FRAME as usize]).unwrap_err();
        assert_eq!((error.kind(), bytes.len()), (ErrorKind::InvalidInput, 0));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        assert_eq!(kind(&0_u32.to_le_bytes()), ErrorKind::InvalidData);
        assert_eq!(kind(&[3, 0, 0, 0, 0xFF, 0xFF, 0xFF]), ErrorKind::InvalidData);
    }

    #[test]
    fn bytes_behind_the_message_are_an_error() {
        let mut longer = frame();
        longer.push(0);
        let length = u32::try_from(longer.len() - PREFIX).unwrap();
        longer[..PREFIX].copy_from_slice(&length.to_le_bytes());
        assert_eq!(kind(&longer), ErrorKind::InvalidData);
    }
}
