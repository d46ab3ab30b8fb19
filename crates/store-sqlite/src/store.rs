//! The store itself: threads, connections, and the ports over them.

use crate::audit::{AuditLog, Notes};
use crate::checkpoint::{self, Checkpoints};
use crate::connection::{self, Role};
use crate::migrate::{self, SchemaVersion};
use crate::prepared::Prepared;
use crate::readers::{Readers, Slot};
use crate::references::{Recent, References};
use crate::rows::params_text;
use crate::writer::{Beside, Writer, WriterSettings};
use crate::{
    agreement, audit, card_rule, channel, checkout, claim, correction, feedback, keys, life, outcome, read, recovery,
    refusal, route, token,
};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tollgate_core::agreement::{Agreement, AgreementEnd, AgreementNumber};
use tollgate_core::audit::{AuditAction, AuditEntry};
use tollgate_core::card_terms::UniqueTokens;
use tollgate_core::checkout::{Checkout, CheckoutId};
use tollgate_core::command::OrderTarget;
use tollgate_core::feedback::FeedbackId;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::Order;
use tollgate_core::time::Timestamp;
use tollgate_core::token::Token;
use tollgate_store::{
    AUDIT_ENTRIES_PER_CALL_MAX, AgreementCharge, AgreementFilter, Agreements, Attempt, AuditChain, AuditDesk,
    AuditHead, AuditRow, Audits, CardCustomer, CardKeep, CardKept, ChannelKeyOccasion, ChannelKeyRecord, Channels,
    CheckoutChange, CheckoutChanged, CheckoutOpened, Checkouts, CloseUnsent, CorrectionRecord, Corrections,
    CurrencyTotals, DataKeys, FeedbackAttempt, FeedbackBacklog, FeedbackContent, FeedbackFilter, FeedbackFinish,
    FeedbackFinished, FeedbackLease, FeedbackLeased, FeedbackProbe, FeedbackRouse, FeedbackRow, Feedbacks, LifeBegun,
    LifeId, LifeRow, Lives, NewAttempt, NewCheckout, NewLife, NewOperation, NewOrder, NewTry, NonceUse, OperationClaim,
    OrderClaim, Orders, OutcomeRecord, Proposal, Recorded, Recoveries, RecoveryRow, RefusalRow, Refusals,
    ReplacedSealed, RouteNote, RouteRow, SealedColumn, SealedRow, SealedRows, StoreError, StoreFuture, StoredOperation,
    StoredOrder, StoredToken, Story, TokenFilter, TokenPut, TokenSave, Tokens, TryClaim, Unfinished, WaitingCount,
    Whose, WrappedDataKey,
};
use tollgate_vault::{DataKeyId, Fingerprint, NewDataKey, PortError, PortFuture, RewrappedDataKey};

/// How a store is run. The default suits a gateway; tests change single numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The most calls that wait for the writer; above it a call is answered [`StoreError::Busy`].
    pub queue_calls_max: usize,
    /// The most calls in one transaction.
    pub batch_calls_max: usize,
    /// How long a lock of another process is waited for, in milliseconds.
    pub busy_timeout_ms: u64,
    /// The most read-only connections; each is opened when it is first needed.
    pub reader_connections_max: usize,
    /// How many new orders' references are kept in memory before they are filed; two times as many at most.
    pub references_fresh_max: usize,
}

impl Default for SqliteOptions {
    fn default() -> SqliteOptions {
        SqliteOptions {
            queue_calls_max: 4_096,
            batch_calls_max: 512,
            busy_timeout_ms: 5_000,
            reader_connections_max: 4,
            references_fresh_max: 16_384,
        }
    }
}

/// The embedded store: one SQLite file.
///
/// A write whose future is dropped after it was polled may still be written; one that was never
/// polled is not. Dropping the store writes what waits and closes the file; [`SqliteStore::close`]
/// does the same and can be waited for.
pub struct SqliteStore {
    pub(crate) writer: Writer,
    pub(crate) audit: AuditLog,
    pub(crate) references: References,
    pub(crate) readers: Arc<Readers>,
    checkpoints: Arc<Checkpoints>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Gives a connection that may work on the write-ahead log; a store in memory has no such log.
    open_checkpointer: Option<OpenConnection>,
    schema: SchemaVersion,
}

/// References are filed often where it is to be seen what comes of it.
const SIMULATED_REFERENCES_FRESH_MAX: usize = 64;

