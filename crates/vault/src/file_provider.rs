//! Key-encryption keys in files.

use crate::aead;
use crate::arrivals::Arrivals;
use crate::data_key::DataKeyBytes;
use crate::error::{KeyFileFault, VaultError};
use crate::kek_file::{self, Created, KekFile};
use crate::passphrase::{self, Custodian, PlanFault, SplitPlan};
use crate::port::{DataKeys, PortError};
use crate::provider::{KekCustody, KekFacts, KekSplit, KekState, KeyProvider, WrappedKey};
use crate::split::{OpenedKek, SplitKek, Stretching};
use aws_lc_rs::aead::LessSafeKey;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;
use tollgate_core::secret::Secret;

/// The most key files that a key folder may hold.
pub const KEK_FILES_MAX: usize = 256;

const NAME: &str = "file";
/// The version of the first key.
const FIRST_VERSION: u32 = 1;
/// The first byte of a wrapped key.
const FORMAT: u8 = 1;

/// Holds key-encryption keys that lie in a folder, one file `kek-VERSION.key` each; the highest version that is
/// open wraps, all of them unwrap. Clones share everything.
///
/// A key that is split among custodians is locked until a quorum of them has come
/// ([`FileKeyProvider::come`]); it is open in this process only, until the process ends.
///
/// A version that appears in the folder later is read when it is first needed, so that a rotation reaches
/// a running gateway. Nothing is wrapped under a key whose file is not there any more.
///
/// A wrapped key is a format byte, a nonce (12), the ciphertext (32) and a tag (16): AES-256-GCM bound to
/// the version and the context.
#[derive(Clone)]
pub struct FileKeyProvider {
    folder: PathBuf,
    keys: Arc<RwLock<BTreeMap<u32, Arc<LessSafeKey>>>>,
    arrivals: Arc<Arrivals>,
}

/// A split key that is not open in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedKek {
    /// Its version.
    pub version: u32,
    /// Who opens it together, and how many of them.
    pub split: KekSplit,
    /// Who has come, of [`KekSplit::custodians`].
    pub come: Vec<String>,
}

/// What came of a custodian's coming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The versions that he opened, as the last of a quorum.
    pub opened: Vec<u32>,
    /// What is still locked.
    pub locked: Vec<LockedKek>,
}

/// Whether the store holds data keys already, which decides what an empty key folder means: a first
/// start, or a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredDataKeys {
    /// It holds none: a key may be made.
    NoneYet,
    /// It holds some: a missing key has to be restored from backup.
    Present,
}

impl StoredDataKeys {
    /// Looks into the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look(keys: &dyn DataKeys) -> Result<StoredDataKeys, PortError> {
        let rows = keys.data_keys().await?;
        Ok(if rows.is_empty() { StoredDataKeys::NoneYet } else { StoredDataKeys::Present })
    }
}

impl FileKeyProvider {
    /// Reads the keys in `folder` and changes nothing.
    ///
    /// # Errors
    /// When the folder or a key file is missing, open to others than its owner, a symbolic link, of
    /// another form, or a sample key.
    pub fn open(folder: &Path) -> Result<FileKeyProvider, VaultError> {
        let provider = FileKeyProvider::empty(folder)?;
        match provider.newest_version() {
            Ok(_) | Err(VaultError::KekLocked { .. }) => Ok(provider),
            Err(error) => Err(error),
        }
    }

