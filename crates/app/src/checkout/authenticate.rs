//! 3-D Secure at a checkout: a card is held while its customer is authenticated, step by step. What that leads to is in
//! [`super::follow`].
//!
//! Each step is written before anything follows from it, under the checkout's version: of two tabs, or of a browser and
//! the directory server, one is first, and the other finds it done.

use super::follow::{go_on, spawn};
use super::link::{CheckoutLink, link_to};
use super::past;
use super::seen::{SeenCheckout, see};
use crate::directory::Account;
use crate::gateway::{Gateway, Inner, Refused};
use crate::pay::{self, Judged, Opened};
use crate::three_ds::{ThreeDs, new_id};
use crate::token::{self, PaymentCard};
use std::sync::Arc;
use tollgate_core::audit::{AuditReason, AuditWho};
use tollgate_core::card::{CardData, CardFacts};
use tollgate_core::checkout::{CHECKOUT_MS_MAX, Checkout, CheckoutId, Step};
use tollgate_core::code::{THREE_DS_WANTED, refused};
use tollgate_core::command::PayCommand;
use tollgate_core::decide::{PayCard, TokenPlan};
use tollgate_core::ident::OperationId;
use tollgate_core::order::{LastOperation, Order, Phase};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::three_ds::{
    ChallengeWish as Wish, PaymentFacts, PaymentTurn, SkipReason, ThreeDsDecision, UnavailableThreeDs, wanted,
};
use tollgate_core::time::Timestamp;
use tollgate_core::token::{OrderToken, TokenId, TokenRole};
use tollgate_store::{CheckoutChange, CheckoutChanged, HeldCard};
use tollgate_threeds::element::{ChallengeWindowSize, TransactionId, WebUrl};
use tollgate_threeds::flow::{BrowserData, ChallengeWish, Event, Flow, Limits, Reply, Start as FlowStart, Taken, Todo};
use tollgate_threeds::message::RReq;
use tollgate_threeds::ranges::{Participation, RangeTerms};

/// How long after its end an authentication is taken up again, in milliseconds, if nothing has followed from it.
const OVER_DUE_AFTER_MS: u64 = 15_000;

/// What comes before a payment.
pub(crate) enum Before {
    /// Nothing: it may be sent.
    Nothing,
    /// The customer's authentication, as the card's range allows it.
    Authentication(RangeTerms, Wish),
    /// The customer's browser has to come by.
    PassBy,
}

/// What has to come before a payment with this card.
pub(crate) async fn before(
    inner: &Inner,
    account: &Account,
    command: &PayCommand,
    facts: &CardFacts,
    card: &CardData,
    turn: PaymentTurn,
) -> Result<Before, Refused> {
    let terms = &account.merchant.terms.three_ds;
    let asked = PaymentFacts { turn, ..PaymentFacts::of(command) };
    let decision = wanted(terms, &asked, &inner.origin(facts));
    let ThreeDsDecision::Run(wish) = decision else {
        return Ok(if terms.gives_url(command.kind, decision) { Before::PassBy } else { Before::Nothing });
    };
    let three_ds = enabled(inner)?;
    match three_ds.look_up(card, inner.clock.now()).await {
        Participation::Enrolled(range) => Ok(Before::Authentication(range, wish)),
        Participation::NotEnrolled if terms.gives_url(command.kind, ThreeDsDecision::Skip(SkipReason::Never)) => {
            Ok(Before::PassBy)
        }
        // An issuer that does not take part cannot be asked, and the network knows that.
        Participation::NotEnrolled => Ok(Before::Nothing),
        Participation::NoCommonVersion | Participation::Unknown => match terms.unavailable {
            UnavailableThreeDs::GoOn => Ok(Before::Nothing),
            UnavailableThreeDs::Refuse => {
                let detail = "3-D Secure is not available now, and the merchant takes no payment without it";
                let code =
                    command.kind.code(command.kind.operation(), tollgate_core::code::message::AUTHENTICATION_FAILED);
                Err(Refusal::of(code, Guilty::AcquirerLink, detail).into())
            }
        },
    }
}

