//! What the network was told of authentications of the customer.

use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::first;
use rusqlite::params;
use tollgate_core::ident::OperationId;
use tollgate_core::three_ds::{Authentication, AuthenticationStatus, AuthenticationValue};

/// Writes what an operation that was just added tells, if it tells anything.
pub(crate) fn insert(
    connection: &Prepared<'_>,
    operation: OperationId,
    authentication: Option<&Authentication>,
) -> Result<(), Failure> {
    let Some(told) = authentication else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO authentications (operation_id, status, eci, value, ds_transaction_id, xid, version, run_by) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            operation.0,
            told.status.letter(),
            told.eci,
            told.value.as_ref().map(AuthenticationValue::as_str),
            told.ds_transaction_id,
            told.xid,
            told.version,
            codes::authenticated_by_number(told.by),
        ])?;
    Ok(())
}

/// What an operation told.
pub(crate) fn of_operation(
    connection: &Prepared<'_>,
    operation: OperationId,
) -> Result<Option<Authentication>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT status, eci, value, ds_transaction_id, xid, version, run_by FROM authentications WHERE operation_id = ?1",
    )?;
    first(statement.query([operation.0])?, |row| {
        let status: String = row.get(0)?;
        let value: Option<String> = row.get(2)?;
        let value = value.map(|text| {
            AuthenticationValue::parse(&text).ok_or_else(|| Failure::from(unreadable("authentications.value")))
        });
        Ok(Authentication {
            status: AuthenticationStatus::parse(&status).ok_or_else(|| unreadable("authentications.status"))?,
            eci: row.get(1)?,
            value: value.transpose()?,
            ds_transaction_id: row.get(3)?,
            xid: row.get(4)?,
            version: row.get(5)?,
            by: codes::authenticated_by(row.get(6)?)?,
        })
    })
}
