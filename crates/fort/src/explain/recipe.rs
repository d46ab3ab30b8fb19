//! A way to make the hashed text, right or wrong.

use super::{Cause, Difference};
use crate::command::{is_kept_back, mask_card_numbers, safe_text};
use crate::message::{Message, Value};
use crate::signature::{Digest, Numbers, SIGNATURE, culture, digest_bytes, digest_of, push_value};
use aws_lc_rs::constant_time;
use std::borrow::Cow;
use tollgate_core::card::mask;
use tollgate_core::merchant::{Credential, ShaType};
use zeroize::Zeroizing;

/// The fields of a card form.
pub(super) const CARD_FIELDS: [&str; 5] =
    ["card_number", "expiry_date", "card_security_code", "card_holder_name", "remember_me"];

/// How a text is made and hashed. [`Cause`]s change it.
#[derive(Clone)]
pub(super) struct Recipe {
    phrase: Phrase,
    wrap: Wrap,
    sha: ShaType,
    order: Order,
    empties: Empties,
    blanks: Blanks,
    numbers: Numbers,
    amount: Option<String>,
    encoding: Encoding,
    separator: &'static str,
    nested: Nested,
    null: &'static str,
    left_out: Vec<String>,
    included: Vec<String>,
    case: Option<(String, LetterCase)>,
}

#[derive(Clone, Copy)]
enum Phrase {
    Request,
    Response,
    Expanded,
    /// With a blank or a line break added, or trimmed.
    Blank,
}

#[derive(Clone, Copy)]
enum Wrap {
    Both,
    None,
    Before,
    After,
}

#[derive(Clone, Copy)]
enum Order {
    Bytes,
    Message,
    Culture,
    CaseInsensitive,
    Descending,
}

#[derive(Clone, Copy)]
enum Empties {
    In,
    Out,
    NullOut,
}

#[derive(Clone, Copy)]
enum Blanks {
    Kept,
    Trimmed,
}

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Latin1,
    Percent,
    Form,
    PlusForBlank,
    PercentDecoded,
    Html(&'static str),
    HtmlUnescaped,
}

#[derive(Clone, Copy)]
enum Nested {
    Rendered,
    Json,
}

#[derive(Clone, Copy)]
enum LetterCase {
    Lower,
    Upper,
}

/// One parameter of a text: `name=value`, without separators.
struct Piece<'a> {
    name: &'a str,
    value: Zeroizing<String>,
    is_nested: bool,
}

impl Recipe {
    /// The right one.
    pub(super) fn right(exclude: &[&str], credential: &Credential) -> Recipe {
        Recipe {
            phrase: Phrase::Request,
            wrap: Wrap::Both,
            sha: credential.sha_type,
            order: Order::Bytes,
            empties: Empties::In,
            blanks: Blanks::Kept,
            numbers: Numbers::Plain,
            amount: None,
            encoding: Encoding::Utf8,
            separator: "",
            nested: Nested::Rendered,
            null: "",
            left_out: exclude.iter().chain([&SIGNATURE]).map(|name| (*name).to_owned()).collect(),
            included: Vec::new(),
            case: None,
        }
    }

