//! Payment links on the real binary, as merchants' servers and customers without scripts meet them.

use crate::support::customer::{Customer, went_back};
use crate::support::receiver::Receiver;
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::shop::*;
use crate::support::wire::{self, HttpAnswer};
use crate::support::{Gateway, accounts, all_at_once, field, payment, status, text, wait_for};
use serde_json::{Map, Value};
use tollgate_core::time::Timestamp;

const BACK: &str = "https://shop.example/pay/return?discriminator=0f3a";
const HOUR_MS: u64 = 3_600_000;

/// A moment by the machine's clock, which a fresh sandbox shares.
fn in_ms(ms: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_micros()).unwrap()).plus_ms(ms).to_string()
}

fn asked<'a>(reference: &'a str, until: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = vec![
        ("service_command", "PAYMENT_LINK"),
        ("merchant_reference", reference),
        ("amount", "15000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("customer_name", "Jo Doe"),
        ("order_description", "Order#1"),
        ("notification_type", "NONE"),
        ("request_expiry_date", until),
    ];
    with(usual, more)
}

/// A link that was made, and its customer.
struct Made {
    reference: String,
    name: String,
    answer: Map<String, Value>,
    customer: Customer,
}

fn make(shop: &Shop, more: &[(&str, &str)]) -> Made {
    make_for(shop, 24 * HOUR_MS, more)
}

fn make_for(shop: &Shop, ms: u64, more: &[(&str, &str)]) -> Made {
    let (reference, until) = (shop.reference(), in_ms(ms));
    let answer = shop.call(&asked(&reference, &until, more));
    assert_code(&answer, "48000", "made");
    let customer = Customer::sent_to(&shop.gateway, field(&answer, "payment_link"));
    Made { reference, name: field(&answer, "payment_link_id").to_owned(), answer, customer }
}

impl Made {
    /// Presses the button of the link's page; where that leads to.
    fn press(&self) -> HttpAnswer {
        self.customer.post("", &[])
    }

    /// To the card form.
    fn go_on(&self) -> Customer {
        let answer = self.press();
        let customer = sent_on(&self.customer, &answer);
        assert!(answer.status == 303 && customer.path.starts_with("/checkout/"), "{} {}", answer.status, customer.path);
        customer
    }

    fn page(&self) -> String {
        text(&self.customer.look().body)
    }

    fn state(&self, shop: &Shop) -> String {
        let answer = shop.call(&checked(&self.name));
        assert_eq!(field(&answer, "response_code"), "12000", "{answer:?}");
        field(&answer, "payment_link_status").to_owned()
    }

    fn update(&self, shop: &Shop, more: &[(&str, &str)]) -> Map<String, Value> {
        let mut params = vec![("service_command", "UPDATE_PAYMENT_LINK"), ("payment_link_id", self.name.as_str())];
        params.extend_from_slice(more);
        shop.call(&params)
    }
}

/// The customer where an answer leads to. What is posted belongs to the path without its query.
fn sent_on(customer: &Customer, answer: &HttpAnswer) -> Customer {
    let mut customer = customer.clone();
    answer.header("location").unwrap_or_default().split('?').next().unwrap_or_default().clone_into(&mut customer.path);
    customer
}

fn checked(name: &str) -> Vec<(&str, &str)> {
    vec![("query_command", "CHECK_PAYMENT_LINK_STATUS"), ("payment_link_id", name)]
}

/// What CHECK_STATUS says of an order.
fn told(shop: &Shop, reference: &str, name: &str) -> String {
    field(&shop.call(&status(reference)), name).to_owned()
}

