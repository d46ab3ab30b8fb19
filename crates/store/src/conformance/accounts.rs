//! Rules of accounts, data keys and refusals.

use super::Subject;
use super::chance::Chance;
use super::fixtures::*;
use crate::{MerchantRecord, MerchantSave, REFUSALS_KEPT_MAX, RefusalRow, Store, WrappedDataKey};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::code::{ResponseCode, refused};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::order::PayKind;
use tollgate_core::page_face::Logo;
use tollgate_core::refusal::Guilty;
use tollgate_vault::{DataKeyId, NewDataKey, RotationState};

/// The store gives id and version; a saved account replaces the one with the version that was read.
pub async fn a_merchant_is_added_and_saved_by_version(subject: &dyn Subject) {
    let store = subject.open().await;
    assert!(store.merchants().await.unwrap().is_empty());
    let first = added(&*store, account("one")).await;
    let mut second = account("two");
    second.access_codes = ["z", "a", "m"].map(str::to_owned).to_vec();
    let second = added(&*store, second).await;
    assert!(first.id.0 >= 1 && second.id != first.id, "merchant 0 is the gateway itself");
    assert_eq!(store.merchants().await.unwrap(), [first.clone(), second.clone()]);

    let mut changed = first.clone();
    changed.name = "uno".to_owned();
    changed.active = false;
    changed.access_codes = vec!["code3".to_owned(), "codeone".to_owned()];
    changed.sealed_credentials = vec![9; 300];
    changed.terms.currencies.truncate(1);
    assert_eq!(store.save_merchant(changed.clone(), String::new()).await.unwrap(), MerchantSave::Saved(first.id));
    changed.version = 2;
    assert_eq!(store.merchants().await.unwrap(), [changed.clone(), second.clone()]);
    assert_eq!(store.save_merchant(first, String::new()).await.unwrap(), MerchantSave::Changed, "version 1 is gone");
    let missing = MerchantRecord { id: MerchantId(99), version: 1, ..account("three") };
    assert_eq!(store.save_merchant(missing, String::new()).await.unwrap(), MerchantSave::Changed);
    assert_eq!(store.merchants().await.unwrap(), [changed, second]);
}

/// A merchant's logo is kept as it is, replaced and removed; nobody else has it, and the account stays as it was.
pub async fn a_logo_belongs_to_its_merchant_and_is_replaced_as_a_whole(subject: &dyn Subject) {
    let store = subject.open().await;
    let one = added(&*store, account("one")).await;
    let two = added(&*store, account("two")).await;
    let generation = store.merchants_generation().await.unwrap();
    let picture = |width: u8| {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend_from_slice(&[0, 0, 0, width, 0, 0, 0, 40]);
        Logo::read(bytes).unwrap()
    };
    assert_eq!(store.merchant_logo(one.id).await.unwrap(), None);
    for width in [120, 60] {
        let saved = store.set_merchant_logo(one.id, Some(picture(width))).await.unwrap();
        assert_eq!(saved, MerchantSave::Saved(one.id));
        assert_eq!(subject.open().await.merchant_logo(one.id).await.unwrap(), Some(picture(width)));
    }
    assert_eq!(store.merchant_logo(two.id).await.unwrap(), None);
    assert_eq!(store.set_merchant_logo(MerchantId(99), Some(picture(60))).await.unwrap(), MerchantSave::Changed);
    assert_eq!(store.set_merchant_logo(one.id, None).await.unwrap(), MerchantSave::Saved(one.id));
    assert_eq!(store.merchant_logo(one.id).await.unwrap(), None);
    assert_eq!(store.merchants().await.unwrap(), [one, two]);
    assert_eq!(store.merchants_generation().await.unwrap(), generation);
}

