//! What is no request, or a wrong one: an exact code, HTTP 200 wherever FORT has an answer, nothing
//! stored, nothing shown that must not be, and a gateway that lives on.

use crate::support::{Gateway, Merchant, field, payment, text, wait_for, wire};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use std::path::Path;
use tollgate_core::bin::brand_of;
use tollgate_core::card::luhn;

const JSON: &[&str] = &["Content-Type: application/json"];
/// The card that pays here.
const VISA: &str = "4005550000000001";
/// A card number that must turn up nowhere.
const STRAY: &str = "4916338506082832";
const STRAY_GROUPED: &str = "4916-3385-0608-2832";
const STRAY_SPACED: &str = "4916 3385 0608 2832";
/// The most bytes of a body.
const BODY_BYTES_MAX: usize = 64 * 1024;

struct Shop {
    gateway: Gateway,
    merchant: Merchant,
}

impl Shop {
    fn open() -> Shop {
        let gateway = Gateway::start();
        let merchant = gateway.demo();
        Shop { gateway, merchant }
    }

    /// Posts a body; HTTP 200 and JSON of texts come back.
    fn post(&self, body: &[u8]) -> Map<String, Value> {
        let answer = wire::post(&self.gateway.address, "1.1", JSON, body);
        assert_eq!(answer.status, 200, "{}", text(&answer.body));
        answer.json()
    }

    /// The body is no request: 00073, unsigned, and nothing else is said.
    fn assert_unreadable(&self, what: &str, body: &[u8]) {
        let expected = json!({"response_code": "00073", "response_message": "Invalid request format", "status": "00"});
        assert_eq!(Value::from(self.post(body)), expected, "{what}");
    }

    /// Posts a body of an account; the answer is signed and has this code.
    fn assert_code(&self, what: &str, body: &[u8], code: &str) -> Map<String, Value> {
        let answer = self.post(body);
        self.merchant.check(&answer);
        assert_eq!(field(&answer, "response_code"), code, "{what}: {answer:?}");
        answer
    }

    /// Nothing went to the card network and no order has the reference; the gateway pays.
    fn assert_untouched(&self, reference: &str) {
        let totals = self.gateway.issuer("/ledger/totals");
        assert_eq!(totals["entries"], 0, "{totals}");
        let status =
            self.gateway.call(&self.merchant, &[("query_command", "CHECK_STATUS"), ("merchant_reference", reference)]);
        assert_eq!(field(&status, "response_code"), "12036", "{status:?}");
        self.assert_pays();
    }

    fn assert_pays(&self) {
        let reference = format!("ALIVE-{}", self.gateway.issuer("/ledger/totals")["entries"]);
        let answer = self.gateway.call(&self.merchant, &payment("PURCHASE", &reference, "15000", VISA));
        assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    }

    /// Adds a parameter after signing until the log tells the cause in these words: only so many
    /// mismatches a second are searched for their cause.
    fn explain_added_parameter(&self, reference: &str, name: &str, words: &str) {
        let signed = self.merchant.sign(&payment("PURCHASE", reference, "15000", VISA));
        let mut body: Map<String, Value> = serde_json::from_slice(&signed).unwrap();
        body.insert(name.to_owned(), "x".into());
        let body = serde_json::to_vec(&body).unwrap();
        wait_for("the cause of a mismatch in the log", || {
            self.assert_code("added later", &body, "00008");
            self.gateway.output().contains(words).then_some(())
        });
    }

    fn body(&self) -> Vec<u8> {
        self.merchant.sign(&payment("PURCHASE", "NEVER-MADE", "15000", VISA))
    }

    /// A payment that holds these members in place of its own texts, signed over what clients hash.
    fn body_with(&self, members: &[(&str, &str, &str)]) -> String {
        let fixed = [
            ("access_code", self.merchant.access_code.as_str()),
            ("merchant_identifier", self.merchant.merchant_identifier.as_str()),
            ("language", "en"),
        ];
        let mut pairs: Vec<(&str, &str, String)> = payment("PURCHASE", "NEVER-MADE", "15000", VISA)
            .into_iter()
            .chain(fixed)
            .filter(|(name, _)| !members.iter().any(|(other, _, _)| other == name))
            .map(|(name, value)| (name, value, Value::from(value).to_string()))
            .collect();
        pairs.extend(members.iter().map(|(name, hashed, json)| (*name, *hashed, (*json).to_owned())));
        pairs.sort();
        let signed: Vec<(&str, &str)> = pairs.iter().map(|(name, hashed, _)| (*name, *hashed)).collect();
        let signature = wire::sha256_signature(&signed, &self.merchant.request_phrase);
        let members: Vec<String> =
            pairs.iter().map(|(name, _, json)| format!("{}:{json}", Value::from(*name))).collect();
        format!("{{{},\"signature\":\"{signature}\"}}", members.join(","))
    }
}

