//! Listeners: developers who see each delivery as it happens, and who are the receiver of merchants that
//! have no URL.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tollgate_core::feedback::{FeedbackId, FeedbackKind};
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Timestamp;

/// How many deliveries wait for one listener; more are not shown to it.
pub const LISTENER_QUEUE_MAX: usize = 256;
/// How many listeners there may be at once.
pub const LISTENERS_MAX: usize = 16;

/// One delivery as a listener gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Names this delivery in the listener's report; each has another.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The feedback.
    pub id: FeedbackId,
    /// The merchant's handle.
    pub merchant: String,
    /// Which feedback.
    pub kind: FeedbackKind,
    /// The order.
    pub merchant_reference: String,
    /// The five-digit code that is told.
    pub code: String,
    /// The order's version after the outcome.
    pub sequence: u32,
    /// Which try, from 1.
    pub attempt: u32,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body, signed.
    pub body: bytes::Bytes,
}

impl std::fmt::Debug for Delivery {
    /// Without the body: it holds names and addresses of customers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("number", &self.number).field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a listener's own receiver said.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ListenerReport {
    /// The delivery.
    pub number: u64,
    /// The HTTP status, if one came.
    pub status: Option<u16>,
    /// Why there is none.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: String,
}

/// All listeners that are connected.
#[derive(Default)]
pub struct Listeners {
    connected: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    listeners: Vec<Connected>,
    /// Deliveries whose report decides.
    awaited: HashMap<u64, Awaited>,
}

struct Connected {
    number: u64,
    merchant: Option<MerchantId>,
    queue: mpsc::Sender<Arc<Delivery>>,
}

struct Awaited {
    listener: u64,
    report: oneshot::Sender<ListenerReport>,
}

/// A connected listener; it is one until this is dropped.
pub struct Listener {
    number: u64,
    all: Arc<Listeners>,
    queue: mpsc::Receiver<Arc<Delivery>>,
}

impl Listeners {
    /// Connects a listener to the deliveries of a merchant, or of all. `None` when there are too many.
    #[must_use]
    pub fn connect(self: &Arc<Listeners>, merchant: Option<MerchantId>) -> Option<Listener> {
        let (queue, receiver) = mpsc::channel(LISTENER_QUEUE_MAX);
        let mut state = self.state();
        if state.listeners.len() >= LISTENERS_MAX {
            return None;
        }
        state.next += 1;
        let number = state.next;
        state.listeners.push(Connected { number, merchant, queue });
        self.connected.store(state.listeners.len(), Ordering::Relaxed);
        drop(state);
        Some(Listener { number, all: Arc::clone(self), queue: receiver })
    }

    /// Whether anybody listens to this merchant.
    #[must_use]
    pub fn listens_to(&self, merchant: MerchantId) -> bool {
        // Nearly always nobody listens, and then no lock is taken.
        self.connected.load(Ordering::Relaxed) > 0
            && self.state().listeners.iter().any(|listener| listener.hears(merchant))
    }

    /// Shows a delivery to everybody who listens to the merchant. `delivery` is made with its number.
    pub(crate) fn show(&self, merchant: MerchantId, delivery: impl FnOnce(u64) -> Delivery) {
        if self.connected.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut state = self.state();
        state.next += 1;
        let delivery = Arc::new(delivery(state.next));
        let _ = state.pass_on(merchant, &delivery);
    }

    /// The same, and gives the report of the first listener that took it. `None` when nobody did.
    pub(crate) fn deliver(
        self: &Arc<Listeners>,
        merchant: MerchantId,
        delivery: impl FnOnce(u64) -> Delivery,
    ) -> Option<Report> {
        if self.connected.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        let listener = state.pass_on(merchant, &Arc::new(delivery(number)))?;
        let (report, answer) = oneshot::channel();
        state.awaited.insert(number, Awaited { listener, report });
        drop(state);
        Some(Report { number, all: Arc::clone(self), answer })
    }

