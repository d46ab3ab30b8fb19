//! The rules of schedules: each transition, and properties over many histories.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::BTreeSet;
use tollgate_core::advice::RetryAdvice;
use tollgate_core::agreement::*;
use tollgate_core::billing::{BillingCycle, ChargeHour, DunningEnd, DunningPlan, TimeZoneName};
use tollgate_core::code::ResponseCode;
use tollgate_core::command::SafeParams;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::schedule::*;
use tollgate_core::time::{DAY_US, Timestamp};
use tollgate_core::token::TokenId;

const FREE: ScheduleLimits = ScheduleLimits { charges_left: None, last_day: None };
const APPROVED: ResponseCode = ResponseCode::new(14, 0);

fn money(minor: u64) -> Money {
    Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha("AED").unwrap() }
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

/// Noon in UTC.
fn noon(text: &str) -> Timestamp {
    Timestamp(day(text).number() * DAY_US + DAY_US / 2)
}

fn terms(dunning: &[u8], end: DunningEnd) -> ScheduleTerms {
    ScheduleTerms {
        zone: TimeZoneName::parse("Asia/Dubai").unwrap(),
        hour: ChargeHour::DEFAULT,
        dunning: DunningPlan::new(dunning.to_vec(), None, end).unwrap(),
        notice_days: 7,
        news: NewsWish::Told,
    }
}

fn opening(cycle: &str, at: Timestamp, terms: ScheduleTerms) -> ScheduleOpening {
    ScheduleOpening {
        agreement: AgreementNumber(526_330_000_000_000_001),
        merchant: MerchantId(1),
        agreement_id: "SUB".into(),
        cycle: BillingCycle::parse(cycle).unwrap(),
        first_day: None,
        terms,
        money: money(4_900),
        request: SafeParams::default(),
        at,
    }
}

fn monthly(at: &str) -> Schedule {
    let opened = Schedule::opened(opening("MONTHLY", noon(at), terms(&[1, 3, 7], DunningEnd::Pause))).unwrap();
    opened.begun(FREE, noon(at))
}

fn begun(schedule: &Schedule, order: i64) -> Schedule {
    schedule.attempt_begun(FortId(order), schedule.terms.clone()).unwrap()
}

/// What came of the attempt that is under way.
fn ended(schedule: &Schedule, outcome: AttemptOutcome) -> Schedule {
    let code = if outcome == AttemptOutcome::Approved { APPROVED } else { ResponseCode::new(13, 666) };
    let end = AttemptEnd {
        due_day: schedule.due.day,
        attempt: schedule.due.attempt,
        order: schedule.open.unwrap(),
        outcome,
        code,
        at: schedule.due.at.plus_ms(500),
    };
    schedule.settled(&end, FREE)
}

fn charged(schedule: &Schedule, outcome: AttemptOutcome) -> Schedule {
    ended(&begun(schedule, 7), outcome)
}

const SOFT: AttemptOutcome = AttemptOutcome::Declined(RetryAdvice::Later);

#[test]
fn the_first_charge_is_a_cycle_after_the_payment_or_on_the_day_that_was_agreed() {
    let schedule = monthly("2027-01-31");
    assert_eq!((schedule.due.day, schedule.due.nth, schedule.due.attempt), (day("2027-02-28"), 1, 1));
    assert_eq!(schedule.due.at.to_string(), "2027-02-28T05:00:00.000Z", "nine in the morning in Dubai");
    let second = charged(&schedule, AttemptOutcome::Approved);
    assert_eq!(second.due.day, day("2027-03-31"), "counted from the anchor");
    let after_trial = ScheduleOpening {
        first_day: Some(day("2027-02-14")),
        ..opening("MONTHLY", noon("2027-01-31"), terms(&[], DunningEnd::Pause))
    };
    let trial = Schedule::opened(after_trial).unwrap();
    assert_eq!((trial.due.day, trial.due.nth), (day("2027-02-14"), 0));
    assert_eq!(trial.next_at(), None, "nothing is charged before the payment has succeeded");
    let rule = opening("FREQ=MONTHLY;BYDAY=-1FR", noon("2027-01-31"), terms(&[], DunningEnd::Pause));
    assert_eq!(Schedule::opened(rule).unwrap().due.day, day("2027-02-26"), "the anchor is no Friday");
}

