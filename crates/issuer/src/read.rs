//! From a message of the wire to what it asks for. The form is judged here, the money in the ledger.

use crate::credential::Credential;
use crate::echo::{Echo, short};
use crate::proof::Proof;
use crate::request::{MessageClass, MessageName, OriginalName, OriginalReference, RequestKind};
use crate::response_code::ResponseCode;
use crate::text::ShortText;
use tollgate_core::card::{Expiry, PanError, SecurityCode};
use tollgate_core::credential::Initiator;
use tollgate_core::money::Currency;
use tollgate_core::three_ds::{AuthenticationStatus, AuthenticationValue};
use tollgate_iso8583::{Message, Mti, MtiClass, Subelements, Tpdu};

/// Field 25 of an authorization that only asks about the account.
const VERIFICATION_CONDITION: &str = "51";

/// Subelements of field 48.
mod tag {
    /// Cardholder authentication value.
    pub(super) const AUTHENTICATION_VALUE: u8 = 11;
    /// The directory server's number of the transaction.
    pub(super) const DS_TRANSACTION_ID: u8 = 12;
    /// E-commerce security level.
    pub(super) const SECURITY_LEVEL: u8 = 42;
    /// Initiator of the transaction.
    pub(super) const INITIATOR: u8 = 20;
    /// Stored credential indicator.
    pub(super) const CREDENTIAL: u8 = 21;
    /// Original network transaction id.
    pub(super) const ORIGINAL_ID: u8 = 22;
    /// Authentication exemption.
    pub(super) const EXEMPTION: u8 = 44;
    /// Card security code.
    pub(super) const SECURITY_CODE: u8 = 92;
}

/// What a frame turned out to be.
#[derive(Debug)]
pub(crate) enum Read {
    /// A message for the ledger.
    Payment(Payment),
    /// Sign-on, sign-off or echo.
    Network {
        /// What the answer repeats.
        echo: Echo,
        /// Which.
        function: NetworkFunction,
    },
    /// It can be answered, but not done.
    Refused {
        /// What the answer repeats.
        echo: Echo,
        /// Field 39.
        code: ResponseCode,
    },
    /// It is nothing that has an answer.
    Unanswerable,
}

/// Network management (field 70).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkFunction {
    /// 001.
    SignOn,
    /// 002.
    SignOff,
    /// 301.
    Echo,
}

/// A message that moves money, well formed.
#[derive(Debug)]
pub(crate) struct Payment {
    /// What the answer repeats, the card number included.
    pub(crate) echo: Echo,
    /// Its name.
    pub(crate) name: MessageName,
    /// What it asks for.
    pub(crate) kind: RequestKind,
    /// Field 49.
    pub(crate) currency: Currency,
    /// Field 4, minor units.
    pub(crate) amount_minor: u64,
    /// Field 14; always there in an authorization or a purchase.
    pub(crate) expiry: Option<Expiry>,
    /// How sure the merchant is of the cardholder.
    pub(crate) authentication: Authentication,
    /// What it says of a card that is kept.
    pub(crate) credential: Option<Credential>,
    /// The security code of a card that is to be verified; payments are taken with any.
    pub(crate) security_code: Option<SecurityCode>,
    /// Whether its message type says so.
    pub(crate) transmission: Transmission,
}

/// Which time a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transmission {
    /// The first, as far as the message says.
    First,
    /// A later one.
    Repeat,
}

/// How sure the merchant is of the cardholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// No e-commerce, so no 3-D Secure.
    NotEcommerce,
    /// E-commerce without it.
    None,
    /// E-commerce, and the merchant asked to leave it out.
    Exempt,
    /// E-commerce, with a value that is to prove it.
    Presented(Proof),
}

/// Reads a message that came under `tpdu`.
pub(crate) fn read(message: &Message, tpdu: Option<Tpdu>) -> Read {
    let Some(mti) = message.mti() else { return Read::Unanswerable };
    let Some(answer) = mti.response() else { return Read::Unanswerable };
    let echo = Echo::of(message, answer, tpdu);
    if mti.class() == MtiClass::NetworkManagement {
        return read_network(message, echo);
    }
    match read_payment(message, mti) {
        Ok(read) => {
            let Form { name, kind, currency, amount_minor, expiry, presented } = read;
            let Presented { authentication, credential, security_code } = presented;
            let security_code = security_code.filter(|_| kind == RequestKind::Verify);
            let transmission = if mti.is_repeat() { Transmission::Repeat } else { Transmission::First };
            Read::Payment(Payment {
                echo,
                name,
                kind,
                currency,
                amount_minor,
                expiry,
                authentication,
                credential,
                security_code,
                transmission,
            })
        }
        Err(code) => Read::Refused { echo, code },
    }
}

