//! `tollgate config check|show`.

use super::{DataArg, small_runtime};
use crate::config::{Config, environment};
use crate::messages;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Check or show the configuration.
#[derive(Debug, Args)]
pub struct ConfigCommand {
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
    /// Read the file and the environment, and say what is wrong
    Check,
    /// Print the configuration that counts, defaults included, as TOML
    Show,
}

impl ConfigCommand {
    /// Runs it.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let fallback = self.data.data.join("tollgate.toml");
        let config = Config::load(self.config.as_deref(), &fallback, &environment())?;
        match self.action {
            Action::Check => {
                if let (Some(certificate), Some(key)) = (&config.server.tls_certificate, &config.server.tls_key) {
                    tollgate_http::server_config(certificate, key, config.server.client_certificates)?;
                }
                // A mailer keeps connections, and so needs a runtime, though it makes none yet.
                small_runtime()?.block_on(async {
                    messages::mailer(&config)?;
                    messages::provider(&config)?;
                    anyhow::Ok(())
                })?;
                for warning in config.warnings() {
                    eprintln!("warning: {warning}");
                }
                println!("the configuration is right");
            }
            Action::Show => print!("{}", toml::to_string_pretty(&config)?),
        }
        Ok(ExitCode::SUCCESS)
    }
}
