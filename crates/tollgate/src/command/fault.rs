//! `tollgate fault`.

use super::{OperatorArgs, small_runtime};
use crate::operator::OperatorClient;
use clap::{ArgGroup, Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use std::process::ExitCode;
use tollgate_fort::command::mask_card_numbers;

/// Ask the sandbox card network for faults, so that a client can be tested against each answer.
#[derive(Debug, Args)]
pub struct Fault {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Let the next payment that fits meet a fault
    Set(Set),
    /// Print the faults that wait
    List,
    /// Forget them all
    Clear,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["next", "behaviour"]).required(true)))]
struct Set {
    /// The code that the gateway is to answer, for example 15777 or 13666
    #[arg(long, value_name = "CODE")]
    next: Option<String>,
    /// Or what the network does: late, slow, silent, decline:51, doubled, garbage, cut_short, no_code,
    /// wrong_amount, drop_before, drop_after, approve; ds_silent, ds_slow, ds_garbage, ds_erro at the 3-D Secure directory server
    #[arg(long, value_name = "NAME")]
    behaviour: Option<String>,
    /// For how many messages
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u32,
    /// Only cards with this mask, for example 400555******0001
    #[arg(long, value_name = "MASK")]
    card: Option<String>,
    /// Only payments of this merchant reference, and operations on them
    #[arg(long, value_name = "REFERENCE")]
    merchant_reference: Option<String>,
}

impl Fault {
    /// Runs it.
    ///
    /// # Errors
    /// When no gateway runs, or the running one says no.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let gateway = OperatorClient::needed(&folder)?;
        let answer = small_runtime()?.block_on(async {
            match &self.action {
                Action::Set(set) => gateway.ask(Method::POST, "faults", &set.body()).await,
                Action::List => gateway.ask(Method::GET, "faults", &Value::Null).await,
                Action::Clear => gateway.ask(Method::DELETE, "faults", &Value::Null).await,
            }
        })?;
        self.common.print(&answer, print)
    }
}

impl Set {
    fn body(&self) -> Value {
        // Whoever gives a whole number means its mask.
        let card = self.card.as_deref().map(|card| mask_card_numbers(card).into_owned());
        json!({
            "next": self.next,
            "behaviour": self.behaviour,
            "count": self.count,
            "card": card,
            "merchant_reference": self.merchant_reference,
        })
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn print(answer: &Value) {
    if let Some(cleared) = answer["cleared"].as_u64() {
        println!("{}", counted(cleared, "fault") + " forgotten");
        return;
    }
    let faults = answer["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    if faults.is_empty() {
        println!("no fault waits");
    }
    for fault in faults {
        let text = |name: &str| fault[name].as_str().unwrap_or_default();
        let messages = counted(fault["count"].as_u64().unwrap_or(0), "message");
        let mut line = format!("{} for the next {messages}", text("behaviour"));
        for (name, word) in
            [("operation", "operation"), ("mask", "card"), ("rrn", "RRN"), ("merchant_reference", "reference")]
        {
            if !text(name).is_empty() {
                line.push_str(&format!(", {word} {}", text(name)));
            }
        }
        println!("{line}");
    }
}
