//! The first minutes with Tollgate: what the README shows works as it is written, and every mistake
//! is answered with what to do.

use crate::support::secrets::Forbidden;
use crate::support::{Gateway, Merchant, binary, field, payment, text, tollgate, wait_for};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const CARD: &str = "4005550000000001";

#[test]
fn serve_dev_makes_a_private_folder() {
    let gateway = Gateway::start();
    assert_eq!(mode(&gateway.data), 0o700, "the data folder");
    assert_eq!(mode(&gateway.data.join("keys")), 0o700, "the folder of the keys");
    let keys: Vec<_> =
        std::fs::read_dir(gateway.data.join("keys")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!keys.is_empty(), "keys are made at the first start");
    for key in keys {
        assert_eq!(mode(&key), 0o600, "{}", key.display());
    }
    assert_eq!(mode(&gateway.data.join("issuer")), 0o700, "the card network's folder");
    assert_eq!(mode(&gateway.data.join("tollgate.db")), 0o600, "the database");
}

#[test]
fn serve_dev_prints_what_to_do_next_and_that_works() {
    let gateway = Gateway::start();
    let printed = wait_for("the welcome is printed", || {
        let printed = gateway.output();
        printed.contains("Stop it with Ctrl-C").then_some(printed)
    });
    for part in [
        gateway.running["url"].as_str().unwrap(),
        "/FortAPI/paymentApi",
        "/health/ready",
        "/metrics",
        "/ledger/totals",
        "Ctrl-C",
    ] {
        assert!(printed.contains(part), "{part}:\n{printed}");
    }
    let commands: Vec<Vec<&str>> = printed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tollgate "))
        .map(words)
        .filter(|words| words.len() > 2)
        .collect();
    assert_eq!(commands.len(), 3, "pay, merchant show, explain:\n{printed}");
    let paid = tollgate(&commands[0]);
    assert!(paid.status.success(), "{}", text(&paid.stderr));
    let shown = tollgate(&commands[1]);
    assert!(text(&shown.stdout).contains("sha_request_phrase"), "{}", text(&shown.stderr));
    let reference = value_of(&text(&paid.stdout), "merchant_reference");
    let explain: Vec<&str> =
        commands[2].iter().map(|word| if *word == "MERCHANT_REFERENCE" { reference.as_str() } else { word }).collect();
    let told = tollgate(&explain);
    assert!(text(&told.stdout).contains("PURCHASE of 100.00 AED"), "{}", text(&told.stderr));
}

#[test]
fn every_command_of_the_readmes_first_payment_works_as_it_is_written() {
    let gateway = Gateway::start();
    let readme = std::fs::read_to_string(README).unwrap();
    let section = readme.split("## A first payment").nth(1).unwrap().split("\n## ").next().unwrap();
    let commands: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("tollgate ")).collect();
    assert_eq!(commands.len(), 6, "pay, pay --authorize, CAPTURE, REFUND, CHECK_STATUS, explain: {commands:?}");
    let printed: Vec<String> = commands.iter().map(|command| gateway.run_well(&words(command))).collect();
    assert_eq!(value_of(&printed[0], "response_code"), "14000");
    assert!(printed[0].ends_with("paid\n"), "{}", printed[0]);
    assert_eq!(value_of(&printed[1], "response_code"), "02000");
    assert_eq!(value_of(&printed[2], "response_code"), "04000");
    assert_eq!(value_of(&printed[3], "response_code"), "06000");
    for (name, value) in [
        ("authorized_amount", "15000"),
        ("captured_amount", "5000"),
        ("refunded_amount", "1000"),
        ("transaction_code", "06000"),
    ] {
        assert_eq!(value_of(&printed[4], name), value, "{}", printed[4]);
    }
    assert!(printed[5].contains("AUTHORIZATION of 150.00 AED"), "{}", printed[5]);
}

