//! The evidence folder for a PCI DSS assessor: plain Markdown and JSON, with an index of digests. Nothing secret and no
//! card data is in it.

mod matrix;
mod parts;
mod scan;

use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::wiring::Opened;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tollgate_core::time::Clock;

/// One file of the folder.
struct Part {
    name: &'static str,
    /// What it shows, in a sentence.
    about: &'static str,
    content: Vec<u8>,
}

impl Part {
    fn json(name: &'static str, about: &'static str, value: &Value) -> anyhow::Result<Part> {
        let mut content = serde_json::to_vec_pretty(value)?;
        content.push(b'\n');
        Ok(Part { name, about, content })
    }
}

/// What was written.
pub struct Evidence {
    /// The files, the index included.
    pub files: usize,
    /// Whether the audit log is unbroken.
    pub audit_unbroken: bool,
    /// How many values and files seem to hold a card number.
    pub card_numbers: u64,
}

/// Writes the folder `to`, which must not be there or be empty.
///
/// # Errors
/// When something cannot be read or written.
pub async fn write(to: &Path, folder: &DataFolder, opened: &Opened, config: &Config) -> anyhow::Result<Evidence> {
    let to = fresh_folder(to)?;
    let scanned = scan::scan(folder, &to)?;
    let audit = parts::audit(folder, opened).await?;
    let mut parts = vec![
        Part::json(
            "keys.json",
            "every key with its age, its place in a rotation and what it seals",
            &parts::keys(opened).await?,
        )?,
        Part::json(
            "channel-keys.json",
            "the keys that merchants encrypt card data to, with their ages",
            &parts::channel_keys(opened).await?,
        )?,
        Part::json(
            "merchants.json",
            "merchants with their attestations and who verified them, their PCI DSS scope, and from where their card data may come",
            &parts::merchants(opened).await?,
        )?,
        Part {
            name: "configuration.toml",
            about: "the configuration that counts, defaults included; it names files of keys and PINs, and holds none",
            content: toml::to_string_pretty(config)?.into_bytes(),
        },
        Part::json(
            "tls.json",
            "TLS versions, and the server's certificate with its end",
            &parts::tls(config, opened.clock.now()),
        )?,
        Part::json(
            "audit.json",
            "whether the audit log is unbroken, and how often cards were revealed, keys rotated, accounts changed and so on",
            &audit,
        )?,
        Part::json("scan.json", "a search for card numbers through everything in the data folder", &scanned.shown)?,
        Part::json(
            "counters.json",
            "what the running gateway has counted since its start: refused card numbers, refused operators and sources",
            &parts::counters(folder).await,
        )?,
        Part::json(
            "software.json",
            "the program's version and every component it may be built of",
            &parts::software()?,
        )?,
        Part {
            name: "matrix.md",
            about: "PCI DSS 4.0.1: what is supported here, and what stays with the operator",
            content: matrix::markdown().into_bytes(),
        },
    ];
    let index = index(&parts, opened, folder);
    parts.push(Part { name: "README.md", about: "", content: readme(&parts, opened).into_bytes() });
    parts.push(Part::json("index.json", "", &index)?);
    for part in &parts {
        write_private(&to.join(part.name), &part.content)?;
    }
    Ok(Evidence {
        files: parts.len(),
        audit_unbroken: audit["verified"]["unbroken"] == true,
        card_numbers: scanned.card_numbers,
    })
}

fn fresh_folder(to: &Path) -> anyhow::Result<PathBuf> {
    if to.exists() {
        let mut entries = fs::read_dir(to).with_context(|| format!("{} cannot be read", to.display()))?;
        if entries.next().is_some() {
            bail!("{} is not empty: name a folder that is not there yet", to.display());
        }
    } else {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(to).with_context(|| format!("{} cannot be made", to.display()))?;
    }
    fs::canonicalize(to).with_context(|| format!("{} cannot be found", to.display()))
}

fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(content).with_context(|| format!("{} cannot be written", path.display()))
}

fn digest_of(content: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content))
}

fn index(parts: &[Part], opened: &Opened, folder: &DataFolder) -> Value {
    let files: Vec<Value> = parts
        .iter()
        .map(|part| {
            json!({ "file": part.name, "sha256": digest_of(&part.content), "bytes": part.content.len(), "about": part.about })
        })
        .collect();
    json!({
        "made_at": opened.clock.now().to_string(),
        "tollgate": env!("CARGO_PKG_VERSION"),
        "pci_dss": "4.0.1",
        "sandbox": folder.is_sandbox(),
        "files": files,
    })
}

fn readme(parts: &[Part], opened: &Opened) -> String {
    let mut text = format!(
        "# PCI DSS evidence of a Tollgate gateway\n\nMade at {} by Tollgate {}. `index.json` has the same list for a machine; \
         check a file with `sha256sum`.\n\n| file | what it shows | SHA-256 |\n|---|---|---|\n",
        opened.clock.now(),
        env!("CARGO_PKG_VERSION")
    );
    for part in parts {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| [{0}]({0}) | {1} | `{2}` |", part.name, part.about, digest_of(&part.content));
    }
    text.push_str(
        "\nNot in here: each reveal of a card number with its reason and operation, which `tollgate audit list` prints; \
         logs, which your log store keeps. The files say what the gateway knows of itself at this moment: they are evidence \
         for an assessor's questions, not an assessment.\n",
    );
    text
}
