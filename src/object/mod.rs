//! Objects as PKCS#11 sees them: attribute tables and their one interpreter.

pub(crate) mod association;
pub(crate) mod attributes;
pub(crate) mod build;
pub(crate) mod creation;
pub(crate) mod curves;
pub(crate) mod custom;
pub(crate) mod implied;
pub(crate) mod import_only;
pub(crate) mod json;
pub(crate) mod kind;
pub(crate) mod kinds;
pub(crate) mod known_curves;
pub(crate) mod lattices;
pub(crate) mod marks;
pub(crate) mod points;
pub(crate) mod properties;
pub(crate) mod property;
pub(crate) mod request;
pub(crate) mod rule;
pub(crate) mod rules;
pub(crate) mod template;
pub(crate) mod template_check;
pub(crate) mod trust;
pub(crate) mod values;
pub(crate) mod vendor;
pub(crate) mod words;

pub use attributes::Attributes;
pub(crate) use creation::Creation;
pub(crate) use request::VendorRequest;
pub(crate) use template::{Attribute, Template};
