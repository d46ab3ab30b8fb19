//! From blocks to pages. Places are counted from where reading begins, and turned at the very end: so a paper in Arabic is the
//! mirror of one in English.

use crate::qr::Modules;
use crate::typeset::{Line, Style, Typesetter};
use crate::{Block, Column, Entry, PAGES_MAX, Paper, PaperFault, PaperLanguage, Side, Sum, Table, TableRow, Weight};
use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;

/// A4, in points.
const WIDTH_PT: f32 = 595.0;
const HEIGHT_PT: f32 = 842.0;
/// The margin on each side.
const MARGIN_PT: f32 = 48.0;
/// The width between the margins.
const INNER_PT: f32 = WIDTH_PT - 2.0 * MARGIN_PT;
/// Where the last line of a page may stand; below it is the number of the page.
const BOTTOM_PT: f32 = HEIGHT_PT - MARGIN_PT - 18.0;
/// The height of a line, in sizes of its letters.
const LEADING: f32 = 1.45;
/// The side of a QR code.
const CODE_PT: f32 = 110.0;
/// The most lines of one text.
const LINES_MAX: usize = 12;

const HEADING: Style = Style { size_pt: 22.0, weight: Weight::Bold };
const BODY: Style = Style { size_pt: 10.0, weight: Weight::Regular };
const STRONG: Style = Style { size_pt: 10.0, weight: Weight::Bold };
const SMALL: Style = Style { size_pt: 8.0, weight: Weight::Regular };

/// Sets a paper.
pub(crate) fn pdf(paper: &Paper) -> Result<Vec<u8>, PaperFault> {
    let setter = Typesetter::new()?;
    let mut sheet = Sheet { setter: &setter, pages: vec![Vec::new()], y_pt: MARGIN_PT };
    for block in &paper.blocks {
        sheet.block(block)?;
    }
    let mut document = Document::new();
    document.set_metadata(metadata(paper));
    let settings = PageSettings::from_wh(WIDTH_PT, HEIGHT_PT)
        .ok_or_else(|| PaperFault::Ours("the size of the page".to_owned()))?;
    let count = sheet.pages.len();
    for (marks, number) in sheet.pages.iter().zip(1..) {
        let mut page = document.start_page_with(settings.clone());
        let mut surface = page.surface();
        for mark in marks {
            mark.draw(&mut surface, paper.language)?;
        }
        if count > 1 {
            let line = setter.line(&format!("{number} / {count}"), SMALL);
            let start_pt = (INNER_PT - line.width_pt) / 2.0;
            Mark::Text { start_pt, y_pt: HEIGHT_PT - MARGIN_PT, line, ink: Ink::Soft }
                .draw(&mut surface, paper.language)?;
        }
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| PaperFault::Ours(format!("{error:?}")))
}

fn metadata(paper: &Paper) -> Metadata {
    let day = paper.day;
    let language = match paper.language {
        PaperLanguage::English => "en",
        PaperLanguage::Arabic => "ar",
    };
    Metadata::new()
        .title(paper.title.clone())
        .authors(vec![paper.author.clone()])
        .language(language.to_owned())
        .creator("Tollgate".to_owned())
        .creation_date(DateTime::new(day.year).month(day.month).day(day.day))
}

/// Something on a page. `start_pt` is counted from the margin where reading begins.
enum Mark {
    Text { start_pt: f32, y_pt: f32, line: Line, ink: Ink },
    Bar { start_pt: f32, y_pt: f32, width_pt: f32, height_pt: f32, ink: Ink },
    Code { start_pt: f32, y_pt: f32, modules: Modules },
}

#[derive(Clone, Copy)]
enum Ink {
    Full,
    Soft,
    Hair,
}

impl Ink {
    fn fill(self) -> Fill {
        let colour = match self {
            Ink::Full => rgb::Color::new(22, 32, 44),
            Ink::Soft => rgb::Color::new(74, 87, 101),
            Ink::Hair => rgb::Color::new(205, 212, 220),
        };
        Fill { paint: colour.into(), ..Fill::default() }
    }
}

