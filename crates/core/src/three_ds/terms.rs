//! When 3-D Secure runs: what a merchant's account says, what its request says, and what the card's brand forbids.

use super::MpiResult;
use crate::bin::Brand;
use crate::card::CardFacts;
use crate::command::{Eci, PayCommand, ThreeDsWish};
use crate::issuer_country::{Country, IssuerCountries};
use crate::money::{Amount, Currency, Money};
use crate::order::PayKind;

/// What a merchant wants of 3-D Secure.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThreeDsTerms {
    /// When it runs.
    pub policy: ThreeDsPolicy,
    /// Whether a payment that the issuer wants authenticated is tried once more, with a challenge.
    pub soft_decline_retry: SoftDeclineRetry,
    /// When AUTHORIZATION is answered with `3ds_url`.
    pub url_for_authorization: UrlForAuthorization,
    /// What becomes of a payment whose authentication could not be carried out (`U`).
    pub unavailable: UnavailableThreeDs,
    /// Whether it may bring the result of an MPI of its own.
    pub own_mpi: OwnMpi,
}

/// When 3-D Secure runs before a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreeDsPolicy {
    /// Always.
    Always,
    /// Never.
    #[default]
    Never,
    /// From an amount on. In a currency that is not named it always runs.
    ByAmount(Vec<AmountFrom>),
    /// By where the card was issued. Where that is not known it always runs.
    ByCountry(CountryRule),
    /// Only when the issuer declines a payment because it wants one.
    OnSoftDecline,
}

/// For cards of which countries 3-D Secure runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountryRule {
    /// Of these.
    In(Vec<Country>),
    /// Of all but these.
    NotIn(Vec<Country>),
}

impl CountryRule {
    fn leaves_out(&self, country: Country) -> bool {
        match self {
            CountryRule::In(named) => !named.contains(&country),
            CountryRule::NotIn(named) => named.contains(&country),
        }
    }
}

/// What counts of a card for the question whether 3-D Secure runs.
#[derive(Clone, Copy, Debug)]
pub struct CardOrigin<'a> {
    /// Its brand.
    pub brand: Brand,
    /// First six, stars, last four.
    pub mask: &'a str,
    /// Where cards were issued.
    pub countries: &'a IssuerCountries,
}

impl<'a> CardOrigin<'a> {
    /// That of a card of which `facts` are known.
    #[must_use]
    pub fn of(facts: &'a CardFacts, countries: &'a IssuerCountries) -> CardOrigin<'a> {
        CardOrigin { brand: facts.brand, mask: &facts.mask, countries }
    }

    fn country(&self) -> Option<Country> {
        self.countries.of(self.brand, self.mask)
    }
}

/// From which amount on 3-D Secure runs in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountFrom {
    /// ISO 4217.
    pub currency: Currency,
    /// Minor units; payments of just so much run it as well.
    pub minor: u64,
}

macro_rules! named_terms {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name used in settings.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// Reads a name.
            #[must_use]
            pub fn parse(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.name() == name)
            }
        }
    };
}

named_terms! {
    /// Whether a payment that the issuer declined for want of an authentication is tried once more, with one.
    SoftDeclineRetry {
        /// No: the decline is final. The policy [`ThreeDsPolicy::OnSoftDecline`] tries again all the same.
        #[default]
        Off = "off",
        /// Yes.
        On = "on",
    }
}

named_terms! {
    /// When AUTHORIZATION is answered with `3ds_url`.
    UrlForAuthorization {
        /// When 3-D Secure runs.
        #[default]
        WhenNeeded = "when-needed",
        /// Also when it is left out: some shop plugins take no direct answer of AUTHORIZATION for a success.
        Always = "always",
    }
}

named_terms! {
    /// What becomes of a payment whose authentication could not be carried out (`U`).
    UnavailableThreeDs {
        /// It goes to the issuer as one without authentication: the merchant bears the loss of a fraud.
        #[default]
        GoOn = "go-on",
        /// It is refused like a failed one.
        Refuse = "refuse",
    }
}

