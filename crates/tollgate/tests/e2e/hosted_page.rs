//! The gateway's own page: redirection and the standard merchant page, as a customer without scripts meets them.

use crate::support::customer::{Customer, went_back};
use crate::support::page::{self, Returned, signed, submit};
use crate::support::receiver::Receiver;
use crate::support::shop::*;
use crate::support::wire::HttpAnswer;
use crate::support::{Gateway, QUICK, accounts, all_at_once, field, payment, status, text, wait_for};
use serde_json::{Map, Value};

const BACK: &str = "https://shop.example/pay/return?discriminator=0f3a";
const DECLINED: &str = "4005559000001000";
const NO_FUNDS: &str = "4005559000002008";
/// Approved, and never answered.
const SILENT: &str = "4005559000004004";

/// The form of a payment on the page.
fn order<'a>(command: &'a str, reference: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = vec![
        ("command", command),
        ("merchant_reference", reference),
        ("amount", "15000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("order_description", "Order#1"),
        ("return_url", BACK),
    ];
    with(usual, more)
}

fn arrive(shop: &Shop, command: &str, reference: &str, more: &[(&str, &str)]) -> Customer {
    Customer::arrive(&shop.gateway, &shop.merchant, &order(command, reference, more))
}

/// What CHECK_STATUS says of an order: the code of its last operation, and what was taken.
fn told(shop: &Shop, reference: &str) -> (String, String) {
    let answer = shop.call(&status(reference));
    (field(&answer, "transaction_code").to_owned(), field(&answer, "captured_amount").to_owned())
}

fn html(answer: &HttpAnswer) -> String {
    text(&answer.body)
}

#[test]
fn a_customer_pays_on_the_page_and_goes_back_with_the_signed_answer() {
    let shop = Shop::open();
    for (command, code) in [("PURCHASE", "14000"), ("AUTHORIZATION", "02000")] {
        let reference = shop.reference();
        let customer = arrive(&shop, command, &reference, &[]);
        let page = customer.look();
        assert_eq!(page.status, 200);
        assert!(html(&page).contains(&reference) && html(&page).contains("150.00"), "{}", html(&page));
        let back = customer.pay(&shop.merchant, VISA, &[]);
        assert_eq!(back.to, BACK, "its query is kept");
        assert_code(&back.fields, code, command);
        for (name, value) in [
            ("card_number", "400555******0001"),
            ("expiry_date", "3005"),
            ("card_holder_name", "Jo Doe"),
            ("payment_option", "VISA"),
            ("eci", "ECOMMERCE"),
            ("customer_ip", "127.0.0.1"),
            ("order_description", "Order#1"),
            ("merchant_reference", &reference),
        ] {
            assert_eq!(field(&back.fields, name), value, "{name}");
        }
        assert!(!field(&back.fields, "authorization_code").is_empty() && !field(&back.fields, "fort_id").is_empty());
        assert!(!back.fields.contains_key("return_url") && !back.fields.contains_key("card_security_code"));
        assert_eq!(told(&shop, &reference).0, code);
    }
}

#[test]
fn after_the_end_nothing_is_processed_twice_and_the_page_repeats_the_return() {
    let shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    let first = customer.pay(&shop.merchant, VISA, &[]);
    let sent_again = customer.pay(&shop.merchant, MASTERCARD, &[]);
    let loaded_again = went_back(&shop.merchant, &customer.look());
    let cancelled = went_back(&shop.merchant, &customer.cancel());
    for later in [sent_again, loaded_again, cancelled] {
        assert_eq!(later.fields, first.fields);
    }
    shop.call(&[&later("REFUND", &reference, &[])[..]].concat());
    assert_eq!(went_back(&shop.merchant, &customer.look()).fields, first.fields, "whatever was done with it since");
    assert_eq!(told(&shop, &reference).1, "15000");
}

