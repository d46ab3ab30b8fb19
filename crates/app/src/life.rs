//! The life of this gateway on its store: the lease that proves that it lives, and the look at the lives of
//! others.
//!
//! A lease is about processes, not about the business, so its length is measured by the time that passes in
//! one process, and never by comparing the clocks of two: a sandbox clock that jumps by days, or two nodes
//! whose clocks differ, change nothing. A life counts its lease from the moment before it asked the store to
//! renew it; a watcher counts from when it first saw the last renewal, and waits longer. So a life always
//! knows that its lease ran out before anybody takes its operations.

use crate::gateway::{Gateway, Inner};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tollgate_acquirer::{Exchange, ExchangeResult, NetworkRequest, NotSent, WireTrace};
use tollgate_core::code::refused;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::time::Timestamp;
use tollgate_store::{LifeBegun, LifeId, LifeRow, NewLife, Store, StoreError, Tenancy};

/// How long a lease lasts, in milliseconds.
pub(crate) const LEASE_MS: u64 = 15_000;
/// How often it is renewed, in milliseconds.
const RENEW_EVERY_MS: u64 = 3_000;
/// How long a life has to be seen without a renewal before it is taken for dead, in milliseconds: a lease and
/// a margin, for clocks that do not run equally fast.
const DEAD_AFTER_MS: u64 = LEASE_MS + 5_000;

/// Why a gateway could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A gateway with the same node number may be running.
    #[error(
        "a gateway with node number {node} was running on this store a moment ago. If it was killed, start again in \
         {wait_s} s; if it runs, give this one another number (gateway.node, 0 to 99)"
    )]
    NodeIsAlive {
        /// The number.
        node: u8,
        /// When its lease is over, in seconds from now.
        wait_s: u64,
    },
}

/// The life of this process.
pub(crate) struct Life {
    tenancy: Tenancy,
    held: Mutex<Held>,
    /// One renewal at a time.
    renewing: tokio::sync::Mutex<()>,
    /// What was seen of others.
    seen: Mutex<HashMap<LifeId, Seen>>,
}

#[derive(Clone, Copy)]
struct Held {
    life: LifeId,
    until: Instant,
}

/// The last renewal that was seen of another life.
#[derive(Clone, Copy)]
struct Seen {
    renewals: u64,
    since: Instant,
}

impl Life {
    /// Begins a life on the store.
    pub(crate) async fn begin(
        store: &dyn Store,
        node: u8,
        tenancy: Tenancy,
        now: Timestamp,
    ) -> Result<Life, BeginError> {
        let asked = Instant::now();
        let life = begin(store, node, tenancy, now).await?;
        Ok(Life {
            tenancy,
            held: Mutex::new(Held { life, until: asked + Duration::from_millis(LEASE_MS) }),
            renewing: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// The number of the life, whether or not its lease runs.
    pub(crate) fn id(&self) -> LifeId {
        self.held().life
    }

    /// The number of the life while its lease runs: then nobody has taken it for dead. Who is alone on a store needs
    /// no lease.
    pub(crate) fn running(&self) -> Option<LifeId> {
        let held = self.held();
        (self.tenancy == Tenancy::Sole || Instant::now() < held.until).then_some(held.life)
    }

    fn held(&self) -> Held {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, life: LifeId, asked: Instant) {
        let held = Held { life, until: asked + Duration::from_millis(LEASE_MS) };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// The lives that were seen for long enough without a renewal. What is not there any more is forgotten.
    fn look(&self, rows: &[LifeRow]) -> Vec<LifeRow> {
        let (own, now) = (self.id(), Instant::now());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|life, _| rows.iter().any(|row| row.life == *life));
        let dead_after = Duration::from_millis(DEAD_AFTER_MS);
        let is_dead = |row: &&LifeRow| {
            let last = seen.entry(row.life).or_insert(Seen { renewals: row.renewals, since: now });
            if last.renewals != row.renewals {
                *last = Seen { renewals: row.renewals, since: now };
            }
            row.life != own && now.duration_since(last.since) >= dead_after
        };
        rows.iter().filter(is_dead).copied().collect()
    }
}

impl Inner {
    /// The life that a new operation belongs to. Where the lease ran out, because the process was paused or
    /// the store was away, it is renewed first, or another life is begun: until then nothing new is sent.
    pub(crate) async fn living(&self) -> Result<LifeId, Refusal> {
        if let Some(life) = self.life.running() {
            return Ok(life);
        }
        match self.keep_alive().await {
            Ok(()) => Ok(self.life.id()),
            Err(error) => {
                metrics::counter!("tollgate_lease_refusals_total").increment(1);
                let detail = format!("this gateway's lease on the store ran out: {error}");
                Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail))
            }
        }
    }

    /// Sends the first message of an operation that `owner` has claimed, unless that life is over: somebody else
    /// settles the operation then.
    pub(crate) async fn exchange_as(&self, owner: LifeId, request: NetworkRequest) -> Exchange {
        if self.living().await.is_ok_and(|life| life == owner) {
            return self.acquirer.exchange(request).await;
        }
        Exchange { result: ExchangeResult::NotSent(NotSent::Withheld), trace: WireTrace::default() }
    }

    /// Renews the lease, or begins another life where this one was taken for dead.
    async fn keep_alive(&self) -> Result<(), BeginError> {
        let waited_since = Instant::now();
        let _alone = self.life.renewing.lock().await;
        // Whoever had the turn before has renewed it for all that waited.
        if self.life.held().until > waited_since + Duration::from_millis(LEASE_MS) {
            return Ok(());
        }
        let (life, asked) = (self.life.id(), Instant::now());
        if self.store.renew_life(life, self.clock.now().plus_ms(LEASE_MS)).await? {
            self.life.hold(life, asked);
            return Ok(());
        }
        metrics::counter!("tollgate_leases_lost_total").increment(1);
        tracing::error!(%life, "this gateway was taken for dead by another one: what it had under way is settled there, and it begins anew");
        let asked = Instant::now();
        let next = begin(self.store.as_ref(), self.settings.node, self.life.tenancy, self.clock.now()).await?;
        self.life.hold(next, asked);
        Ok(())
    }

    /// Ends the lives of others that were not renewed for too long. Gives how many.
    async fn end_the_dead(&self) -> Result<usize, StoreError> {
        let rows = self.store.lives().await?;
        let mut ended = 0;
        for row in self.life.look(&rows) {
            if self.store.end_life(row.life, Some(row.renewals), self.clock.now()).await? {
                ended += 1;
                metrics::counter!("tollgate_lives_taken_for_dead_total").increment(1);
                tracing::warn!(life = %row.life, node = row.node, "a gateway on this store was not heard of for {DEAD_AFTER_MS} ms: what it left without an outcome is settled here");
            }
        }
        Ok(ended)
    }
}

impl Gateway {
    /// Says that this gateway is over, so that nobody has to wait for its lease: what it left open is taken up
    /// at once. For a stop in order; nothing is to be begun afterwards.
    ///
    /// # Errors
    /// When the store cannot be written; then the lease runs out by itself.
    pub async fn end_life(&self) -> Result<(), StoreError> {
        let inner = &self.inner;
        inner.store.end_life(inner.life.id(), None, inner.clock.now()).await.map(|_| ())
    }
}

/// The job that keeps the life of a gateway, and looks at those of others. It ends when this is dropped.
pub(crate) struct LifeJob {
    gateway: Gateway,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl LifeJob {
    pub(crate) fn start(gateway: &Gateway) -> LifeJob {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(keep(gateway.clone(), stopped));
        LifeJob { gateway: gateway.clone(), stop, task }
    }

    /// Ends the job, and the life.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a job ended early");
        }
        if let Err(error) = self.gateway.end_life().await {
            tracing::warn!(%error, "the end of this gateway could not be written; others wait for its lease to run out");
        }
    }
}

