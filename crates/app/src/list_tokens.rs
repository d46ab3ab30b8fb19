//! GET_TOKENS.

use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use tollgate_core::answer::Answer;
use tollgate_core::code::{TOKENS_LISTED, TOKENS_NOT_LISTED, refused};
use tollgate_core::command::ListTokensCommand;
use tollgate_core::decide::{self, TokensAsked};
use tollgate_core::refusal::Refusal;
use tollgate_core::token::{LISTED_TOKENS_MAX, Token};
use tollgate_store::{StoreError, TokenFilter, TokenPlace};

/// How many tokens are read at once.
const TOKENS_PER_READ: usize = 500;

pub(crate) async fn list_tokens(
    inner: &Inner,
    account: &Account,
    command: &ListTokensCommand,
) -> Result<Answer, Refused> {
    let asked = decide::list_tokens(&account.merchant.terms, command)?;
    let found = match &command.token_name {
        Some(name) => named(inner, account, name, asked).await,
        None => all(inner, account, asked).await,
    };
    match found {
        Ok(tokens) if tokens.len() > LISTED_TOKENS_MAX => {
            let detail = format!("more than {LISTED_TOKENS_MAX} tokens were made in that time: ask for less of it");
            Err(Refusal::request(refused::INVALID_INTERVAL, "from_date", detail).into())
        }
        Ok(tokens) => Ok(Answer { tokens: Some(tokens), ..Answer::bare(TOKENS_LISTED) }),
        Err(error) => {
            tracing::error!(%error, "tokens cannot be listed");
            Ok(Answer::bare(TOKENS_NOT_LISTED))
        }
    }
}

async fn named(inner: &Inner, account: &Account, name: &str, asked: TokensAsked) -> Result<Vec<Token>, StoreError> {
    let now = inner.clock.now();
    let stored = inner.store.token(account.merchant.id, name).await?;
    let fits = |token: &Token| !token.has_lapsed(now) && (asked.from..asked.before).contains(&token.created_at);
    Ok(stored.map(|stored| stored.token).filter(fits).into_iter().collect())
}

/// Those of the interval that have not lapsed, oldest first; one more than may be told shows that there are more.
async fn all(inner: &Inner, account: &Account, asked: TokensAsked) -> Result<Vec<Token>, StoreError> {
    let now = inner.clock.now();
    let mut filter = TokenFilter {
        from: asked.from,
        before: asked.before,
        ..TokenFilter::all_of(account.merchant.id, TOKENS_PER_READ)
    };
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        let page = inner.store.tokens(&filter).await?;
        let is_last = page.len() < TOKENS_PER_READ;
        filter.after = page.last().map(TokenPlace::from);
        tokens.extend(page.into_iter().filter(|token| !token.has_lapsed(now)));
        if is_last || tokens.len() > LISTED_TOKENS_MAX {
            return Ok(tokens);
        }
    }
}
