//! Numbers that this store keeps for enumerations which have none of their own. A number never
//! changes its meaning; new variants get new numbers.

use crate::failure::unreadable;
use tollgate_core::advice::RetryAdvice;
use tollgate_core::agreement::RecurringMode;
use tollgate_core::bin::Brand;
use tollgate_core::code::ResponseCode;
use tollgate_core::command::Eci;
use tollgate_core::feedback::Channel;
use tollgate_core::ident::{Rrn, Stan};
use tollgate_core::money::{Amount, Currency};
use tollgate_core::order::{OperationEvent, OperationKind, OperationState, PayKind, Phase, WayOut};
use tollgate_core::refusal::Guilty;
use tollgate_core::three_ds::AuthenticatedBy;
use tollgate_store::{FeedbackState, StoreError};

/// The number of a payment's kind.
pub(crate) fn pay_kind_number(kind: PayKind) -> i64 {
    match kind {
        PayKind::Authorization => 0,
        PayKind::Purchase => 1,
        // From 2 on verifications: the schema's indexes go by it.
        PayKind::VerifyAccount => 2,
        PayKind::VerifyByHold => 3,
    }
}

/// Reads [`pay_kind_number`].
pub(crate) fn pay_kind(number: i64) -> Result<PayKind, StoreError> {
    let kinds = [PayKind::Authorization, PayKind::Purchase, PayKind::VerifyAccount, PayKind::VerifyByHold];
    kinds.into_iter().find(|kind| pay_kind_number(*kind) == number).ok_or_else(|| unreadable("orders.kind"))
}

/// The number of a brand.
pub(crate) fn brand_number(brand: Brand) -> i64 {
    match brand {
        Brand::Visa => 0,
        Brand::Mastercard => 1,
        Brand::Amex => 2,
        Brand::Mada => 3,
        Brand::Meeza => 4,
    }
}

/// Reads [`brand_number`].
pub(crate) fn brand(number: i64) -> Result<Brand, StoreError> {
    Brand::ALL.into_iter().find(|brand| brand_number(*brand) == number).ok_or_else(|| unreadable("orders.brand"))
}

/// The number of who ran an authentication.
pub(crate) fn authenticated_by_number(by: AuthenticatedBy) -> i64 {
    match by {
        AuthenticatedBy::Gateway => 0,
        AuthenticatedBy::Merchant => 1,
    }
}

/// Reads [`authenticated_by_number`].
pub(crate) fn authenticated_by(number: i64) -> Result<AuthenticatedBy, StoreError> {
    let all = [AuthenticatedBy::Gateway, AuthenticatedBy::Merchant];
    all.into_iter()
        .find(|by| authenticated_by_number(*by) == number)
        .ok_or_else(|| unreadable("authentications.run_by"))
}

/// The number of an e-commerce indicator.
pub(crate) fn eci_number(eci: Eci) -> i64 {
    match eci {
        Eci::Ecommerce => 0,
        Eci::Moto => 1,
        Eci::Recurring => 2,
    }
}

/// Reads [`eci_number`].
pub(crate) fn eci(number: i64) -> Result<Eci, StoreError> {
    let all = [Eci::Ecommerce, Eci::Moto, Eci::Recurring];
    all.into_iter().find(|eci| eci_number(*eci) == number).ok_or_else(|| unreadable("orders.eci"))
}

/// Reads [`Channel::number`].
pub(crate) fn channel(number: i64) -> Result<Channel, StoreError> {
    u8::try_from(number).ok().and_then(Channel::from_number).ok_or_else(|| unreadable("orders.channel"))
}

/// Reads [`RetryAdvice::number`].
pub(crate) fn advice(number: i64) -> Result<RetryAdvice, StoreError> {
    u8::try_from(number).ok().and_then(RetryAdvice::from_number).ok_or_else(|| unreadable("outcomes.advice"))
}

/// The number of an agreement's mode.
pub(crate) fn recurring_mode_number(mode: RecurringMode) -> i64 {
    match mode {
        RecurringMode::Fixed => 0,
        RecurringMode::Variable => 1,
        RecurringMode::Unscheduled => 2,
    }
}

/// Reads [`recurring_mode_number`].
pub(crate) fn recurring_mode(number: i64) -> Result<RecurringMode, StoreError> {
    let found = RecurringMode::ALL.into_iter().find(|mode| recurring_mode_number(*mode) == number);
    found.ok_or_else(|| unreadable("agreements.mode"))
}

