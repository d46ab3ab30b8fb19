//! The port to a card network, and the ISO 8583 link behind it.
//!
//! - [`Acquirer`] is what the use cases may ask of a card network.
//! - [`IsoLink`] is the one behind it: messages as `docs/wire.md` tells, over one persistent connection.
//!
//! How an exchange travels: the caller builds and packs its message, lets it into the table of messages under way and
//! wakes the connection (`shared`); the connection writes everything that is queued in one piece, takes in what has
//! arrived, finds the owners of the answers and wakes them (`session`, `in_flight`). No task is made for a message, and no
//! timer.

mod connect;
mod dialect;
mod in_flight;
mod instruments;
mod latin;
mod link;
mod port;
mod recent;
mod session;
mod settings;
mod shared;

pub use connect::{Connect, TcpConnect};
pub use link::IsoLink;
pub use port::*;
pub use settings::{ANSWER_TIMEOUT_MS_MAX, LinkSettings, SettingsError};
