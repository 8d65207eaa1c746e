//! Objects as PKCS#11 sees them: attribute tables and their one interpreter.

pub mod template;

pub use template::{Attribute, Template};
