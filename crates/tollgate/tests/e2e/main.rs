//! The end-to-end tests: they start the real binary. One test binary for all of them, since each of its own would be compiled
//! and linked with the same support; `cargo test -p tollgate --test e2e NAME::` runs one file.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

mod audit;
mod bad_input;
mod batch;
mod batch_killed;
mod bench;
mod card_data;
mod ceremony;
mod client_certificates;
mod clients;
mod clock;
mod codes;
mod concurrency;
mod conformance;
mod demo_cards;
mod demo_shop;
mod encrypted_channel;
mod faults;
mod feedback;
mod hosted_page;
mod hsm;
mod invoices;
mod keys;
mod killed;
mod link_messages;
mod newcomer;
mod operating;
mod own_mpi;
mod payment_links;
mod pci;
mod production;
mod recurring;
mod recut;
mod reports;
mod responses;
mod schedule_calls;
mod schedules;
mod stray_numbers;
mod three_ds;
mod three_ds_killed;
mod token_care;
mod tokenization;
mod tokens;
mod unique_tokens;
mod unknown_by_hand;
mod unknown_outcomes;
mod vault_transfer;
mod verify_card;
