//! The job that delivers: leases what is due, sends it, writes what came of it.

use crate::lanes::{Ended, Follows, Lanes};
use crate::listeners::{Delivery, Listeners};
use crate::render::{Rendered, Renderer};
use crate::schedule;
use crate::send::{Parcel, Reply, Sender};
use crate::settings::FeedbackSettings;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tollgate_core::feedback::{FeedbackId, FeedbackLane};
use tollgate_core::shown::harmless;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_store::{
    FEEDBACK_ROWS_ROUSED_MAX, FeedbackContent, FeedbackFinish, FeedbackFinished, FeedbackLease, FeedbackProbe,
    FeedbackRouse, FeedbackRow, FeedbackThen, NewFeedbackAttempt, PauseReason, Store, StoreError,
};

/// The longest sleep between two looks at the outbox, in milliseconds: the clock may have been moved, or
/// another process may have replayed something.
const LOOK_EVERY_MS: u64 = 500;
/// How much longer than a try its lease lasts, in milliseconds.
const LEASE_MARGIN_MS: u64 = 15_000;
/// How often the backlog is counted, in milliseconds.
const REPORT_EVERY_MS: u64 = 2_000;
/// How long a stop waits for deliveries under way, in milliseconds.
const STOP_WAIT_MS: u64 = 3_000;
/// How long a lane whose feedback is paused is left alone before its oldest row is tried again, in milliseconds.
const PROBE_EVERY_MS: u64 = 3_600_000;
/// How many characters of an answer are kept.
pub const ANSWER_CHARS_KEPT_MAX: usize = 256;
/// How many characters of an error are kept.
const ERROR_CHARS_KEPT_MAX: usize = 256;

/// What deliveries are made of.
#[derive(Clone)]
pub struct FeedbackParts {
    /// Where the outbox is.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who makes bodies.
    pub renderer: Arc<dyn Renderer>,
    /// Who sends them.
    pub sender: Arc<dyn Sender>,
    /// Who looks on.
    pub listeners: Arc<Listeners>,
    /// The number of this node, unique among the nodes on one store.
    pub node: u8,
    /// Times and limits.
    pub settings: FeedbackSettings,
}

/// The running job.
pub struct Deliveries {
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: task::JoinHandle<()>,
}

impl Deliveries {
    /// Takes back what a killed run of this node had leased, and begins.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn start(parts: FeedbackParts, wake: Arc<Notify>) -> Result<Deliveries, StoreError> {
        let released = parts.store.release_feedback(parts.node, parts.clock.now()).await?;
        if released > 0 {
            tracing::info!(rows = released, "feedback that was on its way when the gateway was killed is sent again");
        }
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(parts, Arc::clone(&wake), stopped));
        Ok(Deliveries { wake, stop, task })
    }

    /// Looks at the outbox at once: something was written, or the clock was moved.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Begins nothing new, waits a little for what is under way, and gives the rest back.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the feedback job ended early");
        }
    }
}

async fn run(parts: FeedbackParts, wake: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let mut rolling = Rolling::new(parts.clone());
    let mut report_at = Instant::now();
    while !*stopped.borrow() {
        if let Err(error) = rolling.start_due().await {
            tracing::error!(%error, "the feedback outbox cannot be read");
        }
        if Instant::now() >= report_at {
            report_at = Instant::now() + Duration::from_millis(REPORT_EVERY_MS);
            let paused = report_backlog(&parts).await;
            if paused > 0
                && let Err(error) = rolling.start_probes().await
            {
                tracing::error!(%error, "paused feedback cannot be leased");
            }
        }
        // In a fixed order, so that a simulated run can be repeated.
        tokio::select! {
            biased;
            // Whoever has let go of the deliveries can stop them no more: they go on.
            Ok(()) = stopped.changed() => {}
            Some(ended) = rolling.tasks.join_next_with_id() => rolling.end(ended).await,
            () = wake.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)) => {}
        }
    }
    let end = Instant::now() + Duration::from_millis(STOP_WAIT_MS);
    while let Ok(Some(ended)) = tokio::time::timeout_at(end, rolling.tasks.join_next_with_id()).await {
        rolling.end(ended).await;
    }
    rolling.tasks.shutdown().await;
    if let Err(error) = parts.store.release_feedback(parts.node, parts.clock.now()).await {
        tracing::warn!(%error, "feedback under way could not be given back; it is sent again when its lease ends");
    }
}

