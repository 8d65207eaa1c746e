//! The page as an agent moves it and a module sees it, and the file beside it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::{NAME, Page, PageWriter, SIZE};
use crate::clock::{Clock, FixedClock};
use crate::error::Reason;
use crate::id::Id;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::{File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

const TOKEN: Id = Id::new([3; 16]);
const RECORD: Id = Id::new([200; 16]);
const OTHER: Id = Id::new([201; 16]);

/// An agent's page, and the same as a module has it.
struct World {
    directory: tempfile::TempDir,
    writer: PageWriter,
    page: Page,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let writer = PageWriter::open(directory.path()).unwrap();
        writer.started().unwrap();
        let page = Page::new(directory.path(), &handed(&writer)).unwrap();
        Self { directory, writer, page }
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join(NAME)
    }

    /// The agent ends, and another starts.
    fn next(&self) -> PageWriter {
        self.writer.ended();
        let next = PageWriter::open(self.directory.path()).unwrap();
        next.started().unwrap();
        next
    }
}

fn handed(writer: &PageWriter) -> OwnedFd {
    writer.handed().try_clone_to_owned().unwrap()
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect()
}

fn refusal(directory: &Path) -> String {
    let Err(error) = PageWriter::open(directory) else { panic!("the file was accepted") };
    assert_eq!(error.reason(), Reason::StoreDamaged);
    error.to_string()
}

/// Modules and agents of different builds share page and file.
#[test]
fn each_word_stands_where_it_stood() {
    let World { writer, directory, .. } = World::new();
    writer.set_mark(1_800_000_000);
    writer.set_ahead(0x0102_0304, [9; 16]);
    writer.moved(TOKEN, RECORD);
    let identity = writer.identity();
    let mut page = vec![0; SIZE as usize];
    File::from(handed(&writer)).read_exact_at(&mut page, 0).unwrap();
    let (page, boot) = (words(&page), u64::from_ne_bytes([9; 8]));
    let magic = u64::from_ne_bytes(*b"KSTDGEN1");
    assert_eq!(page[..5], [magic, 0, 1_800_000_000, 0, 0x0102_0304]);
    assert_eq!(page[5..9], [0, 0, identity.wrapping_add(1), identity]);
    assert_ne!(page[9], 0, "a thread of this process");
    assert!(page[10..512].iter().all(|word| *word == 0));
    // A token by its first byte, of 64; a record by its first eight, little endian, of 4032.
    let record = 0xC8C8_C8C8_C8C8_C8C8_u64 % 4032;
    let is = |at: usize, by: u64| page[at] == identity.wrapping_add(by);
    let moved: Vec<usize> = (512..4608).filter(|at| is(*at, 1)).collect();
    assert_eq!(moved, [512 + 3, 512 + 64 + record as usize]);
    assert!((512..4608).all(|at| is(at, 0) || is(at, 1)));

    let file = words(&std::fs::read(directory.path().join("generations")).unwrap());
    assert_eq!((file.len(), &file[..5]), (4608, &[magic, 0, 0, 1, 0x0102_0304][..]));
    assert_eq!(file[5..9], [boot, boot, 0, identity]);
    assert!(file[9..].iter().all(|word| *word == 0));
}

#[test]
fn a_change_moves_its_token_and_its_record_and_no_other() {
    let World { writer, page, .. } = World::new();
    let read = || [page.token(TOKEN), page.record(RECORD), page.token(OTHER), page.record(OTHER)];
    let (before, changes) = (read(), page.changes());
    writer.moved(TOKEN, RECORD);
    let [token, record, ..] = before;
    let moved = [token.wrapping_add(1), record.wrapping_add(1), before[2], before[3]];
    assert_eq!(read(), moved);
    assert_ne!(page.changes(), changes);
}

#[test]
fn what_was_kept_holds_until_another_agent_has_started() {
    let world = World::new();
    let read = || [world.page.token(TOKEN), world.page.record(RECORD), world.page.changes()];
    let before = read();
    world.writer.ended();
    assert_eq!(read(), before, "nobody can have changed anything");
    let next = PageWriter::open(world.directory.path()).unwrap();
    assert_eq!(read(), before, "one that opens the store has changed nothing");
    next.started().unwrap();
    assert!(read().iter().zip(before).all(|(now, was)| *now != was));
    world.page.replace(&handed(&next)).unwrap();
    assert_eq!(world.page.identity(), next.identity());
    let now = read();
    assert!(now.iter().zip(before).all(|(now, was)| *now != was));
    let moved_by = |times| read().iter().zip(now).all(|(now, was)| *now == was.wrapping_add(times));
    next.moved(TOKEN, RECORD);
    assert!(moved_by(1));
    next.all_moved();
    assert!(moved_by(2));
}

