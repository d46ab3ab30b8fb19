//! Properties of the wire: reading, writing and signing, on generated messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Map, Value};
use tollgate_core::merchant::ShaType;
use tollgate_core::secret::Secret;
use tollgate_fort::command::{Request, safe_params};
use tollgate_fort::message::{FaultKind, Message};
use tollgate_fort::service::{Service, identify};
use tollgate_fort::signature::{Rule, Verification, sign, signed_text, verify};

/// JSON values as deep as a message may have.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e9..1.0e9f64).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            members(inner, 5).prop_map(Value::Object),
        ]
    })
}

/// Texts with everything that has to be escaped, and no NUL.
fn text() -> impl Strategy<Value = String> {
    "(\\PC|[\u{1}-\u{1f}\"\\\\/\u{7f}\u{2028}\u{1F600}]){0,12}"
}

fn members(inner: impl Strategy<Value = Value>, count_max: usize) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((text(), inner), 0..count_max).prop_map(|members| members.into_iter().collect())
}

fn as_json(message: &Message) -> Value {
    serde_json::from_slice(&message.to_json()).unwrap()
}

fn nothing_panics(message: &Message) {
    let _ = identify(message);
    let _ = safe_params(message);
    let _ = format!("{message:?}");
    for service in Service::ALL {
        let _ = Request::parse(service, message);
    }
    assert!(*message == Message::from_json(&message.to_json()).unwrap());
}

proptest! {
    #[test]
    fn what_another_writer_writes_is_read_as_it_was(params in members(value(), 12)) {
        let params = Value::Object(params);
        let compact = serde_json::to_vec(&params).unwrap();
        let pretty = serde_json::to_vec_pretty(&params).unwrap();
        for body in [compact, pretty] {
            let message = Message::from_json(&body).unwrap();
            // Doubles are read less exactly than they are written: compare what one reader reads.
            prop_assert_eq!(as_json(&message), serde_json::from_slice::<Value>(&body).unwrap());
            nothing_panics(&message);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for read in [Message::from_json(&body), Message::from_form(&body)].into_iter().flatten() {
            nothing_panics(&read);
        }
    }

    #[test]
    fn a_mutated_body_is_read_exactly_when_another_reader_reads_it(
        params in members(value(), 8),
        place in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"{}[]\",:\\0123eE.-+ntf \n\x01u\xe9".to_vec()),
    ) {
        let mut body = serde_json::to_vec(&Value::Object(params)).unwrap();
        let place = place.index(body.len());
        body[place] = byte;
        let theirs = serde_json::from_slice::<Value>(&body);
        match Message::from_json(&body) {
            Ok(message) if std::str::from_utf8(&body).is_ok() => {
                // Numbers beyond the range of a double are ours alone.
                if let Ok(theirs) = theirs {
                    prop_assert_eq!(as_json(&message), theirs);
                } else {
                    prop_assert!(String::from_utf8_lossy(&body).contains(['e', 'E']));
                }
            }
            Ok(message) => nothing_panics(&message),
            Err(fault) => {
                prop_assert!(fault.offset_bytes <= body.len() * 2);
                let ours_alone =
                    [FaultKind::DuplicateName, FaultKind::ControlCharacter, FaultKind::NotAnObject, FaultKind::TooDeep];
                prop_assert!(theirs.is_err() || ours_alone.contains(&fault.kind), "{}", fault);
            }
        }
    }

    #[test]
    fn signatures_are_found_again_under_every_digest_and_every_rule(
        params in members(value(), 8),
        phrase in "\\PC{1,20}",
        sha in prop::sample::select(ShaType::ALL.to_vec()),
        rule in prop::sample::select(Rule::ALL.to_vec()),
    ) {
        let mut params = params;
        params.remove("signature");
        let phrase = Secret::new(phrase);
        let unsigned = Message::from_json(&serde_json::to_vec(&params).unwrap()).unwrap();
        let text = signed_text(&unsigned, &[], rule, &phrase);
        // One field whose name and value together are the text between the phrases.
        let body = text.strip_prefix(phrase.reveal()).unwrap().strip_suffix(phrase.reveal()).unwrap();
        prop_assume!(body.contains('='));
        let (name, value) = body.split_once('=').unwrap();
        prop_assume!(name != "signature");
        let signature = sign([(name, value)], &phrase, sha);
        params.insert("signature".into(), signature.into());
        let signed = Message::from_json(&serde_json::to_vec(&params).unwrap()).unwrap();
        match verify(&signed, &[], std::slice::from_ref(&phrase), sha) {
            Verification::Match { rule: found, phrase: 0 } => {
                // An earlier rule may render this message alike; a later one may not.
                let place = |rule: Rule| Rule::ALL.iter().position(|known| *known == rule).unwrap();
                prop_assert!(place(found) <= place(rule), "{:?} for {:?}", found, rule);
            }
            other => prop_assert!(false, "{:?} under {:?}", other, rule),
        }
        let others = [Secret::new(format!("{}x", phrase.reveal()))];
        prop_assert_eq!(verify(&signed, &[], &others, sha), Verification::Mismatch);
    }
}

#[test]
fn each_rule_is_needed_by_some_message() {
    let phrase = Secret::new("P");
    for (rule, body) in [
        (Rule::All, r#"{"a":"1","b":"","c":null}"#),
        (Rule::WithoutEmpty, r#"{"a":"1","b":"","c":null}"#),
        (Rule::WithoutNull, r#"{"a":"1","b":"","c":null}"#),
        (Rule::Trimmed, r#"{"a":" 1 ","b":""}"#),
        (Rule::TrimmedWithoutEmpty, r#"{"a":" 1 ","b":" "}"#),
        (Rule::Culture, r#"{"a_x":"1","a1":"2","b":""}"#),
        (Rule::CultureWithoutEmpty, r#"{"a_x":"1","a1":"2","b":""}"#),
        (Rule::CultureTrimmedWithoutEmpty, r#"{"a_x":" 1","a1":"2"}"#),
        (Rule::NumbersAsWritten, r#"{"a":1.50}"#),
    ] {
        let unsigned = Message::from_json(body.as_bytes()).unwrap();
        let text = signed_text(&unsigned, &[], rule, &phrase);
        let (name, value) = text[1..text.len() - 1].split_once('=').unwrap();
        let signature = sign([(name, value)], &phrase, ShaType::Sha256);
        let signed = format!("{},\"signature\":\"{signature}\"}}", &body[..body.len() - 1]);
        let signed = Message::from_json(signed.as_bytes()).unwrap();
        let found = verify(&signed, &[], std::slice::from_ref(&phrase), ShaType::Sha256);
        assert_eq!(found, Verification::Match { rule, phrase: 0 });
    }
}
