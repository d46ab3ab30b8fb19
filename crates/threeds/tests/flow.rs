//! The flow of a 3DS Server: each way through it, and any events in any order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_core::bin::Brand;
use tollgate_core::card::{Expiry, Pan};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::three_ds::AuthenticationStatus;
use tollgate_core::time::Timestamp;
use tollgate_threeds::element::{
    AccountNumber, AuthenticationIndicator, ChallengeWindowSize, ColorDepth, Digits, MethodCompletion, ProtocolVersion,
    ResultsStatus, Text, TimeZoneMinutes, TransactionId, WebUrl,
};
use tollgate_threeds::encode;
use tollgate_threeds::fault::ErrorCode;
use tollgate_threeds::flow::{
    AcsReach, BrowserData, BrowserHeaders, ChallengeWish, Event, Failure, Flow, FlowUnreadable, Limits, MerchantTerms,
    Outcome, PastFlow, Purchase, Reply, ScriptData, ServerTerms, Start, State, Step, Taken, Todo,
};
use tollgate_threeds::message::{AReq, CReq, CRes, RReq, Wire};
use tollgate_threeds::port::ExchangeFailure;

const DS_ID: &str = "f25084f0-5b16-4c0a-ae5d-b24808a95e4b";
const ACS_ID: &str = "d7c1ee99-9478-44a6-b1f2-391e29c6b340";
const OTHER_ID: &str = "00000000-0000-4000-8000-000000000000";
const VALUE: &str = "AAABBWcSNIdjeUZThmNHAAAAAAA=";
const CARD: &str = "4005550000000001";
const T0: Timestamp = Timestamp(1_795_176_000_000_000);

fn id() -> TransactionId {
    TransactionId::from_random([7; 16])
}

fn start() -> Start {
    Start {
        id: id(),
        version: ProtocolVersion::V220,
        method_url: WebUrl::parse("https://acs.example/method"),
        method_notification_url: WebUrl::parse("https://pay.example/checkout/abc/method").unwrap(),
        brand: Brand::Visa,
        wish: ChallengeWish::NoPreference,
        window: ChallengeWindowSize::FullPage,
        reach: AcsReach::HttpsOnly,
        limits: Limits::default(),
    }
}

fn browser() -> BrowserData {
    let script = ScriptData {
        runs_java: false,
        color_depth: ColorDepth::at_most(30),
        screen_height: Digits::parse("900").unwrap(),
        screen_width: Digits::parse("1440").unwrap(),
        time_zone: TimeZoneMinutes::new(-240).unwrap(),
    };
    let headers = BrowserHeaders {
        accept: "text/html",
        user_agent: "Mozilla/5.0",
        language: "zh-Hant-TW",
        ip: Some("192.0.2.7"),
    };
    BrowserData::gather(headers, Some(script))
}

fn without_script() -> BrowserData {
    BrowserData::gather(BrowserHeaders::default(), None)
}

fn purchase() -> Purchase {
    Purchase {
        account: AccountNumber::new(Pan::parse(CARD).unwrap()).unwrap(),
        expiry: Expiry::parse("2812"),
        holder: Text::parse("A Customer"),
        email: Text::parse("a@b.example"),
        money: Money { amount: Amount::from_minor(12_345).unwrap(), currency: Currency::from_alpha("KWD").unwrap() },
        at: T0,
        indicator: AuthenticationIndicator::Payment,
        merchant: MerchantTerms {
            requestor_id: Text::cut("r-1"),
            requestor_name: Text::cut("A shop"),
            requestor_url: WebUrl::parse("https://shop.example").unwrap(),
            acquirer_merchant_id: Text::cut("m-1"),
            category: Digits::parse("5411").unwrap(),
            country: Digits::parse("414").unwrap(),
            name: Text::cut("A shop"),
        },
        server: ServerTerms {
            reference: Text::cut("3DS_LOA"),
            operator: None,
            acquirer_bin: Digits::parse("412345").unwrap(),
            results_url: WebUrl::parse("https://pay.example/3ds/results").unwrap(),
        },
        notification_url: WebUrl::parse("https://pay.example/checkout/abc/challenged").unwrap(),
    }
}

fn ares(changes: Value) -> Vec<u8> {
    let answer = json!({
        "messageType": "ARes", "messageVersion": "2.2.0", "threeDSServerTransID": id(), "dsTransID": DS_ID,
        "acsTransID": ACS_ID, "dsReferenceNumber": "DS_LOA", "acsReferenceNumber": "ACS_LOA", "transStatus": "Y",
        "eci": "05", "authenticationValue": VALUE,
    });
    changed(answer, changes).to_string().into_bytes()
}

