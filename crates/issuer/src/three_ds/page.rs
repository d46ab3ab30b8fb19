//! The pages of the ACS: what a bank shows in the window of a shop. They need no script, and load nothing.

use super::challenge::{Challenge, Notice, Price};
use super::texts::{Language, Texts, scheme};
use crate::web::Answer;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use std::fmt::Write as _;

/// The bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// The style of every page: one column, two where the window is wide, dark where the customer likes that. The smallest
/// window of the protocol has 250 x 400 points.
const STYLE: &str = "*{box-sizing:border-box}\
:root{color-scheme:light dark;--ground:#fff;--ink:#1f2933;--soft:#52606d;--line:#cbd2d9;--field:#7b8794;--main:#1d4f91;\
--on-main:#fff;--bad:#a4161a;--bad-ground:#fdecec;--told:#eef3fa}\
@media(prefers-color-scheme:dark){:root{--ground:#14181d;--ink:#e8ecf1;--soft:#aab5c1;--line:#3a4550;--field:#8794a1;\
--main:#8ab8f5;--on-main:#0d1b2e;--bad:#ffb0b0;--bad-ground:#3a1c1f;--told:#1c2733}}\
body{margin:0;padding:.75rem 1rem 1rem;font:.9375rem/1.45 system-ui,'Segoe UI',Roboto,'Noto Sans','Noto Sans Arabic',\
sans-serif;color:var(--ink);background:var(--ground);overflow-wrap:anywhere}\
main{max-width:40rem;margin:0 auto}\
header{display:flex;flex-wrap:wrap;align-items:center;gap:.125rem .375rem;white-space:nowrap;padding-bottom:.5rem;margin-bottom:.625rem;\
border-bottom:1px solid var(--line)}\
header svg{flex:none;width:1.375rem;height:1.375rem;fill:var(--main)}\
.bank{font-weight:700;flex:1}\
.scheme{font-size:.8125rem;font-weight:600;color:var(--soft);border:1px solid var(--line);border-radius:4px;\
padding:.0625rem .4375rem;white-space:nowrap}\
h1{margin:0 0 .25rem;font-size:1.125rem;line-height:1.3;font-weight:700}\
p{margin:0 0 .625rem}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.125rem .75rem;margin:0 0 .75rem}\
dt{color:var(--soft)}dd{margin:0;text-align:end;font-weight:600}\
label{display:block;font-weight:600;margin-bottom:.25rem}\
input{width:100%;min-height:2.75rem;padding:.375rem .75rem;font:600 1.25rem/1.2 ui-monospace,'Cascadia Mono',Consolas,\
'DejaVu Sans Mono',monospace;letter-spacing:.25em;text-align:center;color:var(--ink);background:var(--ground);\
border:1px solid var(--field);border-radius:6px}\
input[aria-invalid]{border:2px solid var(--bad)}\
.told,.bad{padding:.375rem .625rem;border-radius:4px;background:var(--told)}\
.bad{color:var(--bad);background:var(--bad-ground);font-weight:600}\
.sandbox{margin:.375rem 0 .625rem;font-size:.875rem;color:var(--soft)}\
.sandbox b{color:var(--ink);letter-spacing:.06em}\
button{font:inherit;font-weight:600;min-height:2.75rem;padding:.375rem .75rem;cursor:pointer;border-radius:6px;\
border:1px solid transparent}\
.main{width:100%;color:var(--on-main);background:var(--main)}\
.quiet{color:var(--main);background:none;border-color:transparent;padding-inline:.25rem}\
.language{min-height:2.25rem;font-size:.875rem;padding:.125rem}\
.more{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 .75rem;margin-top:.25rem}\
details{margin-top:.25rem;font-size:.875rem}summary{cursor:pointer;color:var(--soft);padding:.375rem 0}\
:focus-visible{outline:3px solid #c27c00;outline-offset:2px}\
@media(max-height:26rem){body{padding-top:.375rem;line-height:1.35}header{padding-bottom:.25rem;margin-bottom:.375rem}\
dl,p{margin-bottom:.5rem}input,.main{min-height:2.5rem}}\
@media(max-width:18rem){body{padding-inline:.625rem}header{justify-content:flex-end;gap:.125rem .25rem}\
header svg{width:1rem;height:1rem}.bank,.language{font-size:.8125rem}.scheme{font-size:.75rem;padding-inline:.25rem}\
.more .quiet{padding-inline:0}}\
@media(min-width:34rem){.two{display:grid;grid-template-columns:1fr 1fr;gap:0 2rem;align-items:start}}";

