//! The feedback that the gateway tells the demo merchant, as `tollgate listen` hears it: each delivery is one that
//! happens, and where the merchant has no URL the shop is who takes it.
//!
//! The shop listens from its first try on and for a while after the last, so that a gateway whose shop nobody visits has no
//! listener.

use super::history::History;
use super::merchant::DemoMerchant;
use super::passed::{Passed, Way};
use http::StatusCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollgate_app::Gateway;
use tollgate_feedback::{Delivery, Listener, ListenerReport, Listeners};
use tollgate_fort::message::Message;

/// How long the shop listens after a try, in milliseconds: a customer has half an hour for 3-D Secure.
const LISTENING_MS: u64 = 45 * 60 * 1000;
/// What the shop is called as a receiver.
const RECEIVER: &str = "the demo shop";

/// The ears of the shop.
#[derive(Clone)]
pub struct Hearing {
    listeners: Arc<Listeners>,
    gateway: Gateway,
    history: Arc<History>,
    /// Until when it listens; `None` while it does not.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Hearing {
    /// Nobody listens yet.
    pub fn new(listeners: Arc<Listeners>, gateway: Gateway, history: Arc<History>) -> Hearing {
        Hearing { listeners, gateway, history, until: Arc::default() }
    }

    /// Listens from now on, for a while.
    pub fn listen_to(&self, merchant: &DemoMerchant) {
        let mut until = self.until();
        let listens = until.is_some();
        if !listens {
            let Some(listener) = self.listeners.connect(Some(merchant.id())) else {
                tracing::warn!("the demo shop hears no feedback: too many listeners are connected");
                return;
            };
            tokio::spawn(self.clone().hear(listener));
        }
        *until = Some(Instant::now() + Duration::from_millis(LISTENING_MS));
    }

    async fn hear(self, mut listener: Listener) {
        loop {
            let Some(until) = *self.until() else { return };
            match tokio::time::timeout_at(until, listener.next()).await {
                Ok(Some(delivery)) => self.take(&delivery).await,
                Ok(None) => break,
                Err(_) if self.is_over() => return,
                Err(_) => {}
            }
        }
        *self.until() = None;
    }

    /// Whether nobody tried anything meanwhile; then it listens no more.
    fn is_over(&self) -> bool {
        let mut until = self.until();
        let is_over = until.is_none_or(|until| until <= Instant::now());
        if is_over {
            *until = None;
        }
        is_over
    }

    async fn take(&self, delivery: &Delivery) {
        let way = Way::Feedback { attempt: delivery.attempt };
        let to = format!("{} ({})", delivery.kind.name(), delivery.content_type);
        match DemoMerchant::of(&self.gateway).await {
            Ok(merchant) => {
                let message = match delivery.content_type.split(';').next() {
                    Some("application/json") => Message::from_json(&delivery.body).ok(),
                    Some("application/x-www-form-urlencoded") => Message::from_form(&delivery.body).ok(),
                    _ => None,
                };
                let passed = match message {
                    Some(message) => Passed::received(way, &to, delivery.at, &message, &merchant),
                    None => {
                        let text = String::from_utf8_lossy(&delivery.body);
                        Passed::unreadable(way, &to, delivery.at, &text, &merchant)
                    }
                };
                self.history.note(&delivery.merchant_reference, passed);
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "the demo shop cannot read feedback"),
        }
        let report = ListenerReport {
            number: delivery.number,
            status: Some(StatusCode::OK.as_u16()),
            error: None,
            answer: RECEIVER.to_owned(),
        };
        // Where the merchant has a URL, its own server decides, and nobody waits for this.
        let _ = self.listeners.report(report);
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