/// The number of the guilty.
pub(crate) fn guilty_number(guilty: Guilty) -> i64 {
    match guilty {
        Guilty::MerchantRequest => 0,
        Guilty::MerchantConfiguration => 1,
        Guilty::Cardholder => 2,
        Guilty::Issuer => 3,
        Guilty::AcquirerLink => 4,
        Guilty::Us => 5,
    }
}

/// Reads [`guilty_number`].
pub(crate) fn guilty(number: i64) -> Result<Guilty, StoreError> {
    let all = [
        Guilty::MerchantRequest,
        Guilty::MerchantConfiguration,
        Guilty::Cardholder,
        Guilty::Issuer,
        Guilty::AcquirerLink,
        Guilty::Us,
    ];
    all.into_iter().find(|guilty| guilty_number(*guilty) == number).ok_or_else(|| unreadable("refusals.guilty"))
}

/// Reads [`Phase::number`].
pub(crate) fn phase(number: i64) -> Result<Phase, StoreError> {
    u8::try_from(number).ok().and_then(Phase::from_number).ok_or_else(|| unreadable("orders.phase"))
}

/// Reads [`OperationKind::number`].
pub(crate) fn operation_kind(number: i64) -> Result<OperationKind, StoreError> {
    u8::try_from(number).ok().and_then(OperationKind::from_number).ok_or_else(|| unreadable("an operation's kind"))
}

/// Reads [`OperationState::number`].
pub(crate) fn operation_state(number: i64) -> Result<OperationState, StoreError> {
    u8::try_from(number).ok().and_then(OperationState::from_number).ok_or_else(|| unreadable("an operation's state"))
}

/// Reads [`OperationEvent::number`].
pub(crate) fn operation_event(number: i64) -> Result<OperationEvent, StoreError> {
    u8::try_from(number).ok().and_then(OperationEvent::from_number).ok_or_else(|| unreadable("outcomes.event"))
}

/// Reads [`WayOut::number`].
pub(crate) fn way_out(number: i64) -> Result<WayOut, StoreError> {
    u8::try_from(number).ok().and_then(WayOut::from_number).ok_or_else(|| unreadable("recoveries.way_out"))
}

/// Reads [`FeedbackState::number`].
pub(crate) fn feedback_state(number: i64) -> Result<FeedbackState, StoreError> {
    u8::try_from(number).ok().and_then(FeedbackState::from_number).ok_or_else(|| unreadable("feedbacks.state"))
}

/// Reads [`ResponseCode::number`].
pub(crate) fn response_code(number: i64) -> Result<ResponseCode, StoreError> {
    u32::try_from(number).ok().and_then(ResponseCode::from_number).ok_or_else(|| unreadable("a response code"))
}

/// Reads [`Currency::numeric`].
pub(crate) fn currency(number: i64) -> Result<Currency, StoreError> {
    u16::try_from(number).ok().and_then(Currency::from_numeric).ok_or_else(|| unreadable("a currency"))
}

/// An amount as it is kept.
pub(crate) fn amount_number(amount: Amount) -> i64 {
    // An amount has at most ten digits.
    i64::try_from(amount.minor()).unwrap_or(i64::MAX)
}

/// Reads [`amount_number`].
pub(crate) fn amount(number: i64) -> Result<Amount, StoreError> {
    u64::try_from(number).ok().and_then(Amount::from_minor).ok_or_else(|| unreadable("an amount"))
}

/// Reads [`Stan::number`].
pub(crate) fn stan(number: i64) -> Result<Stan, StoreError> {
    let number = u32::try_from(number).ok().filter(|number| (1..=999_999).contains(number));
    number.map(|number| Stan::folded(number - 1)).ok_or_else(|| unreadable("a STAN"))
}

/// Reads [`Rrn::as_str`].
pub(crate) fn rrn(text: &str) -> Result<Rrn, StoreError> {
    Rrn::parse(text).ok_or_else(|| unreadable("an RRN"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_currency_and_each_stan_reads_back() {
        for one in Currency::all() {
            assert_eq!(currency(i64::from(one.numeric())).unwrap(), one);
        }
        for number in [1, 2, 999_998, 999_999] {
            assert_eq!(i64::from(stan(number).unwrap().number()), number);
        }
        for number in [-1, 0, 1_000_000] {
            assert!(stan(number).is_err());
        }
    }

    #[test]
    fn an_unknown_number_is_corrupt_and_not_a_default() {
        assert!(matches!(brand(5), Err(StoreError::Corrupt(_))));
        assert!(matches!(phase(256), Err(StoreError::Corrupt(_))));
        assert!(matches!(amount(-1), Err(StoreError::Corrupt(_))));
        assert!(matches!(currency(0), Err(StoreError::Corrupt(_))));
    }
}
