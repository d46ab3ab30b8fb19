//! Schedules: charges under an agreement that the gateway begins by itself, each on its day.
//!
//! A schedule has one due date at a time, and due dates only grow. A due date has attempts, numbered from 1, one after the
//! other: the next one is planned when the one before has its outcome, never while nobody knows. So what a schedule was
//! charged for is told by (agreement, due day, attempt), which a store keeps unique.
//!
//! What falls due while the gateway is down is charged when it is there again, one due date after the other, in order: each is
//! money for a time that has passed, and none is lost without a word. What falls due while a schedule is paused is skipped.

use crate::advice::RetryAdvice;
use crate::agreement::{Agreement, AgreementNumber, AgreementState, Day, RecurringMode};
use crate::billing::{
    BillingCycle, ChargeHour, DueDate, Dunning, DunningEnd, DunningPlan, DunningStop, TimeZoneName, Tried,
};
use crate::code::ResponseCode;
use crate::command::SafeParams;
use crate::ident::{FortId, MerchantId};
use crate::money::Money;
use crate::named_enum::named_enum;
use crate::time::{DAY_US, Timestamp};

/// How many attempts of one due date may come to nothing without a decline (reversed, never sent) before the next one
/// counts as declined.
pub const FAILURES_MAX: u32 = 5;
/// The wait after the first of them, in milliseconds; it doubles with each.
pub const FAILURE_PAUSE_MS: u64 = 5 * 60_000;

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Schedule {
    /// The agreement that it charges, of which it is the only one.
    pub agreement: AgreementNumber,
    /// Whose.
    pub merchant: MerchantId,
    /// The name of the agreement (`agreement_id`).
    pub agreement_id: String,
    /// On which days charges fall due: the cycle,
    pub cycle: BillingCycle,
    /// and the day that it is counted from.
    pub anchor: Day,
    /// How a due date is charged.
    pub terms: ScheduleTerms,
    /// How much each charge is.
    pub money: Money,
    /// The due date that comes next, or is being charged; of a schedule that ended, the last one.
    pub due: Due,
    /// The attempt that is under way, or whose outcome is not known.
    pub open: Option<FortId>,
    /// Where it stands.
    pub state: ScheduleState,
    /// The due day that the merchant was told of before.
    pub noticed: Option<Day>,
    /// The newest due day that is over: charged, given up or stopped. None up to it is charged again.
    pub done: Option<Day>,
    /// The newest attempt that has an outcome.
    pub last: Option<LastAttempt>,
    /// What each charge repeats of the request that opened the agreement, masked.
    pub request: SafeParams,
    /// Grows with each change, from 1.
    pub version: u32,
}

/// How due dates are charged: the merchant's settings, as they were when the last attempt began.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ScheduleTerms {
    /// In which time zone days are counted.
    pub zone: TimeZoneName,
    /// At which hour there a charge begins.
    pub hour: ChargeHour,
    /// When a soft decline is tried again.
    pub dunning: DunningPlan,
    /// So many days before a due date the merchant is told of it; 0: it is not.
    pub notice_days: u8,
    /// Whether the merchant hears of what happens to the schedule.
    pub news: NewsWish,
}

/// Whether a merchant hears of what happens to its schedules, by notification feedback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewsWish {
    /// It has an address for it, or listens.
    Told,
    /// It has none.
    #[default]
    NotTold,
}

/// A due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Due {
    /// Its place in the cycle, from 0.
    pub nth: u32,
    /// The day, in the schedule's time zone.
    pub day: Day,
    /// The number of the attempt that is under way or comes next, from 1.
    pub attempt: u32,
    /// How many attempts were declined.
    pub declines: u32,
    /// On which day the next attempt is made: the due day, or a day of the dunning plan.
    pub on: Day,
    /// When it begins.
    pub at: Timestamp,
}

/// Where a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleState {
    /// The payment that opens its agreement is not settled.
    Opening,
    /// It charges.
    Active,
    /// It does not, until it is resumed.
    Paused(SchedulePause),
    /// It never will again.
    Ended(ScheduleEnd),
}

impl ScheduleState {
    /// The word for it, as status words are written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ScheduleState::Opening => "OPENING",
            ScheduleState::Active => "ACTIVE",
            ScheduleState::Paused(_) => "PAUSED",
            ScheduleState::Ended(_) => "ENDED",
        }
    }

    /// Why it is paused or ended, in words.
    #[must_use]
    pub const fn why(self) -> Option<&'static str> {
        match self {
            ScheduleState::Opening | ScheduleState::Active => None,
            ScheduleState::Paused(pause) => Some(pause.why.name()),
            ScheduleState::Ended(end) => Some(end.why.name()),
        }
    }
}

