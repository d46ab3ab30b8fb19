//! What an authentication leads to: the directory server is asked, and when it is over the payment follows, or the order is
//! closed. It goes on to its end by itself, whoever stops waiting.

use super::authenticate::{enabled, no_address, unreadable, url, write};
use super::seen::{SeenCheckout, see};
use super::submit::{after_try, may_try_again};
use super::{close, past};
use crate::gateway::{Gateway, Inner, Refused, Unsettled};
use crate::pay::{self, Judged, Opened, Start};
use crate::three_ds::PurchaseUrls;
use crate::token;
use std::sync::Arc;
use tollgate_core::answer::Answer;
use tollgate_core::audit::AuditReason;
use tollgate_core::card::{CardData, Expiry};
use tollgate_core::checkout::{Checkout, End, Purpose, Step, Typed, TypedCard};
use tollgate_core::code::{THREE_DS_WANTED, UNCERTAIN, refused};
use tollgate_core::decide::{PayCard, PayIntent, TokenPlan};
use tollgate_core::ident::OperationId;
use tollgate_core::order::OperationEvent;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::scope::Route;
use tollgate_core::three_ds::{Authentication, AuthenticationStatus, UnavailableThreeDs};
use tollgate_core::token::TokenRole;
use tollgate_store::StoredOrder;
use tollgate_threeds::flow::{Event, Flow, Outcome, Reply, Todo};
use tollgate_threeds::message::MessageType;
use tollgate_threeds::port::DirectoryRequest;
use tollgate_vault::Revealed;

/// How many steps one event may lead to at most: asking the directory server, and paying.
const STEPS_MAX: usize = 8;

/// Asks the directory server, and pays or closes when the authentication is over. Goes on to its end even when the caller
/// stops waiting.
pub(super) fn go_on(
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
    let checkout = past::left_by(&seen.checkout, flow, inner.clock.now());
    let seen = &SeenCheckout { checkout, ..seen.clone() };
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
    let checkout = past::left_in_the_middle(&checkout, Event::Abandoned, inner.clock.now());
    let seen = see(inner, checkout).await?;
    not_authenticated(inner, &seen).await
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
    let judged = Box::new(Judged { command, intent, stored, route, agreement: None, opened: Some(opened) });
    let paid =
        pay::carry_out(inner, &seen.account, judged, Start::Try { order, checkout: &seen.checkout }, told).await?;
    // Where the issuer wants an authentication, that has begun with its answer.
    if paid.answer.code != THREE_DS_WANTED {
        after_try(inner, seen, &paid.answer).await;
    }
    Ok(paid.answer)
}

/// The card that an order holds, with the security code if it waits; and what the audit log is told of it.
pub(super) async fn held_card(
    inner: &Inner,
    seen: &SeenCheckout,
    why: AuditReason,
) -> Result<(CardData, Opened), Refused> {
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

/// Lets it go on with nobody waiting; what is refused is told to the log.
pub(super) fn spawn(gateway: &Gateway, work: impl Future<Output = Result<(), Refused>> + Send + 'static) {
    gateway.inner.in_flight.spawn(async move {
        if let Err(Refused { refusal, .. }) = work.await
            && refusal.code != refused::STILL_PROCESSING
        {
            tracing::warn!(code = %refusal.code, detail = %refusal.detail, "a payment after an authentication was refused");
        }
    });
}