#[test]
fn a_link_is_made_and_paid_and_shows_its_receipt_from_then_on() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    let made = make(&shop, &[]);
    assert!(made.name.len() == 18 && made.name.bytes().all(|byte| byte.is_ascii_digit()), "{}", made.name);
    let url = field(&made.answer, "payment_link");
    assert!(url.len() <= 150 && url.contains("/pay/"), "{url}");
    for (name, value) in asked(&made.reference, "", &[]).iter().filter(|(name, _)| *name != "request_expiry_date") {
        assert_eq!(field(&made.answer, name), *value, "{name} comes back");
    }
    assert_eq!(made.state(&shop), "Open");
    let page = made.page();
    for seen in ["150.00", "Order#1", &made.reference, &made.name, "Valid until", "(23 hours)", "Make a payment"] {
        assert!(page.contains(seen), "{seen}: {page}");
    }
    let paid = made.go_on().type_card(VISA, &[]);
    let receipt = text(&paid.body);
    let fort_id = told(&shop, &made.reference, "fort_id");
    for seen in ["The invoice has been paid", &fort_id, &made.name, "150.00", "Paid on"] {
        assert!(receipt.contains(seen), "{seen}: {receipt}");
    }
    assert!(made.page().contains(&fort_id), "the second visit shows it too");
    let pressed = made.press();
    assert!(pressed.header("location").unwrap().starts_with("/pay/"), "nothing is begun again");
    let answer = shop.call(&checked(&made.name));
    let known = ["Paid", "15000", "1", &made.name].map(str::to_owned);
    assert_eq!(
        ["payment_link_status", "amount", "open_count", "payment_link_id"].map(|name| field(&answer, name).to_owned()),
        known
    );
    assert_eq!(told(&shop, &made.reference, "captured_amount"), "15000");

    let told = receiver.wait_for(&made.reference, "14000").json();
    shop.merchant.check(&told);
    for (name, value) in [
        ("command", "PURCHASE"),
        ("payment_link_id", made.name.as_str()),
        ("remember_me", "NO"),
        ("eci", "ECOMMERCE"),
        ("fort_id", &fort_id),
        ("order_description", "Order#1"),
        ("customer_name", "Jo Doe"),
        ("customer_email", "jo@example.org"),
        ("customer_ip", "127.0.0.1"),
        ("card_number", "400555******0001"),
    ] {
        assert_eq!(field(&told, name), value, "{name}");
    }
    for name in ["service_command", "link_command", "request_expiry_date", "notification_type", "token_name"] {
        assert!(!told.contains_key(name), "{name}: {told:?}");
    }
    let story = shop.gateway.run_well(&["explain", &made.reference]);
    assert!(story.contains(&format!("payment link {} was made", made.name)), "{story}");
    assert!(!story.contains(url.rsplit('/').next().unwrap()), "the address is no part of a story");
}

#[test]
fn with_a_return_url_the_customer_goes_back_with_the_signed_answer() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--return-url", "https://shop.example/own"]);
    for (command, code) in [("PURCHASE", "14000"), ("AUTHORIZATION", "02000")] {
        let made = make(&shop, &[("return_url", BACK), ("link_command", command), ("payment_link_id", command)]);
        assert_eq!(made.name, command);
        let checkout = made.go_on();
        let back = checkout.pay(&shop.merchant, VISA, &[]);
        assert_eq!(back.to, BACK);
        assert_code(&back.fields, code, command);
        assert_eq!((field(&back.fields, "payment_link_id"), field(&back.fields, "command")), (command, command));
        assert_eq!(went_back(&shop.merchant, &checkout.look()).fields, back.fields, "again the same");
        assert!(made.page().contains("The invoice has been paid"));
    }
    let own = make(&shop, &[]);
    let paid = text(&own.go_on().type_card(VISA, &[]).body);
    assert!(paid.contains("The invoice has been paid"), "the account's return URL is none of a link's: {paid}");
}

