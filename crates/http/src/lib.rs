//! FORT endpoints, health, metrics and the operator API over HTTP.
//!
//! [`Server`] accepts connections, with or without TLS, and hands requests to a [`Service`]:
//! [`PaymentApi`] for merchants, [`Admin`] for operators, each on an address of its own.

mod admin;
mod answer;
mod batch_results;
mod body;
mod checkout;
mod client_certificate;
mod invoice_paper;
mod operator;
pub mod pages;
mod payment_api;
mod payment_link;
mod payment_page;
mod report_download;
mod scope_watch;
mod server;
mod source;
mod spool;
mod stray;
mod three_ds;
mod tls;
mod upload;

pub use admin::Admin;
pub use answer::{AnswerBody, BrokenOff, Response, json, pieces, plain, problem};
pub use body::BODY_BYTES_DRAINED_MAX;
pub use client_certificate::{client_certificate, client_certificate_of_pem};
pub use invoice_paper::{InvoicePaperFault, invoice_pdf};
pub use operator::{OPERATOR_BODY_BYTES_MAX, OPERATOR_PATH, Operator, OperatorRequest, OperatorRoute};
pub use payment_api::{PageHost, PaymentApi};
pub use server::{Server, ServerSettings, Service};
pub use source::{Peer, ProxySettings};
pub use tls::{ClientCertificates, TlsError, server_config};
pub use upload::UploadDoor;

/// A request with its body still on the way.
pub type Request = http::Request<hyper::body::Incoming>;