    /// Reads the keys in `folder`; makes the folder (its parent must exist) and the first key when
    /// there is none and the store has no data key that would need a lost one. Processes that start at
    /// once agree on one key. On return the key is durable: it survives a loss of power.
    ///
    /// # Errors
    /// [`VaultError::KeyFolderLost`] when there is no key but the store has data keys; others as
    /// [`FileKeyProvider::open`], and when the key cannot be written.
    pub fn create_or_open(folder: &Path, stored: StoredDataKeys) -> Result<FileKeyProvider, VaultError> {
        let lost = || VaultError::KeyFolderLost { folder: folder.to_owned() };
        if !exists(folder)? {
            if stored == StoredDataKeys::Present {
                return Err(lost());
            }
            create_folder(folder)?;
        }
        check_folder(folder)?;
        if kek_file::versions(folder)?.is_empty() {
            if stored == StoredDataKeys::Present {
                return Err(lost());
            }
            kek_file::create(folder, FIRST_VERSION)?;
        }
        // Also when another process made the key: it may not have come to this point yet.
        kek_file::sync_folder(folder)?;
        FileKeyProvider::open(folder)
    }

    /// Makes the folder (its parent must exist) and a first key, split as planned, where there is none yet. On
    /// return it is durable, and open in this process.
    ///
    /// # Errors
    /// [`VaultError::KekThereAlready`] when there is a key, [`VaultError::KeyFolderLost`] when the store needs
    /// one; others as [`SplitPlan::check`] and [`FileKeyProvider::create_or_open`].
    pub fn create_split(
        folder: &Path,
        stored: StoredDataKeys,
        plan: &SplitPlan,
    ) -> Result<FileKeyProvider, VaultError> {
        plan.check()?;
        if !exists(folder)? {
            if stored == StoredDataKeys::Present {
                return Err(VaultError::KeyFolderLost { folder: folder.to_owned() });
            }
            create_folder(folder)?;
        }
        let provider = FileKeyProvider::empty(folder)?;
        if !kek_file::versions(folder)?.is_empty() || !kek_file::retired_versions(folder)?.is_empty() {
            return Err(VaultError::KekThereAlready { folder: folder.to_owned() });
        }
        if stored == StoredDataKeys::Present {
            return Err(VaultError::KeyFolderLost { folder: folder.to_owned() });
        }
        provider.make_split(FIRST_VERSION, plan)?;
        Ok(provider)
    }

    /// Makes a new key as [`KekCustody::add_version`] does, split as planned. It is open in this process; others
    /// go on with the older ones until their custodians have come.
    ///
    /// # Errors
    /// As [`SplitPlan::check`] and [`KekCustody::add_version`].
    pub fn add_split_version(&self, version_above: u32, plan: &SplitPlan) -> Result<u32, VaultError> {
        plan.check()?;
        let version = self.next_version(version_above)?;
        self.make_split(version, plan)?;
        Ok(version)
    }

    /// Gives the newest key, which is split, `new` in the place of the custodian `leaving`: another person, or the
    /// same with another passphrase. A quorum has to be `present`; the key stays what it was, and so do the others'
    /// passphrases. Answers its version.
    ///
    /// # Errors
    /// When the newest key is not split, somebody's passphrase is wrong, or the new custodian is not acceptable.
    pub fn change_custodian(&self, present: &[Custodian], leaving: &str, new: &Custodian) -> Result<u32, VaultError> {
        let version = self.newest_file()?;
        let KekFile::Split(split) = kek_file::read(&self.folder, version)? else {
            return Err(PlanFault::NotSplit { version }.into());
        };
        let nobody = || VaultError::NoSuchCustodian { names: split.names().join(", ") };
        let place = split.position(leaving).ok_or_else(nobody)?;
        passphrase::check_name(&new.name)?;
        passphrase::check_passphrase(&new.name, &new.passphrase)?;
        if split.position(&new.name).is_some_and(|other| other != place) {
            return Err(PlanFault::NamedTwice { name: new.name.clone() }.into());
        }
        let mut keys = Vec::new();
        for custodian in present {
            if custodian.passphrase == new.passphrase && !custodian.name.eq_ignore_ascii_case(leaving) {
                return Err(PlanFault::Same.into());
            }
            let at = split.position(&custodian.name).ok_or_else(nobody)?;
            keys.push(split.custodian_key(at, &custodian.passphrase)?);
        }
        let kek = split.open(&keys).map_err(|fault| VaultError::SplitKek { version, fault })?;
        let changed = split.with_custodian(&kek, place, &new.name, &new.passphrase)?;
        kek_file::replace_split(&self.folder, &changed)?;
        Ok(version)
    }

