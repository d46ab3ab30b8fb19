//! The ledger in memory: entries, where each is found by name, and the sums they add up to.
//!
//! Pure: [`Book::apply`] is the only change, the same for a new entry and for one read from the data file, so what
//! is in memory after a restart is what was there before.

use crate::entry::{Delta, Effect, Entry, EntryIndex};
use crate::payment::{Payment, PaymentKind, Step};
use crate::request::{AccountId, MessageClass, OriginalName};
use crate::text::Rrn;
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use thiserror::Error;
use tollgate_core::money::Currency;

/// Limits of a book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BookLimits {
    /// What each account may spend in each currency, in major units.
    pub(crate) open_to_buy_major: u64,
    /// The most entries; a tenth more for reversals, which must not be refused.
    pub(crate) entries_max: u32,
}

/// The ledger.
#[derive(Debug)]
pub(crate) struct Book {
    limits: BookLimits,
    records: Vec<Record>,
    payments: Vec<Payment>,
    by_name: HashMap<NameKey, EntryIndex, RandomState>,
    by_original: HashMap<OriginalName, EntryIndex, RandomState>,
    /// Messages that a repeated void named and that were never seen.
    never_count: HashSet<OriginalName>,
    accounts: HashMap<(AccountId, Currency), Sums, RandomState>,
    currencies: BTreeMap<Currency, Sums>,
    acquirers: HashSet<u64>,
}

/// The name under which a repeat is found: the RRN is unique per operation of an acquirer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NameKey {
    /// Field 32.
    pub(crate) acquirer: u64,
    /// The class of the message type.
    pub(crate) class: MessageClass,
    /// Field 37.
    pub(crate) rrn: Rrn,
}

/// Sums in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Held and not captured.
    pub(crate) held: u64,
    /// Purchases and captures, without those that were reversed.
    pub(crate) posted: u64,
    /// Refunds, without those that were reversed.
    pub(crate) refunded: u64,
    /// How many entries there are, declines included.
    pub(crate) entries: u64,
}

/// An entry does not fit the ones before it: the data file was damaged or changed by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("entry {index} of the ledger does not fit the ones before it: {problem}")]
pub(crate) struct BookError {
    /// Which entry, from 0.
    pub(crate) index: usize,
    /// What does not fit.
    pub(crate) problem: &'static str,
}

/// An entry and the payment whose money it moves.
#[derive(Clone, Copy, Debug)]
struct Record {
    entry: Entry,
    payment: Option<PaymentIndex>,
}

#[derive(Clone, Copy, Debug)]
struct PaymentIndex(u32);

impl Book {
    /// An empty one.
    pub(crate) fn new(limits: BookLimits) -> Book {
        Book {
            limits,
            records: Vec::new(),
            payments: Vec::new(),
            by_name: HashMap::default(),
            by_original: HashMap::default(),
            never_count: HashSet::new(),
            accounts: HashMap::default(),
            currencies: BTreeMap::new(),
            acquirers: HashSet::new(),
        }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When it refers to what is not there, moves other sums than it says, or would break a limit. The book is
    /// unchanged then.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<EntryIndex, BookError> {
        let index = self.next_index()?;
        let moved = self.moved_payment(entry)?;
        let account = self.moved_sums(self.account_sums(entry.account, entry.currency), entry)?;
        let currency = self.moved_sums(self.currencies.get(&entry.currency).copied().unwrap_or_default(), entry)?;
        let payment = self.put_payment(moved)?;
        self.accounts.insert((entry.account, entry.currency), account);
        self.currencies.insert(entry.currency, currency);
        self.put_names(entry, index);
        self.records.push(Record { entry: *entry, payment });
        Ok(index)
    }

    /// The entry of a name, if there is one.
    pub(crate) fn named(&self, key: NameKey) -> Option<&Entry> {
        self.at(*self.by_name.get(&key)?)
    }

    /// The authorization, purchase or refund that field 90 names, if it was seen.
    pub(crate) fn original(&self, name: &OriginalName) -> Option<EntryIndex> {
        self.by_original.get(name).copied()
    }

