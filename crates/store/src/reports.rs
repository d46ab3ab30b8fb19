//! The port for reports: which were ordered, and the operations that they are made of.

use crate::StoreFuture;
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::report::{ReportInterval, ReportRow, ReportSpec, ReportState};
use tollgate_core::time::Timestamp;

/// The most operations that one call looks at: a reader sees one state of the store for as long as the call takes, and what
/// was written meanwhile cannot be moved out of a write-ahead log.
pub const REPORT_OPERATIONS_PER_CALL_MAX: usize = 1_000;

/// Reports that were ordered, and rows for them.
pub trait Reports {
    /// Writes an order for a report, pending, if its reference is free. The reference of one that was found too large is free
    /// again: the new one takes its place.
    fn begin_report(&self, new: NewReport) -> StoreFuture<'_, ReportBegun>;

    /// The report of a merchant's reference.
    fn report<'a>(&'a self, merchant: MerchantId, reference: &'a str) -> StoreFuture<'a, Option<Report>>;

    /// Writes how many rows a report has. `false` when it is not pending any more, or another one has its reference; then
    /// nothing was changed.
    fn count_report(&self, counted: ReportCounted) -> StoreFuture<'_, bool>;

    /// The operations of a merchant that were sent in an interval, verifications among them, by the moment at which they
    /// were sent (to the second), after a place. Looks at so many operations at most, whosever they are: a page may be empty
    /// and not the last.
    fn report_page<'a>(&'a self, scan: &'a ReportScan) -> StoreFuture<'a, ReportPage>;
}

/// A report to be ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReport {
    /// Whose.
    pub merchant: MerchantId,
    /// The merchant's name for it, unique among its reports.
    pub reference: String,
    /// What it is about.
    pub spec: ReportSpec,
    /// When.
    pub at: Timestamp,
}

/// Whether a report could be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportBegun {
    /// It is.
    Begun,
    /// Another report has the reference.
    ReferenceTaken,
}

/// A report that was ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whose.
    pub merchant: MerchantId,
    /// Its name.
    pub reference: String,
    /// What it is about.
    pub spec: ReportSpec,
    /// Where it stands.
    pub state: ReportState,
    /// How many rows it has, once that was counted; of one that is too large, how many were counted.
    pub rows: Option<u64>,
    /// When it was ordered.
    pub at: Timestamp,
}

/// How many rows a report has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportCounted {
    /// Whose.
    pub merchant: MerchantId,
    /// Its name.
    pub reference: String,
    /// When the report that was counted was ordered.
    pub at: Timestamp,
    /// Where it stands now: ready, or too large.
    pub state: ReportState,
    /// How many rows.
    pub rows: u64,
}

/// Which operations.
#[derive(Clone, Copy, Debug)]
pub struct ReportScan {
    /// Whose.
    pub merchant: MerchantId,
    /// Sent when.
    pub interval: ReportInterval,
    /// After this place; from the first one on when it is `None`.
    pub after: Option<ReportPlace>,
    /// How many operations are looked at, at most [`REPORT_OPERATIONS_PER_CALL_MAX`].
    pub operations_max: usize,
}

/// A place among the operations of all merchants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportPlace {
    /// The number by which operations are in order: their own, or one made of the moment at which they were sent.
    pub key: i64,
    /// The operation.
    pub operation: OperationId,
}

/// Operations, and where to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportPage {
    /// The operations.
    pub rows: Vec<ReportRow>,
    /// After which place there may be more; `None` when there are none.
    pub next: Option<ReportPlace>,
}
