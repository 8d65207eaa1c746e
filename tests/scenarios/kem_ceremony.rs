//! The ceremony by ML-KEM, by the calls of PKCS#11 3.2 alone: a transport key is decapsulated under an import
//! key, and unwraps the material. Each way to get more out of it is refused, and changes nothing.

use crate::rig::token::{Token, aes_material};
use crate::rig::{
    EXPIRES_AT, expires_at, for_key, import_only, mechanism_type, play, refused, world,
};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeType, KeyType, MlKemParameterSetType, ObjectClass, ObjectHandle,
};
use keystead::internal::lc::lattice::PublicKey;
use keystead::internal::lc::ml_kem;
use pkcs11_sys::CKM_AES_KEY_WRAP_KWP;

const MATERIAL: [u8; 32] = *b"the salaries of all the company.";

/// The owner of material, with the two files of a transfer.
struct Transfer {
    private: ObjectHandle,
    ciphertext: Vec<u8>,
    wrapped: Vec<u8>,
}

impl Transfer {
    fn new(token: &Token, both: &[Attribute]) -> Self {
        let set = MlKemParameterSetType::ML_KEM_768;
        let public = [&[Attribute::ParameterSet(set.into())], both].concat();
        let private = [&[import_only()], both].concat();
        let made = token.generate_key_pair(&Mechanism::MlKemKeyPairGen, &public, &private);
        let (public, private) = made.unwrap();
        let public = token.bytes(public, AttributeType::PublicKeyInfo);
        let (ciphertext, shared) =
            ml_kem::encapsulate(&PublicKey::from_spki(&public).unwrap()).unwrap();
        let kek = AesKek::new(&AES_256, shared.expose()).unwrap();
        let mut room = vec![0; MATERIAL.len() + 15];
        let wrapped = kek.wrap_with_padding(&MATERIAL, &mut room).unwrap().to_vec();
        Self { private, ciphertext, wrapped }
    }

    fn transport(&self, token: &Token, more: &[Attribute]) -> Result<ObjectHandle> {
        let aes = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
        let template = [&aes[..], more].concat();
        token.decapsulate_key(&Mechanism::MlKem, self.private, &template, &self.ciphertext)
    }

    fn import(&self, token: &Token, by: ObjectHandle, more: &[Attribute]) -> Result<ObjectHandle> {
        let template = [&aes_material()[..], more].concat();
        token.unwrap_key(&kwp(), by, &self.wrapped, &template)
    }
}

fn kwp() -> Mechanism<'static> {
    let number = mechanism_type(CKM_AES_KEY_WRAP_KWP);
    Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(number, None))
}

#[test]
fn two_standard_calls_import_what_two_files_hold() {
    play(|world| {
        let token = world.token();
        let transfer = Transfer::new(&token, &[]);
        let id = token.empty_key(&[]);
        for more in [&[][..], &[Attribute::Unwrap(true), Attribute::ValueLen(32.into())]] {
            let transport = transfer.transport(&token, more).unwrap();
            let key = transfer.import(&token, transport, &[for_key(&id)]).unwrap();
            assert_eq!(token.key_of(key), id);
            assert!(token.flag(key, AttributeType::Sensitive));
            assert!(!token.flag(key, AttributeType::Extractable));
            token.encrypt_block(key).unwrap();
            token.destroy_object(transport).unwrap();
        }
    });
}

#[test]
fn a_transport_key_that_was_to_do_more_is_not_made_and_the_log_says_so() {
    play(|world| {
        let token = world.token();
        let transfer = Transfer::new(&token, &[]);
        let asked = [
            Attribute::Token(true),
            Attribute::Encrypt(true),
            Attribute::Wrap(true),
            Attribute::Unwrap(false),
            Attribute::Copyable(true),
            Attribute::AllowedMechanisms(vec![MechanismType::AES_KEY_WRAP]),
            Attribute::ValueLen(16.into()),
        ];
        for more in &asked {
            let made = transfer.transport(&token, std::slice::from_ref(more));
            refused(made, RvError::TemplateInconsistent);
        }
        let secret = [Attribute::Class(ObjectClass::SECRET_KEY)];
        assert_eq!(token.find_objects(&secret).unwrap(), []);
        let log = world.keystead(&["audit", "--json"]).stdout;
        let log = String::from_utf8(log).unwrap();
        let told = log.matches("an import key only takes in material of custom keys").count();
        assert_eq!(told, asked.len(), "{log}");
    });
}

