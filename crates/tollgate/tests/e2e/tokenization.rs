//! Tokens as a step of their own: TOKENIZATION and CREATE_TOKEN from a form of the merchant's own, the way back, and
//! what becomes of the token by the payment that follows.

use crate::support::page::{self, form, returned, signed, submit};
use crate::support::shop::*;
use crate::support::{Gateway, accounts, field, payment, text, wait_for};
use serde_json::{Map, Value};

/// Parameters besides the usual ones.
type Params<'a> = &'a [(&'a str, &'a str)];

/// Declined by the issuer.
const DECLINED: &str = "4005559000001000";
/// How the story of a payment shows that a security code went to the network.
const CODE_SENT: &str = "F048.92";

#[test]
fn a_card_from_the_merchants_own_form_pays_by_its_token() {
    let shop = Shop::open();
    for (card, mask, bin) in [(VISA, "400555******0001", "400555"), (MEEZA_19, "981895*********0002", "98189505")] {
        let reference = shop.reference();
        let back = submit(&shop.gateway, &shop.merchant, &form("TOKENIZATION", &reference, card));
        assert_code(&back.fields, "18000", card);
        assert_eq!(back.to, "https://shop.example/back?order=17");
        assert_eq!((field(&back.fields, "card_number"), field(&back.fields, "card_bin")), (mask, bin));
        assert_eq!(field(&back.fields, "return_url"), back.to);
        assert!(!back.fields.contains_key("card_security_code"));
        let token = field(&back.fields, "token_name");
        let command = if card == VISA { "AUTHORIZATION" } else { "PURCHASE" };
        let paid = shop.call(&by_token(command, &reference, token, &[]));
        assert!(matches!(field(&paid, "response_code"), "02000" | "14000"), "the reference was not used up: {paid:?}");
        assert_eq!((field(&paid, "card_number"), field(&paid, "token_name")), (mask, token));
    }
}

#[test]
fn a_token_becomes_permanent_by_a_success_and_lapses_after_an_hour_without_one() {
    let shop = Shop::open();
    let kept = tokenized(&shop, VISA, &[]);
    let unused = tokenized(&shop, VISA, &[]);
    let declined = tokenized(&shop, DECLINED, &[]);
    assert_code(&pay(&shop, &kept, &[]), "14000", "approved");
    assert_code(&pay(&shop, &declined, &[]), "13666", "declined");
    assert_eq!(lapsing(&shop), [(kept.clone(), false), (unused.clone(), true), (declined.clone(), true)]);
    shop.gateway.run_well(&["clock", "advance", "59m"]);
    assert_code(&pay(&shop, &declined, &[]), "13666", "still there");
    shop.gateway.run_well(&["clock", "advance", "2m"]);
    for token in [&unused, &declined] {
        assert_code(&pay(&shop, token, &[]), "00044", "lapsed");
    }
    assert_code(&pay(&shop, &kept, &[]), "14000", "permanent");
    wait_for("the sweep", || (lapsing(&shop) == [(kept.clone(), false)]).then_some(()));
    let database = rusqlite::Connection::open(shop.gateway.data.join("tollgate.db")).unwrap();
    let rows: i64 = database.query_row("SELECT count(*) FROM tokens", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1, "the cards of the others are gone");
}

#[test]
fn remember_me_decides_what_the_payment_does_to_the_token() {
    let shop = Shop::open();
    let (yes, no) = (("remember_me", "YES"), ("remember_me", "NO"));
    let cases: [(Params<'_>, Params<'_>, bool); 6] = [
        (&[], &[], true),
        (&[yes], &[], true),
        (&[no], &[], false),
        (&[], &[no], false),
        (&[yes], &[no], false),
        (&[no], &[yes], true),
    ];
    let mut expected = Vec::new();
    for (form, payment, is_kept) in cases {
        let token = tokenized(&shop, VISA, form);
        assert_code(&pay(&shop, &token, payment), "14000", &token);
        expected.push((token, !is_kept));
    }
    accounts::set(&shop.gateway, "demo", &["--token-after-payment", "forget"]);
    for (form, is_kept) in [(&[] as &[(&str, &str)], false), (&[yes], true)] {
        let token = tokenized(&shop, VISA, form);
        assert_code(&pay(&shop, &token, &[]), "14000", &token);
        expected.push((token, !is_kept));
    }
    assert_eq!(lapsing(&shop), expected);
}

