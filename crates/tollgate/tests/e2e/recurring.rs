//! Charges without the customer and mail orders, by the running gateway: who may be charged, what was agreed, and what the
//! card network is told of it.

use crate::support::customer::Customer;
use crate::support::receiver::Receiver;
use crate::support::shop::*;
use crate::support::{Gateway, QUICK, accounts, all_at_once, field, page, payment, wait_for};
use serde_json::{Map, Value};

/// Declined by the issuer.
const DECLINED: &str = "4005559000001000";
const NO_CARD: [&str; 4] = ["card_number", "expiry_date", "card_security_code", "card_holder_name"];

/// A gateway whose unknown outcomes are settled soon.
fn quick() -> Shop {
    let mut shop = Shop::open();
    shop.gateway = Gateway::start_with(&QUICK);
    shop.merchant = shop.gateway.demo();
    shop
}

/// A customer's payment of 150.00 that keeps the card as `token`.
fn first(shop: &Shop, token: &str, more: &[(&str, &str)]) -> Map<String, Value> {
    let kept = [("token_name", token)];
    let answer = shop.pay("PURCHASE", VISA, &[&kept, more].concat());
    assert_code(&answer, "14000", token);
    assert_eq!(field(&answer, "token_name"), token);
    answer
}

/// The parameters of a payment of 150.00 by token, without the customer at a browser.
fn by_token<'a>(
    eci: &'a str,
    reference: &'a str,
    token: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut params = payment("PURCHASE", reference, "15000", VISA);
    params.retain(|(name, _)| !NO_CARD.contains(name) && *name != "check_3ds");
    with(with(params, &[("eci", eci), ("token_name", token)]), more)
}

fn charge(shop: &Shop, token: &str, more: &[(&str, &str)]) -> Map<String, Value> {
    let reference = shop.reference();
    shop.call(&by_token("RECURRING", &reference, token, more))
}

/// What `tollgate agreement show` tells.
fn agreement(shop: &Shop, id: &str) -> Value {
    let shown = shop.gateway.run_well(&["agreement", "show", "demo", id, "--format", "json"]);
    serde_json::from_str(&shown).unwrap()
}

fn counted(shop: &Shop, id: &str) -> (u64, u64) {
    let shown = agreement(shop, id);
    (shown["charges"].as_u64().unwrap(), shown["charges_open"].as_u64().unwrap())
}

