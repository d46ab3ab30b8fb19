//! The phases of a measurement.

use super::batch;
use super::bed::{GatewayBed, IssuerBed};
use super::ceilings;
use super::filled;
use super::folder::ScratchFolder;
use super::load::{self, KeepPayments, LoadPlan, LoadResult, Pace, Until, Watched};
use super::report::{GatewayFigures, Load, Machine, PREPARATION, Report, rounded};
use super::script::{Cart, Carts, Mix, Script, Step};
use super::signer::Signer;
use super::sums::{Answers, Books, compare};
use crate::client::Target;
use crate::data_folder::DataFolder;
use crate::wiring::{self, Keep};
use anyhow::bail;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tollgate_app::Accounts;
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Clock;

/// What both kinds of measurement have in common.
#[derive(Clone, Debug)]
pub struct PlanCommon {
    /// The merchant's handle.
    pub merchant: String,
    /// Which requests.
    pub mix: Mix,
    /// Connections.
    pub in_flight: u32,
    /// When requests begin.
    pub pace: Pace,
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub counted: Duration,
    /// ISO 4217 alphabetic codes.
    pub currencies: Vec<String>,
}

/// A measurement of processes of our own.
#[derive(Clone, Debug)]
pub struct OwnPlan {
    /// What it has in common with the other.
    pub common: PlanCommon,
    /// Where the folder is made.
    pub folder: PathBuf,
    /// Whether the ceilings are measured too.
    pub ceilings: WithCeilings,
    /// Orders stored beforehand, for a second load.
    pub orders: u64,
    /// Cards stored beforehand, for more loads.
    pub cards: u64,
    /// Whether the keys of the stored cards are rotated under payments.
    pub rotation: WithRotation,
    /// Rows of a batch that is carried out beside the load, for two more loads.
    pub batch: u32,
}

/// Whether the keys of stored cards are rotated under payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithRotation {
    /// Yes, with payments before it and during it.
    Measured,
    /// No.
    LeftOut,
}

/// Whether the ceilings are measured too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithCeilings {
    /// Yes, with the loads that are held against them.
    Measured,
    /// No.
    LeftOut,
}

/// A measurement of a gateway that runs already.
pub struct RunningPlan {
    /// What it has in common with the other.
    pub common: PlanCommon,
    /// Where it is.
    pub target: Target,
    /// Who signs; where nothing is given, the merchant in the data folder.
    pub signer: Option<Signer>,
    /// Its data folder, where it can be reached.
    pub data: Option<DataFolder>,
    /// The admin address of the sandbox card network behind it.
    pub issuer_admin: String,
    /// Its process, where it is on this machine.
    pub gateway_pid: Option<u32>,
}

/// Orders that are made before CHECK_STATUS is asked of them.
const STATUS_ORDERS: u64 = 2_000;
/// Tokens that are made before they are looked up.
const LOOKED_UP_TOKENS: u64 = 10_000;
/// How often the start on existing data is measured.
const STARTS: usize = 3;
/// How long an idle gateway is left alone before its memory is read, in milliseconds.
const IDLE_MS: u64 = 500;

/// Measures processes of our own over fresh data.
///
/// # Errors
/// When they cannot be started, do not answer at all, or cannot be read afterwards.
pub async fn measure_own(plan: &OwnPlan) -> anyhow::Result<Report> {
    let scratch = ScratchFolder::create_in(&plan.folder)?;
    let mut report = Report::begin(Machine::look(scratch.path()));
    let issuer = IssuerBed::start(scratch.path()).await?;
    let gateway = GatewayBed::start(scratch.path(), issuer.iso).await?;
    let signer = signer_of(&gateway.data()?, &plan.common.merchant).await?;
    let mut bench = Bench::new(plan.common.clone(), signer, Target::parse(&gateway.url, None)?)?;
    bench.watched = Watched { gateway: Some(gateway.pid()), issuer: Some(issuer.pid()) };
    tokio::time::sleep(Duration::from_millis(IDLE_MS)).await;
    let mut figures = GatewayFigures {
        resident_fresh_bytes: gateway.usage().map(|usage| usage.resident_bytes),
        ..Default::default()
    };

    let with_ceilings = plan.ceilings == WithCeilings::Measured;
    if !(with_ceilings && ceilings::has(&bench.main_plan())) {
        bench.load(bench.main_plan(), &mut report).await?;
    }
    if with_ceilings {
        ceilings::measure(&mut bench, scratch.path(), &gateway.data()?, &mut report).await?;
    }
    bench.make_one(&mut report).await?;
    bench.check_sums(&gateway.data()?, &issuer.admin.to_string(), &Books::default(), &mut report).await?;
    figures.resident_loaded_bytes = gateway.usage().map(|usage| usage.resident_bytes);

    let gateway = restart(gateway, &bench, &mut figures).await?;
    let database = gateway.data()?.database();
    gateway.stop().await?;
    // The gateway has ended in order, so everything is in the one file.
    figures.database_bytes = std::fs::metadata(database).ok().map(|about| about.len());
    report.gateway = Some(figures);
    if plan.orders > 0 {
        filled::measure_orders(plan, scratch.path(), &issuer, &mut report).await?;
    }
    if plan.cards > 0 {
        filled::measure_cards(plan, scratch.path(), &issuer, &mut report).await?;
    }
    if plan.batch > 0 {
        batch::measure_batch(plan, scratch.path(), &issuer, &mut report).await?;
    }
    issuer.stop().await?;
    report.end();
    Ok(report)
}

