//! The audit log of the real binary: each reveal, key operation, change and correction has its entry, the log stays
//! unbroken through a kill, and whatever is done to it afterwards is found.

use crate::support::card_network::CardNetwork;
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::shop::{MASTERCARD, VISA, assert_code, later, with};
use crate::support::{Gateway, QUICK, accounts, all_at_once, field, payment, text, verification, wait_for};
use serde_json::Value;
use std::path::Path;

/// Approved, and never answered.
const SILENT: &str = "4005559000005001";

/// Entries of `audit list` as JSON.
fn entries(gateway: &Gateway, arguments: &[&str]) -> Vec<Value> {
    let printed = gateway.run_well(&[&["audit", "list", "--format", "json"], arguments].concat());
    serde_json::from_str::<Value>(&printed).unwrap().as_array().unwrap().clone()
}

/// Action, reason and operation of all that fits.
fn told(gateway: &Gateway, arguments: &[&str]) -> Vec<String> {
    let words = |entry: &Value| format!("{} / {}", entry["action"].as_str().unwrap(), entry["why"].as_str().unwrap());
    entries(gateway, arguments).iter().map(words).collect()
}

fn verified(gateway: &Gateway) -> Value {
    serde_json::from_str(&gateway.run_well(&["audit", "verify", "--format", "json"])).unwrap()
}

/// The first broken row and what is wrong with it; the command ends with 1.
fn broken(gateway: &Gateway, arguments: &[&str]) -> (u64, String) {
    let output = gateway.run(&[&["audit", "verify", "--format", "json"], arguments].concat());
    assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    (shown["first_broken_row"].as_u64().unwrap(), shown["fault"].as_str().unwrap().to_owned())
}

fn tamper(data: &Path, sql: &str) {
    let database = rusqlite::Connection::open(data.join("tollgate.db")).unwrap();
    database
        .execute_batch(&format!(
            "DROP TRIGGER IF EXISTS audit_rows_are_not_changed; DROP TRIGGER IF EXISTS audit_rows_are_not_deleted; {sql}"
        ))
        .unwrap();
}

/// Rule: a card that was opened out of the vault has an entry that names who, why and for which operation; a card that
/// came with its request has none but its order.
#[test]
fn each_card_that_is_opened_is_told_with_its_operation() {
    let mut gateway = Gateway::start();
    let demo = gateway.demo();
    let first = gateway.call(&demo, &with(payment("PURCHASE", "first", "1000", VISA), &[("token_name", "kept")]));
    assert_code(&first, "14000", "made");
    assert_eq!(entries(&gateway, &["--operation", field(&first, "fort_id")]), [] as [Value; 0]);

    let mut by_token = payment("AUTHORIZATION", "again", "1000", VISA);
    by_token.retain(|(name, _)| !matches!(*name, "card_number" | "expiry_date" | "card_security_code"));
    let again = gateway.call(&demo, &with(by_token, &[("token_name", "kept")]));
    assert_code(&again, "02000", "by token");
    let entry = entries(&gateway, &["--operation", field(&again, "fort_id")]).remove(0);
    assert_eq!((entry["action"].as_str(), entry["why"].as_str()), (Some("card revealed"), Some("payment by token")));
    assert_eq!((entry["merchant"].as_str(), entry["who"].as_str()), (Some("demo"), Some("request")));
    assert!(entry["token"].is_string() && entry["count"] == 1, "{entry}");

    for (command, code) in [("CAPTURE", "04000"), ("REFUND", "06000")] {
        let answer = gateway.call(&demo, &later(command, "again", &[("amount", "400")]));
        assert_code(&answer, code, command);
    }
    let held = gateway.call(&demo, &payment("AUTHORIZATION", "held", "1000", MASTERCARD));
    assert_code(&held, "02000", "held");
    assert_code(&gateway.call(&demo, &later("VOID_AUTHORIZATION", "held", &[])), "08000", "void");
    let revealed: Vec<String> =
        told(&gateway, &["--merchant", "demo"]).into_iter().filter(|words| words.starts_with("card")).collect();
    let expected = ["payment by token", "capture", "refund", "void"].map(|why| format!("card revealed / {why}"));
    assert_eq!(revealed, expected);
    assert_eq!(told(&gateway, &["--from", "2000-01-01", "--to", "2001-01-01"]), [] as [String; 0]);

    let report = verified(&gateway);
    assert_eq!(report["unbroken"], true, "{report}");
    assert!(gateway.stop());
    let stopped = verified(&gateway);
    assert_eq!(stopped["rows"], report["rows"], "nothing is written by looking");
    assert!(stopped["heads_found"].as_u64().unwrap() >= 2, "of the start and of the end: {stopped}");
    let mut sinks = files(&gateway.data);
    sinks.push(Sink::text("audit list", gateway.run_well(&["audit", "list"])));
    Forbidden::new(&[VISA.to_owned(), MASTERCARD.to_owned()], &[]).assert_in_none(&sinks);
}