#[test]
fn a_security_code_is_sent_with_the_one_payment_that_follows() {
    let shop = Shop::open();
    let token = tokenized(&shop, VISA, &[]);
    let sent = |token: &str, more: &[(&str, &str)]| {
        let answer = pay(&shop, token, more);
        assert_code(&answer, "14000", token);
        shop.gateway.run_well(&["explain", field(&answer, "merchant_reference")]).contains(CODE_SENT)
    };
    let refused = pay(&shop, &token, &[("currency", "EUR")]);
    assert_eq!(field(&refused, "status"), "00", "a refusal is no authorization: {refused:?}");
    assert_eq!([sent(&token, &[]), sent(&token, &[])], [true, false], "once");
    assert!(sent(&token, &[("card_security_code", "123")]), "the merchant's own");
    let own_first = tokenized(&shop, VISA, &[]);
    assert!(sent(&own_first, &[("card_security_code", "123")]) && !sent(&own_first, &[]), "gone all the same");
    let late = tokenized(&shop, VISA, &[]);
    shop.gateway.run_well(&["clock", "advance", "16m"]);
    assert!(!sent(&late, &[]), "held for minutes only");
    let created = submit(&shop.gateway, &shop.merchant, &form("CREATE_TOKEN", "C-1", VISA));
    assert!(!sent(field(&created.fields, "token_name"), &[]), "CREATE_TOKEN drops it");
}

#[test]
fn a_known_name_takes_a_new_card_unless_it_is_switched_off() {
    let shop = Shop::open();
    let mine = [("token_name", "mine")];
    let make = |card: &str| {
        let reference = shop.reference();
        submit(&shop.gateway, &shop.merchant, &with(form("TOKENIZATION", &reference, card), &mine)).fields
    };
    assert_code(&make(VISA), "18000", "new");
    assert_eq!(field(&pay(&shop, "mine", &[]), "card_number"), "400555******0001");
    assert_code(&make(MASTERCARD), "18063", "replaced");
    assert_eq!(lapsing(&shop), [("mine".to_owned(), false)], "it stays permanent");
    assert_eq!(field(&pay(&shop, "mine", &[]), "card_number"), "512345******2346");
    let off = [("service_command", "UPDATE_TOKEN"), ("merchant_reference", "U"), ("token_status", "INACTIVE")];
    assert_code(&shop.call(&with(off.to_vec(), &mine)), "58000", "off");
    let refused = make(VISA);
    assert_code(&refused, "00044", "off");
    assert!(!refused.contains_key("token_name"), "{refused:?}");
    let taken = submit(&shop.gateway, &shop.merchant, &with(form("CREATE_TOKEN", "C-1", VISA), &mine));
    assert_code(&taken.fields, "00114", "taken");
}

#[test]
fn a_created_token_needs_no_payment_to_stay() {
    let shop = Shop::open();
    let params = with(form("CREATE_TOKEN", "C-1", VISA), &[("currency", "KWD")]);
    let without_code: Vec<_> = params.into_iter().filter(|(name, _)| *name != "card_security_code").collect();
    let created = submit(&shop.gateway, &shop.merchant, &without_code).fields;
    assert_code(&created, "52062", "created");
    assert_eq!((field(&created, "currency"), field(&created, "merchant_reference")), ("KWD", "C-1"));
    shop.gateway.run_well(&["clock", "advance", "2d"]);
    assert_code(&pay(&shop, field(&created, "token_name"), &[]), "14000", "it stays");
    let again = submit(&shop.gateway, &shop.merchant, &form("CREATE_TOKEN", "C-1", VISA)).fields;
    assert_code(&again, "52062", "the reference is not used up");
}

