//! `tollgate message list|show|resend`.

use super::{OperatorArgs, small_runtime};
use crate::message_route::MessageRequest;
use crate::operator::OperatorClient;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;
use tollgate_core::shown::harmless;

/// List, show and resend messages to customers and to merchants' servers.
#[derive(Debug, Args)]
pub struct Message {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List messages, newest first
    List {
        /// Of this merchant (its handle)
        #[arg(long)]
        merchant: Option<String>,
        /// About the merchant's payment link of this id
        #[arg(long, value_name = "ID", requires = "merchant")]
        link: Option<String>,
        /// By this way: EMAIL, SMS, or server
        #[arg(long)]
        channel: Option<String>,
        /// waiting, sent, failed or dropped
        #[arg(long)]
        state: Option<String>,
        /// Go on behind this message
        #[arg(long, value_name = "NUMBER")]
        after: Option<i64>,
        /// At most so many, up to 1000
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one: what it says, as it would be sent now, and each attempt. In a sandbox this is where mails and text
    /// messages are read
    Show {
        /// Its number
        id: i64,
        /// Print the HTML of a mail, and nothing else
        #[arg(long)]
        html: bool,
    },
    /// Try one again at once that was given up or dropped, or that waits
    Resend {
        /// Its number
        id: i64,
    },
}

impl Message {
    /// Runs it, on the running gateway: nobody else knows the keys of the links.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let wants_html = matches!(self.action, Action::Show { html: true, .. });
        let request = match self.action {
            Action::List { merchant, link, channel, state, after, limit } => {
                MessageRequest::List { merchant, link, channel, state, before: after, limit }
            }
            Action::Show { id, .. } => MessageRequest::Show { id },
            Action::Resend { id } => MessageRequest::Resend { id },
        };
        let answer = small_runtime()?.block_on(async {
            let gateway = OperatorClient::needed(&folder)?;
            gateway.ask(Method::POST, "message", &serde_json::to_value(&request)?).await
        })?;
        if wants_html {
            print!("{}", answer["says"]["html"].as_str().unwrap_or_default());
            return Ok(ExitCode::SUCCESS);
        }
        self.common.print(&answer, print)
    }
}

fn print(answer: &Value) {
    let Some(messages) = answer["messages"].as_array() else { return print_one(answer) };
    if messages.is_empty() {
        println!("no messages");
    }
    for message in messages {
        let field = |name: &str| text(message, name);
        println!(
            "{:>6}  {:<16}  {:<6}  {:<8}  {:<20}  {}  {}",
            message["id"],
            field("kind"),
            field("channel"),
            field("state"),
            field("payment_link_id"),
            field("created_at"),
            field("reason")
        );
    }
}

fn print_one(message: &Value) {
    println!("{:<20}{}", "message", message["id"]);
    for (what, name) in [
        ("kind", "kind"),
        ("channel", "channel"),
        ("merchant", "merchant"),
        ("payment link", "payment_link_id"),
        ("state", "state"),
        ("reason", "reason"),
        ("written", "created_at"),
        ("due", "due_at"),
        ("settled", "settled_at"),
    ] {
        println!("{what:<20}{}", text(message, name));
    }
    for attempt in message["tries"].as_array().into_iter().flatten() {
        let status = attempt["status"].as_u64().map_or_else(|| "-".to_owned(), |status| status.to_string());
        println!(
            "{:<20}{}  {}  {status}  {} {}",
            format!("attempt {}", attempt["number"]),
            text(attempt, "at"),
            text(attempt, "target"),
            text(attempt, "error"),
            text(attempt, "answer"),
        );
    }
    let says = &message["says"];
    for (what, name) in [("to", "to"), ("from", "from"), ("subject", "subject"), ("body", "body")] {
        if says[name].is_string() {
            println!("{what:<20}{}", text(says, name));
        }
    }
    if let Some(body) = says["text"].as_str() {
        println!();
        body.lines().for_each(|line| println!("    {}", harmless(line)));
    }
}

fn text(value: &Value, name: &str) -> String {
    harmless(value[name].as_str().unwrap_or("-")).into_owned()
}
