//! Keys of JSON Web Encryption: the public half as a JSON Web Key (RFC 7517), the private half for decryption.

use crate::jwe::JweAlgorithm;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin};
use aws_lc_rs::rsa::{
    KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey, PublicEncryptingKey, PublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A coordinate of P-256, in bytes.
const COORDINATE_BYTES: usize = 32;
/// The most bytes of an RSA modulus that is taken: 4096 bits.
const RSA_MODULUS_BYTES_MAX: usize = 512;
/// The most bytes of an RSA exponent that is taken.
const RSA_EXPONENT_BYTES_MAX: usize = 8;

/// A point of P-256, uncompressed.
pub(crate) type Point = [u8; 1 + 2 * COORDINATE_BYTES];

/// A public key as it is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// `RSA` or `EC`.
    pub kty: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// `enc`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The algorithm it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// RSA: the modulus, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA: the exponent, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// EC: `P-256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// EC: the first coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// EC: the second coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkFault {
    /// It is no RSA key of 2048 to 4096 bits and no point of P-256.
    #[error("the key is neither RSA with 2048 to 4096 bits nor of curve P-256")]
    Unusable,
    /// The system gives no random numbers.
    #[error("no key could be made")]
    NotMade,
}

/// A private key, ready for use. The library wipes it when it is dropped.
pub enum DecryptionKey {
    /// For RSA-OAEP-256.
    Rsa(OaepPrivateDecryptingKey),
    /// For ECDH-ES+A256KW.
    Ec(PrivateKey),
}

/// A pair of keys that was just made.
pub struct NewKeyPair {
    /// The public half, named and complete.
    pub public: Jwk,
    /// The private half: what [`DecryptionKey::read`] reads.
    pub private: Zeroizing<Vec<u8>>,
}

impl NewKeyPair {
    /// Makes a pair: RSA with 3072 bits (which takes up to a second), or P-256.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate(algorithm: JweAlgorithm) -> Result<NewKeyPair, JwkFault> {
        let mut pair = match algorithm {
            JweAlgorithm::RsaOaep256 => {
                let key = PrivateDecryptingKey::generate(KeySize::Rsa3072).map_err(|_| JwkFault::NotMade)?;
                let private = key.as_der().map_err(|_| JwkFault::NotMade)?;
                NewKeyPair {
                    public: Jwk::of_rsa(&key.public_key())?,
                    private: Zeroizing::new(private.as_ref().to_vec()),
                }
            }
            JweAlgorithm::EcdhEsA256Kw => {
                let key = PrivateKey::generate(&ECDH_P256).map_err(|_| JwkFault::NotMade)?;
                let private: EcPrivateKeyBin<'_> = key.as_be_bytes().map_err(|_| JwkFault::NotMade)?;
                NewKeyPair { public: Jwk::of_point(&key)?, private: Zeroizing::new(private.as_ref().to_vec()) }
            }
        };
        pair.public.kid = Some(pair.public.thumbprint()?);
        pair.public.purpose = Some("enc".to_owned());
        pair.public.alg = Some(algorithm.name().to_owned());
        Ok(pair)
    }
}

impl fmt::Debug for NewKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A pair of curve P-256 as a JSON Web Key (RFC 7517): the public members and the private one.
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    #[serde(flatten)]
    public: Jwk,
    /// EC: the private number, base64url.
    d: String,
}

impl Drop for PrivateJwk {
    fn drop(&mut self) {
        self.d.zeroize();
    }
}

impl NewKeyPair {
    /// The pair as a private JSON Web Key, which JOSE libraries read. Of curve P-256 alone.
    ///
    /// # Errors
    /// When the pair is of another kind.
    pub fn to_private_jwk(&self) -> Result<Zeroizing<String>, JwkFault> {
        if self.public.kty != "EC" {
            return Err(JwkFault::Unusable);
        }
        let d = URL_SAFE_NO_PAD.encode(self.private.as_slice());
        let private = PrivateJwk { public: self.public.clone(), d };
        serde_json::to_string_pretty(&private).map(Zeroizing::new).map_err(|_| JwkFault::NotMade)
    }
}

