//! How our pages look for a merchant's customers: its name, its colour, its logo.

use std::fmt;

/// The most characters of a shop's name on our pages.
pub const SHOP_NAME_CHARS_MAX: usize = 60;
/// The most bytes of a logo.
pub const LOGO_BYTES_MAX: usize = 64 * 1024;
/// The most pixels of a logo, in width and in height.
pub const LOGO_SIDE_PX_MAX: u32 = 2048;
/// The fewest pixels of a logo, in width and in height.
pub const LOGO_SIDE_PX_MIN: u32 = 16;

/// How our pages look for a merchant's customers.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageFace {
    /// The shop's name on English pages, and on all where there is no other; without it the name on the cardholder's
    /// statement stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_name: Option<String>,
    /// The shop's name on Arabic pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_name_ar: Option<String>,
    /// The colour of buttons and marks. The page sees to it that text stays readable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// Which logo stands there; the picture itself lies in the store, since terms are read often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<LogoMark>,
}

impl PageFace {
    /// Whether nothing was set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == PageFace::default()
    }
}

/// Whether `name` may stand on a page: 1 to [`SHOP_NAME_CHARS_MAX`] characters that are neither control characters nor
/// marks that turn the reading direction.
#[must_use]
pub fn is_shop_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=SHOP_NAME_CHARS_MAX).contains(&length) && !name.trim().is_empty() && crate::shown::harmless(name) == name
}

/// A colour of red, green and blue, each 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

impl Colour {
    /// Reads `#rrggbb`, six hex digits in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Colour> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Colour { red: part(0)?, green: part(2)?, blue: part(4)? })
    }
}

impl TryFrom<String> for Colour {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Colour, Self::Error> {
        Colour::parse(&text).ok_or("a colour is # and six hex digits, for example #0a7d5c")
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> String {
        colour.to_string()
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

/// Which logo a merchant has: enough to name it in a page and to keep its place there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogoMark {
    /// The first 32 hex digits of the SHA-256 of the picture: it stands in the address, so that a changed logo has
    /// another one.
    pub hash: String,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
}

/// A logo: a picture whose first bytes were looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    /// What it is.
    pub kind: LogoKind,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
    /// The file as it is.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({:?}, {}x{}, {} bytes)", self.kind, self.width_px, self.height_px, self.bytes.len())
    }
}

/// What a logo may be. No SVG: such a file can hold scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl LogoKind {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            LogoKind::Png => "image/png",
            LogoKind::Jpeg => "image/jpeg",
            LogoKind::Webp => "image/webp",
        }
    }
}

/// Why a file is no logo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoError {
    /// More than [`LOGO_BYTES_MAX`].
    #[error("a logo has at most 64 KiB")]
    TooLarge,
    /// Neither PNG nor JPEG nor WebP by its first bytes.
    #[error("a logo is a PNG, JPEG or WebP file")]
    Unknown,
    /// Too few or too many pixels.
    #[error("a logo has 16 to 2048 pixels in width and in height")]
    Side,
}

impl Logo {
    /// Looks at a file: kind and size by its own bytes, never by its name.
    ///
    /// # Errors
    /// When it is too large or none of the known kinds.
    pub fn read(bytes: Vec<u8>) -> Result<Logo, LogoError> {
        if bytes.len() > LOGO_BYTES_MAX {
            return Err(LogoError::TooLarge);
        }
        let (kind, size) = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            (LogoKind::Png, png_size(&bytes))
        } else if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            (LogoKind::Jpeg, jpeg_size(&bytes))
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            (LogoKind::Webp, webp_size(&bytes))
        } else {
            return Err(LogoError::Unknown);
        };
        let Size { width_px, height_px } = size.ok_or(LogoError::Unknown)?;
        let sides = LOGO_SIDE_PX_MIN..=LOGO_SIDE_PX_MAX;
        if !sides.contains(&width_px) || !sides.contains(&height_px) {
            return Err(LogoError::Side);
        }
        Ok(Logo { kind, width_px, height_px, bytes })
    }
}

struct Size {
    width_px: u32,
    height_px: u32,
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(length)?)?;
    Some(part.iter().fold(0, |sum: u32, byte| (sum << 8) | u32::from(*byte)))
}

/// The header chunk comes first (ISO/IEC 15948, 11.2.2).
fn png_size(bytes: &[u8]) -> Option<Size> {
    (bytes.get(12..16) == Some(b"IHDR"))
        .then_some(())
        .and_then(|()| Some(Size { width_px: number(bytes, 16, 4)?, height_px: number(bytes, 20, 4)? }))
}

