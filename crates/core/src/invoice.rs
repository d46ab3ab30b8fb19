//! An invoice: what a payment link asks for, line by line.
//!
//! All of it is integer arithmetic in minor units. A line is rounded twice, each time half up: its gross (quantity times
//! price) and its tax. Sums are taken of what was rounded, so that what stands on the paper adds up.

use crate::money::{AMOUNT_MINOR_MAX, Amount, Currency};
use crate::shown::harmless;
use crate::time::Timestamp;
use std::fmt;

/// The most lines of an invoice.
pub const INVOICE_LINES_MAX: usize = 50;
/// The most characters of a line's description.
pub const DESCRIPTION_CHARS_MAX: usize = 120;
/// The largest quantity, in thousandths: 999,999.999.
pub const QUANTITY_MILLI_MAX: u64 = 999_999_999;
/// The highest rate of tax, in hundredths of a percent.
pub const TAX_RATE_MAX: u32 = 10_000;
/// The most characters of a seller's name, of its address and of its tax number.
pub const SELLER_CHARS_MAX: usize = 200;
/// What parts lines in a text of them,
pub const LINE_SEPARATOR: char = '|';
/// and the fields of one.
pub const FIELD_SEPARATOR: char = ';';

/// An invoice, as it was when its payment link was made; nothing of it changes afterwards.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Invoice {
    /// `invoice_number`.
    pub number: Option<String>,
    /// `due_date`.
    pub due: Option<DueDate>,
    /// Who sells.
    pub seller: Seller,
    /// What is sold; at least one.
    pub lines: Vec<InvoiceLine>,
}

/// An invoice as it is asked for; who sells the account says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceDraft {
    /// `invoice_number`.
    pub number: Option<String>,
    /// `due_date`.
    pub due: Option<DueDate>,
    /// `invoice_lines`.
    pub lines: Vec<InvoiceLine>,
}

impl InvoiceDraft {
    /// The invoice of this seller.
    #[must_use]
    pub fn of(&self, seller: &Seller) -> Invoice {
        Invoice { number: self.number.clone(), due: self.due, seller: seller.clone(), lines: self.lines.clone() }
    }
}

/// Who sells, as it stands on invoices. What is not set is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seller {
    /// The name; without it the shop's name on our pages stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The number at the tax office.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_number: Option<String>,
}

impl Seller {
    /// Whether `text` may stand there: 1 to [`SELLER_CHARS_MAX`] characters that are neither control characters nor marks that
    /// turn the reading direction.
    #[must_use]
    pub fn takes(text: &str) -> bool {
        !text.trim().is_empty() && text.chars().count() <= SELLER_CHARS_MAX && harmless(text) == text
    }
}

/// The day until which an invoice is to be paid. Nothing happens on it: the link's own end counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DueDate(Timestamp);

impl DueDate {
    /// Reads `YYYY-MM-DD`, a day of the calendar from 2000 to 2999.
    #[must_use]
    pub fn parse(text: &str) -> Option<DueDate> {
        let day = Timestamp::parse_date(text)?;
        (2_000..3_000).contains(&day.utc().year).then_some(DueDate(day))
    }

    /// When the day begins, in UTC.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for DueDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.0.utc();
        write!(f, "{:04}-{:02}-{:02}", day.year, day.month, day.day)
    }
}

/// One line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InvoiceLine {
    /// What is sold: 1 to [`DESCRIPTION_CHARS_MAX`] characters.
    pub description: String,
    /// How much of it, in thousandths, 1 to [`QUANTITY_MILLI_MAX`].
    pub quantity_milli: u64,
    /// What one of it costs without tax, in minor units of the invoice's currency.
    pub unit_price_minor: u64,
    /// What is taken off the whole line before tax, in minor units.
    pub discount_minor: u64,
    /// The tax on what is left, in hundredths of a percent, up to [`TAX_RATE_MAX`].
    pub tax_rate: u32,
}

/// The fields of a line as texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineFields<'a> {
    /// What is sold.
    pub description: &'a str,
    /// `2`, `1.5`; at most three decimals.
    pub quantity: &'a str,
    /// In minor units: digits only.
    pub unit_price: &'a str,
    /// `5`, `5%`, `14.25`; empty is none.
    pub tax_rate: &'a str,
    /// In minor units: digits only; empty is none.
    pub discount: &'a str,
}

