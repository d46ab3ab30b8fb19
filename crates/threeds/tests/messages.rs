//! The messages against hand-made JSON: what the specification allows is read and written back, and what it does not
//! allow becomes the right Erro, which names elements and never their values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_threeds::element::{ErrorComponent, MethodCompletion, ProtocolVersion, TransStatus, TransactionId};
use tollgate_threeds::encode;
use tollgate_threeds::fault::{ErrorCode, Fault};
use tollgate_threeds::message::{
    AReq, ARes, Answer, CReq, CRes, Erro, MessageType, PReq, PRes, RReq, RRes, Wire, read_answer,
};

const SERVER_ID: &str = "8a880dc0-d2d2-4067-bcb1-b08d1690b26e";
const DS_ID: &str = "f25084f0-5b16-4c0a-ae5d-b24808a95e4b";
const ACS_ID: &str = "d7c1ee99-9478-44a6-b1f2-391e29c6b340";
const CARD: &str = "4005550000000001";
const VALUE: &str = "AAABBWcSNIdjeUZThmNHAAAAAAA=";

fn areq() -> Value {
    json!({
        "messageType": "AReq", "messageVersion": "2.2.0", "messageCategory": "01", "deviceChannel": "02",
        "threeDSCompInd": "Y", "threeDSRequestorID": "azTpxQEjX0", "threeDSRequestorName": "A shop",
        "threeDSRequestorURL": "https://shop.example", "threeDSRequestorAuthenticationInd": "01",
        "threeDSRequestorChallengeInd": "04", "threeDSServerRefNumber": "3DS_LOA_SER_TOLL_020200_00001",
        "threeDSServerTransID": SERVER_ID, "threeDSServerURL": "https://pay.example/3ds/results",
        "acquirerBIN": "412345", "acquirerMerchantID": "9876543210001", "acctNumber": CARD,
        "cardExpiryDate": "2812", "cardholderName": "محمد علي", "email": "a@b.example",
        "browserAcceptHeader": "text/html", "browserIP": "192.0.2.7", "browserJavaEnabled": false,
        "browserJavascriptEnabled": true, "browserLanguage": "ar-AE", "browserColorDepth": "24",
        "browserScreenHeight": "900", "browserScreenWidth": "1440", "browserTZ": "-240",
        "browserUserAgent": "Mozilla/5.0 (X11; Linux x86_64)", "purchaseAmount": "10000",
        "purchaseCurrency": "784", "purchaseExponent": "2", "purchaseDate": "20261126101500", "transType": "01",
        "mcc": "5411", "merchantCountryCode": "784", "merchantName": "A shop",
        "notificationURL": "https://pay.example/checkout/abc/challenged",
    })
}

fn ares() -> Value {
    json!({
        "messageType": "ARes", "messageVersion": "2.2.0", "threeDSServerTransID": SERVER_ID, "dsTransID": DS_ID,
        "acsTransID": ACS_ID, "dsReferenceNumber": "DS_LOA", "acsReferenceNumber": "ACS_LOA", "transStatus": "Y",
        "eci": "05", "authenticationValue": VALUE,
    })
}

fn challenge() -> Value {
    changed(
        ares(),
        json!({
            "transStatus": "C", "acsURL": "https://acs.example/challenge", "acsChallengeMandated": "N",
            "authenticationType": "02", "eci": null, "authenticationValue": null,
        }),
    )
}

fn rreq() -> Value {
    json!({
        "messageType": "RReq", "messageVersion": "2.2.0", "messageCategory": "01", "threeDSServerTransID": SERVER_ID,
        "dsTransID": DS_ID, "acsTransID": ACS_ID, "transStatus": "Y", "eci": "05", "authenticationValue": VALUE,
        "authenticationMethod": "02", "authenticationType": "02", "interactionCounter": "01",
    })
}

