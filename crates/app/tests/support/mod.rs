//! Gateways on one store, each with a wire of its own on which the test answers.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tollgate_acquirer::{
    Acquirer, Exchange, ExchangeResult, LateReply, LinkState, NetworkKind, NetworkReply, NetworkRequest, WireTrace,
};
use tollgate_app::{
    Account, Accounts, BeginError, Gateway, GatewayParts, GatewaySettings, Jobs, NewMerchant, Refused, SeenCheckout,
    begin_audit,
};
use tollgate_core::answer::Answer;
use tollgate_core::audit::AuditWho;
use tollgate_core::bin::Brand;
use tollgate_core::card::SecurityCode;
use tollgate_core::checkout::{Typed, TypedCard};
use tollgate_core::command::{CardInput, Eci, PayCommand, SafeParams, ThreeDsWish, TokenizeCommand, TokenizeKind};
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::merchant::{
    AcquirerTerms, Attestation, CardTerms, ChannelTerms, CurrencyTerms, FeedbackTerms, RecurringTerms, ShaType, Terms,
    ThreeDsTerms, TokenService, VerificationTerms,
};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{Order, PayKind};
use tollgate_core::secret::Secret;
use tollgate_core::time::{Clock, DAY_US, Timestamp};
use tollgate_core::verification::VerificationMethod;
use tollgate_store::{Lives, Merchants, Orders, Story, StoryOutcome, Tenancy, TokenFilter, Tokens};
use tollgate_store_sqlite::SqliteStore;
use tollgate_vault::{FileKeyProvider, MemoryDataKeys, StoredDataKeys, Vault};

const BEGINNING: Timestamp = Timestamp(1_795_176_000_000_000);

/// A store, and everything that its gateways share.
pub struct House {
    pub store: Arc<SqliteStore>,
    vault: Arc<Vault>,
    began: Instant,
    _keys: tempfile::TempDir,
}

/// A gateway with its wire and its clock.
pub struct Node {
    pub gateway: Gateway,
    pub wire: Arc<Wire>,
    pub clock: Arc<HouseClock>,
    pub account: Arc<Account>,
}

impl House {
    pub async fn build() -> House {
        let (keys, began) = (tempfile::tempdir().unwrap(), Instant::now());
        let store = Arc::new(SqliteStore::in_memory_for_simulation().unwrap());
        let provider = FileKeyProvider::create_or_open(&keys.path().join("keys"), StoredDataKeys::NoneYet).unwrap();
        let vault = Arc::new(Vault::open(Box::new(provider), Arc::new(MemoryDataKeys::new())).await.unwrap());
        let who = AuditWho::Gateway("house".into());
        begin_audit(&*store, &vault, HouseClock::since(began), who).await.unwrap();
        let accounts = Accounts::new(store.clone(), vault.clone(), HouseClock::since(began));
        let added = accounts.add(NewMerchant {
            name: "shop".into(),
            merchant_identifier: None,
            access_code: Some("ACCESS".into()),
            request_phrase: None,
            response_phrase: None,
            sha_type: ShaType::Sha256,
            terms: terms(),
        });
        added.await.unwrap();
        House { store, vault, began, _keys: keys }
    }

    /// Begins a gateway. Without [`Node::start_jobs`] it does not renew its lease, like a process that is
    /// paused.
    pub async fn node(&self, node: u8) -> Node {
        self.try_node(node, Tenancy::Shared).await.unwrap()
    }

    pub async fn try_node(&self, node: u8, tenancy: Tenancy) -> Result<Node, BeginError> {
        let (wire, clock) = (Arc::new(Wire::default()), HouseClock::since(self.began));
        let settings =
            GatewaySettings { node, reversal_delay_ms: 1_000, answer_ms_max: 600_000, ..GatewaySettings::default() };
        let gateway = Gateway::begin(GatewayParts {
            store: self.store.clone(),
            tenancy,
            vault: self.vault.clone(),
            acquirer: wire.clone(),
            clock: clock.clone(),
            settings,
        })
        .await?;
        let account = gateway.directory().by_access_code("ACCESS").await.unwrap().unwrap();
        Ok(Node { gateway, wire, clock, account })
    }

    /// The merchant's account, to be changed.
    pub fn accounts(&self) -> Accounts {
        Accounts::new(self.store.clone(), self.vault.clone(), HouseClock::since(self.began))
    }

    pub async fn living(&self) -> Vec<(i64, u8)> {
        self.store.lives().await.unwrap().iter().map(|row| (row.life.0, row.node)).collect()
    }

