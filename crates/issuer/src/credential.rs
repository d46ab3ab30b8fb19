//! What a first message says of a card that is kept, how the network names a payment, and whether a charge without the
//! cardholder goes back to a payment that the cardholder once made.

use crate::book::Book;
use crate::entry::{Entry, EntryIndex};
use crate::payment::Standing;
use crate::request::Request;
use crate::response_code::ResponseCode;
use crate::text::ShortText;
use tollgate_core::credential::Initiator;

/// How this network names a payment: 15 letters and digits. The first seven after the letter tell which entry it is, so
/// that it is found without an index.
pub(crate) type TransactionId = ShortText<15>;

/// Digits of a name: no vowels, so that no word comes of them.
const DIGITS: &[u8; 30] = b"0123456789BCDFGHJKLMNPQRSTVWXZ";
const BASE: u64 = DIGITS.len() as u64;
const LETTER: u8 = b'T';
const INDEX_DIGITS: usize = 7;
const DRAWN_DIGITS: usize = 7;

/// Field 48 subelements 20 to 22.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    /// Who begins the payment.
    pub(crate) by: Initiator,
    /// Which time it is, and for what the card is kept: two characters.
    pub(crate) indicator: ShortText<2>,
    /// How the first payment was named, if that was said.
    pub(crate) original: Option<TransactionId>,
}

/// Whether a charge without the cardholder goes back to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// To a payment that the cardholder made with the same card.
    Linked,
    /// To none that it names: taken, and marked. It may have been stored before such names were kept.
    Unlinked,
}

impl Link {
    /// The word for it in the admin port's answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Link::Linked => "linked",
            Link::Unlinked => "unlinked",
        }
    }
}

impl Credential {
    /// What a message without the cardholder goes back to; `None` of one with the cardholder.
    pub(crate) fn link(&self) -> Option<Link> {
        match (self.by, self.original) {
            (Initiator::Customer, _) => None,
            (Initiator::Merchant, Some(_)) => Some(Link::Linked),
            (Initiator::Merchant, None) => Some(Link::Unlinked),
        }
    }
}

/// The word for it in the data file and in the admin port's answers.
pub(crate) const fn initiator_name(by: Initiator) -> &'static str {
    match by {
        Initiator::Customer => "customer",
        Initiator::Merchant => "merchant",
    }
}

/// Reads [`initiator_name`].
pub(crate) fn initiator(name: &str) -> Option<Initiator> {
    [Initiator::Customer, Initiator::Merchant].into_iter().find(|by| initiator_name(*by) == name)
}

/// Why a message is declined for what it says of a kept card: it names a payment that this network never named so, or
/// one of another card, or one that the cardholder did not make, or one that was undone.
pub(crate) fn refusal(book: &Book, request: &Request) -> Option<ResponseCode> {
    let credential = request.credential.filter(|credential| credential.by == Initiator::Merchant)?;
    let original = credential.original?;
    let stands = named_by(book, original).is_some_and(|found| {
        let by_customer = found.entry.credential.is_some_and(|told| told.by == Initiator::Customer);
        let was_undone = book.payment_of(found.index).is_some_and(|payment| payment.standing() == Standing::Reversed);
        found.entry.account == request.account && by_customer && !was_undone
    });
    (!stands).then_some(ResponseCode::INVALID_TRANSACTION)
}

/// The advice code beside the decline of a message without the cardholder (field 48 subelement 84).
pub(crate) fn advice(credential: Option<&Credential>, code: ResponseCode) -> Option<&'static str> {
    if credential?.by != Initiator::Merchant || code == ResponseCode::APPROVED {
        return None;
    }
    Some(match code.as_str() {
        "54" => "01",
        "04" | "07" | "12" | "14" | "41" | "43" | "57" | "62" => "03",
        _ => "02",
    })
}

/// The name of the payment that is the next entry: the same in every run with the same seed.
pub(crate) fn new_transaction_id(seed: u64, entry: usize) -> Option<TransactionId> {
    let place = u64::try_from(entry).ok()?;
    let drawn = mixed(seed ^ place.wrapping_add(0x5851_F42D_4C95_7F2D).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut text = [LETTER; 1 + INDEX_DIGITS + DRAWN_DIGITS];
    let (index, rest) = text.get_mut(1..)?.split_at_mut(INDEX_DIGITS);
    write_digits(index, place);
    write_digits(rest, drawn);
    TransactionId::new(&text)
}

struct Found<'a> {
    index: EntryIndex,
    entry: &'a Entry,
}

fn named_by(book: &Book, id: TransactionId) -> Option<Found<'_>> {
    let digits = id.as_str().as_bytes().get(1..=INDEX_DIGITS)?;
    let index = digits.iter().try_fold(0u64, |number, digit| {
        let value = DIGITS.iter().position(|known| known == digit)?;
        Some(number * BASE + u64::try_from(value).ok()?)
    })?;
    let index = EntryIndex(u32::try_from(index).ok()?);
    let entry = book.at(index).filter(|entry| entry.transaction_id == Some(id))?;
    Some(Found { index, entry })
}

fn write_digits(place: &mut [u8], number: u64) {
    let mut rest = number;
    for slot in place.iter_mut().rev() {
        let digit = usize::try_from(rest % BASE).unwrap_or(0);
        *slot = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest /= BASE;
    }
}

/// The finalizer of SplitMix64.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
