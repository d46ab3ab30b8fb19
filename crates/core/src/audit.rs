//! The audit log's entries: who did what, why, and to which operation; and their bytes.
//!
//! An entry never holds card data or a secret. Entries that were written together lie in one row of the log,
//! encoded by [`encode`]: payments by token write many, so an ordinary one takes some twenty bytes.
//!
//! # The encoding, version 1
//!
//! One byte 1, the count of entries, then the entries. A number is a LEB128 varint (at most ten bytes), a signed
//! one is zigzag first; a text is its length in bytes and UTF-8. An entry is: action, reason, flags (one byte
//! each); the time, as the difference to the row's in microseconds; who (one byte of kind: 0 request, 1 gateway and a
//! text, 2 person and two texts); then, by the flags from the lowest bit on: merchant, operation, token (signed),
//! count, detail. Nothing may follow, and one entry has one spelling.

use crate::ident::{MerchantId, OperationId};
use crate::time::Timestamp;
use crate::token::TokenId;
use std::fmt;

/// The most bytes of a text of an entry; a longer one is cut.
pub const AUDIT_TEXT_BYTES_MAX: usize = 512;

const VERSION: u8 = 1;
const HAS_MERCHANT: u8 = 1;
const HAS_OPERATION: u8 = 2;
const HAS_TOKEN: u8 = 4;
const HAS_COUNT: u8 = 8;
const HAS_DETAIL: u8 = 16;
const FLAGS: u8 = HAS_MERCHANT | HAS_OPERATION | HAS_TOKEN | HAS_COUNT | HAS_DETAIL;
/// The most bytes of a number of 64 bits.
const VARINT_BYTES_MAX: u32 = 10;

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: AuditWho,
    /// What was done.
    pub action: AuditAction,
    /// What for.
    pub why: AuditReason,
    /// Whose.
    pub merchant: Option<MerchantId>,
    /// For or on which operation.
    pub operation: Option<OperationId>,
    /// Which token's card.
    pub token: Option<TokenId>,
    /// How many of it.
    pub count: u64,
    /// More, in words. Never card data, never a secret.
    pub detail: String,
}

impl AuditEntry {
    /// An entry about one thing, of which nothing more is said.
    #[must_use]
    pub const fn new(at: Timestamp, who: AuditWho, action: AuditAction) -> AuditEntry {
        AuditEntry {
            at,
            who,
            action,
            why: AuditReason::None,
            merchant: None,
            operation: None,
            token: None,
            count: 1,
            detail: String::new(),
        }
    }

    /// The same about `count` things.
    #[must_use]
    pub const fn of(mut self, count: u64) -> AuditEntry {
        self.count = count;
        self
    }

    /// The same about a merchant.
    #[must_use]
    pub const fn about(mut self, merchant: MerchantId) -> AuditEntry {
        self.merchant = Some(merchant);
        self
    }

    /// The same with more words.
    #[must_use]
    pub fn saying(mut self, detail: impl Into<String>) -> AuditEntry {
        self.detail = detail.into();
        self
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditWho {
    /// A signed request of the entry's merchant.
    Request,
    /// The gateway by itself: which job of it.
    Gateway(String),
    /// A person.
    Person {
        /// Who, as the system or the person says.
        name: String,
        /// By which command.
        by: String,
    },
}

impl fmt::Display for AuditWho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditWho::Request => f.write_str("request"),
            AuditWho::Gateway(job) => write!(f, "gateway: {job}"),
            AuditWho::Person { name, by } => write!(f, "{name}: {by}"),
        }
    }
}

