//! `tollgate jwks rotate|list`: the keys that merchants encrypt card data to.

use super::{DataArg, Format, small_runtime};
use crate::duration::{self, Duration};
use crate::wiring::{self, Keep};
use clap::{Args, Subcommand};
use std::process::ExitCode;
use tollgate_app::{ChannelKey, ChannelKeys, PUBLISHED_KEYS_CACHED_SECONDS_MAX};
use tollgate_core::time::{Clock, Timestamp};

/// List and rotate the keys that merchants encrypt card data to.
#[derive(Debug, Args)]
pub struct Jwks {
    #[command(subcommand)]
    action: Action,
    /// How to print them
    #[arg(long, value_enum, default_value = "text", global = true)]
    format: Format,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Publish new keys; those before open what comes for a while
    Rotate {
        /// For how long the keys before open what comes, for example 7d; 0s ends them at once
        #[arg(long, value_name = "DURATION", default_value = "7d")]
        accept_old_for: Duration,
    },
    /// List all keys, the newest first
    List,
}

impl Jwks {
    /// Runs it.
    ///
    /// # Errors
    /// When the keys cannot be read or made.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let opened = wiring::open(&folder, Keep::Existing).await?;
            let keys = ChannelKeys::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
            let all = match self.action {
                Action::Rotate { accept_old_for } => {
                    warn_of_cached_keys(accept_old_for.ms);
                    keys.rotate(accept_old_for.ms).await
                }
                Action::List => keys.all().await,
            };
            let now = opened.clock.now();
            drop(keys);
            wiring::close(opened).await;
            print(&all?, self.format, now)?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Clients may go by keys that they have read for as long as the answer said.
fn warn_of_cached_keys(accept_old_for_ms: u64) {
    let cached_seconds = u64::from(PUBLISHED_KEYS_CACHED_SECONDS_MAX);
    if accept_old_for_ms < cached_seconds * 1_000 {
        eprintln!(
            "warning: clients may go by the keys before for {cached_seconds} seconds more, and what they encrypt to them is \
             refused (00033) once they have ended"
        );
    }
}

fn print(keys: &[ChannelKey], format: Format, now: Timestamp) -> anyhow::Result<()> {
    if format == Format::Json {
        let rows: Vec<_> = keys
            .iter()
            .map(|key| {
                serde_json::json!({
                    "kid": key.public.kid,
                    "alg": key.public.alg,
                    "created_at": key.created_at.to_string(),
                    "state": state(key, now),
                    "accepted_until": key.accepted_until.map(|until| until.to_string()),
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    if keys.is_empty() {
        println!("no keys yet: the first ones are made when /.well-known/tollgate/jwks.json is first read");
    }
    for key in keys {
        let until = match key.accepted_until {
            Some(until) if until > now => format!(", for {} more", duration::shown(ms_between(now, until))),
            _ => String::new(),
        };
        println!(
            "{}  {:<14}  made {}  {}{until}",
            key.public.kid.as_deref().unwrap_or_default(),
            key.public.alg.as_deref().unwrap_or_default(),
            key.created_at,
            state(key, now),
        );
    }
    Ok(())
}

fn state(key: &ChannelKey, now: Timestamp) -> &'static str {
    match key.accepted_until {
        None => "published",
        Some(until) if until >= now => "accepted",
        Some(_) => "ended",
    }
}

fn ms_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0) / 1_000).unwrap_or(0)
}
