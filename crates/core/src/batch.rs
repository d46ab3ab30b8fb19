//! A batch: a file of payments and of operations on orders, uploaded, judged row by row, and carried out.
//!
//! The states of a batch and of its rows are tables, as those of payments are ([`crate::transition`]); what a row may be
//! is judged here, what its values may look like by the wire, and whether it may be done by [`crate::decide`].

use crate::code::{ResponseCode, message, refused as code};
use crate::command::{Eci, MaintainCommand, OrderTarget, PayCommand};
use crate::named_enum::named_enum;
use crate::order::PayKind;
use crate::payment_link::PaymentLinkCommand;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use std::fmt;

/// The most rows of one batch.
pub const ROWS_MAX: u32 = 1_000_000;
/// The largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 50 * 1024 * 1024;
/// The largest row of a file, in bytes.
pub const ROW_BYTES_MAX: usize = 32 * 1024;

/// The number of a batch, 18 digits, of the same range as those of orders; FORT's `batch_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub i64);

impl BatchId {
    /// Reads 1 to 18 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<BatchId> {
        crate::ident::FortId::parse(text).map(|number| BatchId(number.0))
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:018}", self.0)
    }
}

/// One row of a batch: the mark that the intent of a payment or an operation carries, so that the row and the intent are
/// written together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchRowId {
    /// The batch.
    pub batch: BatchId,
    /// The line of the uploaded file; its header is line 1.
    pub line: u32,
}

named_enum! {
    /// Where a batch stands.
    BatchState {
        /// Its rows are being written; nobody was told of it yet. What is left so is thrown away.
        Receiving = 0 "receiving",
        /// All rows are there, none was judged yet.
        Uploaded = 1 "uploaded",
        /// Its rows are being judged.
        Validating = 2 "validating",
        /// Every row may be processed.
        Validated = 3 "validated",
        /// Some rows may be processed; the others are refused already.
        ValidatedWithErrors = 4 "validated with errors",
        /// Nothing of it can be processed.
        Invalid = 5 "invalid",
        /// Its rows are being carried out.
        Processing = 6 "processing",
        /// Every row has its result.
        Done = 7 "done",
        /// Its processing was asked for, and begins on its execution date.
        Scheduled = 8 "waiting for its date",
        /// It was given up before any row was begun; none ever is.
        Cancelled = 9 "cancelled",
    }
}

named_enum! {
    /// What can happen to a batch.
    BatchEvent {
        /// The last row was written, and the merchant may be told.
        Received = 0 "received",
        /// A gateway begins to judge its rows.
        ValidationBegun = 1 "validation begun",
        /// All rows were judged: none was refused.
        FoundGood = 2 "no row refused",
        /// All rows were judged: some were refused.
        FoundErrors = 3 "some rows refused",
        /// No row can be used, or the file is none that can be read.
        FoundUnusable = 4 "no row usable",
        /// The merchant asked for its processing.
        ProcessingAsked = 5 "processing asked for",
        /// The last row has its result.
        LastRowDone = 6 "last row done",
        /// The merchant asked for its processing on a later date.
        DateSet = 7 "processing asked for on a later date",
        /// The clock has reached that date.
        DateReached = 8 "its date is reached",
        /// An operator has given it up.
        GivenUp = 9 "cancelled",
    }
}

/// What an event does to a batch; a pair that is not here cannot happen and changes nothing.
pub const BATCH_EDGES: &[BatchEdge] = &[
    edge(BatchState::Receiving, BatchEvent::Received, BatchState::Uploaded),
    edge(BatchState::Uploaded, BatchEvent::ValidationBegun, BatchState::Validating),
    edge(BatchState::Validating, BatchEvent::FoundGood, BatchState::Validated),
    edge(BatchState::Validating, BatchEvent::FoundErrors, BatchState::ValidatedWithErrors),
    edge(BatchState::Validating, BatchEvent::FoundUnusable, BatchState::Invalid),
    edge(BatchState::Validated, BatchEvent::ProcessingAsked, BatchState::Processing),
    edge(BatchState::ValidatedWithErrors, BatchEvent::ProcessingAsked, BatchState::Processing),
    edge(BatchState::Processing, BatchEvent::LastRowDone, BatchState::Done),
    edge(BatchState::Validated, BatchEvent::DateSet, BatchState::Scheduled),
    edge(BatchState::ValidatedWithErrors, BatchEvent::DateSet, BatchState::Scheduled),
    edge(BatchState::Scheduled, BatchEvent::DateReached, BatchState::Processing),
    edge(BatchState::Validated, BatchEvent::GivenUp, BatchState::Cancelled),
    edge(BatchState::ValidatedWithErrors, BatchEvent::GivenUp, BatchState::Cancelled),
    edge(BatchState::Scheduled, BatchEvent::GivenUp, BatchState::Cancelled),
];