type OpenConnection = Arc<dyn Fn() -> Result<rusqlite::Connection, StoreError> + Send + Sync>;

impl SqliteStore {
    /// Opens the database at `path`, making it (readable by its owner alone) if it is not there, and
    /// brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be used, belongs to another program or was
    /// written by a newer version; [`StoreError::Corrupt`] when it is damaged.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<SqliteStore, StoreError> {
        let busy_timeout = Duration::from_millis(options.busy_timeout_ms);
        let path = Arc::<Path>::from(path);
        let opener = move |role| {
            let path = Arc::clone(&path);
            move || connection::open(&path, role, busy_timeout)
        };
        let mut connection = opener(Role::Writer)()?;
        let schema = migrate::migrate(&mut connection)?;
        let beside = Beside::new(options.references_fresh_max);
        let writer = Writer::new(options.queue_calls_max, beside.clone());
        let checkpoints = Arc::new(Checkpoints::new());
        let settings = WriterSettings {
            batch_calls_max: options.batch_calls_max,
            first: Some(connection),
            open: Box::new(opener(Role::Writer)),
            checkpoints: Arc::clone(&checkpoints),
        };
        let readers = Arc::new(Readers::new(options.reader_connections_max, Box::new(opener(Role::Reader))));
        let threads = start(&writer, settings, &checkpoints, opener(Role::Checkpointer))?;
        let open_checkpointer: Option<OpenConnection> = Some(Arc::new(opener(Role::Checkpointer)));
        let threads = Mutex::new(threads);
        let Beside { audit, references } = beside;
        Ok(SqliteStore { writer, audit, references, readers, checkpoints, threads, open_checkpointer, schema })
    }

    /// A new, empty store in memory that has no threads: each call runs and commits on its caller's turn.
    ///
    /// For simulations, which have to run again exactly as before. Nothing of it is ever on a disk, so no
    /// option and no setting of a gateway leads here. It is for the thread that calls this: calls of another one are answered
    /// [`StoreError::Unavailable`], and it must be dropped or closed on its own.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no memory for it.
    pub fn in_memory_for_simulation() -> Result<SqliteStore, StoreError> {
        let mut connection = connection::open_in_memory()?;
        let schema = migrate::copy_migrated(&mut connection)?;
        let slot = Arc::new(Mutex::new(Slot::of_this_thread(connection)));
        let beside = Beside::new(SIMULATED_REFERENCES_FRESH_MAX);
        beside.references.be_alone();
        Ok(SqliteStore {
            writer: Writer::on_callers_turn(Arc::clone(&slot), beside.clone()),
            audit: beside.audit,
            references: beside.references,
            readers: Arc::new(Readers::over(slot)),
            checkpoints: Arc::new(Checkpoints::new()),
            threads: Mutex::new(Vec::new()),
            open_checkpointer: None,
            schema,
        })
    }

    /// Tells that nobody else makes orders in the file while this store is open, as a gateway knows by the lock on its data
    /// folder. Without that a reference that is not found has to be looked for in all orders that are not filed yet,
    /// which takes milliseconds.
    ///
    /// # Errors
    /// When the newest orders cannot be read.
    pub async fn be_alone(&self) -> Result<(), StoreError> {
        let references = self.references.clone();
        self.writer.call(move |connection| references.look(connection)).await?;
        self.references.be_alone();
        Ok(())
    }

    /// The schema of the open database.
    #[must_use]
    pub fn schema_version(&self) -> SchemaVersion {
        self.schema
    }

    /// Takes no more calls, writes those that wait, and closes the file, with everything moved out of
    /// the write-ahead log. Later calls are answered [`StoreError::Unavailable`].
    pub async fn close(&self) {
        let threads = self.begin_close();
        let readers = Arc::clone(&self.readers);
        let joined = tokio::task::spawn_blocking(move || end_close(threads, &readers)).await;
        if let Err(error) = joined {
            tracing::error!(%error, "the store did not close in order");
        }
    }

    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }

    fn begin_close(&self) -> Vec<JoinHandle<()>> {
        self.writer.close();
        self.checkpoints.close();
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        end_close(self.begin_close(), &self.readers);
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Starts the writer and the checkpointer.
pub(crate) fn start(
    writer: &Writer,
    settings: WriterSettings,
    checkpoints: &Arc<Checkpoints>,
    open_checkpointer: impl Fn() -> Result<rusqlite::Connection, StoreError> + Send + 'static,
) -> Result<Vec<JoinHandle<()>>, StoreError> {
    let not_started = |error: std::io::Error| StoreError::Unavailable(format!("cannot start a thread: {error}"));
    let body = writer.clone();
    let writing = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || body.run(settings));
    let writing = writing.map_err(not_started)?;
    let body = Arc::clone(checkpoints);
    let copying =
        std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || body.run(&open_checkpointer));
    match copying {
        Ok(copying) => Ok(vec![copying, writing]),
        Err(error) => {
            writer.close();
            Err(not_started(error))
        }
    }
}

