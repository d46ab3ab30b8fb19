//! The HTTP client for the admin ports: the gateway's own and the sandbox card network's.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tollgate_core::secret::Secret;

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A way to an admin port.
#[derive(Clone, Debug)]
pub struct AdminClient {
    /// Where it is.
    pub address: SocketAddr,
    /// Who listens there, for errors: "the running gateway".
    pub who: &'static str,
    /// What it wants to see before it answers, if anything.
    pub token: Option<Secret>,
    /// How long an answer may take, in milliseconds.
    pub answer_ms_max: u64,
}

impl AdminClient {
    /// Sends a request and gives the JSON of its answer. `Value::Null` as a body is no body.
    ///
    /// # Errors
    /// When nothing answers in time, or the other side says no: then the error is what it said.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask_bytes(method, path, bytes_of(body)?).await
    }

    /// The same with a body that is JSON already.
    ///
    /// # Errors
    /// As [`AdminClient::ask`].
    pub async fn ask_bytes(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let who = self.who;
        let asked = tokio::time::timeout(Duration::from_millis(self.answer_ms_max), async {
            let response = self.send_bytes(method, path, body).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            anyhow::Ok((status, body.map_err(anyhow::Error::from_boxed)?.to_bytes()))
        });
        let (status, bytes) = asked.await.with_context(|| format!("{who} took too long to answer"))??;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        match answer["error"].as_str() {
            _ if status.is_success() && answer.is_null() => bail!("{who} answered something that is no JSON"),
            _ if status.is_success() => Ok(answer),
            Some(error) => bail!("{error}"),
            None if status == StatusCode::UNAUTHORIZED => {
                bail!("{who} does not take the token of this folder: was it started again just now?")
            }
            None => bail!("{who} answered HTTP {status}"),
        }
    }

    /// Sends a request and gives the answer as soon as its head is there; its body may come piece by
    /// piece for as long as it likes.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Response<Incoming>> {
        self.send_bytes(method, path, bytes_of(body)?).await
    }

    async fn send_bytes(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Response<Incoming>> {
        let who = self.who;
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.with_context(|| format!("{who} does not answer at {}", self.address))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender and the body; there is nothing more to say.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        let request = request.body(Full::new(body))?;
        sender.send_request(request).await.with_context(|| format!("{who} hung up"))
    }
}

fn bytes_of(body: &Value) -> anyhow::Result<Bytes> {
    if body.is_null() { Ok(Bytes::new()) } else { Ok(Bytes::from(serde_json::to_vec(body)?)) }
}
