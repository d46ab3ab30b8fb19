//! What goes over the wire: requests into messages and frames, answers into replies (see `docs/wire.md`).

use crate::in_flight::{Facts, Name};
use crate::latin::fill_ascii;
use crate::port::{NetworkKind, NetworkReply, NetworkRequest, OriginalReference};
use crate::settings::{LinkSettings, SettingsError};
use std::sync::Arc;
use tollgate_core::card::RevealPermit;
use tollgate_core::command::{Eci, ThreeDsWish};
use tollgate_core::credential::{CredentialTurn, CredentialUse, Initiator, NetworkTransactionId, StoredCredential};
use tollgate_core::ident::{Rrn, Stan};
use tollgate_core::merchant::AcquirerTerms;
use tollgate_core::secret::Wiped;
use tollgate_core::three_ds::{Authentication, AuthenticationStatus, AuthenticationValue};
use tollgate_core::time::Timestamp;
use tollgate_iso8583::{Framing, Message, Mti, PackError, SetError, Spec, Subelements};
use zeroize::Zeroizing;

/// Field 25 of a message that asks about the account and moves no money (ISO 8583:1987).
const VERIFICATION_CONDITION: &str = "51";
/// The settlement reference (field 62) in characters, as FORT limits it.
const SETTLEMENT_REFERENCE_CHARS_MAX: usize = 34;
/// Memory for one packed message: more than any message of this dialect has.
const MESSAGE_BYTES: usize = 768;
/// Room for a frame's length and TPDU.
const FRAME_HEADER_BYTES_MAX: usize = 16;

/// Field 70 (ISO 8583:1987): what a network management message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Management {
    SignOn,
    SignOff,
    Echo,
}

impl Management {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Management::SignOn => "001",
            Management::SignOff => "002",
            Management::Echo => "301",
        }
    }
}

/// Why a request makes no message: a defect of ours or of the merchant's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unbuildable {
    #[error("the message refers to another one, which is not named")]
    NoOriginal,
    #[error("field {field} does not fit its format")]
    Field { field: u8 },
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error("the frame is longer than the framing permits")]
    Frame,
}

/// The spec, the framing, and what is the same in all messages of one link.
pub(crate) struct Dialect {
    spec: Arc<Spec>,
    framing: Framing,
    institution: String,
    /// Field 37's character for each byte of the wire; 0 where there is none.
    rrn_characters: [u8; 256],
}

impl Dialect {
    pub(crate) fn new(settings: &LinkSettings) -> Result<Dialect, SettingsError> {
        let spec = Spec::builtin(&settings.spec).map_err(|error| SettingsError::Spec(error.to_string()))?;
        let framing: Framing = settings.framing.parse().map_err(|error| SettingsError::Framing(format!("{error}")))?;
        Ok(Dialect {
            rrn_characters: rrn_characters(&spec),
            spec,
            framing: framing.with_frame_bytes_max(settings.frame_bytes_max),
            institution: settings.acquiring_institution_id.clone(),
        })
    }

    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// The message of a request.
    pub(crate) fn build(&self, request: &NetworkRequest, message: &mut Message) -> Result<(), Unbuildable> {
        let original = original_of(request)?;
        message.set_mti(mti_of(request.kind)?);
        self.set_names(message, request.wire.stan, request.wire.sent_at)?;
        set_money_and_time(message, request, original)?;
        set_card(message, request)?;
        set_place(message, request)?;
        message.set(37, request.wire.rrn.as_str())?;
        if let Some(reference) = &request.settlement_reference {
            let printable = reference.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if reference.is_empty() || reference.len() > SETTLEMENT_REFERENCE_CHARS_MAX || !printable {
                return Err(Unbuildable::Field { field: 62 });
            }
            message.set(62, reference)?;
        }
        if let Some(original) = original {
            if let Some(code) = &original.authorization_code {
                message.set(38, padded::<6>(38, code)?)?;
            }
            self.set_original(message, original)?;
        }
        Ok(())
    }