fn challenge(changes: Value) -> Vec<u8> {
    let answer = json!({
        "transStatus": "C", "acsURL": "https://acs.example/challenge", "acsChallengeMandated": "N",
        "authenticationType": "02", "eci": null, "authenticationValue": null,
    });
    ares(changed(answer, changes))
}

fn rreq(changes: Value) -> RReq {
    let message = json!({
        "messageType": "RReq", "messageVersion": "2.2.0", "messageCategory": "01", "threeDSServerTransID": id(),
        "dsTransID": DS_ID, "acsTransID": ACS_ID, "transStatus": "Y", "eci": "05", "authenticationValue": VALUE,
        "interactionCounter": "01",
    });
    RReq::read(changed(message, changes).to_string().as_bytes()).unwrap()
}

fn cres(changes: Value) -> String {
    let message = json!({
        "messageType": "CRes", "messageVersion": "2.2.0", "threeDSServerTransID": id(), "acsTransID": ACS_ID,
        "transStatus": "Y",
    });
    encode::to_base64url(&CRes::read(changed(message, changes).to_string().as_bytes()).unwrap())
}

/// `message` with other elements. An element that is `null` afterwards is not there.
fn changed(mut message: Value, changes: Value) -> Value {
    let members = message.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        members.insert(name.clone(), value.clone());
    }
    if members.contains_key("messageType") {
        members.retain(|_, value| !value.is_null());
    }
    message
}

/// What a restart does in between: the flow goes through its JSON.
fn stored(flow: &Flow) -> Flow {
    let text = flow.to_json().unwrap();
    assert!(!text.contains(CARD));
    let again = Flow::from_json(&text).unwrap();
    assert_eq!(&again, flow);
    again
}

fn step(flow: &mut Flow, event: Event<'_>, now: Timestamp) -> Step {
    *flow = stored(flow);
    flow.apply(event, now)
}

fn requesting(start: Start) -> Flow {
    let mut flow = Flow::begin(start, T0);
    step(&mut flow, Event::MethodTimedOut, T0);
    let step = step(&mut flow, Event::BrowserCame(&browser()), T0);
    assert_eq!((step.taken, step.todo), (Taken::Yes, Todo::SendRequest));
    flow
}

fn challenging() -> Flow {
    let mut flow = requesting(start());
    step(&mut flow, Event::Answered(&challenge(json!({}))), T0);
    assert_eq!(flow.state(), State::Challenging);
    flow
}

fn failure(flow: &Flow) -> &Failure {
    match flow.outcome().unwrap() {
        Outcome::Failed(failure) => failure,
        Outcome::Judged(judgement) => panic!("{judgement:?}"),
    }
}

fn status(flow: &Flow) -> AuthenticationStatus {
    match flow.outcome().unwrap() {
        Outcome::Judged(judgement) => judgement.authentication.status,
        Outcome::Failed(failure) => panic!("{failure:?}"),
    }
}

#[test]
fn without_friction_from_the_3ds_method_to_the_proof() {
    let mut flow = Flow::begin(start(), T0);
    let Todo::CollectBrowser(Some(frame)) = flow.todo() else { panic!("{:?}", flow.todo()) };
    assert_eq!(frame.url.as_str(), "https://acs.example/method");
    let told = encode::read_method_request(&frame.data).unwrap();
    assert_eq!(
        (told.three_ds_server_trans_id, told.notification_url.as_str()),
        (id(), "https://pay.example/checkout/abc/method")
    );
    assert_eq!(flow.request(purchase()).map(|_| ()), None, "nothing is known of the browser");

    let came = step(&mut flow, Event::BrowserCame(&browser()), T0);
    assert!(matches!(came.todo, Todo::AwaitMethod { until, .. } if until == T0.plus_ms(10_000)));
    assert_eq!(step(&mut flow, Event::MethodDone(&TransactionId::parse(OTHER_ID).unwrap()), T0).taken, Taken::No);
    assert_eq!(step(&mut flow, Event::MethodDone(&id()), T0).todo, Todo::SendRequest);
    assert!(matches!(step(&mut flow, Event::MethodDone(&id()), T0).todo, Todo::AwaitAnswer { .. }), "sent once");

    let request = flow.request(purchase()).unwrap();
    assert_eq!(request.three_ds_comp_ind, MethodCompletion::Completed);
    let written: Value = serde_json::from_slice(&request.to_bytes()).unwrap();
    for (name, value) in [
        ("acctNumber", CARD),
        ("cardExpiryDate", "2812"),
        ("purchaseAmount", "12345"),
        ("purchaseCurrency", "414"),
        ("purchaseExponent", "3"),
        ("purchaseDate", "20261120120000"),
        ("browserLanguage", "zh-Hant"),
        ("browserColorDepth", "24"),
        ("browserTZ", "-240"),
        ("threeDSRequestorChallengeInd", "01"),
        ("threeDSRequestorDecReqInd", "N"),
        ("threeDSServerURL", "https://pay.example/3ds/results"),
    ] {
        assert_eq!(written[name], value, "{name}");
    }
    assert_eq!(AReq::read(&request.to_bytes()).unwrap(), request);

    let answer = step(&mut flow, Event::Answered(&ares(json!({}))), T0);
    assert_eq!((answer.taken, answer.todo, answer.reply), (Taken::Yes, Todo::Done, None));
    let proof = stored(&flow).outcome().unwrap().proof().unwrap().clone();
    assert!(proof.shifts_liability());
    assert_eq!(proof.ds_transaction_id.as_deref(), Some(DS_ID));
    assert_eq!(proof.version.as_deref(), Some("2.2.0"));
    assert!(!flow.to_json().unwrap().contains("Mozilla"), "nobody needs to know the browser any more");
    let moments: Vec<_> = flow.history().iter().map(|moment| moment.to).collect();
    let (method, request) = (Some(State::NeedMethod), Some(State::Requesting));
    assert_eq!(moments, [Some(State::Preparing), method, request, None, Some(State::Proved)]);
}

