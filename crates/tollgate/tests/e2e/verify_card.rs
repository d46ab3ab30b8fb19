//! VERIFY_CARD and CHECK_VERIFY_CARD_STATUS against a real card network: by asking about the account, and by a small
//! amount that is held and given up at once.

use crate::support::card_network::CardNetwork;
use crate::support::receiver::Receiver;
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::shop::*;
use crate::support::{Gateway, QUICK, accounts, all_at_once, field, payment, post, verification, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;

/// One that the first lines of a gateway do not show.
const OTHER_VISA: &str = "4111111111111111";
const DECLINED: &str = "4005559000001000";
const LATE: &str = "4005559000004004";
const SILENT: &str = "4005559000005001";
/// Declined with 96.
const BROKEN: &str = "4005559000006009";
/// 3-D Secure is wanted, which nobody asks of a card that is only verified.
const THREE_DS: &str = "4005559000008005";
/// A right check digit, and no brand.
const NO_BRAND: &str = "1000000000000008";

#[test]
fn a_card_is_verified_without_money_and_the_status_tells_it() {
    let shop = Shop::open();
    for (card, more, code, network) in [
        (VISA, &[] as &[(&str, &str)], "80000", "00"),
        (VISA, &[("card_security_code", "123")], "80000", "00"),
        (VISA, &[("card_security_code", "907")], "81666", "63"),
        (AMEX, &[("card_security_code", "1234")], "80000", "00"),
        (AMEX, &[("card_security_code", "123")], "81666", "63"),
        (MASTERCARD, &[("card_holder_name", "Jo Doe")], "80000", "00"),
        (THREE_DS, &[], "80000", "00"),
        (DECLINED, &[], "81666", "05"),
        (BROKEN, &[], "81006", "96"),
        ("4005559000002008", &[], "81029", "51"),
        ("4005559000003006", &[], "81012", "54"),
    ] {
        let reference = shop.reference();
        let answer = shop.call(&verification(&reference, card, more));
        assert_code(&answer, code, card);
        let told = shop.call(&check(&reference));
        assert_code(&told, "12000", card);
        assert_eq!(field(&told, "transaction_code"), code);
        assert_eq!(field(&told, "transaction_status"), &code[..2]);
        assert_eq!(field(&told, "transaction_message"), message(code, Language::English));
        let story = story(&shop.gateway, &reference);
        assert_eq!(story["amount"], 0, "{story}");
        assert_eq!(story["operations"].as_array().unwrap().len(), 1, "nothing is held, so nothing follows");
        assert_eq!(story["operations"][0]["outcomes"][0]["network_code"], network, "{card}");
    }
    assert_eq!(held(&shop.gateway.issuer("/ledger/totals")), 0);
    assert_code(&shop.call(&check("no-such")), "12036", "unknown");
    assert!(!shop.call(&check("no-such")).contains_key("transaction_code"));
}

#[test]
fn a_small_amount_is_held_and_given_up_at_once() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--verify-card", "small-amount", "--verify-card-units", "2"]);
    for (currency, minor) in [("AED", 200), ("KWD", 2000)] {
        let reference = shop.reference();
        let answer = shop.call(&verification(&reference, VISA, &[("currency", currency)]));
        assert_code(&answer, "80000", currency);
        wait_for("the hold is given up", || (phase(&shop.gateway, &reference) == "voided").then_some(()));
        let story = story(&shop.gateway, &reference);
        let kinds: Vec<_> = story["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|operation| operation["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["authorize", "void"]);
        assert_eq!(story["amount"], minor, "{currency}");
        assert_eq!(story["last_code"], "80000", "what counts is the verification");
        assert_code(&shop.call(&check(&reference)), "12000", "told");
        let text = shop.gateway.run_well(&["explain", &reference]);
        assert!(text.contains("VERIFY_CARD of ") && text.contains("VOID_AUTHORIZATION"), "{text}");
        assert!(text.contains("none: the gateway does this by itself"), "nobody asked for the void: {text}");
        assert_eq!(text.matches("\n  told ").count(), 1, "and nobody was told of it: {text}");
    }
    assert_eq!(held(&shop.gateway.issuer("/ledger/totals")), 0);
    let reference = shop.reference();
    assert_code(&shop.call(&verification(&reference, DECLINED, &[])), "81666", "declined");
    assert_eq!(phase(&shop.gateway, &reference), "declined");
}

