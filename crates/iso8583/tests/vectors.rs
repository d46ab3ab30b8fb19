//! Whole messages derived by hand from the standard, byte by byte, in both directions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tollgate_iso8583::{Message, Mti, PackError, PackReason, Place, Spec, UnpackReason};

const ASCII: &str = "iso8583-1987-ascii";
const ASCII_BINARY: &str = "iso8583-1987-ascii-binary";
const BCD: &str = "iso8583-1987-bcd";

/// Bytes from hexadecimal; spaces are for the eye.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

fn message(mti: Mti, fields: &[(u8, &[u8])]) -> Message {
    let mut message = Message::new();
    message.set_mti(mti);
    for (field, value) in fields {
        message.set(*field, value).unwrap();
    }
    message
}

fn check(spec: &str, message: &Message, wire: &[u8]) {
    let spec = Spec::builtin(spec).unwrap();
    let mut packed = Vec::new();
    spec.pack(message, &mut packed).unwrap();
    assert_eq!(packed, wire, "packed {packed:02X?}");
    let mut unpacked = Message::new();
    spec.unpack(wire, &mut unpacked).unwrap();
    assert!(unpacked == *message, "unpacked {unpacked:?}");
}

/// Fields 2 3 4 7 | 11 12 13 14 | 18 22 | 25 32 | 37 | 41 42 43 48 | 49 | 60: bitmap 72 3C 44 81 08 E1 80 10.
fn authorization() -> Message {
    message(
        Mti::AUTHORIZATION_REQUEST,
        &[
            (2, b"4111111111111111"),
            (3, b"000000"),
            (4, b"000000012345"),
            (7, b"1120192939"),
            (11, b"000042"),
            (12, b"192939"),
            (13, b"1120"),
            (14, b"3012"),
            (18, b"5411"),
            (22, b"012"),
            (25, b"59"),
            (32, b"12345678901"),
            (37, b"632419000042"),
            (41, b"TERM0001"),
            (42, b"MERCHANT0000001"),
            (43, b"TOLLGATE BOOKS            DUBAI       AE"),
            (48, b"10020592031230300"),
            (49, b"784"),
            (60, b"A-1"),
        ],
    )
}

#[test]
fn authorization_request_in_ascii() {
    let wire = concat!(
        "0100",                                     // MTI
        "723C448108E18010",                         // bitmap in hexadecimal
        "16",                                       // 2: LLVAR
        "4111111111111111",                         //
        "000000",                                   // 3
        "000000012345",                             // 4: 123.45
        "1120192939",                               // 7
        "000042",                                   // 11
        "192939",                                   // 12
        "1120",                                     // 13
        "3012",                                     // 14
        "5411",                                     // 18
        "012",                                      // 22
        "59",                                       // 25
        "11",                                       // 32: LLVAR
        "12345678901",                              //
        "632419000042",                             // 37
        "TERM0001",                                 // 41
        "MERCHANT0000001",                          // 42
        "TOLLGATE BOOKS            DUBAI       AE", // 43: 40 characters
        "017",                                      // 48: LLLVAR
        "10020592031230300",                        //
        "784",                                      // 49
        "003",                                      // 60: LLLVAR
        "A-1",
    );
    check(ASCII, &authorization(), wire.as_bytes());
}

#[test]
fn authorization_request_in_bcd_and_ebcdic() {
    let wire = hex(concat!(
        "0100",                                    // MTI: BCD
        "723C448108E18010",                        // bitmap: binary
        "16 4111111111111111",                     // 2: BCD length in digits, even
        "000000",                                  // 3
        "000000012345",                            // 4
        "1120192939",                              // 7
        "000042",                                  // 11
        "192939",                                  // 12
        "1120",                                    // 13
        "3012",                                    // 14
        "5411",                                    // 18
        "0012",                                    // 22: three digits, zero nibble on the left
        "59",                                      // 25
        "11 012345678901",                         // 32: eleven digits in six bytes, the length counts eleven
        "F6F3F2F4F1F9F0F0F0F0F4F2",                // 37: an, hence EBCDIC
        "E3C5D9D4F0F0F0F1",                        // 41: TERM0001
        "D4C5D9C3C8C1D5E3F0F0F0F0F0F0F1",          // 42: MERCHANT0000001
        "E3D6D3D3C7C1E3C5 40 C2D6D6D2E2",          // 43: TOLLGATE BOOKS
        "404040404040404040404040",                //     12 spaces
        "C4E4C2C1C9 40404040404040 C1C5",          //     DUBAI, 7 spaces, AE
        "0017 F1F0F0F2F0F5F9F2F0F3F1F2F3F0F3F0F0", // 48: BCD length of two bytes
        "F7F8F4",                                  // 49
        "0003 C160F1",                             // 60: A-1
    ));
    check(BCD, &authorization(), &wire);
}

