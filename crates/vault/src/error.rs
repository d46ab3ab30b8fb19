//! What can go wrong in the vault, and who has to act. No text here holds key or card material.

use crate::file_provider::KEK_FILES_MAX;
use crate::passphrase::PlanFault;
use crate::port::{DataKeyId, PortError};
use crate::vault::{LABEL_BYTES_MAX, SECRET_BYTES_MAX};
use std::io;
use std::path::PathBuf;

/// What can go wrong. Each text starts with who has to act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The store failed to read or write data keys.
    #[error("store: it failed on data keys: {0}")]
    Port(#[from] PortError),
    /// The store answered a data key for another merchant or month than was asked for.
    #[error(
        "store: it answered data key {id} for another merchant or month than was asked for; this is a bug of the store"
    )]
    WrongRow {
        /// The key that came.
        id: DataKeyId,
    },
    /// No such data key, even after asking the store again.
    #[error(
        "store: data key {0} is not there, so nothing that it sealed opens; restore the table of data keys from backup"
    )]
    UnknownDataKey(DataKeyId),
    /// The sealed bytes have no format that we know.
    #[error(
        "store: the sealed bytes ({length} bytes) are cut off or of an unknown format; restore the row from backup"
    )]
    Damaged {
        /// How many bytes came.
        length: usize,
    },
    /// The tag does not fit: the bytes were changed, or belong to another order, merchant or label.
    #[error(
        "store: the sealed bytes under data key {id} were changed, or belong to another order, merchant or label; restore the row from backup and look for who wrote it"
    )]
    NotAuthentic {
        /// The data key they name.
        id: DataKeyId,
    },
    /// A sealed card opened, but holds no card number: we sealed something wrong.
    #[error("us: a sealed card under data key {id} opened but holds no card number; this is a bug of the vault")]
    NoCardNumber {
        /// The data key it was under.
        id: DataKeyId,
    },
    /// A card was to be opened that is not there yet.
    #[error("us: the order has no card yet; this is a bug of the gateway")]
    NoCard,
    /// A secret is too long to be sealed.
    #[error("us: a secret of {length} bytes is too long to be sealed; {SECRET_BYTES_MAX} bytes at most")]
    SecretTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A label is too long.
    #[error("us: a label of {length} bytes is too long; {LABEL_BYTES_MAX} bytes at most")]
    LabelTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The clock shows a year for which no data key is made.
    #[error("clock: it shows the year {year}; data keys are made for the years 1970 to 9999")]
    Clock {
        /// The year it shows.
        year: i32,
    },
    /// The system's random source failed.
    #[error("operating system: its random source failed; nothing was sealed")]
    Random,
    /// The cipher failed where it cannot.
    #[error("us: the cipher refused a key or a text of the right length; this is a bug of the vault or its library")]
    Cipher,
    /// The provider has no KEK of that version.
    #[error(
        "key provider {provider}: it has no key-encryption key of version {version}, which wraps data keys in the store; restore that key from backup"
    )]
    KekMissing {
        /// The provider's name.
        provider: &'static str,
        /// The version looked for.
        version: u32,
    },
    /// A data key does not open under its KEK.
    #[error(
        "key provider {provider}: a data key does not open under key-encryption key version {version}; that key is another installation's or another node's, or the store's row was changed: restore the right key from backup, and give all nodes of one store the same keys"
    )]
    Unwrap {
        /// The provider's name.
        provider: &'static str,
        /// The version it was tried with.
        version: u32,
    },
    /// A data key did not come back from its new wrapping.
    #[error(
        "key provider {provider}: data key {id} does not come back from its new wrapping under version {version}; it was left under the old one"
    )]
    RewrapDiffers {
        /// The provider's name.
        provider: &'static str,
        /// The data key.
        id: DataKeyId,
        /// The new version.
        version: u32,
    },
    /// The KEK is the one that wraps now.
    #[error(
        "key-encryption key version {version} is the newest and wraps new data keys: rotate first (`tollgate keys rotate --kek`)"
    )]
    KekInUse {
        /// Its version.
        version: u32,
    },
    /// The KEK is split among custodians who have not come.
    #[error(
        "key-encryption key version {version} waits for its custodians: {come} of {quorum} have come (they are {names}); each of them runs `tollgate keys unlock` while the gateway runs"
    )]
    KekLocked {
        /// Its version.
        version: u32,
        /// How many have come.
        come: usize,
        /// How many are needed.
        quorum: usize,
        /// Who they are.
        names: String,
    },
    /// A plain KEK may not follow a split one.
    #[error(
        "key-encryption key version {version} is split among custodians: a plain key after it would undo that. `tollgate keys rotate --kek` asks the custodians"
    )]
    KekIsSplit {
        /// Its version.
        version: u32,
    },
    /// There are keys where the first one was to be made.
    #[error(
        "key folder {folder}: there is a key-encryption key already; `tollgate keys ceremony --convert` makes a split one that takes over from it"
    )]
    KekThereAlready {
        /// The folder.
        folder: PathBuf,
    },
    /// A split KEK opened wrongly, or not.
    #[error("key-encryption key version {version}: {fault}")]
    SplitKek {
        /// Its version.
        version: u32,
        /// What is wrong.
        fault: KeyFileFault,
    },
    /// A custodian's passphrase is not his. Says no more, whatever was near to it.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// A wrong passphrase has to be waited for.
    #[error("the last passphrase of this custodian was wrong: the next try is in {wait_s} s")]
    TriesTooFast {
        /// How long, in seconds.
        wait_s: u64,
    },
    /// There were too many wrong passphrases.
    #[error(
        "too many wrong passphrases of this custodian: this process takes no more. Find out who is guessing, then restart it"
    )]
    NoMoreTries,
    /// Nobody of that name has a part in a key that waits.
    #[error("no such custodian; they are {names}")]
    NoSuchCustodian {
        /// Who they are.
        names: String,
    },
    /// A split is not acceptable.
    #[error("key ceremony: {0}")]
    Plan(#[from] PlanFault),
    /// The PKCS#11 module or its token failed.
    #[error("PKCS#11 module: could not {doing}: {reason}")]
    Module {
        /// What was tried, for example "open a session".
        doing: &'static str,
        /// What the module said; never a PIN and never a key.
        reason: String,
    },
    /// A call of the module did not come back in time.
    #[error(
        "PKCS#11 module: to {doing} took longer than {call_ms_max} ms and was given up; look after the HSM and the way to it (keys.pkcs11_call_ms_max)"
    )]
    ModuleTooSlow {
        /// What was tried.
        doing: &'static str,
        /// How long it could take, in milliseconds.
        call_ms_max: u64,
    },
    /// Too many calls of the module have not come back.
    #[error(
        "PKCS#11 module: did not try to {doing}, because too many calls before have not come back; look after the HSM"
    )]
    ModuleStuck {
        /// What was wanted.
        doing: &'static str,
    },
    /// The key folder has no KEK, yet the store holds data keys.
    #[error(
        "key folder {folder}: there is no key-encryption key, but the store holds data keys which need one; restore the folder from backup. No new key was made, because it could open none of the stored cards"
    )]
    KeyFolderLost {
        /// The folder.
        folder: PathBuf,
    },
    /// The key folder has no KEK.
    #[error(
        "key folder {folder}: there is no key-encryption key (kek-1.key); restore the folder from backup, or let a first start make the key"
    )]
    KeyFolderEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// There are more key files than any installation needs.
    #[error("key folder {folder}: there are more than {KEK_FILES_MAX} key files; remove what does not belong there")]
    TooManyKeyFiles {
        /// The folder.
        folder: PathBuf,
    },
    /// A key file, or the folder itself, is not acceptable.
    #[error("key folder: {path} is refused: {fault}")]
    KeyFile {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        fault: KeyFileFault,
    },
    /// The operating system failed on the key folder.
    #[error("key folder: {path}: could not {doing}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, for example "read it".
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What is wrong with a key file or a key folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileFault {
    /// The folder is no folder.
    #[error("it is not a folder")]
    NotAFolder,
    /// The file is no plain file.
    #[error("it is not a plain file")]
    NotAFile,
    /// Somebody could point it elsewhere.
    #[error("it is a symbolic link, which could be pointed elsewhere; put the real one in its place")]
    SymbolicLink,
    /// Others than the owner may do something with it.
    #[error(
        "others than its owner have access (mode {mode:04o}); if nobody else has read it, `chmod go=` it, else rotate the key"
    )]
    OpenToOthers {
        /// The permission bits.
        mode: u32,
    },
    /// What its name means changed between a look and the opening.
    #[error("it was replaced while it was being read; look for who did that, then start again")]
    Replaced,
    /// `kek-` and `.key` with no version between.
    #[error("its name must be kek-VERSION.key with a version from 1 to 4294967295, without leading zeros")]
    Name,
    /// The first line is not ours, or names another version than the file's name.
    #[error(
        "its first line is not `tollgate-kek aes-256-gcm VERSION` with the version of its name; restore it from backup"
    )]
    Header,
    /// The second line is no base64 of 32 bytes.
    #[error("its second line is not 32 bytes in base64, or more follows; restore it from backup")]
    Length,
    /// All bits are zero.
    #[error(
        "the key is all zeros; such a key protects nothing: an installation that has used it must rotate it; a new one removes the file and gets a random key"
    )]
    AllZero,
    /// A key with a pattern: counted up, repeated, or printed in a standard or a manual.
    #[error(
        "the key is a sample (repeated, counted up, or printed in a standard); such a key protects nothing: an installation that has used it must rotate it; a new one removes the file and gets a random key"
    )]
    Sample,
    /// A key typed by a person.
    #[error(
        "the key is readable text, so it was not drawn at random: an installation that has used it must rotate it; a new one removes the file and gets a random key"
    )]
    Text,
    /// A split file has a form that is not ours, or its sum is wrong.
    #[error("it is split among custodians, and damaged (its sum or its form is wrong); restore it from backup")]
    SplitDamaged,
    /// A split file was made by hand.
    #[error(
        "it is split among custodians, and asks for a stretching of passphrases that is too weak or too heavy, which no ceremony makes; restore it from backup and look for who wrote it"
    )]
    SplitStretching,
    /// Fewer custodians than needed.
    #[error("fewer custodians than its quorum have come")]
    SplitQuorum,
    /// A split file whose custodians are right, but not all of what it says.
    #[error(
        "it is split among custodians, and was changed by somebody who does not have the key; restore it from backup and look for who wrote it"
    )]
    SplitChanged,
}
