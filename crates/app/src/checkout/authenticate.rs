//! 3-D Secure at a checkout: a card is held while its customer is authenticated, and then it is paid with, or not.
//!
//! Each step is written before anything follows from it, under the checkout's version: of two tabs, or of a browser and
//! the directory server, one is first, and the other finds it done.

use super::close;
use super::link::{CheckoutLink, link_to};
use super::seen::{SeenCheckout, see};
use super::submit::{after_try, may_try_again};
use crate::directory::Account;
use crate::gateway::{Gateway, Inner, Refused, Unsettled};
use crate::pay::{self, Judged, Opened, Start};
use crate::three_ds::{PurchaseUrls, ThreeDs, new_id};
use crate::token::{self, PaymentCard};
use std::sync::Arc;
use tollgate_core::answer::Answer;
use tollgate_core::audit::{AuditReason, AuditWho};
use tollgate_core::card::{CardData, CardFacts, Expiry};
use tollgate_core::checkout::{CHECKOUT_MS_MAX, Checkout, CheckoutId, End, Purpose, Step, Typed, TypedCard};
use tollgate_core::code::{THREE_DS_WANTED, UNCERTAIN, refused};
use tollgate_core::command::PayCommand;
use tollgate_core::decide::{PayCard, PayIntent, TokenPlan};
use tollgate_core::ident::OperationId;
use tollgate_core::order::{LastOperation, OperationEvent, Order, Phase};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::Route;
use tollgate_core::three_ds::{
    Authentication, AuthenticationStatus, ChallengeWish as Wish, PaymentFacts, PaymentTurn, SkipReason,
    ThreeDsDecision, UnavailableThreeDs, is_soft_decline, wanted,
};
use tollgate_core::time::Timestamp;
use tollgate_core::token::{OrderToken, TokenId, TokenRole};
use tollgate_store::{CheckoutChange, CheckoutChanged, HeldCard, StoredOrder};
use tollgate_threeds::element::{ChallengeWindowSize, TransactionId, WebUrl};
use tollgate_threeds::flow::{
    BrowserData, ChallengeWish, Event, Flow, Limits, Outcome, Reply, Start as FlowStart, Taken, Todo,
};
use tollgate_threeds::message::{MessageType, RReq};
use tollgate_threeds::port::DirectoryRequest;
use tollgate_threeds::ranges::{Participation, RangeTerms};
use tollgate_vault::Revealed;

/// How long after its end an authentication is taken up again, in milliseconds, if nothing has followed from it.
const OVER_DUE_AFTER_MS: u64 = 15_000;
/// How many sentences about authentications a checkout keeps at most.
const TOLD_MAX: usize = 16;
/// How many steps one event may lead to at most: asking the directory server, and paying.
const STEPS_MAX: usize = 8;

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

