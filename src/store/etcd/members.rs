//! The members of etcd: one is spoken to until it fails, and then the next. The client's runtime lives here, and a
//! caller's thread waits in it for its own call.

use super::access;
use super::call_failure::{CallFailure, FailureKind};
use crate::config::FleetLocation;
use crate::error::{Reason, Result};
use etcd_client::Client;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// The pause before a member that failed at once is followed by the next.
const PAUSE: Duration = Duration::from_millis(50);

/// The members, and the runtime in which their clients live.
pub(super) struct Members {
    // Dropped before the runtime.
    members: Vec<Member>,
    current: AtomicUsize,
    runtime: Runtime,
}

struct Member {
    name: String,
    client: Client,
}

impl Members {
    /// Makes a client for each member; none is spoken to yet.
    pub(super) fn new(fleet: &FleetLocation) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("etcd")
            .enable_all()
            .build()
            .map_err(|cause| Reason::of(&cause, Reason::General).detail(cause))?;
        let options = access::options(fleet)?;
        let mut members = Vec::new();
        for name in fleet.members() {
            let client = Client::connect([access::url_of(fleet, name)], Some(options.clone()));
            let client = runtime.block_on(client).map_err(|error| {
                access::bad_options(fleet, &CallFailure::of(name, &error).error().to_string())
            })?;
            members.push(Member { name: name.clone(), client });
        }
        Ok(Self { members, current: AtomicUsize::new(0), runtime })
    }

    /// Waits for a future that needs the runtime.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Makes one call to the member that is spoken to. Where no answer comes within `limit`, the next member's turn
    /// comes.
    pub(super) fn call<T>(
        &self,
        limit: Duration,
        call: impl AsyncFnOnce(Client) -> Result<T, etcd_client::Error>,
    ) -> Result<T, CallFailure> {
        let current = self.current();
        let Some(member) = self.members.get(current % self.members.len()) else {
            return Err(CallFailure::silent("etcd has no members"));
        };
        let client = member.client.clone();
        let answer = self.wait(async { tokio::time::timeout(limit, call(client)).await });
        let failure = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => CallFailure::of(&member.name, &error),
            Err(_) => CallFailure::timeout(&member.name),
        };
        if failure.kind == FailureKind::Silent {
            self.leave(current);
        }
        Err(failure)
    }

    /// Makes a call that changes nothing, to one member after the other, for so long.
    pub(super) fn ask<T>(
        &self,
        limit: Duration,
        each: Duration,
        mut call: impl AsyncFnMut(Client) -> Result<T, etcd_client::Error>,
    ) -> Result<T, CallFailure> {
        let (began, mut telling) = (Instant::now(), None);
        loop {
            let left = limit.saturating_sub(began.elapsed());
            match self.call(each.min(left), async |client| call(client).await) {
                Err(failure) if failure.kind == FailureKind::Silent => {
                    let is_telling = |told: &CallFailure| failure.detail >= told.detail;
                    if telling.as_ref().is_none_or(is_telling) {
                        telling = Some(failure.clone());
                    }
                    if left <= PAUSE {
                        return Err(telling.unwrap_or(failure));
                    }
                    self.pause();
                }
                answer => return answer,
            }
        }
    }

    /// Lets a moment pass before the next member is asked.
    pub(super) fn pause(&self) {
        self.wait(async { tokio::time::sleep(PAUSE).await });
    }

    /// Returns the number of the member that is spoken to.
    pub(super) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Turns from a member to the next, unless another call has done so meanwhile.
    pub(super) fn leave(&self, member: usize) {
        let next = (member + 1) % self.members.len();
        let _ = self.current.compare_exchange(member, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}
