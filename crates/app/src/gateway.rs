//! The gateway: the ports that the use cases need, and the entry to each of them.

use crate::agreement_desk::AgreementDesk;
use crate::channel::{self, ChannelKeys};
use crate::claims::Claims;
use crate::counted::Counted;
use crate::directory::{Account, Directory};
use crate::doubts::Doubts;
use crate::feedback::FeedbackWatch;
use crate::life::{BeginError, Life};
use crate::pay::Start;
use crate::payment_link::MessageWays;
use crate::route_days::RouteDays;
use crate::schedule::{DueCharge, ScheduleDesk};
use crate::stans::Stans;
use crate::three_ds::ThreeDs;
use crate::token_desk::TokenDesk;
use crate::{check_status, check_verification, list_tokens, maintain, pay, tokenize, update_token};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::task::TaskTracker;
use tollgate_acquirer::{Acquirer, LinkState};
use tollgate_core::answer::{Answer, OrderFacts};
use tollgate_core::audit::AuditEntry;
use tollgate_core::batch::BatchRowId;
use tollgate_core::card::CardFacts;
use tollgate_core::code::refused;
use tollgate_core::command::{
    ListTokensCommand, MaintainCommand, PayCommand, StatusCommand, TokenizeCommand, UpdateTokenCommand,
    VerificationStatusCommand,
};
use tollgate_core::held_code::HeldCodes;
use tollgate_core::ident::{MerchantId, Numbers, OperationId};
use tollgate_core::issuer_country::IssuerCountries;
use tollgate_core::order::WireReference;
use tollgate_core::page_face::Logo;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::Route;
use tollgate_core::three_ds::CardOrigin;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_store::{RefusalRow, Store, StoreError, Tenancy};
use tollgate_vault::{LinkKey, Vault, VaultError};

/// What a gateway is made of.
pub struct GatewayParts {
    /// Where it keeps things.
    pub store: Arc<dyn Store>,
    /// Who else may run on it.
    pub tenancy: Tenancy,
    /// What seals cards.
    pub vault: Arc<Vault>,
    /// The way to the card network.
    pub acquirer: Arc<dyn Acquirer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How it behaves.
    pub settings: GatewaySettings,
}

/// How a gateway behaves.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// The number of this node, 0 to 99: part of each `fort_id`, unique among nodes on one store.
    pub node: u8,
    /// How long a late answer may still settle an unknown outcome before its reversal is sent, in
    /// milliseconds.
    pub reversal_delay_ms: u64,
    /// The wait after the first recovery message that was not acknowledged, in milliseconds; it
    /// doubles with each.
    pub recovery_retry_ms_min: u64,
    /// The longest wait between two recovery messages, in milliseconds.
    pub recovery_retry_ms_max: u64,
    /// How many recovery messages may be under way at once.
    pub recovery_in_flight_max: usize,
    /// How many recovery messages may begin in a second. More wait; none is given up.
    pub recovery_per_second_max: u32,
    /// An outcome that is unknown for so long is told as a warning, in milliseconds.
    pub unknown_alert_after_ms: u64,
    /// One that is unknown for so long is told as an error, in milliseconds.
    pub unknown_alarm_after_ms: u64,
    /// Whether a second person has to approve what an operator settles by hand.
    pub four_eyes: bool,
    /// The longest time after which a merchant has an answer, in milliseconds: what is not known then is
    /// answered 15777 and goes on to its end. FORT clients wait 60 s.
    pub answer_ms_max: u64,
    /// Whether the acquirer takes charges without the customer that go back to no payment which the network has named.
    pub unlinked_charges: UnlinkedCharges,
}

/// What becomes of a charge of a token whose customer's payments the network never named, because they are older than such
/// names or were made elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlinkedCharges {
    /// It is sent without a name: the networks' interim rule, which an acquirer has to permit.
    #[default]
    Allowed,
    /// It is refused with 00113.
    Refused,
}

impl Default for GatewaySettings {
    fn default() -> GatewaySettings {
        GatewaySettings {
            node: 0,
            reversal_delay_ms: 10_000,
            recovery_retry_ms_min: 2_000,
            recovery_retry_ms_max: 300_000,
            recovery_in_flight_max: 32,
            recovery_per_second_max: 50,
            unknown_alert_after_ms: 5 * 60_000,
            unknown_alarm_after_ms: 60 * 60_000,
            four_eyes: false,
            answer_ms_max: 50_000,
            unlinked_charges: UnlinkedCharges::Allowed,
        }
    }
}

/// A request that was refused, with the order where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The order it was about, if that is the merchant's own.
    pub order: Option<OrderFacts>,
}

