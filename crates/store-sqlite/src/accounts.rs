//! Merchant accounts.

use crate::audit::Notes;
use crate::card_rule::{self, Indexed};
use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{all, first};
use crate::store::SqliteStore;
use rusqlite::params;
use tollgate_core::audit::AuditAction;
use tollgate_core::card_terms::UniqueTokens;
use tollgate_core::ident::MerchantId;
use tollgate_core::page_face::Logo;
use tollgate_store::{MerchantRecord, MerchantSave, Merchants, StoreError, StoreFuture};

/// How many tokens are let be found by their card in one step: some ten milliseconds of the writer.
const CARDS_PER_STEP: usize = 2_000;

impl SqliteStore {
    /// Lets a merchant's tokens be found by their cards, some at a time: payments go on between. What comes meanwhile is left
    /// to the change that wants it.
    async fn index_cards(&self, merchant: MerchantId) -> Result<(), StoreError> {
        let mut reached = Indexed::NOTHING;
        let some = move |from| {
            move |connection: &Prepared<'_>| card_rule::index_some(connection, merchant, from, CARDS_PER_STEP)
        };
        while let Some(next) = self.writer.call(some(reached)).await? {
            reached = next;
        }
        Ok(())
    }
}

impl Merchants for SqliteStore {
    fn merchants(&self) -> StoreFuture<'_, Vec<MerchantRecord>> {
        Box::pin(async move { self.readers.snapshot(merchants) })
    }

    fn merchants_generation(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move { self.readers.point(generation) })
    }

    fn add_merchant(&self, record: MerchantRecord) -> StoreFuture<'_, MerchantSave> {
        Box::pin(async move {
            let terms = terms_text(&record)?;
            let log = self.audit.clone();
            let work = move |connection: &Prepared<'_>, notes: &mut Notes| {
                let saved = add(connection, &record, &terms)?;
                if let MerchantSave::Saved(id) = saved {
                    log.note(notes, AuditAction::MerchantAdded, |entry| entry.about(id).saying(record.name.as_str()));
                }
                Ok(saved)
            };
            self.writer.call_noted(work).await
        })
    }

    fn save_merchant(&self, record: MerchantRecord, change: String) -> StoreFuture<'_, MerchantSave> {
        Box::pin(async move {
            let terms = terms_text(&record)?;
            if record.terms.cards.unique != UniqueTokens::Off {
                self.index_cards(record.id).await?;
            }
            let log = self.audit.clone();
            let work = move |connection: &Prepared<'_>, notes: &mut Notes| {
                let saved = save(connection, &record, &terms)?;
                if let MerchantSave::Saved(id) = saved {
                    log.note(notes, AuditAction::MerchantChanged, |entry| entry.about(id).saying(change.as_str()));
                }
                Ok(saved)
            };
            self.writer.call_noted(work).await
        })
    }

    fn merchant_logo(&self, merchant: MerchantId) -> StoreFuture<'_, Option<Logo>> {
        Box::pin(async move { self.readers.point(|connection| logo(connection, merchant)) })
    }

    fn set_merchant_logo(&self, merchant: MerchantId, logo: Option<Logo>) -> StoreFuture<'_, MerchantSave> {
        let log = self.audit.clone();
        Box::pin(self.writer.call_noted(move |connection, notes| {
            let saved = set_logo(connection, merchant, logo.as_ref())?;
            if let MerchantSave::Saved(id) = saved {
                log.note(notes, AuditAction::MerchantChanged, |entry| entry.about(id).saying("page logo"));
            }
            Ok(saved)
        }))
    }
}

/// All accounts, by id.
pub(crate) fn merchants(connection: &Prepared<'_>) -> Result<Vec<MerchantRecord>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT merchant_id, name, merchant_identifier, active, sealed_credentials, terms, version FROM merchants \
         ORDER BY merchant_id",
    )?;
    all(statement.query([])?, |row| {
        let id: i64 = row.get(0)?;
        let terms = row.get_ref(5)?;
        let terms = terms.as_str().map_err(|_| unreadable("merchants.terms"))?;
        Ok(MerchantRecord {
            id: MerchantId(id),
            name: row.get(1)?,
            merchant_identifier: row.get(2)?,
            active: row.get(3)?,
            access_codes: access_codes(connection, id)?,
            sealed_credentials: row.get(4)?,
            terms: serde_json::from_str(terms).map_err(|_| unreadable("merchants.terms"))?,
            version: row.get(6)?,
        })
    })
}

/// The number that grows with every change of an account, by whatever process.
pub(crate) fn generation(connection: &Prepared<'_>) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached("SELECT value FROM counters WHERE name = 'merchants_generation'")?;
    let value: Option<i64> = first(statement.query([])?, |row| Ok(row.get(0)?))?;
    let value = value.and_then(|value| u64::try_from(value).ok());
    value.ok_or_else(|| Failure::Store(unreadable("counters.value")))
}

/// Adds an account under a new id, with version 1.
pub(crate) fn add(connection: &Prepared<'_>, record: &MerchantRecord, terms: &str) -> Result<MerchantSave, Failure> {
    if let Some(taken) = taken(connection, record, None)? {
        return Ok(taken);
    }
    connection
        .prepare_cached(
            "INSERT INTO merchants (name, merchant_identifier, active, sealed_credentials, terms, version) \
             VALUES (?1, ?2, ?3, ?4, ?5, 1)",
        )?
        .execute(params![record.name, record.merchant_identifier, record.active, record.sealed_credentials, terms])?;
    let id = MerchantId(connection.last_insert_rowid());
    index_cards(connection, id, record)?;
    write_access_codes(connection, id, &record.access_codes)?;
    count_change(connection)?;
    Ok(MerchantSave::Saved(id))
}

