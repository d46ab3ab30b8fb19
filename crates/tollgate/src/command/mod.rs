//! The commands, one file each.

mod agreement;
pub(crate) mod audit;
mod batch;
mod bench;
mod call;
mod ceremony;
mod clock;
mod config;
mod explain;
mod fault;
mod feedback;
mod init;
mod issuer;
mod jwks;
pub(crate) mod keys;
mod link;
mod listen;
mod mail;
mod merchant;
mod merchant_batch;
mod merchant_cards;
mod merchant_channel;
mod merchant_links;
mod merchant_page;
mod merchant_recurring;
mod merchant_seller;
mod merchant_three_ds;
mod message;
mod pay;
mod pci;
mod recurring;
mod report;
mod serve;
mod sign;
mod token;
mod token_customers;
mod unknown;
mod unlock;
mod vault;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::data_folder::DataFolder;

/// A payment gateway in one binary, compatible with the FORT API of Amazon Payment Services.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway. With --dev: everything for a first payment, the sandbox card network included
    Serve(serve::Serve),
    /// Make the database and the keys of a new production folder
    Init(init::Init),
    /// Make a signed PURCHASE or AUTHORIZATION with a card and show what happens
    Pay(pay::Pay),
    /// Send any signed FORT request: tollgate call REFUND merchant_reference=A1 amount=100 currency=AED
    Call(call::Call),
    /// Sign a JSON or form body, or explain why a signature differs
    Sign(sign::Sign),
    /// Tell one payment's whole story: requests, decisions, ISO 8583 messages, answers, times
    Explain(explain::Explain),
    /// List operations whose outcome nobody knows, and settle one by hand
    Unknown(unknown::Unknown),
    /// List, show and replay transaction feedback
    Feedback(feedback::Feedback),
    /// Forward the feedback of a running gateway to a local URL, showing a line for each
    Listen(listen::Listen),
    /// Add, show, change and list merchants
    Merchant(merchant::Merchant),
    /// List, show and delete tokens; list the customers of a card
    Token(token::TokenCommand),
    /// List, show and end agreements about recurring payments
    Agreement(agreement::AgreementCommand),
    /// List, change, pause and cancel what the gateway charges by itself under agreements
    Recurring(recurring::Recurring),
    /// Upload files of payments and operations, have them processed, and read their results
    Batch(batch::BatchArgs),
    /// Write what a merchant did as a file, and add it up
    Report(report::ReportArgs),
    /// Make, list, show, send and close payment links
    Link(link::Link),
    /// List, show and resend messages to customers and to merchants' servers
    Message(message::Message),
    /// Try the mail server of the configuration
    Mail(mail::Mail),
    /// List, rotate and retire keys; split them among custodians
    Keys(keys::Keys),
    /// List and rotate the keys that merchants encrypt card data to
    Jwks(jwks::Jwks),
    /// Read the audit log and prove that it is unbroken
    Audit(audit::Audit),
    /// Tell merchants' PCI DSS scope, and write evidence for an assessor
    Pci(pci::Pci),
    /// Take a merchant's tokens with their cards to another vault, encrypted
    Vault(vault::Vault),
    /// Run the sandbox card network alone
    Issuer(issuer::Issuer),
    /// Show the clock, and move it in a sandbox
    Clock(clock::Clock),
    /// Ask the sandbox card network for faults
    Fault(fault::Fault),
    /// Measure this machine: payments per second, latencies, ceilings; and check the sums afterwards
    Bench(bench::Bench),
    /// Check or show the configuration
    Config(config::ConfigCommand),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong and what to do.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(command) => command.run(),
            Command::Init(command) => command.run(),
            Command::Pay(command) => command.run(),
            Command::Call(command) => command.run(),
            Command::Sign(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Unknown(command) => command.run(),
            Command::Feedback(command) => command.run(),
            Command::Listen(command) => command.run(),
            Command::Merchant(command) => command.run(),
            Command::Token(command) => command.run(),
            Command::Agreement(command) => command.run(),
            Command::Recurring(command) => command.run(),
            Command::Batch(command) => command.run(),
            Command::Report(command) => command.run(),
            Command::Link(command) => command.run(),
            Command::Message(command) => command.run(),
            Command::Mail(command) => command.run(),
            Command::Keys(command) => command.run(),
            Command::Jwks(command) => command.run(),
            Command::Audit(command) => command.run(),
            Command::Pci(command) => command.run(),
            Command::Vault(command) => command.run(),
            Command::Issuer(command) => command.run(),
            Command::Clock(command) => command.run(),
            Command::Fault(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Config(command) => command.run(),
        }
    }
}

/// The name of the command that was given, for example `keys rotate`.
pub fn name_of(matches: &clap::ArgMatches) -> String {
    let (mut words, mut rest) = (Vec::new(), matches);
    while let Some((word, below)) = rest.subcommand() {
        words.push(word);
        rest = below;
    }
    words.join(" ")
}

/// What the commands that ask a running gateway have in common.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    /// How to print it
    #[arg(long, value_enum, default_value = "text", global = true, display_order = COMMON_OPTIONS)]
    pub format: Format,
    #[command(flatten)]
    pub data: DataArg,
}

impl OperatorArgs {
    /// Prints an answer: as it is for a machine, by `for_a_person` for a person.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn print(&self, answer: &Value, for_a_person: impl FnOnce(&Value)) -> anyhow::Result<ExitCode> {
        match self.format {
            Format::Json => println!("{}", serde_json::to_string_pretty(answer)?),
            Format::Text => for_a_person(answer),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Behind a command's own options in its help.
const COMMON_OPTIONS: usize = 900;

/// Where the data is.
#[derive(Clone, Debug, Args)]
pub struct DataArg {
    /// The data folder
    #[arg(
        long = "data",
        value_name = "DIR",
        env = "TOLLGATE_DATA",
        default_value = "tollgate-data",
        global = true,
        display_order = COMMON_OPTIONS
    )]
    pub data: PathBuf,
}

impl DataArg {
    /// The folder, which must be there.
    ///
    /// # Errors
    /// When it is not there or others may look into it.
    pub fn open(&self) -> anyhow::Result<DataFolder> {
        DataFolder::open(&self.data)
    }
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person
    Text,
    /// For machines
    Json,
}

/// A runtime for a command that only talks to a store or a gateway.
///
/// # Errors
/// When the system gives no threads.
pub fn small_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
