//! The messages under way: who waits for which answer, and what is remembered of those nobody waits for.
//!
//! A plain data structure: time comes in, verdicts come out. [`Shared`](crate::shared::Shared) puts a lock around it.

use crate::port::{NetworkKind, NotSent, UnknownReason};
use crate::recent::Recent;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tollgate_core::ident::{Rrn, Stan};
use tollgate_core::money::Money;
use tollgate_core::order::WireReference;
use tollgate_core::secret::Wiped;
use tollgate_core::time::Timestamp;
use tollgate_iso8583::{Message, Mti};

/// How many messages that nobody waits for any more are remembered, so that a late answer finds its operation.
pub(crate) const GIVEN_UP_ENTRIES_MAX: usize = 10_000;
/// How many answered messages are remembered, so that a second answer is recognised.
pub(crate) const ANSWERED_ENTRIES_MAX: usize = 10_000;
/// How long both are remembered.
pub(crate) const REMEMBERED_AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// What answer a message waits for. A repeat (0221, 0421) waits for the same answer as the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    /// The type of the answer.
    pub(crate) answer: Mti,
    /// Field 11.
    pub(crate) stan: Stan,
    /// Field 37.
    pub(crate) rrn: Rrn,
}

/// What must be known of a message to judge its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: NetworkKind,
    pub(crate) wire: WireReference,
    pub(crate) money: Money,
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Settled {
    /// A frame that could be unpacked.
    Answer(Answer),
    /// A frame that could not, but bears the message's retrieval reference number.
    Unreadable,
    NotSent(NotSent),
    /// It may have left, and nothing came back.
    Silence(UnknownReason),
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) message: Box<Message>,
    pub(crate) at: Timestamp,
}

/// A verdict on its way to the one who waits. It is handed over outside the lock, as that wakes a task.
pub(crate) struct Due {
    pub(crate) to: oneshot::Sender<Settled>,
    pub(crate) settled: Settled,
    pub(crate) facts: Facts,
}

/// A place in the table: names one call, where [`Name`] names a message, which may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// A message that was let in.
pub(crate) struct Admitted {
    pub(crate) ticket: Ticket,
    pub(crate) verdict: oneshot::Receiver<Settled>,
    /// How many were queued before it: at 0 the writer may be asleep.
    pub(crate) queued_before: usize,
}

/// To whom an answer belongs.
pub(crate) enum Owner {
    /// Somebody waits for it.
    Waiting { to: oneshot::Sender<Settled>, facts: Facts, since: Instant },
    /// Nobody any more: the message was given up.
    Late(Facts),
    /// The message was answered before.
    Answered,
    /// No message of ours, or one that is forgotten.
    Nobody,
}

/// What a caller leaves behind who stops waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// Not one byte was written: it is out of the queue.
    NeverSent,
    /// It was written; its answer will be late.
    Sent,
    /// The verdict was reached in the meantime.
    Settled,
}

/// The table.
pub(crate) struct InFlight {
    messages_max: usize,
    answer_timeout: Duration,
    accepts: bool,
    waiting: HashMap<Name, Waiting>,
    /// In the order of sending. May name messages that are gone or sent: they are passed over.
    queue: VecDeque<Name>,
    /// In the order of time, as all wait equally long. May name messages that are gone.
    deadlines: VecDeque<Deadline>,
    given_up: Recent<Name, Facts>,
    answered: Recent<Name, ()>,
    tickets: u64,
}

struct Waiting {
    ticket: Ticket,
    facts: Facts,
    stage: Stage,
    since: Instant,
    to: oneshot::Sender<Settled>,
}

/// Whether the network may have seen it.
enum Stage {
    /// Not one byte of it was given to the connection.
    Queued(Wiped<Vec<u8>>),
    /// It was given to the connection, wholly or in part.
    Sent,
}

struct Deadline {
    at: Instant,
    name: Name,
    ticket: Ticket,
}

impl InFlight {
    pub(crate) fn new(messages_max: usize, answer_timeout: Duration) -> InFlight {
        InFlight {
            messages_max,
            answer_timeout,
            accepts: false,
            waiting: HashMap::with_capacity(messages_max.min(1024)),
            queue: VecDeque::new(),
            deadlines: VecDeque::new(),
            given_up: Recent::new(GIVEN_UP_ENTRIES_MAX, REMEMBERED_AGE_MAX),
            answered: Recent::new(ANSWERED_ENTRIES_MAX, REMEMBERED_AGE_MAX),
            tickets: 0,
        }
    }

    /// From now on messages are let in.
    pub(crate) fn open(&mut self) {
        self.accepts = true;
    }

    /// From now on no message is let in; those under way go on.
    pub(crate) fn refuse(&mut self) {
        self.accepts = false;
    }

