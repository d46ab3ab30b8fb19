//! Tokens listed by their merchant (GET_TOKENS), and listed, shown and deleted by an operator.

use crate::support::card_network::CardNetwork;
use crate::support::secrets::files;
use crate::support::shop::*;
use crate::support::{Gateway, accounts, field, payment, text, wait_for};
use serde_json::{Map, Value};
use std::path::Path;

/// Approved, and answered so late as its network was told.
const SLOW: &str = "4005559000004004";
const EVER: [(&str, &str); 2] = [("from_date", "2020-01-01T00:00:00+00:00"), ("to_date", "2099-12-31T23:59:59+00:00")];

#[test]
fn get_tokens_lists_the_merchants_own_by_interval_and_by_name() {
    let shop = Shop::open();
    let none = shop.call(&get_tokens(&EVER));
    assert_code(&none, "54000", "no tokens");
    assert_eq!(field(&none, "data_count"), "0");
    assert!(!none.contains_key("data"), "nothing empty goes out: {none:?}");
    keep(&shop, VISA, "one");
    keep(&shop, MEEZA_19, "two");
    let other = accounts::add(&shop.gateway, "other", &[]);
    let listed = shop.call(&get_tokens(&EVER));
    assert_eq!(names_of(&listed), ["one", "two"]);
    let two = &listed["data"][1];
    assert_eq!(
        (two["card_number"].as_str(), two["card_bin"].as_str()),
        (Some("981895*********0002"), Some("98189505"))
    );
    assert_eq!(names_of(&shop.call(&get_tokens(&[]))), ["one", "two"], "no interval is all of the time");
    assert_eq!(names_of(&shop.call(&get_tokens(&[("token_name", "two")]))), ["two"]);
    assert_eq!(names_of(&shop.call(&get_tokens(&[("token_name", "three")]))), [] as [&str; 0]);
    assert_eq!(names_of(&shop.gateway.call(&other, &get_tokens(&EVER))), [] as [&str; 0], "nobody else's");
    shop.gateway.run_well(&["clock", "advance", "2d"]);
    keep(&shop, MASTERCARD, "three");
    let made = listed["data"][0]["creation_date"].as_str().unwrap();
    let same_second = [("from_date", made), ("to_date", made)];
    assert!(names_of(&shop.call(&get_tokens(&same_second))).contains(&"one".to_owned()), "to_date counts to its end");
    assert_eq!(names_of(&shop.call(&get_tokens(&[("to_date", made), ("token_name", "three")]))), [] as [&str; 0]);
    let later = format!("{}T23:59:59-12:00", &made[..10]);
    assert_eq!(names_of(&shop.call(&get_tokens(&[("from_date", later.as_str())]))), ["three"], "{later}");
}

#[test]
fn get_tokens_refuses_with_its_codes() {
    let shop = Shop::open();
    for (more, code) in [
        (&[EVER[0], ("to_date", "2019-12-31T23:59:59+00:00")] as &[(&str, &str)], "00122"),
        (&[("from_date", "2024-03-01")], "00002"),
        (&[("from_date", "2024-02-30T00:00:00+00:00")], "00002"),
        (&[("to_date", "2024-03-01T00:00:00")], "00002"),
        (&[("response_format", "CSV")], "00033"),
        (&[("token_name", "a b")], "00002"),
        (&[("language", "")], "00001"),
    ] {
        assert_code(&shop.call(&get_tokens(more)), code, &format!("{more:?}"));
    }
    accounts::set(&shop.gateway, "demo", &["--tokens", "off"]);
    assert_code(&shop.call(&get_tokens(&[])), "00038", "the service is off");
}

