//! JSON Web Encryption in compact form (RFC 7516), as little of it as is needed: the content key comes by
//! RSA-OAEP-256 or ECDH-ES+A256KW on P-256 (RFC 7518), the content is AES-256-GCM.
//!
//! Whatever is not understood is refused, never passed over: `crit` and `zip` above all, and every other
//! algorithm, `none` included. The parts are canonical base64url, so that one message has one spelling.

use crate::jwk::{DecryptionKey, Jwk, JwkFault, Point, agreed_kek};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use std::fmt;
use zeroize::Zeroizing;

/// The longest message that is read, in characters.
pub const JWE_CHARS_MAX: usize = 8_192;
/// The longest protected header that is read, in bytes.
pub const JWE_HEADER_BYTES_MAX: usize = 2_048;
/// The longest content that is encrypted, in bytes.
pub const JWE_CONTENT_BYTES_MAX: usize = 4_096;
/// The longest name of a key, in characters.
pub const JWE_KID_CHARS_MAX: usize = 128;
/// The longest `apu` and `apv`, in bytes.
const PARTY_BYTES_MAX: usize = 256;
/// AES-256.
const CONTENT_KEY_BYTES: usize = 32;
/// What AES key wrap adds (RFC 3394).
const WRAP_BYTES: usize = 8;
const TAG_BYTES: usize = 16;

/// How the content key is brought to the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JweAlgorithm {
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
    RsaOaep256,
    /// Elliptic-curve Diffie-Hellman on P-256, the agreed key wraps the content key by AES-256 key wrap.
    EcdhEsA256Kw,
}

impl JweAlgorithm {
    /// All of them.
    pub const ALL: [JweAlgorithm; 2] = [JweAlgorithm::RsaOaep256, JweAlgorithm::EcdhEsA256Kw];

