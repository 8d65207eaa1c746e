//! Imports: which custom key material goes to, and what it must be.

mod association;
mod target;
mod wraps;

use crate::rig::for_key;
use crate::rig::token::{Token, aes_material};
use crate::rig::wrap::Courier;
use cryptoki::object::{Attribute, ObjectHandle};

const ONE: [u8; 32] = [1; 32];
const TWO: [u8; 32] = [2; 32];

fn import(
    token: &Token,
    material: &[u8],
    template: &[Attribute],
) -> cryptoki::error::Result<ObjectHandle> {
    let courier = Courier::new(token);
    let result = courier.import(token, material, template);
    token.destroy_object(courier.key).unwrap();
    result
}

/// Material for that custom key.
fn target(id: &str) -> Vec<Attribute> {
    [&aes_material()[..], &[for_key(id)]].concat()
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}
