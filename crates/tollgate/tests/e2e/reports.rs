//! Reports against the running binary: what is in them, every refusal, and what happens while they are read.

use crate::support::batches::{Answer, post as post_whole};
use crate::support::customer::Customer;
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::{
    Gateway, Merchant, QUICK, accounts, all_at_once, field, operation, payment, status, text, verification, wait_for,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use tollgate_core::ident::MerchantId;
use tollgate_core::report::ReportColumn;
use tollgate_core::secret::Secret;
use tollgate_store_sqlite::ceiling::fill;

const VISA: &str = "4005550000000001";
const MASTERCARD: &str = "5123450000000008";
/// When the filled orders begin, and well after they end.
const FILLED: [(&str, &str); 2] =
    [("from_date", "2024-01-01T00:00:00+00:00"), ("to_date", "2024-12-31T23:59:59+00:00")];

/// The members of an order for a report over all that there is, besides those given.
fn order(reference: &str, columns: &[&str], more: &[(&str, Value)]) -> Vec<(String, Value)> {
    let mut members = vec![
        ("query_command".to_owned(), json!("GENERATE_REPORT")),
        ("merchant_reference".to_owned(), json!(reference)),
        ("from_date".to_owned(), json!("2020-01-01T03:00:00+03:00")),
        ("to_date".to_owned(), json!("2099-12-31T23:59:59+03:00")),
        ("columns".to_owned(), json!(columns)),
    ];
    for (name, value) in more {
        members.retain(|(known, _)| known != name);
        members.push(((*name).to_owned(), value.clone()));
    }
    members
}

/// A signed body: lists as FORT's documents hash them.
fn signed(merchant: &Merchant, members: &[(String, Value)]) -> Vec<u8> {
    let mut all: Map<String, Value> = members.iter().cloned().collect();
    all.insert("access_code".to_owned(), json!(merchant.access_code));
    all.insert("merchant_identifier".to_owned(), json!(merchant.merchant_identifier));
    let hashed: Vec<(String, String)> = all.iter().map(|(name, value)| (name.clone(), rendered(value))).collect();
    let pairs = hashed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let phrase = Secret::new(merchant.request_phrase.clone());
    let signature = tollgate_fort::signature::sign(pairs, &phrase, merchant.sha_type);
    all.insert("signature".to_owned(), json!(signature));
    serde_json::to_vec(&all).unwrap()
}

fn rendered(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(rendered).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}={}", rendered(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

struct Bed {
    gateway: Gateway,
    merchant: Merchant,
}

impl Bed {
    fn start(environment: &[(&str, &str)]) -> Bed {
        let gateway = Gateway::start_with(&[&QUICK[..], environment].concat());
        let merchant = gateway.demo();
        Bed { gateway, merchant }
    }

    fn post(&self, path: &str, members: &[(String, Value)]) -> Answer {
        post_whole(&self.gateway.address, path, &signed(&self.merchant, members), "application/json")
    }

    /// An answer in JSON, its signature right.
    fn ask(&self, members: &[(String, Value)]) -> Map<String, Value> {
        let answer = self.post("/FortAPI/reportingApi", members);
        let fields: Map<String, Value> =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", text(&answer.body)));
        self.merchant.check(&fields);
        fields
    }

    fn code(&self, members: &[(String, Value)]) -> String {
        field(&self.ask(members), "response_code").to_owned()
    }

    fn about(command: &str, reference: &str, more: &[(&str, &str)]) -> Vec<(String, Value)> {
        let usual = [("query_command", command), ("merchant_reference", reference)];
        usual.iter().chain(more).map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }

    /// Orders a report and waits until it is ready.
    fn ordered(&self, members: &[(String, Value)]) {
        let answer = self.ask(members);
        assert_eq!(field(&answer, "response_code"), "56000", "{answer:?}");
        let (_, reference) = members.iter().find(|(name, _)| name == "merchant_reference").unwrap();
        let reference = reference.as_str().unwrap();
        wait_for("the report is ready", || {
            let code = self.code(&Bed::about("GET_REPORT", reference, &[]));
            assert!(matches!(code.as_str(), "57128" | "56000"), "{code}");
            (code == "56000").then_some(())
        });
    }

    fn download(&self, reference: &str, more: &[(&str, &str)]) -> Answer {
        self.post("/FortAPI/reportingApi", &Bed::about("DOWNLOAD_REPORT", reference, more))
    }

    /// The rows of a report with these columns and filters.
    fn rows(&self, reference: &str, columns: &[&str], filters: &[(&str, &str)]) -> Vec<Vec<String>> {
        let filters: Vec<Value> = filters.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        self.ordered(&order(reference, columns, &[("filters", json!(filters))]));
        let mut rows = csv_rows(&self.download(reference, &[]).body);
        assert_eq!(rows.remove(0), columns);
        rows
    }
}

fn csv_rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn all_columns() -> Vec<&'static str> {
    ReportColumn::ALL.iter().map(|column| column.name()).collect()
}

