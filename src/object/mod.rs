//! Objects as PKCS#11 sees them: attribute tables and their one interpreter.

pub mod attributes;
pub mod build;
pub mod creation;
pub mod curves;
pub mod custom;
pub mod implied;
pub mod import_only;
pub mod json;
pub mod kind;
pub mod kinds;
pub mod marks;
pub mod points;
pub mod properties;
pub mod property;
pub mod request;
pub mod rule;
pub mod rules;
pub mod template;
pub mod template_check;
pub mod values;
pub mod vendor;
pub mod words;

pub use attributes::Attributes;
pub use creation::Creation;
pub use request::VendorRequest;
pub use template::{Attribute, Template};
