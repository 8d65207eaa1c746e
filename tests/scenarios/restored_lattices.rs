//! ML-KEM and ML-DSA keys that come back out of a backup: what was encapsulated before is opened after, what was
//! signed before verifies, and their material is known again.

use crate::backing_up::{back_up, restore};
use crate::rig::token::Token;
use crate::rig::wrap::import_padded;
use crate::rig::{World, for_key, kind, mechanism_type, play, refused, unhex};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::object::{
    Attribute, AttributeType, KeyType, MlKemParameterSetType, ObjectClass, ObjectHandle,
};
use keystead::internal::lc::lattice::{PrivateKey, PublicKey, Set};
use keystead::internal::lc::ml_kem;

const MESSAGE: &[u8] = b"what is signed";

/// The number of keys of each kind: generated ML-KEM pairs, generated ML-DSA pairs.
const SETS: usize = 3;

fn mechanism(number: u64) -> Mechanism<'static> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(mechanism_type(number), None))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn half(token: &Token, class: ObjectClass, id: &str) -> ObjectHandle {
    let found = token.find_objects(&[Attribute::Class(class), for_key(id)]).unwrap();
    assert_eq!(found.len(), 1, "{class:?} of {id}");
    found[0]
}

/// Imports a key from its PKCS#8.
fn import(
    token: &Token,
    key: &PrivateKey,
    of: &[Attribute],
) -> cryptoki::error::Result<ObjectHandle> {
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::ML_KEM),
        Attribute::Token(true),
    ];
    import_padded(token, key.to_pkcs8().unwrap().expose(), &[&template[..], of].concat())
}

/// An ML-KEM key of the one that plays on: its ID, a ciphertext and the secret in it.
fn encapsulated(token: &Token, private: ObjectHandle) -> [String; 3] {
    let id = token.key_of(private);
    let public = token.bytes(private, AttributeType::PublicKeyInfo);
    let public = PublicKey::from_spki(&public).unwrap();
    let (ciphertext, secret) = ml_kem::encapsulate(&public).unwrap();
    [id, hex(&ciphertext), hex(secret.expose())]
}

#[test]
fn keys_on_lattices_come_back_and_go_on() {
    play(|world| match world.role() {
        "restored" => restored(world),
        _ => {
            let token = world.token();
            let kems = generated_kems(&token);
            let signers = generated_signers(&token);
            // Its expanded form is imported, and its seed stays with its owner.
            let owners = PrivateKey::generate(Set::MlKem768).unwrap();
            let expanded = owners.expanded().unwrap();
            let expanded = PrivateKey::from_expanded(owners.set(), expanded.expose()).unwrap();
            let imported = import(&token, &expanded, &[]).unwrap();
            let imported = encapsulated(&token, imported);
            let file = back_up(world);
            let store = restore(world, &file);
            let mut other = world.start_with("restored", &[("KEYSTEAD_STORE", &store)]);
            kems.iter().chain([&imported]).flatten().for_each(|line| other.tell(line));
            other.tell(&hex(owners.seed().unwrap().expose()));
            signers.iter().flatten().for_each(|line| other.tell(line));
            other.ends_well();
        }
    });
}

fn generated_kems(token: &Token) -> [[String; 3]; SETS] {
    [
        MlKemParameterSetType::ML_KEM_512,
        MlKemParameterSetType::ML_KEM_768,
        MlKemParameterSetType::ML_KEM_1024,
    ]
    .map(|set| {
        let public = [Attribute::Token(true), Attribute::ParameterSet(set.into())];
        let private = [Attribute::Token(true)];
        let made = token.generate_key_pair(&Mechanism::MlKemKeyPairGen, &public, &private);
        encapsulated(token, made.unwrap().1)
    })
}

/// ML-DSA keys: their IDs and signatures.
fn generated_signers(token: &Token) -> [[String; 2]; SETS] {
    [1_u64, 2, 3].map(|set| {
        let set = Attribute::VendorDefined((kind(0x61D), set.to_ne_bytes().to_vec()));
        let on_token = Attribute::Token(true);
        let public = [on_token.clone(), set];
        let made = token.generate_key_pair(&mechanism(0x1C), &public, &[on_token]);
        let (_, private) = made.unwrap();
        let signature = token.sign(&mechanism(0x1D), private, MESSAGE).unwrap();
        [token.key_of(private), hex(&signature)]
    })
}

fn restored(world: &World) {
    let token = world.same_token();
    let kems = [(); SETS + 1].map(|()| [(); 3].map(|()| world.hear()));
    for [id, ciphertext, secret] in &kems {
        assert_eq!(&hex(&opened(&token, id, ciphertext)), secret, "{id}");
    }
    let [_, _, _, [imported, ciphertext, secret]] = &kems;
    let owners = PrivateKey::from_seed(Set::MlKem768, &unhex(&world.hear())).unwrap();
    token.destroy_object(half(&token, ObjectClass::PRIVATE_KEY, imported)).unwrap();
    let other = PrivateKey::generate(Set::MlKem768).unwrap();
    let target = [for_key(imported)];
    refused(import(&token, &other, &target), RvError::TemplateInconsistent);
    import(&token, &owners, &target).expect("the same material, by its seed");
    assert_eq!(&hex(&opened(&token, imported, ciphertext)), secret);

    for [id, signature] in [(); SETS].map(|()| [(); 2].map(|()| world.hear())) {
        let [public, private] = [ObjectClass::PUBLIC_KEY, ObjectClass::PRIVATE_KEY]
            .map(|class| half(&token, class, &id));
        let mut signature = unhex(&signature);
        token.verify(&mechanism(0x1D), public, MESSAGE, &signature).unwrap();
        let again = token.sign(&mechanism(0x1D), private, MESSAGE).unwrap();
        token.verify(&mechanism(0x1D), public, MESSAGE, &again).unwrap();
        signature[100] ^= 1;
        let damaged = token.verify(&mechanism(0x1D), public, MESSAGE, &signature);
        refused(damaged, RvError::SignatureInvalid);
    }
}

fn opened(token: &Token, id: &str, ciphertext: &str) -> Vec<u8> {
    let private = half(token, ObjectClass::PRIVATE_KEY, id);
    let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
    let made = token.decapsulate_key(&Mechanism::MlKem, private, &open, &unhex(ciphertext));
    token.bytes(made.unwrap(), AttributeType::Value)
}
