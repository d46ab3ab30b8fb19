//! Orders, operations and outcomes for the rules.

use crate::{
    LifeBegun, LifeId, MerchantRecord, NewAttempt, NewLife, NewOperation, NewOrder, OperationClaim, OrderClaim,
    OutcomeRecord, Recorded, RecoveryChange, Store, StoreError, Tenancy,
};
use tollgate_core::advice::RetryAdvice;
use tollgate_core::apply::{Outcome, Recovery, apply};
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::UNCERTAIN;
use tollgate_core::command::{Eci, OrderTarget, SafeParams};
use tollgate_core::credential::NetworkTransactionId;
use tollgate_core::ident::{FortId, MerchantId, OperationId, Stan};
use tollgate_core::merchant::{
    AcquirerTerms, CardTerms, ChannelTerms, CurrencyTerms, FeedbackTerms, RecurringTerms, Terms, ThreeDsTerms,
    TokenService, VerificationTerms,
};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{
    LastOperation, Operation, OperationEvent, OperationKind, OperationState, Order, PayKind, Phase, Totals,
    WireReference,
};
use tollgate_core::time::Timestamp;
use tollgate_vault::SealedCard;

/// The first number of a test, as `Numbers` makes them in November 2026.
pub(super) const FIRST: i64 = 179_518_080_000_000_000;
/// The moment behind [`FIRST`].
pub(super) const START: Timestamp = Timestamp(1_795_180_800_000_000);

/// The merchant of most tests.
pub(super) const MERCHANT: MerchantId = MerchantId(1);

/// `minor` units of AED.
pub(super) fn aed(minor: u64) -> Money {
    Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha("AED").unwrap() }
}

/// The moment `seconds` after [`START`].
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1_000_000)
}

/// How operation `id` is named on the wire.
pub(super) fn wire(id: OperationId, sent_at: Timestamp) -> WireReference {
    let stan = Stan::folded(u32::try_from(id.0.rem_euclid(999_999)).unwrap());
    WireReference { stan, rrn: id.rrn(), sent_at }
}

/// An order of 100.00 AED, number [`FIRST`] + `number`, sent `number` seconds after [`START`].
pub(super) fn new_order(number: i64, reference: &str, kind: PayKind) -> NewOrder {
    let id = OperationId(FIRST + number);
    let fort_id = FortId(id.0);
    let sent_at = at(number);
    let money = aed(10_000);
    let mut request = SafeParams::default();
    request.push("command", kind.command());
    request.push("merchant_reference", reference);
    let order = Order {
        fort_id,
        merchant: MERCHANT,
        merchant_reference: reference.to_owned(),
        kind,
        money,
        eci: Eci::Ecommerce,
        channel: tollgate_core::feedback::Channel::Trusted,
        card: Some(CardFacts {
            mask: "400555******0001".to_owned(),
            expiry: "3005".to_owned(),
            holder: Some("Layla Haddad".to_owned()),
            brand: Brand::Visa,
        }),
        token: None,
        credential: None,
        phase: Phase::Pending,
        totals: Totals::default(),
        open_operation: Some(id),
        version: 1,
        authorization_code: None,
        original: wire(id, sent_at),
        last: LastOperation { kind: kind.operation(), code: UNCERTAIN, network_code: None },
        created_at: sent_at,
    };
    let operation =
        Operation { id, fort_id, kind: kind.operation(), money, state: OperationState::Sent, wire: order.original };
    NewOrder {
        order,
        operation,
        card: SealedCard::from_bytes(vec![7; 57]),
        request,
        owner: LifeId::NONE,
        token: None,
        agreement: None,
        schedule: None,
        audit: Vec::new(),
        route: None,
        authentication: None,
        batch_row: None,
    }
}

/// An operation of `kind` on `order` as it is now, number [`FIRST`] + `number`.
pub(super) fn new_operation(number: i64, order: &Order, kind: OperationKind, minor: u64) -> NewOperation {
    let id = OperationId(FIRST + number);
    let money = Money { amount: Amount::from_minor(minor).unwrap(), currency: order.money.currency };
    let mut request = SafeParams::default();
    request.push("command", kind.command());
    let operation =
        Operation { id, fort_id: order.fort_id, kind, money, state: OperationState::Sent, wire: wire(id, at(number)) };
    NewOperation {
        merchant: order.merchant,
        order_version: order.version,
        operation,
        maintenance_reference: None,
        request,
        owner: LifeId::NONE,
        audit: Vec::new(),
        authentication: None,
        batch_row: None,
    }
}