#[test]
fn looking_at_a_link_has_no_effect_but_a_count() {
    let shop = Shop::open();
    let made = make(&shop, &[]);
    for path in [made.customer.path.clone(), format!("{}?language=ar", made.customer.path)] {
        for _ in 0..3 {
            assert_eq!(made.customer.get(&path).status, 200);
        }
    }
    let address = &shop.gateway.address;
    let head = format!("HEAD {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n", made.customer.path);
    assert_eq!(wire::send(address, head.as_bytes()).status, 200);
    assert_eq!(field(&shop.call(&checked(&made.name)), "open_count"), "6", "HEAD does not count");
    assert_eq!(field(&shop.call(&status(&made.reference)), "response_code"), "12036", "there is no order");
    assert_code(&shop.call(&payment("PURCHASE", &made.reference, "15000", VISA)), "14000", "the API is free to use it");
    assert!(made.page().contains("in another way"));
    let pressed = made.press();
    assert!(pressed.header("location").unwrap().starts_with("/pay/"));
    assert_eq!(made.customer.look().status, 410);
    assert_eq!(
        (made.state(&shop).as_str(), told(&shop, &made.reference, "captured_amount").as_str()),
        ("Closed", "15000")
    );
}

#[test]
fn each_refusal_has_its_code() {
    let shop = Shop::open();
    let until = in_ms(HOUR_MS);
    let (far, past) = (in_ms(366 * 24 * HOUR_MS), in_ms(0));
    let made = make(&shop, &[("payment_link_id", "INV-1")]);
    let fresh = shop.reference();
    let refused = |reference: &str, more: &[(&str, &str)], code: &str| {
        let params: Vec<(&str, &str)> = with(asked(reference, &until, &[]), more);
        let answer = shop.call(&params);
        assert_eq!(field(&answer, "response_code"), code, "{more:?}: {answer:?}");
        assert!(!answer.contains_key("payment_link"), "{answer:?}");
    };
    refused(&fresh, &[("payment_link_id", "INV-1")], "00126");
    refused(&made.reference, &[], "00150");
    let used = shop.order_for("CHECK_STATUS");
    refused(&used, &[], "00066");
    refused(&fresh, &[("notification_type", "SMS")], "00001");
    refused(&fresh, &[("notification_type", "PIGEON")], "00033");
    refused(&fresh, &[("request_expiry_date", &far)], "00033");
    refused(&fresh, &[("request_expiry_date", &past)], "00033");
    refused(&fresh, &[("request_expiry_date", "tomorrow")], "00002");
    refused(&fresh, &[("currency", "CHF")], "00023");
    refused(&fresh, &[("payment_option", "MADA"), ("link_command", "AUTHORIZATION")], "00003");
    refused(&fresh, &[("payment_link_id", "4005550000000001")], "00033");
    let by_command = with(asked(&fresh, &until, &[("notification_type", "NONE,SMS")]), &[("command", "PAYMENT_LINK")]);
    let by_command: Vec<_> = by_command.into_iter().filter(|(name, _)| *name != "service_command").collect();
    assert_code(&shop.call(&by_command), "48000", "by command, and NONE beats the rest");

    assert_eq!(field(&shop.call(&checked("INV-9")), "response_code"), "11149");
    let nobody = [("service_command", "UPDATE_PAYMENT_LINK"), ("payment_link_id", "INV-9"), ("amount", "1")];
    assert_code(&shop.call(&nobody), "00149", "no such link");
    assert_eq!(field(&made.update(&shop, &[]), "response_code"), "00001");
    assert_code(&made.update(&shop, &[("amount", "9900"), ("customer_name", "Al")]), "48000", "changed");
    assert!(made.page().contains("99.00"));
    assert_code(&made.update(&shop, &[("payment_link_status", "Closed")]), "48000", "closed");
    assert_code(&made.update(&shop, &[("payment_link_status", "Closed")]), "00117", "closed already");
    assert_eq!((made.state(&shop).as_str(), made.customer.look().status), ("Closed", 410));
    assert_code(&shop.call(&asked(&made.reference, &until, &[])), "48000", "the reference is free again");
    let paid = make(&shop, &[]);
    paid.go_on().type_card(VISA, &[]);
    assert_code(&paid.update(&shop, &[("amount", "1")]), "00125", "paid");
}

