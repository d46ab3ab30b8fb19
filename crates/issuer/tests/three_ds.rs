//! 3-D Secure at the directory server and the ACS, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
#[path = "support/three_ds.rs"]
mod three_ds;

use serde_json::{Value, json};
use support::{Acquirer, Name, settings, start};
use three_ds::*;
use tollgate_issuer::{Behaviours, Issuer, IssuerLimits, IssuerSettings, ThreeDsBehaviour};
use tollgate_threeds::element::{TransactionId, WebUrl};
use tollgate_threeds::encode::{bytes_to_base64url, method_data, read_method_notification};
use tollgate_threeds::message::{ARes, Answer, PRes, read_answer};

/// Where results go that nobody expects.
const NOWHERE: &str = "http://127.0.0.1:9/3ds/results";
const CHALLENGE_CARD: &str = "4557012345678902";

fn card(behaviour: ThreeDsBehaviour, brand: &str) -> String {
    let table = Behaviours::builtin().unwrap();
    let found = table.cards().iter().find(|card| card.three_ds == behaviour && card.brand.name() == brand);
    found.unwrap_or_else(|| panic!("no {brand} card for {behaviour:?}")).number().to_owned()
}

#[tokio::test]
async fn a_preq_is_answered_with_the_card_ranges_and_their_serial_number() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let answer = ask_directory(&issuer, &preq()).await;
    let Ok(Answer::Message(pres)) = read_answer::<PRes>(answer.to_string().as_bytes()) else { panic!("{answer}") };
    let ranges = pres.card_range_data.expect("ranges");
    let method_url = format!("http://{}/acs/method", issuer.acs_address());
    let with_method = ranges.iter().filter(|range| range.three_ds_method_url.is_some());
    assert!(with_method.clone().count() >= 1 && with_method.clone().count() < ranges.len());
    for range in with_method {
        assert_eq!(range.three_ds_method_url.as_ref().unwrap().as_str(), method_url);
    }
    let old = ranges.iter().filter(|range| range.acs_end_protocol_version.to_string() == "2.1.0");
    assert_eq!(old.count(), 1, "one range speaks 2.1.0 alone");
    // The state that one has already is confirmed without ranges; one that never was is refused.
    let mut again = preq();
    again["serialNum"] = answer["serialNum"].clone();
    let unchanged = ask_directory(&issuer, &again).await;
    assert_eq!((&unchanged["serialNum"], unchanged.get("cardRangeData")), (&answer["serialNum"], None));
    again["serialNum"] = "0".into();
    let refused = ask_directory(&issuer, &again).await;
    assert_eq!((&refused["messageType"], &refused["errorCode"]), (&json!("Erro"), &json!("307")));
    issuer.shutdown().await;
}