    /// The place of the entry of a name.
    pub(crate) fn index_of(&self, key: NameKey) -> Option<EntryIndex> {
        self.by_name.get(&key).copied()
    }

    /// The entry at a place.
    pub(crate) fn at(&self, index: EntryIndex) -> Option<&Entry> {
        self.record(index).map(|record| &record.entry)
    }

    /// The payment whose money an entry moves; `None` of a declined message.
    pub(crate) fn payment_of(&self, index: EntryIndex) -> Option<&Payment> {
        let place = self.record(index)?.payment?;
        self.payments.get(usize::try_from(place.0).ok()?)
    }

    /// Whether the message of this name was given up, before it was ever seen, by a repeated void.
    pub(crate) fn must_never_count(&self, name: &OriginalName) -> bool {
        self.never_count.contains(name)
    }

    /// What an account may still spend, in minor units.
    pub(crate) fn open_to_buy(&self, account: AccountId, currency: Currency) -> u64 {
        let sums = self.account_sums(account, currency);
        self.limit_minor(currency).saturating_add(sums.refunded).saturating_sub(sums.held).saturating_sub(sums.posted)
    }

    /// The sums of an account in a currency.
    pub(crate) fn account_sums(&self, account: AccountId, currency: Currency) -> Sums {
        self.accounts.get(&(account, currency)).copied().unwrap_or_default()
    }

    /// The currencies that an account was used in, in alphabetical order.
    pub(crate) fn account_currencies(&self, account: AccountId) -> Vec<Currency> {
        let mut currencies: Vec<Currency> =
            self.accounts.keys().filter(|key| key.0 == account).map(|key| key.1).collect();
        currencies.sort();
        currencies
    }

    /// The sums of all accounts by currency.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (Currency, Sums)> {
        self.currencies.iter().map(|(currency, sums)| (*currency, *sums))
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Entries with this RRN, at most one for each acquirer and class.
    pub(crate) fn with_rrn(&self, rrn: Rrn) -> Vec<EntryIndex> {
        let keys = self
            .acquirers
            .iter()
            .flat_map(|acquirer| MessageClass::ALL.map(|class| NameKey { acquirer: *acquirer, class, rrn }));
        let mut found: Vec<EntryIndex> = keys.filter_map(|key| self.index_of(key)).collect();
        found.sort();
        found
    }

