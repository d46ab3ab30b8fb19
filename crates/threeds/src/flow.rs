//! One authentication, as the 3DS Server runs it: from the customer at our page to a result or a named failure.
//!
//! [`Flow::apply`] takes what happened and says what is to be done; [`edges`] is the whole truth about what may follow what.
//! A flow is JSON between two events ([`Flow::to_json`]) and holds no card number, so that it lies in the store and
//! survives a restart. What counts is the ARes, and after a challenge the RReq: whatever comes by the browser proves nothing.

pub mod edges;
mod history;
mod outcome;
mod request;
mod results;

pub use edges::{Happening, State};
pub use history::Moment;
pub use outcome::{Failure, Judgement, Outcome, eci_fits, reason_words};
pub use request::{BrowserData, BrowserHeaders, ChallengeWish, MerchantTerms, Purchase, ScriptData, ServerTerms};
pub use results::{PastFlow, not_recognised};

use crate::element::{
    ChallengeWindowSize, DeviceChannel, Digits, ErrorComponent, MessageCategory, MethodCompletion, ProtocolVersion,
    Text, TransStatus, TransType, TransactionId, WebUrl, YesNo,
};
use crate::encode;
use crate::fault::{ErrorCode, Fault};
use crate::message::{AReq, ARes, Answer, CReq, CRes, Erro, MessageType, RReq, RRes, read_answer};
use crate::port::ExchangeFailure;
use history::History;
use results::Results;
use serde::{Deserialize, Serialize};
use tollgate_core::bin::Brand;
use tollgate_core::card_scan;
use tollgate_core::three_ds::{AuthenticatedBy, Authentication, AuthenticationStatus};
use tollgate_core::time::Timestamp;

/// The version of a flow's JSON.
const FORMAT: u8 = 1;

/// The time limits of an authentication, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How long the 3DS method may run once the browser data are here; at most 10 s.
    pub method_ms_max: u64,
    /// How long an AReq is waited for when nobody says what became of it.
    pub answer_ms_max: u64,
    /// How long the challenge may last; at most 10 minutes.
    pub challenge_ms_max: u64,
    /// How long the RReq is waited for once the customer is back; at most 1 minute.
    pub result_ms_max: u64,
}

impl Limits {
    /// The longest that each may be.
    pub const LONGEST: Limits =
        Limits { method_ms_max: 10_000, answer_ms_max: 60_000, challenge_ms_max: 600_000, result_ms_max: 60_000 };

    /// Each of them, but none longer than it may be.
    fn capped(self) -> Limits {
        let most = Limits::LONGEST;
        Limits {
            method_ms_max: self.method_ms_max.min(most.method_ms_max),
            answer_ms_max: self.answer_ms_max.min(most.answer_ms_max),
            challenge_ms_max: self.challenge_ms_max.min(most.challenge_ms_max),
            result_ms_max: self.result_ms_max.min(most.result_ms_max),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { answer_ms_max: 30_000, result_ms_max: 30_000, ..Limits::LONGEST }
    }
}

/// Which addresses of an ACS the browser is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcsReach {
    /// `https` alone.
    HttpsOnly,
    /// `http` as well: in a sandbox.
    Sandbox,
}

impl AcsReach {
    fn takes<const CHARS_MAX: usize>(self, url: &WebUrl<CHARS_MAX>) -> bool {
        self == AcsReach::Sandbox || url.is_https()
    }
}

