//! Unknown outcomes in an operator's hands: listed, settled with a reason and evidence, by two people where
//! that is wanted, and never at the same time as a recovery message.

use crate::support::card_network::CardNetwork;
use crate::support::{Gateway, Merchant, QUICK, all_at_once, field, operation, payment, status, text, wait_for};
use serde_json::Value;

const GOOD: &str = "4005550000000001";
const SILENT: &str = "4005559000005001";

/// Nothing is reversed while a test looks.
fn patient() -> Vec<(&'static str, &'static str)> {
    let mut environment = QUICK.to_vec();
    environment[3].1 = "86400000";
    environment
}

#[test]
fn the_list_tells_what_waits_since_when_and_why() {
    let gateway = Gateway::start_with(&patient());
    let demo = gateway.demo();
    assert!(gateway.run_well(&["unknown", "list"]).contains("no outcome is unknown"));
    let operation = unknown_purchase(&gateway, &demo, "told");
    let listed = list(&gateway, &[]);
    let told = &listed["unknown"][0];
    assert_eq!(told["operation"], operation.as_str());
    for (name, value) in [
        ("merchant", "demo"),
        ("merchant_reference", "told"),
        ("kind", "purchase"),
        ("shown_amount", "10.00 AED"),
        ("why", "no answer after send"),
        ("way_out", "reverse"),
    ] {
        assert_eq!(told[name], value, "{told}");
    }
    assert_eq!(told["messages_sent"], 0);
    assert_eq!(list(&gateway, &["--older-than", "10m"])["unknown"], serde_json::json!([]));
    gateway.run_well(&["clock", "advance", "11m"]);
    assert_eq!(list(&gateway, &["--older-than", "10m"])["unknown"][0]["operation"], operation.as_str());
}

#[test]
fn each_way_to_settle_a_payment_is_written_with_its_reasons_and_counted() {
    let gateway = Gateway::start_with(&patient());
    let demo = gateway.demo();
    let file = gateway.data.join("clearing.txt");
    std::fs::write(&file, "0200 booked").unwrap();
    // SHA-256 of that text, from `printf '0200 booked' | sha256sum`.
    let digest = sha256(b"0200 booked");
    for (outcome, code, taken) in
        [("approved", "14000", "1000"), ("declined", "13666", "0"), ("reversed", "13666", "0")]
    {
        let reference = format!("forced-{outcome}");
        let operation = unknown_purchase(&gateway, &demo, &reference);
        gateway.run_well(&resolve(&operation, outcome, file.to_str().unwrap(), "Ann"));
        let told = gateway.call(&demo, &status(&reference));
        assert_eq!(field(&told, "transaction_code"), code, "{told:?}");
        assert_eq!(field(&told, "captured_amount"), taken, "{told:?}");
        let outcomes = outcomes(&gateway, &reference);
        let last = outcomes.last().unwrap();
        assert_eq!(last["event"], format!("forced_{outcome}"));
        assert_eq!(last["correction"]["by"], "Ann");
        assert_eq!(last["correction"]["reason"], "the clearing file says so");
        assert_eq!(last["correction"]["evidence"], "clearing.txt");
        assert_eq!(last["correction"]["evidence_sha256"], digest.as_str());
        assert!(gateway.run_well(&["explain", &reference]).contains("settled by hand by"));
    }
    assert_eq!(list(&gateway, &[])["unknown"], serde_json::json!([]));
    let counted = "tollgate_forced_corrections_total{kind=\"purchase\",from=\"unknown\",to=\"approved\"}";
    assert_eq!(gateway.metric(counted), Some(1.0));
    let answer = gateway.call(&demo, &operation("REFUND", "forced-approved", "400"));
    assert_eq!(field(&answer, "response_code"), "06000", "it can be worked with like any other: {answer:?}");
}

