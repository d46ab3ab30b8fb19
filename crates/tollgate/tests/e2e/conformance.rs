//! The request and answer pairs of `tests/data/fort_examples.jsonl` against the running binary, field
//! by field.

use crate::support::customer::Customer;
use crate::support::receiver::{Received, Receiver};
use crate::support::{Gateway, Merchant, accounts, field, page, payment, text, wire};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_core::merchant::ShaType;

const EXAMPLES: &str = include_str!("../../../../tests/data/fort_examples.jsonl");
/// The number and the code that the examples use where a gateway makes its own.
const FORT_ID: &str = "169996200000132829";
const AUTHORIZATION_CODE: &str = "199955";
/// From where the customers of the examples come.
const CUSTOMER: &str = "203.0.113.9";

#[test]
fn every_pair_of_the_fact_base_holds_field_by_field() {
    let examples = Example::all();
    let with_answer: Vec<&Example> =
        examples.iter().filter(|example| !example.is_feedback() && !example.goes_on()).collect();
    let worlds = worlds(&with_answer);
    assert_eq!(worlds.iter().map(Vec::len).sum::<usize>(), 79);
    std::thread::scope(|scope| {
        for world in &worlds {
            scope.spawn(|| {
                let accounts = Accounts::start();
                world.iter().for_each(|example| drop(hold(&accounts, example)));
            });
        }
    });
}

#[test]
fn every_way_back_from_a_challenge_in_the_fact_base_holds_field_by_field() {
    let examples = Example::all();
    let ways: Vec<&Example> = examples.iter().filter(|example| example.goes_on()).collect();
    assert_eq!(ways.len(), 2);
    let wanted = examples.iter().find(|example| example.id == "E19-purchase-op-3ds").unwrap();
    std::thread::scope(|scope| {
        for example in ways {
            scope.spawn(move || hold_way_back(&Accounts::start(), wanted, example));
        }
    });
}

/// Goes on where an example was answered with a `3ds_url`, and compares what goes back to the merchant.
fn hold_way_back(accounts: &Accounts, wanted: &Example, example: &Example) {
    let answer = hold(accounts, wanted);
    let customer = Customer::sent_to(&accounts.gateway, field(&answer, "3ds_url"));
    let mut issuer = customer.at_the_issuer(&customer.go_on(customer.look()));
    let shown = text(&issuer.answer.body);
    let (_, shown) = shown.split_once("the code is").unwrap_or_else(|| panic!("no code: {shown}"));
    let right: String = shown.chars().filter(char::is_ascii_digit).take(6).collect();
    let wrong = if right == "000000" { "111111" } else { "000000" };
    let given = example.row["given"].as_array().unwrap().iter().filter_map(Value::as_str);
    let codes: &[&str] = match given.clone().find(|given| given.starts_with("challenge")) {
        Some("challenge passed") => &[&right],
        Some("challenge failed") => &[wrong; 3],
        _ => panic!("{}: nobody said what the customer does", example.id),
    };
    for code in codes {
        issuer = customer.type_code(&issuer, code);
    }
    let to = example.row["response"]["to"].as_str().unwrap();
    let returned = page::returned(&issuer.answer);
    assert_eq!(returned.to, to, "{}", example.id);
    accounts.merchants[&example.account].check(&returned.fields);
    let made = Made { fort_id: field(&answer, "fort_id").to_owned(), ..Made::default() };
    compare(example, &returned.fields, &made);
    assert_eq!(field(&returned.fields, "fort_id"), made.fort_id, "{}: that of the 20064 answer", example.id);
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
                let told = accounts.gateway.call(merchant, &crate::support::status("TG-D5"));
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
        let mut params =
            crate::support::operation(expected("command"), expected("merchant_reference"), expected("amount"));
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
            accounts::set(&gateway, &name, &["--custom-page", "on", "--three-ds", "always"]);
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

    fn is_feedback(&self) -> bool {
        self.row["response"]["delivery"].as_str().unwrap().starts_with("feedback")
    }

    /// Whether it is what follows from another example's answer, without a request of its own.
    fn goes_on(&self) -> bool {
        self.row["given"].to_string().contains("\"continues ")
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
            || given.contains("b9d2c1f6a1e14c0fa3b2b5b1f9c2a001 holds")
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

/// Posts the request as it stands in the file, and compares the answer with that of the file; the answer.
fn hold(accounts: &Accounts, example: &Example) -> Map<String, Value> {
    let merchant = &accounts.merchants[&example.account];
    let mut made = Made::default();
    for given in example.row["given"].as_array().unwrap() {
        bring_about(accounts, merchant, given.as_str().unwrap(), example, &mut made);
    }
    if example.row["request"]["endpoint"] == "paymentPage" {
        return hold_page(accounts, example).fields;
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
    answer
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
    let substituted = !made.fort_id.is_empty() || example.lists_tokens();
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
            "3ds_url" if example.is_volatile(name) => {
                assert!(ours.starts_with("http") && ours.contains("/checkout/") && ours.len() <= 300, "{id}: {ours}");
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
        "token b9d2c1f6a1e14c0fa3b2b5b1f9c2a001 holds card 4557012345678902" => {
            keep_this_card(accounts, merchant, example, "4557012345678902");
        }
        "token b9d2c1f6a1e14c0fa3b2b5b1f9c2a001 holds 5297412542005689 (MADA)" => {
            keep(accounts, merchant, example, "5297412542005689", &[]);
        }
        "token b9d2c1f6a1e14c0fa3b2b5b1f9c2a001 holds 4005559000001000" => {
            // The issuer approves of the customer's own payment, and of no charge after it.
            gateway.run_well(&["fault", "set", "--behaviour", "approve"]);
            keep(accounts, merchant, example, "4005559000001000", &[]);
        }
        "agreement AGR-1 exists from a first payment" => {
            let agreed = [("agreement_id", "AGR-1"), ("recurring_mode", "UNSCHEDULED")];
            keep(accounts, merchant, example, VISA, &agreed);
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
            let answer = gateway.call(merchant, &crate::support::verification(reference, VISA, &[]));
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
    keep_this_card(accounts, merchant, example, "4005550000000001")
}

/// Keeps a card under the examples' token, by a payment without 3-D Secure.
fn keep_this_card(accounts: &Accounts, merchant: &Merchant, example: &Example, card: &str) -> &'static str {
    // The cards of mail orders and charges have no name on them there.
    let has_holder = !matches!(example.expected("eci"), Some("MOTO" | "RECURRING"));
    let holder: &[(&str, &str)] = if has_holder { &[("card_holder_name", "Jo Doe")] } else { &[] };
    keep(accounts, merchant, example, card, holder)
}

/// Keeps a card under the examples' token by a payment of its customer's; the token's name.
fn keep(
    accounts: &Accounts,
    merchant: &Merchant,
    example: &Example,
    card: &str,
    more: &[(&str, &str)],
) -> &'static str {
    const TOKEN: &str = "b9d2c1f6a1e14c0fa3b2b5b1f9c2a001";
    let reference = format!("KEEPS-{}-{}", example.id, more.len());
    let mut params = payment("PURCHASE", &reference, "15000", card);
    params.push(("token_name", TOKEN));
    params.extend_from_slice(more);
    let answer = accounts.gateway.call(merchant, &params);
    assert_eq!(field(&answer, "response_code"), "14000", "{}: {answer:?}", example.id);
    TOKEN
}
