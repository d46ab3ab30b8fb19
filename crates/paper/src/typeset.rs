//! From a text to glyphs in the order in which they are drawn.
//!
//! The order comes from the bidirectional algorithm of Unicode (UAX 9), the shapes from the fonts' own tables. A text that
//! begins with Arabic is read from the right, any other from the left.

use crate::{PaperFault, TEXT_CHARS_MAX, Weight};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Face, UnicodeBuffer};
use std::ops::Range;
use unicode_bidi::BidiInfo;

static LATIN: [&[u8]; 2] =
    [include_bytes!("../fonts/NotoSans-Regular.ttf"), include_bytes!("../fonts/NotoSans-Bold.ttf")];
static ARABIC: [&[u8]; 2] =
    [include_bytes!("../fonts/NotoSansArabic-Regular.ttf"), include_bytes!("../fonts/NotoSansArabic-Bold.ttf")];

/// What stands for a character that no font has.
const UNKNOWN: char = '\u{fffd}';

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// The size of the letters, in points.
    pub(crate) size_pt: f32,
    /// How heavy they are.
    pub(crate) weight: Weight,
}

/// A line of glyphs.
pub(crate) struct Line {
    pub(crate) runs: Vec<Run>,
    /// How wide it is, in points.
    pub(crate) width_pt: f32,
    pub(crate) size_pt: f32,
}

/// Glyphs of one font.
pub(crate) struct Run {
    pub(crate) font: Font,
    pub(crate) glyphs: Vec<KrillaGlyph>,
    /// What they say, in the order of reading.
    pub(crate) text: String,
    pub(crate) width_pt: f32,
}

/// The fonts.
pub(crate) struct Typesetter {
    latin: [Loaded; 2],
    arabic: [Loaded; 2],
}

struct Loaded {
    font: Font,
    face: Face<'static>,
}

/// Which of the two fonts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Arabic,
}

impl Typesetter {
    /// Reads the fonts.
    pub(crate) fn new() -> Result<Typesetter, PaperFault> {
        let load = |data: &'static [u8]| {
            let font = Font::new(data.to_vec().into(), 0);
            let face = Face::from_slice(data, 0);
            font.zip(face).map(|(font, face)| Loaded { font, face })
        };
        let both = |[regular, bold]: [&'static [u8]; 2]| load(regular).zip(load(bold)).map(|(a, b)| [a, b]);
        let loaded = both(LATIN).zip(both(ARABIC));
        let (latin, arabic) = loaded.ok_or_else(|| PaperFault::Ours("a font cannot be read".to_owned()))?;
        Ok(Typesetter { latin, arabic })
    }

    /// Sets a text in one line.
    pub(crate) fn line(&self, text: &str, style: Style) -> Line {
        let text = self.known(text, style.weight);
        let mut line = Line { runs: Vec::new(), width_pt: 0.0, size_pt: style.size_pt };
        let order = BidiInfo::new(&text, None);
        for paragraph in &order.paragraphs {
            let (levels, stretches) = order.visual_runs(paragraph, paragraph.range.clone());
            for stretch in stretches {
                let is_rtl = levels.get(stretch.start).is_some_and(|level| level.is_rtl());
                let mut pieces = self.by_script(&text, stretch, style.weight);
                if is_rtl {
                    pieces.reverse();
                }
                for piece in pieces {
                    let direction = if is_rtl { Direction::RightToLeft } else { Direction::LeftToRight };
                    let run = self.run(text.get(piece.range).unwrap_or_default(), piece.script, style, direction);
                    line.width_pt += run.width_pt;
                    line.runs.push(run);
                }
            }
        }
        line
    }