/// The outcome `event` of `operation`, as the core applies it. A recovery falls due a minute later.
pub(super) fn outcome(order: &Order, operation: &Operation, event: OperationEvent, at: Timestamp) -> OutcomeRecord {
    let network_code = match event {
        OperationEvent::Approved | OperationEvent::AdviceAcknowledged | OperationEvent::ReversalAcknowledged => {
            Some("00")
        }
        OperationEvent::Declined | OperationEvent::AdviceRefused => Some("51"),
        OperationEvent::AuthenticationWanted => Some("1A"),
        _ => None,
    };
    let authorization_code = (event == OperationEvent::Approved).then(|| "A1B2C3".to_owned());
    let network_transaction_id = match event {
        OperationEvent::Approved => NetworkTransactionId::parse(&format!("NET{}", operation.id)),
        _ => None,
    };
    let advice = (event == OperationEvent::Declined).then_some(RetryAdvice::Later);
    let network_code = network_code.map(str::to_owned);
    let outcome = Outcome { event, network_code, authorization_code, network_transaction_id, advice };
    let applied = apply(order, operation, &outcome).unwrap();
    OutcomeRecord {
        order: applied.order,
        operation: operation.id,
        state_before: operation.state,
        state: applied.state,
        event,
        code: applied.code,
        network_code: outcome.network_code,
        authorization_code: outcome.authorization_code,
        network_transaction_id: outcome.network_transaction_id,
        advice: outcome.advice,
        trace: format!("0100 11={} 37={}", operation.wire.stan, operation.wire.rrn),
        recovery: match applied.recovery {
            Recovery::None => RecoveryChange::None,
            Recovery::Begin(way_out) => RecoveryChange::Begin { way_out, due_at: at.plus_ms(60_000) },
            Recovery::End => RecoveryChange::End,
        },
        feedback: None,
        message: None,
        next: None,
        checkout: None,
        at,
    }
}

/// Claims an order that must be free.
pub(super) async fn claimed(store: &dyn Store, new: NewOrder) -> NewOrder {
    assert_eq!(store.claim_order(new.clone()).await.unwrap(), OrderClaim::Claimed);
    new
}

/// Claims an order and records `event` of its first operation; the order and operation afterwards.
pub(super) async fn settled(store: &dyn Store, new: NewOrder, event: OperationEvent) -> Placed {
    let new = claimed(store, new).await;
    let at = new.order.created_at.plus_ms(300);
    let record = outcome(&new.order, &new.operation, event, at);
    assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
    Placed { order: record.order, operation: Operation { state: record.state, ..new.operation } }
}

/// Claims an operation, records `event` of it; the order and operation afterwards.
pub(super) async fn carried_out(store: &dyn Store, order: &Order, new: NewOperation, event: OperationEvent) -> Placed {
    let begun = begun(store, order, new).await;
    let at = begun.operation.wire.sent_at.plus_ms(300);
    let record = outcome(&begun.order, &begun.operation, event, at);
    assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
    Placed { order: record.order, operation: Operation { state: record.state, ..begun.operation } }
}

/// Claims an operation; the order and the operation afterwards.
pub(super) async fn begun(store: &dyn Store, order: &Order, new: NewOperation) -> Placed {
    assert_eq!(store.claim_operation(new.clone()).await.unwrap(), OperationClaim::Claimed);
    let order = Order { open_operation: Some(new.operation.id), version: order.version + 1, ..order.clone() };
    Placed { order, operation: new.operation }
}

/// The living life of `node`, begun when there is none. Its lease runs for ever.
pub(super) async fn life_of(store: &dyn Store, node: u8) -> LifeId {
    loop {
        if let Some(row) = store.lives().await.unwrap().iter().find(|row| row.node == node) {
            return row.life;
        }
        let new = NewLife { node, tenancy: Tenancy::Shared, now: START, alive_until: at(1_000_000) };
        if let LifeBegun::Begun(life) = store.begin_life(new).await.unwrap() {
            return life;
        }
    }
}

/// Begins an attempt of the life of node 0, which is in no other life's way.
pub(super) async fn begin_attempt(
    store: &dyn Store,
    operation: OperationId,
    attempts_before: u32,
    retry_at: Timestamp,
) -> Result<bool, StoreError> {
    let by = life_of(store, 0).await;
    store
        .begin_attempt(NewAttempt {
            operation,
            attempts_before,
            by,
            now: START,
            until: START,
            retry_at,
            audit: Vec::new(),
        })
        .await
}

/// An order and one of its operations.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) order: Order,
    pub(super) operation: Operation,
}

/// The stored order, which must be there.
pub(super) async fn stored(store: &dyn Store, fort_id: FortId, merchant: MerchantId) -> Order {
    store.order(merchant, &OrderTarget::FortId(fort_id)).await.unwrap().unwrap().order
}

/// An account named `name`, with one access code.
pub(super) fn account(name: &str) -> MerchantRecord {
    MerchantRecord {
        id: MerchantId(0),
        name: name.to_owned(),
        merchant_identifier: format!("id{name}"),
        active: true,
        access_codes: vec![format!("code{name}")],
        sealed_credentials: vec![1, 2, 3, 0, 255],
        terms: terms(),
        version: 0,
    }
}

fn terms() -> Terms {
    let currency =
        |alpha| CurrencyTerms { currency: Currency::from_alpha(alpha).unwrap(), amount_minor_max: Some(500) };
    Terms {
        currencies: vec![currency("AED"), currency("KWD")],
        payment_options: vec![Brand::Visa, Brand::Mada],
        trusted_channel: None,
        acquirer: AcquirerTerms {
            card_acceptor_id: "M00000000000001".to_owned(),
            terminal_id: "T0000001".to_owned(),
            category_code: "5999".to_owned(),
            shop_name: "متجر \"Demo\"".to_owned(),
            city: "Dubai".to_owned(),
            country: "AE".to_owned(),
        },
        feedback: FeedbackTerms::default(),
        channel: ChannelTerms::default(),
        tokens: TokenService::On,
        cards: CardTerms::default(),
        verification: VerificationTerms::default(),
        three_ds: ThreeDsTerms::default(),
        recurring: RecurringTerms::default(),
        batch: tollgate_core::batch::BatchTerms::default(),
        links: tollgate_core::merchant::LinkTerms::default(),
        seller: tollgate_core::invoice::Seller::default(),
    }
}