/// A name, an identifier or an access code of another merchant is told, and nothing is written.
pub async fn names_identifiers_and_access_codes_are_unique(subject: &dyn Subject) {
    let store = subject.open().await;
    let one = added(&*store, account("one")).await;
    let two = added(&*store, account("two")).await;
    let same_name = MerchantRecord { name: "one".to_owned(), ..account("x") };
    let same_identifier = MerchantRecord { merchant_identifier: "idone".to_owned(), ..account("x") };
    let same_code = MerchantRecord { access_codes: vec!["new".to_owned(), "codeone".to_owned()], ..account("x") };
    let wrong = [
        (same_name, MerchantSave::NameTaken),
        (same_identifier, MerchantSave::IdentifierTaken),
        (same_code, MerchantSave::AccessCodeTaken("codeone".to_owned())),
    ];
    let generation = store.merchants_generation().await.unwrap();
    for (record, answer) in wrong {
        assert_eq!(store.add_merchant(record.clone()).await.unwrap(), answer);
        let record = MerchantRecord { id: two.id, version: two.version, ..record };
        assert_eq!(store.save_merchant(record, String::new()).await.unwrap(), answer);
    }
    assert_eq!(store.merchants().await.unwrap(), [one, two]);
    assert_eq!(store.merchants_generation().await.unwrap(), generation);
}

/// Every added or saved account makes the generation larger, also over a second store on the same
/// database.
pub async fn the_generation_grows_with_every_saved_account(subject: &dyn Subject) {
    let store = subject.open().await;
    let other = subject.open().await;
    let mut last = store.merchants_generation().await.unwrap();
    let mut account = added(&*store, account("one")).await;
    for round in 0..6 {
        let generation = store.merchants_generation().await.unwrap();
        assert!(generation > last, "round {round}");
        assert_eq!(other.merchants_generation().await.unwrap(), generation, "round {round}");
        last = generation;
        let writer = if round % 2 == 0 { &other } else { &store };
        assert_eq!(
            writer.save_merchant(account.clone(), String::new()).await.unwrap(),
            MerchantSave::Saved(account.id)
        );
        account.version += 1;
    }
    store.claim_order(new_order(1, "order-1", PayKind::Purchase)).await.unwrap();
    let generation = store.merchants_generation().await.unwrap();
    store.claim_order(new_order(2, "order-2", PayKind::Purchase)).await.unwrap();
    assert_eq!(store.merchants_generation().await.unwrap(), generation, "an order is no change of an account");
}

/// Of many who save the same version, one does.
pub async fn one_of_many_savers_of_a_version_wins(subject: &dyn Subject) {
    let store = subject.open().await;
    let account = added(&*store, account("one")).await;
    let savers = (0..16_u8).map(|saver| {
        let store = Arc::clone(&store);
        let record = MerchantRecord { sealed_credentials: vec![saver; 20], ..account.clone() };
        tokio::spawn(async move { store.save_merchant(record, String::new()).await.unwrap() })
    });
    let answers: Vec<MerchantSave> = join_all(savers).await.into_iter().map(Result::unwrap).collect();
    let saved = answers.iter().filter(|answer| matches!(answer, MerchantSave::Saved(_))).count();
    assert_eq!(saved, 1, "{answers:?}");
    assert_eq!(store.merchants().await.unwrap()[0].version, 2);
}

/// Of many who add the key of one merchant and period, all go on with the same key.
pub async fn a_merchant_and_period_has_one_data_key(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = |merchant, period, byte| NewDataKey {
        merchant: MerchantId(merchant),
        period,
        generation: 1,
        rotation: RotationState::None,
        kek_version: 3,
        wrapped: vec![byte; 60],
        created_at: at(i64::from(byte)),
    };
    let adders = (0..16_u8).map(|byte| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.add_data_key(new(1, 202_611, byte)).await.unwrap() })
    });
    let kept: Vec<WrappedDataKey> = join_all(adders).await.into_iter().map(Result::unwrap).collect();
    assert!(kept.iter().all(|key| *key == kept[0]), "{kept:?}");
    let mut expected = vec![kept[0].clone()];
    for (merchant, period) in [(1, 202_612), (2, 202_611), (0, 202_611)] {
        let key = store.add_data_key(new(merchant, period, 77)).await.unwrap();
        assert_eq!(key, new(merchant, period, 77).with_id(key.id));
        expected.push(key);
    }
    let mut keys = store.data_keys().await.unwrap();
    keys.sort_by_key(|key| key.id);
    assert_eq!(keys, expected, "each with an id of its own");
    drop(store);
    let mut again = subject.open().await.data_keys().await.unwrap();
    again.sort_by_key(|key| key.id);
    assert_eq!(again, expected);
    assert!(expected.iter().all(|key| key.id != DataKeyId(0)));
}

