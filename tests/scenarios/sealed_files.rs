//! `keystead seal` and `keystead open`: any length, constant memory, and nothing but what was sealed.

use crate::rig::token::{Token, USER_PIN, aes_material, make_token};
use crate::rig::world::{World, eventually};
use crate::rig::{for_key, play, rotate};
use cryptoki::object::Attribute;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

const CHUNK: usize = 1 << 20;
const HEADER: usize = 45;
/// The bytes that a chunk of the file takes.
const SEALED: usize = CHUNK + 69;

#[test]
fn files_of_any_length_come_back() {
    play(|world| {
        let token = world.token();
        key(&token);
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17] {
            let text = text(len);
            let sealed = sealed(world, &text);
            let chunks = len.div_ceil(CHUNK).max(1);
            assert_eq!(sealed.len(), HEADER + len + 69 * chunks);
            assert!(opened(world, &sealed).unwrap() == text, "{len}");
        }
    });
}

#[test]
fn nothing_opens_but_all_of_one_file_in_its_order() {
    play(|world| {
        let token = world.token();
        key(&token);
        let (one, other) = (sealed(world, &text(3 * CHUNK)), sealed(world, &text(3 * CHUNK)));
        let chunk = |file: &[u8], at: usize| {
            file[HEADER + at * SEALED..HEADER + (at + 1) * SEALED].to_vec()
        };
        let head = &one[..HEADER];
        let (a, b, c) = (chunk(&one, 0), chunk(&one, 1), chunk(&one, 2));
        assert_eq!([head, &a, &b, &c].concat(), one);
        for (what, wrong) in [
            ("in another order", [head, &b, &a, &c].concat()),
            ("one left out", [head, &a, &c].concat()),
            ("one twice", [head, &a, &a, &b, &c].concat()),
            ("cut off between chunks", [head, &a, &b].concat()),
            ("cut off within a chunk", one[..one.len() - 1].to_vec()),
            ("cut off behind the header", head.to_vec()),
            ("cut off within the header", one[..HEADER - 1].to_vec()),
            ("empty", Vec::new()),
            ("more behind it", [&one[..], b"x"].concat()),
            ("two files joined", [&one[..], &other[..]].concat()),
            ("a chunk of another file", [head, &a, &chunk(&other, 1), &c].concat()),
            ("the header of another file", [&other[..HEADER], &a, &b, &c].concat()),
        ] {
            assert_error(opened(world, &wrong), what);
        }
        for at in [0, 8, 9, 13, 29, HEADER, HEADER + 30, HEADER + SEALED - 1, one.len() - 1] {
            let mut flipped = one.clone();
            flipped[at] ^= 1;
            assert_error(opened(world, &flipped), &format!("a bit flipped in byte {at}"));
        }
    });
}

#[test]
fn each_chunk_opens_with_the_version_that_sealed_it() {
    play(|world| {
        let token = world.token();
        let id = key(&token);
        let old = sealed(world, b"old");
        token.generate_key(&rotate(), &[for_key(&id)]).unwrap();
        let new = sealed(world, b"new");
        assert_eq!(opened(world, &old).unwrap(), b"old");
        assert_eq!(opened(world, &new).unwrap(), b"new");
    });
}

#[test]
fn a_token_with_the_same_material_under_another_key_does_not_open_it() {
    play(|world| {
        let one = world.token();
        let other = make_token(&one.module, "another token");
        let import = |token: &Token| {
            let more = [Attribute::Value(vec![5; 32]), Attribute::Label(b"payroll".to_vec())];
            token.create_object(&[&aes_material()[..], &more].concat()).unwrap();
        };
        import(&one);
        import(&other);
        let (plain, sealed) = (world.path("plain"), world.path("sealed"));
        fs::write(&plain, b"text").unwrap();
        let (plain, sealed) = (plain.to_str().unwrap(), sealed.to_str().unwrap());
        works(&run(world, &["seal", "payroll", plain, "--out", sealed, "--token", "a token"]));
        let said = run(world, &["open", sealed, "--token", "another token"]);
        assert!(!said.status.success() && said.stdout.is_empty());
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(text.contains("there is no custom key"), "{text}");
        assert_eq!(works(&run(world, &["open", sealed, "--token", "a token"])), b"text");
    });
}

#[test]
fn a_file_that_is_there_stays_until_another_is_complete() {
    play(|world| {
        let token = world.token();
        key(&token);
        let (plain, out) = (world.path("plain"), world.path("out"));
        fs::write(&plain, text(CHUNK + 1)).unwrap();
        fs::write(&out, b"there before").unwrap();
        let (plain, to) = (plain.to_str().unwrap(), out.to_str().unwrap());
        let seal = ["seal", "payroll", plain, "--out", to];
        assert!(!run(world, &seal).status.success());
        assert_eq!(fs::read(&out).unwrap(), b"there before");
        works(&run(world, &[&seal[..], &["--force"]].concat()));
        let sealed = fs::read(&out).unwrap();
        let cut = world.path("cut");
        fs::write(&cut, &sealed[..HEADER + SEALED]).unwrap();
        let open = ["open", cut.to_str().unwrap(), "--out", to, "--force"];
        assert!(!run(world, &open).status.success());
        assert!(fs::read(&out).unwrap() == sealed, "a file that fails replaces nothing");
        assert!(left_behind(world).is_empty());
    });
}

