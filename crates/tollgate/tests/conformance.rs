//! The request and answer pairs of `tests/data/fort_examples.jsonl` against the running binary, field
//! by field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use support::customer::Customer;
use support::receiver::{Received, Receiver};
use support::{Gateway, Merchant, accounts, field, page, payment, text, wire};
use tollgate_core::merchant::ShaType;

const EXAMPLES: &str = include_str!("../../../tests/data/fort_examples.jsonl");
/// The number and the code that the examples use where a gateway makes its own.
const FORT_ID: &str = "169996200000132829";
const AUTHORIZATION_CODE: &str = "199955";
/// From where the customers of the examples come.
const CUSTOMER: &str = "203.0.113.9";

/// Examples that do not hold yet.
const EXCEPTIONS: &[Exception] = &[Exception {
    id: "E33-trusted-3ds",
    reason: "3-D Secure comes later: the issuer asks for it, and that is a decline for now",
    instead: Instead::Answer(&[
        ("response_code", Some("13030")),
        ("response_message", Some("Authentication failed")),
        ("status", Some("13")),
        ("acquirer_response_code", Some("1A")),
        ("3ds_url", None),
    ]),
}];

struct Exception {
    id: &'static str,
    reason: &'static str,
    instead: Instead,
}

enum Instead {
    /// The answer with these fields changed or left out.
    Answer(&'static [(&'static str, Option<&'static str>)]),
}

#[test]
fn every_pair_of_the_fact_base_holds_field_by_field() {
    let examples = Example::all();
    for exception in EXCEPTIONS {
        assert!(examples.iter().any(|example| example.id == exception.id), "{}: {}", exception.id, exception.reason);
    }
    let with_answer: Vec<&Example> = examples.iter().filter(|example| !example.is_feedback()).collect();
    let worlds = worlds(&with_answer);
    assert_eq!(worlds.iter().map(Vec::len).sum::<usize>(), 71);
    std::thread::scope(|scope| {
        for world in &worlds {
            scope.spawn(|| {
                let accounts = Accounts::start();
                world.iter().for_each(|example| hold(&accounts, example));
            });
        }
    });
}

#[test]
fn every_notification_of_the_fact_base_is_delivered_field_by_field() {
    let examples = Example::all();
    let feedback: Vec<&Example> = examples.iter().filter(|example| example.is_feedback()).collect();
    assert_eq!(feedback.len(), 5);
    std::thread::scope(|scope| {
        for example in feedback {
            let examples = &examples;
            scope.spawn(move || hold_feedback(&Accounts::start(), examples, example));
        }
    });
}

/// Brings an example's feedback about and compares what a real receiver gets.
fn hold_feedback(accounts: &Accounts, examples: &[Example], example: &Example) {
    let merchant = &accounts.merchants[&example.account];
    let receiver = Receiver::start();
    let (kind, format) = (example.feedback_kind(), example.feedback_format());
    let (to, written) = (format!("--{kind}-feedback-url"), format!("--{kind}-feedback-format"));
    let name = example.account.to_lowercase();
    accounts::set(&accounts.gateway, &name, &[&to, &receiver.url("/told"), &written, format]);
    let mut made = Made::default();
    for given in example.row["given"].as_array().unwrap() {
        match given.as_str().unwrap() {
            "follows the 15777 example" => {
                let first = examples.iter().find(|first| first.id == "E35-trusted-uncertain").unwrap();
                hold(accounts, first);
                let told = accounts.gateway.call(merchant, &support::status("TG-D5"));
                made.fort_id = field(&told, "fort_id").to_owned();
            }
            "follows the approved hosted page TG-R2" | "channel set to form feedback" => {
                let first = examples.iter().find(|first| first.id == "E02-purchase-redirect-token").unwrap();
                made.of_returned(&hold_page(accounts, first).fields);
            }
            given => bring_about(accounts, merchant, given, example, &mut made),
        }
    }
    let expected = |name: &str| example.expected(name).unwrap_or_default();
    if matches!(expected("command"), "CAPTURE" | "REFUND") {
        let mut params = support::operation(expected("command"), expected("merchant_reference"), expected("amount"));
        params.extend(example.expected("maintenance_reference").map(|reference| ("maintenance_reference", reference)));
        let answer = accounts.gateway.call(merchant, &params);
        assert_eq!(field(&answer, "response_code"), expected("response_code"), "{}", example.id);
    }
    let received = receiver.wait(1).remove(0);
    let body = fields_of(&received, format);
    merchant.check(&body);
    compare(example, &body, &made);
    assert_eq!(receiver.received().len(), 1, "{}: one feedback, and nothing by the other way", example.id);
}

/// What a receiver reads in a feedback of this format.
fn fields_of(received: &Received, format: &str) -> Map<String, Value> {
    match format {
        "form" => {
            assert_eq!(received.header("content-type"), "application/x-www-form-urlencoded;charset=UTF-8");
            let fields = form_urlencoded::parse(&received.body);
            fields.map(|(name, value)| (name.into_owned(), value.into())).collect()
        }
        _ => {
            assert_eq!(received.header("content-type"), "application/json;charset=UTF-8");
            received.json()
        }
    }
}

/// A gateway with the accounts of the examples.
struct Accounts {
    gateway: Gateway,
    merchants: BTreeMap<String, Merchant>,
}

impl Accounts {
    fn start() -> Accounts {
        let gateway = Gateway::start_with(&[
            ("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "2500"),
            ("TOLLGATE_SERVER_PROXY_NETWORKS", "127.0.0.1"),
            ("TOLLGATE_SERVER_PROXY_ADDRESS_HEADER", "X-Forwarded-For"),
        ]);
        let mut merchants = BTreeMap::new();
        for (key, facts) in accounts_of_the_examples() {
            let text = |name: &str| facts[name].as_str().unwrap();
            let name = key.to_lowercase();
            let options = [
                ["--merchant-identifier", text("merchant_identifier")],
                ["--access-code", text("access_code")],
                ["--request-phrase", text("request_phrase")],
                ["--response-phrase", text("response_phrase")],
                ["--sha-type", text("sha_type")],
            ];
            let merchant = accounts::add(&gateway, &name, &options.concat());
            accounts::set(&gateway, &name, &["--custom-page", "on"]);
            assert_eq!(merchant.access_code, text("access_code"));
            assert_eq!(merchant.sha_type, ShaType::parse(text("sha_type")).unwrap());
            merchants.insert(key, merchant);
        }
        Accounts { gateway, merchants }
    }
}

fn accounts_of_the_examples() -> Map<String, Value> {
    let meta: Value = serde_json::from_str(EXAMPLES.lines().next().unwrap()).unwrap();
    meta["accounts"].as_object().unwrap().clone()
}

/// Examples that may share a gateway: no two of them name the same order of one account, whose
/// states would differ. One that changes a token or the time for all of them has a gateway to itself.
fn worlds<'a>(examples: &[&'a Example]) -> Vec<Vec<&'a Example>> {
    let mut worlds: Vec<(BTreeSet<String>, Vec<&Example>)> = Vec::new();
    let (alone, together): (Vec<&Example>, Vec<&Example>) =
        examples.iter().partition(|example| example.needs_a_gateway());
    for example in together {
        let order = format!("{} {}", example.account, example.expected("merchant_reference").unwrap_or_default());
        match worlds.iter_mut().find(|(orders, _)| !orders.contains(&order)) {
            Some((orders, world)) => {
                orders.insert(order);
                world.push(example);
            }
            None => worlds.push((BTreeSet::from([order]), vec![example])),
        }
    }
    worlds.into_iter().map(|(_, world)| world).chain(alone.into_iter().map(|example| vec![example])).collect()
}

