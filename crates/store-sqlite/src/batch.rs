//! Batches and their rows.

use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::outcome::settled_state;
use crate::prepared::Prepared;
use crate::read;
use crate::rows::{all, first, limit};
use rusqlite::{Connection, Row, params};
use tollgate_core::batch::{BatchEvent, BatchFault, BatchId, BatchRowId, BatchRowState, BatchState};
use tollgate_core::card::CardFacts;
use tollgate_core::code::{PAYMENT_LINK_DONE, ResponseCode, message, refused as refused_code};
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::money::Money;
use tollgate_core::order::OperationState;
use tollgate_core::payment_link::PaymentLinkId;
use tollgate_core::time::Timestamp;
use tollgate_store::{
    BATCH_ROWS_PER_CALL_MAX, Batch, BatchBegun, BatchChange, BatchCounts, BatchFilter, BatchResult, BatchRow, BegunRow,
    EndedRow, EndedRows, JudgedRows, LifeId, NewBatch, NewBatchRow, ResultLink, ResultOperation, RowEnd, RowRefusal,
    RowVerdict, StoreError,
};

/// How many lines and places the keys of one batch have room for: more than a file of 50 MiB can have lines.
const KEYS_PER_BATCH: i64 = 1 << 26;

/// The columns that [`batch`] reads, from place 0.
macro_rules! batch_columns {
    () => {
        "batches.batch_id, batches.merchant_id, batches.reference, batches.access_code, batches.language, \
         batches.file_name, batches.columns, batches.state, batches.fault, batches.owner, batches.rows_all, \
         batches.rows_judged, batches.rows_refused, batches.rows_begun, batches.rows_done, batches.rows_good, \
         batches.uploaded_at, batches.validated_at, batches.asked_at, batches.done_at, batches.execute_at"
    };
}

/// The rows of a batch in a state.
macro_rules! rows_sql {
    ($state:literal) => {
        concat!(
            "SELECT row_id, cells, card_in FROM batch_rows WHERE ",
            $state,
            " AND row_id > ?1 AND row_id < ?2 ORDER BY row_id LIMIT ?3"
        )
    };
}

/// A batch's own number: what the keys of its rows begin with.
#[derive(Clone, Copy)]
struct Number(i64);

impl Number {
    /// The key of a line or of a place.
    const fn key(self, of: u32) -> i64 {
        self.0 * KEYS_PER_BATCH + of as i64
    }

    /// The first key that is another batch's.
    const fn end(self) -> i64 {
        (self.0 + 1) * KEYS_PER_BATCH
    }
}

/// Begins a batch. Nothing is changed unless the answer is `Begun`.
pub(crate) fn begin(connection: &Prepared<'_>, new: &NewBatch) -> Result<BatchBegun, Failure> {
    let mut taken = connection.prepare_cached("SELECT 1 FROM batches WHERE reference = ?1 AND merchant_id = ?2")?;
    if taken.exists(params![new.reference, new.merchant.0])? {
        return Ok(BatchBegun::ReferenceTaken);
    }
    let inserted = connection
        .prepare_cached(
            "INSERT INTO batches (batch_id, merchant_id, reference, access_code, language, file_name, columns, state, \
             owner, uploaded_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            new.id.0,
            new.merchant.0,
            new.reference,
            new.access_code,
            new.language,
            new.file_name,
            texts(&new.columns)?,
            new.owner.0,
            new.at.0,
        ])?;
    Ok(if inserted == 1 { BatchBegun::Begun } else { BatchBegun::NumberTaken })
}

/// Adds rows to a batch that is being received.
pub(crate) fn add_rows(connection: &Prepared<'_>, batch: BatchId, rows: &[NewBatchRow]) -> Result<(), Failure> {
    bounded(rows.len())?;
    let Some(number) = number_in(connection, batch, BatchState::Receiving)? else {
        return Err(refused("rows are added to a batch that is being received"));
    };
    let mut insert =
        connection.prepare_cached("INSERT INTO batch_rows (row_id, cells, card_in, state) VALUES (?1, ?2, ?3, 0)")?;
    for row in rows {
        if i64::from(row.line) >= KEYS_PER_BATCH {
            return Err(refused("a line of a batch has a number below 2^26"));
        }
        let card_in = row.card_number_in.map(|place| i64::try_from(place).unwrap_or(i64::MAX));
        insert.execute(params![number.key(row.line), texts(&row.cells)?, card_in])?;
    }
    let added = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    connection
        .prepare_cached("UPDATE batches SET rows_all = rows_all + ?2 WHERE number = ?1")?
        .execute([number.0, added])?;
    Ok(())
}

