//! What 3-D Secure writes into the log: at its most talkative, no card number. A process of its own, because the log is the
//! process's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
#[path = "support/three_ds.rs"]
mod three_ds;

use std::io::Write;
use std::sync::{Arc, Mutex};
use three_ds::*;
use tollgate_issuer::{Behaviours, ThreeDsBehaviour};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_card_number_comes_into_the_log_or_onto_a_page() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).init();
    let folder = tempfile::tempdir().unwrap();
    let issuer = support::start(folder.path()).await;
    let server = ThreeDsServer::start(Manner::Takes).await;
    let table = Behaviours::builtin().unwrap();
    let mut pages = String::new();
    for card in table.cards().iter().filter(|card| card.three_ds != ThreeDsBehaviour::Silent) {
        let mut areq = areq(card.number(), &server.url);
        areq["messageVersion"] = "2.1.0".into();
        let answer = ask_directory(&issuer, &areq).await;
        pages.push_str(&answer.to_string());
        if answer["transStatus"] == "C" {
            let customer = Customer { acs: issuer.acs_address(), ares: answer };
            let page = customer.begin().await;
            pages.push_str(&customer.type_code(&page.code()).await.body);
            pages.push_str(&page.body);
        }
        // A message with something wrong in it is told of by the names of its elements.
        areq["mcc"] = card.number().into();
        areq[card.number()] = 1.into();
        assert_eq!(ask_directory(&issuer, &areq).await["errorCode"], "203");
    }
    issuer.shutdown().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for card in table.cards() {
        assert!(!log.contains(card.number()), "in the log");
        assert!(!pages.contains(card.number()), "in an answer");
    }
    assert!(log.contains("an AReq was answered") && log.contains("455701******8902"), "it says what happens: {log}");
}
