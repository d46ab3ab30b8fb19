//! Payment links: what merchants do with them, and what customers do at them.
//!
//! Looking at a link changes nothing but a count. A customer who goes on begins the checkout of an open order, as a form
//! of redirection does, and so the reference is claimed where every other way to pay claims it.

mod begin;
mod change;
mod create;
mod seen;
pub(crate) mod tell;
pub(crate) mod watch;

pub use begin::LinkWay;
pub(crate) use create::LinkFor;
pub use seen::{LinkCode, LinkPage, LinkRest, SeenLink};
pub use tell::MessageWays;

use crate::directory::Account;
use crate::gateway::{Gateway, Refused};
use std::net::IpAddr;
use std::sync::Arc;
use tollgate_core::answer::Answer;
use tollgate_core::batch::BatchRowId;
use tollgate_core::message::{MessageAbout, MessageKind};
use tollgate_core::payment_link::{
    LinkStatusCommand, LinkTarget, PaymentLinkCommand, PaymentLinkId, UpdateLinkCommand,
};
use tollgate_store::{MessageFilter, MessageRow, StoreError};

impl Gateway {
    /// PAYMENT_LINK.
    ///
    /// # Errors
    /// When it is refused, and nothing was kept.
    pub async fn create_payment_link(
        &self,
        account: &Arc<Account>,
        access_code: &str,
        command: &PaymentLinkCommand,
    ) -> Result<Answer, Refused> {
        create::create(&self.inner, account, access_code, command, LinkFor::Call).await
    }

    /// The same for a row of a batch.
    ///
    /// # Errors
    /// When it is refused, and nothing was kept. [`tollgate_core::code::refused::STILL_PROCESSING`] by our own fault where the row has its
    /// result already, or nobody knows whether it has.
    pub(crate) async fn create_link_of_row(
        &self,
        account: &Arc<Account>,
        access_code: &str,
        command: &PaymentLinkCommand,
        row: BatchRowId,
    ) -> Result<Answer, Refused> {
        create::create(&self.inner, account, access_code, command, LinkFor::Row(row)).await
    }

    /// The address of a link, for its customer. It is made anew each time: nothing that is kept holds it.
    ///
    /// # Errors
    /// When the gateway has no public address, or the vault fails.
    pub async fn payment_link_address(&self, id: PaymentLinkId) -> Result<String, Refused> {
        seen::address(&self.inner, id).await
    }

    /// CHECK_PAYMENT_LINK_STATUS.
    pub async fn check_payment_link(&self, account: &Account, command: &LinkStatusCommand) -> Answer {
        seen::status(&self.inner, account, command).await
    }

    /// UPDATE_PAYMENT_LINK.
    ///
    /// # Errors
    /// When it is refused, and nothing was changed.
    pub async fn update_payment_link(&self, account: &Account, command: &UpdateLinkCommand) -> Result<Answer, Refused> {
        change::update(&self.inner, account, command).await
    }

    /// The link behind a code in an address, as it stands; `None` where there is none, or the code is not ours.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn payment_link(&self, code: &str) -> Result<Option<SeenLink>, Refused> {
        seen::behind(&self.inner, code).await
    }

    /// A merchant's link, as it stands.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn payment_link_of(&self, account: &Account, target: &LinkTarget) -> Result<Option<SeenLink>, Refused> {
        seen::named(&self.inner, account.merchant.id, target).await
    }

    /// A merchant's links, newest first, at most `limit`: all, or those of one reference; those made before `before`.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn payment_links(
        &self,
        account: &Account,
        merchant_reference: Option<&str>,
        before: Option<PaymentLinkId>,
        limit: usize,
    ) -> Result<LinkPage, Refused> {
        seen::list(&self.inner, account, merchant_reference, before, limit).await
    }

    /// The link with this number, as it stands.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn payment_link_numbered(&self, id: PaymentLinkId) -> Result<Option<SeenLink>, Refused> {
        seen::numbered(&self.inner, id).await
    }

    /// What was sent, or is to be sent, about a link, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn payment_link_messages(&self, id: PaymentLinkId, limit: usize) -> Result<Vec<MessageRow>, StoreError> {
        let about = Some(MessageAbout::PaymentLink(id));
        self.inner.store.messages(&MessageFilter { about, rows_max: limit, ..MessageFilter::default() }).await
    }

    /// Counts that a customer has opened a link. What cannot be counted is lost: nobody waits for a count.
    pub async fn count_link_opening(&self, seen: &SeenLink) {
        let at = self.now();
        let is_first = seen.openings.count == 0;
        let first = is_first.then(|| tell::notice(&seen.account, &seen.link, MessageKind::LinkOpened, 0, at)).flatten();
        match self.inner.store.note_link_opened(seen.link.id, at, first).await {
            Ok(()) if first.is_some() => self.inner.messages_wanted.notify_one(),
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the opening of a payment link could not be counted"),
        }
    }

    /// A customer goes on from a link to pay, from this address where it is known; `None` where there is no such link.
    ///
    /// # Errors
    /// When the merchant may not be paid so, or the store or the vault fails. Nothing was begun.
    pub async fn begin_payment_link(&self, code: &str, customer: Option<IpAddr>) -> Result<Option<LinkWay>, Refused> {
        begin::begin(&self.inner, code, customer).await
    }
}
