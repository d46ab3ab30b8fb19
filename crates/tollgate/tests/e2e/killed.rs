//! Processes killed at random moments under load: whoever dies, in the end every outcome is known, no
//! answer that was given turns out wrong, the books of gateway and card network are equal entry by entry,
//! and the merchant's server has heard of everything, in order.
//!
//! The moments are drawn from a seed, which is printed: `TOLLGATE_KILL_SEED` draws the same plan again (what
//! is under way at a moment differs from run to run). `TOLLGATE_KILL_LIVES` makes more lives.

use crate::support::card_network::CardNetwork;
use crate::support::chance::{Chance, seed_from};
use crate::support::errand::{Came, Errand};
use crate::support::receiver::{Behaviour, QUICK_FEEDBACK, Receiver};
use crate::support::{Gateway, Merchant, QUICK, all_at_once, audit, field, payment, status, wait_for, wait_within};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How often the gateway is killed, unless `TOLLGATE_KILL_LIVES` says otherwise.
const LIVES: u64 = 25;
/// How many clients work at the same time.
const CLIENTS: usize = 8;
/// A life ends after fewer answers than this,
const ANSWERS_UNTIL_KILL: u64 = 200;
/// and fewer microseconds.
const KILL_AFTER_US: u64 = 30_000;
/// A start is killed within this time, in microseconds.
const START_KILLED_AFTER_US: u64 = 400_000;
/// The card network is started again within this time, in microseconds.
const NETWORK_AWAY_US: u64 = 200_000;
/// The longest wait for answers: a busy machine needs its time.
const ANSWERS_WAIT_MAX: Duration = Duration::from_secs(120);
/// More orders than these are not left half done.
const LEFT_MAX: usize = 64;
/// A slow answer comes in time, a late one after the gateway has given it up and before its reversal is due.
const NETWORK_TIMES: [&str; 4] = ["--slow-ms", "80", "--late-ms", "450"];
const GATEWAY_TIMES: [(&str, &str); 2] =
    [("TOLLGATE_ACQUIRER_ANSWER_TIMEOUT_MS", "250"), ("TOLLGATE_GATEWAY_REVERSAL_DELAY_MS", "500")];
/// What the start of a gateway logs when the run before left operations without an outcome.
const LOOSE_ENDS: &str = "operations without an outcome were found";

#[test]
fn a_gateway_killed_at_random_moments_loses_doubles_and_guesses_nothing() {
    let seed = seed_from("TOLLGATE_KILL_SEED");
    let lives = std::env::var("TOLLGATE_KILL_LIVES").map_or(LIVES, |lives| lives.parse().expect("a whole number"));
    let mut chance = Chance::new(seed, 0);
    let mut bed = Bed::start(seed);
    for life in 0..lives {
        bed.receiver_is(&mut chance);
        match chance.below(8) {
            0 => bed.dies_starting(&mut chance),
            1 => bed.dies_with_network(life, &mut chance),
            2 => bed.dies_after_clock_moved(life, &mut chance),
            _ => bed.dies(life, &mut chance),
        }
    }
    bed.receiver.come_back();
    bed.receiver.behave(Behaviour::Answer(200, "taken".into()));
    let gateway = bed.gateway();
    assert!(bed.loose_ends >= 3, "the gateway was killed between intents and outcomes: {}", bed.loose_ends);
    let errands = bed.merchants.errands();
    assert!(errands.iter().any(|errand| errand.broken > 0), "merchants were left without an answer");
    audit::assert_nothing_differs(gateway, &bed.network, &errands, Some(&bed.receiver));
}

#[test]
fn a_card_network_killed_under_load_leaves_nothing_unsettled() {
    let mut bed = Bed::start(seed_from("TOLLGATE_KILL_SEED"));
    let gateway = bed.gateway();
    for answers_until_kill in [5, 30] {
        let network = &mut bed.network;
        bed.merchants.work(&gateway, |answers| {
            answers.wait_for(answers_until_kill);
            network.kill();
            wait_for("the link is down", || (!gateway.is_ready()).then_some(()));
            network.start_again();
            wait_for("the link is up", || gateway.is_ready().then_some(()));
            answers.wait_for(answers.count() + 10);
        });
    }
    assert!(gateway.metric("tollgate_link_reconnects_total").unwrap() >= 2.0);
    let errands = bed.merchants.errands();
    assert!(errands.len() > 20, "the load made orders: {}", errands.len());
    audit::assert_nothing_differs(gateway, &bed.network, &errands, Some(&bed.receiver));
}

