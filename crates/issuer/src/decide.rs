//! What the ledger says to a message. Pure: it reads the book and changes nothing.
//!
//! Each ladder below is a list of guards in the order in which they count; `docs/sandbox.md` tells the codes.

use crate::book::{Book, NameKey, undoing};
use crate::credential::{self, TransactionId, new_transaction_id};
use crate::entry::{Delta, Effect, Entry, EntryIndex};
use crate::payment::{Payment, PaymentKind, Standing, Step};
use crate::request::{MessageClass, OriginalReference, Request, RequestKind};
use crate::response_code::ResponseCode;
use crate::text::AuthorizationCode;
use tollgate_core::time::Timestamp;

/// The answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The first message of its name: the entry is to be written, then answered.
    New(Entry),
    /// A repeat: answered as the first one was.
    Repeat {
        /// Field 39.
        code: ResponseCode,
        /// Field 38.
        authorization_code: Option<AuthorizationCode>,
        /// Field 48 subelement 63.
        transaction_id: Option<TransactionId>,
    },
    /// Another message under a name that was used: refused, not written.
    NameTaken,
    /// The ledger has no more room: refused, not written.
    Full,
}

/// Decides a message at a moment. `seed` makes the authorization codes.
pub(crate) fn decide(book: &Book, request: &Request, at: Timestamp, seed: u64) -> Decision {
    let key = NameKey { acquirer: request.name.acquirer, class: request.name.class, rrn: request.name.rrn };
    if let Some(first) = book.named(key) {
        return repeat(first, request);
    }
    if book.is_full(request.name.class) {
        return Decision::Full;
    }
    let ruling = given_up_before(book, request).unwrap_or_else(|| rule(book, request));
    let authorization_code = match ruling.authorization_code {
        IssuedCode::None => None,
        IssuedCode::Of(code) => code,
        IssuedCode::New => new_authorization_code(seed, book.len()),
    };
    let is_named = request.kind.begins() && ruling.code == ResponseCode::APPROVED;
    let transaction_id = if is_named { new_transaction_id(seed, book.len()) } else { None };
    Decision::New(Entry {
        at,
        name: request.name,
        original: request.kind.original().map(|original| original.name),
        account: request.account,
        currency: request.currency,
        amount_minor: request.amount_minor,
        code: ruling.code,
        authorization_code,
        transaction_id,
        credential: request.credential,
        effect: ruling.effect,
        target: ruling.target,
        delta: ruling.delta,
    })
}

/// What becomes of a message that is the first of its name.
struct Ruling {
    code: ResponseCode,
    authorization_code: IssuedCode,
    effect: Effect,
    target: Option<EntryIndex>,
    delta: Delta,
}

/// Which authorization code goes out.
enum IssuedCode {
    None,
    New,
    Of(Option<AuthorizationCode>),
}

impl Ruling {
    /// Nothing happens, and the answer is `code`.
    const fn nothing(code: ResponseCode) -> Ruling {
        Ruling {
            code,
            authorization_code: IssuedCode::None,
            effect: Effect::None,
            target: None,
            delta: Delta { held: 0, posted: 0, refunded: 0 },
        }
    }

    const fn tombstone() -> Ruling {
        Ruling { effect: Effect::Tombstone, ..Ruling::nothing(ResponseCode::APPROVED) }
    }
}

fn repeat(first: &Entry, request: &Request) -> Decision {
    let same = first.name == request.name
        && first.account == request.account
        && first.currency == request.currency
        && first.amount_minor == request.amount_minor
        && first.original == request.kind.original().map(|original| original.name);
    if same {
        Decision::Repeat {
            code: first.code,
            authorization_code: first.authorization_code,
            transaction_id: first.transaction_id,
        }
    } else {
        Decision::NameTaken
    }
}