#[test]
fn reversal_advice_with_both_bitmaps_signed_fee_track_pin_chip_and_mac() {
    // Fields 3 4 | 11 | - | 28 | 35 39 | - | 52 55 | 64 and 90 97 128.
    // 1 3 4 = B0; 11 = 20; none = 00; 28 = 10; 35 39 = 22; none = 00; 52 55 = 12; 64 = 01.
    // 90: second word, 26th: byte 3 (89..96) bit 2 = 40; 97 = 80; 128 = 01.
    let message = message(
        "0421".parse().unwrap(),
        &[
            (3, b"200000"),
            (4, b"000000000999"),
            (11, b"999999"),
            (28, b"D00000150"),
            (35, b"5555555555554444=30122010000012345"),
            (39, b"68"),
            (52, &[0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF]),
            (55, &[0x9F, 0x02, 0x06, 0, 0, 0, 0, 0x09, 0x99, 0x82, 0x02, 0x39, 0x00]),
            (64, &[0xFF; 8]),
            (90, b"010000004211201929390000000123400000000000"),
            (97, b"C0000000000012345"),
            (128, &[0x80, 0x7F, 0, 1, 2, 3, 4, 5]),
        ],
    );
    let ascii = concat!(
        "0421",
        "B020001022001201", // first bitmap
        "0000004080000001", // second bitmap
        "200000",
        "000000000999",
        "999999",
        "D00000150",
        "34",
        "5555555555554444=30122010000012345",
        "68",
        "0123456789ABCDEF",
        "026", // 55: the length counts hexadecimal characters
        "9F020600000000099982023900",
        "FFFFFFFFFFFFFFFF",
        "010000004211201929390000000123400000000000",
        "C0000000000012345",
        "807F000102030405",
    );
    check(ASCII, &message, ascii.as_bytes());
    let bcd = hex(concat!(
        "0421",
        "B020001022001201",
        "0000004080000001",
        "200000",
        "000000000999",
        "999999",
        "C4 00000150",                           // 28: EBCDIC D, then BCD
        "34 5555555555554444D30122010000012345", // 35: the separator is nibble D
        "F6F8",
        "0123456789ABCDEF",
        "0013 9F020600000000099982023900", // 55: raw, the length counts bytes
        "FFFFFFFFFFFFFFFF",
        "010000004211201929390000000123400000000000",
        "C3 0000000000012345",
        "807F000102030405",
    ));
    check(BCD, &message, &bcd);
}

#[test]
fn binary_bitmap_and_raw_binary_fields_between_ascii_ones() {
    let message = message(Mti::NETWORK_MANAGEMENT_REQUEST, &[(7, b"1120192939"), (11, b"000001"), (64, &[0xAB; 8])]);
    // 7 = byte 0 bit 7 = 02; 11 = 20; 64 = 01.
    let wire = [b"0800".as_slice(), &hex("0220000000000001"), b"1120192939000001", &[0xAB; 8]].concat();
    check(ASCII_BINARY, &message, &wire);
}

#[test]
fn an_odd_card_number_is_padded_where_the_spec_says() {
    let message = message(Mti::AUTHORIZATION_REQUEST, &[(2, b"4222222222222")]);
    for (pad, body) in
        [("left-zero", "13 04222222222222"), ("right-zero", "13 42222222222220"), ("right-f", "13 4222222222222F")]
    {
        let text = format!("extends = \"{BCD}\"\nname = \"odd\"\n[fields.2]\nodd_pad = \"{pad}\"");
        let spec = Spec::from_toml(&text).unwrap();
        let wire = hex(&format!("0100 4000000000000000 {body}"));
        let mut packed = Vec::new();
        spec.pack(&message, &mut packed).unwrap();
        assert_eq!(packed, wire, "{pad}");
        let mut unpacked = Message::new();
        spec.unpack(&wire, &mut unpacked).unwrap();
        assert!(unpacked == message, "{pad}");
        // The spare nibble is checked, in either place.
        let mut wrong = wire;
        let at = if pad == "left-zero" { 11 } else { 17 };
        wrong[at] ^= if pad == "left-zero" { 0x10 } else { 0x01 };
        let error = spec.unpack(&wrong, &mut unpacked).unwrap_err();
        assert_eq!((error.place, error.offset, error.reason), (Place::Field(2), at, UnpackReason::Padding), "{pad}");
    }
}