    /// How many wait for answers, queued ones included.
    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Lets a message in, at the end of the queue.
    pub(crate) fn admit(
        &mut self,
        name: Name,
        facts: Facts,
        frame: Wiped<Vec<u8>>,
        now: Instant,
    ) -> Result<Admitted, NotSent> {
        if !self.accepts {
            return Err(NotSent::LinkDown);
        }
        if self.waiting.len() >= self.messages_max || self.queue.len() >= self.messages_max {
            return Err(NotSent::LinkFull);
        }
        if self.waiting.contains_key(&name) {
            // Two messages of one name cannot be told apart by their answers: a defect of the caller.
            return Err(NotSent::Unbuildable);
        }
        self.tickets = self.tickets.wrapping_add(1);
        let ticket = Ticket(self.tickets);
        let (to, verdict) = oneshot::channel();
        self.waiting.insert(name, Waiting { ticket, facts, stage: Stage::Queued(frame), since: now, to });
        self.push_deadline(Deadline { at: now + self.answer_timeout, name, ticket });
        let queued_before = self.queue.len();
        self.queue.push_back(name);
        Ok(Admitted { ticket, verdict, queued_before })
    }

    /// Moves queued frames to `out` as far as its memory reaches, and from now on takes them for sent.
    pub(crate) fn write_batch(&mut self, out: &mut Wiped<Vec<u8>>) {
        while let Some(name) = self.queue.front() {
            if let Some(waiting) = self.waiting.get_mut(name)
                && let Stage::Queued(frame) = &waiting.stage
            {
                if out.len() + frame.len() > out.capacity() {
                    return;
                }
                out.extend_from_slice(frame);
                waiting.stage = Stage::Sent;
            }
            self.queue.pop_front();
        }
    }

    /// Finds out whose answer `name` is, and closes the matter.
    pub(crate) fn settle(&mut self, name: &Name, now: Instant) -> Owner {
        if let Some(Waiting { to, facts, since, .. }) = self.waiting.remove(name) {
            self.given_up.take(name, now);
            self.answered.add(*name, (), now);
            return Owner::Waiting { to, facts, since };
        }
        if let Some(facts) = self.given_up.take(name, now) {
            self.answered.add(*name, (), now);
            return Owner::Late(facts);
        }
        if self.answered.has(name, now) { Owner::Answered } else { Owner::Nobody }
    }

    /// The one message under way whose retrieval reference number is among `numbers`; its outcome is unknown from now on.
    pub(crate) fn settle_unreadable(&mut self, numbers: &[Rrn], now: Instant) -> Option<Due> {
        let mut found = self
            .waiting
            .iter()
            .filter(|(name, waiting)| matches!(waiting.stage, Stage::Sent) && numbers.contains(&name.rrn));
        let name = *found.next()?.0;
        if found.next().is_some() {
            return None;
        }
        let Waiting { to, facts, .. } = self.waiting.remove(&name)?;
        // A readable answer may still come: then it is late, not a duplicate.
        self.given_up.add(name, facts, now);
        Some(Due { to, settled: Settled::Unreadable, facts })
    }

    /// Gives up what has waited too long.
    pub(crate) fn expire(&mut self, now: Instant, due: &mut Vec<Due>) {
        while self.deadlines.front().is_some_and(|deadline| deadline.at <= now) {
            let Some(Deadline { name, ticket, .. }) = self.deadlines.pop_front() else { return };
            if self.is_waiting(&name, ticket)
                && let Some(Waiting { to, facts, stage, .. }) = self.waiting.remove(&name)
            {
                let settled = match stage {
                    // The connection took nothing for the whole time: there were too many before it.
                    Stage::Queued(_) => Settled::NotSent(NotSent::LinkFull),
                    Stage::Sent => {
                        self.given_up.add(name, facts, now);
                        Settled::Silence(UnknownReason::NoAnswer)
                    }
                };
                due.push(Due { to, settled, facts });
            }
        }
    }

