//! The data elements of the messages as types: what cannot be read as one of them is a fault of its message.

use crate::faults::Faults;
use crate::json::Json;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use tollgate_core::card::{Pan, RevealPermit};
use tollgate_core::three_ds::AuthenticationValue;

/// The fewest digits of `acctNumber` (EMV 3DS 2.2, table A.1).
const ACCOUNT_DIGITS_MIN: usize = 13;

/// A data element as it stands in JSON.
pub(crate) trait Element: Sized {
    /// Reads it, or notes what is wrong with it under `name`.
    fn read(json: &Json, name: &str, faults: &mut Faults) -> Option<Self>;
}

/// What is read from a text alone.
trait TextElement: Sized {
    fn parse_text(text: &str) -> Option<Self>;
}

impl<T: TextElement> Element for T {
    fn read(json: &Json, name: &str, faults: &mut Faults) -> Option<T> {
        let read = match json {
            Json::Text(text) => T::parse_text(text),
            _ => None,
        };
        if read.is_none() {
            faults.wrong(name);
        }
        read
    }
}

impl Element for bool {
    fn read(json: &Json, name: &str, faults: &mut Faults) -> Option<bool> {
        match json {
            Json::Bool(value) => Some(*value),
            _ => {
                faults.wrong(name);
                None
            }
        }
    }
}

/// A list of 1 to so many items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct List<T, const ITEMS_MAX: usize>(Vec<T>);

impl<T, const ITEMS_MAX: usize> List<T, ITEMS_MAX> {
    /// A list of these items; `None` when there is none or there are too many.
    #[must_use]
    pub fn new(items: Vec<T>) -> Option<Self> {
        (1..=ITEMS_MAX).contains(&items.len()).then_some(List(items))
    }
}

impl<T, const ITEMS_MAX: usize> Deref for List<T, ITEMS_MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Element, const ITEMS_MAX: usize> Element for List<T, ITEMS_MAX> {
    fn read(json: &Json, name: &str, faults: &mut Faults) -> Option<Self> {
        let items = match json {
            Json::List(items) if (1..=ITEMS_MAX).contains(&items.len()) => items,
            _ => {
                faults.wrong(name);
                return None;
            }
        };
        items.iter().map(|item| T::read(item, name, faults)).collect::<Option<Vec<T>>>().map(List)
    }
}

/// A text of so many characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const CHARS_MIN: usize, const CHARS_MAX: usize>(String);

impl<const CHARS_MIN: usize, const CHARS_MAX: usize> Text<CHARS_MIN, CHARS_MAX> {
    /// Takes a text of the right length.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Bytes first: counting the characters of something huge is work for nothing.
        let fits = text.len() <= CHARS_MAX.saturating_mul(4) && (CHARS_MIN..=CHARS_MAX).contains(&text.chars().count());
        fits.then(|| Text(text.to_owned()))
    }

    /// The beginning of a text that may be too long, and filled up with `-` where it is too short.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let mut cut: String = text.chars().take(CHARS_MAX).collect();
        let count = cut.chars().count();
        cut.extend(std::iter::repeat_n('-', CHARS_MIN.saturating_sub(count)));
        Text(cut)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const CHARS_MIN: usize, const CHARS_MAX: usize> TextElement for Text<CHARS_MIN, CHARS_MAX> {
    fn parse_text(text: &str) -> Option<Self> {
        Text::parse(text)
    }
}

/// So many ASCII digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digits<const DIGITS_MIN: usize, const DIGITS_MAX: usize>(String);

impl<const DIGITS_MIN: usize, const DIGITS_MAX: usize> Digits<DIGITS_MIN, DIGITS_MAX> {
    /// Takes digits of the right number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (DIGITS_MIN..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| Digits(text.to_owned()))
    }

    /// A number, with zeros before it up to the fewest digits; `None` when it has too many.
    #[must_use]
    pub fn of(number: u64) -> Option<Self> {
        Digits::parse(&format!("{number:0DIGITS_MIN$}"))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const DIGITS_MIN: usize, const DIGITS_MAX: usize> TextElement for Digits<DIGITS_MIN, DIGITS_MAX> {
    fn parse_text(text: &str) -> Option<Self> {
        Digits::parse(text)
    }
}

/// A web address of at most so many characters, with `https` or `http`, a host, and nothing that does not belong into one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl<const CHARS_MAX: usize>(String);

impl<const CHARS_MAX: usize> WebUrl<CHARS_MAX> {
    /// Reads an address. Whether plain `http` may be used is for the caller: see [`WebUrl::is_https`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A user in an address hides from people which host it is.
        let is_host = !host.is_empty() && !host.starts_with(':') && !host.contains('@');
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'));
        (text.len() <= CHARS_MAX && is_host && is_plain).then(|| WebUrl(text.to_owned()))
    }

    /// Whether the way there is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const CHARS_MAX: usize> TextElement for WebUrl<CHARS_MAX> {
    fn parse_text(text: &str) -> Option<Self> {
        WebUrl::parse(text)
    }
}

