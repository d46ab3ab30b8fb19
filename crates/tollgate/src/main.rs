//! The Tollgate binary: the only place that wires everything together.

mod bench;
mod client;
mod clock;
mod command;
mod config;
mod data_folder;
mod demo;
mod logging;
mod running;
mod story;
mod wiring;

use clap::Parser;
use std::process::ExitCode;

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
