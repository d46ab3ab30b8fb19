//! Messages: written with what they tell of, leased, sent at least once, given up with a reason.

use super::Subject;
use super::fixtures::{FIRST, MERCHANT, at, claimed, new_order, outcome};
use super::payment_links::{added, link};
use crate::{
    LinkAdded, LinkChanged, LinkWatch, MESSAGE_ATTEMPTS_KEPT_MAX, MessageBacklog, MessageFilter, MessageFinish,
    MessageFinished, MessageLease, MessagePlaces, MessageRow, MessageState, MessageThen, MessagesToo,
    NewMessageAttempt, NewPaymentLink, OutcomeRecord, Recorded, Store,
};
use std::sync::Arc;
use tollgate_core::ident::MerchantId;
use tollgate_core::message::{
    MessageAbout, MessageChannel, MessageId, MessageKind, MessageLane, MessageLimit, MessageLimits, NewMessage,
};
use tollgate_core::order::{OperationEvent, OperationState, PayKind};
use tollgate_core::payment_link::{LinkTarget, PaymentLink, PaymentLinkId};
use tollgate_core::time::Timestamp;

/// How many workers lease at once.
const RACERS: usize = 8;
const NODE: u8 = 1;

fn message(number: i64, kind: MessageKind, channel: MessageChannel, occasion: i64) -> NewMessage {
    let about = MessageAbout::PaymentLink(PaymentLinkId(FIRST + number));
    NewMessage { merchant: MERCHANT, about, kind, channel, occasion, at: at(number) }
}

fn mail(number: i64) -> NewMessage {
    message(number, MessageKind::Link, MessageChannel::Email, 0)
}

fn told(messages: &[NewMessage]) -> MessagesToo {
    MessagesToo::unlimited(messages.to_vec())
}

async fn added_with(store: &dyn Store, number: i64, messages: &[NewMessage]) -> PaymentLink {
    let link = link(number, &format!("INV-{number}"), &format!("order-{number}"));
    assert_eq!(store.add_payment_link(new(link.clone(), told(messages))).await.unwrap(), LinkAdded::Added);
    link
}

fn new(link: PaymentLink, messages: MessagesToo) -> NewPaymentLink {
    NewPaymentLink { link, batch_row: None, messages }
}

fn lease(now: i64) -> MessageLease {
    let (now, until) = (at(now), at(now + 30));
    MessageLease { node: NODE, now, until, rows_max: 100, lane_rows_max: 100, places: Vec::new(), after: None }
}

async fn leased(store: &dyn Store, lease: MessageLease) -> Vec<MessageRow> {
    store.lease_messages(lease).await.unwrap().rows
}

async fn all_of(store: &dyn Store) -> Vec<MessageRow> {
    store.messages(&MessageFilter { rows_max: 1_000, ..MessageFilter::default() }).await.unwrap()
}

fn attempt(second: i64) -> NewMessageAttempt {
    NewMessageAttempt {
        at: at(second),
        target: "smtp://mail.example:587".to_owned(),
        status: Some(451),
        error: None,
        latency_ms: 12,
        answer: "4.3.0 later".to_owned(),
    }
}

fn finish(row: &MessageRow, then: MessageThen, second: i64) -> MessageFinish {
    let attempt = Some(attempt(second));
    MessageFinish { id: row.id, node: NODE, leased_until: row.due_at, attempt, then, next: None, at: at(second) }
}

fn retry(second: i64) -> MessageThen {
    MessageThen::Retry { due_at: at(second) }
}

fn gone(why: &str) -> MessageThen {
    MessageThen::GiveUp { reason: why.to_owned() }
}

