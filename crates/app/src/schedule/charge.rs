//! One step of a schedule: the notice of a due date, or its charge.

use super::draft::terms;
use crate::directory::Account;
use crate::gateway::{Gateway, Refused};
use std::sync::Arc;
use tollgate_core::agreement::{Agreement, AgreementNumber, DueAttempt, RecurringWish};
use tollgate_core::code::{ResponseCode, UNCERTAIN, refused};
use tollgate_core::command::{Eci, PayCommand, SafeParams, ThreeDsWish};
use tollgate_core::order::PayKind;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::schedule::{ChargeStep, EndWhy, NoChange, PauseWhy, Schedule, ScheduleState, ScheduleStep};
use tollgate_core::time::Timestamp;
use tollgate_store::{ScheduleChange, ScheduleChanged, StoreError};

/// The wait behind another charge of the agreement that has no outcome, in milliseconds.
const BEHIND_MS: u64 = 60_000;
/// The wait for an account that may not charge as it is set up, in milliseconds.
const UNREADY_MS: u64 = 15 * 60_000;

/// The status of a PURCHASE that was approved.
const APPROVED_STATUS: u8 = 14;

/// An attempt that a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DueCharge {
    /// The agreement whose schedule is charged.
    pub(crate) agreement: AgreementNumber,
    /// The version of the schedule that was judged.
    pub(crate) version: u32,
    /// The due date, and which attempt it is.
    pub(crate) due: DueAttempt,
}

/// How the work on a schedule went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepDone {
    /// There is nothing more to do about it now; or there is, and it is found again.
    Done,
    /// Nothing can be charged at the moment, whatever the schedule.
    Hold,
}

/// Does what is to be done about a schedule now.
pub(super) async fn step(
    gateway: &Gateway,
    account: &Arc<Account>,
    schedule: &Schedule,
) -> Result<StepDone, StoreError> {
    let now = gateway.now();
    match schedule.step(now) {
        ScheduleStep::Nothing => Ok(StepDone::Done),
        ScheduleStep::Notice => {
            put(gateway, schedule.with_notice(terms(&gateway.inner, account)), now).await.map(|()| StepDone::Done)
        }
        ScheduleStep::Charge => charge(gateway, account, schedule, now).await,
    }
}