    /// When [`expire`](InFlight::expire) has something to do next.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        while let Some(front) = self.deadlines.front() {
            if self.is_waiting(&front.name, front.ticket) {
                return Some(front.at);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// A caller stops waiting.
    pub(crate) fn abandon(&mut self, name: &Name, ticket: Ticket, now: Instant) -> Abandoned {
        if !self.is_waiting(name, ticket) {
            return Abandoned::Settled;
        }
        match self.waiting.remove(name) {
            None => Abandoned::Settled,
            Some(Waiting { stage: Stage::Queued(_), .. }) => Abandoned::NeverSent,
            Some(Waiting { facts, .. }) => {
                self.given_up.add(*name, facts, now);
                Abandoned::Sent
            }
        }
    }

    /// The connection is gone: lets no message in and settles all that wait.
    pub(crate) fn break_off(&mut self, now: Instant, due: &mut Vec<Due>) {
        self.accepts = false;
        self.queue.clear();
        self.deadlines.clear();
        let mut waiting: Vec<_> = self.waiting.drain().collect();
        // In the order in which they were let in: what comes of a broken link shall not hang on a hash.
        waiting.sort_unstable_by_key(|(_, waiting)| waiting.ticket.0);
        for (name, Waiting { to, facts, stage, .. }) in waiting {
            let settled = match stage {
                Stage::Queued(_) => Settled::NotSent(NotSent::LinkDown),
                Stage::Sent => {
                    // The host may answer over the next connection.
                    self.given_up.add(name, facts, now);
                    Settled::Silence(UnknownReason::LinkBroken)
                }
            };
            due.push(Due { to, settled, facts });
        }
    }

    fn is_waiting(&self, name: &Name, ticket: Ticket) -> bool {
        self.waiting.get(name).is_some_and(|waiting| waiting.ticket == ticket)
    }

    /// Keeps the list within twice the messages that can wait: most are answered long before their deadlines.
    fn push_deadline(&mut self, deadline: Deadline) {
        if self.deadlines.len() >= self.messages_max.saturating_mul(2).saturating_add(64) {
            let waiting = &self.waiting;
            self.deadlines.retain(|old| waiting.get(&old.name).is_some_and(|entry| entry.ticket == old.ticket));
        }
        self.deadlines.push_back(deadline);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use tollgate_core::ident::OperationId;
    use tollgate_core::money::{Amount, Currency};
    use tollgate_core::secret::Wipe;

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn name(number: u32) -> Name {
        Name {
            answer: Mti::AUTHORIZATION_RESPONSE,
            stan: Stan::folded(number),
            rrn: OperationId(i64::from(number) + 1_000_000).rrn(),
        }
    }

    fn facts(number: u32) -> Facts {
        Facts {
            kind: NetworkKind::Authorize,
            wire: WireReference { stan: name(number).stan, rrn: name(number).rrn, sent_at: Timestamp(0) },
            money: Money { amount: Amount::from_minor(100).unwrap(), currency: Currency::from_alpha("AED").unwrap() },
        }
    }

    fn frame(byte: u8) -> Wiped<Vec<u8>> {
        Wiped::new(vec![byte; 10])
    }

    fn table(messages_max: usize) -> InFlight {
        let mut table = InFlight::new(messages_max, TIMEOUT);
        table.open();
        table
    }

    fn write_all(table: &mut InFlight) -> Vec<u8> {
        let mut out: Wiped<Vec<u8>> = Wiped::with_capacity(1 << 16);
        table.write_batch(&mut out);
        out.to_vec()
    }

    fn settled(mut verdict: oneshot::Receiver<Settled>, due: Vec<Due>) -> Settled {
        for each in due {
            let _ = each.to.send(each.settled);
        }
        verdict.try_recv().expect("a verdict")
    }

    #[test]
    fn only_an_open_table_with_room_lets_messages_in() {
        let now = Instant::now();
        let mut closed = InFlight::new(2, TIMEOUT);
        assert_eq!(closed.admit(name(1), facts(1), frame(1), now).err(), Some(NotSent::LinkDown));
        let mut table = table(2);
        let _first = table.admit(name(1), facts(1), frame(1), now).unwrap();
        assert_eq!(table.admit(name(1), facts(1), frame(1), now).err(), Some(NotSent::Unbuildable));
        let _second = table.admit(name(2), facts(2), frame(2), now).unwrap();
        assert_eq!(table.admit(name(3), facts(3), frame(3), now).err(), Some(NotSent::LinkFull));
    }

    #[test]
    fn a_broken_link_leaves_written_messages_unknown_and_queued_ones_unsent() {
        let now = Instant::now();
        let mut table = table(10);
        let written = table.admit(name(1), facts(1), frame(1), now).unwrap();
        assert_eq!(write_all(&mut table), [1; 10]);
        let queued = table.admit(name(2), facts(2), frame(2), now).unwrap();
        let mut due = Vec::new();
        table.break_off(now, &mut due);
        let (late, unsent): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.facts == facts(1));
        assert!(matches!(settled(written.verdict, late), Settled::Silence(UnknownReason::LinkBroken)));
        assert!(matches!(settled(queued.verdict, unsent), Settled::NotSent(NotSent::LinkDown)));
        assert!(matches!(table.settle(&name(1), now), Owner::Late(_)));
        assert!(matches!(table.settle(&name(2), now), Owner::Nobody));
    }

    #[test]
    fn the_deadline_makes_a_written_message_unknown_and_a_queued_one_unsent() {
        let now = Instant::now();
        let mut table = table(10);
        let written = table.admit(name(1), facts(1), frame(1), now).unwrap();
        write_all(&mut table);
        let queued = table.admit(name(2), facts(2), frame(2), now).unwrap();
        assert_eq!(table.next_deadline(), Some(now + TIMEOUT));
        let mut due = Vec::new();
        table.expire(now + TIMEOUT - Duration::from_millis(1), &mut due);
        assert!(due.is_empty());
        table.expire(now + TIMEOUT, &mut due);
        let (silent, unsent): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.facts == facts(1));
        assert!(matches!(settled(written.verdict, silent), Settled::Silence(UnknownReason::NoAnswer)));
        assert!(matches!(settled(queued.verdict, unsent), Settled::NotSent(NotSent::LinkFull)));
        assert!(write_all(&mut table).is_empty(), "an expired message must not be written later");
        assert_eq!(table.next_deadline(), None);
    }

