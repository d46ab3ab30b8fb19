//! The generated parts of the documents.

use anyhow::Context;
use std::path::Path;

/// Where the generated part of docs/three-ds.md begins and ends.
const TABLE_MARKS: [&str; 2] = ["<!-- the table: cargo run -p xtask -- docs -->\n", "<!-- end of the table -->\n"];

/// Writes docs/transitions.md, and the table in docs/three-ds.md, from the tables in the code.
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
    three_ds(root)
}

fn three_ds(root: &Path) -> anyhow::Result<()> {
    let path = root.join("docs/three-ds.md");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let [begin, end] = TABLE_MARKS;
    let (head, rest) = text.split_once(begin).context("docs/three-ds.md has lost the mark where its table begins")?;
    let (_, tail) = rest.split_once(end).context("docs/three-ds.md has lost the mark where its table ends")?;
    let table = tollgate_threeds::flow::edges::as_markdown();
    std::fs::write(&path, format!("{head}{begin}\n{table}\n{end}{tail}"))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
