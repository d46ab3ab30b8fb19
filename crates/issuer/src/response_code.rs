//! Response codes (ISO 8583:1987 field 39).

use std::fmt;

/// A response code: two ASCII letters or digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseCode([u8; 2]);

impl ResponseCode {
    /// Approved, or acknowledged.
    pub const APPROVED: ResponseCode = ResponseCode(*b"00");
    /// Invalid transaction: a message of an unknown kind, or one that the state of its original forbids.
    pub const INVALID_TRANSACTION: ResponseCode = ResponseCode(*b"12");
    /// Invalid amount: nothing, more than is held, or more than was posted.
    pub const INVALID_AMOUNT: ResponseCode = ResponseCode(*b"13");
    /// No such card number: its check digit is wrong, or no brand issues it.
    pub const INVALID_CARD_NUMBER: ResponseCode = ResponseCode(*b"14");
    /// The original that a message refers to is not on file.
    pub const ORIGINAL_NOT_FOUND: ResponseCode = ResponseCode(*b"25");
    /// A field is missing or not as it must be.
    pub const FORMAT_ERROR: ResponseCode = ResponseCode(*b"30");
    /// Insufficient funds.
    pub const INSUFFICIENT_FUNDS: ResponseCode = ResponseCode(*b"51");
    /// Expired card.
    pub const EXPIRED_CARD: ResponseCode = ResponseCode(*b"54");
    /// Security violation: the security code of a card that is verified is not the card's.
    pub const SECURITY_VIOLATION: ResponseCode = ResponseCode(*b"63");
    /// The network is not to be used on this connection: no sign-on.
    pub const NOT_SIGNED_ON: ResponseCode = ResponseCode(*b"91");
    /// A name that was used for another message, or the original of a reversal that came before it.
    pub const DUPLICATE: ResponseCode = ResponseCode(*b"94");
    /// System malfunction: nothing was done.
    pub const SYSTEM_MALFUNCTION: ResponseCode = ResponseCode(*b"96");
    /// Additional customer authentication required: the issuer wants 3-D Secure.
    pub const AUTHENTICATION_REQUIRED: ResponseCode = ResponseCode(*b"1A");

    /// Reads two ASCII letters or digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<ResponseCode> {
        let bytes: [u8; 2] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(ResponseCode(bytes))
    }

    /// The two characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever stored, so the fallback is out of reach.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether it is a full approval or an acknowledgement.
    #[must_use]
    pub fn is_approval(self) -> bool {
        self == ResponseCode::APPROVED
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ResponseCode;

    #[test]
    fn a_response_code_is_two_letters_or_digits() {
        assert_eq!(ResponseCode::parse("1A"), Some(ResponseCode::AUTHENTICATION_REQUIRED));
        for text in ["", "0", "000", "0 ", "é"] {
            assert_eq!(ResponseCode::parse(text), None, "{text:?}");
        }
    }
}
