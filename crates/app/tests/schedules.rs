//! What gateways charge by themselves: each due date once, whoever works on it, and whatever happens meanwhile.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::{House, Node, pass, until};
use tokio::time::Instant;
use tollgate_acquirer::NetworkKind;
use tollgate_app::{
    Activity, ScheduleDeskError, ScheduleJobs, ScheduleSettings, ScheduleStatusWish, ScheduleWish, ShownSchedule,
    TermsChange,
};
use tollgate_core::advice::RetryAdvice;
use tollgate_core::agreement::{AgreementEnd, AgreementState, EndReason, RecurringMode, RecurringWish};
use tollgate_core::billing::BillingCycle;
use tollgate_core::command::{Eci, PayCommand, UpdateTokenCommand};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{OperationState, Order, PayKind};
use tollgate_core::schedule::{AttemptOutcome, EndWhy, NoChange, PauseWhy, ScheduleState};
use tollgate_core::token::TokenStatus;
use tollgate_store::{Agreements, DueTake, LifeId, Orders, ScheduleAttempt, Schedules};

const PURCHASE: NetworkKind = NetworkKind::Purchase;
const REVERSAL: NetworkKind = NetworkKind::ReversalAdvice;
/// More than a month, in days.
const MONTH_D: i64 = 32;
/// Longer than a lease, and than a life is watched before it is taken for dead; in seconds.
const LONG_S: u64 = 60;

/// Rule: of several gateways on one store, one charges a due date, once.
#[tokio::test(start_paused = true)]
async fn two_gateways_charge_a_due_date_once() {
    let house = House::build().await;
    let nodes = [house.node(1).await, house.node(2).await];
    let _jobs = [nodes[0].start_jobs().await, nodes[1].start_jobs().await];
    subscribe(&nodes[0], "SUB", "MONTHLY", RecurringMode::Fixed).await;
    let _schedules = nodes.each_ref().map(|node| ScheduleJobs::start(&node.gateway, ScheduleSettings::default()));
    for node in &nodes {
        node.clock.move_days(MONTH_D);
        node.gateway.wake_jobs();
    }
    let waiting = || nodes.iter().filter(|node| node.wire.waits_for(PURCHASE)).count();
    until(10, "one charges", async || waiting() == 1).await;
    pass(5).await;
    assert_eq!(waiting(), 1);
    nodes.iter().find(|node| node.wire.waits_for(PURCHASE)).unwrap().wire.answer(PURCHASE, "00");
    until(10, "it is charged", async || attempts(&house, "SUB").await[0].end.is_some()).await;
    pass(5).await;
    let sent = nodes.iter().map(|node| node.wire.sent().len()).sum::<usize>();
    assert_eq!(sent, 2, "the first payment and the charge");
    let order = order_of(&house, &attempts(&house, "SUB").await[0]).await;
    assert_eq!((order.eci, order.agreement_id_in(OperationState::Approved)), (Eci::Recurring, Some("SUB")));
}

