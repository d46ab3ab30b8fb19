//! Batches against the running binary: the samples of the fact base, the shape of an upload, and every refusal.

use crate::support::batches::{
    Part, ask, call, carried_out, column, form, post, post_form, results, signature, upload, upload_params, validated,
};
use crate::support::{Gateway, Merchant, QUICK, accounts, field, payment, secrets, wait_for};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

const VISA: &str = "4005550000000001";
const MASTERCARD: &str = "5123450000000008";
/// A card that nobody pays with here.
const STRAY: &str = "4111111111111111";
const AMEX: &str = "345678000000007";

fn sample(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/batch/");
    std::fs::read_to_string(format!("{path}{name}")).unwrap()
}

/// A card and its expiry.
#[derive(Clone, Copy)]
struct Card(&'static str, &'static str);

const VISA_CARD: Card = Card(VISA, "3005");
const MASTERCARD_CARD: Card = Card(MASTERCARD, "3012");
const AMEX_CARD: Card = Card(AMEX, "3103");

struct Bed {
    gateway: Gateway,
    merchant: Merchant,
}

impl Bed {
    fn start() -> Bed {
        let gateway = Gateway::start_with(&QUICK);
        let merchant = gateway.demo();
        Bed { gateway, merchant }
    }

    /// An order of this amount; its number.
    fn order(&self, command: &str, reference: &str, amount: &str, currency: &str, card: Card) -> String {
        let mut params = payment(command, reference, amount, card.0);
        params.retain(|(name, _)| !matches!(*name, "expiry_date" | "currency"));
        params.extend([("expiry_date", card.1), ("currency", currency)]);
        let answer = self.gateway.call(&self.merchant, &params);
        assert!(matches!(field(&answer, "response_code"), "02000" | "14000"), "{answer:?}");
        field(&answer, "fort_id").to_owned()
    }

    /// A token that the customer has paid with once, as the first payment of an agreement where one is named.
    fn token(&self, name: &str, agreement: Option<&str>, card: Card) {
        let reference = format!("first-{name}");
        let mut params = payment("PURCHASE", &reference, "4900", card.0);
        params.retain(|(name, _)| *name != "expiry_date");
        params.extend([("expiry_date", card.1), ("token_name", name)]);
        if let Some(agreement) = agreement {
            params.extend([("agreement_id", agreement), ("recurring_mode", "UNSCHEDULED")]);
        }
        let answer = self.gateway.call(&self.merchant, &params);
        assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    }
}

/// A moment so many days from now.
fn ahead(days: u64) -> String {
    let at = std::time::SystemTime::now() + Duration::from_secs(days * 86_400);
    let micros = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let at = tollgate_core::time::Timestamp(i64::try_from(micros).unwrap()).utc();
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00", at.year, at.month, at.day, at.hour, at.minute, at.second)
}

