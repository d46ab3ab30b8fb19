//! Keys that are split among custodians, in the real binary: a gateway waits for them, one alone opens nothing, and
//! what they type is in no log, no answer and no file.

use crate::support::{Gateway, Merchant, field, operation, payment, text, try_post, wait_for};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const CARD: &str = "4005550000000001";
const PASSPHRASES: [(&str, &str); 4] = [
    ("ada", "five small owls ate a blue door"),
    ("grace", "nine tall trees drank the sea"),
    ("lin", "two old clocks sang in the fog"),
    ("zoe", "seven red kites over the river"),
];
/// The variable with which commands and unattended starts find passphrases.
const SETTING: &str = "TOLLGATE_KEYS_CUSTODIAN_PASSPHRASES";

/// A data folder, and beside it the passphrases of everybody, each in a file of its own.
struct Place {
    root: TempDir,
    data: PathBuf,
}

impl Place {
    fn new() -> Place {
        let root = TempDir::new().unwrap();
        let place = Place { data: root.path().join("data"), root };
        for (name, passphrase) in PASSPHRASES {
            place.write(name, passphrase);
        }
        place
    }

    fn write(&self, name: &str, passphrase: &str) {
        let file = self.root.path().join(name);
        std::fs::write(&file, format!("{passphrase}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// `NAME=FILE`.
    fn source(&self, name: &str) -> String {
        format!("{name}={}", self.root.path().join(name).display())
    }

    /// The setting that lets these in.
    fn setting(&self, names: &[&str]) -> String {
        names.iter().map(|name| self.source(name)).collect::<Vec<_>>().join(",")
    }

    fn run(&self, arguments: &[&str], custodians: &[&str]) -> Output {
        let mut command = crate::support::command();
        command.args(arguments).arg("--data").arg(&self.data);
        if !custodians.is_empty() {
            command.env(SETTING, self.setting(custodians));
        }
        command.output().unwrap()
    }

    fn run_well(&self, arguments: &[&str], custodians: &[&str]) -> String {
        let output = self.run(arguments, custodians);
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        assert_no_passphrase("a command", &[output.stdout.as_slice(), &output.stderr].concat());
        text(&output.stdout)
    }

    fn run_badly(&self, arguments: &[&str], custodians: &[&str]) -> String {
        let output = self.run(arguments, custodians);
        assert!(!output.status.success(), "{arguments:?} should have failed: {}", text(&output.stdout));
        assert_no_passphrase("a command", &[output.stdout.as_slice(), &output.stderr].concat());
        text(&output.stderr)
    }

    /// A ceremony of `names`, with what else is said.
    fn ceremony(&self, names: &[&str], more: &[&str]) -> Output {
        let sources: Vec<String> = names.iter().map(|name| self.source(name)).collect();
        let mut arguments = vec!["keys", "ceremony"];
        for (name, source) in names.iter().zip(&sources) {
            arguments.extend(["--custodian", name, "--passphrase-file", source]);
        }
        arguments.extend(more);
        self.run(&arguments, &[])
    }

    fn split(&self) {
        let made = self.ceremony(&["ada", "grace", "lin"], &["--accept-loss"]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        assert!(text(&made.stderr).contains("EVERYTHING IS LOST"), "it is said loudly: {}", text(&made.stderr));
        assert!(text(&made.stdout).contains("any 2 of ada, grace, lin open it"), "{}", text(&made.stdout));
    }

    /// The details of the audit log's entries of one action, oldest first.
    fn audited(&self, action: &str, custodians: &[&str]) -> Vec<String> {
        let listed = self.run_well(&["audit", "list", "--format", "json"], custodians);
        let entries: Value = serde_json::from_str(&listed).unwrap();
        let of = entries.as_array().unwrap().iter().filter(|entry| entry["action"] == action);
        of.map(|entry| entry["detail"].as_str().unwrap().to_owned()).collect()
    }

    fn unlock(&self, name: &str) -> String {
        self.run_well(&["keys", "unlock", "--passphrase-file", &self.source(name)], &[])
    }

    fn demo(&self, custodians: &[&str]) -> Merchant {
        let shown = self.run_well(&["merchant", "show", "demo", "--format", "json"], custodians);
        Merchant::of_json(&serde_json::from_str(&shown).unwrap())
    }

    fn running(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.data.join("running.json")).unwrap()).unwrap()
    }

    /// Waits until the gateway, which waited for custodians, takes payments, and learns where.
    fn wait_until_ready(&self, gateway: &mut Gateway) {
        wait_for("the gateway takes payments", || (self.running()["waits_for_custodians"] == false).then_some(()));
        gateway.running = self.running();
        gateway.address = gateway.running["url"].as_str().unwrap().split("//").nth(1).unwrap().to_owned();
        wait_for("the gateway is ready", || gateway.is_ready().then_some(()));
    }

    /// No file of the data folder holds a passphrase.
    fn assert_no_passphrase_on_the_disk(&self) {
        let mut folders = vec![self.data.clone()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    assert_no_passphrase(&path.display().to_string(), &std::fs::read(&path).unwrap());
                    files += 1;
                }
            }
        }
        assert!(files > 3, "there was something to search");
    }
}

