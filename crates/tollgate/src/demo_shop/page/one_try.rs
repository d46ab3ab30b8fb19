//! One try: where it stands, what can be done next, and everything that passed.

use super::messages::{self, Shown};
use super::words::Words;
use super::{escaped, foot, head, other, tone};
use crate::client::PAGE_PATH;
use crate::demo_shop::PATH;
use crate::demo_shop::cart::major;
use crate::demo_shop::history::{One, Stage};
use crate::demo_shop::merchant::Signed;
use crate::demo_shop::plan::{Place, Remember, Route};
use crate::demo_shop::test_cards::TestCard;
use crate::demo_shop::web::{Powers, in_language, try_path};
use tollgate_core::page::is_return_url;
use tollgate_fort::text::Language;

/// What is seen of a try.
pub struct Seen<'a> {
    /// In which language.
    pub language: Language,
    /// The try.
    pub one: &'a One,
    /// The form that the browser may post to the gateway now.
    pub form: Option<&'a Signed>,
    /// The test cards, to be typed into a form.
    pub cards: &'a [TestCard],
    /// YYMM for those that do not depend on it.
    pub expiry: &'a str,
    /// Of the command that tells the gateway's own story.
    pub data_argument: &'a str,
}

/// How many of the newest messages are open at first.
const OPEN_AT_FIRST: usize = 2;

/// The page of a try.
pub struct TryPage {
    /// Its HTML.
    pub html: String,
    /// What it has to be let do.
    pub powers: Powers,
}

/// The page of a try.
pub fn one_try(seen: &Seen<'_>) -> TryPage {
    let (words, one) = (Words::of(seen.language), seen.one);
    let mut out = head(words, &one.reference, &try_path(&one.reference, other(seen.language)));
    push_title(&mut out, words, seen);
    let powers = push_next_step(&mut out, words, seen);
    push_afterwards(&mut out, words, seen);
    push_story(&mut out, words, seen);
    push_passed(&mut out, words, seen);
    TryPage { html: foot(out, words), powers }
}

fn push_title(out: &mut String, words: &Words, seen: &Seen<'_>) {
    let one = seen.one;
    let wanted = match one.plan.route {
        Route::Create => words.kept.to_owned(),
        _ => format!("{} <bdi>{}</bdi>", words.charge(one.plan.charge), one.plan.money),
    };
    out.push_str(&format!(
        "<p><a href=\"{}\">{}</a></p>\n<h1>{}: {wanted}</h1>\n<p class=\"soft\"><bdi><code>{}</code></bdi></p>\n",
        in_language(PATH, seen.language),
        words.back,
        words.route(one.plan.route),
        escaped(&one.reference)
    ));
    if let Some(trouble) = &one.trouble {
        out.push_str(&format!("<p class=\"banner bad\" role=\"alert\">{}: {}</p>\n", words.trouble, escaped(trouble)));
        return;
    }
    let tone = tone(one.outcome.as_ref());
    let verdict = match tone {
        "good" => words.success,
        "wait" => words.waiting,
        "bad" => words.refused,
        _ => words.begun,
    };
    out.push_str(&format!("<p class=\"banner {tone}\" role=\"status\"><strong>{verdict}</strong>"));
    match &one.outcome {
        Some(outcome) => out.push_str(&format!(
            "<span class=\"outcome\"><bdi>{}</bdi> <bdi>{}</bdi></span></p>\n",
            escaped(&outcome.code),
            escaped(&outcome.message)
        )),
        None => out.push_str(&format!("<span>{}</span></p>\n", words.not_answered)),
    }
}

/// What the customer has to do now, if anything.
fn push_next_step(out: &mut String, words: &Words, seen: &Seen<'_>) -> Powers {
    let one = seen.one;
    match (&one.stage, seen.form) {
        (Stage::Authenticate(url), _) if is_return_url(url) => push_three_ds(out, words, one, url),
        (Stage::ToPost, Some(form)) => push_form(out, words, seen, form),
        _ => Powers::Own,
    }
}