/// Results without what no sample can know: the numbers of the orders.
fn without_numbers(results: &str) -> Vec<String> {
    results
        .lines()
        .map(|line| {
            let number = if line.starts_with('"') { column(line, "fort_id") } else { String::new() };
            if number.is_empty() { line.to_owned() } else { line.replacen(&number, "NUMBER", 1) }
        })
        .collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn the_samples_with_results_come_out_as_they_are_written() {
    let bed = Bed::start();
    bed.token("TGTOK0000000000000004", Some("AG0000000000000004"), VISA_CARD);
    bed.order("AUTHORIZATION", "ORD-2101", "10000", "AED", MASTERCARD_CARD);
    bed.order("PURCHASE", "ORD-1101", "2000", "AED", VISA_CARD);
    bed.order("AUTHORIZATION", "ORD-3101", "10000", "AED", VISA_CARD);
    let mixed = carried_out(&bed.gateway, &bed.merchant, "mixed", &sample("mixed.csv"));
    assert_eq!(sorted(without_numbers(&mixed)), sorted(without_numbers(&sample("mixed.result.csv"))));

    bed.token("TGTOK0000000000000001", Some("AG0000000000000001"), VISA_CARD);
    bed.token("TGTOK0000000000000002", Some("AG0000000000000002"), MASTERCARD_CARD);
    bed.token("TGTOK0000000000000003", None, AMEX_CARD);
    bed.gateway.run_well(&["fault", "set", "--next", "13029", "--merchant-reference", "SUB-2026-02-0003"]);
    let recurring = carried_out(&bed.gateway, &bed.merchant, "recurring", &sample("recurring_token_payments.csv"));
    let (line, language) = (2, "ar");
    assert!(sample("recurring_token_payments.csv").lines().nth(line + 1).unwrap().contains(language));
    let expected = sample("recurring_token_payments.result.csv");
    assert_eq!(sorted(without_numbers(&recurring)), sorted(without_numbers(&expected)));

    for number in 5..=10 {
        bed.token(&format!("TGTOK{number:016}"), None, VISA_CARD);
    }
    bed.order("PURCHASE", "ORD-1201", "5000", "AED", VISA_CARD);
    let errors = carried_out(&bed.gateway, &bed.merchant, "errors", &sample("with_errors.csv"));
    assert_eq!(without_numbers(&errors), without_numbers(&sample("with_errors.result.csv")), "in this very order");
}

#[test]
fn operations_go_by_reference_and_by_number_one_after_the_other_on_one_order() {
    let bed = Bed::start();
    bed.order("AUTHORIZATION", "ORD-2001", "10000", "AED", VISA_CARD);
    bed.order("AUTHORIZATION", "ORD-2002", "9000", "SAR", VISA_CARD);
    let capture = bed.order("AUTHORIZATION", "by-number-1", "3500", "OMR", VISA_CARD);
    let captures = sample("captures.csv").replace("169996200000000012", &capture);
    bed.order("PURCHASE", "ORD-1001", "10000", "AED", VISA_CARD);
    bed.order("PURCHASE", "ORD-1002", "4000", "AED", VISA_CARD);
    let refund = bed.order("PURCHASE", "by-number-2", "1500", "JOD", VISA_CARD);
    let refunds = sample("refunds.csv").replace("169996200000000003", &refund);
    bed.order("AUTHORIZATION", "ORD-3001", "700", "AED", VISA_CARD);
    let void = bed.order("AUTHORIZATION", "by-number-3", "800", "AED", VISA_CARD);
    let voids = sample("voids.csv").replace("169996200000000021", &void);
    for (reference, file, code) in
        [("captures", captures, "04000"), ("refunds", refunds, "06000"), ("voids", voids, "08000")]
    {
        let results = carried_out(&bed.gateway, &bed.merchant, reference, &file);
        let lines: Vec<&str> = results.lines().skip(1).collect();
        assert_eq!(lines.len(), file.lines().count() - 1);
        for line in &lines {
            assert_eq!(column(line, "response_code"), code, "{results}");
            assert_eq!(column(line, "eci"), "ECOMMERCE", "as the order was");
        }
        assert!(lines.iter().any(|line| column(line, "merchant_reference").starts_with("by-number-")), "{results}");
    }
    let both = bed.gateway.call(&bed.merchant, &crate::support::status("ORD-1002"));
    assert_eq!(field(&both, "refunded_amount"), "4000", "two refunds of one order do not lock each other out");
}

#[test]
fn the_upload_of_the_fact_base_is_taken_in_every_shape_a_client_may_give_it() {
    let gateway = Gateway::start();
    let options = ["--merchant-identifier", "MI1", "--access-code", "AC1", "--request-phrase", "PASS"];
    let merchant = accounts::add(&gateway, "sample", &options);
    let sample = sample("upload_request.txt");
    let (head, body) = sample.split_once("\n\n").unwrap();
    let content_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: ")).unwrap();
    let body = body.replace('\n', "\r\n");
    let ask_raw = |path: &str| {
        let answer = post(&gateway.address, path, body.as_bytes(), content_type);
        serde_json::from_slice::<serde_json::Map<String, Value>>(&answer.body).unwrap()
    };
    let off = ask_raw("/FortAPI/upload/");
    assert_eq!(field(&off, "response_code"), "00093", "batches are off unless an operator switches them on: {off:?}");
    accounts::set(&gateway, "sample", &["--batch", "on"]);
    let taken = ask_raw("/FortAPI/upload/");
    merchant.check(&taken);
    for (name, value) in [
        ("service_command", "UPLOAD_BATCH_FILE"),
        ("access_code", "AC1"),
        ("merchant_identifier", "MI1"),
        ("batch_reference", "B-1"),
        ("language", "en"),
        ("response_code", "50000"),
        ("response_message", "Success"),
        ("status", "50"),
    ] {
        assert_eq!(field(&taken, name), value, "{taken:?}");
    }
    assert_eq!((field(&taken, "batch_id").len(), taken.len()), (18, 10), "{taken:?}");
    let again = ask_raw("/FortAPI/upload");
    assert_eq!(field(&again, "response_code"), "51146", "without the slash too, and only once: {again:?}");

    let params = upload_params(&merchant, "B-2");
    let mut signed = params.clone();
    signed.push(("file", "named.csv"));
    let with_name = signature(&merchant, &signed);
    let mut parts = vec![Part::file("named.csv", b"command,merchant_reference\nVOID_AUTHORIZATION,R-1\n")];
    parts.extend(params.iter().rev().map(|(name, value)| Part::text(name, value)));
    parts.push(Part::text("signature", &with_name));
    let first = post_form(&gateway, "/FortAPI/upload", &form(&parts));
    assert_eq!(field(&first, "response_code"), "50000", "the file first, its name signed: {first:?}");
    parts.pop();
    parts.push(Part::text("signature", "00"));
    let wrong = post_form(&gateway, "/FortAPI/upload", &form(&parts));
    assert_eq!(field(&wrong, "response_code"), "00008", "{wrong:?}");
}

#[test]
fn an_upload_that_cannot_be_used_is_refused_and_changes_nothing() {
    let bed = Bed::start();
    let (gateway, merchant) = (&bed.gateway, &bed.merchant);
    let code = |name: &str, content: &[u8]| {
        let answer = upload(gateway, merchant, "B-1", name, content);
        assert_eq!(field(&answer, "batch_id"), "", "{answer:?}");
        field(&answer, "response_code").to_owned()
    };
    let good: &[u8] = b"command,merchant_reference\nVOID_AUTHORIZATION,R-1\n";
    for (name, content, expected) in [
        ("rows.csv", &b"command,card_number\nPURCHASE,1\n"[..], "51142"),
        ("rows.csv", b"command,command\n", "51142"),
        ("rows.csv", b"merchant_reference\nR-1\n", "51142"),
        ("rows.csv", b"", "51144"),
        ("rows.csv", b"\xff\xfe,x\n", "51144"),
        ("rows.txt", good, "51144"),
        (".csv", good, "51144"),
        (&format!("{}.csv", "a".repeat(47)), good, "00032"),
        ("a;b.csv", good, "00002"),
        ("card 4005550000000001.csv", good, "00033"),
    ] {
        assert_eq!(code(name, content), expected, "{name}");
    }
    let without_file = {
        let params = upload_params(merchant, "B-1");
        let signature = signature(merchant, &params);
        let mut parts: Vec<Part> = params.iter().map(|(name, value)| Part::text(name, value)).collect();
        parts.push(Part::text("signature", &signature));
        post_form(gateway, "/FortAPI/upload", &form(&parts))
    };
    assert_eq!(field(&without_file, "response_code"), "00001", "{without_file:?}");
    let too_large = [good, &vec![b'\n'; 50 * 1024 * 1024]].concat();
    assert_eq!(code("large.csv", &too_large), "51144");
    drop(too_large);
    let broken = post_form(gateway, "/FortAPI/upload", b"--a-boundary-of-the-tests\r\nContent-Disp");
    assert_eq!(field(&broken, "response_code"), "00073");
    let json = post(&gateway.address, "/FortAPI/upload", b"{}", "application/json");
    assert!(crate::support::text(&json.body).contains("00073"));
    hang_up_in_the_middle(gateway, merchant);
    for service in ["GET_BATCH_RESULTS", "PROCESS_BATCH"] {
        let status = if service == "PROCESS_BATCH" { "73" } else { "71" };
        let unknown = ask(gateway, merchant, service, "B-1");
        assert_eq!(field(&unknown, "response_code"), format!("{status}141"), "nothing of all that is there");
    }
    let api = gateway.call(merchant, &[("service_command", "PROCESS_BATCH"), ("batch_reference", "B-1")]);
    assert_eq!(field(&api, "response_code"), "00004", "batches have an endpoint of their own");
    assert_eq!(
        field(&upload(gateway, merchant, "B-1", "rows.csv", good), "response_code"),
        "50000",
        "the name is free"
    );
}

/// A client that is gone before its file has come in whole.
fn hang_up_in_the_middle(gateway: &Gateway, merchant: &Merchant) {
    let params = upload_params(merchant, "B-1");
    let signature = signature(merchant, &params);
    let mut parts: Vec<Part> = params.iter().map(|(name, value)| Part::text(name, value)).collect();
    parts.push(Part::text("signature", &signature));
    let rows = "command,merchant_reference\n".to_owned() + &"VOID_AUTHORIZATION,R-1\n".repeat(20_000);
    parts.push(Part::file("rows.csv", rows.as_bytes()));
    let body = form(&parts);
    let mut stream = std::net::TcpStream::connect(&gateway.address).unwrap();
    let head = format!(
        "POST /FortAPI/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={}\r\nContent-Length: {}\r\n\r\n",
        crate::support::batches::BOUNDARY,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..body.len() - 100]).unwrap();
    drop(stream);
}

