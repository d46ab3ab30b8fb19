//! FORT signatures: made over final fields, and checked the way the known clients make them.
//!
//! The parameters without `signature`, sorted by the bytes of their names and joined as `name=value`
//! without separators, stand between two copies of the phrase; the digest of that, in hex, is the
//! signature. For HMAC types the phrase is the key as well.

use crate::message::{Message, Value, bool_text};
use aws_lc_rs::{constant_time, digest, hmac};
use std::cmp::Ordering;
use tollgate_core::merchant::ShaType;
use tollgate_core::secret::{Secret, Wiped};

/// The name of the parameter that carries the signature; never part of what is signed.
pub const SIGNATURE: &str = "signature";

/// The longest digest, in bytes.
const DIGEST_BYTES_MAX: usize = 64;

/// Signs `fields` (names and values as they go out, in any order): lower-case hex.
///
/// A field named `signature` is left out.
#[must_use]
pub fn sign<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>, phrase: &Secret, sha: ShaType) -> String {
    let fields = fields.into_iter();
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(fields.size_hint().1.unwrap_or_default());
    pairs.extend(fields.filter(|(name, _)| *name != SIGNATURE));
    pairs.sort_by(|a, b| a.0.cmp(b.0));
    let phrase = phrase.reveal();
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 1).sum();
    let mut joined: Wiped<String> = Wiped::with_capacity(bytes + 2 * phrase.len());
    joined.push_str(phrase);
    for (name, value) in pairs {
        joined.push_str(name);
        joined.push('=');
        joined.push_str(value);
    }
    joined.push_str(phrase);
    digest_of(sha, phrase, joined.as_bytes()).to_hex()
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verification {
    /// The signature is right.
    Match {
        /// How the client rendered the parameters.
        rule: Rule,
        /// The place of its phrase in the list, 0 for the first.
        phrase: usize,
    },
    /// It is wrong, malformed or absent (00008).
    Mismatch,
}

impl Verification {
    /// Whether the signature is right.
    #[must_use]
    pub const fn is_match(self) -> bool {
        matches!(self, Verification::Match { .. })
    }
}

/// A way in which some client renders parameters before it hashes them, in the order of the trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// All parameters; null and empty ones as `name=` (PHP and Java SDK, WooCommerce).
    All,
    /// Without parameters that are null or empty (.NET SDK).
    WithoutEmpty,
    /// Without nulls, empty texts in.
    WithoutNull,
    /// As `All`, blanks around values trimmed.
    Trimmed,
    /// As `WithoutEmpty`, blanks around values trimmed (.NET SDK).
    TrimmedWithoutEmpty,
    /// As `All`, in culture order: underscore, digits, letters without regard to case.
    Culture,
    /// As `WithoutEmpty`, in culture order (.NET SDK).
    CultureWithoutEmpty,
    /// As `TrimmedWithoutEmpty`, in culture order (.NET SDK).
    CultureTrimmedWithoutEmpty,
    /// As `All`, with numbers as JSON writes them, for example `100.0`.
    NumbersAsWritten,
}

impl Rule {
    /// All rules in the order of the trials.
    pub const ALL: [Rule; 9] = [
        Rule::All,
        Rule::WithoutEmpty,
        Rule::WithoutNull,
        Rule::Trimmed,
        Rule::TrimmedWithoutEmpty,
        Rule::Culture,
        Rule::CultureWithoutEmpty,
        Rule::CultureTrimmedWithoutEmpty,
        Rule::NumbersAsWritten,
    ];

    /// The words for a person.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Rule::All => "all parameters, empty ones included",
            Rule::WithoutEmpty => "empty and null parameters left out",
            Rule::WithoutNull => "null parameters left out",
            Rule::Trimmed => "values trimmed",
            Rule::TrimmedWithoutEmpty => "values trimmed, empty ones left out",
            Rule::Culture => "culture order",
            Rule::CultureWithoutEmpty => "culture order, empty ones left out",
            Rule::CultureTrimmedWithoutEmpty => "culture order, values trimmed, empty ones left out",
            Rule::NumbersAsWritten => "numbers as the JSON writes them",
        }
    }

    fn rendering(self) -> Rendering {
        let plain =
            Rendering { order: Order::Bytes, empties: Empties::In, blanks: Blanks::Kept, numbers: Numbers::Plain };
        match self {
            Rule::All => plain,
            Rule::WithoutEmpty => Rendering { empties: Empties::Out, ..plain },
            Rule::WithoutNull => Rendering { empties: Empties::NullOut, ..plain },
            Rule::Trimmed => Rendering { blanks: Blanks::Trimmed, ..plain },
            Rule::TrimmedWithoutEmpty => Rendering { blanks: Blanks::Trimmed, empties: Empties::Out, ..plain },
            Rule::Culture => Rendering { order: Order::Culture, ..plain },
            Rule::CultureWithoutEmpty => Rendering { order: Order::Culture, empties: Empties::Out, ..plain },
            Rule::CultureTrimmedWithoutEmpty => {
                Rendering { order: Order::Culture, blanks: Blanks::Trimmed, empties: Empties::Out, ..plain }
            }
            Rule::NumbersAsWritten => Rendering { numbers: Numbers::AsWritten, ..plain },
        }
    }
}

