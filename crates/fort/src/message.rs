//! A FORT message: parameters in the order in which they were sent, JSON or form.
//!
//! All text of a message lies in one buffer, which is wiped when the message is dropped: a message
//! may hold a card number and a security code. `Debug` shows names and kinds only.

mod form;
mod json;
mod number;

use crate::json_text;
use std::borrow::Cow;
use std::fmt;
use tollgate_core::secret::{Wipe, Wiped};

/// The largest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The most members that an object, a list or a form may have.
pub const MEMBERS_MAX: usize = 256;
/// How deep objects and lists may be nested; the message itself is the first level.
pub const DEPTH_LEVELS_MAX: usize = 8;

/// A parsed message.
pub struct Message {
    text: String,
    params: Vec<Member>,
    by_name: Vec<u16>,
}

/// One value of a message.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// JSON `null`.
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A JSON number, as it was written.
    Number(&'a str),
    /// A JSON string, or the value of a form field.
    Text(&'a str),
    /// A JSON list.
    List(List<'a>),
    /// A JSON object; its members keep their order.
    Object(Object<'a>),
}

/// The elements of a JSON list.
#[derive(Clone, Copy)]
pub struct List<'a> {
    text: &'a str,
    elements: &'a [Node],
}

/// The members of a JSON object.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    text: &'a str,
    members: &'a [Member],
}

/// Why a body is no FORT message (00073). Says what and where, never the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset_bytes}")]
pub struct ParseFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where, in bytes from the beginning of the body (of its UTF-8 form when it was ISO-8859-1).
    pub offset_bytes: usize,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FaultKind {
    /// Longer than [`BODY_BYTES_MAX`].
    #[error("the body is longer than 65536 bytes")]
    TooLarge,
    /// JSON that is no object.
    #[error("the body is no JSON object")]
    NotAnObject,
    /// JSON syntax (RFC 8259).
    #[error("the JSON syntax is broken")]
    Syntax,
    /// The body ends too early.
    #[error("the body ends too early")]
    EndsEarly,
    /// Something follows the object.
    #[error("something follows the JSON object")]
    TrailingText,
    /// A number that JSON does not know, such as `01` or `1.`.
    #[error("a number is malformed")]
    Number,
    /// A string escape that JSON does not know, or half a surrogate pair.
    #[error("a string escape is malformed")]
    Escape,
    /// A control character inside a string, or a NUL in any form: no store or log could carry it.
    #[error("a control character stands in a text")]
    ControlCharacter,
    /// A name occurs twice in the message or in one object.
    #[error("a name occurs twice")]
    DuplicateName,
    /// More than [`MEMBERS_MAX`] members.
    #[error("there are more than 256 members")]
    TooManyMembers,
    /// Nested deeper than [`DEPTH_LEVELS_MAX`].
    #[error("the nesting is deeper than 8 levels")]
    TooDeep,
}

impl Message {
    /// Reads a JSON body.
    ///
    /// Accepted beyond RFC 8259: a byte order mark in front; bytes that are not UTF-8, which are
    /// then all read as ISO-8859-1 (the Java SDK posts them). Refused beyond it: names that occur
    /// twice, half a surrogate pair (no client can have hashed it), NUL, and what exceeds a limit.
    ///
    /// # Errors
    /// What is wrong and where.
    pub fn from_json(body: &[u8]) -> Result<Message, ParseFault> {
        let decoded = decode(body)?;
        let text = decoded.as_str();
        json::parse(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    /// Reads an `application/x-www-form-urlencoded` body (WHATWG URL standard); every value is a text.
    /// When the decoded bytes are not UTF-8 they are all read as ISO-8859-1.
    ///
    /// # Errors
    /// When a name occurs twice, a NUL is inside, or a limit is exceeded.
    pub fn from_form(body: &[u8]) -> Result<Message, ParseFault> {
        if body.len() > BODY_BYTES_MAX {
            return Err(ParseFault { kind: FaultKind::TooLarge, offset_bytes: BODY_BYTES_MAX });
        }
        form::parse(body)
    }

    /// The value of the parameter `name`, if it was sent, null and empty included.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value<'_>> {
        let place = self.by_name.binary_search_by(|index| self.name_at(*index).cmp(name)).ok()?;
        self.by_name.get(place).and_then(|index| self.value_at(*index))
    }

    /// The text of the parameter `name`, if it was sent non-empty and is no list and no object.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name)?.scalar().filter(|text| !text.is_empty())
    }

    /// All parameters in message order.
    pub fn params(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.params.iter().map(|member| member.view(&self.text))
    }

    /// All parameters in ascending order of the bytes of their names.
    pub fn sorted(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.by_name
            .iter()
            .filter_map(|index| self.params.get(usize::from(*index)))
            .map(|member| member.view(&self.text))
    }

    /// How many parameters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.params.len()
    }

    /// How many bytes all names and values of scalars have together.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    /// The message as JSON, numbers as they were written. It holds card data if the message does.
    #[must_use]
    pub fn to_json(&self) -> Wiped<Vec<u8>> {
        // Six bytes for each of the worst characters and for the signs around each value, so that the
        // buffer never moves and leaves a copy.
        let values: usize = self.params.iter().map(|member| member.value.count()).sum();
        let mut out: Wiped<String> = Wiped::with_capacity((self.text.len() + values + 1) * 6);
        Value::Object(Object { text: &self.text, members: &self.params }).write_json(&mut out);
        Wiped::new(std::mem::take(&mut *out).into_bytes())
    }

    fn new(text: String, params: Vec<Member>) -> Result<Message, ParseFault> {
        let by_name = sorted_by_name(&text, &params)?;
        Ok(Message { text, params, by_name })
    }

    fn name_at(&self, index: u16) -> &str {
        self.params.get(usize::from(index)).map_or("", |member| member.name.of(&self.text))
    }

    fn value_at(&self, index: u16) -> Option<Value<'_>> {
        self.params.get(usize::from(index)).map(|member| member.value.view(&self.text))
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.text.wipe();
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.params() {
            map.entry(&crate::command::mask_card_numbers(name), &format_args!("{}", value.kind()));
        }
        map.finish()
    }
}

