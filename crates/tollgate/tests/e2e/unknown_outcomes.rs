//! Money when the network's answer is late, missing or spoilt: the merchant is told that nobody knows,
//! the operation settles by itself, and in the end both books are equal.

use crate::support::books::{self, Sums};
use crate::support::card_network::CardNetwork;
use crate::support::{Gateway, Merchant, QUICK, all_at_once, field, operation, payment, status, wait_for};
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicUsize, Ordering};

const GOOD: &str = "4005550000000001";
const LATE: &str = "4005559000004004";
const SILENT: &str = "4005559000005001";
/// On this card the last five digits of the amount decide.
const BY_AMOUNT: &str = "4005559100007709";
const MASKS: [&str; 4] = ["400555******0001", "400555******4004", "400555******5001", "400555******7709"];

#[test]
fn a_late_approval_settles_the_payment_and_nothing_is_reversed() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    for (command, reference, approved) in [("PURCHASE", "late-p", "14000"), ("AUTHORIZATION", "late-a", "02000")] {
        let answer = gateway.call(&demo, &payment(command, reference, "1000", LATE));
        assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
        assert_eq!(field(&answer, "authorization_code"), "", "{answer:?}");
        let told = settled(&gateway, &demo, reference);
        assert_eq!(field(&told, "transaction_code"), approved, "{told:?}");
        assert_eq!(field(&told, "authorized_amount"), "1000");
        assert_eq!(field(&told, "authorization_code").len(), 6, "the late answer brings the code: {told:?}");
        let story = story(&gateway, reference);
        let paid = &story["operations"][0];
        let events: Vec<_> =
            paid["outcomes"].as_array().unwrap().iter().map(|o| o["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["no_answer", "approved"]);
        assert_eq!(paid["recovery_messages"], serde_json::json!([]), "nothing was reversed");
        // What was settled late can be worked with like any other.
        let next = if command == "PURCHASE" { "REFUND" } else { "CAPTURE" };
        let answer = gateway.call(&demo, &operation(next, reference, "400"));
        assert_eq!(field(&answer, "response_message"), "Success", "{answer:?}");
    }
    assert_books_equal(&gateway, &demo, &["late-p", "late-a"]);
    assert_eq!(gateway.metric("tollgate_link_late_total{fate=\"delivered\"}"), Some(2.0));
}

#[test]
fn a_payment_that_is_never_answered_is_reversed_and_nothing_is_taken() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    for (command, reference, declined) in [("PURCHASE", "silent-p", "13666"), ("AUTHORIZATION", "silent-a", "03666")] {
        let answer = gateway.call(&demo, &payment(command, reference, "1000", SILENT));
        assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
        let answer = gateway.call(&demo, &operation("CAPTURE", reference, "1000"));
        assert_eq!(field(&answer, "status"), "00", "nothing is built on an unknown outcome: {answer:?}");
        let answer = gateway.call(&demo, &payment(command, reference, "1000", GOOD));
        assert_eq!(field(&answer, "response_code"), "00066", "the reference is used up: {answer:?}");
        let told = settled(&gateway, &demo, reference);
        assert_eq!(field(&told, "transaction_code"), declined, "{told:?}");
        assert_eq!(field(&told, "authorized_amount"), "0", "{told:?}");
        assert_eq!(sums_of(&gateway, &demo, reference), Sums::nothing());
    }
    assert_books_equal(&gateway, &demo, &["silent-p", "silent-a"]);
    let totals = &gateway.issuer("/ledger/totals")["currencies"][0];
    assert_eq!([&totals["held"], &totals["posted"], &totals["refunded"]], [0, 0, 0]);
    wait_for("the backlog is told empty", || (gateway.metric("tollgate_recovery_backlog")? == 0.0).then_some(()));
}

