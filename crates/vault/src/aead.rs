//! AES-256-GCM with a random nonce (NIST SP 800-38D): nonce, ciphertext and tag in one run of bytes.

use crate::error::VaultError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

/// The length of a tag.
const TAG_BYTES: usize = 16;
/// What sealing adds to a text: nonce and tag.
pub(crate) const OVERHEAD_BYTES: usize = NONCE_LEN + TAG_BYTES;

/// Why bytes did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenFault {
    /// There is no room for a nonce and a tag.
    Short,
    /// The tag does not fit the key, the associated data and the bytes.
    Tag,
}

/// The key, expanded and ready for use. The library wipes it when it is dropped.
pub(crate) fn prepare(key: &[u8]) -> Result<LessSafeKey, VaultError> {
    let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Cipher)?;
    Ok(LessSafeKey::new(unbound))
}

/// `head` in clear, then a random nonce, `plain` as ciphertext, and the tag.
///
/// The text is copied once, to the place where it is encrypted: no second buffer is left behind.
pub(crate) fn seal(key: &LessSafeKey, bound: &[u8], head: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| VaultError::Random)?;
    let mut out = Vec::with_capacity(head.len() + plain.len() + OVERHEAD_BYTES);
    out.extend_from_slice(head);
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    let text = out.get_mut(start..).unwrap_or_default();
    match key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), text) {
        Ok(tag) => {
            out.extend_from_slice(tag.as_ref());
            Ok(out)
        }
        Err(_) => {
            out.zeroize();
            Err(VaultError::Cipher)
        }
    }
}

/// The text of nonce, ciphertext and tag.
pub(crate) fn open(key: &LessSafeKey, bound: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenFault> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(OpenFault::Short)?;
    let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(OpenFault::Short)?;
    let mut plain = Zeroizing::new(vec![0; text.len()]);
    key.open_separate_gather(Nonce::assume_unique_for_key(*nonce), Aad::from(bound), text, tag, &mut plain)
        .map_err(|_| OpenFault::Tag)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Test case 16 of the GCM submission to NIST (McGrew and Viega, 2005, appendix B).
    #[test]
    fn the_published_vector_of_gcm_opens() {
        let key = prepare(&hex::decode("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").unwrap());
        let bound = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let sealed = hex::decode(concat!(
            "cafebabefacedbaddecaf888",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b"
        ));
        let plain = open(&key.unwrap(), &bound, &sealed.unwrap()).unwrap();
        let expected = concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        );
        assert_eq!(hex::encode(&*plain), expected);
    }

    #[test]
    fn what_is_too_short_for_a_nonce_and_a_tag_is_told_apart() {
        let key = prepare(&[7; 32]).unwrap();
        let sealed = seal(&key, b"", b"", b"").unwrap();
        assert_eq!(sealed.len(), OVERHEAD_BYTES);
        assert!(open(&key, b"", &sealed).unwrap().is_empty());
        for length in 0..OVERHEAD_BYTES {
            assert_eq!(open(&key, b"", &sealed[..length]).unwrap_err(), OpenFault::Short);
        }
        assert_eq!(open(&key, b"x", &sealed).unwrap_err(), OpenFault::Tag);
    }

    #[test]
    fn no_nonce_comes_twice() {
        let key = prepare(&[7; 32]).unwrap();
        let nonces: std::collections::HashSet<Vec<u8>> =
            (0..10_000).map(|_| seal(&key, b"", b"", b"").unwrap()[..NONCE_LEN].to_vec()).collect();
        assert_eq!(nonces.len(), 10_000);
    }
}
