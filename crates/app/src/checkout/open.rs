//! What begins a checkout.

use super::link::{CheckoutLink, link_to};
use crate::agreement;
use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::token;
use tollgate_core::checkout::{CHECKOUT_MS_MAX, Checkout, CheckoutId, PayWish, Purpose, Step, TRIES_MAX, TokenWish};
use tollgate_core::code::{UNCERTAIN, refused};
use tollgate_core::command::{PayCommand, SafeParams, TokenizeCommand};
use tollgate_core::decide;
use tollgate_core::feedback::Channel;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::order::{LastOperation, Order, Phase, Totals};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::Route;
use tollgate_core::time::Timestamp;
use tollgate_store::{CheckoutOpened, NewCheckout, StoreError};

/// How often a new number is tried when one is taken, which happens only when a clock went back.
const NUMBER_TRIES_MAX: usize = 8;

/// AUTHORIZATION or PURCHASE on the page.
pub(super) async fn payment(
    inner: &Inner,
    account: &Account,
    access_code: &str,
    command: &PayCommand,
) -> Result<CheckoutLink, Refused> {
    let stored = token::named(inner, account, command).await?;
    decide::open_page(&account.merchant, command, stored.as_ref().map(|stored| &stored.token), inner.clock.now())?;
    agreement::judged(inner, account, command, stored.as_ref()).await?;
    for _ in 0..NUMBER_TRIES_MAX {
        let now = inner.clock.now();
        let order = open_order(inner, account.merchant.id, command, now);
        let wish = PayWish::of(order.fort_id, command, Route::HostedPage);
        let purpose = Purpose::Pay(Box::new(wish));
        let id = CheckoutId(order.fort_id.0);
        let checkout = Checkout {
            tries_max: account.merchant.terms.channel.page.card_tries.get(),
            ..new(id, account.merchant.id, access_code, purpose, &command.params, now)
        };
        let opened = NewCheckout { checkout, order: Some(Box::new(order)), card: None };
        if let Some(link) = keep(inner, opened).await? {
            return Ok(link);
        }
    }
    Err(no_number().into())
}

/// TOKENIZATION or CREATE_TOKEN on the page.
pub(super) async fn token(
    inner: &Inner,
    account: &Account,
    access_code: &str,
    command: &TokenizeCommand,
    params: &SafeParams,
) -> Result<CheckoutLink, Refused> {
    decide::open_token_page(&account.merchant.terms, command)?;
    for _ in 0..NUMBER_TRIES_MAX {
        let now = inner.clock.now();
        let id = CheckoutId(inner.next_number(now).0);
        let purpose = Purpose::Tokenize(Box::new(TokenWish::of(command)));
        let checkout = new(id, account.merchant.id, access_code, purpose, params, now);
        if let Some(link) = keep(inner, NewCheckout { checkout, order: None, card: None }).await? {
            return Ok(link);
        }
    }
    Err(no_number().into())
}

/// Writes it; `None` when its number is taken.
async fn keep(inner: &Inner, opened: NewCheckout) -> Result<Option<CheckoutLink>, Refused> {
    let id = opened.checkout.id;
    match inner.store.open_checkout(opened).await {
        Ok(CheckoutOpened::Opened) => Ok(Some(link_to(inner, id).await?)),
        Ok(CheckoutOpened::GoesOn(checkout)) => Ok(Some(link_to(inner, checkout.id).await?)),
        Ok(CheckoutOpened::NumberTaken) => Ok(None),
        Ok(CheckoutOpened::ReferenceTaken(fort_id)) => {
            let detail = format!("merchant_reference is used up by order {fort_id}");
            Err(Refusal::request(refused::REFERENCE_EXISTS, "merchant_reference", detail).into())
        }
        // Nothing can be sent for it without the link: if it is there, it ends by itself.
        Err(error @ StoreError::InDoubt(_)) | Err(error) => Err(error.into()),
    }
}

/// An order that waits for its customer.
pub(crate) fn open_order(inner: &Inner, merchant: MerchantId, command: &PayCommand, now: Timestamp) -> Order {
    let id = inner.next_number(now);
    Order {
        fort_id: FortId(id.0),
        merchant,
        merchant_reference: command.merchant_reference.clone(),
        kind: command.kind,
        money: command.money,
        eci: command.eci,
        channel: Channel::Redirection,
        card: None,
        token: None,
        credential: None,
        phase: Phase::Open,
        totals: Totals::default(),
        open_operation: None,
        version: 1,
        authorization_code: None,
        // Of no message yet: the first try brings its own.
        original: inner.wire_reference(id, now),
        last: LastOperation { kind: command.kind.operation(), code: UNCERTAIN, network_code: None },
        created_at: now,
    }
}

/// A checkout that begins now, with the time that a customer of a form has.
pub(crate) fn new(
    id: CheckoutId,
    merchant: MerchantId,
    access_code: &str,
    purpose: Purpose,
    params: &SafeParams,
    now: Timestamp,
) -> Checkout {
    Checkout {
        id,
        merchant,
        access_code: access_code.to_owned(),
        purpose,
        params: params.clone(),
        opened_at: now,
        expires_at: now.plus_ms(CHECKOUT_MS_MAX),
        due_at: now.plus_ms(CHECKOUT_MS_MAX),
        try_until: None,
        payment_link: None,
        tries: 0,
        tries_max: TRIES_MAX,
        step: Step::Card,
        told: Vec::new(),
        past: Vec::new(),
        version: 1,
    }
}

fn no_number() -> Refusal {
    let detail = "no free order number was found: check the clock and the node numbers";
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail)
}
