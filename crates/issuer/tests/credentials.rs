//! Names of payments, and what charges without the cardholder go back to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::*;
use tollgate_iso8583::{Message, Subelements};

const OTHER_CARD: &str = "5123456789012346";

/// A purchase that says of a kept card what `subelements` say.
fn told(name: Name, card: &str, subelements: &[(u8, &str)]) -> Message {
    let mut message = purchase(name, card, 100);
    message.remove(48);
    message.set(25, "08").unwrap();
    if !subelements.is_empty() {
        set_private(&mut message, subelements);
    }
    message
}

/// A subelement of an answer's field 48.
fn private(answer: &Message, tag: u8) -> Option<String> {
    let mut elements = Subelements::new(answer.get(48).unwrap_or_default()).map(Result::unwrap);
    let found = elements.find(|element| element.tag == tag)?;
    Some(String::from_utf8(found.value.to_vec()).unwrap())
}

#[tokio::test]
async fn each_approved_payment_has_a_name_of_its_own_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let mut names = Vec::new();
    for number in 1..=20 {
        let answer = acquirer.ask(&purchase(Name(number), GOOD_CARD, 100)).await;
        names.push(private(&answer, 63).unwrap());
    }
    for name in &names {
        assert!(name.len() == 15 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        assert!(name.starts_with('T'), "{name} is not taken for a card number");
    }
    let again = acquirer.ask(&purchase(Name(3), GOOD_CARD, 100)).await;
    assert_eq!(private(&again, 63).as_ref(), Some(&names[2]), "a repeat is answered as the first one was");
    let declined = acquirer.ask(&purchase(Name(30), "4005559000001000", 100)).await;
    assert_eq!((declined.text(39), private(&declined, 63)), (Some("05"), None));
    let refunded = acquirer.ask(&refund(Name(31), GOOD_CARD, 1, Name(1), "0200")).await;
    assert_eq!((refunded.text(39), private(&refunded, 63)), (Some("00"), None));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 20);
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_charge_goes_back_to_a_payment_that_the_cardholder_made_with_the_same_card() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let first = [(20, "C"), (21, "1R")];
    let mut named = async |name, card, subelements: &[(u8, &str)]| {
        private(&acquirer.ask(&told(name, card, subelements)).await, 63).unwrap()
    };
    let own = named(Name(1), GOOD_CARD, &first).await;
    let not_kept = named(Name(2), GOOD_CARD, &[]).await;
    let of_another = named(Name(3), OTHER_CARD, &first).await;
    let undone = named(Name(4), GOOD_CARD, &first).await;
    let by_merchant = named(Name(5), GOOD_CARD, &[(20, "M"), (21, "2R"), (22, &own)]).await;
    assert_eq!(acquirer.code(&reversal(Name(4), "0200", GOOD_CARD, 100)).await, "00");
    let wrong_name = format!("{}0", own.get(..14).unwrap());
    for (number, (what, original, expected)) in (10..).zip([
        ("the cardholder's own", Some(own.as_str()), "00"),
        ("none that is known", None, "00"),
        ("a payment whose card was not kept", Some(&not_kept), "12"),
        ("one of another card", Some(&of_another), "12"),
        ("one that was undone", Some(&undone), "12"),
        ("a charge", Some(&by_merchant), "12"),
        ("a name that was never given", Some(&wrong_name), "12"),
        ("no name of this network", Some("123456789012345"), "12"),
        ("a name that is too long", Some("T1234567890123456789"), "12"),
    ]) {
        let mut subelements = vec![(20, "M"), (21, "2S")];
        subelements.extend(original.map(|original| (22, original)));
        let answer = acquirer.ask(&told(Name(number), GOOD_CARD, &subelements)).await;
        assert_eq!(answer.text(39), Some(expected), "{what}");
        let is_read = !what.contains("too long");
        let advice = (expected == "12" && is_read).then_some("03");
        assert_eq!(private(&answer, 84).as_deref(), advice, "{what}");
    }
    let [linked] = entries(&issuer, Name(10)).await.try_into().unwrap();
    assert_eq!((linked.link.as_deref(), linked.original_transaction_id), (Some("linked"), Some(own)));
    assert_eq!((linked.initiator.as_deref(), linked.credential.as_deref()), (Some("merchant"), Some("2S")));
    let [unlinked] = entries(&issuer, Name(11)).await.try_into().unwrap();
    assert_eq!((unlinked.link.as_deref(), unlinked.original_transaction_id), (Some("unlinked"), None));
    let [first] = entries(&issuer, Name(1)).await.try_into().unwrap();
    assert_eq!((first.link, first.initiator.as_deref()), (None, Some("customer")));
    issuer.shutdown().await;
}

#[tokio::test]
async fn what_a_message_says_of_a_kept_card_fits_together() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    for (number, wrong) in (1..).zip([
        vec![(20, "C")],
        vec![(21, "1R")],
        vec![(22, "T00000000000000")],
        vec![(20, "X"), (21, "1R")],
        vec![(20, "C"), (21, "3R")],
        vec![(20, "C"), (21, "1X")],
        vec![(20, "C"), (21, "1")],
        // The cardholder's own payment goes back to nothing, and a charge is never the first.
        vec![(20, "C"), (21, "2R"), (22, "T00000000000000")],
        vec![(20, "M"), (21, "1R")],
        // Nobody was there who could have told the code.
        vec![(20, "M"), (21, "2R"), (92, "123")],
    ]) {
        assert_eq!(acquirer.code(&told(Name(number), GOOD_CARD, &wrong)).await, "30", "{wrong:?}");
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn the_names_outlive_the_process_and_an_older_file_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let own = private(&acquirer.ask(&told(Name(1), GOOD_CARD, &[(20, "C"), (21, "1U")])).await, 63).unwrap();
    drop(acquirer);
    issuer.shutdown().await;

    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let charge = told(Name(2), GOOD_CARD, &[(20, "M"), (21, "2U"), (22, &own)]);
    assert_eq!(acquirer.code(&charge).await, "00");
    drop(acquirer);
    issuer.shutdown().await;

    let file = rusqlite::Connection::open(settings(folder.path()).data_path).unwrap();
    for column in ["transaction_id", "initiator", "credential", "original_transaction_id"] {
        file.execute_batch(&format!("ALTER TABLE entries DROP COLUMN {column}")).unwrap();
    }
    file.pragma_update(None, "user_version", 1).unwrap();
    drop(file);
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    assert_eq!(totals(&issuer).await.entries, 2, "what was decided before is still there");
    let charge = told(Name(3), GOOD_CARD, &[(20, "M"), (21, "2U"), (22, &own)]);
    assert_eq!(acquirer.code(&charge).await, "12", "names were not kept then");
    issuer.shutdown().await;
}
