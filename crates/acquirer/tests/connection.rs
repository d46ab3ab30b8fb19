//! The life of the connection: sign-on, echo, breaks, limits, the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;
use support::*;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tollgate_acquirer::{
    Acquirer, ExchangeResult, IsoLink, LinkSettings, LinkState, NetworkKind, NotSent, SettingsError, UnknownReason,
};
use tollgate_iso8583::{Message, Mti};

const LINK_DOWN: ExchangeResult = ExchangeResult::NotSent(NotSent::LinkDown);
const LINK_FULL: ExchangeResult = ExchangeResult::NotSent(NotSent::LinkFull);
const LINK_BROKEN: ExchangeResult = ExchangeResult::Unknown(UnknownReason::LinkBroken);

/// Seconds since a moment, rounded: waiting for a state takes some milliseconds of the paused clock, too.
fn seconds(began: Instant) -> u128 {
    (began.elapsed().as_millis() + 500) / 1000
}

fn is_approved(result: &ExchangeResult) -> bool {
    matches!(result, ExchangeResult::Answered(reply) if reply.is_approval())
}

#[tokio::test(start_paused = true)]
async fn no_payment_goes_before_the_sign_on() {
    let mut rig = Rig::new();
    let mut host = rig.accept().await;
    assert_eq!(rig.result(request(NetworkKind::Authorize, 1)).await, LINK_DOWN);
    let sign_on = host.receive().await;
    assert_eq!((sign_on.mti(), sign_on.text(70)), (Some(Mti::NETWORK_MANAGEMENT_REQUEST), Some("001")));
    assert_eq!((sign_on.text(7), sign_on.text(32)), (Some("1120120000"), Some("400001")));
    assert_eq!(rig.link.state(), LinkState::Down);
    host.answer(&sign_on, "00").await;
    rig.until_state(LinkState::Up).await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 2));
    let message = host.receive().await;
    host.answer(&message, "00").await;
    assert!(is_approved(&exchange.await.unwrap().result));
}

