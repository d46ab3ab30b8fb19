//! How feedback is delivered.

/// Times and limits. The default is the published rhythm of APS first, ten tries ten seconds apart, and
/// then growing intervals for thirty days.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedbackSettings {
    /// The longest time for one try, from the look-up of the name to the end of the answer, in
    /// milliseconds.
    pub try_timeout_ms: u64,
    /// How many tries follow each other quickly.
    pub quick_tries: u32,
    /// The wait between two quick tries, in milliseconds.
    pub quick_retry_ms: u64,
    /// The first longer wait, in milliseconds; it doubles with each try.
    pub slow_retry_ms_min: u64,
    /// The longest wait, in milliseconds.
    pub slow_retry_ms_max: u64,
    /// For how long a feedback is tried before it is paused, in milliseconds.
    pub tried_for_ms_max: u64,
    /// How many deliveries to one receiver may be under way at once.
    pub lane_in_flight_max: usize,
    /// How many deliveries may be under way at once in all.
    pub in_flight_max: usize,
}

impl Default for FeedbackSettings {
    fn default() -> FeedbackSettings {
        FeedbackSettings {
            try_timeout_ms: 15_000,
            quick_tries: 10,
            quick_retry_ms: 10_000,
            slow_retry_ms_min: 60_000,
            slow_retry_ms_max: 6 * 3_600_000,
            tried_for_ms_max: 30 * 86_400_000,
            lane_in_flight_max: 4,
            in_flight_max: 64,
        }
    }
}
