//! The auditor: watches what merchants are told, what leaves the gateway, and what the issuer books, and says what may
//! and what may not be.
//!
//! Its model is its own and simple: for each order what the merchant knows for certain, what it cannot know, and what the
//! issuer's books say. It shares no rule with the gateway's engine. Whatever the issuer books has to lie between what
//! merchants were told for certain and that plus what they were left in doubt about.

pub mod agreements;
pub mod mistakes;
pub mod pages;
pub mod schedules;
pub mod tokens;

use crate::inbox::{FedSums, Feed, Inbox};
use crate::issuer::{Booking, BookingKind, Name};
use crate::record::OrderNumber;
use crate::tables::{HashMap, HashSet};
use crate::wallet::{TokenKey, Wallet};
use agreements::Agreed;
use mistakes::Mistake;
use pages::PageView;
use schedules::DueView;
use std::collections::BTreeMap;
use tokens::Wish;
use tollgate_core::feedback::FeedbackKind;
use tollgate_core::order::{Phase, Totals};

/// The longest that a merchant waits for an answer, in milliseconds.
pub const ANSWER_MS_MAX: u64 = 50_000;

/// What a merchant asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// AUTHORIZATION or PURCHASE.
    Pay,
    /// CAPTURE.
    Capture,
    /// VOID_AUTHORIZATION.
    Void,
    /// REFUND.
    Refund,
}

/// An order as its merchant means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meant {
    /// The merchant.
    pub merchant: u64,
    /// The card, by its place in the list of cards, unless it is paid by token.
    pub card: usize,
    /// What is wanted of tokens.
    pub wish: Wish,
    /// What it has to do with an agreement.
    pub agreed: Agreed,
    /// ISO 4217.
    pub currency: u16,
    /// How much, in minor units.
    pub amount: u64,
}

/// What CHECK_STATUS told of an order that it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code of the last operation.
    pub last: u32,
    /// The sums.
    pub totals: Totals,
}

/// An order as the gateway keeps it when all is over.
#[derive(Clone, Copy, Debug)]
pub struct Final {
    /// Where it stands.
    pub phase: Phase,
    /// Its sums.
    pub totals: Totals,
    /// Whether an operation on it is open or unknown.
    pub unsettled: bool,
    /// Whether its merchant has URLs for feedback.
    pub fed_back: bool,
}

/// A message that leaves the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// Its order.
    pub order: OrderNumber,
    /// Fields 11 and 7.
    pub name: Name,
    /// Field 37.
    pub rrn: [u8; 12],
    /// Field 4.
    pub amount: u64,
    /// The card.
    pub card: usize,
    /// Whether it is the reversal of a message, which has that message's own names.
    pub reversal: bool,
    /// The order of the customer's payment that a charge goes back to, if it names one.
    pub back_to: Option<OrderNumber>,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, in milliseconds from the beginning.
    pub at_ms: u64,
    /// The order, where it is one order's matter.
    pub order: Option<OrderNumber>,
    /// What was expected.
    pub rule: &'static str,
    /// What was found.
    pub found: String,
}

/// The auditor.
#[derive(Default)]
pub struct Auditor {
    orders: BTreeMap<OrderNumber, View>,
    calls: Vec<Call>,
    names: HashMap<Name, [u8; 12]>,
    numbers: HashMap<[u8; 12], Outgoing>,
    /// Field 37 of operations whose intent is durable.
    intents: HashSet<[u8; 12]>,
    /// Field 37 of operations of which a recovery message is durably begun.
    recoveries: HashSet<[u8; 12]>,
    /// What is kept under which name.
    wallet: Wallet,
    /// The charges of agreements, by the orders that have opened these.
    charges: HashMap<OrderNumber, Vec<OrderNumber>>,
    /// Charges that were refused by what was agreed.
    turned_away: u64,
    violation: Option<Violation>,
    now_ms: u64,
}

