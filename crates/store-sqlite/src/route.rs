//! The routes by which merchants' payments have come.

use crate::failure::Failure;
use crate::prepared::Prepared;
use crate::rows::all;
use rusqlite::params;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::order::Order;
use tollgate_core::scope::{Route, Use, UsedRoute};
use tollgate_core::time::Timestamp;
use tollgate_store::{RouteNote, RouteRow, StoreError};

/// Notes that an order came by a route.
pub(crate) fn note_order(connection: &Prepared<'_>, order: &Order, route: Route) -> Result<(), Failure> {
    let used = Use {
        at: order.created_at,
        fort_id: Some(order.fort_id),
        merchant_reference: order.merchant_reference.clone(),
    };
    note(connection, order.merchant, route, &used)
}

/// Notes that a card which is kept came by a route, where that is to be noted.
pub(crate) fn note_card(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    came: Option<&RouteNote>,
) -> Result<(), Failure> {
    came.map_or(Ok(()), |RouteNote { route, used }| note(connection, merchant, *route, used))
}

/// Notes the use of a route: its first one, or one later than the last that was noted.
fn note(connection: &Prepared<'_>, merchant: MerchantId, route: Route, used: &Use) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO route_uses (merchant_id, route, first_at, first_fort_id, first_reference, last_at, last_fort_id, \
             last_reference) VALUES (?1, ?2, ?3, ?4, ?5, ?3, ?4, ?5) ON CONFLICT (merchant_id, route) DO UPDATE SET \
             last_at = excluded.last_at, last_fort_id = excluded.last_fort_id, \
             last_reference = excluded.last_reference WHERE excluded.last_at > route_uses.last_at",
        )?
        .execute(params![
            merchant.0,
            route.number(),
            used.at.0,
            used.fort_id.map(|fort_id| fort_id.0),
            used.merchant_reference
        ])?;
    Ok(())
}

/// All of them, by merchant and route.
pub(crate) fn list(connection: &Prepared<'_>) -> Result<Vec<RouteRow>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT merchant_id, route, first_at, first_fort_id, first_reference, last_at, last_fort_id, last_reference \
         FROM route_uses ORDER BY merchant_id, route",
    )?;
    all(statement.query([])?, |row| {
        let number: u8 = row.get(1)?;
        let route = Route::of_number(number).ok_or_else(|| {
            Failure::Store(StoreError::Corrupt(format!(
                "a route has the number {number}, which this version does not know"
            )))
        })?;
        let use_at = |place: usize| -> Result<Use, Failure> {
            Ok(Use {
                at: Timestamp(row.get(place)?),
                fort_id: row.get::<_, Option<i64>>(place + 1)?.map(FortId),
                merchant_reference: row.get(place + 2)?,
            })
        };
        let used = UsedRoute { route, first: use_at(2)?, last: use_at(5)? };
        Ok(RouteRow { merchant: MerchantId(row.get(0)?), used })
    })
}
