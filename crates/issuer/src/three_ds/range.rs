//! The card ranges of the directory: who is enrolled, by which version, and with a 3DS method or without.

use serde::Deserialize;
use thiserror::Error;
use tollgate_core::card::{Pan, RevealPermit};
use tollgate_threeds::element::ProtocolVersion;

/// The table compiled into the crate.
const BUILTIN: &str = include_str!("../../data/card_ranges.toml");
/// The most ranges of a table, one for each length.
const RANGES_MAX: usize = 1_000;

/// A range of card numbers of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The lowest number.
    pub(crate) first: String,
    /// The highest number.
    pub(crate) last: String,
    /// The lowest version of the protocol.
    pub(crate) version_min: ProtocolVersion,
    /// The highest one.
    pub(crate) version_max: ProtocolVersion,
    /// Whether the ACS has a 3DS method for it.
    pub(crate) method: Method,
}

/// Whether there is a 3DS method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// There is.
    Yes,
    /// There is none.
    No,
}

/// What is wrong with a table of card ranges. The guilty one is who wrote it.
#[derive(Debug, Error)]
pub enum CardRangesError {
    /// Not the TOML that is expected.
    #[error("the table of card ranges cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// A row that makes no sense. Rows count from 1.
    #[error("card range {row}: {problem}")]
    Row {
        /// Which one.
        row: usize,
        /// What is wrong and what to do.
        problem: &'static str,
    },
}

/// All ranges, in the order of the table.
#[derive(Clone, Debug)]
pub(crate) struct CardRanges(Vec<Range>);

impl CardRanges {
    /// The table of this crate.
    pub(crate) fn builtin() -> Result<CardRanges, CardRangesError> {
        CardRanges::from_toml(BUILTIN)
    }

    fn from_toml(text: &str) -> Result<CardRanges, CardRangesError> {
        let file: TableFile = toml::from_str(text)?;
        let mut ranges: Vec<Range> = Vec::new();
        for (index, row) in file.range.into_iter().enumerate() {
            let wrong = |problem| CardRangesError::Row { row: index + 1, problem };
            for range in row.read().map_err(wrong)? {
                if ranges.iter().any(|other| other.overlaps(&range)) {
                    return Err(wrong("overlaps with one before it"));
                }
                if ranges.len() >= RANGES_MAX {
                    return Err(wrong("there are 1000 already"));
                }
                ranges.push(range);
            }
        }
        Ok(CardRanges(ranges))
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Range] {
        &self.0
    }

    /// The range of a card; `None` when it is not enrolled.
    pub(crate) fn of(&self, pan: &Pan) -> Option<&Range> {
        let digits = pan.reveal(&RevealPermit::granted("to find the card's range in the directory"));
        self.0.iter().find(|range| {
            range.first.len() == digits.len() && (range.first.as_str()..=range.last.as_str()).contains(&digits)
        })
    }
}

impl Range {
    /// Whether the ACS speaks a version for it.
    pub(crate) fn speaks(&self, version: ProtocolVersion) -> bool {
        (self.version_min..=self.version_max).contains(&version)
    }

    fn overlaps(&self, other: &Range) -> bool {
        self.first.len() == other.first.len() && self.first <= other.last && other.first <= self.last
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    range: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    first: String,
    last: String,
    digits: Vec<usize>,
    versions: [ProtocolVersion; 2],
    method: Method,
}

impl Row {
    fn read(self) -> Result<Vec<Range>, &'static str> {
        let [version_min, version_max] = self.versions;
        if version_min > version_max {
            return Err("the lowest version comes first");
        }
        let mut ranges = Vec::new();
        for digits in self.digits {
            let fits =
                |lead: &str| !lead.is_empty() && lead.len() <= digits && lead.bytes().all(|byte| byte.is_ascii_digit());
            if !(13..=19).contains(&digits) || !fits(&self.first) || !fits(&self.last) {
                return Err("a card number has 13 to 19 digits, and first and last are leading digits of one");
            }
            let range = Range {
                first: format!("{:0<digits$}", self.first),
                last: format!("{:9<digits$}", self.last),
                version_min,
                version_max,
                method: self.method,
            };
            if range.first > range.last {
                return Err("first is the lower one");
            }
            ranges.push(range);
        }
        Ok(ranges)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::behaviours::Behaviours;
    use crate::three_ds::ThreeDsBehaviour;

    #[test]
    fn the_cards_with_a_behaviour_in_3ds_are_enrolled_and_no_others() {
        let ranges = CardRanges::builtin().unwrap();
        let table = Behaviours::builtin().unwrap();
        for card in table.cards() {
            let is_enrolled = ranges.of(card.pan()).is_some();
            assert_eq!(is_enrolled, card.three_ds != ThreeDsBehaviour::NotEnrolled, "{card:?}");
        }
        for card in table.amount_cards() {
            assert!(ranges.of(card.pan()).is_none(), "{card:?}");
        }
    }

    #[test]
    fn there_is_a_range_of_each_kind_with_a_card_in_it() {
        let ranges = CardRanges::builtin().unwrap();
        let of = |number: &str| ranges.of(&Pan::parse(number).unwrap()).cloned();
        assert_eq!(of("4557012345678902").map(|range| range.method), Some(Method::Yes));
        assert_eq!(of("4005550000000001"), None, "a published card that is approved without");
        assert_eq!(of("4005559210001006").map(|range| range.method), Some(Method::No));
        let old = of("4005559220001004").unwrap();
        assert!(old.speaks(ProtocolVersion::V210) && !old.speaks(ProtocolVersion::V220));
        assert_eq!(of("4005559230001002"), None);
        assert_eq!(of("374200000000004").map(|range| range.first.len()), Some(15), "lengths do not mix");
    }

    #[test]
    fn a_wrong_row_is_named_with_what_to_do() {
        let row = "[[range]]\nfirst = \"41\"\nlast = \"42\"\ndigits = [16]\nversions = [\"2.1.0\", \"2.2.0\"]\nmethod = \"no\"\n";
        assert!(CardRanges::from_toml(row).is_ok());
        for (text, expected) in [
            (row.repeat(2), "card range 2: overlaps"),
            (row.replace("41", "43"), "card range 1: first is the lower"),
            (row.replace("41", "4x"), "card range 1: a card number"),
            (row.replace("16", "12"), "card range 1: a card number"),
            (row.replace("\"2.1.0\", \"2.2.0\"", "\"2.2.0\", \"2.1.0\""), "card range 1: the lowest version"),
            (row.replace("\"no\"", "\"maybe\""), "cannot be read"),
        ] {
            let error = CardRanges::from_toml(&text).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