#[test]
fn a_3ds_method_has_ten_seconds_and_no_more() {
    let mut flow = Flow::begin(start(), T0);
    step(&mut flow, Event::BrowserCame(&browser()), T0);
    assert_eq!(step(&mut flow, Event::Tick, T0.plus_ms(9_999)).taken, Taken::No);
    let late = step(&mut flow, Event::Tick, T0.plus_ms(10_000));
    assert_eq!((late.taken, late.todo), (Taken::Yes, Todo::SendRequest));
    assert_eq!(flow.request(purchase()).unwrap().three_ds_comp_ind, MethodCompletion::NotCompleted);
    // It comes to light by whatever happens next.
    let mut flow = Flow::begin(start(), T0);
    step(&mut flow, Event::BrowserCame(&browser()), T0);
    assert_eq!(step(&mut flow, Event::MethodDone(&id()), T0.plus_ms(10_000)).todo, Todo::SendRequest);
    assert_eq!(flow.request(purchase()).unwrap().three_ds_comp_ind, MethodCompletion::NotCompleted);
}

#[test]
fn a_range_without_a_usable_3ds_method_goes_without() {
    for url in [None, WebUrl::parse("http://acs.example/method")] {
        let mut flow = Flow::begin(Start { method_url: url, ..start() }, T0);
        assert_eq!(flow.todo(), Todo::CollectBrowser(None));
        assert_eq!(step(&mut flow, Event::BrowserCame(&browser()), T0).todo, Todo::SendRequest);
        assert_eq!(flow.request(purchase()).unwrap().three_ds_comp_ind, MethodCompletion::Unavailable);
    }
}

#[test]
fn a_browser_without_scripts_is_taken_in_2_2_alone() {
    let mut flow = Flow::begin(start(), T0);
    assert_eq!(step(&mut flow, Event::BrowserCame(&without_script()), T0).todo, Todo::SendRequest);
    let request = flow.request(purchase()).unwrap();
    assert_eq!(request.browser_javascript_enabled, Some(false));
    assert_eq!(AReq::read(&request.to_bytes()).unwrap(), request);
    let mut old = Flow::begin(Start { version: ProtocolVersion::V210, ..start() }, T0);
    assert_eq!(step(&mut old, Event::BrowserCame(&without_script()), T0).todo, Todo::Done);
    assert_eq!(failure(&old), &Failure::BrowserWithoutScript);
}

#[test]
fn a_request_in_2_1_has_nothing_of_2_2() {
    let flow = requesting(Start { version: ProtocolVersion::V210, wish: ChallengeWish::LowRisk, ..start() });
    let request = flow.request(purchase()).unwrap();
    assert_eq!(AReq::read(&request.to_bytes()).unwrap(), request);
    let written: Value = serde_json::from_slice(&request.to_bytes()).unwrap();
    assert_eq!(written["threeDSRequestorChallengeInd"], "02");
    assert!(written.get("browserJavascriptEnabled").is_none() && written.get("threeDSRequestorDecReqInd").is_none());
    for (wish, code) in [(ChallengeWish::Wanted, "03"), (ChallengeWish::Mandated, "04"), (ChallengeWish::LowRisk, "05")]
    {
        let flow = requesting(Start { wish, ..start() });
        assert_eq!(flow.request(purchase()).unwrap().three_ds_requestor_challenge_ind.unwrap().code(), code);
    }
}

