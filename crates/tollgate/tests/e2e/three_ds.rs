//! 3-D Secure through the whole gateway: by the payment API (20064 and `3ds_url`) and on the page, with the sandbox's
//! directory server and ACS, as a customer without scripts meets them.

use crate::support::customer::{Customer, Form, IssuerPage, went_back};
use crate::support::receiver::Receiver;
use crate::support::shop::*;
use crate::support::wire::HttpAnswer;
use crate::support::{accounts, field, payment, status, text, wait_for};
use serde_json::{Map, Value};
use tollgate_threeds::encode::from_base64url;
use tollgate_threeds::message::CReq;

const BACK: &str = "https://shop.example/pay/return?discriminator=0f3a";
const CHALLENGED_VISA: &str = "4557012345678902";
const CHALLENGED_MASTERCARD: &str = "5313581000123430";
const CHALLENGED_AMEX: &str = "374200000000004";
const CHALLENGE_FAILS: &str = "4005559000008005";
const CHALLENGED_IN_2_1: &str = "4005559220001004";
const KNOWN: &str = "4005559210001006";
const ATTEMPTED: &str = "4005559210002004";
const NOT_AUTHENTICATED: &str = "4005559210003002";
const UNAVAILABLE: &str = "4005559210004000";
const REJECTED: &str = "4005559210005007";
const NOT_ENROLLED: &str = "4005559230001002";
const NO_RESULT: &str = "4005559240001000";
const CRES_LIES: &str = "4005559240002008";
const ERROR: &str = "4005559240003006";

fn asked<'a>(
    command: &'a str,
    reference: &'a str,
    card: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let code = if card.starts_with("37") { "1234" } else { "123" };
    let usual = [("return_url", BACK), ("eci", "ECOMMERCE"), ("card_security_code", code), ("expiry_date", "3005")];
    let params = with(payment(command, reference, "15000", card), &usual);
    with(params.into_iter().filter(|(name, _)| *name != "check_3ds").collect(), more)
}

/// A payment over the API whose customer has to be authenticated.
struct Waiting {
    reference: String,
    answer: Map<String, Value>,
    customer: Customer,
}

fn begin(shop: &Shop, command: &str, card: &str, more: &[(&str, &str)]) -> Waiting {
    let reference = shop.reference();
    let answer = shop.call(&asked(command, &reference, card, more));
    assert_code(&answer, "20064", card);
    let url = field(&answer, "3ds_url").to_owned();
    assert!(url.len() <= 300 && url.starts_with(&format!("http://{}/", shop.gateway.address)), "{url}");
    let customer = Customer::sent_to(&shop.gateway, &url);
    Waiting { reference, answer, customer }
}

fn html(answer: &HttpAnswer) -> String {
    text(&answer.body)
}

/// The code that the sandbox's issuer shows.
fn shown_code(issuer: &IssuerPage) -> String {
    let page = html(&issuer.answer);
    let (_, rest) = page.split_once("the code is").unwrap_or_else(|| panic!("no code: {page}"));
    rest.chars().filter(char::is_ascii_digit).take(6).collect()
}

fn told(shop: &Shop, reference: &str) -> String {
    field(&shop.call(&status(reference)), "transaction_code").to_owned()
}

