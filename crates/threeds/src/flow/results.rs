//! The RReq: what a challenge came to. The first one counts, whatever comes after it.

use super::edges::Happening;
use super::outcome::{Judgement, Outcome};
use super::{Answered, Flow, Judged, Reply, Taken, fitting_eci};
use crate::element::{Digits, ErrorComponent, ProtocolVersion, ResultsStatus, Text, TransStatus, TransactionId};
use crate::fault::ErrorCode;
use crate::message::{Erro, MessageType, RReq, RRes};
use serde::{Deserialize, Serialize};
use tollgate_core::bin::Brand;
use tollgate_core::three_ds::{AuthenticatedBy, Authentication, AuthenticationStatus};
use tollgate_core::time::Timestamp;

/// What is kept of the first RReq, to know it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Results {
    status: TransStatus,
    eci: Option<String>,
    value: Option<tollgate_core::three_ds::AuthenticationValue>,
    answered: ResultsStatus,
}

impl Results {
    fn of(rreq: &RReq, answered: ResultsStatus) -> Results {
        Results {
            status: rreq.trans_status,
            eci: rreq.eci.as_ref().map(ToString::to_string),
            value: rreq.authentication_value.clone(),
            answered,
        }
    }
}

/// Why an RReq is not of a transaction.
struct Refusal {
    code: ErrorCode,
    element: &'static str,
}

/// The Erro on an RReq whose transaction nobody here knows.
#[must_use]
pub fn not_recognised(rreq: &RReq) -> Erro {
    erro(rreq, ErrorCode::TransactionNotRecognised, "threeDSServerTransID")
}

impl Flow {
    /// Takes an RReq. It is answered once, and then the same way as often as it comes, also when it comes too late.
    pub(super) fn results_came(&mut self, rreq: &RReq, now: Timestamp) -> (Taken, Option<Reply>) {
        let asked = Asked { id: &self.id, version: self.version, answer: self.answer.as_ref() };
        let answered = match asked.is_answered_by(rreq) {
            Ok(answered) => answered,
            Err(Refusal { code, element }) => {
                self.history.passed_over(now, happening(rreq), &format!("refused: {code}: {element}"));
                return (Taken::No, Some(Reply::Erro(erro(rreq, code, element))));
            }
        };
        if let Some(first) = &self.results {
            let answered = first.answered;
            if *first != Results::of(rreq, answered) {
                self.history.passed_over(now, happening(rreq), "another RReq: the first one counts");
            }
            return (Taken::No, Some(Reply::Results(rres(rreq, answered))));
        }
        let Some(judgement) = self.judgement_of(rreq) else {
            self.history.passed_over(now, happening(rreq), "refused: an ECI that does not fit");
            return (Taken::No, Some(Reply::Erro(erro(rreq, ErrorCode::TransactionDataInvalid, "eci"))));
        };
        let note = match rreq.challenge_cancel {
            Some(cancel) => format!("transStatus {}, challengeCancel {cancel}", rreq.trans_status),
            None => format!("transStatus {}", rreq.trans_status),
        };
        let outcome = Some(Outcome::Judged(judgement));
        let taken = self.take(Judged { on: happening(rreq), note, outcome }, now);
        self.results = Some(Results::of(rreq, answered));
        (taken, Some(Reply::Results(rres(rreq, answered))))
    }

    /// What stays of an authentication that is over, for results that come then. `None` while it is not over, and where the
    /// ACS never answered: nobody can have a result of it.
    #[must_use]
    pub fn past(&self) -> Option<PastFlow> {
        let answer = self.answer.clone().filter(|_| self.state.is_over())?;
        // The customer has been told, or never will be; and nobody is sent to the ACS any more.
        let answer = Answered { acs_url: None, cardholder_info: None, ..answer };
        let answered = self.results.as_ref().map(|first| first.answered);
        Some(PastFlow { id: self.id.clone(), version: self.version, brand: self.brand, answer, answered })
    }

    /// What an RReq says; `None` when its ECI does not fit.
    fn judgement_of(&self, rreq: &RReq) -> Option<Judgement> {
        let status = AuthenticationStatus::parse(rreq.trans_status.code())?;
        let eci = fitting_eci(rreq.eci.as_ref().map(Digits::as_str), status, self.brand)?;
        Some(Judgement {
            authentication: Authentication {
                status,
                eci: eci.0,
                value: rreq.authentication_value.clone(),
                ds_transaction_id: Some(rreq.ds_trans_id.to_string()),
                xid: None,
                version: Some(self.version.to_string()),
                by: AuthenticatedBy::Gateway,
            },
            is_informational: false,
            reason: rreq.trans_status_reason.as_ref().map(ToString::to_string),
            challenge_cancel: rreq.challenge_cancel,
            cardholder_info: self.answer.as_ref().and_then(|answer| answer.cardholder_info.clone()),
            was_challenged: true,
        })
    }
}

