//! What passed between the shop and the gateway, as it may be shown: card data masked, the phrase as a word.

use super::merchant::{DemoMerchant, Signed};
use std::borrow::Cow;
use tollgate_core::card::mask;
use tollgate_core::time::Timestamp;
use tollgate_fort::command::mask_card_numbers;
use tollgate_fort::message::Message;
use tollgate_fort::signature::SIGNATURE;

/// How the phrase is shown in the text that is hashed.
const PHRASE: &str = "(phrase)";
/// The most fields of a message that are kept.
const FIELDS_MAX: usize = 80;
/// The most characters of a value that are kept.
const VALUE_CHARS_MAX: usize = 600;
/// How long a token's name, and a digest of 256 or 512 bits, are in hex.
const RANDOM_CHARS: [usize; 3] = [32, 64, 128];

/// A message that went from one side to the other.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Which way.
    pub way: Way,
    /// Where it went to: a path, or a URL.
    pub to: String,
    /// When, on the gateway's clock.
    pub at: Timestamp,
    /// What is in it, in its order, masked.
    pub fields: Vec<Field>,
    /// The text that is hashed, with [`PHRASE`] for the phrase and masks for card data.
    pub hashed: String,
    /// The signature, in hex; empty when there is none.
    pub signature: String,
    /// The digest.
    pub sha: &'static str,
    /// What the shop finds of it.
    pub verdict: Verdict,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A form from the browser to the gateway.
    Form,
    /// A call of the shop's server.
    Call,
    /// The gateway's answer to one.
    Answer,
    /// The browser came back with a form.
    ReturnedByPost,
    /// The browser came back by a redirect.
    ReturnedByGet,
    /// The gateway told the shop's server, at this try.
    Feedback {
        /// Which try, from 1.
        attempt: u32,
    },
}

/// What the shop finds of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The shop made it.
    Ours,
    /// It fits the response phrase.
    Fits,
    /// It does not.
    Differs,
    /// There is none.
    Unsigned,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value, masked.
    pub value: String,
    /// Whether it is part of what is signed.
    pub part: Part,
}

/// Whether a parameter is part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is.
    Signed,
    /// It is not: it is the signature, or a parameter that the browser adds.
    Apart,
}

impl Passed {
    /// A request of the shop's.
    pub fn sent(way: Way, to: &str, at: Timestamp, request: &Signed) -> Passed {
        let fields = request.params.iter().map(|(name, value)| {
            let part = if request.unsigned.contains(name) { Part::Apart } else { Part::Signed };
            field(name, value, part)
        });
        Passed::of(way, to, at, fields.collect(), &request.signature, request.sha, Verdict::Ours)
    }

    /// What came from the gateway.
    pub fn received(way: Way, to: &str, at: Timestamp, message: &Message, merchant: &DemoMerchant) -> Passed {
        let fields = message.params().take(FIELDS_MAX).filter(|(name, _)| *name != SIGNATURE).map(|(name, value)| {
            let text = value.scalar().unwrap_or(Cow::Borrowed("(a list or an object)"));
            field(name, &text, Part::Signed)
        });
        let signature = message.text(SIGNATURE).unwrap_or_default();
        Passed::of(way, to, at, fields.collect(), &signature, merchant.sha_name(), merchant.verdict_on(message))
    }

    /// What came and is no message that the shop can read: its text, cut.
    pub fn unreadable(way: Way, to: &str, at: Timestamp, text: &str, merchant: &DemoMerchant) -> Passed {
        let fields = vec![field("(body)", text, Part::Apart)];
        Passed::of(way, to, at, fields, "", merchant.sha_name(), Verdict::Unsigned)
    }

    fn of(
        way: Way,
        to: &str,
        at: Timestamp,
        fields: Vec<Field>,
        signature: &str,
        sha: &'static str,
        verdict: Verdict,
    ) -> Passed {
        let hashed = hashed(&fields);
        let (to, signature) = (shown(to), random(signature));
        Passed { way, to, at, fields, hashed, signature, sha, verdict }
    }

    /// The value of a field that was sent.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }
}

fn field(name: &str, value: &str, part: Part) -> Field {
    let value = match name {
        "card_number" if value.bytes().all(|byte| byte.is_ascii_digit()) => mask(value),
        "card_security_code" => "*".repeat(value.chars().count()),
        "token_name" => random(value),
        _ => shown(value),
    };
    Field { name: shown(name), value, part }
}

/// A digest or a drawn name in hex, as it is: now and then its digits look like a card number, and a mask would make another
/// one of it. Whatever else it is, it is shown as any text.
fn random(text: &str) -> String {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match is_hex && RANDOM_CHARS.contains(&text.len()) {
        true => text.to_owned(),
        false => shown(text),
    }
}

/// A text as it may be shown and kept.
fn shown(text: &str) -> String {
    let masked = mask_card_numbers(text);
    match masked.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}...", masked.get(..end).unwrap_or_default()),
        None => masked.into_owned(),
    }
}

/// The rule of the signature in one line: sorted by the bytes of the names, joined, between two phrases.
fn hashed(fields: &[Field]) -> String {
    let mut signed: Vec<&Field> = fields.iter().filter(|field| field.part == Part::Signed).collect();
    signed.sort_by(|a, b| a.name.cmp(&b.name));
    let pairs: String = signed.iter().map(|field| format!("{}={}", field.name, field.value)).collect();
    format!("{PHRASE}{pairs}{PHRASE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_whose_digits_look_like_a_card_number_is_shown_as_it_is() {
        let digest = "a01e10dd727b0c874052003405a15dff22c6de3240b57ce33bc6bc779d337320";
        assert_ne!(shown(digest), digest, "as any text it would be masked");
        assert_eq!(random(digest), digest);
        let name = "1a400555000000000181e09270eb3b5e";
        assert_eq!(field("token_name", name, Part::Signed).value, name);
        assert_ne!(random("4005550000000001"), "4005550000000001");
    }

    #[test]
    fn card_data_is_masked_wherever_it_stands() {
        for (name, value, seen) in [
            ("card_number", "4005550000000001", "400555******0001"),
            ("card_number", "400555******0001", "400555******0001"),
            ("card_security_code", "1234", "****"),
            ("merchant_extra", "card 4005 5500 0000 0001", "card 4005 55** **** 0001"),
            ("amount", "9500", "9500"),
        ] {
            assert_eq!(field(name, value, Part::Signed).value, seen, "{name}");
        }
    }

    #[test]
    fn the_hashed_text_is_sorted_and_leaves_out_what_is_not_signed() {
        let fields = [
            field("b", "2", Part::Signed),
            field("remember_me", "YES", Part::Apart),
            field("B", "1", Part::Signed),
            field("a", "3", Part::Signed),
        ];
        assert_eq!(hashed(&fields), "(phrase)B=1a=3b=2(phrase)");
    }

    #[test]
    fn a_long_value_is_cut() {
        assert_eq!(shown(&"é".repeat(VALUE_CHARS_MAX + 1)).chars().count(), VALUE_CHARS_MAX + 3);
    }
}