/// One of each operation; the masks of the cards are of VISA and MASTERCARD.
fn trade(bed: &Bed) {
    let pay = |command: &str, reference: &str, amount: &str, card: &str, more: &[(&str, &str)]| {
        let mut params = payment(command, reference, amount, card);
        params.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        params.extend_from_slice(more);
        field(&bed.gateway.call(&bed.merchant, &params), "response_code").to_owned()
    };
    let then = |command: &str, reference: &str, amount: &str| {
        field(&bed.gateway.call(&bed.merchant, &operation(command, reference, amount)), "response_code").to_owned()
    };
    let typed =
        [("customer_name", "-Layla O'Hara"), ("order_description", "+2 books, 1 lamp"), ("customer_ip", "192.0.2.7")];
    assert_eq!(pay("PURCHASE", "p-1", "1100", VISA, &typed), "14000");
    assert_eq!(then("REFUND", "p-1", "100"), "06000");
    assert_eq!(pay("AUTHORIZATION", "a-1", "2000", MASTERCARD, &[("currency", "SAR")]), "02000");
    let capture = [("command", "CAPTURE"), ("merchant_reference", "a-1"), ("amount", "1500"), ("currency", "SAR")];
    assert_eq!(field(&bed.gateway.call(&bed.merchant, &capture), "response_code"), "04000");
    assert_eq!(pay("AUTHORIZATION", "a-2", "700", VISA, &[("eci", "MOTO")]), "02000");
    assert_eq!(then("VOID_AUTHORIZATION", "a-2", ""), "08000");
    bed.gateway.run_well(&["fault", "set", "--next", "13029", "--merchant-reference", "p-2"]);
    assert_eq!(pay("PURCHASE", "p-2", "900", VISA, &[]), "13029");
    assert_eq!(pay("PURCHASE", "p-3", "800", VISA, &[("token_name", "jo.visa")]), "14000");
    let verified = bed.gateway.call(&bed.merchant, &verification("v-1", VISA, &[]));
    assert_eq!(field(&verified, "response_code"), "80000", "{verified:?}");
}

