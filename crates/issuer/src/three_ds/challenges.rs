//! The challenges that are open, and those that are over and whose page may still be looked at.

use super::challenge::Challenge;
use tokio::sync::watch;
use tollgate_core::time::Timestamp;
use tollgate_threeds::element::{ProtocolVersion, TransactionId, WebUrl};

/// A challenge that is over is kept so long, in milliseconds on the sandbox's clock.
const KEPT_MS: u64 = 10 * 60 * 1_000;

/// A challenge with everything that its messages need.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) version: ProtocolVersion,
    pub(super) three_ds_server_trans_id: TransactionId,
    pub(super) ds_trans_id: TransactionId,
    pub(super) acs_trans_id: TransactionId,
    pub(super) notification_url: WebUrl<256>,
    /// What came with the CReq, to be given back with the CRes.
    pub(super) session_data: Option<String>,
    pub(super) challenge: Challenge,
    pub(super) tale: Tale,
    /// Whether the 3DS Server was told, or is given up: then the browser goes on.
    pub(super) told: watch::Sender<bool>,
    pub(super) ended_at: Option<Timestamp>,
}

/// What is told of the end of a challenge, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tale {
    /// The truth, to both.
    Truth,
    /// The browser alone hears of it.
    BrowserAlone,
    /// The browser hears what the customer reached, the 3DS Server that he failed.
    BrowserIsLiedTo,
}

/// All of them, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Challenges(Vec<Entry>);

impl Challenges {
    /// Puts one at the end. Where that would be more than `entries_max`, the oldest that is over goes, or the oldest of
    /// all: it is the answer, and if it was open its time is over.
    pub(super) fn add(&mut self, entry: Entry, entries_max: usize) -> Option<Entry> {
        let gone = (self.0.len() >= entries_max.max(1)).then(|| {
            let place = self.0.iter().position(|other| other.challenge.ending().is_some()).unwrap_or(0);
            self.0.remove(place)
        });
        self.0.push(entry);
        gone
    }

    /// The one that the ACS named so.
    pub(super) fn of(&mut self, acs_trans_id: &TransactionId) -> Option<&mut Entry> {
        self.0.iter_mut().find(|entry| entry.acs_trans_id == *acs_trans_id)
    }

    /// Ends what was idle for too long, and hands each that ended by this to `ended`; forgets what was over for long.
    pub(super) fn sweep(&mut self, now: Timestamp, mut ended: impl FnMut(&mut Entry)) {
        self.0.retain(|entry| entry.ended_at.is_none_or(|at| now.since_ms(at) < KEPT_MS));
        for entry in &mut self.0 {
            if entry.challenge.time_out(now).is_some() {
                ended(entry);
            }
        }
    }

    /// Whether there is nothing to sweep.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
