//! The import ceremony: what an import key can do and for how long, and imports of many keys that are
//! stopped and begun again.

use crate::rig::elsewhen::faketime;
use crate::rig::process::kill_9;
use crate::rig::token::{Token, USER_PIN};
use crate::rig::world::{World, eventually, now};
use crate::rig::{EXPIRES_AT, play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use keystead::internal::lc::lattice::{PrivateKey, Set};
use keystead::internal::lc::rsa;
use rustix::process::Pid;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn an_import_key_of_2048_bits_only_unwraps_and_ends_after_a_day() {
    play(|world| an_import_key_only_unwraps(world, 2048));
}

#[test]
fn an_import_key_of_3072_bits_only_unwraps_and_ends_after_a_day() {
    play(|world| an_import_key_only_unwraps(world, 3072));
}

#[test]
fn an_import_key_of_4096_bits_only_unwraps_and_ends_after_a_day() {
    play(|world| an_import_key_only_unwraps(world, 4096));
}

fn an_import_key_only_unwraps(world: &World, bits: u64) {
    if world.role() == "a day later" {
        let token = world.same_token();
        world.tell(&format!("{} objects", token.find_objects(&[label("mine")]).unwrap().len()));
        return;
    }
    let token = world.token();
    let (size, pem) = (bits.to_string(), world.path("mine.pem"));
    works(keystead(world, &["import-key", "--bits", &size, "--label", "mine", "-o", text(&pem)]));
    let private = half(&token, ObjectClass::PRIVATE_KEY);
    let blob = vec![1; usize::try_from(bits / 8).unwrap()];
    refused(token.decrypt(&Mechanism::RsaPkcs, private, &blob), RvError::KeyFunctionNotPermitted);
    refused(token.sign(&Mechanism::RsaPkcs, private, &[1; 32]), RvError::KeyFunctionNotPermitted);
    let by = token.generate_aes(&[Attribute::Token(false), Attribute::Wrap(true)]);
    let wrapped = token.wrap_key(&Mechanism::AesKeyWrapPad, by, private);
    refused(wrapped, RvError::KeyUnextractable);
    let secret = token.get_attributes(private, &[AttributeType::PrivateExponent]).unwrap();
    assert_eq!(secret, []);
    let raised = token.update_attributes(private, &[Attribute::Decrypt(true)]);
    refused(raised, RvError::ActionProhibited);
    let copied = token.copy_object(private, &[Attribute::Decrypt(true)]);
    refused(copied, RvError::ActionProhibited);
    assert!((now() + 86_000..=now() + 86_400).contains(&token.number(private, EXPIRES_AT)));

    fs::write(world.path("material"), [7; 32]).unwrap();
    let whole = world.path("whole.pem");
    let kind = ["--form", "rsa-aes", "--label", "whole", "-o", text(&whole)];
    works(keystead(world, &[&["import-key", "--bits", &size][..], &kind].concat()));
    for form in ["oaep-sha256", "oaep-sha1", "rsa-aes-sha256", "rsa-aes-sha1", "byok"] {
        let (from, to) = (world.path("material"), world.path(form));
        let (pem, with) = if form.starts_with("oaep") { (&pem, "mine") } else { (&whole, "whole") };
        works(keystead_bare(
            world,
            &["wrap", text(&from), "--for", text(pem), "--form", form, "-o", text(&to)],
        ));
        let new: &[&str] = if form == "oaep-sha256" { &["--new"] } else { &[] };
        let import = ["import", "payroll", text(&to), "--wrapped", form, "--with", with];
        works(keystead(world, &[&import[..], new].concat()));
    }

    let mut later = world.start_with("a day later", &faketime("+25h").borrowed());
    assert_eq!(later.hear(), "0 objects");
    later.ends_well();
    let to = world.path("byok");
    let mut late = command(world, &["import", "payroll", text(&to), "--with", "mine"]);
    let said = late.envs(faketime("+25h").borrowed()).output().unwrap();
    assert_eq!(said.status.code(), Some(6));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("there is no import key \"mine\""), "{said}");
}

