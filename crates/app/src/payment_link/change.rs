//! UPDATE_PAYMENT_LINK.

use super::seen::{SeenLink, answer, named};
use super::tell;
use crate::checkout::end_by_merchant;
use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use tollgate_core::answer::Answer;
use tollgate_core::checkout::{Checkout, CheckoutId, Step};
use tollgate_core::code::{PAYMENT_LINK_DONE, PAYMENT_LINK_FAILED, refused};
use tollgate_core::decide;
use tollgate_core::message::MessageKind;
use tollgate_core::payment_link::{PaymentLink, UpdateLinkCommand};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::time::Timestamp;
use tollgate_store::{CheckoutChange, CheckoutChanged, LinkChanged, MessagesToo, StoreError};

/// How often a link is read again because it changed between the reading and the writing.
const UPDATE_TRIES_MAX: usize = 8;

pub(super) async fn update(inner: &Inner, account: &Account, command: &UpdateLinkCommand) -> Result<Answer, Refused> {
    for _ in 0..UPDATE_TRIES_MAX {
        let Some(seen) = named(inner, account.merchant.id, &command.target).await? else {
            let detail = "the merchant has no such payment link";
            return Err(Refusal::request(refused::LINK_NOT_FOUND, "payment_link_id", detail).into());
        };
        let changed = decide::update_payment_link(
            &account.merchant,
            &seen.link,
            seen.stand,
            command,
            tell::ways(inner),
            seen.seen_at,
        )?;
        match follow_at_page(inner, &seen, &changed).await? {
            Followed::Changed => continue,
            Followed::Yes => {}
        }
        let too = told(inner, account, &changed, command, seen.seen_at);
        match inner.store.change_payment_link(changed.clone(), too.clone(), seen.seen_at).await {
            Ok(LinkChanged::Overtaken) => {}
            Ok(LinkChanged::TooManyMessages(limit)) => return Err(tell::too_many(inner, limit).into()),
            Ok(LinkChanged::Written) => {
                tell::written(inner, &too);
                let stand = changed.stand(seen.order.as_ref(), seen.tries, seen.seen_at);
                return Ok(answer(&SeenLink { link: changed, stand, ..seen }, PAYMENT_LINK_DONE));
            }
            Err(StoreError::InDoubt(reason)) => {
                tracing::error!(reason, "whether a payment link was changed is not known");
                return Ok(Answer::bare(PAYMENT_LINK_FAILED));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(still_processing("customers kept changing the payment link: try again").into())
}

/// Who is told of a change: the customer where the request says so, and the merchant's server of the end.
fn told(
    inner: &Inner,
    account: &Account,
    changed: &PaymentLink,
    command: &UpdateLinkCommand,
    at: Timestamp,
) -> MessagesToo {
    let occasion = i64::from(changed.version);
    let closed = changed.closed_at.and_then(|_| tell::notice(account, changed, MessageKind::LinkClosed, 0, at));
    let mut messages: Vec<_> = closed.into_iter().collect();
    if command.notify.is_some() && changed.closed_at.is_none() {
        messages.extend(changed.messages(MessageKind::Link, occasion, at));
    }
    tell::limited(inner, messages)
}

/// Whether the page of a customer who has begun to pay follows a change.
enum Followed {
    /// It does, or there is none.
    Yes,
    /// Somebody was faster there: look again.
    Changed,
}

/// Ends the customer's page where the link is closed, and gives it the new end where that changes. This comes before the
/// link is written: a customer who begins to pay in between has changed the link, and all is done again.
async fn follow_at_page(inner: &Inner, seen: &SeenLink, changed: &PaymentLink) -> Result<Followed, Refused> {
    let closes = changed.closed_at.is_some();
    let moves = changed.expires_at != seen.link.expires_at;
    let (Some(fort_id), true) = (seen.link.order, closes || moves) else { return Ok(Followed::Yes) };
    let Some(checkout) = page_of(inner, seen, CheckoutId(fort_id.0)).await? else { return Ok(Followed::Yes) };
    if !matches!(checkout.step, Step::Card) {
        return Err(still_processing("the customer is being authenticated at the moment: try again later").into());
    }
    if closes {
        end_by_merchant(inner, &checkout).await?;
        // It may have gone on meanwhile.
        let open = page_of(inner, seen, checkout.id).await?;
        return Ok(if open.is_some() { Followed::Changed } else { Followed::Yes });
    }
    let expires_at = changed.expires_at;
    let moved = Checkout { expires_at, due_at: expires_at, ..checkout.at(Step::Card) };
    let change = CheckoutChange { checkout: moved, held: None, at: seen.seen_at };
    match inner.store.change_checkout(change).await? {
        CheckoutChanged::Written => Ok(Followed::Yes),
        CheckoutChanged::Overtaken => Ok(Followed::Changed),
    }
}

/// The page that a customer has opened by this link, if it has not ended.
async fn page_of(inner: &Inner, seen: &SeenLink, id: CheckoutId) -> Result<Option<Checkout>, Refused> {
    let found = inner.store.checkout(id).await?;
    Ok(found.filter(|checkout| !checkout.has_ended() && checkout.payment_link == Some(seen.link.id)))
}

fn still_processing(detail: &'static str) -> Refusal {
    Refusal::of(refused::STILL_PROCESSING, Guilty::MerchantRequest, detail)
}
