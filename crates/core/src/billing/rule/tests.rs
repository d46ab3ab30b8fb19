#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::io::Write;
use std::process::{Command, Stdio};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn rule(text: &str) -> RecurrenceRule {
    RecurrenceRule::parse(text).unwrap()
}

#[test]
fn rules_name_the_days_that_the_rfc_says() {
    for (text, anchor, days) in [
        ("FREQ=DAILY;COUNT=3", "1997-09-02", "1997-09-02 1997-09-03 1997-09-04"),
        ("FREQ=DAILY;UNTIL=19970903", "1997-09-02", "1997-09-02 1997-09-03"),
        ("FREQ=DAILY;INTERVAL=10;COUNT=3", "1997-09-02", "1997-09-02 1997-09-12 1997-09-22"),
        ("FREQ=DAILY;BYMONTH=1;COUNT=2", "1998-12-30", "1999-01-01 1999-01-02"),
        (
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,TH;COUNT=4",
            "1997-09-02",
            "1997-09-02 1997-09-04 1997-09-16 1997-09-18",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            "1997-08-05",
            "1997-08-05 1997-08-10 1997-08-19 1997-08-24",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            "1997-08-05",
            "1997-08-05 1997-08-17 1997-08-19 1997-08-31",
        ),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=1FR", "1997-09-05", "1997-09-05 1997-10-03 1997-11-07"),
        ("FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU", "1997-09-07", "1997-09-07 1997-09-28 1997-11-02 1997-11-30"),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", "1997-09-22", "1997-09-22 1997-10-20 1997-11-17"),
        ("FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=3", "1997-09-28", "1997-09-28 1997-10-29 1997-11-28"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=3", "1997-09-02", "1998-02-13 1998-03-13 1998-11-13"),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04", "1997-09-04 1997-10-07 1997-11-06"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=3", "1997-09-29", "1997-09-29 1997-10-30 1997-11-27"),
        ("FREQ=YEARLY;COUNT=4;BYMONTH=6,7", "1997-06-10", "1997-06-10 1997-07-10 1998-06-10 1998-07-10"),
        (
            "FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200",
            "1997-01-01",
            "1997-01-01 1997-04-10 1997-07-19 2000-01-01",
        ),
        ("FREQ=YEARLY;BYDAY=20MO;COUNT=3", "1997-05-19", "1997-05-19 1998-05-18 1999-05-17"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=3", "1997-05-12", "1997-05-12 1998-05-11 1999-05-17"),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH;COUNT=4", "1997-03-13", "1997-03-13 1997-03-20 1997-03-27 1998-03-05"),
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=3",
            "1996-11-05",
            "1996-11-05 2000-11-07 2004-11-02",
        ),
        // What a month or a year does not have is left out.
        ("FREQ=MONTHLY;COUNT=3", "2026-01-31", "2026-01-31 2026-03-31 2026-05-31"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", "2026-01-31", "2026-01-31 2026-02-28 2026-03-31"),
        ("FREQ=YEARLY;COUNT=2", "2028-02-29", "2028-02-29 2032-02-29"),
        // A week lies where ISO 8601 puts it, in another calendar year too.
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO;COUNT=3", "2024-01-01", "2024-01-01 2024-12-30 2025-12-29"),
        ("FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU;COUNT=3", "2024-01-01", "2024-12-29 2025-12-28 2027-01-03"),
        // A week without a day means the anchor's.
        ("FREQ=YEARLY;BYWEEKNO=53;COUNT=2", "2026-12-30", "2026-12-30 2032-12-29"),
    ] {
        let found: Vec<String> = rule(text).days(day(anchor)).take(4).map(|day| day.to_string()).collect();
        assert_eq!(found.join(" "), days, "{text}");
    }
}

#[test]
fn what_no_rule_may_say_is_refused_with_the_reason() {
    for (text, words) in [
        ("COUNT=3", "needs FREQ"),
        ("FREQ=HOURLY", "once a day at most"),
        ("FREQ=MINUTELY;COUNT=1", "once a day at most"),
        ("FREQ=SECONDLY", "once a day at most"),
        ("FREQ=FORTNIGHTLY", "FREQ is DAILY"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ twice"),
        ("FREQ=DAILY;INTERVAL=0", "1 to 999"),
        ("FREQ=DAILY;INTERVAL=1000", "1 to 999"),
        ("FREQ=DAILY;COUNT=0", "1 to 999999"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "not both"),
        ("FREQ=DAILY;UNTIL=20270101T000000Z", "a day without a time"),
        ("FREQ=DAILY;UNTIL=20270230", "a day without a time"),
        ("FREQ=DAILY;BYHOUR=9", "at which hour"),
        ("FREQ=DAILY;BYEASTER=1", "does not know"),
        ("FREQ=DAILY;", "NAME=VALUE"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "counts from 1"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "-31 to 31"),
        ("FREQ=MONTHLY;BYMONTHDAY=", "-31 to 31"),
        ("FREQ=YEARLY;BYMONTH=-1", "1 to 12"),
        ("FREQ=MONTHLY;BYDAY=54FR", "-53 to 53"),
        ("FREQ=MONTHLY;BYDAY=0FR", "counts from 1"),
        ("FREQ=MONTHLY;BYDAY=XX", "day of the week"),
        ("FREQ=MONTHLY;BYDAY=é", "day of the week"),
        ("FREQ=WEEKLY;BYDAY=1FR", "with numbers"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY does not go"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO does not go"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "with BYWEEKNO"),
        ("FREQ=MONTHLY;BYSETPOS=1", "another BY part"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "no day of any year"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "no day of any year"),
        ("FREQ=MONTHLY;BYDAY=6TU", "no day of any year"),
    ] {
        let error = RecurrenceRule::parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let long = format!("FREQ=YEARLY;BYYEARDAY={}", vec!["1"; LISTED_MAX + 1].join(","));
    assert!(RecurrenceRule::parse(&long).unwrap_err().to_string().contains("40 at most"));
    assert!(RecurrenceRule::parse(&"X".repeat(RULE_CHARACTERS_MAX + 1)).is_err());
}

fn any_numbers(max: i16) -> impl Strategy<Value = Vec<i16>> {
    prop::collection::vec(prop_oneof![1..=max, -max..=-1], 1..4)
}

fn listed(name: &str, numbers: &[i16]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!(";{name}={}", numbers.join(","))
}

fn any_weekdays(numbered: bool) -> impl Strategy<Value = String> {
    // All with a number or all without: of a mixture the other reading takes only those that both name.
    let nth = if numbered { prop_oneof![1..=5i16, -5..=-1i16].prop_map(Some).boxed() } else { Just(None).boxed() };
    let one = (nth, prop::sample::select(Weekday::NAMES.to_vec()))
        .prop_map(|(nth, name)| format!("{}{name}", nth.map(|nth| nth.to_string()).unwrap_or_default()));
    prop::collection::vec(one, 1..4).prop_map(|days| format!(";BYDAY={}", days.join(",")))
}

/// Rules that are well formed; whether a day fits is open.
fn any_rule() -> impl Strategy<Value = String> {
    let part = |strategy: BoxedStrategy<String>| prop_oneof![2 => Just(String::new()), 1 => strategy].boxed();
    let months = part(prop::collection::vec(1..=12i16, 1..4).prop_map(|months| listed("BYMONTH", &months)).boxed());
    let month_days = part(any_numbers(31).prop_map(|days| listed("BYMONTHDAY", &days)).boxed());
    let year_days = part(any_numbers(366).prop_map(|days| listed("BYYEARDAY", &days)).boxed());
    let weeks = part(
        prop::collection::vec(prop_oneof![1..=53i16, -53..=-1i16], 1..4)
            .prop_map(|weeks| listed("BYWEEKNO", &weeks))
            .boxed(),
    );
    let weekdays = part(any_weekdays(false).boxed());
    let nth_weekdays = part(any_weekdays(true).boxed());
    let positions = part(any_numbers(5).prop_map(|positions| listed("BYSETPOS", &positions)).boxed());
    let start = part(prop::sample::select(Weekday::NAMES.to_vec()).prop_map(|name| format!(";WKST={name}")).boxed());
    let freq = prop::sample::select(CycleUnit::ALL.to_vec());
    (freq, 1..5u16, (months, month_days, year_days, weeks), (weekdays, nth_weekdays, positions, start)).prop_map(
        |(unit, interval, (months, month_days, year_days, weeks), (weekdays, nth_weekdays, positions, start))| {
            let head = format!("FREQ={};INTERVAL={interval}{months}", unit.name());
            let parts = match unit {
                CycleUnit::Daily => format!("{month_days}{weekdays}"),
                CycleUnit::Weekly => weekdays,
                CycleUnit::Monthly if weekdays.is_empty() => format!("{month_days}{nth_weekdays}{positions}"),
                CycleUnit::Monthly => format!("{month_days}{weekdays}{positions}"),
                // A week without a day of the week means the anchor's here, and all seven in the other reading.
                CycleUnit::Yearly if weekdays.is_empty() => format!("{month_days}{year_days}{nth_weekdays}{positions}"),
                CycleUnit::Yearly => format!("{weeks}{year_days}{weekdays}{positions}"),
            };
            format!("{head}{parts}{start}")
        },
    )
}

/// How many rules are held against another reading,
const CROSSCHECKED: usize = 400;
/// how many days of each,
const DAYS_CROSSCHECKED: usize = 40;
/// and the program that reads them: a line of anchor, last day and rule gives a line of days.
const OTHER_READING: &str = "
import itertools, sys
from datetime import datetime
from dateutil.rrule import rrulestr
for line in sys.stdin:
    anchor, last, text = line.split()
    days = rrulestr(text, dtstart=datetime.fromisoformat(anchor)).replace(until=datetime.fromisoformat(last))
    print(' '.join(day.date().isoformat() for day in itertools.islice(days, int(sys.argv[1]))))
";

/// Against dateutil, by the interpreter that `CROSSCHECK_PYTHON` names (`python3` if unset). Without dateutil the test fails, so
/// that nobody believes it has run; `CROSSCHECK_SKIP=1` leaves it out knowingly.
#[test]
fn another_reading_of_the_rfc_finds_the_same_days() {
    if std::env::var_os("CROSSCHECK_SKIP").is_some_and(|value| value == "1") {
        eprintln!("left out: CROSSCHECK_SKIP=1");
        return;
    }
    let mut runner = TestRunner::deterministic();
    let drawn = std::iter::repeat_with(|| (any_rule(), 10_000i64..30_000).new_tree(&mut runner).unwrap().current());
    let cases: Vec<(RecurrenceRule, String, Day)> = drawn
        .filter_map(|(text, anchor)| Some((RecurrenceRule::parse(&text).ok()?, text, Day::from_number(anchor)?)))
        .take(CROSSCHECKED)
        .collect();
    let lines = cases.iter().map(|(_, text, anchor)| format!("{anchor} {} {text}\n", anchor.plus(REACH_DAYS_MAX)));
    let theirs = read_by_dateutil(&lines.collect::<String>());
    let theirs: Vec<&str> = theirs.lines().collect();
    assert_eq!(theirs.len(), CROSSCHECKED);
    for ((rule, text, anchor), theirs) in cases.iter().zip(theirs) {
        let ours: Vec<String> = rule.days(*anchor).take(DAYS_CROSSCHECKED).map(|day| day.to_string()).collect();
        assert_eq!(ours.join(" "), theirs, "{text} from {anchor}");
    }
}

fn read_by_dateutil(lines: &str) -> String {
    let python = std::env::var_os("CROSSCHECK_PYTHON").unwrap_or_else(|| "python3".into());
    let mut child = Command::new(&python)
        .args(["-c", OTHER_READING, &DAYS_CROSSCHECKED.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let sent = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && sent.is_ok(),
        "{} with dateutil does not read the rules: install what tests/requirements.txt names and set CROSSCHECK_PYTHON, or \
         CROSSCHECK_SKIP=1\n{}",
        python.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn weeks_are_those_of_iso_8601(number in 0i64..60_000) {
        let date = CivilDate::of(Day::from_number(number).unwrap());
        let month = i8::try_from(date.month).unwrap();
        let iso = jiff::civil::date(i16::try_from(date.year).unwrap(), month, i8::try_from(date.day).unwrap()).iso_week_date();
        let from_end = i16::from(iso.week()) - i16::from(iso.weeks_in_year()) - 1;
        for (week, fits) in [(i16::from(iso.week()), true), (from_end, true), (i16::from(iso.week()) - 1, false)] {
            if week != 0 {
                prop_assert_eq!(rule(&format!("FREQ=YEARLY;BYWEEKNO={week};BYDAY=MO,TU,WE,TH,FR,SA,SU")).fits(number), fits);
            }
        }
    }

    #[test]
    fn days_strictly_increase_from_the_anchor_and_the_rule_reads_back(text in any_rule(), anchor in 0i64..60_000) {
        let anchor = Day::from_number(anchor).unwrap();
        let Ok(rule) = RecurrenceRule::parse(&text) else { return Ok(()) };
        prop_assert_eq!(&RecurrenceRule::parse(&rule.to_string()).unwrap(), &rule);
        let days: Vec<Day> = rule.days(anchor).take(200).collect();
        prop_assert!(days.first().is_none_or(|first| *first >= anchor), "{}", text);
        prop_assert!(days.is_sorted_by(|one, next| one < next), "{}", text);
        prop_assert!(days.last().is_none_or(|last| *last <= anchor.plus(REACH_DAYS_MAX)), "{}", text);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The whole of a cycle is walked: were there a rule that does not end, this would hang.
    #[test]
    fn each_rule_comes_to_its_end(text in "FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;INTERVAL=[1-9]{1,3})?(;BYMONTH=[1-9])?(;BYMONTHDAY=-?[1-3]?[1-9])?(;BYDAY=(-?[1-5])?(MO|TU|SA))?(;BYSETPOS=-?[1-9])?(;COUNT=[1-9]{1,6})?") {
        if let Ok(rule) = RecurrenceRule::parse(&text) {
            prop_assert!(rule.days(day("2026-01-31")).count() <= 36_526);
        }
    }

    #[test]
    fn no_rule_text_breaks_the_reader(text in "(FREQ|COUNT|BYDAY|UNTIL|INTERVAL|BYMONTH|;|=|,|-|[0-9]{1,9}|DAILY|MONTHLY|YEARLY|MO|FR|é){1,12}") {
        let _ = RecurrenceRule::parse(&text);
    }
}
