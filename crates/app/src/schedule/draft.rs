//! The schedule that a payment opens with its agreement.

use crate::directory::Account;
use crate::gateway::Inner;
use tollgate_core::agreement::{AgreementNumber, Day};
use tollgate_core::billing::BillingCycle;
use tollgate_core::code::refused;
use tollgate_core::command::{PayCommand, SafeParams};
use tollgate_core::feedback::{Channel, FeedbackKind};
use tollgate_core::ident::MerchantId;
use tollgate_core::money::Money;
use tollgate_core::refusal::Refusal;
use tollgate_core::schedule::{NewsWish, Schedule, ScheduleOpening, ScheduleTerms};
use tollgate_core::time::Timestamp;

/// Parameters of the request that opens a schedule which each charge repeats.
const REPEATED: [&str; 12] = [
    "access_code",
    "language",
    "customer_email",
    "customer_name",
    "phone_number",
    "order_description",
    "merchant_extra",
    "merchant_extra1",
    "merchant_extra2",
    "merchant_extra3",
    "merchant_extra4",
    "merchant_extra5",
];

/// A schedule that a payment opens, before the payment has its numbers.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleDraft {
    cycle: BillingCycle,
    first_day: Option<Day>,
    terms: ScheduleTerms,
    money: Money,
    request: SafeParams,
}

/// The schedule that a payment wants, if it wants one; `money` is what each charge is.
///
/// # Errors
/// When its cycle has no due day.
pub(crate) fn draft(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
    money: Money,
) -> Result<Option<ScheduleDraft>, Refusal> {
    let Some(cycle) = command.recurring.cycle.clone() else { return Ok(None) };
    let mut request = SafeParams::default();
    for name in REPEATED {
        if let Some(value) = command.params.get(name) {
            request.push(name, value);
        }
    }
    let draft =
        ScheduleDraft { cycle, first_day: command.recurring.first_day, terms: terms(inner, account), money, request };
    let number = AgreementNumber(0);
    if draft.clone().schedule(number, account.merchant.id, String::new(), inner.clock.now()).is_none() {
        let detail = "the billing cycle has no day to charge on";
        return Err(Refusal::request(refused::VALUE_NOT_ALLOWED, "recurring_billing_cycle", detail));
    }
    Ok(Some(draft))
}

/// How a merchant's due dates are charged, by its settings of now.
pub(crate) fn terms(inner: &Inner, account: &Account) -> ScheduleTerms {
    let merchant = &account.merchant;
    let has_address = merchant.terms.feedback.endpoint(Channel::Trusted, FeedbackKind::Notification).is_some();
    let is_heard = || inner.feedback_watch.get().is_some_and(|watch| watch.listens_to(merchant.id));
    let news = if has_address || is_heard() { NewsWish::Told } else { NewsWish::NotTold };
    let set = &merchant.terms.recurring;
    ScheduleTerms {
        zone: set.time_zone.clone(),
        hour: set.charge_hour,
        dunning: set.dunning.clone(),
        notice_days: set.upcoming_notice.number(),
        news,
    }
}

impl ScheduleDraft {
    /// The schedule of an agreement; `None` when there is no due day.
    pub(crate) fn schedule(
        self,
        agreement: AgreementNumber,
        merchant: MerchantId,
        agreement_id: String,
        at: Timestamp,
    ) -> Option<Schedule> {
        let ScheduleDraft { cycle, first_day, terms, money, request } = self;
        let opening =
            ScheduleOpening { agreement, merchant, agreement_id, cycle, first_day, terms, money, request, at };
        Schedule::opened(opening)
    }
}
