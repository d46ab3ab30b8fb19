//! The access control server: what the ARes says, and what becomes of a challenge.

use super::authentication_value::{AuthenticationValueKey, ProvenPayment, authentication_value};
use super::challenge::{CODE_DIGITS, Challenge, ChallengeFacts, Ending, Next, Notice, Price, Step, Verdict};
use super::challenges::{Challenges, Entry, Tale};
use super::directory::{DS_REFERENCE_NUMBER, authentication_context, new_id};
use super::texts::Language;
use super::{ThreeDs, ThreeDsBehaviour};
use crate::account_key::{AccountKey, AccountKeys};
use crate::behaviours::Behaviours;
use crate::moved_clock::MovedClock;
use aws_lc_rs::digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tollgate_core::bin::Brand;
use tollgate_core::card::{Pan, RevealPermit};
use tollgate_core::money::Currency;
use tollgate_core::three_ds::{AuthenticationStatus, AuthenticationValue};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_threeds::element::{
    AuthenticationType, ChallengeCancel, ChallengeIndicator, Digits, ErrorComponent, MessageCategory, Text,
    TransStatus, TransactionId, WebUrl, YesNo,
};
use tollgate_threeds::fault::{ErrorCode, Fault};
use tollgate_threeds::message::{AReq, ARes, CRes, Erro, RReq};

/// The ACS's number at EMVCo, which a sandbox makes up.
const ACS_REFERENCE_NUMBER: &str = "TOLLGATE-SANDBOX-ACS";
/// `authenticationMethod`: a code by message.
const METHOD_CODE_BY_MESSAGE: &str = "02";
/// How often the sandbox's clock is looked at for challenges whose time is over, in milliseconds.
const SWEEP_MS: u64 = 250;
/// The last digits of a card number that a page shows.
const TAIL_DIGITS: usize = 4;

/// What an ACS is made of.
pub(crate) struct AcsSetup<'a> {
    /// Where browsers reach it, without a slash at the end.
    pub(crate) url: &'a str,
    /// Challenges that are kept, open and over.
    pub(crate) challenges_max: usize,
    pub(crate) keys: AccountKeys,
    pub(crate) behaviours: &'a Behaviours,
    pub(crate) clock: Arc<MovedClock>,
}

/// The ACS of every bank of the sandbox.
pub(crate) struct Acs {
    /// Where a CReq goes; `None` when the address of the ACS is none that a message can hold.
    challenge_url: Option<WebUrl<2048>>,
    clock: Arc<MovedClock>,
    keys: AccountKeys,
    value_key: AuthenticationValueKey,
    /// By account key, so that no card number lies in memory.
    cards: HashMap<AccountKey, ThreeDsBehaviour>,
    challenges: Mutex<Challenges>,
    challenges_max: usize,
}

/// An AReq as the directory server hands it on.
pub(super) struct AuthenticationRequest {
    pub(super) request: AReq,
    /// The directory server's name of the transaction.
    pub(super) ds_trans_id: TransactionId,
}

/// What the ACS says to an AReq.
pub(super) enum AcsAnswer {
    /// The last word.
    Final(Box<ARes>),
    /// A challenge, which begins by [`Offer::begin`].
    Challenge(Box<Offer>),
    /// An error.
    Erro(Box<Erro>),
    /// Nothing.
    Silent,
}

/// A challenge that is offered, and the ARes that says so.
pub(super) struct Offer {
    entry: Entry,
    response: ARes,
}

/// What a browser's step came to.
pub(super) enum Seen {
    /// The page is shown (again).
    Ask(Notice),
    /// It is over; this tells when the browser may go on.
    Over(watch::Receiver<bool>),
    /// There is no such challenge.
    Unknown,
}

impl Acs {
    pub(crate) fn new(setup: AcsSetup<'_>) -> Acs {
        let cards = setup.behaviours.cards().iter().filter(|card| card.expiry.is_none());
        Acs {
            challenge_url: WebUrl::parse(&format!("{}/acs/challenge", setup.url)),
            clock: setup.clock,
            value_key: setup.keys.authentication_value_key(),
            cards: cards.map(|card| (setup.keys.of(card.pan()), card.three_ds)).collect(),
            keys: setup.keys,
            challenges: Mutex::default(),
            challenges_max: setup.challenges_max,
        }
    }

