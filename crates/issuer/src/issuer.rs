//! A running sandbox network.

use crate::account_key::{AccountKeyError, AccountKeys};
use crate::behaviours::{Behaviours, BehavioursError};
use crate::book::BookLimits;
use crate::faults::Faults;
use crate::host::Host;
use crate::ledger::{KnownCard, LedgerSetup, LedgerThread};
use crate::ledger_file::LedgerFileError;
use crate::moved_clock::MovedClock;
use crate::settings::{Exposure, IssuerSettings};
use crate::stats::Stats;
use crate::wish::WishTable;
use crate::{admin, host, ledger};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_iso8583::{Framing, FramingError, Spec, SpecError};

/// A running network. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Issuer {
    iso_address: SocketAddr,
    admin_address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    thread: std::thread::JoinHandle<()>,
}

/// Why the network does not start. The guilty one is the configuration, or who keeps the files.
#[derive(Debug, Error)]
pub enum IssuerError {
    /// An address is open to others, and nobody said that this is wanted.
    #[error(
        "{name} = {address} is no loopback address, and whoever can connect can spend: choose 127.0.0.1, or set \
             exposure = \"any_address\" in a closed network"
    )]
    Exposed {
        /// `iso_listen` or `admin_listen`.
        name: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// An address cannot be listened on.
    #[error("{name} = {address} cannot be listened on: {error}")]
    Bind {
        /// `iso_listen` or `admin_listen`.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The message spec is unknown.
    #[error("spec: {0}")]
    Spec(#[from] SpecError),
    /// The framing is unknown.
    #[error("framing: {0}")]
    Framing(#[from] FramingError),
    /// The table of behaviours is wrong.
    #[error("{0}")]
    Behaviours(#[from] BehavioursError),
    /// The account key cannot be had.
    #[error("{0}")]
    AccountKey(#[from] AccountKeyError),
    /// The ledger cannot be opened.
    #[error("{0}")]
    Ledger(#[from] LedgerFileError),
}

impl Issuer {
    /// Starts a network on the current tokio runtime, by the system's clock. Both ports are bound when it returns.
    ///
    /// # Errors
    /// When an address, the spec or a file cannot be used. Nothing runs then.
    pub async fn start(settings: IssuerSettings) -> Result<Issuer, IssuerError> {
        Issuer::start_at(settings, Arc::new(SystemClock)).await
    }

    /// The same by another clock: expiry dates are judged and entries are dated by it.
    ///
    /// # Errors
    /// As [`Issuer::start`].
    pub async fn start_at(settings: IssuerSettings, clock: Arc<dyn Clock>) -> Result<Issuer, IssuerError> {
        let spec = Spec::builtin(&settings.spec)?;
        let framing: Framing = settings.framing.parse()?;
        let iso = bind("iso_listen", settings.iso_listen, settings.exposure).await?;
        let admin_port = bind("admin_listen", settings.admin_listen, settings.exposure).await?;
        let (iso_address, admin_address) = (iso.address, admin_port.address);

        let behaviours = Behaviours::builtin()?;
        let clock = Arc::new(MovedClock::new(clock, settings.clock_offset_us));
        let stats = Arc::new(Stats::default());
        let OpenLedger { keys, thread } = open_ledger(&settings, &behaviours, clock.clone(), &stats).await?;
        let host = Arc::new(Host {
            spec,
            framing: framing.with_frame_bytes_max(settings.limits.frame_bytes_max),
            wishes: WishTable::new(behaviours, &keys),
            keys,
            ledger: thread.handle,
            stats,
            faults: Faults::default(),
            clock,
            slow_ms: settings.slow_ms,
            late_ms: settings.late_ms,
            seed: settings.seed,
            idle_ms_max: settings.limits.idle_ms_max,
            connections_max: settings.limits.connections_max,
            delayed_answers_max: settings.limits.delayed_answers_max,
        });
        let (stop, stopped) = watch::channel(false);
        let admin_connections_max = settings.limits.admin_connections_max;
        let tasks = vec![
            tokio::spawn(host::accept(iso.listener, Arc::clone(&host), stopped.clone())),
            tokio::spawn(admin::accept(admin_port.listener, host, admin_connections_max, stopped)),
        ];
        tracing::info!(%iso_address, %admin_address, "the sandbox card network is up");
        Ok(Issuer { iso_address, admin_address, stop, tasks, thread: thread.thread })
    }

    /// Where acquirers connect.
    #[must_use]
    pub const fn iso_address(&self) -> SocketAddr {
        self.iso_address
    }

    /// The admin port.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Closes all connections and the ledger's file. What was decided is in the file when it returns.
    pub async fn shutdown(self) {
        // No receiver is left only when all tasks have ended already.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the sandbox network failed");
            }
        }
        // The ledger's thread ends when nobody can reach it any more.
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the sandbox ledger's thread failed");
        }
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

async fn bind(name: &'static str, address: SocketAddr, exposure: Exposure) -> Result<Bound, IssuerError> {
    if exposure == Exposure::Loopback && !address.ip().is_loopback() {
        return Err(IssuerError::Exposed { name, address });
    }
    let failed = |error| IssuerError::Bind { name, address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}

struct OpenLedger {
    keys: AccountKeys,
    thread: LedgerThread,
}

/// Reading a long ledger takes a while, so it is done beside the runtime's workers.
async fn open_ledger(
    settings: &IssuerSettings,
    behaviours: &Behaviours,
    clock: Arc<dyn Clock>,
    stats: &Arc<Stats>,
) -> Result<OpenLedger, IssuerError> {
    let keys = AccountKeys::beside(&settings.data_path)?;
    let pans =
        behaviours.cards().iter().map(|card| card.pan()).chain(behaviours.amount_cards().iter().map(|c| c.pan()));
    let setup = LedgerSetup {
        book_limits: BookLimits {
            open_to_buy_major: settings.open_to_buy_major,
            entries_max: settings.limits.entries_max,
        },
        accounts_max: usize::try_from(settings.limits.accounts_max).unwrap_or(usize::MAX),
        seed: settings.seed,
        clock,
        stats: Arc::clone(stats),
        known_cards: pans.map(|pan| KnownCard { key: keys.of(pan), mask: pan.mask() }).collect(),
    };
    let path = settings.data_path.clone();
    let started = tokio::task::spawn_blocking(move || ledger::start(&path, setup)).await;
    let thread =
        started.map_err(|error| LedgerFileError::Damaged { problem: format!("reading it failed: {error}") })??;
    Ok(OpenLedger { keys, thread })
}
