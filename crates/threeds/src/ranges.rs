//! Which card takes part in 3-D Secure, in which version, and where its 3DS method is: the card ranges of a directory
//! server, kept up to date by PReq and PRes (EMV 3DS 2.2, chapter 5.6).
//!
//! The ranges are asked for at the start and then at most once an hour. The first answer names all of them; later ones name
//! what changed since the serial number that the PReq carries. An answer that does not fit what is here already changes
//! nothing, and all ranges are asked for the next time.

use crate::element::{ActionIndicator, ProtocolVersion, Text, TransactionId, VersionNumber, WebUrl};
use crate::fault::ErrorCode;
use crate::message::{CardRange, Erro, PReq, PRes};
use std::collections::BTreeMap;
use tollgate_core::card::{Pan, RevealPermit};
use tollgate_core::time::Timestamp;

/// The least time between two PReq that were answered, in milliseconds.
pub const REFRESH_MS_MIN: u64 = 3_600_000;
/// The time after a PReq that was not answered, in milliseconds, until the next one.
pub const RETRY_MS: u64 = 60_000;
/// The longest time that ranges are good for, in milliseconds; older ones are still used, because a customer whose card is
/// in them is better authenticated by them than not at all, and [`CardRanges::is_stale`] tells.
pub const AGE_MS_MAX: u64 = 24 * 3_600_000;

/// The card ranges of one directory server.
#[derive(Clone, Debug, Default)]
pub struct CardRanges {
    ranges: BTreeMap<RangeStart, Range>,
    /// The state that the ranges are in; without it, all are asked for.
    serial: Option<Text<1, 20>>,
    /// What the directory server speaks.
    spoken: Option<Spoken>,
    refreshed_at: Option<Timestamp>,
    /// When the next PReq may go.
    due_at: Option<Timestamp>,
    /// Whether a lower version is asked in, since the directory server did not take the highest.
    asks_low: bool,
}

/// What a range is sorted by: only numbers of one length compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RangeStart {
    digits: usize,
    number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    end: u64,
    spoken: Spoken,
    method_url: Option<WebUrl<256>>,
}

/// From which version to which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spoken {
    lowest: VersionNumber,
    highest: VersionNumber,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestorNumbers {
    /// The number that EMVCo gave the 3DS Server.
    pub server_reference: Text<1, 32>,
    /// The number that the payment system gave its operator.
    pub server_operator: Option<Text<1, 32>>,
}

/// What is known of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Participation {
    /// It takes part.
    Enrolled(RangeTerms),
    /// It lies in no range.
    NotEnrolled,
    /// It lies in a range, and no version is spoken both there and here.
    NoCommonVersion,
    /// No ranges ever came.
    Unknown,
}

/// How a card that takes part is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeTerms {
    /// The highest version that everybody speaks.
    pub version: ProtocolVersion,
    /// Where the ACS has its 3DS method.
    pub method_url: Option<WebUrl<256>>,
}

/// What an answer changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeChanges {
    /// How many ranges were added or replaced.
    pub set: usize,
    /// How many were taken away.
    pub deleted: usize,
    /// How many there are now.
    pub total: usize,
}

/// Why an answer changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeFault {
    /// Two ranges overlap.
    #[error("two card ranges of the PRes overlap, or one overlaps with a range that is known")]
    Overlap,
    /// A range that is not known was to be replaced or deleted.
    #[error("the PRes replaces or deletes a card range that is not known")]
    NotKnown,
}

/// Leave to look where a number lies.
const TO_LOOK_UP: RevealPermit = RevealPermit::granted("find the card range that a card number lies in");

