//! The records that a connection may see and change, by the login that it has proved to a token.

use crate::key::{Event, Header, Role};

/// The login that a connection has proved to one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing: public objects are seen, but no secret or private key, and nothing is changed.
    Public,
    /// The security officer's login: the same, public keys too. Public objects are changed, and what is
    /// said of public custom keys.
    Officer,
    /// The user's login.
    User,
}

impl Access {
    /// Returns whether a record is found and read.
    pub(crate) fn sees(self, header: &Header) -> bool {
        match self {
            Self::Public => !header.private && !header.holds_key(),
            Self::Officer => !header.private,
            Self::User => true,
        }
    }

    /// Returns whether a record may be changed from `old` to `new`, one of which may be missing, by `event`.
    pub(crate) fn changes(
        self,
        old: Option<&Header>,
        new: Option<&Header>,
        event: Option<&Event>,
    ) -> bool {
        match self {
            Self::Public => false,
            Self::Officer => {
                let custom = |header: &&Header| matches!(header.role, Role::CustomKey(_));
                let mut headers = old.into_iter().chain(new);
                headers.clone().all(|header| !header.private)
                    && (!headers.any(|header| custom(&header)) || event == Some(&Event::Describe))
            }
            Self::User => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Access::{Officer, Public, User};
    use super::*;
    use crate::id::Id;
    use crate::key::{Fingerprint, KeyState};

    fn header(private: bool, role: Role) -> Header {
        Header { private, role, expiry: None, tags: Vec::new() }
    }

    fn roles() -> [(Role, bool); 4] {
        let (key, fingerprint) = (Id::new([1; 16]), Fingerprint([2; 32]));
        [
            (Role::Object { holds_key: false }, false),
            (Role::Object { holds_key: true }, true),
            (Role::CustomKey(KeyState::generated(fingerprint)), false),
            (Role::Material { key, version: 1, fingerprint }, true),
        ]
    }

    #[test]
    fn a_record_that_holds_a_key_is_seen_after_a_login_and_a_private_one_by_the_user() {
        for (role, holds_key) in roles() {
            for private in [false, true] {
                let header = header(private, role.clone());
                assert_eq!(Public.sees(&header), !private && !holds_key, "{header:?}");
                assert_eq!(Officer.sees(&header), !private, "{header:?}");
                assert!(User.sees(&header));
            }
        }
    }

    #[test]
    fn nobody_changes_anything_and_the_officer_nothing_private() {
        for (role, _) in roles() {
            for (old, new) in [(false, false), (false, true), (true, false), (true, true)] {
                let (before, after) = (header(old, role.clone()), header(new, role.clone()));
                let by =
                    |access: Access, old, new| access.changes(old, new, Some(&Event::Describe));
                for (old, new) in
                    [(Some(&before), Some(&after)), (Some(&before), None), (None, Some(&after))]
                {
                    let private = [old, new].iter().flatten().any(|header| header.private);
                    assert!(!by(Public, old, new));
                    assert_eq!(by(Officer, old, new), !private);
                    assert!(by(User, old, new));
                }
            }
        }
    }

    #[test]
    fn the_officer_only_describes_a_custom_key() {
        let custom = header(false, Role::CustomKey(KeyState::awaiting_import()));
        for event in [Event::Create, Event::DeleteMaterial, Event::Enable(false)] {
            assert!(!Officer.changes(Some(&custom), Some(&custom), Some(&event)), "{event:?}");
        }
        assert!(!Officer.changes(None, Some(&custom), None));
    }
}
