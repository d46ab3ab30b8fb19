//! Recurrence rules of RFC 5545, on whole days.
//!
//! A rule says which days fit. It is carried out as the RFC's table of section 3.3.10 is read: period by period (day, week,
//! month or year), each day of a period is held against the parts of the rule, and `BYSETPOS` picks from what is left. Each day
//! is looked at once, and none beyond [`REACH_DAYS_MAX`](super::REACH_DAYS_MAX) after the anchor: so no rule can make it
//! run long, whatever it says.

use super::{BillingError, CivilDate, CycleUnit, INTERVAL_MAX, REACH_DAYS_MAX, Weekday};
use crate::agreement::{CHARGES_MAX, Day};
use std::fmt;

/// The most characters of a rule.
pub const RULE_CHARACTERS_MAX: usize = 250;
/// The most numbers or days in one part of a rule.
const LISTED_MAX: usize = 40;

/// A rule of RFC 5545 that says on which days an agreement is charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecurrenceRule {
    unit: CycleUnit,
    interval: u16,
    end: End,
    /// `BYMONTH`, 1 to 12.
    months: Vec<i16>,
    /// `BYWEEKNO`, 1 to 53 or from the end of the year.
    weeks: Vec<i16>,
    /// `BYYEARDAY`, 1 to 366 or from the end of the year.
    year_days: Vec<i16>,
    /// `BYMONTHDAY`, 1 to 31 or from the end of the month.
    month_days: Vec<i16>,
    /// `BYDAY`.
    weekdays: Vec<RuleWeekday>,
    /// `BYSETPOS`, 1 to 366 or from the end of the period.
    positions: Vec<i16>,
    /// `WKST`.
    week_start: Weekday,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Never,
    Count(u32),
    Until(Day),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RuleWeekday {
    /// Which one of the month or year, from its end when negative; `None` is each of them.
    nth: Option<i16>,
    weekday: Weekday,
}