impl Refused {
    /// The answer to it.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer { order: self.order.clone(), ..Answer::bare(self.refusal.code) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { refusal, order: None }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        tracing::error!(%error, "the store failed before anything was sent");
        Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, format!("the store failed: {error}")).into()
    }
}

impl From<VaultError> for Refused {
    fn from(error: VaultError) -> Refused {
        tracing::error!(%error, "the vault failed before anything was sent");
        Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, format!("the vault failed: {error}")).into()
    }
}

/// A running gateway. Clones share everything.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

/// Where nobody has given a table.
static NO_COUNTRIES: IssuerCountries = IssuerCountries::none();

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) acquirer: Arc<dyn Acquirer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: GatewaySettings,
    pub(crate) directory: Directory,
    pub(crate) channel_keys: ChannelKeys,
    pub(crate) claims: Claims,
    /// Operations by the numbers of their kind and of what became of them.
    pub(crate) operations_counted: Counted<(u8, u8)>,
    pub(crate) doubts: Doubts,
    held_codes: Arc<Mutex<HeldCodes>>,
    pub(crate) three_ds: OnceLock<ThreeDs>,
    pub(crate) public_url: OnceLock<String>,
    /// Where cards were issued, as the operator's table says.
    countries: OnceLock<IssuerCountries>,
    pub(crate) link_key: tokio::sync::OnceCell<LinkKey>,
    pub(crate) route_days: RouteDays,
    pub(crate) life: Life,
    pub(crate) recovery_wanted: tokio::sync::Notify,
    pub(crate) batches_wanted: tokio::sync::Notify,
    pub(crate) feedback_watch: OnceLock<Arc<dyn FeedbackWatch>>,
    /// How customers can be told of anything; where it is not set, nobody is.
    pub(crate) message_ways: OnceLock<MessageWays>,
    /// Messages were written.
    pub(crate) messages_wanted: Arc<tokio::sync::Notify>,
    /// Counts the times when everything that waits for a moment has to look at the clock again.
    woken: tokio::sync::watch::Sender<u64>,
    numbers: Mutex<Numbers>,
    stans: Stans,
    pub(crate) in_flight: TaskTracker,
}

impl Gateway {
    /// A gateway of these parts, whose life on the store begins now.
    ///
    /// # Errors
    /// When the store fails, or another gateway with the same node number may be running on it.
    pub async fn begin(parts: GatewayParts) -> Result<Gateway, BeginError> {
        let life = Life::begin(&*parts.store, parts.settings.node, parts.tenancy, parts.clock.now()).await?;
        let directory = Directory::new(Arc::clone(&parts.store), Arc::clone(&parts.vault));
        let stans = Stans::new(parts.settings.node, parts.tenancy, parts.clock.now());
        let channel_keys =
            ChannelKeys::new(Arc::clone(&parts.store), Arc::clone(&parts.vault), Arc::clone(&parts.clock));
        let inner = Inner {
            numbers: Mutex::new(Numbers::new(parts.settings.node)),
            store: parts.store,
            vault: parts.vault,
            acquirer: parts.acquirer,
            clock: parts.clock,
            settings: parts.settings,
            directory,
            channel_keys,
            claims: Claims::default(),
            operations_counted: Counted::default(),
            doubts: Doubts::default(),
            held_codes: Arc::default(),
            three_ds: OnceLock::new(),
            public_url: OnceLock::new(),
            countries: OnceLock::new(),
            link_key: tokio::sync::OnceCell::new(),
            route_days: RouteDays::default(),
            life,
            recovery_wanted: tokio::sync::Notify::new(),
            batches_wanted: tokio::sync::Notify::new(),
            feedback_watch: OnceLock::new(),
            message_ways: OnceLock::new(),
            messages_wanted: Arc::default(),
            woken: tokio::sync::watch::Sender::new(0),
            stans,
            in_flight: TaskTracker::new(),
        };
        Ok(Gateway { inner: Arc::new(inner) })
    }

    /// From now on it is known where cards were issued. Only the first table counts.
    pub fn set_issuer_countries(&self, countries: IssuerCountries) {
        if self.inner.countries.set(countries).is_err() {
            tracing::error!("the countries of issuers are known already");
        }
    }

    /// The accounts.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    /// The keys of the encrypted trusted channel.
    #[must_use]
    pub fn channel_keys(&self) -> &ChannelKeys {
        &self.inner.channel_keys
    }

