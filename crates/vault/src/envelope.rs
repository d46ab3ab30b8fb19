//! The bytes that a store keeps: format 1, data key id (8, big-endian), nonce (12), ciphertext, tag (16).

use crate::aead::{self, OVERHEAD_BYTES, OpenFault};
use crate::error::VaultError;
use crate::keyring::PreparedKey;
use crate::port::DataKeyId;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::token::TokenId;
use zeroize::Zeroizing;

/// The first byte of all that is sealed now.
const FORMAT: u8 = 1;
/// Format and data key id.
const HEAD_BYTES: usize = 9;

/// What is sealed and where it belongs: becomes associated data, so that it opens in no other place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// The card number of an order.
    Card(MerchantId, FortId),
    /// The card number kept under a token.
    Token(MerchantId, TokenId),
    /// A secret of the gateway.
    Secret(&'a str),
}

/// Seals `plain` for `place`.
pub(crate) fn seal(key: &PreparedKey, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let head = head(key.id);
    aead::seal(&key.cipher, &bound(&head, place), &head, plain)
}

/// The data key that sealed these bytes.
pub(crate) fn data_key_id(sealed: &[u8]) -> Result<DataKeyId, VaultError> {
    match sealed.split_first_chunk::<HEAD_BYTES>() {
        Some(([FORMAT, id @ ..], rest)) if rest.len() >= OVERHEAD_BYTES => Ok(DataKeyId(i64::from_be_bytes(*id))),
        _ => Err(VaultError::Damaged { length: sealed.len() }),
    }
}

/// Opens what was sealed for `place` under `key`.
pub(crate) fn open(key: &PreparedKey, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let damaged = VaultError::Damaged { length: sealed.len() };
    let Some((head, rest)) = sealed.split_first_chunk::<HEAD_BYTES>() else {
        return Err(damaged);
    };
    aead::open(&key.cipher, &bound(head, place), rest).map_err(|fault| match fault {
        OpenFault::Short => damaged,
        OpenFault::Tag => VaultError::NotAuthentic { id: key.id },
    })
}

fn head(id: DataKeyId) -> [u8; HEAD_BYTES] {
    let [a, b, c, d, e, f, g, h] = id.0.to_be_bytes();
    [FORMAT, a, b, c, d, e, f, g, h]
}

/// The associated data. The kind fixes what follows it and only the last part varies in length, so no
/// two places have the same bytes.
fn bound(head: &[u8; HEAD_BYTES], place: Place<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(head);
    match place {
        Place::Card(merchant, order) => {
            bytes.push(b'C');
            bytes.extend_from_slice(&merchant.0.to_be_bytes());
            bytes.extend_from_slice(&order.0.to_be_bytes());
        }
        Place::Token(merchant, token) => {
            bytes.push(b'T');
            bytes.extend_from_slice(&merchant.0.to_be_bytes());
            bytes.extend_from_slice(&token.0.to_be_bytes());
        }
        Place::Secret(label) => {
            bytes.push(b'S');
            bytes.extend_from_slice(label.as_bytes());
        }
    }
    bytes
}
