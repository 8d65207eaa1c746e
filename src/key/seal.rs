//! Sealing: AES-256-GCM under a key that HKDF makes afresh for every record, version and purpose.
//!
//! # A sealed part, byte by byte
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, `0x01` |
//! | 32 | salt, random at every sealing |
//! | n | ciphertext |
//! | 16 | tag |
//!
//! Key: HKDF-SHA-256(token key, salt, info = `keystead v1 record`), 32 bytes. The salt makes the key
//! unique, so the nonce is twelve zero bytes. Authenticated with it: 1 (u16, little
//! endian), identity of store, token and record (16 bytes each), the record's revision (u64, little
//! endian), then the public header's bytes. A flipped bit in any of them is an error, and so is a
//! sealed part in another record's place.

use super::fingerprint::Fingerprint;
use super::record::Tag;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::lc::digest::Hash;
use crate::lc::mac::{HmacKey, Mac};
use crate::secret::Secret;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

const SEAL_FORMAT: u8 = 1;
const SALT: usize = 32;

/// The format of the store that sealed parts are bound to: the first one for ever, since no upgrade of a
/// store has the keys to seal them again.
const BOUND_FORMAT: u16 = 1;

/// A fresh salt for one sealing.
pub(crate) type Salt = [u8; SALT];

/// The record that a sealed part belongs to; it opens for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealContext {
    /// The store.
    pub store: Id,
    /// The token.
    pub token: Id,
    /// The record.
    pub record: Id,
    /// The record's own counter.
    pub revision: u64,
}

impl SealContext {
    fn authenticated(&self, header: &[u8]) -> Vec<u8> {
        let mut bytes = BOUND_FORMAT.to_le_bytes().to_vec();
        for id in [self.store, self.token, self.record] {
            bytes.extend_from_slice(id.bytes());
        }
        bytes.extend_from_slice(&self.revision.to_le_bytes());
        bytes.extend_from_slice(header);
        bytes
    }
}

/// A token's key, private or public, with all that is derived from it.
pub struct TokenKey {
    root: Secret,
    tags: HmacKey,
    fingerprints: HmacKey,
}

impl TokenKey {
    /// Makes a token key of 32 bytes.
    pub fn new(root: Secret) -> Result<Self> {
        if root.len() != 32 {
            return Err(Reason::StoreDamaged.detail("a token key of the wrong length"));
        }
        let key = |info| derive(&root, &[], info).map(|key| HmacKey::new(key[..].into()));
        let (tags, fingerprints) = (key(b"keystead v1 tags")?, key(b"keystead v1 fingerprints")?);
        Ok(Self { root: root.kept(), tags, fingerprints })
    }

    /// Returns the 32 bytes, to be wrapped under a PIN.
    pub fn root(&self) -> &Secret {
        &self.root
    }

    /// Seals `body` with its `header` for `context`.
    pub fn seal(
        &self,
        context: &SealContext,
        header: &[u8],
        body: &[u8],
        salt: &Salt,
    ) -> Result<Vec<u8>> {
        seal_with(&self.root, b"keystead v1 record", &context.authenticated(header), body, salt)
    }

    /// Opens what [`Self::seal`] made for the same context and header.
    pub fn open(&self, context: &SealContext, header: &[u8], sealed: &[u8]) -> Result<Secret> {
        open_with(&self.root, b"keystead v1 record", &context.authenticated(header), sealed)
    }

    /// Returns the tag under which an attribute of this type and value is found.
    pub fn tag(&self, kind: u64, value: &[u8]) -> Result<Tag> {
        mac(&self.tags, &kind.to_le_bytes(), value).map(Tag)
    }

    /// Returns the fingerprint of key material: `class` keeps secret and private keys apart, and what a private
    /// key is identified by from the rest of it, so that no byte string is both.
    pub fn fingerprint(&self, class: u8, material: &[u8]) -> Result<Fingerprint> {
        mac(&self.fingerprints, &[class], material).map(Fingerprint)
    }

    /// Returns the key by which a process proves to the agent that it knows this one (see
    /// [`wire::proof`](crate::wire::proof)), and which tells nothing about it.
    pub fn proof_key(&self) -> Result<Secret> {
        derive(&self.root, &[], b"keystead v1 proof").map(|key| Secret::from(&key[..]))
    }
}

/// Seals under a key that was derived for one purpose only (named by `info`).
pub(super) fn seal_with(
    key: &Secret,
    info: &[u8],
    authenticated: &[u8],
    body: &[u8],
    salt: &Salt,
) -> Result<Vec<u8>> {
    let sealed = cipher(key, info, salt)?
        .encrypt(&Nonce::default(), Payload { msg: body, aad: authenticated })
        .map_err(|_| Reason::General)?;
    let mut bytes = Vec::with_capacity(1 + SALT + sealed.len());
    bytes.push(SEAL_FORMAT);
    bytes.extend_from_slice(salt);
    bytes.extend_from_slice(&sealed);
    Ok(bytes)
}

