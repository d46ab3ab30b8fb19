//! What an operator does while the gateway runs: activations, rotations, limits, TLS, configuration,
//! health and metrics.

use crate::support::card_network::CardNetwork;
use crate::support::{Gateway, Merchant, binary, field, payment, text, tollgate, wait_for};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use tollgate_core::time::{DAY_US, Timestamp};

const CARD: &str = "4005550000000001";

#[test]
fn a_new_merchants_card_data_is_refused_until_its_attestation_is_verified() {
    let gateway = Gateway::start();
    let added = gateway.run_well(&words("merchant add shop --format json"));
    let added: Value = serde_json::from_str(&added).unwrap();
    assert_eq!(added["activations"]["trusted_channel"]["state"], "not activated");
    let shop = Merchant::show(&gateway, "shop");
    refused(&gateway, &shop, "new", "00027");

    let document = attestation_document(&gateway);
    let said = gateway.run_well(&activation(&document, &day(400)));
    assert!(said.contains("trusted channel on"), "{said}");
    approved(&gateway, &shop, "activated");
    let shown: Value = serde_json::from_str(&gateway.run_well(&words("merchant show shop --format json"))).unwrap();
    let attestation = &shown["terms"]["trusted_channel"];
    let digest = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, DOCUMENT));
    assert_eq!([&attestation["document"], &attestation["document_sha256"]], ["aoc.pdf", digest.as_str()]);
    assert_eq!([&attestation["assessor"], &attestation["verified_by"]], ["QSA Ltd", "A. Person"]);
    assert_eq!(shown["activations"]["trusted_channel"]["warning"], false);

    gateway.run_well(&words("merchant deactivate-trusted-channel shop"));
    refused(&gateway, &shop, "deactivated", "00027");
    // What needs no card data goes on.
    let refund = [("command", "REFUND"), ("merchant_reference", "activated"), ("amount", "1000"), ("currency", "AED")];
    assert_eq!(field(&gateway.call(&shop, &refund), "response_code"), "06000");
}

#[test]
fn an_attestation_counts_to_the_end_of_its_last_day_and_warns_before() {
    let gateway = Gateway::start();
    gateway.run_well(&words("merchant add shop"));
    let shop = Merchant::show(&gateway, "shop");
    let document = attestation_document(&gateway);
    let said = gateway.run_badly(&activation(&document, &day(-1)));
    assert!(said.contains("expired already") && said.contains("valid one"), "{said}");
    refused(&gateway, &shop, "yesterday", "00027");

    // Its last day may be today; should midnight pass while this runs, it may not.
    let today = day(0);
    let output = gateway.run(&activation(&document, &today));
    if today == day(0) {
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.contains("ends in 0 days: ask for a new one"), "{said}");
    }
    gateway.run_well(&activation(&document, &day(59)));
    approved(&gateway, &shop, "warned");
    let shown: Value = serde_json::from_str(&gateway.run_well(&words("merchant show shop --format json"))).unwrap();
    assert_eq!(shown["activations"]["trusted_channel"]["warning"], true, "fewer than 60 days: {shown}");
    assert!(gateway.run_well(&words("merchant list")).contains("ask for a new one"));
}

#[test]
fn an_attestation_that_has_run_out_closes_the_trusted_channel_by_itself() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    approved(&gateway, &demo, "before");
    gateway.run_well(&words("clock advance 366d"));
    refused(&gateway, &demo, "after", "00027");
    assert!(gateway.run_well(&words("merchant show demo")).contains("off: the attestation has expired"));
    wait_for("the story says whose task it is", || {
        text(&gateway.run(&["explain", "after"]).stdout).contains("activate-trusted-channel").then_some(())
    });
}