#[test]
fn a_settled_operation_is_corrected_only_between_it_counts_and_it_counts_for_nothing() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    let answer = gateway.call(&demo, &payment("PURCHASE", "settled", "1000", GOOD));
    let number = field(&answer, "fort_id").to_owned();
    let said = gateway.run_badly(&resolve(&number, "declined", "a text", "Ann"));
    assert!(said.contains("cannot be settled so"), "{said}");
    // More corrections than the table of outcomes has numbers for.
    for round in 0..6 {
        for (outcome, code) in [("reversed", "13666"), ("approved", "14000")] {
            gateway.run_well(&resolve(&number, outcome, &format!("round {round}"), "Ann"));
            let told = gateway.call(&demo, &status("settled"));
            assert_eq!(field(&told, "transaction_code"), code, "round {round}: {told:?}");
        }
    }
    let outcomes = outcomes(&gateway, "settled");
    assert_eq!(outcomes.len(), 13, "each stays for ever");
    assert_eq!(outcomes[12]["correction"]["evidence"], "round 5");
    let answer = gateway.call(&demo, &operation("REFUND", "settled", "400"));
    assert_eq!(field(&answer, "response_code"), "06000", "{answer:?}");
    let said = gateway.run_badly(&resolve(&number, "reversed", "a text", "Ann"));
    assert!(said.contains("only the newest operation"), "{said}");
    let said = gateway.run_badly(&resolve("179565511258519699", "approved", "a text", "Ann"));
    assert!(said.contains("there is no operation"), "{said}");
    let said = gateway.run_badly(&resolve(&number, "approved", "card 4005550000000001", "Ann"));
    assert!(said.contains("card number"), "{said}");
}

#[test]
fn where_a_second_person_is_needed_the_first_only_proposes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut environment = patient();
    environment.push(("TOLLGATE_GATEWAY_FOUR_EYES", "true"));
    let mut gateway = Gateway::start_in(&data, &environment);
    let demo = gateway.demo();
    let number = unknown_purchase(&gateway, &demo, "two-people");
    let said = gateway.run_badly(&["unknown", "approve", &number, "--by", "Bob"]);
    assert!(said.contains("nobody has proposed"), "{said}");
    assert!(gateway.run_well(&resolve(&number, "approved", "a letter", "Ann")).contains("a second person"));
    assert_eq!(field(&gateway.call(&demo, &status("two-people")), "transaction_code"), "15777", "nothing happened yet");
    let said = gateway.run_badly(&resolve(&number, "declined", "a letter", "Bob"));
    assert!(said.contains("Ann has proposed"), "{said}");
    gateway.kill();
    let gateway = Gateway::start_in(&data, &environment);
    assert_eq!(list(&gateway, &[])["proposals"][0]["by"], "Ann", "a proposal is durable");
    let said = gateway.run_badly(&["unknown", "approve", &number, "--by", " ann"]);
    assert!(said.contains("second person"), "{said}");
    gateway.run_well(&["unknown", "withdraw", &number, "--by", "Ann"]);
    gateway.run_well(&resolve(&number, "approved", "a letter", "Ann"));
    gateway.run_well(&["unknown", "approve", &number, "--by", "Bob"]);
    assert_eq!(field(&gateway.call(&demo, &status("two-people")), "transaction_code"), "14000");
    let outcomes = outcomes(&gateway, "two-people");
    assert_eq!(outcomes[1]["correction"]["approved_by"], "Bob");
    assert_eq!(list(&gateway, &[])["proposals"], serde_json::json!([]));
}

#[test]
fn an_operator_does_not_cross_a_recovery_message_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let mut environment = QUICK.to_vec();
    // The recovery message waits long for its answer.
    environment[0].1 = "5000";
    environment[3].1 = "0";
    environment.push(("TOLLGATE_ACQUIRER_ADDRESS", &network.iso));
    let gateway = Gateway::serve(&folder.path().join("data"), &["--dev", "--no-issuer"], &environment);
    let demo = gateway.demo();
    let answer = gateway.call(&demo, &payment("PURCHASE", "crossed", "1000", GOOD));
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    network.freeze();
    let answer = gateway.call(&demo, &operation("REFUND", "crossed", "500"));
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    let number = wait_for("its reversal is under way", || {
        let listed = list(&gateway, &[]);
        let told = &listed["unknown"][0];
        (told["messages_sent"].as_u64()? > 0).then(|| told["operation"].as_str().unwrap().to_owned())
    });
    let said = gateway.run_badly(&resolve(&number, "approved", "a text", "Ann"));
    assert!(said.contains("under way"), "{said}");
    network.thaw();
    let told = gateway.wait_for_status(&demo, "crossed", |told| field(told, "transaction_code") != "15777");
    assert_eq!(field(&told, "transaction_code"), "07666", "the network settled it: {told:?}");
    let said = gateway.run_badly(&resolve(&number, "declined", "a text", "Ann"));
    assert!(said.contains("cannot be settled so"), "{said}");
}

#[test]
fn one_of_many_operators_settles_an_operation() {
    let gateway = Gateway::start_with(&patient());
    let demo = gateway.demo();
    let number = unknown_purchase(&gateway, &demo, "many");
    let outcomes_of = ["approved", "declined", "reversed", "approved"];
    let done = all_at_once(outcomes_of.len(), |place| {
        let name = format!("Person {place}");
        gateway.run(&resolve(&number, outcomes_of[place], "a text", &name)).status.success()
    });
    let written = outcomes(&gateway, "many");
    // Approved and reversed may correct each other, one after the other; each that was told is there.
    assert_eq!(written.len() - 1, done.iter().filter(|done| **done).count(), "{written:?} {done:?}");
    assert!(done.iter().any(|done| *done));
}

