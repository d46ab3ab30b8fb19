//! What an account is and may do.

pub use crate::agreement::RecurringTerms;
use crate::batch::BatchTerms;
use crate::bin::Brand;
pub use crate::card_terms::CardTerms;
pub use crate::channel::ChannelTerms;
pub use crate::feedback::FeedbackTerms;
use crate::ident::MerchantId;
use crate::invoice::Seller;
pub use crate::link_notice::LinkTerms;
use crate::money::{Amount, Currency};
use crate::secret::Secret;
pub use crate::three_ds::ThreeDsTerms;
use crate::time::{DAY_US, Timestamp};
pub use crate::verification::VerificationTerms;

/// From how many days before its end an attestation warns.
pub const ATTESTATION_WARNING_DAYS: i64 = 60;

/// A merchant account.
#[derive(Clone, Debug)]
pub struct Merchant {
    /// The gateway's own number.
    pub id: MerchantId,
    /// What operators call it, for example `demo`: 1 to 40 of `a-z 0-9 -`.
    pub name: String,
    /// FORT's `merchant_identifier`, up to 20 letters and digits.
    pub merchant_identifier: String,
    /// Whether it may do anything at all.
    pub active: bool,
    /// Access codes with their phrases; at least one.
    pub credentials: Vec<Credential>,
    /// What it may do.
    pub terms: Terms,
}

impl Merchant {
    /// The credential of an access code, if it is one of this merchant's.
    #[must_use]
    pub fn credential(&self, access_code: &str) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.access_code == access_code)
    }
}

/// One access code and the phrases that go with it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// FORT's `access_code`, up to 20 letters and digits.
    pub access_code: String,
    /// The digest of both directions.
    pub sha_type: ShaType,
    /// Phrases that requests may be signed with: one, or two during a rotation, the newest first.
    pub request_phrases: Vec<Secret>,
    /// The phrase that answers are signed with.
    pub response_phrase: Secret,
}

/// The digest of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ShaType {
    /// SHA-1, which FORT calls SHA-128. Discouraged.
    #[serde(rename = "SHA-128")]
    Sha128,
    /// SHA-256, the default everywhere.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// SHA-512.
    #[serde(rename = "SHA-512")]
    Sha512,
    /// HMAC with SHA-256, keyed by the phrase.
    #[serde(rename = "HMAC-256")]
    Hmac256,
    /// HMAC with SHA-512, keyed by the phrase.
    #[serde(rename = "HMAC-512")]
    Hmac512,
}

impl ShaType {
    /// All of them.
    pub const ALL: [ShaType; 5] =
        [ShaType::Sha128, ShaType::Sha256, ShaType::Sha512, ShaType::Hmac256, ShaType::Hmac512];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ShaType::Sha128 => "SHA-128",
            ShaType::Sha256 => "SHA-256",
            ShaType::Sha512 => "SHA-512",
            ShaType::Hmac256 => "HMAC-256",
            ShaType::Hmac512 => "HMAC-512",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<ShaType> {
        ShaType::ALL.into_iter().find(|sha| sha.name() == name)
    }
}

/// What a merchant may do. Everything here can be changed while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Currencies it takes, each with its own limit per transaction.
    pub currencies: Vec<CurrencyTerms>,
    /// Brands it takes.
    pub payment_options: Vec<Brand>,
    /// The trusted channel: `None` is off.
    pub trusted_channel: Option<Attestation>,
    /// Who it is at the acquirer.
    pub acquirer: AcquirerTerms,
    /// Where transaction feedback goes; `None` is nowhere.
    #[serde(default)]
    pub feedback: FeedbackTerms,
    /// How its requests may come.
    #[serde(default)]
    pub channel: ChannelTerms,
    /// Whether its cards may be kept under tokens.
    #[serde(default)]
    pub tokens: TokenService,
    /// How its cards are verified.
    #[serde(default)]
    pub verification: VerificationTerms,
    /// How many tokens and customers its cards may have.
    #[serde(default)]
    pub cards: CardTerms,
    /// When 3-D Secure runs.
    #[serde(default)]
    pub three_ds: ThreeDsTerms,
    /// How it may charge customers who are not present.
    #[serde(default)]
    pub recurring: RecurringTerms,
    /// Whether it may upload batches, and of what.
    #[serde(default)]
    pub batch: BatchTerms,
    /// How its payment links are told of.
    #[serde(default)]
    pub links: LinkTerms,
    /// Who sells, as it stands on invoices.
    #[serde(default)]
    pub seller: Seller,
}

/// Whether a merchant's cards may be kept under tokens. Nothing is kept unless a request asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenService {
    /// They may.
    #[default]
    On,
    /// They may not; a `token_name` is refused with 00038.
    Off,
}

