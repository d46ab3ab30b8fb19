//! Runs seeds. `cargo run -p xtask -- sim --help` says how.

use clap::Parser;
use std::process::ExitCode;
use tollgate_sim::{Arguments, carry_out};

fn main() -> ExitCode {
    match carry_out(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
