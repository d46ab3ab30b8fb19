//! One key-encryption key in one file: plain, as a header line and 32 bytes in base64, or split among
//! custodians.

use crate::error::{KeyFileFault, VaultError};
use crate::file_provider::KEK_FILES_MAX;
use crate::provider::KekState;
use crate::split::{self, SplitKek};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tollgate_core::time::Timestamp;
use zeroize::Zeroizing;

/// The length of an AES-256 key.
pub(crate) const KEY_BYTES: usize = 32;
/// The longest key file, in bytes; a plain one has about 75, one that is split among five about 2,500.
const FILE_BYTES_MAX: usize = 4096;
/// Room for what a plain file may hold in base64, in bytes.
const PLAIN_BYTES_MAX: usize = 256;
/// A key drawn at random has fewer different bytes than this less than once in 2^80 draws.
const DIFFERENT_BYTES_MIN: usize = 12;

/// Keys that look random but are printed in a standard: NIST SP 800-38A appendix F.1.5. The samples of
/// other standards are counted up or repeated, and found by that.
const PRINTED_KEYS: [&str; 1] = ["603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"];

/// What the name of a live key ends with.
const LIVE: &str = ".key";
/// What the name of a retired key ends with.
const RETIRED: &str = ".retired";

/// The versions that have a live file in `folder`. Other files are left alone, among them the temporary
/// ones of a creation that was cut off.
pub(crate) fn versions(folder: &Path) -> Result<BTreeSet<u32>, VaultError> {
    named(folder, LIVE)
}

/// The versions whose key was retired.
pub(crate) fn retired_versions(folder: &Path) -> Result<BTreeSet<u32>, VaultError> {
    named(folder, RETIRED)
}

fn named(folder: &Path, end: &str) -> Result<BTreeSet<u32>, VaultError> {
    let failed = |source| VaultError::Io { path: folder.to_owned(), doing: "list it", source };
    let mut versions = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(text) = name.to_str().and_then(|name| name.strip_prefix("kek-")?.strip_suffix(end)) else {
            continue;
        };
        let version = text.parse().ok().filter(|version: &u32| *version > 0 && version.to_string() == text);
        let refused = || VaultError::KeyFile { path: folder.join(&name), fault: KeyFileFault::Name };
        versions.insert(version.ok_or_else(refused)?);
        if versions.len() > KEK_FILES_MAX {
            return Err(VaultError::TooManyKeyFiles { folder: folder.to_owned() });
        }
    }
    Ok(versions)
}

/// Gives the live key of `version` the name of a retired one, durably.
pub(crate) fn retire(folder: &Path, version: u32) -> Result<(), VaultError> {
    rename(folder, &path_of(folder, version), &retired_path(folder, version))
}

/// Undoes [`retire`].
pub(crate) fn revive(folder: &Path, version: u32) -> Result<(), VaultError> {
    rename(folder, &retired_path(folder, version), &path_of(folder, version))
}

fn rename(folder: &Path, from: &Path, to: &Path) -> Result<(), VaultError> {
    let failed = |source| VaultError::Io { path: from.to_owned(), doing: "rename it", source };
    fs::rename(from, to).map_err(failed)?;
    sync_folder(folder)
}

/// When the file of `version` was last written.
pub(crate) fn written_at(folder: &Path, version: u32, state: KekState) -> Result<Timestamp, VaultError> {
    let path = match state {
        KekState::Live => path_of(folder, version),
        KekState::Retired => retired_path(folder, version),
    };
    let facts = fs::symlink_metadata(&path);
    let facts = facts.map_err(|source| VaultError::Io { path: path.clone(), doing: "look at it", source })?;
    Ok(Timestamp(facts.mtime().saturating_mul(1_000_000)))
}

/// What a key file holds.
pub(crate) enum KekFile {
    /// The key itself.
    Plain(Zeroizing<Vec<u8>>),
    /// The key, for its custodians.
    Split(SplitKek),
}

/// Whether a file was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is ours.
    Ours,
    /// Another process was faster.
    AnothersFirst,
}

/// Reads and judges the key of `version`.
pub(crate) fn read(folder: &Path, version: u32) -> Result<KekFile, VaultError> {
    read_file(path_of(folder, version), version)
}

/// The same of one in that state.
pub(crate) fn read_in(folder: &Path, version: u32, state: KekState) -> Result<KekFile, VaultError> {
    match state {
        KekState::Live => read(folder, version),
        KekState::Retired => read_file(retired_path(folder, version), version),
    }
}

fn read_file(path: PathBuf, version: u32) -> Result<KekFile, VaultError> {
    let failed = |source| VaultError::Io { path: path.clone(), doing: "read it", source };
    let refused = |fault| VaultError::KeyFile { path: path.clone(), fault };
    let named = fs::symlink_metadata(&path).map_err(failed)?;
    if named.is_symlink() {
        return Err(refused(KeyFileFault::SymbolicLink));
    }
    if !named.is_file() {
        return Err(refused(KeyFileFault::NotAFile));
    }
    let file = File::open(&path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(refused(KeyFileFault::Replaced));
    }
    check_mode(opened.mode()).map_err(refused)?;
    // Room for one byte too many and for the last, empty read: growing would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * FILE_BYTES_MAX));
    let limit = u64::try_from(FILE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut text).map_err(failed)?;
    if text.starts_with(split::HEADER.as_bytes()) {
        let split = SplitKek::parse(&text, version).map_err(refused)?;
        split.check_stretching().map_err(refused)?;
        return Ok(KekFile::Split(split));
    }
    parse(&text, version).map(KekFile::Plain).map_err(refused)
}

