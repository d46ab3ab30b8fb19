//! What is sealed opens in its own place and nowhere else, and shows itself nowhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tollgate_core::card::{Pan, luhn};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::time::Timestamp;
use tollgate_vault::{
    DataKeyId, DataKeys, FileKeyProvider, LABEL_BYTES_MAX, MemoryDataKeys, NewDataKey, PortError, PortFuture,
    RewrappedDataKey, SECRET_BYTES_MAX, SealedCard, StoredDataKeys, Vault, VaultError, WrappedDataKey,
};

const NUMBER: &str = "5123456789012346";
const SHOP: MerchantId = MerchantId(7);
const ORDER: FortId = FortId(179_518_080_000_000_007);

/// Noon on a day of 2026.
fn day(text: &str) -> Timestamp {
    Timestamp::parse_date(text).unwrap().plus_ms(43_200_000)
}

fn november() -> Timestamp {
    day("2026-11-20")
}

fn pan() -> Pan {
    Pan::parse(NUMBER).unwrap()
}

/// Counts what the vault asks of its store, and can lie or fail.
#[derive(Default)]
struct Store {
    rows: MemoryDataKeys,
    loads: AtomicUsize,
    adds: AtomicUsize,
    fault: Option<StoreFault>,
}

#[derive(Clone, Copy, PartialEq)]
enum StoreFault {
    Fails,
    AnswersAnotherMerchant,
    DamagesTheKey,
}

impl Store {
    fn with(fault: StoreFault) -> Arc<Store> {
        Arc::new(Store { fault: Some(fault), ..Store::default() })
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    fn adds(&self) -> usize {
        self.adds.load(Ordering::SeqCst)
    }
}

impl DataKeys for Store {
    fn data_keys(&self) -> PortFuture<'_, Vec<WrappedDataKey>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.rows.data_keys()
    }

    fn add_data_key(&self, mut new: NewDataKey) -> PortFuture<'_, WrappedDataKey> {
        self.adds.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Some(StoreFault::Fails) => {
                return Box::pin(std::future::ready(Err(PortError("disk full".to_owned()))));
            }
            Some(StoreFault::AnswersAnotherMerchant) => new.merchant = MerchantId(new.merchant.0 + 1),
            Some(StoreFault::DamagesTheKey) => *new.wrapped.last_mut().unwrap() ^= 1,
            None => {}
        }
        self.rows.add_data_key(new)
    }

    fn data_keys_generation(&self) -> PortFuture<'_, u64> {
        self.rows.data_keys_generation()
    }

    fn rewrap_data_keys(&self, rewrapped: Vec<RewrappedDataKey>) -> PortFuture<'_, u64> {
        self.rows.rewrap_data_keys(rewrapped)
    }

    fn finish_rotation(&self, id: DataKeyId) -> PortFuture<'_, ()> {
        self.rows.finish_rotation(id)
    }
}

/// One installation: a key folder and a store, in which any number of nodes can start.
struct Installation {
    root: TempDir,
    store: Arc<Store>,
}

impl Installation {
    fn new() -> Installation {
        Installation { root: TempDir::new().unwrap(), store: Arc::default() }
    }

    async fn start(&self) -> Result<Vault, VaultError> {
        let stored = StoredDataKeys::look(&*self.store).await.unwrap();
        let provider = FileKeyProvider::create_or_open(&self.root.path().join("keys"), stored)?;
        Vault::open(Box::new(provider), Arc::clone(&self.store) as Arc<dyn DataKeys>).await
    }

    async fn node(&self) -> Vault {
        self.start().await.unwrap()
    }
}

/// The row without its id.
fn as_new(row: WrappedDataKey) -> NewDataKey {
    let WrappedDataKey { merchant, period, generation, rotation, kek_version, wrapped, created_at, .. } = row;
    NewDataKey { merchant, period, generation, rotation, kek_version, wrapped, created_at }
}

/// Runs `test` on the runtime of one thread, for property tests.
fn wait<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

