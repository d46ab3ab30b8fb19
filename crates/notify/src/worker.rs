//! The job that sends: leases what is due, has it composed and carried, writes what came of it.

use crate::carrier::{Carriers, Report, Verdict};
use crate::compose::{Composed, Composer, Ended, Letter};
use crate::schedule;
use crate::settings::MessageSettings;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tollgate_core::message::{MessageChannel, MessageId, MessageLane};
use tollgate_core::shown::harmless;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_feedback::FeedbackSettings;
use tollgate_store::{
    MessageFinish, MessageFinished, MessageLease, MessagePlaces, MessageRow, MessageThen, NewMessageAttempt, Store,
    StoreError,
};

/// The longest sleep between two looks at the outbox, in milliseconds: the clock may have been moved, or another process
/// may have roused something.
const LOOK_EVERY_MS: u64 = 500;
/// The longest time for one try, in milliseconds: that of a mail server that is waited for as long as may be set.
const TRY_TIMEOUT_MS: u64 = 150_000;
/// How much longer than a try its lease lasts, in milliseconds.
const LEASE_MARGIN_MS: u64 = 15_000;
/// How often the backlog is counted, in milliseconds.
const REPORT_EVERY_MS: u64 = 2_000;
/// How long a stop waits for messages under way, in milliseconds.
const STOP_WAIT_MS: u64 = 3_000;
/// How many characters of an answer, an error or a reason are kept.
const TEXT_CHARS_KEPT_MAX: usize = 256;

/// What an outbox is made of.
#[derive(Clone)]
pub struct OutboxParts {
    /// Where the rows are.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who makes letters.
    pub composer: Arc<dyn Composer>,
    /// Who carries them.
    pub carriers: Arc<Carriers>,
    /// The number of this node, unique among the nodes on one store.
    pub node: u8,
    /// Times and limits of messages to customers.
    pub settings: MessageSettings,
    /// The schedule of notifications for merchants' servers, which is that of feedback.
    pub server_schedule: FeedbackSettings,
}

/// The running job.
pub struct Outbox {
    stop: watch::Sender<bool>,
    task: task::JoinHandle<()>,
}

impl Outbox {
    /// Takes back what a killed run of this node had leased, and begins. `wake` is notified when something was written.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn start(parts: OutboxParts, wake: Arc<Notify>) -> Result<Outbox, StoreError> {
        let released = parts.store.release_messages(parts.node, parts.clock.now()).await?;
        if released > 0 {
            tracing::info!(
                rows = released,
                "messages that were on their way when the gateway was killed are sent again"
            );
        }
        let (stop, stopped) = watch::channel(false);
        Ok(Outbox { stop, task: tokio::spawn(run(parts, wake, stopped)) })
    }

    /// Begins nothing new, waits a little for what is under way, and gives the rest back.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the message job ended early");
        }
    }
}

async fn run(parts: OutboxParts, wake: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let mut rolling = Rolling::new(parts.clone());
    let mut report_at = Instant::now();
    while !*stopped.borrow() {
        if let Err(error) = rolling.start_due().await {
            tracing::error!(%error, "the outbox of messages cannot be read");
        }
        if Instant::now() >= report_at {
            report_at = Instant::now() + Duration::from_millis(REPORT_EVERY_MS);
            report_backlog(&parts).await;
        }
        tokio::select! {
            biased;
            // Whoever has let go of the outbox can stop it no more: it goes on.
            Ok(()) = stopped.changed() => {}
            Some(ended) = rolling.tasks.join_next_with_id() => rolling.end(ended),
            () = wake.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)) => {}
        }
    }
    let end = Instant::now() + Duration::from_millis(STOP_WAIT_MS);
    while let Ok(Some(ended)) = tokio::time::timeout_at(end, rolling.tasks.join_next_with_id()).await {
        rolling.end(ended);
    }
    rolling.tasks.shutdown().await;
    if let Err(error) = parts.store.release_messages(parts.node, parts.clock.now()).await {
        tracing::warn!(%error, "messages under way could not be given back; they are sent again when their lease ends");
    }
}

/// The messages under way.
struct Rolling {
    parts: OutboxParts,
    after: Option<MessageLane>,
    tasks: JoinSet<()>,
    under_way: HashMap<task::Id, MessageRow>,
}

impl Rolling {
    fn new(parts: OutboxParts) -> Rolling {
        Rolling { parts, after: None, tasks: JoinSet::new(), under_way: HashMap::new() }
    }

    /// Leases and begins what is due, as far as there are places.
    async fn start_due(&mut self) -> Result<(), StoreError> {
        let settings = &self.parts.settings;
        let rows_max = settings.in_flight_max.max(1).saturating_sub(self.under_way.len());
        let now = self.parts.clock.now();
        // A read costs microseconds, a lease a commit: most looks find nothing.
        if rows_max == 0 || self.parts.store.messages_next_due().await?.is_none_or(|due| due > now) {
            return Ok(());
        }
        let lease = MessageLease {
            node: self.parts.node,
            now,
            until: now.plus_ms(TRY_TIMEOUT_MS.saturating_add(LEASE_MARGIN_MS)),
            rows_max,
            lane_rows_max: settings.lane_in_flight_max.max(1),
            places: self.places(),
            after: self.after,
        };
        let leased = self.parts.store.lease_messages(lease).await?;
        self.after = leased.last;
        for row in leased.rows {
            // Only a clock that was moved makes a lease end while its message is still under way.
            if !self.is_under_way(row.id) {
                let handle = self.tasks.spawn(Box::pin(send(self.parts.clone(), row.clone())));
                self.under_way.insert(handle.id(), row);
            }
        }
        Ok(())
    }

    fn is_under_way(&self, id: MessageId) -> bool {
        self.under_way.values().any(|row| row.id == id)
    }

