//! Faults that somebody asked for: an ordered list of behaviours, each for so many of the next messages
//! that fit it. They go before what card and amount would bring about.
//!
//! Those of the directory server (`ds_...`) meet AReqs, or PReqs where `operation` says so, and never an ISO 8583 message.
//!
//! Only first transmissions meet one. Reversals and repeats never do, so that whatever went wrong can be
//! put right.

use crate::behaviours::Behaviour;
use crate::read::{Payment, Transmission};
use crate::request::RequestKind;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most faults that wait at the same time.
pub(crate) const FAULTS_MAX: usize = 100;
/// The most messages that one fault is for.
pub(crate) const FAULT_COUNT_MAX: u32 = 10_000;
/// The most characters of a mask or an RRN.
const NAME_CHARS_MAX: usize = 24;

/// What a message does, for those who ask for faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultOperation {
    /// 0100.
    Authorize,
    /// 0200 with processing code 000000.
    Purchase,
    /// 0220.
    Capture,
    /// 0400.
    Void,
    /// 0200 with processing code 200000.
    Refund,
    /// AReq, at the directory server.
    Authenticate,
    /// PReq, at the directory server.
    #[serde(rename = "card_ranges")]
    CardRanges,
}

/// What the directory server does on request, in place of its answer or to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirectoryFault {
    /// `ds_silent`: no answer.
    Silent,
    /// `ds_slow`: the answer after `slow_ms`.
    Slow,
    /// `ds_garbage`: bytes that are no message.
    Garbage,
    /// `ds_erro`: Erro 403.
    Erro,
}

impl DirectoryFault {
    fn parse(name: &str) -> Option<DirectoryFault> {
        match name {
            "ds_silent" => Some(DirectoryFault::Silent),
            "ds_slow" => Some(DirectoryFault::Slow),
            "ds_garbage" => Some(DirectoryFault::Garbage),
            "ds_erro" => Some(DirectoryFault::Erro),
            _ => None,
        }
    }
}

/// A message to the directory server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirectoryMessage {
    /// AReq.
    Authenticate,
    /// PReq.
    CardRanges,
}

/// `POST /faults`: what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultWish {
    /// A behaviour's name, `decline:51` for a decline; `ds_silent`, `ds_slow`, `ds_garbage` or `ds_erro` for the directory
    /// server.
    pub behaviour: String,
    /// Only messages that do this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<FaultOperation>,
    /// Only cards with this mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// Only the message with this field 37.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrn: Option<String>,
    /// For how many messages, 1 to 10,000.
    #[serde(default = "once")]
    pub count: u32,
}

/// A fault that waits: `GET /faults`, first come first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// Its number, for `DELETE /faults/{id}`.
    pub id: u64,
    /// What was asked for, with the count that is left.
    #[serde(flatten)]
    pub wish: FaultWish,
}

const fn once() -> u32 {
    1
}

/// Why a fault is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultRefused {
    /// What is wrong with it.
    Wrong(&'static str),
    /// There are [`FAULTS_MAX`] already.
    Full,
}

/// The faults that wait.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// How many there are, so that a network without any pays nothing.
    waiting: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    last_id: u64,
    faults: Vec<Fault>,
}

#[derive(Debug)]
struct Fault {
    id: u64,
    effect: Effect,
    wish: FaultWish,
}

/// Where a fault strikes, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// At the ISO 8583 host.
    Host(Behaviour),
    /// At the directory server.
    Directory(DirectoryFault),
}

impl Effect {
    fn of(wish: &FaultWish) -> Result<Effect, &'static str> {
        let is_directorys = matches!(wish.operation, Some(FaultOperation::Authenticate | FaultOperation::CardRanges));
        match DirectoryFault::parse(&wish.behaviour) {
            Some(_) if wish.operation.is_some() && !is_directorys || wish.rrn.is_some() => {
                Err("the directory server sees authentications and card ranges, and no RRN")
            }
            Some(_) if wish.operation == Some(FaultOperation::CardRanges) && wish.mask.is_some() => {
                Err("a request for the card ranges names no card")
            }
            Some(fault) => Ok(Effect::Directory(fault)),
            None if is_directorys => Err("the directory server does one of ds_silent, ds_slow, ds_garbage and ds_erro"),
            None => Behaviour::parse(&wish.behaviour).map(Effect::Host),
        }
    }
}

impl Faults {
    /// Puts one at the end; answers its number.
    pub(crate) fn add(&self, wish: FaultWish) -> Result<u64, FaultRefused> {
        let effect = Effect::of(&wish).map_err(FaultRefused::Wrong)?;
        if !(1..=FAULT_COUNT_MAX).contains(&wish.count) {
            return Err(FaultRefused::Wrong("count is 1 to 10000"));
        }
        let named = [&wish.mask, &wish.rrn].into_iter().flatten();
        if named.into_iter().any(|text| text.is_empty() || text.len() > NAME_CHARS_MAX || !text.is_ascii()) {
            return Err(FaultRefused::Wrong("mask and rrn have 1 to 24 ASCII characters"));
        }
        if wish.mask.as_ref().is_some_and(|mask| !mask.contains('*')) {
            return Err(FaultRefused::Wrong(
                "a card is named by its mask, for example 400555******0001, never by its number",
            ));
        }
        let mut list = self.list();
        if list.faults.len() >= FAULTS_MAX {
            return Err(FaultRefused::Full);
        }
        list.last_id += 1;
        let id = list.last_id;
        list.faults.push(Fault { id, effect, wish });
        self.waiting.store(list.faults.len(), Ordering::Release);
        Ok(id)
    }

