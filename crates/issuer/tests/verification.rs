//! A question about an account (0100, amount zero, field 25 = 51): the card is really looked at, and no money moves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::*;
use tollgate_iso8583::Message;

const VISA: &str = "4005550000000001";
const AMEX: &str = "345678901234564";

fn question(name: Name, card: &str, security_code: &str) -> Message {
    let mut message = authorization(name, card, 0);
    message.set(25, "51").unwrap();
    match security_code {
        "" => {
            message.remove(48);
        }
        code => message.set(48, format!("92{:02}{code}", code.len())).unwrap(),
    }
    message
}

#[tokio::test]
async fn a_card_is_looked_at_and_no_money_moves() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    for (number, (card, code, expected)) in (1..).zip([
        (VISA, "", "00"),
        (VISA, "123", "00"),
        (VISA, "124", "63"),
        (AMEX, "1234", "00"),
        (AMEX, "123", "63"),
        // No brand has such numbers.
        ("1000000000000008", "123", "14"),
        // Declined by its row, however right the code is.
        ("4005559000001000", "123", "05"),
        // 3-D Secure is a matter of payments.
        ("4005559000008005", "123", "00"),
    ]) {
        acquirer.send(&question(Name(number), card, code)).await;
        let answer = acquirer.answer().await;
        assert_eq!(answer.text(39), Some(expected), "{card} {code}");
        assert_eq!(answer.text(38).is_some(), expected == "00", "{card}");
    }
    let mut expired = question(Name(90), VISA, "123");
    expired.set(14, "2001").unwrap();
    acquirer.send(&expired).await;
    assert_eq!(acquirer.answer().await.text(39), Some("54"));
    let mut with_money = question(Name(91), VISA, "123");
    with_money.set(4, "000000000100").unwrap();
    acquirer.send(&with_money).await;
    assert_eq!(acquirer.answer().await.text(39), Some("12"), "a question has no amount");
    assert_eq!(aed(&issuer).await.held, 0);
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_question_is_answered_once_and_may_be_reversed() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    acquirer.send(&question(Name(1), VISA, "123")).await;
    let first = acquirer.answer().await;
    acquirer.send(&question(Name(1), VISA, "123")).await;
    assert!(acquirer.answer().await == first, "a repeat is answered as the first one was");
    acquirer.send(&reversal(Name(1), "0100", VISA, 0)).await;
    assert_eq!(acquirer.answer().await.text(39), Some("00"));
    acquirer.send(&reversal(Name(2), "0100", VISA, 0)).await;
    assert_eq!(acquirer.answer().await.text(39), Some("00"), "one that never came is acknowledged");
    acquirer.send(&question(Name(2), VISA, "123")).await;
    assert_eq!(acquirer.answer().await.text(39), Some("94"), "and counts no more");
    issuer.shutdown().await;
}
