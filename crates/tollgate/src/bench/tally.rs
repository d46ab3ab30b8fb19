//! What one connection, or all of them together, saw.

use super::histogram::Histogram;
use super::script::{Cart, Step};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many kinds of errors are told apart; further ones are counted as `other`.
const ERROR_KINDS_MAX: usize = 64;
/// How many latencies of single payments one connection keeps.
const PAYMENTS_KEPT_MAX: usize = 100_000;

/// Counts of a load.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Latencies of the requests that count, by [`Step::place`].
    pub steps: [Histogram; Step::ALL.len()],
    /// All answers by response code, those of the warm-up too.
    pub codes: BTreeMap<String, u64>,
    /// Whatever was not expected, those of the warm-up too.
    pub errors: BTreeMap<String, u64>,
    /// All requests that were sent.
    pub sent: u64,
    /// How many answers' signatures were checked.
    pub signatures_checked: u64,
    /// What the answers say about money, by the place of the currency.
    pub money: Vec<Money>,
    /// Payments one by one, if they were asked for.
    pub payments: Vec<Payment>,
}

/// Money by the answers, in minor units of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// Orders made.
    pub orders: i64,
    /// Authorized and not captured.
    pub held: i64,
    /// Captured, purchases included.
    pub captured: i64,
    /// Refunded.
    pub refunded: i64,
}

/// One payment and how long its client waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// FORT's `fort_id` in digits.
    pub fort_id: i64,
    /// From the first byte of the request to the last of the answer.
    pub latency: Duration,
}

impl Tally {
    /// Nothing yet, in that many currencies.
    pub fn new(currencies: usize) -> Tally {
        Tally { money: vec![Money::default(); currencies], ..Tally::default() }
    }

    /// Counts something that was not expected.
    pub fn error(&mut self, what: String) {
        count(&mut self.errors, what);
    }

    /// Counts an answer's code.
    pub fn code(&mut self, code: &str) {
        match self.codes.get_mut(code) {
            Some(count) => *count += 1,
            None => count(&mut self.codes, code.to_owned()),
        }
    }

    /// Counts the latency of a request that counts.
    pub fn latency(&mut self, step: Step, latency: Duration) {
        if let Some(histogram) = self.steps.get_mut(step.place()) {
            histogram.record(latency);
        }
    }

    /// Keeps one payment.
    pub fn payment(&mut self, payment: Payment) {
        if self.payments.len() < PAYMENTS_KEPT_MAX {
            self.payments.push(payment);
        }
    }

    /// Books a step that went well.
    pub fn book(&mut self, step: Step, cart: &Cart) {
        let Some(money) = self.money.get_mut(cart.currency) else { return };
        let amount = i64::try_from(cart.amount_of(step).unwrap_or_default()).unwrap_or(i64::MAX);
        match step {
            Step::Purchase => {
                money.orders += 1;
                money.captured += amount;
            }
            Step::Authorization => {
                money.orders += 1;
                money.held += amount;
            }
            Step::CapturePart | Step::CaptureRest => {
                money.held -= amount;
                money.captured += amount;
            }
            Step::Refund => money.refunded += amount,
            Step::CheckStatus | Step::CreateToken | Step::NameToken | Step::LookUpToken => {}
        }
    }

    /// Adds what another connection saw.
    pub fn merge(&mut self, other: Tally) {
        for (all, one) in self.steps.iter_mut().zip(&other.steps) {
            all.merge(one);
        }
        for (code, more) in other.codes {
            *self.codes.entry(code).or_default() += more;
        }
        for (what, more) in other.errors {
            *self.errors.entry(what).or_default() += more;
        }
        self.sent += other.sent;
        self.signatures_checked += other.signatures_checked;
        self.money.resize(self.money.len().max(other.money.len()), Money::default());
        for (all, one) in self.money.iter_mut().zip(&other.money) {
            all.orders += one.orders;
            all.held += one.held;
            all.captured += one.captured;
            all.refunded += one.refunded;
        }
        self.payments.extend(other.payments);
    }

    /// The latencies of all steps together.
    pub fn all_steps(&self) -> Histogram {
        let mut all = Histogram::default();
        self.steps.iter().for_each(|step| all.merge(step));
        all
    }

    /// How many errors there were.
    pub fn errors_total(&self) -> u64 {
        self.errors.values().sum()
    }
}

fn count(kinds: &mut BTreeMap<String, u64>, kind: String) {
    let kind = if kinds.len() < ERROR_KINDS_MAX || kinds.contains_key(&kind) { kind } else { "other".to_owned() };
    *kinds.entry(kind).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::script::Mix;

    #[test]
    fn a_whole_cycle_holds_nothing_and_keeps_what_was_not_refunded() {
        let cart = Cart { reference: "r".into(), currency: 1, amount: 50, card: String::new() };
        let mut tally = Tally::new(2);
        Mix::Cycle.steps().iter().for_each(|step| tally.book(*step, &cart));
        assert_eq!(tally.money, [Money::default(), Money { orders: 1, held: 0, captured: 50, refunded: 12 }]);
    }

    #[test]
    fn merged_tallies_count_everything_once() {
        let mut one = Tally::new(1);
        one.code("14000");
        one.error("x".into());
        one.latency(Step::Purchase, Duration::from_millis(1));
        let mut all = Tally::new(1);
        all.merge(one.clone());
        all.merge(one);
        assert_eq!((all.codes["14000"], all.errors_total(), all.all_steps().total()), (2, 2, 2));
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let mut tally = Tally::new(1);
        (0..1_000).for_each(|number| tally.error(number.to_string()));
        assert_eq!((tally.errors.len(), tally.errors_total()), (ERROR_KINDS_MAX + 1, 1_000));
    }
}
