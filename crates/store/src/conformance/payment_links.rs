//! Payment links, and what their customers begin.

use super::Subject;
use super::checkouts::{on_the_page, order_of, whole};
use super::fixtures::{FIRST, MERCHANT, at, claimed, new_order};
use crate::{
    CheckoutOpened, LinkAdded, LinkBegin, LinkBegun, LinkChanged, MessagesToo, NewCheckout, NewPaymentLink,
    PaymentLinkFilter, Store, StoreError, StoredPaymentLink,
};
use std::sync::Arc;
use tollgate_core::checkout::Checkout;
use tollgate_core::ident::MerchantId;
use tollgate_core::invoice::{DueDate, Invoice, Seller, parse_lines};
use tollgate_core::link_notice::Reminders;
use tollgate_core::order::{Order, PayKind};
use tollgate_core::payment_link::{LinkCustomer, LinkNotification, LinkTarget, Openings, PaymentLink, PaymentLinkId};

/// How many callers try at once.
const RACERS: i64 = 16;

/// A link for the same payment as [`on_the_page`], made `number` seconds after the beginning, for an hour.
pub(super) fn link(number: i64, name: &str, reference: &str) -> PaymentLink {
    let order = order_of(&on_the_page(number, reference));
    PaymentLink {
        id: PaymentLinkId(FIRST + number),
        merchant: MERCHANT,
        name: name.to_owned(),
        access_code: "code".to_owned(),
        merchant_reference: reference.to_owned(),
        kind: order.kind,
        amount_minor: order.money.amount.minor(),
        currency: order.money.currency,
        language: "ar".to_owned(),
        payment_option: Some("VISA".to_owned()),
        description: Some("روايتان".to_owned()),
        return_url: Some("https://shop.example/back".to_owned()),
        customer: LinkCustomer { email: "a@b.c".to_owned(), name: None, phone: Some("00962".to_owned()) },
        created_at: at(number),
        expires_at: at(number + 3_600),
        closed_at: None,
        invoice: (number % 2 == 0).then(|| Box::new(invoice())),
        order: None,
        notifications: vec![LinkNotification::Email],
        reminders: Reminders::parse("30m").unwrap(),
        version: 1,
    }
}

/// An invoice with all that one can have.
fn invoice() -> Invoice {
    Invoice {
        number: Some("INV-7".to_owned()),
        due: DueDate::parse("2027-01-31"),
        seller: Seller { name: Some("متجر".to_owned()), address: Some("Street 1".to_owned()), tax_number: None },
        lines: parse_lines("روايتان;2;50;0;0|x;0.5;100;14.25;10").unwrap(),
    }
}

/// A link that no row of a batch makes.
fn alone(link: PaymentLink) -> NewPaymentLink {
    NewPaymentLink { link, batch_row: None, messages: MessagesToo::none() }
}

pub(super) async fn added(store: &dyn Store, link: PaymentLink) -> PaymentLink {
    assert_eq!(store.add_payment_link(alone(link.clone())).await.unwrap(), LinkAdded::Added);
    link
}

async fn found(store: &dyn Store, id: PaymentLinkId) -> StoredPaymentLink {
    store.payment_link_by_id(id).await.unwrap().unwrap()
}

/// A customer begins to pay by a link as it is stored, with an order of this number.
fn begin(link: &PaymentLink, number: i64) -> LinkBegin {
    let page = on_the_page(number, &link.merchant_reference);
    let checkout = Checkout { payment_link: Some(link.id), expires_at: link.expires_at, ..page.checkout.clone() };
    let next = PaymentLink { version: link.version + 1, ..link.clone() };
    LinkBegin { link: next, opened: NewCheckout { checkout, ..page } }
}

