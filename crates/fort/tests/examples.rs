//! Request and answer pairs, field by field: the request is verified, judged and made a command, and
//! the answer that the use cases would give is rendered and signed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::collections::BTreeMap;
use tollgate_core::answer::{Answer, NetworkFacts, OrderFacts, StatusFacts, TokenFacts};
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::{ResponseCode, refused};
use tollgate_core::command::{Eci, SafeParams};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::merchant::ShaType;
use tollgate_core::money::{Amount, Currency};
use tollgate_core::order::Totals;
use tollgate_core::page::AfterPayment;
use tollgate_core::secret::Secret;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{Token, TokenId, TokenStatus};
use tollgate_fort::command::{Request, safe_params};
use tollgate_fort::message::Message;
use tollgate_fort::response::{Echo, Fields, render, unreadable};
use tollgate_fort::service::{Service, identify};
use tollgate_fort::signature::verify;

const EXAMPLES: &str = include_str!("../../../tests/data/fort_examples.jsonl");

struct Account {
    request_phrase: Secret,
    response_phrase: Secret,
    sha: ShaType,
}

struct Example {
    id: String,
    account: Account,
    request: Option<Message>,
    response: Value,
}

impl Example {
    fn all() -> Vec<Example> {
        let mut lines = EXAMPLES.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let accounts = lines.next().unwrap()["accounts"].clone();
        lines
            .map(|row| {
                let account = &accounts[row["account"].as_str().unwrap()];
                let text = |name: &str| account[name].as_str().unwrap().to_owned();
                let params = &row["request"]["params"];
                Example {
                    id: row["id"].as_str().unwrap().to_owned(),
                    account: Account {
                        request_phrase: Secret::new(text("request_phrase")),
                        response_phrase: Secret::new(text("response_phrase")),
                        sha: ShaType::parse(&text("sha_type")).unwrap(),
                    },
                    request: params
                        .is_object()
                        .then(|| Message::from_json(&serde_json::to_vec(params).unwrap()).unwrap()),
                    response: row["response"].clone(),
                }
            })
            .collect()
    }

    /// What is kept of a form whose customer came to the page and paid: with the address that the gateway saw.
    fn kept_on_page(&self, message: &Message) -> Option<SafeParams> {
        let is_seen = message.text("customer_ip").is_none() && self.expected("customer_ip").is_some();
        is_seen.then(|| {
            let mut kept = safe_params(message);
            kept.push(SafeParams::CUSTOMER_IP_SEEN, "203.0.113.9");
            kept
        })
    }

    fn is_feedback(&self) -> bool {
        self.response["delivery"].as_str().unwrap().starts_with("feedback_")
    }

    fn expected(&self, name: &str) -> Option<&str> {
        self.response["params"][name].as_str()
    }

    fn code(&self) -> ResponseCode {
        ResponseCode::parse(self.expected("response_code").unwrap()).unwrap()
    }

    /// What the use cases would answer.
    fn answer(&self) -> Answer {
        let found = self.expected("fort_id").is_some() || self.id.starts_with("E69");
        let status = self.expected("transaction_code").map(|code| StatusFacts {
            transaction_code: ResponseCode::parse(code).unwrap(),
            totals: Totals {
                authorized: self.amount("authorized_amount"),
                captured: self.amount("captured_amount"),
                refunded: self.amount("refunded_amount"),
            },
            authorization_code: self.expected("authorization_code").map(str::to_owned),
            network: self
                .expected("acquirer_response_code")
                .map(|code| NetworkFacts { acquirer_code: code.to_owned(), processor_code: "DECLINED" }),
        });
        let is_status = self.expected("query_command").is_some();
        Answer {
            order: found.then(|| OrderFacts {
                fort_id: FortId::parse(self.expected("fort_id").unwrap()).unwrap(),
                merchant_reference: self.expected("merchant_reference").unwrap().to_owned(),
            }),
            card: self.expected("card_number").filter(|_| found || self.token().is_some()).map(|mask| CardFacts {
                mask: mask.to_owned(),
                expiry: self.expected("expiry_date").unwrap().to_owned(),
                holder: self.expected("card_holder_name").map(str::to_owned),
                brand: Brand::parse(self.expected("payment_option").or(self.expected("card_brand")).unwrap_or("VISA"))
                    .unwrap(),
            }),
            eci: self.expected("eci").filter(|_| found).map(|eci| Eci::parse(eci).unwrap()),
            authorization_code: self.expected("authorization_code").filter(|_| !is_status).map(str::to_owned),
            acquirer_code: self.expected("acquirer_response_code").filter(|_| !is_status).map(str::to_owned),
            three_ds_url: self.expected("3ds_url").map(str::to_owned),
            token_name: self.expected("token_name").map(str::to_owned),
            status,
            token: self.token(),
            tokens: self.tokens(),
            ..Answer::bare(self.code())
        }
    }

