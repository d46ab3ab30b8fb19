//! Pack, unpack and describe of a typical authorization request (19 fields, 265 bytes in ASCII).

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tollgate_iso8583::{Message, Mti, SetError, Spec};

fn typical() -> Result<Message, SetError> {
    let mut message = Message::new();
    message.set_mti(Mti::AUTHORIZATION_REQUEST);
    for (field, value) in [
        (2, "4111111111111111"),
        (3, "000000"),
        (4, "000000012345"),
        (7, "1120192939"),
        (11, "000042"),
        (12, "192939"),
        (13, "1120"),
        (14, "3012"),
        (18, "5411"),
        (22, "012"),
        (25, "59"),
        (32, "12345678901"),
        (37, "632419000042"),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (43, "TOLLGATE BOOKS            DUBAI       AE"),
        (48, "10020592031231236f38e6948-5388-41a6-bca4-b49723c19437"),
        (49, "784"),
        (60, "TOLLGATE-01-00001234"),
    ] {
        message.set(field, value)?;
    }
    Ok(message)
}

fn codec(c: &mut Criterion) {
    let message = typical().unwrap_or_default();
    for name in ["iso8583-1987-ascii", "iso8583-1987-bcd"] {
        let Ok(spec) = Spec::builtin(name) else { continue };
        let mut wire = Vec::new();
        assert_eq!(spec.pack(&message, &mut wire), Ok(()));
        assert!(name != "iso8583-1987-ascii" || wire.len() == 265, "{} bytes", wire.len());
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(wire.len() as u64));
        let mut out = Vec::new();
        group.bench_function("pack", |b| {
            b.iter(|| {
                out.clear();
                spec.pack(black_box(&message), &mut out)
            });
        });
        let mut reused = Message::new();
        group.bench_function("unpack", |b| b.iter(|| spec.unpack(black_box(&wire), &mut reused)));
        group.bench_function("build", |b| b.iter(typical));
        group.bench_function("describe", |b| b.iter(|| spec.describe(black_box(&message))));
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