#[test]
fn refusals_go_back_to_the_merchant_with_their_codes() {
    let shop = Shop::open();
    let back = ("return_url", "https://shop.example/back?order=17");
    for (params, code) in [
        (with(form("TOKENIZATION", "T", "4005550000000002"), &[]), "00016"),
        (with(form("TOKENIZATION", "T", VISA), &[("expiry_date", "3013")]), "00100"),
        (with(form("TOKENIZATION", "T", VISA), &[("expiry_date", "2001")]), "00012"),
        (with(form("TOKENIZATION", "T", VISA), &[("card_security_code", "12")]), "00002"),
        (with(form("TOKENIZATION", "T", VISA), &[("card_security_code", "")]), "00001"),
        (with(form("TOKENIZATION", "T", VISA), &[("remember_me", "MAYBE")]), "00033"),
        (with(form("TOKENIZATION", "T", VISA), &[("token_name", "a b")]), "00002"),
        (with(form("TOKENIZATION", "T", VISA), &[("merchant_reference", "")]), "00001"),
        (with(form("TOKENIZATION", "T", VISA), &[("merchant_extra", VISA)]), "00033"),
        (with(form("CREATE_TOKEN", "T", VISA), &[("card_number", "")]), "00001"),
        (vec![("service_command", "UPDATE_TOKEN"), ("merchant_reference", "T"), back, ("token_name", "t")], "00004"),
        (vec![("service_command", "NONSENSE"), ("merchant_reference", "T"), back], "00004"),
    ] {
        let back = submit(&shop.gateway, &shop.merchant, &params);
        assert_eq!(back.to, "https://shop.example/back?order=17");
        assert_eq!(field(&back.fields, "response_code"), code, "{params:?}: {:?}", back.fields);
        assert!(!back.fields.contains_key("token_name") || code == "00002" || code == "00004", "{:?}", back.fields);
    }
    let stranger = crate::support::Merchant { request_phrase: "another".into(), ..shop.merchant.clone() };
    let unsigned = returned(&page::post(&shop.gateway, &signed(&stranger, &form("TOKENIZATION", "T", VISA))));
    shop.merchant.check(&unsigned.fields);
    assert_code(&unsigned.fields, "00008", "another phrase");
    assert_eq!(shop.call(&[("service_command", "TOKENIZATION")])["response_code"], "00004", "it is a form");
    accounts::set(&shop.gateway, "demo", &["--tokens", "off"]);
    assert_code(&submit(&shop.gateway, &shop.merchant, &form("TOKENIZATION", "T", VISA)).fields, "00038", "off");
    accounts::set(&shop.gateway, "demo", &["--custom-page", "off"]);
    assert_code(&submit(&shop.gateway, &shop.merchant, &form("CREATE_TOKEN", "T", VISA)).fields, "00027", "no form");
    assert!(lapsing(&shop).is_empty(), "nothing was kept");
}

#[test]
fn where_there_is_no_way_back_the_customer_is_told() {
    let shop = Shop::open();
    let post = |params: &[(&str, &str)]| page::post(&shop.gateway, &signed(&shop.merchant, params));
    for (url, code) in [("", "00037"), ("javascript:alert(1)", "00002"), ("data:text/html,x", "00002")] {
        let params = with(form("TOKENIZATION", "T", VISA), &[("return_url", url), ("token_name", "mine")]);
        assert_error_page(&post(&params), code, "This request cannot be carried out");
        let arabic = with(params, &[("language", "ar")]);
        let answer = post(&arabic);
        assert_error_page(&answer, code, "تعذّر تنفيذ هذا الطلب");
        assert!(text(&answer.body).contains("<html lang=\"ar\" dir=\"rtl\">"));
    }
    let with_card = with(form("TOKENIZATION", "T", VISA), &[("return_url", "https://a.example/?c=4005550000000001")]);
    assert_error_page(&post(&with_card), "00033", "This request cannot be carried out");
    let stranger = crate::support::Merchant { access_code: "nobody".into(), ..shop.merchant.clone() };
    let answer = page::post(&shop.gateway, &signed(&stranger, &form("TOKENIZATION", "T", VISA)));
    assert_error_page(&answer, "00010", "This request cannot be carried out");
    let body = signed(&shop.merchant, &form("TOKENIZATION", "T", VISA));
    let twice = page::post(&shop.gateway, &format!("{body}&card_number={VISA}"));
    assert_error_page(&twice, "00073", "This request cannot be carried out");
    let json =
        page::post_as(&shop.gateway, "application/json", &text(&shop.merchant.sign(&form("TOKENIZATION", "T", VISA))));
    assert_error_page(&json, "00073", "This request cannot be carried out");
    let (status, got) = crate::support::get(&shop.gateway.address, page::PATH);
    assert!(status == 405 && text(&got).contains("00073"), "{status} {}", text(&got));
    assert!(lapsing(&shop).is_empty(), "nothing was kept");
    accounts::set(&shop.gateway, "demo", &["--return-url", "https://own.example/back"]);
    let own = submit(&shop.gateway, &shop.merchant, &with(form("TOKENIZATION", "T", VISA), &[("return_url", "")]));
    assert_code(&own.fields, "18000", "the merchant's own address");
    assert_eq!(own.to, "https://own.example/back");
    let said = shop.gateway.run_badly(&["merchant", "set", "demo", "--return-url", "javascript:alert(1)"]);
    assert!(said.contains("is no http or https URL"), "{said}");
}

