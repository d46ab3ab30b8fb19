//! `tollgate report` and `tollgate report totals`.

use super::{DataArg, Format, small_runtime};
use crate::data_folder::DataFolder;
use crate::running::Running;
use crate::wiring::{self, Keep};
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_app::{ReportPace, ReportReader, ReportTurns};
use tollgate_core::report::{
    ReportColumn, ReportFilter, ReportFormat, ReportInterval, ReportKind, ReportSpec, ReportSum, ReportTotals,
};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_fort::report_file::{ReportWriter, texts};
use tollgate_fort::text::Language;
use tollgate_store::{MerchantRecord, Store};

/// How often progress is shown, in milliseconds.
const PROGRESS_EVERY_MS: u64 = 200;
/// The columns of a report that names none.
const COLUMNS: &str = "transaction_date,operation,merchant_reference,fort_id,amount,currency,status,response_code,\
                       response_message,payment_option,card_number,authorization_code,eci,channel";

/// Write what a merchant did as a file: one row for each operation.
#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    selection: Selection,
    /// The columns, in their order, parted by commas; `all` for all 39
    #[arg(long, value_name = "NAMES")]
    columns: Option<String>,
    /// How the file is written [default: csv]
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// Write it to this file, which is there once all of it is
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add the operations up, by currency and by what they do
    Totals {
        /// How to print it
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

/// Which operations.
#[derive(Debug, Args)]
struct Selection {
    /// Whose operations
    #[arg(long, value_name = "NAME", default_value = crate::demo::NAME, global = true)]
    merchant: String,
    /// transactions: all operations; financial: those that succeeded; verifications: those of VERIFY_CARD
    #[arg(long, value_parser = kind, default_value = "transactions", global = true)]
    kind: ReportKind,
    /// Sent not before this day in UTC, or this moment: 2026-11-20 or 2026-11-20T12:00:00+04:00 [default: the first one]
    #[arg(long, value_name = "TIME", global = true)]
    from: Option<String>,
    /// Sent before this day, or this moment [default: now]
    #[arg(long, value_name = "TIME", global = true)]
    to: Option<String>,
    /// Only rows with this value in this column; several of one column: one of them
    #[arg(long, value_name = "COLUMN=VALUE", global = true)]
    filter: Vec<String>,
}

/// The forms of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// RFC 4180
    Csv,
    /// A list of objects
    Json,
}

impl ReportArgs {
    /// Runs it. It only reads, beside a running gateway or without one, and needs no key.
    ///
    /// # Errors
    /// When something named is not there, or the store or the file fails.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let is_of_a_file = self.columns.is_some() || self.format.is_some() || self.output.is_some();
        if self.action.is_some() && is_of_a_file {
            bail!(
                "totals have neither columns nor a file: leave out --columns and --output, and write --format behind `totals`"
            );
        }
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let looked = wiring::look(&folder, Keep::Existing).await?;
            let now = looked.clock.now();
            let bed = Bed { folder: &folder, store: Arc::clone(&looked.store), now };
            let done = match &self.action {
                Some(Action::Totals { format }) => totals(&bed, &self.selection, *format).await,
                None => self.write(&bed).await,
            };
            looked.sqlite.close().await;
            done
        })
    }

    async fn write(&self, bed: &Bed<'_>) -> anyhow::Result<ExitCode> {
        let mut reader = bed.reader(&self.selection, columns(self.columns.as_deref().unwrap_or(COLUMNS))?).await?;
        let format = match self.format {
            Some(FileFormat::Json) => ReportFormat::Json,
            Some(FileFormat::Csv) | None => ReportFormat::Csv,
        };
        let mut writer = ReportWriter::new(format, reader.spec().columns.clone());
        let mut out = Out::open(self.output.as_deref())?;
        let mut progress = Progress::begin(self.output.is_some());
        let mut text = String::new();
        writer.begin(&mut text);
        while let Some(page) =
            reader.next_page().await.context("the store cannot be read; what is there is a part only")?
        {
            for row in &page {
                writer.push(&mut text, reader.cells(), row);
            }
            out.write(&text)?;
            text.clear();
            progress.show(writer.rows(), reader.reached())?;
        }
        writer.end(&mut text);
        out.write(&text)?;
        out.end()?;
        progress.end(writer.rows())?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn totals(bed: &Bed<'_>, selection: &Selection, format: Format) -> anyhow::Result<ExitCode> {
    let mut reader = bed.reader(selection, Vec::new()).await?;
    let mut totals = ReportTotals::default();
    let mut progress = Progress::begin(true);
    let mut rows = 0u64;
    while let Some(page) = reader.next_page().await.context("the store cannot be read")? {
        for row in &page {
            totals.add(&row.operation);
            rows += 1;
        }
        progress.show(rows, reader.reached())?;
    }
    progress.end(rows)?;
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&totals_json(&totals))?)?,
        Format::Text => write!(out, "{}", totals_text(&totals))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn totals_json(totals: &ReportTotals) -> Value {
    let sums = totals.sums.iter().map(|((currency, operation), sum)| {
        let ReportSum { succeeded, amount, failed, unknown } = sum;
        json!({
            "currency": currency.to_string(),
            "operation": operation.command(),
            "succeeded": succeeded,
            // A text: a sum may have more digits than numbers of JSON carry everywhere.
            "amount": amount.to_string(),
            "failed": failed,
            "unknown": unknown,
        })
    });
    Value::Array(sums.collect())
}