#[test]
fn a_challenge_that_is_passed_pays_and_the_proof_goes_to_the_network() {
    let shop = Shop::open();
    for (command, card, code, eci) in [
        ("PURCHASE", CHALLENGED_VISA, "14000", "05"),
        ("AUTHORIZATION", CHALLENGED_MASTERCARD, "02000", "02"),
        ("PURCHASE", CHALLENGED_AMEX, "14000", "05"),
        ("PURCHASE", CHALLENGED_IN_2_1, "14000", "05"),
    ] {
        let waiting = begin(&shop, command, card, &[]);
        assert!(!waiting.answer.contains_key("authorization_code"));
        assert_eq!(told(&shop, &waiting.reference), "20064", "not final");
        let challenge = waiting.customer.go_on(waiting.customer.look());
        if card == CHALLENGED_IN_2_1 {
            // 2.1.0 has no browsers without scripts.
            let back = went_back(&shop.merchant, &challenge);
            assert_code(&back.fields, "13030", card);
            continue;
        }
        let issuer = waiting.customer.at_the_issuer(&challenge);
        let back = waiting.customer.type_code(&issuer, &shown_code(&issuer));
        let back = went_back(&shop.merchant, &back.answer);
        assert_eq!(back.to, BACK);
        assert_code(&back.fields, code, card);
        assert_eq!(field(&back.fields, "fort_id"), field(&waiting.answer, "fort_id"));
        assert_eq!(told(&shop, &waiting.reference), code);
        let story = shop.gateway.run_well(&["explain", &waiting.reference]);
        assert!(story.contains(&format!("ECI {eci}")) || story.contains(eci), "{story}");
        assert!(story.contains("F048.92"), "the security code waited for it: {story}");
        assert!(story.contains("the customer passed the challenge"), "{story}");
        let again = went_back(&shop.merchant, &waiting.customer.look());
        assert_eq!(again.fields, back.fields, "loading the page again changes nothing");
    }
}

#[test]
fn a_card_that_is_known_or_attempted_pays_without_a_question() {
    let shop = Shop::open();
    for (card, code) in [
        (KNOWN, "14000"),
        (ATTEMPTED, "14000"),
        (UNAVAILABLE, "14000"),
        (NOT_AUTHENTICATED, "13030"),
        (REJECTED, "13030"),
        (ERROR, "13030"),
    ] {
        let waiting = begin(&shop, "PURCHASE", card, &[]);
        let back = went_back(&shop.merchant, &waiting.customer.go_on(waiting.customer.look()));
        assert_code(&back.fields, code, card);
        assert_eq!(told(&shop, &waiting.reference), code, "{card}");
        assert_eq!(field(&back.fields, "fort_id"), field(&waiting.answer, "fort_id"));
        let was_asked = back.fields.contains_key("acquirer_response_code");
        assert!(!was_asked, "without an authentication the network is not asked: {:?}", back.fields);
    }
    accounts::set(&shop.gateway, "demo", &["--three-ds-unavailable", "refuse"]);
    let waiting = begin(&shop, "PURCHASE", UNAVAILABLE, &[]);
    let back = went_back(&shop.merchant, &waiting.customer.go_on(waiting.customer.look()));
    assert_code(&back.fields, "13030", "as the account wants it");
}

#[test]
fn a_challenge_that_is_not_passed_does_not_pay_whatever_the_browser_says() {
    let shop = Shop::open();
    for card in [CHALLENGE_FAILS, CRES_LIES] {
        let waiting = begin(&shop, "PURCHASE", card, &[]);
        let challenge = waiting.customer.go_on(waiting.customer.look());
        let issuer = waiting.customer.at_the_issuer(&challenge);
        let back = waiting.customer.type_code(&issuer, &shown_code(&issuer));
        assert_code(&went_back(&shop.merchant, &back.answer).fields, "13030", card);
    }
    let waiting = begin(&shop, "AUTHORIZATION", CHALLENGED_VISA, &[]);
    let challenge = waiting.customer.go_on(waiting.customer.look());
    let mut issuer = waiting.customer.at_the_issuer(&challenge);
    let wrong = if shown_code(&issuer) == "000000" { "111111" } else { "000000" };
    for _ in 0..2 {
        issuer = waiting.customer.type_code(&issuer, wrong);
    }
    let back = waiting.customer.type_code(&issuer, wrong);
    assert_code(&went_back(&shop.merchant, &back.answer).fields, "03030", "three times wrong");
    let waiting = begin(&shop, "PURCHASE", CHALLENGED_VISA, &[]);
    let challenge = waiting.customer.go_on(waiting.customer.look());
    let issuer = waiting.customer.at_the_issuer(&challenge);
    let back = waiting.customer.press(&issuer, "cancel", None);
    assert_code(&went_back(&shop.merchant, &back.answer).fields, "13030", "cancelled at the issuer");
}