fn pres() -> Value {
    json!({
        "messageType": "PRes", "messageVersion": "2.2.0", "threeDSServerTransID": SERVER_ID, "dsTransID": DS_ID,
        "dsStartProtocolVersion": "2.1.0", "dsEndProtocolVersion": "2.3.1", "serialNum": "42",
        "cardRangeData": [{
            "startRange": "4005550000000000", "endRange": "4005559999999999", "actionInd": "A",
            "acsStartProtocolVersion": "2.1.0", "acsEndProtocolVersion": "2.2.0", "acsInfoInd": ["01", "02"],
            "threeDSMethodURL": "https://acs.example/method",
        }],
    })
}

/// `message` with other elements; `null` takes one away.
fn changed(mut message: Value, changes: Value) -> Value {
    let members = message.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    message
}

fn read<M: Wire>(message: &Value) -> Result<M, Fault> {
    M::read(message.to_string().as_bytes())
}

fn fault<M: Wire + std::fmt::Debug>(message: Value, changes: Value) -> Fault {
    read::<M>(&changed(message, changes)).expect_err("it is refused")
}

/// What is read is written with the same elements and values.
fn reads_back<M: Wire + PartialEq + std::fmt::Debug>(message: &Value) {
    let first: M = read(message).unwrap();
    let bytes = first.to_bytes();
    assert_eq!(bytes.capacity(), bytes.len(), "the buffer never grew");
    let written: Value = serde_json::from_slice(&bytes).unwrap();
    for (name, value) in written.as_object().unwrap() {
        if name != "cardRangeData" {
            assert_eq!(message.get(name), Some(value), "{name}");
        }
    }
    assert_eq!(M::read(&bytes).unwrap(), first);
}

#[test]
fn each_message_is_read_and_written_back() {
    reads_back::<AReq>(&areq());
    reads_back::<ARes>(&ares());
    reads_back::<ARes>(&challenge());
    reads_back::<RReq>(&rreq());
    reads_back::<PRes>(&pres());
    let ids = json!({ "messageVersion": "2.1.0", "threeDSServerTransID": SERVER_ID, "acsTransID": ACS_ID });
    let with = |kind: &str, more: Value| changed(changed(ids.clone(), json!({ "messageType": kind })), more);
    reads_back::<CReq>(&with("CReq", json!({ "challengeWindowSize": "05" })));
    reads_back::<CRes>(&with("CRes", json!({ "transStatus": "N", "challengeCompletionInd": "Y" })));
    reads_back::<RRes>(&with("RRes", json!({ "dsTransID": DS_ID, "resultsStatus": "01" })));
    let preq = json!({ "acsTransID": null, "threeDSServerRefNumber": "3DS_LOA", "serialNum": "41" });
    reads_back::<PReq>(&with("PReq", preq));
    let erro = json!({
        "errorCode": "203", "errorComponent": "D", "errorDescription": "wrong", "errorDetail": "acctNumber",
        "errorMessageType": "AReq",
    });
    reads_back::<Erro>(&with("Erro", erro));
}

#[test]
fn every_required_element_is_missed_by_its_name() {
    // Conditional elements that this message has to have as well are in the second list.
    let optional = [
        "threeDSRequestorChallengeInd",
        "cardExpiryDate",
        "cardholderName",
        "email",
        "browserIP",
        "transType",
        "messageType",
    ];
    for name in areq().as_object().unwrap().keys().filter(|name| !optional.contains(&name.as_str())) {
        let fault = fault::<AReq>(areq(), json!({ name: null }));
        assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::RequiredElementMissing, name.as_str()));
    }
    for name in
        rreq().as_object().unwrap().keys().filter(|name| {
            !["messageType", "eci", "authenticationMethod", "authenticationType"].contains(&name.as_str())
        })
    {
        let fault = fault::<RReq>(rreq(), json!({ name: null }));
        assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::RequiredElementMissing, name.as_str()));
    }
}

