//! A key type the token keeps: what a row of [`super::kinds`] says, and how a key's public half is told.

use super::attributes::Attributes;
use crate::error::{Reason, Result};
use crate::key::{Parsed, Usage};
use crate::lc;
use crate::lc::lattice::Set;
use crate::secret::Secret;
use pkcs11_sys::*;

/// One class and type of key.
pub struct Kind {
    /// Its name in JSON and on the command line.
    pub name: &'static str,
    /// `CKA_CLASS`.
    pub class: u64,
    /// `CKA_KEY_TYPE`.
    pub key_type: u64,
    /// The sizes it comes in, in bits.
    pub sizes: Sizes,
    /// The usages that a key has whose template names none.
    pub usages: &'static [Usage],
    /// Reads material, or the attributes that a public key consists of, into the form its mechanisms use.
    pub parse: fn(&Secret, &Attributes) -> Result<Parsed>,
    /// Checks the attributes that follow from a key, and fills in those that are missing.
    pub describe: fn(&Parsed, &mut Attributes) -> Result<()>,
}

impl Kind {
    /// Reads material and fills in the attributes that follow from it; returns the key, ready for use.
    pub fn read(&self, material: &Secret, attributes: &mut Attributes) -> Result<Parsed> {
        let key = (self.parse)(material, attributes)?;
        (self.describe)(&key, attributes)?;
        Ok(key)
    }

    /// Reads a public key, which consists of its attributes, and fills in those that are missing.
    pub fn read_public(&self, attributes: &mut Attributes) -> Result<Parsed> {
        self.read(&Secret::new(Vec::new()), attributes)
    }

    /// Returns the name of keys of that size: a parameter set has one of its own.
    pub fn called(&self, bits: u64) -> &'static str {
        let set = self.sets().iter().find(|set| set.bits() == bits);
        set.map_or(self.name, |set| set.name)
    }

    /// Returns the name of keys of that size with the size, where that is known.
    pub fn sized(&self, bits: u64) -> String {
        match (bits, self.sets()) {
            (0, _) => self.name.to_owned(),
            (_, []) => format!("{}-{bits}", self.name),
            _ => self.called(bits).to_owned(),
        }
    }

    /// Returns the names that say the most of keys of this type: those of its parameter sets, or its own.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let own = self.sets().is_empty().then_some(self.name);
        own.into_iter().chain(self.sets().iter().map(|set| set.name))
    }

    /// Returns the parameter sets that it comes in; none where it comes in sizes.
    pub fn sets(&self) -> &'static [ParameterSet] {
        match self.sizes {
            Sizes::Sets(sets) => sets,
            _ => &[],
        }
    }

    /// Returns the bytes that material is known by: of a private key its public half, since the same key has several
    /// encodings (an RSA key's factors in either order, its exponent modulo λ(n) or φ(n)). Keys on lattices have
    /// secrets that do not follow from their public halves (the one of implicit rejection, the one that signatures
    /// are drawn with): the second of what is returned, of theirs the expanded key, which the seed determines.
    pub fn identity(&self, material: &Secret) -> Result<(Secret, Option<Secret>)> {
        if self.class != CKO_PRIVATE_KEY {
            return Ok((material.duplicate(), None));
        }
        let key = (self.parse)(material, &Attributes::default())?;
        let rest = match &key {
            Parsed::LatticePrivate(key) => Some(key.expanded()?),
            _ => None,
        };
        Ok((Secret::new(key.public_spki()?), rest))
    }

    /// Returns which of two forms of the same material is kept: the one that is kept already, unless the other
    /// has the seed of it.
    pub fn fuller(&self, kept: &Secret, again: &Secret) -> Result<Secret> {
        let parsed = |material| (self.parse)(material, &Attributes::default());
        if !self.sets().is_empty()
            && let (Parsed::LatticePrivate(kept), Parsed::LatticePrivate(again)) =
                (parsed(kept)?, parsed(again)?)
            && again.is_seed_of(&kept)?
        {
            return again.to_pkcs8();
        }
        Ok(kept.duplicate())
    }

    /// Returns a key's material in the one form in which it is kept.
    pub fn canonical(&self, material: Secret, key: &Parsed) -> Result<Secret> {
        match self.class {
            CKO_PRIVATE_KEY => key.to_pkcs8(),
            _ => Ok(material),
        }
    }
}

/// The sizes a kind of key comes in, in bits.
pub enum Sizes {
    /// These alone.
    These(&'static [u64]),
    /// Whole bytes from the first to the second.
    Bytes(u64, u64),
    /// All from the first to the second.
    Bits(u64, u64),
    /// Those of the public keys of these parameter sets.
    Sets(&'static [ParameterSet]),
}

/// A parameter set that keys of a type come in.
pub struct ParameterSet {
    /// Its name in JSON and on the command line.
    pub name: &'static str,
    /// `CKA_PARAMETER_SET`.
    pub number: u64,
    /// The set itself.
    pub set: Set,
}

impl ParameterSet {
    /// Returns the size of a public key in bits, by which keys of the set are known.
    pub const fn bits(&self) -> u64 {
        8 * self.set.public_size() as u64
    }
}

impl Sizes {
    /// Returns the sizes of whole bytes, in bytes.
    pub fn in_bytes(&self) -> impl Iterator<Item = usize> {
        let (least, most) = match self {
            Self::These(sizes) => {
                (sizes.first().copied().unwrap_or(0), sizes.last().copied().unwrap_or(0))
            }
            Self::Bits(least, most) | Self::Bytes(least, most) => (*least, *most),
            Self::Sets(_) => (1, 0),
        };
        let bytes = least.div_ceil(8)..=most / 8;
        bytes
            .filter(|bytes| self.contain(bytes * 8))
            .filter_map(|bytes| usize::try_from(bytes).ok())
    }

    /// Returns the one size that there is, where there is but one.
    pub fn only(&self) -> Option<u64> {
        match self {
            Self::These([size]) => Some(*size),
            _ => None,
        }
    }

    /// Returns whether a key can have this size.
    pub fn contain(&self, bits: u64) -> bool {
        match self {
            Self::These(sizes) => sizes.contains(&bits),
            Self::Sets(sets) => sets.iter().any(|set| set.bits() == bits),
            Self::Bits(least, most) => (*least..=*most).contains(&bits),
            Self::Bytes(least, most) => (*least..=*most).contains(&bits) && bits.is_multiple_of(8),
        }
    }
}

/// Checks that a `CKA_PUBLIC_KEY_INFO` that the template gave is the key's, in whatever encoding, and sets
/// it; an empty one says nothing.
pub(crate) fn public_key_info(computed: &[u8], attributes: &mut Attributes) -> Result<()> {
    let given = attributes.bytes(CKA_PUBLIC_KEY_INFO).filter(|given| !given.is_empty());
    let same = given.is_none_or(|given| {
        given == computed || lc::spki::canonical(given).is_ok_and(|given| given == computed)
    });
    if !same {
        return Err(Reason::AttributeValue.detail("CKA_PUBLIC_KEY_INFO is another key's"));
    }
    attributes.set(CKA_PUBLIC_KEY_INFO, computed);
    Ok(())
}
