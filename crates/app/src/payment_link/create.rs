//! PAYMENT_LINK.

use super::seen::{answer, see};
use super::tell;
use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::pay::row_taken;
use std::sync::Arc;
use tollgate_core::answer::Answer;
use tollgate_core::batch::BatchRowId;
use tollgate_core::code::{PAYMENT_LINK_DONE, PAYMENT_LINK_FAILED, refused};
use tollgate_core::decide;
use tollgate_core::message::MessageKind;
use tollgate_core::payment_link::{Openings, PAYMENT_LINK_CHARS_MAX, PaymentLinkCommand, PaymentLinkId};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_store::{LinkAdded, NewPaymentLink, StoreError, StoredPaymentLink};

/// How often a new number is tried when one is taken, which happens only when a clock went back.
const NUMBER_TRIES_MAX: usize = 8;

/// Whom a link is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LinkFor {
    /// A call.
    Call,
    /// A row of a batch, which has its result in the commit that keeps the link.
    Row(BatchRowId),
}

pub(super) async fn create(
    inner: &Inner,
    account: &Arc<Account>,
    access_code: &str,
    command: &PaymentLinkCommand,
    made_for: LinkFor,
) -> Result<Answer, Refused> {
    let batch_row = match made_for {
        LinkFor::Call => None,
        LinkFor::Row(row) => Some(row),
    };
    for _ in 0..NUMBER_TRIES_MAX {
        let now = inner.clock.now();
        let id = PaymentLinkId(inner.next_number(now).0);
        let mut link = command.link(id, &account.merchant, access_code, now);
        if command.reminders.is_none() {
            link.reminders = account.merchant.terms.links.reminders.clone();
        }
        decide::payment_link(&account.merchant, command, &link, tell::ways(inner), now)?;
        let messages = tell::limited(inner, link.messages(MessageKind::Link, i64::from(link.version), now));
        let fresh = StoredPaymentLink { link: link.clone(), openings: Openings::default() };
        let seen = see(inner, Arc::clone(account), fresh).await?;
        if seen.url.len() > PAYMENT_LINK_CHARS_MAX {
            let detail =
                format!("server.public_url is too long: a payment link has {PAYMENT_LINK_CHARS_MAX} characters");
            return Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail).into());
        }
        let new = NewPaymentLink { link, batch_row, messages: messages.clone() };
        match inner.store.add_payment_link(new).await {
            Ok(LinkAdded::Added) => {
                tell::written(inner, &messages);
                return Ok(answer(&seen, PAYMENT_LINK_DONE));
            }
            Ok(LinkAdded::TooManyMessages(limit)) => return Err(tell::too_many(inner, limit).into()),
            Ok(LinkAdded::NumberTaken) => {}
            Ok(LinkAdded::RowTaken) => return Err(row_taken().into()),
            Ok(LinkAdded::NameTaken) => {
                let detail = "another payment link of the merchant has this payment_link_id";
                return Err(Refusal::request(refused::LINK_EXISTS, "payment_link_id", detail).into());
            }
            Ok(LinkAdded::ReferenceTaken(fort_id)) => {
                let detail = format!("merchant_reference is used up by order {fort_id}");
                return Err(Refusal::request(refused::REFERENCE_EXISTS, "merchant_reference", detail).into());
            }
            Ok(LinkAdded::ReferenceOpen(name)) => {
                let detail = format!("payment link {name} is open for this merchant_reference: close it first");
                return Err(Refusal::request(refused::LINK_OPEN, "merchant_reference", detail).into());
            }
            Err(StoreError::InDoubt(reason)) => {
                tracing::error!(reason, "whether a payment link was written is not known");
                if batch_row.is_some() {
                    // The row tells: it is looked at again, and either has its result or is still to be done.
                    return Err(row_taken().into());
                }
                return Ok(Answer::bare(PAYMENT_LINK_FAILED));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let detail = "no free number was found: check the clock and the node numbers";
    Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail).into())
}