struct Sheet<'a> {
    setter: &'a Typesetter,
    pages: Vec<Vec<Mark>>,
    /// Where the next line begins, from the top of the page.
    y_pt: f32,
}

impl Sheet<'_> {
    fn block(&mut self, block: &Block) -> Result<(), PaperFault> {
        match block {
            Block::Heading(text) => {
                self.texts(text, HEADING, Ink::Full, 0.0, INNER_PT)?;
                self.y_pt += 10.0;
            }
            Block::Columns { first, second } => {
                let half = INNER_PT / 2.0 - 12.0;
                let top = self.y_pt;
                self.entries(first, 0.0, half)?;
                let bottom = std::mem::replace(&mut self.y_pt, top);
                self.entries(second, INNER_PT - half, half)?;
                self.y_pt = self.y_pt.max(bottom) + 18.0;
            }
            Block::Table(table) => self.table(table)?,
            Block::Sums(sums) => self.sums(sums)?,
            Block::Text(text) => {
                self.texts(text, BODY, Ink::Full, 0.0, INNER_PT)?;
                self.y_pt += 8.0;
            }
            Block::Code { content, words } => {
                self.need(CODE_PT)?;
                let modules = Modules::of(content)?;
                let top = self.y_pt;
                self.mark(Mark::Code { start_pt: 0.0, y_pt: top, modules });
                self.entries(words, CODE_PT + 16.0, INNER_PT - CODE_PT - 16.0)?;
                self.y_pt = self.y_pt.max(top + CODE_PT) + 12.0;
            }
        }
        Ok(())
    }

    /// Sees to it that so much fits on the page, on a new one if need be.
    fn need(&mut self, height_pt: f32) -> Result<(), PaperFault> {
        if self.y_pt + height_pt <= BOTTOM_PT || self.y_pt <= MARGIN_PT {
            return Ok(());
        }
        if self.pages.len() >= PAGES_MAX {
            return Err(PaperFault::TooLong);
        }
        self.pages.push(Vec::new());
        self.y_pt = MARGIN_PT;
        Ok(())
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// Sets a text from where the cursor is, in as many lines as it takes.
    fn texts(&mut self, text: &str, style: Style, ink: Ink, start_pt: f32, width_pt: f32) -> Result<(), PaperFault> {
        for line in self.setter.wrap(text, style, width_pt, LINES_MAX) {
            self.need(style.size_pt * LEADING)?;
            self.put(line, Side::Start, ink, start_pt, width_pt);
        }
        Ok(())
    }

    /// Puts a line where the cursor is, and moves that on.
    fn put(&mut self, line: Line, side: Side, ink: Ink, start_pt: f32, width_pt: f32) {
        let start_pt = match side {
            Side::Start => start_pt,
            Side::End => start_pt + width_pt - line.width_pt,
        };
        let size_pt = line.size_pt;
        // The baseline stands a letter's height below where the line begins.
        self.mark(Mark::Text { start_pt, y_pt: self.y_pt + size_pt, line, ink });
        self.y_pt += size_pt * LEADING;
    }

    fn entries(&mut self, entries: &[Entry], start_pt: f32, width_pt: f32) -> Result<(), PaperFault> {
        for entry in entries {
            if let Some(label) = &entry.label {
                self.texts(label, SMALL, Ink::Soft, start_pt, width_pt)?;
            }
            let style = Style { weight: entry.weight, ..BODY };
            self.texts(&entry.value, style, Ink::Full, start_pt, width_pt)?;
            self.y_pt += 3.0;
        }
        Ok(())
    }

    fn table(&mut self, table: &Table) -> Result<(), PaperFault> {
        self.need(60.0)?;
        self.head(&table.columns)?;
        for row in &table.rows {
            let page = self.pages.len();
            self.need(self.height(table, row))?;
            if self.pages.len() > page {
                self.head(&table.columns)?;
            }
            self.row(table, row)?;
        }
        self.y_pt += 8.0;
        Ok(())
    }

    fn head(&mut self, columns: &[Column]) -> Result<(), PaperFault> {
        let top = self.y_pt;
        let mut bottom = top;
        for place in places(columns) {
            self.y_pt = top;
            for line in self.setter.wrap(&place.column.title, SMALL, place.width_pt, 2) {
                self.put(line, place.column.side, Ink::Soft, place.start_pt, place.width_pt);
            }
            bottom = bottom.max(self.y_pt);
        }
        self.y_pt = bottom + 3.0;
        self.bar(0.0, INNER_PT, 1.0, Ink::Full);
        self.y_pt += 6.0;
        Ok(())
    }

    fn row(&mut self, table: &Table, row: &TableRow) -> Result<(), PaperFault> {
        let top = self.y_pt;
        let mut bottom = top;
        for (place, text) in places(&table.columns).zip(&row.cells) {
            self.y_pt = top;
            for line in self.setter.wrap(text, BODY, place.width_pt, LINES_MAX) {
                self.put(line, place.column.side, Ink::Full, place.start_pt, place.width_pt);
            }
            if let Some(note) = row.note.as_deref().filter(|_| place.is_first) {
                for line in self.setter.wrap(note, SMALL, place.width_pt, 2) {
                    self.put(line, Side::Start, Ink::Soft, place.start_pt, place.width_pt);
                }
            }
            bottom = bottom.max(self.y_pt);
        }
        self.y_pt = bottom + 3.0;
        self.bar(0.0, INNER_PT, 0.5, Ink::Hair);
        self.y_pt += 5.0;
        Ok(())
    }

    /// How high a row is, at most.
    fn height(&self, table: &Table, row: &TableRow) -> f32 {
        let lines = |text: &String, place: &Place<'_>| {
            let count = self.setter.wrap(text, BODY, place.width_pt, LINES_MAX).len();
            (0..count).map(|_| BODY.size_pt * LEADING).sum::<f32>()
        };
        let cells = places(&table.columns).zip(&row.cells).map(|(place, text)| lines(text, &place));
        let note = if row.note.is_some() { 2.0 * SMALL.size_pt * LEADING } else { 0.0 };
        cells.fold(0.0, f32::max) + note + 8.0
    }

    fn bar(&mut self, start_pt: f32, width_pt: f32, height_pt: f32, ink: Ink) {
        self.mark(Mark::Bar { start_pt, y_pt: self.y_pt, width_pt, height_pt, ink });
    }

    fn sums(&mut self, sums: &[Sum]) -> Result<(), PaperFault> {
        let width = INNER_PT * 0.55;
        let start = INNER_PT - width;
        for sum in sums {
            self.need(20.0)?;
            let style = if sum.weight == Weight::Bold { Style { size_pt: 12.0, ..STRONG } } else { BODY };
            if sum.weight == Weight::Bold {
                self.y_pt += 2.0;
                self.bar(start, width, 1.0, Ink::Full);
                self.y_pt += 5.0;
            }
            let value = self.setter.line(&sum.value, style);
            let left_pt = (width - value.width_pt - 8.0).max(0.0);
            let top = self.y_pt;
            self.put(value, Side::End, Ink::Full, start, width);
            let below = std::mem::replace(&mut self.y_pt, top);
            self.texts(&sum.label, style, Ink::Full, start, left_pt)?;
            self.y_pt = self.y_pt.max(below) + 2.0;
        }
        self.y_pt += 16.0;
        Ok(())
    }
}