/// Rule: what another gateway has taken up is left to it, and looked for again after a while, not over and over.
#[tokio::test(start_paused = true)]
async fn what_another_gateway_has_taken_is_not_asked_for_over_and_over() {
    let house = House::build().await;
    let (other, node) = (house.node(1).await, house.node(2).await);
    let _jobs = [other.start_jobs().await, node.start_jobs().await];
    subscribe(&node, "SUB", "MONTHLY", RecurringMode::Fixed).await;
    node.clock.move_days(MONTH_D);
    let [life, _] = house.living().await[..] else { panic!("two gateways") };
    let (merchant, now) = (house.merchant().await, node.gateway.now());
    let take = DueTake { life: LifeId(life.0), merchant, now, limit: 10 };
    assert_eq!(house.store.take_due_schedules(take).await.unwrap().len(), 1);
    pass(1).await;
    let _schedules = ScheduleJobs::start(&node.gateway, ScheduleSettings::default());
    node.clock.looks();
    // The time is moved by hand: of its own it stands still as long as anybody goes round and round.
    for _ in 0..200 {
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let looks = node.clock.looks();
    assert!(looks < 30, "{looks} looks in two seconds");
    assert!(!node.wire.waits_for(PURCHASE));
    let agreements = vec![shown(&node, "SUB").await.schedule.agreement];
    house.store.give_back_schedules(LifeId(life.0), agreements).await.unwrap();
    until(10, "it is charged here", async || node.wire.waits_for(PURCHASE)).await;
}

/// Rule: what a gateway had under way when it died is settled by another one, and charged anew only when the network has
/// agreed that it counts for nothing.
#[tokio::test(start_paused = true)]
async fn a_charge_of_a_dead_gateway_is_settled_before_it_is_tried_again() {
    let house = House::build().await;
    let (dead, other) = (house.node(1).await, house.node(2).await);
    subscribe(&dead, "SUB", "MONTHLY", RecurringMode::Fixed).await;
    let schedules = ScheduleJobs::start(&dead.gateway, ScheduleSettings::default());
    for node in [&dead, &other] {
        node.clock.move_days(MONTH_D);
    }
    until(10, "it charges", async || dead.wire.waits_for(PURCHASE)).await;
    std::mem::forget(schedules);
    let _jobs = other.start_jobs().await;
    let _schedules = ScheduleJobs::start(&other.gateway, ScheduleSettings::default());
    until(2 * LONG_S, "the reversal of what it left", async || other.wire.waits_for(REVERSAL)).await;
    other.clock.move_days(3);
    other.gateway.wake_jobs();
    pass(5).await;
    assert!(!other.wire.waits_for(PURCHASE), "nothing is charged while nobody knows");
    other.wire.answer(REVERSAL, "00");
    until(10, "it is settled", async || attempts(&house, "SUB").await[0].end.is_some()).await;
    assert_eq!(attempts(&house, "SUB").await[0].end.unwrap().outcome, AttemptOutcome::CameToNothing);
    pass(5).await;
    assert!(!other.wire.waits_for(PURCHASE), "it is tried again some minutes later");
    other.clock.move_seconds(600);
    answer(&other, "00").await;
    until(10, "it is charged", async || attempts(&house, "SUB").await[0].end.is_some()).await;
    let told: Vec<_> =
        attempts(&house, "SUB").await.iter().map(|attempt| (attempt.attempt, outcome(attempt))).collect();
    assert_eq!(told, [(2, AttemptOutcome::Approved), (1, AttemptOutcome::CameToNothing)]);
}

/// Rule: a soft decline is tried again on the days of the plan; a hard one is not tried again, and stops the schedule until
/// somebody resumes it.
#[tokio::test(start_paused = true)]
async fn a_soft_decline_is_tried_again_and_a_hard_one_is_not() {
    let house = House::build().await;
    let node = house.node(1).await;
    subscribe(&node, "SOFT", "MONTHLY", RecurringMode::Fixed).await;
    let _schedules = ScheduleJobs::start(&node.gateway, ScheduleSettings::default());
    to_the_due_date(&node, "SOFT").await;
    answer(&node, "51").await;
    until(10, "it is declined", async || shown(&node, "SOFT").await.schedule.due.attempt == 2).await;
    pass(5).await;
    assert!(!node.wire.waits_for(PURCHASE), "not on the same day");
    node.clock.move_days(1);
    answer(&node, "00").await;
    until(10, "it is charged", async || shown(&node, "SOFT").await.schedule.due.nth == 2).await;
    to_the_due_date(&node, "SOFT").await;
    answer(&node, "43").await;
    until(10, "it is paused", async || shown(&node, "SOFT").await.schedule.state.name() == "PAUSED").await;
    let ScheduleState::Paused(pause) = shown(&node, "SOFT").await.schedule.state else { panic!("it is paused") };
    assert_eq!(pause.why, PauseWhy::HardDecline);
    assert_eq!(outcome(&attempts(&house, "SOFT").await[0]), AttemptOutcome::Declined(RetryAdvice::Never));
    node.clock.move_days(100);
    pass(5).await;
    assert!(!node.wire.waits_for(PURCHASE), "nothing is charged while it is paused");
    let resumed = change(&node, "SOFT", status(ScheduleStatusWish::Active)).await.unwrap();
    assert!(resumed.schedule.due.at > node.gateway.now(), "what fell due meanwhile is skipped");
    to_the_due_date(&node, "SOFT").await;
    answer(&node, "00").await;
    until(10, "it goes on", async || outcomes(&house, "SOFT").await[0] == Some(AttemptOutcome::Approved)).await;
    assert_eq!(attempts(&house, "SOFT").await.len(), 4);
}

/// Rule: an account that is switched off and a link that is down hold charges back, and use up no attempt.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_charged_now_waits_and_uses_up_no_attempt() {
    let house = House::build().await;
    let node = house.node(1).await;
    subscribe(&node, "SUB", "MONTHLY", RecurringMode::Fixed).await;
    let accounts = house.accounts();
    let switch = async |activity| {
        accounts.change("shop", TermsChange::Active(activity)).await.unwrap();
        // A gateway looks at accounts anew after a while.
        let seen = async || node.gateway.directory().by_access_code("ACCESS").await.unwrap().unwrap();
        until(5, "it is seen", async || seen().await.merchant.active == (activity == Activity::Active)).await;
    };
    switch(Activity::Inactive).await;
    let _schedules = ScheduleJobs::start(&node.gateway, ScheduleSettings::default());
    to_the_due_date(&node, "SUB").await;
    // Some looks of the job, and not as long as a life that nobody renews.
    pass(3).await;
    assert!(!node.wire.waits_for(PURCHASE));
    node.wire.go_down();
    switch(Activity::Active).await;
    pass(3).await;
    assert!(!node.wire.waits_for(PURCHASE));
    assert_eq!(attempts(&house, "SUB").await, []);
    node.wire.come_up();
    answer(&node, "00").await;
    until(10, "it is charged", async || outcomes(&house, "SUB").await == [Some(AttemptOutcome::Approved)]).await;
    assert_eq!(attempts(&house, "SUB").await[0].attempt, 1);
}

