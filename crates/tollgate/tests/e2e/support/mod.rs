//! What the end-to-end tests share: a gateway of the real binary in a folder of its own, and a small
//! FORT client that owes nothing to the gateway's code but the signature.

pub mod accounts;
pub mod audit;
pub mod batches;
pub mod books;
pub mod card_network;
pub mod chance;
pub mod customer;
pub mod demo;
pub mod errand;
#[path = "../../../../notify/tests/support/mod.rs"]
pub mod mail_server;
pub mod page;
pub mod receiver;
pub mod secrets;
pub mod shop;
pub mod wire;

use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tollgate_core::merchant::ShaType;
use tollgate_core::secret::Secret;

/// The longest wait for anything.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// The built binary.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_tollgate")
}

/// A command of the binary, without the variables of the tests themselves, which it would refuse as settings.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOLLGATE_KILL_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command of the binary to its end.
pub fn tollgate(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("the binary runs")
}

/// A running gateway. It is killed when dropped.
pub struct Gateway {
    /// Its data folder.
    pub data: PathBuf,
    /// `127.0.0.1:port` of the FORT endpoints.
    pub address: String,
    /// Its note of where it listens.
    pub running: Value,
    child: Child,
    output: Arc<Mutex<String>>,
    collectors: Vec<JoinHandle<()>>,
    folder: Option<tempfile::TempDir>,
}

impl Gateway {
    /// `tollgate serve --dev` in a fresh folder.
    pub fn start() -> Gateway {
        Gateway::start_with(&[])
    }

