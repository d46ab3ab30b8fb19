//! On which day each merchant's use of a route was last written, so that it is written once a day and no
//! payment besides has a statement more.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use tollgate_core::ident::MerchantId;
use tollgate_core::scope::Route;
use tollgate_core::time::{DAY_US, Timestamp};

/// The days, of merchants times routes at most. Empty after a start: then each is written once more.
#[derive(Default)]
pub(crate) struct RouteDays(RwLock<HashMap<(MerchantId, Route), i64>>);

impl RouteDays {
    /// Whether the use of a route is still to be written on this day.
    pub(crate) fn unnoted(&self, merchant: MerchantId, route: Route, now: Timestamp) -> bool {
        let days = self.0.read().unwrap_or_else(PoisonError::into_inner);
        days.get(&(merchant, route)) != Some(&day(now))
    }

    /// Its writing is durable.
    pub(crate) fn noted(&self, merchant: MerchantId, route: Route, now: Timestamp) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert((merchant, route), day(now));
    }
}

fn day(now: Timestamp) -> i64 {
    now.0.div_euclid(DAY_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_written_once_a_day_for_each_merchant() {
        let days = RouteDays::default();
        let (one, two) = (MerchantId(1), MerchantId(2));
        let at = |day: i64| Timestamp(day * DAY_US + 7);
        assert!(days.unnoted(one, Route::Token, at(3)), "asking alone notes nothing");
        assert!(days.unnoted(one, Route::Token, at(3)));
        days.noted(one, Route::Token, at(3));
        assert!(!days.unnoted(one, Route::Token, Timestamp(at(4).0 - 8)));
        assert!(days.unnoted(one, Route::Token, at(4)));
        assert!(days.unnoted(one, Route::TrustedClear, at(3)));
        assert!(days.unnoted(two, Route::Token, at(3)));
    }
}
