//! 3-D Secure 2 as the use cases need it: which card takes part, and the way to the directory server.
//!
//! The rules are in `tollgate-threeds`; a customer's way through them is in [`crate::checkout`].

use crate::directory::Account;
use crate::gateway::{Gateway, Inner};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tollgate_core::card::CardData;
use tollgate_core::checkout::Checkout;
use tollgate_core::money::Money;
use tollgate_core::time::Timestamp;
use tollgate_threeds::element::{AccountNumber, AuthenticationIndicator, Digits, Text, TransactionId, WebUrl};
use tollgate_threeds::flow::{AcsReach, MerchantTerms, Purchase, ServerTerms};
use tollgate_threeds::message::{Answer, MessageType, PRes, read_answer};
use tollgate_threeds::port::{DirectoryRequest, DirectoryServer};
use tollgate_threeds::ranges::{CardRanges, Participation, RequestorNumbers};

/// How long it is between two looks whether the card ranges have to be read again, in milliseconds of real time.
const RANGES_LOOK_MS: u64 = 5_000;
/// The most characters of the gateway's public address: `payment_link` has at most 150 (FORT), of which `/pay/` and the code take
/// 48. The links to a checkout that a directory server is told may be longer (EMVCo 3DS 2.2, `notificationURL`, 256).
pub const PUBLIC_URL_CHARS_MAX: usize = 102;

/// What a gateway needs to authenticate customers.
pub struct ThreeDsSetup {
    /// The way to the directory server.
    pub directory: Arc<dyn DirectoryServer>,
    /// `acquirerBIN`.
    pub acquirer_bin: Digits<1, 11>,
    /// `threeDSRequestorID`.
    pub requestor_id: Text<1, 35>,
    /// `threeDSRequestorName`.
    pub requestor_name: Text<1, 40>,
    /// `threeDSRequestorURL`.
    pub requestor_url: WebUrl<2048>,
    /// `threeDSServerRefNumber`.
    pub server_reference: Text<1, 32>,
    /// `threeDSServerOperatorID`.
    pub server_operator: Option<Text<1, 32>>,
    /// Which addresses of an ACS the browser is sent to.
    pub reach: AcsReach,
}

/// 3-D Secure of a running gateway.
pub(crate) struct ThreeDs {
    pub(crate) setup: ThreeDsSetup,
    ranges: Mutex<CardRanges>,
    /// One reading of the ranges at a time.
    reading: tokio::sync::Mutex<()>,
}

impl Gateway {
    /// From now on customers are authenticated. Only the first one counts. Reads the card ranges, and goes on to read them
    /// as long as the gateway is there.
    pub fn enable_three_ds(&self, setup: ThreeDsSetup) {
        let three_ds =
            ThreeDs { setup, ranges: Mutex::new(CardRanges::default()), reading: tokio::sync::Mutex::new(()) };
        if self.inner.three_ds.set(three_ds).is_err() {
            tracing::error!("3-D Secure is enabled already");
            return;
        }
        tokio::spawn(keep_ranges(Arc::downgrade(&self.inner)));
    }

    /// The address at which customers' browsers and the directory server reach this gateway, without a slash at its end.
    /// Only the first one counts.
    pub fn set_public_url(&self, url: String) {
        if self.inner.public_url.set(url).is_err() {
            tracing::error!("the public address is known already");
        }
    }
}

/// Reads the card ranges when they are due.
async fn keep_ranges(gateway: Weak<Inner>) {
    loop {
        match gateway.upgrade() {
            None => return,
            Some(inner) => {
                if let Some(three_ds) = inner.three_ds.get() {
                    three_ds.refresh(inner.clock.now()).await;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(RANGES_LOOK_MS)).await;
    }
}

impl ThreeDs {
    /// How a card is authenticated.
    pub(crate) async fn look_up(&self, card: &CardData, now: Timestamp) -> Participation {
        match self.ranges().look_up(&card.pan) {
            Participation::Unknown => {}
            known => return known,
        }
        // Nothing is known yet: the gateway has just started, or the directory server was away.
        self.refresh(now).await;
        self.ranges().look_up(&card.pan)
    }

    /// Asks the directory server for the card ranges, if they are due.
    async fn refresh(&self, now: Timestamp) {
        let _one = self.reading.lock().await;
        let numbers = RequestorNumbers {
            server_reference: self.setup.server_reference.clone(),
            server_operator: self.setup.server_operator.clone(),
        };
        let Some(id) = new_id() else { return };
        let Some(request) = self.ranges().next_request(id, &numbers, now) else { return };
        let sent = self.setup.directory.exchange(DirectoryRequest::of(&request, MessageType::PRes)).await;
        let mut ranges = self.ranges();
        match sent.map(|body| read_answer::<PRes>(&body)) {
            Ok(Ok(Answer::Message(answer))) => match ranges.answered(&request, &answer, now) {
                Ok(changes) => tracing::info!(
                    ranges = changes.total,
                    set = changes.set,
                    deleted = changes.deleted,
                    "the card ranges of the directory server are read"
                ),
                Err(error) => tracing::error!(%error, "the directory server's card ranges cannot be used"),
            },
            Ok(Ok(Answer::Erro(erro))) => {
                tracing::warn!(code = %erro.error_code, "the directory server gives no card ranges");
                ranges.refused(&erro, now);
            }
            Ok(Err(fault)) => {
                tracing::warn!(%fault, "the directory server's card ranges cannot be read");
                ranges.failed(now);
            }
            Err(error) => {
                tracing::warn!(%error, "the card ranges cannot be read");
                ranges.failed(now);
            }
        }
    }

    fn ranges(&self) -> MutexGuard<'_, CardRanges> {
        // Each of its calls leaves it whole.
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an AReq says besides the browser.
    pub(crate) fn purchase(
        &self,
        account: &Account,
        checkout: &Checkout,
        card: &CardData,
        money: Money,
        urls: PurchaseUrls,
        now: Timestamp,
    ) -> Option<Purchase> {
        let terms = &account.merchant.terms.acquirer;
        let country = rust_iso3166::from_alpha2(&terms.country)?;
        Some(Purchase {
            account: AccountNumber::new(card.pan.clone())?,
            expiry: Some(card.expiry),
            holder: card.holder.as_deref().and_then(Text::parse),
            email: checkout.params.get("customer_email").and_then(Text::parse),
            money,
            at: now,
            indicator: AuthenticationIndicator::Payment,
            merchant: MerchantTerms {
                requestor_id: self.setup.requestor_id.clone(),
                requestor_name: self.setup.requestor_name.clone(),
                requestor_url: self.setup.requestor_url.clone(),
                acquirer_merchant_id: Text::parse(terms.card_acceptor_id.trim())?,
                category: Digits::parse(&terms.category_code)?,
                country: Digits::parse(&format!("{:03}", country.numeric))?,
                name: Text::cut(&terms.shop_name),
            },
            server: ServerTerms {
                reference: self.setup.server_reference.clone(),
                operator: self.setup.server_operator.clone(),
                acquirer_bin: self.setup.acquirer_bin.clone(),
                results_url: urls.results,
            },
            notification_url: urls.notification,
        })
    }
}

/// Where the others answer to.
pub(crate) struct PurchaseUrls {
    /// The directory server, with the RReq.
    pub(crate) results: WebUrl<2048>,
    /// The ACS, with the CRes.
    pub(crate) notification: WebUrl<256>,
}

/// A new name for a transaction; `None` when the system gives no randomness.
pub(crate) fn new_id() -> Option<TransactionId> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(TransactionId::from_random(bytes))
}
