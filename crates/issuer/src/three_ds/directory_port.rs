//! The HTTP port of the directory server: `POST /ds`.

use super::ThreeDs;
use super::directory::{DirectoryAnswer, answer};
use crate::web::{self, Answer, HangUp, Port, not_allowed, problem};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tollgate_threeds::message::MESSAGE_BYTES_MAX;

/// A silent server closes the connection after so many milliseconds: longer than any 3DS Server waits.
const SILENT_MS_MAX: u64 = 60_000;
/// What stands in place of an answer where garbage is asked for.
const GARBAGE: &[u8] = b"<html>\xff\xfe{\"messageType\":";

/// Serves the directory server until `stop` says otherwise.
pub(crate) async fn serve(port: Port, three_ds: Arc<ThreeDs>, stop: watch::Receiver<bool>) {
    let respond = move |request| {
        let three_ds = Arc::clone(&three_ds);
        async move { respond(&three_ds, request).await }
    };
    web::serve(port, stop, respond).await;
}

async fn respond(three_ds: &Arc<ThreeDs>, request: Request<Incoming>) -> Result<Answer, HangUp> {
    if request.uri().path() != "/ds" {
        return Ok(problem(StatusCode::NOT_FOUND, "the directory server answers POST /ds"));
    }
    if request.method() != Method::POST {
        return Ok(not_allowed("POST"));
    }
    let Some(body) = web::body(request, MESSAGE_BYTES_MAX).await else {
        return Ok(problem(StatusCode::PAYLOAD_TOO_LARGE, "the body did not arrive, or has more than 65536 bytes"));
    };
    match answer(three_ds, &body) {
        DirectoryAnswer::Message(bytes) => Ok(message(&bytes)),
        DirectoryAnswer::Slow(bytes) => {
            tokio::time::sleep(Duration::from_millis(three_ds.slow_ms)).await;
            Ok(message(&bytes))
        }
        DirectoryAnswer::Silent => {
            tokio::time::sleep(Duration::from_millis(SILENT_MS_MAX)).await;
            Err(HangUp)
        }
        DirectoryAnswer::Garbage => Ok(message(GARBAGE)),
    }
}

/// Errors of the protocol are messages too, so the status is 200 for all.
fn message(bytes: &[u8]) -> Answer {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(bytes)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}
