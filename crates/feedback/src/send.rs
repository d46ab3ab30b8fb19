//! Sending one feedback over HTTP.

use crate::connect::{Connector, Resolve, SystemResolver};
use crate::guard::{FeedbackUrl, Reach};
use crate::tls::Tls;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tollgate_core::feedback::FeedbackId;

/// How much of an answer's body is read, in bytes; when there is more, the connection is closed.
pub const ANSWER_BYTES_MAX: usize = 4_096;
/// How long the body of an answer is waited for once its head is there, in milliseconds.
const ANSWER_TIMEOUT_MS: u64 = 2_000;
/// How long a connection is kept without use, in milliseconds.
const IDLE_MS_MAX: u64 = 30_000;
/// How many unused connections to one receiver are kept.
const IDLE_PER_HOST_MAX: usize = 4;
/// How large a head of an answer may be, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What came back, on its way.
pub type SendFuture<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// Sends a feedback to its receiver.
pub trait Sender: Send + Sync + 'static {
    /// Sends it once and gives what came back. May be dropped at any time: that is a timeout.
    fn send<'a>(&'a self, parcel: &'a Parcel) -> SendFuture<'a>;
}

/// A feedback that is ready to go.
#[derive(Clone)]
pub struct Parcel {
    /// Its name.
    pub id: FeedbackId,
    /// The order's version after the outcome.
    pub sequence: u32,
    /// Where it goes.
    pub url: String,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body, signed.
    pub body: Bytes,
}

impl std::fmt::Debug for Parcel {
    /// Without the body: it holds names and addresses of customers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parcel").field("id", &self.id).field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// Anything that is posted as feedback is: to an address that is guarded, over connections that are kept for a while.
#[derive(Clone)]
pub struct Post {
    /// Where it goes.
    pub url: String,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// More headers; a secret one is marked as sensitive.
    pub headers: Vec<PostHeader>,
    /// The body.
    pub body: Bytes,
}

/// A header of a [`Post`].
#[derive(Clone)]
pub struct PostHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
}

impl std::fmt::Debug for Post {
    /// Without URL, headers and body: they hold secrets, names and addresses.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status, if one came.
    pub status: Option<u16>,
    /// Why there is none, or why the answer broke off.
    pub error: Option<String>,
    /// The first bytes of the answer's body, as they came.
    pub answer: Vec<u8>,
}

impl Reply {
    /// Whether the receiver has it: 2xx, or 302, which is not followed.
    #[must_use]
    pub fn acknowledges(&self) -> bool {
        matches!(self.status, Some(200..=299 | 302))
    }

    /// Nothing came back.
    #[must_use]
    pub fn failed(error: impl Into<String>) -> Reply {
        Reply { status: None, error: Some(error.into()), answer: Vec::new() }
    }
}

/// Sends over HTTP/1.1, with connections that are kept for a while.
pub struct HttpSender {
    reach: Reach,
    client: Client<Connect, Full<Bytes>>,
}

impl HttpSender {
    /// A sender that trusts the system's certificate authorities, which are read when the first of them is
    /// needed, and asks the system's resolver.
    #[must_use]
    pub fn new(reach: Reach) -> HttpSender {
        HttpSender::over(reach, Arc::new(SystemResolver), Tls::of_the_system())
    }

    /// A sender with a resolver and TLS settings of one's own.
    #[must_use]
    pub fn with(reach: Reach, resolver: Arc<dyn Resolve>, tls: Arc<rustls::ClientConfig>) -> HttpSender {
        HttpSender::over(reach, resolver, Tls::given(tls))
    }

    fn over(reach: Reach, resolver: Arc<dyn Resolve>, tls: Tls) -> HttpSender {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(IDLE_MS_MAX))
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(Connect(Connector { reach, resolver, tls }));
        HttpSender { reach, client }
    }

    /// Posts it once and gives what came back. May be dropped at any time: that is a timeout.
    pub async fn post(&self, post: &Post) -> Reply {
        let url = match FeedbackUrl::parse(&post.url, self.reach) {
            Ok(url) => url,
            Err(fault) => return Reply::failed(format!("the URL may not be called: {fault}")),
        };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url.uri())
            .header(header::CONTENT_TYPE, HeaderValue::from_static(post.content_type))
            .header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))
            .header(header::ACCEPT, HeaderValue::from_static("*/*"));
        for PostHeader { name, value } in &post.headers {
            request = request.header(name, value);
        }
        let request = match request.body(Full::new(post.body.clone())) {
            Ok(request) => request,
            Err(error) => return Reply::failed(format!("no request can be made of the URL: {error}")),
        };
        match self.client.request(request).await {
            Ok(response) => {
                let status = Some(response.status().as_u16());
                // The status alone decides; a body that does not end must not take it back.
                let Beginning { answer, error } = beginning(response.into_body()).await;
                Reply { status, error, answer }
            }
            Err(error) => Reply::failed(with_causes(&error)),
        }
    }
}

impl Sender for HttpSender {
    fn send<'a>(&'a self, parcel: &'a Parcel) -> SendFuture<'a> {
        Box::pin(async move {
            let header = |name: &'static str, value: String| {
                let value = HeaderValue::try_from(value).ok()?;
                Some(PostHeader { name: HeaderName::from_static(name), value })
            };
            let headers =
                [header(ID_HEADER, parcel.id.to_string()), header(SEQUENCE_HEADER, parcel.sequence.to_string())];
            let post = Post {
                url: parcel.url.clone(),
                content_type: parcel.content_type,
                headers: headers.into_iter().flatten().collect(),
                body: parcel.body.clone(),
            };
            self.post(&post).await
        })
    }
}

const USER_AGENT: &str = concat!("Tollgate/", env!("CARGO_PKG_VERSION"));
/// The header with the feedback's name, the same in each try.
pub(crate) const ID_HEADER: &str = "tollgate-feedback-id";
/// The header with the order's version, which grows with each change of the order.
pub(crate) const SEQUENCE_HEADER: &str = "tollgate-feedback-sequence";

/// The beginning of a body.
struct Beginning {
    answer: Vec<u8>,
    /// Why it broke off.
    error: Option<String>,
}

/// Reads as much as may be kept. What is not read to its end is dropped with its connection.
async fn beginning(mut body: Incoming) -> Beginning {
    let mut answer = Vec::new();
    let end = tokio::time::Instant::now() + Duration::from_millis(ANSWER_TIMEOUT_MS);
    loop {
        let data = match tokio::time::timeout_at(end, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(error))) => {
                let error = Some(format!("the answer broke off: {}", with_causes(&error)));
                return Beginning { answer, error };
            }
            Err(_) => return Beginning { answer, error: Some("the answer did not end in time".to_owned()) },
        };
        let room = ANSWER_BYTES_MAX.saturating_sub(answer.len());
        answer.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            break;
        }
    }
    Beginning { answer, error: None }
}

/// An error with what lies behind it: hyper's own words alone say little.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&words);
        }
        next = error.source();
    }
    text
}

/// The connector as the pool calls it.
#[derive(Clone)]
struct Connect(Connector);

impl tower_service::Service<http::Uri> for Connect {
    type Response = hyper_util::rt::TokioIo<crate::connect::Stream>;
    type Error = crate::connect::ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let connector = self.0.clone();
        Box::pin(async move { connector.connect(&uri).await.map(crate::connect::Stream::into_io) })
    }
}