/// Pays on the gateway's page.
fn pay_on_the_page(bed: &Bed, reference: &str) {
    let params = [
        ("command", "PURCHASE"),
        ("merchant_reference", reference),
        ("amount", "1300"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("return_url", "https://shop.example/back"),
    ];
    let customer = Customer::arrive(&bed.gateway, &bed.merchant, &params);
    let back = customer.pay(&bed.merchant, VISA, &[]);
    assert_eq!(field(&back.fields, "response_code"), "14000");
}

#[test]
fn every_operation_is_a_row_and_every_column_tells_what_is_known() {
    let bed = Bed::start(&[]);
    trade(&bed);
    pay_on_the_page(&bed, "page-1");
    let columns = all_columns();
    let rows = bed.rows("all", &columns, &[]);
    let cells =
        |row: &[String]| -> BTreeMap<&str, String> { columns.iter().copied().zip(row.iter().cloned()).collect() };
    let rows: Vec<BTreeMap<&str, String>> = rows.iter().map(|row| cells(row)).collect();
    let told: Vec<[&str; 6]> = rows
        .iter()
        .map(|row| {
            ["merchant_reference", "operation", "amount", "currency", "response_code", "channel"]
                .map(|name| &*row[name])
        })
        .collect();
    assert_eq!(
        told,
        [
            ["p-1", "purchase", "1100", "AED", "14000", "Trusted"],
            ["p-1", "refund", "100", "AED", "06000", "Trusted"],
            ["a-1", "authorization", "2000", "SAR", "02000", "Trusted"],
            ["a-1", "capture", "1500", "SAR", "04000", "Trusted"],
            ["a-2", "authorization", "700", "AED", "02000", "MOTO"],
            ["a-2", "void authorization", "700", "AED", "08000", "MOTO"],
            ["p-2", "purchase", "900", "AED", "13029", "Trusted"],
            ["p-3", "purchase", "800", "AED", "14000", "Trusted"],
            ["page-1", "purchase", "1300", "AED", "14000", "Redirection"],
        ],
        "verifications have a report of their own"
    );
    let (purchase, refund, declined) = (&rows[0], &rows[1], &rows[6]);
    let number = field(&bed.gateway.call(&bed.merchant, &status("p-1")), "fort_id").to_owned();
    for (name, value) in [
        ("fort_id", number.as_str()),
        ("customer_name", "'-Layla O'Hara"),
        ("order_description", "'+2 books, 1 lamp"),
        ("customer_email", "jo@example.org"),
        ("customer_ip", "192.0.2.7"),
        ("payment_option", "VISA"),
        ("card_number", "400555******0001"),
        ("card_bin", "400555"),
        ("expiry_date", "3005"),
        ("eci", "ECOMMERCE"),
    ] {
        assert_eq!(purchase[name], value, "{name}");
        assert_eq!(refund[name], value, "{name}: what the payment was asked with");
    }
    for (name, value) in [
        ("status", "14"),
        ("response_message", "Success"),
        ("acquirer_response_code", "00"),
        ("third_party_code", "00"),
        ("processor_response_code", "APPROVED"),
        ("3ds_indicator", "no"),
        ("fraud_indicator", "no"),
        ("installments_indicator", "no"),
        ("sadad_olp", ""),
        ("digital_wallet", ""),
        ("Invoice_id", ""),
        ("geolocation_ip", ""),
    ] {
        assert_eq!(purchase[name], value, "{name}");
    }
    assert_eq!(purchase["authorization_code"].len(), 6);
    assert!(!purchase["acquirer_mid"].is_empty());
    assert_eq!((&*rows[7]["token_name"], &*purchase["token_name"]), ("jo.visa", ""));
    assert_eq!((&*declined["acquirer_response_code"], &*declined["processor_response_code"]), ("51", "DECLINED"));
    assert_eq!(declined["authorization_code"], "");
    assert_eq!(rows[8]["customer_ip"], "127.0.0.1", "the address that the page saw");
    for row in &rows {
        for name in ["transaction_date", "order_date"] {
            assert!(row[name].ends_with("+00:00") && row[name].len() == 25, "{}", row[name]);
        }
    }

    let answer = bed.download("all", &[("report_format", "JSON")]);
    assert!(answer.head.contains("application/json"), "{}", answer.head);
    let listed: Vec<BTreeMap<String, String>> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(listed.len(), rows.len());
    assert_eq!((&*listed[0]["customer_name"], &*listed[0]["fort_id"]), ("-Layla O'Hara", number.as_str()), "as it was");
    let answer = bed.download("all", &[]);
    let head = answer.head.to_lowercase();
    assert!(head.contains("content-type: text/csv; charset=utf-8"), "{head}");
    assert!(head.contains("content-disposition: attachment; filename=\"all.csv\""), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert_eq!(text(&answer.body).matches("\r\n").count(), rows.len() + 1);

    // What happens later is none of its rows, and how a row stands is told as it is.
    assert_eq!(
        field(&bed.gateway.call(&bed.merchant, &payment("PURCHASE", "p-9", "5", VISA)), "response_code"),
        "14000"
    );
    assert_eq!(csv_rows(&bed.download("all", &[]).body).len(), rows.len() + 1);
}

#[test]
fn filters_of_one_column_are_either_and_of_several_all() {
    let bed = Bed::start(&[]);
    trade(&bed);
    let references = |name: &str, filters: &[(&str, &str)]| -> Vec<String> {
        bed.rows(name, &["merchant_reference", "operation"], filters).iter().map(|row| row.join(" ")).collect()
    };
    assert_eq!(references("f-1", &[("currency", "SAR")]), ["a-1 authorization", "a-1 capture"]);
    assert_eq!(references("f-2", &[("currency", "SAR"), ("operation", "CAPTURE")]), ["a-1 capture"]);
    let either =
        references("f-3", &[("operation", "refund"), ("currency", "AED"), ("operation", "void authorization")]);
    assert_eq!(either, ["p-1 refund", "a-2 void authorization"]);
    assert_eq!(references("f-4", &[("payment_option", "MASTERCARD"), ("currency", "AED")]), [""; 0]);
    assert_eq!(references("f-5", &[("status", "13")]), ["p-2 purchase"]);
    assert_eq!(references("f-6", &[("3ds_indicator", "YES")]), [""; 0]);
    assert_eq!(references("f-7", &[("channel", "moto")]).len(), 2);
    assert_eq!(references("f-8", &[("card_number", "512345******0008")]).len(), 2, "by the mask");
    let others = accounts::add(&bed.gateway, "other", &[]);
    let body = signed(&others, &Bed::about("DOWNLOAD_REPORT", "f-1", &[]));
    let answer = post_whole(&bed.gateway.address, "/FortAPI/reportingApi", &body, "application/json");
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["response_code"], "57127", "another merchant's report is none");
}

#[test]
fn each_refusal_has_its_code_and_the_explainer_names_the_parameter() {
    let bed = Bed::start(&[("TOLLGATE_REPORT_ROWS_MAX", "3")]);
    let columns = ["fort_id"];
    for (more, code) in [
        (vec![("columns", json!(["fort_id", "secret"]))], "00033"),
        (vec![("columns", json!("fort_id"))], "00002"),
        (vec![("columns", json!([]))], "00001"),
        (vec![("filters", json!([{ "key": "currency" }]))], "00002"),
        (vec![("from_date", json!("yesterday"))], "00002"),
        (vec![("to_date", json!("2019-12-31T23:59:59+03:00"))], "57122"),
        (vec![("query_command", json!("MAKE_REPORT"))], "00004"),
        (vec![("filters", json!([{ "key": "card_number", "value": VISA }]))], "00033"),
    ] {
        assert_eq!(bed.code(&order("wrong", &columns, &more)), code, "{more:?}");
    }
    let story = bed.gateway.run_well(&["explain", "wrong"]);
    assert!(story.contains("57122") && story.contains("to_date") && story.contains("columns"), "{story}");
    assert!(!story.contains(VISA), "{story}");
    for command in ["DOWNLOAD_REPORT", "GET_REPORT"] {
        let answer = bed.ask(&Bed::about(command, "never", &[]));
        assert_eq!(field(&answer, "response_code"), "57127", "{answer:?}");
        assert_eq!(field(&answer, "merchant_reference"), "never");
    }
    // To another address it is no command; unsigned it is nobody's.
    let elsewhere = bed.post("/FortAPI/paymentApi", &order("r-1", &columns, &[]));
    assert!(text(&elsewhere.body).contains("00004"), "{}", text(&elsewhere.body));
    let body = text(&signed(&bed.merchant, &order("r-1", &columns, &[]))).replace("fort_id", "eci");
    let forged = post_whole(&bed.gateway.address, "/FortAPI/reportingApi", body.as_bytes(), "application/json");
    assert!(text(&forged.body).contains("00008"), "{}", text(&forged.body));

    for place in 1..=3 {
        bed.gateway.call(&bed.merchant, &payment("PURCHASE", &format!("p-{place}"), "100", VISA));
    }
    bed.ordered(&order("r-1", &columns, &[]));
    assert_eq!(bed.code(&order("r-1", &columns, &[])), "57066", "the reference is used up");
    bed.gateway.call(&bed.merchant, &payment("PURCHASE", "p-4", "200", VISA));
    assert_eq!(bed.code(&order("r-2", &columns, &[])), "57134");
    for command in ["DOWNLOAD_REPORT", "GET_REPORT"] {
        assert_eq!(bed.code(&Bed::about(command, "r-2", &[])), "57134", "{command}");
    }
    let smaller = [("filters", json!([{ "key": "amount", "value": "100" }]))];
    bed.ordered(&order("r-2", &columns, &smaller));
    let ready = bed.ask(&Bed::about("GET_REPORT", "r-2", &[]));
    assert_eq!((field(&ready, "response_code"), field(&ready, "transactions_count")), ("56000", "3"));

    // XML, and a slash at the end.
    let order = order("r-3", &columns, &[("response_format", json!("XML")), ("filters", smaller[0].1.clone())]);
    let answer = bed.post("/FortAPI/reportingApi/", &order);
    let told = text(&answer.body);
    assert!(told.contains("<response>") && told.contains("<response_code>56000</response_code>"), "{told}");
    assert!(told.contains("<merchant_reference>r-3</merchant_reference>") && told.contains("<signature>"), "{told}");
    let answer = bed.download("never", &[("response_format", "XML")]);
    assert!(text(&answer.body).contains("<response_code>57127</response_code>"), "{}", text(&answer.body));
}

/// A folder with so many orders of 2024 of the demo merchant, and its gateway.
fn filled(orders: u64, environment: &[(&str, &str)]) -> (Bed, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &QUICK);
    assert!(gateway.stop());
    fill(&database(&data), MerchantId(1), 0, orders).unwrap();
    let gateway = Gateway::start_in(&data, &[&QUICK[..], environment].concat());
    let merchant = gateway.demo();
    (Bed { gateway, merchant }, folder)
}

