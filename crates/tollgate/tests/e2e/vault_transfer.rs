//! A merchant's tokens with their cards from one vault to another: encrypted on the way, whole or refused, and paying
//! under their old names at the other end.

use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::shop::{MASTERCARD, MEEZA_19, VISA, assert_code, with};
use crate::support::{Gateway, Merchant, accounts, all_at_once, field, payment, text, tollgate, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A card that the exporting gateway does not know.
const OTHER_VISA: &str = "4111111111111111";

/// Two gateways, a key pair, and a place for files.
struct Move {
    folder: tempfile::TempDir,
    from: Gateway,
    to: Gateway,
}

impl Move {
    fn prepared() -> Move {
        let folder = tempfile::tempdir().unwrap();
        let made = tollgate(&["vault", "keygen", "--out", folder.path().join("key").to_str().unwrap()]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        let (from, to) = (Gateway::start(), Gateway::start());
        let demo = from.demo();
        for (name, card) in [("visa", VISA), ("master@shop", MASTERCARD), ("meeza", MEEZA_19)] {
            assert_code(&pay(&from, &demo, &format!("made-{}", &card[..6]), card, name), "14000", name);
        }
        let off = [("service_command", "UPDATE_TOKEN"), ("merchant_reference", "off"), ("token_name", "meeza")];
        assert_code(&from.call(&demo, &[&off[..], &[("token_status", "INACTIVE")]].concat()), "58000", "switched off");
        Move { folder, from, to }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn export(&self, name: &str) -> Value {
        let (key, out) = (self.text("key.pub"), self.text(name));
        let done = ["vault", "export", "demo", "--recipient", &key, "--out", &out, "--format", "json"];
        serde_json::from_str(&self.from.run_well(&done)).unwrap()
    }

    fn import(&self, name: &str, more: &[&str]) -> Value {
        let (key, file) = (self.text("key"), self.text(name));
        let command = ["vault", "import", "demo", &file, "--key", &key, "--format", "json"];
        serde_json::from_str(&self.to.run_well(&[&command, more].concat())).unwrap()
    }

    /// What an import that has to be refused says.
    fn refused(&self, name: &str, more: &[&str]) -> String {
        let (key, file) = (self.text("key"), self.text(name));
        self.to.run_badly(&[&["vault", "import", "demo", &file, "--key", &key], more].concat())
    }
}

fn pay(gateway: &Gateway, demo: &Merchant, reference: &str, card: &str, token: &str) -> serde_json::Map<String, Value> {
    gateway.call(demo, &with(payment("PURCHASE", reference, "1000", card), &[("token_name", token)]))
}

fn pay_by_token(gateway: &Gateway, reference: &str, token: &str) -> serde_json::Map<String, Value> {
    let mut params = payment("PURCHASE", reference, "1000", VISA);
    params.retain(|(name, _)| !matches!(*name, "card_number" | "expiry_date" | "card_security_code"));
    gateway.call(&gateway.demo(), &with(params, &[("token_name", token)]))
}

fn counts(done: &Value) -> [u64; 3] {
    ["added", "unchanged", "replaced"].map(|name| done[name].as_u64().unwrap())
}

fn audited(gateway: &Gateway, action: &str) -> u64 {
    let printed = gateway.run_well(&["audit", "list", "--format", "json", "--merchant", "demo"]);
    let entries: Value = serde_json::from_str(&printed).unwrap();
    let of = entries.as_array().unwrap().iter().filter(|entry| entry["action"] == action);
    of.map(|entry| entry["count"].as_u64().unwrap()).sum()
}

#[test]
fn tokens_pay_in_the_other_vault_under_their_names_and_states() {
    let moved = Move::prepared();
    let exported = moved.export("tokens.jsonl");
    assert_eq!(exported["tokens"], 3);
    let taken = moved.import("tokens.jsonl", &["--sha256", exported["sha256"].as_str().unwrap()]);
    assert_eq!(counts(&taken), [3, 0, 0], "{taken}");
    for (name, mask) in [("visa", "400555******0001"), ("master@shop", "512345******2346")] {
        let paid = pay_by_token(&moved.to, &format!("by-{}", &mask[..6]), name);
        assert_code(&paid, "14000", name);
        assert_eq!((field(&paid, "card_number"), field(&paid, "expiry_date")), (mask, "3005"));
    }
    assert_code(&pay_by_token(&moved.to, "by-meeza", "meeza"), "00044", "inactive stays inactive");
    assert_eq!(counts(&moved.import("tokens.jsonl", &[])), [0, 3, 0], "a second time nothing changes");

    assert_eq!((audited(&moved.from, "cards exported"), audited(&moved.to, "cards imported")), (3, 6));
    for gateway in [&moved.from, &moved.to] {
        gateway.run_well(&["audit", "verify"]);
    }
    let mut sinks = files(moved.folder.path());
    for gateway in [&moved.from, &moved.to] {
        sinks.extend(files(&gateway.data));
        // What it greets with names a sample card; what it logs comes after.
        let logged = gateway.output().split("Stop it with").last().unwrap_or_default().to_owned();
        sinks.push(Sink::text("log", logged));
    }
    let cards = [VISA, MASTERCARD, MEEZA_19].map(str::to_owned);
    Forbidden::new(&cards, &[]).assert_in_none(&sinks);
}

/// Rule: the receiver's own published keys do as recipients, for as long as they open payments.
#[test]
fn an_export_to_a_published_key_is_opened_by_the_vault_itself_until_the_key_has_ended() {
    let moved = Move::prepared();
    let (status, set) = crate::support::get(&moved.to.address, "/.well-known/tollgate/jwks.json");
    assert_eq!(status, 200);
    let keys: Value = serde_json::from_slice(&set).unwrap();
    let rsa = keys["keys"].as_array().unwrap().iter().find(|key| key["kty"] == "RSA").unwrap();
    for (name, key) in [("set", text(&set)), ("rsa", rsa.to_string())] {
        std::fs::write(moved.path(name), key).unwrap();
        let (key, out) = (moved.text(name), moved.text(&format!("{name}.jsonl")));
        moved.from.run_well(&["vault", "export", "demo", "--recipient", &key, "--out", &out]);
    }
    let import = |name: &str| {
        let file = moved.text(name);
        moved.to.run(&["vault", "import", "demo", &file, "--jwks-key", "--format", "json"])
    };
    let counted = |name: &str| counts(&serde_json::from_slice(&import(name).stdout).unwrap());
    assert_eq!(counted("set.jsonl"), [3, 0, 0]);
    assert_code(&pay_by_token(&moved.to, "by-token", "visa"), "14000", "paid");
    moved.to.run_well(&["jwks", "rotate"]);
    assert_eq!(counted("rsa.jsonl"), [0, 3, 0], "a key that was replaced opens for some days more");

    moved.to.run_well(&["jwks", "rotate", "--accept-old-for", "0s"]);
    let ended = text(&import("rsa.jsonl").stderr);
    assert!(ended.contains("was replaced and ended at") && ended.contains("export it again"), "{ended}");
    moved.export("other.jsonl");
    let unknown = text(&import("other.jsonl").stderr);
    assert!(unknown.contains("is no key of this gateway"), "{unknown}");
}

/// Rule: an import that was killed is made again, and takes what is missing.
#[test]
fn an_import_that_was_killed_goes_on_when_it_is_run_again() {
    const CLIENTS: usize = 12;
    const TOKENS_EACH: usize = 50;
    let moved = Move::prepared();
    let demo = moved.from.demo();
    all_at_once(CLIENTS, |client| {
        for number in 0..TOKENS_EACH {
            let name = format!("token-{client}-{number}");
            assert_code(&pay(&moved.from, &demo, &name, VISA, &name), "14000", &name);
        }
    });
    let total = u64::try_from(CLIENTS * TOKENS_EACH).unwrap() + 3;
    assert_eq!(moved.export("many.jsonl")["tokens"], total);
    let database = rusqlite::Connection::open(moved.to.data.join("tollgate.db")).unwrap();
    let taken = || {
        let count: i64 = database.query_row("SELECT count(*) FROM tokens", [], |row| row.get(0)).unwrap();
        u64::try_from(count).unwrap()
    };
    let mut killed = crate::support::command();
    killed.args(["vault", "import", "demo", &moved.text("many.jsonl"), "--key", &moved.text("key"), "--data"]);
    let mut killed = killed.arg(&moved.to.data).stdout(Stdio::null()).spawn().unwrap();
    wait_for("some tokens are taken", || (taken() > 0).then_some(()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = taken();
    assert_eq!(counts(&moved.import("many.jsonl", &[])), [total - before, before, 0]);
    assert_eq!(taken(), total);
    assert_code(&pay_by_token(&moved.to, "last", "token-11-49"), "14000", "paid");
    moved.to.run_well(&["audit", "verify"]);
}

/// Rule: where a card may have one token only, the one that is there stays, with all that it has.
#[test]
fn a_card_that_may_have_one_token_keeps_the_one_it_has_and_nothing_gives_way_for_it() {
    let moved = Move::prepared();
    moved.export("tokens.jsonl");
    let demo = moved.to.demo();
    let own = [("token_name", "own"), ("expiry_date", "3109")];
    assert_code(&moved.to.call(&demo, &with(payment("PURCHASE", "own", "1000", VISA), &own)), "14000", "own");
    assert_code(&pay(&moved.to, &demo, "other", OTHER_VISA, "visa"), "14000", "the name is another card's");
    accounts::set(&moved.to, "demo", &["--unique-tokens", "per-merchant"]);
    let taken = moved.import("tokens.jsonl", &["--replace-other-cards"]);
    assert_eq!(counts(&taken), [2, 0, 0], "{taken}");
    assert_eq!(taken["card_has_another_token"], serde_json::json!(["visa"]));
    let paid = |reference: &str, token: &str| {
        let paid = pay_by_token(&moved.to, reference, token);
        [field(&paid, "card_number").to_owned(), field(&paid, "expiry_date").to_owned()]
    };
    assert_eq!(paid("by-own", "own"), ["400555******0001", "3109"], "the imported expiry is not taken over");
    assert_eq!(paid("by-other", "visa"), ["411111******1111", "3005"], "it did not give way");
    let (key, file) = (moved.text("key"), moved.text("tokens.jsonl"));
    let said = moved.to.run_well(&["vault", "import", "demo", &file, "--key", &key, "--replace-other-cards"]);
    assert!(said.contains("--unique-tokens off"), "{said}");

    accounts::set(&moved.to, "demo", &["--unique-tokens", "off"]);
    assert_eq!(counts(&moved.import("tokens.jsonl", &["--replace-other-cards"])), [0, 2, 1]);
    assert_eq!(paid("replaced", "visa"), ["400555******0001", "3005"]);
}

/// Rule: the store finds out by itself what a rule of each customer forbids; what was there comes back.
#[test]
fn a_name_does_not_give_way_to_a_card_that_is_then_not_taken() {
    let moved = Move::prepared();
    moved.export("tokens.jsonl");
    accounts::set(&moved.to, "demo", &["--unique-tokens", "per-customer"]);
    assert_eq!(counts(&moved.import("tokens.jsonl", &[])), [3, 0, 0]);
    let rename = [("service_command", "UPDATE_TOKEN"), ("merchant_reference", "rename"), ("token_name", "visa")];
    let renamed = moved.to.call(&moved.to.demo(), &[&rename[..], &[("new_token_name", "renamed")]].concat());
    assert_code(&renamed, "58000", "renamed");
    assert_code(&pay(&moved.to, &moved.to.demo(), "other", OTHER_VISA, "visa"), "14000", "another card's name");
    let taken = moved.import("tokens.jsonl", &["--replace-other-cards"]);
    assert_eq!(counts(&taken), [0, 2, 0], "{taken}");
    assert_eq!(taken["card_has_another_token"], serde_json::json!(["visa"]));
    assert_eq!(field(&pay_by_token(&moved.to, "still", "visa"), "card_number"), "411111******1111");
}

/// Rule: a name that has lapsed is free, for a token that is older than the lapse too.
#[test]
fn a_lapsed_name_is_free_for_an_imported_token() {
    let mut moved = Move::prepared();
    moved.export("tokens.jsonl");
    assert_code(&pay(&moved.to, &moved.to.demo(), "other", MASTERCARD, "visa"), "14000", "another card here");
    assert!(moved.to.stop());
    let database = rusqlite::Connection::open(moved.to.data.join("tollgate.db")).unwrap();
    assert_eq!(database.execute("UPDATE tokens SET lapses_at = created_at + 1", []).unwrap(), 1);
    drop(database);
    assert_eq!(counts(&moved.import("tokens.jsonl", &[])), [3, 0, 0]);
}

/// The snippet of the documents, run on a real export.
#[test]
fn a_python_client_made_elsewhere_reads_an_export() {
    if std::env::var_os("CROSSCHECK_SKIP").is_some_and(|value| value == "1") {
        eprintln!("left out: CROSSCHECK_SKIP=1");
        return;
    }
    let python = std::env::var_os("CROSSCHECK_PYTHON").unwrap_or_else(|| "python3".into());
    let moved = Move::prepared();
    moved.export("tokens.jsonl");
    let snippet = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/snippets/read_export.py");
    let read = |file: &str| {
        let arguments = [moved.path(file), moved.path("key")];
        std::process::Command::new(&python).arg(&snippet).args(arguments).output().unwrap()
    };
    let output = read("tokens.jsonl");
    assert!(
        output.status.success(),
        "{}: install what tests/requirements.txt names and set CROSSCHECK_PYTHON, or CROSSCHECK_SKIP=1",
        text(&output.stderr)
    );
    let expected = "visa ACTIVE 3005 0001\nmaster@shop ACTIVE 3005 2346\nmeeza INACTIVE 3005 0002\n";
    assert_eq!(text(&output.stdout), expected);
    let whole = std::fs::read_to_string(moved.path("tokens.jsonl")).unwrap();
    std::fs::write(moved.path("cut.jsonl"), whole.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    assert!(text(&read("cut.jsonl").stderr).contains("cut off"));
}

#[test]
fn another_card_under_the_same_name_is_told_and_replaced_only_when_that_is_said() {
    let moved = Move::prepared();
    moved.export("tokens.jsonl");
    assert_code(&pay(&moved.to, &moved.to.demo(), "own", MASTERCARD, "visa"), "14000", "another card here");
    let taken = moved.import("tokens.jsonl", &[]);
    assert_eq!(counts(&taken), [2, 0, 0]);
    assert_eq!(taken["other_card_under_that_name"], serde_json::json!(["visa"]));
    assert_eq!(field(&pay_by_token(&moved.to, "still", "visa"), "card_number"), "512345******2346");
    assert_eq!(counts(&moved.import("tokens.jsonl", &["--replace-other-cards"])), [0, 2, 1]);
    assert_eq!(field(&pay_by_token(&moved.to, "now", "visa"), "card_number"), "400555******0001");
}

#[test]
fn a_file_that_was_cut_changed_or_made_for_another_key_is_refused_and_nothing_is_taken() {
    let moved = Move::prepared();
    moved.export("whole.jsonl");
    let whole = std::fs::read_to_string(moved.path("whole.jsonl")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let write = |name: &str, text: String| std::fs::write(moved.path(name), text).unwrap();
    write("cut.jsonl", whole[..whole.len() - 30].to_owned());
    write("headless.jsonl", lines[1..].join("\n"));
    write("changed.jsonl", whole.replacen("\"jwe\":\"ey", "\"jwe\":\"eY", 1));
    for (name, words) in [("cut.jsonl", "cut off"), ("headless.jsonl", "no vault export"), ("changed.jsonl", "changed")]
    {
        let said = moved.refused(name, &[]);
        assert!(said.contains(words), "{name}: {said}");
    }
    assert!(moved.refused("whole.jsonl", &["--sha256", &"0".repeat(64)]).contains("not the one that was told"));
    let other = moved.text("other");
    assert!(tollgate(&["vault", "keygen", "--out", &other]).status.success());
    let file = moved.text("whole.jsonl");
    let said = moved.to.run_badly(&["vault", "import", "demo", &file, "--key", &other]);
    assert!(said.contains("was encrypted to the key"), "{said}");
    assert_code(&pay_by_token(&moved.to, "none", "visa"), "00044", "nothing was taken");

    let (key, out) = (moved.text("key.pub"), moved.text("whole.jsonl"));
    let again = moved.from.run_badly(&["vault", "export", "demo", "--recipient", &key, "--out", &out]);
    assert!(again.contains("there already"), "{again}");
}

#[test]
fn outside_a_sandbox_somebody_has_to_mean_it_and_a_second_person_where_that_is_set() {
    let mut moved = Move::prepared();
    assert!(moved.from.stop());
    let data = moved.from.data.clone();
    std::fs::remove_file(data.join("sandbox")).unwrap();
    let (key, out) = (moved.text("key.pub"), moved.text("out.jsonl"));
    let export = ["vault", "export", "demo", "--recipient", &key, "--out", &out];
    assert!(moved.from.run_badly(&export).contains("--yes-i-may"));
    assert!(!Path::new(&out).exists());
    std::fs::write(data.join("tollgate.toml"), "[gateway]\nfour_eyes = true\n").unwrap();
    let meant = [&export[..], &["--yes-i-may"]].concat();
    assert!(moved.from.run_badly(&meant).contains("a second person"));
    let said = moved.from.run_well(&[&meant[..], &["--approved-by", "B. Second"]].concat());
    assert!(said.contains("3 tokens written"), "{said}");
    let listed = moved.from.run_well(&["audit", "list", "--merchant", "demo"]);
    assert!(listed.contains("cards exported  (3)") && listed.contains("approved by B. Second"), "{listed}");
}