#[tokio::test]
async fn each_frictionless_card_is_answered_as_its_row_says() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    for (number, status, eci, has_value) in [
        ("4005559210001006".to_owned(), "Y", Some("05"), true),
        ("5123459300009007".to_owned(), "Y", Some("02"), true),
        ("374200999999992".to_owned(), "Y", Some("05"), true),
        ("5297419300009001".to_owned(), "Y", Some("02"), true),
        ("4557019999999997".to_owned(), "Y", Some("05"), true),
        (card(ThreeDsBehaviour::FrictionlessA, "VISA"), "A", Some("06"), true),
        (card(ThreeDsBehaviour::FrictionlessA, "MASTERCARD"), "A", Some("01"), true),
        (card(ThreeDsBehaviour::FrictionlessN, "VISA"), "N", None, false),
        (card(ThreeDsBehaviour::FrictionlessU, "VISA"), "U", None, false),
        (card(ThreeDsBehaviour::FrictionlessR, "VISA"), "R", None, false),
    ] {
        let answer = ask_directory(&issuer, &areq(&number, NOWHERE)).await;
        let read = read_answer::<ARes>(answer.to_string().as_bytes());
        assert!(matches!(read, Ok(Answer::Message(_))), "{read:?}");
        assert_eq!(answer["transStatus"], status, "{number}");
        assert_eq!(answer.get("eci").and_then(Value::as_str), eci, "{number}");
        assert_eq!(answer.get("authenticationValue").is_some(), has_value, "{number}");
        assert_eq!(answer.get("transStatusReason").is_some(), !has_value, "{number}");
        assert_eq!(answer["threeDSServerTransID"], SERVER_ID);
        assert!(!answer.to_string().contains(&number), "no card number goes back");
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_mandated_challenge_is_made_of_a_frictionless_card() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    for (wish, status) in [("01", "Y"), ("02", "Y"), ("03", "Y"), ("04", "C")] {
        let mut areq = areq("4005559210001006", NOWHERE);
        areq["threeDSRequestorChallengeInd"] = wish.into();
        assert_eq!(ask_directory(&issuer, &areq).await["transStatus"], status, "{wish}");
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_areq_is_told_by_an_erro() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let good = areq("4005559210001006", NOWHERE);
    let with = |name: &str, value: Value| {
        let mut areq = good.clone();
        areq[name] = value;
        areq
    };
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("merchantName");
    for (message, code, detail) in [
        (with("acctNumber", card(ThreeDsBehaviour::NotEnrolled, "VISA").into()), "305", "acctNumber"),
        (with("acctNumber", "4005559220001004".into()), "102", "2.1.0"),
        (with("purchaseCurrency", "000".into()), "304", "purchaseCurrency"),
        (with("purchaseExponent", "3".into()), "203", "purchaseExponent"),
        (with("purchaseAmount", "9".repeat(48).into()), "203", "purchaseAmount"),
        (with("notificationURL", "javascript:alert(1)".into()), "203", "notificationURL"),
        (with("messageVersion", "2.3.0".into()), "102", ""),
        (with("messageType", "RReq".into()), "101", ""),
        (with("messageType", "Erro".into()), "101", ""),
        (without, "201", "merchantName"),
        (json!([]), "101", ""),
    ] {
        let answer = ask_directory(&issuer, &message).await;
        assert_eq!(answer["messageType"], "Erro", "{answer}");
        assert_eq!(answer["errorCode"], code, "{answer}");
        assert_eq!(answer["errorComponent"], "D", "{answer}");
        assert!(answer["errorDetail"].as_str().unwrap().contains(detail), "{answer}");
    }
    let failing = ask_directory(&issuer, &areq(&card(ThreeDsBehaviour::Error, "VISA"), NOWHERE)).await;
    assert_eq!((&failing["errorCode"], &failing["errorComponent"]), (&json!("404"), &json!("A")), "{failing}");
    issuer.shutdown().await;
}

#[tokio::test]
async fn garbage_and_wrong_ways_are_answered_without_harm() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let (ds, acs) = (issuer.ds_address(), issuer.acs_address());
    for body in [&b""[..], b"\xff\xfe", b"{", b"null", b"{\"messageType\":1}"] {
        let reply = request(ds, "POST", "/ds", "application/json", body).await.unwrap();
        assert_eq!((reply.status, &reply.json()["errorCode"]), (200, &json!("101")), "{body:?}");
    }
    let large = vec![b' '; 70_000];
    assert_eq!(request(ds, "POST", "/ds", "application/json", &large).await.map_or(413, |reply| reply.status), 413);
    for (method, path, status) in [("GET", "/ds", 405), ("POST", "/", 404), ("GET", "/favicon.ico", 404)] {
        assert_eq!(request(ds, method, path, "text/plain", b"").await.unwrap().status, status, "{path}");
    }
    let form = "application/x-www-form-urlencoded";
    let unknown = format!("/acs/challenge/{SERVER_ID}");
    for (method, path, body, status) in [
        ("GET", "/acs/challenge", "", 405),
        ("GET", unknown.as_str(), "", 405),
        ("GET", "/", "", 404),
        ("POST", "/acs/challenge", "", 400),
        ("POST", "/acs/challenge", "creq=%00%ff", 400),
        ("POST", "/acs/challenge", "creq=e30", 400),
        ("POST", unknown.as_str(), "action=submit&code=1", 404),
        ("POST", unknown.as_str(), "action=dance", 400),
        ("POST", "/acs/challenge/x", "action=cancel", 404),
        ("POST", "/acs/method", "threeDSMethodData=e30", 400),
    ] {
        let reply = request(acs, method, path, form, body.as_bytes()).await.unwrap();
        assert_eq!(reply.status, status, "{method} {path} {body}");
        assert!(reply.body.contains("no longer valid"), "a page for people: {}", reply.body);
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn the_3ds_method_notifies_through_the_browser() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let id = TransactionId::parse(SERVER_ID).unwrap();
    let url = "https://pay.example/checkout/secret/method";
    let data = method_data(&id, &WebUrl::parse(url).unwrap());
    let reply = post_form(issuer.acs_address(), "/acs/method", &[("threeDSMethodData", &data)]).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains(&format!("action=\"{url}\"")), "{}", reply.body);
    assert_eq!(read_method_notification(&reply.field("threeDSMethodData").unwrap()).unwrap(), id);
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.ends_with("frame-ancestors https: http:"), "{policy}");
    issuer.shutdown().await;
}

