//! What payments of each e-commerce indicator may bring, and what opens an agreement.
//!
//! | `eci` | commands | card | security code | agreement |
//! |---|---|---|---|---|
//! | `ECOMMERCE` | both | card or token | needed with a card | `recurring_mode` opens one |
//! | `MOTO` | both | card or token | may be left out | opens none |
//! | `RECURRING` | PURCHASE | a token that its customer has paid with | none | `agreement_id` charges one |

use super::no_token_service;
use crate::agreement::{AgreementRule, Day};
use crate::bin::Brand;
use crate::code::refused as code;
use crate::command::{Eci, PayCommand, RememberMe};
use crate::merchant::{Terms, TokenService};
use crate::order::PayKind;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::token::Token;

/// Whether a payment of the payment API brings what goes with its indicator.
pub(super) fn fits_eci(terms: &Terms, command: &PayCommand, now: Timestamp) -> Result<(), Refusal> {
    match command.eci {
        Eci::Ecommerce => opens_well(terms, command, now),
        Eci::Moto => opens_nothing(command),
        Eci::Recurring => charges_well(terms, command),
    }
}

/// Whether a payment may come to the gateway's page: a customer is at a browser there.
pub(super) fn may_come_to_page(terms: &Terms, command: &PayCommand, now: Timestamp) -> Result<(), Refusal> {
    if command.eci != Eci::Ecommerce {
        let detail = "on the gateway's page a customer is present: eci is ECOMMERCE there";
        return Err(Refusal::request(code::NOT_FOR_ECI, "eci", detail));
    }
    opens_well(terms, command, now)
}

/// Whether the token of a charge was paid with by its customer before.
pub(super) fn paid_before(command: &PayCommand, token: Option<&Token>) -> Result<(), Refusal> {
    match token {
        Some(token) if command.eci == Eci::Recurring && token.first_payment.is_none() => {
            let detail = "the token's customer has never paid with it: an ECOMMERCE payment has to succeed before the \
                          first RECURRING one";
            Err(Refusal::request(code::NOT_FOR_ECI, "token_name", detail))
        }
        _ => Ok(()),
    }
}

/// mada and Meeza are for customers at a browser alone.
pub(super) fn brand_fits_eci(command: &PayCommand, brand: Brand) -> Result<(), Refusal> {
    if command.eci == Eci::Ecommerce || !brand.is_purchase_only() {
        return Ok(());
    }
    let detail = format!("{brand} takes ECOMMERCE payments only");
    Err(Refusal::request(code::NOT_VALID_FOR_OPTION, "eci", detail))
}

/// What a payment says of an agreement that it would open.
fn opens_well(terms: &Terms, command: &PayCommand, now: Timestamp) -> Result<(), Refusal> {
    let wish = &command.recurring;
    let Some(mode) = wish.mode else { return Ok(()) };
    if terms.tokens == TokenService::Off {
        return Err(no_token_service().at("recurring_mode"));
    }
    if command.remember_me == Some(RememberMe::No) {
        let detail = "an agreement needs the card to be kept, which remember_me NO forbids";
        return Err(Refusal::request(code::CONTRADICTING_PARAMETERS, "remember_me", detail));
    }
    match wish.charges_max {
        None if mode.is_counted() => {
            let detail = format!("recurring_mode {} needs the number of charges", mode.name());
            return Err(Refusal::request(code::MISSING_PARAMETER, "recurring_transactions_count", detail));
        }
        Some(0) => {
            let detail = "an agreement without a charge is none";
            return Err(Refusal::request(code::VALUE_NOT_ALLOWED, "recurring_transactions_count", detail));
        }
        _ => {}
    }
    if wish.last_day.is_some_and(|last| last < Day::of(now)) {
        let detail = "the agreement's last day lies in the past";
        return Err(Refusal::request(code::VALUE_NOT_ALLOWED, "recurring_expiry_date", detail));
    }
    Ok(())
}

/// An agreement goes back to a customer who was at a browser.
fn opens_nothing(command: &PayCommand) -> Result<(), Refusal> {
    if command.recurring.mode.is_none() {
        return Ok(());
    }
    let detail = "an agreement is opened by an ECOMMERCE payment";
    Err(Refusal::request(code::NOT_FOR_ECI, "recurring_mode", detail))
}

/// What a charge without the customer may bring.
fn charges_well(terms: &Terms, command: &PayCommand) -> Result<(), Refusal> {
    if command.kind != PayKind::Purchase {
        return Err(Refusal::request(code::NOT_FOR_ECI, "eci", "RECURRING payments are PURCHASEs"));
    }
    if command.card.is_some() || command.encrypted_card.is_some() {
        let detail = "a RECURRING payment is made with a token: card data does not go with it";
        return Err(Refusal::request(code::CONTRADICTING_PARAMETERS, "card_number", detail));
    }
    if command.token_security_code.is_some() {
        let detail = "nobody can have been asked for a security code in a RECURRING payment";
        return Err(Refusal::request(code::CONTRADICTING_PARAMETERS, "card_security_code", detail));
    }
    if command.token_name.is_none() {
        let detail = "a RECURRING payment is made with a token";
        return Err(Refusal::request(code::MISSING_PARAMETER, "token_name", detail));
    }
    if terms.recurring.agreement == AgreementRule::Required && command.recurring.agreement_id.is_none() {
        let detail = "this merchant's RECURRING payments have to name their agreement";
        return Err(Refusal::request(code::MISSING_PARAMETER, "agreement_id", detail));
    }
    Ok(())
}