    /// The logo of a merchant's pages, if it has one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn merchant_logo(&self, merchant: MerchantId) -> Result<Option<Logo>, StoreError> {
        self.inner.store.merchant_logo(merchant).await
    }

    /// Now, by the gateway's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Lets every job look at the clock at once: what was to wait for a moment may be due.
    pub fn wake_jobs(&self) {
        self.inner.woken.send_modify(|times| *times = times.wrapping_add(1));
        self.inner.recovery_wanted.notify_one();
    }

    /// Changes with each [`Gateway::wake_jobs`]: for jobs outside of this crate that wait for a moment.
    #[must_use]
    pub fn jobs_woken(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.woken.subscribe()
    }

    /// The state of the link to the acquirer.
    #[must_use]
    pub fn link(&self) -> LinkState {
        self.inner.acquirer.state()
    }

    /// Whether nothing can be sent to the acquirer.
    #[must_use]
    pub fn link_is_down(&self) -> bool {
        self.link() == LinkState::Down
    }

    /// AUTHORIZATION, PURCHASE and VERIFY_CARD. Goes on to its end even when the caller stops waiting.
    ///
    /// # Errors
    /// When it is refused before it was sent.
    pub async fn pay(&self, account: Arc<Account>, command: PayCommand) -> Result<Answer, Refused> {
        self.pay_from(account, command, Start::NewOrder).await
    }

    /// The same for a row of a batch, which is begun with the order in one commit.
    pub(crate) async fn pay_row(
        &self,
        account: Arc<Account>,
        command: PayCommand,
        row: BatchRowId,
    ) -> Result<Answer, Refused> {
        self.pay_from(account, command, Start::BatchRow(row)).await
    }

    /// The same for a due date of a schedule, whose attempt is begun with the order in one commit.
    pub(crate) async fn pay_due(
        &self,
        account: Arc<Account>,
        command: PayCommand,
        due: DueCharge,
    ) -> Result<Answer, Refused> {
        self.pay_from(account, command, Start::Due(due)).await
    }

    async fn pay_from(
        &self,
        account: Arc<Account>,
        command: PayCommand,
        start: Start<'static>,
    ) -> Result<Answer, Refused> {
        let (gateway, unsettled) = (self.clone(), Unsettled::default());
        let told = unsettled.clone();
        // One place in memory for all of it: a task's future is moved several times before it runs, and once when it ends.
        let work = Box::pin(async move {
            let route = Route::of_payment(&command);
            let command = channel::take_card(&gateway.inner, &account, command).await?;
            let paid = pay::pay(&gateway.inner, &account, command, route, start, &told).await?;
            if let Some(release) = paid.release {
                // The merchant has the answer without waiting for it.
                let inner = Arc::clone(&gateway.inner);
                gateway.inner.in_flight.spawn(async move { release.carry_out(&inner).await });
            }
            Ok(paid.answer)
        });
        self.to_its_end(unsettled, work).await
    }

    /// CAPTURE, VOID_AUTHORIZATION and REFUND. Goes on to its end even when the caller stops waiting.
    ///
    /// # Errors
    /// When it is refused before it was sent.
    pub async fn maintain(&self, account: Arc<Account>, command: MaintainCommand) -> Result<Answer, Refused> {
        let (gateway, unsettled) = (self.clone(), Unsettled::default());
        let told = unsettled.clone();
        self.to_its_end(
            unsettled,
            Box::pin(async move { maintain::maintain(&gateway.inner, &account, command, None, &told).await }),
        )
        .await
    }

    /// The same for a row of a batch, which is begun with the operation in one commit.
    pub(crate) async fn maintain_row(
        &self,
        account: Arc<Account>,
        command: MaintainCommand,
        row: BatchRowId,
    ) -> Result<Answer, Refused> {
        let (gateway, unsettled) = (self.clone(), Unsettled::default());
        let told = unsettled.clone();
        let work =
            Box::pin(async move { maintain::maintain(&gateway.inner, &account, command, Some(row), &told).await });
        self.to_its_end(unsettled, work).await
    }

    /// CHECK_STATUS.
    pub async fn check_status(&self, account: &Account, command: &StatusCommand) -> Answer {
        check_status::check_status(&self.inner, account, command).await
    }

    /// CHECK_VERIFY_CARD_STATUS.
    pub async fn check_verification(&self, account: &Account, command: &VerificationStatusCommand) -> Answer {
        check_verification::check_verification(&self.inner, account, command).await
    }

    /// UPDATE_TOKEN.
    ///
    /// # Errors
    /// When it is refused, and nothing was changed.
    pub async fn update_token(&self, account: &Account, command: &UpdateTokenCommand) -> Result<Answer, Refused> {
        update_token::update_token(&self.inner, account, command).await
    }

    /// TOKENIZATION and CREATE_TOKEN, with card data from a form of the merchant's own.
    ///
    /// # Errors
    /// When it is refused, and nothing was kept.
    pub async fn tokenize(&self, account: &Account, command: TokenizeCommand) -> Result<Answer, Refused> {
        tokenize::tokenize(&self.inner, account, command).await
    }

    /// GET_TOKENS.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn list_tokens(&self, account: &Account, command: &ListTokensCommand) -> Result<Answer, Refused> {
        list_tokens::list_tokens(&self.inner, account, command).await
    }

    /// The agreements, for an operator.
    #[must_use]
    pub fn agreement_desk(&self) -> AgreementDesk {
        AgreementDesk::new(Arc::clone(&self.inner.store), Arc::clone(&self.inner.clock))
    }

    /// The schedules, for merchants and operators.
    #[must_use]
    pub fn schedule_desk(&self) -> ScheduleDesk {
        ScheduleDesk::new(Arc::clone(&self.inner.store), Arc::clone(&self.inner.clock))
    }

    /// The tokens, for an operator.
    #[must_use]
    pub fn token_desk(&self) -> TokenDesk {
        TokenDesk::beside(
            Arc::clone(&self.inner.store),
            Arc::clone(&self.inner.clock),
            Arc::clone(&self.inner.held_codes),
        )
    }

    /// Notes a refused request in the diary that the explainer reads.
    pub fn note_refusal(&self, row: RefusalRow) {
        if !self.inner.store.note_refusal(row) {
            metrics::counter!("tollgate_refusals_unnoted_total").increment(1);
        }
    }

    /// Writes an entry of the audit log that belongs to nothing else in the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.inner.store.note_audit(vec![entry]).await
    }

    /// Waits until every payment under way has its outcome on the disk. Take no new ones before.
    pub async fn finish(&self) {
        self.inner.in_flight.close();
        self.inner.in_flight.wait().await;
    }

    /// Runs `work` in a task of its own, so that a client that hangs up cannot stop a payment between
    /// its intent and its outcome. After `answer_ms_max` the merchant is told that nobody knows, and the
    /// work goes on.
    pub(crate) async fn to_its_end<F>(&self, unsettled: Unsettled, work: F) -> Result<Answer, Refused>
    where
        F: Future<Output = Result<Answer, Refused>> + Send + 'static,
    {
        let working = self.inner.in_flight.spawn(work);
        let limit = Duration::from_millis(self.inner.settings.answer_ms_max);
        match tokio::time::timeout(limit, working).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => {
                // Only a defect of ours ends here. Its order, if it was made, is found by the janitor.
                tracing::error!(%error, "a payment's task ended early");
                Ok(unsettled.answer())
            }
            Err(_) => {
                metrics::counter!("tollgate_answers_capped_total").increment(1);
                tracing::warn!(
                    answer_ms_max = self.inner.settings.answer_ms_max,
                    "a merchant was answered 15777 because the work takes too long; it goes on to its end"
                );
                Ok(unsettled.answer())
            }
        }
    }
}

