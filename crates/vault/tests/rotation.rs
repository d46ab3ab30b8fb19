//! New keys take over from old ones: at once, in every process, whole, and again after a cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tollgate_core::card::Pan;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::time::Timestamp;
use tollgate_vault::{
    DataKeyId, DataKeys, FileKeyProvider, KekCustody, KekState, MemoryDataKeys, Reseal, SealedCard, SealedPlace,
    StoredDataKeys, Vault, VaultError, data_key_of,
};

const SHOP: MerchantId = MerchantId(7);
const ORDER: FortId = FortId(179_518_080_000_000_007);

/// Two processes of one installation see the same store and the same key folder.
struct Installation {
    root: TempDir,
    store: Arc<MemoryDataKeys>,
}

impl Installation {
    fn new() -> Installation {
        Installation { root: TempDir::new().unwrap(), store: Arc::new(MemoryDataKeys::new()) }
    }

    fn keys(&self) -> PathBuf {
        self.root.path().join("keys")
    }

    fn provider(&self) -> FileKeyProvider {
        FileKeyProvider::open(&self.keys()).unwrap()
    }

    async fn node(&self) -> Vault {
        let stored = StoredDataKeys::look(&*self.store).await.unwrap();
        let provider = FileKeyProvider::create_or_open(&self.keys(), stored).unwrap();
        Vault::open(Box::new(provider), Arc::clone(&self.store) as Arc<dyn DataKeys>).await.unwrap()
    }
}

/// A moment of one day, in milliseconds.
fn at(ms: u64) -> Timestamp {
    Timestamp::parse_date("2026-11-20").unwrap().plus_ms(ms)
}

fn pan() -> Pan {
    Pan::parse("5123456789012346").unwrap()
}

fn card() -> SealedPlace {
    SealedPlace::Card { merchant: SHOP, fort_id: ORDER }
}