#[tokio::test]
async fn a_card_opens_in_its_place_only() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let sealed = vault.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    assert_eq!(vault.open_card(SHOP, ORDER, &sealed).await.unwrap().pan, pan());

    let other_order = vault.open_card(SHOP, FortId(ORDER.0 + 1), &sealed).await.unwrap_err();
    assert!(matches!(other_order, VaultError::NotAuthentic { id: DataKeyId(1) }), "{other_order}");
    let other_merchant = vault.open_card(MerchantId(8), ORDER, &sealed).await.unwrap_err();
    assert!(matches!(other_merchant, VaultError::NotAuthentic { .. }), "{other_merchant}");
}

#[tokio::test]
async fn a_secret_opens_under_its_label_only_and_never_as_a_card() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let sealed = vault.seal_secret("merchant/7/sha-request", b"PASS", november()).await.unwrap();
    assert_eq!(vault.open_secret("merchant/7/sha-request", &sealed).await.unwrap().as_slice(), b"PASS");
    for label in ["", "merchant/7/sha-reques", "merchant/7/sha-request ", "merchant/8/sha-request"] {
        let refused = vault.open_secret(label, &sealed).await.unwrap_err();
        assert!(matches!(refused, VaultError::NotAuthentic { .. }), "{label}: {refused}");
    }

    // Both under the gateway's own data key, and the label has the very bytes of merchant and order:
    // only the kind in the associated data tells them apart.
    let (gateway, order) = (MerchantId(0), FortId(i64::from_be_bytes(*b"ABCDEFGH")));
    let label = "\0\0\0\0\0\0\0\0ABCDEFGH";
    let card = vault.seal_card(gateway, order, &pan(), november()).await.unwrap();
    let as_secret = vault.open_secret(label, card.as_bytes()).await.unwrap_err();
    assert!(matches!(as_secret, VaultError::NotAuthentic { .. }), "{as_secret}");
    let secret = vault.seal_secret(label, b"5123456789012346\0\0\0", november()).await.unwrap();
    let as_card = vault.open_card(gateway, order, &SealedCard::from_bytes(secret)).await.unwrap_err();
    assert!(matches!(as_card, VaultError::NotAuthentic { .. }), "{as_card}");
}

#[tokio::test]
async fn every_flipped_bit_and_every_cut_is_refused() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let sealed = vault.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    for bit in 0..sealed.as_bytes().len() * 8 {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let refused = vault.open_card(SHOP, ORDER, &SealedCard::from_bytes(bytes)).await.unwrap_err();
        let fits = match bit / 8 {
            0 => matches!(refused, VaultError::Damaged { .. }),
            1..=8 => matches!(refused, VaultError::UnknownDataKey(_)),
            _ => matches!(refused, VaultError::NotAuthentic { .. }),
        };
        assert!(fits, "bit {bit}: {refused}");
    }
    for length in 0..sealed.as_bytes().len() {
        let bytes = sealed.as_bytes()[..length].to_vec();
        assert!(vault.open_card(SHOP, ORDER, &SealedCard::from_bytes(bytes)).await.is_err(), "{length} bytes");
    }
    let mut longer = sealed.as_bytes().to_vec();
    longer.push(0);
    assert!(vault.open_card(SHOP, ORDER, &SealedCard::from_bytes(longer)).await.is_err());
}

#[tokio::test]
async fn all_cards_seal_to_one_length_and_never_twice_to_the_same_bytes() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let mut seen = HashSet::new();
    for number in ["345678901234564", NUMBER, NUMBER, "9818950527886700002"] {
        let card = Pan::parse(number).unwrap();
        let sealed = vault.seal_card(SHOP, ORDER, &card, november()).await.unwrap();
        assert_eq!(sealed.as_bytes().len(), 9 + 12 + 19 + 16, "length of format 1");
        assert_eq!(vault.open_card(SHOP, ORDER, &sealed).await.unwrap().pan, card);
        assert!(seen.insert(sealed.as_bytes().to_vec()));
    }
}

