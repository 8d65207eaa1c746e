//! Another token copied into one of Keystead's: one that `softhsm2-util` and `pkcs11-tool` made, through its
//! module and out of its files.

use crate::rig::skip;
use crate::rig::token::{Token, USER_PIN};
use crate::rig::world::eventually;
use crate::rig::{World, play};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use serde_json::Value;
use std::fs;
use std::process::{Command, Output};

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "4711";

/// The objects that [`fill`] makes: label, class and type as the report has them, and whether they may leave.
const MADE: [(&str, &str, Option<&str>, bool); 12] = [
    ("aes", "secret key", Some("AES"), false),
    ("aes-out", "secret key", Some("AES"), true),
    ("generic", "secret key", Some("GENERIC"), true),
    ("rsa", "private key", Some("RSA"), false),
    ("rsa", "public key", Some("RSA"), true),
    ("rsa-out", "private key", Some("RSA"), true),
    ("rsa-out", "public key", Some("RSA"), true),
    ("ec", "private key", Some("EC"), false),
    ("ec", "public key", Some("EC"), true),
    ("ec-out", "private key", Some("EC"), true),
    ("ec-out", "public key", Some("EC"), true),
    ("note", "data", None, true),
];

#[test]
fn a_token_is_copied_out_of_softhsms_files_and_its_keys_go_on_working() {
    play(|world| {
        let other = Other::made(world);
        fill(&other);
        other.tool(&[
            "--keypairgen",
            "--key-type",
            "EC:edwards25519",
            "--label",
            "ed",
            "--id",
            "0e",
        ]);
        let (token, text) = (world.token(), world.path("text"));
        fs::write(&text, "thirty-one bytes, as a text has").unwrap();
        other.ciphertext("10", world);
        let done = other.migrate(world, Place::Files, &[]);
        let said = works(&done);
        assert!(said.ends_with("15 copied\n"), "{said}");

        // What the other token encrypted opens here, and both sign alike.
        let aes = key(&token, "aes", ObjectClass::SECRET_KEY);
        let sealed = fs::read(world.path("sealed")).unwrap();
        assert_eq!(
            token.decrypt(&Mechanism::AesCbcPad([0; 16]), aes, &sealed).unwrap(),
            fs::read(&text).unwrap()
        );
        let rsa = key(&token, "rsa", ObjectClass::PRIVATE_KEY);
        let there = other.signature("13", "SHA256-RSA-PKCS", world);
        assert_eq!(
            token.sign(&Mechanism::Sha256RsaPkcs, rsa, &fs::read(&text).unwrap()).unwrap(),
            there
        );
        let pure = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        for (label, mechanism) in [("ec", Mechanism::Ecdsa), ("ed", pure)] {
            let private = key(&token, label, ObjectClass::PRIVATE_KEY);
            let public = key(&token, label, ObjectClass::PUBLIC_KEY);
            let signature = token.sign(&mechanism, private, &[7; 32]).unwrap();
            token.verify(&mechanism, public, &[7; 32], &signature).unwrap();
        }
    });
}

#[test]
fn a_copy_has_label_id_usages_and_protections_and_is_private() {
    play(|world| {
        let other = Other::made(world);
        let make = |more: &[&str]| {
            let key = ["--keygen", "--key-type", "AES:32", "--id"];
            other.tool(&[&key, more].concat());
        };
        make(&["01", "--label", "hidden", "--sensitive"]);
        make(&["02", "--label", "open", "--extractable"]);
        other.tool(&[
            "--keypairgen",
            "--key-type",
            "EC:prime256v1",
            "--usage-sign",
            "--label",
            "signs",
            "--id",
            "03",
        ]);
        let token = world.token();
        works(&other.migrate(world, Place::Files, &[]));
        let hidden = key(&token, "hidden", ObjectClass::SECRET_KEY);
        assert!(token.flag(hidden, AttributeType::Sensitive));
        assert!(!token.flag(hidden, AttributeType::Extractable));
        assert!(token.flag(hidden, AttributeType::Private), "pkcs11-tool made it without");
        assert_eq!(token.bytes(hidden, AttributeType::Id), [1]);
        let open = key(&token, "open", ObjectClass::SECRET_KEY);
        assert!(!token.flag(open, AttributeType::Sensitive));
        assert!(token.flag(open, AttributeType::Extractable));
        let signs = key(&token, "signs", ObjectClass::PRIVATE_KEY);
        assert!(token.flag(signs, AttributeType::Sign));
        assert!(!token.flag(signs, AttributeType::Derive));
        assert!(!token.flag(signs, AttributeType::Local), "it came from elsewhere");
    });
}

