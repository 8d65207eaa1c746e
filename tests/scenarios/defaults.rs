//! The defaults beside what a template asks for: no key comes into being weaker than its
//! template asked for, by whichever call, and a template that asks for nothing gets what clients need.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, pin};
use crate::rig::wrap::Courier;
use crate::rig::{play, refused, template_of, without_custody};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, KeyType, ObjectHandle};
use cryptoki::session::UserType;

const P256: [u8; 10] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
const KNOWN: [u8; 32] = [7; 32];

/// The ways in which a key comes into being, or gets its protections later, each with more of a template.
type Way<'a> = (&'static str, &'a dyn Fn(&[Attribute]) -> Result<ObjectHandle>);

fn each_way(token: &Token, see: impl Fn(&str, &dyn Fn(&[Attribute]) -> Result<ObjectHandle>)) {
    let courier = Courier::new(token);
    let (agreed, private) = ec_pair(token, &[Attribute::Sensitive(false)]);
    let point = token.get_attributes(agreed, &[AttributeType::EcPoint]).unwrap();
    let [Attribute::EcPoint(point)] = &point[..] else { panic!("{point:?}") };
    let plain = token.generate_aes(&[]);
    let of = |more: &[Attribute]| [&session_aes()[..], more].concat();
    let open = [Attribute::Token(true), Attribute::Sensitive(false), Attribute::Extractable(true)];
    let set = |key, more: &[Attribute]| {
        // No attribute at all is no change.
        if !more.is_empty() {
            token.update_attributes(key, more)?;
        }
        Ok(key)
    };
    let ways: [Way; 10] = [
        ("C_GenerateKey", &|more| {
            let template = [&[Attribute::ValueLen(32.into())], more].concat();
            token.generate_key(&Mechanism::AesKeyGen, &template)
        }),
        ("C_GenerateKeyPair, RSA", &|more| {
            let public = [Attribute::ModulusBits(2048.into())];
            let made = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, more);
            made.map(|(_, private)| private)
        }),
        ("C_GenerateKeyPair, EC", &|more| {
            let public = [Attribute::EcParams(P256.to_vec())];
            let made = token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, more);
            made.map(|(_, private)| private)
        }),
        ("C_CreateObject", &|more| {
            token.create_object(&[&of(more)[..], &[Attribute::Value(KNOWN.to_vec())]].concat())
        }),
        ("C_UnwrapKey", &|more| courier.import(token, &KNOWN, &of(more))),
        ("C_DeriveKey", &|more| {
            let ecdh = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), point));
            token.derive_key(&ecdh, private, &of(more))
        }),
        ("C_CopyObject", &|more| token.copy_object(plain, more)),
        ("C_SetAttributeValue, session", &|more| set(token.generate_aes(&[]), more)),
        ("C_SetAttributeValue, token", &|more| {
            set(token.generate_aes(&[&open[..], &[without_custody()]].concat()), more)
        }),
        ("C_SetAttributeValue, custom key", &|more| set(token.generate_aes(&open), more)),
    ];
    for (name, make) in ways {
        see(name, make);
    }
}

#[test]
fn a_key_that_asks_for_a_protection_hides_its_value_and_stays() {
    play(|world| {
        let token = world.token();
        each_way(&token, |way, make| {
            let key = make(&[Attribute::Sensitive(true)]).unwrap();
            assert!(!token.flag(key, AttributeType::Extractable), "{way}");
            for asked in [Attribute::Extractable(false), Attribute::WrapWithTrusted(true)] {
                let key = make(std::slice::from_ref(&asked)).unwrap();
                assert!(token.flag(key, AttributeType::Sensitive), "{way} {asked:?}");
                assert!(!token.flag(key, AttributeType::Extractable), "{way} {asked:?}");
                assert!(hides_its_value(&token, key), "{way} {asked:?}");
            }
        });
    });
}

#[test]
fn what_a_template_says_itself_stands() {
    play(|world| {
        let token = world.token();
        each_way(&token, |way, make| {
            let key = make(&[Attribute::Sensitive(true), Attribute::Extractable(true)]).unwrap();
            assert!(token.flag(key, AttributeType::Extractable), "{way}");
            assert!(hides_its_value(&token, key), "{way}");
            let open = make(&[]).unwrap();
            assert!(token.flag(open, AttributeType::Extractable), "{way}");
            assert!(!hides_its_value(&token, open), "{way}");
        });
    });
}

