//! The search for card numbers in a data folder.

use crate::data_folder::DataFolder;
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tollgate_core::card_scan::holds_card_number;
use tollgate_store_sqlite::scan_values;

/// After how many values a line of progress is printed.
const VALUES_PER_LINE: u64 = 5_000_000;
/// The largest file that is read, in bytes; a larger one is told of. The database is read value by value.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most files that are looked at.
const FILES_MAX: usize = 100_000;
/// From how many digits in a row on a number may be a card's.
const DIGITS_MIN: usize = 13;

/// What was found.
pub(super) struct Scanned {
    /// For the folder.
    pub(super) shown: Value,
    /// Places with a card number in one run of digits.
    pub(super) card_numbers: u64,
}

/// How often something was found in one place.
#[derive(Default)]
struct Found {
    /// A card number in one run of digits.
    whole: u64,
    /// Groups of digits that would make one together, which may belong to different things.
    grouped: u64,
}

/// Looks through the database and every other file; the folder `except` is left out. Progress goes to standard error.
pub(super) fn scan(folder: &DataFolder, except: &Path) -> anyhow::Result<Scanned> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let mut seen = 0_u64;
    let values = scan_values(&folder.database(), |value| {
        seen += 1;
        if seen.is_multiple_of(VALUES_PER_LINE) {
            eprintln!("  {seen} values of the database searched, now in {}", value.table);
        }
        look(&value.text, &mut found, || format!("{}.{}", value.table, value.column));
    })?;
    let files = Files::of(folder, except)?;
    let mut not_read = files.not_read;
    for path in &files.paths {
        let shown = path.strip_prefix(folder.path()).unwrap_or(path).display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => look(&String::from_utf8_lossy(&bytes), &mut found, || shown.clone()),
            Err(error) => not_read.push(json!({ "file": shown, "why": error.to_string() })),
        }
    }
    eprintln!("  {values} values of the database and {} files searched", files.paths.len());
    let card_numbers = found.values().map(|found| found.whole).sum();
    let places: Vec<Value> = found
        .iter()
        .map(|(place, found)| json!({ "place": place, "card_numbers": found.whole, "groups_that_look_like_one": found.grouped }))
        .collect();
    let shown = json!({
        "database_values": values,
        "files": files.paths.len(),
        "card_numbers": card_numbers,
        "found": places,
        "not_read": not_read,
        "how": "Every value of every table, and every other file, is searched for numbers with the leading digits and the \
                length of a known brand and a right check digit. One in ten numbers that look like one is right by chance. \
                Groups are digits apart from each other that would make one if they belonged together, as fields of a wire \
                message do not. Sealed values are searched as they are stored. Pages that the database has freed are not \
                searched. The sandbox card network's own folder is left out: its cards are made up.",
    });
    Ok(Scanned { shown, card_numbers })
}

fn look(text: &str, found: &mut BTreeMap<String, Found>, place: impl FnOnce() -> String) {
    if !holds_card_number(text) {
        return;
    }
    let mut runs = text.split(|character: char| !character.is_ascii_digit());
    let whole = runs.any(|run| run.len() >= DIGITS_MIN && holds_card_number(run));
    let found = found.entry(place()).or_default();
    if whole {
        found.whole += 1;
    } else {
        found.grouped += 1;
    }
}

/// The files beside the database.
#[derive(Default)]
struct Files {
    paths: Vec<PathBuf>,
    not_read: Vec<Value>,
}

impl Files {
    fn of(folder: &DataFolder, except: &Path) -> anyhow::Result<Files> {
        let database = folder.database();
        let of_database = ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", database.display())));
        let mut files = Files::default();
        let mut open = vec![folder.path().to_owned()];
        while let Some(at) = open.pop() {
            for entry in std::fs::read_dir(&at).with_context(|| format!("{} cannot be read", at.display()))? {
                let entry = entry?;
                let (path, kind) = (entry.path(), entry.file_type()?);
                let left_out = of_database.contains(&path)
                    || path == folder.issuer()
                    || std::fs::canonicalize(&path).is_ok_and(|path| path == except);
                if left_out {
                    continue;
                }
                if kind.is_dir() {
                    open.push(path);
                    continue;
                }
                let shown = path.strip_prefix(folder.path()).unwrap_or(&path).display().to_string();
                let why = match entry.metadata() {
                    _ if !kind.is_file() => "it is no file",
                    _ if files.paths.len() >= FILES_MAX => "there are too many files",
                    Ok(about) if about.len() <= FILE_BYTES_MAX => {
                        files.paths.push(path);
                        continue;
                    }
                    _ => "it is too large, or cannot be read",
                };
                files.not_read.push(json!({ "file": shown, "why": why }));
            }
        }
        files.paths.sort();
        Ok(files)
    }
}
