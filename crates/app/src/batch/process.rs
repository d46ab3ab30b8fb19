//! Carrying out the rows of a batch: each once, by the use cases of the single calls, a few at a time.
//!
//! A row's intent is written with that of its order or operation in one commit, so what was begun is never begun again,
//! by whom- and whenever the work is taken up. What came of it is known from the answer, or, when nobody has one, from
//! the operation once that is settled.

use super::job::{Stopped, Work};
use super::validate::kept;
use crate::directory::Account;
use crate::gateway::Refused;
use crate::pace::Pace;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tollgate_acquirer::LinkState;
use tollgate_core::answer::Answer;
use tollgate_core::batch::{BatchEvent, BatchRowCommand, BatchRowId, BatchRowState, BatchService, BatchState};
use tollgate_core::code::{UNCERTAIN, refused};
use tollgate_core::order::OperationState;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_store::{BATCH_ROWS_PER_CALL_MAX, Batch, BatchChange, EndedRow, EndedRows, LifeId, RowEnd};

/// How many rows are read from the store at once.
const ROWS_PER_READ: usize = 128;
/// How many rows of unknown outcome stop a batch: more begin only when some of these are settled. So a network that does
/// not answer is not asked for a whole file.
const UNKNOWN_ROWS_MAX: usize = 256;
/// How often a row is tried that something else on its order, or a fault of ours, was in the way of.
const ROW_TRIES_MAX: u32 = 6;
/// The pause before the second try, in milliseconds; it doubles with each.
const TRY_PAUSE_MS: u64 = 200;
/// The longest sleep of the loop while rows wait, in milliseconds.
const TICK_MS: u64 = 20;
/// The first pause between two looks at rows without a result, in milliseconds; it doubles as long as nothing is found,
const SETTLE_MS_MIN: u64 = 250;
/// up to this.
const SETTLE_MS_MAX: u64 = 5_000;
/// How long nothing is begun after the link was found down, or the account switched off, in milliseconds.
const HELD_MS: u64 = 500;

/// Carries out what is left of a batch, until each row has its result.
pub(super) async fn process(work: &Work<'_>, batch: &Batch, life: LifeId) -> Result<(), Stopped> {
    let now = Instant::now();
    let mut run = Run {
        work,
        batch,
        life,
        window: JoinSet::new(),
        orders: HashSet::new(),
        ready: VecDeque::new(),
        cursor: 0,
        is_read: false,
        ended: Vec::new(),
        pace: Pace::new(work.settings.rows_per_second_max, now),
        held_until: now,
        unknown: 0,
        settle_at: now,
        settle_pause_ms: SETTLE_MS_MIN,
    };
    let ended = run.carry_out().await;
    // Whatever stopped it: what is under way has its outcome before anybody else takes the batch up.
    while let Some(done) = run.window.join_next().await {
        run.take(done);
    }
    run.flush().await?;
    ended
}

/// Carries a batch out whose date has come, unless it was given up just now.
pub(super) async fn begin_on_date(work: &Work<'_>, batch: &Batch, life: LifeId) -> Result<(), Stopped> {
    let (event, at) = (BatchEvent::DateReached, work.gateway.now());
    let change = BatchChange { batch: batch.id, event, life: Some(life), fault: None, execute_at: None, at };
    if !work.gateway.inner.store.change_batch(change).await? {
        return Ok(());
    }
    tracing::info!(batch = %batch.id, reference = batch.reference, "the date of a batch has come");
    let begun = Batch { state: BatchState::Processing, ..batch.clone() };
    process(work, &begun, life).await
}

/// A row that can be begun.
struct Ready {
    line: u32,
    command: BatchRowCommand,
    order: String,
    tries: u32,
    not_before: Instant,
}

/// What came of a row that was begun, or of the try to.
struct RowDone {
    ready: Ready,
    result: Result<Answer, Refused>,
}

struct Run<'a> {
    work: &'a Work<'a>,
    batch: &'a Batch,
    life: LifeId,
    /// Rows under way, and the orders they are about.
    window: JoinSet<RowDone>,
    orders: HashSet<String>,
    /// Rows that were read and wait for a place.
    ready: VecDeque<Ready>,
    /// The last line that was read, and whether that was the last one.
    cursor: u32,
    is_read: bool,
    /// Results that are not written yet.
    ended: Vec<EndedRow>,
    pace: Pace,
    held_until: Instant,
    /// Rows without a result that nobody here works on, when it was last looked.
    unknown: usize,
    settle_at: Instant,
    settle_pause_ms: u64,
}

