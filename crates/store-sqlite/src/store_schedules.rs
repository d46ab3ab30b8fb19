//! The port of schedules over the store's threads.

use crate::schedule;
use crate::store::SqliteStore;
use tollgate_core::agreement::AgreementNumber;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::schedule::Schedule;
use tollgate_core::time::Timestamp;
use tollgate_store::{
    DueTake, LifeId, ScheduleAttempt, ScheduleChange, ScheduleChanged, ScheduleFilter, Schedules, StoreFuture,
};

impl Schedules for SqliteStore {
    fn schedule(&self, agreement: AgreementNumber) -> StoreFuture<'_, Option<Schedule>> {
        Box::pin(async move { self.readers().point(|connection| schedule::one(connection, agreement)) })
    }

    fn schedules<'a>(&'a self, filter: &'a ScheduleFilter) -> StoreFuture<'a, Vec<Schedule>> {
        Box::pin(async move { self.readers().point(|connection| schedule::list(connection, filter)) })
    }

    fn schedule_attempts(
        &self,
        agreement: AgreementNumber,
        before: Option<FortId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<ScheduleAttempt>> {
        Box::pin(
            async move { self.readers().point(|connection| schedule::attempts(connection, agreement, before, limit)) },
        )
    }

    fn schedules_next_at(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move { self.readers().point(schedule::next_at) })
    }

    fn merchants_with_due_schedules(
        &self,
        now: Timestamp,
        after: Option<MerchantId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<MerchantId>> {
        Box::pin(async move {
            self.readers().snapshot(|connection| schedule::merchants_with_due(connection, now, after, limit))
        })
    }

    fn take_due_schedules(&self, take: DueTake) -> StoreFuture<'_, Vec<Schedule>> {
        Box::pin(self.writer().call(move |connection| schedule::take_due(connection, &take)))
    }

    fn give_back_schedules(&self, life: LifeId, agreements: Vec<AgreementNumber>) -> StoreFuture<'_, ()> {
        Box::pin(self.writer().call(move |connection| schedule::give_back(connection, life, &agreements)))
    }

    fn change_schedule(&self, change: ScheduleChange) -> StoreFuture<'_, ScheduleChanged> {
        Box::pin(self.writer().call(move |connection| schedule::change(connection, &change)))
    }
}