#[test]
fn looking_has_no_effect() {
    let shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    for path in [customer.path.clone(), format!("{}?language=ar", customer.path)] {
        for _ in 0..3 {
            assert_eq!(customer.get(&path).status, 200);
        }
    }
    for part in ["/card", "/cancel"] {
        assert_eq!(customer.get(&format!("{}{part}", customer.path)).status, 405, "{part}");
    }
    assert_code(&customer.pay(&shop.merchant, VISA, &[]).fields, "14000", "still open");
}

#[test]
fn an_account_says_how_many_cards_may_be_tried() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--page-card-tries", "2"]);
    let customer = arrive(&shop, "PURCHASE", &shop.reference(), &[]);
    let page = html(&customer.type_card(DECLINED, &[]));
    assert!(page.contains("name=\"card_number\""), "one is left: {page}");
    assert_code(&customer.pay(&shop.merchant, NO_FUNDS, &[]).fields, "13029", "the last one is the answer");
    accounts::set(&shop.gateway, "demo", &["--page-card-tries", "1"]);
    let customer = arrive(&shop, "PURCHASE", &shop.reference(), &[]);
    assert_code(&customer.pay(&shop.merchant, DECLINED, &[]).fields, "13666", "one card, one try");
}

#[test]
fn a_declined_customer_tries_other_cards_under_one_fort_id() {
    let shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    let page = html(&customer.type_card(DECLINED, &[]));
    assert!(page.contains("name=\"card_number\"") && !page.contains("returnUrlForm"), "the form again: {page}");
    let (code, taken) = told(&shop, &reference);
    assert_eq!((code.as_str(), taken.as_str()), ("13666", "0"));
    let fort_id = field(&shop.call(&status(&reference)), "fort_id").to_owned();
    assert!(html(&customer.type_card(NO_FUNDS, &[])).contains("name=\"card_number\""));
    assert_eq!(told(&shop, &reference).0, "13029");
    let back = customer.pay(&shop.merchant, MASTERCARD, &[]);
    assert_code(&back.fields, "14000", "the third card");
    assert_eq!(field(&back.fields, "fort_id"), fort_id);
    assert_eq!(field(&back.fields, "payment_option"), "MASTERCARD");
    let story = shop.gateway.run_well(&["explain", &reference]);
    assert_eq!(story.matches("PURCHASE of").count(), 4, "the order and its three tries: {story}");
    // What follows goes to the card that paid.
    let refund = shop.call(&later("REFUND", &reference, &[("amount", "15000")]));
    assert_code(&refund, "06000", "refund");
}

#[test]
fn the_last_try_ends_the_page() {
    let shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    for _ in 0..8 {
        assert!(html(&customer.type_card(DECLINED, &[])).contains("name=\"card_number\""));
    }
    let back = customer.pay(&shop.merchant, DECLINED, &[]);
    assert_code(&back.fields, "13666", "the ninth");
    assert_eq!(field(&back.fields, "acquirer_response_code"), "05");
    assert_code(&customer.pay(&shop.merchant, VISA, &[]).fields, "13666", "no tenth");
    assert_eq!(told(&shop, &reference).1, "0");
}

#[test]
fn cancelling_goes_back_with_00072_and_the_order_can_be_paid_again() {
    let shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    let back = went_back(&shop.merchant, &customer.cancel());
    assert_eq!(field(&back.fields, "response_code"), "00072");
    assert_eq!(field(&back.fields, "response_message"), "Transaction has been cancelled by the Consumer.");
    assert_eq!(field(&back.fields, "return_url"), BACK);
    for name in ["fort_id", "eci", "customer_ip"] {
        assert!(!back.fields.contains_key(name), "{name}: the order is not told, and the address was not sent");
    }
    let first = field(&shop.call(&status(&reference)), "fort_id").to_owned();
    assert_code(&customer.pay(&shop.merchant, VISA, &[]).fields, "00072", "it is over");
    let again = arrive(&shop, "PURCHASE", &reference, &[]);
    let paid = again.pay(&shop.merchant, VISA, &[]);
    assert_code(&paid.fields, "14000", "again");
    assert_eq!(field(&paid.fields, "fort_id"), first, "one order");
}

