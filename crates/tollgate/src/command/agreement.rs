//! `tollgate agreement list|show|end`.

use super::{OperatorArgs, small_runtime};
use crate::agreement::AgreementRequest;
use crate::desk;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::shown::harmless;

/// List, show and end agreements about recurring payments.
#[derive(Debug, Args)]
pub struct AgreementCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List a merchant's agreements, oldest first
    List {
        /// The merchant's handle
        merchant: String,
        /// Only those about this token
        #[arg(long, value_name = "TOKEN")]
        token: Option<String>,
        /// Go on after the agreement of this name
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// At most so many, up to 10000
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one agreement with its newest charges
    Show {
        /// The merchant's handle
        merchant: String,
        /// The agreement's name (agreement_id)
        id: String,
    },
    /// End one agreement for good: it takes no charge any more
    End {
        /// The merchant's handle
        merchant: String,
        /// The agreement's name (agreement_id)
        id: String,
    },
}

impl AgreementCommand {
    /// Runs it, on the running gateway if there is one, else on the store itself.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let request = match self.action {
            Action::List { merchant, token, after, limit } => {
                AgreementRequest::List { merchant, token_name: token, after, limit }
            }
            Action::Show { merchant, id } => AgreementRequest::Show { merchant, id },
            Action::End { merchant, id } => AgreementRequest::End { merchant, id },
        };
        let answer = small_runtime()?.block_on(desk::ask(&folder, request))?;
        self.common.print(&answer, print)
    }
}

fn print(answer: &Value) {
    if let Some(agreements) = answer["agreements"].as_array() {
        return print_list(agreements, answer["more"] == true);
    }
    let ended = &answer["ended"];
    if ended.is_object() {
        println!("agreement {} is over since {}", text(ended, "agreement_id"), text(ended, "ended_at"));
        println!("charges that are under way go on to their end; the token stays");
        return;
    }
    for (what, value) in [
        ("agreement_id", text(answer, "agreement_id")),
        ("state", text(answer, "state")),
        ("recurring_mode", text(answer, "recurring_mode")),
        ("first payment", money(answer)),
        ("token_name", text(answer, "token_name")),
        ("charges", charges(answer)),
        ("last day (UTC)", text(answer, "last_day")),
        ("days between", text(answer, "days_between_min")),
        ("last payment", text(answer, "last_payment_at")),
        ("next day (UTC)", text(answer, "next_day")),
        ("opened by order", text(answer, "opened_by")),
        ("opened at", text(answer, "opened_at")),
        ("network named it", text(answer, "network_transaction_id")),
        ("ended at", text(answer, "ended_at")),
        ("ended because", text(answer, "ended_because")),
    ] {
        println!("{what:<18}{value}");
    }
    for charge in answer["newest_charges"].as_array().into_iter().flatten() {
        println!("  {}  order {}  {}", text(charge, "at"), text(charge, "fort_id"), text(charge, "state"));
    }
}

fn print_list(agreements: &[Value], has_more: bool) {
    if agreements.is_empty() {
        println!("no agreements");
    }
    for agreement in agreements {
        let field = |name: &str| text(agreement, name);
        println!(
            "{:<32}  {:<7}  {:<11}  {:>14}  {:<32}  {}",
            field("agreement_id"),
            field("state"),
            field("recurring_mode"),
            money(agreement),
            field("token_name"),
            charges(agreement)
        );
    }
    if let (true, Some(last)) = (has_more, agreements.last()) {
        println!("there are more: go on with --after {}", text(last, "agreement_id"));
    }
}

/// How many charges there were, of how many.
fn charges(agreement: &Value) -> String {
    let max = agreement["charges_max"].as_u64().map_or_else(String::new, |max| format!(" of {max}"));
    let open = match agreement["charges_open"].as_u64() {
        Some(open) if open > 0 => format!(" ({open} not settled yet)"),
        _ => String::new(),
    };
    format!("{}{max}{open}", agreement["charges"].as_u64().unwrap_or_default())
}

fn money(agreement: &Value) -> String {
    let amount = agreement["amount"].as_u64().and_then(Amount::from_minor);
    let currency = agreement["currency"].as_str().and_then(Currency::from_alpha);
    match (amount, currency) {
        (Some(amount), Some(currency)) => Money { amount, currency }.to_string(),
        _ => "-".to_owned(),
    }
}

fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => harmless(text).into_owned(),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    }
}
