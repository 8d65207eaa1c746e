//! Invitations. A host that serves makes a code of 128 random bits, a person carries it to the host that is to join, and
//! the two know each other by it: what one writes for the other has a MAC under a key that comes from the code. It is used
//! once, within its time, and not after an expulsion.
//!
//! The code is shown as 36 hexadecimal digits in groups of four: its 16 bytes, and the first two of SHA-256 over
//! `keystead v1 invitation` and them, against slips. HKDF-SHA-256(code, no salt, info = `keystead v1 invitation`, fleet)
//! gives 48 bytes: the invitation's name, and its key. Rows have the format of [`fleet_key`](super::fleet_key), a joiner's
//! request under key number 0.

use super::fleet_key::FleetKey;
use super::host_store::HostStore;
use super::hosts::HostsRow;
use super::joining::{Joiner, list_by};
use super::keys;
use super::state::{again, key_of};
use crate::agent::rows::Extras;
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::secret::Secret;
use crate::store::cells::CellSecret;
use crate::store::{self, Batch, Condition, Pair};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const LABEL: &[u8] = b"keystead v1 invitation";

/// The bytes of a code, and of the sum behind it.
const CODE: usize = 16;
const SUM: usize = 2;

/// An invitation, as the hosts of the fleet keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InvitationRow {
    /// The second from which on it does not count any more.
    pub(crate) expires: Seconds,
    /// The invitation's key, encrypted under the fleet key.
    pub(crate) key: Vec<u8>,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

/// The request of a host that is to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RequestRow {
    host: Id,
    name: String,
    public_key: Vec<u8>,
    extras: Extras,
}

/// A code that introduces two hosts to each other.
pub(crate) struct Code(Secret);

impl Code {
    /// Returns a random one.
    fn random() -> Result<Self> {
        let mut code = Secret::new(vec![0; CODE]);
        aws_lc_rs::rand::fill(code.expose_mut()).map_err(|_| Reason::General)?;
        Ok(Self(code))
    }

    /// Reads a code as a person has typed it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let digits: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|it| !matches!(it, '-' | ' ')).collect());
        let bytes = base16ct::mixed::decode_vec(digits.as_bytes()).map(Zeroizing::new);
        match bytes.as_deref().map(|bytes| bytes.split_at_checked(CODE)) {
            Ok(Some((code, sum))) if *sum == Self::sum(code) => Ok(Self(Secret::from(code))),
            _ => Err(Reason::ArgumentsBad.detail(
                "this is no code of an invitation: it has nine groups of four hexadecimal digits",
            )),
        }
    }

    /// Returns the code as it is shown.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new([self.0.expose(), &Self::sum(self.0.expose())].concat());
        let digits = Zeroizing::new(base16ct::lower::encode_string(&bytes));
        let groups: Vec<&str> =
            (0..digits.len()).step_by(4).filter_map(|at| digits.get(at..at + 4)).collect();
        Zeroizing::new(groups.join("-"))
    }

    fn sum(code: &[u8]) -> [u8; SUM] {
        let digest = Sha256::new().chain_update(LABEL).chain_update(code).finalize();
        let mut sum = [0; SUM];
        sum.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        sum
    }

    /// Returns the key by which the two hosts know each other, of which `host` is one.
    pub(super) fn introduction(&self, host: &dyn HostStore) -> Result<FleetKey> {
        Ok(self.derived(host.slots().identity.store)?.1)
    }

    /// Returns the name of the invitation in a fleet, and the key by which the two hosts know each other.
    fn derived(&self, fleet: Id) -> Result<([u8; 16], FleetKey)> {
        let mut derived = Zeroizing::new([0; 48]);
        let info = [LABEL, fleet.bytes()].concat();
        Hkdf::<Sha256>::new(None, self.0.expose())
            .expand(&info, &mut *derived)
            .map_err(|_| Reason::General)?;
        let (mut name, mut key) = ([0; 16], CellSecret::default());
        name.iter_mut()
            .chain(key.iter_mut())
            .zip(derived.iter())
            .for_each(|(to, from)| *to = *from);
        Ok((name, FleetKey::new(fleet, 0, key)))
    }
}

/// Invites a host: returns the code that counts for so many seconds, and the second from which on it does not.
pub(crate) fn invite(host: &dyn HostStore, seconds: Seconds) -> Result<(Code, Seconds)> {
    again(|| write_invitation(host, seconds))
}

fn write_invitation(host: &dyn HostStore, seconds: Seconds) -> Result<(Code, Seconds)> {
    let (key, code) = (key_of(host)?, Code::random()?);
    let (list, same_list) = HostsRow::read(host.rows(), &key)?;
    list.check_enrolled(host.fleet_cells()?.host())?;
    let (name, introduction) = code.derived(key.fleet())?;
    let at = keys::invitation(name);
    let expires = host.time().saturating_add(seconds);
    let row = InvitationRow {
        expires,
        key: key.encrypt(&at, introduction.secret())?,
        extras: Vec::new(),
    };
    let conditions = vec![same_list, Condition::Absent(at.clone())];
    let writes = vec![(at.clone(), Some(key.sign(&at, &row)?))];
    host.commit(&Batch { conditions, writes })?;
    Ok((code, expires))
}

