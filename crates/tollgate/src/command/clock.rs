//! `tollgate clock`.

use super::{OperatorArgs, small_runtime};
use crate::clock::FolderClock;
use crate::duration::{self, Duration};
use crate::operator::OperatorClient;
use anyhow::bail;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use std::process::ExitCode;
use tollgate_core::time::{Clock as _, Timestamp};

/// Show the clock, and move it in a sandbox.
#[derive(Debug, Args)]
pub struct Clock {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print what the clock shows
    Show,
    /// Move it forward: 90s, 15m, 3h, 3d, 2w
    Advance {
        /// By how much
        duration: Duration,
    },
    /// Move it forward to a moment in UTC: 2027-01-31T12:00:00Z
    Set {
        /// The moment
        to: String,
    },
}

impl Clock {
    /// Runs it.
    ///
    /// # Errors
    /// When the running gateway says no, or none runs and one is needed.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let shown = small_runtime()?.block_on(async {
            match &self.action {
                Action::Show => match OperatorClient::of_running(&folder)? {
                    Some(gateway) => gateway.ask(Method::GET, "clock", &Value::Null).await,
                    None => {
                        let clock = FolderClock::open(&folder)?;
                        let ahead_ms = clock.offset_us() / 1000;
                        Ok(json!({ "now": clock.now().to_string(), "ahead_of_system_ms": ahead_ms, "sandbox": Value::Null }))
                    }
                },
                Action::Advance { duration } => {
                    if duration.ms == 0 {
                        bail!("that moves nothing: write 90s, 15m, 3h, 3d or 2w");
                    }
                    let gateway = OperatorClient::needed(&folder)?;
                    gateway.ask(Method::POST, "clock/advance", &json!({ "ms": duration.ms })).await
                }
                Action::Set { to } => {
                    if Timestamp::parse_utc(to).is_none() {
                        bail!("{to:?} is no moment: write it in UTC as 2027-01-31T12:00:00Z");
                    }
                    OperatorClient::needed(&folder)?.ask(Method::POST, "clock/set", &json!({ "to": to })).await
                }
            }
        })?;
        self.common.print(&shown, print)
    }
}

fn print(shown: &Value) {
    let now = shown["now"].as_str().unwrap_or_default();
    match shown["ahead_of_system_ms"].as_u64() {
        None | Some(0) => println!("{now}  the system's time"),
        Some(ms) => println!("{now}  {} ahead of the system", duration::shown(ms)),
    }
}
