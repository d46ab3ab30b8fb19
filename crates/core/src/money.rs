//! Money: integer minor units and an ISO 4217 currency with its exponent. No floats anywhere.

use std::fmt;

/// The largest amount a FORT request can carry, in minor units: ten digits.
pub const AMOUNT_MINOR_MAX: u64 = 9_999_999_999;

/// An amount in minor units (fils, halalas, cents) of some currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// An amount of `minor` units; `None` above [`AMOUNT_MINOR_MAX`].
    #[must_use]
    pub const fn from_minor(minor: u64) -> Option<Amount> {
        if minor <= AMOUNT_MINOR_MAX { Some(Amount(minor)) } else { None }
    }

    /// The number of minor units.
    #[must_use]
    pub const fn minor(self) -> u64 {
        self.0
    }

    /// The sum, or `None` above [`AMOUNT_MINOR_MAX`].
    #[must_use]
    pub fn plus(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).and_then(Amount::from_minor)
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn minus(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }

    /// Reads the FORT form: 1 to 10 digits, more than zero, nothing else.
    #[must_use]
    pub fn parse_positive(text: &str) -> Option<Amount> {
        if text.is_empty() || text.len() > 10 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|minor| *minor > 0).map(Amount)
    }

    /// Reads an amount in major units, as a person types it (`100`, `100.5`, `100.00`).
    ///
    /// `None` when it is no number, has more decimals than the currency, or is too large.
    #[must_use]
    pub fn parse_major(text: &str, currency: Currency) -> Option<Amount> {
        let exponent = usize::from(currency.exponent());
        let mut halves = text.splitn(2, '.');
        let whole = halves.next().unwrap_or_default();
        let fraction = halves.next().unwrap_or_default();
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > exponent || !digits(whole) || !digits(fraction) {
            return None;
        }
        let padded = format!("{whole}{fraction:0<exponent$}");
        padded.parse().ok().and_then(Amount::from_minor)
    }
}

impl TryFrom<u64> for Amount {
    type Error = &'static str;

    fn try_from(minor: u64) -> Result<Amount, Self::Error> {
        Amount::from_minor(minor).ok_or("an amount has ten digits at most")
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> u64 {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u16);

impl Currency {
    /// The currency with this alphabetic code (upper case), if there is one.
    #[must_use]
    pub fn from_alpha(alpha: &str) -> Option<Currency> {
        let index = TABLE.binary_search_by(|row| row.alpha.cmp(alpha)).ok()?;
        u16::try_from(index).ok().map(Currency)
    }

    /// The currency with this numeric code, if there is one.
    #[must_use]
    pub fn from_numeric(numeric: u16) -> Option<Currency> {
        let index = TABLE.iter().position(|row| row.numeric == numeric)?;
        u16::try_from(index).ok().map(Currency)
    }

    /// Every currency, by alphabetic code.
    pub fn all() -> impl Iterator<Item = Currency> {
        (0..TABLE.len()).filter_map(|index| u16::try_from(index).ok().map(Currency))
    }

    /// The alphabetic code, three capitals.
    #[must_use]
    pub fn alpha(self) -> &'static str {
        self.row().alpha
    }

    /// The numeric code, 0 to 999 (ISO 8583 field 49 has it with leading zeros).
    #[must_use]
    pub fn numeric(self) -> u16 {
        self.row().numeric
    }

    /// How many decimals a major unit has: 0, 2, 3 or 4.
    #[must_use]
    pub fn exponent(self) -> u8 {
        self.row().exponent
    }

    fn row(self) -> &'static Row {
        // The index is made only from TABLE itself, so it is always inside.
        TABLE.get(usize::from(self.0)).unwrap_or(&TABLE[0])
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.alpha())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let alpha = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Currency::from_alpha(&alpha).ok_or_else(|| {
            serde::de::Error::custom(format!("{alpha:?} is no ISO 4217 currency; write for example AED"))
        })
    }
}

/// An amount of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Money {
    /// How much, in minor units.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

impl fmt::Display for Money {
    /// Major units with all decimals, then the code: `100.00 AED`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = usize::from(self.currency.exponent());
        let digits = format!("{:0>width$}", self.amount.minor(), width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        let point = if exponent == 0 { "" } else { "." };
        write!(f, "{whole}{point}{fraction} {}", self.currency)
    }
}

struct Row {
    alpha: &'static str,
    numeric: u16,
    exponent: u8,
}

const fn row(alpha: &'static str, numeric: u16, exponent: u8) -> Row {
    Row { alpha, numeric, exponent }
}

