//! Structured logs on standard error: one line an event, as text for a person or as JSON for machines.

use crate::config::{LogFormat, LogSettings};
use anyhow::Context;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging. A level in the environment (`RUST_LOG`) goes before the configured one.
///
/// # Errors
/// When the level cannot be read.
pub fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).with_context(|| format!("RUST_LOG={text:?} is no level"))?
        }
        _ => level(settings)?,
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    Ok(())
}

/// The configured level.
///
/// # Errors
/// When it cannot be read.
pub fn level(settings: &LogSettings) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(&settings.level)
        .with_context(|| format!("log.level {:?} is no level: error, warn, info, debug, or a filter", settings.level))
}
