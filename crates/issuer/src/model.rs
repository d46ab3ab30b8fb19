//! The ledger held against a second, simpler one: sums counted anew from what happened, never moved by deltas.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::book::{Book, BookLimits, Sums};
use crate::decide::{Decision, decide};
use crate::entry::Entry;
use crate::request::{AccountId, MessageClass, MessageName, OriginalName, OriginalReference, Request, RequestKind};
use crate::text::ShortText;
use proptest::prelude::*;
use tollgate_core::money::Currency;
use tollgate_core::time::Timestamp;

/// Major units: small, so that funds run out.
const OPEN_TO_BUY_MAJOR: u64 = 5;
const MESSAGES: usize = 10;
const PAYMENTS: usize = 3;
const ACQUIRER: u64 = 454_545;

/// A message that a world may send, any number of times. Its place in the world is its name.
#[derive(Clone, Copy, Debug)]
struct Planned {
    kind: PlannedKind,
    account: u32,
    currency: &'static str,
    amount: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlannedKind {
    Authorize,
    Purchase,
    Refund(usize),
    Complete(usize),
    Void(usize),
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Send(usize),
    SendAltered(usize),
    /// The reversal of it; of a void, its repeat.
    Reverse(usize),
}

/// What the model knows of each message.
#[derive(Clone, Debug, Default)]
struct Known {
    answer: Option<&'static str>,
    done: bool,
    reversed: bool,
    reversal_answer: Option<&'static str>,
    /// A reversal came before it, or a repeated void named it.
    never: bool,
    voided: bool,
}

impl Known {
    fn counts(&self) -> bool {
        self.done && !self.reversed
    }
}

struct Model {
    plan: Vec<Planned>,
    known: Vec<Known>,
}

impl Model {
    /// What stands of the money taken.
    fn standing(&self, payment: usize) -> u64 {
        match self.plan[payment].kind {
            PlannedKind::Purchase if self.known[payment].done && !self.known[payment].reversed => {
                self.plan[payment].amount
            }
            PlannedKind::Authorize => self.sum(PlannedKind::Complete(payment)),
            _ => 0,
        }
    }

    fn held(&self, payment: usize) -> u64 {
        let is_hold = self.plan[payment].kind == PlannedKind::Authorize && self.known[payment].done;
        let is_over = self.known[payment].voided || self.known[payment].reversed;
        if is_hold && !is_over { self.plan[payment].amount - self.posted(payment) } else { 0 }
    }

    /// Money that went back must have come.
    fn posted(&self, payment: usize) -> u64 {
        self.standing(payment).max(self.refunded(payment))
    }

    fn refunded(&self, payment: usize) -> u64 {
        self.sum(PlannedKind::Refund(payment))
    }

    /// All messages of a kind that were done and not reversed.
    fn sum(&self, kind: PlannedKind) -> u64 {
        let counts = self.plan.iter().zip(&self.known).filter(|(plan, known)| plan.kind == kind && known.counts());
        counts.map(|(plan, _)| plan.amount).sum()
    }

    fn sums(&self, account: Option<u32>, currency: &str) -> Sums {
        let mut sums = Sums::default();
        for (place, plan) in self.plan.iter().enumerate() {
            if plan.currency == currency && account.is_none_or(|account| account == plan.account) {
                sums.held += self.held(place);
                sums.posted += self.posted(place);
                sums.refunded += self.refunded(place);
            }
        }
        sums
    }

    fn open_to_buy(&self, plan: &Planned) -> u64 {
        let exponent = Currency::from_alpha(plan.currency).unwrap().exponent();
        let sums = self.sums(Some(plan.account), plan.currency);
        (OPEN_TO_BUY_MAJOR * 10u64.pow(exponent.into()) + sums.refunded).saturating_sub(sums.held + sums.posted)
    }

    fn send(&mut self, place: usize) -> &'static str {
        if let Some(answer) = self.known[place].answer {
            return answer;
        }
        let is_void = matches!(self.plan[place].kind, PlannedKind::Void(_));
        let answer = match self.known[place].reversal_answer {
            _ if self.known[place].never => "94",
            Some(answer) if is_void => answer,
            _ => self.judge(place),
        };
        self.known[place].answer = Some(answer);
        answer
    }

