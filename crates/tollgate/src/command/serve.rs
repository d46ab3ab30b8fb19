//! `tollgate serve`.

use super::DataArg;
use crate::agreement::AgreementRequest;
use crate::audit_heads::AuditKeeper;
use crate::batch::{BatchRoute, FortRows};
use crate::clock::FolderClock;
use crate::config::{Config, ServerConfig, environment};
use crate::custodians::{self, Custodians, Door, Waiting};
use crate::data_folder::DataFolder;
use crate::demo_shop::{DemoShop, ShopWiring};
use crate::desk::DeskRoute;
use crate::feedback::{FortRenderer, Watch};
use crate::keys::{self, KeyRotation};
use crate::link::LinkRoute;
use crate::listen::ListenRoute;
use crate::message_route::MessageRoute;
use crate::messages::{self, LinkComposer};
use crate::operator;
use crate::recurring::RecurringRequest;
use crate::run_lock::RunLock;
use crate::running::Running;
use crate::sandbox::{ClockRoute, FaultRoute, Mode, NetworkAdmin, ReferenceFaults, SandboxAcquirer};
use crate::three_ds_link::{PlainDirectory, ThreeDsLink};
use crate::token::TokenRequest;
use crate::unknown::UnknownRoute;
use crate::wiring::{self, Keep, Looked, Opened};
use crate::{demo, issuer_countries, logging};
use anyhow::Context;
use clap::Args;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tollgate_acquirer::{Acquirer, IsoLink, LateReply, LinkState};
use tollgate_app::{
    Account, Accounts, BatchJobs, Directory, Gateway, GatewayParts, Jobs, Rotations, ScheduleJobs, ThreeDsSetup,
};
use tollgate_core::audit::{AuditAction, AuditWho};
use tollgate_core::issuer_country::IssuerCountries;
use tollgate_core::merchant::TrustedChannel;
use tollgate_core::secret::Secret;
use tollgate_core::source::certificate_days_left;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_feedback::guard::Reach;
use tollgate_feedback::{Deliveries, FeedbackParts, HttpSender, Listeners};
use tollgate_http::pages::assets::self_test;
use tollgate_http::{Admin, Operator, OperatorRoute, PaymentApi, Server, ServerSettings, Service, UploadDoor};
use tollgate_issuer::{Issuer, IssuerSettings};
use tollgate_notify::Outbox;
use tollgate_store::Tenancy;
use tollgate_threeds::flow::AcsReach;

/// Run the gateway.
#[derive(Debug, Args)]
pub struct Serve {
    /// Everything for a first payment on this machine: makes the data folder, the keys and a demo
    /// merchant, and runs the sandbox card network beside the gateway
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    data: DataArg,
    /// Address and port for merchants [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address and port for health and metrics [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
    /// The configuration file [default: tollgate.toml in the data folder]
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    config: Option<PathBuf>,
    /// With --dev: use the card network at the configured acquirer.address instead of starting one
    #[arg(long)]
    no_issuer: bool,
}

/// How many late answers may wait to be written.
const LATE_WAITING_MAX: usize = 10_000;
/// How long a start waits for the link to come up before it goes on without, in milliseconds.
const LINK_WAIT_MS: u64 = 2_000;
/// How often metrics are tidied, in milliseconds.
const METRICS_UPKEEP_MS: u64 = 5_000;