    /// The same with these environment variables.
    pub fn start_with(environment: &[(&str, &str)]) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut gateway = Gateway::start_in(&data, environment);
        gateway.folder = Some(folder);
        gateway
    }

    /// `tollgate serve --dev` in this folder.
    pub fn start_in(data: &Path, environment: &[(&str, &str)]) -> Gateway {
        Gateway::serve(data, &["--dev"], environment)
    }

    /// `tollgate serve --dev` in this folder with a card network of its own process, and short waits.
    pub fn start_on(network: &str, data: &Path) -> Gateway {
        let mut environment = QUICK.to_vec();
        environment.push(("TOLLGATE_ACQUIRER_ADDRESS", network));
        Gateway::serve(data, &["--dev", "--no-issuer"], &environment)
    }

    /// `tollgate serve` in this folder with these arguments besides.
    pub fn serve(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Gateway {
        let _ = std::fs::remove_file(data.join("running.json"));
        let mut child = serve_command(data, arguments, environment).spawn().expect("the gateway starts");
        let output = Arc::new(Mutex::new(String::new()));
        let collectors =
            vec![collect(child.stdout.take().unwrap(), &output), collect(child.stderr.take().unwrap(), &output)];
        let running = wait_for("the gateway listens", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the gateway ended with {status}:\n{}", output.lock().unwrap());
            }
            let text = std::fs::read(data.join("running.json")).ok()?;
            serde_json::from_slice::<Value>(&text).ok()
        });
        let address = running["url"].as_str().unwrap().split("//").nth(1).unwrap().to_owned();
        Gateway { data: data.to_owned(), address, running, child, output, collectors, folder: None }
    }

    /// The same, killed so long after it was begun, whatever it has come to.
    pub fn serve_and_kill(data: &Path, arguments: &[&str], environment: &[(&str, &str)], after: Duration) {
        let mut command = serve_command(data, arguments, environment);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the gateway starts");
        let end = Instant::now() + after;
        while Instant::now() < end {
            std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
        }
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Whether it takes payments; one that is gone does not.
    pub fn is_ready(&self) -> bool {
        let address = self.running["admin"].as_str().unwrap();
        let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        try_exchange(address, request.as_bytes()).is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200 "))
    }

    /// Everything it printed and logged so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// The gateway's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.collect_to_the_end();
    }

    /// Waits until everything that the ended process printed is in [`Gateway::output`].
    fn collect_to_the_end(&mut self) {
        for collector in self.collectors.drain(..) {
            collector.join().expect("what it printed is read to its end");
        }
    }

    /// Asks it to end and waits until it has. `true` when it ended well.
    pub fn stop(&mut self) -> bool {
        self.signal("TERM");
        self.ended_well()
    }

    /// Runs a command of the binary on this gateway's folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command().args(arguments).arg("--data").arg(&self.data).output().expect("the binary runs")
    }

    /// The same with a text on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = command()
            .args(arguments)
            .arg("--data")
            .arg(&self.data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a command that has to fail. Gives what it said on standard error.
    pub fn run_badly(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} should have failed: {}", text(&output.stdout));
        assert_eq!(text(&output.stdout), "", "{arguments:?}: an error goes to standard error");
        text(&output.stderr)
    }

    /// The same; it has to succeed. Gives what it printed.
    pub fn run_well(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// The demo merchant.
    pub fn demo(&self) -> Merchant {
        Merchant::show(self, "demo")
    }

    /// Sends the gateway a signal, for example `TERM`, and does not wait.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits until it has ended by itself. `true` when it ended well.
    pub fn ended_well(&mut self) -> bool {
        let status = wait_for("the gateway ends", || self.child.try_wait().unwrap());
        self.collect_to_the_end();
        status.success()
    }

    /// The value of a metric; its labels, if any, belong to the name.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.admin("/metrics");
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Posts a body to the payment API; gives the HTTP status and the answer's body.
    pub fn post_raw(&self, body: &[u8], content_type: &str) -> (u16, Vec<u8>) {
        post(&self.address, "/FortAPI/paymentApi", body, content_type)
    }

    /// Posts a signed request of a merchant and gives the answer, whose signature has to be right.
    pub fn call(&self, merchant: &Merchant, params: &[(&str, &str)]) -> Map<String, Value> {
        let body = merchant.sign(params);
        let (status, answer) = self.post_raw(&body, "application/json");
        assert_eq!(status, 200, "{}", text(&answer));
        let answer: Map<String, Value> = serde_json::from_slice(&answer).expect("the answer is JSON");
        merchant.check(&answer);
        answer
    }

    /// GET on the admin address: status and body.
    pub fn admin(&self, path: &str) -> (u16, String) {
        let address = self.running["admin"].as_str().unwrap();
        let (status, body) = get(address, path);
        (status, text(&body))
    }

    /// GET on the sandbox card network's admin address.
    pub fn issuer(&self, path: &str) -> Value {
        let (status, body) = get(self.running["issuer_admin"].as_str().unwrap(), path);
        assert_eq!(status, 200, "{}", text(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// CHECK_STATUS until `done` likes the answer.
    pub fn wait_for_status(
        &self,
        merchant: &Merchant,
        reference: &str,
        done: impl Fn(&Map<String, Value>) -> bool,
    ) -> Map<String, Value> {
        wait_for("the order's status", || {
            let answer = self.call(merchant, &[("query_command", "CHECK_STATUS"), ("merchant_reference", reference)]);
            done(&answer).then_some(answer)
        })
    }
}

fn serve_command(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = self::command();
    let listen: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    command
        .arg("serve")
        .args(listen)
        .args(["--admin-listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments)
        .env("RUST_LOG", "debug")
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway's output ---\n{}", self.output());
        }
    }
}

/// A merchant's credentials.
#[derive(Clone, Debug)]
pub struct Merchant {
    pub access_code: String,
    pub merchant_identifier: String,
    pub request_phrase: String,
    pub response_phrase: String,
    pub sha_type: ShaType,
}

impl Merchant {
    /// As `merchant show` tells it.
    pub fn show(gateway: &Gateway, name: &str) -> Merchant {
        let shown: Value =
            serde_json::from_str(&gateway.run_well(&["merchant", "show", name, "--format", "json"])).unwrap();
        Merchant::of_json(&shown)
    }

    /// The same of its JSON.
    pub fn of_json(shown: &Value) -> Merchant {
        let field = |name: &str| shown[name].as_str().unwrap().to_owned();
        Merchant {
            access_code: field("access_code"),
            merchant_identifier: field("merchant_identifier"),
            request_phrase: field("sha_request_phrase"),
            response_phrase: field("sha_response_phrase"),
            sha_type: ShaType::parse(&field("sha_type")).unwrap(),
        }
    }

    /// A signed JSON body; ids and language are added where they are not given.
    pub fn sign(&self, params: &[(&str, &str)]) -> Vec<u8> {
        let mut all = params.to_vec();
        for (name, value) in [
            ("access_code", self.access_code.as_str()),
            ("merchant_identifier", self.merchant_identifier.as_str()),
            ("language", "en"),
        ] {
            if !all.iter().any(|(given, _)| *given == name) {
                all.push((name, value));
            }
        }
        tollgate_fort::client::signed_json(&all, &Secret::new(self.request_phrase.clone()), self.sha_type)
    }

    /// Checks an answer: all texts, none empty, the signature right.
    pub fn check(&self, answer: &Map<String, Value>) {
        let signature = answer.get("signature").unwrap_or_else(|| panic!("unsigned: {answer:?}")).as_str().unwrap();
        let fields: Vec<(&str, String)> = answer
            .iter()
            .filter(|(name, _)| *name != "signature")
            .map(|(name, value)| match value {
                Value::Array(tokens) if name == "data" => ("data", hashed_tokens(tokens)),
                value => {
                    let text = value.as_str().unwrap_or_else(|| panic!("{name} is no text: {answer:?}"));
                    (name.as_str(), text.to_owned())
                }
            })
            .collect();
        assert!(fields.iter().all(|(_, value)| !value.is_empty()), "an empty field: {answer:?}");
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
        let ours = tollgate_fort::signature::sign(fields, &Secret::new(self.response_phrase.clone()), self.sha_type);
        assert_eq!(signature, ours, "the answer's signature: {answer:?}");
    }
}

/// The list of GET_TOKENS as clients hash it: members in the order in which they were sent.
fn hashed_tokens(tokens: &[Value]) -> String {
    const ORDER: [&str; 7] =
        ["card_number", "expiry_date", "token_name", "card_brand", "card_bin", "token_status", "creation_date"];
    let objects: Vec<String> = tokens
        .iter()
        .map(|token| {
            assert_eq!(token.as_object().unwrap().len(), ORDER.len(), "{token}");
            let members = ORDER.map(|name| format!("{name}={}", token[name].as_str().unwrap()));
            format!("{{{}}}", members.join(", "))
        })
        .collect();
    format!("[{}]", objects.join(", "))
}

/// The parameters of a payment with a card over the trusted channel, without 3-D Secure.
pub fn payment<'a>(command: &'a str, reference: &'a str, amount: &'a str, card: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("command", command),
        ("merchant_reference", reference),
        ("amount", amount),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("card_number", card),
        ("expiry_date", "3005"),
        ("card_security_code", "123"),
        ("check_3ds", "NO"),
    ]
}

/// The parameters of VERIFY_CARD, and these besides.
pub fn verification<'a>(reference: &'a str, card: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut params = vec![
        ("service_command", "VERIFY_CARD"),
        ("merchant_reference", reference),
        ("currency", "AED"),
        ("card_number", card),
        ("expiry_date", "3005"),
    ];
    params.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    params.extend_from_slice(more);
    params
}