#[test]
fn get_tokens_answers_xml_when_it_is_asked_for() {
    let shop = Shop::open();
    keep(&shop, VISA, "one");
    keep(&shop, MASTERCARD, "two");
    let asked = get_tokens(&[("response_format", "XML"), ("merchant_reference", "X-1")]);
    let answer = crate::support::wire::post(
        &shop.gateway.address,
        "1.1",
        &["Content-Type: application/json"],
        &shop.merchant.sign(&asked),
    );
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/xml;charset=UTF-8")));
    let body = text(&answer.body);
    assert!(body.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response><"), "{body}");
    assert!(body.contains("<response_code>54000</response_code>") && body.contains("<data_count>2</data_count>"));
    let list = between(&body, "<data_list>", "</data_list>");
    assert_eq!(list.matches("<data>").count(), 2);
    assert!(list.starts_with("<data><card_number>400555******0001</card_number><expiry_date>3005</expiry_date>"));
    // The same fields as in JSON, signed in the same way.
    let mut fields = Map::new();
    for name in ["query_command", "access_code", "merchant_identifier", "merchant_reference", "language"] {
        fields.insert(name.to_owned(), Value::from(element(&body, name)));
    }
    for name in ["response_format", "data_count", "response_code", "response_message", "status", "signature"] {
        fields.insert(name.to_owned(), Value::from(element(&body, name)));
    }
    let members =
        ["card_number", "expiry_date", "token_name", "card_brand", "card_bin", "token_status", "creation_date"];
    let tokens: Vec<Value> = list
        .split("</data>")
        .filter(|token| !token.is_empty())
        .map(|token| members.iter().map(|name| (*name, Value::from(element(token, name)))).collect::<Value>())
        .collect();
    fields.insert("data".to_owned(), Value::Array(tokens));
    shop.merchant.check(&fields);
    // A refusal comes in the same form.
    let asked = get_tokens(&[("response_format", "XML"), ("token_name", "a b")]);
    let (_, refused) = shop.gateway.post_raw(&shop.merchant.sign(&asked), "application/json");
    assert!(text(&refused).contains("<response_code>00002</response_code>"), "{}", text(&refused));
}

#[test]
fn an_operator_lists_and_shows_tokens_of_a_running_and_of_a_stopped_gateway() {
    let mut shop = Shop::open();
    for name in ["a", "b", "c"] {
        keep(&shop, VISA, name);
    }
    let off = [("service_command", "UPDATE_TOKEN"), ("merchant_reference", "U"), ("token_name", "b")];
    assert_code(&shop.call(&with(off.to_vec(), &[("token_status", "INACTIVE")])), "58000", "off");
    for running in [true, false] {
        if !running {
            assert!(shop.gateway.stop());
        }
        let run = |arguments: &[&str]| shop.gateway.run_well(&[&["token"], arguments].concat());
        let listed: Value = serde_json::from_str(&run(&["list", "demo", "--format", "json"])).unwrap();
        let states: Vec<(&str, &str)> = listed["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| (token["token_name"].as_str().unwrap(), token["state"].as_str().unwrap()))
            .collect();
        assert_eq!(states, [("a", "ACTIVE"), ("b", "INACTIVE"), ("c", "ACTIVE")]);
        assert_eq!(listed["more"], false);
        let page = run(&["list", "demo", "--limit", "2"]);
        assert!(page.contains("400555******0001") && page.contains("there are more: go on with --after b"), "{page}");
        let rest = run(&["list", "demo", "--after", "b"]);
        assert!(rest.starts_with("c ") && rest.lines().count() == 1, "{rest}");
        let shown: Value = serde_json::from_str(&run(&["show", "demo", "a", "--format", "json"])).unwrap();
        assert_eq!(
            (shown["card_number"].as_str(), shown["card_brand"].as_str()),
            (Some("400555******0001"), Some("VISA"))
        );
        for (arguments, says) in [
            (["show", "demo", "nosuch"], "has no token \"nosuch\""),
            (["delete", "demo", "nosuch"], "has no token \"nosuch\""),
            (["show", "nobody", "a"], "there is no merchant \"nobody\""),
        ] {
            let said = shop.gateway.run_badly(&[&["token"], &arguments[..]].concat());
            assert!(said.contains(says), "{said}");
        }
    }
    let output = shop.gateway.run_well(&["token", "delete", "demo", "a"]);
    assert!(output.contains("token a (400555******0001) is deleted"), "{output}");
    let left = shop.gateway.run_well(&["token", "list", "demo"]);
    assert!(!left.contains("\na ") && !left.starts_with("a ") && left.contains("b "), "{left}");
}

#[test]
fn a_deleted_token_is_gone_for_good_and_its_sealed_card_is_in_no_file() {
    let shop = Shop::open();
    for number in 0..40 {
        keep(&shop, VISA, &format!("other-{number}"));
    }
    keep(&shop, VISA, "gone");
    let kept = shop.pay("PURCHASE", VISA, &[]);
    let sealed = sealed_card(&shop.gateway.data, "gone");
    assert!(holds(&shop.gateway.data, &sealed) > 0, "before");
    let output = shop.gateway.run_well(&["token", "delete", "demo", "gone"]);
    assert!(output.contains("no file of the data folder holds the card"), "{output}");
    assert_eq!(holds(&shop.gateway.data, &sealed), 0, "while the gateway runs");
    assert_code(&by_token(&shop, "gone"), "00044", "gone");
    assert_eq!(names_of(&shop.call(&get_tokens(&EVER))).len(), 40, "the others stay");
    assert_code(&by_token(&shop, "other-7"), "14000", "the others pay");
    let reference = field(&kept, "merchant_reference");
    assert_code(
        &shop.call(&crate::support::operation("REFUND", reference, "1")),
        "06000",
        "orders keep what they need",
    );
    keep(&shop, MASTERCARD, "gone");
    assert_eq!(field(&by_token(&shop, "gone"), "card_number"), "512345******2346", "the name is free again");
}

#[test]
fn a_payment_whose_token_is_deleted_meanwhile_names_none() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &["--late-ms", "1500"]);
    let environment = [("TOLLGATE_ACQUIRER_ADDRESS", network.iso.as_str())];
    let gateway = Gateway::serve(&folder.path().join("data"), &["--dev", "--no-issuer"], &environment);
    let demo = gateway.demo();
    for reference in ["SAVES", "USES"] {
        let keeping = format!("{reference}-0");
        let first = with(payment("PURCHASE", &keeping, "1000", SLOW), &[("token_name", "mine")]);
        assert_code(&gateway.call(&demo, &first), "14000", "kept");
        let mut slow = with(payment("PURCHASE", reference, "1000", SLOW), &[("token_name", "mine")]);
        if reference == "USES" {
            slow.retain(|(name, _)| !matches!(*name, "card_number" | "expiry_date"));
        }
        let answer = std::thread::scope(|scope| {
            let paying = scope.spawn(|| gateway.call(&demo, &slow));
            wait_for("the payment is in flight", || (gateway.metric("tollgate_link_in_flight")? >= 1.0).then_some(()));
            gateway.run_well(&["token", "delete", "demo", "mine"]);
            paying.join().unwrap()
        });
        assert_code(&answer, "14000", reference);
        assert!(!answer.contains_key("token_name"), "{reference}: {answer:?}");
        assert_eq!(field(&answer, "card_number"), "400555******4004", "the mask stays");
    }
}

