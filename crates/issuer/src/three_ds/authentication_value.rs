//! The authentication value (CAVV, AAV, AEVV): what the ACS gives with a proof, and the host recognises.
//!
//! One byte says what was proved; 19 bytes of an HMAC bind that to the card, to the directory server's number of the
//! transaction, and to the money. The key is one of the ledger's file, so values outlive a restart.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use tollgate_core::card::{Pan, RevealPermit};
use tollgate_core::money::Currency;
use tollgate_core::three_ds::{AuthenticationStatus, AuthenticationValue};

/// The bytes of a value (EMVCo 3DS 2.2, `authenticationValue`).
const VALUE_BYTES: usize = 20;
/// The first byte of the value of a customer who was authenticated.
const AUTHENTICATED: u8 = 0x01;
/// The same of an attempt.
const ATTEMPTED: u8 = 0x02;

/// The key of the values of one network.
pub(crate) struct AuthenticationValueKey(hmac::Key);

impl AuthenticationValueKey {
    pub(crate) fn new(bytes: &[u8]) -> AuthenticationValueKey {
        AuthenticationValueKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for AuthenticationValueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticationValueKey(***)")
    }
}

/// What a value is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProvenPayment<'a> {
    pub(crate) pan: &'a Pan,
    /// `dsTransID`, as it was in the ARes.
    pub(crate) ds_transaction_id: &'a str,
    /// What the customer agreed to, in minor units: `purchaseAmount`.
    pub(crate) amount_minor: u64,
    pub(crate) currency: Currency,
}

/// The value for a result; `None` for a result that proves nothing.
pub(crate) fn authentication_value(
    key: &AuthenticationValueKey,
    status: AuthenticationStatus,
    payment: &ProvenPayment<'_>,
) -> Option<AuthenticationValue> {
    let kind = match status {
        AuthenticationStatus::Authenticated => AUTHENTICATED,
        AuthenticationStatus::Attempted => ATTEMPTED,
        _ => return None,
    };
    AuthenticationValue::parse(&STANDARD.encode(value_bytes(key, kind, payment)))
}

/// What a value proves of a payment; `None` when this network did not give it for this very payment.
pub(crate) fn authentication_value_fits(
    key: &AuthenticationValueKey,
    value: &AuthenticationValue,
    payment: &ProvenPayment<'_>,
) -> Option<AuthenticationStatus> {
    let bytes = STANDARD.decode(value.as_str()).ok()?;
    let kind = *bytes.first()?;
    let status = match kind {
        AUTHENTICATED => AuthenticationStatus::Authenticated,
        ATTEMPTED => AuthenticationStatus::Attempted,
        _ => return None,
    };
    constant_time::verify_slices_are_equal(&bytes, &value_bytes(key, kind, payment)).ok()?;
    Some(status)
}

fn value_bytes(key: &AuthenticationValueKey, kind: u8, payment: &ProvenPayment<'_>) -> [u8; VALUE_BYTES] {
    let digits = payment.pan.reveal(&RevealPermit::granted("to bind an authentication value to its card"));
    let mut context = hmac::Context::with_key(&key.0);
    context.update(&[kind]);
    // Lengths go before texts, so that no two payments are written alike.
    for text in [digits, payment.ds_transaction_id, payment.currency.alpha()] {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    context.update(&payment.amount_minor.to_be_bytes());
    let tag = context.sign();
    let mut bytes = [kind; VALUE_BYTES];
    for (to, from) in bytes.iter_mut().skip(1).zip(tag.as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DS_ID: &str = "f25084f0-5b16-4c0a-ae5d-b24808a95e4b";

    fn currency(alpha: &str) -> Currency {
        Currency::from_alpha(alpha).unwrap()
    }

    fn payment(pan: &Pan) -> ProvenPayment<'_> {
        ProvenPayment { pan, ds_transaction_id: DS_ID, amount_minor: 10_000, currency: currency("AED") }
    }

    #[test]
    fn a_value_fits_its_payment_and_says_what_it_proves() {
        let key = AuthenticationValueKey::new(&[7; 32]);
        let pan = Pan::parse("4557012345678902").unwrap();
        for status in [AuthenticationStatus::Authenticated, AuthenticationStatus::Attempted] {
            let value = authentication_value(&key, status, &payment(&pan)).unwrap();
            assert_eq!(value.as_str().len(), AuthenticationValue::CHARS);
            assert_eq!(authentication_value_fits(&key, &value, &payment(&pan)), Some(status));
        }
        for status in
            [AuthenticationStatus::NotAuthenticated, AuthenticationStatus::Unavailable, AuthenticationStatus::Rejected]
        {
            assert_eq!(authentication_value(&key, status, &payment(&pan)), None, "{status:?}");
        }
    }

    #[test]
    fn a_value_fits_nothing_else() {
        let key = AuthenticationValueKey::new(&[7; 32]);
        let pan = Pan::parse("4557012345678902").unwrap();
        let other_pan = Pan::parse("4005550000000001").unwrap();
        let value = authentication_value(&key, AuthenticationStatus::Attempted, &payment(&pan)).unwrap();
        for other in [
            ProvenPayment { pan: &other_pan, ..payment(&pan) },
            ProvenPayment { ds_transaction_id: "f25084f0-5b16-4c0a-ae5d-b24808a95e4c", ..payment(&pan) },
            ProvenPayment { amount_minor: 10_001, ..payment(&pan) },
            ProvenPayment { currency: currency("SAR"), ..payment(&pan) },
        ] {
            assert_eq!(authentication_value_fits(&key, &value, &other), None, "{other:?}");
        }
        let other_key = AuthenticationValueKey::new(&[8; 32]);
        assert_eq!(authentication_value_fits(&other_key, &value, &payment(&pan)), None);
        let mut bytes = STANDARD.decode(value.as_str()).unwrap();
        bytes[0] = AUTHENTICATED;
        let lifted = AuthenticationValue::parse(&STANDARD.encode(&bytes)).unwrap();
        assert_eq!(authentication_value_fits(&key, &lifted, &payment(&pan)), None, "an attempt is no authentication");
    }
}
