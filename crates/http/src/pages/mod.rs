//! The pages that customers see: from view models to responses.
//!
//! Each function here takes all that a page shows ([`view`]) and gives the response with its headers; nothing is looked
//! up, and nothing is kept. Every page works without scripts; one small script of ours makes it nicer ([`assets`]). What
//! was typed is read in [`typed`], and what the browser tells of itself in [`browser`].
//!
//! How to brand, frame and test them: `docs/pages.md`.

pub mod assets;
mod brands;
pub mod browser;
mod card_form;
mod colour;
mod ends;
mod headers;
mod html;
pub mod invoice;
pub(crate) mod invoice_words;
mod layout;
pub mod letter;
mod letter_words;
pub mod link;
mod link_words;
pub mod money_text;
pub mod nonce;
pub mod reports;
mod steps;
#[cfg(test)]
mod tests;
pub mod typed;
pub mod view;
mod words;

pub use browser::browser_field;
pub use card_form::card_page;
pub use ends::{return_link_page, return_page, told_page};
pub use html::escaped;
pub use steps::{browser_page, challenge_page, method_page, notification_page, wait_page};

/// The names of the fields of the card form.
pub mod field {
    /// The card number as typed.
    pub const CARD_NUMBER: &str = "card_number";
    /// The expiry date as typed.
    pub const EXPIRY_DATE: &str = "expiry_date";
    /// The security code as typed.
    pub const SECURITY_CODE: &str = "card_security_code";
    /// The name on the card as typed; may be empty.
    pub const HOLDER_NAME: &str = "card_holder_name";
    /// `YES` when the customer lets the card be kept; else not there.
    pub const REMEMBER_ME: &str = "remember_me";
}