#[test]
fn without_a_running_gateway_the_store_itself_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &patient());
    let demo = gateway.demo();
    let number = unknown_purchase(&gateway, &demo, "offline");
    gateway.kill();
    assert_eq!(list(&gateway, &[])["unknown"][0]["operation"], number.as_str());
    gateway.run_well(&resolve(&number, "reversed", "a text", "Ann"));
    let gateway = Gateway::start_in(&data, &patient());
    let told = gateway.call(&demo, &status("offline"));
    assert_eq!(field(&told, "transaction_code"), "13666", "{told:?}");
}

#[test]
fn an_old_unknown_outcome_is_told_once_per_level() {
    let gateway = Gateway::start_with(&patient());
    let demo = gateway.demo();
    let number = unknown_purchase(&gateway, &demo, "old");
    let warned = format!("an outcome is unknown for long; see `tollgate unknown list` operation={number}");
    let count =
        |level: &str| gateway.metric(&format!("tollgate_unknown_operations{{level=\"{level}\",way_out=\"reverse\"}}"));
    wait_for("the gauges are there", || (count("alert") == Some(0.0)).then_some(()));
    gateway.run_well(&["clock", "advance", "6m"]);
    wait_for("the alert counts it", || (count("alert") == Some(1.0)).then_some(()));
    assert_eq!(count("alarm"), Some(0.0));
    wait_for("the log warns", || gateway.output().contains(&warned).then_some(()));
    gateway.run_well(&["clock", "advance", "1h"]);
    wait_for("the alarm counts it", || (count("alarm") == Some(1.0)).then_some(()));
    wait_for("the log tells the alarm", || gateway.output().contains("unknown for very long").then_some(()));
    assert_eq!(gateway.output().matches(&warned).count(), 1, "once, however often it is looked at");
    gateway.run_well(&resolve(&number, "reversed", "a text", "Ann"));
    wait_for("both are empty", || (count("alert") == Some(0.0) && count("alarm") == Some(0.0)).then_some(()));
}

#[test]
fn a_merchant_has_an_answer_at_the_cap_and_the_payment_goes_on_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let mut environment = QUICK.to_vec();
    environment[0].1 = "20000";
    environment.push(("TOLLGATE_GATEWAY_ANSWER_MS_MAX", "300"));
    environment.push(("TOLLGATE_ACQUIRER_ADDRESS", &network.iso));
    let gateway = Gateway::serve(&folder.path().join("data"), &["--dev", "--no-issuer"], &environment);
    let demo = gateway.demo();
    network.freeze();
    let answer = gateway.call(&demo, &payment("PURCHASE", "capped", "1000", GOOD));
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    assert_eq!(field(&answer, "fort_id").len(), 18, "the merchant hears which order it is: {answer:?}");
    network.thaw();
    let told = gateway.wait_for_status(&demo, "capped", |told| field(told, "transaction_code") != "15777");
    assert_eq!(field(&told, "transaction_code"), "14000", "it was answered in the end: {told:?}");
    assert_eq!(gateway.metric("tollgate_answers_capped_total"), Some(1.0));
    assert!(text(&gateway.run(&["config", "check"]).stderr).is_empty(), "the defaults fit");
}

fn unknown_purchase(gateway: &Gateway, merchant: &Merchant, reference: &str) -> String {
    let answer = gateway.call(merchant, &payment("PURCHASE", reference, "1000", SILENT));
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    field(&answer, "fort_id").to_owned()
}

fn resolve<'a>(operation: &'a str, outcome: &'a str, evidence: &'a str, by: &'a str) -> Vec<&'a str> {
    let reason = "the clearing file says so";
    vec!["unknown", "resolve", operation, "--as", outcome, "--reason", reason, "--evidence", evidence, "--by", by]
}

fn list(gateway: &Gateway, arguments: &[&str]) -> Value {
    let printed = gateway.run_well(&[&["unknown", "list", "--format", "json"], arguments].concat());
    serde_json::from_str(&printed).unwrap()
}

fn outcomes(gateway: &Gateway, reference: &str) -> Vec<Value> {
    let told: Value = serde_json::from_str(&gateway.run_well(&["explain", reference, "--format", "json"])).unwrap();
    told["orders"][0]["operations"][0]["outcomes"].as_array().unwrap().clone()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}
