//! What a browser tells of itself for 3-D Secure (EMVCo 3DS 2.2, table A.1, "Browser ..."), as it comes by a form.

/// The names of the hidden fields. A browser without scripts leaves them as they are: empty, and "no" for scripts.
pub mod browser_field {
    /// `true` or `false`.
    pub const JAVA_ENABLED: &str = "browser_java_enabled";
    /// `true` when our script ran.
    pub const JAVASCRIPT_ENABLED: &str = "browser_javascript_enabled";
    /// A language tag (BCP 47).
    pub const LANGUAGE: &str = "browser_language";
    /// Bits of a pixel.
    pub const COLOR_DEPTH: &str = "browser_color_depth";
    /// Height of the screen in pixels.
    pub const SCREEN_HEIGHT: &str = "browser_screen_height";
    /// Width of the screen in pixels.
    pub const SCREEN_WIDTH: &str = "browser_screen_width";
    /// Minutes from local time to UTC: `-240` in Dubai.
    pub const TIME_ZONE: &str = "browser_tz";
    /// The room there is for a challenge, `01` to `05`.
    pub const WINDOW_SIZE: &str = "challenge_window_size";

    /// All of them.
    pub const ALL: [&str; 8] =
        [JAVA_ENABLED, JAVASCRIPT_ENABLED, LANGUAGE, COLOR_DEPTH, SCREEN_HEIGHT, SCREEN_WIDTH, TIME_ZONE, WINDOW_SIZE];
}

/// The most characters of a language tag that go on to an ACS (`browserLanguage`).
const LANGUAGE_CHARS_MAX: usize = 8;
/// The most pixels of a screen's side: six digits.
const SIDE_PX_MAX: u32 = 999_999;
/// The most minutes that a time zone lies from UTC.
const ZONE_MINUTES_MAX: i16 = 14 * 60;

/// What a browser told of itself. What it did not tell, or what cannot be, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrowserData {
    /// Whether our script ran; without it nothing else is known.
    pub scripts: Scripts,
    /// Whether it runs Java.
    pub java: Option<Java>,
    /// A language tag of at most 8 characters.
    pub language: Option<String>,
    /// Bits of a pixel: one of 1, 4, 8, 15, 16, 24, 32, 48, the next lower one of what was told.
    pub color_depth_bits: Option<u8>,
    /// Height of the screen, up to six digits.
    pub screen_height_px: Option<u32>,
    /// Width of the screen, up to six digits.
    pub screen_width_px: Option<u32>,
    /// Minutes from local time to UTC, negative east of Greenwich.
    pub time_zone_minutes: Option<i16>,
    /// The room there is for a challenge.
    pub window_size: Option<WindowSize>,
}

/// Whether a browser runs scripts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scripts {
    /// Ours did not run.
    #[default]
    Off,
    /// Ours ran.
    On,
}

/// Whether a browser runs Java.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Java {
    /// It does not.
    Off,
    /// It does.
    On,
}

/// The size of a challenge's window (EMVCo 3DS 2.2, `challengeWindowSize`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSize {
    /// `01`: 250 x 400 pixels.
    W250H400,
    /// `02`: 390 x 400 pixels.
    W390H400,
    /// `03`: 500 x 600 pixels.
    W500H600,
    /// `04`: 600 x 400 pixels.
    W600H400,
    /// `05`: all there is.
    FullScreen,
}

impl WindowSize {
    /// All of them.
    pub const ALL: [WindowSize; 5] = [
        WindowSize::W250H400,
        WindowSize::W390H400,
        WindowSize::W500H600,
        WindowSize::W600H400,
        WindowSize::FullScreen,
    ];

    /// The two digits on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            WindowSize::W250H400 => "01",
            WindowSize::W390H400 => "02",
            WindowSize::W500H600 => "03",
            WindowSize::W600H400 => "04",
            WindowSize::FullScreen => "05",
        }
    }

    /// Reads the two digits.
    #[must_use]
    pub fn parse(code: &str) -> Option<WindowSize> {
        WindowSize::ALL.into_iter().find(|size| size.code() == code)
    }
}

