//! A card number where none belongs is refused with 00033 before anything is kept of it, in every spelling and
//! every place of a request, and counted for its merchant.

use crate::support::{Gateway, Merchant, field, payment, text, wait_for, wire};
use serde_json::{Map, Value};
use std::path::Path;

const VISA: &str = "4005550000000001";
/// No other test and no fixture has it.
const STRAY: &str = "4916338506082832";
const JSON: &[&str] = &["Content-Type: application/json"];

/// The stray number as people and programs write it.
const SPELLINGS: [&str; 10] = [
    STRAY,
    "4916 3385 0608 2832",
    "4916-3385-0608-2832",
    "4916.3385.0608.2832",
    "4916  3385  0608  2832",
    "4916-3385 0608/2832",
    "4 9 1 6 3 3 8 5 0 6 0 8 2 8 3 2",
    "٤٩١٦ ٣٣٨٥ ٠٦٠٨ ٢٨٣٢",
    "۴۹۱۶۳۳۸۵۰۶۰۸۲۸۳۲",
    "４９１６３３８５０６０８２８３２",
];

#[test]
fn a_card_number_in_any_free_text_is_refused_before_anything_is_kept() {
    let mut gateway = Gateway::start();
    let demo = gateway.demo();
    let mut refused = 0;
    for (place, spelling) in SPELLINGS.into_iter().enumerate() {
        for name in ["order_description", "customer_name", "merchant_extra", "merchant_extra5", "billing_street", "own"]
        {
            let reference = format!("REFUSED-{place}-{name}");
            let value = format!("card {spelling} thanks");
            let answer = pay(&gateway, &demo, &reference, &[(name, &value)]);
            assert_refused(&demo, &answer, &format!("{name}: {value}"));
            refused += 1;
        }
    }
    for (name, value) in [
        ("merchant_reference", STRAY),
        ("merchant_reference", "ORDER-4916-3385-0608-2832"),
        ("settlement_reference", STRAY),
        ("token_name", STRAY),
        ("customer_email", "4916338506082832@example.org"),
        ("return_url", "https://shop.example/back?card=4916%203385%200608%202832"),
        ("merchant_extra", "{\"pan\":\"4916338506082832\"}"),
        (STRAY, "a name"),
    ] {
        let answer = pay(&gateway, &demo, "REFUSED-REFERENCE", &[(name, value)]);
        assert_refused(&demo, &answer, &format!("{name}={value}"));
        refused += 1;
    }
    let counted = format!("tollgate_stray_card_numbers_total{{merchant=\"demo\"}} {refused}");
    let metrics = gateway.admin("/metrics").1;
    assert!(metrics.contains(&counted), "{counted}: {metrics}");
    assert_eq!(gateway.issuer("/ledger/totals")["entries"], 0, "nothing went to the card network");
    let told = wait_for("the refusal is noted", || {
        let output = gateway.run(&["explain", "REFUSED-0-order_description"]);
        output.status.success().then(|| text(&output.stdout))
    });
    assert!(told.contains("00033") && told.contains("491633******2832"), "{told}");
    let log = gateway.output();
    assert!(gateway.stop());
    for shown in [told, metrics, log] {
        assert_clean("what is shown", shown.as_bytes());
    }
    assert!(assert_folder_is_clean(&gateway.data) > 4, "the folder has files");
}