    fn judge(&mut self, place: usize) -> &'static str {
        let plan = self.plan[place];
        let payment = match plan.kind {
            PlannedKind::Authorize | PlannedKind::Purchase => {
                if plan.amount == 0 && plan.kind == PlannedKind::Purchase {
                    return "13";
                }
                if plan.amount > self.open_to_buy(&plan) {
                    return "51";
                }
                self.known[place].done = true;
                return "00";
            }
            PlannedKind::Refund(of) | PlannedKind::Complete(of) | PlannedKind::Void(of) => of,
        };
        let original = self.plan[payment];
        let can_be_named = !matches!(original.kind, PlannedKind::Complete(_) | PlannedKind::Void(_));
        if self.known[payment].answer.is_none() || !can_be_named || original.account != plan.account {
            return "25";
        }
        let is_payment = matches!(original.kind, PlannedKind::Authorize | PlannedKind::Purchase);
        if !self.known[payment].done || !is_payment || original.currency != plan.currency {
            return "12";
        }
        let over = self.known[payment].voided || self.known[payment].reversed;
        let is_hold = original.kind == PlannedKind::Authorize;
        let refused = match plan.kind {
            PlannedKind::Refund(_) if self.known[payment].reversed => Some("12"),
            PlannedKind::Refund(_) => {
                let open = self.standing(payment).saturating_sub(self.refunded(payment));
                (plan.amount == 0 || plan.amount > open).then_some("13")
            }
            _ if !is_hold || over => Some("12"),
            PlannedKind::Void(_) => (self.held(payment) == 0 && self.posted(payment) > 0).then_some("12"),
            _ => (plan.amount == 0 || plan.amount > self.held(payment)).then_some("13"),
        };
        if let Some(code) = refused {
            return code;
        }
        self.known[place].done = true;
        if matches!(plan.kind, PlannedKind::Void(_)) {
            self.known[payment].voided = true;
        }
        "00"
    }

    fn reverse(&mut self, place: usize) -> &'static str {
        if let Some(answer) = self.known[place].reversal_answer {
            return answer;
        }
        let answer = if let PlannedKind::Void(of) = self.plan[place].kind {
            self.repeat_void(place, of)
        } else {
            self.undo(place);
            "00"
        };
        self.known[place].reversal_answer = Some(answer);
        answer
    }

    fn repeat_void(&mut self, place: usize, of: usize) -> &'static str {
        if let Some(answer) = self.known[place].answer {
            return answer;
        }
        let can_be_named = !matches!(self.plan[of].kind, PlannedKind::Complete(_) | PlannedKind::Void(_));
        if self.known[of].answer.is_none() || !can_be_named {
            self.known[of].never = true;
            self.known[place].never = true;
            return "00";
        }
        self.judge(place)
    }

    fn undo(&mut self, place: usize) {
        if self.known[place].answer.is_none() {
            self.known[place].never = true;
        }
        self.known[place].reversed = self.known[place].done;
    }
}

fn class_of(kind: PlannedKind) -> MessageClass {
    match kind {
        PlannedKind::Authorize => MessageClass::Authorization,
        PlannedKind::Purchase | PlannedKind::Refund(_) => MessageClass::Financial,
        PlannedKind::Complete(_) => MessageClass::Completion,
        PlannedKind::Void(_) => MessageClass::Void,
    }
}

fn name_of(plan: &[Planned], place: usize) -> MessageName {
    MessageName {
        class: class_of(plan[place].kind),
        acquirer: ACQUIRER,
        stan: place as u32 + 1,
        sent_at: 1_120_101_000 + place as u32,
        rrn: ShortText::new(format!("RRN{place:09}").as_bytes()).unwrap(),
    }
}

fn request_of(plan: &[Planned], event: Event) -> Request {
    let reference = |name: OriginalName| OriginalReference { name, authorization_code: None };
    let (Event::Send(place) | Event::SendAltered(place) | Event::Reverse(place)) = event;
    let planned = plan[place];
    let mut name = name_of(plan, place);
    let of = |of: usize| reference(name_of(plan, of).as_original());
    let kind = match (event, planned.kind) {
        (Event::Reverse(_), PlannedKind::Void(original)) => RequestKind::Reverse(of(original)),
        (Event::Reverse(_), _) => RequestKind::Reverse(reference(name.as_original())),
        (_, PlannedKind::Authorize) => RequestKind::Authorize,
        (_, PlannedKind::Purchase) => RequestKind::Purchase,
        (_, PlannedKind::Refund(original)) => RequestKind::Refund(of(original)),
        (_, PlannedKind::Complete(original)) => RequestKind::Complete(of(original)),
        (_, PlannedKind::Void(original)) => RequestKind::Void(of(original)),
    };
    if matches!(event, Event::Reverse(_)) {
        name.class = MessageClass::ReversalAdvice;
    }
    let amount_minor = planned.amount + u64::from(matches!(event, Event::SendAltered(_)));
    let currency = Currency::from_alpha(planned.currency).unwrap();
    Request { name, kind, account: AccountId(planned.account), currency, amount_minor, refusal: None, credential: None }
}