impl CardRanges {
    /// How `pan` is authenticated.
    #[must_use]
    pub fn look_up(&self, pan: &Pan) -> Participation {
        let Some(server) = self.spoken else { return Participation::Unknown };
        let digits = pan.reveal(&TO_LOOK_UP);
        let Ok(number) = digits.parse() else { return Participation::NotEnrolled };
        let key = RangeStart { digits: digits.len(), number };
        let below = self.ranges.range(..=key).next_back();
        let Some((_, range)) = below.filter(|(start, range)| start.digits == key.digits && number <= range.end) else {
            return Participation::NotEnrolled;
        };
        match range.spoken.highest_common(server) {
            Some(version) => Participation::Enrolled(RangeTerms { version, method_url: range.method_url.clone() }),
            None => Participation::NoCommonVersion,
        }
    }

    /// How many ranges are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the ranges are older than they should be, or never came.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.refreshed_at.is_none_or(|at| now.since_ms(at) > AGE_MS_MAX)
    }

    /// The next PReq under the name `id`, when one is due. It counts as sent: tell what came of it.
    pub fn next_request(&mut self, id: TransactionId, numbers: &RequestorNumbers, now: Timestamp) -> Option<PReq> {
        if self.due_at.is_some_and(|due_at| now < due_at) {
            return None;
        }
        // What came of it may never be told.
        self.due_at = Some(now.plus_ms(RETRY_MS));
        Some(PReq {
            message_version: if self.asks_low { ProtocolVersion::V210 } else { ProtocolVersion::HIGHEST },
            three_ds_server_ref_number: numbers.server_reference.clone(),
            three_ds_server_operator_id: numbers.server_operator.clone(),
            three_ds_server_trans_id: id,
            serial_num: self.serial.clone(),
            message_extension: None,
        })
    }

    /// Takes the answer on `request`.
    ///
    /// # Errors
    /// When it does not fit what is here: then nothing changes, and the next PReq asks for all ranges.
    pub fn answered(&mut self, request: &PReq, answer: &PRes, now: Timestamp) -> Result<RangeChanges, RangeFault> {
        self.due_at = Some(now.plus_ms(REFRESH_MS_MIN));
        let is_whole = request.serial_num.is_none();
        let mut next = if is_whole { BTreeMap::new() } else { self.ranges.clone() };
        let mut changes = RangeChanges::default();
        for range in answer.card_range_data.iter().flat_map(|ranges| ranges.iter()) {
            if let Err(fault) = change(&mut next, range, &mut changes) {
                self.serial = None;
                return Err(fault);
            }
        }
        changes.total = next.len();
        self.ranges = next;
        self.serial = Some(answer.serial_num.clone());
        self.spoken =
            Some(Spoken { lowest: answer.ds_start_protocol_version, highest: answer.ds_end_protocol_version });
        self.refreshed_at = Some(now);
        Ok(changes)
    }

    /// Takes an Erro instead of an answer.
    pub fn refused(&mut self, erro: &Erro, now: Timestamp) {
        let wait_ms = match erro.error_code {
            // Both are our own mistakes and can be mended at once, once.
            ErrorCode::SerialNumberInvalid if self.serial.take().is_some() => 0,
            ErrorCode::VersionNotSupported if !self.asks_low => {
                self.asks_low = true;
                0
            }
            ErrorCode::TransientFailure | ErrorCode::ConnectionFailure | ErrorCode::TimedOut => RETRY_MS,
            _ => REFRESH_MS_MIN,
        };
        self.due_at = Some(now.plus_ms(wait_ms));
    }

    /// Nothing that could be read came.
    pub fn failed(&mut self, now: Timestamp) {
        self.due_at = Some(now.plus_ms(RETRY_MS));
    }

    /// When the next PReq may go; `None` when at once.
    #[must_use]
    pub const fn due_at(&self) -> Option<Timestamp> {
        self.due_at
    }
}

