//! The port for batches: uploaded files of rows, and what became of each row.

use crate::{LifeId, StoreFuture};
use tollgate_core::batch::{BatchEvent, BatchFault, BatchId, BatchRowState, BatchState};
use tollgate_core::card::CardFacts;
use tollgate_core::code::ResponseCode;
use tollgate_core::command::Eci;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::money::Money;
use tollgate_core::order::OperationState;
use tollgate_core::payment_link::PaymentLinkId;
use tollgate_core::time::Timestamp;

/// The most rows that one call adds, judges or ends: payments wait for the commit that it is in.
pub const BATCH_ROWS_PER_CALL_MAX: usize = 512;

/// Batches and their rows.
///
/// A row is begun by the intent of its payment or operation ([`crate::NewOrder::batch_row`],
/// [`crate::NewOperation::batch_row`]) in the same commit, and only while it is valid and its batch is processed: so it is
/// begun once, whoever tries. A row that makes a payment link ([`crate::NewPaymentLink::batch_row`]) has its result in the
/// commit that keeps the link.
pub trait Batches {
    /// Claims a reference for a batch whose rows will follow. Until [`BatchEvent::Received`] nobody finds it.
    fn begin_batch(&self, new: NewBatch) -> StoreFuture<'_, BatchBegun>;

    /// Adds rows to a batch that is being received, at most [`BATCH_ROWS_PER_CALL_MAX`] of them, in ascending order of their
    /// lines.
    fn add_batch_rows(&self, batch: BatchId, rows: Vec<NewBatchRow>) -> StoreFuture<'_, ()>;

    /// Throws a batch that is being received away, at most so many of its rows. `true` when nothing of it is left.
    fn discard_batch(&self, batch: BatchId, rows_max: usize) -> StoreFuture<'_, bool>;

    /// The batch of a merchant's reference, once all of it was received.
    fn batch<'a>(&'a self, merchant: MerchantId, reference: &'a str) -> StoreFuture<'a, Option<Batch>>;

    /// Batches, the newest first, that were received in whole.
    fn batches<'a>(&'a self, filter: &'a BatchFilter) -> StoreFuture<'a, Vec<Batch>>;

    /// Batches with something to do at `now` that no living life but `finder` works on, the oldest first. Those that wait for
    /// their date are among them from that moment on.
    fn batches_to_do(&self, finder: LifeId, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<Batch>>;

    /// Makes a batch this life's to work on. `false` when it is another living one's.
    fn take_batch(&self, batch: BatchId, life: LifeId) -> StoreFuture<'_, bool>;

    /// Applies an event by [`tollgate_core::batch::BATCH_EDGES`]. `false` when it cannot happen in the stored state, or the
    /// batch is not the life's that says so; then nothing was changed.
    fn change_batch(&self, change: BatchChange) -> StoreFuture<'_, bool>;

    /// Rows in a state, by their lines, after a line.
    fn batch_rows(
        &self,
        batch: BatchId,
        state: BatchRowState,
        after_line: u32,
        limit: usize,
    ) -> StoreFuture<'_, Vec<BatchRow>>;

    /// Writes what rows were found to be. Of two rows with one identity the first is good and the later ones are refused
    /// with 00066. Rows that are refused have their result, in the order of this list. `false` when the batch is not this
    /// life's, or not being validated; then nothing was changed. A row that was judged before is left as it is.
    fn judge_batch_rows(&self, judged: JudgedRows) -> StoreFuture<'_, bool>;

    /// Rows that are begun and have no result, by their lines, with how their operations stand.
    fn begun_batch_rows(&self, batch: BatchId, after_line: u32, limit: usize) -> StoreFuture<'_, Vec<BegunRow>>;

    /// Writes results, in the order of this list; with the last one the batch is done. A row that has its result, or is not
    /// in the state that the result belongs to, is left as it is. Gives how many were written.
    fn end_batch_rows(&self, ended: EndedRows) -> StoreFuture<'_, u64>;

    /// Results in the order in which they came, after a place.
    fn batch_results(&self, batch: BatchId, after_place: u32, limit: usize) -> StoreFuture<'_, Vec<BatchResult>>;
}

/// A batch whose rows will follow.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Its number.
    pub id: BatchId,
    /// Whose.
    pub merchant: MerchantId,
    /// The merchant's reference, unique among its batches.
    pub reference: String,
    /// The access code of the upload.
    pub access_code: String,
    /// The language of the upload, `en` or `ar`.
    pub language: String,
    /// The name of the file.
    pub file_name: String,
    /// Its columns, in their order.
    pub columns: Vec<String>,
    /// The life that receives it.
    pub owner: LifeId,
    /// When.
    pub at: Timestamp,
}

/// Whether a batch could be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchBegun {
    /// It is.
    Begun,
    /// The reference is another batch's.
    ReferenceTaken,
    /// The number is taken: try again with a new one.
    NumberTaken,
}

/// A row as it stood in the file. No cell holds a card number in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatchRow {
    /// Its line.
    pub line: u32,
    /// Its cells, in the order of the columns.
    pub cells: Vec<String>,
    /// The column, from 0, where a card number stood.
    pub card_number_in: Option<usize>,
}

