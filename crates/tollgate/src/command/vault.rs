//! `tollgate vault keygen|export|import`.

use super::{OperatorArgs, small_runtime};
use crate::config::{Config, environment};
use crate::data_folder::DataFolder;
use crate::vault_file::{ExportReader, ExportWriter, Header, Next};
use crate::who;
use crate::wiring::{self, Keep, Opened};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_app::{Accounts, ChannelKeys, Imported, OtherCard, Transfer};
use tollgate_core::audit::AuditWho;
use tollgate_core::time::Clock;
use tollgate_vault::{DecryptionKey, ExportChunk, JweAlgorithm, Jwk, NewKeyPair, OwnKeyPair, open_chunk, seal_chunk};
use zeroize::Zeroizing;

/// Take a merchant's tokens with their cards to another vault, encrypted.
#[derive(Debug, Args)]
pub struct Vault {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key pair for a recipient: the private key for `vault import`, the public one for `vault export`
    Keygen {
        /// The file of the private key (a JSON Web Key of curve P-256); the public one is FILE.pub
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write a merchant's tokens with their cards into a file, encrypted to a recipient's public key
    Export(Export),
    /// Take tokens out of such a file into a merchant's account; run again after a cut it goes on
    Import(Import),
}

#[derive(Debug, Args)]
struct Export {
    /// The merchant
    merchant: String,
    /// The recipient's public key: a JSON Web Key, RSA or P-256, with kid; or the jwks.json of the gateway that
    /// receives them, for an import with --jwks-key
    #[arg(long, value_name = "KEYFILE")]
    recipient: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Debug, Args)]
struct Import {
    /// The merchant
    merchant: String,
    /// The file of the export
    file: PathBuf,
    /// The private key that it was encrypted to, as `vault keygen` made it; either this or --jwks-key
    #[arg(long, value_name = "KEYFILE", required_unless_present = "jwks_key")]
    key: Option<PathBuf>,
    /// It was encrypted to a key of this gateway's own jwks.json, whose private half lies in the vault
    #[arg(long, conflicts_with = "key")]
    jwks_key: bool,
    /// The SHA-256 of the file, as the sender told it on another way
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Put the imported card in the place of another one that has the same name here
    #[arg(long)]
    replace_other_cards: bool,
    #[command(flatten)]
    consent: Consent,
}

/// What makes sure that somebody means it.
#[derive(Debug, Args)]
struct Consent {
    /// Yes, these cards may be moved. Asked for on every folder that is no sandbox
    #[arg(long)]
    yes_i_may: bool,
    /// The second person, where gateway.four_eyes is set
    #[arg(long, value_name = "NAME")]
    approved_by: Option<String>,
}

/// The largest key file that is read, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
/// How much time passes between two lines of progress, in milliseconds.
const MS_PER_LINE: u64 = 1_000;
/// How many names of tokens that were left are told.
const NAMES_TOLD_MAX: usize = 20;
/// The random bytes in the name of an export.
const EXPORT_NAME_BYTES: usize = 16;

impl Vault {
    /// Runs it, beside a running gateway or without one.
    ///
    /// # Errors
    /// What went wrong and what to do.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (folder, who) = match &self.action {
            Action::Keygen { out } => return self.keygen(out),
            Action::Export(Export { consent, .. }) | Action::Import(Import { consent, .. }) => {
                let folder = self.common.data.open()?;
                let who = consent.given(&folder)?;
                (folder, who)
            }
        };
        small_runtime()?.block_on(async {
            let opened = wiring::open(&folder, Keep::Existing).await?;
            let done = match &self.action {
                Action::Export(export) => export.run(&opened, who).await,
                Action::Import(import) => import.run(&opened, who).await,
                Action::Keygen { .. } => Ok(Value::Null),
            };
            wiring::close(opened).await;
            self.common.print(&done?, print)
        })
    }

    fn keygen(&self, out: &Path) -> anyhow::Result<ExitCode> {
        let pair = NewKeyPair::generate(JweAlgorithm::EcdhEsA256Kw)?;
        let public = with_ending(out, ".pub");
        write_new(out, pair.to_private_jwk()?.as_bytes(), 0o600)?;
        write_new(&public, serde_json::to_string_pretty(&pair.public)?.as_bytes(), 0o644)?;
        let shown = json!({ "kid": pair.public.kid, "private": out, "public": public });
        self.common.print(&shown, |shown| {
            println!("key {} made", shown["kid"].as_str().unwrap_or_default());
            println!("  {}  private: stays with the recipient, for `tollgate vault import --key`", out.display());
            println!("  {}  public: for the sender, `tollgate vault export --recipient`", public.display());
        })
    }
}

