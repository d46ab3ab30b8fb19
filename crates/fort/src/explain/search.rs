//! The search over mistakes: one at a time, then in pairs, within a bound of hashed bytes.

use super::Cause;
use super::recipe::{CARD_FIELDS, Recipe};
use crate::command::mask_card_numbers;
use crate::message::{Message, Value};
use crate::signature::{Digest, SIGNATURE, digest_bytes};
use std::borrow::Cow;
use tollgate_core::card::PAN_DIGITS_MIN;
use tollgate_core::merchant::{Credential, ShaType};
use tollgate_core::money::Currency;

/// The most bytes that are made into texts and hashed for one explanation.
const HASHED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Up to how many parameters every two of them are tried as left out together.
const LEFT_OUT_PARAMETERS_MAX: usize = 48;

/// What gives the signature that came.
pub(super) struct Found {
    pub(super) causes: Vec<Cause>,
    pub(super) recipe: Recipe,
}

/// Looks for one mistake, then for two of different kinds, that turn `base` into what was sent.
pub(super) fn search(message: &Message, base: &Recipe, credential: &Credential, sent: Digest) -> Option<Found> {
    let mut trial = Trial { message, credential, sent, hashed_bytes: 0 };
    let right = base.body(message);
    let mut telling: Vec<Cause> = Vec::new();
    let causes = causes(message, credential, &sent);
    for cause in causes {
        let recipe = base.with(&cause);
        let body = recipe.body(message);
        if *body == *right && !changes_hash(&cause) {
            trial.spend(&body)?;
            continue;
        }
        if trial.fits(&recipe, &body)? {
            return Some(Found { causes: vec![cause], recipe });
        }
        telling.push(cause);
    }
    for (place, first) in telling.iter().enumerate() {
        let once = base.with(first);
        for second in telling.iter().skip(place + 1).filter(|second| are_apart(first, second)) {
            let recipe = once.with(second);
            let body = recipe.body(message);
            if trial.fits(&recipe, &body)? {
                return Some(Found { causes: vec![first.clone(), second.clone()], recipe });
            }
        }
    }
    for names in pairs_left_out(message) {
        let cause = Cause::LeftOut(names);
        let recipe = base.with(&cause);
        let body = recipe.body(message);
        if trial.fits(&recipe, &body)? {
            return Some(Found { causes: vec![cause], recipe });
        }
    }
    None
}

struct Trial<'a> {
    message: &'a Message,
    credential: &'a Credential,
    sent: Digest,
    hashed_bytes: usize,
}

impl Trial<'_> {
    /// Whether it fits; `None` when the bound is reached.
    fn fits(&mut self, recipe: &Recipe, body: &[u8]) -> Option<bool> {
        self.spend(body)?;
        Some(recipe.gives(body, self.credential, &self.sent))
    }

    /// Counts the bytes of `body` and the work of its parameters; `None` when the bound is reached.
    fn spend(&mut self, body: &[u8]) -> Option<()> {
        self.hashed_bytes += body.len() + 64 * self.message.len().max(1);
        (self.hashed_bytes <= HASHED_BYTES_MAX).then_some(())
    }
}

/// Mistakes that change the phrase or the digest, not the text between the phrases.
fn changes_hash(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::ResponsePhrase
            | Cause::ExpandedPhrase
            | Cause::BlankAtPhrase
            | Cause::NoPhrase
            | Cause::PhraseOnlyBefore
            | Cause::PhraseOnlyAfter
            | Cause::ShaType(_)
    )
}

/// Whether two mistakes can be made together.
fn are_apart(first: &Cause, second: &Cause) -> bool {
    group(first) != group(second)
}

fn group(cause: &Cause) -> u8 {
    match cause {
        Cause::ResponsePhrase | Cause::ExpandedPhrase | Cause::BlankAtPhrase => 0,
        Cause::NoPhrase | Cause::PhraseOnlyBefore | Cause::PhraseOnlyAfter => 1,
        Cause::ShaType(_) => 2,
        Cause::MessageOrder | Cause::CultureOrder | Cause::CaseInsensitiveOrder | Cause::DescendingOrder => 3,
        Cause::EmptyLeftOut | Cause::NullLeftOut | Cause::NullWord(_) => 4,
        Cause::Trimmed => 5,
        Cause::NumbersAsWritten => 6,
        Cause::Amount { .. } => 7,
        Cause::Latin1
        | Cause::PercentEncoded
        | Cause::FormEncoded
        | Cause::PlusForBlank
        | Cause::PercentDecoded
        | Cause::HtmlEscaped(_)
        | Cause::HtmlUnescaped => 8,
        Cause::Separator(_) => 9,
        Cause::NestedAsJson => 10,
        Cause::LeftOut(_) | Cause::CardFieldsLeftOut | Cause::ExcludedIncluded => 11,
        Cause::SignatureIncluded => 12,
        Cause::LowerCase(_) | Cause::UpperCase(_) => 13,
    }
}

