//! What a merchant may do with payment links.

use super::{free_of_card_numbers, open_page, taken_currency, within_limit};
use crate::code::refused as code;
use crate::link_notice::international_phone;
use crate::merchant::Merchant;
use crate::money::Money;
use crate::payment_link::{
    LinkCustomer, LinkEnd, LinkNotification, LinkStand, PAYMENT_LINK_DAYS_MAX, PaymentLink, PaymentLinkCommand,
    UpdateLinkCommand,
};
use crate::refusal::{Guilty, Refusal};
use crate::time::Timestamp;

/// Milliseconds in a day.
const DAY_MS: u64 = 86_400_000;

/// Judges PAYMENT_LINK. `link` is what the command asks for. Whether its id or its reference is used up the store says
/// when it keeps it. `ways` are those by which this gateway can tell customers.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn payment_link(
    merchant: &Merchant,
    command: &PaymentLinkCommand,
    link: &PaymentLink,
    ways: &[LinkNotification],
    now: Timestamp,
) -> Result<(), Refusal> {
    free_of_card_numbers("payment_link_id", Some(&link.name))?;
    can_be_told(&link.notifications, &link.customer, ways)?;
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
    ways: &[LinkNotification],
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
    if let Some(notify) = &command.notify {
        can_be_told(notify, &changed.customer, ways)?;
        changed.notifications.clone_from(notify);
    }
    Ok(changed)
}

/// A merchant who counts on a mail or a text message must not believe that one was sent that nobody can send.
fn can_be_told(wanted: &[LinkNotification], customer: &LinkCustomer, ways: &[LinkNotification]) -> Result<(), Refusal> {
    for way in wanted {
        match (way, &customer.phone) {
            (LinkNotification::Email, _) if !is_mail_address(&customer.email) => {
                let detail = "it is no mail address that a message can be sent to";
                return Err(Refusal::request(code::INVALID_FORMAT, "customer_email", detail));
            }
            (LinkNotification::Email, _) => {}
            (LinkNotification::Sms, None) => {
                let detail = "a text message needs the customer's telephone number";
                return Err(Refusal::request(code::MISSING_PARAMETER, "customer_phone", detail));
            }
            (LinkNotification::Sms, Some(phone)) if international_phone(phone).is_none() => {
                let detail = "a text message needs the number with 00 and the country's code, as 00962797219966";
                return Err(Refusal::request(code::INVALID_FORMAT, "customer_phone", detail));
            }
            (LinkNotification::Sms, Some(_)) => {}
        }
    }
    match wanted.iter().find(|way| !ways.contains(way)) {
        None => Ok(()),
        Some(way) => {
            let (what, section) = match way {
                LinkNotification::Email => ("mails", "[mail]"),
                LinkNotification::Sms => ("text messages", "[sms]"),
            };
            let detail = format!(
                "this gateway sends no {what}: {section} is not set in its configuration. Send notification_type=NONE, and \
                 give the customer the address yourself"
            );
            Err(Refusal::of(code::INACTIVE_NOTIFICATION, Guilty::MerchantConfiguration, detail).at("notification_type"))
        }
    }
}

/// Whether it has the shape of an address in a public domain; whether somebody reads it nobody can tell before.
fn is_mail_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_dotted = |text: &str| !text.is_empty() && text.split('.').all(|label| !label.is_empty());
    let is_local = local.len() <= 64 && is_dotted(local);
    let is_domain = is_dotted(domain) && domain.contains('.') && !domain.starts_with('-') && !domain.ends_with('-');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+');
    is_local && is_domain && text.len() <= 254 && local.bytes().all(is_plain) && domain.bytes().all(is_plain)
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
    let UpdateLinkCommand { target: _, amount, expires_at, end, customer_email, customer_name, customer_phone, notify } =
        command;
    let customer = customer_email.is_some() || customer_name.is_some() || customer_phone.is_some();
    if amount.is_some() || expires_at.is_some() || end.is_some() || customer || notify.is_some() {
        return Ok(());
    }
    let detail = "it changes nothing: send amount, request_expiry_date, payment_link_status, notification_type or customer details";
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
