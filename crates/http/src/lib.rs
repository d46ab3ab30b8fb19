//! FORT endpoints, health and metrics over HTTP.
//!
//! [`Server`] accepts connections, with or without TLS, and hands requests to a [`Service`]:
//! [`PaymentApi`] for merchants, [`Admin`] for operators, each on an address of its own.

mod admin;
mod body;
mod payment_api;
mod server;
mod tls;

pub use admin::Admin;
pub use body::BODY_BYTES_DRAINED_MAX;
pub use payment_api::PaymentApi;
pub use server::{Server, ServerSettings, Service};
pub use tls::{TlsError, server_config};

/// A whole response in memory.
pub type Response = http::Response<http_body_util::Full<bytes::Bytes>>;
/// A request with its body still on the way.
pub type Request = http::Request<hyper::body::Incoming>;