/// Makes an enum whose members have a number, which is kept and never changes, and a name.
macro_rules! numbered {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $member:ident = $number:literal, $text:literal;)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $member,)*
        }

        impl $name {
            /// All of them, by number.
            pub const ALL: &[$name] = &[$($name::$member,)*];

            /// Its number.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self {
                    $($name::$member => $number,)*
                }
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$member => $text,)*
                }
            }

            /// The one with that number.
            #[must_use]
            pub fn from_number(number: u8) -> Option<$name> {
                match number {
                    $($number => Some($name::$member),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

numbered! {
    /// What was done.
    AuditAction {
        /// The log's first entry.
        LogBegun = 1, "audit log begun";
        /// A card number was opened out of the vault.
        CardRevealed = 10, "card revealed";
        /// Sealed rows were sealed anew.
        RowsResealed = 11, "rows resealed";
        /// Cards left the vault, encrypted to somebody.
        CardsExported = 12, "cards exported";
        /// Cards of another vault were taken in.
        CardsImported = 13, "cards imported";
        /// A data key was made.
        DataKeyMade = 20, "data key made";
        /// Data keys were wrapped under another key-encryption key.
        DataKeysRewrapped = 21, "data keys rewrapped";
        /// A data key has taken over from the older ones.
        DataKeyRotated = 22, "data key rotated";
        /// A key-encryption key was made.
        KekMade = 23, "key-encryption key made";
        /// A key-encryption key was put aside.
        KekRetired = 24, "key-encryption key retired";
        /// Keys of the encrypted trusted channel were made.
        ChannelKeysMade = 25, "channel keys made";
        /// A custodian of a split key-encryption key has given the place to another.
        CustodianChanged = 26, "custodian changed";
        /// The custodians of split key-encryption keys have opened them to a starting gateway.
        CustodiansCame = 27, "custodians came";
        /// A merchant was added.
        MerchantAdded = 30, "merchant added";
        /// A merchant was changed.
        MerchantChanged = 31, "merchant changed";
        /// An operation was settled by hand.
        OutcomeForced = 40, "outcome forced";
        /// Somebody proposed to settle an operation by hand.
        CorrectionProposed = 41, "correction proposed";
        /// A proposal was taken back.
        CorrectionWithdrawn = 42, "correction withdrawn";
        /// The sandbox clock was moved.
        ClockMoved = 50, "clock moved";
        /// Faults were asked of the sandbox card network, or taken back.
        FaultsChanged = 51, "faults changed";
        /// Requests to the operator API came without its token.
        OperatorLoginsFailed = 60, "operator logins failed";
    }
}

numbered! {
    /// What for.
    AuditReason {
        /// Nothing more is said.
        None = 0, "";
        /// A payment by token.
        PaymentByToken = 1, "payment by token";
        /// A capture's message.
        Capture = 2, "capture";
        /// A void's message.
        Void = 3, "void";
        /// A refund's message.
        Refund = 4, "refund";
        /// A message that settles an unknown outcome.
        Recovery = 5, "recovery of an unknown outcome";
        /// A rotation of keys.
        Rotation = 6, "rotation of keys";
        /// An export of the vault.
        Export = 7, "export of the vault";
        /// An import into the vault.
        Import = 8, "import into the vault";
        /// The customer's authentication by 3-D Secure.
        Authentication = 9, "authentication of the customer";
        /// A payment after the customer was authenticated.
        AuthenticatedPayment = 10, "payment after authentication";
    }
}

/// Why bytes are no entries. None of them is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFormatError {
    /// A newer version wrote them.
    #[error("version {0} of the encoding is not known here")]
    Version(u8),
    /// They end too early.
    #[error("they are cut off")]
    CutOff,
    /// Something follows the last entry.
    #[error("something follows the last entry")]
    TooLong,
    /// A number, a kind, an action or a text is none, or is not spelled as we do.
    #[error("they hold something that is no entry")]
    Malformed,
}

/// The bytes of the entries of a row of the moment `row_at`. Texts beyond [`AUDIT_TEXT_BYTES_MAX`] are cut.
#[must_use]
pub fn encode(entries: &[AuditEntry], row_at: Timestamp) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + entries.len() * 24);
    out.push(VERSION);
    put_number(&mut out, entries.len() as u64);
    for entry in entries {
        put_entry(&mut out, entry, row_at);
    }
    out
}

/// The entries of a row of the moment `row_at`.
///
/// # Errors
/// Why the bytes are no entries.
pub fn decode(bytes: &[u8], row_at: Timestamp) -> Result<Vec<AuditEntry>, AuditFormatError> {
    let mut reader = Reader { rest: bytes };
    match reader.byte()? {
        VERSION => {}
        other => return Err(AuditFormatError::Version(other)),
    }
    let count = reader.number()?;
    // Each takes more than one byte, so the room that is made is bounded by the bytes that came.
    if count > reader.rest.len() as u64 {
        return Err(AuditFormatError::CutOff);
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(reader.entry(row_at)?);
    }
    if reader.rest.is_empty() { Ok(entries) } else { Err(AuditFormatError::TooLong) }
}

