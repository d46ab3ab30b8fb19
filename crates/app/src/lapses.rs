//! What runs out by itself: tokens that no payment made permanent, and security codes that no authorization took.

use crate::gateway::Inner;
use tollgate_core::time::Timestamp;
use tollgate_store::StoreError;

/// How long it is at least between two looks for tokens that have lapsed, in milliseconds of the gateway's clock.
const LOOK_EVERY_MS: u64 = 60_000;
/// How many tokens one commit deletes at most, so that payments do not wait for it.
const TOKENS_PER_COMMIT_MAX: usize = 256;
/// How many commits one look makes at most; the next look goes on.
const COMMITS_PER_LOOK_MAX: usize = 64;

/// When it was last looked.
#[derive(Default)]
pub(crate) struct Lapses {
    looked_at: Option<Timestamp>,
}

impl Lapses {
    /// Forgets security codes that are too old, and now and then sweeps tokens that have lapsed. Where there is nothing
    /// to sweep, nothing is written. A clock that is moved makes it look at once.
    pub(crate) async fn look(&mut self, inner: &Inner) {
        let now = inner.clock.now();
        inner.held_codes().forget_old(now);
        let is_due = self.looked_at.is_none_or(|looked_at| now.since_ms(looked_at) >= LOOK_EVERY_MS || now < looked_at);
        // A gateway whose life may be over leaves it to the others.
        if !is_due || inner.life.running().is_none() {
            return;
        }
        self.looked_at = Some(now);
        if let Err(error) = sweep(inner, now).await {
            tracing::error!(%error, "tokens that have lapsed cannot be deleted; the next look tries again");
        }
    }
}

async fn sweep(inner: &Inner, now: Timestamp) -> Result<(), StoreError> {
    let mut swept = 0;
    for _ in 0..COMMITS_PER_LOOK_MAX {
        if !inner.store.has_lapsed_tokens(now).await? {
            break;
        }
        swept += inner.store.delete_lapsed_tokens(now, TOKENS_PER_COMMIT_MAX).await?;
    }
    if swept > 0 {
        metrics::counter!("tollgate_tokens_lapsed_total").increment(swept);
        tracing::info!(tokens = swept, "tokens that no payment made permanent are deleted");
    }
    Ok(())
}
