//! The one thread that writes: whatever waits becomes one transaction, one commit, one fsync.
//!
//! There is no timer. While a commit is on its way to the disk new calls gather, and the next batch
//! takes them all; a single caller waits for one commit and nothing else.
//!
//! A call checks before it writes, so a call that finds its reference taken has changed nothing and
//! shares the commit of the others. A call that breaks a rule of the database fails in the middle:
//! then the batch is rolled back and run again with a savepoint around each call, and only the
//! culprit is answered with its error. Savepoints are not free, so the first try does without.

use crate::audit::{AuditLog, Notes};
use crate::checkpoint::Checkpoints;
use crate::failure::{Failure, store_error};
use crate::prepared::Prepared;
use crate::queue::{NotQueued, Queue};
use crate::readers::Slot;
use crate::references::References;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;
use tollgate_core::audit::AuditEntry;
use tollgate_store::StoreError;

/// One waiting call.
pub(crate) trait Job: Send {
    /// Does the work inside the batch's transaction and keeps the answer. May be called again after
    /// a rollback.
    fn run(&mut self, connection: &Prepared<'_>) -> Result<(), Failure>;

    /// What it has noted for the audit log when it ran.
    fn notes(&self) -> &[AuditEntry];

    /// Answers the caller: with what was kept if the batch is committed, else with its error.
    fn answer(self: Box<Self>, end: Result<(), StoreError>);
}

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct Writer {
    way: Way,
    beside: Beside,
}

/// What the writer keeps in memory of the database, and changes with each transaction.
#[derive(Clone)]
pub(crate) struct Beside {
    /// The end of the audit log.
    pub(crate) audit: AuditLog,
    /// The newest references.
    pub(crate) references: References,
}

impl Beside {
    /// Nothing is known yet.
    pub(crate) fn new(references_fresh_max: usize) -> Beside {
        Beside { audit: AuditLog::default(), references: References::new(references_fresh_max) }
    }

    fn committed(&self) {
        self.audit.committed();
        self.references.committed();
    }

    fn rolled_back(&self) {
        self.audit.rolled_back();
        self.references.rolled_back();
    }

    /// After a commit of which nobody knows, and before the first transaction of a new connection.
    fn distrust(&self) {
        self.audit.rolled_back();
        self.references.distrust();
    }
}

#[derive(Clone)]
enum Way {
    /// To a thread of its own, which takes whatever waits.
    Thread(Arc<Queue<Box<dyn Job>>>),
    /// On the caller's turn, each call in a commit of its own. Nothing of it depends on how threads are
    /// scheduled, so a simulation can run it again and see the same.
    CallersTurn(Arc<Mutex<Slot>>),
}

impl Writer {
    /// A way to a writer that is not started yet; at most `calls_max` calls wait.
    pub(crate) fn new(calls_max: usize, beside: Beside) -> Writer {
        Writer { way: Way::Thread(Arc::new(Queue::new(calls_max))), beside }
    }

    /// A writer without a thread: each call runs and commits on its caller's turn.
    pub(crate) fn on_callers_turn(slot: Arc<Mutex<Slot>>, beside: Beside) -> Writer {
        Writer { way: Way::CallersTurn(slot), beside }
    }

    /// Runs `work` in the next batch, and answers after its commit. A caller that goes away once
    /// this is polled loses the answer, not the write.
    pub(crate) async fn call<T, F>(&self, mut work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Prepared<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.call_noted(move |connection, _| work(connection)).await
    }

