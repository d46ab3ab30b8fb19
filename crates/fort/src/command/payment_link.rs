//! PAYMENT_LINK, CHECK_PAYMENT_LINK_STATUS and UPDATE_PAYMENT_LINK.

use super::invoice::invoice;
use super::{Request, mandatory, moment, money, optional, safe_params};
use crate::message::Message;
use tollgate_core::code::refused;
use tollgate_core::link_notice::{REMINDERS_MAX, Reminders};
use tollgate_core::money::Amount;
use tollgate_core::order::PayKind;
use tollgate_core::payment_link::{
    LinkCustomer, LinkEnd, LinkNotification, LinkStatusCommand, LinkTarget, PaymentLinkCommand, UpdateLinkCommand,
};
use tollgate_core::refusal::Refusal;
use tollgate_core::time::Timestamp;

/// What is kept of a link is shown to customers and told to servers for months: only what may be.
pub(super) fn create(message: &Message) -> Result<Request, Refusal> {
    let safe = safe_params(message);
    let kept = |name: &str| safe.get(name).map(str::to_owned);
    let money = money(message)?;
    Ok(Request::PaymentLink(Box::new(PaymentLinkCommand {
        name: optional(message, "payment_link_id"),
        merchant_reference: mandatory(message, "merchant_reference")?,
        kind: match message.text("link_command").as_deref() {
            Some("AUTHORIZATION") => PayKind::Authorization,
            _ => PayKind::Purchase,
        },
        money,
        language: mandatory(message, "language")?,
        notifications: notifications(&mandatory(message, "notification_type")?)?,
        reminders: reminders(message)?,
        payment_option: kept("payment_option"),
        description: kept("order_description"),
        return_url: kept("return_url"),
        customer: LinkCustomer {
            email: kept("customer_email").unwrap_or_default(),
            name: kept("customer_name"),
            phone: kept("customer_phone"),
        },
        invoice: invoice(message, money)?,
        expires_at: end(message)?
            .ok_or_else(|| Refusal::request(refused::MISSING_PARAMETER, "request_expiry_date", "it was not sent"))?,
    })))
}

pub(super) fn status(message: &Message) -> Result<Request, Refusal> {
    Ok(Request::LinkStatus(Box::new(LinkStatusCommand { target: target(message)? })))
}

pub(super) fn update(message: &Message) -> Result<Request, Refusal> {
    let safe = safe_params(message);
    let kept = |name: &str| safe.get(name).map(str::to_owned);
    let amount = message.text("amount").map(|digits| {
        let refusal =
            || Refusal::request(refused::INVALID_AMOUNT, "amount", "an amount is 1 to 10 digits and above zero");
        Amount::parse_positive(&digits).ok_or_else(refusal)
    });
    Ok(Request::UpdateLink(Box::new(UpdateLinkCommand {
        target: target(message)?,
        amount: amount.transpose()?,
        expires_at: end(message)?,
        // The only values that the table lets through close it.
        end: message.text("payment_link_status").map(|_| LinkEnd::Close),
        customer_email: kept("customer_email"),
        customer_name: kept("customer_name"),
        customer_phone: kept("customer_phone"),
        notify: message.text("notification_type").map(|types| notifications(&types)).transpose()?,
    })))
}

fn end(message: &Message) -> Result<Option<Timestamp>, Refusal> {
    moment(message, "request_expiry_date")
}

