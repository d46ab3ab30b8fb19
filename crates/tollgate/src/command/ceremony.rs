//! `tollgate keys ceremony`: a key-encryption key that no single person can open.

use super::OperatorArgs;
use super::keys::CustodianArgs;
use super::unlock;
use crate::config::{KeysConfig, KeysProvider};
use crate::data_folder::DataFolder;
use crate::operator::OperatorClient;
use crate::passphrases::PassphraseSource;
use crate::terminal::Terminal;
use crate::who;
use crate::wiring::{self, Looked};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Instant;
use tollgate_core::audit::AuditAction;
use tollgate_core::secret::Secret;
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};
use tollgate_vault::{
    Custodian, FileKeyProvider, KekSplit, QUORUM_MIN, SplitPlan, StoredDataKeys, check_name, check_passphrase,
    check_quorum,
};

/// Split the key-encryption key among custodians.
#[derive(Debug, Args)]
pub struct Ceremony {
    /// A custodian's name; once for each of the two to five
    #[arg(long = "custodian", value_name = "NAME")]
    custodians: Vec<String>,
    /// How many of them open the key together
    #[arg(long, value_name = "COUNT", default_value_t = QUORUM_MIN)]
    quorum: usize,
    /// Let a new, split key take over from the one that there is, while payments run
    #[arg(long, conflicts_with = "change_custodian")]
    convert: bool,
    /// Give this custodian's place to another passphrase, or another person, with a quorum present. The key stays
    /// what it is
    #[arg(long, value_name = "NAME", conflicts_with_all = ["custodians", "quorum"])]
    change_custodian: Option<String>,
    /// With --change-custodian: who takes the place [default: the same person]
    #[arg(long, value_name = "NAME", requires = "change_custodian")]
    successor: Option<String>,
    /// Do not ask whether it is understood that everything is lost with too few custodians
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    sources: CustodianArgs,
}

/// How often one passphrase may be chosen badly before the ceremony ends.
const CHOSEN_TIMES_MAX: u32 = 5;

impl Ceremony {
    /// Whether the first key of a folder is to be made.
    pub fn is_first(&self) -> bool {
        !self.convert && self.change_custodian.is_none()
    }

    /// Makes the first key, and the data folder where there is none.
    ///
    /// # Errors
    /// When there is a key already, or a custodian or a passphrase does not do.
    pub async fn first(&self, common: &OperatorArgs) -> anyhow::Result<ExitCode> {
        let folder = DataFolder::create_or_open(&common.data.data)?;
        if KeysConfig::load(&folder.config())?.provider != KeysProvider::File {
            bail!("{NOT_IN_FILES}");
        }
        self.check_names()?;
        let stored = stored_data_keys(&folder).await?;
        // Before anybody thinks of a passphrase; it is looked at again when the key is made.
        if folder.keys().exists() && FileKeyProvider::open(&folder.keys()).is_ok() {
            bail!("there is a key already: --convert lets a split one take over from it");
        }
        let plan = self.plan()?;
        FileKeyProvider::create_split(&folder.keys(), stored, &plan)?;
        report(common, &folder, 1, &plan.custodians.iter().map(|of| of.name.as_str()).collect::<Vec<_>>(), plan.quorum)
    }

    /// Converts a key, or changes a custodian.
    ///
    /// # Errors
    /// When a passphrase is wrong or does not do, or something fails; then it says what is left to do.
    pub async fn run(&self, folder: &DataFolder, looked: Looked, common: &OperatorArgs) -> anyhow::Result<ExitCode> {
        let Some(leaving) = &self.change_custodian else {
            self.check_names()?;
            looked.source.files().context(NOT_IN_FILES)?;
            looked.unlock_here(&self.sources.present()?)?;
            return take_over(folder, looked, &self.plan()?, common).await;
        };
        let changed = match self.change(leaving, &looked) {
            Ok(changed) => changed,
            Err(error) => {
                looked.close().await;
                return Err(error);
            }
        };
        changed.note(looked).await?;
        common.print(&changed.shown(), |_| changed.print())
    }