/// Readers first, then the checkpointer, then the writer: the last connection that closes moves what
/// is left in the write-ahead log into the database file and deletes the log.
fn end_close(threads: Vec<JoinHandle<()>>, readers: &Readers) {
    readers.close();
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the store ended in a panic");
        }
    }
}

impl Orders for SqliteStore {
    fn claim_order(&self, new: NewOrder) -> StoreFuture<'_, OrderClaim> {
        Box::pin(async move {
            let request = params_text(&new.request)?;
            let (log, references) = (self.audit.clone(), self.references.clone());
            let work = move |connection: &Prepared<'_>, notes: &mut Notes| {
                log.take(notes, &new.audit)?;
                claim::claim_order(connection, &references, &new, &request)
            };
            self.writer.call_noted(work).await
        })
    }

    fn claim_operation(&self, new: NewOperation) -> StoreFuture<'_, OperationClaim> {
        Box::pin(async move {
            let request = params_text(&new.request)?;
            let log = self.audit.clone();
            let work = move |connection: &Prepared<'_>, notes: &mut Notes| {
                log.take(notes, &new.audit)?;
                claim::claim_operation(connection, &new, &request)
            };
            self.writer.call_noted(work).await
        })
    }

    fn record_outcome(&self, record: OutcomeRecord) -> StoreFuture<'_, Recorded> {
        let log = self.audit.clone();
        Box::pin(self.writer.call_noted(move |connection, notes| {
            let recorded = outcome::record_outcome(connection, &record)?;
            if recorded == Recorded::Written {
                log.take(notes, record.audit_of_next())?;
            }
            Ok(recorded)
        }))
    }

    fn order<'a>(&'a self, merchant: MerchantId, target: &'a OrderTarget) -> StoreFuture<'a, Option<StoredOrder>> {
        Box::pin(async move {
            let recent = match target {
                OrderTarget::Reference(reference) => self.references.recent(merchant, reference),
                OrderTarget::FortId(_) | OrderTarget::Both(..) => Recent::FiledOrFree,
            };
            let read = |connection: &Prepared<'_>| read::order(connection, merchant, target, recent);
            // Another process may file it between two statements.
            if recent == Recent::Unknown { self.readers.snapshot(read) } else { self.readers.point(read) }
        })
    }

    fn verification<'a>(&'a self, merchant: MerchantId, merchant_reference: &'a str) -> StoreFuture<'a, Option<Order>> {
        Box::pin(async move {
            self.readers.point(|connection| read::verification(connection, merchant, merchant_reference))
        })
    }

    fn operation(&self, id: OperationId) -> StoreFuture<'_, Option<StoredOperation>> {
        Box::pin(async move { self.readers.snapshot(|connection| read::operation(connection, id)) })
    }

    fn unfinished(&self, whose: Whose, limit: usize) -> StoreFuture<'_, Vec<Unfinished>> {
        Box::pin(async move { self.readers.snapshot(|connection| read::unfinished(connection, whose, limit)) })
    }

    fn story(&self, fort_id: FortId) -> StoreFuture<'_, Option<Story>> {
        Box::pin(async move { self.readers.snapshot(|connection| read::story(connection, fort_id)) })
    }

    fn orders_by_reference<'a>(&'a self, merchant_reference: &'a str, limit: usize) -> StoreFuture<'a, Vec<FortId>> {
        Box::pin(async move {
            self.readers.point(|connection| read::orders_by_reference(connection, merchant_reference, limit))
        })
    }

    fn route_uses(&self) -> StoreFuture<'_, Vec<RouteRow>> {
        Box::pin(async move { self.readers.point(route::list) })
    }

    fn totals(&self) -> StoreFuture<'_, Vec<CurrencyTotals>> {
        // Goes over all orders: the only read that may take seconds.
        Box::pin(self.readers.long_snapshot(read::totals))
    }
}

