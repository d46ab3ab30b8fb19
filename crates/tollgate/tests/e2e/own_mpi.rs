//! The result of a merchant's own MPI over the trusted channel: what it proves, what is refused, what is told of it
//! afterwards, and that its value is shown to nobody.

use crate::support::accounts;
use crate::support::card_network::CardNetwork;
use crate::support::receiver::Receiver;
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::shop::*;
use crate::support::{Gateway, QUICK, field, payment, status, text, wait_for};
use serde_json::{Value, json};

/// Cards of which the sandbox wants 3-D Secure.
const VISA_3DS: &str = "4005559000008005";
const MASTERCARD_3DS: &str = "5313581000123430";
const AMEX_3DS: &str = "374200000000004";

/// A value, and the half of it that shows it in any text.
const VALUE: &str = "AAABBWcSNIdjeUZThmNHAAAAAAA=";
const VALUE_BEGINS: &str = "AAABBWcSNIdj";
const XID: &str = "MDAwMDAwMDAwMDAwMDAwMzIyNzY=";

type Params = [(&'static str, &'static str)];

const AUTHENTICATED: &Params =
    &[("check_3ds", ""), ("3ds_status", "Y"), ("3ds_eci", "05"), ("ver_token", VALUE), ("ver_type", "3DS")];
const UNAVAILABLE: &Params = &[("check_3ds", ""), ("3ds_enrolled", "Y"), ("3ds_status", "U")];
const FAILED: &Params = &[("check_3ds", ""), ("3ds_enrolled", "Y"), ("3ds_status", "N")];

fn but(params: &Params, more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    with(params.to_vec(), more)
}

#[test]
fn a_card_that_wants_3d_secure_is_approved_with_a_proof_and_declined_without() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--three-ds", "never"]);
    let declined = shop.pay("PURCHASE", VISA_3DS, &[("check_3ds", "")]);
    assert_code(&declined, "13030", "no proof");
    assert_eq!(field(&declined, "acquirer_response_code"), "1A");
    for (card, more) in [
        (VISA_3DS, &[][..]),
        (VISA_3DS, &[("3ds_xid", XID), ("3ds_enrolled", "Y")][..]),
        (VISA_3DS, &[("3ds_status", "A"), ("3ds_eci", "06")][..]),
        (MASTERCARD_3DS, &[("3ds_eci", "02"), ("ver_type", "SPA")][..]),
        (MASTERCARD_3DS, &[("3ds_status", "A"), ("3ds_eci", "01"), ("ver_type", "SPA")][..]),
        (MASTERCARD_3DS, &[][..]),
        (AMEX_3DS, &[("card_security_code", "1234")][..]),
    ] {
        for (command, code) in [("PURCHASE", "14000"), ("AUTHORIZATION", "02000")] {
            let answer = shop.pay(command, card, &but(AUTHENTICATED, more));
            assert_code(&answer, code, card);
            assert!(!answer.keys().any(|name| name.starts_with("3ds_") || name.starts_with("ver_")), "{answer:?}");
        }
    }
    // What could not be carried out goes on, and this issuer wants more.
    let answer = shop.pay("PURCHASE", VISA_3DS, UNAVAILABLE);
    assert_code(&answer, "13030", "unavailable");
    assert_eq!(field(&answer, "acquirer_response_code"), "1A");
    assert_code(&shop.pay("PURCHASE", VISA, UNAVAILABLE), "14000", "a card that wants none");
}