#[tokio::test]
async fn the_right_code_is_told_to_the_3ds_server_before_the_browser_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    for (number, eci, version) in [
        (CHALLENGE_CARD.to_owned(), "05", "2.2.0"),
        ("5313581000123430".to_owned(), "02", "2.2.0"),
        ("374200000000004".to_owned(), "05", "2.1.0"),
        (card(ThreeDsBehaviour::Challenge, "MADA"), "02", "2.2.0"),
        ("4005559220001004".to_owned(), "05", "2.1.0"),
    ] {
        let mut server = ThreeDsServer::start(Manner::Takes).await;
        let mut areq = areq(&number, &server.url);
        areq["messageVersion"] = version.into();
        let customer = Customer::of(&issuer, &areq).await;
        assert_eq!(customer.ares["acsURL"], format!("http://{}/acs/challenge", issuer.acs_address()));
        let page = customer.begin().await;
        assert!(page.asks());
        let gone = customer.type_code(&page.code()).await;
        assert!(gone.body.contains(&format!("action=\"{NOTIFICATION_URL}\"")), "{}", gone.body);
        assert_eq!(gone.field("threeDSSessionData").as_deref(), Some(SESSION_DATA));
        assert_eq!(cres(&gone)["transStatus"], "Y");
        let result = server.result().await;
        for name in ["threeDSServerTransID", "dsTransID", "acsTransID", "messageVersion"] {
            assert_eq!(result[name], customer.ares[name], "{name}");
        }
        assert_eq!((&result["transStatus"], &result["eci"]), (&json!("Y"), &json!(eci)), "{result}");
        assert_eq!(result["authenticationValue"].as_str().map(str::len), Some(28));
        assert_eq!(result["interactionCounter"], "01");
        assert!(!result.to_string().contains(&number));
        // Back and once more, the CReq or the code: the same end, and no second RReq.
        for again in [customer.begin().await, customer.type_code("000000").await] {
            assert_eq!(cres(&again)["transStatus"], "Y");
        }
        assert!(!server.has_more(), "a transaction has one result");
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn two_submits_at_once_end_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut server = ThreeDsServer::start(Manner::TakesAfter(1)).await;
    let customer = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
    let code = customer.begin().await.code();
    let (one, other) = tokio::join!(customer.type_code(&code), customer.type_code(&code));
    assert_eq!((&cres(&one)["transStatus"], &cres(&other)["transStatus"]), (&json!("Y"), &json!("Y")));
    assert_eq!(server.result().await, server.result().await, "the first is not taken, so the same one comes again");
    assert!(!server.has_more());
    issuer.shutdown().await;
}