impl RecurrenceRule {
    /// Reads a rule in capitals.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<RecurrenceRule, BillingError> {
        if text.len() > RULE_CHARACTERS_MAX {
            return Err(BillingError::new(format!("a rule has {RULE_CHARACTERS_MAX} characters at most")));
        }
        let rule = Reader::default().read(text.strip_prefix("RRULE:").unwrap_or(text))?;
        rule.check_parts()?;
        rule.check_that_a_day_fits()?;
        Ok(rule)
    }

    /// The days that fit, in their order, from the anchor on.
    pub(super) fn days(&self, anchor: Day) -> impl Iterator<Item = Day> {
        let last = anchor.plus(REACH_DAYS_MAX);
        let (last, count) = match self.end {
            End::Never => (last, CHARGES_MAX),
            End::Until(until) => (last.min(until), CHARGES_MAX),
            End::Count(count) => (last, count),
        };
        let filled = self.filled(anchor);
        (0..)
            .map_while(move |k| filled.period(anchor, k).filter(|period| period.first <= last.number()))
            .flat_map({
                let filled = self.filled(anchor);
                move |period| filled.fitting(period)
            })
            .skip_while(move |day| *day < anchor.number())
            .take_while(move |day| *day <= last.number())
            .map_while(Day::from_number)
            .take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The rule with what it leaves to the anchor: the day of the week, of the month or of the year.
    fn filled(&self, anchor: Day) -> RecurrenceRule {
        let mut rule = self.clone();
        let date = CivilDate::of(anchor);
        let weekday = RuleWeekday { nth: None, weekday: Weekday::of(anchor.number()) };
        let has_day = !(rule.year_days.is_empty() && rule.month_days.is_empty() && rule.weekdays.is_empty());
        match rule.unit {
            CycleUnit::Daily => {}
            _ if has_day => {}
            CycleUnit::Weekly => rule.weekdays.push(weekday),
            CycleUnit::Yearly if !rule.weeks.is_empty() => rule.weekdays.push(weekday),
            CycleUnit::Monthly => rule.month_days.push(i16::from(date.day)),
            CycleUnit::Yearly => {
                rule.month_days.push(i16::from(date.day));
                if rule.months.is_empty() {
                    rule.months.push(i16::from(date.month));
                }
            }
        }
        rule
    }

    /// Period number `k`; the first one is that of the anchor.
    fn period(&self, anchor: Day, k: i64) -> Option<Period> {
        let units = k.checked_mul(i64::from(self.interval))?;
        let date = CivilDate::of(anchor);
        let (first, days) = match self.unit {
            CycleUnit::Daily => (anchor.number().checked_add(units)?, 1),
            CycleUnit::Weekly => {
                let start = anchor.number() - Weekday::of(anchor.number()).days_since(self.week_start);
                (start.checked_add(units.checked_mul(7)?)?, 7)
            }
            CycleUnit::Monthly => {
                let month = date.plus_months(units)?;
                (month.to_day()?.number(), i64::from(month.month_days()))
            }
            CycleUnit::Yearly => {
                let year = CivilDate { month: 1, ..date }.plus_months(units.checked_mul(12)?)?;
                (year.to_day()?.number(), year.year_days())
            }
        };
        Some(Period { first, days })
    }

    /// The days of a period that fit, after `BYSETPOS`.
    fn fitting(&self, period: Period) -> Vec<i64> {
        let days: Vec<i64> = (period.first..period.first + period.days).filter(|day| self.fits(*day)).collect();
        if self.positions.is_empty() {
            return days;
        }
        let of_end = i16::try_from(days.len()).unwrap_or(i16::MAX);
        (1..=of_end).zip(days).filter(|(at, _)| is_listed(&self.positions, *at, of_end)).map(|(_, day)| day).collect()
    }

    /// Whether a day is one that the rule, filled by its anchor, names. A part that is not there excludes nothing.
    fn fits(&self, number: i64) -> bool {
        let Some(date) = Day::from_number(number).map(CivilDate::of) else { return false };
        if !self.months.is_empty() && !self.months.contains(&i16::from(date.month)) {
            return false;
        }
        let month_day = i16::from(date.day);
        if !self.month_days.is_empty() && !is_listed(&self.month_days, month_day, i16::from(date.month_days())) {
            return false;
        }
        if !self.weekdays.is_empty() && !self.fits_weekday(number, date) {
            return false;
        }
        if !self.year_days.is_empty() {
            let year = YearPlace::of(number, date);
            if !is_listed(&self.year_days, year.at, year.days) {
                return false;
            }
        }
        self.weeks.is_empty() || self.fits_week(number)
    }

    fn fits_weekday(&self, number: i64, date: CivilDate) -> bool {
        let weekday = Weekday::of(number);
        self.weekdays.iter().filter(|listed| listed.weekday == weekday).any(|listed| {
            let Some(nth) = listed.nth else { return true };
            // "The second Friday" is one of the month; in a rule of years that names no month, one of the year.
            let place = if self.unit == CycleUnit::Yearly && self.months.is_empty() {
                YearPlace::of(number, date)
            } else {
                YearPlace { at: i16::from(date.day), days: i16::from(date.month_days()) }
            };
            let (from_start, from_end) = ((place.at - 1) / 7 + 1, (place.days - place.at) / 7 + 1);
            nth == from_start || nth == -from_end
        })
    }

    /// Weeks are counted as ISO 8601 does, by the day on which they start here: the first one has four days of the year.
    fn fits_week(&self, number: i64) -> bool {
        let middle = number - Weekday::of(number).days_since(self.week_start) + 3;
        let Some(date) = Day::from_number(middle).map(CivilDate::of) else { return false };
        let year = YearPlace::of(middle, date);
        // The middles of the weeks of a year lie seven days apart, and the first one within its first seven days.
        let at = (year.at - 1) / 7 + 1;
        let weeks = at + (year.days - year.at) / 7;
        is_listed(&self.weeks, at, weeks)
    }

    fn check_parts(&self) -> Result<(), BillingError> {
        let has_nth = self.weekdays.iter().any(|listed| listed.nth.is_some());
        let (weeks, year_days, month_days) =
            (!self.weeks.is_empty(), !self.year_days.is_empty(), !self.month_days.is_empty());
        let others = [&self.months, &self.weeks, &self.year_days, &self.month_days];
        let has_other = others.into_iter().any(|part| !part.is_empty()) || !self.weekdays.is_empty();
        let freq = self.unit.name();
        let wrong = match self.unit {
            CycleUnit::Daily | CycleUnit::Weekly | CycleUnit::Monthly if weeks => {
                format!("BYWEEKNO does not go with FREQ={freq}")
            }
            CycleUnit::Daily | CycleUnit::Weekly | CycleUnit::Monthly if year_days => {
                format!("BYYEARDAY does not go with FREQ={freq}")
            }
            CycleUnit::Weekly if month_days => "BYMONTHDAY does not go with FREQ=WEEKLY".to_owned(),
            CycleUnit::Daily | CycleUnit::Weekly if has_nth => {
                format!("BYDAY with numbers does not go with FREQ={freq}")
            }
            CycleUnit::Yearly if has_nth && weeks => "BYDAY with numbers does not go with BYWEEKNO".to_owned(),
            _ if !self.positions.is_empty() && !has_other => "BYSETPOS needs another BY part to pick from".to_owned(),
            _ => return Ok(()),
        };
        Err(BillingError::new(wrong))
    }

    /// Refuses what no day of any year fits, such as 30 February. What depends on the anchor is found only when there is one.
    fn check_that_a_day_fits(&self) -> Result<(), BillingError> {
        let any = RecurrenceRule { interval: 1, end: End::Never, ..self.clone() };
        // A day that every month and every week has, before a leap year.
        let anchor = Day::from_number(0).and_then(|day| any.days(day).next());
        match anchor {
            Some(_) => Ok(()),
            None => Err(BillingError::new("no day of any year fits this rule")),
        }
    }
}