/// Asks the fleet to let this host join, under the code. Returns the key by which its answer is known.
pub(crate) fn request(host: &dyn HostStore, code: &Code, name: &str) -> Result<FleetKey> {
    let (invitation, introduction) = code.derived(host.slots().identity.store)?;
    let (at, invited) = (keys::request(invitation), keys::invitation(invitation));
    let Some(row) = host.rows().get(&invited)? else { return Err(unknown()) };
    let Joiner { host: me, name, public_key } = Joiner::of(host, name)?;
    let request = RequestRow { host: me, name, public_key, extras: Vec::new() };
    let conditions = vec![Condition::Equals(invited, row), Condition::Absent(at.clone())];
    let writes = vec![(at.clone(), Some(introduction.sign(&at, &request)?))];
    match host.commit(&Batch { conditions, writes }) {
        Err(error) if error.reason() == Reason::Conflict => Err(unknown()),
        committed => committed.map(|_| introduction),
    }
}

/// Returns true where this host has asked under the code, and was not answered yet.
pub(super) fn has_asked(host: &dyn HostStore, code: &Code) -> Result<bool> {
    Ok(own_request(host, code)?.is_some())
}

/// Takes back what this host has asked under the code. Returns false where it has been answered meanwhile.
pub(super) fn withdraw(host: &dyn HostStore, code: &Code) -> Result<bool> {
    let Some((at, row)) = own_request(host, code)? else { return Ok(false) };
    let conditions = vec![Condition::Equals(at.clone(), row)];
    match host.commit(&Batch { conditions, writes: vec![(at, None)] }) {
        Err(error) if error.reason() == Reason::Conflict => Ok(false),
        committed => committed.map(|_| true),
    }
}

fn own_request(host: &dyn HostStore, code: &Code) -> Result<Option<Pair>> {
    let (invitation, introduction) = code.derived(host.slots().identity.store)?;
    let at = keys::request(invitation);
    let Some(row) = host.rows().get(&at)? else { return Ok(None) };
    let asked: RequestRow = introduction.verify(&at, &row, "the request of a host")?;
    let me = host.fleet_cells()?.host();
    Ok((asked.host == me).then_some((at, row)))
}

/// Lists the hosts that have asked to join under a code that counts, and returns their names. A request that is not by the
/// code, or comes too late, is removed with its invitation.
pub(crate) fn admit(host: &dyn HostStore) -> Result<Vec<String>> {
    let (key, mut requests, mut admitted) = (key_of(host)?, Vec::new(), Vec::new());
    store::each(host.rows(), keys::REQUEST_PREFIX, |at, row| {
        requests.push((at.to_vec(), row.to_vec()));
        Ok(true)
    })?;
    for (at, row) in requests {
        let Some(name) = keys::request_name(&at) else { continue };
        let invited = keys::invitation(name);
        let invitation = host.rows().get(&invited)?;
        let asked = read(host, &key, (&at, &row), (&invited, invitation.as_deref()));
        let listed = asked.and_then(|(joiner, introduction)| {
            let invitation = invitation.unwrap_or_default();
            let used = [(at.clone(), row), (invited.clone(), invitation)];
            list_by(host, &joiner, &introduction, &used).map(|()| joiner.name)
        });
        match listed {
            Ok(name) => admitted.push(name),
            // Another host was faster.
            Err(_) if host.rows().get(&at)?.is_none() => {}
            Err(error) if error.reason() == Reason::StoreUnavailable => return Err(error),
            Err(error) => {
                log::warn!("a host is not let join: {error}");
                let (conditions, writes) = (Vec::new(), vec![(at, None), (invited, None)]);
                host.commit(&Batch { conditions, writes })?;
            }
        }
    }
    Ok(admitted)
}

/// Returns the host that has asked, and the key by which the two know each other.
fn read(
    host: &dyn HostStore,
    key: &FleetKey,
    (at, request): (&[u8], &[u8]),
    (invited, invitation): (&[u8], Option<&[u8]>),
) -> Result<(Joiner, FleetKey)> {
    let Some(invitation) = invitation else { return Err(void("it has been used")) };
    let row: InvitationRow = key.verify(invited, invitation, "an invitation")?;
    if row.expires <= host.time() {
        return Err(void("its time is over"));
    }
    let introduction = FleetKey::new(key.fleet(), 0, key.decrypt(invited, &row.key)?);
    let asked: RequestRow = introduction.verify(at, request, "the request of a host")?;
    let RequestRow { host, name, public_key, .. } = asked;
    Ok((Joiner { host, name, public_key }, introduction))
}

fn unknown() -> Error {
    void("it has been used, or is another fleet's")
}

fn void(why: &str) -> Error {
    Reason::ArgumentsBad.detail(format_args!("the code of the invitation does not count: {why}"))
}
