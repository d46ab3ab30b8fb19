//! A store in a folder of its own, orders in it, and the deliveries with a scripted sender. Time moves only
//! when a test moves it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use futures_util::future::join_all;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tollgate_core::apply::{Outcome, apply};
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::UNCERTAIN;
use tollgate_core::command::{Eci, SafeParams};
use tollgate_core::feedback::{Channel, FeedbackId, FeedbackKind};
use tollgate_core::ident::{FortId, MerchantId, OperationId, Stan};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{
    LastOperation, Operation, OperationEvent, OperationKind, OperationState, Order, PayKind, Phase, Totals,
    WireReference,
};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_feedback::{
    Deliveries, FeedbackParts, FeedbackSettings, Listeners, Parcel, RenderFuture, Rendered, Renderer, Reply,
    SendFuture, Sender,
};
use tollgate_store::{
    FeedbackContent, FeedbackFilter, FeedbackLease, FeedbackRouse, FeedbackRow, FeedbackState, LifeId, NewFeedback,
    NewOperation, NewOrder, OperationClaim, OrderClaim, OutcomeRecord, PauseReason, Recorded, RecoveryChange,
    SealedCard,
};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

pub const MERCHANT: MerchantId = MerchantId(1);
pub const START: Timestamp = Timestamp(1_795_180_800_000_000);
const FIRST: i64 = 179_518_080_000_000_000;
const NODE: u8 = 3;

pub const fn merchant(number: i64) -> MerchantId {
    MerchantId(number)
}

/// How the receivers behave.
#[derive(Clone, Default)]
pub struct Script {
    status: u16,
    by_merchant: BTreeMap<i64, u16>,
    fail_every: Option<usize>,
    answer: String,
}

impl Script {
    /// No answer ever comes.
    pub const NEVER: u16 = 0;

    pub fn always(status: u16) -> Script {
        Script { status, ..Script::default() }
    }

    pub fn answering(status: u16, answer: &str) -> Script {
        Script { status, answer: answer.to_owned(), ..Script::default() }
    }

    pub fn by_merchant(rows: &[(i64, u16)]) -> Script {
        Script { by_merchant: rows.iter().copied().collect(), ..Script::default() }
    }

    /// Each `n`th delivery is refused, the others are taken.
    pub fn failing_every(n: usize) -> Script {
        Script { status: 200, fail_every: Some(n), ..Script::default() }
    }
}

/// One delivery that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: FeedbackId,
    pub fort_id: FortId,
    pub kind: FeedbackKind,
    pub sequence: u32,
    pub acknowledged: bool,
}

/// Renders and sends by a script.
#[derive(Default)]
pub struct Scripted {
    script: Mutex<Script>,
    sent: Mutex<Vec<Sent>>,
    under_way: Mutex<HashMap<i64, UnderWay>>,
    no_url: AtomicBool,
}

#[derive(Clone, Copy, Default)]
struct UnderWay {
    now: usize,
    max: usize,
}

impl Scripted {
    pub fn set(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    pub fn take_url_away(&self) {
        self.no_url.store(true, Ordering::Relaxed);
    }

    pub fn give_url_back(&self) {
        self.no_url.store(false, Ordering::Relaxed);
    }

    fn add(&self, merchant: i64) {
        let mut all = self.under_way.lock().unwrap();
        let one = all.entry(merchant).or_default();
        one.now += 1;
        one.max = one.max.max(one.now);
    }
}

struct Leaves<'a>(&'a Scripted, i64);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap().get_mut(&self.1).unwrap().now -= 1;
    }
}

impl Renderer for Scripted {
    fn render<'a>(&'a self, content: &'a FeedbackContent) -> RenderFuture<'a> {
        let merchant = content.order.merchant.0;
        let url = (!self.no_url.load(Ordering::Relaxed)).then(|| "https://shop.example.com/secret".to_owned());
        let body = format!("{merchant} {} {}", content.order.fort_id.0, content.row.lane.kind.number()).into_bytes();
        let rendered = Rendered { merchant: merchant.to_string(), url, content_type: "text/plain", body };
        Box::pin(async move { Ok(rendered) })
    }

    fn mask(&self, text: &str) -> String {
        text.replace("4005550000000001", "MASKED")
    }
}

