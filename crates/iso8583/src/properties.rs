//! Properties of the codec over random messages, random bytes and damaged messages, for every built-in spec.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use proptest::prelude::*;

use crate::charset::Class;
use crate::message::{FIELD_NUMBER_MAX, Message};
use crate::mti::Mti;
use crate::plan::{LengthWire, Plan};
use crate::spec::Spec;
use crate::unpack::BUFFER_BYTES_MAX;
use crate::{BerElements, Description, Subelements};

/// Random numbers from a seed (splitmix64): proptest shrinks the seed's message by its fields, not by its bytes.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }
}

fn characters(class: Class) -> Vec<u8> {
    // A message has one canonical track separator: 'D' is what callers may also write.
    (0x20..=0x7E).filter(|&byte| class.admits(&[byte]) && !(class == Class::Z && byte == b'D')).collect()
}

fn random_value(plan: &Plan, dice: &mut Dice) -> Vec<u8> {
    let max = usize::from(plan.units_max);
    let units = if plan.length == LengthWire::Fixed { max } else { dice.roll(max + 1) };
    let mut value = Vec::new();
    if plan.sign.is_some() {
        value.push(b"CD"[dice.roll(2)]);
    }
    match plan.class() {
        Some(class) => {
            let characters = characters(class);
            value.extend((0..units).map(|_| characters[dice.roll(characters.len())]));
        }
        None => value.extend((0..units).map(|_| dice.roll(256) as u8)),
    }
    value
}

#[derive(Debug, Clone)]
struct Sketch {
    mti: u16,
    fields: Vec<u8>,
    seed: u64,
}

fn sketches() -> impl Strategy<Value = Sketch> {
    (0..10_000u16, prop::collection::vec(2..=FIELD_NUMBER_MAX, 0..40), any::<u64>())
        .prop_map(|(mti, fields, seed)| Sketch { mti, fields, seed })
}

fn message_of(sketch: &Sketch, spec: &Spec) -> Message {
    let mut dice = Dice(sketch.seed);
    let mut message = Message::new();
    message.set_mti(format!("{:04}", sketch.mti).parse().unwrap());
    for &field in &sketch.fields {
        message.set(field, random_value(spec.plan(field).unwrap(), &mut dice)).unwrap();
    }
    message
}