/// One edge of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchEdge {
    /// From this state,
    pub from: BatchState,
    /// on this event,
    pub event: BatchEvent,
    /// to this state.
    pub to: BatchState,
}

const fn edge(from: BatchState, event: BatchEvent, to: BatchState) -> BatchEdge {
    BatchEdge { from, event, to }
}

impl BatchState {
    /// The state after `event`; `None` when it cannot happen here.
    #[must_use]
    pub fn after(self, event: BatchEvent) -> Option<BatchState> {
        BATCH_EDGES.iter().find(|edge| edge.from == self && edge.event == event).map(|edge| edge.to)
    }

    /// Whether a gateway has something to do about it now, without being asked.
    #[must_use]
    pub const fn is_worked_on(self) -> bool {
        matches!(self, BatchState::Receiving | BatchState::Uploaded | BatchState::Validating | BatchState::Processing)
    }
}

named_enum! {
    /// Where a row stands.
    BatchRowState {
        /// Not judged yet.
        Pending = 0 "pending",
        /// It may be carried out.
        Valid = 1 "valid",
        /// Its intent is durable: its result is that of its operation, whatever happens.
        Begun = 2 "begun",
        /// It has its result.
        Done = 3 "done",
    }
}

named_enum! {
    /// Why nothing of a batch can be used.
    BatchFault {
        /// Every row was refused.
        NoGoodRow = 0 "every row is refused",
        /// There is a header and nothing below it.
        NoRow = 1 "the file has no rows",
        /// It is no UTF-8.
        NotUtf8 = 2 "the file is not UTF-8 text",
        /// A row is too long, as it is where a quote is never closed.
        RowTooLong = 3 "a row is longer than 32 KiB: a quote may not be closed",
        /// There are more rows than a batch may have.
        TooManyRows = 4 "the file has more than 1,000,000 rows",
    }
}

/// UPLOAD_BATCH_FILE: done.
pub const UPLOADED: ResponseCode = ResponseCode::new(50, message::SUCCESS);
/// GET_BATCH_RESULTS: validated, and how many rows there are.
pub const RESULTS_TOLD: ResponseCode = ResponseCode::new(70, message::SUCCESS);
/// PROCESS_BATCH: done, and its rows begin on the execution date.
pub const DATE_SET: ResponseCode = ResponseCode::new(72, message::BATCH_WILL_BE_PROCESSED);
/// PROCESS_BATCH: done.
pub const PROCESSING_ASKED: ResponseCode = ResponseCode::new(72, message::PROCESS_BATCH_RECEIVED);
/// Nothing of the file can be used.
pub const VALIDATION_FAILED: ResponseCode = ResponseCode::new(77, message::BATCH_VALIDATION_FAILED);

/// The code of a call about batches that came to nothing: its own failure status, with `message`.
#[must_use]
pub const fn failed(call: BatchCall, message: u16) -> ResponseCode {
    ResponseCode::new(
        match call {
            BatchCall::Upload => 51,
            BatchCall::Results => 71,
            BatchCall::Process => 73,
        },
        message,
    )
}

/// The calls about batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchCall {
    /// UPLOAD_BATCH_FILE.
    Upload,
    /// GET_BATCH_RESULTS.
    Results,
    /// PROCESS_BATCH.
    Process,
}