/// The first frame header (ITU-T T.81, B.2.2), over the segments before it.
fn jpeg_size(bytes: &[u8]) -> Option<Size> {
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xFF {
            return None;
        }
        match *bytes.get(at + 1)? {
            0xFF => at += 1,
            // Start of a frame of whatever coding; C4, C8 and CC are other segments.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Some(Size { width_px: number(bytes, at + 7, 2)?, height_px: number(bytes, at + 5, 2)? });
            }
            // The picture itself, or its end: there was no frame header.
            0xDA | 0xD9 => return None,
            _ => at += 2 + usize::try_from(number(bytes, at + 2, 2)?).ok()?.max(2),
        }
    }
}

/// The three forms of the first chunk (RFC 9649, 2.5 to 2.7).
fn webp_size(bytes: &[u8]) -> Option<Size> {
    let little = |at: usize, length: usize| -> Option<u32> {
        let part = bytes.get(at..at.checked_add(length)?)?;
        Some(part.iter().rev().fold(0, |sum: u32, byte| (sum << 8) | u32::from(*byte)))
    };
    match bytes.get(12..16)? {
        b"VP8 " if bytes.get(23..26) == Some(&[0x9D, 0x01, 0x2A]) => {
            Some(Size { width_px: little(26, 2)? & 0x3FFF, height_px: little(28, 2)? & 0x3FFF })
        }
        b"VP8L" if bytes.get(20) == Some(&0x2F) => {
            let bits = little(21, 4)?;
            Some(Size { width_px: (bits & 0x3FFF) + 1, height_px: ((bits >> 14) & 0x3FFF) + 1 })
        }
        b"VP8X" => Some(Size { width_px: little(24, 3)? + 1, height_px: little(27, 3)? + 1 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend_from_slice(&width.to_be_bytes());
        bytes.extend_from_slice(&height.to_be_bytes());
        bytes
    }

    fn size(bytes: &[u8]) -> Option<(LogoKind, u32, u32)> {
        Logo::read(bytes.to_vec()).ok().map(|logo| (logo.kind, logo.width_px, logo.height_px))
    }

    #[test]
    fn a_colour_is_six_hex_digits() {
        assert_eq!(Colour::parse("#0A7d5c").unwrap().to_string(), "#0a7d5c");
        for wrong in ["", "#", "0a7d5c", "#0a7d5", "#0a7d5c0", "#0a7d5g", "#+a7d5c", "red", "#ééé"] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_shop_name_cannot_turn_the_page_round() {
        for name in ["Dune Books", "كتب الكثبان", "A"] {
            assert!(is_shop_name(name), "{name}");
        }
        for name in ["", "   ", "a\u{202e}b", "a\nb", &"x".repeat(SHOP_NAME_CHARS_MAX + 1)] {
            assert!(!is_shop_name(name), "{name}");
        }
    }

    #[test]
    fn kind_and_size_of_a_logo_come_from_its_bytes() {
        assert_eq!(size(&png(120, 40)), Some((LogoKind::Png, 120, 40)));
        let jpeg = [
            0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFF, 0xC2, 0, 17, 8, 0, 40, 0, 120, 3, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0,
        ];
        assert_eq!(size(&jpeg), Some((LogoKind::Jpeg, 120, 40)));
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x78\0\x28\0";
        assert_eq!(size(lossy), Some((LogoKind::Webp, 120, 40)));
        let bits: u32 = 119 | (39 << 14);
        let mut lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f".to_vec();
        lossless.extend_from_slice(&bits.to_le_bytes());
        assert_eq!(size(&lossless), Some((LogoKind::Webp, 120, 40)));
        let extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x77\0\0\x27\0\0";
        assert_eq!(size(extended), Some((LogoKind::Webp, 120, 40)));
    }

    #[test]
    fn what_is_no_logo_says_why() {
        assert_eq!(Logo::read(vec![0; LOGO_BYTES_MAX + 1]).unwrap_err(), LogoError::TooLarge);
        assert_eq!(Logo::read(b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()).unwrap_err(), LogoError::Unknown);
        assert_eq!(Logo::read(b"GIF89a".to_vec()).unwrap_err(), LogoError::Unknown);
        assert_eq!(Logo::read(png(4000, 40)).unwrap_err(), LogoError::Side);
        assert_eq!(Logo::read(png(1, 1)).unwrap_err(), LogoError::Side);
        // Cut short anywhere, a file is refused and nothing panics.
        for whole in [png(120, 40), vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC0, 0, 17, 8, 0]] {
            for length in 0..whole.len() {
                assert!(Logo::read(whole[..length].to_vec()).is_err(), "{length}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_after_a_known_beginning_are_read_or_refused(tail in proptest::collection::vec(0u8.., 0..80)) {
            for head in [&b"\x89PNG\r\n\x1a\n"[..], &[0xFF, 0xD8, 0xFF], b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8 "] {
                let _ = Logo::read([head, &tail].concat());
            }
        }
    }
}
