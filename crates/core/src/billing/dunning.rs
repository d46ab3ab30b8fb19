//! Dunning: when a charge that was declined is tried again, and what happens when it never succeeds.

use super::{BillingError, ChargeHour};
use crate::advice::RetryAdvice;
use crate::agreement::Day;
use std::fmt;

/// The most tries after the first one. Visa takes 15 tries of one payment within 30 days.
pub const DUNNING_TRIES_MAX: usize = 10;
/// The most days after the due date on which a charge is tried again.
pub const DUNNING_DAYS_MAX: u8 = 30;

/// When a merchant's declined charges are tried again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DunningPlan {
    /// On which days after the due date, in their order.
    days: Vec<u8>,
    /// At which hour of the merchant's day; `None` is that of all charges.
    pub hour: Option<ChargeHour>,
    /// What happens when the last of them was declined too.
    pub end: DunningEnd,
}

/// What happens to the schedule of an agreement when no try was approved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DunningEnd {
    /// It rests until the merchant resumes it.
    #[default]
    Pause,
    /// It ends.
    Cancel,
    /// This charge is given up, and the next one comes on its day.
    GoOn,
}

impl DunningEnd {
    /// All of them.
    pub const ALL: [DunningEnd; 3] = [DunningEnd::Pause, DunningEnd::Cancel, DunningEnd::GoOn];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DunningEnd::Pause => "pause",
            DunningEnd::Cancel => "cancel",
            DunningEnd::GoOn => "go-on",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<DunningEnd> {
        DunningEnd::ALL.into_iter().find(|end| end.name() == name)
    }
}

/// A charge that was declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The due date that was charged.
    pub due: Day,
    /// How many tries there were for it, this one included; the one on the due date is 1.
    pub attempt: u32,
    /// What day it is in the merchant's zone.
    pub today: Day,
    /// The next due date of the cycle, if there is one.
    pub next_due: Option<Day>,
    /// What the decline says of trying again.
    pub advice: RetryAdvice,
}

/// What follows from a decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dunning {
    /// It is tried again on this day.
    TryAgain {
        /// In the merchant's zone; always after the day of the decline.
        day: Day,
    },
    /// It is not tried again.
    Stop(DunningStop),
}

/// Why a declined charge is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DunningStop {
    /// The network or the issuer forbids it with this card as it is: not at all, not without new data, or not without the customer.
    HardDecline,
    /// The plan has no day left before the next due date: its end applies.
    UsedUp,
}

impl DunningPlan {
    /// A plan with these days after the due date; none is a plan that never tries again.
    ///
    /// # Errors
    /// Unless there are at most [`DUNNING_TRIES_MAX`], each later than the one before, and of 1 to [`DUNNING_DAYS_MAX`].
    pub fn new(days: Vec<u8>, hour: Option<ChargeHour>, end: DunningEnd) -> Result<DunningPlan, BillingError> {
        let is_rising = days.is_sorted_by(|one, next| one < next);
        let is_in_range = days.iter().all(|day| (1..=DUNNING_DAYS_MAX).contains(day));
        if days.len() > DUNNING_TRIES_MAX || !is_rising || !is_in_range {
            return Err(BillingError::new(format!(
                "a dunning plan is up to {DUNNING_TRIES_MAX} days after the due date, each later than the one before, of 1 to \
                 {DUNNING_DAYS_MAX}: 1,3,7"
            )));
        }
        Ok(DunningPlan { days, hour, end })
    }

    /// Reads the days of a plan: numbers with commas between them, or `none`.
    ///
    /// # Errors
    /// As [`DunningPlan::new`].
    pub fn parse_days(text: &str) -> Result<Vec<u8>, BillingError> {
        if text == "none" {
            return Ok(Vec::new());
        }
        // Too many would be refused by the plan; only so many are read that it sees it.
        let days = text.split(',').take(DUNNING_TRIES_MAX + 1).map(|day| day.trim().parse::<u8>());
        let days = days.collect::<Result<Vec<u8>, _>>().unwrap_or_else(|_| vec![0]);
        DunningPlan::new(days, None, DunningEnd::default()).map(|plan| plan.days)
    }

    /// The days after the due date.
    #[must_use]
    pub fn days(&self) -> &[u8] {
        &self.days
    }

