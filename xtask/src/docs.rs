//! The generated parts of the documents.

use anyhow::Context;
use std::path::Path;

/// Writes docs/transitions.md from the tables in the code.
pub fn run(root: &Path) -> anyhow::Result<()> {
    let path = root.join("docs/transitions.md");
    let text = format!(
        "# The life of a payment\n\nWritten by `cargo run -p xtask -- docs` from `crates/core/src/transition.rs`; a test fails \
         when the two differ.\n\nAn operation is one message to the card network with its outcome; an order is one payment with \
         all its operations. The first table says what an event does to an operation, the second what an operation's new state \
         does to its order. A pair that is in neither table cannot happen: it is refused and changes nothing.\n\n{}",
        tollgate_core::transition::as_markdown()
    );
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
