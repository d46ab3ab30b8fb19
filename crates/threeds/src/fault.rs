//! What is wrong with a message, as the protocol's error codes, and the Erro that says so.

use crate::element::{ErrorComponent, ProtocolVersion, Text, TransactionId};
use crate::json::Members;
use crate::message::{Erro, MessageType};
use serde::{Deserialize, Serialize};
use std::fmt;
use tollgate_core::card_scan;

/// The code of an Erro message (EMV 3DS 2.2, table A.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorCode {
    /// 101: no message that the receiver takes.
    #[serde(rename = "101")]
    MessageReceivedInvalid,
    /// 102: a version of the protocol that the receiver does not speak.
    #[serde(rename = "102")]
    VersionNotSupported,
    /// 103: the sender sent more PReq than it may.
    #[serde(rename = "103")]
    SentMessagesLimitExceeded,
    /// 201: an element is missing.
    #[serde(rename = "201")]
    RequiredElementMissing,
    /// 202: a critical extension is not known.
    #[serde(rename = "202")]
    CriticalExtensionNotRecognised,
    /// 203: an element has a wrong form.
    #[serde(rename = "203")]
    FormatInvalid,
    /// 204: an element is there twice.
    #[serde(rename = "204")]
    DuplicateDataElement,
    /// 301: nobody knows the transaction.
    #[serde(rename = "301")]
    TransactionNotRecognised,
    /// 302: what was encrypted does not open.
    #[serde(rename = "302")]
    DecryptionFailure,
    /// 303: the sender may not call here.
    #[serde(rename = "303")]
    AccessDenied,
    /// 304: no code of ISO 3166 or ISO 4217.
    #[serde(rename = "304")]
    IsoCodeInvalid,
    /// 305: the data do not belong to the transaction.
    #[serde(rename = "305")]
    TransactionDataInvalid,
    /// 306: a merchant category code that the payment system does not take.
    #[serde(rename = "306")]
    MerchantCategoryInvalid,
    /// 307: a serial number that the directory server did not give.
    #[serde(rename = "307")]
    SerialNumberInvalid,
    /// 402: it took too long.
    #[serde(rename = "402")]
    TimedOut,
    /// 403: a failure that passes.
    #[serde(rename = "403")]
    TransientFailure,
    /// 404: a failure that stays.
    #[serde(rename = "404")]
    PermanentFailure,
    /// 405: the next system cannot be reached.
    #[serde(rename = "405")]
    ConnectionFailure,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [ErrorCode; 18] = [
        ErrorCode::MessageReceivedInvalid,
        ErrorCode::VersionNotSupported,
        ErrorCode::SentMessagesLimitExceeded,
        ErrorCode::RequiredElementMissing,
        ErrorCode::CriticalExtensionNotRecognised,
        ErrorCode::FormatInvalid,
        ErrorCode::DuplicateDataElement,
        ErrorCode::TransactionNotRecognised,
        ErrorCode::DecryptionFailure,
        ErrorCode::AccessDenied,
        ErrorCode::IsoCodeInvalid,
        ErrorCode::TransactionDataInvalid,
        ErrorCode::MerchantCategoryInvalid,
        ErrorCode::SerialNumberInvalid,
        ErrorCode::TimedOut,
        ErrorCode::TransientFailure,
        ErrorCode::PermanentFailure,
        ErrorCode::ConnectionFailure,
    ];

    /// Three digits.
    #[must_use]
    pub const fn digits(self) -> &'static str {
        match self {
            ErrorCode::MessageReceivedInvalid => "101",
            ErrorCode::VersionNotSupported => "102",
            ErrorCode::SentMessagesLimitExceeded => "103",
            ErrorCode::RequiredElementMissing => "201",
            ErrorCode::CriticalExtensionNotRecognised => "202",
            ErrorCode::FormatInvalid => "203",
            ErrorCode::DuplicateDataElement => "204",
            ErrorCode::TransactionNotRecognised => "301",
            ErrorCode::DecryptionFailure => "302",
            ErrorCode::AccessDenied => "303",
            ErrorCode::IsoCodeInvalid => "304",
            ErrorCode::TransactionDataInvalid => "305",
            ErrorCode::MerchantCategoryInvalid => "306",
            ErrorCode::SerialNumberInvalid => "307",
            ErrorCode::TimedOut => "402",
            ErrorCode::TransientFailure => "403",
            ErrorCode::PermanentFailure => "404",
            ErrorCode::ConnectionFailure => "405",
        }
    }

    /// Reads three digits.
    #[must_use]
    pub fn parse(digits: &str) -> Option<ErrorCode> {
        ErrorCode::ALL.into_iter().find(|code| code.digits() == digits)
    }

    /// What it means, for `errorDescription` and for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            ErrorCode::MessageReceivedInvalid => "no message that is taken here",
            ErrorCode::VersionNotSupported => "the version of the message is not supported",
            ErrorCode::SentMessagesLimitExceeded => "more messages were sent than are allowed",
            ErrorCode::RequiredElementMissing => "a required element is missing",
            ErrorCode::CriticalExtensionNotRecognised => "a critical extension is not known here",
            ErrorCode::FormatInvalid => "an element has a form that the specification does not allow",
            ErrorCode::DuplicateDataElement => "an element is there more than once",
            ErrorCode::TransactionNotRecognised => "the transaction is not known here",
            ErrorCode::DecryptionFailure => "the data cannot be decrypted",
            ErrorCode::AccessDenied => "the sender may not call here",
            ErrorCode::IsoCodeInvalid => "a country or currency code does not exist",
            ErrorCode::TransactionDataInvalid => "the data do not belong to the transaction",
            ErrorCode::MerchantCategoryInvalid => "the merchant category code is not taken",
            ErrorCode::SerialNumberInvalid => "the serial number is not known",
            ErrorCode::TimedOut => "the transaction timed out",
            ErrorCode::TransientFailure => "a failure of the system that passes",
            ErrorCode::PermanentFailure => "a failure of the system that stays",
            ErrorCode::ConnectionFailure => "the next system cannot be reached",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.digits(), self.meaning())
    }
}

