//! Batches in the store of one life. What uploads and judges them is not simulated: the simulated merchants send single
//! calls.

use super::WorldStore;
use tollgate_core::batch::{BatchId, BatchRowState};
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Timestamp;
use tollgate_store::{
    Batch, BatchBegun, BatchChange, BatchFilter, BatchResult, BatchRow, Batches, BegunRow, EndedRows, JudgedRows,
    LifeId, NewBatch, NewBatchRow, StoreFuture,
};

impl Batches for WorldStore {
    fn begin_batch(&self, new: NewBatch) -> StoreFuture<'_, BatchBegun> {
        self.inner.begin_batch(new)
    }

    fn add_batch_rows(&self, batch: BatchId, rows: Vec<NewBatchRow>) -> StoreFuture<'_, ()> {
        self.inner.add_batch_rows(batch, rows)
    }

    fn discard_batch(&self, batch: BatchId, rows_max: usize) -> StoreFuture<'_, bool> {
        self.inner.discard_batch(batch, rows_max)
    }

    fn batch<'a>(&'a self, merchant: MerchantId, reference: &'a str) -> StoreFuture<'a, Option<Batch>> {
        self.inner.batch(merchant, reference)
    }

    fn batches<'a>(&'a self, filter: &'a BatchFilter) -> StoreFuture<'a, Vec<Batch>> {
        self.inner.batches(filter)
    }

    fn batches_to_do(&self, finder: LifeId, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<Batch>> {
        self.inner.batches_to_do(finder, now, limit)
    }

    fn take_batch(&self, batch: BatchId, life: LifeId) -> StoreFuture<'_, bool> {
        self.inner.take_batch(batch, life)
    }

    fn change_batch(&self, change: BatchChange) -> StoreFuture<'_, bool> {
        self.inner.change_batch(change)
    }

    fn batch_rows(
        &self,
        batch: BatchId,
        state: BatchRowState,
        after_line: u32,
        limit: usize,
    ) -> StoreFuture<'_, Vec<BatchRow>> {
        self.inner.batch_rows(batch, state, after_line, limit)
    }

    fn judge_batch_rows(&self, judged: JudgedRows) -> StoreFuture<'_, bool> {
        self.inner.judge_batch_rows(judged)
    }

    fn begun_batch_rows(&self, batch: BatchId, after_line: u32, limit: usize) -> StoreFuture<'_, Vec<BegunRow>> {
        self.inner.begun_batch_rows(batch, after_line, limit)
    }

    fn end_batch_rows(&self, ended: EndedRows) -> StoreFuture<'_, u64> {
        self.inner.end_batch_rows(ended)
    }

    fn batch_results(&self, batch: BatchId, after_place: u32, limit: usize) -> StoreFuture<'_, Vec<BatchResult>> {
        self.inner.batch_results(batch, after_place, limit)
    }
}
