//! Is the money right? Three books of the same run: the gateway's store, the card network's ledger, and what the
//! answers told the generator.

use super::fetch::get_json;
use super::tally::Money;
use crate::data_folder::DataFolder;
use anyhow::Context;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tollgate_issuer::LedgerTotals;
use tollgate_store::{CurrencyTotals, Orders};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

/// How long operations whose outcome is unknown may take to be settled, in milliseconds.
const SETTLE_MS_MAX: u64 = 60_000;
/// The pause between two looks, in milliseconds.
const LOOK_MS: u64 = 200;

/// Sums by currency (ISO 4217 alphabetic code), minor units.
pub type Sums = BTreeMap<String, Sum>;

/// One currency of one book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Authorized and not captured.
    pub held: i64,
    /// Captured, purchases included.
    pub captured: i64,
    /// Refunded.
    pub refunded: i64,
}

/// Both books at one moment.
#[derive(Clone, Debug, Default)]
pub struct Books {
    gateway: Sums,
    ledger: Sums,
    orders: i64,
    unsettled: u64,
}

impl Books {
    /// Reads both books when nothing is unsettled any more, or at the latest after a minute.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub async fn read(folder: &DataFolder, ledger: &str) -> anyhow::Result<Books> {
        let database = folder.database();
        let store = SqliteStore::open(&database, SqliteOptions::default());
        let store = store.with_context(|| format!("the database {} cannot be opened", database.display()))?;
        let read = Books::read_settled(&store, ledger).await;
        store.close().await;
        read
    }

    async fn read_settled(store: &SqliteStore, ledger: &str) -> anyhow::Result<Books> {
        let begun = Instant::now();
        loop {
            let totals = store.totals().await?;
            let unsettled: u64 = totals.iter().map(|totals| totals.unsettled).sum();
            if unsettled == 0 || begun.elapsed() > Duration::from_millis(SETTLE_MS_MAX) {
                let ledger: LedgerTotals = get_json(ledger, "/ledger/totals").await?;
                let orders = totals.iter().map(|totals| signed(totals.orders)).sum();
                return Ok(Books { gateway: gateway_sums(&totals), ledger: ledger_sums(&ledger), orders, unsettled });
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }
}

/// The comparison of the books.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SumsCheck {
    /// Whether all books say the same and nothing is unsettled.
    pub equal: bool,
    /// What differs, for a person; empty when all is right.
    pub differences: Vec<String>,
    /// Orders with an operation that is open or unknown, a minute after the load.
    pub unsettled: u64,
    /// Orders that the run made, by the gateway's store.
    pub orders: i64,
    /// The run's part of the gateway's sums.
    pub gateway: Sums,
    /// The run's part of the ledger's sums.
    pub ledger: Sums,
    /// The sums by the answers; nothing when an answer was lost, so that they cannot be exact.
    pub answers: Option<Sums>,
}

/// Compares what a run added to both books with each other, and with the answers.
pub fn compare(before: &Books, after: &Books, answers: Option<&Answers>) -> SumsCheck {
    let gateway = difference(&before.gateway, &after.gateway);
    let ledger = difference(&before.ledger, &after.ledger);
    let orders = after.orders - before.orders;
    let mut differences = Vec::new();
    if after.unsettled > 0 {
        differences.push(format!("{} orders are not settled", after.unsettled));
    }
    tell("the card network's ledger", &gateway, &ledger, &mut differences);
    if let Some(answers) = answers {
        tell("the answers", &gateway, &answers.sums, &mut differences);
        if answers.orders != orders {
            differences.push(format!("the gateway made {orders} orders, and the answers told of {}", answers.orders));
        }
    }
    let answers = answers.map(|answers| answers.sums.clone());
    SumsCheck {
        equal: differences.is_empty(),
        differences,
        unsettled: after.unsettled,
        orders,
        gateway,
        ledger,
        answers,
    }
}

