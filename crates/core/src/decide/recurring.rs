//! What payments of each e-commerce indicator may bring, and what opens an agreement.
//!
//! | `eci` | commands | card | security code | agreement |
//! |---|---|---|---|---|
//! | `ECOMMERCE` | both | card or token | needed with a card | `recurring_mode` opens one |
//! | `MOTO` | both | card or token | may be left out | opens none |
//! | `RECURRING` | PURCHASE | a token that its customer has paid with | none | `agreement_id` charges one |

use super::{no_token_service, within_limit};
use crate::agreement::{AgreementRule, Day, RecurringMode, RecurringWish};
use crate::billing::BillingCycle;
use crate::bin::Brand;
use crate::code::refused as code;
use crate::command::{Eci, PayCommand, RememberMe, UpdateAgreementCommand};
use crate::merchant::{Terms, TokenService};
use crate::money::Money;
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
    let Some(mode) = wish.mode else { return opens_no_schedule(command) };
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
    schedules_well(terms, command, mode, now)
}

/// The parameters of charges that the gateway begins by itself.
const SCHEDULE: [&str; 3] = ["recurring_billing_cycle", "recurring_first_charge_date", "recurring_amount"];

/// Whoever sends a billing cycle counts on being charged for: it is no parameter to pass over.
fn opens_no_schedule(command: &PayCommand) -> Result<(), Refusal> {
    match SCHEDULE.into_iter().find(|name| command.params.get(name).is_some()) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("{name} belongs to an agreement, which recurring_mode opens");
            Err(Refusal::request(code::MISSING_PARAMETER, "recurring_mode", detail))
        }
    }
}

/// What a payment says of the charges that the gateway shall begin by itself.
fn schedules_well(terms: &Terms, command: &PayCommand, mode: RecurringMode, now: Timestamp) -> Result<(), Refusal> {
    let wish = &command.recurring;
    let Some(text) = command.params.get("recurring_billing_cycle") else {
        let beside = SCHEDULE.into_iter().find(|name| command.params.get(name).is_some());
        let Some(name) = beside else { return Ok(()) };
        let detail = format!("{name} is about charges of the gateway's, which need their billing cycle");
        return Err(Refusal::request(code::MISSING_PARAMETER, "recurring_billing_cycle", detail));
    };
    if let Err(error) = BillingCycle::parse(text) {
        return Err(Refusal::request(code::VALUE_NOT_ALLOWED, "recurring_billing_cycle", error.to_string()));
    }
    if mode == RecurringMode::Unscheduled {
        let detail = "UNSCHEDULED is an agreement without times: a billing cycle goes with FIXED or VARIABLE";
        return Err(Refusal::request(code::CONTRADICTING_PARAMETERS, "recurring_billing_cycle", detail));
    }
    charges_first_in_time(wish, terms.recurring.time_zone.day(now))?;
    has_charge_amount(terms, command, mode)
}

fn charges_first_in_time(wish: &RecurringWish, today: Day) -> Result<(), Refusal> {
    let refused =
        |detail: &'static str| Err(Refusal::request(code::VALUE_NOT_ALLOWED, "recurring_first_charge_date", detail));
    match (wish.first_day, wish.last_day) {
        (Some(first), _) if first <= today => {
            refused("the first charge comes after the day of the payment, in the account's time zone")
        }
        (Some(first), Some(last)) if first > last => refused("the agreement ends before its first charge"),
        _ => Ok(()),
    }
}

/// Of a FIXED agreement the first payment is one of the equal ones, unless a trial comes first.
fn has_charge_amount(terms: &Terms, command: &PayCommand, mode: RecurringMode) -> Result<(), Refusal> {
    let Some(amount) = command.recurring.charge_amount else { return Ok(()) };
    let refused = |detail: &'static str| Err(Refusal::request(code::INVALID_AMOUNT, "recurring_amount", detail));
    if amount.minor() == 0 {
        return refused("a charge is above zero");
    }
    let is_trial = command.recurring.first_day.is_some();
    if mode == RecurringMode::Fixed && !is_trial && amount != command.money.amount {
        return refused(
            "a FIXED agreement is charged what the first payment is, unless recurring_first_charge_date says that a trial comes first",
        );
    }
    let money = Money { amount, currency: command.money.currency };
    within_limit(terms, money).map_err(|refusal| refusal.at("recurring_amount"))
}

/// Judges UPDATE_AGREEMENT by the account alone; `money` is the new amount, in the agreement's currency.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn update_agreement(terms: &Terms, command: &UpdateAgreementCommand, money: Option<Money>) -> Result<(), Refusal> {
    let UpdateAgreementCommand { agreement_id: _, status, amount, token_name, next_day } = command;
    if status.is_none() && amount.is_none() && token_name.is_none() && next_day.is_none() {
        let detail =
            "it changes nothing: send agreement_status, recurring_amount, token_name or recurring_next_charge_date";
        return Err(Refusal::request(code::MISSING_PARAMETER, "agreement_status", detail));
    }
    match money {
        None => Ok(()),
        Some(money) => within_limit(terms, money).map_err(|refusal| refusal.at("recurring_amount")),
    }
}

/// An agreement goes back to a customer who was at a browser.
fn opens_nothing(command: &PayCommand) -> Result<(), Refusal> {
    if command.recurring.mode.is_none() {
        return opens_no_schedule(command);
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
    if let Some(name) = SCHEDULE.into_iter().find(|name| command.params.get(name).is_some()) {
        let detail = "a charge changes nothing of its agreement: UPDATE_AGREEMENT does";
        return Err(Refusal::request(code::NOT_FOR_ECI, name, detail));
    }
    if terms.recurring.agreement == AgreementRule::Required && command.recurring.agreement_id.is_none() {
        let detail = "this merchant's RECURRING payments have to name their agreement";
        return Err(Refusal::request(code::MISSING_PARAMETER, "agreement_id", detail));
    }
    Ok(())
}