#[test]
fn a_notice_comes_before_its_charge_and_once() {
    let schedule = monthly("2027-01-31");
    let (eve, notice) = (noon("2027-02-20"), noon("2027-02-21"));
    assert_eq!(schedule.next_at().unwrap().to_string(), "2027-02-21T05:00:00.000Z", "seven days before");
    assert_eq!(schedule.step(eve), ScheduleStep::Nothing);
    assert_eq!(schedule.step(notice), ScheduleStep::Notice);
    assert_eq!(schedule.step(schedule.due.at), ScheduleStep::Charge, "a notice as late as its charge is left out");
    let told = schedule.with_notice(schedule.terms.clone());
    let news = told.news_since(&schedule, notice).unwrap();
    assert_eq!((news.kind, news.due_day), (NewsKind::Upcoming, day("2027-02-28")));
    assert_eq!(told.next_at(), Some(told.due.at));
    let second = charged(&told, AttemptOutcome::Approved);
    assert_eq!(second.step(noon("2027-03-24")), ScheduleStep::Notice, "the next due date has its own");
}

#[test]
fn an_attempt_without_an_outcome_holds_everything_back() {
    let schedule = begun(&monthly("2027-01-31"), 7);
    assert_eq!(schedule.next_at(), None);
    assert_eq!(schedule.step(noon("2029-01-01")), ScheduleStep::Nothing);
    assert_eq!(schedule.attempt_begun(FortId(8), schedule.terms.clone()), None);
}

#[test]
fn a_soft_decline_is_tried_again_by_the_plan_and_then_the_plans_end_counts() {
    for (end, state, due) in [
        (DunningEnd::Pause, "PAUSED", "2027-02-28"),
        (DunningEnd::Cancel, "ENDED", "2027-02-28"),
        (DunningEnd::GoOn, "ACTIVE", "2027-03-31"),
    ] {
        let opened = Schedule::opened(opening("MONTHLY", noon("2027-01-31"), terms(&[1, 3], end))).unwrap();
        let mut schedule = opened.begun(FREE, noon("2027-01-31"));
        for (attempt, on) in [(1, "2027-02-28"), (2, "2027-03-01"), (3, "2027-03-03")] {
            assert_eq!((schedule.due.attempt, schedule.due.on), (attempt, day(on)), "{end:?}");
            assert_eq!(schedule.due.day, day("2027-02-28"));
            schedule = charged(&schedule, SOFT);
        }
        assert_eq!((schedule.state.name(), schedule.due.day), (state, day(due)), "{end:?}");
        assert_eq!(schedule.done, Some(day("2027-02-28")));
    }
}

#[test]
fn a_hard_decline_stops_the_schedule_and_its_due_date_is_not_tried_again() {
    for advice in [RetryAdvice::Never, RetryAdvice::NewData, RetryAdvice::WithCustomer] {
        let schedule = charged(&monthly("2027-01-31"), AttemptOutcome::Declined(advice));
        let ScheduleState::Paused(pause) = schedule.state else { panic!("{advice:?}: {:?}", schedule.state) };
        assert_eq!(pause.why, PauseWhy::HardDecline);
        assert_eq!(schedule.next_at(), None);
        let resumed = schedule.resumed(FREE, noon("2027-02-28")).unwrap();
        assert_eq!(resumed.due.day, day("2027-03-31"), "even on the same day");
    }
}

#[test]
fn what_came_to_nothing_is_tried_again_soon_but_not_for_ever() {
    let mut schedule = monthly("2027-01-31");
    for failures in 0..FAILURES_MAX {
        let before = schedule.due;
        schedule = charged(&schedule, AttemptOutcome::CameToNothing);
        assert_eq!((schedule.due.day, schedule.due.attempt), (before.day, before.attempt + 1));
        assert_eq!(schedule.due.at, before.at.plus_ms(500 + (FAILURE_PAUSE_MS << failures)));
    }
    schedule = charged(&schedule, AttemptOutcome::CameToNothing);
    assert_eq!((schedule.due.declines, schedule.due.on), (1, day("2027-03-01")), "then it counts as declined");
}

#[test]
fn what_falls_due_while_paused_is_skipped() {
    let paused = monthly("2027-01-31").paused(PauseWhy::Asked, noon("2027-02-01")).unwrap();
    assert_eq!(paused.next_at(), None);
    let resumed = |at| paused.resumed(FREE, noon(at)).unwrap().due.day;
    assert_eq!(resumed("2027-02-28"), day("2027-02-28"), "today counts");
    assert_eq!(resumed("2027-05-01"), day("2027-05-31"), "March and April are skipped");
    assert_eq!(paused.resumed(FREE, noon("2027-02-28")).unwrap().state, ScheduleState::Active);
    assert!(matches!(paused.paused(PauseWhy::Asked, noon("2027-02-02")), Err(NoChange::State("PAUSED"))));
}

