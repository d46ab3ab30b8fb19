//! Subelements of a private field such as 48: two digits of tag, two digits of length, the value, and the next.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::message::FIELD_BYTES_MAX;

/// The longest value of one subelement: two digits of length.
pub const SUBELEMENT_BYTES_MAX: usize = 99;

/// One subelement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Subelement<'a> {
    /// 0 to 99.
    pub tag: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// The subelements of a value, one after another. After an error it ends.
#[derive(Clone)]
pub struct Subelements<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Subelements<'a> {
    /// Reads the subelements of `bytes`, such as the value of field 48.
    pub const fn new(bytes: &'a [u8]) -> Subelements<'a> {
        Subelements { bytes, offset: 0 }
    }

    /// The value of the first subelement with the tag.
    ///
    /// # Errors
    /// [`SubelementError`] when the bytes are malformed before it.
    pub fn find(self, tag: u8) -> Result<Option<&'a [u8]>, SubelementError> {
        for subelement in self {
            let subelement = subelement?;
            if subelement.tag == tag {
                return Ok(Some(subelement.value));
            }
        }
        Ok(None)
    }

    fn two_digits(&mut self) -> Result<u8, SubelementError> {
        let offset = self.offset;
        let digits = self.bytes.get(offset..offset + 2).ok_or(SubelementError::Truncated { offset })?;
        self.offset += 2;
        match digits {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Ok((tens - b'0') * 10 + (ones - b'0')),
            _ => Err(SubelementError::Digits { offset }),
        }
    }

    fn read(&mut self) -> Result<Subelement<'a>, SubelementError> {
        let tag = self.two_digits()?;
        let length = usize::from(self.two_digits()?);
        let offset = self.offset;
        let value = self.bytes.get(offset..offset + length).ok_or(SubelementError::Truncated { offset })?;
        self.offset += length;
        Ok(Subelement { tag, value })
    }
}

impl<'a> Iterator for Subelements<'a> {
    type Item = Result<Subelement<'a>, SubelementError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset >= self.bytes.len() {
            return None;
        }
        let subelement = self.read();
        if subelement.is_err() {
            self.offset = self.bytes.len();
        }
        Some(subelement)
    }
}

/// Builds subelements of at most [`FIELD_BYTES_MAX`](crate::FIELD_BYTES_MAX) bytes, in a buffer that is wiped on drop.
pub struct SubelementBuilder {
    bytes: Zeroizing<Vec<u8>>,
}

impl SubelementBuilder {
    /// A builder without subelements.
    pub fn new() -> SubelementBuilder {
        // Taken at once, so that growth leaves no copy behind.
        SubelementBuilder { bytes: Zeroizing::new(Vec::with_capacity(FIELD_BYTES_MAX)) }
    }

    /// Appends a subelement: tag 0 to 99, value of at most [`SUBELEMENT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`SubelementError::Tag`] and [`SubelementError::TooLong`]; the builder is then as it was.
    pub fn push(&mut self, tag: u8, value: impl AsRef<[u8]>) -> Result<&mut SubelementBuilder, SubelementError> {
        let value = value.as_ref();
        if tag > 99 {
            return Err(SubelementError::Tag { tag });
        }
        if value.len() > SUBELEMENT_BYTES_MAX || self.bytes.len() + 4 + value.len() > FIELD_BYTES_MAX {
            return Err(SubelementError::TooLong { tag });
        }
        let length = value.len() as u8;
        self.bytes.extend([tag / 10, tag % 10, length / 10, length % 10].map(|digit| b'0' + digit));
        self.bytes.extend_from_slice(value);
        Ok(self)
    }

    /// The subelements so far, as the value of a field.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why subelements could not be read (guilty: the peer) or built (guilty: the caller).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SubelementError {
    /// The bytes end inside a subelement.
    #[error("the subelement ends too early, at byte {offset}")]
    Truncated {
        /// Where more was expected.
        offset: usize,
    },
    /// A tag or a length is not two digits.
    #[error("no two digits at byte {offset}")]
    Digits {
        /// Where they were expected.
        offset: usize,
    },
    /// The tag has more than two digits.
    #[error("subelement {tag} does not exist: tags are 0 to 99")]
    Tag {
        /// The tag asked for.
        tag: u8,
    },
    /// The value is too long, or would make the field too long.
    #[error("subelement {tag} is too long")]
    TooLong {
        /// The subelement that was to be added.
        tag: u8,
    },
}

impl Default for SubelementBuilder {
    fn default() -> SubelementBuilder {
        SubelementBuilder::new()
    }
}

impl fmt::Debug for Subelement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subelement").field("tag", &self.tag).field("bytes", &self.value.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_built_is_read_back() {
        let mut builder = SubelementBuilder::new();
        builder.push(10, "05").unwrap().push(92, "123").unwrap().push(3, "").unwrap();
        assert_eq!(builder.as_bytes(), b"10020592031230300");
        let subelements = Subelements::new(builder.as_bytes());
        assert_eq!(subelements.clone().count(), 3);
        assert_eq!(subelements.clone().find(92), Ok(Some(&b"123"[..])));
        assert_eq!(subelements.clone().find(3), Ok(Some(&b""[..])));
        assert_eq!(subelements.find(11), Ok(None));
    }

    #[test]
    fn malformed_bytes_end_the_walk_with_one_error() {
        for (text, error) in [
            ("1", SubelementError::Truncated { offset: 0 }),
            ("100", SubelementError::Truncated { offset: 2 }),
            ("1003ab", SubelementError::Truncated { offset: 4 }),
            ("1x03abc", SubelementError::Digits { offset: 0 }),
            ("10-3abc", SubelementError::Digits { offset: 2 }),
        ] {
            let walked: Vec<_> = Subelements::new(text.as_bytes()).collect();
            assert_eq!(walked, [Err(error)], "{text}");
        }
    }

    #[test]
    fn a_builder_keeps_to_two_digits_and_to_the_field() {
        let mut builder = SubelementBuilder::new();
        assert_eq!(builder.push(100, "").err(), Some(SubelementError::Tag { tag: 100 }));
        assert_eq!(builder.push(1, [b'x'; 100]).err(), Some(SubelementError::TooLong { tag: 1 }));
        for _ in 0..9 {
            builder.push(1, [b'x'; 99]).unwrap();
        }
        assert_eq!(builder.push(1, [b'x'; 69]).err(), Some(SubelementError::TooLong { tag: 1 }));
        builder.push(1, [b'x'; 68]).unwrap();
        assert_eq!(builder.as_bytes().len(), FIELD_BYTES_MAX);
    }
}
