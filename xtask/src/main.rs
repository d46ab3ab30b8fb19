//! Chores of the project: `cargo run -p xtask -- tidy` checks the shape of the tree, `docs` writes the
//! generated parts of the documents anew, `sim` runs the simulator.

mod docs;
mod sim;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let chore = std::env::args().nth(1).unwrap_or_default();
    let result = match chore.as_str() {
        "tidy" => tidy::run(&root()),
        "docs" => docs::run(&root()),
        "sim" => sim::run(&root(), std::env::args().skip(2)),
        _ => {
            eprintln!("cargo run -p xtask -- tidy|docs|sim");
            return ExitCode::FAILURE;
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