impl Checkouts for SqliteStore {
    fn open_checkout(&self, new: NewCheckout) -> StoreFuture<'_, CheckoutOpened> {
        let references = self.references.clone();
        Box::pin(self.writer.call(move |connection| checkout::open(connection, &references, &new)))
    }

    fn checkout(&self, id: CheckoutId) -> StoreFuture<'_, Option<Checkout>> {
        Box::pin(async move { self.readers.point(|connection| checkout::one(connection, id)) })
    }

    fn change_checkout(&self, change: CheckoutChange) -> StoreFuture<'_, CheckoutChanged> {
        Box::pin(self.writer.call(move |connection| checkout::change(connection, &change)))
    }

    fn keep_card(&self, keep: CardKeep) -> StoreFuture<'_, CardKept> {
        Box::pin(self.writer.call(move |connection| checkout::keep_card(connection, &keep)))
    }

    fn claim_try(&self, new: NewTry) -> StoreFuture<'_, TryClaim> {
        let log = self.audit.clone();
        Box::pin(self.writer.call_noted(move |connection, notes| {
            log.take(notes, &new.intent.audit)?;
            checkout::claim_try(connection, &new)
        }))
    }

    fn close_unsent(&self, close: CloseUnsent) -> StoreFuture<'_, TryClaim> {
        Box::pin(self.writer.call(move |connection| checkout::close_unsent(connection, &close)))
    }

    fn checkouts_due(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<Checkout>> {
        Box::pin(async move { self.readers.point(|connection| checkout::due(connection, now, limit)) })
    }

    fn forget_checkouts(&self, ended_before: Timestamp, limit: usize) -> StoreFuture<'_, u64> {
        Box::pin(self.writer.call(move |connection| checkout::forget(connection, ended_before, limit)))
    }
}

impl Agreements for SqliteStore {
    fn agreement<'a>(&'a self, merchant: MerchantId, id: &'a str) -> StoreFuture<'a, Option<Agreement>> {
        Box::pin(async move { self.readers.point(|connection| agreement::by_name(connection, merchant, id)) })
    }

    fn agreements<'a>(&'a self, filter: &'a AgreementFilter) -> StoreFuture<'a, Vec<Agreement>> {
        Box::pin(async move { self.readers.point(|connection| agreement::list(connection, filter)) })
    }

    fn agreement_charges(&self, number: AgreementNumber, limit: usize) -> StoreFuture<'_, Vec<AgreementCharge>> {
        Box::pin(async move { self.readers.point(|connection| agreement::charges(connection, number, limit)) })
    }

    fn end_agreement<'a>(
        &'a self,
        merchant: MerchantId,
        id: &'a str,
        end: AgreementEnd,
    ) -> StoreFuture<'a, Option<Agreement>> {
        let id = id.to_owned();
        Box::pin(self.writer.call(move |connection| agreement::end(connection, merchant, &id, end)))
    }
}

impl Lives for SqliteStore {
    fn begin_life(&self, new: NewLife) -> StoreFuture<'_, LifeBegun> {
        Box::pin(self.writer.call(move |connection| life::begin(connection, &new)))
    }

    fn renew_life(&self, life: LifeId, alive_until: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.call(move |connection| life::renew(connection, life, alive_until)))
    }

    fn end_life(&self, life: LifeId, seen_renewals: Option<u64>, now: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.call(move |connection| life::end(connection, life, seen_renewals, now)))
    }

    fn lives(&self) -> StoreFuture<'_, Vec<LifeRow>> {
        Box::pin(async move { self.readers.point(life::living) })
    }
}

impl Recoveries for SqliteStore {
    fn recoveries_due(&self, finder: LifeId, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<RecoveryRow>> {
        Box::pin(async move { self.readers.point(|connection| recovery::due(connection, finder, now, limit)) })
    }

    fn recovery_next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move { self.readers.point(recovery::next_due) })
    }

    fn begin_attempt(&self, new: NewAttempt) -> StoreFuture<'_, bool> {
        let log = self.audit.clone();
        Box::pin(self.writer.call_noted(move |connection, notes| {
            let begun = recovery::begin_attempt(connection, &new)?;
            if begun {
                log.take(notes, &new.audit)?;
            }
            Ok(begun)
        }))
    }

    fn note_attempt(&self, attempt: Attempt) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.call(move |connection| recovery::note_attempt(connection, &attempt)))
    }

    fn recovery_backlog(&self) -> StoreFuture<'_, (u64, Option<Timestamp>)> {
        Box::pin(async move { self.readers.point(recovery::backlog) })
    }
}

