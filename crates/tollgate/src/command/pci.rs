//! `tollgate pci scope|evidence`.

use super::{DataArg, Format, small_runtime};
use crate::config::{Config, environment};
use crate::data_folder::DataFolder;
use crate::pci_scope::{self, MerchantScope};
use crate::wiring::{self, Keep};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_app::{Account, Accounts};
use tollgate_core::scope::{Use, UsedRoute};

/// Tell merchants' PCI DSS scope, and write evidence for an assessor.
#[derive(Debug, Args)]
pub struct Pci {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell which self-assessment questionnaire a merchant's payments point to, since when and by which of them
    Scope(Scope),
    /// Write a folder of evidence for an assessor: keys, merchants, scopes, configuration, TLS, a search for card numbers,
    /// and a matrix of requirements. Nothing secret is in it
    Evidence(EvidenceArgs),
}

#[derive(Debug, Args)]
struct EvidenceArgs {
    /// The folder to write, new or empty
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// The configuration file [default: tollgate.toml in the data folder]
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Scope {
    /// The merchant's handle [default: all merchants]
    merchant: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Pci {
    /// Runs it.
    ///
    /// # Errors
    /// When the data folder cannot be read, or there is no such merchant.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let opened = wiring::open(&folder, Keep::Existing).await?;
            let accounts = Accounts::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
            let done = match self.action {
                Action::Scope(command) => scope(&opened, &accounts, &command).await,
                Action::Evidence(command) => evidence(&folder, &opened, &command).await,
            };
            drop(accounts);
            wiring::close(opened).await;
            done.map(|()| ExitCode::SUCCESS)
        })
    }
}

async fn scope(opened: &wiring::Opened, accounts: &Accounts, command: &Scope) -> anyhow::Result<()> {
    let wanted: Vec<Arc<Account>> = match &command.merchant {
        Some(name) => vec![accounts.by_name(name).await?],
        None => accounts.all().await?,
    };
    let scopes = pci_scope::of(&*opened.store, &wanted).await?;
    if command.format == Format::Json {
        let rows: Vec<_> = scopes.iter().map(pci_scope::json).collect();
        let shown = match (&command.merchant, rows.first()) {
            (Some(_), Some(row)) => serde_json::to_string_pretty(row)?,
            _ => serde_json::to_string_pretty(&rows)?,
        };
        println!("{shown}");
        return Ok(());
    }
    for (place, scope) in scopes.iter().enumerate() {
        if place > 0 {
            println!();
        }
        print(scope);
    }
    Ok(())
}

async fn evidence(folder: &DataFolder, opened: &wiring::Opened, command: &EvidenceArgs) -> anyhow::Result<()> {
    let config = Config::load(command.config.as_deref(), &folder.config(), &environment())?;
    let written = crate::evidence::write(&command.to, folder, opened, &config).await?;
    println!("{} files are written to {}; README.md tells what is in each", written.files, command.to.display());
    if !written.audit_unbroken {
        println!("WARNING  the audit log is broken: see audit.json and `tollgate audit verify`");
    }
    if written.card_numbers > 0 {
        println!("WARNING  {} places seem to hold a card number: see scan.json", written.card_numbers);
    }
    Ok(())
}

fn print(of: &MerchantScope) {
    println!("{:<12}{}", "merchant", of.merchant);
    match (&of.scope.questionnaire, &of.scope.because) {
        (Some(questionnaire), Some(because)) => {
            println!("{:<12}{} (PCI DSS 4.0.1)", "points to", questionnaire.title());
            println!("{:<12}{}", "since", because.first.at);
            println!("{:<12}{}: {}", "because of", because.route.words(), request(because));
        }
        _ => println!("{:<12}nothing yet: neither a payment nor a card has come", "points to"),
    }
    if let Some(note) = of.note() {
        println!("{:<12}{note}", "note");
    }
    if let Some(declared) = of.declared {
        println!("{:<12}{}", "declared", declared.title());
    }
    for used in &of.scope.contradictions {
        println!(
            "WARNING     it is not covered by the declared questionnaire: {}, {}",
            used.route.words(),
            request(used)
        );
    }
    for used in &of.routes {
        println!("{:<12}{:<18} first {}, last {}", "route", used.route.name(), used.first.at, used.last.at);
    }
}

fn request(used: &UsedRoute) -> String {
    let Use { at, fort_id, merchant_reference } = &used.first;
    match fort_id {
        Some(fort_id) => format!("order {merchant_reference} (fort_id {fort_id}) at {at}"),
        None => format!("a card kept by request {merchant_reference} at {at}"),
    }
}
