//! Every response code that a payment over the trusted channel, an operation on its order or the card
//! network behind it can bring about.

use crate::support::shop::*;
use crate::support::{Gateway, accounts, field, payment};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The meanings of the network's codes.
const NETWORK_CODES: &str = include_str!("../../../fort/data/acquirer.csv");
/// What the sandbox card network does by amount.
const BEHAVIOURS: &str = include_str!("../../../issuer/data/behaviours.toml");

// ---------------------------------------------------------------------------------------------
// Cards.

#[test]
fn the_payment_option_is_the_cards_brand_and_the_mask_keeps_the_length() {
    let shop = Shop::open();
    for (card, option, mask) in [
        (VISA, "VISA", "400555******0001"),
        (MASTERCARD, "MASTERCARD", "512345******2346"),
        ("2221000000000009", "MASTERCARD", "222100******0009"),
        (AMEX, "AMEX", "345678*****4564"),
        (MADA, "MADA", "529741******5689"),
        (MEEZA_16, "MEEZA", "507803******8566"),
        (MEEZA_19, "MEEZA", "981895*********0002"),
    ] {
        for more in [&[] as &[(&str, &str)], &[("payment_option", option)]] {
            let answer = shop.pay("PURCHASE", card, more);
            assert_code(&answer, "14000", option);
            assert_eq!(field(&answer, "payment_option"), option);
            assert_eq!(field(&answer, "card_number"), mask);
            assert_eq!(field(&answer, "expiry_date"), "3005");
            assert_eq!(field(&answer, "eci"), "ECOMMERCE", "the default comes back");
        }
    }
}

#[test]
fn a_payment_option_of_another_brand_is_refused() {
    let shop = Shop::open();
    for (card, option) in [(VISA, "MASTERCARD"), (MASTERCARD, "MADA"), (MADA, "MASTERCARD"), (AMEX, "SADAD")] {
        let answer = shop.pay("PURCHASE", card, &[("payment_option", option)]);
        assert_code(&answer, "00080", option);
        assert_eq!(field(&answer, "payment_option"), option, "what was sent comes back");
    }
}

#[test]
fn mada_and_meeza_take_purchases_only() {
    let shop = Shop::open();
    for card in [MADA, MEEZA_16, MEEZA_19] {
        assert_code(&shop.pay("AUTHORIZATION", card, &[]), "00049", card);
    }
}

#[test]
fn a_recurring_payment_is_a_purchase_by_token() {
    let shop = Shop::open();
    for (command, code) in [("AUTHORIZATION", "00113"), ("PURCHASE", "00110")] {
        let answer = shop.pay(command, VISA, &[("eci", "RECURRING")]);
        assert_code(&answer, code, command);
        assert_eq!(field(&answer, "eci"), "RECURRING");
    }
}

