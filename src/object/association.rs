//! The fingerprint that a custom key keeps of a private key's rest: of all that does not follow from its public half.
//!
//! The agent knows material by its public half alone, so that no two custom keys have one. Material of the same public
//! half and another rest is other material: the module sees to that, for the fingerprint stands in the sealed metadata,
//! as a property by this number, which no template gives and no object shows.

use crate::error::{Reason, Result};
use crate::key::{Fingerprint, Metadata, Numbered};

/// The number of the property.
const REST: u64 = u64::MAX - 5;

/// Returns the fingerprint, if there is one.
pub(crate) fn of_rest(metadata: &Metadata) -> Option<Fingerprint> {
    let property = metadata.numbered.iter().find(|property| property.number == REST)?;
    property.value.as_slice().try_into().ok().map(Fingerprint)
}

/// Notes the fingerprint of material that a custom key is imported with: `OtherMaterial` where it has another.
pub(crate) fn note_rest(metadata: &mut Metadata, rest: Option<Fingerprint>) -> Result<()> {
    match (of_rest(metadata), rest) {
        (Some(known), Some(rest)) if known != rest => return Err(Reason::OtherMaterial.into()),
        (None, Some(rest)) => {
            let value = rest.0.to_vec();
            metadata.numbered.push(Numbered { number: REST, searched: false, value });
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn the_rest_is_noted_once_and_compared_from_then_on() {
        let mut metadata = Metadata::new(Id::new([1; 16]), 3, 4, 0);
        let [one, other] = [[1; 32], [2; 32]].map(Fingerprint);
        note_rest(&mut metadata, None).unwrap();
        assert_eq!(of_rest(&metadata), None);
        for _ in 0..2 {
            note_rest(&mut metadata, Some(one)).unwrap();
            assert_eq!((of_rest(&metadata), metadata.numbered.len()), (Some(one), 1));
        }
        let refusal = note_rest(&mut metadata, Some(other)).unwrap_err();
        assert_eq!((refusal.reason(), of_rest(&metadata)), (Reason::OtherMaterial, Some(one)));
    }
}
