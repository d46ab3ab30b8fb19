//! UPLOAD_BATCH_FILE, GET_BATCH_RESULTS and PROCESS_BATCH; and the job that judges and carries out the rows.

mod job;
mod process;
mod receive;
mod validate;

pub use job::{BatchJobs, RowReader};
pub use receive::{BatchUpload, ReceivingBatch};

use crate::directory::Account;
use crate::gateway::{Gateway, Refused};
use tollgate_core::answer::{Answer, BatchFacts};
use tollgate_core::batch::{
    self, BatchCall, BatchCommand, BatchEvent, BatchId, BatchService, BatchState, DATE_SET, PROCESSING_ASKED,
    RESULTS_TOLD,
};
use tollgate_core::code::{message, refused};
use tollgate_core::ident::MerchantId;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_store::{Batch, BatchChange, BatchFilter, BatchResult, StoreError};

/// How batches are received and processed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchSettings {
    /// How many rows of one merchant may begin in a second. More wait; none is given up.
    pub rows_per_second_max: u32,
    /// How many rows of one merchant may be under way at once.
    pub rows_in_flight_max: usize,
    /// How many files may be uploaded at once; more wait for their turn.
    pub uploads_at_once_max: usize,
    /// The longest time that an upload may take to arrive, the wait for its turn included, in milliseconds.
    pub upload_ms_max: u64,
}

impl Default for BatchSettings {
    fn default() -> BatchSettings {
        BatchSettings {
            rows_per_second_max: 200,
            rows_in_flight_max: 16,
            uploads_at_once_max: 4,
            upload_ms_max: 300_000,
        }
    }
}

/// What GET_BATCH_RESULTS answers.
#[derive(Clone, Debug)]
pub enum BatchTold {
    /// How the batch stands.
    Answer(Box<Answer>),
    /// It is done: its results follow.
    Results(Box<Batch>),
}

impl Gateway {
    /// GET_BATCH_RESULTS. That a batch is not that far yet is an answer, which clients ask for again and again.
    ///
    /// # Errors
    /// 71141 when there is no such batch, 77 when nothing of it can be used.
    pub async fn batch_results(&self, account: &Account, command: &BatchCommand) -> Result<BatchTold, Refused> {
        let batch = self.named(account, command).await?;
        let told = |code, rows| {
            let execute_at = batch.execute_at.filter(|_| batch.state == BatchState::Scheduled);
            let facts = BatchFacts { id: batch.id, rows, execute_at };
            Ok(BatchTold::Answer(Box::new(Answer { batch: Some(facts), ..Answer::bare(code) })))
        };
        let not_yet = |number| told(batch::failed(BatchCall::Results, number), None);
        match batch.state {
            BatchState::Receiving | BatchState::Uploaded | BatchState::Validating => {
                not_yet(message::BATCH_UNDER_VALIDATION)
            }
            BatchState::Validated | BatchState::ValidatedWithErrors => told(RESULTS_TOLD, Some(batch.counts.rows)),
            BatchState::Invalid => Err(unusable(&batch, None)),
            BatchState::Processing => not_yet(message::BATCH_UNDER_PROCESSING),
            BatchState::Scheduled => {
                let code = batch::failed(BatchCall::Results, message::BATCH_WILL_BE_PROCESSED);
                told(code, Some(batch.counts.rows))
            }
            BatchState::Cancelled => Err(given_up(BatchCall::Results)),
            BatchState::Done => Ok(BatchTold::Results(Box::new(batch))),
        }
    }

