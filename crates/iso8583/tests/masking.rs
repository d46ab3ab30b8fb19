//! Card data never shows: not in a description, not in its stored form, not in Debug, not in an error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tollgate_iso8583::{BerBuilder, Description, Frame, Message, Mti, Spec, SubelementBuilder};

const PAN: &str = "4111111111111111";
const CVV: &str = "737";
const TRACK2: &str = "4111111111111111=30121010000073700000";
const TRACK1: &str = "B4111111111111111^DOE/JANE^30121010000073700000";
const PIN_BLOCK: [u8; 8] = [0x04, 0x12, 0x34, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE];
/// What must not be seen anywhere, in the forms it could take.
const SECRETS: [&str; 9] =
    [PAN, "41111111 11111111", "4111111111111111D3012", "=3012", "DOE/JANE", "041234EE", "4, 18, 52", "92037", ": 737"];

fn sensitive() -> Message {
    let mut private = SubelementBuilder::new();
    private.push(42, "05").unwrap().push(92, CVV).unwrap().push(77, PAN).unwrap();
    let bcd_pan = [0x41, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11];
    let mut chip = BerBuilder::new();
    chip.push("9F02".parse().unwrap(), &[0, 0, 0, 1, 0x23, 0x45]).unwrap();
    chip.push("5A".parse().unwrap(), &bcd_pan).unwrap();
    chip.push("57".parse().unwrap(), &[&bcd_pan[..], &[0xD3, 0x01, 0x21, 0x01]].concat()).unwrap();
    chip.push("DF01".parse().unwrap(), &bcd_pan).unwrap();
    let mut message = Message::new();
    message.set_mti(Mti::AUTHORIZATION_REQUEST);
    let fields: [(u8, &[u8]); 16] = [
        (2, PAN.as_bytes()),
        (3, b"000000"),
        (4, b"000000012345"),
        (11, b"000123"),
        (34, PAN.as_bytes()),
        (35, TRACK2.as_bytes()),
        (36, TRACK2.as_bytes()),
        (41, b"TERM0001"),
        (44, b"pan 4111111111111111 seen"),
        (45, TRACK1.as_bytes()),
        (48, private.as_bytes()),
        (52, &PIN_BLOCK),
        (55, chip.as_bytes()),
        (102, PAN.as_bytes()),
        (104, b"order for 4111111111111111"),
        (126, b"92037373700"),
    ];
    for (field, value) in fields {
        message.set(field, value).unwrap();
    }
    message
}

fn assert_clean(what: &str, shown: &str) {
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{what} shows {secret}: {shown}");
    }
}

#[test]
fn nothing_that_is_shown_or_stored_holds_card_data() {
    let message = sensitive();
    for name in Spec::builtin_names() {
        let spec = Spec::builtin(name).unwrap();
        let description = spec.describe(&message);
        assert_clean("Display", &description.to_string());
        assert_clean("Debug", &format!("{description:?}"));
        assert_clean("Debug", &format!("{description:#?}"));
        assert_clean("compact", &description.to_compact());
        assert_eq!(spec.describe_compact(&message), description.to_compact());
        assert_eq!(description.value(2), Some("411111******1111"));
        assert_eq!(description.value(34), Some("411111******1111"));
        assert_eq!(description.value(102), Some("411111******1111"));
        for field in [35, 36, 45, 52, 126] {
            assert_eq!(description.value(field), Some("***"), "{name} field {field}");
        }
        assert_eq!(description.value(4), Some("000000012345"));
        assert_eq!(description.value(44), Some("pan **************** seen"));
        assert_eq!(description.part_value(48, "42"), Some("05"));
        assert_eq!(description.part_value(48, "92"), Some("***"));
        assert_eq!(description.part_value(48, "77"), Some("***"), "a subelement that is not listed");
        assert_eq!(description.part_value(55, "9F02"), Some("000000012345"));
        for tag in ["5A", "57", "DF01"] {
            assert_eq!(description.part_value(55, tag), Some("***"), "{tag}");
        }
    }
    assert_clean("Debug of a message", &format!("{message:?} {message:#?}"));
    for field in message.fields() {
        assert_clean("Debug of a field", &format!("{field:?}"));
    }
    let frame = Frame { tpdu: None, message: PAN.as_bytes() };
    assert_clean("Debug of a frame", &format!("{frame:?}"));
}

