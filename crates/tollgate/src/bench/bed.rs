//! The processes that are measured: this binary as a card network and as a gateway, children of this process.

use super::process::{Usage, usage};
use crate::client::{Connection, Target};
use crate::data_folder::DataFolder;
use crate::running::Running;
use anyhow::{Context, bail};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to start or to end, in milliseconds.
const WAIT_MS_MAX: u64 = 120_000;
/// The pause between two looks at it, in microseconds.
const LOOK_US: u64 = 250;
/// How much of a process's log is shown when it fails, in bytes.
const LOG_BYTES_SHOWN: usize = 2_000;

/// A card network of our own.
#[derive(Debug)]
pub struct IssuerBed {
    process: Process,
    /// Its ISO 8583 address.
    pub iso: SocketAddr,
    /// Its admin address.
    pub admin: SocketAddr,
}

impl IssuerBed {
    /// Starts one over an empty ledger in `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(folder: &Path) -> anyhow::Result<IssuerBed> {
        let mut command = tollgate(&["issuer"])?;
        for port in ["--listen", "--admin-listen", "--ds-listen", "--acs-listen"] {
            command.args([port, "127.0.0.1:0"]);
        }
        command.arg("--data").arg(folder.join("issuer"));
        let mut process = Process::start("issuer", folder, command)?;
        let started = Instant::now();
        let (iso, admin) = loop {
            let said = std::fs::read_to_string(&process.output).unwrap_or_default();
            if let Some(line) = said.strip_suffix('\n') {
                let address = |before: &str| line.split(before).nth(1)?.split([',', '\n']).next()?.trim().parse().ok();
                let addresses: Option<(SocketAddr, SocketAddr)> =
                    address("ISO 8583 on ").zip(address("admin on http://"));
                break addresses
                    .with_context(|| format!("the card network said something else than its addresses: {line:?}"))?;
            }
            process.look_again(started).await?;
        };
        Ok(IssuerBed { process, iso, admin })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it ends badly, or not at all.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }
}

/// A gateway of our own.
#[derive(Debug)]
pub struct GatewayBed {
    process: Process,
    /// Where it listens for merchants.
    pub url: String,
    listen: SocketAddr,
    folder: PathBuf,
    iso: SocketAddr,
}

impl GatewayBed {
    /// Starts one on `folder/data`, which is made if it is not there, with its link to `iso`. Ready when it returns.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(folder: &Path, iso: SocketAddr) -> anyhow::Result<GatewayBed> {
        GatewayBed::start_on(folder, iso, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    async fn start_on(folder: &Path, iso: SocketAddr, listen: SocketAddr) -> anyhow::Result<GatewayBed> {
        let mut process = Process::start("gateway", folder, serve(folder, iso, listen)?)?;
        let started = Instant::now();
        let data = folder.join("data");
        let running = loop {
            if data.join("running.json").exists() {
                break Running::read(&DataFolder::open(&data)?)?;
            }
            process.look_again(started).await?;
        };
        let listen = running.url.split("//").nth(1).and_then(|address| address.parse().ok());
        let listen = listen.with_context(|| format!("the gateway listens at {:?}", running.url))?;
        Ok(GatewayBed { process, url: running.url, listen, folder: folder.to_owned(), iso })
    }

    /// Its data folder.
    ///
    /// # Errors
    /// When it is gone.
    pub fn data(&self) -> anyhow::Result<DataFolder> {
        DataFolder::open(&self.folder.join("data"))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What it has used so far.
    pub fn usage(&self) -> Option<Usage> {
        usage(self.pid())
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it ends badly, or not at all.
    pub async fn stop(self) -> anyhow::Result<Stopped> {
        let GatewayBed { process, listen, folder, iso, url } = self;
        process.stop().await?;
        Ok(Stopped { listen, folder, iso, url })
    }
}

/// A gateway that ended in order, and can be started again at the same address.
#[derive(Debug)]
pub struct Stopped {
    listen: SocketAddr,
    folder: PathBuf,
    iso: SocketAddr,
    url: String,
}

/// A gateway that was started again.
#[derive(Debug)]
pub struct Restarted {
    /// The gateway.
    pub gateway: GatewayBed,
    /// From the start of the process to the answer of the first request.
    pub first_answer_after: Duration,
}

impl Stopped {
    /// Starts it, and posts `body` until it is answered.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_and_ask(self, body: &[u8]) -> anyhow::Result<Restarted> {
        let target = Target::parse(&self.url, None)?;
        let command = serve(&self.folder, self.iso, self.listen)?;
        let started = Instant::now();
        let mut process = Process::start("gateway", &self.folder, command)?;
        loop {
            if let Ok(mut connection) = target.connect().await
                && answers(&mut connection, body).await
            {
                break;
            }
            process.look_again(started).await?;
        }
        let first_answer_after = started.elapsed();
        let gateway = GatewayBed { process, url: self.url, listen: self.listen, folder: self.folder, iso: self.iso };
        Ok(Restarted { gateway, first_answer_after })
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(self) -> anyhow::Result<GatewayBed> {
        GatewayBed::start_on(&self.folder, self.iso, self.listen).await
    }
}

async fn answers(connection: &mut Connection, body: &[u8]) -> bool {
    connection.post(body.to_vec()).await.is_ok_and(|answer| {
        let expected = format!("\"response_code\":\"{}\"", tollgate_core::code::STATUS_FOUND);
        String::from_utf8_lossy(&answer).contains(&expected)
    })
}

fn serve(folder: &Path, iso: SocketAddr, listen: SocketAddr) -> anyhow::Result<Command> {
    let mut command = tollgate(&["serve", "--dev", "--no-issuer", "--admin-listen", "127.0.0.1:0"])?;
    command.arg("--listen").arg(listen.to_string()).arg("--data").arg(folder.join("data"));
    command.env("TOLLGATE_ACQUIRER_ADDRESS", iso.to_string());
    Ok(command)
}

/// This very binary with these arguments, and without settings of the environment.
pub(super) fn tollgate(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("the path of this program is not known")?);
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TOLLGATE_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// A child process. It is killed when dropped.
#[derive(Debug)]
struct Process {
    name: &'static str,
    child: Child,
    output: PathBuf,
    log: PathBuf,
}

impl Process {
    fn start(name: &'static str, folder: &Path, mut command: Command) -> anyhow::Result<Process> {
        let (output, log) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.log")));
        let child = command.stdin(Stdio::null()).stdout(File::create(&output)?).stderr(File::create(&log)?).spawn();
        Ok(Process { name, child: child.with_context(|| format!("the {name} cannot be started"))?, output, log })
    }

    /// A short pause, unless it has ended, or has taken too long.
    async fn look_again(&mut self, started: Instant) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the {} ended with {status}:\n{}", self.name, self.last_words());
        }
        if started.elapsed() > Duration::from_millis(WAIT_MS_MAX) {
            bail!("the {} took more than {WAIT_MS_MAX} ms to start:\n{}", self.name, self.last_words());
        }
        pause().await;
        Ok(())
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_millis(WAIT_MS_MAX) {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the {} ended with {status}:\n{}", self.name, self.last_words()),
                None => pause().await,
            }
        }
        bail!("the {} took more than {WAIT_MS_MAX} ms to end:\n{}", self.name, self.last_words())
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(LOG_BYTES_SHOWN);
        String::from_utf8_lossy(log.get(from..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Shorter than the runtime's timer can: a start of some milliseconds is to be measured.
async fn pause() {
    let _ = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_micros(LOOK_US))).await;
}