/// A shield with a tick: the mark of the bank that does not exist.
const MARK: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M12 1 3 5v6c0 5.5 3.8 10.7 9 12 5.2-1.3 9-6.5 \
9-12V5l-9-4zm-1.2 15.2L7 12.4l1.5-1.5 2.3 2.3 4.9-4.9 1.5 1.5-6.4 6.4z\"/></svg>";

/// Who may show a page in a frame: any page of the web.
///
/// The browser holds a policy against every frame around a page up to the window itself. Around the challenge stands the
/// page of the 3DS Server, whose address an AReq tells; around that one a shop's may stand, of which it tells nothing
/// certain (`threeDSRequestorURL` is a website of whoever registered with the payment system). A policy that named what is
/// known would leave the customers of a framed shop with an empty frame. Who may frame its own page says the 3DS Server.
const FRAME_ANCESTORS: &str = "https: http:";

/// A hidden field of a form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hidden<'a> {
    pub(crate) name: &'static str,
    pub(crate) value: &'a str,
}

/// The page that asks for the code. `path` is where its forms go.
pub(crate) fn question(challenge: &Challenge, notice: Notice, path: &str) -> Answer {
    let language = challenge.language;
    let texts = language.texts();
    let mut html = String::with_capacity(8 * 1024);
    let nonce = nonce();
    begin(&mut html, language, texts.title, nonce.as_deref());
    header(&mut html, challenge, path);
    let _ = write!(html, "<div class=\"two\"><section><h1>{}</h1><p>{}</p>", texts.title, texts.lead);
    facts(&mut html, challenge, texts);
    html.push_str("</section><section>");
    answer_form(&mut html, challenge, notice, path);
    let _ = write!(
        html,
        "<div class=\"more\">{}{}</div><details><summary>{}</summary><p>{}</p></details></section></div>",
        small_form(path, "resend", texts.resend),
        small_form(path, "cancel", texts.cancel),
        texts.help,
        texts.help_text
    );
    html.push_str("</main></body></html>\n");
    page(StatusCode::OK, html, &policy(Powers::AskHere, nonce.as_deref()))
}