#[test]
fn a_batch_goes_its_way_in_order_and_answers_at_every_step() {
    let gateway = Gateway::start_with(&[&QUICK[..], &[("TOLLGATE_BATCH_ROWS_PER_SECOND_MAX", "20")]].concat());
    let merchant = gateway.demo();
    let bed = Bed { gateway, merchant };
    let (gateway, merchant) = (&bed.gateway, &bed.merchant);
    bed.token("t-1", None, VISA_CARD);
    let mut file = "command,merchant_reference,amount,currency,customer_email,eci,token_name\n".to_owned();
    for row in 0..60 {
        file.push_str(&format!("PURCHASE,R-{row},100,AED,a@b.example,RECURRING,t-1\n"));
    }
    // Rows that take their time to be judged and come to nothing.
    file.push_str(&"REFUND,no-such-order,100,AED,,,\n".repeat(4000));
    let uploaded = upload(gateway, merchant, "B-1", "rows.csv", file.as_bytes());
    let early = ask(gateway, merchant, "PROCESS_BATCH", "B-1");
    assert_eq!(field(&early, "response_code"), "73138", "{early:?}");
    let told = validated(gateway, merchant, "B-1");
    assert_eq!((field(&told, "response_code"), field(&told, "transactions_count")), ("70000", "4060"), "{told:?}");
    assert_eq!(field(&told, "batch_id"), field(&uploaded, "batch_id"));
    let other = [("service_command", "PROCESS_BATCH"), ("batch_reference", "B-1"), ("batch_id", "179518080000000001")];
    let other = post(&gateway.address, "/FortAPI/batchApi/", &merchant.sign(&other), "application/json");
    assert!(crate::support::text(&other.body).contains("73141"), "the number of another batch");
    let alias = merchant.sign(&[("service_command", "PROCESS_BATCH"), ("batch_reference", "B-1")]);
    let alias = post(&gateway.address, "/integration-batch/batchApi/", &alias, "application/json");
    let alias: serde_json::Map<String, Value> = serde_json::from_slice(&alias.body).unwrap();
    assert_eq!(field(&alias, "response_code"), "72147");
    assert_eq!(field(&alias, "response_message"), "Process batch request received");
    assert_eq!(field(&ask(gateway, merchant, "PROCESS_BATCH", "B-1"), "response_code"), "73140", "once");
    assert_eq!(field(&ask(gateway, merchant, "GET_BATCH_RESULTS", "B-1"), "response_code"), "71140");
    let shown: Value =
        serde_json::from_str(&gateway.run_well(&["batch", "status", "B-1", "--format", "json"])).unwrap();
    assert_eq!(
        (&shown["state"], &shown["rows"]["rows"], &shown["rows"]["refused"]),
        (&"processing".into(), &4060.into(), &4000.into())
    );
    let results = results(gateway, merchant, "B-1");
    assert_eq!(results.lines().count(), 4061);
    let refused: Vec<String> = results.lines().skip(1).take(4000).map(|line| column(line, "Line_Number")).collect();
    assert_eq!(refused, (62..4062).map(|line| line.to_string()).collect::<Vec<_>>(), "as they were judged");
    assert_eq!(field(&ask(gateway, merchant, "PROCESS_BATCH", "B-1"), "response_code"), "72147", "without effect");
    assert_eq!(crate::support::batches::results(gateway, merchant, "B-1"), results);
    let story = gateway.run_well(&["explain", "R-7"]);
    assert!(story.contains("batch_reference") && story.contains("B-1") && story.contains("batch_line"), "{story}");
}

