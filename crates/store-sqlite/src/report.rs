//! Reports that were ordered, and the operations that they are made of.

use crate::failure::{Failure, unreadable};
use crate::outcome::first_outcome;
use crate::prepared::Prepared;
use crate::rows::{
    self, OUTCOMES_PER_OPERATION_MAX, OrderRow, all, first, limit, operation_at, operation_columns, order_columns,
};
use crate::{codes, try_card};
use rusqlite::{Row, params};
use tollgate_core::command::SafeParams;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{Operation, OperationState};
use tollgate_core::report::{ReportAuthentication, ReportOutcome, ReportRow, ReportState};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    NewReport, REPORT_OPERATIONS_PER_CALL_MAX, Report, ReportBegun, ReportCounted, ReportPage, ReportPlace, ReportScan,
    StoreError,
};

/// How far the moment in an operation's number may be from the one at which it was sent; the index of the others
/// (`operations_out_of_step`) names the same number.
const STEP_US_MAX: i64 = 1_000_000;
/// What an operation's number holds of each microsecond.
const NUMBERS_PER_US: i64 = 100;
/// Where the columns of the operation begin, behind those of its order.
const OPERATION_FROM: usize = 31;
const REQUEST: usize = OPERATION_FROM + 8;

/// Orders a report. Nothing is changed unless the answer is `Begun`.
pub(crate) fn begin(connection: &Prepared<'_>, new: &NewReport) -> Result<ReportBegun, Failure> {
    let body = serde_json::to_string(&new.spec)
        .map_err(|_| StoreError::Refused("a report's specification cannot be kept as JSON".to_owned()))?;
    let written = connection
        .prepare_cached(
            "INSERT INTO reports (merchant_id, reference, body, state, row_count, ordered_at) \
             VALUES (?1, ?2, ?3, 0, NULL, ?4) ON CONFLICT (merchant_id, reference) DO UPDATE \
             SET body = excluded.body, state = 0, row_count = NULL, ordered_at = excluded.ordered_at WHERE state = 2",
        )?
        .execute(params![new.merchant.0, new.reference, body, new.at.0])?;
    Ok(if written == 1 { ReportBegun::Begun } else { ReportBegun::ReferenceTaken })
}

/// The report of a reference.
pub(crate) fn by_reference(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    reference: &str,
) -> Result<Option<Report>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT body, state, row_count, ordered_at FROM reports WHERE merchant_id = ?1 AND reference = ?2",
    )?;
    first(statement.query(params![merchant.0, reference])?, |row| {
        let body: String = row.get(0)?;
        let state = ReportState::from_number(row.get(1)?);
        Ok(Report {
            merchant,
            reference: reference.to_owned(),
            spec: serde_json::from_str(&body).map_err(|_| unreadable("reports.body"))?,
            state: state.ok_or_else(|| unreadable("reports.state"))?,
            rows: row.get::<_, Option<i64>>(2)?.map(i64::unsigned_abs),
            at: Timestamp(row.get(3)?),
        })
    })
}

/// Writes how many rows a report has. Nothing is changed unless the answer is `true`.
pub(crate) fn count(connection: &Prepared<'_>, counted: &ReportCounted) -> Result<bool, Failure> {
    let written = connection
        .prepare_cached(
            "UPDATE reports SET state = ?4, row_count = ?5 \
             WHERE merchant_id = ?1 AND reference = ?2 AND ordered_at = ?3 AND state = 0",
        )?
        .execute(params![
            counted.merchant.0,
            counted.reference,
            counted.at.0,
            counted.state.number(),
            i64::try_from(counted.rows).unwrap_or(i64::MAX),
        ])?;
    Ok(written == 1)
}

/// The next operations of a report.
pub(crate) fn page(connection: &Prepared<'_>, scan: &ReportScan) -> Result<ReportPage, Failure> {
    let operations_max = scan.operations_max.clamp(1, REPORT_OPERATIONS_PER_CALL_MAX);
    let mut found = in_step(connection, scan, operations_max)?;
    let out_of_step = out_of_step(connection, scan, operations_max)?;
    // Up to where both lists are complete.
    let ends = [&found, &out_of_step].into_iter().filter(|list| list.len() >= operations_max);
    let next = ends.filter_map(|list| list.last()).map(|last| last.place).min();
    found.extend(out_of_step);
    found.retain(|looked_at| next.is_none_or(|next| looked_at.place <= next));
    found.sort_by_key(|looked_at| looked_at.place);
    let taken = found.into_iter().filter_map(|looked_at| looked_at.taken);
    let rows = taken.map(|taken| report_row(connection, taken)).collect::<Result<_, Failure>>()?;
    Ok(ReportPage { rows, next })
}

/// An operation that was looked at.
struct LookedAt {
    place: ReportPlace,
    /// Nothing when it does not belong into the report.
    taken: Option<Box<Taken>>,
}

struct Taken {
    order: OrderRow,
    operation: Operation,
    request: SafeParams,
}

