//! Requests of browsers and what they are answered with: limits, headers, redirects.

use super::{PATH, plan};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use std::net::IpAddr;
use std::time::Duration;
use tollgate_fort::text::Language;
use tollgate_http::{AnswerBody, Request, Response, plain};

/// The most bytes of a form.
pub const FORM_BYTES_MAX: usize = 64 * 1024;
/// The longest time for a form to arrive, in milliseconds.
const FORM_MS_MAX: u64 = 15_000;
/// The longest name of a host.
const HOST_CHARS_MAX: usize = 100;

/// A request of a browser's, read.
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, as it came.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty unless it is a form.
    pub body: Vec<u8>,
    /// Who asks.
    pub peer: IpAddr,
}

impl Asked {
    /// Reads a request with its form.
    ///
    /// # Errors
    /// The answer to one that cannot be read.
    pub async fn read(request: Request, peer: IpAddr) -> Result<Asked, Box<Response>> {
        let (head, body) = request.into_parts();
        let refuse = |status, text: &'static str| Err(Box::new(plain(status, format!("Tollgate demo shop: {text}\n"))));
        let body = match head.method {
            Method::GET | Method::HEAD => Bytes::new(),
            Method::POST if !is_form(&head.headers) => {
                return refuse(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "it takes forms (application/x-www-form-urlencoded)",
                );
            }
            Method::POST => {
                let reading = Limited::new(body, FORM_BYTES_MAX).collect();
                match tokio::time::timeout(Duration::from_millis(FORM_MS_MAX), reading).await {
                    Ok(Ok(body)) => body.to_bytes(),
                    Ok(Err(_)) => {
                        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the form is larger than 64 KiB, or broke off");
                    }
                    Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the form did not arrive in time"),
                }
            }
            _ => return refuse(StatusCode::METHOD_NOT_ALLOWED, "it takes GET and POST"),
        };
        Ok(Asked {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: body.to_vec(),
            peer,
        })
    }

    /// A parameter of the query.
    pub fn query_value(&self, name: &str) -> Option<String> {
        value(self.query.as_bytes(), name)
    }

    /// A field of the form.
    pub fn form_value(&self, name: &str) -> Option<String> {
        value(&self.body, name)
    }

    /// What was chosen in a field, whichever way the form came.
    pub fn chosen(&self, name: &str) -> Option<String> {
        self.form_value(name).or_else(|| self.query_value(name))
    }

    /// In which language the shop is looked at.
    pub fn language(&self) -> Language {
        Language::of(self.query_value("language").as_deref())
    }

    /// Scheme, host and port as the browser has them, so that it comes back to where it was.
    pub fn origin(&self, scheme: &str) -> String {
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_host = |host: &&str| {
            !host.is_empty()
                && host.len() <= HOST_CHARS_MAX
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        };
        format!("{scheme}://{}", host.filter(is_host).unwrap_or("localhost"))
    }
}

fn value(pairs: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(pairs).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Where one try is shown.
pub fn try_path(reference: &str, language: Language) -> String {
    in_language(&format!("{PATH}/try/{reference}"), language)
}

/// A path of the shop's that keeps the language in which it is looked at.
pub fn in_language(path: &str, language: Language) -> String {
    match language {
        Language::English => path.to_owned(),
        other => format!("{path}?language={}", plan::code_of(other)),
    }
}

/// What a page is let do beside showing text in the shop's style and running its script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Powers {
    /// Post forms to the shop.
    Own,
    /// Post forms to the gateway as well. A redirect behind such a form counts too and may go to any address: the
    /// gateway's own name, or a bank's.
    Pay,
    /// The same in a frame.
    PayInFrame,
}

/// A page.
pub fn html(status: StatusCode, page: String, powers: Powers) -> Response {
    let more = match powers {
        Powers::Own => "form-action 'self'",
        Powers::Pay => "form-action 'self' https: http:",
        Powers::PayInFrame => "form-action 'self' https: http:; frame-src 'self' https: http:",
    };
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'self'; {more}"
    );
    let mut response = typed(status, "text/html; charset=utf-8", page);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // It is made of fixed texts, so it always fits.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The style or the script, if one is asked for.
pub fn file(asked: &Asked) -> Option<Response> {
    let (content_type, text) = match asked.path.strip_prefix(PATH)? {
        "/shop.css" => ("text/css; charset=utf-8", include_str!("page/shop.css")),
        "/shop.js" => ("text/javascript; charset=utf-8", include_str!("page/shop.js")),
        _ => return None,
    };
    let mut response = typed(StatusCode::OK, content_type, text.to_owned());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(response)
}

/// Sends the browser to a page of the shop's by GET, so that nothing is posted twice.
pub fn see(path: &str) -> Response {
    let mut response = typed(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", String::new());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match HeaderValue::from_str(path) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        // A path of the shop's is made of letters, digits and signs that fit.
        Err(_) => unavailable("a page could not be named"),
    }
}

/// The shop cannot go on.
pub fn unavailable(why: &str) -> Response {
    plain(StatusCode::SERVICE_UNAVAILABLE, format!("Tollgate demo shop: {why}\n"))
}

fn typed(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(AnswerBody::whole(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "same-origin")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
