//! Customers at the gateway's pages: what begins a checkout, what the customer can do at it, and how it ends.
//!
//! Looking at a checkout never changes anything; only what a customer sends does, and time.

mod authenticate;
mod before;
pub(crate) mod close;
mod follow;
mod link;
mod open;
mod past;
mod seen;
mod soft_decline;
mod submit;

pub use authenticate::ThreeDsEvent;
pub use link::CheckoutLink;
pub use seen::{SeenCheckout, Stage};

pub(crate) use before::{BeforePayment, before_payment};
pub(crate) use close::{Expiries, end_by_merchant};
pub(crate) use link::{link_to as checkout_link, payment_link_code, payment_link_in};
pub(crate) use open::{new as new_checkout, open_order};
pub(crate) use soft_decline::{Tried, may_follow};

use crate::directory::Account;
use crate::gateway::{Gateway, Refused};
use std::sync::Arc;
use tollgate_core::checkout::Typed;
use tollgate_core::command::{PayCommand, SafeParams, TokenizeCommand};
use tollgate_threeds::flow::{BrowserData, Reply};

impl Gateway {
    /// AUTHORIZATION or PURCHASE whose card the customer is to type on the gateway's page. A second request for the
    /// same order goes on with the first one's checkout.
    ///
    /// # Errors
    /// When it is refused, and nothing was kept.
    pub async fn open_payment_page(
        &self,
        account: &Account,
        access_code: &str,
        command: &PayCommand,
    ) -> Result<CheckoutLink, Refused> {
        open::payment(&self.inner, account, access_code, command).await
    }

    /// TOKENIZATION or CREATE_TOKEN whose card the customer is to type on the gateway's page.
    ///
    /// # Errors
    /// When it is refused, and nothing was kept.
    pub async fn open_token_page(
        &self,
        account: &Account,
        access_code: &str,
        command: &TokenizeCommand,
        params: &SafeParams,
    ) -> Result<CheckoutLink, Refused> {
        open::token(&self.inner, account, access_code, command, params).await
    }

    /// The checkout behind a link, as it stands; `None` where there is none, or the link is not ours.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn checkout(&self, link: &str) -> Result<Option<SeenCheckout>, Refused> {
        seen::look(&self.inner, link).await
    }

    /// Takes what a customer has typed, and what the browser is, where the form says it. Goes on to its end even when the caller stops waiting; afterwards the checkout
    /// tells where it stands.
    ///
    /// # Errors
    /// When it is refused: nothing was sent, and the customer may correct it. 00784 where the same page was sent a
    /// moment before.
    pub async fn submit_card(
        &self,
        seen: Arc<SeenCheckout>,
        typed: Typed,
        browser: Option<Box<BrowserData>>,
    ) -> Result<(), Refused> {
        submit::card(self, seen, typed, browser).await
    }

    /// Takes what happened to a customer's authentication; gives what the directory server is told, if it is told anything.
    ///
    /// # Errors
    /// When it is refused. 00784 where somebody else was faster at the same checkout.
    pub async fn three_ds_event(
        &self,
        seen: &Arc<SeenCheckout>,
        event: ThreeDsEvent,
    ) -> Result<Option<Reply>, Refused> {
        authenticate::happened(self, seen, event).await
    }

    /// The customer cancels, or comes back after the time is over. What is under way or over stays as it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn cancel_checkout(&self, seen: &SeenCheckout) -> Result<(), Refused> {
        close::cancel(&self.inner, seen).await
    }
}
