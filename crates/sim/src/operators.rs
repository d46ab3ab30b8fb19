//! Operators who settle by hand what stays unknown, while recovery messages and late answers are still on their way.
//!
//! They do what they should: they look at what is unknown although messages were sent, have the issuer's clerk carry out
//! what those messages ask for, and write down what the clerk says, some time later. So a correction is always true, and
//! whatever the network does beside it must come to the same.

use crate::audit::Ask;
use crate::chance::Chance;
use crate::desk::{Desk, Open};
use crate::network::Network;
use crate::receivers::ask_of;
use crate::record::{Event, OrderNumber};
use crate::store::number_of;
use crate::tables::HashSet;
use crate::watch::Watch;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tollgate_app::{ForcedOutcome, Resolution, ResolveError, Resolved, UnknownOperation};
use tollgate_core::code::ResponseCode;
use tollgate_core::ident::OperationId;
use tollgate_core::order::WayOut;
use tollgate_core::time::Clock;
use tollgate_store::{FeedbackFilter, FeedbackRouse, Feedbacks};

/// Between two looks at what is unknown, in milliseconds.
const LOOK_EVERY_MS: (u64, u64) = (100, 1_500);
/// How many unknown operations one look takes in.
const LOOKED_AT_MAX: usize = 50;
/// How many operations are left to the network whatever becomes of them, of 10,000: else operators would repair whatever
/// the recovery leaves undone, and nobody would see it.
const LEFT_ALONE_PER_10_000: u64 = 5_000;
/// How often an operator takes up one of the others when it sees it, of 10,000 times.
const TAKEN_UP_PER_10_000: u64 = 6_000;
/// How long an operator takes between hearing from the clerk and writing, and between two tries, in milliseconds: every
/// other time it is quick.
const QUICK_MS_MAX: u64 = 300;
const SLOW_MS_MAX: u64 = 10_000;
/// How often it tries to write.
const TRIES_MAX: u32 = 20;

/// Under so many seeds of 10,000 operators make mistakes, and then so often.
const MISTAKING_SEEDS_PER_10_000: u64 = 3_000;
const MISTAKEN_PER_10_000: u64 = 5_000;
/// The reason of a correction.
const REASON: &str = "the network does not answer";
/// The reason of a correction that is not true, by which it can be told from the others.
pub const MISTAKEN_REASON: &str = "the clerk was misunderstood";

/// Who writes corrections.
pub const FIRST_PERSON: &str = "first person";

/// Between two feedbacks that are sent again, in milliseconds.
const REPLAY_EVERY_MS: (u64, u64) = (500, 8_000);
/// From so many of the newest feedbacks one is chosen.
const REPLAY_CHOICE_MAX: usize = 40;

/// The operators of a run.
pub struct Operators {
    seed: u64,
    make_mistakes: bool,
    watch: Arc<Watch>,
    desk: Arc<Desk>,
    network: Arc<Network>,
    /// What somebody has taken up.
    taken: Mutex<HashSet<OperationId>>,
}

/// An operation that an operator settles.
struct Case {
    operation: OperationId,
    order: OrderNumber,
    ask: Ask,
    amount: u64,
    outcome: ForcedOutcome,
    reason: &'static str,
    chance: Chance,
}

/// What the last look has shown.
struct Seen {
    /// How many recovery messages had left before it.
    messages: u64,
    /// Whether nothing is left for another look.
    is_all: bool,
}

/// What becomes of an operation that an operator looks at.
enum Look {
    /// It is settled.
    TakeUp(Case),
    /// Another look may take it up.
    Later,
    /// Nobody takes it up, or not before another message has left.
    Leave,
}

/// What an operator does after a try.
enum Then {
    Again,
    /// Another person has to agree.
    Second,
    Over,
}

impl Operators {
    /// Operators who work at `desk`'s gateways and call the issuer behind `network`.
    #[must_use]
    pub fn new(seed: u64, watch: Arc<Watch>, desk: Arc<Desk>, network: Arc<Network>) -> Operators {
        let make_mistakes = Chance::of(seed, "operators-mistake", &[]).happens(MISTAKING_SEEDS_PER_10_000);
        Operators { seed, make_mistakes, watch, desk, network, taken: Mutex::default() }
    }

    /// Work, for ever.
    pub async fn run(self: Arc<Operators>) {
        let mut cases = JoinSet::new();
        // As long as no recovery message leaves, another look shows what the last one has shown.
        let mut seen = Seen { messages: 0, is_all: true };
        for turn in 0.. {
            let (from_ms, to_ms) = LOOK_EVERY_MS;
            let mut chance = Chance::of(self.seed, "operators-look", &[turn]);
            pause(chance.between(from_ms, to_ms)).await;
            while cases.try_join_next().is_some() {}
            let messages = self.network.recovery_messages();
            if seen.is_all && seen.messages == messages {
                continue;
            }
            let Some(open) = self.desk.one_of(&mut chance) else { continue };
            let Some(Ok(unknowns)) = in_life(&open, open.gateway.unknowns(0, LOOKED_AT_MAX)).await else { continue };
            seen = Seen { messages, is_all: unknowns.len() < LOOKED_AT_MAX };
            for unknown in &unknowns {
                match self.look_at(unknown, turn) {
                    Look::TakeUp(case) => {
                        let operators = Arc::clone(&self);
                        cases.spawn(Box::pin(async move { operators.settle(case).await }));
                    }
                    Look::Later => seen.is_all = false,
                    Look::Leave => {}
                }
            }
        }
    }

