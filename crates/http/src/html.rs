//! Small HTML pages, with headers that let them do no more than they have to.

use crate::answer::{AnswerBody, Response};
use http::{HeaderValue, StatusCode, header};

/// The bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// The style of every page: one calm column that fits a phone, in either direction of writing.
const STYLE: &str = "*{box-sizing:border-box}\
body{margin:0;padding:2rem 1.25rem;font:1rem/1.6 system-ui,'Segoe UI',Roboto,'Noto Sans','Noto Sans Arabic',sans-serif;\
color:#1f2933;background:#fff;overflow-wrap:anywhere}\
main{max-width:32rem;margin:0 auto}\
h1{margin:0 0 1rem;font-size:1.375rem;line-height:1.35;font-weight:600}\
p{margin:0 0 1rem}\
.told{padding:.75rem 1rem;background:#f2f4f7;border-inline-start:4px solid #7b8794;border-radius:2px}\
button{display:block;width:100%;min-height:3rem;padding:.75rem 1rem;font:inherit;font-weight:600;color:#fff;\
background:#1d4f91;border:0;border-radius:6px;cursor:pointer}\
button:focus-visible{outline:3px solid #f0a500;outline-offset:2px}";

/// What a page is let do, besides looking like [`STYLE`] where it has a nonce.
#[derive(Clone, Copy)]
pub(crate) enum Powers {
    /// Show text.
    Text,
    /// Run its one script, and submit a form to a web address. A redirect behind the form is the merchant's business,
    /// so no single address can be named.
    SubmitForm,
}

/// A page. It may stand in a frame of the merchant's, is kept nowhere, and tells no other site where it was. Its style
/// and its script have the nonce; without one, neither is let do anything.
pub(crate) fn page(status: StatusCode, html: String, powers: Powers, nonce: Option<&str>) -> Response {
    let forms = match powers {
        Powers::Text => "'none'",
        Powers::SubmitForm => "https: http:",
    };
    let own = match (powers, nonce) {
        (_, None) => String::new(),
        (Powers::Text, Some(nonce)) => format!(" style-src 'nonce-{nonce}';"),
        (Powers::SubmitForm, Some(nonce)) => format!(" style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"),
    };
    let policy = format!("default-src 'none';{own} base-uri 'none'; form-action {forms}");
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
    // A nonce is hex, so it always fits; without a policy the page would be let do too much.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The element of the style, for the head of a page with this nonce.
pub(crate) fn style(nonce: Option<&str>) -> String {
    nonce.map_or_else(String::new, |nonce| format!("<style nonce=\"{nonce}\">{STYLE}</style>\n"))
}

/// A nonce that nobody can guess; `None` when the system gives no randomness.
pub(crate) fn nonce() -> Option<String> {
    let mut bytes = [0u8; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Appends `text` as it may stand inside an element or a quoted attribute. Line breaks are written out, because a
/// browser would change them, and the signature is over the text as it is.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_an_attribute() {
        let mut out = String::new();
        push_escaped(&mut out, "\"><script>alert('x')</script>&amp;\r\nمحمد");
        assert_eq!(out, "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;&#13;&#10;محمد");
    }

    #[test]
    fn a_nonce_is_new_each_time() {
        let (one, other) = (nonce(), nonce());
        assert!(one.as_ref().is_some_and(|nonce| nonce.len() == 2 * NONCE_BYTES) && one != other);
    }
}
