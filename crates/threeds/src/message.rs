//! The messages of EMV 3-D Secure 2.1.0 and 2.2.0, as far as a 3DS Server needs them for payments in a browser
//! (`messageCategory` 01, `deviceChannel` 02).
//!
//! [`Wire::read`] is strict: what has to be there is there, in its form, once; a fault names the elements and becomes an
//! Erro ([`Fault::to_erro`]). Elements that are not listed here are passed over, as the specification wants it; an
//! extension that calls itself critical is refused, because none is known.

use crate::define::elements;
use crate::element::{
    AccountNumber, ActionIndicator, AuthenticationIndicator, AuthenticationType, ChallengeCancel, ChallengeIndicator,
    ChallengeWindowSize, ColorDepth, DeviceChannel, Digits, Element, ErrorComponent, List, MessageCategory,
    MethodCompletion, ProtocolVersion, ResultsStatus, Text, TimeZoneMinutes, TransStatus, TransType, TransactionId,
    VersionNumber, WebUrl, YesNo,
};
use crate::fault::{ErrorCode, Fault};
use crate::faults::Faults;
use crate::json::{Json, Members};
use serde::{Deserialize, Serialize};
use std::io;
use tollgate_core::secret::Wiped;
use tollgate_core::three_ds::AuthenticationValue;

/// The largest message but a PRes, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The largest PRes, in bytes: it names every card range of a payment system.
pub const RANGES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most extensions of a message.
pub const EXTENSIONS_MAX: usize = 10;
/// The most card ranges of a PRes.
pub const RANGES_MAX: usize = 200_000;

/// The types of messages that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MessageType {
    /// Authentication Request.
    AReq,
    /// Authentication Response.
    ARes,
    /// Challenge Request.
    CReq,
    /// Challenge Response.
    CRes,
    /// Results Request.
    RReq,
    /// Results Response.
    RRes,
    /// Preparation Request.
    PReq,
    /// Preparation Response.
    PRes,
    /// Error.
    Erro,
}

impl MessageType {
    /// All of them.
    pub const ALL: [MessageType; 9] = [
        MessageType::AReq,
        MessageType::ARes,
        MessageType::CReq,
        MessageType::CRes,
        MessageType::RReq,
        MessageType::RRes,
        MessageType::PReq,
        MessageType::PRes,
        MessageType::Erro,
    ];

    /// The value of `messageType`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            MessageType::AReq => "AReq",
            MessageType::ARes => "ARes",
            MessageType::CReq => "CReq",
            MessageType::CRes => "CRes",
            MessageType::RReq => "RReq",
            MessageType::RRes => "RRes",
            MessageType::PReq => "PReq",
            MessageType::PRes => "PRes",
            MessageType::Erro => "Erro",
        }
    }

    /// Reads a `messageType`.
    #[must_use]
    pub fn parse(name: &str) -> Option<MessageType> {
        MessageType::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The largest message of this type, in bytes.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        match self {
            MessageType::PRes => RANGES_BYTES_MAX,
            _ => MESSAGE_BYTES_MAX,
        }
    }
}

/// A message that goes over the wire.
pub trait Wire: Serialize + Judge {
    /// Its type.
    const TYPE: MessageType;

    /// Reads one.
    ///
    /// # Errors
    /// The fault that the sender is told by an Erro: 101, 102, 201, 202, 203 or 204.
    fn read(body: &[u8]) -> Result<Self, Fault>;

    /// Writes it as JSON into a buffer that is wiped, at once as large as it has to be.
    #[must_use]
    fn to_bytes(&self) -> Wiped<Vec<u8>> {
        written(self)
    }
}

/// Closes [`Wire`]: the messages are those of this file.
mod sealed {
    use super::{Extension, Faults, Members};

    /// What a message has to be beyond the form of its elements.
    pub trait Judge: Sized {
        /// Reads the elements.
        fn read_members(members: &Members, faults: &mut Faults) -> Option<Self>;

        /// Notes what is missing in this case, or cannot stand with the rest.
        fn judge(&self, faults: &mut Faults);