#[test]
fn pay_with_trace_shows_request_answer_and_the_iso_fields_by_name_masked() {
    let gateway = Gateway::start();
    let printed = gateway
        .run_well(&words("pay --amount 100.00 --currency AED --card 4005550000000001 --expiry 2905 --cvv 907 --trace"));
    let order: Vec<usize> = [
        "request (card data masked)",
        "answer (signature checked)",
        "ISO 8583 on the wire",
        "MTI  0200",
        "MTI  0210",
        "paid",
    ]
    .iter()
    .map(|part| printed.find(part).unwrap_or_else(|| panic!("{part}:\n{printed}")))
    .collect();
    assert!(order.is_sorted(), "{order:?}\n{printed}");
    for named in [
        "primary account number",
        "amount, transaction",
        "systems trace audit number",
        "retrieval reference number",
        "response code",
    ] {
        assert!(printed.contains(named), "{named}:\n{printed}");
    }
    assert!(
        printed.matches("400555******0001").count() >= 4,
        "masked in request, answer and both messages:\n{printed}"
    );
    let card_data = Forbidden::new(&[CARD.to_owned()], &["907"]).found(printed.as_bytes());
    assert_eq!(card_data, Vec::<String>::new(), "{printed}");
    // For machines: both messages, nothing else.
    let printed = gateway.run_well(&words(
        "pay --amount 1.500 --currency KWD --card 4005550000000001 --expiry 2905 --cvv 123 --format json",
    ));
    let both: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(both["request"]["amount"], "1500", "three decimals: {both}");
    assert_eq!(both["answer"]["response_code"], "14000", "{both}");
}