named_terms! {
    /// Whether a merchant may bring the result of an MPI (or a 3DS Server) of its own.
    OwnMpi {
        /// It may not: such parameters are refused with 00027.
        #[default]
        Off = "off",
        /// It may.
        On = "on",
    }
}

impl ThreeDsTerms {
    /// Whether a payment for which `decision` was made is answered with `3ds_url`.
    #[must_use]
    pub fn gives_url(&self, kind: PayKind, decision: ThreeDsDecision) -> bool {
        match decision {
            ThreeDsDecision::Run(_) => true,
            ThreeDsDecision::Skip(reason) => {
                let has_customer =
                    !matches!(reason, SkipReason::Verification | SkipReason::NotEcommerce | SkipReason::OwnMpi);
                kind == PayKind::Authorization
                    && has_customer
                    && self.url_for_authorization == UrlForAuthorization::Always
            }
        }
    }
}

/// What counts of a payment for the question whether 3-D Secure runs.
#[derive(Clone, Copy, Debug)]
pub struct PaymentFacts<'a> {
    /// What is asked for.
    pub kind: PayKind,
    /// Who is present.
    pub eci: Eci,
    /// What the request says (`check_3ds`).
    pub wish: ThreeDsWish,
    /// How much.
    pub money: Money,
    /// What the merchant's own MPI found out.
    pub own_mpi: Option<&'a MpiResult>,
    /// Whether the issuer was asked before.
    pub turn: PaymentTurn,
}

/// Whether the issuer was asked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentTurn {
    /// No.
    First,
    /// Yes, and it declined for want of an authentication ([`is_soft_decline`]).
    AfterSoftDecline,
}

impl PaymentFacts<'_> {
    /// The facts of a request that just came.
    #[must_use]
    pub fn of(command: &PayCommand) -> PaymentFacts<'_> {
        PaymentFacts {
            kind: command.kind,
            eci: command.eci,
            wish: command.three_ds,
            money: command.money,
            own_mpi: command.authentication.as_ref(),
            turn: PaymentTurn::First,
        }
    }
}

/// Whether 3-D Secure runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreeDsDecision {
    /// It does.
    Run(ChallengeWish),
    /// It does not.
    Skip(SkipReason),
}

/// What the issuer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeWish {
    /// Whatever the issuer thinks right.
    NoPreference,
    /// A challenge of the customer: the issuer has declined without one.
    Mandated,
}

impl ChallengeWish {
    /// The value of `threeDSRequestorChallengeInd` (EMVCo 3DS 2.2).
    #[must_use]
    pub const fn indicator(self) -> &'static str {
        match self {
            ChallengeWish::NoPreference => "01",
            ChallengeWish::Mandated => "04",
        }
    }
}

/// Why 3-D Secure does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// A card is only verified.
    Verification,
    /// The customer is not at a browser.
    NotEcommerce,
    /// The merchant has run it by itself.
    OwnMpi,
    /// The merchant asked to leave it out (`check_3ds=NO`).
    AskedByMerchant,
    /// The account never runs it.
    Never,
    /// The amount is below the one from which it runs.
    BelowAmount,
    /// The card was issued in a country for which it does not run.
    Country,
    /// It runs once the issuer wants it.
    UntilSoftDecline,
    /// The issuer wanted it, and the account does not try again.
    NoRetry,
}

/// Whether 3-D Secure runs for a payment with such a card: a ladder in the order in which its rows count.
#[must_use]
pub fn wanted(terms: &ThreeDsTerms, facts: &PaymentFacts<'_>, card: &CardOrigin<'_>) -> ThreeDsDecision {
    if facts.kind.is_verification() {
        return ThreeDsDecision::Skip(SkipReason::Verification);
    }
    if facts.eci != Eci::Ecommerce {
        return ThreeDsDecision::Skip(SkipReason::NotEcommerce);
    }
    if facts.own_mpi.is_some() {
        return ThreeDsDecision::Skip(SkipReason::OwnMpi);
    }
    if facts.wish == ThreeDsWish::Off && may_be_left_out(card.brand) {
        return ThreeDsDecision::Skip(SkipReason::AskedByMerchant);
    }
    match facts.turn {
        PaymentTurn::First => by_policy(&terms.policy, facts.money, card),
        PaymentTurn::AfterSoftDecline => after_soft_decline(terms),
    }
}

