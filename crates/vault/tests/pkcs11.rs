//! Key-encryption keys in a PKCS#11 token: they never leave it, and what they wrap opens nowhere else.
//!
//! SoftHSM reads where its tokens are from an environment variable, once per process: each test starts a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/soft_token.rs"]
mod soft_token;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use soft_token::MODULE;
use std::path::PathBuf;
use std::process::Command;
use tollgate_core::secret::Secret;
use tollgate_vault::{
    DataKeyBytes, KekCustody, KekState, KeyProvider, Pkcs11KeyProvider, Pkcs11Settings, Pkcs11Token, StoredDataKeys,
    VaultError, WrappedKey,
};

const TOKEN: &str = "vault test";
const PIN: &str = "73195862";

#[test]
fn a_data_key_comes_back_in_its_context_only_and_the_kek_never_comes_out() {
    in_a_process_of_its_own("child_wraps_and_unwraps");
}

#[test]
fn versions_are_made_retired_and_brought_back() {
    in_a_process_of_its_own("child_rotates");
}

#[test]
fn sessions_that_broke_are_opened_again_and_many_threads_share_them() {
    in_a_process_of_its_own("child_loses_its_sessions");
}

#[test]
fn a_wrong_pin_token_or_module_is_told_and_the_pin_is_not() {
    in_a_process_of_its_own("child_is_refused");
}

#[test]
#[ignore = "the child process of a test above, which gives it a token"]
fn child_wraps_and_unwraps() {
    let provider = provider(StoredDataKeys::NoneYet);
    let plain = DataKeyBytes::random().unwrap();
    let wrapped = provider.wrap(&plain, b"context").unwrap();
    assert_eq!(wrapped.kek_version, 1);
    assert_eq!(provider.unwrap(&wrapped, b"context").unwrap().reveal(), plain.reveal());
    assert!(wrapped.bytes.windows(8).all(|part| !plain.reveal().windows(8).any(|key| key == part)));
    assert_ne!(provider.wrap(&plain, b"context").unwrap(), wrapped, "another nonce");
    for (changed, context) in
        [(None, b"another".as_slice()), (Some(0), b"context"), (Some(5), b"context"), (Some(30), b"context")]
    {
        let mut other = wrapped.clone();
        if let Some(place) = changed {
            other.bytes[place] ^= 1;
        }
        let refused = provider.unwrap(&other, context).unwrap_err();
        assert!(matches!(refused, VaultError::Unwrap { version: 1, .. }), "{changed:?}: {refused}");
    }
    let missing = provider.unwrap(&WrappedKey { kek_version: 9, ..wrapped.clone() }, b"context").unwrap_err();
    assert!(matches!(missing, VaultError::KekMissing { version: 9, .. }), "{missing}");
    let again = self::provider(StoredDataKeys::Present);
    assert_eq!(again.unwrap(&wrapped, b"context").unwrap().reveal(), plain.reveal(), "the key stays in the token");

    let module = Pkcs11::new(MODULE).unwrap();
    let slot = slot(&module);
    let session = module.open_ro_session(slot).unwrap();
    let keys = session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).unwrap();
    assert_eq!(keys.len(), 1, "one key was made, and no data key was left behind");
    let told = session.get_attributes(keys[0], &[AttributeType::Value]).unwrap();
    // SoftHSM answers an empty value instead of an error.
    assert!(
        told.iter().all(|attribute| matches!(attribute, Attribute::Value(value) if value.is_empty())),
        "it came out"
    );
}

#[test]
#[ignore = "the child process of a test above, which gives it a token"]
fn child_rotates() {
    let (provider, other) = (provider(StoredDataKeys::NoneYet), provider(StoredDataKeys::Present));
    let plain = DataKeyBytes::random().unwrap();
    let first = provider.wrap(&plain, b"").unwrap();
    assert_eq!(provider.add_version(1).unwrap(), 2);
    let second = other.wrap(&plain, b"").unwrap();
    assert_eq!(second.kek_version, 2, "another user of the token sees it at once");
    for wrapped in [&first, &second] {
        assert_eq!(other.unwrap(wrapped, b"").unwrap().reveal(), plain.reveal());
    }
    assert!(matches!(provider.retire_version(2).unwrap_err(), VaultError::KekInUse { version: 2 }));
    provider.retire_version(1).unwrap();
    assert!(matches!(other.unwrap(&first, b"").unwrap_err(), VaultError::KekMissing { version: 1, .. }));
    let states: Vec<_> = provider.keks().unwrap().iter().map(|kek| (kek.version, kek.state)).collect();
    assert_eq!(states, [(1, KekState::Retired), (2, KekState::Live)]);
    provider.revive_version(1).unwrap();
    assert_eq!(other.unwrap(&first, b"").unwrap().reveal(), plain.reveal());
    assert_eq!(provider.add_version(7).unwrap(), 8, "above what the store knows");
}

