//! The trusted channel, encrypted: card data as a JWE to a key that the gateway publishes.

use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::{Gateway, Merchant, field, payment, text, wait_for, wire};
use serde_json::{Map, Value, json};
use std::path::Path;
use tollgate_vault::{JweAlgorithm, Jwk};

const CARD: &str = "4005550000000001";
const SECURITY_CODE: &str = "737";
const KEYS: &str = "/.well-known/tollgate/jwks.json";

struct Shop {
    gateway: Gateway,
    demo: Merchant,
}

impl Shop {
    fn open() -> Shop {
        let gateway = Gateway::start();
        let demo = gateway.demo();
        Shop { gateway, demo }
    }

    /// The published keys, for ECDH and for RSA.
    fn keys(&self) -> Vec<Jwk> {
        let (status, body) = crate::support::get(&self.gateway.address, KEYS);
        assert_eq!(status, 200, "{}", text(&body));
        let shown: Value = serde_json::from_slice(&body).unwrap();
        serde_json::from_value(shown["keys"].clone()).unwrap()
    }

    fn key(&self, algorithm: JweAlgorithm) -> Jwk {
        self.keys().into_iter().find(|key| key.algorithm() == Some(algorithm)).unwrap()
    }

    /// Now, by the gateway's clock, in seconds.
    fn now(&self) -> i64 {
        let shown: Value =
            serde_json::from_str(&self.gateway.run_well(&["clock", "show", "--format", "json"])).unwrap();
        tollgate_core::time::Timestamp::parse_utc(shown["now"].as_str().unwrap()).unwrap().unix_seconds()
    }

    /// What is encrypted for a payment.
    fn content(&self, nonce: &str) -> Map<String, Value> {
        let content = json!({
            "card_number": CARD, "expiry_date": "3005", "card_security_code": SECURITY_CODE,
            "card_holder_name": "Jo Doe", "jti": format!("{nonce}-0123456789abcdef"), "iat": self.now(),
        });
        content.as_object().unwrap().clone()
    }

    fn pay(&self, reference: &str, encrypted: &str) -> Map<String, Value> {
        self.pay_with(reference, &[("encrypted_card_data", encrypted)])
    }

    fn pay_with(&self, reference: &str, more: &[(&str, &str)]) -> Map<String, Value> {
        let mut params = payment("PURCHASE", reference, "1000", CARD);
        params.retain(|(name, _)| !name.starts_with("card_") && *name != "expiry_date");
        params.extend_from_slice(more);
        self.gateway.call(&self.demo, &params)
    }

    fn assert_refused(&self, what: &str, encrypted: &str, code: &str) {
        let answer = self.pay("REFUSED", encrypted);
        assert_eq!(field(&answer, "response_code"), code, "{what}: {answer:?}");
        assert!(!answer.contains_key("encrypted_card_data"), "it is not repeated: {answer:?}");
    }
}

fn encrypt(content: &Map<String, Value>, key: &Jwk) -> String {
    tollgate_vault::encrypt(&serde_json::to_vec(content).unwrap(), key).unwrap()
}

#[test]
fn encrypted_card_data_pays_like_card_data_in_clear_and_is_kept_nowhere() {
    let mut shop = Shop::open();
    let mut sent = Vec::new();
    for (place, algorithm) in JweAlgorithm::ALL.into_iter().enumerate() {
        let encrypted = encrypt(&shop.content(&format!("pays-{place}")), &shop.key(algorithm));
        let reference = format!("encrypted-{place}");
        let answer = shop.pay(&reference, &encrypted);
        assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
        assert_eq!(field(&answer, "card_number"), "400555******0001");
        assert_eq!(field(&answer, "expiry_date"), "3005");
        assert_eq!(field(&answer, "card_holder_name"), "Jo Doe");
        assert!(!answer.contains_key("encrypted_card_data"), "{answer:?}");
        let refund = shop.gateway.call(&shop.demo, &crate::support::operation("REFUND", &reference, "1000"));
        assert_eq!(field(&refund, "response_code"), "06000", "{refund:?}");
        sent.push(encrypted);
    }
    let mut sinks = Vec::new();
    for encryption in ["--encrypt", "--encrypt=rsa"] {
        let shown = shop.gateway.run_well(&[
            "pay",
            "--amount",
            "10.00",
            "--card",
            CARD,
            "--expiry",
            "3005",
            "--cvv",
            SECURITY_CODE,
            encryption,
        ]);
        assert!(shown.contains("paid"), "{shown}");
        sinks.push(Sink::text(format!("pay {encryption}"), shown));
    }
    for reference in ["encrypted-0", "encrypted-1"] {
        sinks.push(Sink::text(format!("explain {reference}"), shop.gateway.run_well(&["explain", reference])));
    }
    sinks.push(Sink::text("the list of keys", shop.gateway.run_well(&["jwks", "list"])));
    sinks.push(Sink::text("/metrics", shop.gateway.admin("/metrics").1));
    assert!(shop.gateway.stop());
    let log = shop.gateway.output();
    let log: Vec<&str> = log.lines().filter(|line| !line.trim_start().starts_with("tollgate pay ")).collect();
    sinks.push(Sink::text("the log", log.join("\n")));
    sinks.extend(files(&shop.gateway.data));
    Forbidden::new(&[CARD.to_owned()], &[SECURITY_CODE]).assert_in_none(&sinks);
    // The security code is inside: the text must not outlive the payment either.
    for encrypted in sent {
        let end = encrypted.rsplit('.').next().unwrap().as_bytes().to_vec();
        for sink in &sinks {
            assert!(!sink.bytes.windows(end.len()).any(|window| window == end), "{} keeps the JWE", sink.name);
        }
    }
}

