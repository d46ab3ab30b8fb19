//! Text that must not be seen: printed as a mask, wiped when dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use zeroize::ZeroizeOnDrop;

/// A secret text, for example a signature phrase.
///
/// `Debug` prints a fixed mask, there is no `Display`, and the memory is wiped on drop.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Wiped<String>);

impl Secret {
    /// Takes over `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Wiped::new(text.into()))
    }

    /// The text itself. Use it where it is needed and keep no copy.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl ZeroizeOnDrop for Secret {}

/// A buffer that may hold secrets, for example the body of a request: overwritten when it is emptied by
/// [`Wipe::wipe`] and when it is dropped. `Debug` prints its length.
///
/// Reserve before writing, and shorten by nothing but `wipe`: growth leaves a copy behind, and what was cut off is
/// not overwritten.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Wiped<B: Wipe>(B);

/// What can be overwritten in place.
pub trait Wipe: Default {
    /// An empty one with room for so many bytes.
    fn with_room(bytes: usize) -> Self;

    /// Overwrites what is in it, then empties it; its memory is kept for the next use.
    fn wipe(&mut self);

    /// How many bytes are in it.
    fn bytes_len(&self) -> usize;
}

impl<B: Wipe> Wiped<B> {
    /// Takes over `buffer`.
    #[must_use]
    pub fn new(buffer: B) -> Wiped<B> {
        Wiped(buffer)
    }

    /// An empty buffer with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Wiped<B> {
        Wiped(B::with_room(bytes))
    }
}

impl Wipe for Vec<u8> {
    fn with_room(bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    fn wipe(&mut self) {
        // A fill with a barrier behind it, which the compiler may not leave out either; volatile writes of single
        // bytes, over the unused capacity too, take many times as long.
        self.fill(0);
        zeroize::optimization_barrier(self.as_slice());
        self.clear();
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

impl Wipe for String {
    fn with_room(bytes: usize) -> String {
        String::with_capacity(bytes)
    }

    fn wipe(&mut self) {
        let mut bytes = std::mem::take(self).into_bytes();
        bytes.wipe();
        // Nothing is in it, so it is a text.
        *self = String::from_utf8(bytes).unwrap_or_default();
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

impl<B: Wipe> Deref for Wiped<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.0
    }
}

impl<B: Wipe> DerefMut for Wiped<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.0
    }
}

impl<B: Wipe> Drop for Wiped<B> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl<B: Wipe> ZeroizeOnDrop for Wiped<B> {}

impl<B: Wipe> fmt::Debug for Wiped<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wiped({} bytes)", self.0.bytes_len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, Wipe, Wiped};

    #[test]
    fn debug_shows_only_a_mask() {
        assert_eq!(format!("{:?}", Secret::new("PASS")), "Secret(***)");
        assert_eq!(format!("{:?}", Wiped::new("PASS".to_owned())), "Wiped(4 bytes)");
    }

    #[test]
    fn a_wiped_buffer_is_empty_and_keeps_its_memory() {
        let mut text = Wiped::new(String::with_capacity(100));
        text.push_str("4005550000000001");
        text.wipe();
        assert!(text.is_empty() && text.capacity() >= 100);
        let mut bytes = Wiped::new(Vec::with_capacity(100));
        bytes.extend_from_slice(b"4005550000000001");
        bytes.wipe();
        assert!(bytes.is_empty() && bytes.capacity() >= 100);
    }
}
