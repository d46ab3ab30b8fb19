//! Searching everything that a run leaves behind for card numbers and security codes.

use std::collections::HashMap;
use std::path::Path;

/// Something that was written or said, with a name for the report.
pub struct Sink {
    /// What it is.
    pub name: String,
    /// All of its bytes.
    pub bytes: Vec<u8>,
}

impl Sink {
    /// A text.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Sink {
        Sink { name: name.into(), bytes: text.into().into_bytes() }
    }
}

/// Every file under a folder as it lies on the disk, and every value of every row of the databases
/// among them, so that a value that lies in pieces on several pages is read in one.
pub fn files(folder: &Path) -> Vec<Sink> {
    let mut sinks = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sinks.extend(files(&path));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        if bytes.starts_with(b"SQLite format 3\0") {
            sinks.push(values(&path));
        }
        sinks.push(Sink { name: path.display().to_string(), bytes });
    }
    sinks
}

/// All values of a database, one after the other.
fn values(path: &Path) -> Sink {
    // A copy, because reading merges what a killed process left in the journal.
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let from = format!("{}{suffix}", path.display());
        if Path::new(&from).exists() {
            std::fs::copy(&from, copy.path().join(format!("copy.db{suffix}"))).unwrap();
        }
    }
    let database = rusqlite::Connection::open(copy.path().join("copy.db")).unwrap();
    let mut statement = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(!tables.is_empty(), "{} holds no tables", path.display());
    let mut bytes = Vec::new();
    for table in tables {
        let mut statement = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                use rusqlite::types::ValueRef;
                match row.get_ref(column).unwrap() {
                    ValueRef::Null => {}
                    ValueRef::Integer(number) => bytes.extend_from_slice(number.to_string().as_bytes()),
                    ValueRef::Real(number) => bytes.extend_from_slice(number.to_string().as_bytes()),
                    ValueRef::Text(text) | ValueRef::Blob(text) => bytes.extend_from_slice(text),
                }
                bytes.push(b'\n');
            }
        }
    }
    Sink { name: format!("values of {}", path.display()), bytes }
}

/// What must not be found.
pub struct Forbidden {
    needles: HashMap<[u8; KEY], Vec<Needle>>,
    begins: Vec<bool>,
    security_codes: Vec<String>,
}

struct Needle {
    bytes: Vec<u8>,
    what: String,
}

/// A needle is looked up by so many first bytes.
const KEY: usize = 6;

impl Forbidden {
    /// These card numbers in every form that a program may give them, and these security codes
    /// wherever they stand as a value.
    pub fn new(numbers: &[String], security_codes: &[&str]) -> Forbidden {
        let mut needles: HashMap<[u8; KEY], Vec<Needle>> = HashMap::new();
        let mut begins = vec![false; 1 << 16];
        for number in numbers {
            for (form, bytes) in forms(number) {
                begins[place(&bytes)] = true;
                let key = bytes[..KEY].try_into().unwrap();
                needles.entry(key).or_default().push(Needle { what: format!("{number} {form}"), bytes });
            }
        }
        Forbidden { needles, begins, security_codes: security_codes.iter().map(|code| (*code).to_owned()).collect() }
    }

    /// What is found in the bytes: the forbidden thing with a little of what is around it.
    pub fn found(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for at in 0..bytes.len().saturating_sub(KEY) {
            let rest = &bytes[at..];
            if self.begins[place(rest)] {
                let key: [u8; KEY] = rest[..KEY].try_into().unwrap();
                let needles = self.needles.get(&key).map(Vec::as_slice).unwrap_or_default();
                let hit = needles.iter().filter(|needle| rest.starts_with(&needle.bytes));
                found.extend(hit.map(|needle| format!("{} in {:?}", needle.what, around(bytes, at))));
            }
            let code = self.security_codes.iter().find(|code| is_security_code(bytes, at, code.as_bytes()));
            found.extend(code.map(|code| format!("security code {code} in {:?}", around(bytes, at))));
        }
        found
    }

    /// Fails with everything that is found in any of the sinks.
    pub fn assert_in_none(&self, sinks: &[Sink]) {
        let found: Vec<String> = sinks
            .iter()
            .flat_map(|sink| self.found(&sink.bytes).into_iter().take(3).map(|hit| format!("{}: {hit}", sink.name)))
            .collect();
        assert!(found.is_empty(), "card data was left behind:\n{}", found.join("\n"));
    }
}

/// The forms of a card number: as text, in groups, packed two digits to a byte, as hex of its text,
/// and as Rust prints bytes.
fn forms(number: &str) -> Vec<(&'static str, Vec<u8>)> {
    let groups = |separator: &str| {
        let digits: Vec<char> = number.chars().collect();
        digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(separator).into_bytes()
    };
    let pack = |digits: &str| {
        let nibbles: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
        nibbles.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0x0F)).collect::<Vec<u8>>()
    };
    let list = number.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>();
    vec![
        ("as text", number.as_bytes().to_vec()),
        ("in groups", groups(" ")),
        ("in groups", groups("-")),
        ("packed", pack(number)[..number.len() / 2].to_vec()),
        ("packed", pack(&format!("0{number}"))),
        ("as hex", hex::encode(number).into_bytes()),
        ("as UTF-16", number.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("as bytes", list.join(", ").into_bytes()),
    ]
}

fn place(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Whether a security code stands here as a value: in quotes, after an equals sign or a colon, in a
/// column of values, or as subelement 92 of ISO 8583 field 48; and not as a part of a longer number or
/// of a digest that happens to begin with it.
fn is_security_code(bytes: &[u8], at: usize, code: &[u8]) -> bool {
    let after = bytes.get(at + code.len());
    if !bytes[at..].starts_with(code) || after.is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let before = &bytes[..at];
    let subelement = format!("92{:02}", code.len());
    let is_whole = !after.is_some_and(u8::is_ascii_alphanumeric);
    before.ends_with(subelement.as_bytes())
        || is_whole && ["\"", "=", ":", "'", ": ", "  "].iter().any(|end| before.ends_with(end.as_bytes()))
}

fn around(bytes: &[u8], at: usize) -> String {
    let text = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
    String::from_utf8_lossy(text).into_owned()
}
