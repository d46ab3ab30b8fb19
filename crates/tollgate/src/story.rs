//! Printing a payment's story. Everything in it is masked already.

mod authentication;
mod credential;
mod page;
pub mod payment_link;

use serde_json::{Value, json};
use std::borrow::Cow;
use tollgate_core::checkout::Checkout;
use tollgate_core::code::{ResponseCode, UNCERTAIN};
use tollgate_core::command::SafeParams;
use tollgate_core::money::{Amount, Money};
use tollgate_core::order::{Order, Phase};
use tollgate_core::shown::harmless;
use tollgate_core::time::Timestamp;
use tollgate_fort::text::{Language, response_message};
use tollgate_iso8583::{Description, Spec};
use tollgate_store::{Correction, RefusalRow, Story, StoryOperation};

/// Prints a whole story; `checkout` is that of the customer's page, where there is one.
pub fn print(story: &Story, checkout: Option<&Checkout>) {
    print_order(&story.order);
    page::print(&story.order, checkout);
    let mut tries = page::Tries::of(&story.order);
    for operation in &story.operations {
        match page::closing(operation) {
            Some(how) => print_closing(operation, how),
            None => print_operation(operation, tries.number(operation)),
        }
    }
    story.refusals.iter().for_each(print_refusal);
}

/// Prints the ISO 8583 messages of a story, field by field.
pub fn print_wire(story: &Story) {
    for operation in &story.operations {
        operation.outcomes.iter().for_each(|outcome| print_trace(&outcome.trace));
        operation.attempts.iter().for_each(|attempt| print_trace(&attempt.trace));
    }
}

/// Prints a refused request.
pub fn print_refusal(row: &RefusalRow) {
    let command = if row.command.is_empty() { Cow::Borrowed("request") } else { harmless(&row.command) };
    println!("\n{}  {command} refused", row.at);
    println!("  {:<20}{} {}", "code", row.code, response_message(row.code, Language::English));
    println!("  {:<20}{}", "guilty", row.guilty);
    if let Some(parameter) = &row.parameter {
        println!("  {:<20}{parameter}", "parameter");
    }
    println!("  {:<20}{}", "why", row.detail);
    print_params(&row.request);
}

fn print_order(order: &Order) {
    let amount = |amount: Amount| Money { amount, currency: order.money.currency }.to_string();
    println!("order {}", order.fort_id);
    for (what, value) in [
        ("merchant reference", order.merchant_reference.clone()),
        ("made", order.created_at.to_string()),
        ("began as", format!("{} of {}", order.kind.command(), order.money)),
        ("came by", order.channel.name().to_owned()),
        ("card", shown_card(order)),
        ("stands", order.phase.to_string()),
        ("authorized", amount(order.totals.authorized)),
        ("captured", amount(order.totals.captured)),
        ("refunded", amount(order.totals.refunded)),
        ("last code", last_code(order).map_or_else(|| "none yet".to_owned(), coded)),
    ] {
        println!("  {what:<20}{value}");
    }
    if let Some(told) = &order.credential {
        credential::print(told);
    }
    if let Some(open) = order.open_operation {
        println!("  {:<20}operation {open} is not settled yet", "open");
    }
}

/// What was told last; of an order that waits for its customer nothing was.
fn last_code(order: &Order) -> Option<ResponseCode> {
    (order.phase != Phase::Open || order.last.code != UNCERTAIN).then_some(order.last.code)
}

fn shown_card(order: &Order) -> String {
    match &order.card {
        Some(card) => format!("{} {} {}", card.brand, card.mask, card.expiry),
        None => "none yet".to_owned(),
    }
}

