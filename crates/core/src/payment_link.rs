//! A payment link: an address that a merchant gives to a customer, who pays there within days.
//!
//! A link is no order. It becomes one when a customer goes from its page to the card form; until then its reference is
//! free for every other way to pay. How a link stands follows from itself and from that order, so that nothing has to be
//! written to it when a payment succeeds.

use crate::agreement::RecurringWish;
use crate::checkout::TRIES_MAX;
use crate::command::{Eci, PayCommand, RememberMe, SafeParams, ThreeDsWish};
use crate::feedback::Channel;
use crate::ident::{FortId, MerchantId};
use crate::invoice::{Invoice, InvoiceDraft};
use crate::link_notice::Reminders;
use crate::merchant::Merchant;
use crate::money::{Amount, Currency, Money};
use crate::order::{Order, PayKind, Phase};
use crate::time::Timestamp;
use std::fmt;

/// For how many days a link may be payable at most.
pub const PAYMENT_LINK_DAYS_MAX: u64 = 365;
/// The most characters of a link's address.
pub const PAYMENT_LINK_CHARS_MAX: usize = 150;

/// The number of a payment link, 18 digits, from the same source as those of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct PaymentLinkId(pub i64);

impl fmt::Display for PaymentLinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:018}", self.0)
    }
}

/// A payment link.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PaymentLink {
    /// Its number.
    pub id: PaymentLinkId,
    /// Whose.
    pub merchant: MerchantId,
    /// `payment_link_id`: the merchant's own, else the number. Unique for the merchant.
    pub name: String,
    /// The access code of the request that made it: what its payments tell is signed with its phrase.
    pub access_code: String,
    /// The merchant's order number, which a payment claims.
    pub merchant_reference: String,
    /// What a payment does.
    pub kind: PayKind,
    /// How much, in minor units,
    pub amount_minor: u64,
    /// of this currency.
    pub currency: Currency,
    /// `en` or `ar`.
    pub language: String,
    /// The one payment option that the page takes, if it is restricted.
    pub payment_option: Option<String>,
    /// What is paid for, for the customer.
    pub description: Option<String>,
    /// Where the customer goes after paying.
    pub return_url: Option<String>,
    /// Who is to pay.
    pub customer: LinkCustomer,
    /// When it was made.
    pub created_at: Timestamp,
    /// From this moment on nobody pays by it.
    pub expires_at: Timestamp,
    /// When somebody closed it.
    pub closed_at: Option<Timestamp>,
    /// What it asks for, line by line, where it was made so. Its total is the amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<Box<Invoice>>,
    /// The order that a customer has begun.
    pub order: Option<FortId>,
    /// How the customer is told of it.
    #[serde(default)]
    pub notifications: Vec<LinkNotification>,
    /// When the customer is reminded.
    #[serde(default)]
    pub reminders: Reminders,
    /// Grows with each change; openings are none.
    pub version: u32,
}

/// Who is to pay by a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LinkCustomer {
    /// `customer_email`.
    pub email: String,
    /// `customer_name`.
    pub name: Option<String>,
    /// `customer_phone`.
    pub phone: Option<String>,
}

impl PaymentLink {
    /// How much.
    #[must_use]
    pub fn money(&self) -> Money {
        // It was an amount when it was kept.
        let amount = Amount::from_minor(self.amount_minor).unwrap_or(Amount::ZERO);
        Money { amount, currency: self.currency }
    }

    /// The payment that a customer begins by it, as a form of redirection would ask for it. `merchant_identifier` is
    /// that of its merchant.
    #[must_use]
    pub fn payment(&self, merchant_identifier: &str) -> PayCommand {
        PayCommand {
            kind: self.kind,
            merchant_reference: self.merchant_reference.clone(),
            money: self.money(),
            eci: Eci::Ecommerce,
            card: None,
            encrypted_card: None,
            token_name: None,
            token_security_code: None,
            remember_me: Some(RememberMe::No),
            payment_option: self.payment_option.clone(),
            three_ds: ThreeDsWish::Default,
            authentication: None,
            settlement_reference: None,
            recurring: RecurringWish::default(),
            params: self.payment_params(merchant_identifier),
        }
    }

