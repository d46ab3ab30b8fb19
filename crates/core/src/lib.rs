//! Money, cards, payments and their state machine.
//!
//! Pure rules: no I/O, no clock, no randomness and no logging. Whatever needs one of those takes it
//! from the outside, so that every rule here can be tested by tables and replayed by a simulator.
//!
//! Where to look:
//! - [`money`]: minor units and ISO 4217 currencies;
//! - [`card`], [`bin`]: card numbers (secret), expiry dates, brands;
//! - [`card_scan`]: the search for card numbers where none belongs;
//! - [`code`], [`refusal`]: the five-digit FORT codes and who is guilty of an error;
//! - [`merchant`], [`channel`], [`source`]: what an account may do, and how and whence its requests may come;
//! - [`scope`]: which PCI DSS questionnaire a merchant's routes point to;
//! - [`payment_link`]: addresses at which customers pay later; [`link_notice`], [`message`]: how people are told of them;
//! - [`token`]: names under which cards are kept; [`verification`]: how cards are verified;
//!   [`card_terms`]: how many tokens and customers a card may have;
//! - [`agreement`], [`credential`]: what customers agree to be charged later, and what the network is told of kept cards;
//!   [`advice`]: whether a decline may be tried again; [`billing`]: the days on which the gateway charges by itself;
//!   [`schedule`]: what it charges then;
//! - [`command`]: what a merchant asks for, already typed;
//! - [`order`], [`transition`]: the life of a payment; [`checkout`]: a customer at the gateway's pages;
//! - [`decide`]: what may be done; [`mod@apply`]: what an outcome does to an order;
//! - [`page`], [`page_face`]: how customers come to our pages, and how those look;
//! - [`three_ds`]: what an authentication of the customer came to;
//! - [`audit`]: the entries of the audit log and their bytes;
//! - [`answer`]: what goes back to the merchant; [`feedback`]: what its servers are told later.

pub mod advice;
pub mod agreement;
pub mod answer;
pub mod apply;
pub mod audit;
pub mod batch;
pub mod billing;
pub mod bin;
pub mod card;
pub mod card_scan;
pub mod card_terms;
pub mod channel;
pub mod checkout;
pub mod code;
pub mod command;
pub mod credential;
pub mod decide;
pub mod feedback;
pub mod held_code;
pub mod ident;
pub mod invoice;
pub mod issuer_country;
pub mod link_notice;
pub mod merchant;
pub mod message;
pub mod money;
mod named_enum;
pub mod order;
pub mod page;
pub mod page_face;
pub mod payment_link;
pub mod refusal;
pub mod report;
pub mod schedule;
pub mod scope;
pub mod secret;
pub mod shown;
pub mod source;
pub mod three_ds;
pub mod time;
pub mod token;
pub mod transition;
pub mod verification;
