//! The secrets of TLS 1.2: PKCS#11 3.1, "SSL" and "TLS 1.2 Mechanisms"; RFC 5246, 5705 and 7627.

use super::derive_params::KeySizes;
use super::mac::{MAX_MADE, MAX_SECRET};
use super::one_shot::{Accumulator, Compare, Compute};
use super::row::row;
use super::{Hash, MechanismRow, Params, ParamsShape, Protections, Tells};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::{random, tls_prf};
use crate::secret::Secret;
use pkcs11_sys::*;
use subtle::ConstantTimeEq;

/// The length of a master secret, and of a premaster secret that RSA transports, in bytes.
const MASTER: usize = 48;

/// PKCS#11 3.1's, which `pkcs11-sys` does not have yet.
const EXTENDED_ID: u64 = 0x56;
const EXTENDED_DH_ID: u64 = 0x57;

/// The labels that TLS itself derives by, which no exporter's begins with (RFC 5705, 4; RFC 7627, 4).
const RESERVED: [&[u8]; 5] = [
    b"client finished",
    b"server finished",
    b"master secret",
    b"extended master secret",
    b"key expansion",
];

/// The shortest verification data of a Finished message, in bytes (RFC 5246, 7.4.9).
const SHORTEST_MAC: u64 = 12;

/// The longest input of a Finished message's MAC, which is a digest.
const MAX_INPUT: usize = 1 << 20;

pub(super) const SSL3_PRE_MASTER_KEY_GEN: MechanismRow =
    premaster_row(row!(CKM_SSL3_PRE_MASTER_KEY_GEN));

pub(super) const PRE_MASTER_KEY_GEN: MechanismRow = premaster_row(row!(CKM_TLS_PRE_MASTER_KEY_GEN));

pub(super) const MASTER_KEY_DERIVE: MechanismRow =
    transported(ParamsShape::TlsMaster, row!(CKM_TLS12_MASTER_KEY_DERIVE));

pub(super) const MASTER_KEY_DERIVE_DH: MechanismRow =
    agreed(ParamsShape::TlsMaster, row!(CKM_TLS12_MASTER_KEY_DERIVE_DH));

pub(super) const EXTENDED_MASTER_KEY_DERIVE: MechanismRow = transported(
    ParamsShape::TlsExtendedMaster,
    MechanismRow::new(EXTENDED_ID, "CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE"),
);

pub(super) const EXTENDED_MASTER_KEY_DERIVE_DH: MechanismRow = agreed(
    ParamsShape::TlsExtendedMaster,
    MechanismRow::new(EXTENDED_DH_ID, "CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH"),
);

pub(super) const KEY_AND_MAC_DERIVE: MechanismRow =
    keys_row(ParamsShape::TlsKeys, row!(CKM_TLS12_KEY_AND_MAC_DERIVE));

/// The same without IVs, whatever the parameter says.
pub(super) const KEY_SAFE_DERIVE: MechanismRow =
    keys_row(ParamsShape::TlsKeysWithoutIvs, row!(CKM_TLS12_KEY_SAFE_DERIVE));

pub(super) const KDF: MechanismRow = export_row(row!(CKM_TLS_KDF));

/// An older name of the same.
pub(super) const TLS12_KDF: MechanismRow = export_row(row!(CKM_TLS12_KDF));

pub(super) const MAC: MechanismRow = mac_row(row!(CKM_TLS_MAC));

/// An older name of the same.
pub(super) const TLS12_MAC: MechanismRow = mac_row(row!(CKM_TLS12_MAC));

const fn of_secret(row: MechanismRow) -> MechanismRow {
    MechanismRow { key_type: Some(CKK_GENERIC_SECRET), key_sizes: (1, MAX_SECRET), ..row }
}

const fn premaster_row(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        key_sizes: (MASTER as u64, MASTER as u64),
        params: ParamsShape::Version,
        generate: Some(premaster),
        ..of_secret(row)
    }
}

const fn master_row(params: ParamsShape, row: MechanismRow) -> MechanismRow {
    MechanismRow {
        key_sizes: (MASTER as u64, MASTER as u64),
        params,
        tells: Tells::Nothing,
        protections: Protections::Own,
        confines_to: &[
            CKM_TLS12_KEY_AND_MAC_DERIVE,
            CKM_TLS12_KEY_SAFE_DERIVE,
            CKM_TLS_KDF,
            CKM_TLS_MAC,
            CKM_TLS12_KDF,
            CKM_TLS12_MAC,
        ],
        ..of_secret(row)
    }
}

const fn transported(params: ParamsShape, row: MechanismRow) -> MechanismRow {
    MechanismRow { derive: Some(master_of_transported), ..master_row(params, row) }
}

const fn agreed(params: ParamsShape, row: MechanismRow) -> MechanismRow {
    MechanismRow { derive: Some(master_of_agreed), ..master_row(params, row) }
}

const fn keys_row(params: ParamsShape, row: MechanismRow) -> MechanismRow {
    MechanismRow {
        params,
        derive_several: Some(|key, params, _| keys(key, params).map_err(|failure| (None, failure))),
        tells: Tells::Nothing,
        ..of_secret(row)
    }
}

const fn export_row(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        params: ParamsShape::TlsExport,
        derive: Some(export),
        tells: Tells::Nothing,
        protections: Protections::Kept,
        ..of_secret(row)
    }
}