#[test]
fn what_does_not_fit_is_refused_with_its_code_at_its_parameter_and_uses_nothing_up() {
    let shop = Shop::open();
    let entries = || shop.gateway.issuer("/ledger/totals")["entries"].clone();
    let before = entries();
    for (params, code, parameter) in [
        (but(AUTHENTICATED, &[("3ds_status", "R")]), "00033", "3ds_status"),
        (but(AUTHENTICATED, &[("3ds_status", "")]), "00001", "3ds_status"),
        (but(AUTHENTICATED, &[("3ds_enrolled", "N")]), "00033", "3ds_enrolled"),
        (but(AUTHENTICATED, &[("3ds_enrolled", "X")]), "00033", "3ds_enrolled"),
        (but(AUTHENTICATED, &[("3ds_eci", "")]), "00001", "3ds_eci"),
        (but(AUTHENTICATED, &[("3ds_eci", "06")]), "00033", "3ds_eci"),
        (but(AUTHENTICATED, &[("3ds_eci", "02")]), "00033", "3ds_eci"),
        (but(AUTHENTICATED, &[("3ds_eci", "09")]), "00033", "3ds_eci"),
        (but(AUTHENTICATED, &[("ver_token", "")]), "00001", "ver_token"),
        (but(AUTHENTICATED, &[("ver_token", "AAABBWcSNIdj")]), "00002", "ver_token"),
        (but(AUTHENTICATED, &[("ver_token", "AAABBWcSNIdjeUZThmNHAAA=AAA=")]), "00002", "ver_token"),
        (but(AUTHENTICATED, &[("ver_token", "AAABBWcSNIdjeUZThmNHAAAAAAA==")]), "00032", "ver_token"),
        (but(AUTHENTICATED, &[("ver_type", "SPA")]), "00033", "ver_type"),
        (but(AUTHENTICATED, &[("ver_type", "CVV")]), "00033", "ver_type"),
        (but(AUTHENTICATED, &[("3ds_xid", "f38e6948-5388-41a6-bca4-b497")]), "00002", "3ds_xid"),
        (but(UNAVAILABLE, &[("ver_token", VALUE)]), "00033", "ver_token"),
        (but(UNAVAILABLE, &[("3ds_eci", "05")]), "00033", "3ds_eci"),
        (but(AUTHENTICATED, &[("eci", "MOTO")]), "00113", "eci"),
        (FAILED.to_vec(), "13030", "3ds_status"),
    ] {
        let reference = shop.reference();
        let answer = shop.call(&with(payment("PURCHASE", &reference, "15000", VISA), &params));
        assert_code(&answer, code, parameter);
        assert_code(&shop.call(&status(&reference)), "12036", "no order was made");
        let told = explained(&shop.gateway, &reference);
        let refusal = &told["refusals"][0];
        assert_eq!((&refusal["code"], &refusal["parameter"]), (&json!(code), &json!(parameter)), "{told}");
        assert!(!told.to_string().contains(VALUE_BEGINS), "{told}");
    }
    assert_eq!(entries(), before, "nothing was sent");
    assert_code(&shop.pay("AUTHORIZATION", VISA, FAILED), "03030", "an authorization");
}

#[test]
fn a_merchant_brings_results_only_where_it_may_and_its_terms_say_what_an_unavailable_one_means() {
    let shop = Shop::open();
    let set = |options: &[&str]| accounts::set(&shop.gateway, "demo", options);
    set(&["--own-mpi", "off"]);
    assert_code(&shop.pay("PURCHASE", VISA_3DS, AUTHENTICATED), "00027", "off");
    assert_code(&shop.pay("PURCHASE", VISA, &[("ver_type", "3DS")]), "00027", "one parameter is enough");
    assert_code(&shop.pay("PURCHASE", VISA, &[]), "14000", "without any");
    set(&["--own-mpi", "on", "--three-ds-unavailable", "refuse"]);
    assert_code(&shop.pay("PURCHASE", VISA, UNAVAILABLE), "13030", "unavailable");
    assert_code(&shop.pay("PURCHASE", VISA_3DS, AUTHENTICATED), "14000", "proven");

    set(&["--three-ds", "by-amount:AED=100.00,KWD=10", "--three-ds-soft-decline-retry", "on"]);
    set(&["--three-ds-url-for-authorization", "always"]);
    let shown = shop.gateway.run_well(&["merchant", "show", "demo"]);
    for (what, words) in [
        ("3-D Secure", "by-amount: from 100.00 AED, 10.000 KWD on, always in other currencies"),
        ("  after soft decline", "on"),
        ("  url, AUTHORIZATION", "always"),
        ("  unavailable", "refuse"),
        ("  own MPI", "on"),
    ] {
        assert!(shown.contains(&format!("{what:<22}{words}\n")), "{what}: {shown}");
    }
    let shown: Value =
        serde_json::from_str(&shop.gateway.run_well(&["merchant", "show", "demo", "--format", "json"])).unwrap();
    assert_eq!(shown["terms"]["three_ds"]["policy"]["by_amount"][0], json!({ "currency": "AED", "minor": 10_000 }));
    for wrong in [["--three-ds", "sometimes"], ["--own-mpi", "yes"], ["--three-ds-unavailable", "maybe"]] {
        let told = shop.gateway.run_badly(&["merchant", "set", "demo", wrong[0], wrong[1]]);
        assert!(told.contains(wrong[0]), "{told}");
    }
}