impl Consent {
    /// Who moves cards, and by whose leave; an error where that is not enough.
    fn given(&self, folder: &DataFolder) -> anyhow::Result<AuditWho> {
        let AuditWho::Person { name, by } = who::person() else { bail!("nobody is known to run this command") };
        if !folder.is_sandbox() && !self.yes_i_may {
            bail!(
                "this moves real cards: whoever has the recipient's key reads them. Say --yes-i-may if you may do that"
            );
        }
        let config = Config::load(None, &folder.config(), &environment())?;
        match self.approved_by.as_deref().map(str::trim).filter(|second| !second.is_empty()) {
            None if config.gateway.four_eyes && !folder.is_sandbox() => {
                bail!("gateway.four_eyes is set: a second person has to approve it, --approved-by NAME")
            }
            Some(second) if name.starts_with(second) => {
                bail!("{second} runs this command: a second person has to approve it")
            }
            Some(second) => Ok(AuditWho::Person { name: format!("{name}, approved by {second}"), by }),
            None => Ok(AuditWho::Person { name, by }),
        }
    }
}

impl Export {
    async fn run(&self, opened: &Opened, who: AuditWho) -> anyhow::Result<Value> {
        let recipient = recipient(&self.recipient)?;
        let kid = recipient.kid.clone().context("the recipient's key has no name (kid)")?;
        if recipient.algorithm().is_none() {
            bail!(
                "{} is for no algorithm that is known here: RSA-OAEP-256 or ECDH-ES+A256KW",
                self.recipient.display()
            );
        }
        let transfer = transfer(opened, &self.merchant, who).await?;
        let mut name = [0; EXPORT_NAME_BYTES];
        aws_lc_rs::rand::fill(&mut name).ok().context("the system gives no randomness")?;
        let export = hex::encode(name);
        let now = opened.clock.now().to_string();
        let header = Header::new(export.clone(), self.merchant.clone(), kid.clone(), now);
        let mut writer = ExportWriter::begin(&self.out, &header)?;
        let (mut after, mut provisional, mut progress) = (None, 0, Progress::begin());
        loop {
            let number = writer.next_chunk();
            let detail = format!("export {export}, chunk {number}, to key {kid}");
            let page = transfer.export_page(after, &detail).await?;
            provisional += page.provisional;
            if !page.cards.is_empty() {
                let jwe = seal_chunk(ExportChunk { export: &export, number }, &page.cards, &recipient)?;
                writer.add(jwe, page.cards.len() as u64)?;
                if progress.is_due() {
                    eprintln!("  {} tokens written", writer.tokens());
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let tokens = writer.tokens();
        let sha256 = writer.finish()?;
        Ok(json!({
            "export": export,
            "kid": kid,
            "file": self.out,
            "tokens": tokens,
            "provisional_left_out": provisional,
            "sha256": sha256,
        }))
    }
}

impl Import {
    async fn run(&self, opened: &Opened, who: AuditWho) -> anyhow::Result<Value> {
        let transfer = transfer(opened, &self.merchant, who).await?;
        // Whole and unchanged, before anything of it is taken.
        let summary = ExportReader::check(&self.file)?;
        if let Some(expected) = &self.sha256
            && !expected.eq_ignore_ascii_case(&summary.sha256)
        {
            bail!("{} has the SHA-256 {}, which is not the one that was told", self.file.display(), summary.sha256);
        }
        let kid = summary.header.kid.as_str();
        let key = self.private_key(opened, kid).await?;
        let other_card = if self.replace_other_cards { OtherCard::Replace } else { OtherCard::Keep };
        let mut reader = ExportReader::open(&self.file)?;
        let (mut sum, mut progress) = (Imported::default(), Progress::begin());
        while let Next::Chunk(line) = reader.next()? {
            let export = reader.header().export.as_str();
            let chunk = ExportChunk { export, number: line.chunk };
            let cards = open_chunk(&line.jwe, chunk, kid, &key)
                .with_context(|| format!("chunk {} of {} is refused", line.chunk, self.file.display()))?;
            if cards.len() as u64 != line.tokens {
                bail!("chunk {} has {} tokens, and its line says {}", line.chunk, cards.len(), line.tokens);
            }
            let detail = format!("export {export}, chunk {}", line.chunk);
            let imported = transfer.import(&cards, other_card, &detail).await?;
            sum.added += imported.added;
            sum.unchanged += imported.unchanged;
            sum.replaced += imported.replaced;
            sum.other_cards.extend(imported.other_cards);
            sum.cards_with_a_token.extend(imported.cards_with_a_token);
            if progress.is_due() {
                let (taken, total) = (sum.added + sum.replaced, summary.tokens);
                eprintln!("  {taken} tokens taken, {} here already, of {total}", sum.unchanged);
            }
        }
        Ok(json!({
            "export": summary.header.export,
            "tokens": summary.tokens,
            "added": sum.added,
            "unchanged": sum.unchanged,
            "replaced": sum.replaced,
            "other_card_under_that_name": sum.other_cards,
            "card_has_another_token": sum.cards_with_a_token,
            "sha256": summary.sha256,
        }))
    }
}

impl Import {
    /// The private key that the file was encrypted to, which is called `kid`.
    async fn private_key(&self, opened: &Opened, kid: &str) -> anyhow::Result<Arc<DecryptionKey>> {
        let Some(path) = &self.key else {
            let keys = ChannelKeys::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
            return keys.private_key(kid).await.with_context(|| {
                format!(
                    "{} cannot be opened here; let the sender export it again to a key of this gateway's jwks.json",
                    self.file.display()
                )
            });
        };
        let pair = OwnKeyPair::of_private_jwk(&read_key(path)?)
            .with_context(|| format!("{} is no private key of `vault keygen`", path.display()))?;
        let own = pair.public.kid.context("the private key has no name (kid)")?;
        if own != kid {
            bail!("{} was encrypted to the key {kid}, and this one is {own}", self.file.display());
        }
        Ok(Arc::new(pair.private))
    }
}

/// When the next line of progress is due. Progress is no result, so it goes to standard error.
struct Progress {
    told: Instant,
}

impl Progress {
    fn begin() -> Progress {
        Progress { told: Instant::now() }
    }

    fn is_due(&mut self) -> bool {
        let due = self.told.elapsed() >= Duration::from_millis(MS_PER_LINE);
        if due {
            self.told = Instant::now();
        }
        due
    }
}

/// The public key of a file: its only one, or of a set (jwks.json) the first that is made for ECDH, which costs the
/// receiver less than RSA.
fn recipient(path: &Path) -> anyhow::Result<Jwk> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<Jwk>,
    }
    let bytes = read_key(path)?;
    if let Ok(Set { keys }) = serde_json::from_slice::<Set>(&bytes) {
        let of = |algorithm| keys.iter().find(|key| key.algorithm() == Some(algorithm)).cloned();
        return of(JweAlgorithm::EcdhEsA256Kw)
            .or_else(|| of(JweAlgorithm::RsaOaep256))
            .with_context(|| format!("{} holds no key for an algorithm that is known here", path.display()));
    }
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON Web Key", path.display()))
}

async fn transfer(opened: &Opened, merchant: &str, who: AuditWho) -> anyhow::Result<Transfer> {
    let accounts = Accounts::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
    let account = accounts.by_name(merchant).await?;
    Ok(Transfer::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone(), &account.merchant, who))
}

