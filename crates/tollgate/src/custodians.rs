//! The custodians of a gateway's keys: how they come to it, and what it does until they have.
//!
//! A gateway whose key is split listens on its admin address only, and says there what it waits for. Whoever
//! wants to pay finds no open port: a load balancer takes him elsewhere, and no request is lost in a queue.

use crate::passphrases::waits;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json as object};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tollgate_core::secret::{Secret, Wiped};
use tollgate_http::{
    OPERATOR_PATH, Operator, OperatorRequest, OperatorRoute, Peer, Request, Response, Service, json, plain, problem,
};
use tollgate_vault::{Arrival, FileKeyProvider, LockedKek, VaultError};

/// How many custodians may wait for being judged at once.
const JUDGED_MAX: usize = 4;
/// How often it is looked whether somebody has waited too long, in milliseconds.
const LOOK_MS: u64 = 5_000;
/// Room for a request with a passphrase, in bytes, however it is escaped.
const UNLOCK_BYTES_MAX: usize = 4096;

/// The way of custodians into a running process.
pub struct Custodians {
    provider: FileKeyProvider,
    places: Arc<Semaphore>,
    opened: Notify,
    /// Who has come.
    come: Mutex<BTreeSet<String>>,
}

/// `POST /operator/keys/unlock`. The passphrase is in the body and nowhere else.
#[derive(serde::Serialize)]
struct Unlock<'a> {
    custodian: &'a str,
    passphrase: &'a str,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Unlocking {
    custodian: String,
    passphrase: String,
}

/// The body of a request with which a custodian comes; wiped when it is dropped.
///
/// # Errors
/// When it is too long.
pub fn unlock_body(custodian: &str, passphrase: &Secret) -> anyhow::Result<bytes::Bytes> {
    let unlock = Unlock { custodian, passphrase: passphrase.reveal() };
    let mut body: Wiped<Vec<u8>> = Wiped::with_capacity(UNLOCK_BYTES_MAX);
    serde_json::to_writer(&mut *body, &unlock)?;
    Ok(bytes::Bytes::from_owner(Body(body)))
}