/// What is wrong with an invoice. Never holds what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceFault {
    /// There is no line.
    #[error("there is no line")]
    NoLine,
    /// More than [`INVOICE_LINES_MAX`].
    #[error("there are more than 50 lines")]
    TooManyLines,
    /// A line, counted from 1.
    #[error("line {line}: {fault}")]
    Line {
        /// Which.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// The sum is zero, or has more than ten digits.
    #[error("the total is zero, or has more than ten digits")]
    Total,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Its fields are others than those of a line.
    #[error("it has a description, a quantity, a unit price, and may have a tax rate and a discount")]
    Fields,
    /// The description.
    #[error("the description has 1 to 120 characters, no control characters among them")]
    Description,
    /// The quantity.
    #[error("the quantity is above zero and below 1,000,000, with at most three decimals")]
    Quantity,
    /// The price.
    #[error("the unit price is a whole number of minor units, at most ten digits")]
    UnitPrice,
    /// The tax.
    #[error("the tax rate is a percentage from 0 to 100 with at most two decimals")]
    TaxRate,
    /// The discount.
    #[error("the discount is a whole number of minor units, and no more than the line's price")]
    Discount,
    /// The sum.
    #[error("its amount has more than ten digits")]
    TooLarge,
}

impl InvoiceLine {
    /// Reads a line.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn read(fields: &LineFields<'_>) -> Result<InvoiceLine, LineFault> {
        let description = fields.description.trim();
        let length = description.chars().count();
        if !(1..=DESCRIPTION_CHARS_MAX).contains(&length) || harmless(description) != description {
            return Err(LineFault::Description);
        }
        let quantity = decimal(fields.quantity, 3).filter(|milli| (1..=QUANTITY_MILLI_MAX).contains(milli));
        let rate = fields.tax_rate.trim();
        let rate = rate.strip_suffix('%').unwrap_or(rate);
        let tax_rate = if rate.is_empty() { Some(0) } else { decimal(rate, 2) };
        let tax_rate = tax_rate.and_then(|rate| u32::try_from(rate).ok()).filter(|rate| *rate <= TAX_RATE_MAX);
        let discount = if fields.discount.is_empty() { Some(0) } else { minor(fields.discount) };
        let line = InvoiceLine {
            description: description.to_owned(),
            quantity_milli: quantity.ok_or(LineFault::Quantity)?,
            unit_price_minor: minor(fields.unit_price).ok_or(LineFault::UnitPrice)?,
            discount_minor: discount.ok_or(LineFault::Discount)?,
            tax_rate: tax_rate.ok_or(LineFault::TaxRate)?,
        };
        line.totals().map(|_| line)
    }

    /// Reads `description;quantity;unit_price;tax_rate;discount`, of which the last two may be left out.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(text: &str) -> Result<InvoiceLine, LineFault> {
        let fields: Vec<&str> = text.split(FIELD_SEPARATOR).collect();
        let field = |place: usize| fields.get(place).copied().unwrap_or_default().trim();
        if !(3..=5).contains(&fields.len()) {
            return Err(LineFault::Fields);
        }
        InvoiceLine::read(&LineFields {
            description: field(0),
            quantity: field(1),
            unit_price: field(2),
            tax_rate: field(3),
            discount: field(4),
        })
    }

    /// What it comes to.
    ///
    /// # Errors
    /// When the discount is larger than the price, or the sum has more than ten digits.
    pub fn totals(&self) -> Result<LineTotals, LineFault> {
        let gross = half_up(u128::from(self.quantity_milli) * u128::from(self.unit_price_minor), 1_000);
        let gross = u64::try_from(gross).ok().filter(|gross| *gross <= AMOUNT_MINOR_MAX).ok_or(LineFault::TooLarge)?;
        let net = gross.checked_sub(self.discount_minor).ok_or(LineFault::Discount)?;
        let tax = half_up(u128::from(net) * u128::from(self.tax_rate), u128::from(TAX_RATE_MAX));
        // A rate is at most 100%.
        let tax = u64::try_from(tax).map_err(|_| LineFault::TooLarge)?;
        if net + tax > AMOUNT_MINOR_MAX {
            return Err(LineFault::TooLarge);
        }
        Ok(LineTotals { gross_minor: gross, net_minor: net, tax_minor: tax })
    }

    /// The quantity without needless zeros: `2`, `1.5`.
    #[must_use]
    pub fn quantity(&self) -> String {
        shown_decimal(self.quantity_milli, 3)
    }

    /// The rate of tax without needless zeros: `5`, `14.25`.
    #[must_use]
    pub fn tax_percent(&self) -> String {
        shown_decimal(u64::from(self.tax_rate), 2)
    }
}

