//! A merchant's reference is claimed by one order, for ever, wherever this store keeps it: in memory while it is new, on its
//! way into its table, or there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod orders;

use futures_util::future::join_all;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::task::{Context, Poll};
use tollgate_core::command::OrderTarget;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::money::Amount;
use tollgate_store::{NewOrder, OrderClaim, Orders, Recorded, StoreError, StoreFuture};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

/// Few merchants and references, so that most are asked for again.
const MERCHANTS: i64 = 3;
const REFERENCES: u8 = 40;
/// Numbers of orders that nobody has to be afraid of: those of later ones are larger.
const NUMBER_FIRST: i64 = 1_000_000;
/// More digits than an operation's number may have: its order is written, and then the operation is refused.
const NUMBER_TOO_LONG: i64 = 1_000_000_000_000_000_000;

/// What somebody does with the store.
#[derive(Clone, Debug)]
enum Act {
    /// Claims a reference under a new number, or with `late` under one that is lower than all others.
    Claim { merchant: i64, reference: u8, late: bool },
    /// The same by another process.
    ClaimElsewhere { merchant: i64, reference: u8 },
    /// Claims a reference under a number that is refused.
    ClaimInVain { merchant: i64, reference: u8 },
    /// Several claims and a call that breaks a rule wait for one commit.
    ClaimBesidePoison { references: Vec<u8> },
    /// Asks for the order of a reference.
    Ask { merchant: i64, reference: u8 },
    /// Another process writes something else.
    WriteElsewhere,
    /// Closes the store and opens it again.
    Reopen,
    /// Goes on with what is on the disk, as after a kill.
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    let merchant = || 1..=MERCHANTS;
    let reference = || 0..REFERENCES;
    prop_oneof![
        12 => (merchant(), reference(), prop::bool::weighted(0.2))
            .prop_map(|(merchant, reference, late)| Act::Claim { merchant, reference, late }),
        4 => (merchant(), reference()).prop_map(|(merchant, reference)| Act::ClaimElsewhere { merchant, reference }),
        1 => (merchant(), reference()).prop_map(|(merchant, reference)| Act::ClaimInVain { merchant, reference }),
        1 => prop::collection::vec(reference(), 1..6).prop_map(|references| Act::ClaimBesidePoison { references }),
        4 => (merchant(), reference()).prop_map(|(merchant, reference)| Act::Ask { merchant, reference }),
        1 => Just(Act::WriteElsewhere),
        1 => Just(Act::Reopen),
        1 => Just(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reference_is_claimed_once_whatever_happens(
        acts in prop::collection::vec(act(), 1..70),
        fresh_max in 1..9_usize,
        alone: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut house = House::open(fresh_max, alone).await;
            for act in acts {
                house.act(act).await;
            }
            house.check_all().await;
        });
    }
}

/// A store on a disk, and what must be true of it.
struct House {
    folder: tempfile::TempDir,
    options: SqliteOptions,
    /// Whether the store was told that nobody else claims. Then nobody does.
    alone: bool,
    store: SqliteStore,
    /// That of another process, once it has claimed something.
    other: Option<SqliteStore>,
    held: BTreeMap<(i64, u8), FortId>,
    number: i64,
    late_number: i64,
    /// An order whose outcome breaks a rule.
    poison: NewOrder,
}