struct Example {
    id: String,
    account: String,
    row: Value,
}

impl Example {
    fn all() -> Vec<Example> {
        let rows = EXAMPLES.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| Example {
            id: row["id"].as_str().unwrap().to_owned(),
            account: row["account"].as_str().unwrap().to_owned(),
            row,
        })
        .collect()
    }

    fn exception(&self) -> Option<&'static Instead> {
        EXCEPTIONS.iter().find(|exception| exception.id == self.id).map(|exception| &exception.instead)
    }

    fn is_feedback(&self) -> bool {
        self.row["response"]["delivery"].as_str().unwrap().starts_with("feedback")
    }

    /// As `merchant set` names it.
    fn feedback_kind(&self) -> &'static str {
        match self.row["response"]["to"].as_str().unwrap() {
            "direct feedback URL" => "direct",
            "notification feedback URL" => "notification",
            other => panic!("{}: {other}", self.id),
        }
    }

    /// The same.
    fn feedback_format(&self) -> &str {
        self.row["response"]["delivery"].as_str().unwrap().strip_prefix("feedback_").unwrap()
    }

    fn needs_a_gateway(&self) -> bool {
        let given = self.row["given"].to_string();
        self.row["service"] == "UPDATE_TOKEN"
            || given.contains("not enabled")
            || self.lists_tokens()
            || given.contains("INACTIVE")
            || given.contains("expired")
            || given.contains("return method")
    }

    fn lists_tokens(&self) -> bool {
        self.expected("query_command") == Some("GET_TOKENS")
    }

    fn expected(&self, name: &str) -> Option<&str> {
        self.row["response"]["params"][name].as_str()
    }

    fn is_volatile(&self, name: &str) -> bool {
        self.row["volatile"].as_array().unwrap().iter().any(|volatile| volatile == name)
    }

    /// The body to post: as it stands in the file, signature included, unless it names the order's
    /// number, which is another one here.
    fn body(&self, merchant: &Merchant, made: &Made) -> Vec<u8> {
        let Some(params) = self.row["request"]["params"].as_object() else {
            // E47 gives no body: a form where JSON belongs, as its title says.
            return b"command=PURCHASE&amount=15000".to_vec();
        };
        if self.lists_tokens() {
            // The file's dates lie before the gateway's time, which cannot be set back.
            let mut real: Vec<(&str, &str)> = params.iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap())).collect();
            real.retain(|(name, _)| *name != "signature");
            for (name, value) in &mut real {
                *value = interval(name).unwrap_or(value);
            }
            return merchant.sign(&real);
        }
        if params.get("fort_id").is_none_or(|fort_id| fort_id != FORT_ID) {
            let body = serde_json::to_string(params).unwrap();
            if self.row["given"].to_string().contains("ISO-8859-1") {
                return body.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
            }
            return body.into_bytes();
        }
        let mut real: Vec<(&str, &str)> = params.iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap())).collect();
        real.retain(|(name, _)| *name != "signature");
        real.iter_mut().filter(|(name, _)| *name == "fort_id").for_each(|(_, value)| *value = &made.fort_id);
        merchant.sign(&real)
    }

    /// The answer's fields with the real number and code in place of the example's.
    fn fields(&self, made: &Made) -> BTreeMap<String, String> {
        let params = self.row["response"]["params"].as_object().unwrap();
        let mut fields: BTreeMap<String, String> =
            params.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
        for (name, value) in &mut fields {
            if let Some(date) = interval(name) {
                date.clone_into(value);
            }
            if value == FORT_ID && !made.fort_id.is_empty() {
                value.clone_from(&made.fort_id);
            } else if value == AUTHORIZATION_CODE && !made.authorization_code.is_empty() {
                value.clone_from(&made.authorization_code);
            } else if name == "token_name" && !made.token_name.is_empty() {
                value.clone_from(&made.token_name);
            }
        }
        if let Some(Instead::Answer(changes)) = self.exception() {
            for (name, value) in *changes {
                match value {
                    Some(value) => fields.insert((*name).to_owned(), (*value).to_owned()),
                    None => fields.remove(*name),
                };
            }
        }
        fields
    }
}