/// Checks the `signature` of `message`, with the parameters `exclude` left out, against `phrases`
/// (the newest first).
///
/// Tries the renderings of [`Rule::ALL`] that differ for this message, and takes the first that fits.
/// The comparison takes constant time, and either case of the hex counts.
pub fn verify(message: &Message, exclude: &[&str], phrases: &[Secret], sha: ShaType) -> Verification {
    let Some(sent) = sent_digest(message).filter(|sent| sent.length == digest_bytes(sha)) else {
        return Verification::Mismatch;
    };
    let mut traits = None;
    for rule in Rule::ALL {
        if rule != Rule::All && !traits.get_or_insert_with(|| Traits::of(message, exclude)).changed_by(rule) {
            continue;
        }
        for (place, phrase) in phrases.iter().enumerate() {
            let joined = join(message, exclude, rule.rendering(), phrase.reveal());
            let ours = digest_of(sha, phrase.reveal(), joined.as_bytes());
            if constant_time::verify_slices_are_equal(ours.bytes(), sent.bytes()).is_ok() {
                return Verification::Match { rule, phrase: place };
            }
        }
    }
    Verification::Mismatch
}

/// The text that is hashed for `message` under `rule`.
///
/// It holds the phrase and every value in clear: show it to nobody.
#[must_use]
pub fn signed_text(message: &Message, exclude: &[&str], rule: Rule, phrase: &Secret) -> Wiped<String> {
    join(message, exclude, rule.rendering(), phrase.reveal())
}

#[derive(Clone, Copy)]
struct Rendering {
    order: Order,
    empties: Empties,
    blanks: Blanks,
    numbers: Numbers,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Bytes,
    Culture,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Empties {
    In,
    Out,
    NullOut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Blanks {
    Kept,
    Trimmed,
}

/// How a number of the JSON becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// As [`Value::scalar`] says.
    Plain,
    /// As the JSON writes it.
    AsWritten,
}

/// What of a message makes renderings differ.
#[derive(Default)]
struct Traits {
    null: bool,
    empty_text: bool,
    trimmable: bool,
    empty_when_trimmed: bool,
    odd_number: bool,
    culture_order: bool,
}

impl Traits {
    fn of(message: &Message, exclude: &[&str]) -> Traits {
        let mut traits = Traits::default();
        for (_, value) in message.sorted().filter(|(name, _)| is_signed(name, exclude)) {
            match value {
                Value::Null => traits.null = true,
                Value::Text(text) => {
                    let trimmed = text.trim();
                    traits.empty_text |= text.is_empty();
                    traits.trimmable |= trimmed.len() < text.len();
                    traits.empty_when_trimmed |= trimmed.is_empty();
                }
                Value::Number(raw) => traits.odd_number |= value.scalar().is_none_or(|plain| plain != raw),
                // A nested number may be odd as well; hashing once more is cheaper than looking.
                Value::List(_) | Value::Object(_) => traits.odd_number = true,
                Value::Bool(_) => {}
            }
        }
        let names = || message.sorted().map(|(name, _)| name).filter(|name| is_signed(name, exclude));
        traits.culture_order = names().zip(names().skip(1)).any(|(a, b)| culture(a, b) == Ordering::Greater);
        traits
    }

