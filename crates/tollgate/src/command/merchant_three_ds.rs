//! The options of `tollgate merchant set` that say when 3-D Secure runs.

use anyhow::{Context, bail};
use clap::Args;
use tollgate_core::issuer_country::Country;
use tollgate_core::merchant::ThreeDsTerms;
use tollgate_core::money::{Amount, Currency};
use tollgate_core::shown::harmless;
use tollgate_core::three_ds::{
    AmountFrom, CountryRule, OwnMpi, SoftDeclineRetry, ThreeDsPolicy, UnavailableThreeDs, UrlForAuthorization,
};

/// Before the amounts of the policy by amount.
const BY_AMOUNT: &str = "by-amount:";
/// Before the countries of the policy by country.
const BY_COUNTRY: &str = "by-country:";
/// Before countries whose cards are left out.
const NOT: &str = "not:";
/// How many countries one policy may name: as many as there are.
const COUNTRIES_MAX: usize = 249;

/// When 3-D Secure runs for a merchant's payments.
#[derive(Debug, Args)]
pub struct ThreeDsArgs {
    /// When 3-D Secure runs: always, never, on-soft-decline (only when the issuer wants it); from an amount on, in major
    /// units: by-amount:AED=100.00,KWD=10.000, and always in other currencies; or by the country of the card's issuer:
    /// by-country:AE,SA for these, by-country:not:AE,SA for all but these, and always where the country is not known
    /// (three_ds.issuer_countries)
    #[arg(long, value_name = "POLICY")]
    three_ds: Option<String>,
    /// Try a payment that the issuer declines for want of 3-D Secure once more, with a challenge
    #[arg(long, value_name = "on|off")]
    three_ds_soft_decline_retry: Option<String>,
    /// Answer AUTHORIZATION with 3ds_url always, or only when 3-D Secure runs
    #[arg(long, value_name = "always|when-needed")]
    three_ds_url_for_authorization: Option<String>,
    /// What becomes of a payment when 3-D Secure cannot be carried out: it goes on without, or is refused
    #[arg(long, value_name = "go-on|refuse")]
    three_ds_unavailable: Option<String>,
    /// Let it bring the result of an MPI of its own (3ds_status, ver_token and so on)
    #[arg(long, value_name = "on|off")]
    own_mpi: Option<String>,
}

impl ThreeDsArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut ThreeDsTerms) -> anyhow::Result<()> {
        if let Some(text) = &self.three_ds {
            terms.policy = policy(text)?;
        }
        if let Some(name) = &self.three_ds_soft_decline_retry {
            terms.soft_decline_retry = SoftDeclineRetry::parse(name)
                .with_context(|| format!("--three-ds-soft-decline-retry is on or off, not {name:?}"))?;
        }
        if let Some(name) = &self.three_ds_url_for_authorization {
            terms.url_for_authorization = UrlForAuthorization::parse(name)
                .with_context(|| format!("--three-ds-url-for-authorization is always or when-needed, not {name:?}"))?;
        }
        if let Some(name) = &self.three_ds_unavailable {
            terms.unavailable = UnavailableThreeDs::parse(name)
                .with_context(|| format!("--three-ds-unavailable is go-on or refuse, not {name:?}"))?;
        }
        if let Some(name) = &self.own_mpi {
            terms.own_mpi = OwnMpi::parse(name).with_context(|| format!("--own-mpi is on or off, not {name:?}"))?;
        }
        Ok(())
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &ThreeDsTerms) {
    for (what, words) in [
        ("3-D Secure", policy_words(&terms.policy)),
        ("  after soft decline", terms.soft_decline_retry.name().to_owned()),
        ("  url, AUTHORIZATION", terms.url_for_authorization.name().to_owned()),
        ("  unavailable", terms.unavailable.name().to_owned()),
        ("  own MPI", terms.own_mpi.name().to_owned()),
    ] {
        println!("{what:<22}{words}");
    }
}

fn policy(text: &str) -> anyhow::Result<ThreeDsPolicy> {
    match text {
        "always" => return Ok(ThreeDsPolicy::Always),
        "never" => return Ok(ThreeDsPolicy::Never),
        "on-soft-decline" => return Ok(ThreeDsPolicy::OnSoftDecline),
        _ => {}
    }
    if let Some(countries) = text.strip_prefix(BY_COUNTRY) {
        return by_country(countries);
    }
    match text.strip_prefix(BY_AMOUNT) {
        Some(amounts) => by_amount(amounts),
        None => bail!(
            "--three-ds is always, never, on-soft-decline, by-amount:CURRENCY=AMOUNT,... or by-country:COUNTRY,..., \
             not {:?}",
            harmless(text)
        ),
    }
}

