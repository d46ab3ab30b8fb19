//! Schedules in the hands of a merchant's server (UPDATE_AGREEMENT, CHECK_AGREEMENT) and of an operator (`tollgate recurring`,
//! the account's settings).

use crate::support::shop::*;
use crate::support::{Gateway, QUICK, field, wait_for};
use serde_json::{Map, Value};

/// A shop whose clock stands at half past eight in Dubai, half an hour before the account's charges.
fn shop() -> Shop {
    let mut shop = Shop::open();
    shop.gateway = Gateway::start_with(&QUICK);
    shop.merchant = shop.gateway.demo();
    set_clock(&shop, "2027-01-31T04:30:00Z");
    shop.gateway.run_well(&["merchant", "set", "demo", "--time-zone", "asia/dubai", "--charge-hour", "9"]);
    shop
}

fn set_clock(shop: &Shop, at: &str) {
    shop.gateway.run_well(&["clock", "set", at]);
}

/// A payment of 150.00 that opens an agreement with a schedule.
fn open(shop: &Shop, id: &str, mode: &str, cycle: &str, more: &[(&str, &str)]) -> Map<String, Value> {
    let agreement = [
        ("agreement_id", id),
        ("recurring_mode", mode),
        ("recurring_transactions_count", "12"),
        ("recurring_billing_cycle", cycle),
    ];
    shop.pay("PURCHASE", VISA, &[&agreement, more].concat())
}

fn check(shop: &Shop, id: &str) -> Map<String, Value> {
    shop.call(&[("query_command", "CHECK_AGREEMENT"), ("agreement_id", id)])
}

fn update(shop: &Shop, id: &str, more: &[(&str, &str)]) -> Map<String, Value> {
    shop.call(&[&[("service_command", "UPDATE_AGREEMENT"), ("agreement_id", id)], more].concat())
}

fn assert_fields(answer: &Map<String, Value>, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(answer.get(*name).and_then(Value::as_str), Some(*value), "{name}: {answer:?}");
    }
}

/// Waits until so many charges of an agreement succeeded.
fn charged(shop: &Shop, id: &str, times: &str) -> Map<String, Value> {
    wait_for("charges of the agreement", || {
        let answer = check(shop, id);
        (field(&answer, "recurring_charges_done") == times).then_some(answer)
    })
}

#[test]
fn a_merchant_asks_for_its_schedule_and_changes_it() {
    let shop = shop();
    let opened = open(&shop, "SUB", "VARIABLE", "MONTHLY", &[]);
    assert_code(&opened, "14000", "it opens");
    assert_fields(&opened, &[("recurring_billing_cycle", "MONTHLY"), ("agreement_id", "SUB")]);
    let seen = check(&shop, "SUB");
    assert_code(&seen, "12000", "it is found");
    assert_fields(
        &seen,
        &[
            ("agreement_status", "ACTIVE"),
            ("recurring_mode", "VARIABLE"),
            ("recurring_amount", "15000"),
            ("currency", "AED"),
            ("token_name", field(&opened, "token_name")),
            ("recurring_billing_cycle", "MONTHLY"),
            ("recurring_next_charge_date", "2027-02-28"),
            ("recurring_next_attempt", "1"),
            ("recurring_charges_done", "0"),
            ("recurring_charges_left", "12"),
        ],
    );
    assert!(!seen.contains_key("transaction_code"), "nothing was charged yet: {seen:?}");

    let paused = update(&shop, "SUB", &[("agreement_status", "PAUSED")]);
    assert_code(&paused, "58000", "it is paused");
    assert_fields(&paused, &[("agreement_status", "PAUSED"), ("agreement_note", "asked for")]);
    assert!(!paused.contains_key("recurring_next_charge_date"), "{paused:?}");
    set_clock(&shop, "2027-03-15T12:00:00Z");
    let other = open(&shop, "OTHER", "VARIABLE", "YEARLY", &[]);
    let other_token = field(&other, "token_name");
    let resumed = update(
        &shop,
        "SUB",
        &[("agreement_status", "ACTIVE"), ("recurring_amount", "2500"), ("token_name", other_token)],
    );
    assert_code(&resumed, "58000", "it is resumed, with another amount and another card");
    // February passed in the pause: it is skipped.
    let next = [("agreement_status", "ACTIVE"), ("recurring_next_charge_date", "2027-03-31")];
    assert_fields(&resumed, &[&next[..], &[("recurring_amount", "2500"), ("token_name", other_token)]].concat());
    set_clock(&shop, "2027-03-31T05:00:01Z");
    let seen = charged(&shop, "SUB", "1");
    assert_fields(
        &seen,
        &[
            ("recurring_last_charge_date", "2027-03-31"),
            ("recurring_last_attempt", "1"),
            ("transaction_code", "14000"),
            ("transaction_status", "14"),
            ("recurring_next_charge_date", "2027-04-30"),
            ("recurring_charges_left", "11"),
        ],
    );

    let moved = update(&shop, "SUB", &[("recurring_next_charge_date", "2027-04-05")]);
    assert_fields(&moved, &[("response_code", "58000"), ("recurring_next_charge_date", "2027-04-05")]);
    set_clock(&shop, "2027-04-05T05:00:01Z");
    assert_fields(&charged(&shop, "SUB", "2"), &[("recurring_next_charge_date", "2027-05-05")]);
    let cancelled = update(&shop, "SUB", &[("agreement_status", "CANCELLED")]);
    assert_fields(&cancelled, &[("agreement_status", "ENDED"), ("agreement_note", "cancelled")]);
    assert_fields(&check(&shop, "SUB"), &[("agreement_status", "ENDED"), ("recurring_charges_done", "2")]);
    let again = update(&shop, "SUB", &[("agreement_status", "ACTIVE")]);
    assert_code(&again, "00034", "what was cancelled is over");
}

