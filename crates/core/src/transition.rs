//! The transitions, as three tables: what an event does to an operation, what an operation's new state does to its
//! order, and on which orders a try may begin. Nothing else in the gateway changes a state.

use crate::code::{ResponseCode, THREE_DS_WANTED};
use crate::feedback::Channel;
use crate::money::Amount;
use crate::order::{OperationEvent as Event, OperationKind as Kind, OperationState as State, Phase, Totals};

/// One edge of the operation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationEdge {
    /// From this state,
    pub from: State,
    /// on this event,
    pub event: Event,
    /// to this state.
    pub to: State,
}

/// One edge of the order table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseEdge {
    /// From this phase,
    pub from: Phase,
    /// when an operation of this kind
    pub kind: Kind,
    /// comes to this state,
    pub state: State,
    /// and the sums are such afterwards,
    pub sums: Sums,
    /// to this phase.
    pub to: Phase,
}

/// What has to be true of an order's sums after an operation for an edge to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// Nothing.
    Any,
    /// Nothing of the order is captured.
    NothingCaptured,
}

impl Sums {
    /// Whether it is true of `totals`.
    #[must_use]
    pub fn are_those_of(self, totals: &Totals) -> bool {
        match self {
            Sums::Any => true,
            Sums::NothingCaptured => totals.captured == Amount::ZERO,
        }
    }

    /// In words, to be set behind the phase that an order comes to.
    const fn words(self) -> &'static str {
        match self {
            Sums::Any => "",
            Sums::NothingCaptured => ", when nothing is captured any more",
        }
    }
}

/// What an event does to an operation; a pair that is not here cannot happen and changes nothing.
pub const OPERATION_EDGES: &[OperationEdge] = &[
    edge(State::Sent, Event::Approved, State::Approved),
    edge(State::Sent, Event::Declined, State::Declined),
    edge(State::Sent, Event::NotSent, State::NotSent),
    edge(State::Sent, Event::NoAnswer, State::Unknown),
    edge(State::Sent, Event::LinkBroken, State::Unknown),
    edge(State::Sent, Event::Unreadable, State::Unknown),
    edge(State::Sent, Event::Interrupted, State::Unknown),
    edge(State::Sent, Event::AuthenticationWanted, State::Declined),
    // What the customer's part of a payment came to before there was anything to send.
    edge(State::Sent, Event::Cancelled, State::NotSent),
    edge(State::Sent, Event::Abandoned, State::NotSent),
    edge(State::Sent, Event::NotAuthenticated, State::NotSent),
    edge(State::Unknown, Event::Approved, State::Approved),
    edge(State::Unknown, Event::Declined, State::Declined),
    edge(State::Unknown, Event::ReversalAcknowledged, State::Reversed),
    edge(State::Unknown, Event::AdviceAcknowledged, State::Approved),
    edge(State::Unknown, Event::AdviceRefused, State::Declined),
    // By an operator's hand. What is unknown may turn out to be anything; what is settled is corrected only
    // between "it counts" and "it counts for nothing". What never left the gateway cannot have happened.
    edge(State::Unknown, Event::ForcedApproved, State::Approved),
    edge(State::Unknown, Event::ForcedDeclined, State::Declined),
    edge(State::Unknown, Event::ForcedReversed, State::Reversed),
    edge(State::Declined, Event::ForcedApproved, State::Approved),
    edge(State::Reversed, Event::ForcedApproved, State::Approved),
    edge(State::Approved, Event::ForcedReversed, State::Reversed),
];