/// ISO 4217, sorted by alphabetic code; the exponents are those FORT documents (its list differs
/// from none of the active codes).
#[rustfmt::skip]
static TABLE: &[Row] = &[
    row("AED", 784, 2),
    row("AFN", 971, 2),
    row("ALL", 8, 2),
    row("AMD", 51, 2),
    row("AOA", 973, 2),
    row("ARS", 32, 2),
    row("AUD", 36, 2),
    row("AWG", 533, 2),
    row("AZN", 944, 2),
    row("BAM", 977, 2),
    row("BBD", 52, 2),
    row("BDT", 50, 2),
    row("BHD", 48, 3),
    row("BIF", 108, 0),
    row("BMD", 60, 2),
    row("BND", 96, 2),
    row("BOB", 68, 2),
    row("BOV", 984, 2),
    row("BRL", 986, 2),
    row("BSD", 44, 2),
    row("BTN", 64, 2),
    row("BWP", 72, 2),
    row("BYN", 933, 2),
    row("BYR", 974, 0),
    row("BZD", 84, 2),
    row("CAD", 124, 2),
    row("CDF", 976, 2),
    row("CHE", 947, 2),
    row("CHF", 756, 2),
    row("CHW", 948, 2),
    row("CLF", 990, 4),
    row("CLP", 152, 0),
    row("CNY", 156, 2),
    row("COP", 170, 2),
    row("COU", 970, 2),
    row("CRC", 188, 2),
    row("CUP", 192, 2),
    row("CVE", 132, 2),
    row("CZK", 203, 2),
    row("DJF", 262, 0),
    row("DKK", 208, 2),
    row("DOP", 214, 2),
    row("DZD", 12, 2),
    row("EGP", 818, 2),
    row("ERN", 232, 2),
    row("ETB", 230, 2),
    row("EUR", 978, 2),
    row("FJD", 242, 2),
    row("FKP", 238, 2),
    row("GBP", 826, 2),
    row("GEL", 981, 2),
    row("GHS", 936, 2),
    row("GIP", 292, 2),
    row("GMD", 270, 2),
    row("GNF", 324, 0),
    row("GTQ", 320, 2),
    row("GYD", 328, 2),
    row("HKD", 344, 2),
    row("HNL", 340, 2),
    row("HTG", 332, 2),
    row("HUF", 348, 2),
    row("IDR", 360, 2),
    row("ILS", 376, 2),
    row("INR", 356, 2),
    row("IQD", 368, 3),
    row("IRR", 364, 2),
    row("ISK", 352, 0),
    row("JMD", 388, 2),
    row("JOD", 400, 3),
    row("JPY", 392, 0),
    row("KES", 404, 2),
    row("KGS", 417, 2),
    row("KHR", 116, 2),
    row("KMF", 174, 0),
    row("KPW", 408, 2),
    row("KRW", 410, 0),
    row("KWD", 414, 3),
    row("KYD", 136, 2),
    row("KZT", 398, 2),
    row("LAK", 418, 2),
    row("LBP", 422, 2),
    row("LKR", 144, 2),
    row("LRD", 430, 2),
    row("LSL", 426, 2),
    row("LYD", 434, 3),
    row("MAD", 504, 2),
    row("MDL", 498, 2),
    row("MGA", 969, 2),
    row("MKD", 807, 2),
    row("MMK", 104, 2),
    row("MNT", 496, 2),
    row("MOP", 446, 2),
    row("MRU", 929, 2),
    row("MUR", 480, 2),
    row("MVR", 462, 2),
    row("MWK", 454, 2),
    row("MXN", 484, 2),
    row("MXV", 979, 2),
    row("MYR", 458, 2),
    row("MZN", 943, 2),
    row("NAD", 516, 2),
    row("NGN", 566, 2),
    row("NIO", 558, 2),
    row("NOK", 578, 2),
    row("NPR", 524, 2),
    row("NZD", 554, 2),
    row("OMR", 512, 3),
    row("PAB", 590, 2),
    row("PEN", 604, 2),
    row("PGK", 598, 2),
    row("PHP", 608, 2),
    row("PKR", 586, 2),
    row("PLN", 985, 2),
    row("PYG", 600, 0),
    row("QAR", 634, 2),
    row("RON", 946, 2),
    row("RSD", 941, 2),
    row("RUB", 643, 2),
    row("RWF", 646, 0),
    row("SAR", 682, 2),
    row("SBD", 90, 2),
    row("SCR", 690, 2),
    row("SDG", 938, 2),
    row("SEK", 752, 2),
    row("SGD", 702, 2),
    row("SHP", 654, 2),
    row("SLE", 925, 2),
    row("SOS", 706, 2),
    row("SRD", 968, 2),
    row("SSP", 728, 2),
    row("STN", 930, 2),
    row("SVC", 222, 2),
    row("SYP", 760, 2),
    row("SZL", 748, 2),
    row("THB", 764, 2),
    row("TJS", 972, 2),
    row("TMT", 934, 2),
    row("TND", 788, 3),
    row("TOP", 776, 2),
    row("TRY", 949, 2),
    row("TTD", 780, 2),
    row("TWD", 901, 2),
    row("TZS", 834, 2),
    row("UAH", 980, 2),
    row("UGX", 800, 0),
    row("USD", 840, 2),
    row("USN", 997, 2),
    row("UYI", 940, 2),
    row("UYU", 858, 2),
    row("UYW", 927, 4),
    row("UZS", 860, 2),
    row("VED", 926, 2),
    row("VES", 928, 2),
    row("VND", 704, 0),
    row("VUV", 548, 0),
    row("WST", 882, 2),
    row("XAD", 396, 2),
    row("XAF", 950, 0),
    row("XCD", 951, 2),
    row("XCG", 532, 2),
    row("XOF", 952, 0),
    row("XPF", 953, 0),
    row("YER", 886, 2),
    row("ZAR", 710, 2),
    row("ZMW", 967, 2),
    row("ZWG", 924, 2),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn currency(alpha: &str) -> Currency {
        Currency::from_alpha(alpha).unwrap()
    }

    #[test]
    fn table_is_sorted_and_codes_are_unique() {
        assert!(TABLE.windows(2).all(|pair| pair[0].alpha < pair[1].alpha));
        let mut numeric: Vec<u16> = TABLE.iter().map(|row| row.numeric).collect();
        numeric.sort_unstable();
        numeric.dedup();
        assert_eq!(numeric.len(), TABLE.len());
    }

    #[test]
    fn exponents_are_those_of_the_fort_table() {
        for alpha in "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF".split(' ') {
            assert_eq!(currency(alpha).exponent(), 0, "{alpha}");
        }
        for alpha in "BHD IQD JOD KWD LYD OMR TND".split(' ') {
            assert_eq!(currency(alpha).exponent(), 3, "{alpha}");
        }
        for alpha in "AED SAR USD EUR EGP QAR".split(' ') {
            assert_eq!(currency(alpha).exponent(), 2, "{alpha}");
        }
        assert_eq!(currency("CLF").exponent(), 4);
        assert_eq!(currency("AED").numeric(), 784);
        assert_eq!(Currency::from_numeric(414), Some(currency("KWD")));
        assert_eq!(Currency::from_alpha("XXQ"), None);
        assert_eq!(Currency::from_alpha("aed"), None);
    }

    #[test]
    fn amount_in_fort_form_is_one_to_ten_digits_above_zero() {
        for (text, minor) in
            [("1", Some(1)), ("15000", Some(15000)), ("9999999999", Some(9_999_999_999)), ("007", Some(7))]
        {
            assert_eq!(Amount::parse_positive(text).map(Amount::minor), minor, "{text}");
        }
        for text in ["", "0", "0000000000", "-1", "+1", "1.0", "1e3", "10000000000", " 1", "١"] {
            assert_eq!(Amount::parse_positive(text), None, "{text}");
        }
    }

    #[test]
    fn amount_in_major_units_follows_the_exponent() {
        for (text, alpha, minor) in [
            ("100.00", "AED", Some(10000)),
            ("100.5", "AED", Some(10050)),
            ("100", "KWD", Some(100_000)),
            ("0.001", "KWD", Some(1)),
            ("5", "JPY", Some(5)),
            ("5.0", "JPY", None),
            ("1.001", "AED", None),
            ("", "AED", None),
            (".5", "AED", None),
            ("1.", "AED", Some(100)),
            ("-1", "AED", None),
            ("100000000.00", "AED", None),
        ] {
            assert_eq!(Amount::parse_major(text, currency(alpha)).map(Amount::minor), minor, "{text} {alpha}");
        }
    }

    #[test]
    fn money_prints_major_units() {
        let shown = |minor, alpha| Money { amount: Amount(minor), currency: currency(alpha) }.to_string();
        assert_eq!(shown(10000, "AED"), "100.00 AED");
        assert_eq!(shown(5, "AED"), "0.05 AED");
        assert_eq!(shown(1, "KWD"), "0.001 KWD");
        assert_eq!(shown(7, "JPY"), "7 JPY");
    }

    proptest::proptest! {
        #[test]
        fn plus_and_minus_are_inverse(a in 0..=AMOUNT_MINOR_MAX, b in 0..=AMOUNT_MINOR_MAX) {
            let (a, b) = (Amount(a), Amount(b));
            if let Some(sum) = a.plus(b) {
                proptest::prop_assert_eq!(sum.minus(b), Some(a));
            }
            proptest::prop_assert_eq!(a.minus(b).is_some(), a >= b);
        }

        #[test]
        fn what_money_prints_can_be_read_again(minor in 0..=AMOUNT_MINOR_MAX, index in 0..TABLE.len()) {
            let currency = Currency(u16::try_from(index).unwrap());
            let money = Money { amount: Amount(minor), currency };
            let shown = money.to_string();
            let number = shown.split(' ').next().unwrap();
            proptest::prop_assert_eq!(Amount::parse_major(number, currency), Some(money.amount));
        }
    }
}
