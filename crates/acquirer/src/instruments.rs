//! What the link counts. The recorder must be in place before the link starts.

use crate::port::{ExchangeResult, NetworkKind, NotSent, UnknownReason};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::time::Duration;

/// The metrics of the link, looked up once.
pub(crate) struct Instruments {
    pub(crate) up: Gauge,
    pub(crate) in_flight: Gauge,
    pub(crate) late_delivered: Counter,
    pub(crate) late_dropped: Counter,
    pub(crate) duplicate: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) unmatched: Counter,
    pub(crate) reconnects: Counter,
    answer_seconds: Histogram,
    messages: Vec<OfKind>,
}

struct OfKind {
    kind: NetworkKind,
    approved: Counter,
    declined: Counter,
    link_down: Counter,
    link_full: Counter,
    unbuildable: Counter,
    no_answer: Counter,
    link_broken: Counter,
    unreadable: Counter,
    abandoned: Counter,
}

impl Instruments {
    pub(crate) fn new() -> Instruments {
        describe();
        Instruments {
            up: gauge!("tollgate_link_up"),
            in_flight: gauge!("tollgate_link_in_flight"),
            late_delivered: counter!("tollgate_link_late_total", "fate" => "delivered"),
            late_dropped: counter!("tollgate_link_late_total", "fate" => "dropped"),
            duplicate: counter!("tollgate_link_duplicate_total"),
            unreadable: counter!("tollgate_link_unreadable_total"),
            unmatched: counter!("tollgate_link_unmatched_total"),
            reconnects: counter!("tollgate_link_reconnects_total"),
            answer_seconds: histogram!("tollgate_link_answer_seconds"),
            messages: KINDS.into_iter().map(OfKind::new).collect(),
        }
    }

    pub(crate) fn answered_after(&self, time: Duration) {
        self.answer_seconds.record(time);
    }

    pub(crate) fn ended(&self, kind: NetworkKind, result: &ExchangeResult) {
        let Some(of_kind) = self.messages.iter().find(|of_kind| of_kind.kind == kind) else { return };
        let counter = match result {
            ExchangeResult::Answered(reply) if reply.is_approval() => &of_kind.approved,
            ExchangeResult::Answered(_) => &of_kind.declined,
            ExchangeResult::NotSent(NotSent::LinkDown) => &of_kind.link_down,
            ExchangeResult::NotSent(NotSent::LinkFull) => &of_kind.link_full,
            ExchangeResult::NotSent(NotSent::Unbuildable) => &of_kind.unbuildable,
            // Its sender withheld it: the link never saw it.
            ExchangeResult::NotSent(NotSent::Withheld) => return,
            ExchangeResult::Unknown(UnknownReason::NoAnswer) => &of_kind.no_answer,
            ExchangeResult::Unknown(UnknownReason::LinkBroken) => &of_kind.link_broken,
            ExchangeResult::Unknown(UnknownReason::Unreadable) => &of_kind.unreadable,
        };
        counter.increment(1);
    }

    pub(crate) fn abandoned(&self, kind: NetworkKind) {
        if let Some(of_kind) = self.messages.iter().find(|of_kind| of_kind.kind == kind) {
            of_kind.abandoned.increment(1);
        }
    }
}

const KINDS: [NetworkKind; 9] = [
    NetworkKind::Authorize,
    NetworkKind::Verify,
    NetworkKind::Purchase,
    NetworkKind::Refund,
    NetworkKind::CaptureAdvice,
    NetworkKind::CaptureAdviceRepeat,
    NetworkKind::Void,
    NetworkKind::ReversalAdvice,
    NetworkKind::ReversalAdviceRepeat,
];

/// The label of a kind.
pub(crate) const fn label(kind: NetworkKind) -> &'static str {
    match kind {
        NetworkKind::Authorize => "authorize",
        NetworkKind::Verify => "verify",
        NetworkKind::Purchase => "purchase",
        NetworkKind::Refund => "refund",
        NetworkKind::CaptureAdvice => "capture_advice",
        NetworkKind::CaptureAdviceRepeat => "capture_advice_repeat",
        NetworkKind::Void => "void",
        NetworkKind::ReversalAdvice => "reversal_advice",
        NetworkKind::ReversalAdviceRepeat => "reversal_advice_repeat",
    }
}

impl OfKind {
    fn new(kind: NetworkKind) -> OfKind {
        let of =
            |result: &'static str| counter!("tollgate_link_messages_total", "kind" => label(kind), "result" => result);
        OfKind {
            kind,
            approved: of("approved"),
            declined: of("declined"),
            link_down: of("not_sent_link_down"),
            link_full: of("not_sent_link_full"),
            unbuildable: of("not_sent_unbuildable"),
            no_answer: of("unknown_no_answer"),
            link_broken: of("unknown_link_broken"),
            unreadable: of("unknown_unreadable"),
            abandoned: of("abandoned"),
        }
    }
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("tollgate_link_up", "1 while connected to the card network and signed on");
    describe_gauge!("tollgate_link_in_flight", "messages that wait for the network's answer");
    describe_counter!("tollgate_link_messages_total", "messages to the card network by kind and by what came of them");
    describe_counter!("tollgate_link_late_total", "answers that came when nobody waited for them any more");
    describe_counter!("tollgate_link_duplicate_total", "answers to messages that were answered already");
    describe_counter!("tollgate_link_unreadable_total", "frames and answers that could not be read");
    describe_counter!("tollgate_link_unmatched_total", "messages from the network that belong to nothing known");
    describe_counter!("tollgate_link_reconnects_total", "connections that were made after the first one");
    describe_histogram!(
        "tollgate_link_answer_seconds",
        Unit::Seconds,
        "time from handing a message over to its answer"
    );
}