#[test]
fn each_status_of_an_ares_is_what_it_says() {
    for (letter, eci, state) in [
        ("Y", "05", State::Proved),
        ("A", "06", State::Proved),
        ("N", "07", State::NotProved),
        ("U", "07", State::NotProved),
        ("R", "07", State::NotProved),
    ] {
        let mut flow = requesting(start());
        let info = json!({ "transStatus": letter, "eci": eci, "transStatusReason": "11", "cardholderInfo": format!("call us, {CARD}") });
        step(&mut flow, Event::Answered(&ares(info)), T0);
        assert_eq!((flow.state(), status(&flow).letter()), (state, letter));
        let Outcome::Judged(judgement) = flow.outcome().unwrap() else { panic!() };
        assert_eq!(judgement.authentication.eci.as_deref(), Some(eci));
        assert_eq!(judgement.cardholder_info.as_deref(), Some("call us, 400555******0001"));
        let words = flow.outcome().unwrap().to_string();
        assert!(words.contains("transStatusReason 11: suspected fraud"), "{words}");
    }
}

#[test]
fn an_eci_has_to_fit_brand_and_status_where_something_is_proved() {
    for (brand, letter, eci, fits) in [
        (Brand::Visa, "Y", "05", true),
        (Brand::Visa, "Y", "06", false),
        (Brand::Visa, "Y", "02", false),
        (Brand::Visa, "A", "06", true),
        (Brand::Amex, "A", "05", false),
        (Brand::Mastercard, "Y", "02", true),
        (Brand::Mastercard, "A", "01", true),
        (Brand::Mastercard, "Y", "00", false),
        (Brand::Mastercard, "A", "06", false),
        (Brand::Mada, "Y", "02", true),
        (Brand::Mada, "Y", "05", true),
        (Brand::Meeza, "A", "07", false),
    ] {
        let mut flow = requesting(Start { brand, ..start() });
        let step = step(&mut flow, Event::Answered(&ares(json!({ "transStatus": letter, "eci": eci }))), T0);
        assert_eq!(flow.state() == State::Proved, fits, "{brand} {letter} {eci}");
        if !fits {
            let Some(Reply::Erro(erro)) = step.reply else { panic!("{brand} {letter} {eci}") };
            assert_eq!((erro.error_code, erro.error_detail.as_str()), (ErrorCode::TransactionDataInvalid, "eci"));
        }
    }
    // Without one nothing is made up, and beside a no a wrong one does not matter.
    let mut flow = requesting(start());
    step(&mut flow, Event::Answered(&ares(json!({ "eci": null }))), T0);
    assert!(!flow.outcome().unwrap().proof().unwrap().shifts_liability());
    let mut flow = requesting(start());
    step(&mut flow, Event::Answered(&ares(json!({ "transStatus": "N", "transStatusReason": "01" }))), T0);
    assert_eq!(status(&flow), AuthenticationStatus::NotAuthenticated);
    let Outcome::Judged(judgement) = flow.outcome().unwrap() else { panic!() };
    assert_eq!(judgement.authentication.eci, None, "the ECI of a proof does not stand beside a no");
}

#[test]
fn informational_is_an_answer_to_low_risk_alone() {
    let informational = ares(json!({ "transStatus": "I", "eci": "07", "authenticationValue": null }));
    let mut flow = requesting(Start { wish: ChallengeWish::LowRisk, ..start() });
    step(&mut flow, Event::Answered(&informational), T0);
    assert_eq!((flow.state(), status(&flow)), (State::NotProved, AuthenticationStatus::Unavailable));
    assert!(flow.outcome().unwrap().to_string().contains("nothing is proved"));
    let mut flow = requesting(start());
    step(&mut flow, Event::Answered(&informational), T0);
    assert!(matches!(failure(&flow), Failure::AnswerUnfit { code: ErrorCode::TransactionDataInvalid, .. }));
}

#[test]
fn what_is_refused_of_an_ares_has_its_reason_and_its_erro() {
    let decoupled =
        json!({ "transStatus": "D", "authenticationType": "04", "acsDecConInd": "Y", "authenticationValue": null });
    for (body, failed, told) in [
        (ares(decoupled), Failure::Decoupled, None),
        (challenge(json!({ "acsURL": "http://acs.example/" })), Failure::ChallengeNotSecure, None),
        (ares(json!({ "threeDSServerTransID": OTHER_ID })), unfit("301", "threeDSServerTransID"), Some("301")),
        (ares(json!({ "messageVersion": "2.1.0" })), unfit("305", "messageVersion"), Some("305")),
        (ares(json!({ "acsTransID": null })), unfit("201", "acsTransID"), Some("201")),
        (b"<html>".to_vec(), unfit("101", "the body is no JSON"), Some("101")),
    ] {
        let mut flow = requesting(start());
        let step = step(&mut flow, Event::Answered(&body), T0);
        assert_eq!(failure(&flow), &failed);
        let erro = step.reply.map(|reply| match reply {
            Reply::Erro(erro) => erro,
            Reply::Results(rres) => panic!("{rres:?}"),
        });
        assert_eq!(erro.as_ref().map(|erro| erro.error_code.digits()), told);
        assert!(erro.is_none_or(|erro| erro.three_ds_server_trans_id == Some(id())));
    }
    let mut sandbox = requesting(Start { reach: AcsReach::Sandbox, ..start() });
    step(&mut sandbox, Event::Answered(&challenge(json!({ "acsURL": "http://127.0.0.1:9/" }))), T0);
    assert_eq!(sandbox.state(), State::Challenging);
}

