//! `tollgate keys list|rotate|retire|ceremony|unlock`.

use super::ceremony::{self, Ceremony};
use super::unlock::{self, Unlock};
use super::{OperatorArgs, small_runtime};
use crate::clock::SystemClock;
use crate::data_folder::DataFolder;
use crate::duration;
use crate::operator::OperatorClient;
use crate::passphrases::PassphraseSource;
use crate::who;
use crate::wiring::{self, Keep, Looked, Opened};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tollgate_app::{AccountError, RotationProgress, Rotations};
use tollgate_core::audit::AuditAction;
use tollgate_core::ident::MerchantId;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_store::{DataKeyId, SealedColumn, Store};
use tollgate_vault::{
    AUDIT_PERIOD, FINGERPRINT_PERIOD, GATEWAY, KekCustody, KekState, LINK_PERIOD, RotationState, WrappedDataKey,
    data_key_of,
};

/// List, rotate and retire keys.
#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List key-encryption keys and data keys: age, what they seal, whether they are in use
    List,
    /// Make a new key and let it take over from the old ones, while payments run
    Rotate(Rotate),
    /// Put an old key-encryption key aside, once nothing is wrapped under it
    Retire(Retire),
    /// Split the key-encryption key among custodians, of whom none alone opens anything
    Ceremony(Ceremony),
    /// Come as a custodian: a gateway whose key is split takes no payments before enough of them have
    Unlock(Unlock),
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["kek", "data_keys"]))]
struct Rotate {
    /// A new key-encryption key; every data key is wrapped under it. Where the old one is split, all its custodians
    /// have to come, and the new one is split in the same way
    #[arg(long)]
    kek: bool,
    /// A new data key, which seals every card and credential anew: of one merchant, or of all and the
    /// gateway itself
    #[arg(long, value_name = "MERCHANT", num_args = 0..=1)]
    data_keys: Option<Option<String>>,
    #[command(flatten)]
    custodians: CustodianArgs,
}

/// Passphrases of custodians for scripts; without them they are asked at the terminal.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub(super) struct CustodianArgs {
    /// The file with a custodian's passphrase, or NAME=env:VARIABLE; once for each custodian
    #[arg(long = "passphrase-file", value_name = "NAME=FILE")]
    passphrase_files: Vec<String>,
    /// The same for the passphrases of a new key, where they are other ones
    #[arg(long = "new-passphrase-file", value_name = "NAME=FILE")]
    new_passphrase_files: Vec<String>,
}

impl CustodianArgs {
    /// Where the passphrases of those are who open a key.
    pub(super) fn present(&self) -> anyhow::Result<Vec<PassphraseSource>> {
        PassphraseSource::parse_each(&self.passphrase_files)
    }

    /// Where the passphrases for a new key are; they come first where a custodian has two.
    pub(super) fn new_key(&self) -> anyhow::Result<Vec<PassphraseSource>> {
        let mut sources = PassphraseSource::parse_each(&self.new_passphrase_files)?;
        sources.extend(self.present()?);
        Ok(sources)
    }

    /// Where the passphrase of a new custodian is: never that of one who opens the key.
    pub(super) fn new_custodian(&self) -> anyhow::Result<Vec<PassphraseSource>> {
        PassphraseSource::parse_each(&self.new_passphrase_files)
    }
}

#[derive(Debug, Args)]
struct Retire {
    /// The version of the key-encryption key
    #[arg(long, value_name = "VERSION")]
    kek: u32,
    /// The file with a custodian's passphrase, or NAME=env:VARIABLE, instead of the terminal; once for each custodian
    /// of a quorum of the key in use, which opens the audit log
    #[arg(long = "passphrase-file", value_name = "NAME=FILE")]
    passphrase_files: Vec<String>,
}

/// The gateway itself, as the owner of data keys, in commands.
const GATEWAY_NAME: &str = "gateway";
/// How often a rotation is asked how far it is, in milliseconds.
const POLL_MS: u64 = 100;
/// How many polls pass between two lines of progress.
const POLLS_PER_LINE: u64 = 10;
/// How many sealed rows are read at a time for the list.
const ROWS_PER_READ_MAX: usize = 1_024;

