//! The deliveries over a real store, with a scripted sender and a time that is moved: what waits goes
//! out, in order, at its time, and a receiver that is dead holds back nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use support::{MERCHANT, Script, World, merchant};
use tollgate_core::feedback::FeedbackKind;
use tollgate_feedback::{FeedbackSettings, ListenerReport};
use tollgate_store::{FeedbackState, PauseReason};

const MINUTE_S: i64 = 60;

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_is_sent_once() {
    for status in [200, 204, 299, 302] {
        let world = World::start(Script::always(status)).await;
        let order = world.pay(1, MERCHANT).await;
        world.until_settled(&order).await;
        for _ in 0..24 {
            world.jump_s(3_600).await;
        }
        assert_eq!(world.sent().len(), 1, "{status}");
        let sent = &world.sent()[0];
        assert_eq!((sent.sequence, sent.id.operation), (2, order.operation), "{status}");
        let row = world.row(&order).await;
        assert_eq!((row.state, row.attempts, row.tries), (FeedbackState::Delivered, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_is_tried_ten_times_ten_seconds_apart_and_then_ever_more_rarely() {
    let world = World::start(Script::always(500)).await;
    let order = world.pay(1, MERCHANT).await;
    world.until_sent(1).await;
    world.pass_s(95).await;
    assert_eq!(world.sent().len(), 10, "in the first 95 seconds");
    world.pass_s(30).await;
    assert_eq!(world.sent().len(), 10, "the next one is a minute later");
    world.pass_s(30).await;
    assert_eq!(world.sent().len(), 11);
    assert_eq!(world.row(&order).await.tries, 11);
}

#[tokio::test(start_paused = true)]
async fn no_other_status_acknowledges() {
    for status in [199, 300, 301, 303, 307, 308, 400, 404, 500, 503] {
        let world = World::start(Script::always(status)).await;
        let order = world.pay(1, MERCHANT).await;
        world.until_sent(1).await;
        world.pass_s(12).await;
        assert_eq!((world.sent().len(), world.row(&order).await.tries), (2, 2), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_thirty_days_it_is_paused_and_a_replay_begins_anew() {
    let world = World::start(Script::always(500)).await;
    let order = world.pay(1, MERCHANT).await;
    world.until_sent(1).await;
    for _ in 0..30 * 24 * 2 {
        world.jump_s(30 * MINUTE_S).await;
    }
    world.until_state(&order, FeedbackState::Paused).await;
    let row = world.row(&order).await;
    assert_eq!((row.state, row.pause_reason), (FeedbackState::Paused, Some(PauseReason::Exhausted)));
    let tried = world.sent().len();
    assert!((100..170).contains(&tried), "{tried}");
    world.pass_s(50 * MINUTE_S).await;
    assert_eq!(world.sent().len(), tried, "nothing more goes out for an hour");
    world.script.set(Script::always(200));
    world.replay(&order).await;
    world.until_settled(&order).await;
    assert_eq!(world.sent().len(), tried + 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_mended_is_found_by_the_hour_and_gets_all_that_was_paused() {
    let world = World::start(Script::always(500)).await;
    let mut orders = Vec::new();
    for number in 0..20 {
        orders.push(world.pay(number, MERCHANT).await);
    }
    for _ in 0..61 * 12 {
        world.jump_s(3_600).await;
    }
    for order in &orders {
        world.until_state(order, FeedbackState::Paused).await;
    }
    let before = world.sent().len();
    for _ in 0..24 {
        world.jump_s(3_600).await;
    }
    world.until_state(&orders[0], FeedbackState::Paused).await;
    let probes = world.sent().len() - before;
    assert!((12..=24).contains(&probes), "one an hour at most: {probes}");
    assert!(world.sent()[before..].iter().all(|sent| sent.id.operation == orders[0].operation), "the oldest one only");
    world.script.set(Script::always(200));
    world.until(2 * 3_600, |world| world.acknowledged() == 20).await;
    for order in &orders {
        world.until_settled(order).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_receiver_with_ten_thousand_waiting_leaves_a_living_one_untouched() {
    let world = World::start(Script::by_merchant(&[(1, Script::NEVER), (2, 200)])).await;
    world.write_all(0..10_000, merchant(1)).await;
    world.wake();
    world.until_under_way(1, 4).await;
    let mut slowest_ms = 0;
    for number in 10_000..10_050 {
        let begun = world.now();
        let order = world.pay(number, merchant(2)).await;
        world.until_settled(&order).await;
        slowest_ms = slowest_ms.max(world.now().since_ms(begun));
        world.pass_s(1).await;
    }
    assert!(slowest_ms < 100, "{slowest_ms} ms");
    assert_eq!(world.under_way_max(1), 4, "the dead one has its four places and no more");
    world.pass_s(60).await;
    assert!(world.under_way(1) <= 1, "one place is enough to see whether it lives");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_answers_again_gets_what_waited_at_once() {
    let world = World::start(Script::always(503)).await;
    let mut orders = Vec::new();
    for number in 0..50 {
        orders.push(world.pay(number, MERCHANT).await);
    }
    world.pass_s(3 * 3_600).await;
    world.script.set(Script::always(200));
    let waiting = world.parts.store.feedback_backlog().await.unwrap().waiting;
    assert_eq!(waiting, 50);
    // The next try of any of them opens the way for all.
    world.until(600 * MINUTE_S, |world| world.acknowledged() >= 1).await;
    let back = world.now();
    world.until(10, |world| world.acknowledged() >= 50).await;
    assert!(world.now().since_ms(back) < 5_000, "the others did not wait for their own times");
    for order in &orders {
        world.until_settled(order).await;
    }
}

#[tokio::test(start_paused = true)]
async fn feedback_of_one_order_goes_out_in_order_whatever_fails() {
    let world = World::start(Script::failing_every(3)).await;
    let mut expected: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for number in 0..10 {
        let order = world.pay(number, MERCHANT).await;
        for capture in 0..5 {
            world.capture(&order, 1_000 + number * 10 + capture).await;
        }
        expected.insert(order.fort_id.0, vec![4, 6, 8, 10, 12]);
    }
    world.until(3_600, |world| world.acknowledged() >= 60).await;
    let mut seen: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for sent in world.sent().iter().filter(|sent| sent.kind == FeedbackKind::Notification && sent.acknowledged) {
        seen.entry(sent.fort_id.0).or_default().push(sent.sequence);
    }
    assert_eq!(seen, expected);
    assert!(world.sent().len() > 60, "some were tried more than once");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_a_failure_after_fifteen_seconds() {
    let world = World::start(Script::always(Script::NEVER)).await;
    let order = world.pay(1, MERCHANT).await;
    world.until_sent(1).await;
    world.pass_s(14).await;
    assert_eq!(world.row(&order).await.attempts, 0);
    world.pass_s(2).await;
    let attempts = world.parts.store.feedback_attempts(order.feedback()).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].attempt.status, attempts[0].attempt.latency_ms / 100), (None, 150));
    assert_eq!(attempts[0].attempt.error.as_deref(), Some("no answer within 15000 ms"));
    assert_eq!(attempts[0].attempt.target, "https://shop.example.com:443", "without the path, which may be a secret");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_an_answer_is_short_masked_and_harmless() {
    let answer = format!("card 4005550000000001\r\n\u{1b}[2J{}", "x".repeat(4_000));
    let world = World::start(Script::answering(500, &answer)).await;
    let order = world.pay(1, MERCHANT).await;
    world.until_sent(1).await;
    world.pass_s(1).await;
    let kept = &world.parts.store.feedback_attempts(order.feedback()).await.unwrap()[0].attempt.answer;
    assert_eq!(kept.chars().count(), 256);
    assert!(kept.starts_with("card MASKED\\r\\n\\u{1b}[2Jxxx"), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn a_merchant_without_a_url_has_its_feedback_paused_until_it_has_one() {
    let world = World::start(Script::always(200)).await;
    world.script.take_url_away();
    let order = world.pay(1, MERCHANT).await;
    world.until_state(&order, FeedbackState::Paused).await;
    let row = world.row(&order).await;
    assert_eq!((row.pause_reason, row.attempts), (Some(PauseReason::NoUrl), 0));
    assert_eq!(world.sent().len(), 0);
    world.script.give_url_back();
    world.rouse_paused().await;
    world.until_settled(&order).await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_the_receiver_of_a_merchant_without_a_url_and_sees_the_others() {
    let world = World::start(Script::always(200)).await;
    let mut listener = world.parts.listeners.connect(None).unwrap();
    let seen = world.pay(1, MERCHANT).await;
    assert_eq!(listener.next().await.unwrap().id, seen.feedback());
    world.until_settled(&seen).await;
    world.script.take_url_away();
    let order = world.pay(2, MERCHANT).await;
    for (attempt, status) in [(1, 500), (2, 200)] {
        let delivery = listener.next().await.unwrap();
        assert_eq!((delivery.id, delivery.attempt), (order.feedback(), attempt));
        assert_eq!(world.row(&order).await.state, FeedbackState::Waiting);
        let answer = "said the listener's own receiver".to_owned();
        assert!(world.parts.listeners.report(ListenerReport {
            number: delivery.number,
            status: Some(status),
            error: None,
            answer,
        }));
        world.pass_s(10).await;
    }
    world.until_settled(&order).await;
    let attempts = world.parts.store.feedback_attempts(order.feedback()).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.attempt.status).collect::<Vec<_>>(), [Some(500), Some(200)]);
    assert_eq!(attempts[0].attempt.target, "listener");
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_a_worker_was_killed_is_sent_again() {
    let mut world = World::prepare(Script::always(200), FeedbackSettings::default());
    let order = world.write(1, MERCHANT).await;
    // A run that is killed leaves its lease behind.
    world.lease_as_a_run_that_was_killed().await;
    world.begin().await;
    world.until_settled(&order).await;
    assert_eq!(world.sent().len(), 1);
    assert!(world.now().since_ms(support::START) < 5_000, "the new run does not wait for the old lease to end");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_moved_moves_feedback() {
    let world = World::start(Script::always(500)).await;
    let order = world.pay(1, MERCHANT).await;
    world.until_sent(1).await;
    world.pass_s(150).await;
    let tries = world.sent().len();
    world.script.set(Script::always(200));
    world.clock.advance_s(6 * 3_600);
    world.wake();
    world.until_settled(&order).await;
    assert_eq!(world.sent().len(), tries + 1);
}

#[tokio::test(start_paused = true)]
async fn places_are_limited_in_all_and_by_lane() {
    let settings = FeedbackSettings { in_flight_max: 6, lane_in_flight_max: 3, ..FeedbackSettings::default() };
    let world = World::start_with(Script::always(Script::NEVER), settings).await;
    for number in 0..40 {
        world.write(number, merchant(1 + number % 4)).await;
    }
    world.wake();
    world.pass_s(10).await;
    assert_eq!((1..=4).map(|number| world.under_way(number)).sum::<usize>(), 6);
    assert!((1..=4).all(|number| (1..=3).contains(&world.under_way(number))), "each has its turn");
}
