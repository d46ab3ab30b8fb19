//! Schedules: what a payment opens one with, the job that charges due dates, and what merchants and operators do with them.
//!
//! A charge on its day is a PURCHASE as a merchant's server would send it (`eci=RECURRING` with the agreement), by the same
//! use case. Its intent begins the attempt in one commit, and the commit of its outcome moves the schedule on; so whatever
//! dies in between, and whoever looks at the same schedule, a due date is charged once.

mod api;
mod charge;
mod desk;
mod draft;
mod job;

pub(crate) use charge::DueCharge;
pub use desk::{
    ScheduleDesk, ScheduleDeskError, SchedulePage, ScheduleRest, ScheduleStatusWish, ScheduleWish, ShownSchedule,
};
pub(crate) use draft::{ScheduleDraft, draft, terms};
pub use job::ScheduleJobs;

use tollgate_core::code::refused;
use tollgate_core::refusal::{Guilty, Refusal};

/// How due dates are charged.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSettings {
    /// How many charges of one merchant may begin in a second. More wait; none is given up.
    pub charges_per_second_max: u32,
    /// How many charges of one merchant may be under way at once.
    pub charges_in_flight_max: usize,
}

impl Default for ScheduleSettings {
    fn default() -> ScheduleSettings {
        ScheduleSettings { charges_per_second_max: 100, charges_in_flight_max: 16 }
    }
}

/// The schedule is another by now than the one that was judged: somebody else begins the attempt, or it was changed.
pub(crate) fn changed() -> Refusal {
    Refusal::of(refused::STILL_PROCESSING, Guilty::Us, "the schedule changed while its charge was begun")
}