// ---------------------------------------------------------------------------------------------
// Bodies that are no request.

#[test]
fn a_body_that_is_no_json_object_is_told_so_without_a_signature() {
    let shop = Shop::open();
    let whole = text(&shop.body());
    for (what, body) in [
        ("empty", String::new()),
        ("blank", " \r\n\t".into()),
        ("a word", "PURCHASE".into()),
        ("a text", "\"PURCHASE\"".into()),
        ("a number", "42".into()),
        ("null", "null".into()),
        ("a list of requests", format!("[{whole}]")),
        ("two requests", format!("{whole}{whole}")),
        ("something behind", format!("{whole}x")),
        ("single quotes", whole.replace('"', "'")),
        ("a comma too many", whole.replacen('}', ",}", 1)),
        ("XML", "<request><command>PURCHASE</command></request>".into()),
        ("a form called JSON", "command=PURCHASE&amount=100".into()),
        ("a name twice", whole.replacen('{', "{\"amount\":\"1\",", 1)),
        ("a name twice, once escaped", whole.replacen('{', "{\"\\u0061mount\":\"1\",", 1)),
        ("a signature twice", whole.replacen('{', "{\"signature\":\"00\",", 1)),
        ("a raw line feed inside", whole.replace("NEVER-MADE", "NEVER\nMADE")),
        ("a raw tab inside", whole.replace("NEVER-MADE", "NEVER\tMADE")),
        ("a NUL", whole.replace("NEVER-MADE", "NEVER\\u0000MADE")),
        ("half a surrogate pair", whole.replace("NEVER-MADE", "\\ud83d")),
        ("a number with a leading zero", whole.replace("\"15000\"", "015000")),
        ("no number", whole.replace("\"15000\"", "NaN")),
        ("nine levels", whole.replacen('{', &format!("{{\"x\":{}1{},", "[".repeat(8), "]".repeat(8)), 1)),
        ("ten thousand levels", "[".repeat(10_000)),
        ("ten thousand objects", "{\"a\":".repeat(10_000)),
    ] {
        shop.assert_unreadable(what, body.as_bytes());
    }
    let many: Vec<String> = (0..257).map(|place| format!("\"p{place}\":1")).collect();
    shop.assert_unreadable("257 members", format!("{{{}}}", many.join(",")).as_bytes());
    shop.assert_untouched("NEVER-MADE");
}

#[test]
fn a_request_cut_at_any_byte_is_unreadable() {
    let shop = Shop::open();
    let whole = shop.body();
    for end in 0..whole.len() {
        shop.assert_unreadable(&format!("cut at {end}"), &whole[..end]);
    }
    shop.assert_untouched("NEVER-MADE");
}

#[test]
fn a_body_may_have_64_kib_and_not_a_byte_more() {
    let shop = Shop::open();
    let padded = |reference: &str, bytes: usize| {
        let mut body = shop.merchant.sign(&payment("PURCHASE", reference, "15000", VISA));
        body.resize(bytes, b' ');
        body
    };
    shop.assert_unreadable("64 KiB and a byte", &padded("NEVER-MADE", BODY_BYTES_MAX + 1));
    shop.assert_unreadable("10 MB", &padded("NEVER-MADE", 10_000_000));
    shop.assert_untouched("NEVER-MADE");
    shop.assert_code("64 KiB", &padded("FULL-SIZE", BODY_BYTES_MAX), "14000");
}