    /// What a GET_TOKENS that was done tells.
    fn tokens(&self) -> Option<Vec<Token>> {
        let rows = self.response["params"]["data"].as_array()?.iter();
        let token = |row: &Value| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            Token {
                id: TokenId(1),
                merchant: MerchantId(1),
                name: text("token_name"),
                status: TokenStatus::parse(&text("token_status")).unwrap(),
                lapses_at: None,
                after_payment: AfterPayment::Keep,
                card: CardFacts {
                    brand: Brand::parse(&text("card_brand")).unwrap(),
                    mask: text("card_number"),
                    expiry: text("expiry_date"),
                    holder: None,
                },
                bin: text("card_bin"),
                currency: None,
                first_payment: None,
                created_at: Timestamp::parse_with_offset(&text("creation_date")).unwrap(),
                updated_at: Timestamp(0),
                version: 1,
            }
        };
        Some(rows.map(token).collect())
    }

    /// What a token that was made or changed is like.
    fn token(&self) -> Option<TokenFacts> {
        let bin = self.expected("card_bin")?.to_owned();
        Some(TokenFacts {
            status: TokenStatus::parse(self.expected("token_status").unwrap_or("ACTIVE")).unwrap(),
            bin,
            currency: self.expected("currency").map(|alpha| Currency::from_alpha(alpha).unwrap()),
            created_at: Timestamp::parse_with_offset(
                self.expected("creation_date").unwrap_or("2024-03-13T10:09:19+00:00"),
            )
            .unwrap(),
        })
    }

    fn amount(&self, name: &str) -> Amount {
        Amount::from_minor(self.expected(name).unwrap_or("0").parse().unwrap()).unwrap()
    }

    fn assert_fields(&self, fields: &Fields) {
        let ours: BTreeMap<&str, &str> = fields.iter().collect();
        let theirs = self.response["params"].as_object().unwrap();
        let theirs: BTreeMap<&str, &str> =
            theirs.iter().filter(|(_, v)| v.is_string()).map(|(n, v)| (n.as_str(), v.as_str().unwrap())).collect();
        let ours: BTreeMap<&str, &str> = ours.into_iter().filter(|(name, _)| *name != "data").collect();
        assert_eq!(ours, theirs, "{}", self.id);
        let written: Value = serde_json::from_slice(&fields.to_json()).unwrap();
        assert_eq!(written, self.response["params"], "{}", self.id);
    }
}

#[test]
fn answers_have_exactly_the_fields_and_the_signature_of_the_examples() {
    let mut compared = 0;
    for example in Example::all() {
        let Some(message) = &example.request else { continue };
        let service = Service::of(message).ok();
        let kept = example.kept_on_page(message);
        let echo = kept.as_ref().map_or(Echo::Request(message), Echo::Kept);
        let fields = render(service, echo, &example.answer(), identify(message).language);
        let fields = match example.response["delivery"] == "browser_get" {
            true => fields.starred(),
            false => fields,
        };
        let fields = match example.response["signed"].as_bool().unwrap() {
            true => fields.sign(&example.account.response_phrase, example.account.sha),
            false => fields,
        };
        example.assert_fields(&fields);
        compared += 1;
    }
    assert_eq!(compared, 78);
}

#[test]
fn request_signatures_of_the_examples_are_judged_as_they_say() {
    for example in Example::all() {
        let Some(message) = &example.request else { continue };
        let exclude = Service::of(message).map_or(&[][..], Service::signature_exclude);
        let phrases = std::slice::from_ref(&example.account.request_phrase);
        let found = verify(message, exclude, phrases, example.account.sha);
        assert_eq!(found.is_match(), example.code() != refused::SIGNATURE_MISMATCH, "{}", example.id);
    }
}

#[test]
fn requests_of_the_examples_are_refused_by_their_parameters_or_become_commands() {
    let by_parameters = [
        refused::INVALID_AMOUNT,
        refused::INVALID_CURRENCY,
        refused::VALUE_NOT_ALLOWED,
        refused::INVALID_LENGTH,
        refused::INVALID_FORMAT,
        refused::INVALID_COMMAND,
        refused::MISSING_PARAMETER,
    ];
    let mut refusals = 0;
    for example in Example::all() {
        let Some(message) = &example.request else { continue };
        let parsed = Service::of(message).and_then(|service| Request::parse(service, message));
        match parsed {
            Ok(_) => assert!(!by_parameters.contains(&example.code()), "{}", example.id),
            Err(refusal) => {
                assert_eq!(refusal.code, example.code(), "{}: {refusal}", example.id);
                refusals += 1;
            }
        }
    }
    assert_eq!(refusals, 7);
}

#[test]
fn a_body_that_is_no_json_gets_an_unsigned_code() {
    let example = Example::all().into_iter().find(|example| example.id.starts_with("E47")).unwrap();
    assert!(Message::from_json(b"command=PURCHASE").is_err());
    example.assert_fields(&unreadable(example.code()));
}

#[test]
fn feedback_is_rendered_from_kept_parameters_as_from_the_request() {
    let mut compared = 0;
    for example in Example::all().iter().filter(|example| example.is_feedback()) {
        let made = [
            "fort_id",
            "response_code",
            "response_message",
            "status",
            "authorization_code",
            "token_name",
            "acquirer_response_code",
            "acquirer_response_message",
            "signature",
        ];
        let mut kept = SafeParams::default();
        for (name, value) in example.response["params"].as_object().unwrap() {
            if !made.contains(&name.as_str()) {
                kept.push(name, value.as_str().unwrap());
            }
        }
        let service = Service::from_name(kept.get("command").unwrap());
        let fields = render(service, Echo::Kept(&kept), &example.answer(), Default::default());
        example.assert_fields(&fields.sign(&example.account.response_phrase, example.account.sha));
        compared += 1;
    }
    for example in Example::all() {
        let Some(message) = &example.request else { continue };
        let (service, answer) = (Service::of(message).ok(), example.answer());
        let fresh = render(service, Echo::Request(message), &answer, Default::default());
        let later = render(service, Echo::Kept(&safe_params(message)), &answer, Default::default());
        assert!(fresh == later, "{}", example.id);
    }
    assert_eq!(compared, 5);
}
