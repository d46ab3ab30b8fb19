//! The directory server: card ranges, AReqs on to the ACS, and RReqs back to the 3DS Server.

use super::acs::{AcsAnswer, AuthenticationRequest};
use super::connector::Authorities;
use super::range::{CardRanges, Method, Range};
use super::results::{ResultsSender, Told};
use super::{CardRangesError, ThreeDs};
use crate::faults::{DirectoryFault, DirectoryMessage};
use aws_lc_rs::digest;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tollgate_core::money::Currency;
use tollgate_core::secret::Wiped;
use tollgate_threeds::element::{
    ActionIndicator, Digits, ErrorComponent, List, ProtocolVersion, Text, TransactionId, VersionNumber, WebUrl,
};
use tollgate_threeds::fault::{ErrorCode, Fault};
use tollgate_threeds::message::{AReq, CardRange, Erro, MessageType, PReq, PRes, RReq, Wire};

/// The directory server's number at EMVCo, which a sandbox makes up.
pub(super) const DS_REFERENCE_NUMBER: &str = "TOLLGATE-SANDBOX-DS";
/// The bytes of the table's digest that make its serial number.
const SERIAL_BYTES: usize = 8;

/// What a directory server is made of.
pub(crate) struct DirectorySetup<'a> {
    /// Where browsers reach the ACS, without a slash at the end.
    pub(crate) acs_url: &'a str,
    /// Transactions whose result is still to come.
    pub(crate) routes_max: usize,
    /// Whom the certificates of 3DS Servers may come from.
    pub(crate) authorities: Authorities,
}

/// The directory server.
pub(crate) struct Directory {
    ranges: CardRanges,
    shown: List<CardRange, { tollgate_threeds::message::RANGES_MAX }>,
    serial: Text<1, 20>,
    routes: Mutex<VecDeque<Route>>,
    routes_max: usize,
    results: ResultsSender,
}

/// Where the result of a transaction goes.
#[derive(Debug)]
struct Route {
    ds_trans_id: TransactionId,
    three_ds_server_url: WebUrl<2048>,
}

/// What the port answers.
#[derive(Debug)]
pub(super) enum DirectoryAnswer {
    /// A message.
    Message(Wiped<Vec<u8>>),
    /// The same, after `slow_ms`.
    Slow(Wiped<Vec<u8>>),
    /// Nothing, ever.
    Silent,
    /// Bytes that are no message.
    Garbage,
}

impl Directory {
    pub(crate) fn new(setup: DirectorySetup<'_>) -> Result<Directory, CardRangesError> {
        let ranges = CardRanges::builtin()?;
        let method_url = WebUrl::parse(&format!("{}/acs/method", setup.acs_url));
        let shown: Vec<CardRange> = ranges.all().iter().filter_map(|range| shown(range, method_url.as_ref())).collect();
        let serial = serial_of(&shown);
        let shown = List::new(shown)
            .ok_or(CardRangesError::Row { row: 1, problem: "a directory has at least one card range" })?;
        Ok(Directory {
            ranges,
            shown,
            serial,
            routes: Mutex::default(),
            routes_max: setup.routes_max,
            results: ResultsSender::new(setup.authorities),
        })
    }

    /// Sends the result of a challenge to the 3DS Server that asked; a transaction has one result.
    pub(super) async fn hand_on(&self, result: &RReq) -> Told {
        let route = {
            let mut routes = self.routes();
            let place = routes.iter().position(|route| route.ds_trans_id == result.ds_trans_id);
            place.and_then(|place| routes.remove(place))
        };
        match route {
            Some(route) => self.results.send(&route.three_ds_server_url, result).await,
            None => {
                tracing::warn!(
                    acs_trans_id = result.acs_trans_id.as_str(),
                    "an RReq of a transaction that is not known"
                );
                Told::Lost
            }
        }
    }

    /// Forgets where a result would go: there will be none.
    pub(super) fn forget(&self, ds_trans_id: &TransactionId) {
        self.routes().retain(|route| route.ds_trans_id != *ds_trans_id);
    }

    fn remember(&self, route: Route) {
        let mut routes = self.routes();
        while routes.len() >= self.routes_max.max(1) {
            routes.pop_front();
        }
        routes.push_back(route);
    }