/// Rule: a link reads back by each of its names, for its merchant alone; of several with one reference the newest.
pub async fn a_payment_link_reads_back_by_each_of_its_names(subject: &dyn Subject) {
    let store = subject.open().await;
    let old = PaymentLink { expires_at: at(2), ..link(1, "INV-1", "order") };
    let old = added(&*store, old).await;
    let new = added(&*store, link(2, "INV-2", "order")).await;
    let foreign = PaymentLink { merchant: MerchantId(2), ..link(3, "INV-1", "order") };
    added(&*store, foreign).await;
    drop(store);
    let store = subject.open().await;
    let named = async |target: LinkTarget| store.payment_link(MERCHANT, &target).await.unwrap().map(|found| found.link);
    let name = |name: &str| LinkTarget::Name(name.to_owned());
    let both = |name: &str, reference: &str| LinkTarget::Both(name.to_owned(), reference.to_owned());
    assert_eq!(named(name("INV-1")).await.as_ref(), Some(&old));
    assert_eq!(named(LinkTarget::Reference("order".to_owned())).await.as_ref(), Some(&new));
    assert_eq!(named(both("INV-1", "order")).await.as_ref(), Some(&old));
    assert_eq!(named(both("INV-1", "other")).await, None);
    assert_eq!((named(name("inv-1")).await, named(LinkTarget::Reference("x".to_owned())).await), (None, None));
    assert_eq!(found(&*store, new.id).await, StoredPaymentLink { link: new, openings: Openings::default() });
    assert_eq!(store.payment_link_by_id(PaymentLinkId(FIRST + 9)).await.unwrap(), None);
}

/// Rule: the id of a link is taken for ever, its reference while it is open, and by an order that takes no try; nothing
/// is written then. A link that is new is open, and nobody has begun to pay by it.
pub async fn a_payment_link_needs_a_free_id_and_a_free_reference(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = added(&*store, link(1, "INV-1", "one")).await;
    let add = async |link: PaymentLink| store.add_payment_link(alone(link)).await.unwrap();
    assert_eq!(add(link(2, "INV-1", "two")).await, LinkAdded::NameTaken);
    assert_eq!(add(link(2, "INV-2", "one")).await, LinkAdded::ReferenceOpen("INV-1".to_owned()));
    assert_eq!(add(PaymentLink { id: first.id, ..link(2, "INV-2", "two") }).await, LinkAdded::NumberTaken);
    claimed(&*store, new_order(20, "used", PayKind::Purchase)).await;
    let by_the_api = new_order(20, "used", PayKind::Purchase).order.fort_id;
    assert_eq!(add(link(2, "INV-2", "used")).await, LinkAdded::ReferenceTaken(by_the_api));
    let page = on_the_page(30, "page");
    let on_page = page.checkout.order().unwrap();
    assert_eq!(store.open_checkout(page).await.unwrap(), CheckoutOpened::Opened);
    let other_amount = PaymentLink { amount_minor: 1, ..link(2, "INV-2", "page") };
    assert_eq!(add(other_amount).await, LinkAdded::ReferenceTaken(on_page));
    assert_eq!(store.payment_link(MERCHANT, &LinkTarget::Name("INV-2".to_owned())).await.unwrap(), None);
    added(&*store, link(3, "INV-3", "page")).await;
    let closed = PaymentLink { closed_at: Some(at(5)), version: 2, ..first.clone() };
    assert_eq!(store.change_payment_link(closed, MessagesToo::none(), at(100)).await.unwrap(), LinkChanged::Written);
    let second = PaymentLink { expires_at: at(10), ..link(4, "INV-4", "one") };
    added(&*store, second).await;
    assert_eq!(add(link(9, "INV-5", "one")).await, LinkAdded::ReferenceOpen("INV-4".to_owned()));
    added(&*store, link(10, "INV-5", "one")).await;
    assert_eq!(add(link(11, "INV-1", "three")).await, LinkAdded::NameTaken, "whatever became of it");
    let good = link(12, "INV-6", "six");
    let fort_id = Some(by_the_api);
    for broken in [
        PaymentLink { version: 2, ..good.clone() },
        PaymentLink { order: fort_id, ..good.clone() },
        PaymentLink { closed_at: Some(at(12)), ..good },
    ] {
        assert!(matches!(store.add_payment_link(alone(broken)).await, Err(StoreError::Refused(_))));
    }
}

/// Rule: of many links that are made for one reference at once, one is kept.
pub async fn one_of_many_payment_links_has_a_reference(subject: &dyn Subject) {
    let store = subject.open().await;
    let racers: Vec<_> = (1..=RACERS)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let link = link(number, &format!("INV-{number}"), "wanted");
                let link = PaymentLink { created_at: at(1), expires_at: at(100), ..link };
                store.add_payment_link(alone(link)).await.unwrap()
            })
        })
        .collect();
    let mut kept = 0;
    for racer in racers {
        match racer.await.unwrap() {
            LinkAdded::Added => kept += 1,
            other => assert!(matches!(other, LinkAdded::ReferenceOpen(_)), "{other:?}"),
        }
    }
    assert_eq!(kept, 1);
}