/// What a line comes to, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTotals {
    /// Quantity times price, rounded half up.
    pub gross_minor: u64,
    /// The same less the discount.
    pub net_minor: u64,
    /// The tax on that, rounded half up.
    pub tax_minor: u64,
}

/// What an invoice comes to, in minor units. `net_minor` and `tax_minor` together are `total_minor`, and each is the sum of
/// the lines'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceTotals {
    /// Each line.
    pub lines: Vec<LineTotals>,
    /// Before tax.
    pub net_minor: u64,
    /// The tax of each rate above zero, the lowest first.
    pub taxes: Vec<TaxTotal>,
    /// All tax.
    pub tax_minor: u64,
    /// What is to be paid.
    pub total_minor: u64,
}

/// The tax of one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaxTotal {
    /// The rate, in hundredths of a percent.
    pub rate: u32,
    /// What is taxed at it.
    pub net_minor: u64,
    /// The tax.
    pub tax_minor: u64,
}

impl TaxTotal {
    /// The rate without needless zeros: `5`, `14.25`.
    #[must_use]
    pub fn percent(&self) -> String {
        shown_decimal(u64::from(self.rate), 2)
    }
}

/// Reads lines that are parted by `|`.
///
/// # Errors
/// What is wrong, and with which line.
pub fn parse_lines(text: &str) -> Result<Vec<InvoiceLine>, InvoiceFault> {
    if text.trim().is_empty() {
        return Err(InvoiceFault::NoLine);
    }
    if text.split(LINE_SEPARATOR).count() > INVOICE_LINES_MAX {
        return Err(InvoiceFault::TooManyLines);
    }
    let numbered = text.split(LINE_SEPARATOR).zip(1..);
    numbered.map(|(text, line)| InvoiceLine::parse(text).map_err(|fault| InvoiceFault::Line { line, fault })).collect()
}

/// What these lines come to.
///
/// # Errors
/// When there is none, there are too many, or a line or the total is too large or comes to nothing.
pub fn totals(lines: &[InvoiceLine]) -> Result<InvoiceTotals, InvoiceFault> {
    match lines.len() {
        0 => return Err(InvoiceFault::NoLine),
        count if count > INVOICE_LINES_MAX => return Err(InvoiceFault::TooManyLines),
        _ => {}
    }
    let mut sums = InvoiceTotals { lines: Vec::new(), net_minor: 0, taxes: Vec::new(), tax_minor: 0, total_minor: 0 };
    for (invoiced, line) in lines.iter().zip(1..) {
        let one = invoiced.totals().map_err(|fault| InvoiceFault::Line { line, fault })?;
        sums.lines.push(one);
        // Fifty lines of ten digits: nothing overflows.
        sums.net_minor += one.net_minor;
        sums.tax_minor += one.tax_minor;
        if invoiced.tax_rate > 0 {
            match sums.taxes.iter_mut().find(|tax| tax.rate == invoiced.tax_rate) {
                Some(tax) => {
                    tax.net_minor += one.net_minor;
                    tax.tax_minor += one.tax_minor;
                }
                None => sums.taxes.push(TaxTotal {
                    rate: invoiced.tax_rate,
                    net_minor: one.net_minor,
                    tax_minor: one.tax_minor,
                }),
            }
        }
    }
    sums.taxes.sort_by_key(|tax| tax.rate);
    sums.total_minor = sums.net_minor + sums.tax_minor;
    if sums.total_minor == 0 || sums.total_minor > AMOUNT_MINOR_MAX {
        return Err(InvoiceFault::Total);
    }
    Ok(sums)
}

/// A line as a person writes it, with prices in major units (`Novel;2;35.00;5%`), as the wire has it.
///
/// # Errors
/// The first field that is wrong.
pub fn line_in_minor_units(text: &str, currency: Currency) -> Result<String, LineFault> {
    let mut fields: Vec<String> = text.split(FIELD_SEPARATOR).map(|field| field.trim().to_owned()).collect();
    if !(3..=5).contains(&fields.len()) || text.contains(LINE_SEPARATOR) {
        return Err(LineFault::Fields);
    }
    for (place, fault) in [(2, LineFault::UnitPrice), (4, LineFault::Discount)] {
        if let Some(field) = fields.get_mut(place).filter(|field| !field.is_empty()) {
            *field = Amount::parse_major(field, currency).ok_or(fault)?.to_string();
        }
    }
    let line = fields.join(&FIELD_SEPARATOR.to_string());
    InvoiceLine::parse(&line).map(|_| line)
}

