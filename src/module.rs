//! The one global: the module between `C_Initialize` and `C_Finalize`, in the process that called
//! them. A forked child inherits its memory but not the right to it: what it inherited is leaked,
//! never used or dropped, and `C_Initialize` starts afresh.

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, logging};
use crate::error::{Reason, Result};
use crate::session::SessionTable;
use crate::sys::ForkMark;
use crate::token::{Settings, Slots};
use crate::wire::{AgentLocation, Link};
use arc_swap::ArcSwapOption;
use std::ptr;
use std::sync::Arc;

/// The global. Reading it takes no lock, so a thread that is gone after a fork cannot hold one.
static MODULE: ArcSwapOption<Module> = ArcSwapOption::const_empty();

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The arguments of `C_Initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct InitializeArguments {
    /// The configuration file the caller names.
    pub configuration: Option<String>,
}

/// Everything that lives from `C_Initialize` to `C_Finalize`.
pub(crate) struct Module {
    /// The slots of the store.
    pub slots: Slots,
    /// The sessions of this process.
    pub sessions: SessionTable,
    mark: ForkMark,
}

impl Module {
    /// A module on the store that `config` names. The agent is not asked anything yet.
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            slots: Slots::new(Link::new(AgentLocation::of(config)), clock, token_settings(config)),
            sessions: SessionTable::new(),
            mark: ForkMark::new(),
        }
    }

    /// Drops keys that have ended.
    #[inline]
    fn let_go(&self) {
        self.slots.evict(|| self.sessions.let_go());
        self.slots.expect(self.sessions.let_go_missed());
    }

    fn is_inherited(&self) -> bool {
        !self.mark.same_process()
    }
}

/// Runs `call` on the module; `NotInitialized` outside of [`start`] and [`end`], and in a child.
#[inline]
pub(crate) fn running<T>(call: impl FnOnce(&Module) -> Result<T>) -> Result<T> {
    match MODULE.load().as_deref() {
        Some(module) if !module.is_inherited() => {
            module.let_go();
            let done = call(module);
            module.slots.evict_own(|| module.sessions.let_go());
            done
        }
        _ => Err(Reason::NotInitialized.into()),
    }
}

/// Starts the module (`C_Initialize`). Nothing of it waits: a thread of the parent's may have stood
/// anywhere at a fork.
pub(crate) fn start(arguments: &InitializeArguments) -> Result<()> {
    leave_inherited();
    if MODULE.load().is_some() {
        return Err(Reason::AlreadyInitialized.into());
    }
    logging::begin();
    let config = Config::load(arguments.configuration.as_deref())?;
    logging::open(&config);
    let module = Arc::new(Module::new(&config, Arc::new(SystemClock)));
    match *MODULE.compare_and_swap(ptr::null::<Module>(), Some(module)) {
        None => {
            log::info!("C_Initialize: keystead {VERSION} {}", described(&config));
            Ok(())
        }
        // Another thread was faster.
        Some(_) => Err(Reason::AlreadyInitialized.into()),
    }
}

/// Ends the module (`C_Finalize`). Calls that other threads are still in end as if it had come after
/// them.
pub(crate) fn end() -> Result<()> {
    leave_inherited();
    match MODULE.swap(None) {
        Some(_) => {
            log::info!("C_Finalize");
            Ok(())
        }
        None => Err(Reason::NotInitialized.into()),
    }
}

/// Describes the store in use and its configuration.
fn described(config: &Config) -> String {
    let by = config.file.as_ref().map(|file| format!(", configured by {}", file.display()));
    format!("on the store {}{}", config.store, by.unwrap_or_default())
}

/// Empties the global in a forked child.
fn leave_inherited() {
    let current = MODULE.load_full();
    if current.as_ref().is_some_and(|module| module.is_inherited()) {
        MODULE.compare_and_swap(&current, None);
        std::mem::forget(current);
    }
}

/// Returns the settings of a configuration for all tokens.
pub fn token_settings(config: &Config) -> Settings {
    Settings {
        custody: config.custody,
        mixed_wrapping: config.mixed_wrapping,
        pkcs1_unwrap: config.pkcs1_unwrap,
        rsa_minimum: config.rsa_minimum,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{InitializeArguments, end, running, start};
    use crate::error::Reason;

    fn reason<T>(result: crate::error::Result<T>) -> Option<Reason> {
        result.err().map(|error| error.reason())
    }

    #[test]
    fn what_may_be_configured_is_what_is_computed_with() {
        assert_eq!(crate::config::RSA_MINIMUM, crate::lc::rsa::BITS);
    }

    /// One test, because there is one module in a process.
    #[test]
    fn the_module_runs_from_its_start_to_its_end_and_can_start_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, format!("store = {:?}\n", folder.path().join("store"))).unwrap();
        let arguments = InitializeArguments { configuration: file.to_str().map(str::to_owned) };

        for _ in 0..2 {
            assert_eq!(reason(end()), Some(Reason::NotInitialized));
            assert_eq!(reason(running(|_| Ok(()))), Some(Reason::NotInitialized));
            start(&arguments).unwrap();
            assert_eq!(reason(start(&arguments)), Some(Reason::AlreadyInitialized));
            let count = running(|module| {
                // The call that is under way keeps the module.
                end()?;
                Ok(module.sessions.count(0).all)
            });
            assert_eq!(count, Ok(0));
        }

        std::fs::write(&file, "colour = 1\n").unwrap();
        assert_eq!(reason(start(&arguments)), Some(Reason::BadConfiguration));
        assert_eq!(reason(end()), Some(Reason::NotInitialized));
    }
}