fn database(data: &Path) -> std::path::PathBuf {
    data.join("tollgate.db")
}

fn of_2024<'a>(more: &[(&'a str, Value)]) -> Vec<(&'a str, Value)> {
    FILLED.iter().map(|(name, value)| (*name, json!(value))).chain(more.iter().cloned()).collect()
}

#[test]
fn a_report_of_many_pages_has_each_row_once_while_payments_go_on() {
    const ORDERS: usize = 2_600;
    let (bed, _folder) = filled(ORDERS as u64, &[]);
    let paid = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let paying = scope.spawn(|| {
            all_at_once(4, |payer| {
                let mut count = 0;
                while !paid.load(std::sync::atomic::Ordering::Relaxed) {
                    let reference = format!("live-{payer}-{count}");
                    let answer = bed.gateway.call(&bed.merchant, &payment("PURCHASE", &reference, "100", VISA));
                    assert_eq!(field(&answer, "response_code"), "14000");
                    count += 1;
                }
                count
            })
        });
        bed.ordered(&order("many", &["fort_id", "amount", "transaction_date"], &of_2024(&[])));
        let rows = csv_rows(&bed.download("many", &[]).body);
        // All that is there, payments under way among them, up to the moment of the order.
        bed.ordered(&order("now", &["fort_id", "response_code"], &[]));
        let first = csv_rows(&bed.download("now", &[]).body);
        let second = csv_rows(&bed.download("now", &[]).body);
        paid.store(true, std::sync::atomic::Ordering::Relaxed);
        let live: usize = paying.join().unwrap().into_iter().sum();
        assert!(live > 4, "payments went on: {live}");

        assert_eq!(rows.len(), ORDERS + 1);
        let numbers: BTreeSet<&String> = rows.iter().skip(1).map(|row| &row[0]).collect();
        assert_eq!(numbers.len(), ORDERS, "none twice");
        let dates: Vec<&String> = rows.iter().skip(1).map(|row| &row[2]).collect();
        assert!(dates.is_sorted(), "by the moment at which they were sent");
        let amounts: Vec<u64> = rows.iter().skip(1).map(|row| row[1].parse().unwrap()).collect();
        assert!(amounts.iter().copied().eq((0..ORDERS as u64).map(|place| 1_000 + place)));
        let of = |rows: &[Vec<String>]| rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
        assert_eq!(of(&first), of(&second), "the same rows whenever it is fetched");
        assert!(first.len() > ORDERS + 1 && first.len() <= ORDERS + 1 + live);
    });
}

