//! A sealed card.

/// A sealed card number: opaque bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedCard(Vec<u8>);

impl SealedCard {
    /// The bytes as a store keeps them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the bytes that a store kept.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> SealedCard {
        SealedCard(bytes)
    }
}

impl std::fmt::Debug for SealedCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedCard({} bytes)", self.0.len())
    }
}
