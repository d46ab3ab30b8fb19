//! The Tollgate binary: the only place that wires everything together.

mod admin_client;
mod agreement;
mod audit_heads;
mod batch;
mod bench;
mod client;
mod clock;
mod command;
mod config;
mod custodians;
mod data_folder;
mod demo;
mod demo_shop;
mod desk;
mod duration;
mod evidence;
mod feedback;
mod feedback_story;
mod issuer_countries;
mod key_source;
mod keys;
mod link;
mod listen;
mod logging;
mod message_route;
mod messages;
mod operator;
mod passphrases;
mod pci_scope;
mod recurring;
mod run_lock;
mod running;
mod sandbox;
mod story;
mod terminal;
mod three_ds_link;
mod token;
mod unknown;
mod vault_file;
mod who;
mod wiring;

use clap::{CommandFactory, FromArgMatches};
use std::process::ExitCode;

/// A payment allocates some hundred small texts; this allocator is quicker at that than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quiet_when_nobody_reads();
    let matches = command::Cli::command().get_matches();
    who::is_command(command::name_of(&matches));
    let command = command::Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tollgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the process in silence when who reads its output is gone (`tollgate explain X | head`): printing panics then.
fn quiet_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            // As a program that a closed pipe has ended: 128 and the number of SIGPIPE.
            std::process::exit(141);
        }
        usual(panic);
    }));
}