#[test]
fn a_file_of_which_no_row_can_be_used_is_invalid() {
    let bed = Bed::start();
    let (gateway, merchant) = (&bed.gateway, &bed.merchant);
    let long = format!("command,order_description\nREFUND,\"{}\n", "x".repeat(40_000));
    for (place, (content, code, refused)) in [
        ("command,merchant_reference\n".as_bytes().to_vec(), "77136", "73136"),
        (b"command,merchant_reference\nREFUND,R-1\nSALE,R-2\n".to_vec(), "77136", "73136"),
        (b"command,merchant_reference\nREFUND,\xff\n".to_vec(), "77136", "73136"),
        (long.into_bytes(), "77136", "73136"),
    ]
    .into_iter()
    .enumerate()
    {
        let reference = format!("B-{place}");
        assert_eq!(field(&upload(gateway, merchant, &reference, "rows.csv", &content), "response_code"), "50000");
        let told = validated(gateway, merchant, &reference);
        assert_eq!((field(&told, "response_code"), field(&told, "status")), (code, "77"), "{place}: {told:?}");
        let asked = ask(gateway, merchant, "PROCESS_BATCH", &reference);
        assert_eq!(field(&asked, "response_code"), refused, "{place}: {asked:?}");
    }
    let why = gateway.run_well(&["batch", "errors", "B-1"]);
    assert!(
        why.contains("line 2") && why.contains("00001") && why.contains("line 3") && why.contains("00004"),
        "{why}"
    );
}