#[test]
fn memory_does_not_grow_with_the_file() {
    play(|world| {
        let token = world.token();
        key(&token);
        let out = world.path("out");
        let mut child = start(world, &["seal", "payroll", "--out", out.to_str().unwrap()]);
        let after = |child: &mut Child, chunks: usize| {
            let mut input = child.stdin.as_ref().unwrap();
            (0..chunks).for_each(|_| input.write_all(&[7; CHUNK]).unwrap());
            peak(child)
        };
        let early = after(&mut child, 8);
        let late = after(&mut child, 120);
        assert!(late < early + 8 * 1024, "from {early} to {late} KiB");
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());

        let mut child = start(world, &["open"]);
        let mut from = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || std::io::copy(&mut from, &mut std::io::sink()));
        let sealed = fs::read(&out).unwrap();
        let (first, rest) = sealed.split_at(8 * SEALED);
        let (rest, end) = rest.split_at(rest.len() - CHUNK);
        let mut input = child.stdin.take().unwrap();
        input.write_all(first).unwrap();
        let early = peak(&child);
        input.write_all(rest).unwrap();
        let late = peak(&child);
        assert!(late < early + 8 * 1024, "from {early} to {late} KiB");
        input.write_all(end).unwrap();
        drop(input);
        assert!(child.wait().unwrap().success());
        assert_eq!(reader.join().unwrap().unwrap(), 128 * CHUNK as u64);
    });
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    play(|world| {
        let token = world.token();
        key(&token);
        let out = world.path("out");
        let mut child = start(world, &["seal", "payroll", "--out", out.to_str().unwrap()]);
        child.stdin.as_ref().unwrap().write_all(&[7; 2 * CHUNK]).unwrap();
        eventually("a temporary file", || !left_behind(world).is_empty());
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(left_behind(world).is_empty() && !out.exists());
    });
}

#[test]
fn a_run_that_ignores_hang_ups_goes_on() {
    play(|world| {
        let token = world.token();
        key(&token);
        let out = world.path("out");
        let sealing = command(world, &["seal", "payroll", "--out", out.to_str().unwrap()]);
        let mut child = world
            .tool("env")
            .arg("--ignore-signal=HUP")
            .arg(sealing.get_program())
            .args(sealing.get_args())
            .envs(sealing.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env_remove("KEYSTEAD_STORE")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.as_ref().unwrap().write_all(&[7; 2 * CHUNK]).unwrap();
        eventually("a temporary file", || !left_behind(world).is_empty());
        kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success() && out.exists());
    });
}

/// A key called `payroll`; its key ID.
fn key(token: &Token) -> String {
    let key = token.generate_aes(&[Attribute::Token(true), Attribute::Label(b"payroll".to_vec())]);
    token.key_of(key)
}

/// Bytes of which no two stretches are alike.
fn text(len: usize) -> Vec<u8> {
    let words = (0_u64..).map(|count| count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    words.flat_map(u64::to_be_bytes).take(len).collect()
}

fn sealed(world: &World, text: &[u8]) -> Vec<u8> {
    works(&through(world, &["seal", "payroll"], text))
}

/// Returns the content to which a file opens, by its name and into another; the message if it does not.
fn opened(world: &World, sealed: &[u8]) -> Result<Vec<u8>, String> {
    let (from, to) = (world.path("from"), world.path("to"));
    fs::write(&from, sealed).unwrap();
    let said = run(world, &["open", from.to_str().unwrap(), "--out", to.to_str().unwrap()]);
    if said.status.success() {
        let text = fs::read(&to).unwrap();
        fs::remove_file(to).unwrap();
        return Ok(text);
    }
    assert!(!to.exists() && left_behind(world).is_empty(), "something is left of what is wrong");
    assert!(matches!(said.status.code(), Some(1 | 6 | 8)), "{said:?}");
    Err(String::from_utf8(said.stderr).unwrap())
}

#[track_caller]
fn assert_error(opened: Result<Vec<u8>, String>, what: &str) {
    let said = opened.expect_err(what);
    let ways = ["not as it was sealed", "no file that", "no custom key"];
    assert!(ways.iter().any(|way| said.contains(way)), "{what}: {said}");
    assert!(said.starts_with("keystead: error: ") && !said.contains("panicked"), "{what}: {said}");
}

fn left_behind(world: &World) -> Vec<PathBuf> {
    let files = fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_str().unwrap().contains(".keystead-")).collect()
}

/// The most memory a process has had, in KiB.
fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn through(world: &World, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = start(world, arguments);
    let mut to = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || to.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    })
}

fn start(world: &World, arguments: &[&str]) -> Child {
    let mut command = command(world, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn run(world: &World, arguments: &[&str]) -> Output {
    command(world, arguments).output().unwrap()
}

fn command(world: &World, arguments: &[&str]) -> Command {
    let pin = world.secret("pin", format!("{USER_PIN}\n"));
    let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    let common = ["--pin-file", pin.to_str().unwrap(), "--module", module.to_str().unwrap()];
    world.keystead_command(&[arguments, &common[..]].concat())
}

#[track_caller]
fn works(said: &Output) -> Vec<u8> {
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    said.stdout.clone()
}