fn totals_text(totals: &ReportTotals) -> String {
    if totals.sums.is_empty() {
        return "no operation fits\n".to_owned();
    }
    let mut out = format!(
        "{:<9}{:<20}{:>12}{:>24}{:>10}{:>10}\n",
        "currency", "operation", "succeeded", "amount (minor units)", "failed", "unknown"
    );
    for ((currency, operation), sum) in &totals.sums {
        out.push_str(&format!(
            "{:<9}{:<20}{:>12}{:>24}{:>10}{:>10}\n",
            currency.alpha(),
            operation.command(),
            sum.succeeded,
            sum.amount,
            sum.failed,
            sum.unknown
        ));
    }
    out
}

/// What a report is made from.
struct Bed<'a> {
    folder: &'a DataFolder,
    store: Arc<dyn Store>,
    now: Timestamp,
}

impl Bed<'_> {
    async fn reader(&self, selection: &Selection, columns: Vec<ReportColumn>) -> anyhow::Result<ReportReader> {
        let merchant = self.merchant(&selection.merchant).await?;
        let from = selection.from.as_deref().map(moment).transpose()?.unwrap_or(Timestamp(0));
        // What happens from now on is none of it, so that it has an end beside a running gateway.
        let before = selection.to.as_deref().map(moment).transpose()?.unwrap_or(self.now).min(self.now);
        if before < from {
            bail!("the interval ends before it begins, or begins after now ({})", self.now);
        }
        let spec = ReportSpec {
            kind: selection.kind,
            interval: ReportInterval { from, before },
            columns,
            filters: selection.filter.iter().map(|text| filter(text)).collect::<anyhow::Result<_>>()?,
            language: "en".to_owned(),
        };
        let pace = match Running::read(self.folder) {
            Ok(_) => ReportPace::Resting(ReportTurns::default()),
            Err(_) => ReportPace::Full,
        };
        let cells = ReportReader::cells_of(&merchant.terms, texts(Language::English));
        Ok(ReportReader::new(Arc::clone(&self.store), merchant.id, spec, cells, pace))
    }

    async fn merchant(&self, name: &str) -> anyhow::Result<MerchantRecord> {
        let found = self.store.merchants().await?.into_iter().find(|record| record.name == name);
        found.with_context(|| format!("there is no merchant {name}; `tollgate merchant list` shows them all"))
    }
}

fn kind(name: &str) -> Result<ReportKind, String> {
    ReportKind::parse(name).ok_or_else(|| "a kind is transactions, financial or verifications".to_owned())
}

fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let read = Timestamp::parse_date(text).or_else(|| Timestamp::parse_with_offset(text));
    read.with_context(|| format!("{text:?} is no moment: write 2026-11-20 or 2026-11-20T12:00:00Z"))
}

fn columns(names: &str) -> anyhow::Result<Vec<ReportColumn>> {
    if names == "all" {
        return Ok(ReportColumn::ALL.to_vec());
    }
    let mut columns = Vec::new();
    for name in names.split(',') {
        let column = column(name)?;
        if columns.contains(&column) {
            bail!("the column {column} is named twice");
        }
        columns.push(column);
    }
    Ok(columns)
}

