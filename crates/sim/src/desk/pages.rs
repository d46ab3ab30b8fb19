//! The customers' way to the gateways' pages. Like a browser, it looks first and sends then, to whichever gateway takes
//! the call.

use super::{Ask, Desk, Open, money, reference};
use crate::audit::tokens::Wish;
use crate::merchants::Session;
use crate::record::{Event, OrderNumber};
use crate::shop::access_code;
use crate::wire::ORDER_MARK;
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tollgate_app::{Refused, SeenCheckout, Stage};
use tollgate_core::agreement::RecurringWish;
use tollgate_core::card::SecurityCode;
use tollgate_core::checkout::{Typed, TypedCard};
use tollgate_core::code::refused;
use tollgate_core::command::{CardInput, Eci, PayCommand, RememberMe, SafeParams, ThreeDsWish};
use tollgate_core::secret::Secret;

/// Whether a customer has come to the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The browser is at the page.
    Yes,
    /// The merchant's form was refused for good.
    No,
    /// Nobody answered, or the gateway could not do it now.
    Nobody,
}

/// What a browser shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The form for a card.
    Form,
    /// That the customer has to wait.
    Wait,
    /// Nothing more: it goes back to the merchant.
    Return,
    /// That there is no such page.
    Gone,
}

/// What came of sending a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The browser is sent to look again.
    Taken,
    /// It was not taken: nothing was done.
    NotTaken,
    /// Nobody answered.
    Unheard,
}

impl Desk {
    /// AUTHORIZATION or PURCHASE by the customer's browser.
    pub async fn open_page(&self, session: &Session) -> Opened {
        let Some(open) = self.next(session.order) else { return Opened::Nobody };
        let command = PayCommand {
            kind: session.kind,
            merchant_reference: reference(session),
            money: money(session, session.meant.amount),
            eci: Eci::Ecommerce,
            card: None,
            encrypted_card: None,
            token_name: None,
            token_security_code: None,
            remember_me: (session.meant.wish == Wish::Remember).then_some(RememberMe::Yes),
            payment_option: None,
            three_ds: ThreeDsWish::Default,
            authentication: None,
            settlement_reference: Some(format!("{ORDER_MARK}{}", session.order)),
            recurring: RecurringWish::default(),
            params: SafeParams::default(),
        };
        let access_code = access_code(session.merchant);
        self.watch.auditor().page_meant(session.order, session.meant);
        let opening = async {
            let account = match open.gateway.directory().by_access_code(&access_code).await {
                Ok(Some(account)) => account,
                _ => return Err(refused::TECHNICAL_PROBLEM),
            };
            let link = Box::pin(open.gateway.open_payment_page(&account, &access_code, &command)).await;
            link.map_err(|refused| refused.refusal.code)
        };
        match alive(&open, opening).await {
            Some(Ok(link)) => {
                self.watch.auditor().page_told(session.order);
                let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
                links.insert(session.order, link.as_str().to_owned());
                self.page_event(session.order, "comes", 0);
                Opened::Yes
            }
            Some(Err(code)) => {
                self.page_event(session.order, "is not let in", code.number());
                match code {
                    refused::TECHNICAL_PROBLEM => Opened::Nobody,
                    // Another form of the same customer was faster, and the payment is under way or over.
                    refused::REFERENCE_EXISTS if self.link_of(session.order).is_some() => Opened::Yes,
                    _ => Opened::No,
                }
            }
            None => Opened::Nobody,
        }
    }

    /// Looks at the page, as loading it does.
    pub async fn look_at_page(&self, session: &Session) -> Option<Page> {
        let open = self.next(session.order)?;
        self.see(&open, session).await.map(|seen| page_of(seen.as_deref()))
    }

    /// Loads the page and sends a card.
    pub async fn send_card(&self, session: &Session, card: usize, patience: Duration) -> Sent {
        let Some(open) = self.next(session.order) else { return Sent::Unheard };
        let Some(Some(seen)) = self.see(&open, session).await else { return Sent::Unheard };
        // Between loading and sending the customer types; the other gateway may take it.
        let Some(open) = self.next(session.order) else { return Sent::Unheard };
        self.send(&open, session, seen, card, patience).await
    }

