//! Reports in the store of one life: they read alone, and the simulated merchants order none.

use super::WorldStore;
use tollgate_core::ident::MerchantId;
use tollgate_store::{NewReport, Report, ReportBegun, ReportCounted, ReportPage, ReportScan, Reports, StoreFuture};

impl Reports for WorldStore {
    fn begin_report(&self, new: NewReport) -> StoreFuture<'_, ReportBegun> {
        self.inner.begin_report(new)
    }

    fn report<'a>(&'a self, merchant: MerchantId, reference: &'a str) -> StoreFuture<'a, Option<Report>> {
        self.inner.report(merchant, reference)
    }

    fn count_report(&self, counted: ReportCounted) -> StoreFuture<'_, bool> {
        self.inner.count_report(counted)
    }

    fn report_page<'a>(&'a self, scan: &'a ReportScan) -> StoreFuture<'a, ReportPage> {
        self.inner.report_page(scan)
    }
}
