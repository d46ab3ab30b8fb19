//! Why a signature differs: the search for what the sender hashed.
//!
//! The right signature is known to us, so that likely mistakes can be tried out one by one and in
//! pairs until one of them gives the signature that came. What is shown holds neither phrases, nor
//! card numbers, nor security codes, nor the right signature.

mod recipe;
mod search;

use crate::message::{Message, Value};
use crate::signature::{Rule, SIGNATURE, Verification, digest_bytes, sent_digest, verify};
use recipe::Recipe;
use std::fmt;
use tollgate_core::merchant::{Credential, ShaType};

/// What was found out about a signature. `Display` writes it for a person, in several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The result.
    pub finding: Finding,
    /// What we hashed: phrases named, card data masked.
    pub ours: String,
    /// What the sender hashed, when it was found out.
    pub theirs: Option<String>,
    /// Where the two begin to differ; `None` when only the phrase or the digest is another.
    pub difference: Option<Difference>,
    /// The digest of the account.
    pub sha: ShaType,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The signature is right; the sender renders parameters by this rule.
    Matches(Rule),
    /// `signature` was not sent, or sent empty.
    NoSignature,
    /// `signature` is no hex text of 40, 64 or 128 digits.
    NoDigest {
        /// How many characters it has.
        characters: usize,
    },
    /// These mistakes together give the signature that came.
    Found(Vec<Cause>),
    /// No mistake or pair of mistakes that is known here gives it; hints, the likeliest first.
    NotFound(Vec<String>),
}

/// A place in the hashed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The character, counted from 1 after the leading phrase.
    pub character: usize,
    /// The parameter it belongs to.
    pub parameter: String,
}