    /// What answers and feedback of its payment repeat.
    fn payment_params(&self, merchant_identifier: &str) -> SafeParams {
        let mut params = SafeParams::default();
        let amount = self.amount_minor.to_string();
        let currency = self.currency.to_string();
        for (name, value) in [
            ("command", Some(self.kind.command())),
            ("access_code", Some(self.access_code.as_str())),
            ("merchant_identifier", Some(merchant_identifier)),
            ("merchant_reference", Some(self.merchant_reference.as_str())),
            ("amount", Some(amount.as_str())),
            ("currency", Some(currency.as_str())),
            ("language", Some(self.language.as_str())),
            ("customer_email", Some(self.customer.email.as_str())),
            ("customer_name", self.customer.name.as_deref()),
            ("order_description", self.description.as_deref()),
            ("payment_option", self.payment_option.as_deref()),
            ("return_url", self.return_url.as_deref()),
            ("remember_me", Some("NO")),
            (SafeParams::PAYMENT_LINK, Some(self.name.as_str())),
        ] {
            params.push(name, value.unwrap_or_default());
        }
        params
    }

    /// How it stands at `now`. `holder` is the order that has the link's reference, if one has, and `tries` how many
    /// cards were tried on that one.
    #[must_use]
    pub fn stand(&self, holder: Option<&Order>, tries: u8, now: Timestamp) -> LinkStand {
        if let Some(order) = holder {
            match (self.order == Some(order.fort_id), order.phase) {
                (true, Phase::Authorized | Phase::Captured | Phase::Purchased | Phase::Voided) => {
                    return LinkStand::Paid;
                }
                (true, Phase::Pending | Phase::Unknown) => return LinkStand::UnderWay,
                (true, _) if !order.takes_a_try() || tries >= TRIES_MAX => return LinkStand::Closed,
                (true, _) => {}
                (false, _) if !self.goes_on_with(order) => return LinkStand::Used,
                (false, _) => {}
            }
        }
        if self.closed_at.is_some() {
            LinkStand::Closed
        } else if now >= self.expires_at {
            LinkStand::Expired
        } else {
            LinkStand::Open
        }
    }

    /// Whether a payment by this link is another try of an order that has its reference already: one that came by our
    /// page, asks for the same and has come to nothing yet.
    #[must_use]
    pub fn goes_on_with(&self, order: &Order) -> bool {
        let asks_for_the_same = order.kind == self.kind && order.money == self.money() && order.eci == Eci::Ecommerce;
        order.channel == Channel::Redirection && asks_for_the_same && order.takes_a_try()
    }
}

/// How a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStand {
    /// It can be paid.
    Open,
    /// A payment is at the network, or nobody knows what came of it.
    UnderWay,
    /// It is paid.
    Paid,
    /// Somebody closed it, the last try was used up, or its payment was undone.
    Closed,
    /// Its reference was used up by another way to pay.
    Used,
    /// Its time is over.
    Expired,
}

impl LinkStand {
    /// What merchants are told.
    #[must_use]
    pub const fn status(self) -> LinkStatus {
        match self {
            LinkStand::Open | LinkStand::UnderWay => LinkStatus::Open,
            LinkStand::Paid => LinkStatus::Paid,
            LinkStand::Closed | LinkStand::Used => LinkStatus::Closed,
            LinkStand::Expired => LinkStatus::Expired,
        }
    }
}

/// `payment_link_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStatus {
    /// It waits for its customer, or a payment is under way.
    Open,
    /// It is paid.
    Paid,
    /// Nobody pays by it any more.
    Closed,
    /// Its time is over; a new expiry date opens it again.
    Expired,
}