#[test]
fn errors_hold_no_value() {
    for name in Spec::builtin_names() {
        let spec = Spec::builtin(name).unwrap();
        let mut wire = Vec::new();
        spec.pack(&sensitive(), &mut wire).unwrap();
        let mut message = Message::new();
        for end in 0..wire.len() {
            let error = spec.unpack(&wire[..end], &mut message).unwrap_err();
            assert_clean("Display", &error.to_string());
            assert_clean("Debug", &format!("{error:?}"));
            let mut damaged = wire.clone();
            damaged[end] = 0xFF;
            if let Err(error) = spec.unpack(&damaged, &mut message) {
                assert_clean("Display", &format!("{error} {error:?}"));
            }
        }
        let mut wrong = sensitive();
        wrong.set(3, PAN).unwrap();
        let error = spec.pack(&wrong, &mut Vec::new()).unwrap_err();
        assert_clean("pack", &format!("{error} {error:?}"));
        let error = wrong.set(48, PAN.repeat(70)).unwrap_err();
        assert_clean("set", &format!("{error} {error:?}"));
    }
}

#[test]
fn a_field_whose_layout_cannot_be_read_is_hidden_whole() {
    let spec = Spec::builtin("iso8583-1987-ascii").unwrap();
    let mut message = Message::new();
    message.set(48, "100205920373").unwrap();
    message.set(55, [0x9F, 0x02, 0x06, 0x41, 0x11]).unwrap();
    let description = spec.describe(&message);
    assert_eq!(description.entries.len(), 2);
    assert_eq!((description.value(48), description.value(55)), (Some("***"), Some("***")));
    // So is one the spec does not have.
    let small = Spec::from_toml("extends = \"iso8583-1987-ascii\"\n[fields.48]\nused = false").unwrap();
    assert_eq!(small.describe(&message).value(48), Some("***"));
}

#[test]
fn lines_name_number_part_and_field() {
    let spec = Spec::builtin("iso8583-1987-ascii").unwrap();
    let mut message = Message::new();
    message.set_mti(Mti::AUTHORIZATION_REQUEST);
    message.set(2, PAN).unwrap();
    message.set(11, "000123").unwrap();
    message.set(48, "9203737").unwrap();
    message.set(55, [0x71, 0x04, 0x82, 0x02, 0x39, 0x00]).unwrap();
    let expected = "\
MTI  0100
F002 primary account number .............................: 411111******1111
F011 systems trace audit number .........................: 000123
F048.92 card verification value .........................: ***
F055.71.82 application interchange profile ..............: 3900
";
    assert_eq!(spec.describe(&message).to_string(), expected);
    assert_eq!(spec.describe(&message).to_compact(), "0100;2=411111******1111;11=000123;48.92=***;55.71.82=3900");
}

#[test]
fn a_stored_line_is_read_back_and_masked_once_more() {
    let spec = Spec::builtin("iso8583-1987-ascii").unwrap();
    let message = sensitive();
    let description = spec.describe(&message);
    let back = Description::from_compact(&spec, &description.to_compact()).unwrap();
    assert_eq!(back, description);
    // A line from elsewhere with everything in the clear shows nothing either.
    let forged = format!(
        "0100;2={PAN};35={};44={PAN};45=B{PAN}^DOE/JANE;48.92={CVV};48.77={PAN};48={PAN};55.5A={PAN};55.E1.5A={PAN};55.E1={PAN}",
        TRACK2.replace('=', "%3D")
    );
    let shown = Description::from_compact(&spec, &forged).unwrap();
    assert_clean("forged", &format!("{shown} {shown:?} {}", shown.to_compact()));
    assert_eq!(shown.part_value(48, "92"), Some("***"));
    assert_eq!(shown.part_value(55, "E1.5A"), Some("***"));
    for bad in ["", "01", "0100;", "0100;2", "0100;1=0", "0100;129=0", "0100;48.=1", "0100;48.xx=1", "0100;2=%4"] {
        let error = Description::from_compact(&spec, bad).unwrap_err();
        assert!(!error.to_string().is_empty(), "{bad}");
    }
}