    fn routes(&self) -> MutexGuard<'_, VecDeque<Route>> {
        // The list is whole at any time, so a panic elsewhere spoils nothing.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn preparation(&self, request: &PReq) -> Result<PRes, Fault> {
        let version = |version: ProtocolVersion| VersionNumber::from(version);
        let card_range_data = match &request.serial_num {
            Some(serial) if *serial == self.serial => None,
            // What changed since another state is not kept: the 3DS Server has to ask for all.
            Some(_) => return Err(Fault::new(ErrorCode::SerialNumberInvalid, "serialNum")),
            None => Some(self.shown.clone()),
        };
        Ok(PRes {
            message_version: request.message_version,
            three_ds_server_trans_id: request.three_ds_server_trans_id.clone(),
            ds_trans_id: new_id()?,
            ds_start_protocol_version: version(ProtocolVersion::V210),
            ds_end_protocol_version: version(ProtocolVersion::V220),
            serial_num: self.serial.clone(),
            card_range_data,
            message_extension: None,
        })
    }

    /// What an AReq may not have, although its form is right.
    fn judge(&self, request: &AReq) -> Result<(), Fault> {
        let refused = |code, detail| Err(Fault::new(code, detail));
        let currency = request.purchase_currency.as_str().parse().ok().and_then(Currency::from_numeric);
        let Some(currency) = currency else { return refused(ErrorCode::IsoCodeInvalid, "purchaseCurrency") };
        if request.purchase_exponent.as_str() != currency.exponent().to_string() {
            return refused(ErrorCode::FormatInvalid, "purchaseExponent");
        }
        if request.purchase_amount.as_str().parse::<u64>().is_err() {
            return refused(ErrorCode::FormatInvalid, "purchaseAmount");
        }
        let Some(range) = self.ranges.of(request.acct_number.pan()) else {
            return refused(ErrorCode::TransactionDataInvalid, "acctNumber");
        };
        if !range.speaks(request.message_version) {
            return refused(ErrorCode::VersionNotSupported, range.version_max.code());
        }
        Ok(())
    }
}

/// Answers what came to the directory server's port.
pub(super) fn answer(three_ds: &Arc<ThreeDs>, body: &[u8]) -> DirectoryAnswer {
    match AReq::read(body) {
        Ok(request) => authenticate(three_ds, request),
        Err(fault) if fault.message_type == Some(MessageType::PReq) => match PReq::read(body) {
            Ok(request) => prepare(three_ds, &request),
            Err(fault) => refuse(fault),
        },
        Err(fault) => refuse(fault),
    }
}

fn prepare(three_ds: &Arc<ThreeDs>, request: &PReq) -> DirectoryAnswer {
    let answer = || match three_ds.directory.preparation(request) {
        Ok(response) => response.to_bytes(),
        Err(fault) => erro_bytes(&Fault {
            message_type: Some(MessageType::PReq),
            version: Some(request.message_version),
            three_ds_server_trans_id: Some(request.three_ds_server_trans_id.clone()),
            ..fault
        }),
    };
    let fault = three_ds.faults.take_directory(DirectoryMessage::CardRanges, None);
    faulty(fault, answer, || preparation_context(request))
}

fn authenticate(three_ds: &Arc<ThreeDs>, request: AReq) -> DirectoryAnswer {
    let mask = request.acct_number.pan().mask();
    let id = request.three_ds_server_trans_id.as_str().to_owned();
    let context = authentication_context(&request);
    if let Some(fault) = three_ds.faults.take_directory(DirectoryMessage::Authenticate, Some(&mask)) {
        tracing::info!(three_ds_server_trans_id = id, card = mask, ?fault, "an AReq meets a fault");
        if fault != DirectoryFault::Slow {
            return faulty(Some(fault), || Wiped::new(Vec::new()), || context);
        }
        let answer = pass_on(three_ds, request, context);
        return match answer {
            DirectoryAnswer::Message(bytes) => DirectoryAnswer::Slow(bytes),
            other => other,
        };
    }
    let answer = pass_on(three_ds, request, context);
    tracing::info!(three_ds_server_trans_id = id, card = mask, "an AReq was answered");
    answer
}