/// A value as it is compared: a list without the ages of its tokens, which are never those of the file.
fn shown(value: &Value) -> String {
    let Some(rows) = value.as_array() else { return value.as_str().unwrap().to_owned() };
    let mut rows = rows.clone();
    for row in &mut rows {
        let age = row["creation_date"].take();
        assert!(age.as_str().unwrap().ends_with("+00:00"), "{age}");
    }
    Value::Array(rows).to_string()
}

/// All of the time, in the parameters that name an interval.
fn interval(name: &str) -> Option<&'static str> {
    match name {
        "from_date" => Some("2020-01-01T00:00:00+00:00"),
        "to_date" => Some("2099-12-31T23:59:59+00:00"),
        _ => None,
    }
}

/// What the gateway made of an example's circumstances.
#[derive(Default)]
struct Made {
    fort_id: String,
    authorization_code: String,
    token_name: String,
}

impl Made {
    /// What the gateway told on the customer's way back.
    fn of_returned(&mut self, fields: &Map<String, Value>) {
        self.fort_id = field(fields, "fort_id").to_owned();
        self.authorization_code = field(fields, "authorization_code").to_owned();
        self.token_name = field(fields, "token_name").to_owned();
    }
}

fn hold(accounts: &Accounts, example: &Example) {
    let merchant = &accounts.merchants[&example.account];
    let mut made = Made::default();
    for given in example.row["given"].as_array().unwrap() {
        bring_about(accounts, merchant, given.as_str().unwrap(), example, &mut made);
    }
    if example.row["request"]["endpoint"] == "paymentPage" {
        hold_page(accounts, example);
        return;
    }
    let body = example.body(merchant, &made);
    let answer = wire::post(&accounts.gateway.address, "1.1", &["Content-Type: application/json"], &body);
    assert_eq!(u64::from(answer.status), example.row["response"]["http_status"].as_u64().unwrap(), "{}", example.id);
    assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"), "{}", example.id);
    let answer = answer.json();
    if example.row["response"]["signed"].as_bool().unwrap() {
        merchant.check(&answer);
    }
    compare(example, &answer, &made);
}

