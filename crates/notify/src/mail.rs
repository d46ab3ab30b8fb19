//! Mails by SMTP.

use crate::carrier::{Report, Verdict};
use crate::compose::MailLetter;
use crate::settings::{MailSettings, MailTls, NotifyError};
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use tollgate_core::secret::Secret;

/// How many connections to the mail server are kept.
const CONNECTIONS_MAX: u32 = 4;
/// How many characters of a subject or a name stand in a header.
const HEADER_CHARS_MAX: usize = 200;
/// The certificate authorities in one file.
const CA_CERTIFICATES_MAX: usize = 64;

/// Sends mails to one server.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
    target: String,
    timeout: Duration,
}

impl SmtpMailer {
    /// A mailer by these settings, which have been checked; `None` where they name no server. `password` is that of
    /// `mail.user`.
    ///
    /// # Errors
    /// When a certificate cannot be read, or the settings are none.
    pub fn open(settings: &MailSettings, password: Option<&Secret>) -> Result<Option<SmtpMailer>, NotifyError> {
        settings.check()?;
        let (Some(server), Some(from)) = (&settings.server, &settings.from) else { return Ok(None) };
        let wrong = |why: String| NotifyError::Setting(why);
        let from: Address = from.parse().map_err(|error| wrong(format!("mail.from is no address: {error}")))?;
        let timeout = Duration::from_millis(settings.timeout_ms);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.as_str())
            .port(settings.port())
            .tls(tls(settings, server)?)
            .timeout(Some(timeout))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX));
        if let (Some(user), Some(password)) = (&settings.user, password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
        }
        let scheme = if settings.tls == MailTls::Implicit { "smtps" } else { "smtp" };
        let target = format!("{scheme}://{server}:{}", settings.port());
        Ok(Some(SmtpMailer { transport: builder.build(), from, target, timeout }))
    }

    /// Sends one mail and tells what the server made of it.
    pub async fn send(&self, letter: &MailLetter) -> Report {
        let message = match self.message(letter) {
            Ok(message) => message,
            Err(error) => {
                let refused = Report::failed(&self.target, format!("no mail can be made of it: {error}"));
                return Report { verdict: Verdict::Refused, ..refused };
            }
        };
        match tokio::time::timeout(self.timeout, self.transport.send(message)).await {
            Ok(Ok(response)) => Report {
                target: self.target.clone(),
                verdict: Verdict::Taken,
                status: Some(response.code().into()),
                error: None,
                answer: response.message().collect::<Vec<_>>().join(" "),
            },
            Ok(Err(error)) => self.refused(&error),
            Err(_) => Report::failed(&self.target, format!("no answer within {} ms", self.timeout.as_millis())),
        }
    }

    fn refused(&self, error: &lettre::transport::smtp::Error) -> Report {
        let status: Option<u16> = error.status().map(u16::from);
        let words = with_causes(error);
        let verdict = if status.is_some_and(is_about_the_mail) { Verdict::Refused } else { Verdict::Later };
        let error = if status.is_some() { None } else { Some(words.clone()) };
        let answer = if status.is_some() { words } else { String::new() };
        Report { target: self.target.clone(), verdict, status, error, answer }
    }

    fn message(&self, letter: &MailLetter) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
        let to: Address = letter.to.parse()?;
        let to_name = letter.to_name.as_deref().map(one_line).filter(|name| !name.is_empty());
        let from_name = Some(one_line(&letter.from_name)).filter(|name| !name.is_empty());
        let seconds = u64::try_from(letter.date.unix_seconds()).unwrap_or_default();
        let html = SinglePart::html(letter.html.clone());
        let html = match &letter.picture {
            None => MultiPart::related().singlepart(html),
            Some(picture) => {
                let kind = ContentType::parse(picture.media_type)?;
                let part = Attachment::new_inline(picture.name.to_owned()).body(picture.bytes.clone(), kind);
                MultiPart::related().singlepart(html).singlepart(part)
            }
        };
        let body = MultiPart::alternative().singlepart(SinglePart::plain(letter.text.clone())).multipart(html);
        Ok(Message::builder()
            .from(Mailbox::new(from_name, self.from.clone()))
            .to(Mailbox::new(to_name, to))
            .subject(one_line(&letter.subject))
            .date(UNIX_EPOCH + Duration::from_secs(seconds))
            .message_id(Some(format!("<{}@{}>", letter.name, self.from.domain())))
            .header(AutoSubmitted)
            .multipart(body)?)
    }
}

