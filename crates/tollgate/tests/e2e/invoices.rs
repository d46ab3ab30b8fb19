//! Invoices of payment links on the real binary: lines, taxes and total, on the page and as a PDF, which others' tools read.

use crate::support::batches::{carried_out, column};
use crate::support::customer::Customer;
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::shop::*;
use crate::support::{accounts, field, text};
use serde_json::{Map, Value};
use std::path::Path;
use std::process::Command;
use tollgate_core::time::Timestamp;

const LINES: &str = "Novel;2;3500;5|Wrapping;1;10;5|Postage;1;1500";
/// 7000 + 10 + 1500, and 350 + 0.5 (one, rounded half up) of tax.
const TOTAL: &str = "8861";

fn until() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_micros()).unwrap()).plus_ms(86_400_000).to_string()
}

fn ask(shop: &Shop, amount: &str, more: &[(&str, &str)]) -> Map<String, Value> {
    let (reference, until) = (shop.reference(), until());
    let usual = vec![
        ("service_command", "PAYMENT_LINK"),
        ("merchant_reference", reference.as_str()),
        ("amount", amount),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("customer_name", "Jo Doe"),
        ("notification_type", "NONE"),
        ("request_expiry_date", until.as_str()),
    ];
    shop.call(&with(usual, more))
}

