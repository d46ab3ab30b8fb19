//! `tollgate pci`: which questionnaire a merchant's payments point to, and evidence for an assessor.

use crate::support::customer::Customer;
use crate::support::secrets::{Forbidden, files};
use crate::support::{Gateway, Merchant, accounts, field, page, payment, text};
use serde_json::Value;

const CARD: &str = "4005550000000001";

fn scope(gateway: &Gateway, merchant: &str) -> Value {
    serde_json::from_str(&gateway.run_well(&["pci", "scope", merchant, "--format", "json"])).unwrap()
}

fn by_token<'a>(reference: &'a str, token: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut params = payment("PURCHASE", reference, "1000", CARD);
    params.retain(|(name, _)| !name.starts_with("card_") && *name != "expiry_date");
    params.push(("token_name", token));
    params
}

fn approved(gateway: &Gateway, merchant: &Merchant, params: &[(&str, &str)]) -> serde_json::Map<String, Value> {
    let answer = gateway.call(merchant, params);
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    answer
}

#[test]
fn the_scope_follows_the_routes_that_were_used_and_names_the_request_that_made_it_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &[]);
    let demo = gateway.demo();
    assert_eq!(scope(&gateway, "demo")["questionnaire"], Value::Null, "nothing was used");
    // A request that is refused uses nothing.
    let refused = gateway.call(&demo, &payment("PURCHASE", "refused", "0", CARD));
    assert_eq!(field(&refused, "response_code"), "00005", "{refused:?}");
    assert_eq!(scope(&gateway, "demo")["routes"], serde_json::json!([]));

    let first =
        approved(&gateway, &demo, &[payment("PURCHASE", "first", "1000", CARD), vec![("remember_me", "YES")]].concat());
    // It is durable with the payment: a gateway that is killed right after has it.
    gateway.kill();
    let gateway = Gateway::start_in(&data, &[]);
    let told = scope(&gateway, "demo");
    assert_eq!((&told["questionnaire"], &told["title"]), (&"saq-d".into(), &"SAQ D for Merchants".into()));
    let because = &told["because"];
    assert_eq!(because["route"], "trusted-clear");
    assert_eq!(because["first"]["merchant_reference"], "first");
    assert_eq!(because["first"]["fort_id"], field(&first, "fort_id"));
    assert_eq!(told["since"], because["first"]["at"]);

    approved(&gateway, &demo, &by_token("by-token", field(&first, "token_name")));
    approved(&gateway, &demo, &payment("PURCHASE", "second", "1000", CARD));
    let told = scope(&gateway, "demo");
    let routes: Vec<&Value> = told["routes"].as_array().unwrap().iter().map(|route| &route["route"]).collect();
    assert_eq!(routes, ["trusted-clear", "token"]);
    assert_eq!(told["because"]["first"]["merchant_reference"], "first", "the first use stays");
    // The next day's first use is noted, and none after it on that day.
    gateway.run_well(&["clock", "advance", "1d"]);
    for reference in ["next-day", "later-that-day"] {
        approved(&gateway, &demo, &payment("PURCHASE", reference, "1000", CARD));
    }
    let told = scope(&gateway, "demo");
    assert_eq!(told["routes"][0]["last"]["merchant_reference"], "next-day");
    assert_eq!(told["routes"][0]["first"]["merchant_reference"], "first");

    let shown = gateway.run_well(&["pci", "scope", "demo"]);
    for part in ["SAQ D for Merchants", "order first", "since", "in clear", "saq-d-sp"] {
        assert!(shown.contains(part), "{part} is missing: {shown}");
    }
    accounts::set(&gateway, "demo", &["--pci-scope", "saq-d-sp"]);
    assert_eq!(scope(&gateway, "demo")["title"], "SAQ D for Service Providers");
    let said = gateway.run_badly(&["pci", "scope", "nobody"]);
    assert!(said.contains("there is no merchant nobody"), "{said}");
}

#[test]
fn a_merchant_that_only_uses_tokens_points_to_saq_a_and_each_has_its_own_scope() {
    let gateway = Gateway::start();
    let (demo, other) = (gateway.demo(), accounts::add(&gateway, "other", &[]));
    let first =
        approved(&gateway, &demo, &[payment("PURCHASE", "first", "1000", CARD), vec![("remember_me", "YES")]].concat());
    let all: Value = serde_json::from_str(&gateway.run_well(&["pci", "scope", "--format", "json"])).unwrap();
    let told: Vec<(&Value, &Value)> =
        all.as_array().unwrap().iter().map(|scope| (&scope["merchant"], &scope["questionnaire"])).collect();
    assert_eq!(told, [(&"demo".into(), &"saq-d".into()), (&"other".into(), &Value::Null)]);
    // Another merchant's token is none of its own.
    let answer = gateway.call(&other, &by_token("foreign", field(&first, "token_name")));
    assert_eq!(field(&answer, "response_code"), "00044", "{answer:?}");
    assert_eq!(scope(&gateway, "other")["routes"], serde_json::json!([]));
}

