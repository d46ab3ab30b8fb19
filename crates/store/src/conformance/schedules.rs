//! Schedules, their attempts, and what the intents and outcomes of charges do to them.

use super::Subject;
use super::agreements::{charge, found, of_merchant, opening, raced, recorded, target};
use super::corrections::forced;
use super::fixtures::{FIRST, MERCHANT, Placed, aed, at, begin_attempt, claimed, life_of, settled};
use super::tokens::token;
use crate::{
    DueTake, FeedbackFilter, LifeId, NewOrder, NextCard, OrderClaim, Recorded, ScheduleAttempt, ScheduleAttemptEnd,
    ScheduleChange, ScheduleChanged, ScheduleFilter, ScheduleIntent, ScheduleStateKind, Store, StoreError,
};
use std::sync::Arc;
use tollgate_core::advice::RetryAdvice;
use tollgate_core::agreement::*;
use tollgate_core::billing::BillingCycle;
use tollgate_core::command::SafeParams;
use tollgate_core::feedback::{FeedbackId, FeedbackKind};
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{OperationEvent, Order};
use tollgate_core::schedule::*;
use tollgate_core::time::Timestamp;

/// Rule: a schedule begins in the commit of its agreement's, now or when it is found out later, and is gone with it.
pub async fn a_schedule_begins_with_its_agreement_and_is_gone_with_it(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, id, events) in [
        (1, "at-once", &[OperationEvent::Approved][..]),
        (2, "later", &[OperationEvent::NoAnswer, OperationEvent::Approved][..]),
    ] {
        let new = claimed(&*store, scheduled(number, id)).await;
        let drafted = of(&*store, number).await.unwrap();
        assert_eq!((drafted.state, drafted.version), (ScheduleState::Opening, 1), "nothing has begun");
        assert!(!take(&*store, LifeId(0), at(100 * DAY)).await.contains(&number));
        let mut now = Placed { order: new.order, operation: new.operation };
        for event in events {
            now = recorded(&*store, &now, *event, 60).await;
        }
        let begun = of(&*store, number).await.unwrap();
        assert_eq!(begun, Schedule { state: ScheduleState::Active, version: 2, ..drafted }, "{id}");
    }
    settled(&*store, scheduled(3, "declined"), OperationEvent::Declined).await;
    assert_eq!(of(&*store, 3).await, None);
    let kept = of(&*store, 1).await;
    drop(store);
    assert_eq!(of(&*subject.open().await, 1).await, kept, "it is there after reopening");
}

/// Rule: an attempt is there with the intent of its charge, counted by the agreement; whatever its outcome is, and whenever
/// it is found out, the commit of it moves the schedule on.
pub async fn an_attempt_begins_with_its_intent_and_its_outcome_moves_the_schedule_on(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = day("2026-12-20");
    for (number, events, outcome, next) in [
        (1, &[OperationEvent::Approved][..], AttemptOutcome::Approved, ("2027-01-20", 1, "2027-01-20")),
        (2, &[OperationEvent::Declined], AttemptOutcome::Declined(RetryAdvice::Later), ("2026-12-20", 2, "2026-12-21")),
        (3, &[OperationEvent::NotSent], AttemptOutcome::CameToNothing, ("2026-12-20", 2, "2026-12-20")),
        (
            4,
            &[OperationEvent::NoAnswer, OperationEvent::Approved],
            AttemptOutcome::Approved,
            ("2027-01-20", 1, "2027-01-20"),
        ),
    ] {
        let id = format!("a-{number}");
        let schedule = active(&store, number, &id).await;
        assert_eq!(schedule.due.day, first);
        let new = claimed(&*store, due(number * 100, &store, &schedule, &id).await).await;
        let open = of(&*store, number).await.unwrap();
        assert_eq!((open.open, open.next_at()), (Some(new.order.fort_id), None), "nothing else begins");
        assert_eq!(found(&store, &id).await.unwrap().charges_open, 1);
        let mut told = ScheduleAttempt {
            due_day: first,
            attempt: 1,
            order: new.order.fort_id,
            money: aed(10_000),
            begun_at: at(number * 100),
            end: None,
        };
        assert_eq!(attempts(&*store, number).await, [told]);
        let mut now = Placed { order: new.order, operation: new.operation };
        for event in events {
            now = recorded(&*store, &now, *event, DUE).await;
        }
        let after = of(&*store, number).await.unwrap();
        assert_eq!((after.due.day, after.due.attempt, after.due.on), (day(next.0), next.1, day(next.2)), "{outcome:?}");
        assert_eq!((after.open, after.last.map(|last| last.outcome)), (None, Some(outcome)));
        told.end = Some(ScheduleAttemptEnd { outcome, code: now.order.last.code, at: at(DUE) });
        assert_eq!(attempts(&*store, number).await, [told]);
    }
}

