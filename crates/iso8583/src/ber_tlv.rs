//! BER-TLV as EMV uses it (EMV Book 3, annex B): the chip data of field 55.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::message::FIELD_BYTES_MAX;

/// How deep constructed elements may be nested where this crate descends into them.
pub const BER_DEPTH_MAX: usize = 4;

/// The longest tag: EMV has tags of one and two bytes, three are met in the wild.
const TAG_BYTES_MAX: usize = 3;

/// A tag of one to three bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BerTag(u32);

impl BerTag {
    /// A tag from its bytes as one big-endian number, such as `0x9F02`. `None` when those bytes are no complete tag.
    pub const fn new(bytes: u32) -> Option<BerTag> {
        let valid = match bytes {
            // A lone 00 is padding, and low bits of all ones announce a second byte.
            0x01..=0xFF => bytes & 0x1F != 0x1F,
            0x1F00..=0xFFFF => (bytes >> 8) & 0x1F == 0x1F && bytes & 0x80 == 0,
            0x1F_0000..=0xFF_FFFF => (bytes >> 16) & 0x1F == 0x1F && bytes & 0x8000 != 0 && bytes & 0x80 == 0,
            _ => false,
        };
        if valid { Some(BerTag(bytes)) } else { None }
    }

    /// The tag as a big-endian number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether the value is made of elements (bit 6 of the first byte).
    pub const fn is_constructed(self) -> bool {
        let first = match self.0 {
            0..=0xFF => self.0,
            0x100..=0xFFFF => self.0 >> 8,
            _ => self.0 >> 16,
        };
        first & 0x20 != 0
    }

    fn push_to(self, out: &mut Vec<u8>) {
        let bytes = self.0.to_be_bytes();
        let skipped = bytes.iter().take_while(|&&byte| byte == 0).count();
        out.extend(bytes.iter().skip(skipped));
    }
}

/// One element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BerElement<'a> {
    /// Its tag.
    pub tag: BerTag,
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> BerElement<'a> {
    /// The elements inside a constructed one; `None` for a primitive one.
    pub fn children(&self) -> Option<BerElements<'a>> {
        self.tag.is_constructed().then(|| BerElements::new(self.value))
    }
}

/// The elements of a value, one after another. After an error it ends.
#[derive(Clone)]
pub struct BerElements<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> BerElements<'a> {
    /// Reads the elements of `bytes`, such as the value of field 55. Zero bytes between elements are skipped, as EMV
    /// Book 3 permits.
    pub const fn new(bytes: &'a [u8]) -> BerElements<'a> {
        BerElements { bytes, offset: 0 }
    }

    /// The value of the first element with the tag on this level.
    ///
    /// # Errors
    /// [`BerError`] when the bytes are malformed before such an element.
    pub fn find(self, tag: BerTag) -> Result<Option<&'a [u8]>, BerError> {
        for element in self {
            let element = element?;
            if element.tag == tag {
                return Ok(Some(element.value));
            }
        }
        Ok(None)
    }

    fn next_byte(&mut self) -> Result<u8, BerError> {
        let byte = *self.bytes.get(self.offset).ok_or(BerError::Truncated { offset: self.offset })?;
        self.offset += 1;
        Ok(byte)
    }

    fn read_tag(&mut self) -> Result<BerTag, BerError> {
        let offset = self.offset;
        let first = self.next_byte()?;
        let mut number = u32::from(first);
        if first & 0x1F == 0x1F {
            for count in 2.. {
                let byte = self.next_byte()?;
                number = number << 8 | u32::from(byte);
                if byte & 0x80 == 0 {
                    break;
                }
                if count == TAG_BYTES_MAX {
                    return Err(BerError::Tag { offset });
                }
            }
        }
        BerTag::new(number).ok_or(BerError::Tag { offset })
    }

    fn read_length(&mut self) -> Result<usize, BerError> {
        let offset = self.offset;
        Ok(match self.next_byte()? {
            short @ 0..=0x7F => usize::from(short),
            0x81 => usize::from(self.next_byte()?),
            0x82 => usize::from(u16::from_be_bytes([self.next_byte()?, self.next_byte()?])),
            // 80 is the indefinite form, which EMV does not use; more than two bytes never fit a field.
            _ => return Err(BerError::Length { offset }),
        })
    }

    fn read_element(&mut self) -> Result<BerElement<'a>, BerError> {
        let tag = self.read_tag()?;
        let length = self.read_length()?;
        let value = self
            .bytes
            .get(self.offset..self.offset.saturating_add(length))
            .ok_or(BerError::Truncated { offset: self.offset })?;
        self.offset += length;
        Ok(BerElement { tag, value })
    }
}