#[test]
fn either_track_separator_is_sent_as_the_same_and_read_as_equals() {
    for name in [ASCII, BCD] {
        let spec = Spec::builtin(name).unwrap();
        let mut wires = Vec::new();
        for track in [&b"4111111111111111=3012"[..], b"4111111111111111D3012"] {
            let mut wire = Vec::new();
            spec.pack(&message(Mti::FINANCIAL_REQUEST, &[(35, track)]), &mut wire).unwrap();
            wires.push(wire);
        }
        assert_eq!(wires[0], wires[1]);
        let mut unpacked = Message::new();
        spec.unpack(&wires[1], &mut unpacked).unwrap();
        assert_eq!(unpacked.text(35), Some("4111111111111111=3012"));
    }
    let mut unpacked = Message::new();
    Spec::builtin(ASCII).unwrap().unpack(b"0200000000002000000006411=30", &mut unpacked).unwrap();
    assert_eq!(unpacked.text(35), Some("411=30"));
    Spec::builtin(ASCII).unwrap().unpack(b"0200000000002000000006411D30", &mut unpacked).unwrap();
    assert_eq!(unpacked.text(35), Some("411=30"));
}

#[test]
fn what_cannot_be_read_is_named_with_its_place_and_offset() {
    use UnpackReason::{Character, LengthDigits, LengthOdd, NotInSpec, Sign, TooLong, Trailing, Truncated};
    let cases: [(&[u8], Place, usize, UnpackReason); 15] = [
        (b"", Place::Mti, 0, Truncated { needed: 4, left: 0 }),
        (b"01x0", Place::Mti, 2, Character),
        (b"0100723C44", Place::Bitmap, 4, Truncated { needed: 16, left: 6 }),
        (b"0100G000000000000000", Place::Bitmap, 4, Character),
        (b"01008000000000000000", Place::SecondBitmap, 20, Truncated { needed: 16, left: 0 }),
        (b"010040000000000000001x", Place::Field(2), 20, LengthDigits),
        (b"0100400000000000000020", Place::Field(2), 20, TooLong { max: 19, found: 20 }),
        // Too long also where all of it is there.
        (b"010040000000000000002041111111111111111111", Place::Field(2), 20, TooLong { max: 19, found: 20 }),
        (b"010040000000000000000541", Place::Field(2), 22, Truncated { needed: 5, left: 2 }),
        (b"0100400000000000000005411a1", Place::Field(2), 25, Character),
        (b"01002000000000000000000000!", Place::End, 26, Trailing { bytes: 1 }),
        (b"01000000001000000000X00000001", Place::Field(28), 20, Sign),
        (b"01000000000000000200003ABC", Place::Field(55), 20, LengthOdd),
        (b"01000000000000000200004ABCG", Place::Field(55), 26, Character),
        (b"01000000000000000200512", Place::Field(55), 20, TooLong { max: 510, found: 512 }),
    ];
    let spec = Spec::builtin(ASCII).unwrap();
    let mut message = Message::new();
    for (wire, place, offset, reason) in cases {
        let error = spec.unpack(wire, &mut message).unwrap_err();
        assert_eq!((error.place, error.offset, error.reason), (place, offset, reason), "{}", wire.escape_ascii());
        assert_eq!(message.field_count(), 0);
    }
    let longer = [b"01000000000000000400121", &[b'A'; 121][..]].concat();
    let error = spec.unpack(&longer, &mut message).unwrap_err();
    assert_eq!((error.place, error.offset, error.reason), (Place::Field(54), 20, TooLong { max: 120, found: 121 }));
    let small = Spec::from_toml(&format!("extends = \"{ASCII}\"\n[fields.2]\nused = false")).unwrap();
    let error = small.unpack(b"01004000000000000000", &mut message).unwrap_err();
    assert_eq!((error.place, error.offset, error.reason), (Place::Field(2), 20, NotInSpec));
}