/// Rule: a link is changed on the version that was judged; openings are counted beside it, and change nothing.
pub async fn a_payment_link_is_changed_by_version_and_openings_are_none(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = added(&*store, link(1, "INV-1", "one")).await;
    for second in [3, 7] {
        store.note_link_opened(first.id, at(second), None).await.unwrap();
    }
    store.note_link_opened(PaymentLinkId(FIRST + 9), at(8), None).await.unwrap();
    let openings = Openings { count: 2, first_at: Some(at(3)), last_at: Some(at(7)) };
    assert_eq!(found(&*store, first.id).await, StoredPaymentLink { link: first.clone(), openings });
    let changed = PaymentLink { amount_minor: 5, expires_at: at(50), version: 2, ..first.clone() };
    assert_eq!(
        store.change_payment_link(changed.clone(), MessagesToo::none(), at(100)).await.unwrap(),
        LinkChanged::Written
    );
    let late = PaymentLink { amount_minor: 6, version: 2, ..first.clone() };
    assert_eq!(store.change_payment_link(late, MessagesToo::none(), at(100)).await.unwrap(), LinkChanged::Overtaken);
    for other in [
        PaymentLink { name: "INV-2".to_owned(), version: 3, ..changed.clone() },
        PaymentLink { merchant_reference: "two".to_owned(), version: 3, ..changed.clone() },
        PaymentLink { merchant: MerchantId(2), version: 3, ..changed.clone() },
    ] {
        assert_eq!(
            store.change_payment_link(other, MessagesToo::none(), at(100)).await.unwrap(),
            LinkChanged::Overtaken,
            "it keeps its names"
        );
    }
    assert_eq!(found(&*store, first.id).await, StoredPaymentLink { link: changed, openings });
    assert!(
        matches!(store.change_payment_link(first, MessagesToo::none(), at(100)).await, Err(StoreError::Refused(_))),
        "a version is one on"
    );
}

/// Rule: links are listed newest first, in pieces, and by their reference.
pub async fn payment_links_are_listed_newest_first(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in 1..=4 {
        let reference = if number == 2 { "other" } else { "one" };
        let link = link(number, &format!("INV-{number}"), reference);
        added(&*store, PaymentLink { expires_at: at(number + 1), ..link }).await;
    }
    added(&*store, PaymentLink { merchant: MerchantId(2), ..link(5, "INV-5", "one") }).await;
    let whole = PaymentLinkFilter { merchant: MERCHANT, merchant_reference: None, before: None, limit: 10 };
    let listed = async |filter: PaymentLinkFilter| {
        let links = store.payment_links(&filter).await.unwrap();
        links.into_iter().map(|stored| stored.link.id.0 - FIRST).collect::<Vec<_>>()
    };
    assert_eq!(listed(whole.clone()).await, [4, 3, 2, 1]);
    assert_eq!(listed(PaymentLinkFilter { limit: 2, ..whole.clone() }).await, [4, 3]);
    assert_eq!(listed(PaymentLinkFilter { before: Some(PaymentLinkId(FIRST + 3)), ..whole.clone() }).await, [2, 1]);
    let by_reference = PaymentLinkFilter { merchant_reference: Some("one".to_owned()), ..whole };
    assert_eq!(listed(by_reference.clone()).await, [4, 3, 1]);
    let before = Some(PaymentLinkId(FIRST + 4));
    assert_eq!(listed(PaymentLinkFilter { before, limit: 1, ..by_reference }).await, [3]);
}

