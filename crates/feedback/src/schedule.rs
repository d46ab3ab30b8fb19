//! When a feedback that was not acknowledged is tried again.

use crate::settings::FeedbackSettings;
use tollgate_core::time::Timestamp;
use tollgate_store::{FeedbackThen, PauseReason};

/// What follows when the `tries`th try (from 1) since `tried_since` has failed at `now`: quick tries at
/// first, then waits that double, and at the end of the time a last one.
#[must_use]
pub fn after_failure(settings: &FeedbackSettings, tries: u32, tried_since: Timestamp, now: Timestamp) -> FeedbackThen {
    let end = tried_since.plus_ms(settings.tried_for_ms_max);
    if now >= end {
        return FeedbackThen::Pause(PauseReason::Exhausted);
    }
    FeedbackThen::Retry { due_at: now.plus_ms(wait_ms(settings, tries)).min(end) }
}

fn wait_ms(settings: &FeedbackSettings, tries: u32) -> u64 {
    match tries.checked_sub(settings.quick_tries) {
        None => settings.quick_retry_ms,
        Some(slow) => {
            let factor = 1u64.checked_shl(slow.min(63)).unwrap_or(u64::MAX);
            settings.slow_retry_ms_min.saturating_mul(factor).min(settings.slow_retry_ms_max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;

    #[test]
    fn ten_tries_ten_seconds_apart_then_doubling_waits_up_to_six_hours() {
        let settings = FeedbackSettings::default();
        let now = Timestamp(1_795_180_800_000_000);
        for (tries, wait_s) in [
            (1, 10),
            (2, 10),
            (9, 10),
            (10, 60),
            (11, 120),
            (12, 240),
            (13, 480),
            (14, 960),
            (15, 1_920),
            (16, 3_840),
            (17, 7_680),
            (18, 15_360),
            (19, 21_600),
            (20, 21_600),
            (100, 21_600),
            (u32::MAX, 21_600),
        ] {
            let due_at = Timestamp(now.0 + wait_s * SECOND_US);
            assert_eq!(after_failure(&settings, tries, now, now), FeedbackThen::Retry { due_at }, "try {tries}");
        }
    }

    #[test]
    fn a_feedback_is_tried_to_the_end_of_its_thirty_days_and_then_paused() {
        let settings = FeedbackSettings::default();
        let since = Timestamp(0);
        let end = Timestamp(30 * 86_400 * SECOND_US);
        let (mut now, mut tries) = (since, 0);
        let paused = loop {
            tries += 1;
            match after_failure(&settings, tries, since, now) {
                FeedbackThen::Retry { due_at } => {
                    assert!(due_at > now && due_at <= end, "try {tries}");
                    now = due_at;
                }
                then => break then,
            }
        };
        assert_eq!(paused, FeedbackThen::Pause(PauseReason::Exhausted));
        assert_eq!(now, end, "the last try is at the very end");
        assert!((120..160).contains(&tries), "{tries}");
    }

    proptest::proptest! {
        #[test]
        fn a_try_is_never_in_the_past_and_never_after_the_end(
            tries in 1u32.., age_ms in 0u64..4_000_000_000, since in 0i64..2_000_000_000_000_000,
        ) {
            let settings = FeedbackSettings::default();
            let since = Timestamp(since);
            let now = since.plus_ms(age_ms);
            match after_failure(&settings, tries, since, now) {
                FeedbackThen::Retry { due_at } => {
                    proptest::prop_assert!(due_at > now && due_at <= since.plus_ms(settings.tried_for_ms_max));
                }
                then => {
                    proptest::prop_assert_eq!(then, FeedbackThen::Pause(PauseReason::Exhausted));
                    proptest::prop_assert!(age_ms >= settings.tried_for_ms_max);
                }
            }
        }
    }
}