#[test]
fn bad_nibbles_are_found_in_every_place() {
    let spec = Spec::builtin(BCD).unwrap();
    let mut message = Message::new();
    for (wire, place, offset, reason) in [
        ("01A0", Place::Mti, 1, UnpackReason::Character),
        ("0100 4000000000000000 1A", Place::Field(2), 10, UnpackReason::LengthDigits),
        ("0100 4000000000000000 A1", Place::Field(2), 10, UnpackReason::LengthDigits),
        ("0100 4000000000000000 20", Place::Field(2), 10, UnpackReason::TooLong { max: 19, found: 20 }),
        (
            "0100 4000000000000000 20 41111111111111111111",
            Place::Field(2),
            10,
            UnpackReason::TooLong { max: 19, found: 20 },
        ),
        ("0100 4000000000000000 04 41F1", Place::Field(2), 12, UnpackReason::Character),
        ("0100 4000000000000000 03 041D", Place::Field(2), 12, UnpackReason::Character),
        ("0100 4000000000000000 03 0D11", Place::Field(2), 11, UnpackReason::Character),
        ("0100 4000000000000000 03 1111", Place::Field(2), 11, UnpackReason::Padding),
        ("0100 0000000020000000 04 41B1", Place::Field(35), 12, UnpackReason::Character),
        ("0100 0000000002000000 F000", Place::Field(39), 11, UnpackReason::Character),
        ("0100 0000000000000200 1000", Place::Field(55), 10, UnpackReason::LengthDigits),
    ] {
        let wire = hex(wire);
        match spec.unpack(&wire, &mut message) {
            Err(error) if place == Place::Field(55) => {
                // 1000 is a number, and more than a field may have.
                assert_eq!(error.reason, UnpackReason::TooLong { max: 255, found: 1000 });
            }
            outcome => {
                let error = outcome.unwrap_err();
                assert_eq!((error.place, error.offset, error.reason), (place, offset, reason), "{wire:02X?}");
            }
        }
    }
}

#[test]
fn a_nibble_that_is_no_digit_is_found_wherever_it_is() {
    let spec = Spec::builtin(BCD).unwrap();
    let mut message = Message::new();
    for place in 0..16 {
        for nibble in 0..16u8 {
            let mut wire = hex("0100 4000000000000000 16 4111111111111111");
            let byte = 11 + place / 2;
            wire[byte] = if place % 2 == 0 { wire[byte] & 0x0F | nibble << 4 } else { wire[byte] & 0xF0 | nibble };
            match spec.unpack(&wire, &mut message) {
                Ok(()) => assert!(nibble < 10, "{nibble:X} at {place}"),
                Err(error) => {
                    assert!(nibble > 9, "{nibble:X} at {place}");
                    assert_eq!((error.offset, error.reason), (byte, UnpackReason::Character));
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_sent_is_named_and_leaves_the_buffer_alone() {
    let spec = Spec::builtin(BCD).unwrap();
    for (field, value, reason) in [
        (3, &b"00000"[..], PackReason::Length { expected: 6, found: 5 }),
        (3, b"00000x", PackReason::Character { index: 5 }),
        (2, b"41111111111111111111", PackReason::TooLong { max: 19, found: 20 }),
        (28, b"X00000001", PackReason::Sign),
        (28, b"C0000000x", PackReason::Character { index: 8 }),
        (35, b"41A1", PackReason::Character { index: 2 }),
        (37, b"63241900004\xC3", PackReason::Character { index: 11 }),
        (39, b"0-", PackReason::Character { index: 1 }),
        (52, b"1234567", PackReason::Length { expected: 8, found: 7 }),
    ] {
        let mut wire = b"kept".to_vec();
        let outcome = spec.pack(&message(Mti::AUTHORIZATION_REQUEST, &[(field, value)]), &mut wire);
        assert_eq!(outcome, Err(PackError::Field { field, reason }));
        assert_eq!(wire, b"kept");
    }
    assert_eq!(spec.pack(&Message::new(), &mut Vec::new()), Err(PackError::MtiMissing));
    let small = Spec::from_toml(&format!("extends = \"{ASCII}\"\n[fields.2]\nused = false")).unwrap();
    assert_eq!(
        small.pack(&authorization(), &mut Vec::new()),
        Err(PackError::Field { field: 2, reason: PackReason::NotInSpec })
    );
}
