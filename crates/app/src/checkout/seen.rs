//! A checkout as it stands, for whoever shows it.

use super::link::{CheckoutLink, link_to, number_in, payment_link_code};
use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::payment_link::LinkCode;
use std::sync::Arc;
use tollgate_core::answer::{Answer, OrderFacts};
use tollgate_core::checkout::{Checkout, End, Purpose, Step};
use tollgate_core::code::{self, ResponseCode, refused};
use tollgate_core::command::OrderTarget;
use tollgate_core::ident::FortId;
use tollgate_core::order::{Order, Phase};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::time::Timestamp;
use tollgate_core::token::{Token, TokenStatus};
use tollgate_threeds::flow::Flow;

/// How often a checkout is looked at anew that changes all the time.
const LOOKS_MAX: usize = 4;

/// A checkout with all that belongs to it, as it was at one moment.
#[derive(Clone, Debug)]
pub struct SeenCheckout {
    /// The merchant's account.
    pub account: Arc<Account>,
    /// The checkout.
    pub checkout: Checkout,
    /// The order that it is for, if it is one.
    pub order: Option<Order>,
    /// The token whose card is to be used, if there is one.
    pub kept: Option<Token>,
    /// The secret part of its address.
    pub link: CheckoutLink,
    /// The secret part of the address of the payment link that began it, if one did.
    pub payment_link: Option<LinkCode>,
    /// When.
    pub seen_at: Timestamp,
}

/// What is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The form for a card; with the code of the last decline where one was tried before.
    Form(Option<ResponseCode>),
    /// A payment is under way: the customer waits.
    Wait,
    /// The customer's time is over, and the end is not written yet.
    TimeIsOver,
    /// The customer has to be authenticated.
    Authentication,
    /// It has ended: the browser goes back with the answer.
    Return,
}

impl SeenCheckout {
    /// What is to be shown.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let stage = match (&self.checkout.step, &self.order) {
            (Step::Ended(_), _) => return Stage::Return,
            (Step::Authentication(_) | Step::PassBy, _) => Stage::Authentication,
            (Step::Card, None) => Stage::Form(None),
            (Step::Card, Some(order)) => match order.phase {
                Phase::Open => Stage::Form(None),
                Phase::Pending => return Stage::Wait,
                Phase::Declined | Phase::Failed if order.takes_a_try() && self.takes_another_card() => {
                    Stage::Form((self.checkout.tries > 0).then_some(order.last.code))
                }
                // The gateway stopped between the outcome and the end of the checkout.
                _ => return Stage::Return,
            },
        };
        if self.checkout.is_late(self.seen_at) { Stage::TimeIsOver } else { stage }
    }

    /// The state of the customer's authentication, where one is under way.
    #[must_use]
    pub fn flow(&self) -> Option<Flow> {
        flow_of(&self.checkout)
    }

    /// How many cards the customer may still try.
    #[must_use]
    pub fn tries_left(&self) -> u8 {
        self.checkout.tries_max.saturating_sub(self.checkout.tries)
    }

    /// What the merchant is told by the customer's browser. It is made of what is stored, so that a page that is loaded
    /// again tells the same.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match (&self.checkout.step, &self.order) {
            (Step::Ended(End::Cancelled), Some(order)) if !came_to_nothing(order.phase) => answer_of(order),
            (Step::Ended(End::Cancelled), _) => Answer::bare(refused::CANCELLED),
            (Step::Ended(End::Token(end)), _) => Answer {
                card: end.card.clone(),
                token_name: end.token_name.clone(),
                token: end.token.clone(),
                ..Answer::bare(end.code)
            },
            (Step::Ended(End::TimedOut), _) | (_, None) => {
                Answer::bare(ResponseCode::refused(code::message::SESSION_TIMED_OUT))
            }
            (_, Some(order)) => answer_of(order),
        }
    }

    fn takes_another_card(&self) -> bool {
        self.tries_left() > 0
    }
}

/// The state of the authentication that is under way at a checkout.
pub(super) fn flow_of(checkout: &Checkout) -> Option<Flow> {
    match &checkout.step {
        Step::Authentication(text) => Flow::from_json(text).map_err(|error| tracing::error!(%error, "unreadable")).ok(),
        Step::Card | Step::PassBy | Step::Ended(_) => None,
    }
}

/// Whether a cancelled checkout tells the truth of such an order. Else an operator has found out since that a try, which
/// was taken for declined, has money.
const fn came_to_nothing(phase: Phase) -> bool {
    matches!(phase, Phase::Open | Phase::Declined | Phase::Failed | Phase::Reversed)
}