#[test]
fn a_card_number_in_the_head_of_a_request_is_refused() {
    let mut gateway = Gateway::start();
    let demo = gateway.demo();
    let body = demo.sign(&payment("PURCHASE", "HEAD", "1000", VISA));
    let post = |path: &str, header: &str| {
        let head = wire::head(&gateway.address, "1.1", &[JSON[0], header], body.len());
        let head = head.replacen(wire::PATH, path, 1);
        wire::send(&gateway.address, &[head.as_bytes(), &body].concat())
    };
    for (path, header) in [
        ("/FortAPI/paymentApi?card=4916338506082832", "X-Nothing: 1"),
        ("/FortAPI/paymentApi?card=4916%203385%200608%202832", "X-Nothing: 1"),
        ("/FortAPI/paymentApi", "X-Card: 4916-3385-0608-2832"),
        ("/FortAPI/paymentApi", "Referer: https://shop.example/pay?pan=4916338506082832"),
        ("/FortAPI/paymentApi", "Cookie: last=4916338506082832"),
        ("/FortAPI/paymentApi", "4916338506082832: x"),
    ] {
        assert_refused(&demo, &post(path, header).json(), &format!("{path} {header}"));
    }
    assert_eq!(post("/FortAPI/4916338506082832", "X-Nothing: 1").status, 404);
    let metrics = gateway.admin("/metrics").1;
    for counted in ["{merchant=\"demo\"} 6", "{merchant=\"unknown\"} 1"] {
        assert!(metrics.contains(&format!("tollgate_stray_card_numbers_total{counted}")), "{counted}: {metrics}");
    }
    // What proxies and tracing tools number requests with is none, whatever its digits are.
    let answer = post("/FortAPI/paymentApi", "X-Datadog-Trace-Id: 4916338506082832").json();
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    let log = gateway.output();
    assert!(gateway.stop());
    assert_clean("the log", log.as_bytes());
    assert_folder_is_clean(&gateway.data);
}

#[test]
fn what_only_looks_like_a_card_number_is_taken() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    for (place, (name, value)) in [
        ("phone_number", "+4915112345678"),
        ("phone_number", "+971 50 123 4567"),
        ("merchant_extra", "d4916338-5060-4832-8491-633850608283"),
        ("merchant_extra", "a4916338506082832c0ffee00"),
        ("merchant_extra", "4916338506082833"),
        ("order_description", "Order 20261126043145 of 179565511258519600"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = pay(&gateway, &demo, &format!("TAKEN-{place}"), &[(name, value)]);
        assert_eq!(field(&answer, "response_code"), "14000", "{name}={value}: {answer:?}");
    }
}

#[test]
fn a_merchant_may_have_its_stray_card_numbers_counted_only() {
    let mut gateway = Gateway::start();
    let demo = gateway.demo();
    crate::support::accounts::set(&gateway, "demo", &["--stray-card-numbers", "count"]);
    let answer = pay(&gateway, &demo, "COUNTED", &[("order_description", "order 4916338506082832")]);
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    let answer = pay(&gateway, &demo, "COUNTED-2", &[("merchant_reference", STRAY)]);
    assert_eq!(field(&answer, "response_code"), "00033", "a reference cannot be masked: {answer:?}");
    let metrics = gateway.admin("/metrics").1;
    assert!(metrics.contains("tollgate_stray_card_numbers_total{merchant=\"demo\"} 2"), "{metrics}");
    let message = gateway.run_badly(&["merchant", "set", "demo", "--stray-card-numbers", "maybe"]);
    assert!(message.contains("refuse or count"), "{message}");
    assert!(gateway.stop());
    assert_folder_is_clean(&gateway.data);
}

/// A purchase with these parameters in place of its own or besides them.
fn pay(gateway: &Gateway, merchant: &Merchant, reference: &str, extra: &[(&str, &str)]) -> Map<String, Value> {
    let mut params = payment("PURCHASE", reference, "1000", VISA);
    params.retain(|(known, _)| !extra.iter().any(|(name, _)| name == known));
    params.extend_from_slice(extra);
    let answer = wire::post(&gateway.address, "1.1", JSON, &merchant.sign(&params));
    assert_eq!(answer.status, 200);
    answer.json()
}

fn assert_refused(merchant: &Merchant, answer: &Map<String, Value>, what: &str) {
    merchant.check(answer);
    assert_eq!(field(answer, "response_code"), "00033", "{what}: {answer:?}");
    assert_clean(what, &serde_json::to_vec(answer).unwrap());
}

/// The stray number stands in these bytes in none of its spellings.
fn assert_clean(what: &str, bytes: &[u8]) {
    let is_there =
        SPELLINGS.iter().any(|spelling| bytes.windows(spelling.len()).any(|window| window == spelling.as_bytes()));
    assert!(!is_there, "{what} holds the number in clear: {}", text(bytes));
}

/// Gives how many files were read.
fn assert_folder_is_clean(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += assert_folder_is_clean(&path);
        } else {
            assert_clean(&path.display().to_string(), &std::fs::read(&path).unwrap());
            files += 1;
        }
    }
    files
}
