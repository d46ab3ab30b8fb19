//! The billing cycle: on which days an agreement is charged, counted from one day, its anchor.

use super::{BillingError, CivilDate, RecurrenceRule};
use crate::agreement::{CHARGES_MAX, Day};
use std::fmt;

/// The most days, weeks, months or years between two charges.
pub const INTERVAL_MAX: u16 = 999;
/// How many days after its anchor a cycle has charges: a century. No later day is ever looked at, so that each question
/// has an end.
pub const REACH_DAYS_MAX: u32 = 36_525;

/// How often an agreement is charged.
///
/// Written and read as one text: `MONTHLY`, `2 WEEKLY` (every second week), or a rule of RFC 5545 such as
/// `FREQ=MONTHLY;BYDAY=-1FR` (each month's last Friday). All days follow from the anchor, never from one another: a
/// `MONTHLY` cycle of 31 January comes on 28 February and on 31 March.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BillingCycle(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Every { interval: u16, unit: CycleUnit },
    Rule(Box<RecurrenceRule>),
}

/// In what a cycle counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CycleUnit {
    /// Days.
    Daily,
    /// Weeks: the anchor's day of the week.
    Weekly,
    /// Months: the anchor's day of the month, or the last one of a month that has no such day.
    Monthly,
    /// Years: the anchor's date; that of 29 February is 28 February in other years.
    Yearly,
}

impl CycleUnit {
    /// All of them.
    pub const ALL: [CycleUnit; 4] = [CycleUnit::Daily, CycleUnit::Weekly, CycleUnit::Monthly, CycleUnit::Yearly];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CycleUnit::Daily => "DAILY",
            CycleUnit::Weekly => "WEEKLY",
            CycleUnit::Monthly => "MONTHLY",
            CycleUnit::Yearly => "YEARLY",
        }
    }

    /// Reads its word, in capitals.
    #[must_use]
    pub fn parse(name: &str) -> Option<CycleUnit> {
        CycleUnit::ALL.into_iter().find(|unit| unit.name() == name)
    }
}

/// One day of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueDate {
    /// Its place in the cycle; the first one is 0.
    pub nth: u32,
    /// The day.
    pub day: Day,
}

impl BillingCycle {
    /// The cycle of so many units; `None` where the interval is not 1 to [`INTERVAL_MAX`].
    #[must_use]
    pub fn every(interval: u16, unit: CycleUnit) -> Option<BillingCycle> {
        (1..=INTERVAL_MAX).contains(&interval).then_some(BillingCycle(Kind::Every { interval, unit }))
    }

    /// Reads a cycle; letters may be small ones.
    ///
    /// # Errors
    /// What is wrong with it. Of rules also: what repeats within a day, what no day of any year fits, and times of a day, since
    /// the hour of a charge is the account's.
    pub fn parse(text: &str) -> Result<BillingCycle, BillingError> {
        let text = text.trim().to_ascii_uppercase();
        if text.contains('=') {
            return RecurrenceRule::parse(&text).map(|rule| BillingCycle(Kind::Rule(Box::new(rule))));
        }
        let (interval, word) = text.split_once(' ').unwrap_or(("1", &text));
        let interval = Some(interval).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let interval = interval.and_then(|digits| digits.parse().ok());
        CycleUnit::parse(word).zip(interval).and_then(|(unit, interval)| BillingCycle::every(interval, unit)).ok_or_else(
            || {
                BillingError::new(format!(
                    "a billing cycle is DAILY, WEEKLY, MONTHLY or YEARLY, one of them after a number of 1 to {INTERVAL_MAX} \
                     (2 WEEKLY), or a rule of RFC 5545 (FREQ=MONTHLY;BYDAY=-1FR)"
                ))
            },
        )
    }

    /// Day number `nth` of the cycle, where 0 is the first one. That is the anchor itself, or, of a rule that the anchor does not
    /// fit, the first day after it that does. `None` when there is no such day: the rule's own end (`COUNT`, `UNTIL`), or
    /// [`REACH_DAYS_MAX`].
    #[must_use]
    pub fn due(&self, anchor: Day, nth: u32) -> Option<Day> {
        match &self.0 {
            Kind::Every { interval, unit } => every(anchor, *interval, *unit, nth),
            Kind::Rule(rule) => rule.days(anchor).nth(usize::try_from(nth).ok()?),
        }
    }

