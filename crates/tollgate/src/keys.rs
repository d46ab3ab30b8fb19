//! Rotation of keys in a running gateway: the job, and `/operator/keys`.
//!
//! The gateway does it itself because its writer puts rotated rows and payments into one commit; another
//! process would take turns with it for the lock of the database.

use crate::custodians::Custodians;
use http::{Method, StatusCode};
use serde_json::{Value, json as object};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tollgate_app::{RotationDone, RotationProgress, Rotations};
use tollgate_core::ident::MerchantId;
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, problem};
use tollgate_vault::Vault;

/// The most rows that a running gateway seals anew in a second: what is left of the machine belongs to
/// payments.
pub const ROWS_PER_SECOND_MAX: u64 = 20_000;
/// How long it waits before it goes on after a failure, in milliseconds.
const RETRY_MS: u64 = 10_000;

/// The rotations of a running gateway. Clones share everything.
#[derive(Clone)]
pub struct KeyRotation {
    inner: Arc<Inner>,
}

struct Inner {
    rotations: Rotations,
    vault: Arc<Vault>,
    /// Where keys can be split.
    custodians: Option<Arc<Custodians>>,
    state: Mutex<State>,
    wanted: Notify,
}

#[derive(Default)]
struct State {
    /// How often a run was asked for, and how many of these are done.
    asked: u64,
    done: u64,
    progress: Arc<RotationProgress>,
    last: RotationDone,
    error: Option<String>,
}

/// `POST /operator/keys/rotate`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    /// Whose data keys, by number, 0 being the gateway itself; everybody's when it is left out.
    merchants: Option<Vec<MerchantId>>,
}

impl KeyRotation {
    /// Goes on with what the last run of the gateway did not finish, then does what is asked for. The task
    /// never ends.
    pub fn start(
        rotations: Rotations,
        vault: Arc<Vault>,
        custodians: Option<Arc<Custodians>>,
    ) -> (KeyRotation, JoinHandle<()>) {
        let state = Mutex::new(State { asked: 1, ..State::default() });
        let inner = Inner { rotations, vault, custodians, state, wanted: Notify::new() };
        let rotation = KeyRotation { inner: Arc::new(inner) };
        let body = rotation.clone();
        let task = tokio::spawn(async move { body.work().await });
        (rotation, task)
    }

    async fn work(&self) {
        loop {
            let (asked, progress) = {
                let mut state = self.inner.state();
                state.progress = Arc::default();
                (state.asked, state.progress.clone())
            };
            let ended = self.inner.run(&progress).await;
            let failed = ended.is_err();
            {
                let mut state = self.inner.state();
                match ended {
                    Ok(done) => {
                        state.done = asked;
                        state.error = None;
                        state.last = done;
                    }
                    Err(error) => {
                        tracing::error!(error, "a rotation of keys stopped; it goes on in a moment");
                        state.error = Some(error);
                    }
                }
                if state.done < state.asked && !failed {
                    continue;
                }
            }
            if failed {
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            } else {
                self.inner.wanted.notified().await;
            }
        }
    }

    async fn rotate(&self, wanted: Rotate) -> Response {
        match self.inner.rotations.begin(wanted.merchants.as_deref()).await {
            Ok(targets) => {
                tracing::info!(keys = targets.len(), "a rotation of data keys begins");
                self.inner.state().asked += 1;
                self.inner.wanted.notify_one();
                json(StatusCode::ACCEPTED, &object!({ "keys": targets }))
            }
            Err(error) => problem(StatusCode::CONFLICT, error.to_string()),
        }
    }

    fn shown(&self) -> Value {
        let state = self.inner.state();
        object!({
            "running": state.done < state.asked,
            "rows_read": state.progress.rows_read(),
            "rows_resealed": state.progress.rows_resealed(),
            "rows_per_second": state.progress.rows_per_second(),
            "finished_keys": state.last.finished,
            "unreadable_rows": state.last.unreadable_rows,
            "unreadable": state.last.unreadable,
            "error": state.error,
        })
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        if let Some(custodians) = &self.inner.custodians
            && let Some(response) = custodians.answer(request).await
        {
            return response;
        }
        match (&request.method, request.path.as_str()) {
            // A token has no custodians of ours.
            (&Method::GET, "custodians") => json(StatusCode::OK, &object!({ "locked": [] })),
            (&Method::GET, "rotation") => json(StatusCode::OK, &self.shown()),
            (&Method::POST, "rotate") => match request.json::<Rotate>() {
                Ok(wanted) => self.rotate(wanted).await,
                Err(response) => *response,
            },
            _ => problem(
                StatusCode::NOT_FOUND,
                "try GET keys/rotation, POST keys/rotate, GET keys/custodians or POST keys/unlock",
            ),
        }
    }
}

impl Inner {
    async fn run(&self, progress: &RotationProgress) -> Result<RotationDone, String> {
        let rewrapped = self.vault.rewrap().await.map_err(|error| error.to_string())?;
        if rewrapped > 0 {
            tracing::info!(rewrapped, "data keys were wrapped under the newest key-encryption key");
        }
        let done = self.rotations.run(progress).await.map_err(|error| error.to_string())?;
        if !done.finished.is_empty() {
            let rows = progress.rows_resealed();
            let per_second = progress.rows_per_second();
            tracing::info!(keys = done.finished.len(), rows, per_second, "a rotation of data keys is finished");
        }
        Ok(done)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OperatorRoute for KeyRotation {
    fn name(&self) -> &'static str {
        "keys"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}