impl Feedbacks for SqliteStore {
    fn lease_feedback(&self, lease: FeedbackLease) -> StoreFuture<'_, FeedbackLeased> {
        Box::pin(self.writer.call(move |connection| feedback::lease(connection, &lease)))
    }

    fn probe_feedback(&self, probe: FeedbackProbe) -> StoreFuture<'_, Vec<FeedbackRow>> {
        Box::pin(self.writer.call(move |connection| feedback::probe(connection, &probe)))
    }

    fn release_feedback(&self, node: u8, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(self.writer.call(move |connection| feedback::release(connection, node, now)))
    }

    fn finish_feedback(&self, finish: FeedbackFinish) -> StoreFuture<'_, FeedbackFinished> {
        Box::pin(self.writer.call(move |connection| feedback::finish(connection, &finish)))
    }

    fn rouse_feedback(&self, rouse: FeedbackRouse) -> StoreFuture<'_, u64> {
        Box::pin(self.writer.call(move |connection| feedback::rouse(connection, &rouse)))
    }

    fn feedback_content(&self, id: FeedbackId) -> StoreFuture<'_, Option<FeedbackContent>> {
        Box::pin(async move { self.readers.snapshot(|connection| feedback::content(connection, id)) })
    }

    fn feedbacks<'a>(&'a self, filter: &'a FeedbackFilter) -> StoreFuture<'a, Vec<FeedbackRow>> {
        Box::pin(async move { self.readers.point(|connection| feedback::list(connection, filter)) })
    }

    fn feedback_attempts(&self, id: FeedbackId) -> StoreFuture<'_, Vec<FeedbackAttempt>> {
        Box::pin(async move { self.readers.point(|connection| feedback::attempts(connection, id)) })
    }

    fn feedback_next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move { self.readers.point(feedback::next_due) })
    }

    fn feedback_backlog(&self) -> StoreFuture<'_, FeedbackBacklog> {
        Box::pin(async move { self.readers.point(feedback::backlog) })
    }
}

impl Corrections for SqliteStore {
    fn record_correction(&self, record: CorrectionRecord) -> StoreFuture<'_, Recorded> {
        let log = self.audit.clone();
        Box::pin(self.writer.call_noted(move |connection, notes| {
            let recorded = correction::record(connection, &record)?;
            if recorded == Recorded::Written {
                audit::note_correction(&log, notes, &record);
                log.take(notes, record.outcome.audit_of_next())?;
            }
            Ok(recorded)
        }))
    }

    fn propose_correction(&self, proposal: Proposal) -> StoreFuture<'_, bool> {
        let log = self.audit.clone();
        Box::pin(self.writer.call_noted(move |connection, notes| {
            let proposed = correction::propose(connection, &proposal)?;
            if proposed {
                audit::note_proposal(&log, notes, &proposal);
            }
            Ok(proposed)
        }))
    }

    fn withdraw_proposal(&self, operation: OperationId) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.call(move |connection| correction::withdraw(connection, operation)))
    }

    fn proposals(&self, limit: usize) -> StoreFuture<'_, Vec<Proposal>> {
        Box::pin(async move { self.readers.point(|connection| correction::proposals(connection, limit)) })
    }

    fn waiting_since(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Vec<RecoveryRow>> {
        Box::pin(async move { self.readers.point(|connection| correction::waiting_since(connection, before, limit)) })
    }

    fn waiting_counts(&self, before: Timestamp) -> StoreFuture<'_, Vec<WaitingCount>> {
        Box::pin(async move { self.readers.point(|connection| correction::waiting_counts(connection, before)) })
    }
}