#[test]
fn pay_tells_by_its_exit_code_and_its_last_line_what_became_of_the_money() {
    let gateway = Gateway::start_with(&[("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "300")]);
    for (more, code, last) in [
        ("--card 4005550000000001", 0, "paid"),
        ("--card 4005550000000001 --authorize", 0, "authorized: the money is held; CAPTURE takes it"),
        ("--card 4005559000001000", 2, "declined"),
        ("--card 4005550000000002", 2, "refused: nothing was done"),
        (
            "--card 4005559000005001",
            2,
            "unknown: the network did not confirm it; CHECK_STATUS tells when it is settled",
        ),
    ] {
        let output = gateway.run(&words(&format!("pay --amount 10 --expiry 2905 --cvv 123 {more}")));
        assert_eq!(output.status.code(), Some(code), "{more}: {}", text(&output.stdout));
        assert_eq!(text(&output.stdout).lines().last(), Some(last), "{more}");
    }
    let output =
        gateway.run_with_input(&words("pay --amount 10 --expiry 2905 --cvv 123 --card -"), "4005550000000001\n");
    assert_eq!(output.status.code(), Some(0), "the number comes from standard input: {}", text(&output.stderr));
}

#[test]
fn explain_tells_every_step_in_order_by_reference_and_by_fort_id() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    gateway.run_well(&words(
        "pay --authorize --reference S-1 --amount 150.00 --card 5123456789012346 --expiry 2905 --cvv 123",
    ));
    gateway.run_well(&words("call CAPTURE merchant_reference=S-1 amount=5000 currency=AED"));
    gateway.run_well(&words("call CAPTURE merchant_reference=S-1 amount=2500 currency=AED"));
    gateway.run_well(&words("call REFUND merchant_reference=S-1 amount=1000 currency=AED"));
    let refused = gateway
        .call(&demo, &[("command", "CAPTURE"), ("merchant_reference", "S-1"), ("amount", "7501"), ("currency", "AED")]);
    assert_eq!(field(&refused, "response_code"), "00042", "{refused:?}");
    // The diary of refusals is written in the background.
    let told = wait_for("the refusal is in the diary", || {
        let told = gateway.run_well(&["explain", "S-1"]);
        told.contains("00042").then_some(told)
    });
    let steps = [
        "order ",
        "captured            75.00 AED",
        "refunded            10.00 AED",
        "AUTHORIZATION of 150.00 AED",
        "MTI  0100",
        "MTI  0110",
        "02000 Success",
        "CAPTURE of 50.00 AED",
        "MTI  0220",
        "MTI  0230",
        "04000 Success",
        "CAPTURE of 25.00 AED",
        "MTI  0220",
        "MTI  0230",
        "04000 Success",
        "REFUND of 10.00 AED",
        "MTI  0200",
        "MTI  0210",
        "06000 Success",
        "CAPTURE refused",
        "00042",
        "merchant request",
        "7501",
    ];
    let mut rest = told.as_str();
    for step in steps {
        let place = rest.find(step).unwrap_or_else(|| panic!("{step:?} is missing after the steps before it:\n{told}"));
        rest = &rest[place + step.len()..];
    }
    let fort_id = field(&refused, "fort_id");
    assert_eq!(gateway.run_well(&["explain", fort_id]), told, "the same story by fort_id");

    let story: Value = serde_json::from_str(&gateway.run_well(&["explain", fort_id, "--format", "json"])).unwrap();
    let order = &story["orders"][0];
    assert_eq!(
        [&order["fort_id"], &order["phase"], &order["settled"]],
        [&json!(fort_id), &json!("captured"), &json!(true)]
    );
    let kinds: Vec<&str> =
        order["operations"].as_array().unwrap().iter().map(|o| o["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["authorize", "capture", "capture", "refund"]);
    for operation in order["operations"].as_array().unwrap() {
        assert_eq!(operation["state"], "approved");
        assert_eq!(
            operation["outcomes"][0]["wire"].as_array().unwrap().len(),
            2,
            "one message out, one in: {operation}"
        );
    }
    assert_eq!(order["refusals"][0]["code"], "00042", "{order}");
}

#[test]
fn merchant_show_has_what_a_client_needs() {
    let gateway = Gateway::start();
    let shown: Value = serde_json::from_str(&gateway.run_well(&words("merchant show demo --format json"))).unwrap();
    for (name, length) in
        [("access_code", 20), ("merchant_identifier", 8), ("sha_request_phrase", 32), ("sha_response_phrase", 32)]
    {
        let value = shown[name].as_str().unwrap_or_else(|| panic!("{name}: {shown}"));
        assert!((1..=length).contains(&value.len()), "{name}: {shown}");
    }
    assert_eq!(shown["sha_type"], "SHA-256");
    assert_eq!(shown["active"], true);
    assert_eq!(shown["activations"]["trusted_channel"]["state"], "active");
    let printed = gateway.run_well(&words("merchant show demo"));
    for name in ["access_code", "merchant_identifier", "sha_request_phrase", "sha_response_phrase"] {
        assert_eq!(value_of(&printed, name), shown[name].as_str().unwrap());
    }
    let list: Value = serde_json::from_str(&gateway.run_well(&words("merchant list --format json"))).unwrap();
    assert_eq!(list, json!([shown]), "the only merchant, as `show` shows it");
}

#[test]
fn dev_twice_on_one_folder_keeps_the_merchant_its_credentials_and_its_orders() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &[]);
    let demo = gateway.demo();
    let paid = gateway.call(&demo, &payment("PURCHASE", "kept", "1000", CARD));
    assert!(gateway.stop());
    let gateway = Gateway::start_in(&data, &[]);
    assert_eq!(format!("{:?}", Merchant::show(&gateway, "demo")), format!("{demo:?}"));
    let told = gateway.call(&demo, &[("query_command", "CHECK_STATUS"), ("merchant_reference", "kept")]);
    assert_eq!(field(&told, "fort_id"), field(&paid, "fort_id"));
    let refund = [("command", "REFUND"), ("merchant_reference", "kept"), ("amount", "1000"), ("currency", "AED")];
    assert_eq!(field(&gateway.call(&demo, &refund), "response_code"), "06000", "the card network kept its books, too");
}

#[test]
fn a_second_serve_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let gateway = Gateway::start();
    let said = gateway.run_badly(&words("serve --dev --listen 127.0.0.1:0"));
    assert!(said.contains("runs on") && said.contains("stop it first") && said.contains("--data"), "{said}");
    let demo = gateway.demo();
    let paid = gateway.call(&demo, &payment("PURCHASE", "first", "1000", CARD));
    assert_eq!(field(&paid, "response_code"), "14000", "{paid:?}");
}

#[test]
fn sign_makes_bodies_that_the_gateway_takes() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let unsigned = json!({
        "query_command": "CHECK_STATUS", "merchant_reference": "none", "language": "en",
        "access_code": demo.access_code, "merchant_identifier": demo.merchant_identifier,
    });
    let file = gateway.data.join("request.json");
    std::fs::write(&file, unsigned.to_string()).unwrap();
    let signed = gateway.run_well(&["sign", file.to_str().unwrap()]);
    assert_eq!(answered(&gateway, signed.trim(), "application/json"), "12036", "{signed}");
    let output = gateway.run_with_input(&["sign"], &unsigned.to_string());
    assert_eq!(text(&output.stdout), signed, "from standard input");

    let form = format!(
        "query_command=CHECK_STATUS&merchant_reference=none&language=en&access_code={}&merchant_identifier={}",
        demo.access_code, demo.merchant_identifier
    );
    let output = gateway.run_with_input(&["sign", "-"], &form);
    assert_eq!(answered(&gateway, text(&output.stdout).trim(), "application/x-www-form-urlencoded"), "12036");

    // With a phrase given, no data folder is needed.
    let nowhere = gateway.data.join("nowhere");
    let again = tollgate(&[
        "sign",
        file.to_str().unwrap(),
        "--phrase",
        &demo.request_phrase,
        "--data",
        nowhere.to_str().unwrap(),
    ]);
    assert_eq!(text(&again.stdout), signed, "{}", text(&again.stderr));
    let response = gateway.run_well(&["sign", file.to_str().unwrap(), "--response"]);
    assert_ne!(response, signed, "the response phrase gives another signature");
    assert_eq!(answered(&gateway, response.trim(), "application/json"), "00008");
}