    /// PROCESS_BATCH. Asked again of a batch that is done it changes nothing and says the same.
    ///
    /// # Errors
    /// 73 with the reason why its processing does not begin.
    pub async fn process_batch(&self, account: &Account, command: &BatchCommand) -> Result<Answer, Refused> {
        let batch = self.named(account, command).await?;
        let not_now = |number, detail: &'static str| Err(refuse(BatchCall::Process, number, detail));
        match batch.state {
            BatchState::Receiving | BatchState::Uploaded | BatchState::Validating => {
                not_now(message::BATCH_UNDER_VALIDATION, "its rows are being judged: ask again when they are")
            }
            BatchState::Invalid => Err(unusable(&batch, Some(BatchCall::Process))),
            BatchState::Processing => {
                not_now(message::BATCH_UNDER_PROCESSING, "its rows are being carried out already")
            }
            BatchState::Scheduled => {
                not_now(message::BATCH_WILL_BE_PROCESSED, "its processing was asked for and begins on its date")
            }
            BatchState::Cancelled => Err(given_up(BatchCall::Process)),
            BatchState::Done => Ok(Answer::bare(PROCESSING_ASKED)),
            BatchState::Validated | BatchState::ValidatedWithErrors => {
                let now = self.now();
                let execute_at = command.execute_at(now)?;
                let (event, code) = match execute_at {
                    None => (BatchEvent::ProcessingAsked, PROCESSING_ASKED),
                    Some(_) => (BatchEvent::DateSet, DATE_SET),
                };
                let change = BatchChange { batch: batch.id, event, life: None, fault: None, execute_at, at: now };
                if !self.inner.store.change_batch(change).await? {
                    return not_now(message::BATCH_UNDER_PROCESSING, "another request asked for it a moment before");
                }
                tracing::info!(batch = %batch.id, reference = batch.reference, "the processing of a batch was asked for");
                self.inner.batches_wanted.notify_one();
                Ok(Answer::bare(code))
            }
        }
    }

    /// Gives a batch up whose processing has not begun. `false` when it has, or cannot any more: nothing was changed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn cancel_batch(&self, batch: BatchId) -> Result<bool, StoreError> {
        let event = BatchEvent::GivenUp;
        let change = BatchChange { batch, event, life: None, fault: None, execute_at: None, at: self.now() };
        let is_cancelled = self.inner.store.change_batch(change).await?;
        if is_cancelled {
            tracing::info!(%batch, "a batch was given up: none of its rows is ever begun");
        }
        Ok(is_cancelled)
    }

    /// Batches, the newest first, for an operator.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn batches(&self, filter: BatchFilter) -> Result<Vec<Batch>, StoreError> {
        self.inner.store.batches(&filter).await
    }

    /// One batch by its merchant's reference, for an operator.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn batch(&self, merchant: MerchantId, reference: &str) -> Result<Option<Batch>, StoreError> {
        self.inner.store.batch(merchant, reference).await
    }

    /// Results of a batch in the order in which they came, after a place.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn batch_result_rows(
        &self,
        batch: BatchId,
        after_place: u32,
        limit: usize,
    ) -> Result<Vec<BatchResult>, StoreError> {
        self.inner.store.batch_results(batch, after_place, limit).await
    }

    /// The batch that a call names.
    async fn named(&self, account: &Account, command: &BatchCommand) -> Result<Batch, Refused> {
        has_service(account)?;
        let found = self.inner.store.batch(account.merchant.id, &command.reference).await?;
        let fits = |batch: &Batch| command.id.is_none_or(|id| id == Some(batch.id));
        found.filter(fits).ok_or_else(|| {
            let detail = "the merchant has no such batch: batch_reference and, where it is sent, batch_id have to be those \
                          of an upload";
            refuse(command.call, message::BATCH_NOT_FOUND, detail)
        })
    }
}

/// Whether the account may use batches.
fn has_service(account: &Account) -> Result<(), Refusal> {
    if account.merchant.terms.batch.service == BatchService::On {
        return Ok(());
    }
    let detail = "the merchant has no batch service: `tollgate merchant set NAME --batch on` switches it on";
    Err(Refusal::of(refused::SERVICE_INACTIVE, Guilty::MerchantConfiguration, detail))
}

fn refuse(call: BatchCall, number: u16, detail: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refusal::request(batch::failed(call, number), "batch_reference", detail).into()
}

/// The refusal of a batch that an operator has given up.
fn given_up(call: BatchCall) -> Refused {
    refuse(call, message::BATCH_FILE_INVALID, "it was cancelled: upload the file again under another reference")
}

/// The refusal of a batch of which nothing can be used: GET_BATCH_RESULTS tells the validation's own status.
fn unusable(batch: &Batch, call: Option<BatchCall>) -> Refused {
    let fault = batch.fault.unwrap_or(batch::BatchFault::NoGoodRow);
    let code = match call {
        None => batch::VALIDATION_FAILED,
        Some(call) => batch::failed(call, batch::VALIDATION_FAILED.message()),
    };
    Refusal::request(code, "batch_reference", fault.name()).into()
}