    fn change(&self, leaving: &str, looked: &Looked) -> anyhow::Result<Changed> {
        let files = looked.source.files().context(NOT_IN_FILES)?;
        let version = files.newest_file()?;
        let KekSplit { quorum, custodians } = looked
            .source
            .newest_split()?
            .context("the newest key is not split, so it has no custodians: --convert splits it")?;
        let successor = self.successor.as_deref().unwrap_or(leaving);
        let mut present = Vec::new();
        for source in self.sources.present()?.iter().take(quorum) {
            present.push(source.read()?);
        }
        while present.len() < quorum {
            let terminal = terminal()?;
            terminal.say(&format!(
                "{} of {quorum} custodians ({}) are here\n",
                present.len(),
                custodians.join(", ")
            ))?;
            let name = terminal.ask("custodian: ")?;
            let passphrase = terminal.ask_secret(&format!("passphrase of {name} (not shown): "))?;
            present.push(Custodian { name, passphrase });
        }
        let new = Custodian {
            name: successor.to_owned(),
            passphrase: chosen_passphrase(successor, &self.sources.new_custodian()?)?,
        };
        // Those who are present open the key, so that the audit log can be told. Before the change, since who leaves may
        // be one of them. Whoever is wrong is told by the change.
        for custodian in &present {
            let _told_below = files.come(&custodian.name, &custodian.passphrase, Instant::now());
        }
        files.change_custodian(&present, leaving, &new)?;
        Ok(Changed { version, left: leaving.to_owned(), came: successor.to_owned() })
    }

    fn check_names(&self) -> anyhow::Result<()> {
        check_quorum(self.custodians.len(), self.quorum)
            .context("name each custodian with --custodian, and how many of them open the key with --quorum")?;
        self.custodians.iter().try_for_each(|name| check_name(name).with_context(|| format!("custodian {name}")))
    }

    /// Everybody's passphrase, after it is understood what can be lost.
    fn plan(&self) -> anyhow::Result<SplitPlan> {
        self.confirm()?;
        planned(&self.custodians, self.quorum, &self.sources.new_key()?)
    }

    fn confirm(&self) -> anyhow::Result<()> {
        let spare = self.custodians.len() - self.quorum;
        let loss = format!(
            "EVERYTHING IS LOST when fewer than {} of the {} custodians remember their passphrases: every stored card, \
             every credential, for good. Nobody can recover them. {}",
            self.quorum,
            self.custodians.len(),
            match spare {
                0 =>
                    "Nobody is spare here: the first who forgets or is gone takes it all with him; one more custodian \
                      would survive that."
                        .to_owned(),
                _ => format!("This survives the loss of {spare}; then change the lost one's place at once."),
            }
        );
        if self.accept_loss {
            eprintln!("{loss}");
            return Ok(());
        }
        let terminal =
            Terminal::open().with_context(|| format!("{loss} Say --accept-loss where nobody can be asked"))?;
        terminal.say(&format!("{loss}\n"))?;
        match terminal.ask("Type \"yes\" when all of you have understood this: ")?.as_str() {
            "yes" => Ok(()),
            _ => bail!("nothing was made"),
        }
    }
}

/// A custodian has given the place to another.
struct Changed {
    version: u32,
    left: String,
    came: String,
}

impl Changed {
    /// Tells the audit log, which opens with the keys.
    async fn note(&self, looked: Looked) -> anyhow::Result<()> {
        if !looked.awaited()?.is_empty() {
            looked.close().await;
            eprintln!(
                "the audit log is not told, as older keys are still locked: finish the rotation that was cut off \
                 (tollgate keys rotate --kek)"
            );
            return Ok(());
        }
        let opened = looked.open_noting().await?;
        let detail = if self.is_same_person() {
            format!("version {}: {} has another passphrase", self.version, self.came)
        } else {
            format!("version {}: {} has the place of {}", self.version, self.came, self.left)
        };
        let noted = opened.note(who::person(), AuditAction::CustodianChanged, &detail).await;
        wiring::close(opened).await;
        noted
    }

    fn is_same_person(&self) -> bool {
        self.came.eq_ignore_ascii_case(&self.left)
    }

    fn shown(&self) -> Value {
        json!({ "kek_version": self.version, "left": self.left, "came": self.came })
    }

    fn print(&self) {
        let Changed { version, left, came } = self;
        if self.is_same_person() {
            println!("key-encryption key version {version}: {came} has another passphrase; the key is the same");
        } else {
            println!("key-encryption key version {version}: {came} has the place of {left}; the key is the same");
        }
        println!(
            "back the key folder up now, and destroy older backups of it: in them {left}'s old passphrase still counts"
        );
        println!("if {left} may want harm, or the old passphrase got out, rotate as well: tollgate keys rotate --kek");
    }
}

const NOT_IN_FILES: &str = "only keys in files are split among custodians; a token has ways of its own";

/// The plan for a new key that is split as the newest one is; `None` where that is not split, or where a rotation
/// that was cut off has to be finished first.
///
/// # Errors
/// When a passphrase is missing or does not do.
pub fn of_the_same(looked: &Looked, sources: &CustodianArgs) -> anyhow::Result<Option<SplitPlan>> {
    let Some(KekSplit { quorum, custodians }) = looked.source.newest_split()? else { return Ok(None) };
    let newest = looked.source.files().map(FileKeyProvider::newest_file).transpose()?;
    if looked.has_data_keys_below(newest.unwrap_or_default()) {
        return Ok(None);
    }
    planned(&custodians, quorum, &sources.new_key()?).map(Some)
}

