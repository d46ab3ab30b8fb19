//! A load: connections that ask as fast as they are answered, or at a rate.

use super::process::{Usage, own_usage, usage};
use super::script::{Carts, Mix, Script, Step};
use super::tally::Tally;
use super::worker::{self, Turn};
use crate::client::Target;
use anyhow::Context;
use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long requests that were begun in time may take to be answered after the end, in milliseconds.
const DRAIN_MS_MAX: u64 = 5_000;
/// How often progress is told, in milliseconds.
const PROGRESS_MS: u64 = 1_000;

/// What decides when a request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The answer to the one before, on the same connection.
    Closed,
    /// So many orders a second, whether the gateway keeps up or not.
    PerSecond(u32),
}

/// When a load ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After a warm-up that does not count and a time that does.
    Time {
        /// Not counted.
        warm_up: Duration,
        /// Counted.
        counted: Duration,
    },
    /// After so many orders, without a warm-up.
    Orders(u64),
}

/// What to do to whom.
#[derive(Clone)]
pub struct LoadPlan {
    /// What is told while it runs.
    pub name: String,
    /// Where the gateway is.
    pub target: Target,
    /// The requests.
    pub script: Arc<Script>,
    /// The orders.
    pub carts: Arc<Carts>,
    /// Which requests.
    pub mix: Mix,
    /// For [`Mix::Status`]: the numbers of orders that exist.
    pub known: Range<u64>,
    /// Connections.
    pub in_flight: u32,
    /// When requests begin.
    pub pace: Pace,
    /// When it ends.
    pub until: Until,
    /// Whether each payment is kept with its latency.
    pub payments: KeepPayments,
    /// Processes whose use of the processors is measured.
    pub watched: Watched,
}

/// Whether each payment is kept with its latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepPayments {
    /// Yes.
    Each,
    /// No: the histogram is enough.
    None,
}

/// Processes that are watched, where they are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// The gateway's.
    pub gateway: Option<u32>,
    /// The card network's.
    pub issuer: Option<u32>,
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct LoadResult {
    /// All connections together.
    pub tally: Tally,
    /// How long was counted.
    pub counted: Duration,
    /// Orders that the rate asked for and that were not begun in time.
    pub missed: u64,
    /// Use of the processors in the counted time.
    pub cpu: CpuUsed,
    /// The gateway's resident memory at the end.
    pub resident_bytes: Option<u64>,
}

impl LoadResult {
    /// Adds what came of the same load at another time.
    pub fn add(&mut self, other: LoadResult) {
        self.tally.merge(other.tally);
        self.counted += other.counted;
        self.missed += other.missed;
        self.cpu = self.cpu.and(other.cpu);
        self.resident_bytes = other.resident_bytes;
    }
}

/// Use of the processors.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuUsed {
    /// For so many answers.
    pub answers: u64,
    /// By the gateway.
    pub gateway: Option<Duration>,
    /// By the card network.
    pub issuer: Option<Duration>,
    /// By this process, which generates the load.
    pub generator: Option<Duration>,
}

impl CpuUsed {
    /// What is not known of one of them is not known of both.
    fn and(self, other: CpuUsed) -> CpuUsed {
        let both = |one: Option<Duration>, other: Option<Duration>| one?.checked_add(other?);
        CpuUsed {
            answers: self.answers + other.answers,
            gateway: both(self.gateway, other.gateway),
            issuer: both(self.issuer, other.issuer),
            generator: both(self.generator, other.generator),
        }
    }
}

/// What the connections of one load share.
pub struct Shared {
    pub(super) target: Target,
    pub(super) script: Arc<Script>,
    pub(super) carts: Arc<Carts>,
    pub(super) mix: Mix,
    pub(super) known: Range<u64>,
    pub(super) keep_payments: bool,
    pub(super) codes_expected: Vec<String>,
    window: Range<Instant>,
    turns: Turns,
    answers: AtomicU64,
}