/// An operation of which no message was ever sent.
fn print_closing(told: &StoryOperation, how: &str) {
    let operation = &told.operation;
    println!("\n{}  {} of {}: {how}", operation.wire.sent_at, operation.kind.command(), operation.money);
    println!("  {:<20}{}", "operation", operation.id);
    println!("  {:<20}nothing was sent to the card network", "on the wire");
    print_params(&told.request);
    for outcome in &told.outcomes {
        println!("{}  {}: the operation is {}", outcome.at, outcome.event, outcome.state);
        println!("  {:<20}{}", "told", coded(outcome.code));
    }
}

/// `try_number` is that of a card that a customer tried on the page.
fn print_operation(told: &StoryOperation, try_number: Option<usize>) {
    let operation = &told.operation;
    let on_page = try_number.map_or_else(String::new, |number| format!(": card {number} on the page"));
    println!("\n{}  {} of {}{on_page}", operation.wire.sent_at, operation.kind.command(), operation.money);
    println!("  {:<20}{}", "operation", operation.id);
    println!("  {:<20}STAN {}, RRN {}", "on the wire", operation.wire.stan, operation.wire.rrn);
    // What follows a verification by itself was asked for by no request, and nobody is told its code.
    let was_asked = told.request.iter().next().is_some();
    if was_asked {
        print_params(&told.request);
        println!("  decision: every guard passed; the intent was written before anything was sent");
    } else {
        println!("  {:<20}none: the gateway does this by itself", "request");
    }
    if let Some(told) = &told.authentication {
        authentication::print(told);
    }
    let code_is = if was_asked { "told" } else { "code" };
    for outcome in &told.outcomes {
        print_trace(&outcome.trace);
        let network = outcome.network_code.as_ref().map_or_else(String::new, |code| format!(", network code {code}"));
        let code =
            outcome.authorization_code.as_ref().map_or_else(String::new, |code| format!(", authorization code {code}"));
        let ms = outcome.at.since_ms(operation.wire.sent_at);
        println!(
            "{}  {}{network}{code}: the operation is {} (after {ms} ms)",
            outcome.at, outcome.event, outcome.state
        );
        println!("  {:<20}{}", code_is, coded(outcome.code));
        if let Some(id) = &outcome.network_transaction_id {
            println!("  {:<20}{id}", "network named it");
        }
        if let Some(advice) = outcome.advice {
            println!("  {:<20}{}", "advice", advice.words());
        }
        if let Some(correction) = &outcome.correction {
            print_correction(correction);
        }
    }
    for attempt in &told.attempts {
        print_trace(&attempt.trace);
        println!("{}  recovery message {}: {}", attempt.at, attempt.number, attempt.result.as_text());
    }
    if let Some(row) = &told.recovery {
        println!(
            "  waiting to be settled by {} since {}; {} messages so far, the next at {}",
            row.way_out, row.created_at, row.attempts, row.due_at
        );
    }
}

/// What an operator settled by hand, and why.
fn print_correction(correction: &Correction) {
    let digest = correction.evidence_sha256.as_ref().map_or_else(String::new, |sha256| format!(" (SHA-256 {sha256})"));
    println!("  {:<20}{}", "settled by hand by", harmless(&correction.by));
    if let Some(second) = &correction.approved_by {
        println!("  {:<20}{}", "approved by", harmless(second));
    }
    println!("  {:<20}{}", "reason", harmless(&correction.reason));
    println!("  {:<20}{}{digest}", "evidence", harmless(&correction.evidence));
}

fn print_params(params: &SafeParams) {
    println!("  request (masked)");
    print_pairs(params);
}

fn print_pairs(params: &SafeParams) {
    for param in params.iter() {
        println!("    {:<27} {}", harmless(param.name), harmless(param.value));
    }
}

fn print_trace(trace: &str) {
    for line in trace.lines() {
        match traced(line) {
            Some(traced) => {
                println!("{}  {}", traced.at, traced.direction);
                traced.text.lines().for_each(|line| println!("    {line}"));
            }
            None => println!("  {line}"),
        }
    }
}

/// A line of a trace, readable.
struct Traced {
    at: Timestamp,
    direction: &'static str,
    text: String,
}

