//! The five-digit FORT response code: two digits of status, three of message.
//!
//! The texts belong to the wire (`tollgate-fort`); here a code is only a fact about a payment.

use std::fmt;

/// A five-digit response code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseCode {
    status: u8,
    message: u16,
}

impl ResponseCode {
    /// The code of `status` (0 to 99) and `message` (0 to 999); larger values are cut to the range.
    #[must_use]
    pub const fn new(status: u8, message: u16) -> ResponseCode {
        ResponseCode { status: status % 100, message: message % 1000 }
    }

    /// A refusal before processing: status 00.
    #[must_use]
    pub const fn refused(message: u16) -> ResponseCode {
        ResponseCode::new(0, message)
    }

    /// Reads five digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<ResponseCode> {
        if text.len() != 5 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        ResponseCode::from_number(text.parse().ok()?)
    }

    /// From the number 0 to 99999, as the store keeps it.
    #[must_use]
    pub fn from_number(number: u32) -> Option<ResponseCode> {
        let status = u8::try_from(number / 1000).ok().filter(|status| *status < 100)?;
        let message = u16::try_from(number % 1000).ok()?;
        Some(ResponseCode { status, message })
    }

    /// The number 0 to 99999.
    #[must_use]
    pub fn number(self) -> u32 {
        u32::from(self.status) * 1000 + u32::from(self.message)
    }

    /// The status, 0 to 99.
    #[must_use]
    pub const fn status(self) -> u8 {
        self.status
    }

    /// The message number, 0 to 999.
    #[must_use]
    pub const fn message(self) -> u16 {
        self.message
    }

    /// The two digits of the status, as sent in `status`.
    #[must_use]
    pub fn status_text(self) -> String {
        format!("{:02}", self.status)
    }
}

impl serde::Serialize for ResponseCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ResponseCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        ResponseCode::parse(&text).ok_or_else(|| serde::de::Error::custom("a response code is five digits"))
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:03}", self.status, self.message)
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Refusals before processing, each with its code.
pub mod refused {
    use super::ResponseCode;