fn unfit(code: &str, detail: &str) -> Failure {
    Failure::AnswerUnfit { code: ErrorCode::parse(code).unwrap(), detail: detail.to_owned() }
}

#[test]
fn a_directory_server_that_fails_is_a_failure_with_a_name() {
    let mut flow = requesting(start());
    step(&mut flow, Event::RequestFailed(ExchangeFailure::NotReached), T0);
    assert_eq!(flow.outcome().unwrap().to_string(), "the directory server cannot be reached");
    let mut flow = requesting(start());
    step(&mut flow, Event::Interrupted, T0);
    assert_eq!(failure(&flow), &Failure::Interrupted);
    let mut flow = requesting(start());
    step(&mut flow, Event::Tick, T0.plus_ms(30_000));
    assert_eq!(failure(&flow), &Failure::Exchange(ExchangeFailure::TimedOut));
    let mut flow = requesting(start());
    let erro = json!({
        "messageType": "Erro", "messageVersion": "2.2.0", "errorCode": "405", "errorComponent": "D",
        "errorDescription": "x", "errorDetail": format!("ACS {CARD}"),
    });
    let told = step(&mut flow, Event::Answered(erro.to_string().as_bytes()), T0);
    assert_eq!(told.reply, None, "an Erro is not answered");
    let words = flow.outcome().unwrap().to_string();
    assert!(words.starts_with("the directory server answered with error 405") && !words.contains(CARD), "{words}");
}

#[test]
fn a_challenge_from_the_creq_to_the_result() {
    let mut flow = challenging();
    let Todo::ShowChallenge(shown) = flow.todo() else { panic!("{:?}", flow.todo()) };
    assert_eq!(shown.url.as_str(), "https://acs.example/challenge");
    assert_eq!(shown.until, T0.plus_ms(600_000));
    let creq: CReq = encode::from_base64url(&shown.creq).unwrap();
    assert_eq!((creq.three_ds_server_trans_id, creq.acs_trans_id.as_str()), (id(), ACS_ID));

    let result = step(&mut flow, Event::Results(&rreq(json!({}))), T0);
    assert_eq!((result.taken, result.todo.clone()), (Taken::Yes, Todo::Done));
    assert_eq!(status(&flow), AuthenticationStatus::Authenticated);
    assert_eq!(flow.outcome().unwrap().to_string(), "the customer passed the challenge");
    let again = step(&mut flow, Event::Results(&rreq(json!({}))), T0.plus_ms(1));
    assert_eq!((again.taken, again.reply), (Taken::No, result.reply), "repeated identically");
    assert_eq!(step(&mut flow, Event::ChallengeReturned(&cres(json!({ "transStatus": "N" }))), T0).taken, Taken::No);
    assert_eq!(status(&flow), AuthenticationStatus::Authenticated, "a CRes says nothing that counts");
}

#[test]
fn of_two_results_the_first_counts() {
    let no = rreq(
        json!({ "transStatus": "N", "transStatusReason": "01", "eci": null, "authenticationValue": null, "challengeCancel": "01" }),
    );
    let mut flow = challenging();
    step(&mut flow, Event::Results(&no), T0);
    let second = step(&mut flow, Event::Results(&rreq(json!({}))), T0);
    assert!(matches!(second.reply, Some(Reply::Results(rres)) if rres.results_status == ResultsStatus::Received));
    assert_eq!((flow.state(), status(&flow)), (State::NotProved, AuthenticationStatus::NotAuthenticated));
    assert!(flow.outcome().unwrap().to_string().contains("the customer cancelled it"));
    assert!(flow.history().last().unwrap().to_string().contains("the first one counts"));
}

