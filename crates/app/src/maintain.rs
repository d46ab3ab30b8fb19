//! CAPTURE, VOID_AUTHORIZATION and REFUND.

use crate::claims::Claim;
use crate::directory::Account;
use crate::gateway::{Inner, Refused, Unsettled};
use crate::pay;
use crate::settle;
use crate::token;
use tollgate_acquirer::{NetworkCard, NetworkKind, NetworkRequest, OriginalReference};
use tollgate_core::answer::{Answer, OrderFacts};
use tollgate_core::audit::{AuditReason, AuditWho};
use tollgate_core::batch::BatchRowId;
use tollgate_core::code::{UNCERTAIN, refused};
use tollgate_core::command::{MaintainCommand, MaintainKind, ThreeDsWish};
use tollgate_core::decide;
use tollgate_core::order::{Operation, OperationState, Order};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_store::{LifeId, NewOperation, OperationClaim, StoreError};
use tollgate_vault::Revealed;

/// How often an order is read again because it changed between the reading and the claim.
const CLAIM_TRIES_MAX: usize = 8;

pub(crate) async fn maintain(
    inner: &Inner,
    account: &Account,
    command: MaintainCommand,
    row: Option<BatchRowId>,
    unsettled: &Unsettled,
) -> Result<Answer, Refused> {
    let Claimed { order, operation, card, owner, _in_flight } = match claim(inner, account, &command, row).await? {
        Intent::Durable(claimed) => *claimed,
        Intent::InDoubt(order) => return Ok(Answer { order: Some(order), ..Answer::bare(UNCERTAIN) }),
    };
    unsettled.set(Answer { order: Some(facts(&order)), ..Answer::bare(UNCERTAIN) });
    let request = NetworkRequest {
        kind: NetworkKind::of(operation.kind),
        wire: operation.wire,
        money: operation.money,
        card,
        merchant: std::sync::Arc::clone(&account.acquirer),
        eci: order.eci,
        three_ds: ThreeDsWish::Default,
        authentication: None,
        credential: None,
        original: Some(original_of(&order)),
        settlement_reference: None,
    };
    let exchange = inner.exchange_as(owner, request).await;
    let settled = settle::first_outcome(inner, &order, &operation, exchange, None).await;
    Ok(Answer { order: Some(facts(&order)), ..Answer::bare(settled.code) })
}

/// What the card is opened for.
const fn reason_of(kind: MaintainKind) -> AuditReason {
    match kind {
        MaintainKind::Capture => AuditReason::Capture,
        MaintainKind::Void => AuditReason::Void,
        MaintainKind::Refund => AuditReason::Refund,
    }
}

/// How the network knows the payment that an operation belongs to.
pub(crate) fn original_of(order: &Order) -> OriginalReference {
    OriginalReference {
        kind: NetworkKind::of(order.kind.operation()),
        wire: order.original,
        authorization_code: order.authorization_code.clone(),
    }
}

/// What came of making the intent durable.
enum Intent {
    /// It is.
    Durable(Box<Claimed>),
    /// Nobody knows. Nothing was sent yet, but if the operation is there, the janitor finds it and a capture or a void is
    /// carried out: so it must not be told that nothing happened.
    InDoubt(OrderFacts),
}

/// An operation whose intent is durable.
struct Claimed {
    /// The order, with the operation open.
    order: Order,
    operation: Operation,
    card: NetworkCard,
    /// The life that sends it.
    owner: LifeId,
    /// While the use case works on it, the janitor does not take it for lost, wherever the clock may be.
    _in_flight: Option<Claim>,
}

/// Judges the operation, opens the card and makes the intent durable, in this order: what fails here
/// has changed nothing.
async fn claim(
    inner: &Inner,
    account: &Account,
    command: &MaintainCommand,
    row: Option<BatchRowId>,
) -> Result<Intent, Refused> {
    for _ in 0..CLAIM_TRIES_MAX {
        let Some(stored) = inner.store.order(account.merchant.id, &command.target).await? else {
            let detail = "the merchant has no such order";
            return Err(Refusal::request(refused::ORDER_NOT_FOUND, "merchant_reference", detail).into());
        };
        let mut order = stored.order.clone();
        decide::names_agree(&order, &command.target)?;
        let with_order = |refusal| Refused { refusal, order: Some(facts(&order)) };
        let money = decide::maintain(&order, command).map_err(with_order)?;
        inner.link_ready().map_err(with_order)?;
        let owner = inner.living().await.map_err(with_order)?;
        let Revealed { pan, receipt } = token::open_card(inner, &stored).await?;
        let now = inner.clock.now();
        let id = inner.next_number(now);
        let operation = Operation {
            id,
            fort_id: order.fort_id,
            kind: command.kind.into(),
            money,
            state: OperationState::Sent,
            wire: inner.wire_reference(id, now),
        };
        let in_flight = inner.claims.take(operation.id);
        let new = NewOperation {
            merchant: account.merchant.id,
            order_version: order.version,
            operation: operation.clone(),
            maintenance_reference: command.maintenance_reference.clone(),
            request: command.params.clone(),
            owner,
            audit: vec![receipt.entry(now, AuditWho::Request, reason_of(command.kind), id)],
            authentication: None,
            batch_row: row,
        };
        match inner.store.claim_operation(new).await {
            Ok(OperationClaim::Claimed) => {
                order.version = order.version.saturating_add(1);
                order.open_operation = Some(operation.id);
                let card = NetworkCard { pan, expiry: None, security_code: None };
                return Ok(Intent::Durable(Box::new(Claimed { order, operation, card, owner, _in_flight: in_flight })));
            }
            Ok(OperationClaim::OrderChanged | OperationClaim::NumberTaken) => {}
            Ok(OperationClaim::RowTaken) => return Err(pay::row_taken().into()),
            Err(StoreError::InDoubt(reason)) => {
                tracing::error!(fort_id = %order.fort_id, reason, "whether an intent was written is not known");
                drop(in_flight);
                inner.doubt_intent(id, owner);
                return Ok(Intent::InDoubt(facts(&order)));
            }
            Err(error) => return Err(error.into()),
            Ok(OperationClaim::MaintenanceReferenceTaken(other)) => {
                let detail = format!("maintenance_reference is used up by operation {other}");
                return Err(with_order(Refusal::request(refused::REFERENCE_EXISTS, "maintenance_reference", detail)));
            }
        }
    }
    let detail = "other operations kept changing this order; ask CHECK_STATUS and try again";
    Err(Refusal::of(refused::STILL_PROCESSING, Guilty::MerchantRequest, detail).into())
}

fn facts(order: &Order) -> OrderFacts {
    OrderFacts { fort_id: order.fort_id, merchant_reference: order.merchant_reference.clone() }
}