impl House {
    async fn open(references_fresh_max: usize, alone: bool) -> House {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions { references_fresh_max, ..SqliteOptions::default() };
        let store = open(folder.path(), options, alone).await;
        let poison = orders::new_order(1, "poison");
        assert_eq!(store.claim_order(poison.clone()).await.unwrap(), OrderClaim::Claimed);
        let (number, late_number) = (NUMBER_FIRST, NUMBER_FIRST);
        House { folder, options, alone, store, other: None, held: BTreeMap::new(), number, late_number, poison }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Claim { merchant, reference, late } => {
                let number = if late { self.lower() } else { self.higher() };
                let answer = self.store.claim_order(order(number, merchant, reference)).await.unwrap();
                self.came(merchant, reference, number, &answer);
            }
            Act::ClaimElsewhere { merchant, reference } if !self.alone => {
                let number = self.higher();
                if self.other.is_none() {
                    self.other = Some(open(self.folder.path(), self.options, false).await);
                }
                let other = self.other.as_ref().unwrap();
                let answer = other.claim_order(order(number, merchant, reference)).await.unwrap();
                self.came(merchant, reference, number, &answer);
            }
            Act::ClaimInVain { merchant, reference } => {
                let answer = self.store.claim_order(order(NUMBER_TOO_LONG, merchant, reference)).await;
                match self.held.get(&(merchant, reference)) {
                    Some(holder) => assert_eq!(answer.unwrap(), OrderClaim::ReferenceTaken(*holder)),
                    None => assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}"),
                }
            }
            Act::ClaimBesidePoison { references } => self.claim_beside_poison(&references).await,
            Act::Ask { merchant, reference } => self.ask(merchant, reference).await,
            Act::WriteElsewhere | Act::ClaimElsewhere { .. } => {
                let sql = "UPDATE counters SET value = value + 1 WHERE name = 'merchants_generation'";
                plain(self.folder.path()).execute(sql, []).unwrap();
            }
            Act::Reopen => {
                self.other = None;
                self.store.close().await;
                if self.alone {
                    let filed = self.table().len();
                    assert_eq!(filed, self.held.len() + 1, "a gateway that was closed leaves nothing to read again");
                }
                self.store = open(self.folder.path(), self.options, self.alone).await;
            }
            Act::Crash => {
                let left = tempfile::tempdir().unwrap();
                for name in ["tollgate.db", "tollgate.db-wal"] {
                    let from = self.folder.path().join(name);
                    // A store that was just opened has no log yet.
                    if from.exists() {
                        std::fs::copy(from, left.path().join(name)).unwrap();
                    }
                }
                self.other = None;
                self.store = open(left.path(), self.options, self.alone).await;
                self.folder = left;
            }
        }
    }

    /// The writer is held up by a lock, so what is polled meanwhile shares one batch.
    async fn claim_beside_poison(&mut self, references: &[u8]) {
        let mut record = orders::unknown(&self.poison);
        record.order.totals.captured = Amount::from_minor(1).unwrap();
        let new: Vec<_> = references.iter().map(|reference| (self.higher(), *reference)).collect();
        let other = plain(self.folder.path());
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut calls: Vec<_> =
            new.iter().map(|(number, reference)| self.store.claim_order(order(*number, 1, *reference))).collect();
        let mut poison = self.store.record_outcome(record);
        let begun = calls.iter_mut().all(|call| begin(call).is_pending());
        assert!(begun && begin::<Recorded>(&mut poison).is_pending());
        other.execute_batch("COMMIT").unwrap();
        let answers = join_all(calls).await;
        let poisoned = poison.await;
        assert!(matches!(poisoned, Err(StoreError::Refused(_))), "{poisoned:?}");
        for ((number, reference), answer) in new.into_iter().zip(answers) {
            self.came(1, reference, number, &answer.unwrap());
        }
    }

    /// What a claim must be answered, and what is true from then on.
    fn came(&mut self, merchant: i64, reference: u8, number: i64, answer: &OrderClaim) {
        match self.held.get(&(merchant, reference)) {
            Some(holder) => assert_eq!(*answer, OrderClaim::ReferenceTaken(*holder)),
            None => {
                assert_eq!(*answer, OrderClaim::Claimed);
                self.held.insert((merchant, reference), FortId(number));
            }
        }
    }

    async fn ask(&self, merchant: i64, reference: u8) {
        let target = OrderTarget::Reference(name(reference));
        let found = self.store.order(MerchantId(merchant), &target).await.unwrap();
        let found = found.map(|stored| stored.order.fort_id);
        assert_eq!(found, self.held.get(&(merchant, reference)).copied(), "{merchant} {reference}");
    }

    async fn check_all(&self) {
        for reference in 0..REFERENCES {
            let mut holders = BTreeSet::new();
            for merchant in 1..=MERCHANTS {
                self.ask(merchant, reference).await;
                holders.extend(self.held.get(&(merchant, reference)));
            }
            let found = self.store.orders_by_reference(&name(reference), 100).await.unwrap();
            assert_eq!(found.len(), holders.len());
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), holders);
        }
        let filed_to: i64 = plain(self.folder.path())
            .query_row("SELECT value FROM counters WHERE name = 'references_filed_to'", [], |row| row.get(0))
            .unwrap();
        let table = self.table();
        for (key, holder) in &self.held {
            let filed = table.get(&(key.0, name(key.1)));
            assert!(
                filed == Some(holder) || (filed.is_none() && holder.0 > filed_to),
                "{key:?}: {filed:?}, {filed_to}"
            );
        }
    }

    fn table(&self) -> BTreeMap<(i64, String), FortId> {
        let connection = plain(self.folder.path());
        let mut statement =
            connection.prepare("SELECT merchant_id, merchant_reference, fort_id FROM order_references").unwrap();
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), FortId(row.get(2)?)))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn higher(&mut self) -> i64 {
        self.number += 1;
        self.number
    }

    fn lower(&mut self) -> i64 {
        self.late_number -= 1;
        self.late_number
    }
}

async fn open(folder: &Path, options: SqliteOptions, alone: bool) -> SqliteStore {
    let store = SqliteStore::open(&folder.join("tollgate.db"), options).unwrap();
    if alone {
        store.be_alone().await.unwrap();
    }
    store
}

fn plain(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("tollgate.db")).unwrap()
}

fn name(reference: u8) -> String {
    // In no order, as merchants have them.
    format!("{:02x}-cart", reference.wrapping_mul(101))
}

fn order(number: i64, merchant: i64, reference: u8) -> NewOrder {
    let mut new = orders::new_order(number, &name(reference));
    new.order.merchant = MerchantId(merchant);
    new
}

/// Hands a call to the writer without waiting for its answer.
fn begin<T>(call: &mut StoreFuture<'_, T>) -> Poll<Result<T, StoreError>> {
    let mut context = Context::from_waker(futures_util::task::noop_waker_ref());
    call.as_mut().poll(&mut context)
}

/// What is not filed is read from the orders once, when a gateway begins, and never by its reads.
#[tokio::test]
async fn references_are_filed_a_few_with_each_commit() {
    let mut house = House::open(8, true).await;
    let mut most_unfiled = 0;
    for reference in 0..REFERENCES {
        house.act(Act::Claim { merchant: 1, reference, late: false }).await;
        most_unfiled = most_unfiled.max(house.held.len() + 1 - house.table().len());
    }
    assert!((8..=16).contains(&most_unfiled), "{most_unfiled}");
    house.check_all().await;
}
