#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use proptest::prelude::*;
use tollgate_core::command::{Eci, MaintainKind, OrderTarget};
use tollgate_core::ident::FortId;

/// Splits a file that comes in pieces of `size` bytes.
fn split(file: &[u8], size: usize) -> Result<Vec<FileRow>, BatchFault> {
    let (mut splitter, mut rows) = (RowSplitter::default(), Vec::new());
    for piece in file.chunks(size.max(1)) {
        splitter.push(piece, |row| rows.push(row));
    }
    splitter.finish(|row| rows.push(row)).map(|()| rows)
}

fn cells(file: &str) -> Vec<(u32, Vec<String>)> {
    split(file.as_bytes(), 7).unwrap().into_iter().map(|row| (row.line, row.cells)).collect()
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn blank_lines_are_passed_over_and_counted_and_either_line_end_will_do() {
    let expected =
        vec![(1, own(&["a", "b"])), (2, own(&["1", "2"])), (5, own(&["3", ""])), (6, own(&["4", "x, \"y\""]))];
    for file in [
        "a,b\n1,2\n\n\n3,\n4,\"x, \"\"y\"\"\"\n",
        "a,b\r\n1,2\r\n\r\n\r\n3,\r\n4,\"x, \"\"y\"\"\"",
        "\u{feff}a,b\n1,2\n\r\n\n3,\n4,\"x, \"\"y\"\"\"\r\n\r\n\n",
    ] {
        assert_eq!(cells(file), expected, "{file:?}");
    }
    assert_eq!(cells("\n\na\n\"x\ny\"\nz\n"), [(3, own(&["a"])), (4, own(&["x\ny"])), (6, own(&["z"]))]);
    assert_eq!(cells(""), []);
    assert_eq!(cells("\u{feff}"), []);
}

#[test]
fn what_cannot_be_a_file_of_rows_is_told_and_the_rows_before_it_stay() {
    assert_eq!(split(b"a\n\xff\xfe\n", 3), Err(BatchFault::NotUtf8));
    assert_eq!(split(b"\xef\xbb", 1), Err(BatchFault::NotUtf8));
    let mut open_quote = b"a\n\"".to_vec();
    open_quote.extend(std::iter::repeat_n(b'x', ROW_BYTES_MAX + 1));
    assert_eq!(split(&open_quote, 1000), Err(BatchFault::RowTooLong));
    let commas = vec![b','; CELLS_MAX + 1];
    assert_eq!(split(&commas, 1000), Err(BatchFault::RowTooLong));
    let mut many = b"a\n".to_vec();
    many.extend(b"1\n".repeat(ROWS_MAX as usize));
    let mut splitter = RowSplitter::default();
    let mut rows = 0;
    splitter.push(&many, |_| rows += 1);
    assert_eq!((rows, splitter.fault()), (ROWS_MAX + 1, None), "with the header");
    splitter.push(b"1\n", |_| rows += 1);
    assert_eq!((rows, splitter.fault()), (ROWS_MAX + 1, Some(BatchFault::TooManyRows)));
}

#[test]
fn a_card_number_in_any_cell_and_spelling_does_not_outlive_the_splitting() {
    for spelling in ["4005550000000001", "4005-5500 0000/0001", "x4005550000000001y", "%34%30%30%35550000000001"] {
        let rows = split(format!("a,b\n1,{spelling}\n").as_bytes(), 5).unwrap();
        assert_eq!(rows[1].held_card_number, CardNumber::InColumn(1), "{spelling}");
        assert!(!holds_card_number(&rows[1].cells[1]), "{spelling}: {}", rows[1].cells[1]);
        assert!(!format!("{:?}", rows[1]).contains("4005"));
    }
}

#[test]
fn a_header_names_known_columns_once_and_what_rows_ask_for() {
    let header = |text: &str| Header::of(&split(text.as_bytes(), 9).unwrap()[0]);
    assert!(header(&COLUMNS.join(",")).is_ok());
    assert_eq!(header(" command , amount\n").unwrap().names(), ["command", "amount"]);
    assert_eq!(header("command,card_number"), Err(HeaderFault::Unknown(2)));
    assert_eq!(header("command,Amount"), Err(HeaderFault::Unknown(2)));
    assert_eq!(header("command,"), Err(HeaderFault::Unknown(2)));
    assert_eq!(header("command,amount,command"), Err(HeaderFault::Twice(3)));
    assert_eq!(header("amount,currency"), Err(HeaderFault::NoCommand));
    assert_eq!(header("service_command,amount").unwrap().kind(), FileKind::Links);
    assert_eq!(header("service_command,command").unwrap().kind(), FileKind::Transactions);
}

/// Judges each row of a file; what was made of it, or the code and the parameter.
fn judge(file: &str, rows: BatchRows) -> Vec<Result<BatchRowCommand, String>> {
    let all = split(file.as_bytes(), 64).unwrap();
    let header = Header::of(&all[0]).unwrap();
    let context = RowContext {
        header: &header,
        access_code: "AC1",
        merchant_identifier: "MI1",
        language: "en",
        batch_reference: "B-1",
        rows,
    };
    let told = |refusal: Refusal| format!("{} {}", refusal.code, refusal.parameter.as_deref().unwrap_or_default());
    all.iter().skip(1).map(|row| command(&context, row).map_err(told)).collect()
}

fn sample(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/batch/");
    std::fs::read_to_string(format!("{path}{name}")).unwrap()
}

#[test]
fn every_row_of_the_good_samples_becomes_its_command() {
    let made = judge(&sample("mixed.csv"), BatchRows::Fort);
    let BatchRowCommand::Pay(pay) = made[0].as_ref().unwrap() else { panic!("{made:?}") };
    assert_eq!(
        (pay.kind, pay.eci, pay.merchant_reference.as_str()),
        (PayKind::Purchase, Eci::Recurring, "SUB-2026-02-0101")
    );
    assert_eq!(pay.token_name.as_deref(), Some("TGTOK0000000000000004"));
    assert_eq!((pay.params.get("batch_reference"), pay.params.get("batch_line")), (Some("B-1"), Some("2")));
    assert_eq!(pay.params.get("access_code"), Some("AC1"), "feedback is signed by it");
    let kinds: Vec<MaintainKind> = made[1..]
        .iter()
        .map(|row| match row.as_ref().unwrap() {
            BatchRowCommand::Maintain(command) => command.kind,
            BatchRowCommand::Pay(_) | BatchRowCommand::Link(_) => panic!("{row:?}"),
        })
        .collect();
    assert_eq!(kinds, [MaintainKind::Capture, MaintainKind::Refund, MaintainKind::Void]);
    for name in ["captures.csv", "refunds.csv", "voids.csv", "recurring_token_payments.csv"] {
        assert!(judge(&sample(name), BatchRows::Fort).iter().all(Result::is_ok), "{name}");
    }
    let BatchRowCommand::Maintain(by_number) = judge(&sample("captures.csv"), BatchRows::Fort).remove(2).unwrap()
    else {
        panic!("a capture")
    };
    assert_eq!(by_number.target, OrderTarget::FortId(FortId(169_996_200_000_000_012)));
}

#[test]
fn the_first_fault_of_a_row_counts_in_the_order_of_the_single_call() {
    let made = judge(&sample("with_errors.csv"), BatchRows::Fort);
    let codes: Vec<String> = made.iter().map(|row| row.as_ref().err().cloned().unwrap_or_default()).collect();
    // What only the store can tell (lines 3, 8, 9 and 10) is told later.
    let expected =
        ["", "", "00002 amount", "00001 token_name", "00113 eci", "00004 command", "", "", "", "00013 currency"];
    assert_eq!(codes, expected);
    let row = |cells: &str| {
        let header = "command,merchant_reference,amount,currency,customer_email,eci,token_name,order_description";
        judge(&format!("{header}\n{cells}\n"), BatchRows::Fort).remove(0).err().unwrap_or_default()
    };
    for (cells, fault) in [
        ("PURCHASE,R-1,100,AED,a@b.c,RECURRING,t,", ""),
        ("purchase,R-1,100,AED,a@b.c,RECURRING,t,", "00004 command"),
        ("CHECK_STATUS,R-1,100,AED,a@b.c,RECURRING,t,", "00004 command"),
        (",R-1,100,AED,a@b.c,RECURRING,t,", "00001 command"),
        ("PURCHASE,,100,AED,a@b.c,RECURRING,t,", "00001 merchant_reference"),
        ("PURCHASE,R-1,100,AED,,RECURRING,t,", "00001 customer_email"),
        ("PURCHASE,R-1,0,AED,a@b.c,RECURRING,t,", "00005 amount"),
        ("PURCHASE,R-1,12345678901,AED,a@b.c,RECURRING,t,", "00005 amount"),
        ("PURCHASE,R-1,100,AED,a@b.c,MOTO,t,", "00113 eci"),
        ("PURCHASE,R-1,100,AED,a@b.c,WEEKLY,t,", "00033 eci"),
        ("PURCHASE,R 1,100,AED,a@b.c,RECURRING,t,", "00002 merchant_reference"),
        ("PURCHASE,R-1,100,AED,a@b.c,RECURRING,t", "00002 "),
        ("PURCHASE,R-1,100,AED,a@b.c,RECURRING,t,,", "00002 "),
        ("REFUND,,100,AED,,,,", "00001 merchant_reference"),
        ("REFUND,R-1,,AED,,,,", "00001 amount"),
        ("VOID_AUTHORIZATION,R-1,x,,,,,", ""),
        ("PURCHASE,R-1,100,AED,a@b.c,RECURRING,t,card 4005550000000001", "00033 order_description"),
        ("PURCHASE,4005550000000001,100,AED,a@b.c,RECURRING,t,", "00033 merchant_reference"),
    ] {
        assert_eq!(row(cells), fault, "{cells}");
    }
    let long = format!("PURCHASE,{},100,AED,a@b.c,RECURRING,t,", "R".repeat(41));
    assert_eq!(row(&long), "00032 merchant_reference");
}

#[test]
fn a_file_of_payment_links_holds_nothing_else() {
    let made = judge(&sample("payment_links.csv"), BatchRows::Fort);
    let BatchRowCommand::Link(link) = made[2].as_ref().unwrap() else { panic!("{made:?}") };
    assert_eq!((link.merchant_reference.as_str(), link.kind), ("INV-2026-0003", PayKind::Authorization));
    assert_eq!((link.money.to_string().as_str(), link.payment_option.as_deref()), ("12.500 KWD", Some("VISA")));
    assert_eq!(link.description.as_deref(), Some("Deposit, room 12"));
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let row = |header: &str, cells: &str| {
        judge(&format!("{header}\n{cells}\n"), BatchRows::Fort).remove(0).err().unwrap_or_default()
    };
    let columns =
        "service_command,merchant_reference,amount,currency,customer_email,request_expiry_date,notification_type";
    let rest = "R-1,100,AED,a@b.c,2030-01-31T23:59:59+04:00,NONE";
    for (cells, fault) in [
        (format!("PAYMENT_LINK,{rest}"), ""),
        (format!("CHECK_PAYMENT_LINK_STATUS,{rest}"), "00004 service_command"),
        (format!("PURCHASE,{rest}"), "00004 service_command"),
        (format!(",{rest}"), "00001 service_command"),
        (format!("PAYMENT_LINK,{}", rest.replace("NONE", "")), "00001 notification_type"),
        (format!("PAYMENT_LINK,{}", rest.replace("100", "1.00")), "00002 amount"),
        (
            format!("PAYMENT_LINK,{}", rest.replace("2030-01-31T23:59:59+04:00", "tomorrow")),
            "00002 request_expiry_date",
        ),
    ] {
        assert_eq!(row(columns, &cells), fault, "{cells}");
    }
    assert_eq!(row(&format!("command,{columns}"), &format!("PAYMENT_LINK,,{rest}")), "00004 command", "mixed");
    assert_eq!(row(&format!("command,{columns}"), &format!(",PAYMENT_LINK,{rest}")), "00001 command", "mixed");
}

#[test]
fn a_wide_account_takes_authorizations_and_orders_by_mail() {
    let file = "command,merchant_reference,amount,currency,customer_email,eci,token_name\n\
                AUTHORIZATION,R-1,100,AED,a@b.c,MOTO,t\nPURCHASE,R-2,100,AED,a@b.c,MOTO,t\n\
                AUTHORIZATION,R-3,100,AED,a@b.c,ECOMMERCE,t\n";
    let codes = |rows| judge(file, rows).into_iter().map(|row| row.err().unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(codes(BatchRows::Wide), ["", "", "00113 eci"]);
    assert_eq!(codes(BatchRows::Fort), ["00004 command", "00113 eci", "00004 command"]);
}

#[test]
fn rows_are_the_same_when_they_ask_for_the_same_again() {
    let file = "command,merchant_reference,fort_id,amount,currency,maintenance_reference\n\
                REFUND,R-1,,100,AED,\nREFUND,R-1,,100,AED,\nREFUND,R-1,,101,AED,\nREFUND,R-1,,100,AED,M-1\nCAPTURE,R-1,,100,AED,\n";
    let identities: Vec<String> = judge(file, BatchRows::Fort).into_iter().map(|row| row.unwrap().identity()).collect();
    assert_eq!(identities[0], identities[1]);
    let mut others = identities[1..].to_vec();
    others.sort();
    others.dedup();
    assert_eq!(others.len(), 4);
}

#[test]
fn result_values_are_quoted_and_quotes_doubled() {
    let mut out = RESULT_HEADER.to_owned();
    push_result(&mut out, &["5".into(), "a\"b\"".into(), "".into()]);
    assert!(out.ends_with("currency\n\"5\",\"a\"\"b\"\"\",\"\"\n"), "{out}");
    assert_eq!(sample("mixed.result.csv").lines().next(), RESULT_HEADER.lines().next());
}

proptest! {
    #[test]
    fn a_file_is_split_the_same_in_whatever_pieces_it_comes(
        file in "(\u{feff})?([a-z\",\r\n é]|\"[a\n\r,]*\"|,,|\n\n){0,60}",
        size in 1usize..9,
    ) {
        prop_assert_eq!(split(file.as_bytes(), size), split(file.as_bytes(), usize::MAX));
    }

    #[test]
    fn any_bytes_are_split_or_refused_without_a_panic(file in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..20) {
        if let Ok(rows) = split(&file, size) {
            prop_assert!(rows.windows(2).all(|pair| pair[0].line < pair[1].line), "no two rows have one line");
            prop_assert!(rows.iter().flat_map(|row| &row.cells).all(|cell| !holds_card_number(cell)));
        }
    }

    #[test]
    fn what_another_writer_writes_is_read_as_it_was(rows in prop::collection::vec(prop::collection::vec("[a-zé \",\n]{0,8}", 3), 1..6)) {
        let mut file = String::new();
        for row in &rows {
            let values: Vec<Cow<'_, str>> = row.iter().map(|cell| Cow::Borrowed(cell.as_str())).collect();
            push_result(&mut file, &values);
        }
        let read: Vec<Vec<String>> = split(file.as_bytes(), 3).unwrap().into_iter().map(|row| row.cells).collect();
        prop_assert_eq!(read, rows);
    }
}
