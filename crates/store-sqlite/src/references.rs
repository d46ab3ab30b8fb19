//! Which order holds a merchant's reference: looked up before each new order, and held for ever.
//!
//! References come in no order. An index over them would have each new order change a page of its own, and those pages
//! would be half of what a commit writes. So the newest references are kept in memory, and put into the table
//! `order_references` later, thousands of them in the order of the table, a few with each commit: neighbours share pages.
//! That is called filing here. (It is the first level of a log-structured merge tree, whose log is the table of orders.)
//!
//! Memory is only ever a copy: the row of an order has its reference, and the counter `references_filed_to` is a number
//! up to which every order is filed. So what is not filed is read again from the orders above that number, when a
//! store is opened after a crash, and whenever another process has written to the file. What holds at all times:
//!
//! 1. An order whose number is not above `references_filed_to` has its entry in the table. (One that comes later with so low
//!    a number is filed in its own transaction.)
//! 2. Within a transaction of the writer, once it has looked, every other order of the file is in memory.
//! 3. A reference is claimed in the transaction that writes its order, and given back when that is rolled back.

use crate::failure::Failure;
use crate::prepared::Prepared;
use crate::rows::{all, first};
use rusqlite::params;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::order::Order;

/// How many references are filed with a commit for each of its calls, and into how many commits filing is divided at most, whatever
/// else. A call claims one at most, so filing ends before there are as many new ones again.
const FILED_PER_CALL: usize = 2;
const COMMITS_OF_FILING_MAX: usize = 1_024;

/// The orders that may not be filed, as a condition on `orders`.
macro_rules! unfiled {
    () => {
        "orders.kind < 2 AND orders.fort_id > (SELECT value FROM counters WHERE name = 'references_filed_to')"
    };
}
pub(crate) use unfiled;

/// The numbers of all orders with reference `?1`, whosever, verifications too: for a reader who has time.
macro_rules! orders_of_reference {
    () => {
        concat!(
            "SELECT fort_id FROM order_references WHERE merchant_reference = ?1 \
             UNION ALL SELECT fort_id FROM orders WHERE merchant_reference = ?1 AND kind >= 2 \
             UNION SELECT fort_id FROM orders WHERE merchant_reference = ?1 AND ",
            $crate::references::unfiled!()
        )
    };
}
pub(crate) use orders_of_reference;

/// The references of the newest orders, as this process knows them. Clones share everything.
#[derive(Clone)]
pub(crate) struct References {
    state: Arc<Mutex<State>>,
    /// Whether nobody else makes orders in the file, so that what is in neither memory nor table is nowhere.
    alone: Arc<AtomicBool>,
    /// From this many on, they are filed.
    fresh_max: usize,
}

/// A merchant's reference; ordered as the table is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    reference: Box<str>,
    merchant: MerchantId,
}

type Held = HashMap<Key, FortId, foldhash::fast::RandomState>;

#[derive(Default)]
struct State {
    /// SQLite's number of the database's contents when memory was last complete; `None` when nobody can tell.
    seen: Option<i64>,
    /// Whether the transaction under way has looked at it.
    looked: bool,
    /// The counter.
    filed_to: i64,
    /// What is not being filed yet.
    fresh: Held,
    /// What is being filed, or in parts is already.
    filing: Held,
    /// What is left of it, in the order of the table from the back.
    to_file: Vec<Key>,
    /// What the transaction under way has claimed.
    claimed: Vec<Key>,
    /// What it has filed.
    step: Option<Step>,
}

/// How far filing comes with a commit.
enum Step {
    /// So many references.
    Some(usize),
    /// All that there were. The counter is this now.
    Done(i64),
}

/// What this process knows of a reference without a look at the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recent {
    /// An order claimed it.
    HeldBy(FortId),
    /// It stands in the table or nowhere.
    FiledOrFree,
    /// Another process may have made an order with it.
    Unknown,
}

impl References {
    /// Nothing is known yet. References are filed when there are `fresh_max` new ones.
    pub(crate) fn new(fresh_max: usize) -> References {
        References { state: Arc::default(), alone: Arc::default(), fresh_max }
    }

    /// From now on nobody else makes orders in the file. Comes once memory is complete.
    pub(crate) fn be_alone(&self) {
        self.alone.store(true, Ordering::Release);
    }

    /// For a read, before it begins: what is filed and forgotten meanwhile stands in the table by then.
    pub(crate) fn recent(&self, merchant: MerchantId, reference: &str) -> Recent {
        match self.state().held(&Key::new(merchant, reference)) {
            Some(fort_id) => Recent::HeldBy(fort_id),
            None if self.alone.load(Ordering::Acquire) => Recent::FiledOrFree,
            None => Recent::Unknown,
        }
    }

    /// The order that holds a reference, in a transaction of the writer.
    pub(crate) fn holder(
        &self,
        connection: &Prepared<'_>,
        merchant: MerchantId,
        reference: &str,
    ) -> Result<Option<FortId>, Failure> {
        match self.unfiled_holder(connection, merchant, reference)? {
            Some(fort_id) => Ok(Some(fort_id)),
            None => filed(connection, merchant, reference),
        }
    }

