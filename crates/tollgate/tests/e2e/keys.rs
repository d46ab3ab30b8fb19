//! Keys are rotated while payments run: no payment fails, everything opens afterwards, nothing is left under an
//! old key, and a rotation that was cut off goes on.

use crate::support::{Gateway, accounts, field, operation, payment, text, tollgate, wait_for};
use rusqlite::Connection;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tollgate_core::card::Pan;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::time::Timestamp;
use tollgate_store::{DataKeys, SealedCard};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};
use tollgate_vault::{FileKeyProvider, Vault};

const CARD: &str = "4005550000000001";
/// How many clients pay while keys are rotated.
const CLIENTS: usize = 4;
/// How many orders are stored where a rotation has to last.
const STORED_ORDERS: i64 = 30_000;

#[test]
fn keys_of_both_kinds_rotate_under_load_and_no_payment_fails() {
    let mut gateway = Gateway::start();
    let demo = gateway.demo();
    let other = accounts::add(&gateway, "other", &[]);
    let refunded = |merchant, reference: &str| {
        let answer = gateway.call(merchant, &operation("REFUND", reference, "1000"));
        assert_eq!(field(&answer, "response_code"), "06000", "{answer:?}");
    };
    let paid = |merchant, reference: &str| {
        let answer = gateway.call(merchant, &payment("PURCHASE", reference, "1000", CARD));
        assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    };
    for number in 0..40 {
        paid(&demo, &format!("before-{number}"));
        paid(&other, &format!("before-{number}"));
    }
    let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (stop, made, demo, other, paid, refunded) = (&stop, &made, &demo, &other, &paid, &refunded);
            scope.spawn(move || {
                let merchant = if client % 2 == 0 { demo } else { other };
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let reference = format!("under-load-{client}-{number}");
                    paid(merchant, &reference);
                    refunded(merchant, &reference);
                    made.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // Also when something fails here, the clients have to end.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rotate_everything_twice(&gateway);
        }));
        stop.store(true, Ordering::SeqCst);
        done.unwrap();
    });
    assert!(made.load(Ordering::SeqCst) > CLIENTS, "payments ran meanwhile");
    // Each was sealed before the first rotation and has been sealed anew twice.
    for number in 0..20 {
        refunded(&demo, &format!("before-{number}"));
    }
    assert_nothing_under_old_keys(&gateway.data);
    assert!(gateway.stop());
    let again = Gateway::start_in(&gateway.data, &[]);
    for number in 20..40 {
        for merchant in [&demo, &other] {
            let answer = again.call(merchant, &operation("REFUND", &format!("before-{number}"), "1000"));
            assert_eq!(field(&answer, "response_code"), "06000", "after a restart: {answer:?}");
        }
    }
    let everything_opens = opened_cards(&gateway.data);
    assert!(everything_opens >= 80, "{everything_opens} cards");
}

/// Rule: each key's age is told by the clock that dated it: a key file's by the system, whatever the sandbox's clock says.
#[test]
fn a_key_made_a_moment_ago_is_no_day_old_after_the_clock_was_moved() {
    let gateway = Gateway::start();
    gateway.run_well(&["clock", "advance", "30d"]);
    rotated(&gateway, &["--kek"]);
    let listed: Value = serde_json::from_str(&gateway.run_well(&["keys", "list", "--format", "json"])).unwrap();
    let ages = |kind: &str| -> Vec<u64> {
        listed[kind].as_array().unwrap().iter().map(|key| key["age_days"].as_u64().unwrap()).collect()
    };
    assert_eq!(ages("key_encryption_keys"), [0, 0]);
    let of_data = ages("data_keys");
    assert!(!of_data.is_empty() && of_data.iter().all(|days| *days == 30), "made before the jump: {of_data:?}");
}