/// Rule: what nobody knows holds the schedule until it is settled, and what was reversed is no charge.
pub async fn an_unknown_attempt_holds_its_schedule_until_it_is_settled(subject: &dyn Subject) {
    let store = subject.open().await;
    let schedule = active(&store, 1, "a").await;
    let unknown = settled(&*store, due(100, &store, &schedule, "a").await, OperationEvent::NoAnswer).await;
    let open = of(&*store, 1).await.unwrap();
    assert_eq!(open.open, Some(unknown.order.fort_id));
    assert_eq!(take(&*store, LifeId(0), at(1_000 * DAY)).await, Vec::<i64>::new(), "however long it takes");
    let another = due(200, &store, &open, "a").await;
    assert_eq!(store.claim_order(another).await.unwrap(), OrderClaim::ScheduleChanged);
    assert!(begin_attempt(&*store, unknown.operation.id, 0, at(DUE)).await.unwrap());
    recorded(&*store, &unknown, OperationEvent::ReversalAcknowledged, DUE).await;
    let after = of(&*store, 1).await.unwrap();
    assert_eq!((after.open, after.due.day, after.due.attempt), (None, schedule.due.day, 2));
    assert_eq!(attempts(&*store, 1).await[0].end.unwrap().outcome, AttemptOutcome::CameToNothing);
    assert_eq!(found(&store, "a").await.unwrap().charges, 0);
}

/// Rule: of many who begin the attempt of one due date at once, one does; the others are told and have changed nothing.
pub async fn one_of_many_begins_an_attempt(subject: &dyn Subject) {
    let store = subject.open().await;
    let schedule = active(&store, 1, "a").await;
    let intent = due(0, &store, &schedule, "a").await;
    let claims = raced(&store, |number| numbered(intent.clone(), 100 + number)).await;
    assert_eq!(claims.iter().filter(|claim| **claim == OrderClaim::Claimed).count(), 1, "{claims:?}");
    let is_told = |claim: &OrderClaim| {
        matches!(claim, OrderClaim::Claimed | OrderClaim::ScheduleChanged | OrderClaim::AgreementChanged)
    };
    assert!(claims.iter().all(is_told), "{claims:?}");
    assert_eq!(attempts(&*store, 1).await.len(), 1);
    assert_eq!(found(&store, "a").await.unwrap().charges, 1);
}

