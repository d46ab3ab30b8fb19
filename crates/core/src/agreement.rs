//! Agreements: what a customer has agreed to be charged later without being present, and what a charge is judged by.
//!
//! An agreement is opened by a payment of the customer's that carries `recurring_mode`, and begins when that payment
//! succeeds. Each charge under it is a PURCHASE with `eci=RECURRING` that names it.

use crate::billing::{BillingCycle, ChargeHour, DunningPlan, NoticeDays, TimeZoneName};
use crate::code::refused as code;
use crate::command::SafeParams;
use crate::credential::NetworkTransactionId;
use crate::ident::{FortId, MerchantId};
use crate::money::{Amount, Money};
use crate::refusal::{Guilty, Refusal};
use crate::time::{DAY_US, Timestamp};
use crate::token::{Token, TokenId};
use std::fmt;

/// The most charges that an agreement can name.
pub const CHARGES_MAX: u32 = 999_999;
/// The most days between two payments that an agreement can name.
pub const DAYS_BETWEEN_MAX: u32 = 9_999;

/// The number of an agreement in the store: that of the operation that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct AgreementNumber(pub i64);

impl fmt::Display for AgreementNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:018}", self.0)
    }
}

/// What kind of agreement it is (`recurring_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecurringMode {
    /// The same amount each time, in a fixed rhythm.
    Fixed,
    /// In a fixed rhythm, with amounts that change.
    Variable,
    /// Neither amount nor time is known before.
    Unscheduled,
}

impl RecurringMode {
    /// All of them.
    pub const ALL: [RecurringMode; 3] = [RecurringMode::Fixed, RecurringMode::Variable, RecurringMode::Unscheduled];

    /// The value of `recurring_mode`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RecurringMode::Fixed => "FIXED",
            RecurringMode::Variable => "VARIABLE",
            RecurringMode::Unscheduled => "UNSCHEDULED",
        }
    }

    /// Reads a value of `recurring_mode`.
    #[must_use]
    pub fn parse(name: &str) -> Option<RecurringMode> {
        RecurringMode::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether it has to say how many charges there will be.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        matches!(self, RecurringMode::Fixed | RecurringMode::Variable)
    }
}

/// A calendar day: in UTC, or in the time zone that is told beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Day(i64);

impl Day {
    /// The day of a moment.
    #[must_use]
    pub fn of(at: Timestamp) -> Day {
        Day(at.0.div_euclid(DAY_US))
    }

    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Day> {
        Timestamp::parse_date(text).map(Day::of)
    }

    /// Its number: days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The day of a number, if a calendar of four-digit years has it.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Day> {
        let year = Timestamp(number.checked_mul(DAY_US)?).utc().year;
        (0..=9_999).contains(&year).then_some(Day(number))
    }

    /// The day so many days after it.
    #[must_use]
    pub fn plus(self, days: u32) -> Day {
        Day(self.0.saturating_add(i64::from(days)))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = Timestamp(self.0.saturating_mul(DAY_US)).utc();
        write!(f, "{:04}-{:02}-{:02}", utc.year, utc.month, utc.day)
    }
}

/// What a request says of agreements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecurringWish {
    /// `agreement_id`: the merchant's own name for a new agreement, or the agreement that is charged.
    pub agreement_id: Option<String>,
    /// `recurring_mode`: opens an agreement.
    pub mode: Option<RecurringMode>,
    /// `recurring_transactions_count`, 0 to [`CHARGES_MAX`].
    pub charges_max: Option<u32>,
    /// `recurring_expiry_date`.
    pub last_day: Option<Day>,
    /// `recurring_days_between_payments`, 0 to [`DAYS_BETWEEN_MAX`].
    pub days_between_min: Option<u32>,
    /// `recurring_billing_cycle`: the gateway charges by itself.
    pub cycle: Option<BillingCycle>,
    /// `recurring_first_charge_date`: the day of the first charge.
    pub first_day: Option<Day>,
    /// `recurring_amount`: what each charge is, in minor units, where that is not what the payment is.
    pub charge_amount: Option<Amount>,
}

