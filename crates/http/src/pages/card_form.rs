//! The card form.

use super::brands::{brand_label, brand_mark};
use super::headers::{Forms, Powers, Scripts, page};
use super::html::Html;
use super::layout::{self, Head, Shape};
use super::typed::{Fault, resembles_card_number};
use super::view::{CardAsked, CardPage, CardPurpose, CodeAsked, SaveOffer, TypedBefore};
use super::words::Words;
use super::{browser_field, field};
use crate::answer::Response;
use http::StatusCode;
use tollgate_core::bin::Brand;

/// Milliseconds in a minute.
const MINUTE_MS: u64 = 60_000;
/// More time than this, in milliseconds, is not told: no page counts further than 99 minutes.
const TIME_TOLD_MS_MAX: u64 = 99 * MINUTE_MS;

/// The card form: with the order where there is one, else bare, for an iframe of the merchant's.
#[must_use]
pub fn card_page(view: &CardPage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let heading = match view.purpose {
        CardPurpose::Pay => words.card_title,
        CardPurpose::Tokenize => words.tokenize_title,
    };
    let title = if view.faults.is_empty() { heading.to_owned() } else { format!("{}: {heading}", words.errors_title) };
    let shape = if view.summary.is_some() { Shape::Whole } else { Shape::Bare };
    let mut out = Html::new();
    layout::begin(&mut out, &view.setting, &Head { title: &title, heading, refresh: None, shape });
    if let Some(summary) = &view.summary {
        layout::summary(&mut out, &view.setting, summary);
    }
    told(&mut out, view);
    form(&mut out, view, words);
    cancel(&mut out, words, view.cancel_url);
    out.raw("<p class=\"label foot\">").raw(LOCK).text(words.private).raw("</p>\n");
    out.raw("<p id=\"say\" class=\"unseen\" role=\"status\"></p>\n");
    layout::script(&mut out, &view.setting);
    layout::end(&mut out);
    let powers = Powers { forms: Forms::Gateway(view.redirect_origin), frame: None, scripts: Scripts::Ours };
    page(&view.setting, StatusCode::OK, out.finish(), &powers)
}

/// Writes the button that cancels, as a form of its own.
pub(super) fn cancel(out: &mut Html, words: &Words, cancel_url: Option<&str>) {
    let Some(url) = cancel_url else { return };
    out.raw("<form method=\"post\" class=\"cancel\"").attribute("action", url);
    out.raw("><button class=\"quiet\" type=\"submit\">").text(words.cancel).raw("</button></form>\n");
}

/// Writes the hidden fields of the browser's data, for the script to fill.
pub(super) fn browser_fields(out: &mut Html) {
    for name in browser_field::ALL {
        let value = if name == browser_field::JAVASCRIPT_ENABLED { "false" } else { "" };
        out.hidden(name, value);
    }
}

const LOCK: &str = "<svg class=\"lock\" viewBox=\"0 0 16 16\" width=\"16\" height=\"16\" aria-hidden=\"true\" \
                    focusable=\"false\"><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.6\" \
                    d=\"M5 7V5a3 3 0 0 1 6 0v2M3 7h10v7H3z\"/></svg>";

/// What became of the last try, and what is wrong with the fields.
fn told(out: &mut Html, view: &CardPage<'_>) {
    let words = Words::of(view.setting.language);
    let attempts = view.attempts_left.map(|count| words.attempts_left(count));
    if let Some(notice) = view.notice {
        out.raw("<div class=\"told bad\" role=\"alert\" tabindex=\"-1\" id=\"notice\"");
        out.raw(if view.faults.is_empty() { " autofocus>" } else { ">" });
        out.raw("<p>").text(words.notice(notice)).raw("</p>");
        if let Some(attempts) = &attempts {
            out.raw("<p>").text(attempts).raw("</p>");
        }
        out.raw("</div>\n");
    }
    // Always there, so that the script can fill it; empty it is not shown.
    out.raw("<div class=\"told bad\" role=\"alert\" tabindex=\"-1\" id=\"errors\" aria-labelledby=\"errors-title\"");
    out.raw(if view.faults.is_empty() { " hidden>" } else { " autofocus>" });
    out.raw("<h2 id=\"errors-title\">").text(words.errors_title).raw("</h2><ul>");
    for fault in view.faults {
        out.raw("<li><a href=\"#").text(fault.field()).raw("\">").text(words.fault(*fault)).raw("</a></li>");
    }
    out.raw("</ul></div>\n");
    if let (None, Some(attempts)) = (view.notice, &attempts) {
        out.raw("<p class=\"label\">").text(attempts).raw("</p>\n");
    }
}