    /// The value of `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            JweAlgorithm::RsaOaep256 => "RSA-OAEP-256",
            JweAlgorithm::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }

    /// Reads a value of `alg`.
    #[must_use]
    pub fn parse(name: &str) -> Option<JweAlgorithm> {
        JweAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Why a message is not read or not written. Nothing of the message is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JweFault {
    /// Longer than [`JWE_CHARS_MAX`].
    #[error("it has more than 8192 characters")]
    TooLong,
    /// Not five parts.
    #[error("it is no compact JWE: that is five parts joined by dots")]
    NotCompact,
    /// A part is not canonical base64url without padding.
    #[error("a part of it is not base64url without padding, or has a wrong length")]
    NotBase64,
    /// The protected header is no JSON object, has a member twice, or is too long.
    #[error("its protected header is no JSON object that can be read")]
    Header,
    /// `alg` is another one.
    #[error("its alg is neither RSA-OAEP-256 nor ECDH-ES+A256KW")]
    Algorithm,
    /// `enc` is another one.
    #[error("its enc is not A256GCM")]
    Encryption,
    /// `zip` is there.
    #[error("it is compressed (zip), which is not taken")]
    Compressed,
    /// `crit` is there.
    #[error("its header demands an extension (crit), and none is known here")]
    Critical,
    /// `kid` is missing or too long.
    #[error("its header names no key (kid)")]
    NoKeyName,
    /// `epk`, `apu` or `apv` cannot be used.
    #[error("its header has no usable ephemeral key of curve P-256 (epk, apu, apv)")]
    Agreement,
    /// It does not decrypt with this key. Why is not told, since that would help an attacker.
    #[error("it cannot be decrypted: it was made for another key, or changed on its way")]
    NotAuthentic,
    /// The content to be encrypted is longer than [`JWE_CONTENT_BYTES_MAX`].
    #[error("the content has more than 4096 bytes")]
    ContentTooLong,
    /// The recipient's key cannot be used.
    #[error(transparent)]
    Key(#[from] JwkFault),
    /// The system gives no random numbers, or the cipher failed.
    #[error("the cipher failed")]
    Cipher,
}

/// A message that was read and is not yet decrypted.
pub struct Jwe<'a> {
    algorithm: JweAlgorithm,
    kid: String,
    header: &'a str,
    encrypted_key: Vec<u8>,
    agreement: Option<Agreement>,
    iv: [u8; NONCE_LEN],
    /// The ciphertext and the tag behind it.
    sealed: Vec<u8>,
}

/// What the header says of the agreement.
struct Agreement {
    point: Point,
    apu: Vec<u8>,
    apv: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    enc: String,
    kid: Option<String>,
    epk: Option<Jwk>,
    apu: Option<String>,
    apv: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    zip: bool,
}

/// `true`, whatever the value is: `null` counts as there.
fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

impl<'a> Jwe<'a> {
    /// Reads a compact message of at most [`JWE_CHARS_MAX`] characters.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &'a str) -> Result<Jwe<'a>, JweFault> {
        if text.len() > JWE_CHARS_MAX {
            return Err(JweFault::TooLong);
        }
        Jwe::parse_any_length(text)
    }

    /// The same for a text whose length the caller has looked at.
    pub(crate) fn parse_any_length(text: &'a str) -> Result<Jwe<'a>, JweFault> {
        let mut parts = text.split('.');
        let (Some(header), Some(key), Some(iv), Some(ciphertext), Some(tag), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JweFault::NotCompact);
        };
        let read = read_header(&decode(header)?)?;
        let algorithm = JweAlgorithm::parse(&read.alg).ok_or(JweFault::Algorithm)?;
        if read.enc != "A256GCM" {
            return Err(JweFault::Encryption);
        }
        let agreement = match algorithm {
            JweAlgorithm::RsaOaep256 => None,
            JweAlgorithm::EcdhEsA256Kw => Some(agreement(&read)?),
        };
        let kid = read.kid.filter(|kid| (1..=JWE_KID_CHARS_MAX).contains(&kid.len())).ok_or(JweFault::NoKeyName)?;
        let iv = <[u8; NONCE_LEN]>::try_from(decode(iv)?).map_err(|_| JweFault::NotBase64)?;
        let mut sealed = decode(ciphertext)?;
        let tag = <[u8; TAG_BYTES]>::try_from(decode(tag)?).map_err(|_| JweFault::NotBase64)?;
        sealed.extend_from_slice(&tag);
        Ok(Jwe { algorithm, kid, header, encrypted_key: decode(key)?, agreement, iv, sealed })
    }

    /// How the content key comes.
    #[must_use]
    pub const fn algorithm(&self) -> JweAlgorithm {
        self.algorithm
    }

    /// The name of the key that it was made for.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Decrypts it.
    ///
    /// # Errors
    /// [`JweFault::NotAuthentic`], whatever the reason is.
    pub fn decrypt(&self, key: &DecryptionKey) -> Result<Zeroizing<Vec<u8>>, JweFault> {
        let content_key = self.content_key(key).ok_or(JweFault::NotAuthentic)?;
        let cipher = content_cipher(&content_key).map_err(|_| JweFault::NotAuthentic)?;
        let mut buffer = Zeroizing::new(self.sealed.clone());
        let plain_bytes = cipher
            .open_in_place(Nonce::assume_unique_for_key(self.iv), Aad::from(self.header.as_bytes()), &mut buffer)
            .map_err(|_| JweFault::NotAuthentic)?
            .len();
        buffer.truncate(plain_bytes);
        Ok(buffer)
    }

    fn content_key(&self, key: &DecryptionKey) -> Option<Zeroizing<[u8; CONTENT_KEY_BYTES]>> {
        let mut content_key = Zeroizing::new([0; CONTENT_KEY_BYTES]);
        match (key, &self.agreement) {
            (DecryptionKey::Rsa(key), None) => {
                let mut plain = Zeroizing::new(vec![0; key.min_output_size()]);
                let plain = key.decrypt(&OAEP_SHA256_MGF1SHA256, &self.encrypted_key, &mut plain, None).ok()?;
                *content_key = <[u8; CONTENT_KEY_BYTES]>::try_from(&*plain).ok()?;
            }
            (DecryptionKey::Ec(key), Some(agreement)) => {
                if self.encrypted_key.len() != CONTENT_KEY_BYTES + WRAP_BYTES {
                    return None;
                }
                let kek = agreed_kek(key, &agreement.point, &agreement.apu, &agreement.apv)?;
                let kek = AesKek::new(&AES_256, kek.as_slice()).ok()?;
                let mut room = Zeroizing::new([0; CONTENT_KEY_BYTES + WRAP_BYTES]);
                let plain = kek.unwrap(&self.encrypted_key, room.as_mut_slice()).ok()?;
                *content_key = <[u8; CONTENT_KEY_BYTES]>::try_from(&*plain).ok()?;
            }
            _ => return None,
        }
        Some(content_key)
    }
}

