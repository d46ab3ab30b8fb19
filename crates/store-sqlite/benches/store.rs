//! Payments per second in the store, against the bare two-commit loop of the same machine.
//!
//! `cargo bench -p tollgate-store-sqlite`; takes about half a minute. With the environment variable
//! `STORED_ORDERS` (for example 1000000) the store is filled with that many orders first. A folder on
//! the disk to measure may be given as `BENCH_FOLDER`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_core::apply::{Outcome, apply};
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::UNCERTAIN;
use tollgate_core::command::{Eci, OrderTarget, SafeParams};
use tollgate_core::ident::{FortId, MerchantId, OperationId, Stan};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{
    LastOperation, Operation, OperationEvent, OperationKind, OperationState, Order, PayKind, Phase, Totals,
    WireReference,
};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    LifeId, Merchants, NewOrder, OrderClaim, Orders, OutcomeRecord, Recorded, RecoveryChange, SealedCard, StoreError,
};
use tollgate_store_sqlite::ceiling::{BareBatches, BareLoop, Measured, drive, reference};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

const CALLERS: [usize; 5] = [1, 8, 32, 128, 256];
const ROUNDS: u64 = 5;
const SLICE: Duration = Duration::from_millis(400);
const WARM_UP: Duration = Duration::from_millis(1_500);
const BATCH_CALLS_MAX: usize = 512;
const FIRST: i64 = 179_518_080_000_000_000;
const TRACE: &str = "0100 2=400555******0001 3=000000 4=000000010000 7=1120120000 11=000001 14=3005 18=5999 22=012 25=59 \
                     37=000000000001 41=T0000001 42=M00000000000001 43=Demo Shop 49=784|0110 3=000000 4=000000010000 \
                     7=1120120000 11=000001 37=000000000001 38=A1B2C3 39=00 41=T0000001 49=784";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = match std::env::var_os("BENCH_FOLDER") {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let orders = std::env::var("STORED_ORDERS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    runtime.block_on(run(folder.path(), orders));
}

async fn run(folder: &Path, orders: u64) {
    let store = Arc::new(SqliteStore::open(&folder.join("store.db"), SqliteOptions::default()).unwrap());
    if orders > 0 {
        fill(&store, folder, orders).await;
    }
    // The first run makes the files grow; it is not counted.
    pay_for(&store, 128, WARM_UP, 0).await;
    let head = "best of all rounds: per s, p50, p99, longest ms, CPU us";
    let mut loops = BareLoop::open(folder, BATCH_CALLS_MAX).unwrap();
    println!("{:>8}  bare, {head}  |  store, the same  |  ratio of rates", "callers");
    for (index, callers) in CALLERS.into_iter().enumerate() {
        let (mut bare, mut paid) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let cpu = cpu_time();
            let measured = loops.measure(callers, SLICE).await.unwrap();
            bare.push(Round { measured, cpu: cpu_time() - cpu });
            let cpu = cpu_time();
            let base = 1 + u64::try_from(index).unwrap() * ROUNDS + round;
            let measured = pay_for(&store, callers, SLICE, base).await;
            paid.push(Round { measured, cpu: cpu_time() - cpu });
        }
        let (bare, paid) = (best(&bare), best(&paid));
        let ratio = paid.measured.per_second() / bare.measured.per_second();
        println!("{callers:>8}  {}  |  {}  |  {ratio:.2}", cells(bare), cells(paid));
    }
    loops.close().await.unwrap();
    let mut batches = BareBatches::open(folder).unwrap();
    for payments in [1, 32, 256] {
        let bare = batches.measure(payments, SLICE).unwrap();
        println!("bare batches of {payments}: {:.0} payments per s", bare.per_second());
    }
    reads(&store).await;
    store.close().await;
}

struct Round {
    measured: Measured,
    cpu: Duration,
}

/// The round that other work on the machine disturbed least.
fn best(rounds: &[Round]) -> &Round {
    rounds.iter().max_by(|a, b| a.measured.per_second().total_cmp(&b.measured.per_second())).unwrap()
}

/// What this process has used of all cores; zero where the system does not tell.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15 (user and system), in hundredths of a second; the name in field 2 may have spaces.
    let ticks = |place: usize| {
        let field = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(place - 3));
        field.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    Duration::from_millis(10 * (ticks(14) + ticks(15)))
}

async fn pay_for(store: &Arc<SqliteStore>, callers: usize, duration: Duration, round: u64) -> Measured {
    let store = Arc::clone(store);
    let base = (round + 1) << 32;
    drive(callers, duration, move |number| {
        let store = Arc::clone(&store);
        async move { pay(&store, base + number).await }
    })
    .await
    .unwrap()
}

async fn pay(store: &SqliteStore, number: u64) -> Result<(), StoreError> {
    let new = new_order(number);
    let record = approved(&new);
    assert_eq!(store.claim_order(new).await?, OrderClaim::Claimed);
    assert_eq!(store.record_outcome(record).await?, Recorded::Written);
    Ok(())
}

