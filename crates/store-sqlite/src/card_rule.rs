//! The rule of a merchant's cards: how many tokens one may have, and for how many customers it may be kept. It is judged
//! in the transaction that keeps the card, by the merchant's terms as they are then, so that no two who keep a card at
//! once can break it.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{all, first, limit};
use rusqlite::{Row, params};
use tollgate_core::card_terms::{CardTerms, UniqueTokens};
use tollgate_core::ident::MerchantId;
use tollgate_core::merchant::Terms;
use tollgate_core::time::Timestamp;
use tollgate_core::token::TokenId;
use tollgate_store::CardCustomer;
use tollgate_vault::Fingerprint;

/// A card that is to be kept.
pub(crate) struct Keeping<'a> {
    pub(crate) merchant: MerchantId,
    pub(crate) fingerprint: &'a [u8],
    /// The name that it would be kept under.
    pub(crate) name: &'a str,
    /// Whose it is, where that is known.
    pub(crate) customer: Option<&'a str>,
    pub(crate) at: Timestamp,
}

/// What the rule says.
pub(crate) enum Verdict {
    /// It may be kept under its name.
    Free,
    /// The card has a token, which counts in place of another one.
    Has(KeptCard),
    /// It is kept for as many customers as it may be.
    TooManyCustomers,
}

/// The token that a card has.
pub(crate) struct KeptCard {
    pub(crate) id: TokenId,
    pub(crate) name: String,
}

/// Judges a card that is to be kept, and notes whose it is unless it is not kept.
pub(crate) fn judge(connection: &Prepared<'_>, keeping: &Keeping<'_>) -> Result<Verdict, Failure> {
    // A merchant that wants unique tokens has its cards indexed, and only of a card with a customer anything is noted: most
    // cards are done here, without reading the terms.
    if keeping.customer.is_none() && !are_indexed(connection, keeping.merchant)? {
        return Ok(Verdict::Free);
    }
    let terms = terms(connection, keeping.merchant)?;
    if let Some(customer) = keeping.customer
        && !note_customer(connection, keeping, customer, terms.customers_max)?
    {
        return Ok(Verdict::TooManyCustomers);
    }
    // Of doubles that were there before the rule, the one that is asked for counts, else the oldest.
    let sql = match terms.unique {
        UniqueTokens::Off => return Ok(Verdict::Free),
        UniqueTokens::PerMerchant => {
            "SELECT token_id, name FROM tokens INDEXED BY tokens_of_card \
             WHERE merchant_id = ?1 AND fingerprint = ?2 AND by_card = 1 AND status = 0 \
             AND (lapses_at IS NULL OR lapses_at > ?3) AND ?5 IS ?5 \
             ORDER BY lapses_at IS NOT NULL, name = ?4 DESC, created_at, token_id LIMIT 1"
        }
        UniqueTokens::PerCustomer => {
            "SELECT token_id, name FROM tokens INDEXED BY tokens_of_card \
             WHERE merchant_id = ?1 AND fingerprint = ?2 AND by_card = 1 AND status = 0 \
             AND (lapses_at IS NULL OR lapses_at > ?3) AND customer IS ?5 \
             ORDER BY lapses_at IS NOT NULL, name = ?4 DESC, created_at, token_id LIMIT 1"
        }
    };
    let mut statement = connection.prepare_cached(sql)?;
    let values = params![keeping.merchant.0, keeping.fingerprint, keeping.at.0, keeping.name, keeping.customer];
    let found = first(statement.query(values)?, |row| Ok(KeptCard { id: TokenId(row.get(0)?), name: row.get(1)? }))?;
    Ok(found.filter(|kept| kept.name != keeping.name).map_or(Verdict::Free, Verdict::Has))
}

/// Whether a token may be switched on: the name of the one that its card has already, else nothing.
pub(crate) fn in_the_way_of(connection: &Prepared<'_>, id: TokenId, at: Timestamp) -> Result<Option<String>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT merchant_id, fingerprint, customer FROM tokens WHERE token_id = ?1")?;
    let card = first(statement.query([id.0])?, |row| {
        Ok(SwitchedOff { merchant: MerchantId(row.get(0)?), fingerprint: row.get(1)?, customer: row.get(2)? })
    })?;
    let Some(SwitchedOff { merchant, fingerprint, customer }) = card else { return Ok(None) };
    let per_customer = match terms(connection, merchant)?.unique {
        UniqueTokens::Off => return Ok(None),
        UniqueTokens::PerMerchant => false,
        UniqueTokens::PerCustomer => true,
    };
    let mut statement = connection.prepare_cached(
        "SELECT name FROM tokens INDEXED BY tokens_of_card \
         WHERE merchant_id = ?1 AND fingerprint = ?2 AND by_card = 1 AND status = 0 AND token_id <> ?3 \
         AND (lapses_at IS NULL OR lapses_at > ?4) AND (NOT ?5 OR customer IS ?6) LIMIT 1",
    )?;
    first(statement.query(params![merchant.0, fingerprint, id.0, at.0, per_customer, customer])?, |row| Ok(row.get(0)?))
}