#[test]
fn a_reference_belongs_to_one_order_whatever_way_it_comes() {
    let shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    assert_code(&shop.call(&payment("PURCHASE", &reference, "15000", VISA)), "00066", "the page has it");
    let refused = |params: &[(&str, &str)]| submit(&shop.gateway, &shop.merchant, params);
    let other = refused(&order("PURCHASE", &reference, &[("amount", "99")]));
    assert_code(&other.fields, "00066", "another amount is another order");
    let other = refused(&order("AUTHORIZATION", &reference, &[]));
    assert_code(&other.fields, "00066", "another command too");
    let again = arrive(&shop, "PURCHASE", &reference, &[]);
    assert_eq!(again.path, customer.path, "a second form goes on with the first page");
    assert_code(&again.pay(&shop.merchant, VISA, &[]).fields, "14000", "paid");
    let paid = refused(&order("PURCHASE", &reference, &[]));
    assert_code(&paid.fields, "00066", "paid is paid");
    let trusted = shop.reference();
    assert_code(&shop.call(&payment("PURCHASE", &trusted, "15000", DECLINED)), "13666", "over the API");
    assert_code(&refused(&order("PURCHASE", &trusted, &[])).fields, "00066", "declined there is used up");
}

#[test]
fn clicks_and_tabs_at_once_make_one_payment() {
    let shop = Shop::open();
    for _ in 0..4 {
        let reference = shop.reference();
        let customer = arrive(&shop, "PURCHASE", &reference, &[]);
        let cards = [VISA, MASTERCARD, VISA, AMEX, VISA, MASTERCARD, VISA, VISA];
        let backs = all_at_once(cards.len(), |tab| match tab {
            7 => went_back(&shop.merchant, &customer.cancel()),
            _ => customer.pay(&shop.merchant, cards[tab], &[]),
        });
        let one = &backs[0].fields;
        assert!(backs.iter().all(|back| back.fields == *one), "every tab is told the same: {:?}", codes(&backs));
        match field(one, "response_code") {
            "14000" => assert_eq!(told(&shop, &reference), ("14000".to_owned(), "15000".to_owned())),
            "00072" => assert_eq!(told(&shop, &reference).1, "0"),
            other => panic!("{other}"),
        }
        let story = shop.gateway.run_well(&["explain", &reference]);
        assert_eq!(story.matches("PURCHASE of").count(), 2, "the order and one operation: {story}");
    }
}

#[test]
fn tabs_and_clicks_at_once_on_a_page_for_a_token_keep_one_card() {
    let shop = Shop::open();
    for (before, name) in [None, Some("mine"), None, Some("ours")].into_iter().enumerate() {
        let reference = shop.reference();
        let mut params =
            vec![("service_command", "TOKENIZATION"), ("merchant_reference", &*reference), ("return_url", BACK)];
        params.extend(name.map(|name| ("token_name", name)));
        let customer = Customer::arrive(&shop.gateway, &shop.merchant, &params);
        let cards = [VISA, MASTERCARD, VISA, AMEX, VISA, MASTERCARD];
        let backs = all_at_once(cards.len(), |tab| customer.pay(&shop.merchant, cards[tab], &[]));
        let one = &backs[0].fields;
        assert_code(one, "18000", "kept");
        assert!(backs.iter().all(|back| back.fields == *one), "every tab is told the same: {:?}", codes(&backs));
        assert_eq!(went_back(&shop.merchant, &customer.look()).fields, *one);
        let listed: Value =
            serde_json::from_str(&shop.gateway.run_well(&["token", "list", "demo", "--format", "json"])).unwrap();
        let names: Vec<_> = listed["tokens"].as_array().unwrap().iter().map(|one| &one["token_name"]).collect();
        assert_eq!(names.len(), before + 1, "{names:?}");
        assert!(names.contains(&&one["token_name"]), "{names:?}");
    }
}

fn codes(backs: &[Returned]) -> Vec<&str> {
    backs.iter().map(|back| field(&back.fields, "response_code")).collect()
}

