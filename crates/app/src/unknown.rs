//! Unknown outcomes in an operator's hands: listing them, and settling one with a reason and evidence.
//!
//! A forced outcome is an edge of the transition table and is written like any other, in one transaction with
//! who did it and why. It takes the claim that a recovery message takes, so the two never cross.

use crate::gateway::{Gateway, Inner};
use crate::settle::{self, SettleError, Written};
use tollgate_core::apply::{ApplyError, Outcome};
use tollgate_core::audit::{AuditAction, AuditEntry, AuditWho};
use tollgate_core::card_scan::holds_card_number;
use tollgate_core::code::ResponseCode;
use tollgate_core::ident::{FortId, OperationId};
use tollgate_core::money::Money;
use tollgate_core::order::{OperationEvent, OperationKind, OperationState, WayOut};
use tollgate_core::time::Timestamp;
use tollgate_store::{Correction, Proposal, RecoveryRow, StoreError, StoredOperation, Story};

/// The most characters of a reason or of evidence in words.
const TEXT_CHARS_MAX: usize = 2_000;
/// The most characters of a person's name.
const NAME_CHARS_MAX: usize = 80;
/// The most proposals that are read.
const PROPOSALS_MAX: usize = 10_000;

/// What an operator says that became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForcedOutcome {
    /// The network did it: it counts.
    Approved,
    /// The network said no.
    Declined,
    /// The network counts it for nothing.
    Reversed,
}

impl ForcedOutcome {
    /// The event that is written.
    #[must_use]
    pub const fn event(self) -> OperationEvent {
        match self {
            ForcedOutcome::Approved => OperationEvent::ForcedApproved,
            ForcedOutcome::Declined => OperationEvent::ForcedDeclined,
            ForcedOutcome::Reversed => OperationEvent::ForcedReversed,
        }
    }
}