/// A version of the protocol, spoken here or not: three numbers of at most two digits with points between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionNumber {
    major: u8,
    minor: u8,
    patch: u8,
}

impl VersionNumber {
    /// Reads `2.2.0`.
    #[must_use]
    pub fn parse(text: &str) -> Option<VersionNumber> {
        let mut parts = text.splitn(3, '.').map(|part| {
            let fits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| part.parse().ok()).flatten()
        });
        Some(VersionNumber { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? })
    }
}

impl From<ProtocolVersion> for VersionNumber {
    fn from(version: ProtocolVersion) -> VersionNumber {
        match version {
            ProtocolVersion::V210 => VersionNumber { major: 2, minor: 1, patch: 0 },
            ProtocolVersion::V220 => VersionNumber { major: 2, minor: 2, patch: 0 },
        }
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl TryFrom<String> for VersionNumber {
    type Error = &'static str;

    fn try_from(text: String) -> Result<VersionNumber, Self::Error> {
        VersionNumber::parse(&text).ok_or("a version is three numbers with points between")
    }
}

impl From<VersionNumber> for String {
    fn from(version: VersionNumber) -> String {
        version.to_string()
    }
}

impl TextElement for VersionNumber {
    fn parse_text(text: &str) -> Option<VersionNumber> {
        VersionNumber::parse(text)
    }
}

/// Gives a type around a `String` what every such type has: the conversions that serde goes by, and the text as `Display`.
macro_rules! around_text {
    ([$($generics:tt)*] $type:ty, $what:literal) => {
        impl<$($generics)*> TryFrom<String> for $type {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text).ok_or($what)
            }
        }

        impl<$($generics)*> From<$type> for String {
            fn from(value: $type) -> String {
                value.0
            }
        }

        impl<$($generics)*> fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

around_text!([const CHARS_MIN: usize, const CHARS_MAX: usize] Text<CHARS_MIN, CHARS_MAX>, "a text of another length");
around_text!([const DIGITS_MIN: usize, const DIGITS_MAX: usize] Digits<DIGITS_MIN, DIGITS_MAX>, "not so many digits");
around_text!([const CHARS_MAX: usize] WebUrl<CHARS_MAX>, "not a web address");
around_text!([] TransactionId, "a transaction is named by a UUID");

/// The name that one of the systems gave a transaction: a UUID in its canonical form (RFC 4122), 36 characters, kept as it
/// was written.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TransactionId(String);

impl TransactionId {
    /// The characters that one has.
    pub const CHARS: usize = 36;

    /// Reads a UUID.
    #[must_use]
    pub fn parse(text: &str) -> Option<TransactionId> {
        let fits = text.len() == TransactionId::CHARS
            && text.bytes().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        fits.then(|| TransactionId(text.to_owned()))
    }

    /// A new one of 16 random bytes (version 4).
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> TransactionId {
        let number = u128::from_be_bytes(random) & !(0xF << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
        let hex = format!("{number:032x}");
        let piece = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        TransactionId(format!("{}-{}-{}-{}-{}", piece(0, 8), piece(8, 12), piece(12, 16), piece(16, 20), piece(20, 32)))
    }

    /// The 36 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for TransactionId {
    /// Capitals make no difference in a UUID.
    fn eq(&self, other: &TransactionId) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl TextElement for TransactionId {
    fn parse_text(text: &str) -> Option<TransactionId> {
        TransactionId::parse(text)
    }
}

/// `acctNumber`: the card's number, 13 to 19 digits. `Debug` shows a mask, and it is wiped when dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountNumber(Pan);

impl AccountNumber {
    /// Takes a card number; `None` when it has fewer digits than the protocol allows.
    #[must_use]
    pub fn new(pan: Pan) -> Option<AccountNumber> {
        let long_enough = pan.reveal(&TO_WRITE).len() >= ACCOUNT_DIGITS_MIN;
        long_enough.then_some(AccountNumber(pan))
    }

    /// The card number.
    #[must_use]
    pub fn pan(&self) -> &Pan {
        &self.0
    }
}

/// Leave to write a number into an AReq.
const TO_WRITE: RevealPermit = RevealPermit::granted("authenticate the customer at the directory server");

impl TextElement for AccountNumber {
    fn parse_text(text: &str) -> Option<AccountNumber> {
        Pan::parse(text).ok().and_then(AccountNumber::new)
    }
}

impl Serialize for AccountNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.reveal(&TO_WRITE))
    }
}

impl TextElement for AuthenticationValue {
    fn parse_text(text: &str) -> Option<AuthenticationValue> {
        AuthenticationValue::parse(text)
    }
}

impl TextElement for crate::fault::ErrorCode {
    fn parse_text(text: &str) -> Option<Self> {
        crate::fault::ErrorCode::parse(text)
    }
}

impl TextElement for crate::message::MessageType {
    fn parse_text(text: &str) -> Option<Self> {
        crate::message::MessageType::parse(text)
    }
}

/// The browser's distance from UTC in minutes as its clock has it: positive west of Greenwich (`getTimezoneOffset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZoneMinutes(i16);

impl TimeZoneMinutes {
    /// Takes a distance of at most 14 hours.
    #[must_use]
    pub fn new(minutes: i16) -> Option<TimeZoneMinutes> {
        (-840..=840).contains(&minutes).then_some(TimeZoneMinutes(minutes))
    }