fn form(out: &mut Html, view: &CardPage<'_>, words: &Words) {
    out.raw("<form id=\"card\" method=\"post\" accept-charset=\"utf-8\"").attribute("action", view.action_url);
    out.attribute("data-sending", words.sending).attribute("data-faults", &faults_json(words));
    out.attribute("data-brands", &view.brands.iter().map(|brand| brand.name()).collect::<Vec<_>>().join(" "));
    out.attribute("data-now-ms", &(view.now.0 / 1000).to_string());
    out.attribute("data-code-hint", words.code_hint).attribute("data-code-hint-amex", words.code_hint_amex);
    out.raw(">\n");
    match &view.card {
        CardAsked::Whole { typed, save } => whole(out, view, words, typed, *save),
        CardAsked::Kept { mask, expiry, brand, code } => {
            kept(out, words, mask, expiry, *brand);
            if *code == CodeAsked::Asked {
                code_field(out, view, words, *brand);
            }
        }
    }
    browser_fields(out);
    time_left(out, view, words);
    out.raw("<button class=\"go\" type=\"submit\"><span>");
    match (view.purpose, &view.summary) {
        (CardPurpose::Pay, Some(summary)) => {
            out.text(words.pay).raw(" ");
            layout::money(out, &view.setting, summary.amount);
        }
        (CardPurpose::Pay, None) => {
            out.text(words.pay);
        }
        (CardPurpose::Tokenize, _) => {
            out.text(words.hand_over);
        }
    }
    out.raw("</span></button>\n</form>\n");
}

fn whole(out: &mut Html, view: &CardPage<'_>, words: &Words, typed: &TypedBefore<'_>, save: SaveOffer) {
    let number = Input {
        name: field::CARD_NUMBER,
        label: words.number,
        hint: None,
        value: "",
        keys: Keys::Digits,
        autocomplete: "cc-number",
        chars_max: "40",
        placeholder: Some("0000 0000 0000 0000"),
    };
    input(out, view, words, &number, Some(view.brands));
    out.raw("<div class=\"pair\">\n");
    let expiry = Input {
        name: field::EXPIRY_DATE,
        label: words.expiry,
        hint: Some(words.expiry_hint),
        value: if resembles_card_number(typed.expiry) { "" } else { typed.expiry },
        keys: Keys::Digits,
        autocomplete: "cc-exp",
        chars_max: "20",
        placeholder: None,
    };
    input(out, view, words, &expiry, None);
    code_field(out, view, words, None);
    out.raw("</div>\n");
    let holder = Input {
        name: field::HOLDER_NAME,
        label: words.holder,
        hint: None,
        value: if resembles_card_number(typed.holder) { "" } else { typed.holder },
        keys: Keys::Letters,
        autocomplete: "cc-name",
        chars_max: "60",
        placeholder: None,
    };
    input(out, view, words, &holder, None);
    if save != SaveOffer::NotOffered {
        out.raw("<div class=\"tick\"><input type=\"checkbox\" value=\"YES\" aria-describedby=\"remember-hint\"");
        out.attribute("id", field::REMEMBER_ME).attribute("name", field::REMEMBER_ME);
        out.raw(if save == SaveOffer::Ticked { " checked>" } else { ">" });
        out.raw("<div><label").attribute("for", field::REMEMBER_ME).raw(">").text(words.save);
        out.raw("</label><p class=\"label\" id=\"remember-hint\">").text(words.save_hint).raw("</p></div></div>\n");
    }
}

fn kept(out: &mut Html, words: &Words, mask: &str, expiry: &str, brand: Option<Brand>) {
    out.raw("<div class=\"kept\" role=\"group\"").attribute("aria-label", words.your_card).raw(">");
    if let Some(brand) = brand {
        out.raw(brand_mark(brand)).raw("<span class=\"unseen\">").text(brand_label(brand)).raw("</span>");
    }
    out.raw("<div><bdi dir=\"ltr\" class=\"code\">").text(&spaced(mask)).raw("</bdi><p class=\"label\">");
    out.text(words.valid_until).raw(" <bdi dir=\"ltr\">").text(&month_and_year(expiry)).raw("</bdi></p></div></div>\n");
}

fn code_field(out: &mut Html, view: &CardPage<'_>, words: &Words, brand: Option<Brand>) {
    let hint = if brand == Some(Brand::Amex) { words.code_hint_amex } else { words.code_hint };
    let code = Input {
        name: field::SECURITY_CODE,
        label: words.code,
        hint: Some(hint),
        value: "",
        keys: Keys::Digits,
        autocomplete: "cc-csc",
        chars_max: "20",
        placeholder: None,
    };
    input(out, view, words, &code, None);
}

/// One field with its label, hint and fault.
struct Input<'a> {
    name: &'static str,
    label: &'static str,
    hint: Option<&'static str>,
    value: &'a str,
    keys: Keys,
    autocomplete: &'static str,
    /// More than any right value has: a shorter limit would cut what is pasted with blanks.
    chars_max: &'static str,
    placeholder: Option<&'static str>,
}

