//! Rules of data keys and of what they have sealed.

use super::Subject;
use super::fixtures::*;
use crate::{
    ChannelKeyOccasion, ChannelKeyRecord, MerchantSave, ReplacedSealed, SealedColumn, SealedOwner, SealedRow, Store,
};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::ident::MerchantId;
use tollgate_core::order::PayKind;
use tollgate_core::time::Timestamp;
use tollgate_vault::{DataKeyId, NewDataKey, RewrappedDataKey, RotationState, SealedCard};

/// A month may have several keys, one for each generation; of many who add the same one, all go on with one.
pub async fn a_generation_of_a_month_has_one_data_key(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = store.add_data_key(key(1, 1, RotationState::None)).await.unwrap();
    let adders = (0..16_u8).map(|byte| {
        let store = Arc::clone(&store);
        let new = NewDataKey { wrapped: vec![byte; 60], ..key(1, 2, RotationState::UnderWay) };
        tokio::spawn(async move { store.add_data_key(new).await.unwrap() })
    });
    let kept: Vec<_> = join_all(adders).await.into_iter().map(Result::unwrap).collect();
    assert!(kept.iter().all(|row| *row == kept[0]), "{kept:?}");
    assert_eq!((kept[0].generation, kept[0].rotation), (2, RotationState::UnderWay));
    assert!(kept[0].id > first.id, "ids grow");
    assert_eq!(sorted_keys(&*subject.open().await).await, [first, kept[0].clone()]);
}

/// The number that says whether keys have changed grows with each change, also over a second store, and
/// with nothing else.
pub async fn the_generation_of_data_keys_grows_with_every_change(subject: &dyn Subject) {
    let (store, other) = (subject.open().await, subject.open().await);
    let mut last = store.data_keys_generation().await.unwrap();
    let row = store.add_data_key(key(1, 1, RotationState::UnderWay)).await.unwrap();
    let mut grew = async |what: &str| {
        let now = other.data_keys_generation().await.unwrap();
        assert!(now > last, "{what}");
        last = now;
    };
    grew("a key was added").await;
    assert_eq!(store.rewrap_data_keys(vec![rewrapped(row.id, 3, 4)]).await.unwrap(), 1);
    grew("a key was wrapped anew").await;
    store.finish_rotation(row.id).await.unwrap();
    grew("a rotation was finished").await;
    assert_eq!(sorted_keys(&*store).await[0].rotation, RotationState::Finished);

    store.add_data_key(key(1, 1, RotationState::None)).await.unwrap();
    assert_eq!(store.rewrap_data_keys(vec![rewrapped(row.id, 3, 5)]).await.unwrap(), 0);
    claimed(&*store, new_order(1, "order-1", PayKind::Purchase)).await;
    assert_eq!(other.data_keys_generation().await.unwrap(), last, "no key has changed");
}

/// A key is wrapped anew only when its version is still the one that was read.
pub async fn a_data_key_is_rewrapped_on_the_version_that_was_read(subject: &dyn Subject) {
    let store = subject.open().await;
    let one = store.add_data_key(key(1, 1, RotationState::None)).await.unwrap();
    let two = store.add_data_key(key(2, 1, RotationState::None)).await.unwrap();
    let rewraps = vec![rewrapped(one.id, 3, 4), rewrapped(two.id, 2, 4), rewrapped(DataKeyId(99), 3, 4)];
    assert_eq!(store.rewrap_data_keys(rewraps).await.unwrap(), 1);
    drop(store);
    let keys = sorted_keys(&*subject.open().await).await;
    assert_eq!((keys[0].kek_version, &keys[0].wrapped), (4, &vec![4; 61]));
    assert_eq!(keys[1], two, "another version wraps it");
}

