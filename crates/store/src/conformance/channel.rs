//! Keys and nonces of the encrypted trusted channel.

use super::Subject;
use crate::{ChannelKeyOccasion, ChannelKeyRecord, NonceUse};
use tollgate_core::time::Timestamp;

fn key(kid: &str, created_at: i64) -> ChannelKeyRecord {
    ChannelKeyRecord {
        kid: kid.to_owned(),
        algorithm: "ECDH-ES+A256KW".to_owned(),
        public: "{}".to_owned(),
        sealed: vec![1, 2, 3],
        created_at: Timestamp(created_at),
        accepted_until: None,
    }
}

/// The first keys are made once, whoever tries besides.
pub async fn the_first_channel_keys_are_made_once(subject: &dyn Subject) {
    let store = subject.open().await;
    assert!(store.channel_keys().await.unwrap().is_empty());
    assert!(store.add_channel_keys(vec![key("a", 1), key("b", 1)], ChannelKeyOccasion::First).await.unwrap());
    assert!(!store.add_channel_keys(vec![key("c", 2)], ChannelKeyOccasion::First).await.unwrap());
    drop(store);
    assert_eq!(subject.open().await.channel_keys().await.unwrap(), [key("a", 1), key("b", 1)]);
}

/// A rotation ends the publication of the old keys, and never makes one live longer.
pub async fn a_rotation_leaves_old_channel_keys_a_time_that_only_shrinks(subject: &dyn Subject) {
    let store = subject.open().await;
    let rotation = |until| ChannelKeyOccasion::Rotation { others_accepted_until: Timestamp(until) };
    let ends = |keys: Vec<ChannelKeyRecord>| {
        keys.into_iter().map(|key| (key.kid, key.accepted_until.map(|until| until.0))).collect::<Vec<_>>()
    };
    store.add_channel_keys(vec![key("a", 1)], rotation(50)).await.unwrap();
    store.add_channel_keys(vec![key("b", 2)], rotation(100)).await.unwrap();
    store.add_channel_keys(vec![key("c", 3)], rotation(200)).await.unwrap();
    let expected = [("c".to_owned(), None), ("b".to_owned(), Some(200)), ("a".to_owned(), Some(100))];
    assert_eq!(ends(store.channel_keys().await.unwrap()), expected);
    store.add_channel_keys(vec![key("d", 4)], rotation(150)).await.unwrap();
    let expected =
        [("d".to_owned(), None), ("c".to_owned(), Some(150)), ("b".to_owned(), Some(150)), ("a".to_owned(), Some(100))];
    assert_eq!(ends(store.channel_keys().await.unwrap()), expected);
}

/// A nonce is used once, by whichever of many callers, and after a restart it is still used up.
pub async fn one_of_many_users_of_a_nonce_wins(subject: &dyn Subject) {
    let store = subject.open().await;
    let nonce = NonceUse { digest: [7; 32], now: Timestamp(10), expires_at: Timestamp(20) };
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let store = std::sync::Arc::clone(&store);
        tasks.push(tokio::spawn(async move { store.use_nonce(nonce).await.unwrap() }));
    }
    let mut won = 0;
    for task in tasks {
        won += usize::from(task.await.unwrap());
    }
    assert_eq!(won, 1);
    drop(store);
    let store = subject.open().await;
    assert!(!store.use_nonce(nonce).await.unwrap());
    assert!(store.use_nonce(NonceUse { digest: [8; 32], ..nonce }).await.unwrap(), "another one is free");
    // From its end on it is forgotten, so that nonces do not pile up.
    let later = NonceUse { now: Timestamp(21), expires_at: Timestamp(31), ..nonce };
    assert!(store.use_nonce(later).await.unwrap());
}
