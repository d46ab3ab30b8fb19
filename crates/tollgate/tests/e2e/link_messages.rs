//! Payment links by mail and by text message on the real binary: sent, opened, paid, reminded of, expired, each told once.

use crate::support::customer::Customer;
use crate::support::mail_server::MailServer;
use crate::support::receiver::Receiver;
use crate::support::secrets::files;
use crate::support::shop::{CHALLENGED, DECLINED, VISA, assert_code};
use crate::support::{Gateway, Merchant, accounts, field, text, wait_for};
use serde_json::{Map, Value};
use std::net::TcpListener;
use tollgate_core::checkout::TRIES_MAX;
use tollgate_core::time::Timestamp;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A moment by the machine's clock, which a fresh sandbox shares.
fn in_ms(ms: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_micros()).unwrap()).plus_ms(ms).to_string()
}

/// The settings of a mail server on this port of this machine, with short waits.
fn mail_settings(port: &str) -> Vec<(&str, &str)> {
    vec![
        ("TOLLGATE_MAIL_SERVER", "127.0.0.1"),
        ("TOLLGATE_MAIL_PORT", port),
        ("TOLLGATE_MAIL_TLS", "none"),
        ("TOLLGATE_MAIL_FROM", "pay@gateway.example"),
        ("TOLLGATE_MESSAGES_RETRY_MS_MIN", "50"),
    ]
}

