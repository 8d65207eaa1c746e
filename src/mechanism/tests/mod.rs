//! Properties of every row: a split message gives what it gives whole, and what was encrypted or
//! wrapped comes back. A new row is tested the moment it stands in the table.

mod manual;
mod speed;
mod vectors;
mod vectors_rsa;

use super::*;
use crate::id::Id;
use crate::key::policy::{Sealing, Usages, Watch, allow};
use crate::key::{Key, Restrictions, Usage};
use crate::key::{Parsed, UsableKey};
use crate::lc;
use crate::lc::aes::AesKey;
use crate::lc::rsa::{BITS, PrivateKey};
use crate::object::vendor::CKM_KEYSTEAD_SEAL;
use crate::secret::Secret;
use crate::tests::cases;
use crate::v3_2::*;
use pkcs11_sys::*;
use proptest::prelude::*;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

/// A key that may do everything, used for `usage`.
pub(crate) fn usable(parsed: Parsed, usage: Usage) -> UsableKey {
    with_sealing(parsed, None, usage)
}

/// An AES custom key's material.
pub(super) fn sealing_aes(bytes: &[u8], key: Id, version: u32, usage: Usage) -> UsableKey {
    let sealing = Sealing { key, version, material: bytes.into() };
    with_sealing(Parsed::Aes(AesKey::new(bytes).unwrap()), Some(sealing), usage)
}

fn with_sealing(parsed: Parsed, sealing: Option<Sealing>, usage: Usage) -> UsableKey {
    let key = Key {
        id: Id::new([1; 16]),
        parsed,
        sealing,
        usages: Usage::ALL.iter().copied().fold(Usages::default(), Usages::with),
        restrictions: Restrictions::default(),
        mechanisms: None,
        private: false,
        sensitive: true,
        extractable: false,
        always_authenticate: false,
        state: None,
        expiry: None,
        rotation_due: None,
        watch: Watch::Session(Arc::new(AtomicBool::new(true))),
        begun: AtomicBool::new(false),
    };
    allow(&Arc::new(key), usage, 0, true, true, 0).unwrap()
}

pub(super) fn aes(bytes: &[u8], usage: Usage) -> UsableKey {
    sealing_aes(bytes, Id::new([7; 16]), 1, usage)
}

pub(super) fn secret(bytes: &[u8]) -> UsableKey {
    usable(Parsed::Generic(crate::lc::mac::HmacKey::new(bytes.into())), Usage::Sign)
}

/// All that `transform` gives for `parts`, and whether the bounds it told were true.
pub(super) fn pieces(transform: &mut dyn Transform, parts: &[&[u8]]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for part in parts {
        let mut output = vec![0; transform.update_len(part.len())];
        let len = transform.update(part, &mut output)?;
        all.extend_from_slice(&output[..len]);
    }
    let mut output = vec![0; transform.finish_len()];
    let len = transform.finish(&mut output)?;
    all.extend_from_slice(&output[..len]);
    Ok(all)
}

pub(super) fn whole(transform: &mut dyn Transform, input: &[u8]) -> Result<Vec<u8>> {
    let mut output = vec![0; transform.whole_len(input.len())];
    let len = transform.whole(input, &mut output)?;
    output.truncate(len);
    Ok(output)
}

static RSA: LazyLock<(UsableKey, UsableKey)> = LazyLock::new(|| {
    let private = PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
    let public = private.public().unwrap();
    (
        usable(Parsed::RsaPublic(public), Usage::Encrypt),
        usable(Parsed::RsaPrivate(private), Usage::Decrypt),
    )
});

static EC: LazyLock<(UsableKey, UsableKey)> = LazyLock::new(|| {
    let private = lc::ec::PrivateKey::generate(lc::ec::Curve::P384).unwrap();
    let public = private.public().unwrap();
    (
        usable(Parsed::EcPublic(public), Usage::Verify),
        usable(Parsed::EcPrivate(private), Usage::Sign),
    )
});

static EDWARDS: LazyLock<(UsableKey, UsableKey)> = LazyLock::new(|| {
    let private = lc::ed25519::PrivateKey::generate().unwrap();
    let public = private.public().unwrap();
    (
        usable(Parsed::EdwardsPublic(public), Usage::Verify),
        usable(Parsed::EdwardsPrivate(private), Usage::Sign),
    )
});