#[test]
fn each_spoilt_answer_to_a_payment_ends_with_equal_books() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    let mut references = Vec::new();
    for (amount, first, last) in [
        ("90101", "14000", "14000"), // slow, but in time
        ("90102", "15777", "13666"), // booked, no answer
        ("90103", "15777", "14000"), // booked, answered late
        ("90104", "14000", "14000"), // answered twice
        ("90105", "15777", "13666"), // the answer is no message
        ("90106", "15777", "13666"), // the link drops before the message is booked
        ("90107", "15777", "13666"), // booked, then the link drops
        ("90108", "15777", "13666"), // the answer has no field 39
        ("90109", "15777", "13666"), // the answer names another amount
        ("90110", "15777", "13666"), // the end of the answer is missing
    ] {
        let reference = format!("spoilt-{amount}");
        let answer = when_link_is_up(&gateway, &demo, &payment("PURCHASE", &reference, amount, BY_AMOUNT));
        assert_eq!(field(&answer, "response_code"), first, "{amount}: {answer:?}");
        if amount == "90103" {
            // Its answer is on the way; the link drops further on would lose it.
            settled(&gateway, &demo, &reference);
        }
        references.push((reference, amount, last));
    }
    for (reference, amount, last) in &references {
        let told = settled(&gateway, &demo, reference);
        assert_eq!(field(&told, "transaction_code"), *last, "{amount}: {told:?}");
        let expected = if *last == "14000" { Sums::taken(amount.parse().unwrap()) } else { Sums::nothing() };
        assert_eq!(sums_of(&gateway, &demo, reference), expected, "{amount}");
    }
    let names: Vec<&str> = references.iter().map(|(reference, ..)| reference.as_str()).collect();
    assert_books_equal(&gateway, &demo, &names);
    assert!(gateway.metric("tollgate_link_duplicate_total").unwrap() >= 1.0, "the doubled answer was seen and counted");
}

#[test]
fn an_unknown_capture_is_repeated_until_it_counts() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    let amounts = ["90102", "90103", "90105", "90106", "90107", "90108", "90109", "90110"];
    let references: Vec<String> = amounts.iter().map(|amount| format!("capture-{amount}")).collect();
    for (amount, reference) in amounts.iter().zip(&references) {
        let answer = when_link_is_up(&gateway, &demo, &payment("AUTHORIZATION", reference, "300000", BY_AMOUNT));
        assert_eq!(field(&answer, "response_code"), "02000", "{answer:?}");
        let answer = when_link_is_up(&gateway, &demo, &operation("CAPTURE", reference, amount));
        assert_eq!(field(&answer, "response_code"), "15777", "{amount}: {answer:?}");
    }
    for (amount, reference) in amounts.iter().zip(&references) {
        let told = settled(&gateway, &demo, reference);
        assert_eq!(field(&told, "transaction_code"), "04000", "{amount}: {told:?}");
        let taken: i64 = amount.parse().unwrap();
        assert_eq!(sums_of(&gateway, &demo, reference), Sums { held: 300_000 - taken, taken, refunded: 0 }, "{amount}");
        let answer = when_link_is_up(&gateway, &demo, &operation("CAPTURE", reference, "100"));
        assert_eq!(field(&answer, "response_code"), "04000", "the order is free again: {answer:?}");
    }
    let names: Vec<&str> = references.iter().map(String::as_str).collect();
    assert_books_equal(&gateway, &demo, &names);
}

#[test]
fn an_unknown_refund_is_reversed_or_settled_by_its_late_answer() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    let cases = [
        ("90102", "07666"),
        ("90103", "06000"),
        ("90105", "07666"),
        ("90106", "07666"),
        ("90107", "07666"),
        ("90109", "07666"),
    ];
    let references: Vec<String> = cases.iter().map(|(amount, _)| format!("refund-{amount}")).collect();
    for ((amount, _), reference) in cases.iter().zip(&references) {
        let answer = when_link_is_up(&gateway, &demo, &payment("PURCHASE", reference, "300000", BY_AMOUNT));
        assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
        let answer = when_link_is_up(&gateway, &demo, &operation("REFUND", reference, amount));
        assert_eq!(field(&answer, "response_code"), "15777", "{amount}: {answer:?}");
        if *amount == "90103" {
            settled(&gateway, &demo, reference);
        }
    }
    for ((amount, last), reference) in cases.iter().zip(&references) {
        let told = settled(&gateway, &demo, reference);
        assert_eq!(field(&told, "transaction_code"), *last, "{amount}: {told:?}");
        let refunded = if *last == "06000" { amount.parse().unwrap() } else { 0 };
        assert_eq!(sums_of(&gateway, &demo, reference), Sums { held: 0, taken: 300_000, refunded }, "{amount}");
    }
    let names: Vec<&str> = references.iter().map(String::as_str).collect();
    assert_books_equal(&gateway, &demo, &names);
}