pub(super) fn enabled(inner: &Inner) -> Result<&ThreeDs, Refusal> {
    let missing = || {
        let detail = "the merchant wants 3-D Secure, and the gateway has no directory server: set [three_ds] of the \
                      configuration, or `tollgate merchant set NAME --three-ds never`";
        Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::MerchantConfiguration, detail)
    };
    inner.three_ds.get().ok_or_else(missing)
}

/// The state of an authentication that begins at a checkout.
pub(crate) fn begin(
    inner: &Inner,
    link: &CheckoutLink,
    facts: &CardFacts,
    range: RangeTerms,
    wish: Wish,
    window: Option<ChallengeWindowSize>,
) -> Result<Flow, Refused> {
    let three_ds = enabled(inner)?;
    let (Some(id), Some(method_notification_url)) =
        (new_id(), url(inner, &format!("/checkout/{}/method", link.as_str())))
    else {
        return Err(no_address().into());
    };
    let start = FlowStart {
        id,
        version: range.version,
        method_url: range.method_url,
        method_notification_url,
        brand: facts.brand,
        wish: match wish {
            Wish::NoPreference => ChallengeWish::NoPreference,
            Wish::Mandated => ChallengeWish::Mandated,
        },
        window: window.unwrap_or(ChallengeWindowSize::W500),
        reach: three_ds.setup.reach,
        limits: Limits::default(),
    };
    Ok(Flow::begin(start, inner.clock.now()))
}

pub(super) fn url<const CHARS_MAX: usize>(inner: &Inner, path: &str) -> Option<WebUrl<CHARS_MAX>> {
    WebUrl::parse(&format!("{}{path}", inner.public_url.get()?))
}

pub(super) fn no_address() -> Refusal {
    let detail = "3-D Secure needs the gateway's public address: set server.public_url";
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail)
}

/// The step of an authentication, for the checkout.
pub(crate) fn step_of(flow: &Flow) -> Result<Step, Refused> {
    let unwritable = |error| Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, format!("an authentication: {error}"));
    Ok(Step::Authentication(flow.to_json().map_err(unwritable)?))
}

/// The checkout at a step of its authentication, to be looked at again when that waits for something.
fn at_flow(checkout: &Checkout, flow: &Flow, now: Timestamp) -> Result<Checkout, Refused> {
    let due_at = match flow.state().is_over() {
        // What follows has begun; where the gateway stops right now, the look for late ones begins it again.
        true => now.plus_ms(OVER_DUE_AFTER_MS),
        false => flow.deadline().unwrap_or(checkout.expires_at),
    };
    let begins = !matches!(checkout.step, Step::Authentication(_));
    let try_until = match checkout.payment_link {
        // The link lives for days, and its card form with it; who is at the bank has as long as at any other page.
        Some(_) if begins => Some(now.plus_ms(CHECKOUT_MS_MAX)),
        _ => checkout.try_until,
    };
    let due_at = due_at.min(checkout.expires_at).min(try_until.unwrap_or(checkout.expires_at));
    Ok(Checkout { due_at, try_until, ..checkout.at(step_of(flow)?) })
}

/// Holds the card that a customer has typed, and begins the authentication or waits for the browser.
pub(super) async fn hold(
    inner: &Inner,
    seen: &SeenCheckout,
    order: &Order,
    judged: Judged,
    card: PaymentCard,
    flow: Option<Flow>,
) -> Result<SeenCheckout, Refused> {
    let PaymentCard { card, receipt } = card;
    let now = inner.clock.now();
    if let Some(receipt) = receipt {
        let entry = receipt.entry(now, AuditWho::Request, AuditReason::Authentication, OperationId(order.fort_id.0));
        inner.store.note_audit(vec![entry]).await?;
    }
    let sealed = inner.vault.seal_card(order.merchant, order.fort_id, &card.pan, now).await?;
    let token = token_of(inner, judged.intent.token, now)?;
    let code = if order.phase == Phase::Open { THREE_DS_WANTED } else { order.last.code };
    let after = Order {
        token,
        card: Some(judged.intent.facts.clone()),
        original: inner.wire_reference(inner.next_number(now), now),
        last: LastOperation { code, ..order.last.clone() },
        version: order.version.saturating_add(1),
        ..order.clone()
    };
    let checkout = match &flow {
        Some(flow) => at_flow(&seen.checkout, flow, now)?,
        None => seen.checkout.at(Step::PassBy),
    };
    let held = HeldCard { order: after.clone(), facts: judged.intent.facts, card: sealed };
    let change = CheckoutChange { checkout: checkout.clone(), held: Some(Box::new(held)), at: now };
    match inner.store.change_checkout(change).await? {
        CheckoutChanged::Overtaken => return Err(pay::overtaken().into()),
        CheckoutChanged::Written => {}
    }
    hold_code(inner, order.fort_id.0, &card);
    Ok(SeenCheckout { checkout, order: Some(after), ..seen.clone() })
}

