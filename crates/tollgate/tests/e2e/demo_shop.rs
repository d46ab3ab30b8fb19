//! The demo shop as a browser meets it: every route by its forms, what it shows of each signed message, and what it must not
//! know or keep.

use crate::support::demo::{Browser, Seen, between};
use crate::support::page::encoded;
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::shop::{AMEX, VISA};
use crate::support::wire;
use crate::support::{Gateway, accounts, field, text};
use std::cell::RefCell;

/// Rare on purpose, so that it can be searched for.
const RARE_CODE: &str = "907";

#[test]
fn the_trusted_channel_sends_a_card_of_the_list_and_shows_what_passed() {
    let browser = Browser::open();
    for language in ["en", "ar"] {
        let seen = browser.start(&format!("trusted PURCHASE {language}"), &[]);
        assert_eq!(seen.outcome(), "14000");
        let [request, answer, feedback] = seen.messages().try_into().expect("request, answer, feedback");
        assert_eq!(request.value("command"), "PURCHASE");
        assert_eq!(request.value("language"), language);
        assert_eq!((request.value("amount"), request.value("currency")), ("9500", "AED"));
        assert_eq!(request.value("card_number"), "400555******0001");
        assert_eq!(request.value("card_security_code"), "***");
        assert_eq!(answer.value("response_code"), "14000");
        answer.assert_signed_with(&browser.merchant.response_phrase);
        assert_eq!(feedback.value("merchant_reference"), seen.reference());
        feedback.assert_signed_with(&browser.merchant.response_phrase);
        assert!(seen.html.contains(&format!(
            "tollgate explain --data {} {}",
            browser.gateway.data.display(),
            seen.reference()
        )));
        let told = browser.gateway.run_well(&["explain", &seen.reference()]);
        assert!(told.contains("PURCHASE of 95.00 AED"), "the command tells it: {told}");
    }
}

#[test]
fn the_signature_shown_is_the_digest_of_the_text_shown() {
    let browser = Browser::open();
    let seen = browser.start("custom PURCHASE en", &[]);
    let [form] = seen.messages().try_into().expect("the form");
    form.assert_signed_with(&browser.merchant.request_phrase);
    assert_eq!(form.verdict, "signed by the shop");
    let paid = browser.start("trusted PURCHASE en", &[]);
    let answer = &paid.messages()[1];
    assert_eq!(answer.verdict, "signature fits");
    answer.assert_signed_with(&browser.merchant.response_phrase);
    let shown = paid.html.replace("&#39;", "'");
    for phrase in [&browser.merchant.request_phrase, &browser.merchant.response_phrase] {
        assert!(!shown.contains(phrase.as_str()), "a phrase is a secret");
    }
}

#[test]
fn a_card_of_the_shops_own_form_goes_to_the_gateway_and_its_token_pays_once() {
    let browser = Browser::open();
    for (command, card, code) in [("PURCHASE", VISA, "14000"), ("AUTHORIZATION", AMEX, "02000")] {
        let seen = browser.start(&format!("custom {command} en"), &[]);
        let back = browser.post_to_gateway(&seen, &card_fields(card));
        assert!(back.to.ends_with("/demo/return"), "{}", back.to);
        assert_eq!(field(&back.fields, "response_code"), "18000");
        let done = browser.come_back(&back);
        assert_eq!(done.outcome(), code);
        let mut names: Vec<String> = done.messages().iter().map(|message| message.title.clone()).collect();
        // It may come before the answer.
        names.sort_by_key(|name| name.starts_with("Feedback"));
        let order = [
            "The form that the browser posts",
            "The browser comes back by POST",
            "The shop's server asks",
            "The gateway answers",
            "Feedback to the shop's server",
        ];
        assert_eq!(names, order);
        let again = browser.come_back(&back);
        assert_eq!(again.outcome(), code, "what is known stays");
        let calls = again.messages().iter().filter(|message| message.title == "The shop's server asks").count();
        assert_eq!(calls, 1, "a return that comes twice is paid once");
    }
}

#[test]
fn a_refused_card_form_may_be_posted_again() {
    let browser = Browser::open();
    let seen = browser.start("custom PURCHASE en", &[]);
    let back = browser.post_to_gateway(&seen, &card_fields("4005550000000002"));
    let refused = browser.come_back(&back);
    assert_eq!(refused.outcome(), "00016");
    let back = browser.post_to_gateway(&refused, &card_fields(VISA));
    assert_eq!(browser.come_back(&back).outcome(), "14000");
}