/// What is known of one order.
#[derive(Default)]
struct View {
    meant: Option<Meant>,
    /// Whether the merchant was told that there is such an order.
    exists: bool,
    /// What the merchant was told of the payment itself.
    paid: Verdict,
    /// Calls that ask for the payment and may still succeed.
    pays_open: u64,
    capture: Side,
    refund: Side,
    /// A void was told to have succeeded.
    voided: bool,
    voids_open: u64,
    book: Book,
    /// Whether a call that asked for the payment was answered with a yes.
    yes_heard: bool,
    /// Final answers, yes and no: each is fed back, too.
    answers: Vec<Told>,
    /// What its merchant's servers heard.
    inbox: Inbox,
    /// When it was asked for first, as tokens count it.
    asked_step: u64,
    /// The cards that it may charge: one, unless its name was given another one while it was read.
    cards: Vec<usize>,
    /// The name that its card comes from.
    uses: Option<TokenKey>,
    /// Whether the gateway could not read it at some time.
    was_unread: bool,
    /// What the issuer has really booked: as `book`, but for what operators were wrong about.
    really: Book,
    mistakes: Vec<Mistake>,
    /// What customers at the page have tried, if the order is one of the page.
    page: Option<PageView>,
    /// Which due date it charges, if the gateway has made it by itself.
    due: Option<DueView>,
}

/// A final answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    ask: Ask,
    code: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    #[default]
    Open,
    Yes,
    No,
}

/// Sums of captures or refunds, as far as the merchant knows.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    certain: u64,
    /// Asked for, and neither granted nor refused for certain.
    doubtful: u64,
}

impl Side {
    fn most(self) -> u64 {
        self.certain + self.doubtful
    }
}

/// What the issuer has booked for one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Book {
    held: u64,
    taken_at_once: u64,
    captured: u64,
    refunded: u64,
    voided: bool,
}

impl View {
    /// Whether an operator has written that the payment succeeded, although it has not.
    fn was_mistaken_for_paid(&self) -> bool {
        self.mistakes.iter().any(|mistake| mistake.ask == Ask::Pay && is_yes(mistake.code))
    }
}

impl Book {
    fn write(&mut self, kind: BookingKind, amount: u64) {
        match kind {
            BookingKind::Hold => self.held += amount,
            BookingKind::Purchase => self.taken_at_once += amount,
            BookingKind::Capture => self.captured += amount,
            BookingKind::Void => self.voided = true,
            BookingKind::Refund => self.refunded += amount,
            BookingKind::HoldUndone => self.held = self.held.saturating_sub(amount),
            BookingKind::PurchaseUndone => self.taken_at_once = self.taken_at_once.saturating_sub(amount),
            BookingKind::RefundUndone => self.refunded = self.refunded.saturating_sub(amount),
        }
    }
}

#[derive(Clone, Copy)]
struct Call {
    order: OrderNumber,
    ask: Ask,
    amount: u64,
    asked_ms: u64,
    open: bool,
}

/// What an answer says, by its status.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    /// Refused before anything was done.
    Refused,
    DontKnow,
}

impl Auditor {
    /// Moves the auditor's clock.
    pub fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// The first violation, if there was one.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Whether a payment was told to have succeeded.
    #[must_use]
    pub fn is_paid(&self, order: OrderNumber) -> bool {
        self.orders.get(&order).is_some_and(|view| view.paid == Verdict::Yes)
    }

    /// A merchant asks. Answers the number of the call.
    pub fn asked(&mut self, order: OrderNumber, ask: Ask, amount: u64, meant: Meant) -> u32 {
        let step = self.wallet.now();
        let view = self.orders.entry(order).or_insert_with(|| View { asked_step: step, ..View::default() });
        if let (None, Agreed::Charges(opener)) = (view.meant, meant.agreed) {
            self.charges.entry(opener).or_default().push(order);
        }
        view.meant = Some(meant);
        match ask {
            Ask::Pay => view.pays_open += 1,
            Ask::Capture => view.capture.doubtful += amount,
            Ask::Refund => view.refund.doubtful += amount,
            Ask::Void => view.voids_open += 1,
        }
        self.calls.push(Call { order, ask, amount, asked_ms: self.now_ms, open: true });
        u32::try_from(self.calls.len() - 1).unwrap_or(u32::MAX)
    }

