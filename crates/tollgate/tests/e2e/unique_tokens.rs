//! One token per card, one per customer, and the customers of a card, as merchants and operators see them.

use crate::support::receiver::Receiver;
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::shop::*;
use crate::support::{accounts, all_at_once, field, page, payment};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A card that no first line of a gateway shows.
const CARD: &str = "4111111111111111";
const REMEMBER: (&str, &str) = ("remember_me", "YES");

#[test]
fn a_card_that_is_remembered_again_has_the_token_that_it_has() {
    let shop = Shop::open();
    set(&shop, &["--unique-tokens", "per-merchant"]);
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/paid")]);
    let first = remembered(&shop, &[REMEMBER]);
    let again = shop.pay("PURCHASE", CARD, &[REMEMBER, ("expiry_date", "3109"), ("customer_email", "b@example.org")]);
    assert_code(&again, "14000", "paid");
    assert_eq!(field(&again, "token_name"), first);
    // A name of the merchant's own for a card that has one is answered with the one it has.
    assert_eq!(remembered(&shop, &[("token_name", "mine"), ("expiry_date", "3109")]), first);
    assert_code(&by_token(&shop, "mine"), "00044", "no such token was made");
    assert_eq!(field(&by_token(&shop, &first), "expiry_date"), "3109", "the expiry is the newest");
    let heard = receiver.wait(4);
    let told: BTreeSet<String> =
        heard.iter().filter_map(|request| Some(request.json()["token_name"].as_str()?.to_owned())).collect();
    assert_eq!(told, BTreeSet::from([first.clone()]), "feedback names the token that counts");
    // Another card and another merchant have tokens of their own.
    let other = shop.pay("PURCHASE", MASTERCARD, &[REMEMBER]);
    assert_ne!(field(&other, "token_name"), first);
    let merchant = accounts::add(&shop.gateway, "other", &[]);
    let theirs = shop.gateway.call(&merchant, &with(payment("PURCHASE", "o-1", "1000", CARD), &[REMEMBER]));
    assert_ne!(field(&theirs, "token_name"), first, "{theirs:?}");
}

