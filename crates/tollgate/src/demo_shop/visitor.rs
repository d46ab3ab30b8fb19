//! Whose tries are whose: a cookie of the shop's, with nothing in it but a random name.

use http::{HeaderMap, HeaderValue, header};
use tollgate_http::Response;

/// The cookie's name.
const COOKIE: &str = "tollgate_demo";
/// The bits of a name, in bytes.
const NAME_BYTES: usize = 16;

/// A browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor(String);

impl Visitor {
    /// The browser that sent these headers; `None` when it has no cookie yet, or one that is none of ours.
    pub fn of(headers: &HeaderMap) -> Option<Visitor> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, name) = pairs.find(|(known, _)| *known == COOKIE)?;
        let is_ours = name.len() == 2 * NAME_BYTES && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_ours.then(|| Visitor(name.to_owned()))
    }

    /// A new one; `None` when the system gives no randomness.
    pub fn make() -> Option<Visitor> {
        random_hex::<NAME_BYTES>().map(Visitor)
    }

    /// Has the browser remember who it is. `Lax`: a page of somebody else's cannot post in its name.
    pub fn introduce(&self, response: &mut Response, scheme: &str) {
        let secure = if scheme == "https" { "; Secure" } else { "" };
        let cookie = format!("{COOKIE}={}; Path={}; HttpOnly; SameSite=Lax{secure}", self.0, super::PATH);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}

/// So many random bytes in hex; `None` when the system gives no randomness.
pub fn random_hex<const BYTES: usize>() -> Option<String> {
    let mut bytes = [0u8; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    #[test]
    fn a_visitor_is_known_by_its_cookie_among_others() {
        let visitor = Visitor::make().unwrap();
        let line = format!("a=b; {COOKIE}={}; c", visitor.0);
        assert_eq!(Visitor::of(&headers(&line)), Some(visitor));
        for foreign in ["", "a=b", "tollgate_demo=", "tollgate_demo=xyz", "xtollgate_demo=0"] {
            assert_eq!(Visitor::of(&headers(foreign)), None, "{foreign}");
        }
    }
}