fn specs() -> Vec<Arc<Spec>> {
    let mut specs: Vec<Arc<Spec>> = Spec::builtin_names().map(|name| Spec::builtin(name).unwrap()).collect();
    // Encodings that no built-in spec has, so that none goes unproven.
    for encoding in [
        "numeric = \"bcd\"\nodd_pad = \"right-f\"\nlength = \"binary\"\nbinary = \"raw\"",
        "numeric = \"bcd\"\nodd_pad = \"right-zero\"\nmti = \"ebcdic-037\"\nbitmap = \"binary\"",
        "numeric = \"ebcdic-037\"\ntext = \"ebcdic-037\"\nlength = \"ebcdic-037\"",
        "hex_length = \"bytes\"",
    ] {
        let text = format!("extends = \"iso8583-1987-ascii\"\n[encoding]\n{encoding}");
        specs.push(Arc::new(Spec::from_toml(&text).unwrap()));
    }
    specs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_survives_the_wire_of_every_spec(sketch in sketches()) {
        let mut back = Message::new();
        for spec in specs() {
            let message = message_of(&sketch, &spec);
            let mut wire = vec![0xEE];
            spec.pack(&message, &mut wire).unwrap();
            let room = wire.capacity();
            spec.unpack(&wire[1..], &mut back).unwrap();
            prop_assert!(back == message, "{}", spec.name());
            let mut again = vec![0xEE];
            spec.pack(&back, &mut again).unwrap();
            prop_assert_eq!(&wire, &again);
            prop_assert!(room <= 40 + 8 * 128 + 2 * (message.bytes_len() + 1) + wire.len());
        }
    }

    #[test]
    fn random_bytes_never_panic_and_leave_an_empty_message(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut message = Message::new();
        for spec in specs() {
            message.set(3, "000000").unwrap();
            if spec.unpack(&bytes, &mut message).is_err() {
                prop_assert!(message == Message::new());
            }
        }
        let _ = BerElements::new(&bytes).count();
        let _ = Subelements::new(&bytes).count();
    }

    #[test]
    fn a_damaged_message_is_refused_or_read_as_what_it_then_says(
        sketch in sketches(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        damage in 0..4u8,
    ) {
        let (mut first, mut second) = (Message::new(), Message::new());
        for spec in specs() {
            let mut wire = Vec::new();
            spec.pack(&message_of(&sketch, &spec), &mut wire).unwrap();
            let index = place.index(wire.len());
            match damage {
                0 => wire[index] = byte,
                1 => wire.insert(index, byte),
                2 => { wire.remove(index); }
                _ => wire.truncate(index),
            }
            let Err(error) = spec.unpack(&wire, &mut first) else {
                let mut again = Vec::new();
                spec.pack(&first, &mut again).unwrap();
                spec.unpack(&again, &mut second).unwrap();
                prop_assert!(first == second);
                // A second bitmap without a field in it is read, and not written.
                prop_assert!(again.len() <= wire.len());
                continue;
            };
            prop_assert!(error.offset <= wire.len());
            prop_assert!(first == Message::new());
        }
    }

    #[test]
    fn a_message_that_was_read_is_changed_like_one_that_was_built(
        sketch in sketches(),
        changes in prop::collection::vec((2..=FIELD_NUMBER_MAX, any::<bool>()), 1..20),
    ) {
        for spec in specs() {
            let mut dice = Dice(!sketch.seed);
            let mut built = message_of(&sketch, &spec);
            let (mut wire, mut read) = (Vec::new(), Message::new());
            spec.pack(&built, &mut wire).unwrap();
            spec.unpack(&wire, &mut read).unwrap();
            // Fields that are there are changed oftener than chance would have it.
            let there = sketch.fields.iter().zip(&changes).map(|(&field, &(_, keep))| (field, keep));
            for (field, keep) in changes.iter().copied().chain(there) {
                let value = random_value(spec.plan(field).unwrap(), &mut dice);
                for message in [&mut built, &mut read] {
                    if keep { message.set(field, &value).unwrap() } else { message.remove(field); }
                }
                prop_assert!(built == read, "{} field {field}", spec.name());
            }
        }
    }

    #[test]
    fn unpacking_takes_no_more_memory_than_twice_the_wire(sketch in sketches()) {
        for spec in specs() {
            let mut wire = Vec::new();
            spec.pack(&message_of(&sketch, &spec), &mut wire).unwrap();
            let mut message = Message::new();
            spec.unpack(&wire, &mut message).unwrap();
            prop_assert!(message.bytes_mut().capacity() <= (2 * wire.len()).max(512));
        }
    }

    #[test]
    fn a_description_survives_its_compact_form(sketch in sketches()) {
        for spec in specs() {
            let message = message_of(&sketch, &spec);
            let description = spec.describe(&message);
            prop_assert_eq!(spec.describe_compact(&message), description.to_compact());
            let line = description.to_compact();
            prop_assert!(line.bytes().all(|byte| matches!(byte, 0x20..=0x7E)));
            prop_assert_eq!(Description::from_compact(&spec, &line).unwrap(), description);
        }
    }

    #[test]
    fn a_compact_form_from_elsewhere_never_panics(line in ".{0,60}", tail in "(;[0-9A-F.]{1,12}=[ -~]{0,12}){0,5}") {
        let spec = Spec::builtin("iso8583-1987-ascii").unwrap();
        let _ = Description::from_compact(&spec, &line);
        let _ = Description::from_compact(&spec, &format!("0100{tail}"));
    }

    #[test]
    fn chip_data_is_described_without_its_card_number(digits in "[1-9][0-9]{15}", depth in 0..6usize) {
        let spec = Spec::builtin("iso8583-1987-bcd").unwrap();
        let bcd: Vec<u8> = digits.as_bytes().chunks(2).map(|pair| (pair[0] & 15) << 4 | pair[1] & 15).collect();
        let mut nested = crate::BerBuilder::new();
        nested.push("5A".parse().unwrap(), &bcd).unwrap().push("9F02".parse().unwrap(), &[1; 6]).unwrap();
        for _ in 0..depth {
            let mut outer = crate::BerBuilder::new();
            outer.push_constructed("E1".parse().unwrap(), &nested).unwrap();
            nested = outer;
        }
        let mut message = Message::new();
        message.set_mti(Mti::AUTHORIZATION_REQUEST);
        message.set(55, nested.as_bytes()).unwrap();
        let description = spec.describe(&message);
        let shown = format!("{description}{}{description:?}", description.to_compact());
        prop_assert!(!shown.contains(&digits));
        prop_assert_eq!(Description::from_compact(&spec, &description.to_compact()).unwrap(), description);
    }
}

#[test]
fn the_longest_message_is_read_into_the_room_that_was_taken_for_it() {
    let mut specs = specs();
    for (numeric, format) in [("ascii", "ans ...999"), ("bcd", "n ...999")] {
        let mut text = format!(
            "name = \"longest\"\n[encoding]\nmti = \"ascii\"\nbitmap = \"hex\"\nnumeric = \"{numeric}\"\ntext = \"ascii\"\n\
             binary = \"hex\"\nlength = \"ascii\"\n"
        );
        for field in 2..=FIELD_NUMBER_MAX {
            text.push_str(&format!("[fields.{field}]\nname = \"long\"\nformat = \"{format}\"\n"));
        }
        specs.push(Arc::new(Spec::from_toml(&text).unwrap()));
    }
    for spec in specs {
        let mut message = Message::new();
        message.set_mti(Mti::AUTHORIZATION_REQUEST);
        for field in 2..=FIELD_NUMBER_MAX {
            let plan = spec.plan(field).unwrap();
            let digits = vec![b'1'; usize::from(plan.units_max)];
            let value = if plan.class() == Some(Class::A) { vec![b'A'; digits.len()] } else { digits };
            message.set(field, if plan.sign.is_some() { [b"C", &value[..]].concat() } else { value }).unwrap();
        }
        let (mut wire, mut back) = (Vec::new(), Message::new());
        spec.pack(&message, &mut wire).unwrap();
        spec.unpack(&wire, &mut back).unwrap();
        assert!(back == message, "{}", spec.name());
        // A buffer that grows leaves a copy behind that nobody wipes.
        assert!(back.bytes_mut().capacity() <= (2 * wire.len()).min(BUFFER_BYTES_MAX), "{}", spec.name());
    }
}
