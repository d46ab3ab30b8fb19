//! No card number and no security code is left behind: not on the disk, in a log, an answer, a story
//! or a metric, of payments of every outcome, of refused ones, and of a gateway that was killed.

use crate::support::card_network::CardNetwork;
use crate::support::customer::Customer;
use crate::support::receiver::{Behaviour, Receiver};
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::{Gateway, Merchant, all_at_once, exchange, field, page, text, try_post, wait_for};
use serde_json::Value;
use std::path::Path;
use std::sync::Mutex;

/// The published test cards and those made up for the sandbox.
const CARDS: &str = include_str!("data/test_cards.csv");
/// Rare on purpose, so that they can be searched for.
const SECURITY_CODES: [&str; 2] = ["907", "9173"];

#[test]
fn the_search_finds_a_number_in_every_form_and_a_security_code_where_it_is_a_value() {
    let number = "4005550000000001".to_owned();
    let forbidden = Forbidden::new(std::slice::from_ref(&number), &SECURITY_CODES);
    let bytes_printed = format!("{:?}", number.as_bytes());
    for hidden in [
        "x4005550000000001x",
        "4005 5500 0000 0001",
        "4005-5500-0000-0001",
        "34303035353530303030303030303031",
        &bytes_printed,
        "\"card_security_code\":\"907\"",
        "cvv=907 ",
        "card_security_code          907\n",
        "F048.92 card verification value ....: 9173\n",
        "cvv: Some(\"9173\")",
        "48=4203210920390749",
    ] {
        let mut hidden = hidden.replace("0920390749", "09203907;").into_bytes();
        hidden.extend_from_slice(b"......");
        assert_eq!(forbidden.found(&hidden).len(), 1, "{}", text(&hidden));
    }
    for packed in [&b"..\x40\x05\x55\x00\x00\x00\x00\x01......"[..], b"..\x04\x00\x55\x50\x00\x00\x00\x00\x1f......"] {
        assert_eq!(forbidden.found(packed).len(), 1);
    }
    for harmless in ["400555******0001......", "stan=907123......", "12:34:56.907......", "\"90701\"......"] {
        assert_eq!(forbidden.found(harmless.as_bytes()), Vec::<String>::new(), "{harmless}");
    }
}

#[test]
fn no_card_data_is_left_behind_by_payments_of_any_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &["--slow-ms", "100", "--late-ms", "500"]);
    let data = folder.path().join("data");
    let mut gateway = start(&data, &network);
    // A merchant's server that says back what it must not know.
    let receiver = Receiver::start();
    receiver.behave(Behaviour::Answer(200, "thanks for 4005 5500 0000 0001 and 4005550000000001".into()));
    let (direct, notification) = (receiver.url("/direct"), receiver.url("/notify"));
    let urls = ["--direct-feedback-url", &direct, "--notification-feedback-url", &notification];
    crate::support::accounts::set(&gateway, "demo", &urls);
    let demo = gateway.demo();
    let cards = cards();
    let said = Mutex::new(Vec::new());
    all_at_once(8, |thread| {
        for (place, card) in cards.iter().enumerate().filter(|(place, _)| place % 8 == thread) {
            let answers = pay_with(&gateway, &demo, card, place);
            said.lock().unwrap().extend(answers);
        }
    });
    let mut sinks = said.into_inner().unwrap();
    let unknown = sinks.iter().filter(|sink| text(&sink.bytes).contains("\"15777\"")).count();
    let approved = sinks.iter().filter(|sink| text(&sink.bytes).contains("\"Success\"")).count();
    assert!(unknown >= 3 && approved >= 30, "many outcomes: {unknown} unknown, {approved} approved");
    wait_for("every unknown outcome is settled", || {
        (gateway.metric("tollgate_recovery_backlog")? == 0.0).then_some(())
    });

    wait_for("every feedback is delivered", || {
        (gateway.metric("tollgate_feedback_backlog")? == 0.0 && receiver.received().len() > 30).then_some(())
    });
    for (place, received) in receiver.received().into_iter().enumerate() {
        sinks.push(Sink { name: format!("the body of feedback {place}"), bytes: received.body });
        sinks.push(Sink::text(format!("the head of feedback {place}"), format!("{:?}", received.headers)));
    }
    let shown = gateway.run_well(&["feedback", "list", "--limit", "1000", "--format", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&shown).unwrap();
    assert!(rows.len() > 30, "many outcomes were told");
    for row in rows.iter().take(20) {
        let id = row["feedback"].as_str().unwrap();
        let shown = gateway.run_well(&["feedback", "show", id]);
        assert!(shown.contains("thanks for 4005 55** **** 0001"), "{shown}");
        sinks.push(Sink::text(format!("feedback show {id}"), shown));
    }
    sinks.push(Sink::text("feedback list", shown));
    sinks.extend(told(&gateway, &network, &cards));
    assert!(gateway.stop());
    sinks.push(log("the gateway's log", &gateway));
    sinks.push(Sink::text("the card network's log", network.output()));
    sinks.extend(files(folder.path()));
    assert_complete(&sinks);
    forbidden(&cards).assert_in_none(&sinks);
}

