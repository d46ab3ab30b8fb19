//! `tollgate bench`.

use super::Format;
use crate::bench::{
    Mix, OwnPlan, Pace, PlanCommon, Report, RunningPlan, Signer, WithCeilings, WithRotation, measure_own,
    measure_running, print,
};
use crate::client::Target;
use crate::data_folder::DataFolder;
use crate::running::Running;
use anyhow::{Context, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measure payments per second and latencies, and check the sums afterwards.
///
/// Needs nothing running: it starts a gateway and a sandbox card network of its own on fresh data, and removes them.
#[derive(Debug, Args)]
pub struct Bench {
    /// Load the gateway that runs on this data folder instead of one of its own
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Load the gateway at this address instead; needs --issuer-admin, and --data or --credentials
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// With --url: the merchant's credentials, as `tollgate merchant show NAME --format json` prints them
    #[arg(long, value_name = "FILE", requires = "url")]
    credentials: Option<PathBuf>,
    /// Of a running gateway: the admin address of the sandbox card network behind it [default: the one beside it]
    #[arg(long, value_name = "ADDR")]
    issuer_admin: Option<String>,
    /// With --url: PEM file of a certificate authority to trust beside the system's
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// The merchant that signs
    #[arg(long, default_value = crate::demo::NAME)]
    merchant: String,
    /// Which requests
    #[arg(long, value_enum, default_value = "purchase")]
    mix: Mix,
    /// Connections, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: u32,
    /// Orders to begin a second, whether the gateway keeps up or not [default: as fast as it answers]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// How long each load is counted
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How long each load runs before it is counted [default: 3, or 1 with less than 5 seconds]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=600))]
    warm_up: Option<u64>,
    /// Currencies of the orders, by turns
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "AED,SAR,KWD")]
    currencies: Vec<String>,
    /// Measure this machine's ceilings too, and hold the gateway against them
    #[arg(long, conflicts_with_all = ["data", "url"])]
    ceilings: bool,
    /// Repeat the load on a gateway with so many stored orders
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100_000_000), conflicts_with_all = ["data", "url"])]
    orders: u64,
    /// Repeat the load on two gateways: with ten thousand stored cards, and with so many
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100_000_000), conflicts_with_all = ["data", "url"])]
    cards: u64,
    /// With --cards: rotate their data keys while 1,000 payments a second run (or as many as --rate says)
    #[arg(long, requires = "cards")]
    rotate: bool,
    /// Repeat the load on another gateway, without a batch and while one of so many rows is carried out: 200 rows for each
    /// second that it is to last
    #[arg(long, value_name = "ROWS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000), conflicts_with_all = ["data", "url"])]
    batch: u32,
    /// Where the folder of the measurement is made: the disk that is measured [default: the system's temporary folder]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "url"])]
    folder: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Bench {
    /// Measures, prints, and fails when money or answers are not right.
    ///
    /// # Errors
    /// When something cannot be started, reached or read.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let format = self.format;
        let report = runtime.block_on(async {
            tokio::select! {
                report = self.measure() => report,
                // Dropping the measurement ends its processes and removes its folder.
                ended = super::serve::wait_for_end() => ended.and_then(|()| bail!("interrupted")),
            }
        })?;
        match format {
            Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
            Format::Text => print(&report),
        }
        Ok(if report.right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn measure(self) -> anyhow::Result<Report> {
        if self.data.is_some() || self.url.is_some() {
            return measure_running(self.running_plan()?).await;
        }
        let plan = OwnPlan {
            common: self.common(),
            folder: self.folder.unwrap_or_else(std::env::temp_dir),
            ceilings: if self.ceilings { WithCeilings::Measured } else { WithCeilings::LeftOut },
            orders: self.orders,
            cards: self.cards,
            batch: self.batch,
            rotation: if self.rotate { WithRotation::Measured } else { WithRotation::LeftOut },
        };
        measure_own(&plan).await
    }

    fn common(&self) -> PlanCommon {
        let warm_up = self.warm_up.unwrap_or(if self.seconds < 5 { 1 } else { 3 });
        PlanCommon {
            merchant: self.merchant.clone(),
            mix: self.mix,
            in_flight: self.in_flight,
            pace: self.rate.map_or(Pace::Closed, Pace::PerSecond),
            warm_up: Duration::from_secs(warm_up),
            counted: Duration::from_secs(self.seconds),
            currencies: self.currencies.clone(),
        }
    }

    fn running_plan(&self) -> anyhow::Result<RunningPlan> {
        let data = self.data.as_deref().map(DataFolder::open).transpose()?;
        let running = match (&data, &self.url) {
            (Some(data), None) => Some(Running::read(data)?),
            _ => None,
        };
        let url = self.url.clone().or_else(|| running.as_ref().map(|running| running.url.clone()));
        let beside = running.as_ref().and_then(|running| running.issuer_admin).map(|address| address.to_string());
        let issuer_admin = self.issuer_admin.clone().or(beside).context(
            "only a gateway in front of the sandbox card network is loaded: name its admin address with --issuer-admin. \
             In front of a real network every request would be a real payment",
        )?;
        Ok(RunningPlan {
            common: self.common(),
            target: Target::parse(&url.unwrap_or_default(), self.ca.as_deref())?,
            signer: self.credentials.as_deref().map(Signer::read).transpose()?,
            data,
            issuer_admin,
            gateway_pid: running.map(|running| running.pid),
        })
    }
}