#[test]
fn a_nonce_is_used_once_even_after_a_restart_and_by_every_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut shop = {
        let gateway = Gateway::start_in(&data, &[]);
        let demo = gateway.demo();
        Shop { gateway, demo }
    };
    let content = shop.content("once");
    let encrypted = encrypt(&content, &shop.key(JweAlgorithm::EcdhEsA256Kw));
    assert_eq!(field(&shop.pay("once", &encrypted), "response_code"), "14000");
    shop.assert_refused("the same again", &encrypted, "00033");
    let again = encrypt(&content, &shop.key(JweAlgorithm::RsaOaep256));
    shop.assert_refused("the same nonce encrypted anew", &again, "00033");
    let metrics = shop.gateway.admin("/metrics").1;
    assert!(metrics.contains("tollgate_channel_replays_total{merchant=\"demo\"} 2"), "{metrics}");
    shop.gateway.kill();
    shop.gateway = Gateway::start_in(&data, &[]);
    shop.assert_refused("the same after a crash", &encrypted, "00033");
    let story = shop.gateway.run_well(&["explain", "REFUSED"]);
    assert!(story.contains("jti was used before"), "{story}");
    // Of many at once one pays.
    let encrypted = encrypt(&shop.content("race"), &shop.key(JweAlgorithm::EcdhEsA256Kw));
    let answers = crate::support::all_at_once(8, |thread| {
        field(&shop.pay(&format!("race-{thread}"), &encrypted), "response_code").to_owned()
    });
    assert_eq!(answers.iter().filter(|code| *code == "14000").count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|code| *code == "00033").count(), 7, "{answers:?}");
}

#[test]
fn what_is_too_old_too_new_or_no_such_message_is_refused() {
    let shop = Shop::open();
    let key = shop.key(JweAlgorithm::EcdhEsA256Kw);
    let with = |nonce: &str, name: &str, value: Value| {
        let mut content = shop.content(nonce);
        content.insert(name.to_owned(), value);
        encrypt(&content, &key)
    };
    let now = shop.now();
    shop.assert_refused("too old", &with("old", "iat", json!(now - 302)), "00033");
    shop.assert_refused("too new", &with("new", "iat", json!(now + 90)), "00033");
    shop.assert_refused("a short nonce", &with("short", "jti", json!("short")), "00033");
    shop.assert_refused(
        "a number as number",
        &with("number", "card_number", json!(4_005_550_000_000_001_i64)),
        "00033",
    );
    shop.assert_refused("one member more", &with("more", "amount", json!("1")), "00033");
    shop.assert_refused("a check digit", &with("digit", "card_number", json!("4005550000000002")), "00016");
    shop.assert_refused("a past expiry", &with("past", "expiry_date", json!("2001")), "00012");
    shop.assert_refused("no JSON", &tollgate_vault::encrypt(b"no JSON", &key).unwrap(), "00033");
    for text in [
        "nonsense",
        "a.b.c.d.e",
        "eyJhbGciOiJub25lIn0....",
        "eyJhbGciOiJub25lIiwiZW5jIjoiQTI1NkdDTSIsImtpZCI6ImsifQ.AA.AA.AA.AA",
    ] {
        shop.assert_refused(text, text, "00002");
    }
    shop.assert_refused("too long", &"a".repeat(8_193), "00032");
    let stranger = Jwk { kid: Some("no-such-key".to_owned()), ..key.clone() };
    shop.assert_refused("another kid", &encrypt(&shop.content("kid"), &stranger), "00033");
    let good = encrypt(&shop.content("cut"), &key);
    let changed = good.replace(good.rsplit('.').next().unwrap(), "AAAAAAAAAAAAAAAAAAAAAA");
    shop.assert_refused("a changed tag", &changed, "00033");
    let both = shop.pay_with("BOTH", &[("encrypted_card_data", &good), ("card_number", CARD), ("expiry_date", "3005")]);
    assert_eq!(field(&both, "response_code"), "00027", "{both:?}");
    // None of that has used the nonce of the good one up.
    assert_eq!(field(&shop.pay("GOOD", &good), "response_code"), "14000");
    shop.gateway.run_well(&["merchant", "deactivate-trusted-channel", "demo"]);
    shop.assert_refused("the channel is off", &encrypt(&shop.content("off"), &key), "00027");
    assert_eq!(shop.gateway.issuer("/ledger/totals")["entries"], 1, "one payment went to the network");
}

