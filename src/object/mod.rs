//! Objects as PKCS#11 sees them: attribute tables and their one interpreter.

pub mod template;
pub mod vendor;

pub use template::{Attribute, Template};
