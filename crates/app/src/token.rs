//! What a payment has to do with tokens: where its card comes from, and under which name it is kept.

use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::settle::Settled;
use tollgate_core::card::{CardData, CardFacts};
use tollgate_core::code::refused;
use tollgate_core::command::PayCommand;
use tollgate_core::decide::{PayCard, TokenPlan};
use tollgate_core::ident::OperationId;
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

/// The order as its success has left it: where a card may have one token only, that may be another one than was to be
/// made, or none.
pub(crate) async fn as_kept(inner: &Inner, account: &Account, order: Order, settled: &Settled) -> Order {
    let waited = order.token.as_ref().is_some_and(|token| token.role.waits_for_success());
    let approved = settled.state == OperationState::Approved;
    if !waited || !approved || !account.merchant.terms.cards.may_decide() {
        return order;
    }
    match inner.store.operation(OperationId(order.fort_id.0)).await {
        Ok(Some(found)) => Order { token: found.stored.order.token, ..order },
        Ok(None) => order,
        Err(error) => {
            // Better no name than a wrong one: the feedback has it.
            tracing::error!(fort_id = %order.fort_id, %error, "under which token a card was kept cannot be read");
            Order { token: None, ..order }
        }
    }
}

fn without_token() -> Refusal {
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "a payment by token was judged without its token")
}