    /// Reads digits, with a sign before them or none.
    #[must_use]
    pub fn parse(text: &str) -> Option<TimeZoneMinutes> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let fits = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse().ok()).flatten().and_then(TimeZoneMinutes::new)
    }
}

impl TextElement for TimeZoneMinutes {
    fn parse_text(text: &str) -> Option<Self> {
        TimeZoneMinutes::parse(text)
    }
}

impl TryFrom<String> for TimeZoneMinutes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        TimeZoneMinutes::parse(&text).ok_or("not a distance from UTC in minutes")
    }
}

impl From<TimeZoneMinutes> for String {
    fn from(value: TimeZoneMinutes) -> String {
        value.0.to_string()
    }
}

/// An element with a fixed set of values: an enum, each value with its code and what it means.
macro_rules! codes {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $code)] $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The value on the wire.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)+ }
            }

            /// Reads a value of the wire.
            #[must_use]
            pub fn parse(code: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.code() == code)
            }
        }

        impl TextElement for $name {
            fn parse_text(text: &str) -> Option<$name> {
                $name::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}

codes! {
    /// A version of the protocol that is spoken here.
    #[derive(PartialOrd, Ord)]
    pub enum ProtocolVersion {
        /// 2.1.0.
        V210 = "2.1.0",
        /// 2.2.0.
        V220 = "2.2.0",
    }
}

impl ProtocolVersion {
    /// The highest one.
    pub const HIGHEST: ProtocolVersion = ProtocolVersion::V220;
}

codes! {
    /// Yes or no as a letter.
    pub enum YesNo {
        /// Yes.
        Yes = "Y",
        /// No.
        No = "N",
    }
}

codes! {
    /// `threeDSCompInd`: what became of the 3DS method.
    pub enum MethodCompletion {
        /// It came to its end.
        Completed = "Y",
        /// It did not, in the time that it has.
        NotCompleted = "N",
        /// The range has none.
        Unavailable = "U",
    }
}

codes! {
    /// `threeDSRequestorAuthenticationInd`: what the customer is authenticated for.
    pub enum AuthenticationIndicator {
        /// A payment.
        Payment = "01",
        /// The first of recurring payments.
        Recurring = "02",
        /// The first of several instalments.
        Instalment = "03",
        /// A card is added.
        AddCard = "04",
        /// A card is kept.
        MaintainCard = "05",
        /// The customer is verified for an EMV token.
        VerifyForToken = "06",
    }
}

codes! {
    /// `threeDSRequestorChallengeInd`: what the merchant wishes of a challenge. From 05 on in 2.2 only.
    pub enum ChallengeIndicator {
        /// No preference.
        NoPreference = "01",
        /// None is wanted.
        NotWanted = "02",
        /// One is wanted.
        Wanted = "03",
        /// One is needed: a mandate.
        Mandated = "04",
        /// None is wanted: the risk was analysed and is low.
        LowRisk = "05",
        /// None is wanted: the data are shared only.
        DataShareOnly = "06",
        /// None is wanted: the customer was authenticated strongly before.
        DoneBefore = "07",
        /// None is wanted: the customer trusts the merchant.
        Trusted = "08",
        /// One is wanted, with the question whether to trust the merchant.
        WantedForTrust = "09",
    }
}

codes! {
    /// `transStatus`.
    pub enum TransStatus {
        /// Authenticated.
        Authenticated = "Y",
        /// Not authenticated.
        NotAuthenticated = "N",
        /// It could not be carried out.
        Unavailable = "U",
        /// Attempted.
        Attempted = "A",
        /// The customer has to be challenged.
        Challenge = "C",
        /// The issuer refuses.
        Rejected = "R",
        /// The customer has to be challenged elsewhere and later (2.2).
        Decoupled = "D",
        /// For information only; that no challenge is wanted was taken note of (2.2).
        Informational = "I",
    }
}

codes! {
    /// `challengeWindowSize`.
    pub enum ChallengeWindowSize {
        /// 250 x 400.
        W250 = "01",
        /// 390 x 400.
        W390 = "02",
        /// 500 x 600.
        W500 = "03",
        /// 600 x 400.
        W600 = "04",
        /// The whole page.
        FullPage = "05",
    }
}

codes! {
    /// `challengeCancel`: why a challenge ended without a result.
    pub enum ChallengeCancel {
        /// The customer cancelled.
        ByCustomer = "01",
        /// The 3DS Requestor cancelled.
        ByRequestor = "02",
        /// The transaction was abandoned.
        Abandoned = "03",
        /// The ACS waited too long for the customer.
        TimedOut = "04",
        /// No CReq ever came to the ACS.
        NoChallengeRequest = "05",
        /// An error.
        Error = "06",
        /// Nobody knows.
        Unknown = "07",
        /// The SDK waited too long.
        TimedOutAtSdk = "08",
    }
}

codes! {
    /// `authenticationType`: how the issuer challenges.
    pub enum AuthenticationType {
        /// A static secret.
        Static = "01",
        /// One that changes, such as a code by message.
        Dynamic = "02",
        /// Out of band, such as the bank's app.
        OutOfBand = "03",
        /// Decoupled.
        Decoupled = "04",
    }
}

codes! {
    /// `resultsStatus`: what became of an RReq.
    pub enum ResultsStatus {
        /// It was received.
        Received = "01",
        /// No CReq was sent: the 3DS Requestor did not want the challenge.
        ChallengeNotSent = "02",
        /// The challenge could not be handed on because of a technical error.
        ChallengeNotDelivered = "03",
    }
}

codes! {
    /// `errorComponent`: who found the error.
    pub enum ErrorComponent {
        /// The 3DS SDK.
        Sdk = "C",
        /// The 3DS Server.
        Server = "S",
        /// The directory server.
        DirectoryServer = "D",
        /// The ACS.
        Acs = "A",
    }
}

codes! {
    /// `deviceChannel`.
    pub enum DeviceChannel {
        /// A browser.
        Browser = "02",
    }
}

codes! {
    /// `messageCategory`.
    pub enum MessageCategory {
        /// Authentication of a payment.
        Payment = "01",
    }
}

codes! {
    /// `transType`.
    pub enum TransType {
        /// Goods or services.
        Goods = "01",
        /// Check acceptance.
        CheckAcceptance = "03",
        /// Account funding.
        AccountFunding = "10",
        /// Quasi-cash.
        QuasiCash = "11",
        /// Prepaid activation and loading.
        Prepaid = "28",
    }
}

codes! {
    /// `browserColorDepth`, in bits.
    pub enum ColorDepth {
        /// 1 bit.
        Bits1 = "1",
        /// 4 bits.
        Bits4 = "4",
        /// 8 bits.
        Bits8 = "8",
        /// 15 bits.
        Bits15 = "15",
        /// 16 bits.
        Bits16 = "16",
        /// 24 bits.
        Bits24 = "24",
        /// 32 bits.
        Bits32 = "32",
        /// 48 bits.
        Bits48 = "48",
    }
}

codes! {
    /// `actionInd`: what to do with a card range of a PRes.
    pub enum ActionIndicator {
        /// Add it.
        Add = "A",
        /// Delete it.
        Delete = "D",
        /// Replace it.
        Modify = "M",
    }
}