    /// A merchant is answered.
    pub fn answered(&mut self, call: u32, code: u32) {
        let Some(place) = self.calls.get_mut(call as usize) else { return };
        place.open = false;
        let Call { order, ask, amount, asked_ms, .. } = *place;
        let took_ms = self.now_ms.saturating_sub(asked_ms);
        if took_ms > ANSWER_MS_MAX {
            self.found(Some(order), "an answer comes within 50 seconds", format!("it took {took_ms} ms"));
        }
        let said = said(code);
        if said == Said::Refused {
            self.note_turned_away(order, code);
        }
        let Some(view) = self.orders.get_mut(&order) else { return };
        view.exists |= code == 66 && ask == Ask::Pay || matches!(said, Said::Yes | Said::No);
        if said == Said::DontKnow {
            return;
        }
        match ask {
            Ask::Pay => view.pays_open = view.pays_open.saturating_sub(1),
            Ask::Capture => settle(&mut view.capture, amount, said),
            Ask::Refund => settle(&mut view.refund, amount, said),
            Ask::Void => {
                view.voids_open = view.voids_open.saturating_sub(1);
                view.voided |= said == Said::Yes;
            }
        }
        if matches!(said, Said::Yes | Said::No) {
            view.answers.push(Told { ask, code });
        }
        let again = view.yes_heard;
        view.yes_heard |= (ask, said) == (Ask::Pay, Said::Yes);
        match (ask, said) {
            (Ask::Pay, Said::Yes) if again => {
                self.found(Some(order), "a reference is charged once", format!("a second yes, {code:05}"));
            }
            (Ask::Pay, Said::Yes) => self.rule_payment(order, Verdict::Yes, code),
            (Ask::Pay, Said::No) => self.rule_payment(order, Verdict::No, code),
            _ => self.check_bounds(order),
        }
    }

    /// CHECK_STATUS found the order.
    pub fn told(&mut self, order: OrderNumber, status: Status) {
        let Some(view) = self.orders.get_mut(&order) else { return };
        view.exists = true;
        let (view, Status { last, totals }) = (&*view, status);
        let doubt = view.pays_open > 0 || view.voids_open > 0 || view.capture.doubtful + view.refund.doubtful > 0;
        if said(last) == Said::DontKnow && view.paid != Verdict::Open && !doubt {
            self.found(Some(order), "what was final does not become unknown", format!("{last:05}"));
            return;
        }
        let (capture, refund, book) = (view.capture, view.refund, view.book);
        let captured = totals.captured.minor();
        if totals.authorized.minor() > 0 {
            self.rule_payment(order, Verdict::Yes, last);
        } else if said(last) != Said::DontKnow && (view.page.is_none() || view.paid == Verdict::Yes) {
            self.rule_payment(order, Verdict::No, last);
        }
        let captured_really = book.captured + book.taken_at_once;
        if captured > captured_really {
            self.found(
                Some(order),
                "no more is told than was taken",
                format!("captured {captured} of {captured_really}"),
            );
        }
        if book.taken_at_once == 0 && (captured < capture.certain || captured > capture.most()) {
            self.found(
                Some(order),
                "the sum of captures is what was told",
                format!("captured {captured}, {capture:?}"),
            );
        }
        let refunded = totals.refunded.minor();
        if refunded > book.refunded || refunded < refund.certain || refunded > refund.most() {
            self.found(Some(order), "the sum of refunds is what was told", format!("refunded {refunded}, {refund:?}"));
        }
    }