struct SwitchedOff {
    merchant: MerchantId,
    fingerprint: Vec<u8>,
    customer: Option<String>,
}

/// The customers that a card is kept for, longest first.
pub(crate) fn customers(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    fingerprint: &Fingerprint,
    rows_max: usize,
) -> Result<Vec<CardCustomer>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT customer, first_at FROM token_customers WHERE merchant_id = ?1 AND fingerprint = ?2 \
         ORDER BY first_at, customer LIMIT ?3",
    )?;
    all(statement.query(params![merchant.0, fingerprint.as_bytes().as_slice(), limit(rows_max)])?, |row| {
        Ok(CardCustomer { customer: row.get(0)?, first_at: Timestamp(row.get(1)?) })
    })
}

/// How many cards of a merchant have more tokens than `unique` allows.
pub(crate) fn doubles(connection: &Prepared<'_>, merchant: MerchantId, unique: UniqueTokens) -> Result<u64, Failure> {
    let sql = match unique {
        UniqueTokens::Off => return Ok(0),
        UniqueTokens::PerMerchant => {
            "SELECT count(*) FROM (SELECT 1 FROM tokens WHERE merchant_id = ?1 AND status = 0 AND lapses_at IS NULL \
             GROUP BY fingerprint HAVING count(*) > 1)"
        }
        UniqueTokens::PerCustomer => {
            "SELECT count(*) FROM (SELECT 1 FROM tokens WHERE merchant_id = ?1 AND status = 0 AND lapses_at IS NULL \
             GROUP BY fingerprint, customer HAVING count(*) > 1)"
        }
    };
    let count: i64 = connection.query_row(sql, [merchant.0], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Forgets whose a card is that no token keeps any more: none that names a customer, and none at all where tokens are unique.
pub(crate) fn forget_customers(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    fingerprint: &[u8],
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "DELETE FROM token_customers WHERE merchant_id = ?1 AND fingerprint = ?2 \
             AND NOT EXISTS (SELECT 1 FROM tokens INDEXED BY tokens_of_customers WHERE tokens.merchant_id = ?1 \
             AND tokens.fingerprint = ?2 AND tokens.customer IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM tokens INDEXED BY tokens_of_card WHERE tokens.merchant_id = ?1 \
             AND tokens.fingerprint = ?2 AND tokens.by_card = 1)",
        )?
        .execute(params![merchant.0, fingerprint])?;
    Ok(())
}

/// Whether all tokens of a merchant can be found by their card.
pub(crate) fn are_indexed(connection: &Prepared<'_>, merchant: MerchantId) -> Result<bool, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM merchants WHERE merchant_id = ?1 AND cards_indexed = 1")?;
    Ok(statement.exists([merchant.0])?)
}

/// Lets all tokens of a merchant be found by their card, from now on.
pub(crate) fn index_all(connection: &Prepared<'_>, merchant: MerchantId) -> Result<(), Failure> {
    if are_indexed(connection, merchant)? {
        return Ok(());
    }
    connection.execute("UPDATE tokens SET by_card = 1 WHERE merchant_id = ?1 AND by_card = 0", [merchant.0])?;
    connection.execute("UPDATE merchants SET cards_indexed = 1 WHERE merchant_id = ?1", [merchant.0])?;
    Ok(())
}

/// How far [`index_some`] has come: the age and number of the last token that it looked at.
#[derive(Clone, Copy)]
pub(crate) struct Indexed {
    created_at: i64,
    token_id: i64,
}

impl Indexed {
    pub(crate) const NOTHING: Indexed = Indexed { created_at: i64::MIN, token_id: i64::MIN };
}

/// Lets the next tokens of a merchant be found by their card; `None` when there is none left. What is written meanwhile
/// [`index_all`] finds.
pub(crate) fn index_some(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    from: Indexed,
    rows_max: usize,
) -> Result<Option<Indexed>, Failure> {
    if are_indexed(connection, merchant)? {
        return Ok(None);
    }
    let mut last = connection.prepare_cached(
        "SELECT created_at, token_id FROM (SELECT created_at, token_id FROM tokens INDEXED BY tokens_by_age \
         WHERE merchant_id = ?1 AND (created_at, token_id) > (?2, ?3) ORDER BY created_at, token_id LIMIT ?4) \
         ORDER BY created_at DESC, token_id DESC LIMIT 1",
    )?;
    let values = params![merchant.0, from.created_at, from.token_id, limit(rows_max)];
    let place = |row: &Row<'_>| Ok(Indexed { created_at: row.get(0)?, token_id: row.get(1)? });
    let Some(to) = first(last.query(values)?, place)? else { return Ok(None) };
    connection
        .prepare_cached(
            "UPDATE tokens INDEXED BY tokens_by_age SET by_card = 1 WHERE merchant_id = ?1 AND by_card = 0 \
             AND (created_at, token_id) > (?2, ?3) AND (created_at, token_id) <= (?4, ?5)",
        )?
        .execute(params![merchant.0, from.created_at, from.token_id, to.created_at, to.token_id])?;
    Ok(Some(to))
}

/// `false` when the card is kept for as many others as it may be.
fn note_customer(
    connection: &Prepared<'_>,
    keeping: &Keeping<'_>,
    customer: &str,
    customers_max: Option<u32>,
) -> Result<bool, Failure> {
    let kept = connection
        .prepare_cached(
            "INSERT INTO token_customers (merchant_id, fingerprint, customer, first_at) SELECT ?1, ?2, ?3, ?4 \
             WHERE ?5 IS NULL OR (SELECT count(*) FROM token_customers WHERE merchant_id = ?1 AND fingerprint = ?2) < ?5 \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![keeping.merchant.0, keeping.fingerprint, customer, keeping.at.0, customers_max])?;
    if kept == 1 {
        return Ok(true);
    }
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM token_customers WHERE merchant_id = ?1 AND fingerprint = ?2 AND customer = ?3",
    )?;
    Ok(statement.exists(params![keeping.merchant.0, keeping.fingerprint, customer])?)
}

/// The terms of a merchant; of one that is not there, those of a merchant that wants nothing.
fn terms(connection: &Prepared<'_>, merchant: MerchantId) -> Result<CardTerms, Failure> {
    let mut statement = connection.prepare_cached("SELECT terms FROM merchants WHERE merchant_id = ?1")?;
    let terms: Option<String> = first(statement.query([merchant.0])?, |row| Ok(row.get(0)?))?;
    let Some(terms) = terms else { return Ok(CardTerms::default()) };
    let terms: Terms = serde_json::from_str(&terms).map_err(|_| unreadable("merchants.terms"))?;
    Ok(terms.cards)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::migrate;
    use rusqlite::Connection;

    const MERCHANT: MerchantId = MerchantId(1);

    /// A store with this many tokens of the merchant, and one of another merchant.
    fn with_tokens(count: i64) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::apply_all(&mut connection).unwrap();
        for (merchant, ids) in [(1, 1..=count), (2, 1_000..=1_000)] {
            connection
                .execute(
                    "INSERT INTO merchants (merchant_id, name, merchant_identifier, active, sealed_credentials, terms, version) \
                     VALUES (?1, 'm' || ?1, 'm' || ?1, 1, x'', '{}', 1)",
                    [merchant],
                )
                .unwrap();
            for id in ids {
                connection
                    .execute(
                        "INSERT INTO tokens (token_id, merchant_id, name, status, brand, card_mask, card_expiry, card_bin, \
                         card_sealed, fingerprint, created_at, updated_at, version) \
                         VALUES (?1, ?2, 'n' || ?1, 0, 0, '', '', '', x'', randomblob(32), ?1 / 3, 0, 1)",
                        [id, merchant],
                    )
                    .unwrap();
            }
        }
        connection
    }

    /// The tokens that the index by card has.
    fn found(connection: &Prepared<'_>) -> i64 {
        connection
            .query_row("SELECT count(*) FROM tokens INDEXED BY tokens_of_card WHERE by_card = 1", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn tokens_are_let_be_found_in_steps_that_leave_none_out() {
        let tokens = with_tokens(20);
        let connection = Prepared::passing(&tokens);
        let (mut reached, mut steps) = (Indexed::NOTHING, Vec::new());
        while let Some(next) = index_some(&connection, MERCHANT, reached, 6).unwrap() {
            reached = next;
            steps.push(found(&connection));
        }
        assert_eq!(steps, [6, 12, 18, 20], "several have the same age");
        assert!(!are_indexed(&connection, MERCHANT).unwrap(), "one more may have come meanwhile");
        index_all(&connection, MERCHANT).unwrap();
        assert!(are_indexed(&connection, MERCHANT).unwrap());
        assert_eq!(found(&connection), 20, "the other merchant's has no part in it");
        assert!(index_some(&connection, MERCHANT, Indexed::NOTHING, 6).unwrap().is_none(), "that is done");
    }

    #[test]
    fn what_comes_between_the_steps_and_the_change_is_found() {
        let tokens = with_tokens(5);
        let connection = Prepared::passing(&tokens);
        index_all(&connection, MERCHANT).unwrap();
        assert_eq!(found(&connection), 5);
        connection.execute("UPDATE merchants SET cards_indexed = 0", []).unwrap();
        connection.execute("UPDATE tokens SET by_card = 0 WHERE token_id = 3", []).unwrap();
        index_all(&connection, MERCHANT).unwrap();
        assert_eq!(found(&connection), 5);
    }
}
