//! The same payment as the clients of the world write it: numbers, nulls, blanks, encodings, content types, old HTTP.

use crate::support::{Gateway, Merchant, field, payment, text, wire};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A payment over the trusted channel, as pairs of name and value sorted by the bytes of the names.
fn plain_payment<'a>(merchant: &'a Merchant, reference: &'a str) -> BTreeMap<&'a str, &'a str> {
    let mut params: BTreeMap<&str, &str> =
        payment("PURCHASE", reference, "15000", "4005550000000001").into_iter().collect();
    params.insert("access_code", &merchant.access_code);
    params.insert("merchant_identifier", &merchant.merchant_identifier);
    params.insert("language", "en");
    params
}

/// How a client writes what it signs.
struct Written<'a> {
    /// What it hashes, in its order.
    signed: Vec<(&'a str, &'a str)>,
    /// Values that stand in the JSON otherwise than as texts, or beside what is signed.
    raw: Vec<(&'a str, &'a str)>,
}

impl Written<'_> {
    fn body(&self, phrase: &str) -> String {
        self.body_signed_with(&wire::sha256_signature(&self.signed, phrase))
    }

    fn body_signed_with(&self, signature: &str) -> String {
        let mut members: Vec<String> = self
            .signed
            .iter()
            .filter(|(name, _)| !self.raw.iter().any(|(raw, _)| raw == name))
            .map(|(name, value)| format!("{}:{}", Value::from(*name), Value::from(*value)))
            .collect();
        members.extend(self.raw.iter().map(|(name, json)| format!("{}:{json}", Value::from(*name))));
        members.push(format!("\"signature\":\"{signature}\""));
        format!("{{{}}}", members.join(","))
    }
}

/// A gateway and its demo merchant, for payments in many hands.
struct Hands {
    gateway: Gateway,
    merchant: Merchant,
}

impl Hands {
    fn start() -> Hands {
        let gateway = Gateway::start();
        let merchant = gateway.demo();
        Hands { gateway, merchant }
    }

    /// Posts what a client wrote; the answer has to be an approval, signed.
    fn approve(&self, what: &str, headers: &[&str], body: &[u8]) -> Map<String, Value> {
        let answer = wire::post(&self.gateway.address, "1.1", headers, body);
        self.approved(what, &answer)
    }

    fn approved(&self, what: &str, answer: &wire::HttpAnswer) -> Map<String, Value> {
        assert_eq!(answer.status, 200, "{what}");
        let json = answer.json();
        assert_eq!(field(&json, "response_code"), "14000", "{what}: {json:?}");
        self.merchant.check(&json);
        json
    }
}

const JSON: &[&str] = &["Content-Type: application/json"];

#[test]
fn json_numbers_are_hashed_plain_and_come_back_as_texts() {
    let hands = Hands::start();
    for (reference, amount_json, amount_hashed, amount_back) in [
        ("4711", "15000", "15000", "15000"),
        ("4712", "15000.0", "15000", "15000"),
        ("4713", "15000.0", "15000.0", "15000"),
    ] {
        let mut params = plain_payment(&hands.merchant, reference);
        params.insert("amount", amount_hashed);
        params.insert("card_number", "4005550000000001");
        let written = Written {
            signed: params.into_iter().collect(),
            raw: vec![
                ("amount", amount_json),
                ("merchant_reference", reference),
                ("expiry_date", "3005"),
                ("card_number", "4005550000000001"),
                ("card_security_code", "123"),
            ],
        };
        let answer = hands.approve(amount_json, JSON, written.body(&hands.merchant.request_phrase).as_bytes());
        assert_eq!(field(&answer, "amount"), amount_back);
        assert_eq!(field(&answer, "merchant_reference"), reference);
        assert_eq!(field(&answer, "card_number"), "400555******0001");
    }
}

