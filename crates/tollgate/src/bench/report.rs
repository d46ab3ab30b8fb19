//! What a measurement says, for machines: the names are stable and told in `docs/bench.md`.

use super::added::Parts;
use super::goals::{Figures, Goal, table};
use super::histogram::Latency;
use super::load::{LoadPlan, LoadResult, Pace};
use super::process;
use super::script::Step;
use super::sums::SumsCheck;
use super::worker::SIGNATURE_EVERY;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tollgate_store_sqlite::ceiling::Measured;

/// The version of the names below; it changes when one of them changes its meaning or goes away.
const REPORT_VERSION: u32 = 1;

/// A whole measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub report_version: u32,
    /// The version of this program.
    pub tollgate_version: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// The loads, in the order in which they ran.
    pub loads: Vec<Load>,
    /// The comparisons of the books, one for each gateway that was loaded.
    pub sums: Vec<SumsCheck>,
    /// The gateway's process; nothing of a gateway that was running before.
    pub gateway: Option<GatewayFigures>,
    /// The ceilings, if they were asked for.
    pub ceilings: Option<Ceilings>,
    /// The parts of a payment's latency at 8 in flight, if the ceilings were asked for.
    pub latency_parts: Option<Parts>,
    /// Many stored orders against few, if they were asked for.
    pub stored_orders: Option<StoredOrders>,
    /// Many stored cards against few, if they were asked for.
    pub stored_cards: Option<StoredCards>,
    /// A rotation of keys under payments, if it was asked for.
    pub rotation: Option<RotationFigures>,
    /// The goals.
    pub goals: Vec<Goal>,
    /// Whether all books are equal and every answer was the expected one.
    pub right: bool,
}

/// Where it ran.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub cores: usize,
    /// The kind of file system under the data.
    pub file_system: Option<String>,
    /// The load average over a minute before the measurement: above 0.5, something else was running.
    pub load_average_before: Option<f64>,
    /// The same afterwards; most of it is this measurement.
    pub load_average_after: Option<f64>,
    /// The size of this program's file.
    pub binary_bytes: Option<u64>,
}

impl Machine {
    /// This machine, with the data in `folder`.
    pub fn look(folder: &Path) -> Machine {
        let binary = std::env::current_exe().and_then(std::fs::metadata);
        Machine {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            file_system: super::folder::file_system(folder),
            load_average_before: process::load_average(),
            load_average_after: None,
            binary_bytes: binary.ok().map(|about| about.len()),
        }
    }
}

/// The name of loads that make what is asked for afterwards.
pub const PREPARATION: &str = "preparation";

/// One load.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// What it was.
    pub name: String,
    /// The name of a [`super::script::Mix`].
    pub mix: &'static str,
    /// Connections.
    pub in_flight: u32,
    /// Orders a second that were to begin; nothing in a closed loop.
    pub rate: Option<u32>,
    /// The counted time.
    pub seconds: f64,
    /// Requests that count: answered in the counted time, or, at a rate, to begin in it.
    pub requests: u64,
    /// The same per second.
    pub per_second: f64,
    /// All requests, those of the warm-up too.
    pub sent: u64,
    /// Orders that the rate asked for and that were not begun in time: the rate was not reached.
    pub missed: u64,
    /// Latencies of all requests that count.
    pub latency: Latency,
    /// The same by kind of request.
    pub latency_by_step: BTreeMap<&'static str, Latency>,
    /// All answers by response code.
    pub codes: BTreeMap<String, u64>,
    /// Whatever was not expected.
    pub errors: BTreeMap<String, u64>,
    /// One answer in so many had its signature checked.
    pub signature_checked_every: u64,
    /// How many were.
    pub signatures_checked: u64,
    /// Processor time per answer in the counted time, microseconds.
    pub cpu_us_per_request: CpuUs,
    /// The gateway's resident memory at the end.
    pub gateway_resident_bytes: Option<u64>,
}

/// Processor time, microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CpuUs {
    /// The gateway.
    pub gateway: Option<f64>,
    /// The card network.
    pub issuer: Option<f64>,
    /// The generator.
    pub generator: Option<f64>,
}

