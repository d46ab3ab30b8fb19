//! An order (one payment) and the operations on it.

use crate::agreement::AgreementRole;
use crate::card::CardFacts;
use crate::code::ResponseCode;
use crate::command::{Eci, MaintainKind};
use crate::credential::OrderCredential;
use crate::feedback::Channel;
use crate::ident::{FortId, MerchantId, OperationId, Rrn, Stan};
use crate::money::{Amount, Money};
use crate::named_enum::named_enum;
use crate::time::Timestamp;
use crate::token::{OrderToken, TokenRole};

/// How an order began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PayKind {
    /// Money is held, and captured later.
    Authorization,
    /// Money is taken at once.
    Purchase,
    /// No money: the issuer is asked whether the card is good.
    VerifyAccount,
    /// A small amount is held to see whether the card is good, and given up at once.
    VerifyByHold,
}

impl PayKind {
    /// The value of `command`.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            PayKind::Authorization => "AUTHORIZATION",
            PayKind::Purchase => "PURCHASE",
            PayKind::VerifyAccount | PayKind::VerifyByHold => "VERIFY_CARD",
        }
    }

    /// Whether it is no payment but a verification of a card: it uses no reference up, and nothing follows it that
    /// a merchant asks for.
    #[must_use]
    pub const fn is_verification(self) -> bool {
        matches!(self, PayKind::VerifyAccount | PayKind::VerifyByHold)
    }

    /// The operation that begins such an order.
    #[must_use]
    pub const fn operation(self) -> OperationKind {
        match self {
            PayKind::Authorization | PayKind::VerifyByHold => OperationKind::Authorize,
            PayKind::Purchase => OperationKind::Purchase,
            PayKind::VerifyAccount => OperationKind::Verify,
        }
    }

    /// The response code of `operation` on such an order with `message`: that of the operation, but for what begins a
    /// verification, which has status 80 or 81, technical problems included.
    #[must_use]
    pub const fn code(self, operation: OperationKind, message: u16) -> ResponseCode {
        if self.is_verification() && operation.begins() {
            OperationKind::Verify.code(message)
        } else {
            operation.code(message)
        }
    }
}

named_enum! {
    /// Where an order stands, apart from an operation that may be under way.
    Phase {
        /// The first operation has been sent, its outcome is not there yet.
        Pending = 0 "pending",
        /// The outcome of the first operation is not known: it will be found out or reversed.
        Unknown = 1 "unknown",
        /// Money is held.
        Authorized = 2 "authorized",
        /// Some or all of the held money has been taken.
        Captured = 3 "captured",
        /// Money has been taken at once.
        Purchased = 4 "purchased",
        /// The hold was given up.
        Voided = 5 "voided",
        /// The issuer said no.
        Declined = 6 "declined",
        /// It never left the gateway.
        Failed = 7 "failed",
        /// The outcome was unknown, and the network has acknowledged that it counts for nothing.
        Reversed = 8 "reversed",
        /// The issuer said that the card is good. Nothing is held.
        Verified = 9 "verified",
        /// The customer is at the gateway's page or at the issuer's: nothing has been sent.
        Open = 10 "open",
    }
}

named_enum! {
    /// What an operation does.
    OperationKind {
        /// Hold money.
        Authorize = 0 "authorize",
        /// Take money at once.
        Purchase = 1 "purchase",
        /// Take held money.
        Capture = 2 "capture",
        /// Give up a hold.
        Void = 3 "void",
        /// Give money back.
        Refund = 4 "refund",
        /// Ask whether a card is good, without money.
        Verify = 5 "verify",
    }
}

impl OperationKind {
    /// The FORT command of it.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            OperationKind::Authorize => "AUTHORIZATION",
            OperationKind::Purchase => "PURCHASE",
            OperationKind::Capture => "CAPTURE",
            OperationKind::Void => "VOID_AUTHORIZATION",
            OperationKind::Refund => "REFUND",
            OperationKind::Verify => "VERIFY_CARD",
        }
    }

    /// Whether orders begin with it.
    #[must_use]
    pub const fn begins(self) -> bool {
        matches!(self, OperationKind::Authorize | OperationKind::Purchase | OperationKind::Verify)
    }

    /// The response code of this operation with `message`, on its success status for message 0 and
    /// on its failure status otherwise. A technical problem has status 00, but for a verification.
    #[must_use]
    pub const fn code(self, message: u16) -> ResponseCode {
        let success = message == crate::code::message::SUCCESS;
        if message == crate::code::message::TECHNICAL_PROBLEM && !matches!(self, OperationKind::Verify) {
            return crate::code::refused::TECHNICAL_PROBLEM;
        }
        let status = match self {
            OperationKind::Authorize => {
                if success {
                    2
                } else {
                    3
                }
            }
            OperationKind::Purchase => {
                if success {
                    14
                } else {
                    13
                }
            }
            OperationKind::Capture => {
                if success {
                    4
                } else {
                    5
                }
            }
            OperationKind::Void => {
                if success {
                    8
                } else {
                    9
                }
            }
            OperationKind::Refund => {
                if success {
                    6
                } else {
                    7
                }
            }
            OperationKind::Verify => {
                if success {
                    80
                } else {
                    81
                }
            }
        };
        ResponseCode::new(status, message)
    }

    /// How an unknown outcome of it is settled.
    #[must_use]
    pub const fn way_out(self) -> WayOut {
        match self {
            OperationKind::Authorize | OperationKind::Purchase | OperationKind::Refund | OperationKind::Verify => {
                WayOut::Reverse
            }
            OperationKind::Capture | OperationKind::Void => WayOut::Repeat,
        }
    }
}

