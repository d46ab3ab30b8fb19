//! Whatever comes as encrypted card data is read or refused without a panic, and no key opens it; so is whatever is
//! inside one that opens.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tollgate_core::channel::DecryptedCard;
use tollgate_vault::{DecryptionKey, JWE_CHARS_MAX, Jwe, JweAlgorithm, NewKeyPair};

static KEYS: LazyLock<Vec<DecryptionKey>> = LazyLock::new(|| {
    // RSA is left out: it is slow, and what is parsed is the same.
    let pair = NewKeyPair::generate(JweAlgorithm::EcdhEsA256Kw).expect("a key");
    vec![DecryptionKey::read(JweAlgorithm::EcdhEsA256Kw, &pair.private).expect("the same key")]
});

fuzz_target!(|data: &[u8]| {
    let _ = DecryptedCard::read(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(read) = Jwe::parse(text) {
        assert!(text.len() <= JWE_CHARS_MAX && text.split('.').count() == 5);
        assert!(KEYS.iter().all(|key| read.decrypt(key).is_err()), "no key of ours was used");
    }
});
