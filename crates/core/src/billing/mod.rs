//! When an agreement is charged that the gateway charges by itself: the days of its billing cycle, the moment of such a day
//! in the merchant's time zone, and when a declined charge is tried again.
//!
//! Everything here is a calculation on days; nothing of it knows what time it is.

mod cycle;
mod dunning;
mod rule;
mod zone;

pub use cycle::{BillingCycle, CycleUnit, DueDate, INTERVAL_MAX, REACH_DAYS_MAX};
pub use dunning::{DUNNING_DAYS_MAX, DUNNING_TRIES_MAX, Dunning, DunningEnd, DunningPlan, DunningStop, Tried};
pub use rule::{RULE_CHARACTERS_MAX, RecurrenceRule};
pub use zone::{ChargeHour, NOTICE_DAYS_MAX, NoticeDays, TimeZoneName};

use crate::agreement::Day;
use crate::time::{DAY_US, Timestamp};

/// Why a text is no billing cycle, time zone, hour or dunning plan. The words are for whoever wrote the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BillingError(String);

impl BillingError {
    fn new(words: impl Into<String>) -> BillingError {
        BillingError(words.into())
    }
}

/// A day by its place in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CivilDate {
    year: i32,
    /// 1 to 12.
    month: u8,
    /// 1 to 31.
    day: u8,
}

impl CivilDate {
    fn of(day: Day) -> CivilDate {
        let utc = Timestamp(day.number().saturating_mul(DAY_US)).utc();
        CivilDate { year: utc.year, month: utc.month, day: utc.day }
    }

    /// `None` for a date that does not exist.
    fn to_day(self) -> Option<Day> {
        Timestamp::from_date(self.year, self.month, self.day).map(Day::of)
    }

    /// The first day of the month so many months later.
    fn plus_months(self, months: i64) -> Option<CivilDate> {
        let index = i64::from(self.year) * 12 + i64::from(self.month) - 1;
        let index = index.checked_add(months)?;
        let year = i32::try_from(index.div_euclid(12)).ok()?;
        let month = u8::try_from(index.rem_euclid(12) + 1).ok()?;
        Some(CivilDate { year, month, day: 1 })
    }

    /// How many days its month has.
    fn month_days(self) -> u8 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if self.is_leap_year() => 29,
            2 => 28,
            _ => 31,
        }
    }

    /// How many days its year has.
    fn year_days(self) -> i64 {
        if self.is_leap_year() { 366 } else { 365 }
    }

    fn is_leap_year(self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }
}

/// A day of the week; Monday is 0, as ISO 8601 begins the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weekday(u8);

impl Weekday {
    /// As RFC 5545 writes them.
    const NAMES: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    const MONDAY: Weekday = Weekday(0);

    fn of(day_number: i64) -> Weekday {
        // 1970-01-01 was a Thursday.
        Weekday(u8::try_from((day_number + 3).rem_euclid(7)).unwrap_or(0))
    }

    fn parse(name: &str) -> Option<Weekday> {
        let at = Weekday::NAMES.iter().position(|known| *known == name)?;
        u8::try_from(at).ok().map(Weekday)
    }

    fn name(self) -> &'static str {
        Weekday::NAMES.get(usize::from(self.0)).copied().unwrap_or("MO")
    }

    /// How many days ago it was `start`, 0 to 6.
    fn days_since(self, start: Weekday) -> i64 {
        (i64::from(self.0) - i64::from(start.0)).rem_euclid(7)
    }
}
