//! The 40 known-answer vectors of the FORT signature: public documents, the SDKs' own tests, and
//! cases computed by an independent script.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use tollgate_core::merchant::ShaType;
use tollgate_core::secret::Secret;
use tollgate_fort::message::Message;
use tollgate_fort::signature::{Rule, Verification, sign, signed_text, verify};

const VECTORS: &str = include_str!("../../../tests/data/signature_vectors.json");

struct Vector {
    id: String,
    phrase: Secret,
    sha: ShaType,
    exclude: Vec<String>,
    facts: Value,
}

impl Vector {
    fn all() -> Vec<Vector> {
        let file: Value = serde_json::from_str(VECTORS).unwrap();
        let read = |facts: &Value| {
            let text = |name: &str| facts[name].as_str().unwrap().to_owned();
            let names = facts["exclude"].as_array().unwrap();
            Vector {
                id: text("id"),
                phrase: Secret::new(text("phrase")),
                sha: ShaType::parse(&text("sha_type")).unwrap(),
                exclude: names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
                facts: facts.clone(),
            }
        };
        file["vectors"].as_array().unwrap().iter().map(read).collect()
    }

    fn message(&self) -> Message {
        let mut params = self.facts["params"].clone();
        params["signature"] = self.facts["signature_as_sent"].clone();
        Message::from_json(&serde_json::to_vec(&params).unwrap()).unwrap()
    }

    fn exclude(&self) -> Vec<&str> {
        self.exclude.iter().map(String::as_str).collect()
    }
}

#[test]
fn every_vector_is_judged_as_published() {
    let vectors = Vector::all();
    assert_eq!(vectors.len(), 40);
    for vector in &vectors {
        let found = verify(&vector.message(), &vector.exclude(), std::slice::from_ref(&vector.phrase), vector.sha);
        let expected = vector.facts["expect"] == "match";
        assert_eq!(found.is_match(), expected, "{}", vector.id);
    }
    assert_eq!(vectors.iter().filter(|vector| vector.facts["expect"] == "mismatch").count(), 2);
}

#[test]
fn the_hashed_text_is_the_published_one() {
    let mut compared = 0;
    for vector in Vector::all() {
        let Some(text) = vector.facts["string_to_sign"].as_str() else { continue };
        let ours = signed_text(&vector.message(), &vector.exclude(), Rule::All, &vector.phrase);
        assert_eq!(ours.as_str(), text, "{}", vector.id);
        compared += 1;
    }
    assert_eq!(compared, 38);
}

#[test]
fn signing_flat_vectors_gives_the_published_digest() {
    let mut compared = 0;
    for vector in Vector::all() {
        let params = vector.facts["params"].as_object().unwrap();
        if !params.values().all(Value::is_string) {
            continue;
        }
        let exclude = vector.exclude();
        let fields = params.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let ours = sign(fields.filter(|(name, _)| !exclude.contains(name)), &vector.phrase, vector.sha);
        assert_eq!(ours, vector.facts["expected"].as_str().unwrap(), "{}", vector.id);
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn empty_parameters_count_as_each_client_counts_them() {
    // V25 and V27 are one body, signed by a client that hashes the empty value and by one that does not;
    // here the empty parameter is not excluded by name, so that the verifier has to find the rule.
    let rule = |id: &str| {
        let vector = Vector::all().into_iter().find(|vector| vector.id == id).unwrap();
        match verify(&vector.message(), &[], std::slice::from_ref(&vector.phrase), vector.sha) {
            Verification::Match { rule, .. } => rule,
            Verification::Mismatch => panic!("{id}"),
        }
    };
    assert_eq!(rule("V25"), Rule::All);
    assert_eq!(rule("V26"), Rule::All);
    assert_eq!(rule("V27"), Rule::WithoutEmpty);
    assert_eq!(rule("V12"), Rule::WithoutEmpty);
}

#[test]
fn a_body_in_latin1_is_hashed_as_utf8() {
    let vector = Vector::all().into_iter().find(|vector| vector.id == "V38").unwrap();
    let mut params = vector.facts["params"].clone();
    params["signature"] = vector.facts["signature_as_sent"].clone();
    let body = serde_json::to_string(&params).unwrap();
    let latin1: Vec<u8> = body.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert!(std::str::from_utf8(&latin1).is_err());
    let message = Message::from_json(&latin1).unwrap();
    assert!(verify(&message, &[], std::slice::from_ref(&vector.phrase), vector.sha).is_match());
}
