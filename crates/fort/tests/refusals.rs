//! Each refusal by parameters: its code, and which of several faults counts first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use tollgate_core::code::{ResponseCode, refused};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_fort::command::Request;
use tollgate_fort::message::Message;
use tollgate_fort::service::{Service, validate};

fn purchase() -> Value {
    json!({
        "command": "PURCHASE", "access_code": "TgAccessCode00000001", "merchant_identifier": "TgMid001",
        "merchant_reference": "TG-1", "amount": "15000", "currency": "AED", "language": "en",
        "customer_email": "jo@example.org", "signature": "ab"
    })
}

fn capture() -> Value {
    json!({
        "command": "CAPTURE", "access_code": "TgAccessCode00000001", "merchant_identifier": "TgMid001",
        "merchant_reference": "TG-1", "amount": "15000", "currency": "AED", "language": "en", "signature": "ab"
    })
}

fn check() -> Value {
    json!({
        "query_command": "CHECK_STATUS", "access_code": "TgAccessCode00000001", "merchant_identifier": "TgMid001",
        "merchant_reference": "TG-1", "language": "en", "signature": "ab"
    })
}

fn judged(params: &Value) -> Result<(), Refusal> {
    let message = Message::from_json(&serde_json::to_vec(params).unwrap()).unwrap();
    let service = Service::of(&message)?;
    let judged = validate(service, &message);
    // The command is made if and only if the parameters are right (or the order number is impossible).
    let parsed = Request::parse(service, &message).map(|_| ());
    assert!(parsed == judged || parsed.is_err_and(|refusal| refusal.parameter.as_deref() == Some("fort_id")));
    judged
}

#[track_caller]
fn assert_refused(base: Value, changes: &[(&str, Value)], code: ResponseCode, parameter: &str) {
    let mut params = base;
    for (name, value) in changes {
        params[*name] = value.clone();
    }
    let refusal = judged(&params).expect_err(parameter);
    assert_eq!((refusal.code, refusal.parameter.as_deref()), (code, Some(parameter)), "{changes:?}");
    assert_eq!(refusal.guilty, Guilty::MerchantRequest);
    for value in changes.iter().filter_map(|(_, value)| value.as_str()).filter(|value| value.len() > 3) {
        assert!(!refusal.to_string().contains(value), "{refusal} repeats a value");
    }
}

#[track_caller]
fn assert_taken(base: Value, changes: &[(&str, Value)]) {
    let mut params = base;
    for (name, value) in changes {
        params[*name] = value.clone();
    }
    judged(&params).unwrap();
}

#[test]
fn requests_as_clients_send_them_are_taken() {
    assert_taken(purchase(), &[]);
    assert_taken(capture(), &[]);
    assert_taken(check(), &[]);
    assert_taken(
        purchase(),
        &[("amount", json!(15000)), ("merchant_reference", json!(77)), ("customer_ip", Value::Null)],
    );
    assert_taken(purchase(), &[("amount", json!(15000.0)), ("order_description", json!(""))]);
    assert_taken(purchase(), &[("fraud_extra1", json!("<any>")), ("cart_details", json!({"a": [1]}))]);
    assert_taken(
        purchase(),
        &[
            ("card_number", json!("345678901234564")),
            ("expiry_date", json!("9999")),
            ("card_security_code", json!("123")),
            ("card_holder_name", json!("أحمد علي")),
            ("payment_option", json!("AMEX")),
            ("eci", json!("ECOMMERCE")),
            ("remember_me", json!("NO")),
            ("check_3ds", json!("NO")),
            ("customer_name", json!("José O'Brien")),
            ("customer_ip", json!("2001:db8::1")),
            ("phone_number", json!("+971 (4) 123-456")),
            ("return_url", json!("https://shop.example/?wc-api=x&y=%20~")),
            ("order_description", json!("Order #12: $5, 3 & more")),
            ("merchant_extra", json!("x".repeat(999))),
            ("recurring_expiry_date", json!("2030-01-31")),
        ],
    );
}