fn push_three_ds(out: &mut String, words: &Words, one: &One, url: &str) -> Powers {
    out.push_str(&format!(
        "<section class=\"sheet\"><h2>{}</h2>\n<p>{}</p>\n<p><a class=\"button three-ds\" href=\"{url}\">{}</a></p>\n",
        words.next_step,
        words.three_ds_next,
        words.three_ds_go,
        url = escaped(url)
    ));
    let powers = match one.plan.place {
        Place::Window => Powers::Own,
        Place::Frame => {
            out.push_str(&format!(
                "<iframe src=\"{}\" title=\"{}\"></iframe>\n",
                escaped(url),
                words.three_ds_frame_title
            ));
            Powers::PayInFrame
        }
    };
    out.push_str("</section>\n");
    powers
}

fn push_form(out: &mut String, words: &Words, seen: &Seen<'_>, form: &Signed) -> Powers {
    let one = seen.one;
    let hint = if one.outcome.is_some() { words.to_gateway_again } else { words.to_gateway };
    out.push_str(&format!("<section class=\"sheet\"><h2>{}</h2>\n<p>{hint}</p>\n", words.next_step));
    let (target, button, powers) = match one.plan.route {
        Route::Standard if one.outcome.is_none() => {
            (" target=\"gateway\" data-framed", words.show_card_form, Powers::PayInFrame)
        }
        Route::Standard => (" target=\"gateway\"", words.show_card_form, Powers::PayInFrame),
        _ => ("", words.post_to_gateway, Powers::Pay),
    };
    let has_card = matches!(one.plan.route, Route::Custom | Route::Create);
    out.push_str(&format!(
        "{}<form id=\"card-form\" method=\"post\" accept-charset=\"utf-8\" action=\"{PAGE_PATH}\"{target}>\n",
        if has_card { "<div class=\"two\">\n" } else { "" }
    ));
    for (name, value) in &form.params {
        // A box of the card form says it instead.
        if !(has_card && *name == "remember_me") {
            push_hidden(out, name, value);
        }
    }
    push_hidden(out, "signature", &form.signature);
    if has_card {
        push_card_fields(out, words, one);
    }
    out.push_str(&format!("<button type=\"submit\">{button}</button>\n</form>\n"));
    if has_card {
        push_test_cards(out, words, seen);
        out.push_str("</div>\n");
    }
    if one.plan.route == Route::Standard {
        out.push_str(&format!(
            "<iframe name=\"gateway\" title=\"{}\"></iframe>\n<p class=\"soft small\">{}</p>\n",
            words.frame_title, words.frame_hint
        ));
    }
    out.push_str("</section>\n");
    powers
}

fn push_hidden(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escaped(name), escaped(value)));
}

/// The shop's own card form: its fields go to the gateway with the signed ones.
fn push_card_fields(out: &mut String, words: &Words, one: &One) {
    out.push_str(&format!("<p class=\"soft\">{}</p>\n", words.own_form_hint));
    let fields = [
        ("card_number", words.card_number, "cc-number", "inputmode=\"numeric\" maxlength=\"23\" required", ""),
        (
            "expiry_date",
            words.expiry,
            "off",
            "inputmode=\"numeric\" maxlength=\"4\" pattern=\"[0-9]{4}\" required",
            words.expiry_hint,
        ),
        ("card_security_code", words.security_code, "cc-csc", "inputmode=\"numeric\" maxlength=\"4\"", ""),
        ("card_holder_name", words.holder, "cc-name", "maxlength=\"50\"", ""),
    ];
    for (name, label, autocomplete, more, hint) in fields {
        let hint = match hint {
            "" => String::new(),
            hint => format!("<span class=\"hint\">{hint}</span>"),
        };
        out.push_str(&format!(
            "<div class=\"field\"><label for=\"{name}\">{label}</label><input id=\"{name}\" name=\"{name}\" dir=\"ltr\" \
             autocomplete=\"{autocomplete}\" {more}>{hint}</div>\n"
        ));
    }
    if one.plan.route == Route::Custom {
        let checked = if one.plan.remember == Remember::Yes { " checked" } else { "" };
        out.push_str(&format!(
            "<label class=\"check\"><input type=\"checkbox\" name=\"remember_me\" value=\"YES\"{checked}><span>{}</span></label>\n",
            words.save_card
        ));
    }
}