/// A row to be judged or carried out.
pub type BatchRow = NewBatchRow;

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub id: BatchId,
    /// Whose.
    pub merchant: MerchantId,
    /// The merchant's reference.
    pub reference: String,
    /// The access code of the upload.
    pub access_code: String,
    /// The language of the upload.
    pub language: String,
    /// The name of the file.
    pub file_name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Where it stands.
    pub state: BatchState,
    /// Why nothing of it can be used.
    pub fault: Option<BatchFault>,
    /// The life that works on it, living or not.
    pub owner: LifeId,
    /// How far it is.
    pub counts: BatchCounts,
    /// When it was uploaded.
    pub uploaded_at: Timestamp,
    /// When its rows were judged.
    pub validated_at: Option<Timestamp>,
    /// When its processing was asked for.
    pub asked_at: Option<Timestamp>,
    /// When its rows may begin, if that was asked for.
    pub execute_at: Option<Timestamp>,
    /// When its last row had its result.
    pub done_at: Option<Timestamp>,
}

/// How many rows of a batch came how far. Kept with it, so that asking costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BatchCounts {
    /// All.
    pub rows: u32,
    /// Judged.
    pub judged: u32,
    /// Refused when they were judged.
    pub refused: u32,
    /// Begun: an intent was written.
    pub begun: u32,
    /// With a result, refused ones among them.
    pub done: u32,
    /// With a result that is a success.
    pub succeeded: u32,
}

/// Which batches.
#[derive(Clone, Copy, Debug)]
pub struct BatchFilter {
    /// Of one merchant.
    pub merchant: Option<MerchantId>,
    /// Older than this one.
    pub before: Option<BatchId>,
    /// At most so many.
    pub limit: usize,
}

/// Something that happened to a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchChange {
    /// The batch.
    pub batch: BatchId,
    /// What.
    pub event: BatchEvent,
    /// The life that says so, whose batch it has to be; `None` where anybody may.
    pub life: Option<LifeId>,
    /// Why nothing of it can be used, where that is known now. It stays.
    pub fault: Option<BatchFault>,
    /// When its rows may begin, where that is said now. It stays.
    pub execute_at: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
}

/// What rows were found to be.
#[derive(Clone, Debug)]
pub struct JudgedRows {
    /// The batch.
    pub batch: BatchId,
    /// The life that judged.
    pub life: LifeId,
    /// The rows, in the order of their lines.
    pub rows: Vec<JudgedRow>,
}

/// What one row was found to be.
#[derive(Clone, Debug)]
pub struct JudgedRow {
    /// Its line.
    pub line: u32,
    /// The verdict.
    pub verdict: RowVerdict,
}

/// Whether a row may be carried out.
#[derive(Clone, Debug)]
pub enum RowVerdict {
    /// It may.
    Good {
        /// What no other row of any batch may have: a hash of the batch's number and of what the row asks for.
        identity: [u8; 16],
    },
    /// It may not.
    Refused(RowRefusal),
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRefusal {
    /// The code.
    pub code: ResponseCode,
    /// The column that is to blame.
    pub parameter: Option<String>,
    /// A sentence for a person.
    pub detail: String,
}

/// A row that is begun and has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BegunRow {
    /// Its line.
    pub line: u32,
    /// Its operation.
    pub operation: OperationId,
    /// How that stands.
    pub state: OperationState,
    /// What was told of it last; `None` before its first outcome.
    pub code: Option<ResponseCode>,
}

/// Results of rows.
#[derive(Clone, Debug)]
pub struct EndedRows {
    /// The batch.
    pub batch: BatchId,
    /// The results, in the order in which they came.
    pub rows: Vec<EndedRow>,
    /// When.
    pub at: Timestamp,
}

/// The result of one row.
#[derive(Clone, Debug)]
pub struct EndedRow {
    /// Its line.
    pub line: u32,
    /// What it came to.
    pub end: RowEnd,
}

/// What a row came to.
#[derive(Clone, Debug)]
pub enum RowEnd {
    /// Nothing was begun: of a row that is valid.
    Refused(RowRefusal),
    /// Its operation is settled: of a row that is begun.
    Settled(ResponseCode),
}

/// One result.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchResult {
    /// Its place among the results, from 1.
    pub place: u32,
    /// Its line.
    pub line: u32,
    /// The cells of the row.
    pub cells: Vec<String>,
    /// What it came to.
    pub code: ResponseCode,
    /// Why it was refused, if it was.
    pub refusal: Option<RowRefusal>,
    /// The operation that was begun for it, if one was.
    pub operation: Option<ResultOperation>,
    /// The payment link that it made, if it made one.
    pub link: Option<ResultLink>,
}

/// The payment link of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultLink {
    /// The link.
    pub id: PaymentLinkId,
    /// `payment_link_id`.
    pub name: String,
}

/// The operation of a result, with what its order is.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultOperation {
    /// The operation.
    pub operation: OperationId,
    /// Its order.
    pub fort_id: FortId,
    /// The order's reference.
    pub merchant_reference: String,
    /// The order's indicator.
    pub eci: Eci,
    /// The order's card.
    pub card: Option<CardFacts>,
    /// What the operation moves.
    pub money: Money,
}