    /// CHECK_STATUS found no such order.
    pub fn told_not_found(&mut self, order: OrderNumber) {
        let Some(view) = self.orders.get(&order) else { return };
        if view.exists || view.book != Book::default() {
            self.found(Some(order), "an order that was told to exist is found", format!("{:?}", view.book));
        }
    }

    /// The issuer books.
    pub fn booked(&mut self, booking: &Booking) {
        let Booking { order, kind, amount, rrn, .. } = *booking;
        let view = self.orders.entry(order).or_default();
        let before = view.book;
        view.book.write(kind, amount);
        view.really.write(kind, amount);
        let broken = match kind {
            BookingKind::Hold | BookingKind::Purchase if before != Book::default() => {
                Some("a reference is charged once")
            }
            BookingKind::Hold | BookingKind::Purchase if view.paid == Verdict::No => {
                Some("after a no nothing is charged")
            }
            BookingKind::Hold | BookingKind::Purchase if view.pays_open == 0 => {
                Some("nothing is charged when each call was refused")
            }
            BookingKind::HoldUndone | BookingKind::PurchaseUndone if view.paid == Verdict::Yes => {
                Some("after a yes nothing is undone")
            }
            BookingKind::Capture if before.voided => Some("after a void nothing is captured"),
            BookingKind::Void if before.voided || before.captured > 0 => Some("only a whole hold is voided"),
            BookingKind::Void if !view.voided && view.voids_open == 0 => {
                Some("nobody asked for this void, or it was refused")
            }
            _ => None,
        };
        if let Some(rule) = broken {
            self.found(Some(order), rule, format!("{} of {amount}", kind.name()));
        }
        match kind {
            BookingKind::Hold | BookingKind::Purchase => {
                self.booked_by_try(order, rrn, amount);
                self.check_charges(order);
                self.check_due_once(order);
            }
            BookingKind::HoldUndone | BookingKind::PurchaseUndone => self.undone_by_try(order, rrn, amount),
            BookingKind::Capture | BookingKind::Void | BookingKind::Refund | BookingKind::RefundUndone => {}
        }
        self.check_bounds(order);
    }

    /// The intent of an operation is durable.
    pub fn intended(&mut self, rrn: [u8; 12]) {
        self.intents.insert(rrn);
    }

    /// A recovery message of an operation is durably begun.
    pub fn recovery_begun(&mut self, rrn: [u8; 12]) {
        self.recoveries.insert(rrn);
    }

    /// An operator's correction is written: the operation counts as `code` says.
    pub fn corrected(&mut self, order: OrderNumber, ask: Ask, amount: u64, code: u32) {
        let Some(view) = self.orders.get(&order) else { return };
        let (book, is_done) = (view.book, is_yes(code));
        let is_booked = match ask {
            // What is written of a try is judged when it is written.
            Ask::Pay if view.page.is_some() && !is_done => return,
            Ask::Pay => return self.rule_payment(order, if is_done { Verdict::Yes } else { Verdict::No }, code),
            Ask::Capture => book.captured >= amount,
            Ask::Void => book.voided,
            Ask::Refund => book.refunded >= amount,
        };
        // Other captures and refunds of the order may be booked, but no other void.
        if (is_done && !is_booked) || (ask == Ask::Void && is_booked != is_done) {
            self.found(Some(order), "a correction says what the issuer has booked", format!("{code:05}, {book:?}"));
        }
    }

    /// A message leaves the gateway.
    pub fn sent(&mut self, out: Outgoing) {
        if !self.intents.contains(&out.rrn) {
            self.found(Some(out.order), "the intent is durable before the message leaves", format!("{out:?}"));
        }
        if out.reversal && !self.recoveries.contains(&out.rrn) {
            self.found(Some(out.order), "a recovery message is counted before it leaves", format!("{out:?}"));
        }
        self.check_card(out.order, out.card);
        self.check_goes_back(out.order, out.back_to);
        if *self.names.entry(out.name).or_insert(out.rrn) != out.rrn {
            self.found(Some(out.order), "STAN and time name one operation", format!("{out:?}"));
        }
        let first = *self.numbers.entry(out.rrn).or_insert(out);
        let alike =
            first.name == out.name && first.order == out.order && first.card == out.card && first.amount == out.amount;
        if !alike {
            self.found(
                Some(out.order),
                "a retrieval reference number names one operation",
                format!("{out:?}, {first:?}"),
            );
        }
    }

