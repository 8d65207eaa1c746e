//! `keystead tokens`: the slots of a store, and the tokens in them. It needs no PIN.

use crate::client::TokenChoice;
use crate::output::{self, printable};
use crate::uri::Uri;
use crate::{Failure, Global};
use cryptoki::slot::{Slot, TokenInfo};
use serde_json::{Value, json};

/// List the slots and the tokens in them, without a PIN
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenChoice,
}

const HEADER: [&str; 5] = ["SLOT", "LABEL", "SERIAL", "USER PIN", "SO PIN"];

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let slots = self.token.all(global)?;
        match global.json {
            true => output::json(&slots.iter().map(told).collect::<Vec<Value>>()),
            false => {
                let rows: Vec<_> = slots.iter().map(row).collect();
                output::text(output::table(HEADER, &rows, &[]))
            }
        }
    }
}

fn told((slot, info): &(Slot, TokenInfo)) -> Value {
    match info.token_initialized() {
        false => json!({ "slot": slot.id(), "initialized": false }),
        true => json!({
            "slot": slot.id(), "initialized": true, "label": info.label(),
            "serial": info.serial_number(), "user_pin": user_pin(info), "so_pin": so_pin(info),
            "read_only": info.write_protected(), "uri": Uri::of_token(info).to_string(),
        }),
    }
}

fn row((slot, info): &(Slot, TokenInfo)) -> [String; HEADER.len()] {
    match info.token_initialized() {
        true => [
            slot.id().to_string(),
            printable(info.label()),
            info.serial_number().to_owned(),
            user_pin(info).to_owned(),
            so_pin(info).to_owned(),
        ],
        false => [&slot.id().to_string(), "free", "", "", ""].map(str::to_owned),
    }
}

fn user_pin(info: &TokenInfo) -> &'static str {
    match () {
        () if info.user_pin_locked() => "locked",
        () if !info.user_pin_initialized() => "not set",
        () if info.user_pin_final_try() => "one try left",
        () if info.user_pin_count_low() => "wrong lately",
        () => "set",
    }
}

fn so_pin(info: &TokenInfo) -> &'static str {
    match () {
        () if info.so_pin_locked() => "locked",
        () if info.so_pin_final_try() => "one try left",
        () if info.so_pin_count_low() => "wrong lately",
        () => "set",
    }
}
