//! The ISO 8583 link: one persistent connection that carries many payments at once.

use crate::connect::{Connect, TcpConnect};
use crate::port::{Acquirer, Exchange, ExchangeResult, LateReply, LinkState, NetworkRequest, WireTrace};
use crate::session::{self, SessionEnd};
use crate::settings::{LinkSettings, SettingsError};
use crate::shared::Shared;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tollgate_core::time::Clock;

/// The link to a card network.
///
/// It keeps one connection, signs on, shows life, and connects again when it breaks. What "sent" means: from the moment a
/// message is given to the connection's write, wholly or in part, its outcome is unknown until an answer says otherwise; a
/// message that is still in the queue then was not sent.
pub struct IsoLink {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl IsoLink {
    /// Starts the link's task on the current runtime and begins to connect by TCP. Answers that come when nobody waits for
    /// them any more go to `late`; when that is full they are counted and dropped.
    ///
    /// # Errors
    /// [`SettingsError`]; the guilty one is the operator.
    pub fn start(
        settings: LinkSettings,
        clock: Arc<dyn Clock>,
        late: mpsc::Sender<LateReply>,
    ) -> Result<IsoLink, SettingsError> {
        let connect = TcpConnect::new(settings.address.clone());
        IsoLink::start_over(connect, settings, clock, late)
    }

    /// The same over connections of another kind; the address of the settings is not used.
    ///
    /// # Errors
    /// [`SettingsError`]; the guilty one is the operator.
    pub fn start_over(
        connect: impl Connect,
        settings: LinkSettings,
        clock: Arc<dyn Clock>,
        late: mpsc::Sender<LateReply>,
    ) -> Result<IsoLink, SettingsError> {
        let shared = Arc::new(Shared::new(settings, clock, late)?);
        let task = tokio::spawn(keep_connected(connect, Arc::clone(&shared)));
        Ok(IsoLink { shared, task: Mutex::new(Some(task)) })
    }

    /// Takes no more messages, waits for the answers under way, signs off and closes the connection: all of it within
    /// `shutdown_timeout_ms`. What is unanswered then is unknown. A second call returns at once.
    pub async fn shutdown(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(task) = task else { return };
        self.shared.begin_stop();
        let mut task = AbortOnDrop(task);
        // The session keeps to the limit itself; this is for a connection that hangs in closing.
        let limit = Duration::from_millis(self.shared.settings.shutdown_timeout_ms) + CLOSING_TIMEOUT;
        let _ = tokio::time::timeout(limit, &mut task.0).await;
    }
}

impl Acquirer for IsoLink {
    fn exchange(&self, request: NetworkRequest) -> Pin<Box<dyn Future<Output = Exchange> + Send + '_>> {
        // Built here, so that the card data of the request does not move into the future.
        let prepared = self.shared.prepare(&request);
        let kind = request.kind;
        drop(request);
        Box::pin(async move {
            let exchange = match prepared {
                Ok(prepared) => self.shared.carry_out(prepared).await,
                Err(reason) => Exchange { result: ExchangeResult::NotSent(reason), trace: WireTrace::default() },
            };
            self.shared.instruments.ended(kind, &exchange.result);
            exchange
        })
    }

    fn state(&self) -> LinkState {
        self.shared.state()
    }
}

impl Drop for IsoLink {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl std::fmt::Debug for IsoLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IsoLink").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// How long closing may take beyond the limit of a shutdown.
const CLOSING_TIMEOUT: Duration = Duration::from_millis(500);

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects, runs the connection, and connects again, until the link shall stop.
async fn keep_connected(mut connect: impl Connect, shared: Arc<Shared>) {
    let mut backoff = Backoff::new(&shared.settings);
    let mut trouble = Trouble::new();
    let mut connected_before = Connected::Never;
    loop {
        let connect_timeout = Duration::from_millis(shared.settings.connect_timeout_ms);
        let connecting = tokio::time::timeout(connect_timeout, connect.connect());
        let connection = tokio::select! {
            biased;
            connection = connecting => connection,
            () = shared.stop.notified() => return,
        };
        let began = Instant::now();
        let reason = match connection {
            Err(_) => "connecting took too long",
            Ok(Err(_)) => "host cannot be reached",
            Ok(Ok(io)) => {
                if connected_before == Connected::Before {
                    shared.instruments.reconnects.increment(1);
                }
                connected_before = Connected::Before;
                let end = session::run(&shared, io).await;
                if end == SessionEnd::Stopped {
                    tracing::info!("acquirer link is signed off");
                    return;
                }
                end.reason()
            }
        };
        trouble.report(reason);
        if began.elapsed() >= backoff.pause {
            backoff.start_again();
        }
        let pause = backoff.next(shared.now().0);
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.notified() => return,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Connected {
    Never,
    Before,
}

/// Logs why the link is down, once for each change of the reason.
struct Trouble {
    reason: &'static str,
    reported_at: Instant,
}

impl Trouble {
    /// A reason that lasts is told again after this long.
    const REPEATED_AFTER: Duration = Duration::from_secs(60);

    fn new() -> Trouble {
        Trouble { reason: "", reported_at: Instant::now() }
    }

    fn report(&mut self, reason: &'static str) {
        if self.reason != reason || self.reported_at.elapsed() >= Trouble::REPEATED_AFTER {
            tracing::warn!(reason, "acquirer link is down");
            self.reason = reason;
            self.reported_at = Instant::now();
        }
    }
}

/// Pauses between connections: each twice the one before up to a limit, and a random half of it off, so that many nodes
/// do not come back in one moment.
struct Backoff {
    min: Duration,
    max: Duration,
    pause: Duration,
    count: u64,
}

impl Backoff {
    fn new(settings: &LinkSettings) -> Backoff {
        let min = Duration::from_millis(settings.backoff_ms_min);
        Backoff { min, max: Duration::from_millis(settings.backoff_ms_max), pause: min, count: 0 }
    }

    fn start_again(&mut self) {
        self.pause = self.min;
    }

    /// `seed` is the time: no two nodes fail in the same microsecond.
    fn next(&mut self, seed: i64) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.max);
        self.count += 1;
        let half_us = u64::try_from(pause.as_micros() / 2).unwrap_or(u64::MAX).max(1);
        let random = scramble(seed.unsigned_abs().wrapping_add(self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        pause - Duration::from_micros(random % half_us)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
const fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_with_up_to_half_off() {
        let settings = LinkSettings { backoff_ms_min: 100, backoff_ms_max: 1000, ..LinkSettings::new("h:1", "1") };
        let mut backoff = Backoff::new(&settings);
        for base_ms in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.next(1_795_176_000_000_000);
            let base = Duration::from_millis(base_ms);
            assert!(pause > base / 2 && pause <= base, "{pause:?} of {base:?}");
        }
        backoff.start_again();
        assert!(backoff.next(0) <= Duration::from_millis(100));
    }

    #[test]
    fn two_nodes_that_fail_together_come_back_apart() {
        let settings = LinkSettings::new("h:1", "1");
        let pauses = [0, 1].map(|late_us| Backoff::new(&settings).next(1_795_176_000_000_000 + late_us));
        assert_ne!(pauses[0], pauses[1]);
    }
}