#[test]
fn a_merchant_whose_customers_type_on_the_gateways_page_points_to_saq_a() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    accounts::set(&gateway, "demo", &["--pci-scope", "saq-a"]);
    let form = [
        ("command", "PURCHASE"),
        ("merchant_reference", "first"),
        ("amount", "1000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("return_url", "https://shop.example/back"),
    ];
    let customer = Customer::arrive(&gateway, &demo, &form);
    assert_eq!(scope(&gateway, "demo")["routes"], serde_json::json!([]), "a page alone is no payment");
    let back = customer.pay(&demo, CARD, &[]);
    assert_eq!(field(&back.fields, "response_code"), "14000", "{:?}", back.fields);
    let told = scope(&gateway, "demo");
    assert_eq!((&told["questionnaire"], &told["title"]), (&"saq-a".into(), &"SAQ A".into()));
    assert_eq!(told["because"]["route"], "hosted-page");
    assert_eq!(told["because"]["first"]["merchant_reference"], "first");
    assert_eq!(told["contradictions"], serde_json::json!([]));
    let shown = gateway.run_well(&["pci", "scope", "demo"]);
    assert!(shown.contains("points to   SAQ A (") && shown.contains("the gateway's own page: order first"), "{shown}");
    // The same merchant's server with a card in clear widens it.
    approved(&gateway, &demo, &payment("PURCHASE", "second", "1000", CARD));
    let told = scope(&gateway, "demo");
    assert_eq!((&told["questionnaire"], &told["because"]["route"]), (&"saq-d".into(), &"trusted-clear".into()));
    let routes: Vec<&Value> = told["routes"].as_array().unwrap().iter().map(|route| &route["route"]).collect();
    assert!(routes.contains(&&Value::from("hosted-page")), "{routes:?}");
    assert_eq!(told["contradictions"].as_array().unwrap().len(), 1, "it says SAQ A");
}

#[test]
fn a_merchant_with_a_form_of_its_own_points_to_saq_a_ep() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let routes = || -> Vec<String> {
        let told = scope(&gateway, "demo");
        let routes = told["routes"].as_array().unwrap().iter();
        routes.map(|route| route["route"].as_str().unwrap().to_owned()).collect()
    };
    // What is refused keeps no card.
    let back = page::submit(&gateway, &demo, &page::form("TOKENIZATION", "refused", "4005550000000002"));
    assert_eq!(field(&back.fields, "response_code"), "00016", "{:?}", back.fields);
    assert_eq!(routes(), [] as [&str; 0]);
    let back = page::submit(&gateway, &demo, &page::form("TOKENIZATION", "form", CARD));
    assert_eq!(field(&back.fields, "response_code"), "18000", "{:?}", back.fields);
    let token = field(&back.fields, "token_name");
    let told = scope(&gateway, "demo");
    assert_eq!((&told["questionnaire"], &told["title"]), (&"saq-a-ep".into(), &"SAQ A-EP".into()));
    assert_eq!(told["because"]["route"], "own-form");
    assert_eq!(told["because"]["first"]["merchant_reference"], "form");
    assert_eq!(told["because"]["first"]["fort_id"], Value::Null, "no order was made");
    // Its payments bring a token, and nothing of how the card came.
    approved(&gateway, &demo, &by_token("first", token));
    page::submit(&gateway, &demo, &page::form("TOKENIZATION", "later-that-day", CARD));
    assert_eq!(routes(), ["token", "own-form"]);
    let told = scope(&gateway, "demo");
    assert_eq!(told["routes"][0]["last"]["merchant_reference"], "first");
    assert_eq!(told["routes"][1]["last"]["merchant_reference"], "form");
    // A declared SAQ A is contradicted by it, and SAQ A-EP is not.
    for (declared, contradictions) in [("saq-a", 1), ("saq-a-ep", 0)] {
        accounts::set(&gateway, "demo", &["--pci-scope", declared]);
        assert_eq!(scope(&gateway, "demo")["contradictions"].as_array().unwrap().len(), contradictions, "{declared}");
    }
    let shown = gateway.run_well(&["pci", "scope", "demo"]);
    assert!(shown.contains("points to   SAQ A-EP") && shown.contains("a card kept by request form at"), "{shown}");
}

