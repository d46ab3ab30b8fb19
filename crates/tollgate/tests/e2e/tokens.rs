//! Cards kept under tokens by payments over the trusted channel, and used again.

use crate::support::card_network::CardNetwork;
use crate::support::receiver::Receiver;
use crate::support::shop::*;
use crate::support::{Gateway, QUICK, accounts, field, payment, status};
use serde_json::{Map, Value};

/// Declined by the issuer.
const DECLINED: &str = "4005559000001000";
/// Approved, and never answered.
const SILENT: &str = "4005559000005001";
/// Approved, and answered late.
const LATE: &str = "4005559000004004";
/// The card whose amount decides.
const BY_AMOUNT: &str = "4005559100007709";

#[test]
fn a_remembered_card_pays_again_by_its_new_token() {
    let shop = Shop::open();
    for (card, option, mask) in [(VISA, "VISA", "400555******0001"), (MEEZA_19, "MEEZA", "981895*********0002")] {
        let first = shop.pay("PURCHASE", card, &[("remember_me", "YES"), ("card_holder_name", "Jo Doe")]);
        assert_code(&first, "14000", option);
        assert_eq!(field(&first, "remember_me"), "YES");
        let token = field(&first, "token_name").to_owned();
        assert!(token.len() == 32 && token.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{token}");
        let again = shop.pay("PURCHASE", card, &[("remember_me", "YES")]);
        assert_ne!(field(&again, "token_name"), token, "each request makes its own");
        for more in [&[] as &[(&str, &str)], &[("card_security_code", "123")], &[("payment_option", option)]] {
            let answer = by_token(&shop, "PURCHASE", &token, more);
            assert_code(&answer, "14000", option);
            assert_eq!(field(&answer, "token_name"), token);
            assert_eq!(field(&answer, "card_number"), mask);
            assert_eq!(field(&answer, "expiry_date"), "3005");
            assert_eq!(field(&answer, "card_holder_name"), "Jo Doe");
            assert_eq!(field(&answer, "payment_option"), option);
            assert!(!answer.contains_key("card_security_code"));
        }
    }
}

#[test]
fn an_authorization_by_token_is_captured_and_refunded_like_any_other() {
    let shop = Shop::open();
    let token = remembered(&shop, VISA);
    let held = by_token(&shop, "AUTHORIZATION", &token, &[]);
    assert_code(&held, "02000", "held");
    let reference = field(&held, "merchant_reference").to_owned();
    for (command, code) in [("CAPTURE", "04000"), ("REFUND", "06000")] {
        let answer = shop.call(&crate::support::operation(command, &reference, "15000"));
        assert_code(&answer, code, command);
        assert!(!answer.contains_key("token_name"), "{command} has no such field");
    }
}

#[test]
fn a_card_is_kept_only_when_the_request_asks_for_it() {
    let shop = Shop::open();
    for more in [&[] as &[(&str, &str)], &[("remember_me", "NO")]] {
        let answer = shop.pay("PURCHASE", VISA, more);
        assert_code(&answer, "14000", "paid");
        assert!(!answer.contains_key("token_name"), "{answer:?}");
    }
    let answer = shop.pay("PURCHASE", VISA, &[("remember_me", "NO"), ("token_name", "mine")]);
    assert_code(&answer, "14000", "paid, and not kept");
    assert_code(&by_token(&shop, "PURCHASE", "mine", &[]), "00044", "not kept");
}

#[test]
fn a_name_of_the_merchants_own_keeps_a_card_and_takes_a_new_one() {
    let shop = Shop::open();
    let name = "my.card@shop_1-a";
    assert_code(&by_token(&shop, "PURCHASE", name, &[]), "00044", "unknown without a card");
    let made = shop.pay("PURCHASE", VISA, &[("token_name", name)]);
    assert_code(&made, "14000", "made under this name");
    assert_eq!(field(&made, "token_name"), name);
    assert_eq!(mask_of(&shop, name), "400555******0001");
    let updated = shop.pay("PURCHASE", MASTERCARD, &[("token_name", name)]);
    assert_code(&updated, "14000", "a new card under a known name");
    assert_eq!(mask_of(&shop, name), "512345******2346");
    assert_code(&by_token(&shop, "PURCHASE", "MY.CARD@SHOP_1-A", &[]), "00044", "names are exact");
}

#[test]
fn only_a_payment_that_succeeds_makes_a_token_or_replaces_a_card() {
    let shop = Shop::open();
    let declined = shop.pay("PURCHASE", DECLINED, &[("remember_me", "YES")]);
    assert_code(&declined, "13666", "declined");
    assert!(!declined.contains_key("token_name"), "{declined:?}");
    let declined = shop.pay("PURCHASE", DECLINED, &[("token_name", "mine")]);
    assert_code(&declined, "13666", "declined");
    assert_eq!(field(&declined, "token_name"), "mine", "what was sent comes back");
    assert_code(&by_token(&shop, "PURCHASE", "mine", &[]), "00044", "and is no token");
    let refused = shop.pay("PURCHASE", VISA, &[("token_name", "mine"), ("amount", "0")]);
    assert_code(&refused, "00005", "refused");
    assert_code(&by_token(&shop, "PURCHASE", "mine", &[]), "00044", "still no token");
    assert_code(&shop.pay("PURCHASE", VISA, &[("token_name", "mine")]), "14000", "made");
    assert_code(&shop.pay("PURCHASE", DECLINED, &[("token_name", "mine")]), "13666", "declined");
    assert_eq!(mask_of(&shop, "mine"), "400555******0001", "the old card stays");
}

#[test]
fn a_token_is_its_merchants_alone() {
    let shop = Shop::open();
    let other = accounts::add(&shop.gateway, "other", &[]);
    assert_code(&shop.pay("PURCHASE", VISA, &[("token_name", "shared")]), "14000", "made");
    let theirs = pay_by_token("PURCHASE", "O-1", "15000", "shared");
    assert_code(&shop.gateway.call(&other, &theirs), "00044", "another merchant's");
    let made = with(payment("PURCHASE", "O-2", "15000", MASTERCARD), &[("token_name", "shared")]);
    assert_code(&shop.gateway.call(&other, &made), "14000", "the same name for another merchant");
    assert_eq!(mask_of(&shop, "shared"), "400555******0001");
}

#[test]
fn a_token_pays_without_the_trusted_channel_and_a_card_does_not() {
    let shop = Shop::open();
    let token = remembered(&shop, VISA);
    shop.gateway.run_well(&["merchant", "deactivate-trusted-channel", "demo"]);
    assert_code(&by_token(&shop, "PURCHASE", &token, &[("card_security_code", "123")]), "14000", "no card data");
    assert_code(&shop.pay("PURCHASE", VISA, &[("token_name", &token)]), "00027", "card data");
}

#[test]
fn an_expired_card_is_refused_before_anything_is_sent() {
    let shop = Shop::open();
    let token = remembered(&shop, VISA);
    shop.gateway.run_well(&["clock", "advance", "4000d"]);
    accounts::activate_trusted_channel(&shop.gateway, "demo");
    assert_code(&by_token(&shop, "PURCHASE", &token, &[]), "00012", "expired");
    let renewed = shop.pay("PURCHASE", VISA, &[("token_name", &token), ("expiry_date", "4905")]);
    assert_code(&renewed, "14000", "a new card with a new expiry");
    assert_eq!(field(&by_token(&shop, "PURCHASE", &token, &[]), "expiry_date"), "4905", "pays again");
}

#[test]
fn a_late_answer_makes_the_token_and_the_notification_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &["--late-ms", "900"]);
    let mut environment = QUICK.to_vec();
    // No reversal before the late answer, however slow this machine is.
    environment[3].1 = "86400000";
    environment.push(("TOLLGATE_ACQUIRER_ADDRESS", &network.iso));
    let gateway = Gateway::serve(&folder.path().join("data"), &["--dev", "--no-issuer"], &environment);
    let demo = gateway.demo();
    let receiver = Receiver::start();
    accounts::set(&gateway, "demo", &["--notification-feedback-url", &receiver.url("/notify")]);
    let params = with(payment("PURCHASE", "late", "1000", LATE), &[("remember_me", "YES")]);
    let unknown = gateway.call(&demo, &params);
    assert_eq!(field(&unknown, "response_code"), "15777", "{unknown:?}");
    assert!(!unknown.contains_key("token_name"), "nobody knows yet whether there will be one: {unknown:?}");
    gateway.wait_for_status(&demo, "late", |told| field(told, "transaction_code") == "14000");
    let told = receiver.wait(1).remove(0).json();
    assert_eq!(field(&told, "response_code"), "14000");
    let again = gateway.call(&demo, &pay_by_token("PURCHASE", "again", "1000", field(&told, "token_name")));
    assert_eq!(field(&again, "card_number"), field(&told, "card_number"), "the token is there: {again:?}");
}

