//! A gateway killed at random moments while it carries out a batch: in the end every row has one result, and each row is
//! once in the card network's books, or not at all, as its result says.
//!
//! The moments are drawn from a seed, which is printed: `TOLLGATE_KILL_SEED` draws the same plan again.

use crate::support::batches::{ask, results, upload, validated};
use crate::support::card_network::CardNetwork;
use crate::support::chance::{Chance, seed_from};
use crate::support::{Gateway, QUICK, field, payment, wait_within};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tollgate_core::code::ResponseCode;
use tollgate_core::order::{OperationKind, OperationState};
use tollgate_store::{BatchResult, Batches, Orders, PaymentLinkFilter, PaymentLinks};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

const VISA: &str = "4005550000000001";
/// How often the gateway is killed while it works on the batch.
const LIVES: u64 = 10;
/// Rows by kind.
const PURCHASES: usize = 240;
const REFUNDS: usize = 60;
const CAPTURES: usize = 60;
/// Rows that are refused only when their turn comes: the reference was used up after the validation.
const LATE_REFUSALS: usize = 5;
/// A life ends after so many entries of the ledger more, at most, and a moment.
const ENTRIES_UNTIL_KILL: u64 = 30;
const KILL_AFTER_US: u64 = 20_000;
const MINOR: &str = "100";

#[test]
fn a_batch_killed_again_and_again_does_each_row_once() {
    let mut chance = Chance::new(seed_from("TOLLGATE_KILL_SEED"), 77);
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let data = folder.path().join("data");
    let environment: Vec<(&str, &str)> = QUICK
        .iter()
        .copied()
        .chain([("TOLLGATE_ACQUIRER_ADDRESS", network.iso.as_str()), ("TOLLGATE_BATCH_ROWS_PER_SECOND_MAX", "150")])
        .collect();
    let serve = || Gateway::serve(&data, &["--dev", "--no-issuer"], &environment);
    let mut gateway = serve();
    let demo = gateway.demo();
    let file = prepared(&gateway, &demo);
    assert_eq!(field(&upload(&gateway, &demo, "B-1", "rows.csv", file.as_bytes()), "response_code"), "50000");
    assert_eq!(field(&validated(&gateway, &demo, "B-1"), "response_code"), "70000");
    for row in 0..LATE_REFUSALS {
        let reference = format!("late-{row}");
        let answer = gateway.call(&demo, &payment("PURCHASE", &reference, MINOR, VISA));
        assert_eq!(field(&answer, "response_code"), "14000");
    }
    assert_eq!(field(&ask(&gateway, &demo, "PROCESS_BATCH", "B-1"), "response_code"), "72147");
    let mut loose_ends = 0;
    for life in 0..LIVES {
        let entries = || network.get("/ledger/totals")["entries"].as_u64().unwrap();
        let goal = entries() + chance.below(ENTRIES_UNTIL_KILL);
        let is_over = wait_within(Duration::from_secs(120), "rows are carried out", || {
            let is_done =
                crate::support::text(&crate::support::batches::call(&gateway, &demo, "GET_BATCH_RESULTS", "B-1").body)
                    .starts_with("Line_Number");
            (is_done || entries() >= goal).then_some(is_done)
        });
        let end = Instant::now() + Duration::from_micros(chance.below(KILL_AFTER_US));
        while Instant::now() < end {
            std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
        }
        gateway.kill();
        let said = gateway.output();
        assert!(!said.contains("panicked at"), "a defect of ours: {said}");
        loose_ends += usize::from(said.contains("operations without an outcome were found"));
        eprintln!("life {life} ended; the batch was done: {is_over}");
        gateway = serve();
    }
    let told = results(&gateway, &demo, "B-1");
    loose_ends += usize::from(gateway.output().contains("operations without an outcome were found"));
    assert!(loose_ends > 0, "the gateway was killed between intents and outcomes");
    assert!(gateway.stop(), "the gateway ends well");
    each_row_is_in_the_books_as_its_result_says(&data, &network, &told);
}