/// Rule: an attempt is claimed on the version that was judged, of an active schedule, for the due date that is next.
pub async fn an_attempt_is_claimed_on_what_was_judged(subject: &dyn Subject) {
    let store = subject.open().await;
    let judged = active(&store, 1, "a").await;
    let postponed = judged.postponed(judged.due.at.plus_ms(1));
    assert_eq!(put(&*store, postponed.clone()).await, ScheduleChanged::Written);
    let overtaken = due(100, &store, &judged, "a").await;
    assert_eq!(store.claim_order(overtaken).await.unwrap(), OrderClaim::ScheduleChanged);
    let other_attempt = Schedule { due: Due { attempt: 2, ..postponed.due }, ..postponed.clone() };
    let other_attempt = due(101, &store, &other_attempt, "a").await;
    assert_eq!(store.claim_order(other_attempt).await.unwrap(), OrderClaim::ScheduleChanged);
    let foreign = of_merchant(due(102, &store, &postponed, "a").await, MerchantId(2));
    assert_eq!(store.claim_order(foreign).await.unwrap(), OrderClaim::AgreementChanged);
    let paused = postponed.paused(PauseWhy::Asked, at(DUE)).unwrap();
    assert_eq!(put(&*store, paused.clone()).await, ScheduleChanged::Written);
    let while_paused = due(103, &store, &paused, "a").await;
    assert_eq!(store.claim_order(while_paused).await.unwrap(), OrderClaim::ScheduleChanged);
    assert_eq!(attempts(&*store, 1).await, []);
    for number in [100, 101, 102, 103] {
        assert!(store.order(MERCHANT, &target(number)).await.unwrap().is_none(), "nothing was written");
    }
}