    /// Takes a listener's report. `false` when nobody waits for it any more.
    pub fn report(&self, report: ListenerReport) -> bool {
        let awaited = self.state().awaited.remove(&report.number);
        awaited.is_some_and(|awaited| awaited.report.send(report).is_ok())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first listener that took it.
    fn pass_on(&mut self, merchant: MerchantId, delivery: &Arc<Delivery>) -> Option<u64> {
        let mut first = None;
        for listener in self.listeners.iter().filter(|listener| listener.hears(merchant)) {
            if listener.queue.try_send(Arc::clone(delivery)).is_ok() {
                first = first.or(Some(listener.number));
            }
        }
        first
    }
}

impl Connected {
    fn hears(&self, merchant: MerchantId) -> bool {
        self.merchant.is_none_or(|only| only == merchant)
    }
}

impl Listener {
    /// The next delivery.
    pub async fn next(&mut self) -> Option<Arc<Delivery>> {
        self.queue.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.all.state();
        state.listeners.retain(|listener| listener.number != self.number);
        // Whoever waits for a report of this listener is told at once that none will come.
        state.awaited.retain(|_, awaited| awaited.listener != self.number);
        self.all.connected.store(state.listeners.len(), Ordering::Relaxed);
    }
}

/// A report on its way. Dropped, nobody waits for it any more.
pub(crate) struct Report {
    number: u64,
    all: Arc<Listeners>,
    answer: oneshot::Receiver<ListenerReport>,
}

impl Report {
    /// The report; `None` when the listener has gone.
    pub(crate) async fn wait(&mut self) -> Option<ListenerReport> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.all.state().awaited.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::ident::OperationId;

    fn delivery(number: u64) -> Delivery {
        Delivery {
            number,
            at: Timestamp(0),
            id: FeedbackId { operation: OperationId(1), place: 0 },
            merchant: "demo".into(),
            kind: FeedbackKind::Direct,
            merchant_reference: "A-1".into(),
            code: "14000".into(),
            sequence: 2,
            attempt: 1,
            content_type: "application/json",
            body: bytes::Bytes::from_static(b"{}"),
        }
    }

    fn report(number: u64) -> ListenerReport {
        ListenerReport { number, status: Some(200), error: None, answer: String::new() }
    }

    #[tokio::test]
    async fn a_listener_hears_its_merchant_and_its_report_decides() {
        let listeners = Arc::new(Listeners::default());
        assert!(listeners.deliver(MerchantId(1), delivery).is_none(), "nobody listens");
        let mut listener = listeners.connect(Some(MerchantId(1))).unwrap();
        assert!(listeners.listens_to(MerchantId(1)) && !listeners.listens_to(MerchantId(2)));
        assert!(listeners.deliver(MerchantId(2), delivery).is_none());
        let mut waiting = listeners.deliver(MerchantId(1), delivery).unwrap();
        let heard = listener.next().await.unwrap();
        assert!(listeners.report(report(heard.number)));
        assert_eq!(waiting.wait().await, Some(report(heard.number)));
        assert!(!listeners.report(report(heard.number)), "nobody waits any more");
    }

    #[tokio::test]
    async fn a_listener_that_goes_is_not_waited_for() {
        let listeners = Arc::new(Listeners::default());
        let listener = listeners.connect(None).unwrap();
        let mut waiting = listeners.deliver(MerchantId(1), delivery).unwrap();
        drop(listener);
        assert_eq!(waiting.wait().await, None);
        assert!(!listeners.listens_to(MerchantId(1)));
        drop(waiting);
        assert!(listeners.state().awaited.is_empty());
    }

    #[tokio::test]
    async fn a_listener_that_does_not_read_is_not_filled_without_end() {
        let listeners = Arc::new(Listeners::default());
        let _listener = listeners.connect(None).unwrap();
        (0..LISTENER_QUEUE_MAX).for_each(|_| listeners.show(MerchantId(1), delivery));
        assert!(listeners.deliver(MerchantId(1), delivery).is_none(), "its queue is full");
        let more: Vec<_> = (1..LISTENERS_MAX).map(|_| listeners.connect(None)).collect();
        assert!(more.iter().all(Option::is_some) && listeners.connect(None).is_none());
    }
}
