//! Where everything of a run reports to: the record and the auditor, at the virtual time.

use crate::audit::Auditor;
use crate::clock::VirtualClock;
use crate::due::{DueCharges, REFERENCE_MARK};
use crate::issuer::Name;
use crate::plan::Fault;
use crate::record::{Event, Keep, OrderNumber, Record};
use crate::tables::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The record and the auditor of a run.
pub struct Watch {
    /// The time.
    pub clock: VirtualClock,
    record: Mutex<Record>,
    auditor: Mutex<Auditor>,
    owners: Mutex<HashMap<Name, OrderNumber>>,
    charges: Mutex<DueCharges>,
}

impl Watch {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(clock: VirtualClock, keep: Keep) -> Watch {
        Watch {
            clock,
            record: Mutex::new(Record::new(keep)),
            auditor: Mutex::new(Auditor::default()),
            owners: Mutex::default(),
            charges: Mutex::default(),
        }
    }

    /// Whose the messages are, by their names: known from the intent on, as some never leave and are reversed all the same.
    pub fn owners(&self) -> MutexGuard<'_, HashMap<Name, OrderNumber>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The orders that the gateway makes by itself.
    pub fn due_charges(&self) -> MutexGuard<'_, DueCharges> {
        self.charges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the order with this reference.
    #[must_use]
    pub fn order_number(&self, reference: &str) -> Option<OrderNumber> {
        match reference.strip_prefix(REFERENCE_MARK) {
            Some(number) => number.parse().ok(),
            None => self.due_charges().number(reference),
        }
    }

    /// Notes an event.
    pub fn note(&self, order: Option<OrderNumber>, event: Event) {
        self.record().note(self.clock.ms(), order, event);
    }

    /// Notes a fault.
    pub fn met(&self, order: Option<OrderNumber>, fault: Fault, place: &'static str) {
        self.note(order, Event::Met { fault, place });
    }

    /// The auditor, with its clock set.
    pub fn auditor(&self) -> MutexGuard<'_, Auditor> {
        let mut auditor = self.auditor.lock().unwrap_or_else(PoisonError::into_inner);
        auditor.set_now(self.clock.ms());
        auditor
    }

    /// The record.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something was found that must not be.
    pub fn is_broken(&self) -> bool {
        self.auditor().violation().is_some()
    }
}
