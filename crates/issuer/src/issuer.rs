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
use crate::three_ds::{
    Acs, AcsSetup, Authorities, AuthoritiesError, CardRangesError, Directory, DirectorySetup, ThreeDs,
};
use crate::web::Port;
use crate::wish::WishTable;
use crate::{admin, host, ledger, three_ds};
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
    ds_address: SocketAddr,
    acs_address: SocketAddr,
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
        /// `iso_listen`, `admin_listen`, `ds_listen` or `acs_listen`.
        name: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// An address cannot be listened on.
    #[error("{name} = {address} cannot be listened on: {error}")]
    Bind {
        /// `iso_listen`, `admin_listen`, `ds_listen` or `acs_listen`.
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
    /// The table of card ranges is wrong.
    #[error("{0}")]
    CardRanges(#[from] CardRangesError),
    /// The file of the directory server's authorities cannot be used.
    #[error("{0}")]
    Authorities(#[from] AuthoritiesError),
    /// The account key cannot be had.
    #[error("{0}")]
    AccountKey(#[from] AccountKeyError),
    /// The ledger cannot be opened.
    #[error("{0}")]
    Ledger(#[from] LedgerFileError),
}

impl Issuer {
    /// Starts a network on the current tokio runtime, by the system's clock. All ports are bound when it returns.
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
        let ds = bind("ds_listen", settings.ds_listen, settings.exposure).await?;
        let acs = bind("acs_listen", settings.acs_listen, settings.exposure).await?;
        let (iso_address, admin_address) = (iso.address, admin_port.address);
        let (ds_address, acs_address) = (ds.address, acs.address);

        let behaviours = Behaviours::builtin()?;
        let clock = Arc::new(MovedClock::new(clock, settings.clock_offset_us));
        let stats = Arc::new(Stats::default());
        let OpenLedger { keys, thread } = open_ledger(&settings, &behaviours, clock.clone(), &stats).await?;
        let faults = Arc::new(Faults::default());
        let limits = settings.limits;
        let three_ds = three_ds(&settings, acs_address, &behaviours, &keys, &clock, &faults)?;
        let host = Arc::new(Host {
            spec,
            framing: framing.with_frame_bytes_max(limits.frame_bytes_max),
            wishes: WishTable::new(behaviours, &keys),
            value_key: keys.authentication_value_key(),
            keys,
            ledger: thread.handle,
            stats,
            faults,
            clock,
            slow_ms: settings.slow_ms,
            late_ms: settings.late_ms,
            seed: settings.seed,
            idle_ms_max: limits.idle_ms_max,
            connections_max: limits.connections_max,
            delayed_answers_max: limits.delayed_answers_max,
        });
        let (stop, stopped) = watch::channel(false);
        let admin_port = admin_port.into_port("admin", limits.admin_connections_max);
        let ds = ds.into_port("directory server", limits.ds_connections_max);
        let acs = acs.into_port("ACS", limits.acs_connections_max);
        let tasks = vec![
            tokio::spawn(host::accept(iso.listener, Arc::clone(&host), stopped.clone())),
            tokio::spawn(admin::serve(admin_port, host, stopped.clone())),
            tokio::spawn(three_ds::serve_directory(ds, Arc::clone(&three_ds), stopped.clone())),
            tokio::spawn(three_ds::serve_acs(acs, Arc::clone(&three_ds), stopped.clone())),
            tokio::spawn(three_ds::watch_clock(three_ds, stopped)),
        ];
        tracing::info!(%iso_address, %admin_address, %ds_address, %acs_address, "the sandbox card network is up");
        Ok(Issuer { iso_address, admin_address, ds_address, acs_address, stop, tasks, thread: thread.thread })
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

    /// The 3-D Secure directory server, which takes messages at `/ds`.
    #[must_use]
    pub const fn ds_address(&self) -> SocketAddr {
        self.ds_address
    }

    /// The 3-D Secure ACS.
    #[must_use]
    pub const fn acs_address(&self) -> SocketAddr {
        self.acs_address
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

impl Bound {
    fn into_port(self, name: &'static str, connections_max: u32) -> Port {
        Port { name, listener: self.listener, connections_max }
    }
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

/// The directory server and the ACS, which know nothing of the ledger.
fn three_ds(
    settings: &IssuerSettings,
    acs_address: SocketAddr,
    behaviours: &Behaviours,
    keys: &AccountKeys,
    clock: &Arc<MovedClock>,
    faults: &Arc<Faults>,
) -> Result<Arc<ThreeDs>, IssuerError> {
    let acs_url = settings.acs_url.clone().unwrap_or_else(|| format!("http://{acs_address}"));
    let challenges_max = usize::try_from(settings.limits.challenges_max).unwrap_or(usize::MAX);
    // Twice as many ways back as challenges: that of one that just ended is needed until its result has gone.
    let directory = Directory::new(DirectorySetup {
        acs_url: &acs_url,
        routes_max: challenges_max.saturating_mul(2),
        authorities: Authorities::of_file(settings.ds_ca_certificates.as_deref())?,
    })?;
    let acs =
        Acs::new(AcsSetup { url: &acs_url, challenges_max, keys: keys.clone(), behaviours, clock: Arc::clone(clock) });
    Ok(Arc::new(ThreeDs { directory, acs, faults: Arc::clone(faults), slow_ms: settings.slow_ms }))
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