#[test]
fn call_prints_an_answer_in_xml_as_it_came() {
    let shop = Shop::open();
    keep(&shop, VISA, "one");
    let asked = ["call", "GET_TOKENS", "response_format=XML"];
    let told = shop.gateway.run_well(&asked);
    assert!(told.contains("signature not checked") && told.contains("<token_name>one</token_name>"), "{told}");
    let both: Value =
        serde_json::from_str(&shop.gateway.run_well(&[&asked[..], &["--format", "json"]].concat())).unwrap();
    let answer = both["answer"].as_str().unwrap();
    assert!(answer.starts_with("<?xml") && answer.contains("<data_count>1</data_count>"), "{both}");
    // Whoever asks for XML elsewhere has JSON back, checked as always.
    let told = shop.gateway.run_well(&["call", "CHECK_STATUS", "merchant_reference=none", "response_format=XML"]);
    assert!(told.contains("answer (signature checked)"), "{told}");
}

fn get_tokens<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    with(vec![("query_command", "GET_TOKENS")], more)
}

/// Keeps the card under the name, by a payment.
fn keep(shop: &Shop, card: &str, name: &str) {
    assert_code(&shop.pay("PURCHASE", card, &[("token_name", name)]), "14000", name);
}

fn by_token(shop: &Shop, name: &str) -> Map<String, Value> {
    let reference = shop.reference();
    let mut params = payment("PURCHASE", &reference, "15000", VISA);
    params.retain(|(name, _)| !matches!(*name, "card_number" | "expiry_date"));
    shop.call(&with(params, &[("token_name", name)]))
}

/// The names in an answer to GET_TOKENS, whose count has to be right.
fn names_of(answer: &Map<String, Value>) -> Vec<String> {
    assert_code(answer, "54000", "listed");
    let tokens = answer.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    assert_eq!(field(answer, "data_count"), tokens.len().to_string());
    tokens.iter().map(|token| token["token_name"].as_str().unwrap().to_owned()).collect()
}

/// The sealed card that the running gateway keeps under a name.
fn sealed_card(data: &Path, name: &str) -> Vec<u8> {
    let database = rusqlite::Connection::open(data.join("tollgate.db")).unwrap();
    database.query_row("SELECT card_sealed FROM tokens WHERE name = ?1", [name], |row| row.get(0)).unwrap()
}

/// In how many files and values under the folder the bytes stand.
fn holds(folder: &Path, bytes: &[u8]) -> usize {
    files(folder).iter().filter(|sink| sink.bytes.windows(bytes.len()).any(|window| window == bytes)).count()
}

fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    between(xml, &format!("<{name}>"), &format!("</{name}>"))
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    text.split_once(begin)
        .and_then(|(_, rest)| rest.split_once(end))
        .map_or_else(|| panic!("{begin}: {text}"), |(inside, _)| inside)
}