impl Serve {
    /// Runs the gateway until a signal ends it.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = if self.dev { DataFolder::create_or_open(&self.data.data)? } else { self.data.open()? };
        let mut config = Config::load(self.config.as_deref(), &folder.config(), &environment())?;
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if let Some(listen) = self.admin_listen {
            config.admin.listen = listen;
        }
        if self.dev {
            for_development(&mut config, self.listen.is_some(), self.admin_listen.is_some());
        }
        config.check()?;
        logging::start(&config.log)?;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let metrics = PrometheusBuilder::new().install_recorder().context("metrics cannot be started")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve(&folder, config, metrics))?;
        // What is left are tasks that wait for nothing that matters any more.
        runtime.shutdown_timeout(Duration::from_secs(1));
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(&self, folder: &DataFolder, mut config: Config, metrics: PrometheusHandle) -> anyhow::Result<()> {
        let _only_one = RunLock::take(folder)?;
        let mut end = EndSignals::listen()?;
        let mode = if self.dev { Mode::Sandbox } else { Mode::Production };
        let issuer = if self.dev && !self.no_issuer { Some(start_issuer(folder, &config).await?) } else { None };
        if let Some(issuer) = &issuer {
            config.acquirer.address = issuer.iso_address().to_string();
            config.three_ds.use_sandbox(issuer.ds_address());
        }
        if self.dev {
            folder.mark_as_sandbox()?;
        }
        let keep = if self.dev { Keep::OrCreate } else { Keep::Existing };
        let looked = wiring::look_with(folder, keep, &config.keys).await?;
        mode.may_run_on(folder, &looked.clock)?;
        let token = operator::make_token(folder)?;
        let custodians = looked.source.files().cloned().map(Custodians::start);
        let front = match &custodians {
            None => None,
            Some(custodians) => match admit(folder, &config, &looked, custodians, &token, &metrics, &mut end).await? {
                Admitted::AllCame(front) => front,
                Admitted::Ended => {
                    looked.close().await;
                    if let Some(issuer) = issuer {
                        issuer.shutdown().await;
                    }
                    return Ok(());
                }
            },
        };
        let opened = open_alone(looked).await?;
        begin_audit(&opened, config.gateway.node, custodians.as_deref()).await?;
        if self.dev {
            let accounts = Accounts::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
            demo::ensure(&accounts, opened.clock.now()).await?;
        }
        let logins_failed = Arc::new(AtomicU64::new(0));
        let around = Around {
            mode,
            network: issuer.as_ref().map(|issuer| NetworkAdmin::new(issuer.admin_address())),
            token,
            logins_failed: logins_failed.clone(),
            custodians,
            front,
            place: Place { argument: data_argument(&self.data), folder: folder.path().to_owned() },
        };
        let (store, clock) = (opened.store.clone(), opened.clock.clone());
        let audit = AuditKeeper::start(store, clock, opened.heads.clone(), logins_failed).await;
        let started = Started::start(&config, &opened, around, metrics).await?;
        let running = Running {
            pid: std::process::id(),
            url: format!("{}://{}", config.scheme(), started.server.address()),
            admin: Some(started.admin.address()),
            issuer: issuer.as_ref().map(Issuer::iso_address),
            issuer_admin: issuer.as_ref().map(Issuer::admin_address),
            issuer_ds: issuer.as_ref().map(Issuer::ds_address),
            issuer_acs: issuer.as_ref().map(Issuer::acs_address),
            waits_for_custodians: false,
        };
        running.write(folder)?;
        if self.dev {
            println!("{}", welcome(&self.data, &running));
        }
        tracing::info!(url = %running.url, admin = %started.admin.address(), "tollgate serves");
        end.wait().await;
        Running::remove(folder);
        started.stop(&config).await;
        audit.stop().await;
        wiring::close(opened).await;
        if let Some(issuer) = issuer {
            issuer.shutdown().await;
        }
        tracing::info!("tollgate ended");
        Ok(())
    }
}

/// Opens a folder whose lock this process has, so that nobody else makes orders in it.
async fn open_alone(looked: Looked) -> anyhow::Result<Opened> {
    let opened = looked.open().await?;
    opened.sqlite.be_alone().await?;
    Ok(opened)
}

/// From now on the audit log is told of what this gateway does; first, who has opened its keys.
async fn begin_audit(opened: &Opened, node: u8, custodians: Option<&Custodians>) -> anyhow::Result<()> {
    let who = AuditWho::Gateway(format!("serve, node {node}"));
    opened.begin_audit(who.clone()).await?;
    let came = custodians.map(Custodians::names).unwrap_or_default();
    if came.is_empty() { Ok(()) } else { opened.note(who, AuditAction::CustodiansCame, &came.join(", ")).await }
}

/// Whether the keys are open.
enum Admitted {
    /// They are. If somebody had to come, this stood on the admin address meanwhile.
    AllCame(Option<Front>),
    /// A signal came first.
    Ended,
}

/// The admin address, listened on already.
struct Front {
    server: Server,
    door: Arc<Door>,
}

