//! Latencies, counted in classes whose width grows with the value.

use serde::Serialize;
use std::time::Duration;

/// Each doubling of the value has this many classes, as a power of two: 64, so a class is at most 1/64 wide.
const CLASSES_BITS: u32 = 6;
const CLASSES: u64 = 1 << CLASSES_BITS;

/// How often which latency occurred. Quantiles are off by at most 1.6 %, and never too low.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Histogram {
    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let place = class_of(ns);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Histogram) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many latencies were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency that `per_ten_thousand` of 10,000 did not exceed: 5,000 is the median, 9,990 is p99.9. Zero when
    /// nothing was counted.
    pub fn quantile(&self, per_ten_thousand: u32) -> Duration {
        let rank = (u128::from(self.total) * u128::from(per_ten_thousand.min(10_000))).div_ceil(10_000).max(1);
        let mut seen = 0_u128;
        for (place, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                return Duration::from_nanos(highest_of(place).min(self.max_ns));
            }
        }
        Duration::from_nanos(self.max_ns)
    }

    /// The longest latency, exactly.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The usual quantiles.
    pub fn summary(&self) -> Latency {
        let us = |duration: Duration| (duration.as_secs_f64() * 1e7).round() / 10.0;
        Latency {
            count: self.total,
            p50_us: us(self.quantile(5_000)),
            p90_us: us(self.quantile(9_000)),
            p99_us: us(self.quantile(9_900)),
            p99_9_us: us(self.quantile(9_990)),
            max_us: us(self.max()),
        }
    }
}

/// Quantiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// The median.
    pub p50_us: f64,
    /// 9 of 10 took at most this long.
    pub p90_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p99_9_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// Values below 64 have a class each; above, 64 classes to each doubling.
fn class_of(ns: u64) -> usize {
    let place = match ns.checked_ilog2() {
        Some(octave) if octave >= CLASSES_BITS => {
            let shift = octave - CLASSES_BITS;
            (u64::from(shift) + 1) * CLASSES + ((ns >> shift) - CLASSES)
        }
        _ => ns,
    };
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The highest value of a class.
fn highest_of(place: usize) -> u64 {
    let place = u64::try_from(place).unwrap_or(u64::MAX);
    if place < CLASSES {
        return place;
    }
    let shift = place / CLASSES - 1;
    let lowest = u128::from(CLASSES + place % CLASSES) << shift;
    u64::try_from(lowest + (1_u128 << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|ns| histogram.record(Duration::from_nanos(*ns)));
        histogram
    }

    #[test]
    fn classes_follow_each_other_without_a_gap() {
        for place in 0..58 * 64 {
            assert_eq!(class_of(highest_of(place)), place);
            assert_eq!(class_of(highest_of(place) + 1), place + 1);
        }
        assert_eq!(highest_of(class_of(u64::MAX)), u64::MAX);
    }

    #[test]
    fn nothing_counted_is_zero() {
        assert_eq!(Histogram::default().summary(), Latency::default());
    }

    #[test]
    fn small_values_are_exact_and_the_highest_always_is() {
        let histogram = of(&(1..=50).collect::<Vec<_>>());
        assert_eq!(histogram.quantile(5_000), Duration::from_nanos(25));
        assert_eq!(histogram.quantile(0), Duration::from_nanos(1));
        assert_eq!(of(&[1_000_003]).quantile(5_000), Duration::from_nanos(1_000_003));
        assert_eq!(of(&[3, 1_000_003]).max(), Duration::from_nanos(1_000_003));
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_one_class_above_the_exact_one(
            mut values in prop::collection::vec(0_u64..10_000_000_000, 1..300),
            part in 1_u32..=10_000,
        ) {
            let quantile = u64::try_from(of(&values).quantile(part).as_nanos()).unwrap();
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(part).unwrap()).div_ceil(10_000);
            let exact = values[rank - 1];
            prop_assert!(quantile >= exact && quantile <= exact + exact / 64);
        }

        #[test]
        fn merged_is_the_same_as_counted_together(
            one in prop::collection::vec(0_u64..u64::MAX, 0..50),
            other in prop::collection::vec(0_u64..u64::MAX, 0..50),
        ) {
            let mut merged = of(&one);
            merged.merge(&of(&other));
            let together = of(&[one, other].concat());
            prop_assert_eq!(merged.summary(), together.summary());
        }
    }
}
