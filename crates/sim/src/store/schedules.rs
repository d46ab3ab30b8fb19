//! Schedules in the store of one life: the port as it is. The world's merchants leave none to the gateway.

use super::WorldStore;
use tollgate_core::agreement::AgreementNumber;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::schedule::Schedule;
use tollgate_core::time::Timestamp;
use tollgate_store::{
    DueTake, LifeId, ScheduleAttempt, ScheduleChange, ScheduleChanged, ScheduleFilter, Schedules, StoreFuture,
};

impl Schedules for WorldStore {
    fn schedule(&self, agreement: AgreementNumber) -> StoreFuture<'_, Option<Schedule>> {
        self.inner.schedule(agreement)
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
        self.inner.schedules_next_at()
    }

    fn merchants_with_due_schedules(
        &self,
        now: Timestamp,
        after: Option<MerchantId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<MerchantId>> {
        self.inner.merchants_with_due_schedules(now, after, limit)
    }

    fn take_due_schedules(&self, take: DueTake) -> StoreFuture<'_, Vec<Schedule>> {
        self.inner.take_due_schedules(take)
    }

    fn give_back_schedules(&self, life: LifeId, agreements: Vec<AgreementNumber>) -> StoreFuture<'_, ()> {
        self.inner.give_back_schedules(life, agreements)
    }

    fn change_schedule(&self, change: ScheduleChange) -> StoreFuture<'_, ScheduleChanged> {
        self.inner.change_schedule(change)
    }
}
