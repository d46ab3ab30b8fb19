//! The auditor's own account of tokens: under which name of which merchant which card was kept, and when. It shares no
//! rule with the gateway's engine.
//!
//! Moments are counted in steps, one for each change, so that what happened in the same millisecond has an order.

use crate::record::OrderNumber;
use crate::tables::HashMap;
use std::collections::BTreeMap;

/// A name of a merchant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenKey {
    /// The merchant.
    pub merchant: u64,
    /// The name.
    pub name: String,
}

/// A card that is kept under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The number that the gateway gave it.
    pub id: i64,
    /// The card, by its place in the list of cards.
    pub card: usize,
    /// Whether it may be used.
    pub active: bool,
}

/// A card that waits for the success of a payment.
#[derive(Clone, Debug)]
struct Waiting {
    key: TokenKey,
    kept: Kept,
}

/// What was under a name from some step on.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u64,
    kept: Option<Kept>,
}

/// All names.
#[derive(Default)]
pub struct Wallet {
    step: u64,
    names: BTreeMap<TokenKey, Vec<Span>>,
    waiting: HashMap<OrderNumber, Waiting>,
    /// The names that payments have made, or have given a new card.
    made: HashMap<OrderNumber, Made>,
    /// Payments whose name was deleted while they were under way.
    given_up: HashMap<OrderNumber, TokenKey>,
}

/// A name that a payment has made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The name.
    pub key: TokenKey,
    /// Since when.
    pub since: u64,
}

impl Wallet {
    /// The moment now.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.step
    }

    /// What was under a name at the moment `since` and at each moment after it, each once; `None` when there was nothing.
    pub fn since<'a>(&'a self, key: &TokenKey, since: u64) -> impl Iterator<Item = Option<Kept>> + 'a {
        let spans = self.names.get(key).map(Vec::as_slice).unwrap_or_default();
        let behind = spans.partition_point(|span| span.from <= since);
        let then = behind.checked_sub(1).and_then(|place| spans.get(place)).and_then(|span| span.kept);
        std::iter::once(then).chain(spans.get(behind..).unwrap_or_default().iter().map(|span| span.kept))
    }

    /// What is under a name now.
    #[must_use]
    pub fn kept(&self, key: &TokenKey) -> Option<Kept> {
        self.names.get(key).and_then(|spans| spans.last()).and_then(|span| span.kept)
    }

    /// Everything that is kept now.
    pub fn all(&self) -> impl Iterator<Item = (&TokenKey, Kept)> {
        self.names.iter().filter_map(|(key, spans)| Some((key, spans.last()?.kept?)))
    }

    /// The name that a payment has made.
    #[must_use]
    pub fn made_by(&self, order: OrderNumber) -> Option<&Made> {
        self.made.get(&order)
    }

    /// The name of a payment that was deleted while it was under way.
    #[must_use]
    pub fn given_up(&self, order: OrderNumber) -> Option<&TokenKey> {
        self.given_up.get(&order)
    }

    /// Whether a payment still waits to make a name.
    #[must_use]
    pub fn waits(&self, order: OrderNumber) -> bool {
        self.waiting.contains_key(&order)
    }

    /// A payment would keep its card under a name.
    pub fn wait(&mut self, order: OrderNumber, key: TokenKey, kept: Kept) {
        self.waiting.insert(order, Waiting { key, kept });
    }

    /// A payment has succeeded: its card is kept. A name that is switched off stays so.
    pub fn fulfil(&mut self, order: OrderNumber) {
        let Some(Waiting { key, kept }) = self.waiting.remove(&order) else { return };
        let active = self.kept(&key).is_none_or(|before| before.active);
        self.put(key.clone(), Some(Kept { active, ..kept }));
        self.made.insert(order, Made { key, since: self.step });
    }

    /// A payment has come to nothing.
    pub fn forgo(&mut self, order: OrderNumber) {
        self.waiting.remove(&order);
    }

    /// The kept card with number `id` has this name and this status from now on. `false` when no card has that number, or
    /// another one has the name.
    pub fn change(&mut self, id: i64, name: &str, active: bool) -> bool {
        let Some((key, kept)) = self.all().find(|(_, kept)| kept.id == id).map(|(key, kept)| (key.clone(), kept))
        else {
            return false;
        };
        let renamed = TokenKey { merchant: key.merchant, name: name.to_owned() };
        if renamed != key {
            if self.kept(&renamed).is_some() {
                return false;
            }
            self.put(key, None);
        }
        self.put(renamed, Some(Kept { active, ..kept }));
        true
    }

    /// A name is deleted, with whatever payments under way would keep under it. Answers whether there was a card.
    pub fn delete(&mut self, key: &TokenKey) -> bool {
        let gone: Vec<OrderNumber> =
            self.waiting.iter().filter(|(_, waiting)| waiting.key == *key).map(|(order, _)| *order).collect();
        for order in gone {
            self.waiting.remove(&order);
            self.given_up.insert(order, key.clone());
        }
        let was_there = self.kept(key).is_some();
        if was_there {
            self.put(key.clone(), None);
        }
        was_there
    }

    fn put(&mut self, key: TokenKey, kept: Option<Kept>) {
        self.step += 1;
        self.names.entry(key).or_default().push(Span { from: self.step, kept });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(name: &str) -> TokenKey {
        TokenKey { merchant: 0, name: name.to_owned() }
    }

    fn kept(id: i64, card: usize) -> Kept {
        Kept { id, card, active: true }
    }

    #[test]
    fn a_card_is_kept_by_success_alone_and_its_past_is_known() {
        let mut wallet = Wallet::default();
        wallet.wait(1, key("a"), kept(1, 4));
        wallet.wait(2, key("a"), kept(2, 5));
        assert_eq!(wallet.kept(&key("a")), None);
        wallet.forgo(1);
        wallet.fulfil(1);
        assert_eq!(wallet.kept(&key("a")), None);
        let before = wallet.now();
        wallet.fulfil(2);
        assert_eq!(wallet.since(&key("a"), before).collect::<Vec<_>>(), [None, Some(kept(2, 5))]);
        assert_eq!(wallet.since(&key("a"), wallet.now()).collect::<Vec<_>>(), [Some(kept(2, 5))]);
        assert_eq!(wallet.made_by(2).map(|made| &made.key), Some(&key("a")));
    }

    #[test]
    fn a_new_card_under_a_name_that_is_switched_off_leaves_it_off() {
        let mut wallet = Wallet::default();
        wallet.wait(1, key("a"), kept(1, 4));
        wallet.fulfil(1);
        assert!(wallet.change(1, "b", false));
        assert_eq!((wallet.kept(&key("a")), wallet.kept(&key("b")).unwrap().active), (None, false));
        wallet.wait(2, key("b"), kept(2, 5));
        wallet.fulfil(2);
        assert_eq!(wallet.kept(&key("b")), Some(Kept { active: false, ..kept(2, 5) }));
        assert!(!wallet.change(1, "c", true), "the card that gave way is gone");
    }

    #[test]
    fn who_is_under_way_when_its_name_is_deleted_keeps_nothing() {
        let mut wallet = Wallet::default();
        wallet.wait(1, key("a"), kept(1, 4));
        assert!(!wallet.delete(&key("a")));
        wallet.fulfil(1);
        assert!(wallet.given_up(1).is_some() && wallet.kept(&key("a")).is_none());
    }
}
