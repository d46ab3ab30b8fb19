//! The payment link by which an order began, for people and for machines. Its address is secret, and is not told.

use serde_json::{Value, json};
use tollgate_core::shown::harmless;
use tollgate_store::StoredPaymentLink;

/// Prints it.
pub fn print(stored: &StoredPaymentLink) {
    let link = &stored.link;
    println!("\n{}  payment link {} was made, for {}", link.created_at, harmless(&link.name), link.money());
    println!("  {:<20}{}", "valid until", link.expires_at);
    if let Some(closed_at) = link.closed_at {
        println!("  {:<20}{closed_at}", "closed");
    }
    let opened = match stored.openings.last_at {
        None => "never".to_owned(),
        Some(last_at) => format!("{} times, the last time at {last_at}", stored.openings.count),
    };
    println!("  {:<20}{opened}", "opened");
}

/// It for machines: `null` where the order began in another way.
#[must_use]
pub fn to_json(stored: Option<&StoredPaymentLink>) -> Value {
    stored.map_or(Value::Null, |stored| {
        json!({
            "payment_link_id": stored.link.name,
            "created_at": stored.link.created_at.to_string(),
            "expires_at": stored.link.expires_at.to_string(),
            "closed_at": stored.link.closed_at.map(|at| at.to_string()),
            "openings": stored.openings.count,
        })
    })
}