    /// A feedback arrives at its merchant's server.
    pub fn fed(&mut self, order: OrderNumber, feed: Feed) {
        let view = self.orders.entry(order).or_default();
        let told_before = view.inbox.payments().rfind(|other| other.sequence < feed.sequence);
        let mut broken = view.inbox.arrived(feed);
        let (book, code) = (view.book, feed.code);
        let fed = view.inbox.sums(is_yes);
        let charged = book.held + book.taken_at_once;
        if fed.captured > book.captured || fed.refunded > book.refunded || (fed.voided && !book.voided) {
            broken = broken.or(Some("what is fed back as done is booked"));
        }
        if let (Some(page), Ask::Pay) = (&view.page, feed.ask) {
            // Another card may follow a no, and what is told of an earlier one may come later.
            if page.told_by(feed.sequence) != Some(code) {
                broken = broken.or(Some("what is fed back of a try is what was written of it"));
            }
            if said(code) == Said::Yes {
                self.rule_payment(order, Verdict::Yes, code);
            }
        } else if feed.ask == Ask::Pay {
            let was_final = told_before.is_some_and(|before| said(before.code) != Said::DontKnow);
            match said(code) {
                Said::DontKnow if was_final => broken = broken.or(Some("what was final does not become unknown")),
                // It was written before an operator contradicted it, and goes out before that is told.
                Said::No | Said::Refused if view.was_mistaken_for_paid() => {}
                Said::Refused if charged > 0 => {
                    broken = broken.or(Some("a no means that the issuer has booked nothing"));
                }
                Said::Yes => self.rule_payment(order, Verdict::Yes, code),
                Said::No => self.rule_payment(order, Verdict::No, code),
                Said::DontKnow | Said::Refused => {}
            }
        }
        if let Some(rule) = broken {
            self.found(Some(order), rule, format!("{feed:?}, {book:?}"));
        }
    }

    /// A feedback arrives that tells of a schedule, and nothing of a payment.
    pub fn fed_news(&mut self, order: OrderNumber, feed: Feed, news: u16) {
        if let Some(rule) = self.orders.entry(order).or_default().inbox.news_arrived(feed, news) {
            self.found(Some(order), rule, format!("{feed:?}, news {news}"));
        }
    }

    /// The acknowledgement of a feedback reaches the gateway.
    pub fn fed_acknowledged(&mut self, order: OrderNumber, sequence: u32) {
        if let Some(view) = self.orders.get_mut(&order) {
            view.inbox.acknowledged(sequence);
        }
    }

    /// An operator has a feedback sent again.
    pub fn replayed(&mut self, order: OrderNumber, sequence: u32) {
        if let Some(view) = self.orders.get_mut(&order) {
            view.inbox.replayed(sequence);
        }
    }

    /// Everything is over: compares each order with the issuer's books. `finals` has an order that was never made as `None`.
    pub fn close(&mut self, finals: &BTreeMap<OrderNumber, Option<Final>>) {
        for order in self.orders.keys().copied().collect::<Vec<_>>() {
            match finals.get(&order).copied().flatten() {
                None => self.told_not_found(order),
                Some(last) => self.close_order(order, last),
            }
        }
    }

