//! Files of any size that a custom key sealed, as a stream of chunks: what one looks like is in
//! `keystead::manual::sealing`. A chunk's place and whether it is the last are authenticated with it.

use crate::explain::code;
use crate::{Failure, keys::ListedKey};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use keystead::internal::id::Id;
use keystead::internal::key::{MaterialState, Status};
use keystead::internal::mechanism::SEAL_AROUND;
use keystead::internal::object::vendor::CKM_KEYSTEAD_SEAL;
use keystead::internal::object::words;
use std::io::{self, ErrorKind, Read};
use zeroize::Zeroizing;

/// The plaintext of every chunk but the last, in bytes.
const CHUNK: u32 = 1 << 20;

/// The longest chunk that is opened: what says how long they are is not authenticated yet.
const MAX_CHUNK: u32 = 1 << 24;

/// The beginning of such a file; the format's version is its last byte.
const MAGIC: &[u8; 9] = b"keystead\x01";

const HEADER: usize = 9 + 4 + 16 + 16;

/// The header, the chunk's index, and whether it is the last.
const ASSOCIATED: usize = HEADER + 8 + 1;

/// The front of a sealed file.
pub(crate) struct SealedFileHeader {
    bytes: [u8; HEADER],
    chunk: u32,
    key: Id,
}

impl SealedFileHeader {
    /// The header of a new file, sealed by that key.
    pub(crate) fn new(key: Id, stream: [u8; 16]) -> Result<Self, Failure> {
        let bytes = [&MAGIC[..], &CHUNK.to_be_bytes(), &stream, key.bytes()].concat();
        Self::parse(&bytes).ok_or_else(|| Failure::new("the header has another length"))
    }

    /// Reads the front of `input`; none where it is no such file.
    pub(crate) fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = Vec::with_capacity(HEADER);
        input.by_ref().take(HEADER as u64).read_to_end(&mut bytes)?;
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; HEADER] = bytes.try_into().ok()?;
        let (chunk, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        let (_stream, key) = rest.split_first_chunk::<16>()?;
        let chunk = u32::from_be_bytes(*chunk);
        let key = Id::new(key.try_into().ok()?);
        (1..=MAX_CHUNK).contains(&chunk).then_some(Self { bytes, chunk, key })
    }

    /// The header as it stands in the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key that sealed the file.
    pub(crate) fn key(&self) -> Id {
        self.key
    }

    /// The most plaintext in a chunk.
    pub(crate) fn plain_len(&self) -> usize {
        self.chunk as usize
    }

    /// The most that a chunk takes in the file.
    pub(crate) fn sealed_len(&self) -> usize {
        self.plain_len() + SEAL_AROUND
    }

    fn associated(&self, index: u64, last: bool) -> [u8; ASSOCIATED] {
        let mut associated = [u8::from(last); ASSOCIATED];
        let (header, place) = associated.split_at_mut(HEADER);
        header.copy_from_slice(&self.bytes);
        place.split_at_mut(8).0.copy_from_slice(&index.to_be_bytes());
        associated
    }
}

/// A custom key that seals and opens the chunks of one file.
pub(crate) struct Chunker<'a> {
    session: &'a Session,
    key: &'a ListedKey,
    material: ObjectHandle,
    header: &'a SealedFileHeader,
    index: u64,
}

impl<'a> Chunker<'a> {
    /// Begins with the first chunk.
    pub(crate) fn new(
        session: &'a Session,
        key: &'a ListedKey,
        header: &'a SealedFileHeader,
    ) -> Result<Self, Failure> {
        let shown = &key.shown;
        if shown.key_type != "AES" {
            return Err(Failure::refused(format_args!("{shown} is no AES key"))
                .hint("only AES keys seal: `keystead generate ALIAS` makes one"));
        }
        match key.material(session)?.as_slice() {
            [material, ..] => Ok(Self { session, key, material: *material, header, index: 0 }),
            [] => {
                Err(Failure::not_found(format_args!("{shown} has no material: {}", shown.material))
                    .hint("`keystead import` brings it back"))
            }
        }
    }

    /// Seals the next chunk.
    pub(crate) fn seal(&mut self, text: &[u8], last: bool) -> Result<Vec<u8>, Failure> {
        self.run(last, |session, by, key| session.encrypt(by, key, text))
    }

    /// Opens the next chunk, if it is the next and all is as it was sealed.
    pub(crate) fn open(
        &mut self,
        sealed: &[u8],
        last: bool,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.run(last, |session, by, key| session.decrypt(by, key, sealed)).map(Zeroizing::new)
    }

    fn run(
        &mut self,
        last: bool,
        run: impl FnOnce(&Session, &Mechanism, ObjectHandle) -> Result<Vec<u8>, Error>,
    ) -> Result<Vec<u8>, Failure> {
        let associated = self.header.associated(self.index, last);
        let number = MechanismType::new_vendor_defined(CKM_KEYSTEAD_SEAL)?;
        let by = VendorDefinedMechanism::new(number, Some(&associated));
        let by = Mechanism::VendorDefined(by);
        let made = run(self.session, &by, self.material).map_err(|error| self.explain(error))?;
        self.index += 1;
        Ok(made)
    }