    /// Decides what an AReq is answered; nothing is kept of it yet.
    pub(super) fn authenticate(&self, asked: &AuthenticationRequest) -> AcsAnswer {
        let request = &asked.request;
        let behaviour = self.cards.get(&self.keys.of(request.acct_number.pan())).copied().unwrap_or_default();
        let is_mandated = request.three_ds_requestor_challenge_ind == Some(ChallengeIndicator::Mandated);
        let answered = match behaviour {
            ThreeDsBehaviour::FrictionlessY | ThreeDsBehaviour::FrictionlessA if is_mandated => {
                self.challenge(asked, Verdict::ByCode, Tale::Truth)
            }
            ThreeDsBehaviour::FrictionlessY => self.proven(asked, AuthenticationStatus::Authenticated),
            ThreeDsBehaviour::FrictionlessA => self.proven(asked, AuthenticationStatus::Attempted),
            // transStatusReason: 01 card authentication failed, 22 technical issue at the ACS, 11 suspected fraud.
            ThreeDsBehaviour::FrictionlessN => refused(asked, TransStatus::NotAuthenticated, "01"),
            ThreeDsBehaviour::FrictionlessU => refused(asked, TransStatus::Unavailable, "22"),
            ThreeDsBehaviour::FrictionlessR => refused(asked, TransStatus::Rejected, "11"),
            ThreeDsBehaviour::Challenge => self.challenge(asked, Verdict::ByCode, Tale::Truth),
            ThreeDsBehaviour::ChallengeFails => self.challenge(asked, Verdict::Never, Tale::Truth),
            ThreeDsBehaviour::ChallengeNoResult => self.challenge(asked, Verdict::ByCode, Tale::BrowserAlone),
            ThreeDsBehaviour::CresLies => self.challenge(asked, Verdict::ByCode, Tale::BrowserIsLiedTo),
            ThreeDsBehaviour::Silent => Ok(AcsAnswer::Silent),
            ThreeDsBehaviour::Error => Err(Fault::new(ErrorCode::PermanentFailure, "a card of the sandbox wants it")),
            ThreeDsBehaviour::NotEnrolled => Err(Fault::new(ErrorCode::TransactionDataInvalid, "acctNumber")),
        };
        answered.unwrap_or_else(|fault| erro(asked, fault))
    }

    /// The browser brings a CReq, with what it is to be given back.
    pub(super) fn begin(&self, three_ds: &Arc<ThreeDs>, creq: &Begin) -> Seen {
        let now = self.clock.now();
        let mut challenges = self.challenges();
        let Some(entry) = challenges.of(&creq.acs_trans_id) else { return Seen::Unknown };
        if entry.three_ds_server_trans_id != creq.three_ds_server_trans_id {
            return Seen::Unknown;
        }
        if entry.challenge.ending().is_none() {
            entry.session_data.clone_from(&creq.session_data);
        }
        let next = entry.challenge.begin(now);
        seen(three_ds, entry, next, now)
    }

    /// The customer does something on the page.
    pub(super) fn step(&self, three_ds: &Arc<ThreeDs>, id: &TransactionId, step: Step) -> Seen {
        let now = self.clock.now();
        let mut challenges = self.challenges();
        let Some(entry) = challenges.of(id) else { return Seen::Unknown };
        let next = entry.challenge.step(step, now);
        seen(three_ds, entry, next, now)
    }

    /// Looks at a challenge; `None` when there is no such one.
    pub(super) fn look<T>(&self, id: &TransactionId, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.challenges().of(id).map(|entry| look(entry))
    }

    fn sweep(&self, three_ds: &Arc<ThreeDs>) {
        let mut challenges = self.challenges();
        if challenges.is_empty() {
            return;
        }
        let now = self.clock.now();
        challenges.sweep(now, |entry| conclude(three_ds, entry, now));
    }