    /// The places that are left of the lanes with something under way.
    fn places(&self) -> Vec<MessagePlaces> {
        let mut taken: BTreeMap<MessageLane, usize> = BTreeMap::new();
        for row in self.under_way.values() {
            *taken.entry(row.lane).or_default() += 1;
        }
        let places_max = self.parts.settings.lane_in_flight_max.max(1);
        let free = |(lane, taken): (MessageLane, usize)| MessagePlaces { lane, free: places_max.saturating_sub(taken) };
        taken.into_iter().map(free).collect()
    }

    fn end(&mut self, ended: Result<(task::Id, ()), task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a message ended early; it is sent again when its lease ends");
                error.id()
            }
        };
        self.under_way.remove(&id);
    }
}

/// Sends one message and writes what came of it.
async fn send(parts: OutboxParts, row: MessageRow) {
    let at = parts.clock.now();
    let begun = Instant::now();
    let letter = match parts.composer.compose(&row).await {
        Ok(Composed::Send(letter)) => letter,
        Ok(Composed::Drop(reason)) => {
            return settle(&parts, &row, None, MessageThen::Drop { reason: reason.into() }).await;
        }
        Ok(Composed::GiveUp(reason)) => {
            return settle(&parts, &row, None, MessageThen::GiveUp { reason: reason.into() }).await;
        }
        Ok(Composed::Later { after_ms }) => {
            return settle(&parts, &row, None, MessageThen::Retry { due_at: at.plus_ms(after_ms) }).await;
        }
        Err(error) => {
            let report = Report::failed("none", error);
            return conclude(&parts, &row, at, begun, report).await;
        }
    };
    let report = carried(&parts, &row, &letter).await;
    conclude(&parts, &row, at, begun, report).await;
}

async fn carried(parts: &OutboxParts, row: &MessageRow, letter: &Letter) -> Report {
    let limit = match row.lane.channel {
        MessageChannel::Server => parts.server_schedule.try_timeout_ms.min(TRY_TIMEOUT_MS),
        MessageChannel::Email | MessageChannel::Sms => TRY_TIMEOUT_MS,
    };
    let carrying = parts.carriers.carry(row.id, letter);
    match tokio::time::timeout(Duration::from_millis(limit), carrying).await {
        Ok(report) => report,
        Err(_) => Report::failed("none", format!("no answer within {limit} ms")),
    }
}

/// Judges a report and writes it.
async fn conclude(parts: &OutboxParts, row: &MessageRow, at: Timestamp, begun: Instant, report: Report) {
    let kept =
        |text: &str| -> String { harmless(&parts.composer.mask(text)).chars().take(TEXT_CHARS_KEPT_MAX).collect() };
    let why = match (&report.error, report.status) {
        (Some(error), _) => kept(error),
        (None, Some(status)) => kept(&format!("{status} {}", report.answer)),
        (None, None) => kept(&report.answer),
    };
    let now = parts.clock.now();
    let tries = row.tries.saturating_add(1);
    let schedule = match row.lane.channel {
        MessageChannel::Server => parts.server_schedule.clone(),
        MessageChannel::Email | MessageChannel::Sms => schedule::to_customers(&parts.settings),
    };
    let then = match report.verdict {
        Verdict::Taken => MessageThen::Sent,
        Verdict::Refused => MessageThen::GiveUp { reason: format!("refused: {why}") },
        Verdict::Later => schedule::after_failure(&schedule, tries, row.tried_since, now, &why),
    };
    let attempt = NewMessageAttempt {
        at,
        target: kept(&report.target),
        status: report.status,
        error: report.error.as_deref().map(kept),
        latency_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        answer: kept(&report.answer),
    };
    settle(parts, row, Some(attempt), then).await;
}

async fn settle(parts: &OutboxParts, row: &MessageRow, attempt: Option<NewMessageAttempt>, then: MessageThen) {
    let (result, ended) = match &then {
        MessageThen::Sent => ("sent", Some(Ended::Sent)),
        MessageThen::Retry { .. } => ("later", None),
        // The reason may hold the customer's address: it is kept beside the row, and not told here.
        MessageThen::GiveUp { .. } => {
            tracing::warn!(message = %row.id, kind = %row.kind, channel = %row.lane.channel, "a message is given up; `tollgate message show` tells why");
            ("given_up", Some(Ended::Failed))
        }
        MessageThen::Drop { .. } => ("dropped", None),
    };
    let channel = row.lane.channel.name();
    metrics::counter!("tollgate_messages_total", "result" => result, "channel" => channel).increment(1);
    let next = match ended {
        Some(ended) => parts.composer.follows(row, ended).await,
        None => None,
    };
    let (id, node, leased_until) = (row.id, parts.node, row.due_at);
    let finish = MessageFinish { id, node, leased_until, attempt, then, next, at: parts.clock.now() };
    match parts.store.finish_message(finish).await {
        Ok(MessageFinished::Written) => {}
        Ok(MessageFinished::LeaseLost) => tracing::warn!(message = %row.id, "a message took longer than its lease"),
        Err(error) => {
            tracing::error!(message = %row.id, %error, "what came of a message could not be written; it is sent again when its lease ends");
        }
    }
}

async fn report_backlog(parts: &OutboxParts) {
    if let Ok(backlog) = parts.store.message_backlog().await {
        let age_ms = backlog.oldest.map_or(0, |since| parts.clock.now().since_ms(since));
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
        {
            metrics::gauge!("tollgate_messages_waiting").set(backlog.waiting as f64);
            metrics::gauge!("tollgate_messages_given_up").set(backlog.failed as f64);
            metrics::gauge!("tollgate_messages_oldest_seconds").set(age_ms as f64 / 1000.0);
        }
    }
}