/// Throws a batch that is being received away, piece by piece.
pub(crate) fn discard(connection: &Prepared<'_>, batch: BatchId, rows_max: usize) -> Result<bool, Failure> {
    let Some(number) = number_in(connection, batch, BatchState::Receiving)? else { return Ok(true) };
    let deleted = connection
        .prepare_cached(
            "DELETE FROM batch_rows WHERE row_id IN \
             (SELECT row_id FROM batch_rows WHERE row_id >= ?1 AND row_id < ?2 ORDER BY row_id LIMIT ?3)",
        )?
        .execute([number.key(0), number.end(), limit(rows_max)])?;
    if deleted >= rows_max.max(1) {
        return Ok(false);
    }
    connection.prepare_cached("DELETE FROM batches WHERE number = ?1")?.execute([number.0])?;
    Ok(true)
}

/// The batch of a reference.
pub(crate) fn by_reference(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    reference: &str,
) -> Result<Option<Batch>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        batch_columns!(),
        " FROM batches WHERE reference = ?1 AND merchant_id = ?2 AND state > 0"
    ))?;
    first(statement.query(params![reference, merchant.0])?, batch)
}

/// Batches, the newest first.
pub(crate) fn list(connection: &Prepared<'_>, filter: &BatchFilter) -> Result<Vec<Batch>, Failure> {
    let before = match filter.before {
        None => i64::MAX,
        Some(id) => number_of(connection, id)?.map_or(0, |number| number.0),
    };
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        batch_columns!(),
        " FROM batches WHERE state > 0 AND number < ?1 AND (?2 IS NULL OR merchant_id = ?2) ORDER BY number DESC LIMIT ?3"
    ))?;
    let merchant = filter.merchant.map(|merchant| merchant.0);
    all(statement.query(params![before, merchant, limit(filter.limit)])?, batch)
}

/// Batches that this life may work on.
pub(crate) fn to_do(
    connection: &Prepared<'_>,
    finder: LifeId,
    now: Timestamp,
    rows_max: usize,
) -> Result<Vec<Batch>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        batch_columns!(),
        " FROM batches LEFT JOIN lives ON lives.life = batches.owner AND lives.ended_at IS NULL \
         WHERE batches.state IN (0, 1, 2, 6, 8) AND (batches.state <> 8 OR batches.execute_at <= ?3) \
         AND (lives.life IS NULL OR lives.life = ?1) ORDER BY batches.number LIMIT ?2"
    ))?;
    all(statement.query([finder.0, limit(rows_max), now.0])?, batch)
}

/// Makes a batch this life's, unless it is another living one's.
pub(crate) fn take(connection: &Prepared<'_>, batch: BatchId, life: LifeId) -> Result<bool, Failure> {
    let taken = connection
        .prepare_cached(
            "UPDATE batches SET owner = ?2 WHERE batch_id = ?1 AND (owner = ?2 OR NOT EXISTS \
             (SELECT 1 FROM lives WHERE lives.life = batches.owner AND lives.ended_at IS NULL))",
        )?
        .execute([batch.0, life.0])?;
    Ok(taken == 1)
}

