//! The pages of the shop. They are whole without their script, and load nothing from anywhere else.

mod front;
mod messages;
mod one_try;
mod words;

pub use front::{Front, front};
pub use one_try::{Seen, one_try};

use super::history::Outcome;
use super::passed::Passed;
use super::web::in_language;
use super::{PATH, plan};
use tollgate_fort::text::Language;
use tollgate_http::pages::escaped;
use words::Words;

/// What came back and belongs to no try that is known.
pub fn stray_return(language: Language, passed: &Passed) -> String {
    let words = Words::of(language);
    let mut out = head(words, words.stray_title, &in_language(PATH, other(language)));
    out.push_str(&format!("<h1>{}</h1>\n<p class=\"lead\">{}</p>\n", words.stray_title, words.stray));
    messages::push(&mut out, words, passed, messages::Shown::Open);
    out.push_str(&back(words, language));
    foot(out, words)
}

/// A page in a frame, on its way out of it.
pub fn leave_frame(language: Language, path: &str) -> String {
    let words = Words::of(language);
    let mut out = head(words, words.leave_title, path);
    out.push_str(&format!(
        "<div class=\"alone\"><h1>{}</h1>\n<p><a class=\"button wide\" data-leave target=\"_top\" href=\"{}\">{}</a></p></div>\n",
        words.leave_title,
        escaped(path),
        words.leave_go
    ));
    foot(out, words)
}

/// There is no such page, or it is another browser's.
pub fn not_found(language: Language) -> String {
    let words = Words::of(language);
    let mut out = head(words, words.not_found, &in_language(PATH, other(language)));
    out.push_str(&format!("<h1>{}</h1>\n<p class=\"lead\">{}</p>\n", words.not_found, words.not_found_hint));
    out.push_str(&back(words, language));
    foot(out, words)
}

/// The other one.
const fn other(language: Language) -> Language {
    match language {
        Language::English => Language::Arabic,
        Language::Arabic => Language::English,
    }
}

fn back(words: &Words, language: Language) -> String {
    format!("<p><a class=\"button\" href=\"{}\">{}</a></p>\n", in_language(PATH, language), words.back)
}

/// The beginning of a page; `other_path` is the same page in the other language.
fn head(words: &Words, title: &str, other_path: &str) -> String {
    let (language, other) = match words.language {
        "ar" => (Language::Arabic, Language::English),
        _ => (Language::English, Language::Arabic),
    };
    format!(
        "<!doctype html>\n<html lang=\"{code}\" dir=\"{direction}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · Tollgate</title>\n\
         <link rel=\"stylesheet\" href=\"{PATH}/shop.css\">\n<script src=\"{PATH}/shop.js\" defer></script>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">{skip}</a>\n<header class=\"top\"><a class=\"brand\" href=\"{home}\">{LOGO}\
         Tollgate <span>{shop}</span></a><a class=\"language\" lang=\"{other_code}\" href=\"{other_path}\">{other_name}</a>\
         </header>\n<main id=\"content\">\n",
        code = words.language,
        direction = words.direction,
        title = escaped(title),
        skip = words.skip,
        home = in_language(PATH, language),
        shop = words.shop,
        other_code = plan::code_of(other),
        other_path = escaped(other_path),
        other_name = words.other_language,
    )
}

fn foot(mut out: String, words: &Words) -> String {
    out.push_str(&format!("</main>\n<footer class=\"foot\">{}</footer>\n</body>\n</html>\n", words.foot));
    out
}

/// A gate with its beam up.
const LOGO: &str = "<svg width=\"28\" height=\"28\" viewBox=\"0 0 28 28\" fill=\"none\" stroke=\"currentColor\" \
    stroke-width=\"2.5\" stroke-linecap=\"round\" aria-hidden=\"true\"><path d=\"M6 24V11M3 24h6M6 14 23 5\"/>\
    <circle cx=\"6\" cy=\"9\" r=\"2.5\"/></svg>";

/// How an outcome is coloured.
fn tone(outcome: Option<&Outcome>) -> &'static str {
    match outcome.map(Outcome::status) {
        Some("02" | "04" | "06" | "08" | "14" | "18" | "52") => "good",
        Some("15" | "20") => "wait",
        Some(_) => "bad",
        None => "",
    }
}