#[test]
fn what_is_not_answered_is_reversed_and_what_is_answered_late_is_told_later() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &["--late-ms", "900"]);
    let mut environment = QUICK.to_vec();
    // No reversal before a late answer, however slow this machine is.
    environment[3].1 = "4000";
    environment.push(("TOLLGATE_ACQUIRER_ADDRESS", &network.iso));
    let gateway = Gateway::serve(&folder.path().join("data"), &["--dev", "--no-issuer"], &environment);
    let demo = gateway.demo();
    let receiver = Receiver::start();
    let url = receiver.url("/hear");
    accounts::set(&gateway, "demo", &["--direct-feedback-url", &url, "--notification-feedback-url", &url]);
    for method in ["account", "small-amount"] {
        accounts::set(&gateway, "demo", &["--verify-card", method, "--shop-name", method]);
        for (card, code) in [(LATE, "80000"), (SILENT, "81666")] {
            let reference = format!("{method}-{code}");
            let answer = gateway.call(&demo, &verification(&reference, card, &[]));
            assert_eq!(field(&answer, "response_code"), "15777", "{method}: {answer:?}");
            let told = wait_for("it is known", || {
                let told = gateway.call(&demo, &check(&reference));
                (field(&told, "transaction_code") != "15777").then_some(told)
            });
            assert_eq!(field(&told, "transaction_code"), code, "{method}: {told:?}");
        }
    }
    wait_for("nothing is held", || (held(&network.get("/ledger/totals")) == 0).then_some(()));
    wait_for("the gateway knows", || (phase(&gateway, "small-amount-80000") == "voided").then_some(()));
    assert_eq!(phase(&gateway, "account-80000"), "verified");
    assert_eq!(phase(&gateway, "account-81666"), "reversed");
    // A payment is told, verifications are not.
    assert_code(&gateway.call(&demo, &payment("PURCHASE", "paid", "1000", VISA)), "14000", "paid");
    let heard = receiver.wait(1);
    assert_eq!(heard[0].json()["merchant_reference"], "paid");
    assert_eq!(receiver.received().len(), 1, "VERIFY_CARD has no feedback");
}