/// Applies an event. Nothing is changed unless the answer is `true`.
pub(crate) fn change(connection: &Prepared<'_>, change: &BatchChange) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached("SELECT state, owner FROM batches WHERE batch_id = ?1")?;
    let found = first(statement.query([change.batch.0])?, |row| {
        Ok(Whose { state: state(row.get(0)?)?, owner: LifeId(row.get(1)?) })
    })?;
    let Some(found) = found else { return Ok(false) };
    if change.life.is_some_and(|life| life != found.owner) {
        return Ok(false);
    }
    let Some(after) = found.state.after(change.event) else { return Ok(false) };
    let column = match change.event {
        BatchEvent::FoundGood | BatchEvent::FoundErrors | BatchEvent::FoundUnusable => ", validated_at = ?4",
        BatchEvent::ProcessingAsked | BatchEvent::DateSet => ", asked_at = ?4, owner = 0",
        BatchEvent::LastRowDone | BatchEvent::GivenUp => ", done_at = ?4",
        BatchEvent::Received => ", uploaded_at = ?4, owner = 0",
        BatchEvent::ValidationBegun | BatchEvent::DateReached => "",
    };
    let sql = format!(
        "UPDATE batches SET state = ?2, fault = coalesce(?3, fault), execute_at = coalesce(?5, execute_at){column} \
         WHERE batch_id = ?1 AND ?4 IS NOT NULL"
    );
    Connection::prepare_cached(connection, &sql)?.execute(params![
        change.batch.0,
        after.number(),
        change.fault.map(BatchFault::number),
        change.at.0,
        change.execute_at.map(|at| at.0),
    ])?;
    Ok(true)
}

struct Whose {
    state: BatchState,
    owner: LifeId,
}

/// Rows in a state.
pub(crate) fn rows_in(
    connection: &Prepared<'_>,
    batch: BatchId,
    state: BatchRowState,
    after_line: u32,
    rows_max: usize,
) -> Result<Vec<BatchRow>, Failure> {
    let Some(number) = number_of(connection, batch)? else { return Ok(Vec::new()) };
    // The state stands in the text, so that the index of what is to be done is used.
    let sql = match state {
        BatchRowState::Pending => rows_sql!("state = 0"),
        BatchRowState::Valid => rows_sql!("state = 1"),
        BatchRowState::Begun => rows_sql!("state = 2"),
        BatchRowState::Done => rows_sql!("state = 3"),
    };
    let mut statement = connection.prepare_cached(sql)?;
    all(statement.query([number.key(after_line), number.end(), limit(rows_max)])?, |row| {
        Ok(BatchRow {
            line: line_of(number, row.get(0)?)?,
            cells: texts_of(row, 1)?,
            card_number_in: row.get::<_, Option<i64>>(2)?.map(|place| usize::try_from(place).unwrap_or(usize::MAX)),
        })
    })
}

/// Writes verdicts. Nothing is changed unless the answer is `true`.
pub(crate) fn judge(connection: &Prepared<'_>, judged: &JudgedRows) -> Result<bool, Failure> {
    bounded(judged.rows.len())?;
    let mut statement = connection
        .prepare_cached("SELECT number, rows_done FROM batches WHERE batch_id = ?1 AND owner = ?2 AND state = 2")?;
    let found = first(statement.query([judged.batch.0, judged.life.0])?, |row| {
        Ok(Counting { number: Number(row.get(0)?), done: row.get(1)? })
    })?;
    let Some(mut counting) = found else { return Ok(false) };
    let (mut judged_now, mut refused_now) = (0u32, 0u32);
    let mut good = connection
        .prepare_cached("UPDATE OR IGNORE batch_rows SET state = 1, identity = ?2 WHERE row_id = ?1 AND state = 0")?;
    for row in &judged.rows {
        let key = counting.number.key(row.line);
        let refusal = match &row.verdict {
            RowVerdict::Good { identity } => {
                if good.execute(params![key, identity.as_slice()])? == 1 {
                    judged_now += 1;
                    continue;
                }
                doubled()
            }
            RowVerdict::Refused(refusal) => refusal.clone(),
        };
        if counting.end(connection, key, BatchRowState::Pending, &refusal.code, Some(&refusal))? {
            judged_now += 1;
            refused_now += 1;
        }
    }
    connection
        .prepare_cached(
            "UPDATE batches SET rows_judged = rows_judged + ?2, rows_refused = rows_refused + ?3, rows_done = ?4 \
             WHERE number = ?1",
        )?
        .execute(params![counting.number.0, judged_now, refused_now, counting.done])?;
    Ok(true)
}

/// What a row is that asks for the same as an earlier one.
fn doubled() -> RowRefusal {
    RowRefusal {
        code: refused_code::REFERENCE_EXISTS,
        parameter: Some("merchant_reference".to_owned()),
        detail: "an earlier row of the file asks for the same".to_owned(),
    }
}