/// The days between which a rule picks.
#[derive(Clone, Copy, Debug)]
struct Period {
    first: i64,
    days: i64,
}

/// Where a day lies in its year, or in its month.
#[derive(Clone, Copy, Debug)]
struct YearPlace {
    /// 1 is the first day.
    at: i16,
    days: i16,
}

impl YearPlace {
    fn of(number: i64, date: CivilDate) -> YearPlace {
        let start = CivilDate { month: 1, day: 1, ..date }.to_day().map_or(number, Day::number);
        let narrow = |days: i64| i16::try_from(days).unwrap_or(i16::MAX);
        YearPlace { at: narrow(number - start + 1), days: narrow(date.year_days()) }
    }
}

/// Whether place `at` of `count` is listed, from the start or from the end.
fn is_listed(listed: &[i16], at: i16, count: i16) -> bool {
    listed.contains(&at) || listed.contains(&(at - count - 1))
}

impl fmt::Display for RecurrenceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FREQ={}", self.unit.name())?;
        match self.end {
            End::Never => {}
            End::Count(count) => write!(f, ";COUNT={count}")?,
            End::Until(day) => {
                let date = CivilDate::of(day);
                write!(f, ";UNTIL={:04}{:02}{:02}", date.year, date.month, date.day)?;
            }
        }
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        list(f, "BYMONTH", &self.months)?;
        list(f, "BYWEEKNO", &self.weeks)?;
        list(f, "BYYEARDAY", &self.year_days)?;
        list(f, "BYMONTHDAY", &self.month_days)?;
        list(f, "BYDAY", &self.weekdays)?;
        list(f, "BYSETPOS", &self.positions)?;
        if self.week_start != Weekday::MONDAY {
            write!(f, ";WKST={}", self.week_start.name())?;
        }
        Ok(())
    }
}

impl fmt::Display for RuleWeekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nth {
            Some(nth) => write!(f, "{nth}{}", self.weekday.name()),
            None => f.write_str(self.weekday.name()),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at == 0 { write!(f, ";{name}={item}")? } else { write!(f, ",{item}")? }
    }
    Ok(())
}

/// The parts that were read so far.
#[derive(Default)]
struct Reader {
    seen: Vec<String>,
    unit: Option<CycleUnit>,
    interval: Option<u16>,
    end: Option<End>,
    months: Vec<i16>,
    weeks: Vec<i16>,
    year_days: Vec<i16>,
    month_days: Vec<i16>,
    weekdays: Vec<RuleWeekday>,
    positions: Vec<i16>,
    week_start: Option<Weekday>,
}