impl PartialEq for Message {
    /// Same parameters, in the same order, written the same.
    fn eq(&self, other: &Message) -> bool {
        *self.to_json() == *other.to_json()
    }
}

impl<'a> Value<'a> {
    /// The text of a scalar: what is hashed, judged and echoed. Null is the empty text; a list or
    /// an object has none.
    ///
    /// A number is its plain decimal notation: `1000`, `100.0` as `100`, `1.50` as `1.5`, `1e3` as
    /// `1000`, `-0` as `0` (clients hash the number they hold, not the way JSON writes it). A number
    /// whose exponent is beyond 30 stays as it was written.
    #[must_use]
    pub fn scalar(self) -> Option<Cow<'a, str>> {
        match self {
            Value::Null => Some(Cow::Borrowed("")),
            Value::Bool(flag) => Some(Cow::Borrowed(bool_text(flag))),
            Value::Number(raw) => Some(number::plain(raw)),
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::List(_) | Value::Object(_) => None,
        }
    }

    /// Whether it counts as sent: neither null nor the empty text.
    #[must_use]
    pub fn is_sent(self) -> bool {
        !matches!(self, Value::Null | Value::Text(""))
    }

    /// What it is, in a word.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::Text(_) => "text",
            Value::List(_) => "list",
            Value::Object(_) => "object",
        }
    }

    /// Appends it as JSON.
    pub(crate) fn write_json(self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(flag) => out.push_str(bool_text(flag)),
            Value::Number(raw) => out.push_str(raw),
            Value::Text(text) => json_text::push(out, text),
            Value::List(list) => {
                out.push('[');
                for (place, element) in list.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    element.write_json(out);
                }
                out.push(']');
            }
            Value::Object(object) => {
                out.push('{');
                for (place, (name, value)) in object.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    json_text::push(out, name);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl<'a> List<'a> {
    /// The elements in order.
    pub fn iter(self) -> impl Iterator<Item = Value<'a>> {
        self.elements.iter().map(move |node| node.view(self.text))
    }
}

impl<'a> Object<'a> {
    /// The members in message order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        self.members.iter().map(move |member| member.view(self.text))
    }
}

