//! A merchant's colour on our pages, such that text stays readable (WCAG 2.2, 1.4.3 and 1.4.11).

use tollgate_core::page_face::Colour;

/// The least contrast of text (WCAG 2.2, 1.4.3).
const CONTRAST_MIN: f64 = 4.5;
/// The gateway's own colour.
const OWN: Colour = Colour { red: 0x1d, green: 0x4f, blue: 0x91 };
/// What text and marks of the accent stand on, by day and by night, where it is hardest to read: the same as in
/// `pay.css`.
const GROUND: Colour = Colour { red: 0xf3, green: 0xf5, blue: 0xf8 };
const SURFACE_DARK: Colour = Colour { red: 0x18, green: 0x20, blue: 0x2a };
const BLACK: Colour = Colour { red: 0, green: 0, blue: 0 };
const WHITE: Colour = Colour { red: 0xff, green: 0xff, blue: 0xff };
/// In how many steps a colour goes to black or white.
const STEPS: u8 = 32;

/// A colour and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accent {
    /// The merchant's colour as it is: what buttons are filled with.
    pub(super) fill: Colour,
    /// Black or white, whichever is read better on `fill`.
    pub(super) ink: Colour,
    /// The colour, darkened until it is read on light pages: links, marks, rings of the focus, outlines of buttons.
    pub(super) mark: Colour,
    /// The same for dark pages, made lighter.
    pub(super) mark_dark: Colour,
}

impl Accent {
    /// What follows from a merchant's colour, or from the gateway's own.
    pub(super) fn of(colour: Option<Colour>) -> Accent {
        let fill = colour.unwrap_or(OWN);
        // One of the two always has 4.58 or more: the product of both contrasts is 21.
        let ink = if contrast(fill, WHITE) >= CONTRAST_MIN || contrast(fill, WHITE) >= contrast(fill, BLACK) {
            WHITE
        } else {
            BLACK
        };
        Accent {
            fill,
            ink,
            mark: until_readable(fill, BLACK, GROUND),
            mark_dark: until_readable(fill, WHITE, SURFACE_DARK),
        }
    }
}

/// `colour` on its way to `end`, as soon as it can be read on `ground`.
fn until_readable(colour: Colour, end: Colour, ground: Colour) -> Colour {
    (0..=STEPS).map(|step| mixed(colour, end, step)).find(|it| contrast(*it, ground) >= CONTRAST_MIN).unwrap_or(end)
}

fn mixed(from: Colour, to: Colour, step: u8) -> Colour {
    let part = |from: u8, to: u8| {
        let (from, to, step, steps) = (u32::from(from), u32::from(to), u32::from(step), u32::from(STEPS));
        u8::try_from((from * (steps - step) + to * step) / steps).unwrap_or(u8::MAX)
    };
    Colour { red: part(from.red, to.red), green: part(from.green, to.green), blue: part(from.blue, to.blue) }
}

/// The contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, "relative luminance".
fn luminance(colour: Colour) -> f64 {
    let part = |value: u8| {
        let share = f64::from(value) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(colour.red) + 0.7152 * part(colour.green) + 0.0722 * part(colour.blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert!((contrast(BLACK, WHITE) - 21.0).abs() < 0.001);
        let grey = Colour { red: 0x77, green: 0x77, blue: 0x77 };
        assert!((contrast(grey, WHITE) - 4.48).abs() < 0.01);
    }

    #[test]
    fn every_colour_becomes_readable() {
        let steps = || (0..=255u8).step_by(15);
        for red in steps() {
            for green in steps() {
                for blue in steps() {
                    let accent = Accent::of(Some(Colour { red, green, blue }));
                    assert!(contrast(accent.fill, accent.ink) >= CONTRAST_MIN, "{accent:?}");
                    assert!(contrast(accent.mark, GROUND) >= CONTRAST_MIN, "{accent:?}");
                    assert!(contrast(accent.mark_dark, SURFACE_DARK) >= CONTRAST_MIN, "{accent:?}");
                }
            }
        }
    }

    #[test]
    fn a_readable_colour_is_left_as_it_is() {
        let accent = Accent::of(None);
        assert_eq!((accent.fill, accent.ink, accent.mark), (OWN, WHITE, OWN));
    }

    #[test]
    fn the_grounds_are_those_of_the_style() {
        let style = include_str!("../../assets/pay.css");
        for ground in [format!("--ground:{GROUND}"), format!("--surface:{SURFACE_DARK}")] {
            assert!(style.contains(&ground), "{ground}");
        }
    }
}