/// Has the custodians come whom the configuration names, and waits for the rest on the admin address.
async fn admit(
    folder: &DataFolder,
    config: &Config,
    looked: &Looked,
    custodians: &Arc<Custodians>,
    token: &Secret,
    metrics: &PrometheusHandle,
    end: &mut EndSignals,
) -> anyhow::Result<Admitted> {
    if let Err(error) = looked.unlock_unattended(|name| custodians.came_by_configuration(name)) {
        tracing::error!(error = format!("{error:#}"), "the configured passphrases do not open the keys");
    }
    let awaited = looked.awaited()?;
    if awaited.is_empty() {
        return Ok(Admitted::AllCame(None));
    }
    let needed = awaited.iter().map(|locked| locked.version).collect();
    let waiting = Waiting::new(Arc::clone(custodians), needed, metrics.clone(), token.clone());
    let door = Door::to(Arc::new(waiting));
    let server = listen_for_operators(config, door.clone()).await?;
    let running = Running {
        pid: std::process::id(),
        url: format!("{}://{}", config.scheme(), config.server.listen),
        admin: Some(server.address()),
        issuer: None,
        issuer_admin: None,
        issuer_ds: None,
        issuer_acs: None,
        waits_for_custodians: true,
    };
    running.write(folder)?;
    tracing::warn!(admin = %server.address(), "no payments yet: {}", custodians::waits_in_words(&awaited));
    while !looked.awaited()?.is_empty() {
        tokio::select! {
            () = custodians.opened() => {}
            () = end.wait() => {
                Running::remove(folder);
                server.stop(Duration::from_secs(1)).await;
                return Ok(Admitted::Ended);
            }
        }
    }
    tracing::info!("the custodians have come: the gateway starts");
    Ok(Admitted::AllCame(Some(Front { server, door })))
}

async fn listen_for_operators(config: &Config, service: Arc<dyn Service>) -> anyhow::Result<Server> {
    Server::start(config.admin.listen, service, ServerSettings::default()).await.with_context(|| {
        format!("{} cannot be listened on; name another address with --admin-listen", config.admin.listen)
    })
}

/// What a gateway is started with beside its configuration.
struct Around {
    mode: Mode,
    /// The custodians of its keys, where they are in files.
    custodians: Option<Arc<Custodians>>,
    /// The admin address, where it was needed before.
    front: Option<Front>,
    /// The sandbox card network that was started beside it.
    network: Option<NetworkAdmin>,
    /// The token of its operator API,
    token: Secret,
    /// and how many requests came without it.
    logins_failed: Arc<AtomicU64>,
    /// Its data folder.
    place: Place,
}

/// A data folder.
struct Place {
    /// How a command finds it.
    argument: String,
    /// Where it is: what is uploaded waits there, sealed.
    folder: PathBuf,
}

/// A gateway with everything that runs around it.
struct Started {
    gateway: Gateway,
    link: Arc<IsoLink>,
    jobs: GatewayJobs,
    deliveries: Deliveries,
    outbox: Outbox,
    server: Server,
    admin: Server,
    admin_service: Arc<Admin>,
    upkeep: tokio::task::JoinHandle<()>,
    attestations: tokio::task::JoinHandle<()>,
    rotation: tokio::task::JoinHandle<()>,
}

/// What a gateway does without being asked.
struct GatewayJobs {
    /// Settles what nobody knows.
    settling: Jobs,
    /// Judges and carries out rows.
    batches: BatchJobs,
    /// Charges due dates.
    schedules: ScheduleJobs,
}

impl GatewayJobs {
    async fn start(config: &Config, gateway: &Gateway, late: Receiver<LateReply>) -> anyhow::Result<GatewayJobs> {
        let settling = Jobs::start(gateway, late).await?;
        let batches = BatchJobs::start(gateway, Arc::new(FortRows), config.batch.clone());
        let schedules = ScheduleJobs::start(gateway, config.schedules.clone());
        Ok(GatewayJobs { settling, batches, schedules })
    }
}