/// The transaction that the ACS was asked for, as far as results tell whether they belong to it.
struct Asked<'a> {
    id: &'a TransactionId,
    version: ProtocolVersion,
    answer: Option<&'a Answered>,
}

impl Asked<'_> {
    /// How an RReq of this transaction is answered, or why it is none.
    fn is_answered_by(&self, rreq: &RReq) -> Result<ResultsStatus, Refusal> {
        let refused = |code, element| Err(Refusal { code, element });
        // Without an ARes nobody can have a result.
        let Some(answer) = self.answer.filter(|_| rreq.three_ds_server_trans_id == *self.id) else {
            return refused(ErrorCode::TransactionNotRecognised, "threeDSServerTransID");
        };
        if rreq.acs_trans_id != answer.acs_id {
            return refused(ErrorCode::TransactionDataInvalid, "acsTransID");
        }
        if rreq.ds_trans_id != answer.ds_id {
            return refused(ErrorCode::TransactionDataInvalid, "dsTransID");
        }
        if rreq.message_version != self.version {
            return refused(ErrorCode::TransactionDataInvalid, "messageVersion");
        }
        match answer.status {
            TransStatus::Challenge if answer.was_shown => Ok(ResultsStatus::Received),
            // We never sent the customer there.
            TransStatus::Challenge | TransStatus::Decoupled => Ok(ResultsStatus::ChallengeNotSent),
            // The result was in the ARes, and there is no other.
            _ => refused(ErrorCode::TransactionDataInvalid, "transStatus"),
        }
    }
}

/// What stays of an authentication that is over: how an RReq is answered that comes, or comes again, when its payment has
/// followed long since. It holds nothing that proves anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastFlow {
    id: TransactionId,
    version: ProtocolVersion,
    brand: Brand,
    answer: Answered,
    /// How the first RReq was answered, if one came in time.
    answered: Option<ResultsStatus>,
}

impl PastFlow {
    /// Whether an RReq names this transaction.
    #[must_use]
    pub fn is_named_by(&self, rreq: &RReq) -> bool {
        rreq.three_ds_server_trans_id == self.id
    }

    /// The answer to an RReq: the one that the flow itself would give.
    #[must_use]
    pub fn reply(&self, rreq: &RReq) -> Reply {
        let asked = Asked { id: &self.id, version: self.version, answer: Some(&self.answer) };
        let answered = match asked.is_answered_by(rreq) {
            Ok(answered) => self.answered.unwrap_or(answered),
            Err(Refusal { code, element }) => return Reply::Erro(erro(rreq, code, element)),
        };
        let is_fit = || {
            let status = AuthenticationStatus::parse(rreq.trans_status.code())?;
            fitting_eci(rreq.eci.as_ref().map(Digits::as_str), status, self.brand)
        };
        if self.answered.is_none() && is_fit().is_none() {
            return Reply::Erro(erro(rreq, ErrorCode::TransactionDataInvalid, "eci"));
        }
        Reply::Results(rres(rreq, answered))
    }
}

fn happening(rreq: &RReq) -> Happening {
    match rreq.trans_status {
        TransStatus::Authenticated | TransStatus::Attempted => Happening::ResultProof,
        _ => Happening::ResultNoProof,
    }
}

fn rres(rreq: &RReq, results_status: ResultsStatus) -> RRes {
    RRes {
        message_version: rreq.message_version,
        three_ds_server_trans_id: rreq.three_ds_server_trans_id.clone(),
        ds_trans_id: rreq.ds_trans_id.clone(),
        acs_trans_id: rreq.acs_trans_id.clone(),
        results_status,
        message_extension: None,
    }
}

fn erro(rreq: &RReq, code: ErrorCode, detail: &str) -> Erro {
    let id = |id: &TransactionId| Some(id.clone());
    Erro {
        message_version: rreq.message_version,
        three_ds_server_trans_id: id(&rreq.three_ds_server_trans_id),
        ds_trans_id: id(&rreq.ds_trans_id),
        acs_trans_id: id(&rreq.acs_trans_id),
        error_code: code,
        error_component: ErrorComponent::Server,
        error_description: Text::cut(code.meaning()),
        error_detail: Text::cut(detail),
        error_message_type: Some(MessageType::RReq),
    }
}
