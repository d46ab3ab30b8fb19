//! The secret part of a checkout's address: its number and a code over it, under a key of the vault.

use crate::gateway::Inner;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use tollgate_core::checkout::CheckoutId;
use tollgate_vault::{LINK_MAC_BYTES, LinkKey, VaultError};

/// The bytes of a number.
const NUMBER_BYTES: usize = 8;
/// The characters of a link: 32 bytes in base64url.
const LINK_CHARS: usize = 43;

/// What a customer's browser has to know to come to a checkout: 43 letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckoutLink(String);

impl CheckoutLink {
    /// As it stands in the address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CheckoutLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckoutLink(****)")
    }
}

/// The link to a checkout.
pub(super) async fn link_to(inner: &Inner, id: CheckoutId) -> Result<CheckoutLink, VaultError> {
    let mac = key(inner).await?.mac(id.0);
    let mut bytes = [0; NUMBER_BYTES + LINK_MAC_BYTES];
    let parts = id.0.to_be_bytes().into_iter().chain(mac);
    bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    Ok(CheckoutLink(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The number in a link, if we made it.
pub(super) async fn number_in(inner: &Inner, link: &str) -> Result<Option<CheckoutId>, VaultError> {
    if link.len() != LINK_CHARS {
        return Ok(None);
    }
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(link) else { return Ok(None) };
    let Some((number, mac)) = bytes.split_first_chunk::<NUMBER_BYTES>() else { return Ok(None) };
    let number = i64::from_be_bytes(*number);
    Ok(key(inner).await?.fits(number, mac).then_some(CheckoutId(number)))
}

async fn key(inner: &Inner) -> Result<&LinkKey, VaultError> {
    inner.link_key.get_or_try_init(|| inner.vault.link_key(inner.clock.now())).await
}