/// What an operation's new state does to its order. Declined, unknown, reversed and unsent later
/// operations leave the order where it was, so they have no edge.
pub const PHASE_EDGES: &[PhaseEdge] = &[
    phase(Phase::Pending, Kind::Authorize, State::Approved, Phase::Authorized),
    phase(Phase::Pending, Kind::Authorize, State::Declined, Phase::Declined),
    phase(Phase::Pending, Kind::Authorize, State::Unknown, Phase::Unknown),
    phase(Phase::Pending, Kind::Authorize, State::NotSent, Phase::Failed),
    phase(Phase::Unknown, Kind::Authorize, State::Approved, Phase::Authorized),
    phase(Phase::Unknown, Kind::Authorize, State::Declined, Phase::Declined),
    phase(Phase::Unknown, Kind::Authorize, State::Reversed, Phase::Reversed),
    phase(Phase::Pending, Kind::Purchase, State::Approved, Phase::Purchased),
    phase(Phase::Pending, Kind::Purchase, State::Declined, Phase::Declined),
    phase(Phase::Pending, Kind::Purchase, State::Unknown, Phase::Unknown),
    phase(Phase::Pending, Kind::Purchase, State::NotSent, Phase::Failed),
    phase(Phase::Unknown, Kind::Purchase, State::Approved, Phase::Purchased),
    phase(Phase::Unknown, Kind::Purchase, State::Declined, Phase::Declined),
    phase(Phase::Unknown, Kind::Purchase, State::Reversed, Phase::Reversed),
    phase(Phase::Pending, Kind::Verify, State::Approved, Phase::Verified),
    phase(Phase::Pending, Kind::Verify, State::Declined, Phase::Declined),
    phase(Phase::Pending, Kind::Verify, State::Unknown, Phase::Unknown),
    phase(Phase::Pending, Kind::Verify, State::NotSent, Phase::Failed),
    phase(Phase::Unknown, Kind::Verify, State::Approved, Phase::Verified),
    phase(Phase::Unknown, Kind::Verify, State::Declined, Phase::Declined),
    phase(Phase::Unknown, Kind::Verify, State::Reversed, Phase::Reversed),
    phase(Phase::Authorized, Kind::Capture, State::Approved, Phase::Captured),
    phase(Phase::Captured, Kind::Capture, State::Approved, Phase::Captured),
    phase(Phase::Authorized, Kind::Void, State::Approved, Phase::Voided),
    phase(Phase::Captured, Kind::Refund, State::Approved, Phase::Captured),
    phase(Phase::Purchased, Kind::Refund, State::Approved, Phase::Purchased),
    // Corrections by hand of what was settled before.
    phase(Phase::Declined, Kind::Authorize, State::Approved, Phase::Authorized),
    phase(Phase::Reversed, Kind::Authorize, State::Approved, Phase::Authorized),
    phase(Phase::Authorized, Kind::Authorize, State::Reversed, Phase::Reversed),
    phase(Phase::Declined, Kind::Purchase, State::Approved, Phase::Purchased),
    phase(Phase::Reversed, Kind::Purchase, State::Approved, Phase::Purchased),
    phase(Phase::Purchased, Kind::Purchase, State::Reversed, Phase::Reversed),
    phase(Phase::Declined, Kind::Verify, State::Approved, Phase::Verified),
    phase(Phase::Reversed, Kind::Verify, State::Approved, Phase::Verified),
    phase(Phase::Verified, Kind::Verify, State::Reversed, Phase::Reversed),
    phase(Phase::Voided, Kind::Void, State::Reversed, Phase::Authorized),
    PhaseEdge {
        sums: Sums::NothingCaptured,
        ..phase(Phase::Captured, Kind::Capture, State::Reversed, Phase::Authorized)
    },
];

/// One edge of the table of tries: an order becomes pending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryEdge {
    /// From this phase,
    pub from: Phase,
    /// of an order that came by such a way.
    pub where_to: Tries,
}

/// Which orders may have another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    /// All.
    All,
    /// Those on the gateway's own page, where the customer may take another card.
    OnThePage,
    /// Those whose issuer wants the customer authenticated, which follows: their code is 20064.
    AfterAuthentication,
}

/// The orders on which the first or another try may begin. Whatever holds money, or may hold some, is not here: one
/// order never takes money twice.
pub const TRY_EDGES: &[TryEdge] = &[
    TryEdge { from: Phase::Open, where_to: Tries::All },
    TryEdge { from: Phase::Declined, where_to: Tries::OnThePage },
    TryEdge { from: Phase::Declined, where_to: Tries::AfterAuthentication },
    TryEdge { from: Phase::Failed, where_to: Tries::OnThePage },
];

/// Whether a try may begin on an order in this phase, whose last operation has this code.
#[must_use]
pub fn try_may_begin(phase: Phase, channel: Channel, last: ResponseCode) -> bool {
    TRY_EDGES.iter().any(|edge| {
        edge.from == phase
            && match edge.where_to {
                Tries::All => true,
                Tries::OnThePage => channel == Channel::Redirection,
                Tries::AfterAuthentication => last == THREE_DS_WANTED,
            }
    })
}

/// The state an operation comes to, if the event can happen to it.
#[must_use]
pub fn operation_after(from: State, event: Event) -> Option<State> {
    OPERATION_EDGES.iter().find(|edge| edge.from == from && edge.event == event).map(|edge| edge.to)
}

/// The phase an order comes to whose sums are `totals` afterwards; `None` when the operation cannot belong to
/// such an order.
#[must_use]
pub fn phase_after(from: Phase, kind: Kind, state: State, totals: &Totals) -> Option<Phase> {
    let fits = |edge: &&PhaseEdge| edge.from == from && edge.kind == kind && edge.state == state;
    let edge = PHASE_EDGES.iter().filter(fits).find(|edge| edge.sums.are_those_of(totals));
    let stays =
        matches!(state, State::Declined | State::Unknown | State::Reversed | State::NotSent) && can_hold(from, kind);
    edge.map(|edge| edge.to).or(stays.then_some(from))
}

/// Whether a later operation of `kind` may be under way on an order in `phase`.
fn can_hold(phase: Phase, kind: Kind) -> bool {
    let later = matches!(kind, Kind::Capture | Kind::Void | Kind::Refund);
    let begins = |edge: &PhaseEdge| edge.from == phase && edge.kind == kind && edge.state == State::Approved;
    later && PHASE_EDGES.iter().any(begins)
}

