//! Operations of which the store could not say whether a commit was written. The janitor looks at them at
//! once, and again with growing pauses, instead of waiting until it would take them for lost.

use crate::gateway::Inner;
use crate::settle::{self, Overtaking, SettleError, Written};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollgate_acquirer::WireTrace;
use tollgate_core::apply::Outcome;
use tollgate_core::ident::OperationId;
use tollgate_core::order::{OperationEvent, OperationState};
use tollgate_store::{LifeId, StoredOperation};

/// How many operations are looked at early; more wait until the janitor takes them for lost.
const DOUBTS_MAX: usize = 10_000;
/// How many are looked at in one round of the janitor.
const DOUBTS_PER_ROUND_MAX: usize = 64;
/// The pause after the first look in vain, in milliseconds; it doubles with each.
const PAUSE_MS_MIN: u64 = 250;
/// The longest pause, in milliseconds.
const PAUSE_MS_MAX: u64 = 30_000;
/// For how long an operation that cannot be found is looked for, in milliseconds: by then the janitor's own
/// search for lost operations finds whatever may still turn up.
const LOOKED_FOR_MS_MAX: u64 = 200_000;

/// The operations in doubt.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    waiting: Mutex<BTreeMap<OperationId, Doubt>>,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// The life that made the intent that may or may not have been written; `None` where the intent is known to be there
    /// and its outcome is in doubt.
    intended_by: Option<LifeId>,
    since: Instant,
    next_look: Instant,
    looks: u32,
}

/// What a look showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It has an outcome, or it is another gateway's: the one in doubt was not written and never will be, for its number
    /// is taken.
    Settled,
    /// It is not there, somebody works on it, or the store still cannot say.
    NotYet,
}

impl Inner {
    /// Tells the janitor of an operation whose outcome may or may not have been written.
    pub(crate) fn doubt(&self, operation: OperationId) {
        self.add_doubt(operation, None);
    }

    /// Tells the janitor of an operation whose intent, made by the life `owner`, may or may not have been written.
    ///
    /// What is found under its number may be another gateway's: the first try of an order has the order's number, so two
    /// gateways that a customer asks at the same moment both want it. Only the one that wrote it may settle it.
    pub(crate) fn doubt_intent(&self, operation: OperationId, owner: LifeId) {
        self.add_doubt(operation, Some(owner));
    }

    fn add_doubt(&self, operation: OperationId, intended_by: Option<LifeId>) {
        metrics::counter!("tollgate_commits_in_doubt_total").increment(1);
        self.doubts.add(operation, intended_by, Instant::now());
        self.recovery_wanted.notify_one();
    }
}

/// Looks at what is due: what has an intent and no outcome is unknown from now on.
pub(crate) async fn look(inner: &Inner) {
    for (operation, intended_by) in inner.doubts.due(Instant::now()) {
        let seen = look_at(inner, operation, intended_by).await;
        inner.doubts.looked(operation, seen, Instant::now());
    }
}

async fn look_at(inner: &Inner, id: OperationId, intended_by: Option<LifeId>) -> Seen {
    // Whoever has the claim still works on it.
    let Some(_claim) = inner.claims.take(id) else { return Seen::NotYet };
    let StoredOperation { stored, operation, owner } = match inner.store.operation(id).await {
        Ok(Some(found)) => found,
        // It may turn up yet: what a broken commit left on the disk is judged when the file is opened again.
        Ok(None) => return Seen::NotYet,
        Err(error) => {
            tracing::warn!(operation = %id, %error, "whether an operation was written cannot be told yet");
            return Seen::NotYet;
        }
    };
    if operation.state != OperationState::Sent || intended_by.is_some_and(|life| life != owner) {
        return Seen::Settled;
    }
    let outcome = Outcome::silent(OperationEvent::Interrupted);
    let trace = WireTrace::default();
    match settle::write(inner, &stored.order, &operation, &outcome, trace, Overtaking::Allowed).await {
        Ok(Written::Done(_)) => {
            tracing::warn!(fort_id = %stored.order.fort_id, operation = %id, "an operation whose commit was in doubt was written; it will be settled with the network");
            Seen::Settled
        }
        // Its outcome was written after all: the next look sees it.
        Ok(Written::Overtaken) | Err(SettleError::Store(_)) => Seen::NotYet,
        Err(SettleError::Apply(error)) => {
            tracing::error!(operation = %id, %error, "an operation in doubt takes no outcome");
            Seen::Settled
        }
    }
}