#[test]
fn a_link_is_named_without_the_merchant_and_belongs_to_one_alone() {
    let shop = Shop::open();
    let made = make(&shop, &[]);
    let other = accounts::add(&shop.gateway, "other", &[]);
    assert_eq!(field(&shop.gateway.call(&other, &checked(&made.name)), "response_code"), "11149");
    let mut params = vec![("query_command", "CHECK_PAYMENT_LINK_STATUS"), ("payment_link_id", made.name.as_str())];
    let ask = |params: &[(&str, &str)]| {
        let merchant = &shop.merchant;
        let mut all = params.to_vec();
        all.push(("access_code", &merchant.access_code));
        let phrase = tollgate_core::secret::Secret::new(merchant.request_phrase.clone());
        let body = tollgate_fort::client::signed_json(&all, &phrase, merchant.sha_type);
        let (_, answer) = shop.gateway.post_raw(&body, "application/json");
        serde_json::from_slice::<Map<String, Value>>(&answer).unwrap()
    };
    let answer = ask(&params);
    shop.merchant.check(&answer);
    assert_eq!(field(&answer, "response_code"), "12000", "{answer:?}");
    params[1] = ("merchant_reference", &made.reference);
    assert_eq!(field(&ask(&params), "response_code"), "00009", "a reference is one of a merchant's");
}

#[test]
fn visitors_at_once_make_one_payment() {
    let shop = Shop::open();
    for _ in 0..3 {
        let made = make(&shop, &[]);
        let cards = [VISA, MASTERCARD, VISA, AMEX, VISA, MASTERCARD];
        let fort_ids = all_at_once(cards.len(), |visitor| {
            let customer = sent_on(&made.customer, &made.press());
            let page = match customer.path.starts_with("/checkout/") {
                true => customer.type_card(cards[visitor], &[]),
                false => customer.look(),
            };
            // Who came while the others' card was under way looks again.
            wait_for("the receipt", || made.page().contains("has been paid").then_some(()));
            (page.status, made.page().contains(&told_number(&made.page())))
        });
        assert!(fort_ids.iter().all(|(status, shown)| *status == 200 && *shown), "{fort_ids:?}");
        assert_eq!(told(&shop, &made.reference, "captured_amount"), "15000");
        let story = shop.gateway.run_well(&["explain", &made.reference]);
        assert_eq!(story.matches("PURCHASE of").count(), 2, "the order and one operation: {story}");
    }
}

/// The first number of 18 digits on a page.
fn told_number(page: &str) -> String {
    let digits = page.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 18);
    digits.expect("a transaction number").to_owned()
}

#[test]
fn of_a_link_and_the_api_one_takes_the_reference() {
    let shop = Shop::open();
    let (merchant, gateway) = (&shop.merchant, &shop.gateway);
    for _ in 0..4 {
        let made = make(&shop, &[]);
        let codes = all_at_once(2, |way| match way {
            0 => field(&gateway.call(merchant, &payment("PURCHASE", &made.reference, "15000", VISA)), "response_code")
                .to_owned(),
            _ => {
                let customer = sent_on(&made.customer, &made.press());
                if !customer.path.starts_with("/checkout/") {
                    return "none".to_owned();
                }
                let page = customer.type_card(MASTERCARD, &[]);
                text(&page.body).contains("has been paid").to_string()
            }
        });
        match (codes[0].as_str(), codes[1].as_str()) {
            ("14000", "none") => assert!(made.page().contains("in another way")),
            ("00066", "true") => assert!(made.page().contains("has been paid")),
            other => panic!("{other:?}"),
        }
        assert_eq!(told(&shop, &made.reference, "captured_amount"), "15000");
    }
}

