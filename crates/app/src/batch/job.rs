//! The job: finds batches with something to do, and does it, one batch of a merchant at a time.

use super::{BatchSettings, process, receive, validate};
use crate::directory::Account;
use crate::gateway::Gateway;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tollgate_core::batch::{BatchId, BatchRowCommand, BatchState};
use tollgate_core::ident::MerchantId;
use tollgate_core::refusal::Refusal;
use tollgate_store::{Batch, BatchRow, StoreError};

/// The longest sleep between two looks for batches, in milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;
/// How many batches are looked at in one look.
const BATCHES_PER_LOOK_MAX: usize = 1_000;
/// How many batches are worked on at once; more wait, the oldest first.
const BATCHES_AT_ONCE_MAX: usize = 8;
/// The pause after a failure, in milliseconds: without one a store that fails would be asked as fast as it can.
const FAILED_PAUSE_MS: u64 = 1_000;

/// Reads rows: the rules of the wire, which this crate does not know.
pub trait RowReader: Send + Sync + 'static {
    /// What a row asks for.
    ///
    /// # Errors
    /// Why it cannot be what it is.
    fn read(&self, batch: &Batch, account: &Account, row: &BatchRow) -> Result<BatchRowCommand, Refusal>;
}

/// The running job.
pub struct BatchJobs {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl BatchJobs {
    /// Starts it.
    #[must_use]
    pub fn start(gateway: &Gateway, rows: Arc<dyn RowReader>, settings: BatchSettings) -> BatchJobs {
        let (stop, stopped) = watch::channel(false);
        let desk = Desk { gateway: gateway.clone(), rows, settings, stopped };
        BatchJobs { stop, task: tokio::spawn(desk.run()) }
    }

    /// Begins no more rows, and returns when those under way have their outcome. The next start goes on.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the job of batches ended early");
        }
    }
}

/// Why the work on a batch stops before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// The gateway stops.
    #[error("the gateway stops")]
    Gateway,
    /// The store failed: it is tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else of ours failed: it is tried again.
    #[error("{0}")]
    Failed(String),
}

/// What the work on a batch needs.
pub(super) struct Work<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) rows: &'a dyn RowReader,
    pub(super) settings: &'a BatchSettings,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Work<'_> {
    /// Says no once the gateway stops.
    pub(super) fn go_on(&self) -> Result<(), Stopped> {
        if *self.stopped.borrow() { Err(Stopped::Gateway) } else { Ok(()) }
    }

    /// The account of a batch.
    pub(super) async fn account(&self, batch: &Batch) -> Result<Arc<Account>, Stopped> {
        let found = self.gateway.directory().by_id(batch.merchant).await?;
        found.ok_or_else(|| Stopped::Failed("the batch is of a merchant that does not exist".to_owned()))
    }
}

#[derive(Clone)]
struct Desk {
    gateway: Gateway,
    rows: Arc<dyn RowReader>,
    settings: BatchSettings,
    stopped: watch::Receiver<bool>,
}

/// A batch that is worked on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct UnderWay {
    batch: BatchId,
    merchant: MerchantId,
}

impl Desk {
    async fn run(self) {
        let mut stopped = self.stopped.clone();
        let mut working: JoinSet<UnderWay> = JoinSet::new();
        let mut under_way: HashSet<UnderWay> = HashSet::new();
        while !*stopped.borrow() {
            if let Err(error) = self.begin_due(&mut working, &mut under_way).await {
                tracing::error!(%error, "batches cannot be read");
            }
            tokio::select! {
                biased;
                changed = stopped.changed() => if changed.is_err() { break },
                Some(ended) = working.join_next() => match ended {
                    Ok(ended) => { under_way.remove(&ended); }
                    Err(error) => {
                        tracing::error!(%error, "the work on a batch ended early");
                        // Which one is not known; the store knows what is to be done.
                        while working.join_next().await.is_some() {}
                        under_way.clear();
                    }
                },
                () = self.gateway.inner.batches_wanted.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)) => {}
            }
        }
        while working.join_next().await.is_some() {}
    }

    /// Begins what is to be done and not under way, as far as there are places.
    async fn begin_due(
        &self,
        working: &mut JoinSet<UnderWay>,
        under_way: &mut HashSet<UnderWay>,
    ) -> Result<(), StoreError> {
        let inner = &self.gateway.inner;
        // A life that may be over begins nothing.
        let Some(life) = inner.life.running() else { return Ok(()) };
        for batch in inner.store.batches_to_do(life, self.gateway.now(), BATCHES_PER_LOOK_MAX).await? {
            let is_being_received = batch.state == BatchState::Receiving && batch.owner == life;
            if under_way.len() >= BATCHES_AT_ONCE_MAX
                || is_being_received
                || under_way.iter().any(|other| other.merchant == batch.merchant)
                || !inner.store.take_batch(batch.id, life).await?
            {
                continue;
            }
            let name = UnderWay { batch: batch.id, merchant: batch.merchant };
            under_way.insert(name);
            let desk = self.clone();
            working.spawn(async move {
                desk.work_on(batch).await;
                name
            });
        }
        Ok(())
    }

    async fn work_on(&self, batch: Batch) {
        let Desk { gateway, rows, settings, stopped } = self;
        let work = Work { gateway, rows: rows.as_ref(), settings, stopped: stopped.clone() };
        let life = gateway.inner.life.id();
        let ended = match batch.state {
            BatchState::Receiving => receive::discard(gateway, batch.id).await.map_err(Stopped::from),
            BatchState::Uploaded | BatchState::Validating => validate::validate(&work, &batch, life).await,
            BatchState::Processing => process::process(&work, &batch, life).await,
            BatchState::Scheduled => process::begin_on_date(&work, &batch, life).await,
            BatchState::Validated
            | BatchState::ValidatedWithErrors
            | BatchState::Invalid
            | BatchState::Done
            | BatchState::Cancelled => Ok(()),
        };
        match ended {
            Ok(()) | Err(Stopped::Gateway) => {}
            Err(error) => {
                tracing::error!(batch = %batch.id, %error, "the work on a batch failed and is tried again");
                tokio::time::sleep(Duration::from_millis(FAILED_PAUSE_MS)).await;
            }
        }
    }
}