/// Measures a gateway that runs already, and checks what the run added to the books.
///
/// # Errors
/// As [`measure_own`].
pub async fn measure_running(plan: RunningPlan) -> anyhow::Result<Report> {
    let here = plan.data.as_ref().map_or(Path::new("."), DataFolder::path);
    let mut report = Report::begin(Machine::look(here));
    let signer = match (plan.signer, &plan.data) {
        (Some(signer), _) => signer,
        (None, Some(data)) => signer_of(data, &plan.common.merchant).await?,
        (None, None) => bail!("--url needs --data, or --credentials, to sign the requests"),
    };
    let before = match &plan.data {
        Some(data) => Some(Books::read(data, &plan.issuer_admin).await?),
        None => None,
    };
    let mut bench = Bench::new(plan.common, signer, plan.target)?;
    bench.watched.gateway = plan.gateway_pid;
    bench.load(bench.main_plan(), &mut report).await?;
    if let (Some(data), Some(before)) = (&plan.data, &before) {
        bench.check_sums(data, &plan.issuer_admin, before, &mut report).await?;
    }
    report.end();
    Ok(report)
}

/// One gateway under load.
pub(super) struct Bench {
    pub(super) common: PlanCommon,
    target: Target,
    pub(super) script: Arc<Script>,
    pub(super) carts: Arc<Carts>,
    pub(super) watched: Watched,
    answers: Answers,
    lost: Lost,
    /// Orders that exist, by their numbers; empty before some were made.
    known_orders: Range<u64>,
    /// Tokens that exist, likewise.
    pub(super) known_tokens: Range<u64>,
}

/// Whether an answer was lost, so that the answers cannot tell everything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    None,
    Some,
}

impl Bench {
    pub(super) fn new(common: PlanCommon, signer: Signer, target: Target) -> anyhow::Result<Bench> {
        let mut first = [0_u8; 8];
        if aws_lc_rs::rand::fill(&mut first).is_err() {
            bail!("the system gives no random numbers");
        }
        let year = crate::clock::SystemClock.now().utc().year;
        let script = Arc::new(Script::new(signer, common.currencies.clone(), year));
        let carts = Arc::new(Carts::new(u64::from_le_bytes(first), common.currencies.len()));
        let (watched, answers) = (Watched::default(), Answers::default());
        let lost = Lost::None;
        Ok(Bench { common, target, script, carts, watched, answers, lost, known_orders: 0..0, known_tokens: 0..0 })
    }

    /// The load that was asked for.
    pub(super) fn main_plan(&self) -> LoadPlan {
        let plan = self.plan(self.common.mix, self.common.in_flight);
        LoadPlan { pace: self.common.pace, ..plan }
    }

    /// A closed loop.
    pub(super) fn plan(&self, mix: Mix, in_flight: u32) -> LoadPlan {
        LoadPlan {
            name: mix.name().to_owned(),
            target: self.target.clone(),
            script: Arc::clone(&self.script),
            carts: Arc::clone(&self.carts),
            mix,
            known: 0..0,
            in_flight,
            pace: Pace::Closed,
            until: Until::Time { warm_up: self.common.warm_up, counted: self.common.counted },
            payments: KeepPayments::None,
            watched: self.watched,
        }
    }

    /// Runs a load, with orders to ask for where it needs them, and reports it.
    pub(super) async fn load(&mut self, plan: LoadPlan, report: &mut Report) -> anyhow::Result<LoadResult> {
        let plan = self.prepared(plan, report).await?;
        let result = self.run(&plan).await?;
        report.loads.push(Load::new(&plan, &result));
        Ok(result)
    }

    /// Runs a load that has what it asks for.
    pub(super) async fn run(&mut self, plan: &LoadPlan) -> anyhow::Result<LoadResult> {
        let result = load::run(plan.clone()).await?;
        self.book(&result);
        Ok(result)
    }