/// The private half of a pair that lies in a file, and its public half.
pub struct OwnKeyPair {
    /// The public half.
    pub public: Jwk,
    /// The private half.
    pub private: DecryptionKey,
}

impl OwnKeyPair {
    /// Reads a private JSON Web Key of curve P-256.
    ///
    /// # Errors
    /// When it is none, or its public half is another's.
    pub fn of_private_jwk(text: &[u8]) -> Result<OwnKeyPair, JwkFault> {
        let read: PrivateJwk = serde_json::from_slice(text).map_err(|_| JwkFault::Unusable)?;
        let number = Zeroizing::new(URL_SAFE_NO_PAD.decode(read.d.as_bytes()).map_err(|_| JwkFault::Unusable)?);
        let private = DecryptionKey::read(JweAlgorithm::EcdhEsA256Kw, &number)?;
        let DecryptionKey::Ec(key) = &private else { return Err(JwkFault::Unusable) };
        if Jwk::of_point(key)?.point()? != read.public.point()? {
            return Err(JwkFault::Unusable);
        }
        Ok(OwnKeyPair { public: read.public.clone(), private })
    }
}

impl DecryptionKey {
    /// Reads the private half of a pair.
    ///
    /// # Errors
    /// When it is none of this algorithm.
    pub fn read(algorithm: JweAlgorithm, private: &[u8]) -> Result<DecryptionKey, JwkFault> {
        match algorithm {
            JweAlgorithm::RsaOaep256 => PrivateDecryptingKey::from_pkcs8(private)
                .ok()
                .and_then(|key| OaepPrivateDecryptingKey::new(key).ok())
                .map(DecryptionKey::Rsa),
            JweAlgorithm::EcdhEsA256Kw => PrivateKey::from_private_key(&ECDH_P256, private).ok().map(DecryptionKey::Ec),
        }
        .ok_or(JwkFault::Unusable)
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecryptionKey::Rsa(_) => "DecryptionKey(RSA, ***)",
            DecryptionKey::Ec(_) => "DecryptionKey(P-256, ***)",
        })
    }
}

impl Jwk {
    /// The algorithm that the key is for, by `alg` or else by `kty`.
    #[must_use]
    pub fn algorithm(&self) -> Option<JweAlgorithm> {
        match (self.alg.as_deref(), self.kty.as_str()) {
            (Some(name), _) => JweAlgorithm::parse(name),
            (None, "RSA") => Some(JweAlgorithm::RsaOaep256),
            (None, "EC") => Some(JweAlgorithm::EcdhEsA256Kw),
            _ => None,
        }
    }

