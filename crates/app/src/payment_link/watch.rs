//! What follows for payment links by the time: reminders, and the end of their time.

use super::seen::{SeenLink, see_stored};
use super::tell;
use crate::gateway::{Gateway, Inner, Refused};
use tollgate_core::message::{MessageKind, NewMessage};
use tollgate_core::payment_link::LinkStand;
use tollgate_core::time::Timestamp;
use tollgate_store::{LinkChanged, LinkWatch, MessagesToo, StoreError, WatchedLink};

/// How many links one look takes; the next look goes on.
const LINKS_PER_LOOK_MAX: usize = 64;
/// How long a link is put off whose payment is under way, or which cannot be read now, in milliseconds.
const PUT_OFF_MS: u64 = 60_000;

/// Writes what follows for each link whose time has come. Where there is none, nothing is written.
pub(crate) async fn look(gateway: &Gateway) {
    let inner = &gateway.inner;
    // A gateway whose life may be over leaves it to the others. Without an address there are no links.
    if inner.life.running().is_none() || inner.public_url.get().is_none() {
        return;
    }
    if let Err(error) = follow_all(inner).await {
        tracing::error!(%error, "payment links whose time has come cannot be read; the next look tries again");
    }
}

async fn follow_all(inner: &Inner) -> Result<(), StoreError> {
    for watched in inner.store.payment_links_to_watch(inner.clock.now(), LINKS_PER_LOOK_MAX).await? {
        let (id, version, watch_at) = (watched.stored.link.id, watched.stored.link.version, watched.watch_at);
        let Err(refused) = follow(inner, watched).await else { continue };
        tracing::error!(link = %id, detail = %refused.refusal.detail, "what follows for a payment link could not be written; it is put off");
        // One that cannot be read must not stand in the way of the others.
        let next = Some(inner.clock.now().plus_ms(PUT_OFF_MS));
        inner.store.watch_payment_link(LinkWatch { id, version, watch_at, next, too: MessagesToo::none() }).await?;
    }
    Ok(())
}

async fn follow(inner: &Inner, watched: WatchedLink) -> Result<(), Refused> {
    let WatchedLink { stored, watch_at } = watched;
    let seen = see_stored(inner, stored).await?;
    let Follows { messages, next } = follows(&seen, watch_at);
    let watch =
        LinkWatch { id: seen.link.id, version: seen.link.version, watch_at, next, too: tell::limited(inner, messages) };
    match inner.store.watch_payment_link(watch.clone()).await? {
        LinkChanged::Written => tell::written(inner, &watch.too),
        // The customer or the merchant was faster: the next look judges it anew.
        LinkChanged::Overtaken => {}
        LinkChanged::TooManyMessages(_) => {
            tracing::warn!(link = %seen.link.id, "a customer is not reminded: so many messages may not be sent");
            inner.store.watch_payment_link(LinkWatch { too: MessagesToo::none(), ..watch }).await?;
        }
    }
    Ok(())
}

/// What follows for a link, and when something follows again.
struct Follows {
    messages: Vec<NewMessage>,
    next: Option<Timestamp>,
}

fn follows(seen: &SeenLink, watch_at: Timestamp) -> Follows {
    let (link, now) = (&seen.link, seen.seen_at);
    let put_off = Some(now.plus_ms(PUT_OFF_MS));
    if now >= link.expires_at {
        return match seen.stand {
            LinkStand::Expired => {
                let notice = tell::notice(&seen.account, link, MessageKind::LinkExpired, link.expires_at.0, now);
                Follows { messages: notice.into_iter().collect(), next: None }
            }
            // It may be paid yet, or come to nothing.
            LinkStand::UnderWay | LinkStand::Open => Follows { messages: Vec::new(), next: put_off },
            // Written once, however often: here it is only missing where it could not be written with the payment.
            LinkStand::Paid => {
                let notice = tell::notice(&seen.account, link, MessageKind::LinkPaid, 0, now);
                Follows { messages: notice.into_iter().collect(), next: None }
            }
            LinkStand::Closed | LinkStand::Used => Follows { messages: Vec::new(), next: None },
        };
    }
    let reminder = link.due_reminder(watch_at, now).filter(|_| seen.stand == LinkStand::Open);
    let messages = reminder.map(|moment| link.messages(MessageKind::Reminder, moment.0, now)).unwrap_or_default();
    match seen.stand {
        // Whether a reminder is wanted shows when the payment has ended.
        LinkStand::UnderWay => Follows { messages, next: put_off.min(Some(link.expires_at)) },
        _ => Follows { messages, next: link.next_watch(now) },
    }
}
