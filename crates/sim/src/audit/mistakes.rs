//! Operators who are wrong. What they write counts as true from then on, for the gateway and for everybody who believes it:
//! so all other rules are kept against the books as the operator believes them. In the end the issuer's real books
//! differ from these by the operators' mistakes, and by nothing else.

use super::{Ask, Auditor, Book, Verdict, View, is_yes};
use crate::record::OrderNumber;

/// What an operator wrote that is not true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Of what.
    pub ask: Ask,
    /// About how much, in minor units.
    pub amount: u64,
    /// The five-digit code that the operation has by it.
    pub code: u32,
}

impl Auditor {
    /// An operator has durably written what is not true.
    pub fn mistaken(&mut self, order: OrderNumber, mistake: Mistake) {
        let Some(view) = self.orders.get_mut(&order) else { return };
        let Mistake { ask, amount, code } = mistake;
        view.mistakes.push(mistake);
        believe(&mut view.book, mistake);
        match ask {
            // Whatever the merchant was told before: the operator has contradicted it.
            Ask::Pay => view.paid = if is_yes(code) { Verdict::Yes } else { Verdict::No },
            Ask::Capture if is_yes(code) => view.capture.doubtful += amount,
            Ask::Refund if is_yes(code) => view.refund.doubtful += amount,
            Ask::Capture | Ask::Refund | Ask::Void => {}
        }
    }

    /// The orders about which operators were wrong, with what they wrote.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(OrderNumber, Mistake)> {
        let of = |(order, view): (&OrderNumber, &View)| {
            view.mistakes.iter().map(|mistake| (*order, *mistake)).collect::<Vec<_>>()
        };
        self.orders.iter().flat_map(of).collect()
    }

    /// Everything is over: the issuer's books are what is believed, but for what operators were wrong about.
    pub fn close_mistakes(&mut self) {
        let broken = self.orders.iter().find_map(|(order, view)| {
            let mut expected = view.really;
            for mistake in &view.mistakes {
                believe(&mut expected, *mistake);
                // A hold that was taken for not voided can be voided again, and books do not count how often.
                if mistake.ask == Ask::Void {
                    expected.voided = view.book.voided;
                }
            }
            (expected != view.book).then(|| {
                (*order, format!("the issuer {:?}, believed {:?}, {:?}", view.really, view.book, view.mistakes))
            })
        });
        if let Some((order, found)) = broken {
            self.found(Some(order), "what differs from the issuer's books is the operators' own", found);
        }
    }
}

/// Books as whoever believes a mistake sees them.
fn believe(book: &mut Book, mistake: Mistake) {
    let Mistake { ask, amount, code } = mistake;
    let sum = match ask {
        Ask::Pay if code / 1_000 == STATUS_PURCHASED => &mut book.taken_at_once,
        Ask::Pay => &mut book.held,
        Ask::Capture => &mut book.captured,
        Ask::Refund => &mut book.refunded,
        Ask::Void => {
            book.voided = is_yes(code);
            return;
        }
    };
    *sum = if is_yes(code) { *sum + amount } else { sum.saturating_sub(amount) };
}

/// The status of a purchase that succeeded.
const STATUS_PURCHASED: u32 = 14;