#[test]
fn a_token_is_known_and_the_service_is_on_or_the_payment_is_refused() {
    let shop = Shop::open();
    let reference = shop.reference();
    let without_card = [
        ("command", "PURCHASE"),
        ("merchant_reference", &reference),
        ("amount", "15000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
    ];
    assert_code(&shop.call(&without_card), "00001", "neither card nor token");
    let token = shop.call(&with(without_card.to_vec(), &[("token_name", "b9d2"), ("card_security_code", "123")]));
    assert_code(&token, "00044", "a token that does not exist");
    assert_eq!(field(&token, "token_name"), "b9d2");
    accounts::set(&shop.gateway, "demo", &["--tokens", "off"]);
    let both = shop.pay("PURCHASE", VISA, &[("token_name", "b9d2")]);
    assert_code(&both, "00038", "a token name without the token service");
}

#[test]
fn card_data_is_judged_part_by_part() {
    let shop = Shop::open();
    for (more, code) in [
        (&[("card_number", "4005550000000002")] as &[(&str, &str)], "00016"),
        (&[("card_number", "40055500000")], "00016"),
        (&[("card_number", "40055500000000000001")], "00016"),
        (&[("card_number", "4005 5500 0000 0001")], "00016"),
        (&[("card_number", "6011000000000004")], "00016"),
        (&[("card_number", "")], "00001"),
        (&[("expiry_date", "")], "00001"),
        (&[("expiry_date", "3013")], "00100"),
        (&[("expiry_date", "3000")], "00100"),
        (&[("expiry_date", "305")], "00100"),
        (&[("expiry_date", "05/30")], "00100"),
        (&[("expiry_date", "2001")], "00012"),
        (&[("card_security_code", "")], "00001"),
        (&[("card_security_code", "12")], "00002"),
        (&[("card_security_code", "12345")], "00032"),
        (&[("card_security_code", "12a")], "00002"),
        (&[("card_holder_name", "J0 <Doe>")], "00002"),
    ] {
        let answer = shop.pay("PURCHASE", VISA, more);
        assert_code(&answer, code, &format!("{more:?}"));
        assert!(!answer.contains_key("card_security_code") && !answer.contains_key("fort_id"), "{answer:?}");
        let shown = field(&answer, "card_number").bytes().filter(u8::is_ascii_digit).count();
        assert!(shown <= 10, "first six and last four digits at most: {answer:?}");
    }
    for code in ["123", "1234"] {
        let answer = shop.pay("PURCHASE", AMEX, &[("card_security_code", code)]);
        assert_code(&answer, "14000", "American Express with a code of four digits, or cut to three by an SDK");
    }
}

// ---------------------------------------------------------------------------------------------
// Declines.

#[test]
fn declines_have_the_status_of_the_operation_and_the_networks_code() {
    let shop = Shop::open();
    for (card, number, network) in [
        ("4005559000001000", "666", "05"),
        ("4005559000002008", "029", "51"),
        ("4005559000003006", "012", "54"),
        ("4005559000007007", "785", "59"),
        ("5123459100000008", "666", "05"),
    ] {
        for (command, status) in [("PURCHASE", "13"), ("AUTHORIZATION", "03")] {
            let answer = shop.pay(command, card, &[]);
            assert_code(&answer, &format!("{status}{number}"), card);
            assert_declined(&answer, network);
        }
    }
}

#[test]
fn a_card_that_wants_3d_secure_is_declined_where_nobody_authenticates_unless_the_merchant_leaves_it_out() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--three-ds", "never"]);
    for (card, code) in [
        ("4557012345678902", "123"),
        ("5313581000123430", "123"),
        ("374200000000004", "1234"),
        ("4005559000008005", "123"),
    ] {
        let own = [("check_3ds", ""), ("card_security_code", code)];
        let answer = shop.pay("PURCHASE", card, &own);
        assert_code(&answer, "13030", card);
        assert_eq!(field(&answer, "acquirer_response_code"), "1A");
        assert!(!answer.contains_key("3ds_url") && !answer.contains_key("authorization_code"), "{answer:?}");
        assert_code(&shop.pay("AUTHORIZATION", card, &own), "03030", card);
        assert_code(&shop.pay("PURCHASE", card, &[("check_3ds", "NO")]), "14000", card);
        assert_code(&shop.pay("PURCHASE", card, &[("check_3ds", "YES")]), "13030", card);
    }
}

#[test]
fn a_network_that_cannot_process_it_is_a_technical_problem() {
    let shop = Shop::open();
    for command in ["PURCHASE", "AUTHORIZATION"] {
        let answer = shop.pay(command, "4005559000006009", &[]);
        assert_code(&answer, "00006", command);
        assert!(!answer.contains_key("authorization_code"), "{answer:?}");
        let status = shop.call(&later("CHECK_STATUS", field(&answer, "merchant_reference"), &[]));
        assert_eq!(field(&status, "transaction_code"), "00006");
        assert_eq!(field(&status, "authorized_amount"), "0");
    }
}

