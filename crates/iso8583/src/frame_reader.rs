//! Frames out of a stream that arrives in pieces.

use std::ops::Range;

use zeroize::Zeroize;

use crate::framing::{FrameDecoded, FrameError, Framing, Tpdu};

/// The smallest read buffer, in bytes: short frames come many to a read.
pub const READ_BUFFER_BYTES_MIN: usize = 16 * 1024;

/// Collects what arrives and cuts it into frames. It owns one buffer of fixed size; a frame is wiped
/// from it at the next call, the rest on drop.
///
/// Read from the socket into [`space`](FrameReader::space), say how much came with [`filled`](FrameReader::filled), and
/// take frames until there is none:
///
/// ```
/// use tollgate_iso8583::{FrameReader, Framing, LengthHeader};
///
/// let mut reader = FrameReader::new(Framing::new(LengthHeader::Ascii4));
/// for piece in ["00", "03ab", "c0000", "0001"] {
///     assert_eq!(reader.push(piece.as_bytes()), piece.len());
/// }
/// assert_eq!(reader.next_frame()?.map(|frame| frame.message), Some(&b"abc"[..]));
/// assert!(reader.next_frame()?.is_some_and(|frame| frame.is_keepalive()));
/// assert!(reader.next_frame()?.is_none());
/// # Ok::<(), tollgate_iso8583::FrameError>(())
/// ```
pub struct FrameReader {
    framing: Framing,
    buffer: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
    /// Where the bytes that have arrived end.
    end: usize,
    /// The frame that was handed out last and is wiped at the next call: where it begins and ends.
    lent: Range<usize>,
}

impl FrameReader {
    /// A reader with room for one frame of the longest kind, and for [`READ_BUFFER_BYTES_MIN`].
    pub fn new(framing: Framing) -> FrameReader {
        let room = (framing.header_bytes() + framing.frame_bytes_max()).max(READ_BUFFER_BYTES_MIN);
        FrameReader { framing, buffer: vec![0; room], start: 0, end: 0, lent: 0..0 }
    }

    /// Where to read the next bytes into. It is empty only while there are whole frames to be taken.
    pub fn space(&mut self) -> &mut [u8] {
        self.wipe_lent();
        if self.start > 0 && self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            let kept = self.end - self.start;
            // What has moved down is still above, too.
            if let Some(left) = self.buffer.get_mut(kept.max(self.start)..self.end) {
                left.fill(0);
            }
            self.end = kept;
            self.start = 0;
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that so many bytes were read into the [`space`](FrameReader::space); more than it has are not believed.
    pub fn filled(&mut self, bytes: usize) {
        self.end = self.end.saturating_add(bytes).min(self.buffer.len());
    }

    /// Copies bytes in and answers how many there was room for.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let count = bytes.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.filled(count);
        count
    }

    /// Takes the next whole frame, if there is one. It stays readable until the reader is used again.
    ///
    /// # Errors
    /// [`FrameError`] when the stream cannot be cut any further; every later call fails alike. Close the link.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        self.wipe_lent();
        let arrived = self.buffer.get(self.start..self.end).unwrap_or_default();
        let (tpdu, message, consumed) = match self.framing.decode(arrived)? {
            FrameDecoded::Incomplete { .. } => return Ok(None),
            FrameDecoded::Frame { tpdu, message, consumed } => (tpdu, message, consumed),
        };
        let base = self.start;
        self.start += consumed;
        self.lent = base..self.start;
        if self.start == self.end {
            // All is taken: begin at the front again, without moving anything.
            self.start = 0;
            self.end = 0;
        }
        let message = self.buffer.get(base + message.start..base + message.end).unwrap_or_default();
        Ok(Some(Frame { tpdu, message }))
    }

    fn wipe_lent(&mut self) {
        if let Some(lent) = self.buffer.get_mut(std::mem::take(&mut self.lent)) {
            lent.fill(0);
        }
    }

    /// Bytes that have arrived and belong to no frame yet. More than zero when the peer closes: it was cut off.
    pub const fn bytes_pending(&self) -> usize {
        self.end - self.start
    }
}

/// A frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The TPDU it came under; an answer goes out under its [swap](Tpdu::swapped).
    pub tpdu: Option<Tpdu>,
    /// The message, without length and TPDU.
    pub message: &'a [u8],
}

impl Frame<'_> {
    /// Whether the frame carries no message and only keeps the link awake.
    pub const fn is_keepalive(&self) -> bool {
        self.message.is_empty()
    }
}

impl Drop for FrameReader {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

impl zeroize::ZeroizeOnDrop for FrameReader {}

impl std::fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameReader")
            .field("framing", &self.framing)
            .field("bytes_pending", &self.bytes_pending())
            .finish()
    }
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("tpdu", &self.tpdu).field("message_bytes", &self.message.len()).finish()
    }
}
