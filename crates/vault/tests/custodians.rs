//! A key folder whose key is split: custodians come one by one, wrong passphrases wait, and a split key is made,
//! followed and changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tollgate_core::secret::Secret;
use tollgate_vault::{
    CUSTODIAN_WAIT_MS_MAX, Custodian, DataKeyBytes, FileKeyProvider, KekCustody, KekSplit, KeyFileFault, KeyProvider,
    PlanFault, SplitPlan, StoredDataKeys, VaultError, WRONG_WAIT_MS_MIN,
};

const NAMES: [&str; 3] = ["ada", "grace", "lin"];

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

    /// Split among three, of whom two open it; and the provider that made it, which is open.
    fn split() -> (Keys, FileKeyProvider) {
        let keys = Keys::none();
        let provider = FileKeyProvider::create_split(&keys.folder, StoredDataKeys::NoneYet, &plan("")).unwrap();
        (keys, provider)
    }

    /// As another process finds it.
    fn locked(&self) -> FileKeyProvider {
        FileKeyProvider::open(&self.folder).unwrap()
    }

    fn text(&self, version: u32) -> String {
        fs::read_to_string(self.folder.join(format!("kek-{version}.key"))).unwrap()
    }
}

fn secret(name: &str, extra: &str) -> Secret {
    let words = ["five small owls ate a blue door", "nine tall trees drank the sea", "two old clocks sang in the fog"];
    let at = NAMES.iter().position(|known| *known == name).unwrap();
    Secret::new(format!("{}{extra}", words[at]))
}

fn custodian(name: &str, extra: &str) -> Custodian {
    Custodian { name: name.to_owned(), passphrase: secret(name, extra) }
}

fn plan(extra: &str) -> SplitPlan {
    SplitPlan { custodians: NAMES.iter().map(|name| custodian(name, extra)).collect(), quorum: 2 }
}

fn come(provider: &FileKeyProvider, name: &str, extra: &str, now: Instant) -> Result<Vec<u32>, VaultError> {
    provider.come(name, &secret(name, extra), now).map(|arrival| arrival.opened)
}

