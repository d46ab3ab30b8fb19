//! GET on an admin address.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::net::TcpStream;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an answer may take, in milliseconds.
const ANSWER_MS_MAX: u64 = 10_000;

/// The JSON that `http://{address}{path}` answers.
///
/// # Errors
/// When nothing answers there, or something else.
pub async fn get_json<T: DeserializeOwned>(address: &str, path: &str) -> anyhow::Result<T> {
    let fetched = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), get(address, path)).await;
    let bytes = fetched.with_context(|| format!("{address}{path} took too long to answer"))??;
    serde_json::from_slice(&bytes).with_context(|| format!("{address}{path} answered something else than expected"))
}

async fn get(address: &str, path: &str) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("nothing answers at {address}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender; there is nothing more to say.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let request = Request::get(path).header(header::HOST, address).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(anyhow::Error::from_boxed)?;
    if status != StatusCode::OK {
        bail!("{address}{path} answered HTTP {status}");
    }
    Ok(body.to_bytes())
}
