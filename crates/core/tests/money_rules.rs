//! Random lives of a payment against an independent model: the sums always hold, nothing is counted
//! twice, and what is unknown is never counted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use tollgate_core::apply::{self, Applied, Outcome, Recovery};
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::{UNCERTAIN, refused};
use tollgate_core::command::*;
use tollgate_core::decide;
use tollgate_core::ident::{FortId, MerchantId, OperationId, Stan};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::*;
use tollgate_core::time::Timestamp;

#[derive(Clone, Debug)]
struct Step {
    kind: MaintainKind,
    minor: u64,
    events: Vec<OperationEvent>,
}

fn events() -> impl Strategy<Value = Vec<OperationEvent>> {
    prop::collection::vec(prop::sample::select(OperationEvent::ALL.to_vec()), 1..6)
}

fn steps() -> impl Strategy<Value = (PayKind, Vec<OperationEvent>, Vec<Step>)> {
    let kind = prop::sample::select(vec![MaintainKind::Capture, MaintainKind::Void, MaintainKind::Refund]);
    let step = (kind, 1u64..12_000, events()).prop_map(|(kind, minor, events)| Step { kind, minor, events });
    (
        prop::sample::select(vec![
            PayKind::Authorization,
            PayKind::Purchase,
            PayKind::VerifyAccount,
            PayKind::VerifyByHold,
        ]),
        events(),
        prop::collection::vec(step, 0..12),
    )
}

fn wire(id: i64) -> WireReference {
    WireReference { stan: Stan::folded(u32::try_from(id).unwrap()), rrn: OperationId(id).rrn(), sent_at: Timestamp(id) }
}

fn fresh(kind: PayKind) -> (Order, Operation) {
    let money = Money { amount: Amount::from_minor(10_000).unwrap(), currency: Currency::from_alpha("AED").unwrap() };
    let order = Order {
        fort_id: FortId(1),
        merchant: MerchantId(1),
        merchant_reference: "R".into(),
        kind,
        money,
        eci: Eci::Ecommerce,
        channel: tollgate_core::feedback::Channel::Trusted,
        card: Some(CardFacts { mask: "*".into(), expiry: "3005".into(), holder: None, brand: Brand::Visa }),
        token: None,
        credential: None,
        phase: Phase::Pending,
        totals: Totals::default(),
        open_operation: Some(OperationId(1)),
        version: 1,
        authorization_code: None,
        original: wire(1),
        last: LastOperation { kind: kind.operation(), code: UNCERTAIN, network_code: None },
        created_at: Timestamp(0),
    };
    let operation = Operation {
        id: OperationId(1),
        fort_id: FortId(1),
        kind: kind.operation(),
        money,
        state: OperationState::Sent,
        wire: wire(1),
    };
    (order, operation)
}

/// What the books should say: the sums of approved operations, nothing else.
#[derive(Default)]
struct Books {
    authorized: u64,
    captured: u64,
    refunded: u64,
}

impl Books {
    fn count(&mut self, kind: OperationKind, minor: u64) {
        match kind {
            OperationKind::Authorize => self.authorized += minor,
            OperationKind::Purchase => {
                self.authorized += minor;
                self.captured += minor;
            }
            OperationKind::Capture => self.captured += minor,
            OperationKind::Refund => self.refunded += minor,
            OperationKind::Void | OperationKind::Verify => {}
        }
    }

    fn take_back(&mut self, kind: OperationKind, minor: u64) {
        match kind {
            OperationKind::Authorize => self.authorized -= minor,
            OperationKind::Purchase => {
                self.authorized -= minor;
                self.captured -= minor;
            }
            OperationKind::Capture => self.captured -= minor,
            OperationKind::Refund => self.refunded -= minor,
            OperationKind::Void | OperationKind::Verify => {}
        }
    }
}