static LATTICE: LazyLock<(UsableKey, UsableKey)> = LazyLock::new(|| {
    let private = lc::lattice::PrivateKey::generate(lc::lattice::Set::MlKem768).unwrap();
    let public = private.public().unwrap();
    (
        usable(Parsed::LatticePublic(public), Usage::Encapsulate),
        usable(Parsed::LatticePrivate(private), Usage::Decapsulate),
    )
});

static ML_DSA: LazyLock<(UsableKey, UsableKey)> = LazyLock::new(|| {
    let private = lc::lattice::PrivateKey::generate(lc::lattice::Set::MlDsa44).unwrap();
    let public = private.public().unwrap();
    (
        usable(Parsed::LatticePublic(public), Usage::Verify),
        usable(Parsed::LatticePrivate(private), Usage::Sign),
    )
});

/// The keys for both directions of a row.
fn keys(row: &MechanismRow, len: usize) -> (UsableKey, UsableKey) {
    match row.key_type {
        Some(CKK_AES) => {
            let bytes = [0x42; 32];
            (aes(&bytes[..len], Usage::Encrypt), aes(&bytes[..len], Usage::Decrypt))
        }
        Some(CKK_AES_XTS) => {
            let bytes: Vec<u8> = (0..64).collect();
            let key = || Parsed::Xts(lc::xts::XtsKey::new(&bytes).unwrap());
            (usable(key(), Usage::Encrypt), usable(key(), Usage::Decrypt))
        }
        Some(CKK_CHACHA20) => {
            let key = || Parsed::ChaCha(lc::chacha::ChaChaKey::new(&[0x42; 32]).unwrap());
            (usable(key(), Usage::Encrypt), usable(key(), Usage::Decrypt))
        }
        Some(CKK_RSA) => (RSA.0.clone(), RSA.1.clone()),
        Some(CKK_GENERIC_SECRET | CKK_HKDF) => (secret(&[0x42; 20]), secret(&[0x42; 20])),
        Some(CKK_EC) => (EC.0.clone(), EC.1.clone()),
        Some(CKK_EC_EDWARDS) => (EDWARDS.0.clone(), EDWARDS.1.clone()),
        Some(CKK_ML_KEM) => (LATTICE.0.clone(), LATTICE.1.clone()),
        Some(CKK_ML_DSA) => (ML_DSA.0.clone(), ML_DSA.1.clone()),
        other => panic!("no test key of type {other:?} for {}", row.name),
    }
}

