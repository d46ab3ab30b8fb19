//! Payment links.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::references::References;
use crate::rows::{all, first, limit};
use crate::store::SqliteStore;
use crate::{batch, checkout, message, read};
use rusqlite::{Row, params};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::message::NewMessage;
use tollgate_core::payment_link::{LinkTarget, Openings, PaymentLink, PaymentLinkId};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    CheckoutOpened, LinkAdded, LinkBegin, LinkBegun, LinkChanged, LinkWatch, MessagesToo, NewPaymentLink,
    PaymentLinkFilter, PaymentLinks, StoreError, StoreFuture, StoredPaymentLink, WatchedLink,
};

impl PaymentLinks for SqliteStore {
    fn add_payment_link(&self, new: NewPaymentLink) -> StoreFuture<'_, LinkAdded> {
        let references = self.references.clone();
        Box::pin(self.writer.call(move |connection| add(connection, &references, &new)))
    }

    fn payment_link<'a>(
        &'a self,
        merchant: MerchantId,
        target: &'a LinkTarget,
    ) -> StoreFuture<'a, Option<StoredPaymentLink>> {
        Box::pin(async move { self.readers.point(|connection| named(connection, merchant, target)) })
    }

    fn payment_link_by_id(&self, id: PaymentLinkId) -> StoreFuture<'_, Option<StoredPaymentLink>> {
        Box::pin(async move { self.readers.point(|connection| by_id(connection, id)) })
    }

    fn payment_link_of_order(&self, fort_id: FortId) -> StoreFuture<'_, Option<StoredPaymentLink>> {
        Box::pin(async move { self.readers.point(|connection| of_order(connection, fort_id)) })
    }

    fn payment_links<'a>(&'a self, filter: &'a PaymentLinkFilter) -> StoreFuture<'a, Vec<StoredPaymentLink>> {
        Box::pin(async move { self.readers.point(|connection| list(connection, filter)) })
    }

    fn change_payment_link(&self, link: PaymentLink, too: MessagesToo, at: Timestamp) -> StoreFuture<'_, LinkChanged> {
        Box::pin(self.writer.call(move |connection| change_and_tell(connection, &link, &too, at)))
    }

    fn payment_links_to_watch(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<WatchedLink>> {
        Box::pin(async move { self.readers.point(|connection| to_watch(connection, now, limit)) })
    }

    fn watch_payment_link(&self, follows: LinkWatch) -> StoreFuture<'_, LinkChanged> {
        Box::pin(self.writer.call(move |connection| watch(connection, &follows)))
    }

    fn note_link_opened(&self, id: PaymentLinkId, at: Timestamp, first: Option<NewMessage>) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.call(move |connection| note_opened(connection, id, at, first)))
    }

    fn begin_payment_link(&self, new: LinkBegin) -> StoreFuture<'_, LinkBegun> {
        let references = self.references.clone();
        Box::pin(self.writer.call(move |connection| begin(connection, &references, &new)))
    }
}

/// The columns that [`stored`] reads, from place 0.
macro_rules! link_columns {
    () => {
        "SELECT body, openings, first_opened_at, last_opened_at FROM payment_links"
    };
}

/// Keeps a new link. Nothing is changed unless the answer is `Added`.
pub(crate) fn add(
    connection: &Prepared<'_>,
    references: &References,
    new: &NewPaymentLink,
) -> Result<LinkAdded, Failure> {
    let NewPaymentLink { link, batch_row, messages } = new;
    if link.version != 1 || link.order.is_some() || link.closed_at.is_some() {
        return Err(refused("a new payment link is open, and nobody has begun to pay by it"));
    }
    if let Some(row) = *batch_row
        && !batch::may_begin(connection, row)?
    {
        return Ok(LinkAdded::RowTaken);
    }
    if by_name(connection, link.merchant, &link.name)?.is_some() {
        return Ok(LinkAdded::NameTaken);
    }
    if let Some(fort_id) = references.holder(connection, link.merchant, &link.merchant_reference)? {
        let row = read::order_row(connection, fort_id)?.ok_or_else(|| unreadable("orders.fort_id"))?;
        if !link.goes_on_with(&row.stored.order) {
            return Ok(LinkAdded::ReferenceTaken(fort_id));
        }
    }
    if let Some(name) = open_for(connection, link)? {
        return Ok(LinkAdded::ReferenceOpen(name));
    }
    if let Some(limit) = message::over_limit(connection, messages)? {
        return Ok(LinkAdded::TooManyMessages(limit));
    }
    let inserted = connection
        .prepare_cached(
            "INSERT INTO payment_links (link_id, merchant_id, name, merchant_reference, expires_at, version, body, watch_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            link.id.0,
            link.merchant.0,
            link.name,
            link.merchant_reference,
            link.expires_at.0,
            link.version,
            body(link)?,
            watch_at(link, link.created_at),
        ])?;
    if inserted != 1 {
        return Ok(LinkAdded::NumberTaken);
    }
    message::insert(connection, &messages.messages)?;
    if let Some(row) = *batch_row {
        batch::end_with_link(connection, row, link.id, link.created_at)?;
    }
    Ok(LinkAdded::Added)
}

