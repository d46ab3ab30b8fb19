//! What the auditor says about agreements: nothing is charged before the first payment, nothing beyond what was agreed, and
//! in the end each agreement has counted the charges that succeeded and no others.

use super::{Auditor, Final, Meant, View, succeeded};
use crate::record::OrderNumber;
use std::collections::BTreeMap;
use tollgate_core::code::refused;

/// What a payment has to do with an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreed {
    /// Nothing.
    Nothing,
    /// It opens one, named after its order.
    Opens {
        /// Of at most so many charges.
        charges_max: u32,
        /// Who begins them.
        charged: ChargedBy,
    },
    /// It is a charge of the agreement that this order has opened.
    Charges(OrderNumber),
}

/// Who begins the charges of an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChargedBy {
    /// Its merchant.
    Merchant,
    /// The gateway, each day; its merchant may as well.
    Gateway,
}

/// An agreement as the gateway keeps it when all is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalAgreement {
    /// Whether it may be charged.
    pub active: bool,
    /// Charges that count.
    pub charges: u32,
    /// Of these, charges without an outcome.
    pub charges_open: u32,
}

/// What happened to agreements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgreementSums {
    /// First payments that the issuer has booked.
    pub begun: u64,
    /// Charges that it has booked.
    pub charged: u64,
    /// Charges that were refused by what was agreed, or because another one was faster.
    pub turned_away: u64,
    /// Of the charges those that the gateway made by itself.
    pub due_dates: u64,
}

impl AgreementSums {
    /// The sums of both.
    #[must_use]
    pub fn with(self, other: AgreementSums) -> AgreementSums {
        AgreementSums {
            begun: self.begun + other.begun,
            charged: self.charged + other.charged,
            turned_away: self.turned_away + other.turned_away,
            due_dates: self.due_dates + other.due_dates,
        }
    }
}

/// The name of the agreement that an order opens.
#[must_use]
pub fn agreement_name(opener: OrderNumber) -> String {
    format!("{AGREEMENT_MARK}{opener}")
}

/// The order that has opened the agreement of this name.
#[must_use]
pub fn opener_of(name: &str) -> Option<OrderNumber> {
    name.strip_prefix(AGREEMENT_MARK)?.parse().ok()
}

const AGREEMENT_MARK: &str = "agreement-";

impl View {
    pub(super) fn agreed(&self) -> Agreed {
        self.meant.map_or(Agreed::Nothing, |meant| meant.agreed)
    }

    pub(super) fn is_booked(&self) -> bool {
        self.book.held + self.book.taken_at_once > 0
    }
}

impl Auditor {
    /// The intent of a charge is durable: its agreement has begun, with the success of its first payment.
    pub(super) fn check_has_begun(&mut self, order: OrderNumber, meant: Meant) {
        let Agreed::Charges(opener) = meant.agreed else { return };
        let first = self.orders.get(&opener);
        if !first.is_some_and(View::is_booked) {
            let found = format!("of order {opener}, which is booked as {:?}", first.map(|view| view.book));
            self.found(Some(order), "an agreement is charged after its first payment", found);
        }
    }

    /// The issuer has booked a payment: a charge is one of those that were agreed.
    pub(super) fn check_charges(&mut self, order: OrderNumber) {
        let Some(Agreed::Charges(opener)) = self.orders.get(&order).map(View::agreed) else { return };
        let Some(Agreed::Opens { charges_max, .. }) = self.orders.get(&opener).map(View::agreed) else { return };
        let charged = self.charged(opener).filter(|view| view.is_booked()).count();
        // What an operator was wrong about was given back, and is charged once more.
        if charged > charges_max as usize && self.charged(opener).all(|view| view.mistakes.is_empty()) {
            let found = format!("{charged} of {charges_max} of order {opener}");
            self.found(Some(order), "an agreement is charged as often as agreed, and not once more", found);
        }
    }

    /// What happened to agreements.
    #[must_use]
    pub fn agreement_sums(&self) -> AgreementSums {
        let due_dates = self.due_dates_charged();
        let mut sums = AgreementSums { turned_away: self.turned_away, due_dates, ..AgreementSums::default() };
        for view in self.orders.values().filter(|view| view.is_booked()) {
            match view.agreed() {
                Agreed::Nothing => {}
                Agreed::Opens { .. } => sums.begun += 1,
                Agreed::Charges(_) => sums.charged += 1,
            }
        }
        sums
    }

    /// A charge is refused before anything was done.
    pub(super) fn note_turned_away(&mut self, order: OrderNumber, code: u32) {
        let charges = matches!(self.orders.get(&order).map(View::agreed), Some(Agreed::Charges(_)));
        let by_agreement =
            code == refused::OPERATION_NOT_ALLOWED.number() || code == refused::STILL_PROCESSING.number();
        self.turned_away += u64::from(charges && by_agreement);
    }

    fn charged(&self, opener: OrderNumber) -> impl Iterator<Item = &View> {
        self.charges.get(&opener).into_iter().flatten().filter_map(|charge| self.orders.get(charge))
    }

    /// A message says which payment of its customer's it goes back to: it is that which has opened its agreement.
    pub(super) fn check_goes_back(&mut self, order: OrderNumber, back_to: Option<OrderNumber>) {
        let (Some(back_to), Some(view)) = (back_to, self.orders.get(&order)) else { return };
        if view.agreed() != Agreed::Charges(back_to) {
            let found = format!("it goes back to order {back_to}, {:?}", view.agreed());
            self.found(Some(order), "a charge goes back to the payment that opened its agreement", found);
        }
    }

    /// Everything is over: compares what was counted.
    pub fn close_agreements(
        &mut self,
        finals: &BTreeMap<OrderNumber, Option<Final>>,
        agreements: &BTreeMap<OrderNumber, FinalAgreement>,
    ) {
        let has_succeeded =
            |order: &OrderNumber| finals.get(order).copied().flatten().is_some_and(|last| succeeded(last.phase));
        let broken = self.orders.iter().find_map(|(order, view)| {
            let Agreed::Opens { .. } = view.agreed() else { return None };
            let charges = self.charges.get(order).into_iter().flatten().filter(|charge| has_succeeded(charge)).count();
            let expected =
                FinalAgreement { active: true, charges: u32::try_from(charges).unwrap_or(u32::MAX), charges_open: 0 };
            let kept = agreements.get(order).copied();
            let is_right = match has_succeeded(order) {
                // A payment that was undone before an operator took it for a success has begun nothing.
                true if !view.mistakes.is_empty() && kept.is_none() => true,
                true => kept == Some(expected),
                false => kept.is_none_or(|kept| !kept.active),
            };
            (!is_right).then(|| (*order, format!("expected {expected:?}, kept {kept:?}")))
        });
        if let Some((order, found)) = broken {
            self.found(Some(order), "in the end an agreement counts exactly the charges that succeeded", found);
        }
    }
}