#[test]
fn every_code_of_the_network_becomes_its_fort_code_and_its_text() {
    let shop = Shop::open();
    let file: toml::Table = toml::from_str(BEHAVIOURS).unwrap();
    let mut seen = BTreeSet::new();
    for row in file["amount"].as_array().unwrap() {
        if row["behaviour"].as_str() != Some("decline") {
            continue;
        }
        let network = row["code"].as_str().unwrap();
        let number = match network {
            "51" => "13029",
            "33" | "54" => "13012",
            "34" | "59" => "13785",
            "1A" => "13030",
            "96" => "00006",
            _ => "13666",
        };
        let amount = row["last_digits"].as_str().unwrap();
        let answer = shop.pay_amount("PURCHASE", "4005559100007709", amount, &[]);
        assert_code(&answer, number, network);
        assert_declined(&answer, network);
        seen.insert(network.to_owned());
    }
    assert!(seen.len() > 30, "{seen:?}");
}

fn assert_declined(answer: &Map<String, Value>, network: &str) {
    assert_eq!(field(answer, "acquirer_response_code"), network, "{answer:?}");
    let meaning = NETWORK_CODES.lines().find_map(|row| row.strip_prefix(network)?.strip_prefix(','));
    assert_eq!(field(answer, "acquirer_response_message"), meaning.unwrap_or_default().trim_matches('"'), "{answer:?}");
    assert!(!answer.contains_key("authorization_code"), "{answer:?}");
    assert_eq!(field(answer, "fort_id").len(), 18, "a declined payment is an order: {answer:?}");
}

#[test]
fn captures_and_refunds_are_declined_with_statuses_of_their_own_and_a_void_is_not() {
    let shop = Shop::open();
    let card = "4005559000009003";
    let purchase = shop.pay("PURCHASE", card, &[]);
    let refund = shop.call(&later("REFUND", field(&purchase, "merchant_reference"), &[]));
    assert_code(&refund, "07666", "refund");
    let authorization = shop.pay("AUTHORIZATION", card, &[]);
    let reference = field(&authorization, "merchant_reference");
    assert_code(&shop.call(&later("CAPTURE", reference, &[])), "05666", "capture");
    let status = shop.call(&later("CHECK_STATUS", reference, &[("return_third_party_response_codes", "YES")]));
    assert_eq!(field(&status, "transaction_code"), "05666");
    assert_eq!(field(&status, "captured_amount"), "0");
    assert_code(&shop.call(&later("VOID_AUTHORIZATION", reference, &[])), "08000", "void");
}

// ---------------------------------------------------------------------------------------------
// Money.

#[test]
fn amounts_are_minor_units_of_currencies_with_zero_two_and_three_decimals() {
    let gateway = Gateway::start();
    let merchant = accounts::add(&gateway, "many", &["--currencies", "AED,KWD,JPY"]);
    for (place, (currency, amount)) in
        [("AED", "12345"), ("KWD", "12340"), ("JPY", "777"), ("AED", "1")].into_iter().enumerate()
    {
        let reference = format!("C-{place}");
        let params = with(payment("AUTHORIZATION", &reference, amount, VISA), &[("currency", currency)]);
        let answer = gateway.call(&merchant, &params);
        assert_code(&answer, "02000", currency);
        assert_eq!((field(&answer, "amount"), field(&answer, "currency")), (amount, currency));
        let status = gateway.call(&merchant, &later("CHECK_STATUS", &reference, &[]));
        assert_eq!(field(&status, "authorized_amount"), amount);
    }
    let totals = gateway.issuer("/ledger/totals");
    let held = |currency: &str| {
        let rows = totals["currencies"].as_array().unwrap();
        rows.iter().find(|row| row["currency"] == currency).map(|row| row["held"].as_u64().unwrap())
    };
    assert_eq!((held("AED"), held("KWD"), held("JPY")), (Some(12346), Some(12340), Some(777)), "{totals}");
}

#[test]
fn a_currency_that_is_not_enabled_is_refused_until_it_is() {
    let shop = Shop::open();
    let won = &[("currency", "KRW")];
    assert_code(&shop.pay("PURCHASE", VISA, won), "00023", "KRW");
    accounts::set(&shop.gateway, "demo", &["--currencies", "AED,KRW"]);
    assert_code(&shop.pay("PURCHASE", VISA, won), "14000", "KRW");
    assert_code(&shop.pay("PURCHASE", VISA, &[("currency", "SAR")]), "00023", "SAR");
    for bad in ["XXQ", "aed", "AE", "AEDX", "784"] {
        assert_code(&shop.pay("PURCHASE", VISA, &[("currency", bad)]), "00013", bad);
    }
}

