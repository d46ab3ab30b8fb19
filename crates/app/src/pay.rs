//! AUTHORIZATION and PURCHASE; and VERIFY_CARD, which goes the same way.

use crate::agreement::{self, AgreementPlan};
use crate::checkout::{self, BeforePayment, Tried};
use crate::claims::Claim;
use crate::directory::Account;
use crate::gateway::{Inner, Refused, Unsettled};
use crate::release::Release;
use crate::schedule::{self, DueCharge};
use crate::settle::{self, Settled};
use crate::token::{self, PaymentCard, TokenPart};
use tollgate_acquirer::{NetworkCard, NetworkKind, NetworkRequest};
use tollgate_core::agreement::Agreement;
use tollgate_core::answer::{Answer, OrderFacts, TokenEcho};
use tollgate_core::audit::{AuditEntry, AuditReason, AuditWho};
use tollgate_core::batch::BatchRowId;
use tollgate_core::card::{CardData, CardFacts};
use tollgate_core::checkout::{Checkout, Step};
use tollgate_core::code::{self, refused};
use tollgate_core::command::{Eci, PayCommand};
use tollgate_core::decide::{self, PayIntent};
use tollgate_core::feedback::Channel;
use tollgate_core::ident::{FortId, OperationId};
use tollgate_core::money::Money;
use tollgate_core::order::{LastOperation, Operation, OperationState, Order, PayKind, Phase, Totals};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::Route;
use tollgate_core::three_ds::Authentication;
use tollgate_core::three_ds::{self, PaymentFacts, ThreeDsDecision};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    AgreementIntent, LifeId, NewOrder, NewTry, OrderClaim, ScheduleIntent, StoreError, StoredToken, TryClaim,
};
use tollgate_vault::Receipt;

/// How often a new number is tried when one is taken, which happens only when a clock went back.
const NUMBER_TRIES_MAX: usize = 8;

/// What came of a payment or a verification.
#[derive(Debug)]
pub(crate) struct Paid {
    /// What the merchant is told.
    pub(crate) answer: Answer,
    /// The hold of a verification that has to be given up now.
    pub(crate) release: Option<Box<Release>>,
}

pub(crate) async fn pay(
    inner: &Inner,
    account: &Account,
    command: PayCommand,
    route: Route,
    start: Start<'_>,
    unsettled: &Unsettled,
) -> Result<Paid, Refused> {
    let stored = token::named(inner, account, &command).await?;
    let (merchant, now) = (&account.merchant, inner.clock.now());
    let intent = match command.kind.is_verification() {
        true => decide::verify(merchant, &command, now)?,
        false => decide::pay(merchant, &command, stored.as_ref().map(|stored| &stored.token), now)?,
    };
    let agreement = agreement::judged(inner, account, &command, stored.as_ref()).await?;
    let mut judged = Box::new(Judged { command, intent, stored, route, agreement, opened: None });
    if may_wait_for_the_customer(inner, account, &judged) {
        match Box::pin(checkout::before_payment(inner, account, judged)).await? {
            BeforePayment::Nothing(same) => judged = same,
            BeforePayment::Customer(answer) => return Ok(Paid { answer: *answer, release: None }),
        }
    }
    carry_out(inner, account, judged, start, unsettled).await
}

/// Whether the customer may have to do something before the payment is sent. Most accounts are done here.
fn may_wait_for_the_customer(inner: &Inner, account: &Account, judged: &Judged) -> bool {
    let terms = &account.merchant.terms.three_ds;
    let command = &judged.command;
    match three_ds::wanted(terms, &PaymentFacts::of(command), &inner.origin(&judged.intent.facts)) {
        ThreeDsDecision::Run(_) => true,
        skip @ ThreeDsDecision::Skip(_) => terms.gives_url(command.kind, skip),
    }
}

/// A payment that may be sent.
pub(crate) struct Judged {
    pub(crate) command: PayCommand,
    pub(crate) intent: PayIntent,
    /// The token that the command names, as the store has it.
    pub(crate) stored: Option<StoredToken>,
    pub(crate) route: Route,
    /// The agreement that it charges, judged.
    pub(crate) agreement: Option<Agreement>,
    /// The card, where the vault has lent it before.
    pub(crate) opened: Option<Opened>,
}

/// That the vault has lent a card, and what for: the audit log is told of it with the intent.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) receipt: Receipt,
    pub(crate) why: AuditReason,
}

impl Opened {
    /// The entry of the audit log.
    pub(crate) fn entry(&self, now: Timestamp, operation: OperationId) -> AuditEntry {
        self.receipt.entry(now, AuditWho::Request, self.why, operation)
    }
}