/// Lets the ACS of the card's range answer, and remembers where a result would go.
fn pass_on(three_ds: &Arc<ThreeDs>, request: AReq, context: Fault) -> DirectoryAnswer {
    let checked = three_ds.directory.judge(&request).and_then(|()| new_id());
    let ds_trans_id = match checked {
        Ok(id) => id,
        Err(fault) => return refuse(Fault { code: fault.code, detail: fault.detail, ..context }),
    };
    let route = Route { ds_trans_id: ds_trans_id.clone(), three_ds_server_url: request.three_ds_server_url.clone() };
    let asked = AuthenticationRequest { request, ds_trans_id };
    match three_ds.acs.authenticate(&asked) {
        AcsAnswer::Final(response) => DirectoryAnswer::Message(response.to_bytes()),
        AcsAnswer::Challenge(offer) => {
            // First the way back, then the challenge: its end may come at once.
            three_ds.directory.remember(route);
            let response = offer.begin(three_ds);
            DirectoryAnswer::Message(response.to_bytes())
        }
        AcsAnswer::Erro(erro) => DirectoryAnswer::Message(erro.to_bytes()),
        AcsAnswer::Silent => DirectoryAnswer::Silent,
    }
}

fn faulty(
    fault: Option<DirectoryFault>,
    answer: impl FnOnce() -> Wiped<Vec<u8>>,
    context: impl FnOnce() -> Fault,
) -> DirectoryAnswer {
    match fault {
        None => DirectoryAnswer::Message(answer()),
        Some(DirectoryFault::Slow) => DirectoryAnswer::Slow(answer()),
        Some(DirectoryFault::Silent) => DirectoryAnswer::Silent,
        Some(DirectoryFault::Garbage) => DirectoryAnswer::Garbage,
        Some(DirectoryFault::Erro) => refuse(Fault {
            code: ErrorCode::TransientFailure,
            detail: "a fault that was asked for".to_owned(),
            ..context()
        }),
    }
}

fn refuse(fault: Fault) -> DirectoryAnswer {
    tracing::info!(%fault, "the directory server refuses a message");
    DirectoryAnswer::Message(erro_bytes(&fault))
}

fn erro_bytes(fault: &Fault) -> Wiped<Vec<u8>> {
    // An Erro that came here is answered by one too: over HTTP, something has to be.
    let fault = match fault.message_type {
        Some(MessageType::Erro) => &Fault { message_type: None, ..fault.clone() },
        _ => fault,
    };
    fault.to_erro(ErrorComponent::DirectoryServer).as_ref().map_or_else(|| Wiped::new(Vec::new()), Erro::to_bytes)
}

/// What an Erro to this AReq repeats of it.
pub(super) fn authentication_context(request: &AReq) -> Fault {
    Fault {
        message_type: Some(MessageType::AReq),
        version: Some(request.message_version),
        three_ds_server_trans_id: Some(request.three_ds_server_trans_id.clone()),
        ..Fault::new(ErrorCode::PermanentFailure, "no reason given")
    }
}

fn preparation_context(request: &PReq) -> Fault {
    Fault {
        message_type: Some(MessageType::PReq),
        version: Some(request.message_version),
        three_ds_server_trans_id: Some(request.three_ds_server_trans_id.clone()),
        ..Fault::new(ErrorCode::PermanentFailure, "no reason given")
    }
}

/// A new name of a transaction.
pub(super) fn new_id() -> Result<TransactionId, Fault> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Fault::new(ErrorCode::TransientFailure, "the system gives no random bytes"))?;
    Ok(TransactionId::from_random(random))
}

fn shown(range: &Range, method_url: Option<&WebUrl<256>>) -> Option<CardRange> {
    Some(CardRange {
        start_range: Digits::parse(&range.first)?,
        end_range: Digits::parse(&range.last)?,
        action_ind: Some(ActionIndicator::Add),
        acs_start_protocol_version: range.version_min.into(),
        acs_end_protocol_version: range.version_max.into(),
        three_ds_method_url: method_url.filter(|_| range.method == Method::Yes).cloned(),
    })
}

/// The same ranges have the same serial number, in each run. The address of the ACS is part of them.
fn serial_of(ranges: &[CardRange]) -> Text<1, 20> {
    let text = serde_json::to_vec(ranges).unwrap_or_default();
    let digest = digest::digest(&digest::SHA256, &text);
    let hex: String = digest.as_ref().iter().take(SERIAL_BYTES).map(|byte| format!("{byte:02x}")).collect();
    Text::cut(&hex)
}
