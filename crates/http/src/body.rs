//! Reading a request's body within limits.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;
use tollgate_core::secret::Wiped;

/// How much of a body that is too large is read and thrown away, so that the client has sent it and
/// reads the answer. Beyond it the connection is closed.
pub const BODY_BYTES_DRAINED_MAX: usize = 16 * 1024 * 1024;
/// The longest time for a body to arrive, in milliseconds.
const BODY_TIMEOUT_MS: u64 = 15_000;
/// A first guess, so that an ordinary request needs one allocation.
const BODY_BYTES_USUAL: usize = 1024;

/// A body, or why there is none.
pub(crate) enum Body {
    /// All of it. Wiped when dropped, since it may hold card data.
    Whole(Wiped<Vec<u8>>),
    /// Larger than the limit; it was read to its end and thrown away.
    TooLarge,
    /// The client stopped sending, was too slow, or sends without an end.
    Broken,
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: Incoming, limit: usize) -> Body {
    let reading = read_all(body, limit);
    tokio::time::timeout(Duration::from_millis(BODY_TIMEOUT_MS), reading).await.unwrap_or(Body::Broken)
}

async fn read_all(mut body: Incoming, limit: usize) -> Body {
    let mut whole: Wiped<Vec<u8>> = Wiped::with_capacity(BODY_BYTES_USUAL);
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Body::Broken };
        let Some(data) = frame.data_ref() else { continue };
        length = length.saturating_add(data.len());
        if length > BODY_BYTES_DRAINED_MAX {
            return Body::Broken;
        }
        if length <= limit {
            whole.extend_from_slice(data);
        }
    }
    if length > limit { Body::TooLarge } else { Body::Whole(whole) }
}
