//! Tokens: names under which a merchant's cards are kept.

use crate::card::{CardFacts, Expiry};
use crate::card_scan::holds_card_number;
use crate::credential::NetworkTransactionId;
use crate::ident::MerchantId;
use crate::money::Currency;
use crate::page::AfterPayment;
use crate::time::Timestamp;
use std::fmt;

/// How long a token lives that no payment has made permanent, in milliseconds.
pub const PROVISIONAL_MS_MAX: u64 = 60 * 60_000;
/// The most characters in a token's name.
pub const TOKEN_NAME_CHARS_MAX: usize = 100;
/// The most tokens that one answer to GET_TOKENS tells.
pub const LISTED_TOKENS_MAX: usize = 2_000;
/// How many random bytes a name of our own is made of.
pub const MADE_NAME_BYTES: usize = 11;
/// How many hex digits of a name of our own tell when it was made: enough until the year 2527.
const MADE_NAME_TIME_DIGITS: u32 = 11;

/// The number of a card kept under a name. Another card under the same name has another number, so that what
/// was sealed for one number never opens for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i64);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:018}", self.0)
    }
}

/// Whether a token may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenStatus {
    /// It may.
    Active,
    /// Switched off, until somebody switches it on again.
    Inactive,
}

impl TokenStatus {
    /// Both of them.
    pub const ALL: [TokenStatus; 2] = [TokenStatus::Active, TokenStatus::Inactive];

    /// The value of `token_status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            TokenStatus::Active => "ACTIVE",
            TokenStatus::Inactive => "INACTIVE",
        }
    }

    /// Reads a value of `token_status`.
    #[must_use]
    pub fn parse(name: &str) -> Option<TokenStatus> {
        TokenStatus::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for TokenStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a token stands at a moment: what its status, its card's expiry and its time come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenState {
    /// It may pay.
    Active,
    /// It was switched off.
    Inactive,
    /// Its card has expired, or its expiry cannot be read.
    Expired,
    /// No payment made it permanent in time; a sweep takes it away.
    Lapsed,
}

impl TokenState {
    /// The word for it, as status words are written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            TokenState::Active => "ACTIVE",
            TokenState::Inactive => "INACTIVE",
            TokenState::Expired => "EXPIRED",
            TokenState::Lapsed => "LAPSED",
        }
    }
}

/// A card kept under a name: all of it but the card number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The number of the card under this name.
    pub id: TokenId,
    /// Whose.
    pub merchant: MerchantId,
    /// The name, unique per merchant: 1 to [`TOKEN_NAME_CHARS_MAX`] of `A-Z a-z 0-9 . @ - _`.
    pub name: String,
    /// Whether it may be used.
    pub status: TokenStatus,
    /// When it is forgotten, unless a payment succeeds before. `None`: it is permanent.
    pub lapses_at: Option<Timestamp>,
    /// What becomes of it by a payment that succeeds, as long as it is provisional.
    pub after_payment: AfterPayment,
    /// The harmless part of the card.
    pub card: CardFacts,
    /// The leading digits that name the issuer: 6, or 8 for a Meeza card of 19 digits.
    pub bin: String,
    /// The currency that the merchant notes with it.
    pub currency: Option<Currency>,
    /// The first payment that its customer made with it and that succeeded, if there was one.
    pub first_payment: Option<FirstPayment>,
    /// When the name came into use.
    pub created_at: Timestamp,
    /// When anything of it changed last.
    pub updated_at: Timestamp,
    /// Grows with each change, from 1.
    pub version: u32,
}

/// A customer's own payment with a token: what charges without the customer go back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstPayment {
    /// When it was found to have succeeded.
    pub at: Timestamp,
    /// How the network named it, where it did.
    pub network_transaction_id: Option<NetworkTransactionId>,
}

impl Token {
    /// Whether it counts as forgotten at `now`, even though a sweep may not have come by yet.
    #[must_use]
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.lapses_at.is_some_and(|lapses_at| lapses_at <= now)
    }

    /// How it stands at `now`. What is worse counts: lapsed before switched off before expired.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> TokenState {
        match Expiry::parse(&self.card.expiry) {
            _ if self.has_lapsed(now) => TokenState::Lapsed,
            _ if self.status == TokenStatus::Inactive => TokenState::Inactive,
            Some(expiry) if !expiry.is_past(now) => TokenState::Active,
            _ => TokenState::Expired,
        }
    }
}

/// What an order has to do with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderToken {
    /// The token's name at that time.
    pub name: String,
    /// What the order does with it.
    pub role: TokenRole,
}

/// What an order does with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenRole {
    /// Its card comes from a token that is permanent.
    Uses,
    /// Its card comes from a token that becomes permanent when the payment succeeds.
    Keeps,
    /// When the payment succeeds, its card is kept under the name.
    Saves,
}

impl TokenRole {
    /// All of them.
    pub const ALL: [TokenRole; 3] = [TokenRole::Uses, TokenRole::Keeps, TokenRole::Saves];

