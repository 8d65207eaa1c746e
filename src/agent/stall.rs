//! A disk that does not answer. An agent that only waits for it is not at work: those who wait for the agent
//! are told, and not kept.

use crate::error::{Error, Reason};
use crate::store::pending_syncs;
use crate::wire::process::AgentProcess;
use std::path::PathBuf;
use std::time::Duration;

/// A watch that sees when the agent of one store is stalled.
#[derive(Debug, Clone)]
pub(crate) struct Watchdog {
    directories: Vec<PathBuf>,
    patience: Duration,
}

impl Watchdog {
    /// Watches the store whose files lie in these directories. A sync may take as long as `patience`.
    pub(crate) fn new(directories: Vec<PathBuf>, patience: Duration) -> Self {
        Self { directories, patience }
    }

    /// Returns the error for those who wait: the file, the process and a way out. None as long as every sync
    /// under way may take longer.
    pub(crate) fn stalled(&self) -> Option<Error> {
        let (path, lasts) = pending_syncs::longest(&self.directories)?;
        (lasts >= self.patience).then(|| {
            let own = std::process::id();
            let remedy = AgentProcess::numbered(own).map(|agent| agent.remedy());
            Reason::StoreUnavailable.detail(format_args!(
                "process {own} (keystead) has been writing {} to its disk for {} s, and the disk does not \
                 answer; what was asked for may still be done when it does; `dmesg` says what ails it; {}",
                path.display(),
                lasts.as_secs(),
                remedy.unwrap_or_default()
            ))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Duration, Reason, Watchdog, pending_syncs};
    use std::path::PathBuf;

    #[test]
    fn a_sync_that_lasts_too_long_is_told_with_file_process_and_remedy() {
        let folder = PathBuf::from("/nowhere/stall");
        let (strict, lenient) = (Duration::ZERO, Duration::from_secs(60));
        let [strict, lenient] = [strict, lenient].map(|it| Watchdog::new(vec![folder.clone()], it));
        assert_eq!(strict.stalled(), None, "nothing is synced");
        let error = pending_syncs::during(&folder.join("records"), || {
            assert_eq!(lenient.stalled(), None);
            strict.stalled().unwrap()
        });
        assert_eq!(error.reason(), Reason::StoreUnavailable);
        let (said, own) = (error.to_string(), std::process::id());
        assert!(
            said.contains("writing /nowhere/stall/records") && said.contains("for 0 s"),
            "{said}"
        );
        assert!(said.contains(&format!("process {own} (keystead)")), "{said}");
        assert!(said.contains(&format!("kill {own}")) || said.contains("kill -KILL"), "{said}");
    }
}
