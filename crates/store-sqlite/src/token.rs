//! Tokens, and what the outcome of a payment does to them.

use crate::card_rule::{self, Keeping, Verdict};
use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{all, first, limit, network_id};
use crate::{agreement, route};
use rusqlite::{Row, params};
use tollgate_core::card::CardFacts;
use tollgate_core::command::Eci;
use tollgate_core::credential::NetworkTransactionId;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::order::{OperationState, Order};
use tollgate_core::page::AfterPayment;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{FirstPayment, Token, TokenId, TokenRole, TokenStatus};
use tollgate_store::{
    NewOrder, OutcomeRecord, RouteNote, StoreError, StoredToken, TokenFilter, TokenIntent, TokenPlace, TokenPut,
    TokenSave,
};
use tollgate_vault::{Fingerprint, SealedCard};

/// The columns that [`stored_token`] reads, from place 0; [`token`] reads all but the last two.
macro_rules! token_columns {
    () => {
        "token_id, merchant_id, name, status, lapses_at, brand, card_mask, card_expiry, card_holder, card_bin, \
         currency, created_at, updated_at, version, after_payment, first_payment_at, network_transaction_id"
    };
}

/// The token of a merchant with this name.
pub(crate) fn by_name(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    name: &str,
) -> Result<Option<StoredToken>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        token_columns!(),
        ", card_sealed, fingerprint FROM tokens WHERE merchant_id = ?1 AND name = ?2"
    ))?;
    first(statement.query(params![merchant.0, name])?, stored_token)
}

/// Tokens that fit a filter, oldest first.
pub(crate) fn list(connection: &Prepared<'_>, filter: &TokenFilter) -> Result<Vec<Token>, Failure> {
    let sql = match &filter.fingerprint {
        None => concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens WHERE merchant_id = ?1 AND created_at >= ?2 AND created_at < ?3 \
             AND (created_at, token_id) > (?4, ?5) AND ?6 IS NULL ORDER BY created_at, token_id LIMIT ?7"
        ),
        Some(_) if card_rule::are_indexed(connection, filter.merchant)? => concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens INDEXED BY tokens_of_card WHERE merchant_id = ?1 AND created_at >= ?2 AND created_at < ?3 \
             AND (created_at, token_id) > (?4, ?5) AND fingerprint = ?6 AND by_card = 1 \
             ORDER BY created_at, token_id LIMIT ?7"
        ),
        Some(_) => concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens WHERE merchant_id = ?1 AND created_at >= ?2 AND created_at < ?3 \
             AND (created_at, token_id) > (?4, ?5) AND fingerprint = ?6 ORDER BY created_at, token_id LIMIT ?7"
        ),
    };
    let after = filter.after.unwrap_or(TokenPlace { created_at: Timestamp(i64::MIN), id: TokenId(i64::MIN) });
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query(params![
        filter.merchant.0,
        filter.from.0,
        filter.before.0,
        after.created_at.0,
        after.id.0,
        filter.fingerprint.as_ref().map(|fingerprint| fingerprint.as_bytes().as_slice()),
        limit(filter.limit),
    ])?;
    all(rows, token)
}

/// [`add`], with a note of the route by which the card came where it is kept.
pub(crate) fn add_noted(
    connection: &Prepared<'_>,
    new: &StoredToken,
    came: Option<&RouteNote>,
) -> Result<TokenSave, Failure> {
    let saved = add(connection, new)?;
    if matches!(saved, TokenSave::Saved | TokenSave::CardHas(_)) {
        route::note_card(connection, new.token.merchant, came)?;
    }
    Ok(saved)
}

/// [`put`], with a note of the route by which the card came where it is kept.
pub(crate) fn put_noted(
    connection: &Prepared<'_>,
    new: &StoredToken,
    came: Option<&RouteNote>,
) -> Result<TokenPut, Failure> {
    let put = put(connection, new)?;
    if put != TokenPut::Inactive {
        route::note_card(connection, new.token.merchant, came)?;
    }
    Ok(put)
}