impl Keys {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong and what to do.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        small_runtime()?.block_on(async {
            let folder = match &self.action {
                Action::Ceremony(ceremony) if ceremony.is_first() => return ceremony.first(&self.common).await,
                _ => self.common.data.open()?,
            };
            if let Action::Unlock(unlock) = &self.action {
                return unlock.run(&folder, &self.common).await;
            }
            let looked = wiring::look(&folder, Keep::Existing).await?;
            match &self.action {
                Action::List => closing(looked, async |looked: &Looked| self.list(looked).await).await,
                Action::Retire(retire) => self.retire(retire, &folder, looked).await,
                Action::Ceremony(ceremony) => ceremony.run(&folder, looked, &self.common).await,
                Action::Rotate(rotate) => self.rotate(rotate, &folder, looked).await,
                Action::Unlock(_) => Ok(ExitCode::SUCCESS),
            }
        })
    }

    async fn list(&self, looked: &Looked) -> anyhow::Result<ExitCode> {
        let shown = inventory(looked.custody()?.as_ref(), looked.store.as_ref(), looked.clock.now()).await?;
        self.common.print(&shown, print_list)
    }

    async fn rotate(&self, rotate: &Rotate, folder: &DataFolder, looked: Looked) -> anyhow::Result<ExitCode> {
        let Rotate { data_keys, custodians, .. } = rotate;
        if let Some(merchant) = data_keys
            && let Some(gateway) = OperatorClient::of_running(folder)?
        {
            // It has the keys open; here they need not be.
            return closing(looked, async |looked: &Looked| {
                self.rotate_by_gateway(&gateway, looked, merchant.as_deref()).await
            })
            .await;
        }
        looked.unlock_here(&custodians.present()?)?;
        if data_keys.is_none()
            && let Some(plan) = ceremony::of_the_same(&looked, custodians)?
        {
            return ceremony::take_over(folder, looked, &plan, &self.common).await;
        }
        let opened = looked.open_noting().await?;
        let done = match data_keys {
            Some(merchant) => self.rotate_data_keys(&opened, merchant.as_deref()).await,
            None => self.rotate_kek(folder, &opened).await,
        };
        wiring::close(opened).await;
        done
    }

    async fn rotate_kek(&self, folder: &DataFolder, opened: &Opened) -> anyhow::Result<ExitCode> {
        let provider = opened.custody()?;
        let unfinished = opened.vault.rewrap_left().await?;
        if unfinished > 0 {
            unlock::refuse_locked_gateway(folder).await?;
        } else {
            let rows = opened.store.data_keys().await?;
            let made = provider.add_version(rows.iter().map(|row| row.kek_version).max().unwrap_or(0))?;
            opened.note(who::person(), AuditAction::KekMade, &format!("version {made}")).await?;
        }
        let rewrapped = opened.vault.rewrap().await?;
        let version = provider.newest_version()?;
        let done = json!({ "kek_version": version, "data_keys_rewrapped": rewrapped, "resumed": unfinished > 0 });
        self.common.print(&done, |_| {
            let resumed = if unfinished > 0 { "went on with the rotation that was cut off: " } else { "" };
            println!(
                "{resumed}key-encryption key version {version} wraps from now on; {rewrapped} data keys rewrapped"
            );
            match provider.name() {
                "file" => println!("back the key folder up now: {}", folder.keys().display()),
                _ => println!("back the token up now, as its maker says"),
            }
            println!("when the backup is safe, put old ones aside with: tollgate keys retire --kek VERSION");
        })
    }

    async fn rotate_by_gateway(
        &self,
        gateway: &OperatorClient,
        looked: &Looked,
        merchant: Option<&str>,
    ) -> anyhow::Result<ExitCode> {
        let merchants = merchants_named(looked.store.as_ref(), merchant).await?;
        self.show_rotation(&rotate_in_gateway(gateway, merchants).await?)
    }

    async fn rotate_data_keys(&self, opened: &Opened, merchant: Option<&str>) -> anyhow::Result<ExitCode> {
        let merchants = merchants_named(opened.store.as_ref(), merchant).await?;
        self.show_rotation(&rotate_here(opened, merchants).await?)
    }

    fn show_rotation(&self, done: &Value) -> anyhow::Result<ExitCode> {
        let unreadable = done["unreadable_rows"].as_u64().unwrap_or_default();
        self.common.print(done, print_rotation)?;
        if unreadable > 0 {
            bail!(
                "{unreadable} sealed rows do not open and were left as they are; restore them from backup and rotate \
                 again: {}",
                done["unreadable"]
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn retire(&self, retire: &Retire, folder: &DataFolder, looked: Looked) -> anyhow::Result<ExitCode> {
        // Before anybody is asked for a passphrase.
        refuse_in_use(looked.store.as_ref(), retire.kek).await?;
        if let Some(files) = looked.source.files() {
            refuse_not_there(files, retire.kek)?;
        }
        unlock::refuse_locked_gateway(folder).await?;
        // Where the key is split, its custodians have to be present: the audit log opens with it.
        looked.unlock_here(&PassphraseSource::parse_each(&retire.passphrase_files)?)?;
        let opened = looked.open_noting().await?;
        let done = self.put_aside(&opened, retire.kek).await;
        wiring::close(opened).await;
        done
    }

    async fn put_aside(&self, opened: &Opened, version: u32) -> anyhow::Result<ExitCode> {
        let provider = opened.custody()?;
        provider.retire_version(version)?;
        // Somebody may have wrapped a key under it between the two.
        if let Err(error) = refuse_in_use(opened.store.as_ref(), version).await {
            provider.revive_version(version)?;
            return Err(error);
        }
        opened.note(who::person(), AuditAction::KekRetired, &format!("version {version}")).await?;
        self.common.print(&json!({ "retired": version }), |_| {
            println!(
                "key-encryption key version {version} is retired and is now called so (-{version}-retired in a token, \
                 kek-{version}.retired in a key folder). Backups of the database from its time need it: keep it with \
                 them, or destroy it with them"
            );
        })
    }
}

/// Does it, then closes what it was done with.
async fn closing(
    looked: Looked,
    work: impl AsyncFnOnce(&Looked) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let done = work(&looked).await;
    looked.close().await;
    done
}

/// Every key with its age, its place in a rotation and what it seals.
///
/// # Errors
/// When keys or what they seal cannot be read.
pub(crate) async fn inventory(provider: &dyn KekCustody, store: &dyn Store, now: Timestamp) -> anyhow::Result<Value> {
    let rows = store.data_keys().await?;
    let inventory = Inventory {
        now,
        provider: provider.name(),
        keks: keks(provider, &rows)?,
        names: names(store).await?,
        sealed: sealed_counts(store).await?,
        rows,
    };
    Ok(inventory.shown())
}

async fn refuse_in_use(store: &dyn Store, version: u32) -> anyhow::Result<()> {
    let rows = store.data_keys().await?;
    match rows.iter().filter(|row| row.kek_version == version).count() {
        0 => Ok(()),
        count => bail!(
            "{count} data keys are wrapped under key-encryption key version {version}: rotate first (`tollgate keys \
             rotate --kek`)"
        ),
    }
}

fn refuse_not_there(provider: &dyn KekCustody, version: u32) -> anyhow::Result<()> {
    match provider.keks()?.iter().find(|kek| kek.version == version).map(|kek| kek.state) {
        Some(KekState::Live) => Ok(()),
        Some(KekState::Retired) => bail!("key-encryption key version {version} is retired already"),
        None => bail!("there is no key-encryption key version {version}; `tollgate keys list` shows them all"),
    }
}

/// Has the running gateway rotate, and waits for it.
async fn rotate_in_gateway(gateway: &OperatorClient, merchants: Option<Vec<MerchantId>>) -> anyhow::Result<Value> {
    gateway.ask(Method::POST, "keys/rotate", &json!({ "merchants": merchants })).await?;
    for poll in 1u64.. {
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
        let shown = gateway.ask(Method::GET, "keys/rotation", &Value::Null).await.context(
            "the gateway does not answer any more; it goes on with the rotation at its next start, or run this again",
        )?;
        if shown["running"] == false {
            return Ok(shown);
        }
        if let Some(error) = shown["error"].as_str() {
            bail!("the rotation stopped and will be tried again by the gateway: {error}");
        }
        if poll % POLLS_PER_LINE == 0 {
            print_progress(&shown["rows_read"], &shown["rows_resealed"]);
        }
    }
    bail!("the rotation never ended")
}

/// Rotates in this process, as no gateway runs.
async fn rotate_here(opened: &Opened, merchants: Option<Vec<MerchantId>>) -> anyhow::Result<Value> {
    // Nobody else needs the machine.
    let (vault, clock) = (opened.vault.clone(), opened.clock.clone());
    let rotations = Rotations::new(opened.store.clone(), vault, clock, u64::MAX);
    rotations.begin(merchants.as_deref()).await?;
    let progress = Arc::new(RotationProgress::default());
    let mut run = std::pin::pin!(rotations.run(&progress));
    let mut line = tokio::time::interval(Duration::from_millis(POLL_MS * POLLS_PER_LINE));
    line.tick().await;
    let done = loop {
        tokio::select! {
            done = &mut run => break done?,
            _ = line.tick() => print_progress(&progress.rows_read().into(), &progress.rows_resealed().into()),
        }
    };
    Ok(json!({
        "running": false,
        "rows_read": progress.rows_read(),
        "rows_resealed": progress.rows_resealed(),
        "rows_per_second": progress.rows_per_second(),
        "finished_keys": done.finished,
        "unreadable_rows": done.unreadable_rows,
        "unreadable": done.unreadable,
    }))
}

/// Progress is no result, so it goes to standard error.
fn print_progress(read: &Value, resealed: &Value) {
    eprintln!("  {read} rows read, {resealed} sealed anew");
}

fn print_rotation(done: &Value) {
    let keys: Vec<String> = done["finished_keys"].as_array().into_iter().flatten().map(Value::to_string).collect();
    println!(
        "{} rows sealed anew, {} a second, under data keys {}",
        done["rows_resealed"],
        done["rows_per_second"],
        keys.join(", ")
    );
}

/// The owner of data keys by that name; everybody where none is given.
async fn merchants_named(store: &dyn Store, name: Option<&str>) -> anyhow::Result<Option<Vec<MerchantId>>> {
    let Some(name) = name else { return Ok(None) };
    if name == GATEWAY_NAME {
        return Ok(Some(vec![GATEWAY]));
    }
    let merchants = store.merchants().await?;
    let found = merchants.into_iter().find(|record| record.name == name);
    let found = found.ok_or_else(|| AccountError::NotFound(name.to_owned()))?;
    Ok(Some(vec![found.id]))
}

async fn names(store: &dyn Store) -> anyhow::Result<HashMap<MerchantId, String>> {
    let merchants = store.merchants().await?;
    let mut names: HashMap<_, _> = merchants.into_iter().map(|record| (record.id, record.name)).collect();
    names.insert(GATEWAY, GATEWAY_NAME.to_owned());
    Ok(names)
}

/// How many rows each data key has sealed, column by column.
async fn sealed_counts(store: &dyn Store) -> anyhow::Result<HashMap<DataKeyId, BTreeMap<SealedColumn, u64>>> {
    let mut counts: HashMap<DataKeyId, BTreeMap<SealedColumn, u64>> = HashMap::new();
    for column in SealedColumn::ALL {
        let mut after = None;
        loop {
            let rows = store.sealed_rows(column, after, ROWS_PER_READ_MAX).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.number);
            for row in &rows {
                // What has no format of ours belongs to no key; a rotation tells of it.
                if let Ok(id) = data_key_of(&row.sealed) {
                    *counts.entry(id).or_default().entry(column).or_default() += 1;
                }
            }
        }
    }
    Ok(counts)
}

fn keks(provider: &dyn KekCustody, rows: &[WrappedDataKey]) -> anyhow::Result<Vec<Value>> {
    let keks = provider.keks()?;
    // A key file has its date from the system, whatever the clock of a sandbox says.
    let now = SystemClock.now();
    let newest = keks.iter().filter(|kek| kek.state == KekState::Live).map(|kek| kek.version).max();
    let shown = keks.iter().map(|kek| {
        let state = match kek.state {
            KekState::Retired => "retired",
            KekState::Live if Some(kek.version) == newest => "in use",
            KekState::Live => "old",
        };
        json!({
            "version": kek.version,
            "made_at": kek.made_at.map(|at| at.to_string()),
            "age_days": kek.made_at.map(|at| age_days(at, now)),
            "data_keys": rows.iter().filter(|row| row.kek_version == kek.version).count(),
            "state": state,
            "quorum": kek.split.as_ref().map(|split| split.quorum),
            "custodians": kek.split.as_ref().map(|split| &split.custodians),
        })
    });
    Ok(shown.collect())
}

/// What `keys list` tells.
struct Inventory {
    now: Timestamp,
    provider: &'static str,
    keks: Vec<Value>,
    names: HashMap<MerchantId, String>,
    sealed: HashMap<DataKeyId, BTreeMap<SealedColumn, u64>>,
    rows: Vec<WrappedDataKey>,
}

impl Inventory {
    fn shown(&self) -> Value {
        let data_keys: Vec<Value> = self.rows.iter().map(|row| self.data_key(row)).collect();
        json!({ "provider": self.provider, "key_encryption_keys": self.keks, "data_keys": data_keys })
    }

    fn data_key(&self, row: &WrappedDataKey) -> Value {
        let seals: serde_json::Map<String, Value> = self.sealed.get(&row.id).map_or_else(Default::default, |counts| {
            counts.iter().map(|(column, count)| (column.name().to_owned(), Value::from(*count))).collect()
        });
        json!({
            "id": row.id,
            "merchant": self.names.get(&row.merchant).map_or_else(|| row.merchant.0.to_string(), Clone::clone),
            "use": use_of(row),
            "month": (use_of(row) == SEALING).then_some(row.period),
            "generation": row.generation,
            "kek_version": row.kek_version,
            "made_at": row.created_at.to_string(),
            "age_days": age_days(row.created_at, self.now),
            "seals": seals,
            "state": self.state(row),
        })
    }

    fn state(&self, row: &WrappedDataKey) -> &'static str {
        let newest = |other: &WrappedDataKey| {
            other.merchant == row.merchant && (other.period, other.generation) > (row.period, row.generation)
        };
        match row.rotation {
            RotationState::UnderWay => "taking over",
            // Never old: what it made cannot be made again without opening every card.
            _ if use_of(row) != SEALING => "in use",
            _ if self.rows.iter().any(newest) => "old",
            _ => "in use",
        }
    }
}