/// Posts the form as it stands in the file, as a browser does, does on the gateway's page what the example's customer does,
/// and compares what goes back to the merchant.
fn hold_page(accounts: &Accounts, example: &Example) -> page::Returned {
    let merchant = &accounts.merchants[&example.account];
    let params = example.row["request"]["params"].as_object().unwrap();
    let pairs = params.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    let body = page::encoded(pairs);
    let sent = page::post_for(&accounts.gateway, CUSTOMER, &body);
    let last = match sent.status {
        303 => visit(&Customer::led_by(&accounts.gateway, &sent), example),
        _ => sent,
    };
    let to = example.row["response"]["to"].as_str().unwrap();
    let returned = match example.row["response"]["delivery"].as_str().unwrap() {
        "browser_get" => page::redirected(&last, to),
        _ => page::returned(&last),
    };
    assert_eq!(returned.to, to, "{}", example.id);
    merchant.check(&returned.fields);
    compare(example, &returned.fields, &Made::default());
    returned
}

/// What an example's customer does on the page; the last answer.
fn visit(customer: &Customer, example: &Example) -> wire::HttpAnswer {
    const TRIES_BEFORE_THE_LAST: usize = 8;
    let given = example.row["given"].as_array().unwrap().iter();
    let given: Vec<&str> = given.map(|given| given.as_str().unwrap()).collect();
    match given.as_slice() {
        ["customer pays with 4005550000000001, expiry 3005, CVV 123"]
        | ["customer types 4005550000000001 3005 123 in the iframe"]
        | ["channel return method GET"] => customer.type_card("4005550000000001", &[]),
        ["token service active"] => customer.type_card("4005550000000001", &[("remember_me", "YES")]),
        ["customer pays with 4005559000001000, last attempt"] => {
            for _ in 0..TRIES_BEFORE_THE_LAST {
                let again = customer.type_card("4005559000001000", &[]);
                assert!(
                    text(&again.body).contains("name=\"card_number\""),
                    "{}: another card may be tried",
                    example.id
                );
            }
            customer.type_card("4005559000001000", &[])
        }
        ["customer cancels on the page"] => customer.cancel(),
        other => panic!("{}: nobody said what the customer does: {other:?}", example.id),
    }
}