impl RecurringWish {
    /// What parameters say whose form has been judged.
    #[must_use]
    pub fn of_params(params: &SafeParams) -> RecurringWish {
        // Nearly every payment has none of them: that is found in one go over its parameters.
        if !params.iter().any(|param| param.name == "agreement_id" || param.name.starts_with("recurring_")) {
            return RecurringWish::default();
        }
        let number = |name: &str| params.get(name).and_then(|text| text.parse().ok());
        RecurringWish {
            agreement_id: params.get("agreement_id").map(str::to_owned),
            mode: params.get("recurring_mode").and_then(RecurringMode::parse),
            charges_max: number("recurring_transactions_count"),
            last_day: params.get("recurring_expiry_date").and_then(Day::parse),
            days_between_min: number("recurring_days_between_payments"),
            cycle: params.get("recurring_billing_cycle").and_then(|text| BillingCycle::parse(text).ok()),
            first_day: params.get("recurring_first_charge_date").and_then(Day::parse),
            charge_amount: params
                .get("recurring_amount")
                .and_then(|text| text.parse().ok())
                .and_then(Amount::from_minor),
        }
    }
}

/// Whether a merchant's charges have to name an agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgreementRule {
    /// A charge by token alone is taken, as clients send it that know nothing of agreements.
    #[default]
    Optional,
    /// A charge without `agreement_id` is refused with 00001.
    Required,
}

impl AgreementRule {
    /// Both of them.
    pub const ALL: [AgreementRule; 2] = [AgreementRule::Optional, AgreementRule::Required];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AgreementRule::Optional => "optional",
            AgreementRule::Required => "required",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<AgreementRule> {
        AgreementRule::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// How a merchant may charge customers who are not present.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecurringTerms {
    /// Whether a charge has to name an agreement.
    pub agreement: AgreementRule,
    /// In which time zone the days of charges are counted that the gateway begins by itself.
    pub time_zone: TimeZoneName,
    /// At which hour of such a day it begins them.
    pub charge_hour: ChargeHour,
    /// When it tries a declined one again.
    pub dunning: DunningPlan,
    /// How many days before a due date the merchant is told of it.
    pub upcoming_notice: NoticeDays,
}

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreementTerms {
    /// What kind of agreement it is.
    pub mode: RecurringMode,
    /// What the first payment was: of a fixed agreement, what each charge is.
    pub money: Money,
    /// How many charges may follow the first payment; `None` is no limit.
    pub charges_max: Option<u32>,
    /// The last day in UTC on which it may be charged; `None` is no limit.
    pub last_day: Option<Day>,
    /// How many calendar days in UTC lie between two payments at least, the first one included.
    pub days_between_min: Option<u32>,
}

/// Where an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreementState {
    /// The payment that opens it is under way, or its outcome is not known: nothing may be charged yet.
    Opening,
    /// It may be charged within its limits.
    Active,
    /// It may never be charged again.
    Ended(AgreementEnd),
}

impl AgreementState {
    /// The word for it, as status words are written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AgreementState::Opening => "OPENING",
            AgreementState::Active => "ACTIVE",
            AgreementState::Ended(_) => "ENDED",
        }
    }
}

/// Why and when an agreement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreementEnd {
    /// Why.
    pub why: EndReason,
    /// When.
    pub at: Timestamp,
}

/// Why an agreement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// An operator ended it.
    Operator,
    /// An operator found out that the payment that opened it never counted.
    PaymentUndone,
    /// Its schedule was cancelled.
    Cancelled,
}

impl EndReason {
    /// All of them.
    pub const ALL: [EndReason; 3] = [EndReason::Operator, EndReason::PaymentUndone, EndReason::Cancelled];

    /// The number that stores keep; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            EndReason::Operator => 0,
            EndReason::PaymentUndone => 1,
            EndReason::Cancelled => 2,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<EndReason> {
        EndReason::ALL.into_iter().find(|why| why.number() == number)
    }

