//! The modelled card issuer: a few pages of bookkeeping that obey the rules of `docs/wire.md` and nothing else.
//!
//! It books whatever it is asked for, as long as the card has the money: whether the gateway had any right to ask is the
//! auditor's matter.

use crate::chance::Chance;
use crate::plan::{Fault, Rates};
use crate::record::OrderNumber;
use crate::tables::{HashMap, HashSet};

/// How a message is named by those that refer to it: fields 11 and 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Field 11.
    pub stan: u32,
    /// Field 7, MMDDhhmmss as a number.
    pub time: u64,
}

/// A message as the issuer reads it.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The message type.
    pub mti: [u8; 4],
    /// The order that it belongs to, by field 62 or by the message it refers to.
    pub order: OrderNumber,
    /// The card, by its place in the list of cards.
    pub card: usize,
    /// Field 3 is that of a refund.
    pub purpose: Purpose,
    /// Field 4.
    pub amount: u64,
    /// Field 49.
    pub currency: u16,
    /// Fields 11 and 7.
    pub name: Name,
    /// Field 37.
    pub rrn: [u8; 12],
    /// Field 90.
    pub original: Option<Name>,
    /// Field 48.22: the order of the payment that it goes back to.
    pub back_to: Option<OrderNumber>,
}

/// What field 3 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// 000000.
    Goods,
    /// 200000.
    Refund,
}

/// The issuer's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Field 39.
    pub code: [u8; 2],
    /// Field 4: what was asked for, or the part that was approved.
    pub amount: u64,
    /// Field 38.
    pub authorization: Option<u32>,
    /// Field 48.63: the network names an approved payment, by its order.
    pub named: Option<OrderNumber>,
    /// A fault that the issuer itself made.
    pub fault: Option<Fault>,
}

/// A change of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Whose.
    pub order: OrderNumber,
    /// The card.
    pub card: usize,
    /// ISO 4217.
    pub currency: u16,
    /// How.
    pub kind: BookingKind,
    /// By how much, in minor units.
    pub amount: u64,
    /// Field 37 of the message that it was booked by; of what is undone, of the message that is undone.
    pub rrn: [u8; 12],
}

/// How the books change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookingKind {
    /// Money is held.
    Hold,
    /// Money is taken at once.
    Purchase,
    /// Held money is taken.
    Capture,
    /// The rest of a hold is given up.
    Void,
    /// Money is given back.
    Refund,
    /// A hold is undone.
    HoldUndone,
    /// A purchase is undone.
    PurchaseUndone,
    /// A refund is undone.
    RefundUndone,
}

impl BookingKind {
    /// The word for a story.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BookingKind::Hold => "hold",
            BookingKind::Purchase => "purchase",
            BookingKind::Capture => "capture",
            BookingKind::Void => "void",
            BookingKind::Refund => "refund",
            BookingKind::HoldUndone => "hold undone",
            BookingKind::PurchaseUndone => "purchase undone",
            BookingKind::RefundUndone => "refund undone",
        }
    }
}

/// The issuer.
pub struct Issuer {
    seed: u64,
    rates: Rates,
    /// The answer to each message, by class and field 37.
    answers: HashMap<(u8, [u8; 12]), Reply>,
    booked: HashMap<Name, Booked>,
    /// Names of messages that must never count.
    tombstones: HashSet<Name>,
    /// Used of each card and currency: held and taken, less what was given back.
    used: HashMap<(usize, u16), u64>,
    judged: HashMap<(OrderNumber, u8), u64>,
}

#[derive(Clone, Copy)]
struct Booked {
    booking: Booking,
    undone: bool,
}

/// What a card may have used, in minor units; every eighth card is poor.
const CARD_LIMIT: u64 = 9_000_000_000;
const POOR_CARD_LIMIT: u64 = 300_000;

const OK: [u8; 2] = *b"00";
const TOO_LATE: [u8; 2] = *b"94";

