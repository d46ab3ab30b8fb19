//! Counters of the process.

use crate::request::MessageClass;
use crate::response_code::ResponseCode;
use crate::views::MessageStats;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The counters. The ledger's thread adds its own once for each batch.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) network_management: Counter,
    pub(crate) refused: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) unanswerable: Counter,
    pub(crate) answers_delayed: Counter,
    pub(crate) answers_lost: Counter,
    pub(crate) connections_open: Counter,
    pub(crate) connections_total: Counter,
    pub(crate) connections_refused: Counter,
    ledger: Mutex<LedgerCounts>,
}

/// What the ledger counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct LedgerCounts {
    received: [u64; MessageClass::ALL.len()],
    answered: BTreeMap<ResponseCode, u64>,
    pub(crate) repeats: u64,
    pub(crate) names_taken: u64,
    pub(crate) tombstones: u64,
}

/// A number that several threads change.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds one unless there are `limit` already; answers whether it did.
    pub(crate) fn add_below(&self, limit: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < limit).then_some(count + 1)).is_ok()
    }

    pub(crate) fn subtract_one(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl LedgerCounts {
    /// Counts a message and its answer.
    pub(crate) fn count(&mut self, class: MessageClass, code: ResponseCode) {
        let place = MessageClass::ALL.iter().position(|other| *other == class);
        if let Some(received) = place.and_then(|place| self.received.get_mut(place)) {
            *received += 1;
        }
        *self.answered.entry(code).or_default() += 1;
    }

    /// Adds the counts of one step.
    pub(crate) fn add(&mut self, step: &LedgerCounts) {
        for (sum, count) in self.received.iter_mut().zip(step.received) {
            *sum += count;
        }
        for (code, count) in &step.answered {
            *self.answered.entry(*code).or_default() += count;
        }
        self.repeats += step.repeats;
        self.names_taken += step.names_taken;
        self.tombstones += step.tombstones;
    }
}

impl Stats {
    /// The ledger's counts, to be changed.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, LedgerCounts> {
        // Counters are whole at any time, so a panic elsewhere spoils nothing.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it.
    pub(crate) fn view(&self) -> MessageStats {
        let ledger = self.ledger().clone();
        MessageStats {
            received: MessageClass::ALL
                .iter()
                .zip(ledger.received)
                .map(|(class, n)| (class.name().to_owned(), n))
                .collect(),
            answered: ledger.answered.iter().map(|(code, count)| (code.to_string(), *count)).collect(),
            repeats: ledger.repeats,
            names_taken: ledger.names_taken,
            tombstones: ledger.tombstones,
            network_management: self.network_management.get(),
            refused: self.refused.get(),
            unreadable: self.unreadable.get(),
            unanswerable: self.unanswerable.get(),
            answers_delayed: self.answers_delayed.get(),
            answers_lost: self.answers_lost.get(),
            connections_open: self.connections_open.get(),
            connections_total: self.connections_total.get(),
            connections_refused: self.connections_refused.get(),
        }
    }
}
