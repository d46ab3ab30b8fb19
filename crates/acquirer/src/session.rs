//! One connection, from sign-on to its end.
//!
//! One future reads, writes and watches the time, so that a turn of it takes in all answers that have arrived, wakes those
//! who wait, and writes out in one piece whatever has been queued meanwhile.

use crate::dialect::{Management, Unbuildable, name_of_answer};
use crate::in_flight::{Answer, Due, Owner, Settled};
use crate::shared::Shared;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tollgate_core::ident::{Rrn, Stan};
use tollgate_core::secret::{Wipe, Wiped};
use tollgate_iso8583::{FrameReader, Framing, Message, MtiClass};

/// How many bytes of queued messages go into one write, beyond the first message.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Which part of the time for a shutdown is for answers; the rest is for the sign-off.
const DRAIN_PARTS_OF_FOUR: u32 = 3;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// At our wish.
    Stopped,
    /// The host closed it, or it broke.
    Closed,
    /// The host takes nothing and wants more and more answers.
    NotRead,
    /// The stream can no longer be cut into frames.
    FramingLost,
    /// The host refused the sign-on.
    SignOnRefused,
    /// The host did not answer the sign-on.
    SignOnSilent,
    /// The host answered an echo with a refusal: it has forgotten the sign-on.
    EchoRefused,
    /// The host did not answer an echo.
    EchoSilent,
    /// A message of our own could not be built.
    Unbuildable,
}

impl SessionEnd {
    /// For the log.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            SessionEnd::Stopped => "stopped",
            SessionEnd::Closed => "connection closed",
            SessionEnd::NotRead => "host does not read",
            SessionEnd::FramingLost => "framing lost",
            SessionEnd::SignOnRefused => "sign-on refused",
            SessionEnd::SignOnSilent => "sign-on not answered",
            SessionEnd::EchoRefused => "echo refused",
            SessionEnd::EchoSilent => "echo not answered",
            SessionEnd::Unbuildable => "network management message not built",
        }
    }
}

/// Runs a connection to its end; then nothing waits for an answer any more, and the link is down.
pub(crate) async fn run<Io: AsyncRead + AsyncWrite + Unpin>(shared: &Shared, io: Io) -> SessionEnd {
    // Also when this future is dropped half-way.
    let _down = GoDown(shared);
    let mut session = match Session::begin(shared, io) {
        Ok(session) => session,
        Err(end) => return end,
    };
    poll_fn(|cx| session.poll(cx)).await
}

struct GoDown<'a>(&'a Shared);

impl Drop for GoDown<'_> {
    fn drop(&mut self) {
        self.0.go_down();
    }
}

struct Session<'a, Io> {
    shared: &'a Shared,
    io: Io,
    frames: FrameReader,
    out: Wiped<Vec<u8>>,
    /// How much of `out` the connection has taken.
    out_written: usize,
    flush: Flush,
    phase: Phase,
    echo: Option<Echo>,
    /// When the host last showed life.
    heard_at: Instant,
    alarm: Pin<Box<Sleep>>,
    due: Vec<Due>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    Needed,
    Done,
}

#[derive(Clone, Copy)]
enum Phase {
    SigningOn { stan: Stan, until: Instant },
    Up,
    Draining { until: Instant, stop_until: Instant },
    SigningOff { stan: Stan, until: Instant },
}

#[derive(Clone, Copy)]
struct Echo {
    stan: Stan,
    sent_at: Instant,
    until: Instant,
}

/// A frame, freed from the read buffer.
enum Heard {
    Keepalive,
    Message(Box<Message>),
    Garbage(Vec<Rrn>),
}

impl<'a, Io: AsyncRead + AsyncWrite + Unpin> Session<'a, Io> {
    fn begin(shared: &'a Shared, io: Io) -> Result<Session<'a, Io>, SessionEnd> {
        let now = Instant::now();
        let framing = shared.dialect.framing();
        let stan = shared.next_stan();
        let until = now + Duration::from_millis(shared.settings.network_timeout_ms);
        let mut session = Session {
            shared,
            io,
            frames: FrameReader::new(framing),
            out: Wiped::with_capacity(WRITE_BYTES_MAX + frame_bytes_max(framing)),
            out_written: 0,
            flush: Flush::Done,
            phase: Phase::SigningOn { stan, until },
            echo: None,
            heard_at: now,
            alarm: Box::pin(tokio::time::sleep_until(until)),
            due: Vec::new(),
        };
        session.put_management(Management::SignOn, stan)?;
        Ok(session)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        // Before the queue is looked at, so that nothing queued from here on is missed.
        self.shared.connection.register(cx.waker());
        let turn = self.turn(cx);
        self.shared.hand_over(&mut self.due);
        match turn {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), SessionEnd> {
        self.read(cx)?;
        // Those who got their answers run on while the rest of this turn goes on.
        self.shared.hand_over(&mut self.due);
        self.heed_stop()?;
        self.write(cx)?;
        self.watch_time(cx)
    }

    /// Takes in everything that has arrived.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), SessionEnd> {
        loop {
            let mut space = ReadBuf::new(self.frames.space());
            match Pin::new(&mut self.io).poll_read(cx, &mut space) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => return Err(SessionEnd::Closed),
                Poll::Ready(Ok(())) => {}
            }
            let bytes = space.filled().len();
            if bytes == 0 {
                return Err(SessionEnd::Closed);
            }
            self.frames.filled(bytes);
            self.take_frames()?;
        }
    }