#[test]
fn rotated_keys_open_what_comes_for_a_while_and_not_longer() {
    let shop = Shop::open();
    let old = shop.key(JweAlgorithm::EcdhEsA256Kw);
    let shown = shop.gateway.run_well(&["jwks", "rotate", "--accept-old-for", "1h", "--format", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let states: Vec<&str> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["published", "published", "accepted", "accepted"], "{shown}");
    let new = wait_for("the running gateway publishes the new keys", || {
        Some(shop.key(JweAlgorithm::EcdhEsA256Kw)).filter(|new| new.kid != old.kid)
    });
    assert_eq!(shop.keys().len(), 2, "old keys are not published");
    for (name, key) in [("old", &old), ("new", &new)] {
        let answer = shop.pay(name, &encrypt(&shop.content(name), key));
        assert_eq!(field(&answer, "response_code"), "14000", "{name}: {answer:?}");
    }
    shop.gateway.run_well(&["clock", "advance", "2h"]);
    wait_for("the old key has ended for the running gateway", || {
        let answer = shop.pay(&format!("ended-{}", nonce()), &encrypt(&shop.content(&nonce()), &old));
        (field(&answer, "response_code") == "00033").then_some(())
    });
    assert_eq!(field(&shop.pay("still", &encrypt(&shop.content("still"), &new)), "response_code"), "14000");
}

#[test]
fn a_merchant_can_be_set_to_encrypt_always() {
    let shop = Shop::open();
    crate::support::accounts::set(&shop.gateway, "demo", &["--card-data", "encrypted-only"]);
    let clear = shop.gateway.call(&shop.demo, &payment("PURCHASE", "clear", "1000", CARD));
    assert_eq!(field(&clear, "response_code"), "00027", "{clear:?}");
    let story = shop.gateway.run_well(&["explain", "clear"]);
    assert!(story.contains("card_number") && story.contains("encrypted_card_data"), "{story}");
    let answer = shop.pay("encrypted", &encrypt(&shop.content("only"), &shop.key(JweAlgorithm::RsaOaep256)));
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    assert!(shop.gateway.run_well(&["merchant", "show", "demo"]).contains("encrypted-only"));
    crate::support::accounts::set(&shop.gateway, "demo", &["--card-data", "any"]);
    let clear = shop.gateway.call(&shop.demo, &payment("PURCHASE", "clear", "1000", CARD));
    assert_eq!(field(&clear, "response_code"), "14000", "the reference was not used up: {clear:?}");
}

#[test]
fn keys_are_read_with_get_and_hold_nothing_private() {
    let shop = Shop::open();
    let head = format!("GET {KEYS} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
    let answer = wire::send(&shop.gateway.address, head.as_bytes());
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=300")));
    let shown = answer.json();
    for key in shown["keys"].as_array().unwrap() {
        let key = key.as_object().unwrap();
        assert!(
            key.keys().all(|name| ["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"].contains(&name.as_str()))
        );
        assert_eq!((key["use"].as_str(), key.contains_key("kid")), (Some("enc"), true));
    }
    let head = head.replacen("GET", "POST", 1);
    assert_eq!(wire::send(&shop.gateway.address, head.as_bytes()).status, 405);
    assert_eq!(shop.keys(), shop.keys(), "they stay");
}

#[test]
fn a_python_client_made_elsewhere_encrypts_what_the_gateway_opens() {
    if std::env::var_os("CROSSCHECK_SKIP").is_some_and(|value| value == "1") {
        eprintln!("left out: CROSSCHECK_SKIP=1");
        return;
    }
    let python = std::env::var_os("CROSSCHECK_PYTHON").unwrap_or_else(|| "python3".into());
    let probe = std::process::Command::new(&python).args(["-c", "import authlib"]).output();
    assert!(
        probe.as_ref().is_ok_and(|output| output.status.success()),
        "{} has no Authlib: install what tests/requirements.txt names and set CROSSCHECK_PYTHON, or CROSSCHECK_SKIP=1",
        python.display()
    );
    let shop = Shop::open();
    let snippet = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/snippets/encrypt.py");
    for (place, algorithm) in JweAlgorithm::ALL.into_iter().enumerate() {
        let output = std::process::Command::new(&python)
            .arg(&snippet)
            .args([&format!("http://{}{KEYS}", shop.gateway.address), algorithm.name(), CARD, "3005", SECURITY_CODE])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let answer = shop.pay(&format!("python-{place}"), text(&output.stdout).trim());
        assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    }
}

/// A text that did not occur before.
fn nonce() -> String {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    hex::encode(bytes)
}
