//! What was answered survives the death of the process at any moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod orders;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tollgate_core::command::OrderTarget;
use tollgate_core::order::{OperationState, Phase};
use tollgate_store::{OrderClaim, Orders, Recorded, Recoveries, StoreError, Whose};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

/// Set in the child alone: the database that it writes.
const DATABASE: &str = "TOLLGATE_TEST_DATABASE";
/// A number that no order has.
const NUMBER_OF_NOBODY: i64 = 999_999_999_999_999_999;
/// How many lines the parent reads before each kill.
const ANSWERS_BEFORE_KILL: [usize; 6] = [1, 7, 40, 111, 256, 600];
const CHILD_CALLERS: i64 = 16;

/// References are filed with nearly each commit, so that a death meets that too.
fn filing() -> SqliteOptions {
    SqliteOptions { references_fresh_max: 8, ..SqliteOptions::default() }
}

/// The body of the child: writes without end and prints each answer once it has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the body of the child process, started by the test below"]
async fn child_that_writes_until_it_is_killed() {
    let Some(database) = std::env::var_os(DATABASE) else { return };
    let store = Arc::new(SqliteStore::open(Path::new(&database), filing()).unwrap());
    let first = i64::from(std::process::id()) * 1_000_000_000;
    let callers = (0..CHILD_CALLERS).map(|caller| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in (first + caller..first + 1_000_000_000).step_by(CHILD_CALLERS as usize) {
                let new = orders::new_order(number, &format!("order-{number}"));
                assert_eq!(store.claim_order(new.clone()).await.unwrap(), OrderClaim::Claimed);
                print_line(&format!("claimed {number}"));
                let unknown = number % 3 == 0;
                let record = if unknown { orders::unknown(&new) } else { orders::approved(&new) };
                assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
                print_line(&format!("{} {number}", if unknown { "unknown" } else { "approved" }));
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

/// Killed with SIGKILL after so many answers, again and again over the same file: every answer that
/// was printed is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_outlives_a_killed_process() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("tollgate.db");
    let mut answers = Vec::new();
    for count in ANSWERS_BEFORE_KILL {
        let mut child = start_child(&database);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut read = 0;
        while read < count {
            let line = lines.next().expect("the child writes until it is killed").unwrap();
            if let Some(answer) = Answer::parse(&line) {
                answers.push(answer);
                read += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had printed before the kill, but not what it was writing when it died.
        answers.extend(lines.map_while(Result::ok).filter_map(|line| Answer::parse(&line)));
        check(&database, &answers).await;
    }
    assert!(answers.len() >= ANSWERS_BEFORE_KILL.iter().sum());
}

/// No file may become longer than 3 MiB, which fails writes as a full disk does: what was answered
/// before is there, what was answered with an error is not half there, and reads went on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_space_nothing_is_promised() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("tollgate.db");
    let limit = "trap '' XFSZ; ulimit -f 6144; exec \"$0\" \"$@\"";
    let child = Command::new("sh")
        .args(["-c", limit])
        .arg(std::env::current_exe().unwrap())
        .args(["child_that_writes_until_no_space_is_left", "--exact", "--ignored", "--nocapture"])
        .env(DATABASE, &database)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let answers: Vec<Answer> = String::from_utf8(child.stdout).unwrap().lines().filter_map(Answer::parse).collect();
    assert!(answers.len() > 100, "the child wrote for a while: {}", answers.len());
    check(&database, &answers).await;
}

/// The body of the child: writes until it is told that it cannot, then reads everything it was promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the body of the child process, started by the test above"]
async fn child_that_writes_until_no_space_is_left() {
    let Some(database) = std::env::var_os(DATABASE) else { return };
    let store = SqliteStore::open(Path::new(&database), filing()).unwrap();
    for number in 1..100_000 {
        let mut new = orders::new_order(number, &format!("order-{number}"));
        new.request.push("merchant_extra", &"x".repeat(900));
        match store.claim_order(new).await {
            Ok(claim) => assert_eq!(claim, OrderClaim::Claimed),
            Err(StoreError::Unavailable(_) | StoreError::InDoubt(_)) => {
                assert_eq!(store.totals().await.unwrap()[0].orders, u64::try_from(number - 1).unwrap());
                return;
            }
            Err(error) => panic!("{error}"),
        }
        print_line(&format!("claimed {number}"));
    }
    panic!("the limit was never met");
}

async fn check(database: &Path, answers: &[Answer]) {
    let store = SqliteStore::open(database, SqliteOptions::default()).unwrap();
    for answer in answers {
        let new = orders::new_order(answer.number, &format!("order-{}", answer.number));
        let target = OrderTarget::Reference(new.order.merchant_reference.clone());
        let found = store.order(new.order.merchant, &target).await.unwrap().expect("an answered claim is there");
        assert_eq!(found.order.fort_id, new.order.fort_id);
        let mut again = orders::new_order(NUMBER_OF_NOBODY, &new.order.merchant_reference);
        again.order.merchant = new.order.merchant;
        assert_eq!(store.claim_order(again).await.unwrap(), OrderClaim::ReferenceTaken(new.order.fort_id));
        match answer.phase {
            Phase::Pending => {}
            phase => assert_eq!(found.order.phase, phase, "order {}", answer.number),
        }
        // Whole or not at all: the operation agrees with its order, and the queue with both.
        let told = store.story(found.order.fort_id).await.unwrap().unwrap();
        let operation = &told.operations[0];
        let (state, queued) = match found.order.phase {
            Phase::Pending => (OperationState::Sent, false),
            Phase::Unknown => (OperationState::Unknown, true),
            _ => (OperationState::Approved, false),
        };
        assert_eq!((operation.operation.state, operation.recovery.is_some()), (state, queued));
        assert_eq!(operation.outcomes.len(), usize::from(found.order.phase != Phase::Pending));
    }
    let (backlog, _) = store.recovery_backlog().await.unwrap();
    let unsettled = store.totals().await.unwrap()[0].unsettled;
    let sent = store
        .unfinished(Whose::Everybody { before: orders::at(i64::MAX / 2_000_000) }, usize::MAX)
        .await
        .unwrap()
        .len();
    assert_eq!(unsettled, backlog + u64::try_from(sent).unwrap());
}

struct Answer {
    number: i64,
    phase: Phase,
}

impl Answer {
    fn parse(line: &str) -> Option<Answer> {
        // The harness prints the test's name in front of the first line.
        let words: Vec<&str> = line.split(' ').collect();
        let [.., word, number] = words.as_slice() else { return None };
        let phase = match *word {
            "claimed" => Phase::Pending,
            "approved" => Phase::Purchased,
            "unknown" => Phase::Unknown,
            _ => return None,
        };
        Some(Answer { number: number.parse().ok()?, phase })
    }
}

fn start_child(database: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child_that_writes_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    // A write to a pipe whose reader is gone fails, and then nobody has read the answer.
    let _unread = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}
