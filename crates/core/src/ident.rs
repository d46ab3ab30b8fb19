//! Names of things: merchants, orders, operations, and the numbers of the acquirer wire.

use crate::time::Timestamp;
use std::fmt;

/// A merchant account inside this gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct MerchantId(pub i64);

/// The number of an order, 18 digits, unique in the whole gateway; FORT's `fort_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct FortId(pub i64);

impl FortId {
    /// Reads 1 to 18 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<FortId> {
        if text.is_empty() || text.len() > 18 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().map(FortId)
    }
}

impl fmt::Display for FortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:018}", self.0)
    }
}

/// The number of one operation on an order. The first operation of an order has the order's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub i64);

impl OperationId {
    /// The retrieval reference number (ISO 8583:1987 field 37, an 12): the number in base 36, so
    /// that it is as unique as the operation itself.
    #[must_use]
    pub fn rrn(self) -> Rrn {
        let mut digits = [b'0'; 12];
        let mut rest = self.0.unsigned_abs();
        for digit in digits.iter_mut().rev() {
            let value = u8::try_from(rest % 36).unwrap_or(0);
            *digit = if value < 10 { b'0' + value } else { b'A' + (value - 10) };
            rest /= 36;
        }
        Rrn(digits)
    }

    /// The operation whose [`OperationId::rrn`] this is; `None` for a text that never was one.
    #[must_use]
    pub fn from_rrn(rrn: Rrn) -> Option<OperationId> {
        let number = rrn.0.iter().try_fold(0i64, |sum, byte| {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'A'..=b'Z' => byte - b'A' + 10,
                _ => return None,
            };
            sum.checked_mul(36)?.checked_add(i64::from(digit))
        })?;
        Some(OperationId(number))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:018}", self.0)
    }
}

/// Makes numbers for orders and operations that only grow.
///
/// A number is the time in microseconds (16 digits until the year 2286) and two digits of the node;
/// when two fall into one microsecond, or the clock goes back, the next free one is taken. A number
/// whose last digit would be a right check digit of a card is passed over, so that no search for card
/// numbers ever takes one of ours for a card.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    node: u8,
    last_us: i64,
}

impl Numbers {
    /// A source for node `node` (0 to 99, cut to the range).
    #[must_use]
    pub const fn new(node: u8) -> Numbers {
        Numbers { node: node % 100, last_us: 0 }
    }

    /// The next number; larger than every one before from this source.
    pub fn next(&mut self, now: Timestamp) -> OperationId {
        self.last_us = now.0.max(self.last_us.saturating_add(1));
        let mut id = self.current();
        // The check digits of neighbours differ, so this passes over one number, or two at a carry.
        while crate::card::luhn_of_number(id.0.unsigned_abs()) {
            self.last_us = self.last_us.saturating_add(1);
            id = self.current();
        }
        id
    }

    fn current(&self) -> OperationId {
        OperationId(self.last_us.saturating_mul(100).saturating_add(i64::from(self.node)))
    }
}

/// Systems trace audit number (ISO 8583:1987 field 11, n 6): 1 to 999,999, then again from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Stan(u32);

impl Stan {
    /// The number `value` folded into 1 to 999,999.
    #[must_use]
    pub const fn folded(value: u32) -> Stan {
        Stan(value % 999_999 + 1)
    }

    /// Reads six digits that are not all zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Stan> {
        if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|number| *number > 0).map(Stan)
    }

    /// The number, 1 to 999,999.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Stan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// Retrieval reference number (ISO 8583:1987 field 37, an 12).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rrn([u8; 12]);

impl Rrn {
    /// Reads 12 letters or digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Rrn> {
        let bytes: [u8; 12] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Rrn(bytes))
    }

    /// The twelve characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_grow_even_when_the_clock_does_not() {
        let mut numbers = Numbers::new(7);
        let at = Timestamp(1_795_180_800_000_000);
        let first = numbers.next(at);
        let second = numbers.next(at);
        let third = numbers.next(Timestamp(at.0 - 5_000_000));
        assert_eq!(first.to_string(), "179518080000000007");
        assert!(first < second && second < third);
    }

    #[test]
    fn no_number_could_be_a_card_number() {
        let mut numbers = Numbers::new(0);
        for _ in 0..2000 {
            assert!(!crate::card::luhn(&numbers.next(Timestamp(1_795_180_800_000_000)).to_string()));
        }
    }

    #[test]
    fn stan_never_is_zero() {
        assert_eq!(Stan::folded(0).to_string(), "000001");
        assert_eq!(Stan::folded(999_998).to_string(), "999999");
        assert_eq!(Stan::folded(999_999).to_string(), "000001");
        assert_eq!(Stan::parse("000000"), None);
    }

    proptest::proptest! {
        #[test]
        fn rrn_differs_when_the_operation_differs(a in 0i64..999_999_999_999_999_999, b in 0i64..999_999_999_999_999_999) {
            let (a, b) = (OperationId(a), OperationId(b));
            proptest::prop_assert_eq!(a == b, a.rrn() == b.rrn());
            proptest::prop_assert_eq!(Rrn::parse(a.rrn().as_str()), Some(a.rrn()));
            proptest::prop_assert_eq!(OperationId::from_rrn(a.rrn()), Some(a));
        }
    }
}