async fn charge(
    gateway: &Gateway,
    account: &Arc<Account>,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<StepDone, StoreError> {
    let found = gateway.inner.store.agreement(schedule.merchant, &schedule.agreement_id).await?;
    let Some(agreement) = found.filter(|agreement| agreement.number == schedule.agreement) else {
        return end(gateway, schedule, EndWhy::Cancelled, now).await;
    };
    match schedule.judged(&agreement, now) {
        ChargeStep::Charge => {}
        ChargeStep::Wait(until) => return wait(gateway, schedule, until).await,
        ChargeStep::Behind => return wait(gateway, schedule, now.plus_ms(BEHIND_MS)).await,
        ChargeStep::End(why) => return end(gateway, schedule, why, now).await,
    }
    let due = DueCharge {
        agreement: schedule.agreement,
        version: schedule.version,
        due: DueAttempt { due_day: schedule.due.day, attempt: schedule.due.attempt },
    };
    metrics::counter!("tollgate_schedule_charges_due_total").increment(1);
    let command = command(account, schedule, &agreement);
    match gateway.pay_due(Arc::clone(account), command, due).await {
        Ok(answer) => {
            tell(gateway, schedule, answer.code).await;
            Ok(StepDone::Done)
        }
        Err(Refused { refusal, .. }) => refused_charge(gateway, schedule, &refusal, now).await,
    }
}

/// A charge that was refused before anything was written or sent: no attempt is used up.
async fn refused_charge(
    gateway: &Gateway,
    schedule: &Schedule,
    refusal: &Refusal,
    now: Timestamp,
) -> Result<StepDone, StoreError> {
    metrics::counter!("tollgate_schedule_charges_total", "outcome" => "refused").increment(1);
    let is_in_the_way = refusal.code == refused::STILL_PROCESSING;
    let is_about_token = refusal.parameter.as_deref() == Some("token_name");
    let why = match refusal.guilty {
        Guilty::AcquirerLink => return Ok(StepDone::Hold),
        // Somebody else was faster: the schedule tells what is left to do.
        Guilty::Us if is_in_the_way => return Ok(StepDone::Done),
        Guilty::Us => return Ok(StepDone::Hold),
        _ if is_in_the_way => return wait(gateway, schedule, now.plus_ms(BEHIND_MS)).await,
        // What the agreement allows was judged a moment before, and has changed since.
        _ if refusal.code == refused::OPERATION_NOT_ALLOWED => {
            return wait(gateway, schedule, now.plus_ms(BEHIND_MS)).await;
        }
        Guilty::MerchantConfiguration => {
            let Schedule { agreement, due, .. } = schedule;
            let detail = &refusal.detail;
            tracing::warn!(%agreement, due = %due.day, %detail, "a due date waits: the account may not charge it");
            return wait(gateway, schedule, now.plus_ms(UNREADY_MS)).await;
        }
        _ if is_about_token => PauseWhy::CardGone,
        _ => PauseWhy::Refused,
    };
    let detail = &refusal.detail;
    tracing::warn!(agreement = %schedule.agreement, due = %schedule.due.day, %detail, "a schedule is paused");
    metrics::counter!("tollgate_schedules_paused_total", "why" => why.name()).increment(1);
    change(gateway, schedule.paused(why, now), now).await
}

/// The PURCHASE that charges a due date.
fn command(account: &Account, schedule: &Schedule, agreement: &Agreement) -> PayCommand {
    let merchant = &account.merchant;
    let reference = schedule.reference();
    let kept = |name: &str| schedule.request.get(name).unwrap_or_default();
    // By the access code of then, as long as there is such a one: its phrase signs the feedback.
    let access_code = match merchant.credential(kept("access_code")) {
        Some(_) => kept("access_code"),
        None => merchant.credentials.first().map_or("", |credential| &credential.access_code),
    };
    let mut params = SafeParams::default();
    for (name, value) in [
        ("command", PayKind::Purchase.operation().command()),
        ("access_code", access_code),
        ("merchant_identifier", &merchant.merchant_identifier),
        ("merchant_reference", &reference),
        ("amount", &schedule.money.amount.to_string()),
        ("currency", &schedule.money.currency.to_string()),
        ("eci", Eci::Recurring.name()),
        ("token_name", &agreement.token_name),
        ("agreement_id", &agreement.id),
        (SafeParams::DUE_DATE, &schedule.due.day.to_string()),
        (SafeParams::DUE_ATTEMPT, &schedule.due.attempt.to_string()),
    ] {
        params.push(name, value);
    }
    for param in schedule.request.iter().filter(|param| param.name != "access_code") {
        params.push(param.name, param.value);
    }
    PayCommand {
        kind: PayKind::Purchase,
        merchant_reference: reference,
        money: schedule.money,
        eci: Eci::Recurring,
        card: None,
        encrypted_card: None,
        token_name: Some(agreement.token_name.clone()),
        token_security_code: None,
        remember_me: None,
        payment_option: None,
        three_ds: ThreeDsWish::Default,
        authentication: None,
        settlement_reference: None,
        recurring: RecurringWish { agreement_id: Some(agreement.id.clone()), ..RecurringWish::default() },
        params,
    }
}

/// Counts what came of a charge, and tells where it made the schedule stop.
async fn tell(gateway: &Gateway, before: &Schedule, code: ResponseCode) {
    let outcome = match code {
        UNCERTAIN => "unknown",
        code if code.status() == APPROVED_STATUS => "approved",
        _ => "declined",
    };
    metrics::counter!("tollgate_schedule_charges_total", "outcome" => outcome).increment(1);
    crate::feedback::written(&gateway.inner);
    if outcome != "declined" {
        return;
    }
    let Ok(Some(after)) = gateway.inner.store.schedule(before.agreement).await else { return };
    let (agreement, due) = (before.agreement, before.due.day);
    match after.state {
        ScheduleState::Paused(pause) if before.state == ScheduleState::Active => {
            metrics::counter!("tollgate_schedules_paused_total", "why" => pause.why.name()).increment(1);
            tracing::info!(%agreement, %due, why = pause.why.name(), "a schedule is paused");
        }
        ScheduleState::Ended(end) => tracing::info!(%agreement, %due, why = end.why.name(), "a schedule has ended"),
        _ => tracing::debug!(%agreement, %due, again = %after.due.on, "a charge was declined"),
    }
}

async fn wait(gateway: &Gateway, schedule: &Schedule, until: Timestamp) -> Result<StepDone, StoreError> {
    put(gateway, schedule.postponed(until), gateway.now()).await.map(|()| StepDone::Done)
}

async fn end(gateway: &Gateway, schedule: &Schedule, why: EndWhy, at: Timestamp) -> Result<StepDone, StoreError> {
    tracing::info!(agreement = %schedule.agreement, due = %schedule.due.day, why = why.name(), "a schedule has ended");
    change(gateway, schedule.ended(why, at), at).await
}

async fn change(gateway: &Gateway, changed: Result<Schedule, NoChange>, at: Timestamp) -> Result<StepDone, StoreError> {
    match changed {
        Ok(schedule) => put(gateway, schedule, at).await.map(|()| StepDone::Done),
        // Only what is active is due, so this cannot be; and where it is, there is nothing to do.
        Err(_) => Ok(StepDone::Done),
    }
}

/// Writes a schedule that this step changed. One that somebody else changed meanwhile is looked at again.
async fn put(gateway: &Gateway, schedule: Schedule, at: Timestamp) -> Result<(), StoreError> {
    let written = gateway.inner.store.change_schedule(ScheduleChange { schedule, card: None, at }).await?;
    if written == ScheduleChanged::Written {
        crate::feedback::written(&gateway.inner);
    }
    Ok(())
}