#[test]
fn a_result_of_another_transaction_gets_an_erro_and_changes_nothing() {
    for (name, code) in [("threeDSServerTransID", "301"), ("acsTransID", "305"), ("dsTransID", "305")] {
        let mut flow = challenging();
        let step = step(&mut flow, Event::Results(&rreq(json!({ name: OTHER_ID }))), T0);
        let Some(Reply::Erro(erro)) = step.reply else { panic!("{name}") };
        assert_eq!((erro.error_code.digits(), erro.error_detail.as_str()), (code, name));
        assert_eq!(flow.state(), State::Challenging);
    }
    let mut flow = challenging();
    let unfit = step(&mut flow, Event::Results(&rreq(json!({ "eci": "07" }))), T0);
    assert!(matches!(unfit.reply, Some(Reply::Erro(erro)) if erro.error_detail.as_str() == "eci"));
    assert_eq!(flow.state(), State::Challenging, "a right one may follow");
    // Before an ARes, and after one that was a result.
    let mut flow = requesting(start());
    let early = step(&mut flow, Event::Results(&rreq(json!({}))), T0);
    assert!(matches!(early.reply, Some(Reply::Erro(erro)) if erro.error_code == ErrorCode::TransactionNotRecognised));
    step(&mut flow, Event::Answered(&ares(json!({ "transStatus": "N", "transStatusReason": "01" }))), T0);
    let after = step(&mut flow, Event::Results(&rreq(json!({}))), T0);
    assert!(matches!(after.reply, Some(Reply::Erro(erro)) if erro.error_code == ErrorCode::TransactionDataInvalid));
    assert_eq!(flow.state(), State::NotProved);
}

#[test]
fn a_result_after_the_time_is_answered_and_counts_for_nothing() {
    let mut flow = challenging();
    let late = step(&mut flow, Event::Results(&rreq(json!({}))), T0.plus_ms(600_000));
    assert!(matches!(late.reply, Some(Reply::Results(rres)) if rres.results_status == ResultsStatus::Received));
    assert_eq!(failure(&flow), &Failure::ChallengeTimedOut);
    let mut flow = challenging();
    step(&mut flow, Event::Cancelled, T0);
    assert!(matches!(step(&mut flow, Event::Results(&rreq(json!({}))), T0).reply, Some(Reply::Results(_))));
    assert_eq!(failure(&flow), &Failure::Cancelled);
    // A challenge that the customer was never sent to.
    let mut flow = requesting(start());
    step(&mut flow, Event::Abandoned, T0);
    step(&mut flow, Event::Answered(&challenge(json!({}))), T0);
    let never = step(&mut flow, Event::Results(&rreq(json!({}))), T0).reply;
    assert!(matches!(never, Some(Reply::Results(rres)) if rres.results_status == ResultsStatus::ChallengeNotSent));
    assert_eq!(failure(&flow), &Failure::Abandoned);
}

#[test]
fn what_stays_of_an_authentication_answers_results_and_holds_no_proof() {
    let mut flow = challenging();
    assert_eq!(flow.past(), None, "while it is not over the flow itself answers");
    let first = step(&mut flow, Event::Results(&rreq(json!({}))), T0).reply.unwrap();
    let past = flow.past().unwrap();
    assert!(past.is_named_by(&rreq(json!({}))));
    assert_eq!(past.reply(&rreq(json!({}))), first, "the same one again");
    assert_eq!(past.reply(&rreq(json!({ "transStatus": "N", "transStatusReason": "01" }))), first, "another one too");
    for (name, code) in [("acsTransID", "305"), ("dsTransID", "305"), ("threeDSServerTransID", "301")] {
        let Reply::Erro(erro) = past.reply(&rreq(json!({ name: OTHER_ID }))) else { panic!("{name}") };
        assert_eq!(erro.error_code.digits(), code, "{name}");
    }
    let kept = serde_json::to_string(&past).unwrap();
    let value = rreq(json!({})).authentication_value.unwrap();
    assert!(!kept.contains(value.as_str()) && !kept.contains("https://"), "{kept}");
    // A challenge that timed out, and whose first result comes then.
    let mut flow = challenging();
    step(&mut flow, Event::Tick, T0.plus_ms(600_000));
    let past = flow.past().unwrap();
    assert!(matches!(past.reply(&rreq(json!({}))), Reply::Results(_)));
    assert!(
        matches!(past.reply(&rreq(json!({ "eci": "07" }))), Reply::Erro(erro) if erro.error_detail.as_str() == "eci")
    );
    let mut flow = requesting(start());
    step(&mut flow, Event::Cancelled, T0);
    assert_eq!(flow.past(), None, "the ACS never answered");
}

