//! Whatever is sent as a billing cycle is read or refused without a panic; what is read has a spelling that reads back, and days
//! that strictly increase.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::agreement::Day;
use tollgate_core::billing::{BillingCycle, REACH_DAYS_MAX};

/// How many days of a cycle are looked at.
const DAYS: u32 = 12;

/// What rules are made of, so that many of them are rules: chance alone hardly ever writes one.
const PIECES: [&str; 32] = [
    "FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", ";INTERVAL=", ";COUNT=", ";UNTIL=20300131", ";BYMONTH=",
    ";BYWEEKNO=", ";BYYEARDAY=", ";BYMONTHDAY=", ";BYDAY=", ";BYSETPOS=", ";WKST=", "MO", "TU", "FR", "SU", ",", "-", "1", "2", "3",
    "5", "12", "31", "53", "366", "WEEKLY", "MONTHLY", " ", "0",
];

/// The text itself, or pieces of rules that its bytes name.
fn text_of(data: &[u8]) -> Option<String> {
    let (way, rest) = data.split_first()?;
    if way % 4 == 0 {
        return String::from_utf8(rest.to_vec()).ok();
    }
    Some(rest.iter().map(|byte| PIECES[usize::from(*byte) % PIECES.len()]).collect())
}

fuzz_target!(|data: &[u8]| {
    let Some((anchor, rest)) = data.split_first_chunk() else { return };
    let Some(text) = text_of(rest) else { return };
    let Ok(cycle) = BillingCycle::parse(&text) else { return };
    let spelled = cycle.to_string();
    assert_eq!(BillingCycle::parse(&spelled).ok().as_ref(), Some(&cycle), "{spelled}");
    // 1970 to 2149.
    let Some(anchor) = Day::from_number(i64::from(u16::from_le_bytes(*anchor))) else { return };
    let mut before: Option<Day> = None;
    for nth in 0..DAYS {
        let Some(day) = cycle.due(anchor, nth) else {
            // A day is never followed by none and then by another.
            assert!(cycle.due(anchor, nth + 1).is_none(), "{spelled} of {anchor}");
            break;
        };
        assert!(before.is_none_or(|before| before < day), "{spelled} of {anchor}: {day} again");
        assert!(anchor <= day && day <= anchor.plus(REACH_DAYS_MAX), "{spelled} of {anchor}: {day}");
        if let Some(before) = before {
            let next = cycle.first_after(anchor, before);
            assert_eq!(next.map(|due| due.day), Some(day), "{spelled} of {anchor}");
        }
        before = Some(day);
    }
});