    /// Breaks a text into lines of at most this width, at blanks where there are any. At most `lines_max`; what is left over
    /// then is cut off, and the last line says so.
    pub(crate) fn wrap(&self, text: &str, style: Style, width_max_pt: f32, lines_max: usize) -> Vec<Line> {
        let mut lines: Vec<String> = vec![String::new()];
        let fits = |text: &str| self.line(text, style).width_pt <= width_max_pt;
        for word in text.split_whitespace() {
            let longer = match lines.last().filter(|last| !last.is_empty()) {
                None => word.to_owned(),
                Some(last) => format!("{last} {word}"),
            };
            if fits(&longer) {
                replace_last(&mut lines, longer);
                continue;
            }
            if lines.last().is_some_and(|last| !last.is_empty()) {
                lines.push(String::new());
            }
            // A word that is wider than the line is broken wherever it has to be.
            for character in word.chars() {
                let longer = format!("{}{character}", lines.last().map_or("", String::as_str));
                if fits(&longer) {
                    replace_last(&mut lines, longer);
                } else {
                    lines.push(character.to_string());
                }
            }
        }
        if lines.len() > lines_max {
            lines.truncate(lines_max.max(1));
            if let Some(last) = lines.last_mut() {
                last.push('…');
            }
        }
        lines.iter().map(|line| self.line(line, style)).collect()
    }

    /// The text without what no font has, and not longer than a text may be.
    fn known(&self, text: &str, weight: Weight) -> String {
        let one = |character: char| match character {
            character if character.is_whitespace() => ' ',
            character if self.script_of(character, weight).is_some() => character,
            _ => UNKNOWN,
        };
        text.chars().take(TEXT_CHARS_MAX).map(one).collect()
    }

    /// The font that has a character.
    fn script_of(&self, character: char, weight: Weight) -> Option<Script> {
        let has = |script| self.loaded(script, weight).face.glyph_index(character).is_some();
        [Script::Latin, Script::Arabic].into_iter().find(|script| has(*script))
    }

    fn loaded(&self, script: Script, weight: Weight) -> &Loaded {
        let ([latin, latin_bold], [arabic, arabic_bold]) = (&self.latin, &self.arabic);
        match (script, weight) {
            (Script::Latin, Weight::Regular) => latin,
            (Script::Latin, Weight::Bold) => latin_bold,
            (Script::Arabic, Weight::Regular) => arabic,
            (Script::Arabic, Weight::Bold) => arabic_bold,
        }
    }

    /// Cuts a stretch where the font changes. A blank goes with what stands before it, so that it parts nothing.
    fn by_script(&self, text: &str, stretch: Range<usize>, weight: Weight) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let start = stretch.start;
        for (offset, character) in text.get(stretch).unwrap_or_default().char_indices() {
            let at = start + offset;
            let end = at + character.len_utf8();
            let before = pieces.last_mut();
            let script = match (&before, character) {
                (Some(before), ' ') => before.script,
                _ => self.script_of(character, weight).unwrap_or(Script::Latin),
            };
            match before {
                Some(before) if before.script == script => before.range.end = end,
                _ => pieces.push(Piece { range: at..end, script }),
            }
        }
        pieces
    }

    fn run(&self, text: &str, script: Script, style: Style, direction: Direction) -> Run {
        let Loaded { font, face } = self.loaded(script, style.weight);
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(direction);
        let shaped = rustybuzz::shape(face, &[], buffer);
        let per_em = font.units_per_em();
        #[allow(clippy::cast_precision_loss)]
        let ems = |units: i32| units as f32 / per_em;
        let ends = cluster_ends(shaped.glyph_infos().iter().map(|info| info.cluster), text.len());
        let glyphs: Vec<KrillaGlyph> = shaped
            .glyph_infos()
            .iter()
            .zip(shaped.glyph_positions())
            .map(|(info, place)| {
                let start = usize::try_from(info.cluster).unwrap_or(0).min(text.len());
                let end = ends.iter().copied().find(|end| *end > start).unwrap_or(text.len());
                KrillaGlyph::new(
                    GlyphId::new(info.glyph_id),
                    ems(place.x_advance),
                    ems(place.x_offset),
                    ems(place.y_offset),
                    ems(place.y_advance),
                    start..end,
                    None,
                )
            })
            .collect();
        let advance: i32 = shaped.glyph_positions().iter().map(|place| place.x_advance).sum();
        Run { font: font.clone(), glyphs, text: text.to_owned(), width_pt: ems(advance) * style.size_pt }
    }
}