    /// The same with one more mistake.
    pub(super) fn with(&self, cause: &Cause) -> Recipe {
        let mut recipe = self.clone();
        match cause {
            Cause::ResponsePhrase => recipe.phrase = Phrase::Response,
            Cause::ExpandedPhrase => recipe.phrase = Phrase::Expanded,
            Cause::BlankAtPhrase => recipe.phrase = Phrase::Blank,
            Cause::NoPhrase => recipe.wrap = Wrap::None,
            Cause::PhraseOnlyBefore => recipe.wrap = Wrap::Before,
            Cause::PhraseOnlyAfter => recipe.wrap = Wrap::After,
            Cause::ShaType(sha) => recipe.sha = *sha,
            Cause::MessageOrder => recipe.order = Order::Message,
            Cause::CultureOrder => recipe.order = Order::Culture,
            Cause::CaseInsensitiveOrder => recipe.order = Order::CaseInsensitive,
            Cause::DescendingOrder => recipe.order = Order::Descending,
            Cause::EmptyLeftOut => recipe.empties = Empties::Out,
            Cause::NullLeftOut => recipe.empties = Empties::NullOut,
            Cause::NullWord(word) => recipe.null = word,
            Cause::Trimmed => recipe.blanks = Blanks::Trimmed,
            Cause::NumbersAsWritten => recipe.numbers = Numbers::AsWritten,
            Cause::Amount { hashed, .. } => recipe.amount = Some(hashed.clone()),
            Cause::Latin1 => recipe.encoding = Encoding::Latin1,
            Cause::PercentEncoded => recipe.encoding = Encoding::Percent,
            Cause::FormEncoded => recipe.encoding = Encoding::Form,
            Cause::PlusForBlank => recipe.encoding = Encoding::PlusForBlank,
            Cause::PercentDecoded => recipe.encoding = Encoding::PercentDecoded,
            Cause::HtmlEscaped(apostrophe) => recipe.encoding = Encoding::Html(apostrophe),
            Cause::HtmlUnescaped => recipe.encoding = Encoding::HtmlUnescaped,
            Cause::Separator(separator) => recipe.separator = separator,
            Cause::NestedAsJson => recipe.nested = Nested::Json,
            Cause::LeftOut(names) => recipe.left_out.extend(names.iter().cloned()),
            Cause::CardFieldsLeftOut => recipe.left_out.extend(CARD_FIELDS.map(str::to_owned)),
            Cause::SignatureIncluded => recipe.included.push(SIGNATURE.to_owned()),
            Cause::ExcludedIncluded => recipe.left_out.retain(|name| name == SIGNATURE),
            Cause::LowerCase(name) => recipe.case = Some((name.clone(), LetterCase::Lower)),
            Cause::UpperCase(name) => recipe.case = Some((name.clone(), LetterCase::Upper)),
        }
        recipe
    }

    /// What is hashed without the phrases.
    pub(super) fn body(&self, message: &Message) -> Zeroizing<Vec<u8>> {
        let pieces = self.pieces(message);
        let text_bytes: usize = pieces.iter().map(|piece| piece.name.len() + piece.value.len() + 4).sum();
        let mut text = Zeroizing::new(String::with_capacity(text_bytes));
        for (place, piece) in pieces.iter().enumerate() {
            text.push_str(if place > 0 { self.separator } else { "" });
            text.push_str(piece.name);
            text.push('=');
            text.push_str(&piece.value);
        }
        match self.encoding {
            Encoding::Latin1 => Zeroizing::new(latin1(&text)),
            _ => Zeroizing::new(std::mem::take(&mut *text).into_bytes()),
        }
    }

    /// Whether `body` hashed this way, with any of the phrases, gives `sent`.
    pub(super) fn gives(&self, body: &[u8], credential: &Credential, sent: &Digest) -> bool {
        digest_bytes(self.sha) == sent.bytes().len()
            && self.phrases(credential).iter().any(|phrase| {
                let mut joined = Zeroizing::new(Vec::with_capacity(body.len() + 2 * phrase.len()));
                if matches!(self.wrap, Wrap::Both | Wrap::Before) {
                    joined.extend_from_slice(phrase.as_bytes());
                }
                joined.extend_from_slice(body);
                if matches!(self.wrap, Wrap::Both | Wrap::After) {
                    joined.extend_from_slice(phrase.as_bytes());
                }
                let ours = digest_of(self.sha, phrase, &joined);
                constant_time::verify_slices_are_equal(ours.bytes(), sent.bytes()).is_ok()
            })
    }

