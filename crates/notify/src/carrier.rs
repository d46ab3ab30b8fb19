//! Who carries a letter, and what came of it.

use crate::compose::{Letter, MailLetter, TextLetter};
use crate::mail::SmtpMailer;
use crate::sms::SmsProvider;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tollgate_core::message::MessageId;
use tollgate_feedback::guard::{FeedbackUrl, Reach};
use tollgate_feedback::{HttpSender, Post, PostHeader};

/// What stands for the sandbox where a carrier is named.
const SANDBOX: &str = "sandbox";
/// The header with a notification's number, the same in each try.
const ID_HEADER: &str = "tollgate-message-id";

/// Who carries letters.
pub struct Carriers {
    /// Mails.
    pub mail: MailCarrier,
    /// Text messages.
    pub sms: SmsCarrier,
    /// Notifications for merchants' servers, guarded as feedback is.
    pub server: HttpSender,
    /// How far they may reach.
    pub reach: Reach,
}

/// Who carries mails.
pub enum MailCarrier {
    /// A mail server.
    Smtp(Box<SmtpMailer>),
    /// The sandbox takes them and shows them: nothing leaves the machine.
    Sandbox,
    /// Nobody.
    None,
}

/// Who carries text messages.
pub enum SmsCarrier {
    /// A provider.
    Provider(Box<SmsProvider>),
    /// The sandbox takes them and shows them: nothing leaves the machine.
    Sandbox,
    /// Nobody.
    None,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who was to carry it: a scheme, a host and a port, or the sandbox.
    pub target: String,
    /// What it means.
    pub verdict: Verdict,
    /// The status of HTTP or SMTP, if one came.
    pub status: Option<u16>,
    /// Why it failed, when no status tells it.
    pub error: Option<String>,
    /// What was answered, as it came.
    pub answer: String,
}

/// What a try means for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// It will never be taken: the receiver or the content is refused.
    Refused,
    /// It may be taken later.
    Later,
}

impl Report {
    /// Nobody was asked, or nobody answered.
    pub(crate) fn failed(target: &str, error: impl Into<String>) -> Report {
        let (target, error) = (target.to_owned(), Some(error.into()));
        Report { target, verdict: Verdict::Later, status: None, error, answer: String::new() }
    }

    fn sandbox() -> Report {
        let target = SANDBOX.to_owned();
        Report { target, verdict: Verdict::Taken, status: None, error: None, answer: "shown by the sandbox".to_owned() }
    }
}

impl Carriers {
    /// Has a letter carried. May be dropped at any time: that is a timeout.
    pub async fn carry(&self, id: MessageId, letter: &Letter) -> Report {
        match letter {
            Letter::Mail(mail) => self.mail.carry(mail).await,
            Letter::Text(text) => self.sms.carry(text).await,
            Letter::Notice(notice) => {
                let header = HeaderValue::try_from(id.to_string()).ok();
                let header = header.map(|value| PostHeader { name: HeaderName::from_static(ID_HEADER), value });
                let post = Post {
                    url: notice.url.clone(),
                    content_type: notice.content_type,
                    headers: header.into_iter().collect(),
                    body: Bytes::from(notice.body.clone()),
                };
                let url = FeedbackUrl::parse(&notice.url, self.reach);
                let target = url.map_or_else(|_| "an unreadable URL".to_owned(), |url| url.origin());
                let reply = self.server.post(&post).await;
                let verdict = if reply.acknowledges() { Verdict::Taken } else { Verdict::Later };
                let answer = String::from_utf8_lossy(&reply.answer).into_owned();
                Report { target, verdict, status: reply.status, error: reply.error, answer }
            }
        }
    }
}

impl MailCarrier {
    async fn carry(&self, mail: &MailLetter) -> Report {
        match self {
            MailCarrier::Smtp(mailer) => mailer.send(mail).await,
            MailCarrier::Sandbox => Report::sandbox(),
            MailCarrier::None => Report::failed("none", "this gateway sends no mails: [mail] is not set"),
        }
    }
}

impl SmsCarrier {
    async fn carry(&self, text: &TextLetter) -> Report {
        match self {
            SmsCarrier::Provider(provider) => provider.send(text).await,
            SmsCarrier::Sandbox => Report::sandbox(),
            SmsCarrier::None => Report::failed("none", "this gateway sends no text messages: [sms] is not set"),
        }
    }
}