fn live(
    order: &mut Order,
    operation: &mut Operation,
    events: &[OperationEvent],
    books: &mut Books,
) -> Result<(), TestCaseError> {
    for event in events {
        let before = operation.state;
        match apply::apply(order, operation, &Outcome::silent(*event)) {
            Ok(Applied { order: after, state, code, recovery }) => {
                let is_open = matches!(before, OperationState::Sent | OperationState::Unknown);
                prop_assert!(is_open || event.is_forced(), "only an operator changes what is settled");
                prop_assert_eq!(after.open_operation.is_some(), state == OperationState::Unknown);
                prop_assert_eq!(state == OperationState::Unknown, code == UNCERTAIN);
                prop_assert_eq!(recovery == Recovery::End, before == OperationState::Unknown);
                prop_assert_eq!(after.version, order.version + 1);
                let is_captured = after.phase == Phase::Captured;
                let begun_as_hold = after.kind == PayKind::Authorization;
                prop_assert_eq!(is_captured, begun_as_hold && after.totals.captured > Amount::ZERO);
                if state == OperationState::Approved {
                    books.count(operation.kind, operation.money.amount.minor());
                } else if before == OperationState::Approved {
                    books.take_back(operation.kind, operation.money.amount.minor());
                }
                *order = after;
                operation.state = state;
            }
            Err(_) => prop_assert!(apply::apply(order, operation, &Outcome::silent(*event)).is_err()),
        }
    }
    Ok(())
}

#[test]
fn what_never_left_the_gateway_is_the_last_operation_only_of_an_order_that_it_began() {
    let (order, operation) = fresh(PayKind::Purchase);
    let never_left = Outcome::silent(OperationEvent::NotSent);
    let failed = apply::apply(&order, &operation, &never_left).unwrap().order;
    assert_eq!((failed.phase, failed.last.code), (Phase::Failed, refused::TECHNICAL_PROBLEM));

    let paid = apply::apply(&order, &operation, &Outcome::silent(OperationEvent::Approved)).unwrap().order;
    let refund = Operation { id: OperationId(2), kind: OperationKind::Refund, wire: wire(2), ..operation };
    let asked = Order { open_operation: Some(refund.id), version: paid.version + 1, ..paid.clone() };
    let applied = apply::apply(&asked, &refund, &never_left).unwrap();
    assert_eq!(applied.code, refused::TECHNICAL_PROBLEM, "the refund was refused");
    assert_eq!(applied.order.last, paid.last, "the order is paid as before");
    assert_eq!((applied.order.phase, applied.order.totals), (paid.phase, paid.totals));
    assert_eq!(applied.order.open_operation, None);
}

#[test]
fn a_correction_by_hand_moves_the_sums_and_the_phase_and_never_breaks_what_was_built_on_it() {
    let (order, operation) = fresh(PayKind::Purchase);
    let step = |order: &Order, operation: &Operation, event| apply::apply(order, operation, &Outcome::silent(event));
    let unknown = step(&order, &operation, OperationEvent::NoAnswer).unwrap();
    let reversed = step(
        &unknown.order,
        &Operation { state: unknown.state, ..operation.clone() },
        OperationEvent::ReversalAcknowledged,
    )
    .unwrap();
    let settled = Operation { state: reversed.state, ..operation.clone() };
    let forced = step(&reversed.order, &settled, OperationEvent::ForcedApproved).unwrap();
    assert_eq!((forced.order.phase, forced.code), (Phase::Purchased, OperationKind::Purchase.code(0)));
    assert_eq!(forced.order.totals.captured, order.money.amount);
    assert_eq!(forced.recovery, Recovery::None, "nothing was under way any more");
    let paid = Operation { state: forced.state, ..operation.clone() };

    let refund = Operation { id: OperationId(2), kind: OperationKind::Refund, wire: wire(2), ..operation.clone() };
    let asked = Order { open_operation: Some(refund.id), ..forced.order.clone() };
    assert_eq!(
        step(&asked, &paid, OperationEvent::ForcedReversed),
        Err(apply::ApplyError::AnotherOpen(refund.id)),
        "the open one first"
    );
    let refunded = step(&asked, &refund, OperationEvent::Approved).unwrap().order;
    assert_eq!(
        step(&refunded, &paid, OperationEvent::ForcedReversed),
        Err(apply::ApplyError::Sums),
        "a payment that was given back was taken"
    );
    let undone = step(&forced.order, &paid, OperationEvent::ForcedReversed).unwrap();
    assert_eq!((undone.order.phase, undone.order.totals), (Phase::Reversed, order.totals));
}