/// Rule: what a verification holds is given up by a void of the gateway's own, and the card that is opened for it is told
/// with that void; the question itself came with its card and opens none.
#[test]
fn the_void_of_a_verification_is_told_with_its_card() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    assert_code(&gateway.call(&demo, &verification("asked", VISA, &[])), "80000", "by a question");
    accounts::set(&gateway, "demo", &["--verify-card", "small-amount"]);
    let held = gateway.call(&demo, &verification("held", MASTERCARD, &[]));
    assert_code(&held, "80000", "by a small amount");
    let all = entries(&gateway, &["--merchant", "demo"]);
    let revealed: Vec<&Value> = all.iter().filter(|entry| entry["action"] == "card revealed").collect();
    assert_eq!(revealed.len(), 1, "{all:#?}");
    assert_eq!((&revealed[0]["why"], &revealed[0]["count"]), (&"void".into(), &1.into()));
    assert_eq!(revealed[0]["who"], "gateway: verification");
    let database = rusqlite::Connection::open(gateway.data.join("tollgate.db")).unwrap();
    let sql = "SELECT operation_id, merchant_reference FROM operations JOIN orders USING (fort_id) \
               WHERE operation_id <> fort_id";
    let void: (i64, String) = database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(revealed[0]["operation"], format!("{:018}", void.0));
    assert_eq!(void.1, "held", "it is the void of what was held");
    assert_eq!(verified(&gateway)["unbroken"], true);
}

#[test]
fn keys_accounts_corrections_and_the_sandbox_are_told() {
    let mut environment = QUICK.to_vec();
    environment[3].1 = "86400000";
    let gateway = Gateway::start_with(&environment);
    let demo = gateway.demo();
    let unknown = gateway.call(&demo, &payment("PURCHASE", "lost", "1000", SILENT));
    let operation = field(&unknown, "fort_id");
    let reason = "the clearing file says so";
    let forced =
        ["unknown", "resolve", operation, "--as", "approved", "--reason", reason, "--evidence", "x", "--by", "Ann"];
    gateway.run_well(&forced);
    accounts::set(&gateway, "demo", &["--tokens", "off", "--rotate-request-phrase", "a secret phrase"]);
    gateway.run_well(&["jwks", "rotate"]);
    gateway.run_well(&["keys", "rotate", "--kek"]);
    gateway.run_well(&["keys", "rotate", "--data-keys", "demo"]);
    gateway.run_well(&["keys", "retire", "--kek", "1"]);
    gateway.run_well(&["clock", "advance", "1h"]);
    gateway.run_well(&["fault", "set", "--next", "13666"]);
    let address = gateway.running["admin"].as_str().unwrap();
    let refused = crate::support::exchange(
        address,
        format!(
            "GET /operator/clock HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer no\r\nConnection: close\r\n\r\n"
        )
        .as_bytes(),
    );
    assert_eq!(refused.0, 401);
    wait_for("the failed login is told", || {
        told(&gateway, &[]).iter().any(|words| words.starts_with("operator logins failed")).then_some(())
    });
    let all = entries(&gateway, &[]);
    let of = |action: &str| all.iter().filter(|entry| entry["action"] == action).collect::<Vec<_>>();
    for action in [
        "audit log begun",
        "key-encryption key made",
        "data key made",
        "data keys rewrapped",
        "data key rotated",
        "key-encryption key retired",
        "rows resealed",
        "channel keys made",
        "merchant added",
        "merchant changed",
        "outcome forced",
        "clock moved",
        "faults changed",
    ] {
        assert!(!of(action).is_empty(), "{action}: {all:#?}");
    }
    let forced = of("outcome forced")[0];
    assert_eq!(forced["operation"], operation);
    assert!(forced["who"].as_str().unwrap().starts_with("Ann") && forced["detail"].as_str().unwrap().contains(reason));
    let changed: Vec<&str> = of("merchant changed").iter().map(|entry| entry["detail"].as_str().unwrap()).collect();
    assert!(
        changed.iter().any(|detail| detail.contains("request phrase")) && changed.contains(&"tokens"),
        "{changed:?}"
    );
    assert!(of("merchant changed").iter().all(|entry| entry["who"].as_str().unwrap().ends_with("merchant set")));
    assert!(!format!("{all:?}").contains("a secret phrase"), "names, and never what they hold");
    assert_eq!(verified(&gateway)["unbroken"], true);
}

