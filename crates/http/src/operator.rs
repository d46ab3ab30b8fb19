//! The operator API: what the commands of `tollgate` ask of a running gateway.
//!
//! It is served on the admin address under `/operator/`. Each request carries `Authorization: Bearer TOKEN`;
//! the token lies in the gateway's data folder, so whoever may read that folder is an operator. Bodies are
//! JSON in and out. What is behind each path is an [`OperatorRoute`], registered by whoever offers it.

use crate::Request;
use crate::answer::{Response, plain, problem};
use crate::body::{self, Body};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{Method, StatusCode, header};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tollgate_core::secret::Secret;
use tollgate_core::secret::Wiped;

/// What every path of the operator API begins with.
pub const OPERATOR_PATH: &str = "/operator/";
/// The largest body of an operator's request, in bytes.
pub const OPERATOR_BODY_BYTES_MAX: usize = 256 * 1024;

/// A request of an operator whose token was right.
#[derive(Debug)]
pub struct OperatorRequest {
    /// The method.
    pub method: Method,
    /// What follows the route's name in the path, without the slash between them: of
    /// `/operator/unknown/123/resolve` it is `123/resolve`.
    pub path: String,
    /// The query, without the question mark.
    pub query: Option<String>,
    /// The body, whole.
    pub body: Wiped<Vec<u8>>,
}

impl OperatorRequest {
    /// The body as JSON.
    ///
    /// # Errors
    /// A response that says what is wrong with it.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Box<Response>> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Box::new(problem(StatusCode::BAD_REQUEST, format!("the body is not what is expected: {error}")))
        })
    }

    /// A parameter of the query.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes())
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// A part of the operator API.
pub trait OperatorRoute: Send + Sync + 'static {
    /// The first part of its paths: `clock` serves `/operator/clock` and all below it.
    fn name(&self) -> &'static str;

    /// The answer to one request.
    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>>;
}

/// The operator API of a gateway.
pub struct Operator {
    token: Secret,
    routes: Vec<Arc<dyn OperatorRoute>>,
    refused: Arc<AtomicU64>,
}

impl Operator {
    /// The API behind `token`, with these parts.
    #[must_use]
    pub fn new(token: Secret, routes: Vec<Arc<dyn OperatorRoute>>) -> Operator {
        Operator { token, routes, refused: Arc::default() }
    }

    /// The same, counting requests without the right token in `refused`.
    #[must_use]
    pub fn counting(self, refused: Arc<AtomicU64>) -> Operator {
        Operator { refused, ..self }
    }

    /// The answer to a request under [`OPERATOR_PATH`]. Without the right token it says nothing at all,
    /// and the body is not read.
    pub async fn answer(&self, request: Request) -> Response {
        if !self.is_authorized(&request) {
            metrics::counter!("tollgate_operator_unauthorized_total").increment(1);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return plain(StatusCode::UNAUTHORIZED, "");
        }
        let path = request.uri().path().strip_prefix(OPERATOR_PATH).unwrap_or_default().trim_end_matches('/');
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let Some(route) = self.routes.iter().find(|route| route.name() == name) else {
            return problem(StatusCode::NOT_FOUND, format!("this gateway has no {OPERATOR_PATH}{name}"));
        };
        let (path, query) = (rest.to_owned(), request.uri().query().map(str::to_owned));
        let method = request.method().clone();
        match body::read(request.into_body(), OPERATOR_BODY_BYTES_MAX).await {
            Body::Whole(body) => Arc::clone(route).call(OperatorRequest { method, path, query, body }).await,
            Body::TooLarge => problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body has more than {OPERATOR_BODY_BYTES_MAX} bytes"),
            ),
            Body::Broken => problem(StatusCode::BAD_REQUEST, "the body did not arrive in whole"),
        }
    }

    /// Whether the token is right; how long that takes does not tell how much of it was.
    fn is_authorized(&self, request: &Request) -> bool {
        let given = request.headers().get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let token = given.and_then(|given| given.strip_prefix(b"Bearer "));
        token.is_some_and(|token| verify_slices_are_equal(token, self.token.reveal().as_bytes()).is_ok())
    }
}