/// What is read of a payment beside its echo.
struct Form {
    name: MessageName,
    kind: RequestKind,
    currency: Currency,
    amount_minor: u64,
    expiry: Option<Expiry>,
    presented: Presented,
}

/// What a first message says beside number and expiry date.
struct Presented {
    authentication: Authentication,
    credential: Option<Credential>,
    security_code: Option<SecurityCode>,
}

fn read_network(message: &Message, echo: Echo) -> Read {
    let function = match message.text(70) {
        Some("001") => NetworkFunction::SignOn,
        Some("002") => NetworkFunction::SignOff,
        Some("301") => NetworkFunction::Echo,
        Some(_) => return Read::Refused { echo, code: ResponseCode::INVALID_TRANSACTION },
        None => return Read::Refused { echo, code: ResponseCode::FORMAT_ERROR },
    };
    Read::Network { echo, function }
}

fn read_payment(message: &Message, mti: Mti) -> Result<Form, ResponseCode> {
    let class = MessageClass::of_mti(*mti.digits()).ok_or(ResponseCode::INVALID_TRANSACTION)?;
    card_number(message)?;
    let name = name(message, class)?;
    let kind = kind(message, &name)?;
    let currency = number(message, 49, 3).and_then(|code| u16::try_from(code).ok()).and_then(Currency::from_numeric);
    let expiry = expiry(message)?;
    if kind.begins() && expiry.is_none() {
        return Err(ResponseCode::FORMAT_ERROR);
    }
    let presented = if kind.begins() {
        presented(message)?
    } else {
        Presented { authentication: Authentication::NotEcommerce, credential: None, security_code: None }
    };
    let amount_minor = number(message, 4, 12).ok_or(ResponseCode::FORMAT_ERROR)?;
    if kind == RequestKind::Verify && amount_minor != 0 {
        return Err(ResponseCode::INVALID_TRANSACTION);
    }
    Ok(Form { name, kind, currency: currency.ok_or(ResponseCode::FORMAT_ERROR)?, amount_minor, expiry, presented })
}

fn card_number(message: &Message) -> Result<(), ResponseCode> {
    let digits = message.text(2).ok_or(ResponseCode::FORMAT_ERROR)?;
    match tollgate_core::card::Pan::parse(digits) {
        Ok(_) => Ok(()),
        Err(PanError::CheckDigit) => Err(ResponseCode::INVALID_CARD_NUMBER),
        Err(PanError::NotDigits) => Err(ResponseCode::FORMAT_ERROR),
    }
}

fn name(message: &Message, class: MessageClass) -> Result<MessageName, ResponseCode> {
    let sent_at = message.text(7).and_then(transmission_time).ok_or(ResponseCode::FORMAT_ERROR)?;
    let stan = number(message, 11, 6).and_then(|stan| u32::try_from(stan).ok()).ok_or(ResponseCode::FORMAT_ERROR)?;
    let acquirer = message.text(32).and_then(digits).ok_or(ResponseCode::FORMAT_ERROR)?;
    let rrn = short(message, 37).filter(|rrn: &ShortText<12>| rrn.as_str().len() == 12);
    Ok(MessageName { class, acquirer, stan, sent_at, rrn: rrn.ok_or(ResponseCode::FORMAT_ERROR)? })
}

fn kind(message: &Message, name: &MessageName) -> Result<RequestKind, ResponseCode> {
    let processing_code = message.text(3).ok_or(ResponseCode::FORMAT_ERROR)?;
    let kind = match (name.class, processing_code) {
        (MessageClass::Authorization, "000000") if message.text(25) == Some(VERIFICATION_CONDITION) => {
            RequestKind::Verify
        }
        (MessageClass::Authorization, "000000") => RequestKind::Authorize,
        (MessageClass::Financial, "000000") => RequestKind::Purchase,
        (MessageClass::Financial, "200000") => RequestKind::Refund(original(message, name)?),
        (MessageClass::Completion, "000000") => RequestKind::Complete(original(message, name)?),
        (MessageClass::Void, "000000") => RequestKind::Void(original(message, name)?),
        (MessageClass::ReversalAdvice, "000000" | "200000") => RequestKind::Reverse(original(message, name)?),
        _ => return Err(ResponseCode::INVALID_TRANSACTION),
    };
    Ok(kind)
}

