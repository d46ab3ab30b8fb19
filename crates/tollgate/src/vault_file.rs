//! The file of a vault export: JSON lines. First a header, then one line for each chunk of tokens, encrypted to the
//! recipient, last a trailer with counts and the SHA-256 of every byte before it, so that a file that was cut off or
//! changed on its way is refused before anything of it is taken.

use anyhow::{Context, bail};
use aws_lc_rs::digest::{self, SHA256};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tollgate_vault::{EXPORT_CHUNK_CHARS_MAX, EXPORT_CHUNK_TOKENS_MAX};

/// What the first line says of the file.
const FORMAT: &str = "tollgate-vault-export";
/// The version of the format.
const VERSION: u32 = 1;
/// The longest line, in bytes.
const LINE_BYTES_MAX: u64 = EXPORT_CHUNK_CHARS_MAX as u64 + 4_096;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    version: u32,
    /// The name of the export, drawn at random; each chunk holds it.
    pub export: String,
    /// The merchant's name where it comes from.
    pub merchant: String,
    /// The name of the key that the chunks are encrypted to.
    pub kid: String,
    /// When it was begun, RFC 3339 in UTC.
    pub created_at: String,
}

impl Header {
    /// The header of an export that begins now.
    pub fn new(export: String, merchant: String, kid: String, created_at: String) -> Header {
        Header { format: FORMAT.to_owned(), version: VERSION, export, merchant, kid, created_at }
    }
}

/// A chunk of tokens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkLine {
    /// Its number, from 1.
    pub chunk: u64,
    /// How many tokens it holds.
    pub tokens: u64,
    /// The tokens: a JWE in compact form.
    pub jwe: String,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trailer {
    chunks: u64,
    tokens: u64,
    /// SHA-256 in hex of every byte before this line.
    sha256: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Chunk(ChunkLine),
    Trailer(Trailer),
}

/// What a whole file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its header.
    pub header: Header,
    /// How many chunks,
    pub chunks: u64,
    /// and how many tokens in them.
    pub tokens: u64,
    /// SHA-256 of the whole file, in hex.
    pub sha256: String,
}

/// A file that is being written. It has its name when it is whole: until then it is called `NAME.part`.
pub struct ExportWriter {
    path: PathBuf,
    part: PathBuf,
    out: BufWriter<File>,
    digest: digest::Context,
    chunks: u64,
    tokens: u64,
}

impl ExportWriter {
    /// Begins the file, for its owner alone. Nothing is overwritten.
    ///
    /// # Errors
    /// When it is there already, or cannot be made.
    pub fn begin(path: &Path, header: &Header) -> anyhow::Result<ExportWriter> {
        if path.exists() {
            bail!("{} is there already; name another file with --out", path.display());
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&part).with_context(|| {
            format!("{} cannot be made; remove what an export that was cut off has left", part.display())
        })?;
        let (out, digest) = (BufWriter::new(file), digest::Context::new(&SHA256));
        let mut writer = ExportWriter { path: path.to_owned(), part, out, digest, chunks: 0, tokens: 0 };
        writer.line(header)?;
        Ok(writer)
    }

    /// The number of the next chunk.
    pub const fn next_chunk(&self) -> u64 {
        self.chunks + 1
    }

    /// How many tokens were written.
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Adds a chunk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, jwe: String, tokens: u64) -> anyhow::Result<()> {
        let chunk = self.next_chunk();
        self.line(&ChunkLine { chunk, tokens, jwe })?;
        self.chunks = chunk;
        self.tokens += tokens;
        Ok(())
    }

    /// Writes the trailer, and gives the file its name once it is on the disk. Answers the SHA-256 of the whole file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> anyhow::Result<String> {
        let sha256 = hex::encode(self.digest.clone().finish());
        let trailer = Trailer { chunks: self.chunks, tokens: self.tokens, sha256 };
        self.line(&trailer)?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        std::fs::rename(&self.part, &self.path)
            .with_context(|| format!("{} cannot be given its name", self.part.display()))?;
        Ok(hex::encode(self.digest.finish()))
    }

    fn line(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.digest.update(&line);
        self.out.write_all(&line).with_context(|| format!("{} cannot be written", self.part.display()))
    }
}

/// A file that is being read.
pub struct ExportReader {
    path: PathBuf,
    input: BufReader<File>,
    digest: digest::Context,
    header: Header,
    chunks: u64,
    tokens: u64,
    number: u64,
}

/// What comes next in a file.
pub enum Next {
    /// A chunk.
    Chunk(ChunkLine),
    /// The end; the file is whole.
    End(Summary),
}