    /// The split keys that are not open in this process, by version.
    ///
    /// # Errors
    /// When the folder or a key file cannot be read or is refused.
    pub fn locked(&self) -> Result<Vec<LockedKek>, VaultError> {
        Ok(self.locked_files()?.iter().map(|split| self.locked_kek(split)).collect())
    }

    /// A custodian comes with his passphrase, at `now`. Where he completes a quorum, the key opens; else he is
    /// remembered for [`crate::CUSTODIAN_WAIT_MS_MAX`]. Takes as long as the stretching of a passphrase, for each
    /// locked key that he has a part in; one custodian is judged at a time.
    ///
    /// # Errors
    /// [`VaultError::WrongPassphrase`] when it fits no key, [`VaultError::TriesTooFast`] and
    /// [`VaultError::NoMoreTries`] after wrong ones, [`VaultError::NoSuchCustodian`]; others when a key file is
    /// refused.
    pub fn come(&self, name: &str, passphrase: &Secret, now: Instant) -> Result<Arrival, VaultError> {
        let _alone = self.arrivals.judge_alone();
        let locked = self.locked_files()?;
        if locked.is_empty() {
            return Ok(Arrival { opened: Vec::new(), locked: Vec::new() });
        }
        let his: Vec<_> = locked.iter().filter_map(|split| Some((split, split.position(name)?))).collect();
        if his.is_empty() {
            let mut names: Vec<_> = locked.iter().flat_map(SplitKek::names).collect();
            names.sort();
            names.dedup();
            return Err(VaultError::NoSuchCustodian { names: names.join(", ") });
        }
        self.arrivals.may_try(name, now)?;
        let (parts, mut right, mut opened) = (his.len(), 0, Vec::new());
        for (split, place) in his {
            let key = match split.custodian_key(place, passphrase) {
                Ok(key) => key,
                Err(VaultError::WrongPassphrase) => continue,
                Err(error) => return Err(error),
            };
            right += 1;
            let version = split.version();
            let kek = self.arrivals.came(split, key, now, |keys| {
                split.open(keys).map_err(|fault| VaultError::SplitKek { version, fault })?.prepare()
            })?;
            if let Some(kek) = kek {
                self.write().insert(version, Arc::new(kek));
                opened.push(version);
            }
        }
        if right == parts {
            self.arrivals.was_right(name);
        }
        if right == 0 {
            self.arrivals.was_wrong(name, now);
            return Err(VaultError::WrongPassphrase);
        }
        Ok(Arrival { opened, locked: self.locked()? })
    }

    /// Wipes the keys of custodians who have waited too long for the others. To be called now and then while
    /// something is locked. Answers how many there were.
    pub fn forget_late(&self, now: Instant) -> usize {
        self.arrivals.forget_late(now)
    }

    /// The highest version there is, open or not.
    ///
    /// # Errors
    /// When the folder cannot be read, or has no key.
    pub fn newest_file(&self) -> Result<u32, VaultError> {
        let newest = kek_file::versions(&self.folder)?.last().copied();
        newest.ok_or_else(|| VaultError::KeyFolderEmpty { folder: self.folder.clone() })
    }

    fn empty(folder: &Path) -> Result<FileKeyProvider, VaultError> {
        check_folder(folder)?;
        Ok(FileKeyProvider { folder: folder.to_owned(), keys: Arc::default(), arrivals: Arc::default() })
    }

    fn make_split(&self, version: u32, plan: &SplitPlan) -> Result<(), VaultError> {
        let kek = OpenedKek::random()?;
        let split = SplitKek::make(version, &kek, plan, Stretching::MADE)?;
        if kek_file::create_split(&self.folder, &split)? == Created::AnothersFirst {
            return Err(VaultError::KekThereAlready { folder: self.folder.clone() });
        }
        kek_file::sync_folder(&self.folder)?;
        self.write().insert(version, Arc::new(kek.prepare()?));
        Ok(())
    }

