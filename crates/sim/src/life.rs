//! One life of a gateway's process, from a start to a crash.

use std::future::pending;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A life. Clones are the same life.
///
/// A crash is simulated at the gateway's ports: when a life is over, no call of the store, of the network or of a merchant
/// ever returns to it, and nothing that it still does has any effect. Its tasks hang where they are until the run ends.
///
/// A pause is simulated in the same way: as long as it lasts, no call begins and none returns. Then everything goes on
/// where it was, as after a stop of the process by its system.
#[derive(Clone, Debug)]
pub struct Life {
    over: CancellationToken,
    paused: Arc<watch::Sender<bool>>,
}

impl Life {
    /// A life that has begun.
    #[must_use]
    pub fn begin() -> Life {
        Life { over: CancellationToken::new(), paused: Arc::new(watch::Sender::new(false)) }
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

    /// The process is stopped, and all its connections to merchants are given up.
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// The process goes on.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// Waits until it dies or is paused.
    pub async fn broken_off(&self) {
        let mut paused = self.paused.subscribe();
        tokio::select! {
            biased;
            () = self.ended() => {}
            // The sender lives as long as this.
            _ = paused.wait_for(|is_paused| *is_paused) => {}
        }
    }

    /// Returns at once in a life that goes on, later in one that is paused, and never in one that is over.
    pub async fn go_on(&self) {
        if self.is_paused() {
            let mut paused = self.paused.subscribe();
            let _ = paused.wait_for(|is_paused| !*is_paused).await;
        }
        if self.is_over() {
            pending().await
        }
    }
}