#[test]
fn amounts_that_are_no_positive_whole_number_of_at_most_ten_digits_are_refused() {
    let shop = Shop::open();
    for bad in ["0", "-1", "100.5", "1e3", "10000000000", "١٢٣", " 1", "1,000", "0x10", "ten"] {
        assert_code(&shop.pay_amount("PURCHASE", VISA, bad, &[]), "00005", bad);
        let capture = shop.call(&later("CAPTURE", "NEVER-MADE", &[("amount", bad)]));
        assert_code(&capture, "00005", bad);
    }
}

#[test]
fn a_limit_holds_to_the_minor_unit_in_its_own_currency() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--limit", "AED=100.00", "--limit", "KWD=1.000"]);
    for (currency, fits, exceeds) in [("AED", "10000", "10001"), ("KWD", "1000", "1001")] {
        let currency = &[("currency", currency)];
        assert_code(&shop.pay_amount("PURCHASE", VISA, fits, currency), "14000", fits);
        assert_code(&shop.pay_amount("AUTHORIZATION", VISA, exceeds, currency), "00050", exceeds);
    }
    assert_code(&shop.pay_amount("PURCHASE", VISA, "99999", &[("currency", "SAR")]), "14000", "no limit there");
    accounts::set(&shop.gateway, "demo", &["--limit", "AED=none"]);
    assert_code(&shop.pay_amount("PURCHASE", VISA, "10001", &[]), "14000", "the limit is lifted");
}

#[test]
fn a_brand_that_is_switched_off_is_refused() {
    let shop = Shop::open();
    accounts::set(&shop.gateway, "demo", &["--payment-options", "VISA,MADA"]);
    assert_code(&shop.pay("PURCHASE", MASTERCARD, &[]), "00003", "Mastercard is off");
    assert_code(&shop.pay("PURCHASE", AMEX, &[]), "00003", "American Express is off");
    assert_code(&shop.pay("PURCHASE", VISA, &[]), "14000", "Visa is on");
    assert_code(&shop.pay("PURCHASE", MADA, &[]), "14000", "mada is on");
}

#[test]
fn a_maintenance_reference_counts_once_unless_its_refund_was_declined() {
    let shop = Shop::open();
    let refund = |order: &str, reference: &str| {
        let more = [("maintenance_reference", reference)];
        shop.call(&later("REFUND", order, &more))
    };
    let (one, two) = (shop.order_for("REFUND"), shop.order_for("REFUND"));
    let first = refund(&one, "RF-1");
    assert_code(&first, "06000", "new");
    assert_eq!(field(&first, "maintenance_reference"), "RF-1");
    let again = refund(&one, "RF-1");
    assert_code(&again, "00066", "used on the same order");
    assert_eq!(field(&again, "fort_id"), field(&first, "fort_id"));
    assert_code(&refund(&two, "RF-1"), "00066", "used on another order");
    assert_code(&refund(&two, "RF-2"), "06000", "a new one");
    assert_code(&shop.call(&later("REFUND", &two, &[])), "06000", "none at all");

    let declining = shop.pay("PURCHASE", "4005559000009003", &[]);
    let declining = field(&declining, "merchant_reference");
    assert_code(&refund(declining, "RF-3"), "07666", "declined");
    assert_code(&refund(declining, "RF-3"), "07666", "tried again under the same reference");
    assert_code(&refund(&one, "RF-3"), "06000", "a declined refund leaves its reference free");

    let other = accounts::add(&shop.gateway, "other", &[]);
    let theirs = shop.gateway.call(&other, &payment("PURCHASE", "R-1", "15000", VISA));
    assert_code(&theirs, "14000", "references are a merchant's own");
    let theirs = shop.gateway.call(&other, &later("REFUND", "R-1", &[("maintenance_reference", "RF-1")]));
    assert_code(&theirs, "06000", "references are a merchant's own");

    let status = shop.call(&later("CHECK_STATUS", &one, &[]));
    assert_eq!(field(&status, "refunded_amount"), "2", "refused refunds move nothing");
}