#[test]
fn bytes_that_are_no_utf_8_are_latin_1_to_the_signature_and_never_break_the_reader() {
    let shop = Shop::open();
    let whole = shop.body_with(&[("customer_name", "Zoë", "\"Zo\u{eb}\"")]);
    let mut broken = whole.clone().into_bytes();
    let place = whole.find('ë').unwrap();
    // Half of the character is gone: as Latin-1 it is a name that nobody signed.
    broken.remove(place + 1);
    shop.assert_code("half a character", &broken, "00008");
    let mut mixed = whole.into_bytes();
    mixed.extend_from_slice(b" \xff\xfe");
    shop.assert_unreadable("bytes behind", &mixed);
    shop.assert_unreadable("UTF-16", &"{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    shop.assert_untouched("NEVER-MADE");
}

// ---------------------------------------------------------------------------------------------
// Values that are wrong.

#[test]
fn a_value_of_a_wrong_type_is_refused_at_its_parameter() {
    let shop = Shop::open();
    for (name, hashed, json, code) in [
        ("amount", "{value=15000}", "{\"value\":15000}", "00002"),
        ("amount", "[15000]", "[15000]", "00002"),
        ("amount", "true", "true", "00005"),
        ("amount", "100.5", "100.5", "00005"),
        ("amount", "-15000", "-15000", "00005"),
        ("amount", "", "null", "00001"),
        ("amount", "15000000000000000000000", "15000000000000000000000", "00005"),
        ("amount", "1e400", "1e400", "00005"),
        ("amount", "0", "1e-400", "00008"),
        ("amount", "1e-400", "1e-400", "00005"),
        ("merchant_reference", "[A, B]", "[\"A\",\"B\"]", "00002"),
        ("merchant_reference", "{}", "{}", "00002"),
        ("merchant_reference", "true", "{\"a\":{\"b\":null}}", "00008"),
        ("currency", "[AED]", "[\"AED\"]", "00002"),
        ("currency", "784", "784", "00013"),
        ("card_number", "[4005550000000001]", "[\"4005550000000001\"]", "00002"),
        ("expiry_date", "{y=30, m=05}", "{\"y\":\"30\",\"m\":\"05\"}", "00002"),
        ("card_security_code", "[123]", "[\"123\"]", "00002"),
        ("language", "true", "true", "00033"),
        ("language", "[en]", "[\"en\"]", "00002"),
        ("command", "[PURCHASE]", "[\"PURCHASE\"]", "00004"),
        ("command", "true", "true", "00004"),
        ("merchant_identifier", "[x]", "[\"x\"]", "00009"),
    ] {
        let answer =
            shop.assert_code(&format!("{name} {json}"), shop.body_with(&[(name, hashed, json)]).as_bytes(), code);
        assert!(!answer.contains_key("fort_id") && !answer.contains_key("card_security_code"), "{answer:?}");
    }
    let stranger = shop.body_with(&[("access_code", "[x]", "[\"x\"]")]);
    assert_eq!(field(&shop.post(stranger.as_bytes()), "response_code"), "00010");
    shop.assert_untouched("NEVER-MADE");
}

#[test]
fn a_request_names_exactly_one_service_of_this_gateway() {
    let shop = Shop::open();
    for (what, members) in [
        ("no command", &[("command", "", "\"\"")] as &[_]),
        ("an unknown command", &[("command", "SELL", "\"SELL\"")]),
        ("lower case", &[("command", "purchase", "\"purchase\"")]),
        ("a blank behind", &[("command", "PURCHASE ", "\"PURCHASE \"")]),
        ("a query as a command", &[("command", "CHECK_STATUS", "\"CHECK_STATUS\"")]),
        ("two keys", &[("query_command", "CHECK_STATUS", "\"CHECK_STATUS\"")]),
        (
            "three keys",
            &[
                ("query_command", "CHECK_STATUS", "\"CHECK_STATUS\""),
                ("service_command", "TOKENIZATION", "\"TOKENIZATION\""),
            ],
        ),
        ("a service that is not there", &[("command", "", "null"), ("service_command", "SDK_TOKEN", "\"SDK_TOKEN\"")]),
    ] {
        shop.assert_code(what, shop.body_with(members).as_bytes(), "00004");
    }
    shop.assert_untouched("NEVER-MADE");
}

#[test]
fn a_signature_that_is_missing_or_no_digest_is_a_mismatch() {
    let shop = Shop::open();
    let whole: Map<String, Value> = serde_json::from_slice(&shop.body()).unwrap();
    let right = whole["signature"].as_str().unwrap().to_owned();
    for (what, signature) in [
        ("absent", None),
        ("null", Some(Value::Null)),
        ("empty", Some("".into())),
        ("a number", Some(json!(1234))),
        ("a list", Some(json!([right]))),
        ("one digit less", Some(right[1..].into())),
        ("one digit more", Some(format!("{right}0").into())),
        ("half", Some(right[..32].into())),
        ("twice", Some(right.repeat(2).into())),
        ("very long", Some("0".repeat(10_000).into())),
        ("no hex", Some(format!("{}g", &right[1..]).into())),
        ("a blank in front", Some(format!(" {}", &right[1..]).into())),
        ("not ASCII", Some("é".repeat(32).into())),
        ("one bit off", Some(format!("{}{}", &right[..63], if right.ends_with('0') { '1' } else { '0' }).into())),
        ("with the response phrase", Some(signed_with(&shop.merchant, &whole).into())),
    ] {
        let mut body = whole.clone();
        match signature {
            None => body.remove("signature"),
            Some(value) => body.insert("signature".into(), value),
        };
        let answer = shop.assert_code(what, &serde_json::to_vec(&body).unwrap(), "00008");
        assert_eq!(field(&answer, "card_number"), "400555******0001");
        assert!(!answer.contains_key("fort_id"), "{answer:?}");
    }
    for changed in ["amount", "currency", "merchant_reference", "card_number", "check_3ds", "new_parameter"] {
        let mut body = whole.clone();
        body.insert(changed.into(), "1".into());
        shop.assert_code(changed, &serde_json::to_vec(&body).unwrap(), "00008");
    }
    shop.assert_untouched("NEVER-MADE");
}

/// The signature that a client makes with the wrong one of its phrases.
fn signed_with(merchant: &Merchant, body: &Map<String, Value>) -> String {
    let mut pairs: Vec<(&str, &str)> =
        body.iter().filter(|(name, _)| *name != "signature").map(|(n, v)| (n.as_str(), v.as_str().unwrap())).collect();
    pairs.sort();
    wire::sha256_signature(&pairs, &merchant.response_phrase)
}

// ---------------------------------------------------------------------------------------------
// HTTP.

#[test]
fn other_methods_and_paths_are_answered_by_http() {
    let shop = Shop::open();
    let address = &shop.gateway.address;
    let body = shop.body();
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"] {
        let head = wire::head(address, "1.1", JSON, body.len()).replacen("POST", method, 1);
        let answer = wire::send(address, &[head.as_bytes(), &body].concat());
        assert_eq!(answer.status, 405, "{method}");
        assert!(!text(&answer.body).contains("response_code"), "{method}");
    }
    for path in
        ["/", "/FortAPI", "/FortAPI/paymentPage", "/FortAPI/paymentapi", "/FortAPI/paymentApi/x", "/../etc", "*"]
    {
        let head = wire::head(address, "1.1", JSON, body.len()).replacen(wire::PATH, path, 1);
        let answer = wire::send(address, &[head.as_bytes(), &body].concat());
        assert!(matches!(answer.status, 404 | 400), "{path}: {}", answer.status);
    }
    shop.assert_untouched("NEVER-MADE");
    for (place, path) in ["/FortAPI/paymentApi/", "/FortAPI/paymentApi?locale=en"].into_iter().enumerate() {
        let reference = format!("PATH-{place}");
        let body = shop.merchant.sign(&payment("PURCHASE", &reference, "15000", VISA));
        let head = wire::head(address, "1.1", JSON, body.len()).replacen(wire::PATH, path, 1);
        let answer = wire::send(address, &[head.as_bytes(), &body].concat());
        assert_eq!(field(&answer.json(), "response_code"), "14000", "{path}");
    }
}