/// Rule: what people are told of a link is written with it, or not at all; and once, whoever tries again.
pub async fn messages_are_written_with_what_they_tell_of(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = added_with(&*store, 1, &[mail(1)]).await;
    let taken = store.add_payment_link(new(link(2, "INV-1", "order-2"), told(&[mail(2)]))).await.unwrap();
    assert_eq!((taken, all_of(&*store).await.len()), (LinkAdded::NameTaken, 1), "not without its link");
    let closed = PaymentLink { closed_at: Some(at(5)), version: 2, ..first.clone() };
    let notice = message(1, MessageKind::LinkClosed, MessageChannel::Server, 0);
    let written = store.change_payment_link(closed.clone(), told(&[notice, mail(1)]), at(5)).await.unwrap();
    assert_eq!(written, LinkChanged::Written);
    let late = store.change_payment_link(
        closed,
        told(&[message(1, MessageKind::LinkClosed, MessageChannel::Server, 1)]),
        at(6),
    );
    assert_eq!(late.await.unwrap(), LinkChanged::Overtaken);
    drop(store);
    let store = subject.open().await;
    let kinds: Vec<_> = all_of(&*store).await.iter().map(|row| (row.kind, row.lane.channel)).collect();
    let expected = [(MessageKind::LinkClosed, MessageChannel::Server), (MessageKind::Link, MessageChannel::Email)];
    assert_eq!(kinds, expected, "newest first, and the mail of the link once");
}

/// Rule: what the server is told of an outcome is written with it, or not at all.
pub async fn a_message_is_written_with_its_outcome_or_not_at_all(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = new_order(1, "one", PayKind::Purchase);
    claimed(&*store, new.clone()).await;
    let paid = message(9, MessageKind::LinkPaid, MessageChannel::Server, 0);
    let approved = outcome(&new.order, &new.operation, OperationEvent::Approved, at(2));
    let record = OutcomeRecord { message: Some(paid), ..approved };
    let stale = OutcomeRecord { state_before: OperationState::Unknown, ..record.clone() };
    assert_eq!(store.record_outcome(stale).await.unwrap(), Recorded::Changed);
    assert_eq!(all_of(&*store).await, []);
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
    assert_eq!(all_of(&*store).await[0].kind, MessageKind::LinkPaid);
}

/// Rule: messages to customers are counted by what they are about and by the merchant's day; one too many is not written,
/// and neither is what it tells of. What servers are told is not counted.
pub async fn messages_to_customers_are_limited(subject: &dyn Subject) {
    let store = subject.open().await;
    let limits = Some(MessageLimits { per_thing_max: 2, merchant_day_max: 4 });
    let text = |number| message(number, MessageKind::Link, MessageChannel::Sms, 0);
    let server = |number| message(number, MessageKind::LinkSent, MessageChannel::Server, 0);
    let add = async |number: i64, messages: Vec<NewMessage>| {
        let link = link(number, &format!("INV-{number}"), &format!("order-{number}"));
        store.add_payment_link(new(link, MessagesToo { messages, limits })).await.unwrap()
    };
    assert_eq!(add(1, vec![mail(1), text(1), server(1)]).await, LinkAdded::Added);
    let again = message(1, MessageKind::Link, MessageChannel::Email, 2);
    let first = store.payment_link_by_id(PaymentLinkId(FIRST + 1)).await.unwrap().unwrap().link;
    let changed = PaymentLink { version: 2, ..first.clone() };
    let over = store.change_payment_link(changed, MessagesToo { messages: vec![again], limits }, at(2)).await.unwrap();
    assert_eq!(over, LinkChanged::TooManyMessages(MessageLimit::PerThing));
    assert_eq!(store.payment_link_by_id(first.id).await.unwrap().unwrap().link, first, "it was not changed");
    assert_eq!(add(2, vec![mail(2)]).await, LinkAdded::Added);
    let day = LinkAdded::TooManyMessages(MessageLimit::MerchantDay);
    assert_eq!(add(3, vec![mail(3), text(3)]).await, day);
    assert_eq!(store.payment_link(MERCHANT, &LinkTarget::Name("INV-3".to_owned())).await.unwrap(), None);
    assert_eq!(add(3, vec![mail(3)]).await, LinkAdded::Added);
    assert_eq!(add(4, vec![mail(4)]).await, day);
    assert_eq!(add(86_500, vec![mail(86_500)]).await, LinkAdded::Added, "a day later they are another day's");
}