/// Keeps a token under its name, with the card of a known one replaced. Nothing is changed when that one is off.
pub(crate) fn put(connection: &Prepared<'_>, new: &StoredToken) -> Result<TokenPut, Failure> {
    match add(connection, new)? {
        TokenSave::Saved => return Ok(TokenPut::Added),
        TokenSave::CardHas(name) => return Ok(TokenPut::CardHas(name)),
        TokenSave::NameTaken | TokenSave::Changed => {}
    }
    let Some(old) = holder_of(connection, &new.token)? else { return Ok(TokenPut::Inactive) };
    let is_same_card = old.fingerprint == new.fingerprint.as_bytes();
    // Another card is nobody's until a payment tells whose it is; it may have a token already.
    let customer = old.customer.filter(|_| is_same_card);
    if let Some(name) = kept_already(connection, new, customer.as_deref())? {
        return Ok(TokenPut::CardHas(name));
    }
    replace(connection, new, customer.as_deref())?;
    if !is_same_card {
        card_rule::forget_customers(connection, new.token.merchant, &old.fingerprint)?;
    }
    Ok(TokenPut::Replaced)
}

/// The card that an active token has, and whose it is.
struct Holder {
    fingerprint: Vec<u8>,
    customer: Option<String>,
}

fn holder_of(connection: &Prepared<'_>, token: &Token) -> Result<Option<Holder>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT fingerprint, customer FROM tokens WHERE merchant_id = ?1 AND name = ?2 AND status = 0",
    )?;
    first(statement.query(params![token.merchant.0, token.name])?, |row| {
        Ok(Holder { fingerprint: row.get(0)?, customer: row.get(1)? })
    })
}

fn replace(connection: &Prepared<'_>, new: &StoredToken, customer: Option<&str>) -> Result<(), Failure> {
    let token = &new.token;
    connection
        .prepare_cached(
            "UPDATE tokens SET token_id = ?3, brand = ?4, card_mask = ?5, card_expiry = ?6, card_holder = ?7, \
             card_bin = ?8, card_sealed = ?9, fingerprint = ?10, currency = coalesce(?11, currency), \
             lapses_at = CASE WHEN lapses_at IS NULL THEN NULL ELSE ?12 END, after_payment = ?13, updated_at = ?14, \
             customer = ?15, version = version + 1, \
             first_payment_at = iif(fingerprint = ?10, first_payment_at, NULL), \
             network_transaction_id = iif(fingerprint = ?10, network_transaction_id, NULL) \
             WHERE merchant_id = ?1 AND name = ?2",
        )?
        .execute(params![
            token.merchant.0,
            token.name,
            token.id.0,
            codes::brand_number(token.card.brand),
            token.card.mask,
            token.card.expiry,
            token.card.holder,
            token.bin,
            new.card.as_bytes(),
            new.fingerprint.as_bytes().as_slice(),
            token.currency.map(|currency| currency.numeric()),
            token.lapses_at.map(|at| at.0),
            after_payment_number(token.after_payment),
            token.updated_at.0,
            customer,
        ])?;
    Ok(())
}

/// Keeps a new token. Nothing is changed unless the answer is `Saved`.
pub(crate) fn add(connection: &Prepared<'_>, new: &StoredToken) -> Result<TokenSave, Failure> {
    let Token { merchant, name, created_at, .. } = &new.token;
    connection
        .prepare_cached("DELETE FROM tokens WHERE merchant_id = ?1 AND name = ?2 AND lapses_at <= ?3")?
        .execute(params![merchant.0, name, created_at.0])?;
    let mut statement = connection.prepare_cached("SELECT 1 FROM tokens WHERE merchant_id = ?1 AND name = ?2")?;
    if statement.exists(params![merchant.0, name])? {
        return Ok(TokenSave::NameTaken);
    }
    // No request that makes a token by itself names a customer.
    if let Some(name) = kept_already(connection, new, None)? {
        return Ok(TokenSave::CardHas(name));
    }
    insert(connection, new)?;
    Ok(TokenSave::Saved)
}