    pub async fn story(&self, reference: &str) -> Story {
        let found = self.store.orders_by_reference(reference, 2).await.unwrap();
        assert_eq!(found.len(), 1, "{reference} is one order");
        self.store.story(found[0]).await.unwrap().unwrap()
    }

    pub async fn order(&self, reference: &str) -> Order {
        self.story(reference).await.order
    }

    /// The merchant of everything.
    pub async fn merchant(&self) -> MerchantId {
        self.store.merchants().await.unwrap()[0].id
    }

    /// The names of all tokens, provisional ones too.
    pub async fn token_names(&self) -> Vec<String> {
        let tokens = self.store.tokens(&TokenFilter::all_of(self.merchant().await, 100)).await.unwrap();
        tokens.into_iter().map(|token| token.name).collect()
    }

    /// The events of the order's first operation.
    pub async fn events(&self, reference: &str) -> Vec<String> {
        let told = self.story(reference).await;
        let name = |outcome: &StoryOutcome| outcome.event.to_string();
        told.operations[0].outcomes.iter().map(name).collect()
    }

    pub async fn operation(&self, reference: &str) -> OperationId {
        self.story(reference).await.operations[0].operation.id
    }
}

impl Node {
    pub async fn start_jobs(&self) -> Jobs {
        let (_late, replies) = tokio::sync::mpsc::channel::<LateReply>(1);
        Jobs::start(&self.gateway, replies).await.unwrap()
    }

    /// A purchase of 1.00 AED, on its way.
    pub fn pay(&self, reference: &str) -> tokio::task::JoinHandle<Result<Answer, Refused>> {
        self.ask(PayKind::Purchase, reference)
    }

    /// The verification of a card, on its way.
    pub fn verify(&self, reference: &str) -> tokio::task::JoinHandle<Result<Answer, Refused>> {
        self.ask(PayKind::VerifyAccount, reference)
    }

    /// A customer comes to the page for a purchase of 1.00 AED. The link to it.
    pub async fn come(&self, reference: &str) -> Result<String, Refused> {
        let command = PayCommand { card: None, ..command(PayKind::Purchase, reference) };
        let link = self.gateway.open_payment_page(&self.account, "ACCESS", &command).await?;
        Ok(link.as_str().to_owned())
    }

    /// A customer comes to the page for a token, to be kept under the merchant's own name or under one of ours. The link
    /// to it.
    pub async fn come_for_token(&self, kind: TokenizeKind, token_name: Option<&str>) -> Result<String, Refused> {
        let command = TokenizeCommand {
            kind,
            merchant_reference: "form".to_owned(),
            card: None,
            token_name: token_name.map(str::to_owned),
            currency: None,
            remember_me: None,
        };
        let params = SafeParams::default();
        let link = self.gateway.open_token_page(&self.account, "ACCESS", &command, &params).await?;
        Ok(link.as_str().to_owned())
    }

    /// The page as it stands.
    pub async fn look(&self, link: &str) -> Arc<SeenCheckout> {
        Arc::new(self.gateway.checkout(link).await.unwrap().unwrap())
    }

    /// A card that the customer has typed on the page as it was seen, on its way.
    pub fn send(&self, seen: &Arc<SeenCheckout>) -> tokio::task::JoinHandle<Result<(), Refused>> {
        let (gateway, seen) = (self.gateway.clone(), Arc::clone(seen));
        let typed = Typed { card: TypedCard::New(card()), remember_me: None };
        tokio::spawn(async move { gateway.submit_card(seen, typed, None).await })
    }

    fn ask(&self, kind: PayKind, reference: &str) -> tokio::task::JoinHandle<Result<Answer, Refused>> {
        let command = command(kind, reference);
        let (gateway, account) = (self.gateway.clone(), self.account.clone());
        tokio::spawn(async move { gateway.pay(account, command).await })
    }
}

fn card() -> CardInput {
    CardInput {
        number: Some(Secret::new("4005550000000001".to_owned())),
        expiry: Some("3012".to_owned()),
        security_code: SecurityCode::parse("123"),
        holder: None,
    }
}

pub fn command(kind: PayKind, reference: &str) -> PayCommand {
    PayCommand {
        kind,
        merchant_reference: reference.to_owned(),
        money: Money { amount: Amount::from_minor(100).unwrap(), currency: Currency::from_alpha("AED").unwrap() },
        eci: Eci::Ecommerce,
        card: Some(card()),
        encrypted_card: None,
        token_name: None,
        token_security_code: None,
        remember_me: None,
        payment_option: None,
        three_ds: ThreeDsWish::Default,
        authentication: None,
        settlement_reference: None,
        recurring: tollgate_core::agreement::RecurringWish::default(),
        params: SafeParams::default(),
    }
}

