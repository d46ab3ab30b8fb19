//! Messages: from the outbox to customers' mail boxes and telephones, and to merchants' servers.
//!
//! The rows are in the store already, written with what they tell of. [`Outbox`] leases them, has each one made into a
//! [`Letter`] at the moment of sending ([`Composer`]), hands it to whoever carries it ([`Carriers`]) and writes what came
//! of it. What cannot be sent now is tried again, with growing waits; what can never be sent, or would not be true any
//! more, is settled with its reason. Nothing is forgotten.

mod carrier;
mod compose;
mod mail;
mod schedule;
mod settings;
mod sms;
mod worker;

pub use carrier::{Carriers, MailCarrier, Report, SmsCarrier, Verdict};
pub use compose::{
    ComposeFuture, Composed, Composer, Ended, FollowFuture, Letter, MailLetter, MailPicture, Notice, TextLetter,
};
pub use mail::SmtpMailer;
pub use settings::{MailSettings, MailTls, MessageSettings, NotifyError, SmsSettings};
pub use sms::{SMS_CHARS_MAX, SmsProvider};
pub use worker::{Outbox, OutboxParts};
