//! Batches of a running gateway: the rules of the wire for its job, and what an operator asks.

use http::StatusCode;
use serde_json::{Value, json as object};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_app::{Account, Gateway, RowReader};
use tollgate_core::batch::{BatchId, BatchRowCommand, BatchState};
use tollgate_core::refusal::Refusal;
use tollgate_fort::batch_file::{CardNumber, FileRow, Header, RowContext, command};
use tollgate_fort::text::{Language, response_message};
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, problem};
use tollgate_store::{Batch, BatchFilter, BatchResult, BatchRow, StoreError};

/// The most batches that one list tells.
const LISTED_MAX: usize = 500;
/// The most results that one page tells.
const RESULTS_MAX: usize = 1_000;

/// Reads rows by the FORT tables.
pub struct FortRows;

impl RowReader for FortRows {
    fn read(&self, batch: &Batch, account: &Account, row: &BatchRow) -> Result<BatchRowCommand, Refusal> {
        let header = Header::kept(batch.columns.clone());
        let context = RowContext {
            header: &header,
            access_code: &batch.access_code,
            merchant_identifier: &account.merchant.merchant_identifier,
            language: &batch.language,
            batch_reference: &batch.reference,
            rows: account.merchant.terms.batch.rows,
        };
        let held_card_number = row.card_number_in.map_or(CardNumber::None, CardNumber::InColumn);
        command(&context, &FileRow { line: row.line, cells: row.cells.clone(), held_card_number })
    }
}

