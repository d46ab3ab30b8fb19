//! The end of a test that kills processes: every order, as CHECK_STATUS tells it and as it lies in the
//! store, against the card network's ledger entry by entry, and against the feedback that came.

use super::books::{self, Sums};
use super::card_network::CardNetwork;
use super::errand::Errand;
use super::receiver::{Received, Receiver};
use super::{Gateway, WAIT_MAX, field, status, wait_within};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use tollgate_core::feedback::FeedbackId;
use tollgate_core::ident::FortId;
use tollgate_core::money::Amount;
use tollgate_core::order::{OperationKind, OperationState, Phase};
use tollgate_store::{
    FeedbackFilter, FeedbackRow, FeedbackState, Feedbacks, Orders, Story, StoryOperation, held_amount,
};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

/// The longest wait for the queues to drain: a busy machine needs its time.
const DRAIN_MAX: Duration = Duration::from_secs(120);
/// The most feedback that an order can have.
const FEEDBACKS_MAX: usize = 100;

/// What CHECK_STATUS told of an order.
struct Checked {
    told: Map<String, Value>,
    sums: Sums,
}

/// Lets the queues drain, then compares. `feedback` has to be in good health, and is given when the merchant
/// has both of its URLs there.
pub fn assert_nothing_differs(
    mut gateway: Gateway,
    network: &CardNetwork,
    errands: &[Errand],
    feedback: Option<&Receiver>,
) {
    let checked = check_when_settled(&gateway, errands);
    if feedback.is_some() {
        wait_until_delivered(&gateway);
    }
    assert!(gateway.stop(), "the gateway ends well");
    let books = Books::read(&gateway, &checked);
    let mut entries_seen = 0;
    for (errand, story) in errands.iter().filter_map(|errand| Some((errand, books.stories.get(&errand.reference)?))) {
        let mut sums = Sums::default();
        for operation in &story.operations {
            let entries = network.get(&format!("/ledger/entries?rrn={}", operation.operation.wire.rrn));
            let entries = entries.as_array().unwrap();
            entries_seen += entries.len();
            assert_entries_fit(operation, entries);
            for entry in entries {
                sums.held += entry["held_delta"].as_i64().unwrap();
                sums.taken += entry["posted_delta"].as_i64().unwrap();
                sums.refunded += entry["refunded_delta"].as_i64().unwrap();
            }
        }
        let what = &errand.reference;
        assert_eq!(sums, sums_of(story), "{what}: the ledger's entries (left) and the stored order (right)");
        assert_eq!(sums, checked[what].sums, "{what}: the ledger's entries (left) and CHECK_STATUS (right)");
        assert_phase_fits(story);
        assert_told_was_true(errand, story);
    }
    let all = network.get("/ledger/totals")["entries"].as_u64().unwrap();
    assert_eq!(all, entries_seen as u64, "every entry of the ledger belongs to an operation of a stored order");
    if let Some(receiver) = feedback {
        assert_fed_back(&books, &receiver.received());
    }
    tell(&books, entries_seen);
}

/// What was compared, for whoever reads the test's output.
fn tell(books: &Books, entries: usize) {
    let mut by_state: BTreeMap<String, usize> = BTreeMap::new();
    let operations = books.stories.values().flat_map(|story| &story.operations);
    for operation in operations.clone() {
        let mut count = |what: String| *by_state.entry(what).or_default() += 1;
        count(operation.operation.state.to_string());
        operation.outcomes.iter().for_each(|outcome| count(format!("event {}", outcome.event)));
        operation.attempts.iter().for_each(|_| count("recovery messages".to_owned()));
    }
    let (orders, operations) = (books.stories.len(), operations.count());
    eprintln!("{orders} orders with {operations} operations and {entries} entries in the ledger: {by_state:?}");
}