impl Reader {
    fn read(mut self, text: &str) -> Result<RecurrenceRule, BillingError> {
        for part in text.split(';') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(BillingError::new("a rule is parts of the form NAME=VALUE with semicolons between them"));
            };
            if self.seen.iter().any(|seen| seen == name) {
                return Err(BillingError::new(format!("the rule has {name} twice")));
            }
            self.part(name, value)?;
            self.seen.push(name.to_owned());
        }
        let unit = self.unit.ok_or_else(|| BillingError::new("a rule needs FREQ"))?;
        Ok(RecurrenceRule {
            unit,
            interval: self.interval.unwrap_or(1),
            end: self.end.unwrap_or(End::Never),
            months: self.months,
            weeks: self.weeks,
            year_days: self.year_days,
            month_days: self.month_days,
            weekdays: self.weekdays,
            positions: self.positions,
            week_start: self.week_start.unwrap_or(Weekday::MONDAY),
        })
    }

    fn part(&mut self, name: &str, value: &str) -> Result<(), BillingError> {
        match name {
            "FREQ" => self.unit = Some(unit(value)?),
            "INTERVAL" => self.interval = Some(number(name, value, 1, i64::from(INTERVAL_MAX))?),
            "COUNT" | "UNTIL" if self.end.is_some() => {
                return Err(BillingError::new("a rule has COUNT or UNTIL, not both"));
            }
            "COUNT" => self.end = Some(End::Count(number(name, value, 1, i64::from(CHARGES_MAX))?)),
            "UNTIL" => self.end = Some(End::Until(until(value)?)),
            "BYMONTH" => self.months = numbers(name, value, 12, FromEnd::Never)?,
            "BYWEEKNO" => self.weeks = numbers(name, value, 53, FromEnd::Too)?,
            "BYYEARDAY" => self.year_days = numbers(name, value, 366, FromEnd::Too)?,
            "BYMONTHDAY" => self.month_days = numbers(name, value, 31, FromEnd::Too)?,
            "BYSETPOS" => self.positions = numbers(name, value, 366, FromEnd::Too)?,
            "BYDAY" => self.weekdays = items(name, value)?.map(weekday).collect::<Result<_, _>>()?,
            "WKST" => self.week_start = Some(Weekday::parse(value).ok_or_else(unknown_weekday)?),
            "BYHOUR" | "BYMINUTE" | "BYSECOND" => {
                return Err(BillingError::new(format!(
                    "{name} is not taken: the account says at which hour it is charged"
                )));
            }
            _ => return Err(BillingError::new("the rule has a part that RFC 5545 does not know")),
        }
        Ok(())
    }
}

/// Whether a number may be negative, which counts from the end.
#[derive(Clone, Copy)]
enum FromEnd {
    Never,
    Too,
}

fn unit(value: &str) -> Result<CycleUnit, BillingError> {
    CycleUnit::parse(value).ok_or_else(|| match value {
        "SECONDLY" | "MINUTELY" | "HOURLY" => {
            BillingError::new("an agreement is charged once a day at most: FREQ is DAILY or slower")
        }
        _ => BillingError::new("FREQ is DAILY, WEEKLY, MONTHLY or YEARLY"),
    })
}

fn until(value: &str) -> Result<Day, BillingError> {
    let is_date = value.len() == 8 && value.bytes().all(|byte| byte.is_ascii_digit());
    let dashed = value.get(..4).zip(value.get(4..6)).zip(value.get(6..)).filter(|_| is_date);
    dashed
        .and_then(|((year, month), day)| Day::parse(&format!("{year}-{month}-{day}")))
        .ok_or_else(|| BillingError::new("UNTIL is a day without a time: YYYYMMDD"))
}

fn items<'a>(name: &str, value: &'a str) -> Result<impl Iterator<Item = &'a str> + use<'a>, BillingError> {
    if value.split(',').count() > LISTED_MAX {
        return Err(BillingError::new(format!("{name} lists {LISTED_MAX} at most")));
    }
    Ok(value.split(','))
}

fn numbers(name: &str, value: &str, max: i64, from_end: FromEnd) -> Result<Vec<i16>, BillingError> {
    let min = match from_end {
        FromEnd::Never => 1,
        FromEnd::Too => -max,
    };
    let found = items(name, value)?.map(|item| number(name, item, min, max)).collect::<Result<Vec<i16>, _>>()?;
    if found.contains(&0) {
        return Err(BillingError::new(format!("{name} counts from 1, or from -1 at the end")));
    }
    Ok(found)
}

fn number<T: TryFrom<i64>>(name: &str, text: &str, min: i64, max: i64) -> Result<T, BillingError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let found = Some(text).filter(|_| is_number).and_then(|text| text.parse().ok());
    found
        .filter(|number| (min..=max).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| BillingError::new(format!("{name} takes numbers of {min} to {max}")))
}

fn weekday(item: &str) -> Result<RuleWeekday, BillingError> {
    let at = item.len().saturating_sub(2);
    let (nth, name) = item.split_at_checked(at).ok_or_else(unknown_weekday)?;
    let weekday = Weekday::parse(name).ok_or_else(unknown_weekday)?;
    if nth.is_empty() {
        return Ok(RuleWeekday { nth: None, weekday });
    }
    let nth: i16 = number("BYDAY", nth, -53, 53)?;
    if nth == 0 {
        return Err(BillingError::new("BYDAY counts from 1, or from -1 at the end"));
    }
    Ok(RuleWeekday { nth: Some(nth), weekday })
}

fn unknown_weekday() -> BillingError {
    BillingError::new("a day of the week is MO, TU, WE, TH, FR, SA or SU")
}

#[cfg(test)]
mod tests;