/// What was new when it died is read again from its orders.
#[test]
fn a_reference_stays_taken_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let data = folder.path().join("data");
    let mut gateway = Gateway::start_on(&network.iso, &data);
    let demo = gateway.demo();
    let references = ["kill-c", "kill-a", "kill-b"];
    let pay = |gateway: &Gateway, reference| {
        let answer = gateway.call(&demo, &payment("PURCHASE", reference, "1000", "4005550000000001"));
        field(&answer, "response_code").to_owned()
    };
    for reference in references {
        assert_eq!(pay(&gateway, reference), "14000");
    }
    gateway.kill();
    let gateway = Gateway::start_on(&network.iso, &data);
    for reference in references {
        assert_eq!(pay(&gateway, reference), "00066", "{reference} was paid before the kill");
        let found = gateway.call(&demo, &status(reference));
        assert_eq!(field(&found, "transaction_code"), "14000");
        // A command beside the gateway has none of its memory.
        assert!(gateway.run_well(&["explain", reference]).contains("14000"));
    }
    assert_eq!(pay(&gateway, "kill-d"), "14000");
}

/// Everything that outlives a gateway.
struct Bed {
    folder: tempfile::TempDir,
    network: CardNetwork,
    receiver: Receiver,
    merchants: Merchants,
    loose_ends: usize,
}

impl Bed {
    fn start(seed: u64) -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let network = CardNetwork::start(&folder.path().join("network"), &NETWORK_TIMES);
        let receiver = Receiver::start();
        let gateway = Gateway::serve(&folder.path().join("data"), &["--dev"], &[]);
        let (direct, notification) = (receiver.url("/direct"), receiver.url("/notify"));
        let urls = ["--direct-feedback-url", &direct, "--notification-feedback-url", &notification];
        crate::support::accounts::set(&gateway, "demo", &urls);
        let merchants = Merchants::new(seed, gateway.demo());
        Bed { folder, network, receiver, merchants, loose_ends: 0 }
    }

    /// The next life.
    fn gateway(&self) -> Gateway {
        Gateway::serve(&self.data(), &["--dev", "--no-issuer"], &self.environment())
    }

    /// A life is over.
    fn bury(&mut self, mut gateway: Gateway) {
        gateway.kill();
        let said = gateway.output();
        assert!(!said.contains("panicked at"), "a defect of ours: {said}");
        self.loose_ends += usize::from(said.contains(LOOSE_ENDS));
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        // A try that a busy machine makes slow is no try in vain.
        let feedback = QUICK_FEEDBACK.iter().filter(|(name, _)| *name != "TOLLGATE_FEEDBACK_TRY_TIMEOUT_MS");
        let network = ("TOLLGATE_ACQUIRER_ADDRESS", self.network.iso.as_str());
        QUICK.iter().chain(feedback).chain(&GATEWAY_TIMES).copied().chain([network]).collect()
    }

    /// The merchant's server for the next life: well, as a rule, else in one of its bad ways.
    fn receiver_is(&mut self, chance: &mut Chance) {
        let behaviour = match chance.below(8) {
            0 => return self.receiver.go_away(),
            1 => Behaviour::Answer(503, "out of order".into()),
            2 => Behaviour::Hangup,
            3 => Behaviour::Silent,
            _ => Behaviour::Answer(200, "taken".into()),
        };
        self.receiver.come_back();
        self.receiver.behave(behaviour);
    }

    /// Killed under load.
    fn dies(&mut self, life: u64, chance: &mut Chance) {
        let gateway = self.gateway();
        let moment = Moment::draw(life, chance);
        self.merchants.work(&gateway, |answers| moment.kill(&gateway, answers));
        self.bury(gateway);
    }

    /// Killed before anybody could use it, perhaps while it reads what the life before left.
    fn dies_starting(&mut self, chance: &mut Chance) {
        let after = Duration::from_micros(chance.below(START_KILLED_AFTER_US));
        Gateway::serve_and_kill(&self.data(), &["--dev", "--no-issuer"], &self.environment(), after);
    }

    /// The card network dies first and comes back, before the gateway dies or after it.
    fn dies_with_network(&mut self, life: u64, chance: &mut Chance) {
        let gateway = self.gateway();
        let network_dies = usize::try_from(chance.below(ANSWERS_UNTIL_KILL)).unwrap();
        let away = Duration::from_micros(chance.below(NETWORK_AWAY_US));
        let comes_back_first = chance.happens(1, 2);
        let moment = Moment::draw(life, chance);
        let network = &mut self.network;
        self.merchants.work(&gateway, |answers| {
            answers.wait_for(network_dies);
            network.kill();
            if comes_back_first {
                wait_until_over(away);
                network.start_again();
                moment.kill(&gateway, answers);
            } else {
                wait_until_over(away);
                crate::support::signal(gateway.pid(), "KILL");
            }
        });
        if !comes_back_first {
            network.start_again();
        }
        self.bury(gateway);
    }

    /// The sandbox clock moves while payments are under way.
    fn dies_after_clock_moved(&mut self, life: u64, chance: &mut Chance) {
        let gateway = self.gateway();
        let (before, moment) = (usize::try_from(chance.below(30)).unwrap(), Moment::draw(life, chance));
        self.merchants.work(&gateway, |answers| {
            answers.wait_for(before);
            gateway.run_well(&["clock", "advance", "10m"]);
            moment.kill(&gateway, answers);
        });
        self.bury(gateway);
    }
}

