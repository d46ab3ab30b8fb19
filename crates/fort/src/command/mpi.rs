//! The result of a merchant's own MPI, as a payment brings it.

use crate::message::Message;
use tollgate_core::code::refused;
use tollgate_core::refusal::Refusal;
use tollgate_core::three_ds::{AuthenticationStatus, AuthenticationValue, Enrolled, MpiResult, ValueKind};

/// The parameters of an authentication that was run elsewhere; `None` when none of them was sent. What the tables let
/// pass is read here; what fits together the core judges.
///
/// # Errors
/// 00002 for a value or a number of a transaction that is no base64, 00033 for a letter that the table would not let pass.
pub(super) fn result(message: &Message) -> Result<Option<MpiResult>, Refusal> {
    let result = MpiResult {
        enrolled: one_of(message, "3ds_enrolled", Enrolled::parse)?,
        status: one_of(message, "3ds_status", AuthenticationStatus::parse)?,
        eci: message.text("3ds_eci").map(String::from),
        value: base64(message, "ver_token")?,
        // It has the form of a value.
        xid: base64(message, "3ds_xid")?.map(String::from),
        value_kind: one_of(message, "ver_type", ValueKind::parse)?,
    };
    Ok(result.first_sent().is_some().then_some(result))
}

fn one_of<T>(message: &Message, name: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
    let Some(text) = message.text(name) else { return Ok(None) };
    let refusal = || Refusal::request(refused::VALUE_NOT_ALLOWED, name, "it is none of the values that there are");
    read(&text).map(Some).ok_or_else(refusal)
}

fn base64(message: &Message, name: &'static str) -> Result<Option<AuthenticationValue>, Refusal> {
    let Some(text) = message.text(name) else { return Ok(None) };
    let refusal = || Refusal::request(refused::INVALID_FORMAT, name, "it is 28 characters of base64");
    AuthenticationValue::parse(&text).map(Some).ok_or_else(refusal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const VALUE: &str = "AAABBWcSNIdjeUZThmNHAAAAAAA=";
    const XID: &str = "MDAwMDAwMDAwMDAwMDAwMzIyNzY=";

    fn read(fields: &[(&str, &str)]) -> Result<Option<MpiResult>, Refusal> {
        result(&Message::from_json(&crate::client::json(fields)).unwrap())
    }

    #[test]
    fn a_payment_without_any_of_them_brings_nothing() {
        assert_eq!(read(&[("command", "PURCHASE"), ("3ds_status", "")]).unwrap(), None);
    }

    #[test]
    fn each_of_them_is_read() {
        let whole = [
            ("3ds_xid", XID),
            ("3ds_enrolled", "Y"),
            ("3ds_status", "A"),
            ("3ds_eci", "06"),
            ("ver_token", VALUE),
            ("ver_type", "SPA"),
        ];
        let expected = MpiResult {
            enrolled: Some(Enrolled::Yes),
            status: Some(AuthenticationStatus::Attempted),
            eci: Some("06".into()),
            value: AuthenticationValue::parse(VALUE),
            xid: Some(XID.into()),
            value_kind: Some(ValueKind::Spa),
        };
        assert_eq!(read(&whole).unwrap(), Some(expected));
        for one in whole {
            assert_eq!(read(&[one]).unwrap().unwrap().first_sent(), Some(one.0), "one of them alone is a result too");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused_at_its_parameter() {
        for name in ["ver_token", "3ds_xid"] {
            for wrong in ["AAAB=BWcSNIdjeUZThmNHAAAAAA=", "AAAB"] {
                let refusal = read(&[(name, wrong)]).unwrap_err();
                assert_eq!((refusal.code, refusal.parameter.as_deref()), (refused::INVALID_FORMAT, Some(name)));
                assert!(!refusal.detail.contains(wrong), "a refusal does not repeat it");
            }
        }
    }
}