impl From<MaintainKind> for OperationKind {
    fn from(kind: MaintainKind) -> OperationKind {
        match kind {
            MaintainKind::Capture => OperationKind::Capture,
            MaintainKind::Void => OperationKind::Void,
            MaintainKind::Refund => OperationKind::Refund,
        }
    }
}

named_enum! {
    /// How an operation with an unknown outcome is settled.
    WayOut {
        /// A reversal advice (0420, then 0421) until the network acknowledges it: the operation
        /// then counts for nothing.
        Reverse = 0 "reverse",
        /// The same advice again under the same numbers (0220 as 0221, 0420 as 0421) until the
        /// network acknowledges it: the operation then counts.
        Repeat = 1 "repeat",
    }
}

named_enum! {
    /// Where one operation stands.
    OperationState {
        /// On its way to the network; its intent is durable.
        Sent = 0 "sent",
        /// The network said yes.
        Approved = 1 "approved",
        /// The network said no.
        Declined = 2 "declined",
        /// Nobody knows yet.
        Unknown = 3 "unknown",
        /// It was unknown, and is undone: the network acknowledged the reversal.
        Reversed = 4 "reversed",
        /// It never left the gateway.
        NotSent = 5 "not sent",
    }
}

named_enum! {
    /// What can happen to an operation.
    OperationEvent {
        /// The network approved it, in time or late.
        Approved = 0 "approved",
        /// The network declined it, in time or late.
        Declined = 1 "declined",
        /// The message could not be handed to the link: not one byte left.
        NotSent = 2 "not sent",
        /// Sent, and no answer within the time limit.
        NoAnswer = 3 "no answer after send",
        /// Sent, and the link broke before an answer came.
        LinkBroken = 4 "link broken after send",
        /// Sent, and the answer could not be read.
        Unreadable = 5 "unreadable answer",
        /// The gateway stopped between the intent and the outcome.
        Interrupted = 6 "gateway stopped after intent",
        /// The network acknowledged the reversal.
        ReversalAcknowledged = 7 "reversal acknowledged",
        /// The network acknowledged the repeated advice.
        AdviceAcknowledged = 8 "advice acknowledged",
        /// The network refused the repeated advice for good.
        AdviceRefused = 9 "advice refused",
        /// An operator settled it by hand, with evidence that the network did it.
        ForcedApproved = 10 "forced: approved",
        /// An operator settled it by hand, with evidence that the network said no.
        ForcedDeclined = 11 "forced: declined",
        /// An operator settled it by hand, with evidence that the network counts it for nothing.
        ForcedReversed = 12 "forced: reversed",
        /// The customer cancelled before anything was sent.
        Cancelled = 13 "cancelled by the customer",
        /// The customer did not finish in time, so nothing was sent.
        Abandoned = 14 "not finished by the customer in time",
        /// The customer was not authenticated (3-D Secure), so nothing was sent.
        NotAuthenticated = 15 "customer not authenticated",
        /// The network declined it because the issuer wants the customer authenticated, and that begins with this outcome.
        AuthenticationWanted = 16 "declined, an authentication follows",
    }
}

impl OperationEvent {
    /// The events after which nobody knows what the network did.
    #[must_use]
    pub const fn leaves_unknown(self) -> bool {
        matches!(
            self,
            OperationEvent::NoAnswer
                | OperationEvent::LinkBroken
                | OperationEvent::Unreadable
                | OperationEvent::Interrupted
        )
    }

    /// The events by which an operator settles an operation by hand.
    #[must_use]
    pub const fn is_forced(self) -> bool {
        matches!(self, OperationEvent::ForcedApproved | OperationEvent::ForcedDeclined | OperationEvent::ForcedReversed)
    }
}

/// The sums of an order, in minor units of its currency: refunded <= captured <= authorized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Approved for holding; of a purchase, its amount.
    pub authorized: Amount,
    /// Taken.
    pub captured: Amount,
    /// Given back.
    pub refunded: Amount,
}

