//! QR codes, for screens, terminals and paper.

use qrcode::render::{svg, unicode};
use qrcode::{Color, EcLevel, QrCode};

/// Why a text is no QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct QrFault;

/// The dark modules of a code.
pub(crate) struct Modules {
    /// How many there are on each side.
    pub(crate) side: usize,
    dark: Vec<bool>,
}

impl Modules {
    /// The code of `text`. A seventh of it may be unreadable.
    pub(crate) fn of(text: &str) -> Result<Modules, QrFault> {
        let code = code(text)?;
        let dark = code.to_colors().into_iter().map(|colour| colour == Color::Dark).collect();
        Ok(Modules { side: code.width(), dark })
    }

    /// Whether the module in this column and row is dark.
    pub(crate) fn is_dark(&self, column: usize, row: usize) -> bool {
        column < self.side && self.dark.get(row * self.side + column).copied().unwrap_or(false)
    }
}

/// The code of `text` as an SVG picture with a white margin, black on white whatever stands around it.
///
/// # Errors
/// When the text is too long.
pub fn qr_svg(text: &str) -> Result<String, QrFault> {
    let picture = code(text)?.render::<svg::Color<'_>>().min_dimensions(240, 240).quiet_zone(true).build();
    // Inside a page there is no declaration of XML.
    Ok(picture.split_once("?>").map_or(picture.clone(), |(_, rest)| rest.to_owned()))
}

/// The code of `text` in half blocks, for a terminal with light letters on a dark ground; most readers take it the other way
/// round as well.
///
/// # Errors
/// When the text is too long.
pub fn qr_terminal(text: &str) -> Result<String, QrFault> {
    let light = unicode::Dense1x2::Light;
    Ok(code(text)?.render::<unicode::Dense1x2>().dark_color(unicode::Dense1x2::Dark).light_color(light).build())
}

fn code(text: &str) -> Result<QrCode, QrFault> {
    QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| QrFault)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_code_has_its_corners_and_a_text_that_is_too_long_is_told() {
        let modules = Modules::of("https://pay.example/pay/abc").unwrap();
        for (column, row) in [(0, 0), (modules.side - 1, 0), (0, modules.side - 1)] {
            assert!(modules.is_dark(column, row), "a finder pattern begins at {column}, {row}");
        }
        assert!(!modules.is_dark(modules.side, 0), "outside there is nothing");
        assert_eq!(Modules::of(&"x".repeat(3_000)).err(), Some(QrFault));
        assert!(qr_svg("abc").unwrap().trim_start().starts_with("<svg"), "nothing stands before it");
        assert!(qr_terminal("abc").unwrap().lines().count() > 10);
    }
}
