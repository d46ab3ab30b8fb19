//! The headers of a page: it may do what it is for, and nothing else.

use super::assets::REPORTS_PATH;
use super::view::{Framing, PageSetting, Transport};
use crate::answer::{AnswerBody, Response};
use http::{HeaderValue, StatusCode, header};
use tollgate_core::page::WebOrigin;

/// What a page may do besides showing text in our style and the merchant's logo.
pub(super) struct Powers<'a> {
    /// Where its forms may post to, and where redirects behind them may lead.
    pub(super) forms: Forms<'a>,
    /// Whether its iframes may show something: the gateway, and the ACS at this origin, with whatever it leads to.
    pub(super) frame: Option<&'a WebOrigin>,
    /// Which scripts it runs.
    pub(super) scripts: Scripts,
}

/// Where forms may post to.
pub(super) enum Forms<'a> {
    /// Nowhere.
    None,
    /// To the gateway, and to this origin if there is one.
    Gateway(Option<&'a WebOrigin>),
    /// To the gateway, and to the ACS at this origin if there is one, with whatever it leads to.
    Acs(Option<&'a WebOrigin>),
    /// To any web address. A redirect behind the form is the merchant's business, so no single address can be named.
    Anywhere,
}

/// Which scripts run: those with the page's nonce.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    /// None.
    None,
    /// The gateway's own, and they may report to it.
    Ours,
}

impl Powers<'_> {
    /// A page that shows text alone.
    pub(super) const TEXT: Powers<'static> = Powers { forms: Forms::None, frame: None, scripts: Scripts::None };
}

/// How long browsers shall use TLS alone, in seconds: two years.
const HSTS: &str = "max-age=63072000";
/// What no page of ours uses.
const FEATURES_OFF: &str = "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), \
                            gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), \
                            midi=(), screen-wake-lock=(), serial=(), storage-access=(), usb=()";

/// A page as a response.
pub(super) fn page(setting: &PageSetting<'_>, status: StatusCode, html: String, powers: &Powers<'_>) -> Response {
    let mut response = Response::new(AnswerBody::whole(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if setting.transport == Transport::Tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
        if powers.scripts == Scripts::Ours {
            let endpoint = HeaderValue::from_static("pages=\"/page-reports\"");
            headers.insert("reporting-endpoints", endpoint);
        }
    }
    if setting.framing == &Framing::Nobody {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    }
    // Origins, nonces and the program's own words are ASCII, so these always fit; a page without its policy would be
    // let do too much, so it is shown to nobody.
    match HeaderValue::from_str(&features(powers.frame)).and_then(|features| {
        headers.insert("permissions-policy", features);
        HeaderValue::from_str(&policy(setting, powers))
    }) {
        Ok(policy) => {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        }
        Err(_) => crate::answer::plain(StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be shown\n"),
    }
}

/// A challenge may ask for a passkey, so the ACS is left that.
fn features(frame: Option<&WebOrigin>) -> String {
    let to = frame.map_or_else(String::new, |origin| format!("\"{origin}\""));
    format!("{FEATURES_OFF}, payment=({to}), publickey-credentials-get=({to})")
}

fn policy(setting: &PageSetting<'_>, powers: &Powers<'_>) -> String {
    let mut policy = String::from("default-src 'none'");
    if let Some(nonce) = setting.nonce {
        let nonce = nonce.as_str();
        policy.push_str(&format!("; style-src 'nonce-{nonce}'"));
        if powers.scripts == Scripts::Ours {
            policy.push_str(&format!("; script-src 'nonce-{nonce}'; connect-src 'self'"));
        }
    }
    if setting.face.logo.is_some() {
        policy.push_str("; img-src 'self'");
    }
    if let Some(origin) = powers.frame {
        policy.push_str(&format!("; frame-src 'self' {}", led_to_by(origin)));
    }
    policy.push_str("; base-uri 'none'; form-action ");
    match powers.forms {
        Forms::None => policy.push_str("'none'"),
        Forms::Gateway(None) | Forms::Acs(None) => policy.push_str("'self'"),
        Forms::Acs(Some(origin)) => policy.push_str(&format!("'self' {}", led_to_by(origin))),
        Forms::Gateway(Some(origin)) => policy.push_str(&format!("'self' {origin}")),
        Forms::Anywhere => policy.push_str("https: http:"),
    }
    match setting.framing {
        Framing::Anybody => {}
        Framing::Nobody => policy.push_str("; frame-ancestors 'none'"),
        Framing::Merchant(origins) if origins.is_empty() => policy.push_str("; frame-ancestors 'none'"),
        Framing::Merchant(origins) => {
            policy.push_str("; frame-ancestors");
            push_all(&mut policy, origins);
        }
        Framing::Gateway(origins) => {
            policy.push_str("; frame-ancestors 'self'");
            push_all(&mut policy, origins);
        }
    }
    if powers.scripts == Scripts::Ours {
        policy.push_str(&format!("; report-uri {REPORTS_PATH}"));
        // A browser that knows this one leaves the other, and takes the endpoint over TLS alone.
        if setting.transport == Transport::Tls {
            policy.push_str("; report-to pages");
        }
    }
    policy
}

/// The sources to which an ACS may lead the browser. Many send it on, to the bank's own site or to another host of theirs, and
/// browsers hold every step of that to the policy of the page that began it. Which hosts these are nobody tells
/// beforehand; so it is any, over TLS. These pages hold no card data. An ACS without TLS is the sandbox's, and leads nowhere.
fn led_to_by(acs: &WebOrigin) -> &str {
    if acs.as_str().starts_with("https://") { "https:" } else { acs.as_str() }
}

fn push_all(policy: &mut String, origins: &[WebOrigin]) {
    for origin in origins {
        policy.push(' ');
        policy.push_str(origin.as_str());
    }
}