/// On what a payment begins.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// An order of its own.
    NewOrder,
    /// The same, for a row of a batch.
    BatchRow(BatchRowId),
    /// The same, for a due date of a schedule.
    Due(DueCharge),
    /// An order that is there, as a try of the customer's at its checkout. Both are as they were judged.
    Try { order: &'a Order, checkout: &'a Checkout },
}

impl Start<'_> {
    const fn batch_row(self) -> Option<BatchRowId> {
        match self {
            Start::BatchRow(row) => Some(row),
            Start::NewOrder | Start::Due(_) | Start::Try { .. } => None,
        }
    }
}

/// Makes the intent durable, sends it, and makes what came of it durable.
pub(crate) async fn carry_out(
    inner: &Inner,
    account: &Account,
    judged: Box<Judged>,
    start: Start<'_>,
    unsettled: &Unsettled,
) -> Result<Paid, Refused> {
    inner.link_ready()?;
    // In one step: what is taken apart later keeps its place in the future to the end.
    let Judged {
        command,
        intent: PayIntent { card, facts, token, kind, money, authentication },
        stored,
        route,
        agreement,
        opened,
    } = *judged;
    let agreement = AgreementPlan::of(inner, account, &command, agreement)?;
    let PaymentCard { card, receipt } = token::card(inner, card, &facts, stored.as_ref()).await?;
    let token = token::part(inner, account, token, &card, &facts, stored.as_ref()).await?;
    let opened = opened.or(receipt.map(|receipt| Opened { receipt, why: AuditReason::PaymentByToken }));
    let mut follows = match &authentication {
        None => checkout::may_follow(inner, account, &command, &facts, &card, start).await,
        Some(_) => None,
    };
    let mut means = Means { card, opened, facts, token, stored, agreement, route, kind, money, authentication };
    let Claimed { order, operation, owner, _in_flight } =
        match claim(inner, account, &command, &mut means, start).await? {
            Intent::Durable(claimed) => *claimed,
            Intent::InDoubt(order) => return Ok(paid(&order, Settled::UNCERTAIN)),
        };
    unsettled.set(paid(&order, Settled::UNCERTAIN).answer);
    take_held_codes(inner, &command, start, &order, &mut means);
    if let Some(follows) = &mut follows {
        follows.keep(&means.card);
    }
    let request = request_of(account, &command, &order, &operation, means);
    let exchange = inner.exchange_as(owner, request).await;
    let next = match &follows {
        Some(follows) => {
            let tried = Tried { order: &order, start, route };
            follows.checkout(inner, account, &command, tried, &exchange.result).await
        }
        None => None,
    };
    let settled = settle::first_outcome(inner, &order, &operation, exchange, next).await;
    if let Some(follows) = follows.filter(|_| settled.code == code::THREE_DS_WANTED) {
        // It is written, whatever happens here: a refusal would tell that nothing was.
        let answer = follows.told(inner, &order).await.unwrap_or_else(|_| paid(&order, Settled::UNCERTAIN).answer);
        return Ok(Paid { answer, release: None });
    }
    let names_one = order.token.is_some();
    let order = token::as_kept(inner, account, order, settled.state).await;
    let is_gone = names_one && order.token.is_none();
    let told = paid(&order, settled);
    if !is_gone {
        return Ok(told);
    }
    let answer = Answer { token_name: None, token_echo: TokenEcho::Withheld, ..told.answer };
    Ok(Paid { answer, ..told })
}

/// What is sent to the network.
fn request_of(
    account: &Account,
    command: &PayCommand,
    order: &Order,
    operation: &Operation,
    means: Means,
) -> NetworkRequest {
    NetworkRequest {
        kind: NetworkKind::of(operation.kind),
        wire: operation.wire,
        money: operation.money,
        card: NetworkCard {
            pan: means.card.pan,
            expiry: Some(means.card.expiry),
            security_code: means.card.security_code,
        },
        merchant: std::sync::Arc::clone(&account.acquirer),
        eci: command.eci,
        three_ds: command.three_ds,
        authentication: means.authentication,
        credential: order.credential.as_ref().map(|credential| credential.told.clone()),
        original: None,
        settlement_reference: command.settlement_reference.clone(),
    }
}

/// Takes the security code that waits in memory for this payment, if one does.
fn take_held_codes(inner: &Inner, command: &PayCommand, start: Start<'_>, order: &Order, means: &mut Means) {
    // In a charge nobody is there who could have told one.
    if command.eci != Eci::Recurring {
        token::take_held_code(inner, means.stored.as_ref(), &mut means.card);
    }
    if matches!(start, Start::Try { .. }) {
        token::take_code_of_order(inner, order.fort_id, &mut means.card);
    }
}