impl Channels for SqliteStore {
    fn channel_keys(&self) -> StoreFuture<'_, Vec<ChannelKeyRecord>> {
        Box::pin(async move { self.readers.point(channel::keys) })
    }

    fn add_channel_keys(&self, keys: Vec<ChannelKeyRecord>, occasion: ChannelKeyOccasion) -> StoreFuture<'_, bool> {
        let log = self.audit.clone();
        Box::pin(self.writer.call_noted(move |connection, notes| {
            let added = channel::add_keys(connection, &keys, occasion)?;
            if added {
                audit::note_channel_keys(&log, notes, &keys);
            }
            Ok(added)
        }))
    }

    fn use_nonce(&self, nonce: NonceUse) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.call(move |connection| channel::use_nonce(connection, &nonce)))
    }
}

impl Refusals for SqliteStore {
    fn note_refusal(&self, row: RefusalRow) -> bool {
        let Ok(request) = params_text(&row.request) else { return false };
        self.writer.call_unheard(move |connection| refusal::note(connection, &row, &request))
    }

    fn refusals_by_reference<'a>(
        &'a self,
        merchant_reference: &'a str,
        limit: usize,
    ) -> StoreFuture<'a, Vec<RefusalRow>> {
        Box::pin(async move {
            self.readers.point(|connection| refusal::by_reference(connection, merchant_reference, limit))
        })
    }
}

impl SealedRows for SqliteStore {
    fn sealed_rows(
        &self,
        column: SealedColumn,
        after: Option<i64>,
        rows_max: usize,
    ) -> StoreFuture<'_, Vec<SealedRow>> {
        Box::pin(async move { self.readers.point(|connection| keys::sealed_rows(connection, column, after, rows_max)) })
    }

    fn replace_sealed(&self, column: SealedColumn, rows: Vec<ReplacedSealed>) -> StoreFuture<'_, u64> {
        let log = self.audit.clone();
        Box::pin(self.writer.call_noted(move |connection, notes| {
            let replaced = keys::replace_sealed(connection, column, &rows)?;
            if replaced > 0 {
                audit::note_resealed(&log, notes, column, replaced);
            }
            Ok(replaced)
        }))
    }
}

impl Tokens for SqliteStore {
    fn token<'a>(&'a self, merchant: MerchantId, name: &'a str) -> StoreFuture<'a, Option<StoredToken>> {
        Box::pin(async move { self.readers.point(|connection| token::by_name(connection, merchant, name)) })
    }

    fn tokens<'a>(&'a self, filter: &'a TokenFilter) -> StoreFuture<'a, Vec<Token>> {
        Box::pin(async move { self.readers.point(|connection| token::list(connection, filter)) })
    }

    fn add_token(&self, new: StoredToken, came: Option<RouteNote>) -> StoreFuture<'_, TokenSave> {
        Box::pin(self.writer.call(move |connection| token::add_noted(connection, &new, came.as_ref())))
    }

    fn change_token(&self, changed: Token) -> StoreFuture<'_, TokenSave> {
        Box::pin(self.writer.call(move |connection| token::change(connection, &changed)))
    }

    fn delete_token<'a>(&'a self, merchant: MerchantId, name: &'a str) -> StoreFuture<'a, Option<Token>> {
        let name = name.to_owned();
        Box::pin(self.writer.call(move |connection| token::delete(connection, merchant, &name)))
    }

    fn card_customers(
        &self,
        merchant: MerchantId,
        fingerprint: Fingerprint,
        limit: usize,
    ) -> StoreFuture<'_, Vec<CardCustomer>> {
        Box::pin(async move {
            self.readers.point(|connection| card_rule::customers(connection, merchant, &fingerprint, limit))
        })
    }

    fn doubled_cards(&self, merchant: MerchantId, unique: UniqueTokens) -> StoreFuture<'_, u64> {
        Box::pin(async move { self.readers.point(|connection| card_rule::doubles(connection, merchant, unique)) })
    }

    fn delete_lapsed_tokens(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, u64> {
        Box::pin(self.writer.call(move |connection| token::delete_lapsed(connection, now, limit)))
    }

    fn put_token(&self, new: StoredToken, came: Option<RouteNote>) -> StoreFuture<'_, TokenPut> {
        Box::pin(self.writer.call(move |connection| token::put_noted(connection, &new, came.as_ref())))
    }

    fn has_lapsed_tokens(&self, now: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(async move { self.readers.point(|connection| token::has_lapsed(connection, now)) })
    }

    fn erase_traces(&self) -> StoreFuture<'_, ()> {
        let Some(open) = self.open_checkpointer.clone() else {
            return Box::pin(std::future::ready(Ok(())));
        };
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || checkpoint::cut_log(&open()?)).await {
                Ok(cut) => cut,
                Err(error) => Err(StoreError::Unavailable(format!("cutting the log broke off: {error}"))),
            }
        })
    }
}