#[test]
fn no_card_data_is_left_behind_by_a_gateway_killed_with_payments_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &["--late-ms", "600"]);
    let data = folder.path().join("data");
    let mut gateway = start(&data, &network);
    let demo = gateway.demo();
    let cards = cards();
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            wait_for("payments are in flight", || (gateway.metric("tollgate_link_in_flight")? >= 8.0).then_some(()));
            crate::support::signal(gateway.pid(), "KILL");
        });
        all_at_once(16, |thread| {
            // Half of them are never answered, the others come and go.
            let card = if thread % 2 == 0 { "4005559000005001" } else { "4005550000000001" };
            for round in 0..100 {
                let body = demo.sign(&card_payment("PURCHASE", &format!("killed-{thread}-{round}"), "1000", card));
                if try_post(&gateway.address, "/FortAPI/paymentApi", &body, "application/json").is_none() {
                    break;
                }
            }
        });
        killer.join().unwrap();
    });
    gateway.kill();
    let mut sinks = vec![log("the killed gateway's log", &gateway)];
    sinks.extend(files(&data));
    assert!(
        sinks.iter().any(|sink| sink.name.ends_with("-wal") && !sink.bytes.is_empty()),
        "killed before the log was merged"
    );
    // The next life settles what the first one left, from sealed cards.
    let gateway = start(&data, &network);
    wait_for("what was left is settled", || (gateway.metric("tollgate_recovery_backlog")? == 0.0).then_some(()));
    assert!(gateway.output().contains("an unknown outcome is settled"), "there was something to settle");
    sinks.push(log("the next gateway's log", &gateway));
    sinks.push(Sink::text("the card network's log", network.output()));
    sinks.extend(files(folder.path()));
    forbidden(&cards).assert_in_none(&sinks);
}

