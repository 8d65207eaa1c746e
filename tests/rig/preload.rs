//! Libraries that stand between a program and the C library.

use super::World;
use std::fs;
use std::path::PathBuf;

/// Compiles one, and returns where it is.
pub fn compiled(world: &World, name: &str, source: &str) -> PathBuf {
    let (file, library) = (world.path(format!("{name}.c")), world.path(format!("{name}.so")));
    fs::write(&file, source).unwrap();
    let mut compiler = world.tool("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&file).arg("-ldl");
    assert!(compiler.status().unwrap().success(), "a C compiler");
    library
}
