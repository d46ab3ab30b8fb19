//! The sandbox clock: it moves everything, it never goes back, and only a sandbox has it.

use crate::support::{Gateway, QUICK, field, payment, post, text, wait_for};
use serde_json::Value;
use tollgate_core::time::{DAY_US, Timestamp};

const GOOD: &str = "4005550000000001";
const SILENT: &str = "4005559000005001";

#[test]
fn a_moved_clock_makes_a_reversal_due_at_once_and_the_books_stay_equal() {
    let mut environment = QUICK.to_vec();
    // A reversal that nobody would wait for.
    environment[3].1 = "86400000";
    let gateway = Gateway::start_with(&environment);
    let demo = gateway.demo();
    let answer = gateway.call(&demo, &payment("PURCHASE", "waits", "1000", SILENT));
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    advance(&gateway, "23h");
    let told = gateway.call(&demo, &crate::support::status("waits"));
    assert_eq!(field(&told, "transaction_code"), "15777", "not due yet: {told:?}");
    advance(&gateway, "2h");
    let told = gateway.wait_for_status(&demo, "waits", |told| field(told, "transaction_code") != "15777");
    assert_eq!(field(&told, "transaction_code"), "13666", "{told:?}");
    assert_eq!(gateway.issuer("/ledger/totals")["currencies"][0]["posted"], 0);
}

#[test]
fn a_payment_under_way_is_not_taken_for_lost_when_the_clock_moves() {
    let folder = tempfile::tempdir().unwrap();
    let network = crate::support::card_network::CardNetwork::start(&folder.path().join("network"), &[]);
    let mut environment = QUICK.to_vec();
    environment[0].1 = "6000";
    environment[3].1 = "86400000";
    environment.push(("TOLLGATE_ACQUIRER_ADDRESS", &network.iso));
    let gateway = Gateway::serve(&folder.path().join("data"), &["--dev", "--no-issuer"], &environment);
    let demo = gateway.demo();
    // One whose reversal falls due with the move: when it goes out, the janitor has been there.
    let answer = gateway.call(&demo, &payment("PURCHASE", "witness", "1000", SILENT));
    assert_eq!(field(&answer, "response_code"), "15777", "{answer:?}");
    network.freeze();
    std::thread::scope(|scope| {
        let paying = scope.spawn(|| gateway.call(&demo, &payment("PURCHASE", "under-way", "1000", GOOD)));
        wait_for("its intent is written", || {
            let told = gateway.call(&demo, &crate::support::status("under-way"));
            (field(&told, "transaction_code") == "15777").then_some(())
        });
        advance(&gateway, "3d");
        wait_for("the janitor has looked since", || {
            let listed = gateway.run_well(&["unknown", "list", "--format", "json"]);
            let listed: Value = serde_json::from_str(&listed).unwrap();
            (listed["unknown"][0]["messages_sent"].as_u64()? > 0).then_some(())
        });
        network.thaw();
        let answer = paying.join().unwrap();
        assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    });
    let told: Value = serde_json::from_str(&gateway.run_well(&["explain", "under-way", "--format", "json"])).unwrap();
    let outcomes = told["orders"][0]["operations"][0]["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 1, "it was never unknown: {outcomes:?}");
}

#[test]
fn payments_and_ledger_entries_are_dated_by_the_moved_clock() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let before = shown(&gateway);
    let after = advance(&gateway, "30d");
    assert!(after.0 - before.0 >= 30 * DAY_US && after.0 - before.0 < 31 * DAY_US, "{before} {after}");
    let answer = gateway.call(&demo, &payment("PURCHASE", "dated", "1000", GOOD));
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    let told: Value = serde_json::from_str(&gateway.run_well(&["explain", "dated", "--format", "json"])).unwrap();
    let made = moment(&told["orders"][0]["created_at"]);
    assert!(made >= after, "{made} {after}");
    let entries = gateway.issuer("/ledger/entries?mask=400555%2A%2A%2A%2A%2A%2A0001");
    assert!(moment(&entries[0]["at"]) >= after, "the card network goes by the same time: {entries}");
}

#[test]
fn an_attestation_ends_with_its_day_and_not_before() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let pays = |reference: &str| {
        let answer = gateway.call(&demo, &payment("PURCHASE", reference, "100", GOOD));
        field(&answer, "response_code").to_owned()
    };
    // The demo merchant's lasts 365 days.
    advance(&gateway, "364d");
    assert_eq!(pays("day-364"), "14000");
    wait_for("the log warns", || gateway.output().contains("attestation ends soon").then_some(()));
    advance(&gateway, "1d");
    assert_eq!(pays("day-365"), "00027");
    wait_for("the log tells the end", || gateway.output().contains("attestation has expired").then_some(()));
}

