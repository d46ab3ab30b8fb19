//! The acquirer wire: ISO 8583 messages, their specs as data, framing and a masked description.
//!
//! A walk through one exchange:
//!
//! 1. [`Spec::builtin`] (or [`Spec::from_toml`] for an acquirer's own dialect) turns a TOML table into codec plans, once.
//! 2. [`Message`] holds an [`Mti`] and the fields in **canonical form**: ASCII digits and text, raw bytes for binary
//!    fields, whatever the spec does on the wire. It is reusable, and wiped when cleared and when dropped.
//! 3. [`Spec::pack`] appends the wire form to a buffer; [`Framing::encode`] puts the length prefix (and TPDU) before it.
//! 4. [`FrameReader`] cuts the bytes that come back into frames, and [`Spec::unpack`] reads one into a message.
//! 5. [`Spec::describe`] is the only way to show a message to people: named and masked.
//!
//! The crate is pure: no I/O, no clock, no logging. No error, no `Debug` and no description holds a field's value
//! unmasked. Bytes from the network never make it panic, and it allocates no more than twice what it was given.
//!
//! ```
//! use tollgate_iso8583::{Message, Mti, Spec};
//!
//! let spec = Spec::builtin("iso8583-1987-ascii")?;
//! let mut echo = Message::new();
//! echo.set_mti(Mti::NETWORK_MANAGEMENT_REQUEST);
//! echo.set_number(11, 42, 6)?;
//! echo.set(70, "301")?;
//! let mut wire = Vec::new();
//! spec.pack(&echo, &mut wire)?;
//! assert_eq!(wire, b"080080200000000000000400000000000000000042301");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ber_tlv;
mod charset;
mod compact;
mod describe;
mod format;
mod frame_reader;
mod framing;
mod mask;
mod message;
mod mti;
mod pack;
mod plan;
#[cfg(test)]
mod properties;
mod spec;
mod spec_file;
mod subelements;
mod unpack;

pub use ber_tlv::{BER_DEPTH_MAX, BerBuilder, BerElement, BerElements, BerError, BerTag};
pub use compact::{COMPACT_BYTES_MAX, CompactError};
pub use describe::{Described, Description};
pub use frame_reader::{Frame, FrameReader, READ_BUFFER_BYTES_MIN};
pub use framing::{
    FRAME_BYTES_MAX_ASCII4, FRAME_BYTES_MAX_BINARY2, FrameDecoded, FrameError, Framing, FramingError, LengthHeader,
    TPDU_BYTES, Tpdu,
};
pub use message::{FIELD_BYTES_MAX, FIELD_NUMBER_MAX, Field, Fields, MESSAGE_BYTES_MAX, Message, SetError};
pub use mti::{Mti, MtiClass, MtiError, MtiFunction, MtiOrigin};
pub use pack::{PackError, PackReason};
pub use spec::{Layout, Sensitivity, Spec};
pub use spec_file::SpecError;
pub use subelements::{SUBELEMENT_BYTES_MAX, Subelement, SubelementBuilder, SubelementError, Subelements};
pub use unpack::{Place, UnpackError, UnpackReason};
