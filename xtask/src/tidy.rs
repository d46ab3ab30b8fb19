//! The shape of the tree, as a test: who names whom, how long files and functions are, who may see a
//! card number.

use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The most lines of a file.
const FILE_LINES_MAX: usize = 820;
/// The most lines of a function outside tests.
const FUNCTION_LINES_MAX: usize = 75;

/// Which crates of ours a crate may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("iso8583", &[]),
    ("fort", &["core"]),
    ("threeds", &["core"]),
    ("vault", &["core"]),
    ("store", &["core", "vault"]),
    ("store-sqlite", &["store", "core", "vault"]),
    ("acquirer", &["core", "iso8583"]),
    ("issuer", &["iso8583", "core", "threeds"]),
    ("app", &["core", "vault", "store", "acquirer", "threeds"]),
    ("paper", &[]),
    ("http", &["app", "fort", "core", "paper", "store", "threeds"]),
    ("feedback", &["store", "core"]),
    ("notify", &["store", "core", "feedback"]),
    ("sim", &["app", "store", "store-sqlite", "acquirer", "feedback", "vault", "core", "iso8583"]),
    (
        "tollgate",
        &[
            "core",
            "fort",
            "iso8583",
            "threeds",
            "vault",
            "store",
            "store-sqlite",
            "acquirer",
            "issuer",
            "app",
            "http",
            "paper",
            "feedback",
            "notify",
        ],
    ),
];

/// Which crates may name a type that holds card data in clear, by the type.
const CARD_CORRIDOR: &[(&str, &[&str])] = &[
    ("Pan", &["core", "vault", "acquirer", "issuer", "threeds"]),
    ("SecurityCode", &["core", "fort", "acquirer", "issuer", "sim"]),
    ("RevealPermit", &["core", "vault", "acquirer", "issuer", "threeds"]),
];

/// Runs every check, prints what is wrong, and fails when anything is.
pub fn run(root: &Path) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for (name, may) in MAY_NAME {
        check_names(root, name, may, &mut faults)?;
    }
    let known: Vec<&str> = MAY_NAME.iter().map(|(name, _)| *name).collect();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !known.contains(&name.as_str()) {
            faults.push(format!("crates/{name}: say in xtask/src/tidy.rs whom it may name"));
        }
    }
    for file in rust_files(&root.join("crates"))?.into_iter().chain(rust_files(&root.join("xtask"))?) {
        check_file(root, &file, &mut faults)?;
    }
    if faults.is_empty() {
        println!("tidy: nothing to say");
        return Ok(());
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    bail!("tidy: {} faults", faults.len())
}

fn check_names(root: &Path, name: &str, may: &[&str], faults: &mut Vec<String>) -> anyhow::Result<()> {
    let path = root.join("crates").join(name).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let manifest: toml::Table = text.parse()?;
    let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table) else { return Ok(()) };
    for dependency in dependencies.keys() {
        let Some(ours) = dependency.strip_prefix("tollgate-") else { continue };
        if !may.contains(&ours) {
            faults.push(format!("crates/{name} names tollgate-{ours}, which it may not"));
        }
    }
    Ok(())
}

fn check_file(root: &Path, path: &Path, faults: &mut Vec<String>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        faults.push(format!("{shown} has {lines} lines, more than {FILE_LINES_MAX}: split it along a seam"));
    }
    let is_test = shown.contains("/tests/") || shown.contains("/benches/") || shown.contains("/examples/");
    if is_test {
        return Ok(());
    }
    let code: Vec<&str> = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").collect();
    for (name, length) in functions(&code) {
        if length > FUNCTION_LINES_MAX {
            faults.push(format!("{shown}: fn {name} has {length} lines, more than {FUNCTION_LINES_MAX}"));
        }
    }
    let Some(crate_name) = shown.strip_prefix("crates/").and_then(|rest| rest.split('/').next()) else { return Ok(()) };
    // A crate that cannot name core cannot mean its types: a word of its own may look the same.
    if !MAY_NAME.iter().any(|(name, may)| *name == crate_name && (may.contains(&"core") || crate_name == "core")) {
        return Ok(());
    }
    for (card_type, may) in CARD_CORRIDOR {
        if may.contains(&crate_name) {
            continue;
        }
        let named = code.iter().any(|line| !line.trim_start().starts_with("//") && has_word(line, card_type));
        if named {
            faults.push(format!("{shown} names {card_type}: crates/{crate_name} does not lie on the card's corridor"));
        }
    }
    Ok(())
}

/// Whether `word` stands in `line` by itself.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The functions of a file and their lengths, by the indentation that rustfmt gives.
fn functions(code: &[&str]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (start, line) in code.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let Some(name) = function_name(trimmed) else { continue };
        let declared_only = code.iter().skip(start).find_map(|line| match line.trim_end().chars().next_back() {
            Some(';') => Some(true),
            Some('{' | '}') => Some(false),
            _ => None,
        });
        if declared_only == Some(true) {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent));
        let Some(end) = code.iter().skip(start).position(|line| *line == closing) else { continue };
        found.insert(format!("{name} (line {})", start + 1), end + 1);
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let words = ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "];
    let mut rest = line;
    while let Some(next) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = next;
    }
    let rest = rest.strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("{} cannot be read", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
