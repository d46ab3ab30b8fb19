//! JSON as the protocol wants it: an object, no member twice, and nothing of it left in memory afterwards.

use crate::fault::{ErrorCode, Fault};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
use tollgate_core::secret::Wiped;

/// A JSON value whose texts are wiped when it is dropped: one of them may be a card number.
#[derive(Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(Wiped<String>),
    List(Vec<Json>),
    Object(Members),
}

/// The members of an object, in the order in which they came.
#[derive(Debug, Default)]
pub struct Members(Vec<Member>);

#[derive(Debug)]
struct Member {
    name: String,
    value: Json,
}

impl Members {
    /// Reads a body that has to be one object.
    pub(crate) fn read(body: &[u8]) -> Result<Members, Fault> {
        match serde_json::from_slice::<Json>(body) {
            Ok(Json::Object(members)) => match members.twice() {
                Some(name) => Err(Fault::new(ErrorCode::DuplicateDataElement, name).of(&members)),
                None => Ok(members),
            },
            Ok(_) => Err(Fault::new(ErrorCode::MessageReceivedInvalid, "the body is no JSON object")),
            Err(_) => Err(Fault::new(ErrorCode::MessageReceivedInvalid, "the body is no JSON")),
        }
    }

    /// The member with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// The text of the member with this name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The name of a member that is there twice, here or further inside.
    fn twice(&self) -> Option<&str> {
        let mut seen = BTreeSet::new();
        self.0.iter().find_map(|member| {
            if !seen.insert(member.name.as_str()) {
                return Some(member.name.as_str());
            }
            member.value.twice()
        })
    }
}

impl Json {
    fn twice(&self) -> Option<&str> {
        match self {
            Json::Object(members) => members.twice(),
            Json::List(items) => items.iter().find_map(Json::twice),
            _ => None,
        }
    }

    /// The same as a value of `serde_json`: for what holds no secrets.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        match self {
            Json::Null => serde_json::Value::Null,
            Json::Bool(value) => (*value).into(),
            Json::Number(number) => number.clone().into(),
            Json::Text(text) => text.as_str().into(),
            Json::List(items) => items.iter().map(Json::to_value).collect::<Vec<_>>().into(),
            Json::Object(members) => serde_json::Value::Object(
                members.0.iter().map(|member| (member.name.clone(), member.value.to_value())).collect(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(Wiped::new(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(Wiped::new(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = entries.next_key()? {
            members.push(Member { name, value: entries.next_value()? });
        }
        Ok(Json::Object(Members(members)))
    }
}
