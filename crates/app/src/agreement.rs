//! What a payment has to do with agreements and with cards that are kept: which agreement it opens or charges, what the
//! network is told, and what is written with its intent.

use crate::directory::Account;
use crate::gateway::{Inner, Refused, UnlinkedCharges};
use crate::pay::Means;
use crate::schedule::{self, DueCharge, ScheduleDraft};
use crate::token::TokenPart;
use tollgate_core::agreement::{
    Agreement, AgreementNumber, AgreementRole, AgreementState, AgreementTerms, Charge, OrderAgreement, OrderSchedule,
    contended, name_is_taken, unknown_agreement,
};
use tollgate_core::code::refused;
use tollgate_core::command::{Eci, OrderTarget, PayCommand};
use tollgate_core::credential::{CredentialFacts, Initiator, OrderCredential, StoredCredential};
use tollgate_core::money::Money;
use tollgate_core::order::{Operation, Order};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::schedule::ScheduleTerms;
use tollgate_core::token::Token;
use tollgate_store::{AgreementIntent, ScheduleIntent, StoredToken, TokenIntent};

/// How often a charge is judged anew because others of its agreement were faster.
const JUDGED_ANEW_MAX: usize = 16;

/// What a payment does with an agreement.
#[derive(Clone, Debug)]
pub(crate) enum AgreementPlan {
    /// Nothing.
    None,
    /// Its success begins one.
    Opens {
        /// Its name.
        id: String,
        /// What is agreed.
        terms: AgreementTerms,
        /// The schedule that begins with it.
        schedule: Option<Box<ScheduleDraft>>,
    },
    /// It is a charge of one, which was judged as it is here.
    Charges(Box<Agreement>),
}

impl AgreementPlan {
    /// The plan of a payment that may be sent; `charged` is the agreement that it names, judged.
    pub(crate) fn of(
        inner: &Inner,
        account: &Account,
        command: &PayCommand,
        charged: Option<Agreement>,
    ) -> Result<Self, Refused> {
        if let Some(agreement) = charged {
            return Ok(AgreementPlan::Charges(Box::new(agreement)));
        }
        let wish = &command.recurring;
        let Some(mode) = wish.mode.filter(|_| command.eci == Eci::Ecommerce) else { return Ok(AgreementPlan::None) };
        let id = match &wish.agreement_id {
            Some(id) => id.clone(),
            None => inner.vault.token_name(inner.clock.now())?,
        };
        // Of a schedule the agreed amount is that of its charges: the first payment may be less, where a trial comes first.
        let scheduled = wish.charge_amount.filter(|_| wish.cycle.is_some());
        let money = Money { amount: scheduled.unwrap_or(command.money.amount), currency: command.money.currency };
        let schedule = schedule::draft(inner, account, command, money)?.map(Box::new);
        let terms = AgreementTerms {
            mode,
            money,
            charges_max: wish.charges_max,
            last_day: wish.last_day,
            days_between_min: wish.days_between_min,
        };
        Ok(AgreementPlan::Opens { id, terms, schedule })
    }
}

/// The agreement that a payment charges, judged; and whether the name of the one that it would open is free. A payment that
/// has to do with none asks the store nothing.
pub(crate) async fn judged(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
    stored: Option<&StoredToken>,
) -> Result<Option<Agreement>, Refused> {
    let Some(id) = &command.recurring.agreement_id else { return Ok(None) };
    match (command.eci, command.recurring.mode) {
        (Eci::Recurring, _) => {}
        (Eci::Ecommerce, Some(_)) => return is_free(inner, account, id).await.map(|()| None),
        (Eci::Ecommerce | Eci::Moto, _) => return Ok(None),
    }
    let Some(stored) = stored else { return Err(without_token().into()) };
    match judge(inner, account, command, id, &stored.token).await? {
        Ok(agreement) => Ok(Some(agreement)),
        Err(refusal) => Err(replay_or(inner, account, command, refusal).await?.into()),
    }
}

