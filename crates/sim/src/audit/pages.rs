//! What the auditor says about customers at the gateway's pages. Its model of an order there is a list of tries: which
//! message each was, what it came to, and what the issuer has booked by it.
//!
//! No is not the end there, as another card may follow; yes is, and so is what nobody knows until it is known.

use super::{Auditor, Meant, Said, Verdict, View, said};
use crate::record::OrderNumber;

/// An order of a customer at the page.
#[derive(Debug, Default)]
pub(super) struct PageView {
    /// Whether the order is durable.
    is_opened: bool,
    /// The cards that the customer has typed.
    typed: Vec<usize>,
    /// The tries, oldest first.
    tries: Vec<Try>,
    /// What was written of them, by the order's version: what feedback tells.
    told: Vec<Told>,
}

/// A try, or the operation that tells that there will be none.
#[derive(Clone, Copy, Debug)]
struct Try {
    /// Field 37.
    rrn: [u8; 12],
    /// What it has come to; open while it is under way or nobody knows.
    came_to: Verdict,
    /// What the issuer has booked by it and not undone.
    booked: u64,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    sequence: u32,
    code: u32,
}

/// What was certain of an order when somebody began to look at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    is_paid: bool,
    /// The try that was open.
    open: Option<[u8; 12]>,
}

/// What became of a try, durably.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Field 37.
    pub rrn: [u8; 12],
    /// The order's version with it.
    pub sequence: u32,
    /// The five-digit code.
    pub code: u32,
    /// Whether an operator wrote what is not true.
    pub is_mistaken: bool,
}

impl PageView {
    fn is_paid(&self) -> bool {
        self.tries.iter().any(|tried| tried.came_to == Verdict::Yes)
    }

    fn open(&self) -> Option<[u8; 12]> {
        self.tries.iter().find(|tried| tried.came_to == Verdict::Open).map(|tried| tried.rrn)
    }

    /// How many outcomes of tries were written first of all, which is what the direct URL hears.
    pub(super) fn tries(&self) -> usize {
        self.tries.len()
    }

    /// What was written under this version of the order.
    pub(super) fn told_by(&self, sequence: u32) -> Option<u32> {
        self.told.iter().find(|told| told.sequence == sequence).map(|told| told.code)
    }

    /// What was written for certain, and is to be fed back.
    pub(super) fn final_sequences(&self) -> impl Iterator<Item = u32> + '_ {
        self.told.iter().filter(|told| said(told.code) != Said::DontKnow).map(|told| told.sequence)
    }

    /// Whether a customer began it.
    pub(super) fn is_opened(&self) -> bool {
        self.is_opened
    }
}

impl Auditor {
    /// A merchant sends a customer to the page.
    pub fn page_meant(&mut self, order: OrderNumber, meant: Meant) {
        let step = self.wallet.now();
        let view = self.orders.entry(order).or_insert_with(|| View { asked_step: step, ..View::default() });
        view.meant = Some(meant);
        view.page.get_or_insert_default();
    }

    /// The order of a page is durable, with nothing sent.
    pub fn page_opened(&mut self, order: OrderNumber) {
        if let Some(page) = self.page(order) {
            page.is_opened = true;
        }
    }

    /// A customer is let in: there is such an order.
    pub fn page_told(&mut self, order: OrderNumber) {
        let is_opened = self.page(order).is_some_and(|page| page.is_opened);
        if let Some(view) = self.orders.get_mut(&order) {
            view.exists = true;
        }
        if !is_opened {
            self.found(Some(order), "a customer comes to a page whose order is durable", String::new());
        }
    }

    /// A customer types a card.
    pub fn page_typed(&mut self, order: OrderNumber, card: usize) {
        if let Some(page) = self.page(order) {
            page.typed.push(card);
        }
    }

    /// What a customer has sent was taken. What came of it, the page tells.
    pub fn page_taken(&mut self, call: u32) {
        let Some(place) = self.calls.get_mut(call as usize) else { return };
        place.open = false;
        let (order, took_ms) = (place.order, self.now_ms.saturating_sub(place.asked_ms));
        if took_ms > super::ANSWER_MS_MAX {
            self.found(Some(order), "an answer comes within 50 seconds", format!("it took {took_ms} ms"));
        }
    }

    /// The intent of a try is durable. `card` is the one that it charges.
    pub fn try_begun(&mut self, order: OrderNumber, rrn: [u8; 12], card: Option<usize>) {
        let Some(view) = self.orders.get_mut(&order) else { return };
        let (Some(page), book) = (view.page.as_mut(), view.book) else { return };
        let broken = if !page.is_opened {
            Some("a try is one of an order that is durable")
        } else if page.tries.iter().any(|tried| tried.came_to != Verdict::No) {
            Some("a try begins only when each one before has come to nothing")
        } else if book != super::Book::default() {
            Some("a try begins only when the issuer has booked nothing")
        } else if !card.is_some_and(|card| page.typed.contains(&card)) {
            Some("a try charges a card that the customer has typed")
        } else {
            None
        };
        page.tries.push(Try { rrn, came_to: Verdict::Open, booked: 0 });
        let found = format!("{page:?}, {book:?}, card {card:?}");
        view.cards = card.into_iter().collect();
        if let Some(rule) = broken {
            self.found(Some(order), rule, found);
        }
    }

