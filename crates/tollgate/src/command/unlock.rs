//! `tollgate keys unlock`: a custodian comes to a running gateway.

use super::OperatorArgs;
use crate::custodians::unlock_body;
use crate::data_folder::DataFolder;
use crate::operator::OperatorClient;
use crate::passphrases::PassphraseSource;
use crate::terminal::Terminal;
use anyhow::{Context, bail};
use clap::Args;
use http::Method;
use serde_json::Value;
use std::process::ExitCode;
use tollgate_vault::Custodian;

/// Come as a custodian.
#[derive(Debug, Args)]
pub struct Unlock {
    /// Who comes; asked at the terminal when it is left out
    #[arg(long, value_name = "NAME")]
    custodian: Option<String>,
    /// The file with a custodian's passphrase, or NAME=env:VARIABLE, instead of the terminal; once for each custodian
    #[arg(long = "passphrase-file", value_name = "NAME=FILE", conflicts_with = "custodian")]
    passphrase_files: Vec<String>,
}

impl Unlock {
    /// Lets one custodian in, or those of the files.
    ///
    /// # Errors
    /// When no gateway runs, or the passphrase is wrong.
    pub async fn run(&self, folder: &DataFolder, common: &OperatorArgs) -> anyhow::Result<ExitCode> {
        let gateway = OperatorClient::needed(folder)?;
        let mut status = locked(&gateway).await?;
        if is_locked(&status) {
            for custodian in self.custodians(&status)? {
                status = come(&gateway, &custodian).await?;
                if !is_locked(&status) {
                    break;
                }
            }
        }
        common.print(&status, print)
    }

    fn custodians(&self, status: &Value) -> anyhow::Result<Vec<Custodian>> {
        if !self.passphrase_files.is_empty() {
            return PassphraseSource::parse_each(&self.passphrase_files)?.iter().map(PassphraseSource::read).collect();
        }
        let terminal = Terminal::open()
            .context("there is no terminal to type a passphrase at: name its file with --passphrase-file NAME=FILE")?;
        let name = match &self.custodian {
            Some(name) => name.clone(),
            None => {
                terminal.say(&shown(status))?;
                terminal.ask("custodian: ")?
            }
        };
        let passphrase = terminal.ask_secret(&format!("passphrase of {name} (not shown): "))?;
        Ok(vec![Custodian { name, passphrase }])
    }
}

/// Lets a custodian into the running gateway; gives what is locked then.
///
/// # Errors
/// When he is wrong, or the gateway does not answer.
pub async fn come(gateway: &OperatorClient, custodian: &Custodian) -> anyhow::Result<Value> {
    let body = unlock_body(&custodian.name, &custodian.passphrase)?;
    let came = gateway.ask_bytes(Method::POST, "keys/unlock", body).await;
    came.with_context(|| format!("custodian {}", custodian.name))
}

/// Refuses to go on while a running gateway has a key locked: what is wrapped under that key now would not open
/// there.
///
/// # Errors
/// When it has, or does not answer.
pub async fn refuse_locked_gateway(folder: &DataFolder) -> anyhow::Result<()> {
    let Some(gateway) = OperatorClient::of_running(folder)? else { return Ok(()) };
    let status = locked(&gateway).await?;
    if is_locked(&status) {
        bail!("the running gateway has to have every key open first: `tollgate keys unlock`\n{}", shown(&status));
    }
    Ok(())
}

/// What the gateway has locked. One whose keys are in a token has nothing.
async fn locked(gateway: &OperatorClient) -> anyhow::Result<Value> {
    gateway.ask(Method::GET, "keys/custodians", &Value::Null).await
}

fn is_locked(status: &Value) -> bool {
    status["locked"].as_array().is_some_and(|locked| !locked.is_empty())
}

fn print(status: &Value) {
    if is_locked(status) {
        print!("{}", shown(status));
    } else {
        println!("every key is open");
    }
}

fn shown(status: &Value) -> String {
    let names =
        |of: &Value| of.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let each = status["locked"].as_array().into_iter().flatten().map(|locked| {
        let come = locked["come"].as_array().map_or(0, Vec::len);
        format!(
            "key-encryption key version {} waits for custodians ({}): {come} of {} have come{}{}\n",
            locked["version"],
            names(&locked["custodians"]),
            locked["quorum"],
            if come == 0 { "" } else { ": " },
            names(&locked["come"]),
        )
    });
    each.collect()
}
