//! Runs seeds. `cargo run -p xtask -- sim --help` says how.

use clap::Parser;
use std::process::ExitCode;
use tollgate_sim::{Arguments, carry_out};

/// A run makes and drops many small things; mimalloc does that faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