impl Terms {
    /// Whether card data may come over the trusted channel at `now`.
    #[must_use]
    pub fn trusted_channel_at(&self, now: Timestamp) -> TrustedChannel {
        match &self.trusted_channel {
            None => TrustedChannel::NotActivated,
            Some(attestation) if now >= attestation.valid_until => TrustedChannel::Expired,
            Some(attestation) => {
                let days_left = (attestation.valid_until.0 - now.0) / DAY_US;
                TrustedChannel::Active { days_left }
            }
        }
    }

    /// The terms of one currency, if the merchant takes it.
    #[must_use]
    pub fn currency(&self, currency: Currency) -> Option<&CurrencyTerms> {
        self.currencies.iter().find(|terms| terms.currency == currency)
    }
}

/// The state of a merchant's trusted channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedChannel {
    /// No operator has verified a PCI DSS attestation.
    NotActivated,
    /// The attestation has run out.
    Expired,
    /// Open.
    Active {
        /// Whole days until the attestation runs out.
        days_left: i64,
    },
}

impl TrustedChannel {
    /// Open, but for fewer than [`ATTESTATION_WARNING_DAYS`] days.
    #[must_use]
    pub fn warns(self) -> bool {
        matches!(self, TrustedChannel::Active { days_left } if days_left < ATTESTATION_WARNING_DAYS)
    }
}

/// One currency that a merchant takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrencyTerms {
    /// ISO 4217.
    pub currency: Currency,
    /// The most one transaction may be, in minor units; `None` is no limit of ours.
    #[serde(default)]
    pub amount_minor_max: Option<u64>,
}

impl CurrencyTerms {
    /// Whether `amount` is within the limit per transaction.
    #[must_use]
    pub fn allows(&self, amount: Amount) -> bool {
        self.amount_minor_max.is_none_or(|max| amount.minor() <= max)
    }
}

/// A merchant's PCI DSS attestation of compliance, as an operator verified it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// PCI DSS merchant or service provider level, 1 to 4.
    pub level: u8,
    /// The assessor (QSA company or internal assessor).
    pub assessor: String,
    /// The document's file name.
    pub document: String,
    /// SHA-256 of the document, lower-case hex.
    pub document_sha256: String,
    /// From this moment on it no longer counts.
    pub valid_until: Timestamp,
    /// The person who verified it.
    pub verified_by: String,
    /// When.
    pub verified_at: Timestamp,
}

/// Who the merchant is at the acquirer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcquirerTerms {
    /// Card acceptor identification code (ISO 8583:1987 field 42, ans 15).
    pub card_acceptor_id: String,
    /// Card acceptor terminal identification (field 41, ans 8).
    pub terminal_id: String,
    /// Merchant category code (field 18, n 4).
    pub category_code: String,
    /// Name of the shop, for field 43 (25 characters go out).
    pub shop_name: String,
    /// City, for field 43 (13 characters go out).
    pub city: String,
    /// ISO 3166 alpha-2 country, for field 43.
    pub country: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn attested_until(date: &str) -> Terms {
        Terms {
            currencies: vec![],
            payment_options: vec![],
            trusted_channel: Some(Attestation {
                level: 1,
                assessor: "A".into(),
                document: "aoc.pdf".into(),
                document_sha256: "00".into(),
                valid_until: Timestamp::parse_date(date).unwrap(),
                verified_by: "op".into(),
                verified_at: Timestamp(0),
            }),
            acquirer: AcquirerTerms {
                card_acceptor_id: "M".into(),
                terminal_id: "T".into(),
                category_code: "5999".into(),
                shop_name: "S".into(),
                city: "Dubai".into(),
                country: "AE".into(),
            },
            feedback: FeedbackTerms::default(),
            channel: ChannelTerms::default(),
            tokens: TokenService::On,
            cards: CardTerms::default(),
            verification: VerificationTerms::default(),
            three_ds: ThreeDsTerms::default(),
            recurring: RecurringTerms::default(),
            batch: BatchTerms::default(),
            links: LinkTerms::default(),
            seller: Seller::default(),
        }
    }

    #[test]
    fn the_trusted_channel_closes_with_the_attestation_and_warns_60_days_before() {
        let terms = attested_until("2027-03-01");
        let at = |date: &str| terms.trusted_channel_at(Timestamp::parse_date(date).unwrap());
        assert_eq!(at("2027-03-01"), TrustedChannel::Expired);
        assert_eq!(at("2027-02-28"), TrustedChannel::Active { days_left: 1 });
        assert!(at("2027-01-01").warns());
        assert!(!at("2026-12-31").warns());
        let off = Terms { trusted_channel: None, ..terms.clone() };
        assert_eq!(off.trusted_channel_at(Timestamp(0)), TrustedChannel::NotActivated);
    }

    #[test]
    fn sha_types_read_back() {
        for sha in ShaType::ALL {
            assert_eq!(ShaType::parse(sha.name()), Some(sha));
        }
        assert_eq!(ShaType::parse("sha-256"), None);
    }
}
