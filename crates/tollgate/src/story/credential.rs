//! What a payment had to do with a card that is kept, and with an agreement, for people and for machines.

use serde_json::{Value, json};
use tollgate_core::agreement::AgreementRole;
use tollgate_core::credential::{CredentialTurn, CredentialUse, Initiator, OrderCredential, StoredCredential};
use tollgate_core::shown::harmless;

/// Prints it.
pub(super) fn print(credential: &OrderCredential) {
    let told = &credential.told;
    println!("  {:<20}{}, {}, {}", "kept card", by_words(told), turn_words(told), use_words(told));
    match (&told.original, told.by) {
        (Some(original), _) => {
            println!("  {:<20}{original}, as the network named the customer's own", "  goes back to")
        }
        (None, Initiator::Merchant) => {
            println!("  {:<20}no payment that the network has named (its interim rule)", "  goes back to");
        }
        (None, Initiator::Customer) => {}
    }
    if let Some(agreement) = &credential.agreement {
        let role = match (agreement.role, agreement.due()) {
            (AgreementRole::Opens, _) => "opened by its success".to_owned(),
            (AgreementRole::Charges, None) => "charged".to_owned(),
            (AgreementRole::Charges, Some(due)) => {
                format!("charged by the gateway: due {}, attempt {}", due.due_day, due.attempt)
            }
        };
        println!("  {:<20}{} ({role})", "agreement", harmless(&agreement.id));
    }
}

/// It for machines.
pub(super) fn to_json(credential: &OrderCredential) -> Value {
    let told = &credential.told;
    let due = credential.agreement.as_ref().and_then(|agreement| agreement.due());
    json!({
        "initiator": told.by,
        "turn": told.turn,
        "used_for": told.used_for,
        "original_network_transaction_id": told.original,
        "agreement_id": credential.agreement.as_ref().map(|agreement| &agreement.id),
        "agreement": credential.agreement.as_ref().map(|agreement| agreement.role),
        "due_day": due.map(|due| due.due_day.to_string()),
        "due_attempt": due.map(|due| due.attempt),
    })
}

const fn by_words(told: &StoredCredential) -> &'static str {
    match told.by {
        Initiator::Customer => "begun by the customer (CIT)",
        Initiator::Merchant => "begun by the merchant (MIT)",
    }
}

const fn turn_words(told: &StoredCredential) -> &'static str {
    match told.turn {
        CredentialTurn::Initial => "first",
        CredentialTurn::Subsequent => "later",
    }
}

const fn use_words(told: &StoredCredential) -> &'static str {
    match told.used_for {
        CredentialUse::Recurring => "recurring",
        CredentialUse::StandingOrder => "standing order",
        CredentialUse::Unscheduled => "unscheduled",
    }
}