/// How an authentication begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its name, new: [`TransactionId::from_random`].
    pub id: TransactionId,
    /// The version that the card's range allows.
    pub version: ProtocolVersion,
    /// Where the ACS has its 3DS method, if it has one.
    pub method_url: Option<WebUrl<256>>,
    /// Where the ACS posts that the 3DS method is done.
    pub method_notification_url: WebUrl<256>,
    /// The card's brand: its network says which ECI means what.
    pub brand: Brand,
    /// What is wished of a challenge.
    pub wish: ChallengeWish,
    /// How large the window of a challenge would be.
    pub window: ChallengeWindowSize,
    /// Which addresses are taken.
    pub reach: AcsReach,
    /// The time limits.
    pub limits: Limits,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// What the browser is came.
    BrowserCame(&'a BrowserData),
    /// The ACS posted that the 3DS method of this transaction is done.
    MethodDone(&'a TransactionId),
    /// The page says that the 3DS method takes too long.
    MethodTimedOut,
    /// This came back from the directory server on the AReq.
    Answered(&'a [u8]),
    /// Nothing that could be read came back.
    RequestFailed(ExchangeFailure),
    /// The gateway started anew and does not know what became of the AReq.
    Interrupted,
    /// The directory server posted this.
    Results(&'a RReq),
    /// The ACS posted this field `cres` through the browser.
    ChallengeReturned(&'a str),
    /// The customer cancelled at our page.
    Cancelled,
    /// The customer went away.
    Abandoned,
    /// Time passed.
    Tick,
}

/// What came of an event.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// Whether it changed the state.
    pub taken: Taken,
    /// What is to be done now.
    pub todo: Todo,
    /// What the directory server has to be told: the answer to an RReq, or an Erro about its ARes.
    pub reply: Option<Reply>,
}

/// Whether an event changed the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It did.
    Yes,
    /// It did not: it came too late, too early, or was not meant for this transaction.
    No,
}

/// What the directory server is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The answer to an RReq.
    Results(RRes),
    /// What was wrong with its message. On an ARes it is a message of its own, whose answer does not matter.
    Erro(Erro),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Ask the browser what it is, and meanwhile run the 3DS method, if there is one.
    CollectBrowser(Option<MethodFrame>),
    /// Let the 3DS method run.
    AwaitMethod {
        /// The 3DS method.
        frame: MethodFrame,
        /// How long.
        until: Timestamp,
    },
    /// Store the flow, then send the AReq of [`Flow::request`], once. It is told by the step that leads to it alone.
    SendRequest,
    /// Wait for the answer on the AReq.
    AwaitAnswer {
        /// How long.
        until: Timestamp,
    },
    /// Show the challenge.
    ShowChallenge(Challenge),
    /// Wait for the RReq.
    AwaitResult {
        /// How long.
        until: Timestamp,
    },
    /// Nothing: see [`Flow::outcome`].
    Done,
}

/// The 3DS method: a hidden iframe with a form that posts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodFrame {
    /// Where to.
    pub url: WebUrl<256>,
    /// The field `threeDSMethodData`.
    pub data: String,
}

/// A challenge: a form that posts itself, in an iframe or in the whole page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Where to.
    pub url: WebUrl<2048>,
    /// The field `creq`.
    pub creq: String,
    /// The field `threeDSSessionData`, which comes back with the CRes.
    pub session_data: String,
    /// How large the window is.
    pub window: ChallengeWindowSize,
    /// How long it may last.
    pub until: Timestamp,
}

/// What is kept of an ARes while a challenge may follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answered {
    acs_id: TransactionId,
    ds_id: TransactionId,
    status: TransStatus,
    /// Whether the customer was sent to the challenge.
    was_shown: bool,
    acs_url: Option<WebUrl<2048>>,
    cardholder_info: Option<String>,
}

/// One authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    format: u8,
    id: TransactionId,
    version: ProtocolVersion,
    brand: Brand,
    wish: ChallengeWish,
    window: ChallengeWindowSize,
    reach: AcsReach,
    limits: Limits,
    state: State,
    /// When the state ends by itself.
    deadline: Option<Timestamp>,
    method_url: Option<WebUrl<256>>,
    method_notification_url: WebUrl<256>,
    method: MethodCompletion,
    /// Until the AReq is answered.
    browser: Option<BrowserData>,
    answer: Option<Answered>,
    /// The first RReq, while it is unknown whether another one comes.
    results: Option<Results>,
    outcome: Option<Outcome>,
    history: History,
}

