//! Keys that are made of passwords: PKCS#11 3.1, "PKCS #5 PBKD2 key generation".

use super::mac::MAX_MADE;
use super::row::row;
use super::{MechanismRow, Params, ParamsShape};
use crate::error::{Reason, Result};
use crate::lc::pbkdf2;
use crate::secret::Secret;

pub(super) const PBKD2: MechanismRow = MechanismRow {
    key_sizes: (1, MAX_MADE),
    params: ParamsShape::Pbkdf2,
    generate: Some(generate),
    generates_known: true,
    ..row!(CKM_PKCS5_PBKD2)
};

/// The most iterations, for all blocks of a key together: some ten seconds of a processor, as many as the longest
/// vector of RFC 6070 takes. More would look like a process that hangs.
const MOST: u64 = 1 << 24;

fn generate(params: &Params, len: usize) -> Result<Secret> {
    let Params::Pbkdf2 { hash, salt, iterations, password } = params else {
        return Err(Reason::MechanismParam.into());
    };
    if !(1..=MAX_MADE).contains(&(len as u64)) {
        return Err(Reason::KeySizeRange.into());
    }
    let blocks = len.div_ceil(hash.size()) as u64;
    match u32::try_from(*iterations) {
        Ok(count) if count > 0 && iterations.saturating_mul(blocks) <= MOST => {
            pbkdf2::derive(*hash, password, salt, count, len)
        }
        _ => Err(Reason::MechanismParam.detail("the number of iterations")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mechanism::Hash;
    use std::sync::Arc;

    #[test]
    fn what_would_take_for_ever_and_what_makes_no_sense_are_refused() {
        let made = |iterations, len| {
            let password = Arc::new(Secret::from(&b"password"[..]));
            let params =
                Params::Pbkdf2 { hash: Hash::Sha1, salt: b"salt".to_vec(), iterations, password };
            generate(&params, len).map_err(|error| error.reason())
        };
        made(1, 20).unwrap();
        for iterations in [0, MOST + 1, u64::from(u32::MAX) + 2, u64::MAX] {
            assert_eq!(made(iterations, 20), Err(Reason::MechanismParam), "{iterations}");
        }
        assert_eq!(made(MOST, 21), Err(Reason::MechanismParam), "it has two blocks");
        for len in [0, MAX_MADE as usize + 1] {
            assert_eq!(made(1, len), Err(Reason::KeySizeRange), "{len}");
        }
    }
}