#[test]
fn a_void_that_the_network_did_not_answer_is_repeated_until_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let gateway = Gateway::start_on(&network.iso, &folder.path().join("data"));
    let demo = gateway.demo();
    let answer = gateway.call(&demo, &payment("AUTHORIZATION", "void-1", "5000", GOOD));
    assert_eq!(field(&answer, "response_code"), "02000", "{answer:?}");
    network.freeze();
    let void = [("command", "VOID_AUTHORIZATION"), ("merchant_reference", "void-1")];
    let answer = gateway.call(&demo, &void);
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    let answer = gateway.call(&demo, &operation("CAPTURE", "void-1", "5000"));
    assert_eq!(field(&answer, "response_code"), "00784", "{answer:?}");
    network.thaw();
    let told = settled(&gateway, &demo, "void-1");
    assert_eq!(field(&told, "transaction_code"), "08000", "{told:?}");
    let answer = gateway.call(&demo, &operation("CAPTURE", "void-1", "5000"));
    assert_eq!(field(&answer, "status"), "00", "nothing is left to capture: {answer:?}");
    let fort_id = field(&told, "fort_id").to_owned();
    books::assert_equal(&gateway, &demo, &[fort_id], &books::of_card_network(|path| network.get(path), &MASKS));
}

#[test]
fn while_no_network_can_be_reached_a_payment_is_refused_and_leaves_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = CardNetwork::start(&folder.path().join("network"), &[]);
    network.kill();
    let gateway = Gateway::start_on(&network.iso, &folder.path().join("data"));
    let demo = gateway.demo();
    for command in ["PURCHASE", "AUTHORIZATION"] {
        let answer = gateway.call(&demo, &payment(command, "down-1", "1000", GOOD));
        assert_eq!(field(&answer, "response_code"), "00006", "{answer:?}");
        assert_eq!(field(&answer, "fort_id"), "", "{answer:?}");
    }
    let told = gateway.call(&demo, &status("down-1"));
    assert_eq!(field(&told, "response_code"), "12036", "no order was made: {told:?}");
    assert_eq!(gateway.admin("/health/ready").0, 503);
    network.start_again();
    let answer = when_link_is_up(&gateway, &demo, &payment("PURCHASE", "down-1", "1000", GOOD));
    assert_eq!(field(&answer, "response_code"), "14000", "the reference is still free: {answer:?}");
    wait_for("the gateway is ready", || (gateway.admin("/health/ready").0 == 200).then_some(()));
}

#[test]
fn reversals_and_repeats_are_delivered_after_the_network_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = CardNetwork::start(&folder.path().join("network"), &[]);
    let gateway = Gateway::start_on(&network.iso, &folder.path().join("data"));
    let demo = gateway.demo();
    for reference in ["back-capture", "back-void"] {
        let answer = gateway.call(&demo, &payment("AUTHORIZATION", reference, "9000", GOOD));
        assert_eq!(field(&answer, "response_code"), "02000", "{answer:?}");
    }
    let answer = gateway.call(&demo, &payment("PURCHASE", "back-refund", "9000", GOOD));
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    // One payment was booked and never answered; the network dies with the others unread.
    let answer = gateway.call(&demo, &payment("PURCHASE", "back-silent", "9000", SILENT));
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    network.freeze();
    let requests = [
        payment("PURCHASE", "back-lost", "9000", GOOD),
        operation("CAPTURE", "back-capture", "4000"),
        vec![("command", "VOID_AUTHORIZATION"), ("merchant_reference", "back-void")],
        operation("REFUND", "back-refund", "4000"),
    ];
    let answers = all_at_once(requests.len(), |number| gateway.call(&demo, &requests[number]));
    for answer in &answers {
        assert_eq!(field(answer, "response_code"), "15777", "{answer:?}");
    }
    for reference in ["back-capture", "back-void", "back-refund"] {
        for command in ["CAPTURE", "VOID_AUTHORIZATION", "REFUND"] {
            let answer = gateway.call(&demo, &operation(command, reference, "100"));
            assert_eq!(field(&answer, "response_code"), "00784", "one operation at a time: {answer:?}");
        }
    }
    network.kill();
    wait_for("the link is told down", || (gateway.admin("/health/ready").0 == 503).then_some(()));
    assert_eq!(field(&gateway.call(&demo, &status("back-lost")), "transaction_code"), "15777");
    network.start_again();
    let mut fort_ids = Vec::new();
    for (reference, last) in [
        ("back-silent", "13666"),
        ("back-lost", "13666"),
        ("back-capture", "04000"),
        ("back-void", "08000"),
        ("back-refund", "07666"),
    ] {
        let told = settled(&gateway, &demo, reference);
        assert_eq!(field(&told, "transaction_code"), last, "{reference}: {told:?}");
        fort_ids.push(field(&told, "fort_id").to_owned());
    }
    books::assert_equal(&gateway, &demo, &fort_ids, &books::of_card_network(|path| network.get(path), &MASKS));
}

