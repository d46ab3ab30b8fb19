//! The port to a card network: what the use cases may ask of it, and what can come back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_core::card::{Expiry, Pan, SecurityCode};
use tollgate_core::command::{Eci, ThreeDsWish};
use tollgate_core::credential::{NetworkTransactionId, StoredCredential};
use tollgate_core::merchant::AcquirerTerms;
use tollgate_core::money::Money;
use tollgate_core::order::{OperationEvent, OperationKind, WireReference};
use tollgate_core::three_ds::Authentication;
use tollgate_core::time::Timestamp;

/// A card network.
pub trait Acquirer: Send + Sync + 'static {
    /// Sends one message and waits for its answer, at most as long as the link is set up to wait.
    ///
    /// Never fails: each way in which it can end is an [`ExchangeResult`]. The future may be dropped;
    /// a message that was sent stays sent then, and its answer counts as late.
    fn exchange(&self, request: NetworkRequest) -> Pin<Box<dyn Future<Output = Exchange> + Send + '_>>;

    /// Whether a message handed over now would be sent at once.
    fn state(&self) -> LinkState;
}

/// The state of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Connected and signed on.
    Up,
    /// Not connected, or not signed on: nothing would be sent.
    Down,
    /// Connected, but so many messages wait for answers that no more are taken.
    Full,
}

/// A message for the network.
#[derive(Debug)]
pub struct NetworkRequest {
    /// What it does.
    pub kind: NetworkKind,
    /// How it is named: fields 7, 11, 37.
    pub wire: WireReference,
    /// Field 4 and 49.
    pub money: Money,
    /// Fields 2, 14 and the security code.
    pub card: NetworkCard,
    /// Fields 18, 41, 42, 43.
    pub merchant: Arc<AcquirerTerms>,
    /// The e-commerce indicator.
    pub eci: Eci,
    /// Whether the merchant asked to leave 3-D Secure out.
    pub three_ds: ThreeDsWish,
    /// What an authentication of the customer came to: told in the first message of an e-commerce payment.
    pub authentication: Option<Authentication>,
    /// What is told of a card that is kept: in first messages only.
    pub credential: Option<StoredCredential>,
    /// What it refers to: mandatory for completions, reversals and refunds (fields 38, 90).
    pub original: Option<OriginalReference>,
    /// The merchant's settlement reference, up to 34 characters.
    pub settlement_reference: Option<String>,
}

/// What a message does, and so its message type and processing code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// 0100, processing code 000000: hold money.
    Authorize,
    /// 0100, processing code 000000, amount zero, condition code 51: ask whether the card is good.
    Verify,
    /// 0200, processing code 000000: take money.
    Purchase,
    /// 0200, processing code 200000: give money back.
    Refund,
    /// 0220, processing code 000000: take held money.
    CaptureAdvice,
    /// 0221: the same advice again, under the same numbers.
    CaptureAdviceRepeat,
    /// 0400: give up a hold at the merchant's wish.
    Void,
    /// 0420: the reversal of a message whose outcome is unknown, or of a void that was not answered.
    ReversalAdvice,
    /// 0421: the same again.
    ReversalAdviceRepeat,
}

impl NetworkKind {
    /// The message type (ISO 8583:1987).
    #[must_use]
    pub const fn mti(self) -> &'static str {
        match self {
            NetworkKind::Authorize | NetworkKind::Verify => "0100",
            NetworkKind::Purchase | NetworkKind::Refund => "0200",
            NetworkKind::CaptureAdvice => "0220",
            NetworkKind::CaptureAdviceRepeat => "0221",
            NetworkKind::Void => "0400",
            NetworkKind::ReversalAdvice => "0420",
            NetworkKind::ReversalAdviceRepeat => "0421",
        }
    }

    /// The processing code (field 3).
    #[must_use]
    pub const fn processing_code(self) -> &'static str {
        match self {
            NetworkKind::Refund => "200000",
            _ => "000000",
        }
    }

    /// Whether it is the first message of a payment or of a verification: it refers to no other one, and alone has
    /// expiry date and security code.
    #[must_use]
    pub const fn begins(self) -> bool {
        matches!(self, NetworkKind::Authorize | NetworkKind::Purchase | NetworkKind::Verify)
    }

    /// The message that carries an operation out.
    #[must_use]
    pub const fn of(kind: OperationKind) -> NetworkKind {
        match kind {
            OperationKind::Authorize => NetworkKind::Authorize,
            OperationKind::Purchase => NetworkKind::Purchase,
            OperationKind::Capture => NetworkKind::CaptureAdvice,
            OperationKind::Void => NetworkKind::Void,
            OperationKind::Refund => NetworkKind::Refund,
            OperationKind::Verify => NetworkKind::Verify,
        }
    }
}