        /// The extensions that came with it.
        fn extensions(&self) -> &[Extension];
    }
}

use sealed::Judge;

/// What comes back on a request: the message that answers it, or an Erro.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<M> {
    /// The answer.
    Message(M),
    /// The other side could not use the request, or failed.
    Erro(Erro),
}

/// Reads what came back on a request.
///
/// # Errors
/// When it is neither an `M` nor an Erro: see [`Wire::read`].
pub fn read_answer<M: Wire>(body: &[u8]) -> Result<Answer<M>, Fault> {
    let members = opened(body, M::TYPE)?;
    if members.text("messageType") == Some(MessageType::Erro.name()) {
        return judged::<Erro>(&members, MessageType::Erro).map(Answer::Erro);
    }
    judged::<M>(&members, M::TYPE).map(Answer::Message)
}

/// Reads a message of the type that is wanted, in a fixed order: type, version, elements, extensions, and what has to
/// be there in this case.
fn judged<M: Judge>(members: &Members, wanted: MessageType) -> Result<M, Fault> {
    let refused = |code, detail: &str| Fault::new(code, detail).of(members);
    match members.text("messageType") {
        Some(name) if name == wanted.name() => {}
        Some(_) => return Err(refused(ErrorCode::MessageReceivedInvalid, "messageType: not one that is taken here")),
        None => return Err(refused(ErrorCode::MessageReceivedInvalid, "messageType")),
    }
    match members.text("messageVersion") {
        Some(version) if ProtocolVersion::parse(version).is_some() => {}
        Some(_) => {
            let spoken: Vec<&str> = ProtocolVersion::ALL.iter().map(|version| version.code()).collect();
            return Err(refused(ErrorCode::VersionNotSupported, &spoken.join(",")));
        }
        None if members.get("messageVersion").is_some() => {
            return Err(refused(ErrorCode::FormatInvalid, "messageVersion"));
        }
        None => return Err(refused(ErrorCode::RequiredElementMissing, "messageVersion")),
    }
    let mut faults = Faults::default();
    let message = M::read_members(members, &mut faults);
    if let Some(message) = &message {
        if let Some(extension) = message.extensions().iter().find(|extension| extension.is_critical) {
            return Err(refused(ErrorCode::CriticalExtensionNotRecognised, extension.id.as_str()));
        }
        message.judge(&mut faults);
    }
    match (faults.into_fault(), message) {
        (None, Some(message)) => Ok(message),
        (Some(fault), _) => Err(fault.of(members)),
        // Nothing is lost without a fault; if it were, this would be the truth.
        (None, None) => Err(refused(ErrorCode::FormatInvalid, wanted.name())),
    }
}

fn opened(body: &[u8], wanted: MessageType) -> Result<Members, Fault> {
    if body.len() > wanted.bytes_max() {
        let detail = format!("the message is larger than {} bytes", wanted.bytes_max());
        return Err(Fault::new(ErrorCode::MessageReceivedInvalid, &detail));
    }
    Members::read(body)
}

/// Measures first: a buffer that grows leaves a copy of what is in it behind.
fn written<M: Serialize>(message: &M) -> Wiped<Vec<u8>> {
    let mut count = Count(0);
    // Writing these types into memory cannot fail: they are maps with names, texts and numbers.
    let _ = serde_json::to_writer(&mut count, message);
    let mut bytes = Wiped::<Vec<u8>>::with_capacity(count.0);
    let _ = serde_json::to_writer(&mut *bytes, message);
    bytes
}

/// Counts bytes.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! on_the_wire {
    ($($name:ident),+) => {$(
        impl Wire for $name {
            const TYPE: MessageType = MessageType::$name;

            fn read(body: &[u8]) -> Result<$name, Fault> {
                judged(&opened(body, MessageType::$name)?, MessageType::$name)
            }
        }
    )+};
}

on_the_wire!(AReq, ARes, CReq, CRes, RReq, RRes, PReq, PRes, Erro);