/// Makes the new split key, lets its custodians into the running gateway, and wraps every data key under it.
///
/// # Errors
/// When something fails; then it says what is left to do.
pub async fn take_over(
    folder: &DataFolder,
    looked: Looked,
    plan: &SplitPlan,
    common: &OperatorArgs,
) -> anyhow::Result<ExitCode> {
    unlock::refuse_locked_gateway(folder).await?;
    let files = looked.source.files().context(NOT_IN_FILES)?.clone();
    let opened = looked.open_noting().await?;
    let names: Vec<&str> = plan.custodians.iter().map(|of| of.name.as_str()).collect();
    let done = async {
        if opened.vault.rewrap_left().await? > 0 {
            bail!("a rotation was cut off: finish it first with `tollgate keys rotate --kek`");
        }
        let rows = opened.store.data_keys().await?;
        let highest = rows.iter().map(|row| row.kek_version).max().unwrap_or(0);
        let version = files.add_split_version(highest, plan)?;
        let detail = format!("version {version}, any {} of {} open it", plan.quorum, names.join(", "));
        opened.note(who::person(), AuditAction::KekMade, &detail).await?;
        if let Some(gateway) = OperatorClient::of_running(folder)? {
            // Before anything is wrapped under it, so that the gateway misses nothing.
            for custodian in plan.custodians.iter().take(plan.quorum) {
                unlock::come(&gateway, custodian).await.context(
                    "the new key is made, and the gateway goes on with the old one: let the custodians come with \
                     `tollgate keys unlock`, then finish with `tollgate keys rotate --kek`",
                )?;
            }
        }
        opened.vault.rewrap().await?;
        Ok(version)
    };
    let done = done.await;
    wiring::close(opened).await;
    report(common, folder, done?, &names, plan.quorum)
}

fn report(
    common: &OperatorArgs,
    folder: &DataFolder,
    version: u32,
    names: &[&str],
    quorum: usize,
) -> anyhow::Result<ExitCode> {
    let done = json!({ "kek_version": version, "custodians": names, "quorum": quorum });
    common.print(&done, |_| {
        println!(
            "key-encryption key version {version} wraps from now on; any {quorum} of {} open it",
            names.join(", ")
        );
        println!("back the key folder up now: {}", folder.keys().display());
        if version > 1 {
            println!(
                "when the backup is safe, put old ones aside with: tollgate keys retire --kek VERSION. A plain old key \
                 opens every older backup of the database: destroy it as soon as they are gone"
            );
        }
        println!("at each start the gateway waits for them: tollgate keys unlock");
    })
}

fn planned(names: &[String], quorum: usize, files: &[PassphraseSource]) -> anyhow::Result<SplitPlan> {
    let mut custodians = Vec::new();
    for name in names {
        let passphrase = chosen_passphrase(name, files)?;
        custodians.push(Custodian { name: name.clone(), passphrase });
    }
    let plan = SplitPlan { custodians, quorum };
    plan.check()?;
    Ok(plan)
}

/// The passphrase that a custodian chooses: from his file, else typed twice.
fn chosen_passphrase(name: &str, files: &[PassphraseSource]) -> anyhow::Result<Secret> {
    if let Some(source) = files.iter().find(|source| source.custodian.eq_ignore_ascii_case(name)) {
        let passphrase = source.read()?.passphrase;
        check_passphrase(name, &passphrase).with_context(|| format!("custodian {name}"))?;
        return Ok(passphrase);
    }
    let terminal = terminal().with_context(|| format!("the passphrase of {name} is missing"))?;
    terminal.say(&format!("\n{name} comes to the keyboard, alone.\n"))?;
    for _ in 0..CHOSEN_TIMES_MAX {
        let passphrase = terminal.ask_secret(&format!("{name}, choose a passphrase (not shown): "))?;
        if let Err(fault) = check_passphrase(name, &passphrase) {
            terminal.say(&format!("{fault}\n"))?;
        } else if terminal.ask_secret("the same again: ")? == passphrase {
            return Ok(passphrase);
        } else {
            terminal.say("the two differ\n")?;
        }
    }
    bail!("{name} chose no passphrase in {CHOSEN_TIMES_MAX} tries")
}

fn terminal() -> anyhow::Result<Terminal> {
    Terminal::open().context("there is no terminal to type at: name files with --passphrase-file NAME=FILE")
}

/// Whether the folder's store needs a key that is not there, if there is a store.
async fn stored_data_keys(folder: &DataFolder) -> anyhow::Result<StoredDataKeys> {
    if !folder.database().exists() {
        return Ok(StoredDataKeys::NoneYet);
    }
    let store = SqliteStore::open(&folder.database(), SqliteOptions::default())?;
    let stored = StoredDataKeys::look(&store).await?;
    store.close().await;
    Ok(stored)
}
