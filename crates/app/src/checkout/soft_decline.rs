//! A payment that the issuer declines because it wants the customer authenticated (ISO 8583:1987 field 39 = 1A or 65): an
//! authentication with a challenge follows where the account says so, and another try of the same order with its proof.
//!
//! Of a payment of the payment API the merchant hears no decline then, but 20064: the decline and the customer's checkout
//! are one commit, so that there is never one without the other. On the page the decline is told, as each try is.

use super::authenticate::{Before, before, begin, hold_code, link_of, step_of, write};
use super::before::{has_way_back, new_checkout, wanted_answer};
use super::follow::held_card;
use super::seen::{SeenCheckout, see};
use super::submit::may_try_again;
use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::pay::Start;
use tollgate_acquirer::ExchangeResult;
use tollgate_core::answer::Answer;
use tollgate_core::audit::AuditReason;
use tollgate_core::card::{CardData, CardFacts};
use tollgate_core::checkout::{Checkout, CheckoutId, PayWish, Purpose, Step, Typed, TypedCard};
use tollgate_core::command::PayCommand;
use tollgate_core::feedback::Channel;
use tollgate_core::ident::OperationId;
use tollgate_core::order::Order;
use tollgate_core::scope::Route;
use tollgate_core::three_ds::{ChallengeWish, PaymentFacts, PaymentTurn, ThreeDsDecision, is_soft_decline, wanted};
use tollgate_threeds::element::ChallengeWindowSize;
use tollgate_threeds::ranges::RangeTerms;

/// What follows if the issuer declines a payment of the payment API softly.
pub(crate) struct Follows {
    range: RangeTerms,
    wish: ChallengeWish,
    /// The card with the security code for the try that would follow; wiped with this where none does.
    card: Option<CardData>,
}

/// Whether an authentication follows if the issuer declines a payment without one softly. It is found out before the
/// payment is sent: nothing that takes time may stand between an answer and its commit.
pub(crate) async fn may_follow(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
    facts: &CardFacts,
    card: &CardData,
    start: Start<'_>,
) -> Option<Follows> {
    let asked = PaymentFacts { turn: PaymentTurn::AfterSoftDecline, ..PaymentFacts::of(command) };
    if let ThreeDsDecision::Skip(_) = wanted(&account.merchant.terms.three_ds, &asked, &inner.origin(facts)) {
        return None;
    }
    let has_customer = match start {
        // Nobody waits at a browser for a row of a file, or for a due date.
        Start::BatchRow(_) | Start::Due(_) => false,
        Start::NewOrder => has_way_back(account, command),
        // The customer's browser only had to come by; on the page the customer decides what comes next.
        Start::Try { order, checkout } => order.channel != Channel::Redirection && checkout.step == Step::PassBy,
    };
    if !has_customer || inner.three_ds.get().is_none() || inner.public_url.get().is_none() {
        return None;
    }
    match before(inner, account, command, facts, card, PaymentTurn::AfterSoftDecline).await {
        Ok(Before::Authentication(range, wish)) => Some(Follows { range, wish, card: None }),
        Ok(Before::Nothing | Before::PassBy) | Err(_) => None,
    }
}

impl Follows {
    /// Keeps the card, for its security code, until the outcome is known.
    pub(crate) fn keep(&mut self, card: &CardData) {
        self.card = Some(card.clone());
    }

    /// The checkout that begins with a soft decline, or goes on with it; `None` after any other answer.
    pub(crate) async fn checkout(
        &self,
        inner: &Inner,
        account: &Account,
        command: &PayCommand,
        tried: Tried<'_>,
        result: &ExchangeResult,
    ) -> Option<Checkout> {
        let ExchangeResult::Answered(reply) = result else { return None };
        if !is_soft_decline(&reply.code) {
            return None;
        }
        match self.at_authentication(inner, account, command, tried).await {
            Ok(checkout) => Some(checkout),
            Err(Refused { refusal, .. }) => {
                tracing::warn!(detail = %refusal.detail, "no authentication follows a decline; it stands");
                None
            }
        }
    }

    async fn at_authentication(
        &self,
        inner: &Inner,
        account: &Account,
        command: &PayCommand,
        tried: Tried<'_>,
    ) -> Result<Checkout, Refused> {
        let Tried { order, start, route } = tried;
        let checkout = match start {
            Start::NewOrder | Start::BatchRow(_) | Start::Due(_) => {
                let wish = PayWish::of(order.fort_id, command, route);
                Checkout { tries: 1, ..new_checkout(inner, account, command, wish) }
            }
            // As the try has left it.
            Start::Try { checkout, .. } => {
                let left = checkout.at(Step::Card);
                Checkout { tries: left.tries.saturating_add(1), ..left.at(Step::Card) }
            }
        };
        let (link, window) = (link_of(inner, checkout.id).await?, Some(ChallengeWindowSize::FullPage));
        let facts = order.card.as_ref().ok_or_else(super::authenticate::unreadable)?;
        let flow = begin(inner, &link, facts, self.range.clone(), self.wish, window)?;
        Ok(Checkout { step: step_of(&flow)?, ..checkout })
    }

    /// What the merchant is told once that is written; the security code waits from now on.
    pub(crate) async fn told(self, inner: &Inner, order: &Order) -> Result<Answer, Refused> {
        if let Some(card) = &self.card {
            hold_code(inner, order.fort_id.0, card);
        }
        let link = link_of(inner, CheckoutId(order.fort_id.0)).await?;
        wanted_answer(inner, order, &link)
    }
}

/// A payment that was sent.
#[derive(Clone, Copy)]
pub(crate) struct Tried<'a> {
    pub(crate) order: &'a Order,
    pub(crate) start: Start<'a>,
    pub(crate) route: Route,
}

/// Whether a try that the issuer declined for want of an authentication is followed by one with a challenge. If so, it has
/// begun: the order has the card, and the security code was for one authorization.
pub(super) async fn retries(inner: &Inner, seen: &SeenCheckout, answer: &Answer) -> Result<bool, Refused> {
    let Purpose::Pay(wish) = &seen.checkout.purpose else { return Ok(false) };
    if !answer.acquirer_code.as_deref().is_some_and(is_soft_decline) {
        return Ok(false);
    }
    let Some(checkout) = inner.store.checkout(seen.checkout.id).await? else { return Ok(false) };
    let tried = see(inner, checkout).await?;
    let takes_one = |order: &&Order| order.takes_a_try() && may_try_again(&seen.checkout, order);
    let Some(order) = tried.order.as_ref().filter(takes_one) else { return Ok(false) };
    let Some(facts) = &order.card else { return Ok(false) };
    let typed = Typed { card: TypedCard::CodeOfToken(None), remember_me: None };
    let command = wish.command(typed, &tried.checkout.params);
    let asked = PaymentFacts { turn: PaymentTurn::AfterSoftDecline, ..PaymentFacts::of(&command) };
    if let ThreeDsDecision::Skip(_) = wanted(&seen.account.merchant.terms.three_ds, &asked, &inner.origin(facts)) {
        return Ok(false);
    }
    let (card, opened) = held_card(inner, &tried, AuditReason::Authentication).await?;
    inner.store.note_audit(vec![opened.entry(inner.clock.now(), OperationId(order.fort_id.0))]).await?;
    match before(inner, &seen.account, &command, facts, &card, PaymentTurn::AfterSoftDecline).await? {
        Before::Authentication(range, wish) => {
            let flow = begin(inner, &seen.link, facts, range, wish, None)?;
            write(inner, &tried, &flow).await.map(|_| true)
        }
        Before::Nothing | Before::PassBy => Ok(false),
    }
}
