//! `tollgate audit list|verify|head`.

use super::{Format, OperatorArgs, small_runtime};
use crate::audit_heads::{HeadFile, parse_head, show_head};
use crate::wiring::{self, Keep, Opened};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use tollgate_app::{AuditFilter, AuditReport, read_audit, verify_audit};
use tollgate_core::audit::AuditEntry;
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::time::Timestamp;
use tollgate_store::{AuditChain, AuditHead};

/// Read the audit log and prove that it is unbroken.
#[derive(Debug, Args)]
pub struct Audit {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print entries, oldest first: who did what, when, why, for which operation
    List(List),
    /// Prove that no row was changed, deleted, moved or forged; ends with 1 and names the first one that was
    Verify {
        /// A head that was kept elsewhere, as `audit head` printed it; may be given several times
        #[arg(long, value_name = "NUMBER:CODE")]
        head: Vec<String>,
    },
    /// Print the log's head, to be kept on another machine
    Head,
}

#[derive(Debug, Args)]
struct List {
    /// Not before this day or moment in UTC: 2026-11-20 or 2026-11-20T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this day or moment in UTC
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only about this merchant
    #[arg(long, value_name = "NAME")]
    merchant: Option<String>,
    /// Only about the operation with this number
    #[arg(long, value_name = "NUMBER")]
    operation: Option<i64>,
}

