//! Schedules in the hands of merchants and operators: listed, shown and changed.

use std::sync::Arc;
use tollgate_core::agreement::{Agreement, AgreementNumber, Day};
pub use tollgate_core::command::ScheduleStatusWish;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::money::Money;
use tollgate_core::schedule::{EndWhy, NoChange, PauseWhy, Schedule, ScheduleLimits};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_core::token::TokenStatus;
use tollgate_store::{
    NextCard, ScheduleAttempt, ScheduleChange, ScheduleChanged, ScheduleFilter, ScheduleStateKind, Store, StoreError,
};

/// How often a schedule is read again because it changed between the reading and the writing.
const CHANGE_TRIES_MAX: usize = 8;

/// Schedules of a store.
#[derive(Clone)]
pub struct ScheduleDesk {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// A schedule with its agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSchedule {
    /// The agreement.
    pub agreement: Agreement,
    /// The schedule.
    pub schedule: Schedule,
}

/// Some schedules of a merchant, in the order of their agreements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulePage {
    /// The schedules.
    pub schedules: Vec<Schedule>,
    /// Whether there are more after them.
    pub rest: ScheduleRest,
}

/// What comes after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleRest {
    /// Nothing.
    None,
    /// At least one more.
    More,
}

/// What shall be changed; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleWish {
    /// Where it shall stand. It is done last.
    pub status: Option<ScheduleStatusWish>,
    /// What each charge shall be that has not begun.
    pub money: Option<Money>,
    /// The token that shall be charged from now on.
    pub token_name: Option<String>,
    /// The day of the next charge.
    pub next_day: Option<Day>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleDeskError {
    /// No such merchant.
    #[error("there is no merchant {0:?}: `tollgate merchant list` shows all")]
    NoMerchant(String),
    /// No such agreement.
    #[error("the merchant has no agreement of this name")]
    NoAgreement,
    /// The agreement has no schedule.
    #[error("the agreement has no schedule: its merchant charges by itself")]
    NoSchedule,
    /// No such token, or not one that can be charged.
    #[error("the merchant has no active token of this name that its customer has paid with")]
    NoToken,
    /// The change cannot be made.
    #[error(transparent)]
    NoChange(#[from] NoChange),
    /// It changed again and again.
    #[error("the schedule kept changing: try again")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ScheduleDesk {
    /// The schedules of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> ScheduleDesk {
        ScheduleDesk { store, clock }
    }

    /// Now, by the clock that schedules go by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The merchant of a handle.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn merchant(&self, name: &str) -> Result<MerchantId, ScheduleDeskError> {
        let found = self.store.merchants().await?.into_iter().find(|record| record.name == name);
        found.map(|record| record.id).ok_or_else(|| ScheduleDeskError::NoMerchant(name.to_owned()))
    }

    /// At most `limit` schedules of a merchant, in a state if that is given, after that of agreement `after` if that is given.
    ///
    /// # Errors
    /// When there is no such agreement, or the store cannot be read.
    pub async fn list(
        &self,
        merchant: MerchantId,
        state: Option<ScheduleStateKind>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<SchedulePage, ScheduleDeskError> {
        let after = match after {
            None => None,
            Some(id) => Some(self.agreement(merchant, id).await?.number),
        };
        let filter = ScheduleFilter { merchant, state, after, limit: limit.saturating_add(1) };
        let mut schedules = self.store.schedules(&filter).await?;
        let rest = if schedules.len() > limit { ScheduleRest::More } else { ScheduleRest::None };
        schedules.truncate(limit);
        Ok(SchedulePage { schedules, rest })
    }

    /// The schedule of a merchant's agreement.
    ///
    /// # Errors
    /// When there is no such agreement or it has no schedule, or the store cannot be read.
    pub async fn show(&self, merchant: MerchantId, agreement_id: &str) -> Result<ShownSchedule, ScheduleDeskError> {
        let agreement = self.agreement(merchant, agreement_id).await?;
        let schedule = self.store.schedule(agreement.number).await?.ok_or(ScheduleDeskError::NoSchedule)?;
        Ok(ShownSchedule { agreement, schedule })
    }

    /// The attempts of a schedule, newest first, older than that of order `before` if that is given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn attempts(
        &self,
        agreement: AgreementNumber,
        before: Option<FortId>,
        limit: usize,
    ) -> Result<Vec<ScheduleAttempt>, StoreError> {
        self.store.schedule_attempts(agreement, before, limit).await
    }

    /// Changes a schedule: all that is wished for in one commit, or nothing.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn change(
        &self,
        merchant: MerchantId,
        agreement_id: &str,
        wish: &ScheduleWish,
    ) -> Result<ShownSchedule, ScheduleDeskError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let shown = self.show(merchant, agreement_id).await?;
            let at = self.clock.now();
            let card = match &wish.token_name {
                None => None,
                Some(name) => Some(self.card(merchant, name).await?),
            };
            let schedule = changed(&shown, wish, at)?;
            if schedule == shown.schedule && card.is_none() {
                return Ok(shown);
            }
            let schedule = Schedule { version: shown.schedule.version.saturating_add(1), ..schedule };
            let change = ScheduleChange { schedule, card, at };
            if self.store.change_schedule(change).await? == ScheduleChanged::Written {
                tracing::info!(agreement = %shown.agreement.number, "a schedule was changed");
                return self.show(merchant, agreement_id).await;
            }
        }
        Err(ScheduleDeskError::Contended)
    }

    async fn agreement(&self, merchant: MerchantId, id: &str) -> Result<Agreement, ScheduleDeskError> {
        self.store.agreement(merchant, id).await?.ok_or(ScheduleDeskError::NoAgreement)
    }

    /// A token that charges may be made with.
    async fn card(&self, merchant: MerchantId, name: &str) -> Result<NextCard, ScheduleDeskError> {
        let stored = self.store.token(merchant, name).await?.ok_or(ScheduleDeskError::NoToken)?;
        let token = stored.token;
        let may = token.status == TokenStatus::Active && token.lapses_at.is_none() && token.first_payment.is_some();
        if !may {
            return Err(ScheduleDeskError::NoToken);
        }
        Ok(NextCard { token_name: token.name, token_since: token.created_at, token_id: token.id })
    }
}

/// The schedule as it shall be. Of several steps the version is that of the last one.
fn changed(shown: &ShownSchedule, wish: &ScheduleWish, at: Timestamp) -> Result<Schedule, NoChange> {
    let limits = ScheduleLimits::of(&shown.agreement);
    let mut schedule = shown.schedule.clone();
    if wish.token_name.is_some() {
        schedule.has_not_ended()?;
    }
    if let Some(money) = wish.money {
        schedule = schedule.with_money(shown.agreement.terms.mode, money)?;
    }
    if let Some(day) = wish.next_day {
        schedule = schedule.with_next_day(day, limits, at)?;
    }
    match wish.status {
        None => Ok(schedule),
        Some(ScheduleStatusWish::Cancelled) => schedule.ended(EndWhy::Cancelled, at),
        Some(ScheduleStatusWish::Active) if schedule.state.name() == "ACTIVE" => Ok(schedule),
        Some(ScheduleStatusWish::Active) => schedule.resumed(limits, at),
        Some(ScheduleStatusWish::Paused) if schedule.state.name() == "PAUSED" => Ok(schedule),
        Some(ScheduleStatusWish::Paused) => schedule.paused(PauseWhy::Asked, at),
    }
}