#[test]
fn a_saved_card_pays_again_with_and_without_its_security_code() {
    let browser = Browser::open();
    assert!(browser.front().contains(
        "<button name=\"go\" value=\"token PURCHASE en\" lang=\"en\" aria-label=\"Saved card: Pay, English\" disabled>"
    ));
    browser.start("trusted PURCHASE en", &[("remember", "yes")]);
    let front = browser.front();
    let token = between(&front, "<select id=\"token\" name=\"token\"><option value=\"", "\"").to_owned();
    for (code, sent) in [("yes", true), ("no", false)] {
        let seen = browser.start("token PURCHASE en", &[("token", &token), ("code", code)]);
        assert_eq!(seen.outcome(), "14000");
        let request = &seen.messages()[0];
        assert_eq!(request.value("token_name"), token);
        assert_eq!(request.fields.iter().any(|(name, _)| name == "card_security_code"), sent, "{code}");
    }
    let stranger = Browser { cookie: RefCell::default(), ..browser };
    let (status, html) = stranger.post("/demo/start", &stranger.cart("token PURCHASE en", &[("token", &token)]));
    assert!(status == 400 && html.contains("This browser has no such saved card"), "another browser's token");
}

#[test]
fn a_card_is_kept_without_a_payment() {
    let browser = Browser::open();
    let seen = browser.start("create PURCHASE en", &[]);
    assert_eq!(seen.messages()[0].value("service_command"), "CREATE_TOKEN");
    let back = browser.post_to_gateway(&seen, &card_fields(VISA));
    assert_eq!(browser.come_back(&back).outcome(), "52062");
    assert!(browser.front().contains("400555******0001</option>"), "it is offered");
}

#[test]
fn what_is_done_afterwards_shows_its_messages() {
    let browser = Browser::open();
    let held = browser.start("trusted AUTHORIZATION en", &[("currency", "KWD")]);
    assert_eq!(held.outcome(), "02000");
    let path = format!("/demo/try/{}/do", held.reference());
    let act = |command: &str, amount: &str| browser.follow(&path, &[("command", command), ("amount", amount)]);
    let captured = act("CAPTURE", "7.500");
    assert_eq!(captured.outcome(), "04000");
    assert!(
        captured.messages().iter().any(|message| message.has("command", "CAPTURE") && message.has("amount", "7500"))
    );
    assert_eq!(act("REFUND", "2.5").outcome(), "06000");
    let asked = act("CHECK_STATUS", "");
    assert_eq!(asked.outcome(), "06000", "asking changes nothing");
    assert!(asked.messages().iter().any(|message| message.has("refunded_amount", "2500")));
    assert_eq!(act("VOID_AUTHORIZATION", "").outcome(), "00034", "captured already");
    let feedback = |seen: &Seen| seen.messages().iter().filter(|message| message.title.starts_with("Feedback")).count();
    assert!(feedback(&act("CHECK_STATUS", "")) >= 1, "the payment was told");
}

#[test]
fn the_hosted_routes_are_signed_forms_for_the_gateway() {
    let browser = Browser::open();
    for command in ["PURCHASE", "AUTHORIZATION"] {
        let seen = browser.start(&format!("redirection {command} ar"), &[("three_ds", "off")]);
        let form = &seen.messages()[0];
        assert!(form.has("command", command) && form.has("check_3ds", "NO") && form.has("language", "ar"));
        form.assert_signed_with(&browser.merchant.request_phrase);
        let fields = seen.form();
        assert!(!fields.iter().any(|(name, _)| name.starts_with("card_")), "the gateway asks for the card: {fields:?}");
        assert!(seen.html.contains("action=\"/FortAPI/paymentPage\""));
    }
    let framed = browser.start("standard PURCHASE en", &[]);
    assert!(framed.html.contains("action=\"/FortAPI/paymentPage\" target=\"gateway\""));
    assert!(framed.html.contains("<iframe name=\"gateway\""));
    assert!(framed.policy.contains("frame-src 'self' https: http:"), "{}", framed.policy);
}