#[test]
fn sign_explain_names_the_mistake_of_a_client() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let phrase = demo.request_phrase.as_str();
    let sorted = |leave_out: &[&str]| {
        let mut params: Vec<_> =
            client_params(&demo).into_iter().filter(|(name, _)| !leave_out.contains(name)).collect();
        params.sort_unstable();
        params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let unsorted: String = client_params(&demo).iter().map(|(name, value)| format!("{name}={value}")).collect();
    let plain = sorted(&[]).concat();
    let response = demo.response_phrase.as_str();
    for (hashed, cause) in [
        (format!("{response}{plain}{response}"), "The response phrase was used"),
        (format!("{phrase}{unsorted}{phrase}"), "were not sorted"),
        (plain.clone(), "The phrase was left out"),
        (format!("{phrase}{plain}"), "only before the parameters"),
        (format!("{plain}{phrase}"), "only after the parameters"),
        (format!("{phrase}{}{phrase}", sorted(&[]).join("&")), "Pairs were joined with `&`"),
        (
            format!("{phrase}{}{phrase}", plain.replace("amount=10000", "amount=100.00")),
            "amount was hashed as 100.00, but sent as 10000",
        ),
        (format!("{phrase}{}{phrase}", sorted(&["customer_email"]).concat()), "added after signing: customer_email"),
        (
            format!("{phrase}{}{phrase}", sorted(&["card_number", "expiry_date", "card_security_code"]).concat()),
            "The card fields were not hashed",
        ),
    ] {
        let output = explained(&gateway, &demo, &sha256(&hashed));
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{cause}: {said}{}", text(&output.stderr));
        assert!(said.contains(cause), "{cause}:\n{said}");
        assert!(said.contains("We hash") && said.contains("The sender hashed"), "both texts are shown:\n{said}");
        for secret in [phrase, response, CARD, "=907"] {
            assert!(!said.contains(secret), "{cause}: a secret is shown:\n{said}");
        }
    }
    let nothing = explained(&gateway, &demo, &sha256("something else"));
    assert!(text(&nothing.stdout).contains("no known mistake gives it"), "{}", text(&nothing.stdout));
    let right = explained(&gateway, &demo, &sha256(&format!("{phrase}{plain}{phrase}")));
    assert_eq!(right.status.code(), Some(0));
    assert!(text(&right.stdout).contains("The signature is right"), "{}", text(&right.stdout));
}

