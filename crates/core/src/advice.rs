//! What the card network says about trying a declined payment again.
//!
//! The schemes forbid to repeat some declines at all and charge for it. The rules here are those that their public
//! documents share; an acquirer may have its own.

/// Whether and how a declined payment may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAdvice {
    /// Never with this card: the issuer will not approve it.
    Never,
    /// Only with new data of the card.
    NewData,
    /// Only with the customer, who has to be authenticated.
    WithCustomer,
    /// Later, a few times.
    Later,
}

impl RetryAdvice {
    /// All of them.
    pub const ALL: [RetryAdvice; 4] =
        [RetryAdvice::Never, RetryAdvice::NewData, RetryAdvice::WithCustomer, RetryAdvice::Later];

    /// Of a decline with a response code (ISO 8583:1987 field 39) and the network's advice code, where it gave one. What
    /// the network says itself counts more than what its code is known for.
    #[must_use]
    pub fn of(network_code: &str, advice_code: Option<&str>) -> RetryAdvice {
        match advice_code {
            Some("01") => return RetryAdvice::NewData,
            Some("02" | "24" | "25" | "26" | "27" | "28" | "29" | "30") => return RetryAdvice::Later,
            Some("03" | "21") => return RetryAdvice::Never,
            _ => {}
        }
        match network_code {
            // Pick up, no such account, closed, lost, stolen, not permitted, and the customer's own orders to stop.
            "04" | "07" | "12" | "14" | "15" | "41" | "43" | "46" | "57" | "R0" | "R1" | "R3" => RetryAdvice::Never,
            "33" | "54" | "82" | "N7" => RetryAdvice::NewData,
            "1A" | "65" => RetryAdvice::WithCustomer,
            _ => RetryAdvice::Later,
        }
    }

    /// The number that stores keep; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            RetryAdvice::Never => 0,
            RetryAdvice::NewData => 1,
            RetryAdvice::WithCustomer => 2,
            RetryAdvice::Later => 3,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<RetryAdvice> {
        RetryAdvice::ALL.into_iter().find(|advice| advice.number() == number)
    }

    /// The words for it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            RetryAdvice::Never => "never try this card again",
            RetryAdvice::NewData => "try again with new card data only",
            RetryAdvice::WithCustomer => "try again with the customer only, who has to be authenticated",
            RetryAdvice::Later => "may be tried again later",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_network_says_counts_more_than_its_code() {
        for (code, advice_code, advice) in [
            ("51", None, RetryAdvice::Later),
            ("05", None, RetryAdvice::Later),
            ("51", Some("03"), RetryAdvice::Never),
            ("51", Some("21"), RetryAdvice::Never),
            ("14", None, RetryAdvice::Never),
            ("14", Some("01"), RetryAdvice::NewData),
            ("54", None, RetryAdvice::NewData),
            ("1A", None, RetryAdvice::WithCustomer),
            ("05", Some("02"), RetryAdvice::Later),
            ("43", Some("99"), RetryAdvice::Never),
        ] {
            assert_eq!(RetryAdvice::of(code, advice_code), advice, "{code} {advice_code:?}");
        }
        for advice in RetryAdvice::ALL {
            assert_eq!(RetryAdvice::from_number(advice.number()), Some(advice));
        }
    }
}