#[test]
fn keys_that_may_leave_travel_wrapped_and_those_that_may_not_are_named() {
    play(|world| {
        let other = Other::made(world);
        fill(&other);
        other.dsa(world);
        let token = world.token();
        let done = other.migrate(world, Place::Module, &["--json"]);
        assert_eq!(done.status.code(), Some(1), "something stayed there");
        let rows = rows(&done);
        for (label, class, key_type, leaves) in MADE {
            let row = row(&rows, label, class);
            let result = if leaves { "copied" } else { "not copied" };
            assert_eq!(row["result"], result, "{row}");
            assert_eq!(row["key_type"].as_str(), key_type, "{row}");
            assert_eq!(row["why"].is_null(), leaves, "{row}");
            assert_eq!(
                row["key_id"].is_null(),
                !leaves || !class.ends_with("t key") && class != "private key",
                "{row}"
            );
            if !leaves {
                assert!(row["why"].as_str().unwrap().contains("CKA_EXTRACTABLE"), "{row}");
            }
        }
        for class in ["public key", "private key"] {
            let why = row(&rows, "dsa", class)["why"].as_str().unwrap();
            assert!(why.contains("DSA"), "{why}");
        }
        // SoftHSM adds zeros to a secret of 20 bytes: they do not come with it.
        let generic = key(&token, "generic", ObjectClass::SECRET_KEY);
        assert_eq!(token.bytes(generic, AttributeType::Value).len(), 20);
        let (text, _) = (world.path("text"), fs::write(world.path("text"), "text").unwrap());
        let rsa = key(&token, "rsa-out", ObjectClass::PRIVATE_KEY);
        let there = other.signature("14", "SHA256-RSA-PKCS", world);
        assert_eq!(
            token.sign(&Mechanism::Sha256RsaPkcs, rsa, &fs::read(text).unwrap()).unwrap(),
            there
        );
        let ec = key(&token, "ec-out", ObjectClass::PRIVATE_KEY);
        let public = key(&token, "ec-out", ObjectClass::PUBLIC_KEY);
        let signature = token.sign(&Mechanism::Ecdsa, ec, &[7; 32]).unwrap();
        token.verify(&Mechanism::Ecdsa, public, &[7; 32], &signature).unwrap();

        // The rest comes out of the files, and what came wrapped is known again.
        let done = other.migrate(world, Place::Files, &["--json"]);
        let again = self::rows(&done);
        for (label, class, _, leaves) in MADE {
            let result = if leaves { "there already" } else { "copied" };
            assert_eq!(row(&again, label, class)["result"], result, "{label} {class}");
        }
    });
}

