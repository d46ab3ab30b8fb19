//! GENERATE_REPORT, DOWNLOAD_REPORT and GET_REPORT; and the reader that every report is made with.
//!
//! An order for a report is written at once, and its rows are counted by a task of this gateway. Nothing else is kept of
//! it: whoever fetches it has its rows read from the store, page by page. When the gateway dies while it counts, the report
//! stays pending, and the next call that asks for it has it counted again.

use crate::directory::Account;
use crate::gateway::{Gateway, Refused};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_core::answer::Answer;
use tollgate_core::code::message;
use tollgate_core::ident::MerchantId;
use tollgate_core::merchant::Terms;
use tollgate_core::refusal::Refusal;
use tollgate_core::report::{
    REPORTED, ReportCells, ReportCommand, ReportFormat, ReportRow, ReportSpec, ReportState, ReportTexts, failed,
};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    NewReport, REPORT_OPERATIONS_PER_CALL_MAX, Report, ReportBegun, ReportCounted, ReportPage, ReportPlace, ReportScan,
    Store, StoreError,
};

/// How long GENERATE_REPORT waits for the count before it answers without it, in milliseconds.
const COUNT_WAIT_MS_MAX: u64 = 5_000;
/// How many reports wait to be counted. Those above it stay pending until somebody asks for them.
const COUNTS_WAITING_MAX: usize = 64;
/// How many operations are looked at in one read.
const OPERATIONS_PER_PAGE: usize =
    if 500 < REPORT_OPERATIONS_PER_CALL_MAX { 500 } else { REPORT_OPERATIONS_PER_CALL_MAX };
/// How often a page is read again that the store could not give,
const READ_TRIES_MAX: u32 = 5;
/// and how long after, in milliseconds.
const READ_PAUSE_MS: u64 = 500;
/// The longest rest after a page, in milliseconds: one that the store could not give at once was no work.
const REST_MS_MAX: u64 = 200;

/// Limits of the reports that merchants order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSettings {
    /// The most rows of one report; more is 57134.
    pub rows_max: u64,
    /// How many reports may be fetched at once; more is 57129.
    pub downloads_at_once_max: usize,
    /// How many reports are counted at once; more wait.
    pub counts_at_once_max: usize,
}

impl Default for ReportSettings {
    fn default() -> ReportSettings {
        ReportSettings { rows_max: 200_000, downloads_at_once_max: 4, counts_at_once_max: 2 }
    }
}

/// What a call about reports comes to.
#[derive(Debug)]
pub enum ReportTold {
    /// An answer.
    Answer(Box<Answer>),
    /// The report follows.
    File(Box<ReportDownload>),
}

/// A report that is being fetched. It holds one of the places for that.
#[derive(Debug)]
pub struct ReportDownload {
    /// The merchant's name for it.
    pub reference: String,
    /// How it is to be written.
    pub format: ReportFormat,
    /// What reads its rows.
    pub reader: ReportReader,
    _place: OwnedSemaphorePermit,
}

/// The reports of a running gateway.
#[derive(Clone)]
pub struct ReportDesk {
    inner: Arc<Desk>,
}

struct Desk {
    gateway: Gateway,
    settings: ReportSettings,
    texts_in: fn(&str) -> ReportTexts,
    downloads: Arc<Semaphore>,
    counts: Semaphore,
    turns: ReportTurns,
    /// What is being counted, or waits for that.
    counting: Mutex<HashSet<Name>>,
}

/// How a report is named.
type Name = (MerchantId, String);

impl ReportDesk {
    /// The reports of `gateway`; `texts_in` gives the texts of codes in a language, `en` or `ar`.
    #[must_use]
    pub fn new(gateway: Gateway, settings: ReportSettings, texts_in: fn(&str) -> ReportTexts) -> ReportDesk {
        let downloads = Arc::new(Semaphore::new(settings.downloads_at_once_max.max(1)));
        let counts = Semaphore::new(settings.counts_at_once_max.max(1));
        let (turns, counting) = (ReportTurns::default(), Mutex::default());
        ReportDesk { inner: Arc::new(Desk { gateway, settings, texts_in, downloads, counts, turns, counting }) }
    }

    /// Does what a merchant asks for. That a report is not ready yet is an answer, which clients ask for again and again.
    ///
    /// # Errors
    /// 57 with the reason: 066 the reference is another report's, 127 there is no such report, 129 too many are being
    /// fetched, 134 it has too many rows.
    pub async fn carry_out(&self, account: &Account, command: ReportCommand) -> Result<ReportTold, Refused> {
        let answer = match command {
            ReportCommand::Generate { reference, spec } => self.generate(account, reference, spec).await?,
            ReportCommand::Status { reference } => self.status(account, &reference).await?,
            ReportCommand::Download { reference, format } => return self.download(account, reference, format).await,
        };
        Ok(ReportTold::Answer(Box::new(answer)))
    }

