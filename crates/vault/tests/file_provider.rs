//! Key files: how they are made, which are refused, and that processes agree on one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use tempfile::TempDir;
use tollgate_vault::{
    DataKeyBytes, FileKeyProvider, KEK_FILES_MAX, KeyFileFault, KeyProvider, StoredDataKeys, VaultError, WrappedKey,
};

const RANDOM_HEX: &str = "9d21c0f57b0e6a43d88855f1ac3e72144be097630f5ad2b81c7e99c40a36fb5d";

/// A key folder inside a temporary one.
struct Keys {
    _root: TempDir,
    folder: PathBuf,
}

impl Keys {
    fn none() -> Keys {
        let root = TempDir::new().unwrap();
        let folder = root.path().join("keys");
        Keys { _root: root, folder }
    }

    fn made() -> Keys {
        let keys = Keys::none();
        FileKeyProvider::create_or_open(&keys.folder, StoredDataKeys::NoneYet).unwrap();
        keys
    }

    /// With `content` as the file of version 1, with the right permissions.
    fn with(content: &[u8]) -> Keys {
        let keys = Keys::made();
        fs::write(keys.file(1), content).unwrap();
        keys
    }

    fn file(&self, version: u32) -> PathBuf {
        self.folder.join(format!("kek-{version}.key"))
    }

    fn add(&self, version: u32, key: &[u8]) {
        let file = self.file(version);
        fs::write(&file, format!("tollgate-kek aes-256-gcm {version}\n{}\n", STANDARD.encode(key))).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }

