//! The merchants' way to the gateways that live at the moment. Whatever is asked and answered here, the auditor hears.

use crate::audit::{Ask, Status};
use crate::chance::Chance;
use crate::life::Life;
use crate::merchants::Session;
use crate::record::{Event, OrderNumber};
use crate::shop::access_code;
use crate::store::REFERENCE_MARK;
use crate::watch::Watch;
use crate::wire::ORDER_MARK;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tollgate_app::{Account, Gateway, Refused};
use tollgate_core::answer::Answer;
use tollgate_core::card::SecurityCode;
use tollgate_core::code;
use tollgate_core::command::{
    CardInput, Eci, MaintainCommand, MaintainKind, OrderTarget, PayCommand, SafeParams, StatusCommand, ThirdPartyCodes,
    ThreeDsWish,
};
use tollgate_core::money::{Amount, Money};
use tollgate_core::secret::Secret;

/// The way to the gateways.
pub struct Desk {
    watch: Arc<Watch>,
    seed: u64,
    cards: Vec<String>,
    /// By node.
    open: Mutex<BTreeMap<u8, Open>>,
    /// How many calls were made for each order: names the chance of the next one.
    calls: Mutex<HashMap<OrderNumber, u64>>,
}

/// A gateway that takes calls.
#[derive(Clone)]
pub struct Open {
    /// The gateway.
    pub gateway: Gateway,
    /// Its life.
    pub life: Life,
}

/// What a merchant heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An answer after which there is nothing left to ask.
    Final,
    /// That nobody knows yet, or that it has to wait.
    Later,
    /// Nothing.
    Nothing,
}

impl Heard {
    /// Whether there is nothing left to ask.
    #[must_use]
    pub fn is_final(self) -> bool {
        self == Heard::Final
    }

    fn of(code: u32) -> Heard {
        let later = code == code::UNCERTAIN.number()
            || code == code::refused::STILL_PROCESSING.number()
            || code == code::refused::ORDER_NOT_CONFIRMED.number()
            || code == code::refused::REFERENCE_EXISTS.number()
            || code == code::refused::TECHNICAL_PROBLEM.number();
        if later { Heard::Later } else { Heard::Final }
    }
}

impl Desk {
    /// A desk that is closed.
    #[must_use]
    pub fn new(watch: Arc<Watch>, seed: u64, cards: Vec<String>) -> Desk {
        Desk { watch, seed, cards, open: Mutex::default(), calls: Mutex::default() }
    }

    /// From now on calls may go to this gateway of a node, or to none of it.
    pub fn set_open(&self, node: u8, open: Option<Open>) {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open {
            Some(open) => all.insert(node, open),
            None => all.remove(&node),
        };
    }