/// Why a text is no flow.
#[derive(Debug, thiserror::Error)]
pub enum FlowUnreadable {
    /// It is no JSON of a flow.
    #[error("the stored authentication cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Another program wrote it.
    #[error("the stored authentication has format {found}, and this program reads {FORMAT}")]
    Format {
        /// The format it has.
        found: u8,
    },
    /// Its parts do not belong together.
    #[error("the stored authentication is {0} and lacks what belongs to that")]
    Incomplete(State),
}

/// What an event comes to, before the table is asked.
struct Judged {
    on: Happening,
    note: String,
    outcome: Option<Outcome>,
}

impl Judged {
    fn plain(on: Happening) -> Judged {
        Judged { on, note: String::new(), outcome: None }
    }

    fn failed(on: Happening, failure: Failure) -> Judged {
        Judged { on, note: failure.to_string(), outcome: Some(Outcome::Failed(failure)) }
    }
}

impl Flow {
    /// Begins one. Nothing is sent yet: [`Flow::todo`] says what the page has to show.
    #[must_use]
    pub fn begin(start: Start, now: Timestamp) -> Flow {
        let method_url = start.method_url.filter(|url| start.reach.takes(url));
        let state = if method_url.is_some() { State::Preparing } else { State::NeedBrowser };
        Flow {
            format: FORMAT,
            id: start.id,
            version: start.version,
            brand: start.brand,
            wish: start.wish,
            window: start.window,
            reach: start.reach,
            limits: start.limits.capped(),
            state,
            deadline: None,
            method: if method_url.is_some() { MethodCompletion::NotCompleted } else { MethodCompletion::Unavailable },
            method_url,
            method_notification_url: start.method_notification_url,
            browser: None,
            answer: None,
            results: None,
            outcome: None,
            history: History::begin(state, now),
        }
    }

    /// Reads a stored flow.
    ///
    /// # Errors
    /// When it is none, or of another format.
    pub fn from_json(text: &str) -> Result<Flow, FlowUnreadable> {
        #[derive(Deserialize)]
        struct Head {
            format: u8,
        }
        let Head { format } = serde_json::from_str(text)?;
        if format != FORMAT {
            return Err(FlowUnreadable::Format { found: format });
        }
        let flow: Flow = serde_json::from_str(text)?;
        let has_address = flow.answer.as_ref().is_some_and(|answer| answer.acs_url.is_some());
        let is_whole = match flow.state {
            State::Preparing => flow.method_url.is_some(),
            State::NeedBrowser => true,
            State::NeedMethod => flow.method_url.is_some() && flow.browser.is_some() && flow.deadline.is_some(),
            State::Requesting => flow.browser.is_some() && flow.deadline.is_some(),
            State::Challenging | State::Returned => has_address && flow.deadline.is_some(),
            State::Proved => flow.outcome.as_ref().is_some_and(|outcome| outcome.proof().is_some()),
            State::NotProved | State::Failed => flow.outcome.as_ref().is_some_and(|found| found.proof().is_none()),
        };
        if is_whole { Ok(flow) } else { Err(FlowUnreadable::Incomplete(flow.state)) }
    }

    /// The flow as JSON, to be stored.
    ///
    /// # Errors
    /// Never in fact: nothing in it cannot be written.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The 3DS Server's name of the transaction: by it an RReq finds its flow.
    #[must_use]
    pub const fn id(&self) -> &TransactionId {
        &self.id
    }

    /// The version of the protocol.
    #[must_use]
    pub const fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What it came to, once it is over.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// When it has to be told that time passed ([`Event::Tick`]), if it waits for something that ends by itself.
    #[must_use]
    pub const fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// What happened so far, for `explain`.
    #[must_use]
    pub fn history(&self) -> &[Moment] {
        self.history.moments()
    }