#[test]
fn a_card_number_in_the_wrong_place_is_kept_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let mut gateway = start(&folder.path().join("data"), &network);
    let demo = gateway.demo();
    let number = "5123456789012346";
    let strays = [
        ("order_description", "card 5123456789012346, please"),
        ("customer_name", "5123 4567 8901 2346"),
        ("merchant_extra", "5123-4567-8901-2346"),
        ("merchant_reference", number),
        ("customer_email", "5123456789012346@example.org"),
        ("customer_ip", number),
        ("phone_number", number),
        ("settlement_reference", number),
        (number, "a name that is a card number"),
        ("payment_option", number),
        ("command", number),
        ("currency", number),
        ("language", number),
        ("expiry_date", number),
        ("card_holder_name", number),
        ("card_holder_name", "5123 4567 8901 2346"),
    ];
    let mut stories = vec![Sink::text("explain it", text(&gateway.run(&["explain", number]).stdout))];
    for (place, (name, value)) in strays.into_iter().enumerate() {
        let reference = format!("stray-{place}");
        let mut params = card_payment("PURCHASE", &reference, "1000", "4005550000000001");
        params.retain(|(known, _)| *known != name);
        params.push((name, value));
        let (status, _) = gateway.post_raw(&demo.sign(&params), "application/json");
        assert_eq!(status, 200, "{name}");
        stories.push(Sink::text(format!("explain {reference}"), text(&gateway.run(&["explain", &reference]).stdout)));
    }
    let paid = gateway.call(&demo, &card_payment("PURCHASE", "refund-me", "1000", "4005550000000001"));
    assert_eq!(field(&paid, "response_code"), "14000");
    let refund = [
        ("command", "REFUND"),
        ("merchant_reference", "refund-me"),
        ("amount", "100"),
        ("currency", "AED"),
        ("maintenance_reference", number),
    ];
    assert_eq!(field(&gateway.call(&demo, &refund), "status"), "00", "it would have to be kept as it is");
    let request = |head: String| exchange(&gateway.address, head.as_bytes());
    let end = "Host: gateway\r\nConnection: close\r\n\r\n";
    request(format!("GET /FortAPI/paymentApi?card_number={number} HTTP/1.1\r\n{end}"));
    request(format!("GET /cards/{number} HTTP/1.1\r\n{end}"));
    request(format!("GET / HTTP/1.1\r\nX-Card: {number}\r\nReferer: https://shop/?pan={number}\r\n{end}"));
    request(format!("NONSENSE {number}\r\n\r\n"));
    let (_, metrics) = gateway.admin("/metrics");
    assert!(gateway.stop());
    let mut sinks = stories;
    sinks.push(Sink::text("/metrics", metrics));
    sinks.push(log("the gateway's log", &gateway));
    sinks.extend(files(folder.path()));
    Forbidden::new(&[number.to_owned(), "4005550000000001".to_owned()], &SECURITY_CODES).assert_in_none(&sinks);
}

/// Everything that can be done with one card. Gives every answer.
fn pay_with(gateway: &Gateway, demo: &Merchant, card: &str, place: usize) -> Vec<Sink> {
    let mut sinks = Vec::new();
    let mut say = |what: &str, body: &[u8], content_type: &str| {
        let (status, answer) = gateway.post_raw(body, content_type);
        assert_eq!(status, 200, "{what}");
        sinks.push(Sink { name: format!("the answer to {what} with card {place}"), bytes: answer });
    };
    let json = "application/json";
    let reference = |kind: &str| format!("{kind}-{place}");
    for (command, reference) in [("PURCHASE", reference("p")), ("AUTHORIZATION", reference("a"))] {
        say(command, &demo.sign(&card_payment(command, &reference, "90103", card)), json);
        for next in ["CAPTURE", "REFUND"] {
            let next = [("command", next), ("merchant_reference", &reference), ("amount", "500"), ("currency", "AED")];
            say(&format!("{next:?}"), &demo.sign(&next), json);
        }
        say(
            "CHECK_STATUS",
            &demo.sign(&[
                ("query_command", "CHECK_STATUS"),
                ("merchant_reference", &reference),
                ("return_third_party_response_codes", "YES"),
            ]),
            json,
        );
    }
    let (kept, again, token) = (reference("k"), reference("g"), reference("token"));
    let mut keeping = card_payment("PURCHASE", &kept, "1000", card);
    keeping.extend([("remember_me", "YES"), ("token_name", &token), ("card_holder_name", "Jo Doe")]);
    say("a card to be kept", &demo.sign(&keeping), json);
    let mut by_token = card_payment("PURCHASE", &again, "1000", card);
    by_token.retain(|(name, _)| !matches!(*name, "card_number" | "expiry_date"));
    by_token.push(("token_name", &token));
    say("a kept card", &demo.sign(&by_token), json);
    sinks_of_the_page(gateway, demo, card, place, &mut say);
    sinks.extend(sinks_of_the_hosted_page(gateway, demo, card, place));
    let code = if card.len() == 15 { SECURITY_CODES[1] } else { SECURITY_CODES[0] };
    for how in ["--encrypt", "--encrypt=rsa"] {
        let paying =
            ["pay", how, "--amount", "10.00", "--currency", "AED", "--card", card, "--expiry", "3005", "--cvv", code];
        let paid = gateway.run(&paying);
        let said = [paid.stdout, paid.stderr].concat();
        assert!(text(&said).contains("encrypted_card_data"), "{}", text(&said));
        sinks.push(Sink { name: format!("pay {how} with card {place}"), bytes: said });
    }
    let mut say = |what: &str, body: &[u8], content_type: &str| {
        let (status, answer) = gateway.post_raw(body, content_type);
        assert_eq!(status, 200, "{what}");
        sinks.push(Sink { name: format!("the answer to {what} with card {place}"), bytes: answer });
    };
    let other = Merchant { request_phrase: "another phrase".to_owned(), ..demo.clone() };
    say("a bad signature", &other.sign(&card_payment("PURCHASE", &reference("s"), "1000", card)), json);
    say("a used reference", &demo.sign(&card_payment("PURCHASE", &reference("p"), "1000", card)), json);
    say("a mistyped number", &demo.sign(&card_payment("PURCHASE", &reference("m"), "1000", &mistyped(card))), json);
    let expired_reference = reference("e");
    let mut expired = card_payment("PURCHASE", &expired_reference, "1000", card);
    expired.iter_mut().filter(|(name, _)| *name == "expiry_date").for_each(|(_, value)| *value = "2001");
    say("an expired card", &demo.sign(&expired), json);
    let long = format!("{card}{card}");
    say("a number that is too long", &demo.sign(&card_payment("PURCHASE", &reference("l"), "1000", &long)), json);
    let body = demo.sign(&card_payment("PURCHASE", &reference("t"), "1000", card));
    say("half a body", &body[..body.len() - 80], json);
    say("JSON that is called a form", &body, "application/x-www-form-urlencoded");
    let stranger = Merchant { access_code: "nobody".to_owned(), ..demo.clone() };
    say("an unknown access code", &stranger.sign(&card_payment("PURCHASE", &reference("u"), "1000", card)), json);
    let spaced: String =
        card.chars().map(|digit| if digit == '0' { "0 ".to_owned() } else { digit.to_string() }).collect();
    say("a number with blanks", &demo.sign(&card_payment("PURCHASE", &reference("b"), "1000", &spaced)), json);
    sinks
}