/// Fields 90 and 38. The acquirer of field 90 may be left at zeros: then it is the sender.
fn original(message: &Message, name: &MessageName) -> Result<OriginalReference, ResponseCode> {
    let elements = message.text(90).filter(|text| text.len() == 42).ok_or(ResponseCode::FORMAT_ERROR)?;
    let part = |from: usize, to: usize| elements.get(from..to).ok_or(ResponseCode::FORMAT_ERROR);
    let mti: Mti = part(0, 4)?.parse().map_err(|_| ResponseCode::FORMAT_ERROR)?;
    let class = MessageClass::of_mti(*mti.digits()).ok_or(ResponseCode::FORMAT_ERROR)?;
    let stan = digits(part(4, 10)?).and_then(|stan| u32::try_from(stan).ok()).ok_or(ResponseCode::FORMAT_ERROR)?;
    let sent_at = transmission_time(part(10, 20)?).ok_or(ResponseCode::FORMAT_ERROR)?;
    let acquirer = match digits(part(20, 31)?).ok_or(ResponseCode::FORMAT_ERROR)? {
        0 => name.acquirer,
        acquirer => acquirer,
    };
    let authorization_code = match message.get(38) {
        None => None,
        Some(code) => Some(ShortText::new(code).ok_or(ResponseCode::FORMAT_ERROR)?),
    };
    Ok(OriginalReference { name: OriginalName { class, acquirer, stan, sent_at }, authorization_code })
}

fn expiry(message: &Message) -> Result<Option<Expiry>, ResponseCode> {
    match message.text(14) {
        None => Ok(None),
        Some(text) => Expiry::parse(text).map(Some).ok_or(ResponseCode::FORMAT_ERROR),
    }
}

/// Fields 25 and 48. For a payment any security code of 3 or 4 digits will do.
fn presented(message: &Message) -> Result<Presented, ResponseCode> {
    let condition = message.text(25).ok_or(ResponseCode::FORMAT_ERROR)?;
    let mut status = AuthenticationStatus::Unavailable;
    let (mut value, mut ds_transaction_id) = (None, None);
    let (mut is_exempt, mut security_code) = (false, None);
    let mut kept = Kept::default();
    for subelement in Subelements::new(message.get(48).unwrap_or_default()) {
        let subelement = subelement.map_err(|_| ResponseCode::FORMAT_ERROR)?;
        match subelement.tag {
            tag::AUTHENTICATION_VALUE => {
                let text = std::str::from_utf8(subelement.value).ok();
                value = Some(text.and_then(AuthenticationValue::parse).ok_or(ResponseCode::FORMAT_ERROR)?);
            }
            tag::DS_TRANSACTION_ID => {
                let text = std::str::from_utf8(subelement.value).map_err(|_| ResponseCode::FORMAT_ERROR)?;
                ds_transaction_id = Some(text.to_owned());
            }
            tag::INITIATOR => kept.initiator = Some(subelement.value),
            tag::CREDENTIAL => kept.indicator = Some(subelement.value),
            tag::ORIGINAL_ID => kept.original = Some(subelement.value),
            tag::SECURITY_LEVEL => status = status_of_level(subelement.value),
            tag::EXEMPTION => is_exempt = subelement.value == b"N",
            tag::SECURITY_CODE => {
                let text = std::str::from_utf8(subelement.value).ok();
                security_code = Some(text.and_then(SecurityCode::parse).ok_or(ResponseCode::FORMAT_ERROR)?);
            }
            _ => {}
        }
    }
    let authentication = match (condition, value) {
        ("59", Some(value)) => Authentication::Presented(Proof { status, value, ds_transaction_id }),
        ("59", None) if is_exempt => Authentication::Exempt,
        ("59", None) => Authentication::None,
        _ => Authentication::NotEcommerce,
    };
    let credential = kept.read()?;
    if security_code.is_some() && credential.is_some_and(|credential| credential.by == Initiator::Merchant) {
        // Nobody was there who could have told it: it must have been kept.
        return Err(ResponseCode::FORMAT_ERROR);
    }
    Ok(Presented { authentication, credential, security_code })
}