#[tokio::test]
async fn one_data_key_per_merchant_and_month() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let last_of_november = Timestamp(Timestamp::parse_date("2026-12-01").unwrap().0 - 1);
    let uses = [
        (SHOP, day("2026-11-01")),
        (SHOP, november()),
        (SHOP, last_of_november),
        (SHOP, Timestamp::parse_date("2026-12-01").unwrap()),
        (MerchantId(8), november()),
        (SHOP, november()),
    ];
    for (merchant, now) in uses {
        vault.seal_card(merchant, ORDER, &pan(), now).await.unwrap();
    }
    let rows = installation.store.data_keys().await.unwrap();
    let keys: Vec<_> = rows.iter().map(|row| (row.merchant.0, row.period, row.kek_version)).collect();
    assert_eq!(keys, [(7, 202_611, 1), (7, 202_612, 1), (8, 202_611, 1)]);
    assert_eq!(installation.store.adds(), 3, "a known key is not asked for again");
    assert_eq!(rows[0].created_at, day("2026-11-01"));
}

#[tokio::test]
async fn a_card_outlives_a_restart_and_its_month() {
    let installation = Installation::new();
    let sealed = installation.node().await.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    let later = installation.node().await;
    later.seal_card(SHOP, ORDER, &pan(), day("2027-03-01")).await.unwrap();
    assert_eq!(later.open_card(SHOP, ORDER, &sealed).await.unwrap().pan, pan());
}

#[tokio::test]
async fn a_key_made_by_another_node_is_asked_for_once_and_then_known() {
    let installation = Installation::new();
    let (here, there) = (installation.node().await, installation.node().await);
    let sealed = there.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    let loads = installation.store.loads();
    for _ in 0..3 {
        assert_eq!(here.open_card(SHOP, ORDER, &sealed).await.unwrap().pan, pan());
    }
    assert_eq!(installation.store.loads(), loads + 1);
}

#[tokio::test]
async fn two_nodes_that_make_a_months_key_go_on_with_one() {
    let installation = Installation::new();
    let (here, there) = (installation.node().await, installation.node().await);
    // Both have looked for new keys in this very millisecond, so neither sees what the other makes.
    for node in [&here, &there] {
        node.seal_secret("label", b"", november()).await.unwrap();
    }
    let adds = installation.store.adds();
    let from_here = here.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    let from_there = there.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    assert_eq!(installation.store.adds(), adds + 2, "both tried");
    let keys = installation.store.data_keys().await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.merchant == SHOP).count(), 1);
    assert_eq!(here.open_card(SHOP, ORDER, &from_there).await.unwrap().pan, pan());
    assert_eq!(there.open_card(SHOP, ORDER, &from_here).await.unwrap().pan, pan());
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_per_opening_and_named_in_the_error() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let mut bytes = vault.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap().as_bytes().to_vec();
    bytes[8] = 99;
    let loads = installation.store.loads();
    let refused = vault.open_card(SHOP, ORDER, &SealedCard::from_bytes(bytes)).await.unwrap_err();
    assert!(matches!(refused, VaultError::UnknownDataKey(DataKeyId(99))), "{refused}");
    assert!(refused.to_string().contains("data key 99") && refused.to_string().contains("restore"));
    assert_eq!(installation.store.loads(), loads + 1);
}

#[tokio::test]
async fn a_store_that_fails_or_lies_seals_nothing() {
    for (fault, words) in [
        (StoreFault::Fails, "store: it failed on data keys: disk full"),
        (StoreFault::AnswersAnotherMerchant, "another merchant or month"),
        (StoreFault::DamagesTheKey, "does not open under key-encryption key version 1"),
    ] {
        let installation = Installation { root: TempDir::new().unwrap(), store: Store::with(fault) };
        let vault = installation.node().await;
        for attempt in 0..2 {
            let refused = vault.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap_err();
            assert!(refused.to_string().contains(words), "attempt {attempt}: {refused}");
        }
    }
}

#[tokio::test]
async fn another_installations_keys_are_refused_at_start() {
    let installation = Installation::new();
    installation.node().await.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    let stranger = Installation { root: TempDir::new().unwrap(), store: Arc::clone(&installation.store) };
    FileKeyProvider::create_or_open(&stranger.root.path().join("keys"), StoredDataKeys::NoneYet).unwrap();
    let refused = stranger.start().await.unwrap_err();
    assert!(matches!(refused, VaultError::Unwrap { provider: "file", version: 1 }), "{refused}");
}

