//! Numbers, points and names of curves as clients write them: in any of their forms they are the same.

mod curves;
mod rsa_keys;
mod told;

use crate::rig::token::Token;
use cryptoki::error::Result;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use keystead::internal::lc::ec::{Curve, PrivateKey};
use keystead::internal::lc::rsa::{self, Components};

const EDWARDS: [&[u8]; 2] = [&[6, 3, 0x2B, 0x65, 0x70], b"\x13\x0Cedwards25519"];
const MONTGOMERY: [&[u8]; 2] = [&[6, 3, 0x2B, 0x65, 0x6E], b"\x13\x0Acurve25519"];
const MESSAGE: &[u8] = b"what is signed";

fn components(bits: u64) -> Components {
    rsa::PrivateKey::generate(bits, &[1, 0, 1]).unwrap().components().unwrap()
}

fn signs(token: &Token, mechanism: &Mechanism, private: ObjectHandle, modulus: &[u8]) {
    let signature = token.sign(mechanism, private, MESSAGE).unwrap();
    let public = [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::RSA),
        Attribute::Modulus(modulus.to_vec()),
        Attribute::PublicExponent(vec![1, 0, 1]),
    ];
    let public = token.create_object(&public).unwrap();
    token.verify(mechanism, public, MESSAGE, &signature).unwrap();
    token.destroy_object(public).unwrap();
}

/// A key on a curve, whose bare point begins like an OCTET STRING as long as the rest where it can.
fn looks_like_der(curve: Curve) -> PrivateKey {
    let length = (2 * curve.size() - 1) as u8;
    loop {
        let key = PrivateKey::generate(curve).unwrap();
        let point = key.public().unwrap().point().to_vec();
        // On P-521 the second byte is 0 or 1.
        if point[1] == length || curve == Curve::P521 {
            return key;
        }
    }
}

fn ec_pair(token: &Token, by: &Mechanism, name: &[u8]) -> (ObjectHandle, ObjectHandle) {
    token.generate_key_pair(by, &[Attribute::EcParams(name.to_vec())], &[]).unwrap()
}

fn public(token: &Token, key_type: KeyType, name: &[u8], point: &[u8]) -> Result<ObjectHandle> {
    token.create_object(&[
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(key_type),
        Attribute::EcParams(name.to_vec()),
        Attribute::EcPoint(point.to_vec()),
    ])
}

fn point_of(token: &Token, public: ObjectHandle) -> Vec<u8> {
    match &token.get_attributes(public, &[AttributeType::EcPoint]).unwrap()[..] {
        [Attribute::EcPoint(point)] => point.clone(),
        other => panic!("a public key without its point: {other:?}"),
    }
}

fn octets(point: &[u8]) -> Vec<u8> {
    enclosed(4, point)
}

fn bits(point: &[u8]) -> Vec<u8> {
    enclosed(3, &[&[0], point].concat())
}

fn enclosed(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u8;
    let head: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    [head, content].concat()
}