/// The id of the open link that has a new one's reference.
fn open_for(connection: &Prepared<'_>, link: &PaymentLink) -> Result<Option<String>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM payment_links WHERE merchant_id = ?1 AND merchant_reference = ?2 AND closed_at IS NULL \
         AND expires_at > ?3 LIMIT 1",
    )?;
    let reference = params![link.merchant.0, link.merchant_reference, link.created_at.0];
    first(statement.query(reference)?, |row| Ok(row.get(0)?))
}

/// A merchant's link; of several with one reference the newest.
pub(crate) fn named(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    target: &LinkTarget,
) -> Result<Option<StoredPaymentLink>, Failure> {
    match target {
        LinkTarget::Name(name) => by_name(connection, merchant, name),
        LinkTarget::Both(name, reference) => {
            let found = by_name(connection, merchant, name)?;
            Ok(found.filter(|found| found.link.merchant_reference == *reference))
        }
        LinkTarget::Reference(reference) => {
            let mut statement = connection.prepare_cached(concat!(
                link_columns!(),
                " WHERE merchant_id = ?1 AND merchant_reference = ?2 ORDER BY link_id DESC LIMIT 1"
            ))?;
            first(statement.query(params![merchant.0, reference])?, stored)
        }
    }
}

fn by_name(connection: &Prepared<'_>, merchant: MerchantId, name: &str) -> Result<Option<StoredPaymentLink>, Failure> {
    let mut statement = connection.prepare_cached(concat!(link_columns!(), " WHERE merchant_id = ?1 AND name = ?2"))?;
    first(statement.query(params![merchant.0, name])?, stored)
}

/// The link with this number.
pub(crate) fn by_id(connection: &Prepared<'_>, id: PaymentLinkId) -> Result<Option<StoredPaymentLink>, Failure> {
    let mut statement = connection.prepare_cached(concat!(link_columns!(), " WHERE link_id = ?1"))?;
    first(statement.query([id.0])?, stored)
}

/// The newest link by which an order began.
pub(crate) fn of_order(connection: &Prepared<'_>, fort_id: FortId) -> Result<Option<StoredPaymentLink>, Failure> {
    let mut statement =
        connection.prepare_cached(concat!(link_columns!(), " WHERE fort_id = ?1 ORDER BY link_id DESC LIMIT 1"))?;
    first(statement.query([fort_id.0])?, stored)
}

/// Links that fit a filter, newest first.
pub(crate) fn list(connection: &Prepared<'_>, filter: &PaymentLinkFilter) -> Result<Vec<StoredPaymentLink>, Failure> {
    let before = filter.before.map_or(i64::MAX, |id| id.0);
    let rows_max = limit(filter.limit);
    match &filter.merchant_reference {
        None => {
            let mut statement = connection.prepare_cached(concat!(
                link_columns!(),
                " WHERE merchant_id = ?1 AND link_id < ?2 ORDER BY link_id DESC LIMIT ?3"
            ))?;
            all(statement.query(params![filter.merchant.0, before, rows_max])?, stored)
        }
        Some(reference) => {
            let mut statement = connection.prepare_cached(concat!(
                link_columns!(),
                " WHERE merchant_id = ?1 AND merchant_reference = ?4 AND link_id < ?2 ORDER BY link_id DESC LIMIT ?3"
            ))?;
            all(statement.query(params![filter.merchant.0, before, rows_max, reference])?, stored)
        }
    }
}

/// Writes a link, if it is the one that was judged. Whose it is and how it is named never changes.
pub(crate) fn change(connection: &Prepared<'_>, link: &PaymentLink) -> Result<LinkChanged, Failure> {
    let before = link.version.checked_sub(1).filter(|before| *before >= 1);
    let before = before.ok_or_else(|| refused("a changed version is at least 2"))?;
    let updated = connection
        .prepare_cached(
            "UPDATE payment_links SET fort_id = ?3, expires_at = ?4, closed_at = ?5, version = ?6, body = ?7 \
             WHERE link_id = ?1 AND version = ?2 AND merchant_id = ?8 AND name = ?9 AND merchant_reference = ?10",
        )?
        .execute(params![
            link.id.0,
            before,
            link.order.map(|order| order.0),
            link.expires_at.0,
            link.closed_at.map(|at| at.0),
            link.version,
            body(link)?,
            link.merchant.0,
            link.name,
            link.merchant_reference,
        ])?;
    Ok(if updated == 1 { LinkChanged::Written } else { LinkChanged::Overtaken })
}

/// The same, with what people are told of it; the link is watched anew.
fn change_and_tell(
    connection: &Prepared<'_>,
    link: &PaymentLink,
    too: &MessagesToo,
    at: Timestamp,
) -> Result<LinkChanged, Failure> {
    if let Some(limit) = message::over_limit(connection, too)? {
        return Ok(LinkChanged::TooManyMessages(limit));
    }
    let changed = change(connection, link)?;
    if changed == LinkChanged::Written {
        connection
            .prepare_cached("UPDATE payment_links SET watch_at = ?2 WHERE link_id = ?1")?
            .execute(params![link.id.0, watch_at(link, at)])?;
        message::insert(connection, &too.messages)?;
    }
    Ok(changed)
}

