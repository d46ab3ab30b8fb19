//! Frames on the stream to an acquirer: a length, an optional TPDU, the message.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use thiserror::Error;

/// Bytes of a TPDU (ISO 8583 over X.25 and its TCP heirs): protocol id, destination, source.
pub const TPDU_BYTES: usize = 5;
/// The longest frame that a two-byte binary length can announce, in bytes after the length.
pub const FRAME_BYTES_MAX_BINARY2: usize = 65_535;
/// The longest frame that four ASCII digits can announce, in bytes after the length.
pub const FRAME_BYTES_MAX_ASCII4: usize = 9_999;

/// How messages are cut out of a stream. Written as `binary2`, `ascii4`, and with a TPDU for requests as
/// `binary2+tpdu:6000010000`.
///
/// The length counts what follows it, TPDU included. A length of zero is a keepalive of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    header: LengthHeader,
    tpdu: Option<Tpdu>,
    frame_bytes_max: usize,
}

/// The form of the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthHeader {
    /// Two bytes, big end first.
    Binary2,
    /// Four ASCII digits.
    Ascii4,
}

/// A transport protocol data unit: protocol id, destination address and source address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tpdu([u8; TPDU_BYTES]);

impl Tpdu {
    /// A TPDU from its bytes.
    pub const fn new(bytes: [u8; TPDU_BYTES]) -> Tpdu {
        Tpdu(bytes)
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8; TPDU_BYTES] {
        &self.0
    }

    /// The TPDU of the answer: destination and source change places.
    pub const fn swapped(self) -> Tpdu {
        let [id, destination_high, destination_low, source_high, source_low] = self.0;
        Tpdu([id, source_high, source_low, destination_high, destination_low])
    }
}

impl Framing {
    /// Frames without TPDU, as long as the length can announce.
    pub const fn new(header: LengthHeader) -> Framing {
        Framing { header, tpdu: None, frame_bytes_max: header.frame_bytes_max() }
    }

    /// The same with a TPDU, the one that requests carry.
    #[must_use]
    pub const fn with_tpdu(mut self, request: Tpdu) -> Framing {
        self.tpdu = Some(request);
        self
    }

    /// The same with a lower limit, in bytes after the length; a higher one than the length can announce has no effect.
    #[must_use]
    pub const fn with_frame_bytes_max(mut self, frame_bytes_max: usize) -> Framing {
        let ceiling = self.header.frame_bytes_max();
        self.frame_bytes_max = if frame_bytes_max < ceiling { frame_bytes_max } else { ceiling };
        self
    }

    /// The longest frame, in bytes after the length.
    pub const fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }

    /// Bytes of the length itself.
    pub const fn header_bytes(&self) -> usize {
        self.header.bytes()
    }

    /// The TPDU that requests carry, when this framing has one.
    pub const fn request_tpdu(&self) -> Option<Tpdu> {
        self.tpdu
    }

    /// Appends a frame with a message, under the TPDU of requests if there is one. An empty message gives a
    /// [keepalive](Framing::encode_keepalive).
    ///
    /// # Errors
    /// [`FrameError::TooLong`]; `out` is then as it was.
    pub fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.encode_under(self.tpdu, message, out)
    }

    /// Appends the frame of an answer to a request that came under `request`, with the addresses swapped. Where the
    /// request had none, or this framing has none, it is as [`encode`](Framing::encode).
    ///
    /// # Errors
    /// [`FrameError::TooLong`]; `out` is then as it was.
    pub fn encode_answer(&self, request: Option<Tpdu>, message: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.encode_under(self.tpdu.map(|own| request.map_or(own, Tpdu::swapped)), message, out)
    }

    /// Appends a frame of length zero, which keeps the link awake and carries nothing.
    pub fn encode_keepalive(&self, out: &mut Vec<u8>) {
        self.header.push(0, out);
    }

    /// Looks for a whole frame at the start of `bytes`.
    ///
    /// # Errors
    /// [`FrameError`] when the length cannot be right. The guilty one is the peer, or whoever configured this framing;
    /// the stream cannot be read any further.
    pub fn decode(&self, bytes: &[u8]) -> Result<FrameDecoded, FrameError> {
        let header = self.header.bytes();
        let Some(length) = self.header.read(bytes)? else {
            return Ok(FrameDecoded::Incomplete { bytes_missing_min: header.saturating_sub(bytes.len()) });
        };
        if length > self.frame_bytes_max {
            return Err(FrameError::TooLong { bytes: length, bytes_max: self.frame_bytes_max });
        }
        let end = header + length;
        if length == 0 {
            return Ok(FrameDecoded::Frame { tpdu: None, message: end..end, consumed: end });
        }
        if self.tpdu.is_some() && length < TPDU_BYTES {
            return Err(FrameError::NoTpdu { bytes: length });
        }
        let Some(body) = bytes.get(header..end) else {
            return Ok(FrameDecoded::Incomplete { bytes_missing_min: end.saturating_sub(bytes.len()) });
        };
        Ok(match (self.tpdu, body.first_chunk::<TPDU_BYTES>()) {
            (Some(_), Some(tpdu)) => {
                FrameDecoded::Frame { tpdu: Some(Tpdu(*tpdu)), message: header + TPDU_BYTES..end, consumed: end }
            }
            _ => FrameDecoded::Frame { tpdu: None, message: header..end, consumed: end },
        })
    }

    fn encode_under(&self, tpdu: Option<Tpdu>, message: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if message.is_empty() {
            self.encode_keepalive(out);
            return Ok(());
        }
        let length = message.len() + if tpdu.is_some() { TPDU_BYTES } else { 0 };
        if length > self.frame_bytes_max {
            return Err(FrameError::TooLong { bytes: length, bytes_max: self.frame_bytes_max });
        }
        out.reserve(self.header.bytes() + length);
        self.header.push(length, out);
        if let Some(Tpdu(bytes)) = tpdu {
            out.extend_from_slice(&bytes);
        }
        out.extend_from_slice(message);
        Ok(())
    }
}