#[test]
fn a_store_that_fails_in_the_middle_breaks_the_connection_off() {
    let (bed, folder) = filled(1_700, &[]);
    bed.ordered(&order("broken", &all_columns(), &of_2024(&[])));
    let database = rusqlite::Connection::open(database(&folder.path().join("data"))).unwrap();
    let changed = database.execute(
        "UPDATE operations SET kind = 99 WHERE operation_id = (SELECT operation_id FROM operations ORDER BY operation_id \
         LIMIT 1 OFFSET 1300)",
        [],
    );
    assert_eq!(changed.unwrap(), 1);
    for format in ["CSV", "JSON"] {
        let body = signed(&bed.merchant, &Bed::about("DOWNLOAD_REPORT", "broken", &[("report_format", format)]));
        let head = format!(
            "POST /FortAPI/reportingApi HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            bed.gateway.address,
            body.len()
        );
        let mut stream = TcpStream::connect(&bed.gateway.address).unwrap();
        stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        let mut answer = Vec::new();
        // The end of the connection, in order or not, is what the client sees.
        let _ = stream.read_to_end(&mut answer);
        let answer = text(&answer);
        assert!(answer.contains("200 OK") && answer.contains("chunked"), "{}", &answer[..200]);
        let rows = answer.matches("layla@example.com").count();
        assert!((500..1_301).contains(&rows), "{rows} rows before it broke off");
        assert!(!answer.ends_with("0\r\n\r\n"), "the last piece is the sign of a whole answer");
    }
    wait_for("the log says why", || bed.gateway.output().contains("a report cannot be read").then_some(()));
}

