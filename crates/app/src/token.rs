//! What a payment has to do with tokens: where its card comes from, and under which name it is kept.

use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use tollgate_core::card::{CardData, CardFacts};
use tollgate_core::code::refused;
use tollgate_core::command::{OrderTarget, PayCommand};
use tollgate_core::decide::{PayCard, TokenPlan};
use tollgate_core::ident::FortId;
use tollgate_core::order::{OperationState, Order};
use tollgate_core::page::AfterPayment;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::token::{OrderToken, Token, TokenId, TokenRole, TokenStatus};
use tollgate_store::{StoredOrder, StoredToken, TokenIntent};
use tollgate_vault::{Receipt, Revealed, VaultError};

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

/// The card of a payment.
pub(crate) struct PaymentCard {
    pub(crate) card: CardData,
    /// Where the vault has lent it, what the audit log is told.
    pub(crate) receipt: Option<Receipt>,
}

/// The card of a payment, lent by the vault where the request has none.
pub(crate) async fn card(
    inner: &Inner,
    card: PayCard,
    facts: &CardFacts,
    stored: Option<&StoredToken>,
) -> Result<PaymentCard, Refused> {
    match (card, stored) {
        (PayCard::Sent(card), _) => Ok(PaymentCard { card, receipt: None }),
        (PayCard::Kept { expiry, security_code }, Some(stored)) => {
            let Revealed { pan, receipt } =
                inner.vault.open_token_card(stored.token.merchant, stored.token.id, &stored.card).await?;
            let card = CardData { pan, expiry, security_code, holder: facts.holder.clone() };
            Ok(PaymentCard { card, receipt: Some(receipt) })
        }
        (PayCard::Kept { .. }, None) => Err(without_token().into()),
    }
}

/// Opens the card of an order.
pub(crate) async fn open_card(inner: &Inner, stored: &StoredOrder) -> Result<Revealed, VaultError> {
    let card = stored.card.as_ref().ok_or(VaultError::NoCard)?;
    inner.vault.open_card(stored.order.merchant, stored.order.fort_id, card).await
}

/// Gives the card of a payment by token the security code that was typed when the token was made, if the request has
/// none of its own. Either way it is held no longer: this is the one authorization it was for.
pub(crate) fn take_held_code(inner: &Inner, stored: Option<&StoredToken>, card: &mut CardData) {
    let Some(stored) = stored else { return };
    let held = inner.held_codes().take(stored.token.id, inner.clock.now());
    if card.security_code.is_none() {
        card.security_code = held;
    }
}

/// Gives the card of a try the security code that was held while its customer was authenticated, if it has none of its own.
/// Either way it is held no longer.
pub(crate) fn take_code_of_order(inner: &Inner, fort_id: FortId, card: &mut CardData) {
    let held = inner.held_codes().take(TokenId(fort_id.0), inner.clock.now());
    if card.security_code.is_none() {
        card.security_code = held;
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
                None => inner.vault.token_name(inner.clock.now())?,
            };
            let kept = sealed(inner, account, &name, card, facts).await?;
            let order = OrderToken { name, role: TokenRole::Saves };
            Ok(TokenPart { order: Some(order), intent: Some(TokenIntent::Put(Box::new(kept))) })
        }
    }
}

/// The order of a payment with the token that there is now that its outcome is written: under which name its card was
/// kept, by the rule of the merchant's cards, and none where somebody deleted or renamed it while the payment was under
/// way. What was to be made may have been deleted and made again by another payment, with another card, so the order
/// says whether this one made it.
pub(crate) async fn as_kept(inner: &Inner, account: &Account, order: Order, state: OperationState) -> Order {
    let Some(token) = order.token.as_ref().filter(|_| state == OperationState::Approved) else { return order };
    let decides = account.merchant.terms.cards.may_decide();
    let by_order = token.role == TokenRole::Saves || (token.role.waits_for_success() && decides);
    let found = if by_order {
        let stored = inner.store.order(order.merchant, &OrderTarget::FortId(order.fort_id)).await;
        stored.map(|stored| stored.and_then(|stored| stored.order.token))
    } else {
        let stored = inner.store.token(order.merchant, &token.name).await;
        stored.map(|stored| stored.and(order.token.clone()))
    };
    match found {
        Ok(token) => Order { token, ..order },
        Err(error) => {
            tracing::warn!(fort_id = %order.fort_id, %error, "whether the payment's token is still there is not known");
            // Where the name may be another one, better none than a wrong one: the feedback has it.
            if decides { Order { token: None, ..order } } else { order }
        }
    }
}

/// A card as it is kept under a name.
pub(crate) async fn sealed(
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
        after_payment: AfterPayment::Keep,
        card: facts.clone(),
        bin: card.pan.bin(),
        currency: None,
        first_payment: None,
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
