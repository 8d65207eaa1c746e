//! RSA: key pairs and OAEP, PKCS#11 3.1, "RSA".

use super::row::row;
use super::{Domain, Params, ParamsShape, Row, Transform};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::digest::Hash;
use crate::lc::rsa::{BITS, Oaep, PrivateKey, PublicKey, max_oaep};
use crate::secret::Secret;
use pkcs11_sys::CKK_RSA;

pub(super) const KEY_PAIR_GEN: Row =
    Row { generate_pair: Some(generate), ..rsa(row!(CKM_RSA_PKCS_KEY_PAIR_GEN)) };

pub(super) const OAEP: Row = Row {
    params: ParamsShape::Oaep,
    encrypt: Some(|key, params| Sealing::begin(key, Padding::given(params)?)),
    decrypt: Some(|key, params| Opening::begin(key, Padding::given(params)?)),
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    authenticated: true,
    ..rsa(row!(CKM_RSA_PKCS_OAEP))
};

/// A row for RSA keys, whose sizes the specification counts in bits.
const fn rsa(row: Row) -> Row {
    Row { key_type: Some(CKK_RSA), key_sizes: (*BITS.start(), *BITS.end()), ..row }
}

fn generate(params: &Params, domain: &Domain) -> Result<Parsed> {
    let (Params::None, Domain::Rsa { bits, exponent }) = (params, domain) else {
        return Err(Reason::MechanismParam.into());
    };
    PrivateKey::generate(*bits, exponent).map(Parsed::RsaPrivate)
}

fn wrap(usable: &UsableKey, params: &Params, material: &Secret) -> Result<Vec<u8>> {
    let key = public(usable).map_err(|_| Reason::WrappingKeyType)?;
    key.encrypt_oaep(&Padding::given(params)?.oaep(), material.expose()).map_err(|cause| {
        if cause.reason() == Reason::DataLength { Reason::KeySizeRange.into() } else { cause }
    })
}

fn unwrap(usable: &UsableKey, params: &Params, wrapped: &[u8]) -> Result<Secret> {
    let key = private(usable).map_err(|_| Reason::UnwrappingKeyType)?;
    let padding = match params {
        // pkcs11-tool 0.23 sends none, whatever its options say.
        Params::None => Padding::default(),
        params => Padding::given(params)?,
    };
    match key.decrypt_oaep(&padding.oaep(), wrapped) {
        Ok(material) if !material.is_empty() => Ok(material),
        _ => Err(Reason::WrappedInvalid.into()),
    }
}

fn public(usable: &UsableKey) -> Result<&PublicKey> {
    match &usable.parsed {
        Parsed::RsaPublic(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

fn private(usable: &UsableKey) -> Result<&PrivateKey> {
    match &usable.parsed {
        Parsed::RsaPrivate(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

/// OAEP's parameters, owned.
struct Padding {
    hash: Hash,
    mgf: Hash,
    label: Vec<u8>,
}

impl Default for Padding {
    fn default() -> Self {
        Self { hash: Hash::Sha256, mgf: Hash::Sha256, label: Vec::new() }
    }
}

impl Padding {
    fn given(params: &Params) -> Result<Self> {
        match params {
            Params::Oaep { hash, mgf, label } => {
                Ok(Self { hash: *hash, mgf: *mgf, label: label.clone() })
            }
            _ => Err(Reason::MechanismParam.into()),
        }
    }

    fn oaep(&self) -> Oaep<'_> {
        Oaep { hash: self.hash, mgf: self.mgf, label: &self.label }
    }
}

/// OAEP takes one message; parts of it are gathered up to the most that fits.
struct Gathered {
    bytes: Secret,
    most: usize,
    misfit: Reason,
}

impl Gathered {
    fn add(&mut self, input: &[u8]) -> Result<usize> {
        if self.bytes.len() + input.len() > self.most {
            return Err(self.misfit.into());
        }
        let joined = [self.bytes.expose(), input].concat();
        self.bytes = Secret::new(joined);
        Ok(0)
    }
}

struct Sealing {
    key: UsableKey,
    padding: Padding,
    gathered: Gathered,
}

impl Sealing {
    fn begin(usable: &UsableKey, padding: Padding) -> Result<Box<dyn Transform>> {
        let most = max_oaep(public(usable)?.size(), padding.hash);
        let gathered =
            Gathered { bytes: Secret::new(Vec::new()), most, misfit: Reason::DataLength };
        Ok(Box::new(Self { key: usable.clone(), padding, gathered }))
    }
}

impl Transform for Sealing {
    fn update_len(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8], _output: &mut [u8]) -> Result<usize> {
        self.gathered.add(input)
    }

    fn finish_len(&self) -> usize {
        public(&self.key).map_or(0, PublicKey::size)
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let text = self.gathered.bytes.expose();
        put(&public(&self.key)?.encrypt_oaep(&self.padding.oaep(), text)?, output)
    }

    fn whole_len(&self, _input: usize) -> usize {
        self.finish_len()
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        put(&public(&self.key)?.encrypt_oaep(&self.padding.oaep(), input)?, output)
    }
}

struct Opening {
    key: UsableKey,
    padding: Padding,
    gathered: Gathered,
}

impl Opening {
    fn begin(usable: &UsableKey, padding: Padding) -> Result<Box<dyn Transform>> {
        let most = private(usable)?.size();
        let bytes = Secret::new(Vec::new());
        let gathered = Gathered { bytes, most, misfit: Reason::EncryptedLength };
        Ok(Box::new(Self { key: usable.clone(), padding, gathered }))
    }

    fn open(&self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let key = private(&self.key)?;
        if input.len() != key.size() {
            return Err(Reason::EncryptedLength.into());
        }
        put(key.decrypt_oaep(&self.padding.oaep(), input)?.expose(), output)
    }
}

impl Transform for Opening {
    fn update_len(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8], _output: &mut [u8]) -> Result<usize> {
        self.gathered.add(input)
    }

    fn finish_len(&self) -> usize {
        max_oaep(self.gathered.most, self.padding.hash)
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.open(self.gathered.bytes.expose(), output)
    }

    fn whole_len(&self, _input: usize) -> usize {
        self.finish_len()
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.open(input, output)
    }
}

fn put(bytes: &[u8], output: &mut [u8]) -> Result<usize> {
    output.get_mut(..bytes.len()).ok_or(Reason::BufferTooSmall)?.copy_from_slice(bytes);
    Ok(bytes.len())
}
