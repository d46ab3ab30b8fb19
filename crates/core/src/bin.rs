//! The brand of a card by the leading digits of its number.
//!
//! The national schemes mada (Saudi Arabia) and Meeza (Egypt) lie inside ranges of the international
//! brands, so they are looked at first.

use std::fmt;

/// A card brand: FORT's `payment_option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Brand {
    /// Visa.
    Visa,
    /// Mastercard.
    Mastercard,
    /// American Express.
    Amex,
    /// mada, Saudi Arabia.
    Mada,
    /// Meeza, Egypt.
    Meeza,
}

impl Brand {
    /// All brands.
    pub const ALL: [Brand; 5] = [Brand::Visa, Brand::Mastercard, Brand::Amex, Brand::Mada, Brand::Meeza];

    /// The value of `payment_option`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Brand::Visa => "VISA",
            Brand::Mastercard => "MASTERCARD",
            Brand::Amex => "AMEX",
            Brand::Mada => "MADA",
            Brand::Meeza => "MEEZA",
        }
    }

    /// Reads a `payment_option`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Brand> {
        Brand::ALL.into_iter().find(|brand| brand.name() == name)
    }

    /// mada and Meeza: PURCHASE over e-commerce only.
    #[must_use]
    pub const fn is_purchase_only(self) -> bool {
        matches!(self, Brand::Mada | Brand::Meeza)
    }

    fn fits_length(self, digits: usize) -> bool {
        match self {
            Brand::Visa => matches!(digits, 13 | 16 | 19),
            Brand::Mastercard | Brand::Mada => digits == 16,
            Brand::Amex => digits == 15,
            Brand::Meeza => matches!(digits, 16 | 19),
        }
    }
}

impl fmt::Display for Brand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The brand of a card number, when its leading digits and its length are of a brand we know.
#[must_use]
pub fn brand_of(digits: &str) -> Option<Brand> {
    let lead: u32 = digits.get(..6)?.parse().ok()?;
    let brand = if MADA.binary_search(&lead).is_ok() {
        Brand::Mada
    } else if is_meeza(lead) {
        Brand::Meeza
    } else {
        international(lead)?
    };
    brand.fits_length(digits.len()).then_some(brand)
}

/// Whether digits with this beginning and of this length may be a card number: what a search for card numbers
/// asks. It asks less than [`brand_of`]: a national scheme lies inside a range of an international brand, and
/// its list may be older than the card, so a number that is too long for the scheme may be one of the brand.
#[must_use]
pub fn may_be_card_number(digits: &str) -> bool {
    let lead = digits.get(..6).and_then(|lead| lead.parse().ok());
    let international = lead.and_then(international).is_some_and(|brand| brand.fits_length(digits.len()));
    international || brand_of(digits).is_some()
}

fn is_meeza(lead: u32) -> bool {
    matches!(lead, 507_803 | 507_808..=507_811) || (981_800..=981_899).contains(&lead)
}

fn international(lead: u32) -> Option<Brand> {
    match lead {
        400_000..=499_999 => Some(Brand::Visa),
        510_000..=559_999 | 222_100..=272_099 => Some(Brand::Mastercard),
        340_000..=349_999 | 370_000..=379_999 => Some(Brand::Amex),
        _ => None,
    }
}

/// Issuer identification numbers of mada, sorted.
static MADA: &[u32] = &[
    400_861, 401_757, 407_197, 407_395, 409_201, 410_621, 410_685, 410_834, 412_565, 417_633, 419_593, 420_132,
    421_141, 422_817, 422_818, 422_819, 422_820, 422_821, 422_822, 422_823, 422_824, 428_331, 428_671, 428_672,
    428_673, 431_361, 432_328, 434_107, 439_954, 440_533, 440_647, 440_795, 445_564, 446_393, 446_404, 446_672,
    455_036, 455_708, 457_865, 457_997, 458_456, 462_220, 468_540, 468_541, 468_542, 468_543, 474_491, 483_010,
    483_011, 483_012, 484_783, 486_094, 486_095, 486_096, 489_318, 489_319, 504_300, 508_160, 513_213, 515_079,
    520_058, 521_076, 524_130, 524_514, 524_940, 529_415, 529_741, 530_060, 530_906, 531_095, 531_196, 532_013,
    535_825, 535_989, 536_023, 537_767, 543_085, 543_357, 549_760, 554_180, 555_610, 558_563, 585_265, 588_845,
    588_848, 588_850, 588_851, 588_982, 588_983, 589_005, 589_206, 604_906, 605_141, 636_120, 968_201, 968_202,
    968_203, 968_204, 968_205, 968_206, 968_207, 968_208, 968_209, 968_211,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mada_list_is_sorted_for_the_search() {
        assert!(MADA.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn national_schemes_come_before_the_international_ranges() {
        for (number, brand) in [
            ("4005550000000001", Some(Brand::Visa)),
            ("5123456789012346", Some(Brand::Mastercard)),
            ("2221000000000009", Some(Brand::Mastercard)),
            ("2720990000000007", Some(Brand::Mastercard)),
            ("2721000000000004", None),
            ("345678901234564", Some(Brand::Amex)),
            ("374200000000004", Some(Brand::Amex)),
            ("5297412542005689", Some(Brand::Mada)),
            ("4406470000000000", Some(Brand::Mada)),
            ("9818950527886700002", Some(Brand::Meeza)),
            ("5078036221028566", Some(Brand::Meeza)),
            ("8888880000000001", None),
            ("3456789012345640", None),
            ("400555000000000", None),
            ("6011000000000004", None),
        ] {
            assert_eq!(brand_of(number), brand, "{number}");
        }
    }

    #[test]
    fn a_number_too_long_for_a_national_scheme_may_still_be_a_card() {
        for (number, may_be) in [
            ("4005550000000001", true),
            // mada has 16 digits, Visa around it 13, 16 or 19.
            ("4860940000000000006", true),
            ("4860940000000", true),
            ("486094000000000000", false),
            ("9818950527886700002", true),
            // Around these mada ranges there is nobody.
            ("9682010000000000", true),
            ("9682010000000000000", false),
            ("8888880000000001", false),
            ("48609", false),
        ] {
            assert_eq!(may_be_card_number(number), may_be, "{number}");
        }
    }
}
