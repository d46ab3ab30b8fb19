//! What the merchant's own MPI says of an authentication (FORT's external MPI), as it was sent. What fits together
//! [`crate::decide::pay`] judges.

use super::{AuthenticationStatus, AuthenticationValue};

/// The parameters of an authentication that the merchant ran by itself; at least one of them was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MpiResult {
    /// `3ds_enrolled`.
    pub enrolled: Option<Enrolled>,
    /// `3ds_status`: Y, A, N or U.
    pub status: Option<AuthenticationStatus>,
    /// `3ds_eci`, two digits.
    pub eci: Option<String>,
    /// `ver_token`.
    pub value: Option<AuthenticationValue>,
    /// `3ds_xid`: 28 characters of base64.
    pub xid: Option<String>,
    /// `ver_type`.
    pub value_kind: Option<ValueKind>,
}

/// Whether the card takes part in 3-D Secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// `Y`.
    Yes,
    /// `N`: nobody could be asked.
    No,
}

/// Whose cryptogram an authentication value is (`ver_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `3DS`: of 3-D Secure.
    ThreeDs,
    /// `SPA`: Mastercard's own, the AAV.
    Spa,
}

impl Enrolled {
    /// Reads `Y` or `N`.
    #[must_use]
    pub fn parse(letter: &str) -> Option<Enrolled> {
        match letter {
            "Y" => Some(Enrolled::Yes),
            "N" => Some(Enrolled::No),
            _ => None,
        }
    }
}

impl ValueKind {
    /// Reads `3DS` or `SPA`.
    #[must_use]
    pub fn parse(name: &str) -> Option<ValueKind> {
        match name {
            "3DS" => Some(ValueKind::ThreeDs),
            "SPA" => Some(ValueKind::Spa),
            _ => None,
        }
    }
}

impl MpiResult {
    /// The first of its parameters that was sent, in the order in which FORT lists them.
    #[must_use]
    pub fn first_sent(&self) -> Option<&'static str> {
        let sent = [
            ("3ds_xid", self.xid.is_some()),
            ("3ds_enrolled", self.enrolled.is_some()),
            ("3ds_status", self.status.is_some()),
            ("3ds_eci", self.eci.is_some()),
            ("ver_token", self.value.is_some()),
            ("ver_type", self.value_kind.is_some()),
        ];
        sent.into_iter().find_map(|(name, is_sent)| is_sent.then_some(name))
    }
}