/// Rule: many due dates that a moved clock makes due are charged in order, each once.
#[tokio::test(start_paused = true)]
async fn due_dates_of_one_jump_are_charged_in_order() {
    let house = House::build().await;
    let node = house.node(1).await;
    subscribe(&node, "SUB", "WEEKLY", RecurringMode::Fixed).await;
    let _schedules = ScheduleJobs::start(&node.gateway, ScheduleSettings::default());
    node.clock.move_days(36);
    node.gateway.wake_jobs();
    for _ in 0..5 {
        answer(&node, "00").await;
    }
    until(10, "five weeks are charged", async || shown(&node, "SUB").await.schedule.due.nth == 6).await;
    pass(5).await;
    assert!(!node.wire.waits_for(PURCHASE));
    let days: Vec<i64> = attempts(&house, "SUB").await.iter().rev().map(|attempt| attempt.due_day.number()).collect();
    let opened = shown(&node, "SUB").await.schedule.anchor.number();
    assert_eq!(days, [7, 14, 21, 28, 35].map(|days| opened + days));
}

/// Rule: amount and card change for the charges that have not begun; a token that is gone pauses the schedule, and an
/// agreement that was ended ends it.
#[tokio::test(start_paused = true)]
async fn amount_and_card_change_and_what_is_gone_is_not_charged() {
    let house = House::build().await;
    let node = house.node(1).await;
    subscribe(&node, "SUB", "MONTHLY", RecurringMode::Variable).await;
    subscribe(&node, "FIXED", "MONTHLY", RecurringMode::Fixed).await;
    subscribe(&node, "OTHER", "YEARLY", RecurringMode::Fixed).await;
    let money =
        |minor| Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha("AED").unwrap() };
    let dearer = ScheduleWish { money: Some(money(250)), ..ScheduleWish::default() };
    let refused = change(&node, "FIXED", dearer.clone()).await;
    assert!(matches!(refused, Err(ScheduleDeskError::NoChange(NoChange::FixedAmount))), "{refused:?}");
    let other_card = ScheduleWish { token_name: Some("t-OTHER".to_owned()), ..dearer.clone() };
    change(&node, "SUB", other_card).await.unwrap();
    let nobody = ScheduleWish { token_name: Some("nobody".to_owned()), ..ScheduleWish::default() };
    assert!(matches!(change(&node, "SUB", nobody).await, Err(ScheduleDeskError::NoToken)));
    let end = AgreementEnd { why: EndReason::Operator, at: node.gateway.now() };
    house.store.end_agreement(house.merchant().await, "FIXED", end).await.unwrap();
    assert_eq!(ended(&node, "FIXED").await, Some(EndWhy::Cancelled));

    let _schedules = ScheduleJobs::start(&node.gateway, ScheduleSettings::default());
    to_the_due_date(&node, "SUB").await;
    answer(&node, "00").await;
    until(10, "it is charged", async || outcomes(&house, "SUB").await == [Some(AttemptOutcome::Approved)]).await;
    assert_eq!(attempts(&house, "FIXED").await, [], "its agreement has ended");
    let attempt = attempts(&house, "SUB").await[0];
    let order = order_of(&house, &attempt).await;
    assert_eq!((attempt.money, order.money), (money(250), money(250)));
    assert_eq!(order.token.unwrap().name, "t-OTHER");

    let off = UpdateTokenCommand {
        token_name: "t-OTHER".to_owned(),
        new_token_name: None,
        expiry: None,
        holder: None,
        currency: None,
        status: Some(TokenStatus::Inactive),
    };
    node.gateway.update_token(&node.account, &off).await.unwrap();
    to_the_due_date(&node, "SUB").await;
    until(10, "it is paused", async || shown(&node, "SUB").await.schedule.state.name() == "PAUSED").await;
    let ScheduleState::Paused(pause) = shown(&node, "SUB").await.schedule.state else { panic!("it is paused") };
    assert_eq!((pause.why, attempts(&house, "SUB").await.len()), (PauseWhy::CardGone, 1));
    change(&node, "SUB", status(ScheduleStatusWish::Cancelled)).await.unwrap();
    assert_eq!(ended(&node, "SUB").await, Some(EndWhy::Cancelled));
    let agreement = shown(&node, "SUB").await.agreement;
    assert!(matches!(agreement.state, AgreementState::Ended(end) if end.why == EndReason::Cancelled), "{agreement:?}");
}