/// The token that counts in place of a new one of the same card, by the rule of the merchant's cards; it takes over
/// what is new of the card, and while it waits for a payment the wish about what comes after that.
fn kept_already(
    connection: &Prepared<'_>,
    new: &StoredToken,
    customer: Option<&str>,
) -> Result<Option<String>, Failure> {
    let Token { merchant, name, created_at, card, lapses_at, after_payment, .. } = &new.token;
    let fingerprint = new.fingerprint.as_bytes().as_slice();
    let keeping = Keeping { merchant: *merchant, fingerprint, name, customer, at: *created_at };
    let Verdict::Has(kept) = card_rule::judge(connection, &keeping)? else { return Ok(None) };
    renew(connection, kept.id, &card.expiry, card.holder.as_deref(), *lapses_at, *created_at)?;
    connection
        .prepare_cached("UPDATE tokens SET after_payment = ?2 WHERE token_id = ?1 AND lapses_at IS NOT NULL")?
        .execute(params![kept.id.0, after_payment_number(*after_payment)])?;
    Ok(Some(kept.name))
}

/// Changes a token. Nothing is changed unless the answer is `Saved`.
pub(crate) fn change(connection: &Prepared<'_>, token: &Token) -> Result<TokenSave, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT status, name FROM tokens WHERE token_id = ?1 AND merchant_id = ?2 AND version = ?3 - 1",
    )?;
    let values = params![token.id.0, token.merchant.0, token.version];
    let before = first(statement.query(values)?, |row| Ok(Before { status: status(row.get(0)?)?, name: row.get(1)? }))?;
    let Some(before) = before else { return Ok(TokenSave::Changed) };
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM tokens WHERE merchant_id = ?1 AND name = ?2 AND token_id <> ?3")?;
    if statement.exists(params![token.merchant.0, token.name, token.id.0])? {
        return Ok(TokenSave::NameTaken);
    }
    if (before.status, token.status) == (TokenStatus::Inactive, TokenStatus::Active)
        && let Some(name) = card_rule::in_the_way_of(connection, token.id, token.updated_at)?
    {
        return Ok(TokenSave::CardHas(name));
    }
    connection
        .prepare_cached(
            "UPDATE tokens SET name = ?2, status = ?3, lapses_at = ?4, card_expiry = ?5, card_holder = ?6, \
             currency = ?7, updated_at = ?8, version = ?9 WHERE token_id = ?1",
        )?
        .execute(params![
            token.id.0,
            token.name,
            status_number(token.status),
            token.lapses_at.map(|at| at.0),
            token.card.expiry,
            token.card.holder,
            token.currency.map(|currency| currency.numeric()),
            token.updated_at.0,
            token.version,
        ])?;
    if before.name != token.name {
        agreement::rename_token(connection, token.merchant, &before.name, &token.name)?;
    }
    Ok(TokenSave::Saved)
}

/// A token before it is changed.
struct Before {
    status: TokenStatus,
    name: String,
}

/// Deletes a token, and what a payment under way would keep under its name.
pub(crate) fn delete(connection: &Prepared<'_>, merchant: MerchantId, name: &str) -> Result<Option<Token>, Failure> {
    let found = by_name(connection, merchant, name)?;
    for sql in [
        "DELETE FROM tokens WHERE merchant_id = ?1 AND name = ?2",
        "DELETE FROM token_intents WHERE merchant_id = ?1 AND name = ?2",
    ] {
        connection.prepare_cached(sql)?.execute(params![merchant.0, name])?;
    }
    if let Some(stored) = &found {
        card_rule::forget_customers(connection, merchant, stored.fingerprint.as_bytes().as_slice())?;
    }
    Ok(found.map(|stored| stored.token))
}

