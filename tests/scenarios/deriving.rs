//! Keys derived from others, by mechanisms that tell nothing about those: each a key of its own, as hidden as
//! its own template and the token's defaults make it.

use crate::rig::token::{Token, USER_PIN, pin};
use crate::rig::{EXTERNAL, ORIGIN, play, refused, template_with, unhex, without_custody};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::hkdf::{HkdfParams, HkdfSalt};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::{Session, UserType};

/// A curve and the mechanism that makes pairs on it.
type Curve = (&'static [u8], Mechanism<'static>);

const CURVES: [Curve; 4] = [
    (&[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7], Mechanism::EccKeyPairGen),
    (&[6, 5, 0x2B, 0x81, 4, 0, 34], Mechanism::EccKeyPairGen),
    (&[6, 5, 0x2B, 0x81, 4, 0, 35], Mechanism::EccKeyPairGen),
    (&[6, 3, 0x2B, 0x65, 0x6E], Mechanism::EccMontgomeryKeyPairGen),
];

const DERIVE_TEMPLATE: u64 = 0x4000_0213;

/// The attributes that OpenSSL, pkcs11-tool and Java ask for.
const READABLE: [Attribute; 2] = [Attribute::Sensitive(false), Attribute::Extractable(true)];

const HIDDEN: [Attribute; 3] =
    [Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Derive(true)];

// --- agreeing ---

#[test]
fn two_default_private_keys_agree_on_a_secret_that_can_be_read() {
    play(|world| {
        let token = world.token();
        for curve in CURVES {
            let pairs = [(); 2].map(|()| pair(&token, &curve, &[Attribute::Token(true)]));
            let [(public, private), (other_public, other)] = pairs;
            assert!(hides_its_value(&token, private) && hides_its_value(&token, other));
            for kdf in [EcKdf::null(), EcKdf::sha256(b""), EcKdf::sha512(b"shared")] {
                let here = agree(&token, private, other_public, kdf, &READABLE).unwrap();
                let there = agree(&token, other, public, kdf, &READABLE).unwrap();
                let secret = token.bytes(here, AttributeType::Value);
                assert!(secret.len() >= 32);
                assert_eq!(secret, token.bytes(there, AttributeType::Value), "{:?}", curve.0);
                for history in [AttributeType::AlwaysSensitive, AttributeType::NeverExtractable] {
                    assert!(!token.flag(here, history), "{history:?}");
                }
            }
            assert!(hides_its_value(&token, private), "the key itself stays hidden");
        }
    });
}

/// NSS serves TLS 1.2 so.
#[test]
fn a_des3_key_of_no_length_that_derives_is_what_was_agreed_on_as_a_generic_secret() {
    play(|world| {
        let token = world.token();
        let (_, private) = pair(&token, &CURVES[0], &[Attribute::Token(true)]);
        let (other, _) = pair(&token, &CURVES[0], &[Attribute::Token(true)]);
        let point = token.get_attributes(other, &[AttributeType::EcPoint]).unwrap();
        let [Attribute::EcPoint(point)] = &point[..] else { panic!("{point:?}") };
        let derive = |template: &[Attribute]| {
            let ecdh = Ecdh1DeriveParams::new(EcKdf::null(), point);
            token.derive_key(&Mechanism::Ecdh1Derive(ecdh), private, template)
        };
        let des3 = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::DES3),
            Attribute::Derive(true),
        ];
        let made = derive(&des3).unwrap();
        let shown =
            token.get_attributes(made, &[AttributeType::KeyType, AttributeType::ValueLen]).unwrap();
        let generic = Attribute::KeyType(KeyType::GENERIC_SECRET);
        assert_eq!(shown, [generic, Attribute::ValueLen(32.into())]);
        for more in
            [Attribute::ValueLen(24.into()), Attribute::Token(true), Attribute::Encrypt(true)]
        {
            refused(derive(&[&des3[..], &[more]].concat()), RvError::AttributeValueInvalid);
        }
        refused(derive(&des3[..2]), RvError::AttributeValueInvalid);
    });
}

