//! `tollgate unknown`.

use super::{COMMON_OPTIONS, OperatorArgs, small_runtime};
use crate::config::{Config, environment};
use crate::data_folder::DataFolder;
use crate::duration::{self, Duration};
use crate::operator::OperatorClient;
use crate::run_lock::RunLock;
use crate::unknown::{NoLink, UnknownRequest};
use crate::wiring::{self, Keep};
use anyhow::{Context, bail};
use aws_lc_rs::digest;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_app::{ForcedOutcome, Gateway, GatewayParts, Resolution};
use tollgate_store::Tenancy;

/// The largest file of evidence, in bytes.
const EVIDENCE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// List operations whose outcome nobody knows, and settle one by hand.
#[derive(Debug, Args)]
pub struct Unknown {
    #[command(subcommand)]
    action: Action,
    /// The configuration file [default: tollgate.toml in the data folder]
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG", global = true, display_order = COMMON_OPTIONS)]
    config: Option<PathBuf>,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print unknown operations, oldest first, and corrections that wait for a second person
    List {
        /// Only those that are unknown for so long, for example 10m
        #[arg(long, value_name = "DURATION")]
        older_than: Option<Duration>,
    },
    /// Settle an operation by hand, or propose it where a second person is needed
    Resolve(Resolve),
    /// Carry out what somebody else proposed
    Approve {
        /// The operation's number
        operation: String,
        /// Who approves it
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Take a proposal back
    Withdraw {
        /// The operation's number
        operation: String,
        /// Who withdraws it [default: the name of the system's user]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Resolve {
    /// The operation's number
    operation: String,
    /// What became of it at the network
    #[arg(long = "as", value_enum)]
    outcome: As,
    /// Why it is settled by hand
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What proves it: a text, or a file, of which the name and the SHA-256 are kept
    #[arg(long, value_name = "TEXT|FILE")]
    evidence: String,
    /// Who settles it [default: the name of the system's user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum As {
    /// The network did it: it counts
    Approved,
    /// The network said no
    Declined,
    /// The network counts it for nothing
    Reversed,
}

impl Unknown {
    /// Runs it, on the running gateway if there is one, else on the store itself.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let none = self.action.when_none();
        let request = self.action.request()?;
        let kept = evidence_kept(&request);
        let answer = small_runtime()?.block_on(async {
            match OperatorClient::of_running(&folder)? {
                Some(gateway) => gateway.ask(Method::POST, "unknown", &serde_json::to_value(&request)?).await,
                None => on_store(&folder, self.config.as_deref(), request).await,
            }
        })?;
        self.common.print(&answer, |answer| {
            print(answer, &none);
            kept.iter().for_each(|kept| println!("{kept}"));
        })
    }
}

impl Action {
    /// What a person is told when the list is empty.
    fn when_none(&self) -> String {
        match self {
            Action::List { older_than: Some(age) } => {
                format!("no outcome is unknown for longer than {}", duration::shown(age.ms))
            }
            _ => "no outcome is unknown".to_owned(),
        }
    }

