//! Printing feedback. Everything in it is masked already.

use serde_json::{Value, json};
use tollgate_core::shown::harmless;
use tollgate_feedback::Rendered;
use tollgate_fort::text::{Language, response_message};
use tollgate_store::{FeedbackAttempt, FeedbackContent, FeedbackRow, FeedbackState};

/// The head of a list of rows.
pub const ROW_HEAD: &str =
    "feedback              order               kind          seq  state      attempts  written                   next";

/// One row of a list.
pub fn row_line(row: &FeedbackRow) -> String {
    let next = match row.state {
        FeedbackState::Waiting => row.due_at.to_string(),
        FeedbackState::Behind => "after an earlier one".to_owned(),
        FeedbackState::Paused => row.pause_reason.map_or("", |reason| reason.words()).to_owned(),
        FeedbackState::Delivered => "-".to_owned(),
    };
    format!(
        "{:<21} {:<19} {:<13} {:<4} {:<10} {:<9} {}  {next}",
        row.id.to_string(),
        row.fort_id.to_string(),
        row.lane.kind.name(),
        row.sequence,
        row.state.name(),
        row.attempts,
        row.created_at
    )
}

/// One row for machines.
pub fn row_json(row: &FeedbackRow) -> Value {
    json!({
        "feedback": row.id.to_string(),
        "fort_id": row.fort_id.to_string(),
        "kind": row.lane.kind,
        "channel": row.lane.channel,
        "sequence": row.sequence,
        "state": row.state,
        "pause_reason": row.pause_reason,
        "due_at": (row.state == FeedbackState::Waiting).then(|| row.due_at.to_string()),
        "attempts": row.attempts,
        "failed_tries": row.tries,
        "created_at": row.created_at.to_string(),
        "delivered_at": row.delivered_at.map(|at| at.to_string()),
    })
}

/// One feedback with its body and attempts, for a person.
pub fn print_whole(content: &FeedbackContent, rendered: &Result<Rendered, String>, attempts: &[FeedbackAttempt]) {
    let row = &content.row;
    println!("feedback {}", row.id);
    let code = content.outcome.code;
    let told = match &content.news {
        Some(news) => format!("{} of agreement {}", news.kind, harmless(&news.agreement_id)),
        None => format!(
            "{} {} ({} {})",
            content.operation.kind.command(),
            content.outcome.state,
            code,
            response_message(code, Language::English)
        ),
    };
    for (what, value) in [
        ("order", row.fort_id.to_string()),
        ("merchant reference", harmless(&content.order.merchant_reference).into_owned()),
        ("kind", row.lane.kind.to_string()),
        ("tells", told),
        ("sequence", row.sequence.to_string()),
        ("written", row.created_at.to_string()),
        ("state", state_words(row)),
        ("attempts", row.attempts.to_string()),
    ] {
        println!("  {what:<20}{value}");
    }
    match rendered {
        Ok(rendered) => {
            println!("  {:<20}{}", "goes to", rendered.url.as_deref().unwrap_or("nobody: no URL is set"));
            println!("  {:<20}{}", "content type", rendered.content_type);
            println!("  body, signed with the response phrase of now");
            for line in harmless_lines(&rendered.body) {
                println!("    {line}");
            }
        }
        Err(error) => println!("  {:<20}{error}", "no body"),
    }
    attempts.iter().for_each(print_attempt);
}

/// One feedback with its body and attempts, for machines.
pub fn whole_json(
    content: &FeedbackContent,
    rendered: &Result<Rendered, String>,
    attempts: &[FeedbackAttempt],
) -> Value {
    let mut whole = row_json(&content.row);
    if let Value::Object(whole) = &mut whole {
        whole.insert("merchant_reference".into(), content.order.merchant_reference.clone().into());
        match &content.news {
            Some(news) => {
                whole.insert("agreement_id".into(), news.agreement_id.clone().into());
                whole.insert("tells".into(), news.kind.name().into());
            }
            None => {
                whole.insert("command".into(), content.operation.kind.command().into());
                whole.insert("code".into(), content.outcome.code.to_string().into());
            }
        }
        let body = match rendered {
            Ok(rendered) => json!({
                "merchant": rendered.merchant,
                "url": rendered.url,
                "content_type": rendered.content_type,
                "body": String::from_utf8_lossy(&rendered.body),
            }),
            Err(error) => json!({ "error": error }),
        };
        whole.insert("request".into(), body);
        whole.insert("tries".into(), attempts.iter().map(attempt_json).collect());
    }
    whole
}

/// A row in a payment's story.
pub fn print_in_story(row: &FeedbackRow, attempts: &[FeedbackAttempt]) {
    println!("\n{}  {} feedback {}", row.created_at, row.lane.kind, row.id);
    println!("  {:<20}{}", "sequence", row.sequence);
    println!("  {:<20}{}", "state", state_words(row));
    attempts.iter().for_each(print_attempt);
}

/// The same for machines.
pub fn in_story_json(row: &FeedbackRow, attempts: &[FeedbackAttempt]) -> Value {
    let mut told = row_json(row);
    if let Value::Object(told) = &mut told {
        told.insert("tries".into(), attempts.iter().map(attempt_json).collect());
    }
    told
}

fn state_words(row: &FeedbackRow) -> String {
    match row.state {
        FeedbackState::Waiting => format!("waiting; the next try is at {}", row.due_at),
        FeedbackState::Behind => "behind an earlier one of the same order".to_owned(),
        FeedbackState::Paused => format!("paused: {}", row.pause_reason.map_or("", |reason| reason.words())),
        FeedbackState::Delivered => {
            row.delivered_at.map_or_else(|| "delivered".to_owned(), |at| format!("delivered at {at}"))
        }
    }
}

fn print_attempt(attempt: &FeedbackAttempt) {
    let FeedbackAttempt { number, attempt } = attempt;
    let status = attempt.status.map_or_else(|| "no answer".to_owned(), |status| format!("HTTP {status}"));
    let error = attempt.error.as_ref().map_or_else(String::new, |error| format!(" ({error})"));
    println!("{}  try {number} to {}: {status}{error}, {} ms", attempt.at, attempt.target, attempt.latency_ms);
    if !attempt.answer.is_empty() {
        println!("  {:<20}{}", "answered", attempt.answer);
    }
}

fn attempt_json(attempt: &FeedbackAttempt) -> Value {
    let FeedbackAttempt { number, attempt } = attempt;
    json!({
        "number": number,
        "at": attempt.at.to_string(),
        "target": attempt.target,
        "status": attempt.status,
        "error": attempt.error,
        "latency_ms": attempt.latency_ms,
        "answer": attempt.answer,
    })
}

fn harmless_lines(body: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(body).lines().map(|line| harmless(line).into_owned()).collect()
}
