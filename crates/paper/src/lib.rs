//! Paper: texts in English and in Arabic on the pages of a PDF, and QR codes.
//!
//! What is to stand there comes as finished texts; this crate sets them. Arabic is shaped and put in the order in which it is
//! read, a text of both languages too, and a paper in Arabic begins at the right. Only the characters that a paper uses go
//! into it. A character that the fonts do not have is shown as U+FFFD.

mod qr;
mod sheet;
mod typeset;

pub use qr::{QrFault, qr_svg, qr_terminal};

/// The most pages of a paper.
pub const PAGES_MAX: usize = 20;
/// The most characters of one text on a paper; more are cut off.
pub const TEXT_CHARS_MAX: usize = 1_000;

/// What is to stand on a paper.
#[derive(Clone, Debug)]
pub struct Paper {
    /// The title, for the window that shows it.
    pub title: String,
    /// Who made it, for the file's own description.
    pub author: String,
    /// The language, which says from which side it is read.
    pub language: PaperLanguage,
    /// The day that is told as the one when it was made.
    pub day: PaperDay,
    /// What stands there, from top to bottom.
    pub blocks: Vec<Block>,
}

impl Paper {
    /// The paper as a PDF, A4 upright. The same paper gives the same bytes.
    ///
    /// # Errors
    /// When it has more than [`PAGES_MAX`] pages, or a text is none that a QR code can hold.
    pub fn pdf(&self) -> Result<Vec<u8>, PaperFault> {
        sheet::pdf(self)
    }
}

/// Why there is no paper.
#[derive(Debug, thiserror::Error)]
pub enum PaperFault {
    /// More than [`PAGES_MAX`] pages.
    #[error("it has more than 20 pages")]
    TooLong,
    /// The text of a code.
    #[error(transparent)]
    Qr(#[from] QrFault),
    /// Our own fault.
    #[error("the PDF cannot be written: {0}")]
    Ours(String),
}

/// The language of a paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaperLanguage {
    /// From left to right.
    English,
    /// From right to left.
    Arabic,
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperDay {
    /// For example 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// One piece of a paper.
#[derive(Clone, Debug)]
pub enum Block {
    /// The heading.
    Heading(String),
    /// Two columns of small lines: the first at the side where reading begins.
    Columns {
        /// The first,
        first: Vec<Entry>,
        /// and the second.
        second: Vec<Entry>,
    },
    /// A table. Its head stands on each page that it goes over.
    Table(Table),
    /// Sums, at the side where reading ends.
    Sums(Vec<Sum>),
    /// A text over the whole width.
    Text(String),
    /// A QR code, with what is said of it beside it.
    Code {
        /// What the code says.
        content: String,
        /// What stands beside it.
        words: Vec<Entry>,
    },
}

/// A line of a column.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the value is, if that is said.
    pub label: Option<String>,
    /// The value.
    pub value: String,
    /// How heavy it is.
    pub weight: Weight,
}

/// How heavy a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As most texts are.
    Regular,
    /// Bold.
    Bold,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<TableRow>,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its heading.
    pub title: String,
    /// How wide it is, in thousandths of the table.
    pub width_milli: u16,
    /// Where its texts stand.
    pub side: Side,
}

/// Where a text stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where reading begins.
    Start,
    /// Where reading ends.
    End,
}

/// A row of a table.
#[derive(Clone, Debug)]
pub struct TableRow {
    /// A text for each column.
    pub cells: Vec<String>,
    /// What stands in small below the first one.
    pub note: Option<String>,
}

/// A sum.
#[derive(Clone, Debug)]
pub struct Sum {
    /// What it is.
    pub label: String,
    /// How much.
    pub value: String,
    /// How heavy it is.
    pub weight: Weight,
}
