//! Points in time. The clock itself is passed in from outside.

use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Microseconds in a second.
const SECOND_US: i64 = 1_000_000;
/// Microseconds in a day.
pub const DAY_US: i64 = 86_400 * SECOND_US;

impl Timestamp {
    /// This many milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000)))
    }

    /// How many milliseconds have passed since `earlier`; 0 when it lies ahead.
    #[must_use]
    pub fn since_ms(self, earlier: Timestamp) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1000).unwrap_or(0)
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(SECOND_US)
    }

    /// The UTC calendar fields.
    #[must_use]
    pub fn utc(self) -> Utc {
        let days = self.0.div_euclid(DAY_US);
        let seconds = self.0.rem_euclid(DAY_US) / SECOND_US;
        let (year, month, day) = civil_from_days(days);
        let part = |value: i64| u8::try_from(value).unwrap_or(0);
        Utc {
            year,
            month,
            day,
            hour: part(seconds / 3600),
            minute: part(seconds / 60 % 60),
            second: part(seconds % 60),
            micros: u32::try_from(self.0.rem_euclid(SECOND_US)).unwrap_or(0),
        }
    }

    /// Midnight UTC at the start of a calendar day; `None` for a date that does not exist.
    #[must_use]
    pub fn from_date(year: i32, month: u8, day: u8) -> Option<Timestamp> {
        let days = days_from_civil(year, month, day);
        let back = civil_from_days(days);
        (back == (year, month, day)).then(|| Timestamp(days.saturating_mul(DAY_US)))
    }

    /// Reads `YYYY-MM-DD` as midnight UTC at the start of that day.
    #[must_use]
    pub fn parse_date(text: &str) -> Option<Timestamp> {
        let mut parts = text.splitn(3, '-');
        let year = parts.next().filter(|part| part.len() == 4)?.parse().ok()?;
        let month = parts.next().filter(|part| part.len() == 2)?.parse().ok()?;
        let day = parts.next().filter(|part| part.len() == 2)?.parse().ok()?;
        Timestamp::from_date(year, month, day)
    }
}

impl Timestamp {
    /// Reads RFC 3339 in UTC: `2027-01-31T12:00:00Z`, with up to six digits of a fraction.
    #[must_use]
    pub fn parse_utc(text: &str) -> Option<Timestamp> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let mut parts = time.splitn(3, ':').map(two_digits);
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        let is_fraction = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
        if hour > 23 || minute > 59 || second > 59 || !is_fraction {
            return None;
        }
        let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
        let day = Timestamp::parse_date(date)?;
        Some(Timestamp(day.0 + ((hour * 60 + minute) * 60 + second) * SECOND_US + micros))
    }
}

impl Timestamp {
    /// Reads RFC 3339 with whatever offset: `2024-03-01T00:00:00+04:00`, or `Z`.
    #[must_use]
    pub fn parse_with_offset(text: &str) -> Option<Timestamp> {
        if text.ends_with('Z') {
            return Timestamp::parse_utc(text);
        }
        let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
        let (sign, offset) = (offset.get(..1)?, offset.get(1..)?);
        let (hours, minutes) = offset.split_once(':')?;
        let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
        if hours > 23 || minutes > 59 {
            return None;
        }
        let ahead_us = (hours * 60 + minutes) * 60 * SECOND_US;
        let at = Timestamp::parse_utc(&format!("{local}Z"))?.0;
        match sign {
            "+" => Some(Timestamp(at - ahead_us)),
            "-" => Some(Timestamp(at + ahead_us)),
            _ => None,
        }
    }
}

/// Exactly two digits as a number.
fn two_digits(text: &str) -> Option<i64> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.utc();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            t.year,
            t.month,
            t.day,
            t.hour,
            t.minute,
            t.second,
            t.micros / 1000
        )
    }
}

/// Calendar fields in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    /// Year, for example 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999,999.
    pub micros: u32,
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Days since 1970-01-01 to a proleptic Gregorian date (Howard Hinnant's algorithm).
fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = u8::try_from(doy - (153 * mp + 2) / 5 + 1).unwrap_or(1);
    let month = u8::try_from(if mp < 10 { mp + 3 } else { mp - 9 }).unwrap_or(1);
    let year = yoe + era * 400 + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(i32::MAX), month, day)
}

/// The inverse of [`civil_from_days`].
fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let month = i64::from(month);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn known_moments_print_as_rfc_3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(951_782_400_000_000).to_string(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Timestamp(1_795_176_000_123_456).to_string(), "2026-11-20T12:00:00.123Z");
    }

    #[test]
    fn only_real_dates_are_read() {
        assert_eq!(Timestamp::parse_date("2026-11-20").unwrap().to_string(), "2026-11-20T00:00:00.000Z");
        for text in ["2026-02-30", "2026-13-01", "2026-1-1", "26-01-01", "2026-01", "x"] {
            assert_eq!(Timestamp::parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn only_real_moments_are_read() {
        for (text, shown) in [
            ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00.000Z"),
            ("2027-01-31T23:59:59.25Z", "2027-01-31T23:59:59.250Z"),
        ] {
            assert_eq!(Timestamp::parse_utc(text).unwrap().to_string(), shown);
        }
        for text in [
            "2027-01-31",
            "2027-01-31T24:00:00Z",
            "2027-02-30T00:00:00Z",
            "2027-01-31T12:00Z",
            "2027-01-31T12:00:00",
            "x",
        ] {
            assert_eq!(Timestamp::parse_utc(text), None, "{text}");
        }
    }

    #[test]
    fn an_offset_is_taken_off() {
        let utc = Timestamp::parse_utc("2024-03-01T00:00:00Z");
        for same in [
            "2024-03-01T00:00:00Z",
            "2024-03-01T00:00:00+00:00",
            "2024-03-01T04:00:00+04:00",
            "2024-02-29T18:30:00-05:30",
        ] {
            assert_eq!(Timestamp::parse_with_offset(same), utc, "{same}");
        }
        for text in [
            "",
            "2024-03-01",
            "2024-03-01T00:00:00",
            "2024-03-01T00:00:00+24:00",
            "2024-03-01T00:00:00+0400",
            "2024-03-01T00:00:00 04:00",
            "٢٠٢٤-03-01T00:00:00+04:00",
            "2024-03-01T00:00:00Z+04:00",
        ] {
            assert_eq!(Timestamp::parse_with_offset(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn each_day_reads_back(days in -100_000i64..100_000) {
            let moment = Timestamp(days * DAY_US);
            let utc = moment.utc();
            proptest::prop_assert_eq!(Timestamp::from_date(utc.year, utc.month, utc.day), Some(moment));
        }
    }
}