/// With what a payment is made.
pub(crate) struct Means {
    card: CardData,
    /// What the audit log is told of a card that the vault has lent. A card that came with the request is told of by
    /// its order alone.
    opened: Option<Opened>,
    facts: CardFacts,
    token: TokenPart,
    /// The token that it names, as the store has it.
    pub(crate) stored: Option<StoredToken>,
    pub(crate) agreement: AgreementPlan,
    route: Route,
    kind: PayKind,
    money: Money,
    authentication: Option<Authentication>,
}

/// What came of making the intent durable.
enum Intent {
    /// It is.
    Durable(Box<Claimed>),
    /// Nobody knows. Nothing was sent, and nothing will be: if the order is there, the janitor finds it.
    InDoubt(Box<Order>),
}

/// An order whose intent is durable.
struct Claimed {
    order: Order,
    operation: Operation,
    /// The life that sends it.
    owner: LifeId,
    /// While the payment works on it, the janitor does not take it for lost, wherever the clock may be.
    _in_flight: Option<Claim>,
}

/// Makes the order and its first operation durable before anything is sent.
async fn claim(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
    means: &mut Means,
    start: Start<'_>,
) -> Result<Intent, Refused> {
    let (mut number, mut overtaken_times) = (0, 0);
    while number < NUMBER_TRIES_MAX {
        let owner = inner.living().await?;
        let now = inner.clock.now();
        let (mut order, operation) = match start {
            Start::NewOrder | Start::BatchRow(_) | Start::Due(_) => draft(inner, account, command, means, now),
            Start::Try { order, .. } => draft_of_try(inner, order, means, number, now),
        };
        let kept = with_credential(inner, account, &mut order, &operation, means, start)?;
        let in_flight = inner.claims.take(operation.id);
        if in_flight.is_none() && matches!(start, Start::Try { .. }) {
            // Of an order whose first try may or may not have been written the janitor looks for that one under this
            // number: another number is not in its way.
            number += 1;
            continue;
        }
        let card = inner.vault.seal_card(order.merchant, order.fort_id, &means.card.pan, now).await?;
        let unnoted = inner.route_days.unnoted(order.merchant, means.route, now);
        let new = NewOrder {
            order: order.clone(),
            operation: operation.clone(),
            card,
            request: command.params.clone(),
            owner,
            token: means.token.intent.clone(),
            agreement: kept.agreement,
            schedule: kept.schedule,
            audit: revealed(means, &operation, now),
            route: unnoted.then_some(means.route),
            authentication: means.authentication.clone(),
            batch_row: start.batch_row(),
        };
        let claimed = match start {
            Start::NewOrder | Start::BatchRow(_) | Start::Due(_) => inner.store.claim_order(new).await,
            Start::Try { checkout, .. } => claim_try(inner, new, checkout).await?,
        };
        match claimed {
            Ok(OrderClaim::Claimed) => {
                if unnoted {
                    inner.route_days.noted(order.merchant, means.route, now);
                }
                return Ok(Intent::Durable(Box::new(Claimed { order, operation, owner, _in_flight: in_flight })));
            }
            Ok(OrderClaim::NumberTaken) => number += 1,
            Ok(OrderClaim::RowTaken) => return Err(row_taken().into()),
            Ok(OrderClaim::ScheduleChanged) => return Err(schedule::changed().into()),
            Ok(OrderClaim::AgreementChanged) => {
                overtaken_times += 1;
                agreement::judge_anew(inner, account, command, means, overtaken_times).await?;
            }
            Err(StoreError::InDoubt(reason)) => {
                tracing::error!(fort_id = %order.fort_id, reason, "whether an intent was written is not known");
                drop(in_flight);
                inner.doubt_intent(operation.id, owner);
                return Ok(Intent::InDoubt(Box::new(order)));
            }
            Err(error) => return Err(error.into()),
            Ok(OrderClaim::ReferenceTaken(fort_id)) => {
                let detail = format!("merchant_reference is used up by order {fort_id}");
                return Err(Refusal::request(refused::REFERENCE_EXISTS, "merchant_reference", detail).into());
            }
        }
    }
    Err(no_free_number().into())
}

fn no_free_number() -> Refusal {
    let detail = "no free order number was found: check the clock and the node numbers";
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail)
}

/// What is written with an order for the agreement and the schedule that it has to do with.
struct KeptIntents {
    agreement: Option<AgreementIntent>,
    schedule: Option<ScheduleIntent>,
}

