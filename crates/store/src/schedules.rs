//! The port for schedules: what the gateway charges by itself, and each attempt to.

use crate::{LifeId, StoreFuture};
use tollgate_core::agreement::{AgreementNumber, Day};
use tollgate_core::code::ResponseCode;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::money::Money;
use tollgate_core::schedule::{AttemptOutcome, Schedule, ScheduleTerms};
use tollgate_core::time::Timestamp;
use tollgate_core::token::TokenId;

/// Schedules.
///
/// A payment that opens one carries it in [`crate::NewOrder::schedule`]: it begins in the commit that writes the payment's
/// success, with its agreement, and is gone when the payment comes to nothing.
///
/// An attempt is begun by the intent of its charge in the same commit, and only while the schedule has the version that was
/// judged: (agreement, due day, attempt) is there once, whoever tries. The commit of the charge's outcome, whoever finds it
/// out, moves the schedule on by [`Schedule::settled`]. When the agreement ends, so does its schedule.
///
/// With each step of which [`Schedule::news_since`] tells, a notification feedback is written in the same commit, where the
/// schedule's terms say that the merchant hears of it.
pub trait Schedules {
    /// The schedule of an agreement.
    fn schedule(&self, agreement: AgreementNumber) -> StoreFuture<'_, Option<Schedule>>;

    /// Schedules that fit `filter`, in the order of their agreements.
    fn schedules<'a>(&'a self, filter: &'a ScheduleFilter) -> StoreFuture<'a, Vec<Schedule>>;

    /// The attempts of a schedule, newest first: older than `before`, at most `limit`.
    fn schedule_attempts(
        &self,
        agreement: AgreementNumber,
        before: Option<FortId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<ScheduleAttempt>>;

    /// When something is to be done about any schedule, if anything is.
    fn schedules_next_at(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// Merchants who have schedules that are due at `now`, in their order, behind `after`.
    fn merchants_with_due_schedules(
        &self,
        now: Timestamp,
        after: Option<MerchantId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<MerchantId>>;

    /// Makes due schedules of a merchant this life's, the longest due first, and gives them. Those of another living life
    /// are left to it.
    fn take_due_schedules(&self, take: DueTake) -> StoreFuture<'_, Vec<Schedule>>;

    /// Gives schedules back that were taken and not worked on, so that another life may take them.
    fn give_back_schedules(&self, life: LifeId, agreements: Vec<AgreementNumber>) -> StoreFuture<'_, ()>;

    /// Writes a schedule as it is after a change, provided that it is still the one that was read.
    fn change_schedule(&self, change: ScheduleChange) -> StoreFuture<'_, ScheduleChanged>;
}

/// What an order does with a schedule, when it is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleIntent {
    /// It opens this one with its agreement: opening, version 1.
    Open(Box<Schedule>),
    /// It is the next attempt of the due date of a schedule that was judged.
    Attempt {
        /// Which: that of the agreement that the order charges.
        agreement: AgreementNumber,
        /// Its version then.
        version: u32,
        /// By which terms the outcome is dealt with.
        terms: Box<ScheduleTerms>,
    },
}

/// An attempt to charge a due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleAttempt {
    /// The due day.
    pub due_day: Day,
    /// Its number, from 1.
    pub attempt: u32,
    /// Its order.
    pub order: FortId,
    /// How much.
    pub money: Money,
    /// When it began.
    pub begun_at: Timestamp,
    /// What came of it; `None` as long as nobody knows.
    pub end: Option<ScheduleAttemptEnd>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleAttemptEnd {
    /// What.
    pub outcome: AttemptOutcome,
    /// What the merchant was told.
    pub code: ResponseCode,
    /// When.
    pub at: Timestamp,
}

/// Which due schedules a life wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueTake {
    /// The life.
    pub life: LifeId,
    /// Whose schedules.
    pub merchant: MerchantId,
    /// Now.
    pub now: Timestamp,
    /// At most so many.
    pub limit: usize,
}

/// A change of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleChange {
    /// The schedule after it. Its version is one more than the one that must be stored now. Where it is cancelled by it, so
    /// is its agreement.
    pub schedule: Schedule,
    /// The card that the agreement is about from now on; `None`: the one it had.
    pub card: Option<NextCard>,
    /// When.
    pub at: Timestamp,
}

/// A token that takes the place of an agreement's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextCard {
    /// Its name.
    pub token_name: String,
    /// Since when it has been there.
    pub token_since: Timestamp,
    /// The card that it has.
    pub token_id: TokenId,
}

/// Whether a schedule was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleChanged {
    /// It was.
    Written,
    /// It is another by now than the one that was read. Nothing was written.
    Overtaken,
}

/// Which schedules are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleFilter {
    /// Of this merchant.
    pub merchant: MerchantId,
    /// In a state of this name only ([`tollgate_core::schedule::ScheduleState::name`]).
    pub state: Option<ScheduleStateKind>,
    /// After this one, to read on.
    pub after: Option<AgreementNumber>,
    /// At most so many.
    pub limit: usize,
}

/// A state of schedules, without its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleStateKind {
    /// Opening.
    Opening,
    /// Active.
    Active,
    /// Paused.
    Paused,
    /// Ended.
    Ended,
}