/// UPLOAD_BATCH_FILE, GET_BATCH_RESULTS or PROCESS_BATCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCommand {
    /// Which of them.
    pub call: BatchCall,
    /// The merchant's reference of the batch, up to 20 characters.
    pub reference: String,
    /// The batch's number where one was sent; `None` inside names no batch.
    pub id: Option<Option<BatchId>>,
    /// The name of the file, of an upload.
    pub file_name: Option<String>,
    /// `execution_date` of PROCESS_BATCH as it was sent: when the first row may begin.
    pub execution_date: Option<String>,
}

/// For how many days the execution date of a batch may be ahead at most.
pub const EXECUTION_DAYS_MAX: u64 = 365;

impl BatchCommand {
    /// When its rows may begin at the earliest; `None` where it names no date.
    ///
    /// # Errors
    /// 73137 for what is no moment, lies in the past, or is more than [`EXECUTION_DAYS_MAX`] days ahead.
    pub fn execute_at(&self, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        let refused = |detail: &'static str| {
            let code = failed(self.call, message::BATCH_DATE_INVALID);
            Refusal::request(code, "execution_date", detail)
        };
        let Some(text) = &self.execution_date else { return Ok(None) };
        let Some(at) = Timestamp::parse_with_offset(text) else {
            return Err(refused("it is ISO 8601 with an offset, as 2027-01-31T06:00:00+04:00"));
        };
        if at < now {
            return Err(refused("it lies in the past: leave it out, and the batch is processed at once"));
        }
        if at > now.plus_ms(EXECUTION_DAYS_MAX * DAY_MS) {
            return Err(refused("it is more than 365 days ahead"));
        }
        Ok(Some(at))
    }
}

/// Milliseconds in a day.
const DAY_MS: u64 = 86_400_000;

/// Whether a merchant may upload batches, and what their rows may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchTerms {
    /// Whether it may.
    pub service: BatchService,
    /// What rows may be.
    pub rows: BatchRows,
}

/// Whether a merchant may upload batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchService {
    /// It may not: 00093.
    #[default]
    Off,
    /// It may.
    On,
}

/// What the rows of a merchant's batches may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchRows {
    /// What FORT takes: PURCHASE of an agreement with a token, CAPTURE, REFUND, VOID_AUTHORIZATION.
    #[default]
    Fort,
    /// AUTHORIZATION besides, and mail and telephone orders with a token.
    Wide,
}

/// What a row asks for.
#[derive(Clone, Debug)]
pub enum BatchRowCommand {
    /// A payment.
    Pay(Box<PayCommand>),
    /// An operation on an order.
    Maintain(Box<MaintainCommand>),
    /// A payment link, in a file of such rows alone.
    Link(Box<PaymentLinkCommand>),
}

impl BatchRowCommand {
    /// What must stand in a file once: the same payment or link, or the same operation on the same order for the same amount.
    #[must_use]
    pub fn identity(&self) -> String {
        match self {
            BatchRowCommand::Pay(command) => format!("pay\0{}", command.merchant_reference),
            BatchRowCommand::Link(command) => format!("link\0{}", command.merchant_reference),
            BatchRowCommand::Maintain(command) => format!(
                "{:?}\0{}\0{}\0{}",
                command.kind,
                self.order(),
                command.money.map_or(0, |money| money.amount.minor()),
                command.maintenance_reference.as_deref().unwrap_or_default(),
            ),
        }
    }

    /// The order it is about, as the row names it: rows about one order are carried out one after the other.
    #[must_use]
    pub fn order(&self) -> String {
        match self {
            BatchRowCommand::Pay(command) => command.merchant_reference.clone(),
            BatchRowCommand::Link(command) => command.merchant_reference.clone(),
            BatchRowCommand::Maintain(command) => match &command.target {
                OrderTarget::Reference(reference) => reference.clone(),
                OrderTarget::FortId(fort_id) | OrderTarget::Both(_, fort_id) => fort_id.to_string(),
            },
        }
    }
}

