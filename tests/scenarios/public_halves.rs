//! The public key object beside a private key that the program has imported: clients that do not log in
//! find the pair by it.

use crate::rig::token::{Token, USER_PIN};
use crate::rig::{World, play};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use std::process::{Command, Output};

#[test]
fn ssh_keygen_shows_an_imported_key_without_a_pin_also_when_its_material_is_gone() {
    play(|world| {
        world.needs("ssh-keygen");
        world.needs("openssl");
        let token = world.token();
        import(world, &["--no-public-key"]);
        assert!(shown().is_empty(), "what was not made is not shown");
        for _ in 0..2 {
            import(world, &[]);
            let [private] = of_class(&token, ObjectClass::PRIVATE_KEY)[..] else { panic!() };
            let [public] = of_class(&token, ObjectClass::PUBLIC_KEY)[..] else { panic!() };
            for kind in [AttributeType::Label, AttributeType::Id] {
                assert_eq!(token.bytes(public, kind), token.bytes(private, kind), "{kind:?}");
            }
            assert!(!token.flag(public, AttributeType::Private));
        }
        let key = openssh(world);
        assert!(shown().starts_with(&key), "{} {key}", shown());
        run(world, &["delete-material", "payroll"]);
        assert!(shown().starts_with(&key), "the public key stays");
    });
}

#[test]
fn rsa_and_edwards_keys_have_one_too_and_secrets_none() {
    play(|world| {
        world.needs("openssl");
        let token = world.token();
        for (count, kind) in ["RSA", "ED25519", "X25519"].into_iter().enumerate() {
            std::fs::write(world.path("key"), pem(kind)).unwrap();
            let arguments = ["import", kind, &path(world), "--new", "--type", kind];
            let said = run(world, &arguments);
            assert!(said.contains("without a PIN"), "{said}");
            assert_eq!(of_class(&token, ObjectClass::PUBLIC_KEY).len(), count + 1, "{kind}");
        }
        std::fs::write(world.path("key"), [7; 32]).unwrap();
        let arguments = ["import", "secret", &path(world), "--new", "--format", "raw"];
        let said = run(world, &arguments);
        assert!(!said.contains("without a PIN"), "{said}");
        assert_eq!(of_class(&token, ObjectClass::PUBLIC_KEY).len(), 3);
    });
}

// --- what the scenarios are made of ---

/// Imports one EC key, again and again.
fn import(world: &World, more: &[&str]) {
    let file = world.path("key");
    let new = !file.exists();
    if new {
        std::fs::write(&file, pem("EC")).unwrap();
    }
    let mut arguments = vec!["import", "payroll"];
    let file = path(world);
    arguments.push(&file);
    if new {
        arguments.extend(["--new", "--type", "EC"]);
    }
    arguments.extend(more);
    run(world, &arguments);
}

fn pem(kind: &str) -> Vec<u8> {
    let options: &[&str] = match kind {
        "EC" => &["-pkeyopt", "ec_paramgen_curve:P-256"],
        "RSA" => &["-pkeyopt", "rsa_keygen_bits:2048"],
        _ => &[],
    };
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", kind])
        .args(options)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    made.stdout
}

fn path(world: &World) -> String {
    world.path("key").to_str().unwrap().to_owned()
}

fn run(world: &World, arguments: &[&str]) -> String {
    let file = world.path("pin");
    std::fs::write(&file, USER_PIN).unwrap();
    works(world.keystead(&[arguments, &["--pin-file", file.to_str().unwrap()]].concat()))
}

fn works(done: Output) -> String {
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

fn of_class(token: &Token, class: ObjectClass) -> Vec<ObjectHandle> {
    token.find_objects(&[Attribute::Class(class), Attribute::Token(true)]).unwrap()
}

/// Returns the keys that `ssh-keygen` finds on the token.
fn shown() -> String {
    let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    let asked = Command::new("ssh-keygen").arg("-D").arg(module).output().unwrap();
    String::from_utf8(asked.stdout).unwrap()
}

/// The imported key as OpenSSH writes its public half.
fn openssh(world: &World) -> String {
    let public =
        Command::new("ssh-keygen").args(["-y", "-f"]).arg(private(world)).output().unwrap();
    let line = works(public);
    line.trim_end().to_owned()
}

/// The key's file, which no other user may read.
fn private(world: &World) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = world.path("key");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}