/// Gives a message its reading from the list of its elements, its extensions, and the rules that hold between elements.
macro_rules! judged_by {
    ($name:ident, $extensions:expr, $judge:expr) => {
        impl Judge for $name {
            fn read_members(members: &Members, faults: &mut Faults) -> Option<$name> {
                $name::read_members(members, faults)
            }

            fn judge(&self, faults: &mut Faults) {
                let judge: fn(&$name, &mut Faults) = $judge;
                judge(self, faults);
            }

            fn extensions(&self) -> &[Extension] {
                let extensions: fn(&$name) -> &[Extension] = $extensions;
                extensions(self)
            }
        }
    };
}

elements! {
    /// The authentication request: from the 3DS Server over the directory server to the ACS.
    ///
    /// It holds the card's number: keep it as short as can be, and write it by [`Wire::to_bytes`] alone.
    pub struct AReq (MessageType::AReq) {
        /// The version that the card's range allows.
        message_version: required ProtocolVersion = "messageVersion",
        /// A payment.
        message_category: required MessageCategory = "messageCategory",
        /// A browser.
        device_channel: required DeviceChannel = "deviceChannel",
        /// What became of the 3DS method.
        three_ds_comp_ind: required MethodCompletion = "threeDSCompInd",
        /// The merchant's number in the payment system's 3-D Secure.
        three_ds_requestor_id: required Text<1, 35> = "threeDSRequestorID",
        /// The merchant's name there.
        three_ds_requestor_name: required Text<1, 40> = "threeDSRequestorName",
        /// The merchant's website.
        three_ds_requestor_url: required WebUrl<2048> = "threeDSRequestorURL",
        /// What the customer is authenticated for.
        three_ds_requestor_authentication_ind: required AuthenticationIndicator = "threeDSRequestorAuthenticationInd",
        /// What is wished of a challenge.
        three_ds_requestor_challenge_ind: optional ChallengeIndicator = "threeDSRequestorChallengeInd",
        /// Whether a decoupled authentication would be taken (2.2).
        three_ds_requestor_dec_req_ind: optional YesNo = "threeDSRequestorDecReqInd",
        /// The number that EMVCo gave the 3DS Server.
        three_ds_server_ref_number: required Text<1, 32> = "threeDSServerRefNumber",
        /// The number that the payment system gave its operator.
        three_ds_server_operator_id: optional Text<1, 32> = "threeDSServerOperatorID",
        /// The 3DS Server's name of the transaction.
        three_ds_server_trans_id: required TransactionId = "threeDSServerTransID",
        /// Where the directory server posts the RReq.
        three_ds_server_url: required WebUrl<2048> = "threeDSServerURL",
        /// The acquirer's identification number.
        acquirer_bin: required Digits<1, 11> = "acquirerBIN",
        /// The merchant's number at the acquirer.
        acquirer_merchant_id: required Text<1, 35> = "acquirerMerchantID",
        /// The card's number.
        acct_number: required AccountNumber = "acctNumber",
        /// The card's expiry, YYMM.
        card_expiry_date: optional Digits<4, 4> = "cardExpiryDate",
        /// The name on the card.
        cardholder_name: optional Text<2, 45> = "cardholderName",
        /// The customer's address for mails.
        email: optional Text<3, 254> = "email",
        /// The browser's `Accept` header.
        browser_accept_header: required Text<1, 2048> = "browserAcceptHeader",
        /// The browser's address.
        browser_ip: optional Text<3, 45> = "browserIP",
        /// Whether it runs Java.
        browser_java_enabled: optional bool = "browserJavaEnabled",
        /// Whether it runs scripts (2.2).
        browser_javascript_enabled: optional bool = "browserJavascriptEnabled",
        /// Its language (BCP 47).
        browser_language: required Text<1, 8> = "browserLanguage",
        /// How many bits a colour has.
        browser_color_depth: optional ColorDepth = "browserColorDepth",
        /// The height of the screen, in pixels.
        browser_screen_height: optional Digits<1, 6> = "browserScreenHeight",
        /// The width of the screen, in pixels.
        browser_screen_width: optional Digits<1, 6> = "browserScreenWidth",
        /// Its distance from UTC, in minutes.
        browser_tz: optional TimeZoneMinutes = "browserTZ",
        /// Its `User-Agent` header.
        browser_user_agent: required Text<1, 2048> = "browserUserAgent",
        /// The amount in minor units.
        purchase_amount: required Digits<1, 48> = "purchaseAmount",
        /// The currency's number (ISO 4217).
        purchase_currency: required Digits<3, 3> = "purchaseCurrency",
        /// The currency's decimals.
        purchase_exponent: required Digits<1, 1> = "purchaseExponent",
        /// When it is bought, YYYYMMDDHHMMSS in UTC.
        purchase_date: required Digits<14, 14> = "purchaseDate",
        /// What kind of payment it is.
        trans_type: optional TransType = "transType",
        /// The merchant's category (ISO 18245).
        mcc: required Digits<4, 4> = "mcc",
        /// The merchant's country, its number (ISO 3166-1).
        merchant_country_code: required Digits<3, 3> = "merchantCountryCode",
        /// The merchant's name as the customer knows it.
        merchant_name: required Text<1, 40> = "merchantName",
        /// Where the ACS posts the CRes, through the browser.
        notification_url: required WebUrl<256> = "notificationURL",
        /// Extensions.
        message_extension: optional Extensions = "messageExtension",
    }
}

