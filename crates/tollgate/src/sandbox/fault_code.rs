//! Which behaviour of the card network makes the gateway answer which code.

use tollgate_core::code::{ResponseCode, UNCERTAIN, message, refused};
use tollgate_issuer::FaultOperation;

/// What the network has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The behaviour's name, as the network reads it.
    pub behaviour: String,
    /// The operation that the code belongs to; `None` when it belongs to any.
    pub operation: Option<FaultOperation>,
}

/// The status of success and of failure of each operation.
const STATUSES: [(u8, u8, FaultOperation); 5] = [
    (2, 3, FaultOperation::Authorize),
    (14, 13, FaultOperation::Purchase),
    (4, 5, FaultOperation::Capture),
    (6, 7, FaultOperation::Refund),
    (8, 9, FaultOperation::Void),
];

/// Field 39 that leads to a message of a decline; the inverse of `tollgate_core::apply::decline_message`.
const DECLINES: [(u16, &str); 5] = [
    (message::DECLINED, "05"),
    (message::INSUFFICIENT_FUNDS, "51"),
    (message::CARD_EXPIRED, "54"),
    (message::AUTHENTICATION_FAILED, "1A"),
    (message::FRAUD, "59"),
];

/// How the gateway itself comes to a code that no network can cause.
const OTHER_WAYS: [(u16, &str); 24] = [
    (1, "leave a mandatory parameter out"),
    (2, "send a value with characters that it may not have"),
    (3, "use a brand that the merchant does not take: `tollgate merchant set NAME --payment-options ...`"),
    (4, "send a command that does not exist"),
    (5, "send amount 0"),
    (8, "sign with another phrase; `tollgate sign --explain` shows what is told of it"),
    (9, "send another merchant_identifier"),
    (10, "send an access_code that no account has"),
    (12, "send an expiry_date in the past, or `tollgate clock advance` until it is"),
    (13, "send a currency that does not exist, or another one than the order's"),
    (15, "`tollgate merchant set NAME --active no`"),
    (16, "send a card number with a wrong check digit"),
    (23, "send a currency that the merchant does not take"),
    (27, "send card data for a merchant whose trusted channel is off, or `tollgate clock advance 2y` until it is"),
    (32, "send a value that is too long"),
    (33, "send a value that is none of those allowed, for example language=xx"),
    (34, "void what was captured, or capture what was voided"),
    (36, "name an order that does not exist"),
    (42, "capture more than is held"),
    (48, "refund more than was captured"),
    (66, "send a merchant_reference that is used up"),
    (73, "send a body that is no JSON"),
    (662, "capture an order that was declined"),
    (784, "`tollgate fault set --next 15777`, pay, and capture at once"),
];

/// The behaviour that makes the gateway answer `code`.
///
/// # Errors
/// When the network cannot cause it: how to get it instead.
pub fn plan(code: ResponseCode) -> Result<Plan, String> {
    if code == UNCERTAIN {
        return Ok(Plan { behaviour: "silent".to_owned(), operation: None });
    }
    if code == refused::TECHNICAL_PROBLEM {
        return Ok(Plan { behaviour: "decline:96".to_owned(), operation: None });
    }
    for (success, failure, operation) in STATUSES {
        if code.status() == success && code.message() == message::SUCCESS {
            return Ok(Plan { behaviour: "approve".to_owned(), operation: Some(operation) });
        }
        if code.status() == failure {
            let known = DECLINES.iter().find(|(message, _)| *message == code.message());
            let (_, network_code) = known.ok_or_else(|| not_of_the_network(code, failure))?;
            return Ok(Plan { behaviour: format!("decline:{network_code}"), operation: Some(operation) });
        }
    }
    let way = OTHER_WAYS.iter().find(|(message, _)| code.status() == 0 && *message == code.message());
    Err(match way {
        Some((_, way)) => format!("{code} is the gateway's own answer, which no card network causes. To get it: {way}"),
        None => format!(
            "{code} is no answer to AUTHORIZATION, PURCHASE, CAPTURE, REFUND or VOID_AUTHORIZATION that a card network \
             causes; docs/sandbox.md lists those that it does"
        ),
    })
}

fn not_of_the_network(code: ResponseCode, failure: u8) -> String {
    let possible: Vec<String> =
        DECLINES.iter().map(|(message, _)| ResponseCode::new(failure, *message).to_string()).collect();
    format!("no decline of a card network leads to {code}; these it can cause: {}", possible.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::apply::decline_message;

    #[test]
    fn each_decline_leads_back_to_its_message() {
        for (message, network_code) in DECLINES {
            assert_eq!(decline_message(network_code), message, "{network_code}");
        }
        assert_eq!(decline_message("96"), message::TECHNICAL_PROBLEM);
    }

    #[test]
    fn a_code_belongs_to_the_operation_of_its_status() {
        for (code, behaviour, operation) in [
            ("15777", "silent", None),
            ("00006", "decline:96", None),
            ("13666", "decline:05", Some(FaultOperation::Purchase)),
            ("03666", "decline:05", Some(FaultOperation::Authorize)),
            ("14000", "approve", Some(FaultOperation::Purchase)),
            ("09666", "decline:05", Some(FaultOperation::Void)),
        ] {
            let plan = plan(ResponseCode::parse(code).unwrap()).unwrap();
            assert_eq!((plan.behaviour.as_str(), plan.operation), (behaviour, operation), "{code}");
        }
    }

    #[test]
    fn what_no_network_causes_is_refused_with_a_way_to_it() {
        for (code, way) in [
            ("00008", "sign with another phrase"),
            ("00784", "fault set"),
            ("13777", "13666"),
            ("20064", "docs/sandbox.md"),
        ] {
            let said = plan(ResponseCode::parse(code).unwrap()).unwrap_err();
            assert!(said.contains(way), "{code}: {said}");
        }
    }
}
