//! The data keys that this process knows: all of them wrapped, the used ones ready.

use crate::port::{DataKeyId, WrappedDataKey};
use aws_lc_rs::aead::LessSafeKey;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tollgate_core::ident::MerchantId;

/// A data key, unwrapped and expanded.
pub(crate) struct PreparedKey {
    pub(crate) id: DataKeyId,
    pub(crate) merchant: MerchantId,
    pub(crate) period: u32,
    pub(crate) cipher: LessSafeKey,
}

/// What is known of a data key.
pub(crate) enum Known {
    /// It is ready.
    Ready(Arc<PreparedKey>),
    /// It has to be unwrapped first.
    Wrapped(Arc<WrappedDataKey>),
    /// Nothing: the store has to be asked.
    Nothing,
}

/// The data keys that this process knows. A reader holds the lock for two look-ups and no longer.
pub(crate) struct Keyring {
    keys: RwLock<Keys>,
    prepared_max: usize,
}

#[derive(Default)]
struct Keys {
    wrapped: HashMap<DataKeyId, Arc<WrappedDataKey>>,
    sealing: HashMap<(MerchantId, u32), Sealing>,
    prepared: HashMap<DataKeyId, Arc<PreparedKey>>,
}

/// The key with which a merchant seals in a month.
#[derive(Clone, Copy)]
struct Sealing {
    generation: u32,
    id: DataKeyId,
}

impl Keyring {
    /// Without keys; keeps at most `prepared_max` of them ready.
    pub(crate) fn new(prepared_max: usize) -> Keyring {
        Keyring { keys: RwLock::default(), prepared_max }
    }

    /// The key with which `merchant` seals in `period`.
    pub(crate) fn sealing(&self, merchant: MerchantId, period: u32) -> Known {
        let keys = self.read();
        keys.sealing.get(&(merchant, period)).map_or(Known::Nothing, |sealing| keys.known(sealing.id))
    }

    /// The key of `merchant` and `period` as it is kept.
    pub(crate) fn wrapped(&self, merchant: MerchantId, period: u32) -> Option<Arc<WrappedDataKey>> {
        let keys = self.read();
        keys.sealing.get(&(merchant, period)).and_then(|sealing| keys.wrapped.get(&sealing.id)).map(Arc::clone)
    }

    /// The key with that id.
    pub(crate) fn opening(&self, id: DataKeyId) -> Known {
        self.read().known(id)
    }

    /// Learns of wrapped keys; what is known of the same id is replaced.
    pub(crate) fn learn(&self, rows: impl IntoIterator<Item = WrappedDataKey>) {
        let mut keys = self.write();
        for row in rows {
            let new = Sealing { generation: row.generation, id: row.id };
            let sealing = keys.sealing.entry((row.merchant, row.period)).or_insert(new);
            // The highest generation seals. Should a store break its promise and hold two keys of one, all
            // nodes take the older.
            if (new.generation, std::cmp::Reverse(new.id)) > (sealing.generation, std::cmp::Reverse(sealing.id)) {
                *sealing = new;
            }
            keys.wrapped.insert(row.id, Arc::new(row));
        }
    }

    /// All known keys of a merchant, in any order.
    pub(crate) fn of_merchant(&self, merchant: MerchantId) -> Vec<Arc<WrappedDataKey>> {
        self.read().wrapped.values().filter(|row| row.merchant == merchant).cloned().collect()
    }

    /// Keeps a key ready. When there are too many, those of the oldest month give way.
    pub(crate) fn keep(&self, key: &Arc<PreparedKey>) {
        let mut keys = self.write();
        if keys.prepared.len() >= self.prepared_max
            && let Some(oldest) = keys.prepared.values().map(|kept| kept.period).min()
        {
            keys.prepared.retain(|_, kept| kept.period != oldest);
        }
        keys.prepared.insert(key.id, Arc::clone(key));
    }

    /// How many keys are known, and how many of them are ready.
    pub(crate) fn counts(&self) -> KeyCounts {
        let keys = self.read();
        KeyCounts { known: keys.wrapped.len(), ready: keys.prepared.len() }
    }

    // A panic elsewhere cannot leave a map half changed, so a poisoned lock is as good as any.
    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyCounts {
    pub(crate) known: usize,
    pub(crate) ready: usize,
}

impl Keys {
    fn known(&self, id: DataKeyId) -> Known {
        match (self.prepared.get(&id), self.wrapped.get(&id)) {
            (Some(key), _) => Known::Ready(Arc::clone(key)),
            (None, Some(row)) => Known::Wrapped(Arc::clone(row)),
            (None, None) => Known::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::port::RotationState;

    fn key(id: i64, period: u32) -> Arc<PreparedKey> {
        let cipher = crate::aead::prepare(&[7; 32]).unwrap();
        Arc::new(PreparedKey { id: DataKeyId(id), merchant: MerchantId(1), period, cipher })
    }

    fn row(id: i64, period: u32) -> WrappedDataKey {
        WrappedDataKey {
            id: DataKeyId(id),
            merchant: MerchantId(1),
            period,
            generation: 1,
            rotation: RotationState::None,
            kek_version: 1,
            wrapped: vec![0; 61],
            created_at: tollgate_core::time::Timestamp(0),
        }
    }

    #[test]
    fn the_oldest_month_gives_way_when_too_many_keys_are_ready_and_stays_known() {
        let ring = Keyring::new(3);
        for (id, period) in [(1, 202_610), (2, 202_609), (3, 202_609), (4, 202_611)] {
            ring.learn([row(id, period)]);
            ring.keep(&key(id, period));
        }
        assert_eq!(ring.counts(), KeyCounts { known: 4, ready: 2 });
        assert!(matches!(ring.opening(DataKeyId(1)), Known::Ready(_)));
        assert!(matches!(ring.opening(DataKeyId(2)), Known::Wrapped(_)));
        assert!(matches!(ring.opening(DataKeyId(4)), Known::Ready(_)));
        assert!(matches!(ring.opening(DataKeyId(5)), Known::Nothing));
    }

    #[test]
    fn of_two_keys_for_a_month_the_older_seals_in_whatever_order_they_come() {
        for order in [[3, 5], [5, 3]] {
            let ring = Keyring::new(3);
            ring.learn(order.map(|id| row(id, 202_611)));
            let Known::Wrapped(found) = ring.sealing(MerchantId(1), 202_611) else { unreachable!("it was learnt") };
            assert_eq!(found.id, DataKeyId(3));
            assert!(matches!(ring.sealing(MerchantId(1), 202_612), Known::Nothing));
        }
    }

    #[test]
    fn the_highest_generation_of_a_month_seals_in_whatever_order_they_come() {
        for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
            let ring = Keyring::new(3);
            ring.learn(
                order.map(|generation| WrappedDataKey { generation, ..row(10 - i64::from(generation), 202_611) }),
            );
            let Known::Wrapped(found) = ring.sealing(MerchantId(1), 202_611) else { unreachable!("it was learnt") };
            assert_eq!(found.generation, 3);
        }
    }
}
