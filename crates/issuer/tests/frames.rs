//! Bytes that no acquirer sends: the network loses nothing, hangs nothing and goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::time::Duration;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_issuer::{Issuer, IssuerLimits, IssuerSettings};

/// Deterministic noise.
fn noise(runner: &mut TestRunner, bytes_max: usize) -> Vec<u8> {
    let tree = prop::collection::vec(any::<u8>(), 0..bytes_max).new_tree(runner).unwrap();
    prop::strategy::ValueTree::current(&tree)
}

#[tokio::test]
async fn frames_that_are_no_messages_are_counted_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..200 {
        let bytes = noise(&mut runner, 300);
        let mut out = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        out.extend(bytes);
        acquirer.stream.write_all(&out).await.unwrap();
    }
    acquirer.network("301").await;
    assert!(stats(&issuer).await.unreadable > 150);
    assert_eq!(acquirer.code(&purchase(Name(1), GOOD_CARD, 1)).await, "00");
    issuer.shutdown().await;
}

#[tokio::test]
async fn mutated_messages_are_answered_or_dropped_and_the_connection_lives() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let mut runner = TestRunner::deterministic();
    for number in 0..300u32 {
        let mut out = Vec::new();
        acquirer.frame(&capture(Name(number), GOOD_CARD, 5, Name(number)), &mut out);
        let changes = noise(&mut runner, 8);
        for pair in changes.chunks_exact(2) {
            let place = 2 + usize::from(pair[0]) % (out.len() - 2);
            out[place] = if pair[1] < 128 { b'0' + pair[1] % 10 } else { pair[1] };
        }
        acquirer.stream.write_all(&out).await.unwrap();
    }
    // Whatever was answered comes before the answer to this sign-off.
    let mut sign_off = tollgate_iso8583::Message::new();
    sign_off.set_mti("0800".parse().unwrap());
    for (field, value) in [(7, "1120101112"), (11, "999999"), (70, "002")] {
        sign_off.set(field, value).unwrap();
    }
    acquirer.send(&sign_off).await;
    while acquirer.answer().await.text(70) != Some("002") {}
    assert_eq!(aed(&issuer).await.held, 0, "nothing of it could hold money");
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_stream_without_frames_ends_the_connection_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut other = Acquirer::signed_on(issuer.iso_address()).await;
    let mut acquirer = Acquirer::connect(issuer.iso_address()).await;
    // A length that no frame may have.
    acquirer.stream.write_all(&[0xFF, 0xFF, 1, 2, 3]).await.unwrap();
    assert!(matches!(acquirer.hear().await, Heard::Closed));
    other.network("301").await;
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_too_many_are_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let limits = IssuerLimits { idle_ms_max: 100, connections_max: 1, ..IssuerLimits::default() };
    let issuer = Issuer::start(IssuerSettings { limits, ..settings(folder.path()) }).await.unwrap();
    let mut first = Acquirer::connect(issuer.iso_address()).await;
    first.network("301").await;
    let mut second = Acquirer::connect(issuer.iso_address()).await;
    assert!(matches!(second.hear().await, Heard::Closed));
    assert!(matches!(first.hear().await, Heard::Closed));
    let stats = stats(&issuer).await;
    assert_eq!((stats.connections_total, stats.connections_refused), (1, 1));
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_message_in_pieces_and_a_half_closed_connection_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let mut out = Vec::new();
    acquirer.frame(&purchase(Name(1), GOOD_CARD, 1), &mut out);
    for piece in out.chunks(7) {
        acquirer.stream.write_all(piece).await.unwrap();
        acquirer.stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    // Saying that no more will be sent takes nothing from the answer.
    acquirer.stream.shutdown().await.unwrap();
    assert_eq!(acquirer.answer().await.text(39), Some("00"));
    let mut rest = Vec::new();
    let end = acquirer.stream.read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_millis(PATIENCE_MS), end).await.expect("it closes").unwrap();
    assert!(rest.is_empty());
    issuer.shutdown().await;
}

#[tokio::test]
async fn the_binary_dialect_works_under_a_tpdu() {
    let folder = tempfile::tempdir().unwrap();
    let framing = "ascii4+tpdu:6000010002";
    let issuer = Issuer::start(IssuerSettings {
        spec: "iso8583-1987-bcd".into(),
        framing: framing.into(),
        ..settings(folder.path())
    })
    .await
    .unwrap();
    let mut acquirer = Acquirer::connect_with(issuer.iso_address(), "iso8583-1987-bcd", framing).await;
    acquirer.network("001").await;
    assert_eq!(acquirer.code(&authorization(Name(1), GOOD_CARD, 100)).await, "00");
    assert_eq!(acquirer.code(&capture(Name(2), GOOD_CARD, 100, Name(1))).await, "00");
    assert_eq!(aed(&issuer).await.posted, 100);
    issuer.shutdown().await;
}