    /// The same without a look at the table.
    pub(crate) fn unfiled_holder(
        &self,
        connection: &Prepared<'_>,
        merchant: MerchantId,
        reference: &str,
    ) -> Result<Option<FortId>, Failure> {
        let key = Key::new(merchant, reference);
        Ok(self.looked(connection)?.held(&key))
    }

    /// A new order claims its reference, which nobody holds, in a transaction of the writer.
    pub(crate) fn claim(&self, connection: &Prepared<'_>, order: &Order) -> Result<(), Failure> {
        let key = Key::new(order.merchant, &order.merchant_reference);
        let mut state = self.looked(connection)?;
        if order.fort_id.0 <= state.filed_to {
            drop(state);
            return file(connection, &key, order.fort_id);
        }
        state.claimed.push(key.clone());
        state.fresh.insert(key, order.fort_id);
        Ok(())
    }

    /// Takes back what the same transaction has claimed for an order that is not made after all.
    pub(crate) fn give_back(&self, connection: &Prepared<'_>, order: &Order) -> Result<(), Failure> {
        let key = Key::new(order.merchant, &order.merchant_reference);
        let mut state = self.state();
        if let Some(place) = state.claimed.iter().rposition(|claimed| *claimed == key) {
            state.claimed.remove(place);
            state.fresh.remove(&key);
            return Ok(());
        }
        drop(state);
        connection
            .prepare_cached(
                "DELETE FROM order_references WHERE merchant_reference = ?1 AND merchant_id = ?2 AND fort_id = ?3",
            )?
            .execute(params![key.reference, key.merchant.0, order.fort_id.0])?;
        Ok(())
    }

    /// Sees to it that memory is complete, in a transaction of the writer.
    pub(crate) fn look(&self, connection: &Prepared<'_>) -> Result<(), Failure> {
        self.looked(connection).map(|_| ())
    }

    /// The same, once in each transaction.
    fn looked(&self, connection: &Prepared<'_>) -> Result<MutexGuard<'_, State>, Failure> {
        let mut state = self.state();
        if state.looked {
            return Ok(state);
        }
        // Changes when anybody but this very connection has committed.
        let now: i64 = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if state.seen == Some(now) {
            state.looked = true;
            return Ok(state);
        }
        // Only the writer changes memory, so a read that looks meanwhile finds what it would have found before.
        drop(state);
        let filed_to = filed_to(connection)?;
        let fresh = unfiled_orders(connection)?;
        state = self.state();
        (state.filed_to, state.fresh) = (filed_to, fresh);
        (state.filing, state.to_file) = (Held::default(), Vec::new());
        (state.seen, state.looked) = (Some(now), true);
        Ok(state)
    }

    /// Files some of what waits for it, in the transaction of `calls` calls.
    pub(crate) fn file_some(&self, connection: &Prepared<'_>, calls: usize) -> Result<(), Failure> {
        let least = self.fresh_max / COMMITS_OF_FILING_MAX;
        let count = least.saturating_add(calls.saturating_mul(FILED_PER_CALL));
        let state = self.state();
        if state.filing.is_empty() {
            return Ok(());
        }
        drop(state);
        // What is on its way is that of memory: another process may have filed it, and more.
        let next = self.looked(connection)?.next_to_file(count);
        let Some(next) = next else { return Ok(()) };
        for (key, fort_id) in &next.entries {
            file(connection, key, *fort_id)?;
        }
        let step = match next.done {
            None => Step::Some(next.entries.len()),
            Some(filed_to) => {
                note_filed_to(connection, filed_to)?;
                Step::Done(filed_to)
            }
        };
        self.state().step = Some(step);
        Ok(())
    }

    /// Files everything, in a transaction of its own that changes nothing else.
    pub(crate) fn file_all(&self, connection: &Prepared<'_>) -> Result<(), Failure> {
        let (mut held, filed_to) = {
            let state = self.looked(connection)?;
            let held = state.filing.iter().chain(&state.fresh);
            (held.map(|(key, fort_id)| (key.clone(), *fort_id)).collect::<Vec<_>>(), state.filed_to)
        };
        held.sort_unstable();
        for (key, fort_id) in &held {
            file(connection, key, *fort_id)?;
        }
        let highest = held.iter().map(|(_, fort_id)| fort_id.0).fold(filed_to, i64::max);
        note_filed_to(connection, highest)?;
        // The counter is all that is left to know of them.
        self.state().step = Some(Step::Done(highest));
        Ok(())
    }

    /// Whether there is something that is not filed, as far as this process has looked.
    pub(crate) fn are_unfiled(&self) -> bool {
        let state = self.state();
        !(state.fresh.is_empty() && state.filing.is_empty())
    }

    /// The transaction is on the disk.
    pub(crate) fn committed(&self) {
        let mut state = self.state();
        state.looked = false;
        state.claimed.clear();
        match state.step.take() {
            Some(Step::Some(count)) => {
                let left = state.to_file.len().saturating_sub(count);
                state.to_file.truncate(left);
            }
            Some(Step::Done(filed_to)) => {
                state.filed_to = filed_to;
                (state.filing, state.to_file) = (Held::default(), Vec::new());
                // Of those that came meanwhile none is so low, unless all were filed at once.
                state.fresh.retain(|_, fort_id| fort_id.0 > filed_to);
            }
            None => {}
        }
        if state.filing.is_empty() && state.fresh.len() >= self.fresh_max {
            state.filing = std::mem::take(&mut state.fresh);
            state.to_file = state.filing.keys().cloned().collect();
            state.to_file.sort_unstable_by(|one, other| other.cmp(one));
        }
    }

    /// The transaction is rolled back, or nobody knows.
    pub(crate) fn rolled_back(&self) {
        self.roll_back_to(0);
        let mut state = self.state();
        (state.looked, state.step) = (false, None);
    }

    /// Nobody knows what memory is worth: a new connection counts anew what others commit.
    pub(crate) fn distrust(&self) {
        self.rolled_back();
        self.state().seen = None;
    }

    /// How much the transaction has claimed, to go back to it.
    pub(crate) fn savepoint(&self) -> usize {
        self.state().claimed.len()
    }

    /// Takes back what was claimed since then.
    pub(crate) fn roll_back_to(&self, savepoint: usize) {
        let mut state = self.state();
        while state.claimed.len() > savepoint {
            if let Some(key) = state.claimed.pop() {
                state.fresh.remove(&key);
            }
        }
    }

    // A panic elsewhere has its transaction rolled back, and memory with it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn new(merchant: MerchantId, reference: &str) -> Key {
        Key { reference: reference.into(), merchant }
    }
}

