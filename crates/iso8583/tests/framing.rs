//! Frames on a stream: every header, with and without TPDU, however the stream is cut.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use tollgate_iso8583::{
    FRAME_BYTES_MAX_ASCII4, FrameDecoded, FrameError, FrameReader, Framing, LengthHeader, READ_BUFFER_BYTES_MIN, Tpdu,
};

const CONFIGS: [&str; 4] = ["binary2", "ascii4", "binary2+tpdu:6000010000", "ascii4+tpdu:60FFEE0102"];

fn framing(text: &str) -> Framing {
    text.parse().unwrap()
}

#[test]
fn lengths_and_tpdus_lie_where_the_hosts_expect_them() {
    for (config, expected) in [
        ("binary2", &b"\x00\x030800"[..2]),
        ("ascii4", b"0004"),
        ("binary2+tpdu:6000010000", b"\x00\x09\x60\x00\x01\x00\x00"),
        ("ascii4+tpdu:6000010000", b"0009\x60\x00\x01\x00\x00"),
    ] {
        let mut frame = Vec::new();
        framing(config).encode(b"0800", &mut frame).unwrap();
        let expected = if config == "binary2" { &[0, 4] } else { expected };
        assert_eq!(frame, [expected, b"0800"].concat(), "{config}");
    }
}

#[test]
fn an_answer_goes_back_where_its_request_came_from() {
    let framing = framing("binary2+tpdu:6000010000");
    let request = Tpdu::new([0x60, 0x01, 0x02, 0x0A, 0x0B]);
    let mut frame = Vec::new();
    framing.encode_answer(Some(request), b"x", &mut frame).unwrap();
    assert_eq!(frame, [0, 6, 0x60, 0x0A, 0x0B, 0x01, 0x02, b'x']);
    assert_eq!(request.swapped().swapped(), request);
    // A framing without TPDU stays without.
    let mut plain = Vec::new();
    Framing::new(LengthHeader::Binary2).encode_answer(Some(request), b"x", &mut plain).unwrap();
    assert_eq!(plain, [0, 1, b'x']);
}

#[test]
fn configurations_are_read_as_they_are_written() {
    for config in CONFIGS {
        assert_eq!(framing(config).to_string(), config);
    }
    for bad in ["", "binary4", "binary2+tpdu:", "binary2+tpdu:60000100", "binary2+tpdu:600001000g", "ascii4+", "tpdu"] {
        assert!(bad.parse::<Framing>().unwrap_err().to_string().contains("ascii4"), "{bad}");
    }
}

#[test]
fn a_length_that_cannot_be_right_is_an_error_at_once() {
    assert_eq!(framing("ascii4").decode(b"00x"), Err(FrameError::LengthDigits));
    let tight = framing("binary2").with_frame_bytes_max(10);
    assert_eq!(tight.decode(&[0, 11]), Err(FrameError::TooLong { bytes: 11, bytes_max: 10 }));
    assert_eq!(framing("binary2+tpdu:6000010000").decode(&[0, 4]), Err(FrameError::NoTpdu { bytes: 4 }));
    let mut out = b"kept".to_vec();
    assert_eq!(tight.encode(&[1; 11], &mut out), Err(FrameError::TooLong { bytes: 11, bytes_max: 10 }));
    let ascii = framing("ascii4+tpdu:6000010000");
    assert!(ascii.encode(&[1; FRAME_BYTES_MAX_ASCII4 - 4], &mut out).is_err());
    assert_eq!(out, b"kept");
    ascii.encode(&[1; FRAME_BYTES_MAX_ASCII4 - 5], &mut out).unwrap();
    assert_eq!(framing("ascii4").with_frame_bytes_max(1_000_000).frame_bytes_max(), FRAME_BYTES_MAX_ASCII4);
    let mut reader = FrameReader::new(framing("ascii4"));
    reader.push(b"zz");
    assert!(reader.next_frame().is_err() && reader.next_frame().is_err());
}

