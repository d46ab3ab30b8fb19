//! In which country a card was issued, by the leading digits of its number.
//!
//! The gateway knows no such table by itself: payment systems give it to their members. What is kept of a card with its
//! order is the mask, so the first six digits decide. Six digits under which cards of several countries lie count
//! as no country: who asks has to take the careful way then.

use crate::bin::Brand;
use std::collections::BTreeMap;
use std::fmt;

/// How many leading digits decide: those that a mask shows.
const LEAD_DIGITS: usize = 6;
/// The most digits of a row's limits: a card number has no more.
const ROW_DIGITS_MAX: usize = 19;

/// A country: two capitals (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    const SAUDI_ARABIA: Country = Country(*b"SA");
    const EGYPT: Country = Country(*b"EG");

    /// Reads two capitals.
    #[must_use]
    pub fn parse(text: &str) -> Option<Country> {
        match *text.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Some(Country([a, b])),
            _ => None,
        }
    }

    /// The two capitals.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Capitals, as `parse` lets nothing else in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Country {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Country {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Country, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Country::parse(&text).ok_or_else(|| serde::de::Error::custom("a country is two capitals (ISO 3166), like AE"))
    }
}

/// What is known of where cards were issued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerCountries {
    /// By the first six digits, sorted; none where there are several.
    leads: Vec<(u32, Option<Country>)>,
}

/// Why a row is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// A limit that is not 6 to 19 digits.
    Limit,
    /// The upper limit is below the lower one.
    UpsideDown,
    /// No country.
    Country,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RowFault::Limit => "low and high are 6 to 19 leading digits of card numbers (high may be empty)",
            RowFault::UpsideDown => "high is below low",
            RowFault::Country => "country is two capitals (ISO 3166), like AE",
        })
    }
}

/// Collects the rows of a table.
#[derive(Debug, Default)]
pub struct IssuerCountriesBuilder {
    leads: BTreeMap<u32, Option<Country>>,
}

impl IssuerCountriesBuilder {
    /// Adds a range: the leading digits of its lowest and of its highest number (empty: the same), and its country.
    ///
    /// # Errors
    /// When it is none.
    pub fn add(&mut self, low: &str, high: &str, country: &str) -> Result<(), RowFault> {
        let country = Country::parse(country).ok_or(RowFault::Country)?;
        let low = lead(low).ok_or(RowFault::Limit)?;
        let high = if high.is_empty() { low } else { lead(high).ok_or(RowFault::Limit)? };
        if high < low {
            return Err(RowFault::UpsideDown);
        }
        for lead in low..=high {
            self.leads
                .entry(lead)
                .and_modify(|known| *known = known.filter(|known| *known == country))
                .or_insert(Some(country));
        }
        Ok(())
    }

    /// The table.
    #[must_use]
    pub fn build(self) -> IssuerCountries {
        IssuerCountries { leads: self.leads.into_iter().collect() }
    }
}

fn lead(digits: &str) -> Option<u32> {
    let fits = (LEAD_DIGITS..=ROW_DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { digits.get(..LEAD_DIGITS)?.parse().ok() } else { None }
}

impl IssuerCountries {
    /// Nothing is known.
    #[must_use]
    pub const fn none() -> IssuerCountries {
        IssuerCountries { leads: Vec::new() }
    }

    /// Where a card was issued; `None` when that is not known, or not certain. `mask` shows its first six digits. The
    /// national schemes need no table.
    #[must_use]
    pub fn of(&self, brand: Brand, mask: &str) -> Option<Country> {
        match brand {
            Brand::Mada => Some(Country::SAUDI_ARABIA),
            Brand::Meeza => Some(Country::EGYPT),
            Brand::Visa | Brand::Mastercard | Brand::Amex => {
                let lead: u32 = mask.get(..LEAD_DIGITS)?.parse().ok()?;
                let at = self.leads.binary_search_by_key(&lead, |(known, _)| *known).ok()?;
                self.leads.get(at)?.1
            }
        }
    }

    /// How many leads of six digits are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leads.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leads.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(rows: &[(&str, &str, &str)]) -> IssuerCountries {
        let mut builder = IssuerCountriesBuilder::default();
        for (low, high, country) in rows {
            builder.add(low, high, country).unwrap();
        }
        builder.build()
    }

    #[test]
    fn six_digits_decide_and_several_countries_are_none() {
        let table = table(&[
            ("400555", "", "AE"),
            ("40055600", "40055649", "AE"),
            ("40055650", "40055699", "QA"),
            ("51234500", "51234799", "SA"),
            ("400557", "400557", "KW"),
            ("400557", "", "KW"),
        ]);
        for (mask, country) in [
            ("400555******0001", Some("AE")),
            ("400556******0001", None),
            ("400557******0001", Some("KW")),
            ("512344******0001", None),
            ("512345******0001", Some("SA")),
            ("512347******0001", Some("SA")),
            ("512348******0001", None),
            ("", None),
            ("****", None),
        ] {
            let found = table.of(Brand::Visa, mask);
            assert_eq!(found.as_ref().map(Country::as_str), country, "{mask}");
        }
    }

    #[test]
    fn a_third_row_does_not_make_a_country_out_of_several() {
        let table = table(&[("400556", "", "AE"), ("400556", "", "QA"), ("400556", "", "AE")]);
        assert_eq!(table.of(Brand::Visa, "400556******0001"), None);
    }

    #[test]
    fn national_schemes_need_no_table() {
        let empty = IssuerCountries::default();
        assert_eq!(empty.of(Brand::Mada, "529741******5689"), Country::parse("SA"));
        assert_eq!(empty.of(Brand::Meeza, "507803******8566"), Country::parse("EG"));
        assert_eq!(empty.of(Brand::Visa, "400555******0001"), None);
    }

    #[test]
    fn rows_that_are_none_are_named() {
        let add = |low, high, country| IssuerCountriesBuilder::default().add(low, high, country);
        assert_eq!(add("40055", "", "AE"), Err(RowFault::Limit));
        assert_eq!(add("400555", "40055x", "AE"), Err(RowFault::Limit));
        assert_eq!(add("40055500000000000000", "", "AE"), Err(RowFault::Limit));
        assert_eq!(add("400555", "400554", "AE"), Err(RowFault::UpsideDown));
        assert_eq!(add("400555", "", "ae"), Err(RowFault::Country));
        assert_eq!(add("400555", "", "ARE"), Err(RowFault::Country));
    }
}