#[test]
fn a_signature_mismatch_is_explained_in_the_log_and_in_the_story() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let mut wrong = demo.clone();
    wrong.request_phrase.clone_from(&demo.response_phrase);
    let (_, answer) = gateway.post_raw(&wrong.sign(&payment("PURCHASE", "mismatch", "1000", CARD)), "application/json");
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["response_code"], "00008", "{answer}");
    let why = "The response phrase was used";
    wait_for("the log says why", || gateway.output().contains(why).then_some(()));
    wait_for("the story says why", || text(&gateway.run(&["explain", "mismatch"]).stdout).contains(why).then_some(()));
}

#[test]
fn every_command_has_help() {
    let help = tollgate(&["--help"]);
    assert!(help.status.success());
    let help = text(&help.stdout);
    let listed: Vec<&str> = help
        .split("Commands:\n")
        .nth(1)
        .unwrap()
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    let readme = std::fs::read_to_string(README).unwrap();
    let table = readme.split("## Commands").nth(1).unwrap();
    let promised: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `tollgate ")?.split(['`', ' ']).next()).collect();
    assert!(promised.len() >= 9, "{promised:?}");
    for command in promised.iter().chain(&listed) {
        assert!(listed.contains(command), "`{command}` is in the README, not in the help: {listed:?}");
        let output = tollgate(&[command, "--help"]);
        let said = text(&output.stdout);
        assert!(output.status.success() && said.contains("Usage:"), "{command}: {said}{}", text(&output.stderr));
    }
    for nested in [
        "merchant add",
        "merchant show",
        "merchant set",
        "merchant list",
        "merchant activate-trusted-channel",
        "merchant deactivate-trusted-channel",
        "config check",
        "config show",
    ] {
        let mut arguments = words(nested);
        arguments.push("--help");
        assert!(tollgate(&arguments).status.success(), "{nested}");
    }
    let version = tollgate(&["--version"]);
    assert_eq!(text(&version.stdout), format!("tollgate {}\n", env!("CARGO_PKG_VERSION")));
    assert!(!tollgate(&[]).status.success(), "no command is a mistake");
}

#[test]
fn without_a_data_folder_or_a_gateway_the_error_says_what_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    for command in [
        "merchant list",
        "explain A-1",
        "call CHECK_STATUS",
        "pay --amount 1 --card 4005550000000001 --expiry 2905",
        "serve",
    ] {
        let output = Command::new(binary()).args(words(command)).arg("--data").arg(&nowhere).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = text(&output.stderr);
        assert!(said.contains("there is no data folder") && said.contains("tollgate serve --dev"), "{command}: {said}");
        assert!(!nowhere.exists(), "{command} makes nothing");
    }
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_in(&data, &[]);
    let url = gateway.running["url"].as_str().unwrap().to_owned();
    assert!(gateway.stop());
    let pay = "pay --amount 1 --card 4005550000000001 --expiry 2905 --cvv 123";
    let said = gateway.run_badly(&words(pay));
    assert!(
        said.contains("no gateway runs on") && said.contains("tollgate serve --dev") && said.contains("--url"),
        "{said}"
    );
    let said = gateway.run_badly(&words(&format!("{pay} --url {url}")));
    assert!(said.contains("no gateway answers at") && said.contains("is it running?"), "{said}");
    // Killed, it could not take its note back.
    let mut gateway = Gateway::start_in(&data, &[]);
    gateway.kill();
    let said = gateway.run_badly(&words(pay));
    assert!(said.contains("no gateway answers at"), "{said}");
}