/// The deliveries under way.
struct Rolling {
    parts: FeedbackParts,
    lanes: Lanes,
    after: Option<FeedbackLane>,
    tasks: JoinSet<Ended>,
    under_way: HashMap<task::Id, Try>,
    ids: HashSet<FeedbackId>,
}

/// A delivery under way.
#[derive(Clone, Debug)]
struct Try {
    row: FeedbackRow,
    why: Why,
}

/// Why a feedback goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It is due.
    Due,
    /// It is paused, and may tell whether its receiver answers again.
    Probe,
}

impl Rolling {
    fn new(parts: FeedbackParts) -> Rolling {
        let lanes = Lanes::new(&parts.settings);
        let (tasks, under_way, ids) = (JoinSet::new(), HashMap::new(), HashSet::new());
        Rolling { parts, lanes, after: None, tasks, under_way, ids }
    }

    /// Leases and begins what is due, as far as there are places.
    async fn start_due(&mut self) -> Result<(), StoreError> {
        let places = self.lanes.places();
        let now = self.parts.clock.now();
        // A read costs microseconds, a lease a commit: most looks find nothing.
        if places.rows_max == 0 || self.parts.store.feedback_next_due().await?.is_none_or(|due| due > now) {
            return Ok(());
        }
        let lease = FeedbackLease {
            node: self.parts.node,
            now,
            until: self.lease_end(now),
            rows_max: places.rows_max,
            lane_rows_max: places.lane_rows_max,
            places: places.lanes,
            after: self.after,
        };
        let leased = self.parts.store.lease_feedback(lease).await?;
        self.after = leased.last;
        leased.rows.into_iter().for_each(|row| self.begin(Try { row, why: Why::Due }));
        Ok(())
    }

    /// Tries the oldest row of each lane whose feedback is paused and was left alone for long enough.
    async fn start_probes(&mut self) -> Result<(), StoreError> {
        let rows_max = self.lanes.places().rows_max;
        if rows_max == 0 {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let every_us = i64::try_from(PROBE_EVERY_MS.saturating_mul(1000)).unwrap_or(i64::MAX);
        let probe = FeedbackProbe {
            node: self.parts.node,
            until: self.lease_end(now),
            idle_since: Timestamp(now.0.saturating_sub(every_us)),
            rows_max,
        };
        let rows = self.parts.store.probe_feedback(probe).await?;
        rows.into_iter().for_each(|row| self.begin(Try { row, why: Why::Probe }));
        Ok(())
    }

    fn lease_end(&self, now: Timestamp) -> Timestamp {
        now.plus_ms(self.parts.settings.try_timeout_ms.saturating_add(LEASE_MARGIN_MS))
    }

    fn begin(&mut self, begun: Try) {
        // Only a clock that was moved makes a lease end while its delivery is still under way.
        if self.ids.insert(begun.row.id) {
            self.lanes.begin(begun.row.lane);
            // Boxed: a task is copied whole when it is made, when it ends and when its end is read, and this one is large.
            let handle = self.tasks.spawn(Box::pin(deliver(self.parts.clone(), begun.clone())));
            self.under_way.insert(handle.id(), begun);
        }
    }

    async fn end(&mut self, ended: Result<(task::Id, Ended), task::JoinError>) {
        let (id, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a delivery ended early; it is sent again when its lease ends");
                (error.id(), Ended::Unsent)
            }
        };
        let Some(Try { row, why }) = self.under_way.remove(&id) else { return };
        self.ids.remove(&row.id);
        let was_down = self.lanes.is_down(row.lane);
        let is_back = why == Why::Probe && ended == Ended::Acknowledged;
        if self.lanes.end(row.lane, ended) == Follows::CatchUp || is_back {
            catch_up(&self.parts, row.lane).await;
        }
        if !was_down && self.lanes.is_down(row.lane) {
            tracing::warn!(merchant = row.lane.merchant.0, kind = %row.lane.kind, "a feedback receiver does not answer; it is tried with one delivery at a time");
        }
    }
}