fn compare(example: &Example, answer: &Map<String, Value>, made: &Made) {
    let id = &example.id;
    let expected = example.fields(made);
    let names: Vec<&String> = answer.keys().collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{id}: the names of the fields: {answer:?}");
    let substituted = !made.fort_id.is_empty() || example.exception().is_some() || example.lists_tokens();
    for (name, expected) in &expected {
        let ours = &shown(&answer[name]);
        match name.as_str() {
            // Checked over all fields already; that of the file counts where nothing else differs.
            "signature" if substituted || example.is_volatile(name) => {
                assert_eq!(ours.len(), expected.len(), "{id}");
                assert!(ours.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}: lower-case hex");
            }
            "fort_id" if example.is_volatile(name) => {
                assert_eq!(ours.len(), 18, "{id}");
                assert!(ours.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
            }
            "authorization_code" if example.is_volatile(name) => {
                assert_eq!(ours.len(), 6, "{id}");
                assert!(ours.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
            }
            "token_name" if example.is_volatile(name) => {
                assert!(made.token_name.is_empty() || *ours == made.token_name, "{id}: {ours}");
                assert!(ours.len() == 32 && ours.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}: {ours}");
            }
            "creation_date" if example.is_volatile(name) => {
                assert_eq!(ours.len(), expected.len(), "{id}: {ours}");
                assert!(ours.ends_with("+00:00"), "{id}: {ours}");
            }
            "customer_ip" if example.is_volatile(name) => assert_eq!(ours, CUSTOMER, "{id}"),
            "processor_response_code" if example.is_volatile(name) => assert!(!ours.is_empty(), "{id}"),
            _ => assert_eq!(ours, expected, "{id}: {name}"),
        }
    }
}

/// Makes the circumstances of an example true by real calls.
fn bring_about(accounts: &Accounts, merchant: &Merchant, given: &str, example: &Example, made: &mut Made) {
    let gateway = &accounts.gateway;
    let reference = example.expected("merchant_reference").unwrap_or_default();
    let mut pay = |command: &str, card: &str, code: &str| {
        let answer = gateway.call(merchant, &payment(command, reference, "15000", card));
        assert_eq!(field(&answer, "response_code"), code, "{}: {given}", example.id);
        made.fort_id = field(&answer, "fort_id").to_owned();
        made.authorization_code = field(&answer, "authorization_code").to_owned();
    };
    let maintain = |command: &str, amount: &str, code: &str| {
        let params = [("command", command), ("merchant_reference", reference), ("amount", amount), ("currency", "AED")];
        let answer = gateway.call(merchant, &params);
        assert_eq!(field(&answer, "response_code"), code, "{}: {given}", example.id);
    };
    const VISA: &str = "4005550000000001";
    match given {
        "order TG-A1, fort_id 169996200000132829, authorised 15000 AED"
        | "order TG-A2 authorised, nothing captured" => pay("AUTHORIZATION", VISA, "02000"),
        "an order TG-D1 was purchased"
        | "order TG-P1 purchased"
        | "order TG-P1 purchased for 15000 AED"
        | "order TG-P1 = fort_id 169996200000132829 purchased for 15000 AED" => pay("PURCHASE", VISA, "14000"),
        "order TG-P3 purchased with 4005559000009003" => pay("PURCHASE", "4005559000009003", "14000"),
        "order TG-R3 declined with 05" => pay("PURCHASE", "4005559000001000", "13666"),
        "order TG-P1 purchased for 15000 AED, 4000 refunded" => {
            pay("PURCHASE", VISA, "14000");
            maintain("REFUND", "4000", "06000");
        }
        "order TG-P2 fully refunded" => {
            pay("PURCHASE", VISA, "14000");
            maintain("REFUND", "15000", "06000");
        }
        "TOKENIZATION done with token b9d2c1f6a1e14c0fa3b2b5b1f9c2a001 for card 4005550000000001" => {
            keep_card(accounts, merchant, example);
        }
        "token b9d2c1f6a1e14c0fa3b2b5b1f9c2a001 is INACTIVE" => {
            let token = keep_card(accounts, merchant, example);
            let off =
                [("service_command", "UPDATE_TOKEN"), ("merchant_reference", "OFF"), ("token_status", "INACTIVE")];
            let answer = gateway.call(merchant, &[off.as_slice(), &[("token_name", token)]].concat());
            assert_eq!(field(&answer, "response_code"), "58000", "{answer:?}");
        }
        "card of token b9d2c1f6a1e14c0fa3b2b5b1f9c2a001 has expired" => {
            keep_card(accounts, merchant, example);
            gateway.run_well(&["clock", "advance", "4000d"]);
        }
        "token b9d2c1f6a1e14c0fa3b2b5b1f9c2a001 exists" => {
            keep_card(accounts, merchant, example);
        }
        "custom merchant page not enabled for the account" => {
            accounts::set(gateway, &example.account.to_lowercase(), &["--custom-page", "off"]);
        }
        "TG-V1 verified" => {
            let answer = gateway.call(merchant, &support::verification(reference, VISA, &[]));
            assert_eq!(field(&answer, "response_code"), "80000", "{answer:?}");
        }
        "the client encodes the JSON text in ISO-8859-1" | "token my.card@1 does not exist" => {}
        "channel return method GET" => {
            accounts::set(gateway, &example.account.to_lowercase(), &["--return-method", "get"]);
        }
        // An account is made so.
        "token service active" => {}
        // What the customer does comes after the form.
        given if given.starts_with("customer ") => {}
        "5000 captured already" => maintain("CAPTURE", "5000", "04000"),
        "captured 5000, then refunded 1000" => {
            maintain("CAPTURE", "5000", "04000");
            maintain("REFUND", "1000", "06000");
        }
        other => panic!("{}: these circumstances are unknown: {other}", example.id),
    }
}

/// Keeps the examples' card under their token by a payment of its own; the token's name.
fn keep_card(accounts: &Accounts, merchant: &Merchant, example: &Example) -> &'static str {
    const TOKEN: &str = "b9d2c1f6a1e14c0fa3b2b5b1f9c2a001";
    let reference = format!("KEEPS-{}", example.id);
    let mut params = payment("PURCHASE", &reference, "15000", "4005550000000001");
    params.extend([("token_name", TOKEN), ("card_holder_name", "Jo Doe")]);
    let answer = accounts.gateway.call(merchant, &params);
    assert_eq!(field(&answer, "response_code"), "14000", "{}: {answer:?}", example.id);
    TOKEN
}

// ---------------------------------------------------------------------------------------------
// The same payment as the clients of the world write it (fact base, sections 2 and 17).

/// A payment over the trusted channel, as pairs of name and value sorted by the bytes of the names.
fn plain_payment<'a>(merchant: &'a Merchant, reference: &'a str) -> BTreeMap<&'a str, &'a str> {
    let mut params: BTreeMap<&str, &str> =
        payment("PURCHASE", reference, "15000", "4005550000000001").into_iter().collect();
    params.insert("access_code", &merchant.access_code);
    params.insert("merchant_identifier", &merchant.merchant_identifier);
    params.insert("language", "en");
    params
}

