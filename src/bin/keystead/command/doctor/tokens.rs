//! Checks of the tokens of a store: their names, the tries left for their PINs, the aliases of their keys.

use super::Arguments;
use super::finding::{Finding, note, problem, well};
use crate::client::SessionMode;
use crate::explain::{self, NOBODY_UNLOCKS, Named, OFFICER_LOCKED};
use crate::keys::ListedKey;
use crate::{Failure, Global, serving};
use keystead::internal::config::Config;
use keystead::internal::token::{PIN_TRIES, Slots, TokenInfo};

/// Returns the findings about the tokens.
pub(super) fn examine(
    global: &Global,
    config: &Config,
    tokens: &[(u64, String, TokenInfo)],
) -> Vec<Finding> {
    if tokens.is_empty() {
        return vec![note("token", "there is none", "`keystead init LABEL` makes one")];
    }
    let mut findings = Vec::new();
    for (slot, label, info) in tokens {
        if info.read_only {
            let message = format_args!(
                "{}: its records cannot be opened, and their snapshot is served: {label:?} can only be read",
                config.store
            );
            let end = serving::end_it(&config.directory);
            let hint = format!("{end}, then `keystead recover` goes on from the snapshot");
            findings.push(problem("token", Failure::new(message).hint(hint)));
        }
        let namesakes = tokens.iter().filter(|(_, other, _)| other == label);
        let serials: Vec<&str> = namesakes.map(|(.., other)| other.serial.as_str()).collect();
        let (serial, ambiguous) = (&info.serial, serials.len() > 1);
        let named = Named { slot: *slot, label, serial, ambiguous };
        if named.ambiguous && serials.first() == Some(&info.serial.as_str()) {
            findings.push(note(
                "token",
                format!("{} tokens are called {label:?}", serials.len()),
                format!("name one by its serial number: {}", serials.join(", ")),
            ));
        }
        let pins = pins(global, named, info);
        if pins.is_empty() {
            findings.push(well("token", format!("{label:?} (serial number {})", info.serial)));
        }
        findings.extend(pins);
    }
    findings
}

/// Returns the findings about a token's PINs.
fn pins(global: &Global, named: Named<'_>, info: &TokenInfo) -> Vec<Finding> {
    let (officer_wrong, user_wrong) = info.wrong;
    let officer_locked = officer_wrong >= PIN_TRIES;
    let set = match officer_locked {
        true => NOBODY_UNLOCKS.to_owned(),
        false => {
            let command = explain::set_user_pin(global, named);
            format!("the security officer sets a new one: `{command}`")
        }
    };
    let label = named.label;
    let of = |whose: &str, wrong: u8, mend: &str| match PIN_TRIES.saturating_sub(wrong) {
        PIN_TRIES => None,
        0 => {
            let message = format_args!("the {whose} PIN of {label:?} is locked");
            Some(problem("token", Failure::new(message).hint(mend)))
        }
        left => {
            let tries = if left == 1 { "one try is" } else { &format!("{left} tries are") };
            let said = format!("{tries} left for the {whose} PIN of {label:?}");
            Some(note("token", said, "the right PIN starts the count anew"))
        }
    };
    let officer = of("security officer's", officer_wrong, OFFICER_LOCKED);
    let user = match info.user_pin_set {
        true => of("user's", user_wrong, &set),
        false => Some(note("token", format!("{label:?} has no user PIN yet"), set)),
    };
    officer.into_iter().chain(user).collect()
}

impl Arguments {
    /// PKCS#11 lets several keys have one alias; this program then wants their key IDs.
    pub(super) fn aliases(&self, global: &Global) -> Vec<Finding> {
        let keys =
            self.token.log_in(global, SessionMode::ReadOnly).and_then(|it| ListedKey::all(&it));
        let keys = match keys {
            Ok(keys) => keys,
            Err(failure) => return vec![problem("keys", failure)],
        };
        let same = |one: &ListedKey, other: &ListedKey| one.shown.alias == other.shown.alias;
        let several = keys.chunk_by(same).filter(|keys| keys.len() > 1);
        let mut findings: Vec<Finding> = several
            .map(|keys| {
                let ids: Vec<&str> = keys.iter().map(|key| key.shown.key_id.as_str()).collect();
                let alias = keys.first().map_or("", |key| &key.shown.alias);
                let said = format!("{} custom keys are called \"{alias}\"", ids.len());
                let mend = format!("`keystead rename` gives one another alias: {}", ids.join(", "));
                note("keys", said, mend)
            })
            .collect();
        if findings.is_empty() {
            findings.push(well("keys", "each custom key has its own alias".to_owned()));
        }
        findings
    }
}

/// Returns slot, label and the rest of what is known of each token.
pub(super) fn tokens(
    slots: &Slots,
) -> keystead::internal::error::Result<Vec<(u64, String, TokenInfo)>> {
    let mut tokens = Vec::new();
    for slot in slots.list()? {
        let info = slots.info(slot)?;
        tokens.extend(info.label.clone().map(|label| (slot, label, info)));
    }
    Ok(tokens)
}