#[test]
fn whatever_becomes_of_the_file_a_page_is_read_without_a_signal() {
    let world = World::new();
    let kept = world.page.record(RECORD);
    let whole = std::fs::read(world.file()).unwrap();
    let fates: [&dyn Fn(); 6] = [
        &|| std::fs::write(world.file(), []).unwrap(),
        &|| std::fs::write(world.file(), &whole[..60]).unwrap(),
        &|| std::fs::write(world.file(), vec![0; whole.len()]).unwrap(),
        &|| std::fs::remove_file(world.file()).unwrap(),
        &|| std::fs::create_dir(world.file()).unwrap(),
        &|| {
            std::fs::remove_dir(world.file()).unwrap();
            std::os::unix::fs::symlink("elsewhere", world.file()).unwrap();
        },
    ];
    for befall in fates {
        befall();
        assert_eq!(world.page.record(RECORD), kept, "its agent lives");
    }
    world.writer.ended();
    assert_ne!(world.page.record(RECORD), kept, "nobody knows what counts");
    std::fs::remove_file(world.file()).unwrap();
    std::fs::write(world.file(), &whole).unwrap();
    assert_eq!(world.page.record(RECORD), kept);
    std::fs::write(world.file(), &whole[..100]).unwrap();
    assert_eq!(world.page.record(RECORD), kept, "the words that count are there");
}

#[test]
fn the_page_of_an_agent_that_is_gone_takes_no_later_ones_place() {
    let world = World::new();
    let next = world.next();
    world.page.replace(&handed(&next)).unwrap();
    let error = world.page.replace(&handed(&world.writer)).unwrap_err();
    assert_eq!(error.reason(), Reason::AgentLost);
    assert_eq!(world.page.identity(), next.identity());
    let late = Page::new(world.directory.path(), &handed(&world.writer)).err().unwrap();
    assert_eq!(late.reason(), Reason::AgentLost);
}

#[test]
fn what_is_no_page_is_not_mapped() {
    let world = World::new();
    let empty = memfd_create("empty", MemfdFlags::CLOEXEC).unwrap();
    let unsealed = memfd_create("unsealed", MemfdFlags::CLOEXEC).unwrap();
    let mut bytes = vec![0; SIZE as usize];
    File::from(handed(&world.writer)).read_exact_at(&mut bytes, 0).unwrap();
    File::from(unsealed.try_clone().unwrap()).write_all_at(&bytes, 0).unwrap();
    let directory = File::open(world.directory.path()).unwrap().into();
    for wrong in [empty, unsealed, directory] {
        assert_eq!(world.page.replace(&wrong).unwrap_err().reason(), Reason::AgentRefuses);
    }
    assert_eq!(world.page.identity(), world.writer.identity());
}

#[test]
fn who_was_handed_a_page_can_neither_write_it_nor_cut_it() {
    let page = File::from(handed(&World::new().writer));
    assert!(page.write_at(&[1], 0).is_err());
    assert!(page.set_len(0).is_err());
    assert_eq!(page.metadata().unwrap().mode() & 0o777, 0o400);
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&page));
    // Root, and the owner after another `chmod`, can open it so.
    let again = File::options().read(true).write(true).open(path);
    assert!(again.is_err() || again.is_ok_and(|page| page.write_at(&[1], 0).is_err()));
}

#[test]
fn time_goes_on_with_the_machine_and_never_back_with_the_clock() {
    let World { writer, page, directory } = World::new();
    let clock = FixedClock::at(1000);
    let boot = clock.boot().unwrap();
    assert_eq!(page.time(&clock), 1000, "of a page that says nothing of time");
    writer.set_ahead(2000 * 1_000_000_000, boot);
    assert_eq!(page.time(&clock), 2000);
    clock.pass(5);
    clock.set(0);
    assert_eq!(page.time(&clock), 2005);
    clock.set(3000);
    assert_eq!(page.time(&clock), 3000);
    writer.set_mark(4000);
    assert_eq!(page.time(&clock), 4000);
    assert_eq!(writer.ahead(boot), Some(2000 * 1_000_000_000));
    drop(writer);
    let next = PageWriter::open(directory.path()).unwrap();
    assert_eq!(next.ahead(boot), Some(2000 * 1_000_000_000));
    clock.reboot();
    assert_eq!(next.ahead(clock.boot().unwrap()), None);
}

#[test]
fn the_file_outlives_its_writer_and_counts_the_starts() {
    let world = World::new();
    let made = std::fs::metadata(world.file()).unwrap();
    let _next = world.next();
    let now = std::fs::metadata(world.file()).unwrap();
    assert_eq!((made.ino(), made.len(), made.mode() & 0o777), (now.ino(), SIZE, 0o600));
    assert_eq!(super::starts(world.directory.path()).unwrap(), 2);
}

#[test]
fn a_file_that_is_not_as_it_should_be_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(NAME);
    std::fs::write(&path, b"short").unwrap();
    assert!(refusal(directory.path()).contains("generations: it has 5 bytes instead of 36864"));
    assert_eq!(std::fs::read(&path).unwrap(), b"short", "a writer repairs nothing");

    std::fs::write(&path, vec![0; SIZE as usize]).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(refusal(directory.path()).contains("not a generation page"));

    std::fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
    assert!(refusal(directory.path()).contains("can write it"));
}

#[test]
fn a_link_in_the_files_place_is_not_followed() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    PageWriter::open(elsewhere.path()).unwrap();
    let link = directory.path().join(NAME);
    std::os::unix::fs::symlink(elsewhere.path().join(NAME), link).unwrap();
    assert!(refusal(directory.path()).contains(NAME));
}
