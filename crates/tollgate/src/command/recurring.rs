//! `tollgate recurring list|show|pause|resume|change|cancel|upcoming|attempts`.

use super::{OperatorArgs, small_runtime};
use crate::desk;
use crate::recurring::RecurringRequest;
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;
use tollgate_core::shown::harmless;

/// List, change, pause and cancel what the gateway charges by itself under agreements.
#[derive(Debug, Args)]
pub struct Recurring {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List a merchant's schedules, oldest agreement first
    List {
        /// The merchant's handle
        merchant: String,
        /// Only those in this state: active, paused, ended or opening
        #[arg(long)]
        state: Option<String>,
        /// Go on after the agreement of this name
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// At most so many, up to 10000
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one schedule
    Show(Named),
    /// Charge nothing until it is resumed
    Pause(Named),
    /// Charge again: due dates that passed meanwhile are skipped
    Resume(Named),
    /// Change the amount, the card or the day of the next charge
    Change(Change),
    /// Cancel one for good, and its agreement with it
    Cancel(Named),
    /// Show the charges that come: the next one of each agreement, or the next ones of one
    Upcoming {
        /// The merchant's handle
        merchant: String,
        /// The agreement's name (agreement_id)
        id: Option<String>,
        /// Only those within so many days
        #[arg(long)]
        days: Option<u32>,
        /// At most so many, up to 10000
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show the attempts to charge one, newest first
    Attempts {
        #[command(flatten)]
        named: Named,
        /// Go on behind the attempt of this order
        #[arg(long, value_name = "FORT_ID")]
        before: Option<String>,
        /// At most so many, up to 10000
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

#[derive(Debug, Args)]
struct Named {
    /// The merchant's handle
    merchant: String,
    /// The agreement's name (agreement_id)
    id: String,
}

#[derive(Debug, Args)]
struct Change {
    #[command(flatten)]
    named: Named,
    /// What each charge shall be that has not begun, in major units, for example 49.00
    #[arg(long)]
    amount: Option<String>,
    /// The token that shall be charged from now on
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The day of the next charge, from which the cycle is counted anew
    #[arg(long, value_name = "YYYY-MM-DD")]
    next_charge_date: Option<String>,
}

impl Recurring {
    /// Runs it, on the running gateway if there is one, else on the store itself.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let request = self.action.request()?;
        let answer = small_runtime()?.block_on(desk::ask(&folder, request))?;
        self.common.print(&answer, print)
    }
}

impl Action {
    fn request(self) -> anyhow::Result<RecurringRequest> {
        Ok(match self {
            Action::List { merchant, state, after, limit } => RecurringRequest::List { merchant, state, after, limit },
            Action::Show(Named { merchant, id }) => RecurringRequest::Show { merchant, id },
            Action::Pause(named) => named.made("PAUSED"),
            Action::Resume(named) => named.made("ACTIVE"),
            Action::Cancel(named) => named.made("CANCELLED"),
            Action::Change(change) => change.request()?,
            Action::Upcoming { merchant, id, days, limit } => RecurringRequest::Upcoming { merchant, id, days, limit },
            Action::Attempts { named: Named { merchant, id }, before, limit } => {
                RecurringRequest::Attempts { merchant, id, before, limit }
            }
        })
    }
}

impl Named {
    fn made(self, status: &str) -> RecurringRequest {
        let Named { merchant, id } = self;
        let status = Some(status.to_owned());
        RecurringRequest::Change { merchant, id, status, amount: None, token_name: None, next_day: None }
    }
}

impl Change {
    fn request(self) -> anyhow::Result<RecurringRequest> {
        let Change { named: Named { merchant, id }, amount, token, next_charge_date } = self;
        if amount.is_none() && token.is_none() && next_charge_date.is_none() {
            bail!("nothing is to be changed: give --amount, --token or --next-charge-date");
        }
        Ok(RecurringRequest::Change {
            merchant,
            id,
            status: None,
            amount,
            token_name: token,
            next_day: next_charge_date,
        })
    }
}

fn print(answer: &Value) {
    if let Some(schedules) = answer["schedules"].as_array() {
        return print_list(schedules, answer["more"] == true);
    }
    if let Some(charges) = answer["upcoming"].as_array() {
        return print_upcoming(charges);
    }
    match answer["attempts"].as_array() {
        Some(attempts) => print_attempts(attempts, answer["more"] == true),
        None => print_one(answer),
    }
}

fn print_one(schedule: &Value) {
    let field = |name: &str| text(schedule, name);
    let state = match schedule["state_because"].as_str() {
        Some(why) => format!("{}: {} since {}", field("state"), harmless(why), field("state_since")),
        None => field("state"),
    };
    let max = schedule["charges_max"].as_u64().map_or_else(String::new, |max| format!(" of {max}"));
    let open = match schedule["charges_open"].as_u64() {
        Some(open) if open > 0 => format!(" ({open} not settled yet)"),
        _ => String::new(),
    };
    let hour = schedule["charge_hour"].as_u64().unwrap_or_default();
    for (what, value) in [
        ("agreement_id", field("agreement_id")),
        ("state", state),
        ("recurring_mode", field("recurring_mode")),
        ("each charge", field("shown_amount")),
        ("token_name", field("token_name")),
        ("billing cycle", format!("{}, counted from {}", field("billing_cycle"), field("counted_from"))),
        ("charged at", format!("{hour:02}:00, {}", field("time_zone"))),
        ("charges", format!("{}{max}{open}", field("charges"))),
        ("last day (UTC)", field("last_day")),
        ("due date", field("due_day")),
        ("next charge", next(schedule)),
        ("under way", field("under_way")),
        ("dunning", format!("{}, then {}", field("dunning"), field("dunning_end"))),
        ("notice given for", field("notice_given_for")),
    ] {
        println!("{what:<18}{value}");
    }
    let last = &schedule["last_attempt"];
    if last.is_object() {
        println!("{:<18}{}", "last attempt", attempt(last));
    }
}

fn next(schedule: &Value) -> String {
    match schedule["next_at"].as_str() {
        Some(at) => format!("{}, attempt {}", harmless(at), schedule["next_attempt"]),
        None => "-".to_owned(),
    }
}

fn print_list(schedules: &[Value], has_more: bool) {
    if schedules.is_empty() {
        println!("no schedules");
    }
    for schedule in schedules {
        let field = |name: &str| text(schedule, name);
        println!(
            "{:<32}  {:<7}  {:>14}  {:<24}  {}",
            field("agreement_id"),
            field("state"),
            field("shown_amount"),
            field("billing_cycle"),
            match schedule["state_because"].as_str() {
                Some(why) => format!("{} since {}", harmless(why), field("state_since")),
                None => format!("next {}", next(schedule)),
            }
        );
    }
    if let (true, Some(last)) = (has_more, schedules.last()) {
        println!("there are more: go on with --after {}", text(last, "agreement_id"));
    }
}

fn print_upcoming(charges: &[Value]) {
    if charges.is_empty() {
        println!("no charges come");
    }
    for charge in charges {
        let field = |name: &str| text(charge, name);
        let paused = if charge["state"] == "PAUSED" { "  (paused)" } else { "" };
        println!(
            "{}  due {}  {:>14}  {}{}{paused}",
            field("at"),
            field("due_day"),
            field("shown_amount"),
            field("agreement_id"),
            match charge["attempt"].as_u64() {
                Some(attempt) if attempt > 1 => format!("  attempt {attempt}"),
                _ => String::new(),
            }
        );
    }
}

fn print_attempts(attempts: &[Value], has_more: bool) {
    if attempts.is_empty() {
        println!("no attempts");
    }
    for one in attempts {
        println!("{}  {:>14}  {}", text(one, "begun_at"), text(one, "shown_amount"), attempt(one));
    }
    if let (true, Some(last)) = (has_more, attempts.last()) {
        println!("there are more: go on with --before {}", text(last, "fort_id"));
    }
}

fn attempt(attempt: &Value) -> String {
    let field = |name: &str| text(attempt, name);
    format!(
        "due {}, attempt {}: {} {}, order {}",
        field("due_day"),
        field("attempt"),
        field("outcome"),
        field("code"),
        field("fort_id")
    )
}

fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => harmless(text).into_owned(),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    }
}