impl Issuer {
    /// An issuer with empty books.
    #[must_use]
    pub fn new(seed: u64, rates: Rates) -> Issuer {
        Issuer {
            seed,
            rates,
            answers: HashMap::default(),
            booked: HashMap::default(),
            tombstones: HashSet::default(),
            used: HashMap::default(),
            judged: HashMap::default(),
        }
    }

    /// Reads a message, changes the books, and answers.
    pub fn read(&mut self, request: &Request, bookings: &mut Vec<Booking>) -> Reply {
        let [_, class, ..] = request.mti;
        if class == b'4' && request.original == Some(request.name) {
            return self.reverse(request, bookings);
        }
        let key = (class, request.rrn);
        if let Some(first) = self.answers.get(&key) {
            // An advice that could not be processed is processed when it is sent again. A first message that comes twice
            // stays what it was.
            let anew = matches!(&request.mti, b"0221" | b"0420" | b"0421") && is_busy(first.code);
            if !anew {
                return Reply { fault: None, ..*first };
            }
        }
        let reply = if self.tombstones.contains(&request.name) {
            plain(request, TOO_LATE)
        } else {
            self.judge(request, bookings)
        };
        self.answers.insert(key, reply);
        reply
    }

    /// A reversal is always acknowledged; what it reverses never counts from then on, even if it comes later.
    fn reverse(&mut self, request: &Request, bookings: &mut Vec<Booking>) -> Reply {
        self.tombstones.insert(request.name);
        if let Some(booked) = self.booked.get_mut(&request.name)
            && !booked.undone
        {
            booked.undone = true;
            let was = booked.booking;
            let kind = match was.kind {
                BookingKind::Purchase => BookingKind::PurchaseUndone,
                BookingKind::Refund => BookingKind::RefundUndone,
                _ => BookingKind::HoldUndone,
            };
            self.book(Booking { kind, ..was }, bookings);
        }
        plain(request, OK)
    }

    fn judge(&mut self, request: &Request, bookings: &mut Vec<Booking>) -> Reply {
        let Some(kind) = kind_of(request) else { return plain(request, *b"12") };
        let count = self.judged.entry((request.order, kind as u8)).or_insert(0);
        *count += 1;
        let mut chance =
            Chance::of(self.seed, "issuer", &[u64::from(request.order), kind as u64, request.amount, *count]);
        if chance.happens(self.rates.of(Fault::IssuerBusy)) {
            let code = chance.pick(&[*b"91", *b"96"]);
            return Reply { fault: Some(Fault::IssuerBusy), ..plain(request, code) };
        }
        let declines_per_10_000 = match kind {
            BookingKind::Hold | BookingKind::Purchase => 800,
            _ => 200,
        };
        if chance.happens(declines_per_10_000) {
            return plain(request, chance.pick(&[*b"05", *b"51", *b"54", *b"59", *b"61", *b"85"]));
        }
        let first = matches!(kind, BookingKind::Hold | BookingKind::Purchase);
        if first && self.used_of(request).saturating_add(request.amount) > limit_of(request.card) {
            return plain(request, *b"51");
        }
        let authorization = Some(u32::try_from(chance.between(1, 999_999)).unwrap_or(1));
        let named = first.then_some(request.order);
        let mut reply = Reply { authorization, named, ..plain(request, OK) };
        if first && chance.happens(self.rates.of(Fault::ConditionalYes)) {
            reply.code = chance.pick(&[*b"08", *b"10", *b"11", *b"16"]);
            reply.fault = Some(Fault::ConditionalYes);
            if reply.code == *b"10" {
                reply.amount = (request.amount / 2).max(1);
            }
        }
        let booking = Booking {
            order: request.order,
            card: request.card,
            currency: request.currency,
            kind,
            amount: reply.amount,
            rrn: request.rrn,
        };
        self.booked.insert(request.name, Booked { booking, undone: false });
        self.book(booking, bookings);
        reply
    }

    fn book(&mut self, booking: Booking, bookings: &mut Vec<Booking>) {
        let used = self.used.entry((booking.card, booking.currency)).or_insert(0);
        match booking.kind {
            BookingKind::Hold | BookingKind::Purchase | BookingKind::RefundUndone => *used += booking.amount,
            BookingKind::Capture => {}
            BookingKind::Void | BookingKind::Refund | BookingKind::HoldUndone | BookingKind::PurchaseUndone => {
                *used = used.saturating_sub(booking.amount);
            }
        }
        bookings.push(booking);
    }