/// Whether the network's code of a decline (ISO 8583:1987 field 39) says that the issuer wants an authentication.
#[must_use]
pub fn is_soft_decline(network_code: &str) -> bool {
    matches!(network_code, "1A" | "65")
}

/// The national schemes of Saudi Arabia and Egypt take no `check_3ds=NO`.
const fn may_be_left_out(brand: Brand) -> bool {
    !matches!(brand, Brand::Mada | Brand::Meeza)
}

fn by_policy(policy: &ThreeDsPolicy, money: Money, card: &CardOrigin<'_>) -> ThreeDsDecision {
    match policy {
        ThreeDsPolicy::Always => ThreeDsDecision::Run(ChallengeWish::NoPreference),
        ThreeDsPolicy::Never => ThreeDsDecision::Skip(SkipReason::Never),
        ThreeDsPolicy::OnSoftDecline => ThreeDsDecision::Skip(SkipReason::UntilSoftDecline),
        ThreeDsPolicy::ByAmount(rows) => match rows.iter().find(|row| row.currency == money.currency) {
            Some(row) if money.amount.minor() < row.minor => ThreeDsDecision::Skip(SkipReason::BelowAmount),
            _ => ThreeDsDecision::Run(ChallengeWish::NoPreference),
        },
        ThreeDsPolicy::ByCountry(rule) => match card.country() {
            Some(country) if rule.leaves_out(country) => ThreeDsDecision::Skip(SkipReason::Country),
            _ => ThreeDsDecision::Run(ChallengeWish::NoPreference),
        },
    }
}

fn after_soft_decline(terms: &ThreeDsTerms) -> ThreeDsDecision {
    let retries = terms.soft_decline_retry == SoftDeclineRetry::On || terms.policy == ThreeDsPolicy::OnSoftDecline;
    match retries {
        true => ThreeDsDecision::Run(ChallengeWish::Mandated),
        false => ThreeDsDecision::Skip(SkipReason::NoRetry),
    }
}