fn filter(text: &str) -> anyhow::Result<ReportFilter> {
    let (name, value) = text.split_once('=').with_context(|| format!("{text:?} is no filter: write COLUMN=VALUE"))?;
    Ok(ReportFilter { column: column(name)?, value: value.to_owned() })
}

fn column(name: &str) -> anyhow::Result<ReportColumn> {
    ReportColumn::parse(name).with_context(|| {
        let names: Vec<&str> = ReportColumn::ALL.iter().map(|column| column.name()).collect();
        format!("{name:?} is no column. The columns are {}", names.join(", "))
    })
}

/// Where a report goes: the standard output, or a file that gets its name when all of it is there.
struct Out {
    target: Box<dyn Write>,
    file: Option<PartFile>,
}

struct PartFile {
    part: PathBuf,
    path: PathBuf,
}

impl Out {
    fn open(path: Option<&Path>) -> anyhow::Result<Out> {
        let Some(path) = path else { return Ok(Out { target: Box::new(std::io::stdout().lock()), file: None }) };
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = std::fs::File::create(&part).with_context(|| format!("{} cannot be written", part.display()))?;
        let file_of = PartFile { part, path: path.to_owned() };
        Ok(Out { target: Box::new(std::io::BufWriter::new(file)), file: Some(file_of) })
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.target.write_all(text.as_bytes()).context("the report cannot be written")
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.target.flush().context("the report cannot be written")?;
        let Some(PartFile { part, path }) = &self.file else { return Ok(()) };
        std::fs::rename(part, path).with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// One line on a terminal that says how far it is.
struct Progress {
    shown: Option<Instant>,
    is_drawn: bool,
    begun: Instant,
}

impl Progress {
    /// `has_own_line`: the rows do not go to the same terminal.
    fn begin(has_own_line: bool) -> Progress {
        let has_own_line = has_own_line || !std::io::stdout().is_terminal();
        Progress { shown: None, is_drawn: has_own_line && std::io::stderr().is_terminal(), begun: Instant::now() }
    }

    fn show(&mut self, rows: u64, reached: Timestamp) -> anyhow::Result<()> {
        let is_early = self.shown.is_some_and(|shown| shown.elapsed() < Duration::from_millis(PROGRESS_EVERY_MS));
        if !self.is_drawn || is_early {
            return Ok(());
        }
        self.shown = Some(Instant::now());
        let mut err = std::io::stderr().lock();
        write!(err, "\r\x1b[K{rows} rows, read up to {reached}")?;
        Ok(err.flush()?)
    }

    fn end(self, rows: u64) -> anyhow::Result<()> {
        if self.is_drawn {
            writeln!(std::io::stderr(), "\r\x1b[K{rows} rows in {:.1} s", self.begun.elapsed().as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::money::Currency;
    use tollgate_core::order::OperationKind;

    #[test]
    fn columns_and_filters_are_named_as_fort_names_them() {
        assert_eq!(columns(COLUMNS).unwrap().len(), 14);
        assert_eq!(columns("all").unwrap(), ReportColumn::ALL);
        assert_eq!(
            columns("Invoice_id,3ds_indicator").unwrap(),
            [ReportColumn::InvoiceId, ReportColumn::ThreeDsIndicator]
        );
        for wrong in ["", "amount,", "invoice_id", "amount,amount"] {
            assert!(columns(wrong).is_err(), "{wrong}");
        }
        let read = filter("order_description=a=b").unwrap();
        assert_eq!((read.column, read.value.as_str()), (ReportColumn::OrderDescription, "a=b"));
        assert!(filter("amount").is_err() && filter("x=1").is_err());
    }

    #[test]
    fn sums_beyond_what_json_numbers_carry_are_texts() {
        let sum = ReportSum { succeeded: 2, amount: u128::from(u64::MAX) * 2, failed: 0, unknown: 1 };
        let key = (Currency::from_alpha("KWD").unwrap(), OperationKind::Capture);
        let totals = ReportTotals { sums: [(key, sum)].into() };
        assert_eq!(totals_json(&totals)[0]["amount"], "36893488147419103230");
        assert!(totals_text(&totals).lines().nth(1).unwrap().starts_with("KWD      CAPTURE"));
        assert_eq!(totals_text(&ReportTotals::default()), "no operation fits\n");
    }
}
