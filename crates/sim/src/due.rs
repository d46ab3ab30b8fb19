//! The orders that the gateway makes by itself, for due dates of schedules, and how they are counted here.

use crate::record::OrderNumber;
use crate::tables::HashMap;
use std::collections::BTreeMap;
use tollgate_core::agreement::Day;

/// What stands before the order's number in the `merchant_reference` of the merchants' own orders.
pub const REFERENCE_MARK: &str = "order-";

/// The lowest number of such an order; those of merchants are below.
const FIRST: OrderNumber = 1 << 31;
/// So many numbers has each agreement.
const PER_AGREEMENT: u32 = 1 << 8;

/// An attempt to charge a due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DueAttempt {
    /// The order that has opened the agreement.
    pub opener: OrderNumber,
    /// The due day.
    pub day: Day,
    /// Which attempt at it, from 1.
    pub attempt: u32,
}

/// An order as the gateway knows it; it may not be there.
#[derive(Clone, Debug)]
pub struct NamedOrder {
    /// Its number here.
    pub number: OrderNumber,
    /// The merchant.
    pub merchant: u64,
    /// Its `merchant_reference`.
    pub reference: String,
}

/// All of them.
#[derive(Default)]
pub struct DueCharges {
    /// By reference.
    numbers: HashMap<String, OrderNumber>,
    /// How many each agreement has, by the order that opened it.
    counts: HashMap<OrderNumber, u32>,
    /// By number.
    orders: BTreeMap<OrderNumber, NamedOrder>,
}

impl DueCharges {
    /// The number of the order with this reference, if it is one of these.
    #[must_use]
    pub fn number(&self, reference: &str) -> Option<OrderNumber> {
        self.numbers.get(reference).copied()
    }

    /// The number of an order for the agreement that `opener` opened: always the same for one reference.
    pub fn number_for(&mut self, reference: &str, merchant: u64, opener: OrderNumber) -> OrderNumber {
        if let Some(known) = self.number(reference) {
            return known;
        }
        let count = self.counts.entry(opener).or_insert(0);
        let number = FIRST.wrapping_add(opener.wrapping_mul(PER_AGREEMENT)).wrapping_add(*count);
        *count += 1;
        self.numbers.insert(reference.to_owned(), number);
        self.orders.insert(number, NamedOrder { number, merchant, reference: reference.to_owned() });
        number
    }

    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = &NamedOrder> {
        self.orders.values()
    }

    /// The one with this number.
    #[must_use]
    pub fn get(&self, number: OrderNumber) -> Option<&NamedOrder> {
        self.orders.get(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_one_number_which_is_no_merchants() {
        let mut charges = DueCharges::default();
        let numbers =
            ["SUB-A-D1-T1", "SUB-A-D1-T2", "SUB-A-D1-T1"].map(|reference| charges.number_for(reference, 0, 7));
        assert_eq!(numbers[0], numbers[2]);
        assert_ne!(numbers[0], numbers[1]);
        assert!(numbers.iter().all(|number| *number >= FIRST));
        assert_ne!(charges.number_for("SUB-B-D1-T1", 1, 8), numbers[0]);
        assert_eq!(charges.all().count(), 3);
    }
}