/// A form of the merchant's own with the card, the pages that send the browser back, and the payment by the token.
fn sinks_of_the_page(
    gateway: &Gateway,
    demo: &Merchant,
    card: &str,
    place: usize,
    say: &mut impl FnMut(&str, &[u8], &str),
) {
    let reference = format!("f-{place}");
    let code = if card.len() == 15 { SECURITY_CODES[1] } else { SECURITY_CODES[0] };
    let token = format!("form-{place}");
    let mistyped = mistyped(card);
    let mut pages = Vec::new();
    for (service, number, name) in [
        ("TOKENIZATION", card, token.as_str()),
        ("TOKENIZATION", mistyped.as_str(), "mistyped"),
        ("CREATE_TOKEN", card, "created"),
    ] {
        let mut params = page::form(service, &reference, number);
        params.retain(|(known, _)| *known != "card_security_code");
        params.extend([("card_security_code", code), ("token_name", name)]);
        let answer = page::post(gateway, &page::signed(demo, &params));
        assert!(text(&answer.body).contains("*****"), "{service} shows a mask");
        pages.push(Sink { name: format!("the page after {service} of card {place}"), bytes: answer.body });
        params.retain(|(known, _)| *known != "return_url");
        let lost = page::post(gateway, &page::signed(demo, &params));
        pages.push(Sink { name: format!("the error page after {service} of card {place}"), bytes: lost.body });
    }
    forbidden(&[card.to_owned()]).assert_in_none(&pages);
    let mut by_token = card_payment("PURCHASE", &reference, "1000", card);
    by_token.retain(|(name, _)| !matches!(*name, "card_number" | "expiry_date" | "card_security_code"));
    by_token.push(("token_name", &token));
    say("a token of a form", &demo.sign(&by_token), "application/json");
    say("GET_TOKENS", &demo.sign(&[("query_command", "GET_TOKENS")]), "application/json");
}