#[test]
fn the_return_page_may_do_nothing_but_submit_its_form() {
    let shop = Shop::open();
    let odd = "\"><script>alert(1)</script>&amp; '\r\n<b>محمد";
    let params = with(form("TOKENIZATION", "T", VISA), &[("merchant_extra", odd)]);
    let answer = page::post(&shop.gateway, &signed(&shop.merchant, &params));
    let html = text(&answer.body);
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    let policy = answer.header("content-security-policy").unwrap();
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(html.contains(&format!("<script nonce=\"{nonce}\">")) && nonce.len() == 32, "{policy}");
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action https: http:"), "{policy}");
    assert!(
        policy.contains(&format!("style-src 'nonce-{nonce}'")) && html.contains(&format!("<style nonce=\"{nonce}\">"))
    );
    let without_scripts = html.split("<noscript>").nth(1).and_then(|rest| rest.split("</noscript>").next()).unwrap();
    assert!(without_scripts.contains("Press the button") && without_scripts.contains("Continue</button>"), "{html}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let back = returned(&answer);
    shop.merchant.check(&back.fields);
    assert_eq!(field(&back.fields, "merchant_extra"), odd, "unchanged");
    let again = page::post(&shop.gateway, &signed(&shop.merchant, &params));
    assert_ne!(again.header("content-security-policy"), Some(policy), "a nonce of its own");
}

#[test]
fn a_return_by_get_is_starred_and_signed_as_it_is() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--return-method", "get"]);
    let params = with(form("TOKENIZATION", "T", VISA), &[("card_holder_name", "Jo Doe"), ("customer_name", "Jo")]);
    let answer = page::post(&shop.gateway, &signed(&shop.merchant, &params));
    assert_eq!((answer.status, answer.header("cache-control")), (303, Some("no-store")));
    let location = answer.header("location").unwrap();
    let query = location.strip_prefix("https://shop.example/back?order=17&").expect(location);
    let fields: Map<String, Value> = query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), Value::from(decoded(value)))
        })
        .collect();
    shop.merchant.check(&fields);
    assert_code(&fields, "18000", "done");
    for (name, stars) in [("card_number", 16), ("expiry_date", 4), ("card_holder_name", 6)] {
        assert_eq!(field(&fields, name), "*".repeat(stars), "{name}");
    }
    assert_code(&pay(&shop, field(&fields, "token_name"), &[]), "14000", "it pays");
}

#[test]
fn a_token_and_its_wish_outlive_a_killed_gateway_and_its_security_code_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &[]);
    let demo = gateway.demo();
    let make = |gateway: &Gateway, more: &[(&str, &str)]| {
        let back = submit(gateway, &demo, &with(form("TOKENIZATION", "T", VISA), more));
        field(&back.fields, "token_name").to_owned()
    };
    let (kept, forgotten) = (make(&gateway, &[]), make(&gateway, &[("remember_me", "NO")]));
    gateway.kill();
    let gateway = Gateway::start_in(&data, &[]);
    for (reference, token, lapses) in [("K-1", &kept, false), ("K-2", &forgotten, true)] {
        assert_code(&gateway.call(&demo, &by_token("PURCHASE", reference, token, &[])), "14000", reference);
        let story = gateway.run_well(&["explain", reference]);
        assert!(!story.contains(CODE_SENT), "it was in the memory of the killed one: {story}");
        let shown: Value =
            serde_json::from_str(&gateway.run_well(&["token", "show", "demo", token, "--format", "json"])).unwrap();
        assert_eq!(shown["lapses_at"].is_string(), lapses, "{reference}: {shown}");
    }
}