/// Rule: a lease holds until it runs out, and a killed node's is given back.
pub async fn a_message_lease_holds_until_it_runs_out(subject: &dyn Subject) {
    let store = subject.open().await;
    added_with(&*store, 1, &[mail(1)]).await;
    assert_eq!(leased(&*store, lease(0)).await, [], "not before it is due");
    assert_eq!(store.messages_next_due().await.unwrap(), Some(at(1)));
    let first = leased(&*store, lease(1)).await;
    assert_eq!((first.len(), first[0].due_at), (1, at(31)));
    assert_eq!(leased(&*store, lease(30)).await, []);
    assert_eq!(leased(&*store, lease(31)).await.len(), 1, "it ran out");
    assert_eq!(store.finish_message(finish(&first[0], retry(40), 32)).await.unwrap(), MessageFinished::LeaseLost);
    assert_eq!(store.release_messages(NODE + 1, at(33)).await.unwrap(), 0);
    assert_eq!(store.release_messages(NODE, at(33)).await.unwrap(), 1);
    let again = leased(&*store, lease(33)).await;
    assert_eq!((again.len(), again[0].attempts, again[0].tries), (1, 1, 0), "the lost attempt was noted");
}

/// Rule: of many workers one has a message.
pub async fn one_of_many_workers_leases_a_message(subject: &dyn Subject) {
    let store = subject.open().await;
    added_with(&*store, 1, &[mail(1)]).await;
    let racers: Vec<_> = (0..RACERS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { leased(&*store, lease(1)).await.len() })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += racer.await.unwrap();
    }
    assert_eq!(won, 1);
}

/// Rule: a message is tried again when it is due, and settled once: sent, given up or dropped, with its reason. What
/// follows is written with that alone. One that was not sent can be roused.
pub async fn a_message_is_settled_once_and_keeps_its_reason(subject: &dyn Subject) {
    let store = subject.open().await;
    added_with(&*store, 1, &[mail(1)]).await;
    let row = leased(&*store, lease(1)).await.remove(0);
    assert_eq!(store.finish_message(finish(&row, retry(50), 2)).await.unwrap(), MessageFinished::Written);
    assert_eq!(leased(&*store, lease(49)).await, []);
    let row = leased(&*store, lease(50)).await.remove(0);
    assert_eq!((row.attempts, row.tries, row.state), (1, 1, MessageState::Waiting));
    let told = message(1, MessageKind::LinkSendFailed, MessageChannel::Server, 0);
    let give_up = MessageFinish { next: Some(told), ..finish(&row, gone("550 nobody here"), 51) };
    assert_eq!(store.finish_message(give_up.clone()).await.unwrap(), MessageFinished::Written);
    assert_eq!(store.finish_message(give_up).await.unwrap(), MessageFinished::LeaseLost);
    let rows = all_of(&*store).await;
    assert_eq!(rows.len(), 2, "the server is told once");
    let failed = store.message(row.id).await.unwrap().unwrap();
    assert_eq!((failed.state, failed.reason.as_deref()), (MessageState::Failed, Some("550 nobody here")));
    assert_eq!((failed.settled_at, failed.attempts, failed.tries), (Some(at(51)), 3, 2));
    let backlog = store.message_backlog().await.unwrap();
    assert_eq!(backlog, MessageBacklog { waiting: 1, failed: 1, oldest: Some(at(1)) });
    assert!(store.rouse_message(row.id, at(60)).await.unwrap());
    let row = leased(&*store, lease(60)).await.into_iter().find(|leased| leased.id == row.id).unwrap();
    assert_eq!((row.tries, row.tried_since, row.reason.clone()), (0, at(60), None));
    assert!(!store.rouse_message(row.id, at(61)).await.unwrap(), "it is on its way");
    assert_eq!(store.finish_message(finish(&row, MessageThen::Sent, 62)).await.unwrap(), MessageFinished::Written);
    assert!(!store.rouse_message(row.id, at(63)).await.unwrap(), "it was sent");
    assert_eq!(store.message_attempts(row.id).await.unwrap().len(), 4);
    assert!(!store.rouse_message(MessageId(9_999), at(64)).await.unwrap());
}