fn assert_no_passphrase(what: &str, bytes: &[u8]) {
    for (name, passphrase) in PASSPHRASES {
        let found = bytes.windows(passphrase.len()).any(|part| part == passphrase.as_bytes());
        assert!(!found, "the passphrase of {name} is in {what}");
    }
}

fn pay(gateway: &Gateway, merchant: &Merchant, reference: &str) {
    let answer = gateway.call(merchant, &payment("PURCHASE", reference, "1000", CARD));
    assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
}

fn refund(gateway: &Gateway, merchant: &Merchant, reference: &str) {
    let answer = gateway.call(merchant, &operation("REFUND", reference, "1000"));
    assert_eq!(field(&answer, "response_code"), "06000", "{answer:?}");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_gateway_takes_no_payment_before_two_of_three_have_come() {
    let place = Place::new();
    place.split();
    assert_eq!(mode(&place.data.join("keys/kek-1.key")), 0o600);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut gateway = Gateway::serve(&place.data, &["--dev", "--listen", &port], &[]);
    let admin = gateway.running["admin"].clone();
    let ready = || gateway.admin("/health/ready");
    assert_eq!(gateway.admin("/health/live"), (200, "live\n".to_owned()));
    assert_eq!(ready(), (503, "waits for custodians: 0 of 2 have come\n".to_owned()));
    assert_eq!(gateway.admin("/operator/keys/custodians").0, 401, "the token is wanted as ever");
    assert_eq!(try_post(&port, "/FortAPI/paymentApi", b"{}", "application/json"), None, "nobody listens");

    assert!(place.unlock("ada").contains("1 of 2 have come: ada"));
    assert_eq!(ready(), (503, "waits for custodians: 1 of 2 have come\n".to_owned()));
    assert!(place.unlock("ada").contains("1 of 2 have come"), "the same again is no second custodian");
    // Another one's passphrase under his name: wrong, and no more is said. The next try has to wait, twice as long each
    // time, so that on the slowest machine one comes too early.
    place.write("wrong", PASSPHRASES[0].1);
    let wrong = format!("grace={}", place.root.path().join("wrong").display());
    let refused = place.run_badly(&["keys", "unlock", "--passphrase-file", &wrong], &[]);
    assert_eq!(refused, "tollgate: custodian grace: the passphrase is wrong\n");
    wait_for("a try that comes too early", || {
        let said = place.run_badly(&["keys", "unlock", "--passphrase-file", &wrong], &[]);
        said.contains("the next try is in").then_some(())
    });
    let stranger = place.run_badly(&["keys", "unlock", "--passphrase-file", &place.source("zoe")], &[]);
    assert!(stranger.contains("they are ada, grace, lin"), "{stranger}");
    assert_eq!(ready().0, 503);
    assert!(place.unlock("lin").contains("every key is open"));
    place.wait_until_ready(&mut gateway);
    assert_eq!(gateway.running["admin"], admin, "the admin address is the same, and was never closed");
    assert_eq!(gateway.address, port);

    let demo = place.demo(&["ada", "grace"]);
    pay(&gateway, &demo, "first");
    assert!(place.unlock("grace").contains("every key is open"), "who comes late does no harm");
    assert_no_passphrase("the log", gateway.output().as_bytes());
    assert!(gateway.stop());

    // Restarted without them: grace and lin lie in files, and ada is lost. Nothing waits.
    let names = place.setting(&["grace", "lin"]);
    let mut gateway = Gateway::start_in(&place.data, &[(SETTING, &names)]);
    assert_eq!(gateway.running["waits_for_custodians"], false);
    refund(&gateway, &demo, "first");
    assert_no_passphrase("the log", gateway.output().as_bytes());
    assert!(gateway.stop());
    // One alone opens nothing, and a signal ends the wait.
    let one = place.setting(&["lin"]);
    let mut gateway = Gateway::start_in(&place.data, &[(SETTING, &one)]);
    assert_eq!(gateway.admin("/health/ready").1, "waits for custodians: 1 of 2 have come\n");
    assert!(gateway.stop());
    assert!(!place.data.join("running.json").exists());
    let made = place.audited("key-encryption key made", &["ada", "grace"]);
    assert_eq!(made, ["before the first start, any 2 of ada, grace, lin open it"]);
    let came = place.audited("custodians came", &["ada", "grace"]);
    let by_files = "grace (by the configuration), lin (by the configuration)";
    assert_eq!(came, ["ada, lin", by_files], "one entry for each start that opened the key");
    place.assert_no_passphrase_on_the_disk();
}

#[test]
fn a_plain_key_is_split_while_payments_run_and_the_split_one_is_rotated_by_its_custodians() {
    let place = Place::new();
    let mut gateway = Gateway::start_in(&place.data, &[]);
    let demo = place.demo(&[]);
    pay(&gateway, &demo, "before");
    let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let reference = format!("meanwhile-{number}");
                pay(&gateway, &demo, &reference);
                refund(&gateway, &demo, &reference);
                made.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Also when something fails here, the client has to end.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let split = place.ceremony(&["ada", "grace", "lin"], &["--convert", "--accept-loss"]);
            assert!(split.status.success(), "{}", text(&split.stderr));
            let [ada, lin] = ["ada", "lin"].map(|name| place.source(name));
            let rotate = ["keys", "rotate", "--kek", "--passphrase-file", &ada, "--passphrase-file", &lin];
            let missing = place.run_badly(&rotate, &[]);
            assert!(missing.contains("the passphrase of grace is missing"), "a new key needs all of them: {missing}");
            let grace = place.source("grace");
            place.run_well(&[rotate.as_slice(), &["--passphrase-file", &grace]].concat(), &[]);
        }));
        stop.store(true, Ordering::SeqCst);
        done.unwrap();
    });
    assert!(made.load(Ordering::SeqCst) > 0, "payments ran meanwhile");
    // A key of a merchant that is new since: the gateway wraps it under the newest key.
    place.run_well(&["keys", "rotate", "--data-keys"], &[]);
    let listed = place.run_well(&["keys", "list", "--format", "json"], &[]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let keks = listed["key_encryption_keys"].as_array().unwrap();
    assert_eq!(keks[0]["custodians"], Value::Null);
    for kek in &keks[1..] {
        assert_eq!(kek["custodians"], serde_json::json!(["ada", "grace", "lin"]), "{listed}");
        assert_eq!(kek["quorum"], 2);
    }
    let under_the_newest = |key: &Value| key["kek_version"] == 3;
    assert!(listed["data_keys"].as_array().unwrap().iter().all(under_the_newest), "{listed}");
    let unknown = place.run_badly(&["keys", "retire", "--kek", "9"], &[]);
    assert!(unknown.contains("there is no key-encryption key version 9"), "{unknown}");
    // The audit log is told of it, and opens with the key in use.
    let alone = place.run_badly(&["keys", "retire", "--kek", "1"], &["grace"]);
    assert!(alone.contains("1 of 2 have come"), "{alone}");
    let [ada, lin] = ["ada", "lin"].map(|name| place.source(name));
    for old in ["1", "2"] {
        let retire = ["keys", "retire", "--kek", old, "--passphrase-file", &ada, "--passphrase-file", &lin];
        place.run_well(&retire, &[]);
    }
    let again = place.run_badly(&["keys", "retire", "--kek", "2"], &[]);
    assert!(again.contains("version 2 is retired already"), "{again}");
    let told = place.audited("key-encryption key made", &["ada", "lin"]);
    assert_eq!(told[0], "at the first start");
    assert_eq!(told[1..], [2, 3].map(|version| format!("version {version}, any 2 of ada, grace, lin open it")));
    assert_eq!(place.audited("key-encryption key retired", &["ada", "lin"]), ["version 1", "version 2"]);
    assert!(place.run_well(&["keys", "list"], &[]).contains("in use  any 2 of ada, grace, lin"));
    refund(&gateway, &demo, "before");
    assert_no_passphrase("the log", gateway.output().as_bytes());
    assert!(gateway.stop());

    let mut gateway = Gateway::start_in(&place.data, &[]);
    assert_eq!(gateway.admin("/health/ready").1, "waits for custodians: 0 of 2 have come\n");
    place.unlock("grace");
    place.unlock("ada");
    place.wait_until_ready(&mut gateway);
    pay(&gateway, &demo, "after");
    assert!(gateway.stop());
    place.assert_no_passphrase_on_the_disk();
}

