//! Payments while the keys of many stored cards are rotated.

use super::load::{LoadPlan, Pace};
use super::process::usage;
use super::report::{Report, RotationFigures, rounded};
use super::run::{Bench, tell};
use super::script::Mix;
use crate::data_folder::DataFolder;
use anyhow::{Context, bail};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Payments a second while keys are rotated, where nothing else was asked for: a quarter and less of what a small
/// machine does, so that the rotation meets a gateway that is at work and not one that is overrun.
const PAYMENTS_PER_SECOND: u32 = 1_000;

/// Loads the gateway with payments, first by themselves and then while it rotates the data keys of all its cards.
///
/// # Errors
/// When the rotation fails, or the gateway does not answer.
pub async fn measure(bench: &mut Bench, data: &DataFolder, cards: u64, report: &mut Report) -> anyhow::Result<()> {
    let pace = match bench.common.pace {
        Pace::Closed => Pace::PerSecond(PAYMENTS_PER_SECOND),
        pace @ Pace::PerSecond(_) => pace,
    };
    let plan = |bench: &Bench, name: &str| LoadPlan {
        name: name.to_owned(),
        pace,
        ..bench.plan(Mix::Purchase, bench.common.in_flight)
    };
    bench.load(plan(bench, "purchase before the rotation"), report).await?;
    let before_p99_us = last_p99_us(report);
    tell("rotating the data keys");
    let cpu_before = bench.watched.gateway.and_then(usage);
    let begun = Instant::now();
    let mut rotation = Command::new(std::env::current_exe()?)
        .args(["keys", "rotate", "--format", "json", "--data"])
        .arg(data.path())
        .arg("--data-keys")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("the rotation cannot be started")?;
    let mut during_p99_us: f64 = 0.0;
    let mut loads = 0_u32;
    // Payments go on for as long as the rotation does; only loads that it outlasted count.
    let ended = loop {
        let loading = plan(bench, "purchase during the rotation");
        bench.load(loading, report).await?;
        let ended = rotation.try_wait()?;
        if ended.is_none() || loads == 0 {
            during_p99_us = during_p99_us.max(last_p99_us(report));
            loads += 1;
        }
        if let Some(status) = ended {
            break status;
        }
    };
    let cpu_after = bench.watched.gateway.and_then(usage);
    let seconds = begun.elapsed().as_secs_f64();
    let said = rotation.wait_with_output()?;
    if !ended.success() {
        bail!("the rotation of keys failed: {}", String::from_utf8_lossy(&said.stderr));
    }
    let done: serde_json::Value = serde_json::from_slice(&said.stdout).context("the rotation told no figures")?;
    let cpu = cpu_before.zip(cpu_after).and_then(|(before, after)| after.cpu.checked_sub(before.cpu));
    report.rotation = Some(RotationFigures {
        cards,
        seconds: rounded(seconds),
        rows: done["rows_resealed"].as_u64().unwrap_or_default(),
        rows_per_second: done["rows_per_second"].as_f64().unwrap_or_default(),
        gateway_cores: cpu.map(|cpu| rounded(cpu.as_secs_f64() / seconds.max(1e-9))),
        before_p99_us,
        during_p99_us,
        p99_ratio: rounded(during_p99_us / before_p99_us.max(1e-9)),
    });
    Ok(())
}

fn last_p99_us(report: &Report) -> f64 {
    report.loads.last().map_or(0.0, |load| load.latency.p99_us)
}
