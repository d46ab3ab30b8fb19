//! The file of a batch: from bytes, in pieces of any size, to rows and to typed commands; and the file of its results.
//!
//! RFC 4180 with commas, UTF-8 with or without a byte order mark, lines that end with LF or CRLF. The first row names the
//! columns, which are the parameters of the single calls; a row is judged by the tables of those calls.

use crate::command::{Request, mask_card_numbers};
use crate::message::Message;
use crate::service::Service;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use std::borrow::Cow;
use std::fmt::Write;
use tollgate_core::batch::{BatchFault, BatchRowCommand, BatchRows, ROW_BYTES_MAX, ROWS_MAX, row_offered};
use tollgate_core::card_scan::holds_card_number;
use tollgate_core::code::refused;
use tollgate_core::order::PayKind;
use tollgate_core::refusal::Refusal;

/// The columns that a file may have, by the names of the parameters.
pub const COLUMNS: [&str; 33] = [
    "command",
    "service_command",
    "merchant_reference",
    "fort_id",
    "amount",
    "currency",
    "language",
    "customer_email",
    "eci",
    "token_name",
    "agreement_id",
    "payment_option",
    "order_description",
    "customer_name",
    "customer_ip",
    "phone_number",
    "settlement_reference",
    "maintenance_reference",
    "merchant_extra",
    "merchant_extra1",
    "merchant_extra2",
    "merchant_extra3",
    "merchant_extra4",
    "merchant_extra5",
    "link_command",
    "request_expiry_date",
    "notification_type",
    "customer_phone",
    "payment_link_id",
    "return_url",
    "invoice_lines",
    "invoice_number",
    "due_date",
];

/// The header of the results of payment links.
const LINK_RESULT_HEADER: &str = "Line_Number,response_code,response_message,status,eci,fort_id,merchant_reference,amount,\
                                  card_number,expiry_date,currency,payment_link_id,payment_link\n";

/// The header of a result file.
const RESULT_HEADER: &str = "Line_Number,response_code,response_message,status,eci,fort_id,merchant_reference,amount,\
                                 card_number,expiry_date,currency\n";

/// The most cells of a row; a row with more is as wrong as one that is too long.
const CELLS_MAX: usize = 1024;
/// What stands for a cell with a card number that no mask covers.
const HIDDEN: &str = "****";
/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One row of a file: its cells, without the header's names.
#[derive(Clone, PartialEq, Eq)]
pub struct FileRow {
    /// The line that it begins at; the header is line 1.
    pub line: u32,
    /// Its cells, in the order of the file. Card numbers in them are starred.
    pub cells: Vec<String>,
    /// Whether a card number stood in a cell: such a row is refused, and nothing of the number is kept.
    pub held_card_number: CardNumber,
}

/// Whether a row held a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardNumber {
    /// It did not.
    None,
    /// It did, in the column at this place.
    InColumn(usize),
}

impl std::fmt::Debug for FileRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} with {} cells", self.line, self.cells.len())
    }
}

/// Splits a file that comes in pieces into rows. It holds one row at a time.
pub struct RowSplitter {
    reader: Reader,
    /// The cells of the row under way, one behind the other, and where each of them ends.
    text: Vec<u8>,
    text_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    /// How many bytes of a byte order mark have come; `None` once the beginning is over.
    mark: Option<usize>,
    /// The line of the next byte, and of the row under way once it has begun.
    line: u32,
    row_line: Option<u32>,
    rows: u32,
    fault: Option<BatchFault>,
}

impl Default for RowSplitter {
    fn default() -> RowSplitter {
        RowSplitter {
            reader: ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build(),
            text: vec![0; ROW_BYTES_MAX],
            text_len: 0,
            ends: vec![0; CELLS_MAX],
            ends_len: 0,
            mark: Some(0),
            line: 1,
            row_line: None,
            rows: 0,
            fault: None,
        }
    }
}

impl RowSplitter {
    /// Takes the next piece of the file and hands each row that it completes to `take`, the header first. After a fault
    /// nothing more comes.
    pub fn push(&mut self, piece: &[u8], mut take: impl FnMut(FileRow)) {
        let mut rest = self.without_mark(piece);
        while !rest.is_empty() && self.fault.is_none() {
            rest = self.step(rest, &mut take);
        }
    }