/// The security code waits in memory for the one authorization.
pub(crate) fn hold_code(inner: &Inner, number: i64, card: &CardData) {
    if let Some(code) = &card.security_code {
        inner.held_codes().hold(TokenId(number), code.clone(), inner.clock.now());
    }
}

/// What the order tells of a token while its card is held.
pub(crate) fn token_of(inner: &Inner, plan: TokenPlan, now: Timestamp) -> Result<Option<OrderToken>, Refused> {
    Ok(match plan {
        TokenPlan::None => None,
        TokenPlan::Use(token) => Some(token),
        TokenPlan::Save(Some(name)) => Some(OrderToken { name, role: TokenRole::Saves }),
        TokenPlan::Save(None) => Some(OrderToken { name: inner.vault.token_name(now)?, role: TokenRole::Saves }),
    })
}

/// What happens to an authentication.
#[derive(Debug)]
pub enum ThreeDsEvent {
    /// What the customer's browser is came.
    Browser(Box<BrowserData>),
    /// The ACS says that the 3DS method is done.
    MethodDone(TransactionId),
    /// The directory server posted a result.
    Results(Box<RReq>),
    /// The ACS posted this `cres` through the browser.
    ChallengeReturned(String),
    /// Time passed.
    Tick,
}

/// Takes what happened, and begins what follows from it; gives what the directory server is told. What follows goes on to
/// its end by itself.
pub(super) async fn happened(
    gateway: &Gateway,
    seen: &Arc<SeenCheckout>,
    event: ThreeDsEvent,
) -> Result<Option<Reply>, Refused> {
    let inner = &gateway.inner;
    if let ThreeDsEvent::Results(rreq) = &event
        && let Some(reply) = past::reply(&seen.checkout, rreq)
    {
        return Ok(Some(reply));
    }
    match &seen.checkout.step {
        Step::PassBy if matches!(event, ThreeDsEvent::Browser(_)) => {
            go_on(gateway, Arc::clone(seen), None).await?;
            return Ok(None);
        }
        Step::Authentication(_) => {}
        Step::Card | Step::PassBy | Step::Ended(_) => return Ok(None),
    }
    let Some(mut flow) = seen.flow() else { return Err(unreadable().into()) };
    let now = inner.clock.now();
    let mut step = match &event {
        ThreeDsEvent::Browser(data) => {
            let mut step = flow.apply(Event::BrowserCame(data), now);
            // The page sends this after the method's time is over, or after the method is done.
            if matches!(step.todo, Todo::AwaitMethod { .. }) {
                step = flow.apply(Event::MethodTimedOut, now);
            }
            step
        }
        ThreeDsEvent::MethodDone(id) => flow.apply(Event::MethodDone(id), now),
        ThreeDsEvent::Results(rreq) => flow.apply(Event::Results(rreq), now),
        ThreeDsEvent::ChallengeReturned(cres) => flow.apply(Event::ChallengeReturned(cres), now),
        ThreeDsEvent::Tick => flow.apply(Event::Tick, now),
    };
    let reply = step.reply.take();
    let waits = matches!(event, ThreeDsEvent::Browser(_) | ThreeDsEvent::Tick);
    // What an authentication that is over leads to has begun with the event that ended it; only where it was cut off,
    // time takes it up again.
    let was_cut_off = step.todo == Todo::Done && matches!(event, ThreeDsEvent::Tick);
    let goes_on = step.taken == Taken::Yes || step.todo == Todo::SendRequest || was_cut_off;
    if !goes_on {
        return Ok(reply);
    }
    let seen = Arc::new(write(inner, seen, &flow).await?);
    if matches!(step.todo, Todo::SendRequest | Todo::Done) {
        let work = go_on(gateway, seen, Some((flow, step.todo)));
        if waits { work.await? } else { spawn(gateway, work) }
    }
    Ok(reply)
}