/// A page that submits one form by itself, or by a button where scripts are off.
pub(crate) fn onward(language: Language, url: &str, fields: &[Hidden<'_>]) -> Answer {
    let texts = language.texts();
    let mut html = String::with_capacity(6 * 1024);
    let nonce = nonce();
    begin(&mut html, language, texts.returning, nonce.as_deref());
    let _ = write!(
        html,
        "<h1>{}</h1><p>{}</p><form id=\"onward\" method=\"post\" action=\"",
        texts.returning, texts.returning_lead
    );
    push_escaped(&mut html, url);
    html.push_str("\">");
    for field in fields {
        let _ = write!(html, "<input type=\"hidden\" name=\"{}\" value=\"", field.name);
        push_escaped(&mut html, field.value);
        html.push_str("\">");
    }
    let _ = write!(html, "<button class=\"main\">{}</button></form></main>", texts.go_on);
    if let Some(nonce) = &nonce {
        let _ = write!(html, "<script nonce=\"{nonce}\">document.getElementById('onward').submit()</script>");
    }
    html.push_str("</body></html>\n");
    page(StatusCode::OK, html, &policy(Powers::GoOn, nonce.as_deref()))
}

/// The page of a challenge that is not there. Nobody knows who frames it, and it does nothing, so anybody may.
pub(crate) fn over(status: StatusCode, language: Language) -> Answer {
    let texts = language.texts();
    let mut html = String::with_capacity(5 * 1024);
    let nonce = nonce();
    begin(&mut html, language, texts.over, nonce.as_deref());
    let _ = write!(html, "<h1>{}</h1><p>{}</p>", texts.over, texts.over_lead);
    let other = language.other().texts();
    let (code, direction) = (language.other().code(), language.other().direction());
    let _ = write!(
        html,
        "<section lang=\"{code}\" dir=\"{direction}\"><h1>{}</h1><p>{}</p></section>",
        other.over, other.over_lead
    );
    html.push_str("</main></body></html>\n");
    let style = nonce.map_or_else(String::new, |nonce| format!(" style-src 'nonce-{nonce}';"));
    page(status, html, &format!("default-src 'none';{style} base-uri 'none'; form-action 'none'"))
}

fn begin(html: &mut String, language: Language, title: &str, nonce: Option<&str>) {
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"{}\" dir=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>",
        language.code(),
        language.direction()
    );
    if let Some(nonce) = nonce {
        let _ = write!(html, "<style nonce=\"{nonce}\">{STYLE}</style>");
    }
    html.push_str("</head><body><main>");
}

fn header(html: &mut String, challenge: &Challenge, path: &str) {
    let other = challenge.language.other();
    let _ = write!(
        html,
        "<header>{MARK}<span class=\"bank\">{}</span><form method=\"post\" action=\"{path}\"><input type=\"hidden\" \
         name=\"action\" value=\"language\"><input type=\"hidden\" name=\"language\" value=\"{code}\"><button class=\"quiet \
         language\" lang=\"{code}\">{}</button></form><span class=\"scheme\" dir=\"ltr\">{}</span></header>",
        challenge.language.texts().bank,
        other.own_name(),
        scheme(challenge.facts.brand),
        code = other.code(),
    );
}

fn facts(html: &mut String, challenge: &Challenge, texts: &Texts) {
    let facts = &challenge.facts;
    let _ = write!(html, "<dl><dt>{}</dt><dd><bdi>", texts.merchant);
    push_escaped(html, &facts.merchant_name);
    html.push_str("</bdi></dd>");
    if let Some(price) = &facts.price {
        let _ = write!(html, "<dt>{}</dt><dd><bdi dir=\"ltr\">{}</bdi></dd>", texts.amount, shown(price));
    }
    if let Some(day) = facts.date.as_deref().and_then(|date| texts.day(date)) {
        let _ = write!(html, "<dt>{}</dt><dd><bdi>{day}</bdi></dd>", texts.date);
    }
    let _ = write!(html, "<dt>{}</dt><dd><bdi dir=\"ltr\">•••• ", texts.card);
    push_escaped(html, &facts.card_tail);
    html.push_str("</bdi></dd></dl>");
}

fn answer_form(html: &mut String, challenge: &Challenge, notice: Notice, path: &str) {
    let texts = challenge.language.texts();
    let is_bad = matches!(notice, Notice::Wrong { .. } | Notice::NoCode);
    if let Some(words) = texts.notice(notice) {
        let (class, role) = if is_bad { ("bad", "alert") } else { ("told", "status") };
        let _ = write!(html, "<p id=\"notice\" class=\"{class}\" role=\"{role}\">{words}</p>");
    }
    let (invalid, described) = if is_bad { (" aria-invalid=\"true\"", "notice sandbox") } else { ("", "sandbox") };
    let _ = write!(
        html,
        "<form method=\"post\" action=\"{path}\" autocomplete=\"off\"><input type=\"hidden\" name=\"action\" \
         value=\"submit\"><label for=\"code\">{}</label><input id=\"code\" name=\"code\" dir=\"ltr\" inputmode=\"numeric\" \
         autocomplete=\"one-time-code\" maxlength=\"32\" aria-describedby=\"{described}\"{invalid}><p id=\"sandbox\" \
         class=\"sandbox\">{} <b><bdi dir=\"ltr\">{}</bdi></b></p><button class=\"main\">{}</button></form>",
        texts.code, texts.sandbox, challenge.facts.code, texts.submit
    );
}

