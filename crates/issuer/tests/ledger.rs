//! The rules of docs/wire.md over a real socket, restarts, and what can be found in the files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::*;
use tokio::io::AsyncWriteExt;
use tollgate_issuer::{AccountView, Exposure, Health, Issuer, IssuerError, IssuerSettings};

#[tokio::test]
async fn nothing_but_network_management_before_the_sign_on() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::connect(issuer.iso_address()).await;
    acquirer.network("301").await;
    assert_eq!(acquirer.code(&authorization(Name(1), GOOD_CARD, 100)).await, "91");
    acquirer.network("001").await;
    assert_eq!(acquirer.code(&authorization(Name(1), GOOD_CARD, 100)).await, "00");
    acquirer.network("002").await;
    assert_eq!(acquirer.code(&authorization(Name(2), GOOD_CARD, 100)).await, "91");
    assert_eq!(totals(&issuer).await.entries, 1);
    issuer.shutdown().await;
}

#[tokio::test]
async fn an_answer_repeats_what_the_dialect_says() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let request = authorization(Name(1), GOOD_CARD, 100);
    let answer = acquirer.ask(&request).await;
    let numbers: Vec<u8> = answer.fields().map(|field| field.number).collect();
    assert_eq!(numbers, [2, 3, 4, 7, 11, 32, 37, 38, 39, 41, 42, 48, 49]);
    for field in [2, 3, 4, 7, 11, 32, 37, 41, 42, 49] {
        assert_eq!(answer.get(field), request.get(field), "field {field}");
    }
    assert_eq!(answer.mti().unwrap().as_str(), "0110");
    let answer = acquirer.ask(&reversal(Name(1), "0100", GOOD_CARD, 100)).await;
    assert_eq!(answer.mti().unwrap().as_str(), "0430");
    assert_eq!(answer.text(2), None, "the answer to a reversal has no card number");
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_payment_lives_from_hold_to_refund() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    for (message, code) in [
        (authorization(Name(1), GOOD_CARD, 1_000), "00"),
        (capture(Name(2), GOOD_CARD, 1_001, Name(1)), "13"),
        (capture(Name(3), GOOD_CARD, 600, Name(1)), "00"),
        (capture(Name(4), GOOD_CARD, 401, Name(1)), "13"),
        (refund(Name(5), GOOD_CARD, 601, Name(1), "0100"), "13"),
        (refund(Name(6), GOOD_CARD, 250, Name(1), "0100"), "00"),
        (void(Name(7), GOOD_CARD, 400, Name(1)), "00"),
        (void(Name(8), GOOD_CARD, 400, Name(1)), "12"),
        (capture(Name(9), GOOD_CARD, 1, Name(1)), "12"),
        (capture(Name(10), GOOD_CARD, 1, Name(99)), "25"),
        (capture(Name(11), "5123456789012346", 1, Name(1)), "25"),
        (purchase(Name(12), GOOD_CARD, 70), "00"),
        (void(Name(13), GOOD_CARD, 70, Name(12)), "25"),
        (refund(Name(14), GOOD_CARD, 70, Name(12), "0200"), "00"),
        (refund(Name(15), GOOD_CARD, 1, Name(12), "0200"), "13"),
    ] {
        let shown = format!("{} {:?}", message.mti().unwrap(), message.text(37));
        assert_eq!(acquirer.code(&message).await, code, "{shown}");
    }
    let sums = aed(&issuer).await;
    assert_eq!((sums.held, sums.posted, sums.refunded, sums.entries), (0, 670, 320, 15));
    issuer.shutdown().await;
}

#[tokio::test]
async fn repeats_count_once_and_reversals_may_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let first = acquirer.ask(&purchase(Name(1), GOOD_CARD, 100)).await;
    assert!(acquirer.ask(&purchase(Name(1), GOOD_CARD, 100)).await == first, "answered as the first one was");
    assert_eq!(acquirer.code(&purchase(Name(1), GOOD_CARD, 101)).await, "94");
    // Reversal of a message that arrived, twice.
    let mut again = reversal(Name(1), "0200", GOOD_CARD, 100);
    assert_eq!(acquirer.code(&again).await, "00");
    again.set_mti("0421".parse().unwrap());
    assert_eq!(acquirer.code(&again).await, "00");
    assert_eq!(aed(&issuer).await.posted, 0);
    // Reversal of a message that has not arrived: acknowledged, and the message refused when it comes.
    assert_eq!(acquirer.code(&reversal(Name(2), "0100", GOOD_CARD, 100)).await, "00");
    assert_eq!(acquirer.code(&authorization(Name(2), GOOD_CARD, 100)).await, "94");
    // A void that was lost comes as a reversal advice under its own name; the void itself comes later.
    assert_eq!(acquirer.code(&authorization(Name(3), GOOD_CARD, 100)).await, "00");
    let lost = void(Name(4), GOOD_CARD, 100, Name(3));
    let mut advice = lost.clone();
    advice.set_mti("0420".parse().unwrap());
    assert_eq!(aed(&issuer).await.held, 100);
    assert_eq!(acquirer.code(&advice).await, "00");
    assert_eq!(aed(&issuer).await.held, 0);
    assert_eq!(acquirer.code(&lost).await, "00");
    let stats = stats(&issuer).await;
    assert_eq!((stats.repeats, stats.names_taken, stats.tombstones), (2, 1, 1));
    issuer.shutdown().await;
}