/// The results of a batch while some are added.
struct Counting {
    number: Number,
    done: u32,
}

impl Counting {
    /// Gives a row its result, if it is in this state.
    fn end(
        &mut self,
        connection: &Prepared<'_>,
        key: i64,
        from: BatchRowState,
        code: &ResponseCode,
        refusal: Option<&RowRefusal>,
    ) -> Result<bool, Failure> {
        let place = self.done.saturating_add(1);
        let updated = connection
            .prepare_cached(
                "UPDATE batch_rows SET state = 3, place_id = ?2, code = ?3, parameter = ?4, detail = ?5 \
                 WHERE row_id = ?1 AND state = ?6",
            )?
            .execute(params![
                key,
                self.number.key(place),
                code.number(),
                refusal.and_then(|refusal| refusal.parameter.as_deref()),
                refusal.map(|refusal| refusal.detail.as_str()),
                from.number(),
            ])?;
        if updated == 1 {
            self.done = place;
        }
        Ok(updated == 1)
    }
}

/// Rows that are begun, with how their operations stand.
pub(crate) fn begun(
    connection: &Prepared<'_>,
    batch: BatchId,
    after_line: u32,
    rows_max: usize,
) -> Result<Vec<BegunRow>, Failure> {
    let Some(number) = number_of(connection, batch)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT row_id, operation_id FROM batch_rows WHERE state = 2 AND row_id > ?1 AND row_id < ?2 \
         ORDER BY row_id LIMIT ?3",
    )?;
    let found: Vec<BegunRow> = all(statement.query([number.key(after_line), number.end(), limit(rows_max)])?, |row| {
        let operation = OperationId(row.get(1)?);
        Ok(BegunRow { line: line_of(number, row.get(0)?)?, operation, state: OperationState::Sent, code: None })
    })?;
    found
        .into_iter()
        .map(|row| {
            let state = settled_state(connection, row.operation)?.unwrap_or(OperationState::Sent);
            let code = read::outcomes(connection, row.operation)?.last().map(|outcome| outcome.code);
            Ok(BegunRow { state, code, ..row })
        })
        .collect()
}

/// Writes results; with the last one the batch is done.
pub(crate) fn end(connection: &Prepared<'_>, ended: &EndedRows) -> Result<u64, Failure> {
    bounded(ended.rows.len())?;
    let mut statement =
        connection.prepare_cached("SELECT number, rows_done FROM batches WHERE batch_id = ?1 AND state = 6")?;
    let found = first(statement.query([ended.batch.0])?, |row| {
        Ok(Counting { number: Number(row.get(0)?), done: row.get(1)? })
    })?;
    let Some(mut counting) = found else { return Ok(0) };
    let (before, mut succeeded) = (counting.done, 0u32);
    for EndedRow { line, end } in &ended.rows {
        let key = counting.number.key(*line);
        let (from, code, refusal) = match end {
            RowEnd::Refused(refusal) => (BatchRowState::Valid, refusal.code, Some(refusal)),
            RowEnd::Settled(code) => (BatchRowState::Begun, *code, None),
        };
        let is_success = refusal.is_none() && code.message() == message::SUCCESS;
        if counting.end(connection, key, from, &code, refusal)? && is_success {
            succeeded += 1;
        }
    }
    note_done(connection, &counting, succeeded, ended.at)?;
    Ok(u64::from(counting.done - before))
}

/// Results in the order in which they came.
pub(crate) fn results(
    connection: &Prepared<'_>,
    batch: BatchId,
    after_place: u32,
    rows_max: usize,
) -> Result<Vec<BatchResult>, Failure> {
    let Some(number) = number_of(connection, batch)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT batch_rows.row_id, batch_rows.place_id, batch_rows.cells, batch_rows.code, batch_rows.parameter, \
         batch_rows.detail, operations.operation_id, operations.fort_id, operations.currency, operations.amount, \
         orders.merchant_reference, orders.eci, orders.brand, orders.card_mask, orders.card_expiry, orders.card_holder, \
         payment_links.link_id, payment_links.name FROM batch_rows LEFT JOIN operations ON operations.operation_id = batch_rows.operation_id \
         LEFT JOIN orders ON orders.fort_id = operations.fort_id \
         LEFT JOIN payment_links ON payment_links.link_id = batch_rows.link_id \
         WHERE batch_rows.place_id > ?1 AND batch_rows.place_id < ?2 ORDER BY batch_rows.place_id LIMIT ?3",
    )?;
    all(statement.query([number.key(after_place), number.end(), limit(rows_max)])?, |row| result(number, row))
}