    /// A network management request (0800).
    pub(crate) fn management(&self, what: Management, stan: Stan, at: Timestamp) -> Result<Message, Unbuildable> {
        let mut message = Message::new();
        message.set_mti(Mti::NETWORK_MANAGEMENT_REQUEST);
        self.set_names(&mut message, stan, at)?;
        message.set(70, what.code())?;
        Ok(message)
    }

    /// The answer to a network management request of the host's: 00 for an echo, 12 (invalid transaction) for what we
    /// do not do at its wish.
    pub(crate) fn management_answer(&self, request: &Message) -> Result<Message, Unbuildable> {
        let mut message = Message::new();
        message.set_mti(Mti::NETWORK_MANAGEMENT_RESPONSE);
        for field in [7, 11, 32, 70] {
            if let Some(value) = request.get(field) {
                message.set(field, value)?;
            }
        }
        let known = request.text(70) == Some(Management::Echo.code());
        message.set(39, if known { "00" } else { "12" })?;
        Ok(message)
    }

    /// The frame of a message.
    pub(crate) fn frame(&self, message: &Message) -> Result<Wiped<Vec<u8>>, Unbuildable> {
        let mut packed = Wiped::with_capacity(MESSAGE_BYTES);
        self.spec.pack(message, &mut packed)?;
        let mut frame = Wiped::with_capacity(packed.len() + FRAME_HEADER_BYTES_MAX);
        self.framing.encode(&packed, &mut frame).map_err(|_| Unbuildable::Frame)?;
        Ok(frame)
    }

    /// What the bytes of one frame say, if they are a message at all.
    pub(crate) fn unpack(&self, bytes: &[u8]) -> Option<Box<Message>> {
        let mut message = Box::new(Message::new());
        self.spec.unpack(bytes, &mut message).ok().map(|()| message)
    }

    /// Everything in a frame that could not be unpacked which looks like a retrieval reference number.
    ///
    /// The number is looked for at every place, as nobody knows where the fault moved it; what is found counts only when
    /// a message of that number is under way.
    pub(crate) fn rrn_candidates(&self, bytes: &[u8]) -> Vec<Rrn> {
        let characters: Vec<u8> = bytes.iter().map(|byte| self.rrn_characters[usize::from(*byte)]).collect();
        characters.windows(12).filter_map(|window| Rrn::parse(std::str::from_utf8(window).ok()?)).collect()
    }

    /// The message on one line, masked.
    pub(crate) fn compact(&self, message: &Message) -> String {
        self.spec.describe_compact(message)
    }

    fn set_names(&self, message: &mut Message, stan: Stan, sent_at: Timestamp) -> Result<(), Unbuildable> {
        message.set_number(7, month_to_second(sent_at), 10)?;
        message.set_number(11, u64::from(stan.number()), 6)?;
        message.set(32, &self.institution)?;
        Ok(())
    }

    /// Field 90 (original data elements, n 42): type, STAN, transmission time, acquirer and forwarder of the original.
    fn set_original(&self, message: &mut Message, original: &OriginalReference) -> Result<(), Unbuildable> {
        let mut elements = [b'0'; 42];
        put(&mut elements, 0, first_kind(original.kind).mti().as_bytes());
        put(&mut elements, 4, &digits::<6>(u64::from(original.wire.stan.number())));
        put(&mut elements, 10, &digits::<10>(month_to_second(original.wire.sent_at)));
        put(&mut elements, 31 - self.institution.len().min(11), self.institution.as_bytes());
        message.set(90, elements)?;
        Ok(())
    }
}

/// Whose answer a message is, if it is one and bears both numbers.
pub(crate) fn name_of_answer(message: &Message) -> Option<Name> {
    Some(Name { answer: message.mti()?, stan: Stan::parse(message.text(11)?)?, rrn: Rrn::parse(message.text(37)?)? })
}

/// What answer a request waits for.
pub(crate) fn name_of_request(request: &NetworkRequest) -> Result<Name, Unbuildable> {
    let answer = mti_of(request.kind)?.response().ok_or(Unbuildable::Field { field: 0 })?;
    Ok(Name { answer, stan: request.wire.stan, rrn: request.wire.rrn })
}