#[test]
fn a_cres_without_an_rreq_waits_and_then_proves_nothing() {
    let mut flow = challenging();
    for wrong in [
        cres(json!({ "acsTransID": OTHER_ID })),
        cres(json!({ "threeDSServerTransID": OTHER_ID })),
        "e30".into(),
        String::new(),
    ] {
        assert_eq!(step(&mut flow, Event::ChallengeReturned(&wrong), T0).taken, Taken::No);
    }
    let back = step(&mut flow, Event::ChallengeReturned(&cres(json!({}))), T0.plus_ms(1_000));
    assert_eq!(back.todo, Todo::AwaitResult { until: T0.plus_ms(31_000) });
    let mut late = flow.clone();
    step(&mut late, Event::Tick, T0.plus_ms(31_000));
    assert_eq!(failure(&late), &Failure::NoResult);
    step(&mut flow, Event::Results(&rreq(json!({}))), T0.plus_ms(30_999));
    assert_eq!(flow.state(), State::Proved);
    // The way back gives no more time than the challenge had.
    let mut flow = challenging();
    let back = step(&mut flow, Event::ChallengeReturned(&cres(json!({}))), T0.plus_ms(599_000));
    assert_eq!(back.todo, Todo::AwaitResult { until: T0.plus_ms(600_000) });
}

#[test]
fn no_limit_is_longer_than_it_may_be() {
    let endless = Limits {
        method_ms_max: u64::MAX,
        answer_ms_max: u64::MAX,
        challenge_ms_max: u64::MAX,
        result_ms_max: u64::MAX,
    };
    let mut flow = requesting(Start { limits: endless, ..start() });
    assert_eq!(flow.deadline(), Some(T0.plus_ms(60_000)));
    step(&mut flow, Event::Answered(&challenge(json!({}))), T0);
    assert_eq!(flow.deadline(), Some(T0.plus_ms(600_000)));
}

#[test]
fn only_a_whole_flow_of_this_format_is_read() {
    let text = challenging().to_json().unwrap();
    assert!(matches!(Flow::from_json("{}"), Err(FlowUnreadable::Json(_))));
    let other = text.replacen("\"format\":1", "\"format\":2", 1);
    assert!(matches!(Flow::from_json(&other), Err(FlowUnreadable::Format { found: 2 })));
    for state in ["proved", "failed", "not_proved", "requesting", "need_method"] {
        let lying = text.replacen("\"state\":\"challenging\"", &format!("\"state\":\"{state}\""), 1);
        assert!(matches!(Flow::from_json(&lying), Err(FlowUnreadable::Incomplete(_))), "{state}");
    }
}

#[test]
fn the_history_has_an_end() {
    let mut flow = challenging();
    for _ in 0..1_000 {
        flow.apply(Event::ChallengeReturned("x"), T0);
    }
    step(&mut flow, Event::Cancelled, T0);
    assert!(flow.history().len() < 24);
    assert_eq!(flow.history().last().unwrap().to, Some(State::Failed), "what counts is noted all the same");
}

/// An event as data, so that it can be drawn.
#[derive(Clone, Debug)]
enum Drawn {
    Browser(BrowserData),
    Method(&'static str),
    MethodTimedOut,
    Answer(Vec<u8>),
    Failed(ExchangeFailure),
    Interrupted,
    Results(Box<RReq>),
    Returned(String),
    Cancelled,
    Abandoned,
    Tick,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let ids = || prop::sample::select(vec![None, Some(OTHER_ID)]);
    let statuses = || prop::sample::select(vec!["Y", "A", "N", "U", "R"]);
    let ecis = || prop::sample::select(vec![json!(null), json!("05"), json!("06"), json!("07"), json!("02")]);
    let ours = || id().to_string();
    let answer = (prop::sample::select(vec!["Y", "A", "N", "U", "R", "D", "I"]), ecis(), ids()).prop_map(move |(status, eci, other)| {
        ares(json!({
            "transStatus": status, "eci": eci, "transStatusReason": "01", "authenticationType": "04", "acsDecConInd": "Y",
            "threeDSServerTransID": other.map_or_else(ours, str::to_owned),
        }))
    });
    let asks = prop::sample::select(vec!["https://acs.example/", "http://acs.example/"])
        .prop_map(|url| challenge(json!({ "acsURL": url })));
    let results = (statuses(), ecis(), ids(), ids(), ids()).prop_map(move |(status, eci, server, acs, ds)| {
        Drawn::Results(Box::new(rreq(json!({
            "transStatus": status, "eci": eci, "transStatusReason": "01",
            "threeDSServerTransID": server.map_or_else(ours, str::to_owned), "acsTransID": acs.unwrap_or(ACS_ID),
            "dsTransID": ds.unwrap_or(DS_ID),
        }))))
    });
    prop_oneof![
        3 => Just(Drawn::Browser(browser())),
        1 => Just(Drawn::Browser(without_script())),
        2 => prop::sample::select(vec!["ours", "another"]).prop_map(Drawn::Method),
        1 => Just(Drawn::MethodTimedOut),
        3 => answer.prop_map(Drawn::Answer),
        5 => asks.prop_map(Drawn::Answer),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Drawn::Answer),
        1 => Just(Drawn::Failed(ExchangeFailure::TimedOut)),
        1 => Just(Drawn::Interrupted),
        6 => results,
        2 => prop::sample::select(vec![ACS_ID, OTHER_ID]).prop_map(|acs| Drawn::Returned(cres(json!({ "acsTransID": acs })))),
        1 => "\\PC{0,40}".prop_map(Drawn::Returned),
        1 => Just(Drawn::Cancelled),
        1 => Just(Drawn::Abandoned),
        2 => Just(Drawn::Tick),
    ]
}