    /// The end of the file: hands over a last row that no line break ends.
    ///
    /// # Errors
    /// Why the file, or what follows the rows that were handed over, cannot be used.
    pub fn finish(mut self, mut take: impl FnMut(FileRow)) -> Result<(), BatchFault> {
        // What was held back as the beginning of a mark and is none.
        if let Some(seen) = self.mark.take() {
            let held = BYTE_ORDER_MARK.get(..seen).unwrap_or_default();
            let mut rest = held;
            while !rest.is_empty() && self.fault.is_none() {
                rest = self.step(rest, &mut take);
            }
        }
        // An empty piece tells the reader that there is no more; the row under way ends with it.
        for _ in 0..2 {
            if self.fault.is_none() && self.row_line.is_some() {
                let _ = self.step(&[], &mut take);
            }
        }
        self.fault.map_or(Ok(()), Err)
    }

    /// What went wrong, if something did.
    #[must_use]
    pub const fn fault(&self) -> Option<BatchFault> {
        self.fault
    }

    /// Leaves a byte order mark at the beginning out, in however many pieces it comes.
    fn without_mark<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let Some(seen) = self.mark else { return piece };
        let expected = BYTE_ORDER_MARK.get(seen..).unwrap_or_default();
        let common = expected.iter().zip(piece).take_while(|(a, b)| a == b).count();
        if common == expected.len() {
            self.mark = None;
        } else if common == piece.len() {
            self.mark = Some(seen + common);
        } else {
            // It was none: a file that begins with half a mark is no UTF-8.
            self.mark = None;
            if seen + common > 0 {
                self.fault = Some(BatchFault::NotUtf8);
            }
        }
        piece.get(common..).unwrap_or_default()
    }

    /// Reads on in `input` up to the end of a row at most; what is left of it.
    fn step<'a>(&mut self, input: &'a [u8], take: &mut impl FnMut(FileRow)) -> &'a [u8] {
        if self.row_line.is_none() && !input.is_empty() {
            // A row begins behind blank lines, which count as lines.
            if let Some(rest) = input.strip_prefix(b"\n") {
                self.line = self.line.saturating_add(1);
                return rest;
            }
            self.row_line = Some(self.line);
        }
        let text = self.text.get_mut(self.text_len..).unwrap_or_default();
        let ends = self.ends.get_mut(self.ends_len..).unwrap_or_default();
        let (result, read, written, cells) = self.reader.read_record(input, text, ends);
        let (taken, rest) = input.split_at(read.min(input.len()));
        let breaks = taken.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.text_len += written;
        self.ends_len += cells;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                self.fault = Some(BatchFault::RowTooLong);
            }
            ReadRecordResult::Record => self.end_row(take),
            ReadRecordResult::End => self.row_line = None,
        }
        rest
    }

    fn end_row(&mut self, take: &mut impl FnMut(FileRow)) {
        let line = self.row_line.take().unwrap_or(self.line);
        let ends = self.ends.get(..self.ends_len).unwrap_or_default();
        let text = self.text.get(..self.text_len).unwrap_or_default();
        let row = match std::str::from_utf8(text) {
            Ok(text) => row_of(line, text, ends),
            Err(_) => {
                self.fault = Some(BatchFault::NotUtf8);
                return;
            }
        };
        (self.text_len, self.ends_len) = (0, 0);
        let Some(row) = row else { return };
        // The header is none of them.
        if self.rows > ROWS_MAX {
            self.fault = Some(BatchFault::TooManyRows);
            return;
        }
        self.rows += 1;
        take(row);
    }
}

impl Drop for RowSplitter {
    fn drop(&mut self) {
        tollgate_core::secret::Wipe::wipe(&mut self.text);
    }
}

/// `None` for a line with nothing on it but the CR of its end.
fn row_of(line: u32, text: &str, ends: &[usize]) -> Option<FileRow> {
    let mut row = FileRow { line, cells: Vec::with_capacity(ends.len()), held_card_number: CardNumber::None };
    let mut start = 0;
    for (place, end) in ends.iter().enumerate() {
        let mut cell = text.get(start..*end).unwrap_or_default();
        start = *end;
        if place + 1 == ends.len() {
            cell = cell.strip_suffix('\r').unwrap_or(cell);
        }
        let kept = without_card_number(cell);
        if kept.is_some() && row.held_card_number == CardNumber::None {
            row.held_card_number = CardNumber::InColumn(place);
        }
        row.cells.push(kept.unwrap_or_else(|| cell.to_owned()));
    }
    let is_blank = matches!(row.cells.as_slice(), [only] if only.is_empty());
    (!is_blank).then_some(row)
}

/// A cell with its card number starred; `None` when it holds none.
fn without_card_number(cell: &str) -> Option<String> {
    if !holds_card_number(cell) {
        return None;
    }
    let masked = mask_card_numbers(cell);
    Some(if holds_card_number(&masked) { HIDDEN.to_owned() } else { masked.into_owned() })
}

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Payments and operations on orders.
    Transactions,
    /// Payment links.
    Links,
}