/// The row's parameter, for a text of that length.
fn params(row: &MechanismRow, len: usize) -> Params {
    match row.params {
        ParamsShape::None => Params::None,
        ParamsShape::Bytes if row.name.contains("KEY_WRAP") => Params::None,
        ParamsShape::Bytes => Params::Bytes(vec![7; 16]),
        ParamsShape::Ctr => Params::Ctr { bits: 128, block: [9; 16] },
        ParamsShape::Gcm => Params::Gcm { iv: vec![3; 12], aad: vec![5; 21], tag_bits: 128 },
        ParamsShape::Gmac => Params::Gcm { iv: vec![3; 12], aad: Vec::new(), tag_bits: 128 },
        ParamsShape::Ccm => {
            let (nonce, aad) = (vec![3; 12], vec![5; 21]);
            Params::Ccm { data_len: len as u64, nonce, aad, tag_len: 16 }
        }
        ParamsShape::ChaCha => Params::ChaCha { nonce: vec![3; 12], aad: vec![5; 21] },
        ParamsShape::Oaep => {
            Params::Oaep { hash: Hash::Sha256, mgf: Hash::Sha1, label: b"label".to_vec() }
        }
        ParamsShape::RsaAes => {
            let (hash, mgf) = (Hash::Sha1, Hash::Sha256);
            Params::RsaAes { aes_bits: 256, hash, mgf, label: Vec::new() }
        }
        ParamsShape::Pss => {
            // The hash of a mechanism that digests stands in its name.
            let hash = Hash::ALL.iter().find(|hash| {
                let digest = format!("{hash:?}_RSA").to_uppercase();
                row.name.strip_prefix("CKM_").unwrap().starts_with(&digest)
            });
            let hash = *hash.unwrap_or(&Hash::Sha256);
            Params::Pss { hash, mgf: Hash::Sha256, salt_len: 20 }
        }
        ParamsShape::Eddsa | ParamsShape::SignContext => Params::None,
        ParamsShape::HashSignContext => Params::HashSignContext {
            hedge: CKH_HEDGE_PREFERRED,
            context: Vec::new(),
            hash: Hash::Sha256,
        },
        ParamsShape::Length => Params::Length(5),
        ParamsShape::Ecdh => {
            Params::Ecdh { kdf: EcKdf::Null, shared: Vec::new(), public: Vec::new() }
        }
        ParamsShape::Hkdf => Params::Hkdf {
            extract: true,
            expand: true,
            hash: Hash::Sha256,
            salt: HkdfSalt::Bytes(Vec::new()),
            info: Vec::new(),
        },
        ParamsShape::Data => Params::Data(vec![7; 16]),
        ParamsShape::CbcData => Params::CbcData { iv: [3; 16], data: vec![7; 16] },
        ParamsShape::FirstBit => Params::FirstBit(5),
        ParamsShape::Key => Params::Key(7),
        ParamsShape::Kbkdf | ParamsShape::KbkdfFeedback => {
            let form = NumberForm { little_endian: false, width: 4 };
            let counts = row.id == CKM_SP800_108_COUNTER_KDF;
            let fields = vec![Field::Iteration(counts.then_some(form))];
            Params::Kbkdf(Kbkdf { prf: Prf::Hmac(Hash::Sha256), fields, iv: Vec::new() })
        }
        ParamsShape::Pbkdf2 => Params::Pbkdf2 {
            hash: Hash::Sha256,
            salt: vec![7; 8],
            iterations: 1,
            password: Arc::new(Secret::from(&b"password"[..])),
        },
        ParamsShape::Version => Params::Version([3, 3]),
        ParamsShape::TlsMaster | ParamsShape::TlsExtendedMaster => Params::TlsMaster {
            hash: Hash::Sha256,
            seed: vec![7; 64],
            extended: false,
            tells_version: false,
        },
        ParamsShape::TlsKeys | ParamsShape::TlsKeysWithoutIvs => Params::TlsKeys {
            hash: Hash::Sha256,
            seed: vec![7; 64],
            sizes: KeySizes { mac: 20, key: 16, iv: 4 },
        },
        ParamsShape::TlsExport => {
            Params::TlsExport { hash: Hash::Sha256, label: vec![7], seed: vec![7; 64] }
        }
        ParamsShape::TlsMac => Params::TlsMac { hash: Hash::Sha256, len: 12, of_server: true },
    }
}

/// The parameters of a row, for a text of that length, that make different signatures: one of each kind.
fn domain(row: &MechanismRow, len: usize) -> Vec<Params> {
    match row.params {
        ParamsShape::Eddsa => [(false, 1), (false, 255), (true, 0), (true, 255)]
            .into_iter()
            .map(|(prehash, len)| Params::Eddsa { prehash, context: vec![7; len] })
            .chain([params(row, len)])
            .collect(),
        ParamsShape::SignContext => [1, 255]
            .map(|len| Params::SignContext { hedge: CKH_HEDGE_REQUIRED, context: vec![7; len] })
            .into_iter()
            .chain([params(row, len)])
            .collect(),
        ParamsShape::HashSignContext => {
            [(0, Hash::Sha256), (255, Hash::Sha256), (0, Hash::Sha3_256), (0, Hash::Sha512_256)]
                .map(|(len, hash)| Params::HashSignContext {
                    hedge: CKH_DETERMINISTIC_REQUIRED,
                    context: vec![7; len],
                    hash,
                })
                .to_vec()
        }
        _ => vec![params(row, len)],
    }
}

