//! Every request parameter and every field of an answer of the trusted channel's services, by their
//! tables.

use crate::support::shop::{LATER, Language, Shop, VISA, assert_code, later, message, names, with};
use crate::support::{field, payment};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The services' tables, which the gateway itself goes by.
const SERVICES: &str = include_str!("../../../fort/data/services.toml");

// ---------------------------------------------------------------------------------------------
// The tables.

struct Table {
    commands: Vec<String>,
    mandatory: Vec<String>,
    optional: Vec<String>,
    ignored: Vec<String>,
    echo: Vec<String>,
    made: BTreeMap<String, String>,
}

struct Parameter {
    name: String,
    max: usize,
    min: usize,
    chars: Option<String>,
    unicode: bool,
    values: Vec<String>,
    shape: String,
}

fn tables() -> Vec<Table> {
    let file: toml::Table = toml::from_str(SERVICES).unwrap();
    let texts = |value: Option<&toml::Value>| -> Vec<String> {
        let list = value.and_then(toml::Value::as_array).cloned().unwrap_or_default();
        list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let of = |service: &toml::Value| {
        let answer = service["answer"].as_table().unwrap();
        Table {
            commands: texts(service.get("commands")),
            mandatory: texts(service.get("mandatory")),
            optional: texts(service.get("optional")),
            ignored: texts(service.get("ignored")),
            echo: texts(answer.get("echo")),
            made: answer
                .iter()
                .filter_map(|(name, source)| Some((name.clone(), source.as_str()?.to_owned())))
                .collect(),
        }
    };
    file["services"].as_array().unwrap().iter().map(of).collect()
}

fn table_of(command: &str) -> Table {
    tables().into_iter().find(|table| table.commands.iter().any(|known| known == command)).unwrap()
}

impl Parameter {
    fn of(name: &str) -> Parameter {
        let file: toml::Table = toml::from_str(SERVICES).unwrap();
        let facts = file["parameters"][name].as_table().unwrap();
        let number = |key: &str| facts.get(key).and_then(toml::Value::as_integer).map(|n| usize::try_from(n).unwrap());
        let text = |key: &str| facts.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let values = facts.get("values").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        Parameter {
            name: name.to_owned(),
            max: number("max").unwrap_or(0),
            min: number("min").unwrap_or(1),
            chars: text("chars"),
            unicode: facts.get("unicode").and_then(toml::Value::as_bool).unwrap_or(false),
            values: values.iter().map(|value| value.as_str().unwrap().to_owned()).collect(),
            shape: text("shape").unwrap_or_default(),
        }
    }

    /// Every character of its set, ranges written out; letters of the world where it takes them.
    fn alphabet(&self) -> Vec<char> {
        let list: Vec<char> = self.chars.as_deref().unwrap().chars().collect();
        let mut all: BTreeSet<char> = BTreeSet::new();
        let mut place = 0;
        while place < list.len() {
            if place + 2 < list.len() && list[place + 1] == '-' {
                all.extend(list[place]..=list[place + 2]);
                place += 3;
            } else {
                all.insert(list[place]);
                place += 1;
            }
        }
        if self.unicode {
            all.extend(['a', 'Z', '7', 'é', 'م', 'ح', '李']);
        }
        all.into_iter().collect()
    }

    /// A value that is as long as it may be, made of every character it may have.
    fn longest(&self) -> String {
        let cycle = |alphabet: Vec<char>| alphabet.into_iter().cycle().take(self.max).collect::<String>();
        match (self.values.first(), self.shape.as_str()) {
            (Some(value), _) => value.clone(),
            (None, "") => cycle(self.alphabet()),
            (None, "text") => cycle(vec!['x', ' ', 'é', 'م', '"', '\\', '<', '&', '\'', '=', '+', '%', '1']),
            (None, "url") => format!("https://shop.example/{}", "p".repeat(self.max - 21)),
            (None, "date") => "2031-12-31".to_owned(),
            (None, "email") => format!("{}@{}", "j".repeat(64), "d".repeat(self.max - 65)),
            (None, shape) => panic!("{}: no value is known of shape {shape}", self.name),
        }
    }

    /// Values that are refused, each with its code.
    fn refused(&self) -> Vec<(String, &'static str)> {
        if !self.values.is_empty() {
            let first = &self.values[0];
            let other_case = if *first == first.to_lowercase() { first.to_uppercase() } else { first.to_lowercase() };
            let mut refused = vec![("MAYBE".into(), "00033"), (format!("{first} "), "00033")];
            // Digits have no case.
            if other_case != *first {
                refused.push((other_case, "00033"));
            }
            return refused;
        }
        let mut refused = Vec::new();
        match self.shape.as_str() {
            "" => {
                let first = self.alphabet()[0];
                refused.push((first.to_string().repeat(self.max + 1), "00032"));
                for bad in ['\u{7f}', '\n', '`', '|', '\u{202e}', '\u{1F600}'] {
                    refused.push((bad.to_string().repeat(self.min), "00002"));
                }
                if self.min > 1 {
                    refused.push((first.to_string(), "00002"));
                }
            }
            "text" => refused.push(("م".repeat(self.max + 1), "00032")),
            "url" => {
                refused.push((format!("https://shop.example/{}", "p".repeat(self.max - 20)), "00032"));
                for bad in ["shop.example/x", "ftp://shop.example", "javascript:alert(1)", "https://", "https://a b"] {
                    refused.push((bad.into(), "00002"));
                }
            }
            "date" => {
                for bad in ["2031/12/31", "31-12-2031", "2031-1-1", "20311231"] {
                    refused.push((bad.into(), "00002"));
                }
            }
            "amount" => {
                for bad in ["0", "1.5", "-1", "x"] {
                    refused.push((bad.into(), "00005"));
                }
            }
            "email" => {
                refused.push((format!("{}@{}", "j".repeat(64), "d".repeat(self.max - 64)), "00032"));
                for bad in ["jo", "@example.org", "jo@", "jo@a@b", "jo doe@example.org"] {
                    refused.push((bad.into(), "00002"));
                }
            }
            shape => panic!("{}: no bad value is known of shape {shape}", self.name),
        }
        refused
    }
}

/// Parameters of a payment that say which card it is and decide what happens to it; they have
/// tests of their own below.
const DECISIVE: [&str; 17] = [
    "card_number",
    "expiry_date",
    "card_security_code",
    "encrypted_card_data",
    "token_name",
    "payment_option",
    "eci",
    // It opens an agreement: recurring.rs.
    "recurring_mode",
    // They go with it: schedule_calls.rs.
    "recurring_billing_cycle",
    "recurring_first_charge_date",
    "recurring_amount",
    // They are judged together: own_mpi.rs.
    "3ds_xid",
    "3ds_enrolled",
    "3ds_status",
    "3ds_eci",
    "ver_token",
    "ver_type",
];

// ---------------------------------------------------------------------------------------------
// Parameters and fields by the tables.

#[test]
fn every_optional_parameter_of_a_payment_is_taken_at_full_length_and_comes_back_as_its_table_says() {
    let shop = Shop::open();
    let table = table_of("PURCHASE");
    for command in ["AUTHORIZATION", "PURCHASE"] {
        for name in table.optional.iter().filter(|name| !DECISIVE.contains(&name.as_str())) {
            let value = Parameter::of(name).longest();
            let answer = shop.pay(command, VISA, &[(name, &value)]);
            assert_code(&answer, if command == "PURCHASE" { "14000" } else { "02000" }, name);
            let mut expected = approved_payment_fields(&table);
            if table.echo.contains(name) || ["card_holder_name", "agreement_id"].contains(&&**name) {
                assert_eq!(field(&answer, name), value, "{name} comes back unchanged");
                expected.insert(name);
            }
            if name == "remember_me" {
                expected.insert("token_name");
            }
            assert_eq!(names(&answer), expected, "{command} with {name}");
        }
    }
}

/// The fields of an approved payment that has no optional parameters but the card.
fn approved_payment_fields(table: &Table) -> BTreeSet<&str> {
    let mut expected: BTreeSet<&str> = table
        .echo
        .iter()
        .map(String::as_str)
        .filter(|name| table.mandatory.iter().any(|known| known == name))
        .collect();
    let not_always = [
        "agreement",
        "card_holder",
        "decline_code",
        "decline_text",
        "due_attempt",
        "due_date",
        "echo_on_refusal",
        "paid_link",
        "three_ds_url",
        "token",
    ];
    expected.extend(
        table.made.iter().filter(|(_, source)| !not_always.contains(&source.as_str())).map(|(name, _)| &**name),
    );
    expected.extend(["response_code", "response_message", "status", "signature"]);
    expected
}

#[test]
fn every_optional_parameter_of_later_operations_is_taken_and_comes_back_as_its_table_says() {
    let shop = Shop::open();
    for command in LATER {
        let table = table_of(command);
        for name in table.optional.iter().chain(&table.ignored) {
            let reference = shop.order_for(command);
            let value =
                if table.ignored.contains(name) { "any thing".to_owned() } else { Parameter::of(name).longest() };
            let bare: BTreeSet<String> = {
                let reference = shop.order_for(command);
                shop.call(&later(command, &reference, &[])).keys().cloned().collect()
            };
            let answer = shop.call(&later(command, &reference, &[(name, &value)]));
            let success = match command {
                "CAPTURE" => "04000",
                "VOID_AUTHORIZATION" => "08000",
                "REFUND" => "06000",
                _ => "12000",
            };
            assert_code(&answer, success, &format!("{command} with {name}"));
            let mut expected: BTreeSet<&str> = bare.iter().map(String::as_str).collect();
            if table.echo.contains(name) {
                assert_eq!(field(&answer, name), value, "{command}: {name} comes back unchanged");
                expected.insert(name);
            }
            // Third-party codes are what this parameter asks for.
            if name == "return_third_party_response_codes" {
                expected.extend(["processor_response_code", "acquirer_response_code"]);
            }
            assert_eq!(names(&answer), expected, "{command} with {name}");
            assert_eq!(field(&answer, "merchant_reference"), reference);
            assert_eq!(field(&answer, "fort_id").len(), 18);
        }
    }
}

#[test]
fn a_field_that_no_table_lists_never_comes_back() {
    let shop = Shop::open();
    let unknown = [("device_fingerprint", "abc"), ("fraud_extra1", "x"), ("3ds", "YES"), ("signature2", "x")];
    for command in ["AUTHORIZATION", "PURCHASE"] {
        let answer = shop.pay(command, VISA, &unknown);
        assert!(unknown.iter().all(|(name, _)| !answer.contains_key(*name)), "{answer:?}");
        assert!(!answer.contains_key("card_security_code") && !answer.contains_key("check_3ds"), "{answer:?}");
    }
    for command in LATER {
        let answer = shop.call(&later(command, &shop.order_for(command), &unknown));
        assert!(unknown.iter().all(|(name, _)| !answer.contains_key(*name)), "{answer:?}");
    }
}

#[test]
fn every_parameter_is_refused_for_its_length_its_form_and_its_values() {
    let shop = Shop::open();
    for command in ["PURCHASE", "CAPTURE", "VOID_AUTHORIZATION", "REFUND", "CHECK_STATUS"] {
        let table = table_of(command);
        let own_codes = ["card_number", "expiry_date", "amount", "currency", "signature", "command", "query_command"];
        let identity = ["access_code", "merchant_identifier"];
        let all: BTreeSet<&String> = table.mandatory.iter().chain(&table.optional).collect();
        for name in
            all.into_iter().filter(|name| !own_codes.contains(&name.as_str()) && !identity.contains(&name.as_str()))
        {
            for (value, code) in Parameter::of(name).refused() {
                let params = match command {
                    "PURCHASE" => with(payment(command, "NEVER-MADE", "15000", VISA), &[(name, &value)]),
                    _ => later(command, "NEVER-MADE", &[(name, &value)]),
                };
                let answer = shop.call(&params);
                assert_code(&answer, code, &format!("{command} with {name}={value:?}"));
                assert!(!answer.contains_key("fort_id"), "{answer:?}");
            }
        }
    }
    for (name, value, code) in [("fort_id", "12a", "00002"), ("fort_id", &"1".repeat(21), "00032")] {
        for command in LATER {
            assert_code(&shop.call(&later(command, "NEVER-MADE", &[(name, value)])), code, command);
        }
    }
    let left = shop.call(&later("CHECK_STATUS", "NEVER-MADE", &[]));
    assert_code(&left, "12036", "a refused payment leaves no order");
}

#[test]
fn every_mandatory_parameter_is_missed_also_when_it_is_sent_empty() {
    let shop = Shop::open();
    let codes = |name: &str| match name {
        "command" | "query_command" => "00004",
        "access_code" => "00010",
        "merchant_identifier" => "00009",
        _ => "00001",
    };
    for command in ["AUTHORIZATION", "PURCHASE", "CAPTURE", "VOID_AUTHORIZATION", "REFUND", "CHECK_STATUS"] {
        let table = table_of(command);
        for name in table.mandatory.iter().filter(|name| *name != "signature") {
            let whole = match command {
                "AUTHORIZATION" | "PURCHASE" => payment(command, "NEVER-MADE", "15000", VISA),
                _ => later(command, "NEVER-MADE", &[]),
            };
            let empty = with(whole, &[(name, "")]);
            let (_, answer) = shop.gateway.post_raw(&shop.merchant.sign(&empty), "application/json");
            let answer: Map<String, Value> = serde_json::from_slice(&answer).unwrap();
            assert_code(&answer, codes(name), &format!("{command} without {name}"));
            assert_eq!(answer.contains_key("signature"), name != "access_code", "{command} without {name}");
            assert!(!answer.contains_key(name), "an empty value does not come back: {answer:?}");
        }
    }
    for command in LATER {
        let nameless = with(later(command, "NEVER-MADE", &[]), &[("merchant_reference", "")]);
        assert_code(&shop.call(&nameless), "00001", &format!("{command} of no order"));
    }
}

#[test]
fn a_refused_payment_gives_back_what_its_table_lists_and_the_return_url() {
    let shop = Shop::open();
    let table = table_of("PURCHASE");
    let mut params = payment("PURCHASE", "REFUSED", "0", VISA);
    let owned: Vec<(String, String)> = table
        .optional
        .iter()
        .filter(|name| !DECISIVE.contains(&name.as_str()))
        .map(|name| (name.clone(), Parameter::of(name).longest()))
        .collect();
    params = with(params, &owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>());
    params = with(params, &[("eci", "MOTO"), ("payment_option", "AMEX"), ("token_name", "t-1")]);
    let answer = shop.call(&params);
    assert_code(&answer, "00005", "an amount of zero");
    for (name, value) in params.iter().filter(|(name, _)| *name != "card_number") {
        if table.echo.iter().any(|echo| echo == name) || table.made.contains_key(*name) {
            assert_eq!(field(&answer, name), *value, "{name}");
        } else {
            assert!(!answer.contains_key(*name), "{name} does not come back");
        }
    }
    assert!(table.made["return_url"] == "echo_on_refusal" && answer.contains_key("return_url"));
    assert_eq!(field(&answer, "card_number"), "400555******0001");
    for made in ["fort_id", "authorization_code", "acquirer_response_code", "acquirer_response_message"] {
        assert!(!answer.contains_key(made), "{made}: {answer:?}");
    }
}

#[test]
fn response_messages_are_arabic_when_the_request_is() {
    let shop = Shop::open();
    let arabic = ("language", "ar");
    let reference = shop.order_for("REFUND");
    let approved = shop.pay("PURCHASE", VISA, &[arabic]);
    let declined = shop.pay("PURCHASE", "4005559000002008", &[arabic]);
    let cases = [
        (approved, "14000"),
        (declined, "13029"),
        (shop.pay("AUTHORIZATION", VISA, &[arabic]), "02000"),
        (shop.pay("PURCHASE", VISA, &[arabic, ("eci", "PHONE")]), "00033"),
        (shop.pay("PURCHASE", VISA, &[arabic, ("amount", "0")]), "00005"),
        (shop.pay("SELL", VISA, &[arabic]), "00004"),
        (shop.call(&later("CAPTURE", &reference, &[arabic])), "00034"),
        (shop.call(&later("REFUND", &reference, &[arabic])), "06000"),
        (shop.call(&later("CHECK_STATUS", "NEVER-MADE", &[arabic])), "12036"),
        (shop.call(&later("CHECK_STATUS", &reference, &[arabic])), "12000"),
    ];
    for (answer, code) in &cases {
        assert_eq!(field(answer, "response_code"), *code);
        assert_eq!(field(answer, "response_message"), message(code, Language::Arabic));
        assert_eq!(field(answer, "language"), "ar");
    }
    assert_eq!(field(&cases[9].0, "transaction_message"), message("06000", Language::Arabic));
    assert_eq!(
        field(&cases[1].0, "acquirer_response_message"),
        "Insufficient funds",
        "the network's texts are English"
    );

    let mut forged: Map<String, Value> =
        serde_json::from_slice(&shop.merchant.sign(&later("CHECK_STATUS", &reference, &[arabic]))).unwrap();
    forged.insert("signature".into(), "00".into());
    let (_, answer) = shop.gateway.post_raw(&serde_json::to_vec(&forged).unwrap(), "application/json");
    let answer: Map<String, Value> = serde_json::from_slice(&answer).unwrap();
    shop.merchant.check(&answer);
    assert_eq!(field(&answer, "response_message"), message("00008", Language::Arabic));
    assert_code(&shop.pay("PURCHASE", VISA, &[("language", "xx")]), "00033", "an unknown language is told in English");
}