/// Pays through the store with many callers, synced like any payment.
async fn fill(store: &Arc<SqliteStore>, folder: &Path, orders: u64) {
    let begun = Instant::now();
    let callers = 512;
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let store = Arc::clone(store);
        tasks.push(tokio::spawn(async move {
            for number in (caller..orders).step_by(usize::try_from(callers).unwrap()) {
                pay(&store, number).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let bytes = std::fs::metadata(folder.join("store.db")).unwrap().len();
    println!("filled with {orders} orders in {:.0} s, {bytes} bytes", begun.elapsed().as_secs_f64());
}

async fn reads(store: &Arc<SqliteStore>) {
    let count = 50_000;
    let begun = Instant::now();
    for index in 0..count {
        let number = (1 << 32) + index % 500;
        let target = OrderTarget::Reference(reference(number));
        assert!(store.order(MerchantId(1), &target).await.unwrap().is_some());
    }
    per_read("order() by reference", begun.elapsed(), count);
    let begun = Instant::now();
    for _ in 0..count {
        store.merchants_generation().await.unwrap();
    }
    per_read("merchants_generation()", begun.elapsed(), count);
    let paying = Arc::clone(store);
    let payments = tokio::spawn(async move { pay_for(&paying, 32, Duration::from_millis(1_000), 40).await });
    let begun = Instant::now();
    let mut done = 0;
    while begun.elapsed() < Duration::from_millis(900) {
        let target = OrderTarget::Reference(reference((1 << 32) + done % 500));
        assert!(store.order(MerchantId(1), &target).await.unwrap().is_some());
        done += 1;
        tokio::task::yield_now().await;
    }
    per_read("order() while 32 callers pay", begun.elapsed(), done);
    println!("payments beside it: {:.0} per s", payments.await.unwrap().per_second());
    let begun = Instant::now();
    let orders: u64 = store.totals().await.unwrap().iter().map(|totals| totals.orders).sum();
    println!("totals() over {orders} orders: {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
}

fn per_read(name: &str, elapsed: Duration, count: u64) {
    let each = elapsed.as_secs_f64() / f64::from(u32::try_from(count).unwrap());
    println!("{name}: {:.1} us each, {:.0} per s", each * 1e6, 1.0 / each);
}

fn cells(round: &Round) -> String {
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let payments = round.measured.payments;
    let [p50, p99, longest] = [50, 99, 100].map(|percent| round.measured.latency(percent));
    let cpu = round.cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(payments).unwrap());
    let rate = round.measured.per_second();
    format!("{rate:>6.0} {:>6.2} {:>6.2} {:>6.1} {cpu:>4.0}", ms(p50), ms(p99), ms(longest))
}

fn new_order(number: u64) -> NewOrder {
    let id = OperationId(FIRST + number.cast_signed());
    let at = Timestamp(1_795_180_800_000_000 + number.cast_signed());
    let money = Money { amount: Amount::from_minor(10_000).unwrap(), currency: Currency::from_alpha("AED").unwrap() };
    let original =
        WireReference { stan: Stan::folded(u32::try_from(number % 999_999).unwrap()), rrn: id.rrn(), sent_at: at };
    let order = Order {
        fort_id: FortId(id.0),
        merchant: MerchantId(1),
        merchant_reference: reference(number),
        kind: PayKind::Purchase,
        money,
        eci: Eci::Ecommerce,
        channel: tollgate_core::feedback::Channel::Trusted,
        card: Some(CardFacts {
            mask: "400555******0001".to_owned(),
            expiry: "3005".to_owned(),
            holder: Some("Layla Haddad".to_owned()),
            brand: Brand::Visa,
        }),
        token: None,
        credential: None,
        phase: Phase::Pending,
        totals: Totals::default(),
        open_operation: Some(id),
        version: 1,
        authorization_code: None,
        original,
        last: LastOperation { kind: OperationKind::Purchase, code: UNCERTAIN, network_code: None },
        created_at: at,
    };
    let operation = Operation {
        id,
        fort_id: order.fort_id,
        kind: OperationKind::Purchase,
        money,
        state: OperationState::Sent,
        wire: original,
    };
    NewOrder {
        request: request(&order.merchant_reference),
        order,
        operation,
        card: SealedCard::from_bytes(vec![7; 57]),
        owner: LifeId(1),
        token: None,
        agreement: None,
        schedule: None,
        audit: Vec::new(),
        route: None,
        authentication: None,
        batch_row: None,
    }
}

fn request(reference: &str) -> SafeParams {
    let mut params = SafeParams::default();
    for (name, value) in [
        ("command", "PURCHASE"),
        ("access_code", "zx0IPmPy5jp1vAzdemo1"),
        ("merchant_identifier", "CycHZxVjdemo"),
        ("merchant_reference", reference),
        ("amount", "10000"),
        ("currency", "AED"),
        ("language", "en"),
        ("customer_email", "customer@example.com"),
        ("eci", "ECOMMERCE"),
        ("order_description", "Two books and a lamp"),
        ("customer_ip", "192.0.2.17"),
        ("customer_name", "Layla Haddad"),
        ("card_number", "400555******0001"),
        ("expiry_date", "3005"),
        ("card_holder_name", "Layla Haddad"),
    ] {
        params.push(name, value);
    }
    params
}

fn approved(new: &NewOrder) -> OutcomeRecord {
    let outcome = Outcome {
        network_code: Some("00".to_owned()),
        authorization_code: Some("A1B2C3".to_owned()),
        ..Outcome::silent(OperationEvent::Approved)
    };
    let applied = apply(&new.order, &new.operation, &outcome).unwrap();
    OutcomeRecord {
        order: applied.order,
        operation: new.operation.id,
        state_before: OperationState::Sent,
        state: applied.state,
        event: outcome.event,
        code: applied.code,
        network_code: outcome.network_code,
        authorization_code: outcome.authorization_code,
        network_transaction_id: outcome.network_transaction_id,
        advice: outcome.advice,
        trace: TRACE.to_owned(),
        recovery: RecoveryChange::None,
        feedback: None,
        message: None,
        next: None,
        checkout: None,
        at: new.order.created_at.plus_ms(120),
    }
}