#[test]
fn a_link_lives_until_its_end_and_a_new_end_opens_it_again() {
    let shop = Shop::open();
    let receiver = Receiver::start();
    accounts::set(&shop.gateway, "demo", &["--direct-feedback-url", &receiver.url("/direct")]);
    let made = make_for(&shop, 3 * HOUR_MS, &[]);
    let never = make_for(&shop, 3 * HOUR_MS, &[]);
    let (checkout, waiting) = (made.go_on(), never.go_on());
    assert!(text(&checkout.type_card(DECLINED, &[]).body).contains("name=\"card_number\""));
    shop.gateway.run_well(&["clock", "advance", "1h"]);
    let form = text(&checkout.look().body);
    assert!(form.contains("name=\"card_number\""), "no fifteen minutes here: {form}");
    assert!(!form.contains("id=\"time\""), "and nobody has to hurry");
    shop.gateway.run_well(&["clock", "advance", "3h"]);
    assert_eq!((made.state(&shop).as_str(), made.customer.look().status), ("Expired", 410));
    assert!(made.page().contains("has expired"));
    shop.merchant.check(&receiver.wait_for(&never.reference, "13778").json());
    let late = waiting.follow(waiting.look());
    assert!(text(&late.body).contains("has expired"), "{}", text(&late.body));
    assert_code(&made.update(&shop, &[("customer_name", "Al")]), "00115", "it has ended");
    let until = in_ms(48 * HOUR_MS);
    assert_code(&made.update(&shop, &[("request_expiry_date", &until)]), "48000", "prolonged");
    assert_eq!(made.state(&shop), "Open");
    assert!(text(&made.go_on().type_card(VISA, &[]).body).contains("has been paid"));
    assert_eq!(told(&shop, &made.reference, "captured_amount"), "15000");
    assert_code(&never.update(&shop, &[("request_expiry_date", &until)]), "48000", "the one that nobody tried, too");
    assert!(text(&never.go_on().type_card(VISA, &[]).body).contains("has been paid"));
}

#[test]
fn a_shorter_end_counts_for_who_is_at_the_card_form_already() {
    let shop = Shop::open();
    let made = make(&shop, &[]);
    let checkout = made.go_on();
    let until = in_ms(HOUR_MS);
    assert_code(&made.update(&shop, &[("request_expiry_date", &until)]), "48000", "shorter");
    shop.gateway.run_well(&["clock", "advance", "2h"]);
    let page = checkout.type_card(VISA, &[]);
    assert!(text(&page.body).contains("has expired"), "{}", text(&page.body));
    assert_eq!(told(&shop, &made.reference, "captured_amount"), "0");
}

#[test]
fn a_closed_link_takes_no_card_any_more() {
    let shop = Shop::open();
    let made = make(&shop, &[]);
    let checkout = made.go_on();
    assert_code(&made.update(&shop, &[("amount", "1")]), "00117", "a customer has seen the amount");
    assert_code(&made.update(&shop, &[("payment_link_status", "Closed")]), "48000", "closed");
    let page = text(&checkout.type_card(VISA, &[]).body);
    assert!(page.contains("is closed"), "{page}");
    let pressed = made.press();
    assert!(pressed.header("location").unwrap().starts_with("/pay/"));
    assert_eq!(told(&shop, &made.reference, "captured_amount"), "0");
    let story = shop.gateway.run_well(&["explain", &made.reference]);
    assert!(!story.contains("F048.92"), "nothing was sent: {story}");
}

