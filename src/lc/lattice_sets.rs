//! The parameter sets of ML-KEM (FIPS 203) and ML-DSA (FIPS 204), and the sizes that follow from each.

use aws_lc_sys::*;
use std::ffi::c_int;

/// An algorithm on module lattices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Key encapsulation: FIPS 203.
    MlKem,
    /// Signatures: FIPS 204.
    MlDsa,
}

/// A parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Set {
    /// ML-KEM-512.
    MlKem512,
    /// ML-KEM-768.
    MlKem768,
    /// ML-KEM-1024.
    MlKem1024,
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

/// The numbers of a parameter set; sizes are in bytes.
struct Numbers {
    nid: c_int,
    oid: &'static [u8],
    public: usize,
    expanded: usize,
}

impl Set {
    /// Every set there is.
    pub const ALL: &[Self] = &[
        Self::MlKem512,
        Self::MlKem768,
        Self::MlKem1024,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    const fn numbers(self) -> Numbers {
        let (nid, oid, public, expanded): (_, &[u8], _, _) = match self {
            Self::MlKem512 => (NID_MLKEM512, b"\x60\x86\x48\x01\x65\x03\x04\x04\x01", 800, 1632),
            Self::MlKem768 => (NID_MLKEM768, b"\x60\x86\x48\x01\x65\x03\x04\x04\x02", 1184, 2400),
            Self::MlKem1024 => (NID_MLKEM1024, b"\x60\x86\x48\x01\x65\x03\x04\x04\x03", 1568, 3168),
            Self::MlDsa44 => (NID_MLDSA44, b"\x60\x86\x48\x01\x65\x03\x04\x03\x11", 1312, 2560),
            Self::MlDsa65 => (NID_MLDSA65, b"\x60\x86\x48\x01\x65\x03\x04\x03\x12", 1952, 4032),
            Self::MlDsa87 => (NID_MLDSA87, b"\x60\x86\x48\x01\x65\x03\x04\x03\x13", 2592, 4896),
        };
        Numbers { nid, oid, public, expanded }
    }

    /// The algorithm that it is a set of.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::MlKem512 | Self::MlKem768 | Self::MlKem1024 => Algorithm::MlKem,
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => Algorithm::MlDsa,
        }
    }

    /// The size of a public key, in bytes.
    pub const fn public_size(self) -> usize {
        self.numbers().public
    }

    /// The size of an expanded private key, in bytes.
    pub const fn expanded_size(self) -> usize {
        self.numbers().expanded
    }

    /// The size of the seed of a private key, in bytes: d and z, or ξ.
    pub const fn seed_size(self) -> usize {
        match self.algorithm() {
            Algorithm::MlKem => 64,
            Algorithm::MlDsa => 32,
        }
    }

    /// The contents of its object identifier.
    pub(super) const fn oid(self) -> &'static [u8] {
        self.numbers().oid
    }

    /// The set with these contents of an object identifier.
    pub(super) fn named(oid: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|set| set.oid() == oid)
    }

    /// The library's number of it.
    pub(super) const fn nid(self) -> c_int {
        self.numbers().nid
    }

    /// The set that the library knows by that number.
    pub(super) fn numbered(nid: c_int) -> Option<Self> {
        Self::ALL.iter().copied().find(|set| set.nid() == nid)
    }

    /// The library's number of keys of its algorithm.
    pub(super) const fn key_id(self) -> c_int {
        match self.algorithm() {
            Algorithm::MlKem => EVP_PKEY_KEM,
            Algorithm::MlDsa => EVP_PKEY_PQDSA,
        }
    }
}