/// What a merchant is told while nobody knows. A use case sets it as soon as its intent is durable, so
/// that the merchant hears which order it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsettled(Arc<OnceLock<Answer>>);

impl Unsettled {
    /// From now on the merchant is told this.
    pub(crate) fn set(&self, answer: Answer) {
        let _ = self.0.set(answer);
    }

    fn answer(&self) -> Answer {
        self.0.get().cloned().unwrap_or_else(|| Answer::bare(tollgate_core::code::UNCERTAIN))
    }
}

impl Inner {
    /// What counts of a card for the question whether 3-D Secure runs.
    pub(crate) fn origin<'a>(&'a self, facts: &'a CardFacts) -> CardOrigin<'a> {
        CardOrigin::of(facts, self.countries.get().unwrap_or(&NO_COUNTRIES))
    }

    /// Security codes that wait for their one authorization.
    pub(crate) fn held_codes(&self) -> MutexGuard<'_, HeldCodes> {
        // Each of its calls leaves it whole, so a poisoned lock is as good as any.
        self.held_codes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next number for an order or an operation.
    pub(crate) fn next_number(&self, now: Timestamp) -> OperationId {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).next(now)
    }

    /// How a new operation is named on the wire.
    pub(crate) fn wire_reference(&self, id: OperationId, now: Timestamp) -> WireReference {
        WireReference { stan: self.stans.next(), rrn: id.rrn(), sent_at: now }
    }

    /// Refuses when the link could not send now: better before an order is made than after.
    pub(crate) fn link_ready(&self) -> Result<(), Refusal> {
        let detail = match self.acquirer.state() {
            LinkState::Up => return Ok(()),
            LinkState::Down => "the link to the acquirer is down",
            LinkState::Full => "too many messages wait for the acquirer's answers",
        };
        Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::AcquirerLink, detail))
    }
}