#[test]
fn a_forged_end_of_a_challenge_proves_nothing() {
    let shop = Shop::open();
    let waiting = begin(&shop, "PURCHASE", CHALLENGED_VISA, &[]);
    waiting.customer.go_on(waiting.customer.look());
    for cres in ["", "x", "eyJ0cmFuc1N0YXR1cyI6IlkifQ"] {
        waiting.customer.post("/challenged", &[("cres", cres), ("threeDSSessionData", "")]);
    }
    assert_eq!(told(&shop, &waiting.reference), "20064");
    let link = waiting.customer.path.strip_prefix("/checkout/").unwrap();
    let body = br#"{"messageType":"RReq","messageVersion":"2.2.0","transStatus":"Y"}"#;
    let (_, answer) =
        crate::support::post(&shop.gateway.address, &format!("/3ds/results/{link}"), body, "application/json");
    assert!(text(&answer).contains("Erro"), "{}", text(&answer));
    assert_eq!(told(&shop, &waiting.reference), "20064");
}

/// The RReq of a challenge that was passed, as the directory server has sent it: its numbers are those of the challenge.
fn result_of(challenge: &HttpAnswer, ds_transaction: &str) -> Value {
    let form = Form::to(&html(challenge), "/acs/challenge");
    let (_, creq) = form.fields.iter().find(|(name, _)| name == "creq").unwrap();
    let creq: CReq = from_base64url(creq).unwrap();
    serde_json::json!({
        "messageType": "RReq", "messageVersion": creq.message_version, "messageCategory": "01",
        "threeDSServerTransID": creq.three_ds_server_trans_id, "acsTransID": creq.acs_trans_id,
        "dsTransID": ds_transaction, "transStatus": "Y", "eci": "05",
        "authenticationValue": "AAABBWcSNIdjeUZThmNHAAAAAAA=", "authenticationType": "02", "interactionCounter": "01",
    })
}

/// The directory server's number of the authentication that an order was paid with.
fn ds_transaction(shop: &Shop, reference: &str) -> String {
    let story = shop.gateway.run_well(&["explain", reference, "--format", "json"]);
    let (_, rest) = story.split_once("\"ds_transaction_id\":").unwrap_or_else(|| panic!("{story}"));
    rest.trim_start().trim_start_matches('"').chars().take(36).collect()
}

/// Posts an RReq to where the results of a customer's authentication go.
fn post_result(shop: &Shop, waiting: &Waiting, rreq: &Value) -> Value {
    let link = waiting.customer.path.strip_prefix("/checkout/").unwrap();
    let (path, body) = (format!("/3ds/results/{link}"), rreq.to_string());
    let (status, answer) = crate::support::post(&shop.gateway.address, &path, body.as_bytes(), "application/json");
    assert_eq!(status, 200, "{}", text(&answer));
    serde_json::from_slice(&answer).unwrap()
}

#[test]
fn a_result_that_comes_again_after_the_payment_gets_the_same_answer_again() {
    let shop = Shop::open();
    let waiting = begin(&shop, "PURCHASE", CHALLENGED_VISA, &[]);
    let challenge = waiting.customer.go_on(waiting.customer.look());
    let issuer = waiting.customer.at_the_issuer(&challenge);
    let back = waiting.customer.type_code(&issuer, &shown_code(&issuer));
    assert_code(&went_back(&shop.merchant, &back.answer).fields, "14000", "paid");
    let rreq = result_of(&challenge, &ds_transaction(&shop, &waiting.reference));
    let answer = post_result(&shop, &waiting, &rreq);
    let named = ["threeDSServerTransID", "acsTransID", "dsTransID", "messageVersion"];
    assert!(named.iter().all(|name| answer[name] == rreq[name]), "{answer}");
    assert_eq!((&answer["messageType"], &answer["resultsStatus"]), (&"RRes".into(), &"01".into()), "{answer}");
    let mut other = rreq.clone();
    other["transStatus"] = "N".into();
    other["transStatusReason"] = "01".into();
    assert_eq!(post_result(&shop, &waiting, &other), answer, "another result counts for nothing, and is answered so");
    other["dsTransID"] = rreq["acsTransID"].clone();
    let answer = post_result(&shop, &waiting, &other);
    assert_eq!((&answer["messageType"], &answer["errorCode"]), (&"Erro".into(), &"305".into()), "{answer}");
    assert_eq!(told(&shop, &waiting.reference), "14000");
    assert_eq!(shop.gateway.run_well(&["explain", &waiting.reference]).matches("F048.92").count(), 1, "paid once");
}

