//! Many exchanges over one connection: who gets which answer, and what is late, double or unreadable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use support::*;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tollgate_acquirer::{Acquirer, ExchangeResult, LinkSettings, NetworkKind, NetworkReply, NotSent, UnknownReason};
use tollgate_iso8583::Message;

const NO_ANSWER: ExchangeResult = ExchangeResult::Unknown(UnknownReason::NoAnswer);

fn approved() -> ExchangeResult {
    ExchangeResult::Answered(NetworkReply { authorization_code: Some("A1B2C3".into()), ..NetworkReply::bare("00") })
}

#[tokio::test(start_paused = true)]
async fn answers_in_reverse_order_find_their_owners() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchanges: Vec<_> = (1..=50).map(|number| rig.spawn(request(NetworkKind::Authorize, number))).collect();
    let mut requests = Vec::new();
    for _ in 0..50 {
        requests.push(host.receive().await);
    }
    for request in requests.iter().rev() {
        let code = request.text(11).unwrap().get(4..).unwrap().to_owned();
        host.answer(request, &code).await;
    }
    for (index, exchange) in exchanges.into_iter().enumerate() {
        let ExchangeResult::Answered(reply) = exchange.await.unwrap().result else { panic!("{index}") };
        assert_eq!(reply.code, format!("{:02}", index + 2), "the stan of message {index}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_leaves_the_outcome_unknown_after_the_time_limit() {
    let mut rig = Rig::with(LinkSettings { answer_timeout_ms: 20_000, ..settings() });
    let mut host = rig.signed_on().await;
    // The limit counts from the message, whatever the link is waiting for besides.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let began = Instant::now();
    let first = rig.spawn(request(NetworkKind::Authorize, 1));
    host.receive().await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let second = rig.spawn(request(NetworkKind::Authorize, 2));
    host.receive().await;
    assert_eq!(first.await.unwrap().result, NO_ANSWER);
    assert_eq!(began.elapsed().as_millis() / 100, 200);
    assert_eq!(second.await.unwrap().result, NO_ANSWER);
    assert_eq!(began.elapsed().as_millis() / 100, 250);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_goes_to_the_late_ones_and_its_double_nowhere() {
    let recorder = Recorder::default();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Purchase, 7));
    let message = host.receive().await;
    assert_eq!(exchange.await.unwrap().result, NO_ANSWER);
    host.answer(&message, "51").await;
    host.answer(&message, "51").await;
    let late = rig.late_reply().await;
    assert_eq!((late.kind, late.wire, late.reply.code.as_str()), (NetworkKind::Purchase, wire(7), "51"));
    assert!(late.trace.0.contains("0210") && !late.trace.0.contains(PAN));
    host.flush_through_link().await;
    assert!(rig.late.try_recv().is_err());
    assert_eq!(recorder.count("tollgate_link_duplicate_total", ""), 1);
    assert_eq!(recorder.count("tollgate_link_late_total", "delivered"), 1);
    assert_eq!(recorder.count("tollgate_link_messages_total", "kind=purchase,result=unknown_no_answer"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_doubled_answer_is_taken_once() {
    let recorder = Recorder::default();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    let message = host.receive().await;
    host.answer(&message, "00").await;
    host.answer(&message, "00").await;
    assert_eq!(exchange.await.unwrap().result, approved());
    host.flush_through_link().await;
    assert!(rig.late.try_recv().is_err());
    assert_eq!(recorder.count("tollgate_link_duplicate_total", ""), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_nothing_is_counted_and_dropped() {
    let recorder = Recorder::default();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    let message = host.receive().await;
    let mut stranger = answer_to(&message, "00");
    stranger.set(37, "ZZZZZZZZZZZZ").unwrap();
    host.send(&stranger).await;
    let mut other_type = answer_to(&message, "00");
    other_type.set_mti("0210".parse().unwrap());
    host.send(&other_type).await;
    let mut advice = answer_to(&message, "00");
    advice.set_mti("0620".parse().unwrap());
    host.send(&advice).await;
    host.answer(&message, "05").await;
    let ExchangeResult::Answered(reply) = exchange.await.unwrap().result else { panic!() };
    assert_eq!(reply.code, "05");
    assert_eq!(recorder.count("tollgate_link_unmatched_total", ""), 3);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_by_the_answer_to_the_first() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let first = rig.spawn(later(NetworkKind::CaptureAdvice, 2));
    let message = host.receive().await;
    assert_eq!(first.await.unwrap().result, NO_ANSWER);
    let repeat = rig.spawn(later(NetworkKind::CaptureAdviceRepeat, 2));
    assert_eq!(host.receive().await.mti(), Some("0221".parse().unwrap()));
    host.answer(&message, "00").await;
    assert_eq!(repeat.await.unwrap().result, approved());
    host.answer(&message, "00").await;
    host.flush_through_link().await;
    assert!(rig.late.try_recv().is_err(), "the second answer is a double, not late");
}

#[tokio::test(start_paused = true)]
async fn two_messages_of_one_name_are_not_sent_at_once() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let first = rig.spawn(request(NetworkKind::Authorize, 1));
    let message = host.receive().await;
    let second = rig.result(request(NetworkKind::Authorize, 1)).await;
    assert_eq!(second, ExchangeResult::NotSent(NotSent::Unbuildable));
    host.answer(&message, "00").await;
    assert_eq!(first.await.unwrap().result, approved());
}

#[tokio::test(start_paused = true)]
async fn garbage_with_the_number_of_a_message_makes_only_that_one_unknown() {
    for spec in ["iso8583-1987-ascii", "iso8583-1987-bcd"] {
        let mut rig = Rig::with(LinkSettings { spec: spec.into(), ..settings() });
        let mut host = rig.signed_on().await;
        let hit = rig.spawn(request(NetworkKind::Authorize, 1));
        let hit_message = host.receive().await;
        let spared = rig.spawn(request(NetworkKind::Authorize, 2));
        let spared_message = host.receive().await;
        // Cut off after field 37: its number is there, the rest is not.
        let whole = host.frame(&answer_to(&hit_message, "00"));
        let cut = whole.get(2..whole.len() - 20).unwrap().to_vec();
        for garbage in [&cut[..], b"\xff\xff\xff\xff", b"0110 and nothing that makes sense"] {
            let frame = host.raw_frame(garbage);
            host.io.write_all(&frame).await.unwrap();
        }
        host.answer(&spared_message, "00").await;
        let exchange = hit.await.unwrap();
        assert_eq!(exchange.result, ExchangeResult::Unknown(UnknownReason::Unreadable), "{spec}");
        assert_eq!(spared.await.unwrap().result, approved(), "{spec}");
        // A readable answer to it is late, not lost.
        host.answer(&hit_message, "00").await;
        assert_eq!(rig.late_reply().await.wire, wire(1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_must_not_be_acted_on_leaves_the_outcome_unknown() {
    let spoils: [fn(&mut Message); 5] = [
        |answer| assert!(answer.remove(39)),
        |answer| answer.set(39, "0 ").unwrap(),
        |answer| answer.set(4, "000000000999").unwrap(),
        |answer| answer.set(49, "840").unwrap(),
        |answer| assert!(answer.remove(11)),
    ];
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    for (index, spoil) in spoils.into_iter().enumerate() {
        let exchange = rig.spawn(request(NetworkKind::Authorize, index as u32));
        let mut answer = answer_to(&host.receive().await, "00");
        spoil(&mut answer);
        host.send(&answer).await;
        let result = exchange.await.unwrap().result;
        assert_eq!(result, ExchangeResult::Unknown(UnknownReason::Unreadable), "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_approval_is_an_answer_that_is_no_approval() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    let mut answer = answer_to(&host.receive().await, "10");
    answer.set(4, "000000000500").unwrap();
    host.send(&answer).await;
    let ExchangeResult::Answered(reply) = exchange.await.unwrap().result else { panic!() };
    assert!(reply.code == "10" && !reply.is_approval());
}

#[tokio::test(start_paused = true)]
async fn frames_in_pieces_and_keepalives_between_them_are_put_together() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchanges: Vec<_> = (1..=3).map(|number| rig.spawn(request(NetworkKind::Authorize, number))).collect();
    let mut stream = Vec::new();
    for _ in 0..3 {
        let message = host.receive().await;
        stream.extend(host.frame(&answer_to(&message, "00")));
        stream.extend(host.raw_frame(b""));
    }
    for piece in stream.chunks(7) {
        host.io.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    for exchange in exchanges {
        assert_eq!(exchange.await.unwrap().result, approved());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_given_up_by_its_caller_is_late_when_it_is_answered() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    let message = host.receive().await;
    exchange.abort();
    assert!(exchange.await.unwrap_err().is_cancelled());
    host.answer(&message, "00").await;
    let late = rig.late_reply().await;
    assert_eq!((late.wire, late.reply.is_approval()), (wire(1), true));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_its_caller_never_looked_at_is_late() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let link = std::sync::Arc::clone(&rig.link);
    let mut exchange = link.exchange(request(NetworkKind::Authorize, 1));
    // Polled once: sent. The answer then reaches a future that nobody polls again.
    assert!(poll_fn(|cx| Poll::Ready(exchange.as_mut().poll(cx).is_pending())).await);
    let message = host.receive().await;
    host.answer(&message, "00").await;
    host.flush_through_link().await;
    drop(exchange);
    assert_eq!(rig.late_reply().await.wire, wire(1));
}

#[tokio::test(start_paused = true)]
async fn late_answers_beyond_the_channel_are_dropped_and_counted() {
    let recorder = Recorder::default();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut rig = Rig::with_pipes(settings(), 1 << 20, 1);
    let mut host = rig.signed_on().await;
    for number in 1..=3 {
        let exchange = rig.spawn(request(NetworkKind::Authorize, number));
        let message = host.receive().await;
        exchange.abort();
        let _ = exchange.await;
        host.answer(&message, "00").await;
    }
    host.flush_through_link().await;
    assert_eq!(rig.late_reply().await.wire, wire(1));
    assert_eq!(recorder.count("tollgate_link_late_total", "dropped"), 2);
}

#[tokio::test(start_paused = true)]
async fn the_trace_has_both_messages_masked() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
    let message = host.receive().await;
    host.answer(&message, "00").await;
    let trace = exchange.await.unwrap().trace.0;
    let lines: Vec<&str> = trace.lines().collect();
    let [sent, received] = lines[..] else { panic!("{trace}") };
    assert!(sent.starts_with(&format!("{} > 0100;2=400555", NOW.0)), "{sent}");
    assert!(received.starts_with(&format!("{} < 0110;2=400555", NOW.0)) && received.contains(";39=00"), "{received}");
    assert!(!trace.contains(PAN) && !trace.contains(&format!("={SECURITY_CODE}")), "{trace}");
}

/// Callers on two threads, a third of whom lose patience at any moment between handing over and reading the verdict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answered_message_reaches_its_caller_or_the_late_ones_exactly_once() {
    const CALLERS: u32 = 32;
    const MESSAGES: u32 = 60;
    let mut rig = Rig::with_pipes(settings(), 1 << 16, 10_000);
    let mut host = rig.signed_on().await;
    let answering = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(message) = host.receive_or_end().await {
            host.answer(&message, "00").await;
            if message.has(37) {
                seen.push(message.text(37).unwrap().to_owned());
            }
        }
        seen
    });
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let link = std::sync::Arc::clone(&rig.link);
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for message in 0..MESSAGES {
                    let number = caller * MESSAGES + message;
                    let patience = async {
                        for _ in 0..number % 7 {
                            tokio::task::yield_now().await;
                        }
                    };
                    let exchange = link.exchange(request(NetworkKind::Authorize, number));
                    if number.is_multiple_of(3) {
                        tokio::select! {
                            biased;
                            exchange = exchange => answered.push((number, exchange.result)),
                            () = patience => {}
                        }
                    } else {
                        answered.push((number, exchange.await.result));
                    }
                }
                answered
            })
        })
        .collect();
    let mut ended = Vec::new();
    for caller in callers {
        for (number, result) in caller.await.unwrap() {
            assert_eq!(result, approved(), "{number}");
            ended.push(wire(number).rrn.as_str().to_owned());
        }
    }
    rig.link.shutdown().await;
    let mut seen = answering.await.unwrap();
    drop(rig.link);
    while let Some(late) = rig.late.recv().await {
        ended.push(late.wire.rrn.as_str().to_owned());
    }
    ended.sort();
    seen.sort();
    assert!(ended.windows(2).all(|pair| pair[0] != pair[1]), "nobody is told twice");
    assert_eq!(ended, seen);
}