    /// The name of a key that was made here: its thumbprint by SHA-256 (RFC 7638).
    fn thumbprint(&self) -> Result<String, JwkFault> {
        let text = match (&self.n, &self.e, &self.x, &self.y) {
            (Some(n), Some(e), None, None) => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            (None, None, Some(x), Some(y)) => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            _ => return Err(JwkFault::Unusable),
        };
        Ok(URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())))
    }

    /// The point of an EC key.
    pub(crate) fn point(&self) -> Result<Point, JwkFault> {
        if self.kty != "EC" || self.crv.as_deref() != Some("P-256") {
            return Err(JwkFault::Unusable);
        }
        let coordinate = |text: &Option<String>| {
            let bytes = URL_SAFE_NO_PAD.decode(text.as_deref().unwrap_or_default()).ok()?;
            <[u8; COORDINATE_BYTES]>::try_from(bytes).ok()
        };
        let (x, y) = coordinate(&self.x).zip(coordinate(&self.y)).ok_or(JwkFault::Unusable)?;
        let mut point = [4; 1 + 2 * COORDINATE_BYTES];
        for (slot, byte) in point.iter_mut().skip(1).zip(x.into_iter().chain(y)) {
            *slot = byte;
        }
        Ok(point)
    }

    /// The public half of an EC key.
    pub(crate) fn of_point(key: &PrivateKey) -> Result<Jwk, JwkFault> {
        let point = key.compute_public_key().map_err(|_| JwkFault::NotMade)?;
        let coordinate =
            |from: usize| point.as_ref().get(from..from + COORDINATE_BYTES).map(|b| URL_SAFE_NO_PAD.encode(b));
        let (x, y) = coordinate(1).zip(coordinate(1 + COORDINATE_BYTES)).ok_or(JwkFault::NotMade)?;
        Ok(Jwk { kty: "EC".to_owned(), crv: Some("P-256".to_owned()), x: Some(x), y: Some(y), ..Jwk::default() })
    }

    /// An RSA key as the library wants it.
    pub(crate) fn rsa(&self) -> Result<PublicEncryptingKey, JwkFault> {
        let number = |text: &Option<String>, bytes_max: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(text.as_deref().unwrap_or_default()).ok()?;
            (!bytes.is_empty() && bytes.len() <= bytes_max).then_some(bytes)
        };
        let parts = number(&self.n, RSA_MODULUS_BYTES_MAX).zip(number(&self.e, RSA_EXPONENT_BYTES_MAX));
        let (n, e) = parts.filter(|_| self.kty == "RSA").ok_or(JwkFault::Unusable)?;
        PublicKeyComponents { n, e }.try_into().map_err(|_| JwkFault::Unusable)
    }

    fn of_rsa(key: &PublicEncryptingKey) -> Result<Jwk, JwkFault> {
        let der = key.as_der().map_err(|_| JwkFault::NotMade)?;
        let (n, e) = rsa_numbers(der.as_ref()).ok_or(JwkFault::NotMade)?;
        let number = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        Ok(Jwk { kty: "RSA".to_owned(), n: number(n), e: number(e), ..Jwk::default() })
    }
}

/// Modulus and exponent out of a SubjectPublicKeyInfo (RFC 3279), without leading zeros.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    const INTEGER: u8 = 0x02;
    let info = Der { rest: der }.take(SEQUENCE)?;
    let mut info = Der { rest: info };
    info.take(SEQUENCE)?;
    let key = info.take(BIT_STRING)?.strip_prefix(&[0])?;
    let mut key = Der { rest: Der { rest: key }.take(SEQUENCE)? };
    let (n, e) = (key.take(INTEGER)?, key.take(INTEGER)?);
    Some((n.strip_prefix(&[0]).unwrap_or(n), e.strip_prefix(&[0]).unwrap_or(e)))
}

/// DER as far as the keys of this library need it.
struct Der<'a> {
    rest: &'a [u8],
}

impl<'a> Der<'a> {
    /// The content of the next element, when it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(*length), rest),
            0x81 | 0x82 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        (*first == tag).then_some(content)
    }
}

/// The key that both sides agree on, for AES-256 key wrap: the Concat KDF of RFC 7518, section 4.6.2.
pub(crate) fn agreed_kek(own: &PrivateKey, other: &Point, apu: &[u8], apv: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    const KEY_BITS: u32 = 256;
    let peer = UnparsedPublicKey::new(&ECDH_P256, other.as_slice());
    agree(own, peer, (), |secret| {
        let mut text = Zeroizing::new(Vec::with_capacity(4 + secret.len() + 64 + apu.len() + apv.len()));
        text.extend_from_slice(&1_u32.to_be_bytes());
        text.extend_from_slice(secret);
        for part in [JweAlgorithm::EcdhEsA256Kw.name().as_bytes(), apu, apv] {
            text.extend_from_slice(&u32::try_from(part.len()).map_err(|_| ())?.to_be_bytes());
            text.extend_from_slice(part);
        }
        text.extend_from_slice(&KEY_BITS.to_be_bytes());
        let mut kek = Zeroizing::new([0; 32]);
        kek.copy_from_slice(digest(&SHA256, &text).as_ref());
        Ok(kek)
    })
    .ok()
}