#[tokio::test]
async fn three_wrong_codes_come_to_n() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut server = ThreeDsServer::start(Manner::Takes).await;
    let customer = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
    let code = customer.begin().await.code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for left in ["two more tries", "one more try"] {
        let page = customer.type_code(wrong).await;
        assert!(page.asks() && page.body.contains(left), "{}", page.body);
    }
    assert!(customer.act(&[("action", "resend")]).await.body.contains("sent the code again"));
    assert_eq!(cres(&customer.type_code(wrong).await)["transStatus"], "N");
    let result = server.result().await;
    assert_eq!((&result["transStatus"], &result["transStatusReason"]), (&json!("N"), &json!("19")));
    assert_eq!(result["interactionCounter"], "04");
    assert!(result.get("authenticationValue").is_none() && result.get("eci").is_none());
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_card_that_fails_fails_by_the_right_code_too() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    for brand in ["VISA", "MASTERCARD"] {
        let mut server = ThreeDsServer::start(Manner::Takes).await;
        let customer = Customer::challenged(&issuer, &card(ThreeDsBehaviour::ChallengeFails, brand), &server).await;
        let code = customer.begin().await.code();
        assert_eq!(cres(&customer.type_code(&code).await)["transStatus"], "N");
        assert_eq!(server.result().await["transStatus"], "N");
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_cancel_is_the_customers() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut server = ThreeDsServer::start(Manner::Takes).await;
    let customer = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
    customer.begin().await;
    assert_eq!(cres(&customer.act(&[("action", "cancel")]).await)["transStatus"], "N");
    let result = server.result().await;
    assert_eq!((&result["transStatus"], &result["challengeCancel"]), (&json!("N"), &json!("01")), "{result}");
    issuer.shutdown().await;
}

#[tokio::test]
async fn ten_minutes_on_the_sandboxs_clock_end_a_challenge_and_the_browser_may_come_late() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut server = ThreeDsServer::start(Manner::Takes).await;
    let asked = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
    let code = asked.begin().await.code();
    move_clock(&issuer, 9).await;
    assert!(asked.act(&[("action", "resend")]).await.asks(), "nine minutes are in time");
    move_clock(&issuer, 20).await;
    let result = server.result().await;
    assert_eq!((&result["transStatus"], &result["transStatusReason"]), (&json!("N"), &json!("14")), "{result}");
    assert_eq!(result["challengeCancel"], "04");
    assert_eq!(cres(&asked.type_code(&code).await)["transStatus"], "N", "too late");
    // Of one to which no browser ever came it is said so.
    let never = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
    move_clock(&issuer, 31).await;
    assert_eq!(server.result().await["challengeCancel"], "05");
    assert_eq!(cres(&never.begin().await)["transStatus"], "N");
    // And after another ten minutes it is forgotten.
    move_clock(&issuer, 42).await;
    let forgotten = async { while never.begin().await.status != 404 {} };
    tokio::time::timeout(std::time::Duration::from_millis(support::PATIENCE_MS), forgotten).await.expect("forgotten");
    issuer.shutdown().await;
}

#[tokio::test]
async fn an_rreq_that_is_not_taken_goes_again_and_is_given_up_where_that_is_no_use() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    for (manner, times) in [(Manner::TakesAfter(2), 3), (Manner::Babbles, 4), (Manner::Refuses, 1)] {
        let mut server = ThreeDsServer::start(manner).await;
        let customer = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
        let code = customer.begin().await.code();
        assert_eq!(cres(&customer.type_code(&code).await)["transStatus"], "Y", "the browser goes on all the same");
        for _ in 0..times {
            assert_eq!(server.result().await["transStatus"], "Y");
        }
        assert!(!server.has_more(), "{manner:?}");
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn the_browser_may_be_lied_to_and_the_result_may_never_come() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut server = ThreeDsServer::start(Manner::Takes).await;
    let customer = Customer::challenged(&issuer, &card(ThreeDsBehaviour::CresLies, "VISA"), &server).await;
    let code = customer.begin().await.code();
    assert_eq!(cres(&customer.type_code(&code).await)["transStatus"], "Y");
    let result = server.result().await;
    assert_eq!(result["transStatus"], "N", "only this one counts");
    assert!(result.get("authenticationValue").is_none());

    let customer = Customer::challenged(&issuer, &card(ThreeDsBehaviour::ChallengeNoResult, "VISA"), &server).await;
    let code = customer.begin().await.code();
    assert_eq!(cres(&customer.type_code(&code).await)["transStatus"], "Y");
    assert!(!server.has_more(), "no RReq comes");
    issuer.shutdown().await;
}