impl<'a> Iterator for BerElements<'a> {
    type Item = Result<BerElement<'a>, BerError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.bytes.get(self.offset) == Some(&0) {
            self.offset += 1;
        }
        if self.offset >= self.bytes.len() {
            return None;
        }
        let element = self.read_element();
        if element.is_err() {
            self.offset = self.bytes.len();
        }
        Some(element)
    }
}

/// Builds BER-TLV of at most [`FIELD_BYTES_MAX`](crate::FIELD_BYTES_MAX) bytes, in a buffer that is wiped on drop.
pub struct BerBuilder {
    bytes: Zeroizing<Vec<u8>>,
}

impl BerBuilder {
    /// A builder without elements.
    pub fn new() -> BerBuilder {
        // Taken at once, so that growth leaves no copy behind.
        BerBuilder { bytes: Zeroizing::new(Vec::with_capacity(FIELD_BYTES_MAX)) }
    }

    /// Appends a primitive element.
    ///
    /// # Errors
    /// [`BerError::Constructed`] for the tag of a constructed element, [`BerError::TooLong`] when it does not fit; the
    /// builder is then as it was.
    pub fn push(&mut self, tag: BerTag, value: &[u8]) -> Result<&mut BerBuilder, BerError> {
        if tag.is_constructed() {
            return Err(BerError::Constructed { tag });
        }
        self.append(tag, value)
    }

    /// Appends a constructed element that holds what the other builder holds.
    ///
    /// # Errors
    /// [`BerError::Primitive`] for the tag of a primitive element, [`BerError::TooLong`] when it does not fit; the builder
    /// is then as it was.
    pub fn push_constructed(&mut self, tag: BerTag, inner: &BerBuilder) -> Result<&mut BerBuilder, BerError> {
        if !tag.is_constructed() {
            return Err(BerError::Primitive { tag });
        }
        self.append(tag, &inner.bytes)
    }

    /// The elements so far, as the value of a field.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn append(&mut self, tag: BerTag, value: &[u8]) -> Result<&mut BerBuilder, BerError> {
        let mut head = Vec::with_capacity(TAG_BYTES_MAX + 3);
        tag.push_to(&mut head);
        match value.len() {
            short @ 0..=0x7F => head.push(short as u8),
            long @ 0x80..=0xFF => head.extend_from_slice(&[0x81, long as u8]),
            long if long <= FIELD_BYTES_MAX => {
                head.push(0x82);
                head.extend_from_slice(&(long as u16).to_be_bytes());
            }
            _ => return Err(BerError::TooLong { tag }),
        }
        if self.bytes.len() + head.len() + value.len() > FIELD_BYTES_MAX {
            return Err(BerError::TooLong { tag });
        }
        self.bytes.extend_from_slice(&head);
        self.bytes.extend_from_slice(value);
        Ok(self)
    }
}

/// Why BER-TLV could not be read (guilty: the peer) or built (guilty: the caller).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BerError {
    /// The bytes end inside an element.
    #[error("the element ends too early, at byte {offset}")]
    Truncated {
        /// Where more was expected.
        offset: usize,
    },
    /// The tag is malformed or longer than three bytes.
    #[error("no valid tag at byte {offset}")]
    Tag {
        /// Where the tag begins.
        offset: usize,
    },
    /// The length is of the indefinite form or longer than two bytes.
    #[error("no valid length at byte {offset}")]
    Length {
        /// Where the length begins.
        offset: usize,
    },
    /// The elements would not fit a field.
    #[error("with {tag} the value would have more than {FIELD_BYTES_MAX} bytes")]
    TooLong {
        /// The element that was to be added.
        tag: BerTag,
    },
    /// A value was given for a tag that holds elements.
    #[error("{tag} is the tag of a constructed element")]
    Constructed {
        /// The tag.
        tag: BerTag,
    },
    /// Elements were given for a tag that holds a value.
    #[error("{tag} is the tag of a primitive element")]
    Primitive {
        /// The tag.
        tag: BerTag,
    },
}

impl Default for BerBuilder {
    fn default() -> BerBuilder {
        BerBuilder::new()
    }
}

impl fmt::Display for BerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0 {
            0..=0xFF => 2,
            0x100..=0xFFFF => 4,
            _ => 6,
        };
        write!(f, "{:0digits$X}", self.0)
    }
}

impl fmt::Debug for BerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BerTag {
    type Err = BerError;

