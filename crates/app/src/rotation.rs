//! Rotation of data keys: what older keys sealed is sealed anew under the newest one, while payments run.
//!
//! A rotation is begun by making the new key, which says of itself that it is to take over
//! ([`Vault::begin_rotation`]); from then on every process seals under it. [`Rotations::run`] then walks over
//! every sealed column until nothing is left under older keys. All that has to be remembered is the state
//! of the key and the rows themselves, so a run that was cut off goes on with the next one.

use crate::channel;
use crate::directory::credentials_label;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Clock;
use tollgate_store::{DataKeyId, ReplacedSealed, SealedColumn, SealedOwner, SealedRow, Store, StoreError};
use tollgate_vault::{Reseal, SealedPlace, Vault, VaultError};

/// How many rows are read, and sealed anew in one transaction, at a time. Payments share the transaction, so
/// it is what they may have to wait for.
const ROWS_PER_STEP_MAX: usize = 256;
/// How long rows under an old key may still come after a rotation began, in milliseconds: a card that was
/// sealed just before waits for the store, and other processes look for new keys every millisecond.
const SETTLE_MS: u64 = 2_000;
/// How often a step is tried again when the store has too much to do, and the pause before, in milliseconds.
const BUSY_TRIES_MAX: u32 = 200;
const BUSY_PAUSE_MS: u64 = 25;
/// How many rows that do not open are named at most.
const UNREADABLE_NAMED_MAX: usize = 10;

/// The rotations of a store's data keys.
pub struct Rotations {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    /// The most rows that are sealed anew in a second.
    rows_per_second_max: u64,
}

/// How far a run has come. Another task may read it at any time.
#[derive(Debug, Default)]
pub struct RotationProgress {
    read: AtomicU64,
    resealed: AtomicU64,
    /// How long the run took up to the last row that was sealed anew, in milliseconds.
    worked_ms: AtomicU64,
}

impl RotationProgress {
    /// How many rows were looked at; each pass over the store counts.
    #[must_use]
    pub fn rows_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// How many rows were sealed anew.
    #[must_use]
    pub fn rows_resealed(&self) -> u64 {
        self.resealed.load(Ordering::Relaxed)
    }

    /// How many rows were sealed anew in a second; the wait for the last ones to come does not count.
    #[must_use]
    pub fn rows_per_second(&self) -> u64 {
        self.rows_resealed().saturating_mul(1000) / self.worked_ms.load(Ordering::Relaxed).max(1)
    }

    fn note(&self, replaced: u64, begun: Instant) {
        if replaced > 0 {
            self.resealed.fetch_add(replaced, Ordering::Relaxed);
            let worked_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.worked_ms.store(worked_ms, Ordering::Relaxed);
            metrics::counter!("tollgate_keys_rows_resealed_total").increment(replaced);
        }
    }
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationDone {
    /// The keys that have taken over everything.
    pub finished: Vec<DataKeyId>,
    /// Rows that do not open and were left as they are, some of them by name. Their rotation stays under
    /// way, and the next run tries again.
    pub unreadable: Vec<String>,
    /// How many there are.
    pub unreadable_rows: u64,
}

/// Why a rotation stopped. What it has done stays done, and the next run goes on.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What one step, or one pass, has done for each key that is to take over.
#[derive(Default)]
struct Tally {
    resealed: HashMap<DataKeyId, u64>,
    unreadable: HashMap<DataKeyId, u64>,
    named: Vec<String>,
}

impl Rotations {
    /// The rotations of `store`, with a limit of rows per second (at least 1).
    #[must_use]
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, clock: Arc<dyn Clock>, rows_per_second_max: u64) -> Rotations {
        Rotations { store, vault, clock, rows_per_second_max: rows_per_second_max.max(1) }
    }

    /// Makes a new data key for each of `merchants`, or, where that is `None`, for everybody who has one, the
    /// gateway itself included. A rotation that is under way is not begun again. Answers the keys that take
    /// over; [`Rotations::run`] does the rest.
    ///
    /// # Errors
    /// When the store or the vault fails; some keys may have been made then.
    pub async fn begin(&self, merchants: Option<&[MerchantId]>) -> Result<Vec<DataKeyId>, RotationError> {
        let all: Vec<MerchantId>;
        let merchants = match merchants {
            Some(merchants) => merchants,
            None => {
                let rows = self.store.data_keys().await.map_err(VaultError::from)?;
                let owners: std::collections::BTreeSet<_> = rows.iter().map(|row| row.merchant).collect();
                all = owners.into_iter().collect();
                &all
            }
        };
        let mut targets = Vec::new();
        for merchant in merchants {
            targets.push(self.vault.begin_rotation(*merchant, self.clock.now()).await?);
        }
        Ok(targets)
    }