#[test]
fn a_ceremony_by_ml_kem_takes_in_material_of_every_type_for_a_day() {
    play(|world| {
        if world.role() == "a day later" {
            let token = world.same_token();
            let found = token.find_objects(&[label("mine")]).unwrap().len();
            world.tell(&format!("{found} objects"));
            return;
        }
        let token = world.token();
        fs::write(world.path("AES"), [7; 32]).unwrap();
        let rsa = rsa::PrivateKey::generate(2048, &[1, 0, 1]).unwrap().to_pkcs8().unwrap();
        fs::write(world.path("RSA"), rsa.expose()).unwrap();
        let ml_kem = PrivateKey::generate(Set::MlKem1024).unwrap().to_pkcs8().unwrap();
        fs::write(world.path("ML-KEM-1024"), ml_kem.expose()).unwrap();
        let ml_dsa = PrivateKey::generate(Set::MlDsa87).unwrap().to_pkcs8().unwrap();
        fs::write(world.path("ML-DSA-87"), ml_dsa.expose()).unwrap();
        for (set, label) in
            [("ml-kem-512", "small"), ("ml-kem-768", "mine"), ("ml-kem-1024", "big")]
        {
            let pem = world.path(format!("{label}.pem"));
            let made = ["import-key", "--type", set, "--label", label, "-o", text(&pem)];
            assert!(works(keystead(world, &made)).contains(&set.to_uppercase()));
            for key_type in ["AES", "RSA", "ML-KEM-1024", "ML-DSA-87"] {
                let (from, to) = (world.path(key_type), world.path(format!("{key_type} {label}")));
                let whole = world.path(format!("{key_type} {label} whole"));
                let wrap = |form: &[&str], to: &Path| {
                    let wrap = [
                        "wrap",
                        text(&from),
                        "--for",
                        text(&pem),
                        "--type",
                        key_type,
                        "-o",
                        text(to),
                    ];
                    works(keystead_bare(world, &[&wrap[..], form].concat()));
                };
                wrap(&[], &to);
                wrap(&["--form", "ml-kem-joined"], &whole);
                let [sealed, carried] =
                    ["transport", "wrapped"].map(|part| format!("{}.{part}", text(&to)));
                let new: &[&str] =
                    if set == "ml-kem-512" { &["--new", "--type", key_type] } else { &[] };
                let import = ["import", key_type, &sealed, &carried, "--wrapped", "ml-kem"];
                works(keystead(world, &[&import[..], &["--with", label], new].concat()));
                let import = ["import", key_type, text(&whole), "--wrapped", "ml-kem-joined"];
                works(keystead(world, &[&import[..], &["--with", label]].concat()));
                let compare = ["import", key_type, &sealed, &carried, "--wrapped", "ml-kem"];
                works(keystead(world, &[&compare[..], &["--with", label, "--dry-run"]].concat()));
            }
        }
        let private = half(&token, ObjectClass::PRIVATE_KEY);
        assert!((now() + 86_000..=now() + 86_400).contains(&token.number(private, EXPIRES_AT)));
        let asks = token.get_attributes(private, &[AttributeType::AlwaysAuthenticate]).unwrap();
        assert_eq!(asks, [Attribute::AlwaysAuthenticate(false)]);
        let mut later = world.start_with("a day later", &faketime("+25h").borrowed());
        assert_eq!(later.hear(), "0 objects");
        later.ends_well();
    });
}

#[test]
fn an_import_of_many_that_was_killed_is_run_again() {
    play(|world| {
        const MANY: usize = 300;
        let token = world.token();
        let keys = files(world, MANY);
        let mut stopped =
            command(world, &["import-many", &keys]).stdout(Stdio::null()).spawn().unwrap();
        eventually("some keys are there", || count(&token) >= 3);
        kill_9(Pid::from_child(&stopped));
        let ended = stopped.wait().unwrap();
        assert!(!ended.success());
        let there = count(&token);
        assert!(there < MANY, "all was imported before it was killed");

        let again = report(&works(keystead(world, &["import-many", &keys, "--json"])));
        assert_eq!(again.iter().filter(|result| *result == "skipped").count(), there);
        assert_eq!(again.iter().filter(|result| *result == "imported").count(), MANY - there);
        assert_eq!(count(&token), MANY);
    });
}

#[test]
fn an_import_of_many_goes_on_under_another_import_key() {
    play(|world| {
        let token = world.token();
        works(keystead(world, &["import-key", "--bits", "2048", "--label", "mine"]));
        works(keystead(world, &["import-key", "--bits", "2048", "--label", "next"]));
        let keys = files(world, 1);
        works(keystead(world, &["import-many", &keys, "--with", "mine"]));
        let keys = files(world, 3);
        let mut late = command(world, &["import-many", &keys, "--with", "mine"]);
        let said = late.envs(faketime("+25h").borrowed()).output().unwrap();
        assert_eq!(said.status.code(), Some(6));
        assert_eq!(count(&token), 1);
        let said = works(keystead(world, &["import-many", &keys, "--with", "next", "--json"]));
        assert_eq!(report(&said), ["skipped", "imported", "imported"]);
    });
}

/// A directory of so many files of material, each other than all others.
fn files(world: &World, many: usize) -> String {
    let folder = world.path("keys");
    fs::create_dir_all(&folder).unwrap();
    for number in 0..many {
        let mut material = [0; 32];
        material[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
        fs::write(folder.join(format!("key {number:03}")), material).unwrap();
    }
    text(&folder).to_owned()
}

fn count(token: &Token) -> usize {
    let metadata =
        [Attribute::Class(ObjectClass::DATA), Attribute::Application(b"keystead".to_vec())];
    token.find_objects(&metadata).unwrap().len()
}

/// Returns the outcome of each import.
fn report(json: &str) -> Vec<String> {
    let jobs: serde_json::Value = serde_json::from_str(json).unwrap();
    let jobs = jobs.as_array().unwrap().iter();
    jobs.map(|job| job["result"].as_str().unwrap().to_owned()).collect()
}

fn half(token: &Token, class: ObjectClass) -> ObjectHandle {
    let found = token.find_objects(&[Attribute::Class(class), label("mine")]).unwrap();
    assert_eq!(found.len(), 1);
    found[0]
}

fn keystead(world: &World, arguments: &[&str]) -> Output {
    command(world, arguments).output().unwrap()
}

fn keystead_bare(world: &World, arguments: &[&str]) -> Output {
    world.keystead(arguments)
}

/// The program as the token's user.
fn command(world: &World, arguments: &[&str]) -> Command {
    fs::write(world.path("pin"), format!("{USER_PIN}\n")).unwrap();
    let (pin, module) =
        (world.path("pin"), std::env::current_exe().unwrap().with_file_name("libkeystead.so"));
    let common = ["--pin-file", text(&pin), "--module", text(&module)];
    world.keystead_command(&[arguments, &common[..]].concat())
}

#[track_caller]
fn works(said: Output) -> String {
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}
