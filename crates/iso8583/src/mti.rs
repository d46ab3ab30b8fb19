//! The message type indicator (ISO 8583:1987, 4.1): version, class, function, origin.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A message type indicator: four digits, one each for version, class, function and origin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mti([u8; 4]);

impl Mti {
    /// 0100, authorization request.
    pub const AUTHORIZATION_REQUEST: Mti = Mti(*b"0100");
    /// 0110, authorization response.
    pub const AUTHORIZATION_RESPONSE: Mti = Mti(*b"0110");
    /// 0120, authorization advice.
    pub const AUTHORIZATION_ADVICE: Mti = Mti(*b"0120");
    /// 0200, financial request.
    pub const FINANCIAL_REQUEST: Mti = Mti(*b"0200");
    /// 0210, financial response.
    pub const FINANCIAL_RESPONSE: Mti = Mti(*b"0210");
    /// 0220, financial advice, such as the capture of an earlier authorization.
    pub const FINANCIAL_ADVICE: Mti = Mti(*b"0220");
    /// 0400, reversal request.
    pub const REVERSAL_REQUEST: Mti = Mti(*b"0400");
    /// 0410, reversal response.
    pub const REVERSAL_RESPONSE: Mti = Mti(*b"0410");
    /// 0420, reversal advice.
    pub const REVERSAL_ADVICE: Mti = Mti(*b"0420");
    /// 0430, reversal advice response.
    pub const REVERSAL_ADVICE_RESPONSE: Mti = Mti(*b"0430");
    /// 0800, network management request: sign-on, echo, key exchange.
    pub const NETWORK_MANAGEMENT_REQUEST: Mti = Mti(*b"0800");
    /// 0810, network management response.
    pub const NETWORK_MANAGEMENT_RESPONSE: Mti = Mti(*b"0810");

    /// An MTI from four ASCII digits.
    ///
    /// # Errors
    /// [`MtiError`] when a byte is no digit.
    pub const fn from_digits(digits: [u8; 4]) -> Result<Mti, MtiError> {
        let mut index = 0;
        while index < 4 {
            if !digits[index].is_ascii_digit() {
                return Err(MtiError);
            }
            index += 1;
        }
        Ok(Mti(digits))
    }

    /// The four ASCII digits.
    pub const fn digits(&self) -> &[u8; 4] {
        &self.0
    }

    /// The MTI as text.
    pub fn as_str(&self) -> &str {
        // Only digits are ever stored, so the fallback is out of reach.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The version digit as a number: 0 for ISO 8583:1987, 1 for 1993, 2 for 2003.
    pub const fn version(self) -> u8 {
        self.0[0] - b'0'
    }

    /// What the message is about (second digit).
    pub const fn class(self) -> MtiClass {
        match self.0[1] {
            b'1' => MtiClass::Authorization,
            b'2' => MtiClass::Financial,
            b'3' => MtiClass::FileAction,
            b'4' => MtiClass::Reversal,
            b'5' => MtiClass::Reconciliation,
            b'6' => MtiClass::Administrative,
            b'7' => MtiClass::FeeCollection,
            b'8' => MtiClass::NetworkManagement,
            _ => MtiClass::Reserved,
        }
    }

    /// What the message does (third digit).
    pub const fn function(self) -> MtiFunction {
        match self.0[2] {
            b'0' => MtiFunction::Request,
            b'1' => MtiFunction::RequestResponse,
            b'2' => MtiFunction::Advice,
            b'3' => MtiFunction::AdviceResponse,
            b'4' => MtiFunction::Notification,
            b'5' => MtiFunction::NotificationAcknowledgement,
            _ => MtiFunction::Reserved,
        }
    }

    /// Who began the exchange (fourth digit).
    pub const fn origin(self) -> MtiOrigin {
        match self.0[3] {
            b'0' => MtiOrigin::Acquirer,
            b'1' => MtiOrigin::AcquirerRepeat,
            b'2' => MtiOrigin::Issuer,
            b'3' => MtiOrigin::IssuerRepeat,
            b'4' => MtiOrigin::Other,
            b'5' => MtiOrigin::OtherRepeat,
            _ => MtiOrigin::Reserved,
        }
    }

    /// Whether the message answers another one.
    pub const fn is_response(self) -> bool {
        matches!(
            self.function(),
            MtiFunction::RequestResponse | MtiFunction::AdviceResponse | MtiFunction::NotificationAcknowledgement
        )
    }

    /// Whether the message is a repeat of an earlier one that was not answered.
    pub const fn is_repeat(self) -> bool {
        matches!(self.origin(), MtiOrigin::AcquirerRepeat | MtiOrigin::IssuerRepeat | MtiOrigin::OtherRepeat)
    }

    /// The MTI that answers this one: 0100 gives 0110, 0420 and its repeat 0421 give 0430. `None` for what is itself an
    /// answer or has a reserved function.
    pub const fn response(self) -> Option<Mti> {
        if self.is_response() || matches!(self.function(), MtiFunction::Reserved) {
            return None;
        }
        // Answers are not repeats: the odd origin digit falls back to its even one.
        let origin = if self.is_repeat() { self.0[3] - 1 } else { self.0[3] };
        Some(Mti([self.0[0], self.0[1], self.0[2] + 1, origin]))
    }

    /// The repeat of this MTI: 0420 gives 0421; a repeat gives itself. `None` for an answer or a reserved origin.
    pub const fn repeat(self) -> Option<Mti> {
        if self.is_response() || matches!(self.origin(), MtiOrigin::Reserved) {
            return None;
        }
        if self.is_repeat() {
            return Some(self);
        }
        Some(Mti([self.0[0], self.0[1], self.0[2], self.0[3] + 1]))
    }
}

/// Second digit of the MTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MtiClass {
    /// x1xx
    Authorization,
    /// x2xx
    Financial,
    /// x3xx
    FileAction,
    /// x4xx
    Reversal,
    /// x5xx
    Reconciliation,
    /// x6xx
    Administrative,
    /// x7xx
    FeeCollection,
    /// x8xx
    NetworkManagement,
    /// x0xx and x9xx
    Reserved,
}