/// A request, as it travels in `POST /operator/batch`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum BatchRequest {
    /// Batches, the newest first.
    List {
        /// Of this merchant alone.
        merchant: Option<String>,
        /// Older than the batch of this number.
        before: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// One batch: how far it is.
    Status {
        /// The merchant's handle.
        merchant: String,
        /// Its reference.
        reference: String,
    },
    /// Gives it up, before it has begun.
    Cancel {
        /// The merchant's handle.
        merchant: String,
        /// Its reference.
        reference: String,
    },
    /// Rows that have a result already, at any time, with the reasons of those that were refused.
    Results {
        /// The merchant's handle.
        merchant: String,
        /// Its reference.
        reference: String,
        /// After this place.
        after: u32,
    },
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error("there is no merchant {0:?}: `tollgate merchant list` tells who there is")]
    NoMerchant(String),
    #[error("the merchant has no batch {0:?}: `tollgate batch list` tells which there are")]
    NoBatch(String),
    #[error("the batch is {0}: only one that is validated, or waits for its date, can be cancelled")]
    NotNow(BatchState),
    #[error("{0:?} is no number of a batch: it has 18 digits")]
    NoNumber(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is behind `/operator/batch`.
pub struct BatchRoute {
    gateway: Gateway,
}

impl BatchRoute {
    /// The route of a gateway.
    pub const fn new(gateway: Gateway) -> BatchRoute {
        BatchRoute { gateway }
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        if request.method != http::Method::POST || !request.path.is_empty() {
            return problem(StatusCode::NOT_FOUND, "try POST batch");
        }
        let asked: BatchRequest = match request.json() {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        match self.carry_out(asked).await {
            Ok(value) => json(StatusCode::OK, &value),
            Err(error) => {
                let status = match error {
                    BatchError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
                    BatchError::NoNumber(_) => StatusCode::BAD_REQUEST,
                    BatchError::NotNow(_) => StatusCode::CONFLICT,
                    BatchError::NoMerchant(_) | BatchError::NoBatch(_) => StatusCode::NOT_FOUND,
                };
                problem(status, error.to_string())
            }
        }
    }

    async fn carry_out(&self, request: BatchRequest) -> Result<Value, BatchError> {
        match request {
            BatchRequest::List { merchant, before, limit } => {
                let accounts = self.gateway.directory().all().await?;
                let merchant = match merchant {
                    Some(name) => Some(self.account(name).await?.merchant.id),
                    None => None,
                };
                let before = match before {
                    Some(digits) => Some(BatchId::parse(&digits).ok_or_else(|| BatchError::NoNumber(shown(&digits)))?),
                    None => None,
                };
                let filter = BatchFilter { merchant, before, limit: limit.clamp(1, LISTED_MAX) };
                let batches = self.gateway.batches(filter).await?;
                let name = |batch: &Batch| {
                    let account = accounts.iter().find(|account| account.merchant.id == batch.merchant);
                    account.map_or("?", |account| account.merchant.name.as_str()).to_owned()
                };
                let rows: Vec<Value> = batches.iter().map(|batch| shown_batch(batch, &name(batch))).collect();
                Ok(object!({ "batches": rows, "more": batches.len() == filter.limit }))
            }
            BatchRequest::Status { merchant, reference } => {
                let batch = self.named(&merchant, reference).await?;
                Ok(shown_batch(&batch, &merchant))
            }
            BatchRequest::Cancel { merchant, reference } => {
                let batch = self.named(&merchant, reference.clone()).await?;
                if !self.gateway.cancel_batch(batch.id).await? {
                    let now = self.named(&merchant, reference).await?;
                    return Err(BatchError::NotNow(now.state));
                }
                let batch = self.named(&merchant, reference).await?;
                Ok(shown_batch(&batch, &merchant))
            }
            BatchRequest::Results { merchant, reference, after } => {
                let batch = self.named(&merchant, reference).await?;
                let results = self.gateway.batch_result_rows(batch.id, after, RESULTS_MAX).await?;
                let header = Header::kept(batch.columns.clone());
                let rows: Vec<Value> = results.iter().map(|result| shown_result(result, &header)).collect();
                Ok(object!({ "results": rows, "more": results.len() == RESULTS_MAX }))
            }
        }
    }

    async fn account(&self, name: String) -> Result<Arc<Account>, BatchError> {
        let accounts = self.gateway.directory().all().await?;
        let found = accounts.into_iter().find(|account| account.merchant.name == name);
        found.ok_or_else(|| BatchError::NoMerchant(shown(&name)))
    }

    async fn named(&self, merchant: &str, reference: String) -> Result<Batch, BatchError> {
        let account = self.account(merchant.to_owned()).await?;
        let found = self.gateway.batch(account.merchant.id, &reference).await?;
        found.ok_or_else(|| BatchError::NoBatch(shown(&reference)))
    }
}

impl OperatorRoute for BatchRoute {
    fn name(&self) -> &'static str {
        "batch"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

fn shown_batch(batch: &Batch, merchant: &str) -> Value {
    let is_unusable = batch.state == BatchState::Invalid;
    object!({
        "batch_id": batch.id.to_string(),
        "merchant": merchant,
        "reference": batch.reference,
        "file": batch.file_name,
        "state": batch.state.name(),
        "why": batch.fault.filter(|_| is_unusable).map(|fault| fault.name()),
        "rows": batch.counts,
        "uploaded_at": batch.uploaded_at.to_string(),
        "validated_at": batch.validated_at.map(|at| at.to_string()),
        "asked_at": batch.asked_at.map(|at| at.to_string()),
        "execute_at": batch.execute_at.map(|at| at.to_string()),
        "done_at": batch.done_at.map(|at| at.to_string()),
    })
}

fn shown_result(result: &BatchResult, header: &Header) -> Value {
    object!({
        "place": result.place,
        "line": result.line,
        "code": result.code.to_string(),
        "message": response_message(result.code, Language::English),
        "merchant_reference": header.cell(&result.cells, "merchant_reference"),
        "column": result.refusal.as_ref().and_then(|refusal| refusal.parameter.as_deref()),
        "why": result.refusal.as_ref().map(|refusal| refusal.detail.as_str()),
        "fort_id": result.operation.as_ref().map(|operation| operation.fort_id.to_string()),
    })
}
