//! The ISO 8583 side: connections of acquirers, their frames in and their answers out.

use crate::account_key::AccountKeys;
use crate::answer::{Answer, Outbox, OutboxReceiver, Renderer, WeakOutbox};
use crate::faults::Faults;
use crate::ledger::{Batch, Job, LedgerHandle};
use crate::moved_clock::MovedClock;
use crate::proof::PresentedWith;
use crate::read::{Authentication, NetworkFunction, Payment, Read, read};
use crate::response_code::ResponseCode;
use crate::stats::Stats;
use crate::three_ds::AuthenticationValueKey;
use crate::wish::{Delivery, Wish, WishTable};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tollgate_core::secret::{Wipe, Wiped};
use tollgate_core::time::Clock;
use tollgate_iso8583::{Frame, FrameReader, Framing, Message, Spec};

/// A write that takes longer than this many milliseconds ends the connection: the peer reads nothing.
const WRITE_MS_MAX: u64 = 10_000;
/// Answers may still be written so many milliseconds after the peer has said that it sends no more.
const DRAIN_MS_MAX: u64 = 5_000;
/// A connection with so many frames that are no messages is not with an acquirer.
const UNREADABLE_FRAMES_MAX: u32 = 1_000;
/// Batches of answers that go into one write.
const BATCHES_PER_WRITE_MAX: usize = 64;
/// After a failed accept (no file handles left, as a rule) the next one waits so many milliseconds.
const ACCEPT_PAUSE_MS: u64 = 50;

/// What all connections share.
pub(crate) struct Host {
    pub(crate) spec: Arc<Spec>,
    pub(crate) framing: Framing,
    pub(crate) keys: AccountKeys,
    pub(crate) value_key: AuthenticationValueKey,
    pub(crate) wishes: WishTable,
    pub(crate) ledger: LedgerHandle,
    pub(crate) stats: Arc<Stats>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) slow_ms: u64,
    pub(crate) late_ms: u64,
    pub(crate) seed: u64,
    pub(crate) idle_ms_max: u64,
    pub(crate) connections_max: u32,
    pub(crate) delayed_answers_max: u32,
}

/// Whether a connection may be used for payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    SignedOff,
    SignedOn,
}

/// Why one side of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The peer sends no more.
    PeerClosed,
    /// The connection is to be dropped, by a behaviour.
    Dropped,
    /// Nothing came for too long.
    Idle,
    /// The stream cannot be cut into frames, or has too many that are no messages.
    Unreadable,
    /// The socket failed, or the peer takes no answers.
    Broken,
    /// The ledger is gone.
    LedgerGone,
}

/// Takes connections until `stop` says otherwise.
pub(crate) async fn accept(listener: TcpListener, host: Arc<Host>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                if host.stats.connections_open.add_below(u64::from(host.connections_max)) {
                    host.stats.connections_total.add(1);
                    let (host, stop) = (Arc::clone(&host), stop.clone());
                    connections.spawn(async move {
                        tracing::info!(%peer, "an acquirer connected");
                        let end = serve(stream, &host, stop).await;
                        host.stats.connections_open.subtract_one();
                        tracing::info!(%peer, ?end, "an acquirer's connection ended");
                    });
                } else {
                    host.stats.connections_refused.add(1);
                    tracing::warn!(%peer, connections_max = host.connections_max, "too many connections: turned away");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
    connections.shutdown().await;
}

async fn serve(mut stream: TcpStream, host: &Arc<Host>, mut stop: watch::Receiver<bool>) -> End {
    if stream.set_nodelay(true).is_err() {
        return End::Broken;
    }
    let (reading, writing) = stream.split();
    let pair = Outbox::pair();
    let weak = pair.outbox.downgrade();
    let overflow = Arc::clone(&pair.receiver.overflow);
    let mut reads = Box::pin(Reader::new(host, reading, pair.outbox).run());
    let mut writes = Box::pin(Writer::new(host, writing, pair.receiver, weak, stop.clone()).run());
    let end = tokio::select! {
        end = &mut reads => end,
        end = &mut writes => return end,
        () = overflow.notified() => return End::Broken,
        _ = stop.changed() => return End::PeerClosed,
    };
    // The reader's way to the outbox goes with it; the writer ends when the ledger has answered the rest.
    drop(reads);
    if end == End::PeerClosed {
        // Whoever does not take the rest in time loses it.
        let _ = tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), writes).await;
    }
    end
}