#[test]
fn mistakes_in_an_activation_are_refused_and_change_nothing() {
    let gateway = Gateway::start();
    gateway.run_well(&words("merchant add shop"));
    let document = attestation_document(&gateway);
    let empty = gateway.data.join("empty.pdf");
    std::fs::write(&empty, b"").unwrap();
    let until = day(100);
    let right = activation(&document, &until);
    for (option, value, part) in [
        ("--level", "5", "level is 1 to 4"),
        ("--level", "0", "level is 1 to 4"),
        ("--assessor", " ", "who assessed"),
        ("--verified-by", "", "who verified"),
        ("--document", "/nowhere/aoc.pdf", "/nowhere/aoc.pdf"),
        ("--document", empty.to_str().unwrap(), "is empty"),
        ("--valid-until", "31.12.2030", "YYYY-MM-DD"),
        ("--valid-until", "2030-02-30", "YYYY-MM-DD"),
    ] {
        let mut wrong = right.clone();
        let place = wrong.iter().position(|word| *word == option).unwrap();
        wrong[place + 1] = value;
        let said = gateway.run_badly(&wrong);
        assert!(said.contains(part), "{option} {value:?}: {said}");
    }
    refused(&gateway, &Merchant::show(&gateway, "shop"), "still off", "00027");
}

#[test]
fn a_request_phrase_is_rotated_without_a_break_while_the_gateway_runs() {
    let gateway = Gateway::start();
    let old = gateway.demo();
    approved(&gateway, &old, "old-1");
    let output =
        gateway.run_with_input(&words("merchant set demo --rotate-request-phrase -"), "a new phrase $2y$10$\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let new = gateway.demo();
    assert_eq!(new.request_phrase, "a new phrase $2y$10$", "the newest is shown first");
    approved(&gateway, &new, "new-1");
    approved(&gateway, &old, "old-2");
    assert!(gateway.run_well(&words("merchant show demo")).contains("(old, valid until --finish-rotation)"));
    let said = gateway.run_badly(&words("merchant set demo --rotate-request-phrase third-phrase"));
    assert!(said.contains("--finish-rotation"), "a third is one too many: {said}");

    gateway.run_well(&words("merchant set demo --finish-rotation"));
    approved(&gateway, &new, "new-2");
    refused(&gateway, &old, "old-3", "00008");

    gateway.run_well(&words("merchant set demo --response-phrase another-response --sha-type HMAC-512"));
    let changed = gateway.demo();
    assert_eq!(changed.response_phrase, "another-response");
    approved(&gateway, &changed, "hmac");
    let (_, answer) = gateway.post_raw(&new.sign(&payment("PURCHASE", "sha-256", "1000", CARD)), "application/json");
    let answer: serde_json::Map<String, Value> = serde_json::from_slice(&answer).unwrap();
    assert_eq!(field(&answer, "response_code"), "00008", "the digest before does not count any more");
    changed.check(&answer);
}

#[test]
fn a_merchant_that_is_switched_off_can_do_nothing_until_it_is_on_again() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    approved(&gateway, &demo, "on");
    gateway.run_well(&words("merchant set demo --active no"));
    refused(&gateway, &demo, "off", "00015");
    let told = gateway.call(&demo, &[("query_command", "CHECK_STATUS"), ("merchant_reference", "on")]);
    assert_eq!(field(&told, "response_code"), "00015", "{told:?}");
    gateway.run_well(&words("merchant set demo --active yes"));
    approved(&gateway, &demo, "off");
}

#[test]
fn limits_currencies_and_brands_count_from_the_next_request_on() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    approved(&gateway, &demo, "before");
    gateway.run_well(&words("merchant set demo --limit AED=9.99 --limit KWD=1.000"));
    refused(&gateway, &demo, "above", "00050");
    for (currency, amount, code) in
        [("AED", "999", "14000"), ("KWD", "1000", "14000"), ("KWD", "1001", "00050"), ("SAR", "100000", "14000")]
    {
        let reference = format!("{currency}-{amount}");
        let mut params = payment("PURCHASE", &reference, amount, CARD);
        params.iter_mut().filter(|(name, _)| *name == "currency").for_each(|(_, value)| *value = currency);
        let answer = gateway.call(&demo, &params);
        assert_eq!(field(&answer, "response_code"), code, "{currency} {amount}: {answer:?}");
    }
    gateway.run_well(&words("merchant set demo --limit AED=none --currencies AED"));
    approved(&gateway, &demo, "above");
    let mut params = payment("PURCHASE", "in-sar", "1000", CARD);
    params.iter_mut().filter(|(name, _)| *name == "currency").for_each(|(_, value)| *value = "SAR");
    assert_eq!(field(&gateway.call(&demo, &params), "response_code"), "00023");
    gateway.run_well(&words("merchant set demo --payment-options MASTERCARD"));
    refused(&gateway, &demo, "visa", "00003");
}