fn watch_at(link: &PaymentLink, after: Timestamp) -> Option<i64> {
    link.next_watch(after).map(|at| at.0)
}

/// Links at which something follows by the time, longest due first.
fn to_watch(connection: &Prepared<'_>, now: Timestamp, rows_max: usize) -> Result<Vec<WatchedLink>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT body, openings, first_opened_at, last_opened_at, watch_at FROM payment_links \
         INDEXED BY payment_links_watched WHERE watch_at IS NOT NULL AND watch_at <= ?1 ORDER BY watch_at LIMIT ?2",
    )?;
    all(statement.query(params![now.0, limit(rows_max)])?, |row| {
        Ok(WatchedLink { stored: stored(row)?, watch_at: Timestamp(row.get(4)?) })
    })
}

/// Writes what follows for a link by the time, if it is the one that was judged.
fn watch(connection: &Prepared<'_>, follows: &LinkWatch) -> Result<LinkChanged, Failure> {
    if let Some(limit) = message::over_limit(connection, &follows.too)? {
        return Ok(LinkChanged::TooManyMessages(limit));
    }
    let updated = connection
        .prepare_cached("UPDATE payment_links SET watch_at = ?4 WHERE link_id = ?1 AND version = ?2 AND watch_at = ?3")?
        .execute(params![follows.id.0, follows.version, follows.watch_at.0, follows.next.map(|next| next.0)])?;
    if updated != 1 {
        return Ok(LinkChanged::Overtaken);
    }
    message::insert(connection, &follows.too.messages)?;
    Ok(LinkChanged::Written)
}

/// Counts an opening.
pub(crate) fn note_opened(
    connection: &Prepared<'_>,
    id: PaymentLinkId,
    at: Timestamp,
    first_one: Option<NewMessage>,
) -> Result<(), Failure> {
    if let Some(message) = first_one {
        let mut statement =
            connection.prepare_cached("SELECT 1 FROM payment_links WHERE link_id = ?1 AND openings = 0")?;
        let is_first = first(statement.query([id.0])?, |_| Ok(()))?.is_some();
        if is_first {
            message::insert(connection, &[message])?;
        }
    }
    connection
        .prepare_cached(
            "UPDATE payment_links SET openings = openings + 1, first_opened_at = coalesce(first_opened_at, ?2), \
             last_opened_at = ?2 WHERE link_id = ?1",
        )?
        .execute(params![id.0, at.0])?;
    Ok(())
}

/// Opens the checkout of a link. Nothing is changed unless a checkout is open afterwards.
pub(crate) fn begin(
    connection: &Prepared<'_>,
    references: &References,
    begin: &LinkBegin,
) -> Result<LinkBegun, Failure> {
    let LinkBegin { link, opened } = begin;
    if opened.checkout.payment_link != Some(link.id) || opened.order.is_none() {
        return Err(refused("the checkout of a payment link is one of a payment, and names the link"));
    }
    let is_the_judged = by_id(connection, link.id)?.is_some_and(|stored| stored.link.version + 1 == link.version);
    if !is_the_judged {
        return Ok(LinkBegun::Overtaken);
    }
    let came = checkout::open(connection, references, opened)?;
    let order = match &came {
        CheckoutOpened::Opened => opened.checkout.order(),
        CheckoutOpened::GoesOn(checkout) => checkout.order(),
        CheckoutOpened::ReferenceTaken(_) | CheckoutOpened::NumberTaken => return Ok(LinkBegun::Checkout(came)),
    };
    match change(connection, &PaymentLink { order, ..link.clone() })? {
        LinkChanged::Written => Ok(LinkBegun::Checkout(came)),
        LinkChanged::Overtaken | LinkChanged::TooManyMessages(_) => {
            Err(refused("a payment link keeps its merchant, its id and its reference"))
        }
    }
}

fn body(link: &PaymentLink) -> Result<String, Failure> {
    serde_json::to_string(link).map_err(|_| refused("the payment link cannot be kept as JSON"))
}

fn stored(row: &Row<'_>) -> Result<StoredPaymentLink, Failure> {
    let text = row.get_ref(0)?;
    let text = text.as_str().map_err(|_| unreadable("payment_links.body"))?;
    let link = serde_json::from_str(text).map_err(|_| unreadable("payment_links.body"))?;
    let count: i64 = row.get(1)?;
    let at = |at: Option<i64>| at.map(Timestamp);
    let openings = Openings {
        count: u64::try_from(count).map_err(|_| unreadable("payment_links.openings"))?,
        first_at: at(row.get(2)?),
        last_at: at(row.get(3)?),
    };
    Ok(StoredPaymentLink { link, openings })
}

fn refused(rule: &str) -> Failure {
    Failure::Store(StoreError::Refused(rule.to_owned()))
}
