//! Payment links among several gateways: whatever two visitors, the payment API, a merchant who closes the link and a
//! dying gateway do, money is taken once, and the link tells what it came to.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::Arc;
use support::{House, Node, until};
use tollgate_acquirer::NetworkKind;
use tollgate_app::{LinkWay, MessageWays, SeenLink, Stage};
use tollgate_core::checkout::CHECKOUT_MS_MAX;
use tollgate_core::code::{PAYMENT_LINK_DONE, ResponseCode, refused};
use tollgate_core::message::MessageLimits;
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{PayKind, Phase};
use tollgate_core::payment_link::{
    LinkCustomer, LinkEnd, LinkNotification, LinkStand, LinkTarget, PaymentLinkCommand, UpdateLinkCommand,
};

const PURCHASE: NetworkKind = NetworkKind::Purchase;
const REVERSAL: NetworkKind = NetworkKind::ReversalAdvice;
/// Longer than a lease, and than a life is watched before it is taken for dead; in seconds.
const LONG_S: u64 = 60;

async fn node(house: &House, number: u8) -> Node {
    let node = house.node(number).await;
    node.gateway.set_public_url("https://pay.example".to_owned());
    node
}

/// A link of an hour for 1.00 AED; its code.
async fn make(node: &Node, reference: &str) -> String {
    let command = wanted(node, reference);
    let made = node.gateway.create_payment_link(&node.account, "ACCESS", &command).await.unwrap();
    assert_eq!(made.code, PAYMENT_LINK_DONE);
    made.link.unwrap().url.strip_prefix("https://pay.example/pay/").unwrap().to_owned()
}

fn wanted(node: &Node, reference: &str) -> PaymentLinkCommand {
    PaymentLinkCommand {
        name: Some(reference.to_owned()),
        merchant_reference: reference.to_owned(),
        kind: PayKind::Purchase,
        money: Money { amount: Amount::from_minor(100).unwrap(), currency: Currency::from_alpha("AED").unwrap() },
        language: "en".to_owned(),
        notifications: Vec::new(),
        reminders: None,
        payment_option: None,
        description: None,
        return_url: None,
        invoice: None,
        customer: LinkCustomer::default(),
        expires_at: node.gateway.now().plus_ms(3_600_000),
    }
}

async fn look(node: &Node, code: &str) -> SeenLink {
    node.gateway.payment_link(code).await.unwrap().unwrap()
}