impl FileKind {
    /// The header of its results.
    #[must_use]
    pub const fn result_header(self) -> &'static str {
        match self {
            FileKind::Transactions => RESULT_HEADER,
            FileKind::Links => LINK_RESULT_HEADER,
        }
    }
}

/// The columns of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(Vec<String>);

/// Why a header cannot be used. Never holds what stands in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// A column that no row may have.
    #[error("column {0} of the header is no parameter that rows may have")]
    Unknown(usize),
    /// A name that stands there twice.
    #[error("column {0} of the header has a name that stands there twice")]
    Twice(usize),
    /// Nothing says what the rows ask for.
    #[error("the header names neither command nor service_command")]
    NoCommand,
}

impl Header {
    /// The columns that the first row of a file names.
    ///
    /// # Errors
    /// 51142: the column that is at fault, counted from 1.
    pub fn of(first: &FileRow) -> Result<Header, HeaderFault> {
        let names: Vec<&str> = first.cells.iter().map(|cell| cell.trim()).collect();
        for (place, name) in names.iter().enumerate() {
            if !COLUMNS.contains(name) {
                return Err(HeaderFault::Unknown(place + 1));
            }
            if names.iter().take(place).any(|earlier| earlier == name) {
                return Err(HeaderFault::Twice(place + 1));
            }
        }
        if !names.iter().any(|name| matches!(*name, "command" | "service_command")) {
            return Err(HeaderFault::NoCommand);
        }
        Ok(Header(names.into_iter().map(str::to_owned).collect()))
    }

    /// The columns that were kept of a file that was taken.
    #[must_use]
    pub fn kept(names: Vec<String>) -> Header {
        Header(names)
    }

    /// The columns in the order of the file.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// What its rows are: a file without a column `command` is one of payment links.
    #[must_use]
    pub fn kind(&self) -> FileKind {
        let has_command = self.0.iter().any(|name| name == "command");
        if has_command { FileKind::Transactions } else { FileKind::Links }
    }

    /// The cell of a column, when it is there and not empty.
    #[must_use]
    pub fn cell<'a>(&self, cells: &'a [String], name: &str) -> Option<&'a str> {
        let place = self.0.iter().position(|known| known == name)?;
        cells.get(place).map(String::as_str).filter(|cell| !cell.is_empty())
    }
}

/// What a row is judged by beside the tables: what the upload said, and what the account takes.
#[derive(Clone, Debug)]
pub struct RowContext<'a> {
    /// The columns.
    pub header: &'a Header,
    /// `access_code` of the upload.
    pub access_code: &'a str,
    /// `merchant_identifier` of the upload.
    pub merchant_identifier: &'a str,
    /// `language` of the upload, for rows that have none of their own.
    pub language: &'a str,
    /// `batch_reference`: kept with each operation, so that its story tells where it came from.
    pub batch_reference: &'a str,
    /// What rows may ask for.
    pub rows: BatchRows,
}

/// Judges a row by the tables of the single call and makes a command of it.
///
/// The faults count in the order of the single call: the command, a parameter that is absent, then lengths, forms and lists
/// by the table, then whether a batch may have it.
///
/// # Errors
/// The first fault.
pub fn command(context: &RowContext<'_>, row: &FileRow) -> Result<BatchRowCommand, Refusal> {
    let RowContext { header, .. } = context;
    if let CardNumber::InColumn(place) = row.held_card_number {
        let name = header.names().get(place).cloned().unwrap_or_default();
        let detail = "it holds a card number: cards are named by their tokens in a batch";
        return Err(Refusal::request(refused::VALUE_NOT_ALLOWED, name, detail));
    }
    let cell = |name| header.cell(&row.cells, name);
    let service = match header.kind() {
        FileKind::Transactions => service_of(cell("command"), cell("service_command"), context.rows)?,
        FileKind::Links => link_service(cell("service_command"))?,
    };
    fits_the_header(header, row)?;
    if matches!(service, Service::Purchase | Service::Authorization) {
        for name in ["eci", "token_name"] {
            if cell(name).is_none() {
                let detail = "rows with a payment need it";
                return Err(Refusal::request(refused::MISSING_PARAMETER, name, detail));
            }
        }
    }
    minor_units(cell("amount").filter(|_| service != Service::VoidAuthorization))?;
    let message = message_of(context, row)?;
    match Request::parse(service, &message)? {
        Request::Pay(mut command) => {
            row_offered(context.rows, command.kind, command.eci)?;
            command.params.push("batch_reference", context.batch_reference);
            command.params.push("batch_line", &row.line.to_string());
            Ok(BatchRowCommand::Pay(command))
        }
        Request::Maintain(mut command) => {
            command.params.push("batch_reference", context.batch_reference);
            command.params.push("batch_line", &row.line.to_string());
            Ok(BatchRowCommand::Maintain(command))
        }
        Request::PaymentLink(command) => Ok(BatchRowCommand::Link(command)),
        _ => Err(no_such_row("command")),
    }
}