impl Started {
    async fn start(
        config: &Config,
        opened: &Opened,
        mut around: Around,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Started> {
        let (late, late_replies) = tokio::sync::mpsc::channel::<LateReply>(LATE_WAITING_MAX);
        let link = Arc::new(IsoLink::start(config.acquirer.clone(), opened.clock.clone(), late)?);
        let faults = Arc::new(ReferenceFaults::default());
        let acquirer = acquirer_of(opened, &link, around.network, &faults);
        let gateway = Gateway::begin(GatewayParts {
            store: opened.store.clone(),
            // The lock on the data folder proves it.
            tenancy: Tenancy::Sole,
            vault: opened.vault.clone(),
            acquirer,
            clock: opened.clock.clone(),
            settings: config.gateway.clone(),
        })
        .await?;
        let hearing = Hearing { listeners: Arc::new(Listeners::default()), wake: Arc::new(Notify::new()) };
        let deliveries = start_deliveries(config, opened, &gateway, &hearing, around.mode).await?;
        let jobs = GatewayJobs::start(config, &gateway, late_replies).await?;
        wait_for_link(&link).await;
        let attestations = tokio::spawn(watch_accounts(gateway.clone(), config.server.clone()));
        let settings = server_settings(config)?;
        self_test().context("the payment pages are not those of this release: install the binary again")?;
        if let Some(setup) = three_ds_setup(config, around.mode)? {
            gateway.enable_three_ds(setup);
        }
        if let Some(countries) = issuer_countries(config, around.mode)? {
            tracing::info!(leads = countries.len(), "the table of the countries of issuers is read");
            gateway.set_issuer_countries(countries);
        }
        let carriers = messages::carriers(config, around.mode)?;
        gateway.set_message_ways(messages::ways(config, &carriers));
        let merchants = merchant_service(config, &gateway, &hearing, &around)?;
        let server = Server::start(config.server.listen, merchants, settings).await.with_context(|| {
            format!("{} cannot be listened on; name another address with --listen", config.server.listen)
        })?;
        gateway.set_public_url(config.public_url(server.address()));
        let outbox = messages::start(config, opened, &gateway, carriers, around.mode).await?;
        let (keys, rotation) = KeyRotation::start(rotations(opened), opened.vault.clone(), around.custodians.take());
        let front = around.front.take();
        let operator = operator_api(&gateway, opened, around, faults, hearing, keys);
        let admin_service = Arc::new(Admin::new(gateway.clone(), metrics.clone(), operator));
        let admin = match front {
            Some(Front { server, door }) => {
                door.lead_to(admin_service.clone());
                server
            }
            None => listen_for_operators(config, admin_service.clone()).await?,
        };
        let upkeep = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(METRICS_UPKEEP_MS)).await;
                metrics.run_upkeep();
            }
        });
        Ok(Started {
            gateway,
            link,
            jobs,
            deliveries,
            outbox,
            server,
            admin,
            admin_service,
            upkeep,
            attestations,
            rotation,
        })
    }

    /// Takes no more requests, brings every payment under way to its outcome, then ends the rest.
    async fn stop(self, config: &Config) {
        tracing::info!("stopping: payments under way are finished first");
        self.admin_service.stopping();
        let wait_max = Duration::from_millis(config.server.stop_timeout_ms);
        if !self.server.stop(wait_max).await {
            tracing::warn!("some clients kept their connections open and were cut off");
        }
        // It begins payments by itself.
        self.jobs.batches.stop().await;
        self.jobs.schedules.stop().await;
        if tokio::time::timeout(wait_max, self.gateway.finish()).await.is_err() {
            tracing::error!("some payments are still without an outcome; they are settled at the next start");
        }
        self.jobs.settling.stop().await;
        self.deliveries.stop().await;
        self.outbox.stop().await;
        self.link.shutdown().await;
        self.admin.stop(Duration::from_secs(1)).await;
        self.upkeep.abort();
        self.attestations.abort();
        // It goes on at the next start.
        self.rotation.abort();
    }
}

/// Who takes messages to the network: in a sandbox somebody who looks for wishes in references first.
fn acquirer_of(
    opened: &Opened,
    link: &Arc<IsoLink>,
    network: Option<NetworkAdmin>,
    faults: &Arc<ReferenceFaults>,
) -> Arc<dyn Acquirer> {
    match network {
        Some(network) => Arc::new(SandboxAcquirer::new(link.clone(), opened.store.clone(), network, faults.clone())),
        None => link.clone(),
    }
}