#[test]
fn tls_is_served_with_the_configured_certificate_and_checked_by_pay() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certificates(folder.path());
    let certificate = folder.path().join("chain.pem").display().to_string();
    let key = folder.path().join("key.pem").display().to_string();
    let environment =
        [("TOLLGATE_SERVER_TLS_CERTIFICATE", certificate.as_str()), ("TOLLGATE_SERVER_TLS_KEY", key.as_str())];
    let gateway = Gateway::start_in(&folder.path().join("data"), &environment);
    assert!(gateway.running["url"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{}", gateway.running);
    let pay = "pay --amount 10 --card 4005550000000001 --expiry 2905 --cvv 123";
    let paid = gateway.run_well(&words(&format!("{pay} --ca {authority}")));
    assert!(paid.ends_with("paid\n"), "{paid}");
    let said = gateway.run_badly(&words(pay));
    assert!(said.contains("TLS") && said.contains("--ca"), "an unknown authority is not trusted: {said}");
    // In clear nothing is answered on this port.
    assert!(crate::support::try_post(&gateway.address, "/FortAPI/paymentApi", b"{}", "application/json").is_none());
    assert_eq!(gateway.admin("/health/live").0, 200, "health stays in clear, on its own address");
}

#[test]
fn certificates_that_cannot_be_used_stop_the_start_and_are_named() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let other = KeyPair::generate().unwrap();
    std::fs::write(folder.path().join("other.pem"), other.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("text.pem"), "no PEM at all").unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let data = path("data");
    for (certificate, key, part) in [
        (path("missing.pem"), path("key.pem"), path("missing.pem")),
        (path("text.pem"), path("key.pem"), path("text.pem")),
        (path("chain.pem"), path("text.pem"), path("text.pem")),
        (path("chain.pem"), path("other.pem"), "cannot be used".to_owned()),
    ] {
        for command in ["config check", "serve --dev --listen 127.0.0.1:0"] {
            let output = Command::new(binary())
                .args(words(command))
                .args(["--data", &data])
                .env("TOLLGATE_SERVER_TLS_CERTIFICATE", &certificate)
                .env("TOLLGATE_SERVER_TLS_KEY", &key)
                .output()
                .unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command}: {said}");
            assert!(said.contains(&part), "{command}: {part}: {said}");
        }
    }
}