    /// Compares the sums by card and currency.
    pub fn close_cards(&mut self, finals: &BTreeMap<OrderNumber, Option<Final>>) {
        let mut books: BTreeMap<(usize, u16), (u64, u64)> = BTreeMap::new();
        for (order, view) in &self.orders {
            let Some(meant) = view.meant else { continue };
            let card = view.cards.first().copied().unwrap_or(meant.card);
            let sums = books.entry((card, meant.currency)).or_default();
            let held = if view.book.voided { view.book.captured } else { view.book.held };
            sums.0 += (held + view.book.taken_at_once).saturating_sub(view.book.refunded);
            if let Some(last) = finals.get(order).copied().flatten() {
                let totals = last.totals;
                let used = match last.phase {
                    Phase::Authorized | Phase::Captured | Phase::Purchased => totals.authorized.minor(),
                    _ => 0,
                };
                sums.1 += used.saturating_sub(totals.refunded.minor());
            }
        }
        for ((card, currency), (issuer, gateway)) in books {
            if issuer != gateway {
                let found = format!("card {card} in {currency}: issuer {issuer}, gateway {gateway}");
                self.found(None, "each card's ledger equals the sum of its orders", found);
            }
        }
    }

    /// Says that something must not be; the first such finding counts.
    pub fn found(&mut self, order: Option<OrderNumber>, rule: &'static str, found: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { at_ms: self.now_ms, order, rule, found });
        }
    }

    /// The merchant is told what became of the payment itself.
    fn rule_payment(&mut self, order: OrderNumber, verdict: Verdict, code: u32) {
        let Some(view) = self.orders.get_mut(&order) else { return };
        let charged = view.book.held + view.book.taken_at_once;
        let meant = view.meant.map_or(0, |meant| meant.amount);
        let broken = match verdict {
            _ if view.paid != Verdict::Open && view.paid != verdict => {
                Some("no answer contradicts an earlier final one")
            }
            Verdict::Yes if charged != meant => Some("a yes means that the issuer has booked it"),
            Verdict::No if charged > 0 => Some("a no means that the issuer has booked nothing"),
            _ => None,
        };
        view.paid = verdict;
        if let Some(rule) = broken {
            let found = format!("told {code:05}, charged {charged} of {meant}");
            self.found(Some(order), rule, found);
        }
        self.check_bounds(order);
    }

    /// What the issuer has booked lies between what was told and what was asked.
    fn check_bounds(&mut self, order: OrderNumber) {
        let Some(view) = self.orders.get(&order) else { return };
        let Book { held, taken_at_once, captured, refunded, voided } = view.book;
        let broken = if captured > held {
            Some("captured is at most authorized")
        } else if refunded > captured + taken_at_once {
            Some("refunded is at most captured")
        } else if captured < view.capture.certain || captured > view.capture.most() {
            Some("the issuer has captured what was told, or was left in doubt")
        } else if refunded < view.refund.certain || refunded > view.refund.most() {
            Some("the issuer has refunded what was told, or was left in doubt")
        } else if view.voided && !voided {
            Some("a void that was told is booked")
        } else {
            None
        };
        if let Some(rule) = broken {
            let found = format!("{:?}, captures {:?}, refunds {:?}", view.book, view.capture, view.refund);
            self.found(Some(order), rule, found);
        }
    }

    fn close_order(&mut self, order: OrderNumber, last: Final) {
        let Some(view) = self.orders.get(&order) else { return };
        let (book, paid) = (view.book, view.paid);
        let Final { phase, totals, unsettled, .. } = last;
        let (authorized, captured) = (totals.authorized.minor(), totals.captured.minor());
        if unsettled || matches!(phase, Phase::Pending | Phase::Unknown) {
            self.found(Some(order), "in the end no order is in doubt", format!("{phase}"));
            return;
        }
        if phase == Phase::Open && view.page.as_ref().is_some_and(PageView::is_opened) {
            self.found(Some(order), "in the end each order that a customer began has ended", format!("{phase}"));
            return;
        }
        let expected = match phase {
            Phase::Authorized | Phase::Captured => Book { held: authorized, captured, ..Book::default() },
            Phase::Voided => Book { held: authorized, voided: true, ..Book::default() },
            Phase::Purchased => Book { taken_at_once: captured, ..Book::default() },
            Phase::Pending
            | Phase::Unknown
            | Phase::Declined
            | Phase::Failed
            | Phase::Reversed
            | Phase::Verified
            | Phase::Open => Book::default(),
        };
        let expected = Book { refunded: totals.refunded.minor(), ..expected };
        if book != expected {
            let found = format!("{phase}: the gateway says {expected:?}, the issuer {book:?}");
            self.found(Some(order), "in the end the gateway's books equal the issuer's", found);
        }
        self.close_inbox(order, last);
        let succeeded = succeeded(phase);
        if (paid == Verdict::Yes && !succeeded) || (paid == Verdict::No && succeeded) {
            self.found(Some(order), "no answer contradicts an earlier final one", format!("{phase}, told {paid:?}"));
        }
    }

    /// A merchant that only reads its feedback knows how its order ended, and its sums.
    fn close_inbox(&mut self, order: OrderNumber, last: Final) {
        let Some(view) = self.orders.get(&order) else { return };
        let (inbox, book) = (&view.inbox, view.book);
        if !last.fed_back {
            if inbox.payments().next().is_some() {
                let found = format!("{inbox:?}");
                self.found(Some(order), "nothing is fed back for a merchant without a URL", found);
            }
            return;
        }
        let ended = inbox.payments().next_back().map(|feed| said(feed.code));
        let ends_well = match ended {
            Some(Said::Yes) => succeeded(last.phase),
            Some(Said::No | Said::Refused) => !succeeded(last.phase),
            Some(Said::DontKnow) | None => false,
        };
        let untold = view.page.as_ref().and_then(|page| page.final_sequences().find(|told| !inbox.has(*told)));
        let tries = view.page.as_ref().map_or(1, PageView::tries);
        let directs = inbox.payments().filter(|feed| feed.kind == FeedbackKind::Direct).count();
        let missing = view.answers.iter().find(|told| {
            let answered = view.answers.iter().filter(|other| other == told).count();
            inbox.count(told.ask, told.code) < answered
        });
        let booked = FedSums { captured: book.captured, refunded: book.refunded, voided: book.voided };
        let broken = if !ends_well {
            Some("in the end each final state was fed back")
        } else if untold.is_some() {
            Some("each end of a try was fed back")
        } else if directs != tries || inbox.payments().next().is_none_or(|feed| feed.kind != FeedbackKind::Direct) {
            Some("the first outcome of a payment, and no other, goes to the direct URL")
        } else if missing.is_some() {
            Some("each final answer was fed back with its code")
        } else if inbox.awaits_repeat() {
            Some("what an operator has sent again arrives again")
        } else if inbox.sums(is_yes) != booked {
            Some("in the end the sums of what was fed back equal the issuer's books")
        } else {
            None
        };
        if let Some(rule) = broken {
            let found = format!("{}, {missing:?}, {book:?}, {inbox:?}", last.phase);
            self.found(Some(order), rule, found);
        }
    }
}

fn succeeded(phase: Phase) -> bool {
    matches!(phase, Phase::Authorized | Phase::Captured | Phase::Voided | Phase::Purchased)
}

fn is_yes(code: u32) -> bool {
    said(code) == Said::Yes
}

fn settle(side: &mut Side, amount: u64, said: Said) {
    side.doubtful = side.doubtful.saturating_sub(amount);
    if said == Said::Yes {
        side.certain += amount;
    }
}

/// By the status, the first two digits: FORT's meaning of them.
fn said(code: u32) -> Said {
    match code / 1000 {
        2 | 4 | 6 | 8 | 14 => Said::Yes,
        3 | 5 | 7 | 9 | 13 => Said::No,
        15 => Said::DontKnow,
        _ => Said::Refused,
    }
}
