//! From where a merchant's requests may come: its client certificates and its addresses.

use crate::code::refused;
use crate::refusal::Refusal;
use crate::time::{DAY_US, Timestamp};
use std::fmt;
use std::net::IpAddr;

/// The most client certificates of one merchant: two of each of its servers during a change.
pub const CERTIFICATES_MAX: usize = 16;
/// The most source networks of one merchant.
pub const NETWORKS_MAX: usize = 64;
/// From how many days before its end a client certificate warns.
pub const CERTIFICATE_WARNING_DAYS: i64 = 30;

/// From where a merchant's requests may come. Both lists empty: from everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceTerms {
    /// One of these has to be shown; none: no certificate is asked for.
    pub certificates: Vec<PinnedCertificate>,
    /// The client's address has to lie in one of these; none: it may be any.
    pub networks: Vec<Network>,
    /// Which requests the two are about.
    pub requests: GuardedRequests,
}

/// Which requests have to come from the right place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardedRequests {
    /// Those with card data, in clear or encrypted. Payments by token and operations on orders may come from anywhere.
    #[default]
    CardData,
    /// All that are signed by the merchant.
    All,
}

impl GuardedRequests {
    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            GuardedRequests::CardData => "card-data",
            GuardedRequests::All => "all",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<GuardedRequests> {
        [GuardedRequests::CardData, GuardedRequests::All].into_iter().find(|requests| requests.name() == name)
    }
}

/// A client certificate that a merchant may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedCertificate {
    /// Which.
    pub fingerprint: Fingerprint,
    /// Its last moment, where the certificate itself was there when it was pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

/// Where a request came from, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestSource {
    /// The client's address; `None` when a proxy did not tell it.
    pub address: Option<IpAddr>,
    /// The client's certificate, of which it has proven that it holds the key.
    pub certificate: Option<ClientCertificate>,
}

/// A certificate that a client has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Which.
    pub fingerprint: Fingerprint,
    /// Its first moment, where it is known.
    pub valid_from: Option<Timestamp>,
    /// Its last moment, where it is known.
    pub valid_until: Option<Timestamp>,
}

/// Why a request came from the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongSource {
    /// Its address.
    Address,
    /// Its certificate.
    Certificate,
}

impl WrongSource {
    /// The name, as a metric's label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            WrongSource::Address => "address",
            WrongSource::Certificate => "certificate",
        }
    }
}

/// A request from the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// What was wrong.
    pub what: WrongSource,
    /// The refusal (00040).
    pub refusal: Refusal,
}

impl SourceTerms {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.certificates.is_empty() && self.networks.is_empty()
    }

    /// Judges where a request came from.
    ///
    /// # Errors
    /// 00040 when its address is in none of the networks, or its certificate is none of those pinned, or is not valid
    /// at `now`.
    pub fn judge(&self, source: &RequestSource, now: Timestamp) -> Result<(), Misplaced> {
        self.judge_address(source.address)?;
        self.judge_certificate(source.certificate, now)
    }

    fn judge_address(&self, address: Option<IpAddr>) -> Result<(), Misplaced> {
        if self.networks.is_empty() || address.is_some_and(|address| self.networks.iter().any(|of| of.holds(address))) {
            return Ok(());
        }
        let detail = address.map_or_else(
            || "its address is not known, since the proxy in front did not tell it as it should".to_owned(),
            |address| {
                format!(
                    "it came from {address}, which is in none of the merchant's source networks: `tollgate merchant set \
                     NAME --source add:NETWORK` adds one"
                )
            },
        );
        Err(misplaced(WrongSource::Address, detail))
    }

    fn judge_certificate(&self, shown: Option<ClientCertificate>, now: Timestamp) -> Result<(), Misplaced> {
        if self.certificates.is_empty() {
            return Ok(());
        }
        let wrong = |detail: String| Err(misplaced(WrongSource::Certificate, detail));
        let Some(shown) = shown else {
            return wrong("it came without the client certificate that this merchant has to show".to_owned());
        };
        let fingerprint = shown.fingerprint;
        let Some(pinned) = self.certificates.iter().find(|pinned| pinned.fingerprint == fingerprint) else {
            return wrong(format!(
                "its client certificate, SHA-256 {fingerprint}, is none of this merchant's: `tollgate merchant set NAME \
                 --client-cert add:FINGERPRINT` adds one"
            ));
        };
        if shown.valid_until.or(pinned.valid_until).is_some_and(|until| until < now) {
            return wrong(format!("its client certificate, SHA-256 {fingerprint}, has expired"));
        }
        if shown.valid_from.is_some_and(|from| from > now) {
            return wrong(format!("its client certificate, SHA-256 {fingerprint}, is not valid yet"));
        }
        Ok(())
    }
}

