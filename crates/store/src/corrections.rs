//! The port for what an operator settles by hand: corrections, which stay for ever, and proposals, which wait
//! for a second person.

use crate::{LifeId, OutcomeRecord, Recorded, RecoveryRow, StoreFuture};
use tollgate_core::ident::OperationId;
use tollgate_core::order::{OperationEvent, OperationState, WayOut};
use tollgate_core::time::Timestamp;

/// Corrections and proposals.
pub trait Corrections {
    /// Writes a forced outcome with its reasons, in one commit, and removes the proposal of it if there was
    /// one. On condition that the operation's recovery row, if it has one, still has the count of attempts
    /// that was seen, and no other life has an attempt under way: else nothing is written and the answer is
    /// [`Recorded::RecoveryBegun`].
    fn record_correction(&self, record: CorrectionRecord) -> StoreFuture<'_, Recorded>;

    /// Keeps a proposal, if the operation has none: `false` when it has.
    fn propose_correction(&self, proposal: Proposal) -> StoreFuture<'_, bool>;

    /// Removes the proposal of an operation: `false` when it has none.
    fn withdraw_proposal(&self, operation: OperationId) -> StoreFuture<'_, bool>;

    /// Proposals that wait, oldest first, at most `limit`.
    fn proposals(&self, limit: usize) -> StoreFuture<'_, Vec<Proposal>>;

    /// Operations that wait to be settled since `before` or longer, oldest first, at most `limit`.
    fn waiting_since(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Vec<RecoveryRow>>;

    /// How many operations wait since `before` or longer, by their way out; a way that none takes is not
    /// there.
    fn waiting_counts(&self, before: Timestamp) -> StoreFuture<'_, Vec<WaitingCount>>;
}

/// Why and by whom an outcome was forced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Why.
    pub reason: String,
    /// What proves it: a text, or the name of a file.
    pub evidence: String,
    /// SHA-256 of the file in hex, when the evidence is one.
    pub evidence_sha256: Option<String>,
    /// Who did it, or proposed it.
    pub by: String,
    /// The second person, where one is needed.
    pub approved_by: Option<String>,
}

/// A forced outcome.
#[derive(Clone, Debug)]
pub struct CorrectionRecord {
    /// The outcome, like any other.
    pub outcome: OutcomeRecord,
    /// Its reasons.
    pub correction: Correction,
    /// The count of attempts of the recovery row that was seen; `None` when there was no row.
    pub attempts: Option<u32>,
    /// The life of the gateway that writes it.
    pub life: LifeId,
}

/// A correction that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The operation.
    pub operation: OperationId,
    /// The event that is to be written.
    pub event: OperationEvent,
    /// The state that was judged.
    pub state_before: OperationState,
    /// Why, and by whom; nobody has approved it yet.
    pub correction: Correction,
    /// When it was made.
    pub at: Timestamp,
}

/// How many operations wait, by their way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingCount {
    /// How they are settled.
    pub way_out: WayOut,
    /// How many.
    pub operations: u64,
    /// Since when the oldest waits.
    pub oldest: Timestamp,
}