impl AmountFrom {
    /// The amount, where it is one that there can be.
    #[must_use]
    pub fn money(self) -> Option<Money> {
        Some(Money { amount: Amount::from_minor(self.minor)?, currency: self.currency })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::issuer_country::IssuerCountriesBuilder;

    const NO_PREFERENCE: ThreeDsDecision = ThreeDsDecision::Run(ChallengeWish::NoPreference);
    const MANDATED: ThreeDsDecision = ThreeDsDecision::Run(ChallengeWish::Mandated);

    fn skip(reason: SkipReason) -> ThreeDsDecision {
        ThreeDsDecision::Skip(reason)
    }

    fn facts(minor: u64, alpha: &str) -> PaymentFacts<'static> {
        PaymentFacts {
            kind: PayKind::Purchase,
            eci: Eci::Ecommerce,
            wish: ThreeDsWish::Default,
            money: Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha(alpha).unwrap() },
            own_mpi: None,
            turn: PaymentTurn::First,
        }
    }

    fn terms(policy: ThreeDsPolicy) -> ThreeDsTerms {
        ThreeDsTerms { policy, ..ThreeDsTerms::default() }
    }

    /// With a card of which nobody knows the country.
    fn asked(terms: &ThreeDsTerms, facts: &PaymentFacts<'_>, brand: Brand) -> ThreeDsDecision {
        wanted(terms, facts, &CardOrigin { brand, mask: "400555******0001", countries: &IssuerCountries::default() })
    }

    #[test]
    fn the_country_of_the_card_decides_and_an_unknown_one_is_authenticated() {
        let mut builder = IssuerCountriesBuilder::default();
        for (lead, country) in [("400555", "AE"), ("512345", "SA"), ("400600", "QA"), ("400600", "AE")] {
            builder.add(lead, "", country).unwrap();
        }
        let countries = builder.build();
        let named = vec![Country::parse("AE").unwrap(), Country::parse("SA").unwrap()];
        let (inside, outside) = (CountryRule::In(named.clone()), CountryRule::NotIn(named));
        let left_out = skip(SkipReason::Country);
        for (brand, mask, for_inside, for_outside) in [
            (Brand::Visa, "400555******0001", NO_PREFERENCE, left_out),
            (Brand::Mastercard, "512345******0008", NO_PREFERENCE, left_out),
            (Brand::Mada, "529741******5689", NO_PREFERENCE, left_out),
            (Brand::Meeza, "507803******8566", left_out, NO_PREFERENCE),
            (Brand::Visa, "400600******0001", NO_PREFERENCE, NO_PREFERENCE),
            (Brand::Visa, "499999******0001", NO_PREFERENCE, NO_PREFERENCE),
        ] {
            let origin = CardOrigin { brand, mask, countries: &countries };
            let decided =
                |rule: &CountryRule| wanted(&terms(ThreeDsPolicy::ByCountry(rule.clone())), &facts(1, "AED"), &origin);
            assert_eq!((decided(&inside), decided(&outside)), (for_inside, for_outside), "{brand} {mask}");
        }
    }

    fn from_100_dirhams() -> ThreeDsPolicy {
        ThreeDsPolicy::ByAmount(vec![AmountFrom { currency: Currency::from_alpha("AED").unwrap(), minor: 10_000 }])
    }

    #[test]
    fn the_policy_decides_over_the_first_turn_and_the_retry_over_the_next() {
        let retrying = |policy| ThreeDsTerms { soft_decline_retry: SoftDeclineRetry::On, ..terms(policy) };
        for (terms, minor, alpha, first, next) in [
            (terms(ThreeDsPolicy::Always), 1, "AED", NO_PREFERENCE, skip(SkipReason::NoRetry)),
            (terms(ThreeDsPolicy::Never), 1, "AED", skip(SkipReason::Never), skip(SkipReason::NoRetry)),
            (terms(from_100_dirhams()), 9_999, "AED", skip(SkipReason::BelowAmount), skip(SkipReason::NoRetry)),
            (terms(from_100_dirhams()), 10_000, "AED", NO_PREFERENCE, skip(SkipReason::NoRetry)),
            (terms(from_100_dirhams()), 1, "KWD", NO_PREFERENCE, skip(SkipReason::NoRetry)),
            (terms(ThreeDsPolicy::OnSoftDecline), 1, "AED", skip(SkipReason::UntilSoftDecline), MANDATED),
            (retrying(ThreeDsPolicy::Always), 1, "AED", NO_PREFERENCE, MANDATED),
            (retrying(ThreeDsPolicy::Never), 1, "AED", skip(SkipReason::Never), MANDATED),
            (retrying(from_100_dirhams()), 9_999, "AED", skip(SkipReason::BelowAmount), MANDATED),
            (ThreeDsTerms::default(), 1, "AED", skip(SkipReason::Never), skip(SkipReason::NoRetry)),
        ] {
            let facts = facts(minor, alpha);
            assert_eq!(asked(&terms, &facts, Brand::Visa), first, "{terms:?} {minor} {alpha}");
            let again = PaymentFacts { turn: PaymentTurn::AfterSoftDecline, ..facts };
            assert_eq!(asked(&terms, &again, Brand::Visa), next, "{terms:?} {minor} {alpha}");
        }
    }

    #[test]
    fn what_leaves_it_out_counts_before_every_policy_and_on_every_turn() {
        let mpi = MpiResult::default();
        let base = facts(10_000, "AED");
        let off = PaymentFacts { wish: ThreeDsWish::Off, ..base };
        let own_mpi = PaymentFacts { own_mpi: Some(&mpi), ..base };
        let verify = PaymentFacts { kind: PayKind::VerifyAccount, eci: Eci::Moto, ..base };
        let by_hold = PaymentFacts { kind: PayKind::VerifyByHold, ..base };
        for (facts, brand, reason) in [
            (verify, Brand::Visa, Some(SkipReason::Verification)),
            (by_hold, Brand::Visa, Some(SkipReason::Verification)),
            (PaymentFacts { eci: Eci::Moto, ..base }, Brand::Visa, Some(SkipReason::NotEcommerce)),
            (PaymentFacts { eci: Eci::Recurring, ..base }, Brand::Amex, Some(SkipReason::NotEcommerce)),
            (PaymentFacts { eci: Eci::Recurring, ..own_mpi }, Brand::Visa, Some(SkipReason::NotEcommerce)),
            (own_mpi, Brand::Mastercard, Some(SkipReason::OwnMpi)),
            (own_mpi, Brand::Mada, Some(SkipReason::OwnMpi)),
            (off, Brand::Visa, Some(SkipReason::AskedByMerchant)),
            (off, Brand::Mastercard, Some(SkipReason::AskedByMerchant)),
            (off, Brand::Amex, Some(SkipReason::AskedByMerchant)),
            (off, Brand::Mada, None),
            (off, Brand::Meeza, None),
            (base, Brand::Mada, None),
        ] {
            let terms = ThreeDsTerms { soft_decline_retry: SoftDeclineRetry::On, ..terms(ThreeDsPolicy::Always) };
            for (turn, runs) in [(PaymentTurn::First, NO_PREFERENCE), (PaymentTurn::AfterSoftDecline, MANDATED)] {
                let decision = asked(&terms, &PaymentFacts { turn, ..facts }, brand);
                assert_eq!(decision, reason.map_or(runs, skip), "{facts:?} {brand} {turn:?}");
            }
        }
    }

    #[test]
    fn the_url_is_given_where_it_runs_and_always_for_authorizations_that_want_it() {
        let always = ThreeDsTerms { url_for_authorization: UrlForAuthorization::Always, ..terms(ThreeDsPolicy::Never) };
        let when_needed = terms(ThreeDsPolicy::Never);
        for (terms, kind, decision, gives) in [
            (&when_needed, PayKind::Purchase, NO_PREFERENCE, true),
            (&when_needed, PayKind::Authorization, MANDATED, true),
            (&when_needed, PayKind::Authorization, skip(SkipReason::Never), false),
            (&always, PayKind::Authorization, skip(SkipReason::Never), true),
            (&always, PayKind::Authorization, skip(SkipReason::AskedByMerchant), true),
            (&always, PayKind::Purchase, skip(SkipReason::Never), false),
            (&always, PayKind::Authorization, skip(SkipReason::OwnMpi), false),
            (&always, PayKind::Authorization, skip(SkipReason::NotEcommerce), false),
            (&always, PayKind::VerifyByHold, skip(SkipReason::Verification), false),
        ] {
            assert_eq!(terms.gives_url(kind, decision), gives, "{kind:?} {decision:?}");
        }
    }

    #[test]
    fn two_codes_of_the_network_ask_for_an_authentication() {
        for (code, is_soft) in [("1A", true), ("65", true), ("00", false), ("05", false), ("1a", false), ("", false)] {
            assert_eq!(is_soft_decline(code), is_soft, "{code}");
        }
    }

    #[test]
    fn stored_terms_of_before_read_as_the_defaults_and_new_ones_read_back() {
        let read = |json: &str| serde_json::from_str::<ThreeDsTerms>(json);
        assert_eq!(read("{}").unwrap(), ThreeDsTerms::default());
        let full = ThreeDsTerms {
            policy: from_100_dirhams(),
            soft_decline_retry: SoftDeclineRetry::On,
            url_for_authorization: UrlForAuthorization::Always,
            unavailable: UnavailableThreeDs::Refuse,
            own_mpi: OwnMpi::On,
        };
        assert_eq!(read(&serde_json::to_string(&full).unwrap()).unwrap(), full);
        assert!(read(r#"{"policies":"never"}"#).is_err(), "a setting that is not known is no setting");
    }

    #[test]
    fn names_of_settings_read_back() {
        for unavailable in UnavailableThreeDs::ALL {
            assert_eq!(UnavailableThreeDs::parse(unavailable.name()), Some(*unavailable));
            let json = serde_json::to_value(unavailable).unwrap();
            assert_eq!(json, unavailable.name(), "people and machines see one name");
        }
        for url in UrlForAuthorization::ALL {
            assert_eq!(serde_json::to_value(url).unwrap(), url.name());
        }
        assert_eq!(OwnMpi::parse("yes"), None);
    }
}
