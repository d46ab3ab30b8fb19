//! The admin port of the sandbox card network that runs beside the gateway.

use crate::admin_client::AdminClient;
use http::Method;
use serde_json::Value;
use std::net::SocketAddr;

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
        let who = "the sandbox card network";
        let admin = AdminClient { address: self.address, who, token: None, answer_ms_max: ANSWER_MS_MAX };
        admin.ask(method, path, body).await
    }
}
