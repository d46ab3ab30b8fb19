//! Customers at the gateway's pages, and the tries of their payments.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::references::References;
use crate::rows::{CardColumns, all, credential_text, first, limit, params_text};
use crate::{agreement, authentication, claim, outcome, read, route, schedule, token, try_card};
use rusqlite::{Row, params};
use tollgate_core::checkout::{Checkout, CheckoutId, End, Purpose, Step, TokenEnd};
use tollgate_core::code::ResponseCode;
use tollgate_core::feedback::Channel;
use tollgate_core::ident::FortId;
use tollgate_core::order::{Operation, Order, Phase};
use tollgate_core::time::Timestamp;
use tollgate_core::token::Token;
use tollgate_store::{
    CardKeep, CardKept, CheckoutChange, CheckoutChanged, CheckoutOpened, CloseUnsent, HeldCard, NewCheckout, NewTry,
    Recorded, StoreError, StoredToken, TokenNaming, TokenPut, TokenSave, TryClaim,
};

/// Keeps a new checkout and its order, or begins again the one that the same order has. Nothing is changed otherwise.
pub(crate) fn open(
    connection: &Prepared<'_>,
    references: &References,
    new: &NewCheckout,
) -> Result<CheckoutOpened, Failure> {
    let checkout = &new.checkout;
    if checkout.order() != new.order.as_ref().map(|order| order.fort_id) {
        return Err(refused("a checkout of a payment comes with its order, and no other one with any"));
    }
    if let Some(order) = &new.order {
        if order.phase != Phase::Open || order.version != 1 || order.open_operation.is_some() {
            return Err(refused("the order of a new checkout is open, and nothing is under way"));
        }
        let sealed = new.card.as_ref().map_or(&[][..], |card| card.as_bytes());
        if sealed.is_empty() != order.card.is_none() {
            return Err(refused("an order has the facts of its card and the sealed card, or neither"));
        }
        if !claim::insert_order(connection, references, order, None, sealed)? {
            let holder = references.holder(connection, order.merchant, &order.merchant_reference)?;
            return taken(connection, checkout, order, holder);
        }
    }
    if insert(connection, checkout)? {
        return Ok(CheckoutOpened::Opened);
    }
    // The number is another checkout's: take the order back.
    if let Some(order) = &new.order {
        claim::take_back(connection, references, order)?;
    }
    Ok(CheckoutOpened::NumberTaken)
}

/// What the order that has the reference, or the number, makes of a new checkout.
fn taken(
    connection: &Prepared<'_>,
    new: &Checkout,
    asked: &Order,
    holder: Option<FortId>,
) -> Result<CheckoutOpened, Failure> {
    let Some(fort_id) = holder else { return Ok(CheckoutOpened::NumberTaken) };
    let stored = read::order_row(connection, fort_id)?.ok_or_else(|| unreadable("orders.fort_id"))?;
    let order = &stored.stored.order;
    let asks_for_the_same = order.kind == asked.kind && order.money == asked.money && order.eci == asked.eci;
    let is_on_the_page = order.channel == Channel::Redirection && asked.channel == Channel::Redirection;
    if !(is_on_the_page && asks_for_the_same && order.takes_a_try()) {
        return Ok(CheckoutOpened::ReferenceTaken(fort_id));
    }
    let old = of_order(connection, fort_id)?;
    let again = match &old {
        Some(old) => again(old, new),
        // It was forgotten long ago: the order goes on with a new one.
        None => Checkout { purpose: named(&new.purpose, fort_id), ..new.clone() },
    };
    let written = match &old {
        Some(old) => update(connection, &again, old.version, None)?,
        None => insert(connection, &again)?,
    };
    Ok(if written { CheckoutOpened::GoesOn(Box::new(again)) } else { CheckoutOpened::NumberTaken })
}

/// A checkout that is begun again by a new request. A customer who is being authenticated goes on there.
fn again(old: &Checkout, new: &Checkout) -> Checkout {
    let step = match &old.step {
        Step::Authentication(_) | Step::PassBy => old.step.clone(),
        Step::Card | Step::Ended(_) => Step::Card,
    };
    let purpose = match (&old.purpose, &new.purpose) {
        (Purpose::Pay(pay), purpose) => named(purpose, pay.fort_id),
        (_, purpose) => purpose.clone(),
    };
    // A payment link counts the tries of its order by itself.
    let tries = if old.has_ended() { new.tries } else { old.tries };
    // What an authentication waits for comes at its time, whoever looks.
    let due_at = match &step {
        Step::Authentication(_) => old.due_at,
        _ => new.due_at,
    };
    let try_until = old.try_until.filter(|_| matches!(step, Step::Authentication(_)));
    let version = old.version.saturating_add(1);
    let (told, past) = (old.told.clone(), old.past.clone());
    Checkout { id: old.id, purpose, try_until, tries, step, due_at, told, past, version, ..new.clone() }
}

