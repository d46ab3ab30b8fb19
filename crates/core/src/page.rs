//! How a merchant's customers come to the gateway's page and go back from it. How the page looks: [`crate::page_face`].

use crate::checkout::TRIES_MAX;
use crate::page_face::PageFace;
use std::fmt;

/// The most origins that may frame a merchant's page: they all stand in a header.
pub const FRAME_ANCESTORS_MAX: usize = 8;

/// How a merchant's pages are set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageTerms {
    /// Whether card data may come from a form of the merchant's own.
    pub custom_page: CustomPage,
    /// How the browser goes back.
    pub return_method: ReturnMethod,
    /// Where it goes back to when a request has no `return_url` of its own; http or https.
    pub return_url: Option<String>,
    /// What becomes of a token of TOKENIZATION by the payment that follows, when nobody said so.
    pub token_after_payment: AfterPayment,
    /// The terms and conditions that customers of payment links agree to; http or https. Nobody has to agree to any where
    /// both addresses are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_url: Option<String>,
    /// The same in Arabic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_url_ar: Option<String>,
    /// How many cards a customer may try on one page.
    pub card_tries: CardTries,
    /// How our pages look for its customers.
    #[serde(skip_serializing_if = "PageFace::is_default")]
    pub face: PageFace,
    /// The origins whose pages may frame the standard merchant page; at most [`FRAME_ANCESTORS_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frame_ancestors: Vec<WebOrigin>,
}

/// How many cards a customer may try on one page: 1 to [`TRIES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct CardTries(u8);

impl CardTries {
    /// So many, if an account may allow that.
    #[must_use]
    pub fn new(tries: u8) -> Option<CardTries> {
        (1..=TRIES_MAX).contains(&tries).then_some(CardTries(tries))
    }

    /// How many.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for CardTries {
    fn default() -> CardTries {
        CardTries(TRIES_MAX)
    }
}

impl TryFrom<u8> for CardTries {
    type Error = String;

    fn try_from(tries: u8) -> Result<CardTries, String> {
        CardTries::new(tries).ok_or_else(|| format!("a customer may try 1 to {TRIES_MAX} cards"))
    }
}

impl From<CardTries> for u8 {
    fn from(tries: CardTries) -> u8 {
        tries.get()
    }
}

/// Whether card data may come from a form of the merchant's own, posted by the customer's browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomPage {
    /// It may not: card fields are refused with 00027. Such a form puts the merchant's own page in the scope of
    /// PCI DSS, so somebody has to decide for it.
    #[default]
    Off,
    /// It may.
    On,
}

impl CustomPage {
    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CustomPage::Off => "off",
            CustomPage::On => "on",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<CustomPage> {
        [CustomPage::Off, CustomPage::On].into_iter().find(|known| known.name() == name)
    }
}

/// How the browser goes back to the merchant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnMethod {
    /// By a form that submits itself.
    #[default]
    Post,
    /// By a redirect with the fields in the URL, those of card and customer starred.
    Get,
}

impl ReturnMethod {
    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ReturnMethod::Post => "post",
            ReturnMethod::Get => "get",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<ReturnMethod> {
        [ReturnMethod::Post, ReturnMethod::Get].into_iter().find(|known| known.name() == name)
    }
}

/// What becomes of a provisional token by a payment that succeeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterPayment {
    /// It becomes permanent.
    #[default]
    Keep,
    /// It lapses at its time all the same.
    Forget,
}