    fn used_of(&self, request: &Request) -> u64 {
        self.used.get(&(request.card, request.currency)).copied().unwrap_or(0)
    }
}

fn kind_of(request: &Request) -> Option<BookingKind> {
    match (&request.mti, request.purpose) {
        (b"0100", Purpose::Goods) => Some(BookingKind::Hold),
        (b"0200", Purpose::Goods) => Some(BookingKind::Purchase),
        (b"0200", Purpose::Refund) => Some(BookingKind::Refund),
        (b"0220" | b"0221", Purpose::Goods) => Some(BookingKind::Capture),
        (b"0400" | b"0420" | b"0421", _) => Some(BookingKind::Void),
        _ => None,
    }
}

fn plain(request: &Request, code: [u8; 2]) -> Reply {
    Reply { code, amount: request.amount, authorization: None, named: None, fault: None }
}

fn is_busy(code: [u8; 2]) -> bool {
    code == *b"91" || code == *b"96"
}

fn limit_of(card: usize) -> u64 {
    if card % 8 == 7 { POOR_CARD_LIMIT } else { CARD_LIMIT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Faults, Plan};

    fn issuer() -> Issuer {
        Issuer::new(3, Plan { faults: Faults::NONE, ..Plan::of_seed(3) }.rates())
    }

    fn request(mti: &[u8; 4], number: u32, original: Option<u32>) -> Request {
        let name = |number: u32| Name { stan: number, time: 1_120_120_000 };
        let mut rrn = *b"000000000000";
        rrn[11] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        Request {
            mti: *mti,
            order: 1,
            card: 0,
            purpose: Purpose::Goods,
            amount: 500,
            currency: 784,
            name: name(number),
            rrn,
            original: original.map(name),
            back_to: None,
        }
    }

    fn kinds(bookings: &[Booking]) -> Vec<BookingKind> {
        bookings.iter().map(|booking| booking.kind).collect()
    }

    #[test]
    fn a_repeated_message_counts_once_and_is_answered_alike() {
        let (mut issuer, mut bookings) = (issuer(), Vec::new());
        let first = issuer.read(&request(b"0200", 1, None), &mut bookings);
        assert_eq!(issuer.read(&request(b"0200", 1, None), &mut bookings), first);
        assert_eq!(kinds(&bookings), [BookingKind::Purchase]);
    }

    #[test]
    fn a_reversal_undoes_once_and_is_always_acknowledged() {
        let (mut issuer, mut bookings) = (issuer(), Vec::new());
        issuer.read(&request(b"0200", 1, None), &mut bookings);
        for mti in [b"0420", b"0421"] {
            assert_eq!(issuer.read(&request(mti, 1, Some(1)), &mut bookings).code, OK);
        }
        assert_eq!(kinds(&bookings), [BookingKind::Purchase, BookingKind::PurchaseUndone]);
    }

    #[test]
    fn a_message_that_its_reversal_overtook_never_counts() {
        let (mut issuer, mut bookings) = (issuer(), Vec::new());
        assert_eq!(issuer.read(&request(b"0420", 1, Some(1)), &mut bookings).code, OK);
        assert_eq!(issuer.read(&request(b"0200", 1, None), &mut bookings).code, TOO_LATE);
        assert_eq!(bookings, []);
    }

    #[test]
    fn an_advice_that_refers_to_another_message_is_the_repeat_of_a_void() {
        let (mut issuer, mut bookings) = (issuer(), Vec::new());
        issuer.read(&request(b"0100", 1, None), &mut bookings);
        for mti in [b"0400", b"0420", b"0421"] {
            assert_eq!(issuer.read(&request(mti, 2, Some(1)), &mut bookings).code, OK);
        }
        assert_eq!(kinds(&bookings), [BookingKind::Hold, BookingKind::Void]);
    }
}
