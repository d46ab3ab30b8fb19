//! TOKENIZATION and CREATE_TOKEN: a card is kept without a payment.

use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::token;
use tollgate_core::answer::{Answer, TokenFacts};
use tollgate_core::code::{
    ResponseCode, TOKEN_CREATED, TOKEN_CREATION_FAILED, TOKENIZATION_FAILED, TOKENIZED, TOKENIZED_ANEW, refused,
};
use tollgate_core::command::{TokenizeCommand, TokenizeKind};
use tollgate_core::decide::{self, CardForm};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::token::Token;
use tollgate_store::{StoreError, StoredToken, TokenPut, TokenSave};

pub(crate) async fn tokenize(
    inner: &Inner,
    account: &Account,
    command: TokenizeCommand,
    form: CardForm,
) -> Result<Answer, Refused> {
    let intent = decide::tokenize(&account.merchant.terms, &command, form, inner.clock.now())?;
    let name = match command.token_name {
        Some(name) => name,
        None => inner.vault.token_name(inner.clock.now())?,
    };
    let sealed = token::sealed(inner, account, &name, &intent.card, &intent.facts).await?;
    let made = Token {
        lapses_at: intent.lapses_at,
        after_payment: intent.after_payment,
        currency: command.currency,
        ..sealed.token
    };
    let kept = match keep(inner, command.kind, StoredToken { token: made.clone(), ..sealed }).await {
        Ok(kept) => kept?,
        Err(StoreError::InDoubt(reason)) => {
            tracing::error!(reason, "whether a token was made is not known");
            return Ok(Answer::bare(failed(command.kind)));
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
    if let (TokenizeKind::Tokenization, Some(code)) = (command.kind, intent.card.security_code) {
        inner.held_codes().hold(token.id, code, inner.clock.now());
    }
    let Token { name, status, bin, currency, created_at, card, .. } = token;
    let facts = TokenFacts { status, bin, currency, created_at };
    Ok(Answer { card: Some(card), token_name: Some(name), token: Some(facts), ..Answer::bare(kept.code) })
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
async fn keep(inner: &Inner, kind: TokenizeKind, new: StoredToken) -> Result<Result<Kept, Refusal>, StoreError> {
    let refuse = |code, detail| Ok(Err(Refusal::request(code, "token_name", detail)));
    match kind {
        TokenizeKind::Tokenization => match inner.store.put_token(new).await? {
            TokenPut::Added => Ok(Ok(Kept::new(TOKENIZED))),
            TokenPut::Replaced => Ok(Ok(Kept::new(TOKENIZED_ANEW))),
            TokenPut::CardHas(name) => Ok(Ok(Kept { code: TOKENIZED, in_place_of_it: Some(name) })),
            TokenPut::Inactive => refuse(
                refused::TOKEN_NOT_FOUND,
                "the token is inactive: UPDATE_TOKEN with token_status=ACTIVE switches it on again",
            ),
        },
        TokenizeKind::CreateToken => match inner.store.add_token(new).await? {
            TokenSave::Saved => Ok(Ok(Kept::new(TOKEN_CREATED))),
            TokenSave::CardHas(name) => Ok(Ok(Kept { code: TOKEN_CREATED, in_place_of_it: Some(name) })),
            TokenSave::NameTaken | TokenSave::Changed => {
                refuse(refused::TOKEN_EXISTS, "another token of the merchant has that name")
            }
        },
    }
}

fn gone() -> Refusal {
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "the card's token was deleted just now: try again")
}

const fn failed(kind: TokenizeKind) -> ResponseCode {
    match kind {
        TokenizeKind::Tokenization => TOKENIZATION_FAILED,
        TokenizeKind::CreateToken => TOKEN_CREATION_FAILED,
    }
}