    fn from_str(text: &str) -> Result<BerTag, BerError> {
        if !matches!(text.len(), 2 | 4 | 6) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BerError::Tag { offset: 0 });
        }
        let tag = u32::from_str_radix(text, 16).ok().and_then(BerTag::new).ok_or(BerError::Tag { offset: 0 })?;
        // "009A" is the number of a tag, but not the way to write it.
        if tag.to_string().len() == text.len() { Ok(tag) } else { Err(BerError::Tag { offset: 0 }) }
    }
}

impl fmt::Debug for BerElement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BerElement").field("tag", &self.tag).field("bytes", &self.value.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn tag(text: &str) -> BerTag {
        text.parse().unwrap()
    }

    #[test]
    fn tags_of_one_two_and_three_bytes_are_known_by_their_bits() {
        for text in ["82", "5A", "9F02", "5F2A", "BF0C", "DF8129", "E1"] {
            assert_eq!(tag(text).to_string(), text);
        }
        for bad in ["00", "9F", "1F", "9F82", "8202", "009A", "DF8181", "DF0129", "9F0", "", "9g"] {
            assert!(bad.parse::<BerTag>().is_err(), "{bad}");
        }
        assert!(tag("BF0C").is_constructed() && tag("E1").is_constructed() && tag("77").is_constructed());
        assert!(!tag("9F02").is_constructed() && !tag("DF8129").is_constructed() && !tag("5A").is_constructed());
    }

    #[test]
    fn lengths_of_all_forms_are_built_and_read() {
        for length in [0, 1, 127, 128, 255, 256, 900] {
            let value = vec![0xA5; length];
            let mut builder = BerBuilder::new();
            builder.push(tag("9F10"), &value).unwrap();
            let head: &[u8] = match length {
                0..128 => &[length as u8],
                128..256 => &[0x81, length as u8],
                _ => &[0x82, (length >> 8) as u8, length as u8],
            };
            assert!(builder.as_bytes().starts_with(&[&[0x9F, 0x10], head].concat()), "{length}");
            assert_eq!(BerElements::new(builder.as_bytes()).find(tag("9F10")), Ok(Some(&value[..])));
        }
    }

    #[test]
    fn constructed_elements_nest_and_padding_is_skipped() {
        let mut inner = BerBuilder::new();
        inner.push(tag("9F18"), &[1, 2, 3, 4]).unwrap().push(tag("86"), &[0x84, 0x24]).unwrap();
        let mut outer = BerBuilder::new();
        outer.push(tag("91"), &[9]).unwrap().push_constructed(tag("71"), &inner).unwrap();
        let padded = [&[0, 0][..], outer.as_bytes(), &[0]].concat();
        let elements: Vec<BerElement<'_>> = BerElements::new(&padded).map(Result::unwrap).collect();
        assert_eq!(elements.len(), 2);
        assert!(elements[0].children().is_none());
        let script = elements[1].children().unwrap();
        assert_eq!(script.find(tag("86")), Ok(Some(&[0x84, 0x24][..])));
        assert_eq!(outer.push(tag("71"), &[]).err(), Some(BerError::Constructed { tag: tag("71") }));
        assert_eq!(outer.push_constructed(tag("82"), &inner).err(), Some(BerError::Primitive { tag: tag("82") }));
    }

    #[test]
    fn malformed_bytes_end_the_walk_with_one_error() {
        for (bytes, error) in [
            (&[0x9F][..], BerError::Truncated { offset: 1 }),
            (&[0x82], BerError::Truncated { offset: 1 }),
            (&[0x82, 2, 1], BerError::Truncated { offset: 2 }),
            (&[0x82, 0x80, 0, 0], BerError::Length { offset: 1 }),
            (&[0x82, 0x83, 0, 0, 1, 7], BerError::Length { offset: 1 }),
            (&[0x82, 0x82, 0xFF], BerError::Truncated { offset: 3 }),
            (&[0xDF, 0x81, 0x81, 0x01, 0], BerError::Tag { offset: 0 }),
        ] {
            let walked: Vec<_> = BerElements::new(bytes).collect();
            assert_eq!(walked, [Err(error)], "{bytes:02X?}");
        }
    }

    #[test]
    fn a_builder_never_outgrows_a_field() {
        let mut builder = BerBuilder::new();
        builder.push(tag("9F10"), &[0; 990]).unwrap();
        assert_eq!(builder.push(tag("82"), &[0; 3]).err(), Some(BerError::TooLong { tag: tag("82") }));
        builder.push(tag("82"), &[0; 2]).unwrap();
        assert_eq!(builder.as_bytes().len(), FIELD_BYTES_MAX);
        assert_eq!(builder.push(tag("82"), &[0; 100_000]).err(), Some(BerError::TooLong { tag: tag("82") }));
    }
}