/// Since when and why a schedule is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SchedulePause {
    /// Why.
    pub why: PauseWhy,
    /// Since when.
    pub since: Timestamp,
}

/// When and why a schedule ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ScheduleEnd {
    /// Why.
    pub why: EndWhy,
    /// When.
    pub at: Timestamp,
}

named_enum! {
    /// Why a schedule is paused.
    PauseWhy {
        /// The merchant or an operator asked for it.
        Asked = 0 "asked for",
        /// The issuer's decline forbids to try the card again, or wants new data or the customer.
        HardDecline = 1 "hard decline",
        /// Every attempt of the dunning plan was declined.
        DunningUsedUp = 2 "dunning plan used up",
        /// The token is not there any more, or is switched off.
        CardGone = 3 "token not usable",
        /// The gateway refuses the charge for a reason that does not go away by waiting.
        Refused = 4 "charge refused",
    }
}

named_enum! {
    /// Why a schedule ended.
    EndWhy {
        /// Every charge that was agreed is made, or the cycle has no more due dates.
        Completed = 0 "completed",
        /// The last day that was agreed is over.
        Expired = 1 "expired",
        /// It was cancelled, or its agreement was ended.
        Cancelled = 2 "cancelled",
        /// Every attempt of the dunning plan was declined, and the merchant wants it to end then.
        DunningUsedUp = 3 "dunning plan used up",
    }
}

/// The newest attempt that has an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LastAttempt {
    /// Of which due day.
    pub due_day: Day,
    /// Its number.
    pub attempt: u32,
    /// Its order.
    pub order: FortId,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// What the merchant was told of it.
    pub code: ResponseCode,
    /// When.
    pub at: Timestamp,
}

/// A schedule that is about to begin with an agreement.
#[derive(Clone, Debug)]
pub struct ScheduleOpening {
    /// The agreement.
    pub agreement: AgreementNumber,
    /// Whose.
    pub merchant: MerchantId,
    /// Its name.
    pub agreement_id: String,
    /// The cycle.
    pub cycle: BillingCycle,
    /// The first due day, where one is agreed (after a trial); else the cycle is counted from the payment's day, and the
    /// first charge is on the first due day after it.
    pub first_day: Option<Day>,
    /// How due dates are charged.
    pub terms: ScheduleTerms,
    /// How much each charge is.
    pub money: Money,
    /// What each charge repeats of the request.
    pub request: SafeParams,
    /// When the payment is sent that opens it.
    pub at: Timestamp,
}

/// What is left of what the customer agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleLimits {
    /// How many charges may still begin; `None` is no limit.
    pub charges_left: Option<u32>,
    /// The last day in UTC; `None` is no limit.
    pub last_day: Option<Day>,
}

impl ScheduleLimits {
    /// Of an agreement as it is now.
    #[must_use]
    pub fn of(agreement: &Agreement) -> ScheduleLimits {
        ScheduleLimits { charges_left: agreement.charges_left(), last_day: agreement.terms.last_day }
    }
}

/// What is to be done about a schedule now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleStep {
    /// Nothing.
    Nothing,
    /// The merchant is to be told of the due date that comes.
    Notice,
    /// The due date is to be charged.
    Charge,
}

/// What an agreement says to a charge that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChargeStep {
    /// It may begin.
    Charge,
    /// Not before.
    Wait(Timestamp),
    /// Not before another charge of the agreement has its outcome.
    Behind,
    /// Never.
    End(EndWhy),
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Of which due day.
    pub due_day: Day,
    /// Its number.
    pub attempt: u32,
    /// Its order.
    pub order: FortId,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// What the merchant is told.
    pub code: ResponseCode,
    /// When.
    pub at: Timestamp,
}

/// What comes of an attempt, once that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The due date is charged.
    Approved,
    /// The issuer said no.
    Declined(RetryAdvice),
    /// Nobody said no, and nothing was charged: it was reversed, or never sent.
    CameToNothing,
}