fn key_of(card: &SealedCard) -> DataKeyId {
    data_key_of(card.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_new_data_key_seals_at_once_here_and_a_millisecond_later_in_other_processes() {
    let installation = Installation::new();
    let (one, other) = (installation.node().await, installation.node().await);
    let before = other.seal_card(SHOP, ORDER, &pan(), at(0)).await.unwrap();
    let target = one.begin_rotation(SHOP, at(5)).await.unwrap();
    assert_eq!(key_of(&one.seal_card(SHOP, ORDER, &pan(), at(5)).await.unwrap()), target);
    let fresh = other.seal_card(SHOP, ORDER, &pan(), at(6)).await.unwrap();
    assert_eq!(key_of(&fresh), target, "another process looked again");
    for sealed in [before, fresh] {
        assert_eq!(one.open_card(SHOP, ORDER, &sealed).await.unwrap().pan, pan());
        assert_eq!(other.open_card(SHOP, ORDER, &sealed).await.unwrap().pan, pan());
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_hides_no_new_key() {
    let installation = Installation::new();
    let (one, other) = (installation.node().await, installation.node().await);
    other.seal_card(SHOP, ORDER, &pan(), at(50_000)).await.unwrap();
    let target = one.begin_rotation(SHOP, at(50_000)).await.unwrap();
    assert_eq!(key_of(&other.seal_card(SHOP, ORDER, &pan(), at(10_000)).await.unwrap()), target);
}

#[tokio::test]
async fn what_an_old_key_sealed_is_sealed_anew_and_what_a_newer_one_sealed_is_left() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let before = vault.seal_card(SHOP, ORDER, &pan(), at(0)).await.unwrap();
    let target = vault.begin_rotation(SHOP, at(1)).await.unwrap();
    let Reseal::Sealed(after) = vault.reseal(&card(), before.as_bytes(), target).await.unwrap() else {
        panic!("an old key sealed it")
    };
    let after = SealedCard::from_bytes(after);
    assert_eq!((key_of(&before), key_of(&after)), (DataKeyId(1), target));
    assert_eq!(vault.open_card(SHOP, ORDER, &after).await.unwrap().pan, pan());
    assert_eq!(vault.reseal(&card(), after.as_bytes(), target).await.unwrap(), Reseal::Done);

    let next_month = vault.seal_card(SHOP, ORDER, &pan(), at(20 * 86_400_000)).await.unwrap();
    assert!(key_of(&next_month) > target);
    assert_eq!(vault.reseal(&card(), next_month.as_bytes(), target).await.unwrap(), Reseal::Done);
}

#[tokio::test]
async fn a_secret_is_sealed_anew_under_its_label_and_never_under_another_ones_key() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let place = SealedPlace::Secret { label: "credentials of A".to_owned() };
    let before = vault.seal_secret("credentials of A", b"PASS", at(0)).await.unwrap();
    vault.seal_card(SHOP, ORDER, &pan(), at(0)).await.unwrap();
    let target = vault.begin_rotation(MerchantId(0), at(1)).await.unwrap();
    let Reseal::Sealed(after) = vault.reseal(&place, &before, target).await.unwrap() else { panic!("it is old") };
    assert_eq!(vault.open_secret("credentials of A", &after).await.unwrap().as_slice(), b"PASS");
    let shop = vault.begin_rotation(SHOP, at(2)).await.unwrap();
    let foreign = vault.reseal(&place, &after, shop).await.unwrap_err();
    assert!(matches!(foreign, VaultError::NotAuthentic { .. }), "{foreign}");
}

#[tokio::test]
async fn sealed_bytes_that_were_changed_are_not_sealed_anew() {
    let installation = Installation::new();
    let vault = installation.node().await;
    let sealed = vault.seal_card(SHOP, ORDER, &pan(), at(0)).await.unwrap();
    let target = vault.begin_rotation(SHOP, at(1)).await.unwrap();
    for place in 9..sealed.as_bytes().len() {
        let mut changed = sealed.as_bytes().to_vec();
        changed[place] ^= 1;
        let refused = vault.reseal(&card(), &changed, target).await.unwrap_err();
        assert!(matches!(refused, VaultError::NotAuthentic { .. }), "byte {place}: {refused}");
    }
    let elsewhere = SealedPlace::Card { merchant: SHOP, fort_id: FortId(ORDER.0 + 1) };
    assert!(vault.reseal(&elsewhere, sealed.as_bytes(), target).await.is_err());
}

#[tokio::test]
async fn a_rotation_that_is_under_way_is_not_begun_again_and_after_its_end_another_is() {
    let installation = Installation::new();
    let vault = installation.node().await;
    vault.seal_card(SHOP, ORDER, &pan(), at(0)).await.unwrap();
    let target = vault.begin_rotation(SHOP, at(1)).await.unwrap();
    assert_eq!(installation.node().await.begin_rotation(SHOP, at(2)).await.unwrap(), target, "after a restart too");
    assert_eq!(vault.rotations_under_way().await.unwrap()[0].id, target);
    vault.finish_rotation(target).await.unwrap();
    assert!(vault.rotations_under_way().await.unwrap().is_empty());
    let next = vault.begin_rotation(SHOP, at(3)).await.unwrap();
    assert!(next > target);
    assert_eq!(key_of(&vault.seal_card(SHOP, ORDER, &pan(), at(4)).await.unwrap()), next);
}

#[tokio::test]
async fn a_new_kek_wraps_every_data_key_and_a_running_process_goes_on_when_the_old_one_is_retired() {
    let installation = Installation::new();
    let running = installation.node().await;
    let sealed = running.seal_card(SHOP, ORDER, &pan(), at(0)).await.unwrap();
    running.seal_secret("label", b"PASS", at(0)).await.unwrap();

    let provider = installation.provider();
    assert_eq!(provider.add_version(1).unwrap(), 2);
    assert_eq!(running.rewrap_left().await.unwrap(), 2);
    let in_use = provider.retire_version(2).unwrap_err();
    assert!(matches!(in_use, VaultError::KekInUse { version: 2 }), "{in_use}");
    assert_eq!(installation.node().await.rewrap().await.unwrap(), 2, "by another process");
    assert_eq!(running.rewrap_left().await.unwrap(), 0);
    assert!(installation.store.data_keys().await.unwrap().iter().all(|row| row.kek_version == 2));

    provider.retire_version(1).unwrap();
    let states: Vec<_> = provider.keks().unwrap().iter().map(|file| (file.version, file.state)).collect();
    assert_eq!(states, [(1, KekState::Retired), (2, KekState::Live)]);
    for node in [&running, &installation.node().await] {
        assert_eq!(node.open_card(SHOP, ORDER, &sealed).await.unwrap().pan, pan());
    }
    let next_month = running.seal_card(SHOP, ORDER, &pan(), at(20 * 86_400_000)).await.unwrap();
    assert_eq!(running.open_card(SHOP, ORDER, &next_month).await.unwrap().pan, pan());
    assert!(installation.store.data_keys().await.unwrap().iter().all(|row| row.kek_version == 2), "made under it");
    assert_eq!(provider.add_version(0).unwrap(), 3, "a retired version's number is not used again");
    assert_eq!(provider.add_version(9).unwrap(), 10, "nor one that the store knows of");
}

#[tokio::test]
async fn a_process_that_never_used_a_key_learns_that_it_was_rewrapped_and_its_kek_retired() {
    let installation = Installation::new();
    let first = installation.node().await;
    let october = first.seal_card(SHOP, ORDER, &pan(), Timestamp::parse_date("2026-10-20").unwrap()).await.unwrap();
    first.seal_card(SHOP, ORDER, &pan(), at(0)).await.unwrap();
    installation.provider().add_version(0).unwrap();
    first.rewrap().await.unwrap();
    // Knows all keys by their wrapping under version 2, and has unwrapped one of them to prove the KEK.
    let second = installation.node().await;
    let provider = installation.provider();
    provider.add_version(0).unwrap();
    first.rewrap().await.unwrap();
    provider.retire_version(1).unwrap();
    provider.retire_version(2).unwrap();
    assert_eq!(second.open_card(SHOP, ORDER, &october).await.unwrap().pan, pan());
}

#[tokio::test]
async fn nothing_is_wrapped_under_a_key_whose_file_is_gone() {
    let installation = Installation::new();
    let vault = installation.node().await;
    std::fs::remove_file(installation.keys().join("kek-1.key")).unwrap();
    let refused = vault.seal_card(SHOP, ORDER, &pan(), at(0)).await.unwrap_err();
    assert!(matches!(refused, VaultError::KeyFolderEmpty { .. }), "{refused}");
    assert!(installation.store.data_keys().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_sample_key_put_into_the_folder_later_is_refused_by_value() {
    let installation = Installation::new();
    let vault = installation.node().await;
    for (key, name) in [
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "zeros"),
        ("YD3rEBXKcb4rc67whX13gR81LAc7YQjXLZgQowkU3/Q=", "NIST"),
    ] {
        let file = installation.keys().join("kek-2.key");
        std::fs::write(&file, format!("tollgate-kek aes-256-gcm 2\n{key}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, mode).unwrap();
        assert!(matches!(vault.rewrap().await.unwrap_err(), VaultError::KeyFile { .. }), "{name}");
        assert!(vault.seal_card(SHOP, ORDER, &pan(), at(0)).await.is_err(), "{name}");
    }
}
