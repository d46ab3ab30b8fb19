//! Processes killed under load: whoever dies, in the end every outcome is known, no answer that was
//! given turns out wrong, and the books of gateway and card network are equal, order by order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::books;
use support::card_network::CardNetwork;
use support::{Gateway, Merchant, all_at_once, field, operation, payment, wait_for};

const GOOD: &str = "4005550000000001";
const LATE: &str = "4005559000004004";
const SILENT: &str = "4005559000005001";
/// On this card the last five digits of the amount decide.
const BY_AMOUNT: &str = "4005559100007709";
const MASKS: [&str; 4] = ["400555******0001", "400555******4004", "400555******5001", "400555******7709"];
/// How many clients work at the same time.
const CLIENTS: usize = 8;

#[test]
fn a_gateway_killed_under_load_settles_everything_and_both_books_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let network = CardNetwork::start(&folder.path().join("network"), &["--slow-ms", "200", "--late-ms", "900"]);
    let mut seen = Seen::default();
    let mut lives_with_loose_ends = 0;
    // Each life of the gateway ends at another moment, counted in answers given.
    for (life, answers_until_kill) in [1, 9, 23, 40].into_iter().enumerate() {
        let mut gateway = Gateway::start_on(&network.iso, &data);
        let answers = AtomicUsize::new(0);
        seen.join(live(&gateway, life, &answers, || {
            wait_for("enough answers", || (answers.load(Ordering::SeqCst) >= answers_until_kill).then_some(()));
            support::signal(gateway.pid(), "KILL");
        }));
        gateway.kill();
        lives_with_loose_ends += usize::from(gateway.output().contains(LOOSE_ENDS));
    }
    let gateway = Gateway::start_on(&network.iso, &data);
    seen.assert_true(&gateway, &network);
    lives_with_loose_ends += usize::from(gateway.output().contains(LOOSE_ENDS));
    assert!(lives_with_loose_ends >= 2, "the gateway was killed between intents and outcomes: {lives_with_loose_ends}");
}

#[test]
fn a_card_network_killed_under_load_leaves_nothing_unsettled_and_both_books_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = CardNetwork::start(&folder.path().join("network"), &["--slow-ms", "200", "--late-ms", "900"]);
    let gateway = Gateway::start_on(&network.iso, &folder.path().join("data"));
    let mut seen = Seen::default();
    for (life, answers_until_kill) in [5, 30].into_iter().enumerate() {
        let answers = AtomicUsize::new(0);
        let killed = Mutex::new(&mut network);
        seen.join(live(&gateway, life, &answers, || {
            let mut network = killed.lock().unwrap();
            wait_for("enough answers", || (answers.load(Ordering::SeqCst) >= answers_until_kill).then_some(()));
            network.kill();
            wait_for("the link is down", || (gateway.admin("/health/ready").0 == 503).then_some(()));
            network.start_again();
            wait_for("the link is up", || (gateway.admin("/health/ready").0 == 200).then_some(()));
            let up_at = answers.load(Ordering::SeqCst);
            wait_for("payments go on", || (answers.load(Ordering::SeqCst) >= up_at + 10).then_some(()));
        }));
    }
    seen.assert_true(&gateway, &network);
    assert!(gateway.metric("tollgate_link_reconnects_total").unwrap() >= 2.0);
}

/// What the start of a gateway logs when the run before left operations without an outcome.
const LOOSE_ENDS: &str = "operations without an outcome were found";

/// What clients saw.
#[derive(Default)]
struct Seen {
    /// Every reference that was used.
    references: Vec<String>,
    /// The last definite code that a client was told of a reference.
    promised: BTreeMap<String, String>,
}

impl Seen {
    fn join(&mut self, other: Seen) {
        self.references.extend(other.references);
        self.promised.extend(other.promised);
    }

    /// Takes an answer to an operation on the order of a reference.
    fn note(&mut self, reference: &str, code: &str) {
        match code {
            "15777" => drop(self.promised.remove(reference)),
            refused if refused.starts_with("00") => {}
            _ => drop(self.promised.insert(reference.to_owned(), code.to_owned())),
        }
    }