/// Shortens `message` to a length that the row takes; one that is too short is replaced.
fn fitting<'a>(row: &MechanismRow, message: &'a [u8]) -> &'a [u8] {
    match row.id {
        CKM_AES_KEY_WRAP | CKM_AES_XTS if message.len() < 16 => &[0x5A; 16],
        CKM_AES_KEY_WRAP => &message[..message.len() - message.len() % 8],
        CKM_AES_KEY_WRAP_PAD | CKM_AES_KEY_WRAP_KWP if message.is_empty() => &[0x5A],
        CKM_AES_ECB | CKM_AES_CBC => &message[..message.len() - message.len() % 16],
        CKM_RSA_PKCS_OAEP => &message[..message.len().min(190)],
        CKM_RSA_PKCS => &message[..message.len().min(245)],
        CKM_RSA_X_509 => &[0x5A; 256],
        _ => message,
    }
}

fn split<'a>(message: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (message.len() + 1)).collect();
    cuts.sort_unstable();
    let ends = cuts.iter().copied().chain([message.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    starts.zip(ends).map(|(start, end)| &message[start..end]).collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_split_equals_one_shot(
        message in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
        key_len in prop_oneof![Just(16_usize), Just(24), Just(32)],
    ) {
        for row in MECHANISMS {
            if let (Ok(encrypt), Ok(decrypt)) = (row.encrypt(), row.decrypt()) {
                let message = fitting(row, &message);
                let ((locking, opening), params) = (keys(row, key_len), params(row, message.len()));
                let locked = whole(encrypt(&locking, &params)?.as_mut(), message)?;
                if ![CKM_RSA_PKCS_OAEP, CKM_RSA_PKCS].contains(&row.id) {
                    let parts = split(message, &cuts);
                    let again = pieces(encrypt(&locking, &params)?.as_mut(), &parts)?;
                    if row.id == CKM_KEYSTEAD_SEAL {
                        let opened = whole(decrypt(&opening, &params)?.as_mut(), &again)?;
                        prop_assert_eq!(&opened, message, "{}", row.name);
                    } else {
                        prop_assert_eq!(&again, &locked, "{}", row.name);
                    }
                }
                let opened = whole(decrypt(&opening, &params)?.as_mut(), &locked)?;
                prop_assert_eq!(&opened, message, "{}", row.name);
                let parts = split(&locked, &cuts);
                let opened = pieces(decrypt(&opening, &params)?.as_mut(), &parts)?;
                prop_assert_eq!(&opened, message, "{}", row.name);
            }
            if let Ok(digest) = row.digest() {
                let mut one = digest(&Params::None)?;
                let mut expected = vec![0; one.finish_len()];
                one.whole(&message, &mut expected)?;
                let mut many = digest(&Params::None)?;
                for part in split(&message, &cuts) {
                    many.update(part)?;
                }
                let mut output = vec![0; many.finish_len()];
                many.finish(&mut output)?;
                prop_assert_eq!(output, expected, "{}", row.name);
            }
        }
    }

    #[test]
    fn a_signature_verifies_however_it_was_split(
        message in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
        flip in any::<usize>(),
        pick in any::<prop::sample::Index>(),
    ) {
        for row in MECHANISMS {
            let (Ok(sign), Ok(verify)) = (row.sign(), row.verify()) else { continue };
            let ((public, private), domain) = (keys(row, 32), domain(row, 0));
            let params = pick.get(&domain).clone();
            let message = match row.id {
                CKM_RSA_X_509 => &[0x5A; 255],
                CKM_RSA_PKCS => &message[..message.len().min(244)],
                // More would not count.
                CKM_ECDSA => &message[..message.len().min(47)],
                // A digest, and below a shorter one is refused for its length.
                CKM_RSA_PKCS_PSS | CKM_HASH_ML_DSA => continue,
                _ => &message,
            };
            let mut signing = sign(&private, &params)?;
            let mut signature = vec![0; signing.finish_len()];
            for part in split(message, &cuts) {
                signing.update(part)?;
            }
            let len = signing.finish(&mut signature)?;
            signature.truncate(len);
            let check = |signature: &[u8], parts: &[&[u8]]| {
                let mut checking = verify(&public, &params)?;
                parts.iter().try_for_each(|part| checking.update(part))?;
                checking.finish(signature)
            };
            prop_assert_eq!(check(&signature, &[message]), Ok(()), "{}", row.name);
            prop_assert_eq!(check(&signature, &split(message, &cuts)), Ok(()), "{}", row.name);
            let refusal = check(&signature, &[message, b"x"]).unwrap_err().reason();
            prop_assert_eq!(refusal, Reason::SignatureInvalid, "{}", row.name);
            let refusal = check(&signature[1..], &[message]).unwrap_err().reason();
            prop_assert_eq!(refusal, Reason::SignatureLength, "{}", row.name);
            let bits = signature.len() * 8;
            signature[flip % bits / 8] ^= 1 << (flip % 8);
            let refusal = check(&signature, &[message]).unwrap_err().reason();
            prop_assert_eq!(refusal, Reason::SignatureInvalid, "{}", row.name);
        }
    }

    #[test]
    fn what_was_wrapped_comes_back_and_what_was_damaged_does_not(
        material in proptest::collection::vec(any::<u8>(), 16..100),
        flip in any::<usize>(),
        key_len in prop_oneof![Just(16_usize), Just(24), Just(32)],
    ) {
        for row in MECHANISMS {
            let (Ok(wrap), Ok(unwrap)) = (row.wrap(), row.unwrap()) else { continue };
            let fit = row.pads_with_zeros.map_or(0, |block| material.len() % block);
            let material = Secret::from(&material[..material.len() - fit]);
            let ((wrapping, unwrapping), params) = (keys(row, key_len), params(row, 0));
            let mut wrapped = wrap(&wrapping, &params, &material)?;
            prop_assert_eq!(&unwrap(&unwrapping, &params, &wrapped)?, &material, "{}", row.name);
            let bits = wrapped.len() * 8;
            wrapped[flip % bits / 8] ^= 1 << (flip % 8);
            match unwrap(&unwrapping, &params, &wrapped) {
                Ok(other) => {
                    prop_assert!(!row.authenticated, "{} is not authenticated", row.name);
                    prop_assert_ne!(other, material);
                }
                Err(cause) => prop_assert_eq!(cause.reason(), Reason::WrappedInvalid),
            }
        }
    }
}

#[test]
fn what_was_encapsulated_comes_back_and_is_never_the_same() {
    for row in MECHANISMS {
        let (Ok(encapsulate), Ok(decapsulate)) = (row.encapsulate(), row.decapsulate()) else {
            continue;
        };
        let ((public, private), params) = (keys(row, 32), params(row, 0));
        let [first, second] = [(); 2].map(|()| encapsulate(&public, &params).unwrap());
        assert_ne!(first, second, "{}", row.name);
        for (ciphertext, secret) in [first, second] {
            assert_eq!(ciphertext.len(), row.ciphertext().unwrap()(&public).unwrap());
            assert_eq!(decapsulate(&private, &params, &ciphertext).unwrap(), secret);
        }
    }
}

#[test]
fn every_row_is_found_and_named_as_in_the_specification() {
    for row in MECHANISMS {
        assert_eq!(find(row.id).unwrap().name, row.name);
        assert!(row.name.starts_with("CKM_"), "{}", row.name);
        assert_ne!(row.flags(), 0, "{} does nothing", row.name);
        assert_eq!(row.flags() & CKF_HW, 0, "{}", row.name);
    }
    assert_eq!(find(0xDEAD_BEEF).err().unwrap().reason(), Reason::MechanismInvalid);
}

#[test]
fn an_absent_function_is_an_invalid_mechanism() {
    let row = find(CKM_SHA256).unwrap();
    assert_eq!(row.encrypt().err().unwrap().reason(), Reason::MechanismInvalid);
    assert_eq!(row.flags(), CKF_DIGEST);
}

#[test]
fn key_generation_makes_keys_of_the_asked_size() {
    let generate = find(CKM_AES_KEY_GEN).unwrap().generate().unwrap();
    assert_eq!(generate(&Params::None, 24).unwrap().len(), 24);
    assert_eq!(generate(&Params::None, 17).unwrap_err().reason(), Reason::KeySizeRange);
    let pair = find(CKM_RSA_PKCS_KEY_PAIR_GEN).unwrap().generate_pair().unwrap();
    let domain = Domain::Rsa { bits: *BITS.start(), exponent: &[3] };
    let Parsed::RsaPrivate(key) = pair(&Params::None, &domain).unwrap() else { panic!() };
    assert_eq!(key.bits(), *BITS.start());
    assert_eq!(key.public().unwrap().public_exponent().unwrap(), [3]);
}

#[test]
fn a_signature_with_recovery_gives_its_data_back_and_no_other_does() {
    let rows = MECHANISMS.iter().filter(|row| row.sign_recover.is_some());
    for row in rows {
        let ((public, private), data) = (keys(row, 32), [7; 100]);
        let mut signing = row.sign_recover().unwrap()(&private, &Params::None).unwrap();
        let mut signature = [0; 256];
        assert_eq!(signing.whole(&data, &mut signature).unwrap(), 256);
        let recover = |signature: &[u8]| {
            let begin = row.verify_recover().unwrap();
            whole(begin(&public, &Params::None).unwrap().as_mut(), signature)
        };
        let recovered = recover(&signature).unwrap();
        assert!(recovered.ends_with(&data), "{}", row.name);
        assert_eq!(recovered.len(), if row.id == CKM_RSA_PKCS { 100 } else { 256 });
        let short = recover(&signature[1..]).unwrap_err().reason();
        assert_eq!(short, Reason::SignatureLength, "{}", row.name);
        signature[9] ^= 1;
        let other = recover(&signature);
        assert!(other.is_err() || row.id == CKM_RSA_X_509 && other != Ok(recovered));
    }
}

#[test]
fn pss_over_a_digest_is_pss_over_its_message() {
    let params = Params::Pss { hash: Hash::Sha256, mgf: Hash::Sha256, salt_len: 32 };
    let mut digest = find(CKM_SHA256).unwrap().digest().unwrap()(&Params::None).unwrap();
    let mut hashed = [0; 32];
    digest.whole(b"message", &mut hashed).unwrap();
    let mut signing = find(CKM_RSA_PKCS_PSS).unwrap().sign().unwrap()(&RSA.1, &params).unwrap();
    let mut signature = vec![0; signing.finish_len()];
    signing.whole(&hashed, &mut signature).unwrap();
    let row = find(CKM_SHA256_RSA_PKCS_PSS).unwrap();
    let mut check = row.verify().unwrap()(&RSA.0, &params).unwrap();
    check.update(b"message").unwrap();
    check.finish(&signature).unwrap();
    let other = Params::Pss { hash: Hash::Sha384, mgf: Hash::Sha384, salt_len: 32 };
    let refusal = row.sign().unwrap()(&RSA.1, &other).err().unwrap().reason();
    assert_eq!(refusal, Reason::MechanismParam);
}

#[test]
fn a_general_mac_is_the_beginning_of_the_whole_one() {
    let sign = |id, params: &Params| {
        let mut signing = find(id).unwrap().sign().unwrap()(&secret(&[1; 32]), params).unwrap();
        let mut mac = vec![0; signing.finish_len()];
        signing.whole(b"message", &mut mac).unwrap();
        mac
    };
    let whole = sign(CKM_SHA256_HMAC, &Params::None);
    assert_eq!(sign(CKM_SHA256_HMAC_GENERAL, &Params::Length(12)), whole[..12]);
    for len in [0, 33, u64::MAX] {
        let begin = find(CKM_SHA256_HMAC_GENERAL).unwrap().sign().unwrap();
        let refusal = begin(&secret(&[1; 32]), &Params::Length(len)).err().unwrap();
        assert_eq!(refusal.reason(), Reason::MechanismParam, "{len}");
    }
}

#[test]
fn rsa_aes_tells_nothing_of_which_half_is_wrong() {
    let row = find(CKM_RSA_AES_KEY_WRAP).unwrap();
    let params = params(row, 0);
    let (wrap, unwrap) = (row.wrap().unwrap(), row.unwrap().unwrap());
    let material = Secret::new(vec![7; 33]);
    let wrapped = wrap(&RSA.0, &params, &material).unwrap();
    assert_eq!(wrapped.len(), 256 + 48);
    for at in [0, 100, 255, 256, 303] {
        let mut damaged = wrapped.clone();
        damaged[at] ^= 1;
        let refusal = unwrap(&RSA.1, &params, &damaged).unwrap_err();
        assert_eq!(refusal, Reason::WrappedInvalid.into());
    }
    for len in [0, 255, 256, 271, 303] {
        let refusal = unwrap(&RSA.1, &params, &wrapped[..len]).unwrap_err();
        assert_eq!(refusal, Reason::WrappedInvalid.into());
    }
}

/// The answer of a row's function to a key, if the row has that function.
fn answer<T>(begun: Result<Result<T>>) -> Option<Reason> {
    begun.ok().map(|begun| begun.err().map_or(Reason::SignatureInvalid, |error| error.reason()))
}

#[test]
fn the_keys_that_a_row_suits_are_those_that_its_functions_take() {
    let montgomery = lc::x25519::PrivateKey::generate().unwrap();
    let keys = [
        aes(&[1; 16], Usage::Encrypt),
        secret(&[1; 20]),
        RSA.0.clone(),
        RSA.1.clone(),
        EC.0.clone(),
        EC.1.clone(),
        EDWARDS.0.clone(),
        EDWARDS.1.clone(),
        usable(Parsed::MontgomeryPublic([9; 32]), Usage::Derive),
        usable(Parsed::MontgomeryPrivate(montgomery), Usage::Derive),
        LATTICE.0.clone(),
        LATTICE.1.clone(),
        ML_DSA.0.clone(),
        ML_DSA.1.clone(),
    ];
    let material = Secret::new(vec![1; 16]);
    for (row, key) in MECHANISMS.iter().flat_map(|row| keys.iter().map(move |key| (row, key))) {
        let params = params(row, 16);
        let answers = [
            (Usage::Encrypt, answer(row.encrypt().map(|begin| begin(key, &params)))),
            (Usage::Decrypt, answer(row.decrypt().map(|begin| begin(key, &params)))),
            (Usage::Sign, answer(row.sign().map(|begin| begin(key, &params)))),
            (Usage::Verify, answer(row.verify().map(|begin| begin(key, &params)))),
            (Usage::SignRecover, answer(row.sign_recover().map(|begin| begin(key, &params)))),
            (Usage::VerifyRecover, answer(row.verify_recover().map(|begin| begin(key, &params)))),
            (Usage::Wrap, answer(row.wrap().map(|wrap| wrap(key, &params, &material)))),
            (Usage::Unwrap, answer(row.unwrap().map(|unwrap| unwrap(key, &params, &[0; 24])))),
            (Usage::Derive, answer(row.derive().map(|derive| derive(key, None, &params, 16)))),
            (Usage::Encapsulate, answer(row.encapsulate().map(|make| make(key, &params)))),
            (Usage::Decapsulate, answer(row.decapsulate().map(|find| find(key, &params, &[0; 9])))),
        ];
        for (usage, answer) in answers {
            let Some(answer) = answer else { continue };
            let misfit = match usage {
                Usage::Wrap => Reason::WrappingKeyType,
                Usage::Unwrap | Usage::Decapsulate => Reason::UnwrappingKeyType,
                _ => Reason::KeyTypeInconsistent,
            };
            let suits = row.suits(usage, &key.parsed);
            assert_eq!(answer != misfit, suits, "{} {usage:?}: {answer:?}", row.name);
        }
    }
}

#[test]
fn what_was_signed_with_one_parameter_is_verified_with_no_other() {
    for row in MECHANISMS {
        let (Ok(sign), Ok(verify)) = (row.sign(), row.verify()) else { continue };
        let ((public, private), domain) = (keys(row, 32), domain(row, 0));
        for (at, signed) in domain.iter().enumerate().filter(|_| domain.len() > 1) {
            let mut signing = sign(&private, signed).unwrap();
            let mut signature = vec![0; signing.finish_len()];
            signing.whole(&[7; 32], &mut signature).unwrap();
            for (other, params) in domain.iter().enumerate() {
                let mut checking = verify(&public, params).unwrap();
                checking.update(&[7; 32]).unwrap();
                let refusal = checking.finish(&signature).err().map(|error| error.reason());
                let expected = (at != other).then_some(Reason::SignatureInvalid);
                assert_eq!(refusal, expected, "{} {signed:?} {params:?}", row.name);
            }
        }
    }
}

#[test]
fn a_deterministic_signature_is_the_same_again_and_a_hedged_one_is_not() {
    for row in MECHANISMS.iter().filter(|row| row.params == ParamsShape::SignContext) {
        let sign = |hedge| {
            let params = Params::SignContext { hedge, context: b"context".to_vec() };
            let mut signing = row.sign().unwrap()(&ML_DSA.1, &params)?;
            let mut signature = vec![0; signing.finish_len()];
            signing.whole(b"message", &mut signature).map(|_| signature)
        };
        if row.sign.is_none() {
            continue;
        }
        let twice = |hedge| sign(hedge) == sign(hedge);
        assert!(twice(CKH_DETERMINISTIC_REQUIRED), "{}", row.name);
        assert!(!twice(CKH_HEDGE_REQUIRED), "{}", row.name);
        assert!(!twice(CKH_HEDGE_PREFERRED), "{}", row.name);
        assert_eq!(sign(3).unwrap_err().reason(), Reason::MechanismParam, "{}", row.name);
        let other = Params::SignContext { hedge: 3, context: Vec::new() };
        assert!(row.verify().unwrap()(&ML_DSA.0, &other).is_ok(), "nothing is hedged there");
        let long = Params::SignContext { hedge: 0, context: vec![7; 256] };
        for refusal in [
            row.sign().unwrap()(&ML_DSA.1, &long).err(),
            row.verify().unwrap()(&ML_DSA.0, &long).err(),
        ] {
            assert_eq!(refusal.unwrap().reason(), Reason::MechanismParam, "{}", row.name);
        }
    }
}

#[test]
fn a_digest_signed_by_itself_is_its_message_signed_by_its_digest() {
    let params = Params::HashSignContext {
        hedge: CKH_HEDGE_PREFERRED,
        context: b"context".to_vec(),
        hash: Hash::Sha384,
    };
    let mut digest = find(CKM_SHA384).unwrap().digest().unwrap()(&Params::None).unwrap();
    let mut hashed = [0; 48];
    digest.whole(b"message", &mut hashed).unwrap();
    let sign = find(CKM_HASH_ML_DSA).unwrap().sign().unwrap();
    let mut signing = sign(&ML_DSA.1, &params).unwrap();
    let mut signature = vec![0; signing.finish_len()];
    signing.whole(&hashed, &mut signature).unwrap();
    let context = Params::SignContext { hedge: CKH_HEDGE_PREFERRED, context: b"context".to_vec() };
    let verify = find(CKM_HASH_ML_DSA_SHA384).unwrap().verify().unwrap();
    let mut checking = verify(&ML_DSA.0, &context).unwrap();
    checking.update(b"message").unwrap();
    checking.finish(&signature).unwrap();
    let refusal = sign(&ML_DSA.1, &params).unwrap().whole(b"message", &mut signature).unwrap_err();
    assert_eq!(refusal.reason(), Reason::DataLength);
    let hash = Hash::Sha1;
    let params = Params::HashSignContext { hedge: 0, context: Vec::new(), hash };
    assert_eq!(sign(&ML_DSA.1, &params).err().unwrap().reason(), Reason::MechanismParam);
}

#[test]
fn a_key_of_another_type_is_refused_at_init() {
    let rsa = &RSA.0;
    for row in MECHANISMS.iter().filter(|row| row.key_type == Some(CKK_AES)) {
        let params = params(row, 0);
        if let Ok(encrypt) = row.encrypt() {
            let refusal = encrypt(rsa, &params).err().unwrap().reason();
            assert_eq!(refusal, Reason::KeyTypeInconsistent, "{}", row.name);
        }
        if let (Ok(wrap), Ok(unwrap)) = (row.wrap(), row.unwrap()) {
            let key = Secret::new(vec![1; 16]);
            let refusal = wrap(rsa, &params, &key).unwrap_err().reason();
            assert_eq!(refusal, Reason::WrappingKeyType, "{}", row.name);
            let refusal = unwrap(rsa, &params, &[0; 24]).unwrap_err().reason();
            assert_eq!(refusal, Reason::UnwrappingKeyType, "{}", row.name);
        }
    }
}
