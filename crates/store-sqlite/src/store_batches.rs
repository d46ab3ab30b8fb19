//! The port of batches over the store's threads.

use crate::batch;
use crate::store::SqliteStore;
use tollgate_core::batch::{BatchId, BatchRowState};
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Timestamp;
use tollgate_store::{
    Batch, BatchBegun, BatchChange, BatchFilter, BatchResult, BatchRow, Batches, BegunRow, EndedRows, JudgedRows,
    LifeId, NewBatch, NewBatchRow, StoreFuture,
};

impl Batches for SqliteStore {
    fn begin_batch(&self, new: NewBatch) -> StoreFuture<'_, BatchBegun> {
        Box::pin(self.writer().call(move |connection| batch::begin(connection, &new)))
    }

    fn add_batch_rows(&self, batch: BatchId, rows: Vec<NewBatchRow>) -> StoreFuture<'_, ()> {
        Box::pin(self.writer().call(move |connection| batch::add_rows(connection, batch, &rows)))
    }

    fn discard_batch(&self, batch: BatchId, rows_max: usize) -> StoreFuture<'_, bool> {
        Box::pin(self.writer().call(move |connection| batch::discard(connection, batch, rows_max)))
    }

    fn batch<'a>(&'a self, merchant: MerchantId, reference: &'a str) -> StoreFuture<'a, Option<Batch>> {
        Box::pin(async move { self.readers().point(|connection| batch::by_reference(connection, merchant, reference)) })
    }

    fn batches<'a>(&'a self, filter: &'a BatchFilter) -> StoreFuture<'a, Vec<Batch>> {
        Box::pin(async move { self.readers().snapshot(|connection| batch::list(connection, filter)) })
    }

    fn batches_to_do(&self, finder: LifeId, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<Batch>> {
        Box::pin(async move { self.readers().point(|connection| batch::to_do(connection, finder, now, limit)) })
    }

    fn take_batch(&self, batch: BatchId, life: LifeId) -> StoreFuture<'_, bool> {
        Box::pin(self.writer().call(move |connection| batch::take(connection, batch, life)))
    }

    fn change_batch(&self, change: BatchChange) -> StoreFuture<'_, bool> {
        Box::pin(self.writer().call(move |connection| batch::change(connection, &change)))
    }

    fn batch_rows(
        &self,
        batch: BatchId,
        state: BatchRowState,
        after_line: u32,
        limit: usize,
    ) -> StoreFuture<'_, Vec<BatchRow>> {
        Box::pin(async move {
            self.readers().snapshot(|connection| batch::rows_in(connection, batch, state, after_line, limit))
        })
    }

    fn judge_batch_rows(&self, judged: JudgedRows) -> StoreFuture<'_, bool> {
        Box::pin(self.writer().call(move |connection| batch::judge(connection, &judged)))
    }

    fn begun_batch_rows(&self, batch: BatchId, after_line: u32, limit: usize) -> StoreFuture<'_, Vec<BegunRow>> {
        Box::pin(
            async move { self.readers().snapshot(|connection| batch::begun(connection, batch, after_line, limit)) },
        )
    }

    fn end_batch_rows(&self, ended: EndedRows) -> StoreFuture<'_, u64> {
        Box::pin(self.writer().call(move |connection| batch::end(connection, &ended)))
    }

    fn batch_results(&self, batch: BatchId, after_place: u32, limit: usize) -> StoreFuture<'_, Vec<BatchResult>> {
        Box::pin(
            async move { self.readers().snapshot(|connection| batch::results(connection, batch, after_place, limit)) },
        )
    }
}
