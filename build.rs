//! The linking of `libkeystead.so`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Unloading would leave thread-local destructors that lead nowhere.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // Another module's `C_` functions, in the same process, must not take the place of ours.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
}
