//! Rules of reports: their orders, and the operations that they are made of.

use super::Subject;
use super::chance::Chance;
use super::fixtures::{MERCHANT, START, at, carried_out, claimed, new_operation, new_order, outcome, settled, wire};
use crate::{NewOperation, NewOrder, NewReport, Recorded, ReportBegun, ReportCounted, ReportPlace, ReportScan, Store};
use tollgate_core::code::UNCERTAIN;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{OperationEvent, OperationKind, OperationState, PayKind};
use tollgate_core::report::{
    ReportAuthentication, ReportColumn, ReportFilter, ReportInterval, ReportKind, ReportRow, ReportSpec, ReportState,
};
use tollgate_core::three_ds::{AuthenticatedBy, Authentication, AuthenticationStatus};
use tollgate_core::time::Timestamp;

const OTHER_MERCHANT: MerchantId = MerchantId(2);
/// How many orders the random rule makes.
const ORDERS: u64 = 60;

fn spec() -> ReportSpec {
    ReportSpec {
        kind: ReportKind::Financial,
        interval: ReportInterval { from: at(-5), before: at(5) },
        columns: vec![ReportColumn::Amount, ReportColumn::ThreeDsIndicator, ReportColumn::InvoiceId],
        filters: vec![ReportFilter { column: ReportColumn::CustomerName, value: "محمد \"x\"".to_owned() }],
        language: "ar".to_owned(),
    }
}

fn new_report(reference: &str, seconds: i64) -> NewReport {
    NewReport { merchant: MERCHANT, reference: reference.to_owned(), spec: spec(), at: at(seconds) }
}

fn counted(reference: &str, seconds: i64, state: ReportState, rows: u64) -> ReportCounted {
    ReportCounted { merchant: MERCHANT, reference: reference.to_owned(), at: at(seconds), state, rows }
}

/// An order whose number says `us` microseconds after the beginning, and that was sent `late_us` later.
fn order_at(us: i64, late_us: i64, merchant: MerchantId) -> NewOrder {
    let id = OperationId((START.0 + us) * 100 + 7);
    let sent_at = Timestamp(START.0 + us + late_us);
    let mut new = new_order(0, &format!("order-{us}"), PayKind::Purchase);
    new.order.fort_id = FortId(id.0);
    new.order.merchant = merchant;
    new.order.open_operation = Some(id);
    new.order.original = wire(id, sent_at);
    new.order.created_at = Timestamp(START.0 + us);
    new.operation.id = id;
    new.operation.fort_id = new.order.fort_id;
    new.operation.wire = new.order.original;
    new
}

/// All rows of a merchant in an interval, read `operations_max` operations at a time.
async fn rows(store: &dyn Store, interval: ReportInterval, operations_max: usize) -> Vec<ReportRow> {
    let mut scan = ReportScan { merchant: MERCHANT, interval, after: None, operations_max };
    let mut rows = Vec::new();
    loop {
        let page = store.report_page(&scan).await.unwrap();
        rows.extend(page.rows);
        let Some(next) = page.next else { return rows };
        assert!(scan.after.is_none_or(|after: ReportPlace| after < next), "{:?} {next:?}", scan.after);
        scan.after = Some(next);
    }
}

fn everything() -> ReportInterval {
    ReportInterval { from: Timestamp(0), before: at(1_000_000) }
}

/// Rule: a report reads back as it was ordered, after reopening too; its reference is used up, of one merchant, until it was
/// found too large.
pub async fn a_report_reads_back_and_its_reference_is_one_merchants_own(subject: &dyn Subject) {
    let store = subject.open().await;
    assert_eq!(store.begin_report(new_report("R-1", 1)).await.unwrap(), ReportBegun::Begun);
    assert_eq!(store.begin_report(new_report("R-1", 2)).await.unwrap(), ReportBegun::ReferenceTaken);
    let of_another = NewReport { merchant: OTHER_MERCHANT, ..new_report("R-1", 3) };
    assert_eq!(store.begin_report(of_another).await.unwrap(), ReportBegun::Begun);
    drop(store);
    let store = subject.open().await;
    let report = store.report(MERCHANT, "R-1").await.unwrap().unwrap();
    assert_eq!((report.spec, report.at, report.state, report.rows), (spec(), at(1), ReportState::Pending, None));
    assert!(store.report(MERCHANT, "r-1").await.unwrap().is_none());
    assert!(store.count_report(counted("R-1", 1, ReportState::TooLarge, 11)).await.unwrap());
    assert_eq!(store.report(MERCHANT, "R-1").await.unwrap().unwrap().rows, Some(11));
    let small = NewReport { spec: ReportSpec { filters: Vec::new(), ..spec() }, ..new_report("R-1", 4) };
    assert_eq!(store.begin_report(small.clone()).await.unwrap(), ReportBegun::Begun, "it was too large");
    let report = store.report(MERCHANT, "R-1").await.unwrap().unwrap();
    assert_eq!((report.spec, report.at, report.state), (small.spec, at(4), ReportState::Pending));
    assert_eq!(store.report(OTHER_MERCHANT, "R-1").await.unwrap().unwrap().at, at(3));
}