#[test]
fn plain_http_is_refused_where_others_could_listen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    for arguments in
        ["serve --dev --listen 0.0.0.0:0", "serve --dev --listen [::]:0", "serve --dev --listen 192.0.2.1:8080"]
    {
        let mut arguments = words(arguments);
        arguments.extend(["--data", &data]);
        let output = tollgate(&arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        for part in ["no loopback address", "in clear", "tls_certificate", "behind-tls-proxy"] {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
    }
}

#[test]
fn config_check_and_show_go_by_file_then_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.toml");
    let path = file.to_str().unwrap();
    let config = |action: &str, environment: &[(&str, &str)]| {
        let arguments = ["config", action, "--config", path];
        Command::new(binary()).args(arguments).envs(environment.iter().copied()).output().unwrap()
    };
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:9000\"\n[acquirer]\naddress = \"10.0.0.5:5000\"\n").unwrap();
    assert!(config("check", &[]).status.success());
    let output = config("show", &[("TOLLGATE_SERVER_LISTEN", "127.0.0.1:9001"), ("TOLLGATE_GATEWAY_NODE", "7")]);
    let shown: toml::Table = text(&output.stdout).parse().unwrap();
    assert_eq!(shown["server"]["listen"].as_str(), Some("127.0.0.1:9001"), "the environment goes before the file");
    assert_eq!(shown["acquirer"]["address"].as_str(), Some("10.0.0.5:5000"));
    assert_eq!(shown["gateway"]["node"].as_integer(), Some(7));
    assert_eq!(shown["acquirer"]["answer_timeout_ms"].as_integer(), Some(20_000), "defaults are shown, too");
    // What is shown can be used.
    std::fs::write(&file, text(&output.stdout)).unwrap();
    assert_eq!(text(&config("show", &[]).stdout), text(&output.stdout));

    for (contents, part) in [
        ("[server]\nlissen = \"127.0.0.1:1\"\n", "lissen"),
        ("[servers]\n", "servers"),
        ("[server]\nlisten = 8080\n", "server.listen"),
        ("[acquirer]\nanswer_timeout_ms = \"soon\"\n", "acquirer.answer_timeout_ms"),
        ("[acquirer]\nanswer_timeout_ms = 60000\n", "within 50 seconds"),
        ("[acquirer]\nspec = \"iso-nothing\"\n", "acquirer.spec"),
        ("[acquirer]\nin_flight_max = 0\n", "acquirer.in_flight_max"),
        ("[server]\ntls_key = \"key.pem\"\n", "set both or none"),
        ("[server]\nlisten = \"0.0.0.0:80\"\n", "behind-tls-proxy"),
        ("[server\n", "no TOML"),
    ] {
        std::fs::write(&file, contents).unwrap();
        for action in ["check", "show"] {
            let output = config(action, &[]);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{contents}");
            assert!(said.contains(part) && said.contains("tollgate"), "{contents}: {said}");
        }
    }
    std::fs::write(&file, "").unwrap();
    for (name, part) in [("TOLLGATE_SERVER_LISSEN", "lissen"), ("TOLLGATE_NOWHERE_X", "TOLLGATE_NOWHERE_X")] {
        let said = text(&config("check", &[(name, "1")]).stderr);
        assert!(said.contains(part), "{name}: {said}");
    }
    let missing = tollgate(&["config", "check", "--config", "/nowhere/tollgate.toml"]);
    assert!(text(&missing.stderr).contains("/nowhere/tollgate.toml"), "{}", text(&missing.stderr));
}

#[test]
fn settings_that_cannot_be_are_named_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    for (name, value, part) in [
        ("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "0", "answer_timeout_ms"),
        ("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "600000", "more than 40000"),
        ("TOLLGATE_ACQUIRER_SPEC", "iso-nothing", "iso-nothing"),
        ("TOLLGATE_ACQUIRER_ACQUIRING_INSTITUTION_ID", "bank", "acquiring_institution_id"),
        ("TOLLGATE_LOG_LEVEL", "tollgate=loud", "log.level"),
        ("TOLLGATE_SERVER_CONNECTIONS_MAX", "0", "connections_max"),
    ] {
        let mut child = Command::new(binary())
            .args(["serve", "--dev", "--no-issuer", "--listen", "127.0.0.1:0", "--data", &data])
            .env(name, value)
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let status = wait_for("the start is refused", || {
            assert!(!Path::new(&data).join("running.json").exists(), "{name}={value} is served");
            child.try_wait().unwrap()
        });
        let said = text(&child.wait_with_output().unwrap().stderr);
        assert_eq!(status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(part), "{name}: {said}");
    }
}

#[test]
fn health_follows_the_link_to_the_card_network() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = CardNetwork::start(&folder.path().join("network"), &[]);
    let environment = [
        ("TOLLGATE_ACQUIRER_ADDRESS", network.iso.as_str()),
        ("TOLLGATE_ACQUIRER_BACKOFF_MS_MIN", "10"),
        ("TOLLGATE_ACQUIRER_BACKOFF_MS_MAX", "100"),
    ];
    let gateway = Gateway::serve(&folder.path().join("data"), &["--dev", "--no-issuer"], &environment);
    assert_eq!(gateway.admin("/health/live"), (200, "live\n".to_owned()));
    assert_eq!(gateway.admin("/health/ready"), (200, "ready\n".to_owned()));
    assert_eq!(gateway.metric("tollgate_link_up"), Some(1.0));
    network.kill();
    wait_for("it is not ready", || (gateway.admin("/health/ready").0 == 503).then_some(()));
    assert_eq!(gateway.admin("/health/ready").1, "acquirer link: down\n", "it says why");
    assert_eq!(gateway.admin("/health/live").0, 200, "it lives");
    assert_eq!(gateway.metric("tollgate_link_up"), Some(0.0));
    network.start_again();
    wait_for("it is ready again", || (gateway.admin("/health/ready").0 == 200).then_some(()));
    assert!(gateway.metric("tollgate_link_reconnects_total").unwrap() >= 1.0);
    assert_eq!(gateway.admin("/elsewhere").0, 404);
    let (status, _) =
        crate::support::post(gateway.running["admin"].as_str().unwrap(), "/health/live", b"", "text/plain");
    assert_eq!(status, 405);
}