    /// Waits until every order is settled; then each answer that was given has to be true still, and
    /// the books have to be equal.
    fn assert_true(&self, gateway: &Gateway, network: &CardNetwork) {
        let demo = gateway.demo();
        let mut fort_ids = Vec::new();
        for reference in &self.references {
            let told = gateway.wait_for_status(&demo, reference, |told| field(told, "transaction_code") != "15777");
            if field(&told, "response_code") == "12000" {
                fort_ids.push(field(&told, "fort_id").to_owned());
            }
            if let Some(code) = self.promised.get(reference) {
                assert_eq!(field(&told, "transaction_code"), code, "an answer once given stays true: {told:?}");
            }
        }
        assert!(fort_ids.len() > 20, "the load made orders: {}", fort_ids.len());
        books::assert_equal(gateway, &demo, &fort_ids, &books::of_card_network(|path| network.get(path), &MASKS));
        wait_for("the backlog is told empty", || (gateway.metric("tollgate_recovery_backlog")? == 0.0).then_some(()));
    }
}

/// Set when it goes, also when a check has failed, so that the clients stop.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Clients pay, capture, void and refund, and count their answers, while `disturb` does its work and
/// until it is done.
fn live(gateway: &Gateway, life: usize, answers: &AtomicUsize, disturb: impl FnOnce() + Send) -> Seen {
    let demo = gateway.demo();
    let done = AtomicBool::new(false);
    let client = |number: usize| {
        let mut seen = Seen::default();
        let mut round = 0;
        while !done.load(Ordering::SeqCst) {
            let reference = format!("life-{life}-{number}-{round}");
            seen.references.push(reference.clone());
            for request in requests(number + round, &reference) {
                let Some(answer) = try_call(gateway, &demo, &request) else {
                    // Whatever was promised before may have changed since.
                    seen.promised.remove(&reference);
                    break;
                };
                answers.fetch_add(1, Ordering::SeqCst);
                seen.note(&reference, field(&answer, "response_code"));
            }
            round += 1;
        }
        seen
    };
    let all = std::thread::scope(|scope| {
        let disturber = scope.spawn(|| {
            let _done = SetAtEnd(&done);
            disturb();
        });
        let all = all_at_once(CLIENTS, client);
        disturber.join().unwrap();
        all
    });
    let mut whole = Seen::default();
    all.into_iter().for_each(|seen| whole.join(seen));
    whole
}

/// A mixture of lives of an order.
fn requests(kind: usize, reference: &str) -> Vec<Vec<(&str, &str)>> {
    match kind % 7 {
        0 => vec![
            payment("PURCHASE", reference, "1000", GOOD),
            operation("REFUND", reference, "300"),
            operation("REFUND", reference, "200"),
        ],
        1 => vec![
            payment("AUTHORIZATION", reference, "1000", GOOD),
            operation("CAPTURE", reference, "600"),
            operation("CAPTURE", reference, "400"),
        ],
        2 => vec![payment("AUTHORIZATION", reference, "1000", GOOD), operation("VOID_AUTHORIZATION", reference, "")],
        3 => vec![payment("PURCHASE", reference, "290101", BY_AMOUNT), operation("REFUND", reference, "90101")],
        4 => vec![payment("PURCHASE", reference, "1000", SILENT)],
        5 => vec![payment("PURCHASE", reference, "1000", LATE)],
        _ => vec![
            payment("AUTHORIZATION", reference, "300000", BY_AMOUNT),
            operation("CAPTURE", reference, "90102"),
            operation("CAPTURE", reference, "90101"),
        ],
    }
}

/// As [`Gateway::call`], but `None` when the gateway died before it answered.
fn try_call(gateway: &Gateway, merchant: &Merchant, params: &[(&str, &str)]) -> Option<Map<String, Value>> {
    let body = support::try_post(&gateway.address, "/FortAPI/paymentApi", &merchant.sign(params), "application/json")?;
    let answer: Map<String, Value> = serde_json::from_slice(&body).ok()?;
    merchant.check(&answer);
    Some(answer)
}
