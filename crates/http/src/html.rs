//! Small HTML pages, with headers that let them do no more than they have to.

use crate::answer::{AnswerBody, Response};
use http::{HeaderValue, StatusCode, header};

/// The bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// What a page is let do.
pub(crate) enum Powers<'a> {
    /// Show text.
    Text,
    /// Besides, run its one script with this nonce, and submit a form to a web address. A redirect behind the form is
    /// the merchant's business, so no single address can be named.
    SubmitForm {
        /// Of the script.
        nonce: &'a str,
    },
}

/// A page. It may stand in a frame of the merchant's, is kept nowhere, and tells no other site where it was.
pub(crate) fn page(status: StatusCode, html: String, powers: &Powers<'_>) -> Response {
    let policy = match powers {
        Powers::Text => "default-src 'none'; base-uri 'none'; form-action 'none'".to_owned(),
        Powers::SubmitForm { nonce } => {
            format!("default-src 'none'; script-src 'nonce-{nonce}'; base-uri 'none'; form-action https: http:")
        }
    };
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