#[test]
fn a_void_that_is_lost_with_the_gateway_is_carried_out_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_on(&network.iso, &data);
    let demo = gateway.demo();
    accounts::set(&gateway, "demo", &["--verify-card", "small-amount"]);
    // Nobody hears what became of the void.
    fault(&network, &serde_json::json!({ "behaviour": "silent", "operation": "void", "count": 1 }));
    assert_code(&gateway.call(&demo, &verification("card", VISA, &[])), "80000", "verified");
    gateway.kill();
    let gateway = Gateway::start_on(&network.iso, &data);
    wait_for("the hold is given up", || (phase(&gateway, "card") == "voided").then_some(()));
    let void = story(&gateway, "card")["operations"][1].clone();
    let events: Vec<_> =
        void["outcomes"].as_array().unwrap().iter().map(|told| told["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["interrupted", "advice_acknowledged"], "{void}");
    assert_eq!(held(&network.get("/ledger/totals")), 0);
    let told = gateway.call(&demo, &check("card"));
    assert_eq!(field(&told, "transaction_code"), "80000", "{told:?}");
}

#[test]
fn a_verification_uses_no_reference_up_and_is_no_order() {
    let shop = Shop::open();
    assert_code(&shop.call(&verification("one", VISA, &[])), "80000", "first");
    assert_code(&shop.call(&verification("one", DECLINED, &[])), "81666", "again");
    assert_eq!(field(&shop.call(&check("one")), "transaction_code"), "81666", "the newest counts");
    let story: Value = serde_json::from_str(&shop.gateway.run_well(&["explain", "one", "--format", "json"])).unwrap();
    let orders = story["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 2);
    assert_code(&shop.call(&crate::support::status("one")), "12036", "no order of this reference");
    let fort_id = orders[0]["fort_id"].as_str().unwrap();
    for command in ["CAPTURE", "VOID_AUTHORIZATION", "REFUND"] {
        let by_number = later(command, "one", &[]);
        let by_number: Vec<_> = by_number.into_iter().filter(|(name, _)| *name != "merchant_reference").collect();
        let answer = shop.call(&with(by_number, &[("fort_id", fort_id)]));
        assert_code(&answer, "00036", command);
    }
    assert_code(&shop.call(&payment("PURCHASE", "one", "1000", VISA)), "14000", "the payment of this reference");
    assert_code(&shop.call(&payment("PURCHASE", "one", "1000", VISA)), "00066", "used up by the payment");
    assert_code(&shop.call(&verification("one", VISA, &[])), "80000", "and still no matter to a verification");
    assert_eq!(field(&shop.call(&crate::support::status("one")), "transaction_code"), "14000");
}

#[test]
fn each_guard_of_a_verification_has_its_code() {
    let shop = Shop::open();
    for (card, more, code) in [
        ("4005550000000002", &[] as &[(&str, &str)], "00016"),
        (NO_BRAND, &[], "00016"),
        (VISA, &[("expiry_date", "3013")], "00100"),
        (VISA, &[("expiry_date", "2001")], "00012"),
        (VISA, &[("expiry_date", "")], "00001"),
        ("", &[], "00001"),
        ("", &[("token_name", "mine")], "00001"),
        (VISA, &[("currency", "XXX")], "00013"),
        (VISA, &[("currency", "KRW")], "00023"),
        (VISA, &[("card_security_code", "12")], "00002"),
        (VISA, &[("settlement_reference", "4005550000000001")], "00033"),
        (MADA, &[], "00049"),
        (MEEZA_16, &[], "00049"),
    ] {
        let answer = shop.call(&verification(&shop.reference(), card, more));
        assert_code(&answer, code, card);
        assert_eq!(story_of_orders(&shop.gateway, field(&answer, "merchant_reference")), 0, "nothing was begun");
    }
    accounts::set(&shop.gateway, "demo", &["--verify-card", "small-amount", "--limit", "AED=0.99"]);
    assert_code(&shop.call(&verification("limit", VISA, &[])), "00050", "above the limit");
    shop.gateway.run_well(&["merchant", "deactivate-trusted-channel", "demo"]);
    assert_code(&shop.call(&verification("off", VISA, &[])), "00027", "the channel is off");
    accounts::activate_trusted_channel(&shop.gateway, "demo");
    accounts::set(&shop.gateway, "demo", &["--card-data", "encrypted-only"]);
    assert_code(&shop.call(&verification("clear", VISA, &[])), "00027", "in clear");
    for units in ["0", "11"] {
        let said = shop.gateway.run_badly(&["merchant", "set", "demo", "--verify-card-units", units]);
        assert!(said.contains("1 to 10"), "{said}");
    }
}

#[test]
fn an_answer_has_exactly_the_fields_of_its_table() {
    let shop = Shop::open();
    let more = [("settlement_reference", "S-1"), ("card_security_code", "123"), ("app_ver", "1")];
    let answer = shop.call(&verification("fields", VISA, &more));
    let expected: BTreeSet<&str> = [
        "service_command",
        "access_code",
        "merchant_identifier",
        "merchant_reference",
        "currency",
        "language",
        "expiry_date",
        "card_number",
        "settlement_reference",
        "response_code",
        "response_message",
        "status",
        "signature",
    ]
    .into();
    assert_eq!(names(&answer), expected);
    assert_eq!(field(&answer, "card_number"), "400555******0001");
    let told = shop.call(&with(check("fields"), &[("language", "ar")]));
    let expected: BTreeSet<&str> = [
        "query_command",
        "access_code",
        "merchant_identifier",
        "merchant_reference",
        "language",
        "transaction_status",
        "transaction_code",
        "transaction_message",
        "response_code",
        "response_message",
        "status",
        "signature",
    ]
    .into();
    assert_eq!(names(&told), expected);
    assert_eq!(field(&told, "transaction_message"), message("80000", Language::Arabic));
}

#[test]
fn many_verifications_at_once_leave_nothing_held() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--verify-card", "small-amount"]);
    let answers = all_at_once(8, |place| {
        (0..5)
            .map(|round| {
                let reference = format!("many-{place}-{round}");
                let answer = shop.gateway.call(&shop.merchant, &verification(&reference, VISA, &[]));
                assert_code(&answer, "80000", &reference);
                reference
            })
            .collect::<Vec<_>>()
    });
    for reference in answers.into_iter().flatten() {
        wait_for("the hold is given up", || (phase(&shop.gateway, &reference) == "voided").then_some(()));
    }
    assert_eq!(held(&shop.gateway.issuer("/ledger/totals")), 0);
}

#[test]
fn no_card_data_of_a_verification_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_on(&network.iso, &data);
    let demo = gateway.demo();
    let mut sinks = Vec::new();
    for method in ["account", "small-amount"] {
        accounts::set(&gateway, "demo", &["--verify-card", method, "--shop-name", method]);
        for card in [OTHER_VISA, MASTERCARD, DECLINED, SILENT, MADA] {
            let reference = format!("{method}-{card}", card = &card[12..]);
            let answer = gateway.call(&demo, &verification(&reference, card, &[("card_security_code", "907")]));
            sinks.push(Sink::text("an answer", Value::Object(answer).to_string()));
            sinks.push(Sink::text("a status", Value::Object(gateway.call(&demo, &check(&reference))).to_string()));
            sinks.push(Sink::text("a story", gateway.run_well(&["explain", &reference])));
        }
    }
    assert!(gateway.stop());
    sinks.push(Sink::text("the gateway's output", gateway.output()));
    sinks.push(Sink::text("the network's output", network.output()));
    sinks.extend(files(&data));
    sinks.extend(files(&folder.path().join("network")));
    let numbers: Vec<String> = [OTHER_VISA, MASTERCARD, DECLINED, SILENT, MADA].map(str::to_owned).into();
    Forbidden::new(&numbers, &["907"]).assert_in_none(&sinks);
}