impl fmt::Debug for Jwe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwe").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Encrypts `content` to a published key, which says by which algorithm.
///
/// # Errors
/// When the content is too long, the key cannot be used, or the system gives no random numbers.
pub fn encrypt(content: &[u8], key: &Jwk) -> Result<String, JweFault> {
    if content.len() > JWE_CONTENT_BYTES_MAX {
        return Err(JweFault::ContentTooLong);
    }
    encrypt_any_length(content, key)
}

/// The same for a content whose length the caller has looked at.
pub(crate) fn encrypt_any_length(content: &[u8], key: &Jwk) -> Result<String, JweFault> {
    let mut content_key = Zeroizing::new([0; CONTENT_KEY_BYTES]);
    let mut iv = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(content_key.as_mut_slice()).map_err(|_| JweFault::Cipher)?;
    aws_lc_rs::rand::fill(&mut iv).map_err(|_| JweFault::Cipher)?;
    let algorithm = key.algorithm().ok_or(JweFault::Algorithm)?;
    let kid = key.kid.as_deref().ok_or(JweFault::NoKeyName)?;
    let mut header = serde_json::json!({ "alg": algorithm.name(), "enc": "A256GCM", "kid": kid });
    let mut encrypted_key = vec![0; CONTENT_KEY_BYTES + WRAP_BYTES];
    match algorithm {
        JweAlgorithm::RsaOaep256 => {
            let recipient = OaepPublicEncryptingKey::new(key.rsa()?).map_err(|_| JwkFault::Unusable)?;
            encrypted_key.resize(recipient.ciphertext_size(), 0);
            recipient
                .encrypt(&OAEP_SHA256_MGF1SHA256, content_key.as_slice(), &mut encrypted_key, None)
                .map_err(|_| JweFault::Cipher)?;
        }
        JweAlgorithm::EcdhEsA256Kw => {
            let ephemeral = PrivateKey::generate(&ECDH_P256).map_err(|_| JweFault::Cipher)?;
            let kek = agreed_kek(&ephemeral, &key.point()?, &[], &[]).ok_or(JwkFault::Unusable)?;
            let kek = AesKek::new(&AES_256, kek.as_slice()).map_err(|_| JweFault::Cipher)?;
            kek.wrap(content_key.as_slice(), &mut encrypted_key).map_err(|_| JweFault::Cipher)?;
            let epk = serde_json::to_value(Jwk::of_point(&ephemeral)?).map_err(|_| JweFault::Cipher)?;
            if let Some(header) = header.as_object_mut() {
                header.insert("epk".to_owned(), epk);
            }
        }
    }
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let mut sealed = Zeroizing::new(Vec::with_capacity(content.len() + TAG_BYTES));
    sealed.extend_from_slice(content);
    let tag = content_cipher(&content_key)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(header.as_bytes()), &mut sealed)
        .map_err(|_| JweFault::Cipher)?;
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(format!("{header}.{}.{}.{}.{}", part(&encrypted_key), part(&iv), part(&sealed), part(tag.as_ref())))
}

fn content_cipher(key: &[u8; CONTENT_KEY_BYTES]) -> Result<LessSafeKey, JweFault> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| JweFault::Cipher)
}

fn read_header(bytes: &[u8]) -> Result<Header, JweFault> {
    if bytes.len() > JWE_HEADER_BYTES_MAX {
        return Err(JweFault::Header);
    }
    let header: Header = serde_json::from_slice(bytes).map_err(|_| JweFault::Header)?;
    if header.crit {
        return Err(JweFault::Critical);
    }
    if header.zip {
        return Err(JweFault::Compressed);
    }
    Ok(header)
}

fn agreement(header: &Header) -> Result<Agreement, JweFault> {
    let point = header.epk.as_ref().and_then(|epk| epk.point().ok()).ok_or(JweFault::Agreement)?;
    let party = |text: &Option<String>| {
        let bytes = decode(text.as_deref().unwrap_or_default()).map_err(|_| JweFault::Agreement)?;
        if bytes.len() > PARTY_BYTES_MAX { Err(JweFault::Agreement) } else { Ok(bytes) }
    };
    Ok(Agreement { point, apu: party(&header.apu)?, apv: party(&header.apv)? })
}

fn decode(part: &str) -> Result<Vec<u8>, JweFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JweFault::NotBase64)
}
