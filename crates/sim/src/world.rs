//! A run: the real code of one gateway or several, their store and their links in a world that a seed decides.

use crate::acquirer::WorldLink;
use crate::audit::agreements::{AgreementSums, FinalAgreement, opener_of};
use crate::audit::schedules::FinalSchedule;
use crate::audit::tokens::FinalToken;
use crate::audit::{Final, Violation};
use crate::chance::Chance;
use crate::clock::{BEGINNING, VirtualClock};
use crate::customers::{Customer, LATE_CUSTOMERS_MS};
use crate::desk::{Desk, Open};
use crate::due::{NamedOrder, REFERENCE_MARK};
use crate::keys::SimulatedKeys;
use crate::life::Life;
use crate::line::Dial;
use crate::merchants::{Session, Way};
use crate::mutants::Twist;
use crate::network::Network;
use crate::operators::{FIRST_PERSON, MISTAKEN_REASON, Operators};
use crate::plan::{Fault, Plan};
use crate::receivers::{Bell, Bodies, LifeSender, Receivers};
use crate::record::{AtPage, Entry, Event, Keep, OrderNumber};
use crate::shop::{self, MERCHANTS, feedback_url};
use crate::store::{StoreFaults, WorldStore};
use crate::wallet::TokenKey;
use crate::watch::Watch;
use anyhow::Context;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tollgate_acquirer::{IsoLink, LinkSettings};
use tollgate_app::{
    Accounts, BeginError, Gateway, GatewayParts, GatewaySettings, Jobs, ScheduleJobs, ScheduleSettings, begin_audit,
};
use tollgate_core::agreement::{AgreementState, Day};
use tollgate_core::audit::AuditWho;
use tollgate_core::checkout::CHECKOUT_MS_MAX;
use tollgate_core::command::OrderTarget;
use tollgate_core::feedback::FeedbackKind;
use tollgate_core::schedule::ScheduleState;
use tollgate_core::time::{Clock, DAY_US, Timestamp};
use tollgate_core::token::TokenStatus;
use tollgate_feedback::{Deliveries, FeedbackParts, FeedbackSettings, Listeners};
use tollgate_store::{
    AgreementFilter, Agreements, Checkouts, FeedbackFilter, FeedbackState, Feedbacks, Orders, Recoveries,
    ScheduleFilter, Schedules, Store, Tenancy, TokenFilter, Tokens, Whose,
};
use tollgate_store_sqlite::SqliteStore;
use tollgate_vault::Vault;

/// A little more than a customer has at the page, in microseconds.
const PAGE_TIME_US: i64 = (CHECKOUT_MS_MAX as i64 + 60_000) * 1_000;
/// How many late answers may wait, as in the gateway itself.
const LATE_WAITING_MAX: usize = 1_024;
/// Between two looks whether everything has come to its end, in milliseconds.
const DRAIN_LOOK_MS: u64 = 2_000;
/// How many names of a merchant are compared in the end: far more than a run makes.
const TOKENS_MAX: usize = 1_000_000;
/// More agreements than a merchant has in a run.
const AGREEMENTS_MAX: usize = 1_000_000;
/// So many times in 10,000 a gateway that died is gone for good.
const GONE_PER_10_000: u64 = 2_500;
/// A server that stays away does so for some steps of some days: each feedback is tried several times, and is older than
/// thirty days in the end.
const SILENT_STEPS: u32 = 9;
const SILENT_STEP_DAYS: i64 = 4;
/// How many days go by in the end where the gateway charges agreements by itself.
const DUE_DAYS: u32 = 4;
/// In how much time after the storm everything has to come to its end, in milliseconds.
const DRAIN_MS_MAX: u64 = 3_600_000;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first thing that must not be, if there was one.
    pub violation: Option<Violation>,
    /// The story of the order that it is about, when events were kept.
    pub story: Vec<Entry>,
    /// The digest of all events.
    pub digest: u64,
    /// How many events there were.
    pub events: u64,
    /// How many sessions there were, one payment each.
    pub payments: u64,
    /// How many of them met a fault.
    pub payments_met: u64,
    /// How many calls merchants made.
    pub calls: u64,
    /// How often each fault happened, in the order of [`Fault::ALL`].
    pub faults: [u64; Fault::ALL.len()],
    /// How often the gateway died.
    pub crashes: u64,
    /// How many operations operators settled by hand.
    pub corrections: u64,
    /// How many of them they were wrong about.
    pub mistakes: u64,
    /// How many cards were kept under a name in the end.
    pub tokens: u64,
    /// What happened to agreements.
    pub agreements: AgreementSums,
    /// What happened at the page.
    pub at_page: AtPage,
    /// How much time went by, in milliseconds.
    pub simulated_ms: u64,
}