#[test]
fn what_a_dead_gateway_did_not_count_is_counted_when_somebody_asks() {
    let (bed, folder) = filled(50, &[]);
    let columns = ["fort_id", "amount"];
    bed.ordered(&order("left", &columns, &of_2024(&[("filters", json!([{ "key": "amount", "value": "1007" }]))])));
    // As a gateway leaves it that is killed between the order and the end of the count.
    let database = rusqlite::Connection::open(database(&folder.path().join("data"))).unwrap();
    let leave = || assert_eq!(database.execute("UPDATE reports SET state = 0, row_count = NULL", []).unwrap(), 1);
    for command in ["GET_REPORT", "DOWNLOAD_REPORT"] {
        leave();
        assert_eq!(bed.code(&Bed::about(command, "left", &[])), "57128", "{command}");
        let ready = wait_for("it is counted", || {
            let answer = bed.ask(&Bed::about("GET_REPORT", "left", &[]));
            (field(&answer, "response_code") == "56000").then_some(answer)
        });
        assert_eq!(field(&ready, "transactions_count"), "1");
    }
    let rows = csv_rows(&bed.download("left", &[]).body);
    assert_eq!((rows.len(), &*rows[1][1]), (2, "1007"));
    // A report that was being counted when its reference was asked for again stays the one that was ordered.
    leave();
    assert_eq!(bed.code(&order("left", &columns, &[])), "57066");
}

#[test]
fn no_more_reports_are_fetched_at_once_than_may_be() {
    let (bed, _folder) = filled(30_000, &[("TOLLGATE_REPORT_DOWNLOADS_AT_ONCE_MAX", "1")]);
    bed.ordered(&order("big", &all_columns(), &of_2024(&[])));
    let body = signed(&bed.merchant, &Bed::about("DOWNLOAD_REPORT", "big", &[]));
    let head = format!(
        "POST /FortAPI/reportingApi HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        bed.gateway.address,
        body.len()
    );
    // Somebody who reads the beginning, and nothing more for now.
    let mut slow = TcpStream::connect(&bed.gateway.address).unwrap();
    slow.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    slow.read_exact(&mut [0; 15]).unwrap();
    assert_eq!(bed.code(&Bed::about("DOWNLOAD_REPORT", "big", &[])), "57129");
    assert_eq!(bed.code(&Bed::about("GET_REPORT", "big", &[])), "56000", "to ask is no download");
    drop(slow);
    wait_for("the place is free again", || {
        let answer = bed.download("big", &[]);
        (!text(&answer.body).contains("57129")).then(|| assert_eq!(csv_rows(&answer.body).len(), 30_001))
    });
}