    /// Loads the page once and sends a card twice.
    pub async fn click_twice(&self, session: &Session, card: usize, lag: Duration) {
        let Some(open) = self.next(session.order) else { return };
        let Some(Some(seen)) = self.see(&open, session).await else { return };
        let Some(other) = self.next(session.order) else { return };
        let patience = Duration::from_millis(60_000);
        let again = async {
            tokio::time::sleep(lag).await;
            self.send(&other, session, Arc::clone(&seen), card, patience).await
        };
        tokio::join!(self.send(&open, session, Arc::clone(&seen), card, patience), again);
    }

    /// Loads the page and cancels.
    pub async fn cancel_page(&self, session: &Session) {
        let Some(open) = self.next(session.order) else { return };
        let Some(Some(seen)) = self.see(&open, session).await else { return };
        let Some(open) = self.next(session.order) else { return };
        let code = match alive(&open, Box::pin(open.gateway.cancel_checkout(&seen))).await {
            Some(Ok(())) => 0,
            Some(Err(refused)) => refused.refusal.code.number(),
            None => return,
        };
        self.page_event(session.order, "cancels", code);
    }

    /// Where the checkout stands; `None` when nobody answers, and `Some(None)` when there is none.
    async fn see(&self, open: &Open, session: &Session) -> Option<Option<Arc<SeenCheckout>>> {
        let order = session.order;
        let link = self.link_of(order)?;
        let before = self.watch.auditor().page_before(order);
        let Ok(seen) = alive(open, Box::pin(open.gateway.checkout(&link))).await? else { return None };
        let seen = seen.map(Arc::new);
        if let Some(seen) = seen.as_ref().filter(|seen| seen.stage() == Stage::Return) {
            let answer = seen.answer();
            self.page_event(order, "goes back", answer.code.number());
            let mut auditor = self.watch.auditor();
            auditor.page_returned(order, before, answer.code.number());
            auditor.told_token(order, answer.code.number(), answer.token_name.as_deref());
        }
        if seen.as_ref().is_some_and(|seen| matches!(seen.stage(), Stage::Form(_))) {
            self.watch.auditor().page_asks_for_card(order, before);
        }
        Some(seen)
    }

    async fn send(
        &self,
        open: &Open,
        session: &Session,
        seen: Arc<SeenCheckout>,
        card: usize,
        patience: Duration,
    ) -> Sent {
        let (order, amount) = (session.order, session.meant.amount);
        let call = {
            let mut auditor = self.watch.auditor();
            auditor.page_typed(order, card);
            auditor.asked(order, Ask::Pay, amount, session.meant)
        };
        self.watch.note(Some(order), Event::Asked { call, what: "CARD", amount });
        let typed = Typed {
            card: TypedCard::New(CardInput {
                number: self.cards.get(card).cloned().map(Secret::new),
                expiry: Some("3012".to_owned()),
                security_code: SecurityCode::parse("123"),
                holder: None,
            }),
            remember_me: (session.meant.wish == Wish::Remember).then_some(RememberMe::Yes),
        };
        let sending = tokio::time::timeout(patience, Box::pin(open.gateway.submit_card(seen, typed, None)));
        match alive(open, sending).await {
            Some(Ok(Ok(()))) => {
                self.watch.note(Some(order), Event::Answered { call, code: 0 });
                self.watch.auditor().page_taken(call);
                Sent::Taken
            }
            Some(Ok(Err(Refused { refusal, .. }))) => {
                self.watch.note(Some(order), Event::Answered { call, code: refusal.code.number() });
                self.watch.auditor().answered(call, refusal.code.number());
                Sent::NotTaken
            }
            Some(Err(_)) | None => {
                self.watch.note(Some(order), Event::Unheard { call });
                if open.life.is_over() || open.life.is_paused() {
                    self.watch.record().strike(order);
                }
                Sent::Unheard
            }
        }
    }

    fn link_of(&self, order: OrderNumber) -> Option<String> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).get(&order).cloned()
    }

    fn page_event(&self, order: OrderNumber, what: &'static str, code: u32) {
        self.watch.note(Some(order), Event::Page { what, code });
    }
}

fn page_of(seen: Option<&SeenCheckout>) -> Page {
    match seen.map(SeenCheckout::stage) {
        None => Page::Gone,
        Some(Stage::Form(_)) => Page::Form,
        Some(Stage::Return) => Page::Return,
        Some(Stage::Wait | Stage::TimeIsOver | Stage::Authentication) => Page::Wait,
    }
}

/// What comes of `work` at a gateway that may die or stand still meanwhile.
async fn alive<T>(open: &Open, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = open.life.broken_off() => None,
        done = work => Some(done),
    }
}