    /// The whole text for a person: phrases named, card data masked.
    pub(super) fn shown(&self, message: &Message) -> String {
        let label = match self.phrase {
            Phrase::Request => "<request phrase>",
            Phrase::Response => "<response phrase>",
            Phrase::Expanded => "<request phrase without its $words>",
            Phrase::Blank => "<request phrase with other blanks>",
        };
        let pieces = self.pieces(message).iter().map(|piece| piece.shown(message)).collect::<Vec<_>>();
        let before = if matches!(self.wrap, Wrap::Both | Wrap::Before) { label } else { "" };
        let after = if matches!(self.wrap, Wrap::Both | Wrap::After) { label } else { "" };
        format!("{before}{}{after}", pieces.join(self.separator))
    }

    /// Where the texts of the two begin to differ.
    pub(super) fn difference(&self, other: &Recipe, message: &Message) -> Option<Difference> {
        let (ours, theirs) = (self.characters(message), other.characters(message));
        let place = ours.iter().zip(theirs.iter()).position(|(a, b)| a.character != b.character);
        let place = place.unwrap_or(ours.len().min(theirs.len()));
        let parameter = |all: &[Character<'_>], place: usize| all.get(place).map(|at| at.parameter.to_owned());
        let (at_ours, at_theirs) = (parameter(&ours, place), parameter(&theirs, place));
        // Where one value is longer than the other, the difference is that value's, not that of the
        // parameter which follows in the other text.
        let before = place.checked_sub(1).and_then(|before| parameter(&ours, before));
        let goes_on = before.filter(|before| Some(before) == at_ours.as_ref() || Some(before) == at_theirs.as_ref());
        let parameter = goes_on.or(at_ours).or(at_theirs)?;
        Some(Difference { character: place + 1, parameter: mask_card_numbers(&parameter).into_owned() })
    }

    fn characters<'a>(&self, message: &'a Message) -> Vec<Character<'a>> {
        let mut characters = Vec::new();
        for (place, piece) in self.pieces(message).iter().enumerate() {
            let separator = if place > 0 { self.separator } else { "" };
            let all = separator.chars().chain(piece.name.chars()).chain(['=']).chain(piece.value.chars());
            // A character beyond ASCII is another byte in ISO-8859-1, and so another character here.
            let is_latin1 = matches!(self.encoding, Encoding::Latin1);
            let told = all.map(|c| if is_latin1 && !c.is_ascii() { '\u{fffd}' } else { c });
            characters.extend(told.map(|character| Character { character, parameter: piece.name }));
        }
        characters
    }

    fn pieces<'a>(&self, message: &'a Message) -> Vec<Piece<'a>> {
        let mut params: Vec<(&str, Value<'_>)> = match self.order {
            Order::Message => message.params().collect(),
            _ => message.sorted().collect(),
        };
        match self.order {
            Order::Bytes | Order::Message => {}
            Order::Culture => params.sort_by(|a, b| culture(a.0, b.0)),
            Order::CaseInsensitive => params.sort_by_key(|param| param.0.to_ascii_lowercase()),
            Order::Descending => params.reverse(),
        }
        params.into_iter().filter_map(|(name, value)| self.piece(name, value)).collect()
    }

    fn piece<'a>(&self, name: &'a str, value: Value<'_>) -> Option<Piece<'a>> {
        if self.included.iter().any(|included| included == name) {
            return Some(Piece { name, value: Zeroizing::new(String::new()), is_nested: false });
        }
        let value = match (value, self.blanks) {
            (Value::Text(text), Blanks::Trimmed) => Value::Text(text.trim()),
            (value, _) => value,
        };
        let empty = match self.empties {
            Empties::In => false,
            Empties::Out => !value.is_sent(),
            Empties::NullOut => matches!(value, Value::Null),
        };
        if empty || self.left_out.iter().any(|left_out| left_out == name) {
            return None;
        }
        let mut text = Zeroizing::new(String::new());
        match (value, &self.amount, self.nested) {
            (_, Some(amount), _) if name == "amount" => text.push_str(amount),
            (Value::Null, ..) => text.push_str(self.null),
            (Value::List(_) | Value::Object(_), _, Nested::Json) => value.write_json(&mut text),
            _ => push_value(&mut text, value, self.numbers),
        }
        if let Some((cased, case)) = &self.case
            && cased == name
        {
            *text = match case {
                LetterCase::Lower => text.to_lowercase(),
                LetterCase::Upper => text.to_uppercase(),
            };
        }
        if let Some(encoded) = self.encoding.apply(&text) {
            text = Zeroizing::new(encoded);
        }
        Some(Piece { name, value: text, is_nested: value.scalar().is_none() })
    }

    fn phrases(&self, credential: &Credential) -> Vec<Zeroizing<String>> {
        let request = || credential.request_phrases.iter().map(|phrase| phrase.reveal());
        let phrases: Vec<String> = match self.phrase {
            Phrase::Request => request().map(str::to_owned).collect(),
            Phrase::Response => vec![credential.response_phrase.reveal().to_owned()],
            Phrase::Expanded => request().map(expanded).collect(),
            Phrase::Blank => request()
                .flat_map(|phrase| {
                    let trimmed = phrase.trim();
                    [
                        trimmed.to_owned(),
                        format!("{trimmed} "),
                        format!(" {trimmed}"),
                        format!("{trimmed}\n"),
                        format!("{trimmed}\r\n"),
                    ]
                })
                .collect(),
        };
        phrases.into_iter().map(Zeroizing::new).collect()
    }
}