#[test]
fn a_split_key_is_private_opens_with_two_and_wraps_what_its_maker_unwraps() {
    let (keys, maker) = Keys::split();
    let file = keys.folder.join("kek-1.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(&keys.folder).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(fs::read_dir(&keys.folder).unwrap().count(), 1, "nothing is left beside it");
    assert!(keys.text(1).starts_with("tollgate-kek split-aes-256-gcm 1\nargon2id 65536 3 1\nquorum 2\ncustodian ada "));

    let (provider, now) = (keys.locked(), Instant::now());
    let plain = DataKeyBytes::random().unwrap();
    let wrapped = maker.wrap(&plain, b"context").unwrap();
    for refused in [provider.unwrap(&wrapped, b"context").unwrap_err(), provider.wrap(&plain, b"c").unwrap_err()] {
        assert!(matches!(refused, VaultError::KekLocked { version: 1, come: 0, quorum: 2, .. }), "{refused}");
    }
    assert!(provider.come("GRACE", &secret("grace", ""), now).unwrap().opened.is_empty(), "case does not count");
    assert_eq!(come(&provider, "grace", "", now).unwrap(), Vec::<u32>::new(), "the same person again is no second one");
    let locked = provider.locked().unwrap();
    assert_eq!((locked[0].split.quorum, locked[0].come.clone()), (2, vec!["grace".to_owned()]));
    assert_eq!(provider.newest_version().unwrap_err().to_string().matches("1 of 2 have come").count(), 1);
    assert_eq!(come(&provider, "ada", "", now).unwrap(), [1]);
    assert_eq!(provider.unwrap(&wrapped, b"context").unwrap().reveal(), plain.reveal());
    assert_eq!(provider.clone().newest_version().unwrap(), 1, "a clone is as open");
    assert!(provider.locked().unwrap().is_empty());
    let split = KekSplit { quorum: 2, custodians: NAMES.map(str::to_owned).to_vec() };
    assert_eq!(provider.keks().unwrap()[0].split, Some(split));
}

#[test]
fn a_wrong_passphrase_says_only_that_and_has_to_wait_longer_each_time() {
    let (keys, _) = Keys::split();
    let (provider, mut now) = (keys.locked(), Instant::now());
    let mut wait_ms = WRONG_WAIT_MS_MIN;
    for _ in 0..3 {
        let wrong = provider.come("ada", &secret("grace", ""), now).unwrap_err();
        assert_eq!(wrong.to_string(), "the passphrase is wrong");
        let early = now + Duration::from_millis(wait_ms - 1);
        assert!(matches!(come(&provider, "ada", "", early), Err(VaultError::TriesTooFast { .. })), "right, but early");
        now += Duration::from_millis(wait_ms);
        wait_ms *= 2;
    }
    assert!(come(&provider, "grace", "", now).unwrap().is_empty(), "others need not wait for him");
    assert_eq!(come(&provider, "ada", "", now).unwrap(), [1]);
    let nobody = keys.locked().come("zoe", &secret("ada", ""), now).unwrap_err();
    assert!(nobody.to_string().contains("they are ada, grace, lin"), "{nobody}");
}

#[test]
fn who_waits_too_long_for_the_others_is_forgotten() {
    let (keys, _) = Keys::split();
    let (provider, now) = (keys.locked(), Instant::now());
    come(&provider, "ada", "", now).unwrap();
    let late = now + Duration::from_millis(CUSTODIAN_WAIT_MS_MAX);
    assert_eq!(provider.forget_late(late.checked_sub(Duration::from_millis(1)).unwrap()), 0);
    assert_eq!(provider.forget_late(late), 1);
    assert!(provider.locked().unwrap()[0].come.is_empty());
    assert!(come(&provider, "grace", "", late).unwrap().is_empty(), "he is the first again");
    assert_eq!(come(&provider, "ada", "", late).unwrap(), [1]);
}

#[test]
fn a_first_split_key_is_made_only_where_there_is_none_and_none_is_missed() {
    let keys = Keys::none();
    let lost = FileKeyProvider::create_split(&keys.folder, StoredDataKeys::Present, &plan("")).unwrap_err();
    assert!(matches!(lost, VaultError::KeyFolderLost { .. }) && !keys.folder.exists(), "{lost}");
    FileKeyProvider::create_or_open(&keys.folder, StoredDataKeys::NoneYet).unwrap();
    let there = FileKeyProvider::create_split(&keys.folder, StoredDataKeys::NoneYet, &plan("")).unwrap_err();
    assert!(there.to_string().contains("--convert"), "{there}");
    let mut weak = plan("");
    weak.custodians[1].passphrase = Secret::new("short");
    let other = Keys::none();
    let refused = FileKeyProvider::create_split(&other.folder, StoredDataKeys::NoneYet, &weak).unwrap_err();
    assert!(matches!(refused, VaultError::Plan(PlanFault::Short)) && !other.folder.exists(), "{refused}");
}

#[test]
fn a_split_key_follows_a_plain_one_but_no_plain_one_follows_it() {
    let keys = Keys::none();
    let gateway = FileKeyProvider::create_or_open(&keys.folder, StoredDataKeys::NoneYet).unwrap();
    let command = keys.locked();
    assert_eq!(command.add_split_version(0, &plan("")).unwrap(), 2);
    assert_eq!((command.newest_version().unwrap(), gateway.newest_version().unwrap()), (2, 1), "still locked there");
    let plain = DataKeyBytes::random().unwrap();
    let wrapped = command.wrap(&plain, b"c").unwrap();
    assert!(matches!(gateway.unwrap(&wrapped, b"c"), Err(VaultError::KekLocked { version: 2, .. })));
    assert_eq!(gateway.wrap(&plain, b"c").unwrap().kek_version, 1, "a running gateway goes on meanwhile");
    for name in ["lin", "ada"] {
        come(&gateway, name, "", Instant::now()).unwrap();
    }
    assert_eq!(gateway.unwrap(&wrapped, b"c").unwrap().reveal(), plain.reveal());
    assert_eq!(gateway.wrap(&plain, b"c").unwrap().kek_version, 2);
    assert!(matches!(gateway.add_version(0), Err(VaultError::KekIsSplit { version: 2 })));
    assert!(matches!(gateway.retire_version(2), Err(VaultError::KekInUse { version: 2 })));
    command.retire_version(1).unwrap();
    assert_eq!(command.add_split_version(9, &plan(" more")).unwrap(), 10);
    // The passphrases of each version are its own; a custodian who has the same for both opens both.
    let later = keys.locked();
    let now = Instant::now();
    for name in ["ada", "grace"] {
        come(&later, name, " more", now).unwrap();
    }
    assert_eq!(later.locked().unwrap().iter().map(|locked| locked.version).collect::<Vec<_>>(), [2]);
    let states: Vec<_> = later.keks().unwrap().iter().map(|kek| (kek.version, kek.split.is_some())).collect();
    assert_eq!(states, [(1, false), (2, true), (10, true)]);
}

#[test]
fn a_quorum_changes_a_custodian_and_the_key_stays_the_same() {
    let (keys, maker) = Keys::split();
    let wrapped = maker.wrap(&DataKeyBytes::random().unwrap(), b"c").unwrap();
    let new = Custodian { name: "zoe".into(), passphrase: Secret::new("seven red kites over the river") };
    let change = |present: &[Custodian], leaving: &str, new: &Custodian| maker.change_custodian(present, leaving, new);
    let two = [custodian("ada", ""), custodian("lin", "")];
    for (present, leaving, new, says) in [
        (&two[..1], "grace", new.clone(), "fewer custodians than its quorum"),
        (&[two[0].clone(), custodian("lin", "x")], "grace", new.clone(), "the passphrase is wrong"),
        (&two[..], "nobody", new.clone(), "they are ada, grace, lin"),
        (&two[..], "grace", Custodian { name: "lin".into(), ..new.clone() }, "named twice"),
        (&two[..], "grace", Custodian { passphrase: secret("lin", ""), ..new.clone() }, "the same passphrase"),
        (&two[..], "grace", Custodian { passphrase: Secret::new("short"), ..new.clone() }, "fewer than 16"),
    ] {
        let refused = change(present, leaving, &new).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    let waiting = keys.locked();
    let now = Instant::now();
    come(&waiting, "ada", "", now).unwrap();
    assert_eq!(change(&two, "Grace", &new).unwrap(), 1);
    let file = keys.folder.join("kek-1.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(&keys.folder).unwrap().count(), 1);
    assert!(waiting.locked().unwrap()[0].come.is_empty(), "who came to the old file comes again");
    assert!(matches!(come(&waiting, "grace", "", now), Err(VaultError::NoSuchCustodian { .. })));
    assert!(waiting.come("zoe", &new.passphrase, now).unwrap().opened.is_empty());
    assert_eq!(come(&waiting, "lin", "", now).unwrap(), [1]);
    waiting.unwrap(&wrapped, b"c").unwrap();
}

#[test]
fn a_file_with_weak_stretching_or_damage_is_refused_before_anybody_is_asked() {
    let (keys, _) = Keys::split();
    let text = keys.text(1);
    let put = |text: &str| fs::write(keys.folder.join("kek-1.key"), text).unwrap();
    let fault = || match FileKeyProvider::open(&keys.folder).unwrap_err() {
        VaultError::KeyFile { fault, .. } => fault,
        other => panic!("{other}"),
    };
    put(&text.replacen("argon2id 65536 3 1", "argon2id 65536 3 2", 1));
    assert_eq!(fault(), KeyFileFault::SplitDamaged, "its sum is another");
    let weak = text.replacen("argon2id 65536 3 1", "argon2id 1024 1 1", 1);
    let (body, _) = weak.rsplit_once("sum ").unwrap();
    let sum = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes()));
    put(&format!("{body}sum {sum}\n"));
    assert_eq!(fault(), KeyFileFault::SplitStretching);
    put(&text[..text.len() / 2]);
    assert_eq!(fault(), KeyFileFault::SplitDamaged);
    put(&text);
    FileKeyProvider::open(&keys.folder).unwrap();
    fs::set_permissions(keys.folder.join("kek-1.key"), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(fault(), KeyFileFault::OpenToOthers { mode: 0o640 });
}