#[test]
fn what_a_template_leaves_open_the_tokens_defaults_decide() {
    play(|world| {
        let token = world.token();
        let (public, private) = pair(&token, &CURVES[0], &[Attribute::Token(true)]);
        let base = secret(&token, &HIDDEN);
        for derive in derivations(&token, private, public, base) {
            // SunPKCS11 says nothing and reads the value.
            let passing = derive(&[]).unwrap();
            assert_eq!(token.bytes(passing, AttributeType::Value).len(), 32);
            let kept = derive(&[Attribute::Token(true)]).unwrap();
            assert!(hides_its_value(&token, kept));
            assert!(token.flag(kept, AttributeType::Private));
            assert_eq!(token.number(kept, ORIGIN), EXTERNAL);
        }
    });
}

#[test]
fn a_derived_key_was_always_hidden_if_its_base_was_and_it_is() {
    play(|world| {
        let token = world.token();
        let (public, private) = pair(&token, &CURVES[0], &HIDDEN);
        let (never, once) = (secret(&token, &HIDDEN), secret(&token, &READABLE));
        token.update_attributes(once, &HIDDEN[..2]).unwrap();
        let history = [AttributeType::AlwaysSensitive, AttributeType::NeverExtractable];
        for (base, was, tried) in [(never, true, 3), (once, false, 1)] {
            for derive in &derivations(&token, private, public, base)[..tried] {
                for place in [
                    &[Attribute::Token(false)][..],
                    &[Attribute::Token(true)],
                    &[Attribute::Token(true), without_custody()],
                ] {
                    for (asked, always) in [(&HIDDEN[..], was), (&READABLE, false)] {
                        let derived = derive(&[asked, place].concat()).unwrap();
                        let told = history.map(|flag| token.flag(derived, flag));
                        assert_eq!(told, [always; 2], "{asked:?} {place:?}");
                        assert!(!token.flag(derived, AttributeType::Local));
                        token.destroy_object(derived).unwrap();
                    }
                }
            }
        }
    });
}

#[test]
fn a_short_secret_may_come_of_a_hidden_key() {
    play(|world| {
        let token = world.token();
        let (public, private) = pair(&token, &CURVES[0], &HIDDEN);
        let base = secret(&token, &HIDDEN);
        for derive in derivations(&token, private, public, base) {
            let whole = derive(&READABLE).unwrap();
            let whole = token.bytes(whole, AttributeType::Value);
            for size in [1, 13] {
                let short = [&READABLE[..], &[Attribute::ValueLen(size.into())]].concat();
                let short = token.bytes(derive(&short).unwrap(), AttributeType::Value);
                assert_eq!(short.len() as u64, size);
                assert!(whole.starts_with(&short) || whole.ends_with(&short));
            }
        }
    });
}

// --- what a template hides ---

/// Each byte more of a hidden value would be one guess, checked by what the longer key makes.
#[test]
fn what_a_template_hides_is_not_derived_so_short_that_it_could_be_guessed() {
    play(|world| {
        let token = world.token();
        let bound = [hiding(), Attribute::Derive(true)];
        let (public, private) = pair(&token, &CURVES[0], &bound);
        for derive in derivations(&token, private, public, secret(&token, &bound)) {
            let sized = |size: u64| derive(&[Attribute::ValueLen(size.into())]);
            for size in [1, 2, 13] {
                refused(sized(size), RvError::KeySizeRange);
            }
            assert!(hides_its_value(&token, sized(14).unwrap()));
        }
    });
}