    /// Whether `rule` renders this message unlike every rule before it.
    fn changed_by(&self, rule: Rule) -> bool {
        let any_empty = self.null || self.empty_text;
        match rule {
            Rule::All => true,
            Rule::WithoutEmpty => any_empty,
            Rule::WithoutNull => self.null && self.empty_text,
            Rule::Trimmed => self.trimmable,
            Rule::TrimmedWithoutEmpty => self.trimmable && (self.null || self.empty_when_trimmed),
            Rule::Culture => self.culture_order,
            Rule::CultureWithoutEmpty => self.culture_order && any_empty,
            Rule::CultureTrimmedWithoutEmpty => self.culture_order && self.trimmable,
            Rule::NumbersAsWritten => self.odd_number,
        }
    }
}

fn is_signed(name: &str, exclude: &[&str]) -> bool {
    name != SIGNATURE && !exclude.contains(&name)
}

fn join(message: &Message, exclude: &[&str], rendering: Rendering, phrase: &str) -> Wiped<String> {
    // Room for everything, so that the buffer never moves and leaves a copy behind.
    let bytes: usize = message.params().map(|(name, value)| name.len() + 1 + bytes_max(value)).sum();
    let mut out: Wiped<String> = Wiped::with_capacity(bytes + 2 * phrase.len());
    out.push_str(phrase);
    match rendering.order {
        Order::Bytes => {
            for (name, value) in message.sorted() {
                push_pair(&mut out, name, value, exclude, rendering);
            }
        }
        Order::Culture => {
            let mut params: Vec<(&str, Value<'_>)> = message.sorted().collect();
            params.sort_by(|a, b| culture(a.0, b.0));
            for (name, value) in params {
                push_pair(&mut out, name, value, exclude, rendering);
            }
        }
    }
    out.push_str(phrase);
    out
}

fn push_pair(out: &mut String, name: &str, value: Value<'_>, exclude: &[&str], rendering: Rendering) {
    if !is_signed(name, exclude) {
        return;
    }
    let value = match (value, rendering.blanks) {
        (Value::Text(text), Blanks::Trimmed) => Value::Text(text.trim()),
        (value, _) => value,
    };
    let left_out = match rendering.empties {
        Empties::In => false,
        Empties::Out => !value.is_sent(),
        Empties::NullOut => matches!(value, Value::Null),
    };
    if left_out {
        return;
    }
    out.push_str(name);
    out.push('=');
    push_value(out, value, rendering.numbers);
}

/// Appends a value as clients render it: `[a, b]` and `{k=v, k=v}` for lists and objects.
pub(crate) fn push_value(out: &mut String, value: Value<'_>, numbers: Numbers) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.push_str(bool_text(flag)),
        Value::Text(text) => out.push_str(text),
        Value::Number(raw) => match numbers {
            Numbers::AsWritten => out.push_str(raw),
            Numbers::Plain => out.push_str(&value.scalar().unwrap_or_default()),
        },
        Value::List(list) => {
            out.push('[');
            for (place, element) in list.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                push_value(out, element, numbers);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (place, (name, member)) in object.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                out.push_str(name);
                out.push('=');
                push_value(out, member, numbers);
            }
            out.push('}');
        }
    }
}

/// An upper bound of what [`push_value`] appends: a number may be written out with 30 more digits.
fn bytes_max(value: Value<'_>) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 5,
        Value::Text(text) => text.len(),
        Value::Number(raw) => raw.len() + 32,
        Value::List(list) => list.iter().map(|element| bytes_max(element) + 2).sum::<usize>() + 2,
        Value::Object(object) => {
            object.iter().map(|(name, member)| name.len() + bytes_max(member) + 3).sum::<usize>() + 2
        }
    }
}

/// The order of .NET's culture-sensitive sort, as far as parameter names go.
pub(crate) fn culture(a: &str, b: &str) -> Ordering {
    let key = |character: char| match character {
        '0'..='9' => (1, character),
        'a'..='z' | 'A'..='Z' => (2, character.to_ascii_lowercase()),
        other => (0, other),
    };
    let folded = a.chars().map(key).cmp(b.chars().map(key));
    // Lower case stands before upper case when all else is equal.
    folded.then_with(|| b.cmp(a))
}

/// A digest of any of the types.
#[derive(Clone, Copy)]
pub(crate) struct Digest {
    bytes: [u8; DIGEST_BYTES_MAX],
    length: usize,
}