    /// Sends feedbacks again, delivered ones too, until `until_ms`.
    pub async fn replay(self: Arc<Operators>, until_ms: u64) {
        for turn in 0.. {
            let (from_ms, to_ms) = REPLAY_EVERY_MS;
            let mut chance = Chance::of(self.seed, "operators-replay", &[turn]);
            pause(chance.between(from_ms, to_ms)).await;
            if self.watch.clock.ms() >= until_ms {
                return;
            }
            let Some(open) = self.desk.one_of(&mut chance) else { continue };
            let filter = FeedbackFilter { rows_max: REPLAY_CHOICE_MAX, ..FeedbackFilter::default() };
            let Some(Ok(rows)) = in_life(&open, open.store.feedbacks(&filter)).await else { continue };
            let last = (rows.len() as u64).saturating_sub(1);
            let place = usize::try_from(chance.between(0, last)).unwrap_or(0);
            let Some(row) = rows.get(place) else { continue };
            let replay = FeedbackRouse::Replay { ids: vec![row.id], now: self.watch.clock.now() };
            let _ = in_life(&open, open.store.rouse_feedback(replay)).await;
        }
    }

    /// Takes an operation up, sometimes, and has the clerk say what becomes of it.
    fn look_at(&self, unknown: &UnknownOperation, turn: u64) -> Look {
        let Some(order) = self.watch.order_number(&unknown.merchant_reference) else { return Look::Leave };
        let ask = ask_of(unknown.kind);
        if Chance::of(self.seed, "operators-leave", &[order.into(), ask as u64]).happens(LEFT_ALONE_PER_10_000) {
            return Look::Leave;
        }
        let mut chance = Chance::of(self.seed, "operators", &[order.into(), ask as u64, turn]);
        // Before a message was sent a late answer may still settle it.
        if unknown.messages == 0 {
            return Look::Leave;
        }
        if !chance.happens(TAKEN_UP_PER_10_000) {
            return Look::Later;
        }
        if !self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(unknown.operation) {
            return Look::Leave;
        }
        let code = self.network.have_clerk_do(number_of(unknown.operation));
        let outcome = code.and_then(|code| match (unknown.way_out, &code) {
            (WayOut::Reverse, b"00") => Some(ForcedOutcome::Reversed),
            (WayOut::Repeat, b"00") => Some(ForcedOutcome::Approved),
            (WayOut::Repeat, b"91" | b"94" | b"96") | (WayOut::Reverse, _) => None,
            (WayOut::Repeat, _) => Some(ForcedOutcome::Declined),
        });
        let Some(outcome) = outcome else {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&unknown.operation);
            return Look::Later;
        };
        let amount = unknown.money.amount.minor();
        let is_mistaken = self.make_mistakes && chance.happens(MISTAKEN_PER_10_000);
        let (outcome, reason) = if is_mistaken { (contrary(outcome), MISTAKEN_REASON) } else { (outcome, REASON) };
        Look::TakeUp(Case { operation: unknown.operation, order, ask, amount, outcome, reason, chance })
    }

    /// Writes the correction, unless the network settles the operation first.
    async fn settle(&self, mut case: Case) {
        let mut then = Then::Again;
        for _ in 0..TRIES_MAX {
            let ms_max = if case.chance.happens(5_000) { QUICK_MS_MAX } else { SLOW_MS_MAX };
            pause(case.chance.between(0, ms_max)).await;
            let Some(open) = self.desk.one_of(&mut case.chance) else { continue };
            let tried = match then {
                Then::Again => in_life(&open, open.gateway.resolve(case.operation, resolution(&case))).await,
                Then::Second => in_life(&open, open.gateway.approve_proposal(case.operation, "second person")).await,
                Then::Over => return,
            };
            then = match tried {
                Some(Ok(Resolved::Written { code, .. })) => return self.written(&case, code),
                Some(Ok(Resolved::Proposed) | Err(ResolveError::ProposedAlready { .. })) => Then::Second,
                Some(Err(ResolveError::UnderWay(_) | ResolveError::Store(_))) | None => then,
                Some(Err(ResolveError::ProposalOutlived(operation))) => {
                    let _ = in_life(&open, open.gateway.withdraw_proposal(operation, "second person")).await;
                    Then::Over
                }
                // The network has settled it in between, and a newer operation may have followed.
                Some(Err(
                    ResolveError::NotAllowed { .. } | ResolveError::NotTheNewest(_) | ResolveError::NoProposal(_),
                )) => Then::Over,
                Some(Err(error)) => {
                    let rule = "an operator can settle what is unknown";
                    return self.watch.auditor().found(Some(case.order), rule, error.to_string());
                }
            };
        }
    }

    fn written(&self, case: &Case, code: ResponseCode) {
        let event = Event::Corrected { code: code.number(), amount: case.amount };
        self.watch.note(Some(case.order), event);
        self.watch.auditor().corrected(case.order, case.ask, case.amount, code.number());
    }
}

/// What says the contrary about the money.
fn contrary(outcome: ForcedOutcome) -> ForcedOutcome {
    match outcome {
        ForcedOutcome::Approved => ForcedOutcome::Declined,
        ForcedOutcome::Declined | ForcedOutcome::Reversed => ForcedOutcome::Approved,
    }
}

fn resolution(case: &Case) -> Resolution {
    Resolution {
        outcome: case.outcome,
        reason: case.reason.to_owned(),
        evidence: "the issuer's clerk".to_owned(),
        evidence_sha256: None,
        by: FIRST_PERSON.to_owned(),
    }
}

/// What comes of `work` at a gateway that may die meanwhile.
async fn in_life<T>(open: &Open, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = open.life.ended() => None,
        done = work => Some(done),
    }
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