#[test]
fn absent_null_and_empty_are_all_missing() {
    for value in [Value::Null, json!("")] {
        for name in ["merchant_reference", "amount", "currency", "language", "customer_email", "signature"] {
            assert_refused(purchase(), &[(name, value.clone())], refused::MISSING_PARAMETER, name);
        }
        for name in ["amount", "currency"] {
            assert_refused(capture(), &[(name, value.clone())], refused::MISSING_PARAMETER, name);
        }
        assert_refused(
            capture(),
            &[("merchant_reference", value.clone())],
            refused::MISSING_PARAMETER,
            "merchant_reference",
        );
        assert_refused(
            check(),
            &[("merchant_reference", value.clone())],
            refused::MISSING_PARAMETER,
            "merchant_reference",
        );
        assert_taken(check(), &[("merchant_reference", value), ("fort_id", json!("169996200000132829"))]);
    }
}

#[test]
fn a_value_that_the_answer_could_be_cut_at_is_refused_where_the_answer_repeats_it() {
    let cut = "astatus=14token_name=x@y.z";
    for name in ["customer_email", "merchant_extra", "merchant_extra5", "agreement_id", "app_ver", "shipping_source"] {
        assert_refused(purchase(), &[(name, json!(cut))], refused::INVALID_FORMAT, name);
        let both = [(name, json!(cut)), ("amount", Value::Null)];
        assert_refused(purchase(), &both, refused::MISSING_PARAMETER, "amount");
    }
    let url = |query: &str| [("return_url", json!(format!("https://shop.example/?{query}")))];
    assert_refused(purchase(), &url("x=status=14token_name=y"), refused::INVALID_FORMAT, "return_url");
    assert_refused(purchase(), &url("response_code=14000&a"), refused::INVALID_FORMAT, "return_url");
    assert_taken(purchase(), &url("status=new&amount=5"));
    // No answer has these.
    assert_taken(purchase(), &[("statement_descriptor", json!(cut)), ("fraud_extra1", json!(cut))]);
    assert_taken(capture(), &[("app_ver", json!(cut))]);
    assert_taken(purchase(), &[("merchant_extra", json!("cart=17&Status=new")), ("customer_email", json!("a=b@c.d"))]);
}

#[test]
fn a_value_one_character_too_long_is_refused_and_the_longest_is_taken() {
    for (name, max, character) in [
        ("merchant_reference", 40, "R"),
        ("access_code", 20, "a"),
        ("token_name", 100, "t"),
        ("order_description", 150, "ع"),
        ("customer_name", 40, "é"),
        ("merchant_extra", 999, "☂"),
        ("merchant_extra5", 250, "x"),
        ("settlement_reference", 34, "s"),
        ("agreement_id", 250, "a"),
        ("phone_number", 19, "1"),
    ] {
        assert_taken(purchase(), &[(name, json!(character.repeat(max)))]);
        let long = json!(character.repeat(max + 1));
        assert_refused(purchase(), &[(name, long)], refused::INVALID_LENGTH, name);
    }
    let refund = [("command", json!("REFUND"))];
    let with = |length: usize| [refund[0].clone(), ("maintenance_reference", json!("m".repeat(length)))];
    assert_taken(capture(), &with(200));
    assert_refused(capture(), &with(201), refused::INVALID_LENGTH, "maintenance_reference");
    assert_refused(check(), &[("fort_id", json!("1".repeat(21)))], refused::INVALID_LENGTH, "fort_id");
}

#[test]
fn forbidden_characters_and_forms_are_00002() {
    for (name, value) in [
        ("merchant_reference", json!("TG 1")),
        ("merchant_reference", json!("TG/1")),
        ("merchant_reference", json!("طلب")),
        ("merchant_reference", json!(["TG-1"])),
        ("merchant_reference", json!({"a": "b"})),
        ("merchant_identifier", json!("Tg-Mid")),
        ("customer_email", json!("jo.example.org")),
        ("customer_email", json!("jo@ex@ample.org")),
        ("customer_email", json!("jo @example.org")),
        ("customer_email", json!("@example.org")),
        ("card_security_code", json!("12")),
        ("card_security_code", json!("12a")),
        ("card_holder_name", json!("Jo <Doe>")),
        ("token_name", json!("a b")),
        ("customer_ip", json!("203.0.113.x")),
        ("phone_number", json!("12a")),
        ("return_url", json!("ftp://a.b")),
        ("return_url", json!("https://a b")),
        ("return_url", json!("https://")),
        ("recurring_expiry_date", json!("2030/01/31")),
        ("signature", json!("xyz")),
        ("expiry_date", json!(["3005"])),
        ("card_number", json!(["4005550000000001"])),
    ] {
        assert_refused(purchase(), &[(name, value)], refused::INVALID_FORMAT, name);
    }
    assert_refused(check(), &[("fort_id", json!("12a"))], refused::INVALID_FORMAT, "fort_id");
}