/// Rule: an order has to do with a schedule exactly when what it tells of its agreement says so.
pub async fn an_order_and_its_schedule_belong_together(subject: &dyn Subject) {
    let store = subject.open().await;
    let good = scheduled(1, "a");
    let Some(ScheduleIntent::Open(draft)) = good.schedule.clone() else { panic!("it opens one") };
    let with = |draft: Schedule| NewOrder { schedule: Some(ScheduleIntent::Open(Box::new(draft))), ..good.clone() };
    let silent = opening(1, "a");
    for bad in [
        NewOrder { schedule: None, ..good.clone() },
        NewOrder { schedule: good.schedule.clone(), ..silent },
        with(Schedule { state: ScheduleState::Active, ..(*draft).clone() }),
        with(Schedule { merchant: MerchantId(2), ..(*draft).clone() }),
        with(Schedule { agreement: AgreementNumber(FIRST + 9), ..(*draft).clone() }),
        with(Schedule { version: 2, ..(*draft).clone() }),
    ] {
        let refused = store.claim_order(bad).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    assert_eq!(store.claim_order(good).await.unwrap(), OrderClaim::Claimed);
}

/// Rule: due schedules are found merchant by merchant and taken the longest due first; those of a life that lives are left
/// to it, until it gives them back or is over.
pub async fn due_schedules_are_one_living_gateways_to_charge(subject: &dyn Subject) {
    let store = subject.open().await;
    let (one, other) = (life_of(&*store, 1).await, life_of(&*store, 2).await);
    for number in [3, 1, 2] {
        active(&store, number, &format!("a-{number}")).await;
    }
    let second = of(&*store, 2).await.unwrap();
    put(&*store, second.postponed(second.due.at.plus_ms(60_000))).await;
    let before = at(DUE - DAY);
    assert_eq!(store.schedules_next_at().await.unwrap(), Some(of(&*store, 1).await.unwrap().due.at));
    assert_eq!(merchants(&*store, before, None).await, []);
    assert_eq!(merchants(&*store, at(DUE), None).await, [MERCHANT]);
    assert_eq!(merchants(&*store, at(DUE), Some(MERCHANT)).await, []);
    assert_eq!(take(&*store, one, before).await, Vec::<i64>::new(), "nothing is due");
    let foreign = DueTake { life: one, merchant: MerchantId(2), now: at(DUE), limit: 9 };
    assert_eq!(store.take_due_schedules(foreign).await.unwrap(), []);
    assert_eq!(take(&*store, one, at(DUE)).await, [1, 3, 2], "the longest due first");
    assert_eq!(take(&*store, one, at(DUE)).await, [1, 3, 2], "its own ones again");
    assert_eq!(take(&*store, other, at(DUE)).await, Vec::<i64>::new());
    store.give_back_schedules(other, vec![AgreementNumber(FIRST + 1)]).await.unwrap();
    assert_eq!(take(&*store, other, at(DUE)).await, Vec::<i64>::new(), "who gives back what it has not, gives nothing");
    store.give_back_schedules(one, vec![AgreementNumber(FIRST + 1)]).await.unwrap();
    assert_eq!(take(&*store, other, at(DUE)).await, [1]);
    store.end_life(one, None, at(DUE)).await.unwrap();
    assert_eq!(take(&*store, other, at(DUE)).await, [1, 3, 2], "of a life that is over");
}

/// Rule: a schedule is changed on the version that was read; with another card its agreement is about that; where it is
/// cancelled, so is its agreement; and where that ends, so does its schedule.
pub async fn a_schedule_is_changed_by_version_and_ends_with_its_agreement(subject: &dyn Subject) {
    let store = subject.open().await;
    let schedule = active(&store, 1, "a").await;
    let dearer = schedule.with_money(RecurringMode::Variable, aed(12_000)).unwrap();
    assert_eq!(put(&*store, dearer.clone()).await, ScheduleChanged::Written);
    assert_eq!(put(&*store, dearer.clone()).await, ScheduleChanged::Overtaken);
    assert_eq!(of(&*store, 1).await, Some(dearer.clone()));

    let other = token(50, "other");
    store.add_token(other.clone(), None).await.unwrap();
    let card =
        NextCard { token_name: "other".to_owned(), token_since: other.token.created_at, token_id: other.token.id };
    let same = Schedule { version: dearer.version + 1, ..dearer };
    let change = ScheduleChange { schedule: same.clone(), card: Some(card), at: at(70) };
    assert_eq!(store.change_schedule(change).await.unwrap(), ScheduleChanged::Written);
    let agreement = found(&store, "a").await.unwrap();
    assert_eq!((&*agreement.token_name, agreement.token_id), ("other", other.token.id));
    assert_eq!(agreement.network_transaction_id, None, "that was of the other card");

    let foreign_attempt = Schedule { open: Some(FortId(FIRST)), version: same.version + 1, ..same.clone() };
    let refused = store.change_schedule(ScheduleChange { schedule: foreign_attempt, card: None, at: at(71) }).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");

    let cancelled = same.ended(EndWhy::Cancelled, at(80)).unwrap();
    assert_eq!(put(&*store, cancelled).await, ScheduleChanged::Written);
    let end = AgreementEnd { why: EndReason::Cancelled, at: at(80) };
    assert_eq!(found(&store, "a").await.unwrap().state, AgreementState::Ended(end));

    active(&store, 2, "b").await;
    let end = AgreementEnd { why: EndReason::Operator, at: at(90) };
    store.end_agreement(MERCHANT, "b", end).await.unwrap();
    let ended = ScheduleState::Ended(ScheduleEnd { why: EndWhy::Cancelled, at: at(90) });
    assert_eq!(of(&*store, 2).await.unwrap().state, ended);

    let opened = settled(&*store, scheduled(3, "c"), OperationEvent::Approved).await;
    let undone = forced(&opened.order, &opened.operation, OperationEvent::ForcedReversed, 1, None);
    assert_eq!(store.record_correction(undone).await.unwrap(), Recorded::Written);
    assert_eq!(of(&*store, 3).await.unwrap().state.name(), "ENDED");
}

/// Rule: an attempt that counts after all is the last one of its due date.
pub async fn an_attempt_that_counts_after_all_is_the_last_of_its_due_date(subject: &dyn Subject) {
    let store = subject.open().await;
    let schedule = active(&store, 1, "a").await;
    let declined = settled(&*store, due(100, &store, &schedule, "a").await, OperationEvent::Declined).await;
    assert_eq!(of(&*store, 1).await.unwrap().due.attempt, 2);
    let correction = forced(&declined.order, &declined.operation, OperationEvent::ForcedApproved, 1, None);
    assert_eq!(store.record_correction(correction).await.unwrap(), Recorded::Written);
    let after = of(&*store, 1).await.unwrap();
    assert_eq!((after.due.day, after.due.attempt), (day("2027-01-20"), 1));
    assert_eq!(attempts(&*store, 1).await[0].end.unwrap().outcome, AttemptOutcome::Approved);
}

/// Rule: what merchants hear of a schedule is written as feedback with the step itself; who hears nothing has none.
pub async fn what_happens_to_a_schedule_is_told_in_the_same_commit(subject: &dyn Subject) {
    let store = subject.open().await;
    let schedule = active(&store, 1, "a").await;
    let noticed = schedule.with_notice(ScheduleTerms { notice_days: 3, ..schedule.terms.clone() });
    put(&*store, noticed.clone()).await;
    put(&*store, noticed.clone()).await;
    let hard = due(100, &store, &noticed, "a").await;
    let new = claimed(&*store, hard).await;
    let mut record = super::fixtures::outcome(&new.order, &new.operation, OperationEvent::Declined, at(DUE));
    record.advice = Some(RetryAdvice::Never);
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
    let rows = store.feedbacks(&FeedbackFilter { rows_max: 10, ..FeedbackFilter::default() }).await.unwrap();
    let opened_by = OperationId(FIRST + 1);
    let expected = [1001, 1000].map(|place| FeedbackId { operation: opened_by, place });
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "one for each step, newest first");
    assert!(rows.iter().all(|row| row.lane.kind == FeedbackKind::Notification && row.fort_id.0 == opened_by.0));
    let mut told = Vec::new();
    for row in rows {
        let content = store.feedback_content(row.id).await.unwrap().unwrap();
        assert_eq!(row.sequence, content.order.version, "it is no change of the order, and comes after the last one");
        let news = content.news.unwrap();
        assert_eq!((&*news.agreement_id, news.due_day, news.money), ("a", day("2026-12-20"), aed(10_000)));
        told.push((news.kind, news.state.name()));
    }
    assert_eq!(told, [(NewsKind::Paused, "PAUSED"), (NewsKind::Upcoming, "ACTIVE")]);

    let silent = active(&store, 2, "b").await;
    let terms = ScheduleTerms { news: NewsWish::NotTold, notice_days: 3, ..silent.terms.clone() };
    put(&*store, silent.with_notice(terms)).await;
    let rows = store.feedbacks(&FeedbackFilter { rows_max: 10, ..FeedbackFilter::default() }).await.unwrap();
    assert_eq!(rows.len(), 2);
}