/// Rule: a schedule ends with what was agreed: after the last charge, not before and not later.
#[tokio::test(start_paused = true)]
async fn a_schedule_ends_with_its_last_charge() {
    let house = House::build().await;
    let node = house.node(1).await;
    let wish = RecurringWish { charges_max: Some(2), ..wish("SUB", "WEEKLY", RecurringMode::Fixed) };
    subscribe_by(&node, "SUB", wish).await;
    let _schedules = ScheduleJobs::start(&node.gateway, ScheduleSettings::default());
    node.clock.move_days(60);
    node.gateway.wake_jobs();
    for _ in 0..2 {
        answer(&node, "00").await;
    }
    until(10, "it ends", async || ended(&node, "SUB").await == Some(EndWhy::Completed)).await;
    pass(5).await;
    assert_eq!(node.wire.sent().len(), 3, "the first payment and two charges");
}

/// Rule: a day on which very many fall due does not send more than so many a second, nor more than so many at once.
#[tokio::test(start_paused = true)]
async fn many_due_dates_keep_to_the_pace() {
    let house = House::build().await;
    let node = house.node(1).await;
    for number in 0..24 {
        subscribe(&node, &format!("SUB-{number}"), "MONTHLY", RecurringMode::Fixed).await;
    }
    let settings = ScheduleSettings { charges_per_second_max: 4, charges_in_flight_max: 3 };
    let _schedules = ScheduleJobs::start(&node.gateway, settings);
    let before = node.wire.sent().len();
    node.clock.move_days(MONTH_D);
    node.gateway.wake_jobs();
    let begin = Instant::now();
    let mut answered = 0;
    while answered < 24 {
        let sent = node.wire.sent().len() - before;
        let passed_s = begin.elapsed().as_secs_f64();
        assert!(sent - answered <= 3, "{sent} begun and {answered} answered");
        assert!((sent as f64) <= 4.0 + 4.0 * (passed_s + 1.0), "{sent} after {passed_s} s");
        if node.wire.waits_for(PURCHASE) {
            node.wire.answer(PURCHASE, "00");
            answered += 1;
        } else {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{answered} were charged");
    }
}

fn wish(id: &str, cycle: &str, mode: RecurringMode) -> RecurringWish {
    RecurringWish {
        agreement_id: Some(id.to_owned()),
        mode: Some(mode),
        charges_max: Some(99),
        cycle: Some(BillingCycle::parse(cycle).unwrap()),
        ..RecurringWish::default()
    }
}

async fn subscribe(node: &Node, id: &str, cycle: &str, mode: RecurringMode) {
    subscribe_by(node, id, wish(id, cycle, mode)).await;
}

/// A payment of 1.00 AED that opens an agreement with a schedule, about token `t-ID`.
async fn subscribe_by(node: &Node, id: &str, wish: RecurringWish) {
    let command =
        PayCommand { token_name: Some(format!("t-{id}")), recurring: wish, ..support::command(PayKind::Purchase, id) };
    let (gateway, account) = (node.gateway.clone(), Arc::clone(&node.account));
    let paying = tokio::spawn(async move { gateway.pay(account, command).await });
    answer(node, "00").await;
    let answer = paying.await.unwrap().unwrap();
    assert_eq!(answer.agreement_id.as_deref(), Some(id), "{answer:?}");
}

/// Answers the purchase that comes next.
async fn answer(node: &Node, code: &str) {
    until(30, "a purchase is sent", async || node.wire.waits_for(PURCHASE)).await;
    node.wire.answer(PURCHASE, code);
}

/// Moves the clock to where the next attempt of a schedule begins.
async fn to_the_due_date(node: &Node, id: &str) {
    let due = shown(node, id).await.schedule.due.at;
    let seconds = (due.0 - node.gateway.now().0).div_euclid(1_000_000) + 1;
    node.clock.move_seconds(seconds);
    node.gateway.wake_jobs();
}

async fn shown(node: &Node, id: &str) -> ShownSchedule {
    node.gateway.schedule_desk().show(node.account.merchant.id, id).await.unwrap()
}

async fn ended(node: &Node, id: &str) -> Option<EndWhy> {
    match shown(node, id).await.schedule.state {
        ScheduleState::Ended(end) => Some(end.why),
        _ => None,
    }
}

async fn change(node: &Node, id: &str, wish: ScheduleWish) -> Result<ShownSchedule, ScheduleDeskError> {
    node.gateway.schedule_desk().change(node.account.merchant.id, id, &wish).await
}

fn status(status: ScheduleStatusWish) -> ScheduleWish {
    ScheduleWish { status: Some(status), ..ScheduleWish::default() }
}

/// The attempts of a schedule, the newest first.
async fn attempts(house: &House, id: &str) -> Vec<ScheduleAttempt> {
    let agreement = house.store.agreement(house.merchant().await, id).await.unwrap().unwrap();
    house.store.schedule_attempts(agreement.number, None, 100).await.unwrap()
}

async fn order_of(house: &House, attempt: &ScheduleAttempt) -> Order {
    house.store.story(attempt.order).await.unwrap().unwrap().order
}

async fn outcomes(house: &House, id: &str) -> Vec<Option<AttemptOutcome>> {
    attempts(house, id).await.iter().map(|attempt| attempt.end.map(|end| end.outcome)).collect()
}

fn outcome(attempt: &ScheduleAttempt) -> AttemptOutcome {
    attempt.end.unwrap().outcome
}
