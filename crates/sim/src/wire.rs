//! ISO 8583 on the issuer's side: messages of the gateway into requests, replies into frames.

use crate::audit::Outgoing;
use crate::issuer::{Name, Purpose, Reply, Request};
use crate::record::OrderNumber;
use crate::tables::HashMap;
use anyhow::Context as _;
use std::sync::Arc;
use tollgate_iso8583::{Framing, Message, MtiClass, Spec, SubelementBuilder, Subelements};

/// What stands before the order's number in field 62 of a first message.
pub const ORDER_MARK: &str = "sim-";

/// The spec and what is needed to read messages.
pub struct Wire {
    spec: Arc<Spec>,
    framing: Framing,
    /// The places of the cards, by their numbers.
    cards: HashMap<String, usize>,
}

/// A message of the gateway.
#[derive(Clone)]
pub enum Incoming {
    /// Sign-on, echo or sign-off.
    Management(Box<Message>),
    /// A message about money.
    Payment {
        /// What it says.
        request: Request,
        /// The message itself.
        message: Box<Message>,
    },
}

impl Wire {
    /// The dialect that the gateway speaks by default.
    ///
    /// # Errors
    /// When the built-in spec or framing cannot be read.
    pub fn new(cards: &[String]) -> anyhow::Result<Wire> {
        let spec = Spec::builtin("iso8583-1987-ascii").context("the spec")?;
        let framing: Framing = "binary2".parse().map_err(|error| anyhow::anyhow!("the framing: {error}"))?;
        let cards = cards.iter().enumerate().map(|(place, number)| (number.clone(), place)).collect();
        Ok(Wire { spec, framing, cards })
    }

    /// How messages are cut out of the stream.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Reads a message. `owners` says whose the messages are that went before.
    ///
    /// # Errors
    /// What is wrong with it, in words without card data.
    pub fn read(&self, bytes: &[u8], owners: &HashMap<Name, OrderNumber>) -> Result<Incoming, String> {
        let mut message = Box::new(Message::new());
        self.spec.unpack(bytes, &mut message).map_err(|error| format!("it cannot be unpacked: {error}"))?;
        let mti = message.mti().ok_or("it has no type")?;
        if mti.class() == MtiClass::NetworkManagement {
            return Ok(Incoming::Management(message));
        }
        let number = |field| number(&message, field).ok_or_else(|| format!("field {field} is no number"));
        let name = Name { stan: narrow(number(11)?), time: number(7)? };
        let original = original(&message)?;
        let card = message.text(2).and_then(|number| self.cards.get(number)).ok_or("its card is nobody's")?;
        let marked = message.text(62).and_then(|text| text.strip_prefix(ORDER_MARK)?.parse().ok());
        let referred = original.and_then(|original| owners.get(&original).copied());
        let request = Request {
            mti: *mti.digits(),
            // A charge of a due date carries no mark: it is known by its own name.
            order: marked.or(referred).or(owners.get(&name).copied()).ok_or("it belongs to no order")?,
            card: *card,
            purpose: if message.text(3) == Some("200000") { Purpose::Refund } else { Purpose::Goods },
            amount: number(4)?,
            currency: u16::try_from(number(49)?).map_err(|_| "field 49 is no currency")?,
            name,
            rrn: message.get(37).and_then(|rrn| rrn.try_into().ok()).ok_or("field 37 is not there")?,
            original,
            back_to: back_to(&message)?,
        };
        Ok(Incoming::Payment { request, message })
    }

    /// The frame of the answer to a network management message.
    #[must_use]
    pub fn management_answer(&self, request: &Message) -> Option<Vec<u8>> {
        let mut answer = Message::new();
        answer.set_mti(request.mti()?.response()?);
        copy(request, &mut answer, &[7, 11, 32, 70])?;
        answer.set(39, "00").ok()?;
        self.frame(&answer)
    }

    /// The frame of an answer.
    #[must_use]
    pub fn answer(&self, request: &Message, reply: &Reply) -> Option<Vec<u8>> {
        self.frame(&answer(request, reply)?)
    }