#[test]
fn a_dry_run_says_what_a_run_does_and_changes_nothing() {
    play(|world| {
        let other = Other::made(world);
        fill(&other);
        let token = world.token();
        for place in [Place::Module, Place::Files] {
            let before = objects(&token).len();
            let tried = rows(&other.migrate(world, place, &["--json", "--dry-run"]));
            assert_eq!(objects(&token).len(), before);
            let done = rows(&other.migrate(world, place, &["--json"]));
            for (label, class, ..) in MADE {
                let expected = match row(&done, label, class)["result"].as_str().unwrap() {
                    "copied" => "to be copied",
                    other => other,
                };
                assert_eq!(row(&tried, label, class)["result"], expected, "{label} {class}");
            }
        }
    });
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_and_makes_nothing_twice() {
    play(|world| {
        let other = Other::made(world);
        fill(&other);
        let token = world.token();
        let mut run = other.migration(world, Place::Files, &[]).spawn().unwrap();
        eventually("something has been copied", || !objects(&token).is_empty());
        run.kill().unwrap();
        run.wait().unwrap();
        works(&other.migrate(world, Place::Files, &[]));
        let custom = MADE.iter().filter(|(_, class, ..)| !matches!(*class, "public key" | "data"));
        // A custom key is two objects.
        assert_eq!(objects(&token).len(), MADE.len() + custom.count() + 1);
        let said = works(&other.migrate(world, Place::Files, &[]));
        assert!(said.ends_with("13 there already\n"), "{said}");
    });
}

#[test]
fn a_key_is_known_by_its_material_whatever_it_is_called_and_deleted_material_stays_away() {
    play(|world| {
        let other = Other::made(world);
        let make = |label, id| {
            other.tool(&["--keygen", "--key-type", "AES:32", "--label", label, "--id", id]);
        };
        make("payroll", "01");
        make("old", "02");
        let token = world.token();
        works(&other.migrate(world, Place::Files, &[]));
        let run = |arguments: &[&str]| works(&with_pin(world, arguments));
        run(&["rename", "payroll", "salaries"]);
        run(&["delete-material", "old"]);
        // Another key has taken its label, and no key its ID.
        make("salaries", "03");
        let done = other.migrate(world, Place::Files, &["--json"]);
        let rows = rows(&done);
        let renamed = row(&rows, "payroll", "secret key");
        assert_eq!(renamed["result"], "there already");
        assert!(renamed["why"].as_str().unwrap().starts_with("as salaries"), "{renamed}");
        let deleted = row(&rows, "old", "secret key");
        assert_eq!(deleted["result"], "there already");
        assert!(deleted["why"].as_str().unwrap().ends_with("which is deleted"), "{deleted}");
        let refused = row(&rows, "salaries", "secret key");
        assert_eq!(refused["result"], "not copied");
        assert!(refused["why"].as_str().unwrap().contains("label"), "{refused}");
        assert_eq!(done.status.code(), Some(1));
        assert_eq!(
            token.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).unwrap().len(),
            1
        );
        // As it is advised to.
        run(&["rename", "salaries", "payroll"]);
        works(&other.migrate(world, Place::Files, &[]));
    });
}

#[test]
fn a_key_without_a_label_or_an_id_is_known_again_and_not_imported_anew() {
    play(|world| {
        let other = Other::made(world);
        for (label, id) in [("", "06"), ("payroll", ""), ("", "")] {
            let names = [("--label", label), ("--id", id)].into_iter();
            let names = names.filter(|(_, name)| !name.is_empty());
            let names: Vec<&str> = names.flat_map(|(option, name)| [option, name]).collect();
            other.tool(&[&["--keygen", "--key-type", "AES:32"][..], &names].concat());
        }
        let _token = world.token();
        works(&other.migrate(world, Place::Files, &[]));
        let before = with_pin(world, &["list", "--json"]).stdout;
        let said = works(&other.migrate(world, Place::Files, &[]));
        assert!(said.ends_with("3 there already\n"), "{said}");
        let log = fs::read_to_string(world.store().join("audit/audit.jsonl")).unwrap();
        assert_eq!(log.matches("\"event\":\"imported\"").count(), 3, "{log}");
        assert_eq!(with_pin(world, &["list", "--json"]).stdout, before);
    });
}