/// Refuses a name that another agreement has: better before the payment than by its intent.
pub(crate) async fn is_free(inner: &Inner, account: &Account, id: &str) -> Result<(), Refused> {
    match inner.store.agreement(account.merchant.id, id).await? {
        None => Ok(()),
        Some(other) => Err(name_is_taken(other.state).into()),
    }
}

async fn judge(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
    id: &str,
    token: &Token,
) -> Result<Result<Agreement, Refusal>, Refused> {
    let Some(agreement) = inner.store.agreement(account.merchant.id, id).await? else {
        return Ok(Err(unknown_agreement()));
    };
    let charge = Charge { token, money: command.money, at: inner.clock.now() };
    Ok(agreement.judge(&charge).map(|()| agreement))
}

/// A charge that is sent twice is told that its reference is used up, and not what the first one has left of the agreement.
async fn replay_or(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
    refusal: Refusal,
) -> Result<Refusal, Refused> {
    let target = OrderTarget::Reference(command.merchant_reference.clone());
    Ok(match inner.store.order(account.merchant.id, &target).await? {
        None => refusal,
        Some(stored) => {
            let detail = format!("merchant_reference is used up by order {}", stored.order.fort_id);
            Refusal::request(refused::REFERENCE_EXISTS, "merchant_reference", detail)
        }
    })
}

/// Judges again what was overtaken between its judgement and its intent. Nothing was sent or written yet.
pub(crate) async fn judge_anew(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
    means: &mut Means,
    times: usize,
) -> Result<(), Refused> {
    if times >= JUDGED_ANEW_MAX {
        return Err(contended().into());
    }
    match (&means.agreement, &means.stored) {
        (AgreementPlan::Charges(agreement), Some(stored)) => {
            let agreement = judge(inner, account, command, &agreement.id, &stored.token).await??;
            means.agreement = AgreementPlan::Charges(Box::new(agreement));
            Ok(())
        }
        (AgreementPlan::Opens { id, .. }, _) => is_free(inner, account, id).await,
        (AgreementPlan::Charges(_), None) => Err(without_token().into()),
        (AgreementPlan::None, _) => Ok(()),
    }
}

/// What a payment's order tells of its kept card, and what is written with its intent.
#[derive(Debug, Default)]
pub(crate) struct CredentialPart {
    pub(crate) order: Option<Box<OrderCredential>>,
    pub(crate) agreement: Option<AgreementIntent>,
    pub(crate) schedule: Option<ScheduleIntent>,
}

impl CredentialPart {
    /// Makes a charge the attempt of a due date, whose outcome is dealt with by `terms`.
    pub(crate) fn charge_due(&mut self, charge: DueCharge, terms: ScheduleTerms) -> Result<(), Refusal> {
        let told = self.order.as_mut().and_then(|order| order.agreement.as_mut());
        let Some(told) = told.filter(|told| told.number == charge.agreement) else {
            // Its agreement was ended and its name cannot be another's, so only a defect of ours comes here.
            return Err(Refusal::of(
                refused::TECHNICAL_PROBLEM,
                Guilty::Us,
                "a due date was charged without its agreement",
            ));
        };
        told.schedule = Some(OrderSchedule::Charges(charge.due));
        let DueCharge { agreement, version, .. } = charge;
        self.schedule = Some(ScheduleIntent::Attempt { agreement, version, terms: Box::new(terms) });
        Ok(())
    }
}