fn result(number: Number, row: &Row<'_>) -> Result<BatchResult, Failure> {
    let code = codes::response_code(row.get(3)?)?;
    let refusal = row
        .get::<_, Option<String>>(5)?
        .map(|detail| Ok::<_, Failure>(RowRefusal { code, parameter: row.get(4)?, detail }))
        .transpose()?;
    let operation = match row.get::<_, Option<i64>>(6)? {
        None => None,
        Some(operation) => Some(ResultOperation {
            operation: OperationId(operation),
            fort_id: FortId(row.get(7)?),
            money: Money { currency: codes::currency(row.get(8)?)?, amount: codes::amount(row.get(9)?)? },
            merchant_reference: row.get(10)?,
            eci: codes::eci(row.get(11)?)?,
            card: card(row)?,
        }),
    };
    let link = match row.get::<_, Option<i64>>(16)? {
        None => None,
        Some(link) => Some(ResultLink { id: PaymentLinkId(link), name: row.get(17)? }),
    };
    Ok(BatchResult {
        place: line_of(number, row.get(1)?)?,
        line: line_of(number, row.get(0)?)?,
        cells: texts_of(row, 2)?,
        code,
        refusal,
        operation,
        link,
    })
}

fn card(row: &Row<'_>) -> Result<Option<CardFacts>, Failure> {
    let mask: String = row.get(13)?;
    if mask.is_empty() {
        return Ok(None);
    }
    Ok(Some(CardFacts { brand: codes::brand(row.get(12)?)?, mask, expiry: row.get(14)?, holder: row.get(15)? }))
}

/// Whether a row may be begun: it is valid, and its batch is processed.
pub(crate) fn may_begin(connection: &Prepared<'_>, row: BatchRowId) -> Result<bool, Failure> {
    let Some(number) = number_in(connection, row.batch, BatchState::Processing)? else { return Ok(false) };
    let mut statement = connection.prepare_cached("SELECT 1 FROM batch_rows WHERE row_id = ?1 AND state = 1")?;
    Ok(statement.exists([number.key(row.line)])?)
}

/// Begins a row for an operation, in the transaction that writes the operation's intent; [`may_begin`] has been asked in it.
pub(crate) fn begin_row(connection: &Prepared<'_>, row: BatchRowId, operation: OperationId) -> Result<(), Failure> {
    let Some(number) = number_in(connection, row.batch, BatchState::Processing)? else {
        return Err(refused("a row is begun while its batch is processed"));
    };
    let begun = connection
        .prepare_cached("UPDATE batch_rows SET state = 2, operation_id = ?2 WHERE row_id = ?1 AND state = 1")?
        .execute([number.key(row.line), operation.0])?;
    if begun != 1 {
        return Err(refused("a row is begun once"));
    }
    connection
        .prepare_cached("UPDATE batches SET rows_begun = rows_begun + 1 WHERE number = ?1")?
        .execute([number.0])?;
    Ok(())
}

/// Gives the row that a payment link was made for its result, in the transaction that keeps the link; [`may_begin`] has been
/// asked in it. With the last row the batch is done.
pub(crate) fn end_with_link(
    connection: &Prepared<'_>,
    row: BatchRowId,
    link: PaymentLinkId,
    at: Timestamp,
) -> Result<(), Failure> {
    let mut statement =
        connection.prepare_cached("SELECT number, rows_done FROM batches WHERE batch_id = ?1 AND state = 6")?;
    let found =
        first(statement.query([row.batch.0])?, |row| Ok(Counting { number: Number(row.get(0)?), done: row.get(1)? }))?;
    let Some(mut counting) = found else { return Err(refused("a row is done while its batch is processed")) };
    let key = counting.number.key(row.line);
    if !counting.end(connection, key, BatchRowState::Valid, &PAYMENT_LINK_DONE, None)? {
        return Err(refused("a row has one result"));
    }
    connection.prepare_cached("UPDATE batch_rows SET link_id = ?2 WHERE row_id = ?1")?.execute([key, link.0])?;
    let begun = "UPDATE batches SET rows_begun = rows_begun + 1 WHERE number = ?1";
    connection.prepare_cached(begun)?.execute([counting.number.0])?;
    note_done(connection, &counting, 1, at)
}

