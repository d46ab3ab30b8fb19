//! Two accounts of the same money: what the gateway says of its orders, and what the card network's
//! ledger says. They are kept by different programs and have to agree order by order.

use super::{Gateway, Merchant, field};
use serde_json::Value;
use std::collections::BTreeMap;
use tollgate_core::ident::{OperationId, Rrn};

/// The sums of one order, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Held and not captured.
    pub held: i64,
    /// Taken.
    pub taken: i64,
    /// Given back.
    pub refunded: i64,
}

impl Sums {
    /// Of a purchase of `amount`.
    pub fn taken(amount: i64) -> Sums {
        Sums { taken: amount, ..Sums::default() }
    }

    /// Of an authorization of `amount`.
    pub fn held(amount: i64) -> Sums {
        Sums { held: amount, ..Sums::default() }
    }

    /// Of an order that moved nothing in the end.
    pub fn nothing() -> Sums {
        Sums::default()
    }
}

/// How many entries the ledger tells of one card.
const ENTRIES_MAX: usize = 1000;

/// What the card network's ledger says of every payment with the cards of these masks, by `fort_id`.
/// A payment that moved nothing is not there.
pub fn of_card_network(mut ask: impl FnMut(&str) -> Value, masks: &[&str]) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for mask in masks {
        let entries = ask(&format!("/ledger/entries?mask={}", mask.replace('*', "%2A")));
        let entries = entries.as_array().unwrap();
        assert!(
            entries.len() < ENTRIES_MAX,
            "the ledger tells the newest {ENTRIES_MAX} entries only: use fewer payments"
        );
        let by_sequence: BTreeMap<u64, &Value> =
            entries.iter().map(|entry| (entry["sequence"].as_u64().unwrap(), entry)).collect();
        for entry in entries {
            let fort_id = payment_of(entry, &by_sequence);
            let sum = sums.entry(fort_id).or_default();
            sum.held += entry["held_delta"].as_i64().unwrap();
            sum.taken += entry["posted_delta"].as_i64().unwrap();
            sum.refunded += entry["refunded_delta"].as_i64().unwrap();
        }
    }
    sums.retain(|_, sum| *sum != Sums::nothing());
    sums
}

/// The `fort_id` of the payment that an entry belongs to: that of the entry at the end of its chain
/// of targets, whose reference number on the wire is made from it.
fn payment_of(entry: &Value, by_sequence: &BTreeMap<u64, &Value>) -> String {
    let mut entry = entry;
    while let Some(target) = entry["target"].as_u64() {
        entry = by_sequence.get(&target).unwrap_or_else(|| panic!("no entry {target}"));
    }
    let rrn = entry["rrn"].as_str().unwrap();
    let id = OperationId::from_rrn(Rrn::parse(rrn).unwrap()).unwrap_or_else(|| panic!("no number of ours: {rrn}"));
    id.to_string()
}

/// What the gateway says of one order, by its `fort_id`.
pub fn of_order(gateway: &Gateway, merchant: &Merchant, fort_id: &str) -> Sums {
    let told = gateway.call(merchant, &[("query_command", "CHECK_STATUS"), ("fort_id", fort_id)]);
    let amount = |name: &str| field(&told, name).parse::<i64>().unwrap_or_else(|_| panic!("{name}: {told:?}"));
    let voided = field(&told, "transaction_code") == "08000";
    let taken = amount("captured_amount");
    let held = if voided { 0 } else { amount("authorized_amount") - taken };
    Sums { held, taken, refunded: amount("refunded_amount") }
}

/// Compares both accounts, order by order. `fort_ids` has to name every order that was made.
pub fn assert_equal(gateway: &Gateway, merchant: &Merchant, fort_ids: &[String], network: &BTreeMap<String, Sums>) {
    let mut ours: BTreeMap<String, Sums> =
        fort_ids.iter().map(|fort_id| (fort_id.clone(), of_order(gateway, merchant, fort_id))).collect();
    ours.retain(|_, sum| *sum != Sums::nothing());
    assert_eq!(&ours, network, "the gateway's orders (left) and the card network's ledger (right)");
}
