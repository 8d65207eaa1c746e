//! The parameters of mechanisms that encrypt.

use super::{Parameter, piece, wrong};
use crate::error::Result;
use crate::mechanism::Params;
use pkcs11_sys::*;

/// The length of GMAC's IV where it comes alone, in bytes.
const GMAC_IV: CK_ULONG = 12;

impl Parameter {
    pub(super) fn ctr(&self) -> Result<Params> {
        let ctr = self.structure::<CK_AES_CTR_PARAMS>()?;
        Ok(Params::Ctr { bits: ctr.ulCounterBits, block: ctr.cb })
    }

    /// Reads GCM's parameter. `ulIvBits` is ignored: callers leave it 0, or put something else there than eight times
    /// `ulIvLen`. Callers built with headers from before version 2.40 leave it out.
    pub(super) fn gcm(&self) -> Result<Params> {
        let gcm = match self.len == size_of::<OldGcm>() as CK_ULONG {
            true => self.structure::<OldGcm>()?,
            false => OldGcm::from(self.structure::<CK_GCM_PARAMS>()?),
        };
        // SAFETY: `iv` has `iv_len` bytes and `aad` has `aad_len`: both lengths stand beside the pointers.
        let (iv, aad) = unsafe { (piece(gcm.iv, gcm.iv_len)?, piece(gcm.aad, gcm.aad_len)?) };
        match iv.is_empty() {
            true => Err(wrong("an empty IV")),
            false => Ok(Params::Gcm { iv, aad, tag_bits: gcm.tag_bits }),
        }
    }

    /// Reads GMAC's parameter: GCM's (PKCS#11 3.2, 6.13.6), or the IV alone, as earlier versions have it.
    pub(super) fn gmac(&self) -> Result<Params> {
        match self.len == GMAC_IV {
            true => Ok(Params::Gcm { iv: self.bytes()?, aad: Vec::new(), tag_bits: 128 }),
            false => self.gcm(),
        }
    }

    pub(super) fn ccm(&self) -> Result<Params> {
        let ccm = self.structure::<CK_CCM_PARAMS>()?;
        Ok(Params::Ccm {
            data_len: ccm.ulDataLen,
            // SAFETY: `pNonce` has `ulNonceLen` bytes.
            nonce: unsafe { piece(ccm.pNonce, ccm.ulNonceLen) }?,
            // SAFETY: `pAAD` has `ulAADLen` bytes.
            aad: unsafe { piece(ccm.pAAD, ccm.ulAADLen) }?,
            tag_len: ccm.ulMACLen,
        })
    }

    pub(super) fn chacha(&self) -> Result<Params> {
        let chacha = self.structure::<CK_SALSA20_CHACHA20_POLY1305_PARAMS>()?;
        Ok(Params::ChaCha {
            // SAFETY: `pNonce` has `ulNonceLen` bytes, or bits.
            nonce: unsafe { piece(chacha.pNonce, nonce_bytes(chacha.ulNonceLen)) }?,
            // SAFETY: `pAAD` has `ulAADLen` bytes.
            aad: unsafe { piece(chacha.pAAD, chacha.ulAADLen) }?,
        })
    }
}

c_structures!(
    CK_AES_CTR_PARAMS,
    CK_CCM_PARAMS,
    CK_GCM_PARAMS,
    OldGcm,
    CK_SALSA20_CHACHA20_POLY1305_PARAMS,
);

/// Returns the length of ChaCha20's nonce in bytes: some callers give it in bits.
pub(crate) const fn nonce_bytes(len: CK_ULONG) -> CK_ULONG {
    if len == 96 { 96 / 8 } else { len }
}

/// `CK_GCM_PARAMS` before `ulIvBits` was put in.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct OldGcm {
    iv: *const CK_BYTE,
    iv_len: CK_ULONG,
    aad: *const CK_BYTE,
    aad_len: CK_ULONG,
    tag_bits: CK_ULONG,
}

impl From<CK_GCM_PARAMS> for OldGcm {
    fn from(gcm: CK_GCM_PARAMS) -> Self {
        Self {
            iv: gcm.pIv,
            iv_len: gcm.ulIvLen,
            aad: gcm.pAAD,
            aad_len: gcm.ulAADLen,
            tag_bits: gcm.ulTagBits,
        }
    }
}