/// A purpose with the number that its order has already.
fn named(purpose: &Purpose, fort_id: FortId) -> Purpose {
    let mut purpose = purpose.clone();
    if let Purpose::Pay(pay) = &mut purpose {
        pay.fort_id = fort_id;
    }
    purpose
}

/// One checkout.
pub(crate) fn one(connection: &Prepared<'_>, id: CheckoutId) -> Result<Option<Checkout>, Failure> {
    let mut statement = connection.prepare_cached("SELECT body FROM checkouts WHERE checkout_id = ?1")?;
    first(statement.query([id.0])?, checkout)
}

fn of_order(connection: &Prepared<'_>, fort_id: FortId) -> Result<Option<Checkout>, Failure> {
    let mut statement = connection.prepare_cached("SELECT body FROM checkouts WHERE fort_id = ?1")?;
    first(statement.query([fort_id.0])?, checkout)
}

/// Checkouts whose time is over, the oldest first.
pub(crate) fn due(connection: &Prepared<'_>, now: Timestamp, rows_max: usize) -> Result<Vec<Checkout>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT body FROM checkouts WHERE ended_at IS NULL AND expires_at <= ?1 ORDER BY expires_at, checkout_id LIMIT ?2",
    )?;
    all(statement.query(params![now.0, limit(rows_max)])?, checkout)
}

/// Forgets checkouts that ended long ago.
pub(crate) fn forget(connection: &Prepared<'_>, ended_before: Timestamp, rows_max: usize) -> Result<u64, Failure> {
    let forgotten = connection
        .prepare_cached(
            "DELETE FROM checkouts WHERE checkout_id IN \
             (SELECT checkout_id FROM checkouts WHERE ended_at < ?1 ORDER BY ended_at LIMIT ?2)",
        )?
        .execute(params![ended_before.0, limit(rows_max)])?;
    Ok(forgotten as u64)
}

/// Writes a checkout, and the card that is held with it. Nothing is changed unless the answer is `Written`.
pub(crate) fn change(connection: &Prepared<'_>, change: &CheckoutChange) -> Result<CheckoutChanged, Failure> {
    let version_before = before(change.checkout.version)?;
    if !has_version(connection, change.checkout.id, version_before)? {
        return Ok(CheckoutChanged::Overtaken);
    }
    if let Some(held) = &change.held
        && !hold(connection, held)?
    {
        return Ok(CheckoutChanged::Overtaken);
    }
    update(connection, &change.checkout, version_before, Some(change.at))?;
    Ok(CheckoutChanged::Written)
}

/// `false` when the order is no longer as it was, or no longer open.
fn hold(connection: &Prepared<'_>, held: &HeldCard) -> Result<bool, Failure> {
    let (order, card) = (&held.order, CardColumns::of(Some(&held.facts)));
    if !order.takes_a_try() {
        return Err(refused("a card is held for an order that takes a try"));
    }
    let updated = connection
        .prepare_cached(
            "UPDATE orders SET brand = ?3, card_mask = ?4, card_expiry = ?5, card_holder = ?6, card_sealed = ?7, \
             token_name = ?8, token_role = ?9, last_code = ?10, stan = ?12, rrn = ?13, sent_at = ?14, \
             version = version + 1 WHERE fort_id = ?1 AND version = ?2 AND phase = ?11 AND open_operation IS NULL",
        )?
        .execute(params![
            order.fort_id.0,
            before(order.version)?,
            card.brand,
            card.mask,
            card.expiry,
            card.holder,
            held.card.as_bytes(),
            order.token.as_ref().map(|token| &token.name),
            order.token.as_ref().map(|token| token.role.number()),
            order.last.code.number(),
            order.phase.number(),
            order.original.stan.number(),
            order.original.rrn.as_str(),
            order.original.sent_at.0,
        ])?;
    Ok(updated == 1)
}

