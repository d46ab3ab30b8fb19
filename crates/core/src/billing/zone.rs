//! Time zones: at which moment a day of the calendar is charged.

use super::BillingError;
use crate::agreement::Day;
use crate::time::{DAY_US, Timestamp};
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::fmt;
use std::sync::LazyLock;

/// The database that comes with the binary, so that every gateway of a store counts the same, whatever its machine has.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Microseconds in an hour.
const HOUR_US: i64 = 3_600_000_000;

/// A time zone of the IANA database by its name, such as `Asia/Dubai`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZoneName {
    name: String,
    zone: TimeZone,
}

impl TimeZoneName {
    /// Universal time.
    #[must_use]
    pub fn utc() -> TimeZoneName {
        TimeZoneName { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Reads a name; letters may be large or small.
    ///
    /// # Errors
    /// When the database has no such zone.
    pub fn parse(name: &str) -> Result<TimeZoneName, BillingError> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(TimeZoneName::utc());
        }
        let known = ZONES.get(name).ok().and_then(|zone| {
            let name = zone.iana_name()?.to_owned();
            Some(TimeZoneName { name, zone })
        });
        known.ok_or_else(|| {
            BillingError::new("a time zone has a name of the IANA database, such as Asia/Dubai, Africa/Cairo or UTC")
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All names that there are.
    pub fn all() -> impl Iterator<Item = String> {
        ZONES.available().map(|name| name.to_string())
    }

    /// When it is this hour of this day there: always one moment. An hour that is left out when clocks go forward is taken as
    /// much later as they go; of one that comes twice the first is meant. (A day that a zone has left out altogether, such as
    /// 30 December 2011 in Samoa, begins with the next one.)
    #[must_use]
    pub fn moment(&self, day: Day, hour: ChargeHour) -> Timestamp {
        let as_if_utc = Timestamp(day.number().saturating_mul(DAY_US).saturating_add(i64::from(hour.0) * HOUR_US));
        let utc = as_if_utc.utc();
        let civil = i16::try_from(utc.year).ok().zip(i8::try_from(utc.month).ok().zip(i8::try_from(utc.day).ok()));
        civil
            .and_then(|(year, (month, day))| Date::new(year, month, day).ok())
            .zip(i8::try_from(hour.0).ok())
            .map(|(date, hour)| date.at(hour, 0, 0, 0))
            .and_then(|local| self.zone.to_ambiguous_timestamp(local).compatible().ok())
            .map_or(as_if_utc, |at| Timestamp(at.as_microsecond()))
    }

    /// What day it is there at a moment.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Day {
        let offset_seconds = jiff::Timestamp::from_microsecond(at.0).map_or(0, |at| self.zone.to_offset(at).seconds());
        Day::of(Timestamp(at.0.saturating_add(i64::from(offset_seconds) * 1_000_000)))
    }
}

impl PartialEq for TimeZoneName {
    fn eq(&self, other: &TimeZoneName) -> bool {
        self.name == other.name
    }
}

impl Eq for TimeZoneName {}

impl Default for TimeZoneName {
    fn default() -> TimeZoneName {
        TimeZoneName::utc()
    }
}

impl fmt::Display for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for TimeZoneName {
    type Error = BillingError;

    fn try_from(name: String) -> Result<TimeZoneName, BillingError> {
        TimeZoneName::parse(&name)
    }
}

impl From<TimeZoneName> for String {
    fn from(zone: TimeZoneName) -> String {
        zone.name
    }
}

/// The hour of the day at which agreements are charged, on the clocks of the merchant's time zone: 0 to 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct ChargeHour(u8);

impl ChargeHour {
    /// Nine in the morning.
    pub const DEFAULT: ChargeHour = ChargeHour(9);

    /// The hour of this number.
    ///
    /// # Errors
    /// When a day has no such hour.
    pub fn new(hour: u8) -> Result<ChargeHour, BillingError> {
        if hour < 24 { Ok(ChargeHour(hour)) } else { Err(BillingError::new("the hours of a day are 0 to 23")) }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for ChargeHour {
    fn default() -> ChargeHour {
        ChargeHour::DEFAULT
    }
}

impl TryFrom<u8> for ChargeHour {
    type Error = BillingError;

    fn try_from(hour: u8) -> Result<ChargeHour, BillingError> {
        ChargeHour::new(hour)
    }
}

impl From<ChargeHour> for u8 {
    fn from(hour: ChargeHour) -> u8 {
        hour.0
    }
}

/// The most days before a due date on which a merchant is told of it.
pub const NOTICE_DAYS_MAX: u8 = 60;

/// How many days before a due date a merchant is told of it, 0 to [`NOTICE_DAYS_MAX`]; 0 is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct NoticeDays(u8);

impl NoticeDays {
    /// So many days.
    ///
    /// # Errors
    /// When they are too many.
    pub fn new(days: u8) -> Result<NoticeDays, BillingError> {
        if days > NOTICE_DAYS_MAX {
            return Err(BillingError::new(format!(
                "a notice comes up to {NOTICE_DAYS_MAX} days before, or 0 for none"
            )));
        }
        Ok(NoticeDays(days))
    }

    /// Their number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for NoticeDays {
    type Error = BillingError;

    fn try_from(days: u8) -> Result<NoticeDays, BillingError> {
        NoticeDays::new(days)
    }
}

impl From<NoticeDays> for u8 {
    fn from(days: NoticeDays) -> u8 {
        days.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn moment(zone: &str, day: &str, hour: u8) -> String {
        let zone = TimeZoneName::parse(zone).unwrap();
        zone.moment(Day::parse(day).unwrap(), ChargeHour::new(hour).unwrap()).to_string()
    }

    #[test]
    fn an_hour_of_a_day_is_one_moment() {
        for (zone, day, hour, at) in [
            ("UTC", "2026-03-01", 9, "2026-03-01T09:00:00.000Z"),
            ("Asia/Dubai", "2026-03-01", 9, "2026-03-01T05:00:00.000Z"),
            ("Asia/Dubai", "2026-03-01", 0, "2026-02-28T20:00:00.000Z"),
            ("Asia/Kathmandu", "2026-03-01", 9, "2026-03-01T03:15:00.000Z"),
            ("Pacific/Kiritimati", "2026-03-01", 9, "2026-02-28T19:00:00.000Z"),
            ("America/New_York", "2026-03-07", 9, "2026-03-07T14:00:00.000Z"),
            ("America/New_York", "2026-03-08", 9, "2026-03-08T13:00:00.000Z"),
            // Clocks go from 02:00 to 03:00: the hour that is left out comes one later.
            ("Europe/Berlin", "2026-03-29", 2, "2026-03-29T01:00:00.000Z"),
            ("Europe/Berlin", "2026-03-29", 3, "2026-03-29T01:00:00.000Z"),
            // Clocks go from 03:00 back to 02:00: the first of the two.
            ("Europe/Berlin", "2026-10-25", 2, "2026-10-25T00:00:00.000Z"),
            // Midnight itself is left out.
            ("Africa/Cairo", "2026-04-24", 0, "2026-04-23T22:00:00.000Z"),
        ] {
            assert_eq!(moment(zone, day, hour), at, "{zone} {day} {hour}");
        }
    }

    #[test]
    fn names_are_those_of_the_database() {
        assert_eq!(TimeZoneName::parse("asia/dubai").unwrap().name(), "Asia/Dubai");
        assert_eq!(TimeZoneName::parse("utc").unwrap(), TimeZoneName::default());
        for name in ["", "Dubai", "Asia/Atlantis", "+04:00", "Asia/Dubai ", "../../etc/passwd"] {
            assert!(TimeZoneName::parse(name).is_err(), "{name}");
        }
        let json = serde_json::to_string(&TimeZoneName::parse("Asia/Riyadh").unwrap()).unwrap();
        assert_eq!(json, "\"Asia/Riyadh\"");
        assert!(serde_json::from_str::<TimeZoneName>("\"Mars\"").is_err());
        assert!(serde_json::from_str::<ChargeHour>("24").is_err());
    }

    #[test]
    fn the_moment_of_a_day_lies_on_that_day_in_every_zone() {
        let first = Day::parse("2026-01-01").unwrap();
        let zones: Vec<TimeZoneName> = TimeZoneName::all().map(|name| TimeZoneName::parse(&name).unwrap()).collect();
        assert!(zones.len() > 400, "{}", zones.len());
        for zone in &zones {
            for days in 0..400 {
                let day = first.plus(days);
                // The hours at which clocks are changed, and the usual one.
                for hour in [0, 2, 9].map(|hour| ChargeHour::new(hour).unwrap()) {
                    assert_eq!(zone.day(zone.moment(day, hour)), day, "{zone} {day} {hour:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn later_days_and_hours_are_never_earlier_moments(at in 0usize..400, day in 20_000i64..60_000, hour in 0u8..23) {
            let zone = TimeZoneName::parse(&TimeZoneName::all().nth(at).unwrap()).unwrap();
            let day = Day::from_number(day).unwrap();
            let (now, next) = (ChargeHour::new(hour).unwrap(), ChargeHour::new(hour + 1).unwrap());
            prop_assert!(zone.moment(day, now) <= zone.moment(day, next));
            prop_assert!(zone.moment(day, now) < zone.moment(day.plus(1), now));
        }
    }
}