/// Makes a plain key of `version` unless there is one.
pub(crate) fn create(folder: &Path, version: u32) -> Result<(), VaultError> {
    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut key).map_err(|_| VaultError::Random)?;
    // Another process may have been faster, and then its key counts.
    place(folder, version, render(&key, version).as_bytes()).map(drop)
}

/// Makes the file of a split key unless there is one of its version.
pub(crate) fn create_split(folder: &Path, split: &SplitKek) -> Result<Created, VaultError> {
    place(folder, split.version(), split.render().as_bytes())
}

/// Puts a split key in the place of the one of its version.
pub(crate) fn replace_split(folder: &Path, split: &SplitKek) -> Result<(), VaultError> {
    let temporary = Temporary::write(folder, split.version(), split.render().as_bytes())?;
    let path = path_of(folder, split.version());
    let failed = |source| VaultError::Io { path: path.clone(), doing: "rename the new one to it", source };
    fs::rename(&temporary.0, &path).map_err(failed)?;
    sync_folder(folder)
}

/// The file appears whole or not at all: it is written under a temporary name, flushed, and then linked to its
/// own name, which fails when that is taken.
fn place(folder: &Path, version: u32, text: &[u8]) -> Result<Created, VaultError> {
    let temporary = Temporary::write(folder, version, text)?;
    let path = path_of(folder, version);
    match fs::hard_link(&temporary.0, &path) {
        Ok(()) => Ok(Created::Ours),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Created::AnothersFirst),
        Err(source) => Err(VaultError::Io { path, doing: "link the new key to it", source }),
    }
}

/// Makes the names in `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), VaultError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(|source| VaultError::Io {
        path: folder.to_owned(),
        doing: "flush it",
        source,
    })
}

/// Refuses what others than the owner may read, write or enter.
pub(crate) fn check_mode(mode: u32) -> Result<(), KeyFileFault> {
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeyFileFault::OpenToOthers { mode: mode & 0o7777 }) }
}

/// The temporary name, which goes when the creation ends, however it ends.
struct Temporary(PathBuf);

impl Temporary {
    fn write(folder: &Path, version: u32, text: &[u8]) -> Result<Temporary, VaultError> {
        let mut nonce = [0; 8];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| VaultError::Random)?;
        let temporary = Temporary(folder.join(format!(".kek-{version}.{}.tmp", hex::encode(nonce))));
        let failed = |source| VaultError::Io { path: temporary.0.clone(), doing: "write it", source };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary.0).map_err(failed)?;
        file.write_all(text).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Left behind it does no harm: nobody else may read it, and no start looks at it.
        let _ = fs::remove_file(&self.0);
    }
}

fn path_of(folder: &Path, version: u32) -> PathBuf {
    folder.join(format!("kek-{version}{LIVE}"))
}

fn retired_path(folder: &Path, version: u32) -> PathBuf {
    folder.join(format!("kek-{version}{RETIRED}"))
}

fn header(version: u32) -> String {
    format!("tollgate-kek aes-256-gcm {version}")
}

fn render(key: &[u8], version: u32) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(PLAIN_BYTES_MAX));
    text.push_str(&header(version));
    text.push('\n');
    STANDARD.encode_string(key, &mut text);
    text.push('\n');
    text
}

fn parse(text: &[u8], version: u32) -> Result<Zeroizing<Vec<u8>>, KeyFileFault> {
    let after_header = text.strip_prefix(header(version).as_bytes()).ok_or(KeyFileFault::Header)?;
    let line = after_header.strip_prefix(b"\n").ok_or(KeyFileFault::Header)?;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut room = Zeroizing::new([0; PLAIN_BYTES_MAX]);
    let length = STANDARD.decode_slice(line, room.as_mut_slice()).map_err(|_| KeyFileFault::Length)?;
    let key = room.get(..length).filter(|key| key.len() == KEY_BYTES).ok_or(KeyFileFault::Length)?;
    judge(key)?;
    Ok(Zeroizing::new(key.to_vec()))
}

/// Refuses keys that were not drawn at random, as far as one can see. A random key passes but for a
/// chance below 2^-40.
pub(crate) fn judge(key: &[u8]) -> Result<(), KeyFileFault> {
    let (front, back) = key.split_at(key.len() / 2);
    let mut steps = key.iter().zip(key.iter().skip(1)).map(|(byte, next)| next.wrapping_sub(*byte));
    let first_step = steps.next();
    let counted = steps.all(|step| Some(step) == first_step);
    let few = key.iter().collect::<BTreeSet<_>>().len() < DIFFERENT_BYTES_MIN;
    let printed = PRINTED_KEYS.iter().any(|sample| hex::decode(sample).is_ok_and(|sample| sample == key));
    if key.iter().all(|byte| *byte == 0) {
        Err(KeyFileFault::AllZero)
    } else if key.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')) {
        Err(KeyFileFault::Text)
    } else if counted || few || front == back || printed {
        Err(KeyFileFault::Sample)
    } else {
        Ok(())
    }
}