/// What a commit files.
struct NextToFile {
    entries: Vec<(Key, FortId)>,
    /// If they are the last ones, the counter after them.
    done: Option<i64>,
}

impl State {
    fn held(&self, key: &Key) -> Option<FortId> {
        self.fresh.get(key).or_else(|| self.filing.get(key)).copied()
    }

    /// The next ones in the order of the table, up to `count`; `None` when nothing is being filed.
    fn next_to_file(&self, count: usize) -> Option<NextToFile> {
        if self.filing.is_empty() {
            return None;
        }
        let next = self.to_file.iter().rev().take(count);
        let entries = next.filter_map(|key| Some((key.clone(), *self.filing.get(key)?))).collect();
        let done = (self.to_file.len() <= count).then(|| self.filed_to_after());
        Some(NextToFile { entries, done })
    }

    /// What the counter is when all that is being filed is filed.
    fn filed_to_after(&self) -> i64 {
        let lowest_left = self.fresh.values().map(|fort_id| fort_id.0.saturating_sub(1)).min();
        let highest = self.filing.values().map(|fort_id| fort_id.0).max();
        lowest_left.or(highest).unwrap_or(self.filed_to).max(self.filed_to)
    }
}

/// The order that holds a reference by the table.
fn filed(connection: &Prepared<'_>, merchant: MerchantId, reference: &str) -> Result<Option<FortId>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT fort_id FROM order_references WHERE merchant_reference = ?1 AND merchant_id = ?2")?;
    first(statement.query(params![reference, merchant.0])?, |row| Ok(FortId(row.get(0)?)))
}

fn file(connection: &Prepared<'_>, key: &Key, fort_id: FortId) -> Result<(), Failure> {
    let added = connection
        .prepare_cached(
            "INSERT INTO order_references (merchant_reference, merchant_id, fort_id) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![key.reference, key.merchant.0, fort_id.0])?;
    // After a crash some are filed for the second time.
    if added == 0
        && let Some(other) = filed(connection, key.merchant, &key.reference)?
        && other != fort_id
    {
        metrics::counter!("tollgate_store_references_doubled_total").increment(1);
        tracing::error!(
            merchant = key.merchant.0,
            orders = %format!("{other} and {fort_id}"),
            "two orders hold one reference of a merchant: the database was written by something else than this program"
        );
    }
    Ok(())
}

fn unfiled_orders(connection: &Prepared<'_>) -> Result<Held, Failure> {
    let mut statement = connection
        .prepare_cached(concat!("SELECT merchant_reference, merchant_id, fort_id FROM orders WHERE ", unfiled!()))?;
    let read = |row: &rusqlite::Row<'_>| {
        let reference: Box<str> = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?.into();
        Ok((Key { reference, merchant: MerchantId(row.get(1)?) }, FortId(row.get(2)?)))
    };
    Ok(all(statement.query([])?, read)?.into_iter().collect())
}

fn filed_to(connection: &Prepared<'_>) -> Result<i64, Failure> {
    let mut statement = connection.prepare_cached("SELECT value FROM counters WHERE name = 'references_filed_to'")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

fn note_filed_to(connection: &Prepared<'_>, filed_to: i64) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE counters SET value = ?1 WHERE name = 'references_filed_to'")?
        .execute([filed_to])?;
    Ok(())
}