/// Gives an order what it has to do with a kept card; what is written for that.
fn with_credential(
    inner: &Inner,
    account: &Account,
    order: &mut Order,
    operation: &Operation,
    means: &Means,
    start: Start<'_>,
) -> Result<KeptIntents, Refusal> {
    let mut part = agreement::part(&means.agreement, order, operation, &means.token, means.stored.as_ref());
    if let Start::Due(due) = start {
        part.charge_due(due, schedule::terms(inner, account))?;
    }
    agreement::may_be_unlinked(inner, part.order.as_ref().map(|credential| &credential.told))?;
    order.credential = part.order;
    Ok(KeptIntents { agreement: part.agreement, schedule: part.schedule })
}

/// Claims a try; what is no longer as it was judged is refused.
async fn claim_try(
    inner: &Inner,
    intent: NewOrder,
    checkout: &Checkout,
) -> Result<Result<OrderClaim, StoreError>, Refused> {
    let tries = checkout.tries.saturating_add(1);
    let checkout = Checkout { tries, ..checkout.at(Step::Card) };
    Ok(match inner.store.claim_try(NewTry { intent, checkout }).await {
        Ok(TryClaim::Claimed) => Ok(OrderClaim::Claimed),
        Ok(TryClaim::NumberTaken) => Ok(OrderClaim::NumberTaken),
        Ok(TryClaim::AgreementChanged) => Ok(OrderClaim::AgreementChanged),
        Ok(TryClaim::Changed) => return Err(overtaken().into()),
        Err(error) => Err(error),
    })
}

/// Somebody else was faster at the same checkout: another tab, or a second click.
pub(crate) fn overtaken() -> Refusal {
    Refusal::of(refused::STILL_PROCESSING, Guilty::Cardholder, "the same page was sent a moment before")
}

/// Somebody else has begun the row of the batch, or it is not to be begun.
pub(crate) fn row_taken() -> Refusal {
    Refusal::of(refused::STILL_PROCESSING, Guilty::Us, "the row of the batch is begun already")
}

fn revealed(means: &Means, operation: &Operation, now: Timestamp) -> Vec<AuditEntry> {
    means.opened.iter().map(|opened| opened.entry(now, operation.id)).collect()
}

fn draft(inner: &Inner, account: &Account, command: &PayCommand, means: &Means, now: Timestamp) -> (Order, Operation) {
    let id = inner.next_number(now);
    let wire = inner.wire_reference(id, now);
    let kind = means.kind.operation();
    let order = Order {
        fort_id: FortId(id.0),
        merchant: account.merchant.id,
        merchant_reference: command.merchant_reference.clone(),
        kind: means.kind,
        money: means.money,
        eci: command.eci,
        channel: Channel::Trusted,
        card: Some(means.facts.clone()),
        token: means.token.order.clone(),
        credential: None,
        phase: Phase::Pending,
        totals: Totals::default(),
        open_operation: Some(id),
        version: 1,
        authorization_code: None,
        original: wire,
        last: LastOperation { kind, code: code::UNCERTAIN, network_code: None },
        created_at: now,
    };
    let operation =
        Operation { id, fort_id: order.fort_id, kind, money: means.money, state: OperationState::Sent, wire };
    (order, operation)
}

/// A try of an order that is there. The first one has the order's number, as it has in orders that begin with one.
fn draft_of_try(
    inner: &Inner,
    order: &Order,
    means: &Means,
    number_tries: usize,
    now: Timestamp,
) -> (Order, Operation) {
    let is_first = order.phase == Phase::Open && number_tries == 0;
    let id = if is_first { OperationId(order.fort_id.0) } else { inner.next_number(now) };
    let wire = inner.wire_reference(id, now);
    let kind = means.kind.operation();
    let pending = Order {
        card: Some(means.facts.clone()),
        token: means.token.order.clone(),
        credential: None,
        phase: Phase::Pending,
        open_operation: Some(id),
        version: order.version.saturating_add(1),
        original: wire,
        last: LastOperation { kind, code: code::UNCERTAIN, network_code: None },
        ..order.clone()
    };
    let operation =
        Operation { id, fort_id: order.fort_id, kind, money: means.money, state: OperationState::Sent, wire };
    (pending, operation)
}

fn paid(order: &Order, settled: Settled) -> Paid {
    let approved = settled.state == OperationState::Approved;
    let declined = settled.state == OperationState::Declined;
    let answer = Answer {
        order: Some(OrderFacts { fort_id: order.fort_id, merchant_reference: order.merchant_reference.clone() }),
        card: order.card.clone(),
        eci: Some(order.eci),
        authorization_code: settled.authorization_code.filter(|_| approved),
        acquirer_code: settled.network_code.filter(|_| declined),
        token_name: order.token_name_in(settled.state).map(str::to_owned),
        agreement_id: order.agreement_id_in(settled.state).map(str::to_owned),
        ..Answer::bare(settled.code)
    };
    Paid { answer, release: settled.release }
}