/// Reads an answer; `None` when it must not be acted on: it lacks field 39, or repeats another amount or currency than was
/// asked for. (A partial approval, 39 = 10, rightly has another amount.)
pub(crate) fn read_reply(message: &Message, facts: &Facts) -> Option<NetworkReply> {
    let code =
        message.text(39).filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
    let money = facts.money;
    let amount_fits = message.get(4).is_none_or(|amount| amount == digits::<12>(money.amount.minor()) || code == "10");
    let currency_fits =
        message.get(49).is_none_or(|currency| currency == digits::<3>(u64::from(money.currency.numeric())));
    if !amount_fits || !currency_fits {
        return None;
    }
    let authorization_code = message.text(38).map(str::trim_end).filter(|code| !code.is_empty()).map(str::to_owned);
    let additional = |tag: u8| {
        let elements = Subelements::new(message.get(48).unwrap_or_default());
        let found = elements.map_while(Result::ok).find(|element| element.tag == tag)?;
        std::str::from_utf8(found.value).ok()
    };
    Some(NetworkReply {
        code: code.to_owned(),
        authorization_code,
        // What cannot be read of it is no reason to doubt the answer.
        network_transaction_id: additional(63).and_then(|text| NetworkTransactionId::parse(text.trim_end())),
        advice_code: additional(84).filter(|code| code.len() == 2).map(str::to_owned),
    })
}

/// Leave to put card data into a message for the network: the only place of this crate.
const PERMIT: RevealPermit = RevealPermit::granted("one message to the card network");

fn mti_of(kind: NetworkKind) -> Result<Mti, Unbuildable> {
    kind.mti().parse().map_err(|_| Unbuildable::Field { field: 0 })
}

/// The kind under which a message went out first.
const fn first_kind(kind: NetworkKind) -> NetworkKind {
    match kind {
        NetworkKind::CaptureAdviceRepeat => NetworkKind::CaptureAdvice,
        NetworkKind::ReversalAdviceRepeat => NetworkKind::ReversalAdvice,
        first => first,
    }
}

/// What the message refers to: nothing for first messages, and never nothing for others.
fn original_of(request: &NetworkRequest) -> Result<Option<&OriginalReference>, Unbuildable> {
    match (request.kind, &request.original) {
        (kind, _) if kind.begins() => Ok(None),
        (_, Some(original)) => Ok(Some(original)),
        (_, None) => Err(Unbuildable::NoOriginal),
    }
}

fn set_money_and_time(
    message: &mut Message,
    request: &NetworkRequest,
    original: Option<&OriginalReference>,
) -> Result<(), Unbuildable> {
    // A reversal has the processing code of what it reverses.
    let coded = match (request.kind, original) {
        (NetworkKind::ReversalAdvice | NetworkKind::ReversalAdviceRepeat, Some(original)) => original.kind,
        (kind, _) => kind,
    };
    message.set(3, coded.processing_code())?;
    message.set_number(4, request.money.amount.minor(), 12)?;
    let time = month_to_second(request.wire.sent_at);
    message.set_number(12, time % 1_000_000, 6)?;
    message.set_number(13, time / 1_000_000, 4)?;
    message.set_number(49, u64::from(request.money.currency.numeric()), 3)?;
    Ok(())
}

/// Fields 2, 14 and 48: expiry, authentication and security code go into first messages only.
fn set_card(message: &mut Message, request: &NetworkRequest) -> Result<(), Unbuildable> {
    message.set(2, request.card.pan.reveal(&PERMIT))?;
    if !request.kind.begins() {
        return Ok(());
    }
    if let Some(expiry) = request.card.expiry {
        message.set(14, expiry.to_string())?;
    }
    let mut additional = Zeroizing::new(Additional { bytes: [0; ADDITIONAL_BYTES_MAX], length: 0 });
    if let Some(credential) = &request.credential {
        if credential.by == Initiator::Merchant && request.card.security_code.is_some() {
            // Nobody was there who could have told it: it must have been kept.
            return Err(Unbuildable::Field { field: 48 });
        }
        push_credential(&mut additional, credential)?;
    }
    if request.eci == Eci::Ecommerce {
        let authentication = request.authentication.as_ref();
        if let Some(authentication) = authentication {
            push_authentication(&mut additional, authentication)?;
        }
        additional.push(*b"42", security_level(authentication))?;
        // What was authenticated asks for no exemption.
        let is_proven = authentication.is_some_and(|authentication| authentication.status.proves());
        if request.three_ds == ThreeDsWish::Off && !is_proven {
            additional.push(*b"44", b"N")?;
        }
    }
    if let Some(code) = &request.card.security_code {
        additional.push(*b"92", code.reveal(&PERMIT).as_bytes())?;
    }
    match additional.bytes.get(..additional.length) {
        Some(value) if !value.is_empty() => Ok(message.set(48, value)?),
        _ => Ok(()),
    }
}