/// The reading side of a connection.
struct Reader<'a> {
    host: &'a Arc<Host>,
    socket: ReadHalf<'a>,
    outbox: Outbox,
    session: Session,
    message: Message,
    unreadable: u32,
    jobs: Vec<Job>,
    answers: Vec<Answer>,
}

/// What follows from a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Drop,
}

impl<'a> Reader<'a> {
    fn new(host: &'a Arc<Host>, socket: ReadHalf<'a>, outbox: Outbox) -> Reader<'a> {
        Reader {
            host,
            socket,
            outbox,
            session: Session::SignedOff,
            message: Message::new(),
            unreadable: 0,
            jobs: Vec::new(),
            answers: Vec::new(),
        }
    }

    async fn run(mut self) -> End {
        let mut frames = FrameReader::new(self.host.framing);
        let idle = Duration::from_millis(self.host.idle_ms_max);
        loop {
            let read = tokio::time::timeout(idle, self.socket.read(frames.space())).await;
            match read {
                Ok(Ok(0)) => return End::PeerClosed,
                Ok(Ok(bytes)) => frames.filled(bytes),
                Ok(Err(_)) => return End::Broken,
                Err(_) => return End::Idle,
            }
            let taken = self.take_frames(&mut frames);
            // Whatever came before the end is still done.
            if let Err(end) = self.hand_over().await {
                return end;
            }
            if let Err(end) = taken {
                return end;
            }
        }
    }

    fn take_frames(&mut self, frames: &mut FrameReader) -> Result<(), End> {
        loop {
            match frames.next_frame() {
                Ok(Some(frame)) => {
                    if self.take(frame) == Next::Drop {
                        return Err(End::Dropped);
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "an acquirer's stream cannot be cut into frames");
                    return Err(End::Unreadable);
                }
            }
            if self.unreadable > UNREADABLE_FRAMES_MAX {
                return Err(End::Unreadable);
            }
        }
    }

    fn take(&mut self, frame: Frame<'_>) -> Next {
        if frame.is_keepalive() {
            return Next::GoOn;
        }
        self.message.clear();
        if let Err(error) = self.host.spec.unpack(frame.message, &mut self.message) {
            tracing::debug!(%error, "a frame is no message");
            self.host.stats.unreadable.add(1);
            self.unreadable += 1;
            return Next::GoOn;
        }
        match read(&self.message, frame.tpdu) {
            Read::Payment(mut payment) if self.session == Session::SignedOn => {
                let Some(pan) = &payment.echo.pan else { return Next::GoOn };
                let key = self.host.keys.of(pan);
                let now = self.host.clock.now();
                let Payment { amount_minor, currency, .. } = payment;
                if let Authentication::Presented(proof) = &payment.authentication
                    && !proof.stands(&self.host.value_key, &PresentedWith { pan, amount_minor, currency })
                {
                    payment.authentication = Authentication::None;
                }
                let wish = match self.host.faults.take(&payment) {
                    Some(behaviour) => Wish::of(behaviour, &payment, now),
                    None => self.host.wishes.wish(&key, &payment, now),
                };
                if wish.delivery == Delivery::DropBefore {
                    return Next::Drop;
                }
                // It has done its work.
                payment.security_code = None;
                self.jobs.push(Job { payment, key, wish });
            }
            Read::Payment(payment) => {
                self.host.stats.refused.add(1);
                self.answers.push(Answer::plain(payment.echo, ResponseCode::NOT_SIGNED_ON));
            }
            Read::Network { echo, function } => {
                self.host.stats.network_management.add(1);
                match function {
                    NetworkFunction::SignOn => self.session = Session::SignedOn,
                    NetworkFunction::SignOff => self.session = Session::SignedOff,
                    NetworkFunction::Echo => {}
                }
                self.answers.push(Answer::plain(echo, ResponseCode::APPROVED));
            }
            Read::Refused { echo, code } => {
                self.host.stats.refused.add(1);
                self.answers.push(Answer::plain(echo, code));
            }
            Read::Unanswerable => self.host.stats.unanswerable.add(1),
        }
        Next::GoOn
    }

    async fn hand_over(&mut self) -> Result<(), End> {
        if !self.answers.is_empty() {
            self.host.stats.answers_lost.add(self.outbox.send(std::mem::take(&mut self.answers)));
        }
        if self.jobs.is_empty() {
            return Ok(());
        }
        let jobs = std::mem::take(&mut self.jobs);
        let batch = Batch { jobs, outbox: self.outbox.clone() };
        self.host.ledger.submit(batch).await.map_err(|_| End::LedgerGone)
    }
}