#[test]
fn a_log_that_was_tampered_with_is_found_and_its_first_broken_row_named() {
    let mut gateway = Gateway::start();
    let demo = gateway.demo();
    for number in 0..4 {
        let reference = format!("order-{number}");
        gateway.call(&demo, &payment("PURCHASE", &reference, "1000", VISA));
        gateway.call(&demo, &later("REFUND", &reference, &[("amount", "100")]));
    }
    let head = gateway.run_well(&["audit", "head"]).trim().to_owned();
    assert!(gateway.stop());
    let rows = verified(&gateway)["rows"].as_u64().unwrap();
    assert!(rows > 5, "{rows}");
    let database = gateway.data.join("tollgate.db");
    let everything_in_one_file = "PRAGMA wal_checkpoint(TRUNCATE)";
    rusqlite::Connection::open(&database).unwrap().query_row(everything_in_one_file, [], |_| Ok(())).unwrap();
    let whole = std::fs::read(&database).unwrap();
    let restore = || {
        for beside in ["tollgate.db-wal", "tollgate.db-shm"] {
            // Whoever was there last may have left none.
            let _ = std::fs::remove_file(gateway.data.join(beside));
        }
        std::fs::write(&database, &whole).unwrap();
    };
    for (sql, number, words) in [
        ("UPDATE audit SET entries = zeroblob(length(entries)) WHERE number = 4", 4, "does not fit"),
        ("DELETE FROM audit WHERE number = 3", 3, "missing"),
        (
            "UPDATE audit SET number = 9999 WHERE number = 2; \
             UPDATE audit SET number = 2 WHERE number = 5; UPDATE audit SET number = 5 WHERE number = 9999",
            2,
            "does not fit",
        ),
    ] {
        tamper(&gateway.data, sql);
        let (first, fault) = broken(&gateway, &[]);
        assert!(first == number && fault.contains(words), "{sql}: row {first}, {fault}");
        let said = gateway.run(&["audit", "verify"]);
        assert!(text(&said.stdout).contains(&format!("BROKEN at row {number}")), "{}", text(&said.stdout));
        restore();
    }
    tamper(&gateway.data, &format!("DELETE FROM audit WHERE number > {}", rows - 2));
    let (first, fault) = broken(&gateway, &[]);
    assert!(first == rows - 1 && fault.contains("cut off"), "by the file: row {first}, {fault}");
    std::fs::remove_file(gateway.data.join("audit.heads")).unwrap();
    assert_eq!(verified(&gateway)["unbroken"], true, "without any head nobody can tell");
    assert!(broken(&gateway, &["--head", &head]).1.contains("cut off"), "by a head that was kept elsewhere");
    assert!(gateway.run_badly(&["audit", "verify", "--head", "12"]).contains("is no head"));
    restore();
}

/// Rule: entries are in the transactions that they tell of, so a kill leaves neither a gap nor a reveal without one.
#[test]
fn a_kill_in_the_middle_leaves_an_unbroken_log() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_on(&network.iso, &data);
    let demo = gateway.demo();
    let references: Vec<String> = (0..24).map(|number| format!("order-{number}")).collect();
    for reference in &references {
        gateway.call(&demo, &payment("PURCHASE", reference, "1000", VISA));
    }
    let pid = gateway.pid();
    let address = gateway.address.clone();
    let answered = std::sync::atomic::AtomicUsize::new(0);
    all_at_once(references.len(), |place| {
        let body = demo.sign(&later("REFUND", &references[place], &[("amount", "100")]));
        // Some are answered, some are under way, some never arrive.
        if crate::support::try_post(&address, "/FortAPI/paymentApi", &body, "application/json").is_some()
            && answered.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 5
        {
            crate::support::signal(pid, "KILL");
        }
    });
    gateway.ended_well();
    let report = verified(&gateway);
    assert_eq!(report["unbroken"], true, "{report}");
    let gateway = Gateway::start_on(&network.iso, &data);
    let refunds = rusqlite::Connection::open(data.join("tollgate.db")).unwrap();
    let sql = "SELECT operation_id FROM operations WHERE operation_id <> fort_id";
    let mut statement = refunds.prepare(sql).unwrap();
    let written: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(written.len() >= 6, "{written:?}");
    let told = entries(&gateway, &[]);
    for operation in written {
        let operation = format!("{operation:018}");
        assert!(told.iter().any(|entry| entry["operation"] == operation.as_str()), "{operation} has an entry");
    }
    assert_eq!(verified(&gateway)["unbroken"], true);
}
