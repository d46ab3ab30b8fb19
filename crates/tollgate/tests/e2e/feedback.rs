//! Transaction feedback from the real binary to real receivers, good and bad ones.

use crate::support::customer::Customer;
use crate::support::receiver::{Behaviour, QUICK_FEEDBACK, Received, Receiver};
use crate::support::{Gateway, Merchant, QUICK, accounts, binary, field, operation, payment, text, wait_for};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

const GOOD: &str = "4005550000000001";
const LATE: &str = "4005559000004004";
const SILENT: &str = "4005559000005001";
const DECLINED: &str = "4005559000001000";

/// A gateway with short times whose demo merchant has both URLs at one receiver.
struct Bed {
    gateway: Gateway,
    demo: Merchant,
    receiver: Receiver,
}

impl Bed {
    fn start() -> Bed {
        Bed::start_with(&[])
    }

    fn start_with(more: &[(&str, &str)]) -> Bed {
        let environment: Vec<(&str, &str)> = [&QUICK[..], &QUICK_FEEDBACK, more].concat();
        let gateway = Gateway::start_with(&environment);
        let receiver = Receiver::start();
        let (direct, notification) = (receiver.url("/direct?key=1"), receiver.url("/notify"));
        let urls = ["--direct-feedback-url", &direct, "--notification-feedback-url", &notification];
        accounts::set(&gateway, "demo", &urls);
        let demo = gateway.demo();
        Bed { gateway, demo, receiver }
    }

    fn pay(&self, command: &str, reference: &str, card: &str) -> String {
        let answer = self.gateway.call(&self.demo, &payment(command, reference, "1000", card));
        field(&answer, "response_code").to_owned()
    }

    fn later(&self, command: &str, reference: &str) -> String {
        let answer = self.gateway.call(&self.demo, &operation(command, reference, "400"));
        field(&answer, "response_code").to_owned()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.gateway.run_well(&[arguments, &["--format", "json"]].concat())).unwrap()
    }

    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        self.json(&[&["feedback", "list"], arguments].concat()).as_array().unwrap().clone()
    }

    /// Waits until the only feedback of this reference is in a state; gives all of it.
    fn shown_when(&self, reference: &str, state: &str) -> Value {
        wait_for(&format!("feedback of {reference} is {state}"), || {
            let rows = self.list(&["--reference", reference]);
            let row = rows.first().filter(|row| row["state"] == state)?;
            Some(self.json(&["feedback", "show", row["feedback"].as_str().unwrap()]))
        })
    }
}

#[test]
fn each_outcome_is_told_as_it_was_answered_and_signed_with_the_response_phrase() {
    let bed = Bed::start();
    for (command, reference, card, code) in [
        ("PURCHASE", "told-p", GOOD, "14000"),
        ("AUTHORIZATION", "told-a", GOOD, "02000"),
        ("PURCHASE", "told-d", DECLINED, "13666"),
    ] {
        let answer = bed.gateway.call(&bed.demo, &payment(command, reference, "1000", card));
        let received = bed.receiver.wait_for(reference, code);
        match code {
            "13666" => assert_eq!(received.json(), answer, "the same fields, the same values, the same signature"),
            _ => assert_eq!(answered(&bed.demo, received.json()), unsigned(&answer)),
        }
        assert_eq!((received.path.as_str(), received.sequence()), ("/direct?key=1", 2));
    }
    for (command, reference, code, sequence) in
        [("CAPTURE", "told-a", "04000", 4), ("REFUND", "told-a", "06000", 6), ("REFUND", "told-p", "06000", 4)]
    {
        let answer = bed.gateway.call(&bed.demo, &operation(command, reference, "400"));
        assert_eq!(field(&answer, "response_code"), code);
        let received = bed.receiver.wait_for(reference, code);
        assert_eq!(received.json(), answer, "{command}");
        assert_eq!((received.path.as_str(), received.sequence()), ("/notify", sequence), "{command}");
    }
    let refused = bed.gateway.call(&bed.demo, &payment("PURCHASE", "told-p", "1000", GOOD));
    assert_eq!(field(&refused, "status"), "00");
    let rows = bed.list(&[]);
    assert_eq!(rows.len(), 6, "a refused request is told nobody: {rows:?}");
    for received in bed.receiver.received() {
        let agent = received.header("user-agent").to_owned();
        assert!(agent.starts_with("Tollgate/"), "{agent}");
        let id = received.header("tollgate-feedback-id").to_owned();
        assert!(rows.iter().any(|row| row["feedback"] == id.as_str()), "{id}");
        assert_eq!(received.header("host"), bed.receiver.address.to_string());
    }
}

