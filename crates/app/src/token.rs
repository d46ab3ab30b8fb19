//! What a payment has to do with tokens: where its card comes from, and under which name it is kept.

use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use tollgate_core::card::{CardData, CardFacts};
use tollgate_core::code::refused;
use tollgate_core::command::{OrderTarget, PayCommand};
use tollgate_core::decide::{PayCard, TokenPlan};
use tollgate_core::order::{OperationState, Order};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::token::{OrderToken, Token, TokenId, TokenRole, TokenStatus};
use tollgate_store::{StoredToken, TokenIntent};

/// What a payment does with a token: what its order tells of it, and what becomes of the token by its success.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenPart {
    pub(crate) order: Option<OrderToken>,
    pub(crate) intent: Option<TokenIntent>,
}

/// The token that a payment names, if the store has it. A payment that names none asks the store nothing.
pub(crate) async fn named(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
) -> Result<Option<StoredToken>, Refused> {
    match &command.token_name {
        None => Ok(None),
        Some(name) => Ok(inner.store.token(account.merchant.id, name).await?),
    }
}

/// The card of a payment, lent by the vault where the request has none.
pub(crate) async fn card(
    inner: &Inner,
    card: PayCard,
    facts: &CardFacts,
    stored: Option<&StoredToken>,
) -> Result<CardData, Refused> {
    match (card, stored) {
        (PayCard::Sent(card), _) => Ok(card),
        (PayCard::Kept { expiry, security_code }, Some(stored)) => {
            let pan = inner.vault.open_token_card(stored.token.merchant, stored.token.id, &stored.card).await?;
            Ok(CardData { pan, expiry, security_code, holder: facts.holder.clone() })
        }
        (PayCard::Kept { .. }, None) => Err(without_token().into()),
    }
}

/// What a payment that may be sent does with a token.
pub(crate) async fn part(
    inner: &Inner,
    account: &Account,
    plan: TokenPlan,
    card: &CardData,
    facts: &CardFacts,
    stored: Option<&StoredToken>,
) -> Result<TokenPart, Refused> {
    match plan {
        TokenPlan::None => Ok(TokenPart::default()),
        TokenPlan::Use(order) => {
            let intent = match (order.role, stored) {
                (TokenRole::Keeps, Some(stored)) => Some(TokenIntent::Keep(stored.token.id)),
                (TokenRole::Keeps, None) => return Err(without_token().into()),
                _ => None,
            };
            Ok(TokenPart { order: Some(order), intent })
        }
        TokenPlan::Save(name) => {
            let name = match name {
                Some(name) => name,
                None => inner.vault.token_name()?,
            };
            let kept = sealed(inner, account, &name, card, facts).await?;
            let order = OrderToken { name, role: TokenRole::Saves };
            Ok(TokenPart { order: Some(order), intent: Some(TokenIntent::Put(Box::new(kept))) })
        }
    }
}

/// Whether the token that an approved payment used or made is there no more: somebody deleted or renamed it while the
/// payment was under way. What was to be made may have been deleted and made again by another payment, with another card, so
/// the order says whether this one made it. A store that cannot say so leaves the answer as it is.
pub(crate) async fn is_gone(inner: &Inner, order: &Order, state: OperationState) -> bool {
    let Some(token) = order.token.as_ref().filter(|_| state == OperationState::Approved) else { return false };
    let gone = match token.role {
        TokenRole::Saves => {
            let stored = inner.store.order(order.merchant, &OrderTarget::FortId(order.fort_id)).await;
            stored.map(|stored| stored.is_none_or(|stored| stored.order.token.is_none()))
        }
        TokenRole::Uses | TokenRole::Keeps => {
            inner.store.token(order.merchant, &token.name).await.map(|found| found.is_none())
        }
    };
    gone.unwrap_or_else(|error| {
        tracing::warn!(fort_id = %order.fort_id, %error, "whether the payment's token is still there is not known");
        false
    })
}

/// A card as it is kept under a name.
async fn sealed(
    inner: &Inner,
    account: &Account,
    name: &str,
    card: &CardData,
    facts: &CardFacts,
) -> Result<StoredToken, Refused> {
    let (now, merchant) = (inner.clock.now(), account.merchant.id);
    let id = TokenId(inner.next_number(now).0);
    let token = Token {
        id,
        merchant,
        name: name.to_owned(),
        status: TokenStatus::Active,
        lapses_at: None,
        card: facts.clone(),
        bin: card.pan.bin(),
        currency: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    Ok(StoredToken {
        token,
        card: inner.vault.seal_token_card(merchant, id, &card.pan, now).await?,
        fingerprint: inner.vault.fingerprint(merchant, &card.pan, now).await?,
    })
}

fn without_token() -> Refusal {
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "a payment by token was judged without its token")
}