/// Payments come first in a plan, and what follows names one of them as a rule.
fn plan() -> impl Strategy<Value = Vec<Planned>> {
    let payment = || prop_oneof![2 => Just(PlannedKind::Authorize), 1 => Just(PlannedKind::Purchase)];
    let of = || prop_oneof![9 => 0..PAYMENTS, 1 => 0..MESSAGES];
    let later = prop_oneof![
        1 => payment(),
        4 => of().prop_map(PlannedKind::Refund),
        4 => of().prop_map(PlannedKind::Complete),
        2 => of().prop_map(PlannedKind::Void),
    ];
    let payments = prop::collection::vec(planned(payment(), 0u64..300), PAYMENTS);
    let amount = prop_oneof![1 => 0u64..300, 3 => 1u64..100];
    let laters = prop::collection::vec(planned(later, amount), MESSAGES - PAYMENTS);
    (payments, laters).prop_map(|(payments, laters)| nothing_names_itself([payments, laters].concat()))
}

fn planned(
    kind: impl Strategy<Value = PlannedKind>,
    amount: impl Strategy<Value = u64>,
) -> impl Strategy<Value = Planned> {
    let account = prop_oneof![19 => Just(1u32), 1 => Just(2u32)];
    let currency = prop_oneof![19 => Just("AED"), 1 => Just("KWD")];
    (kind, account, currency, amount).prop_map(|(kind, account, currency, amount)| Planned {
        kind,
        account,
        currency,
        amount,
    })
}

fn nothing_names_itself(mut plan: Vec<Planned>) -> Vec<Planned> {
    for (place, planned) in plan.iter_mut().enumerate() {
        let (PlannedKind::Refund(of) | PlannedKind::Complete(of) | PlannedKind::Void(of)) = &mut planned.kind else {
            continue;
        };
        if *of == place {
            *of = (place + 1) % MESSAGES;
        }
    }
    plan
}

/// Any order at all, or most messages in their own order before it.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let orderly = prop_oneof![1 => Just(0), 3 => PAYMENTS..MESSAGES];
    (orderly, prop::collection::vec(event(), 1..40))
        .prop_map(|(orderly, events)| (0..orderly).map(Event::Send).chain(events).collect())
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..MESSAGES).prop_map(Event::Send),
        1 => (0..MESSAGES).prop_map(Event::SendAltered),
        4 => (0..MESSAGES).prop_map(Event::Reverse),
    ]
}

fn limits() -> BookLimits {
    BookLimits { open_to_buy_major: OPEN_TO_BUY_MAJOR, entries_max: 1_000 }
}

fn same_sums(book: &Book, model: &Model) -> Result<(), TestCaseError> {
    for currency in ["AED", "KWD"] {
        let code = Currency::from_alpha(currency).unwrap();
        let total = book.totals().find(|total| total.0 == code).map(|total| total.1).unwrap_or_default();
        prop_assert_eq!(Sums { entries: 0, ..total }, model.sums(None, currency));
        for account in [1, 2] {
            let sums = book.account_sums(AccountId(account), code);
            prop_assert_eq!(Sums { entries: 0, ..sums }, model.sums(Some(account), currency));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_agrees_with_a_model_whatever_the_order(
        plan in plan(),
        events in events(),
    ) {
        let mut book = Book::new(limits());
        let mut model = Model { known: vec![Known::default(); plan.len()], plan };
        let mut written: Vec<Entry> = Vec::new();
        for event in events {
            if let Event::SendAltered(place) = event
                && model.known[place].answer.is_none()
            {
                // Under a free name it would be a message like any other.
                continue;
            }
            let request = request_of(&model.plan, event);
            let code = match decide(&book, &request, Timestamp(0), 1) {
                Decision::New(entry) => {
                    book.apply(&entry).unwrap();
                    written.push(entry);
                    entry.code.to_string()
                }
                Decision::Repeat { code, .. } => code.to_string(),
                Decision::NameTaken => "name taken".to_owned(),
                Decision::Full => panic!("the book is far from full"),
            };
            let expected = match event {
                Event::Send(place) => model.send(place),
                Event::Reverse(place) => model.reverse(place),
                Event::SendAltered(_) => "name taken",
            };
            prop_assert_eq!(code, expected, "{:?} in {:?}", event, model.plan);
            same_sums(&book, &model)?;
        }
        let mut again = Book::new(limits());
        for entry in &written {
            again.apply(entry).unwrap();
        }
        same_sums(&again, &model)?;
    }
}