impl Run<'_> {
    async fn carry_out(&mut self) -> Result<(), Stopped> {
        let mut stopped = self.work.stopped.clone();
        loop {
            self.work.go_on()?;
            if self.work.gateway.inner.life.id() != self.life {
                // This gateway was taken for dead, and begins anew: so does its work on batches.
                return Ok(());
            }
            self.read().await?;
            self.begin().await?;
            self.flush().await?;
            if Instant::now() >= self.settle_at {
                self.settle().await?;
            }
            if self.is_over().await? {
                return Ok(());
            }
            let tick = if self.ready.is_empty() {
                Duration::from_millis(SETTLE_MS_MIN)
            } else {
                Duration::from_millis(TICK_MS)
            };
            tokio::select! {
                biased;
                _ = stopped.changed() => {}
                Some(done) = self.window.join_next() => {
                    self.take(done);
                    while let Some(done) = self.window.try_join_next() {
                        self.take(done);
                    }
                }
                () = tokio::time::sleep(tick) => {}
            }
        }
    }

    /// Reads rows that are valid, as long as few wait.
    async fn read(&mut self) -> Result<(), Stopped> {
        if self.is_read || self.ready.len() >= self.work.settings.rows_in_flight_max.max(1) {
            return Ok(());
        }
        let store = &self.work.gateway.inner.store;
        let rows = store.batch_rows(self.batch.id, BatchRowState::Valid, self.cursor, ROWS_PER_READ).await?;
        self.is_read = rows.len() < ROWS_PER_READ;
        let account = self.work.account(self.batch).await?;
        for row in rows {
            self.cursor = row.line;
            match self.work.rows.read(self.batch, &account, &row) {
                Ok(command) => self.ready.push_back(Ready {
                    line: row.line,
                    order: command.order(),
                    command,
                    tries: 0,
                    not_before: Instant::now(),
                }),
                // The account takes less than when the row was judged.
                Err(refusal) => self.refused(row.line, &refusal),
            }
        }
        Ok(())
    }

    /// Begins rows as far as there are places, one of an order at a time.
    async fn begin(&mut self) -> Result<(), Stopped> {
        let now = Instant::now();
        if now < self.held_until || self.ready.is_empty() || self.unknown >= UNKNOWN_ROWS_MAX {
            return Ok(());
        }
        let account = self.work.account(self.batch).await?;
        let is_held = |row: &Ready| match row.command {
            BatchRowCommand::Pay(_) | BatchRowCommand::Maintain(_) => self.work.gateway.link() != LinkState::Up,
            // Nothing of it goes to the network.
            BatchRowCommand::Link(_) => false,
        };
        if self.ready.front().is_some_and(is_held) || !may_process(&account) {
            self.held_until = now + Duration::from_millis(HELD_MS);
            return Ok(());
        }
        let places = self.work.settings.rows_in_flight_max.max(1).saturating_sub(self.window.len());
        for _ in 0..places.min(self.pace.free(now)) {
            let free = |row: &Ready| row.not_before <= now && !self.orders.contains(&row.order);
            let Some(place) = self.ready.iter().position(free) else { break };
            let Some(row) = self.ready.remove(place) else { break };
            self.pace.take();
            self.start(row, Arc::clone(&account));
        }
        Ok(())
    }

    fn start(&mut self, ready: Ready, account: Arc<Account>) {
        self.orders.insert(ready.order.clone());
        let gateway = self.work.gateway.clone();
        let row = BatchRowId { batch: self.batch.id, line: ready.line };
        let access_code = self.batch.access_code.clone();
        self.window.spawn(async move {
            let result = match ready.command.clone() {
                BatchRowCommand::Pay(command) => gateway.pay_row(account, *command, row).await,
                BatchRowCommand::Maintain(command) => gateway.maintain_row(account, *command, row).await,
                BatchRowCommand::Link(command) => {
                    gateway.create_link_of_row(&account, &access_code, &command, row).await
                }
            };
            RowDone { ready, result }
        });
    }

    /// What came of a row.
    fn take(&mut self, done: Result<RowDone, tokio::task::JoinError>) {
        let RowDone { mut ready, result } = match done {
            Ok(done) => done,
            Err(error) => {
                // Only a defect of ours ends here. The row is begun, and settled from its operation, or still valid.
                tracing::error!(batch = %self.batch.id, %error, "a row's task ended early");
                self.orders.clear();
                self.read_again();
                return;
            }
        };
        self.orders.remove(&ready.order);
        let refusal = match result {
            // Nobody knows yet: the row ends when its operation is settled. It may not even be begun.
            Ok(answer) if answer.code == UNCERTAIN => return self.read_again(),
            // Its result was written with the link.
            Ok(_) if matches!(ready.command, BatchRowCommand::Link(_)) => return,
            Ok(answer) => {
                self.ended.push(EndedRow { line: ready.line, end: RowEnd::Settled(answer.code) });
                return;
            }
            Err(Refused { refusal, .. }) => refusal,
        };
        let is_in_the_way = refusal.code == refused::STILL_PROCESSING;
        match refusal.guilty {
            // Begun by somebody else: it ends with its operation.
            Guilty::Us if is_in_the_way => self.read_again(),
            Guilty::AcquirerLink => {
                self.held_until = Instant::now() + Duration::from_millis(HELD_MS);
                self.ready.push_front(ready);
            }
            guilty if (guilty == Guilty::Us || is_in_the_way) && ready.tries < ROW_TRIES_MAX => {
                let pause_ms = TRY_PAUSE_MS << ready.tries;
                ready.tries += 1;
                ready.not_before = Instant::now() + Duration::from_millis(pause_ms);
                self.ready.push_back(ready);
            }
            _ => self.refused(ready.line, &refusal),
        }
    }

    fn refused(&mut self, line: u32, refusal: &Refusal) {
        self.ended.push(EndedRow { line, end: RowEnd::Refused(kept(refusal)) });
    }

    /// Some row that was read may have to be read again: once all others were, it begins at the first line anew.
    fn read_again(&mut self) {
        self.settle_at = self.settle_at.min(Instant::now() + Duration::from_millis(self.settle_pause_ms));
    }

    /// Writes the results that wait.
    async fn flush(&mut self) -> Result<(), Stopped> {
        while !self.ended.is_empty() {
            let some = self.ended.len().min(BATCH_ROWS_PER_CALL_MAX);
            let rows = self.ended.get(..some).unwrap_or_default().to_vec();
            let ended = EndedRows { batch: self.batch.id, rows, at: self.work.gateway.now() };
            self.work.gateway.inner.store.end_batch_rows(ended).await?;
            self.ended.drain(..some);
        }
        Ok(())
    }

    /// Looks for rows that were begun and whose operation is settled by now: by the janitor, by a late answer, by an
    /// operator, or before this gateway took the batch up.
    async fn settle(&mut self) -> Result<(), Stopped> {
        let (mut after, mut unknown, mut found) = (0, 0usize, 0usize);
        loop {
            let rows = self.work.gateway.inner.store.begun_batch_rows(self.batch.id, after, ROWS_PER_READ).await?;
            for row in &rows {
                after = row.line;
                let is_settled = !matches!(row.state, OperationState::Sent | OperationState::Unknown);
                match row.code.filter(|_| is_settled) {
                    Some(code) => {
                        self.ended.push(EndedRow { line: row.line, end: RowEnd::Settled(code) });
                        found += 1;
                    }
                    None => unknown += 1,
                }
            }
            self.flush().await?;
            if rows.len() < ROWS_PER_READ {
                break;
            }
        }
        self.unknown = unknown.saturating_sub(self.window.len());
        self.settle_pause_ms =
            if found > 0 { SETTLE_MS_MIN } else { self.settle_pause_ms.saturating_mul(2).min(SETTLE_MS_MAX) };
        self.settle_at = Instant::now() + Duration::from_millis(self.settle_pause_ms);
        Ok(())
    }

    /// Whether every row has its result. Once all rows were read, it is looked from the first line on whether one is
    /// left that is valid.
    async fn is_over(&mut self) -> Result<bool, Stopped> {
        if !self.is_read || !self.ready.is_empty() || !self.window.is_empty() || !self.ended.is_empty() {
            return Ok(false);
        }
        let store = &self.work.gateway.inner.store;
        if !store.batch_rows(self.batch.id, BatchRowState::Valid, 0, 1).await?.is_empty() {
            (self.cursor, self.is_read) = (0, false);
            return Ok(false);
        }
        let left = store.begun_batch_rows(self.batch.id, 0, 1).await?;
        if left.is_empty() {
            tracing::info!(batch = %self.batch.id, reference = self.batch.reference, "a batch is done");
        }
        Ok(left.is_empty())
    }
}

/// Whether the account is still one that batches are carried out for.
fn may_process(account: &Account) -> bool {
    account.merchant.active && account.merchant.terms.batch.service == BatchService::On
}
