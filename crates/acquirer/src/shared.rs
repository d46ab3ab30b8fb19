//! What callers and the connection share.

use crate::dialect::{Dialect, name_of_request, read_reply};
use crate::in_flight::{Abandoned, Answer, Due, Facts, InFlight, Name, Settled, Ticket};
use crate::instruments::{Instruments, label};
use crate::port::{
    Direction, Exchange, ExchangeResult, LateReply, LinkState, NetworkRequest, NotSent, UnknownReason, WireTrace,
};
use crate::settings::{LinkSettings, SettingsError};
use futures_util::task::AtomicWaker;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tollgate_core::ident::Stan;
use tollgate_core::secret::Wiped;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_iso8583::Message;

/// What callers and the connection share.
pub(crate) struct Shared {
    pub(crate) settings: LinkSettings,
    pub(crate) dialect: Dialect,
    pub(crate) instruments: Instruments,
    pub(crate) clock: Arc<dyn Clock>,
    /// Wakes the connection: something is queued, or the link shall stop.
    pub(crate) connection: AtomicWaker,
    /// Ends the waiting between two connections.
    pub(crate) stop: Notify,
    stopping: AtomicBool,
    up: AtomicBool,
    /// How many messages are in the table; kept beside it so that the state is read without its lock.
    in_flight_count: AtomicUsize,
    in_flight: Mutex<InFlight>,
    late: mpsc::Sender<LateReply>,
    management_stan: AtomicU32,
}

/// A message that is ready to be let in.
pub(crate) struct Prepared {
    name: Name,
    facts: Facts,
    frame: Wiped<Vec<u8>>,
    message: Box<Message>,
}

impl Shared {
    pub(crate) fn new(
        settings: LinkSettings,
        clock: Arc<dyn Clock>,
        late: mpsc::Sender<LateReply>,
    ) -> Result<Shared, SettingsError> {
        settings.check_ranges()?;
        let answer_timeout = Duration::from_millis(settings.answer_timeout_ms);
        Ok(Shared {
            dialect: Dialect::new(&settings)?,
            instruments: Instruments::new(),
            clock,
            connection: AtomicWaker::new(),
            stop: Notify::new(),
            stopping: AtomicBool::new(false),
            up: AtomicBool::new(false),
            in_flight_count: AtomicUsize::new(0),
            in_flight: Mutex::new(InFlight::new(settings.in_flight_max, answer_timeout)),
            late,
            management_stan: AtomicU32::new(0),
            settings,
        })
    }

    /// Builds the message and its frame.
    pub(crate) fn prepare(&self, request: &NetworkRequest) -> Result<Prepared, NotSent> {
        match self.state() {
            LinkState::Up => {}
            LinkState::Down => return Err(NotSent::LinkDown),
            LinkState::Full => return Err(NotSent::LinkFull),
        }
        let mut message = Box::new(Message::new());
        let built = self.dialect.build(request, &mut message).and_then(|()| {
            Ok(Prepared {
                name: name_of_request(request)?,
                facts: Facts { kind: request.kind, wire: request.wire, money: request.money },
                frame: self.dialect.frame(&message)?,
                message,
            })
        });
        built.map_err(|error| {
            tracing::warn!(kind = label(request.kind), %error, "a message to the card network could not be built");
            NotSent::Unbuildable
        })
    }

    /// Sends a message and waits for what becomes of it.
    pub(crate) async fn carry_out(&self, prepared: Prepared) -> Exchange {
        let mut trace = WireTrace::default();
        let mut pending = match self.send(prepared, &mut trace) {
            Ok(pending) => pending,
            Err(reason) => return Exchange { result: ExchangeResult::NotSent(reason), trace },
        };
        let facts = pending.facts;
        match pending.settled().await {
            Settled::Answer(answer) => {
                trace.push(answer.at, Direction::Received, &self.dialect.compact(&answer.message));
                let result = match read_reply(&answer.message, &facts) {
                    Some(reply) => ExchangeResult::Answered(reply),
                    None => {
                        self.instruments.unreadable.increment(1);
                        ExchangeResult::Unknown(UnknownReason::Unreadable)
                    }
                };
                Exchange { result, trace }
            }
            Settled::Unreadable => Exchange { result: ExchangeResult::Unknown(UnknownReason::Unreadable), trace },
            Settled::Silence(reason) => Exchange { result: ExchangeResult::Unknown(reason), trace },
            // It was taken out of the queue: the wire has not seen it.
            Settled::NotSent(reason) => {
                Exchange { result: ExchangeResult::NotSent(reason), trace: WireTrace::default() }
            }
        }
    }

