//! A customer's browser at the payment page: it posts a form, and is sent back to the merchant.

use super::wire::{self, HttpAnswer};
use super::{Gateway, Merchant, text};
use serde_json::{Map, Value};
use tollgate_core::secret::Secret;

/// Where browsers post.
pub const PATH: &str = "/FortAPI/paymentPage";
/// What a browser adds to a form that was signed without it.
pub const ADDED: [&str; 5] = ["card_number", "expiry_date", "card_security_code", "card_holder_name", "remember_me"];

/// Where a browser is sent, with which fields.
pub struct Returned {
    pub to: String,
    pub fields: Map<String, Value>,
}

/// The parameters of TOKENIZATION or CREATE_TOKEN with a card.
pub fn form<'a>(service: &'a str, reference: &'a str, card: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("service_command", service),
        ("merchant_reference", reference),
        ("return_url", "https://shop.example/back?order=17"),
        ("card_number", card),
        ("expiry_date", "3005"),
        ("card_security_code", "123"),
    ]
}

/// The signed body of a form; ids and language are added where they are not given.
///
/// Of a payment everything is signed; what a browser adds to a form for a token is not.
pub fn signed(merchant: &Merchant, params: &[(&str, &str)]) -> String {
    let mut all = params.to_vec();
    for (name, value) in [
        ("access_code", merchant.access_code.as_str()),
        ("merchant_identifier", merchant.merchant_identifier.as_str()),
        ("language", "en"),
    ] {
        if !all.iter().any(|(given, _)| *given == name) {
            all.push((name, value));
        }
    }
    let phrase = Secret::new(merchant.request_phrase.clone());
    let is_payment = params.iter().any(|(name, _)| *name == "command");
    let added: &[&str] = if is_payment { &[] } else { &ADDED };
    tollgate_fort::client::signed_form(&all, added, &phrase, merchant.sha_type)
}

/// A form's body: every byte but letters and digits as a percent sign and its hex digits.
pub fn encoded<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect::<Vec<_>>().join("&")
}

/// Posts a body to the page.
pub fn post(gateway: &Gateway, body: &str) -> HttpAnswer {
    post_as(gateway, "application/x-www-form-urlencoded", body)
}

/// The same by a proxy that tells the customer's address.
pub fn post_for(gateway: &Gateway, customer: &str, body: &str) -> HttpAnswer {
    post_with(gateway, "application/x-www-form-urlencoded", &format!("X-Forwarded-For: {customer}\r\n"), body)
}

/// The same with another content type.
pub fn post_as(gateway: &Gateway, content_type: &str, body: &str) -> HttpAnswer {
    post_with(gateway, content_type, "", body)
}

fn post_with(gateway: &Gateway, content_type: &str, headers: &str, body: &str) -> HttpAnswer {
    let address = &gateway.address;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nContent-Type: {content_type}\r\n\
         {headers}Connection: close\r\n\r\n",
        body.len()
    );
    wire::send(address, format!("{head}{body}").as_bytes())
}

/// Posts a signed form, and goes back; the signature of what comes back is right.
pub fn submit(gateway: &Gateway, merchant: &Merchant, params: &[(&str, &str)]) -> Returned {
    let returned = returned(&post(gateway, &signed(merchant, params)));
    merchant.check(&returned.fields);
    returned
}

/// What a page that sends the browser back holds.
pub fn returned(answer: &HttpAnswer) -> Returned {
    let html = text(&answer.body);
    assert_eq!(answer.status, 200, "{html}");
    let form = between(&html, "<form id=\"returnUrlForm\" method=\"post\"", "</form>");
    let to = unescaped(between(form, "action=\"", "\""));
    let fields = form
        .split("<input type=\"hidden\" ")
        .skip(1)
        .map(|input| {
            let value = |name: &str| unescaped(between(input, &format!("{name}=\""), "\""));
            (value("name"), Value::from(value("value")))
        })
        .collect();
    Returned { to, fields }
}

/// What a page that leads on by itself back to the merchant's `url` holds behind the query that the URL has itself.
pub fn redirected(answer: &HttpAnswer, url: &str) -> Returned {
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    let html = text(&answer.body);
    let location = unescaped(between(&html, "http-equiv=\"refresh\" content=\"0;url=", "\""));
    let added = location.strip_prefix(url).and_then(|rest| rest.strip_prefix('&'));
    let added = added.unwrap_or_else(|| panic!("not to {url}: {location}"));
    let fields = form_urlencoded::parse(added.as_bytes());
    Returned { to: url.to_owned(), fields: fields.map(|(name, value)| (name.into_owned(), value.into())).collect() }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let inside = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    inside.unwrap_or_else(|| panic!("{begin}: {text}")).0
}

pub fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#13;", "\r"),
        ("&#10;", "\n"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, character);
    }
    text
}