impl Audit {
    /// Runs it. It only reads, beside a running gateway or without one.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let heads = HeadFile::of(&folder);
        small_runtime()?.block_on(async {
            let opened = wiring::open_reading(&folder, Keep::Existing).await?;
            let done = match &self.action {
                Action::List(list) => self.list(&opened, list).await,
                Action::Verify { head } => self.verify(&opened, &heads, head).await,
                Action::Head => self.head(&opened).await,
            };
            wiring::close(opened).await;
            done
        })
    }

    async fn list(&self, opened: &Opened, list: &List) -> anyhow::Result<ExitCode> {
        let names = names(opened).await?;
        let filter = AuditFilter {
            from: list.from.as_deref().map(moment).transpose()?,
            before: list.to.as_deref().map(moment).transpose()?,
            merchant: list.merchant.as_deref().map(|name| named(&names, name)).transpose()?,
            operation: list.operation.map(OperationId),
        };
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let (mut wrote, mut told) = (Ok(()), 0u64);
        let take = |row: u64, entry: AuditEntry| {
            if wrote.is_ok() {
                let line = match self.common.format {
                    Format::Json => {
                        format!("{}{}", if told == 0 { "[\n" } else { ",\n" }, json_of(row, &entry, &names))
                    }
                    Format::Text => format!("{}\n", text_of(&entry, &names)),
                };
                wrote = out.write_all(line.as_bytes());
                told += 1;
            }
        };
        read_audit(&*opened.store, &filter, take).await?;
        wrote?;
        match (self.common.format, told) {
            (Format::Json, 0) => writeln!(out, "[]")?,
            (Format::Json, _) => writeln!(out, "\n]")?,
            (Format::Text, 0) => writeln!(out, "no entry fits")?,
            (Format::Text, _) => {}
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    async fn verify(&self, opened: &Opened, file: &HeadFile, given: &[String]) -> anyhow::Result<ExitCode> {
        let mut heads: Vec<AuditHead> = Vec::new();
        for text in given {
            heads.push(
                parse_head(text)
                    .with_context(|| format!("{text:?} is no head: it looks like 12:0f3a…, see `audit head`"))?,
            );
        }
        // Before the rows: what is added meanwhile is there when they are read.
        heads.extend(file.read()?);
        let report = verify_audit(&*opened.store, &opened.vault, AuditChain::SOLE, &heads).await?;
        self.common.print(&audit_json(&report, heads.len()), |_| print_report(&report, heads.len()))?;
        Ok(if report.broken.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn head(&self, opened: &Opened) -> anyhow::Result<ExitCode> {
        let head = opened.store.audit_head(AuditChain::SOLE).await?.context("the audit log has no row yet")?;
        self.common
            .print(&json!({ "number": head.number, "head": show_head(&head) }), |_| println!("{}", show_head(&head)))
    }
}

fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let read = Timestamp::parse_date(text).or_else(|| Timestamp::parse_utc(text));
    read.with_context(|| format!("{text:?} is no moment: write 2026-11-20 or 2026-11-20T12:00:00Z"))
}

async fn names(opened: &Opened) -> anyhow::Result<HashMap<MerchantId, String>> {
    let merchants = opened.store.merchants().await?;
    let mut names: HashMap<_, _> = merchants.into_iter().map(|record| (record.id, record.name)).collect();
    names.insert(tollgate_vault::GATEWAY, "gateway".to_owned());
    Ok(names)
}

fn named(names: &HashMap<MerchantId, String>, wanted: &str) -> anyhow::Result<MerchantId> {
    match names.iter().find(|(_, name)| *name == wanted) {
        Some((id, _)) => Ok(*id),
        None => bail!("there is no merchant {wanted}; `tollgate merchant list` shows them all"),
    }
}

fn merchant_of(entry: &AuditEntry, names: &HashMap<MerchantId, String>) -> Option<String> {
    entry.merchant.map(|id| names.get(&id).cloned().unwrap_or_else(|| id.0.to_string()))
}

fn json_of(row: u64, entry: &AuditEntry, names: &HashMap<MerchantId, String>) -> Value {
    json!({
        "row": row,
        "at": entry.at.to_string(),
        "who": entry.who.to_string(),
        "action": entry.action.name(),
        "why": entry.why.name(),
        "merchant": merchant_of(entry, names),
        "operation": entry.operation.map(|id| id.to_string()),
        "token": entry.token.map(|id| id.to_string()),
        "count": entry.count,
        "detail": entry.detail,
    })
}

fn text_of(entry: &AuditEntry, names: &HashMap<MerchantId, String>) -> String {
    let mut words = vec![entry.action.name().to_owned()];
    if entry.count != 1 {
        words.push(format!("({})", entry.count));
    }
    if !entry.why.name().is_empty() {
        words.push(format!("for {}", entry.why));
    }
    for (what, value) in [
        ("merchant", merchant_of(entry, names)),
        ("operation", entry.operation.map(|id| id.to_string())),
        ("token", entry.token.map(|id| id.to_string())),
    ] {
        words.extend(value.map(|value| format!("{what} {value}")));
    }
    if !entry.detail.is_empty() {
        words.push(format!("[{}]", tollgate_core::shown::harmless(&entry.detail)));
    }
    format!("{}  {}  by {}", entry.at, words.join("  "), entry.who)
}

/// A report as JSON; `heads` is how many kept heads it was held against.
pub(crate) fn audit_json(report: &AuditReport, heads: usize) -> Value {
    json!({
        "unbroken": report.broken.is_none(),
        "rows": report.rows,
        "entries": report.entries,
        "from": report.from.map(|at| at.to_string()),
        "to": report.to.map(|at| at.to_string()),
        "head": report.head.as_ref().map(show_head),
        "heads_kept": heads,
        "heads_found": report.heads_found,
        "first_broken_row": report.broken.as_ref().map(|broken| broken.number),
        "fault": report.broken.as_ref().map(|broken| broken.fault.to_string()),
    })
}

fn print_report(report: &AuditReport, heads: usize) {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    println!("{} rows with {} entries, {} to {}", report.rows, report.entries, time(report.from), time(report.to));
    println!("{} of {heads} kept heads found", report.heads_found);
    match &report.broken {
        None => println!(
            "unbroken{}",
            report.head.as_ref().map_or_else(String::new, |head| format!(": head {}", show_head(head)))
        ),
        Some(broken) => println!("BROKEN at row {}: {}", broken.number, broken.fault),
    }
}