/// Rows of a file of payment links,
const LINKS: u64 = 400;
/// how often the gateway is killed while it makes them, and after how many of them at most.
const LINK_LIVES: u64 = 5;
const LINKS_UNTIL_KILL: u64 = 60;

#[test]
fn a_batch_of_payment_links_killed_again_and_again_makes_each_link_once() {
    let mut chance = Chance::new(seed_from("TOLLGATE_KILL_SEED"), 78);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let environment: Vec<(&str, &str)> =
        QUICK.iter().copied().chain([("TOLLGATE_BATCH_ROWS_PER_SECOND_MAX", "150")]).collect();
    let serve = || Gateway::serve(&data, &["--dev"], &environment);
    let mut gateway = serve();
    let demo = gateway.demo();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let until = tollgate_core::time::Timestamp(i64::try_from(now.as_micros()).unwrap()).plus_ms(86_400_000);
    let mut file =
        "service_command,merchant_reference,amount,currency,customer_email,request_expiry_date,notification_type\n"
            .to_owned();
    for row in 0..LINKS {
        file.push_str(&format!("PAYMENT_LINK,R-{row},100,AED,a@b.example,{until},NONE\n"));
    }
    assert_eq!(field(&upload(&gateway, &demo, "B-1", "rows.csv", file.as_bytes()), "response_code"), "50000");
    assert_eq!(field(&validated(&gateway, &demo, "B-1"), "response_code"), "70000");
    assert_eq!(field(&ask(&gateway, &demo, "PROCESS_BATCH", "B-1"), "response_code"), "72147");
    let done = |gateway: &Gateway| {
        let told = gateway.run_well(&["batch", "status", "B-1", "--format", "json"]);
        serde_json::from_str::<Value>(&told).unwrap()["rows"]["done"].as_u64().unwrap()
    };
    let mut interrupted = 0;
    for life in 0..LINK_LIVES {
        let goal = (done(&gateway) + chance.below(LINKS_UNTIL_KILL)).min(LINKS);
        let seen = wait_within(Duration::from_secs(120), "links are made", || {
            Some(done(&gateway)).filter(|seen| *seen >= goal)
        });
        gateway.kill();
        let said = gateway.output();
        assert!(!said.contains("panicked at"), "a defect of ours: {said}");
        interrupted += u64::from(seen < LINKS);
        eprintln!("life {life} ended with {seen} links");
        gateway = serve();
    }
    assert!(interrupted > 0, "the gateway was killed in the middle");
    let told = results(&gateway, &demo, "B-1");
    assert!(gateway.stop(), "the gateway ends well");
    let names: BTreeSet<String> =
        told.lines().skip(1).map(|line| crate::support::batches::column(line, "payment_link_id")).collect();
    assert_eq!(names.len() as u64, LINKS, "one link for each row: {told}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = SqliteStore::open(&data.join("tollgate.db"), SqliteOptions::default()).unwrap();
    let filter = PaymentLinkFilter {
        merchant: tollgate_core::ident::MerchantId(1),
        merchant_reference: None,
        before: None,
        limit: 10_000,
    };
    let links = runtime.block_on(store.payment_links(&filter)).unwrap();
    let kept: BTreeSet<String> = links.iter().map(|stored| stored.link.name.clone()).collect();
    assert_eq!(links.len() as u64, LINKS, "and no link without one");
    assert_eq!(kept, names);
}

/// A token, orders to work on, and a file of rows.
fn prepared(gateway: &Gateway, demo: &crate::support::Merchant) -> String {
    let mut first = payment("PURCHASE", "first", MINOR, VISA);
    first.push(("token_name", "t-1"));
    assert_eq!(field(&gateway.call(demo, &first), "response_code"), "14000");
    let mut file = "command,merchant_reference,amount,currency,customer_email,eci,token_name\n".to_owned();
    for row in 0..PURCHASES {
        file.push_str(&format!("PURCHASE,R-{row},{MINOR},AED,a@b.example,RECURRING,t-1\n"));
    }
    for row in 0..LATE_REFUSALS {
        file.push_str(&format!("PURCHASE,late-{row},{MINOR},AED,a@b.example,RECURRING,t-1\n"));
    }
    for (command, order, count) in [("REFUND", "PURCHASE", REFUNDS), ("CAPTURE", "AUTHORIZATION", CAPTURES)] {
        for row in 0..count {
            let reference = format!("{order}-{row}");
            let answer = gateway.call(demo, &payment(order, &reference, MINOR, VISA));
            assert!(field(&answer, "response_code").ends_with("000"), "{answer:?}");
            file.push_str(&format!("{command},{reference},{MINOR},AED,,,\n"));
        }
    }
    file
}

fn each_row_is_in_the_books_as_its_result_says(data: &std::path::Path, network: &CardNetwork, told: &str) {
    let rows = PURCHASES + LATE_REFUSALS + REFUNDS + CAPTURES;
    assert_eq!(told.lines().count(), rows + 1, "one result for each row: {told}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = SqliteStore::open(&data.join("tollgate.db"), SqliteOptions::default()).unwrap();
    let mut by_code: BTreeMap<String, usize> = BTreeMap::new();
    let (mut lines, mut operations, mut entries_seen) = (BTreeSet::new(), BTreeSet::new(), 0);
    runtime.block_on(async {
        let batches =
            store.batches(&tollgate_store::BatchFilter { merchant: None, before: None, limit: 9 }).await.unwrap();
        let results = store.batch_results(batches[0].id, 0, rows + 1).await.unwrap();
        assert_eq!(results.len(), rows);
        for result in &results {
            assert!(lines.insert(result.line), "line {} has one result", result.line);
            *by_code.entry(result.code.to_string()).or_default() += 1;
            let Some(operation) = &result.operation else {
                assert_eq!(result.code.to_string(), "00066", "only these were refused: {result:?}");
                continue;
            };
            assert!(operations.insert(operation.operation), "an operation belongs to one row: {result:?}");
            let story = store.story(operation.fort_id).await.unwrap().unwrap();
            let of_rows: Vec<_> =
                story.operations.iter().filter(|told| told.request.get("batch_line").is_some()).collect();
            assert_eq!(of_rows.len(), 1, "no row was begun twice: {story:?}");
            assert_eq!(of_rows[0].request.get("batch_line"), Some(result.line.to_string().as_str()));
            let entries = network.get(&format!("/ledger/entries?rrn={}", of_rows[0].operation.wire.rrn));
            entries_seen += assert_booked_once(result, of_rows[0].operation.state, of_rows[0].operation.kind, &entries);
        }
    });
    eprintln!("{by_code:?}, {entries_seen} entries in the ledger");
    assert_eq!(by_code.get("00066"), Some(&LATE_REFUSALS));
    assert!(by_code.get("14000").is_some_and(|count| *count > PURCHASES / 2), "{by_code:?}");
    assert_eq!(by_code.get("04000"), Some(&CAPTURES), "a capture is repeated until the network counts it: {by_code:?}");
    assert_eq!(by_code.get("15777"), None, "nothing is left unknown");
}

/// What a row did is in the ledger once, if it counts, and nothing of it stands, if it does not.
fn assert_booked_once(result: &BatchResult, state: OperationState, kind: OperationKind, entries: &Value) -> usize {
    let entries = entries.as_array().unwrap();
    let undone = |entry: &Value| {
        entries.iter().any(|other| other["effect"] == "reversal" && other["target"] == entry["sequence"])
    };
    let moves = |entry: &&Value| !matches!(entry["effect"].as_str().unwrap(), "none" | "reversal" | "tombstone");
    let standing = entries.iter().filter(moves).filter(|entry| !undone(entry)).count();
    let counts = result.code == kind.code(0);
    assert_eq!(counts, state == OperationState::Approved, "the result is that of the operation: {result:?} {state}");
    assert_eq!(standing, usize::from(counts), "{result:?}: {entries:?}");
    assert!(counts || result.code != ResponseCode::new(15, 777));
    entries.len()
}
