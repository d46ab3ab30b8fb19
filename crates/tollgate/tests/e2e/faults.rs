//! Faults for integrators: each documented code of a payment and of the operations on it can be asked for,
//! and what the gateway then answers is its real answer to what the network did.

use crate::support::{Gateway, Merchant, QUICK, field, operation, payment, wait_for};
use serde_json::Value;

const GOOD: &str = "4005550000000001";
const OTHER: &str = "5123456789012346";

/// Messages of declines that a card network can cause, with each operation's failure status.
const DECLINES: [&str; 5] = ["666", "029", "012", "030", "785"];

#[test]
fn each_documented_code_of_a_payment_can_be_asked_for() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    for (command, success, failure) in [("AUTHORIZATION", "02000", "03"), ("PURCHASE", "14000", "13")] {
        for message in DECLINES {
            let code = format!("{failure}{message}");
            ask(&gateway, &["--next", &code]);
            assert_eq!(pay(&gateway, &demo, command, &code), code);
        }
        ask(&gateway, &["--next", "00006"]);
        assert_eq!(pay(&gateway, &demo, command, &format!("{command}-96")), "00006");
        ask(&gateway, &["--next", success]);
        assert_eq!(pay(&gateway, &demo, command, success), success);
        ask(&gateway, &["--next", "15777"]);
        assert_eq!(pay(&gateway, &demo, command, &format!("{command}-unknown")), "15777");
        assert_eq!(pay(&gateway, &demo, command, &format!("{command}-after")), success, "only the next one");
    }
    assert!(gateway.run_well(&["fault", "list"]).contains("no fault waits"));
}

#[test]
fn each_documented_code_of_an_operation_can_be_asked_for() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    for (command, begins, success, failure) in [
        ("CAPTURE", "AUTHORIZATION", "04000", "05"),
        ("REFUND", "PURCHASE", "06000", "07"),
        ("VOID_AUTHORIZATION", "AUTHORIZATION", "08000", "09"),
    ] {
        let reference = format!("order-{command}");
        pay(&gateway, &demo, begins, &reference);
        let call = || {
            let answer = gateway.call(&demo, &operation(command, &reference, "100"));
            field(&answer, "response_code").to_owned()
        };
        for message in DECLINES {
            let code = format!("{failure}{message}");
            ask(&gateway, &["--next", &code]);
            assert_eq!(call(), code);
        }
        ask(&gateway, &["--next", "15777"]);
        assert_eq!(call(), "15777");
        // A capture and a void are repeated until they count, a refund is reversed.
        let last = if command == "REFUND" { "07666" } else { success };
        let told = gateway.wait_for_status(&demo, &reference, |told| field(told, "transaction_code") != "15777");
        assert_eq!(field(&told, "transaction_code"), last, "{told:?}");
        if command != "VOID_AUTHORIZATION" {
            assert_eq!(call(), success);
        }
    }
}

#[test]
fn a_late_approval_can_be_asked_for_by_reference() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    ask(&gateway, &["--behaviour", "late", "--merchant-reference", "mine"]);
    assert!(gateway.run_well(&["fault", "list"]).contains("reference mine"));
    assert_eq!(pay(&gateway, &demo, "PURCHASE", "another"), "14000", "it waits for its own");
    assert_eq!(pay(&gateway, &demo, "PURCHASE", "mine"), "15777");
    let told = gateway.wait_for_status(&demo, "mine", |told| field(told, "transaction_code") != "15777");
    assert_eq!(field(&told, "transaction_code"), "14000", "approved after all: {told:?}");
}

#[test]
fn a_fault_may_be_for_one_card_and_for_several_payments() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    // A whole number becomes its mask before it leaves the command.
    ask(&gateway, &["--behaviour", "decline:51", "--card", OTHER, "--count", "2"]);
    let listed: Value = serde_json::from_str(&gateway.run_well(&["fault", "list", "--format", "json"])).unwrap();
    assert_eq!(listed["faults"][0]["mask"], "512345******2346");
    assert_eq!(pay(&gateway, &demo, "PURCHASE", "good-card"), "14000");
    for (reference, code) in [("one", "13029"), ("two", "13029"), ("three", "14000")] {
        let answer = gateway.call(&demo, &payment("PURCHASE", reference, "1000", OTHER));
        assert_eq!(field(&answer, "response_code"), code, "{reference}");
    }
    ask(&gateway, &["--behaviour", "silent", "--count", "100"]);
    assert!(gateway.run_well(&["fault", "clear"]).contains("1 fault forgotten"));
    assert_eq!(pay(&gateway, &demo, "PURCHASE", "cleared"), "14000");
}

#[test]
fn every_behaviour_ends_with_equal_books() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    let mut references = Vec::new();
    for behaviour in [
        "slow",
        "late",
        "silent",
        "doubled",
        "garbage",
        "cut_short",
        "no_code",
        "wrong_amount",
        "drop_after",
        "drop_before",
    ] {
        ask(&gateway, &["--behaviour", behaviour]);
        let reference = format!("spoilt-{behaviour}");
        wait_for("the link is up", || (pay(&gateway, &demo, "PURCHASE", &reference) != "00006").then_some(()));
        gateway.wait_for_status(&demo, &reference, |told| !["", "15777"].contains(&field(told, "transaction_code")));
        references.push(reference);
    }
    let fort_ids: Vec<String> = references
        .iter()
        .map(|reference| field(&gateway.call(&demo, &crate::support::status(reference)), "fort_id").to_owned())
        .collect();
    let network = crate::support::books::of_card_network(|path| gateway.issuer(path), &["400555******0001"]);
    crate::support::books::assert_equal(&gateway, &demo, &fort_ids, &network);
}

#[test]
fn what_no_network_can_cause_is_refused_with_the_way_to_it() {
    let gateway = Gateway::start();
    for (arguments, said) in [
        (&["--next", "00008"][..], "sign with another phrase"),
        (&["--next", "00784"], "--next 15777"),
        (&["--next", "13777"], "13666"),
        (&["--next", "20064"], "docs/sandbox.md"),
        (&["--next", "1577"], "five digits"),
        (&["--behaviour", "shout"], "no such behaviour"),
        (&["--behaviour", "decline:00"], "other than 00"),
        (&["--next", "15777", "--count", "0"], "count"),
    ] {
        let told = gateway.run_badly(&[&["fault", "set"], arguments].concat());
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    assert!(gateway.run_well(&["fault", "list"]).contains("no fault waits"));
}

fn ask(gateway: &Gateway, arguments: &[&str]) {
    gateway.run_well(&[&["fault", "set"], arguments].concat());
}

fn pay(gateway: &Gateway, merchant: &Merchant, command: &str, reference: &str) -> String {
    let answer = gateway.call(merchant, &payment(command, reference, "1000", GOOD));
    field(&answer, "response_code").to_owned()
}
