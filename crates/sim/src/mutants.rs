//! Defects that are put in on purpose, to prove that the auditor finds them. None touches the gateway's own code: each
//! sits in the ports around it and does what the gateway would do if it had that defect.

use crate::plan::{Fault, Faults};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use tollgate_acquirer::{Exchange, ExchangeResult, NetworkKind, NetworkReply, NetworkRequest};
use tollgate_core::ident::{OperationId, Rrn, Stan};

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $seeds:literal;)*) => {
        /// A defect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Mutant { $($(#[$doc])* $name,)* }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name,)*];

            /// The name for people and for the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Mutant::$name => $text,)* }
            }

            /// Within so many seeds, from 1, it is found.
            #[must_use]
            pub const fn seeds_max(self) -> u64 {
                match self { $(Mutant::$name => $seeds,)* }
            }
        }
    };
}

mutants! {
    /// Reversal advices are taken for acknowledged and never sent.
    DropReversals = "drop-reversals", 5;
    /// The intent of a payment is not committed before it is sent.
    SkipIntent = "skip-intent", 5;
    /// No answer is taken for a decline.
    SilenceIsNo = "silence-is-no", 5;
    /// An operation may be added whatever version of the order was judged.
    RaceOperations = "race-operations", 10;
    /// Two messages within a second get the same STAN.
    ReuseStan = "reuse-stan", 5;
    /// Now and then a message gets the retrieval reference number of the one before.
    ReuseRrn = "reuse-rrn", 5;
    /// A late answer counts although the reversal has begun.
    LateAfterReversal = "late-after-reversal", 10;
    /// A start does not look for operations without an outcome.
    ForgetUnfinished = "forget-unfinished", 10;
    /// Merchants are answered although the outcome was not written.
    AnswerUnwritten = "answer-unwritten", 5;
    /// The recovery gives an operation up after some messages.
    GiveUp = "give-up", 10;
    /// A capture that was not answered is repeated under a new number.
    RepeatAsNew = "repeat-as-new", 10;
    /// A yes with conditions is taken for a plain yes.
    AnyYesIsYes = "any-yes-is-yes", 5;
    /// A commit that nobody knows the end of is taken for one that failed.
    DoubtIsNo = "doubt-is-no", 5;
    /// What another gateway wrote under the number of an operation in doubt is taken for its own.
    DoubtOfOthers = "doubt-of-others", 5;
    /// A recovery message is sent before its attempt is counted.
    UncountedAttempt = "uncounted-attempt", 5;
    /// A feedback is finished as delivered although nothing was sent.
    AckBeforeDelivery = "ack-before-delivery", 5;
    /// An outcome is written without the feedback that tells of it.
    ForgetFeedback = "forget-feedback", 5;
    /// A feedback that is not acknowledged is given up at once, and the next one goes out.
    OvertakeFeedback = "overtake-feedback", 5;
    /// A correction leaves its operation in the recovery queue.
    CorrectionLeavesQueue = "correction-leaves-queue", 5;
    /// A correction is not fed back.
    CorrectionUnfed = "correction-unfed", 5;
    /// What other gateways have under way is taken for lost.
    StealLiving = "steal-living", 5;
    /// No life of another gateway is ever taken for dead.
    ForgetDead = "forget-dead", 5;
    /// A recovery message is begun although another gateway has one under way.
    CrossAttempts = "cross-attempts", 5;
    /// A card is kept as soon as its payment's intent is durable.
    TokenBeforeOutcome = "token-before-outcome", 5;
    /// A payment that comes to nothing keeps its card all the same.
    DeclinedKeepsToken = "declined-keeps-token", 5;
    /// A payment that succeeds does not keep its card.
    ForgetToken = "forget-token", 5;
    /// A name is read once, and what becomes of it later is not seen.
    StaleToken = "stale-token", 5;
    /// The intent of a try on the page is not committed before it is sent.
    SkipTryIntent = "skip-try-intent", 5;
    /// A try on the page is sent although somebody was faster.
    TryOvertaken = "try-overtaken", 5;
    /// The page takes an outcome that nobody knows for a no.
    UnknownIsNoOnPage = "unknown-is-no-on-page", 5;
    /// The merchant is not told of an order of which nothing was sent.
    CloseUnfed = "close-unfed", 5;
    /// An order that its customer has left is never given up.
    ForgetExpiry = "forget-expiry", 5;
    /// What an operator has sent again does not go out.
    ForgetReplay = "forget-replay", 5;
    /// A feedback that nobody has taken for thirty days is given up.
    DropPaused = "drop-paused", 10;
    /// A charge is counted whatever version of its agreement was judged.
    UnjudgedCharge = "unjudged-charge", 10;
    /// Nobody looks for due dates.
    ForgetDue = "forget-due", 5;
    /// A due date is charged a day too early.
    DueTooEarly = "due-too-early", 5;
    /// A schedule goes back to the due date before, which was charged already.
    DueTwice = "due-twice", 5;
}