    /// All that wait, in their order.
    pub(crate) fn views(&self) -> Vec<FaultView> {
        self.list().faults.iter().map(|fault| FaultView { id: fault.id, wish: fault.wish.clone() }).collect()
    }

    /// Takes one out, or all; answers how many that were.
    pub(crate) fn clear(&self, id: Option<u64>) -> usize {
        let mut list = self.list();
        let before = list.faults.len();
        list.faults.retain(|fault| id.is_some_and(|id| fault.id != id));
        self.waiting.store(list.faults.len(), Ordering::Release);
        before - list.faults.len()
    }

    /// The behaviour that a payment meets by the first fault that fits it; that fault is used up once.
    pub(crate) fn take(&self, payment: &Payment) -> Option<Behaviour> {
        if self.waiting.load(Ordering::Acquire) == 0 || payment.transmission == Transmission::Repeat {
            return None;
        }
        let operation = operation_of(&payment.kind)?;
        let mut list = self.list();
        let fitting = |fault: &&Fault| matches!(fault.effect, Effect::Host(_)) && fault.wish.fits(operation, payment);
        // One that names this very message goes before those that any would do for.
        let id = list.faults.iter().filter(fitting).min_by_key(|fault| (fault.wish.rrn.is_none(), fault.id))?.id;
        match self.use_up(&mut list, id)? {
            Effect::Host(behaviour) => Some(behaviour),
            Effect::Directory(_) => None,
        }
    }

    /// The fault that a message to the directory server meets: the first that fits it, which is used up once.
    pub(crate) fn take_directory(&self, message: DirectoryMessage, mask: Option<&str>) -> Option<DirectoryFault> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut list = self.list();
        let fitting = |fault: &&Fault| {
            let wanted = match fault.wish.operation {
                Some(FaultOperation::CardRanges) => DirectoryMessage::CardRanges,
                _ => DirectoryMessage::Authenticate,
            };
            matches!(fault.effect, Effect::Directory(_))
                && wanted == message
                && fault.wish.mask.as_deref().is_none_or(|wanted| mask == Some(wanted))
        };
        let id = list.faults.iter().find(fitting)?.id;
        match self.use_up(&mut list, id)? {
            Effect::Directory(fault) => Some(fault),
            Effect::Host(_) => None,
        }
    }

    /// Counts a fault down by one.
    fn use_up(&self, list: &mut List, id: u64) -> Option<Effect> {
        let place = list.faults.iter().position(|fault| fault.id == id)?;
        let fault = list.faults.get_mut(place)?;
        let effect = fault.effect;
        fault.wish.count = fault.wish.count.saturating_sub(1);
        if fault.wish.count == 0 {
            list.faults.remove(place);
        }
        self.waiting.store(list.faults.len(), Ordering::Release);
        Some(effect)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // A list is whole at any time, so a panic elsewhere spoils nothing.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultWish {
    fn fits(&self, operation: FaultOperation, payment: &Payment) -> bool {
        let mask = || payment.echo.pan.as_ref().map(tollgate_core::card::Pan::mask);
        self.operation.is_none_or(|wanted| wanted == operation)
            && self.rrn.as_ref().is_none_or(|rrn| payment.name.rrn.as_str() == rrn)
            && self.mask.as_ref().is_none_or(|wanted| mask().as_ref() == Some(wanted))
    }
}

