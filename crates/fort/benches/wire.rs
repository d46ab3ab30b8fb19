//! The way of one request over the wire, piece by piece. Typical: 20 parameters of a card payment.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tollgate_core::answer::{Answer, OrderFacts};
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::ResponseCode;
use tollgate_core::command::Eci;
use tollgate_core::ident::FortId;
use tollgate_core::merchant::{Credential, ShaType};
use tollgate_core::secret::Secret;
use tollgate_fort::client::signed_json;
use tollgate_fort::command::Request;
use tollgate_fort::explain::explain;
use tollgate_fort::message::Message;
use tollgate_fort::response::{Echo, render};
use tollgate_fort::service::Service;
use tollgate_fort::signature::{sign, verify};
use tollgate_fort::text::Language;

const PARAMS: [(&str, &str); 20] = [
    ("command", "PURCHASE"),
    ("access_code", "TgAccessCode00000001"),
    ("merchant_identifier", "TgMid001"),
    ("merchant_reference", "TG-2026-11-20-000017"),
    ("amount", "15000"),
    ("currency", "AED"),
    ("language", "en"),
    ("customer_email", "jo@example.org"),
    ("customer_ip", "203.0.113.9"),
    ("customer_name", "Jo Doe"),
    ("eci", "ECOMMERCE"),
    ("card_number", "4005550000000001"),
    ("expiry_date", "3005"),
    ("card_security_code", "123"),
    ("card_holder_name", "Jo Doe"),
    ("order_description", "Order #17, two mugs"),
    ("phone_number", "+971501234567"),
    ("merchant_extra", "cart 17"),
    ("settlement_reference", "S-17"),
    ("return_url", "https://shop.example/pay/return?order=17"),
];

fn wire(c: &mut Criterion) {
    let (phrase, sha) = (Secret::new("TGreq$2y$10$k9"), ShaType::Sha256);
    let phrases = [phrase.clone()];
    let body = signed_json(&PARAMS, &phrase, sha);
    let message = Message::from_json(&body).unwrap();
    let answer = approved();

    c.bench_function("parse", |b| b.iter(|| Message::from_json(black_box(&body))));
    c.bench_function("verify", |b| b.iter(|| verify(black_box(&message), &[], &phrases, sha).is_match()));
    c.bench_function("parse and verify", |b| {
        b.iter(|| verify(&Message::from_json(black_box(&body)).unwrap(), &[], &phrases, sha).is_match())
    });
    c.bench_function("verify, wrong signature, two phrases", |b| {
        let wrong = [Secret::new("old"), Secret::new("new")];
        b.iter(|| verify(black_box(&message), &[], &wrong, sha).is_match())
    });
    c.bench_function("judge and make a command", |b| {
        b.iter(|| Request::parse(Service::of(black_box(&message)).unwrap(), &message))
    });
    c.bench_function("sign 20 fields", |b| b.iter(|| sign(black_box(PARAMS), &phrase, sha)));
    c.bench_function("render, sign and write", |b| {
        b.iter(|| {
            let echo = Echo::Request(black_box(&message));
            render(Some(Service::Purchase), echo, &answer, Language::English).sign(&phrase, sha).to_json()
        })
    });
    c.bench_function("explain what cannot be found", |b| {
        let credential = Credential {
            access_code: "AC".into(),
            sha_type: sha,
            request_phrases: vec![Secret::new("other")],
            response_phrase: Secret::new("response"),
        };
        b.iter(|| explain(black_box(&message), &[], &credential))
    });
}

fn approved() -> Answer {
    Answer {
        order: Some(OrderFacts { fort_id: FortId(169_996_200_000_132_829), merchant_reference: PARAMS[3].1.into() }),
        card: Some(CardFacts {
            mask: "400555******0001".into(),
            expiry: "3005".into(),
            holder: Some("Jo Doe".into()),
            brand: Brand::Visa,
        }),
        eci: Some(Eci::Ecommerce),
        authorization_code: Some("199955".into()),
        ..Answer::bare(ResponseCode::new(14, 0))
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(700));
    targets = wire
}
criterion_main!(benches);