    /// The version of the next key.
    fn next_version(&self, version_above: u32) -> Result<u32, VaultError> {
        let full = || VaultError::TooManyKeyFiles { folder: self.folder.clone() };
        let retired = kek_file::retired_versions(&self.folder)?.last().copied().unwrap_or(0);
        let version = self.newest_file()?.max(retired).max(version_above).checked_add(1).ok_or_else(full)?;
        if kek_file::versions(&self.folder)?.len() >= KEK_FILES_MAX { Err(full()) } else { Ok(version) }
    }

    fn locked_files(&self) -> Result<Vec<SplitKek>, VaultError> {
        let mut locked = Vec::new();
        for version in kek_file::versions(&self.folder)? {
            if self.kek(version).is_none()
                && let KekFile::Split(split) = kek_file::read(&self.folder, version)?
            {
                locked.push(split);
            }
        }
        Ok(locked)
    }

    fn locked_kek(&self, split: &SplitKek) -> LockedKek {
        let custodians = split.names();
        let come = self.arrivals.who_came(split).iter().filter_map(|place| custodians.get(*place).cloned()).collect();
        LockedKek { version: split.version(), split: KekSplit { quorum: split.quorum(), custodians }, come }
    }

    fn locked_error(&self, split: &SplitKek) -> VaultError {
        let LockedKek { version, split, come } = self.locked_kek(split);
        VaultError::KekLocked { version, come: come.len(), quorum: split.quorum, names: split.custodians.join(", ") }
    }

    /// The versions it has read, ascending.
    #[must_use]
    pub fn versions(&self) -> Vec<u32> {
        self.read().keys().copied().collect()
    }

    fn kek(&self, version: u32) -> Option<Arc<LessSafeKey>> {
        self.read().get(&version).cloned()
    }

    // A panic elsewhere cannot leave the map half changed.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Arc<LessSafeKey>>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u32, Arc<LessSafeKey>>> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyProvider for FileKeyProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wrap(&self, plain: &DataKeyBytes, context: &[u8]) -> Result<WrappedKey, VaultError> {
        let version = self.newest_version()?;
        let kek = self.kek(version).ok_or(VaultError::KekMissing { provider: NAME, version })?;
        let bytes = aead::seal(&kek, &bound(version, context), &[FORMAT], plain.reveal())?;
        Ok(WrappedKey { kek_version: version, bytes })
    }

    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKeyBytes, VaultError> {
        let version = wrapped.kek_version;
        let mut kek = self.kek(version);
        if kek.is_none() {
            // It may have been made since the last look.
            self.newest_version()?;
            kek = self.kek(version);
        }
        let Some(kek) = kek else {
            let locked = self.locked_files()?.into_iter().find(|split| split.version() == version);
            let missing = VaultError::KekMissing { provider: NAME, version };
            return Err(locked.map_or(missing, |split| self.locked_error(&split)));
        };
        let fault = VaultError::Unwrap { provider: NAME, version };
        let Some((&FORMAT, sealed)) = wrapped.bytes.split_first() else {
            return Err(fault);
        };
        let plain = aead::open(&kek, &bound(version, context), sealed).ok();
        plain.and_then(|plain| DataKeyBytes::copied_from(&plain)).ok_or(fault)
    }

    fn newest_version(&self) -> Result<u32, VaultError> {
        let versions = kek_file::versions(&self.folder)?;
        let unread: Vec<u32> = versions.iter().copied().filter(|version| self.kek(*version).is_none()).collect();
        if !unread.is_empty() {
            // Whoever made them may not have come to this point: nothing may be wrapped under a key whose
            // name a loss of power could take away.
            kek_file::sync_folder(&self.folder)?;
        }
        let mut locked = None;
        for version in unread {
            match kek_file::read(&self.folder, version)? {
                KekFile::Plain(key) => {
                    let kek = Arc::new(aead::prepare(&key)?);
                    self.write().insert(version, kek);
                }
                KekFile::Split(split) => locked = Some(split),
            }
        }
        match (versions.into_iter().rev().find(|version| self.kek(*version).is_some()), locked) {
            (Some(newest), _) => Ok(newest),
            (None, Some(split)) => Err(self.locked_error(&split)),
            (None, None) => Err(VaultError::KeyFolderEmpty { folder: self.folder.clone() }),
        }
    }
}

