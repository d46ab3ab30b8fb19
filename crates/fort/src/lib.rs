//! The FORT wire: what Amazon Payment Services' FORT API says and how it says it.
//!
//! Pure: bytes come in, typed commands and signed bytes go out. There is no I/O, no clock and no
//! logging here.
//!
//! The way of a request, in the order of the calls:
//! 1. [`message::Message`] reads the body, JSON or form;
//! 2. [`service::identify`] says whose it is, [`service::Service::of`] what it asks for;
//! 3. [`signature::verify`] checks the signature; when it differs, [`explain::explain`] finds out why;
//! 4. [`command::Request::parse`] judges every parameter and makes a command of `tollgate-core`;
//! 5. [`response::render`] turns the answer into [`response::Fields`], which are signed and written.
//!
//! [`recut`] knows the values that would let a signature fit other parameters as well; 4 refuses them, 5 leaves them out.
//!
//! [`text`] holds the texts of response codes in both languages, [`client`] the other end of the wire.

pub mod batch_file;
pub mod client;
pub mod command;
pub mod explain;
pub mod feedback_body;
mod json_text;
pub mod link_notice;
pub mod message;
pub mod recut;
pub mod report_file;
pub mod response;
pub mod schedule_news;
pub mod service;
pub mod signature;
pub mod text;
