//! What was tried: in memory, bounded, and without card data.

use super::passed::{Passed, Verdict, Way};
use super::plan::{Charge, Plan, Route};
use super::visitor::Visitor;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tollgate_core::code::refused;
use tollgate_core::money::Money;

/// How many tries are kept, of all visitors together; the oldest go first.
pub const TRIES_MAX: usize = 200;
/// How many messages of one try are kept; the oldest go first.
const PASSED_PER_TRY_MAX: usize = 40;
/// How many tokens a visitor is offered, the newest.
const TOKENS_OFFERED_MAX: usize = 12;
/// How many of a visitor's tries are listed, the newest.
const TRIES_LISTED_MAX: usize = 20;

/// One try: an order of the shop, or a card that is kept.
#[derive(Clone, Debug)]
pub struct One {
    /// The merchant reference.
    pub reference: String,
    /// Whose it is.
    pub visitor: Visitor,
    /// What was wanted.
    pub plan: Plan,
    /// What passed, oldest first.
    pub passed: Vec<Passed>,
    /// Where it stands.
    pub stage: Stage,
    /// The last thing that the gateway said of it.
    pub outcome: Option<Outcome>,
    /// The token it made or was paid with.
    pub token: Option<SavedToken>,
    /// Why a call brought no answer, in a few English words.
    pub trouble: Option<String>,
    /// What was done: `command` of the last success that moved money.
    pub paid: Option<Charge>,
}

/// Where a try stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The browser has a form to post to the gateway.
    ToPost,
    /// The shop's server is calling.
    Calling,
    /// The customer has to go to this URL first.
    Authenticate(String),
    /// The payment or the token has its answer.
    Done,
}

/// What the gateway said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The five digits.
    pub code: String,
    /// In words.
    pub message: String,
}

impl Outcome {
    /// The two digits of `status`.
    pub fn status(&self) -> &str {
        self.code.get(..2).unwrap_or_default()
    }

    /// Whether the customer came back without having paid.
    fn is_given_up(&self) -> bool {
        self.code == refused::CANCELLED.to_string()
    }

    /// Whether something else follows by itself.
    fn is_pending(&self) -> bool {
        matches!(self.status(), "20" | "15" | "18")
    }
}

/// A token that the gateway gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedToken {
    /// Its name.
    pub name: String,
    /// The mask of its card.
    pub mask: String,
}

/// A line of the list of tries.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The merchant reference.
    pub reference: String,
    /// The route.
    pub route: Route,
    /// What was wanted with the money.
    pub charge: Charge,
    /// How much.
    pub money: Money,
    /// What came of it.
    pub outcome: Option<Outcome>,
}

impl One {
    /// A new one.
    pub fn new(reference: String, visitor: Visitor, plan: Plan) -> One {
        let stage = match plan.route {
            Route::Trusted | Route::Token => Stage::Calling,
            _ => Stage::ToPost,
        };
        let token = plan.token.clone();
        One { reference, visitor, plan, passed: Vec::new(), stage, outcome: None, token, trouble: None, paid: None }
    }

    /// Whether the browser has a form to post.
    pub fn is_to_post(&self) -> bool {
        self.stage == Stage::ToPost
    }

    /// How much feedback came.
    pub fn feedback_count(&self) -> usize {
        self.passed.iter().filter(|passed| matches!(passed.way, Way::Feedback { .. })).count()
    }

    fn take(&mut self, passed: Passed) {
        if passed.verdict == Verdict::Fits {
            self.learn(&passed);
        }
        if self.passed.len() >= PASSED_PER_TRY_MAX {
            self.passed.remove(0);
        }
        self.passed.push(passed);
    }

