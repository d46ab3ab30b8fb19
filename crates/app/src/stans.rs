//! The STANs that a gateway gives to its messages (ISO 8583:1987 field 11, six digits).

use std::sync::atomic::{AtomicU32, Ordering};
use tollgate_core::ident::Stan;
use tollgate_core::time::Timestamp;
use tollgate_store::Tenancy;

/// How many STANs there are.
const STANS: u32 = 999_999;
/// How many nodes there may be on one store: their numbers have two digits.
const NODES_MAX: u32 = 100;

/// One after the other, and from the first again after the last. Who is alone on its store has all of them. Of several
/// nodes each has its own hundredth, which is more than it can use in a second, and a message is named by its second, too.
pub(crate) struct Stans {
    next: AtomicU32,
    first: u32,
    step: u32,
    count: u32,
}

impl Stans {
    /// Those of a node that starts now.
    pub(crate) fn new(node: u8, tenancy: Tenancy, now: Timestamp) -> Stans {
        let (first, step) = match tenancy {
            Tenancy::Sole => (0, 1),
            Tenancy::Shared => (u32::from(node) % NODES_MAX, NODES_MAX),
        };
        let count = STANS / step;
        // After a restart they go on at another place, so that none is used twice in a short time.
        let place = now.0.div_euclid(1000).rem_euclid(i64::from(count));
        Stans { next: AtomicU32::new(u32::try_from(place).unwrap_or(0)), first, step, count }
    }

    /// The next one.
    pub(crate) fn next(&self) -> Stan {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.count;
        Stan::folded(turn * self.step + self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const NOW: Timestamp = Timestamp(1_795_664_614_354_194);

    #[test]
    fn no_two_nodes_share_a_stan_and_none_has_one_twice_in_a_second() {
        let mut used = HashSet::new();
        for node in [0, 1, 57, 99] {
            let stans = Stans::new(node, Tenancy::Shared, NOW);
            let turns: HashSet<Stan> = (0..stans.count).map(|_| stans.next()).collect();
            assert_eq!(turns.len(), 9_999, "node {node}");
            for stan in turns {
                assert!(used.insert(stan), "node {node}: {stan:?}");
            }
        }
    }

    #[test]
    fn who_is_alone_has_all_of_them() {
        let stans = Stans::new(57, Tenancy::Sole, NOW);
        let first = stans.next();
        let others: HashSet<Stan> = (1..STANS).map(|_| stans.next()).collect();
        assert_eq!(others.len(), STANS as usize - 1);
        assert!(!others.contains(&first));
        assert_eq!(stans.next(), first);
    }
}
