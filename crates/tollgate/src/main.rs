//! The Tollgate binary: the only place that wires everything together.

mod admin_client;
mod bench;
mod client;
mod clock;
mod command;
mod config;
mod data_folder;
mod demo;
mod duration;
mod evidence;
mod feedback;
mod feedback_story;
mod key_source;
mod keys;
mod listen;
mod logging;
mod operator;
mod pci_scope;
mod run_lock;
mod running;
mod sandbox;
mod story;
mod unknown;
mod wiring;

use clap::Parser;
use std::process::ExitCode;

/// A payment allocates some hundred small texts; this allocator is quicker at that than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = command::Cli::parse();
    match command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tollgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