/// What `tollgate explain` tells of the order of an answer.
fn explained(shop: &Shop, answer: &Map<String, Value>) -> Value {
    let told = shop.gateway.run_well(&["explain", field(answer, "merchant_reference"), "--format", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    told["orders"][0].clone()
}

/// The entry of the network's ledger for the first message of an answer's order.
fn entry(shop: &Shop, answer: &Map<String, Value>) -> Value {
    let story = explained(shop, answer);
    let rrn = story["operations"][0]["rrn"].as_str().unwrap();
    let entries = shop.gateway.issuer(&format!("/ledger/entries?rrn={rrn}"));
    entries.as_array().unwrap()[0].clone()
}

fn advance(shop: &Shop, days: u32) {
    shop.gateway.run_well(&["clock", "advance", &format!("{days}d")]);
}

#[test]
fn a_charge_needs_a_token_that_its_customer_has_paid_with_and_nothing_else_of_a_card() {
    let shop = Shop::open();
    first(&shop, "paid", &[]);
    let answer = charge(&shop, "paid", &[("customer_ip", "203.0.113.9"), ("return_url", "https://shop.example/back")]);
    assert_code(&answer, "14000", "a charge");
    for (name, value) in [
        ("eci", "RECURRING"),
        ("token_name", "paid"),
        ("card_number", "400555******0001"),
        ("expiry_date", "3005"),
        ("payment_option", "VISA"),
        ("customer_ip", "203.0.113.9"),
    ] {
        assert_eq!(field(&answer, name), value, "{name}");
    }
    assert!(!answer.contains_key("3ds_url") && !answer.contains_key("agreement_id"), "{answer:?}");
    assert_code(&charge(&shop, "paid", &[("check_3ds", "YES")]), "14000", "3-D Secure is never asked for");
    for (more, code, what) in [
        (&[("command", "AUTHORIZATION")][..], "00113", "an authorization"),
        (&[("card_security_code", "123")], "00110", "a security code"),
        (&[("card_number", VISA), ("expiry_date", "3005")], "00110", "a card"),
        (&[("token_name", "nobody")], "00044", "a token that is not there"),
        (&[("token_name", "")], "00001", "nothing to pay with"),
        (&[("3ds_status", "Y")], "00113", "the result of an MPI"),
    ] {
        assert_code(&charge(&shop, "paid", more), code, what);
    }
    let made = page::form("CREATE_TOKEN", "T-1", VISA);
    let made = page::submit(&shop.gateway, &shop.merchant, &with(made, &[("token_name", "never-paid")]));
    assert_eq!(field(&made.fields, "response_code"), "52062", "{:?}", made.fields);
    assert_code(&charge(&shop, "never-paid", &[]), "00113", "its customer has never paid");
    let reference = shop.reference();
    let own = with(by_token("ECOMMERCE", &reference, "never-paid", &[]), &[("check_3ds", "NO")]);
    assert_code(&shop.call(&own), "14000", "the customer pays");
    assert_code(&charge(&shop, "never-paid", &[]), "14000", "now it may be charged");
    let mada = shop.pay("PURCHASE", MADA, &[("token_name", "mada")]);
    assert_code(&mada, "14000", "mada");
    assert_code(&charge(&shop, "mada", &[]), "00049", "mada is for customers at a browser");
    assert_code(&shop.call(&with(by_token("RECURRING", "DEC", "paid", &[]), &[("amount", "0")])), "00005", "amount");
}

#[test]
fn an_order_by_phone_needs_no_code_and_tells_the_network_that_it_is_one() {
    let shop = Shop::open();
    let reference = shop.reference();
    let mut by_phone = payment("AUTHORIZATION", &reference, "15000", VISA);
    by_phone.retain(|(name, _)| !["card_security_code", "check_3ds"].contains(name));
    let held = shop.call(&with(by_phone.clone(), &[("eci", "MOTO")]));
    assert_code(&held, "02000", "a card in clear, over the trusted channel");
    assert_eq!(field(&held, "eci"), "MOTO");
    let sent = explained(&shop, &held)["operations"][0]["outcomes"][0]["wire"][0].to_string();
    assert!(sent.contains("22=012") && sent.contains("25=08"), "{sent}");
    assert_code(&shop.call(&crate::support::operation("CAPTURE", &reference, "15000")), "04000", "captured as usual");
    assert_code(
        &shop.call(&with(by_phone.clone(), &[("merchant_reference", "E-1")])),
        "00001",
        "a browser needs a code",
    );

    first(&shop, "kept", &[]);
    for command in ["AUTHORIZATION", "PURCHASE"] {
        let reference = shop.reference();
        let answer = shop.call(&with(by_token("MOTO", &reference, "kept", &[]), &[("command", command)]));
        assert_code(&answer, if command == "PURCHASE" { "14000" } else { "02000" }, command);
    }
    assert_code(&shop.call(&by_token("MOTO", "M-3", "nobody", &[])), "00044", "no such token");
    assert_code(
        &shop.call(&by_token("MOTO", "M-4", "kept", &[("recurring_mode", "UNSCHEDULED")])),
        "00113",
        "opens none",
    );
    assert_code(&shop.pay("PURCHASE", MADA, &[("token_name", "mada")]), "14000", "mada");
    assert_code(&shop.call(&by_token("MOTO", "M-5", "mada", &[])), "00049", "mada is for customers at a browser");
    shop.gateway.run_well(&["merchant", "deactivate-trusted-channel", "demo"]);
    let closed = with(by_phone, &[("eci", "MOTO"), ("merchant_reference", "M-6")]);
    assert_code(&shop.call(&closed), "00027", "no card without the trusted channel");
    assert_code(&shop.call(&by_token("MOTO", "M-7", "kept", &[])), "14000", "a token needs none");
}

#[test]
fn a_fixed_agreement_is_charged_within_its_limits_and_told_everywhere() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/told")]);
    let agreed = [
        ("agreement_id", "AGR-1"),
        ("recurring_mode", "FIXED"),
        ("recurring_transactions_count", "3"),
        ("recurring_days_between_payments", "30"),
    ];
    let opened = first(&shop, "t-1", &agreed);
    for (name, value) in &agreed[..3] {
        assert_eq!(field(&opened, name), *value, "{name}");
    }
    let named = [("agreement_id", "AGR-1")];
    let too_soon = charge(&shop, "t-1", &named);
    assert_code(&too_soon, "00034", "too soon");
    // The diary of refusals is written beside the answer.
    wait_for("the reason in the diary", || {
        let told = shop.gateway.run(&["explain", field(&too_soon, "merchant_reference")]);
        crate::support::text(&told.stdout).contains("the next one may come on").then_some(())
    });
    advance(&shop, 30);
    let paid = charge(&shop, "t-1", &named);
    assert_code(&paid, "14000", "30 days later");
    assert_eq!(field(&paid, "agreement_id"), "AGR-1");
    let again = by_token("RECURRING", field(&paid, "merchant_reference"), "t-1", &named);
    assert_code(&shop.call(&again), "00066", "the same charge again is told so, and not that it comes too soon");
    advance(&shop, 30);
    first(&shop, "t-2", &[]);
    for (more, code, what) in [
        (&[("amount", "15001")][..], "00005", "another amount"),
        (&[("currency", "SAR")], "00013", "another currency"),
        (&[("token_name", "t-2")], "00110", "another token"),
        (&[("agreement_id", "AGR-2")], "00033", "no such agreement"),
        (&[], "14000", "as agreed"),
    ] {
        assert_code(&charge(&shop, "t-1", &with(named.to_vec(), more)), code, what);
    }
    assert_eq!(counted(&shop, "AGR-1"), (2, 0));
    assert_code(&shop.pay("PURCHASE", VISA, &agreed), "00033", "a name is used once");

    let told = receiver.wait_for(field(&paid, "merchant_reference"), "14000").json();
    assert_eq!((field(&told, "agreement_id"), field(&told, "eci")), ("AGR-1", "RECURRING"));

    let shown = agreement(&shop, "AGR-1");
    assert_eq!(
        (&shown["state"], &shown["charges_max"], &shown["amount"]),
        (&"ACTIVE".into(), &3.into(), &15_000.into())
    );
    assert_eq!(shown["newest_charges"].as_array().unwrap().len(), 2);
    let listed = shop.gateway.run_well(&["agreement", "list", "demo"]);
    assert!(listed.contains("AGR-1") && listed.contains("2 of 3"), "{listed}");
    let over = shop.gateway.run_well(&["agreement", "end", "demo", "AGR-1"]);
    assert!(over.contains("AGR-1 is over"), "{over}");
    advance(&shop, 30);
    assert_code(&charge(&shop, "t-1", &named), "00034", "it was ended");
    assert_code(&charge(&shop, "t-1", &[]), "14000", "a charge that names none goes by its token");
    assert!(shop.gateway.run_badly(&["agreement", "show", "demo", "AGR-9"]).contains("has no agreement"));
}

#[test]
fn count_and_last_day_end_an_agreement_and_a_merchant_may_demand_one() {
    let shop = Shop::open();
    let opened = first(&shop, "t", &[("recurring_mode", "VARIABLE"), ("recurring_transactions_count", "1")]);
    let made = field(&opened, "agreement_id").to_owned();
    assert_eq!(made.len(), 32, "a name of our own: {made}");
    assert_code(&charge(&shop, "t", &[("agreement_id", &made), ("amount", "99")]), "14000", "another amount");
    assert_code(&charge(&shop, "t", &[("agreement_id", &made)]), "00034", "used up");
    let until = [("agreement_id", "U"), ("recurring_mode", "UNSCHEDULED"), ("recurring_expiry_date", "2099-01-01")];
    let reference = shop.reference();
    let own = by_token("ECOMMERCE", &reference, "t", &[&until[..], &[("check_3ds", "NO")]].concat());
    let opened = shop.call(&own);
    assert_code(&opened, "14000", "a known token opens one as well");
    assert_eq!(field(&opened, "agreement_id"), "U");
    accounts::set(&shop.gateway, "demo", &["--agreement", "required"]);
    assert_code(&charge(&shop, "t", &[]), "00001", "this merchant has to name one");
    assert_code(&charge(&shop, "t", &[("agreement_id", "U")]), "14000", "within its time");
    for (more, code, what) in [
        (&[("recurring_mode", "FIXED")][..], "00001", "a fixed one without a count"),
        (&[("recurring_mode", "FIXED"), ("recurring_transactions_count", "0")], "00033", "a count of none"),
        (&[("recurring_mode", "UNSCHEDULED"), ("recurring_expiry_date", "2020-01-01")], "00033", "a day that is past"),
        (&[("recurring_mode", "UNSCHEDULED"), ("remember_me", "NO")], "00110", "a card that is not to be kept"),
    ] {
        assert_code(&shop.pay("PURCHASE", VISA, more), code, what);
    }
    let now: Value = serde_json::from_str(&shop.gateway.run_well(&["clock", "show", "--format", "json"])).unwrap();
    let today = now["now"].as_str().unwrap()[..10].to_owned();
    let last = [("agreement_id", "L"), ("recurring_mode", "UNSCHEDULED"), ("recurring_expiry_date", today.as_str())];
    first(&shop, "l", &last);
    advance(&shop, 2);
    assert_code(&charge(&shop, "l", &[("agreement_id", "L")]), "00034", "its last day is over");
}

#[test]
fn an_agreement_begins_by_success_alone_and_by_every_way_of_paying() {
    let shop = Shop::open();
    let agreed = [("agreement_id", "A"), ("recurring_mode", "UNSCHEDULED")];
    let declined = shop.pay("PURCHASE", DECLINED, &[&agreed[..], &[("token_name", "t")]].concat());
    assert_code(&declined, "13666", "declined");
    assert!(shop.gateway.run_badly(&["agreement", "show", "demo", "A"]).contains("has no agreement"));
    first(&shop, "t", &agreed);
    assert_eq!(agreement(&shop, "A")["state"], "ACTIVE", "the name was free again");

    let form = [
        ("command", "PURCHASE"),
        ("merchant_reference", "P-1"),
        ("amount", "15000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("return_url", "https://shop.example/back?order=17"),
        ("check_3ds", "NO"),
        ("recurring_mode", "VARIABLE"),
        ("recurring_transactions_count", "12"),
    ];
    let back = Customer::arrive(&shop.gateway, &shop.merchant, &form).pay(&shop.merchant, VISA, &[]).fields;
    assert_code(&back, "14000", "paid on the page");
    let (id, token) = (field(&back, "agreement_id"), field(&back, "token_name"));
    assert_eq!(agreement(&shop, id)["token_name"], token);
    assert_code(&charge(&shop, token, &[("agreement_id", id)]), "14000", "charged");

    let said = [
        ("recurring_mode", "FIXED"),
        ("recurring_transactions_count", "6"),
        ("agreement_id", "MINE"),
        ("recurring_expiry_date", "2099-01-01"),
        ("recurring_days_between_payments", "7"),
    ];
    let made =
        page::submit(&shop.gateway, &shop.merchant, &with(page::form("TOKENIZATION", "T-1", VISA), &said)).fields;
    assert_eq!(field(&made, "response_code"), "18000", "{made:?}");
    for (name, value) in said {
        assert_eq!(field(&made, name), value, "{name} comes back");
    }
    let token = field(&made, "token_name").to_owned();
    let own = by_token("ECOMMERCE", "T-2", &token, &[&said[..], &[("check_3ds", "NO")]].concat());
    assert_code(&shop.call(&own), "14000", "the payment that follows opens it");
    assert_eq!(agreement(&shop, "MINE")["days_between_min"], 7);
}

#[test]
fn the_network_is_told_who_pays_and_to_which_payment_a_charge_goes_back() {
    let shop = Shop::open();
    let agreed = [("agreement_id", "A"), ("recurring_mode", "FIXED"), ("recurring_transactions_count", "9")];
    let opened = first(&shop, "t", &agreed);
    let own = entry(&shop, &opened);
    let id = own["network_transaction_id"].as_str().unwrap().to_owned();
    assert_eq!((&own["initiator"], &own["credential"]), (&"customer".into(), &"1R".into()));
    assert_eq!(agreement(&shop, "A")["network_transaction_id"], id);

    let reference = shop.reference();
    let later = shop.call(&with(by_token("ECOMMERCE", &reference, "t", &[]), &[("check_3ds", "NO")]));
    let of_later = entry(&shop, &later);
    assert_eq!((&of_later["initiator"], &of_later["credential"]), (&"customer".into(), &"2U".into()));

    for (more, credential) in [(&[("agreement_id", "A")][..], "2R"), (&[], "2U")] {
        let charged = charge(&shop, "t", more);
        assert_code(&charged, "14000", credential);
        let told = entry(&shop, &charged);
        assert_eq!((&told["initiator"], &told["credential"]), (&"merchant".into(), &credential.into()));
        assert_eq!((&told["link"], &told["original_transaction_id"]), (&"linked".into(), &id.as_str().into()));
        let story = explained(&shop, &charged);
        assert_eq!(story["credential"]["original_network_transaction_id"], id.as_str());
        let sent = story["operations"][0]["outcomes"][0]["wire"][0].to_string();
        assert!(sent.contains("22=102") && sent.contains(&id) && !sent.contains("48.92"), "{sent}");
        let shown = shop.gateway.run_well(&["explain", field(&charged, "merchant_reference")]);
        for words in ["begun by the merchant (MIT)", id.as_str(), "network named it"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }
    let plain = shop.pay("PURCHASE", MASTERCARD, &[]);
    assert_eq!(entry(&shop, &plain)["initiator"], Value::Null, "a card that is not kept is none of this");

    // Another card under the name: the customer's payment with that one counts.
    let replaced = shop.pay("PURCHASE", MASTERCARD, &[("token_name", "t")]);
    assert_code(&replaced, "14000", "a new card");
    let new_id = entry(&shop, &replaced)["network_transaction_id"].clone();
    let charged = charge(&shop, "t", &[("agreement_id", "A")]);
    assert_code(&charged, "14000", "the agreement goes on with the new card");
    assert_eq!(entry(&shop, &charged)["original_transaction_id"], new_id);
}

#[test]
fn a_declined_charge_tells_whether_it_may_be_tried_again_and_is_given_back() {
    let shop = Shop::open();
    first(
        &shop,
        "t",
        &[("agreement_id", "A"), ("recurring_mode", "UNSCHEDULED"), ("recurring_transactions_count", "1")],
    );
    for (behaviour, code, advice) in [("decline:51", "13029", "later"), ("decline:43", "13666", "never")] {
        shop.gateway.run_well(&["fault", "set", "--behaviour", behaviour]);
        let declined = charge(&shop, "t", &[("agreement_id", "A")]);
        assert_code(&declined, code, behaviour);
        assert_eq!(explained(&shop, &declined)["operations"][0]["outcomes"][0]["retry_advice"], advice);
        assert_eq!(counted(&shop, "A"), (0, 0), "given back");
    }
    let declined = charge(&shop, "t", &[("agreement_id", "A")]);
    assert_code(&declined, "14000", "the one charge is still there");
}

#[test]
fn of_charges_at_once_as_many_pass_as_were_agreed() {
    let shop = Shop::open();
    first(&shop, "t", &[("agreement_id", "A"), ("recurring_mode", "VARIABLE"), ("recurring_transactions_count", "3")]);
    let (gateway, merchant) = (&shop.gateway, &shop.merchant);
    let codes = all_at_once(12, |number| {
        let reference = format!("RACE-{number}");
        let answer = gateway.call(merchant, &by_token("RECURRING", &reference, "t", &[("agreement_id", "A")]));
        field(&answer, "response_code").to_owned()
    });
    let passed = codes.iter().filter(|code| *code == "14000").count();
    assert_eq!(passed, 3, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code.as_str(), "14000" | "00034")), "{codes:?}");
    assert_eq!(counted(&shop, "A"), (3, 0));
    let one = [("agreement_id", "B"), ("recurring_mode", "UNSCHEDULED"), ("recurring_days_between_payments", "1")];
    first(&shop, "u", &one);
    advance(&shop, 1);
    let codes = all_at_once(8, |number| {
        let reference = format!("DAY-{number}");
        let answer = gateway.call(merchant, &by_token("RECURRING", &reference, "u", &[("agreement_id", "B")]));
        field(&answer, "response_code").to_owned()
    });
    assert_eq!(codes.iter().filter(|code| *code == "14000").count(), 1, "one a day: {codes:?}");
    assert!(codes.iter().all(|code| matches!(code.as_str(), "14000" | "00034" | "00784")), "{codes:?}");
}

#[test]
fn a_charge_that_nobody_knows_of_counts_until_it_is_settled() {
    let shop = quick();
    first(&shop, "t", &[("agreement_id", "A"), ("recurring_mode", "VARIABLE"), ("recurring_transactions_count", "1")]);
    shop.gateway.run_well(&["fault", "set", "--behaviour", "silent"]);
    let unknown = charge(&shop, "t", &[("agreement_id", "A")]);
    assert_code(&unknown, "15777", "no answer");
    let second = charge(&shop, "t", &[("agreement_id", "A")]);
    // It may have been settled already: then the one charge is free again, and this has taken it.
    assert!(matches!(field(&second, "response_code"), "00034" | "14000"), "{second:?}");
    wait_for("the reversal", || (counted(&shop, "A").1 == 0).then_some(()));
    let (charges, _) = counted(&shop, "A");
    let last = charge(&shop, "t", &[("agreement_id", "A")]);
    let expected = if charges == 0 { "14000" } else { "00034" };
    assert_code(&last, expected, "what was reversed was given back");
    assert_eq!(counted(&shop, "A"), (1, 0));
}
