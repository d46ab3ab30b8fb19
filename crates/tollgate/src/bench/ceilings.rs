//! The ceilings, and the loads that are held against them.
//!
//! A virtual machine's disk and processors are half as fast again from one minute to the next. So a load and its ceiling
//! are measured in short turns, one after the other and again: what drifts, drifts for both.

use super::added;
use super::echo::Echo;
use super::load::{self, KeepPayments, LoadPlan, LoadResult, Pace, Until, Watched};
use super::report::{Ceilings, Load, Report};
use super::run::{Bench, tell};
use super::script::Mix;
use crate::client::Target;
use crate::data_folder::DataFolder;
use anyhow::Context;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tollgate_store_sqlite::ceiling::{BareBatches, BareLoop, Measured};

/// Into so many turns the time of a load and of its ceiling is divided.
const TURNS: u32 = 4;
/// The most that a turn after the first is warmed up: what has been loaded before only has to get going again.
const WARM_UP_AGAIN_MAX: Duration = Duration::from_millis(500);
/// The batch of the store's writer in the bare loop: the store's own default.
const BARE_BATCH_CALLS_MAX: usize = 512;

/// Whether [`measure`] runs just this load.
pub(super) fn has(plan: &LoadPlan) -> bool {
    plan.mix == Mix::Purchase && plan.in_flight == 32 && plan.pace == Pace::Closed
}

/// Measures each load and its ceiling by turns, and the time that the gateway adds.
///
/// # Errors
/// When the gateway does not answer at all, or a ceiling cannot be measured.
pub(super) async fn measure(
    bench: &mut Bench,
    scratch: &Path,
    data: &DataFolder,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut ceilings = Ceilings::default();
    let mut bare = BareLoop::open(scratch, BARE_BATCH_CALLS_MAX)?;
    let of_32 = async |time| Ok(bare.measure(32, time).await?);
    ceilings.bare_32 = Some(by_turns(bench, Mix::Purchase, 32, report, of_32).await?.into());
    tell("bare two-commit loop, 256 callers");
    ceilings.bare_256 = Some(bare.measure(256, bench.common.counted).await?.into());
    bare.close().await?;
    let batches = Arc::new(Mutex::new(BareBatches::open(scratch)?));
    let of_batches = async |time| in_batches_of_256(Arc::clone(&batches), time).await;
    ceilings.bare_batches_256 = Some(by_turns(bench, Mix::Purchase, 256, report, of_batches).await?.into());
    drop(batches);
    ceilings.echo = Some(status_and_echo(bench, report).await?);
    let few = LoadPlan { payments: KeepPayments::Each, ..bench.plan(Mix::Purchase, 8) };
    let payments = bench.load(few, report).await?.tally.payments;
    report.latency_parts = Some(added::parts(data, &payments).await?);
    report.ceilings = Some(ceilings);
    Ok(())
}

/// A load of the gateway and a loop without it, by turns; the load is reported, and what the loop did is told.
async fn by_turns(
    bench: &mut Bench,
    mix: Mix,
    in_flight: u32,
    report: &mut Report,
    mut ceiling: impl AsyncFnMut(Duration) -> anyhow::Result<Measured>,
) -> anyhow::Result<Measured> {
    let plan = bench.prepared(bench.plan(mix, in_flight), report).await?;
    let (mut loaded, mut measured) = (None, Measured::default());
    for turn in 0..TURNS {
        add(&mut loaded, bench.run(&turn_of(&plan, turn)).await?);
        tell(&format!("its ceiling, turn {} of {TURNS}", turn + 1));
        measured.add(ceiling(bench.common.counted / TURNS).await?);
    }
    report.loads.extend(loaded.map(|result| Load::new(&plan, &result)));
    Ok(measured)
}

/// CHECK_STATUS of the gateway and the echo, by turns.
async fn status_and_echo(bench: &mut Bench, report: &mut Report) -> anyhow::Result<Load> {
    let plan = bench.prepared(bench.plan(Mix::Status, 32), report).await?;
    let echo = Echo::start(bench.script.signer.clone()).await?;
    let target = Target::parse(&echo.url, None)?;
    let echo_plan = LoadPlan { name: "echo".to_owned(), target, watched: Watched::default(), ..plan.clone() };
    let (mut loaded, mut echoed) = (None, None);
    for turn in 0..TURNS {
        add(&mut loaded, bench.run(&turn_of(&plan, turn)).await?);
        add(&mut echoed, load::run(turn_of(&echo_plan, turn)).await?);
    }
    echo.stop().await;
    report.loads.extend(loaded.map(|result| Load::new(&plan, &result)));
    let echoed = echoed.context("no turn was measured")?;
    Ok(Load::new(&echo_plan, &echoed))
}

fn add(all: &mut Option<LoadResult>, one: LoadResult) {
    match all {
        Some(all) => all.add(one),
        None => *all = Some(one),
    }
}

/// One turn of a load.
fn turn_of(plan: &LoadPlan, turn: u32) -> LoadPlan {
    let until = match plan.until {
        Until::Time { warm_up, counted } => {
            let warm_up = if turn == 0 { warm_up } else { warm_up.min(WARM_UP_AGAIN_MAX) };
            Until::Time { warm_up, counted: counted / TURNS }
        }
        until @ Until::Orders(_) => until,
    };
    LoadPlan { until, ..plan.clone() }
}

async fn in_batches_of_256(batches: Arc<Mutex<BareBatches>>, time: Duration) -> anyhow::Result<Measured> {
    let measure = move || batches.lock().unwrap_or_else(PoisonError::into_inner).measure(256, time);
    Ok(tokio::task::spawn_blocking(measure).await.context("the bare loop broke off")??)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::load::CpuUsed;
    use super::super::tally::Tally;
    use super::*;

    fn one(sent: u64, gateway_ms: Option<u64>) -> LoadResult {
        let cpu = CpuUsed { answers: sent, gateway: gateway_ms.map(Duration::from_millis), ..CpuUsed::default() };
        let tally = Tally { sent, ..Tally::new(1) };
        LoadResult { tally, counted: Duration::from_secs(2), missed: 1, cpu, resident_bytes: Some(sent) }
    }

    #[test]
    fn turns_of_one_load_count_together() {
        let mut all = None;
        [one(10, Some(5)), one(30, Some(7))].into_iter().for_each(|turn| add(&mut all, turn));
        let mut all = all.unwrap();
        assert_eq!((all.tally.sent, all.counted, all.missed), (40, Duration::from_secs(4), 2));
        assert_eq!((all.cpu.answers, all.cpu.gateway), (40, Some(Duration::from_millis(12))));
        assert_eq!(all.resident_bytes, Some(30), "the memory at the end");
        all.add(one(1, None));
        assert_eq!(all.cpu.gateway, None, "what is not known of a turn is not known of all");
    }
}