    /// What is to be done in the state that it is in.
    #[must_use]
    pub fn todo(&self) -> Todo {
        let until = self.deadline.unwrap_or_default();
        match self.state {
            State::Preparing => Todo::CollectBrowser(self.method_frame()),
            State::NeedBrowser => Todo::CollectBrowser(None),
            State::NeedMethod => self.method_frame().map_or(Todo::Done, |frame| Todo::AwaitMethod { frame, until }),
            State::Requesting => Todo::AwaitAnswer { until },
            State::Challenging => self.challenge(until).map_or(Todo::Done, Todo::ShowChallenge),
            State::Returned => Todo::AwaitResult { until },
            State::Proved | State::NotProved | State::Failed => Todo::Done,
        }
    }

    /// Takes what happened. What passed by itself until `now` comes first, so that a result that comes after its time is
    /// late even where nobody looked at the clock.
    pub fn apply(&mut self, event: Event<'_>, now: Timestamp) -> Step {
        let before = self.state;
        let lapsed = self.lapse(now);
        let (taken, reply) = match event {
            Event::Tick => (lapsed, None),
            Event::BrowserCame(data) => (self.browser_came(data, now), None),
            Event::MethodDone(id) if *id == self.id => {
                let taken = self.take(Judged::plain(Happening::MethodDone), now);
                if taken == Taken::Yes {
                    self.method = MethodCompletion::Completed;
                }
                (taken, None)
            }
            Event::MethodDone(_) => (Taken::No, None),
            Event::MethodTimedOut => (self.take(Judged::plain(Happening::MethodTimedOut), now), None),
            Event::Answered(body) => self.answered(body, now),
            Event::RequestFailed(failure) => {
                (self.fail(Happening::RequestFailed, Failure::Exchange(failure), now), None)
            }
            Event::Interrupted => (self.fail(Happening::RequestFailed, Failure::Interrupted, now), None),
            Event::Results(rreq) => self.results_came(rreq, now),
            Event::ChallengeReturned(field) => (self.came_back(field, now), None),
            Event::Cancelled => (self.fail(Happening::Cancelled, Failure::Cancelled, now), None),
            Event::Abandoned => (self.fail(Happening::Abandoned, Failure::Abandoned, now), None),
        };
        // A method that lapsed just now leads to the request as well, whatever event brought it to light.
        let begins_request = before != State::Requesting && self.state == State::Requesting;
        let todo = if begins_request { Todo::SendRequest } else { self.todo() };
        Step { taken, todo, reply }
    }

    /// The AReq, while it is to be sent: see [`Todo::SendRequest`].
    #[must_use]
    pub fn request(&self, purchase: Purchase) -> Option<AReq> {
        let browser = self.browser.as_ref().filter(|_| self.state == State::Requesting)?;
        let is_new = self.version >= ProtocolVersion::V220;
        let script = browser.script.as_ref();
        let currency = purchase.money.currency;
        Some(AReq {
            message_version: self.version,
            message_category: MessageCategory::Payment,
            device_channel: DeviceChannel::Browser,
            three_ds_comp_ind: self.method,
            three_ds_requestor_id: purchase.merchant.requestor_id,
            three_ds_requestor_name: purchase.merchant.requestor_name,
            three_ds_requestor_url: purchase.merchant.requestor_url,
            three_ds_requestor_authentication_ind: purchase.indicator,
            three_ds_requestor_challenge_ind: Some(self.wish.indicator(self.version)),
            three_ds_requestor_dec_req_ind: is_new.then_some(YesNo::No),
            three_ds_server_ref_number: purchase.server.reference,
            three_ds_server_operator_id: purchase.server.operator,
            three_ds_server_trans_id: self.id.clone(),
            three_ds_server_url: purchase.server.results_url,
            acquirer_bin: purchase.server.acquirer_bin,
            acquirer_merchant_id: purchase.merchant.acquirer_merchant_id,
            acct_number: purchase.account,
            card_expiry_date: purchase.expiry.and_then(|expiry| Digits::parse(&expiry.to_string())),
            cardholder_name: purchase.holder,
            email: purchase.email,
            browser_accept_header: browser.accept_header.clone(),
            browser_ip: browser.ip.clone(),
            browser_java_enabled: script.map(|script| script.runs_java),
            browser_javascript_enabled: is_new.then_some(script.is_some()),
            browser_language: browser.language.clone(),
            browser_color_depth: script.map(|script| script.color_depth),
            browser_screen_height: script.map(|script| script.screen_height.clone()),
            browser_screen_width: script.map(|script| script.screen_width.clone()),
            browser_tz: script.map(|script| script.time_zone),
            browser_user_agent: browser.user_agent.clone(),
            purchase_amount: Digits::of(purchase.money.amount.minor())?,
            purchase_currency: Digits::of(u64::from(currency.numeric()))?,
            purchase_exponent: Digits::of(u64::from(currency.exponent()))?,
            purchase_date: request::purchase_date(purchase.at)?,
            trans_type: Some(TransType::Goods),
            mcc: purchase.merchant.category,
            merchant_country_code: purchase.merchant.country,
            merchant_name: purchase.merchant.name,
            notification_url: purchase.notification_url,
            message_extension: None,
        })
    }