    fn tell(&self, id: &TransactionId) {
        if let Some(entry) = self.challenges().of(id) {
            entry.told.send_replace(true);
        }
    }

    fn challenges(&self) -> MutexGuard<'_, Challenges> {
        // The list is whole at any time, so a panic elsewhere spoils nothing.
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value(&self, asked: &AuthenticationRequest, status: AuthenticationStatus) -> Option<AuthenticationValue> {
        let request = &asked.request;
        let payment = ProvenPayment {
            pan: request.acct_number.pan(),
            ds_transaction_id: asked.ds_trans_id.as_str(),
            amount_minor: request.purchase_amount.as_str().parse().ok()?,
            currency: currency_of(request)?,
        };
        authentication_value(&self.value_key, status, &payment)
    }

    fn proven(&self, asked: &AuthenticationRequest, status: AuthenticationStatus) -> Result<AcsAnswer, Fault> {
        let trans_status = match status {
            AuthenticationStatus::Attempted => TransStatus::Attempted,
            _ => TransStatus::Authenticated,
        };
        let mut response = response(asked, trans_status)?;
        response.eci = eci(brand_of(asked), status);
        response.authentication_value = self.value(asked, status);
        Ok(AcsAnswer::Final(Box::new(response)))
    }

    fn challenge(&self, asked: &AuthenticationRequest, verdict: Verdict, tale: Tale) -> Result<AcsAnswer, Fault> {
        let request = &asked.request;
        let mut response = response(asked, TransStatus::Challenge)?;
        response.acs_challenge_mandated = Some(YesNo::Yes);
        response.acs_url.clone_from(&self.challenge_url);
        response.authentication_type = Some(AuthenticationType::Dynamic);
        let facts = ChallengeFacts {
            brand: brand_of(asked),
            card_tail: tail(request.acct_number.pan()),
            merchant_name: request.merchant_name.as_str().to_owned(),
            price: currency_of(request).map(|currency| Price {
                minor: request.purchase_amount.as_str().to_owned(),
                exponent: usize::from(currency.exponent()),
                currency: currency.alpha(),
            }),
            date: Some(request.purchase_date.as_str().to_owned()),
            code: code_of(&response.acs_trans_id),
        };
        let language = Language::of_tag(request.browser_language.as_str());
        let value = self.value(asked, AuthenticationStatus::Authenticated);
        let entry = Entry {
            version: request.message_version,
            three_ds_server_trans_id: request.three_ds_server_trans_id.clone(),
            ds_trans_id: asked.ds_trans_id.clone(),
            acs_trans_id: response.acs_trans_id.clone(),
            notification_url: request.notification_url.clone(),
            session_data: None,
            challenge: Challenge::new(facts, verdict, language, value, self.clock.now()),
            tale,
            told: watch::Sender::new(false),
            ended_at: None,
        };
        Ok(AcsAnswer::Challenge(Box::new(Offer { entry, response })))
    }
}

/// What a CReq says, and what comes with it.
pub(super) struct Begin {
    pub(super) acs_trans_id: TransactionId,
    pub(super) three_ds_server_trans_id: TransactionId,
    pub(super) session_data: Option<String>,
}

impl Offer {
    /// Keeps the challenge, and gives the ARes that offers it.
    pub(super) fn begin(self, three_ds: &Arc<ThreeDs>) -> ARes {
        let acs = &three_ds.acs;
        let gone = acs.challenges().add(self.entry, acs.challenges_max);
        if let Some(mut gone) = gone.filter(|entry| entry.challenge.ending().is_none()) {
            tracing::warn!(acs_trans_id = gone.acs_trans_id.as_str(), "too many challenges: the oldest is over");
            gone.challenge.give_up();
            conclude(three_ds, &mut gone, acs.clock.now());
        }
        self.response
    }
}

/// Ends challenges whose time is over on the sandbox's clock, until `stop` says otherwise.
pub(crate) async fn watch_clock(three_ds: Arc<ThreeDs>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(SWEEP_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => three_ds.acs.sweep(&three_ds),
            _ = stop.changed() => return,
        }
    }
}

