//! Answers, and how they become bytes: rightly, or spoilt on purpose.

use crate::credential::TransactionId;
use crate::echo::Echo;
use crate::response_code::ResponseCode;
use crate::text::{AuthorizationCode, ShortText};
use crate::wish::Delivery;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::{Notify, mpsc};
use tollgate_core::secret::{Wipe, Wiped};
use tollgate_iso8583::{FrameError, Framing, Message, PackError, SetError, Spec, SubelementBuilder, SubelementError};

/// The most batches of answers that wait for one connection; it is closed when it does not take them.
const OUTBOX_BATCHES_MAX: usize = 1_024;
/// Bytes that a message cut short lacks at its end.
const CUT_BYTES: usize = 4;
/// Bytes of an answer that is no message.
const GARBAGE_BYTES: usize = 48;

/// An answer on its way.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What it repeats.
    pub(crate) echo: Echo,
    /// Field 39.
    pub(crate) code: ResponseCode,
    /// Field 38.
    pub(crate) authorization_code: Option<AuthorizationCode>,
    /// Field 48 subelement 63.
    pub(crate) transaction_id: Option<TransactionId>,
    /// Field 48 subelement 84.
    pub(crate) advice: Option<&'static str>,
    /// How it travels.
    pub(crate) delivery: Delivery,
}

impl Answer {
    /// One that travels plainly and says only `code`.
    pub(crate) const fn plain(echo: Echo, code: ResponseCode) -> Answer {
        Answer { echo, code, authorization_code: None, transaction_id: None, advice: None, delivery: Delivery::Plain }
    }
}

/// Where the answers of one connection go.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Vec<Answer>>,
    overflow: Arc<Notify>,
}

/// The other end of an [`Outbox`].
#[derive(Debug)]
pub(crate) struct OutboxReceiver {
    /// The answers.
    pub(crate) receiver: mpsc::Receiver<Vec<Answer>>,
    /// Tells that answers were lost because the connection takes none.
    pub(crate) overflow: Arc<Notify>,
}

impl Outbox {
    /// A pair.
    pub(crate) fn pair() -> OutboxPair {
        let (sender, receiver) = mpsc::channel(OUTBOX_BATCHES_MAX);
        let overflow = Arc::new(Notify::new());
        OutboxPair {
            outbox: Outbox { sender, overflow: Arc::clone(&overflow) },
            receiver: OutboxReceiver { receiver, overflow },
        }
    }

    /// Hands answers over without waiting; answers how many were lost.
    pub(crate) fn send(&self, answers: Vec<Answer>) -> u64 {
        let lost = match self.sender.try_send(answers) {
            Ok(()) => return 0,
            Err(mpsc::error::TrySendError::Closed(lost)) => lost,
            Err(mpsc::error::TrySendError::Full(lost)) => {
                self.overflow.notify_one();
                lost
            }
        };
        u64::try_from(lost.len()).unwrap_or(u64::MAX)
    }

    /// A way to it that does not keep the connection open.
    pub(crate) fn downgrade(&self) -> WeakOutbox {
        WeakOutbox { sender: self.sender.downgrade(), overflow: Arc::clone(&self.overflow) }
    }
}

/// A way to an [`Outbox`] that does not keep the connection open.
#[derive(Clone, Debug)]
pub(crate) struct WeakOutbox {
    sender: mpsc::WeakSender<Vec<Answer>>,
    overflow: Arc<Notify>,
}

impl WeakOutbox {
    /// The outbox, while the connection is open.
    pub(crate) fn upgrade(&self) -> Option<Outbox> {
        let sender = self.sender.upgrade()?;
        Some(Outbox { sender, overflow: Arc::clone(&self.overflow) })
    }
}

/// Both ends.
#[derive(Debug)]
pub(crate) struct OutboxPair {
    /// Where answers go in.
    pub(crate) outbox: Outbox,
    /// Where they come out.
    pub(crate) receiver: OutboxReceiver,
}

/// Why an answer has no bytes: a defect of ours, or a spec without the dialect's fields.
#[derive(Debug, Error)]
pub(crate) enum RenderError {
    #[error("{0}")]
    Set(#[from] SetError),
    #[error("{0}")]
    Pack(#[from] PackError),
    #[error("{0}")]
    Subelement(#[from] SubelementError),
    #[error("{0}")]
    Frame(#[from] FrameError),
}

/// Turns answers into frames; its buffers are used again, and wiped.
pub(crate) struct Renderer<'a> {
    spec: &'a Spec,
    framing: Framing,
    message: Message,
    packed: Wiped<Vec<u8>>,
    noise: u64,
}

impl<'a> Renderer<'a> {
    /// A renderer; `seed` makes the garbage.
    pub(crate) fn new(spec: &'a Spec, framing: Framing, seed: u64) -> Renderer<'a> {
        Renderer { spec, framing, message: Message::new(), packed: Wiped::with_capacity(1024), noise: seed | 1 }
    }

    /// Appends the frame, or frames, of an answer.
    pub(crate) fn render(&mut self, answer: &Answer, out: &mut Vec<u8>) -> Result<(), RenderError> {
        self.packed.wipe();
        match answer.delivery {
            Delivery::Silent | Delivery::DropBefore | Delivery::DropAfter => return Ok(()),
            Delivery::Garbage => self.garbage(),
            Delivery::CutShort => {
                self.pack(answer)?;
                let kept = self.packed.len().saturating_sub(CUT_BYTES);
                self.packed.iter_mut().skip(kept).for_each(|byte| *byte = 0);
                self.packed.truncate(kept);
            }
            Delivery::Plain
            | Delivery::Slow
            | Delivery::Late
            | Delivery::Doubled
            | Delivery::NoCode
            | Delivery::WrongAmount => self.pack(answer)?,
        }
        self.framing.encode_answer(answer.echo.tpdu, &self.packed, out)?;
        if answer.delivery == Delivery::Doubled {
            self.framing.encode_answer(answer.echo.tpdu, &self.packed, out)?;
        }
        Ok(())
    }

    fn pack(&mut self, answer: &Answer) -> Result<(), RenderError> {
        self.message.clear();
        answer.echo.write(&mut self.message)?;
        if answer.delivery == Delivery::WrongAmount {
            self.message.set(4, another_amount(answer.echo.amount.as_ref()))?;
        }
        if let Some(code) = &answer.authorization_code {
            self.message.set(38, code.as_str())?;
        }
        if answer.delivery != Delivery::NoCode {
            self.message.set(39, answer.code.as_str())?;
        }
        let mut additional = SubelementBuilder::new();
        if let Some(id) = &answer.transaction_id {
            additional.push(63, id.as_str())?;
        }
        if let Some(advice) = answer.advice {
            additional.push(84, advice)?;
        }
        if !additional.as_bytes().is_empty() {
            self.message.set(48, additional.as_bytes())?;
        }
        self.spec.pack(&self.message, &mut self.packed)?;
        Ok(())
    }

    fn garbage(&mut self) {
        for _ in 0..GARBAGE_BYTES {
            // Xorshift: any noise will do. The high bit makes sure that no spec reads digits.
            self.noise ^= self.noise << 13;
            self.noise ^= self.noise >> 7;
            self.noise ^= self.noise << 17;
            self.packed.push(self.noise.to_le_bytes()[0] | 0x80);
        }
    }
}

/// The amount with another last digit.
fn another_amount(amount: Option<&ShortText<12>>) -> String {
    let mut digits = amount.map_or("000000000000", ShortText::as_str).to_owned();
    let last = if digits.pop() == Some('9') { '8' } else { '9' };
    digits.push(last);
    digits
}