    fn method_frame(&self) -> Option<MethodFrame> {
        let url = self.method_url.clone()?;
        Some(MethodFrame { url, data: encode::method_data(&self.id, &self.method_notification_url) })
    }

    fn challenge(&self, until: Timestamp) -> Option<Challenge> {
        let answer = self.answer.as_ref()?;
        let creq = CReq {
            message_version: self.version,
            three_ds_server_trans_id: self.id.clone(),
            acs_trans_id: answer.acs_id.clone(),
            challenge_window_size: self.window,
            message_extension: None,
        };
        Some(Challenge {
            url: answer.acs_url.clone()?,
            creq: encode::to_base64url(&creq),
            session_data: encode::bytes_to_base64url(self.id.as_str().as_bytes()),
            window: self.window,
            until,
        })
    }

    /// What the time that passed comes to.
    fn lapse(&mut self, now: Timestamp) -> Taken {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Taken::No;
        }
        match self.state {
            State::NeedMethod => self.take(Judged::plain(Happening::MethodTimedOut), now),
            State::Requesting => self.fail(Happening::RequestFailed, Failure::Exchange(ExchangeFailure::TimedOut), now),
            State::Challenging => self.fail(Happening::ChallengeTimedOut, Failure::ChallengeTimedOut, now),
            State::Returned => self.fail(Happening::ResultTimedOut, Failure::NoResult, now),
            State::Preparing | State::NeedBrowser | State::Proved | State::NotProved | State::Failed => Taken::No,
        }
    }

    fn fail(&mut self, on: Happening, failure: Failure, now: Timestamp) -> Taken {
        self.take(Judged::failed(on, failure), now)
    }

    /// Goes by the table, and notes it.
    fn take(&mut self, judged: Judged, now: Timestamp) -> Taken {
        let Some(to) = edges::after(self.state, judged.on) else {
            self.history.passed_over(now, judged.on, &judged.note);
            return Taken::No;
        };
        self.state = to;
        self.history.happened(now, judged.on, to, &judged.note);
        let limits = self.limits;
        let wait_ms = match to {
            State::NeedMethod => Some(limits.method_ms_max),
            State::Requesting => Some(limits.answer_ms_max),
            State::Challenging => Some(limits.challenge_ms_max),
            State::Returned => Some(limits.result_ms_max),
            _ => None,
        };
        // The way back gives nobody more time than the challenge had.
        let given = wait_ms.map(|ms| now.plus_ms(ms));
        self.deadline = if to == State::Returned { given.min(self.deadline) } else { given };
        if to.is_over() {
            self.outcome = judged.outcome;
        }
        if !matches!(to, State::NeedMethod | State::Requesting) {
            // Whoever looks at the store later has no use for what the customer's browser was.
            self.browser = None;
        }
        Taken::Yes
    }

    fn browser_came(&mut self, data: &BrowserData, now: Timestamp) -> Taken {
        let judged = match (&data.script, self.version) {
            (Some(_), _) => Judged::plain(Happening::BrowserCame),
            (None, ProtocolVersion::V210) => Judged::failed(Happening::BrowserUnfit, Failure::BrowserWithoutScript),
            (None, ProtocolVersion::V220) => Judged::plain(Happening::BrowserWithoutScript),
        };
        let taken = self.take(judged, now);
        if taken == Taken::Yes && !self.state.is_over() {
            self.browser = Some(data.clone());
        }
        taken
    }

    /// Takes the answer on the AReq.
    fn answered(&mut self, body: &[u8], now: Timestamp) -> (Taken, Option<Reply>) {
        let answer = match read_answer::<ARes>(body) {
            Ok(Answer::Message(answer)) => answer,
            Ok(Answer::Erro(erro)) => {
                let failure = failure_of(&erro);
                return (self.fail(Happening::RequestFailed, failure, now), None);
            }
            Err(fault) => return self.refuse_answer(&fault, now),
        };
        let judged = match self.judge_answer(&answer) {
            Ok(judged) => judged,
            Err(fault) => return self.refuse_answer(&fault, now),
        };
        if matches!(self.state, State::Preparing | State::NeedBrowser | State::NeedMethod) {
            self.history.passed_over(now, judged.on, "no AReq was sent");
            return (Taken::No, None);
        }
        let is_challenge = judged.on == Happening::AnswerChallenge;
        let taken = self.take(judged, now);
        // One that comes too late is kept too: an RReq may follow, and is answered.
        if self.answer.is_none() {
            self.answer = Some(Answered {
                acs_id: answer.acs_trans_id,
                ds_id: answer.ds_trans_id,
                status: answer.trans_status,
                was_shown: is_challenge && taken == Taken::Yes,
                acs_url: answer.acs_url,
                cardholder_info: info_of(&answer.cardholder_info),
            });
        }
        (taken, None)
    }

    fn refuse_answer(&mut self, fault: &Fault, now: Timestamp) -> (Taken, Option<Reply>) {
        let failure = Failure::AnswerUnfit { code: fault.code, detail: fault.detail.clone() };
        let taken = self.fail(Happening::AnswerRefused, failure, now);
        let erro = fault.to_erro(ErrorComponent::Server).map(|erro| Erro {
            three_ds_server_trans_id: Some(self.id.clone()),
            error_message_type: Some(MessageType::ARes),
            ..erro
        });
        (taken, erro.filter(|_| taken == Taken::Yes).map(Reply::Erro))
    }

    /// What an ARes comes to, if it belongs to this transaction.
    fn judge_answer(&self, answer: &ARes) -> Result<Judged, Fault> {
        let fault = |code, detail| answer_fault(answer, code, detail);
        if answer.three_ds_server_trans_id != self.id {
            return Err(fault(ErrorCode::TransactionNotRecognised, "threeDSServerTransID"));
        }
        if answer.message_version != self.version {
            return Err(fault(ErrorCode::TransactionDataInvalid, "messageVersion"));
        }
        let status = match answer.trans_status {
            TransStatus::Challenge => {
                let is_safe = answer.acs_url.as_ref().is_some_and(|url| self.reach.takes(url));
                return Ok(if is_safe {
                    Judged::plain(Happening::AnswerChallenge)
                } else {
                    Judged::failed(Happening::AnswerRefused, Failure::ChallengeNotSecure)
                });
            }
            TransStatus::Decoupled => return Ok(Judged::failed(Happening::AnswerRefused, Failure::Decoupled)),
            // It answers a wish to do without a challenge, and nothing else.
            TransStatus::Informational if self.wish != ChallengeWish::LowRisk => {
                return Err(fault(ErrorCode::TransactionDataInvalid, "transStatus"));
            }
            TransStatus::Informational | TransStatus::Unavailable => AuthenticationStatus::Unavailable,
            TransStatus::Authenticated => AuthenticationStatus::Authenticated,
            TransStatus::Attempted => AuthenticationStatus::Attempted,
            TransStatus::NotAuthenticated => AuthenticationStatus::NotAuthenticated,
            TransStatus::Rejected => AuthenticationStatus::Rejected,
        };
        let eci = answer.eci.as_ref().map(Digits::as_str);
        let Some(eci) = fitting_eci(eci, status, self.brand) else {
            return Err(fault(ErrorCode::TransactionDataInvalid, "eci"));
        };
        let judgement = Judgement {
            authentication: Authentication {
                status,
                eci: eci.0,
                value: answer.authentication_value.clone(),
                ds_transaction_id: Some(answer.ds_trans_id.to_string()),
                xid: None,
                version: Some(self.version.to_string()),
                by: AuthenticatedBy::Gateway,
            },
            is_informational: answer.trans_status == TransStatus::Informational,
            reason: answer.trans_status_reason.as_ref().map(ToString::to_string),
            challenge_cancel: None,
            cardholder_info: info_of(&answer.cardholder_info),
            was_challenged: false,
        };
        let on = if status.proves() { Happening::AnswerProof } else { Happening::AnswerNoProof };
        let note = format!("transStatus {}", answer.trans_status);
        Ok(Judged { on, note, outcome: Some(Outcome::Judged(judgement)) })
    }

    /// The customer came back from the challenge with the ACS's message, which says nothing that counts.
    fn came_back(&mut self, field: &str, now: Timestamp) -> Taken {
        let acs_id = self.answer.as_ref().map(|answer| &answer.acs_id);
        let note = match encode::from_base64url::<CRes>(field) {
            Ok(cres) if cres.three_ds_server_trans_id != self.id || Some(&cres.acs_trans_id) != acs_id => None,
            Ok(cres) => Some(format!("CRes {}", cres.trans_status)),
            Err(_) => match encode::from_base64url::<Erro>(field) {
                Ok(erro) if erro.three_ds_server_trans_id.as_ref() == Some(&self.id) => {
                    Some(failure_of(&erro).to_string())
                }
                _ => None,
            },
        };
        match note {
            Some(note) => self.take(Judged { note, ..Judged::plain(Happening::CameBack) }, now),
            None => {
                self.history.passed_over(now, Happening::CameBack, "not the CRes of this transaction");
                Taken::No
            }
        }
    }
}

