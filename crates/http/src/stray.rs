//! Card numbers in the head of a request: its address and its headers.

use crate::Request;
use std::borrow::Cow;
use tollgate_core::card_scan::holds_card_number;

/// Headers in which proxies and tracing tools number requests at random, in as many digits as a card number
/// has: one in a hundred would look like one.
const NUMBERS_OF_REQUESTS: [&str; 9] = [
    "traceparent",
    "tracestate",
    "x-request-id",
    "x-correlation-id",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-b3-traceid",
    "x-b3-spanid",
    "uber-trace-id",
];
/// What the numbering headers of one more tracing tool begin with.
const NUMBERS_OF_REQUESTS_PREFIX: &str = "x-datadog-";

/// Where in a request's head a card number stands, in words that do not repeat it; `None` when in none of
/// its places.
pub(crate) fn stray_in_head(request: &Request) -> Option<Cow<'static, str>> {
    if holds_card_number(request.uri().path()) {
        return Some("the path of the URL".into());
    }
    if request.uri().query().is_some_and(holds_card_number) {
        return Some("the query of the URL".into());
    }
    request.headers().iter().find_map(|(name, value)| {
        let name = name.as_str();
        if NUMBERS_OF_REQUESTS.contains(&name) || name.starts_with(NUMBERS_OF_REQUESTS_PREFIX) {
            return None;
        }
        if holds_card_number(name) {
            return Some("the name of a header".into());
        }
        let held = match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => holds_card_number(text),
            Err(_) => holds_card_number(&String::from_utf8_lossy(value.as_bytes())),
        };
        held.then(|| format!("the header {name}").into())
    })
}