#[test]
fn connections_that_speak_no_http_or_break_off_leave_the_gateway_alive() {
    let shop = Shop::open();
    let address = &shop.gateway.address;
    let raw = |bytes: &[u8]| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(crate::support::WAIT_MAX)).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        text(&answer)
    };
    // A TLS greeting, an ISO 8583 frame, noise, a head without end, a head that is too long.
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\x00\x040800",
        &[0u8; 4096],
        b"POST /FortAPI/paymentApi HTTP/1.1\r\nHost: x\r\n",
        &[b"POST /FortAPI/paymentApi HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 100_000]].concat(),
        b"POST /FortAPI/paymentApi HTTP/9.9\r\n\r\n",
        b"POST /FortAPI/paymentApi HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /FortAPI/paymentApi HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /FortAPI/paymentApi HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let answer = raw(bytes);
        assert!(!answer.starts_with("HTTP/1.1 200") || answer.contains("00073"), "{answer}");
    }
    // A body that stops in the middle.
    let body = shop.body();
    let head = wire::head(address, "1.1", JSON, body.len());
    let answer = raw(&[head.as_bytes(), &body[..body.len() / 2]].concat());
    assert!(!answer.contains("14000"), "{answer}");
    // A length that is shorter than the body: the rest is no second payment.
    let head = wire::head(address, "1.1", JSON, body.len() - 1);
    let answer = raw(&[head.as_bytes(), &body].concat());
    assert!(answer.contains("00073"), "{answer}");
    shop.assert_untouched("NEVER-MADE");
}