/// How merchants and customers connect.
fn server_settings(config: &Config) -> anyhow::Result<ServerSettings> {
    let server = &config.server;
    let tls = match (&server.tls_certificate, &server.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(tollgate_http::server_config(certificate, key, server.client_certificates)?)
        }
        _ => None,
    };
    Ok(ServerSettings { connections_max: server.connections_max, tls, ..ServerSettings::default() })
}

/// Where cards were issued: as the operator's table says, and in a sandbox without one as the sandbox's.
fn issuer_countries(config: &Config, mode: Mode) -> anyhow::Result<Option<IssuerCountries>> {
    match (&config.three_ds.issuer_countries, mode) {
        (Some(file), _) => issuer_countries::read(file).map(Some),
        (None, Mode::Sandbox) => issuer_countries::sandbox().map(Some),
        (None, Mode::Production) => Ok(None),
    }
}

/// What a gateway needs to authenticate customers, where a directory server is set.
fn three_ds_setup(config: &Config, mode: Mode) -> anyhow::Result<Option<ThreeDsSetup>> {
    let (plain, reach) = match mode {
        Mode::Sandbox => (PlainDirectory::Loopback, AcsReach::Sandbox),
        Mode::Production => (PlainDirectory::Refused, AcsReach::HttpsOnly),
    };
    let Some(link) = ThreeDsLink::open(&config.three_ds, plain)? else { return Ok(None) };
    let terms = config.three_ds.terms()?;
    Ok(Some(ThreeDsSetup {
        directory: Arc::new(link),
        acquirer_bin: terms.acquirer_bin,
        requestor_id: terms.requestor_id,
        requestor_name: terms.requestor_name,
        requestor_url: terms.requestor_url,
        server_reference: terms.server_reference,
        server_operator: terms.server_operator,
        reach,
    }))
}

/// What answers on the merchants' address: in a sandbox with the demo shop in front.
fn merchant_service(
    config: &Config,
    gateway: &Gateway,
    hearing: &Hearing,
    around: &Around,
) -> anyhow::Result<Arc<dyn Service>> {
    let host = config.page_host(around.mode);
    let uploads = UploadDoor::new(around.place.folder.clone(), &config.batch);
    let api = PaymentApi::new(gateway.clone(), config.server.proxies()?, host, uploads);
    let api = Arc::new(api.with_report_settings(config.report.clone()));
    match around.mode {
        Mode::Production => Ok(api),
        Mode::Sandbox => {
            let wiring = ShopWiring { scheme: config.scheme(), data_argument: around.place.argument.clone() };
            Ok(DemoShop::around(api, gateway.clone(), hearing.listeners.clone(), wiring))
        }
    }
}

/// Begins to deliver feedback. The gateway tells of what it writes from now on.
async fn start_deliveries(
    config: &Config,
    opened: &Opened,
    gateway: &Gateway,
    hearing: &Hearing,
    mode: Mode,
) -> anyhow::Result<Deliveries> {
    let Hearing { listeners, wake } = hearing.clone();
    gateway.watch_feedback(Arc::new(Watch { listeners: listeners.clone(), wake: wake.clone() }));
    let reach = if mode == Mode::Sandbox { Reach::Sandbox } else { Reach::Public };
    let directory = Directory::new(opened.store.clone(), opened.vault.clone());
    let parts = FeedbackParts {
        store: opened.store.clone(),
        clock: opened.clock.clone(),
        renderer: Arc::new(FortRenderer::new(directory)),
        sender: Arc::new(HttpSender::new(reach)),
        listeners,
        node: config.gateway.node,
        settings: config.feedback.clone(),
    };
    let deliveries = Deliveries::start(parts, wake.clone()).await?;
    // A clock that was moved makes feedback due. The task ends with the gateway.
    let mut woken = gateway.jobs_woken();
    tokio::spawn(async move {
        while woken.changed().await.is_ok() {
            wake.notify_one();
        }
    });
    Ok(deliveries)
}

/// Who hears of feedback that was written.
#[derive(Clone)]
struct Hearing {
    listeners: Arc<Listeners>,
    wake: Arc<Notify>,
}