/// A refusal is found by its reference, and by the reference of the order it named; a story has
/// those of its own merchant.
pub async fn refusals_are_found_by_reference_and_by_order(subject: &dyn Subject) {
    let store = subject.open().await;
    let order = claimed(&*store, new_order(1, "order-1", PayKind::Purchase)).await.order;
    let mut chance = Chance::new(11);
    let mut row = |seconds: i64, merchant, reference: Option<&str>, fort_id: Option<FortId>| RefusalRow {
        at: at(seconds),
        merchant: MerchantId(merchant),
        merchant_reference: reference.map(str::to_owned),
        fort_id,
        command: chance.text(30),
        code: ResponseCode::from_number(u32::try_from(chance.below(100_000)).unwrap()).unwrap(),
        guilty: *chance.pick(&[
            Guilty::MerchantRequest,
            Guilty::MerchantConfiguration,
            Guilty::Cardholder,
            Guilty::Issuer,
            Guilty::AcquirerLink,
            Guilty::Us,
        ]),
        parameter: chance.maybe_text(20),
        detail: chance.text(200),
        request: chance.params(),
    };
    let rows = [
        row(1, 1, Some("order-1"), None),
        row(2, 1, None, Some(order.fort_id)),
        row(3, 2, Some("order-1"), None),
        row(4, 1, Some("order-2"), None),
        row(5, 1, Some("order-1"), Some(order.fort_id)),
        row(6, 1, None, None),
    ];
    for row in &rows {
        noted(&*store, row).await;
    }
    // The writer is in order: what was noted before a write is there after it.
    claimed(&*store, new_order(2, "fence", PayKind::Purchase)).await;
    let expected = [&rows[0], &rows[1], &rows[2], &rows[4]].map(Clone::clone);
    assert_eq!(store.refusals_by_reference("order-1", 10).await.unwrap(), expected);
    assert_eq!(store.refusals_by_reference("order-1", 2).await.unwrap(), expected[..2]);
    assert_eq!(store.refusals_by_reference("order-2", 10).await.unwrap(), rows[3..4]);
    assert!(store.refusals_by_reference("order", 10).await.unwrap().is_empty());
    let story = store.story(order.fort_id).await.unwrap().unwrap();
    assert_eq!(story.refusals, [&rows[0], &rows[1], &rows[4]].map(Clone::clone));
}

/// At most [`REFUSALS_KEPT_MAX`] refusals are kept.
pub async fn refusals_are_bounded_and_the_oldest_go(subject: &dyn Subject) {
    let store = subject.open().await;
    let over = 25;
    for number in 0..i64::from(REFUSALS_KEPT_MAX) + over {
        let row = RefusalRow {
            at: at(number),
            merchant: MERCHANT,
            merchant_reference: Some("order-1".to_owned()),
            fort_id: None,
            command: "PURCHASE".to_owned(),
            code: refused::INVALID_AMOUNT,
            guilty: Guilty::MerchantRequest,
            parameter: Some("amount".to_owned()),
            detail: "zero".to_owned(),
            request: tollgate_core::command::SafeParams::default(),
        };
        noted(&*store, &row).await;
    }
    claimed(&*store, new_order(2, "fence", PayKind::Purchase)).await;
    let kept = store.refusals_by_reference("order-1", usize::MAX).await.unwrap();
    assert_eq!(kept.len(), usize::try_from(REFUSALS_KEPT_MAX).unwrap());
    assert_eq!(kept[0].at, at(over), "the oldest went");
    assert_eq!(kept[kept.len() - 1].at, at(i64::from(REFUSALS_KEPT_MAX) + over - 1));
}

/// Notes a refusal, waiting behind a write whenever the store has too much to do.
async fn noted(store: &dyn Store, row: &RefusalRow) {
    for _ in 0..1_000 {
        if store.note_refusal(row.clone()) {
            return;
        }
        // Another write is answered only when those before it are done.
        begin_attempt(store, tollgate_core::ident::OperationId(0), 0, START).await.unwrap();
    }
    panic!("the store never took the refusal");
}

async fn added(store: &dyn Store, record: MerchantRecord) -> MerchantRecord {
    match store.add_merchant(record.clone()).await.unwrap() {
        MerchantSave::Saved(id) => MerchantRecord { id, version: 1, ..record },
        other => panic!("{other:?}"),
    }
}