/// `value / by`, rounded half up.
const fn half_up(value: u128, by: u128) -> u128 {
    (value + by / 2) / by
}

/// Digits that are an amount.
fn minor(text: &str) -> Option<u64> {
    let fits = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// A number of at most ten digits before the point and so many behind it, in units of the last of them.
fn decimal(text: &str, decimals: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_sound = (1..=10).contains(&whole.len()) && digits(whole) && digits(fraction) && fraction.len() <= decimals;
    let is_whole = !text.contains('.') || !fraction.is_empty();
    (is_sound && is_whole).then(|| format!("{whole}{fraction:0<decimals$}").parse().ok()).flatten()
}

fn shown_decimal(value: u64, decimals: usize) -> String {
    let digits = format!("{value:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn line(quantity_milli: u64, unit_price_minor: u64, discount_minor: u64, tax_rate: u32) -> InvoiceLine {
        InvoiceLine { description: "x".to_owned(), quantity_milli, unit_price_minor, discount_minor, tax_rate }
    }

    #[test]
    fn a_line_is_read_as_it_is_written() {
        let read = InvoiceLine::parse("Novel; 2;3500;5%").unwrap();
        assert_eq!(read, InvoiceLine { description: "Novel".to_owned(), ..line(2_000, 3_500, 0, 500) });
        assert_eq!(InvoiceLine::parse("x;1.5;100").unwrap(), line(1_500, 100, 0, 0));
        assert_eq!(InvoiceLine::parse("x;0.125;100;14.25;3").unwrap(), line(125, 100, 3, 1_425));
        let two = parse_lines("كتاب;1;100;5|x;2;50").unwrap();
        assert_eq!((two.len(), two[0].description.as_str()), (2, "كتاب"));
        for (text, fault) in [
            ("x;1", LineFault::Fields),
            ("x;1;100;5;0;more", LineFault::Fields),
            (";1;100", LineFault::Description),
            ("a\u{202e}b;1;100", LineFault::Description),
            ("a\nb;1;100", LineFault::Description),
            ("x;0;100", LineFault::Quantity),
            ("x;-1;100", LineFault::Quantity),
            ("x;1.0005;100", LineFault::Quantity),
            ("x;1.;100", LineFault::Quantity),
            ("x;1000000;1", LineFault::Quantity),
            ("x;1e3;1", LineFault::Quantity),
            ("x;1;1.00", LineFault::UnitPrice),
            ("x;1;", LineFault::UnitPrice),
            ("x;1;12345678901", LineFault::UnitPrice),
            ("x;1;100;101", LineFault::TaxRate),
            ("x;1;100;5.005", LineFault::TaxRate),
            ("x;1;100;5;101", LineFault::Discount),
            ("x;1;100;5;1.00", LineFault::Discount),
            ("x;2;9999999999", LineFault::TooLarge),
            ("x;1;9999999999;1", LineFault::TooLarge),
        ] {
            assert_eq!(InvoiceLine::parse(text).unwrap_err(), fault, "{text}");
        }
        assert_eq!(parse_lines("x;1;1|x;0;1").unwrap_err(), InvoiceFault::Line { line: 2, fault: LineFault::Quantity });
        assert_eq!(parse_lines(" ").unwrap_err(), InvoiceFault::NoLine);
        assert_eq!(parse_lines(&"x;1;1|".repeat(50)).unwrap_err(), InvoiceFault::TooManyLines);
        assert_eq!(InvoiceLine::parse(&format!("{};1;1", "x".repeat(121))).unwrap_err(), LineFault::Description);
    }

    #[test]
    fn each_line_is_rounded_half_up() {
        let totals = |quantity, price, discount, rate| line(quantity, price, discount, rate).totals().unwrap();
        let told = |totals: LineTotals| (totals.gross_minor, totals.net_minor, totals.tax_minor);
        assert_eq!(told(totals(2_000, 3_500, 0, 500)), (7_000, 7_000, 350));
        assert_eq!(told(totals(500, 1, 0, 0)), (1, 1, 0), "half of one is one");
        assert_eq!(told(totals(499, 1, 0, 0)), (0, 0, 0));
        assert_eq!(told(totals(1_000, 10, 0, 500)), (10, 10, 1), "half a unit of tax is one");
        assert_eq!(told(totals(1_000, 9, 0, 500)), (9, 9, 0));
        assert_eq!(told(totals(1_000, 100, 100, 500)), (100, 0, 0), "all of it may be taken off");
    }

    #[test]
    fn the_total_is_that_of_the_lines_by_rate() {
        let lines = parse_lines("Novel;2;3500;5|Wrapping;1;10;5|Postage;1;1500").unwrap();
        let sums = totals(&lines).unwrap();
        // Two taxes of 350 and 0.5, the latter rounded up: 5% of the sum would be 350.5, and 351 as well.
        assert_eq!((sums.net_minor, sums.tax_minor, sums.total_minor), (8_510, 351, 8_861));
        assert_eq!(sums.taxes, [TaxTotal { rate: 500, net_minor: 7_010, tax_minor: 351 }]);
        assert_eq!(totals(&[line(1_000, 0, 0, 0)]).unwrap_err(), InvoiceFault::Total);
        let most = line(1_000, AMOUNT_MINOR_MAX, 0, 0);
        assert_eq!(totals(&[most.clone(), most]).unwrap_err(), InvoiceFault::Total);
    }

    #[test]
    fn prices_of_a_person_become_minor_units_of_the_currency() {
        let (aed, kwd) = (Currency::from_alpha("AED").unwrap(), Currency::from_alpha("KWD").unwrap());
        assert_eq!(line_in_minor_units("Novel;2;35.00;5%", aed).unwrap(), "Novel;2;3500;5%");
        assert_eq!(line_in_minor_units("Novel;2;35.125;;1", kwd).unwrap(), "Novel;2;35125;;1000");
        assert_eq!(line_in_minor_units("Novel;2;35.125", aed), Err(LineFault::UnitPrice));
        assert_eq!(line_in_minor_units("No|vel;2;35", aed), Err(LineFault::Fields));
    }

    #[test]
    fn a_due_date_is_a_day_of_the_calendar() {
        assert_eq!(DueDate::parse("2028-02-29").unwrap().to_string(), "2028-02-29");
        for text in ["2027-02-29", "2027-1-1", "27-01-01", "1999-12-31", "2027-01-01T00:00:00Z", ""] {
            assert_eq!(DueDate::parse(text), None, "{text}");
        }
    }

    fn any_line() -> impl Strategy<Value = InvoiceLine> {
        (1..=QUANTITY_MILLI_MAX, 0..=2_000_000_u64, 0..=5_000_u64, 0..=TAX_RATE_MAX)
            .prop_map(|(quantity, price, discount, rate)| line(quantity, price, discount, rate))
    }

    proptest! {
        #[test]
        fn lines_and_tax_are_the_total_whatever_they_are(lines in prop::collection::vec(any_line(), 1..=INVOICE_LINES_MAX)) {
            if let Ok(sums) = totals(&lines) {
                let net: u64 = sums.lines.iter().map(|line| line.net_minor).sum();
                let tax: u64 = sums.lines.iter().map(|line| line.tax_minor).sum();
                prop_assert_eq!((net, tax), (sums.net_minor, sums.tax_minor));
                prop_assert_eq!(sums.taxes.iter().map(|tax| tax.tax_minor).sum::<u64>(), sums.tax_minor);
                prop_assert_eq!(net + tax, sums.total_minor);
                prop_assert!((1..=AMOUNT_MINOR_MAX).contains(&sums.total_minor));
                for (line, told) in lines.iter().zip(&sums.lines) {
                    // No more than half a unit is given or taken by each rounding.
                    let exact = u128::from(line.quantity_milli) * u128::from(line.unit_price_minor);
                    prop_assert!((u128::from(told.gross_minor) * 1_000).abs_diff(exact) <= 500);
                    let exact = u128::from(told.net_minor) * u128::from(line.tax_rate);
                    prop_assert!((u128::from(told.tax_minor) * 10_000).abs_diff(exact) <= 5_000);
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[a;|.0-9%\\-\u{202e}ب]{0,80}") {
            if let Ok(lines) = parse_lines(&text) {
                prop_assert!(lines.iter().all(|line| line.totals().is_ok()));
            }
        }

        #[test]
        fn what_is_shown_of_a_line_reads_back(line in any_line()) {
            let text = format!("x;{};{};{}%;{}", line.quantity(), line.unit_price_minor, line.tax_percent(), line.discount_minor);
            if line.totals().is_ok() {
                prop_assert_eq!(InvoiceLine::parse(&text), Ok(line));
            }
        }
    }
}