fn rotate_everything_twice(gateway: &Gateway) {
    for round in 0..2 {
        let data: Value = rotated(gateway, &["--data-keys"]);
        assert_eq!(data["finished_keys"].as_array().unwrap().len(), 3, "demo, other, gateway; round {round}: {data}");
        assert!(data["rows_resealed"].as_u64().unwrap() >= 82, "round {round}: {data}");
        let kek = rotated(gateway, &["--kek"]);
        assert_eq!(kek["kek_version"], round + 2, "{kek}");
        assert!(kek["data_keys_rewrapped"].as_u64().unwrap() > 0, "{kek}");
    }
    gateway.run_well(&["keys", "retire", "--kek", "1"]);
    let in_use = gateway.run_badly(&["keys", "retire", "--kek", "3"]);
    assert!(in_use.contains("rotate first"), "{in_use}");
}

fn rotated(gateway: &Gateway, what: &[&str]) -> Value {
    let output = gateway.run(&[&["keys", "rotate", "--format", "json"], what].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_rotation_that_was_killed_in_the_middle_goes_on_at_the_next_start() {
    let mut gateway = Gateway::start();
    store_orders(&mut gateway);
    let data = gateway.data.clone();
    let mut gateway = Gateway::start_in(&data, &[]);
    let mut command = crate::support::command();
    let rotating = command.args(["keys", "rotate", "--data-keys", "demo", "--data"]).arg(&data);
    let rotating = rotating.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a thousand rows are sealed anew", || {
        gateway.metric("tollgate_keys_rows_resealed_total").filter(|rows| *rows >= 1_000.0)
    });
    gateway.kill();
    let ended = rotating.wait_with_output().unwrap();
    assert!(!ended.status.success(), "it cannot have heard of the end: {}", text(&ended.stdout));
    let (old, new) = rows_by_key(&data);
    assert!(old > 0 && new > 0, "killed in the middle: {old} rows under the old key, {new} under the new one");
    let keys = data_keys(&data);
    assert_eq!(keys.iter().filter(|(_, rotation)| *rotation == 1).count(), 1, "it is known to be under way: {keys:?}");

    let gateway = Gateway::start_in(&data, &[]);
    wait_for("the rotation is finished by itself", || {
        data_keys(&data).iter().all(|(_, rotation)| *rotation != 1).then_some(())
    });
    assert_eq!(data_keys(&data).len(), keys.len(), "it goes on with the same key");
    let (old, new) = rows_by_key(&data);
    assert_eq!((old, new), (0, STORED_ORDERS + 1), "nothing is left under the old key");
    let answer = gateway.call(&gateway.demo(), &operation("REFUND", "first", "1000"));
    assert_eq!(field(&answer, "response_code"), "06000", "{answer:?}");
    assert_eq!(opened_cards(&data), STORED_ORDERS + 1);
}

