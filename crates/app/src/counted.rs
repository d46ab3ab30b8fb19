//! Counters on the path of each request, looked up once instead of each time.

use metrics::Counter;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// The counters of one metric by what their labels come from, of which there have to be few.
#[derive(Default)]
pub struct Counted<K> {
    known: RwLock<BTreeMap<K, Counter>>,
}

impl<K: Ord> Counted<K> {
    /// Adds one to the counter of `key`, which `look_up` finds the first time.
    pub fn count<Q>(&self, key: &Q, look_up: impl FnOnce() -> Counter)
    where
        K: Borrow<Q>,
        Q: Ord + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(counter) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return counter.increment(1);
        }
        let counter = look_up();
        counter.increment(1);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), counter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn each_key_is_looked_up_once_and_counted_each_time() {
        let counted = Counted::<String>::default();
        let sums: [Arc<AtomicU64>; 2] = Default::default();
        for (place, sum) in sums.iter().enumerate() {
            for _ in 0..3 {
                let mut looked_up = false;
                counted.count(if place == 0 { "14000" } else { "00008" }, || {
                    looked_up = true;
                    Counter::from_arc(Arc::clone(sum))
                });
                assert_eq!(looked_up, sum.load(Ordering::Relaxed) == 1);
            }
        }
        assert_eq!(sums.map(|sum| sum.load(Ordering::Relaxed)), [3, 3]);
    }
}
