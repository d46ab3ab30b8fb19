//! Text messages by a provider's HTTP interface.
//!
//! One POST for each message, with JSON: `to` (`+` and digits), `text`, `sender` (where one is set) and `reference` (the
//! same in each try, so that a provider that knows it sends nothing twice). 2xx means that it was taken; 400 and 422, that
//! it never will be.

use crate::carrier::{Report, Verdict};
use crate::compose::TextLetter;
use crate::settings::{NotifyError, SmsSettings};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tollgate_core::secret::Secret;
use tollgate_feedback::guard::{FeedbackUrl, Reach};
use tollgate_feedback::{HttpSender, Post, PostHeader, SystemResolver};

/// The most characters of a text message: four parts of one that is not in the basic alphabet (3GPP TS 23.038: 67 each).
pub const SMS_CHARS_MAX: usize = 268;
/// What the provider's answer may call a message.
const ANSWER_NAMES: [&str; 4] = ["message_id", "messageId", "id", "reference"];

/// Sends text messages by one provider.
pub struct SmsProvider {
    sender: HttpSender,
    url: String,
    target: String,
    header: Option<PostHeader>,
    from: Option<String>,
    timeout: Duration,
}

impl SmsProvider {
    /// A provider by these settings, which have been checked; `None` where they name none. `secret` is the value of the
    /// header.
    ///
    /// # Errors
    /// When a certificate or the secret cannot be used.
    pub fn open(settings: &SmsSettings, secret: Option<&Secret>) -> Result<Option<SmsProvider>, NotifyError> {
        settings.check()?;
        let Some(url) = settings.url.clone() else { return Ok(None) };
        let wrong = |text: String| NotifyError::Setting(text);
        // An operator has named it, so it may be a server inside the gateway's own network.
        let reach = Reach::Sandbox;
        let read =
            FeedbackUrl::parse(&url, reach).map_err(|fault| wrong(format!("sms.url cannot be called: {fault}")))?;
        let header = match secret {
            None => None,
            Some(secret) => {
                let name = HeaderName::try_from(settings.header.as_str());
                let name = name.map_err(|_| wrong("sms.header is no name of a header".to_owned()))?;
                let value = HeaderValue::try_from(secret.reveal());
                let mut value = value.map_err(|_| wrong("the secret of [sms] has no place in a header".to_owned()))?;
                value.set_sensitive(true);
                Some(PostHeader { name, value })
            }
        };
        let sender = match &settings.ca_certificates {
            None => HttpSender::new(reach),
            Some(path) => HttpSender::with(reach, Arc::new(SystemResolver), trusting(path)?),
        };
        let (target, from) = (read.origin(), settings.sender.clone());
        Ok(Some(SmsProvider { sender, url, target, header, from, timeout: Duration::from_millis(settings.timeout_ms) }))
    }

    /// Sends one message and tells what the provider made of it.
    pub async fn send(&self, letter: &TextLetter) -> Report {
        let mut body = serde_json::json!({ "to": letter.to, "text": letter.text, "reference": letter.reference });
        if let (Some(from), Some(members)) = (&self.from, body.as_object_mut()) {
            members.insert("sender".to_owned(), from.clone().into());
        }
        let post = Post {
            url: self.url.clone(),
            content_type: "application/json",
            headers: self.header.clone().into_iter().collect(),
            body: Bytes::from(body.to_string()),
        };
        let Ok(reply) = tokio::time::timeout(self.timeout, self.sender.post(&post)).await else {
            return Report::failed(&self.target, format!("no answer within {} ms", self.timeout.as_millis()));
        };
        let verdict = match reply.status {
            Some(200..=299) => Verdict::Taken,
            Some(400 | 422) => Verdict::Refused,
            _ => Verdict::Later,
        };
        let answer = told(&reply.answer);
        Report { target: self.target.clone(), verdict, status: reply.status, error: reply.error, answer }
    }
}

/// What is kept of an answer: the provider's name of the message first, where it tells one.
fn told(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer).into_owned();
    let Ok(read) = serde_json::from_slice::<serde_json::Value>(answer) else { return text };
    let named = ANSWER_NAMES.iter().find_map(|name| match &read[*name] {
        serde_json::Value::String(id) => Some(id.clone()),
        serde_json::Value::Number(id) => Some(id.to_string()),
        _ => None,
    });
    named.map_or(text.clone(), |id| format!("message {id}: {text}"))
}

fn trusting(path: &Path) -> Result<Arc<rustls::ClientConfig>, NotifyError> {
    let wrong = |why: String| NotifyError::File { setting: "sms.ca_certificates", path: path.to_owned(), why };
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it holds no certificate in PEM".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_providers_name_of_a_message_is_kept() {
        for (answer, kept) in [
            (r#"{"message_id":"SM-1"}"#, r#"message SM-1: {"message_id":"SM-1"}"#),
            (r#"{"id":17}"#, r#"message 17: {"id":17}"#),
            ("queued", "queued"),
            ("", ""),
        ] {
            assert_eq!(told(answer.as_bytes()), kept);
        }
    }
}