impl Sender for Scripted {
    fn send<'a>(&'a self, parcel: &'a Parcel) -> SendFuture<'a> {
        let text = String::from_utf8(parcel.body.to_vec()).unwrap();
        let facts: Vec<i64> = text.split(' ').map(|part| part.parse().unwrap()).collect();
        let script = self.script.lock().unwrap().clone();
        let mut sent = self.sent.lock().unwrap();
        let refused = script.fail_every.is_some_and(|n| (sent.len() + 1).is_multiple_of(n));
        let status = script.by_merchant.get(&facts[0]).copied().unwrap_or(script.status);
        let status = if refused { 500 } else { status };
        let reply = Reply { status: Some(status), error: None, answer: script.answer.into_bytes() };
        sent.push(Sent {
            id: parcel.id,
            fort_id: FortId(facts[1]),
            kind: FeedbackKind::from_number(u8::try_from(facts[2]).unwrap()).unwrap(),
            sequence: parcel.sequence,
            acknowledged: reply.acknowledges(),
        });
        self.add(facts[0]);
        let leaves = Leaves(self, facts[0]);
        Box::pin(async move {
            let _leaves = leaves;
            if status == Script::NEVER {
                std::future::pending::<()>().await;
            }
            reply
        })
    }
}

/// The time of tokio, which tests move, and what is added to it by hand.
pub struct MovedClock {
    begun: Instant,
    added_us: AtomicI64,
}

impl MovedClock {
    pub fn advance_s(&self, seconds: i64) {
        self.added_us.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.begun.elapsed().as_micros()).unwrap();
        Timestamp(START.0 + passed + self.added_us.load(Ordering::Relaxed))
    }
}

/// An order of a test.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub fort_id: FortId,
    pub operation: OperationId,
}

impl Placed {
    /// Its first feedback.
    pub fn feedback(&self) -> FeedbackId {
        FeedbackId { operation: self.operation, place: 0 }
    }
}

pub struct World {
    pub parts: FeedbackParts,
    pub script: Arc<Scripted>,
    pub clock: Arc<MovedClock>,
    orders: Mutex<HashMap<FortId, Order>>,
    wake: Arc<Notify>,
    deliveries: Option<Deliveries>,
    /// While this is there, time does not move by itself.
    _still: mpsc::Sender<()>,
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn start(script: Script) -> World {
        World::start_with(script, FeedbackSettings::default()).await
    }

    pub async fn start_with(script: Script, settings: FeedbackSettings) -> World {
        let mut world = World::prepare(script, settings);
        world.begin().await;
        world
    }

    /// Everything but the running job.
    pub fn prepare(script: Script, settings: FeedbackSettings) -> World {
        // Tokio moves a paused time forward when nothing is left to do, and does not see the store's
        // thread at work. A blocking task keeps it still.
        let (still, held) = mpsc::channel();
        tokio::task::spawn_blocking(move || held.recv());
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let store = SqliteStore::open(&folder.path().join("t.db"), SqliteOptions::default()).unwrap();
        let clock = Arc::new(MovedClock { begun: Instant::now(), added_us: AtomicI64::new(0) });
        let scripted = Arc::new(Scripted::default());
        scripted.set(script);
        let parts = FeedbackParts {
            store: Arc::new(store),
            clock: clock.clone(),
            renderer: scripted.clone(),
            sender: scripted.clone(),
            listeners: Arc::new(Listeners::default()),
            node: NODE,
            settings,
        };
        World {
            parts,
            script: scripted,
            clock,
            orders: Mutex::default(),
            wake: Arc::new(Notify::new()),
            deliveries: None,
            _still: still,
            _folder: folder,
        }
    }