#[test]
fn a_reversed_payment_makes_no_token() {
    let gateway = Gateway::start_with(&QUICK);
    let demo = gateway.demo();
    let params = with(payment("PURCHASE", "silent", "1000", SILENT), &[("token_name", "silent")]);
    let unknown = gateway.call(&demo, &params);
    assert_eq!(field(&unknown, "response_code"), "15777", "{unknown:?}");
    assert_eq!(field(&unknown, "token_name"), "silent", "what was sent comes back");
    gateway.wait_for_status(&demo, "silent", |told| field(told, "transaction_code") == "13666");
    assert_code(&gateway.call(&demo, &pay_by_token("PURCHASE", "again", "1000", "silent")), "00044", "no token");
}

#[test]
fn feedback_tells_of_the_token_as_the_answer_does() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    let answer = shop.pay("PURCHASE", VISA, &[("remember_me", "YES")]);
    let told = receiver.wait(1).remove(0).json();
    shop.merchant.check(&told);
    for name in ["token_name", "remember_me", "card_number", "response_code"] {
        assert_eq!(field(&told, name), field(&answer, name), "{name}");
    }
}

#[test]
fn the_token_service_can_be_switched_off() {
    let shop = Shop::open();
    let token = remembered(&shop, VISA);
    accounts::set(&shop.gateway, "demo", &["--tokens", "off"]);
    assert_code(&by_token(&shop, "PURCHASE", &token, &[]), "00038", "off");
    assert_code(&shop.pay("PURCHASE", VISA, &[("token_name", "mine")]), "00038", "off");
    let answer = shop.pay("PURCHASE", VISA, &[("remember_me", "YES")]);
    assert_code(&answer, "14000", "the wish to remember is no reason to lose a payment");
    assert!(!answer.contains_key("token_name"), "{answer:?}");
    accounts::set(&shop.gateway, "demo", &["--tokens", "on"]);
    assert_code(&by_token(&shop, "PURCHASE", &token, &[]), "14000", "on again, and nothing was lost");
}

