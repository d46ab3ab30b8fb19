//! A call of the shop's server to the gateway: a real HTTP request to the service around which the shop stands, over a
//! pipe in memory, so that it goes the way of every merchant's and needs to know neither port nor certificate.

use crate::client::PATH;
use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tollgate_http::{Peer, Service};

/// How much of a message is in the pipe at once.
const PIPE_BYTES: usize = 64 * 1024;
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long an answer may take, in milliseconds: as long as the most patient merchant waits.
const ANSWER_MS_MAX: u64 = 60_000;

/// Posts a signed JSON body to the payment API and gives the body of the answer.
///
/// # Errors
/// When there is no answer in time, or it is none with HTTP 200.
pub async fn post(gateway: Arc<dyn Service>, body: Vec<u8>) -> anyhow::Result<Bytes> {
    let exchanged = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), exchange(gateway, body)).await;
    exchanged.context("the gateway did not answer in time")?
}

async fn exchange(gateway: Arc<dyn Service>, body: Vec<u8>) -> anyhow::Result<Bytes> {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let answer = service_fn(move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), certificate: None };
        async move { Ok::<_, Infallible>(gateway.call(request, peer).await) }
    });
    let serving = server::Builder::new().serve_connection(TokioIo::new(theirs), answer);
    let (mut sender, connection) = client::handshake(TokioIo::new(ours)).await?;
    // Both end when the sender is dropped; what there is to say, the exchange says.
    tokio::spawn(async move {
        let _ = serving.await;
    });
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let request = Request::post(PATH)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await.context("the gateway hung up")?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(anyhow::Error::from_boxed)?;
    if status != StatusCode::OK {
        bail!("the gateway answered HTTP {status}, not 200");
    }
    Ok(body.to_bytes())
}