#[test]
fn each_wrong_request_about_a_schedule_has_its_code() {
    let shop = shop();
    assert_code(&open(&shop, "FIX", "FIXED", "MONTHLY", &[]), "14000", "it opens");
    let plain = [("agreement_id", "PLAIN"), ("recurring_mode", "UNSCHEDULED")];
    assert_code(&shop.pay("PURCHASE", VISA, &plain), "14000", "one without a schedule");
    assert_fields(&check(&shop, "PLAIN"), &[("response_code", "12000"), ("agreement_status", "ACTIVE")]);
    assert_code(&check(&shop, "NOBODY"), "00033", "there is no such agreement");
    for (id, more, code) in [
        ("NOBODY", ("agreement_status", "PAUSED"), "00033"),
        ("PLAIN", ("agreement_status", "PAUSED"), "00034"),
        ("FIX", ("agreement_status", "SLEEPING"), "00033"),
        ("FIX", ("recurring_amount", "1"), "00005"),
        ("FIX", ("token_name", "nothing"), "00044"),
        ("FIX", ("recurring_next_charge_date", "2027-01-30"), "00033"),
        ("FIX", ("recurring_next_charge_date", "tomorrow"), "00002"),
        ("FIX", ("app_ver", "1"), "00001"),
    ] {
        assert_code(&update(&shop, id, &[more]), code, &format!("{id} {more:?}"));
    }
    for (mode, cycle, more, code) in [
        ("FIXED", "HOURLY", vec![], "00033"),
        ("FIXED", "FREQ=HOURLY", vec![], "00033"),
        ("FIXED", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", vec![], "00033"),
        // The anchor is in January, and every second month never is February.
        ("FIXED", "FREQ=MONTHLY;INTERVAL=2;BYMONTH=2", vec![], "00033"),
        ("UNSCHEDULED", "MONTHLY", vec![], "00110"),
        ("FIXED", "MONTHLY", vec![("recurring_amount", "4900")], "00005"),
        ("FIXED", "MONTHLY", vec![("recurring_first_charge_date", "2027-01-31")], "00033"),
    ] {
        let answer = open(&shop, "NEW", mode, cycle, &more);
        assert_code(&answer, code, &format!("{mode} {cycle} {more:?}"));
    }
    let beside = [("recurring_billing_cycle", "MONTHLY")];
    assert_code(&shop.pay("PURCHASE", VISA, &beside), "00001", "a cycle without an agreement");
    let trial = [("recurring_first_charge_date", "2027-02-01"), ("recurring_amount", "4900")];
    let answer = open(&shop, "NEW", "FIXED", "FREQ=MONTHLY;BYDAY=-1FR", &trial);
    assert_code(&answer, "14000", "a trial comes first, so the amount may differ; nothing took the name before");
    assert_fields(&check(&shop, "NEW"), &[("recurring_next_charge_date", "2027-02-26"), ("recurring_amount", "4900")]);
}

#[test]
fn an_operator_sees_and_changes_schedules_of_a_running_and_of_a_stopped_gateway() {
    let mut shop = shop();
    open(&shop, "SUB", "VARIABLE", "2 WEEKLY", &[]);
    open(&shop, "LATER", "FIXED", "YEARLY", &[]);
    let listed = shop.gateway.run_well(&["recurring", "list", "demo"]);
    assert!(listed.contains("SUB") && listed.contains("2 WEEKLY") && listed.contains("150.00 AED"), "{listed}");
    let upcoming = shop.gateway.run_well(&["recurring", "upcoming", "demo", "--days", "30"]);
    assert!(upcoming.contains("due 2027-02-14") && !upcoming.contains("LATER"), "{upcoming}");
    let coming = shop.gateway.run_well(&["recurring", "upcoming", "demo", "SUB", "--limit", "3"]);
    let days: Vec<&str> = coming.lines().filter_map(|line| line.split("due ").nth(1)?.get(..10)).collect();
    assert_eq!(days, ["2027-02-14", "2027-02-28", "2027-03-14"], "{coming}");
    shop.gateway.run_well(&["recurring", "change", "demo", "SUB", "--amount", "12.50"]);
    shop.gateway.run_well(&["fault", "set", "--behaviour", "decline:51"]);
    set_clock(&shop, "2027-02-14T05:00:01Z");
    wait_for("the declined attempt", || {
        let told = shop.gateway.run_well(&["recurring", "attempts", "demo", "SUB"]);
        (told.contains("attempt 1: DECLINED") && told.contains("12.50 AED")).then_some(())
    });
    let shown = shop.gateway.run_well(&["recurring", "show", "demo", "SUB"]);
    assert!(shown.contains("2027-02-15T05:00:00.000Z, attempt 2"), "by the plan of the account: {shown}");
    let refused = shop.gateway.run_badly(&["recurring", "change", "demo", "LATER", "--amount", "1"]);
    assert!(refused.contains("FIXED"), "{refused}");
    for (arguments, words) in [
        (vec!["recurring", "show", "demo", "NOBODY"], "no agreement"),
        (vec!["recurring", "show", "nobody", "SUB"], "no merchant"),
        (vec!["recurring", "list", "demo", "--state", "asleep"], "OPENING, ACTIVE, PAUSED or ENDED"),
        (vec!["recurring", "change", "demo", "SUB"], "--amount"),
        (vec!["recurring", "change", "demo", "SUB", "--next-charge-date", "14.2."], "YYYY-MM-DD"),
    ] {
        let said = shop.gateway.run_badly(&arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    shop.gateway.stop();
    let paused = shop.gateway.run_well(&["recurring", "pause", "demo", "SUB", "--format", "json"]);
    let paused: Value = serde_json::from_str(&paused).unwrap();
    assert_eq!((&paused["state"], &paused["state_because"]), (&"PAUSED".into(), &"asked for".into()), "{paused}");
    let resting = shop.gateway.run_well(&["recurring", "list", "demo", "--state", "paused"]);
    assert!(resting.contains("SUB") && !resting.contains("LATER"), "{resting}");
    let cancelled = shop.gateway.run_well(&["recurring", "cancel", "demo", "SUB"]);
    assert!(cancelled.contains("ENDED: cancelled"), "{cancelled}");
    let ended = shop.gateway.run_well(&["agreement", "show", "demo", "SUB"]);
    assert!(ended.contains("its schedule was cancelled"), "{ended}");
}

#[test]
fn an_account_says_when_it_charges() {
    let shop = shop();
    let set = |options: &[&str]| shop.gateway.run(&[&["merchant", "set", "demo"], options].concat());
    let done =
        set(&["--dunning", "2,5", "--dunning-hour", "18", "--dunning-end", "go-on", "--upcoming-notice-days", "3"]);
    assert!(done.status.success(), "{done:?}");
    let shown = shop.gateway.run_well(&["merchant", "show", "demo"]);
    for words in ["at 09:00, Asia/Dubai", "after 2,5 days at 18:00, then go on with the next charge", "3 days before"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    for (options, words) in [
        (["--time-zone", "Dubai"], "IANA"),
        (["--charge-hour", "24"], "0 to 23"),
        (["--dunning", "3,1"], "later than the one before"),
        (["--dunning-hour", "noon"], "same"),
        (["--dunning-end", "forgive"], "pause, cancel or go-on"),
        (["--upcoming-notice-days", "90"], "60"),
    ] {
        let said = shop.gateway.run_badly(&[&["merchant", "set", "demo"], &options[..]].concat());
        assert!(said.contains(words), "{options:?}: {said}");
    }
    assert_eq!(shop.gateway.run_well(&["merchant", "show", "demo"]), shown, "what is refused changes nothing");
}