/// What a message does; `None` for a reversal, which never meets a fault.
const fn operation_of(kind: &RequestKind) -> Option<FaultOperation> {
    match kind {
        RequestKind::Authorize | RequestKind::Verify => Some(FaultOperation::Authorize),
        RequestKind::Purchase => Some(FaultOperation::Purchase),
        RequestKind::Complete(_) => Some(FaultOperation::Capture),
        RequestKind::Void(_) => Some(FaultOperation::Void),
        RequestKind::Refund(_) => Some(FaultOperation::Refund),
        RequestKind::Reverse(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::read::{Read, read};
    use tollgate_iso8583::{Message, Mti};

    fn message(mti: &str, rrn: &str) -> Message {
        let mut message = Message::new();
        message.set_mti(mti.parse::<Mti>().unwrap());
        for (field, value) in [
            (2, "4005550000000001"),
            (3, "000000"),
            (4, "000000010000"),
            (7, "1120101112"),
            (11, "000042"),
            (14, "3005"),
            (25, "59"),
            (32, "454545"),
            (37, rrn),
            (49, "784"),
        ] {
            message.set(field, value).unwrap();
        }
        if mti != "0200" && mti != "0100" {
            message.set(90, "010000004111201011120000045454500000000000").unwrap();
        }
        message
    }

    fn payment(mti: &str, rrn: &str) -> Payment {
        let Read::Payment(payment) = read(&message(mti, rrn), None) else { panic!("refused") };
        payment
    }

    fn wish(behaviour: &str) -> FaultWish {
        FaultWish { behaviour: behaviour.to_owned(), operation: None, mask: None, rrn: None, count: 1 }
    }

    const RRN: &str = "00000000ABCD";

    #[test]
    fn faults_are_used_up_in_their_order_and_by_their_count() {
        let faults = Faults::default();
        faults.add(FaultWish { count: 2, ..wish("silent") }).unwrap();
        faults.add(wish("late")).unwrap();
        let met: Vec<_> = (0..4).map(|_| faults.take(&payment("0200", RRN))).collect();
        assert_eq!(met, [Some(Behaviour::Silent), Some(Behaviour::Silent), Some(Behaviour::Late), None]);
        assert!(faults.views().is_empty());
    }

    #[test]
    fn a_fault_waits_for_a_message_that_fits() {
        let faults = Faults::default();
        faults.add(FaultWish { operation: Some(FaultOperation::Capture), ..wish("silent") }).unwrap();
        faults.add(FaultWish { mask: Some("400555******0002".into()), ..wish("silent") }).unwrap();
        faults.add(FaultWish { mask: Some("400555******0001".into()), ..wish("doubled") }).unwrap();
        faults.add(FaultWish { rrn: Some("00000000ABCE".into()), ..wish("late") }).unwrap();
        assert_eq!(faults.take(&payment("0200", "00000000ABCE")), Some(Behaviour::Late), "the one that names it");
        assert_eq!(faults.take(&payment("0200", RRN)), Some(Behaviour::Doubled));
        assert_eq!(faults.take(&payment("0200", RRN)), None);
        assert_eq!(faults.take(&payment("0220", RRN)), Some(Behaviour::Silent));
        assert_eq!(faults.views().len(), 1);
        assert_eq!(faults.clear(None), 1);
    }

    #[test]
    fn the_directory_server_has_faults_of_its_own() {
        let faults = Faults::default();
        faults.add(FaultWish { mask: Some("400555******0002".into()), ..wish("ds_garbage") }).unwrap();
        faults.add(wish("ds_silent")).unwrap();
        faults.add(FaultWish { operation: Some(FaultOperation::CardRanges), ..wish("ds_erro") }).unwrap();
        assert_eq!(faults.take(&payment("0200", RRN)), None, "no ISO 8583 message meets one");
        faults.add(wish("late")).unwrap();
        let met = |message, mask| faults.take_directory(message, mask);
        assert_eq!(met(DirectoryMessage::CardRanges, None), Some(DirectoryFault::Erro));
        assert_eq!(met(DirectoryMessage::CardRanges, None), None, "AReqs alone, unless it says otherwise");
        assert_eq!(met(DirectoryMessage::Authenticate, Some("400555******0001")), Some(DirectoryFault::Silent));
        assert_eq!(met(DirectoryMessage::Authenticate, Some("400555******0001")), None);
        assert_eq!(met(DirectoryMessage::Authenticate, Some("400555******0002")), Some(DirectoryFault::Garbage));
        assert_eq!(faults.take(&payment("0200", RRN)), Some(Behaviour::Late));
    }

    #[test]
    fn repeats_and_reversals_never_meet_one() {
        let faults = Faults::default();
        faults.add(wish("silent")).unwrap();
        for mti in ["0221", "0420", "0421"] {
            assert_eq!(faults.take(&payment(mti, RRN)), None, "{mti}");
        }
        assert_eq!(faults.take(&payment("0400", RRN)), Some(Behaviour::Silent), "a void does");
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_there_is_a_limit() {
        let faults = Faults::default();
        for wrong in [
            wish("shout"),
            wish("decline"),
            wish("decline:00"),
            wish("late:51"),
            FaultWish { count: 0, ..wish("late") },
            FaultWish { count: FAULT_COUNT_MAX + 1, ..wish("late") },
            FaultWish { mask: Some("4005550000000001".into()), ..wish("late") },
            FaultWish { rrn: Some(String::new()), ..wish("late") },
            FaultWish { operation: Some(FaultOperation::Capture), ..wish("ds_silent") },
            FaultWish { rrn: Some(RRN.into()), ..wish("ds_silent") },
            FaultWish { operation: Some(FaultOperation::Authenticate), ..wish("silent") },
            FaultWish {
                operation: Some(FaultOperation::CardRanges),
                mask: Some("400555******0001".into()),
                ..wish("ds_erro")
            },
        ] {
            assert!(matches!(faults.add(wrong.clone()), Err(FaultRefused::Wrong(_))), "{wrong:?}");
        }
        for _ in 0..FAULTS_MAX {
            faults.add(wish("decline:51")).unwrap();
        }
        assert_eq!(faults.add(wish("late")), Err(FaultRefused::Full));
        let first = faults.views()[0].id;
        assert_eq!(faults.clear(Some(first)), 1);
        assert_eq!(faults.clear(Some(first)), 0);
        assert_eq!(faults.clear(None), FAULTS_MAX - 1);
    }
}