    #[test]
    fn an_abandoned_message_is_taken_out_of_the_queue_or_its_answer_is_late() {
        let now = Instant::now();
        let mut table = table(10);
        let queued = table.admit(name(1), facts(1), frame(1), now).unwrap();
        assert_eq!(table.abandon(&name(1), queued.ticket, now), Abandoned::NeverSent);
        assert!(write_all(&mut table).is_empty());
        let written = table.admit(name(2), facts(2), frame(2), now).unwrap();
        write_all(&mut table);
        assert_eq!(table.abandon(&name(2), written.ticket, now), Abandoned::Sent);
        assert_eq!(table.abandon(&name(2), written.ticket, now), Abandoned::Settled);
        assert!(matches!(table.settle(&name(2), now), Owner::Late(_)));
        assert!(matches!(table.settle(&name(2), now), Owner::Answered));
    }

    #[test]
    fn an_old_ticket_does_not_abandon_the_repeat_of_the_same_name() {
        let now = Instant::now();
        let mut table = table(10);
        let first = table.admit(name(1), facts(1), frame(1), now).unwrap();
        write_all(&mut table);
        table.expire(now + TIMEOUT, &mut Vec::new());
        let repeat = table.admit(name(1), facts(1), frame(2), now + TIMEOUT).unwrap();
        assert_eq!(table.abandon(&name(1), first.ticket, now), Abandoned::Settled);
        write_all(&mut table);
        assert!(matches!(table.settle(&name(1), now + TIMEOUT), Owner::Waiting { .. }));
        assert!(matches!(table.settle(&name(1), now + TIMEOUT), Owner::Answered));
        drop(repeat);
    }

    #[test]
    fn a_batch_takes_no_more_than_the_memory_of_the_buffer() {
        let now = Instant::now();
        let mut table = table(10);
        let admitted: Vec<_> =
            (1..=3).map(|number| table.admit(name(number), facts(number), frame(number as u8), now).unwrap()).collect();
        assert_eq!(admitted.iter().map(|one| one.queued_before).collect::<Vec<_>>(), [0, 1, 2]);
        let mut out: Wiped<Vec<u8>> = Wiped::with_capacity(25);
        let room = out.capacity();
        table.write_batch(&mut out);
        assert_eq!((out.len(), out.capacity()), (20, room));
        out.wipe();
        table.write_batch(&mut out);
        assert_eq!(*out, [3; 10]);
    }

    #[test]
    fn garbage_settles_a_message_only_when_one_alone_can_be_meant() {
        let now = Instant::now();
        let mut table = table(10);
        let first = table.admit(name(1), facts(1), frame(1), now).unwrap();
        let _second = table.admit(name(2), facts(2), frame(2), now).unwrap();
        assert!(table.settle_unreadable(&[name(1).rrn], now).is_none(), "it is not even sent");
        write_all(&mut table);
        assert!(table.settle_unreadable(&[], now).is_none());
        assert!(table.settle_unreadable(&[name(1).rrn, name(2).rrn], now).is_none());
        let due = table.settle_unreadable(&[name(1).rrn, name(7).rrn], now).unwrap();
        assert!(matches!(settled(first.verdict, vec![due]), Settled::Unreadable));
        assert!(matches!(table.settle(&name(1), now), Owner::Late(_)));
    }

    #[test]
    fn the_list_of_deadlines_stays_bounded() {
        let now = Instant::now();
        let mut table = table(4);
        let held = table.admit(name(0), facts(0), frame(0), now).unwrap();
        for number in 1..10_000 {
            let one = table.admit(name(number), facts(number), frame(0), now).unwrap();
            write_all(&mut table);
            assert!(matches!(table.settle(&name(number), now), Owner::Waiting { .. }));
            drop(one);
        }
        assert!(table.deadlines.len() <= 2 * 4 + 64);
        assert_eq!(table.next_deadline(), Some(now + TIMEOUT), "the one that waits keeps its deadline");
        drop(held);
    }
}