#[test]
fn a_result_that_comes_after_the_customer_cancelled_is_answered_and_pays_nothing() {
    let shop = Shop::open();
    let waiting = begin(&shop, "PURCHASE", CHALLENGED_VISA, &[]);
    let challenge = waiting.customer.go_on(waiting.customer.look());
    let issuer = waiting.customer.at_the_issuer(&challenge);
    waiting.customer.cancel();
    assert_eq!(told(&shop, &waiting.reference), "00072");
    // Another directory server's number is no secret of ours: the answer tells that the transaction is known.
    let answer = post_result(&shop, &waiting, &result_of(&challenge, "f25084f0-5b16-4c0a-ae5d-b24808a95e4b"));
    let error = (&answer["messageType"], &answer["errorCode"], &answer["errorDetail"]);
    assert_eq!(error, (&"Erro".into(), &"305".into(), &"dsTransID".into()), "{answer}");
    // The customer has the issuer's page still, and types the code there.
    waiting.customer.send(&issuer.form("submit", Some(&shown_code(&issuer))));
    assert_eq!(told(&shop, &waiting.reference), "00072");
    let story = shop.gateway.run_well(&["explain", &waiting.reference]);
    assert!(story.contains("3-D Secure") && !story.contains("F048.92"), "{story}");
}

#[test]
fn a_result_that_never_comes_ends_with_its_time() {
    let shop = Shop::open();
    let waiting = begin(&shop, "PURCHASE", NO_RESULT, &[]);
    let challenge = waiting.customer.go_on(waiting.customer.look());
    let issuer = waiting.customer.at_the_issuer(&challenge);
    let end = waiting.customer.send(&issuer.form("submit", Some(&shown_code(&issuer))));
    waiting.customer.send(&Form::to(&html(&end), "/challenged"));
    assert_eq!(told(&shop, &waiting.reference), "20064", "it is waited for");
    shop.gateway.run_well(&["clock", "advance", "1m"]);
    wait_for("the end", || (told(&shop, &waiting.reference) == "13030").then_some(()));
    let back = went_back(&shop.merchant, &waiting.customer.follow(waiting.customer.look()));
    assert_code(&back.fields, "13030", "without a result");
}

#[test]
fn who_never_comes_back_is_told_of_by_feedback() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    let never = begin(&shop, "PURCHASE", CHALLENGED_VISA, &[]);
    let half_way = begin(&shop, "AUTHORIZATION", CHALLENGED_MASTERCARD, &[]);
    half_way.customer.go_on(half_way.customer.look());
    assert!(receiver.received().is_empty(), "20064 is not final");
    shop.gateway.run_well(&["clock", "advance", "16m"]);
    shop.merchant.check(&receiver.wait_for(&never.reference, "13030").json());
    shop.merchant.check(&receiver.wait_for(&half_way.reference, "03030").json());
    assert_eq!(told(&shop, &never.reference), "13030");
}