    fn request(self) -> anyhow::Result<UnknownRequest> {
        Ok(match self {
            Action::List { older_than } => UnknownRequest::List { older_than_ms: older_than.map_or(0, |age| age.ms) },
            Action::Resolve(resolve) => {
                let evidence = evidence(&resolve.evidence)?;
                let outcome = match resolve.outcome {
                    As::Approved => ForcedOutcome::Approved,
                    As::Declined => ForcedOutcome::Declined,
                    As::Reversed => ForcedOutcome::Reversed,
                };
                let resolution = Resolution {
                    outcome,
                    reason: resolve.reason,
                    evidence: evidence.text,
                    evidence_sha256: evidence.sha256,
                    by: name_of(resolve.by)?,
                };
                UnknownRequest::Resolve { operation: resolve.operation, resolution }
            }
            Action::Approve { operation, by } => UnknownRequest::Approve { operation, by },
            Action::Withdraw { operation, by } => UnknownRequest::Withdraw { operation, by: name_of(by)? },
        })
    }
}

/// No gateway runs: the folder is locked, so that none starts meanwhile.
async fn on_store(folder: &DataFolder, config: Option<&Path>, request: UnknownRequest) -> anyhow::Result<Value> {
    let config = Config::load(config, &folder.config(), &environment())?;
    let _only_one = RunLock::take(folder)?;
    let opened = wiring::open(folder, Keep::Existing).await?;
    let gateway = Gateway::begin(GatewayParts {
        store: opened.store.clone(),
        // The lock on the data folder proves it: what a killed gateway was about to send is over.
        tenancy: Tenancy::Sole,
        vault: opened.vault.clone(),
        acquirer: Arc::new(NoLink),
        clock: opened.clock.clone(),
        settings: config.gateway,
    })
    .await?;
    let done = request.carry_out(&gateway).await;
    if let Err(error) = gateway.end_life().await {
        // The next start does it.
        tracing::warn!(%error, "that this command is done could not be written");
    }
    drop(gateway);
    wiring::close(opened).await;
    Ok(done?)
}

struct Evidence {
    text: String,
    sha256: Option<String>,
}

/// A file of that name, else the text itself.
fn evidence(given: &str) -> anyhow::Result<Evidence> {
    let path = Path::new(given);
    let Some(about) = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file) else {
        return Ok(Evidence { text: given.to_owned(), sha256: None });
    };
    if about.len() > EVIDENCE_BYTES_MAX {
        bail!("{given} has more than {EVIDENCE_BYTES_MAX} bytes");
    }
    let mut file =
        std::fs::File::open(path).with_context(|| format!("{given} cannot be read"))?.take(EVIDENCE_BYTES_MAX);
    let mut context = digest::Context::new(&digest::SHA256);
    let mut piece = vec![0u8; 64 * 1024];
    loop {
        let read = file.read(&mut piece).with_context(|| format!("{given} cannot be read"))?;
        if read == 0 {
            break;
        }
        context.update(piece.get(..read).unwrap_or_default());
    }
    let name = path.file_name().map_or_else(|| given.to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(Evidence { text: name, sha256: Some(hex::encode(context.finish())) })
}

/// What is kept of the evidence: who mistyped the name of a file sees it here.
fn evidence_kept(request: &UnknownRequest) -> Option<String> {
    let UnknownRequest::Resolve { resolution, .. } = request else { return None };
    Some(match &resolution.evidence_sha256 {
        Some(sha256) => format!("evidence kept: the name of the file {} and its SHA-256 {sha256}", resolution.evidence),
        None => "evidence kept: the text as it was given; no file has that name".to_owned(),
    })
}

fn name_of(by: Option<String>) -> anyhow::Result<String> {
    let user =
        || ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    by.or_else(user).context("say who you are with --by NAME")
}

/// `none` is said of an empty list.
fn print(answer: &Value, none: &str) {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or("-").to_owned();
    if let Some(unknowns) = answer["unknown"].as_array() {
        if unknowns.is_empty() {
            println!("{none}");
        }
        for unknown in unknowns {
            let age = duration::shown(unknown["age_ms"].as_u64().unwrap_or(0));
            println!("{}  {} of {}", text(unknown, "operation"), text(unknown, "kind"), text(unknown, "shown_amount"));
            println!("  {:<16}{} {}", "merchant", text(unknown, "merchant"), text(unknown, "merchant_reference"));
            println!("  {:<16}{}", "order", text(unknown, "fort_id"));
            println!("  {:<16}{} ({age})", "unknown since", text(unknown, "since"));
            println!("  {:<16}{}", "why", text(unknown, "why"));
            println!(
                "  {:<16}{}, {} messages, last: {}, next at {}",
                "way out",
                text(unknown, "way_out"),
                unknown["messages_sent"],
                text(unknown, "last_answer"),
                text(unknown, "next_message_at")
            );
        }
        for proposal in answer["proposals"].as_array().map(Vec::as_slice).unwrap_or_default() {
            println!(
                "{}  {}, proposed by {} at {}",
                text(proposal, "operation"),
                text(proposal, "event"),
                text(proposal, "by"),
                text(proposal, "at")
            );
            println!("  {:<16}{}", "reason", text(proposal, "reason"));
            let sha256 = proposal["evidence_sha256"].as_str();
            let digest = sha256.map_or_else(String::new, |sha256| format!(" (SHA-256 {sha256})"));
            println!("  {:<16}{}{digest}", "evidence", text(proposal, "evidence"));
        }
        return;
    }
    let operation = text(answer, "operation");
    if answer["proposed"] == true {
        println!("proposed: a second person carries it out with `tollgate unknown approve {operation} --by NAME`");
    } else if answer["withdrawn"] == true {
        println!("the proposal for operation {operation} is withdrawn");
    } else {
        println!(
            "operation {operation} is {}: {} {}",
            text(answer, "state"),
            text(answer, "code"),
            text(answer, "message")
        );
    }
}