judged_by!(AReq, |message| extensions_of(message.message_extension.as_ref()), |message, faults| {
    let is_old = message.message_version == ProtocolVersion::V210;
    if !is_old && message.browser_javascript_enabled.is_none() {
        faults.missing("browserJavascriptEnabled");
    }
    // Only a script can ask a browser for these. 2.1 does not know browsers without one.
    let with_script = is_old || message.browser_javascript_enabled == Some(true);
    for (name, is_there) in [
        ("browserJavaEnabled", message.browser_java_enabled.is_some()),
        ("browserColorDepth", message.browser_color_depth.is_some()),
        ("browserScreenHeight", message.browser_screen_height.is_some()),
        ("browserScreenWidth", message.browser_screen_width.is_some()),
        ("browserTZ", message.browser_tz.is_some()),
    ] {
        if with_script && !is_there {
            faults.missing(name);
        }
    }
    if is_old && message.three_ds_requestor_challenge_ind.is_some_and(|wish| wish.code() > "04") {
        faults.wrong("threeDSRequestorChallengeInd");
    }
});

elements! {
    /// The answer to an AReq.
    pub struct ARes (MessageType::ARes) {
        /// The version of the AReq.
        message_version: required ProtocolVersion = "messageVersion",
        /// The 3DS Server's name of the transaction.
        three_ds_server_trans_id: required TransactionId = "threeDSServerTransID",
        /// The directory server's.
        ds_trans_id: required TransactionId = "dsTransID",
        /// The ACS's.
        acs_trans_id: required TransactionId = "acsTransID",
        /// The number that EMVCo gave the directory server.
        ds_reference_number: required Text<1, 32> = "dsReferenceNumber",
        /// The number that EMVCo gave the ACS.
        acs_reference_number: required Text<1, 32> = "acsReferenceNumber",
        /// The number that the payment system gave the ACS's operator.
        acs_operator_id: optional Text<1, 32> = "acsOperatorID",
        /// How it stands.
        trans_status: required TransStatus = "transStatus",
        /// Why, for N, U and R.
        trans_status_reason: optional Digits<2, 2> = "transStatusReason",
        /// The electronic commerce indicator.
        eci: optional Digits<2, 2> = "eci",
        /// The cryptogram, for Y and A.
        authentication_value: optional AuthenticationValue = "authenticationValue",
        /// Whether a law wants the challenge, for C.
        acs_challenge_mandated: optional YesNo = "acsChallengeMandated",
        /// Where to send the CReq, for C.
        acs_url: optional WebUrl<2048> = "acsURL",
        /// Whether the ACS will authenticate decoupled (2.2).
        acs_dec_con_ind: optional YesNo = "acsDecConInd",
        /// How the customer will be challenged, for C.
        authentication_type: optional AuthenticationType = "authenticationType",
        /// What the issuer wants the customer to be told.
        cardholder_info: optional Text<1, 128> = "cardholderInfo",
        /// Extensions.
        message_extension: optional Extensions = "messageExtension",
    }
}

