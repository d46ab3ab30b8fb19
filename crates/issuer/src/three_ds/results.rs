//! From the directory server to the 3DS Server: RReq out, RRes back.

use super::connector::{Authorities, Connector};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::error::Error;
use std::time::Duration;
use tollgate_threeds::element::{TransactionId, WebUrl};
use tollgate_threeds::fault::ErrorCode;
use tollgate_threeds::message::{Answer, Erro, MESSAGE_BYTES_MAX, RReq, RRes, Wire, read_answer};

/// An RRes has to come within so many milliseconds.
const ANSWER_MS_MAX: u64 = 5_000;
/// After a failure it is tried again after so many milliseconds, once for each.
const RETRY_PAUSES_MS: [u64; 3] = [200, 1_000, 3_000];

/// Sends RReqs.
pub(crate) struct ResultsSender {
    client: Client<Connector, Full<Bytes>>,
}

/// Why a 3DS Server did not take an RReq.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It cannot be reached, or the connection broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It does not answer in time.
    #[error("no answer within {ANSWER_MS_MAX} ms")]
    Late,
    /// It answers with another status than 200.
    #[error("HTTP status {0}")]
    Status(StatusCode),
    /// What it answers is no RRes to this RReq.
    #[error("the answer is no RRes to this RReq")]
    NoResponse,
    /// It answers with an error message.
    #[error("Erro {}", .0.digits())]
    Erro(ErrorCode),
    /// The address cannot be called.
    #[error("threeDSServerURL is no address that can be called")]
    Address,
}

impl Failure {
    /// Whether another try could help.
    const fn passes(&self) -> bool {
        match self {
            Failure::Unreachable(_) | Failure::Late | Failure::Status(_) | Failure::NoResponse => true,
            Failure::Erro(code) => matches!(code, ErrorCode::TimedOut | ErrorCode::TransientFailure),
            Failure::Address => false,
        }
    }
}

/// What became of an RReq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The 3DS Server has it.
    Taken,
    /// It does not, or nobody knows whether it does.
    Lost,
}

impl ResultsSender {
    pub(crate) fn new(authorities: Authorities) -> ResultsSender {
        ResultsSender { client: Client::builder(TokioExecutor::new()).build(Connector::new(authorities)) }
    }

    /// Sends an RReq until its RRes comes, a few times at most.
    pub(crate) async fn send(&self, url: &WebUrl<2048>, result: &RReq) -> Told {
        let id = result.acs_trans_id.as_str();
        // An RReq has no card number, so its bytes need no wiping.
        let body = Bytes::copy_from_slice(&result.to_bytes());
        let mut pauses = RETRY_PAUSES_MS.into_iter();
        loop {
            let failure = match self.once(url, body.clone(), &result.acs_trans_id).await {
                Ok(()) => {
                    tracing::info!(
                        acs_trans_id = id,
                        status = result.trans_status.code(),
                        "the 3DS Server has the RReq"
                    );
                    return Told::Taken;
                }
                Err(failure) => failure,
            };
            match pauses.next().filter(|_| failure.passes()) {
                Some(pause_ms) => {
                    tracing::info!(acs_trans_id = id, %failure, pause_ms, "an RReq was not taken; it goes again");
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                }
                None => {
                    tracing::warn!(acs_trans_id = id, %failure, "an RReq was not taken and is given up");
                    return Told::Lost;
                }
            }
        }
    }

    async fn once(&self, url: &WebUrl<2048>, body: Bytes, acs_trans_id: &TransactionId) -> Result<(), Failure> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(ACCEPT, "application/json")
            .body(Full::new(body))
            .map_err(|_| Failure::Address)?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            if response.status() != StatusCode::OK {
                return Err(Failure::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MESSAGE_BYTES_MAX).collect().await;
            Ok(body.map_err(|error| unreachable(&*error))?.to_bytes())
        };
        let limit = Duration::from_millis(ANSWER_MS_MAX);
        let answer = tokio::time::timeout(limit, exchange).await.map_err(|_| Failure::Late)??;
        match read_answer::<RRes>(&answer) {
            Ok(Answer::Message(response)) if response.acs_trans_id == *acs_trans_id => Ok(()),
            Ok(Answer::Erro(Erro { error_code, .. })) => Err(Failure::Erro(error_code)),
            Ok(Answer::Message(_)) | Err(_) => Err(Failure::NoResponse),
        }
    }
}

/// With the innermost cause, which says what to do: that the connection was refused, or whose certificate is not trusted.
fn unreachable(error: &(dyn Error + 'static)) -> Failure {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    Failure::Unreachable(innermost.to_string())
}