#[tokio::test]
async fn an_rreq_goes_over_tls_to_whom_the_directory_server_trusts() {
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("ca.pem");
    let [trusted, stranger] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap());
    std::fs::write(&pem, trusted.cert.pem()).unwrap();
    let with = |path: std::path::PathBuf| IssuerSettings { ds_ca_certificates: Some(path), ..settings(folder.path()) };
    let issuer = Issuer::start(with(pem)).await.unwrap();
    for (certificate, comes) in [(&trusted, true), (&stranger, false)] {
        let mut server = ThreeDsServer::start_over(Manner::Takes, Some(certificate)).await;
        let customer = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
        let code = customer.begin().await.code();
        assert_eq!(cres(&customer.type_code(&code).await)["transStatus"], "Y", "the browser goes on all the same");
        match comes {
            true => assert_eq!(server.result().await["transStatus"], "Y"),
            false => assert!(!server.has_more(), "given up"),
        }
    }
    issuer.shutdown().await;
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (path, why) in [(empty, "holds no certificate"), (folder.path().join("none.pem"), "cannot be read")] {
        let error = Issuer::start(with(path)).await.unwrap_err().to_string();
        assert!(error.contains("ds_ca_certificates") && error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn an_authentication_value_is_good_for_its_own_payment_alone() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut server = ThreeDsServer::start(Manner::Takes).await;
    let mut values = Vec::new();
    for _ in 0..2 {
        let customer = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
        let code = customer.begin().await.code();
        customer.type_code(&code).await;
        let result = server.result().await;
        let text = |name: &str| result[name].as_str().unwrap().to_owned();
        values.push((text("authenticationValue"), text("dsTransID")));
    }
    let [(value, ds_id), (other_value, _)] = values.as_slice() else { panic!("two authentications") };
    let other_card = card(ThreeDsBehaviour::Challenge, "MASTERCARD");
    let made_up = "AAABBWcSNIdjeUZThmNHAAAAAAA=";
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    for (number, (pan, amount, value, id, level, expected)) in (1..).zip([
        (CHALLENGE_CARD, 12_551, value, ds_id.as_str(), "212", "1A"),
        (&*other_card, 12_550, value, ds_id, "212", "1A"),
        (CHALLENGE_CARD, 12_550, other_value, ds_id, "212", "1A"),
        (CHALLENGE_CARD, 12_550, &made_up.to_owned(), ds_id, "212", "1A"),
        (CHALLENGE_CARD, 12_550, value, "f38e6948-5388-41a6-bca4-b49723c19437", "212", "1A"),
        (CHALLENGE_CARD, 12_550, value, ds_id, "211", "1A"),
        (CHALLENGE_CARD, 12_550, value, ds_id, "212", "00"),
    ]) {
        let mut message = support::purchase(Name(number), pan, amount);
        support::set_private(&mut message, &[(11, value), (12, id), (13, "2.2.0"), (42, level), (92, "123")]);
        assert_eq!(acquirer.code(&message).await, expected, "{number}");
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn the_page_speaks_the_browsers_language_and_another_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut areq = areq(CHALLENGE_CARD, NOWHERE);
    areq["browserLanguage"] = "ar-AE".into();
    areq["purchaseCurrency"] = "414".into();
    areq["purchaseExponent"] = "3".into();
    let customer = Customer::of(&issuer, &areq).await;
    let page = customer.begin().await;
    assert!(page.body.contains("<html lang=\"ar\" dir=\"rtl\">") && page.body.contains("KWD 12.550"), "{}", page.body);
    let page = customer.act(&[("action", "language"), ("language", "en")]).await;
    assert!(page.body.contains("<html lang=\"en\" dir=\"ltr\">"), "{}", page.body);
    assert!(page.body.contains("Bob&#39;s &lt;Books&gt; &amp; Co") && page.body.contains("26 November 2026"));
    assert!(page.body.contains("•••• 8902") && !page.body.contains(CHALLENGE_CARD), "the card by its last digits");
    assert!(page.body.contains("inputmode=\"numeric\"") && page.body.contains("autocomplete=\"one-time-code\""));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
    assert!(policy.ends_with("form-action 'self'; frame-ancestors https: http:"), "{policy}");
    assert!(!page.body.contains("<script"), "no script is needed");
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_challenge_belongs_to_its_3ds_server() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let customer = Customer::of(&issuer, &areq(CHALLENGE_CARD, NOWHERE)).await;
    let mut other = customer.ares.clone();
    other["threeDSServerTransID"] = "8a880dc0-d2d2-4067-bcb1-b08d1690b26f".into();
    let reply = post_form(issuer.acs_address(), "/acs/challenge", &[("creq", &creq(&other))]).await;
    assert_eq!(reply.status, 404);
    let long = bytes_to_base64url(&[7; 1_000]);
    let fields = [("creq", creq(&customer.ares)), ("threeDSSessionData", long)];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(post_form(issuer.acs_address(), "/acs/challenge", &fields).await.status, 400, "at most 1024 characters");
    issuer.shutdown().await;
}

#[tokio::test]
async fn the_oldest_challenge_goes_where_there_are_too_many_and_its_result_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let limits = IssuerLimits { challenges_max: 2, ..IssuerLimits::default() };
    let issuer = Issuer::start(IssuerSettings { limits, ..settings(folder.path()) }).await.unwrap();
    let mut server = ThreeDsServer::start(Manner::Takes).await;
    let first = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
    let second = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
    let third = Customer::challenged(&issuer, CHALLENGE_CARD, &server).await;
    let result = server.result().await;
    assert_eq!(result["acsTransID"], first.ares["acsTransID"]);
    assert_eq!(result["transStatus"], "N");
    assert_eq!(first.begin().await.status, 404);
    assert!(second.begin().await.asks() && third.begin().await.asks());
    issuer.shutdown().await;
}

#[tokio::test]
async fn the_directory_server_meets_the_faults_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let message = areq("4005559210001006", NOWHERE).to_string();
    let ask = || request(issuer.ds_address(), "POST", "/ds", "application/json", message.as_bytes());
    for name in ["ds_erro", "ds_garbage", "ds_slow"] {
        post_admin(&issuer, "/faults", &json!({ "behaviour": name, "mask": "400555******1006" })).await;
    }
    assert_eq!(ask().await.unwrap().json()["errorCode"], "403");
    assert!(serde_json::from_str::<Value>(&ask().await.unwrap().body).is_err(), "garbage");
    let sent = std::time::Instant::now();
    assert_eq!(ask().await.unwrap().json()["transStatus"], "Y");
    assert!(sent.elapsed() >= std::time::Duration::from_millis(support::SLOW_MS));
    assert_eq!(ask().await.unwrap().json()["transStatus"], "Y", "used up");
    post_admin(&issuer, "/faults", &json!({ "behaviour": "ds_erro", "operation": "card_ranges" })).await;
    assert_eq!(ask().await.unwrap().json()["transStatus"], "Y", "not of an AReq");
    assert_eq!(ask_directory(&issuer, &preq()).await["errorCode"], "403");
    assert_eq!(ask_directory(&issuer, &preq()).await["messageType"], "PRes");
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_silent_directory_server_says_nothing_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    // By its card, so that the card that is silent anyway does not use it up.
    post_admin(&issuer, "/faults", &json!({ "behaviour": "ds_silent", "mask": "400555******1006" })).await;
    let by_fault = areq("4005559210001006", NOWHERE).to_string();
    let by_card = areq(&card(ThreeDsBehaviour::Silent, "VISA"), NOWHERE).to_string();
    let ds = issuer.ds_address();
    let silent = async {
        tokio::select! {
            reply = request(ds, "POST", "/ds", "application/json", by_fault.as_bytes()) => panic!("{reply:?}"),
            reply = request(ds, "POST", "/ds", "application/json", by_card.as_bytes()) => panic!("{reply:?}"),
            // Two AReqs are answered meanwhile, and the fault is used up by then: order shows that time has passed.
            () = async {
                let used_up = async {
                    loop {
                        let faults: Value = support::get(issuer.admin_address(), "/faults").await;
                        if faults == json!([]) { break }
                    }
                };
                used_up.await;
                for _ in 0..2 {
                    let answer = ask_directory(&issuer, &areq("4005559210001006", NOWHERE)).await;
                    assert_eq!(answer["transStatus"], "Y");
                }
            } => {}
        }
    };
    silent.await;
    issuer.shutdown().await;
}