#[test]
fn mistakes_on_the_command_line_are_answered_with_what_is_right() {
    let gateway = Gateway::start();
    for (command, parts) in [
        ("merchant show nobody", &["no merchant nobody", "tollgate merchant list"][..]),
        ("pay --merchant nobody --amount 1 --card 4005550000000001 --expiry 2905", &["no merchant nobody"]),
        ("pay --amount 1.234 --card 4005550000000001 --expiry 2905", &["\"1.234\"", "AED", "2 decimals"]),
        ("pay --amount ten --card 4005550000000001 --expiry 2905", &["\"ten\"", "no amount"]),
        ("pay --amount -1 --card 4005550000000001 --expiry 2905", &["-1"]),
        ("pay --amount 1 --currency XXL --card 4005550000000001 --expiry 2905", &["\"XXL\"", "ISO 4217"]),
        ("call CAPTURE merchant_reference", &["\"merchant_reference\"", "name=value"]),
        ("call CHECK_STATUS --url ftp://127.0.0.1", &["ftp://127.0.0.1", "http://"]),
        ("explain nothing", &["nothing is known", "fort_id", "merchant_reference"]),
        ("merchant add Demo", &["a-z", "\"Demo\""]),
        ("merchant add demo", &["a merchant demo already"]),
        ("merchant add x --sha-type MD5", &["MD5", "SHA-256"]),
        ("merchant add x --currencies AED,XXL", &["XXL"]),
        ("merchant set demo", &["nothing was changed", "--help"]),
        ("merchant set demo --custom-page on", &["nothing was changed", "is set so already"]),
        ("merchant set demo --active maybe", &["yes or no", "maybe"]),
        ("merchant set demo --limit AED", &["CURRENCY=AMOUNT"]),
        ("merchant set demo --payment-options VISA,DINERS", &["DINERS", "MASTERCARD"]),
        ("sign /nowhere/request.json", &["/nowhere/request.json", "cannot be read"]),
    ] {
        let said = gateway.run_badly(&words(command));
        for part in parts {
            assert!(said.contains(part), "{command}: {part:?} is not said: {said}");
        }
        assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{command}: {said}");
        assert!(!said.contains(CARD), "{command}: the card number is shown: {said}");
    }
}

#[test]
fn a_folder_that_others_may_look_into_is_refused_with_the_command_that_closes_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = open.to_str().unwrap();
    let output = tollgate(&["serve", "--dev", "--data", path]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("chmod 700 {path}")), "{said}");
    assert_eq!(std::fs::read_dir(&open).unwrap().count(), 0, "nothing was made in it");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A command line without quotes, up to a comment.
fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().take_while(|word| !word.starts_with('#')).collect()
}

/// The last value that is printed beside a name.
fn value_of(printed: &str, name: &str) -> String {
    let found = printed.lines().rev().find_map(|line| {
        let (first, rest) = line.trim().split_once(char::is_whitespace)?;
        (first == name).then(|| rest.trim().to_owned())
    });
    found.unwrap_or_else(|| panic!("no {name}:\n{printed}"))
}

fn answered(gateway: &Gateway, body: &str, content_type: &str) -> String {
    let (status, answer) = gateway.post_raw(body.as_bytes(), content_type);
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    answer["response_code"].as_str().unwrap().to_owned()
}

/// Rule: who pipes a command into another that stops reading (`| head`) sees no panic.
#[test]
fn a_reader_that_goes_away_ends_a_command_in_silence() {
    let gateway = Gateway::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = crate::support::command();
    command.args(["merchant", "show", "demo", "--data"]).arg(&gateway.data).stdout(writer);
    let output = command.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141), "as a program that SIGPIPE has ended");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// What a client sends, in an order that is not the sorted one.
fn client_params(demo: &Merchant) -> [(&str, &str); 11] {
    [
        ("merchant_reference", "X-1"),
        ("command", "PURCHASE"),
        ("access_code", &demo.access_code),
        ("merchant_identifier", &demo.merchant_identifier),
        ("amount", "10000"),
        ("currency", "AED"),
        ("language", "en"),
        ("customer_email", "jo@example.org"),
        ("card_number", CARD),
        ("expiry_date", "2905"),
        ("card_security_code", "907"),
    ]
}

fn explained(gateway: &Gateway, demo: &Merchant, signature: &str) -> std::process::Output {
    let mut body = serde_json::Map::new();
    for (name, value) in client_params(demo) {
        body.insert(name.to_owned(), json!(value));
    }
    body.insert("signature".to_owned(), json!(signature));
    gateway.run_with_input(&["sign", "--explain"], &Value::Object(body).to_string())
}

fn sha256(text: &str) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()))
}
