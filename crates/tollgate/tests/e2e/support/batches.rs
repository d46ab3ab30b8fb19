//! Files of rows: uploading them as a merchant's server does, and reading what came of them.

use super::{Gateway, Merchant, field, text, wait_within};
use serde_json::{Map, Value};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tollgate_core::secret::Secret;

/// The longest wait for a batch: a busy machine needs its time.
pub const BATCH_WAIT_MAX: Duration = Duration::from_secs(180);
/// The boundary of our forms.
pub const BOUNDARY: &str = "a-boundary-of-the-tests";

/// One part of a form.
pub struct Part<'a> {
    /// Everything in its head behind `form-data; `, and further lines.
    pub head: String,
    /// Its content.
    pub content: &'a [u8],
}

impl<'a> Part<'a> {
    /// A text part, as small clients send it: without a content type.
    pub fn text(name: &str, value: &'a str) -> Part<'a> {
        Part { head: format!("name=\"{name}\""), content: value.as_bytes() }
    }

    /// The file.
    pub fn file(name: &str, content: &'a [u8]) -> Part<'a> {
        Part { head: format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/csv"), content }
    }
}

/// The body of a form.
pub fn form(parts: &[Part]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {}\r\n\r\n", part.head).into_bytes());
        body.extend_from_slice(part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    body
}

/// The signature over these text parts.
pub fn signature(merchant: &Merchant, params: &[(&str, &str)]) -> String {
    let phrase = Secret::new(merchant.request_phrase.clone());
    tollgate_fort::signature::sign(params.iter().copied(), &phrase, merchant.sha_type)
}

/// The text parts of an upload, without the signature.
pub fn upload_params<'a>(merchant: &'a Merchant, reference: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("service_command", "UPLOAD_BATCH_FILE"),
        ("access_code", merchant.access_code.as_str()),
        ("merchant_identifier", merchant.merchant_identifier.as_str()),
        ("batch_reference", reference),
        ("language", "en"),
    ]
}

/// Uploads a file; the answer, whose signature has to be right.
pub fn upload(
    gateway: &Gateway,
    merchant: &Merchant,
    reference: &str,
    name: &str,
    content: &[u8],
) -> Map<String, Value> {
    let params = upload_params(merchant, reference);
    let signature = signature(merchant, &params);
    let mut parts: Vec<Part> = params.iter().map(|(name, value)| Part::text(name, value)).collect();
    parts.push(Part::text("signature", &signature));
    parts.push(Part::file(name, content));
    let answer = post_form(gateway, "/FortAPI/upload", &form(&parts));
    merchant.check(&answer);
    answer
}

/// Posts a form; the answer.
pub fn post_form(gateway: &Gateway, path: &str, body: &[u8]) -> Map<String, Value> {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let answer = post(&gateway.address, path, body, &content_type);
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", text(&answer.body)))
}

/// An answer with its head.
pub struct Answer {
    /// Everything before the body.
    pub head: String,
    /// The body, put together where it came in pieces.
    pub body: Vec<u8>,
}

/// Posts a body.
pub fn post(address: &str, path: &str, body: &[u8], content_type: &str) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(BATCH_WAIT_MAX)).unwrap();
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an HTTP answer");
    let head = text(&answer[..end]);
    let mut rest = &answer[end + 4..];
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return Answer { head, body: rest.to_vec() };
    }
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").expect("the answer broke off");
        let length = usize::from_str_radix(&text(&rest[..line]), 16).unwrap();
        if length == 0 {
            return Answer { head, body };
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 4 + length..];
    }
}

/// The call about a batch.
pub fn call(gateway: &Gateway, merchant: &Merchant, service: &str, reference: &str) -> Answer {
    let body = merchant.sign(&[("service_command", service), ("batch_reference", reference)]);
    post(&gateway.address, "/FortAPI/batchApi", &body, "application/json")
}

/// The same, answered with JSON.
pub fn ask(gateway: &Gateway, merchant: &Merchant, service: &str, reference: &str) -> Map<String, Value> {
    let answer = call(gateway, merchant, service, reference);
    let fields: Map<String, Value> =
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", text(&answer.body)));
    merchant.check(&fields);
    fields
}

/// Waits until a batch is validated; the answer then.
pub fn validated(gateway: &Gateway, merchant: &Merchant, reference: &str) -> Map<String, Value> {
    wait_within(BATCH_WAIT_MAX, "the batch is validated", || {
        let answer = ask(gateway, merchant, "GET_BATCH_RESULTS", reference);
        (field(&answer, "response_code") != "71138").then_some(answer)
    })
}

/// Waits until a batch is done; its results.
pub fn results(gateway: &Gateway, merchant: &Merchant, reference: &str) -> String {
    wait_within(BATCH_WAIT_MAX, "the batch is done", || {
        let answer = call(gateway, merchant, "GET_BATCH_RESULTS", reference);
        let is_done = answer.head.to_lowercase().contains("content-type: text/csv; charset=utf-8");
        is_done.then(|| text(&answer.body))
    })
}

/// Uploads, waits for the validation, has it processed, waits for the results.
pub fn carried_out(gateway: &Gateway, merchant: &Merchant, reference: &str, content: &str) -> String {
    let answer = upload(gateway, merchant, reference, "rows.csv", content.as_bytes());
    assert_eq!(field(&answer, "response_code"), "50000", "{answer:?}");
    let answer = validated(gateway, merchant, reference);
    assert_eq!(field(&answer, "response_code"), "70000", "{answer:?}");
    let answer = ask(gateway, merchant, "PROCESS_BATCH", reference);
    assert_eq!(field(&answer, "response_code"), "72147", "{answer:?}");
    results(gateway, merchant, reference)
}

/// The value of a column of a line of results.
pub fn column(line: &str, name: &str) -> String {
    const COLUMNS: [&str; 13] = [
        "Line_Number",
        "response_code",
        "response_message",
        "status",
        "eci",
        "fort_id",
        "merchant_reference",
        "amount",
        "card_number",
        "expiry_date",
        "currency",
        "payment_link_id",
        "payment_link",
    ];
    let place = COLUMNS.iter().position(|known| *known == name).unwrap();
    let inner = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(line);
    let values: Vec<&str> = inner.split("\",\"").collect();
    // Results of payment links have two columns more.
    assert!(matches!(values.len(), 11 | 13), "{line}");
    values[place].to_owned()
}