#[test]
fn what_is_missing_is_counted() {
    let framing = framing("binary2");
    assert_eq!(framing.decode(&[]), Ok(FrameDecoded::Incomplete { bytes_missing_min: 2 }));
    assert_eq!(framing.decode(&[0]), Ok(FrameDecoded::Incomplete { bytes_missing_min: 1 }));
    assert_eq!(framing.decode(&[0, 5, 1]), Ok(FrameDecoded::Incomplete { bytes_missing_min: 4 }));
    assert_eq!(framing.decode(&[0, 2, 7, 8, 9]), Ok(FrameDecoded::Frame { tpdu: None, message: 2..4, consumed: 4 }));
}

#[test]
fn a_frame_of_length_zero_is_a_keepalive() {
    for config in CONFIGS {
        let framing = framing(config);
        let mut stream = Vec::new();
        framing.encode_keepalive(&mut stream);
        framing.encode(b"", &mut stream).unwrap();
        assert_eq!(stream.len(), 2 * framing.header_bytes());
        let mut reader = FrameReader::new(framing);
        reader.push(&stream);
        for _ in 0..2 {
            assert!(reader.next_frame().unwrap().unwrap().is_keepalive());
        }
        assert!(reader.next_frame().unwrap().is_none());
    }
}

#[test]
fn a_taken_frame_does_not_stay_in_the_buffer() {
    let mut reader = FrameReader::new(framing("ascii4"));
    reader.push(b"00164111111111111111");
    assert_eq!(reader.next_frame().unwrap().unwrap().message, b"4111111111111111");
    assert!(reader.space().iter().all(|&byte| byte == 0));
}

#[test]
fn the_buffer_is_bounded_and_holds_the_longest_frame() {
    let framing = framing("binary2");
    let mut reader = FrameReader::new(framing);
    let stream = vec![0xFF; 200_000];
    assert_eq!(reader.push(&stream), 65_537);
    assert_eq!(reader.push(&stream), 0);
    assert_eq!(reader.next_frame().unwrap().unwrap().message.len(), 65_535);
    assert_eq!(reader.bytes_pending(), 0);
    let small = FrameReader::new(framing.with_frame_bytes_max(100)).space().len();
    assert_eq!(small, READ_BUFFER_BYTES_MIN);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_survive_any_fragmentation(
        config in 0..CONFIGS.len(),
        lengths in prop::collection::vec(prop_oneof![Just(0usize), 1..400usize, 3000..9000usize], 1..12),
        cuts in prop::collection::vec(1..700usize, 1..20),
    ) {
        let framing = framing(CONFIGS[config]);
        let messages: Vec<Vec<u8>> =
            lengths.iter().enumerate().map(|(index, &length)| vec![index as u8 + 1; length]).collect();
        let mut stream = Vec::new();
        for message in &messages {
            framing.encode(message, &mut stream).unwrap();
        }
        let mut reader = FrameReader::new(framing);
        let mut received = Vec::new();
        let mut rest = &stream[..];
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(*cuts.next().unwrap())];
            let taken = reader.push(piece);
            rest = &rest[taken..];
            // Frames are taken now and then only, so that they pile up and the buffer turns over.
            if taken < piece.len() || received.len() % 3 == 0 || rest.is_empty() {
                while let Some(frame) = reader.next_frame().unwrap() {
                    prop_assert_eq!(frame.tpdu, framing.request_tpdu().filter(|_| !frame.is_keepalive()));
                    received.push(frame.message.to_vec());
                }
            }
        }
        prop_assert_eq!(received, messages);
        prop_assert_eq!(reader.bytes_pending(), 0);
    }

    #[test]
    fn random_streams_never_panic(config in 0..CONFIGS.len(), bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut reader = FrameReader::new(framing(CONFIGS[config]).with_frame_bytes_max(500));
        reader.push(&bytes);
        let mut frames = 0;
        while let Ok(Some(frame)) = reader.next_frame() {
            prop_assert!(frame.message.len() <= 500);
            frames += 1;
        }
        prop_assert!(frames <= bytes.len());
    }
}