#[tokio::test(start_paused = true)]
async fn a_refused_or_unanswered_sign_on_is_tried_again_on_a_new_connection() {
    let mut rig = Rig::with(LinkSettings { network_timeout_ms: 10_000, ..settings() });
    let mut refusing = rig.accept().await;
    let sign_on = refusing.receive().await;
    refusing.answer(&sign_on, "91").await;
    assert!(refusing.receive_or_end().await.is_none());
    let mut silent = rig.accept().await;
    silent.receive().await;
    let began = Instant::now();
    assert!(silent.receive_or_end().await.is_none());
    assert_eq!(began.elapsed().as_millis() / 100, 100);
    assert_eq!(rig.link.state(), LinkState::Down);
    rig.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn pauses_between_connections_grow_and_are_bounded() {
    let mut rig = Rig::with(LinkSettings { backoff_ms_min: 100, backoff_ms_max: 1000, ..settings() });
    let mut pauses_ms = Vec::new();
    drop(rig.accept().await);
    for _ in 0..6 {
        let began = Instant::now();
        drop(rig.accept().await);
        pauses_ms.push(began.elapsed().as_millis());
    }
    for (pause, base) in pauses_ms.iter().zip([100, 200, 400, 800, 1000, 1000]) {
        // The timer of the runtime counts whole milliseconds.
        assert!(*pause >= base / 2 && *pause <= base + 2, "{pauses_ms:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_sends_echoes_and_a_dead_one_is_left() {
    let mut rig = Rig::with(LinkSettings { echo_interval_ms: 60_000, network_timeout_ms: 10_000, ..settings() });
    let mut host = rig.signed_on().await;
    for _ in 0..2 {
        let began = Instant::now();
        let echo = host.receive().await;
        assert_eq!((echo.text(70), seconds(began)), (Some("301"), 60));
        host.answer(&echo, "00").await;
    }
    assert_eq!(host.receive().await.text(70), Some("301"));
    let began = Instant::now();
    assert!(host.receive_or_end().await.is_none());
    assert_eq!(seconds(began), 10);
    rig.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn frames_of_the_host_put_the_echo_off() {
    let mut rig = Rig::with(LinkSettings { echo_interval_ms: 60_000, ..settings() });
    let mut host = rig.signed_on().await;
    let began = Instant::now();
    let keepalive = host.raw_frame(b"");
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(40)).await;
        host.io.write_all(&keepalive).await.unwrap();
    }
    assert_eq!(host.receive().await.text(70), Some("301"));
    assert_eq!(seconds(began), 180);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_an_echo_is_signed_on_to_again() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let echo = host.receive().await;
    host.answer(&echo, "91").await;
    assert!(host.receive_or_end().await.is_none());
    rig.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn network_management_of_the_host_is_answered() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    host.flush_through_link().await;
    let mut sign_off = Message::new();
    sign_off.set_mti(Mti::NETWORK_MANAGEMENT_REQUEST);
    sign_off.set(11, "000123").unwrap();
    sign_off.set(70, "002").unwrap();
    host.send(&sign_off).await;
    let answer = host.receive().await;
    assert_eq!((answer.mti(), answer.text(39)), (Some(Mti::NETWORK_MANAGEMENT_RESPONSE), Some("12")));
    assert_eq!((answer.text(11), answer.text(70)), (Some("000123"), Some("002")));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_after_the_write_leaves_the_outcome_unknown() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    let message = host.receive().await;
    drop(host);
    assert_eq!(exchange.await.unwrap().result, LINK_BROKEN);
    // The next connection may bring the answer.
    let mut host = rig.signed_on().await;
    host.answer(&message, "00").await;
    assert_eq!(rig.late_reply().await.wire, wire(1));
}

#[tokio::test(start_paused = true)]
async fn what_is_half_written_or_queued_when_the_link_breaks_is_told_apart() {
    // A pipe of 100 bytes takes the sign-on and less than half of a payment.
    let mut rig = Rig::with_pipes(settings(), 100, 1);
    let mut host = rig.signed_on().await;
    let half_written = rig.spawn(request(NetworkKind::Authorize, 1));
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let queued = rig.spawn(request(NetworkKind::Authorize, 2));
    until(|| !half_written.is_finished() && !queued.is_finished()).await;
    host.io.shutdown().await.unwrap();
    drop(host);
    assert_eq!(half_written.await.unwrap().result, LINK_BROKEN);
    let unsent = queued.await.unwrap();
    assert_eq!(unsent.result, LINK_DOWN);
    assert_eq!(unsent.trace.0, "", "the wire has not seen it");
}

#[tokio::test(start_paused = true)]
async fn a_message_dropped_in_the_queue_is_never_written() {
    let mut rig = Rig::with_pipes(settings(), 100, 1);
    let mut host = rig.signed_on().await;
    let first = rig.spawn(request(NetworkKind::Authorize, 1));
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let dropped = rig.spawn(request(NetworkKind::Authorize, 2));
    tokio::task::yield_now().await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    let third = rig.spawn(request(NetworkKind::Authorize, 3));
    let stans: Vec<String> =
        [host.receive().await, host.receive().await].iter().map(|message| message.text(11).unwrap().into()).collect();
    assert_eq!(stans, ["000002", "000004"], "the stans of messages 1 and 3");
    drop(host);
    assert_eq!(first.await.unwrap().result, LINK_BROKEN);
    assert_eq!(third.await.unwrap().result, LINK_BROKEN);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_never_leaves_the_queue_in_time_was_not_sent() {
    let mut rig = Rig::with_pipes(settings(), 100, 1);
    let _host = rig.signed_on().await;
    let half_written = rig.spawn(request(NetworkKind::Authorize, 1));
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let queued = rig.spawn(request(NetworkKind::Authorize, 2));
    assert_eq!(half_written.await.unwrap().result, ExchangeResult::Unknown(UnknownReason::NoAnswer));
    assert_eq!(queued.await.unwrap().result, LINK_FULL);
}

#[tokio::test(start_paused = true)]
async fn a_full_link_takes_no_more_until_an_answer_comes() {
    let mut rig = Rig::with(LinkSettings { in_flight_max: 2, ..settings() });
    let mut host = rig.signed_on().await;
    let exchanges: Vec<_> = (1..=2).map(|number| rig.spawn(request(NetworkKind::Authorize, number))).collect();
    let messages = [host.receive().await, host.receive().await];
    assert_eq!(rig.link.state(), LinkState::Full);
    assert_eq!(rig.result(request(NetworkKind::Authorize, 3)).await, LINK_FULL);
    host.answer(&messages[0], "00").await;
    rig.until_state(LinkState::Up).await;
    let third = rig.spawn(request(NetworkKind::Authorize, 4));
    let message = host.receive().await;
    host.answer(&message, "00").await;
    assert!(is_approved(&third.await.unwrap().result));
    host.answer(&messages[1], "00").await;
    for exchange in exchanges {
        assert!(is_approved(&exchange.await.unwrap().result));
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_beyond_the_limit_ends_the_connection_and_only_then_others_suffer() {
    let mut rig = Rig::with(LinkSettings { frame_bytes_max: 512, ..settings() });
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    host.receive().await;
    host.io.write_all(&[0x02, 0x01]).await.unwrap();
    assert_eq!(exchange.await.unwrap().result, LINK_BROKEN);
    rig.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_asks_and_never_reads_is_left() {
    let mut rig = Rig::with_pipes(settings(), 4096, 1);
    let mut host = rig.signed_on().await;
    let mut echo = Message::new();
    echo.set_mti(Mti::NETWORK_MANAGEMENT_REQUEST);
    echo.set(11, "000001").unwrap();
    echo.set(70, "301").unwrap();
    let frame = host.frame(&echo);
    let mut sent = 0usize;
    while host.io.write_all(&frame).await.is_ok() {
        sent += 1;
        assert!(sent < 10_000, "the answers are not bounded");
    }
    rig.until_state(LinkState::Down).await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_answers_signs_off_and_closes() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    let message = host.receive().await;
    let link = std::sync::Arc::clone(&rig.link);
    let shutdown = tokio::spawn(async move { link.shutdown().await });
    rig.until_state(LinkState::Down).await;
    assert_eq!(rig.result(request(NetworkKind::Authorize, 2)).await, LINK_DOWN);
    let early = tokio::time::timeout(Duration::from_secs(1), host.receive()).await;
    assert!(early.is_err(), "it signs off only after the answer");
    host.answer(&message, "00").await;
    assert!(is_approved(&exchange.await.unwrap().result));
    let sign_off = host.receive().await;
    assert_eq!(sign_off.text(70), Some("002"));
    host.answer(&sign_off, "00").await;
    shutdown.await.unwrap();
    assert!(host.receive_or_end().await.is_none());
    rig.link.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_within_its_limit_when_the_host_is_silent() {
    let mut rig = Rig::with(LinkSettings { shutdown_timeout_ms: 5_000, ..settings() });
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    host.receive().await;
    let began = Instant::now();
    rig.link.shutdown().await;
    assert!(began.elapsed() <= Duration::from_millis(5_010), "{:?}", began.elapsed());
    assert_eq!(host.receive().await.text(70), Some("002"), "it tried to sign off");
    assert_eq!(exchange.await.unwrap().result, LINK_BROKEN);
}

#[tokio::test(start_paused = true)]
async fn shutdown_between_connections_returns_at_once() {
    let mut rig = Rig::with(LinkSettings { backoff_ms_min: 60_000, backoff_ms_max: 60_000, ..settings() });
    drop(rig.accept().await);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let began = Instant::now();
    rig.link.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn over_tcp_it_connects_signs_on_and_comes_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings = LinkSettings { address, backoff_ms_min: 5, ..settings() };
    let spec = std::sync::Arc::new(tollgate_iso8583::Spec::builtin(&settings.spec).unwrap());
    let framing = settings.framing.parse().unwrap();
    let (late, _late) = tokio::sync::mpsc::channel(1);
    let link = IsoLink::start(settings, std::sync::Arc::new(FixedClock), late).unwrap();
    for number in 1..=2 {
        let (io, _) = listener.accept().await.unwrap();
        let mut host = Host::new(io, std::sync::Arc::clone(&spec), framing);
        host.sign_on().await;
        until(|| link.state() == LinkState::Up).await;
        let (exchange, ()) = tokio::join!(link.exchange(request(NetworkKind::Purchase, number)), async {
            let message = host.receive().await;
            host.answer(&message, "00").await;
        });
        assert!(is_approved(&exchange.result));
        drop(host);
        until(|| link.state() == LinkState::Down).await;
    }
    link.shutdown().await;
}

#[tokio::test]
async fn settings_that_make_no_link_are_refused() {
    let start = |settings: LinkSettings| {
        let (late, _) = tokio::sync::mpsc::channel(1);
        IsoLink::start(settings, std::sync::Arc::new(FixedClock), late).err()
    };
    assert!(matches!(start(LinkSettings { spec: "none".into(), ..settings() }), Some(SettingsError::Spec(_))));
    assert!(matches!(start(LinkSettings { framing: "none".into(), ..settings() }), Some(SettingsError::Framing(_))));
    assert!(matches!(start(LinkSettings { in_flight_max: 0, ..settings() }), Some(SettingsError::Range { .. })));
}
