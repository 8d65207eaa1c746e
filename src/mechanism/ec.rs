//! Elliptic curves: key pairs, ECDSA and ECDH. PKCS#11 3.1, "Elliptic Curve".

use super::derive_params::EcKdf;
use super::one_shot::{Accumulator, Compare, Compute};
use super::row::row;
use super::{Absorb, Check, Domain, MechanismRow, Params, ParamsShape, Protections, Tells};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::digest::{Digest, Hash};
use crate::lc::ec::{Curve, PrivateKey, PublicKey};
use crate::lc::{ed25519, one_step, x25519};
use crate::object::{known_curves, points};
use crate::secret::Secret;
use pkcs11_sys::*;

/// The bytes of an input of `CKM_ECDSA` that count at most: as many bits as the order of the largest
/// curve has.
const MAX_DIGEST: usize = Curve::P521.size();

/// The size of the field of Ed25519 and X25519, in bits.
const X25519_BITS: u64 = 255;

pub(super) const KEY_PAIR_GEN: MechanismRow =
    MechanismRow { generate_pair: Some(generate), ..nist(row!(CKM_EC_KEY_PAIR_GEN)) };

pub(super) const ECDSA: MechanismRow = MechanismRow {
    signs_messages: true,
    sign: Some(|key, params| sign(key, params, None)),
    verify: Some(|key, params| verify(key, params, None)),
    ..nist(row!(CKM_ECDSA))
};

macro_rules! ecdsa {
    ($($name:ident = $id:ident, $hash:ident;)*) => {$(
        pub(super) const $name: MechanismRow = MechanismRow {
            signs_messages: true,
            sign: Some(|key, params| sign(key, params, Some(Hash::$hash))),
            verify: Some(|key, params| verify(key, params, Some(Hash::$hash))),
            ..nist(row!($id))
        };
    )*};
}

ecdsa! {
    ECDSA_SHA1 = CKM_ECDSA_SHA1, Sha1;
    ECDSA_SHA224 = CKM_ECDSA_SHA224, Sha224;
    ECDSA_SHA256 = CKM_ECDSA_SHA256, Sha256;
    ECDSA_SHA384 = CKM_ECDSA_SHA384, Sha384;
    ECDSA_SHA512 = CKM_ECDSA_SHA512, Sha512;
    ECDSA_SHA3_224 = CKM_ECDSA_SHA3_224, Sha3_224;
    ECDSA_SHA3_256 = CKM_ECDSA_SHA3_256, Sha3_256;
    ECDSA_SHA3_384 = CKM_ECDSA_SHA3_384, Sha3_384;
    ECDSA_SHA3_512 = CKM_ECDSA_SHA3_512, Sha3_512;
}

/// The cofactor of these curves is 1, so that both derivations are one.
pub(super) const ECDH1_DERIVE: MechanismRow = MechanismRow {
    derive: Some(derive),
    agrees_on_montgomery: true,
    more_flags: NIST_FLAGS | EDWARDS_FLAGS,
    ..agreement(row!(CKM_ECDH1_DERIVE))
};

pub(super) const ECDH1_COFACTOR_DERIVE: MechanismRow =
    MechanismRow { derive: Some(derive_on_nist), ..agreement(row!(CKM_ECDH1_COFACTOR_DERIVE)) };

pub(super) const EDWARDS_KEY_PAIR_GEN: MechanismRow = MechanismRow {
    generate_pair: Some(generate_edwards),
    ..edwards(row!(CKM_EC_EDWARDS_KEY_PAIR_GEN))
};

pub(super) const MONTGOMERY_KEY_PAIR_GEN: MechanismRow = MechanismRow {
    key_type: Some(CKK_EC_MONTGOMERY),
    generate_pair: Some(generate_montgomery),
    ..edwards(row!(CKM_EC_MONTGOMERY_KEY_PAIR_GEN))
};

/// Curves over prime fields, named by an object identifier; points of either form.
const NIST_FLAGS: CK_FLAGS = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS | CKF_EC_COMPRESS;

/// Those of RFC 7748 and 8032 have names too, and points with one coordinate only.
const EDWARDS_FLAGS: CK_FLAGS = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_CURVENAME | CKF_EC_COMPRESS;