#[test]
fn a_checkout_outlives_the_gateway() {
    let mut shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    assert!(html(&customer.type_card(DECLINED, &[])).contains("name=\"card_number\""));
    shop.gateway.kill();
    let data = shop.gateway.data.clone();
    let again = Gateway::start_in(&data, &[]);
    let customer = customer.at(&again);
    let back = customer.pay(&shop.merchant, VISA, &[]);
    assert_code(&back.fields, "14000", "after a restart");
    assert_eq!(went_back(&shop.merchant, &customer.look()).fields, back.fields);
}

#[test]
fn who_stays_away_is_waited_for_fifteen_minutes() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    let (never, declined) = (shop.reference(), shop.reference());
    let customer = arrive(&shop, "PURCHASE", &never, &[]);
    let other = arrive(&shop, "AUTHORIZATION", &declined, &[]);
    assert!(html(&other.type_card(DECLINED, &[])).contains("name=\"card_number\""));
    shop.gateway.run_well(&["clock", "advance", "14m"]);
    assert!(html(&customer.look()).contains("name=\"card_number\""), "still there");
    shop.gateway.run_well(&["clock", "advance", "2m"]);
    let told_of = receiver.wait_for(&never, "13778").json();
    shop.merchant.check(&told_of);
    assert_eq!(told(&shop, &never).0, "13778");
    let back = went_back(&shop.merchant, &customer.follow(customer.look()));
    assert_code(&back.fields, "13778", "the customer comes back");
    let back = went_back(&shop.merchant, &other.follow(other.look()));
    assert_code(&back.fields, "03666", "the last try counts");
    assert_code(&customer.pay(&shop.merchant, VISA, &[]).fields, "13778", "it is over");
    let told = receiver.received().iter().filter(|one| field(&one.json(), "merchant_reference") == declined).count();
    assert_eq!(told, 1, "nothing new of it");
}

#[test]
fn each_result_reaches_the_merchant_by_direct_feedback_as_well() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    customer.type_card(DECLINED, &[]);
    receiver.wait_for(&reference, "13666");
    let back = customer.pay(&shop.merchant, VISA, &[]);
    let told = receiver.wait_for(&reference, "14000").json();
    shop.merchant.check(&told);
    for name in ["fort_id", "authorization_code", "card_number", "customer_ip", "amount", "eci"] {
        assert_eq!(field(&told, name), field(&back.fields, name), "{name}");
    }
    let cancelled = shop.reference();
    let back = went_back(&shop.merchant, &arrive(&shop, "PURCHASE", &cancelled, &[]).cancel());
    let told = receiver.wait_for(&cancelled, "00072").json();
    shop.merchant.check(&told);
    assert_eq!(told, back.fields, "the same fields, the same values, the same signature");
}

#[test]
fn an_outcome_that_nobody_knows_is_told_as_such_and_not_tried_again() {
    let mut shop = Shop::open();
    shop.gateway = Gateway::start_with(&QUICK);
    shop.merchant = shop.gateway.demo();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    let back = customer.pay(&shop.merchant, SILENT, &[]);
    assert_code_only(&back.fields, "15777");
    assert_code_only(&customer.pay(&shop.merchant, VISA, &[]).fields, "15777");
}

fn assert_code_only(fields: &Map<String, Value>, code: &str) {
    assert_eq!(field(fields, "response_code"), code, "{fields:?}");
}

