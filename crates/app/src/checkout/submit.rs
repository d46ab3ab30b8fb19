//! What a customer has typed.

use super::close;
use super::seen::{SeenCheckout, Stage};
use crate::gateway::{Gateway, Inner, Refused, Unsettled};
use crate::pay::{self, Judged, Start};
use crate::{token, tokenize};
use std::sync::Arc;
use tollgate_core::answer::{Answer, TokenFacts};
use tollgate_core::card::SecurityCode;
use tollgate_core::checkout::{Checkout, End, PayWish, Purpose, TRIES_MAX, TokenEnd, TokenWish, Typed, TypedCard};
use tollgate_core::code::{self, TOKENIZED, refused};
use tollgate_core::decide::{self, CardForm};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::Route;
use tollgate_core::token::Token;

pub(super) async fn card(gateway: &Gateway, seen: Arc<SeenCheckout>, typed: Typed) -> Result<(), Refused> {
    match seen.stage() {
        Stage::Form(_) => {}
        Stage::TimeIsOver => return close::cancel(&gateway.inner, &seen).await,
        Stage::Return => return Err(Refusal::of(refused::ALREADY_PROCESSED, Guilty::Cardholder, "it has ended").into()),
        Stage::Wait | Stage::Authentication => return Err(pay::overtaken().into()),
    }
    match seen.checkout.purpose.clone() {
        Purpose::Pay(wish) => payment(gateway, seen, *wish, typed).await,
        Purpose::Tokenize(wish) => keep(&gateway.inner, &seen, *wish, typed).await,
    }
}

/// One try of a payment.
async fn payment(gateway: &Gateway, seen: Arc<SeenCheckout>, wish: PayWish, typed: Typed) -> Result<(), Refused> {
    let (inner, unsettled) = (Arc::clone(&gateway.inner), Unsettled::default());
    let told = unsettled.clone();
    let work = async move {
        let Some(order) = &seen.order else { return Err(no_order().into()) };
        let account = &seen.account;
        let command = wish.command(typed, &seen.checkout.params);
        let stored = token::named(&inner, account, &command).await?;
        let named = stored.as_ref().map(|stored| &stored.token);
        let intent = decide::pay_on_page(&account.merchant, &command, named, inner.clock.now())?;
        let judged = Judged { command, intent, stored, route: Route::HostedPage };
        let start = Start::Try { order, checkout: &seen.checkout };
        let paid = pay::carry_out(&inner, account, judged, start, &told).await?;
        let tried = Checkout { tries: seen.checkout.tries.saturating_add(1), ..seen.checkout.clone() };
        let tried = Checkout { version: tried.version.saturating_add(1), ..tried };
        if is_the_end(&paid.answer, &tried) {
            close::end(&inner, &tried, End::AsOrder).await;
        }
        Ok(paid.answer)
    };
    // The checkout tells what came of it.
    gateway.to_its_end(unsettled, work).await.map(drop)
}

/// Whether the customer may not try another card.
fn is_the_end(answer: &Answer, tried: &Checkout) -> bool {
    let came_to_nothing = matches!(answer.code.status(), 3 | 13) || answer.code == refused::TECHNICAL_PROBLEM;
    !came_to_nothing || tried.tries >= TRIES_MAX
}

/// Keeps the card that the customer has typed under a token.
async fn keep(inner: &Inner, seen: &SeenCheckout, wish: TokenWish, typed: Typed) -> Result<(), Refused> {
    let answer = match (typed.card, &seen.kept) {
        (TypedCard::CodeOfToken(code), Some(token)) => with_code(inner, token, code)?,
        (TypedCard::CodeOfToken(_), None) => {
            return Err(Refusal::request(refused::MISSING_PARAMETER, "card_number", "no card was typed").into());
        }
        (TypedCard::New(card), _) => {
            let command = wish.command(card, typed.remember_me);
            tokenize::tokenize(inner, &seen.account, command, CardForm::Gateways).await?
        }
    };
    let Answer { code, token_name, card, token, .. } = answer;
    close::end(inner, &seen.checkout, End::Token(Box::new(TokenEnd { code, token_name, card, token }))).await;
    Ok(())
}

/// A token that the merchant named, with the security code for the payment that follows.
fn with_code(inner: &Inner, token: &Token, code: Option<SecurityCode>) -> Result<Answer, Refusal> {
    let Some(code) = code else {
        let detail = "the security code was not typed";
        return Err(Refusal::request(refused::MISSING_PARAMETER, "card_security_code", detail));
    };
    inner.held_codes().hold(token.id, code, inner.clock.now());
    let Token { name, status, bin, currency, created_at, card, .. } = token.clone();
    let facts = TokenFacts { status, bin, currency, created_at };
    Ok(Answer { card: Some(card), token_name: Some(name), token: Some(facts), ..Answer::bare(TOKENIZED) })
}

fn no_order() -> Refusal {
    Refusal::of(code::refused::TECHNICAL_PROBLEM, Guilty::Us, "a payment's checkout has no order")
}