/// A customer at the gateway's own page who mistypes, types into the wrong fields, and pays or not; and the same at the form
/// of a token. Gives every page.
fn sinks_of_the_hosted_page(gateway: &Gateway, demo: &Merchant, card: &str, place: usize) -> Vec<Sink> {
    let code = if card.len() == 15 { SECURITY_CODES[1] } else { SECURITY_CODES[0] };
    let (reference, mistyped) = (format!("h-{place}"), mistyped(card));
    let back = ("return_url", "https://shop.example/back?order=17");
    let payment = [
        ("command", "PURCHASE"),
        ("merchant_reference", &reference),
        ("amount", "1000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("remember_me", "YES"),
        back,
    ];
    let token = [("service_command", "TOKENIZATION"), ("merchant_reference", &reference), back];
    let spaced: Vec<&str> = card.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap()).collect();
    let spaced = spaced.join(" ");
    let typed: [&[(&str, &str)]; 8] = [
        &[("card_number", &mistyped)],
        &[("card_number", &format!("{card}{card}"))],
        &[("card_holder_name", card)],
        &[("expiry_date", card)],
        &[("card_security_code", card)],
        &[("card_security_code", code), ("expiry_date", "13/30")],
        &[("card_security_code", code), ("remember_me", card), ("another", card)],
        &[("card_number", &spaced), ("card_security_code", code), ("remember_me", "YES")],
    ];
    let mut sinks = Vec::new();
    for form in [&payment[..], &token[..]] {
        let customer = Customer::arrive(gateway, demo, form);
        for (try_number, more) in typed.iter().enumerate() {
            let mut fields = more.to_vec();
            if !fields.iter().any(|(name, _)| *name == "card_security_code") {
                fields.push(("card_security_code", code));
            }
            let answer = customer.type_card(card, &fields);
            assert_eq!(answer.status, 200, "{}", text(&answer.body));
            let name = format!("page {try_number} of {} with card {place}", form[0].1);
            sinks.push(Sink { name: format!("the {name}"), bytes: answer.body });
            sinks.push(Sink::text(format!("the head of {name}"), answer.head));
        }
        for path in [format!("/checkout/{card}"), format!("{}?language={card}", customer.path)] {
            let answer = customer.get(&path);
            sinks.push(Sink { name: format!("the page of a number in the path, card {place}"), bytes: answer.body });
        }
    }
    sinks
}