judged_by!(ARes, |message| extensions_of(message.message_extension.as_ref()), |message, faults| {
    let status = message.trans_status;
    judge_status(status, message.message_version, faults);
    judge_proof(status, message.authentication_value.is_some(), message.trans_status_reason.is_some(), faults);
    let challenged = status == TransStatus::Challenge;
    let later = status == TransStatus::Decoupled;
    for (name, needed, is_there) in [
        ("acsURL", challenged, message.acs_url.is_some()),
        ("acsChallengeMandated", challenged, message.acs_challenge_mandated.is_some()),
        ("authenticationType", challenged || later, message.authentication_type.is_some()),
        ("acsDecConInd", later, message.acs_dec_con_ind.is_some()),
    ] {
        if needed && !is_there {
            faults.missing(name);
        }
    }
});

/// A proof needs a cryptogram, and a no its reason (EMV 3DS 2.2, table A.1).
fn judge_proof(status: TransStatus, has_value: bool, has_reason: bool, faults: &mut Faults) {
    let proves = matches!(status, TransStatus::Authenticated | TransStatus::Attempted);
    if proves && !has_value {
        faults.missing("authenticationValue");
    }
    let refuses = matches!(status, TransStatus::NotAuthenticated | TransStatus::Unavailable | TransStatus::Rejected);
    if refuses && !has_reason {
        faults.missing("transStatusReason");
    }
}

/// D and I came with 2.2.
fn judge_status(status: TransStatus, version: ProtocolVersion, faults: &mut Faults) {
    let is_new = matches!(status, TransStatus::Decoupled | TransStatus::Informational);
    if is_new && version < ProtocolVersion::V220 {
        faults.wrong("transStatus");
    }
}

elements! {
    /// The challenge request: by the browser to the ACS, as base64url in a form ([`crate::encode`]).
    pub struct CReq (MessageType::CReq) {
        /// The version of the transaction.
        message_version: required ProtocolVersion = "messageVersion",
        /// The 3DS Server's name of the transaction.
        three_ds_server_trans_id: required TransactionId = "threeDSServerTransID",
        /// The ACS's.
        acs_trans_id: required TransactionId = "acsTransID",
        /// How large the window of the challenge is.
        challenge_window_size: required ChallengeWindowSize = "challengeWindowSize",
        /// Extensions.
        message_extension: optional Extensions = "messageExtension",
    }
}

judged_by!(CReq, |message| extensions_of(message.message_extension.as_ref()), |_, _| {});

elements! {
    /// The last challenge response: from the ACS by the browser. It proves nothing: the RReq does.
    pub struct CRes (MessageType::CRes) {
        /// The version of the transaction.
        message_version: required ProtocolVersion = "messageVersion",
        /// The 3DS Server's name of the transaction.
        three_ds_server_trans_id: required TransactionId = "threeDSServerTransID",
        /// The ACS's.
        acs_trans_id: required TransactionId = "acsTransID",
        /// Whether the challenge came to its end; it belongs to apps, and some ACS sends it to browsers too.
        challenge_completion_ind: optional YesNo = "challengeCompletionInd",
        /// Y or N.
        trans_status: required TransStatus = "transStatus",
        /// Extensions.
        message_extension: optional Extensions = "messageExtension",
    }
}

judged_by!(CRes, |message| extensions_of(message.message_extension.as_ref()), |message, faults| {
    if !matches!(message.trans_status, TransStatus::Authenticated | TransStatus::NotAuthenticated) {
        faults.wrong("transStatus");
    }
});