#[test]
fn a_card_number_in_a_cell_refuses_its_row_and_is_kept_nowhere() {
    let bed = Bed::start();
    let (gateway, merchant) = (&bed.gateway, &bed.merchant);
    bed.order("PURCHASE", "good", "500", "AED", MASTERCARD_CARD);
    let filler = format!("REFUND,no-such-order,100,AED,{}\n", "y".repeat(140)).repeat(1000);
    let file = format!(
        "command,merchant_reference,amount,currency,order_description\nREFUND,good,500,AED,fine\n\
         REFUND,good,500,AED,card {STRAY}\nREFUND,4111-1111-1111-1111,500,AED,x\n{filler}"
    );
    assert!(file.len() > 2 * 64 * 1024, "more than is held in memory");
    let results = carried_out(gateway, merchant, "B-1", &file);
    let lines: Vec<&str> = results.lines().collect();
    assert_eq!((column(lines[1], "Line_Number"), column(lines[1], "response_code")), ("3".into(), "00033".into()));
    assert_eq!(
        (column(lines[2], "response_code"), column(lines[2], "merchant_reference")),
        ("00033".into(), "4111-11**-****-1111".into())
    );
    assert_eq!(column(lines[1003], "response_code"), "06000", "the good row, last");
    let errors = gateway.run_well(&["batch", "errors", "B-1"]);
    assert!(errors.contains("order_description") && errors.contains("merchant_reference"), "{errors}");
    let mut sinks = secrets::files(&gateway.data);
    sinks.push(secrets::Sink::text("the log", gateway.output()));
    for sink in sinks {
        for number in [STRAY, "4111-1111-1111-1111"] {
            let found = sink.bytes.windows(number.len()).any(|piece| piece == number.as_bytes());
            assert!(!found, "{} holds a card number", sink.name);
        }
    }
}