fn by_country(text: &str) -> anyhow::Result<ThreeDsPolicy> {
    let (names, is_left_out) = match text.strip_prefix(NOT) {
        Some(names) => (names, true),
        None => (text, false),
    };
    let mut countries: Vec<Country> = Vec::new();
    for name in names.split(',').take(COUNTRIES_MAX) {
        let known = rust_iso3166::from_alpha2(name).and_then(|known| Country::parse(known.alpha2));
        let country = known.with_context(|| {
            format!(
                "--three-ds by-country: has countries as ISO 3166 writes them, like AE,SA, not {:?}",
                harmless(name)
            )
        })?;
        if countries.contains(&country) {
            bail!("--three-ds by-country: names {country} twice");
        }
        countries.push(country);
    }
    Ok(ThreeDsPolicy::ByCountry(match is_left_out {
        true => CountryRule::NotIn(countries),
        false => CountryRule::In(countries),
    }))
}

fn by_amount(amounts: &str) -> anyhow::Result<ThreeDsPolicy> {
    let mut rows: Vec<AmountFrom> = Vec::new();
    for part in amounts.split(',') {
        let row = amount_from(part).with_context(|| {
            format!(
                "--three-ds by-amount: has CURRENCY=AMOUNT in major units, like AED=100.00, not {:?}",
                harmless(part)
            )
        })?;
        if rows.iter().any(|known| known.currency == row.currency) {
            bail!("--three-ds by-amount: names {} twice", row.currency);
        }
        rows.push(row);
    }
    Ok(ThreeDsPolicy::ByAmount(rows))
}

fn amount_from(text: &str) -> Option<AmountFrom> {
    let (alpha, amount) = text.split_once('=')?;
    let currency = Currency::from_alpha(alpha)?;
    Some(AmountFrom { currency, minor: Amount::parse_major(amount, currency)?.minor() })
}

fn policy_words(policy: &ThreeDsPolicy) -> String {
    match policy {
        ThreeDsPolicy::Always => "always".to_owned(),
        ThreeDsPolicy::Never => "never".to_owned(),
        ThreeDsPolicy::OnSoftDecline => "on-soft-decline".to_owned(),
        ThreeDsPolicy::ByAmount(rows) => {
            let from: Vec<String> = rows.iter().filter_map(|row| Some(row.money()?.to_string())).collect();
            format!("by-amount: from {} on, always in other currencies", from.join(", "))
        }
        ThreeDsPolicy::ByCountry(CountryRule::In(countries)) => {
            format!("by-country: cards of {}, and of countries that are not known", names(countries))
        }
        ThreeDsPolicy::ByCountry(CountryRule::NotIn(countries)) => {
            format!("by-country: all cards but those of {}", names(countries))
        }
    }
}

fn names(countries: &[Country]) -> String {
    countries.iter().map(Country::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_policy_by_amount_is_read_in_major_units_of_each_currency() {
        let read = policy("by-amount:AED=100,KWD=10.5").unwrap();
        let row = |alpha: &str, minor| AmountFrom { currency: Currency::from_alpha(alpha).unwrap(), minor };
        assert_eq!(read, ThreeDsPolicy::ByAmount(vec![row("AED", 10_000), row("KWD", 10_500)]));
        assert_eq!(policy_words(&read), "by-amount: from 100.00 AED, 10.500 KWD on, always in other currencies");
        for wrong in ["", "sometimes", "by-amount:", "by-amount:AED", "by-amount:XXQ=1", "by-amount:AED=1,AED=2"] {
            assert!(policy(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_policy_by_country_names_those_for_which_it_runs_or_does_not() {
        let country = |text| Country::parse(text).unwrap();
        let inside = policy("by-country:AE,SA").unwrap();
        assert_eq!(inside, ThreeDsPolicy::ByCountry(CountryRule::In(vec![country("AE"), country("SA")])));
        assert_eq!(policy_words(&inside), "by-country: cards of AE, SA, and of countries that are not known");
        let outside = policy("by-country:not:AE").unwrap();
        assert_eq!(outside, ThreeDsPolicy::ByCountry(CountryRule::NotIn(vec![country("AE")])));
        assert_eq!(policy_words(&outside), "by-country: all cards but those of AE");
        for wrong in ["by-country:", "by-country:not:", "by-country:ae", "by-country:XQ", "by-country:AE,AE"] {
            assert!(policy(wrong).is_err(), "{wrong}");
        }
    }
}