/// Counts results; with the last one the batch is done.
fn note_done(connection: &Prepared<'_>, counting: &Counting, succeeded: u32, at: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE batches SET rows_done = ?2, rows_good = rows_good + ?3, \
             state = CASE WHEN ?2 >= rows_all THEN 7 ELSE state END, \
             done_at = CASE WHEN ?2 >= rows_all THEN ?4 ELSE done_at END WHERE number = ?1",
        )?
        .execute(params![counting.number.0, counting.done, succeeded, at.0])?;
    Ok(())
}

fn number_of(connection: &Prepared<'_>, batch: BatchId) -> Result<Option<Number>, Failure> {
    let mut statement = connection.prepare_cached("SELECT number FROM batches WHERE batch_id = ?1")?;
    first(statement.query([batch.0])?, |row| Ok(Number(row.get(0)?)))
}

fn number_in(connection: &Prepared<'_>, batch: BatchId, state: BatchState) -> Result<Option<Number>, Failure> {
    let mut statement = connection.prepare_cached("SELECT number FROM batches WHERE batch_id = ?1 AND state = ?2")?;
    first(statement.query(params![batch.0, state.number()])?, |row| Ok(Number(row.get(0)?)))
}

/// The line, or the place, of a key.
fn line_of(number: Number, key: i64) -> Result<u32, Failure> {
    Ok(u32::try_from(key - number.key(0)).map_err(|_| unreadable("a key of batch_rows"))?)
}

fn batch(row: &Row<'_>) -> Result<Batch, Failure> {
    let moment =
        |place: usize| -> Result<Option<Timestamp>, Failure> { Ok(row.get::<_, Option<i64>>(place)?.map(Timestamp)) };
    let fault = row.get::<_, Option<u8>>(8)?;
    Ok(Batch {
        id: BatchId(row.get(0)?),
        merchant: MerchantId(row.get(1)?),
        reference: row.get(2)?,
        access_code: row.get(3)?,
        language: row.get(4)?,
        file_name: row.get(5)?,
        columns: texts_of(row, 6)?,
        state: state(row.get(7)?)?,
        fault: fault
            .map(|fault| BatchFault::from_number(fault).ok_or_else(|| unreadable("batches.fault")))
            .transpose()?,
        owner: LifeId(row.get(9)?),
        counts: BatchCounts {
            rows: row.get(10)?,
            judged: row.get(11)?,
            refused: row.get(12)?,
            begun: row.get(13)?,
            done: row.get(14)?,
            succeeded: row.get(15)?,
        },
        uploaded_at: Timestamp(row.get(16)?),
        validated_at: moment(17)?,
        asked_at: moment(18)?,
        done_at: moment(19)?,
        execute_at: moment(20)?,
    })
}

fn state(number: u8) -> Result<BatchState, Failure> {
    BatchState::from_number(number).ok_or_else(|| Failure::Store(unreadable("batches.state")))
}

fn texts(texts: &[String]) -> Result<String, Failure> {
    serde_json::to_string(texts).map_err(|_| refused("texts are kept as JSON"))
}

fn texts_of(row: &Row<'_>, place: usize) -> Result<Vec<String>, Failure> {
    let text = row.get_ref(place)?;
    let text = text.as_str().map_err(|_| unreadable("a list of texts"))?;
    Ok(serde_json::from_str(text).map_err(|_| unreadable("a list of texts"))?)
}

fn bounded(rows: usize) -> Result<(), Failure> {
    if rows <= BATCH_ROWS_PER_CALL_MAX {
        return Ok(());
    }
    Err(refused("a call takes at most 512 rows"))
}

fn refused(rule: &str) -> Failure {
    Failure::Store(StoreError::Refused(rule.to_owned()))
}
