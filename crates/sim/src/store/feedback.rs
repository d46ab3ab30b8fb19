//! The outbox in the store of one life: the port with its faults, and the mutants of feedback.

use super::{Access, StoreFaults, WorldStore};
use crate::mutants::Mutant;
use std::sync::PoisonError;
use tollgate_core::feedback::FeedbackId;
use tollgate_core::time::Timestamp;
use tollgate_store::{
    FeedbackAttempt, FeedbackBacklog, FeedbackContent, FeedbackFilter, FeedbackFinish, FeedbackFinished, FeedbackLease,
    FeedbackLeased, FeedbackProbe, FeedbackRouse, FeedbackRow, FeedbackThen, Feedbacks, StoreFuture,
};

impl Feedbacks for WorldStore {
    fn lease_feedback(&self, lease: FeedbackLease) -> StoreFuture<'_, FeedbackLeased> {
        let work = self.inner.lease_feedback(lease);
        Box::pin(self.call("lease_feedback", None, Access::Writes, work, |_| "leased"))
    }

    fn probe_feedback(&self, probe: FeedbackProbe) -> StoreFuture<'_, Vec<FeedbackRow>> {
        let work = self.inner.probe_feedback(probe);
        Box::pin(self.call("probe_feedback", None, Access::Writes, work, |_| "leased"))
    }

    fn release_feedback(&self, node: u8, now: Timestamp) -> StoreFuture<'_, u64> {
        let work = self.inner.release_feedback(node, now);
        Box::pin(self.call("release_feedback", None, Access::Writes, work, |_| "released"))
    }

    fn finish_feedback(&self, mut finish: FeedbackFinish) -> StoreFuture<'_, FeedbackFinished> {
        let order = self.faults.owner(finish.id.operation);
        if self.has(Mutant::DropPaused) && matches!(finish.then, FeedbackThen::Pause(_)) {
            finish.then = FeedbackThen::Delivered;
        }
        if self.has(Mutant::OvertakeFeedback) && matches!(finish.then, FeedbackThen::Retry { .. }) {
            finish.then = FeedbackThen::Delivered;
        }
        let then = match finish.then {
            FeedbackThen::Delivered => "delivered",
            FeedbackThen::Retry { .. } => "to be tried again",
            FeedbackThen::Pause(_) => "paused",
        };
        let work = self.inner.finish_feedback(finish);
        Box::pin(self.call("finish_feedback", order, Access::Writes, work, move |finished| match finished {
            FeedbackFinished::Written => then,
            FeedbackFinished::LeaseLost => "lease lost",
        }))
    }

    fn rouse_feedback(&self, rouse: FeedbackRouse) -> StoreFuture<'_, u64> {
        let replayed = match &rouse {
            FeedbackRouse::Replay { ids, .. } => ids.clone(),
            FeedbackRouse::CaughtUp { .. } | FeedbackRouse::Paused { .. } => Vec::new(),
        };
        if self.has(Mutant::ForgetReplay) && !replayed.is_empty() {
            self.replayed(&replayed, 1);
            return Box::pin(async { Ok(1) });
        }
        let work = async move {
            let roused = self.inner.rouse_feedback(rouse).await?;
            self.replayed(&replayed, roused);
            Ok(roused)
        };
        Box::pin(self.call("rouse_feedback", None, Access::Writes, work, |_| "roused"))
    }

    fn feedback_content(&self, id: FeedbackId) -> StoreFuture<'_, Option<FeedbackContent>> {
        let order = self.faults.owner(id.operation);
        let work = self.inner.feedback_content(id);
        Box::pin(self.call("feedback_content", order, Access::Reads, work, |_| "read"))
    }

    fn feedbacks<'a>(&'a self, filter: &'a FeedbackFilter) -> StoreFuture<'a, Vec<FeedbackRow>> {
        Box::pin(async move {
            let rows = self.inner.feedbacks(filter).await?;
            for row in &rows {
                self.faults.note_sequence(row.id, row.sequence);
            }
            Ok(rows)
        })
    }

    fn feedback_attempts(&self, id: FeedbackId) -> StoreFuture<'_, Vec<FeedbackAttempt>> {
        self.inner.feedback_attempts(id)
    }

    fn feedback_next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move {
            self.life.go_on().await;
            self.inner.feedback_next_due().await
        })
    }

    fn feedback_backlog(&self) -> StoreFuture<'_, FeedbackBacklog> {
        Box::pin(async move {
            self.life.go_on().await;
            self.inner.feedback_backlog().await
        })
    }
}

/// From this place on a feedback of an operation tells of a schedule.
const NEWS_FROM: u16 = 1_000;

impl WorldStore {
    /// Of these feedbacks `roused` are sent again, by an operator who names one at a time.
    fn replayed(&self, ids: &[FeedbackId], roused: u64) {
        // What is told of a schedule is counted beside the order's changes.
        if let ([id], 1) = (ids, roused)
            && id.place < NEWS_FROM
            && let Some(order) = self.faults.owner(id.operation)
            && let Some(sequence) = self.faults.sequence(*id)
        {
            self.faults.watch.auditor().replayed(order, sequence);
        }
    }
}

impl StoreFaults {
    /// An operator has looked at a feedback.
    fn note_sequence(&self, id: FeedbackId, sequence: u32) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).sequences.insert(id, sequence);
    }

    fn sequence(&self, id: FeedbackId) -> Option<u32> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).sequences.get(&id).copied()
    }
}
