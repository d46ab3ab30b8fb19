//! What a payment presents of an authentication of the cardholder, and whether it counts.

use crate::three_ds::{AuthenticationValueKey, ProvenPayment, authentication_value_fits};
use tollgate_core::card::Pan;
use tollgate_core::money::Currency;
use tollgate_core::three_ds::{AuthenticationStatus, AuthenticationValue};

/// What field 48 says of an authentication: made when it has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// What subelement 42 claims that it came to.
    pub(crate) status: AuthenticationStatus,
    /// Subelement 11.
    pub(crate) value: AuthenticationValue,
    /// Subelement 12: there is none in 3-D Secure 1.
    pub(crate) ds_transaction_id: Option<String>,
}

/// The payment that a proof came with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PresentedWith<'a> {
    pub(crate) pan: &'a Pan,
    /// Field 4, minor units,
    pub(crate) amount_minor: u64,
    /// of the currency of field 49.
    pub(crate) currency: Currency,
}

impl Proof {
    /// Whether the payment counts as authenticated or attempted by it.
    ///
    /// With a directory server's transaction id the value has to be one that an ACS of this network gave: for this card, this
    /// money, this transaction, and what subelement 42 claims. Without one it is of a merchant's own MPI, made under
    /// a key that this network has not, and is accepted when it has the right form.
    pub(crate) fn stands(&self, key: &AuthenticationValueKey, payment: &PresentedWith<'_>) -> bool {
        if !self.status.proves() || !has_form(&self.value) {
            return false;
        }
        let Some(ds_transaction_id) = &self.ds_transaction_id else { return true };
        let PresentedWith { pan, amount_minor, currency } = *payment;
        let payment = ProvenPayment { pan, ds_transaction_id, amount_minor, currency };
        authentication_value_fits(key, &self.value, &payment) == Some(self.status)
    }
}

/// 20 bytes, which 28 characters are only with one of padding, and not all of them zero.
fn has_form(value: &AuthenticationValue) -> bool {
    value.as_str().strip_suffix('=').is_some_and(|body| body.bytes().any(|character| character != b'A'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::three_ds::authentication_value;

    const DS_TRANSACTION_ID: &str = "f38e6948-5388-41a6-bca4-b49723c19437";

    fn key() -> AuthenticationValueKey {
        AuthenticationValueKey::new(&[7; 32])
    }

    fn pan() -> Pan {
        Pan::parse("4557012345678902").unwrap()
    }

    fn presented_with(pan: &Pan) -> PresentedWith<'_> {
        PresentedWith { pan, amount_minor: 12_550, currency: Currency::from_alpha("AED").unwrap() }
    }

    /// As the ACS gives it for [`presented_with`].
    fn proof(status: AuthenticationStatus) -> Proof {
        let pan = pan();
        let PresentedWith { pan, amount_minor, currency } = presented_with(&pan);
        let payment = ProvenPayment { pan, ds_transaction_id: DS_TRANSACTION_ID, amount_minor, currency };
        let value = authentication_value(&key(), status, &payment).unwrap();
        Proof { status, value, ds_transaction_id: Some(DS_TRANSACTION_ID.into()) }
    }

    fn stands(proof: &Proof) -> bool {
        proof.stands(&key(), &presented_with(&pan()))
    }

    #[test]
    fn a_value_of_this_network_stands_for_its_own_payment_only() {
        let good = proof(AuthenticationStatus::Authenticated);
        assert!(stands(&good) && stands(&proof(AuthenticationStatus::Attempted)));
        assert!(
            !stands(&Proof { status: AuthenticationStatus::Attempted, ..good.clone() }),
            "what 42 claims is what is proved"
        );
        let lifted = Proof { status: AuthenticationStatus::Authenticated, ..proof(AuthenticationStatus::Attempted) };
        assert!(!stands(&lifted), "an attempt is no authentication");
        for id in ["f38e6948-5388-41a6-bca4-b49723c19438", "", "f38e6948538841a6bca4b49723c19437"] {
            assert!(!stands(&Proof { ds_transaction_id: Some(id.into()), ..good.clone() }), "{id}");
        }
        let forged = AuthenticationValue::parse("AAABBWcSNIdjeUZThmNHAAAAAAA=").unwrap();
        assert!(!stands(&Proof { value: forged, ..good.clone() }));
        let (pan, other_pan) = (pan(), Pan::parse("4005550000000001").unwrap());
        for other in [
            PresentedWith { pan: &other_pan, ..presented_with(&pan) },
            PresentedWith { amount_minor: 12_551, ..presented_with(&pan) },
            PresentedWith { currency: Currency::from_alpha("SAR").unwrap(), ..presented_with(&pan) },
        ] {
            assert!(!good.stands(&key(), &other), "{other:?}");
        }
        assert!(!good.stands(&AuthenticationValueKey::new(&[8; 32]), &presented_with(&pan)), "another network's");
    }

    #[test]
    fn a_value_of_a_merchants_own_mpi_stands_by_its_status_and_its_form() {
        let own = Proof {
            status: AuthenticationStatus::Authenticated,
            value: AuthenticationValue::parse("AAABBWcSNIdjeUZThmNHAAAAAAA=").unwrap(),
            ds_transaction_id: None,
        };
        assert!(stands(&own));
        assert!(stands(&Proof { status: AuthenticationStatus::Attempted, ..own.clone() }));
        assert!(!stands(&Proof { status: AuthenticationStatus::Unavailable, ..own.clone() }));
        for value in ["AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAABBWcSNIdjeUZThmNHAAAAAAAA"] {
            let value = AuthenticationValue::parse(value).unwrap();
            assert!(!stands(&Proof { value: value.clone(), ..own.clone() }), "{}", value.as_str());
        }
    }
}
