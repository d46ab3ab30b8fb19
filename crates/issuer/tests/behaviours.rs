//! Each row of data/behaviours.toml over a real socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};
use support::*;
use tollgate_issuer::{Behaviour, Behaviours};

/// Sends a payment and checks that it comes to what its behaviour says.
async fn check(issuer: &tollgate_issuer::Issuer, name: Name, message: &tollgate_iso8583::Message, expected: Behaviour) {
    let before = aed(issuer).await;
    let entries_before = totals(issuer).await.entries;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let sent = Instant::now();
    acquirer.send(message).await;
    let amount = message.text(4).unwrap().to_owned();
    match expected {
        Behaviour::Approve | Behaviour::DeclineLater(_) | Behaviour::Slow | Behaviour::Late | Behaviour::Doubled => {
            let answer = acquirer.answer().await;
            assert_eq!(answer.text(39), Some("00"));
            assert_eq!(answer.text(38).map(str::len), Some(6));
            assert_eq!(answer.text(4), Some(amount.as_str()));
            let wait_ms = match expected {
                Behaviour::Slow => SLOW_MS,
                Behaviour::Late => LATE_MS,
                _ => 0,
            };
            assert!(sent.elapsed() >= Duration::from_millis(wait_ms));
            if expected == Behaviour::Doubled {
                assert!(acquirer.answer().await == answer, "the same answer once more");
            }
        }
        Behaviour::Decline(code) => {
            let answer = acquirer.answer().await;
            assert_eq!(answer.text(39), Some(code.as_str()));
            assert_eq!(answer.text(38), None, "a decline has no authorization code");
        }
        Behaviour::ThreeDSecure => assert_eq!(acquirer.answer().await.text(39), Some("1A")),
        Behaviour::Silent => until_entries(issuer, entries_before + 1).await,
        Behaviour::Garbage | Behaviour::CutShort => assert!(matches!(acquirer.hear().await, Heard::Unreadable)),
        Behaviour::NoCode => {
            let answer = acquirer.answer().await;
            assert_eq!((answer.text(39), answer.text(37)), (None, Some(name.rrn().as_str())));
        }
        Behaviour::WrongAmount => {
            let answer = acquirer.answer().await;
            assert_eq!(answer.text(39), Some("00"));
            assert_ne!(answer.text(4), Some(amount.as_str()));
        }
        Behaviour::DropBefore | Behaviour::DropAfter => assert!(matches!(acquirer.hear().await, Heard::Closed)),
    }
    if !matches!(expected, Behaviour::DropBefore | Behaviour::DropAfter) {
        // The network answers in order, so an echo that is answered next shows that nothing else was on its way.
        acquirer.network("301").await;
    }
    let is_booked = !matches!(expected, Behaviour::Decline(_) | Behaviour::ThreeDSecure | Behaviour::DropBefore);
    let held = if is_booked { amount.parse().unwrap() } else { 0 };
    assert_eq!(aed(issuer).await.held - before.held, held);
    let entries = entries(issuer, name).await.len();
    assert_eq!(entries, usize::from(expected != Behaviour::DropBefore));
}