pub(crate) const fn bool_text(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// A stretch of a message's buffer.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Span {
        // A body has at most BODY_BYTES_MAX bytes, so that neither cut happens.
        Span { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

enum Node {
    Null,
    Bool(bool),
    Number(Span),
    Text(Span),
    List(Vec<Node>),
    Object(Vec<Member>),
}

impl Node {
    /// How many values it is made of, itself included.
    fn count(&self) -> usize {
        match self {
            Node::List(elements) => 1 + elements.iter().map(Node::count).sum::<usize>(),
            Node::Object(members) => 1 + members.iter().map(|member| member.value.count()).sum::<usize>(),
            _ => 1,
        }
    }

    fn view<'a>(&'a self, text: &'a str) -> Value<'a> {
        match self {
            Node::Null => Value::Null,
            Node::Bool(flag) => Value::Bool(*flag),
            Node::Number(span) => Value::Number(span.of(text)),
            Node::Text(span) => Value::Text(span.of(text)),
            Node::List(elements) => Value::List(List { text, elements }),
            Node::Object(members) => Value::Object(Object { text, members }),
        }
    }
}

struct Member {
    name: Span,
    value: Node,
    /// Where its name stands in the body, for a fault.
    offset_bytes: usize,
}

impl Member {
    fn view<'a>(&'a self, text: &'a str) -> (&'a str, Value<'a>) {
        (self.name.of(text), self.value.view(text))
    }
}

/// The members' places in ascending order of the bytes of their names.
fn sorted_by_name(text: &str, members: &[Member]) -> Result<Vec<u16>, ParseFault> {
    let name = |index: u16| members.get(usize::from(index)).map_or("", |member| member.name.of(text));
    let count = u16::try_from(members.len()).unwrap_or(u16::MAX);
    let mut order: Vec<u16> = (0..count).collect();
    order.sort_by(|a, b| name(*a).cmp(name(*b)));
    let twice = order.iter().zip(order.iter().skip(1)).find(|(a, b)| name(**a) == name(**b));
    match twice {
        None => Ok(order),
        Some((_, second)) => Err(ParseFault {
            kind: FaultKind::DuplicateName,
            offset_bytes: members.get(usize::from(*second)).map_or(0, |member| member.offset_bytes),
        }),
    }
}

/// A body as text: borrowed when it is UTF-8, else read as ISO-8859-1 into a buffer that is wiped.
enum Decoded<'a> {
    Utf8(&'a str),
    Latin1(Wiped<String>),
}

impl Decoded<'_> {
    fn as_str(&self) -> &str {
        match self {
            Decoded::Utf8(text) => text,
            Decoded::Latin1(text) => text,
        }
    }
}

fn decode(body: &[u8]) -> Result<Decoded<'_>, ParseFault> {
    if body.len() > BODY_BYTES_MAX {
        return Err(ParseFault { kind: FaultKind::TooLarge, offset_bytes: BODY_BYTES_MAX });
    }
    Ok(match std::str::from_utf8(body) {
        Ok(text) => Decoded::Utf8(text),
        Err(_) => Decoded::Latin1(Wiped::new(from_latin1(body))),
    })
}