/// The writing side of a connection.
struct Writer<'a> {
    host: &'a Arc<Host>,
    socket: WriteHalf<'a>,
    inbox: OutboxReceiver,
    weak: WeakOutbox,
    renderer: Renderer<'a>,
    stop: watch::Receiver<bool>,
}

impl<'a> Writer<'a> {
    fn new(
        host: &'a Arc<Host>,
        socket: WriteHalf<'a>,
        inbox: OutboxReceiver,
        weak: WeakOutbox,
        stop: watch::Receiver<bool>,
    ) -> Writer<'a> {
        let renderer = Renderer::new(&host.spec, host.framing, host.seed);
        Writer { host, socket, inbox, weak, renderer, stop }
    }

    async fn run(mut self) -> End {
        let mut batches = Vec::with_capacity(BATCHES_PER_WRITE_MAX);
        let mut out = Wiped::with_capacity(16 * 1024);
        while self.inbox.receiver.recv_many(&mut batches, BATCHES_PER_WRITE_MAX).await > 0 {
            let next = self.render(batches.drain(..).flatten(), &mut out);
            let write = self.socket.write_all(&out);
            match tokio::time::timeout(Duration::from_millis(WRITE_MS_MAX), write).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return End::Broken,
            }
            out.wipe();
            if next == Next::Drop {
                return End::Dropped;
            }
        }
        End::PeerClosed
    }

    fn render(&mut self, answers: impl Iterator<Item = Answer>, out: &mut Vec<u8>) -> Next {
        for answer in answers {
            match answer.delivery {
                Delivery::DropAfter => return Next::Drop,
                Delivery::Slow => self.delay(answer, self.host.slow_ms),
                Delivery::Late => self.delay(answer, self.host.late_ms),
                _ => {
                    if let Err(error) = self.renderer.render(&answer, out) {
                        tracing::error!(%error, "an answer of the sandbox network cannot be built");
                        self.host.stats.answers_lost.add(1);
                    }
                }
            }
        }
        Next::GoOn
    }

    fn delay(&self, answer: Answer, delay_ms: u64) {
        let stats = Arc::clone(&self.host.stats);
        if !stats.answers_delayed.add_below(u64::from(self.host.delayed_answers_max)) {
            stats.answers_lost.add(1);
            return;
        }
        let (weak, mut stop) = (self.weak.clone(), self.stop.clone());
        tokio::spawn(async move {
            let outbox = tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(delay_ms)) => weak.upgrade(),
                _ = stop.changed() => None,
            };
            let lost = outbox.map_or(1, |outbox| outbox.send(vec![Answer { delivery: Delivery::Plain, ..answer }]));
            stats.answers_lost.add(lost);
            stats.answers_delayed.subtract_one();
        });
    }
}