/// The days left of a certificate that ends at `valid_until`, when they are so few that somebody should be told;
/// negative when it has ended.
#[must_use]
pub fn certificate_days_left(valid_until: Timestamp, now: Timestamp) -> Option<i64> {
    let days_left = valid_until.0.saturating_sub(now.0).div_euclid(DAY_US);
    (days_left < CERTIFICATE_WARNING_DAYS).then_some(days_left)
}

fn misplaced(what: WrongSource, detail: String) -> Misplaced {
    // What is wrong is the sender or its account: nobody can tell which, and the sender is whom we can blame.
    let refusal = Refusal {
        code: refused::INVALID_SOURCE,
        parameter: None,
        guilty: crate::refusal::Guilty::MerchantRequest,
        detail: detail.into(),
    };
    Misplaced { what, refusal }
}

/// The SHA-256 of a certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads 64 hex digits, in any case, with or without colons between the bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Fingerprint> {
        let mut bytes = [0; 32];
        let mut places = bytes.iter_mut();
        let (mut high, mut colon_may_follow) = (None, false);
        for character in text.chars() {
            if character == ':' && std::mem::take(&mut colon_may_follow) {
                continue;
            }
            let digit = u8::try_from(character.to_digit(16)?).ok()?;
            match high.take() {
                None => high = Some(digit),
                Some(high) => {
                    *places.next()? = high << 4 | digit;
                    colon_may_follow = places.len() > 0;
                    continue;
                }
            }
            colon_may_follow = false;
        }
        (high.is_none() && places.len() == 0).then_some(Fingerprint(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A block of addresses, IPv4 or IPv6, as `10.0.0.0/8`. An IPv4 address written as an IPv6 one
/// (`::ffff:10.0.0.1`) is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first address.
    first: IpAddr,
    /// How many leading bits are given.
    prefix_bits: u8,
}

/// How many bits of an IPv6 address come before an IPv4 one inside it.
const MAPPED_BITS: u8 = 96;

impl Network {
    /// Reads an address, or an address with the number of its leading bits. The other bits have to be zero: what
    /// they would mean is not clear.
    #[must_use]
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits)),
        };
        let written: IpAddr = address.parse().ok()?;
        let first = written.to_canonical();
        let bits_max = if written.is_ipv4() { 32 } else { 128 };
        let given: u8 = match bits {
            None => bits_max,
            Some(bits) if bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
        };
        if given > bits_max {
            return None;
        }
        let prefix_bits = if written.is_ipv6() && first.is_ipv4() { given.checked_sub(MAPPED_BITS)? } else { given };
        let network = Network { first, prefix_bits };
        (network.masked(first) == Some(bits_of(first))).then_some(network)
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.masked(address) == Some(bits_of(self.first))
    }

    /// Whether every address of its kind lies in it.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix_bits == 0
    }

    /// The leading bits of an address, the others zero; `None` for one of the other kind.
    fn masked(&self, address: IpAddr) -> Option<u128> {
        let width = match (self.first, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) => 32,
            (IpAddr::V6(_), IpAddr::V6(_)) => 128,
            _ => return None,
        };
        let open_bits = width - u32::from(self.prefix_bits);
        Some(bits_of(address).checked_shr(open_bits).and_then(|bits| bits.checked_shl(open_bits)).unwrap_or(0))
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

/// Serde of a type that is written as one text.
macro_rules! as_text {
    ($type:ident, $expected:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = String::deserialize(deserializer)?;
                $type::parse(&text).ok_or_else(|| serde::de::Error::custom(concat!("expected ", $expected)))
            }
        }
    };
}

