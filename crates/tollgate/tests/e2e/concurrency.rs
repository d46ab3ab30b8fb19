//! Many at once: one reference, one order; sums never exceeded; clients that hang up; a stop with
//! payments under way.

use crate::support::books::{self, Sums};
use crate::support::{Gateway, Merchant, all_at_once, field, operation, payment, status, wait_for};
use serde_json::{Map, Value};
use std::io::Write;
use std::net::{Shutdown, TcpStream};

const GOOD: &str = "4005550000000001";
/// On this card the last five digits of the amount decide; 90101 is answered slowly, but in time.
const BY_AMOUNT: &str = "4005559100007709";
const MASKS: [&str; 2] = ["400555******0001", "400555******7709"];
/// A slow answer of the card network comes after half of this.
const SLOW: [(&str, &str); 1] = [("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "3000")];

#[test]
fn of_32_payments_with_one_reference_exactly_one_is_made() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    for command in ["PURCHASE", "AUTHORIZATION"] {
        let answers = all_at_once(32, |_| gateway.call(&demo, &payment(command, command, "1000", GOOD)));
        let approved: Vec<_> = answers.iter().filter(|answer| field(answer, "response_message") == "Success").collect();
        let refused = answers.iter().filter(|answer| field(answer, "response_code") == "00066").count();
        assert_eq!((approved.len(), refused), (1, 31), "{answers:?}");
        assert!(answers.iter().filter(|answer| answer.contains_key("fort_id")).count() == 1, "one order: {answers:?}");
    }
    let totals = gateway.issuer("/ledger/totals");
    assert_eq!(totals["entries"], 2, "one message each: {totals}");
    assert_books_equal(&gateway, &demo, &["PURCHASE", "AUTHORIZATION"]);
}

#[test]
fn the_same_reference_of_two_merchants_makes_two_orders() {
    let gateway = Gateway::start();
    gateway.run_well(&["merchant", "add", "other"]);
    let document = gateway.data.join("aoc.pdf");
    std::fs::write(&document, b"attestation of compliance").unwrap();
    gateway.run_well(&[
        "merchant",
        "activate-trusted-channel",
        "other",
        "--level",
        "1",
        "--assessor",
        "QSA Ltd",
        "--document",
        document.to_str().unwrap(),
        "--valid-until",
        "2099-12-31",
        "--verified-by",
        "A. Person",
    ]);
    let merchants = [gateway.demo(), Merchant::show(&gateway, "other")];
    let answers =
        all_at_once(2, |number| gateway.call(&merchants[number], &payment("PURCHASE", "shared", "1000", GOOD)));
    assert!(answers.iter().all(|answer| field(answer, "response_code") == "14000"), "{answers:?}");
    assert_ne!(field(&answers[0], "fort_id"), field(&answers[1], "fort_id"));
    // Neither sees nor touches the other's order.
    for (merchant, answer) in merchants.iter().rev().zip(&answers) {
        let told = gateway.call(merchant, &[("query_command", "CHECK_STATUS"), ("fort_id", field(answer, "fort_id"))]);
        assert_eq!(field(&told, "response_code"), "12036", "{told:?}");
        let refund =
            [("command", "REFUND"), ("fort_id", field(answer, "fort_id")), ("amount", "1"), ("currency", "AED")];
        let told = gateway.call(merchant, &refund);
        assert_eq!(field(&told, "response_code"), "00036", "{told:?}");
    }
}

#[test]
fn parallel_captures_never_take_more_than_was_authorized() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    gateway.call(&demo, &payment("AUTHORIZATION", "captures", "10000", GOOD));
    let answers = all_at_once(16, |_| until_its_turn(&gateway, &demo, &operation("CAPTURE", "captures", "1000")));
    let captured = answers.iter().filter(|answer| field(answer, "response_code") == "04000").count();
    let exceeding = answers.iter().filter(|answer| field(answer, "response_code") == "00042").count();
    assert_eq!((captured, exceeding), (10, 6), "{answers:?}");
    assert_eq!(sums_of(&gateway, &demo, "captures"), Sums::taken(10_000));
    assert_books_equal(&gateway, &demo, &["captures"]);
}

#[test]
fn parallel_refunds_never_give_back_more_than_was_taken() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    gateway.call(&demo, &payment("PURCHASE", "refunds", "10000", GOOD));
    let answers = all_at_once(16, |_| until_its_turn(&gateway, &demo, &operation("REFUND", "refunds", "900")));
    let refunded = answers.iter().filter(|answer| field(answer, "response_code") == "06000").count();
    let exceeding = answers.iter().filter(|answer| field(answer, "response_code") == "00048").count();
    assert_eq!((refunded, exceeding), (11, 5), "{answers:?}");
    assert_eq!(sums_of(&gateway, &demo, "refunds"), Sums { held: 0, taken: 10_000, refunded: 9_900 });
    assert_books_equal(&gateway, &demo, &["refunds"]);
}

#[test]
fn of_a_capture_and_a_void_at_the_same_time_only_one_counts() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let references: Vec<String> = (0..12).map(|number| format!("race-{number}")).collect();
    for reference in &references {
        gateway.call(&demo, &payment("AUTHORIZATION", reference, "1000", GOOD));
    }
    let answers = all_at_once(references.len() * 2, |number| {
        let reference = references[number / 2].as_str();
        let request = if number % 2 == 0 {
            operation("CAPTURE", reference, "1000")
        } else {
            operation("VOID_AUTHORIZATION", reference, "")
        };
        until_its_turn(&gateway, &demo, &request)
    });
    for (pair, reference) in answers.chunks(2).zip(&references) {
        let codes = [field(&pair[0], "response_code"), field(&pair[1], "response_code")];
        let expected = match codes {
            ["04000", "00034"] => Sums::taken(1000),
            ["00034", "08000"] => Sums::nothing(),
            other => panic!("{reference}: {other:?}"),
        };
        assert_eq!(sums_of(&gateway, &demo, reference), expected);
    }
    let names: Vec<&str> = references.iter().map(String::as_str).collect();
    assert_books_equal(&gateway, &demo, &names);
}