/// Who may begin an order when.
enum Turns {
    /// Whoever asks, until the window ends or so many were given.
    Free { given: AtomicU64, max: u64 },
    /// Turn `n` at `begin + n * gap`; the permits say how many have come up.
    Paced { begin: Instant, gap: Duration, given: AtomicU64, max: u64, come_up: Semaphore },
}

impl Shared {
    /// The next order to begin; `None` when the load is over.
    pub(super) async fn next_turn(&self) -> Option<Turn> {
        match &self.turns {
            Turns::Free { given, max } => {
                let over = Instant::now() >= self.window.end || given.fetch_add(1, Ordering::Relaxed) >= *max;
                (!over).then_some(Turn { intended: None })
            }
            Turns::Paced { begin, gap, given, max, come_up } => {
                come_up.acquire().await.ok()?.forget();
                let number = given.fetch_add(1, Ordering::Relaxed);
                if number >= *max {
                    return None;
                }
                Some(Turn { intended: Some(at(*begin, *gap, number)) })
            }
        }
    }

    /// Whether a request counts: by the moment at which it ought to have begun, or by the moment of its answer.
    /// Counting by the intended moment is what keeps a slow answer at the end from being left out.
    pub(super) fn counts(&self, intended: Option<Instant>, ended: Instant) -> bool {
        self.window.contains(&intended.unwrap_or(ended))
    }

    /// Notes an answer, for the progress and for the processors' share.
    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn given(&self) -> u64 {
        match &self.turns {
            Turns::Free { given, max } | Turns::Paced { given, max, .. } => given.load(Ordering::Relaxed).min(*max),
        }
    }
}

/// Runs a load to its end.
///
/// # Errors
/// When the gateway does not answer at all, or a task of the generator breaks off.
pub async fn run(plan: LoadPlan) -> anyhow::Result<LoadResult> {
    // So that a wrong address is told once, and in plain words.
    drop(plan.target.connect().await?);
    let begin = Instant::now();
    let shared = Arc::new(share(&plan, begin));
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..u64::from(plan.in_flight) {
        let shared = Arc::clone(&shared);
        workers.spawn(async move { worker::drive(&shared, number).await });
    }
    if let Turns::Paced { .. } = shared.turns {
        let (pacing, in_flight) = (Arc::clone(&shared), plan.in_flight);
        std::thread::Builder::new().name("pace".to_owned()).spawn(move || pace(&pacing, in_flight))?;
    }
    let watching = watch(&plan, &shared);
    let mut tally = Tally::new(plan.script.currencies.len());
    let gather = async {
        while let Some(joined) = workers.join_next().await {
            tally.merge(joined.context("a task of the generator broke off")?);
        }
        anyhow::Ok(())
    };
    let measured = match plan.until {
        Until::Time { .. } => {
            let (measured, gathered) = tokio::join!(watching, gather);
            gathered?;
            measured
        }
        Until::Orders(_) => {
            gather.await?;
            CpuMeasured::default()
        }
    };
    let missed = match &shared.turns {
        Turns::Free { .. } => 0,
        Turns::Paced { max, .. } => max.saturating_sub(shared.given()),
    };
    let counted = match plan.until {
        Until::Time { counted, .. } => counted,
        Until::Orders(_) => begin.elapsed(),
    };
    let resident_bytes = measured.end.gateway.map(|usage| usage.resident_bytes);
    Ok(LoadResult { tally, counted, missed, cpu: measured.used(), resident_bytes })
}

fn share(plan: &LoadPlan, begin: Instant) -> Shared {
    let (window, orders_max) = match plan.until {
        Until::Time { warm_up, counted } => (begin + warm_up..begin + warm_up + counted, u64::MAX),
        // As good as for ever: the number of orders ends it.
        Until::Orders(orders) => (begin..begin + Duration::from_secs(86_400), orders),
    };
    let turns = match plan.pace {
        Pace::Closed => Turns::Free { given: AtomicU64::new(0), max: orders_max },
        Pace::PerSecond(rate) => {
            let gap = Duration::from_secs(1) / rate.max(1);
            let turns = window.end.saturating_duration_since(begin).as_nanos() / gap.as_nanos().max(1);
            let max = u64::try_from(turns).unwrap_or(u64::MAX).min(orders_max);
            Turns::Paced { begin, gap, given: AtomicU64::new(0), max, come_up: Semaphore::new(0) }
        }
    };
    Shared {
        target: plan.target.clone(),
        script: Arc::clone(&plan.script),
        carts: Arc::clone(&plan.carts),
        mix: plan.mix,
        known: plan.known.clone(),
        keep_payments: plan.payments == KeepPayments::Each,
        codes_expected: Step::ALL.into_iter().map(Step::code_expected).collect(),
        window,
        turns,
        answers: AtomicU64::new(0),
    }
}