/// What is typed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Digits, from left to right, whatever the page's language.
    Digits,
    /// A name, in whatever direction it has.
    Letters,
}

fn input(out: &mut Html, view: &CardPage<'_>, words: &Words, input: &Input<'_>, brands: Option<&[Brand]>) {
    let fault = view.faults.iter().find(|fault| fault.field() == input.name);
    out.raw("<div class=\"field\"><label").attribute("for", input.name).raw(">").text(input.label);
    if input.keys == Keys::Letters {
        out.raw(" <span class=\"label\">").text(words.optional).raw("</span>");
    }
    out.raw("</label>");
    if let Some(hint) = input.hint {
        out.raw("<p class=\"label\" id=\"").text(input.name).raw("-hint\">").text(hint).raw("</p>");
    }
    out.raw("<div class=\"box\"><input").attribute("id", input.name).attribute("name", input.name);
    out.attribute("autocomplete", input.autocomplete).attribute("maxlength", input.chars_max);
    out.attribute("value", input.value).attribute_if("placeholder", input.placeholder);
    out.raw(match input.keys {
        Keys::Digits => " type=\"text\" inputmode=\"numeric\" dir=\"ltr\" spellcheck=\"false\" required",
        Keys::Letters => " type=\"text\" dir=\"auto\" spellcheck=\"false\" autocapitalize=\"words\"",
    });
    let error_id = format!("{}-error", input.name);
    let hint_id = format!("{}-hint", input.name);
    let described = if input.hint.is_some() { format!("{hint_id} {error_id}") } else { error_id.clone() };
    out.attribute("aria-describedby", &described);
    out.raw(if fault.is_some() { " aria-invalid=\"true\">" } else { ">" });
    if let Some(brands) = brands {
        brand_list(out, words, brands);
    }
    out.raw("</div><p class=\"error\"").attribute("id", &error_id);
    match fault {
        Some(fault) => out.raw(">").text(words.fault(*fault)),
        None => out.raw(" hidden>"),
    };
    out.raw("</p></div>\n");
}

fn brand_list(out: &mut Html, words: &Words, brands: &[Brand]) {
    out.raw("<ul class=\"brands\"").attribute("aria-label", words.brands).raw(">");
    for brand in brands {
        out.raw("<li").attribute("data-brand", brand.name()).raw(">").raw(brand_mark(*brand));
        out.raw("<span class=\"unseen\">").text(brand_label(*brand)).raw("</span></li>");
    }
    out.raw("</ul>");
}

/// The time that is left: in whole minutes without a script, by the customer's own clock with one.
fn time_left(out: &mut Html, view: &CardPage<'_>, words: &Words) {
    let left_ms = view.ends_at.since_ms(view.now);
    if left_ms > TIME_TOLD_MS_MAX {
        // A payment link lives for days: nobody has to hurry.
        return;
    }
    let minutes = u32::try_from(left_ms.div_ceil(MINUTE_MS)).unwrap_or(u32::MAX).max(1);
    out.raw("<p class=\"label\" id=\"time\"").attribute("data-left-ms", &left_ms.to_string());
    out.attribute("data-ends-at", words.ends_at).attribute("data-ends-soon", words.ends_soon);
    out.attribute("data-page", view.page_url).raw(">").text(&words.minutes_left(minutes)).raw("</p>\n");
}

/// What the script says of a field, by the name of the fault.
fn faults_json(words: &Words) -> String {
    let told: serde_json::Map<String, serde_json::Value> = [
        ("NumberMissing", Fault::NumberMissing),
        ("NumberNotDigits", Fault::NumberNotDigits),
        ("NumberMistyped", Fault::NumberMistyped),
        ("ExpiryMissing", Fault::ExpiryMissing),
        ("ExpiryUnreadable", Fault::ExpiryUnreadable),
        ("ExpiryTurned", Fault::ExpiryTurned),
        ("ExpiryPast", Fault::ExpiryPast),
        ("CodeMissing", Fault::CodeMissing),
        ("CodeWrongLength", Fault::CodeWrongLength),
    ]
    .into_iter()
    .map(|(name, fault)| (name.to_owned(), words.fault(fault).into()))
    .collect();
    serde_json::Value::Object(told).to_string()
}

/// A mask in groups of four, with dots for stars: `4005 55•• •••• 0001`.
fn spaced(mask: &str) -> String {
    let mut out = String::with_capacity(mask.len() * 3);
    for (place, character) in mask.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            out.push('\u{a0}');
        }
        out.push(if character == '*' { '•' } else { character });
    }
    out
}

/// YYMM as people write it.
fn month_and_year(expiry: &str) -> String {
    match (expiry.get(2..4), expiry.get(..2)) {
        (Some(month), Some(year)) => format!("{month}/{year}"),
        _ => expiry.to_owned(),
    }
}