/// The CRes that the browser brings back: what the customer was told.
pub(super) fn cres(entry: &Entry, ending: Ending) -> CRes {
    CRes {
        message_version: entry.version,
        three_ds_server_trans_id: entry.three_ds_server_trans_id.clone(),
        acs_trans_id: entry.acs_trans_id.clone(),
        challenge_completion_ind: Some(YesNo::Yes),
        trans_status: trans_status(ending),
        message_extension: None,
    }
}

fn seen(three_ds: &Arc<ThreeDs>, entry: &mut Entry, next: Next, now: Timestamp) -> Seen {
    match next {
        Next::Ask(notice) => Seen::Ask(notice),
        Next::Ended(_) => {
            conclude(three_ds, entry, now);
            Seen::Over(entry.told.subscribe())
        }
        Next::Over(_) => Seen::Over(entry.told.subscribe()),
    }
}

/// Sends the result of a challenge that has ended on its way. The browser may close meanwhile: the way has a task of its own.
fn conclude(three_ds: &Arc<ThreeDs>, entry: &mut Entry, now: Timestamp) {
    let Some(ending) = entry.challenge.ending() else { return };
    entry.ended_at = Some(now);
    let id = entry.acs_trans_id.clone();
    tracing::info!(acs_trans_id = id.as_str(), status = ending.status.letter(), "a challenge is over");
    if entry.tale == Tale::BrowserAlone {
        three_ds.directory.forget(&entry.ds_trans_id);
        entry.told.send_replace(true);
        return;
    }
    let Some(result) = rreq(entry, ending) else {
        entry.told.send_replace(true);
        return;
    };
    let three_ds = Arc::clone(three_ds);
    tokio::spawn(async move {
        three_ds.directory.hand_on(&result).await;
        three_ds.acs.tell(&id);
    });
}

/// `None` for a counter beyond two digits, which a challenge never reaches.
fn rreq(entry: &Entry, ending: Ending) -> Option<RReq> {
    let ending = match entry.tale {
        Tale::BrowserIsLiedTo if ending.status == AuthenticationStatus::Authenticated => Ending::FAILED,
        _ => ending,
    };
    let passed = ending.status == AuthenticationStatus::Authenticated;
    Some(RReq {
        message_version: entry.version,
        message_category: MessageCategory::Payment,
        three_ds_server_trans_id: entry.three_ds_server_trans_id.clone(),
        ds_trans_id: entry.ds_trans_id.clone(),
        acs_trans_id: entry.acs_trans_id.clone(),
        trans_status: trans_status(ending),
        trans_status_reason: ending.reason.and_then(Digits::parse),
        eci: passed.then(|| eci(entry.challenge.facts.brand, ending.status)).flatten(),
        authentication_value: entry.challenge.value.clone().filter(|_| passed),
        authentication_method: Digits::parse(METHOD_CODE_BY_MESSAGE),
        authentication_type: Some(AuthenticationType::Dynamic),
        challenge_cancel: ending.cancel.and_then(ChallengeCancel::parse),
        interaction_counter: Digits::of(u64::from(entry.challenge.interactions()))?,
        message_extension: None,
    })
}

const fn trans_status(ending: Ending) -> TransStatus {
    match ending.status {
        AuthenticationStatus::Authenticated => TransStatus::Authenticated,
        _ => TransStatus::NotAuthenticated,
    }
}

fn refused(asked: &AuthenticationRequest, status: TransStatus, reason: &str) -> Result<AcsAnswer, Fault> {
    let mut response = response(asked, status)?;
    response.trans_status_reason = Digits::parse(reason);
    Ok(AcsAnswer::Final(Box::new(response)))
}

