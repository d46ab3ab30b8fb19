//! The job: finds merchants with due schedules, and charges them, a few at a time and so many a second, so that a day on
//! which very many fall due does not hold up live payments.

use super::ScheduleSettings;
use super::charge::{self, StepDone};
use crate::directory::Account;
use crate::gateway::Gateway;
use crate::pace::Pace;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tollgate_acquirer::LinkState;
use tollgate_core::agreement::AgreementNumber;
use tollgate_core::ident::MerchantId;
use tollgate_core::schedule::Schedule;
use tollgate_store::{DueTake, LifeId, StoreError};

/// The longest sleep between two looks for due schedules, in milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;
/// How many merchants one look asks for.
const MERCHANTS_PER_LOOK_MAX: usize = 256;
/// How many merchants are worked for at once; more wait.
const MERCHANTS_AT_ONCE_MAX: usize = 8;
/// The longest sleep while schedules wait for a place, in milliseconds.
const TICK_MS: u64 = 20;
/// How long nothing of a merchant is begun after the link was found down, the account switched off, the store failed, or all
/// that is due was another gateway's, in milliseconds.
const HELD_MS: u64 = 500;

/// The running job.
pub struct ScheduleJobs {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl ScheduleJobs {
    /// Starts it.
    #[must_use]
    pub fn start(gateway: &Gateway, settings: ScheduleSettings) -> ScheduleJobs {
        let (stop, stopped) = watch::channel(false);
        let desk = Desk { gateway: gateway.clone(), settings, stopped };
        ScheduleJobs { stop, task: tokio::spawn(desk.run()) }
    }

    /// Begins no more charges, and returns when those under way have their outcome.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the job of schedules ended early");
        }
    }
}

#[derive(Clone)]
struct Desk {
    gateway: Gateway,
    settings: ScheduleSettings,
    stopped: watch::Receiver<bool>,
}

impl Desk {
    async fn run(self) {
        let mut stopped = self.stopped.clone();
        let mut woken = self.gateway.jobs_woken();
        let mut working: JoinSet<MerchantId> = JoinSet::new();
        let mut under_way: HashSet<MerchantId> = HashSet::new();
        // Where the next look goes on, so that each merchant has its turn.
        let mut turn: Option<MerchantId> = None;
        while !*stopped.borrow() {
            match self.begin_due(&mut working, &mut under_way, turn).await {
                Ok(next) => turn = next,
                Err(error) => tracing::error!(%error, "due schedules cannot be read"),
            }
            tokio::select! {
                biased;
                changed = stopped.changed() => if changed.is_err() { break },
                Some(ended) = working.join_next() => match ended {
                    Ok(merchant) => { under_way.remove(&merchant); }
                    Err(error) => {
                        tracing::error!(%error, "the work on due schedules ended early");
                        // Whose is not known; the store knows what is due.
                        while working.join_next().await.is_some() {}
                        under_way.clear();
                    }
                },
                changed = woken.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)) => {}
            }
        }
        while working.join_next().await.is_some() {}
    }

    /// Begins the work for merchants with due schedules, as far as there are places. Gives the merchant behind whom the next
    /// look goes on.
    async fn begin_due(
        &self,
        working: &mut JoinSet<MerchantId>,
        under_way: &mut HashSet<MerchantId>,
        after: Option<MerchantId>,
    ) -> Result<Option<MerchantId>, StoreError> {
        let inner = &self.gateway.inner;
        // A life that may be over begins nothing.
        let Some(life) = inner.life.running() else { return Ok(after) };
        let now = inner.clock.now();
        if inner.store.schedules_next_at().await?.is_none_or(|next| next > now) {
            return Ok(None);
        }
        let due = inner.store.merchants_with_due_schedules(now, after, MERCHANTS_PER_LOOK_MAX).await?;
        let is_last_page = due.len() < MERCHANTS_PER_LOOK_MAX;
        let mut reached = after;
        for merchant in due {
            if under_way.len() >= MERCHANTS_AT_ONCE_MAX {
                return Ok(reached);
            }
            reached = Some(merchant);
            if under_way.insert(merchant) {
                let desk = self.clone();
                working.spawn(async move {
                    desk.work_for(merchant, life).await;
                    merchant
                });
            }
        }
        Ok(reached.filter(|_| !is_last_page))
    }

    async fn work_for(&self, merchant: MerchantId, life: LifeId) {
        let mut run = Run {
            desk: self,
            merchant,
            life,
            window: JoinSet::new(),
            under_way: HashSet::new(),
            pace: Pace::new(self.settings.charges_per_second_max, Instant::now()),
            has_begun: false,
            hold: Hold::No,
            held: Vec::new(),
        };
        if let Err(error) = run.carry_out().await {
            tracing::error!(%error, "the work on due schedules failed and is tried again");
            run.hold = Hold::Yes;
        }
        // Whatever stopped it: what is under way has its outcome before anybody else takes the merchant up.
        while let Some(done) = run.window.join_next().await {
            run.take(done);
        }
        // Another gateway may be able to charge what this one cannot.
        let held = std::mem::take(&mut run.held);
        if !held.is_empty()
            && let Err(error) = self.gateway.inner.store.give_back_schedules(life, held).await
        {
            tracing::error!(%error, "due schedules could not be given back");
        }
        if run.hold == Hold::Yes {
            let mut stopped = self.stopped.clone();
            tokio::select! {
                _ = stopped.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(HELD_MS)) => {}
            }
        }
    }
}

