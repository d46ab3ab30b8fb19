//! The key behind the links to the gateway's own pages: whoever has not been given a link cannot make it, not even from a
//! copy of the database.
//!
//! It is a data key of the gateway whose month is [`LINK_PERIOD`], which is none. It seals nothing.

use crate::error::VaultError;
use crate::vault::{GATEWAY, Vault};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use std::fmt;
use tollgate_core::time::Timestamp;

/// The month of the data key behind the links: no month has this number.
pub const LINK_PERIOD: u32 = 2;
/// The length of a link's code: 192 bits.
pub const LINK_MAC_BYTES: usize = 24;

/// What a link leads to. The same number has another code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// A customer at our pages.
    Checkout,
    /// A payment link of a merchant's.
    PaymentLink,
}

impl LinkPurpose {
    /// What the HMAC begins with.
    const fn label(self) -> &'static [u8] {
        match self {
            LinkPurpose::Checkout => b"tollgate links 1\0",
            LinkPurpose::PaymentLink => b"tollgate payment links 1\0",
        }
    }
}

/// The key of the links, ready for use: HMAC-SHA-256, cut to [`LINK_MAC_BYTES`].
#[derive(Clone)]
pub struct LinkKey(hmac::Key);

impl LinkKey {
    /// The code of a number.
    #[must_use]
    pub fn mac(&self, purpose: LinkPurpose, number: i64) -> [u8; LINK_MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.label());
        context.update(&number.to_be_bytes());
        let mut mac = [0; LINK_MAC_BYTES];
        mac.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        mac
    }

    /// Whether a code is that of a number, in constant time.
    #[must_use]
    pub fn fits(&self, purpose: LinkPurpose, number: i64, mac: &[u8]) -> bool {
        verify_slices_are_equal(&self.mac(purpose, number), mac).is_ok()
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(****)")
    }
}

impl Vault {
    /// The key of the links to the gateway's pages, made when it is first needed.
    ///
    /// # Errors
    /// When the store or the provider fails.
    pub async fn link_key(&self, now: Timestamp) -> Result<LinkKey, VaultError> {
        let lasting = self.lasting_secret(GATEWAY, LINK_PERIOD, now).await?;
        Ok(LinkKey(hmac::Key::new(hmac::HMAC_SHA256, lasting.secret.reveal())))
    }
}