impl Load {
    /// Of a plan and its result.
    pub fn new(plan: &LoadPlan, result: &LoadResult) -> Load {
        let tally = &result.tally;
        let all = tally.all_steps();
        let by_step = Step::ALL.into_iter().zip(&tally.steps).filter(|(_, histogram)| histogram.total() > 0);
        let us = |cpu: Option<Duration>| {
            let answers = u32::try_from(result.cpu.answers).unwrap_or(u32::MAX);
            cpu?.checked_div(answers).map(|cpu| rounded(cpu.as_secs_f64() * 1e6))
        };
        Load {
            name: plan.name.clone(),
            mix: plan.mix.name(),
            in_flight: plan.in_flight,
            rate: match plan.pace {
                Pace::Closed => None,
                Pace::PerSecond(rate) => Some(rate),
            },
            seconds: rounded(result.counted.as_secs_f64()),
            requests: all.total(),
            per_second: rounded(per_second(all.total(), result.counted)),
            sent: tally.sent,
            missed: result.missed,
            latency: all.summary(),
            latency_by_step: by_step.map(|(step, histogram)| (step.name(), histogram.summary())).collect(),
            codes: tally.codes.clone(),
            errors: tally.errors.clone(),
            signature_checked_every: SIGNATURE_EVERY,
            signatures_checked: tally.signatures_checked,
            cpu_us_per_request: CpuUs {
                gateway: us(result.cpu.gateway),
                issuer: us(result.cpu.issuer),
                generator: us(result.cpu.generator),
            },
            gateway_resident_bytes: result.resident_bytes,
        }
    }
}

/// The gateway's process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GatewayFigures {
    /// Resident memory after the first start, before any request.
    pub resident_fresh_bytes: Option<u64>,
    /// After the loads.
    pub resident_loaded_bytes: Option<u64>,
    /// After a start on the data that the loads left, and one request.
    pub resident_restarted_bytes: Option<u64>,
    /// From the start of the process on that data to its first answer, milliseconds: the median.
    pub start_ms: Option<f64>,
    /// Each of them.
    pub starts_ms: Vec<f64>,
    /// The size of the database after the loads.
    pub database_bytes: Option<u64>,
}

/// What the machine can do at best.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ceilings {
    /// The bare two-commit loop, 32 callers.
    pub bare_32: Option<Bare>,
    /// The same with 256 callers; no goal is held against it.
    pub bare_256: Option<Bare>,
    /// The bare two-commit loop in batches of 256.
    pub bare_batches_256: Option<Bare>,
    /// The HTTP echo with both signatures; the processor time of its threads is in the generator's.
    pub echo: Option<Load>,
}

/// A loop without a gateway.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bare {
    /// Payments of two commits a second.
    pub per_second: f64,
    /// The median as a caller saw it; of batches, that of a whole batch.
    pub p50_us: f64,
    /// The same, p99.
    pub p99_us: f64,
}

impl From<Measured> for Bare {
    fn from(measured: Measured) -> Bare {
        let us = |duration: Duration| rounded(duration.as_secs_f64() * 1e6);
        Bare {
            per_second: rounded(measured.per_second()),
            p50_us: us(measured.latency(50)),
            p99_us: us(measured.latency(99)),
        }
    }
}

/// Many stored orders against few.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StoredOrders {
    /// How many were stored beforehand.
    pub orders: u64,
    /// How long storing them took.
    pub fill_seconds: f64,
    /// Requests a second with next to none.
    pub empty_per_second: f64,
    /// Requests a second with them.
    pub filled_per_second: f64,
    /// The second by the first.
    pub ratio: f64,
}

/// Many stored cards against few.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StoredCards {
    /// How many the one gateway had.
    pub few: u64,
    /// How many the other had.
    pub cards: u64,
    /// How long sealing and storing them took.
    pub fill_seconds: f64,
    /// Requests a second with few.
    pub few_per_second: f64,
    /// Their p99.
    pub few_p99_us: f64,
    /// Requests a second with many.
    pub many_per_second: f64,
    /// Their p99.
    pub many_p99_us: f64,
    /// The rate with many by the rate with few.
    pub ratio: f64,
}