/// Whether a status is about this mail or its receiver, so that the same mail will never be taken (RFC 5321, 4.2.3). Every
/// other one, a wrong password included, is about the server and its settings, which somebody may mend.
fn is_about_the_mail(status: u16) -> bool {
    matches!(status, 550..=556)
}

/// A text as it may stand in a header: without anything that ends a line or turns the reading direction.
fn one_line(text: &str) -> String {
    let is_harmful = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean: String = text.chars().map(|c| if is_harmful(c) { ' ' } else { c }).take(HEADER_CHARS_MAX).collect();
    clean.trim().to_owned()
}

fn tls(settings: &MailSettings, server: &str) -> Result<Tls, NotifyError> {
    if settings.tls == MailTls::None {
        return Ok(Tls::None);
    }
    let mut builder = TlsParameters::builder(server.to_owned());
    if let Some(path) = &settings.ca_certificates {
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in certificates(path)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    let parameters = builder.build_rustls().map_err(|error| NotifyError::Setting(format!("mail.tls: {error}")))?;
    Ok(if settings.tls == MailTls::Implicit { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, NotifyError> {
    let wrong = |why: String| NotifyError::File { setting: "mail.ca_certificates", path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    let text = String::from_utf8_lossy(&pem);
    let blocks: Vec<&str> =
        text.split_inclusive("-----END CERTIFICATE-----").filter(|one| one.contains("BEGIN")).collect();
    if blocks.is_empty() || blocks.len() > CA_CERTIFICATES_MAX {
        return Err(wrong(format!("it holds 1 to {CA_CERTIFICATES_MAX} certificates in PEM")));
    }
    let read = |block: &&str| Certificate::from_pem(block.as_bytes()).map_err(|error| wrong(error.to_string()));
    blocks.iter().map(read).collect()
}

/// An error with what lies behind it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

/// `Auto-Submitted` (RFC 3834): no machine shall answer.
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<AutoSubmitted, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::compose::MailPicture;
    use tollgate_core::time::Timestamp;

    fn mailer() -> SmtpMailer {
        let settings = MailSettings {
            server: Some("127.0.0.1".into()),
            tls: MailTls::None,
            from: Some("pay@gateway.example".into()),
            ..MailSettings::default()
        };
        SmtpMailer::open(&settings, None).unwrap().unwrap()
    }

    fn letter() -> MailLetter {
        MailLetter {
            to: "jo@example.org".into(),
            to_name: Some("Jo Doe".into()),
            from_name: "متجر".into(),
            subject: "Payment request".into(),
            text: "text".into(),
            html: "<p>html</p>".into(),
            picture: Some(MailPicture { name: "logo", media_type: "image/png", bytes: vec![1, 2, 3] }),
            name: "message.7.179".into(),
            date: Timestamp(1_795_180_800_000_000),
        }
    }

    fn written(letter: &MailLetter) -> String {
        String::from_utf8(mailer().message(letter).unwrap().formatted()).unwrap()
    }

    #[tokio::test]
    async fn a_mail_has_its_headers_and_both_forms() {
        let mail = written(&letter());
        for part in [
            "Date: Fri, 20 Nov 2026 13:20:00 +0000\r\n",
            "Message-ID: <message.7.179@gateway.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "To: \"Jo Doe\" <jo@example.org>\r\n",
            "<pay@gateway.example>\r\n",
            "multipart/alternative",
            "text/plain; charset=utf-8",
            "text/html; charset=utf-8",
            "Content-ID: <logo>",
        ] {
            assert!(mail.contains(part), "{part}: {mail}");
        }
    }

    #[tokio::test]
    async fn nothing_that_a_customer_or_a_merchant_writes_makes_a_header() {
        let evil = "x\r\nBcc: all@example.org\r\n\r\n<script>";
        for bad in [
            MailLetter { to_name: Some(evil.into()), ..letter() },
            MailLetter { from_name: evil.into(), ..letter() },
            MailLetter { subject: evil.into(), ..letter() },
            MailLetter { subject: "a\u{2028}Bcc: b@example.org".into(), ..letter() },
        ] {
            let mail = written(&bad);
            let head = mail.split("\r\n\r\n").next().unwrap();
            assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        }
        for to in ["jo@example.org\r\nBcc: all@example.org", "jo@example.org, all@example.org", "jo", ""] {
            assert!(mailer().message(&MailLetter { to: to.into(), ..letter() }).is_err(), "{to}");
        }
    }

    #[test]
    fn only_what_is_about_the_mail_is_final() {
        for (status, is_final) in [(550, true), (553, true), (554, true), (421, false), (451, false), (535, false)] {
            assert_eq!(is_about_the_mail(status), is_final, "{status}");
        }
    }
}