named_enum! {
    /// What a merchant is told of a schedule, beside the outcome of each charge.
    NewsKind {
        /// A due date comes.
        Upcoming = 0 "upcoming charge",
        /// It is paused.
        Paused = 1 "paused",
        /// It is resumed.
        Resumed = 2 "resumed",
        /// It has ended.
        Ended = 3 "ended",
        /// The dunning plan of a due date is used up, and it goes on with the next one.
        GivenUp = 4 "due date given up",
    }
}

/// Something that happened to a schedule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ScheduleNews {
    /// What.
    pub kind: NewsKind,
    /// The name of the agreement.
    pub agreement_id: String,
    /// The due day that it is about: the one that comes, or was stopped.
    pub due_day: Day,
    /// How much each charge is.
    pub money: Money,
    /// Where the schedule stands then.
    pub state: ScheduleState,
    /// When.
    pub at: Timestamp,
}

/// Why a change of a schedule is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChange {
    /// It is not in a state for it.
    #[error("the schedule is {0}")]
    State(&'static str),
    /// A charge of it is under way, or its outcome is not known.
    #[error("a charge of the schedule is under way, or its outcome is not known yet")]
    Open,
    /// The agreement is FIXED.
    #[error("the agreement is FIXED: each charge is what was agreed")]
    FixedAmount,
    /// The currency is another than the agreement's.
    #[error("the currency is another than that of the agreement")]
    Currency,
    /// The day is past, was charged already, or the cycle has none from it on.
    #[error("the day is past, or up to it everything was charged, or the cycle has no day from it on")]
    Day,
}

impl Schedule {
    /// A schedule that begins when the payment succeeds; `None` when its cycle has no due day.
    #[must_use]
    pub fn opened(opening: ScheduleOpening) -> Option<Schedule> {
        let ScheduleOpening { agreement, merchant, agreement_id, cycle, first_day, terms, money, request, at } =
            opening;
        let today = terms.zone.day(at);
        let first = match first_day {
            Some(first) => DueDate { nth: 0, day: cycle.due(first, 0)? },
            None => cycle.first_after(today, today)?,
        };
        let anchor = first_day.unwrap_or(today);
        let due = Due::planned(first, &terms);
        Some(Schedule {
            agreement,
            merchant,
            agreement_id,
            cycle,
            anchor,
            terms,
            money,
            due,
            open: None,
            state: ScheduleState::Opening,
            noticed: None,
            done: None,
            last: None,
            request,
            version: 1,
        })
    }

    /// The payment that opens its agreement has succeeded.
    #[must_use]
    pub fn begun(&self, limits: ScheduleLimits, at: Timestamp) -> Schedule {
        let mut next = self.changed();
        if next.state == ScheduleState::Opening {
            next.state = ScheduleState::Active;
            next.end_beyond(limits, at);
        }
        next
    }