/// Rule: what one server is told of one thing goes out in order; one thing does not wait for another, and mails wait for
/// nobody.
pub async fn what_a_server_is_told_of_one_thing_goes_out_in_order(subject: &dyn Subject) {
    let store = subject.open().await;
    let server = |number, kind| message(number, kind, MessageChannel::Server, 0);
    added_with(&*store, 1, &[server(1, MessageKind::LinkSent), server(1, MessageKind::LinkOpened), mail(1)]).await;
    added_with(&*store, 2, &[server(2, MessageKind::LinkSent)]).await;
    let mut kinds: Vec<_> = leased(&*store, lease(5)).await.iter().map(|row| (row.about.id(), row.kind)).collect();
    kinds.sort_unstable();
    let expected =
        [(FIRST + 1, MessageKind::Link), (FIRST + 1, MessageKind::LinkSent), (FIRST + 2, MessageKind::LinkSent)];
    assert_eq!(kinds, expected);
    store.release_messages(NODE, at(6)).await.unwrap();
    let rows = leased(&*store, lease(6)).await;
    let sent = rows.iter().find(|row| row.about.id() == FIRST + 1 && row.kind == MessageKind::LinkSent).unwrap();
    assert_eq!(store.finish_message(finish(sent, gone("30 days"), 7)).await.unwrap(), MessageFinished::Written);
    let next = leased(&*store, lease(7)).await;
    assert_eq!(next.iter().map(|row| row.kind).collect::<Vec<_>>(), [MessageKind::LinkOpened]);
}

/// Rule: lanes have places of their own and take turns, so that a merchant with many messages holds nobody back.
pub async fn message_lanes_take_turns(subject: &dyn Subject) {
    let store = subject.open().await;
    let of = |merchant: i64, number: i64| NewMessage { merchant: MerchantId(merchant), ..mail(number) };
    for number in 1..=6 {
        let merchant = if number == 6 { 9 } else { 1 };
        added_with(&*store, number, &[of(merchant, number)]).await;
    }
    let lane = |merchant| MessageLane { merchant: MerchantId(merchant), channel: MessageChannel::Email };
    let two = MessageLease { rows_max: 2, ..lease(10) };
    let found = store.lease_messages(two.clone()).await.unwrap();
    let merchants: Vec<_> = found.rows.iter().map(|row| row.lane.merchant.0).collect();
    assert_eq!((merchants, found.last), (vec![1, 9], Some(lane(9))));
    let full =
        MessageLease { places: vec![MessagePlaces { lane: lane(1), free: 0 }], after: found.last, ..two.clone() };
    assert_eq!(store.lease_messages(full).await.unwrap().rows, []);
    let one_each = MessageLease { lane_rows_max: 1, after: found.last, ..two };
    assert_eq!(store.lease_messages(one_each).await.unwrap().rows.len(), 1);
}

/// Rule: the first attempts of a message are kept, its count of them always.
pub async fn message_attempts_are_bounded(subject: &dyn Subject) {
    let store = subject.open().await;
    added_with(&*store, 1, &[mail(1)]).await;
    let tries = i64::from(MESSAGE_ATTEMPTS_KEPT_MAX) + 3;
    for second in 0..tries {
        let row = leased(&*store, lease(10 + second)).await.remove(0);
        store.finish_message(finish(&row, retry(11 + second), 10 + second)).await.unwrap();
    }
    let row = all_of(&*store).await.remove(0);
    assert_eq!(i64::from(row.attempts), tries);
    let kept = store.message_attempts(row.id).await.unwrap();
    assert_eq!(kept.len(), usize::try_from(MESSAGE_ATTEMPTS_KEPT_MAX).unwrap());
    assert_eq!((kept[0].number, &kept[0].attempt), (1, &attempt(10)));
}

