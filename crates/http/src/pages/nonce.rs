//! The nonce of a page.

use std::fmt;

/// The bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// A number that nobody can guess, in hex, used for one page: what of the page carries it is the gateway's own.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A new one; `None` when the system gives no randomness.
    #[must_use]
    pub fn draw() -> Option<Nonce> {
        let mut bytes = [0u8; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Nonce(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// As a page and its policy name it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_new_each_time() {
        let (one, other) = (Nonce::draw(), Nonce::draw());
        assert!(one.as_ref().is_some_and(|nonce| nonce.as_str().len() == 2 * NONCE_BYTES) && one != other);
    }
}