/// Makes one change of a PRes.
fn change(
    ranges: &mut BTreeMap<RangeStart, Range>,
    range: &CardRange,
    changes: &mut RangeChanges,
) -> Result<(), RangeFault> {
    // 13 to 19 digits always are such a number.
    let number = |digits: &str| digits.parse::<u64>().map_err(|_| RangeFault::NotKnown);
    let start = RangeStart { digits: range.start_range.as_str().len(), number: number(range.start_range.as_str())? };
    let end = number(range.end_range.as_str())?;
    let is_known = ranges.get(&start).is_some_and(|known| known.end == end);
    match range.action_ind.unwrap_or(ActionIndicator::Add) {
        ActionIndicator::Delete if is_known => {
            ranges.remove(&start);
            changes.deleted += 1;
            return Ok(());
        }
        ActionIndicator::Modify if is_known => {}
        ActionIndicator::Delete | ActionIndicator::Modify => return Err(RangeFault::NotKnown),
        // To add what is there is to replace it: an answer may come twice.
        ActionIndicator::Add if is_known => {}
        ActionIndicator::Add if overlaps(ranges, start, end) => return Err(RangeFault::Overlap),
        ActionIndicator::Add => {}
    }
    let spoken = Spoken { lowest: range.acs_start_protocol_version, highest: range.acs_end_protocol_version };
    ranges.insert(start, Range { end, spoken, method_url: range.three_ds_method_url.clone() });
    changes.set += 1;
    Ok(())
}

fn overlaps(ranges: &BTreeMap<RangeStart, Range>, start: RangeStart, end: u64) -> bool {
    // The last range that begins before the end of this one is the only one that can reach into it, since none of those that
    // are there overlap.
    let last = ranges.range(..=RangeStart { number: end, ..start }).next_back();
    last.is_some_and(|(known, range)| known.digits == start.digits && range.end >= start.number)
}