impl LinkStatus {
    /// The value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            LinkStatus::Open => "Open",
            LinkStatus::Paid => "Paid",
            LinkStatus::Closed => "Closed",
            LinkStatus::Expired => "Expired",
        }
    }
}

/// How often a link was opened. Programs that look into mails before people do count as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Openings {
    /// How often.
    pub count: u64,
    /// The first time.
    pub first_at: Option<Timestamp>,
    /// The last time.
    pub last_at: Option<Timestamp>,
}

/// PAYMENT_LINK.
#[derive(Clone, Debug)]
pub struct PaymentLinkCommand {
    /// The merchant's own `payment_link_id`.
    pub name: Option<String>,
    /// The merchant's order number.
    pub merchant_reference: String,
    /// What a payment does.
    pub kind: PayKind,
    /// How much.
    pub money: Money,
    /// `en` or `ar`.
    pub language: String,
    /// How the customer is told of it; nobody is told where it is empty.
    pub notifications: Vec<LinkNotification>,
    /// When the customer is reminded, where the request says it.
    pub reminders: Option<Reminders>,
    /// The one payment option that the page takes, if it is restricted.
    pub payment_option: Option<String>,
    /// What is paid for.
    pub description: Option<String>,
    /// Where the customer goes after paying.
    pub return_url: Option<String>,
    /// Who is to pay.
    pub customer: LinkCustomer,
    /// What it asks for, line by line.
    pub invoice: Option<InvoiceDraft>,
    /// `request_expiry_date`, not judged yet.
    pub expires_at: Timestamp,
}

impl PaymentLinkCommand {
    /// The link that it asks for.
    #[must_use]
    pub fn link(&self, id: PaymentLinkId, merchant: &Merchant, access_code: &str, now: Timestamp) -> PaymentLink {
        PaymentLink {
            id,
            merchant: merchant.id,
            invoice: self.invoice.as_ref().map(|draft| Box::new(draft.of(&merchant.terms.seller))),
            name: self.name.clone().unwrap_or_else(|| id.to_string()),
            access_code: access_code.to_owned(),
            merchant_reference: self.merchant_reference.clone(),
            kind: self.kind,
            amount_minor: self.money.amount.minor(),
            currency: self.money.currency,
            language: self.language.clone(),
            payment_option: self.payment_option.clone(),
            description: self.description.clone(),
            return_url: self.return_url.clone(),
            customer: self.customer.clone(),
            created_at: now,
            expires_at: self.expires_at,
            closed_at: None,
            order: None,
            notifications: self.notifications.clone(),
            reminders: self.reminders.clone().unwrap_or_default(),
            version: 1,
        }
    }
}

/// A way to tell a customer of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LinkNotification {
    /// By mail.
    Email,
    /// By text message.
    Sms,
}

/// How a link is named: by its id, by its reference (the newest link that has it), or by both, which must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// By `payment_link_id`.
    Name(String),
    /// By `merchant_reference`.
    Reference(String),
    /// By both.
    Both(String, String),
}

/// CHECK_PAYMENT_LINK_STATUS.
#[derive(Clone, Debug)]
pub struct LinkStatusCommand {
    /// The link.
    pub target: LinkTarget,
}

/// UPDATE_PAYMENT_LINK: what is not given stays.
#[derive(Clone, Debug)]
pub struct UpdateLinkCommand {
    /// The link.
    pub target: LinkTarget,
    /// Another amount, in the currency of the link.
    pub amount: Option<Amount>,
    /// Another end, not judged yet.
    pub expires_at: Option<Timestamp>,
    /// Whether it is to be closed.
    pub end: Option<LinkEnd>,
    /// Another mail address.
    pub customer_email: Option<String>,
    /// Another name.
    pub customer_name: Option<String>,
    /// Another telephone number.
    pub customer_phone: Option<String>,
    /// By which ways the customer is told now, and from now on.
    pub notify: Option<Vec<LinkNotification>>,
}

/// How a merchant ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// It is closed for good.
    Close,
}
