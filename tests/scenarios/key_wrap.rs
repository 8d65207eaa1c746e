//! AES key wrap of keys whose length is no multiple of 8: with zeros behind them (PKCS#11 2.40, 2.14.3),
//! as SoftHSM does it, and with an initial value of the caller's.

use crate::rig::vendor::mechanism_type;
use crate::rig::{Token, World, play, refused, skip, template_of, unhex};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use pkcs11_sys::{CKA_SENSITIVE, CKA_WRAP_TEMPLATE, CKM_AES_KEY_WRAP_KWP};

const KW: Mechanism<'static> = Mechanism::AesKeyWrap;

/// Wrapped by SoftHSM 2.6.1 under [`kek`]: secrets of bytes that count up from 0x40, by their lengths.
const SECRETS: [(u64, &str); 5] = [
    (9, "019a739bee1493e1b834a0bb034a972a81b9ee7e61fc9597"),
    (12, "0403b401631fff76a3e2432630fb94f9f9b13a5ded62cfe7"),
    (15, "d3ac03a83e99e080d493c824085977bd71c18c7273711e8f"),
    (18, "fc2245019f67dc4d954eea30df6d0d935391db84660a125b246605196c9ac1e1"),
    (21, "95aaa9d97ef2e635580f209d4ce296fd47563f6566511ae7e73511de0fa5e381"),
];

/// The same of EC keys on P-256 and P-384, whose PKCS#8 has 67 and 80 bytes, and their points.
const PRIVATE: [(&str, &str); 2] = [
    (
        "4d250e12df1c2ac1dd81121700cbe7373b3cc3569eadd64cc7d1dbadb2335e0cd06265f9a4b86630b78108084659c249\
         e6550c5a9d0bb18f4916504dbf1a6ee821253b63d62d9056092cdef83cdf8dc0",
        "04410484d89b08f6e03039a18f31c596b464090abd932c0fc62c950e78363d71010b00d5e706d1368bf27894ab1f102f\
         d920a191ac03059df6ddc605717cf3ed828ba5",
    ),
    (
        "1272454beab44d35b8b9fa9e02a5f3f1b2ee5ced63751928e8608bad42047a83889f27c8692088022726e21147a64477\
         b7257da5ad8e117b6666270cd1306a776a4ddd3dd3c171d874c6701f4b6e46c30324b425803a6426",
        "046104ed4c7ee5aa33f99c3cfb74efda009de1f567c1ac4c17d06c444f66e59e8ff52175eca24d6f4376f29ddbeeddeb\
         4820afe2cb1c5294f0839e813efd2d62352308ec7636ce2d330044eb3177559dc35192f07c96d39680f012d090304ead\
         90f9bf",
    ),
];

#[test]
fn a_private_key_that_softhsm_has_wrapped_opens_and_leaves_in_the_same_way() {
    play(|world| {
        let token = world.token();
        let by = kek(&token, &[]);
        for (blob, point) in PRIVATE {
            let key = token.unwrap_key(&KW, by, &unhex(blob), &private_key()).unwrap();
            assert_eq!(one(&token, key, AttributeType::EcPoint), unhex(point));
            let again = token.wrap_key(&KW, by, key).unwrap();
            let key = token.unwrap_key(&KW, by, &again, &private_key()).unwrap();
            assert_eq!(one(&token, key, AttributeType::EcPoint), unhex(point));
        }
        let hidden = [secret(), vec![Attribute::ValueLen(67.into())]].concat();
        for template in [secret(), hidden] {
            let (blob, _) = PRIVATE[0];
            let opened = token.unwrap_key(&KW, by, &unhex(blob), &template);
            refused(opened, RvError::WrappedKeyInvalid);
        }
    });
}

#[test]
fn a_secret_that_softhsm_has_wrapped_comes_back_as_long_as_it_was_or_not_at_all() {
    play(|world| {
        let token = world.token();
        let by = kek(&token, &[]);
        for (length, blob) in SECRETS {
            let open = |length: u64| opened(&token, by, blob, Some(length));
            let key = open(length).unwrap();
            assert_eq!(one(&token, key, AttributeType::Value), counting(length));
            assert_eq!(token.wrap_key(&KW, by, key).unwrap(), unhex(blob), "{length} bytes");
            let shorter = match length % 8 {
                1 => RvError::WrappedKeyLenRange,
                _ => RvError::WrappedKeyInvalid,
            };
            refused(open(length - 1), shorter);
            refused(open(length + 8), RvError::WrappedKeyLenRange);
            refused(opened(&token, by, blob, None), RvError::TemplateIncomplete);
        }
        let whole = token.create_object(&value(&counting(24))).unwrap();
        let wrapped = token.wrap_key(&KW, by, whole).unwrap();
        let again = token.unwrap_key(&KW, by, &wrapped, &secret()).unwrap();
        assert_eq!(one(&token, again, AttributeType::Value), counting(24));
        let short = token.create_object(&value(&counting(8))).unwrap();
        refused(token.wrap_key(&KW, by, short), RvError::KeySizeRange);
    });
}

#[test]
fn a_key_with_a_template_pads_no_secret() {
    play(|world| {
        let token = world.token();
        let bound = kek(&token, &[template_of(CKA_WRAP_TEMPLATE, CKA_SENSITIVE, &[0])]);
        let key = token.create_object(&value(&counting(20))).unwrap();
        refused(token.wrap_key(&KW, bound, key), RvError::KeySizeRange);
        let (length, blob) = SECRETS[4];
        refused(opened(&token, bound, blob, Some(length)), RvError::TemplateInconsistent);
        refused(wrapped_with(&token, bound, key, [1, 2, 3, 4]), RvError::MechanismParamInvalid);
    });
}

