//! The admin port of the sandbox card network that runs beside the gateway.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long an answer may take, in milliseconds.
const ANSWER_MS_MAX: u64 = 5_000;

/// A way to the network's admin port.
#[derive(Clone, Copy, Debug)]
pub struct NetworkAdmin {
    address: SocketAddr,
}

impl NetworkAdmin {
    /// The network that listens there.
    pub const fn new(address: SocketAddr) -> NetworkAdmin {
        NetworkAdmin { address }
    }

    /// Sends a request and gives the JSON of its answer. `Value::Null` as a body is no body.
    ///
    /// # Errors
    /// When nothing answers, or the network says no: then the error is what it said.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let asked = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), self.exchange(method, path, body));
        asked.await.context("the sandbox card network took too long to answer")?
    }

    async fn exchange(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let stream = TcpStream::connect(self.address).await.context("the sandbox card network does not answer")?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; there is nothing more to say.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(serde_json::to_vec(body)?) };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))?;
        let response = sender.send_request(request).await.context("the sandbox card network hung up")?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let answer: Value = serde_json::from_slice(&body.map_err(anyhow::Error::from_boxed)?.to_bytes())?;
        match answer["error"].as_str() {
            _ if status.is_success() => Ok(answer),
            Some(error) => bail!("{error}"),
            None => bail!("the sandbox card network answered HTTP {status}"),
        }
    }
}