/// Writes one line of a result file: every value in quotes.
pub fn push_result(out: &mut String, values: &[Cow<'_, str>]) {
    for (place, value) in values.iter().enumerate() {
        out.push_str(if place > 0 { ",\"" } else { "\"" });
        for piece in value.split_inclusive('"') {
            out.push_str(piece);
            if piece.ends_with('"') {
                out.push('"');
            }
        }
        out.push('"');
    }
    out.push('\n');
}

fn service_of(command: Option<&str>, service_command: Option<&str>, rows: BatchRows) -> Result<Service, Refusal> {
    if service_command.is_some() && command.is_some() {
        let detail = "payment links stand in a file of their own, without a column command";
        return Err(Refusal::request(refused::INVALID_COMMAND, "service_command", detail));
    }
    let Some(name) = command else {
        let detail = "the row names no command; payment links stand in a file of their own, without a column command";
        return Err(Refusal::request(refused::MISSING_PARAMETER, "command", detail));
    };
    match Service::from_name(name).filter(|service| service.key() == "command") {
        Some(service @ (Service::Purchase | Service::Capture | Service::Refund | Service::VoidAuthorization)) => {
            Ok(service)
        }
        Some(service @ Service::Authorization) => {
            row_offered(rows, PayKind::Authorization, tollgate_core::command::Eci::Recurring).map(|()| service)
        }
        _ => Err(no_such_row("command")),
    }
}

/// A file of payment links has rows of one kind only.
fn link_service(service_command: Option<&str>) -> Result<Service, Refusal> {
    match service_command {
        Some("PAYMENT_LINK") => Ok(Service::PaymentLink),
        Some(_) => {
            let detail = "a file without a column command holds payment links alone: PAYMENT_LINK, in upper case";
            Err(Refusal::request(refused::INVALID_COMMAND, "service_command", detail))
        }
        None => Err(Refusal::request(refused::MISSING_PARAMETER, "service_command", "the row names no service")),
    }
}

fn no_such_row(parameter: &'static str) -> Refusal {
    let detail = "rows are PURCHASE, CAPTURE, REFUND or VOID_AUTHORIZATION, in upper case";
    Refusal::request(refused::INVALID_COMMAND, parameter, detail)
}

fn fits_the_header(header: &Header, row: &FileRow) -> Result<(), Refusal> {
    let (cells, columns) = (row.cells.len(), header.names().len());
    if cells == columns {
        return Ok(());
    }
    let detail = format!("the row has {cells} cells, and the header {columns}: a comma may be missing or not quoted");
    Err(Refusal::of(refused::INVALID_FORMAT, tollgate_core::refusal::Guilty::MerchantRequest, detail))
}

/// An amount that is no whole number is of a wrong form; that it is zero or too long the table says.
fn minor_units(amount: Option<&str>) -> Result<(), Refusal> {
    match amount {
        Some(text) if !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            let detail = "an amount is a whole number of minor units: 10.50 AED is 1050";
            Err(Refusal::request(refused::INVALID_FORMAT, "amount", detail))
        }
        _ => Ok(()),
    }
}

/// The row as the single call would send it, but for the signature: the upload's covers the whole batch.
fn message_of(context: &RowContext<'_>, row: &FileRow) -> Result<Message, Refusal> {
    let own = context.header.names().iter().map(String::as_str).zip(row.cells.iter().map(String::as_str));
    let mut fields: Vec<(&str, &str)> = own.filter(|(_, value)| !value.is_empty()).collect();
    let has_language = fields.iter().any(|(name, _)| *name == "language");
    fields.extend([
        ("access_code", context.access_code),
        ("merchant_identifier", context.merchant_identifier),
        ("signature", "00"),
    ]);
    if !has_language {
        fields.push(("language", context.language));
    }
    Message::from_json(&crate::client::json(&fields)).map_err(|fault| {
        let detail = format!("the row cannot be read: {}", fault.kind);
        Refusal::of(refused::INVALID_FORMAT, tollgate_core::refusal::Guilty::MerchantRequest, detail)
    })
}

/// The lines of a header, as they stand in a fault that is told to a person.
#[must_use]
pub fn columns_in_words() -> String {
    let mut words = String::new();
    for (place, name) in COLUMNS.iter().enumerate() {
        let _ = write!(words, "{}{name}", if place > 0 { ", " } else { "" });
    }
    words
}

#[cfg(test)]
mod tests;