impl Doubts {
    fn add(&self, operation: OperationId, intended_by: Option<LifeId>, now: Instant) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(doubt) = waiting.get_mut(&operation) {
            // Whose outcome this gateway tried to write, whose intent it had read.
            doubt.intended_by = doubt.intended_by.and(intended_by);
        } else if waiting.len() < DOUBTS_MAX {
            waiting.insert(operation, Doubt { intended_by, since: now, next_look: now, looks: 0 });
        }
    }

    fn due(&self, now: Instant) -> Vec<(OperationId, Option<LifeId>)> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let due = waiting.iter().filter(|(_, doubt)| doubt.next_look <= now);
        due.map(|(operation, doubt)| (*operation, doubt.intended_by)).take(DOUBTS_PER_ROUND_MAX).collect()
    }

    fn looked(&self, operation: OperationId, seen: Seen, now: Instant) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(doubt) = waiting.get_mut(&operation) else { return };
        let given_up = now.duration_since(doubt.since) >= Duration::from_millis(LOOKED_FOR_MS_MAX);
        if seen == Seen::Settled || given_up {
            waiting.remove(&operation);
            return;
        }
        let factor = 1u64.checked_shl(doubt.looks.min(32)).unwrap_or(u64::MAX);
        let pause_ms = PAUSE_MS_MIN.saturating_mul(factor).min(PAUSE_MS_MAX);
        doubt.looks = doubt.looks.saturating_add(1);
        doubt.next_look = now + Duration::from_millis(pause_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: OperationId = OperationId(1);

    /// The moments, in milliseconds, at which an operation that never turns up is looked at.
    fn looks_in_vain() -> Vec<u128> {
        let (doubts, begin) = (Doubts::default(), Instant::now());
        doubts.add(ONE, None, begin);
        let mut looks = Vec::new();
        for ms in (0..1_000_000).step_by(50) {
            let now = begin + Duration::from_millis(ms);
            if doubts.due(now) == [(ONE, None)] {
                looks.push(now.duration_since(begin).as_millis());
                doubts.looked(ONE, Seen::NotYet, now);
            }
        }
        looks
    }

    #[test]
    fn a_doubt_is_looked_at_at_once_then_ever_more_rarely_and_not_for_ever() {
        let looks = looks_in_vain();
        assert_eq!(&looks[..5], [0, 250, 750, 1_750, 3_750]);
        assert!(looks.windows(2).all(|pair| pair[1] - pair[0] <= u128::from(PAUSE_MS_MAX)), "{looks:?}");
        let last = looks.last().copied().unwrap_or_default();
        assert!((200_000..240_000).contains(&last), "{looks:?}");
    }

    /// Whose outcome is in doubt, its intent is there: whoever wrote that, it is settled here.
    #[test]
    fn a_doubt_about_the_outcome_counts_whether_it_comes_before_or_after_one_about_the_intent() {
        let (earlier, later) = (Some(LifeId(7)), Some(LifeId(8)));
        for (first, second, counts) in [
            (earlier, None, None),
            (None, earlier, None),
            (None, None, None),
            (earlier, later, later),
            (earlier, earlier, earlier),
        ] {
            let (doubts, now) = (Doubts::default(), Instant::now());
            doubts.add(ONE, first, now);
            doubts.add(ONE, second, now + Duration::from_millis(10));
            assert_eq!(doubts.due(now), [(ONE, counts)], "{first:?}, then {second:?}");
        }
    }

    #[test]
    fn what_is_settled_is_not_looked_at_again_and_what_is_many_waits() {
        let (doubts, now) = (Doubts::default(), Instant::now());
        for number in 0..i64::try_from(DOUBTS_MAX).unwrap_or(0) + 5 {
            doubts.add(OperationId(number), None, now);
        }
        assert_eq!(doubts.waiting.lock().map(|waiting| waiting.len()).unwrap_or(0), DOUBTS_MAX);
        let round = doubts.due(now);
        assert_eq!(round.len(), DOUBTS_PER_ROUND_MAX);
        round.iter().for_each(|(operation, _)| doubts.looked(*operation, Seen::Settled, now));
        assert!(!doubts.due(now).contains(&round[0]));
    }
}