#[test]
fn tokens_outlive_a_killed_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &[]);
    let demo = gateway.demo();
    let made = with(payment("PURCHASE", "K-1", "1000", VISA), &[("remember_me", "YES")]);
    let token = field(&gateway.call(&demo, &made), "token_name").to_owned();
    gateway.kill();
    let gateway = Gateway::start_in(&data, &[]);
    let answer = gateway.call(&demo, &pay_by_token("PURCHASE", "K-2", "1000", &token));
    assert_code(&answer, "14000", "after a restart");
    assert_eq!(field(&gateway.call(&demo, &status("K-2")), "transaction_code"), "14000");
}

#[test]
fn amounts_decide_for_a_kept_card_too() {
    let shop = Shop::open();
    let token = remembered(&shop, BY_AMOUNT);
    let declined = shop.call(&pay_by_token("PURCHASE", &shop.reference(), "90051", &token));
    assert_code(&declined, "13029", "the real number went out: the network knew the card");
    assert_eq!(field(&declined, "token_name"), token);
    assert_code(&by_token(&shop, "PURCHASE", &token, &[]), "14000", "a decline takes no token away");
}

#[test]
fn update_token_changes_what_is_sent_and_leaves_the_rest() {
    let shop = Shop::open();
    let token = remembered(&shop, VISA);
    let update = |more: &[(&str, &str)]| shop.call(&update_of(&token, more));
    let unchanged = update(&[]);
    assert_code(&unchanged, "58000", "nothing to change");
    for (name, value) in [
        ("card_number", "400555******0001"),
        ("card_brand", "VISA"),
        ("card_bin", "400555"),
        ("token_status", "ACTIVE"),
    ] {
        assert_eq!(field(&unchanged, name), value);
    }
    assert!(!unchanged.contains_key("currency") && !unchanged.contains_key("card_holder_name"), "{unchanged:?}");
    assert_code(
        &update(&[("expiry_date", "3112"), ("card_holder_name", "Jo Roe"), ("currency", "KWD")]),
        "58000",
        "all",
    );
    let told = update(&[]);
    for (name, value) in [("expiry_date", "3112"), ("card_holder_name", "Jo Roe"), ("currency", "KWD")] {
        assert_eq!(field(&told, name), value, "it stays");
    }
    assert_eq!(field(&told, "creation_date"), field(&unchanged, "creation_date"));
    assert_eq!(field(&by_token(&shop, "PURCHASE", &token, &[]), "expiry_date"), "3112");
}

