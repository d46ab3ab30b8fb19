//! A bounded memory of things that happened lately.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

/// Remembers at most a number of entries, each at most for an age; the oldest goes first.
pub(crate) struct Recent<K, V> {
    entries_max: usize,
    age_max: Duration,
    entries: HashMap<K, Dated<V>>,
    /// In the order of adding. May name keys that were taken out or added anew since: their dates differ.
    order: VecDeque<Dated<K>>,
}

struct Dated<T> {
    at: Instant,
    item: T,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    pub(crate) fn new(entries_max: usize, age_max: Duration) -> Recent<K, V> {
        Recent { entries_max, age_max, entries: HashMap::new(), order: VecDeque::new() }
    }

    /// Adds an entry in place of one under the same key.
    pub(crate) fn add(&mut self, key: K, value: V, now: Instant) {
        self.forget_old(now);
        while self.order.len() >= self.entries_max {
            self.forget_front();
        }
        self.entries.insert(key, Dated { at: now, item: value });
        self.order.push_back(Dated { at: now, item: key });
    }

    /// Takes an entry out.
    pub(crate) fn take(&mut self, key: &K, now: Instant) -> Option<V> {
        self.forget_old(now);
        self.entries.remove(key).map(|dated| dated.item)
    }

    /// Whether there is an entry.
    pub(crate) fn has(&self, key: &K, now: Instant) -> bool {
        self.entries.get(key).is_some_and(|dated| now.saturating_duration_since(dated.at) < self.age_max)
    }

    fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|oldest| now.saturating_duration_since(oldest.at) >= self.age_max) {
            self.forget_front();
        }
    }

    fn forget_front(&mut self) {
        if let Some(oldest) = self.order.pop_front()
            && self.entries.get(&oldest.item).is_some_and(|entry| entry.at == oldest.at)
        {
            self.entries.remove(&oldest.item);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let start = Instant::now();
        let mut recent = Recent::new(3, Duration::from_secs(900));
        for key in 0..5 {
            recent.add(key, key * 10, start + Duration::from_millis(key));
        }
        let now = start + Duration::from_secs(1);
        assert_eq!((0..5).map(|key| recent.has(&key, now)).collect::<Vec<_>>(), [false, false, true, true, true]);
        assert_eq!(recent.take(&4, now), Some(40));
        assert_eq!(recent.take(&4, now), None);
    }

    #[test]
    fn entries_end_at_their_age_and_not_before() {
        let start = Instant::now();
        let mut recent = Recent::new(10, Duration::from_secs(900));
        recent.add(1, (), start);
        assert!(recent.has(&1, start + Duration::from_secs(899)));
        assert!(!recent.has(&1, start + Duration::from_secs(900)));
        assert_eq!(recent.take(&1, start + Duration::from_secs(900)), None);
    }

    #[test]
    fn an_entry_added_anew_outlives_its_first_date() {
        let start = Instant::now();
        let mut recent = Recent::new(10, Duration::from_secs(900));
        recent.add(1, "first", start);
        recent.add(1, "second", start + Duration::from_secs(600));
        assert_eq!(recent.take(&1, start + Duration::from_secs(1000)), Some("second"));
    }

    #[test]
    fn memory_stays_bounded_when_entries_are_taken_out_and_added() {
        let start = Instant::now();
        let mut recent = Recent::new(8, Duration::from_secs(900));
        for key in 0..1000 {
            recent.add(key, (), start);
            recent.take(&key, start);
        }
        assert!(recent.order.len() <= 8 && recent.entries.is_empty());
    }
}