/// Unique tokens are judged by an index that has all tokens of the merchant.
fn index_cards(connection: &Prepared<'_>, id: MerchantId, record: &MerchantRecord) -> Result<(), Failure> {
    match record.terms.cards.unique {
        UniqueTokens::Off => Ok(()),
        UniqueTokens::PerMerchant | UniqueTokens::PerCustomer => card_rule::index_all(connection, id),
    }
}

/// Replaces an account that still has the version that was read.
pub(crate) fn save(connection: &Prepared<'_>, record: &MerchantRecord, terms: &str) -> Result<MerchantSave, Failure> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM merchants WHERE merchant_id = ?1 AND version = ?2")?;
    if !statement.exists(params![record.id.0, record.version])? {
        return Ok(MerchantSave::Changed);
    }
    if let Some(taken) = taken(connection, record, Some(record.id))? {
        return Ok(taken);
    }
    connection
        .prepare_cached(
            "UPDATE merchants SET name = ?2, merchant_identifier = ?3, active = ?4, sealed_credentials = ?5, \
             terms = ?6, version = version + 1 WHERE merchant_id = ?1",
        )?
        .execute(params![
            record.id.0,
            record.name,
            record.merchant_identifier,
            record.active,
            record.sealed_credentials,
            terms
        ])?;
    index_cards(connection, record.id, record)?;
    connection.prepare_cached("DELETE FROM access_codes WHERE merchant_id = ?1")?.execute([record.id.0])?;
    write_access_codes(connection, record.id, &record.access_codes)?;
    count_change(connection)?;
    Ok(MerchantSave::Saved(record.id))
}

/// The logo of a merchant's pages. Its kind and size are read from the picture again.
pub(crate) fn logo(connection: &Prepared<'_>, merchant: MerchantId) -> Result<Option<Logo>, Failure> {
    let mut statement = connection.prepare_cached("SELECT picture FROM merchant_logos WHERE merchant_id = ?1")?;
    let picture: Option<Vec<u8>> = first(statement.query([merchant.0])?, |row| Ok(row.get(0)?))?;
    let read = |bytes| Logo::read(bytes).map_err(|_| Failure::Store(unreadable("merchant_logos.picture")));
    picture.map(read).transpose()
}

/// Replaces or removes the logo of a merchant.
pub(crate) fn set_logo(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    logo: Option<&Logo>,
) -> Result<MerchantSave, Failure> {
    if !connection.prepare_cached("SELECT 1 FROM merchants WHERE merchant_id = ?1")?.exists([merchant.0])? {
        return Ok(MerchantSave::Changed);
    }
    match logo {
        Some(logo) => connection
            .prepare_cached(
                "INSERT INTO merchant_logos (merchant_id, picture) VALUES (?1, ?2) \
                 ON CONFLICT (merchant_id) DO UPDATE SET picture = excluded.picture",
            )?
            .execute(params![merchant.0, logo.bytes])?,
        None => {
            connection.prepare_cached("DELETE FROM merchant_logos WHERE merchant_id = ?1")?.execute([merchant.0])?
        }
    };
    Ok(MerchantSave::Saved(merchant))
}

/// Terms as they are kept: JSON.
pub(crate) fn terms_text(record: &MerchantRecord) -> Result<String, StoreError> {
    serde_json::to_string(&record.terms)
        .map_err(|_| StoreError::Refused("the merchant's terms cannot be kept as JSON".to_owned()))
}

fn access_codes(connection: &Prepared<'_>, merchant: i64) -> Result<Vec<String>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT access_code FROM access_codes WHERE merchant_id = ?1 ORDER BY place")?;
    all(statement.query([merchant])?, |row| Ok(row.get(0)?))
}

fn write_access_codes(connection: &Prepared<'_>, merchant: MerchantId, codes: &[String]) -> Result<(), Failure> {
    let mut statement =
        connection.prepare_cached("INSERT INTO access_codes (access_code, merchant_id, place) VALUES (?1, ?2, ?3)")?;
    for (code, place) in codes.iter().zip(0_i64..) {
        statement.execute(params![code, merchant.0, place])?;
    }
    Ok(())
}

fn count_change(connection: &Prepared<'_>) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE counters SET value = value + 1 WHERE name = 'merchants_generation'")?
        .execute([])?;
    Ok(())
}

/// What of the account belongs to a merchant other than `own` already.
fn taken(
    connection: &Prepared<'_>,
    record: &MerchantRecord,
    own: Option<MerchantId>,
) -> Result<Option<MerchantSave>, Failure> {
    // Ids count from 1, so 0 is nobody's.
    let own = own.map_or(0, |id| id.0);
    let exists = |sql: &'static str, value: &str| -> Result<bool, Failure> {
        Ok(connection.prepare_cached(sql)?.exists(params![value, own])?)
    };
    if exists("SELECT 1 FROM merchants WHERE name = ?1 AND merchant_id <> ?2", &record.name)? {
        return Ok(Some(MerchantSave::NameTaken));
    }
    let identifier = "SELECT 1 FROM merchants WHERE merchant_identifier = ?1 AND merchant_id <> ?2";
    if exists(identifier, &record.merchant_identifier)? {
        return Ok(Some(MerchantSave::IdentifierTaken));
    }
    for code in &record.access_codes {
        if exists("SELECT 1 FROM access_codes WHERE access_code = ?1 AND merchant_id <> ?2", code)? {
            return Ok(Some(MerchantSave::AccessCodeTaken(code.clone())));
        }
    }
    Ok(None)
}