/// Runs a plan.
///
/// # Errors
/// When the world itself cannot be built; never because of what the gateway does in it.
pub fn run(plan: &Plan, keep: Keep) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("the runtime cannot be built")?;
    runtime.block_on(World::play(plan, keep))
}

/// Everything that outlives a life of the gateway.
struct World {
    plan: Plan,
    watch: Arc<Watch>,
    network: Arc<Network>,
    store: Arc<SqliteStore>,
    faults: Arc<StoreFaults>,
    receivers: Arc<Receivers>,
    desk: Arc<Desk>,
}

impl World {
    async fn play(plan: &Plan, keep: Keep) -> anyhow::Result<Outcome> {
        let world = Arc::new(World::build(plan, keep).await?);
        let network = Arc::clone(&world.network);
        let mut background = JoinSet::new();
        background.spawn(async move { network.run().await });
        for node in 0..plan.gateways() {
            let lives = Arc::clone(&world);
            background.spawn(async move { lives.live_again_and_again(node).await });
        }
        for turn in 0..plan.times(Fault::CrashAtRandom) {
            let world = Arc::clone(&world);
            background.spawn(async move { world.crash_once(turn).await });
        }
        let (watch, desk) = (Arc::clone(&world.watch), Arc::clone(&world.desk));
        let operators = Arc::new(Operators::new(plan.seed, watch, desk, Arc::clone(&world.network)));
        background.spawn(Arc::clone(&operators).replay(plan.calm_from_ms()));
        background.spawn(operators.run());
        for turn in 0..plan.page_jumps() {
            let world = Arc::clone(&world);
            background.spawn(async move { world.jump_once(turn).await });
        }
        for turn in 0..plan.times(Fault::Paused) {
            let world = Arc::clone(&world);
            background.spawn(async move { world.pause_once(turn).await });
        }
        let mut sessions = JoinSet::new();
        let numbers = plan.sessions.first..plan.sessions.first.saturating_add(plan.sessions.count);
        for number in numbers.clone() {
            let (session, desk) = (Session::of(plan, number), Arc::clone(&world.desk));
            // Made when it begins: all of them at once, at many kilobytes each, would drive everything else out of the cache.
            sessions.spawn(async move {
                desk.sleep_until(session.begins_ms).await;
                Box::pin(session.play(&desk)).await;
            });
        }
        while let Some(ended) = sessions.join_next().await {
            if let Err(error) = ended {
                world.watch.auditor().found(None, "nothing panics", error.to_string());
            }
            if world.watch.is_broken() {
                break;
            }
        }
        if !world.watch.is_broken() {
            world.let_customers_go(numbers.clone()).await?;
            world.let_days_pass().await?;
            world.outlast_silence().await?;
            world.drain(Drained::All).await?;
            world.compare(numbers).await?;
        }
        Ok(world.outcome(plan))
    }

    async fn build(plan: &Plan, keep: Keep) -> anyhow::Result<World> {
        let watch = Arc::new(Watch::new(VirtualClock::start(), keep));
        let cards = shop::card_numbers();
        let store = Arc::new(SqliteStore::in_memory_for_simulation()?);
        let network = Arc::new(Network::new(plan, &cards, Arc::clone(&watch))?);
        let world = World {
            plan: plan.clone(),
            faults: Arc::new(StoreFaults::new(plan, Arc::clone(&watch))),
            receivers: Arc::new(Receivers::new(plan, Arc::clone(&watch))),
            desk: Arc::new(Desk::new(Arc::clone(&watch), plan.seed, cards)),
            watch,
            network,
            store,
        };
        let vault = Arc::new(Vault::open(Box::new(SimulatedKeys), Arc::clone(&world.store) as _).await?);
        let who = AuditWho::Gateway("simulation".to_owned());
        begin_audit(&*world.store, &vault, Arc::new(world.watch.clock.clone()), who).await?;
        let accounts =
            Accounts::new(Arc::clone(&world.store) as Arc<dyn Store>, vault, Arc::new(world.watch.clock.clone()));
        shop::open_accounts(&accounts).await?;
        Ok(world)
    }

