//! Texts from outside on their way to a log or a terminal.

use std::borrow::Cow;

/// `text` with every character escaped that could forge a line of a log, drive a terminal or turn the
/// reading direction (the control characters of Unicode and its bidirectional marks).
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_harmful(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_that_do_harm_are_escaped() {
        for text in ["", "ORDER-17", "it's \"so\" \\ `x`", "محمد", "李", "e\u{301}"] {
            assert!(matches!(harmless(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(harmless("a\r\nb\u{1b}[2J\u{202e}\u{9b}"), "a\\r\\nb\\u{1b}[2J\\u{202e}\\u{9b}");
    }
}
