//! Cards under tokens open in their own place and nowhere else, and one card has one fingerprint per merchant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;
use tempfile::TempDir;
use tollgate_core::card::Pan;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::time::Timestamp;
use tollgate_core::token::TokenId;
use tollgate_vault::{
    DataKeys, FINGERPRINT_PERIOD, FileKeyProvider, MemoryDataKeys, Revealed, SealedCard, StoredDataKeys, Vault,
    VaultError,
};

const NUMBER: &str = "5123456789012346";
const SHOP: MerchantId = MerchantId(7);
const OTHER: MerchantId = MerchantId(8);
const TOKEN: TokenId = TokenId(179_518_080_000_000_007);

fn november() -> Timestamp {
    Timestamp::parse_date("2026-11-20").unwrap()
}

fn pan() -> Pan {
    Pan::parse(NUMBER).unwrap()
}

struct World {
    folder: TempDir,
    keys: Arc<MemoryDataKeys>,
}

impl World {
    fn new() -> World {
        let world = World { folder: TempDir::new().unwrap(), keys: Arc::new(MemoryDataKeys::new()) };
        FileKeyProvider::create_or_open(&world.folder.path().join("keys"), StoredDataKeys::NoneYet).unwrap();
        world
    }

    async fn vault(&self) -> Vault {
        let provider = FileKeyProvider::open(&self.folder.path().join("keys")).unwrap();
        Vault::open(Box::new(provider), Arc::clone(&self.keys) as Arc<dyn DataKeys>).await.unwrap()
    }
}

/// Rule: a card under a token is bound to its merchant and to its number, and is no order's.
#[tokio::test]
async fn a_card_under_a_token_opens_in_its_own_place_only() {
    let world = World::new();
    let vault = world.vault().await;
    let sealed = vault.seal_token_card(SHOP, TOKEN, &pan(), november()).await.unwrap();
    assert_eq!(vault.open_token_card(SHOP, TOKEN, &sealed).await.unwrap().pan, pan());
    let refused =
        |result: Result<Revealed, VaultError>| assert!(matches!(result, Err(VaultError::NotAuthentic { .. })));
    refused(vault.open_token_card(SHOP, TokenId(TOKEN.0 + 1), &sealed).await);
    refused(vault.open_token_card(OTHER, TOKEN, &sealed).await);
    refused(vault.open_card(SHOP, FortId(TOKEN.0), &sealed).await);
    let of_order = vault.seal_card(SHOP, FortId(TOKEN.0), &pan(), november()).await.unwrap();
    refused(vault.open_token_card(SHOP, TOKEN, &of_order).await);
    let mut changed = sealed.as_bytes().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    refused(vault.open_token_card(SHOP, TOKEN, &SealedCard::from_bytes(changed)).await);
}

/// Rule: one card has one fingerprint for one merchant, whatever was restarted in between, and another one for
/// every other merchant and in every other installation.
#[tokio::test]
async fn a_card_has_one_fingerprint_per_merchant_for_good() {
    let world = World::new();
    let vault = world.vault().await;
    let first = vault.fingerprint(SHOP, &pan(), november()).await.unwrap();
    assert_eq!(vault.fingerprint(SHOP, &pan(), november()).await.unwrap(), first);
    let restarted = world.vault().await;
    let years_later = Timestamp::parse_date("2031-01-01").unwrap();
    assert_eq!(restarted.fingerprint(SHOP, &pan(), years_later).await.unwrap(), first);
    let another_card = Pan::parse("4005550000000001").unwrap();
    let other_world = World::new();
    let elsewhere = other_world.vault().await;
    let all = [
        first,
        vault.fingerprint(SHOP, &another_card, november()).await.unwrap(),
        vault.fingerprint(OTHER, &pan(), november()).await.unwrap(),
        elsewhere.fingerprint(SHOP, &pan(), november()).await.unwrap(),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert!(!format!("{first:?}").contains(&hex::encode(first.as_bytes())));
}

/// Rule: two gateways that need a merchant's first fingerprint at once make one key between them.
#[tokio::test]
async fn two_gateways_share_one_fingerprint_key() {
    let world = World::new();
    let (one, other) = (world.vault().await, world.vault().await);
    let seen = one.fingerprint(SHOP, &pan(), november()).await.unwrap();
    assert_eq!(other.fingerprint(SHOP, &pan(), november()).await.unwrap(), seen);
    let keys = world.keys.data_keys().await.unwrap();
    let made: Vec<_> = keys.iter().map(|row| (row.merchant, row.period)).collect();
    assert_eq!(made, [(SHOP, FINGERPRINT_PERIOD)], "and a fingerprint needs no key that seals");
}