#[test]
fn a_pause_while_a_charge_is_under_way_lets_it_come_to_its_end() {
    let open = begun(&monthly("2027-01-31"), 7).paused(PauseWhy::Asked, noon("2027-02-28")).unwrap();
    let settled = ended(&open, AttemptOutcome::Approved);
    assert_eq!((settled.state.name(), settled.due.day), ("PAUSED", day("2027-03-31")));
    let declined = ended(&open, SOFT);
    assert_eq!((declined.state.name(), declined.due.attempt), ("PAUSED", 2));
    assert_eq!(
        declined.resumed(FREE, noon("2027-03-01")).unwrap().due.attempt,
        2,
        "the day of its next try is to come"
    );
    assert_eq!(declined.resumed(FREE, noon("2027-03-02")).unwrap().due.day, day("2027-03-31"));
}

#[test]
fn a_schedule_ends_where_the_agreement_does() {
    let at = noon("2027-02-28");
    let schedule = begun(&monthly("2027-01-31"), 7);
    let end = AttemptEnd {
        due_day: schedule.due.day,
        attempt: 1,
        order: FortId(7),
        outcome: AttemptOutcome::Approved,
        code: APPROVED,
        at,
    };
    for (limits, why) in [
        (ScheduleLimits { charges_left: Some(0), last_day: None }, EndWhy::Completed),
        (ScheduleLimits { charges_left: Some(3), last_day: Some(day("2027-03-30")) }, EndWhy::Expired),
    ] {
        assert_eq!(schedule.settled(&end, limits).state, ScheduleState::Ended(ScheduleEnd { why, at }));
    }
    let last = ScheduleLimits { charges_left: Some(1), last_day: Some(day("2027-03-31")) };
    assert_eq!(schedule.settled(&end, last).state, ScheduleState::Active);
    let of_two = opening("FREQ=DAILY;COUNT=2", noon("2027-01-31"), terms(&[], DunningEnd::Pause));
    let of_two = Schedule::opened(of_two).unwrap().begun(FREE, noon("2027-01-31"));
    let after = charged(&of_two, AttemptOutcome::Approved);
    assert!(matches!(after.state, ScheduleState::Ended(end) if end.why == EndWhy::Completed), "{:?}", after.state);
}

#[test]
fn the_amount_changes_unless_it_is_fixed_and_the_day_only_forwards() {
    let schedule = monthly("2027-01-31");
    let changed = schedule.with_money(RecurringMode::Variable, money(5_900)).unwrap();
    assert_eq!((changed.money, changed.version), (money(5_900), schedule.version + 1));
    assert_eq!(schedule.with_money(RecurringMode::Fixed, money(5_900)), Err(NoChange::FixedAmount));
    let other = Money { currency: Currency::from_alpha("SAR").unwrap(), ..money(4_900) };
    assert_eq!(schedule.with_money(RecurringMode::Variable, other), Err(NoChange::Currency));
    let second = charged(&schedule, AttemptOutcome::Approved);
    let next_day = |text| second.with_next_day(day(text), FREE, noon("2027-02-28"));
    assert_eq!(next_day("2027-02-28"), Err(NoChange::Day), "that day is charged");
    assert_eq!(next_day("2027-02-27"), Err(NoChange::Day), "that day is past");
    let moved = next_day("2027-03-15").unwrap();
    assert_eq!(moved.due.day, day("2027-03-15"));
    assert_eq!(charged(&moved, AttemptOutcome::Approved).due.day, day("2027-04-15"), "the cycle is counted anew");
    let open = begun(&schedule, 7);
    assert_eq!(open.with_next_day(day("2027-04-01"), FREE, noon("2027-02-28")), Err(NoChange::Open));
}