#[test]
fn explain_tells_what_was_presented_and_whether_the_liability_shifted() {
    let shop = Shop::open();
    let pay = |card: &'static str, params: &[(&'static str, &'static str)]| {
        let answer = shop.pay("PURCHASE", card, params);
        field(&answer, "merchant_reference").to_owned()
    };
    let proven = pay(VISA_3DS, &but(AUTHENTICATED, &[("3ds_xid", XID)]));
    let told = explained(&shop.gateway, &proven);
    assert_eq!(
        told["orders"][0]["operations"][0]["authentication"],
        json!({
            "status": "Y",
            "result": "the customer was authenticated (Y)",
            "run_by": "merchant",
            "eci": "05",
            "version": null,
            "ds_transaction_id": null,
            "xid": XID,
            "value": "presented",
            "liability_shifted": true,
            "liability": "shifted: the issuer bears the loss of a fraud",
        })
    );
    let text = shop.gateway.run_well(&["explain", &proven]);
    for words in [
        "3-D Secure          the customer was authenticated (Y) by the merchant's own MPI",
        "ECI               05",
        "value             sent to the network, never shown",
        "liability         shifted: the issuer bears the loss of a fraud",
        XID,
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains(VALUE_BEGINS) && !told.to_string().contains(VALUE_BEGINS), "{text}");

    let unproven = pay(VISA, UNAVAILABLE);
    let told = explained(&shop.gateway, &unproven);
    let told = &told["orders"][0]["operations"][0]["authentication"];
    assert_eq!((&told["status"], &told["liability_shifted"]), (&json!("U"), &json!(false)));
    let without = pay(VISA, &[]);
    assert_eq!(explained(&shop.gateway, &without)["orders"][0]["operations"][0]["authentication"], Value::Null);
    assert!(!shop.gateway.run_well(&["explain", &without]).contains("3-D Secure"));
}

#[test]
fn neither_the_value_nor_card_data_is_left_where_people_look() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let mut environment = QUICK.to_vec();
    environment.extend([("TOLLGATE_ACQUIRER_ADDRESS", network.iso.as_str()), ("RUST_LOG", "trace")]);
    let data = folder.path().join("data");
    let mut gateway = Gateway::serve(&data, &["--dev", "--no-issuer"], &environment);
    let demo = gateway.demo();
    let receiver = Receiver::start();
    accounts::set(&gateway, "demo", &["--direct-feedback-url", &receiver.url("/hear")]);
    let params = but(AUTHENTICATED, &[("3ds_xid", XID), ("card_security_code", "907")]);
    let paid = with(payment("PURCHASE", "proven", "15000", VISA_3DS), &params);
    assert_code(&gateway.call(&demo, &paid), "14000", "proven");
    let refused = with(payment("PURCHASE", "refused", "15000", VISA_3DS), &but(&params, &[("3ds_eci", "06")]));
    assert_code(&gateway.call(&demo, &refused), "00033", "refused");
    // One whose signature fits nothing: its cause is looked for in all that was sent.
    let mut body: serde_json::Map<String, Value> =
        serde_json::from_slice(&demo.sign(&with(paid.clone(), &[("merchant_reference", "forged")]))).unwrap();
    body.insert("merchant_extra".into(), "added".into());
    let (_, answer) = gateway.post_raw(&serde_json::to_vec(&body).unwrap(), "application/json");
    assert!(text(&answer).contains("00008"), "{}", text(&answer));
    receiver.wait(1);
    wait_for("the refusals are written", || {
        let told = explained(&gateway, "forged");
        (told["refusals"].as_array()?.len() == 1).then_some(())
    });

    let mut sinks: Vec<Sink> = ["proven", "refused", "forged"]
        .into_iter()
        .map(|reference| Sink::text(reference, gateway.run_well(&["explain", reference])))
        .collect();
    assert!(text(&sinks[0].bytes).contains(XID), "the story tells of it");
    sinks.extend(receiver.received().into_iter().map(|heard| Sink { name: "feedback".into(), bytes: heard.body }));
    sinks.push(Sink::text("metrics", gateway.admin("/metrics").1));
    assert!(gateway.stop());
    sinks.push(Sink::text("the gateway's log", gateway.output()));
    sinks.push(Sink::text("the card network's log", network.output()));
    for sink in &sinks {
        assert!(!text(&sink.bytes).contains(VALUE_BEGINS), "{}: {}", sink.name, text(&sink.bytes));
    }
    // The value is with its operation in the database, and card data is not even there.
    sinks.extend(files(folder.path()));
    Forbidden::new(&[VISA_3DS.to_owned()], &["907"]).assert_in_none(&sinks);
}

fn explained(gateway: &Gateway, reference: &str) -> Value {
    serde_json::from_str(&gateway.run_well(&["explain", reference, "--format", "json"])).unwrap()
}
