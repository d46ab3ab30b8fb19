//! The merchants' way to the gateways that live at the moment. Whatever is asked and answered here, the auditor hears.

pub mod pages;

use crate::audit::agreements::{Agreed, ChargedBy, agreement_name};
use crate::audit::tokens::{Chore, Wish, own_name};
use crate::audit::{Ask, Status};
use crate::chance::Chance;
use crate::clock::BEGINNING;
use crate::due::REFERENCE_MARK;
use crate::life::Life;
use crate::merchants::{Session, TokenChore};
use crate::record::{Event, OrderNumber};
use crate::shop::{access_code, merchant_id};
use crate::store::WorldStore;
use crate::tables::HashMap;
use crate::wallet::TokenKey;
use crate::watch::Watch;
use crate::wire::ORDER_MARK;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tollgate_app::{Account, Gateway, Refused};
use tollgate_core::agreement::{Day, RecurringMode, RecurringWish};
use tollgate_core::answer::Answer;
use tollgate_core::billing::{BillingCycle, CycleUnit};
use tollgate_core::card::SecurityCode;
use tollgate_core::code::{self, ResponseCode};
use tollgate_core::command::{
    CardInput, Eci, MaintainCommand, MaintainKind, OrderTarget, PayCommand, RememberMe, SafeParams, StatusCommand,
    ThirdPartyCodes, ThreeDsWish, UpdateTokenCommand,
};
use tollgate_core::money::{Amount, Money};
use tollgate_core::secret::Secret;
use tollgate_core::token::TokenStatus;
use tollgate_store::Tokens;

/// The way to the gateways.
pub struct Desk {
    watch: Arc<Watch>,
    seed: u64,
    cards: Vec<String>,
    /// By node.
    open: Mutex<BTreeMap<u8, Open>>,
    /// How many calls were made for each order: names the chance of the next one.
    calls: Mutex<HashMap<OrderNumber, u64>>,
    /// The names that merchants have heard of their payments.
    names: Mutex<HashMap<OrderNumber, String>>,
    /// The links to the pages of customers.
    links: Mutex<HashMap<OrderNumber, String>>,
}

/// An answer, as far as the auditor hears it.
struct Told {
    code: u32,
    token: Option<String>,
}

/// A gateway that takes calls.
#[derive(Clone)]
pub struct Open {
    /// The gateway.
    pub gateway: Gateway,
    /// Its store, for what no call of a merchant leads to yet.
    pub store: Arc<WorldStore>,
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
        Desk {
            watch,
            seed,
            cards,
            open: Mutex::default(),
            calls: Mutex::default(),
            names: Mutex::default(),
            links: Mutex::default(),
        }
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