#[test]
fn what_is_missing_is_told_together_and_before_what_is_wrong() {
    let both = fault::<AReq>(areq(), json!({ "mcc": null, "acquirerBIN": null, "browserTZ": "x" }));
    assert_eq!(both.code, ErrorCode::RequiredElementMissing);
    assert_eq!(both.detail, "acquirerBIN,mcc");
    let wrong = fault::<AReq>(areq(), json!({ "mcc": "54", "acquirerBIN": 4 }));
    assert_eq!((wrong.code, wrong.detail.as_str()), (ErrorCode::FormatInvalid, "acquirerBIN,mcc"));
}

#[test]
fn forms_and_values_are_those_of_the_specification() {
    for (name, values) in [
        (
            "acctNumber",
            json!(["4005550000000002", "400555000000", "4005 5500 0000 0001", "", 4_005_550_000_000_001_u64]),
        ),
        ("threeDSCompInd", json!(["y", "X", true])),
        (
            "threeDSServerTransID",
            json!(["8a880dc0d2d24067bcb1b08d1690b26e", "8a880dc0-d2d2-4067-bcb1-b08d1690b26g", null]),
        ),
        ("browserJavaEnabled", json!(["true", 1])),
        ("browserLanguage", json!(["", "ar-AE-oma"])),
        ("browserColorDepth", json!(["23", 24])),
        ("browserTZ", json!(["841", "-841", "4x", "", "+-1", "00000"])),
        ("purchaseCurrency", json!(["AED", "78", "7840"])),
        ("purchaseDate", json!(["2026-11-26", "202611261015"])),
        ("purchaseAmount", json!(["10.00", "-1", "1".repeat(49)])),
        (
            "notificationURL",
            json!(["ftp://x", "https://", "https://a b", "https://a@b/", format!("https://a/{}", "x".repeat(250))]),
        ),
        ("messageCategory", json!(["02"])),
        ("deviceChannel", json!(["01", "03"])),
        ("cardholderName", json!(["x", "x".repeat(46)])),
        ("messageExtension", json!([[], {}, "x"])),
    ] {
        for value in values.as_array().unwrap().iter().filter(|value| !value.is_null()) {
            let fault = fault::<AReq>(areq(), json!({ name: value }));
            assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::FormatInvalid, name), "{value}");
        }
    }
    // null is a value, and a wrong one.
    let mut message = areq();
    message.as_object_mut().unwrap().insert("email".into(), Value::Null);
    assert_eq!(read::<AReq>(&message).unwrap_err().detail, "email");
}

#[test]
fn a_browser_without_scripts_has_nothing_to_tell_but_its_headers_and_only_in_2_2() {
    let without = json!({
        "browserJavascriptEnabled": false, "browserJavaEnabled": null, "browserColorDepth": null,
        "browserScreenHeight": null, "browserScreenWidth": null, "browserTZ": null,
    });
    let message = changed(areq(), without);
    assert_eq!(read::<AReq>(&message).unwrap().three_ds_comp_ind, MethodCompletion::Completed);
    let old = fault::<AReq>(message, json!({ "messageVersion": "2.1.0" }));
    assert_eq!(old.code, ErrorCode::RequiredElementMissing);
    assert_eq!(old.detail, "browserJavaEnabled,browserColorDepth,browserScreenHeight,browserScreenWidth,browserTZ");
    let wish = fault::<AReq>(areq(), json!({ "messageVersion": "2.1.0", "threeDSRequestorChallengeInd": "05" }));
    assert_eq!(wish.detail, "threeDSRequestorChallengeInd");
}

