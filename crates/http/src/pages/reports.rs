//! What browsers report of our pages: violations of the policy, and what the script finds changed (PCI DSS 4.0.1,
//! requirement 11.6.1).
//!
//! Anybody can post here, so a report is counted under one of a few names, and a line of the log is written a few times
//! a minute at most, with nothing of it but those names and an origin.

use crate::Request;
use crate::answer::{AnswerBody, Response, plain};
use crate::body::{self, Body};
use http::{Method, StatusCode};
use serde_json::Value;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use tollgate_core::card_scan::holds_card_number;
use tollgate_core::page::WebOrigin;
use tollgate_core::time::Timestamp;

/// The largest body of a report, in bytes.
pub const REPORT_BYTES_MAX: usize = 16 * 1024;
/// The most reports of one body that are looked at; browsers send several at once.
const REPORTS_PER_BODY_MAX: usize = 8;
/// The most lines in the log, each minute.
const LOGGED_PER_MINUTE_MAX: u32 = 6;
/// Microseconds in a minute.
const MINUTE_US: i64 = 60_000_000;

/// What the script of a page reports, by the word that it uses.
const FINDINGS: [&str; 5] = ["script-added", "frame-added", "form-added", "form-action-changed", "field-added"];
/// The directives of a policy that are told apart.
const DIRECTIVES: [&str; 12] = [
    "script-src",
    "script-src-elem",
    "script-src-attr",
    "style-src",
    "style-src-elem",
    "style-src-attr",
    "connect-src",
    "img-src",
    "frame-src",
    "form-action",
    "frame-ancestors",
    "base-uri",
];

/// Takes reports.
#[derive(Debug, Default)]
pub struct PageReports {
    minute: AtomicI64,
    logged: AtomicU32,
}

/// One report, in our own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageReport {
    /// Who found it: `policy` (the browser) or `page` (our script).
    pub source: &'static str,
    /// What: a directive of the policy, a finding of the script, or `other`.
    pub kind: &'static str,
    /// The origin that was refused or added, where it has one that can be told; nothing behind it.
    pub origin: Option<WebOrigin>,
}

impl PageReports {
    /// Takes a request to [`super::assets::REPORTS_PATH`] at `now`: counts and logs what it reports, and answers 204.
    pub async fn take(&self, request: Request, now: Timestamp) -> Response {
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "reports are posted\n");
        }
        match body::read(request.into_body(), REPORT_BYTES_MAX).await {
            Body::Whole(bytes) => self.note(&page_reports(&bytes), now),
            Body::TooLarge | Body::Broken => count("page", "unreadable"),
        }
        let mut response = Response::new(AnswerBody::whole(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }

    fn note(&self, reports: &[PageReport], now: Timestamp) {
        if reports.is_empty() {
            count("page", "unreadable");
        }
        for report in reports {
            count(report.source, report.kind);
            if self.may_log(now) {
                let origin = report.origin.as_ref().map_or("none", WebOrigin::as_str);
                tracing::warn!(source = report.source, kind = report.kind, origin, "a browser reports a page of ours");
            }
        }
    }

    /// Two threads at the turn of a minute may both begin it: one line more than the limit, and no harm.
    fn may_log(&self, now: Timestamp) -> bool {
        let minute = now.0.div_euclid(MINUTE_US);
        if self.minute.swap(minute, Ordering::Relaxed) != minute {
            self.logged.store(0, Ordering::Relaxed);
        }
        self.logged.fetch_add(1, Ordering::Relaxed) < LOGGED_PER_MINUTE_MAX
    }
}

/// Reads a body: a report of a violated policy in the old form (`csp-report`) or the new one (a list), or one of our
/// script (`tollgate`). What is none of these gives nothing.
#[must_use]
pub fn page_reports(body: &[u8]) -> Vec<PageReport> {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Array(all)) => {
            all.iter().take(REPORTS_PER_BODY_MAX).filter_map(|one| violation(one.get("body")?)).collect()
        }
        Ok(one) => {
            let report = match (one.get("csp-report"), one.get("tollgate")) {
                (Some(report), _) => violation(report),
                (None, Some(report)) => finding(report),
                (None, None) => None,
            };
            report.into_iter().collect()
        }
        Err(_) => Vec::new(),
    }
}

fn violation(report: &Value) -> Option<PageReport> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| report.get(name)?.as_str());
    let directive = text(["effectiveDirective", "effective-directive"]).or_else(|| text(["violated-directive", ""]))?;
    let directive = directive.split(' ').next().unwrap_or_default();
    let kind = DIRECTIVES.into_iter().find(|known| *known == directive).unwrap_or("other");
    let origin = text(["blockedURL", "blocked-uri"]).and_then(harmless_origin);
    Some(PageReport { source: "policy", kind, origin })
}

fn finding(report: &Value) -> Option<PageReport> {
    let found = report.get("found")?.as_str()?;
    let kind = FINDINGS.into_iter().find(|known| *known == found).unwrap_or("other");
    let origin = report.get("origin").and_then(Value::as_str).and_then(harmless_origin);
    Some(PageReport { source: "page", kind, origin })
}

/// Even a host's name could be a card number.
fn harmless_origin(url: &str) -> Option<WebOrigin> {
    WebOrigin::of_url(url).filter(|origin| !holds_card_number(origin.as_str()))
}

fn count(source: &'static str, kind: &'static str) {
    metrics::counter!("tollgate_page_reports_total", "source" => source, "kind" => kind).increment(1);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reports_of_each_form_are_read() {
        let old = br#"{"csp-report":{"document-uri":"https://pay.example/checkout/secret","violated-directive":
            "script-src-elem 'nonce-1'","blocked-uri":"https://evil.example/x.js?pan=4005550000000001"}}"#;
        let new = br#"[{"type":"csp-violation","body":{"effectiveDirective":"form-action","blockedURL":"inline"}},
            {"type":"deprecation"}]"#;
        let ours = br#"{"tollgate":{"found":"script-added","origin":"https://evil.example"}}"#;
        let evil = WebOrigin::parse("https://evil.example");
        assert_eq!(page_reports(old), [PageReport { source: "policy", kind: "script-src-elem", origin: evil.clone() }]);
        assert_eq!(page_reports(new), [PageReport { source: "policy", kind: "form-action", origin: None }]);
        assert_eq!(page_reports(ours), [PageReport { source: "page", kind: "script-added", origin: evil }]);
    }

    #[test]
    fn nothing_of_a_report_but_known_words_and_an_origin_is_kept() {
        let odd = br#"{"tollgate":{"found":"4005550000000001","origin":"https://4005550000000001/4005550000000001"}}"#;
        let report = page_reports(odd).pop().unwrap();
        assert_eq!(report, PageReport { source: "page", kind: "other", origin: None });
        for body in [&b""[..], b"null", b"[]", b"{}", b"{\"tollgate\":7}", b"\xff\xfe", b"[[[[[["] {
            assert_eq!(page_reports(body), [], "{body:?}");
        }
        let many =
            serde_json::to_vec(&vec![serde_json::json!({"body":{"effectiveDirective":"img-src"}}); 100]).unwrap();
        assert_eq!(page_reports(&many).len(), REPORTS_PER_BODY_MAX);
    }

    #[test]
    fn the_log_has_a_few_lines_a_minute() {
        let reports = PageReports::default();
        let now = Timestamp(7 * MINUTE_US);
        let lines = (0..100).filter(|_| reports.may_log(now)).count();
        assert_eq!(lines, usize::try_from(LOGGED_PER_MINUTE_MAX).unwrap());
        assert!(reports.may_log(Timestamp(8 * MINUTE_US)));
    }
}