#[tokio::test]
async fn funds_run_out_by_card_and_currency() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(IssuerSettings { open_to_buy_major: 10, ..settings(folder.path()) }).await.unwrap();
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    assert_eq!(acquirer.code(&authorization(Name(1), GOOD_CARD, 1_001)).await, "51");
    assert_eq!(acquirer.code(&authorization(Name(2), GOOD_CARD, 1_000)).await, "00");
    assert_eq!(acquirer.code(&purchase(Name(3), GOOD_CARD, 1)).await, "51");
    // Kuwaiti dinars have three decimals, and are other money.
    let mut dinars = purchase(Name(4), GOOD_CARD, 10_000);
    dinars.set(49, "414").unwrap();
    assert_eq!(acquirer.code(&dinars).await, "00");
    assert_eq!(acquirer.code(&void(Name(5), GOOD_CARD, 1_000, Name(2))).await, "00");
    assert_eq!(acquirer.code(&purchase(Name(6), GOOD_CARD, 1_000)).await, "00");
    issuer.shutdown().await;
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart_and_in_a_crash_image() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let first = acquirer.ask(&authorization(Name(1), GOOD_CARD, 1_000)).await;
    assert_eq!(acquirer.code(&capture(Name(2), GOOD_CARD, 600, Name(1))).await, "00");
    assert_eq!(acquirer.code(&refund(Name(3), GOOD_CARD, 100, Name(1), "0100")).await, "00");
    assert_eq!(acquirer.code(&reversal(Name(4), "0100", GOOD_CARD, 5)).await, "00");
    let before = totals(&issuer).await;
    // What a killed process leaves: the files as they are now.
    let crashed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, crashed.path().join(path.file_name().unwrap())).unwrap();
    }
    issuer.shutdown().await;
    for place in [folder.path(), crashed.path()] {
        let issuer = start(place).await;
        assert_eq!(totals(&issuer).await, before);
        let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
        assert!(acquirer.ask(&authorization(Name(1), GOOD_CARD, 1_000)).await == first);
        assert_eq!(acquirer.code(&authorization(Name(4), GOOD_CARD, 5)).await, "94");
        assert_eq!(acquirer.code(&capture(Name(5), GOOD_CARD, 401, Name(1))).await, "13");
        assert_eq!(acquirer.code(&capture(Name(6), GOOD_CARD, 400, Name(1))).await, "00");
        issuer.shutdown().await;
    }
}

#[tokio::test]
async fn a_second_process_cannot_have_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let second = Issuer::start(settings(folder.path())).await;
    assert!(matches!(second, Err(IssuerError::Ledger(_))), "{second:?}");
    issuer.shutdown().await;
}

