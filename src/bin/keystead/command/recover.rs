//! `keystead recover`: mends a store's cell file, and goes on with a store that has lost acknowledged commits.

use crate::failure::DOCTOR;
use crate::{Failure, Global, output, serving};
use keystead::internal::agent::{Claim, Recovered, claim, recover};
use keystead::internal::store::cells::PIN_CELLS;
use serde_json::{Value, json};

/// Mend a damaged store as far as it can be, and accept what it has lost
///
/// Where the records were damaged, or put back alone, the agent refuses the store, or serves its snapshot to be
/// read. This goes on from whichever of the two has more. A damaged byte in `slots` is put right; of what
/// cannot be told any more it says what is lost. Key material that was erased stays erased, and wrong PINs
/// stay counted.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = global.store()?;
        let directory = &config.directory;
        serving::make_files_private();
        let Claim::Ours(lock) = claim(directory)? else {
            let again = |hint: &str| format!("{hint}, then again `keystead recover`");
            return Err(serving::in_use(directory).with_hint(again));
        };
        let lock = lock.with_records(config.store);
        let recovered = recover(&lock).map_err(|error| hopeless(error.into()))?;
        if global.json {
            return output::done_json(&report(recovered.unwrap_or_default()));
        }
        match recovered {
            None => output::text("nothing is lost, and nothing was changed\n"),
            Some(recovered) => output::text(text(&recovered)).map_err(output::though_done),
        }
    }
}

/// A failure whose hint names neither this command, which has been tried, nor `keystead doctor`, which would
/// name this command.
fn hopeless(failure: Failure) -> Failure {
    match failure.advises("`keystead recover`") || failure.advises(DOCTOR) {
        true => failure.hint(
            "this cannot be mended: restore the store's directory as a whole from a backup, or `keystead \
             restore` puts one into an empty directory",
        ),
        false => failure,
    }
}

fn report(recovered: Recovered) -> Value {
    let Recovered { upgraded, commits, erased, from_snapshot, mended, head, lost } = recovered;
    let mended: Vec<Value> = mended
        .iter()
        .map(|damage| json!({ "cell": damage.cell, "as_it_was": damage.is_mendable() }))
        .collect();
    let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
    json!({
        "upgraded": upgraded, "lost_commits": commits, "erased": erased, "from_snapshot": from_snapshot,
        "cells_begin_anew": head, "mended": mended, "lost_material": lost,
    })
}

fn text(recovered: &Recovered) -> String {
    let Recovered { upgraded, commits, erased, from_snapshot, mended, head, lost } = recovered;
    let mut lines = Vec::new();
    if *upgraded {
        lines.push("the store of an earlier build has this build's format now".to_owned());
    }
    if *head {
        lines.push(
            "cell file: its beginning was lost, and is written anew from the snapshot".to_owned(),
        );
    }
    for damage in mended {
        lines.push(match damage.is_mendable() {
            true => format!("cell file: cell {} is as it was before it was damaged", damage.cell),
            false => format!("cell file: {damage}"),
        });
    }
    if mended.iter().any(|it| !it.is_mendable() && PIN_CELLS.contains(&it.cell)) {
        lines.push(
            "a token's count of wrong PINs is lost: its officer has one try, and then sets a new user PIN"
                .to_owned(),
        );
    }
    for key in lost {
        lines.push(format!("lost: the material of {key}; import it again, or restore a backup"));
    }
    if *from_snapshot || *commits > 0 || *erased > 0 {
        let from = match from_snapshot {
            true => "the snapshot; the records that were there lie beside it",
            false => "the records",
        };
        lines.push(format!("goes on from: {from}"));
        lines.push(format!("lost commits: {commits}"));
        lines.push(format!("records without their material: {erased}"));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
