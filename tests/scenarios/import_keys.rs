//! Import keys by their mark, through the C interface: what such a pair is, what becomes of what it
//! unwraps, and that PIN and wrapped file together tell nothing of it.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, pin};
use crate::rig::wrap::{Courier, Owner, oaep_sha1, oaep_sha256, unwrapped_by_hand, with_rsa_aes};
use crate::rig::{
    IMPORT_ONLY, expires_at, for_key, import_only, kind, mechanism_type, play, refused,
    template_with, without_custody, world,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::UserType;

const MATERIAL: [u8; 32] = *b"the salaries of all the company.";
const P256: [u8; 10] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
const CUSTODY: u64 = 0x804B_530B;

// --- the pair ---

#[test]
fn an_import_key_only_unwraps_and_never_changes() {
    play(|world| {
        let token = world.token();
        let both = [Attribute::Token(true), expires_at(world::now() + 1000)];
        for (public, private) in [
            (&[import_only()][..], &[][..]),
            (&[], &[import_only()]),
            (&[import_only()], &[import_only()]),
        ] {
            for place in [&both[..], &[]] {
                let (public, private) =
                    pair(&token, &[place, public].concat(), &[place, private].concat()).unwrap();
                for half in [public, private] {
                    assert_eq!(token.bytes(half, kind(IMPORT_ONLY)), [1]);
                    for value in [vec![0], vec![2], vec![]] {
                        let changed = Attribute::VendorDefined((kind(IMPORT_ONLY), value));
                        assert!(token.update_attributes(half, &[changed]).is_err());
                    }
                }
                only_unwraps(&token, private);
                let copied = token.copy_object(public, &[]).unwrap();
                assert_eq!(token.bytes(copied, kind(IMPORT_ONLY)), [1]);
            }
        }
        let (public, private) = pair(&token, &[], &[]).unwrap();
        for half in [public, private] {
            let asked = token.get_attribute_info(half, &[kind(IMPORT_ONLY)]).unwrap();
            assert!(matches!(asked[..], [AttributeInfo::TypeInvalid]), "{asked:?}");
        }
    });
}

fn only_unwraps(token: &Token, private: ObjectHandle) {
    for (flag, expected) in [
        (AttributeType::Unwrap, true),
        (AttributeType::Decrypt, false),
        (AttributeType::Sign, false),
        (AttributeType::Derive, false),
        (AttributeType::Sensitive, true),
        (AttributeType::Extractable, false),
        (AttributeType::Private, true),
        (AttributeType::Modifiable, false),
        (AttributeType::Copyable, false),
    ] {
        assert_eq!(token.flag(private, flag), expected, "{flag:?}");
    }
    let blob = [1; 256];
    for mechanism in [Mechanism::RsaPkcs, Mechanism::RsaX509, oaep_sha256()] {
        let opened = token.decrypt(&mechanism, private, &blob);
        refused(opened, RvError::KeyFunctionNotPermitted);
    }
    let signed = token.sign(&Mechanism::RsaX509, private, &blob);
    refused(signed, RvError::KeyFunctionNotPermitted);
    for changed in [
        Attribute::Decrypt(true),
        Attribute::Label(b"another".to_vec()),
        Attribute::Extractable(false),
    ] {
        let changed = [changed];
        refused(token.update_attributes(private, &changed), RvError::ActionProhibited);
        refused(token.copy_object(private, &changed), RvError::ActionProhibited);
    }
    refused(token.copy_object(private, &[]), RvError::ActionProhibited);
    let by = token.generate_aes(&[Attribute::Wrap(true)]);
    let away = token.wrap_key(&Mechanism::AesKeyWrapPad, by, private);
    refused(away, RvError::KeyUnextractable);
    assert_eq!(token.get_attributes(private, &[AttributeType::PrivateExponent]).unwrap(), []);
}

#[test]
fn what_contradicts_an_import_key_is_refused_beside_its_mark() {
    play(|world| {
        let token = world.token();
        let vendor = |number, value| Attribute::VendorDefined((kind(number), vec![value]));
        for contradiction in [
            Attribute::Decrypt(true),
            Attribute::Sign(true),
            Attribute::SignRecover(true),
            Attribute::Derive(true),
            Attribute::Unwrap(false),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::Private(false),
            Attribute::Modifiable(true),
            Attribute::Copyable(true),
            Attribute::AlwaysAuthenticate(true),
            vendor(CUSTODY, 1),
            vendor(IMPORT_ONLY, 0),
        ] {
            let made = pair(&token, &[import_only()], std::slice::from_ref(&contradiction));
            refused(made, RvError::TemplateInconsistent);
        }
        let public = [Attribute::EcParams(P256.to_vec()), import_only()];
        let ec = token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &[]);
        refused(ec, RvError::TemplateInconsistent);
    });
}

