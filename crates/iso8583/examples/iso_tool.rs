//! Packs and unpacks messages line by line, for other programs to hold the codec against.
//!
//! ```text
//! pack SPEC mti=0800 11=303030303432 70=333031     ->  ok 30383030...
//! unpack SPEC 30383030...                          ->  ok mti=0800 11=303030303432 70=333031
//! ```
//!
//! Values are in canonical form, as hexadecimal; so is the wire. What fails answers `error` and the reason. The values
//! are not masked: this is for made-up cards.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;

use tollgate_iso8583::{Message, Spec};

fn main() -> Result<(), Box<dyn Error>> {
    let mut specs = BTreeMap::new();
    for name in Spec::builtin_names() {
        specs.insert(name, Spec::builtin(name)?);
    }
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match answer(&specs, &line?) {
            Ok(text) => format!("ok {text}"),
            Err(error) => format!("error {error}"),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn answer(specs: &BTreeMap<&str, Arc<Spec>>, line: &str) -> Result<String, Box<dyn Error>> {
    let mut words = line.split(' ');
    let command = words.next().unwrap_or_default();
    let spec = words.next().and_then(|name| specs.get(name)).ok_or("no such spec")?;
    match command {
        "pack" => {
            let mut message = Message::new();
            for word in words {
                match word.split_once('=').ok_or("a field is written as number=value")? {
                    ("mti", digits) => message.set_mti(digits.parse()?),
                    (number, value) => message.set(number.parse()?, from_hex(value)?)?,
                }
            }
            let mut wire = Vec::new();
            spec.pack(&message, &mut wire)?;
            Ok(to_hex(&wire))
        }
        "unpack" => {
            let mut message = Message::new();
            spec.unpack(&from_hex(words.next().unwrap_or_default())?, &mut message)?;
            let mut text = format!("mti={}", message.mti().ok_or("no message type")?);
            for field in message.fields() {
                write!(text, " {}={}", field.number, to_hex(field.value))?;
            }
            Ok(text)
        }
        _ => Err("commands are pack and unpack".into()),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return Err("hexadecimal has an even count of digits".into());
    }
    let pairs = (0..text.len()).step_by(2).filter_map(|start| text.get(start..start + 2));
    Ok(pairs.map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<_, _>>()?)
}