#[test]
fn what_an_answer_needs_depends_on_its_status() {
    for (status, needs) in [("Y", "authenticationValue"), ("A", "authenticationValue")] {
        let fault = fault::<ARes>(ares(), json!({ "transStatus": status, "authenticationValue": null }));
        assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::RequiredElementMissing, needs));
    }
    for status in ["N", "U", "R"] {
        let fault = fault::<ARes>(ares(), json!({ "transStatus": status, "authenticationValue": null }));
        assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::RequiredElementMissing, "transStatusReason"));
        let answer = changed(ares(), json!({ "transStatus": status, "transStatusReason": "01" }));
        assert_eq!(read::<ARes>(&answer).unwrap().trans_status.code(), status);
    }
    for name in ["acsURL", "acsChallengeMandated", "authenticationType"] {
        let fault = fault::<ARes>(challenge(), json!({ name: null }));
        assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::RequiredElementMissing, name));
    }
    let decoupled = json!({ "transStatus": "D", "authenticationType": "04", "acsDecConInd": "Y" });
    assert_eq!(read::<ARes>(&changed(ares(), decoupled.clone())).unwrap().trans_status, TransStatus::Decoupled);
    let old = fault::<ARes>(changed(ares(), decoupled), json!({ "messageVersion": "2.1.0" }));
    assert_eq!((old.code, old.detail.as_str()), (ErrorCode::FormatInvalid, "transStatus"));
}

#[test]
fn a_result_is_no_question_and_the_browsers_answer_is_yes_or_no() {
    for status in ["C", "D", "I"] {
        let fault = fault::<RReq>(rreq(), json!({ "transStatus": status }));
        assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::FormatInvalid, "transStatus"));
    }
    let cres = json!({
        "messageType": "CRes", "messageVersion": "2.2.0", "threeDSServerTransID": SERVER_ID, "acsTransID": ACS_ID,
        "transStatus": "U",
    });
    assert_eq!(read::<CRes>(&cres).unwrap_err().detail, "transStatus");
}

#[test]
fn type_and_version_come_before_everything_else() {
    let other = fault::<RReq>(areq(), json!({}));
    assert_eq!((other.code, other.message_type), (ErrorCode::MessageReceivedInvalid, Some(MessageType::AReq)));
    assert_eq!(fault::<RReq>(rreq(), json!({ "messageType": null })).code, ErrorCode::MessageReceivedInvalid);
    for version in ["1.0.2", "2.0.0", "2.3.1", "2.2", ""] {
        let old = fault::<RReq>(rreq(), json!({ "messageVersion": version, "transStatus": null }));
        assert_eq!((old.code, old.detail.as_str()), (ErrorCode::VersionNotSupported, "2.1.0,2.2.0"), "{version}");
        let erro = old.to_erro(ErrorComponent::Server).unwrap();
        assert_eq!(erro.message_version, ProtocolVersion::V220);
        assert_eq!(erro.three_ds_server_trans_id, TransactionId::parse(SERVER_ID));
        assert_eq!(erro.error_message_type, Some(MessageType::RReq));
    }
}

#[test]
fn bodies_that_are_no_message_are_told_so() {
    for body in ["", "{", "[]", "\"AReq\"", "{\"a\":1}x", "\u{feff}{}", "{\"messageType\":\"\u{0}\"}"] {
        assert_eq!(AReq::read(body.as_bytes()).unwrap_err().code, ErrorCode::MessageReceivedInvalid, "{body:?}");
    }
    assert_eq!(AReq::read(b"{\"a\":\"\xff\"}").unwrap_err().code, ErrorCode::MessageReceivedInvalid);
    let deep = format!("{}{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    assert_eq!(AReq::read(deep.as_bytes()).unwrap_err().code, ErrorCode::MessageReceivedInvalid);
    let large = changed(areq(), json!({ "x": "x".repeat(64 * 1024) }));
    let fault = read::<AReq>(&large).unwrap_err();
    assert_eq!(fault.detail, "the message is larger than 65536 bytes");
}

#[test]
fn an_element_that_is_there_twice_is_refused_however_deep() {
    let twice = rreq().to_string().replacen('{', "{\"eci\":\"07\",", 1);
    let fault = RReq::read(twice.as_bytes()).unwrap_err();
    assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::DuplicateDataElement, "eci"));
    assert_eq!(fault.three_ds_server_trans_id, TransactionId::parse(SERVER_ID), "the sender can be told which");
    let deep = pres().to_string().replace("\"actionInd\":\"A\"", "\"actionInd\":\"A\",\"actionInd\":\"D\"");
    assert_eq!(PRes::read(deep.as_bytes()).unwrap_err().detail, "actionInd");
}

