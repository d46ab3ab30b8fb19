//! Whatever comes as the file of a batch, in whatever pieces, is split and judged without a panic; the pieces make no
//! difference, and no card number outlives it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::batch::{BatchFault, BatchRows};
use tollgate_core::card_scan::holds_card_number;
use tollgate_fort::batch_file::{FileRow, Header, RowContext, RowSplitter, command};

fuzz_target!(|data: &[u8]| {
    let Some((size, file)) = data.split_first() else { return };
    let whole = split(file, file.len());
    assert!(split(file, usize::from(*size)) == whole, "the pieces make no difference");
    let Ok(rows) = whole else { return };
    let Some((first, rest)) = rows.split_first() else { return };
    let Ok(header) = Header::of(first) else { return };
    for rows in [BatchRows::Fort, BatchRows::Wide] {
        let context = RowContext {
            header: &header,
            access_code: "AC",
            merchant_identifier: "MI",
            language: "en",
            batch_reference: "B",
            rows,
        };
        for row in rest {
            assert!(row.cells.iter().all(|cell| !holds_card_number(cell)), "no card number outlives the splitting");
            let _ = command(&context, row);
        }
    }
});

fn split(file: &[u8], size: usize) -> Result<Vec<FileRow>, BatchFault> {
    let (mut splitter, mut rows) = (RowSplitter::default(), Vec::new());
    for piece in file.chunks(size.max(1)) {
        splitter.push(piece, |row| rows.push(row));
    }
    splitter.finish(|row| rows.push(row)).map(|()| rows)
}