/// Makes due at once what waits for a receiver that answers again.
async fn catch_up(parts: &FeedbackParts, lane: FeedbackLane) {
    let now = parts.clock.now();
    loop {
        match parts.store.rouse_feedback(FeedbackRouse::CaughtUp { lane, now }).await {
            Ok(0) => return,
            Ok(rows) => {
                tracing::info!(merchant = lane.merchant.0, kind = %lane.kind, rows, "a feedback receiver answers; what waited for it goes out");
                // Rows that were made due are not found again, so this ends.
                if usize::try_from(rows).unwrap_or(usize::MAX) < FEEDBACK_ROWS_ROUSED_MAX {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "what waits for a receiver that answers again keeps its own times");
                return;
            }
        }
    }
}

/// Sends one feedback and writes what came of it.
async fn deliver(parts: FeedbackParts, begun: Try) -> Ended {
    let row = &begun.row;
    match try_once(&parts, row).await {
        Ok(Tried::NoReceiver) => {
            pause(&parts, &begun, PauseReason::NoUrl, None).await;
            Ended::Unsent
        }
        Ok(Tried::Done(done)) => finish(&parts, &begun, done).await,
        Err(error) => {
            tracing::error!(feedback = %row.id, %error, "a feedback cannot be read; it is tried again when its lease ends");
            Ended::Unsent
        }
    }
}

/// What came of a try.
enum Tried {
    /// The merchant has no URL, and nobody listens.
    NoReceiver,
    /// It was sent, or could not be made.
    Done(Done),
}

/// A try that is over.
struct Done {
    at: Timestamp,
    latency_ms: u64,
    target: String,
    reply: Reply,
    /// Whose fault it is when there is no reply: the receiver's, or ours.
    sent: Ended,
}

async fn try_once(parts: &FeedbackParts, row: &FeedbackRow) -> Result<Tried, StoreError> {
    let at = parts.clock.now();
    let done = |begun: Instant, target: String, reply: Reply, sent: Ended| {
        let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Tried::Done(Done { at, latency_ms, target, reply, sent }))
    };
    let begun = Instant::now();
    let unmade = |error: &str| done(begun, "none".to_owned(), Reply::failed(error), Ended::Unsent);
    let Some(content) = parts.store.feedback_content(row.id).await? else {
        return unmade("the outcome that it tells of is not in the store");
    };
    let rendered = match parts.renderer.render(&content).await {
        Ok(rendered) => rendered,
        Err(error) => return unmade(&error),
    };
    let limit = Duration::from_millis(parts.settings.try_timeout_ms);
    let late = || Reply::failed(format!("no answer within {} ms", parts.settings.try_timeout_ms));
    let body = Bytes::from(rendered.body.clone());
    let shown = |number| delivery(number, at, row, &content, &rendered, body.clone());
    let Some(url) = rendered.url.clone() else {
        let Some(mut report) = parts.listeners.deliver(row.lane.merchant, shown) else { return Ok(Tried::NoReceiver) };
        let reply = match tokio::time::timeout(limit, report.wait()).await {
            Ok(Some(report)) => {
                Reply { status: report.status, error: report.error, answer: report.answer.into_bytes() }
            }
            Ok(None) => Reply::failed("the listener went away"),
            Err(_) => late(),
        };
        return done(begun, "listener".to_owned(), reply, Ended::Failed);
    };
    parts.listeners.show(row.lane.merchant, shown);
    let target = origin(&url);
    let content_type = rendered.content_type;
    let parcel = Parcel { id: row.id, sequence: row.sequence, url, content_type, body: body.clone() };
    let reply = tokio::time::timeout(limit, parts.sender.send(&parcel)).await.unwrap_or_else(|_| late());
    done(begun, target, reply, Ended::Failed)
}

fn delivery(
    number: u64,
    at: Timestamp,
    row: &FeedbackRow,
    content: &FeedbackContent,
    rendered: &Rendered,
    body: Bytes,
) -> Delivery {
    Delivery {
        number,
        at,
        id: row.id,
        merchant: rendered.merchant.clone(),
        kind: row.lane.kind,
        merchant_reference: content.order.merchant_reference.clone(),
        code: content.outcome.code.to_string(),
        sequence: row.sequence,
        attempt: row.attempts.saturating_add(1),
        content_type: rendered.content_type,
        body,
    }
}

