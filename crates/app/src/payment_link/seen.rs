//! A payment link as it stands, for whoever shows it.

use crate::checkout::{payment_link_code, payment_link_in};
use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use std::fmt;
use std::sync::Arc;
use tollgate_core::answer::{Answer, LinkFacts};
use tollgate_core::code::{PAYMENT_LINK_NOT_FOUND, ResponseCode, STATUS_FAILED, STATUS_FOUND, refused};
use tollgate_core::command::OrderTarget;
use tollgate_core::ident::MerchantId;
use tollgate_core::order::{OperationEvent, OperationState, Order};
use tollgate_core::payment_link::{LinkStand, LinkStatusCommand, LinkTarget, Openings, PaymentLink, PaymentLinkId};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::time::Timestamp;
use tollgate_store::{PaymentLinkFilter, StoredPaymentLink, Story, StoryOperation};

/// The secret part of a link's address: 43 letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkCode(pub(crate) String);

impl LinkCode {
    /// As it stands in the address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkCode(****)")
    }
}

/// A payment link with all that belongs to it, as it was at one moment.
#[derive(Clone, Debug)]
pub struct SeenLink {
    /// The merchant's account.
    pub account: Arc<Account>,
    /// The link.
    pub link: PaymentLink,
    /// How often it was opened.
    pub openings: Openings,
    /// The order that has its reference, if one has.
    pub order: Option<Order>,
    /// How many cards were tried on its own order.
    pub tries: u8,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// How it stands.
    pub stand: LinkStand,
    /// The secret part of its address.
    pub code: LinkCode,
    /// Its address, for the customer.
    pub url: String,
    /// When it was looked at.
    pub seen_at: Timestamp,
}

/// Some of a merchant's links, newest first.
#[derive(Clone, Debug)]
pub struct LinkPage {
    /// They.
    pub links: Vec<SeenLink>,
    /// Whether there are more.
    pub rest: LinkRest,
}

/// Whether there are more links than were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRest {
    /// There are, behind the last one.
    More,
    /// There are none.
    None,
}

/// The answer about a link.
pub(super) fn answer(seen: &SeenLink, code: ResponseCode) -> Answer {
    let facts = LinkFacts {
        name: seen.link.name.clone(),
        url: seen.url.clone(),
        amount: seen.link.money().amount,
        status: seen.stand.status(),
        expires_at: seen.link.expires_at,
        openings: seen.openings.count,
    };
    Answer { link: Some(Box::new(facts)), ..Answer::bare(code) }
}

pub(super) async fn status(inner: &Inner, account: &Account, command: &LinkStatusCommand) -> Answer {
    match named(inner, account.merchant.id, &command.target).await {
        Ok(Some(seen)) => answer(&seen, STATUS_FOUND),
        Ok(None) => Answer::bare(PAYMENT_LINK_NOT_FOUND),
        Err(Refused { refusal, .. }) => {
            tracing::error!(detail = %refusal.detail, "CHECK_PAYMENT_LINK_STATUS could not be answered");
            Answer::bare(STATUS_FAILED)
        }
    }
}

/// The link behind a code.
pub(super) async fn behind(inner: &Inner, code: &str) -> Result<Option<SeenLink>, Refused> {
    let Some(id) = payment_link_in(inner, code).await? else { return Ok(None) };
    numbered(inner, id).await
}

/// The link with this number.
pub(super) async fn numbered(inner: &Inner, id: PaymentLinkId) -> Result<Option<SeenLink>, Refused> {
    let Some(stored) = inner.store.payment_link_by_id(id).await? else { return Ok(None) };
    see_stored(inner, stored).await.map(Some)
}

/// A merchant's link.
pub(super) async fn named(
    inner: &Inner,
    merchant: MerchantId,
    target: &LinkTarget,
) -> Result<Option<SeenLink>, Refused> {
    let Some(stored) = inner.store.payment_link(merchant, target).await? else { return Ok(None) };
    see_stored(inner, stored).await.map(Some)
}