#[test]
fn unknown_elements_are_passed_over_and_critical_extensions_are_not() {
    let extension = |critical: bool| {
        let one = json!({ "name": "x", "id": "A000000003-x", "criticalityIndicator": critical, "data": { "a": 1 } });
        json!({ "messageExtension": [one], "somethingNew": { "a": [1] } })
    };
    let answer: ARes = read(&changed(ares(), extension(false))).unwrap();
    assert_eq!(answer.message_extension.unwrap()[0].data, json!({ "a": 1 }));
    let fault = fault::<ARes>(ares(), extension(true));
    assert_eq!(fault.code, ErrorCode::CriticalExtensionNotRecognised);
    assert_eq!(fault.detail, "A000000003-x");
    let broken = json!({ "messageExtension": [{ "name": "x", "criticalityIndicator": "no", "data": "x" }] });
    let fault = self::fault::<ARes>(ares(), broken);
    assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::RequiredElementMissing, "messageExtension.id"));
}

#[test]
fn a_range_has_a_beginning_before_its_end() {
    for (changes, detail) in [
        (json!({ "startRange": "4005559999999999", "endRange": "4005550000000000" }), "cardRangeData.endRange"),
        (json!({ "startRange": "40055500000000000" }), "cardRangeData.endRange"),
        (json!({ "acsStartProtocolVersion": "2.3.1" }), "cardRangeData.acsEndProtocolVersion"),
        (json!({ "acsStartProtocolVersion": "two" }), "cardRangeData.acsStartProtocolVersion"),
    ] {
        let range = changed(pres()["cardRangeData"][0].clone(), changes);
        let fault = fault::<PRes>(pres(), json!({ "cardRangeData": [range] }));
        assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::FormatInvalid, detail));
    }
}

#[test]
fn an_erro_is_an_answer_and_is_never_answered() {
    let erro = json!({
        "messageType": "Erro", "messageVersion": "2.2.0", "threeDSServerTransID": SERVER_ID, "errorCode": "405",
        "errorComponent": "D", "errorDescription": "x", "errorDetail": "the ACS",
    });
    match read_answer::<ARes>(erro.to_string().as_bytes()).unwrap() {
        Answer::Erro(erro) => assert_eq!(erro.error_code, ErrorCode::ConnectionFailure),
        Answer::Message(answer) => panic!("{answer:?}"),
    }
    assert!(matches!(read_answer::<ARes>(ares().to_string().as_bytes()), Ok(Answer::Message(_))));
    let broken = read_answer::<ARes>(changed(erro, json!({ "errorCode": "999" })).to_string().as_bytes()).unwrap_err();
    assert_eq!(broken.to_erro(ErrorComponent::Server), None, "two systems would tell each other for ever");
}

#[test]
fn no_fault_and_no_debug_shows_a_card_number() {
    let message: AReq = read(&areq()).unwrap();
    let shown = format!("{message:?}");
    assert!(!shown.contains(CARD) && shown.contains("400555******0001"));
    // As the value of an element, as a name that is there twice, as the number of an extension.
    let value = fault::<AReq>(areq(), json!({ "email": CARD.repeat(20), "mcc": CARD }));
    let twice = areq().to_string().replacen('{', &format!("{{\"{CARD}\":1,\"{CARD}\":2,"), 1);
    let name = AReq::read(twice.as_bytes()).unwrap_err();
    let one = json!({ "name": "x", "id": CARD, "criticalityIndicator": true, "data": {} });
    let id = fault::<AReq>(areq(), json!({ "messageExtension": [one] }));
    for fault in [value, name, id] {
        let erro = fault.to_erro(ErrorComponent::DirectoryServer).unwrap();
        let body = String::from_utf8(erro.to_bytes().to_vec()).unwrap();
        assert!(!body.contains(CARD) && !fault.to_string().contains(CARD), "{fault:?}");
    }
}

