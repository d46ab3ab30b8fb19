//! What stays of an authentication that is over, at its checkout: what it came to, for people, and how results are answered
//! that the directory server posts, or posts again, when the payment has followed long since.

use super::seen::flow_of;
use tollgate_core::checkout::Checkout;
use tollgate_core::time::Timestamp;
use tollgate_threeds::flow::{Event, Flow, PastFlow, Reply};
use tollgate_threeds::message::RReq;

/// How many sentences about authentications a checkout keeps at most.
const TOLD_MAX: usize = 16;
/// How many authentications that are over a checkout answers for at most; the oldest give way.
const PAST_MAX: usize = 16;

/// The checkout with what stays of an authentication that is over. It is written with what follows.
pub(super) fn left_by(checkout: &Checkout, flow: &Flow, now: Timestamp) -> Checkout {
    let mut checkout = checkout.clone();
    let Some(outcome) = flow.outcome() else { return checkout };
    if checkout.told.len() < TOLD_MAX {
        checkout.told.push(format!("{now}: {outcome}"));
    }
    let Some(past) = flow.past() else { return checkout };
    match serde_json::to_string(&past) {
        Ok(text) => {
            let too_many = checkout.past.len().saturating_add(1).saturating_sub(PAST_MAX);
            checkout.past.drain(..too_many);
            checkout.past.push(text);
        }
        Err(error) => tracing::error!(%error, "what stays of an authentication cannot be kept"),
    }
    checkout
}

/// The checkout as an authentication leaves it that ends by this event, where one is under way.
pub(super) fn left_in_the_middle(checkout: &Checkout, event: Event<'_>, now: Timestamp) -> Checkout {
    let Some(mut flow) = flow_of(checkout) else { return checkout.clone() };
    flow.apply(event, now);
    left_by(checkout, &flow, now)
}

/// What the directory server is told of results of an authentication that is over; `None` where they name none of those.
pub(super) fn reply(checkout: &Checkout, rreq: &RReq) -> Option<Reply> {
    let past = checkout.past.iter().filter_map(|text| {
        serde_json::from_str::<PastFlow>(text)
            .map_err(|error| tracing::error!(%error, "what stays of an authentication cannot be read"))
            .ok()
    });
    past.into_iter().find(|past| past.is_named_by(rreq)).map(|past| past.reply(rreq))
}
