//! What there is before a run begins: cards, merchants, their accounts.

use std::sync::LazyLock;
use tollgate_app::{AccountError, Accounts, NewMerchant};
use tollgate_core::billing::ChargeHour;
use tollgate_core::bin::Brand;
use tollgate_core::card::luhn;
use tollgate_core::feedback::{FeedbackKind, FeedbackTerms};
use tollgate_core::ident::MerchantId;
use tollgate_core::merchant::{
    AcquirerTerms, Attestation, CardTerms, ChannelTerms, CurrencyTerms, RecurringTerms, ShaType, Terms, ThreeDsTerms,
    TokenService, VerificationTerms,
};
use tollgate_core::money::Currency;
use tollgate_core::secret::Secret;
use tollgate_core::time::{DAY_US, Timestamp};

use crate::clock::BEGINNING;

/// How many merchants there are.
pub const MERCHANTS: u64 = 3;
/// How many cards there are.
pub const CARDS: u64 = 24;
/// What merchants charge in: two decimals, three, and none.
#[must_use]
#[allow(clippy::expect_used, reason = "the table of ISO 4217 has these three, whatever a run does")]
pub fn currencies() -> [Currency; 3] {
    // Each session is drawn from its seed many times over.
    static CURRENCIES: LazyLock<[Currency; 3]> = LazyLock::new(|| {
        ["AED", "KWD", "JPY"].map(|alpha| Currency::from_alpha(alpha).expect("a currency of ISO 4217"))
    });
    *CURRENCIES
}

/// The card numbers: those of no real card, with right check digits.
#[must_use]
pub fn card_numbers() -> Vec<String> {
    let number = |card: u64| {
        let bare = format!("400555{card:09}");
        (0..10).map(|digit| format!("{bare}{digit}")).find(|number| luhn(number)).unwrap_or(bare)
    };
    (0..CARDS).map(number).collect()
}

/// The access code of a merchant.
#[must_use]
pub fn access_code(merchant: u64) -> String {
    format!("ACCESS{merchant}")
}

/// The merchant with this number in the store.
#[must_use]
pub fn merchant_of(id: MerchantId) -> u64 {
    u64::try_from(id.0).unwrap_or(0).saturating_sub(1)
}

/// The number in the store of a merchant.
#[must_use]
pub fn merchant_id(merchant: u64) -> MerchantId {
    MerchantId(i64::try_from(merchant).unwrap_or(0) + 1)
}

/// The card with this masked number, by its place in the list of cards: its last four digits tell it.
#[must_use]
pub fn card_of_mask(cards: &[String], mask: &str) -> Option<usize> {
    let last = |number: &str| number.get(number.len().saturating_sub(4)..).map(str::to_owned);
    cards.iter().position(|number| last(number) == last(mask))
}

/// Where a merchant's feedback goes. The last merchant has no URL.
#[must_use]
pub fn feedback_url(merchant: u64, kind: FeedbackKind) -> Option<String> {
    (merchant + 1 < MERCHANTS).then(|| format!("https://shop-{merchant}.example.com/{kind}"))
}

/// Opens the merchants' accounts, as an operator would.
///
/// # Errors
/// When the store or the vault fails.
pub async fn open_accounts(accounts: &Accounts) -> Result<(), AccountError> {
    for merchant in 0..MERCHANTS {
        let phrase = || Some(Secret::new(format!("phrase of {merchant}")));
        accounts
            .add(NewMerchant {
                name: format!("shop-{merchant}"),
                merchant_identifier: Some(format!("SHOP{merchant}")),
                access_code: Some(access_code(merchant)),
                request_phrase: phrase(),
                response_phrase: phrase(),
                sha_type: ShaType::Sha256,
                terms: terms(merchant),
            })
            .await?;
    }
    Ok(())
}

fn terms(merchant: u64) -> Terms {
    Terms {
        currencies: currencies().map(|currency| CurrencyTerms { currency, amount_minor_max: None }).to_vec(),
        payment_options: vec![Brand::Visa],
        trusted_channel: Some(Attestation {
            level: 1,
            assessor: "Simulated".to_owned(),
            document: "attestation.pdf".to_owned(),
            document_sha256: "00".repeat(32),
            valid_until: Timestamp(BEGINNING.0 + 365 * DAY_US),
            verified_by: "simulation".to_owned(),
            verified_at: BEGINNING,
        }),
        acquirer: AcquirerTerms {
            card_acceptor_id: format!("SHOP{merchant:011}"),
            terminal_id: format!("T{merchant:07}"),
            category_code: "5999".to_owned(),
            shop_name: "Simulated shop".to_owned(),
            city: "Dubai".to_owned(),
            country: "AE".to_owned(),
        },
        feedback: FeedbackTerms {
            direct_url: feedback_url(merchant, FeedbackKind::Direct),
            notification_url: feedback_url(merchant, FeedbackKind::Notification),
            ..FeedbackTerms::default()
        },
        channel: ChannelTerms::default(),
        tokens: TokenService::On,
        cards: CardTerms::default(),
        verification: VerificationTerms::default(),
        three_ds: ThreeDsTerms::default(),
        recurring: RecurringTerms { charge_hour: ChargeHour::new(12).unwrap_or_default(), ..RecurringTerms::default() },
        batch: tollgate_core::batch::BatchTerms::default(),
        links: tollgate_core::merchant::LinkTerms::default(),
        seller: tollgate_core::invoice::Seller::default(),
    }
}
