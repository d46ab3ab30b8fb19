//! A stream cut into pieces gives the frames of the whole stream, and frames encode back to what they were cut from.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_iso8583::{FrameDecoded, FrameReader, Framing, LengthHeader, Tpdu};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, stream)) = data.split_first() else { return };
    let header = if choice & 1 == 0 { LengthHeader::Binary2 } else { LengthHeader::Ascii4 };
    let mut framing = Framing::new(header).with_frame_bytes_max(2_000);
    if choice & 2 != 0 {
        framing = framing.with_tpdu(Tpdu::new([0x60, 0, 1, 0, 0]));
    }
    let piece_bytes = usize::from(choice >> 2) + 1;

    let mut whole = Vec::new();
    let mut rest = stream;
    let failed = loop {
        match framing.decode(rest) {
            Ok(FrameDecoded::Frame { tpdu, message, consumed }) => {
                let message = &rest[message];
                let mut again = Vec::new();
                let answer_to = tpdu.map(Tpdu::swapped);
                framing.encode_answer(answer_to, message, &mut again).expect("what came can be sent");
                // A frame of a TPDU alone is sent as the keepalive that it is.
                assert!(message.is_empty() || again == rest[..consumed]);
                whole.push(message.to_vec());
                rest = &rest[consumed..];
            }
            Ok(FrameDecoded::Incomplete { bytes_missing_min }) => {
                assert!(bytes_missing_min > 0);
                break false;
            }
            Err(_) => break true,
        }
    };

    let mut reader = FrameReader::new(framing);
    let mut frames = Vec::new();
    let mut broken = false;
    'pieces: for piece in stream.chunks(piece_bytes) {
        assert_eq!(reader.push(piece), piece.len(), "frames are taken as they come, so there is room");
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame.message.to_vec()),
                Ok(None) => break,
                Err(_) => {
                    broken = true;
                    break 'pieces;
                }
            }
        }
    }
    assert_eq!((frames, broken), (whole, failed));
    if !broken {
        assert_eq!(reader.bytes_pending(), rest.len());
    }
});
