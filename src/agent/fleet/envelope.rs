//! Envelopes: what a host sends to another through the store, sealed for its envelope key ([`hpke`]) and with a MAC
//! under the fleet key.
//!
//! What is sealed is bound to its purpose: HPKE's `info` is `keystead v1 envelope`, a byte for the kind (1 secrets, 2 a
//! fleet key), fleet, sender and receiver (16 bytes each), batch (u32; 0 for a fleet key) and the number of the receiver's
//! envelope key (u64), integers big endian. The secrets of a batch are pairs of index (1) and secret (32), in ascending
//! order; a fleet key is its number (u32, big endian) and its 32 bytes.

use super::batch::{BatchNumber, cell, index_of};
use super::fleet_key::FleetKey;
use crate::agent::rows::Extras;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::lc::hpke;
use crate::secret::Secret;
use crate::store::cells::{CellNumber, CellSecret};
use serde::{Deserialize, Serialize};

const LABEL: &[u8] = b"keystead v1 envelope";

/// The size of an index with its secret, in bytes.
const ENTRY: usize = 33;

/// An envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EnvelopeRow {
    /// The host that sent it.
    pub(crate) sender: Id,
    /// The number of the receiver's envelope key.
    pub(crate) key_number: u64,
    /// The sealed content.
    pub(crate) sealed: Vec<u8>,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

/// The way of an envelope: it is opened nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// The fleet.
    pub(crate) fleet: Id,
    /// The host that sends it.
    pub(crate) sender: Id,
    /// The host that it is for.
    pub(crate) receiver: Id,
    /// The number of the receiver's envelope key.
    pub(crate) key_number: u64,
}

/// The content of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Secrets(BatchNumber),
    FleetKey,
}

impl Way {
    fn info(&self, kind: Kind) -> Vec<u8> {
        let (kind, batch) = match kind {
            Kind::Secrets(batch) => (1, batch),
            Kind::FleetKey => (2, 0),
        };
        let ids = [self.fleet, self.sender, self.receiver];
        [
            LABEL,
            &[kind],
            &ids.map(|id| *id.bytes()).concat(),
            &batch.to_be_bytes(),
            &self.key_number.to_be_bytes(),
        ]
        .concat()
    }

    fn sealed(&self, kind: Kind, public: &[u8], plain: &Secret) -> Result<EnvelopeRow> {
        let sealed = hpke::seal(public, &self.info(kind), plain.expose())?;
        let (sender, key_number) = (self.sender, self.key_number);
        Ok(EnvelopeRow { sender, key_number, sealed, extras: Vec::new() })
    }

    /// Seals secrets of one batch, in ascending order.
    pub(crate) fn seal_secrets(
        &self,
        batch: BatchNumber,
        secrets: &[(CellNumber, CellSecret)],
        public: &[u8],
    ) -> Result<EnvelopeRow> {
        // As long as it will be from the start: growing would leave a copy behind.
        let mut plain = Secret::new(vec![0; secrets.len() * ENTRY]);
        for ((number, secret), entry) in
            secrets.iter().zip(plain.expose_mut().chunks_exact_mut(ENTRY))
        {
            let (index, place) = entry.split_at_mut(1);
            index.copy_from_slice(&[index_of(*number)]);
            place.copy_from_slice(&***secret);
        }
        self.sealed(Kind::Secrets(batch), public, &plain)
    }

    /// Seals a fleet key.
    pub(crate) fn seal_key(&self, key: &FleetKey, public: &[u8]) -> Result<EnvelopeRow> {
        let mut plain = Secret::new(vec![0; 36]);
        let (number, place) = plain.expose_mut().split_at_mut(4);
        number.copy_from_slice(&key.number().to_be_bytes());
        place.copy_from_slice(&***key.secret());
        self.sealed(Kind::FleetKey, public, &plain)
    }
}

impl EnvelopeRow {
    /// Returns the way of the envelope to this receiver.
    pub(crate) fn way(&self, fleet: Id, receiver: Id) -> Way {
        Way { fleet, sender: self.sender, receiver, key_number: self.key_number }
    }

    fn open(&self, info: &[u8], private: &CellSecret) -> Result<Secret> {
        hpke::open(&***private, info, &self.sealed).map_err(|_| {
            Reason::StoreDamaged
                .detail(format_args!("an envelope of host {} cannot be opened", self.sender))
        })
    }