impl Digest {
    fn new(source: &[u8]) -> Digest {
        let mut bytes = [0; DIGEST_BYTES_MAX];
        for (slot, byte) in bytes.iter_mut().zip(source) {
            *slot = *byte;
        }
        Digest { bytes, length: source.len().min(DIGEST_BYTES_MAX) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn to_hex(self) -> String {
        let mut hex = vec![0; 2 * self.length];
        // The room is right and hex is ASCII, so neither can fail.
        let written = hex::encode_to_slice(self.bytes(), &mut hex).is_ok();
        String::from_utf8(hex).ok().filter(|_| written).unwrap_or_default()
    }
}

pub(crate) fn digest_of(sha: ShaType, phrase: &str, joined: &[u8]) -> Digest {
    let plain = |algorithm| Digest::new(digest::digest(algorithm, joined).as_ref());
    let keyed = |algorithm| Digest::new(hmac::sign(&hmac::Key::new(algorithm, phrase.as_bytes()), joined).as_ref());
    match sha {
        ShaType::Sha128 => plain(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        ShaType::Sha256 => plain(&digest::SHA256),
        ShaType::Sha512 => plain(&digest::SHA512),
        ShaType::Hmac256 => keyed(hmac::HMAC_SHA256),
        ShaType::Hmac512 => keyed(hmac::HMAC_SHA512),
    }
}

/// How many bytes a digest of this type has: 20, 32 or 64.
pub(crate) const fn digest_bytes(sha: ShaType) -> usize {
    match sha {
        ShaType::Sha128 => 20,
        ShaType::Sha256 | ShaType::Hmac256 => 32,
        ShaType::Sha512 | ShaType::Hmac512 => 64,
    }
}

/// The digest that came with the message, when it is hex of a length that a digest has.
pub(crate) fn sent_digest(message: &Message) -> Option<Digest> {
    let Some(Value::Text(text)) = message.value(SIGNATURE) else {
        return None;
    };
    let length = text.len() / 2;
    let mut bytes = [0; DIGEST_BYTES_MAX];
    hex::decode_to_slice(text, bytes.get_mut(..length)?).ok()?;
    [20, 32, 64].contains(&length).then_some(Digest { bytes, length })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn culture_order_puts_underscore_before_digits_before_letters() {
        let mut names = ["ship_address2", "ship_address_city", "Ship_address1", "ship_address1", "shipB", "shipa"];
        names.sort_by(|a, b| culture(a, b));
        assert_eq!(names, ["ship_address_city", "ship_address1", "Ship_address1", "ship_address2", "shipa", "shipB"]);
    }

    #[test]
    fn a_signature_that_is_no_hex_or_of_another_length_never_matches() {
        let phrases = [Secret::new("P")];
        let good = sign([("a", "1")], &phrases[0], ShaType::Sha256);
        let check = |signature: &str| {
            let body = format!("{{\"a\":1,\"signature\":\"{signature}\"}}");
            verify(&Message::from_json(body.as_bytes()).unwrap(), &[], &phrases, ShaType::Sha256).is_match()
        };
        assert!(check(&good));
        assert!(check(&good.to_uppercase()));
        for bad in ["", "zz", &good[..62], &good[..63], &format!("{good}00"), &"0".repeat(400), &"é".repeat(32)] {
            assert!(!check(bad), "{bad}");
        }
        let absent = Message::from_json(b"{\"a\":1}").unwrap();
        assert_eq!(verify(&absent, &[], &phrases, ShaType::Sha256), Verification::Mismatch);
    }

    #[test]
    fn either_phrase_of_a_rotation_counts_and_no_phrase_matches_nothing() {
        let phrases = [Secret::new("new"), Secret::new("old")];
        let signature = sign([("a", "1")], &phrases[1], ShaType::Hmac512);
        let message = Message::from_form(format!("a=1&signature={signature}").as_bytes()).unwrap();
        let found = verify(&message, &[], &phrases, ShaType::Hmac512);
        assert_eq!(found, Verification::Match { rule: Rule::All, phrase: 1 });
        assert_eq!(verify(&message, &[], &[], ShaType::Hmac512), Verification::Mismatch);
    }

    #[test]
    fn excluded_parameters_may_come_or_not() {
        let phrase = [Secret::new("P")];
        let signature = sign([("a", "1")], &phrase[0], ShaType::Sha128);
        let body = format!("{{\"a\":\"1\",\"remember_me\":\"YES\",\"signature\":\"{signature}\"}}");
        let message = Message::from_json(body.as_bytes()).unwrap();
        assert!(verify(&message, &["remember_me"], &phrase, ShaType::Sha128).is_match());
        assert!(!verify(&message, &[], &phrase, ShaType::Sha128).is_match());
    }
}