#[tokio::test]
async fn only_loopback_addresses_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    let exposed = IssuerSettings { iso_listen: "0.0.0.0:0".parse().unwrap(), ..settings(folder.path()) };
    assert_eq!(exposed.exposure, Exposure::Loopback);
    let refused = Issuer::start(exposed).await;
    assert!(matches!(refused, Err(IssuerError::Exposed { name: "iso_listen", .. })), "{refused:?}");
    let exposed = IssuerSettings { admin_listen: "[::]:0".parse().unwrap(), ..settings(folder.path()) };
    let refused = Issuer::start(exposed).await;
    assert!(matches!(refused, Err(IssuerError::Exposed { name: "admin_listen", .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_at_once_add_up() {
    const CONNECTIONS: u32 = 4;
    const MESSAGES: u32 = 300;
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let address = issuer.iso_address();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            tokio::spawn(async move {
                let mut acquirer = Acquirer::signed_on(address).await;
                let mut out = Vec::new();
                for number in 0..MESSAGES {
                    // Every message of the first half comes on two connections.
                    let owner = if number < MESSAGES / 2 { connection / 2 } else { connection };
                    acquirer.frame(&purchase(Name(owner * MESSAGES + number), GOOD_CARD, 10), &mut out);
                }
                acquirer.stream.write_all(&out).await.unwrap();
                for _ in 0..MESSAGES {
                    assert_eq!(acquirer.answer().await.text(39), Some("00"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let distinct = u64::from(2 * (MESSAGES / 2) + CONNECTIONS * (MESSAGES / 2));
    let sums = aed(&issuer).await;
    assert_eq!((sums.posted, sums.entries), (distinct * 10, distinct));
    assert_eq!(stats(&issuer).await.repeats, u64::from(CONNECTIONS * MESSAGES) - distinct);
    issuer.shutdown().await;
}

#[tokio::test]
async fn no_card_number_in_files_and_admin_answers() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    let cards = [GOOD_CARD, "4111111111111111", "9818950527886700002"];
    for (number, card) in (1..).zip(cards) {
        assert_eq!(acquirer.code(&purchase(Name(number), card, 100)).await, "00");
    }
    let admin = issuer.admin_address();
    let mut seen = String::new();
    for path in ["/accounts", "/accounts/1", "/ledger/totals", "/messages/stats", "/health"] {
        seen += &get_text(admin, path).await;
    }
    for number in 1..=3 {
        seen += &get_text(admin, &format!("/ledger/entries?rrn={}", Name(number).rrn())).await;
    }
    seen += &get_text(admin, "/ledger/entries?mask=411111******1111").await;
    seen += &format!("{issuer:?}");
    assert!(seen.contains("411111******1111"), "{seen}");
    let search =
        |bytes: &[u8]| cards.iter().any(|card| bytes.windows(card.len()).any(|window| window == card.as_bytes()));
    assert!(!search(seen.as_bytes()));
    let read_files = || {
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            assert!(!search(&std::fs::read(&path).unwrap()), "a card number in {path:?}");
        }
    };
    read_files();
    issuer.shutdown().await;
    read_files();
}

#[tokio::test]
async fn the_admin_port_shows_accounts_and_refuses_nonsense() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    assert_eq!(acquirer.code(&authorization(Name(1), "4111111111111111", 100)).await, "00");
    let admin = issuer.admin_address();
    let accounts: Vec<AccountView> = get(admin, "/accounts?mask=411111******1111").await;
    assert_eq!(accounts.len(), 1);
    let balance = &accounts[0].balances[0];
    assert_eq!((balance.currency.as_str(), balance.held, balance.open_to_buy), ("AED", 100, 99_999_900));
    let one: AccountView = get(admin, &format!("/accounts/{}", accounts[0].id)).await;
    assert_eq!(one, accounts[0]);
    let health: Health = get(admin, "/health").await;
    assert_eq!((health.status.as_str(), health.connections), ("up", 1));
    for path in ["/", "/accounts/x", "/accounts/99999", "/ledger/entries", "/ledger/entries?rrn=1&mask=2", "/x"] {
        assert!(get_text(admin, path).await.contains("\"error\""), "{path}");
    }
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_reversal_under_another_card_undoes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = start(folder.path()).await;
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    assert_eq!(acquirer.code(&authorization(Name(1), GOOD_CARD, 100)).await, "00");
    // The message as it is named never arrived: acknowledged, and nothing of the other card moves.
    assert_eq!(acquirer.code(&reversal(Name(1), "0100", "5123456789012346", 100)).await, "00");
    assert_eq!(aed(&issuer).await.held, 100);
    let entries = entries(&issuer, Name(1)).await;
    assert_eq!(entries.iter().map(|entry| entry.effect.as_str()).collect::<Vec<_>>(), ["hold", "tombstone"]);
    issuer.shutdown().await;
}

#[tokio::test]
async fn a_full_ledger_refuses_payments_and_still_takes_reversals() {
    let folder = tempfile::tempdir().unwrap();
    let limits = tollgate_issuer::IssuerLimits { entries_max: 10, ..Default::default() };
    let issuer = Issuer::start(IssuerSettings { limits, ..settings(folder.path()) }).await.unwrap();
    let mut acquirer = Acquirer::signed_on(issuer.iso_address()).await;
    for number in 0..10 {
        assert_eq!(acquirer.code(&authorization(Name(number), GOOD_CARD, 100)).await, "00");
    }
    assert_eq!(acquirer.code(&authorization(Name(10), GOOD_CARD, 100)).await, "96");
    assert_eq!(acquirer.code(&authorization(Name(9), GOOD_CARD, 100)).await, "00", "a repeat needs no room");
    assert_eq!(acquirer.code(&reversal(Name(9), "0100", GOOD_CARD, 100)).await, "00");
    assert_eq!(acquirer.code(&reversal(Name(8), "0100", GOOD_CARD, 100)).await, "96");
    assert_eq!(aed(&issuer).await.held, 900);
    issuer.shutdown().await;
}
