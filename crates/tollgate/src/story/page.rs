//! The customer at the gateway's own page: what an order's checkout and its operations tell of that, for people and for
//! machines. The address of a page is secret, and is not told.

use serde_json::{Value, json};
use tollgate_core::checkout::{Checkout, End, Step};
use tollgate_core::feedback::Channel;
use tollgate_core::order::{OperationEvent, Order, Phase};
use tollgate_store::StoryOperation;

/// Prints it. A checkout is forgotten a day after its end; the operations stay.
pub(super) fn print(order: &Order, checkout: Option<&Checkout>) {
    let Some(checkout) = checkout else {
        if order.channel == Channel::Redirection {
            println!("  {:<20}forgotten: it ended more than a day ago", "page");
        }
        return;
    };
    let opener = match order.channel {
        Channel::Redirection if checkout.payment_link.is_some() => "the payment link",
        Channel::Redirection => "the merchant's form",
        _ => "the payment",
    };
    println!("\n{}  {opener} opened the customer's page", checkout.opened_at);
    println!("  {:<20}{}", "stands", stands_words(checkout, order));
    println!("  {:<20}{} of {}", "cards tried", checkout.tries, checkout.tries_max);
    if !checkout.has_ended() {
        println!("  {:<20}until {}", "time", checkout.expires_at);
    }
    for sentence in &checkout.told {
        println!("  {:<20}{sentence}", "3-D Secure");
    }
    // With an operation they are told there.
    if checkout.tries == 0 && order.phase == Phase::Open {
        println!("  request (masked)");
        super::print_pairs(&checkout.params);
    }
}

/// It for machines: `null` where the order has no page, or its page was forgotten.
pub(super) fn to_json(order: &Order, checkout: Option<&Checkout>) -> Value {
    checkout.map_or(Value::Null, |checkout| {
        json!({
            "opened_at": checkout.opened_at.to_string(),
            "expires_at": checkout.expires_at.to_string(),
            "cards_tried": checkout.tries,
            "cards_tried_max": checkout.tries_max,
            "step": step_name(&checkout.step),
            "stands": stands_words(checkout, order),
            "three_ds": checkout.told,
            "request": checkout.params,
        })
    })
}

/// Counts the cards that a customer tried on the page of an order.
pub(super) struct Tries<'a> {
    order: &'a Order,
    counted: usize,
}

impl<'a> Tries<'a> {
    /// None yet.
    pub(super) fn of(order: &'a Order) -> Tries<'a> {
        Tries { order, counted: 0 }
    }

    /// The number of the next operation, where it is a try.
    pub(super) fn number(&mut self, told: &StoryOperation) -> Option<usize> {
        let is_payment = told.operation.kind == self.order.kind.operation();
        if self.order.channel != Channel::Redirection || !is_payment || closing(told).is_some() {
            return None;
        }
        self.counted = self.counted.saturating_add(1);
        Some(self.counted)
    }
}

/// How an operation came about that has no message: it closes an order of which nothing was sent.
pub(super) fn closing(told: &StoryOperation) -> Option<&'static str> {
    match told.outcomes.first()?.event {
        OperationEvent::Cancelled => Some("the customer cancelled on the page"),
        OperationEvent::Abandoned => Some("the gateway closed the page: the customer's time was over"),
        OperationEvent::NotAuthenticated => Some("the gateway closed the page: the customer was not authenticated"),
        _ => None,
    }
}

/// Who closed it, for machines.
pub(super) fn closed_by(told: &StoryOperation) -> Option<&'static str> {
    match told.outcomes.first()?.event {
        OperationEvent::Cancelled => Some("customer"),
        OperationEvent::Abandoned | OperationEvent::NotAuthenticated => Some("gateway"),
        _ => None,
    }
}

fn stands_words(checkout: &Checkout, order: &Order) -> &'static str {
    match &checkout.step {
        Step::Card => match order.phase {
            Phase::Open if checkout.tries == 0 => "the customer has not sent a card yet",
            Phase::Declined | Phase::Failed => "the customer may try another card",
            Phase::Pending => "a payment is under way, and the customer waits",
            _ => "open",
        },
        Step::Authentication(_) => "the customer is being authenticated",
        Step::PassBy => "the customer's browser has not come by yet",
        Step::Ended(End::Cancelled) => "ended: the customer cancelled",
        Step::Ended(End::TimedOut) => "ended: the customer's time was over",
        Step::Ended(End::AsOrder | End::Token(_)) => match order.phase {
            Phase::Declined | Phase::Failed => "ended without a payment",
            _ => "ended with the payment",
        },
    }
}

const fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Card => "card",
        Step::Authentication(_) => "authentication",
        Step::PassBy => "pass_by",
        Step::Ended(End::Cancelled) => "cancelled",
        Step::Ended(_) => "ended",
    }
}