/// Rule: messages are listed newest first by every part of a filter.
pub async fn messages_are_listed_by_every_part_of_a_filter(subject: &dyn Subject) {
    let store = subject.open().await;
    added_with(&*store, 1, &[mail(1), message(1, MessageKind::Link, MessageChannel::Sms, 0)]).await;
    added_with(&*store, 2, &[NewMessage { merchant: MerchantId(9), ..mail(2) }]).await;
    let ids = async |filter: MessageFilter| {
        let rows = store.messages(&MessageFilter { rows_max: 10, ..filter }).await.unwrap();
        rows.iter().map(|row| (row.about.id() - FIRST, row.lane.channel.name())).collect::<Vec<_>>()
    };
    let any = MessageFilter::default;
    assert_eq!(ids(any()).await, [(2, "EMAIL"), (1, "SMS"), (1, "EMAIL")]);
    assert_eq!(ids(MessageFilter { merchant: Some(MERCHANT), ..any() }).await, [(1, "SMS"), (1, "EMAIL")]);
    let about = Some(MessageAbout::PaymentLink(PaymentLinkId(FIRST + 2)));
    assert_eq!(ids(MessageFilter { about, ..any() }).await, [(2, "EMAIL")]);
    assert_eq!(ids(MessageFilter { channel: Some(MessageChannel::Sms), ..any() }).await, [(1, "SMS")]);
    assert_eq!(ids(MessageFilter { state: Some(MessageState::Sent), ..any() }).await, []);
    let newest = all_of(&*store).await[0].id;
    assert_eq!(ids(MessageFilter { before: Some(newest), ..any() }).await, [(1, "SMS"), (1, "EMAIL")]);
}

/// Rule: a link is looked at by its reminders and its end, at the time; what follows is written once, on the link that
/// was judged; a change of the link makes it be looked at anew.
pub async fn a_payment_link_is_watched_by_the_time(subject: &dyn Subject) {
    let store = subject.open().await;
    // Its reminder lies 30 minutes before its end, which is an hour after the second 1.
    let link = added(&*store, link(1, "INV-1", "order")).await;
    let (reminder, end) = (at(1 + 1_800), at(1 + 3_600));
    let due = async |now: Timestamp| {
        let found = store.payment_links_to_watch(now, 10).await.unwrap();
        found.iter().map(|watched| (watched.stored.link.id, watched.watch_at)).collect::<Vec<_>>()
    };
    assert_eq!(due(Timestamp(reminder.0 - 1)).await, []);
    assert_eq!(due(reminder).await, [(link.id, reminder)]);
    let too = told(&[message(1, MessageKind::Reminder, MessageChannel::Email, reminder.0)]);
    let watch = LinkWatch { id: link.id, version: 1, watch_at: reminder, next: Some(end), too };
    let other_version = LinkWatch { version: 2, ..watch.clone() };
    assert_eq!(store.watch_payment_link(other_version).await.unwrap(), LinkChanged::Overtaken);
    let racers: Vec<_> = (0..RACERS)
        .map(|_| {
            let (store, watch) = (Arc::clone(&store), watch.clone());
            tokio::spawn(async move { store.watch_payment_link(watch).await.unwrap() })
        })
        .collect();
    let mut written = 0;
    for racer in racers {
        written += usize::from(racer.await.unwrap() == LinkChanged::Written);
    }
    assert_eq!((written, all_of(&*store).await.len()), (1, 1));
    assert_eq!((due(Timestamp(end.0 - 1)).await, due(end).await), (vec![], vec![(link.id, end)]));
    let longer = PaymentLink { expires_at: at(10_000), version: 2, ..link.clone() };
    let changed = store.change_payment_link(longer.clone(), MessagesToo::none(), at(3_000)).await.unwrap();
    assert_eq!(changed, LinkChanged::Written);
    assert_eq!(due(end).await, [], "another reminder, another end");
    assert_eq!(due(at(10_000 - 1_800)).await, [(link.id, at(10_000 - 1_800))]);
    let closed = PaymentLink { closed_at: Some(at(4_000)), version: 3, ..longer };
    store.change_payment_link(closed, MessagesToo::none(), at(4_000)).await.unwrap();
    assert_eq!(due(at(99_999)).await, []);
}

/// Rule: the first opening of a link is told, and no other one.
pub async fn the_first_opening_of_a_payment_link_is_told(subject: &dyn Subject) {
    let store = subject.open().await;
    let link = added(&*store, link(1, "INV-1", "order")).await;
    for second in 2..5 {
        let opened = message(1, MessageKind::LinkOpened, MessageChannel::Server, second);
        store.note_link_opened(link.id, at(second), Some(opened)).await.unwrap();
    }
    assert_eq!(all_of(&*store).await.iter().map(|row| row.occasion).collect::<Vec<_>>(), [2]);
}