fn enabled(inner: &Inner) -> Result<&ThreeDs, Refusal> {
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

fn url<const CHARS_MAX: usize>(inner: &Inner, path: &str) -> Option<WebUrl<CHARS_MAX>> {
    WebUrl::parse(&format!("{}{path}", inner.public_url.get()?))
}

fn no_address() -> Refusal {
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

fn spawn(gateway: &Gateway, work: impl Future<Output = Result<(), Refused>> + Send + 'static) {
    gateway.inner.in_flight.spawn(async move {
        if let Err(Refused { refusal, .. }) = work.await
            && refusal.code != refused::STILL_PROCESSING
        {
            tracing::warn!(code = %refusal.code, detail = %refusal.detail, "a payment after an authentication was refused");
        }
    });
}

/// Writes the state of an authentication.
async fn write(inner: &Inner, seen: &SeenCheckout, flow: &Flow) -> Result<SeenCheckout, Refused> {
    let checkout = at_flow(&seen.checkout, flow, inner.clock.now())?;
    let change = CheckoutChange { checkout: checkout.clone(), held: None, at: inner.clock.now() };
    match inner.store.change_checkout(change).await? {
        CheckoutChanged::Written => Ok(SeenCheckout { checkout, ..seen.clone() }),
        CheckoutChanged::Overtaken => Err(pay::overtaken().into()),
    }
}

/// Asks the directory server, and pays or closes when the authentication is over. Goes on to its end even when the caller
/// stops waiting.
fn go_on(
    gateway: &Gateway,
    seen: Arc<SeenCheckout>,
    flow: Option<(Flow, Todo)>,
) -> impl Future<Output = Result<(), Refused>> + Send + 'static {
    let (gateway, unsettled) = (gateway.clone(), Unsettled::default());
    let (inner, told) = (Arc::clone(&gateway.inner), unsettled.clone());
    async move {
        let work = async move {
            let mut seen = seen;
            let Some((mut flow, mut todo)) = flow else {
                return pay_held(&inner, &seen, None, &told).await;
            };
            for _ in 0..STEPS_MAX {
                match todo {
                    Todo::SendRequest => {
                        let answered = ask(&inner, &seen, &flow).await?;
                        let now = inner.clock.now();
                        let event = match &answered {
                            Ok(body) => Event::Answered(body),
                            Err(failure) => Event::RequestFailed(*failure),
                        };
                        let step = flow.apply(event, now);
                        seen = Arc::new(write(&inner, &seen, &flow).await?);
                        tell(&inner, step.reply).await;
                        todo = step.todo;
                    }
                    Todo::Done => return conclude(&inner, &seen, &flow, &told).await,
                    _ => break,
                }
            }
            Ok(Answer::bare(UNCERTAIN))
        };
        gateway.to_its_end(unsettled, work).await.map(drop)
    }
}

/// Sends the AReq.
async fn ask(
    inner: &Inner,
    seen: &SeenCheckout,
    flow: &Flow,
) -> Result<Result<Vec<u8>, tollgate_threeds::port::ExchangeFailure>, Refused> {
    let three_ds = enabled(inner)?;
    let (held, opened) = held_card(inner, seen, AuditReason::Authentication).await?;
    let Some(fort_id) = seen.checkout.order() else { return Err(unreadable().into()) };
    inner.store.note_audit(vec![opened.entry(inner.clock.now(), OperationId(fort_id.0))]).await?;
    let link = seen.link.as_str();
    let urls = (url(inner, &format!("/3ds/results/{link}")), url(inner, &format!("/checkout/{link}/challenged")));
    let (Some(results), Some(notification)) = urls else { return Err(no_address().into()) };
    let urls = PurchaseUrls { results, notification };
    let money = money_of(seen)?;
    let purchase = three_ds.purchase(&seen.account, &seen.checkout, &held, money, urls, inner.clock.now());
    let Some(request) = purchase.and_then(|purchase| flow.request(purchase)) else {
        let detail = "the merchant's acquirer terms do not fit 3-D Secure: look at country, category and card acceptor";
        return Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::MerchantConfiguration, detail).into());
    };
    Ok(three_ds.setup.directory.exchange(DirectoryRequest::of(&request, MessageType::ARes)).await)
}

/// Tells the directory server what is wrong with its answer; what it says to that does not matter.
async fn tell(inner: &Inner, reply: Option<Reply>) {
    if let (Some(Reply::Erro(erro)), Some(three_ds)) = (reply, inner.three_ds.get()) {
        let _ = three_ds.setup.directory.exchange(DirectoryRequest::of(&erro, MessageType::Erro)).await;
    }
}

/// The end of an authentication: the payment goes on, or the order is closed.
async fn conclude(inner: &Inner, seen: &SeenCheckout, flow: &Flow, told: &Unsettled) -> Result<Answer, Refused> {
    let Some(outcome) = flow.outcome() else { return Err(unreadable().into()) };
    let goes_on = match outcome {
        Outcome::Judged(judgement) => match judgement.authentication.status {
            AuthenticationStatus::Authenticated | AuthenticationStatus::Attempted => true,
            AuthenticationStatus::Unavailable => {
                seen.account.merchant.terms.three_ds.unavailable == UnavailableThreeDs::GoOn
            }
            AuthenticationStatus::NotAuthenticated | AuthenticationStatus::Rejected => false,
        },
        Outcome::Failed(_) => false,
    };
    let fort_id = seen.checkout.order();
    tracing::info!(fort_id = fort_id.map_or(0, |id| id.0), goes_on, "3-D Secure: {outcome}");
    let seen = &with_told(seen, format!("{}: {outcome}", inner.clock.now()));
    if goes_on {
        let proof = match outcome {
            Outcome::Judged(judgement) => Some(judgement.authentication.clone()),
            Outcome::Failed(_) => None,
        };
        return pay_held(inner, seen, proof, told).await;
    }
    not_authenticated(inner, seen).await?;
    Ok(Answer::bare(UNCERTAIN))
}

