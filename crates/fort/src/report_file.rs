//! The file of a report: CSV or JSON, row by row.
//!
//! CSV is RFC 4180: UTF-8, lines that end with CRLF, a value in quotes where it has to be. A spreadsheet takes a cell that
//! begins with one of `= + - @`, a tab or a carriage return for a formula, and much of a report was typed by customers: such
//! a cell gets an apostrophe in front. So does one that begins with an apostrophe, so that whoever takes one apostrophe off
//! has every cell as it was. JSON has all values as they are.

use crate::json_text;
use crate::text::{Language, acquirer_response_message, response_message};
use tollgate_core::report::{ReportCells, ReportColumn, ReportFormat, ReportRow, ReportTexts};

/// The media type of a report.
#[must_use]
pub const fn content_type(format: ReportFormat) -> &'static str {
    match format {
        ReportFormat::Csv => "text/csv; charset=utf-8",
        ReportFormat::Json => "application/json; charset=utf-8",
    }
}

/// What the name of its file ends with.
#[must_use]
pub const fn extension(format: ReportFormat) -> &'static str {
    match format {
        ReportFormat::Csv => "csv",
        ReportFormat::Json => "json",
    }
}

/// The texts of codes in a language.
#[must_use]
pub fn texts(language: Language) -> ReportTexts {
    ReportTexts {
        response: match language {
            Language::English => |code| response_message(code, Language::English),
            Language::Arabic => |code| response_message(code, Language::Arabic),
        },
        network: acquirer_response_message,
    }
}

/// Writes one report, piece by piece.
#[derive(Debug)]
pub struct ReportWriter {
    format: ReportFormat,
    columns: Vec<ReportColumn>,
    rows: u64,
}

impl ReportWriter {
    /// A writer of these columns.
    #[must_use]
    pub const fn new(format: ReportFormat, columns: Vec<ReportColumn>) -> ReportWriter {
        ReportWriter { format, columns, rows: 0 }
    }

    /// Appends what stands before the rows.
    pub fn begin(&self, out: &mut String) {
        match self.format {
            ReportFormat::Csv => push_line(out, self.columns.iter().map(|column| column.name())),
            ReportFormat::Json => out.push('['),
        }
    }

    /// Appends a row.
    pub fn push(&mut self, out: &mut String, cells: &ReportCells, row: &ReportRow) {
        let values = self.columns.iter().map(|column| cells.cell(row, *column));
        match self.format {
            ReportFormat::Csv => push_line(out, values),
            ReportFormat::Json => {
                out.push_str(if self.rows > 0 { ",\n{" } else { "\n{" });
                for (place, (column, value)) in self.columns.iter().zip(values).enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    json_text::push(out, column.name());
                    out.push(':');
                    json_text::push(out, &value);
                }
                out.push('}');
            }
        }
        self.rows += 1;
    }

    /// Appends what stands behind the rows: without it a file in JSON is none, so that a part cannot pass for the whole.
    pub fn end(&self, out: &mut String) {
        match self.format {
            ReportFormat::Csv => {}
            ReportFormat::Json => out.push_str("\n]\n"),
        }
    }

    /// How many rows were written.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

fn push_line<V: AsRef<str>>(out: &mut String, values: impl Iterator<Item = V>) {
    let begin = out.len();
    for (place, value) in values.enumerate() {
        out.push_str(if place > 0 { "," } else { "" });
        push_cell(out, value.as_ref());
    }
    // A line with nothing in it would be passed over by readers.
    out.push_str(if out.len() == begin { "\"\"\r\n" } else { "\r\n" });
}

fn push_cell(out: &mut String, value: &str) {
    let guard = if value.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) { "'" } else { "" };
    if !value.contains(['"', ',', '\r', '\n']) {
        out.push_str(guard);
        out.push_str(value);
        return;
    }
    out.push('"');
    out.push_str(guard);
    for piece in value.split_inclusive('"') {
        out.push_str(piece);
        if piece.ends_with('"') {
            out.push('"');
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn line(values: &[&str]) -> String {
        let mut out = String::new();
        push_line(&mut out, values.iter());
        out
    }

    #[test]
    fn values_are_quoted_where_they_have_to_be_and_formulas_are_none() {
        assert_eq!(line(&["1", "a b", "محمد"]), "1,a b,محمد\r\n");
        assert_eq!(line(&["a,b", "say \"so\"", "x\r\ny"]), "\"a,b\",\"say \"\"so\"\"\",\"x\r\ny\"\r\n");
        assert_eq!(line(&["=1+1", "+1", "-1", "@a", "\tx"]), "'=1+1,'+1,'-1,'@a,'\tx\r\n");
        assert_eq!(line(&["'=a", "=HYPERLINK(\"x\",1)"]), "''=a,\"'=HYPERLINK(\"\"x\"\",1)\"\r\n");
        assert_eq!(line(&[""]), "\"\"\r\n", "a row of one empty cell is a row");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(
            rows in proptest::collection::vec(proptest::collection::vec("[a\",\r\n=+@'\t é-]{0,8}|\\PC{0,6}", 3), 1..8)
        ) {
            let mut out = String::new();
            for row in &rows {
                push_line(&mut out, row.iter());
            }
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(out.as_bytes());
            let mut back = Vec::new();
            for record in reader.records() {
                let record = record.unwrap();
                for cell in &record {
                    prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
                }
                back.push(record.iter().map(|c| c.strip_prefix('\'').unwrap_or(c).to_owned()).collect::<Vec<_>>());
            }
            prop_assert_eq!(back, rows);
        }
    }
}