const fn mac_row(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        params: ParamsShape::TlsMac,
        signs_messages: true,
        sign: Some(|key, params| {
            let finished = Finished::new(key, params)?;
            let (input, len) = (Finished::input(), finished.len);
            Ok(Box::new(Compute::new(input, len, move |digest| finished.mac(digest))))
        }),
        verify: Some(|key, params| {
            let finished = Finished::new(key, params)?;
            Ok(Box::new(Compare::new(Finished::input(), move |digest, mac| {
                finished.verify(digest, mac)
            })))
        }),
        ..of_secret(row)
    }
}

fn value(usable: &UsableKey) -> Result<&[u8]> {
    match &usable.parsed {
        Parsed::Generic(key) => Ok(key.expose()),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

/// Generates the secret that a client transports: the version that it offers, and random bytes.
fn premaster(params: &Params, len: usize) -> Result<Secret> {
    let Params::Version(version) = params else { return Err(Reason::MechanismParam.into()) };
    if len != MASTER {
        return Err(Reason::KeySizeRange.into());
    }
    let mut secret = random::secret(len)?;
    secret.expose_mut().iter_mut().zip(version).for_each(|(byte, version)| *byte = *version);
    Ok(secret)
}

fn master_of_transported(
    usable: &UsableKey,
    _: Option<&Secret>,
    params: &Params,
    len: usize,
) -> Result<Secret> {
    match value(usable)?.len() {
        MASTER => master(usable, params, len),
        _ => Err(Reason::KeySizeRange.into()),
    }
}

/// A secret that was agreed on holds no version.
fn master_of_agreed(
    usable: &UsableKey,
    _: Option<&Secret>,
    params: &Params,
    len: usize,
) -> Result<Secret> {
    match params {
        Params::TlsMaster { tells_version: true, .. } => {
            Err(Reason::MechanismParam.detail("a secret that was agreed on holds no version"))
        }
        _ => master(usable, params, len),
    }
}

fn master(usable: &UsableKey, params: &Params, len: usize) -> Result<Secret> {
    let secret = value(usable)?;
    let Params::TlsMaster { hash, seed, extended, .. } = params else {
        return Err(Reason::MechanismParam.into());
    };
    let label: &[u8] = if *extended { b"extended master secret" } else { b"master secret" };
    match len {
        0 | MASTER => tls_prf::derive(*hash, secret, label, seed, MASTER),
        _ => Err(Reason::KeySizeRange.detail("a master secret has 48 bytes")),
    }
}

/// Derives the keys of the MACs, the keys of the ciphers and the IVs: of each the client's and the server's.
fn keys(usable: &UsableKey, params: &Params) -> Result<Vec<Secret>> {
    let Params::TlsKeys { hash, seed, sizes: KeySizes { mac, key, iv } } = params else {
        return Err(Reason::MechanismParam.into());
    };
    let sizes = [*mac, *mac, *key, *key, *iv, *iv];
    let block = tls_prf::derive(*hash, value(usable)?, b"key expansion", seed, sizes.iter().sum())?;
    let mut rest = block.expose();
    let parts = sizes.iter().map(|&size| {
        let (part, after) = rest.split_at_checked(size).ok_or(Reason::General)?;
        rest = after;
        Ok(Secret::from(part))
    });
    parts.collect()
}

fn export(usable: &UsableKey, _: Option<&Secret>, params: &Params, len: usize) -> Result<Secret> {
    let value = value(usable)?;
    let Params::TlsExport { hash, label, seed } = params else {
        return Err(Reason::MechanismParam.into());
    };
    // The function takes both as one: what a label leaves out, the seed could begin with.
    let input = [&label[..], seed].concat();
    if RESERVED.iter().any(|reserved| input.starts_with(reserved)) {
        return Err(Reason::MechanismParam.detail("a label that TLS itself derives by"));
    }
    match len {
        0 => Err(Reason::TemplateIncomplete.detail("CKA_VALUE_LEN is missing")),
        len if len as u64 > MAX_MADE => Err(Reason::KeySizeRange.into()),
        len => tls_prf::derive(*hash, value, label, seed, len),
    }
}

/// The MAC of a Finished message.
struct Finished {
    key: UsableKey,
    hash: Hash,
    label: &'static [u8],
    len: usize,
}

impl Finished {
    fn new(key: &UsableKey, params: &Params) -> Result<Self> {
        value(key)?;
        let &Params::TlsMac { hash, len, of_server } = params else {
            return Err(Reason::MechanismParam.into());
        };
        if !(SHORTEST_MAC..=MAX_MADE).contains(&len) {
            return Err(Reason::MechanismParam.detail("the MAC's length"));
        }
        let label: &[u8] = if of_server { b"server finished" } else { b"client finished" };
        Ok(Self { key: key.clone(), hash, label, len: len as usize })
    }

    fn input() -> Accumulator {
        Accumulator::message(MAX_INPUT, Reason::DataLength)
    }

    fn mac(&self, digest: &[u8]) -> Result<Secret> {
        tls_prf::derive(self.hash, value(&self.key)?, self.label, digest, self.len)
    }

    fn verify(&self, digest: &[u8], mac: &[u8]) -> Result<()> {
        if mac.len() != self.len {
            return Err(Reason::SignatureLength.into());
        }
        match self.mac(digest)?.expose().ct_eq(mac).into() {
            true => Ok(()),
            false => Err(Reason::SignatureInvalid.into()),
        }
    }
}