fn apply(flow: &mut Flow, drawn: &Drawn, now: Timestamp) -> Step {
    let (ours, another) = (id(), TransactionId::parse(OTHER_ID).unwrap());
    let event = match drawn {
        Drawn::Browser(data) => Event::BrowserCame(data),
        Drawn::Method(whose) => Event::MethodDone(if *whose == "ours" { &ours } else { &another }),
        Drawn::MethodTimedOut => Event::MethodTimedOut,
        Drawn::Answer(body) => Event::Answered(body),
        Drawn::Failed(failure) => Event::RequestFailed(*failure),
        Drawn::Interrupted => Event::Interrupted,
        Drawn::Results(rreq) => Event::Results(rreq),
        Drawn::Returned(field) => Event::ChallengeReturned(field),
        Drawn::Cancelled => Event::Cancelled,
        Drawn::Abandoned => Event::Abandoned,
        Drawn::Tick => Event::Tick,
    };
    step(flow, event, now)
}

/// Whether an event alone can be what a proof rests on.
fn could_prove(drawn: &Drawn) -> bool {
    match drawn {
        Drawn::Answer(body) => {
            let Ok(answer) = serde_json::from_slice::<Value>(body) else { return false };
            ["Y", "A"].contains(&answer["transStatus"].as_str().unwrap_or_default())
                && answer["threeDSServerTransID"] == id().as_str()
        }
        Drawn::Results(rreq) => {
            ["Y", "A"].contains(&rreq.trans_status.code())
                && rreq.three_ds_server_trans_id == id()
                && rreq.acs_trans_id.as_str() == ACS_ID
                && rreq.ds_trans_id.as_str() == DS_ID
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_events_in_any_order_come_to_one_result_and_a_proof_has_its_message(
        events in proptest::collection::vec((drawn(), prop::sample::select(vec![0u64, 1, 5_000, 31_000, 600_000])), 0..25),
        has_method in any::<bool>(),
        wish in prop::sample::select(vec![ChallengeWish::NoPreference, ChallengeWish::LowRisk]),
        version in prop::sample::select(vec![ProtocolVersion::V210, ProtocolVersion::V220]),
    ) {
        let method_url = start().method_url.filter(|_| has_method);
        let mut flow = Flow::begin(Start { method_url, wish, version, ..start() }, T0);
        let (mut now, mut sent, mut over) = (T0, 0, None);
        for (event, pause_ms) in events {
            now = now.plus_ms(pause_ms);
            let before = flow.clone();
            let step = apply(&mut flow, &event, now);
            if let (Drawn::Results(rreq), Some(past)) = (&event, before.past()) {
                let past: PastFlow = serde_json::from_str(&serde_json::to_string(&past).unwrap()).unwrap();
                prop_assert_eq!(Some(past.reply(rreq)), step.reply.clone(), "what stays of it answers as it did");
            }
            sent += usize::from(step.todo == Todo::SendRequest);
            prop_assert!(matches!(event, Drawn::Results(_)) || !matches!(step.reply, Some(Reply::Results(_))));
            if matches!(event, Drawn::Results(_)) {
                prop_assert!(step.reply.is_some(), "each RReq is answered");
            }
            if before.state() != State::Proved && flow.state() == State::Proved {
                prop_assert!(could_prove(&event), "{:?}", event);
            }
            if let Some(first) = &over {
                prop_assert_eq!(Some(first), flow.outcome(), "what is over stays as it is");
            }
            over = flow.outcome().cloned();
            prop_assert_eq!(over.is_some(), flow.state().is_over());
            prop_assert_eq!(step.todo == Todo::Done, over.is_some());
        }
        // Whatever was before, a customer who goes away ends it.
        apply(&mut flow, &Drawn::Abandoned, now);
        prop_assert!(flow.state().is_over() && flow.outcome().is_some());
        prop_assert!(sent <= 1, "an AReq is sent once");
    }
}