// ---------------------------------------------------------------------------------------------
// Orders and who may see them.

#[test]
fn an_order_is_found_by_reference_by_number_and_by_both_when_they_agree() {
    let shop = Shop::open();
    let (one, two) = (shop.pay("AUTHORIZATION", VISA, &[]), shop.pay("AUTHORIZATION", VISA, &[]));
    let (reference, number) = (field(&one, "merchant_reference"), field(&one, "fort_id"));
    let other_number = field(&two, "fort_id");
    for command in ["CHECK_STATUS", "CAPTURE", "REFUND", "VOID_AUTHORIZATION"] {
        let not_found = if command == "CHECK_STATUS" { "12036" } else { "00036" };
        let by = |names: &[(&str, &str)]| shop.call(&with(later(command, "x", &[("merchant_reference", "")]), names));
        for names in [
            &[("merchant_reference", reference), ("fort_id", other_number)] as &[(&str, &str)],
            &[("merchant_reference", "NEVER-MADE"), ("fort_id", number)],
            &[("merchant_reference", "NEVER-MADE")],
            &[("fort_id", "169996200000132829")],
            &[("fort_id", "1")],
            &[("fort_id", "99999999999999999999")],
        ] {
            let answer = by(names);
            assert_code(&answer, not_found, &format!("{command} {names:?}"));
            assert_eq!(field(&answer, "transaction_code"), "", "{answer:?}");
        }
        if command != "CHECK_STATUS" {
            continue;
        }
        for names in [
            &[("merchant_reference", reference)] as &[(&str, &str)],
            &[("fort_id", number)],
            &[("merchant_reference", reference), ("fort_id", number)],
        ] {
            let answer = by(names);
            assert_code(&answer, "12000", &format!("{names:?}"));
            assert_eq!((field(&answer, "merchant_reference"), field(&answer, "fort_id")), (reference, number));
            assert_eq!(field(&answer, "transaction_code"), "02000");
        }
    }
    for (command, names, code) in [
        ("CAPTURE", &[("fort_id", number)] as &[(&str, &str)], "04000"),
        ("REFUND", &[("merchant_reference", reference), ("fort_id", number)], "06000"),
        ("VOID_AUTHORIZATION", &[("fort_id", other_number)], "08000"),
    ] {
        let answer = shop.call(&with(later(command, "x", &[("merchant_reference", "")]), names));
        assert_code(&answer, code, command);
        let order = if command == "VOID_AUTHORIZATION" { &two } else { &one };
        assert_eq!(field(&answer, "merchant_reference"), field(order, "merchant_reference"));
        assert_eq!(field(&answer, "fort_id"), field(order, "fort_id"));
    }
}

#[test]
fn a_merchant_never_reaches_the_orders_of_another() {
    let shop = Shop::open();
    let other = accounts::add(&shop.gateway, "other", &[]);
    let one = shop.pay("AUTHORIZATION", VISA, &[]);
    let (reference, number) = (field(&one, "merchant_reference"), field(&one, "fort_id"));
    for command in LATER {
        let not_found = if command == "CHECK_STATUS" { "12036" } else { "00036" };
        for names in [
            &[("merchant_reference", reference)] as &[(&str, &str)],
            &[("merchant_reference", ""), ("fort_id", number)],
            &[("merchant_reference", reference), ("fort_id", number)],
        ] {
            let answer = shop.gateway.call(&other, &later(command, "x", names));
            assert_code(&answer, not_found, &format!("{command} {names:?}"));
        }
    }
    let mut crossed = later("CHECK_STATUS", reference, &[]);
    crossed.push(("merchant_identifier", &shop.merchant.merchant_identifier));
    let answer = shop.gateway.call(&other, &crossed);
    assert_code(&answer, "00009", "an identifier that is not the access code's");
}