    async fn generate(&self, account: &Account, reference: String, mut spec: ReportSpec) -> Result<Answer, Refused> {
        let Desk { gateway, .. } = &*self.inner;
        let now = gateway.now();
        // What happens from now on is none of its rows, so that it is the same report whenever it is fetched.
        spec.interval.before = spec.interval.before.min(now);
        let new = NewReport { merchant: account.merchant.id, reference: reference.clone(), spec, at: now };
        if gateway.inner.store.begin_report(new).await? == ReportBegun::ReferenceTaken {
            return Err(refuse(message::REFERENCE_EXISTS, "another report has this merchant_reference"));
        }
        let report = self.named(account, &reference).await?;
        if let Some(counting) = self.count(account, report) {
            // What takes longer goes on by itself.
            let _ = tokio::time::timeout(Duration::from_millis(COUNT_WAIT_MS_MAX), counting).await;
        }
        match self.named(account, &reference).await?.state {
            ReportState::Pending | ReportState::Ready => Ok(Answer::bare(REPORTED)),
            ReportState::TooLarge => Err(self.too_large()),
        }
    }

    async fn status(&self, account: &Account, reference: &str) -> Result<Answer, Refused> {
        let report = self.named(account, reference).await?;
        match report.state {
            ReportState::Pending => Ok(self.pending(account, report)),
            ReportState::Ready => Ok(Answer { report_rows: report.rows, ..Answer::bare(REPORTED) }),
            ReportState::TooLarge => Err(self.too_large()),
        }
    }

    async fn download(
        &self,
        account: &Account,
        reference: String,
        format: ReportFormat,
    ) -> Result<ReportTold, Refused> {
        let report = self.named(account, &reference).await?;
        match report.state {
            ReportState::Pending => return Ok(ReportTold::Answer(Box::new(self.pending(account, report)))),
            ReportState::TooLarge => return Err(self.too_large()),
            ReportState::Ready => {}
        }
        let Ok(place) = Arc::clone(&self.inner.downloads).try_acquire_owned() else {
            let detail = format!(
                "{} reports are being fetched, and no more may be at once: ask again",
                self.inner.settings.downloads_at_once_max
            );
            return Err(refuse(message::REPORT_QUEUE_FULL, detail));
        };
        let reader = self.reader(account, &report);
        Ok(ReportTold::File(Box::new(ReportDownload { reference, format, reader, _place: place })))
    }

    async fn named(&self, account: &Account, reference: &str) -> Result<Report, Refused> {
        let found = self.inner.gateway.inner.store.report(account.merchant.id, reference).await?;
        found.ok_or_else(|| {
            let detail = "no report was ordered under this merchant_reference: GENERATE_REPORT orders one";
            refuse(message::REPORT_NOT_GENERATED, detail)
        })
    }

    fn too_large(&self) -> Refused {
        let detail = format!(
            "it has more than {} rows: a shorter interval or filters make it smaller; the reference is free again",
            self.inner.settings.rows_max
        );
        Refusal::request(failed(message::REPORT_TOO_LARGE), "to_date", detail).into()
    }

    /// The answer of a report that is not ready. When nobody counts it, because a gateway died, it is counted now.
    fn pending(&self, account: &Account, report: Report) -> Answer {
        drop(self.count(account, report));
        Answer::bare(failed(message::REPORT_PENDING))
    }

    fn reader(&self, account: &Account, report: &Report) -> ReportReader {
        let Desk { gateway, texts_in, turns, .. } = &*self.inner;
        let cells = ReportReader::cells_of(&account.merchant.terms, texts_in(&report.spec.language));
        let store = Arc::clone(&gateway.inner.store);
        ReportReader::new(store, account.merchant.id, report.spec.clone(), cells, ReportPace::Resting(turns.clone()))
    }