/// The part of an order that is about to be claimed. `stored` is the token that the payment names.
pub(crate) fn part(
    plan: &AgreementPlan,
    order: &Order,
    operation: &Operation,
    token: &TokenPart,
    stored: Option<&StoredToken>,
) -> CredentialPart {
    let named = stored.map(|stored| &stored.token);
    let facts = CredentialFacts {
        eci: order.eci,
        role: token.order.as_ref().map(|token| token.role),
        token: named,
        opens: match plan {
            AgreementPlan::Opens { terms, .. } => Some(terms.mode),
            AgreementPlan::None | AgreementPlan::Charges(_) => None,
        },
        charges: match plan {
            AgreementPlan::Charges(agreement) => Some(&**agreement),
            AgreementPlan::None | AgreementPlan::Opens { .. } => None,
        },
    };
    let Some(told) = facts.told() else { return CredentialPart::default() };
    let notes = facts.notes();
    let agreement = match plan {
        AgreementPlan::None => None,
        AgreementPlan::Opens { id, terms, schedule } => {
            opened(id, terms, order, operation, token, named).map(|part| part.with_schedule(schedule.as_deref(), order))
        }
        AgreementPlan::Charges(agreement) => Some(charged(agreement)),
    };
    let of_order = |agreement| Some(Box::new(OrderCredential { told, agreement, notes }));
    match agreement {
        None => CredentialPart { order: of_order(None), agreement: None, schedule: None },
        Some(AgreementPart { order, intent, schedule }) => {
            CredentialPart { order: of_order(Some(order)), agreement: Some(intent), schedule }
        }
    }
}

struct AgreementPart {
    order: OrderAgreement,
    intent: AgreementIntent,
    schedule: Option<ScheduleIntent>,
}

impl AgreementPart {
    /// The same with the schedule that begins with the agreement.
    fn with_schedule(mut self, draft: Option<&ScheduleDraft>, order: &Order) -> AgreementPart {
        let OrderAgreement { number, id, .. } = &self.order;
        let at = order.original.sent_at;
        let schedule = draft.and_then(|draft| draft.clone().schedule(*number, order.merchant, id.clone(), at));
        if let Some(schedule) = schedule {
            self.order.schedule = Some(OrderSchedule::Opens);
            self.schedule = Some(ScheduleIntent::Open(Box::new(schedule)));
        }
        self
    }
}

/// A new agreement about the card that the payment keeps or uses; there is none about a card that is not kept.
fn opened(
    id: &str,
    terms: &AgreementTerms,
    order: &Order,
    operation: &Operation,
    token: &TokenPart,
    named: Option<&Token>,
) -> Option<AgreementPart> {
    let kept = match (&token.intent, named) {
        (Some(TokenIntent::Put(kept)), _) => &kept.token,
        (Some(TokenIntent::Keep(_)) | None, named) => named?,
    };
    let number = AgreementNumber(operation.id.0);
    let agreement = Agreement {
        number,
        merchant: order.merchant,
        id: id.to_owned(),
        terms: *terms,
        token_name: token.order.as_ref()?.name.clone(),
        token_since: kept.created_at,
        token_id: kept.id,
        opened_by: order.fort_id,
        opened_at: operation.wire.sent_at,
        network_transaction_id: None,
        state: AgreementState::Opening,
        charges: 0,
        charges_open: 0,
        paid_at: operation.wire.sent_at,
        version: 1,
    };
    Some(AgreementPart {
        order: OrderAgreement { number, id: id.to_owned(), role: AgreementRole::Opens, schedule: None },
        intent: AgreementIntent::Open(Box::new(agreement)),
        schedule: None,
    })
}

fn charged(agreement: &Agreement) -> AgreementPart {
    let Agreement { number, id, version, .. } = agreement;
    AgreementPart {
        order: OrderAgreement { number: *number, id: id.clone(), role: AgreementRole::Charges, schedule: None },
        intent: AgreementIntent::Charge { number: *number, version: *version },
        schedule: None,
    }
}

/// Whether a charge that goes back to no payment of the customer's that the network knows by name may be sent.
pub(crate) fn may_be_unlinked(inner: &Inner, told: Option<&StoredCredential>) -> Result<(), Refusal> {
    let is_unlinked = told.is_some_and(|told| told.by == Initiator::Merchant && told.original.is_none());
    if !is_unlinked || inner.settings.unlinked_charges == UnlinkedCharges::Allowed {
        return Ok(());
    }
    let detail = "the network never named a payment of this token's customer, and the acquirer takes no charge without \
                  such a name (gateway.unlinked_charges): an ECOMMERCE payment with the token brings one";
    Err(Refusal::of(refused::NOT_FOR_ECI, Guilty::MerchantRequest, detail).at("token_name"))
}

fn without_token() -> Refusal {
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "a charge was judged without its token")
}