#[test]
fn no_key_gets_the_mark_but_where_its_pair_is_generated() {
    play(|world| {
        let token = world.token();
        let marked = [import_only()];
        let length = [Attribute::ValueLen(32.into()), import_only()];
        let secret = token.generate_key(&Mechanism::AesKeyGen, &length);
        refused(secret, RvError::AttributeTypeInvalid);
        let (public, private) = pair(&token, &[], &[]).unwrap();
        for half in [public, private] {
            refused(token.update_attributes(half, &marked), RvError::AttributeTypeInvalid);
            refused(token.copy_object(half, &marked), RvError::AttributeReadOnly);
        }
        let numbers = [AttributeType::Modulus, AttributeType::PublicExponent];
        let numbers = token.get_attributes(public, &numbers).unwrap();
        let class = Attribute::Class(ObjectClass::PUBLIC_KEY);
        let created = [&[class, Attribute::KeyType(KeyType::RSA)], &numbers[..], &marked].concat();
        refused(token.create_object(&created), RvError::AttributeReadOnly);
        let template =
            [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(KeyType::RSA)];
        let unwrapped =
            Courier::new(&token).import(&token, &MATERIAL, &[&template[..], &marked].concat());
        refused(unwrapped, RvError::AttributeReadOnly);
    });
}

// --- what it unwraps ---

#[test]
fn what_an_import_key_unwraps_is_hidden_whatever_the_template_says() {
    play(|world| {
        let token = world.token();
        let owner = Owner::of_import_key(&token);
        let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        for (number, said) in [&open[..], &open[..1], &open[1..], &[]].iter().enumerate() {
            let id = token.empty_key(&[]);
            let material = [number as u8 + 1; 32];
            let template = [&aes_material()[..], &[for_key(&id)], said].concat();
            let key = owner.import(&token, &material, &template).unwrap();
            assert_eq!(token.key_of(key), id);
            stays(&token, key);
            // The same material, brought again while it is there and after it was deleted.
            assert_eq!(owner.import(&token, &material, &template).unwrap(), key);
            stays(&token, key);
            token.destroy_object(key).unwrap();
            stays(&token, owner.import(&token, &material, &template).unwrap());
        }
    });
}

#[test]
fn material_that_could_be_read_is_hidden_when_an_import_key_brings_it_again() {
    play(|world| {
        let token = world.token();
        let owner = Owner::of_import_key(&token);
        let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let template = [&aes_material()[..], &open].concat();
        let key = Courier::new(&token).import(&token, &MATERIAL, &template).unwrap();
        assert_eq!(token.bytes(key, AttributeType::Value), MATERIAL);
        let named = [&template[..], &[for_key(&token.key_of(key))]].concat();
        assert_eq!(owner.import(&token, &MATERIAL, &named).unwrap(), key);
        stays(&token, key);
    });
}

/// Cannot be read, does not leave, and will not.
fn stays(token: &Token, key: ObjectHandle) {
    assert!(hides_its_value(token, key));
    assert!(token.flag(key, AttributeType::Sensitive));
    for lower in [Attribute::Sensitive(false), Attribute::Extractable(true)] {
        refused(token.update_attributes(key, &[lower]), RvError::AttributeReadOnly);
    }
    let by = token.generate_aes(&[Attribute::Wrap(true)]);
    refused(token.wrap_key(&Mechanism::AesKeyWrap, by, key), RvError::KeyUnextractable);
    refused(token.copy_object(key, &[Attribute::Token(false)]), RvError::ActionProhibited);
}

/// Each way to the material that PIN and wrapped file together may open.
#[test]
fn an_import_key_makes_no_session_key_and_no_ordinary_one() {
    play(|world| {
        let token = world.token();
        let owner = Owner::of_import_key(&token);
        let id = token.empty_key(&[]);
        let [class, key_type, _] = aes_material();
        let aes = [class, key_type];
        let file = owner.oaep(&MATERIAL);
        let before = token.json(&id);
        for template in [
            vec![],
            vec![Attribute::Token(false)],
            vec![Attribute::Token(false), Attribute::Sensitive(true)],
            vec![Attribute::Token(false), for_key(&id)],
            vec![Attribute::Token(false), for_key(&id), Attribute::Decrypt(true)],
            vec![
                Attribute::Token(false),
                Attribute::Sensitive(false),
                Attribute::Extractable(true),
            ],
            vec![Attribute::Token(true), without_custody()],
            vec![Attribute::Token(true), without_custody(), expires_at(world::now() + 9)],
        ] {
            let template = [&aes[..], &template].concat();
            let made = token.unwrap_key(&oaep_sha256(), owner.private, &file, &template);
            refused(made, RvError::TemplateInconsistent);
            let made = owner.import(&token, &MATERIAL, &template);
            refused(made, RvError::TemplateInconsistent);
        }
        assert_eq!(token.json(&id), before);
        let refusals = world.keystead(&["audit", "--json"]);
        let refusals = String::from_utf8(refusals.stdout).unwrap();
        let told = refusals.matches("an import key only takes in material of custom keys");
        assert_eq!(told.count(), 16, "{refusals}");
    });
}