/// The tables as Markdown, for the documents.
#[must_use]
pub fn as_markdown() -> String {
    let mut text = String::from("| operation is | event | operation becomes |\n|---|---|---|\n");
    for edge in OPERATION_EDGES {
        text.push_str(&format!("| {} | {} | {} |\n", edge.from, edge.event, edge.to));
    }
    text.push_str("\n| order is | operation | becomes | order becomes |\n|---|---|---|---|\n");
    for edge in PHASE_EDGES {
        let to = format!("{}{}", edge.to, edge.sums.words());
        text.push_str(&format!("| {} | {} | {} | {to} |\n", edge.from, edge.kind, edge.state));
    }
    text.push_str("\n| order is | a try begins | order becomes |\n|---|---|---|\n");
    for edge in TRY_EDGES {
        let on = match edge.where_to {
            Tries::All => "on any",
            Tries::OnThePage => "on the gateway's page",
            Tries::AfterAuthentication => "with the authentication that the issuer wants",
        };
        text.push_str(&format!("| {} | {on} | {} |\n", edge.from, Phase::Pending));
    }
    text
}

const fn edge(from: State, event: Event, to: State) -> OperationEdge {
    OperationEdge { from, event, to }
}

const fn phase(from: Phase, kind: Kind, state: State, to: Phase) -> PhaseEdge {
    PhaseEdge { from, kind, state, sums: Sums::Any, to }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_pair_has_two_edges() {
        for (index, edge) in OPERATION_EDGES.iter().enumerate() {
            assert!(
                !OPERATION_EDGES[..index].iter().any(|other| other.from == edge.from && other.event == edge.event),
                "{edge:?}"
            );
        }
        for (index, edge) in PHASE_EDGES.iter().enumerate() {
            let same =
                |other: &PhaseEdge| other.from == edge.from && other.kind == edge.kind && other.state == edge.state;
            assert!(!PHASE_EDGES[..index].iter().any(same), "{edge:?}");
        }
    }

    #[test]
    fn only_an_operator_leads_out_of_a_final_state_and_nobody_out_of_not_sent() {
        for state in [State::Approved, State::Declined, State::Reversed, State::NotSent] {
            for event in Event::ALL.iter().filter(|event| !event.is_forced()) {
                assert_eq!(operation_after(state, *event), None, "{state}: {event}");
            }
        }
        assert!(Event::ALL.iter().all(|event| operation_after(State::NotSent, *event).is_none()));
    }

    #[test]
    fn an_operator_may_not_touch_what_is_on_its_way() {
        for event in Event::ALL.iter().filter(|event| event.is_forced()) {
            assert_eq!(operation_after(State::Sent, *event), None, "{event}");
            assert!(operation_after(State::Unknown, *event).is_some(), "{event}");
        }
    }

    #[test]
    fn unknown_is_left_only_by_knowledge() {
        for event in Event::ALL.iter().filter(|event| event.leaves_unknown()) {
            assert_eq!(operation_after(State::Unknown, *event), None, "{event}");
            assert_eq!(operation_after(State::Sent, *event), Some(State::Unknown), "{event}");
        }
        assert_eq!(operation_after(State::Unknown, Event::NotSent), None);
    }

    #[test]
    fn a_declined_later_operation_leaves_the_order_where_it_was() {
        let after = |from, kind, state| phase_after(from, kind, state, &captured(1));
        assert_eq!(after(Phase::Authorized, Kind::Capture, State::Declined), Some(Phase::Authorized));
        assert_eq!(after(Phase::Captured, Kind::Refund, State::Reversed), Some(Phase::Captured));
        assert_eq!(after(Phase::Authorized, Kind::Void, State::Unknown), Some(Phase::Authorized));
        assert_eq!(after(Phase::Purchased, Kind::Capture, State::Declined), None);
        assert_eq!(after(Phase::Voided, Kind::Refund, State::Approved), None);
    }

    #[test]
    fn an_order_is_captured_as_long_as_any_capture_counts() {
        let after = |minor| phase_after(Phase::Captured, Kind::Capture, State::Reversed, &captured(minor));
        assert_eq!(after(1), Some(Phase::Captured), "another capture counts still");
        assert_eq!(after(0), Some(Phase::Authorized), "the last one counts no more");
    }

    #[test]
    fn a_try_begins_only_where_no_money_is_or_may_be_held() {
        for phase in Phase::ALL {
            let nothing_is_held = matches!(phase, Phase::Open | Phase::Declined | Phase::Failed);
            let may = |channel, last| try_may_begin(*phase, channel, last);
            let final_code = Kind::Purchase.code(crate::code::message::AUTHENTICATION_FAILED);
            assert_eq!(may(Channel::Redirection, final_code), nothing_is_held, "{phase}");
            assert_eq!(may(Channel::Trusted, final_code), *phase == Phase::Open, "{phase}");
            let waits = matches!(phase, Phase::Open | Phase::Declined);
            assert_eq!(may(Channel::Trusted, THREE_DS_WANTED), waits, "{phase}");
        }
    }

    fn captured(minor: u64) -> Totals {
        Totals { captured: Amount::from_minor(minor).unwrap(), ..Totals::default() }
    }

    #[test]
    fn documents_show_the_tables_as_they_are() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/transitions.md");
        let document = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            document.contains(&as_markdown()),
            "docs/transitions.md differs from the tables; write it anew with: cargo run -p xtask -- docs"
        );
    }
}