/// A rotation of data keys while payments ran.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RotationFigures {
    /// Cards that were stored before.
    pub cards: u64,
    /// From the command's start to its end, in which it also makes sure that nobody uses the old key any more.
    pub seconds: f64,
    /// Rows sealed anew: the cards, those of the payments, and secrets.
    pub rows: u64,
    /// How many of them in a second while there were some.
    pub rows_per_second: f64,
    /// The gateway's processors in that time, its payments included: 1.0 is one core.
    pub gateway_cores: Option<f64>,
    /// p99 of the payments before.
    pub before_p99_us: f64,
    /// The highest p99 of the payments meanwhile.
    pub during_p99_us: f64,
    /// The second by the first.
    pub p99_ratio: f64,
}

impl Report {
    /// A report without figures.
    pub fn begin(machine: Machine) -> Report {
        Report {
            report_version: REPORT_VERSION,
            tollgate_version: env!("CARGO_PKG_VERSION"),
            machine,
            loads: Vec::new(),
            sums: Vec::new(),
            gateway: None,
            ceilings: None,
            latency_parts: None,
            stored_orders: None,
            stored_cards: None,
            rotation: None,
            goals: Vec::new(),
            right: false,
        }
    }

    /// Draws the conclusions.
    pub fn end(&mut self) {
        self.machine.load_average_after = process::load_average();
        self.goals = table(&self.figures());
        let expected = |load: &Load| load.errors.is_empty() && load.requests > 0;
        let echo = self.ceilings.iter().filter_map(|ceilings| ceilings.echo.as_ref());
        self.right = self.loads.iter().chain(echo).all(expected) && self.sums.iter().all(|sums| sums.equal);
    }

    /// The loads by which tokens are judged, with stored cards and without.
    fn token_loads<'a>(&'a self, mix: &'a str) -> impl Iterator<Item = &'a Load> {
        self.loads.iter().filter(move |load| {
            load.mix == mix && load.in_flight == 64 && load.rate.is_none() && load.name != PREPARATION
        })
    }

    fn figures(&self) -> Figures {
        let load = |mix: &str, in_flight: u32| {
            self.loads.iter().find(|load| load.mix == mix && load.in_flight == in_flight && load.rate.is_none())
        };
        let ceilings = self.ceilings.clone().unwrap_or_default();
        let gateway = self.gateway.clone().unwrap_or_default();
        let mib = |bytes: Option<u64>| bytes.map(|bytes| rounded(bytes as f64 / 1_048_576.0));
        let ms = |us: f64| us / 1e3;
        let least = |mix: &str| self.token_loads(mix).map(|load| load.per_second).reduce(f64::min);
        let p99 = ["tokenize", "token"]
            .into_iter()
            .flat_map(|mix| self.token_loads(mix))
            .map(|load| ms(load.latency.p99_us))
            .reduce(f64::max);
        Figures {
            purchases_32_per_second: load("purchase", 32).map(|load| load.per_second),
            bare_32_per_second: ceilings.bare_32.map(|bare| bare.per_second),
            purchases_256_per_second: load("purchase", 256).map(|load| load.per_second),
            bare_256_per_second: ceilings.bare_batches_256.map(|bare| bare.per_second),
            status_per_second: load("status", 32).map(|load| load.per_second),
            echo_per_second: ceilings.echo.map(|echo| echo.per_second),
            added_p50_ms: self.latency_parts.map(|parts| ms(parts.added.p50_us)),
            added_p99_ms: self.latency_parts.map(|parts| ms(parts.added.p99_us)),
            cpu_us_per_purchase: load("purchase", 32).and_then(|load| load.cpu_us_per_request.gateway),
            start_ms: gateway.start_ms,
            resident_idle_mib: mib(gateway.resident_restarted_bytes.or(gateway.resident_fresh_bytes)),
            binary_mib: mib(self.machine.binary_bytes),
            tokenizations_per_second: least("tokenize"),
            token_look_ups_per_second: least("token"),
            tokens_p99_ms: p99,
            stored_cards_ratio: self.stored_cards.map(|stored| stored.ratio),
            rotated_per_second: self.rotation.map(|rotation| rotation.rows_per_second),
            rotation_p99_ratio: self.rotation.map(|rotation| rotation.p99_ratio),
        }
    }
}

/// To a hundredth: more digits would say nothing.
pub fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}