/// The answer to a message whose reversal came before it.
fn given_up_before(book: &Book, request: &Request) -> Option<Ruling> {
    let name = &request.name;
    if name.class == MessageClass::ReversalAdvice {
        return None;
    }
    if book.must_never_count(&name.as_original()) {
        return Some(Ruling::nothing(ResponseCode::DUPLICATE));
    }
    let key = NameKey { acquirer: name.acquirer, class: MessageClass::ReversalAdvice, rrn: name.rrn };
    let reversal = book.named(key)?;
    let is_this_void =
        name.class == MessageClass::Void && reversal.effect != Effect::Tombstone && !names_itself(reversal);
    if is_this_void {
        // The repeat of this void overtook it and did its work: this one counts no more.
        let authorization_code = IssuedCode::Of(reversal.authorization_code);
        return Some(Ruling { authorization_code, ..Ruling::nothing(reversal.code) });
    }
    Some(Ruling::nothing(ResponseCode::DUPLICATE))
}

/// Whether a reversal has the name of the message it reverses; a repeated void has one of its own.
fn names_itself(reversal: &Entry) -> bool {
    reversal
        .original
        .is_some_and(|original| original.stan == reversal.name.stan && original.sent_at == reversal.name.sent_at)
}

fn rule(book: &Book, request: &Request) -> Ruling {
    if let Some(code) = request.refusal.or_else(|| credential::refusal(book, request)) {
        return Ruling::nothing(code);
    }
    match &request.kind {
        RequestKind::Authorize => pay(book, request, Effect::Hold),
        RequestKind::Verify => {
            Ruling { authorization_code: IssuedCode::New, ..Ruling::nothing(ResponseCode::APPROVED) }
        }
        RequestKind::Purchase => pay(book, request, Effect::Purchase),
        RequestKind::Refund(original) => refund(book, request, original),
        RequestKind::Complete(original) => complete(book, request, original),
        RequestKind::Void(original) => void(book, request, original),
        RequestKind::Reverse(original) => reverse(book, request, original),
    }
}

fn pay(book: &Book, request: &Request, effect: Effect) -> Ruling {
    // An authorization of nothing asks whether the card is good.
    if request.amount_minor == 0 && effect == Effect::Purchase {
        return Ruling::nothing(ResponseCode::INVALID_AMOUNT);
    }
    if request.amount_minor > book.open_to_buy(request.account, request.currency) {
        return Ruling::nothing(ResponseCode::INSUFFICIENT_FUNDS);
    }
    let kind = if effect == Effect::Hold { PaymentKind::Authorization } else { PaymentKind::Purchase };
    let delta = Payment::new(kind, request.amount_minor).as_delta();
    Ruling { code: ResponseCode::APPROVED, authorization_code: IssuedCode::New, effect, target: None, delta }
}

fn refund(book: &Book, request: &Request, original: &OriginalReference) -> Ruling {
    let found = match found_payment(book, request, original) {
        Ok(found) => found,
        Err(code) => return Ruling::nothing(code),
    };
    if found.payment.standing() == Standing::Reversed {
        return Ruling::nothing(ResponseCode::INVALID_TRANSACTION);
    }
    if request.amount_minor == 0 {
        return Ruling::nothing(ResponseCode::INVALID_AMOUNT);
    }
    let step = Step::Refund(request.amount_minor);
    found.ruled(Effect::Refund, step, IssuedCode::New)
}

fn complete(book: &Book, request: &Request, original: &OriginalReference) -> Ruling {
    let found = match found_payment(book, request, original) {
        Ok(found) => found,
        Err(code) => return Ruling::nothing(code),
    };
    if !found.is_open_authorization() {
        return Ruling::nothing(ResponseCode::INVALID_TRANSACTION);
    }
    if request.amount_minor == 0 {
        return Ruling::nothing(ResponseCode::INVALID_AMOUNT);
    }
    let code = IssuedCode::Of(found.authorization_code);
    found.ruled(Effect::Capture, Step::Capture(request.amount_minor), code)
}

fn void(book: &Book, request: &Request, original: &OriginalReference) -> Ruling {
    let found = match found_payment(book, request, original) {
        Ok(found) => found,
        Err(code) => return Ruling::nothing(code),
    };
    let captured_whole = found.payment.held() == 0 && found.payment.posted() > 0;
    if !found.is_open_authorization() || captured_whole {
        return Ruling::nothing(ResponseCode::INVALID_TRANSACTION);
    }
    let code = IssuedCode::Of(found.authorization_code);
    found.ruled(Effect::Void, Step::Void, code)
}