/// The try comes to nothing; the customer may type another card where one is left.
async fn not_authenticated(inner: &Inner, seen: &SeenCheckout) -> Result<(), Refused> {
    let Some(order) = &seen.order else { return Err(unreadable().into()) };
    let next = match may_try_again(&seen.checkout, order) {
        true => Step::Card,
        false => Step::Ended(End::AsOrder),
    };
    let tries = seen.checkout.tries.saturating_add(1);
    let after = Checkout { tries, ..seen.checkout.at(next) };
    close::close(inner, order, OperationEvent::NotAuthenticated, &after).await
}

/// Gives an authentication up that nobody has finished, at a checkout that goes on.
pub(super) async fn give_up(inner: &Inner, checkout: Checkout) -> Result<(), Refused> {
    let seen = see(inner, checkout).await?;
    let seen = with_told(&seen, format!("{}: not finished in time", inner.clock.now()));
    not_authenticated(inner, &seen).await
}

/// The checkout with one more sentence about what an authentication came to. It is written with what follows.
fn with_told(seen: &SeenCheckout, sentence: String) -> SeenCheckout {
    let mut seen = seen.clone();
    if seen.checkout.told.len() < TOLD_MAX {
        seen.checkout.told.push(sentence);
    }
    seen
}

/// Pays with the card that is held.
async fn pay_held(
    inner: &Inner,
    seen: &SeenCheckout,
    proof: Option<Authentication>,
    told: &Unsettled,
) -> Result<Answer, Refused> {
    let (card, opened) = held_card(inner, seen, AuditReason::AuthenticatedPayment).await?;
    let (Purpose::Pay(wish), Some(order)) = (&seen.checkout.purpose, &seen.order) else {
        return Err(unreadable().into());
    };
    let Some(facts) = order.card.clone() else { return Err(unreadable().into()) };
    let typed = Typed { card: TypedCard::CodeOfToken(None), remember_me: None };
    let command = wish.command(typed, &seen.checkout.params);
    let plan = match &order.token {
        None => TokenPlan::None,
        Some(token) if token.role == TokenRole::Saves => TokenPlan::Save(Some(token.name.clone())),
        Some(token) => TokenPlan::Use(token.clone()),
    };
    let stored = match &plan {
        TokenPlan::Use(token) => inner.store.token(order.merchant, &token.name).await?,
        _ => None,
    };
    // A token that was deleted or lapsed meanwhile leaves the card to the order.
    let plan = if matches!(plan, TokenPlan::Use(_)) && stored.is_none() { TokenPlan::None } else { plan };
    let intent = PayIntent {
        card: PayCard::Sent(card),
        facts,
        token: plan,
        kind: wish.kind,
        money: wish.money(),
        authentication: proof,
    };
    let route = Route::of_number(wish.route).unwrap_or(Route::HostedPage);
    let judged = Judged { command, intent, stored, route, opened: Some(opened) };
    let paid =
        pay::carry_out(inner, &seen.account, judged, Start::Try { order, checkout: &seen.checkout }, told).await?;
    after_try(inner, seen, &paid.answer).await;
    Ok(paid.answer)
}

/// The card that an order holds, with the security code if it waits; and what the audit log is told of it.
async fn held_card(inner: &Inner, seen: &SeenCheckout, why: AuditReason) -> Result<(CardData, Opened), Refused> {
    let Some(order) = &seen.order else { return Err(unreadable().into()) };
    let target = tollgate_core::command::OrderTarget::FortId(order.fort_id);
    let stored = inner.store.order(order.merchant, &target).await?;
    let Some(stored) = stored.filter(|stored: &StoredOrder| stored.order.version == order.version) else {
        return Err(pay::overtaken().into());
    };
    let Revealed { pan, receipt } = token::open_card(inner, &stored).await?;
    let Some(facts) = &order.card else { return Err(unreadable().into()) };
    let Some(expiry) = Expiry::parse(&facts.expiry) else { return Err(unreadable().into()) };
    // The security code is taken once the try is claimed.
    Ok((CardData { pan, expiry, security_code: None, holder: facts.holder.clone() }, Opened { receipt, why }))
}