impl Totals {
    /// What can still be captured.
    #[must_use]
    pub fn open_to_capture(&self) -> Amount {
        self.authorized.minus(self.captured).unwrap_or(Amount::ZERO)
    }

    /// What can still be refunded.
    #[must_use]
    pub fn open_to_refund(&self) -> Amount {
        self.captured.minus(self.refunded).unwrap_or(Amount::ZERO)
    }

    /// Whether the rule of the sums holds.
    #[must_use]
    pub fn are_consistent(&self) -> bool {
        self.refunded <= self.captured && self.captured <= self.authorized
    }
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub fort_id: FortId,
    /// Whose.
    pub merchant: MerchantId,
    /// The merchant's order number.
    pub merchant_reference: String,
    /// How it began.
    pub kind: PayKind,
    /// What was asked for at the beginning.
    pub money: Money,
    /// The e-commerce indicator.
    pub eci: Eci,
    /// The way by which it came.
    pub channel: Channel,
    /// The harmless part of the card, as soon as one is known.
    pub card: Option<CardFacts>,
    /// The token that it uses or makes, if any.
    pub token: Option<OrderToken>,
    /// What it has to do with a stored card, as its newest try told the network.
    pub credential: Option<Box<OrderCredential>>,
    /// Where it stands.
    pub phase: Phase,
    /// Its sums.
    pub totals: Totals,
    /// The operation under way or unsettled, if any: at most one at a time.
    pub open_operation: Option<OperationId>,
    /// Grows with each change.
    pub version: u32,
    /// The issuer's authorization code of the first operation.
    pub authorization_code: Option<String>,
    /// How the first operation is named on the wire, for messages that refer to it.
    pub original: WireReference,
    /// The last operation, as CHECK_STATUS tells it.
    pub last: LastOperation,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Order {
    /// The name of the order's token as the merchant may know it when its first operation is in `state`: a token
    /// that is still to be made has none before the payment succeeded.
    #[must_use]
    pub fn token_name_in(&self, state: OperationState) -> Option<&str> {
        let token = self.token.as_ref()?;
        (token.role != TokenRole::Saves || state == OperationState::Approved).then_some(&token.name)
    }

    /// The name of the agreement that the order opens or charges as the merchant may know it when its first operation is
    /// in `state`: one that is still to be opened has none before the payment succeeded, nor has one without a token.
    #[must_use]
    pub fn agreement_id_in(&self, state: OperationState) -> Option<&str> {
        let agreement = self.credential.as_ref()?.agreement.as_ref()?;
        let is_there = match agreement.role {
            AgreementRole::Charges => true,
            AgreementRole::Opens => state == OperationState::Approved && self.token.is_some(),
        };
        is_there.then_some(&agreement.id)
    }

    /// Whether another try may begin on it: the first one that a customer's card makes possible, another one on the page
    /// where an earlier one came to nothing, or the one with the authentication that the issuer wants.
    #[must_use]
    pub fn takes_a_try(&self) -> bool {
        self.open_operation.is_none() && crate::transition::try_may_begin(self.phase, self.channel, self.last.code)
    }

    /// Whether it is the customer's turn: nothing was sent yet, or the issuer has declined and the authentication that it
    /// wants follows. Such an order has no final answer.
    #[must_use]
    pub fn waits_for_its_customer(&self) -> bool {
        let is_wanted = self.phase == Phase::Declined && self.last.code == crate::code::THREE_DS_WANTED;
        self.open_operation.is_none() && (self.phase == Phase::Open || is_wanted)
    }

    /// What is still to be given up of an order that is no payment: the hold of a verification at rest. `None` for
    /// everything else.
    #[must_use]
    pub fn hold_to_give_up(&self) -> Option<Money> {
        let at_rest = self.kind.is_verification() && self.phase == Phase::Authorized && self.open_operation.is_none();
        at_rest.then_some(Money { amount: self.totals.authorized, currency: self.money.currency })
    }
}

/// How a message is named on the wire: what a reversal, a completion or a refund refers to
/// (ISO 8583:1987 fields 7, 11, 37, 90).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireReference {
    /// Field 11.
    pub stan: Stan,
    /// Field 37.
    pub rrn: Rrn,
    /// The moment behind field 7.
    pub sent_at: Timestamp,
}

/// The newest operation of an order and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastOperation {
    /// What it was.
    pub kind: OperationKind,
    /// Its code as far as it is known: 15777 while nobody knows.
    pub code: ResponseCode,
    /// The network's response code (ISO 8583:1987 field 39), if one came.
    pub network_code: Option<String>,
}

/// One operation on an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub id: OperationId,
    /// The order's.
    pub fort_id: FortId,
    /// What it does.
    pub kind: OperationKind,
    /// How much; of a void, what is still held.
    pub money: Money,
    /// Where it stands.
    pub state: OperationState,
    /// How it is named on the wire.
    pub wire: WireReference,
}