const fn nist(row: MechanismRow) -> MechanismRow {
    let key_sizes = (Curve::P224.bits(), Curve::P521.bits());
    MechanismRow { key_type: Some(CKK_EC), key_sizes, more_flags: NIST_FLAGS, ..row }
}

/// A shared secret is no part of the private key.
const fn agreement(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        params: ParamsShape::Ecdh,
        tells: Tells::Nothing,
        protections: Protections::Own,
        ..nist(row)
    }
}

pub(super) const fn edwards(row: MechanismRow) -> MechanismRow {
    let key_sizes = (X25519_BITS, X25519_BITS);
    MechanismRow { key_type: Some(CKK_EC_EDWARDS), key_sizes, more_flags: EDWARDS_FLAGS, ..row }
}

fn generate(params: &Params, domain: &Domain) -> Result<Parsed> {
    let name = named(params, domain)?;
    let curve = Curve::named(name).ok_or_else(|| known_curves::refusal(name))?;
    PrivateKey::generate(curve).map(Parsed::EcPrivate)
}

/// Generates an Ed25519 key. That the template names the curve is checked as the object is built; there
/// is but one.
pub(super) fn generate_edwards(params: &Params, domain: &Domain) -> Result<Parsed> {
    named(params, domain)?;
    ed25519::PrivateKey::generate().map(Parsed::EdwardsPrivate)
}

/// Generates an X25519 key, whose curve is checked as in [`generate_edwards`].
fn generate_montgomery(params: &Params, domain: &Domain) -> Result<Parsed> {
    named(params, domain)?;
    x25519::PrivateKey::generate().map(Parsed::MontgomeryPrivate)
}