/// A mistake of the sender. `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The response phrase was taken for the request phrase.
    ResponsePhrase,
    /// A shell or PHP string in double quotes has replaced `$word` in the phrase by nothing.
    ExpandedPhrase,
    /// A blank or line break stands before or after the phrase in the client, or in the account.
    BlankAtPhrase,
    /// The phrase was left out.
    NoPhrase,
    /// The phrase was put before the parameters only.
    PhraseOnlyBefore,
    /// The phrase was put after the parameters only.
    PhraseOnlyAfter,
    /// Another digest.
    ShaType(ShaType),
    /// Parameters were not sorted.
    MessageOrder,
    /// Sorted by culture: underscore before digits.
    CultureOrder,
    /// Sorted without regard to case.
    CaseInsensitiveOrder,
    /// Sorted downwards.
    DescendingOrder,
    /// Empty and null parameters were left out.
    EmptyLeftOut,
    /// Null parameters were left out.
    NullLeftOut,
    /// Null was hashed as a word.
    NullWord(&'static str),
    /// Blanks around values were trimmed.
    Trimmed,
    /// Numbers were hashed as the JSON writes them.
    NumbersAsWritten,
    /// `amount` was hashed in another form.
    Amount {
        /// As sent.
        sent: String,
        /// As hashed.
        hashed: String,
    },
    /// Values were hashed as ISO-8859-1 bytes.
    Latin1,
    /// Values were percent-encoded before hashing, blanks as `%20`.
    PercentEncoded,
    /// Values were percent-encoded before hashing, blanks as `+`.
    FormEncoded,
    /// Blanks were hashed as `+`.
    PlusForBlank,
    /// Values were percent-encoded after hashing.
    PercentDecoded,
    /// Values were HTML-escaped before hashing, an apostrophe as this.
    HtmlEscaped(&'static str),
    /// Values were HTML-escaped after hashing.
    HtmlUnescaped,
    /// Pairs were joined with a separator.
    Separator(&'static str),
    /// Lists and objects were hashed as JSON.
    NestedAsJson,
    /// These parameters were not hashed, or were added after signing.
    LeftOut(Vec<String>),
    /// The five card fields were not hashed, as is right for tokenization forms only.
    CardFieldsLeftOut,
    /// `signature=` was hashed too.
    SignatureIncluded,
    /// Parameters that this service leaves out of the signature were hashed.
    ExcludedIncluded,
    /// A value was hashed in lower case.
    LowerCase(String),
    /// A value was hashed in upper case.
    UpperCase(String),
}

/// Finds out why the signature of `message` (with `exclude` left out) does not fit `credential`.
///
/// The work is bounded by the bytes that are hashed; it is still some ten thousand times that of a
/// verification: offer it to people, never run it for every bad request.
#[must_use]
pub fn explain(message: &Message, exclude: &[&str], credential: &Credential) -> Explanation {
    let base = Recipe::right(exclude, credential);
    let mut explanation = Explanation {
        finding: Finding::NoSignature,
        ours: base.shown(message),
        theirs: None,
        difference: None,
        sha: credential.sha_type,
    };
    if let Verification::Match { rule, .. } = verify(message, exclude, &credential.request_phrases, credential.sha_type)
    {
        explanation.finding = Finding::Matches(rule);
        return explanation;
    }
    let Some(sent) = message.value(SIGNATURE).filter(|value| value.is_sent()) else {
        return explanation;
    };
    let Some(digest) = sent_digest(message) else {
        let characters = match sent {
            Value::Text(text) => text.chars().count(),
            _ => 0,
        };
        explanation.finding = Finding::NoDigest { characters };
        return explanation;
    };
    match search::search(message, &base, credential, digest) {
        Some(found) => {
            explanation.theirs = Some(found.recipe.shown(message));
            explanation.difference = base.difference(&found.recipe, message);
            explanation.finding = Finding::Found(found.causes);
        }
        None => explanation.finding = Finding::NotFound(hints(message, credential.sha_type, digest.bytes().len())),
    }
    explanation
}

/// What to look at when nothing was found, the likeliest first.
fn hints(message: &Message, sha: ShaType, sent_bytes: usize) -> Vec<String> {
    let mut hints = Vec::new();
    if sent_bytes != digest_bytes(sha) {
        hints.push(format!(
            "The signature has {} hex digits, but the account's {} gives {}: set the client to {}.",
            sent_bytes * 2,
            sha.name(),
            digest_bytes(sha) * 2,
            sha.name(),
        ));
    }
    hints.push(
        "The request phrase of the client is probably not that of this access code: compare the two character by \
         character, and look for quotes, blanks at the ends and a `$` that the client's language replaces."
            .to_owned(),
    );
    hints.push("A value was changed, or a parameter added or removed, between signing and sending.".to_owned());
    if message.params().any(|(_, value)| matches!(value, Value::List(_) | Value::Object(_))) {
        hints.push(
            "A list is hashed as `[a, b]` and an object as `{k=v, k=v}` in the order of the message, with a blank \
             after each comma."
                .to_owned(),
        );
    }
    if message.params().any(|(_, value)| matches!(value, Value::Text(text) if !text.is_ascii())) {
        hints.push("Values beyond ASCII are hashed as UTF-8, in exactly the composition that is sent.".to_owned());
    }
    hints
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Finding::Matches(rule) => writeln!(f, "The signature is right ({}).", rule.words())?,
            Finding::NoSignature => writeln!(f, "The message has no signature.")?,
            Finding::NoDigest { characters } => {
                let digits = digest_bytes(self.sha) * 2;
                writeln!(
                    f,
                    "The signature is no digest: {characters} characters, where {} has {digits} hex digits.",
                    self.sha.name()
                )?;
            }
            Finding::Found(causes) => {
                writeln!(f, "The signature does not match, and this is why:")?;
                for cause in causes {
                    writeln!(f, "  - {cause}")?;
                }
            }
            Finding::NotFound(hints) => {
                writeln!(f, "The signature does not match, and no known mistake gives it. Look at this first:")?;
                for hint in hints {
                    writeln!(f, "  - {hint}")?;
                }
            }
        }
        writeln!(f, "We hash ({}):", self.sha.name())?;
        writeln!(f, "  {}", self.ours)?;
        if let Some(theirs) = &self.theirs {
            writeln!(f, "The sender hashed:\n  {theirs}")?;
        }
        match &self.difference {
            Some(Difference { character, parameter }) => {
                writeln!(f, "First difference: character {character} after the leading phrase, in `{parameter}`.")
            }
            None if self.theirs.is_some() => writeln!(f, "The parameters are hashed alike."),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Cause::ResponsePhrase => "The response phrase was used: requests are signed with the request phrase.",
            Cause::ExpandedPhrase => {
                "The phrase has lost what begins with `$`: write it in single quotes, so that neither shell nor PHP \
                 replaces it."
            }
            Cause::BlankAtPhrase => "A blank or a line break at one end of the phrase was hashed or lost.",
            Cause::NoPhrase => "The phrase was left out: it stands before and after the parameters.",
            Cause::PhraseOnlyBefore => "The phrase stands only before the parameters: it belongs after them as well.",
            Cause::PhraseOnlyAfter => "The phrase stands only after the parameters: it belongs before them as well.",
            Cause::MessageOrder => "The parameters were not sorted: sort them by the bytes of their names.",
            Cause::CultureOrder => "The parameters were sorted by culture: sort by bytes, digits before underscore.",
            Cause::CaseInsensitiveOrder => "The parameters were sorted without regard to case: sort by bytes.",
            Cause::DescendingOrder => "The parameters were sorted downwards: sort upwards by the bytes of their names.",
            Cause::EmptyLeftOut => "Empty parameters were left out (that alone would be accepted).",
            Cause::NullLeftOut => "Null parameters were left out (that alone would be accepted).",
            Cause::Trimmed => "Blanks around values were trimmed (that alone would be accepted).",
            Cause::NumbersAsWritten => "Numbers were hashed as the JSON writes them (that alone would be accepted).",
            Cause::Latin1 => "The text was hashed as ISO-8859-1 bytes: hash UTF-8.",
            Cause::PercentEncoded => "Values were percent-encoded before hashing: hash them as they are.",
            Cause::FormEncoded => "Values were form-encoded before hashing: hash them as they are.",
            Cause::PlusForBlank => "Blanks were hashed as `+`: hash values as they are.",
            Cause::PercentDecoded => "Values were percent-encoded after hashing: send what was hashed.",
            Cause::HtmlEscaped(_) => "Values were HTML-escaped before hashing: hash what is sent.",
            Cause::HtmlUnescaped => "Values were HTML-escaped after hashing: send what was hashed.",
            Cause::NestedAsJson => "Lists and objects were hashed as JSON: write `[a, b]` and `{k=v, k=v}`.",
            Cause::CardFieldsLeftOut => {
                "The card fields were not hashed: only tokenization forms leave them out, here they are signed."
            }
            Cause::SignatureIncluded => "An empty `signature` was hashed too: leave it out.",
            Cause::ExcludedIncluded => "Card fields were hashed: in this form they stay out of the signature.",
            Cause::ShaType(sha) => return write!(f, "The digest is {}: the account has another one.", sha.name()),
            Cause::NullWord(word) => return write!(f, "Null was hashed as `{word}`: it is the empty text."),
            Cause::Amount { sent, hashed } => {
                return write!(f, "amount was hashed as {hashed}, but sent as {sent}: hash what is sent.");
            }
            Cause::Separator(separator) => {
                let shown = separator.replace('\n', "\\n");
                return write!(f, "Pairs were joined with `{shown}`: nothing stands between them.");
            }
            Cause::LeftOut(names) => {
                return write!(f, "Not hashed, or added after signing: {}.", names.join(", "));
            }
            Cause::LowerCase(name) => return write!(f, "{name} was hashed in lower case, but not sent so."),
            Cause::UpperCase(name) => return write!(f, "{name} was hashed in upper case, but not sent so."),
        };
        f.write_str(sentence)
    }
}