/// Deletes tokens that have lapsed, but for those that a payment under way may still keep.
pub(crate) fn delete_lapsed(connection: &Prepared<'_>, now: Timestamp, rows_max: usize) -> Result<u64, Failure> {
    let deleted = connection
        .prepare_cached(
            "DELETE FROM tokens WHERE token_id IN (SELECT token_id FROM tokens WHERE lapses_at <= ?1 \
             AND NOT EXISTS (SELECT 1 FROM token_intents WHERE token_intents.token_id = tokens.token_id) \
             ORDER BY lapses_at LIMIT ?2)",
        )?
        .execute(params![now.0, limit(rows_max)])?;
    Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
}

/// Whether there are tokens that [`delete_lapsed`] would delete.
pub(crate) fn has_lapsed(connection: &Prepared<'_>, now: Timestamp) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM tokens WHERE lapses_at <= ?1 \
         AND NOT EXISTS (SELECT 1 FROM token_intents WHERE token_intents.token_id = tokens.token_id) LIMIT 1",
    )?;
    Ok(statement.exists([now.0])?)
}

/// Writes what becomes of a token when a new order's payment succeeds.
pub(crate) fn insert_intent(connection: &Prepared<'_>, new: &NewOrder) -> Result<(), Failure> {
    let waits = new.order.token.as_ref().is_some_and(|token| token.role.waits_for_success());
    let customer = new.request.customer();
    match &new.token {
        None if waits => Err(refused("an order that makes or keeps a token says which")),
        Some(_) if !waits => Err(refused("an order that makes or keeps no token has none to write")),
        None => Ok(()),
        Some(TokenIntent::Keep(id)) => {
            connection
                .prepare_cached(
                    "INSERT INTO token_intents (fort_id, merchant_id, token_id, customer) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![new.order.fort_id.0, new.order.merchant.0, id.0, customer])?;
            Ok(())
        }
        Some(TokenIntent::Put(stored)) => insert_put(connection, &new.order, stored, customer),
    }
}

fn insert_put(
    connection: &Prepared<'_>,
    order: &Order,
    stored: &StoredToken,
    customer: Option<String>,
) -> Result<(), Failure> {
    let token = &stored.token;
    if token.merchant != order.merchant {
        return Err(refused("an order makes a token of its own merchant"));
    }
    connection
        .prepare_cached(
            "INSERT INTO token_intents (fort_id, merchant_id, token_id, name, brand, card_mask, card_expiry, \
             card_holder, card_bin, card_sealed, fingerprint, currency, created_at, customer) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            order.fort_id.0,
            order.merchant.0,
            token.id.0,
            token.name,
            codes::brand_number(token.card.brand),
            token.card.mask,
            token.card.expiry,
            token.card.holder,
            token.bin,
            stored.card.as_bytes(),
            stored.fingerprint.as_bytes().as_slice(),
            token.currency.map(|currency| currency.numeric()),
            token.created_at.0,
            customer,
        ])?;
    Ok(())
}

/// Does what the outcome of the operation that began an order, or of its newest try, means for a token: of other
/// operations, and of orders without a token, nothing.
pub(crate) fn settle_intent(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<(), Failure> {
    let waits = record.order.token.as_ref().is_some_and(|token| token.role.waits_for_success());
    if !waits || record.operation.rrn() != record.order.original.rrn {
        return Ok(());
    }
    let fort_id = record.order.fort_id;
    let fulfilled = match record.state {
        OperationState::Sent | OperationState::Unknown => return Ok(()),
        OperationState::Approved => fulfil(connection, record)?,
        OperationState::Declined | OperationState::Reversed | OperationState::NotSent => Fulfilled::NotKept,
    };
    let ended = connection.prepare_cached("DELETE FROM token_intents WHERE fort_id = ?1")?.execute([fort_id.0])?;
    // A token was deleted meanwhile, or never came to be: what follows must not tell of it.
    // (An outcome that corrects a settled one finds what the settled one has left.)
    let was_open = matches!(record.state_before, OperationState::Sent | OperationState::Unknown);
    let is_made = fulfilled == Fulfilled::Kept && ended > 0;
    let makes = record.order.token.as_ref().is_some_and(|token| token.role == TokenRole::Saves);
    // Another try of the same payment follows, and asks for the same.
    let is_over = record.checkout.is_none();
    if makes && was_open && !is_made && is_over {
        connection
            .prepare_cached("UPDATE orders SET token_name = NULL, token_role = NULL WHERE fort_id = ?1")?
            .execute([fort_id.0])?;
    }
    Ok(())
}

/// Whether a card is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fulfilled {
    Kept,
    NotKept,
}