    /// The first day of the cycle after `day`, with its number; `None` when there is none any more.
    #[must_use]
    pub fn first_after(&self, anchor: Day, day: Day) -> Option<DueDate> {
        match &self.0 {
            Kind::Every { interval, unit } => {
                let is_later = |nth| every(anchor, *interval, *unit, nth).is_none_or(|due| due > day);
                let nth = first_where(CHARGES_MAX, is_later)?;
                every(anchor, *interval, *unit, nth).map(|day| DueDate { nth, day })
            }
            Kind::Rule(rule) => {
                (0..).zip(rule.days(anchor)).find(|(_, due)| *due > day).map(|(nth, day)| DueDate { nth, day })
            }
        }
    }
}

impl fmt::Display for BillingCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Every { interval: 1, unit } => f.write_str(unit.name()),
            Kind::Every { interval, unit } => write!(f, "{interval} {}", unit.name()),
            Kind::Rule(rule) => rule.fmt(f),
        }
    }
}

impl TryFrom<String> for BillingCycle {
    type Error = BillingError;

    fn try_from(text: String) -> Result<BillingCycle, BillingError> {
        BillingCycle::parse(&text)
    }
}

impl From<BillingCycle> for String {
    fn from(cycle: BillingCycle) -> String {
        cycle.to_string()
    }
}

fn every(anchor: Day, interval: u16, unit: CycleUnit, nth: u32) -> Option<Day> {
    let units = i64::from(interval) * i64::from(nth);
    let day = match unit {
        CycleUnit::Daily => Day::from_number(anchor.number().checked_add(units)?)?,
        CycleUnit::Weekly => Day::from_number(anchor.number().checked_add(units * 7)?)?,
        CycleUnit::Monthly => months_later(anchor, units)?,
        CycleUnit::Yearly => months_later(anchor, units * 12)?,
    };
    (day <= anchor.plus(REACH_DAYS_MAX)).then_some(day)
}

/// The anchor's day so many months later, or the last day of that month where it has no such day.
fn months_later(anchor: Day, months: i64) -> Option<Day> {
    let anchor = CivilDate::of(anchor);
    let month = anchor.plus_months(months)?;
    let day = CivilDate { day: anchor.day.min(month.month_days()), ..month }.to_day()?;
    Day::from_number(day.number())
}

