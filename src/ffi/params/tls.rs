//! The parameters of TLS 1.2's mechanisms, and the places for what they give back.

use super::{Parameter, RequestedMechanism, hash, piece, wrong};
use crate::error::{Error, Result};
use crate::ffi::buffer::OutPtr;
use crate::mechanism::{KeySizes, Params, ParamsShape};
use pkcs11_sys::*;

/// The longest random data of one side, context, and label, in bytes; TLS has 32, 65535 and 255.
const MAX_DATA: usize = 1 << 16;

/// The longest key or IV of one side, in bits.
const MAX_BITS: CK_ULONG = 4096;

/// PKCS#11 3.1's, which `pkcs11-sys` does not have yet.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, non_snake_case)]
pub(super) struct CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS {
    pub(super) prfHashMechanism: CK_MECHANISM_TYPE,
    pub(super) pSessionHash: CK_BYTE_PTR,
    pub(super) ulSessionHashLen: CK_ULONG,
    pub(super) pVersion: CK_VERSION_PTR,
}

impl Parameter {
    pub(super) fn version(&self) -> Result<Params> {
        let version = self.structure::<CK_VERSION>()?;
        Ok(Params::Version([version.major, version.minor]))
    }

    pub(super) fn tls_master(&self) -> Result<Params> {
        let given = self.structure::<CK_TLS12_MASTER_KEY_DERIVE_PARAMS>()?;
        // SAFETY: both sides' random data have the lengths beside them.
        let [client, server] = unsafe { random(given.RandomInfo) }?;
        Ok(Params::TlsMaster {
            hash: hash(given.prfHashMechanism)?,
            seed: [client, server].concat(),
            extended: false,
            tells_version: !given.pVersion.is_null(),
        })
    }

    pub(super) fn tls_extended_master(&self) -> Result<Params> {
        let given = self.structure::<CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS>()?;
        // SAFETY: `pSessionHash` has `ulSessionHashLen` bytes.
        let seed = unsafe { short(given.pSessionHash, given.ulSessionHashLen) }?;
        Ok(Params::TlsMaster {
            hash: hash(given.prfHashMechanism)?,
            seed: seed.ok_or_else(|| wrong("the session's hash"))?,
            extended: true,
            tells_version: !given.pVersion.is_null(),
        })
    }

    pub(super) fn tls_keys(&self, with_ivs: bool) -> Result<Params> {
        let given = self.structure::<CK_TLS12_KEY_MAT_PARAMS>()?;
        // SAFETY: both sides' random data have the lengths beside them.
        let [client, server] = unsafe { random(given.RandomInfo) }?;
        if given.bIsExport != CK_FALSE {
            return Err(wrong("TLS 1.2 has no keys for export"));
        }
        Ok(Params::TlsKeys {
            hash: hash(given.prfHashMechanism)?,
            seed: [server, client].concat(),
            sizes: KeySizes {
                mac: bytes(given.ulMacSizeInBits)?,
                key: bytes(given.ulKeySizeInBits)?,
                iv: if with_ivs { bytes(given.ulIVSizeInBits)? } else { 0 },
            },
        })
    }

    /// Reads the parameter of RFC 5705's exporter, where no context is another than an empty one.
    pub(super) fn tls_export(&self) -> Result<Params> {
        let given = self.structure::<CK_TLS_KDF_PARAMS>()?;
        // SAFETY: both sides' random data, the label and the context have the lengths beside them.
        let ([client, server], label, context) = unsafe {
            (
                random(given.RandomInfo)?,
                short(given.pLabel, given.ulLabelLength)?,
                short(given.pContextData, given.ulContextDataLength)?,
            )
        };
        let context = context.map(|context| {
            let len = u16::try_from(context.len()).map_err(|_| wrong("the context's length"))?;
            Ok::<_, Error>([&len.to_be_bytes()[..], &context].concat())
        });
        Ok(Params::TlsExport {
            hash: hash(given.prfMechanism)?,
            label: label.ok_or_else(|| wrong("the label"))?,
            seed: [client, server, context.transpose()?.unwrap_or_default()].concat(),
        })
    }

    pub(super) fn tls_mac(&self) -> Result<Params> {
        let given = self.structure::<CK_TLS_MAC_PARAMS>()?;
        let of_server = match given.ulServerOrClient {
            1 => true,
            2 => false,
            _ => return Err(wrong("neither the server's nor the client's")),
        };
        let hash = hash(given.prfHashMechanism)?;
        Ok(Params::TlsMac { hash, len: given.ulMacLength, of_server })
    }
}

c_structures!(
    CK_VERSION,
    CK_TLS12_MASTER_KEY_DERIVE_PARAMS,
    CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS,
    CK_TLS12_KEY_MAT_PARAMS,
    CK_TLS_KDF_PARAMS,
    CK_TLS_MAC_PARAMS,
);