#[test]
fn check_status_tells_the_networks_codes_when_they_are_asked_for() {
    let shop = Shop::open();
    let ask = |reference: &str, wish: &str| {
        let more = [("return_third_party_response_codes", wish)];
        let answer = shop.call(&later("CHECK_STATUS", reference, &more));
        assert_code(&answer, "12000", wish);
        (field(&answer, "processor_response_code").to_owned(), field(&answer, "acquirer_response_code").to_owned())
    };
    let approved = shop.pay("PURCHASE", VISA, &[]);
    let declined = shop.pay("PURCHASE", "4005559000002008", &[]);
    let (approved, declined) = (field(&approved, "merchant_reference"), field(&declined, "merchant_reference"));
    assert_eq!(ask(approved, "YES"), ("APPROVED".into(), "00".into()));
    assert_eq!(ask(declined, "YES"), ("DECLINED".into(), "51".into()));
    for silent in ["NO", ""] {
        assert_eq!(ask(approved, silent), (String::new(), String::new()));
        assert_eq!(ask(declined, silent), (String::new(), String::new()));
    }
}

#[test]
fn check_status_follows_every_step_of_an_order() {
    let shop = Shop::open();
    let authorization = shop.pay("AUTHORIZATION", VISA, &[]);
    let reference = field(&authorization, "merchant_reference");
    let status = |code: &str, authorized: &str, captured: &str, refunded: &str| {
        let answer = shop.call(&later("CHECK_STATUS", reference, &[]));
        assert_code(&answer, "12000", code);
        assert_eq!(field(&answer, "transaction_code"), code);
        assert_eq!(field(&answer, "transaction_status"), &code[..2]);
        assert_eq!(field(&answer, "transaction_message"), message(code, Language::English));
        let sums = ["authorized_amount", "captured_amount", "refunded_amount"].map(|name| field(&answer, name));
        assert_eq!(sums, [authorized, captured, refunded]);
        assert_eq!(field(&answer, "authorization_code"), field(&authorization, "authorization_code"));
    };
    let step = |command: &str, amount: &str, code: &str| {
        assert_code(&shop.call(&later(command, reference, &[("amount", amount)])), code, command);
    };
    status("02000", "15000", "0", "0");
    step("REFUND", "1", "00048");
    step("CAPTURE", "15001", "00042");
    step("CAPTURE", "5000", "04000");
    status("04000", "15000", "5000", "0");
    step("VOID_AUTHORIZATION", "5000", "00034");
    step("CAPTURE", "10001", "00042");
    step("CAPTURE", "10000", "04000");
    step("CAPTURE", "1", "00042");
    status("04000", "15000", "15000", "0");
    step("REFUND", "15001", "00048");
    step("REFUND", "14999", "06000");
    status("06000", "15000", "15000", "14999");
    step("REFUND", "2", "00048");
    step("REFUND", "1", "06000");
    step("REFUND", "1", "00773");
    status("06000", "15000", "15000", "15000");
}

#[test]
fn a_voided_or_declined_order_takes_nothing_more() {
    let shop = Shop::open();
    let voided = shop.order_for("VOID_AUTHORIZATION");
    assert_code(&shop.call(&later("VOID_AUTHORIZATION", &voided, &[])), "08000", "void");
    for command in ["VOID_AUTHORIZATION", "CAPTURE", "REFUND"] {
        let answer = shop.call(&later(command, &voided, &[]));
        assert_code(&answer, "00034", command);
        assert_eq!(field(&answer, "fort_id").len(), 18);
    }
    let declined = shop.pay("AUTHORIZATION", "4005559000001000", &[]);
    for command in ["VOID_AUTHORIZATION", "CAPTURE", "REFUND"] {
        let answer = shop.call(&later(command, field(&declined, "merchant_reference"), &[]));
        assert_code(&answer, "00662", command);
    }
    let purchase = shop.order_for("REFUND");
    assert_code(&shop.call(&later("VOID_AUTHORIZATION", &purchase, &[])), "00034", "void of a purchase");
    for command in ["CAPTURE", "REFUND"] {
        let answer = shop.call(&later(command, &purchase, &[("currency", "SAR")]));
        assert_code(&answer, "00013", "another currency than the order's");
    }
}

