//! How old unknown outcomes are: gauges by level and way out, and one log line for each operation that
//! comes to a level.

use crate::gateway::{Gateway, Inner};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use tollgate_core::ident::OperationId;
use tollgate_core::order::WayOut;
use tollgate_core::time::Timestamp;
use tollgate_store::{RecoveryRow, StoreError};

/// How many operations are told one by one; the gauges count all.
const TOLD_MAX: usize = 1_000;
/// The shortest time between two looks, in milliseconds of real time.
const LOOK_EVERY_MS: u64 = 1_000;

/// How long an operation is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Longer than `gateway.unknown_alert_after_ms`.
    Alert,
    /// Longer than `gateway.unknown_alarm_after_ms`.
    Alarm,
}

impl Level {
    const ALL: [Level; 2] = [Level::Alert, Level::Alarm];

    const fn name(self) -> &'static str {
        match self {
            Level::Alert => "alert",
            Level::Alarm => "alarm",
        }
    }

    /// The latest moment since when an operation of this level is unknown.
    fn since(self, inner: &Inner, now: Timestamp) -> Timestamp {
        let after_ms = match self {
            Level::Alert => inner.settings.unknown_alert_after_ms,
            Level::Alarm => inner.settings.unknown_alarm_after_ms,
        };
        Timestamp(now.0.saturating_sub(i64::try_from(after_ms).unwrap_or(i64::MAX).saturating_mul(1000)))
    }
}

/// What was told already.
#[derive(Default)]
pub(crate) struct Ages {
    told: HashMap<OperationId, Level>,
    next_look: Option<Instant>,
}

impl Ages {
    /// Looks, unless it did a moment ago. `waiting` is how many operations are unknown, if that is known already.
    pub(crate) async fn look(&mut self, gateway: &Gateway, waiting: Option<u64>) {
        if self.next_look.is_some_and(|next| Instant::now() < next) {
            return;
        }
        self.next_look = Some(Instant::now() + Duration::from_millis(LOOK_EVERY_MS));
        if let Err(error) = self.look_now(&gateway.inner, waiting != Some(0)).await {
            tracing::error!(%error, "the ages of unknown outcomes cannot be read");
        }
    }

    async fn look_now(&mut self, inner: &Inner, some_wait: bool) -> Result<(), StoreError> {
        let now = inner.clock.now();
        for level in Level::ALL {
            let counts = match some_wait {
                true => inner.store.waiting_counts(level.since(inner, now)).await?,
                false => Vec::new(),
            };
            for way_out in WayOut::ALL {
                let count = counts.iter().find(|count| count.way_out == *way_out);
                let age_ms = count.map_or(0, |count| now.since_ms(count.oldest));
                let labels = [("level", level.name()), ("way_out", way_out.name())];
                #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
                {
                    let operations = count.map_or(0, |count| count.operations) as f64;
                    metrics::gauge!("tollgate_unknown_operations", &labels).set(operations);
                    metrics::gauge!("tollgate_unknown_oldest_seconds", &labels).set(age_ms as f64 / 1000.0);
                }
            }
        }
        let rows = match some_wait {
            true => inner.store.waiting_since(Level::Alert.since(inner, now), TOLD_MAX).await?,
            false => Vec::new(),
        };
        let alarm_since = Level::Alarm.since(inner, now);
        for (row, level) in self.news(&rows, alarm_since) {
            tell(row, level, now);
        }
        Ok(())
    }

    /// The rows that have come to a level at which they were not told yet. Rows that are gone are forgotten.
    fn news<'a>(&mut self, rows: &'a [RecoveryRow], alarm_since: Timestamp) -> Vec<(&'a RecoveryRow, Level)> {
        let before = std::mem::take(&mut self.told);
        let mut news = Vec::new();
        for row in rows {
            let level = if row.created_at <= alarm_since { Level::Alarm } else { Level::Alert };
            if before.get(&row.operation).is_none_or(|told| *told < level) {
                news.push((row, level));
            }
            self.told.insert(row.operation, level);
        }
        news
    }
}

fn tell(row: &RecoveryRow, level: Level, now: Timestamp) {
    let (operation, fort_id, way_out, messages) = (row.operation, row.fort_id, row.way_out, row.attempts);
    let age_s = now.since_ms(row.created_at) / 1000;
    match level {
        Level::Alert => {
            tracing::warn!(%operation, %fort_id, %way_out, messages, age_s, "an outcome is unknown for long; see `tollgate unknown list`");
        }
        Level::Alarm => {
            tracing::error!(%operation, %fort_id, %way_out, messages, age_s, "an outcome is unknown for very long; it wants a person: see `tollgate unknown list`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_core::ident::{FortId, MerchantId};

    fn row(id: i64, created_s: i64) -> RecoveryRow {
        RecoveryRow {
            operation: OperationId(id),
            fort_id: FortId(id),
            merchant: MerchantId(1),
            way_out: WayOut::Reverse,
            attempts: 3,
            due_at: Timestamp(0),
            created_at: Timestamp(created_s * 1_000_000),
        }
    }

    #[test]
    fn each_operation_is_told_once_per_level() {
        let mut ages = Ages::default();
        let levels = |news: Vec<(&RecoveryRow, Level)>| -> Vec<(i64, Level)> {
            news.into_iter().map(|(row, level)| (row.operation.0, level)).collect()
        };
        let rows = [row(1, 10), row(2, 100)];
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        assert_eq!(levels(ages.news(&rows, at(0))), [(1, Level::Alert), (2, Level::Alert)]);
        assert_eq!(levels(ages.news(&rows, at(0))), []);
        assert_eq!(levels(ages.news(&rows, at(10))), [(1, Level::Alarm)]);
        assert_eq!(levels(ages.news(&rows[1..], at(50))), []);
        assert!(!ages.told.contains_key(&OperationId(1)), "what is settled is forgotten");
    }
}