    fn take_frames(&mut self) -> Result<(), SessionEnd> {
        let now = Instant::now();
        let at = self.shared.now();
        loop {
            let dialect = &self.shared.dialect;
            let heard = match self.frames.next_frame() {
                Err(_) => return Err(SessionEnd::FramingLost),
                Ok(None) => return Ok(()),
                Ok(Some(frame)) if frame.is_keepalive() => Heard::Keepalive,
                Ok(Some(frame)) => match dialect.unpack(frame.message) {
                    Some(message) => Heard::Message(message),
                    None => Heard::Garbage(dialect.rrn_candidates(frame.message)),
                },
            };
            self.heard_at = now;
            match heard {
                Heard::Keepalive => {}
                Heard::Garbage(candidates) => self.on_garbage(&candidates, now),
                Heard::Message(message) => self.on_message(Answer { message, at }, now)?,
            }
        }
    }

    fn on_message(&mut self, answer: Answer, now: Instant) -> Result<(), SessionEnd> {
        match answer.message.mti() {
            Some(mti) if mti.class() == MtiClass::NetworkManagement && mti.is_response() => {
                self.on_management_answer(&answer.message, now)
            }
            Some(mti) if mti.class() == MtiClass::NetworkManagement => {
                match self.shared.dialect.management_answer(&answer.message) {
                    Ok(reply) => self.put(&reply),
                    Err(_) => {
                        self.shared.instruments.unreadable.increment(1);
                        Ok(())
                    }
                }
            }
            _ => {
                self.on_answer(answer, now);
                Ok(())
            }
        }
    }

    fn on_answer(&mut self, answer: Answer, now: Instant) {
        let instruments = &self.shared.instruments;
        let Some(name) = name_of_answer(&answer.message) else {
            // It can be unpacked but lacks a number by which it could be told whose it is.
            let rrn = answer.message.text(37).and_then(Rrn::parse);
            return self.on_garbage(rrn.as_slice(), now);
        };
        let owner = {
            let mut in_flight = self.shared.lock();
            let owner = in_flight.settle(&name, now);
            self.shared.note_count(&in_flight);
            owner
        };
        match owner {
            Owner::Waiting { to, facts, since } => {
                instruments.answered_after(now.saturating_duration_since(since));
                self.due.push(Due { to, settled: Settled::Answer(answer), facts });
            }
            Owner::Late(facts) => self.shared.deliver_late(&facts, &answer),
            Owner::Answered => instruments.duplicate.increment(1),
            Owner::Nobody => instruments.unmatched.increment(1),
        }
    }

    /// A frame that is no message. If it bears the number of one that waits, that one's outcome is unknown now.
    fn on_garbage(&mut self, candidates: &[Rrn], now: Instant) {
        self.shared.instruments.unreadable.increment(1);
        let mut in_flight = self.shared.lock();
        self.due.extend(in_flight.settle_unreadable(candidates, now));
        self.shared.note_count(&in_flight);
    }

    fn on_management_answer(&mut self, answer: &Message, now: Instant) -> Result<(), SessionEnd> {
        let stan = answer.text(11).and_then(Stan::parse);
        let accepted = answer.text(39) == Some("00");
        match (self.phase, self.echo) {
            (Phase::SigningOn { stan: own, .. }, _) if stan == Some(own) => {
                if !accepted {
                    return Err(SessionEnd::SignOnRefused);
                }
                self.phase = Phase::Up;
                self.heard_at = now;
                self.shared.go_up();
                Ok(())
            }
            (Phase::SigningOff { stan: own, .. }, _) if stan == Some(own) => Err(SessionEnd::Stopped),
            (_, Some(echo)) if stan == Some(echo.stan) => {
                self.echo = None;
                if accepted { Ok(()) } else { Err(SessionEnd::EchoRefused) }
            }
            _ => {
                self.shared.instruments.unmatched.increment(1);
                Ok(())
            }
        }
    }

