//! Which behaviour a message meets: by the card, the expiry or the amount.

use crate::account_key::{AccountKey, AccountKeys};
use crate::behaviours::{Behaviour, Behaviours};
use crate::read::{Authentication, Payment, Transmission};
use crate::request::RequestKind;
use crate::response_code::ResponseCode;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use tollgate_core::bin::Brand;
use tollgate_core::card::{Expiry, Pan, SecurityCode};
use tollgate_core::time::Timestamp;

/// The security code of every card of the sandbox, which a verification compares.
const SECURITY_CODE: &str = "123";
/// The same of the brand whose codes have four digits.
const SECURITY_CODE_AMEX: &str = "1234";

/// What is to happen to a message beside the ledger's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// It is declined with this code.
    pub(crate) refusal: Option<ResponseCode>,
    /// How its answer travels.
    pub(crate) delivery: Delivery,
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// At once.
    Plain,
    /// After `slow_ms`.
    Slow,
    /// After `late_ms`.
    Late,
    /// Not at all.
    Silent,
    /// Twice.
    Doubled,
    /// As bytes that are no message.
    Garbage,
    /// Without its end.
    CutShort,
    /// Without field 39.
    NoCode,
    /// With another field 4.
    WrongAmount,
    /// The link drops before the message is looked at.
    DropBefore,
    /// The link drops in place of the answer.
    DropAfter,
}

/// The behaviours, found by account key, so that no card number lies in memory.
#[derive(Debug)]
pub(crate) struct WishTable {
    behaviours: Behaviours,
    cards: HashMap<AccountKey, CardRules, RandomState>,
}

#[derive(Debug)]
struct CardRules {
    always: Behaviour,
    by_expiry: Vec<ExpiryRule>,
    amounts: AmountRules,
}

#[derive(Debug)]
struct ExpiryRule {
    expiry: Expiry,
    behaviour: Behaviour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AmountRules {
    Off,
    On,
}

impl WishTable {
    /// The table of `behaviours` under the account keys of one data file.
    pub(crate) fn new(behaviours: Behaviours, keys: &AccountKeys) -> WishTable {
        let mut cards = HashMap::<AccountKey, CardRules, RandomState>::default();
        for row in behaviours.cards() {
            let rules = cards.entry(keys.of(row.pan())).or_insert_with(|| CardRules::new(AmountRules::Off));
            match row.expiry {
                None => rules.always = row.behaviour,
                Some(expiry) => rules.by_expiry.push(ExpiryRule { expiry, behaviour: row.behaviour }),
            }
        }
        for row in behaviours.amount_cards() {
            cards.insert(keys.of(row.pan()), CardRules::new(AmountRules::On));
        }
        WishTable { behaviours, cards }
    }

    /// What is to happen to a payment on the account of `key` at `now`.
    pub(crate) fn wish(&self, key: &AccountKey, payment: &Payment, now: Timestamp) -> Wish {
        let rules = self.cards.get(key);
        let behaviour = match payment.kind {
            // Reversals and voids never meet one: whatever went wrong can be put right.
            RequestKind::Void(_) | RequestKind::Reverse(_) => Behaviour::Approve,
            _ => rules.map_or(Behaviour::Approve, |rules| self.behaviour(rules, payment)),
        };
        Wish::of(behaviour, payment, now)
    }

    fn behaviour(&self, rules: &CardRules, payment: &Payment) -> Behaviour {
        if rules.amounts == AmountRules::On
            && let Some(behaviour) = self.behaviours.of_amount(payment.amount_minor)
        {
            return behaviour;
        }
        if !payment.kind.begins() {
            return match rules.always {
                Behaviour::DeclineLater(code) => Behaviour::DeclineLater(code),
                _ => Behaviour::Approve,
            };
        }
        let by_expiry = rules.by_expiry.iter().find(|rule| Some(rule.expiry) == payment.expiry);
        by_expiry.map_or(rules.always, |rule| rule.behaviour)
    }
}

impl Wish {
    /// What `behaviour` does to a payment at `now`.
    pub(crate) fn of(behaviour: Behaviour, payment: &Payment, now: Timestamp) -> Wish {
        let is_first = payment.kind.begins();
        let refusal = match behaviour {
            Behaviour::Decline(code) => Some(code),
            Behaviour::DeclineLater(code) if !is_first => Some(code),
            _ if is_first && payment.expiry.is_some_and(|expiry| expiry.is_past(now)) => {
                Some(ResponseCode::EXPIRED_CARD)
            }
            Behaviour::ThreeDSecure if payment.authentication == Authentication::None => {
                Some(ResponseCode::AUTHENTICATION_REQUIRED)
            }
            _ if payment.kind == RequestKind::Verify => unverified(payment),
            _ => None,
        };
        let delivery = match payment.transmission {
            Transmission::First => delivery(behaviour),
            Transmission::Repeat => Delivery::Plain,
        };
        Wish { refusal, delivery }
    }
}

/// Why a card that the table lets pass is not good: no brand issues it, or the security code is another.
fn unverified(payment: &Payment) -> Option<ResponseCode> {
    let Some(brand) = payment.echo.pan.as_ref().and_then(Pan::brand) else {
        return Some(ResponseCode::INVALID_CARD_NUMBER);
    };
    let right = if brand == Brand::Amex { SECURITY_CODE_AMEX } else { SECURITY_CODE };
    let is_right = payment.security_code.as_ref().is_none_or(|code| Some(code) == SecurityCode::parse(right).as_ref());
    (!is_right).then_some(ResponseCode::SECURITY_VIOLATION)
}

impl CardRules {
    const fn new(amounts: AmountRules) -> CardRules {
        CardRules { always: Behaviour::Approve, by_expiry: Vec::new(), amounts }
    }
}

fn delivery(behaviour: Behaviour) -> Delivery {
    match behaviour {
        Behaviour::Approve | Behaviour::Decline(_) | Behaviour::DeclineLater(_) | Behaviour::ThreeDSecure => {
            Delivery::Plain
        }
        Behaviour::Slow => Delivery::Slow,
        Behaviour::Late => Delivery::Late,
        Behaviour::Silent => Delivery::Silent,
        Behaviour::Doubled => Delivery::Doubled,
        Behaviour::Garbage => Delivery::Garbage,
        Behaviour::CutShort => Delivery::CutShort,
        Behaviour::NoCode => Delivery::NoCode,
        Behaviour::WrongAmount => Delivery::WrongAmount,
        Behaviour::DropBefore => Delivery::DropBefore,
        Behaviour::DropAfter => Delivery::DropAfter,
    }
}
