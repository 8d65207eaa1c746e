//! `keystead recover`: goes on with a store that has lost acknowledged commits.

use crate::{Failure, Global, output, serving};
use keystead::agent::{Claim, Recovered, claim, recover};
use serde_json::json;

/// Accept the loss of a store that is older than what it acknowledged
///
/// Where `db/` was damaged, or put back alone, the agent refuses the store, or serves its snapshot to be
/// read. This goes on from whichever of the two has more. Key material that was erased stays erased, and wrong PINs stay counted.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let directory = global.store()?.directory;
        let Claim::Ours(lock) = claim(&directory)? else {
            let told = format_args!("an agent serves {}", directory.display());
            let hint = format!("{}, then again `keystead recover`", serving::end_it(&directory));
            return Err(Failure::new(told).hint(hint));
        };
        let recovered = recover(&lock)?;
        let Recovered { commits, erased, from_snapshot } = match (recovered, global.json) {
            (Some(recovered), _) => recovered,
            (None, true) => Recovered { commits: 0, erased: 0, from_snapshot: false },
            (None, false) => return output::text("nothing is lost, and nothing was changed\n"),
        };
        if global.json {
            return output::json(&json!({
                "lost_commits": commits, "erased": erased, "from_snapshot": from_snapshot,
            }));
        }
        let from = if from_snapshot { "the snapshot; what was in db/ is beside it" } else { "db/" };
        output::text(format_args!(
            "goes on from: {from}\nlost commits: {commits}\nrecords without their material: \
             {erased}\n"
        ))
    }
}