/// To the card form.
async fn begin(node: &Node, code: &str) -> String {
    match node.gateway.begin_payment_link(code, None).await.unwrap() {
        Some(LinkWay::Checkout(link)) => link.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn goes_nowhere(node: &Node, code: &str) -> bool {
    matches!(node.gateway.begin_payment_link(code, None).await.unwrap(), Some(LinkWay::Link))
}

async fn close(node: &Node, name: &str) -> ResponseCode {
    let command = UpdateLinkCommand {
        target: LinkTarget::Name(name.to_owned()),
        amount: None,
        expires_at: None,
        end: Some(LinkEnd::Close),
        customer_email: None,
        customer_name: None,
        customer_phone: None,
        notify: None,
    };
    match node.gateway.update_payment_link(&node.account, &command).await {
        Ok(answer) => answer.code,
        Err(refused) => refused.refusal.code,
    }
}

/// Rule: two visitors at two gateways come to one checkout of one order, and one of their cards is sent; both see the
/// receipt afterwards.
#[tokio::test(start_paused = true)]
async fn two_visitors_pay_once() {
    let house = House::build().await;
    let (a, b) = (node(&house, 1).await, node(&house, 2).await);
    let code = make(&a, "order").await;
    let (one, other) = tokio::join!(begin(&a, &code), begin(&b, &code));
    assert_eq!(one, other, "one checkout");
    let sending = [a.send(&a.look(&one).await), b.send(&b.look(&one).await)];
    let sent = || usize::from(a.wire.waits_for(PURCHASE)) + usize::from(b.wire.waits_for(PURCHASE));
    until(1, "one is sent", async || sent() == 1).await;
    for visitor in [&a, &b] {
        assert_eq!(look(visitor, &code).await.stand, LinkStand::UnderWay);
        assert!(goes_nowhere(visitor, &code).await, "nobody begins beside it");
    }
    let wire = if a.wire.waits_for(PURCHASE) { &a.wire } else { &b.wire };
    wire.answer(PURCHASE, "00");
    for one in sending {
        let _ = one.await.unwrap();
    }
    assert_eq!(a.wire.sent().len() + b.wire.sent().len(), 1);
    for visitor in [&a, &b] {
        let seen = look(visitor, &code).await;
        assert_eq!((seen.stand, seen.tries, seen.paid_at.is_some()), (LinkStand::Paid, 1, true));
        assert!(goes_nowhere(visitor, &code).await);
    }
    assert_eq!(house.story("order").await.operations.len(), 1);
}

/// Rule: a reference that the payment API took meanwhile is not charged by the link, and the other way round.
#[tokio::test(start_paused = true)]
async fn a_link_and_the_api_share_one_claim() {
    let house = House::build().await;
    let a = node(&house, 1).await;
    let (first, second) = (make(&a, "first").await, make(&a, "second").await);
    let by_the_api = a.pay("first");
    until(1, "it is sent", async || a.wire.waits_for(PURCHASE)).await;
    assert_eq!(look(&a, &first).await.stand, LinkStand::Used);
    assert!(goes_nowhere(&a, &first).await);
    a.wire.answer(PURCHASE, "00");
    by_the_api.await.unwrap().unwrap();
    assert_eq!(look(&a, &first).await.stand, LinkStand::Used, "paid, but not by the link");
    begin(&a, &second).await;
    assert_eq!(a.pay("second").await.unwrap().unwrap_err().refusal.code, refused::REFERENCE_EXISTS);
    assert_eq!((a.wire.sent(), look(&a, &second).await.stand), (vec![PURCHASE], LinkStand::Open));
}

/// Rule: a link is not closed while a card is under way; once it is closed no card is sent, whoever had the form open.
#[tokio::test(start_paused = true)]
async fn a_close_and_a_try_never_both_count() {
    let house = House::build().await;
    let (a, b) = (node(&house, 1).await, node(&house, 2).await);
    let code = make(&a, "closed").await;
    let form = a.look(&begin(&a, &code).await).await;
    assert_eq!(close(&b, "closed").await, PAYMENT_LINK_DONE);
    assert_eq!(a.send(&form).await.unwrap().unwrap_err().refusal.code, refused::STILL_PROCESSING);
    assert_eq!((a.wire.sent(), look(&a, &code).await.stand), (vec![], LinkStand::Closed));
    assert_eq!(house.order("closed").await.phase, Phase::Failed);
    assert_eq!(close(&b, "closed").await, refused::LINK_PROCESSED);

    let code = make(&a, "paid").await;
    let form = a.look(&begin(&a, &code).await).await;
    let sending = a.send(&form);
    until(1, "it is sent", async || a.wire.waits_for(PURCHASE)).await;
    assert_eq!(close(&b, "paid").await, refused::STILL_PROCESSING);
    a.wire.answer(PURCHASE, "00");
    sending.await.unwrap().unwrap();
    assert_eq!((close(&b, "paid").await, look(&b, &code).await.stand), (refused::LINK_PAID, LinkStand::Paid));
}

/// Rule: what a dead gateway had under way keeps the link from being paid again until it is settled; what was undone
/// closes it.
#[tokio::test(start_paused = true)]
async fn a_try_of_a_dead_gateway_keeps_the_link_waiting() {
    let house = House::build().await;
    let (a, b) = (node(&house, 1).await, node(&house, 2).await);
    let code = make(&a, "order").await;
    let _dying = a.send(&a.look(&begin(&a, &code).await).await);
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    let _b_jobs = b.start_jobs().await;
    until(LONG_S, "b undoes it", async || b.wire.sent() == [REVERSAL]).await;
    assert_eq!(look(&b, &code).await.stand, LinkStand::UnderWay);
    assert!(goes_nowhere(&b, &code).await);
    b.wire.answer(REVERSAL, "00");
    until(1, "it is reversed", async || house.order("order").await.phase == Phase::Reversed).await;
    assert_eq!(look(&b, &code).await.stand, LinkStand::Closed);
    assert!(goes_nowhere(&b, &code).await);
}

/// Rule: the card form of a link lasts as long as the link, and ends with it at whichever gateway looks first.
#[tokio::test(start_paused = true)]
async fn the_card_form_ends_with_its_link() {
    let house = House::build().await;
    let a = node(&house, 1).await;
    let _jobs = a.start_jobs().await;
    let code = make(&a, "order").await;
    let link = begin(&a, &code).await;
    let minutes_15_s = i64::try_from(CHECKOUT_MS_MAX / 1_000).unwrap();
    a.clock.move_seconds(3 * minutes_15_s);
    a.gateway.wake_jobs();
    support::pass(6).await;
    let form = a.look(&link).await;
    assert_eq!(form.stage(), Stage::Form(None), "45 minutes are no time");
    a.clock.move_seconds(minutes_15_s);
    a.gateway.wake_jobs();
    until(10, "it is given up", async || house.order("order").await.phase == Phase::Failed).await;
    assert_eq!(look(&a, &code).await.stand, LinkStand::Expired);
    assert_eq!(a.send(&Arc::clone(&form)).await.unwrap().unwrap_err().refusal.code, refused::STILL_PROCESSING);
    assert_eq!(a.wire.sent(), []);
}

#[tokio::test]
async fn a_gateway_that_sends_nothing_says_so_and_keeps_no_link() {
    let house = House::build().await;
    let node = node(&house, 1).await;
    let customer = LinkCustomer { email: "jo@example.org".into(), phone: Some("00962797219966".into()), name: None };
    let told =
        |way| PaymentLinkCommand { notifications: vec![way], customer: customer.clone(), ..wanted(&node, "TOLD") };
    for way in [LinkNotification::Email, LinkNotification::Sms] {
        let answer = node.gateway.create_payment_link(&node.account, "ACCESS", &told(way)).await.unwrap_err();
        assert_eq!(answer.refusal.code, refused::INACTIVE_NOTIFICATION, "{way:?}");
    }
    let limits = MessageLimits { per_thing_max: 1, merchant_day_max: 1 };
    node.gateway.set_message_ways(MessageWays { ways: vec![LinkNotification::Email], limits });
    let sms =
        node.gateway.create_payment_link(&node.account, "ACCESS", &told(LinkNotification::Sms)).await.unwrap_err();
    assert_eq!(sms.refusal.code, refused::INACTIVE_NOTIFICATION, "only mails are sent");
    let mail = told(LinkNotification::Email);
    let made = node.gateway.create_payment_link(&node.account, "ACCESS", &mail).await.unwrap();
    assert_eq!(made.code, PAYMENT_LINK_DONE);
    let another = PaymentLinkCommand { name: None, merchant_reference: "ANOTHER".into(), ..mail };
    let over = node.gateway.create_payment_link(&node.account, "ACCESS", &another).await.unwrap_err();
    assert_eq!(over.refusal.code, refused::TOO_MANY_ATTEMPTS, "{}", over.refusal.detail);
}