/// Subelements 20 to 22 as they came.
#[derive(Default)]
struct Kept<'a> {
    initiator: Option<&'a [u8]>,
    indicator: Option<&'a [u8]>,
    original: Option<&'a [u8]>,
}

impl Kept<'_> {
    /// All of them, or none; only a message without the cardholder goes back to another one, and never is a first one.
    fn read(&self) -> Result<Option<Credential>, ResponseCode> {
        let (by, indicator) = match (self.initiator, self.indicator) {
            (Some(b"C"), Some(indicator)) if self.original.is_none() => (Initiator::Customer, indicator),
            (Some(b"M"), Some(indicator)) if indicator.starts_with(b"2") => (Initiator::Merchant, indicator),
            (None, None) if self.original.is_none() => return Ok(None),
            _ => return Err(ResponseCode::FORMAT_ERROR),
        };
        if !matches!(indicator, [b'1' | b'2', b'R' | b'S' | b'U']) {
            return Err(ResponseCode::FORMAT_ERROR);
        }
        let indicator = ShortText::new(indicator).ok_or(ResponseCode::FORMAT_ERROR)?;
        // What is longer was never given by this network.
        let original =
            self.original.map(|id| ShortText::new(id).ok_or(ResponseCode::INVALID_TRANSACTION)).transpose()?;
        Ok(Some(Credential { by, indicator, original }))
    }
}

fn status_of_level(level: &[u8]) -> AuthenticationStatus {
    match level {
        b"212" => AuthenticationStatus::Authenticated,
        b"211" => AuthenticationStatus::Attempted,
        _ => AuthenticationStatus::Unavailable,
    }
}