    pub async fn begin(&mut self) {
        self.deliveries = Some(Deliveries::start(self.parts.clone(), self.wake.clone()).await.unwrap());
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn wake(&self) {
        self.wake.notify_one();
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.script.sent.lock().unwrap().clone()
    }

    pub fn acknowledged(&self) -> usize {
        self.script.sent.lock().unwrap().iter().filter(|sent| sent.acknowledged).count()
    }

    pub fn under_way(&self, merchant: i64) -> usize {
        self.script.under_way.lock().unwrap().get(&merchant).map_or(0, |one| one.now)
    }

    pub fn under_way_max(&self, merchant: i64) -> usize {
        self.script.under_way.lock().unwrap().get(&merchant).map_or(0, |one| one.max)
    }

    /// An approved order with its feedback; the job is woken.
    pub async fn pay(&self, number: i64, merchant: MerchantId) -> Placed {
        let placed = self.write(number, merchant).await;
        self.wake();
        self.rest().await;
        placed
    }

    /// An approved order with its feedback, written only.
    pub async fn write(&self, number: i64, merchant: MerchantId) -> Placed {
        let new = new_order(number, merchant, self.now());
        assert_eq!(self.parts.store.claim_order(new.clone()).await.unwrap(), OrderClaim::Claimed);
        let placed = Placed { fort_id: new.order.fort_id, operation: new.operation.id };
        self.told(&new.order, &new.operation, FeedbackKind::Direct).await;
        placed
    }

    /// Many at once, so that they share commits.
    pub async fn write_all(&self, numbers: std::ops::Range<i64>, merchant: MerchantId) {
        for chunk in numbers.collect::<Vec<_>>().chunks(500) {
            join_all(chunk.iter().map(|number| self.write(*number, merchant))).await;
        }
    }

    /// A capture of 0.01 with its notification.
    pub async fn capture(&self, placed: &Placed, number: i64) {
        let order = self.orders.lock().unwrap()[&placed.fort_id].clone();
        let id = OperationId(FIRST + number);
        let money = Money { amount: Amount::from_minor(1).unwrap(), currency: order.money.currency };
        let wire = wire(id, self.now());
        let kind = OperationKind::Capture;
        let operation = Operation { id, fort_id: order.fort_id, kind, money, state: OperationState::Sent, wire };
        let new = NewOperation {
            merchant: order.merchant,
            order_version: order.version,
            operation: operation.clone(),
            maintenance_reference: None,
            request: SafeParams::default(),
            owner: LifeId::NONE,
            audit: Vec::new(),
            authentication: None,
            batch_row: None,
        };
        assert_eq!(self.parts.store.claim_operation(new).await.unwrap(), OperationClaim::Claimed);
        let order = Order { open_operation: Some(id), version: order.version + 1, ..order };
        self.told(&order, &operation, FeedbackKind::Notification).await;
        self.wake();
    }

    async fn told(&self, order: &Order, operation: &Operation, kind: FeedbackKind) {
        let event = OperationEvent::Approved;
        let applied = apply(order, operation, &Outcome::silent(event)).unwrap();
        let record = OutcomeRecord {
            order: applied.order.clone(),
            operation: operation.id,
            state_before: operation.state,
            state: applied.state,
            event,
            code: applied.code,
            network_code: None,
            authorization_code: None,
            network_transaction_id: None,
            advice: None,
            trace: String::new(),
            recovery: RecoveryChange::None,
            feedback: Some(NewFeedback { channel: Channel::Trusted, kind }),
            message: None,
            next: None,
            checkout: None,
            at: self.now(),
        };
        assert_eq!(self.parts.store.record_outcome(record).await.unwrap(), Recorded::Written);
        self.orders.lock().unwrap().insert(order.fort_id, applied.order);
    }

    pub async fn row(&self, placed: &Placed) -> FeedbackRow {
        let filter = FeedbackFilter { fort_id: Some(placed.fort_id), rows_max: 100, ..FeedbackFilter::default() };
        let rows = self.parts.store.feedbacks(&filter).await.unwrap();
        rows.into_iter().find(|row| row.id == placed.feedback()).unwrap()
    }

    pub async fn replay(&self, placed: &Placed) {
        let rouse = FeedbackRouse::Replay { ids: vec![placed.feedback()], now: self.now() };
        assert_eq!(self.parts.store.rouse_feedback(rouse).await.unwrap(), 1);
    }

    pub async fn rouse_paused(&self) {
        let rouse = FeedbackRouse::Paused { merchant: None, reason: PauseReason::NoUrl, now: self.now() };
        assert!(self.parts.store.rouse_feedback(rouse).await.unwrap() > 0);
    }

    pub async fn lease_as_a_run_that_was_killed(&self) {
        let now = self.now();
        let lease = FeedbackLease {
            node: NODE,
            now,
            until: now.plus_ms(30_000),
            rows_max: 10,
            lane_rows_max: 10,
            places: vec![],
            after: None,
        };
        assert_eq!(self.parts.store.lease_feedback(lease).await.unwrap().rows.len(), 1);
    }

    /// Lets everything run that can run without the time moving: each round takes the job at least one
    /// step over the store further.
    pub async fn rest(&self) {
        for _ in 0..5 {
            self.parts.store.release_feedback(99, self.now()).await.unwrap();
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// So much time passes, in small steps.
    pub async fn pass_s(&self, seconds: i64) {
        let total_ms = u64::try_from(seconds).unwrap() * 1_000;
        let step_ms = (total_ms / 400).max(500);
        let mut passed_ms = 0;
        self.rest().await;
        while passed_ms < total_ms {
            let step_ms = step_ms.min(total_ms - passed_ms);
            tokio::time::advance(Duration::from_millis(step_ms)).await;
            passed_ms += step_ms;
            self.rest().await;
        }
    }

    /// So much time passes at once.
    pub async fn jump_s(&self, seconds: i64) {
        tokio::time::advance(Duration::from_secs(u64::try_from(seconds).unwrap())).await;
        self.rest().await;
    }

    /// Time passes until the condition holds, at most `limit_s` seconds.
    pub async fn until(&self, limit_s: i64, condition: impl Fn(&World) -> bool) {
        let step_ms = u64::try_from(limit_s / 2).unwrap().max(20);
        for _ in 0..4_000 {
            self.rest().await;
            if condition(self) {
                return;
            }
            tokio::time::advance(Duration::from_millis(step_ms)).await;
        }
        panic!("it did not come about within {limit_s} s; sent: {}", self.sent().len());
    }

    pub async fn until_sent(&self, count: usize) {
        self.until(60, |world| world.sent().len() >= count).await;
    }

    pub async fn until_under_way(&self, merchant: i64, count: usize) {
        self.until(60, |world| world.under_way(merchant) >= count).await;
    }

    pub async fn until_settled(&self, placed: &Placed) {
        self.until_state(placed, FeedbackState::Delivered).await;
    }

    pub async fn until_state(&self, placed: &Placed, state: FeedbackState) {
        let mut step_ms = 10;
        for _ in 0..500 {
            self.rest().await;
            if self.row(placed).await.state == state {
                return;
            }
            tokio::time::advance(Duration::from_millis(step_ms)).await;
            step_ms = (step_ms * 5 / 4).min(60_000);
        }
        panic!("{:?} did not become {state:?}", self.row(placed).await);
    }
}

fn new_order(number: i64, merchant: MerchantId, now: Timestamp) -> NewOrder {
    let id = OperationId(FIRST + number);
    let money = Money { amount: Amount::from_minor(10_000).unwrap(), currency: Currency::from_alpha("AED").unwrap() };
    let kind = PayKind::Authorization;
    let order = Order {
        fort_id: FortId(id.0),
        merchant,
        merchant_reference: format!("order-{number}"),
        kind,
        money,
        eci: Eci::Ecommerce,
        channel: tollgate_core::feedback::Channel::Trusted,
        card: Some(CardFacts {
            mask: "400555******0001".to_owned(),
            expiry: "3005".to_owned(),
            holder: None,
            brand: Brand::Visa,
        }),
        token: None,
        credential: None,
        phase: Phase::Pending,
        totals: Totals::default(),
        open_operation: Some(id),
        version: 1,
        authorization_code: None,
        original: wire(id, now),
        last: LastOperation { kind: kind.operation(), code: UNCERTAIN, network_code: None },
        created_at: now,
    };
    let operation = Operation {
        id,
        fort_id: order.fort_id,
        kind: kind.operation(),
        money,
        state: OperationState::Sent,
        wire: order.original,
    };
    NewOrder {
        order,
        operation,
        card: SealedCard::from_bytes(vec![7; 57]),
        request: SafeParams::default(),
        owner: LifeId::NONE,
        token: None,
        agreement: None,
        schedule: None,
        audit: Vec::new(),
        route: None,
        authentication: None,
        batch_row: None,
    }
}

fn wire(id: OperationId, sent_at: Timestamp) -> WireReference {
    let stan = Stan::folded(u32::try_from(id.0.rem_euclid(999_999)).unwrap());
    WireReference { stan, rrn: id.rrn(), sent_at }
}