/// Why a message is refused. It names elements, never their values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Fault {
    /// The kind of it.
    pub code: ErrorCode,
    /// The names of the elements, with commas between, or a few words.
    pub detail: String,
    /// What the message called itself, when that is a type we know.
    pub message_type: Option<MessageType>,
    /// The version that it named, when it is one we speak.
    pub version: Option<ProtocolVersion>,
    /// `threeDSServerTransID`, when it is readable.
    pub three_ds_server_trans_id: Option<TransactionId>,
    /// `dsTransID`, when it is readable.
    pub ds_trans_id: Option<TransactionId>,
    /// `acsTransID`, when it is readable.
    pub acs_trans_id: Option<TransactionId>,
}

/// The most characters of `errorDetail` that are made here.
const DETAIL_CHARS_MAX: usize = 512;

impl Fault {
    /// A fault of a message of which nothing is known yet. `detail` may come from the message: a card number in it is
    /// starred, and what is too long is cut.
    #[must_use]
    pub fn new(code: ErrorCode, detail: &str) -> Fault {
        let cut: String = detail.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS_MAX).collect();
        // A name can be anything that the sender likes.
        let detail = if card_scan::holds_card_number(&cut) { "an unnamed element".to_owned() } else { cut };
        Fault {
            code,
            detail,
            message_type: None,
            version: None,
            three_ds_server_trans_id: None,
            ds_trans_id: None,
            acs_trans_id: None,
        }
    }

    /// The same, of a message that was read at least in part.
    pub(crate) fn of(mut self, members: &Members) -> Fault {
        let id = |name| members.text(name).and_then(TransactionId::parse);
        self.message_type = members.text("messageType").and_then(MessageType::parse);
        self.version = members.text("messageVersion").and_then(ProtocolVersion::parse);
        self.three_ds_server_trans_id = id("threeDSServerTransID");
        self.ds_trans_id = id("dsTransID");
        self.acs_trans_id = id("acsTransID");
        self
    }

    /// The Erro that tells the sender, in the name of `component`; `None` for a fault of an Erro, which is answered by
    /// nothing.
    #[must_use]
    pub fn to_erro(&self, component: ErrorComponent) -> Option<Erro> {
        if self.message_type == Some(MessageType::Erro) {
            return None;
        }
        Some(Erro {
            message_version: self.version.unwrap_or(ProtocolVersion::HIGHEST),
            three_ds_server_trans_id: self.three_ds_server_trans_id.clone(),
            ds_trans_id: self.ds_trans_id.clone(),
            acs_trans_id: self.acs_trans_id.clone(),
            error_code: self.code,
            error_component: component,
            error_description: Text::cut(self.code.meaning()),
            error_detail: Text::cut(&self.detail),
            error_message_type: self.message_type,
        })
    }
}