impl Spoken {
    /// The highest version that is spoken here, there, and by `other`.
    fn highest_common(self, other: Spoken) -> Option<ProtocolVersion> {
        ProtocolVersion::ALL.iter().rev().copied().find(|version| {
            let version = VersionNumber::from(*version);
            [self, other].iter().all(|spoken| (spoken.lowest..=spoken.highest).contains(&version))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::element::{Digits, ErrorComponent, List};
    use proptest::prelude::*;

    const HOUR: Timestamp = Timestamp(3_600_000_000);

    fn numbers() -> RequestorNumbers {
        RequestorNumbers { server_reference: Text::cut("3DS_LOA"), server_operator: None }
    }

    fn ask(ranges: &mut CardRanges, now: Timestamp) -> Option<PReq> {
        ranges.next_request(TransactionId::from_random([1; 16]), &numbers(), now)
    }

    fn range(action: &str, start: &str, end: &str, versions: [&str; 2]) -> CardRange {
        CardRange {
            start_range: Digits::parse(start).unwrap(),
            end_range: Digits::parse(end).unwrap(),
            action_ind: ActionIndicator::parse(action),
            acs_start_protocol_version: VersionNumber::parse(versions[0]).unwrap(),
            acs_end_protocol_version: VersionNumber::parse(versions[1]).unwrap(),
            three_ds_method_url: WebUrl::parse("https://acs.example/method"),
        }
    }

    fn pres(serial: &str, ranges: Vec<CardRange>) -> PRes {
        PRes {
            message_version: ProtocolVersion::V220,
            three_ds_server_trans_id: TransactionId::from_random([1; 16]),
            ds_trans_id: TransactionId::from_random([2; 16]),
            ds_start_protocol_version: VersionNumber::parse("2.1.0").unwrap(),
            ds_end_protocol_version: VersionNumber::parse("2.3.1").unwrap(),
            serial_num: Text::cut(serial),
            card_range_data: List::new(ranges),
            message_extension: None,
        }
    }

    const ALL: [&str; 2] = ["2.1.0", "2.3.1"];
    const VISA: [&str; 2] = ["4005550000000000", "4005559999999999"];

    fn filled() -> CardRanges {
        let mut ranges = CardRanges::default();
        let request = ask(&mut ranges, Timestamp(0)).unwrap();
        let data = vec![
            range("A", VISA[0], VISA[1], ALL),
            range("A", "5123450000000000", "5123459999999999", ["2.1.0", "2.1.0"]),
            range("", "345678000000000", "345678999999999", ["2.3.0", "2.3.1"]),
        ];
        ranges.answered(&request, &pres("1", data), Timestamp(0)).unwrap();
        ranges
    }

    fn version(ranges: &CardRanges, pan: &str) -> Participation {
        match ranges.look_up(&Pan::parse(pan).unwrap()) {
            Participation::Enrolled(terms) => Participation::Enrolled(RangeTerms { method_url: None, ..terms }),
            other => other,
        }
    }

    fn enrolled(version: ProtocolVersion) -> Participation {
        Participation::Enrolled(RangeTerms { version, method_url: None })
    }

    #[test]
    fn a_card_takes_the_highest_version_that_all_three_speak() {
        let ranges = filled();
        assert_eq!(version(&ranges, "4005550000000001"), enrolled(ProtocolVersion::V220));
        assert_eq!(version(&ranges, "5123456789012346"), enrolled(ProtocolVersion::V210));
        assert_eq!(version(&ranges, "345678901234564"), Participation::NoCommonVersion);
        assert_eq!(version(&ranges, "4111111111111111"), Participation::NotEnrolled);
        assert_eq!(version(&CardRanges::default(), "4005550000000001"), Participation::Unknown);
        let found = ranges.look_up(&Pan::parse("4005550000000001").unwrap());
        let Participation::Enrolled(terms) = found else { unreachable!("{found:?}") };
        assert_eq!(terms.method_url.unwrap().as_str(), "https://acs.example/method");
    }

    #[test]
    fn later_answers_name_what_changed() {
        let mut ranges = filled();
        let request = ask(&mut ranges, HOUR).unwrap();
        assert_eq!(request.serial_num.as_ref().unwrap().as_str(), "1");
        let data = vec![
            range("M", VISA[0], VISA[1], ["2.1.0", "2.1.0"]),
            range("D", "5123450000000000", "5123459999999999", ALL),
            range("A", "4111110000000000", "4111119999999999", ALL),
        ];
        let changes = ranges.answered(&request, &pres("2", data), HOUR).unwrap();
        assert_eq!(changes, RangeChanges { set: 2, deleted: 1, total: 3 });
        assert_eq!(version(&ranges, "4005550000000001"), enrolled(ProtocolVersion::V210));
        assert_eq!(version(&ranges, "5123456789012346"), Participation::NotEnrolled);
        assert_eq!(version(&ranges, "4111111111111111"), enrolled(ProtocolVersion::V220));
        // And nothing may have changed at all.
        let request = ask(&mut ranges, HOUR.plus_ms(REFRESH_MS_MIN)).unwrap();
        let changes = ranges.answered(&request, &pres("2", Vec::new()), HOUR).unwrap();
        assert_eq!(changes, RangeChanges { set: 0, deleted: 0, total: 3 });
    }

    #[test]
    fn what_does_not_fit_changes_nothing_and_all_are_asked_for_again() {
        for (data, fault) in [
            (range("A", "4005555000000000", "4005565000000000", ALL), RangeFault::Overlap),
            (range("A", "4005550000000000", "4005550000000009", ALL), RangeFault::Overlap),
            (range("M", "4005550000000000", "4005550000000009", ALL), RangeFault::NotKnown),
            (range("D", "4111110000000000", "4111119999999999", ALL), RangeFault::NotKnown),
        ] {
            let mut ranges = filled();
            let request = ask(&mut ranges, HOUR).unwrap();
            let good = range("A", "4111120000000000", "4111129999999999", ALL);
            assert_eq!(ranges.answered(&request, &pres("2", vec![good, data]), HOUR), Err(fault));
            assert_eq!(ranges.len(), 3);
            assert_eq!(ask(&mut ranges, HOUR), None);
            assert_eq!(ask(&mut ranges, HOUR.plus_ms(REFRESH_MS_MIN)).unwrap().serial_num, None);
        }
    }

    #[test]
    fn at_the_start_and_then_once_an_hour() {
        let mut ranges = filled();
        assert_eq!(ask(&mut ranges, Timestamp(HOUR.0 - 1)), None);
        assert!(ask(&mut ranges, HOUR).is_some());
        assert_eq!(ask(&mut ranges, HOUR), None, "one is on its way");
        ranges.failed(HOUR);
        assert_eq!(ask(&mut ranges, HOUR.plus_ms(RETRY_MS - 1)), None);
        assert!(ask(&mut ranges, HOUR.plus_ms(RETRY_MS)).is_some());
        assert!(!ranges.is_stale(Timestamp(0).plus_ms(AGE_MS_MAX)));
        assert!(ranges.is_stale(Timestamp(0).plus_ms(AGE_MS_MAX + 1)));
    }

    #[test]
    fn an_erro_says_when_to_ask_again() {
        let erro = |code: &str| Erro {
            message_version: ProtocolVersion::V220,
            three_ds_server_trans_id: None,
            ds_trans_id: None,
            acs_trans_id: None,
            error_code: ErrorCode::parse(code).unwrap(),
            error_component: ErrorComponent::DirectoryServer,
            error_description: Text::cut("x"),
            error_detail: Text::cut("x"),
            error_message_type: None,
        };
        let mut ranges = filled();
        ranges.refused(&erro("307"), HOUR);
        assert_eq!(ask(&mut ranges, HOUR).unwrap().serial_num, None);
        ranges.refused(&erro("307"), HOUR);
        assert_eq!(ask(&mut ranges, HOUR), None, "without a number there is nothing more to mend");
        ranges.refused(&erro("102"), HOUR);
        assert_eq!(ask(&mut ranges, HOUR).unwrap().message_version, ProtocolVersion::V210);
        ranges.refused(&erro("102"), HOUR);
        assert_eq!(ask(&mut ranges, HOUR.plus_ms(REFRESH_MS_MIN - 1)), None);
        ranges.refused(&erro("103"), HOUR);
        assert_eq!(ranges.due_at(), Some(HOUR.plus_ms(REFRESH_MS_MIN)));
        ranges.refused(&erro("403"), HOUR);
        assert_eq!(ranges.due_at(), Some(HOUR.plus_ms(RETRY_MS)));
    }

    proptest! {
        /// Whatever is added, a number is found just where a plain search over the ranges that were taken finds it.
        #[test]
        fn ranges_never_overlap(spans in proptest::collection::vec((0u64..200, 0u64..20), 1..30)) {
            let base = 4_005_550_000_000_000_u64;
            let mut ranges = CardRanges::default();
            let mut taken: Vec<(u64, u64)> = Vec::new();
            let request = ask(&mut ranges, Timestamp(0)).unwrap();
            ranges.answered(&request, &pres("0", Vec::new()), Timestamp(0)).unwrap();
            let request = ask(&mut ranges, HOUR).unwrap();
            for (start, more) in spans {
                let (start, end) = (base + start, base + start + more);
                let data = range("A", &start.to_string(), &end.to_string(), ALL);
                let fits = ranges.answered(&request, &pres("1", vec![data]), HOUR).is_ok();
                let free = taken.iter().all(|&(from, to)| end < from || to < start);
                prop_assert_eq!(fits, free || taken.contains(&(start, end)));
                if free {
                    taken.push((start, end));
                }
            }
            for number in base..base + 230 {
                let Ok(pan) = Pan::parse(&number.to_string()) else { continue };
                let known = taken.iter().any(|&(from, to)| (from..=to).contains(&number));
                prop_assert_eq!(ranges.look_up(&pan) != Participation::NotEnrolled, known);
            }
        }
    }
}