/// What the payment itself came to, whatever was done with its money since.
pub(crate) fn answer_of(order: &Order) -> Answer {
    use tollgate_core::order::OperationState as State;
    let (state, code) = match order.phase {
        Phase::Authorized | Phase::Captured | Phase::Purchased | Phase::Voided | Phase::Verified => {
            (State::Approved, order.kind.code(order.kind.operation(), code::message::SUCCESS))
        }
        Phase::Pending | Phase::Unknown => (State::Unknown, code::UNCERTAIN),
        Phase::Declined => (State::Declined, order.last.code),
        Phase::Reversed => (State::Reversed, order.last.code),
        Phase::Open | Phase::Failed => (State::NotSent, order.last.code),
    };
    if code == refused::CANCELLED {
        return Answer::bare(code);
    }
    Answer {
        order: Some(OrderFacts { fort_id: order.fort_id, merchant_reference: order.merchant_reference.clone() }),
        card: order.card.clone(),
        eci: Some(order.eci),
        authorization_code: order.authorization_code.clone().filter(|_| state == State::Approved),
        acquirer_code: order.last.network_code.clone().filter(|_| state == State::Declined),
        token_name: order.token_name_in(state).map(str::to_owned),
        agreement_id: order.agreement_id_in(state).map(str::to_owned),
        ..Answer::bare(code)
    }
}

/// The checkout behind a link.
pub(super) async fn look(inner: &Inner, link: &str) -> Result<Option<SeenCheckout>, Refused> {
    let Some(id) = number_in(inner, link).await? else { return Ok(None) };
    let Some(checkout) = inner.store.checkout(id).await? else { return Ok(None) };
    let mut seen = see(inner, checkout).await?;
    for _ in 0..LOOKS_MAX {
        // The token was read last. Where another tab kept its card under the name just then, the page is not one for a known
        // token: it has ended with it.
        if seen.kept.is_none() {
            break;
        }
        let Some(checkout) = inner.store.checkout(id).await? else { return Ok(None) };
        let order = order_for(inner, &checkout).await?;
        let version = |order: &Option<Order>| order.as_ref().map(|order| order.version);
        if checkout.version == seen.checkout.version && version(&order) == version(&seen.order) {
            break;
        }
        seen = see(inner, checkout).await?;
    }
    Ok(Some(seen))
}

/// A checkout with all that belongs to it.
pub(super) async fn see(inner: &Inner, checkout: Checkout) -> Result<SeenCheckout, Refused> {
    let Some(account) = inner.directory.by_id(checkout.merchant).await? else {
        return Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "a checkout's merchant is not there").into());
    };
    let order = order_for(inner, &checkout).await?;
    let seen_at = inner.clock.now();
    let kept = kept_card(inner, &checkout, seen_at).await?;
    let link = link_to(inner, checkout.id).await?;
    let payment_link = match checkout.payment_link {
        Some(id) => Some(payment_link_code(inner, id).await?),
        None => None,
    };
    Ok(SeenCheckout { account, checkout, order, kept, link, payment_link, seen_at })
}

/// The order that a checkout is for, if it is one.
async fn order_for(inner: &Inner, checkout: &Checkout) -> Result<Option<Order>, Refused> {
    match checkout.order() {
        Some(fort_id) => order_of(inner, checkout, fort_id).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn order_of(inner: &Inner, checkout: &Checkout, fort_id: FortId) -> Result<Order, Refused> {
    let stored = inner.store.order(checkout.merchant, &OrderTarget::FortId(fort_id)).await?;
    let missing = || Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "a checkout's order is not there");
    Ok(stored.ok_or_else(missing)?.order)
}

/// The token that the merchant named, where it can be used.
async fn kept_card(inner: &Inner, checkout: &Checkout, now: Timestamp) -> Result<Option<Token>, Refused> {
    let name = match &checkout.purpose {
        Purpose::Pay(pay) => pay.token_name.as_ref(),
        Purpose::Tokenize(wish) => wish.token_name.as_ref(),
    };
    let (Some(name), false) = (name, checkout.has_ended()) else { return Ok(None) };
    let stored = inner.store.token(checkout.merchant, name).await?;
    let usable = |token: &Token| token.status == TokenStatus::Active && !token.has_lapsed(now);
    Ok(stored.map(|stored| stored.token).filter(usable))
}