/// How a client writes what it signs.
struct Written<'a> {
    /// What it hashes, in its order.
    signed: Vec<(&'a str, &'a str)>,
    /// Values that stand in the JSON otherwise than as texts, or beside what is signed.
    raw: Vec<(&'a str, &'a str)>,
}

impl Written<'_> {
    fn body(&self, phrase: &str) -> String {
        self.body_signed_with(&wire::sha256_signature(&self.signed, phrase))
    }

    fn body_signed_with(&self, signature: &str) -> String {
        let mut members: Vec<String> = self
            .signed
            .iter()
            .filter(|(name, _)| !self.raw.iter().any(|(raw, _)| raw == name))
            .map(|(name, value)| format!("{}:{}", Value::from(*name), Value::from(*value)))
            .collect();
        members.extend(self.raw.iter().map(|(name, json)| format!("{}:{json}", Value::from(*name))));
        members.push(format!("\"signature\":\"{signature}\""));
        format!("{{{}}}", members.join(","))
    }
}

/// A gateway and its demo merchant, for payments in many hands.
struct Hands {
    gateway: Gateway,
    merchant: Merchant,
}

impl Hands {
    fn start() -> Hands {
        let gateway = Gateway::start();
        let merchant = gateway.demo();
        Hands { gateway, merchant }
    }

    /// Posts what a client wrote; the answer has to be an approval, signed.
    fn approve(&self, what: &str, headers: &[&str], body: &[u8]) -> Map<String, Value> {
        let answer = wire::post(&self.gateway.address, "1.1", headers, body);
        self.approved(what, &answer)
    }

    fn approved(&self, what: &str, answer: &wire::HttpAnswer) -> Map<String, Value> {
        assert_eq!(answer.status, 200, "{what}");
        let json = answer.json();
        assert_eq!(field(&json, "response_code"), "14000", "{what}: {json:?}");
        self.merchant.check(&json);
        json
    }
}

const JSON: &[&str] = &["Content-Type: application/json"];

#[test]
fn json_numbers_are_hashed_plain_and_come_back_as_texts() {
    let hands = Hands::start();
    for (reference, amount_json, amount_hashed, amount_back) in [
        ("4711", "15000", "15000", "15000"),
        ("4712", "15000.0", "15000", "15000"),
        ("4713", "15000.0", "15000.0", "15000"),
    ] {
        let mut params = plain_payment(&hands.merchant, reference);
        params.insert("amount", amount_hashed);
        params.insert("card_number", "4005550000000001");
        let written = Written {
            signed: params.into_iter().collect(),
            raw: vec![
                ("amount", amount_json),
                ("merchant_reference", reference),
                ("expiry_date", "3005"),
                ("card_number", "4005550000000001"),
                ("card_security_code", "123"),
            ],
        };
        let answer = hands.approve(amount_json, JSON, written.body(&hands.merchant.request_phrase).as_bytes());
        assert_eq!(field(&answer, "amount"), amount_back);
        assert_eq!(field(&answer, "merchant_reference"), reference);
        assert_eq!(field(&answer, "card_number"), "400555******0001");
    }
}