/// Every sealed row comes once and in order, however many are read at a time, with what it belongs to.
pub async fn sealed_rows_are_walked_to_the_last(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut expected = Vec::new();
    for number in 1..=7_u8 {
        let mut new = new_order(i64::from(number), &format!("order-{number}"), PayKind::Purchase);
        new.card = SealedCard::from_bytes(vec![number; 40]);
        let order = claimed(&*store, new).await.order;
        let owner = SealedOwner::Order { merchant: order.merchant, fort_id: order.fort_id };
        expected.push(SealedRow { number: order.fort_id.0, owner, sealed: vec![number; 40] });
    }
    expected.sort_by_key(|row| row.number);
    for rows_max in [1, 3, 7, 100] {
        assert_eq!(walked(&*store, SealedColumn::OrderCard, rows_max).await, expected, "{rows_max} at a time");
    }

    assert!(walked(&*store, SealedColumn::MerchantCredentials, 2).await.is_empty());
    let mut expected = Vec::new();
    for name in ["one", "two", "three"] {
        let MerchantSave::Saved(id) = store.add_merchant(account(name)).await.unwrap() else { panic!("{name}") };
        let owner = SealedOwner::Merchant { identifier: format!("id{name}") };
        expected.push(SealedRow { number: id.0, owner, sealed: account(name).sealed_credentials });
    }
    assert_eq!(walked(&*store, SealedColumn::MerchantCredentials, 2).await, expected);

    let key = |kid: &str, byte: u8| ChannelKeyRecord {
        kid: kid.to_owned(),
        algorithm: "RSA-OAEP-256".to_owned(),
        public: "{}".to_owned(),
        sealed: vec![byte; 60],
        created_at: Timestamp(1),
        accepted_until: None,
    };
    assert!(store.add_channel_keys(vec![key("b", 1), key("a", 2)], ChannelKeyOccasion::First).await.unwrap());
    let walked_keys = walked(&*store, SealedColumn::ChannelKey, 1).await;
    let owners: Vec<_> = walked_keys.iter().map(|row| (row.owner.clone(), row.sealed.clone())).collect();
    let owner = |kid: &str| SealedOwner::ChannelKey { kid: kid.to_owned() };
    assert_eq!(owners, [(owner("b"), vec![1; 60]), (owner("a"), vec![2; 60])]);
    let row = ReplacedSealed { number: walked_keys[1].number, before: vec![2; 60], after: vec![3; 60] };
    assert_eq!(store.replace_sealed(SealedColumn::ChannelKey, vec![row]).await.unwrap(), 1);
    assert!(store.channel_keys().await.unwrap().contains(&key("a", 3)));
}

/// Sealed bytes are replaced only where they are still those that were read, and nothing else of the row is.
pub async fn sealed_bytes_are_replaced_on_what_was_read(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut numbers = Vec::new();
    for number in 1..=3_i64 {
        let order = claimed(&*store, new_order(number, &format!("order-{number}"), PayKind::Purchase)).await.order;
        numbers.push(order.fort_id.0);
    }
    let before = walked(&*store, SealedColumn::OrderCard, 10).await;
    let replace = |row: usize, before: &[u8], after: u8| ReplacedSealed {
        number: numbers[row],
        before: before.to_vec(),
        after: vec![after; 50],
    };
    let rows = vec![
        replace(0, &before[0].sealed, 10),
        replace(1, b"somebody else was first", 11),
        ReplacedSealed { number: 1, before: Vec::new(), after: vec![12; 50] },
    ];
    assert_eq!(store.replace_sealed(SealedColumn::OrderCard, rows).await.unwrap(), 1);
    let stored = walked(&*subject.open().await, SealedColumn::OrderCard, 10).await;
    let sealed: Vec<_> = stored.iter().map(|row| row.sealed.clone()).collect();
    assert_eq!(sealed, [vec![10; 50], before[1].sealed.clone(), before[2].sealed.clone()]);

    let MerchantSave::Saved(id) = store.add_merchant(account("one")).await.unwrap() else { panic!("added") };
    let account = store.merchants().await.unwrap().remove(0);
    let row = ReplacedSealed { number: id.0, before: account.sealed_credentials.clone(), after: vec![9; 9] };
    assert_eq!(store.replace_sealed(SealedColumn::MerchantCredentials, vec![row.clone()]).await.unwrap(), 1);
    assert_eq!(store.replace_sealed(SealedColumn::MerchantCredentials, vec![row]).await.unwrap(), 0);
    let after = store.merchants().await.unwrap().remove(0);
    assert_eq!(after, crate::MerchantRecord { sealed_credentials: vec![9; 9], ..account }, "the version too stays");
}

async fn walked(store: &dyn Store, column: SealedColumn, rows_max: usize) -> Vec<SealedRow> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let rows = store.sealed_rows(column, after, rows_max).await.unwrap();
        assert!(rows.len() <= rows_max);
        let Some(last) = rows.last() else { return all };
        after = Some(last.number);
        all.extend(rows);
    }
}

async fn sorted_keys(store: &dyn Store) -> Vec<crate::WrappedDataKey> {
    let mut keys = store.data_keys().await.unwrap();
    keys.sort_by_key(|row| row.id);
    keys
}

fn key(merchant: i64, generation: u32, rotation: RotationState) -> NewDataKey {
    NewDataKey {
        merchant: MerchantId(merchant),
        period: 202_611,
        generation,
        rotation,
        kek_version: 3,
        wrapped: vec![7; 61],
        created_at: at(1),
    }
}

fn rewrapped(id: DataKeyId, kek_version_before: u32, kek_version: u32) -> RewrappedDataKey {
    RewrappedDataKey { id, kek_version_before, kek_version, wrapped: vec![4; 61] }
}