fn push_test_cards(out: &mut String, words: &Words, seen: &Seen<'_>) {
    out.push_str(&format!(
        "<div><h3>{}</h3>\n<div class=\"cards\" tabindex=\"0\" role=\"group\" aria-label=\"{}\"><table><thead><tr>\
         <th scope=\"col\">{}</th><th scope=\"col\">{}</th><td></td></tr></thead><tbody>\n",
        words.test_cards, words.test_cards, words.card_number, words.note
    ));
    for card in seen.cards {
        let expiry = card.expiry.as_deref().unwrap_or(seen.expiry);
        out.push_str(&format!(
            "<tr><td class=\"mono number\" dir=\"ltr\">{number}<br>{expiry} · {code}</td><td><bdi lang=\"en\">{}</bdi></td>\
             <td><button type=\"button\" class=\"plain\" hidden data-number=\"{number}\" data-expiry=\"{expiry}\" \
             data-code=\"{code}\" aria-label=\"{use_it} {number} {expiry}\">{use_it}</button></td></tr>\n",
            escaped(&card.note),
            number = card.number,
            code = card.security_code(),
            use_it = words.use_card,
        ));
    }
    out.push_str("</tbody></table></div></div>\n");
}

fn push_afterwards(out: &mut String, words: &Words, seen: &Seen<'_>) {
    let one = seen.one;
    let is_payment = one.plan.route != Route::Create;
    let is_sent = one.outcome.as_ref().is_some_and(|outcome| !matches!(outcome.status(), "18"));
    if !is_payment || !is_sent {
        return;
    }
    let action = in_language(&format!("{PATH}/try/{}/do", one.reference), seen.language);
    out.push_str(&format!(
        "<section class=\"sheet\"><h2>{}</h2>\n<form class=\"after\" method=\"post\" action=\"{}\">\n",
        words.afterwards,
        escaped(&action)
    ));
    if one.paid.is_some() {
        out.push_str(&format!(
            "<div class=\"field\"><label for=\"amount\">{} ({})</label><input id=\"amount\" name=\"amount\" dir=\"ltr\" \
             inputmode=\"decimal\" maxlength=\"16\" autocomplete=\"off\" value=\"{}\"></div>\n",
            words.amount,
            one.plan.money.currency,
            major(one.plan.money)
        ));
        for (command, label) in
            [("CAPTURE", words.capture), ("VOID_AUTHORIZATION", words.void), ("REFUND", words.refund)]
        {
            out.push_str(&format!("<button class=\"plain\" name=\"command\" value=\"{command}\">{label}</button>\n"));
        }
    }
    out.push_str(&format!(
        "<button class=\"plain\" name=\"command\" value=\"CHECK_STATUS\">{}</button>\n</form>\n</section>\n",
        words.check
    ));
}

fn push_passed(out: &mut String, words: &Words, seen: &Seen<'_>) {
    let one = seen.one;
    out.push_str(&format!("<section><h2>{}</h2>\n<p class=\"soft\">{}</p>\n", words.passed, words.passed_hint));
    if one.plan.route != Route::Create && one.feedback_count() == 0 && one.outcome.is_some() {
        out.push_str(&format!(
            "<p>{} <a href=\"{}\">{}</a></p>\n",
            words.no_feedback,
            escaped(&try_path(&one.reference, seen.language)),
            words.look_again
        ));
    }
    for (place, passed) in one.passed.iter().rev().enumerate() {
        let shown = if place < OPEN_AT_FIRST { Shown::Open } else { Shown::Closed };
        messages::push(out, words, passed, shown);
    }
    out.push_str("</section>\n");
}

fn push_story(out: &mut String, words: &Words, seen: &Seen<'_>) {
    // A card that is kept is no order: there is no story of it.
    if seen.one.outcome.is_none() || seen.one.plan.route == Route::Create {
        return;
    }
    let command = format!("tollgate explain{} {}", seen.data_argument, seen.one.reference);
    let command = escaped(&command);
    out.push_str(&format!(
        "<section class=\"sheet\"><h2>{}</h2>\n<p class=\"soft\">{}</p>\n<pre class=\"story\" dir=\"ltr\">{command}</pre>\n\
         <button type=\"button\" class=\"plain\" hidden data-copy=\"{command}\">{}</button>\n</section>\n",
        words.story, words.story_hint, words.copy
    ));
}