/// Third digit of the MTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MtiFunction {
    /// xx0x
    Request,
    /// xx1x
    RequestResponse,
    /// xx2x
    Advice,
    /// xx3x
    AdviceResponse,
    /// xx4x
    Notification,
    /// xx5x
    NotificationAcknowledgement,
    /// xx6x to xx9x
    Reserved,
}

/// Fourth digit of the MTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MtiOrigin {
    /// xxx0
    Acquirer,
    /// xxx1
    AcquirerRepeat,
    /// xxx2
    Issuer,
    /// xxx3
    IssuerRepeat,
    /// xxx4
    Other,
    /// xxx5
    OtherRepeat,
    /// xxx6 to xxx9
    Reserved,
}

/// The text is not four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a message type indicator has exactly four digits")]
pub struct MtiError;

impl FromStr for Mti {
    type Err = MtiError;

    fn from_str(text: &str) -> Result<Mti, MtiError> {
        Mti::from_digits(text.as_bytes().try_into().map_err(|_| MtiError)?)
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn mti(text: &str) -> Mti {
        text.parse().unwrap()
    }

    #[test]
    fn an_answer_raises_the_function_and_drops_the_repeat() {
        for (request, response) in [
            ("0100", "0110"),
            ("0101", "0110"),
            ("0120", "0130"),
            ("0200", "0210"),
            ("0220", "0230"),
            ("0221", "0230"),
            ("0400", "0410"),
            ("0420", "0430"),
            ("0421", "0430"),
            ("0800", "0810"),
            ("0822", "0832"),
            ("1644", "1654"),
        ] {
            assert_eq!(mti(request).response(), Some(mti(response)), "{request}");
        }
        for answer in ["0110", "0130", "0430", "0810", "0160", "0199"] {
            assert_eq!(mti(answer).response(), None, "{answer}");
        }
    }

    #[test]
    fn a_repeat_sets_the_odd_origin_once() {
        assert_eq!(mti("0420").repeat(), Some(mti("0421")));
        assert_eq!(mti("0421").repeat(), Some(mti("0421")));
        assert_eq!(mti("0402").repeat(), Some(mti("0403")));
        assert_eq!(mti("0430").repeat(), None);
        assert_eq!(mti("0428").repeat(), None);
    }

    #[test]
    fn digits_name_class_function_and_origin() {
        let advice = mti("1421");
        assert_eq!(advice.version(), 1);
        assert_eq!(advice.class(), MtiClass::Reversal);
        assert_eq!(advice.function(), MtiFunction::Advice);
        assert_eq!(advice.origin(), MtiOrigin::AcquirerRepeat);
        assert!(advice.is_repeat() && !advice.is_response());
        assert_eq!(Mti::NETWORK_MANAGEMENT_RESPONSE.class(), MtiClass::NetworkManagement);
        assert!(Mti::NETWORK_MANAGEMENT_RESPONSE.is_response());
    }

    #[test]
    fn anything_but_four_digits_is_refused() {
        for bad in ["", "010", "01000", "01a0", "01 0", "०१"] {
            assert_eq!(bad.parse::<Mti>(), Err(MtiError), "{bad:?}");
        }
    }
}