    /// The gateways that take calls, by node.
    pub fn open(&self) -> Vec<(u8, Open)> {
        let all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, open)| !open.life.is_paused()).map(|(node, open)| (*node, open.clone())).collect()
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// One of the gateways that take calls.
    pub fn one_of(&self, chance: &mut Chance) -> Option<Open> {
        let open = self.open();
        let last = open.len().checked_sub(1)?;
        let place = usize::try_from(chance.between(0, last as u64)).unwrap_or(0);
        open.into_iter().nth(place).map(|(_, open)| open)
    }

    /// The gateway that the next call about an order goes to. The call is counted.
    fn next(&self, order: OrderNumber) -> Option<Open> {
        if self.open().is_empty() {
            return None;
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(order).or_insert(0);
        *count += 1;
        self.one_of(&mut Chance::of(self.seed, "gateway-of-call", &[u64::from(order), *count]))
    }

    /// Whether the merchant was told that the payment succeeded.
    pub fn is_paid(&self, order: OrderNumber) -> bool {
        self.watch.auditor().is_paid(order)
    }

    /// Waits until so many milliseconds have passed since the beginning.
    pub async fn sleep_until(&self, ms: u64) {
        tokio::time::sleep_until(self.watch.clock.moment(ms)).await;
    }

    /// AUTHORIZATION or PURCHASE.
    pub async fn pay(&self, session: &Session, patience: Duration) -> Heard {
        let command = PayCommand {
            kind: session.kind,
            merchant_reference: reference(session),
            money: money(session, session.meant.amount),
            eci: Eci::Ecommerce,
            card: Some(CardInput {
                number: self.cards.get(session.meant.card).cloned().map(Secret::new),
                expiry: Some("3012".to_owned()),
                security_code: SecurityCode::parse("123"),
                holder: None,
            }),
            encrypted_card: None,
            token_name: None,
            token_security_code: None,
            remember_me: None,
            payment_option: None,
            three_ds: ThreeDsWish::Default,
            settlement_reference: Some(format!("{ORDER_MARK}{}", session.order)),
            params: SafeParams::default(),
        };
        let amount = session.meant.amount;
        let work = |gateway: Gateway, account: Arc<Account>| async move { gateway.pay(account, command).await };
        self.ask(session, (Ask::Pay, amount), session.kind.command(), patience, work).await
    }

    /// CAPTURE, VOID_AUTHORIZATION or REFUND.
    pub async fn maintain(&self, session: &Session, ask: Ask, amount: u64, patience: Duration) -> Heard {
        let kind = match ask {
            Ask::Capture | Ask::Pay => MaintainKind::Capture,
            Ask::Void => MaintainKind::Void,
            Ask::Refund => MaintainKind::Refund,
        };
        let command = MaintainCommand {
            kind,
            target: OrderTarget::Reference(reference(session)),
            money: (ask != Ask::Void).then(|| money(session, amount)),
            maintenance_reference: None,
            params: SafeParams::default(),
        };
        let name = match kind {
            MaintainKind::Capture => "CAPTURE",
            MaintainKind::Void => "VOID",
            MaintainKind::Refund => "REFUND",
        };
        let work = |gateway: Gateway, account: Arc<Account>| async move { gateway.maintain(account, command).await };
        self.ask(session, (ask, amount), name, patience, work).await
    }

    /// CHECK_STATUS.
    pub async fn status(&self, session: &Session) -> Heard {
        let Some(open) = self.next(session.order) else { return Heard::Nothing };
        let command = StatusCommand {
            target: OrderTarget::Reference(reference(session)),
            third_party_codes: ThirdPartyCodes::Unwanted,
        };
        let asking = async {
            let account = open.gateway.directory().by_access_code(&access_code(session.merchant)).await.ok()??;
            Some(open.gateway.check_status(&account, &command).await)
        };
        let answer = tokio::select! {
            biased;
            () = open.life.broken_off() => None,
            answer = asking => answer,
        };
        let Some(answer) = answer else { return Heard::Nothing };
        self.hear_status(session.order, &answer)
    }

    fn hear_status(&self, order: OrderNumber, answer: &Answer) -> Heard {
        let facts = answer.status.as_ref();
        let status = facts.map(|facts| Status { last: facts.transaction_code.number(), totals: facts.totals });
        self.watch.note(
            Some(order),
            Event::Told {
                code: answer.code.number(),
                last: status.map_or(0, |status| status.last),
                captured: status.map_or(0, |status| status.totals.captured.minor()),
                refunded: status.map_or(0, |status| status.totals.refunded.minor()),
            },
        );
        let mut auditor = self.watch.auditor();
        match status {
            Some(status) => {
                auditor.told(order, status);
                if status.last == code::UNCERTAIN.number() { Heard::Later } else { Heard::Final }
            }
            None if answer.code == code::STATUS_NOT_FOUND => {
                auditor.told_not_found(order);
                Heard::Later
            }
            None => Heard::Later,
        }
    }

    /// Makes a call that the auditor watches.
    async fn ask<F>(
        &self,
        session: &Session,
        (ask, amount): (Ask, u64),
        what: &'static str,
        patience: Duration,
        work: impl FnOnce(Gateway, Arc<Account>) -> F,
    ) -> Heard
    where
        F: Future<Output = Result<Answer, Refused>>,
    {
        let Some(Open { gateway, life }) = self.next(session.order) else { return Heard::Nothing };
        let order = Some(session.order);
        let call = self.watch.auditor().asked(session.order, ask, amount, session.meant);
        self.watch.note(order, Event::Asked { call, what, amount });
        let asking = async {
            match gateway.directory().by_access_code(&access_code(session.merchant)).await {
                Ok(Some(account)) => match work(gateway.clone(), account).await {
                    Ok(answer) => answer.code.number(),
                    Err(refused) => refused.refusal.code.number(),
                },
                Ok(None) => code::refused::INVALID_ACCESS_CODE.number(),
                Err(_) => code::refused::TECHNICAL_PROBLEM.number(),
            }
        };
        let answer = tokio::select! {
            biased;
            () = life.broken_off() => None,
            answer = tokio::time::timeout(patience, asking) => answer.ok(),
        };
        match answer {
            Some(code) => {
                self.watch.note(order, Event::Answered { call, code });
                self.watch.auditor().answered(call, code);
                Heard::of(code)
            }
            None => {
                self.watch.note(order, Event::Unheard { call });
                if life.is_over() || life.is_paused() {
                    self.watch.record().strike(session.order);
                }
                Heard::Nothing
            }
        }
    }
}

/// The merchant's reference of the session's order.
fn reference(session: &Session) -> String {
    format!("{REFERENCE_MARK}{}", session.order)
}

fn money(session: &Session, minor: u64) -> Money {
    Money { amount: Amount::from_minor(minor).unwrap_or(Amount::ZERO), currency: session.currency }
}