/// The rotations of a running gateway, which leave most of the machine to payments.
fn rotations(opened: &Opened) -> Rotations {
    let (store, vault) = (opened.store.clone(), opened.vault.clone());
    Rotations::new(store, vault, opened.clock.clone(), keys::ROWS_PER_SECOND_MAX)
}

/// Everything that the running gateway does for an operator.
fn operator_api(
    gateway: &Gateway,
    opened: &Opened,
    around: Around,
    faults: Arc<ReferenceFaults>,
    hearing: Hearing,
    keys: KeyRotation,
) -> Operator {
    let Around { mode, network, token, logins_failed, .. } = around;
    let Hearing { listeners, wake } = hearing;
    let routes: Vec<Arc<dyn OperatorRoute>> = vec![
        Arc::new(ClockRoute::new(mode, opened.clock.clone(), gateway.clone(), network)),
        Arc::new(FaultRoute::new(mode, gateway.clone(), network, faults)),
        Arc::new(UnknownRoute::new(gateway.clone())),
        Arc::new(DeskRoute::<TokenRequest>::new(gateway.token_desk())),
        Arc::new(DeskRoute::<AgreementRequest>::new(gateway.agreement_desk())),
        Arc::new(DeskRoute::<RecurringRequest>::new(gateway.schedule_desk())),
        Arc::new(BatchRoute::new(gateway.clone())),
        Arc::new(LinkRoute::new(gateway.clone())),
        Arc::new(MessageRoute::new(gateway.clone(), opened.store.clone(), LinkComposer::new(gateway.clone(), mode))),
        Arc::new(ListenRoute::new(gateway.clone(), opened.store.clone(), listeners, wake)),
        Arc::new(keys),
    ];
    Operator::new(token, routes).counting(logins_failed)
}

/// Warns, now, once a day and when the clock was moved, of attestations and client certificates that end soon or have
/// ended, and of accounts that demand what this server cannot see.
async fn watch_accounts(gateway: Gateway, server: ServerConfig) {
    let mut woken = gateway.jobs_woken();
    loop {
        if let Err(error) = self_test() {
            tracing::error!(%error, "the payment pages would serve something that is not of this release");
        }
        match gateway.directory().all().await {
            Ok(accounts) => accounts.iter().for_each(|account| {
                warn_of_attestation(account, gateway.now());
                warn_of_certificates(account, &server, gateway.now());
            }),
            Err(error) => tracing::error!(%error, "the accounts cannot be read"),
        }
        // It ends early when the clock was moved; the gateway that would have moved it is ours, so it is there.
        let _ = tokio::time::timeout(Duration::from_secs(24 * 3600), woken.changed()).await;
    }
}

fn warn_of_attestation(account: &Account, now: Timestamp) {
    let merchant = account.merchant.name.as_str();
    match account.merchant.terms.trusted_channel_at(now) {
        TrustedChannel::Expired => {
            tracing::warn!(merchant, "the PCI DSS attestation has expired: the trusted channel is off");
        }
        channel @ TrustedChannel::Active { days_left } if channel.warns() => {
            tracing::warn!(merchant, days_left, "the PCI DSS attestation ends soon, and the trusted channel with it");
        }
        TrustedChannel::NotActivated | TrustedChannel::Active { .. } => {}
    }
}

fn warn_of_certificates(account: &Account, server: &ServerConfig, now: Timestamp) {
    let merchant = account.merchant.name.as_str();
    let certificates = &account.merchant.terms.channel.source.certificates;
    if !certificates.is_empty() && !server.sees_certificates() {
        tracing::warn!(
            merchant,
            "this merchant has to show a client certificate, which this server sees of nobody: it speaks no TLS that asks \
             for one, and server.proxy_certificate_header names no header"
        );
    }
    for pinned in certificates {
        if let Some(days_left) = pinned.valid_until.and_then(|until| certificate_days_left(until, now)) {
            let fingerprint = pinned.fingerprint;
            tracing::warn!(merchant, %fingerprint, days_left, "a client certificate ends soon, or has ended");
        }
    }
}