/// HKDF begins with a digest of known bytes and its secret, and what ANSI X9.63 makes of a shared secret is
/// a digest that begins with that.
#[test]
fn what_a_template_hides_is_not_had_by_way_of_a_digest() {
    play(|world| {
        let token = world.token();
        let digest = |key| {
            token.digest_init(&Mechanism::Sha256)?;
            token.digest_key(key)?;
            token.digest_final()
        };
        for place in [Attribute::Token(false), Attribute::Token(true)] {
            let bound = [hiding(), Attribute::Derive(true), place.clone()];
            let base = secret(&token, &bound);
            refused(digest(base), RvError::KeyIndigestible);
            let (public, private) = pair(&token, &CURVES[0], &bound);
            for derive in derivations(&token, private, public, base) {
                let derived = derive(std::slice::from_ref(&place)).unwrap();
                refused(digest(derived), RvError::KeyIndigestible);
            }
            let copy = token.copy_object(base, &[Attribute::Label(b"copy".to_vec())]);
            if let Ok(copy) = copy {
                refused(digest(copy), RvError::KeyIndigestible);
            }
        }
        let free = secret(&token, &HIDDEN);
        digest(free).unwrap();
        let (public, private) = pair(&token, &CURVES[0], &HIDDEN);
        for derive in derivations(&token, private, public, free) {
            digest(derive(&HIDDEN).unwrap()).unwrap();
        }
    });
}

/// `CKA_DERIVE_TEMPLATE` as the manual recommends it.
fn hiding() -> Attribute {
    template_with(DERIVE_TEMPLATE, &[(0x103, &[1]), (0x162, &[0])])
}

// --- HKDF ---

/// RFC 5869, A.1.
const IKM: [u8; 22] = [0x0B; 22];
const OKM: &str =
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";

fn salt() -> Vec<u8> {
    (0..13).collect()
}

fn info() -> Vec<u8> {
    (0xF0..0xFA).collect()
}

/// pkcs11-provider derives bytes as a data object, in a session without a login.
#[test]
fn hkdf_gives_data_as_openssls_provider_asks_for_it() {
    play(|world| {
        let token = world.token();
        for logged_in in [true, false] {
            if !logged_in {
                token.logout().unwrap();
            }
            let base = created(&token, KeyType::GENERIC_SECRET, &IKM);
            let (salt, info) = (salt(), info());
            let both =
                HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Data(&salt)), Some(&info));
            let data = token.derive_key(&Mechanism::HkdfData(both), base, &data(42)).unwrap();
            assert_eq!(token.bytes(data, AttributeType::Value), unhex(OKM));
            let class = token.get_attributes(data, &[AttributeType::Class]).unwrap();
            assert_eq!(class, [Attribute::Class(ObjectClass::DATA)]);
            assert_eq!(token.flag(data, AttributeType::Private), logged_in);
        }
        token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
    });
}

#[test]
fn derived_data_is_neither_a_key_nor_a_custom_key() {
    play(|world| {
        let token = world.token();
        let base = created(&token, KeyType::HKDF, &IKM);
        let derive = |template: &[Attribute]| {
            let expand = HkdfParams::new(MechanismType::SHA256, None, Some(b"info"));
            token.derive_key(&Mechanism::HkdfData(expand), base, template)
        };
        let secret_key = Attribute::Class(ObjectClass::SECRET_KEY);
        refused(derive(&[secret_key, data(32)[2].clone()]), RvError::TemplateInconsistent);
        let metadata = Attribute::Application(b"keystead".to_vec());
        refused(derive(&[&data(32)[..], &[metadata]].concat()), RvError::TemplateInconsistent);
        refused(derive(&data(32)[..2]), RvError::TemplateIncomplete);
        let kept = [Attribute::Token(true), data(32)[2].clone(), Attribute::Private(false)];
        let kept = derive(&kept).unwrap();
        token.update_attributes(kept, &[Attribute::Label(b"derived".to_vec())]).unwrap();
        let info = token.get_attribute_info(kept, &[AttributeType::ValueLen]).unwrap();
        assert!(matches!(info[..], [AttributeInfo::TypeInvalid]));
        token.logout().unwrap();
        assert_eq!(token.find_objects(&[Attribute::Label(b"derived".to_vec())]).unwrap(), [kept]);
    });
}