/// Rule: schedules are listed in the order of their agreements, by state, and go on from a place; attempts newest first.
pub async fn schedules_and_attempts_are_listed_in_order(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, id) in [(1, "c"), (2, "a"), (3, "b")] {
        active(&store, number, id).await;
    }
    let second = of(&*store, 2).await.unwrap();
    put(&*store, second.paused(PauseWhy::Asked, at(99)).unwrap()).await;
    let all = ScheduleFilter { merchant: MERCHANT, state: None, after: None, limit: 2 };
    let listed = async |filter: ScheduleFilter| -> Vec<i64> {
        store.schedules(&filter).await.unwrap().iter().map(|schedule| schedule.agreement.0 - FIRST).collect()
    };
    assert_eq!(listed(all.clone()).await, [1, 2]);
    assert_eq!(listed(ScheduleFilter { after: Some(AgreementNumber(FIRST + 2)), ..all.clone() }).await, [3]);
    let state = |state| ScheduleFilter { state: Some(state), ..all.clone() };
    assert_eq!(listed(state(ScheduleStateKind::Active)).await, [1, 3]);
    assert_eq!(listed(state(ScheduleStateKind::Paused)).await, [2]);
    assert_eq!(listed(ScheduleFilter { merchant: MerchantId(2), ..all }).await, Vec::<i64>::new());
    for number in [100, 200, 300] {
        let schedule = of(&*store, 1).await.unwrap();
        settled(&*store, due(number, &store, &schedule, "c").await, OperationEvent::Approved).await;
    }
    let orders = async |before, limit| -> Vec<i64> {
        let attempts = store.schedule_attempts(AgreementNumber(FIRST + 1), before, limit).await.unwrap();
        attempts.iter().map(|attempt| attempt.order.0 - FIRST).collect()
    };
    assert_eq!(orders(None, 2).await, [300, 200]);
    assert_eq!(orders(Some(FortId(FIRST + 200)), 2).await, [100]);
}