/// When a life ends.
struct Moment {
    answers: usize,
    then: Duration,
}

impl Moment {
    fn draw(life: u64, chance: &mut Chance) -> Moment {
        let answers = usize::try_from(chance.below(ANSWERS_UNTIL_KILL)).unwrap();
        let moment = Moment { answers, then: Duration::from_micros(chance.below(KILL_AFTER_US)) };
        eprintln!("life {life} ends after {answers} answers and {} us", moment.then.as_micros());
        moment
    }

    fn kill(&self, gateway: &Gateway, answers: &Answers) {
        answers.wait_for(answers.count() + self.answers);
        wait_until_over(self.then);
        crate::support::signal(gateway.pid(), "KILL");
    }
}

/// Waits for a drawn time: the random moment itself, not a guess at when something will have happened.
fn wait_until_over(time: Duration) {
    let end = std::time::Instant::now() + time;
    while std::time::Instant::now() < end {
        std::thread::park_timeout(end.saturating_duration_since(std::time::Instant::now()));
    }
}

/// The merchants, with what they have done and what they have left half done because somebody died.
struct Merchants {
    seed: u64,
    demo: Merchant,
    drawn: AtomicUsize,
    open: Mutex<VecDeque<Errand>>,
    done: Mutex<Vec<Errand>>,
}

/// The answers that merchants have had in one life.
#[derive(Default)]
struct Answers(AtomicUsize);

impl Answers {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn wait_for(&self, count: usize) {
        wait_within(ANSWERS_WAIT_MAX, "enough answers", || (self.count() >= count).then_some(()));
    }
}

/// Set when it goes, also when a check has failed, so that the clients stop.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Merchants {
    fn new(seed: u64, demo: Merchant) -> Merchants {
        Merchants { seed, demo, drawn: AtomicUsize::new(0), open: Mutex::default(), done: Mutex::default() }
    }

    /// Everything that was begun.
    fn errands(&self) -> Vec<Errand> {
        let (open, done) = (self.open.lock().unwrap(), self.done.lock().unwrap());
        open.iter().chain(done.iter()).cloned().collect()
    }

    /// Clients do errands over connections of their own while `disturb` does its work and until it is done.
    fn work(&self, gateway: &Gateway, disturb: impl FnOnce(&Answers) + Send) {
        let (over, answers) = (AtomicBool::new(false), Answers::default());
        std::thread::scope(|scope| {
            let disturber = scope.spawn(|| {
                let _over = SetAtEnd(&over);
                disturb(&answers);
            });
            all_at_once(CLIENTS, |_| self.client(gateway, &over, &answers));
            disturber.join().unwrap();
        });
    }

    fn client(&self, gateway: &Gateway, over: &AtomicBool, answers: &Answers) {
        let is_over = || over.load(Ordering::SeqCst);
        while !is_over() {
            let mut errand = self.next();
            let mut came = Came::Answer;
            while came == Came::Answer && !errand.is_done() {
                came = errand.go_on(gateway, &self.demo);
                answers.0.fetch_add(usize::from(came == Came::Answer), Ordering::SeqCst);
            }
            if errand.is_done() {
                self.done.lock().unwrap().push(errand);
            } else {
                self.open.lock().unwrap().push_back(errand);
            }
            match came {
                Came::Answer => {}
                Came::NotNow => wait_for("the link is up", || (is_over() || gateway.is_ready()).then_some(())),
                Came::Nothing => wait_for("who broke the connection is gone", || is_over().then_some(())),
            }
        }
    }

    /// What was left half done, else something new.
    fn next(&self) -> Errand {
        let mut open = self.open.lock().unwrap();
        let number = self.drawn.fetch_add(1, Ordering::SeqCst);
        let mut chance = Chance::new(self.seed, number as u64 + 1);
        let takes_up = open.len() >= LEFT_MAX || chance.happens(1, 2);
        if let Some(left) = takes_up.then(|| open.pop_front()).flatten() {
            return left;
        }
        Errand::draw(format!("errand-{number}"), &mut chance)
    }
}