#[test]
fn a_dry_run_says_of_keys_with_one_name_what_the_run_does() {
    play(|world| {
        let other = Other::made(world);
        let make = |label, id| {
            other.tool(&["--keygen", "--key-type", "AES:32", "--label", label, "--id", id]);
        };
        [("a", "01"), ("a", "01"), ("a", "02"), ("b", "01"), ("c", "03")]
            .into_iter()
            .for_each(|(label, id)| make(label, id));
        let _token = world.token();
        works(&with_pin(world, &["generate", "c"]));
        fs::write(world.path("waits"), [7; 32]).unwrap();
        let waits = world.path("waits");
        let import = ["import", "d", waits.to_str().unwrap(), "--new", "--format", "raw"];
        works(&with_pin(world, &import));
        make("d", "04");
        let results = |more: &[&str]| results(&other.migrate(world, Place::Files, more));
        let promised = results(&["--dry-run", "--json"]);
        // The files have chance names: whichever key comes first has its names.
        let copied = promised.iter().filter(|result| *result == "copied").count();
        assert!((2..=3).contains(&copied), "{promised:?}");
        assert_eq!(results(&["--json"]), promised);
    });
}

#[test]
fn a_dry_run_promises_what_is_there_twice_once() {
    play(|world| {
        let other = Other::made(world);
        write_open(&other, 2);
        let _token = world.token();
        let results = |place, more: &[&str]| results(&other.migrate(world, place, more));
        for place in [Place::Files, Place::Module] {
            let promised = results(place, &["--dry-run", "--json"]);
            assert_eq!(promised.iter().filter(|result| *result == "copied").count(), 2);
            assert_eq!(promised.iter().filter(|result| *result == "there already").count(), 2);
        }
        let promised = results(Place::Files, &["--dry-run", "--json"]);
        assert_eq!(results(Place::Files, &["--json"]), promised);
    });
}

#[test]
fn a_dry_run_knows_a_renamed_key_by_its_material() {
    play(|world| {
        let other = Other::made(world);
        other.tool(&["--keygen", "--key-type", "AES:32", "--label", "before"]);
        let _token = world.token();
        works(&other.migrate(world, Place::Files, &[]));
        works(&with_pin(world, &["rename", "before", "after"]));
        for more in [&["--dry-run", "--json"][..], &["--json"]] {
            let rows = rows(&other.migrate(world, Place::Files, more));
            assert_eq!(row(&rows, "before", "secret key")["result"], "there already", "{more:?}");
        }
    });
}

#[test]
fn a_wrong_pin_or_token_and_a_damaged_file_are_said_and_nothing_is_copied() {
    play(|world| {
        let other = Other::made(world);
        fill(&other);
        let token = world.token();
        fs::write(world.path("wrong"), "4712").unwrap();
        let wrong = world.path("wrong");
        let refused = |place, more: &[&str], status, said: &str| {
            let done = other.migrate(world, place, more);
            let error = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(status), "{error}");
            assert!(error.contains(said), "{error}");
            assert!(objects(&token).is_empty());
        };
        let pin = ["--from-pin-file", wrong.to_str().unwrap()];
        refused(Place::Files, &pin, 4, "the PIN of token \"other\"");
        refused(Place::Module, &pin, 4, "the other token \"other\"");
        for place in [Place::Files, Place::Module] {
            refused(place, &["--from-token", "none"], 6, "there is no token \"none\"");
        }
        refused(Place::Own, &[], 2, "the other module is this one");
        refused(Place::None, &[], 1, "No such file");
        fs::create_dir(world.path("empty")).unwrap();
        refused(Place::Empty, &[], 6, "there is no token");
        let directory = fs::read_dir(world.path("tokens")).unwrap().next().unwrap().unwrap().path();
        let mut objects = fs::read_dir(&directory).unwrap().map(|it| it.unwrap().path());
        let object = objects.find(|it| {
            it.extension().is_some_and(|it| it == "object") && !it.ends_with("token.object")
        });
        let object = object.unwrap();
        let contents = fs::read(&object).unwrap();
        fs::write(&object, &contents[..contents.len() - 1]).unwrap();
        let pipe = object.with_file_name("pipe.object");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Each is a row, and keeps nothing else from being copied.
        let done = other.migrate(world, Place::Files, &["--json"]);
        assert_eq!(done.status.code(), Some(1));
        let rows = rows(&done);
        for broken in [&object, &pipe] {
            let name = broken.file_name().unwrap().to_str().unwrap();
            assert_eq!(row(&rows, name, "file")["result"], "not copied");
        }
        let copied = rows.iter().filter(|row| row["result"] == "copied").count();
        assert_eq!(copied, rows.len() - 2, "{rows:?}");
    });
}