/// What the commands, the metrics and the card network's admin pages tell.
fn told(gateway: &Gateway, network: &CardNetwork, cards: &[String]) -> Vec<Sink> {
    let mut sinks = Vec::new();
    for place in 0..cards.len() {
        for kind in ["p", "a", "s", "m", "k", "g", "f", "h"] {
            let reference = format!("{kind}-{place}");
            let output = gateway.run(&["explain", &reference]);
            sinks.push(Sink { name: format!("explain {reference}"), bytes: [output.stdout, output.stderr].concat() });
        }
        let output = gateway.run(&["explain", &format!("a-{place}"), "--format", "json"]);
        sinks.push(Sink { name: format!("explain a-{place} as JSON"), bytes: output.stdout });
    }
    sinks.push(Sink::text("token list", gateway.run_well(&["token", "list", "demo"])));
    sinks.push(Sink::text("token list", gateway.run_well(&["token", "list", "demo", "--format", "json"])));
    for command in [
        &["audit", "list"][..],
        &["audit", "list", "--format", "json"],
        &["audit", "verify"],
        &["keys", "list"],
        &["jwks", "list"],
        &["pci", "scope"],
    ] {
        sinks.push(Sink::text(command.join(" "), gateway.run_well(command)));
    }
    // The export and its key lie beside the data, where all files are looked at.
    let beside = |name: &str| gateway.data.with_file_name(name).to_str().unwrap().to_owned();
    let (key, public, out) = (beside("recipient"), beside("recipient.pub"), beside("export.jsonl"));
    let made = crate::support::tollgate(&["vault", "keygen", "--out", &key]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    sinks.push(Sink { name: "vault keygen".to_owned(), bytes: made.stdout });
    let export = ["vault", "export", "demo", "--recipient", &public, "--out", &out];
    sinks.push(Sink::text("vault export", gateway.run_well(&export)));
    sinks.push(Sink::text("/metrics", gateway.admin("/metrics").1));
    sinks.push(Sink::text("/health/ready", gateway.admin("/health/ready").1));
    for path in ["/health", "/messages/stats", "/ledger/totals", "/accounts"] {
        sinks.push(Sink::text(path, network.get(path).to_string()));
    }
    let accounts: Value = network.get("/accounts");
    for account in accounts.as_array().unwrap() {
        let mask = account["mask"].as_str().unwrap().replace('*', "%2A");
        let path = format!("/ledger/entries?mask={mask}");
        sinks.push(Sink::text(path.clone(), network.get(&path).to_string()));
    }
    sinks
}

/// Whether everything that had to be looked at was there at all.
fn assert_complete(sinks: &[Sink]) {
    for part in [
        "tollgate.db",
        "values of",
        "issuer.db",
        "keys/",
        "explain p-0",
        "/metrics",
        "/accounts",
        "/ledger/entries",
        "audit list",
        "pay --encrypt",
        "the page 7 of PURCHASE",
        "the page 0 of TOKENIZATION",
        "explain h-0",
        "export.jsonl",
    ] {
        let sink = sinks.iter().find(|sink| sink.name.contains(part) && !sink.bytes.is_empty());
        assert!(
            sink.is_some(),
            "{part} was not looked at: {:?}",
            sinks.iter().map(|sink| &sink.name).collect::<Vec<_>>()
        );
    }
    let ways_back =
        sinks.iter().filter(|sink| sink.name.starts_with("the page") && text(&sink.bytes).contains("returnUrlForm"));
    assert!(ways_back.count() > 20, "customers paid on the page");
    let stories = sinks.iter().filter(|sink| sink.name.starts_with("explain") && text(&sink.bytes).contains("******"));
    assert!(stories.count() > 20, "the stories show masks");
    let log = sinks.iter().find(|sink| sink.name == "the gateway's log").unwrap();
    assert!(text(&log.bytes).contains("DEBUG"), "the log is at its most talkative");
}

/// What a gateway printed and logged, but for the example that its welcome shows.
fn log(name: &str, gateway: &Gateway) -> Sink {
    let output = gateway.output();
    let examples = output.lines().filter(|line| line.trim_start().starts_with("tollgate pay ")).count();
    assert_eq!(examples, 1, "the welcome shows one payment");
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim_start().starts_with("tollgate pay ")).collect();
    Sink::text(name, lines.join("\n"))
}

fn start(data: &Path, network: &CardNetwork) -> Gateway {
    let environment = [
        ("TOLLGATE_ACQUIRER_ADDRESS", network.iso.as_str()),
        ("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "300"),
        ("TOLLGATE_ACQUIRER_BACKOFF_MS_MIN", "10"),
        ("TOLLGATE_ACQUIRER_BACKOFF_MS_MAX", "100"),
        ("TOLLGATE_GATEWAY_REVERSAL_DELAY_MS", "400"),
        ("TOLLGATE_GATEWAY_RECOVERY_RETRY_MS_MIN", "50"),
        ("RUST_LOG", "trace"),
    ];
    Gateway::serve(data, &["--dev", "--no-issuer"], &environment)
}

fn cards() -> Vec<String> {
    let numbers: Vec<String> = CARDS.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    assert!(numbers.len() >= 20 && numbers.iter().all(|number| number.bytes().all(|digit| digit.is_ascii_digit())));
    numbers
}

/// The cards, and what becomes of them when a digit is mistyped.
fn forbidden(cards: &[String]) -> Forbidden {
    let numbers: Vec<String> = cards.iter().flat_map(|card| [card.clone(), mistyped(card)]).collect();
    Forbidden::new(&numbers, &SECURITY_CODES)
}

/// The same number with another last digit: its check digit is wrong.
fn mistyped(card: &str) -> String {
    let last = card.bytes().last().unwrap() - b'0';
    format!("{}{}", &card[..card.len() - 1], (last + 1) % 10)
}

fn card_payment<'a>(command: &'a str, reference: &'a str, amount: &'a str, card: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut params = crate::support::payment(command, reference, amount, card);
    let code = if card.len() == 15 { SECURITY_CODES[1] } else { SECURITY_CODES[0] };
    params.iter_mut().filter(|(name, _)| *name == "card_security_code").for_each(|(_, value)| *value = code);
    params
}