    /// The frame of an answer that was damaged on its way, so that it can be seen: `how` chooses one of four ways.
    #[must_use]
    pub fn damaged_answer(&self, request: &Message, reply: &Reply, how: u64) -> Vec<u8> {
        let build = || {
            let mut answer = answer(request, reply)?;
            match how {
                0 => {
                    answer.remove(39);
                }
                1 => answer.set_number(4, reply.amount + 1, 12).ok()?,
                _ => {}
            }
            let mut bytes = Vec::new();
            self.spec.pack(&answer, &mut bytes).ok()?;
            match how {
                2 => bytes.truncate(bytes.len() * 3 / 4),
                // No digit of a type, so that nothing can be unpacked.
                3 => bytes.get_mut(..4)?.fill(b'?'),
                _ => {}
            }
            let mut frame = Vec::new();
            self.framing.encode(&bytes, &mut frame).ok()?;
            Some(frame)
        };
        build().unwrap_or_default()
    }

    fn frame(&self, message: &Message) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(256);
        self.spec.pack(message, &mut bytes).ok()?;
        let mut frame = Vec::with_capacity(bytes.len() + 2);
        self.framing.encode(&bytes, &mut frame).ok()?;
        Some(frame)
    }
}

/// What the auditor has to know of a message that leaves.
#[must_use]
pub fn outgoing(request: &Request) -> Outgoing {
    Outgoing {
        order: request.order,
        name: request.name,
        rrn: request.rrn,
        amount: request.amount,
        card: request.card,
        reversal: request.original == Some(request.name),
        back_to: request.back_to,
    }
}

fn answer(request: &Message, reply: &Reply) -> Option<Message> {
    let mut answer = Message::new();
    let mti = request.mti()?.response()?;
    answer.set_mti(mti);
    if mti.class() != MtiClass::Reversal {
        copy(request, &mut answer, &[2])?;
    }
    copy(request, &mut answer, &[3, 7, 11, 32, 37, 41, 42, 49])?;
    answer.set_number(4, reply.amount, 12).ok()?;
    if let Some(code) = reply.authorization {
        answer.set_number(38, u64::from(code), 6).ok()?;
    }
    if let Some(order) = reply.named {
        let mut elements = SubelementBuilder::new();
        elements.push(NAMED, format!("{NAME_MARK}{order}")).ok()?;
        answer.set(48, elements.as_bytes()).ok()?;
    }
    answer.set(39, reply.code).ok()?;
    Some(answer)
}

fn copy(from: &Message, to: &mut Message, fields: &[u8]) -> Option<()> {
    for field in fields {
        if let Some(value) = from.get(*field) {
            to.set(*field, value).ok()?;
        }
    }
    Some(())
}

/// Field 90: type, STAN, transmission time, then two institutions.
fn original(message: &Message) -> Result<Option<Name>, String> {
    let Some(elements) = message.text(90) else { return Ok(None) };
    let part = |from: usize, to: usize| elements.get(from..to).and_then(|digits| digits.parse::<u64>().ok());
    match (part(4, 10), part(10, 20)) {
        (Some(stan), Some(time)) => Ok(Some(Name { stan: narrow(stan), time })),
        _ => Err("field 90 names nothing".to_owned()),
    }
}

/// Field 48 subelement 22: the payment of the cardholder's that a charge goes back to.
fn back_to(message: &Message) -> Result<Option<OrderNumber>, String> {
    let elements = Subelements::new(message.get(48).unwrap_or_default());
    let named = elements.find(GOES_BACK).map_err(|error| format!("field 48 cannot be read: {error}"))?;
    let order = |name: &[u8]| std::str::from_utf8(name).ok()?.strip_prefix(NAME_MARK)?.parse().ok();
    named.map(|name| order(name).ok_or_else(|| "48.22 names nothing that the network has named".to_owned())).transpose()
}

/// Field 48: how the network names a payment, and where a charge goes back to.
const NAMED: u8 = 63;
const GOES_BACK: u8 = 22;
/// What stands before the order's number in the network's name of a payment.
const NAME_MARK: &str = "NET";

fn number(message: &Message, field: u8) -> Option<u64> {
    message.text(field)?.parse().ok()
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