/// Judges what kind of payment a row may ask for.
///
/// # Errors
/// 00004 for a command, 00113 for an indicator that rows may not have.
pub fn row_offered(rows: BatchRows, kind: PayKind, eci: Eci) -> Result<(), Refusal> {
    let refused = |code, parameter: &'static str, detail: &'static str| Err(Refusal::request(code, parameter, detail));
    match (rows, kind) {
        (_, PayKind::Purchase) | (BatchRows::Wide, PayKind::Authorization) => {}
        (BatchRows::Fort, PayKind::Authorization) => {
            return refused(
                code::INVALID_COMMAND,
                "command",
                "rows are PURCHASE, CAPTURE, REFUND and VOID_AUTHORIZATION; `tollgate merchant set NAME --batch-rows wide` \
                 takes AUTHORIZATION too",
            );
        }
        (_, PayKind::VerifyAccount | PayKind::VerifyByHold) => {
            return refused(code::INVALID_COMMAND, "command", "a card cannot be verified in a batch");
        }
    }
    match (rows, eci) {
        (_, Eci::Recurring) | (BatchRows::Wide, Eci::Moto) => Ok(()),
        (BatchRows::Fort, Eci::Moto) => refused(
            code::NOT_FOR_ECI,
            "eci",
            "payments in a batch are RECURRING; `tollgate merchant set NAME --batch-rows wide` takes MOTO too",
        ),
        (_, Eci::Ecommerce) => refused(code::NOT_FOR_ECI, "eci", "nobody is at a browser when a batch is processed"),
    }
}

/// The edges as a table of Markdown, for docs/batch.md.
#[must_use]
pub fn as_markdown() -> String {
    let mut out = String::from("| batch is | and then | batch becomes |\n|---|---|---|\n");
    for BatchEdge { from, event, to } in BATCH_EDGES {
        out.push_str(&format!("| {from} | {event} | {to} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_pair_is_in_the_table_twice_and_every_state_is_reached() {
        for (place, edge) in BATCH_EDGES.iter().enumerate() {
            let same = BATCH_EDGES.iter().position(|other| other.from == edge.from && other.event == edge.event);
            assert_eq!(same, Some(place));
        }
        for state in BatchState::ALL.iter().skip(1) {
            assert!(BATCH_EDGES.iter().any(|edge| edge.to == *state), "{state}");
        }
        assert_eq!(BatchState::Done.after(BatchEvent::ProcessingAsked), None, "a batch is processed once");
        assert_eq!(BatchState::Processing.after(BatchEvent::GivenUp), None, "what has begun goes on to its end");
        assert!(BATCH_EDGES.iter().all(|edge| edge.from != BatchState::Cancelled), "nothing follows");
        assert_eq!(BatchState::Validating.after(BatchEvent::ProcessingAsked), None, "validation comes first");
    }

    #[test]
    fn the_document_shows_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/batch.md");
        let document = std::fs::read_to_string(path).unwrap();
        assert!(
            document.contains(&as_markdown()),
            "docs/batch.md differs from the table; write it anew with: cargo run -p xtask -- docs"
        );
    }

    #[test]
    fn numbers_read_back() {
        for state in BatchState::ALL {
            assert_eq!(BatchState::from_number(state.number()), Some(*state));
        }
        for fault in BatchFault::ALL {
            assert_eq!(BatchFault::from_number(fault.number()), Some(*fault));
        }
        assert_eq!(BatchId::parse("179518080000000001").unwrap().to_string(), "179518080000000001");
        assert_eq!(BatchId::parse("1795180800000000011"), None);
    }

    #[test]
    fn what_rows_may_ask_for_is_the_accounts_choice() {
        let judged = |rows, kind, eci| row_offered(rows, kind, eci).map_err(|refusal| refusal.code.to_string());
        let (fort, wide) = (BatchRows::Fort, BatchRows::Wide);
        for rows in [fort, wide] {
            assert_eq!(judged(rows, PayKind::Purchase, Eci::Recurring), Ok(()));
            assert_eq!(judged(rows, PayKind::Purchase, Eci::Ecommerce), Err("00113".into()));
            assert_eq!(judged(rows, PayKind::VerifyAccount, Eci::Moto), Err("00004".into()));
        }
        assert_eq!(judged(fort, PayKind::Authorization, Eci::Recurring), Err("00004".into()));
        assert_eq!(judged(fort, PayKind::Purchase, Eci::Moto), Err("00113".into()));
        assert_eq!(judged(wide, PayKind::Authorization, Eci::Moto), Ok(()));
    }
}