impl BrowserData {
    /// Reads the hidden fields: `value` gives what a form says under a name. All of it comes from a stranger, so nothing
    /// is taken but what can be.
    #[must_use]
    pub fn of_form<'a>(value: impl Fn(&str) -> Option<&'a str>) -> BrowserData {
        let given = |name| value(name).unwrap_or_default();
        if given(browser_field::JAVASCRIPT_ENABLED) != "true" {
            return BrowserData::default();
        }
        let side = |name| given(name).parse().ok().filter(|side| (1..=SIDE_PX_MAX).contains(side));
        let zone = given(browser_field::TIME_ZONE).parse().ok();
        BrowserData {
            scripts: Scripts::On,
            java: match given(browser_field::JAVA_ENABLED) {
                "true" => Some(Java::On),
                "false" => Some(Java::Off),
                _ => None,
            },
            language: language_tag(given(browser_field::LANGUAGE)),
            color_depth_bits: given(browser_field::COLOR_DEPTH).parse().ok().and_then(known_depth),
            screen_height_px: side(browser_field::SCREEN_HEIGHT),
            screen_width_px: side(browser_field::SCREEN_WIDTH),
            time_zone_minutes: zone.filter(|zone| (-ZONE_MINUTES_MAX..=ZONE_MINUTES_MAX).contains(zone)),
            window_size: WindowSize::parse(given(browser_field::WINDOW_SIZE)),
        }
    }
}

/// A tag that is too long is cut at a hyphen: `zh-Hant-TW` becomes `zh-Hant`.
fn language_tag(tag: &str) -> Option<String> {
    let is_tag = !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let mut cut = tag;
    while is_tag && cut.len() > LANGUAGE_CHARS_MAX {
        cut = cut.rsplit_once('-').map_or("", |(head, _)| head);
    }
    (is_tag && !cut.is_empty()).then(|| cut.to_owned())
}

/// Phones tell 30 and the like, which the protocol does not know.
fn known_depth(bits: u8) -> Option<u8> {
    [48, 32, 24, 16, 15, 8, 4, 1].into_iter().find(|known| *known <= bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&str, &'static str)]) -> BrowserData {
        BrowserData::of_form(|name| fields.iter().find(|(given, _)| *given == name).map(|(_, value)| *value))
    }

    #[test]
    fn what_a_browser_tells_is_read() {
        let data = of(&[
            ("browser_java_enabled", "false"),
            ("browser_javascript_enabled", "true"),
            ("browser_language", "ar-AE"),
            ("browser_color_depth", "30"),
            ("browser_screen_height", "844"),
            ("browser_screen_width", "390"),
            ("browser_tz", "-240"),
            ("challenge_window_size", "02"),
        ]);
        let told = BrowserData {
            scripts: Scripts::On,
            java: Some(Java::Off),
            language: Some("ar-AE".into()),
            color_depth_bits: Some(24),
            screen_height_px: Some(844),
            screen_width_px: Some(390),
            time_zone_minutes: Some(-240),
            window_size: Some(WindowSize::W390H400),
        };
        assert_eq!(data, told);
    }

    #[test]
    fn what_cannot_be_is_not_taken() {
        let data = of(&[
            ("browser_java_enabled", "yes"),
            ("browser_javascript_enabled", "true"),
            ("browser_language", "en\r\nX: y"),
            ("browser_color_depth", "0"),
            ("browser_screen_height", "-1"),
            ("browser_screen_width", "1000000"),
            ("browser_tz", "9000"),
            ("challenge_window_size", "06"),
        ]);
        assert_eq!(data, BrowserData { scripts: Scripts::On, ..BrowserData::default() });
        assert_eq!(of(&[("browser_language", "en")]), BrowserData::default(), "without scripts nothing is known");
        assert_eq!(language_tag("zh-Hant-TW").as_deref(), Some("zh-Hant"));
        assert_eq!(language_tag("extraordinarily"), None);
    }
}
