//! The results of a batch as CSV, page by page out of the store: whatever its size, little of it is in memory.

use crate::answer::{BrokenOff, Response, rows};
use hyper::body::Bytes;
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::mpsc;
use tollgate_app::{Gateway, Refused};
use tollgate_fort::batch_file::{FileKind, Header, push_result};
use tollgate_fort::text::{Language, response_message};
use tollgate_store::{Batch, BatchResult, StoreError};

/// The media type of results.
const CSV: &str = "text/csv; charset=utf-8";
/// How many rows are read from the store at once.
const ROWS_PER_PAGE: usize = 500;
/// How many pages wait for a client that reads slowly.
const PAGES_WAITING_MAX: usize = 2;
/// How long a client may take to read a page, in milliseconds.
const PAGE_MS_MAX: u64 = 60_000;
/// How often a page is read again that the store could not give,
const READ_TRIES_MAX: u32 = 5;
/// and how long after, in milliseconds.
const READ_PAUSE_MS: u64 = 500;

/// The answer to GET_BATCH_RESULTS of a batch that is done.
pub(crate) fn response(gateway: &Gateway, batch: Batch, language: Language) -> Response {
    let (pages, reader) = mpsc::channel(PAGES_WAITING_MAX);
    tokio::spawn(write(gateway.clone(), batch, language, pages));
    rows(CSV, reader)
}

/// Writes results until the last one, or until nobody reads them. What breaks off in the middle is no complete answer, and
/// the client can tell.
async fn write(gateway: Gateway, batch: Batch, language: Language, pages: mpsc::Sender<Result<Bytes, BrokenOff>>) {
    let header = Header::kept(batch.columns.clone());
    let mut text = header.kind().result_header().to_owned();
    let mut after = 0;
    loop {
        let found = match page(&gateway, &batch, after).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(batch = %batch.id, %error, "the results of a batch cannot be read");
                let _gone = pages.send(Err(BrokenOff)).await;
                return;
            }
        };
        for result in &found {
            let mut values = values(&header, result, language);
            if header.kind() == FileKind::Links {
                match link_values(&gateway, result).await {
                    Ok(link) => values.extend(link),
                    Err(refused) => {
                        let detail = refused.refusal.detail;
                        tracing::error!(batch = %batch.id, %detail, "the address of a payment link cannot be made");
                        let _gone = pages.send(Err(BrokenOff)).await;
                        return;
                    }
                }
            }
            push_result(&mut text, &values);
            after = result.place;
        }
        let is_last = found.len() < ROWS_PER_PAGE;
        let sent = pages.send(Ok(Bytes::from(std::mem::take(&mut text))));
        match tokio::time::timeout(Duration::from_millis(PAGE_MS_MAX), sent).await {
            Ok(Ok(())) if !is_last => {}
            _ => return,
        }
    }
}

async fn page(gateway: &Gateway, batch: &Batch, after: u32) -> Result<Vec<BatchResult>, StoreError> {
    let mut tries = 0;
    loop {
        match gateway.batch_result_rows(batch.id, after, ROWS_PER_PAGE).await {
            Err(_) if tries < READ_TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(READ_PAUSE_MS)).await;
            }
            answer => return answer,
        }
    }
}

/// The columns that the result of a payment link has besides. Its address is made now: the store holds none.
async fn link_values(gateway: &Gateway, result: &BatchResult) -> Result<[Cow<'static, str>; 2], Refused> {
    let Some(link) = &result.link else { return Ok([Cow::Borrowed(""), Cow::Borrowed("")]) };
    let address = gateway.payment_link_address(link.id).await?;
    Ok([Cow::Owned(link.name.clone()), Cow::Owned(address)])
}

/// One line: what the operation was, or what stood in the file where none was begun.
fn values<'a>(header: &Header, result: &'a BatchResult, language: Language) -> Vec<Cow<'a, str>> {
    let cell = |name: &str| Cow::Borrowed(header.cell(&result.cells, name).unwrap_or_default());
    let (mut eci, mut fort_id, mut reference) = (cell("eci"), Cow::Borrowed(""), cell("merchant_reference"));
    let (mut amount, mut currency) = (cell("amount"), cell("currency"));
    let (mut card_number, mut expiry) = (Cow::Borrowed(""), Cow::Borrowed(""));
    if let Some(operation) = &result.operation {
        eci = Cow::Borrowed(operation.eci.name());
        fort_id = Cow::Owned(operation.fort_id.to_string());
        if reference.is_empty() {
            reference = Cow::Borrowed(&operation.merchant_reference);
        }
        amount = Cow::Owned(operation.money.amount.to_string());
        currency = Cow::Owned(operation.money.currency.to_string());
        if let Some(card) = &operation.card {
            (card_number, expiry) = (Cow::Borrowed(card.mask.as_str()), Cow::Borrowed(card.expiry.as_str()));
        }
    }
    vec![
        Cow::Owned(result.line.to_string()),
        Cow::Owned(result.code.to_string()),
        Cow::Borrowed(response_message(result.code, language)),
        Cow::Owned(result.code.status_text()),
        eci,
        fort_id,
        reference,
        amount,
        card_number,
        expiry,
        currency,
    ]
}