fn named<'a>(params: &Params, domain: &Domain<'a>) -> Result<&'a [u8]> {
    match (params, domain) {
        (Params::None, Domain::Curve(name)) => Ok(name),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn sign(usable: &UsableKey, params: &Params, hash: Option<Hash>) -> Result<Box<dyn Absorb>> {
    let size = 2 * private(usable)?.curve().size();
    let key = usable.clone();
    Ok(Box::new(Compute::new(accumulator(params, hash)?, size, move |digest| {
        private(&key)?.sign(digest).map(Secret::new)
    })))
}

fn verify(usable: &UsableKey, params: &Params, hash: Option<Hash>) -> Result<Box<dyn Check>> {
    public(usable)?;
    let key = usable.clone();
    Ok(Box::new(Compare::new(accumulator(params, hash)?, move |digest, signature| {
        public(&key)?.verify(digest, signature)
    })))
}

fn accumulator(params: &Params, hash: Option<Hash>) -> Result<Accumulator> {
    match (params, hash) {
        (Params::None, Some(hash)) => Accumulator::digest(hash),
        (Params::None, None) => Ok(Accumulator::beginning(MAX_DIGEST)),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn derive_on_nist(
    usable: &UsableKey,
    _: Option<&Secret>,
    params: &Params,
    len: usize,
) -> Result<Secret> {
    private(usable)?;
    derive(usable, None, params, len)
}

fn derive(usable: &UsableKey, _: Option<&Secret>, params: &Params, len: usize) -> Result<Secret> {
    let Params::Ecdh { kdf, shared, public } = params else {
        return Err(Reason::MechanismParam.into());
    };
    let agreed = match &usable.parsed {
        Parsed::EcPrivate(key) => key.agree(peer(public, &points::lengths(key.curve().size()))?)?,
        Parsed::MontgomeryPrivate(key) => key.agree(peer(public, &[x25519::SIZE])?)?,
        _ => return Err(Reason::KeyTypeInconsistent.into()),
    };
    match kdf {
        EcKdf::Null if shared.is_empty() => last(agreed, len),
        EcKdf::Null => {
            Err(Reason::MechanismParam.detail("shared data without a derivation function"))
        }
        EcKdf::X963(hash) => stretch(*hash, &agreed, shared, length(*hash, len)?),
        EcKdf::OneStep(hash) => one_step::derive(*hash, &agreed, shared, length(*hash, len)?),
    }
}

/// The peer's public key, bare or as `CKA_EC_POINT` has it.
fn peer<'a>(public: &'a [u8], lengths: &[usize]) -> Result<&'a [u8]> {
    points::bare(public, lengths).ok_or(Reason::MechanismParam.into())
}

/// "The truncation removes bytes from the leading end of the secret value."
fn last(secret: Secret, len: usize) -> Result<Secret> {
    let len = if len == 0 { secret.len() } else { len };
    let start = secret.len().checked_sub(len).ok_or(Reason::KeySizeRange)?;
    Ok(secret.expose().get(start..).ok_or(Reason::General)?.into())
}

/// Returns the length of what a derivation function makes: one digest where no length is asked for.
fn length(hash: Hash, len: usize) -> Result<usize> {
    match len {
        0 => Ok(hash.size()),
        len if len <= 255 * hash.size() => Ok(len),
        _ => Err(Reason::KeySizeRange.into()),
    }
}

/// ANSI X9.63's derivation (SEC 1, 3.6.1).
fn stretch(hash: Hash, agreed: &Secret, shared: &[u8], len: usize) -> Result<Secret> {
    let mut made = Secret::new(vec![0; len.next_multiple_of(hash.size())]);
    for (count, part) in (1_u32..).zip(made.expose_mut().chunks_mut(hash.size())) {
        let mut digest = Digest::new(hash)?;
        digest.update(agreed.expose())?;
        digest.update(&count.to_be_bytes())?;
        digest.update(shared)?;
        digest.finish(part)?;
    }
    made.truncate(len);
    Ok(made)
}

fn private(usable: &UsableKey) -> Result<&PrivateKey> {
    match &usable.parsed {
        Parsed::EcPrivate(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

fn public(usable: &UsableKey) -> Result<&PublicKey> {
    match &usable.parsed {
        Parsed::EcPublic(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::usable;

    fn parties() -> [(UsableKey, Vec<u8>); 2] {
        [(); 2].map(|()| {
            let key = PrivateKey::generate(Curve::P256).unwrap();
            let point = key.public().unwrap().point().to_vec();
            (usable(Parsed::EcPrivate(key), Usage::Derive), point)
        })
    }

    fn agree(own: &UsableKey, peer: &[u8], kdf: EcKdf, len: usize) -> Result<Secret> {
        let shared = if kdf == EcKdf::Null { Vec::new() } else { b"shared".to_vec() };
        derive(own, None, &Params::Ecdh { kdf, shared, public: peer.to_vec() }, len)
    }

    #[test]
    fn both_sides_derive_the_same_with_and_without_a_function() {
        let [(one, one_point), (two, two_point)] = parties();
        for (kdf, len, expected) in [
            (EcKdf::Null, 0, 32),
            (EcKdf::Null, 20, 20),
            (EcKdf::X963(Hash::Sha256), 0, 32),
            (EcKdf::X963(Hash::Sha1), 33, 33),
            (EcKdf::X963(Hash::Sha512), 16, 16),
            (EcKdf::OneStep(Hash::Sha3_256), 0, 32),
            (EcKdf::OneStep(Hash::Sha1), 33, 33),
        ] {
            let here = agree(&one, &two_point, kdf, len).unwrap();
            assert_eq!(here, agree(&two, &one_point, kdf, len).unwrap());
            assert_eq!(here.len(), expected);
        }
    }

    #[test]
    fn a_shorter_secret_is_the_end_of_the_whole_one() {
        let [(one, _), (_, peer)] = parties();
        let whole = agree(&one, &peer, EcKdf::Null, 0).unwrap();
        let short = agree(&one, &peer, EcKdf::Null, 16).unwrap();
        assert!(whole.expose().ends_with(short.expose()));
        assert_eq!(agree(&one, &peer, EcKdf::Null, 33).unwrap_err().reason(), Reason::KeySizeRange);
    }

    #[test]
    fn a_peer_in_an_octet_string_is_the_same_peer() {
        let [(one, _), (_, peer)] = parties();
        let wrapped = [&[4, 65], peer.as_slice()].concat();
        let expected = agree(&one, &peer, EcKdf::Null, 0).unwrap();
        assert_eq!(agree(&one, &wrapped, EcKdf::Null, 0).unwrap(), expected);
        let refusal = agree(&one, &peer[1..], EcKdf::Null, 0).unwrap_err().reason();
        assert_eq!(refusal, Reason::MechanismParam);
    }

    /// NIST CAVS 12.0, ANSI X9.63-2001: a vector of each hash, and a long one with shared data.
    #[test]
    fn the_derivation_function_is_x9_63() {
        let hex = |text: &str| base16ct::lower::decode_vec(text).unwrap();
        for (hash, agreed, shared, expected) in [
            (
                Hash::Sha1,
                "1c7d7b5f0597b03d06a018466ed1a93e30ed4b04dc64ccdd",
                "",
                "bf71dffd8f4d99223936beb46fee8ccc",
            ),
            (
                Hash::Sha224,
                "9ba3226ba0fca6bd5ddaef5b8d763a4d3303bc258d90468c",
                "",
                "15ccbd7d6b8f918335799b3920e69c1f",
            ),
            (
                Hash::Sha256,
                "96c05619d56c328ab95fe84b18264b08725b85e33fd34f08",
                "",
                "443024c3dae66b95e6f5670601558f71",
            ),
            (
                Hash::Sha384,
                "d8554db1b392cd55c3fe957bed76af09c13ac2a9392f88f6",
                "",
                "671a46aada145162f8ddf1ca586a1cda",
            ),
            (
                Hash::Sha512,
                "87fc0d8c4477485bb574f5fcea264b30885dc8d90ad82782",
                "",
                "947665fbb9152153ef460238506a0245",
            ),
            (
                Hash::Sha256,
                "22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d",
                "75eef81aa3041e33b80971203d2c0c52",
                "c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e\
                 52a13d9c7c6fc878c50c5ea0bc7b00e0da2447cfd874f6cf92f30d0097111485\
                 500c90c3af8b487872d04685d14c8d1dc8d7fa08beb0ce0ababc11f0bd496269\
                 142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7e386128ec26afc21",
            ),
        ] {
            let (agreed, expected) = (Secret::new(hex(agreed)), hex(expected));
            let made = stretch(hash, &agreed, &hex(shared), expected.len()).unwrap();
            assert_eq!(made.expose(), expected, "{hash:?}");
        }
    }

    /// Python's `cryptography` 48.0: `X963KDF`, 80 bytes.
    #[test]
    fn the_derivation_function_takes_sha_3_as_another_implementation_does() {
        let hex = |text: &str| base16ct::lower::decode_vec(text).unwrap();
        let agreed = Secret::new((0..32).collect());
        let shared: Vec<u8> = (0x40..0x50).collect();
        for (hash, expected) in [
            (
                Hash::Sha3_224,
                "ec0c21275978dffde30a0a321c8eb1bd24a71660e26dfbfb8a1b60d9cdc89da87c3c17f36121a04c\
                 63ab703dd71c543a407cdc0a3f619b70fe89decaf9026cdb9a0e11a513047f742975cfc6fccce165",
            ),
            (
                Hash::Sha3_256,
                "33cc68ab38abc84509c4ac3757c9ca4e7d075785f67a668973e778daf2b1cdbc4bd79c3139a1773f\
                 d407ae4c9e73b67c8d25adab9aa138f21ffe325af66ce0b6e2159b55eb77a7361dc343ff61ce32cf",
            ),
            (
                Hash::Sha3_384,
                "71d9c671e9bcc35043bbf1ea484909c51f6853577b580937648fe9f6636a775a4b23b383010bfa20\
                 39fb002e71b2243c0a097d89aa05ef4e0439b36f21c5b4686de6461c8c6be045a8e6a4cc458c3829",
            ),
            (
                Hash::Sha3_512,
                "0ed29c0771c8a2a7b23596e2eb1d7be561f8cb129332d4c0712c646b66db9655c74812bc2d69ad58\
                 dbbfdd5ae1caa54c5f86235d06fb454364283bb1b2f08c720ee31dab6a3d70ca598ea31ea76e71ea",
            ),
        ] {
            let made = stretch(hash, &agreed, &shared, 80).unwrap();
            assert_eq!(made.expose(), hex(expected), "{hash:?}");
        }
    }

    #[test]
    fn a_curve_that_the_token_does_not_compute_on_is_told_so() {
        let secp192k1 = Domain::Curve(&[6, 5, 0x2B, 0x81, 4, 0, 31]);
        let refusal = generate(&Params::None, &secp192k1).err().unwrap().reason();
        assert_eq!(refusal, Reason::CurveUnknown);
    }
}