#[test]
fn a_reference_is_used_up_by_any_order_also_a_declined_one() {
    let shop = Shop::open();
    for (card, command) in [(VISA, "PURCHASE"), ("4005559000001000", "AUTHORIZATION")] {
        let first = shop.pay(command, card, &[]);
        let reference = field(&first, "merchant_reference");
        for command in ["PURCHASE", "AUTHORIZATION"] {
            let answer = shop.call(&payment(command, reference, "100", VISA));
            assert_code(&answer, "00066", reference);
            assert!(!answer.contains_key("fort_id"), "{answer:?}");
        }
        let status = shop.call(&later("CHECK_STATUS", reference, &[]));
        assert_eq!(field(&status, "transaction_code"), field(&first, "response_code"), "the first result stays");
    }
}

// ---------------------------------------------------------------------------------------------
// The order of the checks.

#[test]
fn the_first_fault_in_the_documented_order_counts() {
    let shop = Shop::open();
    let m = &shop.merchant;
    // Everything is wrong; each step puts one thing right.
    let mut wrong: BTreeMap<&str, &str> = payment("SELL", "BAD REFERENCE", "0", VISA).into_iter().collect();
    wrong.extend([("access_code", "Nobody"), ("merchant_identifier", "Nobody"), ("language", "xx"), ("currency", "")]);
    wrong.insert("customer_name", "0123456789012345678901234567890123456789X");
    let post = |params: &BTreeMap<&str, &str>, signature: Option<&str>| {
        let pairs: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, *value)).collect();
        let mut body: Map<String, Value> = serde_json::from_slice(&m.sign(&pairs)).unwrap();
        if let Some(signature) = signature {
            body.insert("signature".into(), signature.into());
        }
        let (status, answer) = shop.gateway.post_raw(&serde_json::to_vec(&body).unwrap(), "application/json");
        assert_eq!(status, 200);
        let answer: Map<String, Value> = serde_json::from_slice(&answer).unwrap();
        field(&answer, "response_code").to_owned()
    };
    assert_eq!(post(&wrong, Some("00")), "00010");
    wrong.insert("access_code", &m.access_code);
    assert_eq!(post(&wrong, Some("00")), "00009");
    wrong.insert("merchant_identifier", &m.merchant_identifier);
    accounts::set(&shop.gateway, "demo", &["--active", "no"]);
    assert_eq!(post(&wrong, Some("00")), "00015");
    accounts::set(&shop.gateway, "demo", &["--active", "yes"]);
    assert_eq!(post(&wrong, Some("00")), "00008");
    assert_eq!(post(&wrong, None), "00004");
    wrong.insert("command", "PURCHASE");
    assert_eq!(post(&wrong, None), "00001", "the currency is missing");
    wrong.insert("currency", "XXQ");
    assert_eq!(post(&wrong, None), "00032", "the customer's name is too long");
    wrong.insert("customer_name", "Jo");
    assert_eq!(post(&wrong, None), "00002", "the reference has a blank");
    wrong.insert("merchant_reference", "ORDER-OF-CHECKS");
    assert_eq!(post(&wrong, None), "00005");
    wrong.insert("amount", "15000");
    assert_eq!(post(&wrong, None), "00013");
    wrong.insert("currency", "KRW");
    assert_eq!(post(&wrong, None), "00033", "the language");
    wrong.extend([("language", "en"), ("eci", "RECURRING"), ("token_name", "t"), ("payment_option", "AMEX")]);
    assert_eq!(post(&wrong, None), "00110");
    wrong.insert("eci", "ECOMMERCE");
    accounts::set(&shop.gateway, "demo", &["--tokens", "off"]);
    assert_eq!(post(&wrong, None), "00038");
    wrong.remove("token_name");
    assert_eq!(post(&wrong, None), "00080");
    wrong.remove("payment_option");
    assert_eq!(post(&wrong, None), "00023");
    wrong.insert("currency", "AED");
    assert_eq!(post(&wrong, None), "14000");
    assert_eq!(post(&wrong, None), "00066");
}