/// `NONE` beats whatever is sent with it.
fn notifications(types: &str) -> Result<Vec<LinkNotification>, Refusal> {
    let read = |one: &str| match one {
        "EMAIL" => Ok(Some(LinkNotification::Email)),
        "SMS" => Ok(Some(LinkNotification::Sms)),
        "NONE" => Ok(None),
        _ => {
            let detail = "notification_type is EMAIL, SMS or NONE, or several of them with commas";
            Err(Refusal::request(refused::VALUE_NOT_ALLOWED, "notification_type", detail))
        }
    };
    let read: Vec<Option<LinkNotification>> = types.split(',').map(read).collect::<Result<_, _>>()?;
    let mut ways = Vec::new();
    for way in read.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default() {
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    Ok(ways)
}

/// `link_reminders`: when the customer is reminded, before the end.
fn reminders(message: &Message) -> Result<Option<Reminders>, Refusal> {
    let Some(text) = message.text("link_reminders") else { return Ok(None) };
    match Reminders::parse(&text) {
        Some(reminders) => Ok(Some(reminders)),
        None => {
            let detail = format!("write none, or up to {REMINDERS_MAX} times before the end such as 3d,1d,12h");
            Err(Refusal::request(refused::VALUE_NOT_ALLOWED, "link_reminders", detail))
        }
    }
}

fn target(message: &Message) -> Result<LinkTarget, Refusal> {
    match (optional(message, "payment_link_id"), optional(message, "merchant_reference")) {
        (Some(name), Some(reference)) => Ok(LinkTarget::Both(name, reference)),
        (Some(name), None) => Ok(LinkTarget::Name(name)),
        (None, Some(reference)) => Ok(LinkTarget::Reference(reference)),
        (None, None) => {
            let detail = "neither payment_link_id nor merchant_reference was sent";
            Err(Refusal::request(refused::MISSING_PARAMETER, "merchant_reference", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::service::Service;

    const WHOLE: [(&str, &str); 10] = [
        ("access_code", "AC"),
        ("merchant_identifier", "MI"),
        ("merchant_reference", "R-1"),
        ("amount", "1000"),
        ("currency", "KWD"),
        ("language", "ar"),
        ("customer_email", "a@b.c"),
        ("request_expiry_date", "2027-12-20T15:36:55+03:00"),
        ("notification_type", "NONE"),
        ("signature", "00"),
    ];

    fn parsed(fields: &[(&str, &str)]) -> Result<Request, Refusal> {
        let message = Message::from_json(&crate::client::json(fields)).unwrap();
        Request::parse(Service::of(&message)?, &message)
    }

    fn link(more: &[(&'static str, &'static str)]) -> Result<PaymentLinkCommand, Refusal> {
        let mut all = vec![("service_command", "PAYMENT_LINK")];
        all.extend(WHOLE.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name)));
        all.extend_from_slice(more);
        match parsed(&all)? {
            Request::PaymentLink(command) => Ok(*command),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_link_is_asked_for_by_either_name_of_the_service() {
        let command = link(&[("link_command", "AUTHORIZATION"), ("payment_link_id", "INV-1")]).unwrap();
        assert_eq!((command.kind, command.name.as_deref()), (PayKind::Authorization, Some("INV-1")));
        assert_eq!((command.money.to_string().as_str(), command.language.as_str()), ("1.000 KWD", "ar"));
        assert_eq!(command.expires_at.to_string(), "2027-12-20T12:36:55.000Z");
        let mut by_command = vec![("command", "PAYMENT_LINK")];
        by_command.extend(WHOLE);
        assert!(matches!(parsed(&by_command), Ok(Request::PaymentLink(_))));
        assert_eq!(link(&[]).unwrap().kind, PayKind::Purchase, "the default");
    }

    #[test]
    fn none_beats_the_other_notifications() {
        use LinkNotification::{Email, Sms};
        for (types, told) in [
            ("NONE", vec![]),
            ("SMS,EMAIL", vec![Sms, Email]),
            ("SMS,SMS,EMAIL,SMS", vec![Sms, Email]),
            ("EMAIL,NONE,SMS", vec![]),
        ] {
            assert_eq!(link(&[("notification_type", types)]).unwrap().notifications, told, "{types}");
        }
        for types in ["PIGEON", "SMS,", "NONE,PIGEON"] {
            let refusal = link(&[("notification_type", types)]).unwrap_err();
            assert_eq!(refusal.code, refused::VALUE_NOT_ALLOWED, "{types}");
        }
        assert_eq!(link(&[("notification_type", "none")]).unwrap_err().code, refused::INVALID_FORMAT);
    }

    #[test]
    fn nothing_of_a_link_holds_a_card_number() {
        let command = link(&[("order_description", "card 4005550000000001"), ("customer_name", "4005550000000001")]);
        let shown = format!("{:?}", command.unwrap());
        assert!(!shown.contains("4005550000000001"), "{shown}");
    }

    #[test]
    fn a_link_is_named_by_id_reference_or_both() {
        let ask = |fields: &[(&'static str, &'static str)]| {
            let mut all =
                vec![("query_command", "CHECK_PAYMENT_LINK_STATUS"), ("access_code", "A"), ("signature", "00")];
            all.extend_from_slice(fields);
            parsed(&all)
        };
        let (name, reference) = (("payment_link_id", "INV-1"), ("merchant_reference", "R"));
        for (fields, target) in [
            (vec![name], LinkTarget::Name("INV-1".into())),
            (vec![reference], LinkTarget::Reference("R".into())),
            (vec![reference, name], LinkTarget::Both("INV-1".into(), "R".into())),
        ] {
            match ask(&fields).unwrap() {
                Request::LinkStatus(command) => assert_eq!(command.target, target),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(ask(&[]).unwrap_err().code, refused::MISSING_PARAMETER);
    }
}
