//! What the auditor says about charges that the gateway makes by itself: each due date is charged once at most, on its day or
//! later, tried again only when nobody is in doubt about the last try, and in the end none that has come is forgotten.

use super::agreements::{Agreed, ChargedBy};
use super::tokens::Wish;
use super::{Auditor, Meant, View};
use crate::due::DueAttempt;
use crate::record::OrderNumber;
use std::collections::BTreeMap;
use tollgate_core::agreement::Day;

/// A charge of a due date, as its intent says.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Which.
    pub attempt: DueAttempt,
    /// The day when its intent was written.
    pub today: Day,
    /// Of this merchant.
    pub merchant: u64,
    /// ISO 4217.
    pub currency: u16,
    /// How much, in minor units.
    pub amount: u64,
}

/// What the auditor knows of a due date's charge.
#[derive(Clone, Copy, Debug)]
pub(super) struct DueView {
    attempt: DueAttempt,
    /// Whether its outcome is known.
    ended: bool,
}

/// A schedule as the gateway keeps it when all is over.
#[derive(Clone, Copy, Debug)]
pub struct FinalSchedule {
    /// Whether it still charges.
    pub active: bool,
    /// Whether it waits for its first payment.
    pub opening: bool,
    /// The due day that comes next, or the last one.
    pub day: Day,
    /// Whether something is to be done about it already.
    pub overdue: bool,
}

impl Auditor {
    /// The intent of a charge that the gateway makes by itself is durable.
    pub fn due_claimed(&mut self, order: OrderNumber, due: Due) {
        let Due { attempt, today, merchant, currency, amount } = due;
        let opener = self.orders.get(&attempt.opener);
        let opened = opener.and_then(|view| view.meant);
        let broken = match opened {
            Some(Meant { agreed: Agreed::Opens { charged: ChargedBy::Gateway, .. }, .. }) if attempt.day > today => {
                Some("a due date is charged on its day or later")
            }
            Some(Meant { agreed: Agreed::Opens { charged: ChargedBy::Gateway, .. }, .. }) => None,
            _ => Some("the gateway charges by itself what has a schedule, and nothing else"),
        };
        let opened =
            opened.filter(|opened| (opened.merchant, opened.currency, opened.amount) != (merchant, currency, amount));
        let broken = broken.or(opened.map(|_| "a due date is charged as its agreement was opened"));
        let in_doubt = self.attempts(attempt).find(|(_, view)| view.due.is_some_and(|due| !due.ended));
        let broken =
            broken.or(in_doubt.map(|_| "a due date is tried again when nobody is in doubt about the last try"));
        let is_known = self.orders.get(&order).is_some_and(|view| view.due.is_some());
        let broken = broken.or(is_known.then_some("an attempt at a due date is made once"));
        if let Some(rule) = broken {
            self.found(Some(order), rule, format!("{due:?}"));
        }
        let view = self.orders.entry(order).or_default();
        view.due = Some(DueView { attempt, ended: false });
        view.pays_open = 1;
        view.meant = Some(Meant {
            merchant,
            card: 0,
            wish: Wish::UseOf(attempt.opener),
            agreed: Agreed::Charges(attempt.opener),
            currency,
            amount,
        });
        self.charges.entry(attempt.opener).or_default().push(order);
    }

    /// The outcome of a payment is durable.
    pub(super) fn due_ended(&mut self, order: OrderNumber) {
        if let Some(due) = self.orders.get_mut(&order).and_then(|view| view.due.as_mut()) {
            due.ended = true;
        }
    }

    /// The issuer has booked a payment: of its due date it is the only one.
    pub(super) fn check_due_once(&mut self, order: OrderNumber) {
        let Some(due) = self.orders.get(&order).and_then(|view| view.due) else { return };
        let booked: Vec<OrderNumber> =
            self.attempts(due.attempt).filter(|(_, view)| view.is_booked()).map(|(order, _)| order).collect();
        // What an operator was wrong about is charged once more.
        let is_mistaken = self.attempts(due.attempt).any(|(_, view)| !view.mistakes.is_empty());
        if booked.len() > 1 && !is_mistaken {
            self.found(Some(order), "a due date is charged once", format!("{due:?}, booked by {booked:?}"));
        }
    }

    /// The attempts at the same due date.
    fn attempts(&self, attempt: DueAttempt) -> impl Iterator<Item = (OrderNumber, &View)> {
        let charges = self.charges.get(&attempt.opener).into_iter().flatten();
        charges.filter_map(|order| Some((*order, self.orders.get(order)?))).filter(move |(_, view)| {
            view.due.is_some_and(|due| (due.attempt.opener, due.attempt.day) == (attempt.opener, attempt.day))
        })
    }

    /// How many charges that the gateway made by itself the issuer has booked.
    pub(super) fn due_dates_charged(&self) -> u64 {
        self.orders.values().filter(|view| view.due.is_some() && view.is_booked()).count() as u64
    }