    /// The newest entries of some accounts, newest first, at most `entries_max`.
    pub(crate) fn newest_of(&self, accounts: &[AccountId], entries_max: usize) -> Vec<EntryIndex> {
        self.records
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, record)| accounts.contains(&record.entry.account))
            .take(entries_max)
            .filter_map(|(index, _)| u32::try_from(index).ok().map(EntryIndex))
            .collect()
    }

    /// Whether there is no room for another entry of this class.
    pub(crate) fn is_full(&self, class: MessageClass) -> bool {
        let entries_max = u64::from(self.limits.entries_max);
        let room = match class {
            MessageClass::ReversalAdvice => entries_max + entries_max / 10,
            _ => entries_max,
        };
        u64::try_from(self.records.len()).unwrap_or(u64::MAX) >= room
    }

    fn limit_minor(&self, currency: Currency) -> u64 {
        self.limits.open_to_buy_major.saturating_mul(10u64.saturating_pow(u32::from(currency.exponent())))
    }

    fn record(&self, index: EntryIndex) -> Option<&Record> {
        self.records.get(usize::try_from(index.0).ok()?)
    }

    fn error(&self, problem: &'static str) -> BookError {
        BookError { index: self.records.len(), problem }
    }

    fn next_index(&self) -> Result<EntryIndex, BookError> {
        u32::try_from(self.records.len()).map(EntryIndex).map_err(|_| self.error("there are too many"))
    }

    /// Where the entry's payment is and what it becomes. The sums that it says it moves have to be those that it
    /// does move.
    fn moved_payment(&self, entry: &Entry) -> Result<Option<MovedPayment>, BookError> {
        let amount = entry.amount_minor;
        let begun = match entry.effect {
            Effect::None | Effect::Tombstone => return Ok(None),
            Effect::Hold => Some(Payment::new(PaymentKind::Authorization, amount)),
            Effect::Purchase => Some(Payment::new(PaymentKind::Purchase, amount)),
            Effect::Capture | Effect::Refund | Effect::Void | Effect::Reversal => None,
        };
        let moved = match begun {
            Some(payment) => MovedPayment { place: None, payment, delta: payment.as_delta() },
            None => self.stepped_payment(entry)?,
        };
        if moved.delta != entry.delta {
            return Err(self.error("it moves other sums than it says"));
        }
        Ok(Some(moved))
    }

    fn stepped_payment(&self, entry: &Entry) -> Result<MovedPayment, BookError> {
        let target = entry.target.and_then(|target| self.record(target));
        let target = target.ok_or(self.error("the message it belongs to is not there"))?;
        let step = match entry.effect {
            Effect::Capture => Some(Step::Capture(entry.amount_minor)),
            Effect::Refund => Some(Step::Refund(entry.amount_minor)),
            Effect::Void => Some(Step::Void),
            _ => undoing(&target.entry),
        };
        let step = step.ok_or(self.error("it undoes what cannot be undone"))?;
        let place = target.payment.ok_or(self.error("the message it belongs to moved no money"))?;
        let before = usize::try_from(place.0).ok().and_then(|place| self.payments.get(place));
        let before = before.ok_or(self.error("its payment is not there"))?;
        let payment = before.after(step).ok_or(self.error("a sum would fall below zero or rise above its limit"))?;
        Ok(MovedPayment { place: Some(place), payment, delta: payment.since(before) })
    }

    fn moved_sums(&self, sums: Sums, entry: &Entry) -> Result<Sums, BookError> {
        let sum = |before: u64, by: i64| before.checked_add_signed(by).ok_or(self.error("a sum is out of range"));
        Ok(Sums {
            held: sum(sums.held, entry.delta.held)?,
            posted: sum(sums.posted, entry.delta.posted)?,
            refunded: sum(sums.refunded, entry.delta.refunded)?,
            entries: sums.entries.saturating_add(1),
        })
    }

    fn put_payment(&mut self, moved: Option<MovedPayment>) -> Result<Option<PaymentIndex>, BookError> {
        let Some(MovedPayment { place, payment, .. }) = moved else { return Ok(None) };
        let Some(place) = place else {
            let place = u32::try_from(self.payments.len()).map_err(|_| self.error("there are too many payments"))?;
            self.payments.push(payment);
            return Ok(Some(PaymentIndex(place)));
        };
        if let Some(slot) = usize::try_from(place.0).ok().and_then(|place| self.payments.get_mut(place)) {
            *slot = payment;
        }
        Ok(Some(place))
    }

    fn put_names(&mut self, entry: &Entry, index: EntryIndex) {
        let name = &entry.name;
        self.acquirers.insert(name.acquirer);
        self.by_name.insert(NameKey { acquirer: name.acquirer, class: name.class, rrn: name.rrn }, index);
        if matches!(name.class, MessageClass::Authorization | MessageClass::Financial) {
            self.by_original.insert(name.as_original(), index);
        }
        if let (Effect::Tombstone, Some(original)) = (entry.effect, entry.original) {
            self.never_count.insert(original);
        }
    }
}

/// A payment after an entry; without a place it is a new one.
#[derive(Clone, Copy)]
struct MovedPayment {
    place: Option<PaymentIndex>,
    payment: Payment,
    delta: Delta,
}

/// What the reversal of `entry` does to its payment; `None` when it is nothing that can be undone.
pub(crate) const fn undoing(entry: &Entry) -> Option<Step> {
    match entry.effect {
        Effect::Hold | Effect::Purchase => Some(Step::Undo),
        Effect::Capture => Some(Step::UndoCapture(entry.amount_minor)),
        Effect::Refund => Some(Step::UndoRefund(entry.amount_minor)),
        Effect::None | Effect::Void | Effect::Reversal | Effect::Tombstone => None,
    }
}