    /// Counts the rows of a pending report in a task of its own; `None` when somebody does so already, or too many wait.
    fn count(&self, account: &Account, report: Report) -> Option<tokio::task::JoinHandle<()>> {
        let name = (report.merchant, report.reference.clone());
        let mut counting = self.inner.counting();
        if report.state != ReportState::Pending
            || counting.len() >= COUNTS_WAITING_MAX
            || !counting.insert(name.clone())
        {
            return None;
        }
        drop(counting);
        let mut reader = self.reader(account, &report);
        let under_way = UnderWay { desk: Arc::clone(&self.inner), name };
        Some(tokio::spawn(async move {
            let desk = &under_way.desk;
            let Ok(_turn) = desk.counts.acquire().await else { return };
            let counted = match count_rows(&mut reader, desk.settings.rows_max).await {
                Ok(rows) => {
                    let state = if rows > desk.settings.rows_max { ReportState::TooLarge } else { ReportState::Ready };
                    let (merchant, reference, at) = (report.merchant, report.reference.clone(), report.at);
                    desk.gateway.inner.store.count_report(ReportCounted { merchant, reference, at, state, rows }).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = counted {
                tracing::error!(reference = report.reference, %error, "a report could not be counted; it stays pending");
            }
        }))
    }
}

impl Desk {
    fn counting(&self) -> MutexGuard<'_, HashSet<Name>> {
        // An insertion or a removal leaves it whole.
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count that ends when it is dropped.
struct UnderWay {
    desk: Arc<Desk>,
    name: Name,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.desk.counting().remove(&self.name);
    }
}

/// How many rows there are; one more than `rows_max` when there are more.
async fn count_rows(reader: &mut ReportReader, rows_max: u64) -> Result<u64, StoreError> {
    let mut rows = 0u64;
    while let Some(page) = reader.next_page().await? {
        rows = rows.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
        if rows > rows_max {
            return Ok(rows_max.saturating_add(1));
        }
    }
    Ok(rows)
}

fn refuse(number: u16, detail: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refusal::request(failed(number), "merchant_reference", detail).into()
}

/// How much of the store a reader takes.
#[derive(Clone, Debug)]
pub enum ReportPace {
    /// It takes turns with the others, and after each page all of them rest.
    Resting(ReportTurns),
    /// It reads on.
    Full,
}

/// One page of all reports is read at a time, and after each there is a rest for as long as that took: so reports take half
/// of one core and one of the store's connections at most, and payments have the others.
#[derive(Clone, Debug, Default)]
pub struct ReportTurns(Arc<tokio::sync::Mutex<Duration>>);

/// Reads the rows of a report, page by page. Each page is one state of the store, and none is kept open between two.
pub struct ReportReader {
    store: Arc<dyn Store>,
    merchant: MerchantId,
    spec: ReportSpec,
    cells: ReportCells,
    pace: ReportPace,
    after: Option<ReportPlace>,
    is_done: bool,
}

impl ReportReader {
    /// A reader of a merchant's operations.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        merchant: MerchantId,
        spec: ReportSpec,
        cells: ReportCells,
        pace: ReportPace,
    ) -> ReportReader {
        ReportReader { store, merchant, spec, cells, pace, after: None, is_done: false }
    }

    /// What makes cells of a merchant's operations.
    #[must_use]
    pub fn cells_of(terms: &Terms, texts: ReportTexts) -> ReportCells {
        ReportCells { texts, acquirer_mid: terms.acquirer.card_acceptor_id.clone() }
    }

    /// What the report is about.
    #[must_use]
    pub const fn spec(&self) -> &ReportSpec {
        &self.spec
    }

    /// What makes cells of its rows.
    #[must_use]
    pub const fn cells(&self) -> &ReportCells {
        &self.cells
    }

    /// Until when operations have been read, about: how far it is.
    #[must_use]
    pub fn reached(&self) -> Timestamp {
        let at_end = if self.is_done { self.spec.interval.before } else { self.spec.interval.from };
        self.after.map_or(at_end, |after| Timestamp(after.key / 100))
    }

    /// The rows among the next operations, which may be none; `None` behind the last one. A store that fails is asked
    /// again a few times.
    ///
    /// # Errors
    /// When the store fails for good: then what was read is a part only.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ReportRow>>, StoreError> {
        if self.is_done {
            return Ok(None);
        }
        let page = match self.pace.clone() {
            ReportPace::Full => self.read_page().await?,
            ReportPace::Resting(ReportTurns(turn)) => {
                let mut rest = turn.lock().await;
                tokio::time::sleep(*rest).await;
                let begun = Instant::now();
                let page = self.read_page().await;
                *rest = begun.elapsed().min(Duration::from_millis(REST_MS_MAX));
                page?
            }
        };
        self.after = page.next;
        self.is_done = page.next.is_none();
        let mut rows = page.rows;
        rows.retain(|row| self.cells.fits(&self.spec, row));
        Ok(Some(rows))
    }

    async fn read_page(&self) -> Result<ReportPage, StoreError> {
        let scan = ReportScan {
            merchant: self.merchant,
            interval: self.spec.interval,
            after: self.after,
            operations_max: OPERATIONS_PER_PAGE,
        };
        let mut tries = 0;
        loop {
            match self.store.report_page(&scan).await {
                Err(error) if tries < READ_TRIES_MAX => {
                    tries += 1;
                    tracing::warn!(%error, tries, "a page of a report cannot be read; trying again");
                    tokio::time::sleep(Duration::from_millis(READ_PAUSE_MS)).await;
                }
                page => return page,
            }
        }
    }
}

impl std::fmt::Debug for ReportReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportReader")
            .field("merchant", &self.merchant)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}