    /// Whether any gateway takes calls.
    pub fn is_open(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().any(|open| !open.life.is_paused())
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// One of the gateways that take calls.
    pub fn one_of(&self, chance: &mut Chance) -> Option<Open> {
        let all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || all.values().filter(|open| !open.life.is_paused());
        let last = open().count().checked_sub(1)?;
        let place = usize::try_from(chance.between(0, last as u64)).unwrap_or(0);
        open().nth(place).cloned()
    }

    /// The gateway that the next call about an order goes to. The call is counted.
    fn next(&self, order: OrderNumber) -> Option<Open> {
        if !self.is_open() {
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
        let means = self.means(session);
        let command = Box::new(PayCommand {
            kind: session.kind,
            merchant_reference: reference(session),
            money: money(session, session.meant.amount),
            eci: if matches!(session.meant.agreed, Agreed::Charges(_)) { Eci::Recurring } else { Eci::Ecommerce },
            card: means.card,
            encrypted_card: None,
            token_name: means.token_name,
            token_security_code: None,
            remember_me: (session.meant.wish == Wish::Remember).then_some(RememberMe::Yes),
            payment_option: None,
            three_ds: ThreeDsWish::Default,
            authentication: None,
            settlement_reference: Some(format!("{ORDER_MARK}{}", session.order)),
            recurring: recurring(session),
            params: SafeParams::default(),
        });
        let amount = session.meant.amount;
        let work = |gateway: Gateway, account| async move { gateway.pay(account, *command).await };
        self.ask(session, (Ask::Pay, amount), session.kind.command(), patience, work).await
    }

    /// The card or the name that a session pays with.
    fn means(&self, session: &Session) -> Means {
        let own = |number| Some(own_name(session.merchant, number));
        let card = || {
            Some(CardInput {
                number: self.cards.get(session.meant.card).cloned().map(Secret::new),
                expiry: Some("3012".to_owned()),
                security_code: SecurityCode::parse("123"),
                holder: None,
            })
        };
        match session.meant.wish {
            Wish::None | Wish::Remember => Means { card: card(), token_name: None },
            Wish::Keep(number) => Means { card: card(), token_name: own(number) },
            Wish::Use(number) => Means { card: None, token_name: own(number) },
            Wish::UseOf(maker) => {
                let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                // A name that nobody has heard is none.
                Means { card: None, token_name: Some(names.get(&maker).map_or("unheard", String::as_str).to_owned()) }
            }
        }
    }

    /// Changes or deletes a name of a merchant.
    pub async fn do_chore(&self, merchant: u64, order: OrderNumber, chore: TokenChore) {
        tokio::time::sleep(Duration::from_millis(chore.after_ms)).await;
        let Some(open) = self.next(order) else { return };
        let key = |number| TokenKey { merchant, name: own_name(merchant, number) };
        let (name, next) = (key(chore.name), key(chore.next));
        let since = self.watch.auditor().token_step();
        let asking = async {
            match chore.chore {
                Chore::Delete => open.store.delete_token(merchant_id(merchant), &name.name).await.ok().map(|_| 0),
                change => {
                    let account = open.gateway.directory().by_access_code(&access_code(merchant)).await.ok()??;
                    let command = UpdateTokenCommand {
                        token_name: name.name.clone(),
                        new_token_name: (change == Chore::Rename).then(|| next.name.clone()),
                        expiry: None,
                        holder: None,
                        currency: None,
                        status: match change {
                            Chore::SwitchOff => Some(TokenStatus::Inactive),
                            Chore::SwitchOn => Some(TokenStatus::Active),
                            Chore::Rename | Chore::Delete => None,
                        },
                    };
                    Some(match open.gateway.update_token(&account, &command).await {
                        Ok(answer) => answer.code.number(),
                        Err(refused) => refused.refusal.code.number(),
                    })
                }
            }
        };
        let code = tokio::select! {
            biased;
            () = open.life.broken_off() => None,
            code = asking => code,
        };
        self.watch.note(Some(order), Event::Chore { what: chore.chore.word(), code: code.unwrap_or(0) });
        if let Some(code) = code {
            let after = if chore.chore == Chore::Rename { &next } else { &name };
            self.watch.auditor().chore_done(chore.chore, &name, after, since, code);
        }
    }

    /// CAPTURE, VOID_AUTHORIZATION or REFUND.
    pub async fn maintain(&self, session: &Session, ask: Ask, amount: u64, patience: Duration) -> Heard {
        let kind = match ask {
            Ask::Capture | Ask::Pay => MaintainKind::Capture,
            Ask::Void => MaintainKind::Void,
            Ask::Refund => MaintainKind::Refund,
        };
        let command = Box::new(MaintainCommand {
            kind,
            target: OrderTarget::Reference(reference(session)),
            money: (ask != Ask::Void).then(|| money(session, amount)),
            maintenance_reference: None,
            params: SafeParams::default(),
        });
        let name = match kind {
            MaintainKind::Capture => "CAPTURE",
            MaintainKind::Void => "VOID",
            MaintainKind::Refund => "REFUND",
        };
        let work = |gateway: Gateway, account| async move { gateway.maintain(account, *command).await };
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
        let Some(Open { gateway, life, .. }) = self.next(session.order) else { return Heard::Nothing };
        let order = Some(session.order);
        let call = self.watch.auditor().asked(session.order, ask, amount, session.meant);
        self.watch.note(order, Event::Asked { call, what, amount });
        let asking = async {
            match gateway.directory().by_access_code(&access_code(session.merchant)).await {
                // A place of its own in memory: what a session does is moved several times, and has room for many calls.
                Ok(Some(account)) => match Box::pin(work(gateway.clone(), account)).await {
                    Ok(answer) => Told { code: answer.code.number(), token: answer.token_name },
                    Err(refused) => Told::refused(refused.refusal.code),
                },
                Ok(None) => Told::refused(code::refused::INVALID_ACCESS_CODE),
                Err(_) => Told::refused(code::refused::TECHNICAL_PROBLEM),
            }
        };
        let answer = tokio::select! {
            biased;
            () = life.broken_off() => None,
            answer = tokio::time::timeout(patience, asking) => answer.ok(),
        };
        match answer {
            Some(Told { code, token }) => {
                self.watch.note(order, Event::Answered { call, code });
                let mut auditor = self.watch.auditor();
                auditor.answered(call, code);
                if ask == Ask::Pay {
                    auditor.told_token(session.order, code, token.as_deref());
                    let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                    names.extend(token.map(|name| (session.order, name)));
                }
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

/// With what a payment is made.
struct Means {
    card: Option<CardInput>,
    token_name: Option<String>,
}

impl Told {
    fn refused(code: ResponseCode) -> Told {
        Told { code: code.number(), token: None }
    }
}

/// The merchant's reference of the session's order.
fn reference(session: &Session) -> String {
    format!("{REFERENCE_MARK}{}", session.order)
}

/// What a session's payment says of agreements.
fn recurring(session: &Session) -> RecurringWish {
    match session.meant.agreed {
        Agreed::Nothing => RecurringWish::default(),
        Agreed::Opens { charges_max, charged } => RecurringWish {
            agreement_id: Some(agreement_name(session.order)),
            mode: Some(RecurringMode::Variable),
            charges_max: Some(charges_max),
            cycle: (charged == ChargedBy::Gateway).then(|| BillingCycle::every(1, CycleUnit::Daily)).flatten(),
            first_day: (charged == ChargedBy::Gateway).then(|| Day::of(BEGINNING)),
            ..RecurringWish::default()
        },
        Agreed::Charges(opener) => {
            RecurringWish { agreement_id: Some(agreement_name(opener)), ..RecurringWish::default() }
        }
    }
}

fn money(session: &Session, minor: u64) -> Money {
    Money { amount: Amount::from_minor(minor).unwrap_or(Amount::ZERO), currency: session.currency }
}
