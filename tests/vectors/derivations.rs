//! Keys derived of keys and of encrypted data: NIST's vectors, and those of
//! the specification.

use crate::client::{Client, Mechanism, Result};
use crate::expect::hex;
use crate::keys::open_secret;
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;

/// The mechanisms that are tried here.
pub const ENCRYPT_DATA: &[CK_MECHANISM_TYPE] =
    &[CKM_AES_ECB_ENCRYPT_DATA, CKM_AES_CBC_ENCRYPT_DATA];
pub const SIMPLE: &[CK_MECHANISM_TYPE] = &[
    CKM_CONCATENATE_BASE_AND_KEY,
    CKM_CONCATENATE_BASE_AND_DATA,
    CKM_CONCATENATE_DATA_AND_BASE,
    CKM_XOR_BASE_AND_DATA,
    CKM_EXTRACT_KEY_FROM_KEY,
];
fn derived(
    client: &Client,
    mechanism: &Mechanism,
    base: CK_OBJECT_HANDLE,
    len: Option<usize>,
) -> Result<Vec<u8>> {
    let key = open_secret(len, |template| client.derive(mechanism, base, template))?;
    Ok(client.value(key))
}

// --- encrypted data, and what is put together ---

/// NIST SP 800-38A, F.1.1 and F.2.1.
#[test]
fn encrypted_data_is_that_of_the_modes() {
    let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
    let data = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    play(|world| {
        let client = Client::new(world);
        let base = client.aes(&key, &[CKA_DERIVE]).unwrap();
        let ecb = CK_KEY_DERIVATION_STRING_DATA {
            pData: data.as_ptr().cast_mut(),
            ulLen: data.len() as CK_ULONG,
        };
        let mechanism = Mechanism::with(CKM_AES_ECB_ENCRYPT_DATA, &ecb);
        let whole = hex("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf");
        assert_eq!(derived(&client, &mechanism, base, None).as_ref(), Ok(&whole));
        assert_eq!(derived(&client, &mechanism, base, Some(20)).as_deref(), Ok(&whole[..20]));
        let iv = std::array::from_fn(|at| at as u8);
        let (data, length) = (data.as_ptr().cast_mut(), data.len() as CK_ULONG);
        let cbc = CK_AES_CBC_ENCRYPT_DATA_PARAMS { iv, pData: data, length };
        let mechanism = Mechanism::with(CKM_AES_CBC_ENCRYPT_DATA, &cbc);
        let whole = hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
        assert_eq!(derived(&client, &mechanism, base, None), Ok(whole));
    });
}

/// The examples in the section of these mechanisms.
#[test]
fn keys_are_put_together_as_the_specification_shows() {
    play(|world| {
        let client = Client::new(world);
        let (base, other) = (hex("01234567"), hex("89abcdef"));
        let key = client.secret(&base).unwrap();
        let data = CK_KEY_DERIVATION_STRING_DATA {
            pData: other.as_ptr().cast_mut(),
            ulLen: other.len() as CK_ULONG,
        };
        for (id, expected) in [
            (CKM_CONCATENATE_BASE_AND_DATA, "0123456789abcdef"),
            (CKM_CONCATENATE_DATA_AND_BASE, "89abcdef01234567"),
            (CKM_XOR_BASE_AND_DATA, "88888888"),
        ] {
            let made = derived(&client, &Mechanism::with(id, &data), key, None);
            assert_eq!(made, Ok(hex(expected)), "{id:#x}");
        }
        let second = client.secret(&other).unwrap();
        let mechanism = Mechanism::with(CKM_CONCATENATE_BASE_AND_KEY, &second);
        assert_eq!(derived(&client, &mechanism, key, None), Ok(hex("0123456789abcdef")));
        let key = client.secret(&hex("329f84a9")).unwrap();
        let bit: CK_ULONG = 21;
        let mechanism = Mechanism::with(CKM_EXTRACT_KEY_FROM_KEY, &bit);
        assert_eq!(derived(&client, &mechanism, key, Some(2)), Ok(hex("9526")));
    });
}