/// Settings that suit a laptop: free ports beside a chosen one, a quiet log, short waits.
fn for_development(config: &mut Config, listen_given: bool, admin_given: bool) {
    let defaults = Config::default();
    if listen_given && !admin_given && config.admin.listen == defaults.admin.listen {
        config.admin.listen.set_port(0);
    }
    if config.log.level == defaults.log.level {
        config.log.level = "info".into();
    }
    if config.acquirer.answer_timeout_ms == defaults.acquirer.answer_timeout_ms {
        config.acquirer.answer_timeout_ms = DEV_ANSWER_TIMEOUT_MS;
    }
}

/// How long `--dev` waits for the card network, in milliseconds: short enough to watch.
const DEV_ANSWER_TIMEOUT_MS: u64 = 5_000;

/// Starts the sandbox card network. A slow answer of its comes in time, a late one after the wait is
/// over and before the reversal goes out.
/// Its clock goes as far ahead as the folder's.
async fn start_issuer(folder: &DataFolder, config: &Config) -> anyhow::Result<Issuer> {
    let own = DataFolder::create_or_open(&folder.issuer())?;
    let free_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = IssuerSettings {
        data_path: own.path().join("issuer.db"),
        iso_listen: free_port,
        admin_listen: free_port,
        ds_listen: free_port,
        acs_listen: free_port,
        // The results come back to this gateway, whose certificate may be of its own making.
        ds_ca_certificates: config.server.tls_certificate.clone(),
        spec: config.acquirer.spec.clone(),
        framing: config.acquirer.framing.clone(),
        slow_ms: config.acquirer.answer_timeout_ms / 2,
        late_ms: config.acquirer.answer_timeout_ms + config.gateway.reversal_delay_ms / 2,
        clock_offset_us: FolderClock::open(folder)?.offset_us(),
        ..IssuerSettings::default()
    };
    Ok(Issuer::start(settings).await?)
}

async fn wait_for_link(link: &IsoLink) {
    let up = async {
        while link.state() != LinkState::Up {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(Duration::from_millis(LINK_WAIT_MS), up).await.is_err() {
        tracing::warn!("the link to the acquirer is not up yet; payments are refused with 00006 until it is");
    }
}

/// Waits for SIGTERM or Ctrl-C from now on.
pub(super) async fn wait_for_end() -> anyhow::Result<()> {
    EndSignals::listen()?.wait().await;
    Ok(())
}

/// SIGTERM and Ctrl-C. They count from when this is made, so it is made before anybody is told that
/// the process runs.
pub(super) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    pub(super) fn listen() -> anyhow::Result<EndSignals> {
        Ok(EndSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a command needs behind its name to find this data folder, with a blank in front; nothing where it looks by itself.
fn data_argument(data: &DataArg) -> String {
    let data = data.data.display().to_string();
    if data == "tollgate-data" { String::new() } else { format!(" --data {data}") }
}

fn welcome(data: &DataArg, running: &Running) -> String {
    let folder = data_argument(data);
    let data = data.data.display();
    let admin = running
        .admin
        .map_or_else(String::new, |admin| format!("\n  health and metrics   http://{admin}/health/ready  /metrics"));
    let issuer = match (running.issuer, running.issuer_admin) {
        (Some(iso), Some(admin)) => format!("\n  sandbox card network {iso} (ISO 8583), http://{admin}/ledger/totals"),
        _ => String::new(),
    };
    let three_ds = running.issuer_ds.zip(running.issuer_acs).map_or_else(String::new, |(ds, acs)| {
        format!("\n  sandbox 3-D Secure   http://{ds}/ds (directory server), http://{acs} (ACS)")
    });
    format!(
        "Tollgate is ready.\n\n  demo shop            {url}/demo   (a first payment in the browser)\n  \
         FORT API             {url}/FortAPI/paymentApi{admin}{issuer}{three_ds}\n  data                 {data}\n\n\
         Now, in another terminal:\n\n  \
         tollgate pay{folder} --amount 100.00 --currency AED --card 4005550000000001 --expiry 2905 --cvv 123 --trace\n  \
         tollgate merchant{folder} show demo            # the credentials for your own client\n  \
         tollgate explain{folder} MERCHANT_REFERENCE     # one payment's whole story\n\n\
         Stop it with Ctrl-C: payments under way are finished first.",
        url = running.url
    )
}