/// Opens what [`seal_with`] made.
pub(super) fn open_with(
    key: &Secret,
    info: &[u8],
    authenticated: &[u8],
    sealed: &[u8],
) -> Result<Secret> {
    let damaged = || Reason::StoreDamaged.detail("a record does not open with its token's key");
    let (&format, rest) = sealed.split_first().ok_or_else(damaged)?;
    let (salt, ciphertext) = rest.split_first_chunk::<SALT>().ok_or_else(damaged)?;
    if format != SEAL_FORMAT {
        return Err(Reason::StoreDamaged.detail(format_args!(
            "a sealed part has format {format}, which this build does not know"
        )));
    }
    cipher(key, info, salt)?
        .decrypt(&Nonce::default(), Payload { msg: ciphertext, aad: authenticated })
        .map(Secret::new)
        .map_err(|_| damaged())
}

fn cipher(key: &Secret, info: &[u8], salt: &Salt) -> Result<Aes256Gcm> {
    let derived = derive(key, salt, info)?;
    Aes256Gcm::new_from_slice(&*derived).map_err(|_| Reason::General.into())
}

fn derive(key: &Secret, salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), key.expose())
        .expand(info, &mut *derived)
        .map_err(|_| Reason::General)?;
    Ok(derived)
}

/// Returns the first bytes of an HMAC-SHA-256.
fn mac<const N: usize>(key: &HmacKey, one: &[u8], other: &[u8]) -> Result<[u8; N]> {
    let mut mac = Mac::hmac(Hash::Sha256, key)?;
    mac.update(one)?;
    mac.update(other)?;
    let whole = mac.finish()?;
    whole.first_chunk().copied().ok_or_else(|| Reason::General.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::tests::cases;
    use proptest::prelude::*;

    fn key(byte: u8) -> TokenKey {
        TokenKey::new(Secret::new(vec![byte; 32])).unwrap()
    }

    fn context(record: u8, revision: u64) -> SealContext {
        SealContext {
            store: Id::new([1; 16]),
            token: Id::new([2; 16]),
            record: Id::new([record; 16]),
            revision,
        }
    }

    #[test]
    fn a_sealed_part_is_byte_for_byte_what_the_format_says() {
        let sealed = key(7).seal(&context(3, 1), b"header", b"body", &[9; 32]).unwrap();
        assert_eq!(
            hex(&sealed),
            "010909090909090909090909090909090909090909090909090909090909090909\
             4e2b1c17ee4fe5e83abd1f08fc3a90ae5cfda420"
        );
    }

    #[test]
    fn a_sealed_part_opens_only_where_it_was_sealed() {
        let sealed = key(7).seal(&context(3, 1), b"header", b"body", &[9; 32]).unwrap();
        let open = |key: TokenKey, context, header: &[u8]| key.open(&context, header, &sealed);
        assert_eq!(open(key(7), context(3, 1), b"header").unwrap().expose(), b"body");
        assert!(open(key(8), context(3, 1), b"header").is_err());
        assert!(open(key(7), context(4, 1), b"header").is_err());
        assert!(open(key(7), context(3, 2), b"header").is_err());
        assert!(open(key(7), context(3, 1), b"Header").is_err());
    }

    /// The values by which existing stores are searched and keys are associated, computed elsewhere from RFC
    /// 5869 and RFC 2104.
    #[test]
    fn tags_fingerprints_and_the_proof_are_byte_for_byte_what_they_were() {
        let key = key(7);
        assert_eq!(hex(&key.tag(0x102, b"value").unwrap().0), "95c64d0cde0b385dd43d9dba109367ac");
        assert_eq!(
            hex(&key.fingerprint(1, b"material").unwrap().0),
            "d053685ffebe3b76b52099979b09758b7ba30bed73233e74105969b611fc3a90"
        );
        assert_eq!(
            hex(key.proof_key().unwrap().expose()),
            "bbf18ec8e83b357949b9649734ce9c931ab48d71880de12c23814077311cf4aa"
        );
    }

    #[test]
    fn fingerprints_and_tags_depend_on_the_token() {
        let fingerprint = |of: u8, class| key(of).fingerprint(class, b"m").unwrap();
        assert_ne!(fingerprint(1, 0), fingerprint(2, 0));
        assert_ne!(fingerprint(1, 0), fingerprint(1, 1));
        let tag = |of: u8, kind| key(of).tag(kind, b"v").unwrap();
        assert_ne!(tag(1, 1), tag(2, 1));
        assert_ne!(tag(1, 1), tag(1, 2));
    }

    proptest! {
        #![proptest_config(cases(256))]
        #[test]
        fn any_flipped_bit_is_an_error(body in proptest::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut sealed = key(7).seal(&context(3, 1), b"header", &body, &[9; 32]).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(key(7).open(&context(3, 1), b"header", &sealed).is_err());
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