#[test]
fn the_salt_of_hkdf_may_be_a_key() {
    play(|world| {
        let token = world.token();
        let info = info();
        let derive = |base, salt| {
            let params =
                HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Key(salt)), Some(&info));
            let template = [&READABLE[..], &[Attribute::ValueLen(42.into())]].concat();
            token.derive_key(&Mechanism::HkdfDerive(params), base, &template)
        };
        for base in [KeyType::HKDF, KeyType::GENERIC_SECRET].map(|of| created(&token, of, &IKM)) {
            for salt in [KeyType::HKDF, KeyType::GENERIC_SECRET, KeyType::SHA256_HMAC]
                .map(|of| created(&token, of, &salt()))
            {
                let derived = derive(base, salt).unwrap();
                assert_eq!(token.bytes(derived, AttributeType::Value), unhex(OKM));
            }
            let forbidden = token
                .create_object(&[
                    Attribute::Class(ObjectClass::SECRET_KEY),
                    Attribute::KeyType(KeyType::GENERIC_SECRET),
                    Attribute::Sign(true),
                    Attribute::Derive(false),
                    Attribute::Value(salt()),
                ])
                .unwrap();
            refused(derive(base, forbidden), RvError::KeyFunctionNotPermitted);
            let (public, private) = pair(&token, &CURVES[0], &[]);
            refused(derive(base, private), RvError::KeyTypeInconsistent);
            refused(derive(base, public), RvError::KeyTypeInconsistent);
            token.destroy_object(forbidden).unwrap();
            refused(derive(base, forbidden), RvError::KeyHandleInvalid);
        }
    });
}

/// An expansion's first block is the HMAC of its info and a 1, which is an extraction from those bytes
/// with the key as the salt.
#[test]
fn what_a_key_says_of_derived_keys_holds_where_it_is_the_salt() {
    play(|world| {
        let token = world.token();
        let base = created(&token, KeyType::GENERIC_SECRET, b"info\x01");
        let from = |salt, more: &[Attribute]| {
            let extract = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Key(salt)), None);
            token.derive_key(&Mechanism::HkdfDerive(extract), base, &of_class(more))
        };
        let to_data = |salt| {
            let extract = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Key(salt)), None);
            token.derive_key(&Mechanism::HkdfData(extract), base, &data(32)[..2])
        };
        let free = secret(&token, &HIDDEN);
        from(free, &READABLE).unwrap();
        to_data(free).unwrap();
        for place in [Attribute::Token(false), Attribute::Token(true)] {
            let children = template_with(DERIVE_TEMPLATE, &[(0x103, &[1]), (0x162, &[0])]);
            let bound = secret(&token, &[children, Attribute::Derive(true), place]);
            refused(from(bound, &READABLE), RvError::TemplateInconsistent);
            assert!(hides_its_value(&token, from(bound, &[]).unwrap()));
            assert!(to_data(bound).is_err());
            let both = secret(
                &token,
                &[template_with(DERIVE_TEMPLATE, &[(0x103, &[0])]), Attribute::Derive(true)],
            );
            let params = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Key(bound)), None);
            let torn = token.derive_key(&Mechanism::HkdfDerive(params), both, &of_class(&[]));
            refused(torn, RvError::TemplateInconsistent);
        }
    });
}

#[test]
fn the_salt_key_of_hkdf_is_a_secret_meant_for_it() {
    play(|world| {
        let token = world.token();
        let base = created(&token, KeyType::GENERIC_SECRET, b"info\x01");
        for place in [Attribute::Token(false), Attribute::Token(true)] {
            let aes = token.generate_aes(&[Attribute::Derive(true), place]);
            let params =
                HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Key(aes)), Some(b"info"));
            let template = [&READABLE[..], &[Attribute::ValueLen(32.into())]].concat();
            let derived =
                token.derive_key(&Mechanism::HkdfDerive(params), base, &of_class(&template));
            refused(derived, RvError::KeyTypeInconsistent);
        }
    });
}