#[test]
fn a_row_of_unknown_outcome_ends_when_its_operation_is_settled() {
    let bed = Bed::start();
    let (gateway, merchant) = (&bed.gateway, &bed.merchant);
    bed.token("t-1", None, VISA_CARD);
    bed.order("AUTHORIZATION", "held", "500", "AED", MASTERCARD_CARD);
    // The purchase is reversed in the end, the capture repeated until the network counts it.
    for reference in ["R-1", "held"] {
        gateway.run_well(&["fault", "set", "--behaviour", "silent", "--merchant-reference", reference]);
    }
    let file = "command,merchant_reference,amount,currency,customer_email,eci,token_name\n\
                PURCHASE,R-1,100,AED,a@b.example,RECURRING,t-1\nCAPTURE,held,500,AED,,,\n\
                PURCHASE,R-2,100,AED,a@b.example,RECURRING,t-1\n";
    let results = carried_out(gateway, merchant, "B-1", file);
    let code_of = |reference: &str| {
        let line = results.lines().skip(1).find(|line| column(line, "merchant_reference") == reference).unwrap();
        column(line, "response_code")
    };
    let now = |reference: &str| {
        let told = gateway.call(merchant, &crate::support::status(reference));
        field(&told, "transaction_code").to_owned()
    };
    assert_eq!((code_of("held"), code_of("R-2")), ("04000".into(), "14000".into()), "{results}");
    assert_eq!(code_of("R-1"), now("R-1"), "what CHECK_STATUS tells: {results}");
    assert!(!results.contains("15777"), "nothing is told before it is known: {results}");
    let first = column(results.lines().nth(1).unwrap(), "merchant_reference");
    assert_eq!(first, "R-2", "what is known first comes first: {results}");
}

#[test]
fn a_file_of_payment_links_makes_a_link_of_each_good_row() {
    let bed = Bed::start();
    let (gateway, merchant) = (&bed.gateway, &bed.merchant);
    gateway.run_well(&[
        "link",
        "create",
        "demo",
        "--reference",
        "B-0",
        "--amount",
        "1.00",
        "--email",
        "a@b.example",
        "--id",
        "LINK-0",
    ]);
    let until = ahead(30);
    let own =
        "service_command,merchant_reference,amount,currency,customer_email,request_expiry_date,notification_type,\
               payment_link_id\n\
               PAYMENT_LINK,B-1,100,AED,a@b.example,UNTIL,NONE,LINK-1\n\
               PAYMENT_LINK,B-1,100,AED,a@b.example,UNTIL,NONE,LINK-2\n\
               PAYMENT_LINK,B-3,1.00,AED,a@b.example,UNTIL,NONE,\n\
               PAYMENT_LINK,B-4,100,AED,a@b.example,2020-01-31T23:59:59+04:00,NONE,\n\
               PURCHASE,B-5,100,AED,a@b.example,UNTIL,NONE,\n\
               PAYMENT_LINK,B-6,100,AED,a@b.example,UNTIL,NONE,LINK-0\n\
               PAYMENT_LINK,B-7,100,AED,card 4005550000000001,UNTIL,NONE,\n"
            .replace("UNTIL", &until);
    let told = carried_out(gateway, merchant, "own", &own);
    let columns = "currency,payment_link_id,payment_link";
    assert!(told.lines().next().unwrap().ends_with(columns), "{told}");
    let line_of = |line: &str| told.lines().skip(1).find(|row| column(row, "Line_Number") == line).unwrap().to_owned();
    for (line, code) in
        [("2", "48000"), ("3", "00066"), ("4", "00002"), ("5", "00033"), ("6", "00004"), ("7", "00126"), ("8", "00033")]
    {
        assert_eq!(column(&line_of(line), "response_code"), code, "{told}");
    }
    let good = line_of("2");
    assert_eq!((column(&good, "payment_link_id").as_str(), column(&good, "fort_id").as_str()), ("LINK-1", ""));
    assert_eq!(column(&good, "amount"), "100");
    let asked =
        gateway.call(merchant, &[("query_command", "CHECK_PAYMENT_LINK_STATUS"), ("merchant_reference", "B-1")]);
    assert_eq!((field(&asked, "payment_link_status"), field(&asked, "payment_link_id")), ("Open", "LINK-1"));
    let address = column(&good, "payment_link");
    let shown = gateway.run_well(&["link", "show", "demo", "LINK-1"]);
    assert!(address.contains("/pay/") && shown.contains(&address), "{address}: {shown}");
    let code = address.rsplit('/').next().unwrap().to_owned();
    for sink in secrets::files(&gateway.data) {
        assert!(!sink.bytes.windows(code.len()).any(|piece| piece == code.as_bytes()), "{} holds it", sink.name);
    }
    assert!(!gateway.output().contains(&code), "nor does the log");
}