async fn keep(gateway: Gateway, mut stopped: watch::Receiver<bool>) {
    let inner = &gateway.inner;
    if inner.life.tenancy == Tenancy::Sole {
        // Nobody looks at the lease, so an idle gateway writes nothing.
        let _ = stopped.changed().await;
        return;
    }
    loop {
        // In a fixed order (`biased`), so that a simulation runs again exactly as before.
        tokio::select! {
            biased;
            _ = stopped.changed() => break,
            () = tokio::time::sleep(Duration::from_millis(RENEW_EVERY_MS)) => {}
        }
        if let Err(error) = inner.keep_alive().await {
            tracing::error!(%error, "the lease could not be renewed; without one nothing new is sent");
        }
        match inner.end_the_dead().await {
            // The janitor looks at once.
            Ok(ended) if ended > 0 => inner.recovery_wanted.notify_one(),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the lives of other gateways cannot be read"),
        }
    }
}

async fn begin(store: &dyn Store, node: u8, tenancy: Tenancy, now: Timestamp) -> Result<LifeId, BeginError> {
    let new = NewLife { node, tenancy, now, alive_until: now.plus_ms(LEASE_MS) };
    match store.begin_life(new).await? {
        LifeBegun::Begun(life) => Ok(life),
        LifeBegun::NodeIsAlive { until } => {
            Err(BeginError::NodeIsAlive { node, wait_s: until.since_ms(now).div_ceil(1000) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(life: i64, renewals: u64) -> LifeRow {
        // Its lease ran out days ago by the clock, which does not count.
        LifeRow { life: LifeId(life), node: 1, began_at: Timestamp(0), alive_until: Timestamp(0), renewals }
    }

    fn life(id: i64) -> Life {
        Life {
            tenancy: Tenancy::Shared,
            held: Mutex::new(Held { life: LifeId(id), until: Instant::now() }),
            renewing: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_life_that_was_watched_for_a_whole_lease_is_dead() {
        let watcher = life(1);
        let step = Duration::from_millis(DEAD_AFTER_MS / 4);
        let mut dead = Vec::new();
        for turn in 0..8 {
            // Life 2 goes on, life 3 stops after three renewals, life 1 is one's own.
            let found = watcher.look(&[row(1, 0), row(2, turn), row(3, turn.min(3))]);
            dead.push(found.iter().map(|row| row.life.0).collect::<Vec<i64>>());
            tokio::time::advance(step).await;
        }
        assert_eq!(dead[..7], [const { Vec::<i64>::new() }; 7]);
        assert_eq!(dead[7], [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_was_paused_itself_takes_nobody_for_dead_who_went_on() {
        let watcher = life(1);
        assert_eq!(watcher.look(&[row(2, 5)]), []);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(watcher.look(&[row(2, 6)]), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_over_for_its_life_before_it_is_over_for_others() {
        let own = life(1);
        own.hold(LifeId(1), Instant::now());
        tokio::time::advance(Duration::from_millis(LEASE_MS - 1)).await;
        assert_eq!(own.running(), Some(LifeId(1)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(own.running(), None);
        let sole = Life { tenancy: Tenancy::Sole, ..own };
        assert_eq!(sole.running(), Some(LifeId(1)), "who is alone on the store cannot be taken for dead");
        const { assert!(LEASE_MS < DEAD_AFTER_MS && 4 * RENEW_EVERY_MS < LEASE_MS) };
    }
}
