//! `tollgate listen`: feedback of a running gateway on its way to a local URL.

use super::{DataArg, small_runtime};
use crate::listen::Line;
use crate::operator::OperatorClient;
use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_core::feedback::FeedbackId;
use tollgate_core::shown::harmless;
use tollgate_feedback::guard::{FeedbackUrl, Reach};
use tollgate_feedback::{HttpSender, ListenerReport, Parcel, Reply, Sender};
use tollgate_fort::command::mask_card_numbers;

/// Forward the feedback of a running gateway to a local URL, live, and show a line for each.
///
/// A merchant that has no URL gets its feedback here while this runs: what the local URL answers
/// acknowledges it or not. Of the others this shows a copy.
#[derive(Debug, Args)]
pub struct Listen {
    /// Where to forward to, for example http://localhost:3000/feedback
    #[arg(long, value_name = "URL")]
    forward_to: String,
    /// Only this merchant's (its handle)
    #[arg(long)]
    merchant: Option<String>,
    #[command(flatten)]
    data: DataArg,
}

/// How long the local URL may take, in milliseconds; the gateway waits no longer than that either.
const FORWARD_MS_MAX: u64 = 15_000;
/// The longest line that is read from the gateway, in bytes.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// How many forwards may be under way at once.
const FORWARDS_MAX: usize = 16;
/// How much of an answer goes back to the gateway, in characters.
const ANSWER_CHARS_MAX: usize = 256;

impl Listen {
    /// Forwards until the gateway ends or Ctrl-C.
    ///
    /// # Errors
    /// When no gateway runs, or the URL cannot be read.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if let Err(fault) = FeedbackUrl::parse(&self.forward_to, Reach::Sandbox) {
            bail!("{:?} cannot be forwarded to: {fault}", harmless(&self.forward_to));
        }
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let gateway = Arc::new(OperatorClient::needed(&folder)?);
            tokio::select! {
                ended = self.listen(gateway) => ended.map(|()| ExitCode::SUCCESS),
                _ = tokio::signal::ctrl_c() => Ok(ExitCode::SUCCESS),
            }
        })
    }

    async fn listen(&self, gateway: Arc<OperatorClient>) -> anyhow::Result<()> {
        let path = match &self.merchant {
            None => "listen".to_owned(),
            Some(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
                format!("listen?merchant={name}")
            }
            Some(name) => bail!("there is no merchant {}", harmless(name)),
        };
        let response = gateway.send(Method::GET, &path, &serde_json::Value::Null).await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            let body = http_body_util::Limited::new(response.into_body(), LINE_BYTES_MAX).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            bail!("the running gateway said {status}: {}", said["error"].as_str().unwrap_or_default());
        }
        println!("listening; feedback goes to {}", self.forward_to);
        let sender = Arc::new(HttpSender::new(Reach::Sandbox));
        let places = Arc::new(tokio::sync::Semaphore::new(FORWARDS_MAX));
        let mut body = response.into_body();
        let mut buffer: Vec<u8> = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.context("the running gateway hung up")?;
            buffer.extend_from_slice(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                if line.len() <= 1 {
                    continue;
                }
                let line: Line = serde_json::from_slice(&line).context("the running gateway is another version")?;
                let place = Arc::clone(&places).acquire_owned().await?;
                let (gateway, sender, url) = (gateway.clone(), sender.clone(), self.forward_to.clone());
                tokio::spawn(async move {
                    forward(&gateway, sender.as_ref(), url, line).await;
                    drop(place);
                });
            }
            if buffer.len() > LINE_BYTES_MAX {
                bail!("the running gateway sends a line of more than {LINE_BYTES_MAX} bytes");
            }
        }
        bail!("the gateway has ended")
    }
}

async fn forward(gateway: &OperatorClient, sender: &HttpSender, url: String, line: Line) {
    let Some(id) = FeedbackId::parse(&line.feedback) else { return };
    let content_type = known(&line.content_type);
    let parcel = Parcel { id, sequence: line.sequence, url, content_type, body: Bytes::from(line.body) };
    let begun = Instant::now();
    let limit = Duration::from_millis(FORWARD_MS_MAX);
    let reply = tokio::time::timeout(limit, sender.send(&parcel)).await;
    let reply = reply.unwrap_or_else(|_| Reply::failed(format!("no answer within {FORWARD_MS_MAX} ms")));
    let ms = begun.elapsed().as_millis();
    let said = match (reply.status, &reply.error) {
        (Some(status), _) => format!("HTTP {status}"),
        (None, error) => error.clone().unwrap_or_default(),
    };
    println!(
        "{}  {:<12} {} {} try {}  {}  {ms} ms",
        line.at,
        line.kind,
        harmless(&line.merchant_reference),
        line.code,
        line.attempt,
        harmless(&said)
    );
    let answer = String::from_utf8_lossy(&reply.answer);
    let report = ListenerReport {
        number: line.number,
        status: reply.status,
        error: reply.error,
        answer: mask_card_numbers(&answer).chars().take(ANSWER_CHARS_MAX).collect(),
    };
    let report = serde_json::to_value(&report).unwrap_or_default();
    if let Err(error) = gateway.ask(Method::POST, "listen/report", &report).await {
        eprintln!("the running gateway does not hear of it: {error:#}");
    }
}

/// The content type as one that is known, so that a line cannot forge a header.
fn known(content_type: &str) -> &'static str {
    use tollgate_core::feedback::FeedbackFormat;
    let all = FeedbackFormat::ALL.map(tollgate_fort::feedback_body::content_type);
    all.into_iter().find(|known| *known == content_type).unwrap_or("application/octet-stream")
}
