//! The operator's table of where cards were issued: a CSV file with the columns `low`, `high` and `country`.

use anyhow::{Context, bail};
use std::io::Read;
use std::path::Path;
use tollgate_core::issuer_country::{IssuerCountries, IssuerCountriesBuilder};

/// How large a table may be, in bytes. The ranges of all payment systems together are smaller.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The table of the sandbox: its own cards, in countries that were chosen for them.
const SANDBOX: &str = include_str!("sandbox/issuer_countries.csv");

/// Reads the table in `file`.
///
/// # Errors
/// When it cannot be read, or a row is none; the row's line is named.
pub fn read(file: &Path) -> anyhow::Result<IssuerCountries> {
    let opened = std::fs::File::open(file)
        .with_context(|| format!("three_ds.issuer_countries: {} cannot be opened", file.display()))?;
    if opened.metadata()?.len() > FILE_BYTES_MAX {
        bail!("three_ds.issuer_countries: {} is larger than {FILE_BYTES_MAX} bytes", file.display());
    }
    table(opened).with_context(|| format!("three_ds.issuer_countries: {}", file.display()))
}

/// The table of the sandbox's cards.
///
/// # Errors
/// Never, as a test shows.
pub fn sandbox() -> anyhow::Result<IssuerCountries> {
    table(SANDBOX.as_bytes()).context("the sandbox's table of issuers")
}

fn table(from: impl Read) -> anyhow::Result<IssuerCountries> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(from);
    let header = reader.headers()?.clone();
    if !header.iter().eq(["low", "high", "country"]) {
        bail!("the first line has to be low,high,country");
    }
    let mut builder = IssuerCountriesBuilder::default();
    for row in reader.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |at| row.get(at).unwrap_or_default();
        // The values are not repeated: somebody may have put card numbers there.
        builder.add(cell(0), cell(1), cell(2)).map_err(|fault| anyhow::anyhow!("line {line}: {fault}"))?;
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::bin::Brand;
    use tollgate_core::issuer_country::Country;

    #[test]
    fn the_sandboxs_cards_have_countries() {
        let table = sandbox().unwrap();
        let of = |brand, mask| table.of(brand, mask).map(|country| country.to_string());
        assert_eq!(of(Brand::Visa, "400555******0001").as_deref(), Some("AE"));
        assert_eq!(of(Brand::Mastercard, "512345******0008").as_deref(), Some("SA"));
        assert_eq!(of(Brand::Amex, "345678*****0007").as_deref(), Some("US"));
    }

    #[test]
    fn a_row_that_is_none_is_told_by_its_line_and_not_by_its_values() {
        let error = table("low,high,country\n400555,,AE\n4111111111111111,41,AE\n".as_bytes()).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("line 3") && text.contains("leading digits") && !text.contains("4111"), "{text}");
        let error = table("bin,country\n400555,AE\n".as_bytes()).unwrap_err();
        assert!(format!("{error:#}").contains("low,high,country"));
    }

    #[test]
    fn blanks_comments_and_quotes_are_taken() {
        let read = table("low, high, country\n# theirs\n\"400555\", 400556 , AE\n".as_bytes()).unwrap();
        assert_eq!(read.of(Brand::Visa, "400556******0001"), Country::parse("AE"));
        assert_eq!(read.len(), 2);
    }
}
