//! What the shop sells, and for how much in which currency.

use tollgate_core::money::{Amount, Currency, Money};

/// The most of one item.
pub const QUANTITY_MAX: u8 = 9;

/// An item of the shop.
pub struct Item {
    /// Its name in forms.
    pub key: &'static str,
    /// In English.
    pub name_en: &'static str,
    /// In Arabic.
    pub name_ar: &'static str,
    /// Its price in dirhams.
    price_aed: u64,
    /// How many are in a new cart.
    quantity_first: u8,
}

/// What there is to buy.
pub const ITEMS: [Item; 3] = [
    Item {
        key: "coffee",
        name_en: "Coffee beans, 250 g",
        name_ar: "حبوب قهوة، 250 غ",
        price_aed: 55,
        quantity_first: 1,
    },
    Item { key: "dates", name_en: "A box of dates", name_ar: "علبة تمور", price_aed: 40, quantity_first: 1 },
    Item { key: "cup", name_en: "A clay cup", name_ar: "كوب من الفخار", price_aed: 30, quantity_first: 0 },
];

/// What a dirham is in minor units of other currencies; only a shop of samples has such round ones. Three-decimal amounts end
/// in 0, as VISA wants them.
const MINOR_PER_DIRHAM: [(&str, u64); 11] = [
    ("AED", 100),
    ("SAR", 100),
    ("USD", 27),
    ("EUR", 25),
    ("KWD", 80),
    ("BHD", 100),
    ("JOD", 190),
    ("OMR", 110),
    ("QAR", 100),
    ("EGP", 1300),
    ("JPY", 40),
];

/// The currencies in which one can buy: at least one.
#[derive(Clone, Debug)]
pub struct Currencies {
    first: Currency,
    others: Vec<Currency>,
}

impl Currencies {
    /// Those of these in which the shop knows what its goods cost; `None` when it is none.
    pub fn priced(of: impl IntoIterator<Item = Currency>) -> Option<Currencies> {
        let mut priced = of.into_iter().filter(|currency| rate(*currency).is_some());
        Some(Currencies { first: priced.next()?, others: priced.collect() })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Currency> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    fn contains(&self, currency: Currency) -> bool {
        self.iter().any(|known| known == currency)
    }
}

fn rate(currency: Currency) -> Option<u64> {
    MINOR_PER_DIRHAM.iter().find(|(alpha, _)| *alpha == currency.alpha()).map(|(_, minor)| *minor)
}

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    /// In what is paid.
    pub currency: Currency,
    /// How many of each of [`ITEMS`].
    pub quantities: [u8; ITEMS.len()],
    /// An amount in major units, as it was typed, in place of what the items cost.
    pub other_amount: String,
}

/// The most characters of a typed amount that are kept.
const AMOUNT_CHARS_MAX: usize = 16;

impl Cart {
    /// The cart of a form; what is missing or no sense in it is as in a new one.
    pub fn of(value: impl Fn(&str) -> Option<String>, currencies: &Currencies) -> Cart {
        let asked = value("currency").and_then(|alpha| Currency::from_alpha(&alpha));
        let currency = asked.filter(|currency| currencies.contains(*currency)).unwrap_or(currencies.first);
        let quantities = ITEMS.each_ref().map(|item| {
            let typed = value(item.key).and_then(|text| text.trim().parse::<u8>().ok());
            typed.filter(|quantity| *quantity <= QUANTITY_MAX).unwrap_or(item.quantity_first)
        });
        let other_amount = value("amount").unwrap_or_default().trim().chars().take(AMOUNT_CHARS_MAX).collect();
        Cart { currency, quantities, other_amount }
    }

    /// What one of an item costs.
    pub fn price(&self, item: &Item) -> Money {
        let minor = item.price_aed.saturating_mul(rate(self.currency).unwrap_or_default());
        Money { amount: Amount::from_minor(minor).unwrap_or(Amount::ZERO), currency: self.currency }
    }

    /// What is to be paid; `None` when it is nothing, or the typed amount is none of the currency.
    pub fn total(&self) -> Option<Money> {
        let amount = if self.other_amount.is_empty() {
            let sum = ITEMS
                .iter()
                .zip(self.quantities)
                .map(|(item, quantity)| self.price(item).amount.minor().saturating_mul(u64::from(quantity)));
            Amount::from_minor(sum.fold(0, u64::saturating_add))
        } else {
            Amount::parse_major(&self.other_amount, self.currency)
        };
        amount.filter(|amount| *amount > Amount::ZERO).map(|amount| Money { amount, currency: self.currency })
    }

    /// The cart as the query of a URL.
    pub fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("currency", self.currency.alpha());
        for (item, quantity) in ITEMS.iter().zip(self.quantities) {
            query.append_pair(item.key, &quantity.to_string());
        }
        if !self.other_amount.is_empty() {
            query.append_pair("amount", &self.other_amount);
        }
        query.finish()
    }
}

/// An amount in major units without its currency, as a person would type it.
pub fn major(money: Money) -> String {
    let text = money.to_string();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn currency(alpha: &str) -> Currency {
        Currency::from_alpha(alpha).unwrap()
    }

    fn cart(pairs: &[(&str, &str)]) -> Cart {
        let currencies = Currencies::priced(["AED", "KWD", "JPY", "USD"].map(currency)).unwrap();
        let value = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Cart::of(value, &currencies)
    }

    #[test]
    fn a_total_has_the_decimals_of_its_currency() {
        for (alpha, total) in [("AED", "95.00 AED"), ("KWD", "7.600 KWD"), ("JPY", "3800 JPY"), ("USD", "25.65 USD")] {
            assert_eq!(cart(&[("currency", alpha)]).total().unwrap().to_string(), total);
        }
        assert_eq!(cart(&[("coffee", "0"), ("dates", "2"), ("cup", "9")]).total().unwrap().to_string(), "350.00 AED");
    }

    #[test]
    fn a_typed_amount_counts_in_place_of_the_items_and_nothing_is_no_total() {
        assert_eq!(cart(&[("amount", "900.05")]).total().unwrap().to_string(), "900.05 AED");
        for (alpha, amount) in [("AED", "1.005"), ("JPY", "1.5"), ("AED", "0"), ("AED", "-1"), ("AED", "12e3")] {
            assert_eq!(cart(&[("currency", alpha), ("amount", amount)]).total(), None, "{amount} {alpha}");
        }
        assert_eq!(cart(&[("coffee", "0"), ("dates", "0"), ("cup", "0")]).total(), None);
    }

    #[test]
    fn what_makes_no_sense_is_as_in_a_new_cart() {
        let odd = cart(&[("currency", "XYZ"), ("coffee", "10"), ("dates", "-1"), ("cup", "many")]);
        assert_eq!(odd, cart(&[]));
        let back: Vec<(String, String)> = form_urlencoded::parse(odd.query().as_bytes()).into_owned().collect();
        let back: Vec<(&str, &str)> = back.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(cart(&back), odd, "a query makes the same cart");
    }

    #[test]
    fn every_currency_has_prices_that_visa_takes() {
        for (alpha, _) in MINOR_PER_DIRHAM {
            let cart = Cart { currency: currency(alpha), quantities: [1; ITEMS.len()], other_amount: String::new() };
            for item in &ITEMS {
                let minor = cart.price(item).amount.minor();
                assert!(minor > 0 && (cart.currency.exponent() < 3 || minor.is_multiple_of(10)), "{alpha}: {minor}");
            }
        }
    }
}
