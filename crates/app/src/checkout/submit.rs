//! What a customer has typed.

use super::authenticate::{self, Held};
use super::close::{self, Written};
use super::seen::{SeenCheckout, Stage};
use super::soft_decline;
use crate::gateway::{Gateway, Inner, Refused, Unsettled};
use crate::pay::{self, Judged, Start};
use crate::{token, tokenize};
use std::sync::Arc;
use tollgate_core::answer::Answer;
use tollgate_core::checkout::{Checkout, End, PayWish, Purpose, Step, TokenEnd, TokenWish, Typed, TypedCard};
use tollgate_core::code::{self, TOKENIZED, refused};
use tollgate_core::decide;
use tollgate_core::feedback::Channel;
use tollgate_core::order::Order;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::Route;
use tollgate_threeds::flow::BrowserData;

pub(super) async fn card(
    gateway: &Gateway,
    seen: Arc<SeenCheckout>,
    typed: Typed,
    browser: Option<Box<BrowserData>>,
) -> Result<(), Refused> {
    match seen.stage() {
        Stage::Form(_) => {}
        Stage::TimeIsOver => return close::cancel(&gateway.inner, &seen).await,
        Stage::Return => return Err(Refusal::of(refused::ALREADY_PROCESSED, Guilty::Cardholder, "it has ended").into()),
        Stage::Wait | Stage::Authentication => return Err(pay::overtaken().into()),
    }
    match seen.checkout.purpose.clone() {
        Purpose::Pay(wish) => payment(gateway, seen, *wish, typed, browser).await,
        Purpose::Tokenize(wish) => keep(&gateway.inner, &seen, *wish, typed).await,
    }
}

/// One try of a payment.
async fn payment(
    gateway: &Gateway,
    seen: Arc<SeenCheckout>,
    wish: PayWish,
    typed: Typed,
    browser: Option<Box<BrowserData>>,
) -> Result<(), Refused> {
    let (inner, unsettled) = (Arc::clone(&gateway.inner), Unsettled::default());
    let (told, gateway_of_work) = (unsettled.clone(), gateway.clone());
    let work = Box::pin(async move {
        let Some(order) = &seen.order else { return Err(no_order().into()) };
        let account = &seen.account;
        let command = wish.command(typed, &seen.checkout.params);
        let stored = token::named(&inner, account, &command).await?;
        let named = stored.as_ref().map(|stored| &stored.token);
        let intent = decide::pay_on_page(&account.merchant, &command, named, inner.clock.now())?;
        let route = Route::of_number(wish.route).unwrap_or(Route::HostedPage);
        let judged = Box::new(Judged { command, intent, stored, route, agreement: None, opened: None });
        let held = Box::pin(authenticate::hold_if_wanted(&gateway_of_work, &seen, order, judged, browser));
        let judged = match held.await? {
            Held::Yes => return Ok(Answer::bare(code::UNCERTAIN)),
            Held::No(judged) => judged,
        };
        let start = Start::Try { order, checkout: &seen.checkout };
        let paid = pay::carry_out(&inner, account, judged, start, &told).await?;
        if !soft_decline::retries(&inner, &seen, &paid.answer).await? {
            after_try(&inner, &seen, &paid.answer).await;
        }
        Ok(paid.answer)
    });
    // The checkout tells what came of it.
    gateway.to_its_end(unsettled, work).await.map(drop)
}

/// Ends the checkout after a try, unless the customer may try another card.
pub(super) async fn after_try(inner: &Inner, seen: &SeenCheckout, answer: &Answer) {
    let tries = seen.checkout.tries.saturating_add(1);
    // As the try has left it.
    let tried = Checkout { tries, ..seen.checkout.at(Step::Card) };
    let is_on_the_page = seen.order.as_ref().is_some_and(|order| order.channel == Channel::Redirection);
    if !is_on_the_page || is_the_end(answer, &tried) {
        close::end(inner, &tried, End::AsOrder).await;
    }
}

/// Whether another card may be tried when this one comes to nothing.
pub(super) fn may_try_again(checkout: &Checkout, order: &Order) -> bool {
    order.channel == Channel::Redirection && checkout.tries.saturating_add(1) < checkout.tries_max
}

/// Whether the customer may not try another card.
fn is_the_end(answer: &Answer, tried: &Checkout) -> bool {
    let came_to_nothing = matches!(answer.code.status(), 3 | 13) || answer.code == refused::TECHNICAL_PROBLEM;
    !came_to_nothing || tried.tries >= tried.tries_max
}

/// Keeps the card that the customer has typed under a token. Where another tab was faster, what that came to stays.
async fn keep(inner: &Inner, seen: &SeenCheckout, wish: TokenWish, typed: Typed) -> Result<(), Refused> {
    match (typed.card, &seen.kept) {
        (TypedCard::CodeOfToken(Some(code)), Some(token)) => {
            let end = End::Token(Box::new(TokenEnd::kept(TOKENIZED, token)));
            if close::end(inner, &seen.checkout, end).await == Written::ByThis {
                // For the payment that follows.
                inner.held_codes().hold(token.id, code, inner.clock.now());
            }
            Ok(())
        }
        (TypedCard::CodeOfToken(None), Some(_)) => {
            let detail = "the security code was not typed";
            Err(Refusal::request(refused::MISSING_PARAMETER, "card_security_code", detail).into())
        }
        (TypedCard::CodeOfToken(_), None) => {
            Err(Refusal::request(refused::MISSING_PARAMETER, "card_number", "no card was typed").into())
        }
        (TypedCard::New(card), _) => {
            let command = wish.command(card, typed.remember_me);
            tokenize::tokenize_at(inner, &seen.account, &seen.checkout, command).await
        }
    }
}

fn no_order() -> Refusal {
    Refusal::of(code::refused::TECHNICAL_PROBLEM, Guilty::Us, "a payment's checkout has no order")
}