impl LengthHeader {
    const fn bytes(self) -> usize {
        match self {
            LengthHeader::Binary2 => 2,
            LengthHeader::Ascii4 => 4,
        }
    }

    const fn frame_bytes_max(self) -> usize {
        match self {
            LengthHeader::Binary2 => FRAME_BYTES_MAX_BINARY2,
            LengthHeader::Ascii4 => FRAME_BYTES_MAX_ASCII4,
        }
    }

    fn push(self, length: usize, out: &mut Vec<u8>) {
        // Callers have held the length against frame_bytes_max.
        match self {
            LengthHeader::Binary2 => out.extend_from_slice(&(length as u16).to_be_bytes()),
            LengthHeader::Ascii4 => {
                out.extend([length / 1000, length / 100, length / 10, length].map(|part| b'0' + (part % 10) as u8));
            }
        }
    }

    /// The length, or `None` while it is not all there.
    fn read(self, bytes: &[u8]) -> Result<Option<usize>, FrameError> {
        match self {
            LengthHeader::Binary2 => Ok(bytes.first_chunk::<2>().map(|&pair| usize::from(u16::from_be_bytes(pair)))),
            LengthHeader::Ascii4 => {
                let seen = bytes.get(..bytes.len().min(4)).unwrap_or_default();
                // A wrong digit is told as soon as it is seen: waiting for more of it would wait for ever.
                if !seen.iter().all(u8::is_ascii_digit) {
                    return Err(FrameError::LengthDigits);
                }
                let value = || seen.iter().fold(0, |value, digit| value * 10 + usize::from(digit - b'0'));
                Ok((seen.len() == 4).then(value))
            }
        }
    }
}

/// What [`Framing::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameDecoded {
    /// There is no whole frame yet.
    Incomplete {
        /// At least so many bytes are missing: to the end of the length, or, once that is known, of the frame.
        bytes_missing_min: usize,
    },
    /// There is one.
    Frame {
        /// The TPDU it came under.
        tpdu: Option<Tpdu>,
        /// Where the message lies; empty for a keepalive.
        message: Range<usize>,
        /// The bytes of the frame with its length: where the next one begins.
        consumed: usize,
    },
}

/// Why a stream has no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A frame is longer than allowed.
    #[error("a frame of {bytes} bytes is longer than the {bytes_max} allowed")]
    TooLong {
        /// Announced, or to be sent.
        bytes: usize,
        /// Allowed.
        bytes_max: usize,
    },
    /// The length is not four digits.
    #[error("the length of a frame is not made of digits")]
    LengthDigits,
    /// A frame is too short to have the TPDU it must have.
    #[error("a frame of {bytes} bytes has no room for its TPDU")]
    NoTpdu {
        /// Announced.
        bytes: usize,
    },
}

/// The text is no framing. The guilty one is the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "framing \"{text}\" is unknown: write binary2 or ascii4, and with a TPDU of ten hexadecimal digits as in \
     binary2+tpdu:6000010000"
)]
pub struct FramingError {
    text: String,
}

impl FromStr for Framing {
    type Err = FramingError;

    fn from_str(text: &str) -> Result<Framing, FramingError> {
        let unknown = || FramingError { text: text.chars().take(40).collect() };
        let (header, tpdu) = match text.split_once("+tpdu:") {
            Some((header, tpdu)) => (header, Some(tpdu)),
            None => (text, None),
        };
        let framing = Framing::new(match header {
            "binary2" => LengthHeader::Binary2,
            "ascii4" => LengthHeader::Ascii4,
            _ => return Err(unknown()),
        });
        let Some(tpdu) = tpdu else { return Ok(framing) };
        let mut bytes = [0; TPDU_BYTES];
        if tpdu.len() != 2 * TPDU_BYTES {
            return Err(unknown());
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(tpdu.as_bytes().as_chunks::<2>().0) {
            let high = crate::charset::hex_value(*high).ok_or_else(unknown)?;
            let low = crate::charset::hex_value(*low).ok_or_else(unknown)?;
            *byte = high << 4 | low;
        }
        Ok(framing.with_tpdu(Tpdu(bytes)))
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.header {
            LengthHeader::Binary2 => "binary2",
            LengthHeader::Ascii4 => "ascii4",
        })?;
        match self.tpdu {
            Some(tpdu) => write!(f, "+tpdu:{tpdu}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Tpdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Tpdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