#[test]
fn an_operation_that_the_network_never_settles_does_not_hold_back_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = CardNetwork::start(&folder.path().join("network"), &[]);
    let gateway = Gateway::start_on(&network.iso, &folder.path().join("data"));
    let demo = gateway.demo();
    // A capture of this amount is answered with 96, "could not process": no outcome, so it is asked
    // again and again. The first one is lost with the network, which makes it unknown.
    let answer = gateway.call(&demo, &payment("AUTHORIZATION", "poison", "300000", BY_AMOUNT));
    assert_eq!(field(&answer, "response_code"), "02000", "{answer:?}");
    network.freeze();
    let answer = gateway.call(&demo, &operation("CAPTURE", "poison", "90096"));
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    network.kill();
    network.start_again();
    wait_for("the poisonous capture was tried", || {
        let tried = story(&gateway, "poison")["operations"][1]["recovery_messages"].as_array().unwrap().len();
        (tried >= 1).then_some(())
    });
    let references: Vec<String> = (0..20).map(|number| format!("behind-poison-{number}")).collect();
    all_at_once(references.len(), |number| {
        let answer = when_link_is_up(&gateway, &demo, &payment("PURCHASE", &references[number], "1000", SILENT));
        assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    });
    for reference in &references {
        assert_eq!(field(&settled(&gateway, &demo, reference), "transaction_code"), "13666");
    }
    let told = gateway.call(&demo, &status("poison"));
    assert_eq!(field(&told, "transaction_code"), "15777", "never guessed, still asked: {told:?}");
    wait_for("the backlog shows what stays", || (gateway.metric("tollgate_recovery_backlog")? == 1.0).then_some(()));
}

/// More than the recovery takes in one look at its queue.
const UNOPENABLE: usize = 300;

#[test]
fn cards_that_cannot_be_opened_any_more_do_not_hold_back_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut environment = QUICK.to_vec();
    // Nothing is reversed before the gateway is stopped.
    environment[3].1 = "60000";
    let mut gateway = Gateway::start_in(&data, &environment);
    let demo = gateway.demo();
    let next = AtomicUsize::new(0);
    all_at_once(30, |_| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= UNOPENABLE {
                return;
            }
            let answer = gateway.call(&demo, &payment("PURCHASE", &format!("sealed-{number}"), "100", SILENT));
            assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
        }
    });
    gateway.kill();
    // As after a restored backup whose keys are gone.
    let database = rusqlite::Connection::open(data.join("tollgate.db")).unwrap();
    let spoilt = database.execute("UPDATE orders SET card_sealed = zeroblob(length(card_sealed))", []).unwrap();
    assert_eq!(spoilt, UNOPENABLE);
    database.execute("UPDATE recoveries SET due_at = 0", []).unwrap();
    drop(database);
    let gateway = Gateway::start_in(&data, &QUICK);
    let answer = gateway.call(&demo, &payment("PURCHASE", "behind-sealed", "100", SILENT));
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    assert_eq!(field(&settled(&gateway, &demo, "behind-sealed"), "transaction_code"), "13666");
    let told = gateway.call(&demo, &status("sealed-0"));
    assert_eq!(field(&told, "transaction_code"), "15777", "nobody knows, and nobody pretends to: {told:?}");
}

/// Calls until the link to the network is up: a payment refused with 00006 has changed nothing.
fn when_link_is_up(gateway: &Gateway, merchant: &Merchant, params: &[(&str, &str)]) -> Map<String, Value> {
    wait_for("the link is up", || {
        let answer = gateway.call(merchant, params);
        (field(&answer, "response_code") != "00006").then_some(answer)
    })
}

/// CHECK_STATUS once the last operation is not unknown any more.
fn settled(gateway: &Gateway, merchant: &Merchant, reference: &str) -> Map<String, Value> {
    gateway.wait_for_status(merchant, reference, |told| !["", "15777"].contains(&field(told, "transaction_code")))
}

fn sums_of(gateway: &Gateway, merchant: &Merchant, reference: &str) -> Sums {
    let told = gateway.call(merchant, &status(reference));
    books::of_order(gateway, merchant, field(&told, "fort_id"))
}

fn story(gateway: &Gateway, reference: &str) -> Value {
    let told: Value = serde_json::from_str(&gateway.run_well(&["explain", reference, "--format", "json"])).unwrap();
    told["orders"][0].clone()
}

fn assert_books_equal(gateway: &Gateway, merchant: &Merchant, references: &[&str]) {
    let fort_ids: Vec<String> = references
        .iter()
        .map(|reference| field(&gateway.call(merchant, &status(reference)), "fort_id").to_owned())
        .collect();
    books::assert_equal(gateway, merchant, &fort_ids, &books::of_card_network(|path| gateway.issuer(path), &MASKS));
}