/// Lets the time pass at a checkout that waits for something.
pub(super) async fn time_passed(gateway: &Gateway, checkout: Checkout) -> Result<(), Refused> {
    let seen = Arc::new(see(&gateway.inner, checkout).await?);
    match happened(gateway, &seen, ThreeDsEvent::Tick).await {
        Err(Refused { refusal, .. }) if refusal.code == refused::STILL_PROCESSING => Ok(()),
        done => done.map(drop),
    }
}

/// Writes the state of an authentication.
pub(super) async fn write(inner: &Inner, seen: &SeenCheckout, flow: &Flow) -> Result<SeenCheckout, Refused> {
    let checkout = at_flow(&seen.checkout, flow, inner.clock.now())?;
    let change = CheckoutChange { checkout: checkout.clone(), held: None, at: inner.clock.now() };
    match inner.store.change_checkout(change).await? {
        CheckoutChanged::Written => Ok(SeenCheckout { checkout, ..seen.clone() }),
        CheckoutChanged::Overtaken => Err(pay::overtaken().into()),
    }
}

pub(super) fn unreadable() -> Refusal {
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "the state of an authentication cannot be read")
}

/// The link to the checkout of an order that the payment API begins.
pub(crate) async fn link_of(inner: &Inner, id: CheckoutId) -> Result<CheckoutLink, Refused> {
    Ok(link_to(inner, id).await?)
}

/// Whether a card is held.
pub(super) enum Held {
    /// It is: the checkout goes on by itself.
    Yes,
    /// Nothing comes before the payment.
    No(Box<Judged>),
}

/// Holds the card that a customer has typed on the page where something has to come before the payment, and begins it.
pub(super) async fn hold_if_wanted(
    gateway: &Gateway,
    seen: &Arc<SeenCheckout>,
    order: &Order,
    mut judged: Box<Judged>,
    browser: Option<Box<BrowserData>>,
) -> Result<Held, Refused> {
    let inner = &gateway.inner;
    let asked = PaymentFacts::of(&judged.command);
    let terms = &seen.account.merchant.terms.three_ds;
    if let ThreeDsDecision::Skip(_) = wanted(terms, &asked, &inner.origin(&judged.intent.facts)) {
        return Ok(Held::No(judged));
    }
    let facts = judged.intent.facts.clone();
    let PaymentCard { card, receipt } = token::card(inner, judged.intent.card, &facts, judged.stored.as_ref()).await?;
    match before(inner, &seen.account, &judged.command, &facts, &card, PaymentTurn::First).await? {
        Before::Nothing | Before::PassBy => {
            judged.intent.card = PayCard::Sent(card);
            judged.opened = receipt.map(|receipt| Opened { receipt, why: AuditReason::PaymentByToken });
            Ok(Held::No(judged))
        }
        Before::Authentication(range, wish) => {
            let flow = begin(inner, &seen.link, &facts, range, wish, None)?;
            judged.intent.card = PayCard::Kept { expiry: card.expiry, security_code: None };
            let held = Arc::new(hold(inner, seen, order, *judged, PaymentCard { card, receipt }, Some(flow)).await?);
            // What the browser is came with the form; where the ACS wants to run its method, that comes first.
            let asks_only = held.flow().is_some_and(|flow| matches!(flow.todo(), Todo::CollectBrowser(None)));
            if let Some(browser) = browser.filter(|_| asks_only) {
                Box::pin(happened(gateway, &held, ThreeDsEvent::Browser(browser))).await?;
            }
            Ok(Held::Yes)
        }
    }
}
