//! TOKENIZATION and CREATE_TOKEN: a card is kept without a payment.

use crate::checkout::close;
use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::token;
use tollgate_core::answer::{Answer, TokenFacts};
use tollgate_core::card::CardData;
use tollgate_core::checkout::{Checkout, End, TokenEnd};
use tollgate_core::code::{
    ResponseCode, TOKEN_CREATED, TOKEN_CREATION_FAILED, TOKENIZATION_FAILED, TOKENIZED, TOKENIZED_ANEW, refused,
};
use tollgate_core::command::{TokenizeCommand, TokenizeKind};
use tollgate_core::decide::{self, CardForm};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::{Route, Use};
use tollgate_core::token::{Token, TokenId};
use tollgate_store::{CardKeep, CardKept, RouteNote, StoreError, StoredToken, TokenNaming, TokenPut, TokenSave};

/// A card that the merchant's own form has sent.
pub(crate) async fn tokenize(inner: &Inner, account: &Account, command: TokenizeCommand) -> Result<Answer, Refused> {
    let form = CardForm::Merchants;
    let Draft { kind, merchant_reference, stored, card } = draft(inner, account, command, form).await?;
    let made = stored.token.clone();
    let came = came(inner, account, form, merchant_reference);
    let kept = match keep(inner, kind, stored, came.clone()).await {
        Ok(kept) => kept?,
        Err(StoreError::InDoubt(reason)) => {
            tracing::error!(reason, "whether a token was made is not known");
            return Ok(Answer::bare(failed(kind)));
        }
        Err(error) => return Err(error.into()),
    };
    let token = match kept.in_place_of_it {
        None => made,
        Some(name) => match inner.store.token(account.merchant.id, &name).await? {
            Some(stored) => stored.token,
            None => return Err(gone().into()),
        },
    };
    hold_code(inner, kind, token.id, card);
    noted(inner, account, came);
    let facts = TokenFacts::from(&token);
    Ok(Answer { card: Some(token.card), token_name: Some(token.name), token: Some(facts), ..Answer::bare(kept.code) })
}

/// A card that a customer has typed on the gateway's page: it is kept together with the end of the checkout, or not at all.
/// Whatever somebody else has made of the checkout meanwhile counts, and no second card is kept.
pub(crate) async fn tokenize_at(
    inner: &Inner,
    account: &Account,
    checkout: &Checkout,
    command: TokenizeCommand,
) -> Result<(), Refused> {
    let form = CardForm::Gateways;
    let Draft { kind, merchant_reference, stored, card } = draft(inner, account, command, form).await?;
    let came = came(inner, account, form, merchant_reference);
    let keep = CardKeep {
        checkout: checkout.at(checkout.step.clone()),
        token: stored,
        name: match kind {
            TokenizeKind::Tokenization => TokenNaming::Any { code_replaced: TOKENIZED_ANEW },
            TokenizeKind::CreateToken => TokenNaming::Free,
        },
        came: came.clone(),
        code: done(kind),
        at: inner.clock.now(),
    };
    let code = match inner.store.keep_card(keep).await? {
        CardKept::Kept(token) => {
            hold_code(inner, kind, token.id, card);
            noted(inner, account, came);
            return Ok(());
        }
        CardKept::Overtaken => return Ok(()),
        CardKept::NameTaken => refused::TOKEN_EXISTS,
        CardKept::Inactive => refused::TOKEN_NOT_FOUND,
    };
    // The merchant chose the name: the customer has no way to mend that.
    close::end(inner, checkout, End::Token(Box::new(TokenEnd::not_kept(code)))).await;
    Ok(())
}

/// A card that may be kept.
struct Draft {
    kind: TokenizeKind,
    merchant_reference: String,
    stored: StoredToken,
    card: CardData,
}