/// Lets virtual time go by until something holds, at most `seconds_max`.
pub async fn until(seconds_max: u64, what: &str, holds: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds_max);
    while !holds().await {
        assert!(Instant::now() < end, "it never came to this: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Lets virtual time go by. The clock of a test is paused: this waits for nothing real.
pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A link on which the test answers.
#[derive(Default)]
pub struct Wire {
    waiting: Mutex<Vec<Waiting>>,
    sent: Mutex<Vec<NetworkKind>>,
    is_down: AtomicBool,
}

struct Waiting {
    kind: NetworkKind,
    answer: oneshot::Sender<String>,
}

impl Wire {
    /// What was sent, in order.
    pub fn sent(&self) -> Vec<NetworkKind> {
        self.sent.lock().unwrap().clone()
    }

    /// Nothing can be sent any more.
    pub fn go_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    /// It can again.
    pub fn come_up(&self) {
        self.is_down.store(false, Ordering::Relaxed);
    }

    /// Whether a message of `kind` waits for its answer.
    pub fn waits_for(&self, kind: NetworkKind) -> bool {
        self.waiting.lock().unwrap().iter().any(|message| message.kind == kind)
    }

    /// Answers the oldest message of `kind` that waits.
    pub fn answer(&self, kind: NetworkKind, code: &str) {
        let mut waiting = self.waiting.lock().unwrap();
        let place = waiting.iter().position(|message| message.kind == kind).unwrap();
        waiting.remove(place).answer.send(code.to_owned()).unwrap();
    }
}

impl Acquirer for Wire {
    fn exchange(&self, request: NetworkRequest) -> Pin<Box<dyn Future<Output = Exchange> + Send + '_>> {
        let (answer, answered) = oneshot::channel();
        self.sent.lock().unwrap().push(request.kind);
        self.waiting.lock().unwrap().push(Waiting { kind: request.kind, answer });
        Box::pin(async move {
            let code = answered.await.unwrap();
            let reply = NetworkReply::bare(code);
            Exchange { result: ExchangeResult::Answered(reply), trace: WireTrace::default() }
        })
    }

    fn state(&self) -> LinkState {
        if self.is_down.load(Ordering::Relaxed) { LinkState::Down } else { LinkState::Up }
    }
}

/// The virtual time, and by how much one gateway's clock is off it.
pub struct HouseClock {
    began: Instant,
    off_us: AtomicI64,
    looks: AtomicU64,
}

impl HouseClock {
    fn since(began: Instant) -> Arc<HouseClock> {
        Arc::new(HouseClock { began, off_us: AtomicI64::new(0), looks: AtomicU64::new(0) })
    }

    /// How often its gateway has asked for the time since this was asked last.
    pub fn looks(&self) -> u64 {
        self.looks.swap(0, Ordering::Relaxed)
    }

    pub fn move_days(&self, days: i64) {
        self.off_us.fetch_add(days * DAY_US, Ordering::Relaxed);
    }

    pub fn move_seconds(&self, seconds: i64) {
        self.off_us.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for HouseClock {
    fn now(&self) -> Timestamp {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let since = i64::try_from(self.began.elapsed().as_micros()).unwrap();
        Timestamp(BEGINNING.0 + since + self.off_us.load(Ordering::Relaxed))
    }
}

fn terms() -> Terms {
    Terms {
        currencies: vec![CurrencyTerms { currency: Currency::from_alpha("AED").unwrap(), amount_minor_max: None }],
        payment_options: vec![Brand::Visa],
        channel: ChannelTerms::default(),
        trusted_channel: Some(Attestation {
            level: 1,
            assessor: "QSA".to_owned(),
            document: "attestation.pdf".to_owned(),
            document_sha256: "00".repeat(32),
            valid_until: Timestamp(BEGINNING.0 + 365 * DAY_US),
            verified_by: "a test".to_owned(),
            verified_at: BEGINNING,
        }),
        acquirer: AcquirerTerms {
            card_acceptor_id: "M00000000000001".into(),
            terminal_id: "T0000001".into(),
            category_code: "5999".into(),
            shop_name: "Shop".into(),
            city: "Dubai".into(),
            country: "AE".into(),
        },
        feedback: FeedbackTerms::default(),
        tokens: TokenService::On,
        cards: CardTerms::default(),
        // So that a verification holds money.
        verification: VerificationTerms { method: VerificationMethod::SmallAmount, ..VerificationTerms::default() },
        three_ds: ThreeDsTerms::default(),
        recurring: RecurringTerms::default(),
        batch: tollgate_core::batch::BatchTerms::default(),
        links: tollgate_core::merchant::LinkTerms::default(),
        seller: tollgate_core::invoice::Seller::default(),
    }
}
