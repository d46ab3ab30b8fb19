//! The pages at the end: the way back to the merchant, and what the customer is told where there is none.

use super::assets;
use super::headers::{Forms, Powers, Scripts, page};
use super::html::Html;
use super::layout::{self, Head, Refresh, Shape};
use super::view::{OrderSummary, ReturnLinkPage, ReturnPage, Told, ToldPage};
use super::words::Words;
use crate::answer::Response;
use http::StatusCode;

/// A form that submits itself; where scripts are off, with a button and what it is for.
#[must_use]
pub fn return_page(view: &ReturnPage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let mut out = Html::new();
    let title = words.back_title;
    layout::begin(&mut out, &view.setting, &Head { title, heading: title, refresh: None, shape: Shape::Whole });
    out.raw("<form id=\"returnUrlForm\" method=\"post\" accept-charset=\"utf-8\"").attribute("action", view.target);
    out.raw(">\n");
    for (name, value) in view.fields.iter() {
        out.hidden(name, value);
    }
    let button = |out: &mut Html| {
        out.raw("<p>").text(words.press).raw("</p>\n<button class=\"go\" type=\"submit\">").text(words.go_on);
        out.raw("</button>");
    };
    // The one script that stands in a page: the browser shall not wait for another answer of ours before it goes.
    match view.setting.nonce {
        Some(nonce) => {
            out.raw("<noscript>");
            button(&mut out);
            out.raw("</noscript>\n</form>\n<script").attribute("nonce", nonce.as_str()).raw(">");
            out.raw(assets::RETURN_SCRIPT).raw("</script>\n");
        }
        None => {
            button(&mut out);
            out.raw("\n</form>\n");
        }
    }
    layout::end(&mut out);
    let powers = Powers { forms: Forms::Anywhere, frame: None, scripts: Scripts::Ours };
    page(&view.setting, StatusCode::OK, out.finish(), &powers)
}

/// A link that is followed at once, without a script.
#[must_use]
pub fn return_link_page(view: &ReturnLinkPage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let title = words.back_title;
    let refresh = Some(Refresh { pause_s: 0, url: view.target });
    let mut out = Html::new();
    layout::begin(&mut out, &view.setting, &Head { title, heading: title, refresh, shape: Shape::Whole });
    out.raw("<p><a class=\"go\"").attribute("href", view.target).raw("><span>").text(words.go_on);
    out.raw("</span></a></p>\n");
    layout::end(&mut out);
    page(&view.setting, StatusCode::OK, out.finish(), &Powers::TEXT)
}

/// A page that tells something.
#[must_use]
pub fn told_page(view: &ToldPage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let content = Content::of(&view.told, words);
    let mut out = Html::new();
    let head = Head { title: content.title, heading: content.title, refresh: None, shape: Shape::Whole };
    layout::begin(&mut out, &view.setting, &head);
    if let Some(summary) = content.summary {
        layout::summary(&mut out, &view.setting, summary);
    }
    out.raw("<p>").text(content.text).raw("</p>\n");
    if let Told::Refused(fields) = view.told {
        out.raw("<p>").text(words.tell_the_shop).raw("</p>\n<p class=\"told\">");
        out.text(fields.get("response_message").unwrap_or_default()).raw(" (");
        out.text(fields.get("response_code").unwrap_or_default()).raw(")</p>\n");
    }
    layout::end(&mut out);
    page(&view.setting, content.status, out.finish(), &Powers::TEXT)
}

struct Content<'a> {
    status: StatusCode,
    title: &'static str,
    text: &'static str,
    summary: Option<&'a OrderSummary<'a>>,
}

impl<'a> Content<'a> {
    fn of(told: &'a Told<'a>, words: &Words) -> Content<'a> {
        let (status, title, text, summary) = match told {
            Told::Refused(_) => (StatusCode::BAD_REQUEST, words.refused_title, words.nothing_charged, None),
            Told::SessionEnded => (StatusCode::NOT_FOUND, words.ended_title, words.ended, None),
            Told::TimeUp => (StatusCode::GONE, words.time_up_title, words.nothing_charged, None),
            Told::Cancelled => (StatusCode::OK, words.cancelled_title, words.cancelled, None),
            Told::Paid(order) => (StatusCode::OK, words.paid_title, words.paid, Some(order)),
            Told::NotPaid(order) => (StatusCode::OK, words.not_paid_title, words.nothing_charged, Some(order)),
            Told::Unknown(order) => (StatusCode::OK, words.unknown_title, words.unknown, Some(order)),
            Told::CardKept => (StatusCode::OK, words.kept_title, words.kept, None),
            Told::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, words.unavailable_title, words.unavailable, None),
        };
        Content { status, title, text, summary }
    }
}