/// All single mistakes, the commoner ones first.
fn causes(message: &Message, credential: &Credential, sent: &Digest) -> Vec<Cause> {
    let digests = ShaType::ALL
        .into_iter()
        .filter(|sha| *sha != credential.sha_type && digest_bytes(*sha) == sent.bytes().len())
        .map(Cause::ShaType);
    let mut causes: Vec<Cause> = vec![Cause::ResponsePhrase];
    causes.extend(digests);
    causes.extend([Cause::CardFieldsLeftOut, Cause::ExcludedIncluded]);
    causes.extend(amounts(message));
    causes.extend([
        Cause::EmptyLeftOut,
        Cause::NullLeftOut,
        Cause::Trimmed,
        Cause::NumbersAsWritten,
        Cause::MessageOrder,
        Cause::CultureOrder,
        Cause::CaseInsensitiveOrder,
        Cause::DescendingOrder,
        Cause::HtmlEscaped("&#39;"),
        Cause::HtmlEscaped("&#039;"),
        Cause::HtmlEscaped("'"),
        Cause::HtmlUnescaped,
        Cause::FormEncoded,
        Cause::PercentEncoded,
        Cause::PercentDecoded,
        Cause::PlusForBlank,
        Cause::Latin1,
        Cause::NestedAsJson,
        Cause::NullWord("null"),
        Cause::NullWord("None"),
        Cause::NoPhrase,
        Cause::PhraseOnlyBefore,
        Cause::PhraseOnlyAfter,
        Cause::ExpandedPhrase,
        Cause::BlankAtPhrase,
        Cause::Separator("&"),
        Cause::Separator(","),
        Cause::Separator(", "),
        Cause::Separator("|"),
        Cause::Separator("\n"),
        Cause::SignatureIncluded,
    ]);
    causes.extend(signed_names(message).map(|name| Cause::LeftOut(vec![name.to_owned()])));
    causes.extend(
        signed_names(message)
            .filter(|name| is_word(message, name))
            .flat_map(|name| [Cause::LowerCase(name.to_owned()), Cause::UpperCase(name.to_owned())]),
    );
    causes
}

/// A text that letter case can change, and that is no secret of the card.
fn is_word(message: &Message, name: &str) -> bool {
    !CARD_FIELDS.contains(&name) && matches!(message.value(name), Some(Value::Text(text)) if text.len() <= 254)
}

/// The names that may be shown; one that holds a card number is not.
fn signed_names(message: &Message) -> impl Iterator<Item = &str> {
    let may_be_shown = |name: &&str| *name != SIGNATURE && matches!(mask_card_numbers(name), Cow::Borrowed(_));
    message.sorted().map(|(name, _)| name).filter(may_be_shown)
}

/// Every two parameters that belong together as left out.
fn pairs_left_out(message: &Message) -> Vec<Vec<String>> {
    let names: Vec<&str> = signed_names(message).collect();
    if names.len() > LEFT_OUT_PARAMETERS_MAX {
        return Vec::new();
    }
    let mut pairs = Vec::new();
    for (place, first) in names.iter().enumerate() {
        for second in names.iter().skip(place + 1) {
            pairs.push(vec![(*first).to_owned(), (*second).to_owned()]);
        }
    }
    pairs
}

/// The forms in which an amount may have been hashed: with decimals, in major units, in minor units.
fn amounts(message: &Message) -> Vec<Cause> {
    // Both forms are shown: a text as long as a card number is none of an amount.
    let Some(sent) = message.text("amount").filter(|text| text.len() < PAN_DIGITS_MIN) else {
        return Vec::new();
    };
    let exponent =
        message.text("currency").and_then(|alpha| Currency::from_alpha(&alpha)).map_or(2, Currency::exponent);
    let places = usize::from(exponent);
    let (whole, fraction) = sent.split_once('.').unwrap_or((&sent, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Vec::new();
    }
    let shortest = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let mut forms =
        vec![format!("{whole}.0"), format!("{whole}.00"), format!("{whole}.{fraction:0<2}"), whole.to_owned()];
    if places > 0 {
        forms.push(format!("{whole}.{fraction:0<places$}"));
        let padded = format!("{whole:0>width$}", width = places + 1);
        let (major, minor) = padded.split_at(padded.len() - places);
        let decimal = format!("{major}.{minor}");
        forms.extend([
            decimal.clone(),
            shortest(&decimal),
            format!("{major}.{minor:.1}"),
            format!("{major}.{minor:.2}"),
        ]);
        let in_minor = format!("{whole}{fraction:0<places$}");
        forms.push(in_minor.trim_start_matches('0').to_owned());
    }
    forms.sort_by_key(String::len);
    forms.dedup();
    forms
        .into_iter()
        .filter(|form| !form.is_empty() && *form != *sent)
        .map(|hashed| Cause::Amount { sent: sent.clone().into_owned(), hashed })
        .collect()
}