/// Field 48 subelement 42.
const fn security_level(authentication: Option<&Authentication>) -> &'static [u8; 3] {
    match authentication {
        Some(Authentication { status: AuthenticationStatus::Authenticated, .. }) => b"212",
        Some(Authentication { status: AuthenticationStatus::Attempted, .. }) => b"211",
        Some(_) | None => b"210",
    }
}

/// Field 48 subelements 11 to 14: the proof, if it is one, and the names of the authentication.
fn push_authentication(additional: &mut Additional, authentication: &Authentication) -> Result<(), Unbuildable> {
    let Authentication { status, value, ds_transaction_id, version, xid, .. } = authentication;
    if let Some(value) = value.as_ref().filter(|_| status.proves()) {
        additional.push(*b"11", value.as_str().as_bytes())?;
    }
    for Name3ds { tag, text, fits } in [
        Name3ds { tag: *b"12", text: ds_transaction_id, fits: |chars| chars == DS_TRANSACTION_ID_CHARS },
        Name3ds { tag: *b"13", text: version, fits: |chars| (1..=VERSION_CHARS_MAX).contains(&chars) },
        Name3ds { tag: *b"14", text: xid, fits: |chars| chars == AuthenticationValue::CHARS },
    ] {
        let Some(text) = text else { continue };
        if !fits(text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Unbuildable::Field { field: 48 });
        }
        additional.push(tag, text.as_bytes())?;
    }
    Ok(())
}

/// Field 48 subelements 20 to 22: who begins the payment, whether its card was stored before, and what the first payment
/// was named.
fn push_credential(additional: &mut Additional, credential: &StoredCredential) -> Result<(), Unbuildable> {
    let by: &[u8] = match credential.by {
        Initiator::Customer => b"C",
        Initiator::Merchant => b"M",
    };
    additional.push(*b"20", by)?;
    let turn = match credential.turn {
        CredentialTurn::Initial => b'1',
        CredentialTurn::Subsequent => b'2',
    };
    let used_for = match credential.used_for {
        CredentialUse::Recurring => b'R',
        CredentialUse::StandingOrder => b'S',
        CredentialUse::Unscheduled => b'U',
    };
    additional.push(*b"21", &[turn, used_for])?;
    match &credential.original {
        Some(original) => additional.push(*b"22", original.as_str().as_bytes()),
        None => Ok(()),
    }
}

/// A name of an authentication, and how many characters it may have.
struct Name3ds<'a> {
    tag: [u8; 2],
    text: &'a Option<String>,
    fits: fn(usize) -> bool,
}

/// Fields 18, 22, 25, 41, 42, 43: where and how the card was taken.
fn set_place(message: &mut Message, request: &NetworkRequest) -> Result<(), Unbuildable> {
    let merchant = &*request.merchant;
    let category = merchant.category_code.as_bytes();
    if category.len() != 4 || !category.iter().all(u8::is_ascii_digit) {
        return Err(Unbuildable::Field { field: 18 });
    }
    message.set(18, category)?;
    let (entry_mode, condition) = match request.eci {
        Eci::Ecommerce => ("812", "59"),
        Eci::Moto => ("012", "08"),
        // The card was taken from what is kept.
        Eci::Recurring => ("102", "08"),
    };
    message.set(22, entry_mode)?;
    message.set(25, if request.kind == NetworkKind::Verify { VERIFICATION_CONDITION } else { condition })?;
    message.set(41, padded::<8>(41, &merchant.terminal_id)?)?;
    message.set(42, padded::<15>(42, &merchant.card_acceptor_id)?)?;
    message.set(43, name_and_location(merchant))?;
    Ok(())
}