as_text!(Fingerprint, "64 hex digits, the SHA-256 of a certificate");
as_text!(Network, "an address or a network such as 10.0.0.0/8 or 2001:db8::/32, its other bits zero");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_660_000_000_000);

    fn pinned(byte: u8) -> PinnedCertificate {
        PinnedCertificate { fingerprint: Fingerprint([byte; 32]), valid_until: None }
    }

    fn shown(byte: u8) -> RequestSource {
        let fingerprint = Fingerprint([byte; 32]);
        RequestSource {
            address: None,
            certificate: Some(ClientCertificate { fingerprint, valid_from: None, valid_until: None }),
        }
    }

    fn from(address: &str) -> RequestSource {
        RequestSource { address: Some(address.parse().unwrap()), certificate: None }
    }

    #[test]
    fn an_address_counts_in_either_spelling_and_only_in_its_own_network() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().holds(address.parse().unwrap());
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("2001:db8::1", "2001:db8::1", true),
        ] {
            assert_eq!(holds(network, address), expected, "{address} in {network}");
        }
    }

    #[test]
    fn a_network_that_is_not_clear_is_refused() {
        for text in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/0008",
            "10.0.0",
            "::1/129",
            "::ffff:10.0.0.0/95",
            "2001:db8::1/32",
            "example.org",
            "",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        assert_eq!(Network::parse("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
    }

    #[test]
    fn a_fingerprint_is_64_hex_digits_with_colons_between_bytes_or_without() {
        let plain = "0123456789abcdef".repeat(4);
        let bytes: Vec<String> = plain.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into()).collect();
        let fingerprint = Fingerprint::parse(&plain).unwrap();
        assert_eq!(Fingerprint::parse(&bytes.join(":").to_uppercase()), Some(fingerprint));
        assert_eq!(fingerprint.to_string(), plain);
        for text in [&plain[1..], &plain[2..], &format!("{plain}00"), &format!("{plain}:"), &format!(":{plain}"), "x"] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
        assert_eq!(Fingerprint::parse(&bytes.join("::")), None);
        assert_eq!(Fingerprint::parse(&plain.replacen("01", "0:1", 1)), None);
    }

    #[test]
    fn one_of_several_certificates_and_one_of_several_networks_are_enough_and_both_are_needed() {
        let networks = vec![Network::parse("192.0.2.0/24").unwrap(), Network::parse("2001:db8::/32").unwrap()];
        let terms = SourceTerms { certificates: vec![pinned(1), pinned(2)], networks, ..SourceTerms::default() };
        let judge = |source: &RequestSource| terms.judge(source, NOW).map_err(|misplaced| misplaced.what);
        for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            for byte in [1, 2] {
                assert_eq!(judge(&RequestSource { certificate: shown(byte).certificate, ..from(address) }), Ok(()));
            }
            let other = RequestSource { certificate: shown(3).certificate, ..from(address) };
            assert_eq!(judge(&other), Err(WrongSource::Certificate));
            assert_eq!(judge(&from(address)), Err(WrongSource::Certificate));
        }
        let elsewhere = RequestSource { certificate: shown(1).certificate, ..from("198.51.100.1") };
        assert_eq!(judge(&elsewhere), Err(WrongSource::Address));
        assert_eq!(judge(&shown(1)), Err(WrongSource::Address), "an address that nobody told is none");
        let refusal = terms.judge(&elsewhere, NOW).unwrap_err().refusal;
        assert_eq!(refusal.code.to_string(), "00040");
        assert!(refusal.detail.contains("198.51.100.1"), "{refusal}");
        assert_eq!(SourceTerms::default().judge(&RequestSource::default(), NOW), Ok(()));
    }

    #[test]
    fn an_expired_certificate_is_refused_and_warns_30_days_before() {
        let after = Timestamp(NOW.0 + 1);
        let before = Timestamp(NOW.0 - 1);
        let terms = |valid_until| SourceTerms {
            certificates: vec![PinnedCertificate { valid_until, ..pinned(1) }],
            ..SourceTerms::default()
        };
        let mut source = shown(1);
        assert!(terms(None).judge(&source, NOW).is_ok(), "nobody knows when it ends");
        assert!(terms(Some(before)).judge(&source, NOW).is_err(), "a proxy may tell the fingerprint alone");
        assert!(terms(Some(after)).judge(&source, NOW).is_ok());
        source.certificate.as_mut().unwrap().valid_until = Some(before);
        assert!(terms(None).judge(&source, NOW).is_err());
        source.certificate.as_mut().unwrap().valid_until = Some(after);
        source.certificate.as_mut().unwrap().valid_from = Some(after);
        assert!(terms(None).judge(&source, NOW).is_err());
        let days_left = |days: i64| certificate_days_left(Timestamp(NOW.0 + days * DAY_US), NOW);
        assert_eq!([-1, 0, 29, 30].map(days_left), [Some(-1), Some(0), Some(29), None]);
    }

    #[test]
    fn terms_read_back_from_their_json() {
        let terms = SourceTerms {
            certificates: vec![pinned(7), PinnedCertificate { valid_until: Some(NOW), ..pinned(8) }],
            networks: vec![Network::parse("2001:db8::/32").unwrap()],
            requests: GuardedRequests::All,
        };
        let json = serde_json::to_string(&terms).unwrap();
        assert_eq!(serde_json::from_str::<SourceTerms>(&json).unwrap(), terms);
        assert!(serde_json::from_str::<Network>("\"10.0.0.1/8\"").is_err());
        for requests in [GuardedRequests::CardData, GuardedRequests::All] {
            assert_eq!(GuardedRequests::parse(requests.name()), Some(requests));
        }
    }
}