impl KekCustody for FileKeyProvider {
    fn add_version(&self, version_above: u32) -> Result<u32, VaultError> {
        let newest = self.newest_file()?;
        if let KekFile::Split(_) = kek_file::read(&self.folder, newest)? {
            return Err(VaultError::KekIsSplit { version: newest });
        }
        let version = self.next_version(version_above)?;
        kek_file::create(&self.folder, version)?;
        kek_file::sync_folder(&self.folder)?;
        self.newest_version()
    }

    fn retire_version(&self, version: u32) -> Result<(), VaultError> {
        if self.newest_file()? == version {
            return Err(VaultError::KekInUse { version });
        }
        kek_file::retire(&self.folder, version)?;
        self.write().remove(&version);
        Ok(())
    }

    fn revive_version(&self, version: u32) -> Result<(), VaultError> {
        kek_file::revive(&self.folder, version)
    }

    fn keks(&self) -> Result<Vec<KekFacts>, VaultError> {
        let mut keks = Vec::new();
        for (versions, state) in [
            (kek_file::versions(&self.folder)?, KekState::Live),
            (kek_file::retired_versions(&self.folder)?, KekState::Retired),
        ] {
            for version in versions {
                let made_at = Some(kek_file::written_at(&self.folder, version, state)?);
                let split = match kek_file::read_in(&self.folder, version, state) {
                    Ok(KekFile::Split(split)) => Some(KekSplit { quorum: split.quorum(), custodians: split.names() }),
                    Ok(KekFile::Plain(_)) => None,
                    // A retired key opens nothing: a bad one, which may be why it was retired, hides no other.
                    Err(_) if state == KekState::Retired => None,
                    Err(error) => return Err(error),
                };
                keks.push(KekFacts { version, state, made_at, split });
            }
        }
        keks.sort_by_key(|kek| kek.version);
        Ok(keks)
    }
}

impl fmt::Debug for FileKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeyProvider").field("versions", &self.versions()).finish_non_exhaustive()
    }
}

/// The associated data of a wrapped key.
fn bound(version: u32, context: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FORMAT, b'K'];
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(context);
    bytes
}

fn exists(folder: &Path) -> Result<bool, VaultError> {
    match fs::symlink_metadata(folder) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(VaultError::Io { path: folder.to_owned(), doing: "look at it", source }),
    }
}

fn create_folder(folder: &Path) -> Result<(), VaultError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => {
            return Err(VaultError::Io { path: folder.to_owned(), doing: "make it (its parent must exist)", source });
        }
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    kek_file::sync_folder(parent.unwrap_or(Path::new(".")))
}

fn check_folder(folder: &Path) -> Result<(), VaultError> {
    let refused = |fault| VaultError::KeyFile { path: folder.to_owned(), fault };
    let facts = fs::symlink_metadata(folder).map_err(|source| VaultError::Io {
        path: folder.to_owned(),
        doing: "look at it",
        source,
    })?;
    if facts.is_symlink() {
        return Err(refused(KeyFileFault::SymbolicLink));
    }
    if !facts.is_dir() {
        return Err(refused(KeyFileFault::NotAFolder));
    }
    kek_file::check_mode(facts.mode()).map_err(refused)
}