#[tokio::test]
async fn a_lost_key_folder_is_refused_and_not_replaced() {
    let installation = Installation::new();
    installation.node().await.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    let folder = installation.root.path().join("keys");
    std::fs::remove_file(folder.join("kek-1.key")).unwrap();
    let refused = installation.start().await.unwrap_err();
    assert!(matches!(refused, VaultError::KeyFolderLost { .. }), "{refused}");
    assert!(refused.to_string().contains("restore the folder from backup"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "no key was made");
    std::fs::remove_dir(&folder).unwrap();
    assert!(matches!(installation.start().await.unwrap_err(), VaultError::KeyFolderLost { .. }));
    assert!(!folder.exists(), "no folder was made");
}

#[tokio::test]
async fn a_row_moved_to_another_merchant_or_month_does_not_unwrap() {
    let installation = Installation::new();
    installation.node().await.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    let row = installation.store.data_keys().await.unwrap().remove(0);
    let moves: [fn(&mut WrappedDataKey); 3] =
        [|row| row.merchant = MerchantId(8), |row| row.period = 202_612, |row| row.generation = 2];
    for moved in moves {
        let mut row = row.clone();
        moved(&mut row);
        let store = MemoryDataKeys::new();
        store.add_data_key(as_new(row)).await.unwrap();
        let provider = FileKeyProvider::open(&installation.root.path().join("keys")).unwrap();
        let refused = Vault::open(Box::new(provider), Arc::new(store)).await.unwrap_err();
        assert!(matches!(refused, VaultError::Unwrap { .. }), "{refused}");
    }
}

#[tokio::test]
async fn secrets_and_labels_have_a_longest() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let longest = vec![b'x'; SECRET_BYTES_MAX];
    let label = "l".repeat(LABEL_BYTES_MAX);
    let sealed = vault.seal_secret(&label, &longest, november()).await.unwrap();
    assert_eq!(*vault.open_secret(&label, &sealed).await.unwrap(), longest);

    let too_long = vec![b'x'; SECRET_BYTES_MAX + 1];
    let refused = vault.seal_secret("label", &too_long, november()).await.unwrap_err();
    assert!(matches!(refused, VaultError::SecretTooLong { length } if length == SECRET_BYTES_MAX + 1));
    let label = "l".repeat(LABEL_BYTES_MAX + 1);
    assert!(matches!(vault.seal_secret(&label, b"", november()).await, Err(VaultError::LabelTooLong { length: 256 })));
    assert!(matches!(vault.open_secret(&label, &sealed).await, Err(VaultError::LabelTooLong { length: 256 })));
}

#[tokio::test]
async fn a_clock_outside_the_calendar_makes_no_key() {
    let installation = Installation::new();
    let vault = installation.node().await;
    for now in [Timestamp(-1), Timestamp(i64::MAX), Timestamp(i64::MIN)] {
        let refused = vault.seal_card(SHOP, ORDER, &pan(), now).await.unwrap_err();
        assert!(matches!(refused, VaultError::Clock { .. }), "{refused}");
    }
    assert_eq!(installation.store.adds(), 0);
}