#[test]
fn faults_are_told_at_their_field_and_the_card_is_never_repeated() {
    let shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[]);
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[("card_number", "")], "card_number"),
        (&[("card_number", "4005550000000002")], "card_number"),
        (&[("card_number", "6011000990139424")], "card_number"),
        (&[("expiry_date", "13/30")], "expiry_date"),
        (&[("expiry_date", "01/20")], "expiry_date"),
        (&[("card_security_code", "12")], "card_security_code"),
        (&[("card_holder_name", "4005550000000001")], "card_holder_name"),
    ];
    for (typed, name) in cases {
        let answer = customer.type_card(VISA, typed);
        let page = html(&answer);
        assert_eq!(answer.status, 200, "{typed:?}");
        assert!(page.contains(&format!("href=\"#{name}\"")), "{typed:?}: {page}");
        for secret in [VISA, "4005550000000002", "6011000990139424", "value=\"123\"", "value=\"12\""] {
            assert!(!page.contains(secret), "{typed:?}: {secret} in {page}");
        }
    }
    assert_eq!(told(&shop, &reference).1, "0");
    let arabic = [("card_number", "٤٠٠٥ ٥٥٠٠ ٠٠٠٠ ٠٠٠١"), ("expiry_date", "٠٥/٣٠"), ("card_security_code", "١٢٣")];
    assert_code(&customer.pay(&shop.merchant, VISA, &arabic).fields, "14000", "digits of another script");
    let other = arrive(&shop, "PURCHASE", &shop.reference(), &[]);
    assert_code(&other.pay(&shop.merchant, MASTERCARD, &[]).fields, "14000", "another");
    assert!(!shop.gateway.output().contains(MASTERCARD), "the log has no card number");
}

#[test]
fn the_page_speaks_both_languages_and_the_answer_the_requests_own() {
    let shop = Shop::open();
    let reference = shop.reference();
    let customer = arrive(&shop, "PURCHASE", &reference, &[("language", "ar")]);
    let page = html(&customer.look());
    assert!(page.contains("dir=\"rtl\"") && page.contains("lang=\"ar\""));
    let english = html(&customer.get(&format!("{}?language=en", customer.path)));
    assert!(english.contains("lang=\"en\""));
    let back = customer.pay(&shop.merchant, VISA, &[]);
    assert_eq!(field(&back.fields, "response_message"), message("14000", Language::Arabic));
}

#[test]
fn a_card_is_kept_with_the_customers_consent_and_paid_with_by_its_code_alone() {
    let shop = Shop::open();
    let offered = arrive(&shop, "PURCHASE", &shop.reference(), &[("remember_me", "YES")]);
    assert!(html(&offered.look()).contains("name=\"remember_me\""));
    let kept = offered.pay(&shop.merchant, VISA, &[("remember_me", "YES")]);
    let token = field(&kept.fields, "token_name").to_owned();
    assert!(!token.is_empty());
    let refused = arrive(&shop, "PURCHASE", &shop.reference(), &[("remember_me", "YES")]);
    assert!(!refused.pay(&shop.merchant, MASTERCARD, &[]).fields.contains_key("token_name"), "no consent, no token");
    assert!(!html(&arrive(&shop, "PURCHASE", &shop.reference(), &[]).look()).contains("name=\"remember_me\""));

    let customer = arrive(&shop, "PURCHASE", &shop.reference(), &[("token_name", &token)]);
    let page = html(&customer.look());
    assert!(page.contains("name=\"card_security_code\"") && !page.contains("name=\"card_number\""), "{page}");
    assert!(page.contains("0001"), "the mask is shown");
    let back = customer.follow(customer.post("/card", &[("card_security_code", "123")]));
    let back = went_back(&shop.merchant, &back);
    assert_code(&back.fields, "14000", "by token");
    assert_eq!(field(&back.fields, "token_name"), token);
}