elements! {
    /// The results request: what a challenge came to, from the ACS over the directory server to the 3DS Server.
    pub struct RReq (MessageType::RReq) {
        /// The version of the transaction.
        message_version: required ProtocolVersion = "messageVersion",
        /// A payment.
        message_category: required MessageCategory = "messageCategory",
        /// The 3DS Server's name of the transaction.
        three_ds_server_trans_id: required TransactionId = "threeDSServerTransID",
        /// The directory server's.
        ds_trans_id: required TransactionId = "dsTransID",
        /// The ACS's.
        acs_trans_id: required TransactionId = "acsTransID",
        /// What it came to.
        trans_status: required TransStatus = "transStatus",
        /// Why, for N, U and R.
        trans_status_reason: optional Digits<2, 2> = "transStatusReason",
        /// The electronic commerce indicator.
        eci: optional Digits<2, 2> = "eci",
        /// The cryptogram, for Y and A.
        authentication_value: optional AuthenticationValue = "authenticationValue",
        /// How the customer was authenticated.
        authentication_method: optional Digits<2, 2> = "authenticationMethod",
        /// What kind of challenge it was.
        authentication_type: optional AuthenticationType = "authenticationType",
        /// Why it ended without a result.
        challenge_cancel: optional ChallengeCancel = "challengeCancel",
        /// How often the customer was asked.
        interaction_counter: required Digits<2, 2> = "interactionCounter",
        /// Extensions.
        message_extension: optional Extensions = "messageExtension",
    }
}

judged_by!(RReq, |message| extensions_of(message.message_extension.as_ref()), |message, faults| {
    let status = message.trans_status;
    let is_result = !matches!(status, TransStatus::Challenge | TransStatus::Decoupled | TransStatus::Informational);
    if !is_result {
        faults.wrong("transStatus");
    }
    judge_proof(status, message.authentication_value.is_some(), message.trans_status_reason.is_some(), faults);
});

elements! {
    /// The answer to an RReq.
    pub struct RRes (MessageType::RRes) {
        /// The version of the RReq.
        message_version: required ProtocolVersion = "messageVersion",
        /// The 3DS Server's name of the transaction.
        three_ds_server_trans_id: required TransactionId = "threeDSServerTransID",
        /// The directory server's.
        ds_trans_id: required TransactionId = "dsTransID",
        /// The ACS's.
        acs_trans_id: required TransactionId = "acsTransID",
        /// What became of the RReq.
        results_status: required ResultsStatus = "resultsStatus",
        /// Extensions.
        message_extension: optional Extensions = "messageExtension",
    }
}

judged_by!(RRes, |message| extensions_of(message.message_extension.as_ref()), |_, _| {});

elements! {
    /// The request for the card ranges of a payment system.
    pub struct PReq (MessageType::PReq) {
        /// The highest version that the 3DS Server speaks.
        message_version: required ProtocolVersion = "messageVersion",
        /// The number that EMVCo gave the 3DS Server.
        three_ds_server_ref_number: required Text<1, 32> = "threeDSServerRefNumber",
        /// The number that the payment system gave its operator.
        three_ds_server_operator_id: optional Text<1, 32> = "threeDSServerOperatorID",
        /// The 3DS Server's name of this exchange.
        three_ds_server_trans_id: required TransactionId = "threeDSServerTransID",
        /// The state of the ranges that it has already; without it, all are wanted.
        serial_num: optional Text<1, 20> = "serialNum",
        /// Extensions.
        message_extension: optional Extensions = "messageExtension",
    }
}

judged_by!(PReq, |message| extensions_of(message.message_extension.as_ref()), |_, _| {});

elements! {
    /// The card ranges, or what changed in them.
    pub struct PRes (MessageType::PRes) {
        /// The version of the PReq.
        message_version: required ProtocolVersion = "messageVersion",
        /// The 3DS Server's name of this exchange.
        three_ds_server_trans_id: required TransactionId = "threeDSServerTransID",
        /// The directory server's.
        ds_trans_id: required TransactionId = "dsTransID",
        /// The lowest version that the directory server speaks.
        ds_start_protocol_version: required VersionNumber = "dsStartProtocolVersion",
        /// The highest one.
        ds_end_protocol_version: required VersionNumber = "dsEndProtocolVersion",
        /// The state of the ranges with this answer.
        serial_num: required Text<1, 20> = "serialNum",
        /// The ranges; without them, nothing changed.
        card_range_data: optional List<CardRange, RANGES_MAX> = "cardRangeData",
        /// Extensions.
        message_extension: optional Extensions = "messageExtension",
    }
}

