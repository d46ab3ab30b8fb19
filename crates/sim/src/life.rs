//! One life of a gateway's process, from a start to a crash.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
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
    pause: Arc<Pause>,
}

/// Whether a process stands still. It wakes whoever waits in the order in which they came, so that a run can be repeated.
#[derive(Debug, Default)]
struct Pause {
    is_paused: AtomicBool,
    begun: Notify,
    over: Notify,
}

impl Life {
    /// A life that has begun.
    #[must_use]
    pub fn begin() -> Life {
        Life { over: CancellationToken::new(), pause: Arc::default() }
    }

    /// Whether `other` is this life.
    #[must_use]
    pub fn is_same(&self, other: &Life) -> bool {
        Arc::ptr_eq(&self.pause, &other.pause)
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
        self.pause.is_paused.store(true, Ordering::Relaxed);
        self.pause.begun.notify_waiters();
    }

    /// The process goes on.
    pub fn resume(&self) {
        self.pause.is_paused.store(false, Ordering::Relaxed);
        self.pause.over.notify_waiters();
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pause.is_paused.load(Ordering::Relaxed)
    }

    /// Waits until it dies or is paused.
    pub async fn broken_off(&self) {
        // A run has one thread: nothing happens between the question and the wait.
        if self.is_paused() {
            return;
        }
        tokio::select! {
            biased;
            () = self.ended() => {}
            () = self.pause.begun.notified() => {}
        }
    }

    /// Returns at once in a life that goes on, later in one that is paused, and never in one that is over.
    pub async fn go_on(&self) {
        while self.is_paused() {
            self.pause.over.notified().await;
        }
        if self.is_over() {
            pending().await
        }
    }
}
