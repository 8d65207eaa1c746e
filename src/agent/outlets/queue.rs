//! A queue of lines of bounded length, and the thread that empties it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The most lines that wait.
const MOST: usize = 4096;

/// A queue, and the thread that delivers what is in it.
#[derive(Debug)]
pub(super) struct Queue {
    /// The configuration key of the place.
    pub(super) name: &'static str,
    sender: Mutex<Option<SyncSender<String>>>,
    state: Arc<QueueState>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The state that queue and thread share.
#[derive(Debug, Default)]
pub(super) struct QueueState {
    lost: AtomicU64,
    /// The lines that are not delivered yet.
    waiting: AtomicU64,
    ends: OnceLock<Instant>,
}

/// The moment by which a delivery is over.
#[derive(Clone, Copy)]
pub(super) struct Limit<'a>(&'a QueueState);

impl<'a> Limit<'a> {
    /// Returns the limit of what a queue of that state delivers.
    pub(super) fn of(state: &'a QueueState) -> Self {
        Self(state)
    }

    /// Returns the time that is left of so much that began then; none once it is over, and soon when the agent ends.
    pub(super) fn left(self, began: Instant, most: Duration) -> Option<Duration> {
        let now = Instant::now();
        let own = (began + most).checked_duration_since(now);
        match self.0.ends.get() {
            Some(ends) => own.min(ends.checked_duration_since(now)),
            None => own,
        }
    }
}

impl Queue {
    /// Starts a thread that delivers line after line. So many were lost before.
    pub(super) fn begin(
        name: &'static str,
        lost: u64,
        deliver: impl Fn(&str, Limit<'_>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, lines) = sync_channel(MOST);
        let state = Arc::new(QueueState { lost: lost.into(), ..QueueState::default() });
        let shared = Arc::clone(&state);
        let run = move || empty(name, &lines, &shared, deliver);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        let (sender, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        Ok(Self { name, sender, state, thread })
    }

    /// Puts a line in the queue, or counts it as lost: it never waits.
    pub(super) fn offer(&self, line: &str) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.waiting.fetch_add(1, Ordering::Relaxed);
        let taken = sender.as_ref().is_some_and(|sender| sender.try_send(line.to_owned()).is_ok());
        if !taken {
            self.state.waiting.fetch_sub(1, Ordering::Relaxed);
            self.state.lose(self.name, "the queue is full");
        }
    }

    /// Returns the number of lines that were not delivered.
    pub(super) fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }

    /// Returns whether lines wait, or one is being delivered.
    pub(super) fn is_busy(&self) -> bool {
        self.state.waiting.load(Ordering::Relaxed) > 0
    }

    /// Takes no more lines; those that wait have so much time.
    pub(super) fn close(&self, last: Duration) {
        let _first = self.state.ends.set(Instant::now() + last);
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits for the thread of a queue that is closed.
    pub(super) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("{}: its thread panicked", self.name);
        }
    }
}

impl QueueState {
    /// Counts a line that is not delivered; the log has the first, and every thousandth.
    fn lose(&self, name: &str, why: impl std::fmt::Display) {
        let before = self.lost.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(1000) {
            log::warn!("{name}: an event is not told, {before} were not before it: {why}");
        }
    }
}

fn empty(
    name: &str,
    lines: &Receiver<String>,
    state: &QueueState,
    deliver: impl Fn(&str, Limit<'_>) -> io::Result<()>,
) {
    for line in lines {
        let is_over = state.ends.get().is_some_and(|ends| *ends <= Instant::now());
        let delivered = match is_over {
            true => Err(io::Error::other("the agent ends")),
            false => deliver(&line, Limit::of(state)),
        };
        if let Err(error) = delivered {
            state.lose(name, error);
        }
        state.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn lines_are_delivered_in_order_and_none_after_the_end() {
        let (told, lines) = channel();
        let queue = Queue::begin("test", 0, move |line, _| {
            told.send(line.to_owned()).map_err(io::Error::other)
        });
        let queue = queue.unwrap();
        (0..100).for_each(|number| queue.offer(&number.to_string()));
        queue.close(Duration::from_secs(60));
        queue.join();
        let lines: Vec<String> = lines.iter().collect();
        assert_eq!(lines, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(queue.lost(), 0);
        queue.offer("too late");
        assert_eq!(queue.lost(), 1);
    }

    #[test]
    fn what_does_not_fit_or_cannot_be_delivered_is_counted_and_keeps_no_caller() {
        let queue = Queue::begin("test", 7, |_, limit| {
            let began = Instant::now();
            while limit.left(began, Duration::from_secs(60)).is_some() {
                thread::sleep(Duration::from_millis(5));
            }
            Err(io::Error::other("it takes too long"))
        });
        let (queue, began) = (queue.unwrap(), Instant::now());
        (0..MOST + 100).for_each(|_| queue.offer("line"));
        assert!(began.elapsed() < Duration::from_secs(10));
        assert!((106..=107).contains(&queue.lost()), "{}", queue.lost());
        assert!(queue.is_busy());
        queue.close(Duration::from_millis(50));
        queue.join();
        assert_eq!(queue.lost(), MOST as u64 + 107, "the one under way and those that waited");
        assert!(!queue.is_busy());
    }
}