#[test]
fn a_return_counts_by_its_signature_alone() {
    let browser = Browser::open();
    let seen = browser.start("custom PURCHASE en", &[]);
    let made_up =
        [("merchant_reference", seen.reference()), ("response_code", "18000".into()), ("token_name", "x".into())];
    let made_up: Vec<(&str, &str)> = made_up.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let unsigned = browser.follow("/demo/return", &made_up);
    assert_eq!(unsigned.messages().last().unwrap().verdict, "not signed");
    assert!(unsigned.html.contains("no answer yet"), "it changes nothing");
    let query = encoded(made_up.iter().copied().chain([("signature", "00ff")]));
    let (status, _) = browser.get(&format!("/demo/return?{query}"));
    assert_eq!(status, 303);
    let path = format!("/demo/try/{}", seen.reference());
    let shown = Seen::of(browser.answer("GET", &path, ""));
    let last = shown.messages().pop().unwrap();
    assert_eq!(
        (last.title.as_str(), last.verdict.as_str()),
        ("The browser comes back by GET", "signature does not fit")
    );
    let stranger = Browser { cookie: RefCell::default(), ..browser };
    assert_eq!(stranger.get(&path).0, 404, "another browser's try");
    let (status, html) = stranger.post("/demo/return", &made_up);
    assert!(status == 200 && html.contains("A return of no try that is known"), "{status}");
}