#[test]
fn an_attempt_that_counts_after_all_is_the_last_of_its_due_date() {
    let first = begun(&monthly("2027-01-31"), 7);
    let end = |order, attempt, outcome| AttemptEnd {
        due_day: first.due.day,
        attempt,
        order: FortId(order),
        outcome,
        code: APPROVED,
        at: noon("2027-03-01"),
    };
    let declined = first.settled(&end(7, 1, SOFT), FREE);
    let at_once = declined.settled(&end(7, 1, AttemptOutcome::Approved), FREE);
    assert_eq!(at_once.due.day, day("2027-03-31"), "found out before the second attempt");
    let second = begun(&declined, 8).settled(&end(7, 1, AttemptOutcome::Approved), FREE);
    assert_eq!(second.open, Some(FortId(8)), "the second one comes to its end");
    let after = second.settled(&end(8, 2, SOFT), FREE);
    assert_eq!((after.due.day, after.due.attempt), (day("2027-03-31"), 1), "and there is no third");
}

#[test]
fn references_are_short_one_for_each_attempt_and_hide_no_card_number() {
    let schedule = monthly("2027-01-31");
    let reference = schedule.reference();
    assert!(reference.len() <= 40, "{reference}");
    assert_eq!(reference, monthly("2027-01-31").reference());
    assert_ne!(reference, charged(&schedule, SOFT).reference());
    let last = Schedule { agreement: AgreementNumber(999_999_999_999_999_999), ..schedule };
    assert_eq!(last.reference().len(), reference.len());
}

#[test]
fn what_the_agreement_says_to_a_charge_is_what_its_guards_say() {
    let schedule = monthly("2027-01-31");
    let agreement = Agreement {
        number: schedule.agreement,
        merchant: MerchantId(1),
        id: "SUB".into(),
        terms: AgreementTerms {
            mode: RecurringMode::Variable,
            money: money(4_900),
            charges_max: Some(2),
            last_day: Some(day("2027-06-30")),
            days_between_min: Some(28),
        },
        token_name: "t".into(),
        token_since: Timestamp(0),
        token_id: TokenId(1),
        opened_by: FortId(1),
        opened_at: noon("2027-01-31"),
        network_transaction_id: None,
        state: AgreementState::Active,
        charges: 0,
        charges_open: 0,
        paid_at: noon("2027-01-31"),
        version: 2,
    };
    let now = schedule.due.at;
    assert_eq!(schedule.judged(&agreement, now), ChargeStep::Charge);
    let ended = AgreementState::Ended(AgreementEnd { why: EndReason::Operator, at: now });
    let too_soon = noon("2027-02-10");
    let until = Timestamp(day("2027-03-10").number() * DAY_US);
    for (agreement, at, step) in [
        (Agreement { state: ended, ..agreement.clone() }, now, ChargeStep::End(EndWhy::Cancelled)),
        (agreement.clone(), noon("2027-07-01"), ChargeStep::End(EndWhy::Expired)),
        (Agreement { charges: 2, ..agreement.clone() }, now, ChargeStep::End(EndWhy::Completed)),
        (Agreement { charges: 2, charges_open: 1, ..agreement.clone() }, now, ChargeStep::Behind),
        (Agreement { charges: 1, charges_open: 1, ..agreement.clone() }, now, ChargeStep::Behind),
        (Agreement { paid_at: too_soon, ..agreement.clone() }, now, ChargeStep::Wait(until)),
    ] {
        assert_eq!(schedule.judged(&agreement, at), step);
    }
}

/// What may happen to a schedule.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Time { hours: i64 },
    Outcome(AttemptOutcome),
    Pause,
    Resume,
    NextDay { days_ahead: u32 },
    Postpone,
    Cancel,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => (1i64..400).prop_map(|hours| Happens::Time { hours }),
        6 => Just(Happens::Outcome(AttemptOutcome::Approved)),
        4 => Just(Happens::Outcome(SOFT)),
        1 => Just(Happens::Outcome(AttemptOutcome::Declined(RetryAdvice::Never))),
        2 => Just(Happens::Outcome(AttemptOutcome::CameToNothing)),
        1 => Just(Happens::Pause),
        3 => Just(Happens::Resume),
        1 => (0u32..40).prop_map(|days_ahead| Happens::NextDay { days_ahead }),
        1 => Just(Happens::Postpone),
        1 => Just(Happens::Cancel),
    ]
}

fn cycles() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "DAILY",
        "3 DAILY",
        "WEEKLY",
        "MONTHLY",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=WEEKLY;COUNT=9",
    ])
}

