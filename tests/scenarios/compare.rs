//! Comparing: a session key whose template names a custom key is only made of that key's material, and
//! nothing changes.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, pin};
use crate::rig::world::{World, now, until};
use crate::rig::wrap::{Courier, ImportKey, oaep_sha256};
use crate::rig::{DISABLED, STATUS, expires_at, for_key, number, play, refused, rotate};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use keystead::internal::wire::Link;

const RIGHT: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

#[test]
fn material_compares_with_a_key_that_is_present_disabled_or_has_lost_it() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let id = imported(&token, &courier, "payroll", &RIGHT, &[]);
        compares(world, &token, &id, &RIGHT);
        let disabled = number(STATUS, DISABLED);
        token.update_attributes(token.metadata(&id), &[disabled]).unwrap();
        compares(world, &token, &id, &RIGHT);
        token.destroy_object(token.material(&id).unwrap()).unwrap();
        compares(world, &token, &id, &RIGHT);
        let end = now() + 3;
        let brief = imported(&token, &courier, "brief", &[3; 32], &[expires_at(end)]);
        until(end);
        assert_eq!(token.json(&brief)["material"], "expired");
        // The agent erases meanwhile, so its counters may move.
        let before = token.json(&brief);
        compare(&token, &courier, &brief, &[3; 32]).unwrap();
        refused(compare(&token, &courier, &brief, &OTHER), RvError::TemplateInconsistent);
        assert_eq!(token.json(&brief), before);
    });
}

#[test]
fn every_way_to_bring_material_compares() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let id = imported(&token, &courier, "payroll", &RIGHT, &[]);
        let import_key = ImportKey::new(&token);
        let oaep = |material: &[u8]| {
            let wrapped = import_key.wrap(material);
            token.unwrap_key(&oaep_sha256(), import_key.private, &wrapped, &comparison(&id))
        };
        oaep(&RIGHT).unwrap();
        refused(oaep(&OTHER), RvError::TemplateInconsistent);
        let created = |material: &[u8]| {
            let value = [Attribute::Value(material.to_vec())];
            token.create_object(&[&comparison(&id)[..], &value].concat())
        };
        created(&RIGHT).unwrap();
        refused(created(&OTHER), RvError::TemplateInconsistent);
    });
}

#[test]
fn a_wrapping_that_authenticates_nothing_does_not_tell_what_differs() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let id = imported(&token, &courier, "payroll", &RIGHT, &[]);
        let may = [Attribute::Token(false), Attribute::Unwrap(true), Attribute::Encrypt(true)];
        let by = token.generate_aes(&may);
        let cbc = Mechanism::AesCbcPad([0; 16]);
        let unwrapped = |material: &[u8]| {
            let wrapped = token.encrypt(&cbc, by, material).unwrap();
            token.unwrap_key(&cbc, by, &wrapped, &comparison(&id))
        };
        unwrapped(&RIGHT).unwrap();
        refused(unwrapped(&OTHER), RvError::WrappedKeyInvalid);
    });
}

#[test]
fn what_has_no_association_cannot_be_compared_with() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let waiting = token.empty_key(&[]);
        refused(compare(&token, &courier, &waiting, &RIGHT), RvError::AttributeValueInvalid);
        let nobody = "00000000-0000-4000-8000-000000000000";
        refused(compare(&token, &courier, nobody, &RIGHT), RvError::AttributeValueInvalid);
        let made = token.key_of(token.generate_aes(&[Attribute::Token(true)]));
        refused(compare(&token, &courier, &made, &RIGHT), RvError::TemplateInconsistent);
        token.generate_key(&rotate(), &[for_key(&made)]).unwrap();
        refused(compare(&token, &courier, &made, &RIGHT), RvError::TemplateInconsistent);
        let id = imported(&token, &courier, "payroll", &RIGHT, &[]);
        let generic = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Token(false),
            for_key(&id),
        ];
        refused(courier.import(&token, &RIGHT, &generic), RvError::TemplateInconsistent);
    });
}

#[test]
fn only_the_user_compares() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let id = imported(&token, &courier, "payroll", &RIGHT, &[]);
        token.logout().unwrap();
        let created = || {
            let public = [Attribute::Private(false), Attribute::Value(RIGHT.to_vec())];
            token.create_object(&[&comparison(&id)[..], &public].concat())
        };
        refused(created(), RvError::UserNotLoggedIn);
        // Right and wrong guesses are the same to the officer, and so is a key that is not there.
        Session::login(&token, UserType::So, Some(&pin(SO_PIN))).unwrap();
        let nobody = "00000000-0000-4000-8000-000000000000";
        for (id, guess) in [(&id[..], RIGHT), (&id, OTHER), (nobody, RIGHT)] {
            let public = [Attribute::Private(false), Attribute::Value(guess.to_vec())];
            let compared = token.create_object(&[&comparison(id)[..], &public].concat());
            refused(compared, RvError::UserNotLoggedIn);
        }
        token.logout().unwrap();
        Session::login(&token, UserType::User, Some(&pin(USER_PIN))).unwrap();
        created().unwrap();
    });
}

/// Right and other material, and that neither changes anything that can be seen.
#[track_caller]
fn compares(world: &World, token: &Token, id: &str, right: &[u8]) {
    let courier = Courier::new(token);
    let before = seen(world, token, id);
    let same = compare(token, &courier, id, right).unwrap();
    assert!(!token.flag(same, AttributeType::Token));
    refused(compare(token, &courier, id, &OTHER), RvError::TemplateInconsistent);
    assert_eq!(seen(world, token, id), before);
}

/// The metadata, how many objects the token has, and how often the store has changed under which agent.
fn seen(world: &World, token: &Token, id: &str) -> (serde_json::Value, usize, [u64; 2]) {
    let objects = token.find_objects(&[Attribute::Token(true)]).unwrap().len();
    let page = Link::new(world.location()).page().unwrap();
    (token.json(id), objects, [page.identity(), page.changes()])
}

fn imported(
    token: &Token,
    courier: &Courier,
    alias: &str,
    material: &[u8],
    also: &[Attribute],
) -> String {
    let label = [Attribute::Label(alias.as_bytes().to_vec())];
    let template = [&aes_material()[..], &label, also].concat();
    token.key_of(courier.import(token, material, &template).unwrap())
}

fn compare(token: &Token, courier: &Courier, id: &str, material: &[u8]) -> Result<ObjectHandle> {
    courier.import(token, material, &comparison(id))
}

/// A session key of the material of that custom key.
fn comparison(id: &str) -> [Attribute; 4] {
    let [class, key_type, _] = aes_material();
    [class, key_type, Attribute::Token(false), for_key(id)]
}
