//! How fast recovery messages go out: so many a second and no more, however many wait. It delays messages
//! and gives none up.

use tokio::time::Instant;

/// A bucket that fills with real time; each message takes one drop.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second_max: u32,
    /// Thousandths of a message that may go out at once.
    filled_milli: u64,
    filled_at: Instant,
}

impl Pace {
    /// A full bucket for this many messages a second, at least 1.
    pub(crate) fn new(per_second_max: u32, now: Instant) -> Pace {
        let per_second_max = per_second_max.max(1);
        Pace { per_second_max, filled_milli: u64::from(per_second_max) * 1000, filled_at: now }
    }

    /// How many messages may go out now.
    pub(crate) fn free(&mut self, now: Instant) -> usize {
        let passed_ms = u64::try_from(now.saturating_duration_since(self.filled_at).as_millis()).unwrap_or(u64::MAX);
        if passed_ms > 0 {
            let full = u64::from(self.per_second_max) * 1000;
            let gained = passed_ms.saturating_mul(u64::from(self.per_second_max));
            self.filled_milli = self.filled_milli.saturating_add(gained).min(full);
            self.filled_at = now;
        }
        usize::try_from(self.filled_milli / 1000).unwrap_or(usize::MAX)
    }

    /// Takes one.
    pub(crate) fn take(&mut self) {
        self.filled_milli = self.filled_milli.saturating_sub(1000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn no_second_has_more_messages_than_the_limit_and_none_is_refused_for_ever() {
        let begin = Instant::now();
        let mut pace = Pace::new(50, begin);
        let mut sent = Vec::new();
        for step_ms in 0..10_000u64 {
            let now = begin + Duration::from_millis(step_ms);
            while pace.free(now) > 0 {
                pace.take();
                sent.push(step_ms);
            }
        }
        assert_eq!(sent.len(), 50 + 9_999 * 50 / 1000, "a full bucket, then the rate");
        for (place, at) in sent.iter().enumerate().skip(50) {
            // A burst of one bucket apart, any window of a second after it holds at most the limit.
            let within = sent.iter().skip(50).filter(|other| **other > at.saturating_sub(1000) && *other <= at).count();
            assert!(within <= 50, "message {place} at {at} ms: {within}");
        }
    }
}