/// The card that a payment's success keeps.
struct Intended {
    merchant: MerchantId,
    fingerprint: Vec<u8>,
    name: String,
    expiry: String,
    holder: Option<String>,
    customer: Option<String>,
}

fn fulfil(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<Fulfilled, Failure> {
    let (fort_id, at, paid) = (record.order.fort_id, record.at, Paid::by(record));
    let Some(card) = intended(connection, fort_id)? else { return Ok(Fulfilled::NotKept) };
    let Intended { merchant, fingerprint, name, customer, .. } = &card;
    let customer = customer.as_deref();
    match card_rule::judge(connection, &Keeping { merchant: *merchant, fingerprint, name, customer, at })? {
        Verdict::Free => keep(connection, fort_id, &card, &paid, at)?,
        Verdict::Has(kept) => {
            renew(connection, kept.id, &card.expiry, card.holder.as_deref(), None, at)?;
            note_payment(connection, kept.id, &paid)?;
            connection
                .prepare_cached("UPDATE orders SET token_name = ?2 WHERE fort_id = ?1")?
                .execute(params![fort_id.0, kept.name])?;
        }
        Verdict::TooManyCustomers => return Ok(Fulfilled::NotKept),
    }
    Ok(Fulfilled::Kept)
}

/// The card of an order's intent, from the intent itself or from the provisional token that it keeps.
fn intended(connection: &Prepared<'_>, fort_id: FortId) -> Result<Option<Intended>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT token_intents.merchant_id, coalesce(token_intents.fingerprint, tokens.fingerprint), \
         coalesce(token_intents.name, tokens.name), coalesce(token_intents.card_expiry, tokens.card_expiry), \
         iif(token_intents.name IS NULL, tokens.card_holder, token_intents.card_holder), token_intents.customer \
         FROM token_intents LEFT JOIN tokens ON token_intents.name IS NULL AND tokens.token_id = token_intents.token_id \
         WHERE fort_id = ?1 AND coalesce(token_intents.name, tokens.name) IS NOT NULL",
    )?;
    first(statement.query([fort_id.0])?, |row| {
        Ok(Intended {
            merchant: MerchantId(row.get(0)?),
            fingerprint: row.get(1)?,
            name: row.get(2)?,
            expiry: row.get(3)?,
            holder: row.get(4)?,
            customer: row.get(5)?,
        })
    })
}

/// What a card that is kept again brings to the token that it has.
fn renew(
    connection: &Prepared<'_>,
    id: TokenId,
    expiry: &str,
    holder: Option<&str>,
    lapses_at: Option<Timestamp>,
    at: Timestamp,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE tokens SET card_expiry = ?2, card_holder = coalesce(?3, card_holder), updated_at = ?5, \
             lapses_at = iif(lapses_at IS NULL OR ?4 IS NULL, NULL, max(lapses_at, ?4)), version = version + 1 \
             WHERE token_id = ?1",
        )?
        .execute(params![id.0, expiry, holder, lapses_at.map(|at| at.0), at.0])?;
    Ok(())
}

/// What a token is noted with by a payment that succeeded: that of a customer at a browser alone.
#[derive(Default)]
pub(crate) struct Paid<'a> {
    at: Option<i64>,
    network_transaction_id: Option<&'a str>,
}