/// What an operator wants to write.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// What became of the operation.
    #[serde(rename = "as")]
    pub outcome: ForcedOutcome,
    /// Why it is settled by hand.
    pub reason: String,
    /// What proves it: a text, or the name of a file.
    pub evidence: String,
    /// SHA-256 of that file, 64 digits in hex.
    #[serde(default)]
    pub evidence_sha256: Option<String>,
    /// Who says so.
    pub by: String,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The operation is settled.
    Written {
        /// Its state now.
        state: OperationState,
        /// What the merchant is told of it.
        code: ResponseCode,
    },
    /// It waits for a second person.
    Proposed,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No such operation.
    #[error("there is no operation {0}")]
    NotFound(OperationId),
    /// A recovery message, or somebody else, is working on it.
    #[error("a recovery message for operation {0} is under way, or somebody else settles it: try again in a moment")]
    UnderWay(OperationId),
    /// It was sent and may still be answered.
    #[error("operation {0} is on its way to the network: wait for its answer")]
    Sent(OperationId),
    /// The transition table has no such edge, or a sum would break.
    #[error("operation {operation} cannot be settled so: {error}")]
    NotAllowed {
        /// The operation.
        operation: OperationId,
        /// Why not.
        error: ApplyError,
    },
    /// A settled operation that others followed.
    #[error("operation {0} is settled and others followed it: only the newest operation of an order can be corrected")]
    NotTheNewest(OperationId),
    /// Another proposal waits.
    #[error("{by} has proposed to settle operation {operation} already: approve or withdraw that first")]
    ProposedAlready {
        /// The operation.
        operation: OperationId,
        /// Who.
        by: String,
    },
    /// Nothing was proposed.
    #[error("nobody has proposed to settle operation {0}")]
    NoProposal(OperationId),
    /// The second person is the first.
    #[error("{0} proposed it: a second person has to approve it")]
    SamePerson(String),
    /// The operation's state is not the one that the proposal was made for.
    #[error("operation {0} is not in the state that the proposal was made for: withdraw it")]
    ProposalOutlived(OperationId),
    /// A text is missing, too long, or holds what looks like a card number.
    #[error("{name} {problem}")]
    Text {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An operation whose outcome nobody knows.
#[derive(Clone, Debug)]
pub struct UnknownOperation {
    /// The operation.
    pub operation: OperationId,
    /// Its order.
    pub fort_id: FortId,
    /// The merchant's name, or its number when the account is gone.
    pub merchant: String,
    /// The merchant's order number.
    pub merchant_reference: String,
    /// What it does.
    pub kind: OperationKind,
    /// How much.
    pub money: Money,
    /// Since when it is unknown.
    pub since: Timestamp,
    /// For how long, in milliseconds.
    pub age_ms: u64,
    /// Why it is unknown.
    pub why: Option<OperationEvent>,
    /// How it is settled.
    pub way_out: WayOut,
    /// How many recovery messages were begun.
    pub messages: u32,
    /// What came of the last one that is noted.
    pub last_answer: Option<String>,
    /// When the next one may go out.
    pub next_at: Timestamp,
}

impl Gateway {
    /// Operations that are unknown for `older_than_ms` or longer, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unknowns(&self, older_than_ms: u64, limit: usize) -> Result<Vec<UnknownOperation>, StoreError> {
        let now = self.now();
        let back_us = i64::try_from(older_than_ms).unwrap_or(i64::MAX).saturating_mul(1000);
        let before = Timestamp(now.0.saturating_sub(back_us));
        let mut found = Vec::new();
        for row in self.inner.store.waiting_since(before, limit).await? {
            // It may have been settled between the two reads.
            let Some(story) = self.inner.store.story(row.fort_id).await? else { continue };
            let account = self.inner.directory.by_id(row.merchant).await?;
            let merchant = account.map_or_else(|| row.merchant.0.to_string(), |account| account.merchant.name.clone());
            found.extend(unknown(&story, &row, merchant, now));
        }
        Ok(found)
    }

    /// Corrections that wait for a second person, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn proposals(&self) -> Result<Vec<Proposal>, StoreError> {
        self.inner.store.proposals(PROPOSALS_MAX).await
    }

    /// Settles an operation by hand; where `four_eyes` is set, proposes it.
    ///
    /// # Errors
    /// Why nothing was written.
    pub async fn resolve(&self, operation: OperationId, resolution: Resolution) -> Result<Resolved, ResolveError> {
        let inner = &self.inner;
        let (event, correction) = (resolution.outcome.event(), checked(resolution)?);
        if let Some(waiting) = proposal_of(inner, operation).await? {
            return Err(ResolveError::ProposedAlready { operation, by: waiting.correction.by });
        }
        if !inner.settings.four_eyes {
            return force(inner, operation, event, correction, None).await;
        }
        // Judged now, so that nobody is asked to approve what cannot be done; and again when it is done.
        let judged = judge(inner, operation, event).await?;
        let proposal = Proposal {
            operation,
            event,
            state_before: judged.operation.state,
            correction: correction.clone(),
            at: inner.clock.now(),
        };
        if inner.store.propose_correction(proposal).await? {
            tracing::warn!(%operation, by = %correction.by, event = %event, "a correction was proposed; it waits for a second person");
            return Ok(Resolved::Proposed);
        }
        let by =
            proposal_of(inner, operation).await?.map_or_else(|| "somebody".to_owned(), |waiting| waiting.correction.by);
        Err(ResolveError::ProposedAlready { operation, by })
    }

    /// Carries a proposal out, as a second person.
    ///
    /// # Errors
    /// Why nothing was written.
    pub async fn approve_proposal(&self, operation: OperationId, by: &str) -> Result<Resolved, ResolveError> {
        let inner = &self.inner;
        let by = checked_text("by", by, NAME_CHARS_MAX)?;
        let proposal = proposal_of(inner, operation).await?.ok_or(ResolveError::NoProposal(operation))?;
        if is_same_person(&proposal.correction.by, &by) {
            return Err(ResolveError::SamePerson(proposal.correction.by));
        }
        let correction = Correction { approved_by: Some(by), ..proposal.correction };
        force(inner, operation, proposal.event, correction, Some(proposal.state_before)).await
    }

    /// Takes a proposal back.
    ///
    /// # Errors
    /// When there is none.
    pub async fn withdraw_proposal(&self, operation: OperationId, by: &str) -> Result<(), ResolveError> {
        let by = checked_text("by", by, NAME_CHARS_MAX)?;
        if !self.inner.store.withdraw_proposal(operation).await? {
            return Err(ResolveError::NoProposal(operation));
        }
        tracing::warn!(%operation, %by, "a proposed correction was withdrawn");
        let who = AuditWho::Person { name: by, by: "unknown".to_owned() };
        let entry = AuditEntry::new(self.now(), who, AuditAction::CorrectionWithdrawn);
        self.note_audit(AuditEntry { operation: Some(operation), ..entry }).await?;
        Ok(())
    }
}

fn unknown(story: &Story, row: &RecoveryRow, merchant: String, now: Timestamp) -> Option<UnknownOperation> {
    let told = story.operations.iter().find(|told| told.operation.id == row.operation)?;
    let why = told.outcomes.iter().rev().map(|outcome| outcome.event).find(|event| event.leaves_unknown());
    Some(UnknownOperation {
        operation: row.operation,
        fort_id: row.fort_id,
        merchant,
        merchant_reference: story.order.merchant_reference.clone(),
        kind: told.operation.kind,
        money: told.operation.money,
        since: row.created_at,
        age_ms: now.since_ms(row.created_at),
        why,
        way_out: row.way_out,
        messages: row.attempts,
        last_answer: told.attempts.last().map(|attempt| attempt.result.as_text()),
        next_at: row.due_at,
    })
}

/// An operation that may be settled by hand.
struct Judged {
    stored: StoredOperation,
    operation: tollgate_core::order::Operation,
    /// The count of recovery messages that were begun, while it has a place in the queue.
    attempts: Option<u32>,
}