#[test]
fn each_customer_of_a_card_has_one_token_and_an_operator_sees_them() {
    let shop = Shop::open();
    set(&shop, &["--unique-tokens", "per-customer", "--card-customers-max", "2"]);
    let of = |customer: &'static str| shop.pay("PURCHASE", CARD, &[REMEMBER, ("customer_email", customer)]);
    let (jo, lea) = (of("jo@example.org"), of("lea@example.org"));
    assert_ne!(field(&jo, "token_name"), field(&lea, "token_name"));
    assert_eq!(field(&of("Jo@Example.org"), "token_name"), field(&jo, "token_name"), "in whatever letters");
    let third = of("third@example.org");
    assert_code(&third, "14000", "the payment is none the worse for it");
    assert!(!third.contains_key("token_name"), "{third:?}");
    let name = field(&jo, "token_name");
    let told = shop.gateway.run_well(&["token", "customers", "demo", name, "--format", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["card_number"], "411111******1111");
    let customers: Vec<_> =
        told["customers"].as_array().unwrap().iter().map(|row| row["customer"].as_str().unwrap()).collect();
    assert_eq!(customers, ["jo@example.org", "lea@example.org"]);
    let text = shop.gateway.run_well(&["token", "customers", "demo", name]);
    assert!(text.contains("2 customers") && text.contains("lea@example.org"), "{text}");
    assert!(shop.gateway.run_badly(&["token", "customers", "demo", "no-such"]).contains("no token"));
    accounts::set(&shop.gateway, "demo", &["--card-customers-max", "none"]);
    assert!(of("third@example.org").contains_key("token_name"), "the limit is lifted");
}

#[test]
fn many_who_save_a_card_at_once_have_one_token() {
    let shop = Shop::open();
    set(&shop, &["--unique-tokens", "per-merchant"]);
    let names: BTreeSet<String> = all_at_once(12, |place| {
        let params = payment("PURCHASE", "", "1000", CARD);
        let reference = format!("race-{place}");
        let answer = shop.gateway.call(&shop.merchant, &with(params, &[REMEMBER, ("merchant_reference", &reference)]));
        assert_code(&answer, "14000", &reference);
        field(&answer, "token_name").to_owned()
    })
    .into_iter()
    .collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn what_was_there_before_the_rule_is_counted_and_stays() {
    let shop = Shop::open();
    let names = [remembered(&shop, &[REMEMBER]), remembered(&shop, &[REMEMBER])];
    assert_ne!(names[0], names[1]);
    let said = shop.gateway.run_well(&["merchant", "set", "demo", "--unique-tokens", "per-merchant"]);
    assert!(said.contains("1 card has more than one token"), "{said}");
    assert_eq!(remembered(&shop, &[REMEMBER]), names[0], "the oldest counts from now on");
    for name in &names {
        assert_code(&by_token(&shop, name), "14000", "both still pay");
    }
    let shown = shop.gateway.run_well(&["merchant", "show", "demo"]);
    assert!(shown.contains("per-merchant") && shown.contains("no limit"), "{shown}");
    for bad in [["--unique-tokens", "yes"], ["--card-customers-max", "0"], ["--card-customers-max", "1001"]] {
        shop.gateway.run_badly(&[&["merchant", "set", "demo"][..], &bad].concat());
    }
}

#[test]
fn a_token_that_is_switched_off_makes_room_and_comes_back_only_alone() {
    let shop = Shop::open();
    set(&shop, &["--unique-tokens", "per-merchant"]);
    let first = remembered(&shop, &[REMEMBER]);
    assert_code(&status_of(&shop, &first, "INACTIVE"), "58000", "off");
    let second = remembered(&shop, &[REMEMBER]);
    assert_ne!(second, first, "the card has a token again");
    assert_code(&status_of(&shop, &first, "ACTIVE"), "00114", "its card has one");
    assert_code(&status_of(&shop, &second, "INACTIVE"), "58000", "off");
    assert_code(&status_of(&shop, &first, "ACTIVE"), "58000", "now it may");
}

#[test]
fn the_customers_of_a_card_hold_no_card_number() {
    let mut shop = Shop::open();
    set(&shop, &["--unique-tokens", "per-customer", "--card-customers-max", "1"]);
    let mut sinks = Vec::new();
    for customer in ["jo@example.org", "lea@example.org"] {
        let answer = shop.pay("PURCHASE", CARD, &[REMEMBER, ("customer_email", customer)]);
        if let Some(name) = answer.get("token_name") {
            let told = shop.gateway.run_well(&["token", "customers", "demo", name.as_str().unwrap()]);
            sinks.push(Sink::text("the customers", told));
        }
        sinks.push(Sink::text("an answer", Value::Object(answer).to_string()));
    }
    let data = shop.gateway.data.clone();
    assert!(shop.gateway.stop());
    sinks.push(Sink::text("the output", shop.gateway.output()));
    sinks.extend(files(&data));
    Forbidden::new(&[CARD.to_owned()], &[]).assert_in_none(&sinks);
}

fn set(shop: &Shop, options: &[&str]) {
    accounts::set(&shop.gateway, "demo", options);
}

/// Pays with the card and keeps it; the name that the answer tells.
fn remembered(shop: &Shop, more: &[(&str, &str)]) -> String {
    let answer = shop.pay("PURCHASE", CARD, more);
    assert_code(&answer, "14000", "paid");
    field(&answer, "token_name").to_owned()
}

#[test]
fn a_card_from_a_form_has_the_token_that_it_has() {
    let shop = Shop::open();
    set(&shop, &["--unique-tokens", "per-merchant"]);
    let send = |service: &str, card: &str, more: &[(&str, &str)]| {
        let reference = shop.reference();
        page::submit(&shop.gateway, &shop.merchant, &with(page::form(service, &reference, card), more)).fields
    };
    let first = remembered(&shop, &[REMEMBER]);
    for (service, code) in [("TOKENIZATION", "18000"), ("CREATE_TOKEN", "52062")] {
        for (more, expiry) in
            [(&[] as &[(&str, &str)], "3005"), (&[("token_name", "mine"), ("expiry_date", "3109")], "3109")]
        {
            let told = send(service, CARD, more);
            assert_code(&told, code, service);
            assert_eq!(
                (field(&told, "token_name"), field(&told, "expiry_date")),
                (first.as_str(), expiry),
                "{service}"
            );
        }
    }
    assert_code(&by_token(&shop, "mine"), "00044", "no such token was made");
    // The code that was typed goes with the next payment by that token, and with no other.
    let code_sent = |answer: &Map<String, Value>| {
        shop.gateway.run_well(&["explain", field(answer, "merchant_reference")]).contains("card verification value")
    };
    assert_code(&send("TOKENIZATION", CARD, &[]), "18000", "with a code");
    assert_eq!([code_sent(&by_token(&shop, &first)), code_sent(&by_token(&shop, &first))], [true, false]);
    // A name that has another card keeps it, and is answered with the name of the card's own token.
    assert_eq!(field(&send("TOKENIZATION", MASTERCARD, &[("token_name", "theirs")]), "token_name"), "theirs");
    let told = send("TOKENIZATION", CARD, &[("token_name", "theirs")]);
    assert_code(&told, "18000", "not replaced");
    assert_eq!((field(&told, "token_name"), field(&told, "card_number")), (first.as_str(), "411111******1111"));
    assert_eq!(field(&by_token(&shop, "theirs"), "card_number"), "512345******2346");
    assert_code(&send("CREATE_TOKEN", CARD, &[("token_name", "theirs")]), "00114", "a taken name is refused first");
    // A card without a token takes a known name's place, and its own name is its own.
    for _ in 0..2 {
        let told = send("TOKENIZATION", AMEX, &[("token_name", "theirs"), ("card_security_code", "1234")]);
        assert_code(&told, "18063", "replaced");
        assert_eq!(field(&told, "token_name"), "theirs");
    }
    assert_code(&status_of(&shop, "theirs", "INACTIVE"), "58000", "off");
    assert_code(&send("TOKENIZATION", CARD, &[("token_name", "theirs")]), "00044", "a name that is off");
    let listed: Value =
        serde_json::from_str(&shop.gateway.run_well(&["token", "list", "demo", "--format", "json"])).unwrap();
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 2, "{listed}");
}

#[test]
fn the_newest_form_says_whether_a_card_is_kept_after_its_payment() {
    let shop = Shop::open();
    set(&shop, &["--unique-tokens", "per-merchant"]);
    for (number, wishes, stays) in [(0, ["NO", "YES"], true), (1, ["YES", "NO"], false)] {
        let card = [CARD, MASTERCARD][number];
        let names: BTreeSet<String> = wishes
            .into_iter()
            .map(|wish| {
                let form = with(page::form("TOKENIZATION", "F", card), &[("remember_me", wish)]);
                let told = page::submit(&shop.gateway, &shop.merchant, &form).fields;
                field(&told, "token_name").to_owned()
            })
            .collect();
        assert_eq!(names.len(), 1, "one card, one token");
        let name = names.first().unwrap();
        assert_code(&by_token(&shop, name), "14000", "paid");
        shop.gateway.run_well(&["clock", "advance", "2h"]);
        assert_code(&by_token(&shop, name), if stays { "14000" } else { "00044" }, wishes[1]);
    }
}

fn by_token(shop: &Shop, name: &str) -> Map<String, Value> {
    let reference = shop.reference();
    shop.call(&[
        ("command", "PURCHASE"),
        ("merchant_reference", &reference),
        ("amount", "1000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("token_name", name),
        ("check_3ds", "NO"),
    ])
}

fn status_of(shop: &Shop, name: &str, status: &str) -> Map<String, Value> {
    let reference = shop.reference();
    shop.call(&[
        ("service_command", "UPDATE_TOKEN"),
        ("merchant_reference", &reference),
        ("token_name", name),
        ("token_status", status),
    ])
}