// ---------------------------------------------------------------------------------------------
// What must not be shown.

#[test]
fn control_characters_neither_forge_a_log_line_nor_reach_an_operators_terminal() {
    let shop = Shop::open();
    let forged = "\n2099-01-01T00:00:00Z  INFO FORGED \u{1b}[2J\u{202e}";
    let mut body: Map<String, Value> = serde_json::from_slice(&shop.body()).unwrap();
    // Nobody needs a phrase for this: the signature is wrong.
    body.insert("merchant_reference".into(), format!("R{forged}").into());
    shop.assert_code("unsigned", &serde_json::to_vec(&body).unwrap(), "00008");
    shop.explain_added_parameter("FORGED-3", &format!("added{forged}"), "added after signing: added");
    let mut params = payment("SELL", "FORGED-1", "15000", VISA);
    let command = format!("SELL{forged}");
    params[0] = ("command", &command);
    params.extend([("merchant_extra", forged), (forged, "x")]);
    let answer = shop.assert_code("a command", &shop.merchant.sign(&params), "00004");
    assert_eq!(field(&answer, "merchant_extra"), forged, "values come back unchanged");
    let mut paid = payment("PURCHASE", "FORGED-2", "15000", VISA);
    paid.push(("merchant_extra", forged));
    shop.assert_code("a payment", &shop.merchant.sign(&paid), "14000");

    for reference in ["FORGED-1", "FORGED-2", "FORGED-3"] {
        let told = wait_for("the story", || {
            let output = shop.gateway.run(&["explain", reference]);
            output.status.success().then(|| text(&output.stdout))
        });
        assert!(told.contains("FORGED"), "{told}");
        assert_harmless(&told);
    }
    let log = shop.gateway.output();
    assert!(log.contains("FORGED"), "{log}");
    assert_harmless(&log);
}