#[test]
fn a_quorum_gives_a_lost_custodians_place_to_another_person() {
    let place = Place::new();
    place.split();
    let all = place.setting(&["ada", "grace"]);
    let mut gateway = Gateway::start_in(&place.data, &[(SETTING, &all)]);
    let demo = place.demo(&["ada", "grace"]);
    pay(&gateway, &demo, "first");
    let [ada, grace, zoe] = ["ada", "grace", "zoe"].map(|name| place.source(name));
    let change = ["keys", "ceremony", "--change-custodian", "lin", "--successor", "zoe", "--new-passphrase-file", &zoe];
    let one = place.run_badly(&[change.as_slice(), &["--passphrase-file", &ada]].concat(), &[]);
    assert!(one.contains("no terminal"), "one alone changes nothing: {one}");
    let twice = ["--passphrase-file", &ada, "--passphrase-file", &ada];
    let twice = place.run_badly(&[change.as_slice(), &twice].concat(), &[]);
    assert!(twice.contains("fewer custodians than its quorum"), "{twice}");
    let two = ["--passphrase-file", &ada, "--passphrase-file", &grace];
    let changed = place.run_well(&[change.as_slice(), &two].concat(), &[]);
    assert!(changed.contains("zoe has the place of lin; the key is the same"), "{changed}");
    // Who gives up a place may be one of the quorum: for another person, or for another passphrase.
    place.write("new", "eleven quiet boats near the mill");
    let new = format!("grace={}", place.root.path().join("new").display());
    let again = ["keys", "ceremony", "--change-custodian", "grace", "--new-passphrase-file", &new];
    let changed = place.run_well(&[again.as_slice(), &two].concat(), &[]);
    assert!(changed.contains("grace has another passphrase"), "{changed}");
    assert_eq!(
        place.audited("custodian changed", &["ada", "zoe"]),
        ["version 1: zoe has the place of lin", "version 1: grace has another passphrase"]
    );
    // The running gateway has the key open, and it is the same.
    refund(&gateway, &demo, "first");
    assert!(gateway.stop());
    let mut gateway = Gateway::start_in(&place.data, &[]);
    let gone = place.run_badly(&["keys", "unlock", "--passphrase-file", &place.source("lin")], &[]);
    assert!(gone.contains("they are ada, grace, zoe"), "{gone}");
    place.unlock("zoe");
    place.unlock("ada");
    place.wait_until_ready(&mut gateway);
    pay(&gateway, &demo, "second");
    assert!(gateway.stop());
    place.assert_no_passphrase_on_the_disk();
}