#[test]
fn a_merchant_brands_its_pages_and_says_who_frames_them() {
    let shop = Shop::open();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("logo.png");
    let mut picture = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    picture.extend_from_slice(&[0, 0, 0, 120, 0, 0, 0, 40]);
    std::fs::write(&file, &picture).unwrap();
    let logo = file.to_str().unwrap();
    let (name, colour) = (["--page-shop-name", "Dune <Books>"], ["--page-colour", "#FFD400"]);
    let frame = ["--frame-ancestor", "https://shop.example", "--frame-ancestor", "http://localhost:3000"];
    accounts::set(&shop.gateway, "demo", &[&name[..], &colour, &frame, &["--page-logo", logo]].concat());
    let shown = shop.gateway.run_well(&["merchant", "show", "demo"]);
    for told in ["Dune <Books>", "#ffd400", "120 x 40 pixels", "https://shop.example http://localhost:3000"] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let answer = page::post(&shop.gateway, &signed(&shop.merchant, &form("TOKENIZATION", "T", VISA)));
    let html = text(&answer.body);
    assert!(html.contains("Dune &lt;Books&gt;") && html.contains("--fill:#ffd400;--ink-on-fill:#000000"), "{html}");
    let path = html.split("<img alt=\"\" src=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(crate::support::get(&shop.gateway.address, path), (200, picture));
    let (status, _) = crate::support::get(&shop.gateway.address, &format!("{path}0"));
    assert_eq!(status, 404, "another picture than the one that was asked for");
    accounts::set(&shop.gateway, "demo", &["--page-logo", "none"]);
    assert_eq!(crate::support::get(&shop.gateway.address, path).0, 404, "it is gone");
    std::fs::write(&file, "<svg/>").unwrap();
    for (option, value, why) in [
        ("--page-logo", logo, "PNG, JPEG or WebP"),
        ("--page-colour", "red", "#rrggbb"),
        ("--frame-ancestor", "http://shop.example", "an origin such as"),
        ("--page-shop-name", "a\u{202e}b", "shop name"),
    ] {
        let said = shop.gateway.run_badly(&["merchant", "set", "demo", option, value]);
        assert!(said.contains(why), "{said}");
    }
}

fn assert_error_page(answer: &crate::support::wire::HttpAnswer, code: &str, title: &str) {
    let html = text(&answer.body);
    assert_eq!((answer.status, answer.header("content-type")), (400, Some("text/html; charset=utf-8")), "{html}");
    assert!(html.contains(title) && html.contains(&format!("({code})")), "{html}");
    let policy = answer.header("content-security-policy").unwrap();
    let nonce = policy.split("style-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(html.contains(&format!("<style nonce=\"{nonce}\">")) && !policy.contains("script-src"), "{policy}");
    assert!(!html.contains("<script") && !html.contains("<form") && !html.contains("400555"), "{html}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(policy.contains("form-action 'none'"), "{policy}");
}

/// Keeps a card by a form of the merchant's own; the token.
fn tokenized(shop: &Shop, card: &str, more: &[(&str, &str)]) -> String {
    let reference = shop.reference();
    let back = submit(&shop.gateway, &shop.merchant, &with(form("TOKENIZATION", &reference, card), more));
    assert_code(&back.fields, "18000", card);
    field(&back.fields, "token_name").to_owned()
}

/// A payment by token without a security code of its own.
fn pay(shop: &Shop, token: &str, more: &[(&str, &str)]) -> Map<String, Value> {
    let reference = shop.reference();
    shop.call(&by_token("PURCHASE", &reference, token, more))
}

fn by_token<'a>(
    command: &'a str,
    reference: &'a str,
    token: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut params = payment(command, reference, "15000", VISA);
    params.retain(|(name, _)| !matches!(*name, "card_number" | "expiry_date" | "card_security_code"));
    with(with(params, &[("token_name", token)]), more)
}

/// All tokens by age, and whether each lapses.
fn lapsing(shop: &Shop) -> Vec<(String, bool)> {
    let listed = shop.gateway.run_well(&["token", "list", "demo", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let tokens = listed["tokens"].as_array().unwrap().iter();
    tokens.map(|token| (token["token_name"].as_str().unwrap().to_owned(), token["lapses_at"].is_string())).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).unwrap()
}
