//! The client's side of the wire: signed requests, as the SDKs make them.

use crate::json_text;
use crate::signature::{self, SIGNATURE};
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