// --- what the scenarios are made of ---

/// A token of SoftHSM's.
struct Other {
    configuration: String,
}

#[derive(Clone, Copy)]
enum Place {
    Files,
    Module,
    Own,
    None,
    Empty,
}

impl Other {
    fn made(world: &World) -> Self {
        for needed in [SOFTHSM, "softhsm2-util", "pkcs11-tool", "openssl"] {
            if !skip::has_all("migrating", &[needed]) {
                std::process::exit(0);
            }
        }
        let (tokens, file) = (world.path("tokens"), world.path("softhsm.conf"));
        fs::create_dir(&tokens).unwrap();
        fs::write(&file, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
        fs::write(world.path("from-pin"), format!("{PIN}\n")).unwrap();
        fs::write(world.path("pin"), USER_PIN).unwrap();
        let other = Self { configuration: file.to_str().unwrap().to_owned() };
        other.run(
            "softhsm2-util",
            &["--init-token", "--free", "--label", "other", "--pin", PIN, "--so-pin", "87654321"],
        );
        other
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = Command::new(program)
            .args(arguments)
            .env("SOFTHSM2_CONF", &self.configuration)
            .output()
            .unwrap();
        assert!(done.status.success(), "{program} {arguments:?}: {done:?}");
    }

    fn tool(&self, arguments: &[&str]) {
        let login = ["--module", SOFTHSM, "--login", "--pin", PIN];
        self.run("pkcs11-tool", &[&login, arguments].concat());
    }

    /// Signs the text there.
    fn signature(&self, id: &str, mechanism: &str, world: &World) -> Vec<u8> {
        let [text, signature] = ["text", "signature"].map(|name| text_of(world, name));
        let sign = ["--sign", "--id", id, "--mechanism", mechanism];
        self.tool(&[&sign, &["--input-file", &text, "--output-file", &signature][..]].concat());
        fs::read(signature).unwrap()
    }

    /// Encrypts the text there.
    fn ciphertext(&self, id: &str, world: &World) {
        let [text, sealed] = ["text", "sealed"].map(|name| text_of(world, name));
        let iv = "0".repeat(32);
        let encrypt = ["--encrypt", "--id", id, "--mechanism", "AES-CBC-PAD", "--iv", &iv];
        self.tool(&[&encrypt, &["--input-file", &text, "--output-file", &sealed][..]].concat());
    }

    /// A pair of a type that Keystead does not keep.
    fn dsa(&self, world: &World) {
        let [traditional, key] = ["dsa", "dsa.pem"].map(|name| text_of(world, name));
        self.run("openssl", &["dsaparam", "-genkey", "-out", &traditional, "1024"]);
        self.run("openssl", &["pkcs8", "-topk8", "-nocrypt", "-in", &traditional, "-out", &key]);
        self.run(
            "softhsm2-util",
            &["--import", &key, "--token", "other", "--pin", PIN, "--label", "dsa", "--id", "0d"],
        );
    }

    fn migration(&self, world: &World, place: Place, more: &[&str]) -> Command {
        let own = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
        let from = match place {
            Place::Files => text_of(world, "tokens"),
            Place::Module => SOFTHSM.to_owned(),
            Place::Own => own.to_str().unwrap().to_owned(),
            Place::None => text_of(world, "none"),
            Place::Empty => text_of(world, "empty"),
        };
        let [pin, from_pin] = ["pin", "from-pin"].map(|name| text_of(world, name));
        let mut command = world.keystead_command(&["migrate", "--from", &from, "--pin-file", &pin]);
        command.arg("--module").arg(own).args(more).env("SOFTHSM2_CONF", &self.configuration);
        if !more.contains(&"--from-pin-file") {
            command.args(["--from-pin-file", &from_pin]);
        }
        command
    }

    fn migrate(&self, world: &World, place: Place, more: &[&str]) -> Output {
        self.migration(world, place, more).output().unwrap()
    }
}

/// Makes what [`MADE`] says, and a certificate.
fn fill(other: &Other) {
    let aes = ["--keygen", "--key-type", "AES:32", "--label"];
    other.tool(&[&aes, &["aes", "--id", "10", "--sensitive"][..]].concat());
    other.tool(&[&aes, &["aes-out", "--id", "11", "--extractable"][..]].concat());
    let generic = ["--keygen", "--key-type", "generic:20", "--label", "generic", "--id", "12"];
    other.tool(&[&generic, &["--extractable"][..]].concat());
    for (key_type, label, id) in [
        ("rsa:2048", "rsa", "13"),
        ("rsa:2048", "rsa-out", "14"),
        ("EC:prime256v1", "ec", "15"),
        ("EC:secp384r1", "ec-out", "16"),
    ] {
        let pair = ["--keypairgen", "--key-type", key_type, "--label", label, "--id", id];
        let out: &[&str] = if label.ends_with("out") { &["--extractable"] } else { &[] };
        other.tool(&[&pair, out].concat());
    }
    write_open(other, 1);
}

/// Writes a note and a certificate into the other token, so many times.
fn write_open(other: &Other, times: usize) {
    let folder = std::path::Path::new(&other.configuration).parent().unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let [note, key, der] = ["note", "ca.key", "ca.der"].map(file);
    fs::write(&note, "a note").unwrap();
    let request =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let subject = ["-subj", "/CN=a name", "-outform", "der", "-keyout", &key, "-out", &der];
    other.run("openssl", &[&request[..], &subject].concat());
    let data = ["--write-object", &note, "--type", "data", "--label", "note"];
    for _ in 0..times {
        other.tool(&[&data, &["--application-label", "notes", "--private"][..]].concat());
        other.tool(&["--write-object", &der, "--type", "cert", "--label", "ca", "--id", "17"]);
    }
}

fn text_of(world: &World, name: &str) -> String {
    world.path(name).to_str().unwrap().to_owned()
}

fn with_pin(world: &World, arguments: &[&str]) -> Output {
    let pin = text_of(world, "pin");
    world.keystead(&[arguments, &["--pin-file", &pin]].concat())
}

fn works(done: &Output) -> String {
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout.clone()).unwrap()
}

