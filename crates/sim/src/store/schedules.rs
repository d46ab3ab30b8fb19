//! Schedules in the store of one life: the port with its faults, what the auditor hears of due dates, and their mutants.

use super::{Access, WorldStore};
use crate::audit::agreements::opener_of;
use crate::audit::schedules::Due;
use crate::due::DueAttempt;
use crate::mutants::Mutant;
use crate::shop::merchant_of;
use tollgate_core::agreement::{AgreementNumber, Day};
use tollgate_core::command::SafeParams;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::schedule::Schedule;
use tollgate_core::time::{Clock, DAY_US, Timestamp};
use tollgate_store::{
    DueTake, LifeId, NewOrder, ScheduleAttempt, ScheduleChange, ScheduleChanged, ScheduleFilter, ScheduleIntent,
    Schedules, StoreError, StoreFuture,
};

impl WorldStore {
    /// What a new order charges, if the gateway makes it by itself. It gets its number here.
    pub(super) fn due_of(&self, new: &NewOrder) -> Option<Due> {
        let Some(ScheduleIntent::Attempt { .. }) = &new.schedule else { return None };
        let agreement = new.order.credential.as_ref()?.agreement.as_ref()?;
        let attempt = DueAttempt {
            opener: opener_of(&agreement.id)?,
            day: new.request.get(SafeParams::DUE_DATE).and_then(Day::parse)?,
            attempt: new.request.get(SafeParams::DUE_ATTEMPT)?.parse().ok()?,
        };
        let merchant = merchant_of(new.order.merchant);
        self.faults.watch.due_charges().number_for(&new.order.merchant_reference, merchant, attempt.opener);
        Some(Due {
            attempt,
            today: Day::of(self.faults.watch.clock.now()),
            merchant,
            currency: new.order.money.currency.numeric(),
            amount: new.order.money.amount.minor(),
        })
    }
}

/// More attempts than any due date has.
const ATTEMPTS_LEFT_OUT: u32 = 1_000;

impl WorldStore {
    /// What [`Mutant::DueTwice`] makes of a schedule.
    async fn go_back(&self, schedule: &mut Schedule, at: Timestamp) -> Result<(), StoreError> {
        let mut back = schedule.clone();
        back.version += 1;
        back.due.nth -= 1;
        back.due.day = Day::from_number(back.due.day.number() - 1).unwrap_or(back.due.day);
        back.due.attempt = ATTEMPTS_LEFT_OUT;
        self.inner.change_schedule(ScheduleChange { schedule: back.clone(), card: None, at }).await?;
        *schedule = back;
        Ok(())
    }

    /// Up to when what is due at `now` is due.
    fn due_by(&self, now: Timestamp) -> Timestamp {
        if self.has(Mutant::DueTooEarly) { Timestamp(now.0 + DAY_US) } else { now }
    }
}

impl Schedules for WorldStore {
    fn schedule(&self, agreement: AgreementNumber) -> StoreFuture<'_, Option<Schedule>> {
        Box::pin(self.call("schedule", None, Access::Reads, self.inner.schedule(agreement), |_| "read"))
    }

    fn schedules<'a>(&'a self, filter: &'a ScheduleFilter) -> StoreFuture<'a, Vec<Schedule>> {
        self.inner.schedules(filter)
    }

    fn schedule_attempts(
        &self,
        agreement: AgreementNumber,
        before: Option<FortId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<ScheduleAttempt>> {
        self.inner.schedule_attempts(agreement, before, limit)
    }

    fn schedules_next_at(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move {
            if self.has(Mutant::ForgetDue) {
                return Ok(None);
            }
            let work = self.inner.schedules_next_at();
            let next = self.call("schedules_next_at", None, Access::Reads, work, |_| "read").await?;
            Ok(next.map(|at| if self.has(Mutant::DueTooEarly) { Timestamp(at.0 - DAY_US) } else { at }))
        })
    }

    fn merchants_with_due_schedules(
        &self,
        now: Timestamp,
        after: Option<MerchantId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<MerchantId>> {
        let work = self.inner.merchants_with_due_schedules(self.due_by(now), after, limit);
        Box::pin(self.call("merchants_with_due", None, Access::Reads, work, |_| "read"))
    }

    fn take_due_schedules(&self, take: DueTake) -> StoreFuture<'_, Vec<Schedule>> {
        Box::pin(async move {
            let work = self.inner.take_due_schedules(DueTake { now: self.due_by(take.now), ..take });
            let mut taken = self.call("take_due_schedules", None, Access::Writes, work, |_| "taken").await?;
            for schedule in &mut taken {
                if self.has(Mutant::DueTooEarly) {
                    schedule.due.at = schedule.due.at.min(take.now);
                }
                if self.has(Mutant::DueTwice) && schedule.due.nth > 0 && schedule.due.attempt < ATTEMPTS_LEFT_OUT {
                    self.go_back(schedule, take.now).await?;
                }
            }
            Ok(taken)
        })
    }

    fn give_back_schedules(&self, life: LifeId, agreements: Vec<AgreementNumber>) -> StoreFuture<'_, ()> {
        let work = self.inner.give_back_schedules(life, agreements);
        Box::pin(self.call("give_back_schedules", None, Access::Writes, work, |()| "given back"))
    }

    fn change_schedule(&self, change: ScheduleChange) -> StoreFuture<'_, ScheduleChanged> {
        let opener = opener_of(&change.schedule.agreement_id);
        let work = self.inner.change_schedule(change);
        Box::pin(self.call("change_schedule", opener, Access::Writes, work, |changed| match changed {
            ScheduleChanged::Written => "changed",
            ScheduleChanged::Overtaken => "overtaken",
        }))
    }
}