fn traced(line: &str) -> Option<Traced> {
    let (at, rest) = line.split_once(' ')?;
    let (arrow, compact) = rest.split_once(' ')?;
    let direction = if arrow == ">" { "sent to the card network" } else { "received from the card network" };
    // Field numbers and names are the same in every spec of the 1987 edition.
    let spec = Spec::builtin("iso8583-1987-ascii").ok()?;
    let text = Description::from_compact(&spec, compact).ok()?.to_string();
    Some(Traced { at: Timestamp(at.parse().ok()?), direction, text })
}

/// A story for machines.
pub fn to_json(story: &Story, checkout: Option<&Checkout>) -> Value {
    let order = &story.order;
    let mut tries = page::Tries::of(order);
    let operations = story.operations.iter().map(|told| operation_json(told, tries.number(told))).collect::<Vec<_>>();
    json!({
        "fort_id": order.fort_id.to_string(),
        "merchant_reference": order.merchant_reference,
        "created_at": order.created_at.to_string(),
        "command": order.kind.command(),
        "amount": order.money.amount.minor(),
        "currency": order.money.currency,
        "channel": order.channel.name(),
        "card": order.card,
        "credential": order.credential.as_ref().map(|told| credential::to_json(told)),
        "phase": order.phase,
        "authorized_amount": order.totals.authorized.minor(),
        "captured_amount": order.totals.captured.minor(),
        "refunded_amount": order.totals.refunded.minor(),
        "last_code": last_code(order).map(|code| code.to_string()),
        "settled": order.open_operation.is_none(),
        "page": page::to_json(order, checkout),
        "operations": operations,
        "refusals": story.refusals.iter().map(refusal_json).collect::<Vec<_>>(),
    })
}

fn operation_json(told: &StoryOperation, try_number: Option<usize>) -> Value {
    let operation = &told.operation;
    let outcomes: Vec<_> = told
        .outcomes
        .iter()
        .map(|outcome| {
            json!({
                "at": outcome.at.to_string(),
                "event": outcome.event,
                "state": outcome.state,
                "code": outcome.code.to_string(),
                "network_code": outcome.network_code,
                "authorization_code": outcome.authorization_code,
                "network_transaction_id": outcome.network_transaction_id,
                "retry_advice": outcome.advice,
                "correction": outcome.correction.as_ref().map(|correction| json!({
                    "reason": correction.reason,
                    "evidence": correction.evidence,
                    "evidence_sha256": correction.evidence_sha256,
                    "by": correction.by,
                    "approved_by": correction.approved_by,
                })),
                "wire": outcome.trace.lines().collect::<Vec<_>>(),
            })
        })
        .collect();
    let attempts: Vec<_> = told
        .attempts
        .iter()
        .map(|attempt| json!({ "at": attempt.at.to_string(), "number": attempt.number, "result": attempt.result.as_text() }))
        .collect();
    json!({
        "operation": operation.id.to_string(),
        "kind": operation.kind,
        "amount": operation.money.amount.minor(),
        "sent_at": operation.wire.sent_at.to_string(),
        "stan": operation.wire.stan.to_string(),
        "rrn": operation.wire.rrn.as_str(),
        "state": operation.state,
        "card_on_page": try_number,
        "closed_unsent_by": page::closed_by(told),
        "request": told.request,
        "authentication": told.authentication.as_ref().map(authentication::to_json),
        "outcomes": outcomes,
        "recovery_messages": attempts,
    })
}

/// A refused request for machines.
pub fn refusal_json(row: &RefusalRow) -> Value {
    json!({
        "at": row.at.to_string(),
        "command": row.command,
        "code": row.code.to_string(),
        "message": response_message(row.code, Language::English),
        "guilty": row.guilty,
        "parameter": row.parameter,
        "detail": row.detail,
        "request": row.request,
    })
}

fn coded(code: ResponseCode) -> String {
    format!("{code} {}", response_message(code, Language::English))
}
