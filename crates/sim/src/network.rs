//! The virtual network between the gateway and the modelled issuer. Everything that can happen to a message on its way
//! happens here, at the virtual time.

use crate::chance::{Chance, number_of};
use crate::issuer::{Booking, Issuer, Reply, Request};
use crate::plan::{Fault, Plan, Rates};
use crate::record::{Event, OrderNumber};
use crate::tables::HashMap;
use crate::watch::Watch;
use crate::wire::{Incoming, Wire};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::ReadBuf;
use tokio::sync::Notify;
use tollgate_iso8583::FrameReader;

/// The number of a connection.
pub type LineId = u64;

/// How long a message is on its way when nothing happens to it, in milliseconds.
const LATENCY_MS: (u64, u64) = (2, 60);
/// How long an answer waits when there is no connection to send it over, in milliseconds.
const NO_LINE_WAIT_MS: u64 = 700;
/// How often it waits so.
const NO_LINE_TRIES_MAX: u32 = 20;

/// The network.
pub struct Network {
    watch: Arc<Watch>,
    wake: Notify,
    inner: Mutex<Inner>,
}

struct Inner {
    watch: Arc<Watch>,
    seed: u64,
    rates: Rates,
    calm_from_ms: u64,
    answer_timeout_ms: u64,
    wire: Wire,
    issuer: Issuer,
    lines: BTreeMap<LineId, LineState>,
    /// The newest connection of each node, while it is open.
    current: BTreeMap<u8, LineId>,
    lines_opened: u64,
    away_until_ms: u64,
    due: BinaryHeap<Reverse<Due>>,
    due_count: u64,
    /// How often a message of an order has made a leg of its way: names its chance.
    legs: HashMap<(OrderNumber, u64), u64>,
    /// The last recovery message of each operation that left the gateway, by field 37.
    recoveries: HashMap<[u8; 12], Request>,
    recovery_messages: u64,
}

#[derive(Default)]
struct LineState {
    inbound: Vec<u8>,
    read: usize,
    reader: Option<Waker>,
    frames: Option<FrameReader>,
    closed: bool,
    node: u8,
}

/// Something that happens later.
struct Due {
    at_ms: u64,
    place: u64,
    what: What,
}

enum What {
    Arrive { incoming: Box<Incoming>, node: u8 },
    Answer(Answer),
    Management { line: LineId, frame: Vec<u8> },
    Away { for_ms: u64 },
}

struct Answer {
    /// Whose message it answers: it goes back over that node's link.
    node: u8,
    order: OrderNumber,
    mti: [u8; 4],
    rrn: [u8; 12],
    frame: Vec<u8>,
    tries: u32,
}

/// What becomes of a message on one leg of its way.
struct Fate {
    fault: Option<Fault>,
    after_ms: u64,
    again_after_ms: u64,
}

impl Network {
    /// The network of a plan; `cards` are the card numbers that the issuer knows.
    ///
    /// # Errors
    /// When the wire's spec cannot be read.
    pub fn new(plan: &Plan, cards: &[String], watch: Arc<Watch>) -> anyhow::Result<Network> {
        let rates = plan.rates();
        let mut inner = Inner {
            watch: Arc::clone(&watch),
            seed: plan.seed,
            issuer: Issuer::new(plan.seed, rates.clone()),
            calm_from_ms: plan.calm_from_ms(),
            answer_timeout_ms: plan.answer_timeout_ms(),
            wire: Wire::new(cards)?,
            lines: BTreeMap::new(),
            current: BTreeMap::new(),
            lines_opened: 0,
            away_until_ms: 0,
            due: BinaryHeap::new(),
            due_count: 0,
            legs: HashMap::default(),
            recoveries: HashMap::default(),
            recovery_messages: 0,
            rates,
        };
        for turn in 0..plan.times(Fault::HostAway) {
            let mut chance = Chance::of(plan.seed, "away", &[turn]);
            let at_ms = chance.between(0, plan.calm_from_ms().saturating_sub(1));
            let for_ms = chance.between(100, 20_000);
            inner.at(at_ms, What::Away { for_ms });
        }
        Ok(Network { watch, wake: Notify::new(), inner: Mutex::new(inner) })
    }

