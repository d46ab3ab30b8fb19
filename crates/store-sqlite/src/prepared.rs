//! A connection with the statements that were prepared on it.
//!
//! Most statements take a few microseconds. A cache that finds them by their text hashes and compares hundreds of characters
//! with each use, two times. The texts of this crate are constants, so here they are found by where they stand in the program.
//! (The few that are put together at run time are left to the connection's own cache, or prepared for one use.)

use rusqlite::{CachedStatement, Connection, PrepFlags, Statement};
use std::cell::{OnceCell, RefCell, RefMut};
use std::ops::{Deref, DerefMut};

/// How many statements are kept at most; this crate has some three hundred constants. A power of two.
const STATEMENTS_MAX: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 9;
/// How many neighbouring places a statement may be in.
const NEIGHBOURS: usize = 8;

/// A connection, and its prepared statements. What it does not do itself the connection does.
pub(crate) struct Prepared<'c> {
    connection: &'c Connection,
    /// Empty where the connection's own cache is used.
    kept: Box<[OnceCell<Kept<'c>>]>,
}

struct Kept<'c> {
    sql: &'static str,
    statement: RefCell<Statement<'c>>,
}

impl<'c> Prepared<'c> {
    /// Keeps each statement that is ever used on `connection`, as long as this lives.
    pub(crate) fn keeping(connection: &'c Connection) -> Prepared<'c> {
        Prepared { connection, kept: (0..STATEMENTS_MAX).map(|_| OnceCell::new()).collect() }
    }

    /// For some uses only: the statements stay in the connection's own cache, which is slower and outlives this.
    pub(crate) fn passing(connection: &'c Connection) -> Prepared<'c> {
        Prepared { connection, kept: Box::default() }
    }

    /// The statement of `sql`. It is prepared when it is first used, unless its neighbourhood is full or it is in use already:
    /// then the connection's own cache has it.
    ///
    /// # Errors
    /// When `sql` cannot be prepared.
    pub(crate) fn prepare_cached(&self, sql: &'static str) -> rusqlite::Result<Use<'_, 'c>> {
        if self.kept.is_empty() {
            return self.connection.prepare_cached(sql).map(Use::Cached);
        }
        let from = place(sql);
        for cell in (from..from + NEIGHBOURS).filter_map(|place| self.kept.get(place % STATEMENTS_MAX)) {
            if let Some(kept) = cell.get() {
                if !std::ptr::eq(kept.sql, sql) {
                    continue;
                }
                let Ok(statement) = kept.statement.try_borrow_mut() else { break };
                return Ok(Use::Kept(statement));
            }
            let statement =
                RefCell::new(self.connection.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT)?);
            if let Ok(statement) = cell.get_or_init(|| Kept { sql, statement }).statement.try_borrow_mut() {
                return Ok(Use::Kept(statement));
            }
        }
        self.connection.prepare_cached(sql).map(Use::Cached)
    }
}

/// Where to look for a text first.
fn place(sql: &'static str) -> usize {
    // The top bits of a product with an odd number depend on all bits of the address; two constants of one address differ
    // in length.
    let mixed = (sql.as_ptr().addr() as u64 ^ (sql.len() as u64).rotate_right(8)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - PLACE_BITS)) as usize
}

impl Deref for Prepared<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

/// A statement in use; the next one may use it when this is dropped.
pub(crate) enum Use<'p, 'c> {
    Kept(RefMut<'p, Statement<'c>>),
    Cached(CachedStatement<'c>),
}

impl<'c> Deref for Use<'_, 'c> {
    type Target = Statement<'c>;

    fn deref(&self) -> &Statement<'c> {
        match self {
            Use::Kept(statement) => statement,
            Use::Cached(statement) => statement,
        }
    }
}

impl<'c> DerefMut for Use<'_, 'c> {
    fn deref_mut(&mut self) -> &mut Statement<'c> {
        match self {
            Use::Kept(statement) => statement,
            Use::Cached(statement) => statement,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rusqlite::StatementStatus;

    fn answer(connection: &Prepared<'_>, sql: &'static str) -> i64 {
        connection.prepare_cached(sql).unwrap().query_row([], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_statement_is_prepared_once_and_used_again() {
        let connection = Connection::open_in_memory().unwrap();
        let prepared = Prepared::keeping(&connection);
        const SQL: &str = "SELECT 7";
        for uses in 0..3 {
            let mut statement = prepared.prepare_cached(SQL).unwrap();
            assert!(matches!(statement, Use::Kept(_)));
            assert_eq!(statement.get_status(StatementStatus::Run), uses, "of this statement alone");
            assert_eq!(statement.query_row([], |row| row.get::<_, i64>(0)).unwrap(), 7);
        }
    }

    #[test]
    fn a_statement_in_use_can_be_used_meanwhile() {
        let connection = Connection::open_in_memory().unwrap();
        let prepared = Prepared::keeping(&connection);
        const SQL: &str = "SELECT value FROM (SELECT 1 AS value UNION ALL SELECT 2) ORDER BY value";
        let mut first = prepared.prepare_cached(SQL).unwrap();
        let mut rows = first.query([]).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().get::<_, i64>(0).unwrap(), 1);
        assert_eq!(answer(&prepared, SQL), 1);
        assert_eq!(rows.next().unwrap().unwrap().get::<_, i64>(0).unwrap(), 2);
        assert!(rows.next().unwrap().is_none());
    }

    #[test]
    fn each_text_has_its_own_statement_however_many_there_are() {
        let connection = Connection::open_in_memory().unwrap();
        let prepared = Prepared::keeping(&connection);
        let texts: Vec<&'static str> = (100..800).map(|number| &*format!("SELECT {number}").leak()).collect();
        for _ in 0..2 {
            for (sql, number) in texts.iter().zip(100..) {
                assert_eq!(answer(&prepared, sql), number);
            }
        }
        let kept = prepared.kept.iter().filter(|cell| cell.get().is_some()).count();
        assert!(
            (STATEMENTS_MAX / 2..=STATEMENTS_MAX).contains(&kept),
            "{kept} are kept, and the connection has the rest"
        );
    }

    /// So many that they meet in the table: each is the beginning of the next one, so they differ in their lengths alone.
    #[test]
    fn texts_that_begin_at_one_place_have_statements_of_their_own() {
        let connection = Connection::open_in_memory().unwrap();
        let prepared = Prepared::keeping(&connection);
        let sums = format!("SELECT 0{}", "+1".repeat(300)).leak();
        for _ in 0..2 {
            for ones in 0..=300 {
                let sql = &sums[..8 + 2 * ones];
                assert_eq!(answer(&prepared, sql), i64::try_from(ones).unwrap());
            }
        }
    }

    #[test]
    fn a_text_that_is_no_statement_is_an_error_each_time() {
        let connection = Connection::open_in_memory().unwrap();
        for prepared in [Prepared::keeping(&connection), Prepared::passing(&connection)] {
            for _ in 0..2 {
                assert!(prepared.prepare_cached("SELECT value FROM nothing").is_err());
            }
            assert_eq!(answer(&prepared, "SELECT 3"), 3);
        }
    }
}