/// A column with its place.
struct Place<'a> {
    column: &'a Column,
    start_pt: f32,
    width_pt: f32,
    is_first: bool,
}

/// The columns one behind the other, with some room between them: 6 points, but none behind the last.
fn places(columns: &[Column]) -> impl Iterator<Item = Place<'_>> {
    let mut next_pt = 0.0;
    let last = columns.len().saturating_sub(1);
    columns.iter().enumerate().map(move |(number, column)| {
        let start_pt = next_pt;
        let width_pt = INNER_PT * f32::from(column.width_milli) / 1_000.0;
        next_pt += width_pt;
        let gap_pt = if number == last { 0.0 } else { 6.0 };
        Place { column, start_pt, width_pt: (width_pt - gap_pt).max(6.0), is_first: number == 0 }
    })
}

impl Mark {
    fn draw(&self, surface: &mut Surface<'_>, language: PaperLanguage) -> Result<(), PaperFault> {
        let x_of = |start_pt: f32, width_pt: f32| match language {
            PaperLanguage::English => MARGIN_PT + start_pt,
            PaperLanguage::Arabic => WIDTH_PT - MARGIN_PT - start_pt - width_pt,
        };
        match self {
            Mark::Text { start_pt, y_pt, line, ink } => {
                surface.set_fill(Some(ink.fill()));
                let mut x_pt = x_of(*start_pt, line.width_pt);
                for run in &line.runs {
                    let at = Point::from_xy(x_pt, *y_pt);
                    surface.draw_glyphs(at, &run.glyphs, run.font.clone(), &run.text, line.size_pt, false);
                    x_pt += run.width_pt;
                }
            }
            Mark::Bar { start_pt, y_pt, width_pt, height_pt, ink } => {
                surface.set_fill(Some(ink.fill()));
                fill_rects(surface, [Rect::from_xywh(x_of(*start_pt, *width_pt), *y_pt, *width_pt, *height_pt)])?;
            }
            Mark::Code { start_pt, y_pt, modules } => {
                surface.set_fill(Some(Fill { paint: rgb::Color::black().into(), ..Fill::default() }));
                let side = u16::try_from(modules.side).unwrap_or(u16::MAX);
                let module_pt = CODE_PT / f32::from(side);
                let left_pt = x_of(*start_pt, CODE_PT);
                let all = (0..side).flat_map(|row| (0..side).map(move |column| Module { column, row }));
                let dark = all.filter(|one| modules.is_dark(usize::from(one.column), usize::from(one.row)));
                fill_rects(
                    surface,
                    dark.map(|one| {
                        let (x, y) = (f32::from(one.column) * module_pt, f32::from(one.row) * module_pt);
                        Rect::from_xywh(left_pt + x, y_pt + y, module_pt, module_pt)
                    }),
                )?;
            }
        }
        Ok(())
    }
}