#[test]
fn an_inactive_token_pays_nothing_until_it_is_active_again() {
    let shop = Shop::open();
    let token = remembered(&shop, VISA);
    assert_eq!(field(&shop.call(&update_of(&token, &[("token_status", "INACTIVE")])), "token_status"), "INACTIVE");
    assert_code(&by_token(&shop, "PURCHASE", &token, &[]), "00044", "inactive");
    assert_code(&shop.pay("PURCHASE", VISA, &[("token_name", &token)]), "00044", "a new card does not switch it on");
    assert_code(&shop.call(&update_of(&token, &[("token_status", "ACTIVE")])), "58000", "on again");
    assert_code(&by_token(&shop, "PURCHASE", &token, &[]), "14000", "pays again");
}

#[test]
fn a_renamed_token_works_under_its_new_name_only() {
    let shop = Shop::open();
    let (token, other) = (remembered(&shop, VISA), remembered(&shop, MASTERCARD));
    let taken = shop.call(&update_of(&token, &[("new_token_name", &other)]));
    assert_code(&taken, "00114", "the name of another one");
    let renamed = shop.call(&update_of(&token, &[("new_token_name", "my.card@2")]));
    assert_code(&renamed, "58000", "renamed");
    assert_eq!((field(&renamed, "token_name"), field(&renamed, "new_token_name")), (token.as_str(), "my.card@2"));
    assert_code(&by_token(&shop, "PURCHASE", &token, &[]), "00044", "the old name is gone");
    assert_eq!(mask_of(&shop, "my.card@2"), "400555******0001");
    assert_eq!(mask_of(&shop, &other), "512345******2346", "and nobody else's card is");
}

#[test]
fn update_token_refuses_with_its_codes_and_changes_nothing() {
    let shop = Shop::open();
    let token = remembered(&shop, VISA);
    for (more, code) in [
        (&[("token_name", "nosuchtoken")] as &[(&str, &str)], "00044"),
        (&[("expiry_date", "3013")], "00100"),
        (&[("expiry_date", "2001")], "00012"),
        (&[("currency", "XXQ")], "00013"),
        (&[("token_status", "OFF")], "00033"),
        (&[("new_token_name", "a b")], "00002"),
        (&[("token_name", "")], "00001"),
        (&[("merchant_reference", "")], "00001"),
    ] {
        assert_code(&shop.call(&update_of(&token, more)), code, &format!("{more:?}"));
    }
    let hidden = shop.call(&update_of(&token, &[("new_token_name", "4005550000000001")]));
    assert_eq!(field(&hidden, "status"), "00", "a card number is no name: {hidden:?}");
    let other = accounts::add(&shop.gateway, "other", &[]);
    assert_code(&shop.gateway.call(&other, &update_of(&token, &[])), "00044", "another merchant's");
    accounts::set(&shop.gateway, "demo", &["--tokens", "off"]);
    assert_code(&shop.call(&update_of(&token, &[])), "00038", "the service is off");
    accounts::set(&shop.gateway, "demo", &["--tokens", "on"]);
    assert_eq!(field(&by_token(&shop, "PURCHASE", &token, &[]), "expiry_date"), "3005", "nothing was changed");
}

/// UPDATE_TOKEN of a token.
fn update_of<'a>(token: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let params = vec![("service_command", "UPDATE_TOKEN"), ("merchant_reference", "U-1"), ("token_name", token)];
    with(params, more)
}

/// Pays with the card and asks for it to be kept; the token.
fn remembered(shop: &Shop, card: &str) -> String {
    let answer = shop.pay("PURCHASE", card, &[("remember_me", "YES")]);
    assert_code(&answer, "14000", card);
    field(&answer, "token_name").to_owned()
}

/// A payment of 150.00 by token.
fn by_token(shop: &Shop, command: &str, token: &str, more: &[(&str, &str)]) -> Map<String, Value> {
    let reference = shop.reference();
    shop.call(&with(pay_by_token(command, &reference, "15000", token), more))
}

fn pay_by_token<'a>(command: &'a str, reference: &'a str, amount: &'a str, token: &'a str) -> Vec<(&'a str, &'a str)> {
    const CARD: [&str; 4] = ["card_number", "expiry_date", "card_security_code", "card_holder_name"];
    let mut params = payment(command, reference, amount, VISA);
    params.retain(|(name, _)| !CARD.contains(name));
    with(params, &[("token_name", token)])
}

/// The mask of the card that a token pays with.
fn mask_of(shop: &Shop, token: &str) -> String {
    let answer = by_token(shop, "PURCHASE", token, &[]);
    assert_code(&answer, "14000", token);
    field(&answer, "card_number").to_owned()
}