    /// The same for work that notes something for the audit log. What it notes is written in its own transaction,
    /// in one row with what its neighbours note.
    pub(crate) async fn call_noted<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Prepared<'_>, &mut Notes) -> Result<T, Failure> + Send + 'static,
    {
        let queue = match &self.way {
            Way::Thread(queue) => queue,
            Way::CallersTurn(slot) => return write_now(slot, &self.beside, work),
        };
        let (reply, answer) = oneshot::channel();
        queue.push(Box::new(Call { work, notes: Notes::new(), done: None, reply })).map_err(not_queued)?;
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::InDoubt("the writer broke off in the middle of this call".to_owned())),
        }
    }

    /// Runs `work` some time soon, if few calls wait. `false` when it will not run.
    pub(crate) fn call_unheard<F>(&self, mut work: F) -> bool
    where
        F: FnMut(&Prepared<'_>) -> Result<(), Failure> + Send + 'static,
    {
        match &self.way {
            Way::Thread(queue) => queue.push_idle(Box::new(Unheard { work })).is_ok(),
            Way::CallersTurn(slot) => write_now(slot, &self.beside, |connection, _| work(connection)).is_ok(),
        }
    }

    /// Takes no more calls; those that wait are still written.
    pub(crate) fn close(&self) {
        match &self.way {
            Way::Thread(queue) => queue.close(),
            Way::CallersTurn(slot) => *slot.lock().unwrap_or_else(PoisonError::into_inner) = Slot::Closed,
        }
    }

    /// The body of the writer thread. Ends when the queue is closed and empty.
    pub(crate) fn run(&self, mut settings: WriterSettings) {
        let Way::Thread(queue) = &self.way else { return };
        let abandon = AbandonOnDrop(queue);
        let mut first = settings.first.take();
        let mut batch: Vec<Box<dyn Job>> = Vec::new();
        while abandon.0.take(&mut batch, settings.batch_calls_max) {
            let opened = match first.take() {
                Some(open) => Ok(open),
                None => {
                    self.beside.distrust();
                    (settings.open)()
                }
            };
            match opened {
                Ok(connection) => self.write_over(&connection, queue, &mut batch, &settings),
                Err(error) => answer_all(std::mem::take(&mut batch), &Err(error)),
            }
        }
    }

    /// Writes `batch` and then whatever waits, until nothing will come any more; or until a call panics, after which nobody
    /// knows what state the connection is in.
    fn write_over(
        &self,
        connection: &Connection,
        queue: &Queue<Box<dyn Job>>,
        batch: &mut Vec<Box<dyn Job>>,
        settings: &WriterSettings,
    ) {
        let prepared = Prepared::keeping(connection);
        while write_or_break(&prepared, std::mem::take(batch), &settings.checkpoints, &self.beside) {
            if !queue.take(batch, settings.batch_calls_max) {
                return file_references(&prepared, &self.beside);
            }
        }
    }
}

/// What a writer thread needs.
pub(crate) struct WriterSettings {
    /// The most calls in one transaction.
    pub(crate) batch_calls_max: usize,
    /// The connection to begin with.
    pub(crate) first: Option<Connection>,
    /// Opens another one after a panic.
    pub(crate) open: Box<dyn Fn() -> Result<Connection, StoreError> + Send>,
    /// Told of every commit.
    pub(crate) checkpoints: Arc<Checkpoints>,
}