#[test]
#[ignore = "the child process of a test above, which gives it a token"]
fn child_loses_its_sessions() {
    let provider = provider(StoredDataKeys::NoneYet);
    let plain = DataKeyBytes::random().unwrap();
    let wrapped = provider.wrap(&plain, b"").unwrap();
    for _ in 0..3 {
        let module = Pkcs11::new(MODULE).unwrap();
        // Logs every session of the process out; keys are invisible then.
        module.open_ro_session(slot(&module)).unwrap().logout().unwrap();
        assert_eq!(provider.unwrap(&wrapped, b"").unwrap().reveal(), plain.reveal(), "logged out");
        // Ends every session of the process.
        module.finalize().unwrap();
        slot(&Pkcs11::new(MODULE).unwrap());
        assert_eq!(provider.unwrap(&wrapped, b"").unwrap().reveal(), plain.reveal(), "sessions are gone");
    }
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let again = provider.wrap(&plain, b"x").unwrap();
                    assert_eq!(provider.unwrap(&again, b"x").unwrap().reveal(), plain.reveal());
                }
            });
        }
    });
}

#[test]
#[ignore = "the child process of a test above, which gives it a token"]
fn child_is_refused() {
    let lost = Pkcs11KeyProvider::create_or_open(settings(), StoredDataKeys::Present).unwrap_err();
    assert!(matches!(lost, VaultError::KekMissing { .. }), "the store has keys, the token none: {lost}");
    let wrong_pin = Pkcs11Settings { pin: Secret::new("11112222"), ..settings() };
    let wrong_token = Pkcs11Settings { token: Pkcs11Token::Label("nowhere".to_owned()), ..settings() };
    let wrong_module = Pkcs11Settings { module: PathBuf::from("/nowhere/module.so"), ..settings() };
    // A key that could be read out is no key of ours, whatever its label says.
    let module = Pkcs11::new(MODULE).unwrap();
    let session = module.open_rw_session(slot(&module)).unwrap();
    session.login(UserType::User, Some(&AuthPin::new(PIN.into()))).unwrap_or_default();
    let readable = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(cryptoki::object::KeyType::AES),
        Attribute::Label(b"readable-1".to_vec()),
        Attribute::Token(true),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
        Attribute::Value(vec![7; 32]),
    ];
    session.create_object(&readable).unwrap();
    let label = Pkcs11Settings { key_label: "readable".to_owned(), ..settings() };
    let provider = Pkcs11KeyProvider::create_or_open(label, StoredDataKeys::Present).unwrap();
    let refused = provider.wrap(&DataKeyBytes::random().unwrap(), b"").unwrap_err();
    assert!(refused.to_string().contains("could be read out of the token"), "{refused}");
    // The token is logged in to per process, so the wrong PIN needs a process that is not.
    session.logout().unwrap();
    drop(session);
    for (settings, word) in [(wrong_pin, "PIN"), (wrong_token, "nowhere"), (wrong_module, "load the module")] {
        let refused = Pkcs11KeyProvider::create_or_open(settings, StoredDataKeys::NoneYet).unwrap_err();
        let said = format!("{refused} {refused:?}");
        assert!(said.contains(word) && !said.contains("11112222"), "{said}");
    }
}

fn settings() -> Pkcs11Settings {
    Pkcs11Settings {
        module: PathBuf::from(MODULE),
        token: Pkcs11Token::Label(TOKEN.to_owned()),
        pin: Secret::new(PIN),
        key_label: "test-kek".to_owned(),
        call_ms_max: 60_000,
    }
}

fn provider(stored: StoredDataKeys) -> Pkcs11KeyProvider {
    Pkcs11KeyProvider::create_or_open(settings(), stored).unwrap()
}

fn slot(module: &Pkcs11) -> cryptoki::slot::Slot {
    // Already initialized, where a provider was made before.
    let _ = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    let slots = module.get_slots_with_token().unwrap();
    slots.into_iter().find(|slot| module.get_token_info(*slot).unwrap().label() == TOKEN).unwrap()
}

fn in_a_process_of_its_own(child: &str) {
    let folder = tempfile::tempdir().unwrap();
    let config = soft_token::make(folder.path(), TOKEN, PIN);
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env("SOFTHSM2_CONF", config)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(said.contains("1 passed"), "{said}");
}
