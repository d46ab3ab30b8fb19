//! What the seed makes of the store's calls, and the watch over who works on what.

use super::{card_numbers, tokens};
use crate::chance::Chance;
use crate::life::Life;
use crate::mutants::Mutant;
use crate::plan::{Fault, Plan, Rates};
use crate::record::OrderNumber;
use crate::tables::HashMap;
use crate::watch::Watch;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tollgate_core::feedback::FeedbackId;
use tollgate_core::ident::OperationId;
use tollgate_store::{LifeId, StoredOperation};

/// No generation of accounts.
pub(super) const GENERATION_UNKNOWN: i64 = -1;

/// What the stores of all lives share: the seed's decisions and whose the operations are.
pub struct StoreFaults {
    pub(super) watch: Arc<Watch>,
    pub(super) seed: u64,
    pub(super) rates: Rates,
    pub(super) calm_from_ms: u64,
    pub(super) mutant: Option<Mutant>,
    pub(super) memory: Mutex<Memory>,
    /// The generation of the merchants' accounts; below 0 when somebody has to look.
    pub(super) generation: AtomicI64,
    /// The card numbers.
    pub(super) cards: Vec<String>,
    /// Whether customers come by the page.
    pub(super) has_pages: bool,
    moment: Moment,
    calls_per_moment_max: u64,
}

/// The calls of one moment of the virtual time.
#[derive(Default)]
struct Moment {
    ms: AtomicU64,
    calls: AtomicU64,
}