#[test]
fn what_the_unwrapping_key_asks_for_counts_as_said() {
    const UNWRAP_TEMPLATE: u64 = 0x4000_0212;
    play(|world| {
        let token = world.token();
        for inner in [0x103, 0x210] {
            let by = token.generate_aes(&[
                Attribute::Wrap(true),
                Attribute::Unwrap(true),
                template_of(UNWRAP_TEMPLATE, inner, &[1]),
            ]);
            let key = token.generate_aes(&[]);
            let wrapped = token.wrap_key(&Mechanism::AesKeyWrap, by, key).unwrap();
            let back = token.unwrap_key(&Mechanism::AesKeyWrap, by, &wrapped, &session_aes());
            let back = back.unwrap();
            assert!(hides_its_value(&token, back), "{inner:#x}");
            assert!(!token.flag(back, AttributeType::Extractable), "{inner:#x}");
        }
    });
}

#[test]
fn the_same_material_imported_again_with_a_protection_stays_too() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let named = [Attribute::Label(b"payroll".to_vec())];
        let import = |more: &[Attribute]| {
            courier.import(&token, &KNOWN, &[&aes_material()[..], &named, more].concat()).unwrap()
        };
        let key = import(&open);
        assert!(!hides_its_value(&token, key));
        assert_eq!(import(&[]), key);
        assert!(!hides_its_value(&token, key), "nothing was asked for");
        assert_eq!(import(&[Attribute::Sensitive(true)]), key);
        assert!(!token.flag(key, AttributeType::Extractable));
        assert!(hides_its_value(&token, key));
    });
}

#[test]
fn a_key_that_is_bound_and_names_no_usage_does_only_what_it_is_bound_for() {
    const TEMPLATES: [(u64, AttributeType); 3] = [
        (0x4000_0211, AttributeType::Wrap),
        (0x4000_0212, AttributeType::Unwrap),
        (0x4000_0213, AttributeType::Derive),
    ];
    let usages = [
        AttributeType::Encrypt,
        AttributeType::Decrypt,
        AttributeType::Sign,
        AttributeType::Verify,
        AttributeType::Wrap,
        AttributeType::Unwrap,
        AttributeType::Derive,
    ];
    play(|world| {
        let token = world.token();
        let only = |key, meant| {
            for usage in usages {
                assert_eq!(token.flag(key, usage), usage == meant, "{usage:?} of {meant:?}");
            }
            assert!(hides_its_value(&token, key), "{meant:?}");
        };
        for (own, meant) in TEMPLATES {
            only(token.generate_aes(&[template_of(own, 0x103, &[1])]), meant);
        }
        let named = [template_of(0x4000_0212, 0x103, &[1]), Attribute::Decrypt(true)];
        only(token.generate_aes(&named), AttributeType::Decrypt);
        token.logout().unwrap();
        token.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
        let trusted = [Attribute::Private(false), Attribute::Trusted(true)];
        only(token.generate_aes(&trusted), AttributeType::Wrap);
        token.logout().unwrap();
        token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
    });
}

/// A session key whose template says nothing is public without a login, which one that asks for a PIN
/// cannot be.
#[test]
fn a_key_that_asks_for_a_pin_at_each_use_hides_its_value_and_is_private() {
    play(|world| {
        let token = world.token();
        let asking = [Attribute::AlwaysAuthenticate(true)];
        let (_, private) = ec_pair(&token, &asking);
        assert!(hides_its_value(&token, private));
        assert!(!token.flag(private, AttributeType::Extractable));
        token.logout().unwrap();
        let public = [Attribute::EcParams(P256.to_vec())];
        let made = token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &asking);
        refused(made, RvError::UserNotLoggedIn);
        let (_, open) = ec_pair(&token, &[]);
        assert!(!token.flag(open, AttributeType::Private));
    });
}

fn session_aes() -> [Attribute; 3] {
    let [class, key_type, _] = aes_material();
    [class, key_type, Attribute::Token(false)]
}

fn ec_pair(token: &Token, private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let public = [Attribute::EcParams(P256.to_vec())];
    token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, private).unwrap()
}

/// Returns true if the value of a secret key, or of a private one, is not told.
fn hides_its_value(token: &Token, key: ObjectHandle) -> bool {
    let rsa = token.get_attributes(key, &[AttributeType::KeyType]).unwrap();
    let value = match rsa[..] {
        [Attribute::KeyType(KeyType::RSA)] => AttributeType::PrivateExponent,
        _ => AttributeType::Value,
    };
    matches!(token.get_attribute_info(key, &[value]).unwrap()[..], [AttributeInfo::Sensitive])
}