/// Where a module of a code is.
#[derive(Clone, Copy)]
struct Module {
    column: u16,
    row: u16,
}

fn fill_rects(surface: &mut Surface<'_>, rects: impl IntoIterator<Item = Option<Rect>>) -> Result<(), PaperFault> {
    let mut path = PathBuilder::new();
    for rect in rects.into_iter().flatten() {
        path.push_rect(rect);
    }
    let path = path.finish().ok_or_else(|| PaperFault::Ours("an empty path".to_owned()))?;
    surface.draw_path(&path);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::PaperDay;

    fn paper(rows: usize, language: PaperLanguage) -> Paper {
        let column = |title: &str, width_milli, side| Column { title: title.to_owned(), width_milli, side };
        let columns = vec![column("Description", 700, Side::Start), column("Amount", 300, Side::End)];
        let row = |number: usize| TableRow {
            cells: vec![format!("كتاب number {number}"), "100.00".to_owned()],
            note: Some("5%".to_owned()),
        };
        Paper {
            title: "Invoice".to_owned(),
            author: "A shop".to_owned(),
            language,
            day: PaperDay { year: 2026, month: 11, day: 26 },
            blocks: vec![
                Block::Heading("Invoice".to_owned()),
                Block::Table(Table { columns, rows: (0..rows).map(row).collect() }),
                Block::Code { content: "https://pay.example/pay/abc".to_owned(), words: Vec::new() },
            ],
        }
    }

    #[test]
    fn a_paper_is_the_same_each_time_and_its_pages_have_a_limit() {
        for language in [PaperLanguage::English, PaperLanguage::Arabic] {
            let first = paper(3, language).pdf().unwrap();
            assert!(first.starts_with(b"%PDF-"));
            assert_eq!(first, paper(3, language).pdf().unwrap());
            assert!(first.len() < 200_000, "only what is used of the fonts is in it: {}", first.len());
        }
        assert!(paper(60, PaperLanguage::Arabic).pdf().is_ok(), "over several pages");
        assert!(matches!(paper(2_000, PaperLanguage::English).pdf(), Err(PaperFault::TooLong)));
    }
}
