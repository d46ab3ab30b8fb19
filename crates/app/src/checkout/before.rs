//! A payment of the payment API that has to wait for its customer: the answer is 20064 with a `3ds_url`.

use super::authenticate::{self, Before, before, begin, hold_code, link_of, token_of};
use super::open;
use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use crate::pay::{Judged, Opened};
use crate::token::{self, PaymentCard};
use tollgate_core::answer::{Answer, OrderFacts};
use tollgate_core::audit::{AuditReason, AuditWho};
use tollgate_core::card::CardFacts;
use tollgate_core::checkout::{Checkout, CheckoutId, PayWish, Purpose, Step};
use tollgate_core::code::{THREE_DS_WANTED, refused};
use tollgate_core::command::PayCommand;
use tollgate_core::decide::PayCard;
use tollgate_core::feedback::Channel;
use tollgate_core::ident::{FortId, OperationId};
use tollgate_core::order::{LastOperation, Order, Phase, Totals};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::three_ds::{ChallengeWish, PaymentTurn};
use tollgate_store::{CheckoutOpened, NewCheckout};
use tollgate_threeds::element::ChallengeWindowSize;
use tollgate_threeds::ranges::RangeTerms;

/// How often a new number is tried when one is taken.
const NUMBER_TRIES_MAX: usize = 8;

/// What comes before a payment of the payment API.
pub(crate) enum BeforePayment {
    /// Nothing: it may be sent.
    Nothing(Box<Judged>),
    /// The customer: the merchant is told where to send the browser.
    Customer(Box<Answer>),
}

/// Finds out whether the customer has to do something first, and has the order wait for it.
pub(crate) async fn before_payment(
    inner: &Inner,
    account: &Account,
    mut judged: Box<Judged>,
) -> Result<BeforePayment, Refused> {
    let PaymentCard { card, receipt } =
        token::card(inner, judged.intent.card, &judged.intent.facts, judged.stored.as_ref()).await?;
    // It is the resolved one from here on.
    judged.intent.card = PayCard::Kept { expiry: card.expiry, security_code: None };
    let facts = judged.intent.facts.clone();
    let wait = match before(inner, account, &judged.command, &facts, &card, PaymentTurn::First).await? {
        Before::Nothing => {
            judged.intent.card = PayCard::Sent(card);
            judged.opened = receipt.map(|receipt| Opened { receipt, why: AuditReason::PaymentByToken });
            return Ok(BeforePayment::Nothing(judged));
        }
        Before::Authentication(range, wish) => Some(Wait { range, wish }),
        Before::PassBy => None,
    };
    can_come_back(account, &judged.command)?;
    let token = token_of(inner, judged.intent.token.clone(), inner.clock.now())?;
    for _ in 0..NUMBER_TRIES_MAX {
        let now = inner.clock.now();
        let id = inner.next_number(now);
        let link = link_of(inner, CheckoutId(id.0)).await?;
        let step = match &wait {
            None => Step::PassBy,
            Some(wait) => {
                let window = Some(ChallengeWindowSize::FullPage);
                authenticate::step_of(&begin(inner, &link, &facts, wait.range.clone(), wait.wish, window)?)?
            }
        };
        let order = Order { token: token.clone(), ..open_order(inner, account, &judged, &facts, id) };
        let wish = PayWish::of(order.fort_id, &judged.command, judged.route);
        let checkout = Checkout { step, ..new_checkout(inner, account, &judged.command, wish) };
        let sealed = inner.vault.seal_card(order.merchant, order.fort_id, &card.pan, now).await?;
        if let Some(receipt) = &receipt {
            let entry = receipt.entry(now, AuditWho::Request, AuditReason::Authentication, id);
            inner.store.note_audit(vec![entry]).await?;
        }
        let opened = NewCheckout { checkout, order: Some(Box::new(order.clone())), card: Some(sealed) };
        match inner.store.open_checkout(opened).await? {
            CheckoutOpened::NumberTaken => {}
            CheckoutOpened::ReferenceTaken(fort_id) => {
                let detail = format!("merchant_reference is used up by order {fort_id}");
                return Err(Refusal::request(refused::REFERENCE_EXISTS, "merchant_reference", detail).into());
            }
            CheckoutOpened::Opened | CheckoutOpened::GoesOn(_) => {
                hold_code(inner, order.fort_id.0, &card);
                return wanted_answer(inner, &order, &link).map(|answer| BeforePayment::Customer(Box::new(answer)));
            }
        }
    }
    Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "no free order number was found").into())
}

/// An authentication that has to come first.
struct Wait {
    range: RangeTerms,
    wish: ChallengeWish,
}

/// A customer who is sent away has to be able to come back.
fn can_come_back(account: &Account, command: &PayCommand) -> Result<(), Refusal> {
    if has_way_back(account, command) {
        return Ok(());
    }
    let detail = "the customer has to be authenticated, and neither the request has a return_url nor the merchant one of \
                  its own";
    Err(Refusal::request(refused::MISSING_RETURN_URL, "return_url", detail))
}

/// Whether the request, or the merchant's account, says where the customer goes back to.
pub(super) fn has_way_back(account: &Account, command: &PayCommand) -> bool {
    account.merchant.terms.channel.page.return_url.is_some() || command.params.get("return_url").is_some()
}

/// The checkout of the customer of a payment of the payment API, from now on. It has the number of its order.
pub(super) fn new_checkout(inner: &Inner, account: &Account, command: &PayCommand, wish: PayWish) -> Checkout {
    let access_code = command.params.get("access_code").unwrap_or_default();
    let (id, purpose) = (CheckoutId(wish.fort_id.0), Purpose::Pay(Box::new(wish)));
    let new = open::new(id, account.merchant.id, access_code, purpose, &command.params, inner.clock.now());
    Checkout { step: Step::PassBy, ..new }
}

/// 20064: the merchant sends the customer's browser to the link.
pub(super) fn wanted_answer(inner: &Inner, order: &Order, link: &super::CheckoutLink) -> Result<Answer, Refused> {
    let missing = || {
        let detail = "3-D Secure needs the gateway's public address: set server.public_url";
        Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail)
    };
    let public_url = inner.public_url.get().ok_or_else(missing)?;
    Ok(Answer {
        order: Some(OrderFacts { fort_id: order.fort_id, merchant_reference: order.merchant_reference.clone() }),
        card: order.card.clone(),
        eci: Some(order.eci),
        three_ds_url: Some(format!("{public_url}/checkout/{}", link.as_str())),
        ..Answer::bare(THREE_DS_WANTED)
    })
}

fn open_order(inner: &Inner, account: &Account, judged: &Judged, facts: &CardFacts, id: OperationId) -> Order {
    let now = inner.clock.now();
    let command = &judged.command;
    Order {
        fort_id: FortId(id.0),
        merchant: account.merchant.id,
        merchant_reference: command.merchant_reference.clone(),
        kind: judged.intent.kind,
        money: judged.intent.money,
        eci: command.eci,
        channel: Channel::Trusted,
        card: Some(facts.clone()),
        token: None,
        credential: None,
        phase: Phase::Open,
        totals: Totals::default(),
        open_operation: None,
        version: 1,
        authorization_code: None,
        original: inner.wire_reference(id, now),
        last: LastOperation { kind: judged.intent.kind.operation(), code: THREE_DS_WANTED, network_code: None },
        created_at: now,
    }
}