proptest! {
    /// Rule: whatever happens in whatever order, no due date is charged twice or after the end, attempts are numbered without
    /// a double, due dates only grow, and while an outcome is open nothing begins.
    #[test]
    fn no_history_charges_a_due_date_twice_or_after_the_end(
        cycle in cycles(),
        end in prop::sample::select(vec![DunningEnd::Pause, DunningEnd::GoOn]),
        history in prop::collection::vec(happens(), 1..120),
        last_day in prop::option::of(20_850i64..21_100),
        charges in prop::option::of(1u32..30),
    ) {
        let mut now = noon("2027-01-31");
        let mut left = charges;
        let last_day = last_day.and_then(Day::from_number);
        let limits = |left| ScheduleLimits { charges_left: left, last_day };
        let opened = Schedule::opened(opening(cycle, now, terms(&[1, 3, 7], end))).unwrap();
        let mut schedule = opened.begun(limits(left), now);
        let (mut begun, mut paid) = (BTreeSet::new(), BTreeSet::new());
        let mut orders = 100;
        for event in history {
            let before = schedule.clone();
            match event {
                Happens::Time { hours } => now = Timestamp(now.0 + hours * 3_600_000_000),
                Happens::Outcome(outcome) => {
                    let Some(order) = schedule.open else { continue };
                    let (due_day, attempt) = (schedule.due.day, schedule.due.attempt);
                    if outcome == AttemptOutcome::Approved {
                        prop_assert!(paid.insert(due_day), "{due_day} was charged twice");
                        left = left.map(|left| left - 1);
                    }
                    let code = APPROVED;
                    let end = AttemptEnd { due_day, attempt, order, outcome, code, at: now };
                    schedule = schedule.settled(&end, limits(left));
                }
                Happens::Pause => schedule = schedule.paused(PauseWhy::Asked, now).unwrap_or(schedule),
                Happens::Resume => schedule = schedule.resumed(limits(left), now).unwrap_or(schedule),
                Happens::NextDay { days_ahead } => {
                    let day = schedule.terms.zone.day(now).plus(days_ahead);
                    schedule = schedule.with_next_day(day, limits(left), now).unwrap_or(schedule);
                }
                Happens::Postpone => schedule = schedule.postponed(now.plus_ms(60_000)),
                Happens::Cancel => schedule = schedule.ended(EndWhy::Cancelled, now).unwrap_or(schedule),
            }
            prop_assert!(schedule.version >= before.version);
            if let ScheduleState::Ended(_) = before.state {
                prop_assert!(matches!(schedule.state, ScheduleState::Ended(_)), "an end is for ever");
            }
            if schedule.step(now) == ScheduleStep::Charge {
                prop_assert_eq!(schedule.state, ScheduleState::Active);
                prop_assert!(left != Some(0), "nothing is charged beyond what was agreed");
                let due = schedule.due;
                prop_assert!(begun.last().is_none_or(|last| *last < (due.day, due.attempt)), "{:?} after {:?}", due, begun.last());
                prop_assert!(!paid.contains(&due.day));
                begun.insert((due.day, due.attempt));
                orders += 1;
                schedule = schedule.attempt_begun(FortId(orders), schedule.terms.clone()).unwrap();
            }
            // It can be kept and read back.
            let text = serde_json::to_string(&schedule).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Schedule>(&text).unwrap(), &schedule);
        }
    }

    /// Rule: with a gateway that looks now and then, each due date up to now is charged once and in order, however late.
    #[test]
    fn a_gateway_that_was_down_charges_every_due_date_in_order(
        cycle in cycles(),
        sleeps in prop::collection::vec(1i64..1_000, 1..40),
    ) {
        let mut now = noon("2027-01-31");
        let opened = Schedule::opened(opening(cycle, now, terms(&[], DunningEnd::Pause))).unwrap();
        let mut schedule = opened.begun(FREE, now);
        let mut charged = Vec::new();
        for hours in sleeps {
            now = Timestamp(now.0 + hours * 3_600_000_000);
            while schedule.step(now) == ScheduleStep::Charge {
                charged.push(schedule.due.day);
                let open = begun(&schedule, 7);
                let end = AttemptEnd {
                    due_day: open.due.day, attempt: open.due.attempt, order: FortId(7),
                    outcome: AttemptOutcome::Approved, code: APPROVED, at: now,
                };
                schedule = open.settled(&end, FREE);
            }
        }
        let anchor = schedule.anchor;
        let all = (0..).map_while(|nth| schedule.cycle.due(anchor, nth));
        let expected: Vec<Day> = all
            .filter(|due| *due > anchor)
            .take_while(|due| schedule.terms.zone.moment(*due, schedule.terms.hour) <= now)
            .collect();
        prop_assert_eq!(charged, expected);
    }
}
