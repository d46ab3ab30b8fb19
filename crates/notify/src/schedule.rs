//! When a message that was not taken is tried again.

use crate::settings::MessageSettings;
use tollgate_core::time::Timestamp;
use tollgate_feedback::{FeedbackSettings, schedule};
use tollgate_store::{FeedbackThen, MessageThen};

/// What follows when the `tries`th try (from 1) since `tried_since` has failed at `now`: by the same rule as feedback, with
/// the waits and the end of messages to customers.
pub(crate) fn after_failure(
    settings: &FeedbackSettings,
    tries: u32,
    tried_since: Timestamp,
    now: Timestamp,
    why: &str,
) -> MessageThen {
    match schedule::after_failure(settings, tries, tried_since, now) {
        FeedbackThen::Retry { due_at } => MessageThen::Retry { due_at },
        FeedbackThen::Delivered | FeedbackThen::Pause(_) => {
            MessageThen::GiveUp { reason: format!("it was tried for as long as it may be; the last time: {why}") }
        }
    }
}

/// The schedule of messages to customers.
pub(crate) fn to_customers(settings: &MessageSettings) -> FeedbackSettings {
    FeedbackSettings {
        // The first wait comes after the first try.
        quick_tries: 1,
        quick_retry_ms: settings.retry_ms_min,
        slow_retry_ms_min: settings.retry_ms_min,
        slow_retry_ms_max: settings.retry_ms_max,
        tried_for_ms_max: settings.tried_for_ms_max,
        ..FeedbackSettings::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_end_after_a_day_with_a_reason() {
        let settings = to_customers(&MessageSettings::default());
        let since = Timestamp(0);
        for (tries, wait_s) in [(1, 30), (2, 60), (3, 120), (7, 1_920), (8, 3_600), (30, 3_600)] {
            let due_at = Timestamp(wait_s * 1_000_000);
            assert_eq!(after_failure(&settings, tries, since, since, "451"), MessageThen::Retry { due_at }, "{tries}");
        }
        let day_later = since.plus_ms(86_400_000);
        match after_failure(&settings, 31, since, day_later, "451 busy") {
            MessageThen::GiveUp { reason } => assert!(reason.ends_with("451 busy"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
