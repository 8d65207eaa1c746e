//! `CKM_KEYSTEAD_SEAL`: authenticated encryption whose blob names the custom key and the version of
//! its material that made it, with a key of its own for each message, so that there is no nonce to
//! misuse or to run out of. Two custom keys never open each other's blobs, even with equal material.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format version: 1 |
//! | 16 | key ID |
//! | 4 | material version, big-endian |
//! | 32 | salt, random |
//! | as many as the plaintext has | ciphertext |
//! | 16 | tag |
//!
//! The first three are the header, 21 bytes. The ciphertext and tag are AES-256-GCM's, under
//! HKDF-SHA-256 (RFC 5869; secret: the material, salt: the salt, info: `keystead seal` and the
//! header, 32 bytes), with a nonce of 12 zero bytes and the header and the caller's associated data
//! (the mechanism's parameter, if it has one) as associated data. The header's fixed length keeps the
//! two apart. A wrapped key is its value (a private key's PKCS#8) in such a blob.

use super::aead::{Opening, Opens};
use super::aes::{aes, key};
use super::aes_gcm::MAX_PLAINTEXT;
use super::{MechanismRow, Params, ParamsShape, Transform};
use crate::error::{Error, Reason, Result};
use crate::key::UsableKey;
use crate::key::policy::Sealing;
use crate::lc::aes::{AesKey, Cipher, Direction, Mode};
use crate::lc::digest::Hash;
use crate::lc::{hkdf, random};
use crate::object::vendor::CKM_KEYSTEAD_SEAL;
use crate::secret::Secret;
use zeroize::Zeroize;

pub(super) const SEAL: MechanismRow = MechanismRow {
    params: ParamsShape::Bytes,
    encrypt: Some(|key, params| Ok(Box::new(Seal::begin(key, params, random::bytes()?)?))),
    decrypt: Some(|key, params| Ok(Box::new(Blob::begin(key, params)?))),
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    unwrapped: |_, blob| blob.checked_sub(SEAL_AROUND).map(|material| material..=material),
    authenticated: true,
    tells_versions: |_| true,
    ..aes(MechanismRow::new(CKM_KEYSTEAD_SEAL, "CKM_KEYSTEAD_SEAL"))
};

const BLOB_FORMAT: u8 = 1;
const HEADER: usize = 1 + 16 + 4;
const SALT: usize = 32;
const FRONT: usize = HEADER + SALT;
const TAG: usize = 16;

/// The bytes that a blob has beyond what was sealed.
pub const SEAL_AROUND: usize = FRONT + TAG;

/// The domain that keeps these keys apart from all others derived from the same material.
const DOMAIN: &[u8] = b"keystead seal";

/// Returns the material that makes a custom key's blobs: an ordinary AES key has no identity to bind them
/// to.
fn sealing(usable: &UsableKey) -> Result<&Sealing> {
    key(usable)?;
    usable.sealing.as_ref().ok_or_else(|| {
        Reason::KeyNotPermitted.detail("only a custom key seals, and this key is an ordinary one")
    })
}