/// A piece of a text that one font has.
struct Piece {
    range: Range<usize>,
    script: Script,
}

fn replace_last(lines: &mut [String], line: String) {
    if let Some(last) = lines.last_mut() {
        *last = line;
    }
}

/// Where clusters end, in ascending order: where the next one begins, and at the end of the text.
fn cluster_ends(starts: impl Iterator<Item = u32>, text_len: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = starts.filter_map(|start| usize::try_from(start).ok()).collect();
    ends.push(text_len);
    ends.sort_unstable();
    ends.dedup();
    ends
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const STYLE: Style = Style { size_pt: 10.0, weight: Weight::Regular };

    fn said(line: &Line) -> Vec<&str> {
        line.runs.iter().map(|run| run.text.as_str()).collect()
    }

    #[test]
    fn both_directions_are_put_in_the_order_of_reading() {
        let setter = Typesetter::new().unwrap();
        assert_eq!(said(&setter.line("Invoice INV-7", STYLE)), ["Invoice INV-7"]);
        // Drawn from the left: what is read last in Arabic comes first.
        assert_eq!(said(&setter.line("فاتورة INV-7", STYLE)), ["INV-7", "فاتورة "]);
        assert_eq!(
            said(&setter.line("100.00\u{a0}د.إ", STYLE)).last(),
            Some(&"100.00"),
            "the number stands at the right"
        );
    }

    #[test]
    fn arabic_letters_are_joined() {
        let setter = Typesetter::new().unwrap();
        let glyphs = |text: &str| -> Vec<u32> {
            let line = setter.line(text, STYLE);
            line.runs.iter().flat_map(|run| run.glyphs.iter()).map(|glyph| glyph.glyph_id.to_u32()).collect()
        };
        let (alone, joined) = (glyphs("ب"), glyphs("ببب"));
        assert_eq!(joined.len(), 3);
        assert!(!joined.contains(&alone[0]), "none of the three has the shape of a letter that stands alone");
        assert_eq!(glyphs("لا").len(), 1, "lam and alef are one");
    }

    #[test]
    fn what_no_font_has_is_shown_as_unknown() {
        let setter = Typesetter::new().unwrap();
        assert_eq!(said(&setter.line("a漢b", STYLE)), ["a\u{fffd}b"]);
        assert_eq!(said(&setter.line("a\nb\tc", STYLE)), ["a b c"]);
    }

    #[test]
    fn a_long_text_is_broken_and_nothing_of_it_is_wider_than_the_line() {
        let setter = Typesetter::new().unwrap();
        for text in
            ["one two three four five six seven eight", &"x".repeat(200), "كتاب عن تاريخ المدن القديمة في الشرق"]
        {
            let lines = setter.wrap(text, STYLE, 60.0, 100);
            assert!(lines.len() > 1, "{text}");
            assert!(lines.iter().all(|line| line.width_pt <= 60.0), "{text}");
        }
        let cut = setter.wrap(&"word ".repeat(100), STYLE, 60.0, 2);
        assert_eq!(cut.len(), 2);
        assert!(cut[1].runs.last().unwrap().text.ends_with('…'));
    }

    proptest! {
        #[test]
        fn any_text_is_set_and_each_glyph_says_a_part_of_it(text in "[a-c 0-9()\u{627}-\u{64a}\u{300}\u{4e2d}.%\u{202e}]{0,40}") {
            let setter = Typesetter::new().unwrap();
            let line = setter.line(&text, STYLE);
            for run in &line.runs {
                for glyph in &run.glyphs {
                    prop_assert!(run.text.get(glyph.text_range.clone()).is_some_and(|part| !part.is_empty()));
                }
            }
        }
    }
}