#[test]
fn a_return_by_get_is_shown_as_it_came() {
    let browser = Browser::open();
    accounts::set(&browser.gateway, "demo", &["--return-method", "get"]);
    let seen = browser.start("create PURCHASE en", &[]);
    let mut fields = seen.form();
    fields.extend(card_fields(VISA).iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let body = encoded(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let sent = browser.answer("POST", crate::support::page::PATH, &body);
    let location = sent.header("location").unwrap().split_once("/demo/return").unwrap().1.to_owned();
    let answer = browser.answer("GET", &format!("/demo/return{location}"), "");
    let shown = Seen::of(browser.answer("GET", answer.header("location").unwrap(), ""));
    let back = shown.messages().pop().unwrap();
    assert_eq!((back.title.as_str(), back.verdict.as_str()), ("The browser comes back by GET", "signature fits"));
    back.assert_signed_with(&browser.merchant.response_phrase);
}

#[test]
fn three_d_secure_in_a_frame_leaves_it_on_the_way_back() {
    let browser = Browser::open();
    let seen = browser.start("custom PURCHASE ar", &[("place", "frame")]);
    let back = browser.post_to_gateway(&seen, &card_fields(VISA));
    let body = encoded(back.fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
    let page = text(&browser.answer("POST", "/demo/return", &body).body);
    let path = format!("/demo/try/{}", seen.reference());
    assert!(page.contains(&format!("data-leave target=\"_top\" href=\"{path}\"")), "{page}");
}

#[test]
fn forms_that_make_no_sense_are_answered_with_what_to_do() {
    let browser = Browser::open();
    for (button, more, said) in [
        ("nonsense PURCHASE en", &[][..], "That button is not on this page"),
        ("trusted PURCHASE", &[], "That button is not on this page"),
        ("trusted PURCHASE en", &[("amount", "1.005")], "There is nothing to pay"),
        ("trusted PURCHASE en", &[("card", "999")], "Please choose a test card"),
        ("trusted PURCHASE en", &[("card", VISA)], "Please choose a test card"),
    ] {
        let (status, html) = browser.post("/demo/start", &browser.cart(button, more));
        assert!(status == 400 && html.contains(said), "{button} {more:?}: {status}");
        assert!(!html.contains(VISA), "a typed number is not said back");
    }
    let head = |length: usize| {
        format!(
            "POST /demo/start HTTP/1.1\r\nHost: shop\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    let large = "a".repeat(64 * 1024 + 1);
    let answer = wire::send(&browser.gateway.address, format!("{}{large}", head(large.len())).as_bytes());
    assert_eq!(answer.status, 413, "a body has a limit");
    let json = "POST /demo/start HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    assert_eq!(wire::send(&browser.gateway.address, json.as_bytes()).status, 415);
    assert_eq!(browser.answer("PUT", "/demo", "").status, 405);
    for path in ["/demo/nothing", "/demo/try/DEMO-000000000000", "/demo/try/"] {
        assert_eq!(browser.get(path).0, 404, "{path}");
    }
    assert!(
        text(&browser.answer("GET", "/demonstration", "").body).contains("POST /FortAPI/paymentApi"),
        "not the shop's"
    );
}

#[test]
fn the_oldest_tries_are_forgotten() {
    const TRIES_MAX: usize = 200;
    let browser = Browser::open();
    let first = browser.start("redirection PURCHASE en", &[]).reference();
    let path = format!("/demo/try/{first}");
    for _ in 1..TRIES_MAX {
        assert_eq!(browser.post("/demo/start", &browser.cart("redirection PURCHASE en", &[])).0, 303);
    }
    assert_eq!(browser.get(&path).0, 200, "the last 200");
    browser.start("redirection PURCHASE en", &[]);
    assert_eq!(browser.get(&path).0, 404);
}

#[test]
fn the_pages_are_in_both_languages_and_may_do_little() {
    let browser = Browser::open();
    for (path, begin) in [
        ("/demo", "<html lang=\"en\" dir=\"ltr\">"),
        ("/demo?language=ar", "<html lang=\"ar\" dir=\"rtl\">"),
        ("/demo/nothing?language=ar", "<html lang=\"ar\" dir=\"rtl\">"),
    ] {
        let answer = browser.answer("GET", path, "");
        let html = text(&answer.body);
        assert!(html.contains(begin), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'self'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!html.contains("//") || !html.contains("src=\"http"), "nothing from elsewhere");
        assert!(!html.contains("style=\"") && !html.contains("<style") && !html.contains("onclick"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let arabic = browser.follow("/demo/start?language=ar", &browser.cart("trusted PURCHASE en", &[]));
    assert!(
        arabic.html.contains("dir=\"rtl\"") && arabic.html.contains("التوقيع مطابق"),
        "the shop stays in its language"
    );
    assert_eq!(arabic.messages()[0].value("language"), "en", "and the payment has its own");
}

#[test]
fn a_production_gateway_has_no_shop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let network = crate::support::card_network::CardNetwork::start(&folder.path().join("network"), &[]);
    let mut sandbox = Gateway::start_on(&network.iso, &data);
    assert_eq!(crate::support::get(&sandbox.address, "/demo").0, 200);
    assert!(sandbox.stop());
    drop(sandbox);
    let gateway = Gateway::serve(&data, &[], &[("TOLLGATE_ACQUIRER_ADDRESS", network.iso.as_str())]);
    for path in ["/demo", "/demo/shop.css", "/demo/return", "/demo/try/x"] {
        let (status, body) = crate::support::get(&gateway.address, path);
        assert!(status == 404 && text(&body).contains("POST /FortAPI/paymentApi"), "{path}: {status}");
    }
    assert!(!gateway.output().contains("/demo"), "the welcome does not name it");
}

#[test]
fn no_card_data_is_left_behind_by_the_shop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut browser = Browser::at(Gateway::start_in(&data, &[("RUST_LOG", "trace")]));
    let mut pages = Vec::new();
    for button in ["trusted PURCHASE en", "trusted AUTHORIZATION ar"] {
        pages.push(browser.start(button, &[("remember", "yes")]).html);
    }
    let seen = browser.start("custom PURCHASE en", &[]);
    let mut fields = card_fields(VISA);
    fields[2].1 = RARE_CODE;
    pages.push(browser.come_back(&browser.post_to_gateway(&seen, &fields)).html);
    pages.push(browser.front());
    // A browser that sends the shop what belongs to the gateway.
    for path in ["/demo/start", "/demo/return"] {
        let body = [
            ("go", "custom PURCHASE en"),
            ("card_number", VISA),
            ("merchant_extra", VISA),
            ("card_security_code", RARE_CODE),
        ];
        pages.push(browser.post(path, &body).1);
    }
    assert!(browser.gateway.stop());
    let examples = ["tollgate pay "];
    let output = browser.gateway.output();
    let log: Vec<&str> =
        output.lines().filter(|line| !examples.iter().any(|example| line.trim_start().starts_with(example))).collect();
    assert!(log.iter().any(|line| line.contains("DEBUG")), "the log is at its most talkative");
    let mut sinks = vec![Sink::text("the log", log.join("\n"))];
    sinks.extend(pages.into_iter().enumerate().map(|(place, page)| Sink::text(format!("page {place}"), page)));
    sinks.extend(files(&data));
    Forbidden::new(&[VISA.to_owned()], &[RARE_CODE]).assert_in_none(&sinks);
}

fn card_fields(card: &'static str) -> Vec<(&'static str, &'static str)> {
    let code = if card.len() == 15 { "1234" } else { "123" };
    vec![("card_number", card), ("expiry_date", "3012"), ("card_security_code", code)]
}
