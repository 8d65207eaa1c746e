//! A token that is copied from: one of another PKCS#11 module, or one of SoftHSM's as it lies in files.

use super::object::SourceObject;
use crate::Failure;
use crate::pin::OtherTokenPin;
use keystead::internal::lc::digest::Hash;
use keystead::internal::lc::rsa::PublicKey;
use std::path::Path;

/// A token that is copied from; its user is logged in, and nothing on it changes.
pub(super) trait Source {
    /// Returns its objects.
    fn objects(&mut self) -> Result<Vec<SourceObject>, Failure>;

    /// Makes the transport key that keys will be wrapped under, and returns it encrypted by OAEP with that hash.
    fn make_transport(&mut self, under: &PublicKey) -> Result<(Hash, Vec<u8>), Failure>;

    /// Returns a key wrapped under the transport key, by each mechanism that can.
    fn wrap(&self, object: &SourceObject) -> Result<Vec<Wrapped>, Failure>;
}

/// A key that was wrapped under the transport key.
pub(super) struct Wrapped {
    /// The mechanism.
    pub(super) mechanism: u64,
    /// The wrapped key.
    pub(super) blob: Vec<u8>,
}

/// The way to a token that is copied from.
pub(super) struct SourceArguments<'a> {
    /// The module, or SoftHSM's directory.
    pub(super) place: &'a Path,
    /// Label or serial number.
    pub(super) token: Option<&'a str>,
    /// The user's PIN there.
    pub(super) pin: &'a OtherTokenPin,
}

impl SourceArguments<'_> {
    /// Returns the only token that is called so, or the only one there is.
    pub(super) fn choose<T>(
        &self,
        tokens: Vec<T>,
        names: impl Fn(&T) -> [String; 2],
    ) -> Result<T, Failure> {
        let there_are: Vec<String> = tokens
            .iter()
            .map(|token| {
                let [label, serial] = names(token);
                format!("{label:?} (serial number {serial})")
            })
            .collect();
        let means =
            |token: &T| self.token.is_none_or(|name| names(token).contains(&name.to_owned()));
        let mut fitting: Vec<T> = tokens.into_iter().filter(means).collect();
        let place = self.place.display();
        match (fitting.pop(), fitting.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(_), false) => {
                Err(Failure::usage(format_args!("{place}: more than one token fits"))
                    .hint(format_args!("choose one with --from-token: {}", there_are.join(", "))))
            }
            (None, _) if there_are.is_empty() => {
                Err(Failure::not_found(format_args!("{place}: there is no token"))
                    .hint("is it the right module, and does it find its configuration?"))
            }
            (None, _) => {
                let name = self.token.unwrap_or_default();
                Err(Failure::not_found(format_args!("{place}: there is no token {name:?}"))
                    .hint(format_args!("there is: {}", there_are.join(", "))))
            }
        }
    }
}
