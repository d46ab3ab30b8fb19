//! What an operator asks of schedules: what the gateway charges by itself under agreements.

use crate::desk::DeskRequest;
use crate::wiring::Opened;
use http::StatusCode;
use serde_json::{Value, json as object};
use tollgate_app::{ScheduleDesk, ScheduleDeskError, ScheduleRest, ScheduleStatusWish, ScheduleWish, ShownSchedule};
use tollgate_core::agreement::Day;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::money::{Amount, Money};
use tollgate_core::schedule::{AttemptOutcome, Due, LastAttempt, Schedule, ScheduleState};
use tollgate_core::time::Timestamp;
use tollgate_store::{ScheduleAttempt, ScheduleStateKind, StoreError};

/// The most schedules, due dates or attempts that one list tells.
pub const LISTED_MAX: usize = 10_000;
/// How many schedules are read at once when all of a merchant are looked through.
const PAGE_SCHEDULES: usize = 1_000;

/// A request, as it travels in `POST /operator/recurring`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum RecurringRequest {
    /// Schedules of a merchant, in the order in which their agreements were asked for.
    List {
        /// The merchant's handle.
        merchant: String,
        /// Only those in this state: OPENING, ACTIVE, PAUSED or ENDED.
        state: Option<String>,
        /// After this agreement.
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// One schedule.
    Show {
        /// The merchant's handle.
        merchant: String,
        /// The agreement's name.
        id: String,
    },
    /// Change one; what is not given stays.
    Change {
        /// The merchant's handle.
        merchant: String,
        /// The agreement's name.
        id: String,
        /// ACTIVE, PAUSED or CANCELLED.
        status: Option<String>,
        /// What each charge shall be, in major units of its currency.
        amount: Option<String>,
        /// The token that shall be charged.
        token_name: Option<String>,
        /// The day of the next charge, YYYY-MM-DD.
        next_day: Option<String>,
    },
    /// The due dates that come: of one agreement its next ones, of a merchant the next one of each, soonest first.
    Upcoming {
        /// The merchant's handle.
        merchant: String,
        /// The agreement's name.
        id: Option<String>,
        /// Only those within so many days.
        days: Option<u32>,
        /// At most so many.
        limit: usize,
    },
    /// The attempts to charge one, newest first.
    Attempts {
        /// The merchant's handle.
        merchant: String,
        /// The agreement's name.
        id: String,
        /// Older than that of this order.
        before: Option<String>,
        /// At most so many.
        limit: usize,
    },
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum RecurringError {
    /// By the schedules themselves.
    #[error(transparent)]
    Desk(#[from] ScheduleDeskError),
    /// By the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request says nothing that can be done.
    #[error("{0}")]
    Request(String),
}

impl DeskRequest for RecurringRequest {
    const ROUTE: &'static str = "recurring";
    type Desk = ScheduleDesk;
    type Error = RecurringError;

    fn desk(opened: &Opened) -> ScheduleDesk {
        ScheduleDesk::new(opened.store.clone(), opened.clock.clone())
    }

    async fn carry_out(self, desk: &ScheduleDesk) -> Result<Value, RecurringError> {
        match self {
            RecurringRequest::List { merchant, state, after, limit } => {
                let merchant = desk.merchant(&merchant).await?;
                let state = state.as_deref().map(state_kind).transpose()?;
                let page = desk.list(merchant, state, after.as_deref(), limit.min(LISTED_MAX)).await?;
                let schedules: Vec<Value> = page.schedules.iter().map(shown).collect();
                Ok(object!({ "schedules": schedules, "more": page.rest == ScheduleRest::More }))
            }
            RecurringRequest::Show { merchant, id } => {
                let merchant = desk.merchant(&merchant).await?;
                Ok(shown_whole(&desk.show(merchant, &id).await?))
            }
            RecurringRequest::Change { merchant, id, status, amount, token_name, next_day } => {
                let merchant = desk.merchant(&merchant).await?;
                let asked = Asked { status, amount, token_name, next_day };
                let wish = asked.wish(&desk.show(merchant, &id).await?.schedule)?;
                Ok(shown_whole(&desk.change(merchant, &id, &wish).await?))
            }
            RecurringRequest::Upcoming { merchant, id, days, limit } => {
                let merchant = desk.merchant(&merchant).await?;
                let until = days.map(|days| desk.now().plus_ms(u64::from(days) * 86_400_000));
                match id {
                    Some(id) => upcoming_of(desk, merchant, &id, until, limit.min(LISTED_MAX)).await,
                    None => upcoming_of_all(desk, merchant, until, limit.min(LISTED_MAX)).await,
                }
            }
            RecurringRequest::Attempts { merchant, id, before, limit } => {
                let merchant = desk.merchant(&merchant).await?;
                attempts(desk, merchant, &id, before.as_deref(), limit.min(LISTED_MAX)).await
            }
        }
    }

    fn status(error: &RecurringError) -> StatusCode {
        match error {
            RecurringError::Request(_) => StatusCode::BAD_REQUEST,
            RecurringError::Store(_) | RecurringError::Desk(ScheduleDeskError::Store(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            RecurringError::Desk(
                ScheduleDeskError::NoMerchant(_) | ScheduleDeskError::NoAgreement | ScheduleDeskError::NoSchedule,
            ) => StatusCode::NOT_FOUND,
            RecurringError::Desk(_) => StatusCode::CONFLICT,
        }
    }
}

/// What is asked to be changed, as texts.
struct Asked {
    status: Option<String>,
    amount: Option<String>,
    token_name: Option<String>,
    next_day: Option<String>,
}

impl Asked {
    fn wish(self, schedule: &Schedule) -> Result<ScheduleWish, RecurringError> {
        let currency = schedule.money.currency;
        let amount = |text: String| {
            let words = || format!("an amount is in major units of {currency}, above zero, such as 49.00");
            let amount = Amount::parse_major(&text, currency).filter(|amount| amount.minor() > 0);
            amount.map(|amount| Money { amount, currency }).ok_or_else(|| RecurringError::Request(words()))
        };
        let day = |text: String| {
            Day::parse(&text).ok_or_else(|| RecurringError::Request(format!("a day is YYYY-MM-DD, not {text:?}")))
        };
        let status = |name: String| {
            let words = || format!("a schedule is made ACTIVE, PAUSED or CANCELLED, not {name:?}");
            ScheduleStatusWish::parse(&name).ok_or_else(|| RecurringError::Request(words()))
        };
        Ok(ScheduleWish {
            status: self.status.map(status).transpose()?,
            money: self.amount.map(amount).transpose()?,
            token_name: self.token_name,
            next_day: self.next_day.map(day).transpose()?,
        })
    }
}

async fn upcoming_of(
    desk: &ScheduleDesk,
    merchant: MerchantId,
    id: &str,
    until: Option<Timestamp>,
    limit: usize,
) -> Result<Value, RecurringError> {
    let ShownSchedule { agreement, schedule } = desk.show(merchant, id).await?;
    // No more than the agreement has left.
    let left = agreement.charges_left().map_or(limit, |left| usize::try_from(left).unwrap_or(limit));
    let dues = schedule.upcoming(limit.min(left));
    let is_agreed = |due: &Due| agreement.terms.last_day.is_none_or(|last| Day::of(due.at) <= last);
    let within = dues.into_iter().take_while(|due| is_agreed(due) && until.is_none_or(|until| due.at <= until));
    Ok(object!({ "upcoming": within.map(|due| charge(&schedule, due)).collect::<Vec<_>>() }))
}

async fn upcoming_of_all(
    desk: &ScheduleDesk,
    merchant: MerchantId,
    until: Option<Timestamp>,
    limit: usize,
) -> Result<Value, RecurringError> {
    let mut found: Vec<Schedule> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let state = Some(ScheduleStateKind::Active);
        let page = desk.list(merchant, state, after.as_deref(), PAGE_SCHEDULES).await?;
        after = page.schedules.last().map(|schedule| schedule.agreement_id.clone());
        found.extend(page.schedules.into_iter().filter(|schedule| until.is_none_or(|until| schedule.due.at <= until)));
        // What is kept is never more than what can be told and one page.
        found.sort_by_key(|schedule| (schedule.due.at, schedule.agreement));
        found.truncate(limit);
        if page.rest == ScheduleRest::None || after.is_none() {
            break;
        }
    }
    Ok(object!({ "upcoming": found.iter().map(|schedule| charge(schedule, schedule.due)).collect::<Vec<_>>() }))
}

async fn attempts(
    desk: &ScheduleDesk,
    merchant: MerchantId,
    id: &str,
    before: Option<&str>,
    limit: usize,
) -> Result<Value, RecurringError> {
    let agreement = desk.show(merchant, id).await?.schedule.agreement;
    let before = before.map(|digits| {
        FortId::parse(digits).ok_or_else(|| RecurringError::Request("an order's number has 18 digits".to_owned()))
    });
    let mut found = desk.attempts(agreement, before.transpose()?, limit.saturating_add(1)).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    Ok(object!({ "attempts": found.iter().map(attempt).collect::<Vec<_>>(), "more": has_more }))
}

fn state_kind(name: &str) -> Result<ScheduleStateKind, RecurringError> {
    match name.to_ascii_uppercase().as_str() {
        "OPENING" => Ok(ScheduleStateKind::Opening),
        "ACTIVE" => Ok(ScheduleStateKind::Active),
        "PAUSED" => Ok(ScheduleStateKind::Paused),
        "ENDED" => Ok(ScheduleStateKind::Ended),
        _ => Err(RecurringError::Request(format!("a state is OPENING, ACTIVE, PAUSED or ENDED, not {name:?}"))),
    }
}

fn shown_whole(shown_schedule: &ShownSchedule) -> Value {
    let ShownSchedule { agreement, schedule } = shown_schedule;
    let mut value = shown(schedule);
    value["recurring_mode"] = agreement.terms.mode.name().into();
    value["token_name"] = agreement.token_name.clone().into();
    value["charges"] = agreement.charges.into();
    value["charges_open"] = agreement.charges_open.into();
    value["charges_max"] = agreement.terms.charges_max.into();
    value["last_day"] = agreement.terms.last_day.map(|day| day.to_string()).into();
    value
}

fn shown(schedule: &Schedule) -> Value {
    let is_to_come = matches!(schedule.state, ScheduleState::Opening | ScheduleState::Active);
    let next = Some(schedule.due).filter(|_| is_to_come);
    let since = match schedule.state {
        ScheduleState::Opening | ScheduleState::Active => None,
        ScheduleState::Paused(pause) => Some(pause.since),
        ScheduleState::Ended(end) => Some(end.at),
    };
    object!({
        "agreement_id": schedule.agreement_id,
        "state": schedule.state.name(),
        "state_because": schedule.state.why(),
        "state_since": since.map(|at| at.to_string()),
        "billing_cycle": schedule.cycle.to_string(),
        "counted_from": schedule.anchor.to_string(),
        "amount": schedule.money.amount.minor(),
        "currency": schedule.money.currency,
        "shown_amount": schedule.money.to_string(),
        "time_zone": schedule.terms.zone.name(),
        "charge_hour": schedule.terms.hour.number(),
        "dunning": schedule.terms.dunning.to_string(),
        "dunning_end": schedule.terms.dunning.end.name(),
        "upcoming_notice_days": schedule.terms.notice_days,
        "due_day": next.map(|due| due.day.to_string()),
        "next_day": next.map(|due| due.on.to_string()),
        "next_at": next.map(|due| due.at.to_string()),
        "next_attempt": next.map(|due| due.attempt),
        "under_way": schedule.open.map(|order| order.to_string()),
        "notice_given_for": schedule.noticed.map(|day| day.to_string()),
        "last_attempt": schedule.last.map(last),
    })
}

fn last(last: LastAttempt) -> Value {
    object!({
        "due_day": last.due_day.to_string(),
        "attempt": last.attempt,
        "fort_id": last.order.to_string(),
        "outcome": outcome(last.outcome),
        "code": last.code.to_string(),
        "at": last.at.to_string(),
    })
}

fn charge(schedule: &Schedule, due: Due) -> Value {
    object!({
        "agreement_id": schedule.agreement_id,
        "due_day": due.day.to_string(),
        "at": due.at.to_string(),
        "attempt": due.attempt,
        "amount": schedule.money.amount.minor(),
        "currency": schedule.money.currency,
        "shown_amount": schedule.money.to_string(),
        "state": schedule.state.name(),
    })
}

fn attempt(attempt: &ScheduleAttempt) -> Value {
    object!({
        "due_day": attempt.due_day.to_string(),
        "attempt": attempt.attempt,
        "fort_id": attempt.order.to_string(),
        "amount": attempt.money.amount.minor(),
        "currency": attempt.money.currency,
        "shown_amount": attempt.money.to_string(),
        "begun_at": attempt.begun_at.to_string(),
        "outcome": attempt.end.map_or("OPEN", |end| outcome(end.outcome)),
        "code": attempt.end.map(|end| end.code.to_string()),
        "ended_at": attempt.end.map(|end| end.at.to_string()),
    })
}

const fn outcome(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Approved => "APPROVED",
        AttemptOutcome::Declined(_) => "DECLINED",
        AttemptOutcome::CameToNothing => "CAME_TO_NOTHING",
    }
}