#[test]
fn closing_and_paying_at_once_never_both_count() {
    let shop = Shop::open();
    let (merchant, gateway) = (&shop.merchant, &shop.gateway);
    for _ in 0..6 {
        let made = make(&shop, &[]);
        let checkout = made.go_on();
        let close = [
            ("service_command", "UPDATE_PAYMENT_LINK"),
            ("payment_link_id", made.name.as_str()),
            ("payment_link_status", "Closed"),
        ];
        let ends = all_at_once(2, |who| match who {
            0 => field(&gateway.call(merchant, &close), "response_code").to_owned(),
            _ => text(&checkout.type_card(VISA, &[]).body),
        });
        let taken = told(&shop, &made.reference, "captured_amount");
        match ends[0].as_str() {
            "48000" => assert_eq!((taken.as_str(), made.state(&shop).as_str()), ("0", "Closed")),
            "00125" | "00784" => assert_eq!((taken.as_str(), made.state(&shop).as_str()), ("15000", "Paid")),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn the_last_try_closes_the_link_and_coming_back_gives_no_new_ones() {
    let shop = Shop::open();
    let made = make(&shop, &[]);
    for tried in 0..9 {
        let checkout = made.go_on();
        if tried % 3 == 1 {
            // Who cancels comes back to the link, with as many tries as before.
            assert!(text(&checkout.cancel().body).contains("Make a payment"));
        }
        made.go_on().type_card(DECLINED, &[]);
    }
    assert_eq!((made.state(&shop).as_str(), made.customer.look().status), ("Closed", 410));
    let pressed = made.press();
    assert!(pressed.header("location").unwrap().starts_with("/pay/"));
    let story = shop.gateway.run_well(&["explain", &made.reference]);
    assert_eq!(story.matches(": card ").count(), 9, "{story}");
}

#[test]
fn an_authentication_that_nobody_finishes_ends_its_try_and_not_the_link() {
    let shop = Shop::open();
    let made = make(&shop, &[]);
    let checkout = made.go_on();
    let challenge = checkout.go_on(checkout.type_card(CHALLENGED, &[]));
    assert!(text(&challenge.body).contains("/acs/challenge"), "{}", text(&challenge.body));
    assert_eq!(field(&made.update(&shop, &[("payment_link_status", "Closed")]), "response_code"), "00784");
    shop.gateway.run_well(&["clock", "advance", "16m"]);
    wait_for("the try is given up", || (told(&shop, &made.reference, "transaction_code") == "13030").then_some(()));
    let form = text(&checkout.look().body);
    assert!(form.contains("name=\"card_number\"") && form.contains("8 tries are left"), "{form}");
    assert_eq!(made.state(&shop), "Open");
    let page = checkout.go_on(checkout.type_card(VISA, &[]));
    assert!(text(&page.body).contains("has been paid"), "{}", text(&page.body));
}

#[test]
fn terms_are_agreed_to_before_anything_is_begun() {
    let shop = Shop::open();
    let (en, ar) = ("https://shop.example/terms", "https://shop.example/ar/terms");
    accounts::set(&shop.gateway, "demo", &["--terms-url", en, "--terms-url-ar", ar]);
    let made = make(&shop, &[]);
    assert!(made.page().contains(&format!("href=\"{en}\"")));
    let arabic = text(&made.customer.get(&format!("{}?language=ar", made.customer.path)).body);
    assert!(arabic.contains(&format!("href=\"{ar}\"")) && arabic.contains("dir=\"rtl\""));
    for fields in [&[][..], &[("terms", "NO")]] {
        let answer = made.customer.post("", fields);
        assert!(answer.status == 200 && text(&answer.body).contains("terms-error"), "{}", text(&answer.body));
    }
    assert_eq!(field(&shop.call(&status(&made.reference)), "response_code"), "12036", "nothing was begun");
    let answer = made.customer.post("", &[("terms", "YES")]);
    assert!(answer.header("location").unwrap().starts_with("/checkout/"));
}

#[test]
fn codes_cannot_be_guessed_and_a_checkouts_code_opens_no_link() {
    let shop = Shop::open();
    let made = make(&shop, &[]);
    let code = made.customer.path.strip_prefix("/pay/").unwrap();
    assert_eq!(code.len(), 43);
    let mut other = code.to_owned();
    other.replace_range(20..21, if &code[20..21] == "x" { "y" } else { "x" });
    let checkout = made.go_on().path.replace("/checkout/", "");
    for path in [other.as_str(), &code[..42], "", "a/b", &checkout, &format!("{code}/card")] {
        let answer = made.customer.get(&format!("/pay/{path}"));
        assert_eq!(answer.status, 404, "{path}");
        assert!(text(&answer.body).contains("There is no such payment link"));
    }
    assert_eq!(made.customer.get(&format!("/checkout/{code}")).status, 404);
    let page = made.customer.look();
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "the address is a secret");
}

#[test]
fn an_operator_makes_lists_and_closes_links() {
    let shop = Shop::open();
    let run = |arguments: &[&str]| -> Value {
        let all = [arguments, &["--format", "json"]].concat();
        serde_json::from_str(&shop.gateway.run_well(&all)).unwrap()
    };
    let make = ["link", "create", "demo", "--reference", "T-1", "--amount", "150.00", "--email", "jo@example.org"];
    let link = run(&[&make[..], &["--for", "2h", "--id", "INV-7", "--description", "Two novels"]].concat());
    assert_eq!(
        (&link["payment_link_id"], &link["status"], &link["amount"]),
        (&"INV-7".into(), &"Open".into(), &15000.into())
    );
    let customer = Customer::sent_to(&shop.gateway, link["payment_link"].as_str().unwrap());
    assert!(text(&customer.look().body).contains("Two novels"));
    assert_eq!(run(&["link", "list", "demo"])["links"][0]["openings"], 1);
    let refused = shop.gateway.run_badly(&[&make[..], &["--id", "INV-7"]].concat());
    assert!(refused.contains("00126"), "{refused}");
    let refused = shop.gateway.run_badly(&["link", "show", "demo", "INV-8"]);
    assert!(refused.contains("tollgate link list"), "{refused}");
    assert_eq!(run(&["link", "close", "demo", "INV-7"])["status"], "Closed");
    assert_eq!(customer.look().status, 410);
    run(&[&make[..], &["--authorize"]].concat());
    let listed = run(&["link", "list", "demo", "--reference", "T-1", "--limit", "1"]);
    assert_eq!((listed["links"].as_array().unwrap().len(), &listed["more"]), (1, &true.into()));
    assert_eq!(listed["links"][0]["link_command"], "AUTHORIZATION");
    assert!(shop.gateway.run_well(&["link", "list", "demo"]).contains("INV-7"));
}

#[test]
fn a_link_outlives_the_gateway_and_leaves_no_card_data_behind() {
    let mut shop = Shop::open();
    let made = make(&shop, &[]);
    let checkout = made.go_on();
    let mut pages = vec![checkout.type_card(DECLINED, &[("card_security_code", "907")])];
    shop.gateway.kill();
    let data = shop.gateway.data.clone();
    let mut again = Gateway::start_in(&data, &[]);
    let customer = made.customer.at(&again);
    pages.push(customer.look());
    let checkout = sent_on(&customer, &customer.post("", &[]));
    pages.push(checkout.type_card(MASTERCARD, &[("card_security_code", "907")]));
    pages.push(customer.look());
    assert!(text(&pages[3].body).contains("has been paid"));
    let mut sinks: Vec<Sink> = Vec::new();
    for (place, page) in pages.into_iter().enumerate() {
        sinks.push(Sink { name: format!("page {place}"), bytes: page.body });
    }
    sinks.push(Sink::text("explain", again.run_well(&["explain", &made.reference])));
    sinks.push(Sink::text("link show", again.run_well(&["link", "show", "demo", &made.name])));
    assert!(again.stop());
    sinks.push(Sink::text("the killed gateway's log", shop.gateway.output()));
    sinks.push(Sink::text("the next gateway's log", again.output()));
    // The sandbox's network and the demo merchant's own files lie there as well.
    sinks.extend(files(&data).into_iter().filter(|sink| sink.name.contains("tollgate.db")));
    assert!(sinks.len() > 8, "the database is among them");
    Forbidden::new(&[MASTERCARD.to_owned(), DECLINED.to_owned()], &["907"]).assert_in_none(&sinks);
}
