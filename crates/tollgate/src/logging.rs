//! Structured logs on standard error: one line an event, as text for a person or as JSON for machines.

use crate::config::{LogFormat, LogSettings};
use anyhow::Context;
use std::io::{self, IsTerminal, Write};
use tollgate_core::card_scan::mask_card_numbers;
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
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Masked(std::io::stderr()));
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

/// Stars the card numbers in each line on its way out: a second net, for what ought to have been masked where it
/// came in. A line is written in one piece, so that a number is never cut in two.
struct Masked<W>(W);

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(mask_card_numbers(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_card_number_that_is_logged_is_masked_in_text_and_in_json() {
        let kept = Kept::default();
        let writer = {
            let kept = kept.clone();
            move || Masked(kept.clone())
        };
        let log = || {
            tracing::error!(card = "4005550000000001", "a defect: ٥١٢٣٤٥٦٧٨٩٠١٢٣٤٦ and 3456-789012-34564");
            tracing::error!(fort_id = "179565511258519600", "an order");
        };
        tracing::subscriber::with_default(
            tracing_subscriber::fmt().with_writer(writer.clone()).with_ansi(false).finish(),
            log,
        );
        tracing::subscriber::with_default(
            tracing_subscriber::fmt().with_writer(writer).json().flatten_event(true).finish(),
            log,
        );
        let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        for number in ["4005550000000001", "٥١٢٣٤٥٦٧٨٩٠١٢٣٤٦", "3456-789012-34564"] {
            assert!(!log.contains(number), "{log}");
        }
        for (shown, times) in [("400555******0001", 2), ("3456-78****-*4564", 2), ("179565511258519600", 2)] {
            assert_eq!(log.matches(shown).count(), times, "{shown}: {log}");
        }
        assert_eq!(log.lines().count(), 4, "{log}");
    }
}