    /// Returns the secrets of a batch.
    pub(crate) fn open_secrets(
        &self,
        way: &Way,
        batch: BatchNumber,
        private: &CellSecret,
    ) -> Result<Vec<(CellNumber, CellSecret)>> {
        let plain = self.open(&way.info(Kind::Secrets(batch)), private)?;
        let (entries, rest) = plain.expose().as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err(Reason::StoreDamaged.detail("an envelope has a part of a secret"));
        }
        let secret = |entry: &[u8; ENTRY]| {
            let (index, bytes) = entry.split_at(1);
            let mut secret = CellSecret::default();
            secret.copy_from_slice(bytes);
            (cell(batch, index.first().copied().unwrap_or(0)), secret)
        };
        Ok(entries.iter().map(secret).collect())
    }

    /// Returns a fleet key.
    pub(crate) fn open_key(&self, way: &Way, private: &CellSecret) -> Result<FleetKey> {
        let plain = self.open(&way.info(Kind::FleetKey), private)?;
        let Some((number, bytes)) = plain.expose().split_first_chunk::<4>() else {
            return Err(Reason::StoreDamaged.detail("an envelope has no fleet key"));
        };
        let mut secret = CellSecret::default();
        if bytes.len() != secret.len() {
            return Err(Reason::StoreDamaged.detail("an envelope has no fleet key"));
        }
        secret.copy_from_slice(bytes);
        Ok(FleetKey::new(way.fleet, u32::from_be_bytes(*number), secret))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent::fleet::fleet_key::tests::key;
    use zeroize::Zeroizing;

    const WAY: Way = Way {
        fleet: Id::new([5; 16]),
        sender: Id::new([1; 16]),
        receiver: Id::new([2; 16]),
        key_number: 258,
    };

    fn secret(byte: u8) -> CellSecret {
        CellSecret::new(Zeroizing::new([byte; 32]))
    }

    fn secrets() -> Vec<(CellNumber, CellSecret)> {
        vec![(cell(300, 0), secret(7)), (cell(300, 255), secret(8))]
    }

    /// Fleets that exist are read with these: they never change.
    #[test]
    fn what_an_envelope_is_bound_to_is_byte_for_byte_what_the_format_says() {
        let golden = [
            b"keystead v1 envelope\x01",
            &[5; 16][..],
            &[1; 16],
            &[2; 16],
            &[0, 0, 1, 44],
            &[0, 0, 0, 0, 0, 0, 1, 2],
        ]
        .concat();
        assert_eq!(WAY.info(Kind::Secrets(300)), golden);
        assert_eq!(*WAY.info(Kind::FleetKey).get(20).unwrap(), 2);
        let (sealed, extras) = (vec![6; 3], vec![(7, vec![8])]);
        let row = EnvelopeRow { sender: WAY.sender, key_number: 258, sealed, extras };
        let bytes = key().sign(b"e", &row).unwrap();
        let golden = [&[1, 0, 0, 0, 2][..], &[1; 16], &[0x82, 2, 3, 6, 6, 6, 1, 7, 1, 8]];
        assert_eq!(bytes.split_last_chunk::<32>().unwrap().0, golden.concat());
    }

    #[test]
    fn an_envelope_is_opened_on_its_own_way_only() {
        let private = secret(3);
        let public = hpke::public_key(&**private).unwrap();
        let row = WAY.seal_secrets(300, &secrets(), &public).unwrap();
        assert!(row.open_secrets(&WAY, 300, &private).unwrap() == secrets());
        let id = Id::new([9; 16]);
        let others = [
            Way { fleet: id, ..WAY },
            Way { sender: id, ..WAY },
            Way { receiver: id, ..WAY },
            Way { key_number: 1, ..WAY },
        ];
        for other in others {
            assert!(row.open_secrets(&other, 300, &private).is_err());
        }
        assert!(row.open_secrets(&WAY, 301, &private).is_err());
        assert!(row.open_secrets(&WAY, 300, &secret(4)).is_err());
        assert!(row.open_key(&WAY, &private).is_err());
    }

    #[test]
    fn a_fleet_key_arrives_with_its_number() {
        let private = secret(3);
        let row = WAY.seal_key(&key(), &hpke::public_key(&**private).unwrap()).unwrap();
        let arrived = row.open_key(&WAY, &private).unwrap();
        assert_eq!((arrived.number(), arrived.fleet()), (2, WAY.fleet));
        assert!(arrived.secret() == key().secret());
        assert!(row.open_secrets(&WAY, 0, &private).is_err());
    }
}
