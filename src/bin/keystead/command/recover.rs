//! `keystead recover`: goes on with a store that has lost acknowledged commits.

use crate::{Failure, Global, output};
use keystead::agent::{Claim, claim, recover};
use serde_json::json;

/// Accept the loss of a store that is older than what it acknowledged
///
/// Where `db/` was damaged, or put back from a backup alone, the agent refuses the store. This goes on
/// from what is there. Key material that was erased stays erased, and wrong PINs stay counted.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let directory = global.configuration()?.directory;
        let Claim::Ours(lock) = claim(&directory)? else {
            return Err(Failure::new(format_args!("an agent serves {}", directory.display()))
                .hint("a store that an agent serves needs no recovery"));
        };
        let recovered = recover(&lock)?;
        let (commits, erased) = recovered.map_or((0, 0), |it| (it.commits, it.erased));
        match (global.json, recovered) {
            (true, _) => output::json(&json!({ "lost_commits": commits, "erased": erased })),
            (false, None) => output::text("nothing is lost, and nothing was changed\n"),
            (false, Some(_)) => output::text(format_args!(
                "lost commits: {commits}\nrecords without their material: {erased}\n"
            )),
        }
    }
}
