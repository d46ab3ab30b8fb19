//! How much of a payment's latency is the gateway's own.
//!
//! The gateway keeps the messages of each payment with the moments, in microseconds, at which one was handed to the
//! link and its answer came off the link. What the client waited, less the time between the two, is what the gateway
//! added, with the client's HTTP and the kernel's part in it. It is computed for each payment by itself, so that the
//! quantiles are those of the difference, and not differences of quantiles.

use super::histogram::{Histogram, Latency};
use super::tally::Payment;
use crate::data_folder::DataFolder;
use anyhow::{Context, bail};
use serde::Serialize;
use std::time::Duration;
use tollgate_core::ident::FortId;
use tollgate_store::{Orders, Story};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

/// How many payments are looked up; of more, every n-th is.
const STORIES_MAX: usize = 20_000;

/// The parts of a payment's latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Parts {
    /// What the gateway added.
    pub added: Latency,
    /// What the card network took, the way there and back included.
    pub network: Latency,
}

/// Looks up the payments in the gateway's store.
///
/// # Errors
/// When one of them, or the moments of its messages, cannot be read.
pub async fn parts(folder: &DataFolder, payments: &[Payment]) -> anyhow::Result<Parts> {
    if payments.is_empty() {
        bail!("there are no payments whose latency could be taken apart");
    }
    let store = SqliteStore::open(&folder.database(), SqliteOptions::default())?;
    let read = read(&store, payments).await;
    store.close().await;
    read
}

async fn read(store: &SqliteStore, payments: &[Payment]) -> anyhow::Result<Parts> {
    let (mut added, mut network) = (Histogram::default(), Histogram::default());
    for payment in payments.iter().step_by(payments.len().div_ceil(STORIES_MAX)) {
        let story = store.story(FortId(payment.fort_id)).await?;
        let story = story.with_context(|| format!("order {} is not in the store", payment.fort_id))?;
        let waited =
            waited(&story).with_context(|| format!("order {} tells no times of its messages", payment.fort_id))?;
        added.record(payment.latency.saturating_sub(waited));
        network.record(waited);
    }
    Ok(Parts { added: added.summary(), network: network.summary() })
}

/// How long the first message of an order waited for its answer.
fn waited(story: &Story) -> Option<Duration> {
    between(&story.operations.first()?.outcomes.first()?.trace)
}

/// The time from the sent message to the received one. A line of a trace begins with the moment in microseconds and
/// `>` (sent) or `<` (received).
fn between(trace: &str) -> Option<Duration> {
    let moment = |arrow: &str| {
        trace.lines().find_map(|line| {
            let (at, rest) = line.split_once(' ')?;
            if rest.starts_with(arrow) { at.parse::<i64>().ok() } else { None }
        })
    };
    let us = moment("<")?.checked_sub(moment(">")?)?;
    u64::try_from(us).ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_acquirer::{Direction, WireTrace};
    use tollgate_core::time::Timestamp;

    #[test]
    fn the_time_between_both_messages_is_the_networks() {
        let mut trace = WireTrace::default();
        trace.push(Timestamp(1_000), Direction::Sent, "0200 39=<");
        assert_eq!(between(&trace.0), None);
        trace.push(Timestamp(1_250), Direction::Received, "0210 39=00");
        assert_eq!(between(&trace.0), Some(Duration::from_micros(250)));
        assert_eq!(between(""), None);
    }
}