    /// Everything is over: every due date that has come was dealt with. `first` is the day of the first ones.
    pub fn close_schedules(&mut self, first: Day, schedules: &BTreeMap<OrderNumber, FinalSchedule>) {
        let broken = self.orders.iter().find_map(|(order, view)| {
            let Agreed::Opens { charged: ChargedBy::Gateway, .. } = view.agreed() else { return None };
            // A payment that was undone before an operator took it for a success has begun nothing.
            let has_begun = view.is_booked() && view.mistakes.is_empty();
            let Some(last) = schedules.get(order) else {
                return has_begun.then(|| (*order, "what has a schedule keeps it", "it is gone".to_owned()));
            };
            if last.opening {
                return view
                    .is_booked()
                    .then(|| (*order, "a schedule begins with the first payment", format!("{last:?}")));
            }
            if last.active && last.overdue {
                return Some((*order, "in the end no due date is forgotten", format!("{last:?}")));
            }
            let tried = |day: i64| {
                Day::from_number(day).is_some_and(|day| {
                    let attempt = DueAttempt { opener: *order, day, attempt: 1 };
                    self.attempts(attempt).next().is_some()
                })
            };
            let forgotten = (first.number()..last.day.number()).find(|day| !tried(*day));
            forgotten.map(|day| (*order, "no due date is passed over", format!("day {day} of {last:?}")))
        });
        if let Some((order, rule, found)) = broken {
            self.found(Some(order), rule, found);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Ask;
    use super::*;
    use crate::issuer::{Booking, BookingKind};

    const OPENER: OrderNumber = 3;

    fn day(number: i64) -> Day {
        Day::from_number(20_000 + number).unwrap()
    }

    fn due(on: i64, attempt: u32, today: i64) -> Due {
        let attempt = DueAttempt { opener: OPENER, day: day(on), attempt };
        Due { attempt, today: day(today), merchant: 0, currency: 784, amount: 500 }
    }

    fn booking(order: OrderNumber) -> Booking {
        Booking { order, kind: BookingKind::Purchase, card: 0, currency: 784, amount: 500, rrn: *b"000000000001" }
    }

    /// An auditor that has seen the payment which opens an agreement of four charges.
    fn opened(charged: ChargedBy) -> Auditor {
        let mut auditor = Auditor::default();
        let agreed = Agreed::Opens { charges_max: 4, charged };
        let meant = Meant { merchant: 0, card: 0, wish: Wish::Remember, agreed, currency: 784, amount: 500 };
        auditor.asked(OPENER, Ask::Pay, 500, meant);
        auditor.booked(&booking(OPENER));
        auditor
    }

    fn broken(auditor: &Auditor) -> Option<&'static str> {
        auditor.violation().map(|violation| violation.rule)
    }

    #[test]
    fn a_due_date_is_charged_on_its_day_and_as_it_was_agreed() {
        let mut auditor = opened(ChargedBy::Gateway);
        auditor.due_claimed(100, due(0, 1, 0));
        assert_eq!(broken(&auditor), None);
        auditor.due_claimed(101, due(1, 1, 0));
        assert_eq!(broken(&auditor), Some("a due date is charged on its day or later"));
        let mut auditor = opened(ChargedBy::Gateway);
        auditor.due_claimed(100, Due { amount: 501, ..due(0, 1, 0) });
        assert_eq!(broken(&auditor), Some("a due date is charged as its agreement was opened"));
        let mut auditor = opened(ChargedBy::Merchant);
        auditor.due_claimed(100, due(0, 1, 0));
        assert_eq!(broken(&auditor), Some("the gateway charges by itself what has a schedule, and nothing else"));
    }

    #[test]
    fn a_due_date_is_tried_again_after_an_end_and_made_once() {
        let mut auditor = opened(ChargedBy::Gateway);
        auditor.due_claimed(100, due(0, 1, 0));
        auditor.payment_ended(100, false);
        auditor.due_claimed(101, due(0, 2, 0));
        assert_eq!(broken(&auditor), None);
        auditor.due_claimed(102, due(0, 3, 0));
        assert_eq!(broken(&auditor), Some("a due date is tried again when nobody is in doubt about the last try"));
        let mut auditor = opened(ChargedBy::Gateway);
        auditor.due_claimed(100, due(0, 1, 0));
        auditor.payment_ended(100, false);
        auditor.due_claimed(100, due(0, 1, 0));
        assert_eq!(broken(&auditor), Some("an attempt at a due date is made once"));
    }

    #[test]
    fn a_due_date_is_booked_once() {
        let mut auditor = opened(ChargedBy::Gateway);
        auditor.due_claimed(100, due(0, 1, 0));
        auditor.booked(&booking(100));
        auditor.payment_ended(100, true);
        auditor.due_claimed(101, due(1, 1, 1));
        auditor.booked(&booking(101));
        auditor.payment_ended(101, true);
        assert_eq!((broken(&auditor), auditor.due_dates_charged()), (None, 2));
        auditor.due_claimed(102, due(1, 2, 1));
        auditor.booked(&booking(102));
        assert_eq!(broken(&auditor), Some("a due date is charged once"));
    }

    #[test]
    fn in_the_end_no_due_date_is_forgotten_or_passed_over() {
        let close = |last: Option<FinalSchedule>| {
            let mut auditor = opened(ChargedBy::Gateway);
            auditor.due_claimed(100, due(0, 1, 0));
            let schedules = last.map(|last| (OPENER, last)).into_iter().collect();
            auditor.close_schedules(day(0), &schedules);
            broken(&auditor)
        };
        let last = FinalSchedule { active: true, opening: false, day: day(1), overdue: false };
        assert_eq!(close(Some(last)), None);
        assert_eq!(close(Some(FinalSchedule { overdue: true, ..last })), Some("in the end no due date is forgotten"));
        assert_eq!(close(Some(FinalSchedule { day: day(2), ..last })), Some("no due date is passed over"));
        assert_eq!(
            close(Some(FinalSchedule { opening: true, ..last })),
            Some("a schedule begins with the first payment")
        );
        assert_eq!(close(None), Some("what has a schedule keeps it"));
        assert_eq!(close(Some(FinalSchedule { active: false, overdue: true, ..last })), None, "it has stopped");
    }
}