/// A key file. One that holds a private key has to be its owner's alone.
fn read_key(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let facts = std::fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if facts.len() > KEY_FILE_BYTES_MAX {
        bail!("{} is too long for a key", path.display());
    }
    let bytes = Zeroizing::new(std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?);
    let is_private = serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| value.get("d").is_some());
    if is_private && facts.mode() & 0o077 != 0 {
        bail!("others may read the private key {}: chmod 600 it", path.display());
    }
    Ok(bytes)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("{} cannot be made, or is there already", path.display()))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// The first names of those that were left, and why.
fn print_left(names: &Value, why: &str) {
    let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
    if !names.is_empty() {
        println!("{} {why}:", names.len());
        names.iter().take(NAMES_TOLD_MAX).filter_map(Value::as_str).for_each(|name| println!("  {name}"));
    }
}

fn print(done: &Value) {
    if let Some(file) = done["file"].as_str() {
        println!(
            "{} tokens written to {file}, encrypted to key {}",
            done["tokens"],
            done["kid"].as_str().unwrap_or_default()
        );
        if done["provisional_left_out"] != 0 {
            println!("{} that no payment has made permanent were left out", done["provisional_left_out"]);
        }
    } else {
        println!(
            "{} tokens: {} added, {} here already, {} replaced",
            done["tokens"], done["added"], done["unchanged"], done["replaced"]
        );
        print_left(
            &done["other_card_under_that_name"],
            "names are another card's here and were left (--replace-other-cards takes their place)",
        );
        print_left(
            &done["card_has_another_token"],
            "names were not taken, as their card has a token here and may have one only (`merchant set NAME \
             --unique-tokens off` before the same import takes them)",
        );
    }
    println!("SHA-256 of the file: {}", done["sha256"].as_str().unwrap_or_default());
}
