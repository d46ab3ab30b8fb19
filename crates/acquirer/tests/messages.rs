//! Each message as `docs/wire.md` tells of it, field by field, written down by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use support::*;
use tollgate_acquirer::{
    Acquirer, ExchangeResult, LinkSettings, NetworkKind, NetworkRequest, NotSent, OriginalReference,
};
use tollgate_core::card::Expiry;
use tollgate_core::command::{Eci, ThreeDsWish};
use tollgate_core::credential::{CredentialTurn, CredentialUse, Initiator, NetworkTransactionId, StoredCredential};
use tollgate_core::merchant::AcquirerTerms;
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::three_ds::{Authentication, AuthenticationStatus};
use tollgate_iso8583::Message;

/// Sends a request and shows what the host gets: the type and each field on a line.
async fn sent(rig: &mut Rig, host: &mut Host<tokio::io::DuplexStream>, request: NetworkRequest) -> Vec<String> {
    let exchange = rig.spawn(request);
    let message = host.receive().await;
    host.answer(&message, "00").await;
    assert!(matches!(exchange.await.unwrap().result, ExchangeResult::Answered(_)));
    shown(&message)
}

fn shown(message: &Message) -> Vec<String> {
    let fields = message.fields().map(|field| format!("{}={}", field.number, String::from_utf8_lossy(field.value)));
    std::iter::once(message.mti().unwrap().to_string()).chain(fields).collect()
}

/// What an e-commerce message of 10.00 AED in 2026-11-20 12:00:00 always has; fields are put in by their numbers.
fn expected(mti: &str, fields: &[(u8, &str)]) -> Vec<String> {
    let common = [
        (2, "4005550000000001"),
        (3, "000000"),
        (4, "000000001000"),
        (7, "1120120000"),
        (12, "120000"),
        (13, "1120"),
        (18, "5999"),
        (22, "812"),
        (25, "59"),
        (32, "400001"),
        (41, "TERM01  "),
        (42, "MERCHANT0001   "),
        (43, "Tollgate Books           Dubai        AE"),
        (49, "784"),
    ];
    let mut all: Vec<(u8, &str)> =
        common.into_iter().filter(|(number, _)| fields.iter().all(|own| own.0 != *number)).collect();
    all.extend_from_slice(fields);
    all.sort_by_key(|field| field.0);
    std::iter::once(mti.to_owned()).chain(all.into_iter().map(|(number, value)| format!("{number}={value}"))).collect()
}

/// Message 1 as an original: type, STAN, transmission time, acquirer 400001, no forwarder.
const AUTHORIZATION_1: &str = "010000000211201200000000040000100000000000";
/// RRN of the messages 1 and 2: 179517600000000001 and ...02 in base 36.
const RRN_1: &str = "1D3LOEXSX6O1";
const RRN_2: &str = "1D3LOEXSX6O2";

