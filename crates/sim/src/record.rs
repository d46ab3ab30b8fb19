//! What happened in a run, in its order: a digest of everything, and the events themselves when a story is wanted.

use crate::plan::Fault;
use crate::tables::HashSet;
use foldhash::fast::{FixedState, FoldHasher};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};

/// The number of a session, and so of its order.
pub type OrderNumber = u32;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A merchant asks for something.
    Asked {
        /// The number of the call.
        call: u32,
        /// What.
        what: &'static str,
        /// How much, in minor units.
        amount: u64,
    },
    /// A merchant is answered.
    Answered {
        /// The number of the call.
        call: u32,
        /// The five-digit code.
        code: u32,
    },
    /// A merchant gets no answer.
    Unheard {
        /// The number of the call.
        call: u32,
    },
    /// CHECK_STATUS tells something.
    Told {
        /// The code of CHECK_STATUS itself.
        code: u32,
        /// The code of the last operation; 0 when no order was found.
        last: u32,
        /// Captured, in minor units.
        captured: u64,
        /// Refunded, in minor units.
        refunded: u64,
    },
    /// A merchant changes or deletes a name that a card is kept under.
    Chore {
        /// What it does.
        what: &'static str,
        /// The five-digit code of the answer; 0 when there was none.
        code: u32,
    },
    /// A customer at the page.
    Page {
        /// What happens.
        what: &'static str,
        /// The five-digit code; 0 where there is none.
        code: u32,
    },
    /// A message leaves the gateway.
    Sent {
        /// Its type.
        mti: [u8; 4],
        /// Field 11.
        stan: u32,
        /// Field 37.
        rrn: [u8; 12],
        /// Field 4.
        amount: u64,
    },
    /// A message arrives at the issuer and is answered.
    Arrived {
        /// Its type.
        mti: [u8; 4],
        /// Field 37.
        rrn: [u8; 12],
        /// Field 39 of the answer.
        code: [u8; 2],
    },
    /// An answer reaches the gateway.
    Back {
        /// The type of the message that it answers.
        mti: [u8; 4],
        /// Field 37.
        rrn: [u8; 12],
    },
    /// The issuer's books change.
    Booked {
        /// How.
        what: &'static str,
        /// By how much, in minor units.
        amount: u64,
    },
    /// A feedback arrives at a merchant's server.
    Fed {
        /// At which URL.
        kind: &'static str,
        /// The order's version that it tells of.
        sequence: u32,
        /// The five-digit code.
        code: u32,
        /// The HTTP status of the answer.
        status: u16,
    },
    /// A fault happens.
    Met {
        /// Which.
        fault: Fault,
        /// Where.
        place: &'static str,
    },
    /// A call of the store has ended.
    Stored {
        /// Which call.
        call: &'static str,
        /// How it ended for the gateway.
        end: &'static str,
    },
    /// An operator's correction is written.
    Corrected {
        /// The five-digit code that the operation has now.
        code: u32,
        /// How much the operation is about, in minor units.
        amount: u64,
    },
    /// The time of the business jumps.
    Jump,
    /// A gateway starts, dies, is paused or goes on.
    Gateway {
        /// The node.
        node: u8,
        /// Which of them.
        what: &'static str,
    },
}

/// An event with its moment.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Milliseconds since the beginning.
    pub at_ms: u64,
    /// The order that it is about, if it is about one.
    pub order: Option<OrderNumber>,
    /// What happened.
    pub event: Event,
}

/// Whether the events themselves are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Only their digest and their number.
    Digest,
    /// All of them.
    Events,
}

/// What happened at the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtPage {
    /// Customers were let in.
    pub came: u64,
    /// Tries began.
    pub tries: u64,
    /// Somebody else was faster.
    pub overtaken: u64,
    /// Orders were given up of which nothing was sent.
    pub given_up: u64,
    /// Browsers were sent back.
    pub went_back: u64,
    /// Faults at the calls of the store that change something there, in the order of [`PAGE_CALLS`].
    pub met: [u64; PAGE_CALLS.len()],
}

/// The calls of the store by which something changes at the page.
pub const PAGE_CALLS: [&str; 4] = ["open_checkout", "claim_try", "close_unsent", "change_checkout"];

impl AtPage {
    fn count(&mut self, event: &Event) {
        if let Event::Met { place, .. } = event {
            let calls = self.met.iter_mut().zip(PAGE_CALLS).filter(|(_, call)| call == place);
            calls.for_each(|(count, _)| *count += 1);
        }
        let slot = match event {
            Event::Page { what: "comes", .. } => &mut self.came,
            Event::Page { what: "goes back", .. } => &mut self.went_back,
            Event::Stored { call: "claim_try", end: "claimed" } => &mut self.tries,
            Event::Stored { call: "close_unsent", end: "claimed" } => &mut self.given_up,
            Event::Stored { call: "claim_try" | "close_unsent", end: "changed" } => &mut self.overtaken,
            _ => return,
        };
        *slot += 1;
    }