#[test]
fn a_ceremony_that_would_protect_little_is_refused_and_makes_nothing() {
    let place = Place::new();
    let refused = |names: &[&str], more: &[&str]| {
        let output = place.ceremony(names, more);
        assert!(!output.status.success() && !place.data.join("keys").exists(), "{}", text(&output.stdout));
        assert_no_passphrase("a refusal", &output.stderr);
        text(&output.stderr)
    };
    let three = ["ada", "grace", "lin"];
    assert!(refused(&three, &[]).contains("Say --accept-loss"));
    assert!(refused(&three, &["--accept-loss", "--quorum", "1"]).contains("one alone must open nothing"));
    assert!(refused(&three, &["--accept-loss", "--quorum", "4"]).contains("at most all of them"));
    assert!(refused(&["ada"], &["--accept-loss"]).contains("2 to 5 custodians"));
    place.write("lin", PASSPHRASES[0].1);
    assert!(refused(&three, &["--accept-loss"]).contains("the same passphrase"));
    place.write("lin", "too short");
    assert!(refused(&three, &["--accept-loss"]).contains("custodian lin: the passphrase has fewer than 16"));
    let spare = refused(&["ada", "lin"], &["--accept-loss"]);
    assert!(spare.contains("Nobody is spare here"), "{spare}");
    place.write("lin", PASSPHRASES[2].1);
    std::fs::set_permissions(place.root.path().join("lin"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&three, &["--accept-loss"]).contains("others may read the passphrase file"));
    std::fs::set_permissions(place.root.path().join("lin"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let confused = refused(&three, &["--accept-loss", "--passphrase-file", PASSPHRASES[0].1]);
    assert!(confused.contains("never an argument"), "and it is not shown: {confused}");
}

#[test]
fn commands_on_a_stopped_folder_say_what_to_do_or_ask_the_custodians_at_the_terminal() {
    let place = Place::new();
    place.split();
    assert!(place.run_badly(&["keys", "list"], &[]).contains("holds no database"));
    let all = place.setting(&["ada", "grace"]);
    assert!(Gateway::start_in(&place.data, &[(SETTING, &all)]).stop());
    let told = place.run_badly(&["merchant", "list"], &[]);
    assert!(told.contains("waits for custodians (ada, grace, lin): 0 of 2 have come"), "{told}");
    assert!(told.contains("keys.custodian_passphrases"), "{told}");
    assert!(place.run_well(&["keys", "list"], &[]).contains("any 2 of ada, grace, lin"), "a list opens nothing");
    assert!(place.run_well(&["merchant", "list"], &["grace", "lin"]).contains("demo"));
    let twice = place.ceremony(&["ada", "grace"], &["--accept-loss"]);
    assert!(text(&twice.stderr).contains("--convert"), "{}", text(&twice.stderr));

    let mut session = Session::begin(&place, "merchant list");
    session.answer("custodian: ", "grace");
    session.answer("passphrase of grace (not shown): ", "not the right one at all");
    session.expect("the passphrase is wrong");
    session.answer("custodian: ", "lin");
    session.answer(
        "passphrase of lin (not shown): ",
        "two old clocks sing\u{15}two old clocks sang in the foggx\u{7f}\u{7f}",
    );
    session.expect("1 of 2 have come");
    session.answer("custodian: ", "ada");
    session.answer("passphrase of ada (not shown): ", PASSPHRASES[0].1);
    session.expect("demo");
    session.end_well();
}

#[test]
fn a_ceremony_at_the_terminal_shows_nothing_that_is_typed() {
    let place = Place::new();
    let mut session = Session::begin(&place, "keys ceremony --custodian ada --custodian grace");
    session.answer("understood this: ", "yes");
    session.answer("ada, choose a passphrase (not shown): ", "short");
    session.expect("fewer than 16");
    session.answer("ada, choose a passphrase (not shown): ", PASSPHRASES[0].1);
    session.answer("the same again: ", PASSPHRASES[1].1);
    session.expect("the two differ");
    session.answer("ada, choose a passphrase (not shown): ", PASSPHRASES[0].1);
    session.answer("the same again: ", PASSPHRASES[0].1);
    session.answer("grace, choose a passphrase (not shown): ", PASSPHRASES[1].1);
    session.answer("the same again: ", PASSPHRASES[1].1);
    session.expect("any 2 of ada, grace open it");
    session.end_well();
    let mut gateway = Gateway::start_in(&place.data, &[]);
    place.unlock("grace");
    let mut session = Session::begin(&place, "keys unlock");
    session.expect("1 of 2 have come: grace");
    session.answer("custodian: ", "ada");
    session.answer("passphrase of ada (not shown): ", PASSPHRASES[0].1);
    session.expect("every key is open");
    session.end_well();
    place.wait_until_ready(&mut gateway);
}

/// A command at a terminal of its own (`script` makes one), answered as a person would.
struct Session {
    child: std::process::Child,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<std::thread::JoinHandle<()>>,
    /// How much of what was shown is accounted for.
    read: usize,
}

impl Session {
    fn begin(place: &Place, arguments: &str) -> Session {
        let line = format!("'{}' {arguments} --data '{}'", crate::support::binary(), place.data.display());
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`script` of util-linux gives a terminal");
        let (shown, mut out) = (Arc::new(Mutex::new(Vec::new())), child.stdout.take().unwrap());
        let all = Arc::clone(&shown);
        let reader = std::thread::spawn(move || {
            let mut part = [0; 1024];
            while let Ok(length) = out.read(&mut part) {
                if length == 0 {
                    break;
                }
                all.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        Session { child, shown, reader: Some(reader), read: 0 }
    }

    /// Waits until this is shown, after what was waited for before.
    fn expect(&mut self, what: &str) {
        let (shown, read) = (Arc::clone(&self.shown), self.read);
        self.read = wait_for(what, || {
            let shown = shown.lock().unwrap();
            let found = shown[read..].windows(what.len()).position(|part| part == what.as_bytes());
            found.map(|at| read + at + what.len())
        });
    }

    fn answer(&mut self, question: &str, answer: &str) {
        self.expect(question);
        self.child.stdin.as_mut().unwrap().write_all(format!("{answer}\n").as_bytes()).unwrap();
    }

    /// It ended well, and showed no passphrase.
    fn end_well(mut self) {
        let status = wait_for("the command ends", || self.child.try_wait().unwrap());
        self.reader.take().unwrap().join().unwrap();
        let shown = self.shown.lock().unwrap();
        assert!(status.success(), "{}", text(&shown));
        assert_no_passphrase("the terminal", &shown);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the terminal ---\n{}", text(&self.shown.lock().unwrap()));
        }
    }
}