#[test]
fn hkdf_keys_are_made_kept_and_derived_from() {
    play(|world| {
        let token = world.token();
        for more in [&[Attribute::Token(true)][..], &[]] {
            let template = [&[Attribute::ValueLen(48.into())], more].concat();
            let key = token.generate_key(&Mechanism::HkdfKeyGen, &template).unwrap();
            let read = token.get_attributes(key, &[AttributeType::KeyType]).unwrap();
            assert_eq!(read, [Attribute::KeyType(KeyType::HKDF)]);
            assert!(token.flag(key, AttributeType::Derive));
            for kind in [KeyType::HKDF, KeyType::AES, KeyType::GENERIC_SECRET] {
                let asked = [&READABLE[..], &[Attribute::KeyType(kind)]].concat();
                let derived = hkdf(&token, key, &asked).unwrap();
                assert_eq!(token.bytes(derived, AttributeType::Value).len(), 32);
            }
        }
    });
}

// --- what the scenarios share ---

type Derivation<'a> = Box<dyn Fn(&[Attribute]) -> Result<ObjectHandle> + 'a>;

/// Agreeing with and without a function, and HKDF: each gives 32 bytes unless a template says less.
fn derivations<'a>(
    token: &'a Token,
    private: ObjectHandle,
    peer: ObjectHandle,
    base: ObjectHandle,
) -> [Derivation<'a>; 3] {
    [
        Box::new(move |more| hkdf(token, base, more)),
        Box::new(move |more| agree(token, private, peer, EcKdf::null(), more)),
        Box::new(move |more| agree(token, private, peer, EcKdf::sha256(b""), more)),
    ]
}

fn pair(token: &Token, (name, by): &Curve, private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let on_token = private.contains(&Attribute::Token(true));
    let public = [Attribute::EcParams(name.to_vec()), Attribute::Token(on_token)];
    token.generate_key_pair(by, &public, private).unwrap()
}

fn agree(
    token: &Token,
    private: ObjectHandle,
    peer: ObjectHandle,
    kdf: EcKdf,
    more: &[Attribute],
) -> Result<ObjectHandle> {
    let point = match &token.get_attributes(peer, &[AttributeType::EcPoint]).unwrap()[..] {
        [Attribute::EcPoint(point)] => point.clone(),
        other => panic!("a public key without its point: {other:?}"),
    };
    let mechanism = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(kdf, &point));
    token.derive_key(&mechanism, private, &of_class(more))
}

fn hkdf(token: &Session, base: ObjectHandle, more: &[Attribute]) -> Result<ObjectHandle> {
    let params = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Null), Some(b"info"));
    let sized = more.iter().any(|more| matches!(more, Attribute::ValueLen(_)));
    let size = (!sized).then(|| Attribute::ValueLen(32.into()));
    let template = of_class(more).into_iter().chain(size).collect::<Vec<_>>();
    token.derive_key(&Mechanism::HkdfDerive(params), base, &template)
}

fn of_class(more: &[Attribute]) -> Vec<Attribute> {
    let typed = more.iter().any(|more| matches!(more, Attribute::KeyType(_)));
    let typed = (!typed).then_some(Attribute::KeyType(KeyType::GENERIC_SECRET));
    let class = Attribute::Class(ObjectClass::SECRET_KEY);
    [class].into_iter().chain(typed).chain(more.iter().cloned()).collect()
}

fn secret(token: &Token, more: &[Attribute]) -> ObjectHandle {
    let template = [&[Attribute::ValueLen(32.into())], more].concat();
    token.generate_key(&Mechanism::GenericSecretKeyGen, &template).unwrap()
}

/// A session key as OpenSSL's provider makes it of bytes.
fn created(token: &Session, key_type: KeyType, value: &[u8]) -> ObjectHandle {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(key_type),
        Attribute::Token(false),
        Attribute::Derive(true),
        Attribute::Value(value.to_vec()),
    ];
    token.create_object(&template).unwrap()
}

/// The template of a data object that OpenSSL's provider derives.
fn data(size: u64) -> [Attribute; 3] {
    [Attribute::Class(ObjectClass::DATA), Attribute::Token(false), Attribute::ValueLen(size.into())]
}

fn hides_its_value(token: &Token, key: ObjectHandle) -> bool {
    let info = token.get_attribute_info(key, &[AttributeType::Value]).unwrap();
    matches!(info[..], [AttributeInfo::Sensitive])
}
