//! The pages between the card and the answer: waiting, the steps of 3-D Secure, and what tells the page around an iframe
//! to go on.

use super::browser::WindowSize;
use super::card_form::{browser_fields, cancel};
use super::headers::{Forms, Powers, Scripts, page};
use super::html::Html;
use super::layout::{self, Head, Refresh, Shape};
use super::view::{
    BrowserPage, ChallengePage, ChallengeShown, MethodPage, NotificationPage, PageSetting, StepOver, WaitPage,
};
use super::words::Words;
use crate::answer::Response;
use http::StatusCode;
use tollgate_core::page::WebOrigin;

/// "Please wait": the browser looks again by itself.
#[must_use]
pub fn wait_page(view: &WaitPage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let refresh = Some(Refresh { pause_s: view.pause_s.max(1), url: view.next_url });
    let mut out = begun(&view.setting, words.wait_title, refresh);
    if let Some(summary) = &view.summary {
        layout::summary(&mut out, &view.setting, summary);
    }
    busy(&mut out, words.wait);
    out.raw("<p><a class=\"again\"").attribute("href", view.next_url).raw(">").text(words.wait_again).raw("</a></p>\n");
    layout::end(&mut out);
    page(&view.setting, StatusCode::OK, out.finish(), &Powers::TEXT)
}

/// The 3DS method in a hidden iframe. The script posts to the ACS, waits for our notification page in the iframe or for
/// the time to be over, and goes on; without scripts there is no method, and a button goes on.
#[must_use]
pub fn method_page(view: &MethodPage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let acs = WebOrigin::of_url(view.method_url);
    let mut out = begun(&view.setting, words.check_title, None);
    busy(&mut out, words.check);
    out.raw("<iframe name=\"three-ds-method\" class=\"unseen\" tabindex=\"-1\" aria-hidden=\"true\"");
    out.attribute("title", words.check_title).raw("></iframe>\n");
    out.raw("<form id=\"method\" method=\"post\" target=\"three-ds-method\"").attribute("action", view.method_url);
    out.attribute("data-wait-ms", &view.wait_ms.to_string()).raw(">\n");
    out.hidden("threeDSMethodData", view.method_data).raw("</form>\n");
    go_on_form(&mut out, words, view.go_on_url);
    layout::script(&mut out, &view.setting);
    layout::end(&mut out);
    let powers = Powers { forms: Forms::Acs(acs.as_ref()), frame: acs.as_ref(), scripts: Scripts::Ours };
    page(&view.setting, StatusCode::OK, out.finish(), &powers)
}

/// The browser's data alone: a form that the script fills and posts at once, or the customer with a button.
#[must_use]
pub fn browser_page(view: &BrowserPage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let mut out = begun(&view.setting, words.check_title, None);
    busy(&mut out, words.check);
    go_on_form(&mut out, words, view.go_on_url);
    layout::script(&mut out, &view.setting);
    layout::end(&mut out);
    let powers = Powers { forms: Forms::Gateway(None), frame: None, scripts: Scripts::Ours };
    page(&view.setting, StatusCode::OK, out.finish(), &powers)
}

/// The challenge: a form to the ACS. The script shows it in an iframe, or posts it as the whole page; without scripts the
/// customer presses the button.
#[must_use]
pub fn challenge_page(view: &ChallengePage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let acs = WebOrigin::of_url(view.acs_url);
    let mut out = begun(&view.setting, words.challenge_title, None);
    out.raw("<p id=\"challenge-told\">").text(words.challenge).raw("</p>\n");
    out.raw("<form id=\"challenge\" method=\"post\"").attribute("action", view.acs_url);
    out.attribute("data-go-on", view.go_on_url);
    out.raw(match view.shown {
        ChallengeShown::Frame(_) => " data-shown=\"frame\">\n",
        ChallengeShown::FullPage => " data-shown=\"page\">\n",
    });
    out.hidden("creq", view.creq);
    if let Some(data) = view.session_data {
        out.hidden("threeDSSessionData", data);
    }
    out.raw("<button class=\"go\" type=\"submit\"><span>")
        .text(words.challenge_button)
        .raw("</span></button>\n</form>\n");
    if let ChallengeShown::Frame(size) = view.shown {
        out.raw("<iframe name=\"three-ds-challenge\" id=\"challenge-frame\" hidden");
        out.attribute("title", words.challenge_hint);
        let allow = "payment; publickey-credentials-get";
        out.attribute("allow", allow).raw(window_class(size)).raw("></iframe>\n");
    }
    cancel(&mut out, words, view.cancel_url);
    layout::script(&mut out, &view.setting);
    layout::end(&mut out);
    let frame = matches!(view.shown, ChallengeShown::Frame(_)).then_some(acs.as_ref()).flatten();
    let powers = Powers { forms: Forms::Acs(acs.as_ref()), frame, scripts: Scripts::Ours };
    page(&view.setting, StatusCode::OK, out.finish(), &powers)
}

/// What the ACS posts back to. Inside the iframe it tells the page around it; as the whole page it goes on itself.
#[must_use]
pub fn notification_page(view: &NotificationPage<'_>) -> Response {
    let words = Words::of(view.setting.language);
    let mut out = begun_bare(&view.setting, words.check_title);
    busy(&mut out, words.check);
    out.raw("<p><a class=\"go\" id=\"go-on\" target=\"_parent\"").attribute("href", view.go_on_url);
    out.raw(match view.over {
        StepOver::Method => " data-over=\"method\">",
        StepOver::Challenge => " data-over=\"challenge\">",
    });
    out.raw("<span>").text(words.go_on).raw("</span></a></p>\n");
    layout::script(&mut out, &view.setting);
    layout::end(&mut out);
    let powers = Powers { forms: Forms::None, frame: None, scripts: Scripts::Ours };
    page(&view.setting, StatusCode::OK, out.finish(), &powers)
}

fn begun(setting: &PageSetting<'_>, title: &str, refresh: Option<Refresh<'_>>) -> Html {
    let mut out = Html::new();
    layout::begin(&mut out, setting, &Head { title, heading: title, refresh, shape: Shape::Whole });
    out
}

fn begun_bare(setting: &PageSetting<'_>, title: &str) -> Html {
    let mut out = Html::new();
    layout::begin(&mut out, setting, &Head { title, heading: title, refresh: None, shape: Shape::Bare });
    out
}

fn busy(out: &mut Html, text: &str) {
    out.raw("<p class=\"busy\" role=\"status\"><span class=\"ring\" aria-hidden=\"true\"></span><span>");
    out.text(text).raw("</span></p>\n");
}

/// The form that hands the browser's data over and goes on.
fn go_on_form(out: &mut Html, words: &Words, url: &str) {
    out.raw("<form id=\"go-on\" method=\"post\"").attribute("action", url).raw(">\n");
    browser_fields(out);
    out.raw("<button class=\"go\" type=\"submit\"><span>").text(words.go_on).raw("</span></button>\n</form>\n");
}

const fn window_class(size: WindowSize) -> &'static str {
    match size {
        WindowSize::W250H400 => " class=\"w250\"",
        WindowSize::W390H400 => " class=\"w390\"",
        WindowSize::W500H600 => " class=\"w500\"",
        WindowSize::W600H400 => " class=\"w600\"",
        WindowSize::FullScreen => " class=\"full\"",
    }
}