/// Scheme, host and port, if the URL can be read at all.
fn origin(url: &str) -> String {
    use crate::guard::{FeedbackUrl, Reach};
    FeedbackUrl::parse(url, Reach::Sandbox).map_or_else(|_| "an unreadable URL".to_owned(), |url| url.origin())
}

async fn finish(parts: &FeedbackParts, begun: &Try, done: Done) -> Ended {
    let row = &begun.row;
    let now = parts.clock.now();
    let acknowledged = done.reply.acknowledges();
    let then = if acknowledged {
        FeedbackThen::Delivered
    } else {
        schedule::after_failure(&parts.settings, row.tries.saturating_add(1), row.tried_since, now)
    };
    let result = match (acknowledged, done.reply.status) {
        (true, _) => "acknowledged",
        (false, Some(_)) => "refused",
        (false, None) => "failed",
    };
    metrics::counter!("tollgate_feedback_attempts_total", "result" => result, "kind" => row.lane.kind.name())
        .increment(1);
    let kept = |text: &str, chars_max: usize| -> String {
        harmless(&parts.renderer.mask(text)).chars().take(chars_max).collect()
    };
    let attempt = NewFeedbackAttempt {
        at: done.at,
        target: done.target,
        status: done.reply.status,
        error: done.reply.error.as_deref().map(|error| kept(error, ERROR_CHARS_KEPT_MAX)),
        latency_ms: done.latency_ms,
        answer: kept(&String::from_utf8_lossy(&done.reply.answer), ANSWER_CHARS_KEPT_MAX),
    };
    tracing::debug!(feedback = %row.id, fort_id = %row.fort_id, result, status = attempt.status, error = attempt.error, "feedback sent");
    if let FeedbackThen::Pause(reason) = then {
        pause(parts, begun, reason, Some(attempt)).await;
        return done.sent;
    }
    write(parts, row, Some(attempt), then).await;
    if acknowledged { Ended::Acknowledged } else { done.sent }
}

/// Pauses a feedback, and says so: somebody has to look at it.
async fn pause(parts: &FeedbackParts, begun: &Try, reason: PauseReason, attempt: Option<NewFeedbackAttempt>) {
    let row = &begun.row;
    // One that was paused before and stays so was told already.
    if write(parts, row, attempt, FeedbackThen::Pause(reason)).await && begun.why == Why::Due {
        metrics::counter!("tollgate_feedback_paused_total", "kind" => row.lane.kind.name()).increment(1);
        tracing::warn!(
            feedback = %row.id,
            fort_id = %row.fort_id,
            merchant = row.lane.merchant.0,
            kind = %row.lane.kind,
            reason = reason.words(),
            "a feedback is paused: its receiver is tried once an hour; `tollgate feedback replay` sends it at once"
        );
    }
}

/// `true` when it was written as it is.
async fn write(
    parts: &FeedbackParts,
    row: &FeedbackRow,
    attempt: Option<NewFeedbackAttempt>,
    then: FeedbackThen,
) -> bool {
    let finish =
        FeedbackFinish { id: row.id, node: parts.node, leased_until: row.due_at, attempt, then, at: parts.clock.now() };
    match parts.store.finish_feedback(finish).await {
        Ok(FeedbackFinished::Written) => true,
        Ok(FeedbackFinished::LeaseLost) => false,
        Err(error) => {
            tracing::error!(feedback = %row.id, %error, "what came of a feedback could not be written; it is sent again when its lease ends");
            false
        }
    }
}

/// Tells the backlog. Gives how many rows are paused.
async fn report_backlog(parts: &FeedbackParts) -> u64 {
    match parts.store.feedback_backlog().await {
        Ok(backlog) => {
            let age_ms = backlog.oldest.map_or(0, |since| parts.clock.now().since_ms(since));
            #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
            {
                metrics::gauge!("tollgate_feedback_backlog").set(backlog.waiting as f64);
                metrics::gauge!("tollgate_feedback_paused").set(backlog.paused as f64);
                metrics::gauge!("tollgate_feedback_oldest_seconds").set(age_ms as f64 / 1000.0);
            }
            backlog.paused
        }
        Err(error) => {
            tracing::error!(%error, "the feedback backlog cannot be counted");
            0
        }
    }
}
