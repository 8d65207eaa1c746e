//! The hot calls, a fixed number of times each, between two marks at which callgrind begins and ends a row.

use crate::module::{Module, Outcome};
use crate::operations::OPERATIONS;
use std::hint::black_box;
use std::path::Path;

/// The calls of each row that are counted, behind some that are not: what is made once is made by then.
pub const CALLS: u64 = 100;
const FIRST: u64 = 10;

/// The row that no session is open for.
const INITIALISED: &str = "initialised and finalised";

/// The PIN of every token that the benchmark makes, of its user and of its security officer.
pub const PIN: &str = "benchmark-1234";

/// Makes a token in the module's store, which has none yet, and goes through the rows. Prints the processor's features
/// as this process sees them, then the name of each row.
pub fn hot(module: &Path) -> Outcome<()> {
    println!("{}", features().join(" "));
    let module = Module::load(module)?;
    module.make_token(PIN)?;
    module.initialize()?;
    let session = module.log_in(PIN)?;
    for row in OPERATIONS.iter().filter(|row| row.counted) {
        let mut operation =
            (row.prepare)(session).map_err(|error| format!("{}: {error}", row.name))?;
        count(row.name, &mut |times| operation(times).map(drop))?;
    }
    module.finalize()?;
    count(INITIALISED, &mut |times| {
        (0..times).try_for_each(|_| module.initialize().and_then(|()| module.finalize()))
    })
}

fn count(name: &str, run: &mut dyn FnMut(u64) -> Outcome<()>) -> Outcome<()> {
    run(FIRST)?;
    hot_row_begins();
    run(CALLS)?;
    hot_row_ends();
    println!("{name}");
    Ok(())
}

/// Marks where callgrind sets its count to zero.
#[inline(never)]
fn hot_row_begins() {
    black_box("begins");
}

/// Marks where callgrind writes its count to a file.
#[inline(never)]
fn hot_row_ends() {
    black_box("ends");
}

/// Returns those features of the processor by which code is chosen at run time: AWS-LC's, the C library's.
fn features() -> Vec<&'static str> {
    macro_rules! detected {
        ($macro:ident: $($name:tt)*) => {
            [$(($name, std::arch::$macro!($name))),*]
        };
    }
    #[cfg(target_arch = "x86_64")]
    let known = detected!(is_x86_feature_detected:
        "ssse3" "sse4.1" "sse4.2" "popcnt" "movbe" "aes" "pclmulqdq" "sha" "avx" "avx2" "fma" "bmi1" "bmi2" "adx"
        "rdrand" "rdseed" "vaes" "vpclmulqdq" "avx512f" "avx512bw" "avx512vl" "avx512ifma");
    #[cfg(target_arch = "aarch64")]
    let known = detected!(is_aarch64_feature_detected:
        "neon" "aes" "pmull" "sha2" "sha3" "crc" "lse" "dit" "rand" "sve");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let known: [(&str, bool); 0] = [];
    known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}