#[test]
fn the_standard_merchant_page_makes_a_token_for_the_payment_that_follows() {
    let shop = Shop::open();
    let reference = shop.reference();
    let params = [("service_command", "TOKENIZATION"), ("merchant_reference", &*reference), ("return_url", BACK)];
    let customer = Customer::arrive(&shop.gateway, &shop.merchant, &params);
    let page = customer.look();
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors https://shop.example"), "{policy}");
    let back = customer.pay(&shop.merchant, VISA, &[]);
    assert_code(&back.fields, "18000", "kept");
    assert_eq!((field(&back.fields, "card_bin"), field(&back.fields, "return_url")), ("400555", BACK));
    let token = field(&back.fields, "token_name").to_owned();
    let by_token = |reference: &str| {
        let params = with(payment("PURCHASE", reference, "15000", VISA), &[("token_name", &token)]);
        let card = ["card_number", "expiry_date", "card_security_code", "card_holder_name"];
        let params: Vec<_> = params.into_iter().filter(|(name, _)| !card.contains(name)).collect();
        shop.call(&params)
    };
    assert_code(&by_token(&reference), "14000", "the same reference");
    assert!(shop.gateway.run_well(&["explain", &reference]).contains("F048.92"), "with its security code");

    // A token that is known asks for the code alone, and holds it for the next payment.
    let known = [&params[..], &[("token_name", &*token)]].concat();
    let customer = Customer::arrive(&shop.gateway, &shop.merchant, &known);
    assert!(!html(&customer.look()).contains("name=\"card_number\""));
    let back = customer.follow(customer.post("/card", &[("card_security_code", "123")]));
    let back = went_back(&shop.merchant, &back);
    assert_code(&back.fields, "18000", "the same token");
    assert_eq!(field(&back.fields, "token_name"), token);
    let next = shop.reference();
    assert_code(&by_token(&next), "14000", "again");
    assert!(shop.gateway.run_well(&["explain", &next]).contains("F048.92"), "with the code of the page");

    let cancelled = Customer::arrive(&shop.gateway, &shop.merchant, &params);
    assert_code_only(&went_back(&shop.merchant, &cancelled.cancel()).fields, "00072");
    let late = Customer::arrive(&shop.gateway, &shop.merchant, &params);
    shop.gateway.run_well(&["clock", "advance", "16m"]);
    wait_for("its end", || html(&late.look()).contains("returnUrlForm").then_some(()));
    assert_code_only(&went_back(&shop.merchant, &late.look()).fields, "00778");
}

#[test]
fn links_cannot_be_guessed_and_pages_let_browsers_do_little() {
    let shop = Shop::open();
    let customer = arrive(&shop, "PURCHASE", &shop.reference(), &[]);
    let link = customer.path.strip_prefix("/checkout/").unwrap();
    assert_eq!(link.len(), 43);
    let mut other = link.to_owned();
    let last = if other.ends_with('A') { 'B' } else { 'A' };
    other.replace_range(20..21, if &link[20..21] == "x" { "y" } else { "x" });
    for path in [other.clone(), format!("{}{last}", &link[..42]), link[..42].to_owned(), String::new(), "a/b".into()] {
        let answer = customer.get(&format!("/checkout/{path}"));
        // The last character holds two bits that count for nothing in 32 bytes.
        let is_same = path.len() == 43 && path[..42] == link[..42];
        assert!(answer.status == 404 || is_same, "{path}: {}", answer.status);
    }
    let page = customer.look();
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(!shop.gateway.output().contains(link), "the log has no link");
}

#[test]
fn a_form_that_cannot_be_carried_out_goes_back_at_once() {
    let shop = Shop::open();
    for (more, code) in [
        (&[("currency", "EUR")][..], "00023"),
        (&[("token_name", "none-such"), ("remember_me", "NO"), ("payment_option", "KNET")], "00003"),
        (&[("amount", "0")], "00005"),
        (&[("eci", "MOTO")], "00113"),
        (&[("card_number", VISA), ("expiry_date", "3005"), ("card_security_code", "123")], "00027"),
    ] {
        let reference = shop.reference();
        let back = submit(&shop.gateway, &shop.merchant, &order("PURCHASE", &reference, more));
        assert_code_only(&back.fields, code);
        assert_eq!(field(&shop.call(&status(&reference)), "response_code"), "12036", "nothing was kept");
    }
    let body = signed(&shop.merchant, &order("PURCHASE", "R-bad", &[])).replace("15000", "15001");
    let back = page::returned(&page::post(&shop.gateway, &body));
    assert_code_only(&back.fields, "00008");
}