#[test]
fn the_command_writes_the_same_from_a_running_gateway_and_a_stopped_store() {
    let mut bed = Bed::start(&[]);
    trade(&bed);
    bed.gateway.run_well(&["fault", "set", "--next", "15777", "--merchant-reference", "silent"]);
    let silent = bed.gateway.call(&bed.merchant, &payment("PURCHASE", "silent", "4000", VISA));
    assert_eq!(field(&silent, "response_code"), "15777");
    bed.gateway.wait_for_status(&bed.merchant, "silent", |answer| field(answer, "transaction_code") == "13666");
    let columns = "merchant_reference,operation,amount,currency,response_code";
    let arguments = ["report", "--merchant", "demo", "--columns", columns];
    let running = bed.gateway.run_well(&arguments);
    let rows = csv_rows(running.as_bytes());
    assert_eq!(rows.len(), 1 + 9, "{running}");
    assert_eq!(rows[9], ["silent", "purchase", "4000", "AED", "13666"]);

    let financial = bed.gateway.run_well(&["report", "--kind", "financial", "--columns", "response_code"]);
    assert_eq!(
        financial.lines().skip(1).collect::<Vec<_>>(),
        ["14000", "06000", "02000", "04000", "02000", "08000", "14000"]
    );
    let verifications = bed.gateway.run_well(&["report", "--kind", "verifications", "--columns", columns]);
    let rows = csv_rows(verifications.as_bytes());
    assert_eq!(rows[1..], [["v-1", "card verification", "0", "AED", "80000"]]);
    let filtered = bed.gateway.run_well(&[
        "report",
        "--filter",
        "currency=SAR",
        "--filter",
        "operation=capture",
        "--format",
        "json",
    ]);
    let listed: Vec<BTreeMap<String, String>> = serde_json::from_str(&filtered).unwrap();
    assert_eq!((listed.len(), &*listed[0]["amount"]), (1, "1500"));
    for (wrong, said) in [
        (&["report", "--columns", "secret"][..], "is no column"),
        (&["report", "--merchant", "nobody"], "no merchant nobody"),
        (&["report", "--filter", "currency"], "COLUMN=VALUE"),
        (&["report", "--from", "tomorrow"], "is no moment"),
        (&["report", "--kind", "all"], "financial"),
    ] {
        let told = bed.gateway.run_badly(wrong);
        assert!(told.contains(said), "{wrong:?}: {told}");
    }
    assert_eq!(bed.gateway.run_well(&["report", "--to", "2020-01-01", "--columns", "eci"]), "eci\r\n");

    // Exactly the sums that the card network's own books have.
    let totals: Value = serde_json::from_str(&bed.gateway.run_well(&["report", "totals", "--format", "json"])).unwrap();
    let sum = |currency: &str, operation: &str| -> u64 {
        let found =
            totals.as_array().unwrap().iter().find(|row| row["currency"] == currency && row["operation"] == operation);
        found.map_or(0, |row| row["amount"].as_str().unwrap().parse().unwrap())
    };
    let ledger = bed.gateway.issuer("/ledger/totals");
    let mut compared = 0;
    for row in ledger["currencies"].as_array().unwrap() {
        let currency = row["currency"].as_str().unwrap();
        assert_eq!(
            row["posted"].as_u64().unwrap(),
            sum(currency, "PURCHASE") + sum(currency, "CAPTURE"),
            "{row} {totals}"
        );
        assert_eq!(row["refunded"].as_u64().unwrap(), sum(currency, "REFUND"), "{row} {totals}");
        compared += 1;
    }
    assert_eq!(compared, 2, "{ledger}");
    let readable = bed.gateway.run_well(&["report", "totals"]);
    let before = bed.gateway.run_well(&["report", "--merchant", "demo", "totals"]);
    assert_eq!(before, readable, "options of the selection stand on either side");
    let refused = bed.gateway.run_badly(&["report", "--columns", "all", "totals"]);
    assert!(refused.contains("--columns"), "{refused}");
    assert!(
        readable.lines().any(|line| line.split_whitespace().eq(["AED", "PURCHASE", "2", "1900", "2", "0"])),
        "{readable}"
    );

    assert!(bed.gateway.stop());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.csv");
    let path = file.to_str().unwrap();
    let told = bed.gateway.run_well(&[&arguments[..], &["-o", path]].concat());
    assert_eq!(told, "", "nothing but the file");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), running, "the same without a gateway");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part of it is left beside");

    let report = Sink::text("the report", bed.gateway.run_well(&["report", "--columns", "all"]));
    assert!(text(&report.bytes).contains("400555******0001"));
    let numbers: Vec<String> = [VISA, MASTERCARD].map(str::to_owned).to_vec();
    let mut sinks = files(&bed.gateway.data);
    // The welcome shows how to pay with a test card.
    let log: Vec<String> = bed
        .gateway
        .output()
        .lines()
        .filter(|line| !line.trim_start().starts_with("tollgate pay "))
        .map(str::to_owned)
        .collect();
    sinks.extend([report, Sink::text("the log", log.join("\n"))]);
    Forbidden::new(&numbers, &[]).assert_in_none(&sinks);
}