fn check(reference: &str) -> Vec<(&str, &str)> {
    vec![("query_command", "CHECK_VERIFY_CARD_STATUS"), ("merchant_reference", reference)]
}

/// The only order of a reference.
fn story(gateway: &Gateway, reference: &str) -> Value {
    let told: Value = serde_json::from_str(&gateway.run_well(&["explain", reference, "--format", "json"])).unwrap();
    let orders = told["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 1, "{reference}");
    orders[0].clone()
}

/// How many orders are told of a reference.
fn story_of_orders(gateway: &Gateway, reference: &str) -> usize {
    let told: Value = serde_json::from_str(&gateway.run_well(&["explain", reference, "--format", "json"])).unwrap();
    told["orders"].as_array().unwrap().len()
}

fn phase(gateway: &Gateway, reference: &str) -> String {
    story(gateway, reference)["phase"].as_str().unwrap().to_owned()
}

/// Minor units held by the network, in all currencies.
fn held(totals: &Value) -> i64 {
    totals["currencies"].as_array().unwrap().iter().map(|currency| currency["held"].as_i64().unwrap()).sum()
}

/// Asks a network for a fault.
fn fault(network: &CardNetwork, wish: &Value) {
    let (status, answer) = post(&network.admin, "/faults", wish.to_string().as_bytes(), "application/json");
    assert!((200..300).contains(&status), "{status} {}", crate::support::text(&answer));
}