/// An ECI that may go to the network, or none.
struct FittingEci(Option<String>);

/// The ECI that stands beside a status: beside a proof only one that fits, beside anything else one that fits or none.
fn fitting_eci(eci: Option<&str>, status: AuthenticationStatus, brand: Brand) -> Option<FittingEci> {
    match eci {
        Some(eci) if eci_fits(eci, status, brand) => Some(FittingEci(Some(eci.to_owned()))),
        Some(_) if status.proves() => None,
        _ => Some(FittingEci(None)),
    }
}

/// What the issuer wants the customer to be told; whatever it is, no card number.
fn info_of(info: &Option<Text<1, 128>>) -> Option<String> {
    info.as_ref().map(|info| card_scan::mask_card_numbers(info.as_str()).into_owned())
}

fn failure_of(erro: &Erro) -> Failure {
    let detail = Fault::new(erro.error_code, erro.error_detail.as_str()).detail;
    Failure::Erro { code: erro.error_code, component: erro.error_component, detail }
}

fn answer_fault(answer: &ARes, code: ErrorCode, detail: &str) -> Fault {
    Fault {
        message_type: Some(MessageType::ARes),
        version: Some(answer.message_version),
        three_ds_server_trans_id: Some(answer.three_ds_server_trans_id.clone()),
        ds_trans_id: Some(answer.ds_trans_id.clone()),
        acs_trans_id: Some(answer.acs_trans_id.clone()),
        ..Fault::new(code, detail)
    }
}