/// What the answers of a run say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    sums: Sums,
    orders: i64,
}

impl Answers {
    /// Adds the money of one load. `currencies` are the codes of its places.
    pub fn add(&mut self, money: &[Money], currencies: &[String]) {
        for (money, currency) in money.iter().zip(currencies) {
            self.orders += money.orders;
            if *money != Money::default() {
                let sum = self.sums.entry(currency.clone()).or_default();
                sum.held += money.held;
                sum.captured += money.captured;
                sum.refunded += money.refunded;
            }
        }
    }
}

fn tell(other: &str, gateway: &Sums, sums: &Sums, differences: &mut Vec<String>) {
    let currencies: BTreeSet<_> = gateway.keys().chain(sums.keys()).collect();
    for currency in currencies {
        let ours = gateway.get(currency).copied().unwrap_or_default();
        let theirs = sums.get(currency).copied().unwrap_or_default();
        for (what, ours, theirs) in [
            ("held", ours.held, theirs.held),
            ("captured", ours.captured, theirs.captured),
            ("refunded", ours.refunded, theirs.refunded),
        ] {
            if ours != theirs {
                differences.push(format!("{currency} {what}: the gateway says {ours}, {other} {theirs} (minor units)"));
            }
        }
    }
}

/// Currencies whose sums did not change are left out.
fn difference(before: &Sums, after: &Sums) -> Sums {
    let changed = after.iter().map(|(currency, after)| {
        let before = before.get(currency).copied().unwrap_or_default();
        let change = Sum {
            held: after.held - before.held,
            captured: after.captured - before.captured,
            refunded: after.refunded - before.refunded,
        };
        (currency.clone(), change)
    });
    changed.filter(|(_, change)| *change != Sum::default()).collect()
}

fn gateway_sums(totals: &[CurrencyTotals]) -> Sums {
    let sum = |totals: &CurrencyTotals| Sum {
        held: signed(totals.held),
        captured: signed(totals.captured),
        refunded: signed(totals.refunded),
    };
    totals.iter().map(|totals| (totals.currency.alpha().to_owned(), sum(totals))).collect()
}

fn ledger_sums(totals: &LedgerTotals) -> Sums {
    let sums = totals.currencies.iter().map(|totals| {
        let sum = Sum { held: signed(totals.held), captured: signed(totals.posted), refunded: signed(totals.refunded) };
        (totals.currency.clone(), sum)
    });
    sums.collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(captured: i64) -> Sums {
        Sums::from([("AED".to_owned(), Sum { held: 5, captured, refunded: 0 })])
    }

    fn books(captured: i64, posted: i64) -> Books {
        Books { gateway: sums(captured), ledger: sums(posted), orders: captured, unsettled: 0 }
    }

    fn answers(captured: i64) -> Answers {
        let mut answers = Answers::default();
        answers.add(&[Money { orders: captured, held: 0, captured, refunded: 0 }], &["AED".to_owned()]);
        answers
    }

    #[test]
    fn only_what_the_run_added_is_compared() {
        // The gateway has 100 that the ledger does not know, from before.
        let check = compare(&books(100, 0), &books(107, 7), Some(&answers(7)));
        assert!(check.equal, "{:?}", check.differences);
        assert_eq!(check.gateway["AED"], Sum { held: 0, captured: 7, refunded: 0 });
    }

    #[test]
    fn each_difference_is_named() {
        let check = compare(&books(0, 0), &books(7, 8), None);
        assert!(!check.equal);
        assert_eq!(check.differences.len(), 1);
        assert!(check.differences.iter().all(|text| text.contains("AED captured") && text.contains('8')));
        let check = compare(&books(0, 0), &books(7, 7), Some(&answers(6)));
        assert_eq!(check.differences.len(), 2, "the sum and the number of orders: {:?}", check.differences);
        let after = Books { unsettled: 1, ..books(7, 7) };
        assert!(!compare(&books(0, 0), &after, None).equal);
    }
}