    fn explain(&self, error: Error) -> Failure {
        let shown = &self.key.shown;
        match code(&error) {
            Some(RvError::EncryptedDataInvalid) => Failure::new(format_args!(
                "it is not as it was sealed, from its byte {} on: damaged, cut off or altered",
                HEADER as u64 + self.index * self.header.sealed_len() as u64
            ))
            .hint("another copy of the file may be whole"),
            Some(RvError::KeyFunctionNotPermitted) => self.not_permitted(),
            Some(RvError::KeyHandleInvalid) => {
                Failure::not_found(format_args!("{shown} has lost its material meanwhile"))
                    .hint("`keystead show` says why; `keystead import` brings it back")
            }
            _ => error.into(),
        }
    }
}

impl Chunker<'_> {
    /// Returns the failure by the state of the key now, not when it was found.
    fn not_permitted(&self) -> Failure {
        let shown = match self.key.again(self.session) {
            Ok(key) => key.shown,
            Err(failure) => return failure,
        };
        let readable = shown.material == words::material(MaterialState::Readable).text
            && shown.status == words::status(Status::Enabled).text;
        match (readable, shown.expires) {
            (true, Some(at)) => Failure::refused(format_args!(
                "{shown}: its material expired at {at}, and only opens and verifies since then"
            ))
            .hint("importing it again gives it another expiry"),
            _ => Failure::refused(format_args!(
                "{shown} may not be used for this; its status is {}",
                shown.status
            ))
            .hint(match shown.status {
                status if status == words::status(Status::Disabled).text => {
                    "`keystead enable` lets it be used again"
                }
                status if status == words::status(Status::PendingDeletion).text => {
                    "`keystead cancel-deletion` keeps it, `keystead enable` lets it be used again"
                }
                _ => "`keystead show` shows it",
            }),
        }
    }
}

/// A file's bytes in pieces of one size, the last one shorter or as long; one piece if there are none.
pub(crate) struct Pieces<R> {
    input: R,
    /// A piece, and the byte behind it that says whether it is the last.
    room: Zeroizing<Vec<u8>>,
    ahead: Option<u8>,
}

impl<R: Read> Pieces<R> {
    /// Pieces of `len` bytes.
    pub(crate) fn of(input: R, len: usize) -> Self {
        Self { input, room: Zeroizing::new(vec![0; len + 1]), ahead: None }
    }

    /// The next piece, and whether it is the last; nothing is to be asked behind that.
    pub(crate) fn next(&mut self) -> io::Result<(&[u8], bool)> {
        let mut filled = 0;
        if let (Some(ahead), Some(first)) = (self.ahead.take(), self.room.first_mut()) {
            *first = ahead;
            filled = 1;
        }
        while let Some(rest) = self.room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let (ahead, piece) = self.room.split_last().ok_or(ErrorKind::InvalidInput)?;
        match piece.get(..filled) {
            Some(last) => Ok((last, true)),
            None => {
                self.ahead = Some(*ahead);
                Ok((piece, false))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_other_is() {
        let made = SealedFileHeader::new(Id::new([7; 16]), [9; 16]).unwrap();
        let mut bytes = made.bytes().to_vec();
        let read = SealedFileHeader::read(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!((read.key(), read.plain_len()), (Id::new([7; 16]), 1 << 20));
        for len in 0..bytes.len() {
            assert!(SealedFileHeader::read(&mut bytes.get(..len).unwrap()).unwrap().is_none());
        }
        *bytes.get_mut(8).unwrap() = 2;
        assert!(SealedFileHeader::read(&mut &bytes[..]).unwrap().is_none(), "another version");
        for size in [0, MAX_CHUNK + 1, u32::MAX] {
            let bytes = [&MAGIC[..], &size.to_be_bytes(), &[0; 32]].concat();
            assert!(SealedFileHeader::read(&mut &bytes[..]).unwrap().is_none(), "{size}");
        }
    }

    #[test]
    fn pieces_are_whole_and_the_last_is_known() {
        for (text, expected) in [
            ("", &[("", true)][..]),
            ("abc", &[("abc", true)]),
            ("abcd", &[("abcd", true)]),
            ("abcde", &[("abcd", false), ("e", true)]),
            ("abcdefgh", &[("abcd", false), ("efgh", true)]),
        ] {
            // One byte at a time, as a pipe may bring them.
            let slow = text.bytes().fold(Box::new(io::empty()) as Box<dyn Read>, |before, byte| {
                Box::new(before.chain(io::repeat(byte).take(1)))
            });
            let mut pieces = Pieces::of(slow, 4);
            for (piece, last) in expected {
                assert_eq!(pieces.next().unwrap(), (piece.as_bytes(), *last), "{text}");
            }
        }
    }
}
