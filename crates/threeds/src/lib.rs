//! EMV 3-D Secure 2: the messages, the card ranges and the flow of a 3DS Server, for payments in a browser.
//!
//! Pure rules: no I/O, no clock, no randomness and no logging. Moments, random bytes and what came over the network are
//! passed in. Sources: EMV 3-D Secure Protocol and Core Functions Specification, versions 2.1.0 and 2.2.0.
//!
//! Where to look:
//! - [`message`]: AReq, ARes, CReq, CRes, RReq, RRes, PReq, PRes, Erro, and how each is read and written;
//! - [`element`]: what stands in them; [`fault`]: what can be wrong, and the Erro that says so;
//! - [`encode`]: what passes through the browser;
//! - [`flow`]: one authentication as a state machine;
//! - [`ranges`]: which card takes part, and how; [`port`]: the way to a directory server.

mod define;
pub mod element;
pub mod encode;
pub mod fault;
mod faults;
pub mod flow;
mod json;
pub mod message;
pub mod port;
pub mod ranges;