/// Rule: who begins to pay claims the reference with the order, and the link names it, in one commit; who comes next goes
/// on with the same order and the same checkout.
pub async fn a_customer_of_a_payment_link_claims_its_reference(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = added(&*store, link(1, "INV-1", "one")).await;
    assert_eq!(store.payment_link_of_order(order_of(&on_the_page(20, "one")).fort_id).await.unwrap(), None);
    let new = begin(&first, 20);
    let fort_id = new.opened.checkout.order().unwrap();
    let came = store.begin_payment_link(new.clone()).await.unwrap();
    assert_eq!(came, LinkBegun::Checkout(CheckoutOpened::Opened));
    let begun = found(&*store, first.id).await.link;
    assert_eq!(begun, PaymentLink { order: Some(fort_id), version: 2, ..first.clone() });
    assert_eq!(store.payment_link_of_order(fort_id).await.unwrap().map(|stored| stored.link.id), Some(first.id));
    let stored = whole(&*store, new.opened.checkout.id, fort_id).await;
    assert_eq!(
        (stored.checkout, stored.order),
        (Some(new.opened.checkout.clone()), new.opened.order.map(|order| *order))
    );
    let next = begin(&begun, 21);
    match store.begin_payment_link(next).await.unwrap() {
        LinkBegun::Checkout(CheckoutOpened::GoesOn(checkout)) => {
            assert_eq!((checkout.id, checkout.order(), checkout.version), (new.opened.checkout.id, Some(fort_id), 2));
            assert_eq!((checkout.payment_link, checkout.expires_at), (Some(first.id), first.expires_at));
        }
        other => panic!("{other:?}"),
    }
    let again = found(&*store, first.id).await.link;
    assert_eq!((again.order, again.version), (Some(fort_id), 3));
}

/// Rule: nothing is begun by a link that is another by now, or whose reference is used up; nothing is written then.
pub async fn nothing_is_begun_by_a_payment_link_that_was_overtaken(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = added(&*store, link(1, "INV-1", "one")).await;
    let closed = PaymentLink { closed_at: Some(at(5)), version: 2, ..first.clone() };
    assert_eq!(
        store.change_payment_link(closed.clone(), MessagesToo::none(), at(100)).await.unwrap(),
        LinkChanged::Written
    );
    let late = begin(&first, 20);
    let (id, fort_id) = (late.opened.checkout.id, late.opened.checkout.order().unwrap());
    assert_eq!(store.begin_payment_link(late).await.unwrap(), LinkBegun::Overtaken);
    let nothing = whole(&*store, id, fort_id).await;
    assert_eq!((nothing.checkout, nothing.order), (None, None));
    let used = added(&*store, link(2, "INV-2", "used")).await;
    let by_the_api = new_order(30, "used", PayKind::Purchase);
    let holder = by_the_api.order.fort_id;
    claimed(&*store, by_the_api).await;
    let came = store.begin_payment_link(begin(&used, 21)).await.unwrap();
    assert_eq!(came, LinkBegun::Checkout(CheckoutOpened::ReferenceTaken(holder)));
    assert_eq!(found(&*store, used.id).await.link, used);
    let taken = added(&*store, link(3, "INV-3", "three")).await;
    let mut begin_taken = begin(&taken, 30);
    begin_taken.opened.order = begin_taken.opened.order.map(|order| Box::new(Order { fort_id: holder, ..*order }));
    let came = store.begin_payment_link(begin_taken).await.unwrap();
    assert_eq!(came, LinkBegun::Checkout(CheckoutOpened::NumberTaken));
    assert_eq!(found(&*store, taken.id).await.link, taken);
    let nameless = begin(&taken, 22);
    let checkout = Checkout { payment_link: None, ..nameless.opened.checkout.clone() };
    let nameless = LinkBegin { opened: NewCheckout { checkout, ..nameless.opened }, ..nameless };
    assert!(matches!(store.begin_payment_link(nameless).await, Err(StoreError::Refused(_))));
}

/// Rule: of many who begin to pay by one link at once one opens its order; the others find the link changed.
pub async fn one_of_many_begins_to_pay_by_a_link(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = added(&*store, link(1, "INV-1", "one")).await;
    let racers: Vec<_> = (20..20 + RACERS)
        .map(|number| {
            let (store, begin) = (Arc::clone(&store), begin(&first, number));
            tokio::spawn(async move { store.begin_payment_link(begin).await.unwrap() })
        })
        .collect();
    let mut opened = 0;
    for racer in racers {
        match racer.await.unwrap() {
            LinkBegun::Checkout(CheckoutOpened::Opened) => opened += 1,
            other => assert_eq!(other, LinkBegun::Overtaken),
        }
    }
    assert_eq!(opened, 1);
    assert_eq!(store.orders_by_reference("one", 9).await.unwrap().len(), 1);
}