    /// The words for it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            EndReason::Operator => "an operator ended it",
            EndReason::PaymentUndone => "the payment that opened it never counted",
            EndReason::Cancelled => "its schedule was cancelled",
        }
    }
}

/// An agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Its number.
    pub number: AgreementNumber,
    /// Whose.
    pub merchant: MerchantId,
    /// Its name (`agreement_id`), unique per merchant for all time.
    pub id: String,
    /// What was agreed.
    pub terms: AgreementTerms,
    /// The token that it charges, by its name and its age: a new card under the same name is charged as well, but not that
    /// of a token that took the name after this one was deleted.
    pub token_name: String,
    /// Since when that token has been there.
    pub token_since: Timestamp,
    /// The card that the token had when it was opened.
    pub token_id: TokenId,
    /// The order that opened it.
    pub opened_by: FortId,
    /// When that order was sent.
    pub opened_at: Timestamp,
    /// How the network named the payment that opened it.
    pub network_transaction_id: Option<NetworkTransactionId>,
    /// Where it stands.
    pub state: AgreementState,
    /// How many charges count: those that succeeded, and those that are under way or not known.
    pub charges: u32,
    /// How many of them are under way or not known.
    pub charges_open: u32,
    /// When the newest payment of it was sent that succeeded, the first one included.
    pub paid_at: Timestamp,
    /// Grows with each change, from 1.
    pub version: u32,
}

/// A charge that names an agreement.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The token that it names.
    pub token: &'a Token,
    /// How much.
    pub money: Money,
    /// When.
    pub at: Timestamp,
}

impl Agreement {
    /// Judges a charge that names this agreement.
    ///
    /// # Errors
    /// The first guard that fails, with its code.
    pub fn judge(&self, charge: &Charge<'_>) -> Result<(), Refusal> {
        self.is_active()?;
        self.is_of_token(charge.token)?;
        self.has_money(charge.money)?;
        self.has_not_expired(charge.at)?;
        self.has_charges_left()?;
        self.is_not_too_soon(charge.at)
    }

    /// How many charges may still begin; `None` is no limit.
    #[must_use]
    pub fn charges_left(&self) -> Option<u32> {
        self.terms.charges_max.map(|max| max.saturating_sub(self.charges))
    }

    /// The first day in UTC on which it may be charged again: none where none is agreed, and none once it has ended.
    #[must_use]
    pub fn next_day(&self) -> Option<Day> {
        if matches!(self.state, AgreementState::Ended(_)) {
            return None;
        }
        self.terms.days_between_min.map(|days| Day::of(self.paid_at).plus(days))
    }

    fn is_active(&self) -> Result<(), Refusal> {
        match self.state {
            AgreementState::Active => Ok(()),
            AgreementState::Opening => {
                let detail = "the payment that opens the agreement is under way, or its outcome is not known yet";
                Err(Refusal::request(code::STILL_PROCESSING, "agreement_id", detail))
            }
            AgreementState::Ended(end) => {
                let detail = format!("the agreement ended on {}: {}", Day::of(end.at), end.why.words());
                Err(Refusal::request(code::OPERATION_NOT_ALLOWED, "agreement_id", detail))
            }
        }
    }

    fn is_of_token(&self, token: &Token) -> Result<(), Refusal> {
        if self.token_name == token.name && self.token_since == token.created_at {
            return Ok(());
        }
        let detail = match self.token_name == token.name {
            true => "the agreement was about an earlier token of this name, which was deleted",
            false => "the agreement is about another token than token_name names",
        };
        Err(Refusal::request(code::CONTRADICTING_PARAMETERS, "token_name", detail))
    }

    fn has_money(&self, money: Money) -> Result<(), Refusal> {
        let agreed = self.terms.money;
        if self.terms.mode != RecurringMode::Fixed || money == agreed {
            return Ok(());
        }
        let (code, parameter) = match money.currency == agreed.currency {
            true => (code::INVALID_AMOUNT, "amount"),
            false => (code::INVALID_CURRENCY, "currency"),
        };
        Err(Refusal::request(code, parameter, format!("the agreement is FIXED: each charge is {agreed}, not {money}")))
    }