#[test]
fn null_and_empty_values_may_be_signed_or_not_and_do_not_come_back() {
    let hands = Hands::start();
    // In the message: null or an empty text. In the hash: `name=`, or left out.
    for (place, (json, hashed)) in
        [("null", true), ("null", false), ("\"\"", true), ("\"\"", false)].into_iter().enumerate()
    {
        let reference = format!("EMPTY-{place}");
        let mut params = plain_payment(&hands.merchant, &reference);
        if hashed {
            params.insert("customer_ip", "");
            params.insert("order_description", "");
        }
        let written = Written {
            signed: params.into_iter().collect(),
            raw: vec![("customer_ip", json), ("order_description", json)],
        };
        let answer = hands.approve(&reference, JSON, written.body(&hands.merchant.request_phrase).as_bytes());
        assert!(!answer.contains_key("customer_ip") && !answer.contains_key("order_description"), "{answer:?}");
    }
    // Nulls out, empty texts in.
    let mut params = plain_payment(&hands.merchant, "EMPTY-MIXED");
    params.insert("order_description", "");
    let written = Written {
        signed: params.into_iter().collect(),
        raw: vec![("customer_ip", "null"), ("order_description", "\"\"")],
    };
    hands.approve("mixed", JSON, written.body(&hands.merchant.request_phrase).as_bytes());
}

#[test]
fn values_trimmed_and_names_in_culture_order_are_signatures_too() {
    let hands = Hands::start();
    let mut params = plain_payment(&hands.merchant, "TRIMMED");
    params.insert("customer_name", "Jo Doe");
    let written = Written { signed: params.into_iter().collect(), raw: vec![("customer_name", "\"  Jo Doe \"")] };
    let answer = hands.approve("trimmed", JSON, written.body(&hands.merchant.request_phrase).as_bytes());
    assert_eq!(field(&answer, "customer_name"), "  Jo Doe ", "values come back unchanged");

    let mut params: Vec<(&str, &str)> = plain_payment(&hands.merchant, "CULTURE").into_iter().collect();
    params.extend([("ship_address_city", "Dubai"), ("ship_address1", "1 Sea Street"), ("ship_address2", "Floor 2")]);
    // Culture order: the underscore before digits; bytes would say address1, address2, address_city.
    let culture = |name: &str| name.to_lowercase().replace('_', "\u{1}");
    params.sort_by_key(|(name, _)| culture(name));
    let written = Written { signed: params, raw: vec![] };
    let answer = hands.approve("culture", JSON, written.body(&hands.merchant.request_phrase).as_bytes());
    assert!(answer.keys().all(|name| !name.starts_with("ship_")), "the fraud block does not come back: {answer:?}");
}

#[test]
fn an_upper_case_signature_is_taken_and_the_answer_is_lower_case() {
    let hands = Hands::start();
    let params = plain_payment(&hands.merchant, "UPPER");
    let written = Written { signed: params.into_iter().collect(), raw: vec![] };
    let signature = wire::sha256_signature(&written.signed, &hands.merchant.request_phrase).to_uppercase();
    let answer = hands.approve("upper case", JSON, written.body_signed_with(&signature).as_bytes());
    assert_eq!(field(&answer, "signature"), field(&answer, "signature").to_lowercase());
}

#[test]
fn bytes_that_are_latin_1_are_signed_as_utf_8_and_come_back_as_utf_8() {
    let hands = Hands::start();
    let mut params = plain_payment(&hands.merchant, "LATIN-1");
    params.insert("customer_name", "José");
    let body = Written { signed: params.into_iter().collect(), raw: vec![] }.body(&hands.merchant.request_phrase);
    let latin: Vec<u8> = body.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
    assert!(std::str::from_utf8(&latin).is_err());
    let answer = hands.approve("Latin-1", JSON, &latin);
    assert_eq!(field(&answer, "customer_name"), "José");
}

