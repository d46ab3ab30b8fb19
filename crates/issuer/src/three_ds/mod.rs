//! The 3-D Secure side of the sandbox network: a directory server and an ACS, with HTTP ports of their own.
//!
//! A walk through an authentication:
//!
//! 1. `directory_port`: a PReq or an AReq comes as JSON. `directory`: it is read strictly, may meet a fault that was asked
//!    for, and its card's range is found (`range`, from `data/card_ranges.toml`).
//! 2. `acs`: the card's behaviour decides what the ARes says; an authentication value (`authentication_value`) proves
//!    it to the ISO 8583 host.
//! 3. C makes a `challenge`, kept in the table of `challenges`. `acs_port`: the browser brings the CReq and sees the page
//!    (`page`, `texts`); what it posts there is a step of the challenge, and the sandbox's clock may end it too.
//! 4. Its end goes as an RReq over the directory server to the 3DS Server (`results`). When that has it, or is given up,
//!    the browser goes on with the CRes.
//!
//! The card number is in memory while an AReq is answered; what stays has its last four digits. Nothing of this lies on the
//! path of an ISO 8583 message.

mod acs;
mod acs_port;
mod authentication_value;
mod behaviour;
mod challenge;
mod challenges;
mod connector;
mod directory;
mod directory_port;
mod page;
mod range;
mod results;
mod texts;

pub use behaviour::ThreeDsBehaviour;
pub use connector::AuthoritiesError;
pub use range::CardRangesError;

pub(crate) use acs::{Acs, AcsSetup, watch_clock};
#[cfg(test)]
pub(crate) use authentication_value::authentication_value;
pub(crate) use authentication_value::{AuthenticationValueKey, ProvenPayment, authentication_value_fits};
pub(crate) use connector::Authorities;
pub(crate) use directory::{Directory, DirectorySetup};

use crate::faults::Faults;
use std::sync::Arc;

/// Both servers.
pub(crate) struct ThreeDs {
    pub(crate) directory: Directory,
    pub(crate) acs: Acs,
    pub(crate) faults: Arc<Faults>,
    /// An answer that is slow on purpose comes after so many milliseconds.
    pub(crate) slow_ms: u64,
}

pub(crate) use acs_port::serve as serve_acs;
pub(crate) use directory_port::serve as serve_directory;