judged_by!(PRes, |message| extensions_of(message.message_extension.as_ref()), |message, faults| {
    if message.ds_start_protocol_version > message.ds_end_protocol_version {
        faults.wrong("dsEndProtocolVersion");
    }
});

elements! {
    /// A card range of a PRes.
    pub struct CardRange {
        /// The lowest card number.
        start_range: required Digits<13, 19> = "startRange",
        /// The highest one.
        end_range: required Digits<13, 19> = "endRange",
        /// What to do with it; without it, add.
        action_ind: optional ActionIndicator = "actionInd",
        /// The lowest version that the ACS speaks.
        acs_start_protocol_version: required VersionNumber = "acsStartProtocolVersion",
        /// The highest one.
        acs_end_protocol_version: required VersionNumber = "acsEndProtocolVersion",
        /// Where the ACS has its 3DS method.
        three_ds_method_url: optional WebUrl<256> = "threeDSMethodURL",
    }
}

elements! {
    /// An error, instead of an answer or as one.
    pub struct Erro (MessageType::Erro) {
        /// The version of the message that was wrong, or the highest one.
        message_version: required ProtocolVersion = "messageVersion",
        /// The 3DS Server's name of the transaction.
        three_ds_server_trans_id: optional TransactionId = "threeDSServerTransID",
        /// The directory server's.
        ds_trans_id: optional TransactionId = "dsTransID",
        /// The ACS's.
        acs_trans_id: optional TransactionId = "acsTransID",
        /// What kind of error.
        error_code: required ErrorCode = "errorCode",
        /// Who found it.
        error_component: required ErrorComponent = "errorComponent",
        /// What it means.
        error_description: required Text<1, 2048> = "errorDescription",
        /// The elements that were wrong.
        error_detail: required Text<1, 2048> = "errorDetail",
        /// The type of the message that was wrong, where it had one.
        error_message_type: optional MessageType = "errorMessageType",
    }
}

judged_by!(Erro, |_| &[], |_, _| {});

/// `messageExtension`.
pub type Extensions = List<Extension, EXTENSIONS_MAX>;

fn extensions_of(extensions: Option<&Extensions>) -> &[Extension] {
    extensions.map(|extensions| &extensions[..]).unwrap_or_default()
}

/// An extension of a message: data that not everybody knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extension {
    /// Its name.
    pub name: Text<1, 64>,
    /// Its number, which begins with its owner's.
    pub id: Text<1, 64>,
    /// Whether who does not know it has to refuse the message.
    #[serde(rename = "criticalityIndicator")]
    pub is_critical: bool,
    /// What it carries: an object.
    pub data: serde_json::Value,
}

impl Element for Extension {
    fn read(json: &Json, name: &str, faults: &mut Faults) -> Option<Extension> {
        let Json::Object(members) = json else {
            faults.wrong(name);
            return None;
        };
        faults.inside(name, |faults| {
            let name = crate::define::got!(required members, "name", faults);
            let id = crate::define::got!(required members, "id", faults);
            let is_critical = crate::define::got!(required members, "criticalityIndicator", faults);
            let data = match members.get("data") {
                Some(data @ Json::Object(_)) => Some(data.to_value()),
                Some(_) => {
                    faults.wrong("data");
                    None
                }
                None => {
                    faults.missing("data");
                    None
                }
            };
            Some(Extension { name: name?, id: id?, is_critical: is_critical?, data: data? })
        })
    }
}

impl Element for CardRange {
    fn read(json: &Json, name: &str, faults: &mut Faults) -> Option<CardRange> {
        let Json::Object(members) = json else {
            faults.wrong(name);
            return None;
        };
        faults.inside(name, |faults| {
            let range = CardRange::read_members(members, faults)?;
            let has_order = range.start_range.as_str().len() == range.end_range.as_str().len()
                && range.start_range <= range.end_range;
            if !has_order {
                faults.wrong("endRange");
            }
            if range.acs_start_protocol_version > range.acs_end_protocol_version {
                faults.wrong("acsEndProtocolVersion");
            }
            Some(range)
        })
    }
}