/// Asks for each order until it is settled. A merchant's order may not exist; then nothing of it was done.
fn check_when_settled(gateway: &Gateway, errands: &[Errand]) -> BTreeMap<String, Checked> {
    gateway.run_well(&["clock", "advance", "1h"]);
    let demo = gateway.demo();
    let mut checked = BTreeMap::new();
    for errand in errands {
        let told = wait_within(DRAIN_MAX, "every order is settled", || {
            let told = gateway.call(&demo, &status(&errand.reference));
            (field(&told, "transaction_code") != "15777").then_some(told)
        });
        errand.assert_kept(&told);
        if field(&told, "response_code") == "12036" {
            assert!(errand.told.is_empty(), "{}: what was answered is there: {:?}", errand.reference, errand.told);
            continue;
        }
        let sums = books::of_order(gateway, &demo, field(&told, "fort_id"));
        checked.insert(errand.reference.clone(), Checked { told, sums });
    }
    wait_within(WAIT_MAX, "the backlog is told empty", || {
        (gateway.metric("tollgate_recovery_backlog")? == 0.0).then_some(())
    });
    checked
}

fn wait_until_delivered(gateway: &Gateway) {
    wait_within(DRAIN_MAX, "every feedback is delivered", || {
        let is_empty =
            |state: &str| gateway.run_well(&["feedback", "list", "--state", state, "--format", "json"]).trim() == "[]";
        (is_empty("waiting") && is_empty("behind") && is_empty("paused")).then_some(())
    });
}

/// What lies in the stopped gateway's store.
struct Books {
    /// The orders by their merchant references.
    stories: BTreeMap<String, Story>,
    /// Their feedback.
    feedback: BTreeMap<FortId, Vec<FeedbackRow>>,
}

impl Books {
    fn read(gateway: &Gateway, checked: &BTreeMap<String, Checked>) -> Books {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = SqliteStore::open(&gateway.data.join("tollgate.db"), SqliteOptions::default()).unwrap();
        let mut books = Books { stories: BTreeMap::new(), feedback: BTreeMap::new() };
        runtime.block_on(async {
            for (reference, checked) in checked {
                let ids = store.orders_by_reference(reference, 2).await.unwrap();
                let id = ids.first().copied().unwrap();
                assert_eq!(ids.len(), 1, "{reference} is one order");
                assert_eq!(id.to_string(), field(&checked.told, "fort_id"));
                books.stories.insert(reference.clone(), store.story(id).await.unwrap().unwrap());
                let filter = FeedbackFilter { fort_id: Some(id), rows_max: FEEDBACKS_MAX, ..FeedbackFilter::default() };
                books.feedback.insert(id, store.feedbacks(&filter).await.unwrap());
            }
            let orders: u64 = store.totals().await.unwrap().iter().map(|totals| totals.orders).sum();
            assert_eq!(orders, checked.len() as u64, "every stored order is one that a merchant asked for");
        });
        books
    }
}

/// An operation counts exactly when one entry of its own stands in the ledger, of its kind and amount.
fn assert_entries_fit(operation: &StoryOperation, entries: &[Value]) {
    let stored = &operation.operation;
    let told = format!("operation {}: {stored:?}, entries {entries:?}", stored.id);
    let effect = match stored.kind {
        OperationKind::Authorize => "hold",
        OperationKind::Purchase => "purchase",
        OperationKind::Capture => "capture",
        OperationKind::Void => "void",
        OperationKind::Refund => "refund",
        OperationKind::Verify => "none",
    };
    let undone = |entry: &Value| {
        entries.iter().any(|other| other["effect"] == "reversal" && other["target"] == entry["sequence"])
    };
    let moves = |entry: &&Value| !matches!(entry["effect"].as_str().unwrap(), "none" | "reversal" | "tombstone");
    let standing: Vec<&Value> = entries.iter().filter(moves).filter(|entry| !undone(entry)).collect();
    match stored.state {
        OperationState::Approved => {
            assert_eq!(standing.len(), 1, "what counts is booked once: {told}");
            assert_eq!(standing[0]["effect"], effect, "{told}");
            let amount_fits = standing[0]["amount"].as_u64() == Some(stored.money.amount.minor());
            assert!(amount_fits || stored.kind == OperationKind::Void, "{told}");
        }
        OperationState::Declined | OperationState::Reversed => {
            assert!(standing.is_empty(), "what does not count is not booked: {told}");
        }
        OperationState::NotSent => assert!(entries.is_empty(), "what never left was never seen: {told}"),
        OperationState::Sent | OperationState::Unknown => panic!("everything comes to its end: {told}"),
    }
    assert!(operation.recovery.is_none(), "nothing waits in the recovery queue: {told}");
}