    /// What a message of the gateway's, whose signature fits, says of the try.
    fn learn(&mut self, passed: &Passed) {
        let Some(code) = passed.value("response_code") else { return };
        let message = passed.value("response_message").unwrap_or_default();
        let outcome = Outcome { code: code.to_owned(), message: message.to_owned() };
        let status = outcome.status().to_owned();
        if status == "12" || status == "11" {
            // An answer to CHECK_STATUS: it changes nothing.
            return;
        }
        // A page that is loaded again brings its return again, and feedback may come late: neither puts back what is known.
        let is_unasked = matches!(passed.way, Way::Feedback { .. } | Way::ReturnedByPost | Way::ReturnedByGet);
        let is_known = self.stage == Stage::Done && self.outcome.as_ref().is_some_and(|known| !known.is_pending());
        let is_used_up = status == "18" && self.stage != Stage::ToPost;
        // What is told of a card that the customer had tried before giving up.
        let is_of_before = matches!(passed.way, Way::Feedback { .. })
            && self.outcome.as_ref().is_some_and(Outcome::is_given_up)
            && !matches!(status.as_str(), "02" | "14" | "15");
        if is_unasked && (is_known || is_used_up || is_of_before) {
            return;
        }
        match status.as_str() {
            "14" => self.paid = Some(Charge::Purchase),
            "02" => self.paid = Some(Charge::Authorization),
            _ => {}
        }
        if matches!(status.as_str(), "02" | "14" | "18" | "52")
            && let (Some(name), Some(mask)) = (passed.value("token_name"), passed.value("card_number"))
        {
            self.token = Some(SavedToken { name: name.to_owned(), mask: mask.to_owned() });
        }
        self.stage = self.stage_after(&outcome, passed.value("3ds_url"));
        self.outcome = Some(outcome);
    }

    fn stage_after(&self, outcome: &Outcome, three_ds_url: Option<&str>) -> Stage {
        match (&self.stage, outcome.status(), three_ds_url) {
            (_, "20", Some(url)) => Stage::Authenticate(url.to_owned()),
            // The payment that follows a tokenization is claimed by itself.
            (stage, "18" | "20", _) => stage.clone(),
            (Stage::ToPost, "02" | "14" | "15" | "52", _) => Stage::Done,
            // A form that was refused, or declined on the page, may be posted again.
            (Stage::ToPost, _, _) => Stage::ToPost,
            _ => Stage::Done,
        }
    }
}

/// All tries.
#[derive(Default)]
pub struct History {
    tries: Mutex<VecDeque<One>>,
    feedback: Notify,
}

impl History {
    /// Keeps a new one.
    pub fn add(&self, one: One) {
        let mut tries = self.lock();
        if tries.len() >= TRIES_MAX {
            tries.pop_front();
        }
        tries.push_back(one);
    }

    /// One of a visitor's own, as it is now.
    pub fn of_visitor(&self, reference: &str, visitor: &Visitor) -> Option<One> {
        self.get(reference).filter(|one| one.visitor == *visitor)
    }

    /// One of anybody's.
    pub fn get(&self, reference: &str) -> Option<One> {
        self.lock().iter().find(|one| one.reference == reference).cloned()
    }

    /// Adds a message to a try, if it is known still.
    pub fn note(&self, reference: &str, passed: Passed) {
        let is_feedback = matches!(passed.way, Way::Feedback { .. });
        self.change(reference, |one| one.take(passed));
        if is_feedback {
            self.feedback.notify_waiters();
        }
    }

    /// A call of a try brought no answer.
    pub fn note_trouble(&self, reference: &str, trouble: String) {
        self.change(reference, |one| {
            one.trouble = Some(trouble);
            one.stage = Stage::Done;
        });
    }

    /// Takes the right to pay with the token that came back: one gets it, however often the browser comes.
    pub fn claim_payment(&self, reference: &str) -> Option<One> {
        let mut claimed = None;
        self.change(reference, |one| {
            let is_tokenized = one.outcome.as_ref().is_some_and(|outcome| outcome.status() == "18");
            if one.is_to_post() && is_tokenized && matches!(one.plan.route, Route::Standard | Route::Custom) {
                one.stage = Stage::Calling;
                claimed = Some(one.clone());
            }
        });
        claimed
    }