#[tokio::test(start_paused = true)]
async fn each_kind_has_the_fields_of_the_dialect() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    assert_eq!((wire(1).rrn.as_str(), wire(2).rrn.as_str()), (RRN_1, RRN_2));
    let first = [(11, "000002"), (14, "2705"), (37, RRN_1), (48, "42032109203739")];
    let verification = [&first[..], &[(25, "51")]].concat();
    let second = [(11, "000003"), (37, RRN_2), (38, "A1B2C3"), (90, AUTHORIZATION_1)];
    let refund = [(3, "200000"), (11, "000003"), (37, RRN_2), (38, "A1B2C3"), (90, AUTHORIZATION_1)];
    for (request, mti, fields) in [
        (request(NetworkKind::Authorize, 1), "0100", &first[..]),
        (request(NetworkKind::Purchase, 1), "0200", &first[..]),
        (request(NetworkKind::Verify, 1), "0100", &verification[..]),
        (later(NetworkKind::Refund, 2), "0200", &refund[..]),
        (later(NetworkKind::CaptureAdvice, 2), "0220", &second[..]),
        (later(NetworkKind::CaptureAdviceRepeat, 2), "0221", &second[..]),
        (later(NetworkKind::Void, 2), "0400", &second[..]),
    ] {
        let kind = request.kind;
        assert_eq!(sent(&mut rig, &mut host, request).await, expected(mti, fields), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reversal_advice_has_the_names_and_the_processing_code_of_the_original() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    for (kind, mti) in [(NetworkKind::ReversalAdvice, "0420"), (NetworkKind::ReversalAdviceRepeat, "0421")] {
        let mut reversal = later(kind, 2);
        reversal.original =
            Some(OriginalReference { kind: NetworkKind::Refund, wire: wire(2), authorization_code: None });
        let refund_2 = "020000000311201200000000040000100000000000";
        let fields = [(3, "200000"), (11, "000003"), (37, RRN_2), (90, refund_2)];
        assert_eq!(sent(&mut rig, &mut host, reversal).await, expected(mti, &fields));
    }
}

#[tokio::test(start_paused = true)]
async fn the_original_of_a_repeat_is_named_by_its_first_type() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let mut reversal = later(NetworkKind::ReversalAdvice, 2);
    reversal.original =
        Some(OriginalReference { kind: NetworkKind::CaptureAdviceRepeat, wire: wire(2), authorization_code: None });
    let lines = sent(&mut rig, &mut host, reversal).await;
    assert!(lines.iter().any(|line| line.starts_with("90=0220000003")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn channel_exemption_and_card_data_decide_over_their_fields() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let base = [(11, "000002"), (37, RRN_1)];
    let with = |more: &[(u8, &'static str)]| expected("0100", &[&base[..], more].concat());

    let exempt = NetworkRequest { three_ds: ThreeDsWish::Off, ..request(NetworkKind::Authorize, 1) };
    let fields = with(&[(14, "2705"), (48, "42032104401N9203739")]);
    assert_eq!(sent(&mut rig, &mut host, exempt).await, fields);

    for (eci, entry_mode) in [(Eci::Moto, "012"), (Eci::Recurring, "102")] {
        let mut by_phone = NetworkRequest { eci, ..request(NetworkKind::Authorize, 1) };
        by_phone.card.security_code = None;
        let fields = with(&[(14, "2705"), (22, entry_mode), (25, "08")]);
        assert_eq!(sent(&mut rig, &mut host, by_phone).await, fields, "{eci}");
    }

    let mut token = request(NetworkKind::Authorize, 1);
    token.card.security_code = None;
    token.card.expiry = None::<Expiry>;
    token.settlement_reference = Some("INV-2026/001".into());
    let fields = with(&[(48, "4203210"), (62, "INV-2026/001")]);
    assert_eq!(sent(&mut rig, &mut host, token).await, fields);
}

/// The names of [`authentication`] as field 48 has them.
const NAMES_3DS: &str = "1236f38e6948-5388-41a6-bca4-b49723c1943713052.2.01428MDAwMDAwMDAwMDAwMDAwMzIyNzY=";

#[tokio::test(start_paused = true)]
async fn an_authentication_goes_out_with_its_level_and_what_proves_and_names_it() {
    for spec in ["iso8583-1987-ascii", "iso8583-1987-bcd"] {
        let mut rig = Rig::with(LinkSettings { spec: spec.into(), ..settings() });
        let mut host = rig.signed_on().await;
        let proof = format!("1128{VALUE}");
        for (status, proof, level) in [
            (AuthenticationStatus::Authenticated, proof.as_str(), "212"),
            (AuthenticationStatus::Attempted, proof.as_str(), "211"),
            (AuthenticationStatus::Unavailable, "", "210"),
        ] {
            for kind in [NetworkKind::Authorize, NetworkKind::Purchase] {
                let told = NetworkRequest { authentication: Some(authentication(status)), ..request(kind, 1) };
                let expected = format!("48={proof}{NAMES_3DS}4203{level}9203739");
                let lines = sent(&mut rig, &mut host, told).await;
                assert!(lines.contains(&expected), "{spec} {kind:?} {status:?}: {lines:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_needs_no_names_and_asks_for_no_exemption() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let bare = Authentication {
        ds_transaction_id: None,
        xid: None,
        version: None,
        ..authentication(AuthenticationStatus::Authenticated)
    };
    let unavailable = Authentication { status: AuthenticationStatus::Unavailable, value: None, ..bare.clone() };
    for (authentication, expected) in
        [(bare, format!("48=1128{VALUE}42032129203739")), (unavailable, "48=42032104401N9203739".to_owned())]
    {
        let told = NetworkRequest {
            authentication: Some(authentication),
            three_ds: ThreeDsWish::Off,
            ..request(NetworkKind::Purchase, 1)
        };
        let lines = sent(&mut rig, &mut host, told).await;
        assert!(lines.contains(&expected), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_authentication_is_told_in_first_messages_of_ecommerce_alone() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let told = Some(authentication(AuthenticationStatus::Authenticated));
    let capture = NetworkRequest { authentication: told.clone(), ..later(NetworkKind::CaptureAdvice, 2) };
    let mut by_phone = NetworkRequest { authentication: told, eci: Eci::Moto, ..request(NetworkKind::Authorize, 1) };
    by_phone.card.security_code = None;
    for request in [capture, by_phone] {
        let lines = sent(&mut rig, &mut host, request).await;
        assert!(!lines.iter().any(|line| line.starts_with("48=")), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_card_is_told_of_with_who_pays_for_which_time_and_what_for() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let (customer, merchant) = (Initiator::Customer, Initiator::Merchant);
    let original = NetworkTransactionId::parse("MCC123456789012");
    for (by, turn, used_for, original, expected) in [
        (customer, CredentialTurn::Initial, CredentialUse::Recurring, None, "2001C21021R42032109203739"),
        (customer, CredentialTurn::Subsequent, CredentialUse::Unscheduled, None, "2001C21022U42032109203739"),
        (
            merchant,
            CredentialTurn::Subsequent,
            CredentialUse::StandingOrder,
            original,
            "2001M21022S2215MCC123456789012",
        ),
        (merchant, CredentialTurn::Subsequent, CredentialUse::Unscheduled, None, "2001M21022U"),
    ] {
        let mut told = request(NetworkKind::Purchase, 1);
        if by == merchant {
            told.card.security_code = None;
            told.eci = Eci::Recurring;
        }
        told.credential = Some(StoredCredential { by, turn, used_for, original });
        let lines = sent(&mut rig, &mut host, told).await;
        assert!(lines.contains(&format!("48={expected}")), "{expected}: {lines:?}");
    }
    let mut capture = later(NetworkKind::CaptureAdvice, 2);
    let credential = StoredCredential {
        by: customer,
        turn: CredentialTurn::Initial,
        used_for: CredentialUse::Recurring,
        original: None,
    };
    capture.credential = Some(credential.clone());
    let lines = sent(&mut rig, &mut host, capture).await;
    assert!(!lines.iter().any(|line| line.starts_with("48=")), "only first messages tell of it: {lines:?}");
    let mut with_code = request(NetworkKind::Purchase, 3);
    with_code.credential = Some(StoredCredential { by: merchant, ..credential });
    let exchange = rig.link.exchange(with_code).await;
    assert_eq!(exchange.result, ExchangeResult::NotSent(NotSent::Unbuildable), "a code beside it must have been kept");
}

#[tokio::test(start_paused = true)]
async fn an_answer_names_the_payment_and_says_whether_a_decline_may_be_tried_again() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    for (code, additional, id, advice) in [
        ("00", "6315MCC123456789012", Some("MCC123456789012"), None),
        ("00", "9203123", None, None),
        ("51", "840202", None, Some("02")),
        ("05", "840203", None, Some("03")),
        // What cannot be read is no reason to doubt the answer.
        ("00", "63031-2", None, None),
        ("00", "6399MCC", None, None),
        ("51", "840112", None, None),
    ] {
        let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
        let mut answer = answer_to(&host.receive().await, code);
        answer.set(48, additional).unwrap();
        host.send(&answer).await;
        let ExchangeResult::Answered(reply) = exchange.await.unwrap().result else { panic!("{additional}") };
        assert_eq!(reply.code, code);
        assert_eq!(reply.network_transaction_id.as_ref().map(NetworkTransactionId::as_str), id, "{additional}");
        assert_eq!(reply.advice_code.as_deref(), advice, "{additional}");
    }
}

#[tokio::test(start_paused = true)]
async fn three_decimals_go_out_as_minor_units() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let dinars = NetworkRequest {
        money: Money {
            amount: Amount::from_minor(9_999_999_999).unwrap(),
            currency: Currency::from_alpha("KWD").unwrap(),
        },
        ..request(NetworkKind::Authorize, 1)
    };
    let lines = sent(&mut rig, &mut host, dinars).await;
    assert!(lines.contains(&"4=009999999999".to_owned()) && lines.contains(&"49=414".to_owned()), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn names_outside_ascii_are_written_in_ascii() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let merchant =
        AcquirerTerms {
            shop_name: "Café مكتبة with a very long name".into(), city: "São Paulo".into(), ..merchant()
        };
    let foreign = NetworkRequest { merchant: Arc::new(merchant), ..request(NetworkKind::Authorize, 1) };
    let lines = sent(&mut rig, &mut host, foreign).await;
    assert!(lines.contains(&"43=Cafe mktba with a very loSao Paulo    AE".to_owned()), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn both_specs_carry_the_same_message() {
    for spec in ["iso8583-1987-ascii", "iso8583-1987-bcd"] {
        for framing in ["binary2", "ascii4", "binary2+tpdu:6000010000"] {
            let mut rig = Rig::with(LinkSettings { spec: spec.into(), framing: framing.into(), ..settings() });
            let mut host = rig.signed_on().await;
            let lines = sent(&mut rig, &mut host, request(NetworkKind::Authorize, 1)).await;
            let fields = [(11, "000002"), (14, "2705"), (37, RRN_1), (48, "42032109203739")];
            assert_eq!(lines, expected("0100", &fields), "{spec} {framing}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_message_is_not_sent() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    let with_merchant = |change: fn(&mut AcquirerTerms)| {
        let mut terms = merchant();
        change(&mut terms);
        NetworkRequest { merchant: Arc::new(terms), ..request(NetworkKind::Authorize, 1) }
    };
    let with_reference =
        |text: &str| NetworkRequest { settlement_reference: Some(text.into()), ..request(NetworkKind::Authorize, 1) };
    let mut wrong = vec![
        with_merchant(|terms| terms.terminal_id = "NINECHARS".into()),
        with_merchant(|terms| terms.card_acceptor_id = "SIXTEENCHARACTER".into()),
        with_merchant(|terms| terms.category_code = "59A9".into()),
        with_merchant(|terms| terms.terminal_id = "طرف".into()),
        with_reference("35 characters are one more than may"),
        with_reference("müller"),
    ];
    let good = authentication(AuthenticationStatus::Authenticated);
    for unfit in [
        Authentication { ds_transaction_id: Some("f38e6948".into()), ..good.clone() },
        Authentication { ds_transaction_id: Some("é38e6948-5388-41a6-bca4-b49723c1943".into()), ..good.clone() },
        Authentication { xid: Some("short".into()), ..good.clone() },
        Authentication { version: Some(String::new()), ..good.clone() },
        Authentication { version: Some("2.2.0.0.0".into()), ..good },
    ] {
        wrong.push(NetworkRequest { authentication: Some(unfit), ..request(NetworkKind::Authorize, 1) });
    }
    for kind in [
        NetworkKind::Refund,
        NetworkKind::CaptureAdvice,
        NetworkKind::CaptureAdviceRepeat,
        NetworkKind::Void,
        NetworkKind::ReversalAdvice,
        NetworkKind::ReversalAdviceRepeat,
    ] {
        wrong.push(NetworkRequest { original: None, ..later(kind, 2) });
    }
    for (index, request) in wrong.into_iter().enumerate() {
        let exchange = rig.link.exchange(request).await;
        assert_eq!(exchange.result, ExchangeResult::NotSent(NotSent::Unbuildable), "{index}");
    }
    host.flush_through_link().await;
}

#[tokio::test(start_paused = true)]
async fn an_authorization_code_is_read_without_its_padding() {
    let mut rig = Rig::new();
    let mut host = rig.signed_on().await;
    for (field_38, code) in [(Some("AB12  "), Some("AB12")), (Some("      "), None), (None, None)] {
        let exchange = rig.spawn(request(NetworkKind::Authorize, 1));
        let mut answer = answer_to(&host.receive().await, "00");
        answer.remove(38);
        if let Some(value) = field_38 {
            answer.set(38, value).unwrap();
        }
        host.send(&answer).await;
        let ExchangeResult::Answered(reply) = exchange.await.unwrap().result else { panic!() };
        assert_eq!(reply.authorization_code.as_deref(), code);
    }
}
