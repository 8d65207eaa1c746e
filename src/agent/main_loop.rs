//! The life of an agent: open, serve, sweep when something is due, end when it is idle, when it is told to,
//! when its store is gone or has failed.

use super::acceptor::Acceptor;
use super::allowance::Short;
use super::directory::{self, DirectoryWatch};
use super::served_store::{Ended, Events, ServedStore};
use super::stall::Watchdog;
use super::upgrade::upgrade;
use super::{Lock, Options};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::store::cells::StoreIdentity;
use crate::store::{self, Location};
use crate::sys;
use crate::wire::message::STORE_FORMAT;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

/// Opens the store and serves it until it is idle for long enough, a signal (`SIGTERM`, `SIGINT`) ends it
/// or the directory is gone. Those who connect are taken in from the beginning, and wait; meanwhile
/// `working` is called now and then, with an error where the agent only waits for the disk, and `ready` once
/// they are served. Fails where the store cannot be opened, and at once after the first failure of the store.
/// A socket that was `handed` over is used, and left to the process that made it.
pub fn serve(
    lock: &Lock,
    options: &Options,
    handed: Option<UnixListener>,
    working: impl Fn(Option<&Error>) + Send + 'static,
    ready: impl FnOnce(),
) -> Result<()> {
    sys::heap::give_long_blocks_back();
    let stop = on_signals().map_err(|error| Reason::General.detail(error))?;
    let main_loop = MainLoop::begin(lock, options, Arc::new(SystemClock), handed, working)?;
    main_loop.run(stop.as_fd(), ready)
}

/// The same by any clock, until `stop` is readable.
#[cfg(test)]
pub(crate) fn serve_until(
    lock: &Lock,
    options: &Options,
    clock: Arc<dyn Clock>,
    stop: impl AsFd,
    ready: impl FnOnce(),
) -> Result<()> {
    MainLoop::begin(lock, options, clock, None, |_| ())?.run(stop.as_fd(), ready)
}

/// The parts that last as long as the agent, however often the store is opened.
struct MainLoop<'a> {
    directory: &'a Path,
    records: &'a Location,
    options: &'a Options,
    clock: Arc<dyn Clock>,
    watch: DirectoryWatch,
    acceptor: Acceptor,
    /// True if another process has made the socket.
    keeps_socket: bool,
}

impl<'a> MainLoop<'a> {
    /// Begins: from now on those who connect wait for the store.
    fn begin(
        lock: &'a Lock,
        options: &'a Options,
        clock: Arc<dyn Clock>,
        handed: Option<UnixListener>,
        working: impl Fn(Option<&Error>) + Send + 'static,
    ) -> Result<Self> {
        let directory = lock.directory();
        store::check_growth(lock.records(), directory)?;
        let keeps_socket = handed.is_some();
        let owner = directory.metadata().map_err(absent)?.uid();
        let short = Short::of_agent(owner)?.filter(|_| options.makes_way);
        let listener = match handed {
            Some(listener) => listener,
            None => directory::listen(directory, options.group)?,
        };
        // From here on: the socket may be taken from it before the store is open.
        let watch = DirectoryWatch::new(directory, lock.records().local())?;
        let touch = lock.toucher().map_err(absent)?;
        let show_life = move |stalled: Option<&Error>| {
            if stalled.is_none() {
                touch();
            }
            working(stalled);
        };
        let watchdog = Watchdog::new(lock.directories(), options.patience);
        let acceptor = Acceptor::new(listener, short, watchdog, show_life).map_err(absent)?;
        lock.listening().map_err(absent)?;
        let records = lock.records();
        let mut main_loop =
            Self { directory, records, options, clock, watch, acceptor, keeps_socket };
        main_loop.upgrade(lock)?;
        Ok(main_loop)
    }