/// Keeps a card under a token and ends the checkout with it. Neither is written unless the answer is `Kept`.
pub(crate) fn keep_card(connection: &Prepared<'_>, keep: &CardKeep) -> Result<CardKept, Failure> {
    let CardKeep { checkout, token: new, name, came, code, at } = keep;
    if checkout.order().is_some() || checkout.merchant != new.token.merchant {
        return Err(refused("a card is kept at a checkout of a token, for its own merchant"));
    }
    let version_before = before(checkout.version)?;
    let is_open =
        one(connection, checkout.id)?.is_some_and(|stored| stored.version == version_before && !stored.has_ended());
    if !is_open {
        return Ok(CardKept::Overtaken);
    }
    let CardUnder { token, code } = match name {
        TokenNaming::Free => match token::add(connection, new)? {
            TokenSave::Saved => CardUnder { token: new.token.clone(), code: *code },
            TokenSave::CardHas(name) => CardUnder { token: kept_as(connection, new, &name)?, code: *code },
            TokenSave::NameTaken | TokenSave::Changed => return Ok(CardKept::NameTaken),
        },
        TokenNaming::Any { code_replaced } => match token::put(connection, new)? {
            TokenPut::Added => CardUnder { token: new.token.clone(), code: *code },
            TokenPut::Replaced => CardUnder { token: new.token.clone(), code: *code_replaced },
            TokenPut::CardHas(name) => CardUnder { token: kept_as(connection, new, &name)?, code: *code },
            TokenPut::Inactive => return Ok(CardKept::Inactive),
        },
    };
    route::note_card(connection, new.token.merchant, came.as_ref())?;
    let step = Step::Ended(End::Token(Box::new(TokenEnd::kept(code, &token))));
    update(connection, &Checkout { step, ..checkout.clone() }, version_before, Some(*at))?;
    Ok(CardKept::Kept(Box::new(token)))
}

/// The token that a card has, and what the merchant is told of that.
struct CardUnder {
    token: Token,
    code: ResponseCode,
}

/// The token that counts in place of a new one.
fn kept_as(connection: &Prepared<'_>, new: &StoredToken, name: &str) -> Result<Token, Failure> {
    let kept = token::by_name(connection, new.token.merchant, name)?;
    Ok(kept.ok_or_else(|| unreadable("tokens.name"))?.token)
}

/// Begins a try. Nothing is changed unless the answer is `Claimed`.
pub(crate) fn claim_try(connection: &Prepared<'_>, new: &NewTry) -> Result<TryClaim, Failure> {
    let (order, operation) = (&new.intent.order, &new.intent.operation);
    if order.phase != Phase::Pending || order.open_operation != Some(operation.id) || order.card.is_none() {
        return Err(refused("a try makes its order pending, with a card and its operation open"));
    }
    if new.checkout.order() != Some(order.fort_id) {
        return Err(refused("a try is one of its own checkout's order"));
    }
    let checkout_before = before(new.checkout.version)?;
    if !has_version(connection, new.checkout.id, checkout_before)? || !takes_a_try(connection, order)? {
        return Ok(TryClaim::Changed);
    }
    if !agreement::is_as_judged(connection, &new.intent)? {
        return Ok(TryClaim::AgreementChanged);
    }
    if !schedule::is_as_judged(connection, &new.intent)? {
        return Ok(TryClaim::Changed);
    }
    let request = params_text(&new.intent.request)?;
    if !claim::insert_operation(connection, operation, None, &request, new.intent.owner)? {
        return Ok(TryClaim::NumberTaken);
    }
    begin(connection, order, operation, new.intent.card.as_bytes())?;
    try_card::insert(connection, order, operation)?;
    token::insert_intent(connection, &new.intent)?;
    agreement::insert_intent(connection, &new.intent)?;
    schedule::insert_intent(connection, &new.intent)?;
    authentication::insert(connection, operation.id, new.intent.authentication.as_ref())?;
    if let Some(route) = new.intent.route {
        route::note_order(connection, order, route)?;
    }
    update(connection, &new.checkout, checkout_before, Some(operation.wire.sent_at))?;
    Ok(TryClaim::Claimed)
}

/// Whether the stored order is the one that was judged, and takes a try.
fn takes_a_try(connection: &Prepared<'_>, after: &Order) -> Result<bool, Failure> {
    let version_before = before(after.version)?;
    let stored = read::order_row(connection, after.fort_id)?;
    Ok(stored.is_some_and(|row| row.stored.order.version == version_before && row.stored.order.takes_a_try()))
}

fn begin(connection: &Prepared<'_>, order: &Order, operation: &Operation, sealed: &[u8]) -> Result<(), Failure> {
    let card = CardColumns::of(order.card.as_ref());
    connection
        .prepare_cached(
            "UPDATE orders SET brand = ?2, card_mask = ?3, card_expiry = ?4, card_holder = ?5, card_sealed = ?6, \
             phase = ?7, open_operation = ?8, open_state = ?9, version = ?10, stan = ?11, rrn = ?12, sent_at = ?13, \
             last_kind = ?14, last_code = ?15, last_network_code = ?16, token_name = ?17, token_role = ?18, \
             credential = ?19 \
             WHERE fort_id = ?1",
        )?
        .execute(params![
            order.fort_id.0,
            card.brand,
            card.mask,
            card.expiry,
            card.holder,
            sealed,
            order.phase.number(),
            operation.id.0,
            operation.state.number(),
            order.version,
            order.original.stan.number(),
            order.original.rrn.as_str(),
            order.original.sent_at.0,
            order.last.kind.number(),
            order.last.code.number(),
            order.last.network_code,
            order.token.as_ref().map(|token| &token.name),
            order.token.as_ref().map(|token| token.role.number()),
            credential_text(order)?,
        ])?;
    Ok(())
}

