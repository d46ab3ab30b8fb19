//! The explainer names the mistake that was made, for every kind of mistake it knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_lc_rs::{digest, hmac};
use serde_json::{Map, Value, json};
use tollgate_core::merchant::{Credential, ShaType};
use tollgate_core::secret::Secret;
use tollgate_fort::explain::{Cause, Explanation, Finding, explain};
use tollgate_fort::message::Message;
use tollgate_fort::signature::Rule;

const REQUEST: &str = "TGreq$2y$10$k9";
const RESPONSE: &str = "TGres#7";

fn credential(sha_type: ShaType) -> Credential {
    Credential {
        access_code: "AC".into(),
        sha_type,
        request_phrases: vec![Secret::new(REQUEST)],
        response_phrase: Secret::new(RESPONSE),
    }
}

/// A request on which every kind of mistake shows.
fn params() -> Map<String, Value> {
    let params = json!({
        "command": "PURCHASE",
        "access_code": "TgAccessCode00000001",
        "merchant_reference": "TG-1",
        "Zone": "z",
        "amount": "15000",
        "currency": "AED",
        "customer_name": "O'Brien & José <b>",
        "order_description": " two words ",
        "merchant_extra": "",
        "customer_ip": null,
        "ship_address1": "Street",
        "ship_address_city": "Dubai",
        "count": 7.0,
        "products": [{"name": "Mug", "price": 2}],
        "card_number": "4005550000000001",
        "expiry_date": "3005",
        "card_security_code": "737"
    });
    params.as_object().unwrap().clone()
}

/// The pairs as they have to be hashed.
fn pairs() -> Vec<(String, String)> {
    let text = |name: &str, value: &Value| match (name, value) {
        (_, Value::String(text)) => text.clone(),
        ("count", _) => "7".into(),
        ("products", _) => "[{name=Mug, price=2}]".into(),
        _ => String::new(),
    };
    let mut pairs: Vec<_> = params().iter().map(|(name, value)| (name.clone(), text(name, value))).collect();
    pairs.sort();
    pairs
}

fn joined(pairs: &[(String, String)], separator: &str) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(separator)
}

fn wrapped(phrase: &str, pairs: &[(String, String)]) -> Vec<u8> {
    format!("{phrase}{}{phrase}", joined(pairs, "")).into_bytes()
}

fn hex_of(sha: ShaType, key: &str, text: &[u8]) -> String {
    match sha {
        ShaType::Sha128 => hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text)),
        ShaType::Sha256 => hex::encode(digest::digest(&digest::SHA256, text)),
        ShaType::Sha512 => hex::encode(digest::digest(&digest::SHA512, text)),
        ShaType::Hmac256 => hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), text)),
        ShaType::Hmac512 => hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key.as_bytes()), text)),
    }
}

fn explained(params: Map<String, Value>, signature: &str) -> Explanation {
    let mut params = params;
    params.insert("signature".into(), signature.into());
    let message = Message::from_json(&serde_json::to_vec(&params).unwrap()).unwrap();
    explain(&message, &[], &credential(ShaType::Sha256))
}

