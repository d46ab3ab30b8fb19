//! The operator API from both ends: the token that a starting gateway makes, and the client that the
//! commands use to reach a running one.

use crate::data_folder::DataFolder;
use crate::run_lock::RunLock;
use crate::running::Running;
use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;
use tokio::net::TcpStream;
use tollgate_core::secret::Secret;

/// The bits of a token, in bytes.
const TOKEN_BYTES: usize = 32;
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an answer may take, in milliseconds.
const ANSWER_MS_MAX: u64 = 60_000;

/// Makes a token and keeps it in the folder, for its owner alone, in place of the one before.
///
/// # Errors
/// When the system gives no randomness or the file cannot be written.
pub fn make_token(folder: &DataFolder) -> anyhow::Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0u8; TOKEN_BYTES]);
    aws_lc_rs::rand::fill(&mut *bytes).ok().context("the system gives no randomness for the operator token")?;
    let token = Secret::new(hex::encode(*bytes));
    let path = folder.operator_token();
    let next = path.with_extension("token.new");
    let _ = std::fs::remove_file(&next);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&next).with_context(|| format!("{} cannot be made", next.display()))?;
    file.write_all(token.reveal().as_bytes()).with_context(|| format!("{} cannot be written", next.display()))?;
    std::fs::rename(&next, &path).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(token)
}

/// A way to the operator API of a running gateway.
pub struct OperatorClient {
    admin: SocketAddr,
    token: Secret,
}

impl OperatorClient {
    /// The gateway that runs on `folder`; `None` when none does.
    ///
    /// # Errors
    /// When one runs, and its address or its token cannot be read.
    pub fn of_running(folder: &DataFolder) -> anyhow::Result<Option<OperatorClient>> {
        if !RunLock::is_held(folder)? {
            return Ok(None);
        }
        let running = Running::read(folder).context("a gateway is starting or stopping: try again in a moment")?;
        let admin = running.admin.context("the running gateway has no admin address")?;
        let path = folder.operator_token();
        let token = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Some(OperatorClient { admin, token: Secret::new(token) }))
    }

    /// The same, for what only a running gateway can do.
    ///
    /// # Errors
    /// When none runs.
    pub fn needed(folder: &DataFolder) -> anyhow::Result<OperatorClient> {
        OperatorClient::of_running(folder)?
            .with_context(|| format!("no gateway runs on {}: start one with `tollgate serve`", folder.path().display()))
    }

    /// Sends a request under `/operator/` and gives the JSON of its answer. `Value::Null` as a body is
    /// no body.
    ///
    /// # Errors
    /// When nothing answers, or the gateway says no: then the error is what it said.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let asked = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), async {
            let response = self.send(method, path, body).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let bytes = body.collect().await.map_err(anyhow::Error::from_boxed)?.to_bytes();
            anyhow::Ok((status, bytes))
        });
        let (status, bytes) = asked.await.context("the running gateway took too long to answer")??;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        match answer["error"].as_str() {
            Some(error) => bail!("{error}"),
            None if status == StatusCode::UNAUTHORIZED => {
                bail!("the running gateway does not take the token of this folder: was it started again just now?")
            }
            None => bail!("the running gateway answered HTTP {status}"),
        }
    }

    /// Sends a request and gives the answer as soon as its head is there; its body may come piece by
    /// piece for as long as it likes.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Response<Incoming>> {
        let stream = TcpStream::connect(self.admin)
            .await
            .with_context(|| format!("the running gateway does not answer at {}", self.admin))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender and the body; there is nothing more to say.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(serde_json::to_vec(body)?) };
        let request = Request::builder()
            .method(method)
            .uri(format!("/operator/{path}"))
            .header(header::HOST, self.admin.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.reveal()))
            .body(Full::new(bytes))?;
        sender.send_request(request).await.context("the running gateway hung up")
    }
}