fn rows(done: &Output) -> Vec<Value> {
    let read = serde_json::from_slice(&done.stdout);
    read.unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

/// The results of a run in order; of a dry run those that a run has.
fn results(done: &Output) -> Vec<String> {
    let rows = rows(done);
    let results = rows.iter().map(|row| row["result"].as_str().unwrap());
    results.map(|result| result.replace("to be copied", "copied")).collect()
}

fn row<'a>(rows: &'a [Value], label: &str, class: &str) -> &'a Value {
    let found = rows.iter().find(|row| row["label"] == label && row["class"] == class);
    found.unwrap_or_else(|| panic!("there is no {class} {label:?}: {rows:?}"))
}

fn key(token: &Token, label: &str, class: ObjectClass) -> ObjectHandle {
    let wanted = [Attribute::Class(class), Attribute::Label(label.into()), Attribute::Token(true)];
    let found = token.find_objects(&wanted).unwrap();
    assert_eq!(found.len(), 1, "{label}");
    found[0]
}

/// Every object of the token but its profiles, which are there from the beginning; a custom key is two.
fn objects(token: &Token) -> Vec<ObjectHandle> {
    let profiles = token.find_objects(&[Attribute::Class(ObjectClass::PROFILE)]).unwrap();
    let mut found = token.find_objects(&[Attribute::Token(true)]).unwrap();
    found.retain(|object| !profiles.contains(object));
    found
}
