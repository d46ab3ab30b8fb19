//! Runs seeds. `cargo run -p xtask -- sim --help` says how.

use clap::Parser;
use std::io::ErrorKind;
use std::process::ExitCode;
use tollgate_sim::{Arguments, carry_out};

/// A run makes and drops many small things; mimalloc does that faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As a program that a closed pipe has ended: 128 and the number of SIGPIPE.
const NOBODY_READS: u8 = 141;

fn main() -> ExitCode {
    match carry_out(&Arguments::parse(), &mut std::io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.downcast_ref().map(std::io::Error::kind) == Some(ErrorKind::BrokenPipe) => {
            ExitCode::from(NOBODY_READS)
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