/// The least number up to `max` for which it holds, of a condition that holds for all numbers after that one.
fn first_where(max: u32, holds: impl Fn(u32) -> bool) -> Option<u32> {
    let (mut low, mut high) = (0, max);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    holds(low).then_some(low)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn cycle(text: &str) -> BillingCycle {
        BillingCycle::parse(text).unwrap()
    }

    #[test]
    fn each_day_is_counted_from_the_anchor() {
        for (text, anchor, nth, due) in [
            ("DAILY", "2026-01-31", 0, "2026-01-31"),
            ("DAILY", "2026-12-31", 1, "2027-01-01"),
            ("2 WEEKLY", "2026-01-31", 3, "2026-03-14"),
            ("MONTHLY", "2026-01-31", 1, "2026-02-28"),
            ("MONTHLY", "2026-01-31", 2, "2026-03-31"),
            ("MONTHLY", "2026-01-31", 3, "2026-04-30"),
            ("MONTHLY", "2028-01-30", 1, "2028-02-29"),
            ("3 MONTHLY", "2026-11-30", 1, "2027-02-28"),
            ("3 MONTHLY", "2026-11-30", 2, "2027-05-30"),
            ("YEARLY", "2028-02-29", 1, "2029-02-28"),
            ("YEARLY", "2028-02-29", 4, "2032-02-29"),
            ("YEARLY", "2096-02-29", 4, "2100-02-28"),
            ("12 MONTHLY", "2028-02-29", 1, "2029-02-28"),
        ] {
            assert_eq!(cycle(text).due(day(anchor), nth), Some(day(due)), "{text} {anchor} {nth}");
        }
    }

    #[test]
    fn the_first_day_after_a_day_has_the_number_of_its_place() {
        for (text, anchor, after, nth, due) in [
            ("MONTHLY", "2026-01-31", "2026-01-31", 1, "2026-02-28"),
            ("MONTHLY", "2026-01-31", "2026-02-28", 2, "2026-03-31"),
            ("MONTHLY", "2026-01-31", "2025-01-01", 0, "2026-01-31"),
            ("MONTHLY", "2026-01-31", "2026-12-30", 11, "2026-12-31"),
            ("DAILY", "2026-01-01", "2027-01-01", 366, "2027-01-02"),
            ("FREQ=MONTHLY;BYDAY=-1FR", "2026-01-31", "2026-01-31", 0, "2026-02-27"),
            ("FREQ=MONTHLY;BYDAY=-1FR", "2026-01-30", "2026-01-30", 1, "2026-02-27"),
        ] {
            let found = cycle(text).first_after(day(anchor), day(after));
            assert_eq!(found, Some(DueDate { nth, day: day(due) }), "{text} {anchor} {after}");
        }
        let ended = cycle("FREQ=DAILY;COUNT=2");
        assert_eq!(ended.first_after(day("2026-01-01"), day("2026-01-02")), None);
    }

    #[test]
    fn a_cycle_ends_after_a_century() {
        assert_eq!(cycle("YEARLY").due(day("2026-01-01"), 100), Some(day("2126-01-01")));
        assert_eq!(cycle("YEARLY").due(day("2026-01-01"), 101), None);
        assert_eq!(cycle("999 YEARLY").due(day("2026-01-01"), 1), None);
        assert_eq!(cycle("DAILY").due(day("2026-01-01"), u32::MAX), None);
        assert_eq!(cycle("MONTHLY").first_after(day("2026-01-31"), day("2200-01-01")), None);
        assert_eq!(cycle("YEARLY").due(day("9999-06-01"), 1), None);
    }

    #[test]
    fn a_cycle_reads_back_as_it_is_written() {
        for (text, written) in [
            ("monthly", "MONTHLY"),
            (" 2 weekly ", "2 WEEKLY"),
            ("1 DAILY", "DAILY"),
            ("999 YEARLY", "999 YEARLY"),
            ("freq=monthly;byday=-1fr", "FREQ=MONTHLY;BYDAY=-1FR"),
        ] {
            assert_eq!(cycle(text).to_string(), written);
            assert_eq!(cycle(written), cycle(text));
        }
        let json = serde_json::to_string(&cycle("2 WEEKLY")).unwrap();
        assert_eq!(json, "\"2 WEEKLY\"");
        assert_eq!(serde_json::from_str::<BillingCycle>(&json).unwrap(), cycle("2 WEEKLY"));
    }

    #[test]
    fn what_is_no_cycle_is_refused() {
        for text in [
            "",
            "HOURLY",
            "0 DAILY",
            "1000 DAILY",
            "-1 DAILY",
            "+2 DAILY",
            "2  WEEKLY",
            "WEEKLY 2",
            "2WEEKLY",
            "٢ WEEKLY",
        ] {
            assert!(BillingCycle::parse(text).is_err(), "{text}");
        }
    }

    fn any_every() -> impl Strategy<Value = BillingCycle> {
        (1..40u16, prop::sample::select(CycleUnit::ALL.to_vec()))
            .prop_map(|(interval, unit)| BillingCycle::every(interval, unit).unwrap())
    }

    proptest! {
        #[test]
        fn days_strictly_increase_and_begin_with_the_anchor(cycle in any_every(), anchor in 0i64..60_000, nth in 0u32..1_000) {
            let anchor = Day::from_number(anchor).unwrap();
            prop_assert_eq!(cycle.due(anchor, 0), Some(anchor));
            if let Some(later) = cycle.due(anchor, nth + 1) {
                let due = cycle.due(anchor, nth).unwrap();
                prop_assert!(due < later);
                prop_assert_eq!(cycle.first_after(anchor, due), Some(DueDate { nth: nth + 1, day: later }));
                let eve = Day::from_number(later.number() - 1).unwrap();
                prop_assert_eq!(cycle.first_after(anchor, eve), Some(DueDate { nth: nth + 1, day: later }));
            }
        }

        #[test]
        fn a_monthly_charge_comes_on_the_anchors_day_or_the_last_of_the_month(
            interval in 1..30u16,
            anchor in 0i64..60_000,
            nth in 0u32..1_000,
        ) {
            let anchor = Day::from_number(anchor).unwrap();
            let cycle = BillingCycle::every(interval, CycleUnit::Monthly).unwrap();
            if let Some(due) = cycle.due(anchor, nth) {
                let (due, first) = (CivilDate::of(due), CivilDate::of(anchor));
                prop_assert!(due.day == first.day || (due.day < first.day && due.day == due.month_days()));
                let months = |date: CivilDate| i64::from(date.year) * 12 + i64::from(date.month);
                prop_assert_eq!(months(due) - months(first), i64::from(interval) * i64::from(nth));
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,60}") {
            let _ = BillingCycle::parse(&text);
        }
    }
}
