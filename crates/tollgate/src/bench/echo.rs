//! The ceiling of the HTTP side: a server that reads a signed request, checks its signature, and sends it back with a
//! code and a signature of its own. The same server code, message code and client as everywhere, and nothing else.

use super::signer::Signer;
use http_body_util::{BodyExt, Limited};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tollgate_core::code::{STATUS_FOUND, refused};
use tollgate_fort::message::{BODY_BYTES_MAX, Message};
use tollgate_http::{AnswerBody, Peer, Request, Response, Server, ServerSettings, Service};

/// A running echo on threads of its own.
pub struct Echo {
    runtime: tokio::runtime::Runtime,
    server: Server,
    /// Where it listens.
    pub url: String,
}

impl Echo {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    /// When the system gives no threads or no port.
    pub async fn start(signer: Signer) -> anyhow::Result<Echo> {
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("echo").enable_all().build()?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let service = Arc::new(Answering { signer });
        let server = runtime.spawn(Server::start(listen, service, ServerSettings::default())).await??;
        let url = format!("http://{}", server.address());
        Ok(Echo { runtime, server, url })
    }

    /// Ends it.
    pub async fn stop(self) {
        self.server.stop(Duration::from_secs(1)).await;
        self.runtime.shutdown_background();
    }
}

struct Answering {
    signer: Signer,
}

impl Service for Answering {
    fn call(self: Arc<Self>, request: Request, _peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
            let answer = body.map(|body| self.answer(&body.to_bytes())).unwrap_or_default();
            Response::new(AnswerBody::whole(answer))
        })
    }
}

impl Answering {
    fn answer(&self, body: &[u8]) -> Vec<u8> {
        let right = Message::from_json(body).ok().filter(|message| self.signer.request_is_right(message));
        let Some(message) = right else {
            return self.signer.sign_answer(&[("response_code", &refused::SIGNATURE_MISMATCH.to_string())]);
        };
        let texts: Vec<_> = message.params().filter_map(|(name, value)| Some((name, value.scalar()?))).collect();
        let code = STATUS_FOUND.to_string();
        let mut fields: Vec<(&str, &str)> = texts.iter().map(|(name, value)| (*name, &**value)).collect();
        fields.push(("response_code", &code));
        self.signer.sign_answer(&fields)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_answers_yes_to_a_right_signature_only() {
        let echo = Answering { signer: Signer::sample() };
        let request = echo.signer.sign_request(&[("query_command", "CHECK_STATUS"), ("merchant_reference", "r")]);
        let answer = Message::from_json(&echo.answer(&request)).unwrap();
        assert!(echo.signer.answer_is_right(&answer));
        assert_eq!(answer.text("response_code").as_deref(), Some("12000"));
        let wrong = String::from_utf8(request).unwrap().replace("\"r\"", "\"s\"");
        let answer = Message::from_json(&echo.answer(wrong.as_bytes())).unwrap();
        assert_eq!(answer.text("response_code").as_deref(), Some("00008"));
    }
}