/// The direct feedback of an approval as the request was answered: without the network's code, which an answer keeps for
/// declines, and without the signature, which is right.
fn answered(merchant: &Merchant, mut told: Map<String, Value>) -> Map<String, Value> {
    merchant.check(&told);
    let network = ["acquirer_response_code", "acquirer_response_message"].map(|name| told.remove(name));
    assert_eq!(network, [Some("00".into()), Some("Success".into())]);
    unsigned(&told)
}

fn unsigned(fields: &Map<String, Value>) -> Map<String, Value> {
    fields.iter().filter(|(name, _)| *name != "signature").map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn an_unknown_outcome_is_told_at_once_and_again_when_it_is_settled() {
    let bed = Bed::start();
    for (reference, card, last) in [("late", LATE, "14000"), ("silent", SILENT, "13666")] {
        assert_eq!(bed.pay("PURCHASE", reference, card), "15777");
        let first = bed.receiver.wait_for(reference, "15777");
        let second = bed.receiver.wait_for(reference, last);
        assert_eq!((first.path.as_str(), second.path.as_str()), ("/direct?key=1", "/notify"));
        assert!(first.sequence() < second.sequence());
        [&first, &second].iter().for_each(|received| bed.demo.check(&received.json()));
        let has_code = second.json().contains_key("authorization_code");
        assert_eq!(has_code, last == "14000", "{reference}: a reversal has no authorization code");
        assert!(!second.json().contains_key("acquirer_response_code"), "{reference}");
    }
    assert_eq!(bed.list(&[]).len(), 4);
}

#[test]
fn a_later_operation_that_nobody_knows_is_told_when_it_is_settled() {
    let bed = Bed::start();
    // On this card the last five digits of the amount decide.
    let card = "4005559100007709";
    let pay = payment("AUTHORIZATION", "unknown-capture", "300000", card);
    assert_eq!(field(&bed.gateway.call(&bed.demo, &pay), "response_code"), "02000");
    let capture = operation("CAPTURE", "unknown-capture", "90102");
    assert_eq!(field(&bed.gateway.call(&bed.demo, &capture), "response_code"), "15777");
    let told = bed.receiver.wait_for("unknown-capture", "04000");
    assert_eq!(told.json()["command"], "CAPTURE");
    let all = bed.receiver.received();
    assert_eq!(all.len(), 2, "the payment and the settled capture: {all:?}");
}

#[test]
fn a_form_and_xml_hold_the_same_fields() {
    let bed = Bed::start();
    accounts::set(&bed.gateway, "demo", &["--direct-feedback-format", "form", "--notification-feedback-format", "xml"]);
    let params = [payment("AUTHORIZATION", "formats", "1000", GOOD), vec![("customer_name", "محمد & Co")]].concat();
    let params: Vec<_> = params.into_iter().map(|(name, value)| (name, value.trim_end_matches(" & Co"))).collect();
    let answer = bed.gateway.call(&bed.demo, &params);
    let form = bed.receiver.wait(1).remove(0);
    assert_eq!(form.header("content-type"), "application/x-www-form-urlencoded;charset=UTF-8");
    let fields: serde_json::Map<String, Value> =
        url_decoded(&form.body).into_iter().map(|(name, value)| (name, value.into())).collect();
    assert_eq!(answered(&bed.demo, fields), unsigned(&answer));
    let answer = bed.gateway.call(&bed.demo, &operation("CAPTURE", "formats", "400"));
    let xml = bed.receiver.wait(2).remove(1);
    assert_eq!(xml.header("content-type"), "application/xml;charset=UTF-8");
    let body = text(&xml.body);
    assert!(body.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>"), "{body}");
    for (name, value) in &answer {
        let element = format!("<{name}>{}</{name}>", value.as_str().unwrap());
        assert!(body.contains(&element), "{element} in {body}");
    }
    assert_eq!(body.matches("</").count(), answer.len() + 1);
}

#[test]
fn bad_receivers_are_tried_again_and_each_attempt_is_kept() {
    let bed = Bed::start();
    for (reference, behaviour, status, error) in [
        ("wrong", Behaviour::Answer(500, "out of order, card 4005550000000001".into()), Some(500), ""),
        ("moved", Behaviour::Redirect(301, bed.receiver.url("/elsewhere")), Some(301), ""),
        ("see-other", Behaviour::Redirect(303, bed.receiver.url("/elsewhere")), Some(303), ""),
        ("silent", Behaviour::Silent, None, "no answer within 700 ms"),
        ("hangup", Behaviour::Hangup, None, "connection closed"),
        ("huge", Behaviour::Endless(503), Some(503), ""),
    ] {
        bed.receiver.behave(behaviour);
        let before = bed.receiver.received().len();
        assert_eq!(bed.pay("PURCHASE", reference, GOOD), "14000", "{reference}: the payment does not wait for it");
        bed.receiver.wait(before + 2);
        bed.receiver.behave(Behaviour::Answer(200, "taken".into()));
        let shown = bed.shown_when(reference, "delivered");
        let tries = shown["tries"].as_array().unwrap();
        assert!(tries.len() >= 3, "{reference}: {tries:?}");
        assert_eq!(tries[0]["status"].as_u64(), status, "{reference}: {tries:?}");
        let said = tries[0]["error"].as_str().unwrap_or_default();
        assert!(
            said.contains(error) && (error.is_empty() == (status.is_some() && said.is_empty())),
            "{reference}: {said}"
        );
        let last = tries.last().unwrap();
        assert_eq!((&last["status"], &last["answer"]), (&200.into(), &"taken".into()), "{reference}");
        assert_eq!(last["target"], format!("http://{}", bed.receiver.address));
        if reference == "wrong" {
            assert_eq!(tries[0]["answer"], "out of order, card 400555******0001");
        }
        if reference == "huge" {
            assert_eq!(tries[0]["answer"].as_str().unwrap().len(), 256, "no more is kept");
        }
    }
    assert!(bed.receiver.received().iter().all(|received| received.path == "/direct?key=1"), "no redirect is followed");
    assert!(bed.gateway.metric("tollgate_feedback_attempts_total{result=\"acknowledged\",kind=\"direct\"}").is_some());
    assert!(bed.gateway.metric("tollgate_feedback_attempts_total{result=\"refused\",kind=\"direct\"}").is_some());
    assert!(bed.gateway.metric("tollgate_feedback_attempts_total{result=\"failed\",kind=\"direct\"}").is_some());
    wait_for("the backlog is told empty", || (bed.gateway.metric("tollgate_feedback_backlog")? == 0.0).then_some(()));
}

#[test]
fn a_redirect_302_and_an_endless_200_acknowledge() {
    let bed = Bed::start();
    for (reference, behaviour) in [
        ("found", Behaviour::Redirect(302, bed.receiver.url("/elsewhere"))),
        ("endless", Behaviour::Endless(200)),
        ("no-content", Behaviour::Answer(204, String::new())),
    ] {
        bed.receiver.behave(behaviour);
        assert_eq!(bed.pay("PURCHASE", reference, GOOD), "14000");
        let shown = bed.shown_when(reference, "delivered");
        assert_eq!(shown["attempts"], 1, "{reference}: {shown}");
    }
    assert_eq!(bed.receiver.received().len(), 3);
}

#[test]
fn a_receiver_that_dies_and_comes_back_gets_everything_in_order() {
    let mut bed = Bed::start();
    let address = bed.receiver.address;
    assert_eq!(bed.pay("AUTHORIZATION", "back", GOOD), "02000");
    bed.receiver.wait(1);
    drop(std::mem::replace(&mut bed.receiver, Receiver::start()));
    for _ in 0..2 {
        assert_eq!(bed.later("CAPTURE", "back"), "04000");
    }
    assert_eq!(bed.later("REFUND", "back"), "06000");
    let states = |bed: &Bed| {
        let rows = bed.list(&["--reference", "back"]);
        rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(&bed), ["behind", "behind", "waiting", "delivered"]);
    bed.receiver = Receiver::start_on(address);
    let received = bed.receiver.wait(3);
    assert_eq!(received.iter().map(Received::sequence).collect::<Vec<_>>(), [4, 6, 8]);
    wait_for("all are delivered", || states(&bed).iter().all(|state| state == "delivered").then_some(()));
}

#[test]
fn a_dead_receiver_holds_back_nobody_elses_feedback() {
    let bed = Bed::start_with(&[("TOLLGATE_FEEDBACK_TRY_TIMEOUT_MS", "20000")]);
    let silent = Receiver::start();
    silent.behave(Behaviour::Silent);
    let other = accounts::add(&bed.gateway, "dead", &[]);
    accounts::set(&bed.gateway, "dead", &["--direct-feedback-url", &silent.url("/")]);
    for number in 0..30 {
        let answer = bed.gateway.call(&other, &payment("PURCHASE", &format!("dead-{number}"), "1000", GOOD));
        assert_eq!(field(&answer, "response_code"), "14000");
    }
    silent.wait(4);
    for number in 0..10 {
        assert_eq!(bed.pay("PURCHASE", &format!("alive-{number}"), GOOD), "14000");
        bed.receiver.wait(number + 1);
    }
    assert_eq!(silent.received().len(), 4, "the dead one has its four places and no more");
}

#[test]
fn feedback_of_a_declined_try_shows_its_own_card_however_late_it_is_delivered() {
    let mut bed = Bed::start();
    bed.receiver.go_away();
    let order = [
        ("command", "PURCHASE"),
        ("merchant_reference", "two-cards"),
        ("amount", "15000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("return_url", "https://shop.example/back"),
    ];
    accounts::set(&bed.gateway, "demo", &["--three-ds", "never"]);
    let customer = Customer::arrive(&bed.gateway, &bed.demo, &order);
    customer.type_card(DECLINED, &[]);
    customer.pay(&bed.demo, "5123456789012346", &[("card_holder_name", "Ann Other")]);
    bed.receiver.come_back();
    let card = |code: &str| {
        let told = bed.receiver.wait_for("two-cards", code).json();
        bed.demo.check(&told);
        ["card_number", "payment_option", "card_holder_name"].map(|name| field(&told, name).to_owned())
    };
    assert_eq!(card("13666"), ["400555******1000", "VISA", "Jo Doe"], "the first card");
    assert_eq!(card("14000"), ["512345******2346", "MASTERCARD", "Ann Other"], "the second card");
}

#[test]
fn feedback_survives_a_gateway_that_is_killed_between_outcome_and_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let environment: Vec<(&str, &str)> = [&QUICK[..], &QUICK_FEEDBACK].concat();
    let mut gateway = Gateway::start_in(&data, &environment);
    let receiver = Receiver::start();
    receiver.behave(Behaviour::Silent);
    accounts::set(&gateway, "demo", &["--direct-feedback-url", &receiver.url("/")]);
    let demo = gateway.demo();
    for number in 0..8 {
        gateway.call(&demo, &payment("PURCHASE", &format!("killed-{number}"), "1000", GOOD));
    }
    receiver.wait(1);
    gateway.kill();
    let receiver = {
        let address = receiver.address;
        drop(receiver);
        Receiver::start_on(address)
    };
    let gateway = Gateway::start_in(&data, &environment);
    for number in 0..8 {
        let received = receiver.wait_for(&format!("killed-{number}"), "14000");
        gateway.demo().check(&received.json());
    }
}

#[test]
fn what_is_tried_in_vain_is_paused_and_a_replay_or_a_new_url_brings_it_back() {
    let bed = Bed::start_with(&[("TOLLGATE_FEEDBACK_TRIED_FOR_MS_MAX", "400")]);
    bed.receiver.behave(Behaviour::Answer(404, "no such page".into()));
    for reference in ["paused-1", "paused-2", "paused-3"] {
        assert_eq!(bed.pay("PURCHASE", reference, GOOD), "14000");
        let shown = bed.shown_when(reference, "paused");
        assert_eq!(shown["pause_reason"], "exhausted");
    }
    wait_for("paused is told", || (bed.gateway.metric("tollgate_feedback_paused")? == 3.0).then_some(()));
    assert!(bed.gateway.output().contains("a feedback is paused"));
    // Another path of the same server is what was wrong.
    bed.receiver.behave(Behaviour::Answer(200, "taken".into()));
    let id = bed.list(&["--reference", "paused-1"])[0]["feedback"].as_str().unwrap().to_owned();
    let printed = bed.gateway.run_well(&["feedback", "replay", &id]);
    assert!(printed.starts_with("1 due at once"), "{printed}");
    bed.shown_when("paused-1", "delivered");
    // Its acknowledgement, or the new URL, brings back the others.
    let url = bed.receiver.url("/mended");
    accounts::set(&bed.gateway, "demo", &["--direct-feedback-url", &url]);
    bed.shown_when("paused-2", "delivered");
    bed.shown_when("paused-3", "delivered");
}

#[test]
fn a_rotated_phrase_signs_what_waits_already() {
    let bed = Bed::start();
    bed.receiver.behave(Behaviour::Answer(503, String::new()));
    assert_eq!(bed.pay("PURCHASE", "rotated", GOOD), "14000");
    let first = bed.receiver.wait(1).remove(0);
    bed.demo.check(&first.json());
    bed.gateway.run_well(&["merchant", "set", "demo", "--response-phrase", "a new response phrase"]);
    bed.receiver.behave(Behaviour::Answer(200, String::new()));
    bed.shown_when("rotated", "delivered");
    let last = bed.receiver.received().pop().unwrap();
    bed.gateway.demo().check(&last.json());
    assert_ne!(first.json()["signature"], last.json()["signature"]);
}

#[test]
fn a_merchant_without_urls_has_no_feedback_and_one_whose_url_is_removed_has_it_paused() {
    let bed = Bed::start();
    bed.receiver.behave(Behaviour::Answer(503, String::new()));
    assert_eq!(bed.pay("PURCHASE", "removed", GOOD), "14000");
    bed.receiver.wait(1);
    accounts::set(&bed.gateway, "demo", &["--direct-feedback-url", "none"]);
    assert_eq!(bed.shown_when("removed", "paused")["pause_reason"], "no_url");
    assert_eq!(bed.pay("PURCHASE", "none", GOOD), "14000");
    assert_eq!(bed.list(&["--reference", "none"]), Vec::<Value>::new());
    bed.receiver.behave(Behaviour::Answer(200, String::new()));
    accounts::set(&bed.gateway, "demo", &["--direct-feedback-url", &bed.receiver.url("/again")]);
    bed.shown_when("removed", "delivered");
}

#[test]
fn feedback_is_listed_shown_explained_and_sent_again() {
    let bed = Bed::start();
    for reference in ["cmd-1", "cmd-2"] {
        assert_eq!(bed.pay("AUTHORIZATION", reference, GOOD), "02000");
        assert_eq!(bed.later("CAPTURE", reference), "04000");
    }
    bed.receiver.wait(4);
    let all =
        wait_for("all are delivered", || Some(bed.list(&["--state", "delivered"])).filter(|rows| rows.len() == 4));
    assert_eq!(bed.list(&["--merchant", "demo", "--limit", "3"]).len(), 3);
    assert_eq!(bed.list(&["--since", "2999-01-01"]), Vec::<Value>::new());
    assert_eq!(bed.list(&["--until", "2999-01-01", "--reference", "cmd-1"]).len(), 2);
    assert_eq!(bed.list(&["--state", "paused"]), Vec::<Value>::new());
    let listed = bed.gateway.run_well(&["feedback", "list"]);
    assert_eq!(listed.matches("delivered").count(), 4, "{listed}");
    let id = all.last().unwrap()["feedback"].as_str().unwrap();
    let shown = bed.gateway.run_well(&["feedback", "show", id]);
    for part in ["AUTHORIZATION", "02000 Success", "HTTP 200", "\"card_number\":\"400555******0001\"", "taken"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let told = bed.gateway.run_well(&["explain", "cmd-1"]);
    assert!(told.contains("direct feedback") && told.contains("notification feedback"), "{told}");
    let told = bed.json(&["explain", "cmd-1"]);
    let feedback = told["orders"][0]["feedback"].as_array().unwrap();
    assert_eq!(feedback.iter().map(|row| row["sequence"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(feedback[0]["tries"][0]["status"], 200);

    let printed = bed.gateway.run_well(&["feedback", "replay", "--reference", "cmd-2"]);
    assert!(printed.starts_with("2 due at once"), "{printed}");
    let received = bed.receiver.wait(6);
    let repeated: BTreeMap<String, Vec<u8>> = received[4..]
        .iter()
        .map(|received| (received.header("tollgate-feedback-id").to_owned(), received.body.clone()))
        .collect();
    assert_eq!(repeated.len(), 2);
    for (id, body) in repeated {
        let first = received.iter().find(|received| received.header("tollgate-feedback-id") == id).unwrap();
        assert_eq!(text(&body), text(&first.body), "a repeat says the same");
    }
    for (arguments, error) in [
        (&["feedback", "replay"][..], "--all"),
        (&["feedback", "replay", "1.0"], "there is no feedback"),
        (&["feedback", "replay", id, "--state", "paused"], "not both"),
        (&["feedback", "show", "x"], "names no feedback"),
        (&["feedback", "list", "--state", "lost"], "is no state"),
        (&["feedback", "list", "--since", "yesterday"], "is no time"),
        (&["feedback", "list", "--merchant", "nobody"], "no merchant nobody"),
    ] {
        let said = bed.gateway.run_badly(arguments);
        assert!(said.contains(error), "{arguments:?}: {said}");
    }
}

#[test]
fn a_listener_is_the_receiver_of_a_merchant_without_urls_while_it_is_connected() {
    let environment: Vec<(&str, &str)> = [&QUICK[..], &QUICK_FEEDBACK].concat();
    let gateway = Gateway::start_with(&environment);
    let demo = gateway.demo();
    let receiver = Receiver::start();
    let rows = |reference: &str| -> Vec<Value> {
        let listed = gateway.run_well(&["feedback", "list", "--reference", reference, "--format", "json"]);
        serde_json::from_str(&listed).unwrap()
    };
    let pay = |reference: &str| {
        let answer = gateway.call(&demo, &payment("AUTHORIZATION", reference, "1000", GOOD));
        assert_eq!(field(&answer, "response_code"), "02000");
        answer
    };
    pay("before");
    assert_eq!(rows("before"), Vec::<Value>::new());
    let mut listener = Listening::start(&gateway, &receiver.url("/local"));
    let answer = pay("heard");
    let received = receiver.wait_for("heard", "02000");
    assert_eq!((received.path.as_str(), answered(&demo, received.json())), ("/local", unsigned(&answer)));
    assert_eq!(received.header("content-type"), "application/json;charset=UTF-8");
    assert_eq!((received.sequence(), received.header("tollgate-feedback-id").is_empty()), (2, false));
    wait_for("it is delivered", || (rows("heard")[0]["state"] == "delivered").then_some(()));

    receiver.behave(Behaviour::Answer(500, "not now".into()));
    gateway.call(&demo, &operation("CAPTURE", "heard", "400"));
    let id = wait_for("it was tried", || {
        let row = rows("heard").into_iter().find(|row| row["kind"] == "notification")?;
        (row["attempts"].as_u64()? >= 1).then(|| row["feedback"].as_str().unwrap().to_owned())
    });
    receiver.behave(Behaviour::Answer(200, "now".into()));
    wait_for("it is delivered", || rows("heard").iter().all(|row| row["state"] == "delivered").then_some(()));
    let shown: Value = serde_json::from_str(&gateway.run_well(&["feedback", "show", &id, "--format", "json"])).unwrap();
    let first = &shown["tries"][0];
    assert_eq!(
        (&first["target"], &first["status"], &first["answer"]),
        (&"listener".into(), &500.into(), &"not now".into())
    );

    // Another merchant has a URL: the listener sees a copy, and what it answers does not count.
    let shop = Receiver::start();
    let other = accounts::add(&gateway, "other", &["--merchant-identifier", "other"]);
    accounts::set(&gateway, "other", &["--direct-feedback-url", &shop.url("/shop")]);
    receiver.behave(Behaviour::Answer(500, "no".into()));
    gateway.call(&other, &payment("PURCHASE", "copied", "1000", GOOD));
    shop.wait_for("copied", "14000");
    receiver.wait_for("copied", "14000");
    wait_for("it is delivered", || (rows("copied")[0]["state"] == "delivered").then_some(()));
    let printed = wait_for("a line for each", || {
        let printed = listener.output();
        (printed.contains("copied 14000 try 1  HTTP 500") && printed.contains("heard 02000 try 1  HTTP 200"))
            .then_some(printed)
    });
    assert!(printed.contains("heard 04000 try 1  HTTP 500"), "{printed}");
    assert!(!printed.contains("jo@example.org"), "no body is printed");

    listener.end();
    wait_for("nobody listens any more", || {
        let reference = format!("after-{}", std::time::UNIX_EPOCH.elapsed().unwrap().as_micros());
        pay(&reference);
        rows(&reference).is_empty().then_some(())
    });
    let said = gateway.run_badly(&["listen", "--forward-to", "localhost:3000"]);
    assert!(said.contains("cannot be forwarded to"), "{said}");
    let local = receiver.url("/");
    let said = gateway.run_badly(&["listen", "--forward-to", &local, "--merchant", "nobody"]);
    assert!(said.contains("there is no merchant nobody"), "{said}");
}

/// A running `tollgate listen`.
struct Listening {
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Listening {
    fn start(gateway: &Gateway, url: &str) -> Listening {
        let mut child = Command::new(binary())
            .args(["listen", "--forward-to", url, "--data"])
            .arg(&gateway.data)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        crate::support::collect(child.stdout.take().unwrap(), &output);
        crate::support::collect(child.stderr.take().unwrap(), &output);
        let listening = Listening { child, output };
        wait_for("it listens", || listening.output().contains("listening;").then_some(()));
        listening
    }

    fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the listener's output ---\n{}", self.output());
        }
    }
}

#[test]
fn a_clock_that_is_moved_moves_feedback() {
    let gateway = Gateway::start_with(&QUICK);
    let receiver = Receiver::start();
    receiver.behave(Behaviour::Answer(503, String::new()));
    accounts::set(&gateway, "demo", &["--direct-feedback-url", &receiver.url("/")]);
    gateway.call(&gateway.demo(), &payment("PURCHASE", "moved", "1000", GOOD));
    // Real times are minutes and hours; the clock brings the next try at once, each time.
    for tries in 1..=12 {
        receiver.wait(tries);
        wait_for("the try is written", || {
            let listed = gateway.run_well(&["feedback", "list", "--format", "json"]);
            let rows: Value = serde_json::from_str(&listed).unwrap();
            (rows[0]["attempts"] == tries).then_some(())
        });
        gateway.run_well(&["clock", "advance", "7h"]);
    }
    gateway.run_well(&["clock", "advance", "31d"]);
    wait_for("it is paused in the end", || {
        let listed = gateway.run_well(&["feedback", "list", "--state", "paused", "--format", "json"]);
        (listed.trim() != "[]").then_some(())
    });
}

#[test]
fn a_channel_with_a_url_of_its_own_has_its_feedback_there() {
    let bed = Bed::start();
    let set = |option: &str, value: &str| accounts::set(&bed.gateway, "demo", &[option, value]);
    set("--channel-feedback-url", &format!("trusted.direct={}", bed.receiver.url("/own")));
    set("--channel-feedback-format", "trusted.direct=form");
    assert_eq!(bed.pay("AUTHORIZATION", "own", GOOD), "02000");
    let own = bed.receiver.wait(1).remove(0);
    assert_eq!(own.path, "/own");
    assert!(own.header("content-type").starts_with("application/x-www-form-urlencoded"));
    assert_eq!(bed.later("CAPTURE", "own"), "04000");
    assert_eq!(bed.receiver.wait(2)[1].path, "/notify", "the other kind goes where it went");
    let shown = bed.gateway.run_well(&["merchant", "show", "demo"]);
    assert!(shown.contains("trusted.direct") && shown.contains("/own (form)"), "{shown}");
    set("--channel-feedback-url", "trusted.direct=none");
    assert_eq!(bed.pay("PURCHASE", "nowhere", GOOD), "14000");
    assert!(bed.list(&["--reference", "nowhere"]).is_empty(), "nobody is to be told");
    set("--channel-feedback-url", "trusted.direct=default");
    assert_eq!(bed.pay("PURCHASE", "back", GOOD), "14000");
    let back = bed.receiver.wait(3).remove(2);
    assert_eq!((back.path.as_str(), &back.json()["merchant_reference"]), ("/direct?key=1", &"back".into()));
    for (option, value, why) in [
        ("--channel-feedback-url", "trusted.direct", "begins with trusted.direct="),
        ("--channel-feedback-url", "pages.direct=https://shop.example.com/", "trusted.notification="),
        ("--channel-feedback-url", "trusted.direct=ftp://shop.example.com/", "neither with https"),
        ("--channel-feedback-format", "trusted.direct=yaml", "json, form or xml"),
        ("--channel-feedback-format", "trusted.direct=form", "URL of its own"),
    ] {
        let said = bed.gateway.run_badly(&["merchant", "set", "demo", option, value]);
        assert!(said.contains(why), "{value}: {said}");
    }
}

#[test]
fn a_url_that_can_never_be_delivered_to_is_refused_with_the_reason() {
    let bed = Bed::start();
    for (url, why) in [
        ("shop.example.com", "it is no URL"),
        ("ftp://shop.example.com/", "neither with https"),
        ("https://user:secret@shop.example.com/", "a user or a password"),
        ("https://shop.example.com/#x", "fragment"),
        ("https://shop.example.com/4005550000000001", "400555******0001 holds a card number"),
    ] {
        let said = bed.gateway.run_badly(&["merchant", "set", "demo", "--direct-feedback-url", url]);
        assert!(said.contains(why), "{url}: {said}");
    }
    // The same folder without the sandbox's mark is one of production.
    std::fs::remove_file(bed.gateway.data.join("sandbox")).unwrap();
    for (url, why) in [
        ("http://shop.example.com/", "not https"),
        ("https://localhost/", "not a public domain name"),
        ("https://10.0.0.1/", "names an address"),
        ("https://shop.example.com:8443/", "a port other than 443"),
    ] {
        let said = bed.gateway.run_badly(&["merchant", "set", "demo", "--notification-feedback-url", url]);
        assert!(said.contains(why), "{url}: {said}");
    }
    let said = bed.gateway.run_badly(&["merchant", "set", "demo", "--direct-feedback-format", "yaml"]);
    assert!(said.contains("json, form or xml"), "{said}");
    accounts::set(&bed.gateway, "demo", &["--direct-feedback-url", "https://shop.example.com/feedback"]);
}

/// The pairs of a form's body.
fn url_decoded(body: &[u8]) -> Vec<(String, String)> {
    let decode = |part: &str| {
        let mut bytes = Vec::new();
        let mut rest = part.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let body = text(body);
    body.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(n, v)| (decode(n), decode(v))).collect()
}