impl DataKeys for SqliteStore {
    fn data_keys(&self) -> PortFuture<'_, Vec<WrappedDataKey>> {
        Box::pin(async move { self.readers.point(keys::data_keys).map_err(|error| port_error(&error)) })
    }

    fn add_data_key(&self, new: NewDataKey) -> PortFuture<'_, WrappedDataKey> {
        Box::pin(async move {
            let log = self.audit.clone();
            let work = move |connection: &Prepared<'_>, notes: &mut Notes| {
                let kept = keys::add_data_key(connection, &new)?;
                if kept.is_new {
                    audit::note_data_key(&log, notes, &kept.key);
                }
                Ok(kept.key)
            };
            let kept = self.writer.call_noted(work).await;
            kept.map_err(|error| port_error(&error))
        })
    }

    fn data_keys_generation(&self) -> PortFuture<'_, u64> {
        Box::pin(async move { self.readers.point(keys::generation).map_err(|error| port_error(&error)) })
    }

    fn rewrap_data_keys(&self, rewrapped: Vec<RewrappedDataKey>) -> PortFuture<'_, u64> {
        Box::pin(async move {
            let log = self.audit.clone();
            let work = move |connection: &Prepared<'_>, notes: &mut Notes| {
                let replaced = keys::rewrap(connection, &rewrapped)?;
                if replaced > 0 {
                    audit::note_rewrapped(&log, notes, &rewrapped, replaced);
                }
                Ok(replaced)
            };
            let replaced = self.writer.call_noted(work).await;
            replaced.map_err(|error| port_error(&error))
        })
    }

    fn finish_rotation(&self, id: DataKeyId) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let log = self.audit.clone();
            let work = move |connection: &Prepared<'_>, notes: &mut Notes| {
                keys::finish_rotation(connection, id)?;
                log.note(notes, AuditAction::DataKeyRotated, |entry| entry.saying(format!("to key {id}")));
                Ok(())
            };
            let noted = self.writer.call_noted(work).await;
            noted.map_err(|error| port_error(&error))
        })
    }
}

impl Audits for SqliteStore {
    fn begin_audit(&self, desk: AuditDesk) -> StoreFuture<'_, ()> {
        self.audit.begin(desk);
        let log = self.audit.clone();
        Box::pin(async move {
            // Most processes find a log: those that only read write nothing at all.
            if self.readers.point(audit::head)?.is_some() {
                return Ok(());
            }
            self.writer.call_noted(move |connection, notes| audit::begin(connection, &log, notes)).await
        })
    }

    fn note_audit(&self, entries: Vec<AuditEntry>) -> StoreFuture<'_, ()> {
        let log = self.audit.clone();
        Box::pin(async move {
            if entries.len() > AUDIT_ENTRIES_PER_CALL_MAX {
                return Err(StoreError::Refused(format!("at most {AUDIT_ENTRIES_PER_CALL_MAX} entries at once")));
            }
            self.writer.call_noted(move |_, notes| log.take(notes, &entries)).await
        })
    }

    fn audit_chains(&self) -> StoreFuture<'_, Vec<AuditChain>> {
        Box::pin(async { Ok(vec![AuditChain::SOLE]) })
    }

    fn audit_rows(&self, chain: AuditChain, after: u64, rows_max: usize) -> StoreFuture<'_, Vec<AuditRow>> {
        Box::pin(async move {
            if chain != AuditChain::SOLE {
                return Ok(Vec::new());
            }
            self.readers.point(|connection| audit::rows(connection, after, rows_max))
        })
    }

    fn audit_row_since(&self, chain: AuditChain, at: Timestamp) -> StoreFuture<'_, Option<u64>> {
        Box::pin(async move {
            if chain != AuditChain::SOLE {
                return Ok(None);
            }
            self.readers.point(|connection| audit::row_since(connection, at))
        })
    }

    fn audit_head(&self, chain: AuditChain) -> StoreFuture<'_, Option<AuditHead>> {
        Box::pin(async move { if chain != AuditChain::SOLE { Ok(None) } else { self.readers.point(audit::head) } })
    }
}

fn port_error(error: &StoreError) -> PortError {
    PortError(error.to_string())
}