/// Seconds in a day.
const DAY: i64 = 86_400;
/// Seconds after the beginning, when the first due date of [`scheduled`] is due.
const DUE: i64 = 30 * DAY;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

/// A payment that opens an agreement with a monthly schedule, whose first due date is a month after it.
fn scheduled(number: i64, id: &str) -> NewOrder {
    let new = opening(number, id);
    let agreement = AgreementNumber(new.operation.id.0);
    let schedule = Schedule::opened(ScheduleOpening {
        agreement,
        merchant: new.order.merchant,
        agreement_id: id.to_owned(),
        cycle: BillingCycle::parse("MONTHLY").unwrap(),
        first_day: None,
        terms: ScheduleTerms { news: NewsWish::Told, ..ScheduleTerms::default() },
        money: aed(10_000),
        request: SafeParams::default(),
        at: at(number),
    });
    let mut credential = new.order.credential.clone().unwrap();
    credential.agreement.as_mut().unwrap().schedule = Some(OrderSchedule::Opens);
    let order = Order { credential: Some(credential), ..new.order };
    NewOrder { order, schedule: Some(ScheduleIntent::Open(Box::new(schedule.unwrap()))), ..new }
}

/// A schedule that has begun.
pub(super) async fn active(store: &Arc<dyn Store>, number: i64, id: &str) -> Schedule {
    settled(&**store, scheduled(number, id), OperationEvent::Approved).await;
    of(&**store, number).await.unwrap()
}

async fn of(store: &dyn Store, number: i64) -> Option<Schedule> {
    store.schedule(AgreementNumber(FIRST + number)).await.unwrap()
}

async fn attempts(store: &dyn Store, number: i64) -> Vec<ScheduleAttempt> {
    store.schedule_attempts(AgreementNumber(FIRST + number), None, 100).await.unwrap()
}

pub(super) async fn put(store: &dyn Store, schedule: Schedule) -> ScheduleChanged {
    store.change_schedule(ScheduleChange { schedule, card: None, at: at(80) }).await.unwrap()
}

/// The charge of a schedule's next attempt, by its agreement as it is now.
async fn due(number: i64, store: &Arc<dyn Store>, schedule: &Schedule, id: &str) -> NewOrder {
    let new = charge(number, &found(store, id).await.unwrap());
    let mut credential = new.order.credential.clone().unwrap();
    let attempt = DueAttempt { due_day: schedule.due.day, attempt: schedule.due.attempt };
    credential.agreement.as_mut().unwrap().schedule = Some(OrderSchedule::Charges(attempt));
    let order = Order { credential: Some(credential), ..new.order };
    let terms = Box::new(schedule.terms.clone());
    let intent = ScheduleIntent::Attempt { agreement: schedule.agreement, version: schedule.version, terms };
    NewOrder { order, schedule: Some(intent), ..new }
}

/// The same charge under another number and reference.
fn numbered(intent: NewOrder, number: i64) -> NewOrder {
    let other = super::fixtures::new_order(number, &format!("order-{number}"), intent.order.kind);
    let order = Order {
        eci: intent.order.eci,
        token: intent.order.token.clone(),
        credential: intent.order.credential.clone(),
        ..other.order
    };
    NewOrder { order, operation: other.operation, ..intent }
}

async fn merchants(store: &dyn Store, now: Timestamp, after: Option<MerchantId>) -> Vec<MerchantId> {
    store.merchants_with_due_schedules(now, after, 10).await.unwrap()
}

/// The numbers of the due schedules that a life takes.
async fn take(store: &dyn Store, life: LifeId, now: Timestamp) -> Vec<i64> {
    let taken = store.take_due_schedules(DueTake { life, merchant: MERCHANT, now, limit: 9 }).await.unwrap();
    taken.iter().map(|schedule| schedule.agreement.0 - FIRST).collect()
}