#[test]
fn a_form_that_keeps_a_card_is_a_route_by_itself_and_whose_form_it_was_decides() {
    let gateway = Gateway::start();
    let kept = |name: &str, own_form: bool, service: &str| -> (Merchant, String) {
        let shop = accounts::add(&gateway, name, &[]);
        if own_form {
            accounts::set(&gateway, name, &["--custom-page", "on"]);
        }
        let typed: Vec<(&str, &str)> = page::form(service, "kept", CARD);
        let card = ["card_number", "expiry_date", "card_security_code"];
        let back = match own_form {
            true => page::submit(&gateway, &shop, &typed),
            false => {
                let form: Vec<_> = typed.into_iter().filter(|(name, _)| !card.contains(name)).collect();
                Customer::arrive(&gateway, &shop, &form).pay(&shop, CARD, &[])
            }
        };
        assert_eq!(
            field(&back.fields, "status"),
            if service == "TOKENIZATION" { "18" } else { "52" },
            "{:?}",
            back.fields
        );
        (shop, field(&back.fields, "token_name").to_owned())
    };
    for (name, own_form, service, questionnaire, route) in [
        ("own-create", true, "CREATE_TOKEN", "saq-a-ep", "own-form"),
        ("own-tokenize", true, "TOKENIZATION", "saq-a-ep", "own-form"),
        ("page-tokenize", false, "TOKENIZATION", "saq-a", "hosted-page"),
    ] {
        let (shop, token) = kept(name, own_form, service);
        approved(&gateway, &shop, &by_token("paid", &token));
        let told = scope(&gateway, name);
        assert_eq!(told["questionnaire"], questionnaire, "{name}: {told}");
        let routes: Vec<_> = told["routes"].as_array().unwrap().iter().map(|used| used["route"].clone()).collect();
        assert_eq!(routes, ["token", route], "{name}");
        assert_eq!(told["routes"][1]["first"]["merchant_reference"], "kept", "{name}");
    }
}

#[test]
fn a_verified_card_came_as_the_card_of_a_payment_does() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let verification = [
        ("service_command", "VERIFY_CARD"),
        ("merchant_reference", "verified"),
        ("currency", "AED"),
        ("card_number", CARD),
        ("expiry_date", "3005"),
    ];
    assert_eq!(field(&gateway.call(&demo, &verification), "response_code"), "80000");
    let told = scope(&gateway, "demo");
    assert_eq!(told["questionnaire"], "saq-d");
    assert_eq!(told["because"]["route"], "trusted-clear", "a verification is no mail order");
}

#[test]
fn a_merchant_declared_out_of_scope_that_sends_card_data_is_told_of() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    accounts::set(&gateway, "demo", &["--pci-scope", "saq-a"]);
    let count = "tollgate_pci_scope_contradictions_total{merchant=\"demo\"}";
    assert_eq!(gateway.metric(count), None);
    let first =
        approved(&gateway, &demo, &[payment("PURCHASE", "first", "1000", CARD), vec![("remember_me", "YES")]].concat());
    // What is refused was sent all the same.
    gateway.call(&demo, &payment("PURCHASE", "first", "1000", CARD));
    approved(&gateway, &demo, &by_token("by-token", field(&first, "token_name")));
    assert_eq!(gateway.metric(count), Some(2.0));
    let log = gateway.output();
    assert_eq!(log.matches("its declared PCI DSS questionnaire rules out").count(), 1, "once a day: {log}");
    let told = scope(&gateway, "demo");
    assert_eq!(told["declared"], "saq-a");
    assert_eq!(told["contradictions"].as_array().unwrap().len(), 1);
    assert_eq!(told["contradictions"][0]["first"]["merchant_reference"], "first");
    let shown = gateway.run_well(&["pci", "scope", "demo"]);
    assert!(shown.contains("WARNING") && shown.contains("declared    SAQ A"), "{shown}");
    accounts::set(&gateway, "demo", &["--pci-scope", "saq-d"]);
    approved(&gateway, &demo, &payment("PURCHASE", "third", "1000", CARD));
    assert_eq!(gateway.metric(count), Some(2.0));
    assert_eq!(scope(&gateway, "demo")["contradictions"], serde_json::json!([]));
    let said = gateway.run_badly(&["merchant", "set", "demo", "--pci-scope", "saq-b"]);
    assert!(said.contains("saq-a-ep"), "{said}");
}