    /// Lets messages arrive, for ever.
    pub async fn run(&self) {
        loop {
            let next = {
                let mut inner = self.lock();
                inner.do_what_is_due();
                inner.due.peek().map(|Reverse(due)| due.at_ms)
            };
            let alarm = async {
                match next {
                    Some(at_ms) => tokio::time::sleep_until(self.watch.clock.moment(at_ms)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = alarm => {}
            }
        }
    }

    /// The issuer's clerk carries out by hand what the last recovery message of an operation asks for, whether or not it
    /// has arrived. Answers field 39; `None` when no such message ever left.
    pub(crate) fn have_clerk_do(&self, rrn: [u8; 12]) -> Option<[u8; 2]> {
        let mut inner = self.lock();
        let request = *inner.recoveries.get(&rrn)?;
        Some(inner.book(&request).code)
    }

    /// How many recovery messages have left so far.
    pub(crate) fn recovery_messages(&self) -> u64 {
        self.lock().recovery_messages
    }

    /// A new connection of a node; `None` while the host is away.
    pub(crate) fn open_line(&self, node: u8) -> Option<LineId> {
        let mut inner = self.lock();
        if self.watch.clock.ms() < inner.away_until_ms {
            return None;
        }
        inner.lines_opened += 1;
        let id = inner.lines_opened;
        let frames = Some(FrameReader::new(inner.wire.framing()));
        inner.lines.insert(id, LineState { frames, node, ..LineState::default() });
        inner.current.insert(node, id);
        Some(id)
    }

    /// Closes a connection: what was not read of it is lost.
    pub(crate) fn close_line(&self, id: LineId) {
        let reader = self.lock().close(id);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Closes the connection that a node has: it has died.
    pub fn close_current(&self, node: u8) {
        let current = self.lock().current.get(&node).copied();
        if let Some(id) = current {
            self.close_line(id);
        }
    }

    pub(crate) fn poll_read(&self, id: LineId, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        let Some(line) = inner.lines.get_mut(&id) else { return Poll::Ready(Ok(())) };
        let waiting = line.inbound.get(line.read..).unwrap_or_default();
        let count = waiting.len().min(buf.remaining());
        if count == 0 {
            if line.closed {
                return Poll::Ready(Ok(()));
            }
            line.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buf.put_slice(waiting.get(..count).unwrap_or_default());
        line.read += count;
        if line.read == line.inbound.len() {
            line.inbound.clear();
            line.read = 0;
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn write(&self, id: LineId, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.lock();
        let mut rest = bytes;
        while !rest.is_empty() {
            let line = inner.lines.get_mut(&id).filter(|line| !line.closed).ok_or(io::ErrorKind::BrokenPipe)?;
            let Some(frames) = &mut line.frames else { return Err(io::ErrorKind::BrokenPipe.into()) };
            let taken = frames.push(rest);
            rest = rest.get(taken..).unwrap_or_default();
            let mut whole = Vec::new();
            while let Ok(Some(frame)) = frames.next_frame() {
                whole.push(frame.message.to_vec());
            }
            for message in whole {
                inner.leave(id, &message);
            }
        }
        drop(inner);
        self.wake.notify_one();
        Ok(bytes.len())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A message leaves the gateway over line `id`.
    fn leave(&mut self, id: LineId, bytes: &[u8]) {
        // The line may have broken at a message before this one in the same write.
        let Some(node) = self.lines.get(&id).filter(|line| !line.closed).map(|line| line.node) else { return };
        let now_ms = self.watch.clock.ms();
        let read = self.wire.read(bytes, &self.watch.owners());
        let incoming = match read {
            Ok(incoming) => incoming,
            Err(found) => return self.watch.auditor().found(None, "what leaves the gateway can be read", found),
        };
        let incoming = match incoming {
            Incoming::Management(message) => {
                if let Some(frame) = self.wire.management_answer(&message) {
                    self.at(now_ms + LATENCY_MS.0, What::Management { line: id, frame });
                }
                return;
            }
            Incoming::Payment { .. } => incoming,
        };
        let Incoming::Payment { request, .. } = &incoming else { return };
        let (request, order) = (*request, request.order);
        if matches!(&request.mti, b"0221" | b"0420" | b"0421") {
            self.recoveries.insert(request.rrn, request);
            self.recovery_messages += 1;
        }
        self.watch.auditor().sent(crate::wire::outgoing(&request));
        let sent = Event::Sent { mti: request.mti, stan: request.name.stan, rrn: request.rrn, amount: request.amount };
        self.watch.note(Some(order), sent);
        let fate = self.fate("there", order, request.mti);
        if let Some(fault) = fate.fault {
            self.watch.met(Some(order), fault, "on the way there");
        }
        match fate.fault {
            Some(Fault::Drop | Fault::Corrupt) => return,
            Some(Fault::LinkBreaks) => {
                if let Some(reader) = self.close(id) {
                    reader.wake();
                }
                // Half of the time the message was cut, and half of the time it got through.
                if fate.after_ms.is_multiple_of(2) {
                    return;
                }
            }
            Some(Fault::Double) => {
                self.at(now_ms + fate.again_after_ms, What::Arrive { incoming: Box::new(incoming.clone()), node });
            }
            _ => {}
        }
        self.at(now_ms + fate.after_ms, What::Arrive { incoming: Box::new(incoming), node });
    }

    fn do_what_is_due(&mut self) {
        let now_ms = self.watch.clock.ms();
        while self.due.peek().is_some_and(|Reverse(due)| due.at_ms <= now_ms) {
            let Some(Reverse(due)) = self.due.pop() else { return };
            match due.what {
                What::Arrive { incoming, node } => self.arrive(&incoming, node, now_ms),
                What::Answer(answer) => self.hand_over(answer, now_ms),
                What::Management { line, frame } => self.put(line, &frame),
                What::Away { for_ms } => {
                    self.watch.met(None, Fault::HostAway, "the host");
                    self.away_until_ms = now_ms + for_ms;
                    for id in self.current.values().copied().collect::<Vec<_>>() {
                        if let Some(reader) = self.close(id) {
                            reader.wake();
                        }
                    }
                }
            }
        }
    }

    fn arrive(&mut self, incoming: &Incoming, node: u8, now_ms: u64) {
        let Incoming::Payment { request, message } = incoming else { return };
        let order = request.order;
        let reply = self.book(request);
        let fate = self.fate("back", order, request.mti);
        if let Some(fault) = fate.fault {
            self.watch.met(Some(order), fault, "on the way back");
        }
        let Some(frame) = self.wire.answer(message, &reply) else {
            return self.watch.auditor().found(Some(order), "an answer can be built", format!("{reply:?}"));
        };
        let answer = |frame| What::Answer(Answer { node, order, mti: request.mti, rrn: request.rrn, frame, tries: 0 });
        match fate.fault {
            Some(Fault::Drop | Fault::LinkBreaks) => {
                if fate.fault == Some(Fault::LinkBreaks)
                    && let Some(reader) = self.current.get(&node).copied().and_then(|id| self.close(id))
                {
                    reader.wake();
                }
                return;
            }
            Some(Fault::Corrupt) => {
                let how = fate.after_ms % 4;
                let damaged = self.wire.damaged_answer(message, &reply, how);
                self.at(now_ms + fate.after_ms, answer(damaged));
                return;
            }
            Some(Fault::Double) => self.at(now_ms + fate.again_after_ms, answer(frame.clone())),
            _ => {}
        }
        self.at(now_ms + fate.after_ms, answer(frame));
    }

    /// The issuer reads a message and changes its books.
    fn book(&mut self, request: &Request) -> Reply {
        let mut bookings: Vec<Booking> = Vec::new();
        let reply = self.issuer.read(request, &mut bookings);
        let order = Some(request.order);
        self.watch.note(order, Event::Arrived { mti: request.mti, rrn: request.rrn, code: reply.code });
        if let Some(fault) = reply.fault {
            self.watch.met(order, fault, "at the issuer");
        }
        for booking in &bookings {
            let event = Event::Booked { what: booking.kind.name(), amount: booking.amount };
            self.watch.note(Some(booking.order), event);
            self.watch.auditor().booked(booking);
        }
        reply
    }

    fn hand_over(&mut self, answer: Answer, now_ms: u64) {
        match self.current.get(&answer.node).copied() {
            Some(line) => {
                self.watch.note(Some(answer.order), Event::Back { mti: answer.mti, rrn: answer.rrn });
                self.put(line, &answer.frame);
            }
            // The host may answer over the next connection.
            None if answer.tries < NO_LINE_TRIES_MAX => {
                let again = Answer { tries: answer.tries + 1, ..answer };
                self.at(now_ms + NO_LINE_WAIT_MS, What::Answer(again));
            }
            None => {}
        }
    }

    fn put(&mut self, id: LineId, frame: &[u8]) {
        if let Some(line) = self.lines.get_mut(&id).filter(|line| !line.closed) {
            line.inbound.extend_from_slice(frame);
            if let Some(reader) = line.reader.take() {
                reader.wake();
            }
        }
    }

    fn close(&mut self, id: LineId) -> Option<Waker> {
        self.current.retain(|_, current| *current != id);
        let line = self.lines.get_mut(&id)?;
        line.closed = true;
        // Nothing more will be cut out of it.
        line.frames = None;
        line.reader.take()
    }

    fn fate(&mut self, leg: &'static str, order: OrderNumber, mti: [u8; 4]) -> Fate {
        let key = number_of(&mti) ^ number_of(leg.as_bytes());
        let count = self.legs.entry((order, key)).or_insert(0);
        *count += 1;
        let mut chance = Chance::of(self.seed, leg, &[u64::from(order), number_of(&mti), *count]);
        let after_ms = chance.between(LATENCY_MS.0, LATENCY_MS.1);
        if self.watch.clock.ms() >= self.calm_from_ms {
            return Fate { fault: None, after_ms, again_after_ms: 0 };
        }
        let ways = [Fault::Drop, Fault::Corrupt, Fault::Double, Fault::Delay, Fault::Reorder, Fault::LinkBreaks];
        let fault = ways.into_iter().find(|fault| chance.happens(self.rates.of(*fault)));
        let after_ms = match fault {
            Some(Fault::Delay) => self.delay_ms(&mut chance),
            Some(Fault::Reorder) => after_ms + chance.between(50, 1_500),
            _ => after_ms,
        };
        let again_after_ms = if chance.happens(7_000) { chance.between(1, 500) } else { chance.between(500, 60_000) };
        Fate { fault, after_ms, again_after_ms }
    }

    /// Half of the delays end shortly after the gateway has stopped waiting, when it begins to undo.
    fn delay_ms(&self, chance: &mut Chance) -> u64 {
        match chance.between(0, 9) {
            0..=4 => chance.between(self.answer_timeout_ms.saturating_sub(200), self.answer_timeout_ms + 20_000),
            5..=6 => chance.between(20_000, 200_000),
            _ => chance.between(500, 20_000),
        }
    }

    fn at(&mut self, at_ms: u64, what: What) {
        self.due_count += 1;
        self.due.push(Reverse(Due { at_ms, place: self.due_count, what }));
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        (self.at_ms, self.place) == (other.at_ms, other.place)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.at_ms, self.place).cmp(&(other.at_ms, other.place))
    }
}
