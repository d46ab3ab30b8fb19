//! What belongs to 3-D Secure and is no page: what a browser tells of itself, and the results that the directory server
//! posts.

use crate::Request;
use crate::answer::{AnswerBody, Response, plain};
use crate::body::{self, Body};
use crate::pages::browser::{BrowserData as FormBrowser, Java, Scripts};
use crate::pages::browser_field;
use crate::payment_api::PaymentApi;
use crate::source::Arrival;
use http::{HeaderValue, Method, StatusCode, header};
use std::sync::Arc;
use tollgate_app::ThreeDsEvent;
use tollgate_core::code::refused;
use tollgate_fort::message::Message;
use tollgate_threeds::element::{ColorDepth, Digits, ErrorComponent, TimeZoneMinutes};
use tollgate_threeds::flow::{BrowserData, BrowserHeaders, Reply, ScriptData, not_recognised};
use tollgate_threeds::message::{MessageType, RReq, Wire};

/// What stands before the link in the path of a result.
pub(crate) const RESULTS_PATH: &str = "/3ds/results/";
/// How often a result is taken again when the checkout has changed meanwhile.
const RESULT_TRIES_MAX: usize = 8;

/// The answer to the directory server's RReq at `/3ds/results/{link}`.
pub(crate) async fn results(api: &PaymentApi, request: Request) -> Response {
    let link = request.uri().path().strip_prefix(RESULTS_PATH).unwrap_or_default().to_owned();
    if request.method() != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Tollgate: results of 3-D Secure are posted\n");
    }
    let body = match body::read(request.into_body(), MessageType::RReq.bytes_max()).await {
        Body::Whole(body) => body,
        Body::TooLarge | Body::Broken => return plain(StatusCode::BAD_REQUEST, "Tollgate: no RReq\n"),
    };
    let rreq = match RReq::read(&body) {
        Ok(rreq) => rreq,
        Err(fault) => {
            tracing::warn!(%fault, "a result of 3-D Secure cannot be read");
            return match fault.to_erro(ErrorComponent::Server) {
                Some(erro) => json_message(&erro),
                None => plain(StatusCode::BAD_REQUEST, "Tollgate: no RReq\n"),
            };
        }
    };
    for _ in 0..RESULT_TRIES_MAX {
        let seen = match api.gateway().checkout(&link).await {
            Ok(Some(seen)) => Arc::new(seen),
            Ok(None) => return json_message(&not_recognised(&rreq)),
            Err(refused) => {
                tracing::error!(detail = %refused.refusal.detail, "a result of 3-D Secure cannot be kept");
                return plain(StatusCode::SERVICE_UNAVAILABLE, "Tollgate: try again\n");
            }
        };
        match api.gateway().three_ds_event(&seen, ThreeDsEvent::Results(Box::new(rreq.clone()))).await {
            Ok(Some(Reply::Results(answer))) => return json_message(&answer),
            Ok(Some(Reply::Erro(erro))) => return json_message(&erro),
            Ok(None) => return json_message(&not_recognised(&rreq)),
            // The browser was faster: look again.
            Err(refused) if refused.refusal.code == refused::STILL_PROCESSING => {}
            Err(refused) => {
                tracing::error!(detail = %refused.refusal.detail, "a result of 3-D Secure cannot be kept");
                return plain(StatusCode::SERVICE_UNAVAILABLE, "Tollgate: try again\n");
            }
        }
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, "Tollgate: try again\n")
}

fn json_message<M: Wire>(message: &M) -> Response {
    let mut response = Response::new(AnswerBody::whole(message.to_bytes().to_vec()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a browser is, by its form and its headers.
pub(crate) fn browser_of(api: &PaymentApi, form: &Message, arrival: &Arrival) -> Box<BrowserData> {
    let values: Vec<(&str, String)> =
        browser_field::ALL.into_iter().map(|name| (name, form.text(name).unwrap_or_default().into_owned())).collect();
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let told = FormBrowser::of_form(value);
    let header =
        |name: header::HeaderName| arrival.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let ip = api.address_of(arrival).map(|ip| ip.to_string());
    let accepted = header(header::ACCEPT_LANGUAGE).split([',', ';']).next().unwrap_or_default();
    let headers = BrowserHeaders {
        accept: header(header::ACCEPT),
        user_agent: header(header::USER_AGENT),
        language: told.language.as_deref().unwrap_or(accepted),
        ip: ip.as_deref(),
    };
    Box::new(BrowserData::gather(headers, script_of(&told)))
}

/// What only a script can tell; `None` where none ran, or not all of it is known.
fn script_of(told: &FormBrowser) -> Option<ScriptData> {
    if told.scripts != Scripts::On {
        return None;
    }
    Some(ScriptData {
        runs_java: told.java == Some(Java::On),
        color_depth: ColorDepth::at_most(u32::from(told.color_depth_bits?)),
        screen_height: Digits::parse(&told.screen_height_px?.to_string())?,
        screen_width: Digits::parse(&told.screen_width_px?.to_string())?,
        time_zone: TimeZoneMinutes::new(told.time_zone_minutes?)?,
    })
}