#[test]
fn what_needs_no_customer_is_not_sent_away() {
    let shop = Shop::open();
    let direct = |card: &str, more: &[(&str, &str)]| {
        let reference = shop.reference();
        shop.call(&asked("PURCHASE", &reference, card, more))
    };
    assert_code(&direct(VISA, &[]), "14000", "a published card without 3-D Secure");
    assert_code(&direct(NOT_ENROLLED, &[]), "14000", "an issuer that does not take part");
    assert_code(&direct(CHALLENGED_VISA, &[("check_3ds", "NO")]), "14000", "the merchant left it out");
    let refused = direct(CHALLENGED_VISA, &[("return_url", "")]);
    assert_code(&refused, "00037", "nowhere to come back to");
    accounts::set(&shop.gateway, "demo", &["--three-ds", "by-amount:AED=200.00"]);
    let below = direct(KNOWN, &[("amount", "19999")]);
    assert_code(&below, "14000", "below the amount");
    assert_code(&direct(KNOWN, &[("amount", "20000")]), "20064", "from it on");
    accounts::set(&shop.gateway, "demo", &["--three-ds", "by-country:SA"]);
    assert_code(&direct(KNOWN, &[]), "14000", "issued in AE, as the sandbox's table says");
    accounts::set(&shop.gateway, "demo", &["--three-ds", "by-country:not:SA"]);
    assert_code(&direct(KNOWN, &[]), "20064", "all but SA");
    accounts::set(&shop.gateway, "demo", &["--three-ds", "never", "--three-ds-url-for-authorization", "always"]);
    assert_code(&direct(KNOWN, &[]), "14000", "never");
    let waiting = begin(&shop, "AUTHORIZATION", VISA, &[]);
    let back = went_back(&shop.merchant, &waiting.customer.go_on(waiting.customer.look()));
    assert_code(&back.fields, "02000", "the plugin's way");
}

#[test]
fn a_reference_that_waits_for_its_customer_is_used_up() {
    let shop = Shop::open();
    let waiting = begin(&shop, "PURCHASE", CHALLENGED_VISA, &[]);
    assert_code(&shop.call(&asked("PURCHASE", &waiting.reference, VISA, &[])), "00066", "another one");
    let refund = shop.call(&later("REFUND", &waiting.reference, &[]));
    assert_eq!(field(&refund, "response_code"), "00662", "{refund:?}");
}