/// A key that seals rows; the others seal nothing.
const SEALING: &str = "sealing";

/// What a data key is for.
fn use_of(row: &WrappedDataKey) -> &'static str {
    match row.period {
        FINGERPRINT_PERIOD => "fingerprints",
        AUDIT_PERIOD => "audit log",
        LINK_PERIOD => "page links",
        _ => SEALING,
    }
}

fn age_days(made_at: Timestamp, now: Timestamp) -> i64 {
    now.0.saturating_sub(made_at.0).max(0) / (86_400 * 1_000_000)
}

fn print_list(shown: &Value) {
    println!("key-encryption keys ({})", shown["provider"].as_str().unwrap_or_default());
    for kek in shown["key_encryption_keys"].as_array().into_iter().flatten() {
        println!(
            "  version {:<4} made {}  age {:<8} wraps {} data keys  {}{}",
            kek["version"],
            text(kek, "made_at"),
            age(kek),
            kek["data_keys"],
            text(kek, "state"),
            split(kek)
        );
    }
    println!("data keys");
    for key in shown["data_keys"].as_array().into_iter().flatten() {
        let seals: Vec<String> =
            key["seals"].as_object().into_iter().flatten().map(|(what, count)| format!("{count} {what}")).collect();
        println!(
            "  key {:<5} {:<16} {:<6} #{:<3} KEK {:<3} made {}  age {:<8} {:<12} {}",
            key["id"],
            text(key, "merchant"),
            key["month"].as_u64().map_or_else(|| "always".to_owned(), |month| month.to_string()),
            key["generation"],
            key["kek_version"],
            text(key, "made_at"),
            age(key),
            text(key, "state"),
            match text(key, "use") {
                "fingerprints" => "makes the fingerprints of cards".to_owned(),
                "audit log" => "chains the audit log".to_owned(),
                _ if seals.is_empty() => "seals nothing".to_owned(),
                _ => seals.join(", "),
            }
        );
    }
}

fn split(kek: &Value) -> String {
    let custodians: Vec<&str> = kek["custodians"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if custodians.is_empty() { String::new() } else { format!("  any {} of {}", kek["quorum"], custodians.join(", ")) }
}

fn age(key: &Value) -> String {
    key["age_days"].as_u64().map_or_else(|| "unknown".to_owned(), |days| duration::shown(days * 86_400_000))
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}