impl Moment {
    /// Counts a call at this moment.
    fn count(&self, now_ms: u64) -> u64 {
        if self.ms.swap(now_ms, Ordering::Relaxed) != now_ms {
            self.calls.store(0, Ordering::Relaxed);
        }
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// So many calls no moment has, and so many more for each session, unless somebody asks the same over and over. The time
/// stands still meanwhile, so the run would never end. The most that was seen are 2,000 in runs of 1,000 sessions, and 16,000
/// in runs of 10,000, when a jump of the time makes everything due at once.
const CALLS_PER_MOMENT_MAX: (u64, u64) = (50_000, 10);

#[derive(Default)]
pub(super) struct Memory {
    /// How often a call was made for an order: names its chance.
    pub(super) calls: HashMap<(Option<OrderNumber>, &'static str), u64>,
    pub(super) owners: HashMap<OperationId, OrderNumber>,
    /// Who has sent what.
    pub(super) senders: HashMap<OperationId, Sender>,
    /// The recovery messages that are under way.
    pub(super) attempts: HashMap<OperationId, Sender>,
    /// When each life last proved that it lives, in milliseconds from the beginning.
    pub(super) proofs: HashMap<LifeId, u64>,
    /// The sequences of feedbacks that operators have looked at.
    pub(super) sequences: HashMap<FeedbackId, u32>,
    /// What mutants of tokens remember.
    pub(super) twisted: tokens::Twisted,
    /// Who claimed an operation last, whether or not it was written; for [`Mutant::DoubtOfOthers`].
    pub(super) claimants: HashMap<OperationId, LifeId>,
}

/// The gateway that sent something.
pub(super) struct Sender {
    pub(super) life: LifeId,
    pub(super) process: Life,
    pub(super) intended_ms: u64,
}

impl Memory {
    /// Whether a gateway works on what it sent: it lives and has just proved it, and it is not too long ago.
    pub(super) fn is_at_work(&self, sender: &Sender, now_ms: u64) -> bool {
        let proof_ms = self.proofs.get(&sender.life).copied().unwrap_or(0);
        let is_proven = now_ms.saturating_sub(proof_ms) < LIFE_PROVEN_MS;
        let is_young = now_ms.saturating_sub(sender.intended_ms) < LOST_MS;
        !sender.process.is_over() && is_proven && is_young
    }
}

/// For so long a life is nobody else's to end after it proved that it lives, in milliseconds.
const LIFE_PROVEN_MS: u64 = 15_000;
/// For so long what a gateway sent may be under way, in milliseconds. The gateway counts 180 s, from a few seconds before
/// its commit, as the store may be slow.
const LOST_MS: u64 = 170_000;

/// The claim of a try fails so many times more often than other calls. Two gateways that claim the first try of one order
/// at the same moment, one of them in doubt about it, meet in one payment of some 50,000 else.
const TRIES_FAIL_TIMES: u64 = 10;

/// What becomes of a call.
#[derive(Clone, Copy)]
pub(super) struct Fate {
    pub(super) fault: Option<Fault>,
    pub(super) slow_ms: u64,
    /// Whether a slow call is slow before its work, or after.
    pub(super) slow_before: bool,
    /// Whether a call that fails before its work leaves its caller in doubt all the same.
    pub(super) in_doubt: bool,
}

/// Whether a call changes anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Reads,
    Writes,
}

impl StoreFaults {
    /// The faults of a plan.
    #[must_use]
    pub fn new(plan: &Plan, watch: Arc<Watch>) -> StoreFaults {
        let (most, per_session) = CALLS_PER_MOMENT_MAX;
        StoreFaults {
            watch,
            seed: plan.seed,
            rates: plan.rates(),
            calm_from_ms: plan.calm_from_ms(),
            mutant: plan.mutant,
            memory: Mutex::default(),
            generation: AtomicI64::new(GENERATION_UNKNOWN),
            cards: card_numbers(),
            has_pages: plan.pages_per_10_000() > 0,
            moment: Moment::default(),
            calls_per_moment_max: most + per_session * u64::from(plan.sessions.count),
        }
    }

    /// Whether whoever makes `call` goes round in circles while no time passes.
    pub(super) fn goes_in_circles(&self, call: &'static str) -> bool {
        let calls = self.moment.count(self.watch.clock.ms());
        if calls <= self.calls_per_moment_max {
            return false;
        }
        let rule = "whoever has nothing to do waits for something";
        self.watch.auditor().found(None, rule, format!("{calls} calls of the store at one moment; the last: {call}"));
        true
    }

    pub(super) fn own(&self, operation: OperationId, order: Option<OrderNumber>) {
        if let Some(order) = order {
            self.memory.lock().unwrap_or_else(PoisonError::into_inner).owners.insert(operation, order);
        }
    }

    /// A life has proved that it lives.
    pub(super) fn proved(&self, life: LifeId) {
        let now_ms = self.watch.clock.ms();
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).proofs.insert(life, now_ms);
    }

    /// An operation was taken for lost by `process`: that must not be while another gateway has sent it, lives and has
    /// just proved it. Of its own a gateway may be in doubt whether it was written.
    pub(super) fn taken_for_lost(&self, operation: OperationId, order: Option<OrderNumber>, process: &Life) {
        let now_ms = self.watch.clock.ms();
        let stolen = {
            let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let sender = memory.senders.get(&operation).filter(|sender| !sender.process.is_same(process));
            sender.is_some_and(|sender| memory.is_at_work(sender, now_ms))
        };
        if stolen {
            let rule = "what a living gateway has under way is left alone";
            self.watch.auditor().found(order, rule, format!("{operation} was taken for lost"));
        }
    }

    /// A gateway wants to write an intent under this number.
    pub(super) fn claimed_by(&self, operation: OperationId, life: LifeId) {
        if self.mutant == Some(Mutant::DoubtOfOthers) {
            self.memory.lock().unwrap_or_else(PoisonError::into_inner).claimants.insert(operation, life);
        }
    }

    /// An operation as a mutant reads it: taken for its reader's own, whoever wrote it.
    pub(super) fn as_own(&self, read: StoredOperation) -> StoredOperation {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.claimants.get(&read.operation.id) {
            Some(claimant) if self.mutant == Some(Mutant::DoubtOfOthers) => {
                StoredOperation { owner: *claimant, ..read }
            }
            _ => read,
        }
    }

    /// A recovery message is begun: no other gateway may have one under way.
    pub(super) fn attempt_begun(&self, operation: OperationId, sender: Sender) {
        let now_ms = self.watch.clock.ms();
        let crosses = {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let before = memory.attempts.get(&operation).filter(|before| before.life != sender.life);
            let crosses = before.is_some_and(|before| memory.is_at_work(before, now_ms));
            memory.attempts.insert(operation, sender);
            crosses
        };
        if crosses {
            let rule = "of one operation one recovery message is under way";
            self.watch.auditor().found(self.owner(operation), rule, format!("a second one of {operation}"));
        }
    }

    pub(super) fn attempt_over(&self, operation: OperationId) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).attempts.remove(&operation);
    }

    /// Whose an operation is.
    pub fn owner(&self, operation: OperationId) -> Option<OrderNumber> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).owners.get(&operation).copied()
    }

    /// How often a fault happens to a call, of 10,000.
    fn rate(&self, call: &'static str, fault: Fault) -> u64 {
        let is_hunted = call == "claim_try" && matches!(fault, Fault::StoreFailsBefore | Fault::StoreFailsAfter);
        if is_hunted { self.rates.of(fault) * TRIES_FAIL_TIMES } else { self.rates.of(fault) }
    }

    pub(super) fn fate(&self, call: &'static str, order: Option<OrderNumber>, access: Access) -> Fate {
        let calm = Fate { fault: None, slow_ms: 0, slow_before: false, in_doubt: false };
        if self.watch.clock.ms() >= self.calm_from_ms {
            return calm;
        }
        let count = {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let count = memory.calls.entry((order, call)).or_insert(0);
            *count += 1;
            *count
        };
        let about = order.map_or(u64::MAX, u64::from);
        let mut chance = Chance::of(self.seed, call, &[about, count]);
        let faults: &[Fault] = match access {
            Access::Reads => &[Fault::StoreSlow, Fault::StoreFailsBefore],
            Access::Writes => &[
                Fault::StoreSlow,
                Fault::StoreFailsBefore,
                Fault::StoreFailsAfter,
                Fault::CrashBefore,
                Fault::CrashAfter,
            ],
        };
        let fault = faults.iter().copied().find(|fault| chance.happens(self.rate(call, *fault)));
        let slow_ms = if chance.happens(8_000) { chance.between(1, 300) } else { chance.between(300, 4_000) };
        // What was read is told at once: a slow read is slow before it reads.
        let slow_before = access == Access::Reads || chance.happens(5_000);
        Fate { fault, slow_ms, slow_before, in_doubt: access == Access::Writes && chance.happens(3_000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualClock;
    use crate::record::Keep;

    /// Rule: time has to pass between two rounds of a job that finds nothing to do; a run in which it does not would never end.
    #[tokio::test(start_paused = true)]
    async fn who_goes_in_circles_while_no_time_passes_is_found() {
        let clock = VirtualClock::start();
        let watch = Arc::new(Watch::new(clock, Keep::Digest));
        let faults = StoreFaults::new(&Plan::of_seed(1), Arc::clone(&watch));
        let restless = (0..faults.calls_per_moment_max).find(|_| faults.goes_in_circles("look"));
        assert_eq!(restless, None);
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
        assert!((0..faults.calls_per_moment_max).all(|_| !faults.goes_in_circles("look")), "each moment is its own");
        assert!(!watch.is_broken());
        assert!(faults.goes_in_circles("look"));
        assert!(watch.is_broken());
    }
}