#[test]
fn padding_goes_with_an_initial_value_of_the_callers_but_for_that_of_the_other_kind() {
    play(|world| {
        let token = world.token();
        let by = kek(&token, &[]);
        for length in [1, 8, 9, 20, 32] {
            let key = token.create_object(&value(&counting(length))).unwrap();
            let wrapped = wrapped_with(&token, by, key, [1, 2, 3, 4]).unwrap();
            let open = |first| token.unwrap_key(&kwp(&first), by, &wrapped, &secret());
            let again = open([1, 2, 3, 4]).unwrap();
            assert_eq!(one(&token, again, AttributeType::Value), counting(length));
            refused(open([1, 2, 3, 5]), RvError::WrappedKeyInvalid);
            refused(open([0xA6, 0x59, 0x59, 0xA6]), RvError::WrappedKeyInvalid);
            refused(open([0xA6; 4]), RvError::MechanismParamInvalid);
            refused(wrapped_with(&token, by, key, [0xA6; 4]), RvError::MechanismParamInvalid);
            let standard = wrapped_with(&token, by, key, [0xA6, 0x59, 0x59, 0xA6]).unwrap();
            assert_eq!(standard, token.wrap_key(&Mechanism::AesKeyWrapPad, by, key).unwrap());
        }
        let key = token.create_object(&value(&counting(20))).unwrap();
        let long = kwp(&[1, 2, 3, 4, 5, 6, 7, 8]);
        refused(token.wrap_key(&long, by, key), RvError::MechanismParamInvalid);
    });
}

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

#[test]
fn softhsm_opens_a_private_key_that_was_padded_here() {
    play(|world| match world.role() {
        "softhsm" => {
            let (module, blob) = (Pkcs11::new(SOFTHSM).unwrap(), unhex(&world.hear()));
            let other = peer(&module);
            let key = other.unwrap_key(&KW, kek(&other, &[]), &blob, &private_key()).unwrap();
            let value = one(&other, key, AttributeType::Value);
            world.tell(if value == unhex(&world.hear()) { "the same" } else { "another" });
        }
        _ => {
            if !skip::has_all("softhsm_opens_a_private_key_that_was_padded_here", &[SOFTHSM]) {
                return;
            }
            let token = world.token();
            let by = kek(&token, &[]);
            let key = token.unwrap_key(&KW, by, &unhex(PRIVATE[0].0), &private_key()).unwrap();
            let mut other = world.start_with("softhsm", &[("SOFTHSM2_CONF", &configured(world))]);
            other.tell(&hex(&token.wrap_key(&KW, by, key).unwrap()));
            other.tell(&hex(&one(&token, key, AttributeType::Value)));
            other.says("the same");
            other.ends_well();
        }
    });
}

// --- what the scenarios are made of ---

/// A session key that wraps, known outside too.
fn kek(session: &Session, more: &[Attribute]) -> ObjectHandle {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(false),
        Attribute::Value((0..32).collect()),
        Attribute::Wrap(true),
        Attribute::Unwrap(true),
    ];
    session.create_object(&[&template, more].concat()).unwrap()
}

fn private_key() -> [Attribute; 5] {
    [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC),
        Attribute::Token(false),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ]
}

fn secret() -> Vec<Attribute> {
    let [_, _, token, sensitive, extractable] = private_key();
    let class = Attribute::Class(ObjectClass::SECRET_KEY);
    vec![class, Attribute::KeyType(KeyType::GENERIC_SECRET), token, sensitive, extractable]
}

fn value(bytes: &[u8]) -> Vec<Attribute> {
    [secret(), vec![Attribute::Value(bytes.to_vec())]].concat()
}

fn counting(length: u64) -> Vec<u8> {
    (0x40..).take(usize::try_from(length).unwrap()).collect()
}

fn opened(
    token: &Token,
    by: ObjectHandle,
    blob: &str,
    length: Option<u64>,
) -> Result<ObjectHandle> {
    let length = length.map(|length| Attribute::ValueLen(length.into()));
    let template: Vec<Attribute> = secret().into_iter().chain(length).collect();
    token.unwrap_key(&KW, by, &unhex(blob), &template)
}

fn kwp<const N: usize>(initial: &[u8; N]) -> Mechanism<'_> {
    let number = mechanism_type(CKM_AES_KEY_WRAP_KWP);
    Mechanism::VendorDefined(VendorDefinedMechanism::new(number, Some(initial)))
}

fn wrapped_with(
    token: &Token,
    by: ObjectHandle,
    key: ObjectHandle,
    first: [u8; 4],
) -> Result<Vec<u8>> {
    token.wrap_key(&kwp(&first), by, key)
}

fn one(session: &Session, object: ObjectHandle, kind: AttributeType) -> Vec<u8> {
    match session.get_attributes(object, &[kind]).unwrap().pop() {
        Some(Attribute::Value(bytes) | Attribute::EcPoint(bytes)) => bytes,
        other => panic!("{kind:?} reads {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A configuration of SoftHSM with a place for its tokens.
fn configured(world: &World) -> String {
    let (tokens, file) = (world.path("tokens"), world.path("softhsm.conf"));
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(&file, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A session of SoftHSM's, with a user logged in.
fn peer(module: &Pkcs11) -> Session {
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let (slot, pin) = (module.get_all_slots().unwrap()[0], AuthPin::new("12345678".into()));
    module.init_token(slot, &pin, "peer").unwrap();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&pin)).unwrap();
    session.init_pin(&pin).unwrap();
    session.logout().unwrap();
    session.login(UserType::User, Some(&pin)).unwrap();
    session
}