/// A merchant's links.
pub(super) async fn list(
    inner: &Inner,
    account: &Account,
    merchant_reference: Option<&str>,
    before: Option<PaymentLinkId>,
    limit: usize,
) -> Result<LinkPage, Refused> {
    let filter = PaymentLinkFilter {
        merchant: account.merchant.id,
        merchant_reference: merchant_reference.map(str::to_owned),
        before,
        // One more than is told shows whether there are more.
        limit: limit.saturating_add(1),
    };
    let mut stored = inner.store.payment_links(&filter).await?;
    let rest = if stored.len() > limit { LinkRest::More } else { LinkRest::None };
    stored.truncate(limit);
    let mut links = Vec::with_capacity(stored.len());
    for one in stored {
        links.push(see_stored(inner, one).await?);
    }
    Ok(LinkPage { links, rest })
}

/// A stored link with all that belongs to it.
pub(super) async fn see_stored(inner: &Inner, stored: StoredPaymentLink) -> Result<SeenLink, Refused> {
    let Some(account) = inner.directory.by_id(stored.link.merchant).await? else {
        let detail = "a payment link's merchant is not there";
        return Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail).into());
    };
    see(inner, account, stored).await
}

/// A link with all that belongs to it.
pub(super) async fn see(inner: &Inner, account: Arc<Account>, stored: StoredPaymentLink) -> Result<SeenLink, Refused> {
    let StoredPaymentLink { link, openings } = stored;
    let target = OrderTarget::Reference(link.merchant_reference.clone());
    let holder = inner.store.order(link.merchant, &target).await?.map(|stored| stored.order);
    let own = holder.as_ref().map(|order| order.fort_id).filter(|fort_id| link.order == Some(*fort_id));
    let story = match own {
        Some(fort_id) => inner.store.story(fort_id).await?,
        None => None,
    };
    // The order of the story is the one that its operations fit.
    let order = story.as_ref().map(|story| story.order.clone()).or(holder);
    let operations = story.map(|Story { operations, .. }| operations).unwrap_or_default();
    let seen_at = inner.clock.now();
    let tries = u8::try_from(operations.iter().filter(|told| is_try(told)).count()).unwrap_or(u8::MAX);
    let code = payment_link_code(inner, link.id).await?;
    let url = address_of(inner, &code)?;
    let stand = link.stand(order.as_ref(), tries, seen_at);
    let paid_at = operations.iter().find_map(approved_at);
    Ok(SeenLink { account, link, openings, order, tries, paid_at, stand, code, url, seen_at })
}

/// Whether an operation is a card that a customer has tried; a cancel and the end of the time are none.
pub(super) fn is_try(told: &StoryOperation) -> bool {
    told.operation.kind.begins() && !told.outcomes.first().is_some_and(|outcome| leaves_the_tries(outcome.event))
}

/// Whether it ends a page without a card having been tried.
pub(super) const fn leaves_the_tries(event: OperationEvent) -> bool {
    matches!(event, OperationEvent::Cancelled | OperationEvent::Abandoned)
}

fn approved_at(told: &StoryOperation) -> Option<Timestamp> {
    let approved = |state| state == OperationState::Approved;
    let mut outcomes = told.outcomes.iter().filter(|outcome| told.operation.kind.begins() && approved(outcome.state));
    outcomes.next().map(|outcome| outcome.at)
}

/// The address of a link.
pub(super) async fn address(inner: &Inner, id: PaymentLinkId) -> Result<String, Refused> {
    let code = payment_link_code(inner, id).await?;
    Ok(address_of(inner, &code)?)
}

fn address_of(inner: &Inner, code: &LinkCode) -> Result<String, Refusal> {
    Ok(format!("{}/pay/{}", public_url(inner)?, code.as_str()))
}

fn public_url(inner: &Inner) -> Result<&str, Refusal> {
    let missing = || {
        let detail = "payment links need the gateway's public address: set server.public_url";
        Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail)
    };
    inner.public_url.get().map(String::as_str).ok_or_else(missing)
}
