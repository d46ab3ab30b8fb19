//! Many seeds, on several threads, with their sums.

use crate::audit::agreements::AgreementSums;
use crate::plan::{Fault, Plan};
use crate::record::{AtPage, Keep};
use crate::world::{self, Outcome};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The sums of many runs.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// How many seeds were run.
    pub seeds: u64,
    /// Payments.
    pub payments: u64,
    /// Payments that met a fault.
    pub payments_met: u64,
    /// Calls of merchants.
    pub calls: u64,
    /// Events.
    pub events: u64,
    /// Deaths of the gateway.
    pub crashes: u64,
    /// Operations that operators settled by hand.
    pub corrections: u64,
    /// How many of them they were wrong about.
    pub mistakes: u64,
    /// Cards that were kept under a name in the end.
    pub tokens: u64,
    /// What happened to agreements.
    pub agreements: AgreementSums,
    /// What happened at the page.
    pub at_page: AtPage,
    /// Faults, in the order of [`Fault::ALL`].
    pub faults: [u64; Fault::ALL.len()],
    /// Simulated time, in milliseconds.
    pub simulated_ms: u64,
    /// Plans that were found to fail, with what was found first.
    pub failed: Vec<Plan>,
    /// CPU time of this process for it, in seconds, where the system tells it.
    pub cpu_seconds: Option<f64>,
    /// Time that went by for it, in seconds.
    pub seconds: f64,
}

/// How often progress is told, in seconds.
const PROGRESS_SECONDS: u64 = 10;

/// Runs `plans` on `jobs` threads. After the first that fails no other is begun.
///
/// # Errors
/// When a world cannot be built.
pub fn run_all(plans: &[Plan], jobs: usize) -> anyhow::Result<Sums> {
    let began = Instant::now();
    let cpu_before = cpu_seconds();
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let sums = Mutex::new(Sums::default());
    let told_at = Mutex::new(Instant::now());
    let work = || -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed))?;
            let Some(plan) = plans.get(place) else { break };
            let outcome = world::run(plan, Keep::Digest)?;
            let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
            sums.add(plan, &outcome);
            if outcome.violation.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
            let mut told_at = told_at.lock().unwrap_or_else(PoisonError::into_inner);
            if told_at.elapsed() >= Duration::from_secs(PROGRESS_SECONDS) {
                *told_at = Instant::now();
                eprintln!(
                    "{} of {} seeds, {} payments, {} crashes",
                    sums.seeds,
                    plans.len(),
                    sums.payments,
                    sums.crashes
                );
            }
        }
        Ok(())
    };
    let results: Vec<anyhow::Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let broke = || Err(anyhow::anyhow!("a run panicked"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| broke())).collect()
    });
    results.into_iter().collect::<anyhow::Result<()>>()?;
    let mut sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.seconds = began.elapsed().as_secs_f64();
    sums.cpu_seconds = cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
    Ok(sums)
}

impl Sums {
    fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        self.seeds += 1;
        self.payments += outcome.payments;
        self.payments_met += outcome.payments_met;
        self.calls += outcome.calls;
        self.events += outcome.events;
        self.crashes += outcome.crashes;
        self.corrections += outcome.corrections;
        self.at_page = self.at_page.with(outcome.at_page);
        self.mistakes += outcome.mistakes;
        self.tokens += outcome.tokens;
        self.agreements = self.agreements.with(outcome.agreements);
        self.simulated_ms += outcome.simulated_ms;
        for (sum, count) in self.faults.iter_mut().zip(outcome.faults) {
            *sum += count;
        }
        if outcome.violation.is_some() {
            self.failed.push(plan.clone());
        }
    }

    /// The sums for people.
    #[must_use]
    pub fn as_text(&self) -> String {
        let part = self.payments_met * 1_000 / self.payments.max(1);
        let mut text = format!(
            "{} seeds, {} payments, {}.{} % of them with faults, {} calls, {} events, {} crashes, {} corrections ({} of them wrong), {} cards kept\n{:.1} hours simulated in {:.1} s",
            self.seeds,
            self.payments,
            part / 10,
            part % 10,
            self.calls,
            self.events,
            self.crashes,
            self.corrections,
            self.mistakes,
            self.tokens,
            to_float(self.simulated_ms) / 3_600_000.0,
            self.seconds
        );
        if let Some(cpu) = self.cpu_seconds.filter(|cpu| *cpu > 0.0) {
            text.push_str(&format!(
                ", {cpu:.1} s of CPU: {:.0} payments per second of CPU",
                to_float(self.payments) / cpu
            ));
        }
        let AtPage { came, tries, overtaken, given_up, went_back, .. } = self.at_page;
        text.push_str(&format!(
            "\nat the page: {came} came, {tries} tries, {overtaken} overtaken, {given_up} given up, {went_back} sent back"
        ));
        let AgreementSums { begun, charged, turned_away, due_dates } = self.agreements;
        text.push_str(&format!(
            "\nagreements: {begun} begun, {charged} charges, {due_dates} of them by the gateway itself, {turned_away} turned away"
        ));
        for (fault, count) in Fault::ALL.iter().zip(self.faults) {
            text.push_str(&format!("\n{count:>10} {}", fault.name()));
        }
        text
    }
}

/// Sums of runs are far below where floating-point numbers become inexact.
#[allow(clippy::cast_precision_loss, reason = "for people to read")]
fn to_float(number: u64) -> f64 {
    number as f64
}

/// The CPU time of this process as Linux tells it: fields 14 and 15 of /proc/self/stat, in hundredths of a second.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(to_float(ticks(11)? + ticks(12)?) / 100.0)
}
