//! Amounts as people of a language write them.

use tollgate_core::money::{Currency, Money};
use tollgate_fort::text::Language;

/// An amount in pieces: a page keeps each of them from being torn or turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyText {
    /// The number, grouped by thousands, with all decimals of the currency: `1,234.500`. In Arabic as well, in the
    /// digits that shops and banks of the region print.
    pub number: String,
    /// What stands beside it: the sign or the code of the currency.
    pub sign: &'static str,
    /// On which side, in the order of reading.
    pub side: SignSide,
    /// The name of the currency, where the page knows one.
    pub name: Option<&'static str>,
}

/// Where the sign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignSide {
    /// Before the number, right at it: `€100.00`.
    Tight,
    /// Before the number, with a blank: `AED 100.00`.
    Before,
    /// Behind it, with a blank: `100.00 د.إ`.
    Behind,
}

impl MoneyText {
    /// `money` in `language`.
    #[must_use]
    pub fn of(money: Money, language: Language) -> MoneyText {
        let number = grouped(money);
        let row = ROWS.iter().find(|row| row.alpha == money.currency.alpha());
        match (language, row) {
            (Language::English, Some(row)) => {
                let side = if row.sign == row.alpha { SignSide::Before } else { SignSide::Tight };
                MoneyText { number, sign: row.sign, side, name: Some(row.name) }
            }
            (Language::Arabic, Some(row)) => {
                MoneyText { number, sign: row.sign_ar, side: SignSide::Behind, name: Some(row.name_ar) }
            }
            (Language::English, None) => {
                MoneyText { number, sign: money.currency.alpha(), side: SignSide::Before, name: None }
            }
            (Language::Arabic, None) => {
                MoneyText { number, sign: money.currency.alpha(), side: SignSide::Behind, name: None }
            }
        }
    }

    /// All of it as one text, for titles; the blank does not break.
    #[must_use]
    pub fn plain(&self) -> String {
        match self.side {
            SignSide::Tight => format!("{}{}", self.sign, self.number),
            SignSide::Before => format!("{}\u{a0}{}", self.sign, self.number),
            SignSide::Behind => format!("{}\u{a0}{}", self.number, self.sign),
        }
    }
}

/// The number with all decimals and a comma before each three digits of the whole part.
fn grouped(money: Money) -> String {
    let exponent = usize::from(Currency::exponent(money.currency));
    let digits = format!("{:0>width$}", money.amount.minor(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);
    let mut out = String::with_capacity(digits.len() + 6);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if exponent > 0 {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

struct Row {
    alpha: &'static str,
    sign: &'static str,
    name: &'static str,
    sign_ar: &'static str,
    name_ar: &'static str,
}

const fn row(
    alpha: &'static str,
    sign: &'static str,
    name: &'static str,
    sign_ar: &'static str,
    name_ar: &'static str,
) -> Row {
    Row { alpha, sign, name, sign_ar, name_ar }
}

/// The currencies that shops of the region take most.
#[rustfmt::skip]
static ROWS: &[Row] = &[
    row("AED", "AED", "UAE dirham", "د.إ", "درهم إماراتي"),
    row("SAR", "SAR", "Saudi riyal", "ر.س", "ريال سعودي"),
    row("KWD", "KWD", "Kuwaiti dinar", "د.ك", "دينار كويتي"),
    row("BHD", "BHD", "Bahraini dinar", "د.ب", "دينار بحريني"),
    row("OMR", "OMR", "Omani rial", "ر.ع", "ريال عماني"),
    row("QAR", "QAR", "Qatari riyal", "ر.ق", "ريال قطري"),
    row("JOD", "JOD", "Jordanian dinar", "د.أ", "دينار أردني"),
    row("EGP", "EGP", "Egyptian pound", "ج.م", "جنيه مصري"),
    row("LBP", "LBP", "Lebanese pound", "ل.ل", "ليرة لبنانية"),
    row("IQD", "IQD", "Iraqi dinar", "د.ع", "دينار عراقي"),
    row("MAD", "MAD", "Moroccan dirham", "د.م", "درهم مغربي"),
    row("TND", "TND", "Tunisian dinar", "د.ت", "دينار تونسي"),
    row("DZD", "DZD", "Algerian dinar", "د.ج", "دينار جزائري"),
    row("LYD", "LYD", "Libyan dinar", "د.ل", "دينار ليبي"),
    row("YER", "YER", "Yemeni rial", "ر.ي", "ريال يمني"),
    row("USD", "US$", "US dollar", "دولار", "دولار أمريكي"),
    row("EUR", "€", "euro", "يورو", "يورو"),
    row("GBP", "£", "pound sterling", "جنيه", "جنيه إسترليني"),
    row("JPY", "JP¥", "Japanese yen", "ين", "ين ياباني"),
    row("INR", "₹", "Indian rupee", "روبية", "روبية هندية"),
    row("PKR", "PKR", "Pakistani rupee", "روبية", "روبية باكستانية"),
    row("TRY", "₺", "Turkish lira", "ليرة", "ليرة تركية"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::money::Amount;

    fn text(minor: u64, alpha: &str, language: Language) -> String {
        let money =
            Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha(alpha).unwrap() };
        MoneyText::of(money, language).plain()
    }

    #[test]
    fn decimals_follow_the_currency_and_thousands_are_grouped() {
        for (minor, alpha, english, arabic) in [
            (10_000, "AED", "AED\u{a0}100.00", "100.00\u{a0}د.إ"),
            (123_456_789, "SAR", "SAR\u{a0}1,234,567.89", "1,234,567.89\u{a0}ر.س"),
            (1, "KWD", "KWD\u{a0}0.001", "0.001\u{a0}د.ك"),
            (1_234_500, "KWD", "KWD\u{a0}1,234.500", "1,234.500\u{a0}د.ك"),
            (1_500, "JPY", "JP¥1,500", "1,500\u{a0}ين"),
            (999, "JPY", "JP¥999", "999\u{a0}ين"),
            (10_000, "USD", "US$100.00", "100.00\u{a0}دولار"),
            (10_000, "CLF", "CLF\u{a0}1.0000", "1.0000\u{a0}CLF"),
            (9_999_999_999, "EUR", "€99,999,999.99", "99,999,999.99\u{a0}يورو"),
        ] {
            assert_eq!(text(minor, alpha, Language::English), english);
            assert_eq!(text(minor, alpha, Language::Arabic), arabic);
        }
    }

    #[test]
    fn every_row_is_a_currency() {
        for row in ROWS {
            assert!(Currency::from_alpha(row.alpha).is_some(), "{}", row.alpha);
        }
    }
}
