//! A customer goes from a payment link to the card form.

use super::seen::{SeenLink, behind};
use crate::checkout::{CheckoutLink, checkout_link, new_checkout, open_order};
use crate::gateway::{Inner, Refused};
use std::net::IpAddr;
use tollgate_core::checkout::{Checkout, CheckoutId, PayWish, Purpose};
use tollgate_core::code::refused;
use tollgate_core::command::SafeParams;
use tollgate_core::decide;
use tollgate_core::payment_link::{LinkStand, PaymentLink};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::Route;
use tollgate_store::{CheckoutOpened, LinkBegin, LinkBegun, NewCheckout};

/// How often a link is read again because it changed, or a number was taken.
const BEGIN_TRIES_MAX: usize = 8;

/// Where a customer goes on.
#[derive(Clone, Debug)]
pub enum LinkWay {
    /// At this checkout.
    Checkout(CheckoutLink),
    /// At the link itself, which tells why nothing can be paid by it now.
    Link,
}

pub(super) async fn begin(inner: &Inner, code: &str, customer: Option<IpAddr>) -> Result<Option<LinkWay>, Refused> {
    for _ in 0..BEGIN_TRIES_MAX {
        let Some(seen) = behind(inner, code).await? else { return Ok(None) };
        if seen.stand != LinkStand::Open {
            return Ok(Some(LinkWay::Link));
        }
        let begin = opened(inner, &seen, customer)?;
        let id = begin.opened.checkout.id;
        match inner.store.begin_payment_link(begin).await? {
            LinkBegun::Checkout(CheckoutOpened::Opened) => {
                return Ok(Some(LinkWay::Checkout(checkout_link(inner, id).await?)));
            }
            LinkBegun::Checkout(CheckoutOpened::GoesOn(checkout)) => {
                return Ok(Some(LinkWay::Checkout(checkout_link(inner, checkout.id).await?)));
            }
            // Somebody was faster: another customer at this link, whose card is under way, or another way to pay.
            LinkBegun::Checkout(CheckoutOpened::ReferenceTaken(_)) => return Ok(Some(LinkWay::Link)),
            LinkBegun::Checkout(CheckoutOpened::NumberTaken) | LinkBegun::Overtaken => {}
        }
    }
    let detail = "a payment link kept changing while a customer began to pay by it";
    Err(Refusal::of(refused::STILL_PROCESSING, Guilty::Us, detail).into())
}

/// The checkout that the customer begins, with its order.
fn opened(inner: &Inner, seen: &SeenLink, customer: Option<IpAddr>) -> Result<LinkBegin, Refusal> {
    let (merchant, link) = (&seen.account.merchant, &seen.link);
    if !merchant.active {
        let detail = "the account is switched off: `tollgate merchant set NAME --active yes` switches it on";
        return Err(Refusal::of(refused::INACTIVE_MERCHANT, Guilty::MerchantConfiguration, detail));
    }
    let now = inner.clock.now();
    let mut command = link.payment(&merchant.merchant_identifier);
    if let Some(customer) = customer {
        command.params.push(SafeParams::CUSTOMER_IP_SEEN, &customer.to_string());
    }
    decide::open_page(merchant, &command, None, now)?;
    let order = open_order(inner, merchant.id, &command, now);
    let purpose = Purpose::Pay(Box::new(PayWish::of(order.fort_id, &command, Route::PaymentLink)));
    let id = CheckoutId(order.fort_id.0);
    let checkout = Checkout {
        // As long as the link: only an authentication ends earlier.
        expires_at: link.expires_at,
        due_at: link.expires_at,
        payment_link: Some(link.id),
        tries: seen.tries,
        ..new_checkout(id, merchant.id, &link.access_code, purpose, &command.params, now)
    };
    let next = PaymentLink { version: link.version.saturating_add(1), ..link.clone() };
    Ok(LinkBegin { link: next, opened: NewCheckout { checkout, order: Some(Box::new(order)), card: None } })
}
