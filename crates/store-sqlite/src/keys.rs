//! Data keys, and what they have sealed.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{all, first, limit};
use rusqlite::params;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::time::Timestamp;
use tollgate_core::token::TokenId;
use tollgate_store::{ReplacedSealed, RotationState, SealedColumn, SealedOwner, SealedRow, WrappedDataKey};
use tollgate_vault::{DataKeyId, NewDataKey, RewrappedDataKey};

/// The columns of a data key, as [`data_key`] reads them.
macro_rules! data_key_columns {
    () => {
        "data_key_id, merchant_id, period, generation, rotation, kek_version, wrapped, created_at"
    };
}

/// All data keys, by id.
pub(crate) fn data_keys(connection: &Prepared<'_>) -> Result<Vec<WrappedDataKey>, Failure> {
    let mut statement =
        connection.prepare_cached(concat!("SELECT ", data_key_columns!(), " FROM data_keys ORDER BY data_key_id"))?;
    all(statement.query([])?, data_key)
}

/// Adds a data key, or answers the one that its merchant, period and generation already have.
pub(crate) fn add_data_key(connection: &Prepared<'_>, new: &NewDataKey) -> Result<KeptDataKey, Failure> {
    let added = connection
        .prepare_cached(
            "INSERT INTO data_keys (merchant_id, period, generation, rotation, kek_version, wrapped, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            new.merchant.0,
            new.period,
            new.generation,
            new.rotation.number(),
            new.kek_version,
            new.wrapped,
            new.created_at.0
        ])?;
    if added > 0 {
        count_change(connection)?;
    }
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        data_key_columns!(),
        " FROM data_keys WHERE merchant_id = ?1 AND period = ?2 AND generation = ?3"
    ))?;
    let key = first(statement.query(params![new.merchant.0, new.period, new.generation])?, data_key)?;
    let key = key.ok_or_else(|| Failure::Store(unreadable("data_keys")))?;
    Ok(KeptDataKey { key, is_new: added > 0 })
}

/// A data key as it is kept, and whether it was not there before.
pub(crate) struct KeptDataKey {
    pub(crate) key: WrappedDataKey,
    pub(crate) is_new: bool,
}

/// The number that grows with every change of a data key.
pub(crate) fn generation(connection: &Prepared<'_>) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached("SELECT value FROM counters WHERE name = 'data_keys_generation'")?;
    let value: Option<i64> = first(statement.query([])?, |row| Ok(row.get(0)?))?;
    let value = value.and_then(|value| u64::try_from(value).ok());
    value.ok_or_else(|| Failure::Store(unreadable("counters.value")))
}

/// Replaces the wrapping of keys that are still under the version that was read.
pub(crate) fn rewrap(connection: &Prepared<'_>, rewrapped: &[RewrappedDataKey]) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached(
        "UPDATE data_keys SET kek_version = ?3, wrapped = ?4 WHERE data_key_id = ?1 AND kek_version = ?2",
    )?;
    let mut replaced = 0;
    for key in rewrapped {
        replaced += statement.execute(params![key.id.0, key.kek_version_before, key.kek_version, key.wrapped])?;
    }
    if replaced > 0 {
        count_change(connection)?;
    }
    Ok(replaced as u64)
}

/// Notes that the rotation to a key is finished.
pub(crate) fn finish_rotation(connection: &Prepared<'_>, id: DataKeyId) -> Result<(), Failure> {
    let finished = RotationState::Finished.number();
    connection
        .prepare_cached("UPDATE data_keys SET rotation = ?2 WHERE data_key_id = ?1")?
        .execute(params![id.0, finished])?;
    count_change(connection)
}