/// The card as the network needs it.
#[derive(Debug)]
pub struct NetworkCard {
    /// Field 2.
    pub pan: Pan,
    /// Field 14.
    pub expiry: Option<Expiry>,
    /// Field 48 subelement 92, in the first message only.
    pub security_code: Option<SecurityCode>,
}

/// The message that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalReference {
    /// What it was.
    pub kind: NetworkKind,
    /// How it was named.
    pub wire: WireReference,
    /// Field 38 of its answer.
    pub authorization_code: Option<String>,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The result.
    pub result: ExchangeResult,
    /// The messages of the wire, masked.
    pub trace: WireTrace,
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeResult {
    /// The network answered.
    Answered(NetworkReply),
    /// Not one byte left the gateway.
    NotSent(NotSent),
    /// It may have been sent, and no usable answer came.
    Unknown(UnknownReason),
}

/// A readable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkReply {
    /// Field 39.
    pub code: String,
    /// Field 38.
    pub authorization_code: Option<String>,
    /// Field 48 subelement 63: how the network names the payment.
    pub network_transaction_id: Option<NetworkTransactionId>,
    /// Field 48 subelement 84: whether a decline may be tried again, as the network says it (two digits).
    pub advice_code: Option<String>,
}

impl NetworkReply {
    /// An answer that says no more than its code.
    #[must_use]
    pub fn bare(code: impl Into<String>) -> NetworkReply {
        NetworkReply { code: code.into(), authorization_code: None, network_transaction_id: None, advice_code: None }
    }

    /// Whether the network said yes to all that was asked: partial approval (`10`) and approval with
    /// identification (`08`) are not taken for a yes.
    #[must_use]
    pub fn is_approval(&self) -> bool {
        self.code == "00"
    }
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The link is down.
    LinkDown,
    /// Too many messages wait for answers.
    LinkFull,
    /// The message could not be built: a defect of ours or of the merchant's terms.
    Unbuildable,
    /// It may not be sent any more: the gateway that wanted to was taken for dead.
    Withheld,
}

/// Why the outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownReason {
    /// No answer within the time limit.
    NoAnswer,
    /// The link broke.
    LinkBroken,
    /// The answer came and could not be read, or lacks field 39.
    Unreadable,
}

impl UnknownReason {
    /// The event of it.
    #[must_use]
    pub const fn event(self) -> OperationEvent {
        match self {
            UnknownReason::NoAnswer => OperationEvent::NoAnswer,
            UnknownReason::LinkBroken => OperationEvent::LinkBroken,
            UnknownReason::Unreadable => OperationEvent::Unreadable,
        }
    }
}

/// An answer that came when nobody waited for it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateReply {
    /// The message it answers.
    pub kind: NetworkKind,
    /// How that was named.
    pub wire: WireReference,
    /// The answer.
    pub reply: NetworkReply,
    /// The answer's message, masked.
    pub trace: WireTrace,
}

/// Messages of the wire in a compact text, masked: safe to store and to show.
///
/// One line a message: the moment in microseconds, `>` (sent) or `<` (received), and the compact text
/// of `tollgate-iso8583`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireTrace(pub String);

impl WireTrace {
    /// Adds a message.
    pub fn push(&mut self, at: Timestamp, direction: Direction, compact: &str) {
        use std::fmt::Write as _;
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        let arrow = match direction {
            Direction::Sent => '>',
            Direction::Received => '<',
        };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{} {arrow} {compact}", at.0);
    }
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From us to the network.
    Sent,
    /// From the network to us.
    Received,
}
