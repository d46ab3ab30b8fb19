//! What an operation told the network of an authentication of the customer, for people and for machines. The value itself
//! is shown to nobody.

use serde_json::{Value, json};
use tollgate_core::three_ds::{AuthenticatedBy, Authentication, AuthenticationStatus};

/// Prints it.
pub(super) fn print(told: &Authentication) {
    println!("  {:<20}{} by {}", "3-D Secure", status_words(told.status), by_words(told.by));
    let eci = told.eci.as_deref().unwrap_or("not told");
    let version = told.version.as_deref().unwrap_or("not told");
    let value = if told.value.is_some() { "sent to the network, never shown" } else { "none" };
    for (what, words) in [("  ECI", eci), ("  version", version), ("  value", value)] {
        println!("  {what:<20}{words}");
    }
    for (what, number) in [("  DS transaction", &told.ds_transaction_id), ("  xid", &told.xid)] {
        if let Some(number) = number {
            println!("  {what:<20}{number}");
        }
    }
    println!("  {:<20}{}", "  liability", liability_words(told));
}

/// It for machines.
pub(super) fn to_json(told: &Authentication) -> Value {
    json!({
        "status": told.status,
        "result": status_words(told.status),
        "run_by": told.by,
        "eci": told.eci,
        "version": told.version,
        "ds_transaction_id": told.ds_transaction_id,
        "xid": told.xid,
        "value": if told.value.is_some() { "presented" } else { "none" },
        "liability_shifted": told.shifts_liability(),
        "liability": liability_words(told),
    })
}

const fn status_words(status: AuthenticationStatus) -> &'static str {
    match status {
        AuthenticationStatus::Authenticated => "the customer was authenticated (Y)",
        AuthenticationStatus::Attempted => "authentication was attempted (A)",
        AuthenticationStatus::NotAuthenticated => "the customer was not authenticated (N)",
        AuthenticationStatus::Unavailable => "authentication could not be carried out (U)",
        AuthenticationStatus::Rejected => "the issuer refused the payment (R)",
    }
}

const fn by_words(by: AuthenticatedBy) -> &'static str {
    match by {
        AuthenticatedBy::Gateway => "the gateway",
        AuthenticatedBy::Merchant => "the merchant's own MPI",
    }
}

fn liability_words(told: &Authentication) -> &'static str {
    match told.shifts_liability() {
        true => "shifted: the issuer bears the loss of a fraud",
        false => "not shifted: the merchant bears the loss of a fraud",
    }
}
