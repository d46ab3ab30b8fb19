//! The port of reports over the store's threads.

use crate::report;
use crate::store::SqliteStore;
use tollgate_core::ident::MerchantId;
use tollgate_store::{NewReport, Report, ReportBegun, ReportCounted, ReportPage, ReportScan, Reports, StoreFuture};

impl Reports for SqliteStore {
    fn begin_report(&self, new: NewReport) -> StoreFuture<'_, ReportBegun> {
        Box::pin(self.writer().call(move |connection| report::begin(connection, &new)))
    }

    fn report<'a>(&'a self, merchant: MerchantId, reference: &'a str) -> StoreFuture<'a, Option<Report>> {
        Box::pin(
            async move { self.readers().point(|connection| report::by_reference(connection, merchant, reference)) },
        )
    }

    fn count_report(&self, counted: ReportCounted) -> StoreFuture<'_, bool> {
        Box::pin(self.writer().call(move |connection| report::count(connection, &counted)))
    }

    fn report_page<'a>(&'a self, scan: &'a ReportScan) -> StoreFuture<'a, ReportPage> {
        // A page takes milliseconds, and a report has thousands of them.
        let scan = *scan;
        Box::pin(self.readers.long_snapshot(move |connection| report::page(connection, &scan)))
    }
}