/// Reads the random data of both sides, the client's first.
///
/// # Safety
/// Each pointer is NULL or valid for reads of as many bytes as the length beside it says.
unsafe fn random(given: CK_SSL3_RANDOM_DATA) -> Result<[Vec<u8>; 2]> {
    // SAFETY: `pClientRandom` has `ulClientRandomLen` bytes, `pServerRandom` has `ulServerRandomLen`.
    let [client, server] = unsafe {
        [
            short(given.pClientRandom, given.ulClientRandomLen)?,
            short(given.pServerRandom, given.ulServerRandomLen)?,
        ]
    };
    let there = |data: Option<Vec<u8>>| {
        data.filter(|data| !data.is_empty()).ok_or_else(|| wrong("the random data"))
    };
    Ok([there(client)?, there(server)?])
}

/// Copies bytes that a structure points to; none where it points to none.
///
/// # Safety
/// `start` is NULL or valid for reads of `len` bytes.
unsafe fn short(start: *const CK_BYTE, len: CK_ULONG) -> Result<Option<Vec<u8>>> {
    if start.is_null() && len == 0 {
        return Ok(None);
    }
    // SAFETY: this function asks the same of `start` and `len`.
    let bytes = unsafe { piece(start, len) }?;
    match bytes.len() > MAX_DATA {
        true => Err(wrong("a piece of it is too long")),
        false => Ok(Some(bytes)),
    }
}

/// Returns a size in whole bytes.
fn bytes(bits: CK_ULONG) -> Result<usize> {
    match bits <= MAX_BITS && bits.is_multiple_of(8) {
        true => Ok((bits / 8) as usize),
        false => Err(wrong("a size in bits")),
    }
}

impl RequestedMechanism {
    /// Returns the place for the version of a premaster secret, if the caller has one.
    pub(in crate::ffi) fn version_place(&self) -> Result<Option<OutPtr<CK_VERSION>>> {
        let version = match self.row.params {
            ParamsShape::TlsExtendedMaster => {
                self.parameter.structure::<CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS>()?.pVersion
            }
            _ => self.parameter.structure::<CK_TLS12_MASTER_KEY_DERIVE_PARAMS>()?.pVersion,
        };
        match version.is_null() {
            true => Ok(None),
            // SAFETY: not NULL, so the caller has a version there, which is written by this pointer alone.
            false => unsafe { OutPtr::new(version) }.map(Some),
        }
    }

    /// Takes the places that the caller has for the keys of a connection.
    pub(in crate::ffi) fn key_places(&self) -> Result<KeyPlaces> {
        let given = self.parameter.structure::<CK_TLS12_KEY_MAT_PARAMS>()?;
        // SAFETY: `pReturnedKeyMaterial` is NULL or the caller's own structure.
        let out = unsafe { OutPtr::new(given.pReturnedKeyMaterial) }
            .map_err(|_| wrong("no place for the keys"))?;
        let now = out.read();
        let ivs = [now.pIVClient, now.pIVServer];
        let iv = match self.mechanism.params {
            Params::TlsKeys { sizes, .. } => sizes.iv,
            _ => 0,
        };
        match iv > 0 && ivs.iter().any(|iv| iv.is_null()) {
            true => Err(wrong("no place for the IVs")),
            false => Ok(KeyPlaces { out, ivs, iv }),
        }
    }
}

/// The places for the keys and the IVs of a connection.
pub(in crate::ffi) struct KeyPlaces {
    out: OutPtr<CK_SSL3_KEY_MAT_OUT>,
    ivs: [*mut CK_BYTE; 2],
    /// The size of an IV, in bytes: that of the room at each pointer, none of which is NULL unless it is 0.
    iv: usize,
}

impl KeyPlaces {
    /// Writes the handles, of the client's and the server's MACs and then of their ciphers, and the IVs.
    pub(in crate::ffi) fn write(&self, handles: [CK_OBJECT_HANDLE; 4], ivs: &[Vec<u8>; 2]) {
        for (place, iv) in self.ivs.iter().zip(ivs) {
            if self.iv > 0 && iv.len() == self.iv {
                // SAFETY: `key_places` found the place, and the caller has room there for an IV of this size.
                unsafe { place.copy_from_nonoverlapping(iv.as_ptr(), iv.len()) };
            }
        }
        let [client_mac, server_mac, client, server] = handles;
        self.out.write(CK_SSL3_KEY_MAT_OUT {
            hClientMacSecret: client_mac,
            hServerMacSecret: server_mac,
            hClientKey: client,
            hServerKey: server,
            ..self.out.read()
        });
    }
}