#[test]
fn a_payment_goes_on_when_its_client_hangs_up() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &SLOW);
    let demo = gateway.demo();
    // Hung up while the card network thinks.
    let stream = send(&gateway, &demo.sign(&payment("PURCHASE", "hung-up", "90101", BY_AMOUNT)));
    let told = gateway.wait_for_status(&demo, "hung-up", |told| field(told, "response_code") == "12000");
    assert_eq!(field(&told, "transaction_code"), "15777", "it is under way: {told:?}");
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    let told = gateway.wait_for_status(&demo, "hung-up", |told| field(told, "transaction_code") != "15777");
    assert_eq!(field(&told, "transaction_code"), "14000", "{told:?}");
    // Hung up at once: the gateway may never have seen the request, but it does nothing by halves.
    let references: Vec<String> = (0..20).map(|number| format!("gone-{number}")).collect();
    for reference in &references {
        drop(send(&gateway, &demo.sign(&payment("PURCHASE", reference, "1000", GOOD))));
    }
    // After a stop nothing is under way any more, so that what is asked now is the last word.
    assert!(gateway.stop());
    let gateway = Gateway::start_in(&data, &SLOW);
    let mut made = vec!["hung-up"];
    for reference in &references {
        let told = gateway.call(&demo, &status(reference));
        match [field(&told, "response_code"), field(&told, "transaction_code")] {
            ["12000", "14000"] => made.push(reference),
            other => assert_eq!(other, ["12036", ""], "{told:?}"),
        }
    }
    assert_books_equal(&gateway, &demo, &made);
}

#[test]
fn a_stop_answers_every_payment_under_way_and_ends_with_zero() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &SLOW);
    let demo = gateway.demo();
    let references: Vec<String> = (0..12).map(|number| format!("stop-{number}")).collect();
    let answers = std::thread::scope(|scope| {
        let stopper = scope.spawn(|| {
            wait_for("all payments are under way", || {
                (gateway.metric("tollgate_link_in_flight")? >= references.len() as f64).then_some(())
            });
            gateway.signal("TERM");
        });
        let answers = all_at_once(references.len(), |number| {
            gateway.call(&demo, &payment("PURCHASE", &references[number], "90101", BY_AMOUNT))
        });
        stopper.join().unwrap();
        answers
    });
    for answer in &answers {
        assert_eq!(field(answer, "response_code"), "14000", "{answer:?}");
    }
    assert!(gateway.ended_well(), "the exit code is 0");
    assert!(!data.join("running.json").exists(), "the note of where it listened is gone");
    assert!(TcpStream::connect(&gateway.address).is_err(), "nobody listens any more");
    // Nothing was left for the next start to settle.
    let gateway = Gateway::start_in(&data, &[]);
    assert!(!gateway.output().contains("without an outcome"), "every outcome is on the disk");
    for reference in &references {
        assert_eq!(field(&gateway.call(&demo, &status(reference)), "transaction_code"), "14000");
    }
}

#[test]
fn a_stop_at_the_moment_of_the_start_ends_with_zero() {
    let folder = tempfile::tempdir().unwrap();
    for life in 0..8 {
        let mut gateway = Gateway::start_in(&folder.path().join("data"), &[]);
        assert!(gateway.stop(), "life {life}");
    }
}

#[test]
fn while_it_stops_the_gateway_is_not_ready_and_takes_no_new_connection() {
    let mut gateway = Gateway::start_with(&SLOW);
    let demo = gateway.demo();
    let answer = std::thread::scope(|scope| {
        let slow = scope.spawn(|| gateway.call(&demo, &payment("PURCHASE", "slow", "90101", BY_AMOUNT)));
        wait_for("the payment is under way", || (gateway.metric("tollgate_link_in_flight")? >= 1.0).then_some(()));
        gateway.signal("TERM");
        wait_for("it says that it stops", || (gateway.admin("/health/ready").0 == 503).then_some(()));
        assert_eq!(gateway.admin("/health/live").0, 200);
        wait_for("no new connection is taken", || TcpStream::connect(&gateway.address).is_err().then_some(()));
        slow.join().unwrap()
    });
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    assert!(gateway.ended_well());
}

/// Repeats a request while another operation on the order is under way.
fn until_its_turn(gateway: &Gateway, merchant: &Merchant, params: &[(&str, &str)]) -> Map<String, Value> {
    wait_for("the operation's turn", || {
        let answer = gateway.call(merchant, params);
        (field(&answer, "response_code") != "00784").then_some(answer)
    })
}

/// Sends a request and leaves the answer unread.
fn send(gateway: &Gateway, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(&gateway.address).unwrap();
    let head = format!(
        "POST /FortAPI/paymentApi HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        gateway.address,
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    stream
}

fn sums_of(gateway: &Gateway, merchant: &Merchant, reference: &str) -> Sums {
    let told = gateway.call(merchant, &status(reference));
    books::of_order(gateway, merchant, field(&told, "fort_id"))
}

fn assert_books_equal(gateway: &Gateway, merchant: &Merchant, references: &[&str]) {
    let fort_ids: Vec<String> = references
        .iter()
        .map(|reference| field(&gateway.call(merchant, &status(reference)), "fort_id").to_owned())
        .collect();
    books::assert_equal(gateway, merchant, &fort_ids, &books::of_card_network(|path| gateway.issuer(path), &MASKS));
}
