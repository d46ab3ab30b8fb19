//! The secret part of a checkout's address: its number and a code over it, under a key of the vault.

use crate::gateway::Inner;
use crate::payment_link::LinkCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use tollgate_core::checkout::CheckoutId;
use tollgate_core::payment_link::PaymentLinkId;
use tollgate_vault::{LINK_MAC_BYTES, LinkKey, LinkPurpose, VaultError};

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
pub(crate) async fn link_to(inner: &Inner, id: CheckoutId) -> Result<CheckoutLink, VaultError> {
    Ok(CheckoutLink(written(inner, LinkPurpose::Checkout, id.0).await?))
}

/// The secret part of a payment link's address.
pub(crate) async fn payment_link_code(inner: &Inner, id: PaymentLinkId) -> Result<LinkCode, VaultError> {
    Ok(LinkCode(written(inner, LinkPurpose::PaymentLink, id.0).await?))
}

async fn written(inner: &Inner, purpose: LinkPurpose, number: i64) -> Result<String, VaultError> {
    let mac = key(inner).await?.mac(purpose, number);
    let mut bytes = [0; NUMBER_BYTES + LINK_MAC_BYTES];
    let parts = number.to_be_bytes().into_iter().chain(mac);
    bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The number in a link, if we made it.
pub(super) async fn number_in(inner: &Inner, link: &str) -> Result<Option<CheckoutId>, VaultError> {
    Ok(read(inner, LinkPurpose::Checkout, link).await?.map(CheckoutId))
}

/// The number in the secret part of a payment link's address, if we made it.
pub(crate) async fn payment_link_in(inner: &Inner, code: &str) -> Result<Option<PaymentLinkId>, VaultError> {
    Ok(read(inner, LinkPurpose::PaymentLink, code).await?.map(PaymentLinkId))
}

async fn read(inner: &Inner, purpose: LinkPurpose, link: &str) -> Result<Option<i64>, VaultError> {
    if link.len() != LINK_CHARS {
        return Ok(None);
    }
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(link) else { return Ok(None) };
    let Some((number, mac)) = bytes.split_first_chunk::<NUMBER_BYTES>() else { return Ok(None) };
    let number = i64::from_be_bytes(*number);
    Ok(key(inner).await?.fits(purpose, number, mac).then_some(number))
}

async fn key(inner: &Inner) -> Result<&LinkKey, VaultError> {
    inner.link_key.get_or_try_init(|| inner.vault.link_key(inner.clock.now())).await
}