impl Paid<'_> {
    pub(crate) fn by(record: &OutcomeRecord) -> Paid<'_> {
        if record.order.eci != Eci::Ecommerce {
            return Paid::default();
        }
        let network_transaction_id = record.network_transaction_id.as_ref().map(NetworkTransactionId::as_str);
        Paid { at: Some(record.at.0), network_transaction_id }
    }
}

/// Notes a payment with a token that is there; what is noted already stays.
pub(crate) fn note_payment(connection: &Prepared<'_>, id: TokenId, paid: &Paid<'_>) -> Result<(), Failure> {
    if paid.at.is_none() {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE tokens SET first_payment_at = coalesce(first_payment_at, ?2), \
             network_transaction_id = coalesce(network_transaction_id, ?3) WHERE token_id = ?1",
        )?
        .execute(params![id.0, paid.at, paid.network_transaction_id])?;
    Ok(())
}

fn keep(
    connection: &Prepared<'_>,
    fort_id: FortId,
    card: &Intended,
    paid: &Paid<'_>,
    at: Timestamp,
) -> Result<(), Failure> {
    let replaced = by_name(connection, card.merchant, &card.name)?;
    connection
        .prepare_cached(
            "UPDATE tokens SET lapses_at = NULL, customer = coalesce(?3, customer), updated_at = ?2, \
             version = version + 1, first_payment_at = coalesce(first_payment_at, ?4), \
             network_transaction_id = coalesce(network_transaction_id, ?5) WHERE lapses_at IS NOT NULL \
             AND token_id = (SELECT token_id FROM token_intents WHERE fort_id = ?1 AND name IS NULL)",
        )?
        .execute(params![fort_id.0, at.0, card.customer, paid.at, paid.network_transaction_id])?;
    connection
        .prepare_cached(
            "INSERT INTO tokens (token_id, merchant_id, name, status, lapses_at, brand, card_mask, card_expiry, \
             card_holder, card_bin, card_sealed, fingerprint, currency, created_at, updated_at, version, customer, \
             first_payment_at, network_transaction_id, by_card) SELECT token_id, merchant_id, name, 0, NULL, brand, \
             card_mask, card_expiry, card_holder, card_bin, card_sealed, fingerprint, currency, created_at, ?2, 1, customer, \
             ?3, ?4, coalesce((SELECT cards_indexed FROM merchants WHERE merchants.merchant_id = token_intents.merchant_id), 0) \
             FROM token_intents WHERE fort_id = ?1 AND name IS NOT NULL \
             ON CONFLICT (merchant_id, name) DO UPDATE SET token_id = excluded.token_id, \
             status = CASE WHEN lapses_at <= ?2 THEN 0 ELSE status END, lapses_at = NULL, \
             brand = excluded.brand, card_mask = excluded.card_mask, card_expiry = excluded.card_expiry, \
             card_holder = excluded.card_holder, card_bin = excluded.card_bin, card_sealed = excluded.card_sealed, \
             fingerprint = excluded.fingerprint, currency = coalesce(excluded.currency, currency), \
             created_at = CASE WHEN lapses_at <= ?2 THEN excluded.created_at ELSE created_at END, \
             updated_at = ?2, version = version + 1, customer = coalesce(excluded.customer, customer), \
             first_payment_at = coalesce(iif(fingerprint = excluded.fingerprint, first_payment_at, NULL), ?3), \
             network_transaction_id = \
             coalesce(iif(fingerprint = excluded.fingerprint, network_transaction_id, NULL), ?4)",
        )?
        .execute(params![fort_id.0, at.0, paid.at, paid.network_transaction_id])?;
    match replaced {
        Some(old) if old.fingerprint.as_bytes().as_slice() != card.fingerprint => {
            card_rule::forget_customers(connection, card.merchant, old.fingerprint.as_bytes().as_slice())
        }
        _ => Ok(()),
    }
}