impl AfterPayment {
    /// Both of them.
    pub const ALL: [AfterPayment; 2] = [AfterPayment::Keep, AfterPayment::Forget];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AfterPayment::Keep => "keep",
            AfterPayment::Forget => "forget",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<AfterPayment> {
        AfterPayment::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// The origin of a web page: scheme, host and port, for example `https://shop.example`.
///
/// https, or http on a loopback address for who tries things out. Nothing that a header or a policy could be cut at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

/// The most characters of a [`WebOrigin`].
pub const ORIGIN_CHARS_MAX: usize = 200;

impl WebOrigin {
    /// Reads an origin: no path, no query, no user, and ASCII only (an international name in its `xn--` form).
    #[must_use]
    pub fn parse(text: &str) -> Option<WebOrigin> {
        let origin = text.to_ascii_lowercase();
        let (rest, is_https) = match origin.strip_prefix("https://") {
            Some(rest) => (rest, true),
            None => (origin.strip_prefix("http://")?, false),
        };
        let HostPort { host, port } = host_port(rest)?;
        let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let fits = origin.len() <= ORIGIN_CHARS_MAX && is_host(host) && port_fits && (is_https || is_loopback(host));
        fits.then_some(WebOrigin(origin))
    }

    /// The origin of a web address; `None` where it has none that a policy can name.
    #[must_use]
    pub fn of_url(url: &str) -> Option<WebOrigin> {
        let start = url.find("://")? + "://".len();
        let end = url.get(start..)?.find(['/', '?', '#']).map_or(url.len(), |at| start + at);
        WebOrigin::parse(url.get(..end)?)
    }

    /// As a header names it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only a browser on this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        host_port(rest).is_some_and(|of| is_loopback(of.host))
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<WebOrigin, Self::Error> {
        WebOrigin::parse(&text).ok_or("an origin is https:// and a host, and a port if need be")
    }
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> String {
        origin.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Host and port as they are written.
struct HostPort<'a> {
    host: &'a str,
    port: Option<&'a str>,
}

/// The brackets of an IPv6 address stay with the host.
fn host_port(rest: &str) -> Option<HostPort<'_>> {
    match rest.rfind(']') {
        Some(end) => match rest.get(end + 1..)? {
            "" => Some(HostPort { host: rest, port: None }),
            tail => Some(HostPort { host: rest.get(..=end)?, port: Some(tail.strip_prefix(':')?) }),
        },
        None => match rest.split_once(':') {
            Some((host, port)) => Some(HostPort { host, port: Some(port) }),
            None => Some(HostPort { host: rest, port: None }),
        },
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    host.split('.').all(is_label)
}

fn is_loopback(host: &str) -> bool {
    let inner = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || inner.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the browser can be sent to `url`: http or https with a host, and no blank or control character.
#[must_use]
pub fn is_return_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        !host.is_empty() && !rest.chars().any(|c| c.is_whitespace() || c.is_control())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_gone_back_to() {
        for url in ["https://shop.example/pay?a=b#c", "http://127.0.0.1:8080", "https://a.b?x=http://c.d"] {
            assert!(is_return_url(url), "{url}");
        }
        for url in [
            "",
            "/pay",
            "//shop.example/pay",
            "javascript:alert(1)",
            "JavaScript://shop.example/%0aalert(1)",
            "data:text/html,x",
            "HTTPS://shop.example",
            " https://shop.example",
            "https://",
            "https:///pay",
            "https://?a",
            "https://\\shop.example",
            "https://shop.example/\r\nX: y",
            "https://shop.example/a b",
        ] {
            assert!(!is_return_url(url), "{url}");
        }
    }

    #[test]
    fn an_origin_is_a_secure_scheme_a_host_and_a_port() {
        for origin in [
            "https://shop.example",
            "https://pay.shop.example:8443",
            "https://xn--mgbh0fb.example",
            "https://192.0.2.7",
            "https://[2001:db8::7]:8443",
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
        ] {
            assert_eq!(WebOrigin::parse(origin).map(String::from).as_deref(), Some(origin));
        }
        assert_eq!(WebOrigin::parse("HTTPS://Shop.Example").map(String::from).as_deref(), Some("https://shop.example"));
        for wrong in [
            "",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example/pay",
            "https://shop.example?x",
            "https://*.example",
            "https://*",
            "https://a b",
            "https://shop.example; script-src *",
            "https://shop.example, https://other.example",
            "https://user@shop.example",
            "https://shop.example:0",
            "https://shop.example:99999",
            "https://shop.example:",
            "https://[::1",
            "https://[::1]x",
            "https://متجر.example",
            "http://shop.example",
            "http://10.0.0.1",
            "javascript://x",
        ] {
            assert_eq!(WebOrigin::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_origin_of_an_address_ends_before_its_path() {
        for (url, origin) in [
            ("https://acs.example/challenge?x=https://y", Some("https://acs.example")),
            ("https://acs.example:8443", Some("https://acs.example:8443")),
            ("https://acs.example?x#y", Some("https://acs.example")),
            ("http://127.0.0.1:1/a", Some("http://127.0.0.1:1")),
            ("http://acs.example/a", None),
            ("javascript:alert(1)", None),
            ("https://user@acs.example/", None),
        ] {
            assert_eq!(WebOrigin::of_url(url).map(String::from).as_deref(), origin, "{url}");
        }
        assert!(WebOrigin::parse("http://[::1]:3000").is_some_and(|origin| origin.is_loopback()));
        assert!(WebOrigin::parse("https://shop.example").is_some_and(|origin| !origin.is_loopback()));
    }

    #[test]
    fn settings_read_back() {
        for one in [CustomPage::Off, CustomPage::On] {
            assert_eq!(CustomPage::parse(one.name()), Some(one));
        }
        for one in [ReturnMethod::Post, ReturnMethod::Get] {
            assert_eq!(ReturnMethod::parse(one.name()), Some(one));
        }
        for one in AfterPayment::ALL {
            assert_eq!(AfterPayment::parse(one.name()), Some(one));
        }
        assert_eq!(
            (CustomPage::parse("yes"), ReturnMethod::parse("POST"), AfterPayment::parse("")),
            (None, None, None)
        );
    }
}
