//! The linking of `libkeystead.so`, and the places where it and the program are installed.

use std::env::var;

/// The program, as packages have it.
const PROGRAM: &str = "/usr/bin/keystead";

/// Debian's names of architectures, where they are not Rust's.
const MULTIARCH: [(&str, &str); 4] = [
    ("x86", "i386-linux-gnu"),
    ("arm", "arm-linux-gnueabihf"),
    ("powerpc64", "powerpc64le-linux-gnu"),
    ("riscv64gc", "riscv64-linux-gnu"),
];

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    // Unloading would leave thread-local destructors that lead nowhere.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // Another module's `C_` functions, in the same process, must not take the place of ours.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    fix("KEYSTEAD_INSTALLED_PROGRAM", PROGRAM)?;
    fix("KEYSTEAD_INSTALLED_MODULE", &module())
}

/// Hands the code a variable of the build, which names files of an installation by absolute paths, with `:`
/// between several: the first that is there counts.
fn fix(name: &str, default: &str) -> Result<(), String> {
    println!("cargo:rerun-if-env-changed={name}");
    let paths = var(name).unwrap_or_else(|_| default.to_owned());
    if !paths.split(':').all(|path| path.starts_with('/')) {
        return Err(format!("{name}: {paths:?} is no absolute path"));
    }
    println!("cargo:rustc-env={name}={paths}");
    Ok(())
}

/// The module in the directories where p11-kit looks, of Debian and of Fedora.
fn module() -> String {
    let architecture = var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let known = MULTIARCH.iter().find(|(name, _)| *name == architecture);
    let debian = known.map_or_else(|| format!("{architecture}-linux-gnu"), |it| it.1.to_owned());
    ["lib64", "lib", &format!("lib/{debian}")]
        .iter()
        .rev()
        .map(|folder| format!("/usr/{folder}/pkcs11/libkeystead.so"))
        .collect::<Vec<_>>()
        .join(":")
}
