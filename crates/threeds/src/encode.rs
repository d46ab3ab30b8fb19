//! What passes through the browser: base64url in hidden fields of forms.

use crate::element::{TransactionId, WebUrl};
use crate::fault::{ErrorCode, Fault};
use crate::json::Members;
use crate::message::{MESSAGE_BYTES_MAX, Wire};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;

/// The most characters of an encoded message.
pub const ENCODED_CHARS_MAX: usize = MESSAGE_BYTES_MAX.div_ceil(3) * 4;

/// Written without padding (EMV 3DS 2.2, base64url after RFC 7515); read with it as well, because some ACS writes it.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A message as the value of a hidden field: `creq`, `cres`.
#[must_use]
pub fn to_base64url<M: Wire>(message: &M) -> String {
    BASE64URL.encode(&**message.to_bytes())
}

/// Reads a message from the value of a hidden field.
///
/// # Errors
/// 203 when it is no base64url, and what [`Wire::read`] has to say.
pub fn from_base64url<M: Wire>(text: &str) -> Result<M, Fault> {
    M::read(&decoded(text)?)
}

/// Any bytes as base64url without padding: `threeDSSessionData`, for example.
#[must_use]
pub fn bytes_to_base64url(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

/// `threeDSMethodData`: what the form of the 3DS method carries to the ACS.
#[must_use]
pub fn method_data(id: &TransactionId, notification_url: &WebUrl<256>) -> String {
    #[derive(Serialize)]
    struct MethodData<'a> {
        #[serde(rename = "threeDSServerTransID")]
        id: &'a TransactionId,
        #[serde(rename = "threeDSMethodNotificationURL")]
        notification_url: &'a WebUrl<256>,
    }
    // Two texts: nothing that could fail.
    BASE64URL.encode(serde_json::to_vec(&MethodData { id, notification_url }).unwrap_or_default())
}

/// What the ACS is told by `threeDSMethodData`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodRequest {
    /// The 3DS Server's name of the transaction.
    pub three_ds_server_trans_id: TransactionId,
    /// Where the ACS posts its notification, through the browser.
    pub notification_url: WebUrl<256>,
}

/// Reads the `threeDSMethodData` that came to an ACS.
///
/// # Errors
/// 201 or 203 with the element.
pub fn read_method_request(text: &str) -> Result<MethodRequest, Fault> {
    let members = Members::read(&decoded(text)?)?;
    let three_ds_server_trans_id = method_id(&members)?;
    let url = members.text("threeDSMethodNotificationURL");
    let url = url.ok_or_else(|| Fault::new(ErrorCode::RequiredElementMissing, "threeDSMethodNotificationURL"))?;
    let url = WebUrl::parse(url);
    let notification_url = url.ok_or_else(|| Fault::new(ErrorCode::FormatInvalid, "threeDSMethodNotificationURL"))?;
    Ok(MethodRequest { three_ds_server_trans_id, notification_url })
}

/// `threeDSMethodData` of the notification that says that the 3DS method is done.
#[must_use]
pub fn method_notification(id: &TransactionId) -> String {
    let data = serde_json::json!({ "threeDSServerTransID": id });
    BASE64URL.encode(data.to_string())
}

/// Reads the notification that says that the 3DS method is done: the 3DS Server's name of the transaction.
///
/// # Errors
/// 201 or 203 with the element.
pub fn read_method_notification(text: &str) -> Result<TransactionId, Fault> {
    method_id(&Members::read(&decoded(text)?)?)
}

fn method_id(members: &Members) -> Result<TransactionId, Fault> {
    let id = members.text("threeDSServerTransID");
    let id = id.ok_or_else(|| Fault::new(ErrorCode::RequiredElementMissing, "threeDSServerTransID"))?;
    TransactionId::parse(id).ok_or_else(|| Fault::new(ErrorCode::FormatInvalid, "threeDSServerTransID"))
}

fn decoded(text: &str) -> Result<Vec<u8>, Fault> {
    let fault = || Fault::new(ErrorCode::FormatInvalid, "the field is no base64url of a message");
    if text.len() > ENCODED_CHARS_MAX {
        return Err(fault());
    }
    BASE64URL.decode(text).map_err(|_| fault())
}
