//! Judging the rows of a batch: by the rules of the single calls, without doing anything.

use super::job::{Stopped, Work};
use super::receive::rest_after;
use crate::directory::Account;
use crate::gateway::Refused;
use crate::payment_link::tell::ways;
use crate::token;
use aws_lc_rs::digest::{Context, SHA256};
use std::time::Instant;
use tollgate_core::batch::{BatchEvent, BatchFault, BatchId, BatchRowCommand, BatchRowState, BatchState};
use tollgate_core::code::refused;
use tollgate_core::command::{MaintainCommand, OrderTarget, PayCommand};
use tollgate_core::decide;
use tollgate_core::payment_link::{LinkTarget, PaymentLinkCommand, PaymentLinkId};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_store::{Batch, BatchChange, BatchRow, JudgedRow, JudgedRows, LifeId, RowRefusal, RowVerdict};

/// How many rows are judged between two commits.
const ROWS_PER_COMMIT_MAX: usize = 256;
/// How many rows are judged before other tasks have their turn.
const ROWS_PER_TURN: usize = 16;
/// The most characters of a refusal's sentence that are kept with a row.
const DETAIL_CHARS_MAX: usize = 200;

/// Judges what was not judged yet, and says what the batch is.
pub(super) async fn validate(work: &Work<'_>, batch: &Batch, life: LifeId) -> Result<(), Stopped> {
    let store = &work.gateway.inner.store;
    if batch.state == BatchState::Uploaded && !change(work, batch, life, BatchEvent::ValidationBegun, None).await? {
        return Ok(());
    }
    if let Some(fault) = whole_fault(batch) {
        change(work, batch, life, BatchEvent::FoundUnusable, Some(fault)).await?;
        return Ok(());
    }
    let account = work.account(batch).await?;
    loop {
        work.go_on()?;
        let begun = Instant::now();
        let rows = store.batch_rows(batch.id, BatchRowState::Pending, 0, ROWS_PER_COMMIT_MAX).await?;
        if rows.is_empty() {
            break;
        }
        let mut judged = JudgedRows { batch: batch.id, life, rows: Vec::with_capacity(rows.len()) };
        for (place, row) in rows.iter().enumerate() {
            if place % ROWS_PER_TURN == 0 {
                // Reads are made on the spot and never wait: payments have their turn in between.
                tokio::task::yield_now().await;
            }
            judged.rows.push(JudgedRow { line: row.line, verdict: verdict(work, batch, &account, row).await? });
        }
        if !store.judge_batch_rows(judged).await? {
            return Ok(());
        }
        rest_after(begun).await;
    }
    let Some(now) = store.batch(batch.merchant, &batch.reference).await? else { return Ok(()) };
    let (event, fault) = match now.counts.refused {
        0 => (BatchEvent::FoundGood, None),
        refused if refused == now.counts.rows => (BatchEvent::FoundUnusable, Some(BatchFault::NoGoodRow)),
        _ => (BatchEvent::FoundErrors, None),
    };
    if change(work, batch, life, event, fault).await? {
        tracing::info!(batch = %batch.id, reference = batch.reference, rows = now.counts.rows, refused = now.counts.refused, "a batch is validated: {event}");
    }
    Ok(())
}

/// Why nothing of a file can be used, whatever its rows are.
fn whole_fault(batch: &Batch) -> Option<BatchFault> {
    batch.fault.or_else(|| (batch.counts.rows == 0).then_some(BatchFault::NoRow))
}

async fn change(
    work: &Work<'_>,
    batch: &Batch,
    life: LifeId,
    event: BatchEvent,
    fault: Option<BatchFault>,
) -> Result<bool, Stopped> {
    let change =
        BatchChange { batch: batch.id, event, life: Some(life), fault, execute_at: None, at: work.gateway.now() };
    Ok(work.gateway.inner.store.change_batch(change).await?)
}

async fn verdict(work: &Work<'_>, batch: &Batch, account: &Account, row: &BatchRow) -> Result<RowVerdict, Stopped> {
    let judged = match work.rows.read(batch, account, row) {
        Err(refusal) => Err(refusal.into()),
        Ok(BatchRowCommand::Pay(command)) => {
            let identity = identity(batch.id, &BatchRowCommand::Pay(command.clone()));
            payment(work, account, &command).await.map(|()| identity)
        }
        Ok(BatchRowCommand::Maintain(command)) => {
            let identity = identity(batch.id, &BatchRowCommand::Maintain(command.clone()));
            operation(work, account, &command).await.map(|()| identity)
        }
        Ok(BatchRowCommand::Link(command)) => {
            let identity = identity(batch.id, &BatchRowCommand::Link(command.clone()));
            link(work, account, &command).await.map(|()| identity)
        }
    };
    match judged {
        Ok(identity) => Ok(RowVerdict::Good { identity }),
        Err(Refused { refusal, .. }) if refusal.guilty == Guilty::Us => {
            Err(Stopped::Failed(refusal.detail.into_owned()))
        }
        Err(Refused { refusal, .. }) => Ok(RowVerdict::Refused(kept(&refusal))),
    }
}

