//! TOKENIZATION and CREATE_TOKEN: a card is kept without a payment.

use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::token;
use tollgate_core::answer::{Answer, TokenFacts};
use tollgate_core::code::{
    ResponseCode, TOKEN_CREATED, TOKEN_CREATION_FAILED, TOKENIZATION_FAILED, TOKENIZED, TOKENIZED_ANEW, refused,
};
use tollgate_core::command::{TokenizeCommand, TokenizeKind};
use tollgate_core::decide;
use tollgate_core::refusal::Refusal;
use tollgate_core::token::Token;
use tollgate_store::{StoreError, StoredToken, TokenPut, TokenSave};

pub(crate) async fn tokenize(inner: &Inner, account: &Account, command: TokenizeCommand) -> Result<Answer, Refused> {
    let intent = decide::tokenize(&account.merchant.terms, &command, inner.clock.now())?;
    let name = match command.token_name {
        Some(name) => name,
        None => inner.vault.token_name()?,
    };
    let sealed = token::sealed(inner, account, &name, &intent.card, &intent.facts).await?;
    let made = Token {
        lapses_at: intent.lapses_at,
        after_payment: intent.after_payment,
        currency: command.currency,
        ..sealed.token
    };
    let code = match keep(inner, command.kind, StoredToken { token: made.clone(), ..sealed }).await {
        Ok(kept) => kept?,
        Err(StoreError::InDoubt(reason)) => {
            tracing::error!(reason, "whether a token was made is not known");
            return Ok(Answer::bare(failed(command.kind)));
        }
        Err(error) => return Err(error.into()),
    };
    if let (TokenizeKind::Tokenization, Some(code)) = (command.kind, intent.card.security_code) {
        inner.held_codes().hold(made.id, code, inner.clock.now());
    }
    let facts =
        TokenFacts { status: made.status, bin: made.bin.clone(), currency: made.currency, created_at: made.created_at };
    Ok(Answer { card: Some(made.card), token_name: Some(name), token: Some(facts), ..Answer::bare(code) })
}

/// Writes the token; what the merchant is told of it.
async fn keep(
    inner: &Inner,
    kind: TokenizeKind,
    new: StoredToken,
) -> Result<Result<ResponseCode, Refusal>, StoreError> {
    let refuse = |code, detail| Ok(Err(Refusal::request(code, "token_name", detail)));
    match kind {
        TokenizeKind::Tokenization => match inner.store.put_token(new).await? {
            TokenPut::Added => Ok(Ok(TOKENIZED)),
            TokenPut::Replaced => Ok(Ok(TOKENIZED_ANEW)),
            TokenPut::Inactive => refuse(
                refused::TOKEN_NOT_FOUND,
                "the token is inactive: UPDATE_TOKEN with token_status=ACTIVE switches it on again",
            ),
        },
        TokenizeKind::CreateToken => match inner.store.add_token(new).await? {
            TokenSave::Saved => Ok(Ok(TOKEN_CREATED)),
            TokenSave::NameTaken | TokenSave::Changed => {
                refuse(refused::TOKEN_EXISTS, "another token of the merchant has that name")
            }
        },
    }
}

const fn failed(kind: TokenizeKind) -> ResponseCode {
    match kind {
        TokenizeKind::Tokenization => TOKENIZATION_FAILED,
        TokenizeKind::CreateToken => TOKEN_CREATION_FAILED,
    }
}