#[test]
fn on_the_page_the_customer_is_authenticated_without_the_merchant_seeing_it() {
    let shop = Shop::open();
    let reference = shop.reference();
    let order = [
        ("command", "PURCHASE"),
        ("merchant_reference", &*reference),
        ("amount", "15000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("return_url", BACK),
        ("remember_me", "YES"),
    ];
    let customer = Customer::arrive(&shop.gateway, &shop.merchant, &order);
    // The first card is not authenticated: the customer may take another one.
    let form = customer.go_on(customer.type_card(NOT_AUTHENTICATED, &[]));
    assert!(html(&form).contains("name=\"card_number\""), "{}", html(&form));
    assert_eq!(told(&shop, &reference), "13030");
    let challenge = customer.go_on(customer.type_card(CHALLENGED_VISA, &[("remember_me", "YES")]));
    let issuer = customer.at_the_issuer(&challenge);
    let back = customer.type_code(&issuer, &shown_code(&issuer));
    let back = went_back(&shop.merchant, &back.answer);
    assert_code(&back.fields, "14000", "the second card");
    assert!(!field(&back.fields, "token_name").is_empty(), "and it is kept");
    assert_eq!(field(&back.fields, "card_number"), "455701******8902");
    assert!(!shop.gateway.output().contains(CHALLENGED_VISA), "no card number in the log");
    // By its token, with the code alone.
    let token = field(&back.fields, "token_name").to_owned();
    let next = shop.reference();
    let by_token =
        with(order.to_vec(), &[("merchant_reference", &next), ("token_name", &token), ("remember_me", "NO")]);
    let customer = Customer::arrive(&shop.gateway, &shop.merchant, &by_token);
    let challenge = customer.go_on(customer.post("/card", &[("card_security_code", "123")]));
    let issuer = customer.at_the_issuer(&challenge);
    let back = went_back(&shop.merchant, &customer.type_code(&issuer, &shown_code(&issuer)).answer);
    assert_code(&back.fields, "14000", "by token");
    assert!(shop.gateway.run_well(&["explain", &next]).contains("F048.92"), "with the code that was typed");
}

#[test]
fn a_soft_decline_on_the_page_is_followed_by_a_challenge_where_the_account_says_so() {
    let shop = Shop::open();
    let arrive = |reference: &str| {
        let order = [
            ("command", "PURCHASE"),
            ("merchant_reference", reference),
            ("amount", "15000"),
            ("currency", "AED"),
            ("customer_email", "jo@example.org"),
            ("return_url", BACK),
        ];
        Customer::arrive(&shop.gateway, &shop.merchant, &order)
    };
    accounts::set(&shop.gateway, "demo", &["--three-ds", "on-soft-decline"]);
    let reference = shop.reference();
    let customer = arrive(&reference);
    let challenge = customer.go_on(customer.type_card(CHALLENGED_VISA, &[]));
    assert_eq!(told(&shop, &reference), "13030", "the issuer wants it");
    let issuer = customer.at_the_issuer(&challenge);
    let back = went_back(&shop.merchant, &customer.type_code(&issuer, &shown_code(&issuer)).answer);
    assert_code(&back.fields, "14000", "with the challenge");
    accounts::set(&shop.gateway, "demo", &["--three-ds", "never"]);
    let customer = arrive(&shop.reference());
    let form = customer.go_on(customer.type_card(CHALLENGED_VISA, &[]));
    assert!(html(&form).contains("name=\"card_number\""), "no second turn");
}

/// Has the account try again with an authentication what the issuer declines for want of one.
fn retrying(shop: &Shop) {
    accounts::set(&shop.gateway, "demo", &["--three-ds", "on-soft-decline"]);
}

/// The final feedback of a reference and nothing else: no decline before it.
fn only_feedback(shop: &Shop, receiver: &Receiver, reference: &str, code: &str) {
    shop.merchant.check(&receiver.wait_for(reference, code).json());
    let told = receiver.received().iter().filter(|one| text(&one.body).contains(reference)).count();
    assert_eq!(told, 1, "{reference}: no other feedback");
}

#[test]
fn a_soft_decline_of_a_payment_is_answered_20064_and_the_challenge_pays_under_the_same_number() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    retrying(&shop);
    for (command, card, code) in
        [("PURCHASE", CHALLENGED_VISA, "14000"), ("AUTHORIZATION", CHALLENGED_MASTERCARD, "02000")]
    {
        let waiting = begin(&shop, command, card, &[("remember_me", "YES")]);
        let absent = ["acquirer_response_code", "authorization_code", "token_name"];
        assert!(absent.iter().all(|name| !waiting.answer.contains_key(*name)), "{:?}", waiting.answer);
        assert_eq!(told(&shop, &waiting.reference), "20064", "not final");
        let used_up = shop.call(&asked(command, &waiting.reference, VISA, &[]));
        assert_code(&used_up, "00066", "the reference");
        let challenge = waiting.customer.go_on(waiting.customer.look());
        let issuer = waiting.customer.at_the_issuer(&challenge);
        assert_eq!(told(&shop, &waiting.reference), "20064", "not final");
        let back = waiting.customer.type_code(&issuer, &shown_code(&issuer));
        let back = went_back(&shop.merchant, &back.answer);
        assert_eq!(back.to, BACK);
        assert_code(&back.fields, code, card);
        assert_eq!(field(&back.fields, "fort_id"), field(&waiting.answer, "fort_id"), "one order");
        assert!(!field(&back.fields, "token_name").is_empty(), "what the first try was to keep");
        only_feedback(&shop, &receiver, &waiting.reference, code);
        let story = shop.gateway.run_well(&["explain", &waiting.reference]);
        assert!(story.contains("declined, an authentication follows"), "{story}");
        assert_eq!(story.matches("F048.92").count(), 2, "the security code waited for the second try: {story}");
        assert!(story.contains("the customer passed the challenge"), "{story}");
    }
    assert!(!shop.gateway.output().contains(CHALLENGED_VISA), "no card number in the log");
}