#[test]
fn values_outside_their_list_are_00033_and_case_counts() {
    for (name, value) in [
        ("language", "EN"),
        ("language", "fr"),
        ("language", "english"),
        ("eci", "PHONE"),
        ("eci", "ecommerce"),
        ("remember_me", "MAYBE"),
        ("check_3ds", "no"),
        ("payment_option", "DINERS"),
        ("recurring_mode", "OFTEN"),
    ] {
        assert_refused(purchase(), &[(name, json!(value))], refused::VALUE_NOT_ALLOWED, name);
    }
    let flag = "return_third_party_response_codes";
    assert_refused(check(), &[(flag, json!("TRUE"))], refused::VALUE_NOT_ALLOWED, flag);
    assert_taken(check(), &[(flag, json!("YES"))]);
}

#[test]
fn amounts_have_a_code_of_their_own() {
    for amount in [
        json!("0"),
        json!(0),
        json!("-1"),
        json!("1.5"),
        json!(1.5),
        json!("abc"),
        json!("12345678901"),
        json!("1,000"),
        json!(" 1"),
        json!(true),
    ] {
        assert_refused(purchase(), &[("amount", amount.clone())], refused::INVALID_AMOUNT, "amount");
        assert_refused(capture(), &[("amount", amount)], refused::INVALID_AMOUNT, "amount");
    }
    assert_taken(purchase(), &[("amount", json!("9999999999"))]);
}

#[test]
fn currencies_have_a_code_of_their_own() {
    for currency in ["XXQ", "aed", "AE", "AEDX", "784", "€"] {
        assert_refused(purchase(), &[("currency", json!(currency))], refused::INVALID_CURRENCY, "currency");
    }
}

#[test]
fn card_numbers_have_a_code_of_their_own_but_the_check_digit_is_not_judged_here() {
    for number in ["40055500000", "40055500000000000001", "4005 5500 0000 0001", "400555000000000a", "٤٠٠٥٥٥٠٠٠٠٠٠٠٠٠١"]
    {
        assert_refused(purchase(), &[("card_number", json!(number))], refused::INVALID_CARD_NUMBER, "card_number");
    }
    assert_taken(purchase(), &[("card_number", json!("4005550000000002"))]);
    for expiry in ["3013", "1", "203005", "ab"] {
        assert_taken(purchase(), &[("card_number", json!("4005550000000001")), ("expiry_date", json!(expiry))]);
    }
}

#[test]
fn kinds_of_fault_count_in_their_order_over_all_parameters() {
    // Each fault stands later in the table than the one that counts after it.
    let not_allowed = ("language", json!("fr"));
    let format = ("merchant_reference", json!("TG 1"));
    let too_long = ("merchant_extra", json!("x".repeat(1000)));
    let missing = ("signature", Value::Null);
    let all = [not_allowed, format, too_long, missing];
    for (count, code, parameter) in [
        (4, refused::MISSING_PARAMETER, "signature"),
        (3, refused::INVALID_LENGTH, "merchant_extra"),
        (2, refused::INVALID_FORMAT, "merchant_reference"),
        (1, refused::VALUE_NOT_ALLOWED, "language"),
    ] {
        assert_refused(purchase(), &all[..count], code, parameter);
    }
}

#[test]
fn within_a_kind_the_order_of_the_table_counts() {
    let faults = [("currency", json!("XXQ")), ("amount", json!("0")), ("merchant_reference", json!("TG 1"))];
    assert_refused(purchase(), &faults, refused::INVALID_FORMAT, "merchant_reference");
    assert_refused(purchase(), &faults[..2], refused::INVALID_AMOUNT, "amount");
    let missing = [("customer_email", Value::Null), ("amount", Value::Null)];
    assert_refused(purchase(), &missing, refused::MISSING_PARAMETER, "amount");
    let missing = [("merchant_reference", Value::Null), ("amount", json!("0"))];
    assert_refused(capture(), &missing, refused::MISSING_PARAMETER, "merchant_reference");
}

#[test]
fn a_void_takes_any_amount_and_currency() {
    let mut void = capture();
    void["command"] = json!("VOID_AUTHORIZATION");
    assert_taken(void.clone(), &[("amount", json!("nonsense")), ("currency", json!({}))]);
    assert_taken(void, &[("amount", Value::Null), ("currency", Value::Null)]);
}