/// Gives out turns when they come up. A thread of its own: the runtime's timer knows milliseconds only.
fn pace(shared: &Shared, in_flight: u32) {
    let Turns::Paced { begin, gap, max, come_up, .. } = &shared.turns else { return };
    let mut given_out = 0_u64;
    while given_out < *max {
        let now = Instant::now();
        let due = at(*begin, *gap, given_out);
        if due > now {
            std::thread::sleep(due - now);
            continue;
        }
        let up = now.saturating_duration_since(*begin).as_nanos() / gap.as_nanos().max(1) + 1;
        let up = u64::try_from(up).unwrap_or(u64::MAX).min(*max);
        come_up.add_permits(usize::try_from(up - given_out).unwrap_or(1));
        given_out = up;
    }
    // One more for each connection, with which it learns that there is nothing left.
    come_up.add_permits(usize::try_from(in_flight).unwrap_or(1));
    let end = shared.window.end + Duration::from_millis(DRAIN_MS_MAX);
    while Instant::now() < end && shared.given() < *max {
        std::thread::sleep(Duration::from_millis(5));
    }
    come_up.close();
}

fn at(begin: Instant, gap: Duration, number: u64) -> Instant {
    let ns = gap.as_nanos().saturating_mul(u128::from(number));
    begin + Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

/// The processors' use at both ends of the counted time.
#[derive(Default)]
struct CpuMeasured {
    begin: CpuPoint,
    end: CpuPoint,
}

#[derive(Default)]
struct CpuPoint {
    answers: u64,
    gateway: Option<Usage>,
    issuer: Option<Usage>,
    generator: Option<Usage>,
}

impl CpuPoint {
    fn read(watched: Watched, shared: &Shared) -> CpuPoint {
        CpuPoint {
            answers: shared.answers.load(Ordering::Relaxed),
            gateway: watched.gateway.and_then(usage),
            issuer: watched.issuer.and_then(usage),
            generator: own_usage(),
        }
    }
}

impl CpuMeasured {
    fn used(&self) -> CpuUsed {
        let used = |begin: Option<Usage>, end: Option<Usage>| end?.cpu.checked_sub(begin?.cpu);
        CpuUsed {
            answers: self.end.answers.saturating_sub(self.begin.answers),
            gateway: used(self.begin.gateway, self.end.gateway),
            issuer: used(self.begin.issuer, self.end.issuer),
            generator: used(self.begin.generator, self.end.generator),
        }
    }
}

/// Reads the processors' use at both ends of the counted time, and tells progress in between.
async fn watch(plan: &LoadPlan, shared: &Shared) -> CpuMeasured {
    tokio::time::sleep_until(shared.window.start.into()).await;
    let begin = CpuPoint::read(plan.watched, shared);
    let mut before = begin.answers;
    let terminal = std::io::stderr().is_terminal();
    while Instant::now() < shared.window.end {
        let next = (Instant::now() + Duration::from_millis(PROGRESS_MS)).min(shared.window.end);
        tokio::time::sleep_until(next.into()).await;
        if terminal {
            let answers = shared.answers.load(Ordering::Relaxed);
            let left = shared.window.end.saturating_duration_since(Instant::now()).as_secs();
            let per_second = answers.saturating_sub(before);
            let _ = write!(std::io::stderr(), "\r{}: {per_second} answers/s, {left} s left \x1b[K", plan.name);
            before = answers;
        }
    }
    let end = CpuPoint::read(plan.watched, shared);
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    CpuMeasured { begin, end }
}