#[tokio::test]
async fn every_card_does_what_its_row_says() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let table = Behaviours::builtin().unwrap();
    for (number, row) in (1..).zip(table.cards()) {
        let name = Name(number);
        let mut message = authorization(name, row.number(), 12_345);
        if let Some(expiry) = row.expiry {
            message.set(14, expiry.to_string()).unwrap();
        }
        println!("{row:?}");
        check(&issuer, name, &message, row.behaviour).await;
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn every_amount_does_what_its_row_says_on_every_amount_card() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let table = Behaviours::builtin().unwrap();
    let mut number = 0;
    for card in table.amount_cards() {
        for row in table.amounts() {
            number += 1;
            println!("{card:?} {row:?}");
            let amount = 300_000 + u64::from(row.last_digits);
            check(&issuer, Name(number), &authorization(Name(number), card.number(), amount), row.behaviour).await;
        }
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn amounts_do_nothing_on_other_cards() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    for (number, row) in (1..).zip(Behaviours::builtin().unwrap().amounts()) {
        let message = authorization(Name(number), GOOD_CARD, row.last_digits.into());
        assert_eq!(acquirer.code(&message).await, "00");
    }
    issuer.shutdown().await;
}

const VALUE: &str = "AAABBWcSNIdjeUZThmNHAAAAAAA=";
const DS_TRANSACTION_ID: &str = "f38e6948-5388-41a6-bca4-b49723c19437";
const XID: &str = "MDAwMDAwMDAwMDAwMDAwMzIyNzY=";

#[tokio::test]
async fn three_d_secure_cards_are_approved_when_authenticated_exempt_or_not_ecommerce() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let table = Behaviours::builtin().unwrap();
    let cards: Vec<_> = table.cards().iter().filter(|row| row.behaviour == Behaviour::ThreeDSecure).collect();
    assert_eq!(cards.len(), 14);
    let mut number = 0;
    for card in cards {
        for (condition, private, expected) in [
            ("59", &[(42, "210"), (92, "123")][..], "1A"),
            ("59", &[(42, "212"), (92, "123")][..], "1A"),
            ("59", &[(11, VALUE), (42, "212"), (92, "123")][..], "00"),
            ("59", &[(11, VALUE), (12, DS_TRANSACTION_ID), (13, "2.2.0"), (42, "211"), (92, "123")][..], "1A"),
            ("59", &[(11, VALUE), (14, XID), (42, "212"), (92, "123")][..], "00"),
            ("59", &[(11, VALUE), (42, "210"), (92, "123")][..], "1A"),
            ("59", &[(11, VALUE), (12, "no UUID"), (42, "212"), (92, "123")][..], "1A"),
            ("59", &[(11, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), (42, "212"), (92, "123")][..], "1A"),
            ("59", &[(42, "210"), (44, "N")][..], "00"),
            ("08", &[(92, "123")][..], "00"),
        ] {
            for mti in ["0100", "0200"] {
                number += 1;
                let mut message = payment(mti, Name(number), card.number(), 100);
                message.set(25, condition).unwrap();
                set_private(&mut message, private);
                assert_eq!(acquirer.code(&message).await, expected, "{card:?} {mti} {condition} {private:?}");
            }
        }
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_card_may_decline_captures_and_refunds_and_still_be_voided() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let card = "4005559000009003";
    assert_eq!(acquirer.code(&authorization(Name(1), card, 500)).await, "00");
    assert_eq!(acquirer.code(&capture(Name(2), card, 500, Name(1))).await, "05");
    assert_eq!(acquirer.code(&void(Name(3), card, 500, Name(1))).await, "00");
    assert_eq!(acquirer.code(&purchase(Name(4), card, 500)).await, "00");
    assert_eq!(acquirer.code(&refund(Name(5), card, 500, Name(4), "0200")).await, "05");
    issuer.shutdown().await;
}

#[tokio::test]
async fn amounts_misbehave_on_captures_and_refunds_too_and_repeats_are_answered_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let card = "4005559100007709";
    assert_eq!(acquirer.code(&authorization(Name(1), card, 200_000)).await, "00");
    assert_eq!(acquirer.code(&capture(Name(2), card, 90_051, Name(1))).await, "51");
    // No answer to the first transmission; the repeat is answered as the first one was, and counts once.
    let silent = capture(Name(3), card, 90_102, Name(1));
    acquirer.send(&silent).await;
    let mut repeat = silent.clone();
    repeat.set_mti("0221".parse().unwrap());
    assert_eq!(acquirer.code(&repeat).await, "00");
    assert_eq!(aed(&issuer).await.posted, 90_102);
    assert_eq!(acquirer.code(&refund(Name(4), card, 90_005, Name(1), "0100")).await, "05");
    // The link drops before the capture is booked; its repeat is the first that counts.
    let dropped = capture(Name(5), card, 90_106, Name(1));
    acquirer.send(&dropped).await;
    assert!(matches!(acquirer.hear().await, Heard::Closed));
    assert!(entries(&issuer, Name(5)).await.is_empty());
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let mut repeat = dropped.clone();
    repeat.set_mti("0221".parse().unwrap());
    assert_eq!(acquirer.code(&repeat).await, "00");
    // Reversals never misbehave.
    let silent = authorization(Name(6), card, 90_102);
    acquirer.send(&silent).await;
    assert_eq!(acquirer.code(&reversal(Name(6), "0100", card, 90_102)).await, "00");
    let sums = aed(&issuer).await;
    assert_eq!((sums.held, sums.posted), (200_000 - 90_102 - 90_106, 90_102 + 90_106));
    issuer.shutdown().await;
}

#[tokio::test]
async fn an_expired_card_and_a_wrong_number_are_declined() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let mut expired = authorization(Name(1), GOOD_CARD, 100);
    expired.set(14, "2001").unwrap();
    assert_eq!(acquirer.code(&expired).await, "54");
    assert_eq!(acquirer.code(&authorization(Name(2), "4005550000000002", 100)).await, "14");
    // A number that no table has gets an account on first use.
    assert_eq!(acquirer.code(&authorization(Name(3), "4111111111111111", 100)).await, "00");
    issuer.shutdown().await;
}