fn assert_harmless(shown: &str) {
    assert!(!shown.lines().any(|line| line.starts_with("2099-01-01")), "a line was forged:\n{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "a control character reached the terminal:\n{shown}");
}

#[test]
fn a_card_number_in_any_other_place_is_stored_and_shown_nowhere() {
    assert!(luhn(STRAY) && brand_of(STRAY).is_some());
    let mut shop = Shop::open();
    stray_in_references(&shop);
    stray_in_other_parameters(&shop);
    stray_in_refused_requests(&shop);
    stray_outside_of_requests(&shop);

    let told = |key: &str| {
        wait_for("the story", || {
            let output = shop.gateway.run(&["explain", key]);
            output.status.success().then(|| text(&output.stdout))
        })
    };
    let paid = told("STRAY-PAID");
    assert!(paid.contains("491633******2832"), "the mask is kept: {paid}");
    let refused = told("STRAY-REFUSED");
    let masked = |name: &str| refused.lines().any(|line| line.contains(name) && line.contains("491633******2832"));
    assert!(masked("merchant_identifier") && masked("customer_email"), "masks are kept: {refused}");
    let metrics = shop.gateway.admin("/metrics").1;
    assert!(metrics.contains("tollgate_stray_card_numbers_total"), "they are counted: {metrics}");
    let issuer = ["/accounts", "/ledger/totals"].map(|path| shop.gateway.issuer(path).to_string()).concat();
    let stories = [paid, refused, told("491633******2832")];
    shop.assert_pays();
    assert_folder_is_clean(&shop.gateway.data);
    // What was still on its way to the disk is there after the end.
    assert!(shop.gateway.stop());
    assert!(assert_folder_is_clean(&shop.gateway.data) > 4, "the folder has files");
    for shown in stories.into_iter().chain([metrics, issuer, shop.gateway.output()]) {
        assert!(!holds_stray(shown.as_bytes()), "in clear: {shown}");
    }
}

/// References are keys: kept as they are, and sent on. A card number in one is refused.
fn stray_in_references(shop: &Shop) {
    for (name, value) in [
        ("merchant_reference", STRAY),
        ("merchant_reference", STRAY_GROUPED),
        ("merchant_reference", "ORDER-4916338506082832"),
        ("settlement_reference", STRAY),
    ] {
        let mut params = payment("PURCHASE", "STRAY-REFUSED", "15000", VISA);
        params.retain(|(known, _)| *known != name);
        params.push((name, value));
        shop.assert_code(name, &shop.merchant.sign(&params), "00033");
    }
    let purchase = payment("PURCHASE", "STRAY-REFUNDED", "15000", VISA);
    shop.assert_code("a payment", &shop.merchant.sign(&purchase), "14000");
    let refund = [
        ("command", "REFUND"),
        ("merchant_reference", "STRAY-REFUNDED"),
        ("amount", "1"),
        ("currency", "AED"),
        ("maintenance_reference", STRAY),
    ];
    shop.assert_code("a refund", &shop.merchant.sign(&refund), "00033");
}

/// Of a merchant whose stray card numbers are counted only, other parameters are taken, and kept masked.
fn stray_in_other_parameters(shop: &Shop) {
    crate::support::accounts::set(&shop.gateway, "demo", &["--stray-card-numbers", "count"]);
    let mut params = payment("PURCHASE", "STRAY-PAID", "15000", VISA);
    let (nested, in_text) = (format!("{{\"number\":\"{STRAY}\"}}"), format!("card {STRAY_SPACED} please"));
    params.extend([
        ("order_description", in_text.as_str()),
        ("customer_name", STRAY),
        ("phone_number", STRAY_SPACED),
        ("merchant_extra", nested.as_str()),
        ("merchant_extra1", STRAY_GROUPED),
        ("customer_ip", STRAY),
        ("unknown_parameter", STRAY),
        (STRAY, "a name"),
    ]);
    shop.assert_code("a payment", &shop.merchant.sign(&params), "14000");
    // Trimmed before it was hashed.
    let blanks = format!("\" {STRAY} \"");
    let trimmed = shop.body_with(&[
        ("merchant_reference", "STRAY-TRIMMED", "\"STRAY-TRIMMED\""),
        ("order_description", STRAY, &blanks),
    ]);
    shop.assert_code("trimmed", trimmed.as_bytes(), "14000");
    let list = shop.body_with(&[
        ("merchant_reference", "STRAY-LIST", "\"STRAY-LIST\""),
        ("cards", &format!("[{STRAY}]"), &format!("[\"{STRAY}\"]")),
    ]);
    shop.assert_code("a list", list.as_bytes(), "14000");
    crate::support::accounts::set(&shop.gateway, "demo", &["--stray-card-numbers", "refuse"]);
}

/// Wherever a request may be refused, before and after its signature was looked at.
fn stray_in_refused_requests(shop: &Shop) {
    for (name, code) in [
        ("access_code", "00010"),
        ("merchant_identifier", "00009"),
        ("signature", "00008"),
        ("command", "00033"),
        ("language", "00033"),
        ("currency", "00033"),
        ("amount", "00033"),
        ("customer_email", "00033"),
        ("expiry_date", "00033"),
        ("card_security_code", "00033"),
        ("payment_option", "00033"),
        ("eci", "00033"),
        ("token_name", "00033"),
        ("return_url", "00033"),
    ] {
        let mut params = payment("PURCHASE", "STRAY-REFUSED", "15000", VISA);
        params.retain(|(known, _)| *known != name);
        params.push((name, STRAY));
        let mut body: Map<String, Value> = serde_json::from_slice(&shop.merchant.sign(&params)).unwrap();
        if name == "signature" {
            body.insert("signature".into(), STRAY.into());
        }
        let answer = shop.post(&serde_json::to_vec(&body).unwrap());
        assert_eq!(field(&answer, "response_code"), code, "{name}: {answer:?}");
        // The same with a signature that is wrong, which is searched for its cause.
        body.insert("signature".into(), "0".repeat(64).into());
        shop.post(&serde_json::to_vec(&body).unwrap());
    }
    // Its name is the cause here, and is not told.
    shop.explain_added_parameter("STRAY-REFUSED", STRAY, "probably not that of this access code");
    shop.assert_code("a reference", text(&shop.body()).replace("NEVER-MADE", STRAY).as_bytes(), "00008");
}

/// Bodies that cannot be read, headers and addresses.
fn stray_outside_of_requests(shop: &Shop) {
    shop.assert_unreadable("cut", format!("{{\"card_number\":\"{STRAY}\",").as_bytes());
    shop.assert_unreadable("a form called JSON", format!("card_number={STRAY}").as_bytes());
    let header = format!("X-Card: {STRAY}");
    let head = wire::head(&shop.gateway.address, "1.1", &[&header], 2);
    let head = head.replacen(wire::PATH, &format!("{}/{STRAY}?card={STRAY}", wire::PATH), 1);
    assert_eq!(wire::send(&shop.gateway.address, format!("{head}{{}}").as_bytes()).status, 404);
}

/// Whether the stray number stands in `bytes`, in one piece or in groups.
fn holds_stray(bytes: &[u8]) -> bool {
    let squeezed: Vec<u8> = bytes.iter().copied().filter(|byte| !matches!(byte, b' ' | b'-')).collect();
    squeezed.windows(STRAY.len()).any(|window| window == STRAY.as_bytes())
}

/// The number stands in no file of the folder; gives how many files were read.
fn assert_folder_is_clean(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.fold(0, |files, path| {
        if path.is_dir() {
            return files + assert_folder_is_clean(&path);
        }
        // A file of the database may go between the listing and the reading.
        let Ok(bytes) = std::fs::read(&path) else { return files };
        assert!(!holds_stray(&bytes), "in clear on the disk: {}", path.display());
        files + 1
    })
}

// ---------------------------------------------------------------------------------------------
// Anything at all.

/// What a mutation does to a request.
#[derive(Clone, Debug)]
enum Mutation {
    Remove(usize),
    Twice(usize),
    Value(usize, Value),
    Rename(usize, String),
    Add(String, Value),
    Byte(usize, u8),
    Insert(usize, u8),
    Cut(usize),
}

/// Whether the client signs after the mutation of its parameters.
#[derive(Clone, Copy, Debug)]
enum Signing {
    Before,
    After,
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[A-Z0-9._-]{0,45}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("PURCHASE")),
        Just(Value::from(VISA)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn mutations() -> impl Strategy<Value = Mutation> {
    let place = || any::<prop::sample::Index>().prop_map(|index| index.index(10_000));
    prop_oneof![
        1 => place().prop_map(Mutation::Remove),
        1 => place().prop_map(Mutation::Twice),
        6 => (place(), values()).prop_map(|(place, value)| Mutation::Value(place, value)),
        1 => (place(), any::<String>()).prop_map(|(place, name)| Mutation::Rename(place, name)),
        1 => (any::<String>(), values()).prop_map(|(name, value)| Mutation::Add(name, value)),
        1 => (place(), any::<u8>()).prop_map(|(place, byte)| Mutation::Byte(place, byte)),
        1 => (place(), any::<u8>()).prop_map(|(place, byte)| Mutation::Insert(place, byte)),
        1 => place().prop_map(Mutation::Cut),
    ]
}

/// A request of a service after mutations, as bytes.
fn mutated(merchant: &Merchant, service: usize, signing: Signing, mutations: &[Mutation]) -> Vec<u8> {
    let commands = ["AUTHORIZATION", "PURCHASE", "CAPTURE", "VOID_AUTHORIZATION", "REFUND", "CHECK_STATUS"];
    let command = commands[service % commands.len()];
    let params = match command {
        "AUTHORIZATION" | "PURCHASE" => payment(command, "ANYTHING", "15000", VISA),
        "CHECK_STATUS" => vec![("query_command", command), ("merchant_reference", "ANYTHING")],
        _ => vec![("command", command), ("merchant_reference", "ANYTHING"), ("amount", "10"), ("currency", "AED")],
    };
    let signed: Map<String, Value> = serde_json::from_slice(&merchant.sign(&params)).unwrap();
    let mut members: Vec<(String, Value)> = signed.into_iter().collect();
    for mutation in mutations {
        let count = members.len().max(1);
        match mutation {
            Mutation::Remove(place) if !members.is_empty() => drop(members.remove(place % count)),
            Mutation::Twice(place) if !members.is_empty() => members.push(members[place % count].clone()),
            Mutation::Value(place, value) if !members.is_empty() => members[place % count].1 = value.clone(),
            Mutation::Rename(place, name) if !members.is_empty() => members[place % count].0.clone_from(name),
            Mutation::Add(name, value) => members.push((name.clone(), value.clone())),
            _ => {}
        }
    }
    if let Signing::After = signing {
        members.retain(|(name, _)| name != "signature");
        let mut pairs: Vec<(&str, String)> =
            members.iter().map(|(name, value)| (name.as_str(), hashed(value))).collect();
        pairs.sort();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let signature = wire::sha256_signature(&pairs, &merchant.request_phrase);
        members.push(("signature".into(), signature.into()));
    }
    let written: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
    let mut body = format!("{{{}}}", written.join(",")).into_bytes();
    for mutation in mutations {
        let count = body.len().max(1);
        match mutation {
            Mutation::Byte(place, byte) if !body.is_empty() => body[place % count] = *byte,
            Mutation::Insert(place, byte) => body.insert(place % count, *byte),
            Mutation::Cut(place) => body.truncate(place % count),
            _ => {}
        }
    }
    body
}

/// A value as clients hash it.
fn hashed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(hashed).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let members: Vec<String> = object.iter().map(|(name, value)| format!("{name}={}", hashed(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether the account can be found in `body`: it is JSON without a doubled name or a NUL, and the
/// access code stands in it as it is.
fn account_is_named(merchant: &Merchant, body: &[u8]) -> bool {
    struct Names(Vec<String>, Option<Value>);
    impl<'de> serde::Deserialize<'de> for Names {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
            struct Members;
            impl<'de> serde::de::Visitor<'de> for Members {
                type Value = Names;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                    let mut names = Names(Vec::new(), None);
                    while let Some((name, value)) = map.next_entry::<String, Value>()? {
                        if name == "access_code" {
                            names.1 = Some(value);
                        }
                        names.0.push(name);
                    }
                    Ok(names)
                }
            }
            deserializer.deserialize_map(Members)
        }
    }
    let Ok(Names(mut names, access_code)) = serde_json::from_slice::<Names>(body) else { return false };
    let count = names.len();
    names.sort();
    names.dedup();
    names.len() == count
        && access_code == Some(Value::from(merchant.access_code.as_str()))
        && !text(body).contains("\\u0000")
}

#[test]
fn any_mutated_request_gets_http_200_texts_only_and_a_signature_when_the_account_is_named() {
    let shop = Shop::open();
    let signing = prop_oneof![Just(Signing::Before), Just(Signing::After)];
    let cases = (0..6usize, signing, prop::collection::vec(mutations(), 0..4));
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<String, u32>::new());
    let done = runner.run(&cases, |(service, signing, mutations)| {
        let body = mutated(&shop.merchant, service, signing, &mutations);
        let answer = wire::post(&shop.gateway.address, "1.1", JSON, &body);
        prop_assert_eq!(answer.status, 200);
        let answer: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap();
        prop_assert!(answer.values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())), "{:?}", answer);
        let code = field(&answer, "response_code");
        prop_assert!(code.len() == 5 && code.starts_with(field(&answer, "status")), "{:?}", answer);
        prop_assert!(!field(&answer, "response_message").is_empty() && !answer.contains_key("card_security_code"));
        *seen.borrow_mut().entry(code.to_owned()).or_default() += 1;
        if answer.contains_key("signature") {
            shop.merchant.check(&answer);
        } else {
            prop_assert!(matches!(code, "00073" | "00010"), "unsigned: {:?}", answer);
            prop_assert!(!account_is_named(&shop.merchant, &body), "unsigned: {}", text(&body));
        }
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    for code in ["00073", "00008", "00004", "12000"] {
        assert!(seen.contains_key(code), "the mutations are too tame or too wild: {seen:?}");
    }
    assert_eq!(shop.gateway.admin("/health/ready").0, 200);
    shop.assert_pays();
}