#[test]
fn on_a_token_without_custody_an_import_key_imports_only_what_asks_for_it() {
    play(|world| {
        world.configure("custody = false");
        let token = world.token();
        let owner = Owner::of_import_key(&token);
        let made = owner.import(&token, &MATERIAL, &aes_material());
        refused(made, RvError::TemplateInconsistent);
        let custody = Attribute::VendorDefined((kind(CUSTODY), vec![1]));
        let asked = [&aes_material()[..], &[custody]].concat();
        stays(&token, owner.import(&token, &MATERIAL, &asked).unwrap());
    });
}

/// The standard's two calls: the transport key by OAEP, then the material with it.
#[test]
fn a_transfer_in_two_parts_does_not_open_in_two_calls() {
    play(|world| {
        let token = world.token();
        let owner = Owner::of_import_key(&token);
        let (transport, carried) = owner.parts(&MATERIAL);
        let unwraps = [&aes_material()[..], &[Attribute::Unwrap(true)]].concat();
        let first = |template: &[Attribute]| {
            token.unwrap_key(&oaep_sha256(), owner.private, &transport, template)
        };
        let decrypts = [&aes_material()[..], &[Attribute::Decrypt(true)]].concat();
        for template in [&unwraps[..], &decrypts, &aes_material()] {
            refused(first(template), RvError::TemplateInconsistent);
        }
        let encrypts = [&aes_material()[..], &[Attribute::Encrypt(true)]].concat();
        let key = first(&encrypts).unwrap();
        let readable = [Attribute::Token(false), Attribute::Sensitive(false)];
        let [class, key_type, _] = aes_material();
        let readable = [&[class, key_type][..], &readable].concat();
        let second = token.unwrap_key(&Mechanism::AesKeyWrapPad, key, &carried, &readable);
        refused(second, RvError::KeyFunctionNotPermitted);
        let block = token.decrypt(&Mechanism::AesEcb, key, &carried[..16]);
        refused(block, RvError::KeyFunctionNotPermitted);
        for usage in [Attribute::Unwrap(true), Attribute::Decrypt(true)] {
            let more = [usage];
            refused(token.update_attributes(key, &more), RvError::AttributeReadOnly);
            let again = [&aes_material()[..], &more, &[for_key(&token.key_of(key))]].concat();
            refused(first(&again), RvError::TemplateInconsistent);
        }
        let again = [&decrypts[..], &[for_key(&token.key_of(key))]].concat();
        token.destroy_object(key).unwrap();
        refused(first(&again), RvError::TemplateInconsistent);

        let whole = [&transport[..], &carried].concat();
        let opened = with_rsa_aes(|by| {
            token.unwrap_key(by, owner.private, &whole, &aes_material()).unwrap()
        });
        stays(&token, opened);
        assert!(token.flag(opened, AttributeType::Unwrap), "what came as a whole may");

        // Another key that unwraps does what the standard says.
        let other = Owner::of(&token, &[Attribute::Unwrap(true), without_custody()]);
        let (transport, carried) = other.parts(&[6; 32]);
        let [class, key_type, _] = aes_material();
        let carrier = |usage| {
            let template = [class.clone(), key_type.clone(), usage];
            token.unwrap_key(&oaep_sha256(), other.private, &transport, &template).unwrap()
        };
        let opened = unwrapped_by_hand(&token, carrier(Attribute::Decrypt(true)), &carried);
        assert_eq!(opened, [6; 32], "the attack is a real one");
        let by = carrier(Attribute::Unwrap(true));
        token.unwrap_key(&Mechanism::AesKeyWrapPad, by, &carried, &aes_material()).unwrap();
    });
}

/// A pair that takes one form opens no part of the other.
#[test]
fn an_import_key_confined_to_whole_transfers_opens_no_part_of_one() {
    play(|world| {
        let token = world.token();
        let whole = Attribute::AllowedMechanisms(vec![mechanism_type(0x1054)]);
        let owner = Owner::of(&token, &[import_only(), whole]);
        let (transport, carried) = owner.parts(&MATERIAL);
        for mechanism in [oaep_sha256(), oaep_sha1(), Mechanism::RsaPkcs] {
            let part = token.unwrap_key(&mechanism, owner.private, &transport, &aes_material());
            refused(part, RvError::MechanismInvalid);
        }
        let file = [transport, carried].concat();
        let opened =
            with_rsa_aes(|by| token.unwrap_key(by, owner.private, &file, &aes_material()).unwrap());
        stays(&token, opened);
        let alone = Attribute::AllowedMechanisms(vec![MechanismType::RSA_PKCS_OAEP]);
        let owner = Owner::of(&token, &[import_only(), alone]);
        let unwraps = [&aes_material()[..], &[Attribute::Unwrap(true)]].concat();
        let key = token.unwrap_key(&oaep_sha256(), owner.private, &owner.oaep(&[9; 32]), &unwraps);
        assert!(token.flag(key.unwrap(), AttributeType::Unwrap));
    });
}