    /// Waits until more feedback of a try came than `seen`, and at most for `wait_ms_max` milliseconds.
    pub async fn wait_for_feedback(&self, reference: &str, seen: usize, wait_ms_max: u64) {
        let came = async {
            loop {
                let mut told = std::pin::pin!(self.feedback.notified());
                // From here on no feedback is missed.
                told.as_mut().enable();
                if self.get(reference).is_none_or(|one| one.feedback_count() > seen) {
                    return;
                }
                told.await;
            }
        };
        // Feedback may be late or not come at all: the page says so.
        let _ = tokio::time::timeout(Duration::from_millis(wait_ms_max), came).await;
    }

    /// The tokens that a visitor's tries gave, newest first.
    pub fn tokens_of(&self, visitor: &Visitor) -> Vec<SavedToken> {
        let mut tokens: Vec<SavedToken> = Vec::new();
        for one in self.lock().iter().rev().filter(|one| one.visitor == *visitor) {
            if let Some(token) = &one.token
                && tokens.len() < TOKENS_OFFERED_MAX
                && !tokens.iter().any(|known| known.name == token.name)
            {
                tokens.push(token.clone());
            }
        }
        tokens
    }

    /// A visitor's tries, newest first.
    pub fn summaries_of(&self, visitor: &Visitor) -> Vec<Summary> {
        let tries = self.lock();
        let own = tries.iter().rev().filter(|one| one.visitor == *visitor).take(TRIES_LISTED_MAX);
        own.map(|one| Summary {
            reference: one.reference.clone(),
            route: one.plan.route,
            charge: one.plan.charge,
            money: one.plan.money,
            outcome: one.outcome.clone(),
        })
        .collect()
    }

    fn change(&self, reference: &str, change: impl FnOnce(&mut One)) {
        if let Some(one) = self.lock().iter_mut().find(|one| one.reference == reference) {
            change(one);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<One>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::passed::{Field, Part};
    use super::super::plan::{CodeSent, Place, Remember, ThreeDs};
    use super::*;
    use tollgate_core::money::{Amount, Currency};
    use tollgate_core::time::Timestamp;
    use tollgate_fort::text::Language;

    fn one() -> One {
        let plan = Plan {
            route: Route::Redirection,
            charge: Charge::Purchase,
            language: Language::English,
            shop_language: Language::English,
            money: Money { amount: Amount::from_minor(100).unwrap(), currency: Currency::from_alpha("AED").unwrap() },
            place: Place::Window,
            three_ds: ThreeDs::AsSet,
            remember: Remember::Unsaid,
            card: 0,
            token: None,
            code: CodeSent::Yes,
        };
        One::new("DEMO-1".to_owned(), Visitor::make().unwrap(), plan)
    }

    fn told(way: Way, code: &str) -> Passed {
        let field =
            |name: &str, value: &str| Field { name: name.to_owned(), value: value.to_owned(), part: Part::Signed };
        Passed {
            way,
            to: String::new(),
            at: Timestamp(0),
            fields: vec![field("response_code", code), field("response_message", "")],
            hashed: String::new(),
            signature: String::new(),
            sha: "SHA-256",
            verdict: Verdict::Fits,
        }
    }

    const FEEDBACK: Way = Way::Feedback { attempt: 1 };

    /// Rule: feedback may come late; what the customer ended with stays, in whichever order the two arrive.
    #[test]
    fn feedback_of_a_declined_try_does_not_put_back_that_the_customer_gave_up() {
        for order in [[FEEDBACK, Way::ReturnedByPost], [Way::ReturnedByPost, FEEDBACK]] {
            let mut one = one();
            for way in order {
                one.take(told(way, if way == FEEDBACK { "13666" } else { "00072" }));
            }
            assert_eq!(one.outcome.as_ref().unwrap().code, "00072", "{order:?}");
            assert_eq!(one.feedback_count(), 1, "it is shown all the same");
            one.take(told(FEEDBACK, "14000"));
            assert_eq!(one.outcome.as_ref().unwrap().code, "14000", "an order may be paid later");
        }
    }
}
