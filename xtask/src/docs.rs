//! The generated parts of the documents.

use anyhow::Context;
use std::path::Path;

/// Where the generated part of docs/three-ds.md begins and ends.
const TABLE_MARKS: [&str; 2] = ["<!-- the table: cargo run -p xtask -- docs -->\n", "<!-- end of the table -->\n"];

/// The same in docs/batch.md.
const BATCH_MARKS: [&str; 2] = ["<!-- the table: crates/core/src/batch.rs -->\n", "<!-- end of the table -->\n"];

/// Writes docs/transitions.md, and the tables in docs/three-ds.md and docs/batch.md, from the tables in the code.
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
    table(root, "docs/three-ds.md", TABLE_MARKS, &tollgate_threeds::flow::edges::as_markdown())?;
    table(root, "docs/batch.md", BATCH_MARKS, &tollgate_core::batch::as_markdown())
}

/// Writes a table between its marks.
fn table(root: &Path, document: &str, marks: [&str; 2], table: &str) -> anyhow::Result<()> {
    let path = root.join(document);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let [begin, end] = marks;
    let (head, rest) =
        text.split_once(begin).with_context(|| format!("{document} has lost the mark where its table begins"))?;
    let (_, tail) =
        rest.split_once(end).with_context(|| format!("{document} has lost the mark where its table ends"))?;
    std::fs::write(&path, format!("{head}{begin}\n{table}\n{end}{tail}"))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