#[test]
fn without_a_gateway_the_command_rotates_by_itself_and_says_how_fast() {
    let mut gateway = Gateway::start();
    store_orders(&mut gateway);
    let folder = gateway.data.to_str().unwrap();
    let rotated = tollgate(&["keys", "rotate", "--data-keys", "--data", folder, "--format", "json"]);
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    let rotated: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    // Orders and the credentials of the one merchant.
    assert_eq!(rotated["rows_resealed"], STORED_ORDERS + 2, "{rotated}");
    println!("{} rows a second", rotated["rows_per_second"]);
    assert!(rotated["rows_per_second"].as_u64().unwrap() > 0);
    assert_nothing_under_old_keys(&gateway.data);
    assert_eq!(opened_cards(&gateway.data), STORED_ORDERS + 1);

    let listed = tollgate(&["keys", "list", "--data", folder, "--format", "json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let sealing: Vec<&Value> =
        listed["data_keys"].as_array().unwrap().iter().filter(|key| key["use"] == "sealing").collect();
    let states: Vec<_> = sealing.iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["old", "old", "in use", "in use"], "{listed}");
    let seals: Vec<_> = sealing.iter().map(|key| key["seals"].clone()).collect();
    assert_eq!(seals[0], serde_json::json!({}), "{listed}");
    assert_eq!(seals[2]["credentials"], 1, "{listed}");
    assert_eq!(seals[3]["cards of orders"], STORED_ORDERS + 1, "{listed}");
    let audit = listed["data_keys"].as_array().unwrap().iter().find(|key| key["use"] == "audit log").unwrap();
    assert_eq!(audit["state"], "in use", "its key is never old: {listed}");
}

#[test]
fn cards_of_tokens_rotate_and_the_key_of_fingerprints_stays() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let mut keeping = payment("PURCHASE", "keeping", "1000", CARD);
    keeping.push(("token_name", "kept"));
    assert_eq!(field(&gateway.call(&demo, &keeping), "response_code"), "14000");
    let folder = gateway.data.to_str().unwrap();
    let list = || -> Vec<Value> {
        let listed = tollgate(&["keys", "list", "--data", folder, "--format", "json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        listed["data_keys"].as_array().unwrap().clone()
    };
    let fingerprints = |keys: &[Value]| keys.iter().filter(|key| key["use"] == "fingerprints").count();
    let sealing = |keys: &[Value]| keys.iter().find(|key| key["seals"]["cards of tokens"] == 1).unwrap()["id"].clone();
    let before = list();
    rotated(&gateway, &["--kek"]);
    rotated(&gateway, &["--data-keys"]);
    let after = list();
    assert_eq!((fingerprints(&before), fingerprints(&after)), (1, 1), "{after:?}");
    assert!(after.iter().any(|key| key["use"] == "fingerprints" && key["state"] == "in use"), "{after:?}");
    assert_ne!(sealing(&before), sealing(&after), "{after:?}");
    let mut by_token = payment("PURCHASE", "by-token", "1000", CARD);
    by_token.retain(|(name, _)| !matches!(*name, "card_number" | "expiry_date"));
    by_token.push(("token_name", "kept"));
    let answer = gateway.call(&demo, &by_token);
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
}

#[test]
fn a_sealed_row_that_does_not_open_is_named_and_holds_no_other_back() {
    let mut gateway = Gateway::start();
    let demo = gateway.demo();
    for number in 0..3 {
        gateway.call(&demo, &payment("PURCHASE", &format!("order-{number}"), "1000", CARD));
    }
    let database = Connection::open(gateway.data.join("tollgate.db")).unwrap();
    let sealed = "SELECT card_sealed FROM orders WHERE merchant_reference = 'order-1'";
    let mut sealed: Vec<u8> = database.query_row(sealed, [], |row| row.get(0)).unwrap();
    sealed[40] ^= 1;
    let spoilt = "UPDATE orders SET card_sealed = ?1 WHERE merchant_reference = 'order-1'";
    assert_eq!(database.execute(spoilt, [sealed]).unwrap(), 1);
    let complaint = gateway.run(&["keys", "rotate", "--data-keys", "demo"]);
    assert!(!complaint.status.success());
    let said = text(&complaint.stderr);
    assert!(said.contains("1 sealed rows do not open") && said.contains("cards of orders, row"), "{said}");
    let (old, new) = rows_by_key(&gateway.data);
    assert_eq!((old, new), (1, 2), "the others are under the new key");
    assert_eq!(data_keys(&gateway.data).iter().filter(|(_, rotation)| *rotation == 1).count(), 1, "not finished");
    assert!(gateway.stop());
}

/// One real order, and many stored ones like it, each with its own sealed card. Stops the gateway.
fn store_orders(gateway: &mut Gateway) {
    let demo = gateway.demo();
    let answer = gateway.call(&demo, &payment("PURCHASE", "first", "1000", CARD));
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    let first: i64 = field(&answer, "fort_id").parse().unwrap();
    assert!(gateway.stop());
    let mut database = Connection::open(gateway.data.join("tollgate.db")).unwrap();
    let columns: Vec<String> = {
        let mut columns = database.prepare("SELECT name FROM pragma_table_info('orders')").unwrap();
        columns.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let values: Vec<&str> = columns
        .iter()
        .map(|name| match name.as_str() {
            "fort_id" => "?2",
            "merchant_reference" => "'copy-' || ?2",
            "card_sealed" => "?3",
            other => other,
        })
        .collect();
    let insert = format!("INSERT INTO orders SELECT {} FROM orders WHERE fort_id = ?1", values.join(", "));
    let (vault, _) = open_vault(&gateway.data);
    let now = now();
    let transaction = database.transaction().unwrap();
    for number in 1..=STORED_ORDERS {
        let fort_id = first - number * 10;
        let pan = Pan::parse(CARD).unwrap();
        let sealed = wait(vault.seal_card(MerchantId(1), FortId(fort_id), &pan, now)).unwrap();
        transaction.execute(&insert, rusqlite::params![first, fort_id, sealed.as_bytes()]).unwrap();
    }
    transaction.commit().unwrap();
}

fn open_vault(data: &Path) -> (Vault, Arc<SqliteStore>) {
    let store = Arc::new(SqliteStore::open(&data.join("tollgate.db"), SqliteOptions::default()).unwrap());
    let provider = FileKeyProvider::open(&data.join("keys")).unwrap();
    let keys: Arc<dyn DataKeys> = store.clone();
    (wait(Vault::open(Box::new(provider), keys)).unwrap(), store)
}

/// Opens every order's card and answers how many there are.
fn opened_cards(data: &Path) -> i64 {
    let (vault, _store) = open_vault(data);
    let database = Connection::open(data.join("tollgate.db")).unwrap();
    let mut orders = database.prepare("SELECT merchant_id, fort_id, card_sealed FROM orders").unwrap();
    let rows = orders.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let mut count = 0;
    for row in rows {
        let (merchant, fort_id, sealed): (i64, i64, Vec<u8>) = row.unwrap();
        let opened = wait(vault.open_card(MerchantId(merchant), FortId(fort_id), &SealedCard::from_bytes(sealed)));
        assert!(opened.unwrap().pan == Pan::parse(CARD).unwrap(), "order {fort_id} holds another card");
        count += 1;
    }
    count
}

/// Ids of data keys and what they have to do with a rotation, by id.
fn data_keys(data: &Path) -> Vec<(i64, i64)> {
    let database = Connection::open(data.join("tollgate.db")).unwrap();
    let mut keys = database.prepare("SELECT data_key_id, rotation FROM data_keys ORDER BY data_key_id").unwrap();
    let rows = keys.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// How many cards of merchant 1 are under another key than its newest, and under the newest.
fn rows_by_key(data: &Path) -> (i64, i64) {
    let database = Connection::open(data.join("tollgate.db")).unwrap();
    let newest = "SELECT max(data_key_id) FROM data_keys WHERE merchant_id = 1";
    let newest: i64 = database.query_row(newest, [], |row| row.get(0)).unwrap();
    let count = |sql: &str| database.query_row(sql, [newest.to_be_bytes()], |row| row.get(0)).unwrap();
    let of_merchant = "SELECT count(*) FROM orders WHERE merchant_id = 1 AND substr(card_sealed, 2, 8)";
    (count(&format!("{of_merchant} <> ?1")), count(&format!("{of_merchant} = ?1")))
}

/// Every sealed row names the newest key of its owner.
fn assert_nothing_under_old_keys(data: &Path) {
    let database = Connection::open(data.join("tollgate.db")).unwrap();
    for column in ["merchant_id, card_sealed FROM orders", "0, sealed_credentials FROM merchants"] {
        let mut rows = database.prepare(&format!("SELECT {column}")).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        for row in rows {
            let (owner, sealed): (i64, Vec<u8>) = row.unwrap();
            let newest = "SELECT max(data_key_id) FROM data_keys WHERE merchant_id = ?1";
            let newest: i64 = database.query_row(newest, [owner], |row| row.get(0)).unwrap();
            assert_eq!(sealed[1..9], newest.to_be_bytes(), "a row of {owner} in {column}");
        }
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
