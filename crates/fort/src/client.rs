//! The client's side of the wire: signed requests, as the SDKs make them.

use crate::json_text;
use crate::message::Message;
use crate::signature::{self, Numbers, SIGNATURE, push_value};
use tollgate_core::merchant::ShaType;
use tollgate_core::secret::Secret;

/// A signed JSON body of `params`, in their order, with `signature` at the end.
///
/// The parameters may hold card data, and so does the body.
#[must_use]
pub fn signed_json(params: &[(&str, &str)], request_phrase: &Secret, sha: ShaType) -> Vec<u8> {
    let signature = signature::sign(params.iter().copied(), request_phrase, sha);
    let mut all: Vec<(&str, &str)> = unsigned(params).collect();
    all.push((SIGNATURE, &signature));
    json(&all)
}

/// A signed JSON body of a message, in its order and with its lists and objects, with `signature` at the end.
#[must_use]
pub fn signed_message(message: &Message, request_phrase: &Secret, sha: ShaType) -> Vec<u8> {
    let (mut out, mut hashed) = (String::from("{"), Vec::new());
    for (name, value) in message.params().filter(|(name, _)| *name != SIGNATURE) {
        json_text::push(&mut out, name);
        out.push(':');
        value.write_json(&mut out);
        out.push(',');
        let mut text = String::new();
        push_value(&mut text, value, Numbers::Plain);
        hashed.push((name, text));
    }
    let pairs = hashed.iter().map(|(name, text)| (*name, text.as_str()));
    let signature = signature::sign(pairs, request_phrase, sha);
    json_text::push(&mut out, SIGNATURE);
    out.push(':');
    json_text::push(&mut out, &signature);
    out.push('}');
    out.into_bytes()
}

/// A signed `application/x-www-form-urlencoded` body of `params`, in their order, with `signature`
/// at the end. The parameters `exclude` are sent, but not signed.
#[must_use]
pub fn signed_form(params: &[(&str, &str)], exclude: &[&str], request_phrase: &Secret, sha: ShaType) -> String {
    let signed = params.iter().copied().filter(|(name, _)| !exclude.contains(name));
    let signature = signature::sign(signed, request_phrase, sha);
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(unsigned(params)).append_pair(SIGNATURE, &signature);
    form.finish()
}

/// A JSON object of texts.
pub(crate) fn json(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = String::from("{");
    for (place, (name, value)) in fields.iter().enumerate() {
        out.push_str(if place > 0 { "," } else { "" });
        json_text::push(&mut out, name);
        out.push(':');
        json_text::push(&mut out, value);
    }
    out.push('}');
    out.into_bytes()
}

fn unsigned<'a>(params: &[(&'a str, &'a str)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    params.iter().copied().filter(|(name, _)| *name != SIGNATURE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::Message;
    use crate::signature::verify;

    #[test]
    fn lists_and_objects_are_signed_as_the_published_order_for_a_report_is() {
        let body = br#"{"query_command":"GENERATE_REPORT","access_code":"zx0IPmPy5jp1vAz8Kpg7","signature":"stale",
            "merchant_identifier":"CycHZxVj","merchant_reference":"XYZ9239-yu898","language":"en","response_format":"JSON",
            "from_date":"2017-08-03T00:00:01+03:00","to_date":"2017-08-03T23:59:59+03:00",
            "columns":["order_description","customer_ip","eci","geolocation_ip","merchant_reference","card_holder_name",
            "currency","amount","payment_option","fort_id","customer_email","customer_name"],
            "filters":[{"key":"currency","value":"USD"},{"key":"payment_option","value":"VISA"}]}"#;
        let order = Message::from_json(body).unwrap();
        let phrase = Secret::new("PASS");
        let signed = Message::from_json(&signed_message(&order, &phrase, ShaType::Sha256)).unwrap();
        let published = "6750d396772be7df79347306324b1ad20320b31522583346e79b2ae8a5bc8970";
        assert_eq!(signed.text("signature").unwrap(), published);
        assert!(verify(&signed, &[], std::slice::from_ref(&phrase), ShaType::Sha256).is_match());
        assert_eq!(signed.len(), order.len());
    }

    #[test]
    fn what_the_client_signs_the_gateway_accepts() {
        let phrase = Secret::new("TGreq$2y$10$k9");
        let params = [("b", "é & = +"), ("a", "\"\\"), ("card_number", "4005550000000001"), ("signature", "stale")];
        for sha in ShaType::ALL {
            let json = Message::from_json(&signed_json(&params, &phrase, sha)).unwrap();
            assert!(verify(&json, &[], std::slice::from_ref(&phrase), sha).is_match(), "{sha:?}");
            let form = signed_form(&params, &["card_number"], &phrase, sha);
            let form = Message::from_form(form.as_bytes()).unwrap();
            assert!(verify(&form, &["card_number"], std::slice::from_ref(&phrase), sha).is_match(), "{sha:?}");
        }
    }
}