/// Rule: a report is counted once, and a count of an earlier report of the same reference counts for nothing.
pub async fn a_report_is_counted_once(subject: &dyn Subject) {
    let store = subject.open().await;
    store.begin_report(new_report("R-1", 1)).await.unwrap();
    assert!(!store.count_report(counted("R-1", 2, ReportState::Ready, 5)).await.unwrap(), "another one");
    assert!(!store.count_report(counted("R-2", 1, ReportState::Ready, 5)).await.unwrap(), "there is none");
    assert!(store.count_report(counted("R-1", 1, ReportState::Ready, 7)).await.unwrap());
    assert!(!store.count_report(counted("R-1", 1, ReportState::TooLarge, 9)).await.unwrap(), "it is counted");
    let report = store.report(MERCHANT, "R-1").await.unwrap().unwrap();
    assert_eq!((report.state, report.rows), (ReportState::Ready, Some(7)));
    assert_eq!(
        store.begin_report(new_report("R-1", 3)).await.unwrap(),
        ReportBegun::ReferenceTaken,
        "it can be fetched"
    );
}

/// Rule: a report has the operations that were sent in its interval, its first moment included and its end not, whatever
/// their numbers say.
pub async fn a_report_has_what_was_sent_in_its_interval(subject: &dyn Subject) {
    let store = subject.open().await;
    let minute = 60_000_000;
    // By the API; on a page for ten minutes; while the clock was put back.
    for (us, late_us) in [(0, 0), (1, 10 * minute), (2 * minute, 500_000), (5 * minute, -4 * minute)] {
        claimed(&*store, order_at(us, late_us, MERCHANT)).await;
    }
    claimed(&*store, order_at(minute, 0, OTHER_MERCHANT)).await;
    let sent = async |from: i64, before: i64| {
        let interval = ReportInterval { from: Timestamp(START.0 + from), before: Timestamp(START.0 + before) };
        let rows = rows(&*store, interval, 2).await;
        rows.into_iter().map(|row| row.operation.wire.sent_at.0 - START.0).collect::<Vec<_>>()
    };
    assert_eq!(sent(-1, 11 * minute).await, [0, minute, 2 * minute + 500_000, 10 * minute + 1]);
    assert_eq!(sent(0, minute).await, [0]);
    assert_eq!(sent(1, minute + 1).await, [minute]);
    assert_eq!(sent(2 * minute + 500_000, 2 * minute + 500_001).await, [2 * minute + 500_000]);
    assert_eq!(sent(2 * minute, 2 * minute + 500_000).await, [0i64; 0]);
    assert_eq!(sent(10 * minute + 1, 10 * minute + 2).await, [10 * minute + 1]);
    assert_eq!(sent(5 * minute, 5 * minute + 1).await, [0i64; 0], "nothing was sent when its number says");
    assert_eq!(sent(minute, 0).await, [0i64; 0]);
}