async fn judge(inner: &Inner, id: OperationId, event: OperationEvent) -> Result<Judged, ResolveError> {
    let stored = inner.store.operation(id).await?.ok_or(ResolveError::NotFound(id))?;
    let operation = stored.operation.clone();
    if operation.state == OperationState::Sent {
        return Err(ResolveError::Sent(id));
    }
    let story = inner.store.story(operation.fort_id).await?.ok_or(ResolveError::NotFound(id))?;
    // Said before anything else that may be wrong, as it says what to do.
    if operation.kind.begins() && operation.wire.rrn != stored.stored.order.original.rrn {
        return Err(ResolveError::NotAllowed { operation: id, error: ApplyError::EarlierTry });
    }
    let is_newest = story.operations.last().is_some_and(|told| told.operation.id == id);
    if operation.state != OperationState::Unknown && !is_newest {
        return Err(ResolveError::NotTheNewest(id));
    }
    tollgate_core::apply::apply(&stored.stored.order, &operation, &Outcome::silent(event))
        .map_err(|error| ResolveError::NotAllowed { operation: id, error })?;
    let told = story.operations.iter().find(|told| told.operation.id == id);
    let attempts = told.and_then(|told| told.recovery.as_ref()).map(|row| row.attempts);
    Ok(Judged { stored, operation, attempts })
}

/// Writes the forced outcome under the claim that recovery messages take too. `state_before`, when given,
/// must still be the operation's.
async fn force(
    inner: &Inner,
    id: OperationId,
    event: OperationEvent,
    correction: Correction,
    state_before: Option<OperationState>,
) -> Result<Resolved, ResolveError> {
    let _claim = inner.claims.take(id).ok_or(ResolveError::UnderWay(id))?;
    let Judged { stored, operation, attempts } = judge(inner, id, event).await?;
    if state_before.is_some_and(|before| before != operation.state) {
        return Err(ResolveError::ProposalOutlived(id));
    }
    let order = &stored.stored.order;
    let by = correction.by.clone();
    let outcome = Outcome::silent(event);
    match settle::write_correction(inner, order, &operation, &outcome, correction, attempts).await {
        Ok(Written::Done(applied)) => {
            metrics::counter!(
                "tollgate_forced_corrections_total",
                "kind" => operation.kind.name(), "from" => operation.state.name(), "to" => applied.state.name()
            )
            .increment(1);
            tracing::warn!(operation = %id, fort_id = %order.fort_id, %by, from = %operation.state, to = %applied.state, "an operator settled an operation by hand");
            let resolved = Resolved::Written { state: applied.state, code: applied.code };
            if let Some(release) = applied.release {
                release.carry_out(inner).await;
            }
            Ok(resolved)
        }
        Ok(Written::Overtaken) => Err(ResolveError::UnderWay(id)),
        Err(SettleError::Apply(error)) => Err(ResolveError::NotAllowed { operation: id, error }),
        Err(SettleError::Store(error)) => Err(error.into()),
    }
}

async fn proposal_of(inner: &Inner, operation: OperationId) -> Result<Option<Proposal>, StoreError> {
    let proposals = inner.store.proposals(PROPOSALS_MAX).await?;
    Ok(proposals.into_iter().find(|proposal| proposal.operation == operation))
}

fn checked(resolution: Resolution) -> Result<Correction, ResolveError> {
    let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if resolution.evidence_sha256.as_ref().is_some_and(|text| !is_digest(text)) {
        return Err(ResolveError::Text { name: "evidence_sha256", problem: "is 64 digits in hex" });
    }
    Ok(Correction {
        reason: checked_text("reason", &resolution.reason, TEXT_CHARS_MAX)?,
        evidence: checked_text("evidence", &resolution.evidence, TEXT_CHARS_MAX)?,
        evidence_sha256: resolution.evidence_sha256.map(|text| text.to_ascii_lowercase()),
        by: checked_text("by", &resolution.by, NAME_CHARS_MAX)?,
        approved_by: None,
    })
}

/// A text that is kept for ever: it says something, is not too long, and holds no card number.
fn checked_text(name: &'static str, text: &str, chars_max: usize) -> Result<String, ResolveError> {
    let text = text.trim();
    let problem = if text.is_empty() {
        "has to say something"
    } else if text.chars().count() > chars_max {
        "is too long"
    } else if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        "has control characters"
    } else if holds_card_number(text) {
        "holds what looks like a card number, which may be stored nowhere but in the vault"
    } else {
        return Ok(text.to_owned());
    };
    Err(ResolveError::Text { name, problem })
}

/// Names are what people say they are; that much at least has to differ.
fn is_same_person(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_person_is_not_the_first_in_other_letters() {
        assert!(is_same_person("A. Person", " a.  PERSON"));
        assert!(!is_same_person("A. Person", "B. Person"));
    }

    #[test]
    fn texts_that_stay_for_ever_say_something_and_hold_no_card_number() {
        for (text, part) in [("  ", "say something"), ("card 4005550000000001", "card number"), ("a\u{7}b", "control")]
        {
            assert!(checked_text("reason", text, 100).unwrap_err().to_string().contains(part), "{text}");
        }
        assert!(checked_text("reason", &"x".repeat(101), 100).is_err());
        assert_eq!(checked_text("reason", " clearing file of the 3rd ", 100).unwrap(), "clearing file of the 3rd");
    }
}