/// A payment: whether it would be sent now, and whether its reference is free.
async fn payment(work: &Work<'_>, account: &Account, command: &PayCommand) -> Result<(), Refused> {
    let inner = &work.gateway.inner;
    let stored = token::named(inner, account, command).await?;
    let token = stored.as_ref().map(|stored| &stored.token);
    decide::pay(&account.merchant, command, token, work.gateway.now())?;
    let reference = OrderTarget::Reference(command.merchant_reference.clone());
    match inner.store.order(account.merchant.id, &reference).await? {
        None => Ok(()),
        Some(stored) => {
            let detail = format!("merchant_reference is used up by order {}", stored.order.fort_id);
            Err(Refusal::request(refused::REFERENCE_EXISTS, "merchant_reference", detail).into())
        }
    }
}

/// A payment link: whether it would be made now. An end that lies in the future now may be over when its turn comes; then the
/// row is refused.
async fn link(work: &Work<'_>, account: &Account, command: &PaymentLinkCommand) -> Result<(), Refused> {
    let (store, merchant) = (&work.gateway.inner.store, &account.merchant);
    let now = work.gateway.now();
    // Its number is drawn when it is made; until then its name is known only where the merchant gave it one.
    let draft = command.link(PaymentLinkId(0), merchant, "", now);
    decide::payment_link(merchant, command, &draft, ways(&work.gateway.inner), now)?;
    if let Some(name) = &command.name
        && store.payment_link(merchant.id, &LinkTarget::Name(name.clone())).await?.is_some()
    {
        let detail = "another payment link of the merchant has this payment_link_id";
        return Err(Refusal::request(refused::LINK_EXISTS, "payment_link_id", detail).into());
    }
    let reference = OrderTarget::Reference(command.merchant_reference.clone());
    if let Some(stored) = store.order(merchant.id, &reference).await?
        && !draft.goes_on_with(&stored.order)
    {
        let detail = format!("merchant_reference is used up by order {}", stored.order.fort_id);
        return Err(Refusal::request(refused::REFERENCE_EXISTS, "merchant_reference", detail).into());
    }
    let newest = store.payment_link(merchant.id, &LinkTarget::Reference(command.merchant_reference.clone())).await?;
    match newest.map(|stored| stored.link).filter(|link| link.closed_at.is_none() && link.expires_at > now) {
        None => Ok(()),
        Some(open) => {
            let detail = format!("payment link {} is open for this merchant_reference: close it first", open.name);
            Err(Refusal::request(refused::LINK_OPEN, "merchant_reference", detail).into())
        }
    }
}

/// An operation: whether its order would take it now. That something else is under way on the order is no reason against
/// it, for it will be over.
async fn operation(work: &Work<'_>, account: &Account, command: &MaintainCommand) -> Result<(), Refused> {
    let found = work.gateway.inner.store.order(account.merchant.id, &command.target).await?;
    let Some(stored) = found else {
        let detail = "the merchant has no such order";
        return Err(Refusal::request(refused::ORDER_NOT_FOUND, "merchant_reference", detail).into());
    };
    match decide::maintain(&stored.order, command) {
        Err(refusal) if refusal.code != refused::STILL_PROCESSING => Err(refusal.into()),
        _ => Ok(()),
    }
}

/// What no other row may have.
fn identity(batch: BatchId, command: &BatchRowCommand) -> [u8; 16] {
    let mut hash = Context::new(&SHA256);
    hash.update(&batch.0.to_be_bytes());
    hash.update(command.identity().as_bytes());
    let digest = hash.finish();
    let mut identity = [0; 16];
    for (to, from) in identity.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    identity
}

/// A refusal as it is kept with its row.
pub(super) fn kept(refusal: &Refusal) -> RowRefusal {
    RowRefusal {
        code: refusal.code,
        parameter: refusal.parameter.as_deref().map(str::to_owned).filter(|name| !name.is_empty()),
        detail: refusal.detail.chars().take(DETAIL_CHARS_MAX).collect(),
    }
}