fn small_form(path: &str, action: &str, words: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{path}\"><input type=\"hidden\" name=\"action\" value=\"{action}\"><button \
         class=\"quiet\">{words}</button></form>"
    )
}

/// `AED 1,234.50`.
fn shown(price: &Price) -> String {
    let trimmed = price.minor.trim_start_matches('0');
    let digits = format!("{trimmed:0>width$}", width = price.exponent + 1);
    let (major, minor) = digits.split_at(digits.len() - price.exponent);
    let mut text = format!("{} ", price.currency);
    for (place, digit) in major.chars().enumerate() {
        if place > 0 && (major.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !minor.is_empty() {
        text.push('.');
        text.push_str(minor);
    }
    text
}

/// What a page is let do besides showing itself.
#[derive(Clone, Copy, Debug)]
enum Powers {
    /// Submit its forms to this server.
    AskHere,
    /// Run its one script, and submit its form to the web. A redirect behind the form is the shop's business, so no
    /// single address can be named.
    GoOn,
}

fn policy(powers: Powers, nonce: Option<&str>) -> String {
    let own = match (powers, nonce) {
        (_, None) => String::new(),
        (Powers::AskHere, Some(nonce)) => format!(" style-src 'nonce-{nonce}';"),
        (Powers::GoOn, Some(nonce)) => format!(" style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"),
    };
    let forms = match powers {
        Powers::AskHere => "'self'",
        Powers::GoOn => "https: http:",
    };
    format!("default-src 'none';{own} base-uri 'none'; form-action {forms}; frame-ancestors {FRAME_ANCESTORS}")
}

fn page(status: StatusCode, html: String, policy: &str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(html)));
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
    let policy = HeaderValue::from_str(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// A nonce that nobody can guess; `None` when the system gives no randomness.
fn nonce() -> Option<String> {
    let mut bytes = [0u8; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(2 * NONCE_BYTES), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Appends `text` as it may stand inside an element or a quoted attribute. Line breaks are written out, because a browser
/// would change them.
fn push_escaped(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\r' => html.push_str("&#13;"),
            '\n' => html.push_str("&#10;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_the_decimals_of_their_currency() {
        for (minor, exponent, currency, expected) in [
            ("123450", 2, "AED", "AED 1,234.50"),
            ("5", 2, "SAR", "SAR 0.05"),
            ("000", 2, "SAR", "SAR 0.00"),
            ("1234567", 3, "KWD", "KWD 1,234.567"),
            ("100000", 0, "JPY", "JPY 100,000"),
            ("0", 0, "JPY", "JPY 0"),
        ] {
            assert_eq!(shown(&Price { minor: minor.to_owned(), exponent, currency }), expected);
        }
    }

    #[test]
    fn nothing_breaks_out_of_an_attribute() {
        let mut html = String::new();
        push_escaped(&mut html, "\"><script>alert('x')</script>&\r\nمتجر");
        assert_eq!(html, "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&#13;&#10;متجر");
    }

    #[test]
    fn a_page_is_framed_by_web_pages_and_loads_nothing() {
        let answer = onward(Language::Arabic, "https://pay.example/x?a=1&b=\"", &[]);
        let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY).and_then(|value| value.to_str().ok());
        let policy = policy.unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
        assert!(policy.ends_with("frame-ancestors https: http:"), "{policy}");
    }
}