#[test]
fn a_soft_decline_of_a_payment_by_token_and_with_an_encrypted_card_waits_for_its_customer_too() {
    let shop = Shop::open();
    retrying(&shop);
    let first = begin(&shop, "PURCHASE", CHALLENGED_VISA, &[("remember_me", "YES")]);
    let pass = |waiting: &Waiting| {
        let challenge = waiting.customer.go_on(waiting.customer.look());
        let issuer = waiting.customer.at_the_issuer(&challenge);
        let back = waiting.customer.type_code(&issuer, &shown_code(&issuer));
        went_back(&shop.merchant, &back.answer).fields
    };
    let token = field(&pass(&first), "token_name").to_owned();
    let reference = shop.reference();
    let by_token = asked("PURCHASE", &reference, CHALLENGED_VISA, &[("token_name", &token)]);
    let without_card = |(name, _): &(&str, &str)| !matches!(*name, "card_number" | "expiry_date" | "card_holder_name");
    let answer = shop.call(&by_token.into_iter().filter(without_card).collect::<Vec<_>>());
    assert_code(&answer, "20064", "by token");
    let customer = Customer::sent_to(&shop.gateway, field(&answer, "3ds_url"));
    let fields = pass(&Waiting { reference, answer, customer });
    assert_code(&fields, "14000", "by token");
    assert_eq!(field(&fields, "token_name"), token);
    let encrypted = encrypted_card(&shop);
    let reference = shop.reference();
    let by_jwe = asked("PURCHASE", &reference, CHALLENGED_VISA, &[("encrypted_card_data", &encrypted)]);
    let without_card = |(name, _): &(&str, &str)| !name.starts_with("card_") && *name != "expiry_date";
    let answer = shop.call(&by_jwe.into_iter().filter(without_card).collect::<Vec<_>>());
    assert_code(&answer, "20064", "encrypted");
    let customer = Customer::sent_to(&shop.gateway, field(&answer, "3ds_url"));
    assert_code(&pass(&Waiting { reference: reference.clone(), answer, customer }), "14000", "encrypted");
    let story = shop.gateway.run_well(&["explain", &reference]);
    assert_eq!(story.matches("F048.92").count(), 2, "its security code waited for the second try: {story}");
}

/// A card that wants 3-D Secure, encrypted to the gateway.
fn encrypted_card(shop: &Shop) -> String {
    let (status, body) = crate::support::get(&shop.gateway.address, "/.well-known/tollgate/jwks.json");
    assert_eq!(status, 200, "{}", text(&body));
    let shown: Value = serde_json::from_slice(&body).unwrap();
    let keys: Vec<tollgate_vault::Jwk> = serde_json::from_value(shown["keys"].clone()).unwrap();
    let clock: Value = serde_json::from_str(&shop.gateway.run_well(&["clock", "show", "--format", "json"])).unwrap();
    let now = tollgate_core::time::Timestamp::parse_utc(clock["now"].as_str().unwrap()).unwrap();
    let content = serde_json::json!({
        "card_number": CHALLENGED_VISA, "expiry_date": "3005", "card_security_code": "123", "card_holder_name": "Jo Doe",
        "jti": "soft-0123456789abcdef", "iat": now.unix_seconds(),
    });
    tollgate_vault::encrypt(content.to_string().as_bytes(), &keys[0]).unwrap()
}