    /// An order is durably closed of which nothing was sent, with the operation that tells of it.
    pub fn closed_unsent(&mut self, order: OrderNumber, written: Written) {
        let Some(page) = self.page(order) else { return };
        let is_untried = page.tries.is_empty();
        page.tries.push(Try { rrn: written.rrn, came_to: Verdict::Open, booked: 0 });
        if !is_untried || !matches!(said(written.code), Said::No | Said::Refused) {
            let found = format!("{written:?}, {:?}", self.page(order));
            self.found(Some(order), "only an order that was never tried is given up, with a no", found);
        }
        self.try_written(order, written);
    }

    /// What a try came to is durable: its outcome, what recovery found out, or an operator's correction.
    pub fn try_written(&mut self, order: OrderNumber, written: Written) {
        let Written { rrn, sequence, code, is_mistaken } = written;
        let Some(view) = self.orders.get_mut(&order) else { return };
        let meant = view.meant.map_or(0, |meant| meant.amount);
        let Some(page) = view.page.as_mut() else { return };
        page.told.push(Told { sequence, code });
        let last = page.tries.len().saturating_sub(1);
        let Some((place, tried)) = page.tries.iter_mut().enumerate().find(|(_, tried)| tried.rrn == rrn) else {
            return self.found(Some(order), "what is written of a try is one that has begun", format!("{written:?}"));
        };
        let before = tried.came_to;
        tried.came_to = match said(code) {
            Said::Yes => Verdict::Yes,
            Said::No | Said::Refused => Verdict::No,
            Said::DontKnow => Verdict::Open,
        };
        if is_mistaken {
            tried.booked = if tried.came_to == Verdict::Yes { meant } else { 0 };
        }
        let broken = match tried.came_to {
            _ if before != Verdict::Open && !is_mistaken => Some("a try comes to an end once"),
            _ if place != last => Some("what is written of a try is of the newest"),
            Verdict::Yes if tried.booked != meant => Some("a yes means that the issuer has booked it"),
            Verdict::No if tried.booked > 0 => Some("a no means that the issuer has booked nothing"),
            _ => None,
        };
        let found = format!("{written:?}, {tried:?} of {meant}");
        if let Some(rule) = broken {
            self.found(Some(order), rule, found);
        }
    }

    /// The issuer books by the message with this field 37.
    pub(super) fn booked_by_try(&mut self, order: OrderNumber, rrn: [u8; 12], amount: u64) {
        let Some(page) = self.page(order) else { return };
        let Some(tried) = page.tries.iter_mut().find(|tried| tried.rrn == rrn) else {
            return self.found(Some(order), "what is booked is a try that has begun", format!("{amount}"));
        };
        tried.booked += amount;
        let tried = *tried;
        if tried.came_to != Verdict::Open {
            self.found(Some(order), "what a try has come to is not booked any more", format!("{tried:?}"));
        }
    }

    /// The issuer undoes what it has booked by that message.
    pub(super) fn undone_by_try(&mut self, order: OrderNumber, rrn: [u8; 12], amount: u64) {
        let Some(page) = self.page(order) else { return };
        let Some(tried) = page.tries.iter_mut().find(|tried| tried.rrn == rrn) else { return };
        tried.booked = tried.booked.saturating_sub(amount);
        let tried = *tried;
        if tried.came_to == Verdict::Yes {
            self.found(Some(order), "after a yes nothing is undone", format!("{tried:?}"));
        }
    }

    /// What is certain of an order now.
    #[must_use]
    pub fn page_before(&self, order: OrderNumber) -> Before {
        let page = self.orders.get(&order).and_then(|view| view.page.as_ref());
        page.map(|page| Before { is_paid: page.is_paid(), open: page.open() }).unwrap_or_default()
    }

    /// The browser shows the form for a card; `before` is what was certain when it looked.
    pub fn page_asks_for_card(&mut self, order: OrderNumber, before: Before) {
        let Some(page) = self.page(order) else { return };
        let still_open = before.open.is_some() && before.open == page.open();
        if before.is_paid || still_open {
            let rule = "nobody is asked for a card whose payment is over, or under way, or unknown";
            let found = format!("{before:?}, {page:?}");
            self.found(Some(order), rule, found);
        }
    }

    /// The browser goes back with `code`; `before` is what was certain when it looked.
    pub fn page_returned(&mut self, order: OrderNumber, before: Before, code: u32) {
        let Some(page) = self.page(order) else { return };
        let (is_paid, open) = (page.is_paid(), page.open());
        let broken = match said(code) {
            Said::Yes if !is_paid => Some("who is sent back with a yes has paid"),
            Said::Yes => None,
            _ if before.is_paid => Some("who has paid is not sent back with anything but a yes"),
            Said::DontKnow => None,
            Said::No | Said::Refused if before.open.is_some() && before.open == open => {
                Some("nobody is sent back with a no while nobody knows")
            }
            Said::No | Said::Refused => None,
        };
        if let Some(rule) = broken {
            let found = format!("told {code:05}, {before:?}, {:?}", self.page(order));
            return self.found(Some(order), rule, found);
        }
        if said(code) == Said::Yes {
            self.rule_payment(order, Verdict::Yes, code);
        }
    }

    fn page(&mut self, order: OrderNumber) -> Option<&mut PageView> {
        self.orders.get_mut(&order)?.page.as_mut()
    }
}
