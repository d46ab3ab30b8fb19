//! `tollgate issuer`.

use crate::config::LogSettings;
use crate::data_folder::DataFolder;
use crate::logging;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tollgate_issuer::{Issuer as Host, IssuerSettings};

/// Run the sandbox card network alone.
#[derive(Debug, Args)]
pub struct Issuer {
    /// The card network's own data folder
    #[arg(long = "data", value_name = "DIR", default_value = "tollgate-issuer")]
    data: PathBuf,
    /// Address and port of ISO 8583
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8583")]
    listen: SocketAddr,
    /// Address and port of its admin pages
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8584")]
    admin_listen: SocketAddr,
    /// Address and port of the 3-D Secure directory server
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8585")]
    ds_listen: SocketAddr,
    /// Address and port of the 3-D Secure ACS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8586")]
    acs_listen: SocketAddr,
    /// Where browsers reach the ACS, for example https://acs.example; by default its address
    #[arg(long, value_name = "URL")]
    acs_url: Option<String>,
    /// PEM file of authorities that its directory server trusts beside the system's, for results sent by https
    #[arg(long, value_name = "FILE")]
    ds_ca_certificates: Option<PathBuf>,
    /// The message spec: iso8583-1987-ascii or iso8583-1987-bcd
    #[arg(long)]
    spec: Option<String>,
    /// How long a slow answer takes, in milliseconds
    #[arg(long)]
    slow_ms: Option<u64>,
    /// How long a late answer takes, in milliseconds
    #[arg(long)]
    late_ms: Option<u64>,
}

impl Issuer {
    /// Runs the card network until a signal ends it.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        logging::start(&LogSettings::default())?;
        let folder = DataFolder::create_or_open(&self.data)?;
        let mut settings = IssuerSettings {
            data_path: folder.path().join("issuer.db"),
            iso_listen: self.listen,
            admin_listen: self.admin_listen,
            ds_listen: self.ds_listen,
            acs_listen: self.acs_listen,
            acs_url: self.acs_url,
            ds_ca_certificates: self.ds_ca_certificates,
            ..IssuerSettings::default()
        };
        if let Some(spec) = self.spec {
            settings.spec = spec;
        }
        if let Some(ms) = self.slow_ms {
            settings.slow_ms = ms;
        }
        if let Some(ms) = self.late_ms {
            settings.late_ms = ms;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut end = super::serve::EndSignals::listen()?;
            let host = Host::start(settings).await?;
            println!(
                "sandbox card network: ISO 8583 on {}, admin on http://{}\n3-D Secure: directory server on http://{}/ds, ACS on \
                 http://{}",
                host.iso_address(),
                host.admin_address(),
                host.ds_address(),
                host.acs_address()
            );
            end.wait().await;
            host.shutdown().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}