impl ExportReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When it cannot be read or is no export.
    pub fn open(path: &Path) -> anyhow::Result<ExportReader> {
        let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let header = Header::new(String::new(), String::new(), String::new(), String::new());
        let digest = digest::Context::new(&SHA256);
        let mut reader = ExportReader {
            path: path.to_owned(),
            input: BufReader::new(file),
            digest,
            header,
            chunks: 0,
            tokens: 0,
            number: 0,
        };
        let first = reader.line()?;
        reader.header = serde_json::from_slice(&first)
            .ok()
            .filter(|header: &Header| header.format == FORMAT)
            .with_context(|| format!("{} is no vault export: its first line is no header of one", path.display()))?;
        if reader.header.version != VERSION {
            bail!(
                "{} has version {} of the format, and this program reads {VERSION}",
                path.display(),
                reader.header.version
            );
        }
        reader.digest.update(&first);
        Ok(reader)
    }

    /// Looks whether a file is whole and unchanged.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(path: &Path) -> anyhow::Result<Summary> {
        let mut reader = ExportReader::open(path)?;
        loop {
            if let Next::End(summary) = reader.next()? {
                return Ok(summary);
            }
        }
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next line.
    ///
    /// # Errors
    /// When it was cut off or changed.
    pub fn next(&mut self) -> anyhow::Result<Next> {
        let line = self.line()?;
        let shown = self.path.display().to_string();
        let read = serde_json::from_slice(&line).ok();
        let read = read.with_context(|| format!("line {} of {shown} was cut off or changed", self.number))?;
        match read {
            Line::Chunk(chunk) => {
                if chunk.chunk != self.chunks + 1 {
                    bail!(
                        "line {} of {shown} is chunk {}, and {} was to come",
                        self.number,
                        chunk.chunk,
                        self.chunks + 1
                    );
                }
                if chunk.tokens > EXPORT_CHUNK_TOKENS_MAX as u64 {
                    bail!("line {} of {shown} says that it has more tokens than a chunk has", self.number);
                }
                self.digest.update(&line);
                self.chunks += 1;
                self.tokens += chunk.tokens;
                Ok(Next::Chunk(chunk))
            }
            Line::Trailer(trailer) => self.end(&trailer, &line),
        }
    }

    fn end(&mut self, trailer: &Trailer, line: &[u8]) -> anyhow::Result<Next> {
        let shown = self.path.display();
        if hex::encode(self.digest.clone().finish()) != trailer.sha256 {
            bail!("{shown} was changed: its SHA-256 is another than its last line says");
        }
        if (trailer.chunks, trailer.tokens) != (self.chunks, self.tokens) {
            bail!(
                "{shown} was changed: it has {} chunks with {} tokens, and its last line says {} with {}",
                self.chunks,
                self.tokens,
                trailer.chunks,
                trailer.tokens
            );
        }
        if !self.input.fill_buf()?.is_empty() {
            bail!("{shown} was changed: something follows its last line");
        }
        self.digest.update(line);
        let sha256 = hex::encode(self.digest.clone().finish());
        Ok(Next::End(Summary { header: self.header.clone(), chunks: self.chunks, tokens: self.tokens, sha256 }))
    }

    /// A whole line with its end.
    fn line(&mut self) -> anyhow::Result<Vec<u8>> {
        use std::io::Read;
        self.number += 1;
        let mut line = Vec::new();
        let shown = self.path.display();
        let input = (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        input.with_context(|| format!("{shown} cannot be read"))?;
        match line.last() {
            Some(b'\n') => Ok(line),
            None => bail!("{shown} was cut off: it has no last line with counts and checksum"),
            Some(_) if line.len() as u64 >= LINE_BYTES_MAX => bail!("line {} of {shown} is too long", self.number),
            Some(_) => bail!("{shown} was cut off in line {}", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(folder: &Path) -> PathBuf {
        let path = folder.join("export.jsonl");
        let header = Header::new("e1".into(), "demo".into(), "k1".into(), "2026-11-26T00:00:00.000Z".into());
        let mut writer = ExportWriter::begin(&path, &header).unwrap();
        for tokens in [256, 256, 3] {
            writer.add(format!("a.b.{tokens}"), tokens).unwrap();
        }
        assert!(!path.exists(), "not before it is whole");
        let sha256 = writer.finish().unwrap();
        assert_eq!(sha256, hex::encode(digest::digest(&SHA256, &std::fs::read(&path).unwrap())));
        path
    }

    #[test]
    fn a_whole_file_is_taken_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let summary = ExportReader::check(&path).unwrap();
        assert_eq!((summary.chunks, summary.tokens, summary.header.merchant.as_str()), (3, 515, "demo"));
        assert!(ExportWriter::begin(&path, &summary.header).err().unwrap().to_string().contains("there already"));
    }

    /// Rule: a file that was cut anywhere, or of which any byte was changed, is refused.
    #[test]
    fn any_cut_and_any_changed_byte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(ExportReader::check(&path).is_err(), "the first {length} bytes");
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert!(ExportReader::check(&path).is_err(), "byte {place}");
        }
        std::fs::write(&path, [whole.as_slice(), b"\n"].concat()).unwrap();
        assert!(ExportReader::check(&path).unwrap_err().to_string().contains("follows"));
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        for left_out in 0..lines.len() {
            let rest: Vec<u8> = lines
                .iter()
                .enumerate()
                .filter(|(place, _)| *place != left_out)
                .flat_map(|(_, line)| line.to_vec())
                .collect();
            std::fs::write(&path, rest).unwrap();
            assert!(ExportReader::check(&path).is_err(), "without line {left_out}");
        }
    }
}