#[tokio::test]
async fn no_card_number_shows_in_sealed_bytes_debug_output_or_errors() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let sealed = vault.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
    assert!(!sealed.as_bytes().windows(6).any(|window| NUMBER.as_bytes().windows(6).any(|digits| digits == window)));
    let elsewhere = vault.open_card(SHOP, FortId(1), &sealed).await.unwrap_err();
    let row = installation.store.data_keys().await.unwrap().remove(0);
    let provider = FileKeyProvider::open(&installation.root.path().join("keys")).unwrap();
    let file = std::fs::read_to_string(installation.root.path().join("keys/kek-1.key")).unwrap();
    let kek = file.lines().nth(1).unwrap();
    let shown = [
        format!("{sealed:?}"),
        format!("{vault:?}"),
        format!("{elsewhere:?} {elsewhere}"),
        format!("{row:?}"),
        format!("{provider:?}"),
    ];
    for text in &shown {
        let digits = NUMBER.as_bytes().windows(5).any(|part| text.as_bytes().windows(5).any(|shown| shown == part));
        assert!(!digits && !text.contains(kek), "{text}");
    }
    assert_eq!(shown[0], "SealedCard(56 bytes)");
    assert!(shown[3].contains("wrapped_bytes: 61"), "{}", shown[3]);
    assert_eq!(shown[4], "FileKeyProvider { versions: [1], .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_card_of_any_order_comes_back(
        body in "[0-9]{11,18}", merchant in 1i64.., order in any::<i64>(), seconds in 0i64..4_000_000_000
    ) {
        let number = (0..10).map(|digit| format!("{body}{digit}")).find(|text| luhn(text)).unwrap();
        let (card, now) = (Pan::parse(&number).unwrap(), Timestamp(seconds * 1_000_000));
        let (merchant, order) = (MerchantId(merchant), FortId(order));
        wait(async {
            let installation = Installation::new();
            let vault = installation.node().await;
            let sealed = vault.seal_card(merchant, order, &card, now).await.unwrap();
            let kept = SealedCard::from_bytes(sealed.as_bytes().to_vec());
            prop_assert_eq!(&kept, &sealed);
            prop_assert_eq!(vault.open_card(merchant, order, &kept).await.unwrap().pan, card);
            prop_assert!(vault.open_card(merchant, FortId(order.0 ^ 1), &kept).await.is_err());
            prop_assert!(vault.open_card(MerchantId(merchant.0 ^ 1), order, &kept).await.is_err());
            Ok(())
        })?;
    }

    #[test]
    fn any_secret_comes_back_and_no_changed_byte_does(
        label in "\\PC{0,60}", secret in proptest::collection::vec(any::<u8>(), 0..200), place in any::<prop::sample::Index>(), change in 1u8..
    ) {
        wait(async {
            let installation = Installation::new();
            let vault = installation.node().await;
            let mut sealed = vault.seal_secret(&label, &secret, november()).await.unwrap();
            let opened = vault.open_secret(&label, &sealed).await.unwrap();
            prop_assert_eq!(opened.as_slice(), secret.as_slice());
            let at = place.index(sealed.len());
            sealed[at] ^= change;
            prop_assert!(vault.open_secret(&label, &sealed).await.is_err(), "byte {} changed", at);
            Ok(())
        })?;
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), tail in any::<bool>()) {
        wait(async {
            let installation = Installation::new();
            let vault = installation.node().await;
            let sealed = vault.seal_card(SHOP, ORDER, &pan(), november()).await.unwrap();
            // Half of them start like a right one, so that they come as far as the cipher.
            let mut forged = if tail { sealed.as_bytes()[..9].to_vec() } else { Vec::new() };
            forged.extend_from_slice(&bytes);
            prop_assert!(vault.open_card(SHOP, ORDER, &SealedCard::from_bytes(forged.clone())).await.is_err());
            prop_assert!(vault.open_secret("label", &forged).await.is_err());
            Ok(())
        })?;
    }
}

/// Rule: the audit log's key is made once, is the same in every process, and is no key that seals.
#[tokio::test]
async fn the_audit_logs_key_is_made_once_and_outlives_a_rewrapping() {
    let (folder, keys) = (tempfile::tempdir().unwrap(), Arc::new(MemoryDataKeys::new()));
    let open = |stored| {
        let provider = FileKeyProvider::create_or_open(&folder.path().join("keys"), stored).unwrap();
        Vault::open(Box::new(provider), Arc::clone(&keys) as Arc<dyn DataKeys>)
    };
    let first = open(StoredDataKeys::NoneYet).await.unwrap();
    assert!(first.audit_keys().await.unwrap().is_empty());
    let key = first.audit_key(november()).await.unwrap();
    assert_eq!(first.audit_key(day("2026-12-20")).await.unwrap().id(), key.id());
    let other = open(StoredDataKeys::Present).await.unwrap();
    let all = other.audit_keys().await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].id(), all[0].mac(&[b"a"])), (key.id(), key.mac(&[b"a"])));
    assert_ne!(key.mac(&[b"a"]), key.mac(&[b"b"]));
    assert!(!format!("{key:?}").contains("key:"), "{key:?}");
}
