//! How much the sandbox network takes, and what a message costs it: `issuer_load [MESSAGES [IN_FLIGHT]]`.
//!
//! One connection, purchases, so many in flight at a time. The cost is the time that the network's own threads
//! spent on the processor (Linux), without the load's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tollgate_iso8583::{FrameReader, Framing, LengthHeader, Message, Spec, SubelementBuilder};
use tollgate_issuer::{Issuer, IssuerSettings};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u32>());
    let messages = arguments.next().transpose()?.unwrap_or(50_000);
    let in_flight = arguments.next().transpose()?.unwrap_or(64).max(1);
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let settings = IssuerSettings {
        data_path: folder.path().join("issuer.db"),
        iso_listen: "127.0.0.1:0".parse()?,
        admin_listen: "127.0.0.1:0".parse()?,
        ds_listen: "127.0.0.1:0".parse()?,
        acs_listen: "127.0.0.1:0".parse()?,
        open_to_buy_major: 1_000_000_000_000,
        ..IssuerSettings::default()
    };
    let issuer = runtime.block_on(Issuer::start(settings))?;
    let address = issuer.iso_address();
    let (busy_before, start) = (busy_ms()?, Instant::now());
    let load = std::thread::Builder::new().name("load".into()).spawn(move || load(address, messages, in_flight))?;
    load.join().map_err(|_| "the load failed")??;
    let (busy, took) = (busy_ms()?.saturating_sub(busy_before), start.elapsed());
    println!(
        "{messages} messages, {in_flight} in flight: {:.0}/s, {:.1} us on the processor each",
        f64::from(messages) / took.as_secs_f64(),
        Duration::from_millis(busy).as_secs_f64() * 1e6 / f64::from(messages)
    );
    runtime.block_on(issuer.shutdown());
    Ok(())
}

fn load(address: std::net::SocketAddr, messages: u32, in_flight: u32) -> Result<(), Failure> {
    let spec = Spec::builtin("iso8583-1987-ascii")?;
    let framing = Framing::new(LengthHeader::Binary2);
    let mut frames = FrameReader::new(framing);
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut message = Message::new();
    let (mut packed, mut out) = (Vec::new(), Vec::new());
    let (mut sent, mut answered) = (0, 0);
    message.set_mti("0800".parse()?);
    message.set(7, "1120101112")?;
    message.set(11, "000000")?;
    message.set(70, "001")?;
    spec.pack(&message, &mut packed)?;
    framing.encode(&packed, &mut out)?;
    while answered <= messages {
        while sent < messages && sent < answered + in_flight {
            sent += 1;
            purchase(&mut message, sent)?;
            packed.clear();
            spec.pack(&message, &mut packed)?;
            framing.encode(&packed, &mut out)?;
        }
        stream.write_all(&out)?;
        out.clear();
        let bytes = stream.read(frames.space())?;
        if bytes == 0 {
            return Err("the network closed the connection".into());
        }
        frames.filled(bytes);
        while let Some(frame) = frames.next_frame()? {
            spec.unpack(frame.message, &mut message)?;
            if message.text(39) != Some("00") {
                return Err("a message was declined".into());
            }
            answered += 1;
        }
    }
    Ok(())
}

fn purchase(message: &mut Message, number: u32) -> Result<(), Failure> {
    message.clear();
    message.set_mti("0200".parse()?);
    let mut private = SubelementBuilder::new();
    private.push(42, "210")?.push(92, "123")?;
    for (field, value) in [
        (2, "4005550000000001"),
        (3, "000000"),
        (4, "000000010000"),
        (7, "1120101112"),
        (12, "101112"),
        (13, "1120"),
        (14, "9912"),
        (18, "5999"),
        (22, "812"),
        (25, "59"),
        (32, "454545"),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (43, "A SHOP                   DUBAI        AE"),
        (49, "784"),
    ] {
        message.set(field, value)?;
    }
    message.set(48, private.as_bytes())?;
    message.set_number(11, u64::from(number % 1_000_000), 6)?;
    message.set_number(37, u64::from(number), 12)?;
    Ok(())
}

/// Milliseconds that the threads of this process, but for the load's, were on the processor.
fn busy_ms() -> Result<u64, Failure> {
    let mut busy_ns = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        // A thread may end while we look.
        let Ok(name) = std::fs::read_to_string(path.join("comm")) else { continue };
        let Ok(schedule) = std::fs::read_to_string(path.join("schedstat")) else { continue };
        if name.trim() != "load" {
            let first = schedule.split(' ').next().unwrap_or_default();
            busy_ns += first.parse::<u64>().unwrap_or(0);
        }
    }
    Ok(busy_ns / 1_000_000)
}
