//! The load while a batch is carried out beside it: what live payments feel of it.

use super::bed::{GatewayBed, IssuerBed, tollgate};
use super::load::LoadPlan;
use super::report::Report;
use super::run::{Bench, OwnPlan, account_of, tell};
use super::sums::Books;
use crate::client::Target;
use crate::data_folder::DataFolder;
use anyhow::{Context, bail};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the batch is called, and the token that its rows pay by.
const REFERENCE: &str = "bench";
const TOKEN: &str = "bench-token";
/// How often it is looked how far the batch is, in milliseconds.
const LOOK_MS: u64 = 500;
/// How long a batch may take besides what its rows do, in seconds.
const WAIT_S: u64 = 120;
/// The rows that a gateway begins in a second, by default.
const ROWS_PER_SECOND: u64 = 200;

/// Loads a gateway of its own twice: without a batch, and while one of `plan.batch` rows is carried out.
///
/// # Errors
/// When something cannot be started, or the batch is done before the load is.
pub async fn measure_batch(
    plan: &OwnPlan,
    scratch: &Path,
    issuer: &IssuerBed,
    report: &mut Report,
) -> anyhow::Result<()> {
    let folder = scratch.join("batch");
    std::fs::create_dir(&folder)?;
    let gateway = GatewayBed::start(&folder, issuer.iso).await?;
    let data = gateway.data()?;
    let account = account_of(&data, &plan.common.merchant).await?;
    let before = Books::read(&data, &issuer.admin.to_string()).await?;
    let mut bench = Bench::new(plan.common.clone(), account.signer, Target::parse(&gateway.url, None)?)?;
    bench.watched.gateway = Some(gateway.pid());
    bench.watched.issuer = Some(issuer.pid());
    // The batch's orders are in the books, and nobody here was answered for them.
    bench.knows_not_all_answers();

    let mix = plan.common.mix.name();
    let alone = LoadPlan { name: format!("{mix} without a batch"), ..bench.main_plan() };
    bench.load(alone, report).await?;
    tell(&format!("uploading a batch of {} rows", plan.batch));
    upload(&data, &folder, plan).await?;
    run(&data, &["batch", "process", REFERENCE, "--merchant", &plan.common.merchant]).await?;
    let beside = LoadPlan { name: format!("{mix} while a batch is carried out"), ..bench.main_plan() };
    bench.load(beside, report).await?;
    if state(&data, plan).await? != "processing" {
        bail!("the batch was done before the load was: give --batch more rows, {ROWS_PER_SECOND} for each second");
    }
    tell("waiting for the batch");
    wait_for(&data, plan, &["done"]).await?;
    bench.check_sums(&data, &issuer.admin.to_string(), &before, report).await?;
    gateway.stop().await?;
    Ok(())
}

/// Makes a token by a payment, and uploads rows that pay by it.
async fn upload(data: &DataFolder, folder: &Path, plan: &OwnPlan) -> anyhow::Result<()> {
    let merchant = plan.common.merchant.as_str();
    let currency = plan.common.currencies.first().context("there is no currency")?;
    let (token, currency_is) = (format!("token_name={TOKEN}"), format!("currency={currency}"));
    let pay = [
        "call",
        "PURCHASE",
        "merchant_reference=bench-first",
        "amount=100",
        &currency_is,
        "customer_email=bench@shop.example",
        "card_number=4005550000000001",
        "expiry_date=4512",
        "card_security_code=123",
        "check_3ds=NO",
        &token,
        "--merchant",
        merchant,
    ];
    run(data, &pay).await?;
    let mut rows = "command,merchant_reference,amount,currency,customer_email,eci,token_name\n".to_owned();
    for row in 0..plan.batch {
        writeln!(rows, "PURCHASE,bench-row-{row},100,{currency},bench@shop.example,RECURRING,{TOKEN}")?;
    }
    let file = folder.join("bench.csv");
    std::fs::write(&file, rows)?;
    let file = file.to_str().context("the folder's name is no text")?;
    run(data, &["batch", "upload", file, "--reference", REFERENCE, "--merchant", merchant]).await?;
    wait_for(data, plan, &["validated"]).await
}

async fn wait_for(data: &DataFolder, plan: &OwnPlan, states: &[&str]) -> anyhow::Result<()> {
    let begun = Instant::now();
    let wait_max = Duration::from_secs(WAIT_S + 2 * u64::from(plan.batch) / ROWS_PER_SECOND);
    loop {
        let state = state(data, plan).await?;
        if states.contains(&state.as_str()) {
            return Ok(());
        }
        if begun.elapsed() > wait_max || state.contains("error") || state == "invalid" {
            bail!("the batch is {state} after {} s", begun.elapsed().as_secs());
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}

async fn state(data: &DataFolder, plan: &OwnPlan) -> anyhow::Result<String> {
    let status = ["batch", "status", REFERENCE, "--merchant", &plan.common.merchant, "--format", "json"];
    let told: Value = serde_json::from_str(&run(data, &status).await?)?;
    Ok(told["state"].as_str().unwrap_or_default().to_owned())
}

/// Runs a command of this binary on the gateway's folder; what it printed.
async fn run(data: &DataFolder, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = tollgate(arguments)?;
    command.arg("--data").arg(data.path());
    let ran = tokio::task::spawn_blocking(move || command.output()).await.context("a command broke off")??;
    if !ran.status.success() {
        bail!("`tollgate {}` failed: {}", arguments.first().unwrap_or(&""), String::from_utf8_lossy(&ran.stderr));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}