/// A reversal advice is always acknowledged; only the repeat of a void is answered as that void.
fn reverse(book: &Book, request: &Request, original: &OriginalReference) -> Ruling {
    let name = &request.name;
    if original.name.stan != name.stan || original.name.sent_at != name.sent_at {
        return repeat_void(book, request, original);
    }
    let key = NameKey { acquirer: name.acquirer, class: original.name.class, rrn: name.rrn };
    let arrived = book.index_of(key).and_then(|index| {
        let entry = book.at(index)?;
        let is_it = entry.name.as_original() == original.name && entry.account == request.account;
        is_it.then_some((index, entry))
    });
    let Some((index, entry)) = arrived else {
        return Ruling::tombstone();
    };
    let acknowledged = Ruling {
        authorization_code: IssuedCode::Of(entry.authorization_code),
        ..Ruling::nothing(ResponseCode::APPROVED)
    };
    let Some(payment) = book.payment_of(index) else {
        return acknowledged;
    };
    match undoing(entry).and_then(|step| payment.after(step)) {
        Some(after) => {
            Ruling { effect: Effect::Reversal, target: Some(index), delta: after.since(payment), ..acknowledged }
        }
        None => acknowledged,
    }
}

/// A void that was not answered comes again as a reversal advice, under its own name.
fn repeat_void(book: &Book, request: &Request, original: &OriginalReference) -> Ruling {
    let name = &request.name;
    let key = NameKey { acquirer: name.acquirer, class: MessageClass::Void, rrn: name.rrn };
    if let Some(first) = book.named(key) {
        let authorization_code = IssuedCode::Of(first.authorization_code);
        return Ruling { authorization_code, ..Ruling::nothing(first.code) };
    }
    if book.original(&original.name).is_none() {
        return Ruling::tombstone();
    }
    void(book, request, original)
}

/// The payment that a completion, a refund or a void refers to.
struct FoundPayment {
    index: EntryIndex,
    payment: Payment,
    authorization_code: Option<AuthorizationCode>,
}

impl FoundPayment {
    fn is_open_authorization(&self) -> bool {
        self.payment.kind() == PaymentKind::Authorization && self.payment.standing() == Standing::Open
    }

    /// Approved, unless there is too little for the step.
    fn ruled(&self, effect: Effect, step: Step, authorization_code: IssuedCode) -> Ruling {
        let Some(after) = self.payment.after(step) else {
            return Ruling::nothing(ResponseCode::INVALID_AMOUNT);
        };
        let delta = after.since(&self.payment);
        Ruling { code: ResponseCode::APPROVED, authorization_code, effect, target: Some(self.index), delta }
    }
}

fn found_payment(book: &Book, request: &Request, original: &OriginalReference) -> Result<FoundPayment, ResponseCode> {
    let index = book.original(&original.name).ok_or(ResponseCode::ORIGINAL_NOT_FOUND)?;
    let entry = book.at(index).ok_or(ResponseCode::ORIGINAL_NOT_FOUND)?;
    let other_code = original.authorization_code.is_some() && original.authorization_code != entry.authorization_code;
    if entry.account != request.account || other_code {
        return Err(ResponseCode::ORIGINAL_NOT_FOUND);
    }
    let is_payment = matches!(entry.effect, Effect::Hold | Effect::Purchase);
    match book.payment_of(index) {
        Some(payment) if is_payment && entry.currency == request.currency => {
            Ok(FoundPayment { index, payment: *payment, authorization_code: entry.authorization_code })
        }
        _ => Err(ResponseCode::INVALID_TRANSACTION),
    }
}

/// Six digits that look drawn and are the same in every run with the same seed.
fn new_authorization_code(seed: u64, entry: usize) -> Option<AuthorizationCode> {
    let mut mixed = seed ^ u64::try_from(entry).unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // The finalizer of SplitMix64.
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let mut rest = (mixed ^ (mixed >> 31)) % 1_000_000;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    AuthorizationCode::new(&digits)
}
