//! What stands around every page: head, banner, the merchant's face, and the foot.

use super::assets;
use super::colour::Accent;
use super::html::Html;
use super::money_text::{MoneyText, SignSide};
use super::view::{OrderSummary, PageSetting, World};
use super::words::Words;
use tollgate_core::money::Money;

/// Begins a page up to its heading.
pub(super) struct Head<'a> {
    /// The title of the window.
    pub(super) title: &'a str,
    /// The heading of the page.
    pub(super) heading: &'a str,
    /// Where the browser goes by itself, without a script.
    pub(super) refresh: Option<Refresh<'a>>,
    /// Whether the merchant's face stands above the heading, or the page is a bare frame of it.
    pub(super) shape: Shape,
}

/// Where the browser goes by itself.
pub(super) struct Refresh<'a> {
    /// After how many seconds.
    pub(super) pause_s: u32,
    /// Where to.
    pub(super) url: &'a str,
}

/// How much stands around a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A page of its own, with the merchant's face.
    Whole,
    /// A form inside the merchant's own page.
    Bare,
}

/// Writes head, banner, face and heading.
pub(super) fn begin(out: &mut Html, setting: &PageSetting<'_>, head: &Head<'_>) {
    let words = Words::of(setting.language);
    out.raw("<!doctype html>\n<html").attribute("lang", words.lang).attribute("dir", words.dir).raw(">\n<head>\n");
    out.raw("<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n");
    // Without one, browsers ask for a picture that is not there wherever pictures are let in.
    if let Some(logo) = &setting.face.logo {
        out.raw("<link rel=\"icon\"").attribute("href", &logo.path).raw(">\n");
    }
    if let Some(refresh) = &head.refresh {
        let content = format!("{};url={}", refresh.pause_s, refresh.url);
        out.raw("<meta http-equiv=\"refresh\"").attribute("content", &content).raw(">\n");
    }
    out.raw("<title>").text(head.title);
    if !setting.face.name.is_empty() {
        out.raw(" - ").text(&setting.face.name);
    }
    out.raw("</title>\n");
    style(out, setting);
    out.raw("</head>\n<body");
    out.raw(match head.shape {
        Shape::Whole => ">\n",
        Shape::Bare => " class=\"bare\">\n",
    });
    if setting.world == World::Sandbox {
        out.raw("<aside class=\"sandbox\">").text(words.sandbox).raw("</aside>\n");
    }
    if head.shape == Shape::Whole {
        face(out, setting);
    }
    out.raw("<main>\n");
    out.raw(match head.shape {
        Shape::Whole => "<h1>",
        Shape::Bare => "<h1 class=\"unseen\">",
    });
    out.text(head.heading).raw("</h1>\n");
    if head.shape == Shape::Bare {
        language_link(out, setting);
    }
}

/// Writes the end of a page.
pub(super) fn end(out: &mut Html) {
    out.raw("</main>\n</body>\n</html>\n");
}

/// Writes the element that loads the script, where there is a nonce for it.
pub(super) fn script(out: &mut Html, setting: &PageSetting<'_>) {
    let Some(nonce) = setting.nonce else { return };
    out.raw("<script").attribute("src", assets::script_path()).attribute("integrity", assets::script_integrity());
    out.raw(" crossorigin=\"anonymous\"").attribute("nonce", nonce.as_str()).raw(" defer></script>\n");
}

/// Writes what is paid.
pub(super) fn summary(out: &mut Html, setting: &PageSetting<'_>, summary: &OrderSummary<'_>) {
    let words = Words::of(setting.language);
    let name = MoneyText::of(summary.amount, setting.language).name;
    out.raw("<section class=\"order\"").attribute("aria-label", words.order).raw(">\n<p class=\"amount\">");
    out.raw("<span class=\"label\">").text(words.amount).raw("</span> ");
    money(out, setting, summary.amount);
    if let Some(name) = name {
        out.raw(" <span class=\"label\">").text(name).raw("</span>");
    }
    out.raw("</p>\n");
    if let Some(description) = summary.description.filter(|text| !text.trim().is_empty()) {
        out.raw("<p class=\"what\"><bdi>").text(description).raw("</bdi></p>\n");
    }
    if let Some(reference) = summary.reference {
        out.raw("<p class=\"label\">").text(words.reference).raw(" <bdi class=\"code\">").text(reference);
        out.raw("</bdi></p>\n");
    }
    out.raw("</section>\n");
}

/// Writes an amount: the number from left to right, the sign on its side of it.
pub(super) fn money(out: &mut Html, setting: &PageSetting<'_>, amount: Money) {
    let text = MoneyText::of(amount, setting.language);
    out.raw("<span class=\"money\">");
    match text.side {
        SignSide::Tight => out.raw("<bdi dir=\"ltr\">").text(text.sign).text(&text.number).raw("</bdi>"),
        SignSide::Before => {
            out.raw("<bdi dir=\"ltr\"><span class=\"sign\">").text(text.sign).raw("</span>&nbsp;");
            out.text(&text.number).raw("</bdi>")
        }
        SignSide::Behind => {
            out.raw("<bdi dir=\"ltr\">").text(&text.number).raw("</bdi>&nbsp;<bdi class=\"sign\">");
            out.text(text.sign).raw("</bdi>")
        }
    };
    out.raw("</span>");
}

fn style(out: &mut Html, setting: &PageSetting<'_>) {
    let Some(nonce) = setting.nonce else { return };
    let accent = Accent::of(setting.face.colour);
    let own = format!(
        ":root{{--fill:{};--ink-on-fill:{};--mark-day:{};--mark-night:{}}}",
        accent.fill, accent.ink, accent.mark, accent.mark_dark
    );
    out.raw("<style").attribute("nonce", nonce.as_str()).raw(">").text(&own).raw(assets::STYLE).raw("</style>\n");
}

fn face(out: &mut Html, setting: &PageSetting<'_>) {
    let (face, words) = (setting.face, Words::of(setting.language));
    out.raw("<header>\n<p class=\"shop\">");
    if let Some(logo) = &face.logo {
        let (width, height) = (logo.width_px.to_string(), logo.height_px.to_string());
        // The name stands beside the picture, so that the picture has nothing to add.
        out.raw("<img alt=\"\"").attribute("src", &logo.path);
        out.attribute("width", &width).attribute("height", &height).raw(">");
    }
    let name = if face.name.is_empty() { words.gateway } else { &face.name };
    out.raw("<bdi>").text(name).raw("</bdi></p>\n");
    language_link(out, setting);
    out.raw("</header>\n");
}

fn language_link(out: &mut Html, setting: &PageSetting<'_>) {
    let words = Words::of(setting.language);
    let Some(url) = setting.other_language_url else { return };
    out.raw("<a class=\"language\"").attribute("href", url).attribute("lang", words.other_lang);
    out.attribute("hreflang", words.other_lang).raw(">").text(words.other_language).raw("</a>\n");
}