impl Mutant {
    /// With which faults it is looked for. What shows only where two rare things meet is looked for where they meet.
    #[must_use]
    pub fn faults(self) -> Faults {
        match self {
            Mutant::DoubtOfOthers => Faults::NONE.with(Fault::StoreFailsBefore).with(Fault::StoreFailsAfter),
            _ => Faults::ALL,
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn parse(name: &str) -> Result<Mutant, String> {
        let found = Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name);
        found.ok_or_else(|| format!("there is no mutant {name:?}"))
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// After so many messages [`Mutant::GiveUp`] gives up.
pub(crate) const GIVE_UP_AFTER: u32 = 2;

/// What a mutant makes of messages and answers.
#[derive(Default)]
pub(crate) struct Twist {
    mutant: Option<Mutant>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    last: Option<Rrn>,
    messages: u64,
}

impl Twist {
    pub(crate) fn new(mutant: Option<Mutant>) -> Twist {
        Twist { mutant, memory: Mutex::default() }
    }

    /// Changes a message, or answers it without sending it.
    pub(crate) fn request(&self, request: &mut NetworkRequest) -> Option<Exchange> {
        let mutant = self.mutant?;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.messages += 1;
        let first = matches!(request.kind, NetworkKind::Authorize | NetworkKind::Purchase);
        match mutant {
            Mutant::DropReversals if is_reversal(request) => return Some(answered("00")),
            Mutant::ReuseStan if first => request.wire.stan = Stan::folded(request.wire.stan.number() / 8),
            Mutant::ReuseRrn if first => {
                if memory.messages.is_multiple_of(5)
                    && let Some(last) = memory.last
                {
                    request.wire.rrn = last;
                }
                memory.last = Some(request.wire.rrn);
            }
            Mutant::RepeatAsNew if request.kind == NetworkKind::CaptureAdviceRepeat => {
                // A number of the past, so that no operation has it.
                let number = i64::try_from(memory.messages).unwrap_or(0);
                request.wire.rrn = OperationId(number).rrn();
                request.kind = NetworkKind::CaptureAdvice;
            }
            _ => {}
        }
        None
    }

    /// Changes what came of a message.
    pub(crate) fn exchange(&self, exchange: Exchange) -> Exchange {
        match (self.mutant, &exchange.result) {
            (Some(Mutant::SilenceIsNo), ExchangeResult::Unknown(_)) => answered("05"),
            (Some(Mutant::AnyYesIsYes), ExchangeResult::Answered(reply))
                if matches!(reply.code.as_str(), "08" | "10" | "11" | "16") =>
            {
                answered("00")
            }
            _ => exchange,
        }
    }
}

/// A reversal has the names of what it reverses; the repeat of a void has not.
fn is_reversal(request: &NetworkRequest) -> bool {
    matches!(request.kind, NetworkKind::ReversalAdvice | NetworkKind::ReversalAdviceRepeat)
        && request.original.as_ref().is_some_and(|original| original.wire == request.wire)
}

fn answered(code: &str) -> Exchange {
    let reply = NetworkReply::bare(code);
    Exchange { result: ExchangeResult::Answered(reply), trace: Default::default() }
}