    fn fault(&self) -> Option<KeyFileFault> {
        let opened = FileKeyProvider::open(&self.folder);
        let again = FileKeyProvider::create_or_open(&self.folder, StoredDataKeys::NoneYet);
        match (opened, again) {
            (Err(VaultError::KeyFile { fault, .. }), Err(VaultError::KeyFile { fault: same, .. })) => {
                assert_eq!(fault, same);
                Some(fault)
            }
            (Ok(_), Ok(_)) => None,
            other => panic!("{other:?}"),
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn open(keys: &Keys) -> FileKeyProvider {
    FileKeyProvider::open(&keys.folder).unwrap()
}

#[test]
fn the_first_start_makes_one_private_key_and_leaves_nothing_else() {
    let keys = Keys::made();
    assert_eq!(mode(&keys.folder), 0o700);
    assert_eq!(mode(&keys.file(1)), 0o600);
    let names: Vec<_> = fs::read_dir(&keys.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["kek-1.key"]);
    let text = fs::read_to_string(keys.file(1)).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "tollgate-kek aes-256-gcm 1");
    assert_eq!(STANDARD.decode(lines[1]).unwrap().len(), 32);
    assert_eq!(lines.len(), 2);
}

#[test]
fn later_starts_keep_the_key_and_other_folders_have_another() {
    let keys = Keys::made();
    let before = fs::read(keys.file(1)).unwrap();
    for stored in [StoredDataKeys::NoneYet, StoredDataKeys::Present] {
        FileKeyProvider::create_or_open(&keys.folder, stored).unwrap();
    }
    assert_eq!(fs::read(keys.file(1)).unwrap(), before);
    assert_ne!(fs::read(Keys::made().file(1)).unwrap(), before);
}

#[test]
fn a_missing_key_is_made_only_when_no_data_key_needs_it() {
    let keys = Keys::none();
    assert!(matches!(FileKeyProvider::open(&keys.folder), Err(VaultError::Io { .. })));
    let lost = FileKeyProvider::create_or_open(&keys.folder, StoredDataKeys::Present).unwrap_err();
    assert!(matches!(lost, VaultError::KeyFolderLost { .. }), "{lost}");
    assert!(!keys.folder.exists());

    let keys = Keys::made();
    fs::remove_file(keys.file(1)).unwrap();
    assert!(matches!(FileKeyProvider::open(&keys.folder), Err(VaultError::KeyFolderEmpty { .. })));
    let lost = FileKeyProvider::create_or_open(&keys.folder, StoredDataKeys::Present).unwrap_err();
    assert!(matches!(lost, VaultError::KeyFolderLost { .. }), "{lost}");
    assert!(!keys.file(1).exists());
    FileKeyProvider::create_or_open(&keys.folder, StoredDataKeys::NoneYet).unwrap();
    assert!(keys.file(1).exists());
}

#[test]
fn access_by_others_is_refused() {
    for bits in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666] {
        let keys = Keys::made();
        fs::set_permissions(keys.file(1), Permissions::from_mode(bits)).unwrap();
        assert_eq!(keys.fault(), Some(KeyFileFault::OpenToOthers { mode: bits }));
        let keys = Keys::made();
        fs::set_permissions(&keys.folder, Permissions::from_mode(bits | 0o100)).unwrap();
        assert_eq!(keys.fault(), Some(KeyFileFault::OpenToOthers { mode: bits | 0o100 }));
    }
    let keys = Keys::made();
    fs::set_permissions(keys.file(1), Permissions::from_mode(0o400)).unwrap();
    assert_eq!(keys.fault(), None, "the owner may also make it read-only");
}

#[test]
fn symbolic_links_and_other_things_are_refused() {
    let keys = Keys::made();
    fs::rename(keys.file(1), keys.folder.join("elsewhere")).unwrap();
    symlink(keys.folder.join("elsewhere"), keys.file(1)).unwrap();
    assert_eq!(keys.fault(), Some(KeyFileFault::SymbolicLink));

    let keys = Keys::made();
    fs::remove_file(keys.file(1)).unwrap();
    symlink(keys.folder.join("nowhere"), keys.file(1)).unwrap();
    assert_eq!(keys.fault(), Some(KeyFileFault::SymbolicLink));

    let mut keys = Keys::made();
    let link = keys.folder.with_file_name("link");
    symlink(&keys.folder, &link).unwrap();
    keys.folder = link;
    assert_eq!(keys.fault(), Some(KeyFileFault::SymbolicLink));

    let keys = Keys::made();
    fs::remove_file(keys.file(1)).unwrap();
    fs::create_dir(keys.file(1)).unwrap();
    assert_eq!(keys.fault(), Some(KeyFileFault::NotAFile));

    let keys = Keys::none();
    fs::write(&keys.folder, "").unwrap();
    assert_eq!(keys.fault(), Some(KeyFileFault::NotAFolder));
}

#[test]
fn files_of_another_form_are_refused() {
    use KeyFileFault::{Header, Length};
    let good = STANDARD.encode(hex::decode(RANDOM_HEX).unwrap());
    let short = STANDARD.encode(&hex::decode(RANDOM_HEX).unwrap()[..31]);
    let long = STANDARD.encode([hex::decode(RANDOM_HEX).unwrap(), vec![1]].concat());
    let table = [
        (format!("tollgate-kek aes-256-gcm 1\n{good}\n"), None),
        (format!("tollgate-kek aes-256-gcm 1\n{good}"), None),
        (String::new(), Some(Header)),
        ("changeme".to_owned(), Some(Header)),
        (good.clone(), Some(Header)),
        (format!("tollgate-kek aes-256-gcm 2\n{good}\n"), Some(Header)),
        (format!("tollgate-kek aes-256-gcm 11\n{good}\n"), Some(Header)),
        (format!("tollgate-kek aes-256-gcm 1\r\n{good}\n"), Some(Header)),
        (format!("# mine\ntollgate-kek aes-256-gcm 1\n{good}\n"), Some(Header)),
        ("tollgate-kek aes-256-gcm 1".to_owned(), Some(Header)),
        ("tollgate-kek aes-256-gcm 1\n".to_owned(), Some(Length)),
        (format!("tollgate-kek aes-256-gcm 1\n{short}\n"), Some(Length)),
        (format!("tollgate-kek aes-256-gcm 1\n{long}\n"), Some(Length)),
        (format!("tollgate-kek aes-256-gcm 1\n{RANDOM_HEX}\n"), Some(Length)),
        (format!("tollgate-kek aes-256-gcm 1\n{good}\n{good}\n"), Some(Length)),
        (format!("tollgate-kek aes-256-gcm 1\n{good}\n\n"), Some(Length)),
        (format!("tollgate-kek aes-256-gcm 1\n{}\n", good.repeat(100)), Some(Length)),
    ];
    for (content, fault) in table {
        assert_eq!(Keys::with(content.as_bytes()).fault(), fault, "{content}");
    }
    assert_eq!(Keys::with(&[0xff; 80]).fault(), Some(Header));
}

#[test]
fn sample_keys_are_refused_by_value() {
    use KeyFileFault::{AllZero, Sample, Text};
    let hex = |text: &str| hex::decode(text).unwrap();
    let table: [(Vec<u8>, Option<KeyFileFault>); 13] = [
        (vec![0; 32], Some(AllZero)),
        (vec![0xff; 32], Some(Sample)),
        (vec![0x42; 32], Some(Text)),
        ((0..32).collect(), Some(Sample)),
        ((1..=32).collect(), Some(Sample)),
        ((0..32).rev().collect(), Some(Sample)),
        (hex(&"deadbeef".repeat(8)), Some(Sample)),
        (hex(&"0123456789abcdef".repeat(4)), Some(Sample)),
        (hex(&"feffe9928665731c6d6a8f9467308308".repeat(2)), Some(Sample)),
        (hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"), Some(Sample)),
        (b"changeme-changeme-changeme-12345".to_vec(), Some(Text)),
        (b"0123456789abcdefghijklmnopqrstuv".to_vec(), Some(Text)),
        (hex(RANDOM_HEX), None),
    ];
    for (key, fault) in table {
        let keys = Keys::made();
        keys.add(1, &key);
        assert_eq!(keys.fault(), fault, "{}", hex::encode(&key));
    }
}

#[test]
fn a_sample_key_of_any_version_is_refused_and_no_error_shows_a_key() {
    let keys = Keys::made();
    let text = b"changeme-changeme-changeme-12345";
    keys.add(2, text);
    let refused = FileKeyProvider::open(&keys.folder).unwrap_err();
    let shown = format!("{refused} {refused:?}");
    assert!(shown.contains("kek-2.key") && shown.contains("readable text"), "{shown}");
    assert!(!shown.contains("changeme") && !shown.contains(&STANDARD.encode(text)), "{shown}");
}

#[test]
fn file_names_are_read_strictly_and_strangers_left_alone() {
    for name in ["kek-.key", "kek-0.key", "kek-01.key", "kek-+1.key", "kek-one.key", "kek-4294967296.key"] {
        let keys = Keys::made();
        fs::write(keys.folder.join(name), "").unwrap();
        assert_eq!(keys.fault(), Some(KeyFileFault::Name), "{name}");
    }
    let keys = Keys::made();
    for name in ["README", "kek-1.key~", ".kek-1.0011223344556677.tmp", "old-kek-1.key"] {
        fs::write(keys.folder.join(name), "half a ke").unwrap();
    }
    assert_eq!(keys.fault(), None);
}

#[test]
fn a_folder_with_too_many_keys_is_refused() {
    let keys = Keys::made();
    for version in 1..=u32::try_from(KEK_FILES_MAX).unwrap() + 1 {
        fs::write(keys.file(version), "").unwrap();
    }
    assert!(matches!(FileKeyProvider::open(&keys.folder), Err(VaultError::TooManyKeyFiles { .. })));
}

#[test]
fn the_highest_version_wraps_and_all_unwrap() {
    let keys = Keys::made();
    let plain = DataKeyBytes::random().unwrap();
    let first = open(&keys).wrap(&plain, b"context").unwrap();
    keys.add(10, &hex::decode(RANDOM_HEX).unwrap());
    let provider = open(&keys);
    assert_eq!(provider.versions(), [1, 10]);
    let second = provider.wrap(&plain, b"context").unwrap();
    assert_eq!((first.kek_version, second.kek_version), (1, 10));
    for wrapped in [&first, &second] {
        assert_eq!(provider.unwrap(wrapped, b"context").unwrap().reveal(), plain.reveal());
    }
    fs::remove_file(keys.file(1)).unwrap();
    let missing = open(&keys).unwrap(&first, b"context").unwrap_err();
    assert!(matches!(missing, VaultError::KekMissing { provider: "file", version: 1 }), "{missing}");
}

#[test]
fn a_wrapped_key_opens_only_unchanged_in_its_context_under_its_version() {
    let keys = Keys::made();
    keys.add(2, &hex::decode(RANDOM_HEX).unwrap());
    let provider = open(&keys);
    let wrapped = provider.wrap(&DataKeyBytes::random().unwrap(), b"context").unwrap();
    let refused = |wrapped: &WrappedKey, context: &[u8]| {
        matches!(provider.unwrap(wrapped, context), Err(VaultError::Unwrap { .. }))
    };
    assert!(refused(&wrapped, b"contexT") && refused(&wrapped, b""));
    assert!(refused(&WrappedKey { kek_version: 1, bytes: wrapped.bytes.clone() }, b"context"));
    for bit in 0..wrapped.bytes.len() * 8 {
        let mut changed = wrapped.clone();
        changed.bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(&changed, b"context"), "bit {bit}");
    }
    for length in 0..wrapped.bytes.len() {
        assert!(refused(&WrappedKey { kek_version: 2, bytes: wrapped.bytes[..length].to_vec() }, b"context"));
    }
}

/// Two of the same version under one content are the same key: what one wraps the other unwraps.
fn agree(providers: &[FileKeyProvider]) -> bool {
    let plain = DataKeyBytes::random().unwrap();
    let wrapped = providers[0].wrap(&plain, b"").unwrap();
    providers.iter().all(|provider| provider.unwrap(&wrapped, b"").is_ok_and(|key| key.reveal() == plain.reveal()))
}

#[test]
fn threads_that_start_at_once_agree_on_one_key() {
    const THREADS: usize = 8;
    for _ in 0..25 {
        let (keys, barrier) = (Keys::none(), Barrier::new(THREADS));
        let start = || {
            barrier.wait();
            FileKeyProvider::create_or_open(&keys.folder, StoredDataKeys::NoneYet).unwrap()
        };
        let providers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(agree(&providers));
        assert_eq!(fs::read_dir(&keys.folder).unwrap().count(), 1, "no temporary name is left");
    }
}

const FOLDER_OF_CHILD: &str = "TOLLGATE_TEST_KEY_FOLDER";

#[test]
#[ignore = "the child process of `processes_that_start_at_once_agree_on_one_key`, which gives it a folder"]
fn child_opens_the_folder_and_shows_a_wrapped_key() {
    let folder = std::env::var_os(FOLDER_OF_CHILD).expect("only the parent test runs this");
    let provider = FileKeyProvider::create_or_open(Path::new(&folder), StoredDataKeys::NoneYet).unwrap();
    let wrapped = provider.wrap(&DataKeyBytes::random().unwrap(), b"").unwrap();
    println!("wrapped={}", hex::encode(wrapped.bytes));
}

#[test]
fn processes_that_start_at_once_agree_on_one_key() {
    let keys = Keys::none();
    let children: Vec<_> = (0..6)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "child_opens_the_folder_and_shows_a_wrapped_key", "--nocapture"])
                .env(FOLDER_OF_CHILD, &keys.folder)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let outputs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let provider = open(&keys);
    for output in outputs {
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, rest) = text.split_once("wrapped=").expect("the child shows what it wrapped");
        let bytes = hex::decode(rest.lines().next().unwrap().trim()).unwrap();
        provider.unwrap(&WrappedKey { kek_version: 1, bytes }, b"").unwrap();
    }
}