#[test]
fn metrics_count_answers_operations_and_the_recovery_backlog() {
    let gateway = Gateway::start_with(&[
        ("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "300"),
        ("TOLLGATE_GATEWAY_REVERSAL_DELAY_MS", "600000"),
    ]);
    let demo = gateway.demo();
    approved(&gateway, &demo, "one");
    refused(&gateway, &demo, "one", "00066");
    let answer = gateway.call(&demo, &payment("PURCHASE", "declined", "1000", "4005559000001000"));
    assert_eq!(field(&answer, "response_code"), "13666");
    let answer = gateway.call(&demo, &payment("PURCHASE", "unknown", "1000", "4005559000005001"));
    assert_eq!(field(&answer, "response_code"), "15777");
    for (name, value) in [
        ("tollgate_answers_total{code=\"14000\"}", 1.0),
        ("tollgate_answers_total{code=\"00066\"}", 1.0),
        ("tollgate_answers_total{code=\"13666\"}", 1.0),
        ("tollgate_answers_total{code=\"15777\"}", 1.0),
        ("tollgate_operations_total{kind=\"purchase\",state=\"approved\"}", 1.0),
        ("tollgate_operations_total{kind=\"purchase\",state=\"declined\"}", 1.0),
        ("tollgate_operations_total{kind=\"purchase\",state=\"unknown\"}", 1.0),
        ("tollgate_link_up", 1.0),
        ("tollgate_link_in_flight", 0.0),
    ] {
        assert_eq!(gateway.metric(name), Some(value), "{name}");
    }
    wait_for("the backlog is told", || (gateway.metric("tollgate_recovery_backlog")? == 1.0).then_some(()));
    wait_for("its age grows", || (gateway.metric("tollgate_recovery_oldest_seconds")? > 0.0).then_some(()));
    let (_, metrics) = gateway.admin("/metrics");
    for name in ["tollgate_link_messages_total", "tollgate_link_answer_seconds", "tollgate_store_batch_seconds"] {
        assert!(metrics.contains(&format!("# TYPE {name} ")), "{name}:\n{metrics}");
    }
}

const DOCUMENT: &[u8] = b"attestation of compliance";

fn attestation_document(gateway: &Gateway) -> String {
    let document = gateway.data.join("aoc.pdf");
    std::fs::write(&document, DOCUMENT).unwrap();
    document.display().to_string()
}

fn activation<'a>(document: &'a str, valid_until: &'a str) -> Vec<&'a str> {
    let mut arguments = words("merchant activate-trusted-channel shop --level 1");
    arguments.extend([
        "--assessor",
        "QSA Ltd",
        "--document",
        document,
        "--valid-until",
        valid_until,
        "--verified-by",
        "A. Person",
    ]);
    arguments
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}

/// The day so many days from now, YYYY-MM-DD, in UTC.
fn day(days: i64) -> String {
    Timestamp(now().0 + days * DAY_US).to_string()[..10].to_owned()
}

fn approved(gateway: &Gateway, merchant: &Merchant, reference: &str) {
    let answer = gateway.call(merchant, &payment("PURCHASE", reference, "1000", CARD));
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
}

fn refused(gateway: &Gateway, merchant: &Merchant, reference: &str, code: &str) {
    let reference = reference.replace(' ', "-");
    let answer = gateway.call(merchant, &payment("PURCHASE", &reference, "1000", CARD));
    assert_eq!(field(&answer, "response_code"), code, "{answer:?}");
}

fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().collect()
}

/// Writes `chain.pem` and `key.pem` for 127.0.0.1, and gives the path of the authority's certificate.
fn certificates(folder: &Path) -> String {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("chain.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let path = folder.join("authority.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    path.display().to_string()
}