    /// Carries every rotation that is under way to its end.
    ///
    /// # Errors
    /// When the store or the vault fails. A row that does not open is no error: it holds no other back.
    pub async fn run(&self, progress: &RotationProgress) -> Result<RotationDone, RotationError> {
        let mut seen_since: HashMap<DataKeyId, Instant> = HashMap::new();
        let mut done = RotationDone::default();
        let run_begun = Instant::now();
        loop {
            let begun = Instant::now();
            let mut targets = BTreeMap::new();
            for row in self.vault.rotations_under_way().await? {
                seen_since.entry(row.id).or_insert(begun);
                // Should a merchant have two, the newest takes over from both.
                targets.insert(row.merchant, row.id);
            }
            let pass = self.pass(&targets, run_begun, progress).await?;
            done.unreadable_rows = pass.unreadable.values().sum();
            done.unreadable = pass.named;
            let settled = |id: &DataKeyId| {
                let since = seen_since.get(id).copied().unwrap_or(begun);
                begun.saturating_duration_since(since) >= Duration::from_millis(SETTLE_MS)
            };
            let mut waits = false;
            for row in self.vault.rotations_under_way().await? {
                let left = pass.resealed.get(&row.id).copied().unwrap_or(0);
                let unreadable = pass.unreadable.get(&row.id).copied().unwrap_or(0);
                if !settled(&row.id) || left > 0 {
                    waits = true;
                } else if unreadable == 0 {
                    self.vault.finish_rotation(row.id).await?;
                    done.finished.push(row.id);
                }
            }
            if !waits {
                return Ok(done);
            }
            if pass.resealed.is_empty() {
                tokio::time::sleep(Duration::from_millis(SETTLE_MS / 4)).await;
            }
        }
    }

    /// One walk over every sealed column.
    async fn pass(
        &self,
        targets: &BTreeMap<MerchantId, DataKeyId>,
        run_begun: Instant,
        progress: &RotationProgress,
    ) -> Result<Tally, RotationError> {
        let mut tally = Tally::default();
        if targets.is_empty() {
            return Ok(tally);
        }
        let (begun, mut resealed) = (Instant::now(), 0u64);
        for column in SealedColumn::ALL {
            let mut after = None;
            loop {
                let rows = self.store.sealed_rows(column, after, ROWS_PER_STEP_MAX).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.number);
                progress.read.fetch_add(rows.len() as u64, Ordering::Relaxed);
                let replaced = self.step(column, rows, targets, &mut tally).await?;
                progress.note(replaced, run_begun);
                resealed = resealed.saturating_add(replaced);
                // Also where nothing was to be done: a walk over millions of rows lets others have a turn.
                tokio::task::yield_now().await;
                let due_ms = resealed.saturating_mul(1000) / self.rows_per_second_max;
                tokio::time::sleep_until(begun + Duration::from_millis(due_ms)).await;
            }
        }
        Ok(tally)
    }

    /// Seals some rows anew; answers how many were replaced.
    async fn step(
        &self,
        column: SealedColumn,
        rows: Vec<SealedRow>,
        targets: &BTreeMap<MerchantId, DataKeyId>,
        tally: &mut Tally,
    ) -> Result<u64, RotationError> {
        let mut replaced = Vec::new();
        for row in rows {
            let place = place_of(row.owner);
            let Some(target) = targets.get(&place.owner()) else { continue };
            match self.vault.reseal(&place, &row.sealed, *target).await {
                Ok(Reseal::Done) => {}
                Ok(Reseal::Sealed(after)) => {
                    *tally.resealed.entry(*target).or_default() += 1;
                    replaced.push(ReplacedSealed { number: row.number, before: row.sealed, after });
                }
                Err(error @ (VaultError::NotAuthentic { .. } | VaultError::Damaged { .. })) => {
                    *tally.unreadable.entry(*target).or_default() += 1;
                    tracing::error!(column = column.name(), row = row.number, %error, "a sealed row does not open");
                    if tally.named.len() < UNREADABLE_NAMED_MAX {
                        tally.named.push(format!("{}, row {}: {error}", column.name(), row.number));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        if replaced.is_empty() { Ok(0) } else { Ok(self.replace(column, replaced).await?) }
    }

    async fn replace(&self, column: SealedColumn, rows: Vec<ReplacedSealed>) -> Result<u64, StoreError> {
        let mut tries = 0;
        loop {
            match self.store.replace_sealed(column, rows.clone()).await {
                // A payment goes before a rotation.
                Err(StoreError::Busy) if tries < BUSY_TRIES_MAX => tries += 1,
                // Written or not: the next pass sees it.
                Err(StoreError::InDoubt(_)) => {
                    tokio::time::sleep(Duration::from_millis(BUSY_PAUSE_MS)).await;
                    return Ok(0);
                }
                done => return done,
            }
            tokio::time::sleep(Duration::from_millis(BUSY_PAUSE_MS)).await;
        }
    }
}

/// Where the vault has to open and seal it.
fn place_of(owner: SealedOwner) -> SealedPlace {
    match owner {
        SealedOwner::Order { merchant, fort_id } => SealedPlace::Card { merchant, fort_id },
        SealedOwner::Merchant { identifier } => SealedPlace::Secret { label: credentials_label(&identifier) },
        SealedOwner::ChannelKey { kid } => SealedPlace::Secret { label: channel::label(&kid) },
        SealedOwner::Token { merchant, token } => SealedPlace::TokenCard { merchant, token },
    }
}
