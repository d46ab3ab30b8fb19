//! `/operator/faults`: asks the sandbox card network for faults.

use super::fault_code::plan;
use super::{Mode, NetworkAdmin, note_of_operator};
use http::{Method, StatusCode};
use serde_json::{Value, json as object};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tollgate_app::Gateway;
use tollgate_core::audit::AuditAction;
use tollgate_core::code::ResponseCode;
use tollgate_core::shown::harmless;
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, problem};
use tollgate_issuer::{Behaviour, FaultOperation, FaultWish};

/// The most faults by merchant reference that wait at the same time.
const BY_REFERENCE_MAX: usize = 100;
/// The most characters of a merchant reference.
const REFERENCE_CHARS_MAX: usize = 40;

/// What is behind `/operator/faults`.
pub struct FaultRoute {
    mode: Mode,
    gateway: Gateway,
    network: Option<NetworkAdmin>,
    by_reference: Arc<ReferenceFaults>,
}

/// `POST /operator/faults`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The code that the gateway is to answer.
    next: Option<String>,
    /// Or the behaviour of the network.
    behaviour: Option<String>,
    /// For how many messages.
    count: u32,
    /// Only cards with this mask.
    card: Option<String>,
    /// Only payments of this merchant reference.
    merchant_reference: Option<String>,
}

impl FaultRoute {
    /// The route of a gateway in this mode. `network` is the sandbox card network that it started itself.
    pub fn new(
        mode: Mode,
        gateway: Gateway,
        network: Option<NetworkAdmin>,
        by_reference: Arc<ReferenceFaults>,
    ) -> FaultRoute {
        FaultRoute { mode, gateway, network, by_reference }
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        if let Err(response) = self.mode.allows("faults can be asked for") {
            return *response;
        }
        let Some(network) = &self.network else {
            return problem(
                StatusCode::CONFLICT,
                "this gateway did not start a card network of its own (--no-issuer): ask for faults at the admin port of \
                 the one that it uses, `POST /faults`",
            );
        };
        let answered = match (&request.method, request.path.as_str()) {
            (&Method::GET, "") => self.list(network).await,
            (&Method::POST, "") => match request.json::<Asked>() {
                Ok(asked) => self.set(network, asked).await,
                Err(response) => return *response,
            },
            (&Method::DELETE, "") => self.clear(network).await,
            _ => return problem(StatusCode::NOT_FOUND, "try GET, POST or DELETE on faults"),
        };
        answered.map_or_else(|said| problem(StatusCode::CONFLICT, said), |value| json(StatusCode::OK, &value))
    }

    async fn list(&self, network: &NetworkAdmin) -> Result<Value, String> {
        let at_network =
            network.ask(Method::GET, "/faults", &Value::Null).await.map_err(|error| format!("{error:#}"))?;
        let mut faults = at_network.as_array().cloned().unwrap_or_default();
        faults.extend(self.by_reference.list().iter().map(ReferenceFault::shown));
        Ok(object!({ "faults": faults }))
    }

    async fn set(&self, network: &NetworkAdmin, asked: Asked) -> Result<Value, String> {
        let (behaviour, operation) = match (&asked.next, &asked.behaviour) {
            (Some(code), None) => {
                let code = ResponseCode::parse(code)
                    .ok_or_else(|| format!("{:?} is no code of five digits", harmless(code)))?;
                let plan = plan(code)?;
                (plan.behaviour, plan.operation)
            }
            (None, Some(behaviour)) => (behaviour.clone(), None),
            _ => return Err("say either which code comes next or how the network behaves".to_owned()),
        };
        let detail = format!("{behaviour}, {} times", asked.count);
        let wish = FaultWish { behaviour, operation, mask: asked.card, rrn: None, count: asked.count };
        match asked.merchant_reference {
            Some(reference) => self.by_reference.add(reference, wish)?,
            None => {
                let body = serde_json::to_value(&wish).map_err(|error| error.to_string())?;
                network.ask(Method::POST, "/faults", &body).await.map_err(|error| format!("{error:#}"))?;
            }
        }
        note_of_operator(&self.gateway, AuditAction::FaultsChanged, detail).await;
        self.list(network).await
    }

    async fn clear(&self, network: &NetworkAdmin) -> Result<Value, String> {
        let cleared =
            network.ask(Method::DELETE, "/faults", &Value::Null).await.map_err(|error| format!("{error:#}"))?;
        let here = self.by_reference.clear();
        note_of_operator(&self.gateway, AuditAction::FaultsChanged, "cleared".to_owned()).await;
        Ok(object!({ "cleared": cleared["cleared"].as_u64().unwrap_or(0) + here }))
    }
}

impl OperatorRoute for FaultRoute {
    fn name(&self) -> &'static str {
        "faults"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}

/// Faults by merchant reference. The network does not see references, so these wait here until the
/// payment goes out, and are then asked for by the number that it has on the wire.
#[derive(Debug, Default)]
pub struct ReferenceFaults {
    /// How many there are, so that a sandbox without any pays nothing.
    waiting: AtomicUsize,
    list: Mutex<Vec<ReferenceFault>>,
}

#[derive(Debug)]
struct ReferenceFault {
    merchant_reference: String,
    wish: FaultWish,
}

impl ReferenceFault {
    fn shown(&self) -> Value {
        let mut shown = serde_json::to_value(&self.wish).unwrap_or_default();
        shown["merchant_reference"] = Value::from(self.merchant_reference.as_str());
        shown
    }
}

impl ReferenceFaults {
    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    /// Takes the first that fits a payment's operation; it is used up once.
    pub fn take(&self, merchant_reference: &str, operation: FaultOperation, mask: &str) -> Option<String> {
        let mut list = self.list();
        let fits = |fault: &ReferenceFault| {
            fault.merchant_reference == merchant_reference
                && fault.wish.operation.is_none_or(|wanted| wanted == operation)
                && fault.wish.mask.as_ref().is_none_or(|wanted| wanted == mask)
        };
        let place = list.iter().position(fits)?;
        let fault = list.get_mut(place)?;
        let behaviour = fault.wish.behaviour.clone();
        fault.wish.count = fault.wish.count.saturating_sub(1);
        if fault.wish.count == 0 {
            list.remove(place);
        }
        self.waiting.store(list.len(), Ordering::Release);
        Some(behaviour)
    }

    fn add(&self, merchant_reference: String, wish: FaultWish) -> Result<(), String> {
        Behaviour::parse(&wish.behaviour)?;
        if wish.count == 0 || merchant_reference.is_empty() || merchant_reference.chars().count() > REFERENCE_CHARS_MAX
        {
            return Err("count is at least 1, and a merchant_reference has 1 to 40 characters".to_owned());
        }
        let mut list = self.list();
        if list.len() >= BY_REFERENCE_MAX {
            return Err(format!("{BY_REFERENCE_MAX} faults by reference wait already: clear some first"));
        }
        list.push(ReferenceFault { merchant_reference, wish });
        self.waiting.store(list.len(), Ordering::Release);
        Ok(())
    }

    fn clear(&self) -> u64 {
        let mut list = self.list();
        let cleared = list.len();
        list.clear();
        self.waiting.store(0, Ordering::Release);
        u64::try_from(cleared).unwrap_or(u64::MAX)
    }

    fn list(&self) -> MutexGuard<'_, Vec<ReferenceFault>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