#[test]
fn a_card_expires_when_the_clock_passes_its_month() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    gateway.run_well(&["clock", "set", "2027-06-15T12:00:00Z"]);
    let mut params = payment("PURCHASE", "in-june", "100", GOOD);
    let place = params.iter().position(|(name, _)| *name == "expiry_date").unwrap();
    params[place].1 = "2706";
    assert_eq!(field(&gateway.call(&demo, &params), "response_code"), "14000");
    gateway.run_well(&["clock", "set", "2027-07-03T00:00:00Z"]);
    params[1].1 = "in-july";
    assert_eq!(field(&gateway.call(&demo, &params), "response_code"), "00012");
}

#[test]
fn time_never_runs_backwards_not_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &[]);
    let demo = gateway.demo();
    let first = gateway.call(&demo, &payment("PURCHASE", "first", "100", GOOD));
    let moved = advance(&gateway, "3d");
    let said = gateway.run_badly(&["clock", "set", "2020-01-01T00:00:00Z"]);
    assert!(said.contains("cannot be set back"), "{said}");
    let said = gateway.run_badly(&["clock", "set", "2020-01-01"]);
    assert!(said.contains("2027-01-31T12:00:00Z"), "it says how a moment is written: {said}");
    gateway.kill();
    assert!(shown(&gateway) >= moved, "a stopped folder tells its time too");
    let gateway = Gateway::start_in(&data, &[]);
    assert!(shown(&gateway) >= moved);
    let second = gateway.call(&demo, &payment("PURCHASE", "second", "100", GOOD));
    assert_eq!(field(&second, "response_code"), "14000", "{second:?}");
    assert!(field(&second, "fort_id") > field(&first, "fort_id"), "numbers only grow");
    let entries = gateway.issuer("/ledger/entries?mask=400555%2A%2A%2A%2A%2A%2A0001");
    assert!(moment(&entries[0]["at"]) >= moved, "the card network starts with the moved clock: {entries}");
}

#[test]
fn a_production_gateway_has_no_clock_to_move_and_does_not_start_on_a_moved_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut sandbox = Gateway::start_in(&data, &[]);
    assert!(sandbox.stop());
    let network = crate::support::card_network::CardNetwork::start(&folder.path().join("network"), &[]);
    let environment = [("TOLLGATE_ACQUIRER_ADDRESS", network.iso.as_str())];
    let mut production = Gateway::serve(&data, &[], &environment);
    for command in [
        &["clock", "advance", "1s"][..],
        &["clock", "set", "2090-01-01T00:00:00Z"],
        &["fault", "set", "--next", "15777"],
        &["fault", "list"],
    ] {
        let said = production.run_badly(command);
        assert!(said.contains("only in a sandbox"), "{command:?}: {said}");
    }
    assert!(production.run_well(&["clock", "show"]).contains("the system's time"));
    assert!(production.stop());

    let mut sandbox = Gateway::start_in(&data, &[]);
    advance(&sandbox, "1s");
    assert!(sandbox.stop());
    let refused = crate::support::tollgate(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("moved by a sandbox"), "{}", text(&refused.stderr));
}

#[test]
fn the_operator_api_says_nothing_without_the_token_of_the_folder() {
    let gateway = Gateway::start();
    let address = gateway.running["admin"].as_str().unwrap();
    let token = std::fs::read_to_string(gateway.data.join("operator.token")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(gateway.data.join("operator.token")).unwrap().permissions(),
    );
    assert_eq!((token.len(), mode & 0o777), (64, 0o600));
    let with = |authorization: &str| {
        let request =
            format!("GET /operator/clock HTTP/1.1\r\nHost: {address}\r\n{authorization}Connection: close\r\n\r\n");
        crate::support::exchange(address, request.as_bytes())
    };
    let mut wrong = token.clone();
    wrong.replace_range(63.., if token.ends_with('0') { "1" } else { "0" });
    for authorization in [
        String::new(),
        format!("Authorization: Bearer {wrong}\r\n"),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: Basic {token}\r\n"),
    ] {
        let (status, body) = with(&authorization);
        assert_eq!((status, text(&body).as_str()), (401, ""), "{authorization:?}");
    }
    assert_eq!(with(&format!("Authorization: Bearer {token}\r\n")).0, 200);
    assert_eq!(post(address, "/operator/clock/advance", b"{\"ms\":1000}", "application/json").0, 401);
    assert!(!gateway.output().contains(&token), "the token is in no log");
}

fn advance(gateway: &Gateway, duration: &str) -> Timestamp {
    told(&gateway.run_well(&["clock", "advance", duration, "--format", "json"]))
}

fn shown(gateway: &Gateway) -> Timestamp {
    told(&gateway.run_well(&["clock", "show", "--format", "json"]))
}

fn told(printed: &str) -> Timestamp {
    moment(&serde_json::from_str::<Value>(printed).unwrap()["now"])
}

fn moment(value: &Value) -> Timestamp {
    Timestamp::parse_utc(value.as_str().unwrap()).unwrap()
}
