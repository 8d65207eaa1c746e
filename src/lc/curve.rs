//! The curves of ECDSA and ECDH, over prime fields and of cofactor 1: one row each.

use aws_lc_sys::{
    NID_X9_62_prime256v1, NID_secp224r1, NID_secp256k1, NID_secp384r1, NID_secp521r1,
};
use std::ffi::c_int;

/// A curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// secp224r1.
    P224,
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
    /// secp256k1, as large as P-256.
    Secp256k1,
}

/// Everything that is fixed of a curve.
struct Row {
    /// The size of the field and of the order in bits.
    bits: u64,
    /// The object identifier as DER: RFC 5480, 2.1.1.1, and SEC 2, A.2.
    oid: &'static [u8],
    /// AWS-LC's number.
    nid: c_int,
}

impl Curve {
    /// Every curve there is.
    pub const ALL: &[Self] = &[Self::P224, Self::P256, Self::P384, Self::P521, Self::Secp256k1];

    const fn row(self) -> Row {
        match self {
            Self::P224 => {
                Row { bits: 224, oid: &[0x06, 5, 0x2B, 0x81, 4, 0, 33], nid: NID_secp224r1 }
            }
            Self::P256 => Row {
                bits: 256,
                oid: &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7],
                nid: NID_X9_62_prime256v1,
            },
            Self::P384 => {
                Row { bits: 384, oid: &[0x06, 5, 0x2B, 0x81, 4, 0, 34], nid: NID_secp384r1 }
            }
            Self::P521 => {
                Row { bits: 521, oid: &[0x06, 5, 0x2B, 0x81, 4, 0, 35], nid: NID_secp521r1 }
            }
            Self::Secp256k1 => {
                Row { bits: 256, oid: &[0x06, 5, 0x2B, 0x81, 4, 0, 10], nid: NID_secp256k1 }
            }
        }
    }

    /// The size of a coordinate, and of each half of a signature, in bytes.
    pub const fn size(self) -> usize {
        self.row().bits.div_ceil(8) as usize
    }

    /// The size in bits.
    pub const fn bits(self) -> u64 {
        self.row().bits
    }

    /// Its object identifier as DER.
    pub const fn oid(self) -> &'static [u8] {
        self.row().oid
    }

    /// The curve with that object identifier.
    pub fn named(oid: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|curve| curve.oid() == oid)
    }

    pub(super) const fn nid(self) -> c_int {
        self.row().nid
    }
}
