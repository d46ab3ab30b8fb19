//! What an answer repeats of the message it answers.

use crate::text::ShortText;
use std::fmt;
use tollgate_core::card::{Pan, RevealPermit};
use tollgate_iso8583::{Message, Mti, SetError, Tpdu};

/// The fields that an answer repeats, as they came. Holds the card number, so it is never shown.
#[derive(Clone)]
pub(crate) struct Echo {
    /// The message type of the answer.
    pub(crate) mti: Mti,
    /// The transport header it came under.
    pub(crate) tpdu: Option<Tpdu>,
    /// Field 2; the answer to a reversal leaves it out.
    pub(crate) pan: Option<Pan>,
    /// Field 3.
    pub(crate) processing_code: Option<ShortText<6>>,
    /// Field 4, digits.
    pub(crate) amount: Option<ShortText<12>>,
    /// Field 7.
    pub(crate) sent_at: Option<ShortText<10>>,
    /// Field 11.
    pub(crate) stan: Option<ShortText<6>>,
    /// Field 32.
    pub(crate) acquirer: Option<ShortText<11>>,
    /// Field 37.
    pub(crate) rrn: Option<ShortText<12>>,
    /// Field 41.
    pub(crate) terminal: Option<ShortText<8>>,
    /// Field 42.
    pub(crate) merchant: Option<ShortText<15>>,
    /// Field 49.
    pub(crate) currency: Option<ShortText<3>>,
    /// Field 70.
    pub(crate) network_code: Option<ShortText<3>>,
}

impl Echo {
    /// Takes over what an answer under `mti` repeats of `message`.
    pub(crate) fn of(message: &Message, mti: Mti, tpdu: Option<Tpdu>) -> Echo {
        Echo {
            mti,
            tpdu,
            pan: message.text(2).and_then(|digits| Pan::parse(digits).ok()),
            processing_code: short(message, 3),
            amount: short(message, 4),
            sent_at: short(message, 7),
            stan: short(message, 11),
            acquirer: short(message, 32),
            rrn: short(message, 37),
            terminal: short(message, 41),
            merchant: short(message, 42),
            currency: short(message, 49),
            network_code: short(message, 70),
        }
    }

    /// Writes the repeated fields into `message`, which must be empty.
    pub(crate) fn write(&self, message: &mut Message) -> Result<(), SetError> {
        message.set_mti(self.mti);
        if let Some(pan) = self.pan.as_ref().filter(|_| !self.is_of_reversal()) {
            message.set(2, pan.reveal(&RevealPermit::granted("to repeat field 2 in the answer of the network")))?;
        }
        set(message, 3, self.processing_code.as_ref())?;
        set(message, 4, self.amount.as_ref())?;
        set(message, 7, self.sent_at.as_ref())?;
        set(message, 11, self.stan.as_ref())?;
        set(message, 32, self.acquirer.as_ref())?;
        set(message, 37, self.rrn.as_ref())?;
        set(message, 41, self.terminal.as_ref())?;
        set(message, 42, self.merchant.as_ref())?;
        set(message, 49, self.currency.as_ref())?;
        set(message, 70, self.network_code.as_ref())
    }

    fn is_of_reversal(&self) -> bool {
        self.mti == Mti::REVERSAL_RESPONSE || self.mti == Mti::REVERSAL_ADVICE_RESPONSE
    }
}

impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Echo").field("mti", &self.mti).field("stan", &self.stan).field("rrn", &self.rrn).finish()
    }
}

/// A field as a short text, if it is there and fits.
pub(crate) fn short<const N: usize>(message: &Message, field: u8) -> Option<ShortText<N>> {
    message.get(field).and_then(ShortText::new)
}

fn set<const N: usize>(message: &mut Message, field: u8, value: Option<&ShortText<N>>) -> Result<(), SetError> {
    value.map_or(Ok(()), |value| message.set(field, value.as_str()))
}