fn causes(explanation: &Explanation) -> &[Cause] {
    match &explanation.finding {
        Finding::Found(causes) => causes,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_cause(hashed: &[u8], cause: Cause) -> Explanation {
    let explanation = explained(params(), &hex_of(ShaType::Sha256, REQUEST, hashed));
    assert_eq!(causes(&explanation), std::slice::from_ref(&cause));
    assert_nothing_secret(&explanation);
    assert!(explanation.to_string().contains(&cause.to_string()));
    explanation
}

#[track_caller]
fn assert_nothing_secret(explanation: &Explanation) {
    for shown in [explanation.to_string(), format!("{explanation:?}")] {
        for secret in [REQUEST, RESPONSE, "4005550000000001", "737"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

fn changed(change: impl Fn(&str, &str) -> Option<String>) -> Vec<u8> {
    let pairs = pairs().into_iter().filter_map(|(name, value)| change(&name, &value).map(|value| (name, value)));
    wrapped(REQUEST, &pairs.collect::<Vec<_>>())
}

#[test]
fn a_right_signature_is_called_right() {
    let explanation = explained(params(), &hex_of(ShaType::Sha256, REQUEST, &wrapped(REQUEST, &pairs())));
    assert_eq!(explanation.finding, Finding::Matches(Rule::All));
    assert_nothing_secret(&explanation);
}

#[test]
fn phrases_and_digests() {
    assert_cause(&wrapped(RESPONSE, &pairs()), Cause::ResponsePhrase);
    assert_cause(&wrapped("TGreq$2y$10", &pairs()), Cause::ExpandedPhrase);
    assert_cause(&wrapped(&format!("{REQUEST}\n"), &pairs()), Cause::BlankAtPhrase);
    let body = joined(&pairs(), "");
    assert_cause(body.as_bytes(), Cause::NoPhrase);
    assert_cause(format!("{REQUEST}{body}").as_bytes(), Cause::PhraseOnlyBefore);
    assert_cause(format!("{body}{REQUEST}").as_bytes(), Cause::PhraseOnlyAfter);
    for sha in ShaType::ALL.into_iter().filter(|sha| *sha != ShaType::Sha256) {
        let explanation = explained(params(), &hex_of(sha, REQUEST, &wrapped(REQUEST, &pairs())));
        assert_eq!(causes(&explanation), [Cause::ShaType(sha)]);
        assert_eq!(explanation.difference, None);
    }
}

#[test]
fn orders() {
    let order = |sort: fn(&mut Vec<(String, String)>)| {
        let mut pairs = pairs();
        sort(&mut pairs);
        wrapped(REQUEST, &pairs)
    };
    let sent: Vec<String> = params().keys().cloned().collect();
    let mut unsorted = pairs();
    unsorted.sort_by_key(|(name, _)| sent.iter().position(|known| known == name));
    assert_cause(&wrapped(REQUEST, &unsorted), Cause::MessageOrder);
    assert_cause(&order(|pairs| pairs.reverse()), Cause::DescendingOrder);
    assert_cause(&order(|pairs| pairs.sort_by_key(|pair| pair.0.to_lowercase())), Cause::CaseInsensitiveOrder);
    // Culture order alone is accepted; together with a separator it is a mistake to be told.
    let mut culture = pairs();
    culture.sort_by_key(|(name, _)| name.to_lowercase().replace('_', " "));
    let hashed = format!("{REQUEST}{}{REQUEST}", joined(&culture, "&"));
    let explanation = explained(params(), &hex_of(ShaType::Sha256, REQUEST, hashed.as_bytes()));
    assert_eq!(causes(&explanation), [Cause::CultureOrder, Cause::Separator("&")]);
}

#[test]
fn values() {
    let hashed = |hashed: &str| Cause::Amount { sent: "15000".into(), hashed: hashed.into() };
    for form in ["15000.0", "15000.00", "150", "150.0", "150.00", "1500000"] {
        let explanation =
            assert_cause(&changed(|n, v| Some(if n == "amount" { form } else { v }.into())), hashed(form));
        assert_eq!(explanation.difference.unwrap().parameter, "amount");
    }
    assert_cause(&changed(|n, v| Some(if n == "customer_ip" { "null" } else { v }.into())), Cause::NullWord("null"));
    assert_cause(
        &changed(|n, v| Some(if n == "products" { r#"[{"name":"Mug","price":2}]"# } else { v }.into())),
        Cause::NestedAsJson,
    );
    assert_cause(
        &changed(|n, v| Some(if n == "currency" { v.to_lowercase() } else { v.to_owned() })),
        Cause::LowerCase("currency".into()),
    );
    assert_cause(
        &changed(|n, v| Some(if n == "Zone" { v.to_uppercase() } else { v.to_owned() })),
        Cause::UpperCase("Zone".into()),
    );
}

#[test]
fn encodings() {
    let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let html = |text: &str, apostrophe: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', apostrophe)
    };
    assert_cause(&changed(|_, v| Some(form(v))), Cause::FormEncoded);
    assert_cause(&changed(|_, v| Some(form(v).replace('+', "%20"))), Cause::PercentEncoded);
    assert_cause(&changed(|_, v| Some(v.replace(' ', "+"))), Cause::PlusForBlank);
    assert_cause(&changed(|_, v| Some(html(v, "&#39;"))), Cause::HtmlEscaped("&#39;"));
    assert_cause(&changed(|_, v| Some(html(v, "&#039;"))), Cause::HtmlEscaped("&#039;"));
    let latin1 = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().chars().map(|c| c as u8).collect::<Vec<u8>>();
    let explanation = assert_cause(&latin1(changed(|_, v| Some(v.into()))), Cause::Latin1);
    assert_eq!(explanation.difference.unwrap().parameter, "customer_name");
    // The other way round: escaped or encoded after hashing.
    let sent = |value: &str| {
        let mut params = params();
        params.insert("customer_name".into(), value.into());
        let hashed = changed(|_, v| Some(v.into()));
        causes(&explained(params, &hex_of(ShaType::Sha256, REQUEST, &hashed))).to_vec()
    };
    assert_eq!(sent("O&#39;Brien &amp; José &lt;b&gt;"), [Cause::HtmlUnescaped]);
    assert_eq!(sent("O%27Brien+%26+Jos%C3%A9+%3Cb%3E"), [Cause::PercentDecoded]);
}

#[test]
fn separators() {
    for separator in ["&", ",", ", ", "|", "\n"] {
        let hashed = format!("{REQUEST}{}{REQUEST}", joined(&pairs(), separator));
        assert_cause(hashed.as_bytes(), Cause::Separator(separator));
    }
}

#[test]
fn parameters_left_out() {
    let without = |names: &[&str]| changed(|n, v| (!names.contains(&n)).then(|| v.into()));
    for name in ["amount", "merchant_reference", "Zone", "ship_address_city"] {
        let explanation = assert_cause(&without(&[name]), Cause::LeftOut(vec![name.into()]));
        assert!(explanation.theirs.unwrap().len() < explanation.ours.len());
    }
    assert_cause(&without(&["card_number", "expiry_date", "card_security_code"]), Cause::CardFieldsLeftOut);
    assert_cause(&without(&["amount", "command"]), Cause::LeftOut(vec!["amount".into(), "command".into()]));
    let mut with_signature = pairs();
    with_signature.push(("signature".into(), String::new()));
    with_signature.sort();
    assert_cause(&wrapped(REQUEST, &with_signature), Cause::SignatureIncluded);
}

#[test]
fn card_fields_of_a_form_that_were_hashed_though_they_stay_out() {
    let exclude = ["card_number", "expiry_date", "card_security_code", "card_holder_name", "remember_me"];
    let mut params = params();
    let signature = hex_of(ShaType::Sha256, REQUEST, &wrapped(REQUEST, &pairs()));
    params.insert("signature".into(), signature.into());
    let message = Message::from_json(&serde_json::to_vec(&params).unwrap()).unwrap();
    let explanation = explain(&message, &exclude, &credential(ShaType::Sha256));
    assert_eq!(causes(&explanation), [Cause::ExcludedIncluded]);
    assert_nothing_secret(&explanation);
}

#[test]
fn two_mistakes_at_once() {
    let mut pairs = pairs();
    pairs.retain(|(name, _)| name != "Zone");
    let hashed = wrapped(RESPONSE, &pairs);
    let explanation = explained(params(), &hex_of(ShaType::Hmac256, RESPONSE, &hashed));
    // Three at once are beyond the search.
    assert!(matches!(explanation.finding, Finding::NotFound(_)));
    let explanation = explained(params(), &hex_of(ShaType::Sha256, RESPONSE, &hashed));
    assert_eq!(causes(&explanation), [Cause::ResponsePhrase, Cause::LeftOut(vec!["Zone".into()])]);
}

#[test]
fn the_first_difference_is_counted_after_the_phrase() {
    let params = json!({"b": "1", "amount": "100.5"}).as_object().unwrap().clone();
    let hashed = format!("{REQUEST}amount=100.50b=1{REQUEST}");
    let explanation = explained(params, &hex_of(ShaType::Sha256, REQUEST, hashed.as_bytes()));
    assert_eq!(causes(&explanation), [Cause::Amount { sent: "100.5".into(), hashed: "100.50".into() }]);
    let difference = explanation.difference.clone().unwrap();
    assert_eq!(difference.character, "amount=100.5".len() + 1);
    let text = explanation.to_string();
    assert!(text.contains("  <request phrase>amount=100.5b=1<request phrase>\n"), "{text}");
    assert!(text.contains("  <request phrase>amount=100.50b=1<request phrase>\n"), "{text}");
}

#[test]
fn nothing_found_gives_hints_the_likeliest_first() {
    let hints = |signature: &str| match explained(params(), signature).finding {
        Finding::NotFound(hints) => hints,
        other => panic!("{other:?}"),
    };
    let wrong_phrase = hints(&hex_of(ShaType::Sha256, "other", &wrapped("other", &pairs())));
    assert!(wrong_phrase[0].contains("request phrase"), "{wrong_phrase:?}");
    let wrong_length = hints(&hex_of(ShaType::Sha512, "other", &wrapped("other", &pairs())));
    assert!(wrong_length[0].contains("128 hex digits") && wrong_length[0].contains("SHA-256"), "{wrong_length:?}");
}

#[test]
fn a_signature_that_is_none_is_said_to_be_none() {
    assert_eq!(explained(params(), "").finding, Finding::NoSignature);
    assert_eq!(explained(params(), "not hex").finding, Finding::NoDigest { characters: 7 });
    let base64 = "lMOK/Hva4RFPyMdA7fEkFvIpmCQc5LTqcNVSEjOiyII=";
    assert_eq!(explained(params(), base64).finding, Finding::NoDigest { characters: 44 });
}