/// A field of exactly so many digits.
fn number(message: &Message, field: u8, length: usize) -> Option<u64> {
    message.text(field).filter(|text| text.len() == length).and_then(digits)
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// MMDDhhmmss as a number, if it is a moment of some year.
fn transmission_time(text: &str) -> Option<u32> {
    let whole = u32::try_from(digits(text).filter(|_| text.len() == 10)?).ok()?;
    let (month, day) = (whole / 100_000_000, whole / 1_000_000 % 100);
    let (hour, minute, second) = (whole / 10_000 % 100, whole / 100 % 100, whole % 100);
    let is_moment = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    is_moment.then_some(whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn purchase() -> Message {
        let mut message = Message::new();
        message.set_mti(Mti::FINANCIAL_REQUEST);
        for (field, value) in [
            (2, "4005550000000001"),
            (3, "000000"),
            (4, "000000010000"),
            (7, "1120101112"),
            (11, "000042"),
            (14, "3005"),
            (25, "59"),
            (32, "454545"),
            (37, "00000000ABCD"),
            (41, "TERM0001"),
            (42, "MERCHANT0000001"),
            (48, "42032109203123"),
            (49, "784"),
        ] {
            message.set(field, value).unwrap();
        }
        message
    }

    fn code_of(message: &Message) -> Option<ResponseCode> {
        match read(message, None) {
            Read::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    #[test]
    fn a_purchase_is_read_whole() {
        let Read::Payment(payment) = read(&purchase(), None) else { panic!("refused") };
        assert_eq!(payment.kind, RequestKind::Purchase);
        assert_eq!(payment.amount_minor, 10_000);
        assert_eq!(payment.currency.alpha(), "AED");
        assert_eq!(payment.name.stan, 42);
        assert_eq!(payment.name.sent_at, 1_120_101_112);
        assert_eq!(payment.name.acquirer, 454_545);
        assert_eq!(payment.authentication, Authentication::None);
        assert_eq!(payment.transmission, Transmission::First);
    }

    #[test]
    fn a_message_without_a_mandatory_field_has_a_format_error() {
        for field in [2, 3, 4, 7, 11, 14, 25, 32, 37, 49] {
            let mut message = purchase();
            message.remove(field);
            assert_eq!(code_of(&message), Some(ResponseCode::FORMAT_ERROR), "field {field}");
        }
    }

    #[test]
    fn a_malformed_field_has_its_code() {
        for (field, value, code) in [
            (2, "4005550000000002", ResponseCode::INVALID_CARD_NUMBER),
            (3, "310000", ResponseCode::INVALID_TRANSACTION),
            (7, "1320101112", ResponseCode::FORMAT_ERROR),
            (7, "1120241112", ResponseCode::FORMAT_ERROR),
            (14, "3013", ResponseCode::FORMAT_ERROR),
            (37, "SHORT", ResponseCode::FORMAT_ERROR),
            (48, "9203", ResponseCode::FORMAT_ERROR),
            (48, "920212", ResponseCode::FORMAT_ERROR),
            (48, "920312x", ResponseCode::FORMAT_ERROR),
            (48, "1104AAAA4203212", ResponseCode::FORMAT_ERROR),
            (48, "1128AAABBWcSNIdjeUZThmNHAAAAAA!=4203212", ResponseCode::FORMAT_ERROR),
            (49, "001", ResponseCode::FORMAT_ERROR),
        ] {
            let mut message = purchase();
            message.set(field, value).unwrap();
            assert_eq!(code_of(&message), Some(code), "field {field}: {value}");
        }
    }

    #[test]
    fn later_messages_need_to_name_their_original() {
        let mut message = purchase();
        message.set_mti("0221".parse().unwrap());
        message.remove(14);
        assert_eq!(code_of(&message), Some(ResponseCode::FORMAT_ERROR));
        message.set(90, "010000004111201011120000045454500000000000").unwrap();
        let Read::Payment(payment) = read(&message, None) else { panic!("refused") };
        assert_eq!(payment.transmission, Transmission::Repeat);
        let original = payment.kind.original().unwrap().name;
        assert_eq!((original.class, original.stan), (MessageClass::Authorization, 41));
        assert_eq!((original.acquirer, original.sent_at), (454_545, 1_120_101_112));
        message.set(90, "010000004111201011120000000000000000000000").unwrap();
        let Read::Payment(payment) = read(&message, None) else { panic!("refused") };
        assert_eq!(payment.kind.original().unwrap().name.acquirer, 454_545);
    }

    #[test]
    fn three_d_secure_is_a_matter_of_ecommerce_only_and_counts_with_a_value() {
        let value = "AAABBWcSNIdjeUZThmNHAAAAAAA=";
        let ds_transaction_id = "f38e6948-5388-41a6-bca4-b49723c19437";
        let presented = |status, id: Option<&str>| {
            let value = AuthenticationValue::parse(value).unwrap();
            Authentication::Presented(Proof { status, value, ds_transaction_id: id.map(str::to_owned) })
        };
        let with_value = |level: &str| format!("1128{value}4203{level}");
        let with_all = format!("1128{value}1236{ds_transaction_id}4203212");
        for (condition, private, expected) in [
            ("59", "4203210", Authentication::None),
            ("59", "", Authentication::None),
            ("59", "4203212", Authentication::None),
            ("59", "4203211", Authentication::None),
            ("59", &with_value("212"), presented(AuthenticationStatus::Authenticated, None)),
            ("59", &with_value("211"), presented(AuthenticationStatus::Attempted, None)),
            ("59", &with_value("210"), presented(AuthenticationStatus::Unavailable, None)),
            ("59", &with_all, presented(AuthenticationStatus::Authenticated, Some(ds_transaction_id))),
            ("08", &with_all, Authentication::NotEcommerce),
            ("59", "42032104401N", Authentication::Exempt),
            ("59", "42032104401Y", Authentication::None),
            ("08", "4203210", Authentication::NotEcommerce),
        ] {
            let mut message = purchase();
            message.set(25, condition).unwrap();
            message.set(48, private).unwrap();
            let Read::Payment(payment) = read(&message, None) else { panic!("refused") };
            assert_eq!(payment.authentication, expected, "{condition} {private}");
        }
    }

    #[test]
    fn answers_and_unknown_types_are_no_requests() {
        for (mti, code) in [("0110", None), ("0500", Some(ResponseCode::INVALID_TRANSACTION))] {
            let mut message = purchase();
            message.set_mti(mti.parse().unwrap());
            assert_eq!(code_of(&message), code, "{mti}");
        }
    }

    #[test]
    fn debug_shows_no_card_data() {
        let shown = format!("{:?}", read(&purchase(), None));
        assert!(!shown.contains("4005550000000001") && !shown.contains("123\""), "{shown}");
    }
}
