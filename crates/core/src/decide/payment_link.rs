//! What a merchant may do with payment links.

use super::{free_of_card_numbers, open_page, taken_currency, within_limit};
use crate::code::refused as code;
use crate::merchant::Merchant;
use crate::money::Money;
use crate::payment_link::{
    LinkEnd, LinkStand, PAYMENT_LINK_DAYS_MAX, PaymentLink, PaymentLinkCommand, UpdateLinkCommand,
};
use crate::refusal::{Guilty, Refusal};
use crate::time::Timestamp;

/// Milliseconds in a day.
const DAY_MS: u64 = 86_400_000;

/// Judges PAYMENT_LINK. `link` is what the command asks for. Whether its id or its reference is used up the store says
/// when it keeps it.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn payment_link(
    merchant: &Merchant,
    command: &PaymentLinkCommand,
    link: &PaymentLink,
    now: Timestamp,
) -> Result<(), Refusal> {
    free_of_card_numbers("payment_link_id", Some(&link.name))?;
    can_be_told(command)?;
    ends_in_time(command.expires_at, now)?;
    open_page(merchant, &link.payment(&merchant.merchant_identifier), None, now)
}

/// Judges UPDATE_PAYMENT_LINK of a link that stands like this: the link as it shall be, one version on.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn update_payment_link(
    merchant: &Merchant,
    link: &PaymentLink,
    stand: LinkStand,
    command: &UpdateLinkCommand,
    now: Timestamp,
) -> Result<PaymentLink, Refusal> {
    asks_for_something(command)?;
    can_be_changed(stand, command)?;
    let mut changed = PaymentLink { version: link.version.saturating_add(1), ..link.clone() };
    if let Some(amount) = command.amount.filter(|amount| *amount != link.money().amount) {
        follows_from_no_invoice(link)?;
        no_payment_begun(link)?;
        let money = Money { amount, currency: link.currency };
        taken_currency(&merchant.terms, money)?;
        within_limit(&merchant.terms, money)?;
        changed.amount_minor = amount.minor();
    }
    if let Some(expires_at) = command.expires_at {
        ends_in_time(expires_at, now)?;
        changed.expires_at = expires_at;
    }
    if command.end == Some(LinkEnd::Close) {
        changed.closed_at = Some(now);
    }
    if let Some(email) = &command.customer_email {
        changed.customer.email.clone_from(email);
    }
    changed.customer.name = command.customer_name.clone().or(changed.customer.name);
    changed.customer.phone = command.customer_phone.clone().or(changed.customer.phone);
    Ok(changed)
}

/// Nobody sends mails or text messages yet, and a merchant who counts on one must not believe that it was sent.
fn can_be_told(command: &PaymentLinkCommand) -> Result<(), Refusal> {
    if command.notifications.is_empty() {
        return Ok(());
    }
    let detail = "no provider for mails and text messages is set up: send notification_type=NONE, and give the customer \
                  the address yourself";
    Err(Refusal::of(code::INACTIVE_NOTIFICATION, Guilty::MerchantConfiguration, detail).at("notification_type"))
}

fn ends_in_time(expires_at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if expires_at <= now {
        let detail = "request_expiry_date does not lie in the future";
        return Err(Refusal::request(code::VALUE_NOT_ALLOWED, "request_expiry_date", detail));
    }
    if expires_at > now.plus_ms(PAYMENT_LINK_DAYS_MAX * DAY_MS) {
        let detail = format!("a payment link ends within {PAYMENT_LINK_DAYS_MAX} days");
        return Err(Refusal::request(code::VALUE_NOT_ALLOWED, "request_expiry_date", detail));
    }
    Ok(())
}

fn asks_for_something(command: &UpdateLinkCommand) -> Result<(), Refusal> {
    let UpdateLinkCommand { target: _, amount, expires_at, end, customer_email, customer_name, customer_phone } =
        command;
    let customer = customer_email.is_some() || customer_name.is_some() || customer_phone.is_some();
    if amount.is_some() || expires_at.is_some() || end.is_some() || customer {
        return Ok(());
    }
    let detail = "it changes nothing: send amount, request_expiry_date, payment_link_status or customer details";
    Err(Refusal::request(code::MISSING_PARAMETER, "amount", detail))
}

/// A link whose time is over is changed only together with a new end, or closed.
fn can_be_changed(stand: LinkStand, command: &UpdateLinkCommand) -> Result<(), Refusal> {
    let refused = |code, detail: &'static str| Err(Refusal::request(code, "payment_link_id", detail));
    match stand {
        LinkStand::Open => Ok(()),
        LinkStand::Expired if command.expires_at.is_some() || command.end.is_some() => Ok(()),
        LinkStand::Expired => refused(code::LINK_EXPIRED, "its time is over: send a new request_expiry_date"),
        LinkStand::Paid => refused(code::LINK_PAID, "it is paid"),
        LinkStand::UnderWay => {
            refused(code::STILL_PROCESSING, "a payment is under way, or its outcome is not known yet")
        }
        LinkStand::Closed => refused(code::LINK_PROCESSED, "it is closed: make another one"),
        LinkStand::Used => refused(code::LINK_PROCESSED, "its reference was used by another way to pay"),
    }
}

/// What a customer was told line by line comes to what the lines come to.
fn follows_from_no_invoice(link: &PaymentLink) -> Result<(), Refusal> {
    if link.invoice.is_none() {
        return Ok(());
    }
    let detail = "the amount of an invoice is the total of its lines: close the link, and make another one";
    Err(Refusal::request(code::VALUE_NOT_ALLOWED, "amount", detail))
}

/// Whoever has seen an amount on the card form must not be charged another one.
fn no_payment_begun(link: &PaymentLink) -> Result<(), Refusal> {
    match link.order {
        None => Ok(()),
        Some(order) => {
            let detail = format!("a customer has begun to pay (order {order}): close the link, and make another one");
            Err(Refusal::request(code::LINK_PROCESSED, "amount", detail))
        }
    }
}