/// Rows of a sealed column from behind `after`, by number.
pub(crate) fn sealed_rows(
    connection: &Prepared<'_>,
    column: SealedColumn,
    after: Option<i64>,
    rows_max: usize,
) -> Result<Vec<SealedRow>, Failure> {
    // NULL stands for the beginning: no number lies before the lowest there can be.
    let mut statement = connection.prepare_cached(match column {
        SealedColumn::OrderCard => {
            "SELECT fort_id, card_sealed, merchant_id FROM orders \
             WHERE card_sealed <> x'' AND fort_id > ifnull(?1, -9223372036854775808) ORDER BY fort_id LIMIT ?2"
        }
        SealedColumn::MerchantCredentials => {
            "SELECT merchant_id, sealed_credentials, merchant_identifier FROM merchants \
             WHERE merchant_id > ifnull(?1, -9223372036854775808) ORDER BY merchant_id LIMIT ?2"
        }
        SealedColumn::ChannelKey => {
            "SELECT channel_key_id, sealed, kid FROM channel_keys \
             WHERE channel_key_id > ifnull(?1, -9223372036854775808) ORDER BY channel_key_id LIMIT ?2"
        }
        SealedColumn::TokenCard => {
            "SELECT token_id, card_sealed, merchant_id, token_id FROM tokens \
             WHERE token_id > ifnull(?1, -9223372036854775808) ORDER BY token_id LIMIT ?2"
        }
        SealedColumn::TokenIntentCard => {
            "SELECT fort_id, card_sealed, merchant_id, token_id FROM token_intents \
             WHERE card_sealed IS NOT NULL AND fort_id > ifnull(?1, -9223372036854775808) ORDER BY fort_id LIMIT ?2"
        }
    })?;
    all(statement.query(params![after, limit(rows_max)])?, |row| {
        let number: i64 = row.get(0)?;
        let owner = match column {
            SealedColumn::OrderCard => {
                SealedOwner::Order { merchant: MerchantId(row.get(2)?), fort_id: FortId(number) }
            }
            SealedColumn::MerchantCredentials => SealedOwner::Merchant { identifier: row.get(2)? },
            SealedColumn::ChannelKey => SealedOwner::ChannelKey { kid: row.get(2)? },
            SealedColumn::TokenCard | SealedColumn::TokenIntentCard => {
                SealedOwner::Token { merchant: MerchantId(row.get(2)?), token: TokenId(row.get(3)?) }
            }
        };
        Ok(SealedRow { number, owner, sealed: row.get(1)? })
    })
}

/// Puts sealed bytes in place of those that were read.
pub(crate) fn replace_sealed(
    connection: &Prepared<'_>,
    column: SealedColumn,
    rows: &[ReplacedSealed],
) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached(match column {
        SealedColumn::OrderCard => "UPDATE orders SET card_sealed = ?3 WHERE fort_id = ?1 AND card_sealed = ?2",
        SealedColumn::MerchantCredentials => {
            "UPDATE merchants SET sealed_credentials = ?3 WHERE merchant_id = ?1 AND sealed_credentials = ?2"
        }
        SealedColumn::ChannelKey => "UPDATE channel_keys SET sealed = ?3 WHERE channel_key_id = ?1 AND sealed = ?2",
        SealedColumn::TokenCard => "UPDATE tokens SET card_sealed = ?3 WHERE token_id = ?1 AND card_sealed = ?2",
        SealedColumn::TokenIntentCard => {
            "UPDATE token_intents SET card_sealed = ?3 WHERE fort_id = ?1 AND card_sealed = ?2"
        }
    })?;
    let mut replaced = 0;
    for row in rows {
        replaced += statement.execute(params![row.number, row.before, row.after])?;
    }
    Ok(replaced as u64)
}

fn count_change(connection: &Prepared<'_>) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE counters SET value = value + 1 WHERE name = 'data_keys_generation'")?
        .execute([])?;
    Ok(())
}

fn data_key(row: &rusqlite::Row<'_>) -> Result<WrappedDataKey, Failure> {
    let rotation = RotationState::from_number(row.get(4)?).ok_or_else(|| unreadable("data_keys.rotation"))?;
    Ok(WrappedDataKey {
        id: DataKeyId(row.get(0)?),
        merchant: MerchantId(row.get(1)?),
        period: row.get(2)?,
        generation: row.get(3)?,
        rotation,
        kek_version: row.get(5)?,
        wrapped: row.get(6)?,
        created_at: Timestamp(row.get(7)?),
    })
}
