//! The diary of refused requests.

use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::references::orders_of_reference;
use crate::rows::{self, all, limit};
use rusqlite::{Row, params};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::order::Order;
use tollgate_core::time::Timestamp;
use tollgate_store::{REFUSALS_KEPT_MAX, RefusalRow};

/// How many of the oldest rows one note deletes at most. More than one, so that a diary which is too
/// long shrinks; few, so that no note takes long.
const FORGOTTEN_PER_NOTE_MAX: u32 = 4;

macro_rules! refusal_columns {
    () => {
        "at, merchant_id, merchant_reference, fort_id, command, code, guilty, parameter, detail, request"
    };
}

/// Adds a row, and forgets the oldest ones above [`REFUSALS_KEPT_MAX`].
pub(crate) fn note(connection: &Prepared<'_>, row: &RefusalRow, request: &str) -> Result<(), Failure> {
    connection
        .prepare_cached(concat!(
            "INSERT INTO refusals (",
            refusal_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ))?
        .execute(params![
            row.at.0,
            row.merchant.0,
            row.merchant_reference,
            row.fort_id.map(|fort_id| fort_id.0),
            row.command,
            row.code.number(),
            codes::guilty_number(row.guilty),
            row.parameter,
            row.detail,
            request,
        ])?;
    // Numbers are given without a gap and only the lowest are deleted, so they count the rows.
    let newest = connection.last_insert_rowid();
    connection
        .prepare_cached(
            "DELETE FROM refusals WHERE refusal_id IN \
             (SELECT refusal_id FROM refusals WHERE refusal_id <= ?1 ORDER BY refusal_id LIMIT ?2)",
        )?
        .execute(params![newest - i64::from(REFUSALS_KEPT_MAX), FORGOTTEN_PER_NOTE_MAX])?;
    Ok(())
}

/// Rows with this reference, or for an order with it, oldest first.
pub(crate) fn by_reference(
    connection: &Prepared<'_>,
    reference: &str,
    rows_max: usize,
) -> Result<Vec<RefusalRow>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        refusal_columns!(),
        " FROM refusals WHERE merchant_reference = ?1 \
         OR fort_id IN (",
        orders_of_reference!(),
        ") ORDER BY refusal_id LIMIT ?2"
    ))?;
    all(statement.query(params![reference, limit(rows_max)])?, read)
}

/// Rows that named this order, by its number or by its merchant's reference, oldest first.
pub(crate) fn of_order(connection: &Prepared<'_>, order: &Order) -> Result<Vec<RefusalRow>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        refusal_columns!(),
        " FROM refusals WHERE merchant_id = ?1 AND (fort_id = ?2 OR merchant_reference = ?3) ORDER BY refusal_id"
    ))?;
    all(statement.query(params![order.merchant.0, order.fort_id.0, order.merchant_reference])?, read)
}

fn read(row: &Row<'_>) -> Result<RefusalRow, Failure> {
    let request = row.get_ref(9)?;
    Ok(RefusalRow {
        at: Timestamp(row.get(0)?),
        merchant: MerchantId(row.get(1)?),
        merchant_reference: row.get(2)?,
        fort_id: row.get::<_, Option<i64>>(3)?.map(FortId),
        command: row.get(4)?,
        code: codes::response_code(row.get(5)?)?,
        guilty: codes::guilty(row.get(6)?)?,
        parameter: row.get(7)?,
        detail: row.get(8)?,
        request: rows::params(request.as_str().map_err(|_| unreadable("refusals.request"))?)?,
    })
}