#[test]
fn the_sample_of_payment_links_makes_its_links_once() {
    let bed = Bed::start();
    let (gateway, merchant) = (&bed.gateway, &bed.merchant);
    let until = ahead(30);
    bed.order("PURCHASE", "INV-2026-0004", "500", "AED", VISA_CARD);
    // Nobody is told here, and the dates of the sample are further away than a link may last.
    let mut silent = sample("payment_links.csv");
    for (from, to) in [("\"SMS,EMAIL\"", "NONE"), (",SMS,", ",NONE,"), (",EMAIL,", ",NONE,"), (",EGP,", ",AED,")] {
        silent = silent.replace(from, to);
    }
    for date in [
        "2030-01-31T23:59:59+04:00",
        "2030-01-31T23:59:59+03:00",
        "2030-02-15T12:00:00+03:00",
        "2030-02-15T12:00:00+02:00",
    ] {
        silent = silent.replace(date, &until);
    }
    let told = carried_out(gateway, merchant, "sample", &silent);
    let codes: Vec<(String, String)> =
        told.lines().skip(1).map(|row| (column(row, "merchant_reference"), column(row, "response_code"))).collect();
    let expected = [
        ("INV-2026-0004", "00066"),
        ("INV-2026-0001", "48000"),
        ("INV-2026-0002", "48000"),
        ("INV-2026-0003", "48000"),
    ];
    let mut codes: Vec<(&str, &str)> = codes.iter().map(|(reference, code)| (&**reference, &**code)).collect();
    codes[1..].sort_unstable();
    assert_eq!(codes, expected, "what is refused comes first");
    let again = carried_out(gateway, merchant, "again", &silent.replace("INV-2026-0004", "INV-5"));
    let refused = again.lines().skip(1).filter(|line| column(line, "response_code") == "00150").count();
    assert_eq!(refused, 3, "links are open for these references: {again}");
}