#[test]
fn null_and_empty_values_may_be_signed_or_not_and_do_not_come_back() {
    let hands = Hands::start();
    // In the message: null or an empty text. In the hash: `name=`, or left out.
    for (place, (json, hashed)) in
        [("null", true), ("null", false), ("\"\"", true), ("\"\"", false)].into_iter().enumerate()
    {
        let reference = format!("EMPTY-{place}");
        let mut params = plain_payment(&hands.merchant, &reference);
        if hashed {
            params.insert("customer_ip", "");
            params.insert("order_description", "");
        }
        let written = Written {
            signed: params.into_iter().collect(),
            raw: vec![("customer_ip", json), ("order_description", json)],
        };
        let answer = hands.approve(&reference, JSON, written.body(&hands.merchant.request_phrase).as_bytes());
        assert!(!answer.contains_key("customer_ip") && !answer.contains_key("order_description"), "{answer:?}");
    }
    // Nulls out, empty texts in.
    let mut params = plain_payment(&hands.merchant, "EMPTY-MIXED");
    params.insert("order_description", "");
    let written = Written {
        signed: params.into_iter().collect(),
        raw: vec![("customer_ip", "null"), ("order_description", "\"\"")],
    };
    hands.approve("mixed", JSON, written.body(&hands.merchant.request_phrase).as_bytes());
}

#[test]
fn values_trimmed_and_names_in_culture_order_are_signatures_too() {
    let hands = Hands::start();
    let mut params = plain_payment(&hands.merchant, "TRIMMED");
    params.insert("customer_name", "Jo Doe");
    let written = Written { signed: params.into_iter().collect(), raw: vec![("customer_name", "\"  Jo Doe \"")] };
    let answer = hands.approve("trimmed", JSON, written.body(&hands.merchant.request_phrase).as_bytes());
    assert_eq!(field(&answer, "customer_name"), "  Jo Doe ", "values come back unchanged");

    let mut params: Vec<(&str, &str)> = plain_payment(&hands.merchant, "CULTURE").into_iter().collect();
    params.extend([("ship_address_city", "Dubai"), ("ship_address1", "1 Sea Street"), ("ship_address2", "Floor 2")]);
    // Culture order: the underscore before digits; bytes would say address1, address2, address_city.
    let culture = |name: &str| name.to_lowercase().replace('_', "\u{1}");
    params.sort_by_key(|(name, _)| culture(name));
    let written = Written { signed: params, raw: vec![] };
    let answer = hands.approve("culture", JSON, written.body(&hands.merchant.request_phrase).as_bytes());
    assert!(answer.keys().all(|name| !name.starts_with("ship_")), "the fraud block does not come back: {answer:?}");
}

#[test]
fn an_upper_case_signature_is_taken_and_the_answer_is_lower_case() {
    let hands = Hands::start();
    let params = plain_payment(&hands.merchant, "UPPER");
    let written = Written { signed: params.into_iter().collect(), raw: vec![] };
    let signature = wire::sha256_signature(&written.signed, &hands.merchant.request_phrase).to_uppercase();
    let answer = hands.approve("upper case", JSON, written.body_signed_with(&signature).as_bytes());
    assert_eq!(field(&answer, "signature"), field(&answer, "signature").to_lowercase());
}

#[test]
fn bytes_that_are_latin_1_are_signed_as_utf_8_and_come_back_as_utf_8() {
    let hands = Hands::start();
    let mut params = plain_payment(&hands.merchant, "LATIN-1");
    params.insert("customer_name", "José");
    let body = Written { signed: params.into_iter().collect(), raw: vec![] }.body(&hands.merchant.request_phrase);
    let latin: Vec<u8> = body.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
    assert!(std::str::from_utf8(&latin).is_err());
    let answer = hands.approve("Latin-1", JSON, &latin);
    assert_eq!(field(&answer, "customer_name"), "José");
}