/// Rule: however few operations are read at a time, each comes once, in one order.
pub async fn pages_of_a_report_neither_lose_nor_repeat_an_operation(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut chance = Chance::new(0x5EED_0080);
    let mut expected = Vec::new();
    for _ in 0..ORDERS {
        let us = i64::try_from(chance.below(20_000_000)).unwrap();
        let late_us = match chance.below(4) {
            0 => i64::try_from(chance.below(30_000_000)).unwrap() - 10_000_000,
            // Many sent in one moment.
            1 => 15_000_000 - us,
            _ => i64::try_from(chance.below(1_000)).unwrap(),
        };
        let merchant = if chance.one_in(3) { OTHER_MERCHANT } else { MERCHANT };
        let new = order_at(us, late_us, merchant);
        if store.claim_order(new.clone()).await.unwrap() == crate::OrderClaim::Claimed && merchant == MERCHANT {
            expected.push(new.operation.id);
        }
    }
    expected.sort_unstable();
    let whole: Vec<OperationId> = rows(&*store, everything(), 1_000).await.iter().map(|row| row.operation.id).collect();
    let mut sorted = whole.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for operations_max in [1, 2, 3, 7, 59] {
        let paged = rows(&*store, everything(), operations_max).await;
        assert_eq!(paged.iter().map(|row| row.operation.id).collect::<Vec<_>>(), whole, "{operations_max} at a time");
        let seconds: Vec<i64> = paged.iter().map(|row| row.operation.wire.sent_at.0 / 1_000_000).collect();
        assert!(seconds.iter().zip(seconds.iter().skip(1)).all(|(one, next)| *one <= next + 1), "{seconds:?}");
    }
}

/// Rule: a row tells how its operation stands: its state and its last outcome, none while it is under way; with its own
/// request and that of its payment, and whether the network was told of an authentication.
pub async fn a_row_of_a_report_tells_how_its_operation_stands(subject: &dyn Subject) {
    let store = subject.open().await;
    let told = Authentication {
        status: AuthenticationStatus::Authenticated,
        eci: None,
        value: None,
        ds_transaction_id: None,
        xid: None,
        version: None,
        by: AuthenticatedBy::Merchant,
    };
    let authorized = NewOrder { authentication: Some(told), ..new_order(1, "order-1", PayKind::Authorization) };
    let first = settled(&*store, authorized, OperationEvent::Approved).await;
    let capture = new_operation(2, &first.order, OperationKind::Capture, 400);
    let capture = carried_out(&*store, &first.order, capture, OperationEvent::Approved).await;
    let refund = NewOperation {
        maintenance_reference: Some("refund-1".to_owned()),
        ..new_operation(3, &capture.order, OperationKind::Refund, 100)
    };
    carried_out(&*store, &capture.order, refund, OperationEvent::Declined).await;
    let unknown = settled(&*store, new_order(4, "order-4", PayKind::Purchase), OperationEvent::NoAnswer).await;
    claimed(&*store, new_order(5, "order-5", PayKind::Purchase)).await;
    settled(&*store, new_order(6, "order-6", PayKind::VerifyAccount), OperationEvent::Approved).await;

    let rows_now = rows(&*store, everything(), 2).await;
    let states: Vec<_> = rows_now.iter().map(|row| (row.operation.kind, row.operation.state)).collect();
    assert_eq!(
        states,
        [
            (OperationKind::Authorize, OperationState::Approved),
            (OperationKind::Capture, OperationState::Approved),
            (OperationKind::Refund, OperationState::Declined),
            (OperationKind::Purchase, OperationState::Unknown),
            (OperationKind::Purchase, OperationState::Sent),
            (OperationKind::Verify, OperationState::Approved),
        ]
    );
    let codes: Vec<String> = rows_now.iter().map(|row| row.code().to_string()).collect();
    assert_eq!(codes, ["02000", "04000", "07029", "15777", "15777", "80000"]);
    let outcome_of = |place: usize| rows_now[place].outcome.clone();
    assert_eq!(outcome_of(4), None);
    assert_eq!(outcome_of(3).unwrap().code, UNCERTAIN);
    assert_eq!(outcome_of(2).unwrap().network_code.as_deref(), Some("51"));
    assert_eq!(outcome_of(0).unwrap().authorization_code.as_deref(), Some("A1B2C3"));
    let authentications: Vec<bool> =
        rows_now.iter().map(|row| row.authentication == ReportAuthentication::Told).collect();
    assert_eq!(authentications, [true, true, true, false, false, false], "what follows is that payment's");
    assert_eq!(rows_now[1].request.get("command"), Some("CAPTURE"));
    let of_payment = rows_now[1].payment_request.as_ref().unwrap();
    assert_eq!(of_payment.get("merchant_reference"), Some("order-1"));
    assert_eq!(rows_now[0].payment_request, None);

    let record = outcome(&unknown.order, &unknown.operation, OperationEvent::ReversalAcknowledged, at(90));
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
    let later = rows(&*store, everything(), 10).await;
    assert_eq!(later[3].operation.state, OperationState::Reversed, "the same row, as it stands now");
    assert_eq!(later.len(), rows_now.len());
}