/// Operations by their numbers. Those whose number says little of their time are looked at, so that the limit counts them,
/// and not taken.
fn in_step(connection: &Prepared<'_>, scan: &ReportScan, operations_max: usize) -> Result<Vec<LookedAt>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        order_columns!(),
        ", ",
        operation_columns!(),
        ", operations.request \
         FROM operations CROSS JOIN orders ON orders.fort_id = operations.fort_id \
         WHERE operations.operation_id >= ?1 AND operations.operation_id < ?2 \
         AND (operations.operation_id > ?1 OR operations.operation_id > ?3) ORDER BY operations.operation_id LIMIT ?4"
    ))?;
    let interval = scan.interval;
    let number = |us: i64| us.saturating_mul(NUMBERS_PER_US);
    let from = number(interval.from.0.saturating_sub(STEP_US_MAX));
    let before = number(interval.before.0.saturating_add(STEP_US_MAX));
    // Of those whose key is that of the place, only the later ones; the first page begins before all.
    let after = scan.after.unwrap_or(ReportPlace { key: from, operation: OperationId(i64::MIN) });
    all(statement.query([after.key, before, after.operation.0, limit(operations_max)])?, |row| {
        let operation = OperationId(row.get(OPERATION_FROM)?);
        let sent_at: i64 = row.get(OPERATION_FROM + 7)?;
        let place = ReportPlace { key: operation.0, operation };
        let is_in_step = (sent_at - operation.0 / NUMBERS_PER_US).abs() <= STEP_US_MAX;
        let is_in_time = interval.from.0 <= sent_at && sent_at < interval.before.0;
        let taken = if is_in_step && is_in_time { taken(row, scan.merchant)? } else { None };
        Ok(LookedAt { place, taken })
    })
}

/// The others, by the moment at which they were sent.
fn out_of_step(connection: &Prepared<'_>, scan: &ReportScan, operations_max: usize) -> Result<Vec<LookedAt>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        order_columns!(),
        ", ",
        operation_columns!(),
        ", operations.request \
         FROM operations INDEXED BY operations_out_of_step CROSS JOIN orders ON orders.fort_id = operations.fort_id \
         WHERE abs(operations.sent_at - operations.operation_id / 100) > 1000000 \
         AND operations.sent_at >= ?1 AND operations.sent_at < ?2 \
         AND (operations.sent_at * 100 > ?3 OR (operations.sent_at * 100 = ?3 AND operations.operation_id > ?4)) \
         ORDER BY operations.sent_at, operations.operation_id LIMIT ?5"
    ))?;
    let interval = scan.interval;
    let after = scan.after.unwrap_or(ReportPlace { key: i64::MIN, operation: OperationId(i64::MIN) });
    let from = interval.from.0.max(after.key.div_euclid(NUMBERS_PER_US));
    let values = [from, interval.before.0, after.key, after.operation.0, limit(operations_max)];
    all(statement.query(values)?, |row| {
        let sent_at: i64 = row.get(OPERATION_FROM + 7)?;
        let key = sent_at.saturating_mul(NUMBERS_PER_US);
        let place = ReportPlace { key, operation: OperationId(row.get(OPERATION_FROM)?) };
        Ok(LookedAt { place, taken: taken(row, scan.merchant)? })
    })
}

/// What is read of an operation, if it is the merchant's.
fn taken(row: &Row<'_>, merchant: MerchantId) -> Result<Option<Box<Taken>>, Failure> {
    if row.get::<_, i64>(1)? != merchant.0 {
        return Ok(None);
    }
    let request = row.get_ref(REQUEST)?.as_str().map_err(|_| unreadable("operations.request"))?;
    Ok(Some(Box::new(Taken {
        order: rows::stored_order(row)?,
        operation: operation_at(row, OPERATION_FROM, OperationState::Sent)?,
        request: rows::params(request)?,
    })))
}

fn report_row(connection: &Prepared<'_>, taken: Box<Taken>) -> Result<ReportRow, Failure> {
    let Taken { order, mut operation, request } = *taken;
    let last = last_outcome(connection, operation.id)?;
    let open = order.open_state.filter(|_| order.stored.order.open_operation == Some(operation.id));
    operation.state = match (open, &last) {
        (Some(state), _) => state,
        (None, Some(last)) => last.state,
        (None, None) => return Err(unreadable("an operation's last outcome").into()),
    };
    let order = try_card::of_its_own(connection, order.stored.order, &operation)?;
    let payment_request = match operation.id.0 == order.fort_id.0 {
        true => None,
        false => request_of(connection, order.fort_id)?,
    };
    let authentication = authentication(connection, &operation)?;
    let outcome = last.map(|last| last.outcome);
    Ok(ReportRow { order, operation, request, payment_request, outcome, authentication })
}

struct LastOutcome {
    place: i64,
    state: OperationState,
    outcome: ReportOutcome,
}