#[test]
fn what_passes_through_the_browser_is_base64url() {
    let id = TransactionId::parse(SERVER_ID).unwrap();
    let url = tollgate_threeds::element::WebUrl::parse("https://pay.example/checkout/abc/method").unwrap();
    let data = encode::method_data(&id, &url);
    assert!(!data.contains(['=', '+', '/']));
    let request = encode::read_method_request(&data).unwrap();
    assert_eq!((request.three_ds_server_trans_id, request.notification_url), (id.clone(), url));
    assert_eq!(encode::read_method_notification(&encode::method_notification(&id)).unwrap(), id);
    assert_eq!(encode::read_method_notification("e30").unwrap_err().code, ErrorCode::RequiredElementMissing);
    // {"threeDSServerTransID":"8a880dc0-d2d2-4067-bcb1-b08d1690b26e"}, with padding.
    let padded = "eyJ0aHJlZURTU2VydmVyVHJhbnNJRCI6IjhhODgwZGMwLWQyZDItNDA2Ny1iY2IxLWIwOGQxNjkwYjI2ZSJ9";
    assert_eq!(encode::read_method_notification(padded).unwrap(), id);
    for wrong in ["", "e30=x", "e3 0", "!!!!", "W10"] {
        assert!(encode::read_method_notification(wrong).is_err(), "{wrong}");
    }
    let creq = json!({
        "messageType": "CReq", "messageVersion": "2.2.0", "threeDSServerTransID": SERVER_ID, "acsTransID": ACS_ID,
        "challengeWindowSize": "05",
    });
    let creq: CReq = read(&creq).unwrap();
    assert_eq!(encode::from_base64url::<CReq>(&encode::to_base64url(&creq)).unwrap(), creq);
}

#[test]
fn a_new_transaction_id_is_a_random_uuid() {
    let id = TransactionId::from_random([0xFF; 16]);
    assert_eq!(id.as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(TransactionId::from_random([0; 16]).as_str(), "00000000-0000-4000-8000-000000000000");
    assert_eq!(TransactionId::parse("FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF"), Some(id), "capitals make no difference");
}

/// A message of ours in which single bytes and elements are changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let messages = [areq(), ares(), challenge(), rreq(), pres()].map(|message| message.to_string().into_bytes());
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop::sample::select(messages.to_vec()), changes).prop_map(|(mut message, changes)| {
        for (place, byte) in changes {
            let place = place.index(message.len());
            message[place] = byte;
        }
        message
    })
}

/// What is read reads back; what is not gives an Erro that is one itself.
fn judge<M: Wire + PartialEq + std::fmt::Debug>(body: &[u8]) {
    match read_answer::<M>(body) {
        Ok(Answer::Message(message)) => assert_eq!(M::read(&message.to_bytes()).unwrap(), message),
        Ok(Answer::Erro(erro)) => assert_eq!(Erro::read(&erro.to_bytes()).unwrap(), erro),
        Err(fault) => {
            let Some(erro) = fault.to_erro(ErrorComponent::Server) else { return };
            assert_eq!(Erro::read(&erro.to_bytes()).unwrap(), erro);
            assert!(!fault.detail.contains(CARD));
        }
    }
}

fn judge_all(body: &[u8]) {
    judge::<AReq>(body);
    judge::<ARes>(body);
    judge::<CReq>(body);
    judge::<CRes>(body);
    judge::<RReq>(body);
    judge::<RRes>(body);
    judge::<PReq>(body);
    judge::<PRes>(body);
    judge::<Erro>(body);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_give_an_erro(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        judge_all(&body);
    }

    #[test]
    fn damaged_messages_are_read_or_give_an_erro(body in damaged()) {
        judge_all(&body);
    }

    #[test]
    fn any_field_of_a_form_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = encode::from_base64url::<CRes>(&text);
        let _ = encode::read_method_request(&text);
    }
}