#[test]
fn arabic_is_the_same_as_utf_8_and_as_json_escapes_with_or_without_a_byte_order_mark() {
    let hands = Hands::start();
    for (reference, raw, mark) in [
        ("ARABIC-1", "\"محمد\"", ""),
        ("ARABIC-2", "\"\\u0645\\u062d\\u0645\\u062f\"", ""),
        ("ARABIC-3", "\"محمد\"", "\u{feff}"),
    ] {
        let mut params = plain_payment(&hands.merchant, reference);
        params.insert("customer_name", "محمد");
        let written = Written { signed: params.into_iter().collect(), raw: vec![("customer_name", raw)] };
        let body = format!("{mark}{}", written.body(&hands.merchant.request_phrase));
        let answer = hands.approve(reference, JSON, body.as_bytes());
        assert_eq!(field(&answer, "customer_name"), "محمد");
    }
}

#[test]
fn the_content_type_may_have_a_charset_be_another_or_be_absent() {
    let hands = Hands::start();
    for (place, headers) in [
        &["Content-Type: application/json; charset=UTF-8"] as &[&str],
        &["content-type: application/json;charset=utf-8"],
        &["Content-Type: application/json", "charset: UTF-8"],
        &["Content-Type: text/json"],
        &["Content-Type: text/plain; charset=ISO-8859-1"],
        &["Accept: application/json", "Accept-Encoding: gzip, deflate", "User-Agent: a client"],
    ]
    .into_iter()
    .enumerate()
    {
        let reference = format!("TYPE-{place}");
        let body = hands.merchant.sign(&payment("PURCHASE", &reference, "15000", "4005550000000001"));
        hands.approve(&reference, headers, &body);
    }
}

#[test]
fn old_and_careful_http_clients_are_served() {
    let hands = Hands::start();
    let address = &hands.gateway.address;
    let body = |reference: &str| hands.merchant.sign(&payment("PURCHASE", reference, "15000", "4005550000000001"));

    let answer = wire::post(address, "1.0", JSON, &body("HTTP-1-0"));
    hands.approved("HTTP/1.0", &answer);
    assert_eq!(answer.header("transfer-encoding"), None, "HTTP/1.0 knows no chunks");
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));

    // .NET asks before it sends the body.
    let sent = body("EXPECT");
    let head = wire::head(address, "1.1", &["Content-Type: application/json", "Expect: 100-continue"], sent.len());
    hands.approved("Expect", &wire::send_in_pieces(address, &[head.as_bytes(), &sent]));

    // Chunks, the border inside a name.
    let sent = body("CHUNKED");
    let (one, two) = sent.split_at(40);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n",
        wire::PATH
    );
    let mut chunked = head.into_bytes();
    for chunk in [one, two, &[]] {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    hands.approved("chunked", &wire::send(address, &chunked));

    // A slow network: byte by byte.
    let sent = body("BYTEWISE");
    let whole = [wire::head(address, "1.1", JSON, sent.len()).as_bytes(), &sent].concat();
    let pieces: Vec<&[u8]> = whole.chunks(1).collect();
    hands.approved("byte by byte", &wire::send_in_pieces(address, &pieces));

    // Two requests on one connection.
    let (first, second) = (body("KEPT-1"), body("KEPT-2"));
    let keep = wire::head(address, "1.1", JSON, first.len()).replace("Connection: close\r\n", "");
    let last = wire::head(address, "1.1", JSON, second.len());
    let both = wire::send(address, &[keep.as_bytes(), &first, last.as_bytes(), &second].concat());
    let answers = text(&both.body);
    assert_eq!(answers.matches("\"14000\"").count(), 2, "{answers}");
}

#[test]
fn a_form_is_taken_like_json_and_answered_with_json() {
    let hands = Hands::start();
    let params = plain_payment(&hands.merchant, "FORM");
    let signed: Vec<(&str, &str)> = params.into_iter().collect();
    let signature = wire::sha256_signature(&signed, &hands.merchant.request_phrase);
    let mut pairs: Vec<String> =
        signed.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40"))).collect();
    pairs.push(format!("signature={signature}"));
    let body = pairs.join("&");
    hands.approve("form", &["Content-Type: application/x-www-form-urlencoded; charset=UTF-8"], body.as_bytes());
}
