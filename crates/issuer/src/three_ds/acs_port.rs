//! The HTTP port of the ACS: what browsers reach.
//!
//! - `POST /acs/method`: the 3DS method, in a frame that nobody sees;
//! - `POST /acs/challenge`: the CReq, and the page that asks for the code;
//! - `POST /acs/challenge/{acsTransID}`: what the customer does there.

use super::ThreeDs;
use super::acs::{Begin, Seen, cres};
use super::challenge::Step;
use super::page::{self, Hidden};
use super::texts::Language;
use crate::web::{self, Answer, HangUp, Port};
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tollgate_threeds::element::TransactionId;
use tollgate_threeds::encode::{
    ENCODED_CHARS_MAX, from_base64url, method_notification, read_method_request, to_base64url,
};
use tollgate_threeds::message::CReq;

/// A form has at most so many bytes.
const FORM_BYTES_MAX: usize = ENCODED_CHARS_MAX + 8 * 1024;
/// The most characters of `threeDSSessionData` (EMVCo 3DS 2.2, table A.3).
const SESSION_DATA_CHARS_MAX: usize = 1_024;
/// The browser waits so many milliseconds for the RRes; then it goes on without.
const TOLD_MS_MAX: u64 = 40_000;

/// Serves the ACS until `stop` says otherwise.
pub(crate) async fn serve(port: Port, three_ds: Arc<ThreeDs>, stop: watch::Receiver<bool>) {
    let respond = move |request| {
        let three_ds = Arc::clone(&three_ds);
        async move { Ok::<_, HangUp>(respond(&three_ds, request).await) }
    };
    web::serve(port, stop, respond).await;
}

async fn respond(three_ds: &Arc<ThreeDs>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let is_known = matches!(path.as_str(), "/acs/method" | "/acs/challenge") || path.starts_with("/acs/challenge/");
    if !is_known {
        return over(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::POST {
        let mut answer = over(StatusCode::METHOD_NOT_ALLOWED);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let Some(body) = web::body(request, FORM_BYTES_MAX).await else { return over(StatusCode::PAYLOAD_TOO_LARGE) };
    let form = Form::read(&body);
    match path.as_str() {
        "/acs/method" => method(&form),
        "/acs/challenge" => begin(three_ds, form).await,
        _ => match path.strip_prefix("/acs/challenge/").and_then(TransactionId::parse) {
            Some(id) => step(three_ds, &id, form).await,
            None => over(StatusCode::NOT_FOUND),
        },
    }
}

/// The fields that one of the forms may have; of those that come twice, the last counts.
#[derive(Default)]
struct Form {
    method_data: String,
    creq: String,
    session_data: Option<String>,
    action: String,
    code: String,
    language: String,
}

impl Form {
    fn read(body: &[u8]) -> Form {
        let mut form = Form::default();
        for (name, value) in form_urlencoded::parse(body) {
            let value = value.into_owned();
            match name.as_ref() {
                "threeDSMethodData" => form.method_data = value,
                "creq" => form.creq = value,
                "threeDSSessionData" => form.session_data = Some(value),
                "action" => form.action = value,
                "code" => form.code = value,
                "language" => form.language = value,
                _ => {}
            }
        }
        form
    }

    fn step(self) -> Option<Step> {
        match self.action.as_str() {
            "submit" => Some(Step::Code(self.code)),
            "cancel" => Some(Step::Cancel),
            "resend" => Some(Step::Resend),
            "language" => Language::parse(&self.language).map(Step::Speak),
            _ => None,
        }
    }
}

/// The 3DS method: a real ACS looks at the browser here. This one says at once that it is done.
fn method(form: &Form) -> Answer {
    let Ok(request) = read_method_request(&form.method_data) else { return over(StatusCode::BAD_REQUEST) };
    let url = request.notification_url.as_str();
    let data = method_notification(&request.three_ds_server_trans_id);
    let fields = [Hidden { name: "threeDSMethodData", value: &data }];
    page::onward(Language::English, url, &fields)
}

async fn begin(three_ds: &Arc<ThreeDs>, form: Form) -> Answer {
    let creq: CReq = match from_base64url(&form.creq) {
        Ok(creq) => creq,
        Err(fault) => {
            tracing::info!(%fault, "the ACS cannot use a CReq");
            return over(StatusCode::BAD_REQUEST);
        }
    };
    if form.session_data.as_ref().is_some_and(|data| data.chars().count() > SESSION_DATA_CHARS_MAX) {
        return over(StatusCode::BAD_REQUEST);
    }
    let id = creq.acs_trans_id.clone();
    let begin = Begin {
        acs_trans_id: creq.acs_trans_id,
        three_ds_server_trans_id: creq.three_ds_server_trans_id,
        session_data: form.session_data,
    };
    let seen = three_ds.acs.begin(three_ds, &begin);
    show(three_ds, &id, seen).await
}

async fn step(three_ds: &Arc<ThreeDs>, id: &TransactionId, form: Form) -> Answer {
    let Some(step) = form.step() else { return over(StatusCode::BAD_REQUEST) };
    let seen = three_ds.acs.step(three_ds, id, step);
    show(three_ds, id, seen).await
}

async fn show(three_ds: &Arc<ThreeDs>, id: &TransactionId, seen: Seen) -> Answer {
    let shown = match seen {
        Seen::Unknown => None,
        Seen::Ask(notice) => three_ds.acs.look(id, |entry| {
            let path = format!("/acs/challenge/{id}");
            page::question(&entry.challenge, notice, &path)
        }),
        Seen::Over(mut told) => {
            let wait = told.wait_for(|told| *told);
            if tokio::time::timeout(Duration::from_millis(TOLD_MS_MAX), wait).await.is_err() {
                tracing::warn!(acs_trans_id = id.as_str(), "the browser goes on before the RRes has come");
            }
            three_ds
                .acs
                .look(id, |entry| {
                    let ending = entry.challenge.ending()?;
                    let cres = to_base64url(&cres(entry, ending));
                    let mut fields = vec![Hidden { name: "cres", value: &cres }];
                    fields.extend(
                        entry.session_data.as_deref().map(|value| Hidden { name: "threeDSSessionData", value }),
                    );
                    Some(page::onward(entry.challenge.language, entry.notification_url.as_str(), &fields))
                })
                .flatten()
        }
    };
    shown.unwrap_or_else(|| over(StatusCode::NOT_FOUND))
}

fn over(status: StatusCode) -> Answer {
    page::over(status, Language::English)
}
