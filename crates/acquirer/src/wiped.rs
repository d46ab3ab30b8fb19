//! Bytes of the wire, which hold card data.

use std::fmt;
use zeroize::ZeroizeOnDrop;

/// Bytes that print as their count and are overwritten when cleared and when dropped.
///
/// Reserve before writing: growth would leave a copy behind.
#[derive(Default)]
pub(crate) struct Wiped(pub(crate) Vec<u8>);

impl Wiped {
    pub(crate) fn with_capacity(bytes: usize) -> Wiped {
        Wiped(Vec::with_capacity(bytes))
    }

    /// Empties it and keeps its memory for the next use.
    pub(crate) fn clear(&mut self) {
        // A plain fill with a barrier behind it: the volatile writes of `zeroize` go byte by byte.
        self.0.fill(0);
        zeroize::optimization_barrier(self.0.as_slice());
        self.0.clear();
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.clear();
    }
}

impl ZeroizeOnDrop for Wiped {}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wiped({} bytes)", self.0.len())
    }
}