#[test]
fn an_import_key_tells_no_paddings_apart() {
    play(|world| {
        world.configure("pkcs1_unwrap = true");
        let token = world.token();
        let owner = Owner::of_import_key(&token);
        let blob = token.encrypt(&Mechanism::RsaPkcs, owner.public, &MATERIAL).unwrap();
        let opened = token.unwrap_key(&Mechanism::RsaPkcs, owner.private, &blob, &aes_material());
        refused(opened, RvError::KeyFunctionNotPermitted);
    });
}

#[test]
fn an_import_keys_own_template_adds_to_what_it_asks_for() {
    const UNWRAP_TEMPLATE: u64 = 0x4000_0212;
    play(|world| {
        let token = world.token();
        let no_decrypting = template_with(UNWRAP_TEMPLATE, &[(0x105, &[0]), (0x103, &[1])]);
        let owner = Owner::of(&token, &[import_only(), no_decrypting]);
        let readable = [&aes_material()[..], &[Attribute::Sensitive(false)]].concat();
        let key = owner.import(&token, &MATERIAL, &readable).unwrap();
        stays(&token, key);
        assert!(!token.flag(key, AttributeType::Decrypt));
        let lowers = template_with(UNWRAP_TEMPLATE, &[(0x103, &[0])]);
        let owner = Owner::of(&token, &[import_only(), lowers]);
        let made = owner.import(&token, &[5; 32], &aes_material());
        refused(made, RvError::TemplateInconsistent);
    });
}

// --- comparing ---

#[test]
fn what_compares_under_an_import_key_can_do_nothing() {
    play(|world| {
        let token = world.token();
        let owner = Owner::of_import_key(&token);
        let id = token.key_of(owner.import(&token, &MATERIAL, &aes_material()).unwrap());
        let compare = |material: &[u8], more: &[Attribute]| {
            let [class, key_type, _] = aes_material();
            let template = [&[class, key_type, Attribute::Token(false)], &nothing()[..], more];
            owner.import(&token, material, &template.concat())
        };
        let named = [for_key(&id)];
        refused(compare(&MATERIAL, &[]), RvError::TemplateInconsistent);
        refused(compare(&[1; 32], &named), RvError::TemplateInconsistent);
        let key = compare(&MATERIAL, &named).unwrap();
        assert!(hides_its_value(&token, key));
        refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
        token.digest_init(&Mechanism::Sha256).unwrap();
        refused(token.digest_key(key), RvError::KeyIndigestible);
        let more = [Attribute::Decrypt(true)];
        refused(token.update_attributes(key, &more), RvError::ActionProhibited);
        refused(token.copy_object(key, &[]), RvError::ActionProhibited);
        refused(token.copy_object(key, &[Attribute::Token(true)]), RvError::ActionProhibited);
    });
}

/// Every usage of an AES key, said to be none.
fn nothing() -> [Attribute; 7] {
    [
        Attribute::Encrypt(false),
        Attribute::Decrypt(false),
        Attribute::Sign(false),
        Attribute::Verify(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
    ]
}

// --- logins ---

#[test]
fn only_the_user_makes_and_uses_an_import_key() {
    play(|world| {
        let token = world.token();
        let owner = Owner::of_import_key(&token);
        token.logout().unwrap();
        refused(pair(&token, &[], &[import_only()]), RvError::UserNotLoggedIn);
        let used = owner.import(&token, &MATERIAL, &aes_material());
        refused(used, RvError::UnwrappingKeyHandleInvalid);
        token.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
        refused(pair(&token, &[], &[import_only()]), RvError::UserNotLoggedIn);
        token.logout().unwrap();
        token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
        pair(&token, &[], &[import_only()]).unwrap();
    });
}

fn pair(
    token: &Token,
    public: &[Attribute],
    private: &[Attribute],
) -> Result<(ObjectHandle, ObjectHandle)> {
    let size = [Attribute::ModulusBits(2048.into())];
    let public = [&size[..], public].concat();
    token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, private)
}

fn hides_its_value(token: &Token, key: ObjectHandle) -> bool {
    let info = token.get_attribute_info(key, &[AttributeType::Value]).unwrap();
    matches!(info[..], [AttributeInfo::Sensitive])
}