#[test]
fn arabic_is_the_same_as_utf_8_and_as_json_escapes_with_or_without_a_byte_order_mark() {
    let hands = Hands::start();
    for (reference, raw, mark) in [
        ("ARABIC-1", "\"محمد\"", ""),
        ("ARABIC-2", "\"\\u0645\\u062d\\u0645\\u062f\"", ""),
        ("ARABIC-3", "\"محمد\"", "\u{feff}"),
    ] {
        let mut params = plain_payment(&hands.merchant, reference);
        params.insert("customer_name", "محمد");
        let written = Written { signed: params.into_iter().collect(), raw: vec![("customer_name", raw)] };
        let body = format!("{mark}{}", written.body(&hands.merchant.request_phrase));
        let answer = hands.approve(reference, JSON, body.as_bytes());
        assert_eq!(field(&answer, "customer_name"), "محمد");
    }
}

#[test]
fn the_content_type_may_have_a_charset_be_another_or_be_absent() {
    let hands = Hands::start();
    for (place, headers) in [
        &["Content-Type: application/json; charset=UTF-8"] as &[&str],
        &["content-type: application/json;charset=utf-8"],
        &["Content-Type: application/json", "charset: UTF-8"],
        &["Content-Type: text/json"],
        &["Content-Type: text/plain; charset=ISO-8859-1"],
        &["Accept: application/json", "Accept-Encoding: gzip, deflate", "User-Agent: a client"],
    ]
    .into_iter()
    .enumerate()
    {
        let reference = format!("TYPE-{place}");
        let body = hands.merchant.sign(&payment("PURCHASE", &reference, "15000", "4005550000000001"));
        hands.approve(&reference, headers, &body);
    }
}

#[test]
fn old_and_careful_http_clients_are_served() {
    let hands = Hands::start();
    let address = &hands.gateway.address;
    let body = |reference: &str| hands.merchant.sign(&payment("PURCHASE", reference, "15000", "4005550000000001"));

    let answer = wire::post(address, "1.0", JSON, &body("HTTP-1-0"));
    hands.approved("HTTP/1.0", &answer);
    assert_eq!(answer.header("transfer-encoding"), None, "HTTP/1.0 knows no chunks");
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));

    // .NET asks before it sends the body.
    let sent = body("EXPECT");
    let head = wire::head(address, "1.1", &["Content-Type: application/json", "Expect: 100-continue"], sent.len());
    hands.approved("Expect", &wire::send_in_pieces(address, &[head.as_bytes(), &sent]));

    // Chunks, the border inside a name.
    let sent = body("CHUNKED");
    let (one, two) = sent.split_at(40);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n",
        wire::PATH
    );
    let mut chunked = head.into_bytes();
    for chunk in [one, two, &[]] {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    hands.approved("chunked", &wire::send(address, &chunked));

    // A slow network: byte by byte.
    let sent = body("BYTEWISE");
    let whole = [wire::head(address, "1.1", JSON, sent.len()).as_bytes(), &sent].concat();
    let pieces: Vec<&[u8]> = whole.chunks(1).collect();
    hands.approved("byte by byte", &wire::send_in_pieces(address, &pieces));

    // Two requests on one connection.
    let (first, second) = (body("KEPT-1"), body("KEPT-2"));
    let keep = wire::head(address, "1.1", JSON, first.len()).replace("Connection: close\r\n", "");
    let last = wire::head(address, "1.1", JSON, second.len());
    let both = wire::send(address, &[keep.as_bytes(), &first, last.as_bytes(), &second].concat());
    let answers = text(&both.body);
    assert_eq!(answers.matches("\"14000\"").count(), 2, "{answers}");
}

#[test]
fn a_form_is_taken_like_json_and_answered_with_json() {
    let hands = Hands::start();
    let params = plain_payment(&hands.merchant, "FORM");
    let signed: Vec<(&str, &str)> = params.into_iter().collect();
    let signature = wire::sha256_signature(&signed, &hands.merchant.request_phrase);
    let mut pairs: Vec<String> =
        signed.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40"))).collect();
    pairs.push(format!("signature={signature}"));
    let body = pairs.join("&");
    hands.approve("form", &["Content-Type: application/x-www-form-urlencoded; charset=UTF-8"], body.as_bytes());
}