    /// What follows from a decline. A hard one is never tried again. A soft one is tried on the first day of the plan that is
    /// still to come; never on the day of the decline itself, and never on or after the next due date, so that a customer
    /// is not charged twice on one day.
    #[must_use]
    pub fn decide(&self, tried: &Tried) -> Dunning {
        match tried.advice {
            RetryAdvice::Never | RetryAdvice::NewData | RetryAdvice::WithCustomer => {
                return Dunning::Stop(DunningStop::HardDecline);
            }
            RetryAdvice::Later => {}
        }
        let used = usize::try_from(tried.attempt).unwrap_or(usize::MAX).saturating_sub(1);
        let day =
            self.days.iter().skip(used).map(|days| tried.due.plus(u32::from(*days))).find(|day| *day > tried.today);
        match day.filter(|day| tried.next_due.is_none_or(|next| *day < next)) {
            Some(day) => Dunning::TryAgain { day },
            None => Dunning::Stop(DunningStop::UsedUp),
        }
    }
}

impl Default for DunningPlan {
    /// After one, three and seven days; then the schedule rests.
    fn default() -> DunningPlan {
        DunningPlan { days: vec![1, 3, 7], hour: None, end: DunningEnd::Pause }
    }
}

impl fmt::Display for DunningPlan {
    /// The days, as [`DunningPlan::parse_days`] reads them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days.is_empty() {
            return f.write_str("none");
        }
        for (at, day) in self.days.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{day}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn soft(attempt: u32, today: &str) -> Tried {
        Tried { due: day("2026-03-01"), attempt, today: day(today), next_due: None, advice: RetryAdvice::Later }
    }

    #[test]
    fn a_soft_decline_is_tried_on_the_days_of_the_plan() {
        let plan = DunningPlan::default();
        for (attempt, today, next) in [
            (1, "2026-03-01", Some("2026-03-02")),
            (2, "2026-03-02", Some("2026-03-04")),
            (3, "2026-03-04", Some("2026-03-08")),
            (4, "2026-03-08", None),
            // What came late is not tried twice on one day, and a day that has passed is not made up for.
            (1, "2026-03-02", Some("2026-03-04")),
            (1, "2026-03-08", None),
            (9, "2026-03-01", None),
        ] {
            let expected = next.map_or(Dunning::Stop(DunningStop::UsedUp), |next| Dunning::TryAgain { day: day(next) });
            assert_eq!(plan.decide(&soft(attempt, today)), expected, "{attempt} {today}");
        }
    }

    #[test]
    fn the_next_due_date_ends_the_plan() {
        let plan = DunningPlan::default();
        let tried = Tried { next_due: Some(day("2026-03-04")), ..soft(1, "2026-03-01") };
        assert_eq!(plan.decide(&tried), Dunning::TryAgain { day: day("2026-03-02") });
        let tried = Tried { attempt: 2, today: day("2026-03-02"), ..tried };
        assert_eq!(plan.decide(&tried), Dunning::Stop(DunningStop::UsedUp));
    }

    #[test]
    fn a_hard_decline_is_never_tried_again() {
        for advice in [RetryAdvice::Never, RetryAdvice::NewData, RetryAdvice::WithCustomer] {
            let tried = Tried { advice, ..soft(1, "2026-03-01") };
            assert_eq!(DunningPlan::default().decide(&tried), Dunning::Stop(DunningStop::HardDecline));
        }
    }

    #[test]
    fn plans_have_limits() {
        assert_eq!(DunningPlan::parse_days("1,3,7").unwrap(), [1, 3, 7]);
        assert_eq!(DunningPlan::parse_days("1, 30").unwrap(), [1, 30]);
        assert!(DunningPlan::parse_days("none").unwrap().is_empty());
        for text in ["", "0", "31", "3,1", "1,1", "1,2,3,4,5,6,7,8,9,10,11", "1;2", "x", "-1", "300"] {
            assert!(DunningPlan::parse_days(text).is_err(), "{text}");
        }
        assert_eq!(DunningPlan::default().to_string(), "1,3,7");
    }

    proptest! {
        #[test]
        fn tries_come_to_an_end_on_later_and_later_days(
            days in prop::collection::btree_set(1u8..=DUNNING_DAYS_MAX, 0..=DUNNING_TRIES_MAX),
            late in 0u32..5,
        ) {
            let plan = DunningPlan::new(days.into_iter().collect(), None, DunningEnd::Pause).unwrap();
            let mut tried = soft(1, "2026-03-01");
            while let Dunning::TryAgain { day } = plan.decide(&tried) {
                prop_assert!(day > tried.today && day <= tried.due.plus(u32::from(DUNNING_DAYS_MAX)));
                prop_assert!(usize::try_from(tried.attempt).unwrap() <= plan.days().len());
                tried = Tried { attempt: tried.attempt + 1, today: day.plus(late), ..tried };
            }
        }
    }
}