    /// The sums of both.
    #[must_use]
    pub fn with(self, other: AtPage) -> AtPage {
        AtPage {
            came: self.came + other.came,
            tries: self.tries + other.tries,
            overtaken: self.overtaken + other.overtaken,
            given_up: self.given_up + other.given_up,
            went_back: self.went_back + other.went_back,
            met: std::array::from_fn(|call| {
                let of = |met: &[u64; PAGE_CALLS.len()]| met.get(call).copied().unwrap_or(0);
                of(&self.met) + of(&other.met)
            }),
        }
    }
}

/// The record of a run.
pub struct Record {
    digest: FoldHasher<'static>,
    events: u64,
    kept: Option<Vec<Entry>>,
    faults: [u64; Fault::ALL.len()],
    orders_met: HashSet<OrderNumber>,
    deaths: u64,
    corrections: u64,
    at_page: AtPage,
}

impl Record {
    /// An empty record.
    #[must_use]
    pub fn new(keep: Keep) -> Record {
        Record {
            // Its keys are the same in every process.
            digest: FixedState::default().build_hasher(),
            events: 0,
            kept: (keep == Keep::Events).then(Vec::new),
            faults: [0; Fault::ALL.len()],
            orders_met: HashSet::default(),
            deaths: 0,
            corrections: 0,
            at_page: AtPage::default(),
        }
    }

    /// Notes an event.
    pub fn note(&mut self, at_ms: u64, order: Option<OrderNumber>, event: Event) {
        if let Event::Met { fault, .. } = &event {
            if let Some(count) = self.faults.get_mut(*fault as usize) {
                *count += 1;
            }
            self.orders_met.extend(order);
        }
        if matches!(event, Event::Gateway { what: "is dead", .. }) {
            self.deaths += 1;
        }
        if matches!(event, Event::Corrected { .. }) {
            self.corrections += 1;
        }
        self.at_page.count(&event);
        self.events += 1;
        (at_ms, order, &event).hash(&mut self.digest);
        if let Some(kept) = &mut self.kept {
            kept.push(Entry { at_ms, order, event });
        }
    }

    /// Notes that a fault elsewhere struck this order, too.
    pub fn strike(&mut self, order: OrderNumber) {
        self.orders_met.insert(order);
    }

    /// The digest of all events so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// How many events there were.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How often each fault happened, in the order of [`Fault::ALL`].
    #[must_use]
    pub fn faults(&self) -> [u64; Fault::ALL.len()] {
        self.faults
    }

    /// How many orders met at least one fault.
    #[must_use]
    pub fn orders_met(&self) -> u64 {
        self.orders_met.len() as u64
    }

    /// How often the gateway died.
    #[must_use]
    pub fn deaths(&self) -> u64 {
        self.deaths
    }

    /// How many corrections operators have written.
    #[must_use]
    pub fn corrections(&self) -> u64 {
        self.corrections
    }

    /// What happened at the page.
    #[must_use]
    pub fn at_page(&self) -> AtPage {
        self.at_page
    }

    /// The story of one order: its own events, and those that concern all.
    #[must_use]
    pub fn story(&self, order: OrderNumber) -> Vec<Entry> {
        let kept = self.kept.iter().flatten();
        kept.filter(|entry| entry.order == Some(order) || matches!(entry.event, Event::Gateway { .. } | Event::Jump))
            .cloned()
            .collect()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9}.{:03} ", self.at_ms / 1000, self.at_ms % 1000)?;
        match &self.event {
            Event::Asked { call, what, amount } => write!(f, "merchant asks   #{call} {what} {amount}"),
            Event::Answered { call, code } => write!(f, "merchant hears  #{call} {code:05}"),
            Event::Unheard { call } => write!(f, "merchant hears  #{call} nothing"),
            Event::Told { code, last, captured, refunded } => {
                write!(f, "status          {code:05}, last {last:05}, captured {captured}, refunded {refunded}")
            }
            Event::Chore { what, code } => write!(f, "merchant's token {what}: {code:05}"),
            Event::Page { what, code } => write!(f, "customer        {what}: {code:05}"),
            Event::Sent { mti, stan, rrn, amount } => {
                write!(f, "gateway sends   {} stan {stan:06} rrn {} amount {amount}", text(mti), text(rrn))
            }
            Event::Arrived { mti, rrn, code } => {
                write!(f, "issuer reads    {} rrn {}: {}", text(mti), text(rrn), text(code))
            }
            Event::Back { mti, rrn } => write!(f, "gateway hears   of {} rrn {}", text(mti), text(rrn)),
            Event::Booked { what, amount } => write!(f, "issuer books    {what} {amount}"),
            Event::Fed { kind, sequence, code, status } => {
                write!(f, "merchant's server {kind} #{sequence} {code:05}: {status}")
            }
            Event::Met { fault, place } => write!(f, "fault           {} ({place})", fault.name()),
            Event::Stored { call, end } => write!(f, "store           {call}: {end}"),
            Event::Corrected { code, amount } => write!(f, "operator says   {code:05} of {amount}"),
            Event::Jump => write!(f, "time            jumps"),
            Event::Gateway { node, what } => write!(f, "gateway {node}       {what}"),
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("?")
}