fn last_outcome(connection: &Prepared<'_>, operation: OperationId) -> Result<Option<LastOutcome>, Failure> {
    let read = |row: &Row<'_>| {
        Ok(LastOutcome {
            place: row.get(0)?,
            state: codes::operation_state(row.get(1)?)?,
            outcome: ReportOutcome {
                code: codes::response_code(row.get(2)?)?,
                network_code: row.get(3)?,
                authorization_code: row.get(4)?,
            },
        })
    };
    let begin = first_outcome(operation);
    let mut statement = connection.prepare_cached(
        "SELECT outcome_id - ?1, state, code, network_code, authorization_code FROM outcomes \
         WHERE outcome_id >= ?1 AND outcome_id < ?2 ORDER BY outcome_id DESC LIMIT 1",
    )?;
    let last = first(statement.query([begin, begin.saturating_add(OUTCOMES_PER_OPERATION_MAX)])?, read)?;
    if last.as_ref().is_none_or(|last| last.place + 1 < OUTCOMES_PER_OPERATION_MAX) {
        return Ok(last);
    }
    let mut statement = connection.prepare_cached(
        "SELECT place, state, code, network_code, authorization_code FROM outcomes_beyond \
         WHERE operation_id = ?1 ORDER BY place DESC LIMIT 1",
    )?;
    Ok(first(statement.query([operation.0])?, read)?.or(last))
}

/// The parameters of an order's first operation.
fn request_of(connection: &Prepared<'_>, order: FortId) -> Result<Option<SafeParams>, Failure> {
    let mut statement = connection.prepare_cached("SELECT request FROM operations WHERE operation_id = ?1")?;
    first(statement.query([order.0])?, |row| {
        let text = row.get_ref(0)?.as_str().map_err(|_| unreadable("operations.request"))?;
        Ok(rows::params(text)?)
    })
}

/// Whether the network was told of an authentication: by the operation itself, or by one of those that began its order.
fn authentication(connection: &Prepared<'_>, operation: &Operation) -> Result<ReportAuthentication, Failure> {
    let own = "SELECT 1 FROM authentications WHERE operation_id = ?1";
    let of_order = "SELECT 1 FROM authentications WHERE operation_id = ?1 OR operation_id IN \
                    (SELECT operation_id FROM operations WHERE fort_id = ?1 AND operation_id <> fort_id)";
    let is_told = match operation.kind.begins() {
        true => connection.prepare_cached(own)?.exists([operation.id.0])?,
        false => connection.prepare_cached(of_order)?.exists([operation.fort_id.0])?,
    };
    Ok(if is_told { ReportAuthentication::Told } else { ReportAuthentication::None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ceiling::fill;
    use crate::connection::{self, Role};
    use std::time::Duration;
    use tollgate_core::report::ReportInterval;

    const ORDERS: u32 = 40;

    #[test]
    fn payments_by_the_api_pay_for_no_index_and_pages_walk_over_the_table_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        fill(&path, MerchantId(1), 0, u64::from(ORDERS)).unwrap();
        let connection = connection::open(&path, Role::Reader, Duration::from_secs(1)).unwrap();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM operations"), i64::from(ORDERS));
        let entries = "SELECT count(*) FROM operations INDEXED BY operations_out_of_step \
                       WHERE abs(sent_at - operation_id / 100) > 1000000";
        assert_eq!(count(entries), 0);
        let plan = |sql: &str| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
            lines.map(Result::unwrap).collect::<Vec<_>>().join("; ")
        };
        let walk = plan(
            "SELECT operations.request, orders.phase FROM operations CROSS JOIN orders \
             ON orders.fort_id = operations.fort_id WHERE operations.operation_id >= 1 AND operations.operation_id < 9 \
             AND (operations.operation_id > 1 OR operations.operation_id > 0) ORDER BY operations.operation_id LIMIT 5",
        );
        assert!(walk.starts_with("SEARCH operations USING INTEGER PRIMARY KEY"), "{walk}");
        assert!(!walk.contains("TEMP B-TREE"), "{walk}");
    }

    #[test]
    fn a_page_looks_at_no_more_operations_than_it_may_whosever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        fill(&path, MerchantId(2), 0, u64::from(ORDERS)).unwrap();
        let connection = connection::open(&path, Role::Reader, Duration::from_secs(1)).unwrap();
        let interval = ReportInterval { from: Timestamp(0), before: Timestamp(i64::MAX / 1_000) };
        let mut scan = ReportScan { merchant: MerchantId(1), interval, after: None, operations_max: 15 };
        let mut pages = 0;
        loop {
            let found = page(&Prepared::passing(&connection), &scan).unwrap();
            assert!(found.rows.is_empty(), "they are another merchant's");
            pages += 1;
            scan.after = found.next;
            if scan.after.is_none() {
                break;
            }
        }
        assert_eq!(pages, 3, "15, 15 and 10 of {ORDERS}");
        let all = ReportScan { merchant: MerchantId(2), after: None, operations_max: usize::MAX, ..scan };
        assert_eq!(page(&Prepared::passing(&connection), &all).unwrap().rows.len(), 40);
    }
}
