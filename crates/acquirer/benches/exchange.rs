//! Exchanges per second over loopback TCP against a host in the same process, with 1, 32 and 256 in flight, and the
//! processor time of one exchange. The host's part is told apart by running it alone on the same frames.
//!
//! `cargo bench -p tollgate-acquirer` runs the parts in turn; the figures hold for one process with two worker threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_acquirer::{Acquirer, IsoLink, LinkState, NetworkKind};
use tollgate_iso8583::{FrameReader, Framing, Message, Spec};

/// Exchanges of one measured run.
const EXCHANGES: u32 = 4_000;

fn exchanges(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let link = runtime.block_on(start());
    let numbers = Arc::new(AtomicU32::new(0));
    let mut group = criterion.benchmark_group("exchange");
    group.throughput(Throughput::Elements(u64::from(EXCHANGES)));
    group.sample_size(10).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    for in_flight in [1, 32, 256] {
        let before = cpu_time();
        let began = numbers.load(Ordering::Relaxed);
        group.bench_function(format!("in_flight_{in_flight}"), |bencher| {
            bencher.iter(|| runtime.block_on(run(&link, &numbers, in_flight)));
        });
        let done = numbers.load(Ordering::Relaxed) - began;
        println!(
            "in flight {in_flight}: {:.1} us of processor time per exchange, host included",
            per(cpu_time() - before, done)
        );
    }
    group.finish();
    println!("host alone: {:.1} us of processor time per answer (unpack, answer, pack)", host_alone());
    runtime.block_on(link.shutdown());
}

fn parts(criterion: &mut Criterion) {
    let spec = Spec::builtin("iso8583-1987-ascii").unwrap();
    let mut message = Message::new();
    spec.unpack(&sample(&spec), &mut message).unwrap();
    criterion.bench_function("compact text of a message", |bencher| {
        bencher.iter(|| spec.describe(std::hint::black_box(&message)).to_compact());
    });
    criterion.bench_function("a request of the bench itself", |bencher| {
        bencher.iter_batched(|| 7, |number| request(NetworkKind::Authorize, number), BatchSize::SmallInput);
    });
}

async fn run(link: &Arc<IsoLink>, numbers: &Arc<AtomicU32>, in_flight: u32) {
    let callers: Vec<_> = (0..in_flight)
        .map(|_| {
            let (link, numbers) = (Arc::clone(link), Arc::clone(numbers));
            tokio::spawn(async move {
                for _ in 0..EXCHANGES / in_flight {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let exchange = link.exchange(request(NetworkKind::Authorize, number)).await;
                    assert!(matches!(exchange.result, tollgate_acquirer::ExchangeResult::Answered(_)));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

async fn start() -> Arc<IsoLink> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings =
        tollgate_acquirer::LinkSettings { address: listener.local_addr().unwrap().to_string(), ..settings() };
    let spec = Spec::builtin(&settings.spec).unwrap();
    let framing = settings.framing.parse().unwrap();
    tokio::spawn(async move { host(listener.accept().await.unwrap().0, spec, framing).await });
    let (late, _) = tokio::sync::mpsc::channel(1);
    let link = IsoLink::start(settings, Arc::new(FixedClock), late).unwrap();
    until(|| link.state() == LinkState::Up).await;
    Arc::new(link)
}

/// Approves everything; answers all frames of a read in one write.
async fn host(mut io: TcpStream, spec: Arc<Spec>, framing: Framing) {
    io.set_nodelay(true).unwrap();
    let mut frames = FrameReader::new(framing);
    let (mut message, mut packed, mut out) = (Message::new(), Vec::new(), Vec::new());
    loop {
        match io.read(frames.space()).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => frames.filled(bytes),
        }
        while let Some(frame) = frames.next_frame().unwrap() {
            answer_frame(&spec, framing, frame.message, &mut message, &mut packed, &mut out);
        }
        if io.write_all(&out).await.is_err() {
            return;
        }
        out.clear();
    }
}

fn answer_frame(
    spec: &Spec,
    framing: Framing,
    bytes: &[u8],
    message: &mut Message,
    packed: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    spec.unpack(bytes, message).unwrap();
    packed.clear();
    spec.pack(&answer_to(message, "00"), packed).unwrap();
    framing.encode(packed, out).unwrap();
}

fn host_alone() -> f64 {
    let spec = Spec::builtin("iso8583-1987-ascii").unwrap();
    let framing: Framing = "binary2".parse().unwrap();
    let frame = sample(&spec);
    let (mut message, mut packed, mut out) = (Message::new(), Vec::new(), Vec::new());
    let before = cpu_time();
    for _ in 0..EXCHANGES {
        out.clear();
        answer_frame(&spec, framing, &frame, &mut message, &mut packed, &mut out);
    }
    per(cpu_time() - before, EXCHANGES)
}

/// An authorization as it goes over the wire.
fn sample(spec: &Spec) -> Vec<u8> {
    let mut message = Message::new();
    message.set_mti("0100".parse().unwrap());
    for (field, value) in [
        (2, PAN),
        (3, "000000"),
        (4, "000000001000"),
        (7, "1120120000"),
        (11, "000001"),
        (12, "120000"),
        (13, "1120"),
        (14, "2705"),
        (18, "5999"),
        (22, "812"),
        (25, "59"),
        (32, "400001"),
        (37, "1D3LOEXSX6O1"),
        (41, "TERM01  "),
        (42, "MERCHANT0001   "),
        (43, "Tollgate Books           Dubai        AE"),
        (48, "42032109203739"),
        (49, "784"),
    ] {
        message.set(field, value).unwrap();
    }
    let mut packed = Vec::new();
    spec.pack(&message, &mut packed).unwrap();
    packed
}

/// Processor time of this process so far, user and system (`/proc/self/stat`, fields 14 and 15, in ticks of 10 ms).
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn per(time: Duration, count: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(count.max(1))
}

criterion_group!(benches, exchanges, parts);
criterion_main!(benches);