/// What tools of others read in a file.
fn read(path: &Path) -> Value {
    let python = std::env::var_os("CROSSCHECK_PYTHON").unwrap_or_else(|| "python3".into());
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/data/invoice_reader.py");
    let output = Command::new(&python).arg(reader).arg(path).output().unwrap();
    assert!(
        output.status.success(),
        "{}: install what tests/requirements.txt names and set CROSSCHECK_PYTHON, or CROSSCHECK_SKIP=1: {}",
        python.display(),
        text(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether the tools of others are left out.
fn is_alone() -> bool {
    std::env::var_os("CROSSCHECK_SKIP").is_some_and(|value| value == "1")
}

#[test]
fn an_invoice_comes_by_the_api_and_its_page_shows_it_in_both_languages() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--seller-name", "Al Noor <Books>", "--tax-number", "100123456700003"]);
    let made = ask(&shop, TOTAL, &[("invoice_lines", LINES), ("invoice_number", "INV-7"), ("due_date", "2027-01-31")]);
    assert_code(&made, "48000", "made");
    assert_eq!((field(&made, "invoice_number"), field(&made, "due_date")), ("INV-7", "2027-01-31"));
    assert!(!made.contains_key("invoice_lines"), "lines are not repeated");
    let customer = Customer::sent_to(&shop.gateway, field(&made, "payment_link"));
    let english = text(&customer.get(&format!("{}?language=en", customer.path)).body);
    for told in
        ["Al Noor &lt;Books&gt;", "100123456700003", "INV-7", "2027-01-31", "Novel", "Tax 5%", "3.51", "88.61", "<svg"]
    {
        assert!(english.contains(told), "{told}: {english}");
    }
    let arabic = text(&customer.get(&format!("{}?language=ar", customer.path)).body);
    for told in ["dir=\"rtl\"", "فاتورة", "ضريبة 5%", "88.61", "INV-7"] {
        assert!(arabic.contains(told), "{told}: {arabic}");
    }
    let changed = shop.call(&[
        ("service_command", "UPDATE_PAYMENT_LINK"),
        ("payment_link_id", field(&made, "payment_link_id")),
        ("amount", "100"),
    ]);
    assert_code(&changed, "00033", "the lines would not come to it");
}

#[test]
fn what_does_not_add_up_is_refused() {
    let shop = Shop::open();
    for (amount, more, code) in [
        ("8860", vec![("invoice_lines", LINES)], "00005"),
        (TOTAL, vec![("invoice_lines", "Novel;two;3500;5")], "00002"),
        (TOTAL, vec![("invoice_number", "INV-7")], "00001"),
        (TOTAL, vec![("invoice_lines", LINES), ("due_date", "2027-02-30")], "00033"),
        (TOTAL, vec![("invoice_lines", "card 4111111111111111;1;8861")], "00033"),
    ] {
        assert_code(&ask(&shop, amount, &more), code, "refused");
    }
}

#[test]
fn lines_as_a_list_of_objects_are_signed_as_nested_values_are() {
    let shop = Shop::open();
    let lines = r#"[{"description":"Novel; hard cover","quantity":"2","unit_price":"3500","tax_rate":"5"}]"#;
    let (reference, until) = (shop.reference(), until());
    let nested = "[{description=Novel; hard cover, quantity=2, unit_price=3500, tax_rate=5}]";
    let params = [
        ("service_command", "PAYMENT_LINK"),
        ("merchant_reference", reference.as_str()),
        ("amount", "7350"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("notification_type", "NONE"),
        ("request_expiry_date", until.as_str()),
        ("invoice_lines", nested),
    ];
    // The signature is over the text that a list is rendered to; the list itself is sent.
    let signed = String::from_utf8(shop.merchant.sign(&params)).unwrap();
    let quoted = serde_json::to_string(nested).unwrap();
    assert!(signed.contains(&quoted), "{signed}");
    let body = signed.replace(&quoted, lines);
    let answer = crate::support::batches::post(
        &shop.gateway.address,
        "/FortAPI/paymentApi",
        body.as_bytes(),
        "application/json",
    );
    let answer: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap();
    assert_code(&answer, "48000", "made");
    let shown = shop.gateway.run_well(&["link", "show", "demo", field(&answer, "payment_link_id"), "--format", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["invoice"]["lines"][0]["description"], "Novel; hard cover");
}

#[test]
fn an_invoice_on_paper_says_the_same_and_its_code_leads_to_the_link() {
    let shop = Shop::open();
    let folder = tempfile::tempdir().unwrap();
    accounts::set(&shop.gateway, "demo", &["--seller-name", "مكتبة النور", "--seller-address", "Street 7, Dubai"]);
    let run = |arguments: &[&str]| shop.gateway.run_well(arguments);
    let made = run(&[
        "link",
        "create",
        "demo",
        "--reference",
        "ORDER-7",
        "--email",
        "jo@example.org",
        "--id",
        "L-7",
        "--line",
        "Novel, hard cover;2;35.00;5%",
        "--line",
        "Postage;1;15.00;;5.00",
        "--invoice-number",
        "INV-2026/7",
        "--due",
        "2027-01-31",
        "--format",
        "json",
    ]);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!((&made["amount"], &made["invoice"]["number"]), (&8_350.into(), &"INV-2026/7".into()), "from the lines");
    let address = made["payment_link"].as_str().unwrap();
    let customer = Customer::sent_to(&shop.gateway, address);
    let mut papers = Vec::new();
    for language in ["en", "ar"] {
        let path = folder.path().join(format!("{language}.pdf"));
        run(&["link", "pdf", "demo", "L-7", "-o", path.to_str().unwrap(), "--language", language]);
        let by_page = customer.get(&format!("{}/invoice.pdf?language={language}", customer.path));
        assert_eq!((by_page.status, by_page.header("content-type")), (200, Some("application/pdf")));
        assert_eq!(by_page.header("content-disposition"), Some("inline; filename=\"invoice-INV-2026-7.pdf\""));
        assert_eq!(by_page.body, std::fs::read(&path).unwrap(), "the same paper");
        papers.push(path);
    }
    let svg = folder.path().join("code.svg");
    run(&["link", "qr", "demo", "L-7", "--svg", svg.to_str().unwrap()]);
    assert!(run(&["link", "qr", "demo", "L-7"]).contains(address));
    assert_eq!(customer.get(&format!("{}x/invoice.pdf", customer.path)).status, 404, "no such code");
    if is_alone() {
        eprintln!("left out: CROSSCHECK_SKIP=1");
        return;
    }
    for path in &papers {
        let paper = read(path);
        let said = paper["text"].as_str().unwrap();
        for told in ["INV-2026/7", "2027-01-31", "Novel, hard cover", "35.00", "70.00", "3.50", "83.50", "ORDER-7"] {
            assert!(said.contains(told), "{told}: {said}");
        }
        assert_eq!((&paper["pages"], &paper["codes"]), (&1.into(), &Value::from(vec![address])), "{said}");
    }
    let arabic = read(&papers[1]);
    let said = arabic["text"].as_str().unwrap();
    assert!(said.contains("فاتورة") && said.contains("مكتبة النور"), "read in the order of reading: {said}");
    assert_eq!(read(&svg)["codes"], Value::from(vec![address]));
}

#[test]
fn a_paid_invoice_says_so_and_asks_for_nothing_more() {
    let shop = Shop::open();
    let made = ask(&shop, TOTAL, &[("invoice_lines", LINES)]);
    let customer = Customer::sent_to(&shop.gateway, field(&made, "payment_link"));
    let plain = ask(&shop, "100", &[]);
    let without = Customer::sent_to(&shop.gateway, field(&plain, "payment_link"));
    assert_eq!(without.get(&format!("{}/invoice.pdf", without.path)).status, 404, "it has no invoice");
    let to = customer.post("", &[]).header("location").unwrap().to_owned();
    let mut checkout = customer.clone();
    to.split('?').next().unwrap().clone_into(&mut checkout.path);
    checkout.type_card(MASTERCARD, &[("card_security_code", "907")]);
    let page = text(&customer.look().body);
    assert!(page.contains("has been paid") && page.contains("88.61"), "{page}");
    let paper = customer.get(&format!("{}/invoice.pdf", customer.path));
    assert_eq!(paper.status, 200);
    let data = shop.gateway.data.clone();
    let mut sinks = vec![Sink { name: "the paper".into(), bytes: paper.body.clone() }, Sink::text("the page", page)];
    sinks.push(Sink::text("the log", shop.gateway.output()));
    sinks.extend(files(&data).into_iter().filter(|sink| sink.name.contains("tollgate.db")));
    Forbidden::new(&[MASTERCARD.to_owned()], &["907"]).assert_in_none(&sinks);
    if is_alone() {
        eprintln!("left out: CROSSCHECK_SKIP=1");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("paid.pdf");
    std::fs::write(&path, paper.body).unwrap();
    let paper = read(&path);
    assert!(paper["text"].as_str().unwrap().contains("Paid on"), "{paper}");
    assert_eq!(paper["codes"], Value::from(Vec::<String>::new()), "nothing is left to pay");
}

#[test]
fn invoices_come_in_bulk_too() {
    let shop = Shop::open();
    let file = format!(
        "service_command,merchant_reference,amount,currency,customer_email,request_expiry_date,notification_type,\
         invoice_lines,invoice_number,due_date\n\
         PAYMENT_LINK,I-1,{TOTAL},AED,a@b.example,{0},NONE,{LINES},INV-1,2027-01-31\n\
         PAYMENT_LINK,I-2,1,AED,a@b.example,{0},NONE,{LINES},INV-2,2027-01-31\n",
        until()
    );
    let told = carried_out(&shop.gateway, &shop.merchant, "invoices", &file);
    let code_of = |reference: &str| {
        let row = told.lines().skip(1).find(|line| column(line, "merchant_reference") == reference).unwrap();
        column(row, "response_code")
    };
    assert_eq!((code_of("I-1"), code_of("I-2")), ("48000".into(), "00005".into()), "{told}");
    let good = told.lines().find(|line| line.contains("48000")).unwrap();
    let shown = shop.gateway.run_well(&["link", "show", "demo", &column(good, "payment_link_id")]);
    assert!(shown.contains("INV-1"), "{shown}");
}