/// Field 43 (ans 40): name 25, city 13, country 2.
fn name_and_location(merchant: &AcquirerTerms) -> [u8; 40] {
    let mut field = [b' '; 40];
    let (name, place) = field.split_at_mut(25);
    let (city, country) = place.split_at_mut(13);
    fill_ascii(name, &merchant.shop_name);
    fill_ascii(city, &merchant.city);
    fill_ascii(country, &merchant.country);
    field
}

/// A directory server's number of a transaction: a UUID (EMVCo 3DS 2.2, `dsTransID`).
const DS_TRANSACTION_ID_CHARS: usize = 36;
/// A version of the protocol (EMVCo 3DS 2.2, `messageVersion`).
const VERSION_CHARS_MAX: usize = 8;
/// The most that field 48 of this dialect has: all ten subelements at their longest, 187 bytes.
const ADDITIONAL_BYTES_MAX: usize = 192;
/// The most that one subelement has: its length is two digits.
const SUBELEMENT_BYTES_MAX: u8 = 99;

/// Field 48 while it is made; it holds the security code.
#[derive(zeroize::Zeroize)]
struct Additional {
    bytes: [u8; ADDITIONAL_BYTES_MAX],
    length: usize,
}

impl Additional {
    fn push(&mut self, tag: [u8; 2], value: &[u8]) -> Result<(), Unbuildable> {
        let length = u8::try_from(value.len()).ok().filter(|length| *length <= SUBELEMENT_BYTES_MAX);
        let length = length.ok_or(Unbuildable::Field { field: 48 })?;
        let digits = [b'0' + length / 10, b'0' + length % 10];
        for part in [&tag[..], &digits[..], value] {
            let end = self.length + part.len();
            let place = self.bytes.get_mut(self.length..end).ok_or(Unbuildable::Field { field: 48 })?;
            place.copy_from_slice(part);
            self.length = end;
        }
        Ok(())
    }
}

/// A text with spaces behind it.
fn padded<const WIDTH: usize>(field: u8, text: &str) -> Result<[u8; WIDTH], Unbuildable> {
    let mut value = [b' '; WIDTH];
    if text.is_empty() || text.len() > WIDTH {
        return Err(Unbuildable::Field { field });
    }
    put(&mut value, 0, text.as_bytes());
    Ok(value)
}

/// A number with zeros before it; what has more digits loses the first ones.
fn digits<const WIDTH: usize>(number: u64) -> [u8; WIDTH] {
    let mut text = [b'0'; WIDTH];
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    text
}

/// MMDDhhmmss in UTC (field 7).
fn month_to_second(at: Timestamp) -> u64 {
    let utc = at.utc();
    [utc.month, utc.day, utc.hour, utc.minute, utc.second]
        .into_iter()
        .fold(0, |number, part| number * 100 + u64::from(part))
}

fn put(place: &mut [u8], start: usize, value: &[u8]) {
    for (slot, byte) in place.iter_mut().skip(start).zip(value) {
        *slot = *byte;
    }
}

/// Which character each byte of field 37 stands for under a spec: it is packed with every letter and digit.
fn rrn_characters(spec: &Spec) -> [u8; 256] {
    let mut characters = [0; 256];
    for text in ["0123456789AB", "CDEFGHIJKLMN", "OPQRSTUVWXYZ", "abcdefghijkl", "mnopqrstuvwx", "yzyzyzyzyzyz"] {
        let mut message = Message::new();
        message.set_mti(Mti::AUTHORIZATION_REQUEST);
        let mut packed = Vec::new();
        if message.set(37, text).is_ok() && spec.pack(&message, &mut packed).is_ok() {
            let field = packed.len().saturating_sub(text.len());
            for (byte, character) in packed.into_iter().skip(field).zip(text.bytes()) {
                characters[usize::from(byte)] = character;
            }
        }
    }
    characters
}