/// Drops what waits when the writer thread ends for whatever reason, so that no caller hangs.
struct AbandonOnDrop<'a>(&'a Queue<Box<dyn Job>>);

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// One call in a commit of its own.
fn write_now<T>(
    slot: &Mutex<Slot>,
    beside: &Beside,
    mut work: impl FnMut(&Prepared<'_>, &mut Notes) -> Result<T, Failure>,
) -> Result<T, StoreError> {
    let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    slot.with(|connection| {
        begin(connection)?;
        let mut notes = Notes::new();
        match work(connection, &mut notes).and_then(|done| before_commit(connection, &notes, 1, beside).map(|()| done))
        {
            Err(failure) => {
                roll_back(connection);
                beside.rolled_back();
                Err(failure.into_store_error())
            }
            Ok(done) => match commit(connection, beside) {
                End::Failed(error) => Err(error),
                End::Committed | End::Broken => Ok(done),
            },
        }
    })?
}

struct Call<T, F> {
    work: F,
    notes: Notes,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&Prepared<'_>, &mut Notes) -> Result<T, Failure> + Send,
{
    fn run(&mut self, connection: &Prepared<'_>) -> Result<(), Failure> {
        self.done = None;
        self.notes.clear();
        self.done = Some((self.work)(connection, &mut self.notes)?);
        Ok(())
    }

    fn notes(&self) -> &[AuditEntry] {
        &self.notes
    }

    fn answer(self: Box<Self>, end: Result<(), StoreError>) {
        let answer = match (end, self.done) {
            (Ok(()), Some(done)) => Ok(done),
            (Ok(()), None) => Err(StoreError::Unavailable("the call was left out of its batch".to_owned())),
            (Err(error), _) => Err(error),
        };
        // Nobody waits any more if the caller went away; the write stands all the same.
        let _gone = self.reply.send(answer);
    }
}

struct Unheard<F> {
    work: F,
}

impl<F> Job for Unheard<F>
where
    F: FnMut(&Prepared<'_>) -> Result<(), Failure> + Send,
{
    fn run(&mut self, connection: &Prepared<'_>) -> Result<(), Failure> {
        (self.work)(connection)
    }

    fn notes(&self) -> &[AuditEntry] {
        &[]
    }

    fn answer(self: Box<Self>, end: Result<(), StoreError>) {
        if let Err(error) = end {
            tracing::warn!(%error, "a refusal was not noted");
        }
    }
}

/// Writes the batch. After a panic the connection is dropped, which rolls back, and the callers of
/// the batch learn of it because their jobs are dropped.
fn write_or_break(
    connection: &Prepared<'_>,
    batch: Vec<Box<dyn Job>>,
    checkpoints: &Checkpoints,
    beside: &Beside,
) -> bool {
    let written = catch_unwind(AssertUnwindSafe(|| {
        checkpoints.finish_if_asked(connection);
        let calls = batch.len();
        let begun = Instant::now();
        let wrote = write(connection, batch, beside);
        metrics::histogram!("tollgate_store_batch_calls").record(f64::from(u32::try_from(calls).unwrap_or(u32::MAX)));
        metrics::histogram!("tollgate_store_batch_seconds").record(begun.elapsed().as_secs_f64());
        if wrote == Wrote::Batch {
            checkpoints.note_commit(connection, calls);
        }
    }));
    if written.is_err() {
        beside.rolled_back();
        metrics::counter!("tollgate_store_writer_panics_total").increment(1);
        tracing::error!("the store's writer panicked; it goes on with a new connection");
    }
    written.is_ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrote {
    Batch,
    Nothing,
}

fn write(connection: &Prepared<'_>, mut batch: Vec<Box<dyn Job>>, beside: &Beside) -> Wrote {
    let mut end = run_plainly(connection, &mut batch, beside);
    if let End::Broken = end {
        (batch, end) = run_with_savepoints(connection, batch, beside);
    }
    match end {
        End::Committed => {
            answer_all(batch, &Ok(()));
            Wrote::Batch
        }
        End::Failed(error) => {
            metrics::counter!("tollgate_store_batch_failures_total").increment(1);
            tracing::error!(%error, calls = batch.len(), "a batch of the store failed");
            answer_all(batch, &Err(error));
            Wrote::Nothing
        }
        // The careful run has answered every culprit; what is left over was rolled back.
        End::Broken => {
            answer_all(batch, &Err(StoreError::Unavailable("the batch could not be run".to_owned())));
            Wrote::Nothing
        }
    }
}

/// How a try to write a batch ended.
enum End {
    /// It is on the disk.
    Committed,
    /// One call broke a rule; everything is rolled back.
    Broken,
    /// The database failed; everything is rolled back, unless the text says otherwise.
    Failed(StoreError),
}

fn run_plainly(connection: &Prepared<'_>, batch: &mut [Box<dyn Job>], beside: &Beside) -> End {
    if let Err(error) = begin(connection) {
        return End::Failed(error);
    }
    for job in batch.iter_mut() {
        if let Err(failure) = job.run(connection) {
            roll_back(connection);
            beside.rolled_back();
            return if failure.is_of_the_call() { End::Broken } else { End::Failed(failure.into_store_error()) };
        }
    }
    end(connection, batch, beside)
}

/// Adds what the batch leaves behind, and commits.
fn end(connection: &Prepared<'_>, batch: &[Box<dyn Job>], beside: &Beside) -> End {
    let notes: Notes = batch.iter().flat_map(|job| job.notes()).cloned().collect();
    if let Err(failure) = before_commit(connection, &notes, batch.len(), beside) {
        roll_back(connection);
        beside.rolled_back();
        return End::Failed(failure.into_store_error());
    }
    commit(connection, beside)
}

/// What the calls have noted goes to the audit log, and some older references to their table.
fn before_commit(
    connection: &Prepared<'_>,
    notes: &[AuditEntry],
    calls: usize,
    beside: &Beside,
) -> Result<(), Failure> {
    beside.audit.append(connection, notes)?;
    beside.references.file_some(connection, calls)
}

/// Before the store is closed: then whoever opens it next finds all references in their table. Without it they are read from
/// the orders.
fn file_references(connection: &Prepared<'_>, beside: &Beside) {
    if !beside.references.are_unfiled() {
        return;
    }
    let filed = begin(connection).map(|()| match beside.references.file_all(connection) {
        Ok(()) => commit(connection, beside),
        Err(failure) => {
            roll_back(connection);
            End::Failed(failure.into_store_error())
        }
    });
    if let Ok(End::Failed(error)) | Err(error) = filed {
        tracing::warn!(%error, "the newest references are not filed; the next start reads them from the orders");
    }
}

/// Runs the batch again, each call alone inside a savepoint; answers and removes those that fail.
fn run_with_savepoints(
    connection: &Prepared<'_>,
    batch: Vec<Box<dyn Job>>,
    beside: &Beside,
) -> (Vec<Box<dyn Job>>, End) {
    if let Err(error) = begin(connection) {
        return (batch, End::Failed(error));
    }
    let mut good = Vec::with_capacity(batch.len());
    let mut waiting = batch.into_iter();
    while let Some(mut job) = waiting.next() {
        match run_in_savepoint(connection, job.as_mut(), beside) {
            Ok(()) => good.push(job),
            Err(failure) if failure.is_of_the_call() => job.answer(Err(failure.into_store_error())),
            Err(failure) => {
                roll_back(connection);
                beside.rolled_back();
                good.push(job);
                good.extend(waiting);
                return (good, End::Failed(failure.into_store_error()));
            }
        }
    }
    let ended = end(connection, &good, beside);
    (good, ended)
}

fn run_in_savepoint(connection: &Prepared<'_>, job: &mut dyn Job, beside: &Beside) -> Result<(), Failure> {
    step(connection, "SAVEPOINT one_call")?;
    let savepoint = beside.references.savepoint();
    let ran = job.run(connection);
    if ran.is_err() {
        step(connection, "ROLLBACK TO one_call")?;
        beside.references.roll_back_to(savepoint);
    }
    step(connection, "RELEASE one_call")?;
    ran
}

fn begin(connection: &Prepared<'_>) -> Result<(), StoreError> {
    step(connection, "BEGIN IMMEDIATE").map_err(|error| store_error(&error))
}

fn commit(connection: &Prepared<'_>, beside: &Beside) -> End {
    match step(connection, "COMMIT") {
        Ok(()) => {
            beside.committed();
            End::Committed
        }
        Err(error) => {
            roll_back(connection);
            beside.distrust();
            // The frames may have reached the disk although the sync failed; a crash right now could
            // bring them back. So nobody may take this for a definite no.
            End::Failed(StoreError::InDoubt(store_error(&error).to_string()))
        }
    }
}

fn roll_back(connection: &Prepared<'_>) {
    // SQLite rolls back by itself on some errors (no space, I/O).
    if !connection.is_autocommit()
        && let Err(error) = step(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a rollback failed");
    }
}

/// Runs a statement that is used again and again and answers nothing.
pub(crate) fn step(connection: &Prepared<'_>, sql: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

fn answer_all(batch: Vec<Box<dyn Job>>, end: &Result<(), StoreError>) {
    for job in batch {
        job.answer(end.clone());
    }
}

fn not_queued(reason: NotQueued) -> StoreError {
    match reason {
        NotQueued::Full => {
            metrics::counter!("tollgate_store_busy_total").increment(1);
            StoreError::Busy
        }
        NotQueued::Closed => StoreError::Unavailable("the store is closed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn memory() -> Result<Connection, StoreError> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE kept (value INTEGER)").unwrap();
        Ok(connection)
    }

    fn insert(connection: &Prepared<'_>) -> Result<usize, Failure> {
        Ok(connection.execute("INSERT INTO kept VALUES (1)", [])?)
    }

    #[tokio::test]
    async fn a_panic_in_a_call_answers_its_batch_and_the_writer_goes_on() {
        let opened = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(16, Beside::new(1));
        let counted = Arc::clone(&opened);
        let settings = WriterSettings {
            batch_calls_max: 8,
            first: None,
            open: Box::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                memory()
            }),
            checkpoints: Arc::new(Checkpoints::new()),
        };
        let body = writer.clone();
        let thread = std::thread::spawn(move || body.run(settings));
        assert_eq!(writer.call(insert).await.unwrap(), 1);
        let broken = writer.call(|_| -> Result<(), Failure> { panic!("a defect") }).await;
        assert!(matches!(broken, Err(StoreError::InDoubt(_))), "{broken:?}");
        assert_eq!(writer.call(insert).await.unwrap(), 1);
        assert_eq!(opened.load(Ordering::Relaxed), 2, "a new connection after the panic");
        writer.close();
        thread.join().unwrap();
        assert!(writer.call(insert).await.is_err());
    }

    #[tokio::test]
    async fn a_writer_that_cannot_open_answers_and_tries_again() {
        let tries = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(16, Beside::new(1));
        let settings = WriterSettings {
            batch_calls_max: 8,
            first: None,
            open: Box::new(move || match tries.fetch_add(1, Ordering::Relaxed) {
                0 => Err(StoreError::Unavailable("no such folder".to_owned())),
                _ => memory(),
            }),
            checkpoints: Arc::new(Checkpoints::new()),
        };
        let body = writer.clone();
        let thread = std::thread::spawn(move || body.run(settings));
        assert!(writer.call(insert).await.is_err());
        assert_eq!(writer.call(insert).await.unwrap(), 1);
        writer.close();
        thread.join().unwrap();
    }
}
