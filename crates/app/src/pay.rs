//! AUTHORIZATION and PURCHASE.

use crate::claims::Claim;
use crate::directory::Account;
use crate::gateway::{Inner, Refused, Unsettled};
use crate::settle::{self, Settled};
use crate::token::{self, TokenPart};
use tollgate_acquirer::{NetworkCard, NetworkKind, NetworkRequest};
use tollgate_core::answer::{Answer, OrderFacts};
use tollgate_core::card::{CardData, CardFacts};
use tollgate_core::code::{self, refused};
use tollgate_core::command::PayCommand;
use tollgate_core::decide::{self, PayIntent};
use tollgate_core::ident::FortId;
use tollgate_core::order::{LastOperation, Operation, OperationState, Order, Phase, Totals};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::time::Timestamp;
use tollgate_store::{LifeId, NewOrder, OrderClaim, StoreError};

/// How often a new number is tried when one is taken, which happens only when a clock went back.
const NUMBER_TRIES_MAX: usize = 8;

pub(crate) async fn pay(
    inner: &Inner,
    account: &Account,
    command: PayCommand,
    unsettled: &Unsettled,
) -> Result<Answer, Refused> {
    let stored = token::named(inner, account, &command).await?;
    let intent =
        decide::pay(&account.merchant, &command, stored.as_ref().map(|stored| &stored.token), inner.clock.now())?;
    inner.link_ready()?;
    let PayIntent { card, facts, token } = intent;
    let card = token::card(inner, card, &facts, stored.as_ref()).await?;
    let token = token::part(inner, account, token, &card, &facts, stored.as_ref()).await?;
    let means = Means { card, facts, token };
    let Claimed { order, operation, owner, _in_flight } = match claim(inner, account, &command, &means).await? {
        Intent::Durable(claimed) => *claimed,
        Intent::InDoubt(order) => return Ok(answer(&order, Settled::UNCERTAIN)),
    };
    unsettled.set(answer(&order, Settled::UNCERTAIN));
    let request = NetworkRequest {
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
        original: None,
        settlement_reference: command.settlement_reference,
    };
    let exchange = inner.exchange_as(owner, request).await;
    let settled = settle::first_outcome(inner, &order, &operation, exchange).await;
    let is_gone = token::is_gone(inner, &order, settled.state).await;
    let told = answer(&order, settled);
    Ok(if is_gone { Answer { token_name: None, ..told } } else { told })
}

/// With what a payment is made.
struct Means {
    card: CardData,
    facts: CardFacts,
    token: TokenPart,
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
async fn claim(inner: &Inner, account: &Account, command: &PayCommand, means: &Means) -> Result<Intent, Refused> {
    for _ in 0..NUMBER_TRIES_MAX {
        let owner = inner.living().await?;
        let now = inner.clock.now();
        let (order, operation) = draft(inner, account, command, means, now);
        let in_flight = inner.claims.take(operation.id);
        let card = inner.vault.seal_card(order.merchant, order.fort_id, &means.card.pan, now).await?;
        let new = NewOrder {
            order: order.clone(),
            operation: operation.clone(),
            card,
            request: command.params.clone(),
            owner,
            token: means.token.intent.clone(),
        };
        match inner.store.claim_order(new).await {
            Ok(OrderClaim::Claimed) => {
                return Ok(Intent::Durable(Box::new(Claimed { order, operation, owner, _in_flight: in_flight })));
            }
            Ok(OrderClaim::NumberTaken) => {}
            Err(StoreError::InDoubt(reason)) => {
                tracing::error!(fort_id = %order.fort_id, reason, "whether an intent was written is not known");
                drop(in_flight);
                inner.doubt(operation.id);
                return Ok(Intent::InDoubt(Box::new(order)));
            }
            Err(error) => return Err(error.into()),
            Ok(OrderClaim::ReferenceTaken(fort_id)) => {
                let detail = format!("merchant_reference is used up by order {fort_id}");
                return Err(Refusal::request(refused::REFERENCE_EXISTS, "merchant_reference", detail).into());
            }
        }
    }
    Err(Refusal::of(
        refused::TECHNICAL_PROBLEM,
        Guilty::Us,
        "no free order number was found: check the clock and the node numbers",
    )
    .into())
}

fn draft(inner: &Inner, account: &Account, command: &PayCommand, means: &Means, now: Timestamp) -> (Order, Operation) {
    let id = inner.next_number(now);
    let wire = inner.wire_reference(id, now);
    let kind = command.kind.operation();
    let order = Order {
        fort_id: FortId(id.0),
        merchant: account.merchant.id,
        merchant_reference: command.merchant_reference.clone(),
        kind: command.kind,
        money: command.money,
        eci: command.eci,
        card: means.facts.clone(),
        token: means.token.order.clone(),
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
        Operation { id, fort_id: order.fort_id, kind, money: command.money, state: OperationState::Sent, wire };
    (order, operation)
}

fn answer(order: &Order, settled: Settled) -> Answer {
    let approved = settled.state == OperationState::Approved;
    let declined = settled.state == OperationState::Declined;
    Answer {
        code: settled.code,
        order: Some(OrderFacts { fort_id: order.fort_id, merchant_reference: order.merchant_reference.clone() }),
        card: Some(order.card.clone()),
        eci: Some(order.eci),
        authorization_code: settled.authorization_code.filter(|_| approved),
        acquirer_code: settled.network_code.filter(|_| declined),
        token_name: order.token_name_in(settled.state).map(str::to_owned),
        status: None,
        token: None,
    }
}
