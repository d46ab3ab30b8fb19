//! UPDATE_TOKEN.

use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use tollgate_core::answer::{Answer, TokenFacts};
use tollgate_core::code::{TOKEN_UPDATE_FAILED, TOKEN_UPDATED, refused};
use tollgate_core::command::UpdateTokenCommand;
use tollgate_core::decide;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::token::Token;
use tollgate_store::{StoreError, TokenSave};

/// How often a token is read again because it changed between the reading and the writing.
const UPDATE_TRIES_MAX: usize = 8;

pub(crate) async fn update_token(
    inner: &Inner,
    account: &Account,
    command: &UpdateTokenCommand,
) -> Result<Answer, Refused> {
    for _ in 0..UPDATE_TRIES_MAX {
        let stored = inner.store.token(account.merchant.id, &command.token_name).await?;
        let token = stored.as_ref().map(|stored| &stored.token);
        let updated = decide::update_token(&account.merchant.terms, command, token, inner.clock.now())?;
        match inner.store.change_token(updated.clone()).await {
            Ok(TokenSave::Saved) => return Ok(answer(updated)),
            Ok(TokenSave::NameTaken) => {
                let detail = "another token of the merchant has that name";
                return Err(Refusal::request(refused::TOKEN_EXISTS, "new_token_name", detail).into());
            }
            Ok(TokenSave::CardHas(_)) => {
                let detail =
                    "its card has another token, and the merchant's cards may have one only: switch that off first";
                return Err(Refusal::request(refused::TOKEN_EXISTS, "token_status", detail).into());
            }
            Ok(TokenSave::Changed) => {}
            Err(StoreError::InDoubt(reason)) => {
                tracing::error!(reason, "whether a token was updated is not known");
                return Ok(Answer::bare(TOKEN_UPDATE_FAILED));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let detail = "the token was changed by others each time it was to be written: try again";
    Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail).into())
}

fn answer(token: Token) -> Answer {
    let facts = TokenFacts::from(&token);
    Answer { card: Some(token.card), token: Some(facts), ..Answer::bare(TOKEN_UPDATED) }
}
