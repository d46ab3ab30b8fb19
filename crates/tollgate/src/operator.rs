//! The operator API from both ends: the token that a starting gateway makes, and the client that the
//! commands use to reach a running one.

use crate::admin_client::AdminClient;
use crate::data_folder::DataFolder;
use crate::run_lock::RunLock;
use crate::running::Running;
use anyhow::Context;
use http::{Method, Response};
use hyper::body::Incoming;
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use tollgate_core::secret::Secret;

/// The bits of a token, in bytes.
const TOKEN_BYTES: usize = 32;
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
    admin: AdminClient,
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
        let address = running.admin.context("the running gateway has no admin address")?;
        let path = folder.operator_token();
        let token = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let token = Some(Secret::new(token));
        let admin = AdminClient { address, who: "the running gateway", token, answer_ms_max: ANSWER_MS_MAX };
        Ok(Some(OperatorClient { admin }))
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
        self.admin.ask(method, &format!("/operator/{path}"), body).await
    }

    /// The same with a body that is JSON already, and is wiped where it holds a secret.
    ///
    /// # Errors
    /// As [`OperatorClient::ask`].
    pub async fn ask_bytes(&self, method: Method, path: &str, body: bytes::Bytes) -> anyhow::Result<Value> {
        self.admin.ask_bytes(method, &format!("/operator/{path}"), body).await
    }

    /// Sends a request and gives the answer as soon as its head is there; its body may come piece by
    /// piece for as long as it likes.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Response<Incoming>> {
        self.admin.send(method, &format!("/operator/{path}"), body).await
    }
}