fn ask(gateway: &Gateway, merchant: &Merchant, reference: &str, ms: u64, more: &[(&str, &str)]) -> Map<String, Value> {
    let until = in_ms(ms);
    let mut params = vec![
        ("service_command", "PAYMENT_LINK"),
        ("merchant_reference", reference),
        ("payment_link_id", reference),
        ("amount", "15000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("customer_name", "Jo Doe"),
        ("order_description", "Two novels"),
        ("request_expiry_date", &until),
    ];
    params.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    params.extend_from_slice(more);
    gateway.call(merchant, &params)
}

fn made(gateway: &Gateway, merchant: &Merchant, reference: &str, ms: u64, more: &[(&str, &str)]) -> Customer {
    let answer = ask(gateway, merchant, reference, ms, more);
    assert_eq!(field(&answer, "response_code"), "48000", "{reference}: {answer:?}");
    Customer::sent_to(gateway, field(&answer, "payment_link"))
}

/// The customer at the card form behind a link.
fn at_the_form(customer: &Customer) -> Customer {
    let answer = customer.post("", &[]);
    let mut form = customer.clone();
    answer.header("location").unwrap().split('?').next().unwrap().clone_into(&mut form.path);
    form
}

fn pay(customer: &Customer) -> String {
    text(&at_the_form(customer).type_card(VISA, &[]).body)
}

/// Messages about a link of the demo merchant, oldest first, as `kind channel state`.
fn messages(gateway: &Gateway, link: &str) -> Vec<String> {
    let listed = gateway.run_well(&["message", "list", "--merchant", "demo", "--link", link, "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let word = |message: &Value, name: &str| message[name].as_str().unwrap_or("-").to_owned();
    let one = |message: &Value| ["kind", "channel", "state"].map(|name| word(message, name)).join(" ");
    listed["messages"].as_array().unwrap().iter().rev().map(one).collect()
}

fn number_of(gateway: &Gateway, link: &str, kind: &str, channel: &str) -> String {
    let listed = gateway.run_well(&["message", "list", "--merchant", "demo", "--link", link, "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let found =
        listed["messages"].as_array().unwrap().iter().find(|row| row["kind"] == kind && row["channel"] == channel);
    found.unwrap_or_else(|| panic!("no {kind} by {channel}: {listed}"))["id"].to_string()
}

/// What a merchant's server was told of a link, in order; each is signed.
fn told(receiver: &Receiver, merchant: &Merchant, link: &str) -> Vec<String> {
    let received = receiver.received();
    let notices = received.iter().map(|one| one.json()).filter(|told| told.contains_key("payment_link_status"));
    let ours = notices.filter(|told| field(told, "payment_link_id") == link);
    ours.map(|told| {
        merchant.check(&told);
        assert_eq!(field(&told, "service_command"), "PAYMENT_LINK_NOTIFICATION");
        field(&told, "payment_link_status").to_owned()
    })
    .collect()
}

fn hears(gateway: &Gateway) -> Receiver {
    let receiver = Receiver::start();
    let url = receiver.url("/notification");
    accounts::set(gateway, "demo", &["--notification-feedback-url", &url, "--link-notifications", "on"]);
    receiver
}

#[test]
fn a_link_goes_by_mail_is_opened_and_paid_and_each_is_told_once() {
    let server = MailServer::start(&[]);
    let gateway = Gateway::start_with(&mail_settings(&server.port.to_string()));
    let demo = gateway.demo();
    let receiver = hears(&gateway);
    let customer = made(&gateway, &demo, "BY-MAIL", DAY_MS, &[("notification_type", "EMAIL")]);
    let mail = server.wait_for("jo@example.org", 1).remove(0);
    let code = customer.path.rsplit('/').next().unwrap().to_owned();
    let (said, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
    for seen in ["Hello Jo Doe,", "150.00", "Two novels", "BY-MAIL", &code] {
        assert!(said.contains(seen), "{seen}: {said}");
    }
    assert!(html.contains(&code) && html.contains("no money moves") && !html.contains("<img"), "{html}");
    assert!(mail["headers"]["Subject"].as_str().unwrap().contains("150.00"));
    wait_for("it is told that it was sent", || (told(&receiver, &demo, "BY-MAIL") == ["Sent"]).then_some(()));
    assert_eq!((customer.look().status, customer.look().status), (200, 200));
    wait_for("the first opening is told", || (told(&receiver, &demo, "BY-MAIL") == ["Sent", "Opened"]).then_some(()));
    let receipt = pay(&customer);
    assert!(receipt.contains("The invoice has been paid"), "{receipt}");
    assert!(!receipt.contains("The shop has been told"), "there is no URL for direct feedback: {receipt}");
    let all = ["Sent", "Opened", "Paid"];
    wait_for("it is told that it is paid", || (told(&receiver, &demo, "BY-MAIL") == all).then_some(()));
    let last = receiver.received().pop().unwrap().json();
    let order = gateway.call(&demo, &crate::support::status("BY-MAIL"));
    assert_eq!(field(&last, "fort_id"), field(&order, "fort_id"));
    assert_eq!((field(&last, "amount"), field(&last, "currency")), ("15000", "AED"));

    let shown = gateway.run_well(&["link", "show", "demo", "BY-MAIL"]);
    assert!(shown.contains("link by EMAIL: sent"), "{shown}");
    let refused = gateway.run_badly(&["link", "send", "demo", "BY-MAIL"]);
    assert!(refused.contains("00125"), "a paid link is not sent again: {refused}");
    for sink in files(&gateway.data) {
        let text = String::from_utf8_lossy(&sink.bytes);
        assert!(!text.contains(&code), "the address of the link lies in {}", sink.name);
        assert!(!text.contains(VISA), "a card number lies in {}", sink.name);
    }
    let output = gateway.output();
    assert!(!output.contains(&code) && !output.contains("jo@example.org"), "{output}");
    // The welcome of a sandbox names a test card; a log does not.
    let log =
        output.lines().filter(|line| line.contains(" INFO ") || line.contains(" WARN ") || line.contains(" ERROR "));
    assert!(!log.clone().any(|line| line.contains(VISA)) && log.count() > 0, "{output}");
}

#[test]
fn a_message_survives_a_kill_between_its_commit_and_its_sending() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // It takes connections and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port().to_string();
    let mut gateway = Gateway::start_in(&data, &mail_settings(&port));
    let customer = made(&gateway, &gateway.demo(), "KILLED", DAY_MS, &[("notification_type", "EMAIL")]);
    drop(mute.accept().expect("the gateway has begun to send"));
    assert_eq!(messages(&gateway, "KILLED"), ["link EMAIL waiting"]);
    gateway.kill();
    let server = MailServer::start(&[]);
    let port = server.port.to_string();
    let gateway = Gateway::start_in(&data, &mail_settings(&port));
    let mail = server.wait_for("jo@example.org", 1).remove(0);
    assert!(mail["text"].as_str().unwrap().contains(customer.path.rsplit('/').next().unwrap()));
    wait_for("it is noted", || (messages(&gateway, "KILLED") == ["link EMAIL sent"]).then_some(()));
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn what_the_mail_server_refuses_or_puts_off_is_told_with_its_reason() {
    let server = MailServer::start(&[]);
    let gateway = Gateway::start_with(&mail_settings(&server.port.to_string()));
    let demo = gateway.demo();
    let receiver = hears(&gateway);
    let to = |address| [("notification_type", "EMAIL"), ("customer_email", address)];
    made(&gateway, &demo, "REFUSED", DAY_MS, &to("refused@example.org"));
    wait_for("it is given up", || {
        (messages(&gateway, "REFUSED").first().map(String::as_str) == Some("link EMAIL failed")).then_some(())
    });
    wait_for("the merchant is told", || (told(&receiver, &demo, "REFUSED") == ["SendFailed"]).then_some(()));
    let number = number_of(&gateway, "REFUSED", "link", "EMAIL");
    let shown = gateway.run_well(&["message", "show", &number]);
    assert!(shown.contains("refused: 550") && shown.contains("nobody of that name"), "{shown}");
    made(&gateway, &demo, "LATER", DAY_MS, &to("later@example.org"));
    server.wait_for("later@example.org", 1);
    let number = number_of(&gateway, "LATER", "link", "EMAIL");
    let shown = wait_for("it is noted", || {
        let shown = gateway.run_well(&["message", "show", &number]);
        shown.contains("attempt 2").then_some(shown)
    });
    assert!(shown.contains("451"), "{shown}");
    let refused = gateway.run_badly(&["message", "resend", &number]);
    assert!(refused.contains("it was sent"), "{refused}");
}

#[test]
fn the_sandbox_shows_what_it_sends_to_nobody() {
    let gateway = Gateway::start_with(&[("TOLLGATE_MESSAGES_PER_THING_MAX", "3")]);
    let demo = gateway.demo();
    let both = [("notification_type", "SMS,EMAIL"), ("customer_phone", "00962797219966"), ("language", "ar")];
    let customer = made(&gateway, &demo, "SHOWN", DAY_MS, &both);
    wait_for("both are sent", || (messages(&gateway, "SHOWN") == ["link SMS sent", "link EMAIL sent"]).then_some(()));
    let sms = gateway.run_well(&["message", "show", &number_of(&gateway, "SHOWN", "link", "SMS")]);
    assert!(sms.contains("+962797219966") && sms.contains(&customer.path) && sms.contains("يُرجى دفع"), "{sms}");
    let mail = gateway.run_well(&["message", "show", "--html", &number_of(&gateway, "SHOWN", "link", "EMAIL")]);
    assert!(mail.contains("dir=\"rtl\"") && mail.contains(&customer.path), "{mail}");
    gateway.run_well(&["link", "send", "demo", "SHOWN", "--by", "SMS"]);
    let refused = gateway.run_badly(&["link", "send", "demo", "SHOWN"]);
    assert!(refused.contains("00123") && refused.contains("messages.per_thing_max"), "{refused}");
    let update =
        [("service_command", "UPDATE_PAYMENT_LINK"), ("payment_link_id", "SHOWN"), ("notification_type", "EMAIL")];
    assert_code(&gateway.call(&demo, &update), "00123", "by the API too");
    assert_eq!(messages(&gateway, "SHOWN").len(), 3);
    for (more, code) in [
        (vec![("notification_type", "SMS")], "00001"),
        (vec![("notification_type", "SMS"), ("customer_phone", "0797219966")], "00002"),
        (vec![("notification_type", "EMAIL"), ("customer_email", "jo@localhost")], "00002"),
        (vec![("notification_type", "EMAIL"), ("link_reminders", "3w")], "00033"),
    ] {
        let answer = ask(&gateway, &demo, "NEVER", DAY_MS, &more);
        assert_eq!(field(&answer, "response_code"), code, "{more:?}: {answer:?}");
    }
}

#[test]
fn reminders_and_the_end_come_by_the_clock_once_and_not_to_who_has_paid() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &[]);
    let demo = gateway.demo();
    let receiver = hears(&gateway);
    accounts::set(&gateway, "demo", &["--link-reminders", "2d,1d"]);
    let email = [("notification_type", "EMAIL")];
    made(&gateway, &demo, "OPEN", 3 * DAY_MS, &email);
    let paid = made(&gateway, &demo, "PAID", 3 * DAY_MS, &email);
    let own = [("notification_type", "EMAIL"), ("link_reminders", "none")];
    made(&gateway, &demo, "OWN", 3 * DAY_MS, &own);
    made(&gateway, &demo, "CLOSED", 3 * DAY_MS, &email);
    pay(&paid);
    gateway.run_well(&["link", "close", "demo", "CLOSED"]);
    gateway.run_well(&["clock", "advance", "25h"]);
    let reminded = ["link EMAIL sent", "link-sent server sent", "reminder EMAIL sent"];
    wait_for("the first reminder", || (messages(&gateway, "OPEN") == reminded).then_some(()));
    let mail = gateway.run_well(&["message", "show", &number_of(&gateway, "OPEN", "reminder", "EMAIL")]);
    assert!(mail.contains("Reminder of the payment request") && mail.contains("(1 day)"), "{mail}");
    gateway.run_well(&["clock", "advance", "48h"]);
    wait_for("its end is told", || (told(&receiver, &demo, "OPEN").last()? == "Expired").then_some(()));
    wait_for("the other one's too", || (told(&receiver, &demo, "OWN").last()? == "Expired").then_some(()));
    gateway.stop();
    let gateway = Gateway::start_in(&data, &[]);
    gateway.run_well(&["clock", "advance", "1d"]);
    // One that is made and told now shows that everything earlier has been looked at.
    made(&gateway, &demo, "LAST", 8 * DAY_MS, &email);
    wait_for("the newest is told", || (told(&receiver, &demo, "LAST") == ["Sent"]).then_some(()));
    assert_eq!(told(&receiver, &demo, "OPEN"), ["Sent", "Expired"]);
    assert_eq!(told(&receiver, &demo, "OWN"), ["Sent", "Expired"]);
    assert_eq!(told(&receiver, &demo, "CLOSED"), ["Sent", "Closed"]);
    let paid = told(&receiver, &demo, "PAID");
    assert_eq!(paid, ["Sent", "Paid"], "nobody has looked at the page");
    for link in ["PAID", "OWN", "CLOSED"] {
        assert!(!messages(&gateway, link).iter().any(|one| one.starts_with("reminder")), "{link}");
    }
    let reminders = messages(&gateway, "OPEN").into_iter().filter(|one| one.starts_with("reminder")).count();
    assert_eq!(reminders, 1, "of what was jumped over nothing is sent after the end");
}

#[test]
fn the_last_try_closes_the_link_and_is_told_once() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let receiver = hears(&gateway);
    let customer = made(&gateway, &demo, "TRIED", DAY_MS, &[("notification_type", "NONE")]);
    let last = "closed by the last try";
    for tried in 1..=TRIES_MAX {
        let form = at_the_form(&customer);
        if tried == 2 {
            form.cancel();
        }
        // The last one is an authentication that nobody finishes.
        if tried == TRIES_MAX {
            let challenge = at_the_form(&customer);
            challenge.go_on(challenge.type_card(CHALLENGED, &[]));
            gateway.run_well(&["clock", "advance", "16m"]);
        } else {
            at_the_form(&customer).type_card(DECLINED, &[]);
            assert!(!messages(&gateway, "TRIED").iter().any(|one| one.contains("closed")), "after {tried} tries");
        }
    }
    wait_for(last, || (told(&receiver, &demo, "TRIED").last()? == "Closed").then_some(()));
    gateway.run_well(&["clock", "advance", "2d"]);
    // One that is made and told now shows that everything earlier has been looked at.
    made(&gateway, &demo, "LATER", 8 * DAY_MS, &[("notification_type", "EMAIL")]);
    wait_for("the newest is told", || (told(&receiver, &demo, "LATER") == ["Sent"]).then_some(()));
    assert_eq!(told(&receiver, &demo, "TRIED").iter().filter(|one| *one == "Closed").count(), 1);
    assert!(!told(&receiver, &demo, "TRIED").contains(&"Expired".to_owned()), "it was closed before");
}

#[test]
fn a_payment_that_was_not_told_with_its_outcome_is_told_when_the_time_is_over() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    pay(&made(&gateway, &demo, "UNTOLD", DAY_MS, &[("notification_type", "NONE")]));
    assert_eq!(messages(&gateway, "UNTOLD"), [] as [&str; 0], "nobody had asked");
    let receiver = hears(&gateway);
    gateway.run_well(&["clock", "advance", "25h"]);
    wait_for("it is told", || (told(&receiver, &demo, "UNTOLD") == ["Paid"]).then_some(()));
}

#[test]
fn nobody_hears_of_links_who_has_not_asked() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let receiver = Receiver::start();
    accounts::set(&gateway, "demo", &["--notification-feedback-url", &receiver.url("/notification")]);
    made(&gateway, &demo, "QUIET", DAY_MS, &[("notification_type", "EMAIL")]);
    wait_for("it is sent", || (messages(&gateway, "QUIET") == ["link EMAIL sent"]).then_some(()));
    gateway.run_well(&["link", "close", "demo", "QUIET"]);
    assert_eq!(messages(&gateway, "QUIET"), ["link EMAIL sent"], "nothing else was written");
    assert!(receiver.received().is_empty());
}

#[test]
fn the_settings_are_checked_and_a_test_mail_tells_what_the_server_answered() {
    let server = MailServer::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.toml");
    let run = |words: &[&str]| {
        let mut command = crate::support::command();
        let output = command.args(words).arg("--config").arg(&file).arg("--data").arg(folder.path()).output().unwrap();
        (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    };
    let write = |mail: &str| std::fs::write(&file, mail).unwrap();
    write("[mail]\nserver = \"mail.example\"\nfrom = \"pay@gateway.example\"\ntls = \"none\"\n");
    let (well, said) = run(&["config", "check"]);
    assert!(!well && said.contains("mail.tls") && said.contains("in clear"), "{said}");
    write(
        "[mail]\nserver = \"mail.example\"\nfrom = \"pay@gateway.example\"\nuser = \"me\"\npassword_file = \"/none\"\n",
    );
    let (well, said) = run(&["config", "check"]);
    assert!(!well && said.contains("/none"), "{said}");
    write("[sms]\nurl = \"http://sms.example/\"\n");
    let (well, said) = run(&["config", "check"]);
    assert!(!well && said.contains("sms.url"), "{said}");
    let (well, said) = run(&["mail", "test", "--to", "ops@example.org"]);
    assert!(!well, "{said}");
    write(&format!(
        "[mail]\nserver = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"pay@gateway.example\"\n",
        server.port
    ));
    assert!(run(&["config", "check"]).0);
    let (well, said) = run(&["mail", "test", "--to", "ops@example.org"]);
    assert!(well && said.contains("mail-17"), "{said}");
    assert_eq!(server.wait_for("ops@example.org", 1).len(), 1);
    let (well, said) = run(&["mail", "test", "--to", "refused@example.org"]);
    assert!(!well && said.contains("nobody of that name"), "{said}");
}
