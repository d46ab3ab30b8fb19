//! JSON strings on their way out.

use std::fmt::Write as _;

/// Appends `text` as a JSON string; only what has to be escaped is (RFC 8259, section 7).
pub(crate) fn push(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(place) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (clean, tail) = rest.split_at(place);
        out.push_str(clean);
        let mut characters = tail.chars();
        if let Some(character) = characters.next() {
            push_escape(out, character);
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn push_escape(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        other => {
            // Writing into a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(other));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    proptest::proptest! {
        #[test]
        fn strings_are_written_as_another_writer_does(text in "\\PC*|[\u{0}-\u{7f}]{0,40}") {
            let mut ours = String::new();
            super::push(&mut ours, &text);
            proptest::prop_assert_eq!(&ours, &serde_json::to_string(&text).unwrap());
        }
    }
}