#[test]
fn explain_tells_the_life_of_a_page() {
    let shop = Shop::open();
    let explain = |reference: &str| shop.gateway.run_well(&["explain", reference]);
    let json = |reference: &str| -> Value {
        let told: Value =
            serde_json::from_str(&shop.gateway.run_well(&["explain", reference, "--format", "json"])).unwrap();
        told["orders"][0].clone()
    };
    let holds = |story: &str, parts: &[&str]| {
        let mut rest = story;
        for part in parts {
            rest = rest.split_once(part).unwrap_or_else(|| panic!("{part}, in this order: {story}")).1;
        }
    };
    let [paid, cancelled, abandoned, left] = [(); 4].map(|()| shop.reference());

    let customer = arrive(&shop, "PURCHASE", &paid, &[]);
    let story = explain(&paid);
    holds(&story, &["came by", "redirection", "card", "none yet", "stands", "open", "last code", "none yet"]);
    holds(&story, &["the merchant's form opened the customer's page", "has not sent a card yet", "0 of 9", "until 20"]);
    holds(&story, &["request (masked)", "order_description", "Order#1"]);
    assert!(!story.contains("15777") && !story.contains("/checkout/"), "{story}");
    assert!(!story.contains(customer.path.strip_prefix("/checkout/").unwrap()), "the address is secret: {story}");
    assert_eq!((&json(&paid)["last_code"], &json(&paid)["page"]["step"]), (&Value::Null, &"card".into()));

    customer.type_card(DECLINED, &[]);
    holds(&explain(&paid), &["the customer may try another card", "1 of 9", ": card 1 on the page", "13666"]);
    customer.pay(&shop.merchant, VISA, &[]);
    holds(
        &explain(&paid),
        &["ended with the payment", "2 of 9", ": card 1 on the page", ": card 2 on the page", "14000"],
    );
    let order = json(&paid);
    assert_eq!((&order["channel"], &order["page"]["cards_tried"]), (&"redirection".into(), &2.into()));
    assert_eq!((&order["operations"][1]["card_on_page"], &order["page"]["step"]), (&2.into(), &"ended".into()));

    went_back(&shop.merchant, &arrive(&shop, "PURCHASE", &cancelled, &[]).cancel());
    let story = explain(&cancelled);
    holds(&story, &["ended: the customer cancelled", "0 of 9", "the customer cancelled on the page"]);
    holds(&story, &["nothing was sent to the card network", "told", "00072"]);
    assert!(!story.contains("STAN"), "{story}");
    let order = json(&cancelled);
    assert_eq!(
        (&order["page"]["step"], &order["operations"][0]["closed_unsent_by"]),
        (&"cancelled".into(), &"customer".into())
    );

    arrive(&shop, "PURCHASE", &abandoned, &[]);
    let other = arrive(&shop, "PURCHASE", &left, &[]);
    other.type_card(DECLINED, &[]);
    went_back(&shop.merchant, &other.cancel());
    holds(&explain(&left), &["ended: the customer cancelled", "1 of 9", ": card 1 on the page"]);
    shop.gateway.run_well(&["clock", "advance", "16m"]);
    wait_for("the page is closed", || (told(&shop, &abandoned).0 == "13778").then_some(()));
    let story = explain(&abandoned);
    holds(&story, &["ended without a payment", "the gateway closed the page: the customer's time was over", "13778"]);
    assert_eq!(json(&abandoned)["operations"][0]["closed_unsent_by"], "gateway");
    shop.gateway.run_well(&["clock", "advance", "2d"]);
    wait_for("the page is forgotten", || json(&paid)["page"].is_null().then_some(()));
    holds(&explain(&paid), &["forgotten: it ended more than a day ago", ": card 2 on the page"]);
}

#[test]
fn the_way_back_may_be_a_link_that_is_followed_with_starred_values() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--return-method", "get"]);
    let customer = arrive(&shop, "PURCHASE", &shop.reference(), &[]);
    let answer = customer.type_card(VISA, &[]);
    let page = html(&answer);
    let (_, to) = page.split_once("http-equiv=\"refresh\" content=\"0;url=").unwrap_or_else(|| panic!("{page}"));
    let to = page::unescaped(to.split('"').next().unwrap());
    assert!(to.starts_with(&format!("{BACK}&")) && to.contains("response_code=14000"), "{to}");
    assert!(!to.contains("400555") && to.contains("card_number=****************"), "{to}");
}