    /// Starts the gateway of a node, waits for its death, and starts it again after a while. Of several the first always
    /// comes back; another one may be gone for good.
    async fn live_again_and_again(&self, node: u8) {
        for turn in 0.. {
            let life = Life::begin();
            self.watch.note(None, Event::Gateway { node, what: "starts" });
            let ended = life.clone();
            let started = tokio::select! {
                biased;
                () = ended.ended() => None,
                started = self.start(node, life.clone()) => Some(started),
            };
            match started {
                Some(Ok(running)) => {
                    let (gateway, store) = (running.gateway.clone(), Arc::clone(&running.store));
                    self.desk.set_open(node, Some(Open { gateway, store, life: life.clone() }));
                    life.ended().await;
                    self.desk.set_open(node, None);
                    running.link.cut();
                }
                // A start that fails ends the process, and it is started again.
                Some(Err(error)) => {
                    life.end();
                    if matches!(error, StartError::Other(_)) {
                        self.watch.auditor().found(None, "the gateway can start", format!("{error:?}"));
                    }
                }
                None => {}
            }
            self.network.close_current(node);
            self.watch.note(None, Event::Gateway { node, what: "is dead" });
            let mut chance = Chance::of(self.plan.seed, "restart", &[u64::from(node), turn]);
            let pause_ms = chance.between(1_000, 15_000);
            if node > 0 && chance.happens(GONE_PER_10_000) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    /// The start of the gateway, as `tollgate serve` does it.
    async fn start(&self, node: u8, life: Life) -> Result<Running, StartError> {
        let store = Arc::new(WorldStore::new(Arc::clone(&self.store), Arc::clone(&self.faults), life.clone()));
        let own_store = Arc::clone(&store);
        let vault = Vault::open(Box::new(SimulatedKeys), Arc::clone(&store) as _).await;
        let vault = Arc::new(vault.map_err(|error| StartError::Other(error.to_string()))?);
        let clock: Arc<dyn Clock> = Arc::new(self.watch.clock.clone());
        let (late, late_replies) = tokio::sync::mpsc::channel(LATE_WAITING_MAX);
        let dial = Dial::new(Arc::clone(&self.network), life.clone(), node);
        let link = IsoLink::start_over(dial, self.link_settings(), Arc::clone(&clock), late);
        let link = link.map_err(|error| StartError::Other(error.to_string()))?;
        let link = Arc::new(WorldLink::new(life.clone(), link, Twist::new(self.plan.mutant)));
        let gateway = Gateway::begin(GatewayParts {
            store: Arc::clone(&store) as _,
            tenancy: self.tenancy(),
            vault,
            acquirer: Arc::clone(&link) as _,
            clock: Arc::clone(&clock),
            settings: self.gateway_settings(node),
        });
        let gateway = gateway.await.map_err(|error| self.not_begun(error))?;
        let jobs = Jobs::start(&gateway, late_replies).await.map_err(|_| StartError::Store)?;
        let deliveries = self.start_deliveries(node, &gateway, store, clock, life).await?;
        let schedules = self.plan.has_schedules().then(|| ScheduleJobs::start(&gateway, ScheduleSettings::default()));
        Ok(Running { gateway, store: own_store, link, _jobs: jobs, _deliveries: deliveries, _schedules: schedules })
    }

    async fn start_deliveries(
        &self,
        node: u8,
        gateway: &Gateway,
        store: Arc<WorldStore>,
        clock: Arc<dyn Clock>,
        life: Life,
    ) -> Result<Deliveries, StartError> {
        let wake = Arc::new(Notify::new());
        gateway.watch_feedback(Arc::new(Bell(Arc::clone(&wake))));
        let parts = FeedbackParts {
            store,
            clock,
            renderer: Arc::new(Bodies::new(Arc::clone(&self.watch))),
            sender: Arc::new(LifeSender::new(Arc::clone(&self.receivers), life, self.plan.mutant)),
            listeners: Arc::new(Listeners::default()),
            node,
            settings: self.feedback_settings(),
        };
        Deliveries::start(parts, wake).await.map_err(|_| StartError::Store)
    }

    fn feedback_settings(&self) -> FeedbackSettings {
        let mut chance = Chance::of(self.plan.seed, "feedback-settings", &[]);
        FeedbackSettings {
            quick_retry_ms: chance.between(1_000, 10_000),
            lane_in_flight_max: usize::try_from(chance.between(2, 6)).unwrap_or(2),
            in_flight_max: usize::try_from(chance.between(6, 64)).unwrap_or(6),
            ..FeedbackSettings::default()
        }
    }

    fn link_settings(&self) -> LinkSettings {
        LinkSettings { answer_timeout_ms: self.plan.answer_timeout_ms(), ..LinkSettings::default() }
    }

    fn gateway_settings(&self, node: u8) -> GatewaySettings {
        let mut chance = Chance::of(self.plan.seed, "gateway", &[]);
        GatewaySettings {
            node,
            reversal_delay_ms: chance.between(200, 15_000),
            recovery_retry_ms_min: chance.between(500, 3_000),
            recovery_retry_ms_max: chance.between(10_000, 60_000),
            recovery_in_flight_max: usize::try_from(chance.between(4, 32)).unwrap_or(4),
            four_eyes: chance.happens(5_000),
            ..GatewaySettings::default()
        }
    }

    /// Who else may run on the store. One gateway alone has a lock on its data folder, as `tollgate serve` does.
    fn tenancy(&self) -> Tenancy {
        if self.plan.gateways() > 1 { Tenancy::Shared } else { Tenancy::Sole }
    }

    fn not_begun(&self, error: BeginError) -> StartError {
        match error {
            BeginError::Store(_) => StartError::Store,
            // It has to wait for the lease of its earlier life.
            BeginError::NodeIsAlive { .. } if self.tenancy() == Tenancy::Shared => StartError::TooEarly,
            BeginError::NodeIsAlive { .. } => StartError::Other(error.to_string()),
        }
    }

    /// Kills a gateway at a moment that the seed names.
    async fn crash_once(&self, turn: u64) {
        let mut chance = Chance::of(self.plan.seed, "crash", &[turn]);
        let at_ms = chance.between(0, self.plan.calm_from_ms().saturating_sub(1));
        tokio::time::sleep_until(self.watch.clock.moment(at_ms)).await;
        if let Some((_, open)) = self.any_open(&mut chance) {
            self.watch.met(None, Fault::CrashAtRandom, "the process");
            open.life.end();
        }
    }

    /// Lets a gateway stand still for a while that the seed names.
    async fn pause_once(&self, turn: u64) {
        let mut chance = Chance::of(self.plan.seed, "pause", &[turn]);
        let calm_from_ms = self.plan.calm_from_ms();
        let at_ms = chance.between(0, calm_from_ms.saturating_sub(1));
        let for_ms = if chance.happens(3_000) { chance.between(100, 10_000) } else { chance.between(10_000, 90_000) };
        tokio::time::sleep_until(self.watch.clock.moment(at_ms)).await;
        if let Some((node, open)) = self.any_open(&mut chance) {
            self.watch.met(None, Fault::Paused, "the process");
            self.watch.note(None, Event::Gateway { node, what: "is paused" });
            open.life.pause();
            tokio::time::sleep_until(self.watch.clock.moment((at_ms + for_ms).min(calm_from_ms))).await;
            self.watch.note(None, Event::Gateway { node, what: "goes on" });
            open.life.resume();
        }
    }

    /// Lets the customers' time be over, in the middle of whatever they do.
    async fn jump_once(&self, turn: u64) {
        let mut chance = Chance::of(self.plan.seed, "page-jump", &[turn]);
        let at_ms = chance.between(2_000, self.plan.window_ms().max(2_000));
        tokio::time::sleep_until(self.watch.clock.moment(at_ms)).await;
        self.watch.note(None, Event::Jump);
        self.watch.clock.advance(PAGE_TIME_US);
    }

    /// When the storm is over, lets the time of those go by who have left the page.
    ///
    /// Some of them send a card in that very moment.
    async fn let_customers_go(&self, numbers: std::ops::Range<OrderNumber>) -> anyhow::Result<()> {
        if self.plan.pages_per_10_000() == 0 {
            return Ok(());
        }
        // No recovery message may be under way, as by the time that jumps its gateway would count as lost.
        self.drain(Drained::Money).await?;
        let mut late = JoinSet::new();
        let sessions = numbers.map(|number| Session::of(&self.plan, number)).filter(|session| session.way != Way::Api);
        for session in sessions {
            let (desk, seed) = (Arc::clone(&self.desk), self.plan.seed);
            late.spawn(Box::pin(async move { Customer::of(&session, &desk, seed).comes_late().await }));
        }
        tokio::time::sleep(Duration::from_millis(LATE_CUSTOMERS_MS / 2)).await;
        self.watch.note(None, Event::Jump);
        self.watch.clock.advance(PAGE_TIME_US);
        while late.join_next().await.is_some() {}
        Ok(())
    }

    /// Where the gateway charges agreements by itself: lets some days go by, each with its due dates.
    async fn let_days_pass(&self) -> anyhow::Result<()> {
        if !self.plan.has_schedules() {
            return Ok(());
        }
        for _ in 0..DUE_DAYS {
            self.drain(Drained::Money).await?;
            self.watch.note(None, Event::Jump);
            self.watch.clock.advance(DAY_US);
        }
        Ok(())
    }

    fn any_open(&self, chance: &mut Chance) -> Option<(u8, Open)> {
        let open = self.desk.open();
        let place = chance.between(0, (open.len() as u64).saturating_sub(1));
        open.into_iter().nth(usize::try_from(place).unwrap_or(0))
    }

    /// Where a merchant's server stays away: lets more than thirty days go by until what it has not taken is paused, and
    /// then it answers again.
    async fn outlast_silence(&self) -> anyhow::Result<()> {
        if !self.plan.has_long_silence() {
            return Ok(());
        }
        self.drain(Drained::Money).await?;
        let backlog = self.store.feedback_backlog().await?;
        for _ in 0..SILENT_STEPS {
            self.watch.clock.advance(SILENT_STEP_DAYS * DAY_US);
            tokio::time::sleep(Duration::from_millis(DRAIN_LOOK_MS)).await;
        }
        let paused = self.store.feedback_backlog().await?.paused;
        if backlog.waiting > 0 && paused == 0 {
            let rule = "what nobody takes for thirty days is paused, and kept";
            self.watch.auditor().found(None, rule, format!("{} waited, none is paused", backlog.waiting));
        }
        self.receivers.end_silence();
        // Paused ones are tried again after an hour.
        self.watch.clock.advance(DAY_US);
        Ok(())
    }

    /// Waits until nothing is in doubt any more.
    async fn drain(&self, what: Drained) -> anyhow::Result<()> {
        let until_ms = self.plan.calm_from_ms() + DRAIN_MS_MAX;
        loop {
            tokio::time::sleep(Duration::from_millis(DRAIN_LOOK_MS)).await;
            let now_ms = self.watch.clock.ms();
            let (waiting, _) = self.store.recovery_backlog().await?;
            let feedback = self.store.feedback_backlog().await?;
            let unfed = match what {
                Drained::Money => 0,
                Drained::All => feedback.waiting + feedback.paused,
            };
            let unfinished = self.store.unfinished(Whose::Everybody { before: Timestamp(i64::MAX) }, 1).await?.len();
            let at_page = match what {
                Drained::Money => 0,
                Drained::All => self.store.checkouts_due(Timestamp(i64::MAX), 1).await?.len(),
            };
            // A charge comes due at its hour, and waits then for nothing but its turn.
            let now = self.watch.clock.now();
            let due = u64::from(self.store.schedules_next_at().await?.is_some_and(|next| next <= now));
            let is_calm = now_ms >= self.plan.calm_from_ms() && self.desk.is_open();
            let left = waiting + unfinished as u64 + unfed + at_page as u64 + due;
            if self.watch.is_broken() || (is_calm && left == 0) {
                return Ok(());
            }
            if now_ms >= until_ms {
                let found = format!(
                    "{waiting} wait for recovery, {unfinished} or more have no outcome, {unfed} were not fed back, {at_page} or more customers are at the page, {due} or more due dates have come"
                );
                let order = self.first_unsettled().await?;
                self.watch.auditor().found(order, "everything comes to its end", found);
                return Ok(());
            }
        }
    }

    async fn first_unsettled(&self) -> anyhow::Result<Option<OrderNumber>> {
        let finals = self.finals(self.plan.sessions.first..self.plan.sessions.first + self.plan.sessions.count).await?;
        let unsettled = finals.into_iter().find(|(_, last)| last.is_some_and(|last| last.unsettled));
        if let Some((order, _)) = unsettled {
            return Ok(Some(order));
        }
        for state in [FeedbackState::Waiting, FeedbackState::Paused, FeedbackState::Behind] {
            let filter = FeedbackFilter { state: Some(state), rows_max: 1, ..FeedbackFilter::default() };
            if let Some(row) = self.store.feedbacks(&filter).await?.first() {
                return Ok(self.faults.owner(row.id.operation));
            }
        }
        Ok(None)
    }

    /// Compares everything with the issuer's books.
    async fn compare(&self, numbers: std::ops::Range<OrderNumber>) -> anyhow::Result<()> {
        for number in numbers.clone() {
            let session = Session::of(&self.plan, number);
            self.desk.status(&session).await;
            if session.way != Way::Api {
                self.desk.look_at_page(&session).await;
            }
        }
        let finals = self.finals(numbers).await?;
        let tokens = self.final_tokens().await?;
        let schedules = self.final_schedules().await?;
        let agreements = self.final_agreements().await?;
        self.see_mistakes().await?;
        let mut auditor = self.watch.auditor();
        auditor.close(&finals);
        auditor.close_cards(&finals);
        auditor.close_tokens(&tokens);
        auditor.close_agreements(&finals, &agreements);
        auditor.close_schedules(Day::of(BEGINNING), &schedules);
        auditor.close_mistakes();
        Ok(())
    }

    /// Whatever an operator was wrong about can be seen for ever, with its reason and with who said so.
    async fn see_mistakes(&self) -> anyhow::Result<()> {
        let mistakes = self.watch.auditor().mistakes();
        for (order, mistake) in mistakes {
            let NamedOrder { merchant, reference, .. } = self.named(order);
            let target = OrderTarget::Reference(reference);
            let stored = self.store.order(shop::merchant_id(merchant), &target).await?;
            let story = match stored {
                Some(stored) => self.store.story(stored.order.fort_id).await?,
                None => None,
            };
            let outcomes = story.iter().flat_map(|story| &story.operations).flat_map(|told| &told.outcomes);
            let is_seen = outcomes.into_iter().any(|outcome| {
                let correction = outcome.correction.as_ref();
                correction.is_some_and(|said| said.reason == MISTAKEN_REASON && said.by == FIRST_PERSON)
                    && outcome.code.number() == mistake.code
            });
            if !is_seen {
                let rule = "an operator's correction stays visible for ever";
                self.watch.auditor().found(Some(order), rule, format!("{mistake:?}"));
            }
        }
        Ok(())
    }

    async fn final_tokens(&self) -> anyhow::Result<Vec<FinalToken>> {
        let cards = shop::card_numbers();
        let mut finals = Vec::new();
        for merchant in 0..MERCHANTS {
            let filter = TokenFilter::all_of(shop::merchant_id(merchant), TOKENS_MAX);
            finals.extend(self.store.tokens(&filter).await?.into_iter().map(|token| FinalToken {
                key: TokenKey { merchant, name: token.name },
                card: shop::card_of_mask(&cards, &token.card.mask),
                active: token.status == TokenStatus::Active,
            }));
        }
        Ok(finals)
    }

    async fn final_agreements(&self) -> anyhow::Result<BTreeMap<OrderNumber, FinalAgreement>> {
        let mut finals = BTreeMap::new();
        for merchant in 0..MERCHANTS {
            let merchant = shop::merchant_id(merchant);
            let filter = AgreementFilter { merchant, token_name: None, after: None, limit: AGREEMENTS_MAX };
            for agreement in self.store.agreements(&filter).await? {
                let last = FinalAgreement {
                    active: agreement.state == AgreementState::Active,
                    charges: agreement.charges,
                    charges_open: agreement.charges_open,
                };
                finals.extend(opener_of(&agreement.id).map(|opener| (opener, last)));
            }
        }
        Ok(finals)
    }

    async fn finals(
        &self,
        numbers: std::ops::Range<OrderNumber>,
    ) -> anyhow::Result<BTreeMap<OrderNumber, Option<Final>>> {
        let mut finals = BTreeMap::new();
        let due: Vec<OrderNumber> = self.watch.due_charges().all().map(|order| order.number).collect();
        for number in numbers.chain(due) {
            let NamedOrder { merchant, reference, .. } = self.named(number);
            finals.insert(number, self.last_of(merchant, reference).await?);
        }
        Ok(finals)
    }

    /// How the gateway knows an order.
    fn named(&self, number: OrderNumber) -> NamedOrder {
        let due = self.watch.due_charges().get(number).cloned();
        due.unwrap_or_else(|| NamedOrder {
            number,
            merchant: Session::of(&self.plan, number).merchant,
            reference: format!("{REFERENCE_MARK}{number}"),
        })
    }

    async fn last_of(&self, merchant: u64, reference: String) -> anyhow::Result<Option<Final>> {
        let stored = self.store.order(shop::merchant_id(merchant), &OrderTarget::Reference(reference)).await?;
        Ok(stored.map(|stored| Final {
            phase: stored.order.phase,
            totals: stored.order.totals,
            unsettled: stored.order.open_operation.is_some(),
            fed_back: feedback_url(merchant, FeedbackKind::Direct).is_some(),
        }))
    }

    async fn final_schedules(&self) -> anyhow::Result<BTreeMap<OrderNumber, FinalSchedule>> {
        let now = self.watch.clock.now();
        let mut finals = BTreeMap::new();
        for merchant in 0..MERCHANTS {
            let merchant = shop::merchant_id(merchant);
            let filter = ScheduleFilter { merchant, state: None, after: None, limit: AGREEMENTS_MAX };
            for schedule in self.store.schedules(&filter).await? {
                let last = FinalSchedule {
                    active: schedule.state == ScheduleState::Active,
                    opening: schedule.state == ScheduleState::Opening,
                    day: schedule.due.day,
                    overdue: schedule.due.at <= now && schedule.next_at().is_none_or(|next| next <= now),
                };
                finals.extend(opener_of(&schedule.agreement_id).map(|opener| (opener, last)));
            }
        }
        Ok(finals)
    }

    fn outcome(&self, plan: &Plan) -> Outcome {
        let (violation, mistakes, tokens, agreements) = {
            let auditor = self.watch.auditor();
            let mistakes = auditor.mistakes().len() as u64;
            (auditor.violation().cloned(), mistakes, auditor.tokens_kept(), auditor.agreement_sums())
        };
        let record = self.watch.record();
        let order = violation.as_ref().and_then(|violation| violation.order);
        Outcome {
            story: order.map(|order| record.story(order)).unwrap_or_default(),
            violation,
            digest: record.digest(),
            events: record.events(),
            payments: u64::from(plan.sessions.count),
            payments_met: record.orders_met(),
            calls: self.desk.calls(),
            faults: record.faults(),
            crashes: record.deaths(),
            corrections: record.corrections(),
            at_page: record.at_page(),
            mistakes,
            tokens,
            agreements,
            simulated_ms: self.watch.clock.ms(),
        }
    }
}

/// What has to come to its end.
#[derive(Clone, Copy)]
enum Drained {
    /// Whatever is in doubt.
    Money,
    /// That, and the outbox.
    All,
}

/// A life of the gateway.
struct Running {
    gateway: Gateway,
    store: Arc<WorldStore>,
    link: Arc<WorldLink>,
    _jobs: Jobs,
    _deliveries: Deliveries,
    _schedules: Option<ScheduleJobs>,
}

/// Why a start failed.
#[derive(Debug)]
enum StartError {
    /// The store failed, which the seed wanted.
    Store,
    /// The earlier life of the node may still run.
    TooEarly,
    /// It should not have.
    #[allow(dead_code, reason = "it is shown by Debug")]
    Other(String),
}
