//! `tollgate mail test`.

use super::{DataArg, small_runtime};
use crate::config::{Config, environment};
use crate::messages;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use tollgate_core::shown::harmless;
use tollgate_core::time::Timestamp;
use tollgate_notify::{MailLetter, Verdict};

/// Try the mail server of the configuration.
#[derive(Debug, Args)]
pub struct Mail {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    data: DataArg,
    /// The configuration file [default: tollgate.toml in the data folder]
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send one mail, and tell what the server answered
    Test {
        /// Whom to
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
}

impl Mail {
    /// Runs it.
    ///
    /// # Errors
    /// What is wrong with the settings, or what the server refused.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Action::Test { to } = self.action;
        let fallback = self.data.data.join("tollgate.toml");
        let config = Config::load(self.config.as_deref(), &fallback, &environment())?;
        let report = small_runtime()?.block_on(async {
            let mailer =
                messages::mailer(&config)?.context("no mail server is set: write [mail] with server and from")?;
            anyhow::Ok(mailer.send(&letter(to)?).await)
        })?;
        let status = report.status.map_or_else(String::new, |status| format!(" {status}"));
        let answer = harmless(report.error.as_deref().unwrap_or(&report.answer)).into_owned();
        if report.verdict == Verdict::Taken {
            println!("{} took it:{status} {answer}", report.target);
            return Ok(ExitCode::SUCCESS);
        }
        bail!("{} did not take it:{status} {answer}", report.target)
    }
}

fn letter(to: String) -> anyhow::Result<MailLetter> {
    let now_us = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
    let text = "This is a test of the mail settings of a Tollgate gateway. Nothing is to be paid.";
    Ok(MailLetter {
        to,
        to_name: None,
        from_name: "Tollgate".to_owned(),
        subject: "A test of Tollgate's mail settings".to_owned(),
        text: format!("{text}\n"),
        html: format!("<!doctype html><html lang=\"en\"><body><p>{text}</p></body></html>\n"),
        picture: None,
        name: format!("test.{now_us}"),
        date: Timestamp(now_us),
    })
}