/// Closes an order of which nothing was sent. Nothing is changed unless the answer is `Claimed`.
pub(crate) fn close_unsent(connection: &Prepared<'_>, close: &CloseUnsent) -> Result<TryClaim, Failure> {
    let CloseUnsent { attempt, outcome: record } = close;
    let (order, operation) = (&attempt.intent.order, &attempt.intent.operation);
    let checkout_before = before(attempt.checkout.version)?;
    if !has_version(connection, attempt.checkout.id, checkout_before)? || !takes_a_try(connection, order)? {
        return Ok(TryClaim::Changed);
    }
    let request = params_text(&attempt.intent.request)?;
    if !claim::insert_operation(connection, operation, None, &request, attempt.intent.owner)? {
        return Ok(TryClaim::NumberTaken);
    }
    connection
        .prepare_cached(
            "UPDATE orders SET phase = ?2, open_operation = ?3, open_state = ?4, version = ?5, stan = ?6, rrn = ?7, \
             sent_at = ?8 WHERE fort_id = ?1",
        )?
        .execute(params![
            order.fort_id.0,
            order.phase.number(),
            operation.id.0,
            operation.state.number(),
            order.version,
            order.original.stan.number(),
            order.original.rrn.as_str(),
            order.original.sent_at.0,
        ])?;
    try_card::insert(connection, order, operation)?;
    update(connection, &attempt.checkout, checkout_before, Some(operation.wire.sent_at))?;
    match outcome::record_outcome(connection, record)? {
        Recorded::Written => Ok(TryClaim::Claimed),
        other => {
            Err(refused(&format!("the end of an order of which nothing was sent could not be written: {other:?}")))
        }
    }
}

/// Writes the checkout that an outcome begins, or goes on with.
pub(crate) fn follow(
    connection: &Prepared<'_>,
    order: &Order,
    checkout: &Checkout,
    at: Timestamp,
) -> Result<(), Failure> {
    if checkout.order() != Some(order.fort_id) || checkout.merchant != order.merchant || checkout.has_ended() {
        return Err(refused("an outcome begins a checkout of its own order"));
    }
    let written = match checkout.version {
        1 => insert(connection, checkout)?,
        version => update(connection, checkout, before(version)?, Some(at))?,
    };
    match written {
        true => Ok(()),
        false => Err(refused("the checkout that follows from an outcome is taken or has changed")),
    }
}

/// `false` when the number is taken.
fn insert(connection: &Prepared<'_>, new: &Checkout) -> Result<bool, Failure> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO checkouts (checkout_id, fort_id, expires_at, ended_at, version, body) \
             VALUES (?1, ?2, ?3, NULL, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![new.id.0, new.order().map(|order| order.0), new.due_at.0, new.version, body(new)?])?;
    Ok(inserted == 1)
}

/// `false` when its version is another. `ended_at` counts where it has ended.
fn update(
    connection: &Prepared<'_>,
    checkout: &Checkout,
    version_before: u32,
    ended_at: Option<Timestamp>,
) -> Result<bool, Failure> {
    let ended_at = ended_at.filter(|_| checkout.has_ended());
    let updated = connection
        .prepare_cached(
            "UPDATE checkouts SET expires_at = ?3, ended_at = ?4, version = ?5, body = ?6 \
             WHERE checkout_id = ?1 AND version = ?2",
        )?
        .execute(params![
            checkout.id.0,
            version_before,
            checkout.due_at.0,
            ended_at.map(|at| at.0),
            checkout.version,
            body(checkout)?,
        ])?;
    Ok(updated == 1)
}

fn has_version(connection: &Prepared<'_>, id: CheckoutId, version: u32) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM checkouts WHERE checkout_id = ?1 AND version = ?2")?;
    Ok(statement.exists(params![id.0, version])?)
}

fn before(version: u32) -> Result<u32, Failure> {
    version.checked_sub(1).filter(|before| *before >= 1).ok_or_else(|| refused("a changed version is at least 2"))
}

fn body(checkout: &Checkout) -> Result<String, Failure> {
    serde_json::to_string(checkout).map_err(|_| refused("the checkout cannot be kept as JSON"))
}

fn checkout(row: &Row<'_>) -> Result<Checkout, Failure> {
    let text = row.get_ref(0)?;
    let text = text.as_str().map_err(|_| unreadable("checkouts.body"))?;
    Ok(serde_json::from_str(text).map_err(|_| unreadable("checkouts.body"))?)
}

fn refused(rule: &str) -> Failure {
    Failure::Store(StoreError::Refused(rule.to_owned()))
}