fn associated(params: &Params) -> Result<&[u8]> {
    match params {
        Params::None => Ok(&[]),
        Params::Bytes(bytes) => Ok(bytes),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn header(sealing: &Sealing) -> [u8; HEADER] {
    let mut header = [BLOB_FORMAT; HEADER];
    let (_, rest) = header.split_at_mut(1);
    let (key, version) = rest.split_at_mut(16);
    key.copy_from_slice(sealing.key.bytes());
    version.copy_from_slice(&sealing.version.to_be_bytes());
    header
}

/// One message's cipher, with all that is associated taken in.
fn cipher(
    sealing: &Sealing,
    salt: &[u8],
    associated: &[u8],
    direction: Direction,
) -> Result<Cipher> {
    let header = header(sealing);
    let condensed = hkdf::extract(Hash::Sha256, sealing.material.expose(), salt)?;
    let info = [DOMAIN, &header].concat();
    let message_key = hkdf::expand(Hash::Sha256, condensed.expose(), &info, 32)?;
    let mut cipher = AesKey::new(message_key.expose())?.cipher(Mode::Gcm, direction, &[0; 12])?;
    cipher.associate(&header)?;
    cipher.associate(associated)?;
    Ok(cipher)
}

/// A sealing under way: the front leaves with the first part.
struct Seal {
    cipher: Cipher,
    front: Option<[u8; FRONT]>,
}

impl Seal {
    fn begin(usable: &UsableKey, params: &Params, salt: [u8; SALT]) -> Result<Self> {
        let sealing = sealing(usable)?;
        let cipher = cipher(sealing, &salt, associated(params)?, Direction::Encrypt)?;
        let mut front = [0; FRONT];
        let (head, rest) = front.split_at_mut(HEADER);
        head.copy_from_slice(&header(sealing));
        rest.copy_from_slice(&salt);
        Ok(Self { cipher, front: Some(front) })
    }

    fn front_len(&self) -> usize {
        self.front.map_or(0, |front| front.len())
    }
}

impl Transform for Seal {
    fn update_len(&self, input: usize) -> usize {
        input.saturating_add(self.front_len())
    }

    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let split = output.split_at_mut_checked(self.front_len());
        let (start, text) = split.ok_or(Reason::BufferTooSmall)?;
        self.cipher.update(input, text)?;
        if let Some(front) = self.front.take() {
            start.copy_from_slice(&front);
        }
        Ok(start.len() + input.len())
    }

    fn finish_len(&self) -> usize {
        self.front_len() + TAG
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let begun = self.update(&[], output)?;
        let tag = output.get_mut(begun..begun + TAG).ok_or(Reason::BufferTooSmall)?;
        self.cipher.tag(tag)?;
        Ok(begun + TAG)
    }

    fn whole_len(&self, input: usize) -> usize {
        input.saturating_add(SEAL_AROUND)
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let written = self.update(input, output)?;
        let rest = output.get_mut(written..).ok_or(Reason::BufferTooSmall)?;
        Ok(written + self.finish(rest)?)
    }
}

/// A blob of which everything has come: it is opened with its key.
struct Blob {
    key: UsableKey,
    associated: Vec<u8>,
}

impl Blob {
    fn begin(usable: &UsableKey, params: &Params) -> Result<Opening<Self>> {
        sealing(usable)?;
        let blob = Self { key: usable.clone(), associated: associated(params)?.to_vec() };
        Ok(Opening::new(blob, MAX_PLAINTEXT))
    }
}

impl Opens for Blob {
    fn overhead(&self) -> usize {
        SEAL_AROUND
    }

    fn too_long(&self) -> Reason {
        Reason::EncryptedInvalid
    }

    fn open(&mut self, sealed: &[u8], output: &mut [u8]) -> Result<usize> {
        open(sealing(&self.key)?, &self.associated, sealed, output)
    }
}

/// Opens `blob` into the first bytes of `output`; leaves zeros there unless it is all this key's own.
fn open(sealing: &Sealing, associated: &[u8], blob: &[u8], output: &mut [u8]) -> Result<usize> {
    let (salt, text, tag) = parts(sealing, blob).ok_or(Reason::EncryptedInvalid)?;
    let output = output.get_mut(..text.len()).ok_or(Reason::BufferTooSmall)?;
    let mut cipher = cipher(sealing, salt, associated, Direction::Decrypt)?;
    let opened = cipher.update(text, output).and_then(|()| cipher.check(tag));
    if opened.is_err() {
        output.zeroize();
        return Err(Reason::EncryptedInvalid.into());
    }
    Ok(text.len())
}

/// Salt, ciphertext and tag of a blob that says it was made by this key and version.
fn parts<'a>(sealing: &Sealing, blob: &'a [u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let rest = blob.strip_prefix(&header(sealing))?;
    let (salt, rest) = rest.split_at_checked(SALT)?;
    let (text, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
    Some((salt, text, tag))
}

fn wrap(usable: &UsableKey, params: &Params, material: &Secret) -> Result<Vec<u8>> {
    let salt = random::bytes()?;
    let mut sealing = Seal::begin(usable, params, salt).map_err(misfit(Reason::WrappingKeyType))?;
    let mut blob = vec![0; sealing.whole_len(material.len())];
    sealing.whole(material.expose(), &mut blob)?;
    Ok(blob)
}

fn unwrap(usable: &UsableKey, params: &Params, blob: &[u8]) -> Result<Secret> {
    let sealing = sealing(usable).map_err(misfit(Reason::UnwrappingKeyType))?;
    let mut material = Secret::new(vec![0; blob.len().saturating_sub(SEAL_AROUND)]);
    open(sealing, associated(params)?, blob, material.expose_mut())
        .map_err(|_| Reason::WrappedInvalid)?;
    Ok(material)
}

/// The code of a key of the wrong type where a key is wrapped or unwrapped.
fn misfit(code: Reason) -> impl Fn(Error) -> Error {
    move |cause| match cause.reason() {
        Reason::KeyTypeInconsistent => code.into(),
        _ => cause,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::key::{Parsed, Usage};
    use crate::mechanism::tests::{pieces, sealing_aes, usable, whole};
    use serde_json::Value;
    use std::collections::HashMap;

    const TEXT: &[u8] = b"what only this key opens";

    fn custom(key: u8, version: u32) -> UsableKey {
        sealing_aes(&[0x42; 32], Id::new([key; 16]), version, Usage::Decrypt)
    }

    fn params(associated: &[u8]) -> Params {
        Params::Bytes(associated.to_vec())
    }

    fn seal(key: &UsableKey, params: &Params) -> Vec<u8> {
        whole(SEAL.encrypt().unwrap()(key, params).unwrap().as_mut(), TEXT).unwrap()
    }

    fn open(key: &UsableKey, params: &Params, blob: &[u8]) -> Result<Vec<u8>> {
        whole(SEAL.decrypt().unwrap()(key, params)?.as_mut(), blob)
    }

    fn invalid<T: std::fmt::Debug>(result: Result<T>) {
        assert_eq!(result.unwrap_err(), Reason::EncryptedInvalid.into());
    }

    #[test]
    fn a_blob_names_its_key_and_version_and_no_two_are_alike() {
        let key = custom(7, 0x0102_0304);
        let blob = seal(&key, &Params::None);
        assert_eq!(blob[..21], [&[1][..], &[7; 16], &[1, 2, 3, 4]].concat());
        assert_eq!(blob.len(), TEXT.len() + 69);
        assert_ne!(blob[21..], seal(&key, &Params::None)[21..]);
    }

    #[test]
    fn no_other_key_version_or_associated_data_opens_it_though_the_material_is_equal() {
        let blob = seal(&custom(7, 1), &params(b"aad"));
        assert_eq!(open(&custom(7, 1), &params(b"aad"), &blob).unwrap(), TEXT);
        invalid(open(&custom(8, 1), &params(b"aad"), &blob));
        invalid(open(&custom(7, 2), &params(b"aad"), &blob));
        invalid(open(&custom(7, 1), &params(b"aae"), &blob));
        invalid(open(&custom(7, 1), &Params::None, &blob));
        for other in [custom(8, 1), custom(7, 2)] {
            let mut renamed = blob.clone();
            renamed[..HEADER].copy_from_slice(&header(other.sealing.as_ref().unwrap()));
            invalid(open(&other, &params(b"aad"), &renamed));
        }
    }

    #[test]
    fn any_changed_byte_and_any_shorter_or_longer_blob_is_refused_alike() {
        let (key, params) = (custom(7, 1), params(b"aad"));
        let blob = seal(&key, &params);
        for at in 0..blob.len() {
            let mut forged = blob.clone();
            forged[at] ^= 1 << (at % 8);
            invalid(open(&key, &params, &forged));
            invalid(open(&key, &params, &blob[..at]));
            let unwrapped = unwrap(&key, &params, &forged);
            assert_eq!(unwrapped.unwrap_err(), Reason::WrappedInvalid.into());
        }
        invalid(open(&key, &params, &[&blob[..], &[0]].concat()));
    }

    #[test]
    fn parts_release_nothing_before_the_end_and_a_forgery_leaves_nothing() {
        let key = custom(7, 1);
        let mut blob = seal(&key, &Params::None);
        let mut opening = SEAL.decrypt().unwrap()(&key, &Params::None).unwrap();
        assert_eq!(opening.update_len(blob.len()), 0);
        assert_eq!(pieces(opening.as_mut(), &[&blob[..30], &blob[30..]]).unwrap(), TEXT);
        let last = blob.len() - 1;
        blob[last] ^= 1;
        let mut output = [0xEE; 24];
        let opening = &mut SEAL.decrypt().unwrap()(&key, &Params::None).unwrap();
        invalid(opening.whole(&blob, &mut output));
        assert_eq!(output, [0; 24]);
    }

    fn hex(text: &str) -> Vec<u8> {
        let mut room = vec![0; text.len() / 2];
        base16ct::lower::decode(text, &mut room).unwrap().to_vec()
    }

    /// `tests/vectors/seal.py` made them with another implementation.
    #[test]
    fn another_implementation_makes_the_same_blobs() {
        let text = include_str!("../../tests/vectors/seal.json");
        let vectors: Vec<HashMap<String, Value>> = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.len(), 36);
        for vector in vectors {
            let bytes = |name: &str| hex(vector[name].as_str().unwrap());
            let id = Id::parse(vector["key_id"].as_str().unwrap().as_bytes()).unwrap();
            let version = u32::try_from(vector["version"].as_u64().unwrap()).unwrap();
            let key = sealing_aes(&bytes("material"), id, version, Usage::Encrypt);
            let params = match bytes("aad") {
                none if none.is_empty() => Params::None,
                aad => Params::Bytes(aad),
            };
            let salt = bytes("salt").try_into().unwrap();
            let mut sealing = Seal::begin(&key, &params, salt).unwrap();
            assert_eq!(whole(&mut sealing, &bytes("text")).unwrap(), bytes("blob"));
            assert_eq!(open(&key, &params, &bytes("blob")).unwrap(), bytes("text"));
        }
    }

    #[test]
    fn an_ordinary_key_is_refused() {
        let key = usable(Parsed::Aes(AesKey::new(&[1; 32]).unwrap()), Usage::Encrypt);
        let refusals = [
            SEAL.encrypt().unwrap()(&key, &Params::None).err().unwrap(),
            SEAL.decrypt().unwrap()(&key, &Params::None).err().unwrap(),
            wrap(&key, &Params::None, &Secret::new(vec![1; 16])).unwrap_err(),
            unwrap(&key, &Params::None, &[0; 85]).unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.reason(), Reason::KeyNotPermitted);
        }
    }
}