#[test]
fn a_hold_whose_last_capture_is_undone_by_hand_can_be_voided() {
    let (order, operation) = fresh(PayKind::Authorization);
    let step = |order: &Order, operation: &Operation, event| apply::apply(order, operation, &Outcome::silent(event));
    let mut order = step(&order, &operation, OperationEvent::Approved).unwrap().order;
    let mut captures = Vec::new();
    for id in [2, 3] {
        let money = Money { amount: Amount::from_minor(400).unwrap(), ..operation.money };
        let capture = Operation {
            id: OperationId(id),
            kind: OperationKind::Capture,
            money,
            state: OperationState::Sent,
            wire: wire(id),
            ..operation.clone()
        };
        let asked = Order { open_operation: Some(capture.id), ..order };
        order = step(&asked, &capture, OperationEvent::Approved).unwrap().order;
        captures.push(Operation { state: OperationState::Approved, ..capture });
    }
    let void = MaintainCommand {
        kind: MaintainKind::Void,
        target: OrderTarget::FortId(order.fort_id),
        money: None,
        maintenance_reference: None,
        params: SafeParams::default(),
    };
    let once = step(&order, &captures[0], OperationEvent::ForcedReversed).unwrap().order;
    assert_eq!(once.phase, Phase::Captured, "one capture counts still");
    assert!(decide::maintain(&once, &void).is_err());
    let twice = step(&once, &captures[1], OperationEvent::ForcedReversed).unwrap().order;
    assert_eq!((twice.phase, twice.totals.captured), (Phase::Authorized, Amount::ZERO));
    assert_eq!(decide::maintain(&twice, &void).unwrap(), operation.money, "the whole hold can be given up");
    let corrected = Operation { state: OperationState::Reversed, ..captures[0].clone() };
    let again = step(&twice, &corrected, OperationEvent::ForcedApproved).unwrap().order;
    assert_eq!(again.phase, Phase::Captured, "and a correction can be corrected");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn sums_are_those_of_the_approved_operations_whatever_happens((kind, first, steps) in steps()) {
        let (mut order, mut operation) = fresh(kind);
        let mut books = Books::default();
        live(&mut order, &mut operation, &first, &mut books)?;
        for (index, step) in steps.iter().enumerate() {
            let amount = Amount::from_minor(step.minor).unwrap();
            let command = MaintainCommand {
                kind: step.kind,
                target: OrderTarget::FortId(FortId(1)),
                money: (step.kind != MaintainKind::Void).then_some(Money { amount, currency: order.money.currency }),
                maintenance_reference: None,
                params: SafeParams::default(),
            };
            let Ok(money) = decide::maintain(&order, &command) else { continue };
            prop_assert!(order.open_operation.is_none(), "two operations at once");
            let id = OperationId(i64::try_from(index).unwrap() + 2);
            let mut operation = Operation { id, fort_id: FortId(1), kind: step.kind.into(), money, state: OperationState::Sent, wire: wire(id.0) };
            order.open_operation = Some(id);
            order.version += 1;
            live(&mut order, &mut operation, &step.events, &mut books)?;
            if operation.state == OperationState::Sent {
                break;
            }
        }
        prop_assert!(order.totals.are_consistent());
        prop_assert_eq!(order.totals.authorized.minor(), books.authorized);
        prop_assert_eq!(order.totals.captured.minor(), books.captured);
        prop_assert_eq!(order.totals.refunded.minor(), books.refunded);
    }
}