fn sums_of(story: &Story) -> Sums {
    let minor = |amount: Amount| i64::try_from(amount.minor()).unwrap();
    let totals = &story.order.totals;
    let held = minor(held_amount(story.order.phase, totals));
    Sums { held, taken: minor(totals.captured), refunded: minor(totals.refunded) }
}

/// The order stands where its operations say.
fn assert_phase_fits(story: &Story) {
    let counts = |kind| story.operations.iter().any(|operation| counts(operation, kind));
    let first = &story.operations[0].operation;
    let expected = match first.state {
        OperationState::Approved if first.kind == OperationKind::Purchase => Phase::Purchased,
        OperationState::Approved if counts(OperationKind::Void) => Phase::Voided,
        OperationState::Approved if counts(OperationKind::Capture) => Phase::Captured,
        OperationState::Approved => Phase::Authorized,
        OperationState::Declined => Phase::Declined,
        OperationState::Reversed => Phase::Reversed,
        OperationState::NotSent => Phase::Failed,
        OperationState::Sent | OperationState::Unknown => panic!("not settled: {first:?}"),
    };
    assert_eq!(story.order.phase, expected, "{:?}", story.order);
    assert_eq!(story.order.open_operation, None);
}

fn counts(operation: &StoryOperation, kind: OperationKind) -> bool {
    operation.operation.kind == kind && operation.operation.state == OperationState::Approved
}

/// Each definite answer that a merchant had belongs to an operation of its own that came to just that.
fn assert_told_was_true(errand: &Errand, story: &Story) {
    for kind in OperationKind::ALL {
        for done in [true, false] {
            let told = errand.told.iter().filter(|told| told.kind == *kind && told.done == done).count();
            let stored = story.operations.iter().filter(|operation| operation.operation.kind == *kind);
            let fitting = stored.filter(|operation| counts(operation, *kind) == done).count();
            assert!(
                told <= fitting,
                "{}: {kind} was told {done} {told} times, and is so {fitting} times",
                errand.reference
            );
        }
    }
}

/// Each outcome that a merchant is to hear of came to its server with its code and was acknowledged, and none
/// came before the one before it was acknowledged.
fn assert_fed_back(books: &Books, received: &[Received]) {
    let mut came: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, request) in received.iter().enumerate() {
        came.entry(request.header("tollgate-feedback-id")).or_default().push(at);
    }
    for story in books.stories.values() {
        for operation in &story.operations {
            let state = operation.operation.state;
            let begins = matches!(operation.operation.kind, OperationKind::Authorize | OperationKind::Purchase);
            if state == OperationState::NotSent && !begins {
                continue;
            }
            let place = u16::try_from(operation.outcomes.len() - 1).unwrap();
            let id = FeedbackId { operation: operation.operation.id, place }.to_string();
            let last = &operation.outcomes[usize::from(place)];
            let heard = came.get(id.as_str()).into_iter().flatten().any(|at| {
                received[*at].status == 200 && received[*at].json()["response_code"] == last.code.to_string()
            });
            assert!(heard, "a final state was fed back: {id}, {last:?}");
        }
        assert_in_order(&books.feedback[&story.order.fort_id], received, &came);
    }
}

fn assert_in_order(rows: &[FeedbackRow], received: &[Received], came: &BTreeMap<&str, Vec<usize>>) {
    let mut rows: Vec<&FeedbackRow> = rows.iter().collect();
    rows.sort_by_key(|row| (row.lane, row.sequence));
    for row in &rows {
        assert_eq!(row.state, FeedbackState::Delivered, "{row:?}");
    }
    let comings = |row: &FeedbackRow| came.get(row.id.to_string().as_str()).cloned().unwrap_or_default();
    for pair in rows.windows(2).filter(|pair| pair[0].lane == pair[1].lane) {
        let acknowledged = comings(pair[0]).into_iter().find(|at| received[*at].status == 200);
        let newer = comings(pair[1]).into_iter().next();
        assert!(acknowledged.is_some() && acknowledged < newer, "in order: {:?} before {:?}", pair[0], pair[1]);
    }
}