fn put_entry(out: &mut Vec<u8>, entry: &AuditEntry, row_at: Timestamp) {
    let mut flags = 0;
    for (is_there, flag) in [
        (entry.merchant.is_some(), HAS_MERCHANT),
        (entry.operation.is_some(), HAS_OPERATION),
        (entry.token.is_some(), HAS_TOKEN),
        (entry.count != 1, HAS_COUNT),
        (!entry.detail.is_empty(), HAS_DETAIL),
    ] {
        if is_there {
            flags |= flag;
        }
    }
    out.extend_from_slice(&[entry.action.number(), entry.why.number(), flags]);
    put_signed(out, entry.at.0.wrapping_sub(row_at.0));
    match &entry.who {
        AuditWho::Request => out.push(0),
        AuditWho::Gateway(job) => {
            out.push(1);
            put_text(out, job);
        }
        AuditWho::Person { name, by } => {
            out.push(2);
            put_text(out, name);
            put_text(out, by);
        }
    }
    let numbers = [entry.merchant.map(|id| id.0), entry.operation.map(|id| id.0), entry.token.map(|id| id.0)];
    for number in numbers.into_iter().flatten() {
        put_signed(out, number);
    }
    if entry.count != 1 {
        put_number(out, entry.count);
    }
    if !entry.detail.is_empty() {
        put_text(out, &entry.detail);
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let cut = &text[..text.floor_char_boundary(AUDIT_TEXT_BYTES_MAX)];
    put_number(out, cut.len() as u64);
    out.extend_from_slice(cut.as_bytes());
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, AuditFormatError> {
        let (first, rest) = self.rest.split_first().ok_or(AuditFormatError::CutOff)?;
        self.rest = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, AuditFormatError> {
        let mut number = 0u64;
        for place in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * place);
            if shifted >> (7 * place) != bits {
                return Err(AuditFormatError::Malformed);
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                // The shortest spelling is the only one.
                return if byte == 0 && place > 0 { Err(AuditFormatError::Malformed) } else { Ok(number) };
            }
        }
        Err(AuditFormatError::Malformed)
    }

    fn signed(&mut self) -> Result<i64, AuditFormatError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn text(&mut self) -> Result<String, AuditFormatError> {
        let length = usize::try_from(self.number()?).map_err(|_| AuditFormatError::Malformed)?;
        if length > AUDIT_TEXT_BYTES_MAX {
            return Err(AuditFormatError::Malformed);
        }
        let (text, rest) = self.rest.split_at_checked(length).ok_or(AuditFormatError::CutOff)?;
        self.rest = rest;
        std::str::from_utf8(text).map(str::to_owned).map_err(|_| AuditFormatError::Malformed)
    }

    fn entry(&mut self, row_at: Timestamp) -> Result<AuditEntry, AuditFormatError> {
        let action = AuditAction::from_number(self.byte()?).ok_or(AuditFormatError::Malformed)?;
        let why = AuditReason::from_number(self.byte()?).ok_or(AuditFormatError::Malformed)?;
        let flags = self.byte()?;
        if flags & !FLAGS != 0 {
            return Err(AuditFormatError::Malformed);
        }
        let at = Timestamp(row_at.0.wrapping_add(self.signed()?));
        let who = match self.byte()? {
            0 => AuditWho::Request,
            1 => AuditWho::Gateway(self.text()?),
            2 => AuditWho::Person { name: self.text()?, by: self.text()? },
            _ => return Err(AuditFormatError::Malformed),
        };
        let merchant = if flags & HAS_MERCHANT != 0 { Some(MerchantId(self.signed()?)) } else { None };
        let operation = if flags & HAS_OPERATION != 0 { Some(OperationId(self.signed()?)) } else { None };
        let token = if flags & HAS_TOKEN != 0 { Some(TokenId(self.signed()?)) } else { None };
        let count = if flags & HAS_COUNT != 0 { self.number()? } else { 1 };
        let detail = if flags & HAS_DETAIL != 0 { self.text()? } else { String::new() };
        if (flags & HAS_COUNT != 0 && count == 1) || (flags & HAS_DETAIL != 0 && detail.is_empty()) {
            return Err(AuditFormatError::Malformed);
        }
        Ok(AuditEntry { at, who, action, why, merchant, operation, token, count, detail })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const ROW_AT: Timestamp = Timestamp(1_795_180_800_000_000);

    fn revealed() -> AuditEntry {
        AuditEntry {
            why: AuditReason::PaymentByToken,
            operation: Some(OperationId(179_518_080_000_000_007)),
            token: Some(TokenId(179_518_080_000_000_001)),
            ..AuditEntry::new(Timestamp(ROW_AT.0 - 900), AuditWho::Request, AuditAction::CardRevealed)
                .about(MerchantId(3))
        }
    }

    #[test]
    fn an_ordinary_entry_is_small_and_its_bytes_never_change() {
        let bytes = encode(&[revealed()], ROW_AT);
        assert_eq!(bytes.len(), 27);
        assert_eq!(bytes[..9], [1, 1, 10, 1, 7, 0x87, 0x0e, 0, 6]);
        assert_eq!(decode(&bytes, ROW_AT).unwrap(), [revealed()]);
    }

    #[test]
    fn numbers_and_names_are_unique() {
        for (place, action) in AuditAction::ALL.iter().enumerate() {
            assert_eq!(AuditAction::from_number(action.number()), Some(*action));
            assert!(AuditAction::ALL.iter().skip(place + 1).all(|other| other.name() != action.name()));
        }
        for reason in AuditReason::ALL {
            assert_eq!(AuditReason::from_number(reason.number()), Some(*reason));
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let good = encode(&[revealed(), revealed()], ROW_AT);
        for length in 0..good.len() {
            assert!(decode(&good[..length], ROW_AT).is_err(), "{length} bytes");
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert_eq!(decode(&longer, ROW_AT), Err(AuditFormatError::TooLong));
        assert_eq!(decode(&[2, 0], ROW_AT), Err(AuditFormatError::Version(2)));
        assert_eq!(decode(&[1, 0x80, 0], ROW_AT), Err(AuditFormatError::Malformed), "0 in two bytes");
        assert_eq!(decode(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f], ROW_AT), Err(AuditFormatError::CutOff));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_two_letters() {
        let entry = revealed().saying(format!("{}é", "x".repeat(AUDIT_TEXT_BYTES_MAX - 1)));
        let read = decode(&encode(&[entry], ROW_AT), ROW_AT).unwrap();
        assert_eq!(read[0].detail, "x".repeat(AUDIT_TEXT_BYTES_MAX - 1));
    }

    fn who() -> impl Strategy<Value = AuditWho> {
        prop_oneof![
            Just(AuditWho::Request),
            ".{0,40}".prop_map(AuditWho::Gateway),
            (".{0,40}", ".{0,40}").prop_map(|(name, by)| AuditWho::Person { name, by }),
        ]
    }

    prop_compose! {
        fn entry()(
            at: i64,
            who in who(),
            action in proptest::sample::select(AuditAction::ALL),
            why in proptest::sample::select(AuditReason::ALL),
            merchant: Option<i64>,
            operation: Option<i64>,
            token: Option<i64>,
            count: u64,
            detail in ".{0,60}",
        ) -> AuditEntry {
            AuditEntry {
                at: Timestamp(at),
                who,
                action,
                why,
                merchant: merchant.map(MerchantId),
                operation: operation.map(OperationId),
                token: token.map(TokenId),
                count,
                detail,
            }
        }
    }

    proptest! {
        #[test]
        fn entries_read_back_as_they_were(entries in proptest::collection::vec(entry(), 0..20), at: i64) {
            let bytes = encode(&entries, Timestamp(at));
            prop_assert_eq!(decode(&bytes, Timestamp(at)).unwrap(), entries);
        }

        /// Whatever the bytes are, reading them ends without a panic, and what is read has these bytes only.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), at: i64) {
            let bytes = [&[1][..], &bytes].concat();
            if let Ok(entries) = decode(&bytes, Timestamp(at)) {
                prop_assert_eq!(encode(&entries, Timestamp(at)), bytes);
            }
        }

        /// The same near the border: entries with a byte changed.
        #[test]
        fn changed_bytes_are_read_or_refused(
            entries in proptest::collection::vec(entry(), 1..4), place: proptest::sample::Index, byte: u8
        ) {
            let mut bytes = encode(&entries, ROW_AT);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if let Ok(entries) = decode(&bytes, ROW_AT) {
                prop_assert_eq!(encode(&entries, ROW_AT), bytes);
            }
        }
    }
}
