//! The demo merchant of `serve --dev`.

use tollgate_app::{AccountError, Accounts, NewMerchant};
use tollgate_core::batch::{BatchService, BatchTerms};
use tollgate_core::bin::Brand;
use tollgate_core::merchant::{
    AcquirerTerms, Attestation, CardTerms, ChannelTerms, CurrencyTerms, FeedbackTerms, LinkTerms, RecurringTerms,
    ShaType, Terms, ThreeDsTerms, TokenService, VerificationTerms,
};
use tollgate_core::money::Currency;
use tollgate_core::page::CustomPage;
use tollgate_core::three_ds::{OwnMpi, ThreeDsPolicy};
use tollgate_core::time::{DAY_US, Timestamp};

/// The demo merchant's handle.
pub const NAME: &str = "demo";
/// What it takes.
const CURRENCIES: [&str; 7] = ["AED", "SAR", "USD", "KWD", "BHD", "JOD", "OMR"];
/// What the demo merchant takes besides: a currency without decimals.
const CURRENCY_WITHOUT_DECIMALS: &str = "JPY";
/// How long its pretended attestation lasts.
const ATTESTATION_DAYS: i64 = 365;

/// Makes the demo merchant if it is not there yet, with random credentials.
///
/// # Errors
/// When the store or the vault fails.
pub async fn ensure(accounts: &Accounts, now: Timestamp) -> Result<(), AccountError> {
    match accounts.by_name(NAME).await {
        Ok(_) => return Ok(()),
        Err(AccountError::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let new = NewMerchant {
        name: NAME.into(),
        merchant_identifier: None,
        access_code: None,
        request_phrase: None,
        response_phrase: None,
        sha_type: ShaType::Sha256,
        terms: terms(now),
    };
    accounts.add(new).await.map(|_| ())
}

/// What the demo merchant may do: everything.
fn terms(now: Timestamp) -> Terms {
    let mut terms = Terms { trusted_channel: Some(attestation(now)), ..default_terms() };
    terms.channel.page.custom_page = CustomPage::On;
    terms.three_ds.own_mpi = OwnMpi::On;
    terms.batch.service = BatchService::On;
    terms.three_ds.policy = ThreeDsPolicy::Always;
    let yen = Currency::from_alpha(CURRENCY_WITHOUT_DECIMALS);
    terms.currencies.extend(yen.map(|currency| CurrencyTerms { currency, amount_minor_max: None }));
    terms
}

/// The terms of a new merchant when nothing else is said: all brands, the currencies of the region,
/// and the trusted channel off.
pub fn default_terms() -> Terms {
    Terms {
        currencies: CURRENCIES
            .into_iter()
            .filter_map(Currency::from_alpha)
            .map(|currency| CurrencyTerms { currency, amount_minor_max: None })
            .collect(),
        payment_options: Brand::ALL.to_vec(),
        trusted_channel: None,
        acquirer: AcquirerTerms {
            card_acceptor_id: "TOLLGATE0000001".into(),
            terminal_id: "TG000001".into(),
            category_code: "5999".into(),
            shop_name: "TOLLGATE SHOP".into(),
            city: "DUBAI".into(),
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
        seller: tollgate_core::invoice::Seller::default(),
    }
}

/// The sandbox has no assessor: the attestation says so.
fn attestation(now: Timestamp) -> Attestation {
    Attestation {
        level: 1,
        assessor: "none: sandbox".into(),
        document: "none: sandbox".into(),
        document_sha256: "0".repeat(64),
        valid_until: Timestamp(now.0.saturating_add(ATTESTATION_DAYS * DAY_US)),
        verified_by: "tollgate serve --dev".into(),
        verified_at: now,
    }
}