    /// Upgrades a store that an earlier build has written. That its files change their places is no loss of
    /// the store.
    fn upgrade(&mut self, lock: &Lock) -> Result<()> {
        match upgrade(lock) {
            Ok(true) => {
                self.watch = DirectoryWatch::new(self.directory, self.records.local())?;
            }
            Ok(false) => {}
            Err(error) => {
                self.withdraw(Some(&error));
                return Err(error);
            }
        }
        Ok(())
    }

    fn run(&self, stop: BorrowedFd<'_>, ready: impl FnOnce()) -> Result<()> {
        let events = Events { stop, watch: &self.watch, acceptor: &self.acceptor };
        let mut agent = self.open()?;
        log_start(&agent, self.directory, self.options);
        ready();
        let mut ended = agent.serve(self.options, events);
        while ended == Ended::RoomAgain {
            let place = self.directory.display();
            log::info!("{place}: there may be room again: it is opened anew");
            self.acceptor.shut();
            agent.close().inspect_err(|error| self.withdraw(Some(error)))?;
            agent = self.open()?;
            ended = agent.serve(self.options, events);
        }
        let level = if ended == Ended::StoreFailed { log::Level::Error } else { log::Level::Info };
        log::log!(level, "the agent of {} ends: {}", self.directory.display(), ended.why());
        self.end(agent, ended)
    }

    /// Opens the store and has it served. Where that fails no more peers are taken in, and those
    /// who wait are told.
    fn open(&self) -> Result<ServedStore> {
        let places = (self.directory, self.records);
        let open = || ServedStore::open(places, self.options, Arc::clone(&self.clock));
        let opened = match open() {
            Err(error)
                if error.reason() == Reason::StoreDamaged && !store::is_suspect(self.records) =>
            {
                log::error!("{error}");
                store::suspect(self.records);
                open()
            }
            opened => opened,
        };
        match opened {
            Ok(mut agent) => {
                // What fell due without an agent goes before the first answer. What cannot be erased
                // is tried again at once, and logged, by the loop that serves.
                if let Err(error) = agent.sweep() {
                    log::debug!("what is due is not erased yet: {error}");
                }
                self.acceptor.open(&agent.server, &agent.jobs, &agent.store.waker);
                Ok(agent)
            }
            Err(error) => {
                self.withdraw(Some(&error));
                Err(error)
            }
        }
    }

    /// Takes the socket away: the next client starts the next agent, which waits for the lock.
    fn withdraw(&self, why: Option<&Error>) {
        if !self.keeps_socket
            && let Err(error) = directory::unlink(self.directory)
        {
            log::error!("the socket stays: {error}");
        }
        self.acceptor.leave(why);
    }

    fn end(&self, agent: ServedStore, ended: Ended) -> Result<()> {
        if ended == Ended::StoreGone {
            self.acceptor.leave(None);
            agent.abandon();
            return Ok(());
        }
        match self.keeps_socket {
            // Those who come now wait until this agent is through, and ask the next one.
            true => self.acceptor.shut(),
            false => self.withdraw(None),
        }
        let closed = agent.close();
        if ended != Ended::StoreFailed {
            return closed;
        }
        store::suspect(self.records);
        closed.and_then(|()| {
            let detail = format_args!("{}: the log says what failed", self.directory.display());
            Err(Reason::StoreDamaged.detail(detail))
        })
    }
}

fn log_start(agent: &ServedStore, directory: &Path, options: &Options) {
    let StoreIdentity { store, incarnation } = agent.store.cells.identity;
    log::info!(
        "the agent starts: keystead {}, store {store} (incarnation {incarnation}, sealed \
         records of format {STORE_FORMAT}) in {}, process {}, {}{}",
        env!("CARGO_PKG_VERSION"),
        directory.display(),
        std::process::id(),
        if agent.store.is_writable() { "writable" } else { "its snapshot, which can only be read" },
        options.group.map(|group| format!(", for group {group}")).unwrap_or_default(),
    );
}

fn on_signals() -> std::io::Result<UnixStream> {
    let (stop, sender) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
    }
    Ok(stop)
}

fn absent(error: impl std::fmt::Display) -> Error {
    Reason::AgentAbsent.detail(error)
}