#[test]
fn a_transport_key_does_nothing_but_unwrap_by_kwp() {
    play(|world| {
        let token = world.token();
        let transfer = Transfer::new(&token, &[]);
        // A program that asks for a key that can be read has one that cannot.
        let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let by = transfer.transport(&token, &open).unwrap();
        assert_eq!(token.get_attributes(by, &[AttributeType::Value]).unwrap(), []);
        for other in
            [Mechanism::AesKeyWrap, Mechanism::AesKeyWrapPad, Mechanism::AesCbcPad([0; 16])]
        {
            let made = token.unwrap_key(&other, by, &transfer.wrapped, &aes_material());
            refused(made, RvError::MechanismInvalid);
        }
        let block = token.decrypt(&Mechanism::AesEcb, by, &transfer.wrapped[..16]);
        refused(block, RvError::KeyFunctionNotPermitted);
        let outer = token.generate_aes(&[Attribute::Wrap(true)]);
        refused(token.wrap_key(&Mechanism::AesKeyWrap, outer, by), RvError::KeyUnextractable);
        let away = token.wrap_key(&kwp(), by, outer);
        refused(away, RvError::KeyFunctionNotPermitted);
        refused(token.copy_object(by, &[]), RvError::ActionProhibited);
        transfer.import(&token, by, &[]).unwrap();
    });
}

#[test]
fn a_damaged_file_imports_nothing_and_changes_nothing() {
    play(|world| {
        let token = world.token();
        let mut transfer = Transfer::new(&token, &[]);
        let id = token.empty_key(&[]);
        let before = token.json(&id);
        for at in [0, transfer.ciphertext.len() - 1] {
            transfer.ciphertext[at] ^= 1;
            let by = transfer.transport(&token, &[]).unwrap();
            let imported = transfer.import(&token, by, &[for_key(&id)]);
            refused(imported, RvError::WrappedKeyInvalid);
            transfer.ciphertext[at] ^= 1;
        }
        let by = transfer.transport(&token, &[]).unwrap();
        transfer.wrapped[9] ^= 1;
        let imported = transfer.import(&token, by, &[for_key(&id)]);
        refused(imported, RvError::WrappedKeyInvalid);
        transfer.wrapped[9] ^= 1;
        let whole = transfer.ciphertext.clone();
        for wrong in [&whole[1..], &[], &[&whole[..], &[0]].concat()] {
            transfer.ciphertext = wrong.to_vec();
            refused(transfer.transport(&token, &[]), RvError::WrappedKeyLenRange);
        }
        assert_eq!(token.json(&id), before);
        assert_eq!(token.material(&id), None);
        transfer.import(&token, by, &[for_key(&id)]).unwrap();
    });
}

#[test]
fn a_transport_key_ends_when_its_import_key_does() {
    play(|world| {
        let token = world.token();
        let ends = world::now() + 5;
        let transfer = Transfer::new(&token, &[expires_at(ends)]);
        let by = transfer.transport(&token, &[expires_at(ends + 1000)]).unwrap();
        assert_eq!(token.number(by, EXPIRES_AT), ends);
        let sooner = transfer.transport(&token, &[expires_at(ends - 1)]).unwrap();
        assert_eq!(token.number(sooner, EXPIRES_AT), ends - 1);
        world::until(ends);
        let late = transfer.import(&token, by, &[]);
        refused(late, RvError::UnwrappingKeyHandleInvalid);
        let late = transfer.transport(&token, &[]);
        refused(late, RvError::UnwrappingKeyHandleInvalid);
    });
}

/// A pair that is destroyed decapsulates nothing more; what it has decapsulated is the session's own.
#[test]
fn a_transport_key_outlives_its_pair_as_long_as_its_session() {
    play(|world| {
        let token = world.token();
        let transfer = Transfer::new(&token, &[]);
        let by = transfer.transport(&token, &[]).unwrap();
        token.destroy_object(transfer.private).unwrap();
        refused(transfer.transport(&token, &[]), RvError::UnwrappingKeyHandleInvalid);
        transfer.import(&token, by, &[]).unwrap();
    });
}
