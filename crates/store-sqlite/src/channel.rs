//! Keys and nonces of the encrypted trusted channel.

use crate::failure::Failure;
use crate::prepared::Prepared;
use crate::rows::all;
use rusqlite::params;
use tollgate_core::time::Timestamp;
use tollgate_store::{CHANNEL_KEYS_ADDED_MAX, ChannelKeyOccasion, ChannelKeyRecord, NonceUse};

/// How many expired nonces one use forgets at most. More than one, so that they become fewer.
const FORGOTTEN_PER_USE_MAX: u32 = 4;

/// All keys, the newest first.
pub(crate) fn keys(connection: &Prepared<'_>) -> Result<Vec<ChannelKeyRecord>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT kid, algorithm, public, sealed, created_at, accepted_until FROM channel_keys \
         ORDER BY accepted_until IS NOT NULL, created_at DESC, kid",
    )?;
    all(statement.query([])?, |row| {
        Ok(ChannelKeyRecord {
            kid: row.get(0)?,
            algorithm: row.get(1)?,
            public: row.get(2)?,
            sealed: row.get(3)?,
            created_at: Timestamp(row.get(4)?),
            accepted_until: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        })
    })
}

/// Adds keys; see the port.
pub(crate) fn add_keys(
    connection: &Prepared<'_>,
    keys: &[ChannelKeyRecord],
    occasion: ChannelKeyOccasion,
) -> Result<bool, Failure> {
    match occasion {
        ChannelKeyOccasion::First => {
            if connection.prepare_cached("SELECT 1 FROM channel_keys")?.exists([])? {
                return Ok(false);
            }
        }
        ChannelKeyOccasion::Rotation { others_accepted_until } => {
            connection
                .prepare_cached(
                    "UPDATE channel_keys SET accepted_until = min(coalesce(accepted_until, ?1), ?1) \
                     WHERE accepted_until IS NULL OR accepted_until > ?1",
                )?
                .execute([others_accepted_until.0])?;
        }
    }
    for key in keys.iter().take(CHANNEL_KEYS_ADDED_MAX) {
        connection
            .prepare_cached(
                "INSERT INTO channel_keys (kid, algorithm, public, sealed, created_at, accepted_until) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                key.kid,
                key.algorithm,
                key.public,
                key.sealed,
                key.created_at.0,
                key.accepted_until.map(|until| until.0),
            ])?;
    }
    Ok(true)
}

/// Uses a nonce up; see the port.
pub(crate) fn use_nonce(connection: &Prepared<'_>, nonce: &NonceUse) -> Result<bool, Failure> {
    connection
        .prepare_cached(
            "DELETE FROM channel_nonces WHERE digest IN (SELECT digest FROM channel_nonces WHERE expires_at < ?1 \
             ORDER BY expires_at LIMIT ?2)",
        )?
        .execute(params![nonce.now.0, FORGOTTEN_PER_USE_MAX])?;
    let added = connection
        .prepare_cached("INSERT INTO channel_nonces (digest, expires_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![nonce.digest.as_slice(), nonce.expires_at.0])?;
    Ok(added == 1)
}