fn money_of(seen: &SeenCheckout) -> Result<tollgate_core::money::Money, Refused> {
    match &seen.checkout.purpose {
        Purpose::Pay(wish) => Ok(wish.money()),
        Purpose::Tokenize(_) => Err(unreadable().into()),
    }
}

fn unreadable() -> Refusal {
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "the state of an authentication cannot be read")
}

/// The link to the checkout of an order that the payment API begins.
pub(crate) async fn link_of(inner: &Inner, id: CheckoutId) -> Result<CheckoutLink, Refused> {
    Ok(link_to(inner, id).await?)
}

/// Whether a try that the issuer declined for want of an authentication is followed by one with a challenge. If so, it has
/// begun: the order has the card, and the security code was for one authorization.
pub(super) async fn retries(inner: &Inner, seen: &SeenCheckout, answer: &Answer) -> Result<bool, Refused> {
    let Purpose::Pay(wish) = &seen.checkout.purpose else { return Ok(false) };
    if !answer.acquirer_code.as_deref().is_some_and(is_soft_decline) {
        return Ok(false);
    }
    let Some(checkout) = inner.store.checkout(seen.checkout.id).await? else { return Ok(false) };
    let tried = see(inner, checkout).await?;
    let takes_one = |order: &&Order| order.takes_a_try() && may_try_again(&seen.checkout, order);
    let Some(order) = tried.order.as_ref().filter(takes_one) else { return Ok(false) };
    let Some(facts) = &order.card else { return Ok(false) };
    let typed = Typed { card: TypedCard::CodeOfToken(None), remember_me: None };
    let command = wish.command(typed, &tried.checkout.params);
    let asked = PaymentFacts { turn: PaymentTurn::AfterSoftDecline, ..PaymentFacts::of(&command) };
    if let ThreeDsDecision::Skip(_) = wanted(&seen.account.merchant.terms.three_ds, &asked, &inner.origin(facts)) {
        return Ok(false);
    }
    let (card, opened) = held_card(inner, &tried, AuditReason::Authentication).await?;
    inner.store.note_audit(vec![opened.entry(inner.clock.now(), OperationId(order.fort_id.0))]).await?;
    match before(inner, &seen.account, &command, facts, &card, PaymentTurn::AfterSoftDecline).await? {
        Before::Authentication(range, wish) => {
            let flow = begin(inner, &seen.link, facts, range, wish, None)?;
            write(inner, &tried, &flow).await.map(|_| true)
        }
        Before::Nothing | Before::PassBy => Ok(false),
    }
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
    mut judged: Judged,
    browser: Option<Box<BrowserData>>,
) -> Result<Held, Refused> {
    let inner = &gateway.inner;
    let asked = PaymentFacts::of(&judged.command);
    let terms = &seen.account.merchant.terms.three_ds;
    if let ThreeDsDecision::Skip(_) = wanted(terms, &asked, &inner.origin(&judged.intent.facts)) {
        return Ok(Held::No(Box::new(judged)));
    }
    let facts = judged.intent.facts.clone();
    let PaymentCard { card, receipt } = token::card(inner, judged.intent.card, &facts, judged.stored.as_ref()).await?;
    match before(inner, &seen.account, &judged.command, &facts, &card, PaymentTurn::First).await? {
        Before::Nothing | Before::PassBy => {
            judged.intent.card = PayCard::Sent(card);
            judged.opened = receipt.map(|receipt| Opened { receipt, why: AuditReason::PaymentByToken });
            Ok(Held::No(Box::new(judged)))
        }
        Before::Authentication(range, wish) => {
            let flow = begin(inner, &seen.link, &facts, range, wish, None)?;
            judged.intent.card = PayCard::Kept { expiry: card.expiry, security_code: None };
            let held = Arc::new(hold(inner, seen, order, judged, PaymentCard { card, receipt }, Some(flow)).await?);
            // What the browser is came with the form; where the ACS wants to run its method, that comes first.
            let asks_only = held.flow().is_some_and(|flow| matches!(flow.todo(), Todo::CollectBrowser(None)));
            if let Some(browser) = browser.filter(|_| asks_only) {
                Box::pin(happened(gateway, &held, ThreeDsEvent::Browser(browser))).await?;
            }
            Ok(Held::Yes)
        }
    }
}