#[test]
fn a_batch_waits_for_its_execution_date_and_can_be_cancelled_before() {
    let bed = Bed::start();
    let (gateway, merchant) = (&bed.gateway, &bed.merchant);
    bed.token("t-1", None, VISA_CARD);
    let header = "command,merchant_reference,amount,currency,customer_email,eci,token_name\n";
    for reference in ["early", "late", "given-up"] {
        let file = format!("{header}PURCHASE,of-{reference},100,AED,a@b.example,RECURRING,t-1\n");
        assert_eq!(field(&upload(gateway, merchant, reference, "rows.csv", file.as_bytes()), "response_code"), "50000");
        assert_eq!(field(&validated(gateway, merchant, reference), "response_code"), "70000");
    }
    let process = |reference: &str, date: &str| {
        let params = [("service_command", "PROCESS_BATCH"), ("batch_reference", reference), ("execution_date", date)];
        let answer = post(&gateway.address, "/FortAPI/batchApi", &merchant.sign(&params), "application/json");
        let fields: serde_json::Map<String, Value> = serde_json::from_slice(&answer.body).unwrap();
        merchant.check(&fields);
        fields
    };
    for date in ["tomorrow", "2020-01-01T00:00:00+00:00", &ahead(400)] {
        let refused = process("early", date);
        assert_eq!(
            (field(&refused, "response_code"), field(&refused, "status")),
            ("73137", "73"),
            "{date}: {refused:?}"
        );
    }
    let date = ahead(3);
    let accepted = process("early", &date);
    assert_eq!((field(&accepted, "response_code"), field(&accepted, "execution_date")), ("72148", &*date));
    assert_eq!(field(&process("given-up", &date), "response_code"), "72148");
    assert_eq!(field(&process("early", &date), "response_code"), "73148", "once");
    let told = ask(gateway, merchant, "GET_BATCH_RESULTS", "early");
    assert_eq!(field(&told, "response_code"), "71148");
    assert_eq!(field(&told, "execution_date"), date.replace("+00:00", "Z"));
    let status = gateway.run_well(&["batch", "status", "early"]);
    assert!(status.contains("waiting for its date") && status.contains(&date[..19]), "{status}");
    let cancelled = gateway.run_well(&["batch", "cancel", "given-up"]);
    assert!(cancelled.contains("cancelled"), "{cancelled}");
    gateway.run_well(&["clock", "advance", "2d"]);
    assert_eq!(field(&ask(gateway, merchant, "GET_BATCH_RESULTS", "early"), "response_code"), "71148", "not yet");
    gateway.run_well(&["clock", "advance", "25h"]);
    let results = results(gateway, merchant, "early");
    assert!(results.contains("\"14000\""), "{results}");
    let too_late = gateway.run(&["batch", "cancel", "early"]);
    assert!(crate::support::text(&too_late.stderr).contains("the batch is done"), "{too_late:?}");
    for (service, code) in [("GET_BATCH_RESULTS", "71144"), ("PROCESS_BATCH", "73144")] {
        assert_eq!(field(&ask(gateway, merchant, service, "given-up"), "response_code"), code);
    }
    let nothing = gateway.call(merchant, &crate::support::status("of-given-up"));
    assert_eq!(field(&nothing, "response_code"), "12036", "none of its rows was begun: {nothing:?}");
}

#[test]
fn the_command_line_takes_a_batch_through() {
    let bed = Bed::start();
    let gateway = &bed.gateway;
    bed.order("PURCHASE", "paid", "500", "AED", VISA_CARD);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refunds-7.csv");
    std::fs::write(&path, "command,merchant_reference,amount,currency\nREFUND,paid,500,AED\nREFUND,paid,x,AED\n")
        .unwrap();
    let uploaded = gateway.run_well(&["batch", "upload", path.to_str().unwrap()]);
    assert!(uploaded.contains("50000") && uploaded.contains("refunds-7"), "{uploaded}");
    let status = gateway.run_well(&["batch", "status", "refunds-7", "--watch"]);
    assert!(status.contains("validated with errors") && status.contains("100%"), "{status}");
    assert!(gateway.run_well(&["batch", "results", "refunds-7"]).contains("tollgate batch process refunds-7"));
    assert!(gateway.run_well(&["batch", "process", "refunds-7"]).contains("72147"));
    wait_for("the batch is done", || gateway.run_well(&["batch", "list"]).contains("done").then_some(()));
    let output = folder.path().join("out.csv");
    gateway.run_well(&["batch", "results", "refunds-7", "--output", output.to_str().unwrap()]);
    let results = std::fs::read_to_string(output).unwrap();
    assert!(results.contains("\"2\",\"06000\",\"Success\"") && results.contains("\"3\",\"00002\""), "{results}");
    assert_eq!(gateway.run_well(&["batch", "results", "refunds-7"]), results);
    let unknown = gateway.run("batch status nothing".split(' ').collect::<Vec<_>>().as_slice());
    assert!(crate::support::text(&unknown.stderr).contains("tollgate batch list"), "{unknown:?}");
    accounts::set(gateway, "demo", &["--batch", "off"]);
    let off = call(gateway, &bed.merchant, "GET_BATCH_RESULTS", "refunds-7");
    assert!(crate::support::text(&off.body).contains("00093"));
}