    /// A load with orders or tokens to ask for, where it needs them.
    pub(super) async fn prepared(&mut self, mut plan: LoadPlan, report: &mut Report) -> anyhow::Result<LoadPlan> {
        match plan.mix {
            Mix::Status => {
                if self.known_orders.is_empty() {
                    self.known_orders = self.make(Mix::Purchase, STATUS_ORDERS, report).await?;
                }
                plan.known = self.known_orders.clone();
            }
            Mix::Token => {
                if self.known_tokens.is_empty() {
                    self.known_tokens = self.make(Mix::Named, LOOKED_UP_TOKENS, report).await?;
                }
                plan.known = self.known_tokens.clone();
            }
            Mix::Purchase | Mix::Cycle | Mix::Tokenize | Mix::Named => {}
        }
        Ok(plan)
    }

    /// Makes orders, or tokens, that all succeed, and gives their numbers.
    async fn make(&mut self, mix: Mix, count: u64, report: &mut Report) -> anyhow::Result<Range<u64>> {
        let begin = self.carts.next() + 1;
        let plan = LoadPlan { name: PREPARATION.to_owned(), until: Until::Orders(count), ..self.plan(mix, 32) };
        let result = self.run(&plan).await?;
        if result.tally.errors_total() > 0 {
            report.loads.push(Load::new(&plan, &result));
            bail!("what is to be asked for could not be made: {:?}", result.tally.errors);
        }
        Ok(begin..begin + count)
    }

    /// Makes one order if there is none to ask for yet.
    async fn make_one(&mut self, report: &mut Report) -> anyhow::Result<()> {
        if self.known_orders.is_empty() {
            self.known_orders = self.make(Mix::Purchase, 1, report).await?;
        }
        Ok(())
    }

    /// Payments are made that nobody here is answered for: the books are held against each other alone.
    pub(super) fn knows_not_all_answers(&mut self) {
        self.lost = Lost::Some;
    }

    fn book(&mut self, result: &LoadResult) {
        let answered: u64 = result.tally.codes.values().sum();
        if answered < result.tally.sent {
            self.lost = Lost::Some;
        }
        self.answers.add(&result.tally.money, &self.script.currencies);
    }

    pub(super) async fn check_sums(
        &self,
        data: &DataFolder,
        ledger: &str,
        before: &Books,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let after = Books::read(data, ledger).await?;
        let answers = Some(&self.answers).filter(|_| self.lost == Lost::None);
        report.sums.push(compare(before, &after, answers));
        Ok(())
    }

    /// CHECK_STATUS of an order that exists.
    fn status_request(&self) -> Vec<u8> {
        let cart: Cart = self.carts.cart(self.known_orders.start);
        self.script.request(Step::CheckStatus, &cart)
    }
}

/// Stops the gateway and starts it on the data it has, some times.
async fn restart(mut gateway: GatewayBed, bench: &Bench, figures: &mut GatewayFigures) -> anyhow::Result<GatewayBed> {
    let body = bench.status_request();
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let restarted = gateway.stop().await?.start_and_ask(&body).await?;
        starts.push(rounded(restarted.first_answer_after.as_secs_f64() * 1e3));
        gateway = restarted.gateway;
        tokio::time::sleep(Duration::from_millis(IDLE_MS)).await;
    }
    figures.resident_restarted_bytes = gateway.usage().map(|usage| usage.resident_bytes);
    figures.starts_ms.clone_from(&starts);
    starts.sort_by(f64::total_cmp);
    figures.start_ms = starts.get(starts.len() / 2).copied();
    Ok(gateway)
}

/// Who signs, and under which number the store knows him.
pub(super) struct AccountOf {
    pub(super) id: MerchantId,
    pub(super) signer: Signer,
}

pub(super) async fn account_of(data: &DataFolder, merchant: &str) -> anyhow::Result<AccountOf> {
    let opened = wiring::open(data, Keep::Existing).await?;
    let accounts = Accounts::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
    let account = accounts.by_name(merchant).await;
    drop(accounts);
    wiring::close(opened).await;
    let account = account?;
    Ok(AccountOf { id: account.merchant.id, signer: Signer::of(&account)? })
}

async fn signer_of(data: &DataFolder, merchant: &str) -> anyhow::Result<Signer> {
    Ok(account_of(data, merchant).await?.signer)
}

/// Tells a person at a terminal what goes on.
pub(super) fn tell(what: &str) {
    use std::io::IsTerminal;
    if std::io::stderr().is_terminal() {
        eprintln!("{what}");
    }
}
