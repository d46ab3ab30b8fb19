//! UPDATE_AGREEMENT and CHECK_AGREEMENT.

use super::{ScheduleDeskError, ScheduleWish, ShownSchedule};
use crate::directory::Account;
use crate::gateway::{Gateway, Refused};
use tollgate_core::agreement::{Agreement, AgreementState, contended, unknown_agreement};
use tollgate_core::answer::{AgreementFacts, Answer, NextCharge, ScheduleFacts};
use tollgate_core::code::{AGREEMENT_UPDATE_FAILED, AGREEMENT_UPDATED, STATUS_FAILED, STATUS_FOUND, refused};
use tollgate_core::command::{CheckAgreementCommand, UpdateAgreementCommand};
use tollgate_core::decide;
use tollgate_core::money::Money;
use tollgate_core::refusal::Refusal;
use tollgate_core::schedule::{NoChange, Schedule, ScheduleState};
use tollgate_store::StoreError;

impl Gateway {
    /// UPDATE_AGREEMENT: all that is asked for in one commit, or nothing.
    ///
    /// # Errors
    /// When it is refused, and nothing was changed.
    pub async fn update_agreement(
        &self,
        account: &Account,
        command: &UpdateAgreementCommand,
    ) -> Result<Answer, Refused> {
        let merchant = account.merchant.id;
        let desk = self.schedule_desk();
        let money = match command.amount {
            None => None,
            Some(amount) => {
                let shown = desk.show(merchant, &command.agreement_id).await.map_err(refusal)?;
                Some(Money { amount, currency: shown.schedule.money.currency })
            }
        };
        decide::update_agreement(&account.merchant.terms, command, money)?;
        let wish = ScheduleWish {
            status: command.status,
            money,
            token_name: command.token_name.clone(),
            next_day: command.next_day,
        };
        match desk.change(merchant, &command.agreement_id, &wish).await {
            Ok(ShownSchedule { agreement, schedule }) => {
                crate::feedback::written(&self.inner);
                let facts = facts(&agreement, Some(&schedule));
                Ok(Answer { agreement: Some(Box::new(facts)), ..Answer::bare(AGREEMENT_UPDATED) })
            }
            Err(ScheduleDeskError::Store(StoreError::InDoubt(reason))) => {
                tracing::error!(reason, "whether an agreement was updated is not known");
                Ok(Answer::bare(AGREEMENT_UPDATE_FAILED))
            }
            Err(error) => Err(refusal(error)),
        }
    }

    /// CHECK_AGREEMENT.
    ///
    /// # Errors
    /// When the merchant has no such agreement.
    pub async fn check_agreement(&self, account: &Account, command: &CheckAgreementCommand) -> Result<Answer, Refused> {
        match self.seen_agreement(account, &command.agreement_id).await {
            Ok(Some(facts)) => Ok(Answer { agreement: Some(Box::new(facts)), ..Answer::bare(STATUS_FOUND) }),
            Ok(None) => Err(unknown_agreement().into()),
            Err(error) => {
                tracing::error!(%error, "CHECK_AGREEMENT could not be answered");
                Ok(Answer::bare(STATUS_FAILED))
            }
        }
    }

    async fn seen_agreement(&self, account: &Account, id: &str) -> Result<Option<AgreementFacts>, StoreError> {
        let Some(agreement) = self.inner.store.agreement(account.merchant.id, id).await? else { return Ok(None) };
        let schedule = self.inner.store.schedule(agreement.number).await?;
        Ok(Some(facts(&agreement, schedule.as_ref())))
    }
}

fn facts(agreement: &Agreement, schedule: Option<&Schedule>) -> AgreementFacts {
    // An agreement that an operator ended has ended, whatever its schedule was.
    let ended = match agreement.state {
        AgreementState::Ended(end) => Some(end.why.words()),
        AgreementState::Opening | AgreementState::Active => None,
    };
    let (status, note) = match schedule {
        Some(schedule) => (schedule.state.name(), schedule.state.why()),
        None => (agreement.state.name(), ended),
    };
    AgreementFacts {
        status,
        note,
        mode: agreement.terms.mode,
        money: schedule.map_or(agreement.terms.money, |schedule| schedule.money),
        token_name: agreement.token_name.clone(),
        // One that is under way counts already, and has not succeeded yet.
        charges_done: agreement.charges.saturating_sub(agreement.charges_open),
        charges_left: agreement.charges_left(),
        schedule: schedule.map(told),
    }
}

fn told(schedule: &Schedule) -> ScheduleFacts {
    let next = match schedule.state {
        ScheduleState::Opening | ScheduleState::Active => {
            Some(NextCharge { day: schedule.due.on, attempt: schedule.due.attempt })
        }
        ScheduleState::Paused(_) | ScheduleState::Ended(_) => None,
    };
    ScheduleFacts { cycle: schedule.cycle.clone(), next, last: schedule.last }
}

fn refusal(error: ScheduleDeskError) -> Refused {
    let at = |code, parameter: &'static str, detail: String| Refused::from(Refusal::request(code, parameter, detail));
    let detail = error.to_string();
    match error {
        ScheduleDeskError::NoMerchant(_) | ScheduleDeskError::NoAgreement => unknown_agreement().into(),
        ScheduleDeskError::NoSchedule => at(refused::OPERATION_NOT_ALLOWED, "agreement_id", detail),
        ScheduleDeskError::NoToken => at(refused::TOKEN_NOT_FOUND, "token_name", detail),
        ScheduleDeskError::NoChange(NoChange::State(_)) => at(refused::OPERATION_NOT_ALLOWED, "agreement_id", detail),
        ScheduleDeskError::NoChange(NoChange::Open) => at(refused::STILL_PROCESSING, "agreement_id", detail),
        ScheduleDeskError::NoChange(NoChange::FixedAmount | NoChange::Currency) => {
            at(refused::INVALID_AMOUNT, "recurring_amount", detail)
        }
        ScheduleDeskError::NoChange(NoChange::Day) => {
            at(refused::VALUE_NOT_ALLOWED, "recurring_next_charge_date", detail)
        }
        ScheduleDeskError::Contended => contended().into(),
        ScheduleDeskError::Store(error) => error.into(),
    }
}