fn response(asked: &AuthenticationRequest, trans_status: TransStatus) -> Result<ARes, Fault> {
    Ok(ARes {
        message_version: asked.request.message_version,
        three_ds_server_trans_id: asked.request.three_ds_server_trans_id.clone(),
        ds_trans_id: asked.ds_trans_id.clone(),
        acs_trans_id: new_id()?,
        ds_reference_number: Text::cut(DS_REFERENCE_NUMBER),
        acs_reference_number: Text::cut(ACS_REFERENCE_NUMBER),
        acs_operator_id: None,
        trans_status,
        trans_status_reason: None,
        eci: None,
        authentication_value: None,
        acs_challenge_mandated: None,
        acs_url: None,
        acs_dec_con_ind: None,
        authentication_type: None,
        cardholder_info: None,
        message_extension: None,
    })
}

fn erro(asked: &AuthenticationRequest, fault: Fault) -> AcsAnswer {
    let context = authentication_context(&asked.request);
    let ds_trans_id = Some(asked.ds_trans_id.clone());
    let whole = Fault { code: fault.code, detail: fault.detail, ds_trans_id, ..context };
    whole.to_erro(ErrorComponent::Acs).map_or(AcsAnswer::Silent, |erro| AcsAnswer::Erro(Box::new(erro)))
}

fn currency_of(request: &AReq) -> Option<Currency> {
    Currency::from_numeric(request.purchase_currency.as_str().parse().ok()?)
}

/// The scheme under which a card is authenticated; Visa stands for what is no brand.
fn brand_of(asked: &AuthenticationRequest) -> Brand {
    asked.request.acct_number.pan().brand().unwrap_or(Brand::Visa)
}

/// The electronic commerce indicator of a proof. mada and Meeza go by that of Mastercard, whose ranges they share most.
fn eci(brand: Brand, status: AuthenticationStatus) -> Option<Digits<2, 2>> {
    let digits = match (brand, status) {
        (Brand::Visa | Brand::Amex, AuthenticationStatus::Authenticated) => "05",
        (Brand::Visa | Brand::Amex, AuthenticationStatus::Attempted) => "06",
        (_, AuthenticationStatus::Authenticated) => "02",
        (_, AuthenticationStatus::Attempted) => "01",
        _ => return None,
    };
    Digits::parse(digits)
}

fn tail(pan: &Pan) -> String {
    let digits = pan.reveal(&RevealPermit::granted("to show the last digits on the challenge page"));
    digits.get(digits.len().saturating_sub(TAIL_DIGITS)..).unwrap_or_default().to_owned()
}

/// The code of a transaction: six digits of the digest of its name, so that it stays the same however often the page is
/// looked at. It is shown on the page: a sandbox has no phone.
fn code_of(acs_trans_id: &TransactionId) -> String {
    let digest = digest::digest(&digest::SHA256, acs_trans_id.as_str().to_ascii_lowercase().as_bytes());
    let number = digest.as_ref().iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{:0CODE_DIGITS$}", number % 1_000_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_code_is_six_digits_of_the_transactions_name() {
        let id = TransactionId::parse("f25084f0-5b16-4c0a-ae5d-b24808a95e4b").unwrap();
        let capitals = TransactionId::parse("F25084F0-5B16-4C0A-AE5D-B24808A95E4B").unwrap();
        let other = TransactionId::parse("f25084f0-5b16-4c0a-ae5d-b24808a95e4c").unwrap();
        assert_eq!(code_of(&id).len(), CODE_DIGITS);
        assert_eq!(code_of(&id), code_of(&capitals));
        assert_ne!(code_of(&id), code_of(&other));
    }

    #[test]
    fn the_indicator_is_that_of_the_scheme() {
        for (brand, authenticated, attempted) in [
            (Brand::Visa, "05", "06"),
            (Brand::Amex, "05", "06"),
            (Brand::Mastercard, "02", "01"),
            (Brand::Mada, "02", "01"),
        ] {
            let digits = |status| eci(brand, status).map(|eci| eci.as_str().to_owned());
            assert_eq!(digits(AuthenticationStatus::Authenticated).as_deref(), Some(authenticated));
            assert_eq!(digits(AuthenticationStatus::Attempted).as_deref(), Some(attempted));
            assert_eq!(digits(AuthenticationStatus::Unavailable), None);
        }
    }
}