#[test]
fn the_evidence_is_whole_and_nothing_secret_is_in_it() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    accounts::set(&gateway, "demo", &["--direct-feedback-url", "http://127.0.0.1:9/hook?key=hook-secret"]);
    let first =
        approved(&gateway, &demo, &[payment("PURCHASE", "first", "1000", CARD), vec![("remember_me", "YES")]].concat());
    approved(&gateway, &demo, &by_token("by-token", field(&first, "token_name")));
    let stray =
        [payment("PURCHASE", "stray", "1000", CARD), vec![("order_description", "4005 5500 0000 0001")]].concat();
    assert_eq!(field(&gateway.call(&demo, &stray), "response_code"), "00033");
    gateway.run_well(&["jwks", "rotate"]);
    gateway.run_well(&["keys", "rotate", "--data-keys"]);

    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("evidence");
    let said = gateway.run_well(&["pci", "evidence", to.to_str().unwrap()]);
    assert!(said.contains("README.md") && !said.contains("WARNING"), "{said}");
    let read = |name: &str| std::fs::read(to.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let json = |name: &str| serde_json::from_slice::<Value>(&read(name)).unwrap();
    let index = json("index.json");
    assert_eq!((&index["sandbox"], &index["pci_dss"]), (&true.into(), &"4.0.1".into()));
    let listed = index["files"].as_array().unwrap();
    for file in listed {
        let name = file["file"].as_str().unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &read(name));
        assert_eq!(file["sha256"], hex::encode(digest), "{name}");
        assert!(text(&read("README.md")).contains(&hex::encode(digest)), "{name}");
    }
    // Everything but the two indexes is listed.
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), listed.len() + 2);
    assert_eq!(mode(&to), 0o700);
    assert_eq!(mode(&to.join("keys.json")), 0o600);

    assert!(!json("keys.json")["data_keys"].as_array().unwrap().is_empty());
    let published = json("channel-keys.json").as_array().unwrap().iter().filter(|key| key["published"] == true).count();
    assert_eq!(published, 2);
    let merchants = json("merchants.json");
    assert_eq!(merchants[0]["name"], "demo");
    assert_eq!(merchants[0]["scope"]["questionnaire"], "saq-d");
    assert!(merchants[0]["attestation"]["verified_by"].is_string(), "{merchants}");
    assert_eq!(json("tls.json")["here"], false);
    let scan = json("scan.json");
    assert_eq!(scan["card_numbers"], 0, "{scan}");
    assert!(scan["database_values"].as_u64().unwrap() > 100 && scan["files"].as_u64().unwrap() > 2, "{scan}");
    let audit = json("audit.json");
    assert_eq!(audit["verified"]["unbroken"], true, "{audit}");
    for counts in ["counts", "counts_of_the_last_365_days"] {
        // By token, once; the one that brought its card revealed nothing.
        assert_eq!(audit[counts]["card revealed"], 1, "{audit}");
        assert_eq!(audit[counts]["data key rotated"], 2, "{audit}");
    }
    let counted = &json("counters.json")["counters"];
    assert_eq!(counted["tollgate_stray_card_numbers_total{merchant=\"demo\"}"], "1", "{counted}");
    let components = json("software.json");
    assert!(components["components"].as_array().unwrap().iter().any(|component| component["name"] == "rustls"));
    assert!(text(&read("configuration.toml")).contains("[server]"));
    assert!(text(&read("matrix.md")).contains("| 3.5.1 |"));

    let operator = std::fs::read_to_string(gateway.data.join("operator.token")).unwrap();
    let secrets = [demo.request_phrase.as_str(), demo.response_phrase.as_str(), operator.trim(), "hook-secret"];
    let sinks = files(&to);
    assert!(sinks.len() > 8);
    for sink in &sinks {
        let content = String::from_utf8_lossy(&sink.bytes);
        assert!(secrets.iter().all(|secret| !content.contains(secret)), "{} holds a secret", sink.name);
    }
    Forbidden::new(&[CARD.to_owned()], &[]).assert_in_none(&sinks);
}

#[test]
fn the_scan_finds_a_card_number_in_a_file_and_in_the_database() {
    let mut gateway = Gateway::start();
    approved(&gateway, &gateway.demo(), &payment("PURCHASE", "first", "1000", CARD));
    assert!(gateway.stop());
    std::fs::create_dir(gateway.data.join("left")).unwrap();
    std::fs::write(gateway.data.join("left").join("export.csv"), format!("a;{CARD};b\n")).unwrap();
    let database = rusqlite::Connection::open(gateway.data.join("tollgate.db")).unwrap();
    database.execute("UPDATE orders SET card_holder = ?1", [format!("Jo {CARD}")]).unwrap();
    drop(database);
    let to = gateway.data.join("evidence");
    let said = gateway.run_well(&["pci", "evidence", to.to_str().unwrap()]);
    assert!(said.contains("WARNING  2 places"), "{said}");
    let scan: Value = serde_json::from_slice(&std::fs::read(to.join("scan.json")).unwrap()).unwrap();
    let places: Vec<&Value> = scan["found"].as_array().unwrap().iter().map(|found| &found["place"]).collect();
    assert_eq!(places, ["left/export.csv", "orders.card_holder"], "{scan}");
    Forbidden::new(&[CARD.to_owned()], &[]).assert_in_none(&files(&to));
    let counters: Value = serde_json::from_slice(&std::fs::read(to.join("counters.json")).unwrap()).unwrap();
    assert_eq!(counters["running"], false);
    let again = gateway.run_badly(&["pci", "evidence", to.to_str().unwrap()]);
    assert!(again.contains("is not empty"), "{again}");
}

fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
