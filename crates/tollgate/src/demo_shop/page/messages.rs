//! One message that passed: its parameters, the text that is hashed, the signature and what the shop finds of it.

use super::escaped;
use super::words::Words;
use crate::demo_shop::passed::{Part, Passed, Verdict, Way};

/// Whether the parameters are seen at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// They are.
    Open,
    /// After a click.
    Closed,
}

/// Appends a message.
pub fn push(out: &mut String, words: &Words, passed: &Passed, shown: Shown) {
    let open = if shown == Shown::Open { " open" } else { "" };
    let attempt = match passed.way {
        Way::Feedback { attempt } if attempt > 1 => format!(" × {attempt}"),
        _ => String::new(),
    };
    out.push_str(&format!(
        "<details class=\"passed sheet\"{open}>\n<summary><strong>{}{attempt}</strong><code dir=\"ltr\">{}</code>",
        words.way(passed.way),
        escaped(&passed.to)
    ));
    for name in ["command", "service_command", "query_command"] {
        if let Some(command) = passed.value(name) {
            out.push_str(&format!("<span class=\"badge\" dir=\"ltr\">{}</span>", escaped(command)));
        }
    }
    if let Some(code) = passed.value("response_code") {
        out.push_str(&format!("<span class=\"badge\" dir=\"ltr\">{}</span>", escaped(code)));
    }
    out.push_str(&format!(
        "<span class=\"badge {}\">{}</span></summary>\n<div>\n",
        tone(passed.verdict),
        words.verdict(passed.verdict)
    ));
    push_fields(out, words, passed);
    push_signature(out, words, passed);
    out.push_str("</div>\n</details>\n");
}

const fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fits => "good",
        Verdict::Differs => "bad",
        Verdict::Unsigned => "wait",
        Verdict::Ours => "",
    }
}

fn push_fields(out: &mut String, words: &Words, passed: &Passed) {
    out.push_str(&format!(
        "<p class=\"soft small\"><time dir=\"ltr\">{}</time></p>\n<table class=\"fields\" dir=\"ltr\"><thead><tr><th scope=\"col\">{}</th>\
         <th scope=\"col\">{}</th></tr></thead><tbody>\n",
        escaped(&passed.at.to_string()),
        words.parameter,
        words.value
    ));
    for field in &passed.fields {
        let apart = match field.part {
            Part::Signed => String::new(),
            Part::Apart => format!(" <span class=\"badge\">{}</span>", words.not_signed),
        };
        out.push_str(&format!(
            "<tr><th scope=\"row\" class=\"mono\">{}</th><td class=\"mono\"><bdi>{}</bdi>{apart}</td></tr>\n",
            escaped(&field.name),
            escaped(&field.value)
        ));
    }
    out.push_str("</tbody></table>\n");
}

fn push_signature(out: &mut String, words: &Words, passed: &Passed) {
    if passed.signature.is_empty() {
        return;
    }
    // The gateway signs its masks as they are; the shop signed what stands behind its own.
    let hides = passed.verdict == Verdict::Ours && passed.fields.iter().any(|field| field.value.contains("***"));
    let masked = if hides { words.masked } else { "" };
    out.push_str(&format!(
        "<p class=\"small soft\">{} (<span dir=\"ltr\">{}</span>). {masked}</p>\n<pre class=\"hashed\" dir=\"ltr\">{}</pre>\n\
         <p class=\"small soft\">{}</p>\n<pre class=\"signature\" dir=\"ltr\">{}</pre>\n",
        words.hashed,
        passed.sha,
        escaped(&passed.hashed),
        words.signature,
        escaped(&passed.signature)
    ));
}