    /// Writes out what waits, as much in one piece as there is.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), SessionEnd> {
        loop {
            if self.out.is_empty() {
                self.fill();
            }
            let rest = self.out.get(self.out_written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            self.flush = Flush::Needed;
            match Pin::new(&mut self.io).poll_write(cx, rest) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_) | Ok(0)) => return Err(SessionEnd::Closed),
                Poll::Ready(Ok(bytes)) => self.out_written += bytes,
            }
            if self.out_written >= self.out.len() {
                self.out.wipe();
                self.out_written = 0;
            }
        }
        if self.flush == Flush::Needed {
            match Pin::new(&mut self.io).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Err(_)) => return Err(SessionEnd::Closed),
                Poll::Ready(Ok(())) => self.flush = Flush::Done,
            }
        }
        Ok(())
    }

    fn fill(&mut self) {
        let deadline = {
            let mut in_flight = self.shared.lock();
            in_flight.write_batch(&mut self.out);
            self.shared.instruments.in_flight.set(count_for_gauge(in_flight.waiting_count()));
            in_flight.next_deadline()
        };
        if let Some(deadline) = deadline
            && deadline < self.alarm.deadline()
        {
            self.alarm.as_mut().reset(deadline);
        }
    }

    /// Does what time asks for, and sets the alarm for the next time.
    fn watch_time(&mut self, cx: &mut Context<'_>) -> Result<(), SessionEnd> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            self.on_time(Instant::now())?;
            self.write(cx)?;
            let next = self.next_alarm();
            self.alarm.as_mut().reset(next);
        }
        Ok(())
    }

    fn on_time(&mut self, now: Instant) -> Result<(), SessionEnd> {
        {
            let mut in_flight = self.shared.lock();
            in_flight.expire(now, &mut self.due);
            self.shared.note_count(&in_flight);
        }
        match self.phase {
            Phase::SigningOn { until, .. } if now >= until => return Err(SessionEnd::SignOnSilent),
            Phase::SigningOff { until, .. } if now >= until => return Err(SessionEnd::Stopped),
            _ => self.heed_stop()?,
        }
        match self.echo {
            Some(echo) if now >= echo.until => {
                // Any frame shows that the host lives, even when it leaves echoes unanswered.
                if self.heard_at <= echo.sent_at {
                    return Err(SessionEnd::EchoSilent);
                }
                self.echo = None;
            }
            None if matches!(self.phase, Phase::Up) && now >= self.heard_at + self.echo_interval() => {
                let stan = self.shared.next_stan();
                self.put_management(Management::Echo, stan)?;
                let until = now + Duration::from_millis(self.shared.settings.network_timeout_ms);
                self.echo = Some(Echo { stan, sent_at: now, until });
            }
            _ => {}
        }
        Ok(())
    }

    fn next_alarm(&self) -> Instant {
        let phase = match self.phase {
            Phase::SigningOn { until, .. } | Phase::Draining { until, .. } | Phase::SigningOff { until, .. } => until,
            Phase::Up => self.heard_at + self.echo_interval(),
        };
        let life = self.echo.map_or(phase, |echo| echo.until);
        let alarm = if matches!(self.phase, Phase::Up) { life } else { life.min(phase) };
        self.shared.lock().next_deadline().map_or(alarm, |deadline| alarm.min(deadline))
    }

    fn echo_interval(&self) -> Duration {
        Duration::from_millis(self.shared.settings.echo_interval_ms)
    }

    /// Goes on towards the end when one is wished for: first the answers, then the sign-off.
    fn heed_stop(&mut self) -> Result<(), SessionEnd> {
        if !self.shared.is_stopping() {
            return Ok(());
        }
        let now = Instant::now();
        match self.phase {
            Phase::SigningOn { .. } => Err(SessionEnd::Stopped),
            Phase::SigningOff { .. } => Ok(()),
            Phase::Up => {
                self.shared.refuse();
                let limit = Duration::from_millis(self.shared.settings.shutdown_timeout_ms);
                let until = now + limit * DRAIN_PARTS_OF_FOUR / 4;
                self.phase = Phase::Draining { until, stop_until: now + limit };
                self.heed_stop()
            }
            Phase::Draining { until, stop_until } => {
                if now < until && self.shared.lock().waiting_count() > 0 {
                    self.alarm_at_latest(until);
                    return Ok(());
                }
                let stan = self.shared.next_stan();
                self.put_management(Management::SignOff, stan)?;
                self.phase = Phase::SigningOff { stan, until: stop_until };
                self.alarm_at_latest(stop_until);
                Ok(())
            }
        }
    }

    fn alarm_at_latest(&mut self, at: Instant) {
        if at < self.alarm.deadline() {
            self.alarm.as_mut().reset(at);
        }
    }

    fn put_management(&mut self, what: Management, stan: Stan) -> Result<(), SessionEnd> {
        let message = self.shared.dialect.management(what, stan, self.shared.now());
        self.put(&message.map_err(not_built)?)
    }

    /// Puts a message of the link itself behind what is being written.
    fn put(&mut self, message: &Message) -> Result<(), SessionEnd> {
        let frame = self.shared.dialect.frame(message).map_err(not_built)?;
        if self.out.len() + frame.len() > self.out.capacity() {
            return Err(SessionEnd::NotRead);
        }
        self.out.extend_from_slice(&frame);
        Ok(())
    }
}

fn not_built(error: Unbuildable) -> SessionEnd {
    tracing::warn!(%error, "a network management message could not be built");
    SessionEnd::Unbuildable
}

/// The longest frame with its length.
const fn frame_bytes_max(framing: Framing) -> usize {
    framing.header_bytes() + framing.frame_bytes_max()
}

/// Gauges are floating-point numbers; the count is far below where they become inexact.
fn count_for_gauge(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