struct Character<'a> {
    character: char,
    parameter: &'a str,
}

impl Piece<'_> {
    fn shown(&self, message: &Message) -> String {
        let value = match message.value(self.name) {
            _ if is_kept_back(self.name) => Cow::Borrowed("***"),
            _ if self.name == "card_number" && !self.value.is_empty() => Cow::Owned(mask(self.value.trim())),
            Some(value) if self.is_nested => Cow::Owned(safe_text(value)),
            _ => mask_card_numbers(&self.value),
        };
        format!("{}={value}", mask_card_numbers(self.name))
    }
}

impl Encoding {
    /// The value in this encoding; `None` when it stays as it is.
    fn apply(self, text: &str) -> Option<String> {
        match self {
            Encoding::Utf8 | Encoding::Latin1 => None,
            Encoding::Percent => Some(form_encoded(text).replace('+', "%20")),
            Encoding::Form => Some(form_encoded(text)),
            Encoding::PlusForBlank => Some(text.replace(' ', "+")),
            Encoding::PercentDecoded => {
                let decoded = form_urlencoded::parse(text.replace('&', "%26").as_bytes())
                    .map(|(name, value)| {
                        if value.is_empty() && !text.contains('=') {
                            name.into_owned()
                        } else {
                            format!("{name}={value}")
                        }
                    })
                    .collect();
                Some(decoded)
            }
            Encoding::Html(apostrophe) => Some(
                text.replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
                    .replace('"', "&quot;")
                    .replace('\'', apostrophe),
            ),
            Encoding::HtmlUnescaped => Some(
                text.replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"")
                    .replace("&#39;", "'")
                    .replace("&#039;", "'")
                    .replace("&amp;", "&"),
            ),
        }
    }
}

fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What is left of a phrase in double quotes: `$` and the word after it are gone.
fn expanded(phrase: &str) -> String {
    let mut out = String::with_capacity(phrase.len());
    let mut rest = phrase;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match after.chars().next() {
            Some(first) if first.is_ascii_alphabetic() || first == '_' => rest = after.trim_start_matches(is_word),
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// ISO-8859-1, with a question mark for what it cannot write.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use super::expanded;

    #[test]
    fn double_quotes_eat_words_after_a_dollar() {
        assert_eq!(expanded("TGreq$2y$10$k9"), "TGreq$2y$10");
        assert_eq!(expanded("a$b_1-$c$"), "a-$");
        assert_eq!(expanded("plain"), "plain");
    }
}
