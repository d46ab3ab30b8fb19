//! A split key file that somebody has changed, with a right sum under it, is read or refused without a panic, and only the
//! file as it was made opens.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tollgate_vault::{FuzzedFile, FuzzedSplit};

static SPLIT: LazyLock<FuzzedSplit> = LazyLock::new(|| FuzzedSplit::make().expect("a key"));

fuzz_target!(|data: &[u8]| {
    // As it comes, and as changes of a file that is one: what is random is hardly ever a file.
    if let Ok(text) = std::str::from_utf8(data) {
        assert_ne!(SPLIT.judge(text), FuzzedFile::Opened);
    }
    let changed = changed(SPLIT.lines(), data);
    let judged = SPLIT.judge(&changed);
    assert_eq!(judged == FuzzedFile::Opened, changed == SPLIT.lines(), "{judged:?}");
});

/// The lines with changes made: each four bytes of `data` are a kind, a place of two bytes, and a letter.
fn changed(lines: &str, data: &[u8]) -> String {
    let mut lines: Vec<Vec<u8>> = lines.split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect();
    for change in data.chunks_exact(4) {
        let [kind, place, column, letter] = [0, 1, 2, 3].map(|at| usize::from(change[at]));
        if lines.is_empty() {
            break;
        }
        let at = place % lines.len();
        let line = &mut lines[at];
        let column = column % line.len().max(1);
        // Plain letters only, so that the file stays a text.
        let letter = b' ' + (letter % 95) as u8;
        match kind % 6 {
            0 if !line.is_empty() => line[column] = letter,
            1 => line.insert(column, letter),
            2 if !line.is_empty() => drop(line.remove(column)),
            3 => lines.insert(at, lines[at].clone()),
            4 => drop(lines.remove(at)),
            5 => {
                let other = usize::from(letter) % lines.len();
                lines.swap(at, other);
            }
            _ => {}
        }
    }
    String::from_utf8(lines.concat()).expect("letters")
}