    /// The number that stores keep; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            TokenRole::Uses => 0,
            TokenRole::Keeps => 1,
            TokenRole::Saves => 2,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<TokenRole> {
        TokenRole::ALL.into_iter().find(|role| role.number() == number)
    }

    /// Whether a success of the order's first operation changes the token.
    #[must_use]
    pub const fn waits_for_success(self) -> bool {
        matches!(self, TokenRole::Keeps | TokenRole::Saves)
    }
}

/// A name of our own: 32 lower-case hex digits. The first eleven are the millisecond in which it was made, so that
/// names made together lie together in a store's index, among millions of others; then a letter, which ends what could
/// be taken for a number, and twenty random digits (80 bits). `None` when it could be taken for holding a card number,
/// as one in thousands can: draw again.
#[must_use]
pub fn made_name(at: Timestamp, random: [u8; MADE_NAME_BYTES]) -> Option<String> {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u64| usize::try_from(value & 15).ok().and_then(|value| HEX.get(value).copied());
    let ms = at.0.div_euclid(1_000).cast_unsigned();
    let time = (0..MADE_NAME_TIME_DIGITS).rev().map(|place| digit(ms >> (4 * place)));
    let (letter, rest) = random.split_first()?;
    let letter = digit(10 + u64::from(letter % 6));
    let rest = rest.iter().flat_map(|byte| [digit(u64::from(byte >> 4)), digit(u64::from(*byte))]);
    let name: String = time.chain([letter]).chain(rest).flatten().collect();
    let longest_run = name.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    (longest_run < crate::card::PAN_DIGITS_MIN && !holds_card_number(&name)).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::bin::Brand;

    #[test]
    fn a_made_name_is_32_hex_digits_and_never_looks_like_a_card() {
        // The time is told to the millisecond.
        let now = Timestamp(1_764_144_000_123_000);
        let name = made_name(now, [0xab; MADE_NAME_BYTES]).unwrap();
        assert_eq!(name, format!("{:011x}d{}", 1_764_144_000_123_u64, "ab".repeat(10)));
        assert_eq!(name.len(), 32);
        // Sixteen decimal digits on end: too like a number.
        assert_eq!(made_name(now, [0x40; MADE_NAME_BYTES]), None);
        // A time of decimal digits alone is no hindrance: the letter ends it.
        let decimal = Timestamp(0x123_4567_8901_i64 * 1_000);
        assert!(made_name(decimal, [0xab; MADE_NAME_BYTES]).unwrap().starts_with("12345678901d"));
        let visa = [0x00, 0x40, 0x05, 0x55, 0x00, 0x00, 0x00, 0x00, 0x01, 0xab, 0xab];
        assert_eq!(made_name(now, visa), None);
    }

    #[test]
    fn later_names_sort_behind_earlier_ones() {
        let name = |ms: i64, random: u8| made_name(Timestamp(ms * 1_000), [random; MADE_NAME_BYTES]).unwrap();
        for ms in [0, 1, 15, 16, 1_764_144_000_123, 0xfff_ffff_fffe] {
            assert!(name(ms, 0xff) < name(ms + 1, 0xaa));
        }
    }

    #[test]
    fn a_token_is_lapsed_before_it_is_inactive_before_it_is_expired() {
        let at = |text: &str| Timestamp::parse_date(text).unwrap();
        let token = |status, expiry: &str, lapses: Option<&str>| Token {
            id: TokenId(1),
            merchant: MerchantId(1),
            name: "t".into(),
            status,
            lapses_at: lapses.map(at),
            after_payment: AfterPayment::Keep,
            card: CardFacts { brand: Brand::Visa, mask: String::new(), expiry: expiry.into(), holder: None },
            bin: String::new(),
            currency: None,
            first_payment: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            version: 1,
        };
        use TokenState::{Active, Expired, Inactive, Lapsed};
        for (status, expiry, lapses, state) in [
            (TokenStatus::Active, "2705", None, Active),
            (TokenStatus::Active, "2705", Some("2027-05-02"), Active),
            (TokenStatus::Active, "2705", Some("2027-05-01"), Lapsed),
            (TokenStatus::Inactive, "2705", Some("2027-05-01"), Lapsed),
            (TokenStatus::Inactive, "2704", None, Inactive),
            (TokenStatus::Active, "2703", None, Expired),
            (TokenStatus::Active, "27", None, Expired),
        ] {
            assert_eq!(token(status, expiry, lapses).state(at("2027-05-01")), state, "{status} {expiry} {lapses:?}");
        }
    }

    #[test]
    fn states_and_roles_read_back() {
        for status in TokenStatus::ALL {
            assert_eq!(TokenStatus::parse(status.name()), Some(status));
        }
        assert_eq!(TokenStatus::parse("active"), None);
        for role in TokenRole::ALL {
            assert_eq!(TokenRole::from_number(role.number()), Some(role));
        }
        assert_eq!(TokenRole::from_number(3), None);
    }
}
