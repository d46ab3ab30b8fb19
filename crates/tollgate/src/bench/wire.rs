//! The generator's own HTTP/1.1: one request and one answer over a kept connection, and nothing beyond what that takes. The
//! generator shares the processors with the gateway, and a client for every purpose costs a fifth of a payment.

use super::script::Door;
use crate::client::{ANSWER_BYTES_MAX, PAGE_PATH, PATH, Stream, Target};
use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How many headers an answer may have.
const HEADERS_MAX: usize = 32;
/// The room for an answer to begin with, in bytes.
const ANSWER_BYTES: usize = 4 * 1024;

/// An open connection.
pub struct Wire {
    stream: Stream,
    /// The heads of requests up to the number behind `Content-Length: `.
    api_head: Vec<u8>,
    page_head: Vec<u8>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// Where the parts of an answer lie in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
}

impl Wire {
    /// Opens one.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub async fn open(target: &Target) -> anyhow::Result<Wire> {
        let stream = target.stream().await?;
        let head = |path: &str, kind: &str| {
            let host = target.authority();
            format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: ").into_bytes()
        };
        Ok(Wire {
            stream,
            api_head: head(PATH, "application/json"),
            page_head: head(PAGE_PATH, "application/x-www-form-urlencoded"),
            request: Vec::new(),
            answer: Vec::with_capacity(ANSWER_BYTES),
        })
    }

    /// Posts a body and gives the body of the answer.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is not HTTP 200 with a length.
    pub async fn post(&mut self, door: Door, body: &[u8]) -> anyhow::Result<&[u8]> {
        self.request.clear();
        self.request.extend_from_slice(match door {
            Door::Api => &self.api_head,
            Door::Page => &self.page_head,
        });
        self.request.extend_from_slice(body.len().to_string().as_bytes());
        self.request.extend_from_slice(b"\r\n\r\n");
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await.context("the gateway hung up")?;
        self.stream.flush().await.context("the gateway hung up")?;
        let head = self.read().await?;
        if head.status != 200 {
            bail!("the gateway answered HTTP {}, not 200", head.status);
        }
        Ok(self.answer.get(head.bytes..).unwrap_or_default())
    }

    /// Reads one whole answer.
    async fn read(&mut self) -> anyhow::Result<Head> {
        self.answer.clear();
        let mut head = None;
        loop {
            if self.stream.read_buf(&mut self.answer).await.context("the gateway hung up")? == 0 {
                bail!("the gateway hung up");
            }
            if head.is_none() {
                head = parse(&self.answer)?;
            }
            let Some(head) = head else { continue };
            match self.answer.len().cmp(&(head.bytes + head.body_bytes)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(head),
                std::cmp::Ordering::Greater => bail!("the gateway sent more than its answer"),
            }
        }
    }
}

/// The head at the beginning of `bytes`; `None` while it is not there in whole.
fn parse(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = response.parse(bytes).context("the gateway does not speak HTTP")?
    else {
        if bytes.len() > ANSWER_BYTES_MAX {
            bail!("the head of the gateway's answer does not end");
        }
        return Ok(None);
    };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok());
    let body_bytes: usize = length.context("the gateway's answer has no length: measure it without a proxy between")?;
    if body_bytes > ANSWER_BYTES_MAX {
        bail!("the gateway's answer has {body_bytes} bytes, more than {ANSWER_BYTES_MAX}");
    }
    Ok(Some(Head { status: response.code.unwrap_or_default(), bytes: head_bytes, body_bytes }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        let head_bytes = whole.len() - 2;
        for end in 1..head_bytes {
            assert_eq!(parse(&whole[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(parse(whole).unwrap(), Some(Head { status: 200, bytes: head_bytes, body_bytes: 2 }));
    }

    #[test]
    fn what_cannot_be_measured_is_an_error() {
        for answer in [
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(parse(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