fn insert(connection: &Prepared<'_>, stored: &StoredToken) -> Result<(), Failure> {
    let token = &stored.token;
    connection
        .prepare_cached(
            "INSERT INTO tokens (token_id, merchant_id, name, status, lapses_at, brand, card_mask, card_expiry, \
             card_holder, card_bin, card_sealed, fingerprint, currency, created_at, updated_at, version, after_payment, \
             first_payment_at, network_transaction_id, by_card) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, \
             coalesce((SELECT cards_indexed FROM merchants WHERE merchant_id = ?2), 0))",
        )?
        .execute(params![
            token.id.0,
            token.merchant.0,
            token.name,
            status_number(token.status),
            token.lapses_at.map(|at| at.0),
            codes::brand_number(token.card.brand),
            token.card.mask,
            token.card.expiry,
            token.card.holder,
            token.bin,
            stored.card.as_bytes(),
            stored.fingerprint.as_bytes().as_slice(),
            token.currency.map(|currency| currency.numeric()),
            token.created_at.0,
            token.updated_at.0,
            token.version,
            after_payment_number(token.after_payment),
            token.first_payment.as_ref().map(|first| first.at.0),
            token.first_payment.as_ref().and_then(|first| first.network_transaction_id.as_ref()).map(|id| id.as_str()),
        ])?;
    Ok(())
}

fn stored_token(row: &Row<'_>) -> Result<StoredToken, Failure> {
    let fingerprint: Vec<u8> = row.get(18)?;
    Ok(StoredToken {
        token: token(row)?,
        card: SealedCard::from_bytes(row.get(17)?),
        fingerprint: Fingerprint::from_bytes(&fingerprint).ok_or_else(|| unreadable("tokens.fingerprint"))?,
    })
}

fn token(row: &Row<'_>) -> Result<Token, Failure> {
    Ok(Token {
        id: TokenId(row.get(0)?),
        merchant: MerchantId(row.get(1)?),
        name: row.get(2)?,
        status: status(row.get(3)?)?,
        lapses_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        card: CardFacts {
            brand: codes::brand(row.get(5)?)?,
            mask: row.get(6)?,
            expiry: row.get(7)?,
            holder: row.get(8)?,
        },
        bin: row.get(9)?,
        currency: row.get::<_, Option<i64>>(10)?.map(codes::currency).transpose()?,
        first_payment: first_payment(row)?,
        created_at: Timestamp(row.get(11)?),
        updated_at: Timestamp(row.get(12)?),
        version: row.get(13)?,
        after_payment: after_payment(row.get(14)?)?,
    })
}

fn first_payment(row: &Row<'_>) -> Result<Option<FirstPayment>, Failure> {
    let Some(at) = row.get::<_, Option<i64>>(15)? else { return Ok(None) };
    let network_transaction_id = row.get::<_, Option<String>>(16)?.map(network_id).transpose()?;
    Ok(Some(FirstPayment { at: Timestamp(at), network_transaction_id }))
}

fn status_number(status: TokenStatus) -> i64 {
    match status {
        TokenStatus::Active => 0,
        TokenStatus::Inactive => 1,
    }
}

fn status(number: i64) -> Result<TokenStatus, StoreError> {
    let found = TokenStatus::ALL.into_iter().find(|status| status_number(*status) == number);
    found.ok_or_else(|| unreadable("tokens.status"))
}

fn after_payment_number(after: AfterPayment) -> i64 {
    match after {
        AfterPayment::Keep => 0,
        AfterPayment::Forget => 1,
    }
}

fn after_payment(number: i64) -> Result<AfterPayment, StoreError> {
    let found = AfterPayment::ALL.into_iter().find(|after| after_payment_number(*after) == number);
    found.ok_or_else(|| unreadable("tokens.after_payment"))
}

fn refused(rule: &str) -> Failure {
    Failure::Store(StoreError::Refused(rule.to_owned()))
}