    /// When something is to be done about it next; `None`: not by itself.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        if self.state != ScheduleState::Active || self.open.is_some() {
            return None;
        }
        Some(self.notice_at().map_or(self.due.at, |notice| notice.min(self.due.at)))
    }

    /// What is to be done about it now. A notice that is as late as its charge is left out.
    #[must_use]
    pub fn step(&self, now: Timestamp) -> ScheduleStep {
        match self.next_at() {
            Some(_) if now >= self.due.at => ScheduleStep::Charge,
            Some(next) if now >= next => ScheduleStep::Notice,
            _ => ScheduleStep::Nothing,
        }
    }

    /// What the agreement says to a charge of it now.
    #[must_use]
    pub fn judged(&self, agreement: &Agreement, now: Timestamp) -> ChargeStep {
        match agreement.state {
            AgreementState::Opening => return ChargeStep::Behind,
            AgreementState::Ended(_) => return ChargeStep::End(EndWhy::Cancelled),
            AgreementState::Active => {}
        }
        if agreement.terms.last_day.is_some_and(|last| Day::of(now) > last) {
            return ChargeStep::End(EndWhy::Expired);
        }
        if agreement.charges_left() == Some(0) {
            return if agreement.charges_open > 0 { ChargeStep::Behind } else { ChargeStep::End(EndWhy::Completed) };
        }
        match agreement.next_day() {
            None => ChargeStep::Charge,
            Some(_) if agreement.terms.days_between_min != Some(0) && agreement.charges_open > 0 => ChargeStep::Behind,
            Some(next) if Day::of(now) < next => ChargeStep::Wait(Timestamp(next.number().saturating_mul(DAY_US))),
            Some(_) => ChargeStep::Charge,
        }
    }

    /// The intent of its next attempt is durable, as this order, with the merchant's settings of now; `None` when none may
    /// begin.
    #[must_use]
    pub fn attempt_begun(&self, order: FortId, terms: ScheduleTerms) -> Option<Schedule> {
        if self.state != ScheduleState::Active || self.open.is_some() {
            return None;
        }
        Some(Schedule { open: Some(order), terms, ..self.changed() })
    }

    /// What came of an attempt is known. Of an attempt that is not about the due date of now, nothing follows but that it is
    /// noted.
    #[must_use]
    pub fn settled(&self, end: &AttemptEnd, limits: ScheduleLimits) -> Schedule {
        let mut next = self.changed();
        if next.open == Some(end.order) {
            next.open = None;
        }
        let AttemptEnd { due_day, attempt, order, outcome, code, at } = *end;
        if next.last.is_none_or(|last| (last.due_day, last.attempt) <= (due_day, attempt)) {
            next.last = Some(LastAttempt { due_day, attempt, order, outcome, code, at });
        }
        if due_day != next.due.day {
            return next;
        }
        if outcome == AttemptOutcome::Approved {
            next.done = Some(due_day);
        }
        if next.open.is_some() || matches!(next.state, ScheduleState::Opening | ScheduleState::Ended(_)) {
            // Whatever an earlier attempt turns out to be: that of now comes to its end first.
            return next;
        }
        if next.is_over(due_day) {
            // Of one that was stopped, what follows is up to who resumes it.
            if next.state == ScheduleState::Active || outcome == AttemptOutcome::Approved {
                next.go_on(limits, at);
            }
            return next;
        }
        match outcome {
            // A correction of an earlier attempt.
            _ if attempt != next.due.attempt => {}
            AttemptOutcome::Approved => {}
            AttemptOutcome::Declined(advice) => next.declined(advice, limits, at),
            AttemptOutcome::CameToNothing => next.came_to_nothing(limits, at),
        }
        next
    }

    /// The merchant is told of the due date that comes, if it wants to be by its settings of now.
    #[must_use]
    pub fn with_notice(&self, terms: ScheduleTerms) -> Schedule {
        let noticed = if terms.notice_days > 0 { Some(self.due.day) } else { self.noticed };
        Schedule { noticed, terms, ..self.changed() }
    }

    /// The next attempt begins later.
    #[must_use]
    pub fn postponed(&self, until: Timestamp) -> Schedule {
        Schedule { due: Due { at: self.due.at.max(until), ..self.due }, ..self.changed() }
    }

    /// It charges no more until it is resumed. A charge under way goes on to its end.
    ///
    /// # Errors
    /// When it is not active.
    pub fn paused(&self, why: PauseWhy, at: Timestamp) -> Result<Schedule, NoChange> {
        match self.state {
            ScheduleState::Active => {
                Ok(Schedule { state: ScheduleState::Paused(SchedulePause { why, since: at }), ..self.changed() })
            }
            other => Err(NoChange::State(other.name())),
        }
    }

    /// It charges again, from the first due day on that is today or later: those that passed meanwhile are skipped, and so is
    /// one whose attempts ended in the pause.
    ///
    /// # Errors
    /// When it is not paused.
    pub fn resumed(&self, limits: ScheduleLimits, at: Timestamp) -> Result<Schedule, NoChange> {
        if !matches!(self.state, ScheduleState::Paused(_)) {
            return Err(NoChange::State(self.state.name()));
        }
        let mut next = Schedule { state: ScheduleState::Active, ..self.changed() };
        let today = next.terms.zone.day(at);
        let may_stay = next.open.is_some() || (next.due.on >= today && !next.is_over(next.due.day));
        if !may_stay {
            match next.first_from(today) {
                Some(due) => next.due = due,
                None => next.end(EndWhy::Completed, at),
            }
        }
        next.end_beyond(limits, at);
        Ok(next)
    }

    /// The charges that have not begun are of another amount.
    ///
    /// # Errors
    /// When it ended, the agreement is FIXED, or the currency is another.
    pub fn with_money(&self, mode: RecurringMode, money: Money) -> Result<Schedule, NoChange> {
        self.has_not_ended()?;
        if money.currency != self.money.currency {
            return Err(NoChange::Currency);
        }
        if mode == RecurringMode::Fixed && money != self.money {
            return Err(NoChange::FixedAmount);
        }
        Ok(Schedule { money, ..self.changed() })
    }

    /// The next charge is on another day, from which the cycle is counted anew.
    ///
    /// # Errors
    /// When it ended, an attempt is under way, or the day is past or not after the last one that was charged.
    pub fn with_next_day(&self, day: Day, limits: ScheduleLimits, at: Timestamp) -> Result<Schedule, NoChange> {
        self.has_not_ended()?;
        if self.open.is_some() {
            return Err(NoChange::Open);
        }
        let mut next = self.changed();
        if next.due.attempt > 1 {
            next.done = Some(next.due.day);
        }
        if day < next.terms.zone.day(at) || next.is_over(day) {
            return Err(NoChange::Day);
        }
        let first = next.cycle.due(day, 0).ok_or(NoChange::Day)?;
        next.due = Due::planned(DueDate { nth: 0, day: first }, &next.terms);
        next.anchor = day;
        next.end_beyond(limits, at);
        Ok(next)
    }

    /// It is over. A charge under way goes on to its end.
    ///
    /// # Errors
    /// When it ended before.
    pub fn ended(&self, why: EndWhy, at: Timestamp) -> Result<Schedule, NoChange> {
        self.has_not_ended()?;
        let mut next = self.changed();
        next.end(why, at);
        Ok(next)
    }

    /// That it has not ended: else nothing of it can be changed.
    ///
    /// # Errors
    /// When it has, or has not begun.
    pub fn has_not_ended(&self) -> Result<(), NoChange> {
        match self.state {
            ScheduleState::Active | ScheduleState::Paused(_) => Ok(()),
            other => Err(NoChange::State(other.name())),
        }
    }

    /// The `merchant_reference` of its next attempt: always the same for one attempt, and 32 characters at most. No run of
    /// digits in it is as long as a card number.
    #[must_use]
    pub fn reference(&self) -> String {
        let Due { day, attempt, .. } = self.due;
        let day: String = day.to_string().chars().filter(char::is_ascii_digit).collect();
        format!("SUB-{}-D{day}-T{attempt}", base_32(self.agreement.0))
    }

    /// What the merchant is told of the step from `before` to this, if it hears of such things.
    #[must_use]
    pub fn news_since(&self, before: &Schedule, at: Timestamp) -> Option<ScheduleNews> {
        use ScheduleState::{Active, Ended, Paused};
        let given_up = before.done != self.done
            && self.last.is_some_and(|last| last.due_day == before.due.day && last.outcome != AttemptOutcome::Approved);
        let kind = match (before.state, self.state) {
            (Active, Paused(_)) => NewsKind::Paused,
            (Paused(_), Active) => NewsKind::Resumed,
            (Active | Paused(_), Ended(_)) => NewsKind::Ended,
            (Active, Active) if before.noticed != self.noticed => NewsKind::Upcoming,
            (Active, Active) if given_up => NewsKind::GivenUp,
            _ => return None,
        };
        let due_day = if kind == NewsKind::GivenUp { before.due.day } else { self.due.day };
        Some(ScheduleNews {
            kind,
            agreement_id: self.agreement_id.clone(),
            due_day,
            money: self.money,
            state: self.state,
            at,
        })
    }

    /// The due dates that come, in their order, from that of now on, at most so many.
    #[must_use]
    pub fn upcoming(&self, dues_max: usize) -> Vec<Due> {
        if !matches!(self.state, ScheduleState::Active | ScheduleState::Paused(_)) {
            return Vec::new();
        }
        let later = (1..).map_while(|places: u32| self.planned(self.due.nth.checked_add(places)?));
        std::iter::once(self.due).chain(later).take(dues_max).collect()
    }

    fn notice_at(&self) -> Option<Timestamp> {
        let Due { day, attempt, .. } = self.due;
        let may = self.terms.notice_days > 0 && attempt == 1 && self.noticed != Some(day);
        let before = Day::from_number(day.number().checked_sub(i64::from(self.terms.notice_days))?)?;
        may.then(|| self.terms.zone.moment(before, self.terms.hour))
    }

    /// It is tried again soon, as nobody said no; but not for ever.
    fn came_to_nothing(&mut self, limits: ScheduleLimits, at: Timestamp) {
        let failures = self.due.attempt.saturating_sub(self.due.declines).max(1);
        if failures > FAILURES_MAX {
            return self.declined(RetryAdvice::Later, limits, at);
        }
        self.due.attempt = self.due.attempt.saturating_add(1);
        self.due.at = at.plus_ms(FAILURE_PAUSE_MS << (failures - 1));
        self.end_beyond(limits, at);
    }

    fn declined(&mut self, advice: RetryAdvice, limits: ScheduleLimits, at: Timestamp) {
        self.due.declines = self.due.declines.saturating_add(1);
        let tried = Tried {
            due: self.due.day,
            attempt: self.due.declines,
            today: self.terms.zone.day(at),
            next_due: self.due.nth.checked_add(1).and_then(|nth| self.planned(nth)).map(|due| due.day),
            advice,
        };
        let plan = &self.terms.dunning;
        match plan.decide(&tried) {
            Dunning::TryAgain { day } => {
                self.due.at = self.terms.zone.moment(day, plan.hour.unwrap_or(self.terms.hour));
                self.due.on = day;
                self.due.attempt = self.due.attempt.saturating_add(1);
                self.end_beyond(limits, at);
            }
            Dunning::Stop(DunningStop::HardDecline) => self.stop(PauseWhy::HardDecline, at),
            Dunning::Stop(DunningStop::UsedUp) => match plan.end {
                DunningEnd::Pause => self.stop(PauseWhy::DunningUsedUp, at),
                DunningEnd::Cancel => {
                    self.done = Some(self.due.day);
                    self.end(EndWhy::DunningUsedUp, at);
                }
                DunningEnd::GoOn => self.go_on(limits, at),
            },
        }
    }

    /// The due date is not tried again, and no other one comes before somebody resumes.
    fn stop(&mut self, why: PauseWhy, at: Timestamp) {
        self.done = Some(self.due.day);
        if self.state == ScheduleState::Active {
            self.state = ScheduleState::Paused(SchedulePause { why, since: at });
        }
    }

    /// The due date is over: the next one follows, if one does.
    fn go_on(&mut self, limits: ScheduleLimits, at: Timestamp) {
        self.done = Some(self.due.day);
        match self.due.nth.checked_add(1).and_then(|nth| self.planned(nth)) {
            Some(due) => {
                self.due = due;
                self.end_beyond(limits, at);
            }
            None => self.end(EndWhy::Completed, at),
        }
    }

    /// Ends it where what it plans is beyond what was agreed.
    fn end_beyond(&mut self, limits: ScheduleLimits, at: Timestamp) {
        if self.open.is_some() {
            return;
        }
        if limits.charges_left == Some(0) {
            self.end(EndWhy::Completed, at);
        } else if limits.last_day.is_some_and(|last| Day::of(self.due.at) > last) {
            self.end(EndWhy::Expired, at);
        }
    }

    fn end(&mut self, why: EndWhy, at: Timestamp) {
        if !matches!(self.state, ScheduleState::Ended(_)) {
            self.state = ScheduleState::Ended(ScheduleEnd { why, at });
        }
    }

    fn is_over(&self, day: Day) -> bool {
        self.done.is_some_and(|done| day <= done)
    }

    /// The first due date that is on `day` or later, not before that of now, and not over.
    fn first_from(&self, day: Day) -> Option<Due> {
        let before = Day::from_number(day.max(self.due.day).number().checked_sub(1)?)?;
        let after = self.done.map_or(before, |done| done.max(before));
        self.cycle.first_after(self.anchor, after).map(|date| Due::planned(date, &self.terms))
    }

    fn planned(&self, nth: u32) -> Option<Due> {
        self.cycle.due(self.anchor, nth).map(|day| Due::planned(DueDate { nth, day }, &self.terms))
    }

    fn changed(&self) -> Schedule {
        Schedule { version: self.version.saturating_add(1), ..self.clone() }
    }
}

impl Due {
    fn planned(date: DueDate, terms: &ScheduleTerms) -> Due {
        let DueDate { nth, day } = date;
        Due { nth, day, attempt: 1, declines: 0, on: day, at: terms.zone.moment(day, terms.hour) }
    }
}

/// Twelve characters for a number below 2 to the 60, by the alphabet of Crockford's base 32.
fn base_32(number: i64) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digit = |place: u32| {
        let value = usize::try_from((number >> (place * 5)) & 31).unwrap_or(0);
        char::from(ALPHABET.get(value).copied().unwrap_or(b'0'))
    };
    (0..12).rev().map(digit).collect()
}
