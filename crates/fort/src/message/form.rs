//! A reader of `application/x-www-form-urlencoded` bodies into one buffer.

use super::{FaultKind, MEMBERS_MAX, Member, Message, Node, ParseFault, Span, from_latin1};
use tollgate_core::secret::{Wipe, Wiped};

/// Reads `body`, whose size has been judged already.
pub(super) fn parse(body: &[u8]) -> Result<Message, ParseFault> {
    let mut raw: Wiped<Vec<u8>> = Wiped::with_capacity(body.len());
    let mut fields: Vec<Field> = Vec::with_capacity(32);
    let mut offset_bytes = 0;
    for pair in body.split(|byte| *byte == b'&') {
        if !pair.is_empty() {
            if fields.len() == MEMBERS_MAX {
                return Err(ParseFault { kind: FaultKind::TooManyMembers, offset_bytes });
            }
            let (name, value) = halves(pair);
            let name_start = raw.len();
            unescape(name, &mut raw);
            let value_start = raw.len();
            unescape(value, &mut raw);
            fields.push(Field { name_start, value_start, value_end: raw.len(), offset_bytes });
        }
        offset_bytes += pair.len() + 1;
    }
    if let Some(place) = raw.iter().position(|byte| *byte == 0) {
        let field = fields.iter().rfind(|field| field.name_start <= place);
        let offset_bytes = field.map_or(0, |field| field.offset_bytes);
        return Err(ParseFault { kind: FaultKind::ControlCharacter, offset_bytes });
    }
    into_message(std::mem::take(&mut *raw), &fields)
}

struct Field {
    name_start: usize,
    value_start: usize,
    value_end: usize,
    offset_bytes: usize,
}

/// Turns the decoded bytes into a message: UTF-8, or all of them ISO-8859-1.
fn into_message(raw: Vec<u8>, fields: &[Field]) -> Result<Message, ParseFault> {
    let member = |text_place: &dyn Fn(usize) -> usize, field: &Field| Member {
        name: Span::new(text_place(field.name_start), text_place(field.value_start)),
        value: Node::Text(Span::new(text_place(field.value_start), text_place(field.value_end))),
        offset_bytes: field.offset_bytes,
    };
    match String::from_utf8(raw) {
        // The bytes as a whole may be UTF-8 although a field's border cuts a character; such fields
        // are no text of their own, and then all is ISO-8859-1.
        Ok(text)
            if fields.iter().all(|f| text.is_char_boundary(f.name_start) && text.is_char_boundary(f.value_start)) =>
        {
            let members = fields.iter().map(|field| member(&|place| place, field)).collect();
            Message::new(text, members)
        }
        other => {
            let mut raw = match other {
                Ok(text) => text.into_bytes(),
                Err(error) => error.into_bytes(),
            };
            let text = from_latin1(&raw);
            let widened = |place: usize| {
                place + raw.get(..place).unwrap_or_default().iter().filter(|byte| !byte.is_ascii()).count()
            };
            let members = fields.iter().map(|field| member(&widened, field)).collect();
            raw.wipe();
            Message::new(text, members)
        }
    }
}

fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(place) => (pair.get(..place).unwrap_or_default(), pair.get(place + 1..).unwrap_or_default()),
        None => (pair, &[]),
    }
}

/// `+` is a blank, `%XX` a byte; a `%` without two hex digits stays as it is (WHATWG URL standard).
fn unescape(piece: &[u8], out: &mut Vec<u8>) {
    let mut rest = piece.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let ahead = rest.as_slice();
                let digit = |place: usize| ahead.get(place).and_then(|byte| char::from(*byte).to_digit(16));
                match (digit(0), digit(1)) {
                    (Some(high), Some(low)) => {
                        out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                        rest.nth(1);
                    }
                    _ => out.push(b'%'),
                }
            }
            _ => out.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{FaultKind, Message};

    #[test]
    fn fields_are_decoded_as_browsers_encode_them() {
        let message = Message::from_form(b"a=1+2%2B3&b=%D8%A3&&c&d=x=y&e=%zz%4").unwrap();
        let texts: Vec<String> =
            message.params().map(|(name, value)| format!("{name}={}", value.scalar().unwrap_or_default())).collect();
        assert_eq!(texts, ["a=1 2+3", "b=أ", "c=", "d=x=y", "e=%zz%4"]);
    }

    #[test]
    fn a_nul_is_refused_at_its_field() {
        let fault = Message::from_form(b"a=1&b=%00").unwrap_err();
        assert_eq!((fault.kind, fault.offset_bytes), (FaultKind::ControlCharacter, 4));
    }

    #[test]
    fn borders_inside_a_character_do_not_break_the_reader() {
        let message = Message::from_form(b"a=%D8&%A3=x").unwrap();
        assert_eq!(message.text("a").as_deref(), Some("Ø"));
        assert_eq!(message.text("£").as_deref(), Some("x"));
    }

    proptest::proptest! {
        #[test]
        fn the_reader_agrees_with_the_url_standard(body in "[a-c=&+%0-9é]{0,40}") {
            let ours = Message::from_form(body.as_bytes());
            let theirs: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
            let mut names: Vec<_> = theirs.iter().map(|(name, _)| name.clone()).collect();
            names.sort();
            names.dedup();
            let odd = theirs.iter().any(|(n, v)| format!("{n}{v}").contains(['\u{fffd}', '\0']));
            proptest::prop_assume!(!odd && names.len() == theirs.len());
            let ours = ours.unwrap();
            let ours: Vec<_> = ours.params().map(|(name, value)| (name.to_owned(), value.scalar().unwrap())).collect();
            let theirs: Vec<_> = theirs.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
            proptest::prop_assert_eq!(ours, theirs);
        }
    }
}
