//! One life of the gateway, from a start to a crash.

use std::future::pending;
use tokio_util::sync::CancellationToken;

/// A life. Clones are the same life.
///
/// A crash is simulated at the gateway's ports: when a life is over, no call of the store, of the network or of a merchant
/// ever returns to it, and nothing that it still does has any effect. Its tasks hang where they are until the run ends.
#[derive(Clone, Debug, Default)]
pub struct Life {
    over: CancellationToken,
}

impl Life {
    /// A life that has begun.
    #[must_use]
    pub fn begin() -> Life {
        Life::default()
    }

    /// The gateway dies.
    pub fn end(&self) {
        self.over.cancel();
    }

    /// Whether it has died.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits for its death.
    pub async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// Returns at once in a life that lasts, and never in one that is over.
    pub async fn go_on(&self) {
        if self.is_over() {
            pending().await
        }
    }
}