    /// Lets a message in. Its text for the trace is made after that, while it is on its way.
    fn send(&self, prepared: Prepared, trace: &mut WireTrace) -> Result<Pending<'_>, NotSent> {
        let Prepared { name, facts, frame, message } = prepared;
        let at = self.clock.now();
        let now = Instant::now();
        let admitted = {
            let mut in_flight = self.lock();
            let admitted = in_flight.admit(name, facts, frame, now)?;
            self.note_count(&in_flight);
            admitted
        };
        if admitted.queued_before == 0 {
            self.connection.wake();
        }
        trace.push(at, Direction::Sent, &self.dialect.compact(&message));
        Ok(Pending { shared: self, name, facts, ticket: admitted.ticket, verdict: Some(admitted.verdict) })
    }

    pub(crate) fn state(&self) -> LinkState {
        if !self.up.load(Ordering::Acquire) {
            LinkState::Down
        } else if self.in_flight_count.load(Ordering::Relaxed) >= self.settings.in_flight_max {
            LinkState::Full
        } else {
            LinkState::Up
        }
    }

    /// The link is signed on.
    pub(crate) fn go_up(&self) {
        self.lock().open();
        self.up.store(true, Ordering::Release);
        self.instruments.up.set(1.0);
        tracing::info!("acquirer link is up");
    }

    /// No message is taken any more; those under way go on.
    pub(crate) fn refuse(&self) {
        self.up.store(false, Ordering::Release);
        self.lock().refuse();
        self.instruments.up.set(0.0);
    }

    /// The connection is gone: everything that waits is settled.
    pub(crate) fn go_down(&self) {
        self.up.store(false, Ordering::Release);
        self.instruments.up.set(0.0);
        let mut due = Vec::new();
        {
            let mut in_flight = self.lock();
            in_flight.break_off(Instant::now(), &mut due);
            self.note_count(&in_flight);
        }
        self.hand_over(&mut due);
    }

    /// Wakes those who wait.
    pub(crate) fn hand_over(&self, due: &mut Vec<Due>) {
        for Due { to, settled, facts } in due.drain(..) {
            // Whoever waited may have gone in this very moment.
            if let Err(Settled::Answer(answer)) = to.send(settled) {
                self.deliver_late(&facts, &answer);
            }
        }
    }

    /// Gives an answer that nobody waits for to those who settle open outcomes.
    pub(crate) fn deliver_late(&self, facts: &Facts, answer: &Answer) {
        let Some(reply) = read_reply(&answer.message, facts) else {
            self.instruments.unreadable.increment(1);
            return;
        };
        let mut trace = WireTrace::default();
        trace.push(answer.at, Direction::Received, &self.dialect.compact(&answer.message));
        match self.late.try_send(LateReply { kind: facts.kind, wire: facts.wire, reply, trace }) {
            Ok(()) => self.instruments.late_delivered.increment(1),
            Err(_) => {
                self.instruments.late_dropped.increment(1);
                tracing::warn!(kind = label(facts.kind), "a late answer was dropped: nobody takes them fast enough");
            }
        }
    }

    /// Ends the link: the connection signs off, and no new one is made.
    pub(crate) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.notify_one();
        self.connection.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A number for a network management message.
    pub(crate) fn next_stan(&self) -> Stan {
        Stan::folded(self.management_stan.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, InFlight> {
        // The table keeps its own rules in order within each call, so a panic elsewhere does not spoil it.
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called under the lock after each change of the table's size.
    pub(crate) fn note_count(&self, in_flight: &InFlight) {
        self.in_flight_count.store(in_flight.waiting_count(), Ordering::Relaxed);
    }

    fn abandon(&self, pending: &mut Pending<'_>) {
        let Some(mut verdict) = pending.verdict.take() else { return };
        self.instruments.abandoned(pending.facts.kind);
        let abandoned = {
            let mut in_flight = self.lock();
            let abandoned = in_flight.abandon(&pending.name, pending.ticket, Instant::now());
            self.note_count(&in_flight);
            abandoned
        };
        if self.is_stopping() {
            // It may have been the last one that the end waits for.
            self.connection.wake();
        }
        if abandoned == Abandoned::Settled {
            verdict.close();
            if let Ok(Settled::Answer(answer)) = verdict.try_recv() {
                self.deliver_late(&pending.facts, &answer);
            }
        }
    }
}

/// A message under way and the one who waits for it. Dropped before its time, it gives the message up.
struct Pending<'a> {
    shared: &'a Shared,
    name: Name,
    facts: Facts,
    ticket: Ticket,
    /// `None` once the verdict is here.
    verdict: Option<oneshot::Receiver<Settled>>,
}

impl Pending<'_> {
    async fn settled(&mut self) -> Settled {
        let Some(verdict) = &mut self.verdict else { return Settled::Silence(UnknownReason::LinkBroken) };
        // The sender lives in the table until there is a verdict; should it vanish all the same, nothing is known.
        let settled = verdict.await.unwrap_or(Settled::Silence(UnknownReason::LinkBroken));
        self.verdict = None;
        settled
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.shared.abandon(self);
    }
}
