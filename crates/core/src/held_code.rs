//! Security codes between the step that takes them and the authorization that sends them: in memory only.

use crate::card::SecurityCode;
use crate::time::Timestamp;
use crate::token::TokenId;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// How long a security code is held at most, in milliseconds.
pub const HELD_CODE_MS_MAX: u64 = 15 * 60_000;
/// The most security codes that are held at once; one more puts the oldest out.
pub const HELD_CODES_MAX: usize = 10_000;

/// Security codes by the token whose card they belong to. Each is given out once, and wiped when it goes.
#[derive(Default)]
pub struct HeldCodes {
    /// Boxed, so that a map that grows leaves no copy behind.
    codes: HashMap<TokenId, HeldCode>,
    /// By age, to find the oldest.
    by_age: BTreeSet<(Timestamp, TokenId)>,
}

struct HeldCode {
    code: Box<SecurityCode>,
    held_since: Timestamp,
}

impl HeldCodes {
    /// Holds the code of a token's card from `now` on, in place of one that was held for it.
    pub fn hold(&mut self, token: TokenId, code: SecurityCode, now: Timestamp) {
        self.forget(token);
        if self.codes.len() >= HELD_CODES_MAX
            && let Some((_, oldest)) = self.by_age.first().copied()
        {
            self.forget(oldest);
        }
        self.by_age.insert((now, token));
        self.codes.insert(token, HeldCode { code: Box::new(code), held_since: now });
    }

    /// Gives the code of a token's card, for the one authorization; `None` when none is held, or for too long.
    pub fn take(&mut self, token: TokenId, now: Timestamp) -> Option<SecurityCode> {
        let held = self.codes.remove(&token)?;
        self.by_age.remove(&(held.held_since, token));
        (now < held.held_since.plus_ms(HELD_CODE_MS_MAX)).then(|| (*held.code).clone())
    }

    /// Forgets the code of a token's card.
    pub fn forget(&mut self, token: TokenId) {
        if let Some(held) = self.codes.remove(&token) {
            self.by_age.remove(&(held.held_since, token));
        }
    }

    /// Forgets what is held for too long at `now`.
    pub fn forget_old(&mut self, now: Timestamp) {
        while let Some((held_since, token)) = self.by_age.first().copied() {
            if now < held_since.plus_ms(HELD_CODE_MS_MAX) {
                return;
            }
            self.forget(token);
        }
    }

    /// How many are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }
}

impl fmt::Debug for HeldCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeldCodes({})", self.codes.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn code(digits: &str) -> SecurityCode {
        SecurityCode::parse(digits).unwrap()
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp(0).plus_ms(ms)
    }

    #[test]
    fn a_code_is_given_once_and_in_its_time_only() {
        let mut held = HeldCodes::default();
        held.hold(TokenId(1), code("111"), at(0));
        held.hold(TokenId(2), code("222"), at(0));
        assert_eq!(held.take(TokenId(1), at(HELD_CODE_MS_MAX - 1)), Some(code("111")));
        assert_eq!(held.take(TokenId(1), at(1)), None, "given once");
        assert_eq!(held.take(TokenId(2), at(HELD_CODE_MS_MAX)), None, "too late");
        assert!(held.is_empty());
        held.hold(TokenId(3), code("333"), at(0));
        held.hold(TokenId(3), code("444"), at(5));
        assert_eq!((held.len(), held.take(TokenId(3), at(6))), (1, Some(code("444"))), "the newer one counts");
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_is_too_much_too() {
        let mut held = HeldCodes::default();
        for number in 0..=HELD_CODES_MAX {
            let number = i64::try_from(number).unwrap();
            held.hold(TokenId(number), code("111"), at(u64::try_from(number).unwrap()));
        }
        assert_eq!(held.len(), HELD_CODES_MAX);
        assert_eq!(held.take(TokenId(0), at(1)), None, "the oldest had to go");
        held.forget_old(at(HELD_CODE_MS_MAX + 100));
        assert_eq!(held.len(), HELD_CODES_MAX - 100);
        held.forget(TokenId(101));
        assert_eq!(held.take(TokenId(101), at(102)), None);
        held.forget_old(at(HELD_CODE_MS_MAX * 2));
        assert!(held.is_empty() && held.by_age.is_empty());
        assert!(!format!("{held:?}").contains("111"));
    }
}
