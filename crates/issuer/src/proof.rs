//! What a payment presents of an authentication of the cardholder, and whether it counts.

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

impl Proof {
    /// Whether the payment counts as authenticated or attempted by it.
    ///
    /// A value of a merchant's own MPI is accepted when it has the right form, since it was made under a key that this
    /// network has not. A value of this network's own ACS can be made again: this is the place to compare it.
    pub(crate) fn stands(&self) -> bool {
        self.status.proves()
            && has_form(&self.value)
            && self.ds_transaction_id.as_deref().is_none_or(is_ds_transaction_id)
    }
}

/// 20 bytes, which 28 characters are only with one of padding, and not all of them zero.
fn has_form(value: &AuthenticationValue) -> bool {
    value.as_str().strip_suffix('=').is_some_and(|body| body.bytes().any(|character| character != b'A'))
}

/// A UUID: groups of 8, 4, 4, 4 and 12 hex digits.
fn is_ds_transaction_id(text: &str) -> bool {
    let is_hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn proof() -> Proof {
        Proof {
            status: AuthenticationStatus::Authenticated,
            value: AuthenticationValue::parse("AAABBWcSNIdjeUZThmNHAAAAAAA=").unwrap(),
            ds_transaction_id: Some("f38e6948-5388-41a6-bca4-b49723c19437".into()),
        }
    }

    #[test]
    fn a_proof_stands_by_its_status_and_its_form() {
        assert!(proof().stands());
        assert!(Proof { status: AuthenticationStatus::Attempted, ..proof() }.stands());
        assert!(Proof { ds_transaction_id: None, ..proof() }.stands());
        assert!(!Proof { status: AuthenticationStatus::Unavailable, ..proof() }.stands());
        for value in ["AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAABBWcSNIdjeUZThmNHAAAAAAAA"] {
            let value = AuthenticationValue::parse(value).unwrap();
            assert!(!Proof { value: value.clone(), ..proof() }.stands(), "{}", value.as_str());
        }
        for id in ["", "f38e6948538841a6bca4b49723c19437", "g38e6948-5388-41a6-bca4-b49723c19437"] {
            assert!(!Proof { ds_transaction_id: Some(id.into()), ..proof() }.stands(), "{id}");
        }
    }
}
