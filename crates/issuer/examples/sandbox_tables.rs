//! Prints the tables of `docs/sandbox.md` as the sandbox network follows them.

use tollgate_issuer::{Behaviours, BehavioursError};

fn main() -> Result<(), BehavioursError> {
    print!("{}", Behaviours::builtin()?.as_markdown());
    Ok(())
}