async fn draft(inner: &Inner, account: &Account, command: TokenizeCommand, form: CardForm) -> Result<Draft, Refused> {
    let intent = decide::tokenize(&account.merchant.terms, &command, form, inner.clock.now())?;
    let name = match command.token_name {
        Some(name) => name,
        None => inner.vault.token_name(inner.clock.now())?,
    };
    let sealed = token::sealed(inner, account, &name, &intent.card, &intent.facts).await?;
    let token = Token {
        lapses_at: intent.lapses_at,
        after_payment: intent.after_payment,
        currency: command.currency,
        ..sealed.token
    };
    let stored = StoredToken { token, ..sealed };
    Ok(Draft { kind: command.kind, merchant_reference: command.merchant_reference, stored, card: intent.card })
}

/// What is noted with a card that comes by a form, once a day: the payments that follow bring a token alone, and tell
/// nothing of it.
fn came(inner: &Inner, account: &Account, form: CardForm, merchant_reference: String) -> Option<RouteNote> {
    let route = match form {
        CardForm::Merchants => Route::OwnForm,
        CardForm::Gateways => Route::HostedPage,
    };
    let at = inner.clock.now();
    let unnoted = inner.route_days.unnoted(account.merchant.id, route, at);
    unnoted.then_some(RouteNote { route, used: Use { at, fort_id: None, merchant_reference } })
}

/// The card is kept, and what was to be noted with it.
fn noted(inner: &Inner, account: &Account, came: Option<RouteNote>) {
    if let Some(RouteNote { route, used }) = came {
        inner.route_days.noted(account.merchant.id, route, used.at);
    }
}

/// Holds the security code for the payment that follows.
fn hold_code(inner: &Inner, kind: TokenizeKind, id: TokenId, card: CardData) {
    if let (TokenizeKind::Tokenization, Some(code)) = (kind, card.security_code) {
        inner.held_codes().hold(id, code, inner.clock.now());
    }
}

/// What became of a card that was to be kept.
struct Kept {
    code: ResponseCode,
    /// The name of the token that the card has already, where the merchant wants one alone.
    in_place_of_it: Option<String>,
}

impl Kept {
    const fn new(code: ResponseCode) -> Kept {
        Kept { code, in_place_of_it: None }
    }
}

/// Writes the token; what the merchant is told of it.
async fn keep(
    inner: &Inner,
    kind: TokenizeKind,
    new: StoredToken,
    came: Option<RouteNote>,
) -> Result<Result<Kept, Refusal>, StoreError> {
    let refuse = |code, detail| Ok(Err(Refusal::request(code, "token_name", detail)));
    match kind {
        TokenizeKind::Tokenization => match inner.store.put_token(new, came).await? {
            TokenPut::Added => Ok(Ok(Kept::new(done(kind)))),
            TokenPut::Replaced => Ok(Ok(Kept::new(TOKENIZED_ANEW))),
            TokenPut::CardHas(name) => Ok(Ok(Kept { code: done(kind), in_place_of_it: Some(name) })),
            TokenPut::Inactive => refuse(
                refused::TOKEN_NOT_FOUND,
                "the token is inactive: UPDATE_TOKEN with token_status=ACTIVE switches it on again",
            ),
        },
        TokenizeKind::CreateToken => match inner.store.add_token(new, came).await? {
            TokenSave::Saved => Ok(Ok(Kept::new(done(kind)))),
            TokenSave::CardHas(name) => Ok(Ok(Kept { code: done(kind), in_place_of_it: Some(name) })),
            TokenSave::NameTaken | TokenSave::Changed => {
                refuse(refused::TOKEN_EXISTS, "another token of the merchant has that name")
            }
        },
    }
}

fn gone() -> Refusal {
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "the card's token was deleted just now: try again")
}

const fn done(kind: TokenizeKind) -> ResponseCode {
    match kind {
        TokenizeKind::Tokenization => TOKENIZED,
        TokenizeKind::CreateToken => TOKEN_CREATED,
    }
}

const fn failed(kind: TokenizeKind) -> ResponseCode {
    match kind {
        TokenizeKind::Tokenization => TOKENIZATION_FAILED,
        TokenizeKind::CreateToken => TOKEN_CREATION_FAILED,
    }
}
