//! Where the passphrases of custodians come from: files and variables that the configuration or a flag names, or
//! a terminal.

use crate::terminal::Terminal;
use anyhow::{Context, bail};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;
use tollgate_core::secret::Secret;
use tollgate_vault::{Custodian, FileKeyProvider, KekSplit, LockedKek, check_name};

/// How often a terminal is asked for the custodians of a key before it counts as given up.
const ASKED_TIMES_MAX: u32 = 20;
/// What begins the name of a variable, in the place of a file.
const VARIABLE: &str = "env:";

/// Where one custodian's passphrase is: `NAME=FILE`, or `NAME=env:VARIABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassphraseSource {
    /// Whose it is.
    pub custodian: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Variable(String),
}

impl FromStr for PassphraseSource {
    type Err = String;

    fn from_str(text: &str) -> Result<PassphraseSource, String> {
        // What is wrong may be a passphrase in the wrong place, so the text is not shown.
        let wrong = || "say NAME=FILE, or NAME=env:VARIABLE: the passphrase itself is never an argument".to_owned();
        let (custodian, place) = text.trim().split_once('=').ok_or_else(wrong)?;
        check_name(custodian).map_err(|fault| fault.to_string())?;
        let place = match place.strip_prefix(VARIABLE) {
            Some(name) if !name.is_empty() => Place::Variable(name.to_owned()),
            None if !place.is_empty() => Place::File(PathBuf::from(place)),
            _ => return Err(wrong()),
        };
        Ok(PassphraseSource { custodian: custodian.to_owned(), place })
    }
}

impl PassphraseSource {
    /// The sources of a setting: several, with commas between them.
    ///
    /// # Errors
    /// When one is none.
    pub fn parse_all(setting: Option<&str>) -> anyhow::Result<Vec<PassphraseSource>> {
        let sources = setting.into_iter().flat_map(|setting| setting.split(',')).map(str::parse);
        sources.collect::<Result<_, _>>().map_err(|wrong| anyhow::anyhow!("keys.custodian_passphrases: {wrong}"))
    }

    /// The sources of flags. They are texts until here, because a parser of flags shows what it refuses.
    ///
    /// # Errors
    /// When one is none.
    pub fn parse_each(flags: &[String]) -> anyhow::Result<Vec<PassphraseSource>> {
        let sources = flags.iter().map(|flag| flag.parse());
        sources.collect::<Result<_, _>>().map_err(|wrong: String| anyhow::anyhow!("a passphrase file: {wrong}"))
    }

    /// The custodian with his passphrase.
    ///
    /// # Errors
    /// When it is not there, or others may read it.
    pub fn read(&self) -> anyhow::Result<Custodian> {
        let passphrase = match &self.place {
            Place::File(file) => secret_of_file("passphrase", file)?,
            Place::Variable(name) => Secret::new(
                std::env::var(name)
                    .ok()
                    .with_context(|| format!("the environment variable {name} holds no passphrase"))?,
            ),
        };
        Ok(Custodian { name: self.custodian.clone(), passphrase })
    }
}

/// The one line of a file that its owner alone may read. `what` it is, for errors.
///
/// # Errors
/// When it cannot be read, or others may read it too.
pub fn secret_of_file(what: &str, file: &Path) -> anyhow::Result<Secret> {
    let cannot = || format!("the {what} file {} cannot be read", file.display());
    let facts = std::fs::metadata(file).with_context(cannot)?;
    if facts.mode() & 0o077 != 0 {
        bail!("others may read the {what} file {}: chmod 600 it", file.display());
    }
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(file).with_context(cannot)?);
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Opens the `awaited` keys in this process: with the passphrases of `sources`, else by asking at the terminal.
/// `awaited` is asked again after each custodian.
///
/// # Errors
/// When a passphrase is wrong, or one is missing and there is no terminal: then it says what to do.
pub fn unlock_here(
    provider: &FileKeyProvider,
    sources: &[PassphraseSource],
    awaited: impl Fn() -> anyhow::Result<Vec<LockedKek>>,
) -> anyhow::Result<()> {
    come_from(provider, sources, &awaited, |_| {})?;
    let mut locked = awaited()?;
    if locked.is_empty() {
        return Ok(());
    }
    let Some(terminal) = Terminal::open() else {
        bail!(
            "{}. Run this on a terminal, where they type their passphrases, or name files with them in the setting \
             keys.custodian_passphrases (ada=/run/ada,grace=/run/grace)",
            waits(&locked)
        );
    };
    for _ in 0..ASKED_TIMES_MAX {
        let Some(first) = locked.first() else { return Ok(()) };
        terminal.say(&format!("{}\n", waits(std::slice::from_ref(first))))?;
        let name = terminal.ask("custodian: ")?;
        let passphrase = terminal.ask_secret(&format!("passphrase of {name} (not shown): "))?;
        if let Err(error) = provider.come(&name, &passphrase, Instant::now()) {
            terminal.say(&format!("{error}\n"))?;
        }
        provider.forget_late(Instant::now());
        locked = awaited()?;
    }
    bail!("{}: given up after {ASKED_TIMES_MAX} tries", waits(&locked))
}

/// Has the custodians of `sources` come, until nothing is awaited any more; tells `came` each one's name.
///
/// # Errors
/// When one cannot be read, or is wrong.
pub fn come_from(
    provider: &FileKeyProvider,
    sources: &[PassphraseSource],
    awaited: &impl Fn() -> anyhow::Result<Vec<LockedKek>>,
    mut came: impl FnMut(&str),
) -> anyhow::Result<()> {
    for source in sources {
        if awaited()?.is_empty() {
            break;
        }
        let Custodian { name, passphrase } = source.read()?;
        provider.come(&name, &passphrase, Instant::now()).with_context(|| format!("custodian {name}"))?;
        came(&name);
    }
    Ok(())
}

/// What is waited for, in words.
pub fn waits(locked: &[LockedKek]) -> String {
    let each = locked.iter().map(|LockedKek { version, split: KekSplit { quorum, custodians }, come }| {
        let who = custodians.join(", ");
        let come = come.len();
        format!("key-encryption key version {version} waits for custodians ({who}): {come} of {quorum} have come")
    });
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn sources_are_read_strictly_and_a_passphrase_in_the_wrong_place_is_not_shown() {
        let all = PassphraseSource::parse_all(Some("ada=/run/ada,grace=env:GRACE")).unwrap();
        assert_eq!(all[0].place, Place::File("/run/ada".into()));
        assert_eq!((all[1].custodian.as_str(), &all[1].place), ("grace", &Place::Variable("GRACE".into())));
        assert!(PassphraseSource::parse_all(None).unwrap().is_empty());
        for wrong in ["", "ada", "ada=", "ada=env:", "=x", "five small owls=x", "a=b,"] {
            let error = PassphraseSource::parse_all(Some(wrong)).unwrap_err().to_string();
            assert!(wrong.is_empty() || !error.contains("owls"), "{error}");
        }
    }

    #[test]
    fn a_passphrase_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ada");
        std::fs::write(&file, "five small owls ate a blue door\n").unwrap();
        let set = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let source: PassphraseSource = format!("ada={}", file.display()).parse().unwrap();
        set(0o640);
        let refused = source.read().unwrap_err().to_string();
        assert!(refused.contains("others may read") && !refused.contains("owls"), "{refused}");
        set(0o600);
        assert_eq!(source.read().unwrap().passphrase.reveal(), "five small owls ate a blue door");
    }
}
