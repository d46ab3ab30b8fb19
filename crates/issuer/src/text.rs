//! Short texts of a message, kept in place: no allocation, cheap to copy.

use std::fmt;

/// At most `N` bytes of printable ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ShortText<const N: usize> {
    bytes: [u8; N],
    length: u8,
}

/// A retrieval reference number (ISO 8583:1987 field 37, an 12).
pub(crate) type Rrn = ShortText<12>;
/// An authorization code (field 38, an 6).
pub(crate) type AuthorizationCode = ShortText<6>;

impl<const N: usize> ShortText<N> {
    /// Takes over `value`; `None` when it is longer than `N` bytes or not printable ASCII.
    pub(crate) fn new(value: &[u8]) -> Option<ShortText<N>> {
        let length = u8::try_from(value.len()).ok()?;
        if !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        let mut bytes = [0; N];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(ShortText { bytes, length })
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.length)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for ShortText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ShortText;

    #[test]
    fn keeps_printable_ascii_up_to_its_length() {
        assert_eq!(ShortText::<6>::new(b"A1 b2").map(|text| text.as_str().to_owned()), Some("A1 b2".to_owned()));
        assert_eq!(ShortText::<6>::new(b"").map(|text| text.as_str().to_owned()), Some(String::new()));
        assert!(ShortText::<6>::new(b"1234567").is_none());
        assert!(ShortText::<6>::new(b"a\nb").is_none());
        assert!(ShortText::<6>::new("é".as_bytes()).is_none());
    }
}