fn from_latin1(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().map(|byte| char::from(*byte)));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fault(body: &str) -> FaultKind {
        Message::from_json(body.as_bytes()).unwrap_err().kind
    }

    #[test]
    fn a_message_keeps_order_and_raw_numbers() {
        let message = Message::from_json(br#" {"b":1000,"a":"x\u00e9\n","n":null,"f":100.0,"t":true} "#).unwrap();
        let names: Vec<&str> = message.params().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a", "n", "f", "t"]);
        let sorted: Vec<&str> = message.sorted().map(|(name, _)| name).collect();
        assert_eq!(sorted, ["a", "b", "f", "n", "t"]);
        assert_eq!(message.text("a").as_deref(), Some("xé\n"));
        assert_eq!(message.text("f").as_deref(), Some("100"));
        assert_eq!(message.text("t").as_deref(), Some("true"));
        assert_eq!(message.text("n"), None);
        assert!(matches!(message.value("f"), Some(Value::Number("100.0"))));
        assert!(message.value("zz").is_none());
    }

    #[test]
    fn a_name_that_occurs_twice_is_refused_at_every_level() {
        assert_eq!(fault(r#"{"a":1,"a":2}"#), FaultKind::DuplicateName);
        assert_eq!(fault(r#"{"a":1,"\u0061":2}"#), FaultKind::DuplicateName);
        assert_eq!(fault(r#"{"o":{"a":1,"a":2}}"#), FaultKind::DuplicateName);
        assert_eq!(Message::from_form(b"a=1&a=2").unwrap_err().kind, FaultKind::DuplicateName);
        let at = Message::from_json(br#"{"a":1,"b":2,"a":3}"#).unwrap_err();
        assert_eq!(at.offset_bytes, 13);
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_kind() {
        for (body, kind) in [
            ("", FaultKind::EndsEarly),
            ("[]", FaultKind::NotAnObject),
            ("\"a\"", FaultKind::NotAnObject),
            ("{'a':1}", FaultKind::Syntax),
            ("{\"a\":1,}", FaultKind::Syntax),
            ("{\"a\":1} x", FaultKind::TrailingText),
            ("{\"a\":", FaultKind::EndsEarly),
            ("{\"a\":\"x", FaultKind::EndsEarly),
            ("{\"a\":01}", FaultKind::Number),
            ("{\"a\":1.}", FaultKind::Number),
            ("{\"a\":-}", FaultKind::Number),
            ("{\"a\":1e}", FaultKind::Number),
            ("{\"a\":nul}", FaultKind::Syntax),
            ("{\"a\":\"\\x\"}", FaultKind::Escape),
            ("{\"a\":\"\\ud800\"}", FaultKind::Escape),
            ("{\"a\":\"\\ud800\\u0041\"}", FaultKind::Escape),
            ("{\"a\":\"\\u00g0\"}", FaultKind::Escape),
            ("{\"a\":\"\\u0000\"}", FaultKind::ControlCharacter),
            ("{\"a\":\"\n\"}", FaultKind::ControlCharacter),
        ] {
            assert_eq!(fault(body), kind, "{body}");
        }
    }

    #[test]
    fn limits_of_size_depth_and_members_hold_exactly() {
        let nested = |levels: usize| format!("{}{}", "{\"a\":".repeat(levels) + "1", "}".repeat(levels));
        assert!(Message::from_json(nested(DEPTH_LEVELS_MAX).as_bytes()).is_ok());
        assert_eq!(fault(&nested(DEPTH_LEVELS_MAX + 1)), FaultKind::TooDeep);
        let many = |count: usize| {
            let members: Vec<String> = (0..count).map(|place| format!("\"p{place}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(Message::from_json(many(MEMBERS_MAX).as_bytes()).unwrap().len(), MEMBERS_MAX);
        assert_eq!(fault(&many(MEMBERS_MAX + 1)), FaultKind::TooManyMembers);
        assert_eq!(fault(&format!("{{\"a\":[{}1]}}", "1,".repeat(MEMBERS_MAX))), FaultKind::TooManyMembers);
        let fill = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        assert!(Message::from_json(fill(BODY_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(fault(&fill(BODY_BYTES_MAX + 1)), FaultKind::TooLarge);
        assert_eq!(Message::from_form(&vec![b'a'; BODY_BYTES_MAX + 1]).unwrap_err().kind, FaultKind::TooLarge);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_read_as_latin1() {
        let message = Message::from_json(b"{\"customer_name\":\"Jos\xe9\"}").unwrap();
        assert_eq!(message.text("customer_name").as_deref(), Some("José"));
        let form = Message::from_form(b"customer_name=Jos%E9").unwrap();
        assert_eq!(form.text("customer_name").as_deref(), Some("José"));
        let marked = Message::from_json(b"\xef\xbb\xbf{\"a\":\"\xd8\xa3\"}").unwrap();
        assert_eq!(marked.text("a").as_deref(), Some("أ"));
    }

    #[test]
    fn debug_and_faults_show_no_value() {
        let body = br#"{"card_number":"4005550000000001","card_security_code":"737","4005550000000001":{}}"#;
        let shown = format!("{:?}", Message::from_json(body).unwrap());
        assert!(shown.contains("card_number") && shown.contains("object"), "{shown}");
        assert!(!shown.contains("4005550000000001") && !shown.contains("737"), "{shown}");
        let broken = br#"{"card_number":"4005550000000001" "#;
        let fault = Message::from_json(broken).unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains("4005"));
    }

    #[test]
    fn a_message_is_equal_to_itself_written_as_json() {
        let body = br#"{"a":[1,{"b":null,"c":[true,false]}],"d":"\"\\\u0001\u2028\ud83d\ude00","e":1.0e5,"f":{}}"#;
        let message = Message::from_json(body).unwrap();
        let again = Message::from_json(&message.to_json()).unwrap();
        assert!(message == again);
        assert!(message != Message::from_json(b"{}").unwrap());
    }
}