    macro_rules! codes {
        ($($(#[$doc:meta])* $name:ident = $message:literal;)*) => {
            $($(#[$doc])* pub const $name: ResponseCode = ResponseCode::refused($message);)*
        };
    }

    codes! {
        /// A mandatory parameter is absent.
        MISSING_PARAMETER = 1;
        /// A value has forbidden characters or a bad shape.
        INVALID_FORMAT = 2;
        /// The card's brand is not enabled for the merchant.
        OPTION_NOT_AVAILABLE = 3;
        /// `command` (or `query_command`, `service_command`) is unknown or absent.
        INVALID_COMMAND = 4;
        /// The amount is zero, fractional, negative or too long.
        INVALID_AMOUNT = 5;
        /// We could not process it and nothing was done.
        TECHNICAL_PROBLEM = 6;
        /// Signature mismatch.
        SIGNATURE_MISMATCH = 8;
        /// `merchant_identifier` is unknown or does not belong to the access code.
        INVALID_MERCHANT_IDENTIFIER = 9;
        /// `access_code` is unknown.
        INVALID_ACCESS_CODE = 10;
        /// The card's expiry date lies in the past.
        CARD_EXPIRED = 12;
        /// The currency is unknown, or not that of the order.
        INVALID_CURRENCY = 13;
        /// The merchant account is switched off.
        INACTIVE_MERCHANT = 15;
        /// The card number fails its check digit or belongs to no known brand.
        INVALID_CARD_NUMBER = 16;
        /// The merchant's acquirer does not take the currency.
        CURRENCY_NOT_ACCEPTED = 23;
        /// Parameters which this channel must not get, for example card data.
        INVALID_EXTRA_PARAMETERS = 27;
        /// A value is too long.
        INVALID_LENGTH = 32;
        /// A value is none of those allowed.
        VALUE_NOT_ALLOWED = 33;
        /// The order's state does not allow the operation.
        OPERATION_NOT_ALLOWED = 34;
        /// No such order.
        ORDER_NOT_FOUND = 36;
        /// Neither the request nor the account says where the browser goes.
        MISSING_RETURN_URL = 37;
        /// A token name was sent, but the merchant's token service is off.
        NO_TOKEN_SERVICE = 38;
        /// No payment option is enabled at all.
        NO_ACTIVE_OPTION = 39;
        /// It came from an address, or with a client certificate, that is none of the merchant's.
        INVALID_SOURCE = 40;
        /// A capture above the open authorized amount.
        EXCEEDS_AUTHORIZED = 42;
        /// No such token, or an inactive one.
        TOKEN_NOT_FOUND = 44;
        /// The page was used after its payment was over.
        ALREADY_PROCESSED = 47;
        /// A refund above the open captured amount.
        EXCEEDS_CAPTURED = 48;
        /// The brand cannot do this operation (mada and Meeza with AUTHORIZATION).
        NOT_VALID_FOR_OPTION = 49;
        /// Above the merchant's limit per transaction.
        LIMIT_EXCEEDED = 50;
        /// The merchant reference is used up by an earlier order.
        REFERENCE_EXISTS = 66;
        /// The customer cancelled on the page.
        CANCELLED = 72;
        /// The body is no FORT request.
        INVALID_REQUEST_FORMAT = 73;
        /// `payment_option` contradicts the card number.
        INVALID_PAYMENT_OPTION = 80;
        /// The account has not the service.
        SERVICE_INACTIVE = 93;
        /// The expiry date is no month of a year.
        INVALID_EXPIRY = 100;
        /// Parameters that do not go together.
        CONTRADICTING_PARAMETERS = 110;
        /// The e-commerce indicator is not offered here.
        NOT_FOR_ECI = 113;
        /// Another token of the merchant has that name.
        TOKEN_EXISTS = 114;
        /// The payment link's time is over.
        LINK_EXPIRED = 115;
        /// The customer cannot be told by what was asked for.
        INACTIVE_NOTIFICATION = 116;
        /// The payment link is closed, or its payment has begun.
        LINK_PROCESSED = 117;
        /// The interval ends before it begins, or holds more than one answer can tell.
        INVALID_INTERVAL = 122;
        /// More than is allowed was asked for.
        TOO_MANY_ATTEMPTS = 123;
        /// The payment link is paid.
        LINK_PAID = 125;
        /// Another payment link of the merchant has that id.
        LINK_EXISTS = 126;
        /// No such payment link.
        LINK_NOT_FOUND = 149;
        /// An open payment link has that reference.
        LINK_OPEN = 150;
        /// The order never succeeded, or its outcome is not known yet.
        ORDER_NOT_CONFIRMED = 662;
        /// Already refunded in full.
        TRANSACTION_CLOSED = 773;
        /// Another operation on this order is still running.
        STILL_PROCESSING = 784;
    }
}

/// Message numbers of outcomes.
pub mod message {
    /// Success.
    pub const SUCCESS: u16 = 0;
    /// Technical problem.
    pub const TECHNICAL_PROBLEM: u16 = 6;
    /// Card expired.
    pub const CARD_EXPIRED: u16 = 12;
    /// Insufficient funds.
    pub const INSUFFICIENT_FUNDS: u16 = 29;
    /// 3-D Secure authentication failed.
    pub const AUTHENTICATION_FAILED: u16 = 30;
    /// Order not found (of CHECK_STATUS: 12036).
    pub const ORDER_NOT_FOUND: u16 = 36;
    /// A token was created.
    pub const TOKEN_CREATED: u16 = 62;
    /// A token was updated.
    pub const TOKEN_UPDATED: u16 = 63;
    /// The merchant reference is used up.
    pub const REFERENCE_EXISTS: u16 = 66;
    /// The account has not the service that was asked for.
    pub const SERVICE_INACTIVE: u16 = 93;
    /// The interval ends before it begins.
    pub const INVALID_INTERVAL: u16 = 122;
    /// No report was ordered under the reference.
    pub const REPORT_NOT_GENERATED: u16 = 127;
    /// A report is not ready yet.
    pub const REPORT_PENDING: u16 = 128;
    /// As many reports are being fetched as may be at once.
    pub const REPORT_QUEUE_FULL: u16 = 129;
    /// There are more rows than a report may have.
    pub const REPORT_TOO_LARGE: u16 = 134;
    /// The validation of a batch failed.
    pub const BATCH_VALIDATION_FAILED: u16 = 136;
    /// The date on which a batch is to be processed cannot be one.
    pub const BATCH_DATE_INVALID: u16 = 137;
    /// A batch is still being validated.
    pub const BATCH_UNDER_VALIDATION: u16 = 138;
    /// A batch is still being processed.
    pub const BATCH_UNDER_PROCESSING: u16 = 140;
    /// No batch has the reference.
    pub const BATCH_NOT_FOUND: u16 = 141;
    /// The header of a batch file cannot be used.
    pub const BATCH_HEADER_INVALID: u16 = 142;
    /// A batch file cannot be used.
    pub const BATCH_FILE_INVALID: u16 = 144;
    /// Another batch has the reference.
    pub const BATCH_REFERENCE_EXISTS: u16 = 146;
    /// The processing of a batch was asked for.
    pub const PROCESS_BATCH_RECEIVED: u16 = 147;
    /// A batch waits for its execution date.
    pub const BATCH_WILL_BE_PROCESSED: u16 = 148;
    /// General decline.
    pub const DECLINED: u16 = 666;
    /// Sent, no usable answer: nobody knows yet.
    pub const UNCONFIRMED: u16 = 777;
    /// The customer did not finish on the page in time.
    pub const SESSION_TIMED_OUT: u16 = 778;
    /// Blocked by a fraud rule.
    pub const FRAUD: u16 = 785;
}

/// The customer has to be authenticated: `3ds_url` says where.
pub const THREE_DS_WANTED: ResponseCode = ResponseCode::new(20, 64);
/// CHECK_STATUS and CHECK_VERIFY_CARD_STATUS: answered.
pub const STATUS_FOUND: ResponseCode = ResponseCode::new(12, 0);
/// The same: no such order or verification.
pub const STATUS_NOT_FOUND: ResponseCode = ResponseCode::new(12, message::ORDER_NOT_FOUND);
/// The same: our own fault.
pub const STATUS_FAILED: ResponseCode = ResponseCode::new(11, message::TECHNICAL_PROBLEM);
/// TOKENIZATION: done.
pub const TOKENIZED: ResponseCode = ResponseCode::new(18, message::SUCCESS);
/// TOKENIZATION: done, and the card of a known token was replaced.
pub const TOKENIZED_ANEW: ResponseCode = ResponseCode::new(18, message::TOKEN_UPDATED);
/// TOKENIZATION: our own fault.
pub const TOKENIZATION_FAILED: ResponseCode = ResponseCode::new(17, message::TECHNICAL_PROBLEM);
/// CREATE_TOKEN: done.
pub const TOKEN_CREATED: ResponseCode = ResponseCode::new(52, message::TOKEN_CREATED);
/// CREATE_TOKEN: our own fault.
pub const TOKEN_CREATION_FAILED: ResponseCode = ResponseCode::new(53, message::TECHNICAL_PROBLEM);
/// UPDATE_TOKEN: done.
pub const TOKEN_UPDATED: ResponseCode = ResponseCode::new(58, message::SUCCESS);
/// UPDATE_TOKEN: our own fault; whether it was done is not known.
pub const TOKEN_UPDATE_FAILED: ResponseCode = ResponseCode::new(59, message::TECHNICAL_PROBLEM);
/// GET_TOKENS: done.
pub const TOKENS_LISTED: ResponseCode = ResponseCode::new(54, message::SUCCESS);
/// GET_TOKENS: our own fault.
pub const TOKENS_NOT_LISTED: ResponseCode = ResponseCode::new(55, message::TECHNICAL_PROBLEM);
/// UPDATE_AGREEMENT: done.
pub const AGREEMENT_UPDATED: ResponseCode = ResponseCode::new(58, message::SUCCESS);
/// UPDATE_AGREEMENT: our own fault; whether it was done is not known.
pub const AGREEMENT_UPDATE_FAILED: ResponseCode = ResponseCode::new(59, message::TECHNICAL_PROBLEM);
/// PAYMENT_LINK and UPDATE_PAYMENT_LINK: done.
pub const PAYMENT_LINK_DONE: ResponseCode = ResponseCode::new(48, message::SUCCESS);
/// The same: our own fault; whether it was done is not known.
pub const PAYMENT_LINK_FAILED: ResponseCode = ResponseCode::new(49, message::TECHNICAL_PROBLEM);
/// CHECK_PAYMENT_LINK_STATUS: no such link.
pub const PAYMENT_LINK_NOT_FOUND: ResponseCode = ResponseCode::new(11, 149);
/// Sent to the network, outcome not known.
pub const UNCERTAIN: ResponseCode = ResponseCode::new(15, message::UNCONFIRMED);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_five_digits_with_leading_zeros() {
        assert_eq!(refused::SIGNATURE_MISMATCH.to_string(), "00008");
        assert_eq!(ResponseCode::new(14, 0).to_string(), "14000");
        assert_eq!(UNCERTAIN.to_string(), "15777");
        assert_eq!(ResponseCode::new(2, 0).status_text(), "02");
    }

    proptest::proptest! {
        #[test]
        fn number_and_text_read_back(number in 0u32..100_000) {
            let code = ResponseCode::from_number(number);
            proptest::prop_assert_eq!(code.map(ResponseCode::number), Some(number));
            proptest::prop_assert_eq!(ResponseCode::parse(&format!("{number:05}")), code);
        }
    }
}
