//! JSON Web Encryption: what is encrypted to a key comes back, and nothing else does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use std::sync::LazyLock;
use tollgate_vault::{
    DecryptionKey, JWE_CHARS_MAX, JWE_CONTENT_BYTES_MAX, Jwe, JweAlgorithm, JweFault, Jwk, NewKeyPair,
};

struct Key {
    algorithm: JweAlgorithm,
    public: Jwk,
    private: DecryptionKey,
}

static KEYS: LazyLock<[Key; 2]> = LazyLock::new(|| {
    JweAlgorithm::ALL.map(|algorithm| {
        let pair = NewKeyPair::generate(algorithm).unwrap();
        let private = DecryptionKey::read(algorithm, &pair.private).unwrap();
        Key { algorithm, public: pair.public, private }
    })
});

fn encrypt(content: &[u8], key: &Key) -> String {
    tollgate_vault::encrypt(content, &key.public).unwrap()
}

/// The same message with another header.
fn with_header(message: &str, change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) -> String {
    let (header, rest) = message.split_once('.').unwrap();
    let mut header: serde_json::Map<_, _> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    change(&mut header);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).unwrap()))
}

#[test]
fn what_is_encrypted_comes_back_and_names_its_key() {
    for key in KEYS.iter() {
        for content in [&b""[..], b"{}", &[7; JWE_CONTENT_BYTES_MAX]] {
            let message = encrypt(content, key);
            let read = Jwe::parse(&message).unwrap();
            assert_eq!((read.algorithm(), Some(read.kid())), (key.algorithm, key.public.kid.as_deref()));
            assert_eq!(read.decrypt(&key.private).unwrap().as_slice(), content);
            assert!(!format!("{read:?}").contains(message.split('.').next_back().unwrap()));
        }
        assert_ne!(encrypt(b"{}", key), encrypt(b"{}", key), "each message has a key of its own");
    }
    let too_long = tollgate_vault::encrypt(&[0; JWE_CONTENT_BYTES_MAX + 1], &KEYS[0].public);
    assert_eq!(too_long, Err(JweFault::ContentTooLong));
}

#[test]
fn another_key_opens_nothing() {
    for (place, key) in KEYS.iter().enumerate() {
        let message = encrypt(b"{}", key);
        let other = NewKeyPair::generate(JweAlgorithm::EcdhEsA256Kw).unwrap();
        let other = DecryptionKey::read(JweAlgorithm::EcdhEsA256Kw, &other.private).unwrap();
        for wrong in [&KEYS[1 - place].private, &other] {
            assert_eq!(Jwe::parse(&message).unwrap().decrypt(wrong).unwrap_err(), JweFault::NotAuthentic);
        }
    }
}

#[test]
fn what_is_not_understood_is_refused_and_never_passed_over() {
    for key in KEYS.iter() {
        let message = encrypt(b"{}", key);
        let changed = |name: &str, value: serde_json::Value| {
            let message = with_header(&message, |header| {
                header.insert(name.to_owned(), value.clone());
            });
            Jwe::parse(&message).map(|_| ()).unwrap_err()
        };
        for alg in ["none", "dir", "RSA1_5", "RSA-OAEP", "ECDH-ES", "A256KW", "rsa-oaep-256", ""] {
            assert_eq!(changed("alg", alg.into()), JweFault::Algorithm, "{alg}");
        }
        for enc in ["A128GCM", "A256CBC-HS512", "none", ""] {
            assert_eq!(changed("enc", enc.into()), JweFault::Encryption, "{enc}");
        }
        for value in [serde_json::json!(["exp"]), serde_json::json!([]), serde_json::Value::Null] {
            assert_eq!(changed("crit", value.clone()), JweFault::Critical);
            assert_eq!(changed("zip", value), JweFault::Compressed);
        }
        assert_eq!(changed("kid", serde_json::Value::Null), JweFault::NoKeyName);
        assert_eq!(changed("kid", "k".repeat(129).into()), JweFault::NoKeyName);
        assert_eq!(changed("alg", 5.into()), JweFault::Header);
        // A member that is not known is authenticated all the same.
        let more = with_header(&message, |header| {
            header.insert("x".to_owned(), "y".into());
        });
        assert_eq!(Jwe::parse(&more).unwrap().decrypt(&key.private).unwrap_err(), JweFault::NotAuthentic);
        for text in ["", "a", "....", "a.b.c.d", "a.b.c.d.e.f", &message[1..], &format!("{message}."), "=.a.a.a.a"] {
            assert!(Jwe::parse(text).is_err(), "{text}");
        }
        assert_eq!(Jwe::parse(&"a".repeat(JWE_CHARS_MAX + 1)).unwrap_err(), JweFault::TooLong);
        let twice = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP-256","alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k"}"#);
        assert_eq!(Jwe::parse(&format!("{twice}.a.a.a.a")).unwrap_err(), JweFault::Header);
    }
    let ec = encrypt(b"{}", &KEYS[1]);
    for epk in [
        serde_json::json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}),
        serde_json::json!({"kty": "RSA", "n": "AA", "e": "AQAB"}),
        serde_json::json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
    ] {
        let message = with_header(&ec, |header| {
            header.insert("epk".to_owned(), epk.clone());
        });
        assert_eq!(Jwe::parse(&message).unwrap_err(), JweFault::Agreement, "{epk}");
    }
    // A point that is not on the curve.
    let ones = URL_SAFE_NO_PAD.encode([1; 32]);
    let off_curve = with_header(&ec, |header| {
        header.insert("epk".to_owned(), serde_json::json!({"kty": "EC", "crv": "P-256", "x": ones, "y": ones}));
    });
    assert_eq!(Jwe::parse(&off_curve).unwrap().decrypt(&KEYS[1].private).unwrap_err(), JweFault::NotAuthentic);
}

proptest! {
    #[test]
    fn one_changed_character_is_always_noticed(place in 0_usize..4096, other in "[A-Za-z0-9_-]", which in 0_usize..2) {
        let message = encrypt(b"{\"card_number\":\"4005550000000001\"}", &KEYS[which]);
        let place = place % message.len();
        let mut changed = message.clone();
        changed.replace_range(place..=place, &other);
        prop_assume!(changed != message);
        let opened = Jwe::parse(&changed).and_then(|read| read.decrypt(&KEYS[which].private));
        prop_assert!(opened.is_err());
    }

    #[test]
    fn any_text_is_read_or_refused_without_harm(text in "[A-Za-z0-9_.=-]{0,200}|\\PC{0,60}", which in 0_usize..2) {
        if let Ok(read) = Jwe::parse(&text) {
            prop_assert!(read.decrypt(&KEYS[which].private).is_err());
        }
    }
}