struct Body(Wiped<Vec<u8>>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Custodians {
    /// Those of the keys in `provider`. Who waits too long for the others is forgotten, as long as this lives.
    pub fn start(provider: FileKeyProvider) -> Arc<Custodians> {
        let places = Arc::new(Semaphore::new(JUDGED_MAX));
        let custodians = Custodians { provider, places, opened: Notify::new(), come: Mutex::default() };
        let custodians = Arc::new(custodians);
        let weak = Arc::downgrade(&custodians);
        tokio::spawn(async move {
            while let Some(custodians) = weak.upgrade() {
                custodians.look_after();
                drop(custodians);
                tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            }
        });
        custodians
    }

    /// Waits until somebody has opened a key.
    pub async fn opened(&self) {
        self.opened.notified().await;
    }

    /// Somebody has come whose passphrase the configuration names.
    pub fn came_by_configuration(&self, name: &str) {
        let name = format!("{name} (by the configuration)");
        self.come.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }

    /// Who has come with the right passphrase since the start.
    pub fn names(&self) -> Vec<String> {
        self.come.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Answers what concerns custodians under `/operator/keys`; `None` to what does not.
    pub async fn answer(&self, request: &OperatorRequest) -> Option<Response> {
        match (&request.method, request.path.as_str()) {
            (&Method::GET, "custodians") => Some(match self.provider.locked() {
                Ok(locked) => json(StatusCode::OK, &object!({ "locked": shown(&locked) })),
                Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            }),
            (&Method::POST, "unlock") => Some(self.unlock(request).await),
            _ => None,
        }
    }

    async fn unlock(&self, request: &OperatorRequest) -> Response {
        // What is wrong with a body is not told, because the text of it would be.
        let Ok(Unlocking { custodian, passphrase }) = serde_json::from_slice(&request.body) else {
            return problem(StatusCode::BAD_REQUEST, "the body is {\"custodian\": NAME, \"passphrase\": TEXT}");
        };
        let passphrase = Secret::new(passphrase);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return problem(StatusCode::TOO_MANY_REQUESTS, "other custodians are coming: try again in a moment");
        };
        let (provider, name) = (self.provider.clone(), custodian.clone());
        let judged = tokio::task::spawn_blocking(move || {
            let _place = place;
            provider.come(&name, &passphrase, Instant::now())
        });
        match judged.await {
            Ok(Ok(Arrival { opened, locked })) => {
                tracing::info!(custodian, ?opened, "a custodian has come");
                // Where nothing is locked, nobody's name was judged.
                if !(opened.is_empty() && locked.is_empty()) {
                    self.come.lock().unwrap_or_else(PoisonError::into_inner).insert(custodian);
                }
                if !opened.is_empty() {
                    self.opened.notify_one();
                }
                json(StatusCode::OK, &object!({ "opened": opened, "locked": shown(&locked) }))
            }
            Ok(Err(error)) => {
                // A name that is none of theirs may be anything, a passphrase too.
                if matches!(error, VaultError::WrongPassphrase | VaultError::NoMoreTries) {
                    metrics::counter!("tollgate_keys_passphrases_wrong_total").increment(1);
                    tracing::warn!(custodian, %error, "somebody came as a custodian");
                }
                problem(status_of(&error), error.to_string())
            }
            Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the passphrase could not be judged"),
        }
    }

    fn look_after(&self) {
        let forgotten = self.provider.forget_late(Instant::now());
        if forgotten > 0 {
            tracing::warn!(forgotten, "custodians waited too long for the others: they have to come again");
        }
        if let Ok(locked) = self.provider.locked() {
            metrics::gauge!("tollgate_keys_locked").set(u32::try_from(locked.len()).unwrap_or(u32::MAX));
        }
    }
}

fn status_of(error: &VaultError) -> StatusCode {
    match error {
        VaultError::WrongPassphrase => StatusCode::FORBIDDEN,
        VaultError::TriesTooFast { .. } | VaultError::NoMoreTries => StatusCode::TOO_MANY_REQUESTS,
        VaultError::NoSuchCustodian { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn shown(locked: &[LockedKek]) -> Vec<Value> {
    let shown = |LockedKek { version, split, come }: &LockedKek| object!({ "version": version, "quorum": split.quorum, "custodians": split.custodians, "come": come });
    locked.iter().map(shown).collect()
}

/// What stands on the admin address until the gateway can be started.
pub struct Waiting {
    custodians: Arc<Custodians>,
    needed: BTreeSet<u32>,
    metrics: PrometheusHandle,
    operator: Operator,
}

impl Waiting {
    /// Waits for the custodians of the keys of versions `needed`. The operator API behind `token` does nothing
    /// else yet.
    pub fn new(
        custodians: Arc<Custodians>,
        needed: BTreeSet<u32>,
        metrics: PrometheusHandle,
        token: Secret,
    ) -> Waiting {
        let route = Arc::new(WaitingRoute(Arc::clone(&custodians)));
        Waiting { custodians, needed, metrics, operator: Operator::new(token, vec![route]) }
    }

    async fn answer(&self, request: Request) -> Response {
        if request.uri().path().starts_with(OPERATOR_PATH) {
            return self.operator.answer(request).await;
        }
        match request.uri().path() {
            _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
                plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n")
            }
            "/health/live" => plain(StatusCode::OK, "live\n"),
            "/health/ready" => self.ready(),
            "/metrics" => plain(StatusCode::OK, self.metrics.render()),
            _ => plain(StatusCode::NOT_FOUND, "try /health/live, /health/ready or /metrics\n"),
        }
    }

    fn ready(&self) -> Response {
        let why = match self.custodians.provider.locked() {
            Ok(locked) => match locked.iter().find(|locked| self.needed.contains(&locked.version)) {
                Some(LockedKek { split, come, .. }) => {
                    format!("waits for custodians: {} of {} have come\n", come.len(), split.quorum)
                }
                None => "starting\n".to_owned(),
            },
            Err(error) => format!("keys: {error}\n"),
        };
        plain(StatusCode::SERVICE_UNAVAILABLE, why)
    }
}

impl Service for Waiting {
    fn call(self: Arc<Self>, request: Request, _peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(request).await })
    }
}

struct WaitingRoute(Arc<Custodians>);

impl OperatorRoute for WaitingRoute {
    fn name(&self) -> &'static str {
        "keys"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            let later =
                || problem(StatusCode::SERVICE_UNAVAILABLE, "this gateway waits for the custodians of its keys");
            self.0.answer(&request).await.unwrap_or_else(later)
        })
    }
}

/// One address whose service is exchanged while it is listened on, so that nobody finds it closed in between.
pub struct Door {
    behind: RwLock<Arc<dyn Service>>,
}

impl Door {
    /// With this behind it.
    pub fn to(service: Arc<dyn Service>) -> Arc<Door> {
        Arc::new(Door { behind: RwLock::new(service) })
    }

    /// From now on this is behind it.
    pub fn lead_to(&self, service: Arc<dyn Service>) {
        *self.behind.write().unwrap_or_else(PoisonError::into_inner) = service;
    }
}

impl Service for Door {
    fn call(self: Arc<Self>, request: Request, peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let service = Arc::clone(&self.behind.read().unwrap_or_else(PoisonError::into_inner));
        service.call(request, peer)
    }
}

/// The reason that a log tells at the start.
pub fn waits_in_words(locked: &[LockedKek]) -> String {
    format!("{}; `tollgate keys unlock` lets them in", waits(locked))
}
