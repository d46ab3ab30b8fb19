//! The body of a response: whole in memory, or a stream of pieces that are written as they come.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A response on its way out.
pub type Response = http::Response<AnswerBody>;

/// The body of a [`Response`].
#[derive(Debug)]
pub enum AnswerBody {
    /// All of it, in memory: what nearly every answer is.
    Whole(Full<Bytes>),
    /// Pieces, each written when it comes. The response ends when every sender of the channel is gone;
    /// the channel closes when the client is.
    Pieces(mpsc::Receiver<Bytes>),
    /// The same where a piece may be missing: then the response breaks off, so that nobody takes it for complete.
    Rows(mpsc::Receiver<Result<Bytes, BrokenOff>>),
}

/// A response that could not be written to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer broke off")]
pub struct BrokenOff;

impl AnswerBody {
    /// A body in memory.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> AnswerBody {
        AnswerBody::Whole(Full::new(bytes.into()))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            AnswerBody::Whole(whole) => Pin::new(whole)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            AnswerBody::Rows(rows) => rows.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data))),
            AnswerBody::Pieces(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Whole(whole) => whole.is_end_stream(),
            AnswerBody::Pieces(_) | AnswerBody::Rows(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Whole(whole) => whole.size_hint(),
            AnswerBody::Pieces(_) | AnswerBody::Rows(_) => SizeHint::default(),
        }
    }
}

/// A response in plain text.
#[must_use]
pub fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    typed(status, "text/plain; charset=utf-8", Bytes::from(text.into()))
}

/// A response in JSON.
#[must_use]
pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => typed(status, "application/json", Bytes::from(bytes)),
        // Only a map with keys that are no texts ends here: a defect of ours.
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written as JSON\n"),
    }
}

/// A response in JSON that says what is wrong and what to do: `{"error": "..."}`.
#[must_use]
pub fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    json(status, &serde_json::json!({ "error": error.into() }))
}

/// A response whose pieces come from `pieces`, each written as soon as it is there.
#[must_use]
pub fn pieces(content_type: &'static str, pieces: mpsc::Receiver<Bytes>) -> Response {
    let mut response = Response::new(AnswerBody::Pieces(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The same for a response that may break off.
pub(crate) fn rows(content_type: &'static str, rows: mpsc::Receiver<Result<Bytes, BrokenOff>>) -> Response {
    let mut response = Response::new(AnswerBody::Rows(rows));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn typed(status: StatusCode, content_type: &'static str, bytes: Bytes) -> Response {
    let mut response = Response::new(AnswerBody::whole(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