/// The parameters of CAPTURE, REFUND or VOID_AUTHORIZATION of an order; a void has no amount.
pub fn operation<'a>(command: &'a str, reference: &'a str, amount: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut params = vec![("command", command), ("merchant_reference", reference)];
    if command != "VOID_AUTHORIZATION" {
        params.extend([("amount", amount), ("currency", "AED")]);
    }
    params
}

/// The parameters of CHECK_STATUS of an order.
pub fn status(reference: &str) -> Vec<(&str, &str)> {
    vec![("query_command", "CHECK_STATUS"), ("merchant_reference", reference)]
}

/// Short waits for unknown outcomes. A late answer of the network inside the gateway's process comes
/// after 1000 ms: 500 ms after the answer was given up and 500 ms before its reversal is due.
pub const QUICK: [(&str, &str); 6] = [
    ("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "500"),
    ("TOLLGATE_ACQUIRER_BACKOFF_MS_MIN", "10"),
    ("TOLLGATE_ACQUIRER_BACKOFF_MS_MAX", "100"),
    ("TOLLGATE_GATEWAY_REVERSAL_DELAY_MS", "1000"),
    ("TOLLGATE_GATEWAY_RECOVERY_RETRY_MS_MIN", "50"),
    ("TOLLGATE_GATEWAY_RECOVERY_RETRY_MS_MAX", "400"),
];

/// A field of an answer, empty when it is not there.
pub fn field<'a>(answer: &'a Map<String, Value>, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Waits for a condition.
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(WAIT_MAX, what, condition)
}

/// The same, for so long at most.
pub fn wait_within<T>(wait_max: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < wait_max, "waited too long: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// POST over a connection of its own.
pub fn post(address: &str, path: &str, body: &[u8], content_type: &str) -> (u16, Vec<u8>) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    exchange(address, &[head.as_bytes(), body].concat())
}

/// The same; `None` when the gateway was gone before it had answered in whole, otherwise the body of
/// an answer with HTTP 200.
pub fn try_post(address: &str, path: &str, body: &[u8], content_type: &str) -> Option<Vec<u8>> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let answer = try_exchange(address, &[head.as_bytes(), body].concat())?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", text(&answer));
    Some(answer[end + 4..].to_vec())
}

/// Everything that is answered to these bytes; `None` when nobody listens or the connection breaks.
fn try_exchange(address: &str, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(WAIT_MAX)).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(answer)
}

/// GET over a connection of its own.
pub fn get(address: &str, path: &str) -> (u16, Vec<u8>) {
    exchange(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
}

/// Sends bytes as they are and reads the whole answer.
pub fn exchange(address: &str, request: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
    // A server that answers before it has read everything may close early: what matters is its answer.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no HTTP answer: {}", text(&answer)));
    let status = text(&answer[..end]).split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an HTTP status");
    (status, answer[end + 4..].to_vec())
}

/// Sends a process a signal by its name, for example `STOP`.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(sent.success(), "the process {pid} could not be sent {name}");
}

/// Runs `work` once for each number below `count`, all at the same time, and gives the results in order.
pub fn all_at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let gate = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let run = |number| {
            gate.wait();
            work(number)
        };
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || run(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends well")).collect()
    })
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Collects what a process prints, line by line, in a thread of its own.
pub fn collect(stream: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut output = output.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    })
}