#[test]
fn a_second_soft_decline_is_final() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    retrying(&shop);
    shop.gateway.run_well(&["fault", "set", "--behaviour", "decline:65", "--count", "2"]);
    let waiting = begin(&shop, "PURCHASE", KNOWN, &[]);
    // A customer whom the issuer knows is asked all the same: the challenge is mandated.
    let issuer = waiting.customer.at_the_issuer(&waiting.customer.go_on(waiting.customer.look()));
    let back = waiting.customer.type_code(&issuer, &shown_code(&issuer));
    let back = went_back(&shop.merchant, &back.answer);
    assert_code(&back.fields, "13666", "declined again");
    assert_eq!(field(&back.fields, "acquirer_response_code"), "65");
    assert_eq!(told(&shop, &waiting.reference), "13666");
    only_feedback(&shop, &receiver, &waiting.reference, "13666");
}

#[test]
fn a_soft_decline_stays_one_where_the_customer_cannot_follow_or_nobody_wants_it() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    let direct = |more: &[(&str, &str)], code: &str| {
        let reference = shop.reference();
        let answer = shop.call(&asked("PURCHASE", &reference, CHALLENGED_VISA, more));
        assert_code(&answer, code, "at once");
        assert!(!answer.contains_key("3ds_url"));
        assert_eq!(told(&shop, &reference), code);
        only_feedback(&shop, &receiver, &reference, code);
    };
    accounts::set(&shop.gateway, "demo", &["--three-ds", "never"]);
    direct(&[], "13030");
    retrying(&shop);
    direct(&[("return_url", "")], "13030");
    direct(&[("check_3ds", "NO")], "14000");
}

#[test]
fn who_does_not_follow_a_soft_decline_or_fails_there_is_declined_once() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    retrying(&shop);
    let fails = begin(&shop, "PURCHASE", CHALLENGE_FAILS, &[]);
    let challenge = fails.customer.go_on(fails.customer.look());
    let issuer = fails.customer.at_the_issuer(&challenge);
    let back = fails.customer.type_code(&issuer, &shown_code(&issuer));
    assert_code(&went_back(&shop.merchant, &back.answer).fields, "13030", "the challenge failed");
    only_feedback(&shop, &receiver, &fails.reference, "13030");
    let cancels = begin(&shop, "PURCHASE", CHALLENGED_VISA, &[]);
    let back = went_back(&shop.merchant, &cancels.customer.cancel());
    assert_code(&back.fields, "00072", "the customer cancelled");
    let never = begin(&shop, "AUTHORIZATION", CHALLENGED_VISA, &[]);
    let half_way = begin(&shop, "PURCHASE", CHALLENGED_MASTERCARD, &[]);
    half_way.customer.go_on(half_way.customer.look());
    let waits = |waiting: &Waiting| !receiver.received().iter().any(|one| text(&one.body).contains(&waiting.reference));
    assert!(waits(&never) && waits(&half_way), "20064 is not final");
    shop.gateway.run_well(&["clock", "advance", "16m"]);
    only_feedback(&shop, &receiver, &never.reference, "03030");
    only_feedback(&shop, &receiver, &half_way.reference, "13030");
    assert_eq!(told(&shop, &never.reference), "03030");
}

#[test]
fn a_soft_decline_while_the_browser_only_comes_by_is_followed_by_a_challenge_there() {
    let shop = Shop::open();
    accounts::set(
        &shop.gateway,
        "demo",
        &["--three-ds", "never", "--three-ds-url-for-authorization", "always", "--three-ds-soft-decline-retry", "on"],
    );
    let waiting = begin(&shop, "AUTHORIZATION", CHALLENGED_VISA, &[]);
    let challenge = waiting.customer.go_on(waiting.customer.look());
    assert_eq!(told(&shop, &waiting.reference), "20064", "not final");
    let issuer = waiting.customer.at_the_issuer(&challenge);
    let back = went_back(&shop.merchant, &waiting.customer.type_code(&issuer, &shown_code(&issuer)).answer);
    assert_code(&back.fields, "02000", "with the challenge");
    assert_eq!(field(&back.fields, "fort_id"), field(&waiting.answer, "fort_id"));
}
