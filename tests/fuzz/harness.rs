//! The parts that the targets of fuzzing share: the replay of a corpus in every test run, and libFuzzer's loop in the
//! build that `tests/fuzz/run` makes.

use std::fs;
use std::path::PathBuf;

/// A function that is given any bytes, and panics where a property does not hold.
pub(crate) struct Target {
    /// The name, which is also that of its corpus below `tests/fuzz/corpus`.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
}

/// Runs each target on every file of its corpus, and says on which one a property does not hold.
pub(crate) fn replay(targets: &[Target]) {
    for target in targets {
        let folder = corpora().join(target.name);
        let mut files: Vec<PathBuf> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        for file in files {
            let input = fs::read(&file).unwrap();
            let held = std::panic::catch_unwind(|| (target.run)(&input));
            assert!(held.is_ok(), "{} does not hold for {}", target.name, file.display());
        }
    }
}

fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

/// Gives the process to libFuzzer where `tests/fuzz/run` asks for it: `KEYSTEAD_FUZZ` is its command line, a word a
/// line, with the target's name before it. Any panic ends the process, also one that the code would have contained.
#[cfg(fuzzing)]
pub(crate) fn fuzz(targets: &'static [Target]) {
    use std::ffi::{CString, c_char, c_int};
    use std::sync::OnceLock;

    use libfuzzer_sys as _;

    static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

    unsafe extern "C" {
        fn LLVMFuzzerRunDriver(
            argc: *mut c_int,
            argv: *mut *mut *mut c_char,
            run: extern "C" fn(*const u8, usize) -> c_int,
        ) -> c_int;
    }

    extern "C" fn run(data: *const u8, length: usize) -> c_int {
        // SAFETY: libFuzzer gives `length` bytes, at a place that is never NULL but where there are none.
        let input = match length {
            0 => &[][..],
            _ => unsafe { std::slice::from_raw_parts(data, length) },
        };
        RUN.get().unwrap()(input);
        0
    }

    let asked = std::env::var("KEYSTEAD_FUZZ").unwrap();
    let mut words = asked.split('\n');
    let name = words.next().unwrap();
    let Some(target) = targets.iter().find(|target| target.name == name) else {
        targets.iter().for_each(|target| println!("target {}", target.name));
        return;
    };
    RUN.get_or_init(|| target.run);
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the default, which libFuzzer replaces; where Rust's own handler is, it sets none, and the input that
        // ended the process would be lost.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let words: Vec<CString> = words.map(|word| CString::new(word).unwrap()).collect();
    let mut pointers: Vec<*mut c_char> =
        words.iter().map(|word| word.as_ptr().cast_mut()).collect();
    let mut count = c_int::try_from(pointers.len()).unwrap();
    pointers.push(std::ptr::null_mut());
    let mut place = pointers.as_mut_ptr();
    // SAFETY: the words and the list of them, which ends with NULL, live as long as the process.
    let status = unsafe { LLVMFuzzerRunDriver(&mut count, &mut place, run) };
    std::process::exit(status);
}