    fn has_not_expired(&self, at: Timestamp) -> Result<(), Refusal> {
        match self.terms.last_day {
            Some(last) if Day::of(at) > last => {
                let detail = format!("the agreement's last day was {last} (UTC)");
                Err(Refusal::request(code::OPERATION_NOT_ALLOWED, "agreement_id", detail))
            }
            _ => Ok(()),
        }
    }

    fn has_charges_left(&self) -> Result<(), Refusal> {
        if self.charges_left() != Some(0) {
            return Ok(());
        }
        let open = match self.charges_open {
            0 => String::new(),
            open => format!(", {open} of them under way or not known yet"),
        };
        let detail = format!("all {} charges of the agreement are used up{open}", self.charges);
        Err(Refusal::request(code::OPERATION_NOT_ALLOWED, "agreement_id", detail))
    }

    /// Whether a charge that is under way succeeds decides when the next one may come.
    fn is_not_too_soon(&self, at: Timestamp) -> Result<(), Refusal> {
        let Some(next) = self.next_day() else { return Ok(()) };
        if self.terms.days_between_min != Some(0) && self.charges_open > 0 {
            let detail = "another charge of the agreement is under way, or its outcome is not known yet";
            return Err(Refusal::request(code::STILL_PROCESSING, "agreement_id", detail));
        }
        if Day::of(at) < next {
            let detail = format!(
                "the last payment of the agreement was on {}: the next one may come on {next} (UTC)",
                Day::of(self.paid_at)
            );
            return Err(Refusal::request(code::OPERATION_NOT_ALLOWED, "agreement_id", detail));
        }
        Ok(())
    }
}

/// That no agreement of the merchant has the name that a charge gives.
#[must_use]
pub fn unknown_agreement() -> Refusal {
    let detail = "the merchant has no agreement of this name: one is opened by a payment with recurring_mode";
    Refusal::request(code::VALUE_NOT_ALLOWED, "agreement_id", detail)
}

/// That a new agreement cannot have the name that a payment gives it, because `other` has it.
#[must_use]
pub fn name_is_taken(other: AgreementState) -> Refusal {
    match other {
        AgreementState::Opening => {
            let detail =
                "another payment that opens an agreement of this name is under way, or its outcome is not known";
            Refusal::request(code::STILL_PROCESSING, "agreement_id", detail)
        }
        AgreementState::Active | AgreementState::Ended(_) => {
            let detail = "the merchant has an agreement of this name already, and a name is used once";
            Refusal::request(code::VALUE_NOT_ALLOWED, "agreement_id", detail)
        }
    }
}

/// That an agreement kept changing while a charge was judged by it.
#[must_use]
pub fn contended() -> Refusal {
    let detail = "other charges of the agreement were faster again and again: try once more";
    Refusal::of(code::STILL_PROCESSING, Guilty::MerchantRequest, detail).at("agreement_id")
}

/// What an order has to do with an agreement.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrderAgreement {
    /// The agreement.
    pub number: AgreementNumber,
    /// Its name (`agreement_id`).
    pub id: String,
    /// What the order does with it.
    pub role: AgreementRole,
    /// What it has to do with its schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<OrderSchedule>,
}

/// What an order has to do with the schedule of its agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderSchedule {
    /// Its success begins it.
    Opens,
    /// The gateway charges a due date by it.
    Charges(DueAttempt),
}

/// One attempt to charge a due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DueAttempt {
    /// The due day.
    pub due_day: Day,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

impl OrderAgreement {
    /// The due date that the order charges, if the gateway began it.
    #[must_use]
    pub fn due(&self) -> Option<DueAttempt> {
        match self.schedule {
            Some(OrderSchedule::Charges(due)) => Some(due),
            Some(OrderSchedule::Opens) | None => None,
        }
    }
}

/// What an order does with an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgreementRole {
    /// Its success begins it.
    Opens,
    /// It is a charge of it.
    Charges,
}