/// Whether a merchant's charges wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    Yes,
    No,
}

/// What came of a step.
struct StepOf {
    agreement: AgreementNumber,
    done: Result<StepDone, StoreError>,
}

struct Run<'a> {
    desk: &'a Desk,
    merchant: MerchantId,
    life: LifeId,
    window: JoinSet<StepOf>,
    under_way: HashSet<AgreementNumber>,
    pace: Pace,
    /// Whether anything was begun.
    has_begun: bool,
    hold: Hold,
    /// Taken and not charged.
    held: Vec<AgreementNumber>,
}

impl Run<'_> {
    /// Works until nothing of the merchant is due, or its charges have to wait.
    async fn carry_out(&mut self) -> Result<(), StoreError> {
        let mut stopped = self.desk.stopped.clone();
        loop {
            let gateway = &self.desk.gateway;
            if *stopped.borrow() || self.hold == Hold::Yes || gateway.inner.life.id() != self.life {
                return Ok(());
            }
            let account = gateway.directory().by_id(self.merchant).await?;
            let is_ready = |account: &Arc<Account>| account.merchant.active && gateway.link() == LinkState::Up;
            let Some(account) = account.filter(is_ready) else {
                self.hold = Hold::Yes;
                return Ok(());
            };
            let begun = self.begin(&account).await?;
            if begun == Begun::Nothing && self.window.is_empty() {
                // The merchant was found as something of it is due. What cannot be taken is another gateway's, and stays so for
                // a while.
                if !self.has_begun {
                    self.hold = Hold::Yes;
                }
                return Ok(());
            }
            let tick = Duration::from_millis(if begun == Begun::All { TICK_MS } else { LOOK_EVERY_MS });
            tokio::select! {
                biased;
                _ = stopped.changed() => {}
                Some(done) = self.window.join_next() => {
                    self.take(done);
                    while let Some(done) = self.window.try_join_next() {
                        self.take(done);
                    }
                }
                () = tokio::time::sleep(tick) => {}
            }
        }
    }

    /// Begins due schedules as far as there are places.
    async fn begin(&mut self, account: &Arc<Account>) -> Result<Begun, StoreError> {
        let Desk { gateway, settings, .. } = self.desk;
        let places = settings.charges_in_flight_max.max(1).saturating_sub(self.window.len());
        let free = places.min(self.pace.free(Instant::now()));
        if free == 0 {
            return Ok(Begun::All);
        }
        let now = gateway.now();
        let limit = free.saturating_add(self.under_way.len());
        let take = DueTake { life: self.life, merchant: self.merchant, now, limit };
        let taken = gateway.inner.store.take_due_schedules(take).await?;
        let new: Vec<Schedule> =
            taken.into_iter().filter(|schedule| !self.under_way.contains(&schedule.agreement)).take(free).collect();
        let begun = match new.len() {
            0 => Begun::Nothing,
            some if some < free => Begun::Rest,
            _ => Begun::All,
        };
        for schedule in new {
            self.pace.take();
            self.has_begun = true;
            self.under_way.insert(schedule.agreement);
            let (gateway, account) = (gateway.clone(), Arc::clone(account));
            self.window.spawn(async move {
                let done = charge::step(&gateway, &account, &schedule).await;
                StepOf { agreement: schedule.agreement, done }
            });
        }
        Ok(begun)
    }

    fn take(&mut self, done: Result<StepOf, tokio::task::JoinError>) {
        match done {
            Ok(StepOf { agreement, done }) => {
                self.under_way.remove(&agreement);
                match done {
                    Ok(StepDone::Done) => {}
                    Ok(StepDone::Hold) => {
                        self.hold = Hold::Yes;
                        self.held.push(agreement);
                    }
                    Err(error) => {
                        tracing::error!(%agreement, %error, "the step of a schedule failed and is tried again");
                        self.hold = Hold::Yes;
                    }
                }
            }
            Err(error) => {
                // Only a defect of ours ends here. What was begun is settled from its operation.
                tracing::error!(%error, "the step of a schedule ended early");
                self.under_way.clear();
                self.hold = Hold::Yes;
            }
        }
    }
}

/// How many due schedules were begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// As many as there were places for: there may be more.
    All,
    /// All that were due.
    Rest,
    /// None was due.
    Nothing,
}
