//! Card numbers and security codes stay out of everything that people can see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use support::*;
use tokio::io::AsyncWriteExt;
use tollgate_acquirer::{Acquirer, LinkSettings, NetworkKind, NetworkRequest};
use tollgate_core::three_ds::AuthenticationStatus;
use tracing_subscriber::fmt::MakeWriter;

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

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// The number without its last four digits, and the code as it stands in field 48.
fn shows_a_secret(text: &str) -> bool {
    text.contains(&PAN[..12])
        || text.contains(&format!("03{SECURITY_CODE}"))
        || text.contains(&format!("={SECURITY_CODE}"))
        || text.contains(&VALUE[..8])
}

#[tokio::test(start_paused = true)]
async fn no_log_no_trace_and_no_debug_text_shows_card_data() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut seen = Vec::new();

    for spec in ["iso8583-1987-ascii", "iso8583-1987-bcd"] {
        let mut rig = Rig::with_pipes(LinkSettings { spec: spec.into(), ..settings() }, 1 << 20, 1);
        let mut host = rig.signed_on().await;
        seen.push(format!("{:?}", request(NetworkKind::Authorize, 1)));
        // Answered, late (and one late answer too many), unreadable, broken, refused, and not to be built.
        let answered = rig.spawn(request(NetworkKind::Authorize, 1));
        let message = host.receive().await;
        host.answer(&message, "00").await;
        seen.push(format!("{:?}", answered.await.unwrap()));
        let told = NetworkRequest {
            authentication: Some(authentication(AuthenticationStatus::Authenticated)),
            ..request(NetworkKind::Purchase, 9)
        };
        seen.push(format!("{told:?}"));
        let answered = rig.spawn(told);
        let message = host.receive().await;
        host.answer(&message, "00").await;
        let exchange = answered.await.unwrap();
        assert!(exchange.trace.0.contains("b49723c19437"), "the names are there to be seen: {}", exchange.trace.0);
        seen.push(format!("{exchange:?}"));
        for number in 2..=4 {
            let given_up = rig.spawn(request(NetworkKind::Purchase, number));
            let message = host.receive().await;
            given_up.abort();
            let _ = given_up.await;
            host.answer(&message, "00").await;
        }
        host.flush_through_link().await;
        seen.push(format!("{:?}", rig.late_reply().await));
        let garbled = rig.spawn(request(NetworkKind::Authorize, 5));
        let answer = answer_to(&host.receive().await, "00");
        let whole = host.frame(&answer);
        let cut = host.raw_frame(&whole[2..whole.len() - 3]);
        host.io.write_all(&cut).await.unwrap();
        seen.push(format!("{:?}", garbled.await.unwrap()));
        let mut wrong = request(NetworkKind::Authorize, 6);
        wrong.settlement_reference = Some(PAN.repeat(4));
        seen.push(format!("{:?}", rig.link.exchange(wrong).await));
        let broken = rig.spawn(request(NetworkKind::Authorize, 7));
        host.receive().await;
        drop(host);
        seen.push(format!("{:?}", broken.await.unwrap()));
        let down: NetworkRequest = request(NetworkKind::Authorize, 8);
        seen.push(format!("{:?} {:?}", rig.link.exchange(down).await, rig.link));
    }

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("acquirer link is up") && log.contains("could not be built"), "{log}");
    assert!(log.contains("late answer was dropped") && log.contains("acquirer link is down"), "{log}");
    assert!(!shows_a_secret(&log), "{log}");
    for text in seen {
        assert!(!shows_a_secret(&text), "{text}");
    }
}

#[test]
fn the_search_finds_what_it_looks_for() {
    assert!(shows_a_secret("2=4005550000000001;"));
    assert!(shows_a_secret("48.92=739"));
    assert!(shows_a_secret("42032109203739"));
    assert!(!shows_a_secret("2=400555******0001;48.92=***"));
}
